"""What can make a query return rows that returned none: tables, columns, events, and groups where these can be determined.

Made of sqlglot's syntax tree, which is looked at and never run. It errs to the side of more: an event too many costs a
check, one too few would let a breach through.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import sqlglot
from sqlglot import exp

from pgslo.expression.queries.groups import Facts, Groups
from pgslo.expression.queries.identifiers import Name, name_of, tables_in
from pgslo.expression.queries.lineage import columns_read
from pgslo.expression.queries.query import Query

Event = Literal["INSERT", "UPDATE", "DELETE", "TRUNCATE"]

ALL_EVENTS: tuple[Event, ...] = ("INSERT", "UPDATE", "DELETE", "TRUNCATE")
#: Events that can violate a rule about rows that must not exist, and about rows that must.
ADDING: tuple[Event, ...] = ("INSERT", "UPDATE")
REMOVING: tuple[Event, ...] = ("UPDATE", "DELETE", "TRUNCATE")


@dataclass(frozen=True)
class Source:
    """A table that a query reads.

    Attributes:
        table: Its schema and name.
        columns: Columns whose values matter.
        events: Statements that can add a row to the query's result.
        keys: For each place where the query reads it, the columns that hold a row's group; empty: every row concerns
            every group.
    """

    table: Name
    columns: tuple[str, ...]
    events: tuple[Event, ...]
    keys: tuple[tuple[str, ...], ...] = ()


def tables_read(query: Query) -> tuple[Name, ...]:
    """The tables and views that a query names, as the catalogue spells them."""
    return tuple(dict.fromkeys(name_of(table) for table in tables_in(_tree(query))))


def derive(
    query: Query, facts: Mapping[Name, Facts], *, group_by: tuple[str, ...] = ()
) -> tuple[Source, ...]:
    """What can make the query return a row.

    Args:
        query: One that returned none before.
        facts: Of every table that it names.
        group_by: Columns of its result that name the group; empty: all is one group.

    Raises:
        UnderivableError: A row's group cannot be determined from the row.
    """
    root = _tree(query)
    keys = Groups(root, facts).keys(group_by) if group_by else {}
    found = []
    for table in dict.fromkeys(name_of(node) for node in tables_in(root)):
        nodes = [node for node in tables_in(root) if name_of(node) == table]
        columns = columns_read(
            query.text, names={table}, columns=facts[table].columns, location=query.location
        )
        events = {event for node in nodes for event in _events(node)}
        if not columns:
            events -= {"UPDATE"}
        found.append(
            Source(
                table,
                columns,
                tuple(event for event in ALL_EVENTS if event in events),
                tuple(dict.fromkeys(keys[id(node)] for node in nodes)) if group_by else (),
            )
        )
    return tuple(found)


def _tree(query: Query) -> exp.Expr:
    return sqlglot.parse_one(query.text, dialect="postgres")


# Events

_BOTH = 0


def _events(table: exp.Table) -> tuple[Event, ...]:
    return {1: ADDING, -1: REMOVING, _BOTH: ALL_EVENTS}[_sign(table)]


def _sign(table: exp.Table) -> int:
    """1: only more rows of the table can add to the result; -1: only fewer; 0: either."""
    sign = 1
    node: exp.Expr = table
    while node.parent is not None:
        parent = node.parent
        if isinstance(parent, exp.Join):
            if parent.args.get("side") or parent.args.get("method"):
                return _BOTH
        elif isinstance(parent, exp.From | exp.Paren | exp.Where | exp.And | exp.Or | exp.Subquery):
            if isinstance(parent, exp.Subquery) and not isinstance(
                parent.parent, exp.From | exp.Join | exp.In | exp.Union | exp.Except | exp.Intersect
            ):
                return _BOTH
        elif isinstance(parent, exp.Select):
            if not _keeps_sign(parent, node):
                return _BOTH
        elif isinstance(parent, exp.Exists):
            pass
        elif isinstance(parent, exp.In):
            if node is not parent.args.get("query"):
                return _BOTH
        elif isinstance(parent, exp.Not):
            sign = -sign
        elif isinstance(parent, exp.Except):
            if parent.args.get("distinct") is False:
                return _BOTH
            if node is parent.expression:
                sign = -sign
        elif isinstance(parent, exp.Union | exp.Intersect):
            if parent.args.get("limit") or parent.args.get("offset"):
                return _BOTH
        else:
            return _BOTH
        node = parent
    return sign


def _keeps_sign(select: exp.Select, part: exp.Expr) -> bool:
    """Whether more rows of a part of the query mean more rows of its result."""
    if not isinstance(part, exp.From | exp.Join | exp.Where):
        return False  # A CTE, or a query in the list of columns.
    if any(select.args.get(key) for key in ("group", "having", "limit", "offset", "fetch", "laterals")):
        return False
    distinct = select.args.get("distinct")
    if distinct is not None and distinct.args.get("on"):
        return False
    if any(join.args.get("side") in ("RIGHT", "FULL") for join in select.args.get("joins") or ()):
        return False
    return not any(
        node.find(exp.AggFunc, exp.Window, exp.Anonymous) is not None for node in select.expressions
    )
