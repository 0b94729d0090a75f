"""Functions that count something when a batch is closed, and their parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from pgslo import naming, sql
from pgslo.compile.artifact import Artifact
from pgslo.compile.batches import raising
from pgslo.compile.batches.kinds.base import BatchKind, Parts
from pgslo.compile.snippets import session_settings
from pgslo.compile.snippets.undoing import Undoing
from pgslo.compile.table.context import TableContext
from pgslo.compile.table.subject import ROW
from pgslo.definition import rules, wording
from pgslo.definition.rules.base import CountingRule
from pgslo.errors import Location
from pgslo.sql import Sql

R = TypeVar("R", bound=CountingRule)

_ALL_ROWS = Sql("TRUE")
_FALSE = Sql("false")
_TABLE = Sql("t")
_BATCH = Sql("text")
_BY_COUNTING = "a function of its own counts the table, by the clock as well; writes pay nothing"
_BY_QUERY = "a function of its own runs the query, by the clock as well; writes pay nothing"
_BY_FUNCTION = "a function of its own reads the batch's rows when it is closed; writes pay nothing"


@dataclass(frozen=True)
class Value:
    """A value alone."""

    value: Sql


@dataclass(frozen=True)
class _Rows:
    table: Sql
    value: Sql
    type: Sql
    span: Sql
    endless: Sql
    name: Sql
    before: Sql
    after: Sql


@dataclass(frozen=True)
class _RowsNamed:
    table: Sql
    name: Sql
    before: Sql
    after: Sql


@dataclass(frozen=True)
class Function:
    """What every function is made of."""

    source: Sql
    function: Sql
    summary: Sql


@dataclass(frozen=True)
class OfRows(Function):
    """The rows of a batch that a function reads, as well."""

    rows: Sql
    about: Sql
    undoing: tuple[Undoing, ...]


@dataclass(frozen=True)
class _TableRows(Function):
    table: Sql
    about: Sql
    undoing: tuple[Undoing, ...]
    good: tuple[Sql, ...] = ()


@dataclass(frozen=True)
class _QueryValue(Function):
    query: Sql
    undo: Undoing


class FailureKind(BatchKind[R]):
    """A number of failures that a function counts.

    Attributes:
        by_clock: Whether it reads more than the batch, so that its verdict changes without a write to the table.
    """

    by_clock: ClassVar[bool] = False

    @property
    def high(self) -> float | None:
        """The largest number of failures that meets the rule."""
        return float(self.rule.at_most or 0)

    def counted(self) -> tuple[str, str]:
        """Return the name of a counted item: singular, and plural."""
        raise NotImplementedError

    def context(self) -> Function:
        """Return what the template of the function gets.

        Raises:
            CatalogError: A column does not exist or is of a type that the rule cannot judge.
        """
        raise NotImplementedError

    def probes(self, context: Any) -> tuple[tuple[Sql, Location], ...]:
        """Return queries that PostgreSQL has to accept, each with its location."""
        del context
        return ()

    def parts(self) -> Parts:
        """Return the function, and the name of the counted item."""
        context = self.context()
        text = sql.render(f"rules/{self.rule.kind}", context)
        return Parts(
            self.measured(),
            _BY_FUNCTION,
            artifacts=(_made(self.rule, self.table, text),),
            probes=self.probes(context),
        )

    def measured(self) -> dict[str, Any]:
        """Return how the runtime measures it."""
        one, many = self.counted()
        measure: dict[str, Any] = {
            "form": "failures",
            "function": self.function,
            "said": many,
            "said_of_one": one,
        }
        if self.by_clock:
            measure["by_clock"] = True
        return measure

    @property
    def function(self) -> str:
        """The name of the function, without the schema."""
        return _function_name(self.rule, self.table)

    def header(self) -> dict[str, Sql]:
        """Return what every such function is made of."""
        return _header(self.rule, self.table)

    def of_rows(self, *not_null: Sql) -> dict[str, Any]:
        """Return what a function over the rows of a batch is made of.

        Args:
            not_null: Values that rows must have to be looked at.
        """
        about = [sql.render("tally_present", Value(value)) for value in not_null]
        if self.rule.where is not None:
            about.append(self.rule.where.qualified(ROW))
        return {
            **self.header(),
            "rows": rows_of_batch(self.table),
            "about": sql.join(" AND ", about or [_ALL_ROWS]),
            "undoing": raising.apart(self.table),
        }


def table_rows(rule: rules.BatchRule, table: TableContext) -> Parts:
    """Return how the number of rows of the whole table is found."""
    return _of_table(rule, table, {"form": "table_rows"})


def table_share(rule: rules.BatchRule, table: TableContext, good: Sql) -> Parts:
    """Return how the share of the whole table's rows that are good is found."""
    return _of_table(rule, table, {"form": "table_share", "said": "not null"}, good)


