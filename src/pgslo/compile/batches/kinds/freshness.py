"""How old the newest data of a table are, and how many batches repeat a column."""

from __future__ import annotations

from dataclasses import dataclass

from pgslo import naming, sql
from pgslo.catalog import Column
from pgslo.compile.batches.kinds.base import BY_PROFILE, BatchKind, Parts, of_row
from pgslo.compile.batches.kinds.functions import source
from pgslo.compile.snippets import literals
from pgslo.compile.snippets.undoing import Undoing
from pgslo.definition import rules
from pgslo.errors import CatalogError
from pgslo.sql import Sql


@dataclass(frozen=True)
class _Direct:
    """Nothing: the read value is returned at once."""


@dataclass(frozen=True)
class _Column:
    column: Sql


@dataclass(frozen=True)
class _Value:
    value: Sql


@dataclass(frozen=True)
class _Newest:
    newest: Sql
    table: Sql
    column: Sql
    passed: tuple[_Column, ...]


@dataclass(frozen=True)
class _Freshness:
    source: Sql
    function: Sql
    asked: Sql
    undoing: tuple[Undoing, ...]
    direct: tuple[_Direct, ...]


class Freshness(BatchKind[rules.Freshness]):
    """The age of the newest data, or the batches that repeat a column."""

    @property
    def high(self) -> float | None:
        """The largest value that meets the rule: an age in seconds, or how many batches may repeat the one before."""
        if self.rule.max_age is not None:
            return self.rule.max_age.total_seconds()
        return float((self.rule.max_unchanged or 1) - 1)

    @property
    def max_age(self) -> float | None:
        """The age in seconds that the newest data may have."""
        return self.rule.max_age.total_seconds() if self.rule.max_age is not None else None

    def parts(self) -> Parts:
        """Return how the age is found, or the batches.

        Raises:
            CatalogError: It is unknown, or no index finds it.
        """
        if self.rule.max_unchanged is None:
            return self._age()
        column = self.own()
        self.need_profile(column)
        return Parts({"form": "unchanged", "column": column.name}, BY_PROFILE)

    def _age(self) -> Parts:
        rule, table = self.rule, self.table
        if rule.of is None:
            if table.writes.mode == "stream":
                raise CatalogError(
                    "cannot determine when this table was last written to",
                    detail="A streamed table writes nothing down for rows that pass.",
                    hint="name a time column: freshness: {max_age: …, of: …}, or declare writes: bulk",
                    location=rule.location,
                )
            return Parts(
                {"form": "age"}, "compared with the clock at each guarded read, and when batches are closed"
            )
        column = self.own("of", rule.of)
        if column.base_type not in literals.DAYS:
            raise CatalogError(
                f'column "{column.name}" of type {column.type} is not a time from which an age can be computed',
                hint="a date or a time stamp is",
                location=rule.place("of"),
            )
        if not any(
            index.whole and index.method == "btree" and index.columns[:1] == (column.name,)
            for index in table.relation.indexes
        ):
            raise CatalogError(
                f'no index begins with column "{column.name}"',
                detail="Each guarded read looks its newest value up; without an index it would read the whole table.",
                hint=f"CREATE INDEX ON {table.qualified} ({sql.identifier(column.name)})",
                location=rule.place("of"),
            )
        function = naming.fit(table.relation.schema, table.relation.name, "newest")
        context = _Freshness(
            source=source(table),
            function=sql.identifier(naming.GENERATED_SCHEMA, function),
            asked=self._asked(column),
            undoing=table.quickly_undoing,
            direct=() if table.quickly_undoing else (_Direct(),),
        )
        made = table.function(
            function,
            sql.render("rules/freshness", context),
            "looks the newest value up in its index",
            reads_table=True,
        )
        return Parts(
            {"form": "age", "function": function},
            "looked up at each guarded read, and when batches are closed",
            artifacts=(made,),
        )

    def _asked(self, column: Column) -> Sql:
        """The newest time of a column, with what the rule says of times to come and of a table without data."""
        name = sql.identifier(column.name)
        time = (
            of_row(column)
            if column.base_type == "timestamp with time zone"
            else sql.render("newest", _Column(name))
        )
        newest = sql.render("time_not_ahead", _Value(time)) if self.rule.future == "fresh" else time
        passed = (_Column(time),) if self.rule.future == "ignored" else ()
        asked = sql.render("newest_time", _Newest(newest, self.table.qualified, name, passed))
        return sql.render("time_or_never", _Value(asked)) if self.rule.no_data == "missed" else asked
