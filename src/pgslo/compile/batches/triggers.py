"""What a whole statement wrote: a trigger function judges it and measures its batches; others count what is taken away."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

from pgslo import naming, sql
from pgslo.compile.artifact import Artifact
from pgslo.compile.batches import counting, profiles
from pgslo.compile.batches.profiles import Watched
from pgslo.compile.batches.recounting import recount
from pgslo.compile.part import Part, Tally
from pgslo.compile.rows.described import Described, Header, described, failure, header, names, refuses
from pgslo.compile.table.context import TableContext
from pgslo.compile.table.subject import ROW
from pgslo.definition import rules
from pgslo.expression.session import Settings
from pgslo.sql import Sql

# One context class for each template.


@dataclass(frozen=True)
class _Refusing:
    """Stands for the step that refuses batches."""


@dataclass(frozen=True)
class _Counted(Header):
    """What both the rows that come and those that go are counted by."""

    rule_names: Sql
    column_names: Sql
    tally_names: Sql
    sums: Sql
    batch_of: Sql
    cursors: tuple[Sql, ...]
    count: Sql
    apart: tuple[counting.CountedApart, ...]
    refusing_batches: tuple[_Refusing, ...]


@dataclass(frozen=True)
class _Written(_Counted):
    """What a statement adds.

    Attributes:
        table_rule: The name of the rule about the table as a whole.
        rejecting: How many of the rules reject a row; they come first.
        refusing: How many of them refuse a row or a statement.
        failure: The name of the function that says what of a row violates a rule.
    """

    table_rule: Sql
    operation: Sql
    sampling: tuple[profiles.Sampled, ...]
    rules: tuple[Described, ...]
    rejecting: Sql
    refusing: Sql
    failure: Sql


@dataclass(frozen=True)
class _Removed(_Counted):
    sample: Sql


def statements(table: TableContext, so_far: Part) -> Part:
    """Judge whole statements, and measure the batches of a definition."""
    definition, mode = table.definition, table.writes.mode
    judged = tuple(choice.rule for choice in so_far.choices if choice.mechanism == "statement trigger")
    # Whether anybody wants to know what batches come to: bounds are learned, or rules are about batches.
    profiled = definition.watch or any(isinstance(one.rule, rules.BatchRule) for one in so_far.choices)
    refuses = so_far.refuses or any(rule.reject_below is not None for rule in judged)
    of_row = definition.batch is not None and definition.batch.by is not None
    columns = profiles.watched(definition, table.relation) if profiled else ()
    made: list[Artifact] = []
    # Where triggers count failing rows alone, those that leave with a partition are counted as well.
    is_counted = profiled or (mode == "bulk" and bool(judged))
    recounted = table.function_name("recount") if of_row and is_counted else None
    if recounted is not None:
        made.append(recount(table, recounted, columns, so_far.tallies))
    triggers = _Triggers(table, columns, judged, so_far.tallies, profiled=profiled, refuses=refuses)
    if mode == "bulk":
        if profiled or judged:
            if of_row:
                made += triggers.removed()
            made += [*triggers.written(updates=of_row or bool(judged)), *triggers.emptied()]
    elif judged:
        # What a stream comes to is counted from the table when a batch closes: a statement has one row.
        made += replace(triggers, columns=(), tallies=(), profiled=False).written(updates=True)
    # Whether batches are measured: triggers count them, or the table can be asked.
    is_measured = mode == "bulk" or recounted is not None
    learns = definition.watch and is_measured
    return Part(
        artifacts=tuple(made),
        registered={
            "batch_is_of_row": of_row,
            "recount": recounted,
            "watched": [
                {"name": one.column.name, "kind": profiles.form(one)} for one in columns if is_measured
            ],
        },
        rules=profiles.learned(columns) if learns else (),
    )


@dataclass(frozen=True)
class _Triggers:
    """Makes the functions on whole statements, and the triggers of the table and its partitions."""

    table: TableContext
    columns: tuple[Watched, ...]
    judged: tuple[rules.Rule, ...]
    tallies: tuple[Tally, ...]
    _: KW_ONLY
    profiled: bool
    refuses: bool

    def written(self, *, updates: bool) -> list[Artifact]:
        """What a statement adds: one pass judges every rule and measures the batches."""
        table = self.table
        function, failing = table.function_name("written"), table.function_name("failure")
        # Those that reject a row first, then those that refuse what the batch comes to.
        judged = tuple(sorted(self.judged, key=lambda rule: (rule.on_breach != "reject", not refuses(rule))))
        of_rows = described(table, judged, ROW)
        context = _Written(
            **header(table, function, ROW, judged),
            **self._counted("pgslo_new", judged, sample=_NO_SAMPLE, raised=counting.one(), names_first=True),
            rule_names=names(of_rows),
            table_rule=sql.literal(profiles.TABLE_RULE),
            operation=Sql('lower(TG_OP COLLATE "C")' if table.writes.mode == "bulk" else "'judged'"),
            sampling=(profiles.sampled(table, self.columns),) if self.profiled else (),
            rules=of_rows,
            rejecting=sql.literal(sum(rule.on_breach == "reject" for rule in judged)),
            refusing=sql.literal(sum(refuses(rule) for rule in judged)),
            failure=sql.literal(str(sql.identifier(naming.GENERATED_SCHEMA, failing))),
        )
        reason = "one pass over all rows of a statement judges every rule and measures its batches"
        if not self.profiled:
            reason = "one pass over all rows of a statement counts every rule"
        events = [(naming.MEASURE_ORDER, "measure", event) for event in ("INSERT", "UPDATE")]
        return [
            *((failure(table, failing, judged),) if judged else ()),
            table.function(
                function,
                sql.render("written", context),
                reason,
                settings=self._settings(),
            ),
            *self._attached(function, "trigger_statement", events if updates else events[:1]),
        ]

    def removed(self) -> list[Artifact]:
        """What a statement takes away, with the rules that the rows failed."""
        table = self.table
        function = table.function_name("removed")
        sample = profiles.sample(table, self.columns) if self.profiled else _NO_SAMPLE
        later = profiles.sample(table, self.columns, mask=_FIRST) if self.profiled else _NO_SAMPLE
        raised = sql.render("taken_raised", counting.Nothing())
        context = _Removed(
            **header(table, function, ROW, self.judged),
            **self._counted("pgslo_old", self.judged, sample=sample, raised=raised),
            rule_names=_texts(rule.name for rule in self.judged),
            sample=sql.quoted(later),
        )
        # Before what an UPDATE wrote is judged: a row that it mends must not count as failing any more.
        events = [(naming.TAKEN_ORDER, "taken", event) for event in ("UPDATE", "DELETE")]
        return [
            table.function(
                function,
                sql.render("removed", context),
                "what a statement takes away is taken from its batches",
                settings=self._settings(),
            ),
            *self._attached(function, "trigger_taken", events),
        ]

    def _counted(
        self,
        rows: str,
        judged: tuple[rules.Rule, ...],
        *,
        sample: Sql,
        raised: Sql,
        names_first: bool = False,
    ) -> dict[str, Any]:
        """The fields of :class:`_Counted` about these rows."""
        table, source = self.table, Sql(f"{rows} AS r")
        batch = (table.batching.raw_row, table.batching.name, table.batching.place)
        return {
            "column_names": _texts(one.column.name for one in self.columns),
            "tally_names": _texts(one.name for one in self.tallies),
            "sums": sql.listed((sql.quoted(counting.total(one)) for one in self.tallies), _INDENT),
            "batch_of": sql.listed((sql.quoted(one) for one in batch), _INDENT),
            "cursors": counting.cursors(self.tallies),
            "count": counting.count(
                table, self.columns, self.tallies, source, judged, sample=sample, names_first=names_first
            ),
            "apart": counting.apart(table, self.columns, self.tallies, source, sample=sample, raised=raised),
            "refusing_batches": (_Refusing(),) if self.refuses else (),
        }

    def _settings(self) -> frozenset[Settings]:
        """What the functions need to count the same in every session."""
        read = tuple(one for tally in self.tallies for one in tally.reads)
        sampled = profiles.printed(self.table, self.columns) if self.profiled else frozenset()
        return self.table.settings((*self.judged, *read)) | sampled

    def emptied(self) -> list[Artifact]:
        """TRUNCATE."""
        table = self.table
        function = table.function_name("truncated")
        text = sql.render("truncated", Header(**header(table, function, ROW, ())))
        return [
            table.function(function, text, "a table that is emptied has no batches any more"),
            *self._attached(function, "trigger_truncate", [(naming.EMPTIED_ORDER, "emptied", "TRUNCATE")]),
        ]

    def _attached(
        self, function: str, template: str, events: Iterable[tuple[int, str, str]]
    ) -> list[Artifact]:
        relation = self.table.relation
        own = self.table.name
        return [
            self.table.trigger(
                template,
                naming.trigger(order, word, event.lower()),
                event,
                function,
                name,
                _WHY[template] if name == own else _WHY_PARTITION,
                apart=name != own,
            )
            for name in (own, *relation.partitions)
            for order, word, event in events
        ]


_NO_SAMPLE = Sql("NULL::text[]")
#: Where further lines of a list of constants begin.
_INDENT = 8
#: The mask of a sample, as the parameter of a query.
_FIRST = Sql("$1")

_WHY_PARTITION = "rows written straight to a partition do not fire the triggers of the whole table"
_WHY = {
    "trigger_statement": "an AFTER STATEMENT trigger with a transition table; PostgreSQL wants one for each event",
    "trigger_taken": "an AFTER STATEMENT trigger with the old rows in a transition table, one for each event",
    "trigger_truncate": "TRUNCATE fires no other trigger, and has no rows to show",
}


def _texts(values: Iterable[str]) -> Sql:
    return Sql(f"ARRAY[{sql.listed((sql.literal(value) for value in values), _INDENT)}]::text[]")