def query_value(rule: rules.BatchRule, table: TableContext, query: Sql, **measure: Any) -> Parts:
    """Return how the value is found that a query gives."""
    text = sql.render(
        f"rules/{rule.kind}", _QueryValue(**_header(rule, table), query=query, undo=table.undo())
    )
    measure = {"form": "query", **measure, "function": _function_name(rule, table), "by_clock": True}
    return Parts(measure, _BY_QUERY, artifacts=(_made(rule, table, text),))


def _of_table(rule: rules.BatchRule, table: TableContext, measure: dict[str, Any], *good: Sql) -> Parts:
    context = _TableRows(
        **_header(rule, table),
        table=table.qualified,
        about=rule.where.qualified(ROW) if rule.where is not None else _ALL_ROWS,
        undoing=table.undoing,
        good=good,
    )
    measure |= {"function": _function_name(rule, table), "by_clock": True}
    return Parts(measure, _BY_COUNTING, artifacts=(_made(rule, table, sql.render("table_rows", context)),))


def _made(rule: rules.BatchRule, table: TableContext, text: Sql) -> Artifact:
    return table.function(
        _function_name(rule, table),
        text,
        f'measures rule "{rule.name}" when a batch is closed',
        arguments=_BATCH,
        reads_table=True,
        settings=session_settings.ALL | raising.settings(table),
    )


def _function_name(rule: rules.BatchRule, table: TableContext) -> str:
    return naming.fit(table.relation.schema, table.relation.name, f"rule_{rule.name}")


def source(table: TableContext) -> Sql:
    """What a function is made from, in words."""
    return Sql(wording.one_line(f"the definition of {table.definition.name}"))


def _header(rule: rules.BatchRule, table: TableContext) -> dict[str, Sql]:
    return {
        "source": source(table),
        "function": sql.identifier(naming.GENERATED_SCHEMA, _function_name(rule, table)),
        "summary": Sql(f"{wording.one_line(rule.summary)}."),
    }


def rows_of_batch(table: TableContext, *, is_unknown: Sql = _FALSE) -> Sql:
    """The rows of the batch that is asked for; of the table, where no row says which batch it belongs to.

    Args:
        table: The definition and its table.
        is_unknown: Whether rows are asked for whose batch is unknown.
    """
    batch = table.definition.batch
    if batch is None or batch.by is None:
        return sql.render("batch_rows_all", _Rows(table.qualified, *(Sql(""),) * 7))
    filtered = raising.filtered(table, _TABLE, is_asked_for=is_unknown)
    if table.batching.names == "batch_hidden_name":
        name = table.batching.named(_TABLE)
        return sql.render(
            "batch_rows_named", _RowsNamed(table.qualified, name, filtered.before, filtered.after)
        )
    context = _Rows(
        table=table.qualified,
        value=table.batching.key(_TABLE),
        type=table.batching.type,
        span=sql.literal(table.batching.every or ""),
        endless=table.batching.endless,
        name=table.batching.named(_TABLE) if table.batching.cuts else Sql(""),
        before=filtered.before,
        after=filtered.after,
    )
    if table.batching.cuts:
        return sql.render("batch_rows_numeric", context)
    return sql.render("batch_rows_every" if batch.every is not None else "batch_rows", context)


def partition(per: tuple[str, ...], alias: str) -> Sql:
    """Return the clause of a window that is apart for each value of some columns; empty without columns."""
    if not per:
        return Sql("")
    return Sql(f"PARTITION BY {columns_of(alias, per)} ")


def columns_of(alias: str, of: tuple[str, ...]) -> Sql:
    """Return columns of a row, with commas between them."""
    return sql.join(", ", (Sql(f"{alias}.{sql.identifier(name)}") for name in of))
