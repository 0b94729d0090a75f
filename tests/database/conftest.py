"""Sessions on guarded tables, for the tests of what rules do. Whatever a test does in one is rolled back."""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pglast
import psycopg
import pytest
import yaml
from nightly import NIGHTLY
from psycopg import sql

from pgslo import definition, plan
from pgslo.database import installation, planning
from pgslo.errors import DefinitionErrors

TESTS = Path(__file__).parent.parent
ACTIONS = ("reject", "quarantine", "flag", "warn")
MODES = ("bulk", "stream")

MakeDatabase = Callable[[], contextlib.AbstractContextManager[str]]


@dataclass(frozen=True)
class Notice:
    """A message of the server; a copy, because the driver's is empty later."""

    sqlstate: str | None
    severity: str | None
    message: str | None
    detail: str | None
    hint: str | None
    rule: str | None

    @classmethod
    def of(cls, said: psycopg.errors.Diagnostic) -> Notice:
        return cls(
            said.sqlstate,
            said.severity,
            said.message_primary,
            said.message_detail,
            said.message_hint,
            said.constraint_name,
        )


@dataclass(frozen=True)
class Outcome:
    """The outcome of a statement: its rows, those it returned, and the messages of the server."""

    count: int
    rows: tuple[tuple[Any, ...], ...]
    notices: tuple[Notice, ...]

    @property
    def warned(self) -> set[str | None]:
        """Rules of the warnings."""
        return {notice.rule for notice in self.notices if notice.sqlstate == "01SL1"}


@dataclass(frozen=True)
class Refused:
    """An error as the test asked for it."""

    sqlstate: str | None
    message: str
    detail: str
    hint: str
    schema: str | None
    table: str | None
    column: str | None
    rule: str | None


