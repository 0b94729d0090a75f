"""Reader of Soda's contracts, version 4: checks of one dataset, with thresholds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Said
from dataclasses import dataclass, replace
from typing import Any, Literal

from pgslo.importing.formats.base import Document, Source
from pgslo.importing.formats.soda import metrics, valid
from pgslo.importing.formats.soda.sodacl import replaced
from pgslo.importing.mapping import limits, rules, spans, statements
from pgslo.importing.mapping.conditions import all_of
from pgslo.importing.mapping.limits import Limits, number
from pgslo.importing.model import (
    Found,
    Outcome,
    Remark,
    Rule,
    SourceTable,
    TableName,
    UnmappableError,
    mapped,
)
from pgslo.importing.options import Options
from pgslo.importing.source import Mapping, Node, Scalar, plain

_SHOWN = 160
_THRESHOLD = {
    "must_be": "=", "must_not_be": "!=", "must_be_greater_than": ">", "must_be_greater_than_or_equal": ">=",
    "must_be_less_than": "<", "must_be_less_than_or_equal": "<=", "must_be_between": "between", "must_be_not_between": "not between",
}  # fmt: skip
_OF_DATASET = frozenset(["dataset", "filter", "variables", "columns", "checks", "checks_attributes"])


@dataclass(frozen=True)
class Check:
    """A check of a contract."""

    kind: str
    said: dict[str, Any]
    filter: str | None


def read(documents: Sequence[Document], options: Options) -> Source:
    """Return the checks of contracts."""
    source = Source(lambda found: outcome(found, options))
    for document in documents:
        for root in (node for node in document.nodes if isinstance(node, Mapping)):
            table = _table(root)
            source.tables.append(table)
            source.found += _checks(table, root, options)
            left = [key for key in root.entries if key not in _OF_DATASET]
            if left:
                source.ignored.append(f"{document.path}: {', '.join(left)}, which are not checks")
    return source


def _table(root: Mapping) -> SourceTable:
    """The table of a name such as source/database/schema/table."""
    table = _called(root.text("dataset") or "")
    for column in root.mappings("columns"):
        table.column_types[column.text("name") or ""] = column.text("data_type")
    return table


def _called(name: str) -> SourceTable:
    parts = name.split("/")
    table = SourceTable(f"soda:{name}", parts[-1])
    table.schema = parts[-2] if len(parts) > 2 else None
    return table


def _checks(table: SourceTable, root: Mapping, options: Options) -> Iterator[Found]:
    variables = {
        f"var.{name}": said.get("default")
        for name, said in plain(root.mapping("variables")).items()
        if isinstance(said, dict) and said.get("default") is not None
    }
    variables |= {f"var.{name}": value for name, value in options.variables.items()}
    whole = root.text("filter")
    for column in root.mappings("columns"):
        name = column.text("name") or ""
        if column.text("data_type") is not None:
            said = {
                "data_type": column.text("data_type"),
                "length": plain(column.get("character_maximum_length")),
            }
            yield Found(
                "data_type",
                column.keys["data_type"].location,
                table,
                name,
                f"data_type: {said['data_type']}",
                Check("data_type", said, None),
            )
        for item in column.items("checks"):
            yield _found(item, table, name, column, whole, variables)
    for item in root.items("checks"):
        yield _found(item, table, None, root, whole, variables)


def _found(
    item: Node,
    table: SourceTable,
    column: str | None,
    holder: Mapping,
    whole: str | None,
    variables: Said[str, Any],
) -> Found:
    if isinstance(item, Mapping) and item.entries:
        kind, below = next(iter(item.entries.items()))
        said = plain(below)
        said = said if isinstance(said, dict) else {}
    else:
        kind, said = item.text if isinstance(item, Scalar) else "?", {}
    # Missing or valid values may be defined for the column, for all of its checks.
    shared = {
        key: plain(value)
        for key, value in holder.entries.items()
        if key.startswith(("missing_", "valid_", "invalid_"))
    }
    said = replaced({**shared, **said}, variables)
    condition = replaced(whole, variables) if whole else None
    return Found(kind, item.location, table, column, f"{kind}: {said}"[:_SHOWN], Check(kind, said, condition))


def outcome(found: Found, options: Options) -> Outcome:
    """Return what a check becomes.

    Raises:
        UnmappableError: A variable has no value, or nothing here says the same.
    """
    check: Check = found.body
    if "${" in f"{check.said}{check.filter}":
        raise UnmappableError("parameter", "a variable of the check has no value: give --var")
    where = all_of(check.filter, check.said.get("filter"))
    try:
        own = options.resolve(found.table)
    except UnmappableError:
        own = None
    made = _mapped(found, check, own, where, options)
    warns = str(_dict(check.said.get("threshold")).get("level") or "").lower() == "warn"
    severity: Literal["error", "warn"] = "warn" if warns else "error"
    return replace(
        made,
        rules=tuple(replace(metrics.said_of(rule, check.said), severity=severity) for rule in made.rules),
    )


def _mapped(
    found: Found, check: Check, own: TableName | None, where: str | None, options: Options
) -> Outcome:
    said, on = check.said, found.column
    threshold = _dict(said.get("threshold"))
    wanted = limits_of(threshold)
    percent = str(threshold.get("metric") or "count") == "percent"
    unit = "percent" if percent else "count"
    names = [on] if on is not None else [str(one) for one in said.get("columns") or ()]
    match check.kind:
        case "data_type":
            return rules.of_type(
                str(on),
                str(said["data_type"])
                + (f"({said['length']})" if isinstance(said.get("length"), int) else ""),
            )
        case "invalid" if "valid_reference_data" in said:
            return _referenced(said, metrics.one(names), wanted, options, where, percent=percent)
        case "missing" | "invalid" | "duplicate":
            return metrics.outcome(
                f"{check.kind}_{unit}", names, wanted or Limits(0, 0), said, table=own, where=where
            )
        case "row_count":
            return limits.rows(wanted or Limits(0, None, above=True), own, where=where)
        case "aggregate":
            return metrics.outcome(
                str(said.get("function")), names, _needed(wanted), said, table=own, where=where
            )
        case "freshness":
            of = said.get("column")
            if (
                not isinstance(of, str)
                or wanted is None
                or wanted.high is None
                or wanted.low is not None
                or wanted.outside
            ):
                raise UnmappableError(
                    "unclear", "the check does not say how old the data may be, and by which column"
                )
            return rules.age(
                metrics.one([of]),
                spans.span(float(wanted.high), str(threshold.get("unit") or "hour")),
                own,
                narrowed=where,
            )
        case "failed_rows":
            return _failed_rows(said, where)
        case "metric":
            return _metric(said, _needed(wanted), own, where)
        case "schema":
            return _schema(found, said)
    raise UnmappableError("unknown_check", f"{check.kind[:60]} is not a check that pgslo knows")


def _referenced(
    said: Said[str, Any],
    on: str,
    wanted: Limits | None,
    options: Options,
    where: str | None,
    *,
    percent: bool,
) -> Outcome:
    """Values that another dataset has."""
    other = _dict(said["valid_reference_data"])
    dataset, column = other.get("dataset"), other.get("column")
    if not isinstance(dataset, str) or not isinstance(column, str):
        raise UnmappableError("unclear", "the check does not name a dataset and a column")
    if any(key.startswith(("valid_", "invalid_")) for key in said if key != "valid_reference_data"):
        raise UnmappableError("no_word", "a number of rows that fail one of several rules")
    theirs = options.resolve(_called(dataset))
    made = rules.references([on], theirs, [column], where=valid.present(on, dict(said), where))
    return limits.failing(made, wanted or Limits(0, 0), percent=percent)


def _needed(wanted: Limits | None) -> Limits:
    if wanted is None:
        raise UnmappableError("unclear", "the check has no threshold")
    return wanted


def limits_of(threshold: Said[str, Any]) -> Limits | None:
    """Return what a threshold asks; ``None`` without one."""
    wanted: Limits | None = None
    for key, operator in _THRESHOLD.items():
        if key not in threshold:
            continue
        value = threshold[key]
        made = wanted or Limits()
        if "between" in operator:
            # The ends belong to the range; greater_than and less_than below it are strict.
            ends = _dict(value)
            pair = (
                ends.get("greater_than_or_equal", ends.get("greater_than")),
                ends.get("less_than_or_equal", ends.get("less_than")),
            )
            low, high = (value[0], value[1]) if isinstance(value, list) and len(value) == 2 else pair
            outside = operator.startswith("not")
            strict = ("greater_than" in ends, "less_than" in ends)
            above, below = (not strict[0], not strict[1]) if outside else strict
            wanted = Limits(number(low), number(high), above=above, below=below, outside=outside)
        elif operator in ("=", "!="):
            outside = operator == "!="
            wanted = Limits(number(value), number(value), above=outside, below=outside, outside=outside)
        elif operator.startswith(">"):
            wanted = replace(made, low=number(value), above=operator == ">")
        else:
            wanted = replace(made, high=number(value), below=operator == "<")
    return wanted


def _failed_rows(said: Said[str, Any], where: str | None) -> Outcome:
    if isinstance(said.get("expression"), str):
        return rules.expression(f"NOT ({said['expression']})", where=where)
    if isinstance(said.get("query"), str):
        return rules.returns_nothing(str(said["query"]))
    raise UnmappableError("unclear", "neither an expression nor a query says which rows fail")


def _metric(said: Said[str, Any], wanted: Limits, own: TableName | None, where: str | None) -> Outcome:
    if own is None:
        raise UnmappableError("no_table")
    if isinstance(said.get("query"), str):
        return statements.number(str(said["query"]), wanted, own, {own.name: own})
    if not isinstance(said.get("expression"), str):
        raise UnmappableError("unclear", "neither an expression nor a query gives the number")
    condition = f" WHERE {where}" if where else ""
    asked = f"SELECT {said['expression']} FROM {own.text}{condition}"  # noqa: S608 - the gate reads the whole query
    return statements.number(asked, wanted, own, {own.name: own})


def _schema(found: Found, said: Said[str, Any]) -> Outcome:
    columns = [name for name in found.table.column_types if name]
    if not columns:
        raise UnmappableError("unclear", "the contract lists no columns")
    made: list[Rule] = [rule for name in columns for rule in rules.exists(name)]
    if said.get("allow_extra_columns") is not True:
        made.append(Rule("schema", "schema", None, {"extra": "forbid"}))
    if said.get("allow_other_column_order") is True:
        return mapped(*made)
    return mapped(*made, remarks=(Remark("mapped_in_part", "the order of the columns is not checked"),))


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
