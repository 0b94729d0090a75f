"""From a rule to the condition a row has to meet. Decides nothing about enforcement."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pgslo import naming, sql
from pgslo.catalog import BOOLEAN, TEMPORAL, TEXT, Catalog, Column, Name, Relation
from pgslo.compile import texts
from pgslo.compile.constants import ARRAY, COMPOSITE, ENUM, GEOMETRIC, RANGE, UNBOUNDED, constant
from pgslo.definition import names, rules
from pgslo.errors import CatalogError, Location
from pgslo.expression import Expression, Query, tables_read
from pgslo.sql import Sql

#: How a row is called where a condition stands: in a row trigger, and in a pass over a statement's rows.
NEW, ROW = Sql("NEW"), Sql("r")

#: Types of many values in one, which no constant of a definition stands for.
_MANIFOLD_CATEGORIES = {ARRAY, COMPOSITE, GEOMETRIC, RANGE}
_MANIFOLD_TYPES = {"json", "jsonb", "xml", "tsvector", "tsquery"}
_ZONED = {"timestamp with time zone", "time with time zone"}


#: How a value begins that stands where a column is named: a number, a date, a text of SQL.
_VALUE = re.compile(r"[-+.0-9']")


@dataclass(frozen=True)
class Subject:
    """The table a rule is about, with what is needed to look its names up."""

    relation: Relation
    catalog: Catalog

    @property
    def is_of_another(self) -> bool:
        """Whether the table belongs to another role than pgslo."""
        return self.relation.owner not in ("", self.catalog.keeper)

    def column(self, name: str, location: Location) -> Column:
        """The column of that name.

        Raises:
            CatalogError: There is none.
        """
        found = self.relation.column(name)
        if found is None:
            known = [column.name for column in self.relation.columns]
            close = difflib.get_close_matches(name, known, n=1)
            hint = f'did you mean "{close[0]}"?' if close else f"its columns are {', '.join(known)}"
            if _VALUE.match(name) and not close:
                hint = f"{hint}; a value is compared by range or expression"
            raise CatalogError(
                f'column "{name}" of {self.relation.schema}.{self.relation.name} does not exist',
                hint=hint,
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
    inserts: Sql


@dataclass(frozen=True)
class OtherRow:
    """Where the row to be replaced is stored, which tells it from others."""

    table: Sql
    place: Sql
    inserts: Sql


@dataclass(frozen=True)
class _Call:
    function: Sql
    arguments: Sql


@dataclass(frozen=True)
class Lookup:
    """A condition about other rows, as a function of the values that it needs.

    Attributes:
        function: Its name, without the schema.
        types: Types of its arguments.
        values: Its arguments, where a row is judged.
        condition: The condition over its arguments.
        owner: The role with whose rights it runs.
        pinned: The table that it looks up, if another role could put another relation in its place.
    """

    function: str
    types: Sql
    values: Sql
    condition: Sql
    owner: str
    pinned: Relation | None


class _Arguments:
    """Collects values and their types, and gives the parameter that stands for each."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}

    def __call__(self, value: Sql, type_: str) -> Sql:
        self.found.setdefault(value.text, type_)
        return Sql(f"${list(self.found).index(value.text) + 1}")


def _as_it_is(value: Sql, _type: str) -> Sql:
    return value


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
        case rules.MlMetric():
            own = rule.columns
        case rules.NoOverlap():
            own = (rule.start, rule.end)
        case rules.SameAs():
            own = rule.columns or rule.on
        case _:
            own = ()
    first = (rule.column,) if rule.column else ()
    # A batch of the rows that it is about can miss it whatever readers of the other columns see.
    where = rule.where.columns if rule.where and not isinstance(rule, rules.BatchRule) else ()
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
        if _is_stated(rule, name):
            check_operators(column, place)
            check_casts(column, place)
        elif not isinstance(rule, rules.NotNull | rules.Unique | rules.References):
            check_operators(column, place)


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


def check_casts(column: Column, location: Location) -> None:
    """Make sure that an expression over a column cannot run a cast of a role that gains rights by it.

    PostgreSQL applies implicit casts of a type to the arguments of its own operators and functions, whatever the search
    path, and an owner may define them after the rule was applied.

    Raises:
        CatalogError: The column's type belongs to such a role, and casts convert it.
    """
    if column.stranger is not None and not column.plain:
        raise CatalogError(
            f'column "{column.name}" has type {column.type}, which role "{column.stranger}" owns or is part of',
            detail="An expression over it runs the casts that this role defines, with the rights of pgslo's owner.",
            hint="use not_null, accepted_values, range or compare, whose conditions use no cast, or a type of the role that applies the definition",
            location=location,
        )


