"""The rows of a whole statement: a trigger function evaluates them and measures their batches; others count removed rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass, replace

from pgslo import naming, sql
from pgslo.compile.artifact import Artifact
from pgslo.compile.batches import counting, outboxes, profiles
from pgslo.compile.batches.profiles import Watched
from pgslo.compile.batches.recounting import recount
from pgslo.compile.part import Part, Tally
from pgslo.compile.rows.described import Described, Header, described, header, names, refuses
from pgslo.compile.table.context import TableContext
from pgslo.compile.table.subject import ROW
from pgslo.definition import rules
from pgslo.definition.rules import Definition
from pgslo.expression.session import Settings
from pgslo.sql import Sql

# One context class for each template.


@dataclass(frozen=True)
class _Tallied:
    """Sums over the rows: their names in the record, and the texts of their expressions."""

    names: Sql
    sums: Sql


@dataclass(frozen=True)
class _Presents:
    """Texts of what counts the values of each column."""

    counts: Sql


@dataclass(frozen=True)
class _Apart:
    """The name of the function that gives the sums for one row."""

    function: Sql


@dataclass(frozen=True)
class _Emptied:
    """The operation of a trigger on TRUNCATE."""


@dataclass(frozen=True)
class _Measured(Header):
    """What judges and counts both the rows that come and those that go.

    Attributes:
        operation: The recorded name of the operation that added rows.
        rejecting: How many of the rules reject a row; they come first.
        refusing: How many of them refuse a row or a statement.
        failing: The name of the function that says what of a row violates a rule.
        apart: Nothing where no sum can raise an error for a row.
        emptied: Nothing where TRUNCATE is not noted.
    """

    emptied: tuple[_Emptied, ...]
    operation: Sql
    rules: tuple[Described, ...]
    rule_names: Sql
    rejecting: Sql
    refusing: Sql
    failing: Sql
    column_names: Sql
    presents: tuple[_Presents, ...]
    tallied: tuple[_Tallied, ...]
    apart: tuple[_Apart, ...]
    batch_of: Sql
    is_sampled: Sql
    refuses_batches: Sql
    one_row: Sql
    count: Sql
    sampling: tuple[profiles.Sampled, ...]


def statements(table: TableContext, so_far: Part) -> Part:
    """Judge whole statements, and measure the batches of a definition."""
    definition, mode = table.definition, table.writes.mode
    judged = tuple(choice.rule for choice in so_far.choices if choice.mechanism == "statement trigger")
    # Whether totals of batches are needed: bounds are learned, or rules are about batches.
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
    if table.shards is not None:
        # Nothing of a batch is known on one node: it is counted from the table, on the coordinator.
        counts = profiled or any(rule.on_breach != "reject" for rule in judged)
        made += outboxes.statements(table, judged, counts=counts)
        return _measured(definition, columns, made, of_row=of_row, recounted=recounted, is_measured=True)
    triggers = _Triggers(table, columns, judged, so_far.tallies, profiled=profiled, refuses=refuses)
    if mode != "bulk":
        # The total of a stream is counted from the table when a batch closes: a statement has one row.
        triggers = replace(triggers, columns=(), tallies=(), profiled=False)
    if judged or (profiled and mode == "bulk"):
        made += triggers.functions()
        if mode == "bulk":
            made += [*(triggers.removed() if of_row else ()), *triggers.emptied()]
        made += triggers.written(updates=of_row or bool(judged))
    # Whether batches are measured: triggers count them, or the table can be asked.
    is_measured = mode == "bulk" or recounted is not None
    return _measured(definition, columns, made, of_row=of_row, recounted=recounted, is_measured=is_measured)


def _measured(
    definition: Definition,
    columns: tuple[Watched, ...],
    made: list[Artifact],
    *,
    of_row: bool,
    recounted: str | None,
    is_measured: bool,
) -> Part:
    learns = definition.watch and is_measured
    return Part(
        artifacts=tuple(made),
        registered={
            "batch_is_of_row": of_row,
            "recount": recounted,
            "watched": [
                {"name": one.column.name, "kind": profiles.form(one)}
                | ({"base": one.column.inside.column} if one.column.inside else {})
                for one in columns
                if is_measured
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

    @property
    def _ordered(self) -> tuple[rules.Rule, ...]:
        """Rules that reject a row first, then those that refuse what the batch comes to."""
        return tuple(sorted(self.judged, key=lambda rule: (rule.on_breach != "reject", not refuses(rule))))

    @property
    def _function(self) -> str:
        return self.table.function_name("measured")

    def functions(self) -> list[Artifact]:
        """What judges and counts the rows of a statement, and the function that computes the sums of one row."""
        table, judged = self.table, self._ordered
        failing, summing = table.function_name("failing"), table.function_name("sums")
        of_rows = described(table, judged, ROW)
        batch = (table.batching.raw_row, table.batching.name, table.batching.place)
        is_apart = any(one.reads for one in self.tallies)
        sampled = profiles.sampled(table, self.columns, mask=_STATE_MASK, width=counting.WIDTH_OF_SAMPLE)
        context = _Measured(
            **header(table, self._function, ROW, judged),
            emptied=(_Emptied(),) if table.writes.mode == "bulk" else (),
            operation=Sql('lower(TG_OP COLLATE "C")' if table.writes.mode == "bulk" else "'judged'"),
            rules=of_rows,
            rule_names=names(of_rows),
            rejecting=sql.literal(sum(rule.on_breach == "reject" for rule in judged)),
            refusing=sql.literal(sum(refuses(rule) for rule in judged)),
            failing=sql.literal(str(_generated(failing))),
            column_names=_texts(one.column.name for one in self.columns),
            presents=(self._presents,) if any(one.column.inside for one in self.columns) else (),
            tallied=(self._tallied,) if self.tallies else (),
            apart=(_Apart(sql.literal(str(_generated(summing)))),) if is_apart else (),
            batch_of=sql.listed((sql.quoted(one) for one in batch), _INDENT),
            is_sampled=sql.literal(self.profiled),
            refuses_batches=sql.literal(self.refuses),
            one_row=counting.one_row(
                table,
                self.columns,
                self.tallies,
                _ROWS,
                judged,
                sample=sql.render("one_sample", sampled) if self.profiled else sql.literal(None),
            ),
            count=counting.count(
                table,
                self.columns,
                self.tallies,
                _ROWS,
                judged,
                sample=_NO_SAMPLE,
                into=_STATE_BATCHES,
                names_first=True,
            ),
            sampling=(sampled,) if self.profiled else (),
        )
        reason = "one pass over all rows of a statement judges every rule and measures its batches"
        if not self.profiled:
            reason = "one pass over all rows of a statement counts every rule"
        return [
            *((counting.sums(table, summing, self.tallies),) if is_apart else ()),
            table.function(
                self._function, sql.render("measured", context), reason, settings=self._settings()
            ),
        ]

    @property
    def _presents(self) -> _Presents:
        """What counts the values of each column, where paths are among them."""
        return _Presents(sql.listed((sql.quoted(counting.present(one)) for one in self.columns), _INDENT))

    @property
    def _tallied(self) -> _Tallied:
        return _Tallied(
            _texts(one.name for one in self.tallies),
            sql.listed((sql.quoted(counting.total(one)) for one in self.tallies), _INDENT),
        )

    def written(self, *, updates: bool) -> list[Artifact]:
        """What a statement adds."""
        events = [(naming.MEASURE_ORDER, "measure", event) for event in ("INSERT", "UPDATE")]
        return self._attached("trigger_measure", events if updates else events[:1])

    def removed(self) -> list[Artifact]:
        """The rows that a statement removes, with the rules that they failed."""
        # Before the new rows of an UPDATE are judged: a row that it corrects must not count as failing any more.
        events = [(naming.TAKEN_ORDER, "taken", event) for event in ("UPDATE", "DELETE")]
        return self._attached("trigger_removed", events)

    def _settings(self) -> frozenset[Settings]:
        """What the functions need to count the same in every session."""
        read = tuple(one for tally in self.tallies for one in tally.reads)
        sampled = profiles.printed(self.table, self.columns) if self.profiled else frozenset()
        return self.table.settings((*self.judged, *read)) | sampled

    def emptied(self) -> list[Artifact]:
        """TRUNCATE."""
        return self._attached("trigger_truncate", [(naming.EMPTIED_ORDER, "emptied", "TRUNCATE")])

    def _attached(self, template: str, events: Iterable[tuple[int, str, str]]) -> list[Artifact]:
        relation = self.table.relation
        own = self.table.name
        return [
            self.table.trigger(
                template,
                naming.trigger(order, word, event.lower()),
                event,
                self._function,
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
#: The mask of the sample and the batches, as the trigger knows them, and the rows that it sees.
_STATE_MASK, _STATE_BATCHES, _ROWS = Sql("state.mask"), Sql("state.batches"), Sql("pgslo_rows AS r")

_WHY_PARTITION = "rows written straight to a partition do not fire the triggers of the whole table"
_WHY = {
    "trigger_measure": "an AFTER STATEMENT trigger with a transition table; PostgreSQL requires one for each event",
    "trigger_removed": "an AFTER STATEMENT trigger with the old rows in a transition table, one for each event",
    "trigger_truncate": "TRUNCATE fires no other trigger, and has no rows to show",
}


def _generated(function: str) -> Sql:
    return sql.identifier(naming.GENERATED_SCHEMA, function)


def _texts(values: Iterable[str]) -> Sql:
    return Sql(f"ARRAY[{sql.listed((sql.literal(value) for value in values), _INDENT)}]::text[]")
