"""The triggers that judge, or divert, rows one by one, and the one that looks at the schema."""

from __future__ import annotations

import json
from dataclasses import KW_ONLY, dataclass
from typing import Any

from pgslo import naming, sql
from pgslo.compile.artifact import Artifact
from pgslo.compile.choice import Choice, Mechanism
from pgslo.compile.part import Part
from pgslo.compile.rows import kinds
from pgslo.compile.rows.described import (
    Header,
    described,
    failing,
    header,
    names,
    row_key,
    with_breach,
)
from pgslo.compile.table import outbox
from pgslo.compile.table.context import TableContext
from pgslo.compile.table.subject import NEW
from pgslo.definition import rules
from pgslo.sql import Sql

#: Mechanisms of rules about the table's columns and types.
_BY_SCHEMA = ("schema trigger", "on read")
_ALWAYS, _NOTHING = Sql("TRUE"), Sql("NULL")

#: Blanks before each further line of the names of failing rules.
_INDENT = 12


@dataclass(frozen=True)
class _Judged:
    """The rules that row ``NEW`` violates, one by one.

    Attributes:
        refuses: Whether the rule in question refuses a row that it does not accept.
    """

    rule_names: Sql
    failing: Sql
    refuses: Sql


@dataclass(frozen=True)
class _Judging(Header):
    """What evaluates rules for row ``NEW``.

    Attributes:
        first: The condition of the first rule; the others follow.
        passed: What the function returns for a row that passes all of them.
        failing: For each rule its name if the row violates it, else NULL; empty if each rule is asked again.
        judged: The rules that it violates.
    """

    first: Sql
    others: tuple[Sql, ...]
    passed: Sql
    judged: Sql
    _: KW_ONLY
    failing: tuple[Sql, ...] = ()


@dataclass(frozen=True)
class _Names:
    rule_names: Sql


@dataclass(frozen=True)
class _Named:
    name: Sql
    passes: Sql


@dataclass(frozen=True)
class _RowWritten(_Judging):
    rejecting: Sql


@dataclass(frozen=True)
class _Diverting:
    """A rule that diverts rows, as a function on a shard prints it; it is new if an UPDATE changes what the rule reads."""

    name: Sql
    passes: Sql
    shown: Sql
    is_changed: Sql


@dataclass(frozen=True)
class _ShardQuarantine:
    source: Sql
    function: Sql
    outbox: Sql
    key: Sql
    guards: tuple[Sql, ...]
    passes: Sql
    rules: tuple[_Diverting, ...]
    row_key: Sql


@dataclass(frozen=True)
class _Schema:
    source: Sql
    function: Sql
    definition: Sql
    wanted: Sql
    schema_name: Sql
    table_name: Sql
    rule: Sql
    owner: Sql


def row_triggers(table: TableContext, so_far: Part) -> Part:
    """Make functions and triggers for the rules that are enforced by other triggers than those on whole statements."""
    by_schema = (choice.rule for choice in so_far.choices if choice.mechanism in _BY_SCHEMA)
    rule = next(by_schema, None)
    told = kinds.of(rule, table.subject).declared() if rule is not None else None
    return Part(artifacts=_artifacts(table, so_far.choices), registered={"schema": told})


def _artifacts(table: TableContext, choices: tuple[Choice, ...]) -> tuple[Artifact, ...]:
    def of(mechanism: Mechanism) -> tuple[rules.Rule, ...]:
        return tuple(choice.rule for choice in choices if choice.mechanism == mechanism)

    made: list[Artifact] = []
    by_row, by_schema = of("row trigger"), of("schema trigger")
    diverting = tuple(rule for rule in by_row if rule.on_breach == "quarantine")
    judging = tuple(rule for rule in by_row if rule.on_breach != "quarantine")
    by_statement = of("statement trigger")
    if by_row or by_statement:
        made.append(failing(table, by_statement, by_row))
    if diverting:
        made += _quarantine(table, diverting)
    if judging:
        made += _row(table, judging)
    if by_schema:
        made += _schema(table, by_schema[0])
    return tuple(made)


def _quarantine(table: TableContext, diverting: tuple[rules.Rule, ...]) -> list[Artifact]:
    function = table.function_name("quarantine")
    text = _on_shard(table, function, diverting) if table.shards else _diverting(table, function, diverting)
    return [
        table.function(
            function,
            text,
            "all quarantining rules in one condition; each is evaluated only when it fails",
            settings=table.settings(diverting),
        ),
        table.trigger(
            "trigger_row",
            naming.trigger(naming.ENFORCE_ORDER, "quarantine", "row"),
            "INSERT OR UPDATE",
            function,
            (table.relation.schema, table.relation.name),
            "a BEFORE ROW trigger; PostgreSQL clones it to every partition",
        ),
    ]


