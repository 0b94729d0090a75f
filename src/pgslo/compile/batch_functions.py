"""Rules whose value a generated function counts when a batch is closed: gaps, overlaps, order, another table, a query."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from pgslo import naming, sql
from pgslo.catalog import NUMERIC
from pgslo.compile import batch_columns, conditions, constants, promises, session_settings
from pgslo.compile.artifact import Artifact
from pgslo.compile.conditions import ROW
from pgslo.compile.measuring import Tally
from pgslo.compile.writes import Undoing, WriteCompiler
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


def query(rule: rules.QueryRule, compiler: WriteCompiler) -> Parts:
    """What a query of the author's own comes to."""
    conditions.check_query(rule.query, compiler.subject.catalog)
    text = rule.query.sql()
    probe = (sql.render("probe_query", _Query(text)), rule.query.location)
    function = _function_name(rule, compiler)
    context = _QueryRule(**_header(rule, compiler, function), query=text, undo=compiler.undo())
    return _made(rule, compiler, function, sql.render("rules/query", context), (probe,))


def function(rule: rules.BatchRule, compiler: WriteCompiler) -> Parts:
    """What a kind that reads rows in its own way comes to.

    Raises:
        CatalogError: A column does not exist or is of a type that it cannot judge.
    """
    function = _function_name(rule, compiler)
    context: Any
    probes: tuple[tuple[Sql, Location], ...] = ()
    match rule:
        case rules.NoGap():
            context = _no_gap(rule, compiler, function)
        case rules.Monotonic():
            context = _monotonic(rule, compiler, function)
        case rules.NoOverlap():
            context = _no_overlap(rule, compiler, function)
        case rules.SameAs():
            context = _same_as(rule, compiler, function)
            probes = (
                (sql.render("probe_condition", _Probe(compiler.table, context.found)), rule.place("table")),
            )
        case _:
            raise AssertionError(rule.kind)
    return _made(rule, compiler, function, sql.render(f"rules/{rule.kind}", context), probes)