def check_stored(column: Column, location: Location) -> None:
    """Make sure that a trigger which stores a value in a column runs no code of a role that gains rights by it.

    Raises:
        CatalogError: The column's type, or a domain that it is made of, belongs to such a role.
    """
    if column.stranger is not None:
        raise CatalogError(
            f'column "{column.name}" has type {column.type}, which role "{column.stranger}" owns or is part of',
            detail="Storing a value runs the casts and the domain constraints that this role defines, with the rights of pgslo's owner.",
            hint="use on_breach: reject or quarantine, or a type of the role that applies the definition",
            location=location,
        )


def check_references(rule: rules.References, subject: Subject) -> None:
    """Make sure that no cast decides what refers to what.

    Raises:
        CatalogError: A column's type belongs to a role that :func:`check_casts` refuses, or the types differ.
    """
    for own, other in zip(rule.columns, rule.to, strict=True):
        for column in _looked_up(rule, own, other, subject):
            check_casts(column, rule.location)


def check_query(query: Query, catalog: Catalog) -> None:
    """Make sure that a query of the author's own cannot run a cast of a role that gains rights by it.

    Raises:
        CatalogError: A table that it reads has a column that :func:`check_casts` refuses.
    """
    for name in tables_read(query):
        relation = catalog.relations.get(name)
        for column in relation.columns if relation else ():
            check_casts(column, query.location)


#: The functions behind the operators of enums. A call of one has no other candidate, so that no implicit cast is applied.
_ENUM_FUNCTIONS = {
    "=": "enum_eq",
    "<>": "enum_ne",
    "<": "enum_lt",
    "<=": "enum_le",
    ">": "enum_gt",
    ">=": "enum_ge",
}


def without_domain(column: Column, value: Sql) -> Sql:
    """Return a value of a type that is not PostgreSQL's own as its base type, whose operators have no domain to see through."""
    is_domain = not column.plain and column.type != column.base_type
    return Sql(f"{value}::{column.base_type}") if is_domain else value


def _is_enum(column: Column) -> bool:
    return column.category == ENUM and not column.plain


def _compared(column: Column, left: Sql, operator: Sql, right: Sql) -> Sql:
    """Compare a value of an enum without its operators."""
    function = Sql(_ENUM_FUNCTIONS[operator.text])
    return sql.render("enum_compared", EnumCompared(function, without_domain(column, left), right))


def passes(rule: rules.Rule, subject: Subject, row: Sql, *, by_owner: bool = False) -> Sql:
    """The condition under which a row passes; unknown (NULL) passes, as in a check constraint."""
    found = lookup(rule, subject, row)
    if by_owner and found is not None and found.pinned is None:
        found = None
    judged = condition(rule, subject, row) if found is None else _called(found)
    if rule.where is None:
        return sql.render("passes", Passes(judged, Sql("")))
    return sql.render("passes_where", Passes(judged, rule.where.qualified(row)))


def lookup(rule: rules.Rule, subject: Subject, row: Sql) -> Lookup | None:
    """A condition that looks rows up, as a function, where another role could replace the table; ``None`` otherwise.

    A trigger runs with the rights of the role that applied it. It must not read relations that others can replace.

    Raises:
        CatalogError: The table that is referred to belongs to a role that can be given no function.
    """
    if not isinstance(rule, rules.References | rules.Unique):
        return None
    pinned = foreign_target(rule, subject) if isinstance(rule, rules.References) else None
    if pinned is None and not subject.is_of_another:
        return None
    given = _Arguments()
    stated = condition(rule, subject, row, given)
    return Lookup(
        naming.fit(subject.relation.schema, subject.relation.name, f"lookup_{rule.name}"),
        Sql(", ".join(given.found.values())),
        Sql(", ".join(given.found)),
        stated,
        pinned.owner if pinned and pinned.owner not in _trusted(pinned, subject) else subject.relation.owner,
        pinned,
    )


def is_replaceable(target: Relation, subject: Subject) -> bool:
    """Whether another role than pgslo's owner and the table's decides what reading another relation runs."""
    trusted = _trusted(target, subject)
    return target.owner not in trusted or target.schema_owner not in trusted


