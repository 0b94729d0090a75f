"""The processing of a score before it is served: a trigger on write, or a function that views call."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from typing import Any

from pgslo import naming, sql
from pgslo.catalog import Catalog, Column, Relation
from pgslo.compile.artifact import Artifact, Statement, qualified
from pgslo.compile.part import Part, Probe
from pgslo.compile.predictions import last
from pgslo.compile.predictions.columns import check_columns
from pgslo.compile.predictions.steps import Steps
from pgslo.compile.rows.described import row_key
from pgslo.compile.snippets import session_settings, texts
from pgslo.compile.table.context import TableContext
from pgslo.compile.table.subject import NEW, ROW, Subject
from pgslo.definition import wording
from pgslo.definition.rules import Definition, predictions
from pgslo.definition.rules.predictions import Columns, PostProcessing, Step
from pgslo.errors import Location
from pgslo.expression.session import Settings
from pgslo.sql import Sql

_DIGEST = 8
_VERSION = re.compile(r"'(v:[0-9a-f]{8})'")
#: The other rows of a group, in a top-k step.
_OTHER = Sql("o")

# One context class for each template.


@dataclass(frozen=True)
class _Write:
    source: Sql
    function: Sql
    definition: Sql
    guards: tuple[Sql, ...]
    version: Sql
    type: Sql
    score: Sql
    raw: Sql
    trail: Sql
    decided: tuple[Sql, ...]
    row_key: Sql
    steps: tuple[Sql, ...]


@dataclass(frozen=True)
class _Read:
    source: Sql
    function: Sql
    table: Sql
    version: Sql
    type: Sql
    score: Sql
    decided: tuple[Sql, ...]
    steps: tuple[Sql, ...]


@dataclass(frozen=True)
class _TopK:
    mine: Sql
    other: Sql
    table: Sql
    columns: tuple[Sql, ...]
    key: Sql
    other_key: Sql
    k: Sql


@dataclass(frozen=True)
class _Served:
    field: Sql
    function: Sql
    row: Sql


@dataclass(frozen=True)
class _WithServed:
    source: Sql
    function: Sql
    columns: Sql
    table: Sql


@dataclass(frozen=True)
class _Function:
    function: Sql


@dataclass(frozen=True)
class _Probe:
    table: Sql
    condition: Sql


def version(processing: PostProcessing) -> str:
    """The name of these steps in rows' trails: it changes with the steps."""
    text = json.dumps(described(processing), sort_keys=True, ensure_ascii=False)
    return f"v:{hashlib.sha256(text.encode()).hexdigest()[:_DIGEST]}"


def described(processing: PostProcessing) -> list[dict[str, Any]]:
    """The steps as the catalogue keeps them."""
    return [{"step": step.kind, **_plain(step)} for step in processing.steps]


def _plain(step: Step) -> dict[str, Any]:
    values = {key: getattr(step, key) for key in type(step).model_fields if key not in ("location", "places")}
    return {
        key: value.text if hasattr(value, "text") else value
        for key, value in values.items()
        if value not in (None, ())
    }


def post_process(table: TableContext, so_far: Part) -> Part:
    """Make what the post-processing of predictions needs."""
    del so_far
    if table.definition.post_process is None:
        return Part()
    steps = Compiler(table.definition, table.catalog, table.relation)
    changed = note(table.definition, table.catalog)
    return Part(
        artifacts=steps.artifacts(table),
        probes=tuple(Probe(text, location) for text, location in steps.probes()),
        notes=(changed,) if changed else (),
        registered=registered(table.definition),
    )


def registered(definition: Definition) -> dict[str, Any]:
    """The registration of the steps."""
    processing = definition.post_process
    if processing is None:
        return {}
    return {"post_processing": {"version": version(processing), "steps": described(processing)}}


def note(definition: Definition, catalog: Catalog) -> str | None:
    """What an author should know when steps change that made rows already."""
    processing = definition.post_process
    if processing is None:
        return None
    names = {(_name(definition, apply),) for apply in ("on_write", "on_read")}
    old = next((one for one in catalog.installed if one.kind == "function" and one.names in names), None)
    found = _VERSION.search(old.body or "") if old else None
    if found is None or found[1] == version(processing):
        return None
    if processing.apply == "on_read":
        return f"post-processing changes from {found[1]} to {version(processing)} for every row that is read"
    return (
        f"post-processing changes from {found[1]} to {version(processing)} for later writes; "
        f"existing rows keep their values, and the version in their trail "
        f"(setting {processing.trail} to NULL processes a row again)"
    )


def _name(definition: Definition, apply: str) -> str:
    # Two names, because they have different arguments: neither replaces the other.
    what = "post_process" if apply == "on_write" else "served"
    return naming.fit(definition.schema_name, definition.table_name, what)


