"""How each part of a definition is written: its keys, their shapes and the short ways to write them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, get_args

from pgslo.definition import names
from pgslo.definition.rules import (
    AcceptedValues,
    BatchRule,
    Change,
    Compare,
    Completeness,
    Custom,
    DistanceName,
    Drift,
    ExpressionRule,
    Format,
    FormatName,
    Freshness,
    Length,
    MetricName,
    MlMetric,
    Monotonic,
    NoGap,
    NoOverlap,
    NotAcceptedValues,
    NotBlank,
    NotNull,
    OnBreach,
    Operator,
    Pattern,
    QueryRule,
    Range,
    References,
    Repair,
    RowCount,
    Rule,
    SameAs,
    SampledName,
    Schema,
    Skew,
    Statistic,
    TalliedName,
    Unique,
)
from pgslo.definition.syntax.custom_kinds import CustomKind
from pgslo.definition.yaml.durations import Duration, Step, Stretch
from pgslo.definition.yaml.lists import Batches, Earlier, ListOf, MapOf, Pair
from pgslo.definition.yaml.named import Condition, Name, Relation, Statement
from pgslo.definition.yaml.nodes import Node, Scalar
from pgslo.definition.yaml.values import (
    AnyConstant,
    Boolean,
    Bound,
    Fraction,
    Integer,
    Measure,
    OneOf,
    Shape,
    Text,
    describe,
)
from pgslo.errors import DefinitionError

_TYPE = re.compile(r'[\w ".,()\[\]]{1,200}\Z')
_ANY_INTEGER = 2**63 - 1


@dataclass(frozen=True)
class StableName:
    """What a rule or task is called: it becomes part of SQL names and of commands."""

    what: str

    def read(self, node: Node) -> str:
        """The name."""
        text = node.text if isinstance(node, Scalar) else ""
        if names.STABLE_NAME.match(text) and len(text) <= names.STABLE_NAME_BYTES:
            return text
        raise DefinitionError(
            f"{describe(node)} cannot be the name of a {self.what}",
            hint=f"Use at most {names.STABLE_NAME_BYTES} lower case letters, digits and underscores, "
            "and begin with a letter.",
            location=node.location,
        )

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {"type": "string", "pattern": "^[a-z_][a-z0-9_]*$", "maxLength": names.STABLE_NAME_BYTES}


@dataclass(frozen=True)
class TypeName:
    """A column's type as psql shows it."""

    def read(self, node: Node) -> str:
        """The type."""
        text = node.text.strip() if isinstance(node, Scalar) and isinstance(node.value, str) else ""
        if _TYPE.match(text):
            return text
        raise DefinitionError(
            f"expected a type such as integer or numeric(10,2), not {describe(node)}", location=node.location
        )

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {"type": "string", "minLength": 1, "maxLength": 200}


@dataclass(frozen=True)
class Form:
    """How a kind of rule is written in one place.

    Attributes:
        rule: The class it becomes.
        parameters: Its own keys.
        required: Those that have to be given.
        one_of: Those of which at least one has to be given.
        shorthand: What may stand in place of a mapping.
        stands_for: The keys whose values the shorthand gives, one by one.
        example: One way to write it.
        custom: The template it comes from.
    """

    rule: type[Rule]
    example: str
    parameters: dict[str, Shape] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    shorthand: Shape | None = None
    stands_for: tuple[str, ...] = ()
    custom: CustomKind | None = None

    @property
    def bare(self) -> bool:
        """Whether the kind's word alone says everything."""
        return not self.required and not self.one_of


def _direct(rule: type[Rule], parameter: str, shape: Shape, example: str, **others: Shape) -> Form:
    """A kind that is mostly one parameter."""
    return Form(
        rule,
        example,
        parameters={parameter: shape, **others},
        required=(parameter,),
        shorthand=shape,
        stands_for=(parameter,),
    )


