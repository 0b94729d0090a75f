"""A stranger's attack: sessions of every role in one database, and what of hers ran in them."""

from __future__ import annotations

import contextlib
import random
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import hostile
import psycopg
import pytest
import rights
import sqlalchemy
from alembic import autogenerate
from alembic.migration import MigrationContext

from pgslo import database

#: The part whose session is the test's own.
TEST = "test"


class Attack:
    """The sessions of all parts in one database, and the findings there."""

    def __init__(self, world: Any, source: random.Random, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        self.random = source
        self.stranger = hostile.Stranger(source)
        self.failures: list[str] = []
        self.guarded = 0
        world.admin.execute("SET search_path = pg_catalog")
        world.admin.execute(
            world.sql(
                """
                GRANT CREATE ON SCHEMA public TO PUBLIC;
                GRANT $mallory TO $installer;
                GRANT USAGE ON SCHEMA features TO $trainer;
                GRANT USAGE ON SCHEMA evil TO PUBLIC;
                """
            ).encode()
        )
        # What waits for a lock of hers ends with an error.
        self.sessions = {part: world.session(part, statement_timeout="20s") for part in world.names}
        self.sessions["superuser"] = world.connect(world.admin.info.user, statement_timeout="20s")
        # The test's own, which counts rows of her tables as a superuser.
        self.sessions[TEST] = world.admin
        self.locker = world.session("mallory")
        self.processes = {session.info.backend_pid: part for part, session in self.sessions.items()}
        #: Whose the command line is.
        self.acting = "installer"
        # With its last definition the runtime would go, and all grants with it.
        self.sessions["installer"].execute("CREATE TABLE features.anchor (id int PRIMARY KEY)")
        rights.apply(self.sessions["installer"], "table: features.anchor\nbatch: statement\n")
        for text in self.stranger.traps():
            self.attempt("mallory", text)
        monkeypatch.setattr(database, "connect", self.connect)

    def attempt(self, part: str, text: str) -> psycopg.Error | None:
        """Run a statement as a role; return the error."""
        try:
            self.sessions[part].execute(self.world.sql(text).encode(), prepare=False)
        except psycopg.Error as error:
            return error
        return None

    @contextlib.contextmanager
    def connect(self, dsn: str | None, **_trusted: Any) -> Iterator[psycopg.Connection[Any]]:
        """Take the place of database.connect(): a session of the test's, which keeps its traces."""
        del dsn
        with database.errors():
            yield self.sessions[self.acting]

    def autogenerate(self) -> None:
        """Have Alembic compare the database with a model that knows no table, with pgslo's plugin."""
        session = self.sessions[self.acting]
        # Queries of SQLAlchemy itself find functions by the search path, hers in public among them.
        session.execute("SET search_path = pg_catalog")
        engine = sqlalchemy.create_engine(
            "postgresql+psycopg://", creator=lambda: session, poolclass=sqlalchemy.StaticPool
        )
        with warnings.catch_warnings(), engine.connect() as connection:
            # Of types of hers, which SQLAlchemy does not know.
            warnings.simplefilter("ignore", sqlalchemy.exc.SAWarning)
            context = MigrationContext.configure(
                connection,
                opts={
                    "include_schemas": True,
                    "include_name": lambda name, kind, _: kind != "schema" or name in ("evil", "features"),
                },
            )
            autogenerate.produce_migrations(context, sqlalchemy.MetaData())
        session.execute("RESET search_path")

    def traces(self) -> set[tuple[int, str, str]]:
        """Return what ran since the last call: number of the function, role, part whose session it was."""
        found = {
            (label, role, self.processes.get(pid, "?"))
            for label, role, pid in hostile.traces(self.world.admin)
        }
        for part in {part for _, _, part in found} - {"?"}:
            self.sessions[part].execute("SELECT pg_catalog.pg_advisory_unlock_all()")
        return found


class Observed:
    """One guarded table, its twin without pgslo, and the statements on them.

    Attributes:
        script: The statements, to reproduce a finding.
        usual: Her functions that PostgreSQL runs in statements on the twin.
    """

    def __init__(self, attack: Attack, table: str) -> None:
        self.attack = attack
        self.random = attack.random
        self.stranger = attack.stranger
        self.table = table
        self.twin = f"{table}_twin"
        self.script: list[str] = []
        self.usual: set[tuple[int, str, str]] = set()

    def fail(self, what: str, *, by: Iterable[str] | None = None) -> None:
        """Keep the facts to reproduce it: of her functions, those that ran; without ``by``, all of them."""
        lines = [
            line
            for line in self.script
            if by is None
            or "/* mallory */" not in line
            or " TYPE " in line
            or any(re.search(rf"{re.escape(name)}\b", line) for name in by)
        ]
        script = "\n".join(lines)
        self.attack.failures.append(f"-- {what}\n{script}")

    def note(self, part: str, text: str) -> None:
        self.script.append(f"/* {part} */ {text};")

    def attempt(self, part: str, text: str) -> psycopg.Error | None:
        error = self.attack.attempt(part, text)
        if isinstance(error, psycopg.errors.QueryCanceled):
            self.fail(f"{text}: {error}")
        self.note(part, text if error is None else f"{text} -- {str(error).splitlines()[0]}")
        return error

    def check(
        self,
        what: str,
        *,
        twin: Callable[[], object] | None = None,
        allowed: Iterable[tuple[int, str, str]] = (),
    ) -> None:
        """Check that nothing of hers ran as another role, except for functions that also run without pgslo."""
        found = self._foreign() - set(allowed)
        if found and twin is not None:
            twin()
            found -= self._foreign()
        if found:
            ran = ", ".join(
                sorted(
                    f"{self.stranger.labels[label]} as {role} in a session of {part}"
                    for label, role, part in found
                )
            )
            self.fail(f"{what}: ran {ran}", by={self.stranger.names[label] for label, _, _ in found})

    def _foreign(self) -> set[tuple[int, str, str]]:
        mallory = self.attack.world.names["mallory"]
        return {
            one
            for one in self.attack.traces()
            if one[1] != mallory and one[2] != TEST and one[0] in self.stranger.labels
        }

    def write(self, text: str, *, part: str = "writer") -> psycopg.Error | None:
        """Run a statement with ``$table`` in it; her functions that it runs must be those that the twin runs."""
        expected = self.attack.attempt(part, text.replace("$table", self.twin))
        self.usual |= self._foreign()
        error = self.attempt(part, text.replace("$table", self.table))
        self.check(text, allowed=self.usual)
        if expected is None and error is not None and not str(error.sqlstate).startswith("23"):
            self.fail(f"{text}: {error.sqlstate} {error}, and not without pgslo")
        return error
