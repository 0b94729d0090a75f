"""From a rule to the condition a row has to meet. Decides nothing about enforcement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pgslo import sql
from pgslo.catalog import BOOLEAN, TEMPORAL, TEXT, Column, Name
from pgslo.compile.snippets import parts, texts
from pgslo.compile.snippets.literals import ARRAY, COMPOSITE, GEOMETRIC, RANGE, UNBOUNDED, constant
from pgslo.compile.table.column_types import is_enum, without_domain
from pgslo.compile.table.subject import NEW, Subject
from pgslo.definition import rules
from pgslo.errors import CatalogError
from pgslo.sql import Sql

#: Types of many values in one, which no constant of a definition stands for.
_MANIFOLD_CATEGORIES = {ARRAY, COMPOSITE, GEOMETRIC, RANGE}
_MANIFOLD_TYPES = {"json", "jsonb", "xml", "tsvector", "tsquery"}
_ZONED = {"timestamp with time zone", "time with time zone"}

#: Regular expressions for a character other than whitespace, which Unicode's property White_Space defines. Its codes have
#: another meaning in encodings that do not number characters as Unicode does.
_VISIBLE = r"[^[:space:]\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
_VISIBLE_ASCII = "[^[:space:]]"
_UNICODE = {"UTF8", "LATIN1"}


# One context class for each template of a rule kind.


@dataclass(frozen=True)
class Bound:
    """A comparison with a constant."""

    operator: Sql
    limit: Sql


@dataclass(frozen=True)
class Value:
    """A column alone."""

    value: Sql


@dataclass(frozen=True)
class Between:
    """A column and its one or two bounds."""

    value: Sql
    first: Bound
    others: tuple[Bound, ...]


@dataclass(frozen=True)
class Among:
    """A column and a list of constants."""

    value: Sql
    values: Sql


@dataclass(frozen=True)
class Matching:
    """A column, a matching operator and a regular expression."""

    value: Sql
    operator: Sql
    regex: Sql


@dataclass(frozen=True)
class Formatted:
    """A column and the function that knows the format."""

    value: Sql
    test: Sql


@dataclass(frozen=True)
class Stated:
    """An author's own expression."""

    expression: Sql


@dataclass(frozen=True)
class Compared:
    """Two columns and the operator between them."""

    left: Sql
    operator: Sql
    right: Sql


@dataclass(frozen=True)
class EnumCompared:
    """A comparison of enums as a call of the function behind the operator."""

    function: Sql
    left: Sql
    right: Sql


@dataclass(frozen=True)
class Pair:
    """A value of the row and the column it is looked up in."""

    value: Sql
    column: Sql


@dataclass(frozen=True)
class Referring:
    """A look-up in another table."""

    table: Sql
    pins: tuple[Sql, ...]
    first: Pair
    others: tuple[Pair, ...]


@dataclass(frozen=True)
class Alone:
    """A look-up in the same table: which of the rows found count, and how many are too many."""

    table: Sql
    pins: tuple[Sql, ...]
    first: Pair
    others: tuple[Pair, ...]
    scope: tuple[Sql, ...]
    limit: Sql


@dataclass(frozen=True)
class OtherKey:
    """The key of a row found, of the row to be written, and of the row it replaces."""

    other: Sql
    new: Sql
    old: Sql
    inserts: Sql


@dataclass(frozen=True)
class OtherRow:
    """Where the row to be replaced is stored, which tells it from others."""

    table: Sql
    place: Sql
    inserts: Sql


def _as_it_is(value: Sql, _type: str) -> Sql:
    return value


#: The functions behind the operators of enums. A call of one has no other candidate, so that no implicit cast is applied.
_ENUM_FUNCTIONS = {
    "=": "enum_eq",
    "<>": "enum_ne",
    "<": "enum_lt",
    "<=": "enum_le",
    ">": "enum_gt",
    ">=": "enum_ge",
}


def _compared(column: Column, left: Sql, operator: Sql, right: Sql) -> Sql:
    """Compare a value of an enum without its operators."""
    function = Sql(_ENUM_FUNCTIONS[operator.text])
    return sql.render("enum_compared", EnumCompared(function, without_domain(column, left), right))


