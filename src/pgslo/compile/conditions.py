"""From a rule to the condition a row has to meet, and to words for people. Decides nothing about enforcement."""

from __future__ import annotations

import decimal
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pgslo import sql
from pgslo.catalog import NUMERIC, TEMPORAL, TEXT, Catalog, Column, Relation
from pgslo.definition import names, rules
from pgslo.errors import CatalogError, Location
from pgslo.expression import Expression
from pgslo.sql import Sql

#: How a row is called where a condition stands: in a row trigger, and in a pass over a statement's rows.
NEW, ROW = Sql("NEW"), Sql("r")

_FLOATS = {"real", "double precision"}
_UNBOUNDED = {"real", "double precision", "numeric"}


@dataclass(frozen=True)
class Subject:
    """The table a rule is about, with what is needed to look its names up."""

    relation: Relation
    catalog: Catalog

    def column(self, name: str, location: Location) -> Column:
        """The column of that name.

        Raises:
            CatalogError: There is none.
        """
        found = self.relation.column(name)
        if found is None:
            known = [column.name for column in self.relation.columns]
            close = difflib.get_close_matches(name, known, n=1)
            raise CatalogError(
                f'column "{name}" of {self.relation.schema}.{self.relation.name} does not exist',
                hint=f'did you mean "{close[0]}"?' if close else f"its columns are {', '.join(known)}",
                location=location,
            )
        return found


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
class Pair:
    """A value of the row and the column it is looked up in."""

    value: Sql
    column: Sql


@dataclass(frozen=True)
class Referring:
    """A look-up in another table."""

    table: Sql
    first: Pair
    others: tuple[Pair, ...]


@dataclass(frozen=True)
class Alone:
    """A look-up in the same table: how many rows may be found, and which of them do not count."""

    table: Sql
    first: Pair
    others: tuple[Pair, ...]
    scope: Sql
    limit: Sql


@dataclass(frozen=True)
class Scope:
    """The columns whose old values tell a row from itself."""

    pairs: tuple[Pair, ...]


@dataclass(frozen=True)
class Passes:
    """A condition, and the rows it is about."""

    condition: Sql
    where: Sql


def columns(rule: rules.Rule) -> tuple[str, ...]:
    """Every column the rule reads, its own first, without repetition."""
    own: Iterable[str]
    match rule:
        case rules.ExpressionRule():
            own = rule.expression.columns
        case rules.Compare():
            own = (rule.left, rule.right)
        case rules.References() | rules.Unique():
            own = rule.columns
        case rules.Custom():
            own = rule.condition.columns
        case rules.Repair():
            own = rule.expression.columns if rule.expression else ()
        case _:
            own = ()
    first = (rule.column,) if rule.column else ()
    where = rule.where.columns if rule.where else ()
    return tuple(dict.fromkeys((*first, *own, *where)))


def check(rule: rules.Rule, subject: Subject) -> None:
    """Hold a rule against the table's columns and types.

    Raises:
        CatalogError: A column does not exist, or its type is one the rule cannot judge.
    """
    for expression in _expressions(rule):
        for name in expression.columns:
            _judgeable(subject.column(name, expression.location), expression.location)
    for name in columns(rule):
        column = subject.column(name, rule.place("columns") if rule.column is None else rule.location)
        if column.generated == "v":
            raise CatalogError(
                f'column "{name}" is virtual: PostgreSQL has no value for it while a row is written',
                hint="write the rule as an expression over the columns it is generated from",
                location=rule.location,
            )
        if not isinstance(rule, rules.NotNull | rules.Unique | rules.References):
            _judgeable(column, rule.location)


def _expressions(rule: rules.Rule) -> tuple[Expression, ...]:
    stated = getattr(rule, "expression", None) or getattr(rule, "condition", None)
    return tuple(expression for expression in (stated, rule.where) if expression)


