"""What a whole statement wrote: a trigger function judges it and measures its batches; others count what is taken away."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass, replace

from pgslo import naming, sql
from pgslo.compile.artifact import Artifact
from pgslo.compile.batches import counting, profiles
from pgslo.compile.batches.profiles import Watched
from pgslo.compile.batches.recounting import recount
from pgslo.compile.part import Part, Tally
from pgslo.compile.rows.described import Described, Header, described, header, judge_row, with_breach
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
class _Statement(Header):
    table_rule: Sql
    operation: Sql
    rule_names: Sql
    rule_count: Sql
    column_names: Sql
    tally_names: Sql
    cursors: tuple[Sql, ...]
    count: Sql
    count_measures: Sql
    apart: tuple[counting.CountedApart, ...]
    sampling: tuple[profiles.Sampled, ...]
    rules: tuple[Described, ...]
    judge: Sql
    rejecting: tuple[Described, ...]
    noting: tuple[Described, ...]
    refusing: tuple[_Refusing, ...]
    refusing_names: Sql
    warned: Sql


@dataclass(frozen=True)
class _Taken(Header):
    rule_names: Sql
    column_names: Sql
    tally_names: Sql
    cursors: tuple[Sql, ...]
    count: Sql
    count_measures: Sql
    apart: tuple[counting.CountedApart, ...]
    refusing: tuple[_Refusing, ...]


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
                made += triggers.taken()
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
            "watched": [{"name": one.column.name, "kind": one.kind} for one in columns if is_measured],
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
        function = table.function_name("write_statement")
        judge = table.function_name("judge_written")
        judged = described(table, self.judged, ROW)
        warned = with_breach(self.judged, judged, "warn")
        context = _Statement(
            **header(table, function, ROW, self.judged),
            table_rule=sql.literal(profiles.TABLE_RULE),
            operation=Sql('lower(TG_OP COLLATE "C")' if table.writes.mode == "bulk" else "'judged'"),
            rule_names=_names(judged),
            rule_count=sql.literal(len(judged)),
            column_names=_texts(one.column.name for one in self.columns),
            tally_names=_texts(one.name for one in self.tallies),
            count=counting.count(
                table,
                self.columns,
                self.tallies,
                _NEW_ROWS,
                self.judged,
                sample=_NO_SAMPLE,
                names_first=True,
            ),
            cursors=counting.cursors(self.tallies),
            count_measures=counting.count(
                table, self.columns, self.tallies, _NEW_ROWS, (), sample=_NO_SAMPLE
            ),
            apart=counting.apart(
                table, self.columns, self.tallies, _NEW_ROWS, sample=_NO_SAMPLE, raised=counting.one()
            ),
            sampling=(profiles.sampled(table, self.columns),) if self.profiled else (),
            rules=judged,
            judge=sql.identifier(naming.GENERATED_SCHEMA, judge),
            rejecting=with_breach(self.judged, judged, "reject"),
            noting=with_breach(self.judged, judged, "warn", "flag"),
            refusing=(_Refusing(),) if self.refuses else (),
            refusing_names=_names(with_breach(self.judged, judged, "reject")),
            warned=_names(warned),
        )
        reason = "one pass over all rows of a statement judges every rule and measures its batches"
        if not self.profiled:
            reason = "one pass over all rows of a statement counts every rule"
        events = [(naming.MEASURE_ORDER, "measure", event) for event in ("INSERT", "UPDATE")]
        return [
            *((judge_row(table, judge, self.judged, judged),) if self.judged else ()),
            table.function(
                function,
                sql.render("write_statement", context),
                reason,
                settings=self._settings(),
            ),
            *self._attached(function, "trigger_statement", events if updates else events[:1]),
        ]

    def taken(self) -> list[Artifact]:
        """What a statement takes away, with the rules that the rows failed."""
        table = self.table
        function = table.function_name("take_measure")
        sample = profiles.sample(table, self.columns) if self.profiled else _NO_SAMPLE
        context = _Taken(
            **header(table, function, ROW, self.judged),
            rule_names=_texts(rule.name for rule in self.judged),
            column_names=_texts(one.column.name for one in self.columns),
            tally_names=_texts(one.name for one in self.tallies),
            cursors=counting.cursors(self.tallies),
            count=counting.count(table, self.columns, self.tallies, _OLD_ROWS, self.judged, sample=sample),
            count_measures=counting.count(table, self.columns, self.tallies, _OLD_ROWS, (), sample=sample),
            apart=counting.apart(
                table,
                self.columns,
                self.tallies,
                _OLD_ROWS,
                sample=sample,
                raised=sql.render("taken_raised", counting.Nothing()),
            ),
            refusing=(_Refusing(),) if self.refuses else (),
        )
        # Before what an UPDATE wrote is judged: a row that it mends must not count as failing any more.
        events = [(naming.TAKEN_ORDER, "taken", event) for event in ("UPDATE", "DELETE")]
        return [
            table.function(
                function,
                sql.render("take_measure", context),
                "what a statement takes away is taken from its batches",
                settings=self._settings(),
            ),
            *self._attached(function, "trigger_taken", events),
        ]

    def _settings(self) -> frozenset[Settings]:
        """What the functions need to count the same in every session."""
        read = tuple(one for tally in self.tallies for one in tally.reads)
        sampled = profiles.printed(self.table, self.columns) if self.profiled else frozenset()
        return self.table.settings((*self.judged, *read)) | sampled

    def emptied(self) -> list[Artifact]:
        """TRUNCATE."""
        table = self.table
        function = table.function_name("truncate_measure")
        text = sql.render("truncate_measure", Header(**header(table, function, ROW, ())))
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


_NEW_ROWS, _OLD_ROWS, _NO_SAMPLE = Sql("pgslo_new AS r"), Sql("pgslo_old AS r"), Sql("NULL::text[]")

_WHY_PARTITION = "rows written straight to a partition do not fire the triggers of the whole table"
_WHY = {
    "trigger_statement": "an AFTER STATEMENT trigger with a transition table; PostgreSQL wants one for each event",
    "trigger_taken": "an AFTER STATEMENT trigger with the old rows in a transition table, one for each event",
    "trigger_truncate": "TRUNCATE fires no other trigger, and has no rows to show",
}


def _names(described: tuple[Described, ...]) -> Sql:
    return Sql(f"ARRAY[{sql.join(', ', (one.name for one in described))}]::text[]")


def _texts(values: Iterable[str]) -> Sql:
    listed = sql.join(", ", (sql.literal(value) for value in values))
    return Sql(f"ARRAY[{listed}]::text[]")