class Session:
    """One transaction of a superuser; a statement that fails does not end it."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self._users = 0
        self._notices: list[Notice] = []
        connection.add_notice_handler(lambda said: self._notices.append(Notice.of(said)))

    def run(self, query: str) -> Outcome:
        """Run one statement; an error is raised and undone."""
        self._notices.clear()
        with self.connection.transaction():
            cursor = self.connection.execute(query.encode(), prepare=False)
            rows = tuple(cursor.fetchall()) if cursor.description else ()
            return Outcome(cursor.rowcount, rows, tuple(self._notices))

    def refused(self, query: str) -> Refused:
        """Run one statement that has to fail."""
        with pytest.raises(psycopg.Error) as caught:
            self.run(query)
        said = caught.value.diag
        return Refused(
            said.sqlstate,
            said.message_primary or "",
            said.message_detail or "",
            said.message_hint or "",
            said.schema_name or None,
            said.table_name or None,
            said.column_name or None,
            said.constraint_name or None,
        )

    def copy(self, table: str, lines: Sequence[str]) -> Outcome:
        """COPY lines of tab-separated values in."""
        self._notices.clear()
        with self.connection.transaction(), self.connection.cursor() as cursor:
            with cursor.copy(f"COPY {table} FROM STDIN".encode()) as stream:
                stream.write("".join(f"{line}\n" for line in lines))
            return Outcome(cursor.rowcount, (), tuple(self._notices))

    def values(self, query: str) -> list[Any]:
        """The first column of what a query returns."""
        return [row[0] for row in self.run(query).rows]

    def row(self, **columns: str) -> str:
        """An INSERT of a row of ``features.user_stats`` with a key of its own, its other values as SQL."""
        self._users += 1
        values = {"user_id": str(self._users), "feature_date": "'2026-11-22'", **columns}
        return f"INSERT INTO features.user_stats ({', '.join(values)}) VALUES ({', '.join(values.values())})"

    def passes(self, **columns: str) -> None:
        """Insert a row that breaches no rule."""
        before = self.failures(), self.held(), self.repairs()
        outcome = self.run(self.row(**columns))
        assert (outcome.count, outcome.notices) == (1, ()), columns
        assert (self.failures(), self.held(), self.repairs()) == before, columns
        assert self.broken() == {}

    # What the runtime wrote down

    def failures(self) -> dict[str, int]:
        """Failing rows by rule, over all batches."""
        return dict(
            self.run(
                "SELECT f.key, sum(f.value::bigint)::int FROM pgslo_catalog.fragment, jsonb_each_text(failures) f GROUP BY 1"
            ).rows
        )

    def incidents(self) -> set[str]:
        """Rules with an open incident."""
        return set(self.values("SELECT rule FROM pgslo.incident WHERE over_at IS NULL"))

    def held(self) -> list[tuple[str, tuple[str, ...]]]:
        """Rows in quarantine: key, and the rules they violate."""
        return [
            (key, tuple(rules))
            for key, rules in self.run(
                """SELECT row_key, ARRAY(SELECT r ->> 'rule' FROM jsonb_array_elements(reasons) r)
                   FROM pgslo.quarantine ORDER BY quarantine_id"""
            ).rows
        ]

    def repairs(self) -> list[tuple[str, str | None, str | None]]:
        """Repaired values: column, old value, new value."""
        return list(
            self.run("SELECT column_name, old_value, new_value FROM pgslo.repair ORDER BY repair_id").rows
        )

    def broken(self) -> dict[str, str]:
        """Rules that could not be judged, and why."""
        return dict(self.run("SELECT rule, broken FROM pgslo.rule WHERE broken IS NOT NULL").rows)

    # Batches

    def load(self, day: str, values: str, *, rows: int = 100, first: int = 1) -> Outcome:
        """Write a batch of rows: ``values`` are columns of ``features.user_stats`` as SQL over ``n``, by name."""
        names = [part.partition(" = ")[0] for part in values.split("; ")]
        stated = [part.partition(" = ")[2] for part in values.split("; ")]
        return self.run(
            f"""INSERT INTO features.user_stats (user_id, feature_date, {", ".join(names)})
                SELECT n, '{day}', {", ".join(stated)} FROM generate_series({first}, {first + rows - 1}) AS n"""
        )

    def close(self, batch: str = "*", definition: str = "features.user_stats") -> dict[str, tuple[Any, ...]]:
        """Close batches; verdict, value and sentence by rule."""
        return {
            rule: (verdict, None if value is None else round(value, 6), said)
            for rule, verdict, value, said in self.run(
                f"SELECT rule, verdict, value, said FROM pgslo.close_batch('{definition}', '{batch}')"
            ).rows
        }

    # Making tables guarded

    def plan(self, text: str, *, kinds: Mapping[str, str] | None = None) -> plan.Plan:
        """What a definition needs here."""
        loaded = definition.load(
            textwrap.dedent(text), path="slos/example.yml", kinds=definition.load_kinds(kinds or {})
        )
        return planning.plan_definitions(self.connection, [loaded])

    def guard(self, text: str, *, kinds: Mapping[str, str] | None = None) -> plan.Plan:
        """Carry a definition out, inside the test's transaction."""
        made = self.plan(text, kinds=kinds)
        for _, statement in plan.order_statements(made):
            # An index cannot be built concurrently inside a transaction; nothing else of it differs.
            self.connection.execute(
                statement.script.replace("INDEX CONCURRENTLY", "INDEX").encode(), prepare=False
            )
        return made

    def errors(self, text: str, *, kinds: Mapping[str, str] | None = None) -> list[str]:
        """The errors of a definition that does not fit, as people read them."""
        with pytest.raises(DefinitionErrors) as caught, self.connection.transaction():
            self.plan(text, kinds=kinds)
        return [str(error) for error in caught.value.errors]


@contextlib.contextmanager
def _session(connection: psycopg.Connection[Any]) -> Iterator[Session]:
    with connection.transaction(force_rollback=True):
        yield Session(connection)


class _Scratch:
    """A database for the tests of many modules, and the connection that some of them share.

    A backend keeps plans of every function that it ever ran, and goes through all of them whenever a table changes.
    What tests roll back stays in the catalogs until they are vacuumed.
    """

    _SHARED_BY = 10
    _VACUUMED_AFTER = 50

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: psycopg.Connection[Any] | None = None
        self._tests = 0

    def session(self) -> contextlib.AbstractContextManager[Session]:
        """Return a transaction for the next test, which is rolled back."""
        if self._connection is None or self._tests % self._SHARED_BY == 0:
            self.close()
            self._connection = psycopg.connect(self._dsn, autocommit=True)
        if self._tests % self._VACUUMED_AFTER == self._VACUUMED_AFTER - 1:
            # Not all tables: the planner would take those of pgslo for empty in one test, and not in another.
            self._connection.execute(sql.SQL("VACUUM {}").format(sql.SQL(", ").join(self._catalogs())))
        self._tests += 1
        return _session(self._connection)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _catalogs(self) -> list[sql.Identifier]:
        assert self._connection is not None
        rows = self._connection.execute(
            """SELECT relname FROM pg_class
               WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r' AND NOT relisshared"""
        )
        return [sql.Identifier("pg_catalog", name) for (name,) in rows]


