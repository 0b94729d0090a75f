"""How assertions are written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pgslo.definition.rules import Assertion, Rule
from pgslo.definition.rules.assertions import (
    ASSERTIONS,
    AcrossTables,
    AddsUpTo,
    AllEqual,
    AtMostOne,
    Count,
    ExactlyOne,
    ExistsForEach,
    KeepsOrder,
    NeverOverlap,
    NoneWithout,
    On,
    ReturnsNothing,
    SameAsThere,
)
from pgslo.definition.syntax.forms import OPTIONS, Form
from pgslo.definition.yaml.lists import ListOf, MapOf, Pair
from pgslo.definition.yaml.named import Condition, Name, Relation, Statement
from pgslo.definition.yaml.nodes import Mapping, Node
from pgslo.definition.yaml.values import Boolean, Bound, Integer, OneOf, Shape
from pgslo.errors import DefinitionError
from pgslo.expression import needs_clock


@dataclass(frozen=True)
class Counterparts:
    """Columns that have the same names in both tables, or ours with theirs."""

    def read(self, node: Node) -> On:
        """Pairs of ours and theirs."""
        if isinstance(node, Mapping):
            return tuple((Name().read(key), Name().read(value)) for key, value in _entries(node))
        return tuple((name, name) for name in ListOf(Name(), single=True).read(node))

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {"anyOf": [Name().schema(), ListOf(Name()).schema(), MapOf(Name()).schema()]}


def _entries(node: Mapping) -> Iterator[tuple[Any, Node]]:
    if not node.entries:
        raise DefinitionError("the mapping may not be empty", location=node.location)
    yield from node.entries


_COLUMN = Name()
_COLUMNS = ListOf(Name(), single=True)
_ROW = OneOf("thing", ("row",))
_NUMBER = Bound(numbers_only=True)
_OTHER: dict[str, Shape] = {"table": Relation(), "on": Counterparts(), "where": Condition()}

#: How each form is written.
ASSERTION_FORMS: dict[str, Form] = {
    "all_equal": Form(
        AllEqual,
        "all_equal: salary",
        parameters={"column": _COLUMN},
        required=("column",),
        shorthand=_COLUMN,
        stands_for=("column",),
    ),
    "at_most_one": Form(
        AtMostOne,
        "at_most_one: row",
        parameters={"of": _ROW},
        required=("of",),
        shorthand=_ROW,
        stands_for=("of",),
    ),
    "exactly_one": Form(
        ExactlyOne,
        "exactly_one: row",
        parameters={"of": _ROW},
        required=("of",),
        shorthand=_ROW,
        stands_for=("of",),
    ),
    "count": Form(
        Count,
        "count: {min: 1, max: 3}",
        parameters={"min": Integer(0, 2**31 - 1), "max": Integer(0, 2**31 - 1)},
        one_of=("min", "max"),
        shorthand=Pair(Integer(0, 2**31 - 1)),
        stands_for=("min", "max"),
    ),
    "adds_up_to": Form(
        AddsUpTo,
        "adds_up_to: {column: weight, total: 1}",
        parameters={"column": _COLUMN, "total": _NUMBER, "tolerance": _NUMBER},
        required=("column", "total"),
    ),
    "exists_for_each": Form(
        ExistsForEach,
        "exists_for_each: {table: app.users, on: user_id, where: active}",
        parameters=_OTHER,
        required=("table", "on"),
    ),
    "none_without": Form(
        NoneWithout,
        "none_without: {table: features.user_stats, on: [user_id, feature_date]}",
        parameters=_OTHER,
        required=("table", "on"),
    ),
    "no_overlap": Form(
        NeverOverlap,
        "no_overlap: {from: valid_from, to: valid_to}",
        parameters={"from": _COLUMN, "to": _COLUMN},
        required=("from", "to"),
    ),
    "monotonic": Form(
        KeepsOrder,
        "monotonic: {column: version, order: trained_at}",
        parameters={
            "column": _COLUMN,
            "order": _COLUMNS,
            "direction": OneOf("direction", ("rising", "falling")),
            "strictly": Boolean(),
        },
        required=("column", "order"),
    ),
    "same_as": Form(
        SameAsThere,
        "same_as: {table: serving.user_stats, on: user_id, columns: [age, country]}",
        parameters={**_OTHER, "columns": Counterparts()},
        required=("table", "on", "columns"),
    ),
    "sql": Form(
        ReturnsNothing,
        'sql: "SELECT s.name FROM hr.staff s WHERE s.salary > 2 * (SELECT min(t.salary) FROM hr.staff t)"',
        parameters={"query": Statement()},
        required=("query",),
        shorthand=Statement(),
        stands_for=("query",),
    ),
}

#: What every assertion may say.
ASSERTION_OPTIONS: dict[str, Shape] = {
    **{
        name: OPTIONS[name]
        for name in ("name", "description", "owner", "tags", "enabled", "enforce", "where", "on_breach")
    },
    "group_by": ListOf(Name(), single=True),
    "deferred": Boolean(),
    "validated": Boolean(),
    "check_on": ListOf(Relation(), single=True),
}
ASSERTION_ACTIONS = ("warn", "flag", "reject")
#: Options that make no sense for a form, and why.
UNFIT: dict[str, tuple[tuple[str, ...], str]] = {
    **{
        name: (("check_on",), "what can break it is known")
        for name in ASSERTIONS
        if not issubclass(ASSERTIONS[name], AcrossTables | ReturnsNothing)
    },
    **dict.fromkeys(
        ("exists_for_each", "none_without", "same_as"),
        (("check_on", "group_by"), "its groups are the rows that are equal in on"),
    ),
    "sql": (("where",), "the query says which rows it is about"),
}


def fields(form: type[Rule], values: dict[str, Any]) -> dict[str, Any]:
    """What an author wrote for a form, under the names of its class."""
    values = dict(values)
    values.pop("of", None)
    if "check_on" not in form.model_fields:
        values.pop("check_on", None)  # ``check`` says why it does not fit.
    for written, meant in (("column", "value"), ("from", "start"), ("to", "end")):
        if written in values and meant in form.model_fields:
            values[meant] = values.pop(written)
    return values


def check(rule: Assertion) -> Iterator[DefinitionError]:
    """Whether what is said fits the form, and can be held by looking at writes alone."""
    unfit, reason = UNFIT[rule.kind]
    for option in unfit:
        if option in rule.places:
            yield DefinitionError(
                f'"{option}" does not fit "{rule.kind}": {reason}', location=rule.place(option)
            )
    if rule.on_breach not in ASSERTION_ACTIONS:
        yield DefinitionError(
            f"an assertion is about several rows and cannot {rule.on_breach} one of them",
            hint="Use on_breach: warn, flag or reject.",
            location=rule.place("on_breach"),
        )
    among = rule.among if isinstance(rule, AcrossTables) else None
    for condition in (rule.where, among):
        word = needs_clock(condition.text) if condition is not None else None
        if condition is not None and word is not None:
            yield DefinitionError(
                f'"{word}" is not allowed in an assertion',
                detail="What the clock says changes without any write that could be checked.",
                hint="Compare with a column, or use a rule over batches.",
                location=condition.location,
            )
    match rule:
        case Count(min=int(low), max=int(high)) if low > high:
            yield DefinitionError(
                f"the lower bound {low} is above the upper bound {high}", location=rule.place("min")
            )
        case Count(min=0, max=None):
            yield DefinitionError("a count of at least 0 always holds", location=rule.place("min"))
        case AddsUpTo() if rule.tolerance < 0:
            yield DefinitionError("a tolerance may not be negative", location=rule.place("tolerance"))
        case NeverOverlap() if rule.start == rule.end:
            yield DefinitionError("a span needs two columns", location=rule.place("to"))
        case AtMostOne() if not rule.group_by and rule.where is None:
            yield DefinitionError(
                "the table could have no more than one row",
                hint='Say of which rows there may be one, with "where", with "group_by", or both.',
                location=rule.location,
            )
