"""Which columns of a table a query reads, by sqlglot's syntax tree. Nothing of the query is ever run or emitted.

It errs to the side of more: a task that is told of a column too many is better off than one that is told too little.
"""

from __future__ import annotations

from collections.abc import Collection

import sqlglot
from sqlglot import exp

from pgslo.errors import DefinitionError, Location

#: Schema and name, as the catalogue spells them.
Name = tuple[str, str]


def columns_read(
    text: str, *, names: Collection[Name], columns: Collection[str], location: Location
) -> tuple[str, ...]:
    """The columns of one table that a query reads, in the table's order.

    Args:
        text: One or several statements.
        names: What the table and its views are called.
        columns: Of the table.
        location: Where the query stands.

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
    return {
        _folded(table.args["alias"].this) if table.args.get("alias") else _folded(table.this)
        for table in _named(statement, names)
    }


def _named(statement: exp.Expr, names: Collection[Name]) -> list[exp.Table]:
    return [
        table
        for table in statement.find_all(exp.Table)
        if isinstance(table.this, exp.Identifier)
        and isinstance(table.args.get("db"), exp.Identifier)
        and (_folded(table.args["db"]), _folded(table.this)) in names
    ]


def _renames(statement: exp.Expr, names: Collection[Name]) -> bool:
    """Whether an alias of the table gives its columns other names: FROM features.stats AS s (a, b)."""
    aliases = (table.args.get("alias") for table in _named(statement, names))
    return any(alias is not None and alias.args.get("columns") for alias in aliases)


def _of_statement(statement: exp.Expr, aliases: set[str], columns: Collection[str]) -> set[str]:
    found: set[str] = set()
    for column in statement.find_all(exp.Column):
        table = column.args.get("table")
        if table is not None and _folded(table) not in aliases:
            continue
        if isinstance(column.this, exp.Star):
            return set(columns)
        name = _folded(column.this)
        if table is None and name in aliases and name not in columns:
            return set(columns)  # the row as a whole
        found.add(name)
    for star in statement.find_all(exp.Star):
        if isinstance(star.parent, exp.Select) and _reads_directly(star.parent, aliases):
            return set(columns)
    for join in statement.find_all(exp.Join):
        if join.args.get("method") == "NATURAL":
            return set(columns)
        found |= {_folded(one) for one in join.args.get("using") or () if isinstance(one, exp.Identifier)}
    return found & set(columns)


def _reads_directly(select: exp.Select, aliases: set[str]) -> bool:
    """Whether the table itself is in the FROM of a query, and not only in one below it."""
    sources = [select.args.get("from_") or select.args.get("from"), *(select.args.get("joins") or ())]
    tables = [source.this for source in sources if source is not None]
    return any(
        isinstance(table, exp.Table)
        and (_folded(table.args["alias"].this) if table.args.get("alias") else _folded(table.this)) in aliases
        for table in tables
    )


def _folded(identifier: exp.Expr) -> str:
    """A name as PostgreSQL folds it."""
    name = str(identifier.name)
    return name if identifier.args.get("quoted") else name.lower()