def _bounds(rule: type[Rule], shape: Shape, example: str) -> Form:
    return Form(
        rule,
        example,
        parameters={"min": shape, "max": shape},
        one_of=("min", "max"),
        shorthand=Pair(shape),
        stands_for=("min", "max"),
    )


_COMPARED = Name(instead="compare with a value by range or expression")
_OPERATOR = OneOf("operator", get_args(Operator))
_STATISTICS = (*get_args(TalliedName), *get_args(SampledName))
_LIMITS: dict[str, Shape] = {"min": Measure(), "max": Measure()}
_ANY_BOUND = ("min", "max", "warn_below", "warn_above", "reject_below", "reject_above")
_PER = ListOf(Name(), single=True)
_DISTANCE = OneOf("distance", get_args(DistanceName))

_ROW_COUNT = Form(
    RowCount,
    "row_count: {min: 1000}",
    parameters={
        "of": OneOf("object", ("batch", "table")),
        "min": Measure(),
        "max": Measure(),
        "relative_to": Earlier(),
    },
    one_of=_ANY_BOUND,
)
_FRESHNESS = Form(
    Freshness,
    "freshness: {max_age: 26 hours}",
    parameters={"max_age": Duration(), "of": Name()},
    required=("max_age",),
    shorthand=Duration(),
    stands_for=("max_age",),
)

#: Kinds under ``columns:``.
COLUMN_FORMS: dict[str, Form] = {
    "not_null": Form(NotNull, "not_null"),
    "not_blank": Form(NotBlank, "not_blank"),
    "range": _bounds(Range, Bound(), "range: {min: 0, max: 120}"),
    "accepted_values": _direct(
        AcceptedValues, "values", ListOf(AnyConstant()), "accepted_values: [us, de, fr]"
    ),
    "not_accepted_values": _direct(
        NotAcceptedValues, "values", ListOf(AnyConstant()), "not_accepted_values: [unknown]"
    ),
    "length": _bounds(Length, Integer(0, 2**31 - 1), "length: {min: 1, max: 40}"),
    "pattern": _direct(Pattern, "matches", Text(), 'pattern: "^[A-Z]{2}$"', ignore_case=Boolean()),
    "format": _direct(Format, "format", OneOf("format", get_args(FormatName)), "format: email"),
    "expression": _direct(ExpressionRule, "expression", Condition(), 'expression: "price >= cost"'),
    "compare": Form(
        Compare,
        'compare: {operator: ">=", to: event_at}',
        parameters={"operator": _OPERATOR, "to": _COMPARED},
        required=("operator", "to"),
    ),
    "references": Form(
        References,
        "references: dim.country.code",
        parameters={"table": Relation(), "column": Name()},
        required=("table", "column"),
        shorthand=Relation(parts=3),
        stands_for=("table", "column"),
    ),
    "unique": Form(Unique, "unique"),
    "repair": Form(
        Repair,
        "repair: {clip: [0, 1], default: 0.5}",
        parameters={
            "trim": Boolean(),
            "lower": Boolean(),
            "map": MapOf(AnyConstant(), nullable=True),
            "expression": Condition(),
            "round": Integer(-10, 15),
            "clip": Pair(Bound()),
            "default": AnyConstant(),
        },
        one_of=("trim", "lower", "map", "expression", "round", "clip", "default"),
    ),
    "completeness": Form(
        Completeness,
        "completeness: {min: 0.95, reject_below: 0.50}",
        parameters={"min": Fraction(), "max": Fraction()},
        one_of=_ANY_BOUND,
        shorthand=Fraction(),
        stands_for=("min",),
    ),
    "freshness": Form(
        Freshness,
        "freshness: {max_unchanged: 3 batches}",
        parameters={"max_unchanged": Batches()},
        required=("max_unchanged",),
    ),
    "statistic": Form(
        Statistic,
        "statistic: {of: mean, min: 10, max: 20}",
        parameters={"of": OneOf("statistic", _STATISTICS), "quantile": Fraction(), **_LIMITS},
        required=("of",),
        one_of=_ANY_BOUND,
    ),
    "change": Form(
        Change,
        "change: {of: mean, relative_to: previous, max: 0.2}",
        parameters={
            "of": OneOf("statistic", _STATISTICS),
            "quantile": Fraction(),
            "relative_to": Earlier(),
            "absolute": Boolean(),
            **_LIMITS,
        },
        required=("of",),
        one_of=_ANY_BOUND,
    ),
    "drift": Form(
        Drift,
        "drift: {by: psi, relative_to: 28 batches, max: 0.2}",
        parameters={"by": _DISTANCE, "relative_to": Earlier(), "trained_on": Stretch(), "max": Measure()},
        one_of=("max", "warn_above"),
    ),
    "skew": Form(
        Skew,
        "skew: {from: training.user_stats.age, by: psi, max: 0.2}",
        parameters={"from": Relation(parts=3), "by": _DISTANCE, "max": Measure()},
        required=("from",),
        one_of=("max", "warn_above"),
    ),
    "no_gap": Form(
        NoGap,
        "no_gap: {every: 1 hour, per: station}",
        parameters={"every": Step(), "per": _PER},
        required=("every",),
        shorthand=Step(),
        stands_for=("every",),
    ),
    "monotonic": Form(
        Monotonic,
        "monotonic: {order: read_at, per: meter}",
        parameters={
            "order": _PER,
            "per": _PER,
            "direction": OneOf("direction", ("rising", "falling")),
            "strictly": Boolean(),
        },
        required=("order",),
    ),
}

