"""Rules whose value a generated function counts when a batch is closed: gaps, overlaps, order, another table, a query."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from pgslo import naming, sql
from pgslo.catalog import NUMERIC
from pgslo.compile import wording
from pgslo.compile.artifact import Artifact
from pgslo.compile.batches import columns
from pgslo.compile.part import Tally
from pgslo.compile.rows.described import row_key
from pgslo.compile.snippets import literals, session_settings
from pgslo.compile.snippets.undoing import Undoing
from pgslo.compile.table.column_types import check_casts, check_operators, check_query
from pgslo.compile.table.context import TableContext
from pgslo.compile.table.subject import ROW
from pgslo.definition import names, rules
from pgslo.errors import CatalogError, Location
from pgslo.sql import Sql

_ALL_ROWS = Sql("TRUE")
_TABLE = Sql("t")
_BATCH = Sql("text")
_BY_COUNTING = "a function of its own counts the table, by the clock as well; writes pay nothing"
_BY_FUNCTION = "a function of its own reads the batch's rows when it is closed; writes pay nothing"


@dataclass(frozen=True)
class Parts:
    """What a kind comes to, before the bounds."""

    measure: dict[str, Any]
    reason: str
    tallies: tuple[Tally, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    probes: tuple[tuple[Sql, Location], ...] = field(default=())


# One context class for each template.


@dataclass(frozen=True)
class _Value:
    value: Sql


@dataclass(frozen=True)
class _Column:
    column: Sql


@dataclass(frozen=True)
class _Probe:
    table: Sql
    condition: Sql


@dataclass(frozen=True)
class _Rows:
    table: Sql
    value: Sql
    type: Sql
    span: Sql
    endless: Sql
    name: Sql


@dataclass(frozen=True)
class _RowsNamed:
    table: Sql
    name: Sql


@dataclass(frozen=True)
class _Found:
    table: Sql
    matches: Sql


@dataclass(frozen=True)
class _Query:
    query: Sql


@dataclass(frozen=True)
class _Function:
    source: Sql
    function: Sql
    promise: Sql


@dataclass(frozen=True)
class _OfRows(_Function):
    rows: Sql
    about: Sql
    undoing: tuple[Undoing, ...]


@dataclass(frozen=True)
class _NoGap(_OfRows):
    value: Sql
    step: Sql
    per: Sql
    partition: Sql


@dataclass(frozen=True)
class _Monotonic(_OfRows):
    value: Sql
    operator: Sql
    order: Sql
    partition: Sql
    row_key: Sql


@dataclass(frozen=True)
class _NoOverlap(_OfRows):
    start: Sql
    end: Sql
    partition: Sql
    row_key: Sql


@dataclass(frozen=True)
class _SameAs(_OfRows):
    found: Sql
    row_key: Sql


@dataclass(frozen=True)
class _TableRows(_Function):
    table: Sql
    about: Sql
    undoing: tuple[Undoing, ...]


@dataclass(frozen=True)
class _QueryRule(_Function):
    query: Sql
    undo: Undoing


def query(rule: rules.QueryRule, table: TableContext) -> Parts:
    """What a query of the author's own comes to."""
    check_query(rule.query, table.subject.catalog)
    text = rule.query.sql()
    probe = (sql.render("probe_query", _Query(text)), rule.query.location)
    function = _function_name(rule, table)
    context = _QueryRule(**_header(rule, table, function), query=text, undo=table.undo())
    return _made(rule, table, function, sql.render("rules/query", context), (probe,))


def function(rule: rules.BatchRule, table: TableContext) -> Parts:
    """What a kind that reads rows in its own way comes to.

    Raises:
        CatalogError: A column does not exist or is of a type that it cannot judge.
    """
    function = _function_name(rule, table)
    context: Any
    probes: tuple[tuple[Sql, Location], ...] = ()
    match rule:
        case rules.NoGap():
            context = _no_gap(rule, table, function)
        case rules.Monotonic():
            context = _monotonic(rule, table, function)
        case rules.NoOverlap():
            context = _no_overlap(rule, table, function)
        case rules.SameAs():
            context = _same_as(rule, table, function)
            probes = (
                (sql.render("probe_condition", _Probe(table.qualified, context.found)), rule.place("table")),
            )
        case _:
            raise AssertionError(rule.kind)
    return _made(rule, table, function, sql.render(f"rules/{rule.kind}", context), probes)