def _made(
    rule: rules.BatchRule,
    compiler: WriteCompiler,
    function: str,
    text: Sql,
    probes: tuple[tuple[Sql, Location], ...],
) -> Parts:
    artifact = compiler.function(
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


def table_rows(rule: rules.RowCount, compiler: WriteCompiler) -> Parts:
    """What a number of rows of the whole table comes to."""
    function = _function_name(rule, compiler)
    context = _TableRows(
        **_header(rule, compiler, function),
        table=compiler.table,
        about=rule.where.qualified(ROW) if rule.where is not None else _ALL_ROWS,
        undoing=compiler.undoing,
    )
    parts = _made(rule, compiler, function, sql.render("table_rows", context), ())
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


def _function_name(rule: rules.BatchRule, compiler: WriteCompiler) -> str:
    return naming.fit(compiler.relation.schema, compiler.relation.name, f"rule_{rule.name}")


def source(compiler: WriteCompiler) -> Sql:
    """What a function is made from, in words."""
    return Sql(promises.one_line(f"the definition of {compiler.definition.name}"))


def _header(rule: rules.BatchRule, compiler: WriteCompiler, function: str) -> dict[str, Sql]:
    return {
        "source": source(compiler),
        "function": sql.identifier(naming.GENERATED_SCHEMA, function),
        "promise": Sql(f"{promises.promise(rule)}."),
    }


def _of_rows(
    rule: rules.BatchRule, compiler: WriteCompiler, function: str, not_null: tuple[Sql, ...]
) -> dict[str, Any]:
    about = [sql.render("tally_present", _Value(value)) for value in not_null]
    if rule.where is not None:
        about.append(rule.where.qualified(ROW))
    return {
        **_header(rule, compiler, function),
        "rows": rows_of_batch(compiler),
        "about": sql.join(" AND ", about or [_ALL_ROWS]),
        "undoing": compiler.undoing,
    }


def rows_of_batch(compiler: WriteCompiler) -> Sql:
    """The rows of the batch that is asked for; of the table, where no row says which batch it belongs to."""
    batch = compiler.definition.batch
    if batch is None or batch.by is None:
        return sql.render("batch_rows_all", _Rows(compiler.table, Sql(""), Sql(""), Sql("")))
    if compiler.batching.names == "batch_hidden_name":
        name = compiler.batching.named(_TABLE)
        return sql.render("batch_rows_named", _RowsNamed(compiler.table, name))
    context = _Rows(
        table=compiler.table,
        value=compiler.batching.key(_TABLE),
        type=compiler.batching.type,
        span=sql.literal(compiler.batching.every or ""),
    )
    return sql.render("batch_rows_every" if batch.every is not None else "batch_rows", context)


def _partition(per: tuple[str, ...], alias: str) -> Sql:
    if not per:
        return Sql("")
    return Sql(f"PARTITION BY {_listed(per, alias)} ")


def _listed(of: tuple[str, ...], alias: str) -> Sql:
    return sql.join(", ", (Sql(f"{alias}.{sql.identifier(name)}") for name in of))


def _no_gap(rule: rules.NoGap, compiler: WriteCompiler, function: str) -> _NoGap:
    assert rule.column is not None
    column = batch_columns.own(rule, rule.column, compiler)
    batch_columns.check_columns(rule, rule.per, compiler, "per")
    is_span = isinstance(rule.every, timedelta)
    if is_span and column.base_type not in constants.DAYS:
        raise batch_columns.unfit(rule, column, "steps of time are between dates or time stamps")
    if not is_span and (column.category != NUMERIC or column.base_type == "money"):
        raise batch_columns.unfit(rule, column, "a step that is a number is between numbers")
    step = (
        Sql(f"{sql.literal(constants.seconds(rule.every))}::interval")
        if isinstance(rule.every, timedelta)
        else sql.literal(rule.every)
    )
    value = batch_columns.of_row(column)
    per = Sql(f"{_listed(rule.per, 'r')}, ") if rule.per else Sql("")
    return _NoGap(
        **_of_rows(rule, compiler, function, (value,)),
        value=value,
        step=step,
        per=per,
        partition=_partition(rule.per, "v"),
    )


def _monotonic(rule: rules.Monotonic, compiler: WriteCompiler, function: str) -> _Monotonic:
    assert rule.column is not None
    column = batch_columns.own(rule, rule.column, compiler)
    batch_columns.check_ordered(rule, column)
    for key, listed in (("order", rule.order), ("per", rule.per)):
        batch_columns.check_columns(rule, listed, compiler, key)
    operators = {
        ("rising", False): "<",
        ("rising", True): "<=",
        ("falling", False): ">",
        ("falling", True): ">=",
    }
    value = batch_columns.of_row(column)
    return _Monotonic(
        **_of_rows(rule, compiler, function, (value,)),
        value=value,
        operator=Sql(operators[rule.direction, rule.strictly]),
        order=_listed(rule.order, "r"),
        partition=_partition(rule.per, "r"),
        row_key=compiler.row_key(ROW),
    )


def _no_overlap(rule: rules.NoOverlap, compiler: WriteCompiler, function: str) -> _NoOverlap:
    start = batch_columns.own(rule, rule.start, compiler, key="from")
    end = batch_columns.own(rule, rule.end, compiler, key="to")
    batch_columns.check_columns(rule, rule.per, compiler, "per")
    for column in (start, end):
        batch_columns.check_ordered(rule, column)
    if start.base_type != end.base_type:
        raise CatalogError(
            f'a span cannot go from "{start.name}" of type {start.type} to "{end.name}" of type {end.type}',
            location=rule.place("to"),
        )
    closed = batch_columns.of_row(end)
    is_open = end.base_type in constants.DAYS
    return _NoOverlap(
        **_of_rows(
            rule,
            compiler,
            function,
            (batch_columns.of_row(start),) if is_open else (batch_columns.of_row(start), closed),
        ),
        start=batch_columns.of_row(start),
        end=sql.render("open_end", _Value(closed)) if is_open else closed,
        partition=_partition(rule.per, "r"),
        row_key=compiler.row_key(ROW),
    )


def _same_as(rule: rules.SameAs, compiler: WriteCompiler, function: str) -> _SameAs:
    for key, listed in (("on", rule.on), ("columns", rule.columns)):
        batch_columns.check_columns(rule, listed, compiler, key)
        for name in listed:
            column = compiler.subject.column(name, rule.place(key))
            conditions.check_operators(column, rule.place(key))
            conditions.check_casts(column, rule.place(key))
            schema, table_name = names.split(rule.table)
            other = compiler.subject.catalog.relations.get((schema, table_name))
            theirs = other.column(name) if other else None
            if (
                theirs is not None
                and column.base_type != theirs.base_type
                and not (column.plain and theirs.plain)
            ):
                raise batch_columns.unfit(
                    rule, column, f"the other table has {theirs.type}, and a cast would decide what is equal"
                )
            if not column.has_equality:
                raise batch_columns.unfit(rule, column, "its values cannot be compared")
    matches = sql.join(
        " AND ",
        (
            *(sql.render("same_as_key", _Column(sql.identifier(name))) for name in rule.on),
            *(sql.render("same_as_pair", _Column(sql.identifier(name))) for name in rule.columns),
        ),
    )
    found = sql.render("same_as_found", _Found(sql.identifier(*names.split(rule.table)), matches))
    return _SameAs(**_of_rows(rule, compiler, function, ()), found=found, row_key=compiler.row_key(ROW))
