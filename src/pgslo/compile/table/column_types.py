"""Columns whose type is not PostgreSQL's own: what may be done with them without running the code of its owner."""

from __future__ import annotations

from pgslo.catalog import Catalog, Column
from pgslo.compile.snippets.literals import ENUM
from pgslo.errors import CatalogError, Location
from pgslo.expression import Query, tables_read
from pgslo.sql import Sql


def check_operators(column: Column, location: Location) -> None:
    """Make sure that the operators of a column's type are in ``pg_catalog``; those of enums are.

    Raises:
        CatalogError: They are not.
    """
    if column.type_schema != "pg_catalog" and column.category != ENUM:
        raise CatalogError(
            f'column "{column.name}" has type {column.type}, whose operators are not PostgreSQL\'s own',
            detail="Generated functions look operators up in pg_catalog alone, so that no role can replace them.",
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


def without_domain(column: Column, value: Sql) -> Sql:
    """Return a value of a type that is not PostgreSQL's own as its base type, whose operators have no domain to see through."""
    is_domain = not column.plain and column.type != column.base_type
    return Sql(f"{value}::{column.base_type}") if is_domain else value


def is_enum(column: Column) -> bool:
    """Whether values of the column are compared without the operators of their type."""
    return column.category == ENUM and not column.plain


def check_query(query: Query, catalog: Catalog) -> None:
    """Make sure that a query of the author's own cannot run a cast of a role that gains rights by it.

    Raises:
        CatalogError: A table that it reads has a column that :func:`check_casts` refuses.
    """
    for name in tables_read(query):
        relation = catalog.relations.get(name)
        for column in relation.columns if relation else ():
            check_casts(column, query.location)