class Compiler:
    """Makes what post-processing of one table needs."""

    def __init__(self, definition: Definition, catalog: Catalog, relation: Relation) -> None:
        assert definition.predictions is not None
        assert definition.post_process is not None
        self.definition = definition
        self.relation = relation
        self.subject = Subject(relation, catalog)
        self.columns: Columns = definition.predictions
        self.processing: PostProcessing = definition.post_process
        self.table = qualified((relation.schema, relation.name))
        self.score = self.subject.column(self.columns.score, self.columns.place("score"))
        self.type = Sql(self.score.type)
        self.name = _name(definition, definition.post_process.apply)
        self.function = sql.identifier(naming.GENERATED_SCHEMA, self.name)
        self.steps = Steps(self.subject, self.columns, self.processing)
        check_columns(definition, self.subject, self.columns, self.processing)

    # Objects

    def artifacts(self, table: TableContext) -> tuple[Artifact, ...]:
        """The trigger with its function, or the function that the views call."""
        name = self.name
        if self.processing.apply == "on_write":
            own = (self.relation.schema, self.relation.name)
            return (
                *last.functions(table, self.columns, self.processing),
                table.function(
                    name,
                    self._write(table),
                    "makes the served score from the model's score",
                    settings=self._settings(),
                ),
                table.trigger(
                    "trigger_row",
                    naming.trigger(naming.POST_PROCESS_ORDER, "post_process", "row"),
                    "INSERT OR UPDATE",
                    name,
                    own,
                    "a BEFORE ROW trigger holds for every writer; PostgreSQL clones it to every partition",
                    # The publisher has processed the score.
                    replicated=False,
                ),
            )
        if not self.processing.stored:
            return ()
        context = _Read(
            source=table.source(),
            function=self.function,
            table=self.table,
            version=sql.literal(version(self.processing)),
            type=self.type,
            score=sql.identifier(self.score.name),
            decided=self._decided(),
            steps=self._steps(ROW),
        )
        made = table.function(
            name,
            sql.render("read_post_process", context),
            "makes the served score of a row as it is read; the guarded views call it as the reader",
            arguments=self.table,
            settings=self._settings(),
        )
        grant = Statement(sql.render("grant_function", _Function(Sql(f"{self.function}({self.table})"))))
        return (replace(made, create=(*made.create, grant)),)

    def _write(self, table: TableContext) -> Sql:
        score, trail = sql.identifier(self.score.name), sql.identifier(self.processing.trail)
        context = _Write(
            source=Sql(wording.one_line(f"{table.source()}, {self.score.name} {self.score.type}")),
            function=self.function,
            definition=sql.literal(self.definition.name),
            guards=table.guards(table.relation, returns=NEW),
            version=sql.literal(version(self.processing)),
            type=self.type,
            score=score,
            raw=sql.identifier(self.processing.raw),
            trail=trail,
            decided=self._decided(),
            row_key=row_key(table, NEW),
            steps=self._steps(NEW),
        )
        return sql.render("write_post_process", context)

    def _settings(self) -> frozenset[Settings]:
        """What conditions of its steps, and the rows that they look up, depend on."""
        found = session_settings.needed(self.processing.stored, self.relation)
        looks_up = any(
            isinstance(step, predictions.TopK) or (isinstance(step, predictions.Default) and step.last)
            for step in self.processing.stored
        )
        return found | session_settings.LOOKUPS if looks_up else found

    def _decided(self) -> tuple[Sql, ...]:
        if self.columns.decided and self.processing.decides:
            return (sql.identifier(self.columns.decided),)
        return ()

    def _steps(self, row: Sql) -> tuple[Sql, ...]:
        return tuple(Sql(f"    {self.steps.step(step, row)}") for step in self.processing.stored)

    def probes(self) -> list[tuple[Sql, Location]]:
        """What PostgreSQL itself has to accept: the authors' conditions, and numbers that the columns can hold."""
        found = []
        for step in self.processing.steps:
            if isinstance(step, predictions.Override | predictions.Abstain):
                condition = _Probe(self.table, step.when.qualified(ROW))
                found.append((sql.render("probe_condition", condition), step.when.location))
        for step in self.processing.stored:
            if not isinstance(
                step, predictions.Override | predictions.Abstain | predictions.Threshold
            ) and not (isinstance(step, predictions.Default) and step.last):
                score = Sql(f"{ROW}.{sql.identifier(self.score.name)}")
                value = _Probe(self.table, self.steps.value(step, score, ROW))
                found.append((sql.render("probe_value", value), step.location))
        return found

    # What the views serve

    def served(self, row: Sql, column: str) -> Sql:
        """A column as readers get it, over a row."""
        own = Sql(f"{row}.{sql.identifier(column)}")
        made = {self.score.name, *((self.columns.decided,) if self.columns.decided else ())}
        if not self.serves or column not in made:
            return own
        return sql.render(
            "post_process/served", _Served(Sql(f"(p.r).{sql.identifier(column)}"), self.function, row)
        )

    @property
    def serves(self) -> bool:
        """Whether readers get other values than the stored ones."""
        return self.processing.apply == "on_read" and bool(self.processing.stored)

    def with_served(self, source: Sql) -> Sql:
        """Rows ``r`` of a source, each beside its served values: the row ``(p.r)``, and ``p.trail``."""
        columns = sql.join(", ", (Sql(f"{ROW}.{sql.identifier(one.name)}") for one in self.relation.columns))
        return sql.render("post_process/with_served", _WithServed(source, self.function, columns, self.table))

    def computed(self, key: tuple[str, ...]) -> dict[str, tuple[Sql, tuple[str, ...]]]:
        """Columns that only the views have: each with its value over ``r``, and the columns that it is about."""
        found: dict[str, tuple[Sql, tuple[str, ...]]] = {}
        about = (self.score.name,)
        if self.processing.apply == "on_read":
            found[self.processing.raw] = (Sql(f"{ROW}.{sql.identifier(self.score.name)}"), about)
            if self.processing.stored:
                trail = _Served(Sql("p.trail"), self.function, ROW)
                found[self.processing.trail] = (sql.render("post_process/served", trail), about)
        for step in self.processing.ranked:
            context = _TopK(
                mine=self.served(ROW, self.score.name),
                other=self.served(_OTHER, self.score.name),
                table=self.table,
                columns=tuple(sql.identifier(one) for one in step.per),
                key=sql.join(", ", (texts.comparable(self._of(one), ROW) for one in key)),
                other_key=sql.join(", ", (texts.comparable(self._of(one), _OTHER) for one in key)),
                k=sql.literal(step.k),
            )
            found[step.into] = (sql.render("post_process/top_k", context), about)
        return found

    def _of(self, name: str) -> Column:
        return self.subject.column(name, self.definition.location)