def _judgeable(column: Column, location: Location) -> None:
    if column.type_schema != "pg_catalog" and column.category != "E":
        raise CatalogError(
            f'column "{column.name}" has type {column.type}, whose operators an extension brings',
            detail="Generated functions look operators up in pg_catalog alone, so that nobody can put others in their place.",
            hint="judge it with not_null, or judge a generated column of a built-in type",
            location=location,
        )


def passes(rule: rules.Rule, subject: Subject, row: Sql) -> Sql:
    """The condition under which a row passes; unknown (NULL) passes, as in a check constraint."""
    condition = _condition(rule, subject, row)
    if rule.where is None:
        return sql.render("passes", Passes(condition, Sql("")))
    return sql.render("passes_where", Passes(condition, rule.where.qualified(row)))


def _condition(rule: rules.Rule, subject: Subject, row: Sql) -> Sql:
    def value(name: str) -> Sql:
        return Sql(f"{row}.{sql.identifier(name)}")

    context: Any
    match rule:
        case rules.NotNull():
            context = Value(value(_own(rule)))
        case rules.Range():
            first, *others = _range_bounds(rule, subject)
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
            context = Among(value(_own(rule)), _values(rule, subject))
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
            context = Compared(value(rule.left), Sql(rule.operator), value(rule.right))
        case rules.References():
            pairs = tuple(
                Pair(value(own), sql.identifier(other))
                for own, other in zip(rule.columns, rule.to, strict=True)
            )
            context = Referring(sql.identifier(*reference(rule)), pairs[0], pairs[1:])
        case rules.Unique():
            pairs = tuple(Pair(value(own), sql.identifier(own)) for own in rule.columns)
            table = sql.identifier(subject.relation.schema, subject.relation.name)
            # Before the row is stored there must be none like it; after the statement it is there itself.
            scope = sql.render("unique_scope", Scope(pairs)) if row == NEW else Sql("")
            context = Alone(
                table,
                pairs[0],
                pairs[1:],
                Sql(f" {scope}") if scope.text else scope,
                Sql("1" if row == NEW else "2"),
            )
        case rules.Custom():
            context = Stated(rule.condition.qualified(row))
        case _:
            raise AssertionError(f"{rule.kind} is not a condition over a row")
    return sql.render(f"rules/{rule.kind}", context)


def reference(rule: rules.References) -> tuple[str, str]:
    """Schema and name of the table a rule refers to."""
    schema, name = names.split(rule.table)
    return schema, name


def _own(rule: rules.Rule) -> str:
    assert rule.column is not None, f"{rule.kind} stands under a column"
    return rule.column


def _need(rule: rules.Rule, subject: Subject, categories: tuple[str, ...], why: str) -> Column:
    column = subject.column(_own(rule), rule.location)
    if column.category not in categories:
        raise CatalogError(
            f'{rule.kind} cannot judge column "{column.name}" of type {column.type}: {why}',
            location=rule.location,
        )
    return column


def _range_bounds(rule: rules.Range, subject: Subject) -> list[Bound]:
    column = subject.column(_own(rule), rule.location)
    if not column.has_order or column.category in ("B", "A", "P", "R", "C"):
        raise CatalogError(
            f'range cannot judge column "{column.name}" of type {column.type}: it has no useful order',
            location=rule.location,
        )
    bounds = []
    for operator, limit, key in ((">=", rule.min, "min"), ("<=", rule.max, "max")):
        if limit is not None:
            bounds.append(Bound(Sql(operator), constant(limit, column, rule.place(key))))
        elif column.base_type in _UNBOUNDED:
            # NaN is greater than every number, and infinity is none a feature should hold.
            open_end = Sql("'-Infinity'") if key == "min" else Sql("'Infinity'")
            bounds.append(Bound(Sql(operator[0]), open_end))
    return bounds


