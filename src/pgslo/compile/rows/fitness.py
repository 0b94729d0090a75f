"""Whether rules can judge the columns that they name: that they exist, have a value then, and run no code of strangers."""

from __future__ import annotations

from pgslo.catalog import Catalog
from pgslo.compile.rows.conditions import looked_up, unfit
from pgslo.compile.table.column_types import check_casts, check_operators
from pgslo.compile.table.subject import Subject
from pgslo.definition import rules
from pgslo.errors import CatalogError, Location
from pgslo.expression import Expression, Query, tables_read


def check(rule: rules.Rule, subject: Subject) -> None:
    """Hold a rule against the table's columns and types.

    Raises:
        CatalogError: A column does not exist, or its type is one the rule cannot judge.
    """
    for name in rule.reads:
        place = _place(rule, name)
        column = subject.column(name, place)
        if column.generated == "v":
            raise CatalogError(
                f'column "{name}" is virtual: PostgreSQL has no value for it while a row is written',
                hint="write the rule as an expression over the columns it is generated from",
                location=place,
            )
        if isinstance(rule, rules.Unique | rules.References) and not column.has_equality:
            raise unfit(rule, column, "its values cannot be compared")
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


def check_references(rule: rules.References, subject: Subject) -> None:
    """Make sure that no cast decides what refers to what.

    Raises:
        CatalogError: A column's type belongs to a role that :func:`check_casts` refuses, or the types differ.
    """
    for own, other in zip(rule.columns, rule.to, strict=True):
        for column in looked_up(rule, own, other, subject):
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