def condition(
    rule: rules.Rule,
    subject: Subject,
    row: Sql,
    given: Callable[[Sql, str], Sql] = _as_it_is,
    *,
    pinned: bool = False,
) -> Sql:
    """What the rule asks of a row, whatever its ``where``.

    Args:
        rule: The rule.
        subject: Its table.
        row: How the row is called.
        given: Makes what stands for a value of the row, and its type, in a condition that looks rows up.
        pinned: Whether such a condition refuses tables with parts of less trusted roles, which takes the runtime.

    Raises:
        CatalogError: The rule cannot judge its column's type, or a constant is not of it.
    """

    def value(name: str) -> Sql:
        return Sql(f"{row}.{sql.identifier(name)}")

    def pins(table: Name) -> tuple[Sql, ...]:
        return (parts.pinned(table),) if pinned else ()

    context: Any
    match rule:
        case rules.NotNull():
            column = subject.column(_own(rule), rule.place("column"))
            if column.category == COMPOSITE:
                # To SQL, a row of NULLs IS NULL, though it is a value.
                return sql.render("not_null_composite", Value(value(column.name)))
            context = Value(value(column.name))
        case rules.NotBlank():
            _need(rule, subject, (TEXT,), "only text can be blank")
            # The blanks that fill a char(n) up are whitespace like any other: no cast is needed.
            visible = _VISIBLE if subject.catalog.encoding in _UNICODE else _VISIBLE_ASCII
            context = Matching(value(_own(rule)), Sql("~"), sql.literal(visible))
        case rules.Range():
            first, *others = _range_bounds(rule, subject)
            column = subject.column(_own(rule), rule.place("column"))
            if is_enum(column):
                compared = (
                    _compared(column, value(column.name), one.operator, one.limit) for one in (first, *others)
                )
                return sql.join(" AND ", compared)
            context = Between(value(_own(rule)), first, tuple(others))
        case rules.Length():
            _need(rule, subject, (TEXT,), "length counts characters of text")
            bounds = [
                Bound(Sql(operator), sql.literal(limit))
                for operator, limit in ((">=", rule.min), ("<=", rule.max))
                if limit is not None
            ]
            context = Between(value(_own(rule)), bounds[0], tuple(bounds[1:]))
        case rules.AcceptedValues() | rules.NotAcceptedValues():
            values = _values(rule, subject)
            column = subject.column(_own(rule), rule.place("column"))
            if is_enum(column):
                operator, word = ("=", " OR ") if isinstance(rule, rules.AcceptedValues) else ("<>", " AND ")
                compared = (_compared(column, value(column.name), Sql(operator), one) for one in values)
                return sql.join(word, compared)
            context = Among(value(_own(rule)), sql.join(", ", values))
        case rules.Pattern():
            column = _need(rule, subject, (TEXT,), "a pattern is matched against text")
            # The blanks that fill a char(n) up are not part of its value; its cast to text leaves them out.
            cast = "::text" if column.base_type == "character" else ""
            context = Matching(
                Sql(f"{value(_own(rule))}{cast}"),
                Sql("~*" if rule.ignore_case else "~"),
                sql.literal(rule.matches),
            )
        case rules.Format():
            _need(rule, subject, (TEXT,), "a format is a form of text")
            context = Formatted(value(_own(rule)), Sql(f"pgslo_catalog.is_{rule.format}"))
        case rules.ExpressionRule():
            context = Stated(rule.expression.qualified(row))
        case rules.Compare():
            left, right = _comparable(rule, subject)
            if is_enum(left):
                other = without_domain(right, value(rule.right))
                return _compared(left, value(rule.left), Sql(rule.operator), other)
            context = Compared(value(rule.left), Sql(rule.operator), value(rule.right))
        case rules.References():
            pairs = tuple(
                Pair(
                    given(without_domain(column, value(own)), column.base_type),
                    without_domain(target, sql.identifier(other)),
                )
                for own, other in zip(rule.columns, rule.to, strict=True)
                for column, target in [looked_up(rule, own, other, subject)]
            )
            context = Referring(sql.identifier(*rule.relation), pins(rule.relation), pairs[0], pairs[1:])
        case rules.Unique():
            pairs = tuple(
                Pair(
                    given(without_domain(column, value(own)), column.base_type),
                    without_domain(column, sql.identifier(own)),
                )
                for own in rule.columns
                for column in [subject.column(own, rule.location)]
            )
            table = sql.identifier(subject.relation.schema, subject.relation.name)
            # Before the row is stored there must be none like it; after the statement it is there itself.
            scope = (_other_rows(rule, subject, given),) if row == NEW else ()
            if rule.where:
                scope = (*scope, rule.where.qualified(Sql("other")))
            context = Alone(
                table, pins(subject.name), pairs[0], pairs[1:], scope, Sql("1" if row == NEW else "2")
            )
        case rules.Custom():
            context = Stated(rule.condition.qualified(row))
        case _:
            raise AssertionError(f"{rule.kind} is not a condition over a row")
    return sql.render(f"rules/{rule.kind}", context)