#: Kinds under ``rules:``.
ROW_FORMS: dict[str, Form] = {
    "expression": COLUMN_FORMS["expression"],
    "compare": Form(
        Compare,
        'compare: {left: label_at, operator: ">=", right: event_at}',
        parameters={"left": _COMPARED, "operator": _OPERATOR, "right": _COMPARED},
        required=("left", "operator", "right"),
    ),
    "references": Form(
        References,
        "references: {columns: [shop, sku], table: dim.product, to: [shop, sku]}",
        parameters={
            "columns": ListOf(Name(), single=True),
            "table": Relation(),
            "to": ListOf(Name(), single=True),
        },
        required=("columns", "table", "to"),
    ),
    "unique": _direct(Unique, "columns", ListOf(Name(), single=True), "unique: [user_id, feature_date]"),
    "row_count": _ROW_COUNT,
    "change": Form(
        Change,
        "change: {of: row_count, relative_to: previous, min: -0.5}",
        parameters={
            "of": OneOf("statistic", ("row_count",)),
            "relative_to": Earlier(),
            "absolute": Boolean(),
            **_LIMITS,
        },
        required=("of",),
        one_of=_ANY_BOUND,
    ),
    "no_overlap": Form(
        NoOverlap,
        "no_overlap: {from: valid_from, to: valid_to, per: user_id}",
        parameters={"from": Name(), "to": Name(), "per": _PER},
        required=("from", "to"),
    ),
    "same_as": Form(
        SameAs,
        "same_as: {table: staging.orders, on: order_id, columns: [amount]}",
        parameters={"table": Relation(), "on": _PER, "columns": _PER},
        required=("table", "on"),
    ),
    "ml_metric": Form(
        MlMetric,
        "ml_metric: {of: auc, min: 0.7}",
        parameters={
            "of": OneOf("metric", tuple(name for part in get_args(MetricName) for name in get_args(part))),
            "over": Batches(),
            "per": _PER,
            "confidence": Fraction(),
            **_LIMITS,
        },
        required=("of",),
        one_of=_ANY_BOUND,
    ),
    "query": _direct(
        QueryRule,
        "query",
        Statement(),
        'query: "SELECT a.id FROM shop.a LEFT JOIN shop.b USING (id) WHERE b.id IS NULL"',
    ),
}

#: Kinds that are keys of the file.
FILE_FORMS: dict[str, Form] = {"freshness": _FRESHNESS, "row_count": _ROW_COUNT}

