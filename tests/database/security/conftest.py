"""A database in which every role but the superuser may be hostile, for the tests of attacks."""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
import rights

from pgslo.cli.applying import grants
from pgslo.database import runtime

Connection = psycopg.Connection[Any]

#: Roles of every test. ``installer`` is no superuser, owns pgslo and schema ``features``, and applies definitions.
#: ``mallory`` may connect and owns schema ``evil``; she has no right on any guarded table. ``trainer`` owns schema ``tr``.
ROLES = ("installer", "writer", "reader", "mallory", "trainer", "steward", "operator", "auditor")
GRANTED = ("trainer", "steward", "operator", "auditor")

#: What leaves something behind in a session. Other statements of a role share one: a new session reads the catalogue and
#: compiles the runtime's functions again, which takes longer than most of what tests do.
_LEAVES_TRACES = re.compile(
    r"(^|;)\s*(SET|RESET|LOAD|LISTEN|BEGIN|PREPARE|DECLARE|CREATE\s+TEMP|DISCARD|DO)\b|set_config|advisory|pg_temp|nextval|currval",
    re.IGNORECASE,
)


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
    _kept: dict[str, Connection] = field(default_factory=dict)

    def sql(self, text: str) -> str:
        """Return ``text`` with the names of roles in place of ``$mallory``, ``$reader`` and so on."""
        return re.sub(r"\$([a-z]+)\b", lambda m: self.names.get(m[1], m[0]), text)

    def session(self, part: str, **settings: str) -> Connection:
        """Open a session of a role, which stays open until the test ends."""
        return self.connect(self.names[part], **settings)

    def run(self, part: str, text: str) -> list[tuple[Any, ...]]:
        """Run statements as a role (``superuser`` for the administrator); return the rows of the last one."""
        with self._borrowed(part, text) as session:
            cursor = session.execute(self.sql(text).encode(), prepare=False)
            while cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description else []

    def apply(self, text: str, *, by: str = "installer") -> None:
        """Apply a definition as ``pgslo apply`` does."""
        with self._borrowed(by, "") as session:
            rights.apply(session, self.sql(text), again=False)

    @contextlib.contextmanager
    def _borrowed(self, part: str, text: str) -> Iterator[Connection]:
        """A session for statements: a new one where they leave something in it, else the one of the role."""
        if part == "superuser":
            yield self.admin
        elif _LEAVES_TRACES.search(text):
            session = self.session(part)
            try:
                yield session
            finally:
                session.close()
        else:
            kept = self._kept.get(part)
            if kept is None or kept.closed:
                kept = self._kept[part] = self.session(part)
            yield kept


@pytest.fixture(scope="session")
def _world_template(
    _admin: Connection, make_database: Callable[..., AbstractContextManager[str]]
) -> Iterator[tuple[str, dict[str, str]]]:
    """The name of a database in which ``installer`` installed pgslo, and the roles of its parts: each test has a copy."""
    names = {part: f"{part}_{uuid.uuid4().hex[:8]}" for part in ROLES}
    for name in names.values():
        _admin.execute(f"CREATE ROLE {name}".encode())
    with make_database(template="template0") as dsn:
        with psycopg.connect(dsn, autocommit=True) as superuser:
            made = World(superuser, names, psycopg.connect)
            superuser.execute(
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
            superuser.execute(made.sql("SET SESSION AUTHORIZATION $installer").encode())
            runtime.install(superuser)
            for part in GRANTED:
                for statement in grants.statements(part, names[part]):
                    superuser.execute(statement.encode())
            name = superuser.info.dbname
        yield name, names
    for name in names.values():
        _admin.execute(f"DROP ROLE {name}".encode())


@pytest.fixture
def world_dsn(
    _world_template: tuple[str, dict[str, str]],
    _admin: Connection,
    make_database: Callable[..., AbstractContextManager[str]],
    role: object,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[str]:
    """A connection string, as a superuser, for the database of ``world``."""
    del role  # asked for only to be dropped later
    template, names = _world_template
    # Else the command line of a superuser refuses a runtime of the installer's.
    monkeypatch.setenv("PGSLO_RUNTIME_OWNER", names["installer"])
    with make_database(template=template) as dsn:
        # A copy of a database has none of its privileges on the database itself.
        name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
        _admin.execute(f"GRANT CREATE ON DATABASE {name} TO {names['installer']}".encode())
        yield dsn
    # What a test gave one role of another belongs to no database.
    for granted, member in _admin.execute(
        """SELECT m.roleid::regrole::text, m.member::regrole::text FROM pg_auth_members m
           WHERE ARRAY[m.roleid::regrole::text, m.member::regrole::text] && %s""",
        [list(names.values())],
    ).fetchall():
        _admin.execute(f"REVOKE {granted} FROM {member}".encode())


@pytest.fixture
def world(_world_template: tuple[str, dict[str, str]], world_dsn: str) -> Iterator[World]:
    """A database in which ``installer`` installed pgslo, with one role for each part."""
    opened: list[Connection] = []

    def connect(user: str, **settings: str) -> Connection:
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        session = psycopg.connect(world_dsn, autocommit=True, options=options)
        opened.append(session)
        session.execute(f'SET SESSION AUTHORIZATION "{user}"'.encode())
        return session

    with psycopg.connect(world_dsn, autocommit=True) as superuser:
        yield World(superuser, dict(_world_template[1]), connect)
    for session in opened:
        session.close()