@contextlib.contextmanager
def _scratch_database(make_database: MakeDatabase, script: bytes) -> Iterator[_Scratch]:
    with make_database() as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(script)
        scratch = _Scratch(dsn)
        yield scratch
        scratch.close()


@pytest.fixture(scope="session")
def _scratch(make_database: MakeDatabase) -> Iterator[_Scratch]:
    script = b"""
        CREATE SCHEMA features;
        CREATE SCHEMA extensions;
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'citext') THEN
                CREATE EXTENSION citext SCHEMA extensions;
            END IF;
        END $$;
    """
    with _scratch_database(make_database, script) as scratch:
        yield scratch


@pytest.fixture
def session(_scratch: _Scratch) -> Iterator[Session]:
    """A session on a database with the runtime and an empty schema ``features``."""
    with _scratch.session() as session:
        yield session


@pytest.fixture(scope="module")
def once(
    make_database: MakeDatabase,
) -> Iterator[Callable[[Callable[[Session], None]], contextlib.AbstractContextManager[Session]]]:
    """``with once(prepare) as session``: a session on what ``prepare`` made, once for all tests of a module."""
    with contextlib.ExitStack() as stack:
        made: dict[Callable[[Session], None], psycopg.Connection[Any]] = {}

        def begin(prepare: Callable[[Session], None]) -> contextlib.AbstractContextManager[Session]:
            if prepare not in made:
                dsn = stack.enter_context(make_database())
                connection = stack.enter_context(psycopg.connect(dsn, autocommit=True))
                connection.execute("CREATE SCHEMA features")
                stack.enter_context(connection.transaction(force_rollback=True))
                prepare(Session(connection))
                made[prepare] = connection
            return _session(made[prepare])

        yield begin


@pytest.fixture
def citext(session: Session) -> str:
    """The name of a type that an extension brings."""
    if session.values("SELECT to_regtype('extensions.citext')") == [None]:
        pytest.skip("this server comes without citext")
    return "extensions.citext"


@pytest.fixture(scope="module")
def _golden(request: pytest.FixtureRequest, make_database: MakeDatabase) -> Iterator[psycopg.Connection[Any]]:
    kind = request.module.KIND
    with make_database() as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute((TESTS / "golden" / "given" / "tables.sql").read_bytes())
        for statement in pglast.split((TESTS / "golden" / f"{kind}.sql").read_text()):
            connection.execute(statement.encode(), prepare=False)
        yield connection


@pytest.fixture
def golden(_golden: psycopg.Connection[Any]) -> Iterator[Session]:
    """A session on the tables of ``golden/given``, guarded by the text of the golden of the module's KIND."""
    with _session(_golden) as session:
        yield session


@pytest.fixture
def apply(
    connection: psycopg.Connection[Any], request: pytest.FixtureRequest
) -> Callable[[str], tuple[installation.Unfinished, ...]]:
    """Apply a definition for good, as the command does; a further plan is empty once nothing is left to finish.

    That it is empty is seen at night, and always where definitions vary most: planning takes longer than applying.
    """
    thorough = NIGHTLY or request.path.parent.name in {"generated", "migrations", "rules"}

    def apply(text: str) -> tuple[installation.Unfinished, ...]:
        loaded = [definition.load(text, path="slos/example.yml")]
        made = planning.plan_definitions(connection, loaded)

        def replan() -> plan.Plan:
            return planning.plan_definitions(connection, loaded) if thorough else made

        unfinished = installation.apply(connection, made, replan)
        assert not thorough or replan().empty == (not unfinished)
        return unfinished

    return apply


@pytest.fixture
def hold(session: Session) -> Callable[..., Session]:
    """Guard a column of a type once for each action, and see that values pass or fail as they have to."""

    def hold(
        type_: str,
        rule: str,
        *,
        passing: Sequence[str],
        failing: Sequence[str],
        writes: str,
        actions: Sequence[str] = ACTIONS,
    ) -> Session:
        """Hold a rule.

        Args:
            type_: The type of the columns, one for each action and named like it.
            rule: ``kind: {parameters}``; ``$column`` in it is the column's name.
            passing: Values, as SQL, that pass.
            failing: Values, as SQL, that do not.
            writes: bulk or stream.
            actions: What on_breach says.
        """
        columns = ", ".join(f'"{action}" {type_}' for action in actions)
        session.run(f"CREATE TABLE features.example (id integer PRIMARY KEY, {columns})")
        session.guard(_definition(rule, writes, actions))
        _Judge(session, type_, actions, passing[0]).judge(passing, failing)
        return session

    return hold


