"""Audits that SQLMesh has, as rules."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pgslo.importing.formats.sqlmesh.blocks import Piece, listed
from pgslo.importing.mapping import aggregates, constants, patterns, rules
from pgslo.importing.mapping.conditions import checked
from pgslo.importing.mapping.conditions import column as quoted
from pgslo.importing.model import Outcome, Remark, TableName, UnmappableError, mapped


@dataclass(frozen=True)
class Call:
    """A call of an audit: its name, its arguments, and the table in the database, if it is known."""

    name: str
    arguments: dict[str, Piece]
    own: TableName | None

    @property
    def where(self) -> str | None:
        """The rows that it is about."""
        said = self.arguments.get("condition")
        return None if said is None or said.text.lower() == "true" else checked(said.text)

    def text(self, name: str) -> str:
        """An argument.

        Raises:
            UnmappableError: It is not there.
        """
        if name not in self.arguments:
            raise UnmappableError("unclear", f'the audit is called without "{name}"')
        return self.arguments[name].text

    def columns(self) -> list[str]:
        """The columns that it names."""
        self.text("columns")
        return [_column(piece.text) for piece in listed(self.arguments["columns"])]

    @property
    def column(self) -> str:
        """The column that it names."""
        return _column(self.text("column"))

    def values(self, name: str) -> list[Any]:
        """The constants of a list."""
        self.text(name)
        return [_constant(piece.text) for piece in listed(self.arguments[name])]


def _column(text: str) -> str:
    bare = text.strip().strip('"`')
    if re.fullmatch(r'"[^"]+"|`[^`]+`', text.strip()):
        return bare
    if not bare.replace("_", "a").isalnum():
        raise UnmappableError("nested_column", f"{text[:60]} is not a column")
    return bare.lower()  # Without quotes, PostgreSQL folds a name.


def _constant(text: str) -> Any:
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    found = constants.bound(text)
    if found is None:
        raise UnmappableError("unclear", f"{text[:60]} is not a constant")
    return found


Audit = Callable[[Call], Outcome]
AUDITS: dict[str, Audit] = {}


def _audit(*found: str) -> Callable[[Audit], Audit]:
    def register(function: Audit) -> Audit:
        AUDITS.update(dict.fromkeys(found, function))
        return function

    return register


@_audit("not_null")
def _not_null(call: Call) -> Outcome:
    return mapped(*(rules.not_null(name, where=call.where) for name in call.columns()))


@_audit("unique_values")
def _unique(call: Call) -> Outcome:
    # Rows are numbered within a value there, and NULL is one.
    made = [rules.unique(call.own, [name], where=call.where, nulls_equal=True) for name in call.columns()]
    return mapped(
        *(rule for one in made for rule in one.rules), needs=tuple(need for one in made for need in one.needs)
    )


@_audit("unique_combination_of_columns")
def _together(call: Call) -> Outcome:
    return rules.unique(call.own, call.columns(), where=call.where, nulls_equal=True)


@_audit("accepted_values")
def _accepted(call: Call) -> Outcome:
    values, remarks = constants.listed(call.values("is_in"), None)
    return mapped(
        rules.rule("accepted_values", call.column, {"values": values}, where=call.where), remarks=remarks
    )


@_audit("not_accepted_values")
def _not_accepted(call: Call) -> Outcome:
    values, remarks = constants.listed(call.values("is_not_in"), None)
    return mapped(
        rules.rule("not_accepted_values", call.column, {"values": values}, where=call.where), remarks=remarks
    )


@_audit("accepted_range")
def _range(call: Call) -> Outcome:
    low, high = (_constant(call.text(key)) if key in call.arguments else None for key in ("min_v", "max_v"))
    strict = "inclusive" in call.arguments and call.text("inclusive").lower() == "false"
    return rules.bounds(call.column, low, high, strict=(strict, strict), where=call.where)


@_audit("forall")
def _forall(call: Call) -> Outcome:
    call.text("criteria")
    made = [rules.expression(piece.text, where=call.where) for piece in listed(call.arguments["criteria"])]
    return mapped(
        *(rule for one in made for rule in one.rules),
        remarks=tuple(dict.fromkeys(mark for one in made for mark in one.remarks)),
    )


@_audit("number_of_rows")
def _rows(call: Call) -> Outcome:
    threshold = _constant(call.text("threshold"))
    if not isinstance(threshold, int):
        raise UnmappableError("unclear", "the number of rows is not a whole number")
    return rules.rows_of_table(threshold, None, strict=(True, False), table=call.own, where=call.where)


@_audit("at_least_one")
def _some(call: Call) -> Outcome:
    return aggregates.between("present", call.column, (1, None), call.own, where=call.where)


@_audit("not_constant")
def _varies(call: Call) -> Outcome:
    return aggregates.between("distinct", call.column, (2, None), call.own, where=call.where)


@_audit("mean_in_range", "stddev_in_range")
def _statistic(call: Call) -> Outcome:
    ends = (_end(call, "min_v"), _end(call, "max_v"))
    strict = "inclusive" in call.arguments and call.text("inclusive").lower() == "false"
    of = "mean" if call.name == "mean_in_range" else "stddev"
    return aggregates.between(
        of, call.column, ends, call.own, strict=(strict, strict), where=call.where, null_passes=True
    )


def _end(call: Call, name: str) -> Any:
    return _constant(call.text(name)) if name in call.arguments else None


@_audit(
    "chi_square",
    "kl_divergence",
    "match_like_pattern_list",
    "mutually_exclusive_ranges",
    "not_match_like_pattern_list",
    "not_match_regex_pattern_list",
    "sequential_values",
    "valid_http_method",
    "z_score",
)
def _no_word(call: Call) -> Outcome:
    raise UnmappableError("no_word", f"the audit {call.name}")


@_audit("not_null_proportion")
def _proportion(call: Call) -> Outcome:
    return rules.complete(call.column, _constant(call.text("threshold")), None, where=call.where)


@_audit("not_empty_string")
def _not_empty(call: Call) -> Outcome:
    return rules.expression(f"{quoted(call.column)} <> ''", on=call.column, where=call.where)


@_audit("string_length_equal", "string_length_between")
def _length(call: Call) -> Outcome:
    exact = "v" in call.arguments
    low, high = (_constant(call.text("v" if exact else key)) for key in ("min_v", "max_v"))
    if not isinstance(low, int) or not isinstance(high, int):
        raise UnmappableError("unclear", "a length is not a whole number")
    return mapped(rules.length(call.column, low, high, where=call.where))


@_audit("valid_uuid", "valid_email", "valid_url")
def _format(_call: Call) -> Outcome:
    raise UnmappableError("no_word", "the tool has an expression of its own for this format")


@_audit("match_regex_pattern_list")
def _matches(call: Call) -> Outcome:
    found = [patterns.posix(str(one)) for one in call.values("patterns")]
    made = mapped(
        rules.rule("pattern", call.column, {"matches": patterns.alternation(found)}, where=call.where)
    )
    return replace(made, status="changed", remarks=(Remark("null_differs"),))
