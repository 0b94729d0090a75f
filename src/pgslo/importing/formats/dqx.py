"""Reader of checks of DQX: a list of functions with arguments, as YAML or JSON."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pgslo.definition import names
from pgslo.importing.formats.base import Document, Source
from pgslo.importing.mapping import constants, patterns, rules
from pgslo.importing.mapping.conditions import column as quoted
from pgslo.importing.mapping.conditions import constant
from pgslo.importing.model import (
    Found,
    Outcome,
    Remark,
    SourceTable,
    TableName,
    UnmappableError,
    mapped,
)
from pgslo.importing.options import Options
from pgslo.importing.source import Mapping, Node, plain
from pgslo.importing.source import Sequence as List

_SHOWN = 160
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_NAME_LENGTH = 50
_PARTS = 2
#: Names of arguments in older versions.
_SPELLED = {
    "col_name": "column",
    "col_names": "columns",
    "col_expression": "column",
    "allowed_values": "allowed",
}


@dataclass(frozen=True)
class Check:
    """A check as its list writes it.

    Attributes:
        function: The called function.
        arguments: With what.
        where: Rows that it is about.
        name: Its name, if it has one.
        warns: Whether it is a warning.
    """

    function: str
    arguments: dict[str, Any]
    where: str | None
    name: str
    warns: bool


@dataclass(frozen=True)
class _Call:
    """A check with its table."""

    check: Check
    on: str | None
    own: TableName | None
    options: Options

    @property
    def column(self) -> str:
        """Its one column."""
        if self.on is None:
            raise UnmappableError("unclear", "it names no column")
        if not _NAME.match(self.on):
            raise UnmappableError("not_sql", f"{self.on[:60]} is an expression, and no column")
        return self.on

    def get(self, key: str, default: Any = None) -> Any:
        """One of its arguments."""
        value = self.check.arguments.get(key, default)
        return default if value is None else value


def is_checks(root: Node) -> bool:
    """Whether a document is a list of checks."""
    items = root.items if isinstance(root, List) else ()
    return any(isinstance(one, Mapping) and one.mapping("check").text("function") for one in items)


def read(documents: Sequence[Document], options: Options) -> Source:
    """Return the checks of lists."""
    source = Source(lambda found: _outcome(found, options))
    for document in documents:
        name = document.path.rpartition("/")[2].partition(".")[0]
        table = SourceTable(f"dqx:{name}", name, only_by_map=True)
        source.tables.append(table)
        for root in document.nodes:
            for item in root.items if isinstance(root, List) else (root,):
                source.found += _checks(item, table)
    return source


def _checks(item: Node, table: SourceTable) -> Iterator[Found]:
    """The checks of an item: one, or one for each of several columns."""
    said = item if isinstance(item, Mapping) else Mapping({}, {}, item.location)
    call = said.mapping("check")
    function = call.text("function") or "?"
    given = plain(call.mapping("arguments"))
    arguments = {_SPELLED.get(key, key): value for key, value in given.items()}
    each = plain(call.get("for_each_column"))
    several = function not in _SEVERAL and isinstance(arguments.get("columns"), list)
    listed = each if isinstance(each, list) and each else arguments["columns"] if several else [None]
    for one in listed:
        own = dict(arguments)
        if one is not None:
            own |= {"columns" if isinstance(one, list) or function in _SEVERAL else "column": one}
        if isinstance(own.get("columns"), str):
            own["columns"] = [own["columns"]]
        on = own.get("column")
        name = said.text("name") or ""
        check = Check(
            function.rpartition(".")[2],
            own,
            said.text("filter") or str(own.get("row_filter") or "") or None,
            name if len(listed) == 1 else "",
            (said.text("criticality") or "error").lower() == "warn",
        )
        shown = f"{function} {own}"[:_SHOWN]
        yield Found(
            function,
            item.location,
            table,
            on if isinstance(on, str) and _NAME.match(on) else None,
            shown,
            check,
        )


def _outcome(found: Found, options: Options) -> Outcome:
    check: Check = found.body
    kind = _KINDS.get(check.function)
    if kind is None:
        raise UnmappableError("unknown_check", f"{check.function[:60]} is not a function that pgslo knows")
    try:
        own = options.resolve(found.table)
    except UnmappableError:
        own = None
    on = check.arguments.get("column")
    made = kind(_Call(check, on if isinstance(on, str) else None, own, options))
    severity: Literal["error", "warn"] = "warn" if check.warns else "error"
    named = names.STABLE_NAME.match(check.name) and len(check.name) <= _NAME_LENGTH and len(made.rules) == 1
    extra: dict[str, Any] = {"name": check.name} if named else {}
    return replace(
        made,
        rules=tuple(
            replace(one, severity=severity, options=one.options | extra)
            if one.place in ("column", "rule")
            else one
            for one in made.rules
        ),
    )


_Kind = Callable[[_Call], Outcome]
_KINDS: dict[str, _Kind] = {}
#: Functions of several columns at once.
_SEVERAL = frozenset({"is_unique", "foreign_key"})


def _kind(*functions: str) -> Callable[[_Kind], _Kind]:
    def register(made: _Kind) -> _Kind:
        _KINDS.update(dict.fromkeys(functions, made))
        return made

    return register


@_kind("is_not_null")
def _not_null(one: _Call) -> Outcome:
    return mapped(rules.not_null(one.column, where=one.check.where))


def _trimmed(one: _Call) -> str:
    # Spark trims blanks alone.
    return f"btrim({quoted(one.column)})" if one.get("trim_strings") else quoted(one.column)


@_kind("is_null")
def _null(one: _Call) -> Outcome:
    return rules.expression(f"{quoted(one.column)} IS NULL", on=one.column, where=one.check.where)


@_kind("is_not_empty")
def _not_empty(one: _Call) -> Outcome:
    return rules.expression(f"{_trimmed(one)} <> ''", on=one.column, where=one.check.where)


@_kind("is_empty")
def _empty(one: _Call) -> Outcome:
    return rules.expression(f"{_trimmed(one)} = ''", on=one.column, where=one.check.where)


@_kind("is_null_or_empty")
def _null_or_empty(one: _Call) -> Outcome:
    return rules.expression(
        f"{quoted(one.column)} IS NULL OR {_trimmed(one)} = ''", on=one.column, where=one.check.where
    )


@_kind("is_not_null_and_not_empty")
def _there(one: _Call) -> Outcome:
    made = _not_empty(one)
    return mapped(rules.not_null(one.column, where=one.check.where), *made.rules)


@_kind("is_not_null_and_not_empty_array")
def _array(one: _Call) -> Outcome:
    made = rules.expression(f"cardinality({quoted(one.column)}) > 0", on=one.column, where=one.check.where)
    return mapped(rules.not_null(one.column, where=one.check.where), *made.rules)


@_kind("is_in_list", "value_is_in_list", "is_not_in_list")
def _listed(one: _Call) -> Outcome:
    if one.get("case_sensitive", True) is not True:
        raise UnmappableError("no_word", "a list whose case does not matter")
    forbids = one.check.function == "is_not_in_list"
    given = one.get("forbidden" if forbids else "allowed")
    if not isinstance(given, list):
        raise UnmappableError("unclear", "the list of values is missing")
    values, remarks = constants.listed(given, None)
    kind = "not_accepted_values" if forbids else "accepted_values"
    return mapped(rules.rule(kind, one.column, {"values": values}, where=one.check.where), remarks=remarks)


@_kind("is_not_null_and_is_in_list", "value_is_not_null_and_is_in_list")
def _there_and_listed(one: _Call) -> Outcome:
    made = _listed(one)
    return mapped(rules.not_null(one.column, where=one.check.where), *made.rules, remarks=made.remarks)


@_kind("is_equal_to", "is_not_equal_to")
def _equal(one: _Call) -> Outcome:
    operator = "=" if one.check.function == "is_equal_to" else "<>"
    if one.get("abs_tolerance") or one.get("rel_tolerance"):
        raise UnmappableError("no_word", "a tolerance of a comparison")
    value = one.check.arguments.get("value")
    bound = constants.bound(value)
    side = constant(bound) if bound is not None else str(value)
    if value is None:
        raise UnmappableError("unclear", "the value is missing")
    return rules.expression(f"{quoted(one.column)} {operator} {side}", on=one.column, where=one.check.where)


def _bounds(one: _Call, low: Any, high: Any, *, inclusive: bool = True) -> Outcome:
    ends = [constants.bound(end) if not isinstance(end, str) else _end(end) for end in (low, high)]
    if all((end is None) == (said is None) for end, said in zip(ends, (low, high), strict=True)):
        strict = (not inclusive, not inclusive)
        return rules.bounds(one.column, ends[0], ends[1], strict=strict, where=one.check.where)
    # A bound that is not a constant is SQL there: a column, or an expression.
    sides = zip((">", "<"), (low, high), strict=True)
    equal = "=" if inclusive else ""
    parts = [f"{quoted(one.column)} {side}{equal} ({end})" for side, end in sides if end is not None]
    return rules.expression(" AND ".join(parts), on=one.column, where=one.check.where)


def _end(said: str) -> Any:
    moment = constants.moment(said)
    return moment if moment is not None else constants.bound(said)


@_kind("is_in_range")
def _range(one: _Call) -> Outcome:
    inclusive = one.get("inclusive_boundaries", True) is True
    return _bounds(one, one.get("min_limit"), one.get("max_limit"), inclusive=inclusive)


@_kind("is_not_in_range")
def _outside(one: _Call) -> Outcome:
    low, high = (_end(str(one.get(key))) for key in ("min_limit", "max_limit"))
    if low is None or high is None:
        raise UnmappableError("unclear", "a bound is not a constant")
    name = quoted(one.column)
    equal = "" if one.get("inclusive_boundaries", True) is True else "="
    condition = f"{name} <{equal} {constant(low)} OR {name} >{equal} {constant(high)}"
    return rules.expression(condition, on=one.column, where=one.check.where)


@_kind("is_not_less_than", "not_less_than")
def _at_least(one: _Call) -> Outcome:
    return _bounds(one, one.get("limit"), None)


@_kind("is_not_greater_than", "not_greater_than")
def _at_most(one: _Call) -> Outcome:
    return _bounds(one, None, one.get("limit"))


@_kind("regex_match")
def _regex(one: _Call) -> Outcome:
    pattern = patterns.posix(str(one.get("regex", "")))
    if one.get("negate"):
        condition = f"{quoted(one.column)} !~ {constant(pattern)}"
        return rules.expression(condition, on=one.column, where=one.check.where)
    return mapped(rules.rule("pattern", one.column, {"matches": pattern}, where=one.check.where))


@_kind("sql_expression")
def _sql(one: _Call) -> Outcome:
    said = str(one.get("expression", ""))
    condition = f"NOT ({said})" if one.get("negate") else said
    return rules.expression(condition, where=one.check.where)


@_kind("is_not_in_future")
def _past(one: _Call) -> Outcome:
    offset = one.get("offset", 0)
    if isinstance(offset, bool) or not isinstance(offset, int):
        raise UnmappableError("unclear", "an offset that is not a number of seconds")
    later = f" + interval '{offset} seconds'" if offset else ""
    return rules.expression(f"{quoted(one.column)} <= now(){later}", on=one.column, where=one.check.where)


@_kind("is_unique")
def _unique(one: _Call) -> Outcome:
    said = one.get("columns") or [one.get("column")]
    if not isinstance(said, list):
        raise UnmappableError("unclear", "columns that are not a list")
    columns = [str(name) for name in said]
    if not all(_NAME.match(name) for name in columns):
        raise UnmappableError("not_sql", "an expression has to be unique, and no column")
    same = one.get("nulls_distinct", True) is not True
    return rules.unique(one.own, columns, where=one.check.where, nulls_equal=same)


@_kind("foreign_key")
def _reference(one: _Call) -> Outcome:
    parts = str(one.get("ref_table", "")).replace("`", "").split(".")
    columns, to = one.get("columns"), one.get("ref_columns")
    if (
        one.get("negate")
        or not isinstance(columns, list)
        or not isinstance(to, list)
        or len(columns) != len(to)
    ):
        raise UnmappableError(
            "no_word", "values that may not be in the other table, or unlike lists of columns"
        )
    if len(parts) < _PARTS or not all(names.is_name(one) for one in parts):
        raise UnmappableError("parameter", "the other table is only known when the source runs")
    return rules.references(
        [str(each) for each in columns],
        TableName(*parts[-2:]),
        [str(each) for each in to],
        where=one.check.where,
    )


@_kind("is_valid_date", "is_valid_timestamp", "is_valid_json", "is_ipv4_address", "is_ipv6_address")
def _format(one: _Call) -> Outcome:
    if one.get("date_format") or one.get("timestamp_format"):
        raise UnmappableError("no_word", "a format of dates of its own")
    name = one.check.function.removeprefix("is_valid_").removeprefix("is_").removesuffix("_address")
    made = rules.rule("format", one.column, {"format": name}, where=one.check.where)
    return mapped(made, remarks=(Remark("format_differs"),))


@_kind("is_aggr_not_less_than", "is_aggr_not_greater_than", "is_aggr_equal")
def _aggregate(one: _Call) -> Outcome:
    limit = one.get("limit")
    if (
        str(one.get("aggr_type", "count")).lower() != "count"
        or one.get("group_by")
        or one.on not in (None, "*")
    ):
        raise UnmappableError("no_word", "an aggregate of a column or of groups")
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise UnmappableError("parameter", "a limit that is not a number")
    low = None if "greater" in one.check.function else limit
    high = None if "less" in one.check.function else limit
    return rules.rows_of_table(low, high, table=one.own, where=one.check.where)