def _definition(rule: str, writes: str, actions: Sequence[str]) -> str:
    rules = {}
    for action in actions:
        ((kind, parameters),) = yaml.safe_load(rule.replace("$column", action)).items()
        rules[action] = [{kind: {**parameters, "on_breach": action, "name": f"r_{action}"}}]
    return yaml.safe_dump(
        {"table": "features.example", "owner": "sam", "writes": writes, "columns": rules}, sort_keys=False
    )


class _Judge:
    def __init__(self, session: Session, type_: str, actions: Sequence[str], good: str) -> None:
        self._session = session
        self._type = type_
        self._actions = actions
        self._good = good
        self._last = 0

    def judge(self, passing: Sequence[str], failing: Sequence[str]) -> None:
        session = self._session
        for value in passing:
            outcome = self._insert(value, *self._actions)
            assert (outcome.count, outcome.notices) == (1, ()), f"{value} passes"
        assert session.broken() == {}
        assert session.failures() == {}
        assert session.held() == []
        for value in failing:
            for action in self._actions:
                getattr(self, action)(value)
        assert session.broken() == {}
        counted = {f"r_{action}": len(failing) for action in self._actions if action in ("flag", "warn")}
        if failing:
            assert session.failures() == counted
            held = [rules for _, rules in session.held()]
            assert held == [("r_quarantine",)] * len(failing) * ("quarantine" in self._actions)

    def reject(self, value: str) -> None:
        error = self._session.refused(self._text(value, "reject"))
        assert error.sqlstate == "23514", f"{value}: {error}"
        assert (error.schema, error.table, error.column, error.rule) == (
            "features",
            "example",
            "reject",
            "r_reject",
        )
        assert f"Key (id) = ({self._last})" in error.detail
        assert "sam" in error.hint

    def quarantine(self, value: str) -> None:
        outcome = self._insert(value, "quarantine")
        assert (outcome.count, outcome.notices) == (0, ()), f"{value} is kept out"

    def flag(self, value: str) -> None:
        outcome = self._insert(value, "flag")
        assert (outcome.count, outcome.notices) == (1, ()), f"{value} is stored in silence"
        assert "r_flag" in self._session.incidents()

    def warn(self, value: str) -> None:
        outcome = self._insert(value, "warn")
        assert (outcome.count, outcome.warned) == (1, {"r_warn"}), f"{value} is stored with a warning"
        assert "r_warn" in self._session.incidents()

    def _insert(self, value: str, *actions: str) -> Outcome:
        return self._session.run(self._text(value, *actions))

    def _text(self, value: str, *actions: str) -> str:
        """An INSERT of the value into the columns of these actions, and of a good one into the others."""
        self._last += 1
        names = ", ".join(f'"{name}"' for name in self._actions)
        values = ", ".join(
            f"({value if action in actions else self._good})::{self._type}" for action in self._actions
        )
        return f"INSERT INTO features.example (id, {names}) VALUES ({self._last}, {values})"


# Goldens


@dataclass(frozen=True)
class Goldens:
    """Texts that are compared with files, or written to them with ``--update-goldens``."""

    update: bool

    def check(self, path: Path, text: str) -> None:
        """Compare a text with a file."""
        if self.update:
            path.write_text(text, encoding="utf-8")
        assert path.read_text(encoding="utf-8") == text, (
            f"{path.name} is not what is generated: pytest --update-goldens"
        )


@pytest.fixture
def goldens(pytestconfig: pytest.Config) -> Goldens:
    """Compares texts with files, or rewrites the files."""
    return Goldens(pytestconfig.getoption("--update-goldens"))


@pytest.fixture(scope="session")
def _tables(make_database: MakeDatabase) -> Iterator[_Scratch]:
    script = (TESTS / "golden" / "given" / "tables.sql").read_bytes()
    with _scratch_database(make_database, script) as scratch:
        yield scratch


@pytest.fixture
def tables(_tables: _Scratch) -> Iterator[Session]:
    """A session on the tables of ``golden/given``, unguarded."""
    with _tables.session() as session:
        yield session
