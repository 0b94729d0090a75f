"""Tables and incidents as commands find, name and print them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from pgslo import database
from pgslo.cli import output
from pgslo.cli.session import again
from pgslo.database import Connection
from pgslo.errors import PgsloError

Row = dict[str, Any]


def rights_on(conn: Connection) -> Row:
    """Whether the runtime is there and what this role may do.

    Raises:
        PgsloError: It is not there, or this role may not use it.
    """
    (rights,) = database.fetch(conn, "rights")
    if not rights["is_installed"]:
        database.check_node(conn)
        raise PgsloError(
            f"pgslo is not installed in database {rights['database']}",
            hint=f"{again('apply')} installs it with the first definition",
        )
    if not rights["may_use"]:
        raise PgsloError(
            f"role {rights['role']} may not use the schema pgslo",
            hint=f"its owner can allow it: GRANT USAGE ON SCHEMA pgslo TO {rights['role']}",
        )
    return rights


def check_sight(rights: Row, shown: Sequence[object]) -> None:
    """Say that a role sees the tables alone that it may read: others may have incidents.

    Raises:
        PgsloError: It sees none.
    """
    if rights["may_know_all"]:
        return
    hint = again(f"grants auditor {rights['role']}")
    if not shown:
        raise PgsloError(f"role {rights['role']} may not read any table that has a definition", hint=hint)
    output.message(f"only tables that role {rights['role']} may read are shown; to see all: {hint}")


def matching(rows: Sequence[Row], tables: Sequence[str]) -> list[Row]:
    """The rows of these tables.

    Raises:
        PgsloError: One has no definition.
    """
    if not tables:
        return list(rows)
    known = [row["definition"] for row in rows]
    wanted = {resolve(table, known) for table in tables}
    return [row for row in rows if row["definition"] in wanted]


def resolve(table: str, known: Sequence[str]) -> str:
    """The definition that a name refers to: ``features.user_stats``, or ``user_stats`` where only one is called that.

    Raises:
        PgsloError: No definition has that name, or several have it.
    """
    if table in known:
        return table
    same = [name for name in known if name.partition(".")[2] == table]
    if len(same) > 1:
        raise PgsloError(f"{table} is ambiguous", hint=f"one of: {', '.join(same)}")
    if not same:
        raise PgsloError(
            f"{table} has no definition in this database",
            hint=output.did_you_mean(table, known).strip()
            or (f"defined are: {', '.join(known)}" if known else None),
        )
    return same[0]


def read_incidents(conn: Connection, *, everything: bool = False) -> list[Row]:
    """Incidents, newest first: those that are not resolved, or all."""
    return database.fetch(conn, "incidents", {"all": everything})


def moment(when: dt.datetime | None) -> str:
    """A moment as people read it, in UTC."""
    return "" if when is None else f"{when.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def plain(row: Row) -> Row:
    """An incident without the facts' words: programs have the columns."""
    facts = row["facts"] or {}
    kept = {key: value for key, value in row.items() if key != "facts"}
    return kept | {
        "newest_missed_batch": facts.get("newest missed batch"),
        "read_by": facts.get("tasks that read it"),
        "views": facts.get("views that read it"),
    }
