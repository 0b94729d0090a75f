"""A database in which every role but the superuser may be hostile, for the tests of attacks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
import rights

from pgslo import runtime
from pgslo.cli import grants

Connection = psycopg.Connection[Any]

#: Roles of every test. ``installer`` is no superuser, owns pgslo and schema ``features``, and applies definitions.
#: ``mallory`` may connect and owns schema ``evil``; she has no right on any guarded table. ``trainer`` owns schema ``tr``.
ROLES = ("installer", "writer", "reader", "mallory", "trainer", "steward", "operator", "auditor")
GRANTED = ("trainer", "steward", "operator", "auditor")


@dataclass(frozen=True)
class World:
    """The database and its roles.

    Attributes:
        admin: A superuser's autocommit session.
        names: The role that plays each part, for example ``mallory_0f3a91c2`` for ``mallory``.
    """

    admin: Connection
    names: dict[str, str]
    connect: Callable[..., Connection]

    def sql(self, text: str) -> str:
        """Return ``text`` with the names of roles in place of ``$mallory``, ``$reader`` and so on."""
        return re.sub(r"\$([a-z]+)\b", lambda m: self.names.get(m[1], m[0]), text)

    def session(self, part: str, **settings: str) -> Connection:
        """Open a session of a role, which stays open until the test ends."""
        return self.connect(self.names[part], **settings)

    def run(self, part: str, text: str) -> list[tuple[Any, ...]]:
        """Run statements as a role (``superuser`` for the administrator); return the rows of the last one."""
        session = self.admin if part == "superuser" else self.session(part)
        try:
            cursor = session.execute(self.sql(text).encode(), prepare=False)
            while cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description else []
        finally:
            if part != "superuser":
                session.close()

    def apply(self, text: str, *, by: str = "installer") -> None:
        """Apply a definition as ``pgslo apply`` does."""
        session = self.admin if by == "superuser" else self.session(by)
        try:
            rights.apply(session, self.sql(text))
        finally:
            if by != "superuser":
                session.close()


@pytest.fixture
def world(empty_connection: Connection, empty_dsn: str, role: Callable[[str], str]) -> Iterator[World]:
    """A database in which ``installer`` installed pgslo, with one role for each part."""
    names = {part: role(part) for part in ROLES}
    opened: list[Connection] = []

    def connect(user: str, **settings: str) -> Connection:
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        session = psycopg.connect(empty_dsn, autocommit=True, options=options)
        opened.append(session)
        session.execute(f'SET SESSION AUTHORIZATION "{user}"'.encode())
        return session

    made = World(empty_connection, names, connect)
    empty_connection.execute(
        made.sql(
            """
            DO $$BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO $installer', current_database()); END$$;
            CREATE SCHEMA features AUTHORIZATION $installer;
            CREATE SCHEMA evil AUTHORIZATION $mallory;
            CREATE SCHEMA tr AUTHORIZATION $trainer;
            GRANT USAGE ON SCHEMA features TO $writer, $reader;
            """
        ).encode()
    )
    with connect(names["installer"]) as installer:
        runtime.install(installer)
        for part in GRANTED:
            for statement in grants.statements(part, names[part]):
                installer.execute(statement.encode())
    yield made
    for session in opened:
        session.close()