def _values(rule: rules.AcceptedValues | rules.NotAcceptedValues, subject: Subject) -> Sql:
    column = subject.column(_own(rule), rule.location)
    if not column.has_equality:
        raise CatalogError(
            f'{rule.kind} cannot judge column "{column.name}" of type {column.type}: its values cannot be compared',
            location=rule.location,
        )
    return sql.join(", ", (constant(value, column, rule.place("values")) for value in rule.values))


def constant(value: rules.Scalar, column: Column, location: Location) -> Sql:
    """A constant to compare with, or store in, a column.

    Raises:
        CatalogError: The constant is not of the column's type.
    """
    if column.category in {TEXT, "E"}:
        if isinstance(value, bool):
            value = str(value).lower()
        return sql.literal(str(value))
    if isinstance(value, bool) != (column.category == "B"):
        raise _not_of_type(value, column, location)
    if column.category == NUMERIC and isinstance(value, str):
        raise _not_of_type(value, column, location)
    if column.category == TEMPORAL and not isinstance(value, str):
        raise _not_of_type(value, column, location)
    if column.base_type == "real":
        # 0.1 as real is greater than 0.1 as double precision, to which PostgreSQL would widen it.
        return Sql(f"{sql.literal(str(value))}::real")
    if isinstance(value, int | decimal.Decimal | bool):
        return sql.literal(value)
    return sql.literal(str(value))


def _not_of_type(value: object, column: Column, location: Location) -> CatalogError:
    return CatalogError(
        f'{value!r} is not a value of column "{column.name}" of type {column.type}',
        location=location,
    )


def is_float(column: Column) -> bool:
    """Whether the column's values may be NaN."""
    return column.base_type in _UNBOUNDED


def promise(rule: rules.Rule) -> str:
    """What the rule wants, in words for messages; starts lower case, without a full stop."""
    text = _promise(rule)
    if rule.where is not None:
        text += f", where {one_line(rule.where.text)}"
    return text


_COMPARED: Mapping[str, str] = {
    "=": "equal to",
    "<>": "different from",
    "<": "less than",
    "<=": "at most",
    ">": "greater than",
    ">=": "at least",
}


def _promise(rule: rules.Rule) -> str:
    match rule:
        case rules.NotNull():
            return f"{rule.column} not null"
        case rules.Range():
            return f"{rule.column} {_between(rule.min, rule.max)}"
        case rules.Length():
            return f"{rule.column} of a length {_between(rule.min, rule.max)}"
        case rules.AcceptedValues():
            return f"{rule.column} one of {_listed(rule.values)}"
        case rules.NotAcceptedValues():
            return f"{rule.column} none of {_listed(rule.values)}"
        case rules.Pattern():
            return f"{rule.column} matching {rule.matches}"
        case rules.Format():
            return f"{rule.column} in {rule.format} format"
        case rules.ExpressionRule():
            return one_line(rule.expression.text)
        case rules.Compare():
            return f"{rule.left} {_COMPARED[rule.operator]} {rule.right}"
        case rules.References():
            return f"{', '.join(rule.columns)} present in {rule.table} ({', '.join(rule.to)})"
        case rules.Unique():
            return f"no two rows with the same {', '.join(rule.columns)}"
        case rules.Schema():
            return "the columns and types of the definition"
        case rules.Repair():
            return f"{rule.column} repaired before it is judged"
        case rules.Custom():
            return rule.description or f"{rule.column or 'the row'} as kind {rule.custom_kind} wants"
        case _:
            raise AssertionError(rule.kind)


def one_line(text: str) -> str:
    """Text for a comment or a sentence: whatever could end the line is a blank."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def _between(low: object, high: object) -> str:
    if high is None:
        return f"of at least {low}"
    if low is None:
        return f"of at most {high}"
    return f"between {low} and {high}"


def _listed(values: tuple[rules.Scalar, ...]) -> str:
    shown = ", ".join(str(value) for value in values[:10])
    return shown if len(values) <= 10 else f"{shown}, … ({len(values)} values)"