def _made(
    rule: rules.BatchRule,
    table: TableContext,
    function: str,
    text: Sql,
    probes: tuple[tuple[Sql, Location], ...],
) -> Parts:
    artifact = table.function(
        function,
        text,
        f'measures rule "{rule.name}" when a batch is closed',
        arguments=_BATCH,
        reads_table=True,
        settings=session_settings.ALL,
    )
    return Parts(
        {"form": "failures", "function": function, **_failures(rule), **_by_clock(rule)},
        _BY_FUNCTION,
        artifacts=(artifact,),
        probes=probes,
    )


def table_rows(rule: rules.RowCount, table: TableContext) -> Parts:
    """What a number of rows of the whole table comes to."""
    function = _function_name(rule, table)
    context = _TableRows(
        **_header(rule, table, function),
        table=table.qualified,
        about=rule.where.qualified(ROW) if rule.where is not None else _ALL_ROWS,
        undoing=table.undoing,
    )
    parts = _made(rule, table, function, sql.render("table_rows", context), ())
    return replace(
        parts, measure={"form": "table_rows", "function": function, "by_clock": True}, reason=_BY_COUNTING
    )


def _by_clock(rule: rules.BatchRule) -> dict[str, bool]:
    """Whether the rule reads more than the batch, so that its verdict changes without a write to the table."""
    return {"by_clock": True} if isinstance(rule, rules.QueryRule | rules.SameAs) else {}


def _failures(rule: rules.BatchRule) -> dict[str, str]:
    """What is counted, in words: many, and one."""
    match rule:
        case rules.NoGap():
            one, many = "gap", "gaps"
        case rules.NoOverlap():
            one, many = "span that overlaps an earlier one", "spans that overlap an earlier one"
        case rules.Monotonic():
            one, many = "row out of order", "rows out of order"
        case rules.SameAs():
            one, many = (f"{word} without the same row in {rule.table}" for word in ("row", "rows"))
        case _:
            one, many = "row returned", "rows returned"
    return {"said": many, "said_of_one": one}


def _function_name(rule: rules.BatchRule, table: TableContext) -> str:
    return naming.fit(table.relation.schema, table.relation.name, f"rule_{rule.name}")


def source(table: TableContext) -> Sql:
    """What a function is made from, in words."""
    return Sql(wording.one_line(f"the definition of {table.definition.name}"))


def _header(rule: rules.BatchRule, table: TableContext, function: str) -> dict[str, Sql]:
    return {
        "source": source(table),
        "function": sql.identifier(naming.GENERATED_SCHEMA, function),
        "promise": Sql(f"{wording.one_line(rule.summary)}."),
    }


def _of_rows(
    rule: rules.BatchRule, table: TableContext, function: str, not_null: tuple[Sql, ...]
) -> dict[str, Any]:
    about = [sql.render("tally_present", _Value(value)) for value in not_null]
    if rule.where is not None:
        about.append(rule.where.qualified(ROW))
    return {
        **_header(rule, table, function),
        "rows": rows_of_batch(table),
        "about": sql.join(" AND ", about or [_ALL_ROWS]),
        "undoing": table.undoing,
    }


def rows_of_batch(table: TableContext) -> Sql:
    """The rows of the batch that is asked for; of the table, where no row says which batch it belongs to."""
    batch = table.definition.batch
    if batch is None or batch.by is None:
        return sql.render("batch_rows_all", _Rows(table.qualified, *(Sql(""),) * 5))
    if table.batching.names == "batch_hidden_name":
        name = table.batching.named(_TABLE)
        return sql.render("batch_rows_named", _RowsNamed(table.qualified, name))
    context = _Rows(
        table=table.qualified,
        value=table.batching.key(_TABLE),
        type=table.batching.type,
        span=sql.literal(table.batching.every or ""),
        endless=table.batching.endless,
        name=table.batching.named(_TABLE) if table.batching.cuts else Sql(""),
    )
    if table.batching.cuts:
        return sql.render("batch_rows_numeric", context)
    return sql.render("batch_rows_every" if batch.every is not None else "batch_rows", context)


def _partition(per: tuple[str, ...], alias: str) -> Sql:
    if not per:
        return Sql("")
    return Sql(f"PARTITION BY {_listed(per, alias)} ")


