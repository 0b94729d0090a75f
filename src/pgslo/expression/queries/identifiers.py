"""Names in sqlglot's syntax tree, as PostgreSQL reads them."""

from __future__ import annotations

from sqlglot import exp

#: Schema and name, as the catalogue spells them.
Name = tuple[str, str]


def folded(identifier: exp.Expr) -> str:
    """A name in lower case, unless it is quoted."""
    name = str(identifier.name)
    return name if identifier.args.get("quoted") else name.lower()


def tables_in(root: exp.Expr) -> list[exp.Table]:
    """The tables and views below a node that are named with their schema."""
    return [
        node
        for node in root.find_all(exp.Table)
        if isinstance(node.this, exp.Identifier) and node.args.get("db")
    ]


def name_of(table: exp.Table) -> Name:
    """Schema and name of a table that is named with its schema."""
    return folded(table.args["db"]), folded(table.this)


def alias_of(table: exp.Table) -> str:
    """The name by which a query refers to a table."""
    alias = table.args.get("alias")
    return folded(alias.this) if alias else folded(table.this)


def sources(select: exp.Select) -> list[exp.Expr]:
    """The items of a query's FROM, joined ones included."""
    found = [select.args.get("from_") or select.args.get("from"), *(select.args.get("joins") or ())]
    return [one for one in found if one is not None]
