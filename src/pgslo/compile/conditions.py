"""From a rule to the condition a row has to meet, and to words for people. Decides nothing about enforcement."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pgslo import sql
from pgslo.catalog import BOOLEAN, NUMERIC, TEMPORAL, TEXT, Catalog, Column, Relation
from pgslo.definition import names, rules
from pgslo.errors import CatalogError, Location
from pgslo.expression import Expression
from pgslo.sql import Sql

#: How a row is called where a condition stands: in a row trigger, and in a pass over a statement's rows.
NEW, ROW = Sql("NEW"), Sql("r")

#: Further categories of ``pg_type.typcategory``.
ARRAY, COMPOSITE, ENUM, GEOMETRIC, RANGE = "A", "C", "E", "G", "R"
#: Types of many values in one, which no constant of a definition stands for.
_MANIFOLD_CATEGORIES = {ARRAY, COMPOSITE, GEOMETRIC, RANGE}
_MANIFOLD_TYPES = {"json", "jsonb", "xml", "tsvector", "tsquery"}
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
    """A look-up in the same table: which of the rows found count, and how many are too many."""

    table: Sql
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


@dataclass(frozen=True)
class OtherRow:
    """Nothing: where a row stands tells it from others."""


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
    for name in columns(rule):
        place = _place(rule, name)
        column = subject.column(name, place)
        if column.generated == "v":
            raise CatalogError(
                f'column "{name}" is virtual: PostgreSQL has no value for it while a row is written',
                hint="write the rule as an expression over the columns it is generated from",
                location=place,
            )
        if isinstance(rule, rules.Unique | rules.References) and not column.has_equality:
            raise _unfit(rule, column, "its values cannot be compared")
        if not isinstance(rule, rules.NotNull | rules.Unique | rules.References) or _is_stated(rule, name):
            check_operators(column, place)


def check_schema(rule: rules.Schema, subject: Subject) -> None:
    """See that a schema rule that rejects does not reject every write from its first day on.

    Raises:
        CatalogError: A column does not exist, has another type, or is not in the definition.
    """
    if rule.on_breach != "reject":
        return
    for name, wanted in wanted_types(rule).items():
        place = rule.place(f"columns.{name}" if f"columns.{name}" in rule.places else "columns")
        column = subject.column(name, place)
        # How a domain, or a type of another schema, is written depends on the search path.
        named_alike = re.sub(r"\(.*?\)", "", column.type) == column.base_type
        if column.type_schema == "pg_catalog" and named_alike and column.type != wanted:
            raise CatalogError(
                f'column "{name}" of {subject.relation.schema}.{subject.relation.name} is {column.type}, not {wanted}',
                detail="on_breach: reject would stop every write.",
                location=place,
            )
    for column in subject.relation.columns:
        if rule.extra == "forbid" and column.name not in rule.columns:
            raise CatalogError(
                f'column "{column.name}" of {subject.relation.schema}.{subject.relation.name} is not in the definition',
                detail="on_breach: reject would stop every write.",
                hint="add it, or leave extra: forbid out",
                location=rule.place("extra"),
            )


#: Other spellings of types, by what PostgreSQL calls them.
_SPELLINGS = {
    "bigint": ("int8",),
    "integer": ("int", "int4"),
    "smallint": ("int2",),
    "double precision": ("float8", "float"),
    "real": ("float4",),
    "numeric": ("decimal",),
    "boolean": ("bool",),
    "character varying": ("varchar",),
    "character": ("char",),
    "bit varying": ("varbit",),
    "timestamp with time zone": ("timestamptz",),
    "timestamp without time zone": ("timestamp",),
    "time with time zone": ("timetz",),
    "time without time zone": ("time",),
}
_TYPES = {spelling: type_ for type_, spellings in _SPELLINGS.items() for spelling in spellings}
_TYPE = re.compile(
    r"(?P<name>[a-z][a-z0-9 ]*?) *(?P<modifier>\([0-9, ]*\))?(?P<zone> with(?:out)? time zone)?(?P<array>(?:\[\])*)\Z"
)


def wanted_types(rule: rules.Schema) -> dict[str, str]:
    """The types of a schema rule as ``format_type`` prints them, however the author spelled them."""
    return {name: _spelled(type_) for name, type_ in rule.columns.items()}


def _spelled(type_: str) -> str:
    match = _TYPE.match(type_.strip().lower())
    if match is None:
        return type_
    zone = match["zone"] or ""
    name = f"{match['name']}{zone}"
    name = _TYPES.get(name, name)
    modifier = (match["modifier"] or "").replace(" ", "")
    if name.startswith("time"):
        # timestamp(3) with time zone
        first, _, rest = name.partition(" ")
        return f"{first}{modifier} {rest}{match['array']}"
    if name == "character" and not modifier:
        modifier = "(1)"
    return f"{name}{modifier}{match['array']}"


def _place(rule: rules.Rule, name: str) -> Location:
    """Where a rule names a column."""
    if rule.column == name:
        return rule.place("column")
    key = ""
    match rule:
        case rules.Compare() if name in (rule.left, rule.right):
            key = "left" if rule.left == name else "to" if "to" in rule.places else "right"
        case rules.References() | rules.Unique() if name in rule.columns:
            key = f"columns.{rule.columns.index(name)}"
            key = key if key in rule.places else "columns"
        case rules.Custom() if name in rule.columns:
            key = next(key for key, value in rule.parameters.items() if value == name)
        case _:
            stated = (one.location for one in _expressions(rule) if name in one.columns)
            return next(stated, rule.location)
    return rule.place(key)


def _is_stated(rule: rules.Rule, name: str) -> bool:
    return any(name in expression.columns for expression in _expressions(rule))


def _expressions(rule: rules.Rule) -> tuple[Expression, ...]:
    stated = getattr(rule, "expression", None) or getattr(rule, "condition", None)
    return tuple(expression for expression in (stated, rule.where) if expression)


def check_operators(column: Column, location: Location) -> None:
    """Make sure that the operators of a column's type are in ``pg_catalog``; those of enums are.

    Raises:
        CatalogError: They are not.
    """
    if column.type_schema != "pg_catalog" and column.category != ENUM:
        raise CatalogError(
            f'column "{column.name}" has type {column.type}, whose operators are not PostgreSQL\'s own',
            detail="Generated functions look operators up in pg_catalog alone, so that nobody can put others in their place.",
            hint="judge it with not_null, or judge a generated column of a built-in type",
            location=location,
        )


def passes(rule: rules.Rule, subject: Subject, row: Sql) -> Sql:
    """The condition under which a row passes; unknown (NULL) passes, as in a check constraint."""
    judged = condition(rule, subject, row)
    if rule.where is None:
        return sql.render("passes", Passes(judged, Sql("")))
    return sql.render("passes_where", Passes(judged, rule.where.qualified(row)))


def condition(rule: rules.Rule, subject: Subject, row: Sql) -> Sql:
    """What the rule asks of a row, whatever its ``where``.

    Raises:
        CatalogError: The rule cannot judge its column's type, or a constant is not of it.
    """

    def value(name: str) -> Sql:
        return Sql(f"{row}.{sql.identifier(name)}")

    context: Any
    match rule:
        case rules.NotNull():
            column = subject.column(_own(rule), rule.place("column"))
            if column.category == COMPOSITE:
                # To SQL, a row of NULLs IS NULL, though it is a value.
                return sql.render("not_null_composite", Value(value(column.name)))
            context = Value(value(column.name))
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
            _comparable(rule, subject)
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
            scope = (_other_rows(rule, subject),) if row == NEW else ()
            if rule.where:
                scope = (*scope, rule.where.qualified(Sql("other")))
            context = Alone(table, pairs[0], pairs[1:], scope, Sql("1" if row == NEW else "2"))
        case rules.Custom():
            context = Stated(rule.condition.qualified(row))
        case _:
            raise AssertionError(f"{rule.kind} is not a condition over a row")
    return sql.render(f"rules/{rule.kind}", context)


def _other_rows(rule: rules.Unique, subject: Subject) -> Sql:
    """The condition for a row to be another than the one about to be written."""
    key = subject.relation.primary_key
    if not key or set(key) <= set(rule.columns):
        return sql.render("unique_other_row", OtherRow())
    # A row with this key is the one that INSERT … ON CONFLICT is about to update.
    other, new, old = (
        sql.join(", ", (Sql(f"{alias}.{sql.identifier(name)}") for name in key))
        for alias in ("other", "NEW", "OLD")
    )
    return sql.render("unique_other_key", OtherKey(other, new, old))


def reference(rule: rules.References) -> tuple[str, str]:
    """Schema and name of the table a rule refers to."""
    schema, name = names.split(rule.table)
    return schema, name


def _own(rule: rules.Rule) -> str:
    assert rule.column is not None, f"{rule.kind} stands under a column"
    return rule.column


def _need(rule: rules.Rule, subject: Subject, categories: tuple[str, ...], why: str) -> Column:
    column = subject.column(_own(rule), rule.place("column"))
    if column.category not in categories:
        raise _unfit(rule, column, why)
    return column


def _unfit(rule: rules.Rule, column: Column, why: str, *, hint: str | None = None) -> CatalogError:
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
        raise _unfit(rule, column, "it has no useful order")
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
    column = subject.column(_own(rule), rule.place("column"))
    if not column.has_equality or _is_manifold(column):
        raise _unfit(
            rule,
            column,
            "its values are not single values to compare with",
            hint="judge a part of it with expression",
        )
    return sql.join(
        ", ",
        (constant(value, column, rule.place(f"values.{n}")) for n, value in enumerate(rule.values)),
    )


def _comparable(rule: rules.Compare, subject: Subject) -> None:
    """Refuse what PostgreSQL would compare, but not as the author means it."""
    left = subject.column(rule.left, rule.location)
    right = subject.column(rule.right, rule.location)
    for column in (left, right):
        ordered = rule.operator not in ("=", "<>")
        if not (column.has_order if ordered else column.has_equality):
            raise _unfit(
                rule, column, "it has no useful order" if ordered else "its values cannot be compared"
            )
    types = {left.base_type, right.base_type}
    if types in ({"real", "double precision"}, {"real", "numeric"}):
        why = "0.1 is not the same number in both"
    elif len(types) > 1 and left.category == right.category == TEMPORAL and types & _ZONED:
        why = "which of two is later depends on the time zone of the session that writes"
    else:
        return
    raise CatalogError(
        f'compare cannot compare "{left.name}" of type {left.type} with "{right.name}" of type {right.type}: {why}',
        hint="say what is meant with an expression that casts one of them",
        location=rule.location,
    )


_ZONED = {"timestamp with time zone", "time with time zone"}
_DATE, _TIME, _ZONE = r"\d{4,6}-\d\d-\d\d", r"\d\d:\d\d(:\d\d(\.\d{1,6})?)?", r" ?(Z|[+-]\d\d(:?\d\d)?)"
_ENDLESS = r"[+-]?infinity"
#: How constants of dates and times are written: any other way may mean something else in another session.
_MOMENTS = {
    "date": (rf"{_DATE}|{_ENDLESS}", "2026-11-22"),
    "timestamp without time zone": (rf"{_DATE}([T ]{_TIME})?|{_ENDLESS}", "2026-11-22 10:00:00"),
    "timestamp with time zone": (rf"{_DATE}[T ]{_TIME}{_ZONE}|{_ENDLESS}", "2026-11-22 10:00:00+00"),
    "time without time zone": (_TIME, "10:00:00"),
    "time with time zone": (rf"{_TIME}{_ZONE}", "10:00:00+00"),
}


def constant(value: rules.Scalar, column: Column, location: Location) -> Sql:
    """A constant to compare with, or store in, a column.

    Raises:
        CatalogError: The constant is not of the column's type.
    """
    if column.category in (TEXT, ENUM):
        return sql.literal(str(value).lower() if isinstance(value, bool) else str(value))
    if isinstance(value, bool) != (column.category == BOOLEAN):
        raise _not_of_type(value, column, location)
    if column.category == NUMERIC:
        if isinstance(value, str):
            raise _not_of_type(value, column, location)
        if column.base_type == "money":
            raise CatalogError(
                f'column "{column.name}" has type money, whose values depend on the server\'s lc_monetary',
                hint="use numeric",
                location=location,
            )
        if column.base_type == "real":
            # 0.1 as real is greater than 0.1 as double precision, to which PostgreSQL would widen it.
            return Sql(f"{sql.literal(str(value))}::real")
    if column.category == TEMPORAL and column.base_type in _MOMENTS:
        form, example = _MOMENTS[column.base_type]
        if not re.fullmatch(form, str(value)):
            raise _not_of_type(value, column, location, hint=f'write it like "{example}"')
    if column.category in (NUMERIC, BOOLEAN):
        return sql.literal(value)
    return sql.literal(str(value))


def _not_of_type(
    value: object, column: Column, location: Location, *, hint: str | None = None
) -> CatalogError:
    shown = f'"{value}"' if isinstance(value, str) else str(value).lower()
    return CatalogError(
        f'{shown} is not a value of column "{column.name}" of type {column.type}',
        hint=hint,
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
    if rule.at_least is not None:
        text += f", in at least {rule.at_least * 100:g} % of a batch's rows"
    if rule.at_most is not None:
        text += f", with at most {rule.at_most} failing rows in a batch"
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
            return f"{rule.column} with a length {_between(rule.min, rule.max)}"
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
            wanted = rule.description or f"as kind {rule.custom_kind} wants"
            return f"{rule.column or 'the row'}: {wanted[:1].lower()}{wanted[1:].rstrip('.')}"
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
    if low == high:
        return f"of exactly {low}"
    return f"between {low} and {high}"


def _listed(values: tuple[rules.Scalar, ...]) -> str:
    shown = ", ".join(str(value) if str(value).strip() else f'"{value}"' for value in values[:10])
    return shown if len(values) <= 10 else f"{shown}, … ({len(values)} values)"