def _trusted(target: Relation, subject: Subject) -> tuple[str, ...]:
    """Roles whose code the rules of a table may run: pgslo's owner, the table's, and the other's if it is a superuser."""
    own: Name = (subject.relation.schema, subject.relation.name)
    reach = subject.catalog.reaches.get((own, (target.schema, target.name)))
    known = (target.owner,) if reach is None or reach.is_trusted else ()
    return ("", subject.relation.owner, subject.catalog.keeper, *known)


def untrusted(target: Relation, subject: Subject) -> str | None:
    """A role whose code would run as the role that applies, when that looks at the table of a rule and another; or ``None``.

    Planning a query runs immutable functions of the indexes, checks and statistics of every table and part that it reads,
    and SET NOT NULL those of checks.
    """
    relation, catalog = subject.relation, subject.catalog
    reach = catalog.reaches.get(((relation.schema, relation.name), (target.schema, target.name)))
    # A superuser, or the table's owner, who was looked at before.
    known = (target.owner,) if reach is not None and reach.is_trusted else ()
    trusted = ("", catalog.user, catalog.keeper)
    for one, others in ((relation, ()), (target, known)):
        for role in (one.owner, one.schema_owner, *(owner for _, owner in one.foreign_parts)):
            if role not in (*trusted, *others):
                return role
    return None


def foreign_target(rule: rules.References, subject: Subject) -> Relation | None:
    """The table that a rule refers to, if another role owns or can replace it than pgslo's owner and its own table's.

    Raises:
        CatalogError: Nobody who applies the definition may act as its owner.
    """
    target = subject.catalog.relations.get(reference(rule))
    if target is None:
        return None
    if not is_replaceable(target, subject):
        return None
    if target.owner in _trusted(target, subject):
        return target
    reach = subject.catalog.reaches[((subject.relation.schema, subject.relation.name), reference(rule))]
    if not reach.may_act:
        raise CatalogError(
            f'"{rule.table}" belongs to role {target.owner}, with whose rights it has to be looked up',
            detail="With other rights, policies and indexes of that role would run its code as the role that applies.",
            hint=f"GRANT {target.owner} to the role that applies, or use on_breach: reject, which is a foreign key",
            location=rule.place("table"),
        )
    return target


def _called(found: Lookup) -> Sql:
    return sql.render(
        "lookup_call", _Call(sql.identifier(naming.GENERATED_SCHEMA, found.function), found.values)
    )


def condition(
    rule: rules.Rule, subject: Subject, row: Sql, given: Callable[[Sql, str], Sql] = _as_it_is
) -> Sql:
    """What the rule asks of a row, whatever its ``where``.

    Args:
        rule: The rule.
        subject: Its table.
        row: How the row is called.
        given: Makes what stands for a value of the row, and its type, in a condition that looks rows up.

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
            column = subject.column(_own(rule), rule.place("column"))
            if _is_enum(column):
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
            if _is_enum(column):
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
            if _is_enum(left):
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
                for column, target in [_looked_up(rule, own, other, subject)]
            )
            context = Referring(sql.identifier(*reference(rule)), pairs[0], pairs[1:])
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
            context = Alone(table, pairs[0], pairs[1:], scope, Sql("1" if row == NEW else "2"))
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


def reference(rule: rules.References) -> tuple[str, str]:
    """Schema and name of the table a rule refers to."""
    schema, name = names.split(rule.table)
    return schema, name


def _looked_up(rule: rules.References, own: str, other: str, subject: Subject) -> tuple[Column, Column]:
    """A column and the one that it refers to, which no cast may bring together.

    Raises:
        CatalogError: They are of two types, and not both of these are PostgreSQL's own.
    """
    column = subject.column(own, rule.location)
    target = subject.catalog.relations.get(reference(rule))
    # A table that does not exist is reported where it is looked for.
    found = target.column(other) if target else None
    if found is not None and column.base_type != found.base_type and not (column.plain and found.plain):
        raise _unfit(
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
        elif column.base_type in UNBOUNDED:
            # NaN is greater than every number, and infinity is none a feature should hold.
            open_end = Sql("'-Infinity'") if key == "min" else Sql("'Infinity'")
            bounds.append(Bound(Sql(operator[0]), open_end))
    return bounds


def _values(rule: rules.AcceptedValues | rules.NotAcceptedValues, subject: Subject) -> tuple[Sql, ...]:
    column = subject.column(_own(rule), rule.place("column"))
    if not column.has_equality or _is_manifold(column):
        raise _unfit(
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
            raise _unfit(
                rule, column, "it has no useful order" if ordered else "its values cannot be compared"
            )
    types = {left.base_type, right.base_type}
    if len(types) > 1 and not (left.plain and right.plain):
        raise _unfit(
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