def _listed(of: tuple[str, ...], alias: str) -> Sql:
    return sql.join(", ", (Sql(f"{alias}.{sql.identifier(name)}") for name in of))


def _no_gap(rule: rules.NoGap, table: TableContext, function: str) -> _NoGap:
    assert rule.column is not None
    column = columns.own(rule, rule.column, table)
    columns.check_columns(rule, rule.per, table, "per")
    is_span = isinstance(rule.every, timedelta)
    if is_span and column.base_type not in literals.DAYS:
        raise columns.unfit(rule, column, "steps of time are between dates or time stamps")
    if not is_span and (column.category != NUMERIC or column.base_type == "money"):
        raise columns.unfit(rule, column, "a step that is a number is between numbers")
    step = (
        Sql(f"{sql.literal(literals.seconds(rule.every))}::interval")
        if isinstance(rule.every, timedelta)
        else sql.literal(rule.every)
    )
    value = columns.of_row(column)
    per = Sql(f"{_listed(rule.per, 'r')}, ") if rule.per else Sql("")
    return _NoGap(
        **_of_rows(rule, table, function, (value,)),
        value=value,
        step=step,
        per=per,
        partition=_partition(rule.per, "v"),
    )


def _monotonic(rule: rules.Monotonic, table: TableContext, function: str) -> _Monotonic:
    assert rule.column is not None
    column = columns.own(rule, rule.column, table)
    columns.check_ordered(rule, column)
    for key, listed in (("order", rule.order), ("per", rule.per)):
        columns.check_columns(rule, listed, table, key)
    operators = {
        ("rising", False): "<",
        ("rising", True): "<=",
        ("falling", False): ">",
        ("falling", True): ">=",
    }
    value = columns.of_row(column)
    return _Monotonic(
        **_of_rows(rule, table, function, (value,)),
        value=value,
        operator=Sql(operators[rule.direction, rule.strictly]),
        order=_listed(rule.order, "r"),
        partition=_partition(rule.per, "r"),
        row_key=row_key(table, ROW),
    )


def _no_overlap(rule: rules.NoOverlap, table: TableContext, function: str) -> _NoOverlap:
    start = columns.own(rule, rule.start, table, key="from")
    end = columns.own(rule, rule.end, table, key="to")
    columns.check_columns(rule, rule.per, table, "per")
    for column in (start, end):
        columns.check_ordered(rule, column)
    if start.base_type != end.base_type:
        raise CatalogError(
            f'a span cannot go from "{start.name}" of type {start.type} to "{end.name}" of type {end.type}',
            location=rule.place("to"),
        )
    closed = columns.of_row(end)
    is_open = end.base_type in literals.DAYS
    return _NoOverlap(
        **_of_rows(
            rule,
            table,
            function,
            (columns.of_row(start),) if is_open else (columns.of_row(start), closed),
        ),
        start=columns.of_row(start),
        end=sql.render("open_end", _Value(closed)) if is_open else closed,
        partition=_partition(rule.per, "r"),
        row_key=row_key(table, ROW),
    )


def _same_as(rule: rules.SameAs, table: TableContext, function: str) -> _SameAs:
    for key, listed in (("on", rule.on), ("columns", rule.columns)):
        columns.check_columns(rule, listed, table, key)
        for name in listed:
            column = table.subject.column(name, rule.place(key))
            check_operators(column, rule.place(key))
            check_casts(column, rule.place(key))
            schema, table_name = names.split(rule.table)
            other = table.subject.catalog.relations.get((schema, table_name))
            theirs = other.column(name) if other else None
            if (
                theirs is not None
                and column.base_type != theirs.base_type
                and not (column.plain and theirs.plain)
            ):
                raise columns.unfit(
                    rule, column, f"the other table has {theirs.type}, and a cast would decide what is equal"
                )
            if not column.has_equality:
                raise columns.unfit(rule, column, "its values cannot be compared")
    matches = sql.join(
        " AND ",
        (
            *(sql.render("same_as_key", _Column(sql.identifier(name))) for name in rule.on),
            *(sql.render("same_as_pair", _Column(sql.identifier(name))) for name in rule.columns),
        ),
    )
    found = sql.render("same_as_found", _Found(sql.identifier(*names.split(rule.table)), matches))
    return _SameAs(**_of_rows(rule, table, function, ()), found=found, row_key=row_key(table, ROW))