SCHEMA_FORM = Form(
    Schema,
    "schema: {columns: {age: integer}}",
    parameters={"columns": MapOf(TypeName()), "extra": OneOf("choice", ("allow", "forbid"))},
    required=("columns",),
)


def custom_form(kind: CustomKind) -> Form:
    """How a kind of the organisation's own is written."""
    required = tuple(each.name for each in kind.parameters if each.required)
    single = required or tuple(each.name for each in kind.parameters)
    shorthand = next((each.shape for each in kind.parameters if single == (each.name,)), None)
    return Form(
        Custom,
        f"{kind.name}: {{{', '.join(f'{name}: …' for name in required)}}}" if required else kind.name,
        parameters={each.name: each.shape for each in kind.parameters},
        required=required,
        shorthand=shorthand,
        stands_for=single if shorthand else (),
        custom=kind,
    )


#: What every rule may say.
OPTIONS: dict[str, Shape] = {
    "name": StableName("rule"),
    "description": Text("a description"),
    "owner": Text("an owner", 200),
    "tags": ListOf(Text("a tag", 100), single=True),
    "enabled": Boolean(),
    "enforce": Boolean(),
    "where": Condition(),
    "on_breach": OneOf("action", get_args(OnBreach)),
    "at_least": Fraction(),
    "at_most": Integer(0, _ANY_INTEGER),
    "samples": Integer(0, 1000),
    "warn_below": Measure(),
    "warn_above": Measure(),
    "reject_below": Measure(),
    "reject_above": Measure(),
    "target": Fraction(),
    "window": Duration(),
    "opens_after": Batches(),
    "resolves_after": Batches(),
}
_OVER_BATCHES = ("warn_below", "warn_above", "reject_below", "reject_above", "opens_after", "resolves_after")
_COUNTING = ("at_least", "samples", "warn_below", "warn_above", "reject_below", "reject_above")
_BOUNDED = ("at_least", "at_most", "samples")
#: Kinds over a batch whose value is a number of failures: at most that many are fine.
COUNTING: tuple[type[BatchRule], ...] = (NoGap, NoOverlap, Monotonic, SameAs, QueryRule)
#: What a rule of one kind cannot say; others by what they are.
#: Options that make no sense for a kind, and why.
UNFIT_OPTIONS: dict[type[Rule], tuple[tuple[str, ...], str]] = {
    Schema: (
        ("where", "at_least", "at_most", "samples", *_OVER_BATCHES),
        "it is about the table, not about rows",
    ),
    Repair: (
        ("at_least", "at_most", "samples", "target", "window", *_OVER_BATCHES),
        "it mends rows and judges none",
    ),
    **dict.fromkeys(
        (Completeness, RowCount, Statistic), (_BOUNDED, "it has bounds for one value of a batch")
    ),
    MlMetric: (
        (*_BOUNDED, "where", "reject_below", "reject_above"),
        "it measures whole batches, long after they were written",
    ),
    Change: ((*_BOUNDED, "where"), "it compares what was measured of whole batches"),
    **dict.fromkeys(
        (Drift, Skew),
        (
            (*_BOUNDED, "where", "warn_below", "reject_below", "reject_above"),
            "it compares whole batches, and can only be too far off",
        ),
    ),
    Freshness: ((*_COUNTING, "at_most", "where"), "it has a bound of its own and is about all rows"),
    **dict.fromkeys(COUNTING, (_COUNTING, "it counts failures; say how many are fine with at_most")),
    QueryRule: (
        (*_COUNTING, "where"),
        "it counts the rows a query returns; say how many are fine with at_most",
    ),
    **dict.fromkeys(
        (
            AcceptedValues,
            Compare,
            Custom,
            ExpressionRule,
            Format,
            Length,
            NotAcceptedValues,
            NotBlank,
            NotNull,
            Pattern,
            Range,
            References,
            Unique,
        ),
        (("warn_below", "warn_above", "reject_above"), "say it with at_least and reject_below"),
    ),
}
