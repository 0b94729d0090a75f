"""What tests of rights do all the time: apply a definition, give a role something, look."""

from __future__ import annotations

import textwrap
from typing import Any

import psycopg
from psycopg import sql

from pgslo import definition
from pgslo.database import installation, planning

Connection = psycopg.Connection[Any]


def apply(conn: Connection, text: str, *, again: bool = True) -> None:
    """Do what ``pgslo apply`` does.

    Args:
        again: Plan again under the lock, and see that nothing is left to do. Planning takes longer than applying: tests
            of something else do without.
    """
    loaded = [
        definition.load(textwrap.dedent(text), path="slos/example.yml", kinds=definition.load_kinds({}))
    ]

    def plan() -> Any:
        return planning.plan_definitions(conn, loaded)

    made = plan()
    assert installation.apply(conn, made, plan if again else lambda: made) == ()
    assert not again or plan().empty


def grant(conn: Connection, text: str, user: str) -> None:
    """Run a statement about a role, whose name takes the place of ``{}``."""
    conn.execute(sql.SQL(text).format(sql.Identifier(user)))


def values(conn: Connection, query: str) -> list[Any]:
    """The first column of what a query gives."""
    return [row[0] for row in conn.execute(query.encode())]


def said(conn: Connection) -> list[tuple[str | None, str | None]]:
    """What the server says from now on: code and rule."""
    notices: list[tuple[str | None, str | None]] = []
    conn.add_notice_handler(lambda notice: notices.append((notice.sqlstate, notice.constraint_name or None)))
    return notices
