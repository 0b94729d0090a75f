"""Which columns of a table a query reads, by sqlglot's syntax tree. Nothing of the query is ever run or emitted.

It errs to the side of more: a warning about a column too many is better than a missing one.
"""

from __future__ import annotations

from collections.abc import Collection

import sqlglot
from sqlglot import exp

from pgslo.errors import DefinitionError, Location
from pgslo.expression.queries.identifiers import Name, alias_of, folded, name_of, sources, tables_in


def columns_read(
    text: str, *, names: Collection[Name], columns: Collection[str], location: Location
) -> tuple[str, ...]:
    """The columns of one table that a query reads, in the table's order.

    Args:
        text: One or several statements.
        names: What the table and its views are called.
        columns: Of the table.
        location: The location of the query.

    Raises:
        DefinitionError: It cannot be read, or does not name the table.
    """
    try:
        statements = [one for one in sqlglot.parse(text, read="postgres") if one is not None]
    except (sqlglot.errors.SqlglotError, RecursionError, ValueError) as error:
        raise DefinitionError(
            "the task's SQL cannot be analysed",
            hint="List the columns that it reads: reads: [age, country].",
            location=location,
        ) from error
    found: set[str] = set()
    named = False
    for statement in statements:
        aliases = _aliases(statement, names)
        named = named or bool(aliases)
        if aliases and _renames(statement, names):
            found |= set(columns)
        elif aliases:
            found |= _of_statement(statement, aliases, columns)
    if not named:
        raise DefinitionError(
            f"the task's SQL does not read {'.'.join(min(names))}",
            detail=f"It would have to name one of {', '.join(sorted('.'.join(name) for name in names))}, with the schema.",
            location=location,
        )
    return tuple(column for column in columns if column in found)


def _aliases(statement: exp.Expr, names: Collection[Name]) -> set[str]:
    """What the table is called in a statement."""
    return {alias_of(table) for table in _named(statement, names)}


def _named(statement: exp.Expr, names: Collection[Name]) -> list[exp.Table]:
    return [table for table in tables_in(statement) if name_of(table) in names]


def _renames(statement: exp.Expr, names: Collection[Name]) -> bool:
    """Whether an alias of the table gives its columns other names: FROM features.stats AS s (a, b)."""
    aliases = (table.args.get("alias") for table in _named(statement, names))
    return any(alias is not None and alias.args.get("columns") for alias in aliases)


def _of_statement(statement: exp.Expr, aliases: set[str], columns: Collection[str]) -> set[str]:
    found: set[str] = set()
    for column in statement.find_all(exp.Column):
        table = column.args.get("table")
        if table is not None and folded(table) not in aliases:
            continue
        if isinstance(column.this, exp.Star):
            return set(columns)
        name = folded(column.this)
        if table is None and name in aliases and name not in columns:
            return set(columns)  # the row as a whole
        found.add(name)
    for star in statement.find_all(exp.Star):
        if isinstance(star.parent, exp.Select) and _reads_directly(star.parent, aliases):
            return set(columns)
    for join in statement.find_all(exp.Join):
        if join.args.get("method") == "NATURAL":
            return set(columns)
        found |= {folded(one) for one in join.args.get("using") or () if isinstance(one, exp.Identifier)}
    return found & set(columns)


def _reads_directly(select: exp.Select, aliases: set[str]) -> bool:
    """Whether the table itself is in the FROM of a query, and not only in one below it."""
    tables = [source.this for source in sources(select)]
    return any(isinstance(table, exp.Table) and alias_of(table) in aliases for table in tables)
