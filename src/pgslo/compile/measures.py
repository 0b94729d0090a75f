"""What is measured of a batch, or of the table, for each rule over one: sums, a profile, or a function of its own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, get_args

from pgslo import naming, sql
from pgslo.catalog import NUMERIC, Column
from pgslo.compile import batch_columns, batch_functions, constants, pairs, promises
from pgslo.compile.artifact import Artifact
from pgslo.compile.batch_functions import Parts
from pgslo.compile.conditions import ROW, check_casts
from pgslo.compile.measuring import Tally, is_sampled, is_watched
from pgslo.compile.mechanisms import Choice
from pgslo.compile.writes import Undoing, WriteCompiler
from pgslo.definition import bounds, names, rules
from pgslo.errors import CatalogError, Location
from pgslo.sql import Sql

_ALL_ROWS = Sql("TRUE")
_PRESENT = "present"


@dataclass(frozen=True)
class Measured:
    """How a rule's value is measured.

    Attributes:
        choice: For the plan.
        scope: What it is about.
        measure: Its form, as ``pgslo_catalog.measured`` reads it.
        low: Smallest and largest value that meets it, and at which a statement is let through.
        tallies: Sums it needs.
        artifacts: Functions of its own.
        probes: What PostgreSQL has to accept, and where it stands.
    """

    choice: Choice
    scope: str
    measure: dict[str, Any]
    low: float | None = None
    high: float | None = None
    reject_low: float | None = None
    reject_high: float | None = None
    tallies: tuple[Tally, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    probes: tuple[tuple[Sql, Location], ...] = ()

    @property
    def rejects(self) -> bool:
        """Whether it refuses statements."""
        return self.reject_low is not None or self.reject_high is not None


# One context class for each template.


@dataclass(frozen=True)
class _Value:
    value: Sql


@dataclass(frozen=True)
class _Nothing:
    pass


@dataclass(frozen=True)
class _If:
    condition: Sql
    value: Sql


@dataclass(frozen=True)
class _Column:
    column: Sql


@dataclass(frozen=True)
class _Probe:
    table: Sql
    condition: Sql


@dataclass(frozen=True)
class _Direct:
    """Nothing: what is read is returned at once."""


@dataclass(frozen=True)
class _Freshness:
    source: Sql
    function: Sql
    table: Sql
    column: Sql
    newest: Sql
    undoing: tuple[Undoing, ...]
    direct: tuple[_Direct, ...]


_BY_SUMS = "added up as rows come and go; judged when the batch is closed"
_AND_REFUSED = "; what its bound rejects is refused at the end of the statement"
_BY_PAIRS = "added up by tick() from the predictions and labels that changed; never from all pairs"
_BY_PROFILE = "read from the batch's profile when it is closed; writes pay nothing more"


def measure(rule: rules.Rule, compiler: WriteCompiler) -> Measured:
    """Work out how a rule's value is measured.

    Raises:
        CatalogError: Its columns do not exist or are of a type that it cannot judge, or nothing counts its batches.
    """
    assert isinstance(rule, rules.BatchRule)
    parts = _parts(rule, compiler)
    is_of_table = isinstance(rule, rules.Freshness) and rule.max_age is not None
    if not is_of_table and not isinstance(rule, rules.MlMetric):
        _check_counted(rule, compiler)
    low, high = rule.low, rule.high
    if isinstance(rule, rules.Freshness):
        high = (
            rule.max_age.total_seconds() if rule.max_age is not None else float((rule.max_unchanged or 1) - 1)
        )
    elif parts.measure["form"] == "failures":
        high = float(rule.at_most or 0)
    reject_low, reject_high = bounds.rejects(rule)
    rejects = reject_low is not None or reject_high is not None
    if rejects and compiler.writes.mode == "stream":
        raise CatalogError(
            f'"{rule.kind}" cannot reject statements of a streamed table',
            detail="Its batches are not counted while rows arrive one by one.",
            hint="declare writes: bulk, or use on_breach: warn",
            location=rule.place("reject_below" if rule.reject_below is not None else "on_breach"),
        )
    return Measured(
        choice=Choice(rule, "at close", parts.reason + (_AND_REFUSED if rejects else "")),
        scope="table" if is_of_table else "batch",
        measure=parts.measure | ({"where": list(rule.where.columns)} if rule.where else {}),
        low=low,
        high=high,
        reject_low=reject_low,
        reject_high=reject_high,
        tallies=parts.tallies,
        artifacts=parts.artifacts,
        probes=(
            *_where_probe(rule, compiler),
            *parts.probes,
        ),
    )


def share(rule: rules.Rule) -> dict[str, Any]:
    """How the passing share of a rule over rows is measured, for the bound at which statements are refused."""
    return {"form": "passing", "rule": rule.name}


def check_share(rule: rules.Rule, compiler: WriteCompiler) -> None:
    """See that what refuses statements by the share of rows that pass is counted.

    Raises:
        CatalogError: The table is streamed.
    """
    if rule.reject_below is not None and compiler.writes.mode == "stream":
        raise CatalogError(
            '"reject_below" cannot reject statements of a streamed table',
            detail="Its batches are not counted while rows arrive one by one.",
            hint="declare writes: bulk, or use on_breach: reject, which judges each row by itself",
            location=rule.place("reject_below"),
        )


def _where_probe(rule: rules.Rule, compiler: WriteCompiler) -> tuple[tuple[Sql, Location], ...]:
    if rule.where is None:
        return ()
    probe = _Probe(compiler.table, rule.where.qualified(ROW))
    return ((sql.render("probe_condition", probe), rule.where.location),)


def _check_counted(rule: rules.BatchRule, compiler: WriteCompiler) -> None:
    batch = compiler.definition.batch
    if compiler.writes.mode == "stream" and (batch is None or batch.by is None):
        raise CatalogError(
            f'nothing tells the batches that "{rule.kind}" is to judge',
            detail="Rows of a streamed table are not counted one by one; a batch is counted from the table when it is closed.",
            hint="name the column that tells the batch: batch: {by: …}, or declare writes: bulk",
            location=rule.location,
        )


def _parts(rule: rules.BatchRule, compiler: WriteCompiler) -> Parts:
    if rule.where:
        for name in rule.where.columns:
            check_casts(compiler.subject.column(name, rule.where.location), rule.where.location)
    match rule:
        case rules.Completeness():
            return _completeness(rule, compiler)
        case rules.RowCount(of="table"):
            return batch_functions.table_rows(rule, compiler)
        case rules.RowCount():
            counted = _rows(rule)
            tallies = _tallies_of_rows(rule, compiler)
            if rule.relative_to is None:
                return Parts(counted, _BY_SUMS, tallies)
            compared = {
                "form": "change",
                "of": counted,
                "ratio": True,
                "relative_to": rule.relative_to,
                "said": "rows",
            }
            return Parts(compared, _BY_SUMS, tallies)
        case rules.Statistic():
            counted, tallies = _statistic(rule, compiler, rule.of, rule.quantile)
            return Parts(counted, _BY_SUMS if tallies else _BY_PROFILE, tallies)
        case rules.Change():
            if rule.of == "row_count":
                counted, tallies = {"form": "rows"}, ()
            else:
                counted, tallies = _statistic(rule, compiler, rule.of, rule.quantile)
            return Parts(
                {
                    "form": "change",
                    "of": counted,
                    "absolute": rule.absolute,
                    "relative_to": rule.relative_to,
                    "said": "rows" if rule.of == "row_count" else promises.called(rule.of, rule.quantile),
                },
                _BY_SUMS if tallies else _BY_PROFILE,
                tallies,
            )
        case rules.Drift() | rules.Skew():
            return _distance(rule, compiler)
        case rules.Freshness():
            return _freshness(rule, compiler)
        case rules.MlMetric():
            return Parts(pairs.metric(rule, compiler.definition), _BY_PAIRS)
        case rules.QueryRule():
            return batch_functions.query(rule, compiler)
    return batch_functions.function(rule, compiler)


# Sums


def _completeness(rule: rules.Completeness, compiler: WriteCompiler) -> Parts:
    assert rule.column is not None
    column = batch_columns.own(rule, rule.column, compiler)
    value = batch_columns.of_row(column)
    if rule.where is None and is_watched(compiler.definition, column):
        return Parts({"form": "present", "column": column.name}, _BY_SUMS)
    good = _tally(
        rule, _PRESENT, column.name, sql.render("tally_present", _Value(value)), _one(), always=False
    )
    tallies = (good, *_tallies_of_rows(rule, compiler))
    among = tallies[1].name if len(tallies) > 1 else None
    return Parts({"form": "share", "good": good.name, "among": among, "said": "not null"}, _BY_SUMS, tallies)


def _rows(rule: rules.Rule) -> dict[str, Any]:
    return {"form": "rows"} | ({"tally": f"rows{_about(rule)}"} if rule.where else {})


def _tallies_of_rows(rule: rules.Rule, compiler: WriteCompiler) -> tuple[Tally, ...]:
    del compiler
    if rule.where is None:
        return ()
    return (_tally(rule, "rows", None, _ALL_ROWS, _one(), always=True),)


def _statistic(
    rule: rules.Statistic | rules.Change, compiler: WriteCompiler, of: str, quantile: float | None
) -> tuple[dict[str, Any], tuple[Tally, ...]]:
    assert rule.column is not None
    column = batch_columns.own(rule, rule.column, compiler)
    if of not in ("distinct", "distinct_share", "top_share") and (
        column.category != NUMERIC or column.base_type == "money"
    ):
        raise batch_columns.unfit(rule, column, f"the {of} is of numbers")
    counted: dict[str, Any] = {
        "form": "statistic",
        "of": of,
        "column": column.name,
        "said": promises.called(of, quantile),
    }
    if of not in get_args(rules.TalliedName):
        if rule.where is not None:
            raise CatalogError(
                f'"where" does not fit "of: {of}"',
                detail="It is read from the profile of the column, which is of all rows.",
                location=rule.where.location,
            )
        _need_profile(rule, column, compiler)
        return counted | {"quantile": {"min": 0, "max": 1, "median": 0.5}.get(of, quantile)}, ()
    value = batch_columns.of_row(column)
    # Sums and squares of a numeric without a precision could overflow, and take those of other columns with them.
    unlimited = column.base_type == "numeric" and not column.type.startswith("numeric(")
    number = sql.render("tally_number_bounded" if unlimited else "tally_number", _Value(value))
    finite = sql.render("tally_finite" if constants.is_float(column) else "tally_present", _Value(value))
    count = _tally(rule, "finite", column.name, finite, _one(), always=False)
    summed = {
        "mean": ("sum", number),
        "sum": ("sum", number),
        "stddev": ("sum", number),
        "zero_share": ("zero", sql.render("tally_zero", _Value(value))),
        "negative_share": ("negative", sql.render("tally_negative", _Value(value))),
    }[of]
    total = _tally(rule, summed[0], column.name, finite, summed[1], always=False)
    tallies: tuple[Tally, ...] = (count, total)
    counted |= {"count": count.name, "sum": total.name}
    if of == "stddev":
        squares = _tally(
            rule,
            "squares",
            column.name,
            finite,
            sql.render("tally_square", _Value(number)),
            always=False,
        )
        tallies = (*tallies, squares)
        counted["squares"] = squares.name
    return counted, tallies


def _one() -> Sql:
    return sql.render("tally_one", _Nothing())


def _tally(
    rule: rules.Rule, what: str, column: str | None, condition: Sql, value: Sql, *, always: bool
) -> Tally:
    """A sum under a name that says what is summed: rules that need the same one share it."""
    stated = [] if always else [condition]
    if rule.where is not None:
        stated.append(rule.where.qualified(ROW))
    name = f"{what} of {column}" if column else what
    text = sql.render("tally_if", _If(sql.join(" AND ", stated), value))
    return Tally(f"{name}{_about(rule)}", text, (rule.where,) if rule.where is not None else ())


def _about(rule: rules.Rule) -> str:
    if rule.where is None:
        return ""
    return f" where {hashlib.sha256(rule.where.text.encode()).hexdigest()[:8]}"


# Profiles


def _distance(rule: rules.Drift | rules.Skew, compiler: WriteCompiler) -> Parts:
    assert rule.column is not None
    column = batch_columns.own(rule, rule.column, compiler)
    _need_profile(rule, column, compiler)
    is_ordered = (
        column.category == NUMERIC and column.base_type != "money"
    ) or column.base_type in constants.DAYS
    if rule.by == "ks" and not is_ordered:
        raise batch_columns.unfit(rule, column, "ks compares numbers and times; use psi, js or tv")
    if not column.has_equality:
        raise batch_columns.unfit(rule, column, "its values cannot be compared")
    document: dict[str, Any] = {
        "form": "distance",
        "column": column.name,
        "by": rule.by,
        "ordered": is_ordered,
    }
    if isinstance(rule, rules.Skew):
        schema, name = names.split(rule.table)
        document |= {"with": f"{schema}.{name}", "to": rule.to}
    elif rule.trained_on is not None:
        document["trained_on"] = list(rule.trained_on)
    else:
        document["relative_to"] = rule.relative_to
    return Parts(document, _BY_PROFILE)


def _need_profile(rule: rules.BatchRule, column: Column, compiler: WriteCompiler) -> None:
    if not is_watched(compiler.definition, column):
        why = (
            "it is listed under unwatched"
            if column.name in compiler.definition.unwatched
            else "it names the batch"
        )
        raise CatalogError(
            f'"{rule.kind}" needs a profile of column "{column.name}", and none is kept: {why}',
            location=rule.place("column"),
        )
    if not is_sampled(column):
        raise batch_columns.unfit(rule, column, "of values of this type, only whether they are NULL is known")


# Freshness


def _freshness(rule: rules.Freshness, compiler: WriteCompiler) -> Parts:
    if rule.max_unchanged is not None:
        assert rule.column is not None
        column = batch_columns.own(rule, rule.column, compiler)
        _need_profile(rule, column, compiler)
        return Parts({"form": "unchanged", "column": column.name}, _BY_PROFILE)
    if rule.of is None:
        if compiler.writes.mode == "stream":
            raise CatalogError(
                "nothing tells when this table was last written to",
                detail="A streamed table writes nothing down for rows that pass.",
                hint="name a time column: freshness: {max_age: …, of: …}, or declare writes: bulk",
                location=rule.location,
            )
        return Parts(
            {"form": "age"}, "compared with the clock at each guarded read, and when batches are closed"
        )
    column = batch_columns.own(rule, rule.of, compiler, key="of")
    if column.base_type not in constants.DAYS:
        raise CatalogError(
            f'column "{column.name}" of type {column.type} is not a time to tell an age by',
            hint="a date or a time stamp is",
            location=rule.place("of"),
        )
    if not any(
        index.whole and index.method == "btree" and index.columns[:1] == (column.name,)
        for index in compiler.relation.indexes
    ):
        raise CatalogError(
            f'no index begins with column "{column.name}"',
            detail="Each guarded read looks its newest value up; without an index it would read the whole table.",
            hint=f"CREATE INDEX ON {compiler.table} ({sql.identifier(column.name)})",
            location=rule.place("of"),
        )
    function = naming.fit(compiler.relation.schema, compiler.relation.name, "newest")
    context = _Freshness(
        source=batch_functions.source(compiler),
        function=sql.identifier(naming.GENERATED_SCHEMA, function),
        table=compiler.table,
        column=sql.identifier(column.name),
        newest=batch_columns.of_row(column)
        if column.base_type == "timestamp with time zone"
        else sql.render("newest", _Column(sql.identifier(column.name))),
        undoing=compiler.quickly_undoing,
        direct=() if compiler.quickly_undoing else (_Direct(),),
    )
    made = compiler.function(
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