def _diverting(table: TableContext, function: str, diverting: tuple[rules.Rule, ...]) -> Sql:
    context = _Judging(
        **header(table, function, NEW, diverting, returns=NEW),
        **_judging(table, diverting, names(described(table, diverting, NEW)), refuses=_ALWAYS),
        passed=NEW,
    )
    return sql.render("quarantine", context)


def _on_shard(table: TableContext, function: str, diverting: tuple[rules.Rule, ...]) -> Sql:
    """The same on the node of a shard, where a block that catches errors would end the session of some writers."""
    told = described(table, diverting, NEW)
    context = _ShardQuarantine(
        source=table.source(diverting),
        function=sql.identifier(naming.GENERATED_SCHEMA, function),
        outbox=outbox.qualified(table),
        key=outbox.key(table),
        guards=outbox.guards(table),
        passes=sql.join(" AND ", (one.passes for one in told)),
        rules=tuple(
            _Diverting(one.name, one.passes, one.shown, _is_changed(rule))
            for rule, one in zip(diverting, told, strict=True)
        ),
        row_key=row_key(table, NEW),
    )
    return sql.render("shards/shard_quarantine", context)


def _is_changed(rule: rules.Rule) -> Sql:
    """Whether an UPDATE changes a column that the rule reads; one that names no column may be about any."""
    old, new = (
        sql.join(", ", (Sql(f"{row}.{sql.identifier(name)}") for name in rule.reads))
        for row in ("OLD", "NEW")
    )
    return Sql(f"record_image_ne(ROW({old}), ROW({new}))") if rule.reads else _ALWAYS


def _row(table: TableContext, judging: tuple[rules.Rule, ...]) -> list[Artifact]:
    function = table.function_name("row_written")
    # An error names the first that fails.
    judging = tuple(sorted(judging, key=lambda rule: rule.on_breach != "reject"))
    of_rows = described(table, judging, NEW)
    rejecting = names(with_breach(judging, of_rows, "reject"))
    context = _RowWritten(
        **header(table, function, NEW, judging),
        **_judging(
            table,
            judging,
            sql.render("failing_names", _Names(names(of_rows))),
            refuses=Sql(f"u.rule = ANY ({rejecting})"),
        ),
        failing=(
            sql.listed(
                (sql.render("name_if_failing", _Named(one.name, one.passes)) for one in of_rows), _INDENT
            ),
        ),
        passed=_NOTHING,
        rejecting=rejecting,
    )
    return [
        table.function(
            function,
            sql.render("row_written", context),
            "all row rules in one condition; each is evaluated only when it fails",
            settings=table.settings(judging),
        ),
        table.trigger(
            "trigger_after_row",
            naming.trigger(naming.MEASURE_ORDER, "measure", "row"),
            "INSERT OR UPDATE",
            function,
            (table.relation.schema, table.relation.name),
            "an AFTER ROW trigger evaluates the stored row, once, whatever other triggers and ON CONFLICT do; PostgreSQL clones it to every partition",
        ),
    ]


def _judging(
    table: TableContext, judged: tuple[rules.Rule, ...], rule_names: Sql, *, refuses: Sql
) -> dict[str, Any]:
    of_rows = described(table, judged, NEW)
    one_by_one = _Judged(
        rule_names=rule_names,
        failing=sql.identifier(naming.GENERATED_SCHEMA, table.function_name("failing")),
        refuses=refuses,
    )
    return {
        "first": of_rows[0].passes,
        "others": tuple(one.passes for one in of_rows[1:]),
        "judged": sql.render("judged", one_by_one),
    }


def _schema(table: TableContext, rule: rules.Rule) -> list[Artifact]:
    wanted = json.dumps(kinds.of(rule, table.subject).declared(), ensure_ascii=False)
    function = table.function_name("schema")
    context = _Schema(
        source=table.source(),
        function=sql.identifier(naming.GENERATED_SCHEMA, function),
        definition=sql.literal(table.definition.name),
        wanted=Sql(f"{sql.literal(wanted)}::jsonb"),
        schema_name=sql.literal(table.relation.schema),
        table_name=sql.literal(table.relation.name),
        rule=sql.literal(rule.name),
        owner=sql.literal(table.owner(rule)),
    )
    trigger = naming.trigger(naming.ENFORCE_ORDER, "schema", "statement")
    own = table.name
    return [
        table.function(
            function,
            sql.render("rules/schema", context),
            "compares the table's columns with the definition",
        ),
        *(
            table.trigger(
                "trigger_schema",
                trigger,
                "INSERT OR UPDATE",
                function,
                name,
                "a BEFORE STATEMENT trigger: one look a statement, not a row",
                apart=name != own,
            )
            for name in (own, *table.relation.partitions)
        ),
    ]