def _other_rows(rule: rules.Unique, subject: Subject, given: Callable[[Sql, str], Sql]) -> Sql:
    """The condition for a row to be another than the one about to be written."""
    key = subject.relation.primary_key
    inserts = given(Sql("TG_OP = 'INSERT'"), "boolean")
    if not key or set(key) <= set(rule.columns):
        stored = given(Sql("OLD.tableoid"), "oid"), given(Sql("OLD.ctid"), "tid")
        return sql.render("unique_other_row", OtherRow(*stored, inserts))
    columns = [subject.column(name, rule.location) for name in key]

    # A row with this key is the one that INSERT … ON CONFLICT is about to update.
    def of(alias: str) -> Sql:
        return sql.join(
            ", ",
            (
                given(texts.comparable(column, Sql(alias)), column.base_type if column.plain else "text")
                for column in columns
            ),
        )

    other = sql.join(", ", (texts.comparable(column, Sql("other")) for column in columns))
    return sql.render("unique_other_key", OtherKey(other, of("NEW"), of("OLD"), inserts))


def looked_up(rule: rules.References, own: str, other: str, subject: Subject) -> tuple[Column, Column]:
    """A column and the one that it refers to, which no cast may bring together.

    Raises:
        CatalogError: They are of two types, and not both of these are PostgreSQL's own.
    """
    column = subject.column(own, rule.location)
    target = subject.catalog.relations.get(rule.relation)
    # A table that does not exist is reported where it is looked for.
    found = target.column(other) if target else None
    if found is not None and column.base_type != found.base_type and not (column.plain and found.plain):
        raise unfit(
            rule,
            column,
            f'"{rule.table}.{other}" has type {found.type}, and a cast would decide what is compared',
        )
    return column, found or column


def _own(rule: rules.Rule) -> str:
    assert rule.column is not None, f"{rule.kind} stands under a column"
    return rule.column


def _need(rule: rules.Rule, subject: Subject, categories: tuple[str, ...], why: str) -> Column:
    column = subject.column(_own(rule), rule.place("column"))
    if column.category not in categories:
        raise unfit(rule, column, why)
    return column


def unfit(rule: rules.Rule, column: Column, why: str, *, hint: str | None = None) -> CatalogError:
    """Return the error of a rule that cannot judge the type of its column."""
    return CatalogError(
        f'{rule.kind} cannot judge column "{column.name}" of type {column.type}: {why}',
        hint=hint,
        location=rule.location,
    )


def _is_manifold(column: Column) -> bool:
    return column.category in _MANIFOLD_CATEGORIES or column.base_type in _MANIFOLD_TYPES


def _range_bounds(rule: rules.Range, subject: Subject) -> list[Bound]:
    column = subject.column(_own(rule), rule.place("column"))
    if not column.has_order or column.category == BOOLEAN or _is_manifold(column):
        raise unfit(rule, column, "it has no useful order")
    bounds = []
    for operator, limit, key in ((">=", rule.min, "min"), ("<=", rule.max, "max")):
        if limit is not None:
            bounds.append(Bound(Sql(operator), constant(limit, column, rule.place(key))))
        elif column.base_type in UNBOUNDED:
            # NaN is greater than every number, and infinity is none a feature should hold.
            open_end = Sql("'-Infinity'") if key == "min" else Sql("'Infinity'")
            bounds.append(Bound(Sql(operator[0]), open_end))
    return bounds


def _values(rule: rules.AcceptedValues | rules.NotAcceptedValues, subject: Subject) -> tuple[Sql, ...]:
    column = subject.column(_own(rule), rule.place("column"))
    if not column.has_equality or _is_manifold(column):
        raise unfit(
            rule,
            column,
            "its values are not single values to compare with",
            hint="judge a part of it with expression",
        )
    return tuple(constant(value, column, rule.place(f"values.{n}")) for n, value in enumerate(rule.values))


def _comparable(rule: rules.Compare, subject: Subject) -> tuple[Column, Column]:
    """Refuse what PostgreSQL would compare, but not as the author means it."""
    left = subject.column(rule.left, rule.location)
    right = subject.column(rule.right, rule.location)
    for column in (left, right):
        ordered = rule.operator not in ("=", "<>")
        if not (column.has_order if ordered else column.has_equality):
            raise unfit(
                rule, column, "it has no useful order" if ordered else "its values cannot be compared"
            )
    types = {left.base_type, right.base_type}
    if len(types) > 1 and not (left.plain and right.plain):
        raise unfit(
            rule,
            left,
            f'column "{right.name}" has type {right.type}, and a cast would decide what is compared',
        )
    if types in ({"real", "double precision"}, {"real", "numeric"}):
        why = "0.1 is not the same number in both"
    elif len(types) > 1 and left.category == right.category == TEMPORAL and types & _ZONED:
        why = "which of two is later depends on the time zone of the session that writes"
    else:
        return left, right
    raise CatalogError(
        f'compare cannot compare "{left.name}" of type {left.type} with "{right.name}" of type {right.type}: {why}',
        hint="say what is meant with an expression that casts one of them",
        location=rule.location,
    )
