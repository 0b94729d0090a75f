"""Many writers at once: nothing is lost, nothing is counted twice, no writer waits for another's incident.

An oracle in Python keeps, for committed work only, what each statement does; the database is compared with it.
"""

from __future__ import annotations

import collections
import copy
import os
import random
import textwrap
import threading
import time
from dataclasses import dataclass, field

import psycopg
import pytest
from psycopg import IsolationLevel

from pgslo import definition
from pgslo.database import installation, planning

WRITERS = int(os.environ.get("PGSLO_WRITERS", "16"))
#: Of each writer.
TRANSACTIONS = max(25, int(os.environ.get("PGSLO_FUZZ_CASES", "0")) // WRITERS)
#: However few transactions that makes, and at least; a longer run: PGSLO_WRITERS=64 PGSLO_WRITER_SECONDS=60.
SECONDS = float(os.environ.get("PGSLO_WRITER_SECONDS", "0"))
SEED = int(os.environ.get("PGSLO_FUZZ_SEED", "18"))
TABLES = {"features.loaded": "bulk", "features.streamed": "stream"}
GOOD, BAD = 50, 999
#: A column for each action; a value beyond 100 is bad.
COLUMNS = ("w", "f", "q", "r")
NOTED = {"w_rule": 0, "f_rule": 1}
LEVELS = (IsolationLevel.READ_COMMITTED, IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE)

Values = tuple[int, int, int, int]


def guard(connection, table, mode):
    connection.execute(
        f"CREATE TABLE {table} (id bigint PRIMARY KEY, day int DEFAULT 1, w int, f int, q int, r int,"
        " odd bigint GENERATED ALWAYS AS (nullif(id % 2, 0)) STORED)"
    )
    text = f"""
        table: {table}
        owner: sam
        writes: {mode}
        batch: {{by: day}}
        columns:
          w: [{{range: {{max: 100, on_breach: warn, name: w_rule}}}}]
          f: [{{range: {{max: 100, on_breach: flag, name: f_rule}}}}]
          q: [{{range: {{max: 100, on_breach: quarantine, name: q_rule}}}}]
          r: [{{range: {{max: 100, on_breach: reject, name: r_rule}}}}]
    """
    loaded = [definition.load(textwrap.dedent(text), path="slos/example.yml")]

    def plan():
        return planning.plan_definitions(connection, loaded)

    assert installation.apply(connection, plan(), plan) == ()


# Load


@dataclass
class Counted:
    """What one table has to hold and what has to be written down about it.

    Attributes:
        rows: Rows in it.
        written: Rows that statements left in it, inserted or updated.
        failures: Failing rows of them, by rule.
        held: Rows in quarantine.
    """

    rows: dict[int, Values] = field(default_factory=dict)
    written: int = 0
    failures: collections.Counter[str] = field(default_factory=collections.Counter)
    held: int = 0

    def write(self, proposed: dict[int, Values], *, kept: frozenset[int] = frozenset()) -> bool:
        """Take in what a statement proposes, and say whether it is let in.

        Args:
            proposed: Rows by id, as they would be stored.
            kept: Ids of existing rows that ON CONFLICT DO NOTHING leaves alone.
        """
        stored = {key: values for key, values in proposed.items() if values[2] <= 100}
        self.held += len(proposed) - len(stored)
        stored = {key: values for key, values in stored.items() if key not in kept}
        if any(values[3] > 100 for values in stored.values()):
            return False
        self.rows |= stored
        self.written += len(stored)
        for rule, column in NOTED.items():
            self.failures[rule] += sum(values[column] > 100 for values in stored.values())
        return True


Oracle = dict[str, Counted]


class Rejected(Exception):
    """The oracle says that the statement fails."""


class Writer(threading.Thread):
    """One session with rows of its own, which it alone writes."""

    def __init__(self, dsn: str, number: int, together: threading.Barrier) -> None:
        super().__init__(daemon=True)
        self.dsn = dsn
        self.number = number
        self.random = random.Random(f"{SEED}/{number}")
        self.together = together
        self.oracle: Oracle = {table: Counted() for table in TABLES}
        self.errors: collections.Counter[tuple[str, str | None]] = collections.Counter()
        self.surprises: list[str] = []
        self.last = number * 1_000_000
        self.transactions = 0

    def run(self) -> None:
        try:
            with psycopg.connect(self.dsn) as connection:
                self.together.wait(timeout=60)
                until = time.monotonic() + SECONDS
                while self.transactions < TRANSACTIONS or time.monotonic() < until:
                    self.transactions += 1
                    connection.isolation_level = self.random.choice(LEVELS)
                    self._transaction(connection)
        except Exception as exc:  # noqa: BLE001 - the test reports it, whatever it is
            self.surprises.append(f"writer {self.number}: {exc!r}")

    def _transaction(self, connection: psycopg.Connection) -> None:
        trial = copy.deepcopy(self.oracle)
        level = connection.isolation_level.name
        try:
            connection.execute("SELECT")  # from here on, connection.transaction() is a savepoint
            for _ in range(self.random.randint(1, 5)):
                trial = self._step(connection, trial)
            if self.random.random() < 0.15:
                connection.rollback()
                return
            connection.commit()
        except psycopg.Error as exc:
            connection.rollback()
            self.errors[level, exc.sqlstate] += 1
            if not (exc.sqlstate == "40001" and level == "SERIALIZABLE"):
                self.surprises.append(f"writer {self.number}, {level}: {exc!r}")
            return
        except Rejected:
            connection.rollback()
            return
        self.oracle = trial

    def _step(self, connection: psycopg.Connection, trial: Oracle) -> Oracle:
        """One statement, or several in a savepoint; returns the expected state after it."""
        chance = self.random.random()
        if chance < 0.15:
            with connection.transaction(force_rollback=True):
                inner = copy.deepcopy(trial)
                for _ in range(2):
                    if not self._statement(connection, inner):
                        break
            return trial
        inner = copy.deepcopy(trial)
        if chance < 0.75:
            let_in = True
            with connection.transaction():  # a savepoint
                let_in = self._statement(connection, inner)
                if not let_in:
                    raise psycopg.Rollback
            return inner if let_in else trial
        if not self._statement(connection, inner):
            raise Rejected
        return inner

    def _statement(self, connection: psycopg.Connection, trial: Oracle) -> bool:
        """Run a statement here and in the oracle; both have to agree on whether it is let in."""
        table = self.random.choice(list(TABLES))
        expected, work = self._choose(connection, table, trial[table])
        try:
            work()
        except psycopg.errors.CheckViolation as exc:
            if expected or exc.diag.constraint_name != "r_rule":
                self.surprises.append(f"writer {self.number}: {exc!r}")
            return False
        if not expected:
            self.surprises.append(f"writer {self.number}: {table} took a row that its rules reject")
        return True

    def _choose(self, connection, table, counted):
        cursor = connection.cursor()
        mine = sorted(counted.rows)
        few = tuple(self.random.sample(mine, min(len(mine), self.random.randint(1, 6))))
        new = {self._next(): self._values() for _ in range(self.random.randint(1, 12))}
        statements = ["INSERT", "INSERT", "COPY", "UPDATE", "DELETE", "UPSERT", "IGNORE"]
        if connection.info.server_version >= 150000:
            statements.append("MERGE")
        statement = self.random.choice(statements)
        into = f"INSERT INTO {table} (id, w, f, q, r) VALUES "
        match statement:
            case "INSERT":
                return counted.write(new), lambda: cursor.execute(into + _listed(new))
            case "COPY":
                return counted.write(new), lambda: _copy(cursor, table, new)
            case "UPDATE":
                column = self.random.randrange(4)
                value = self._value(column)
                changed = {
                    key: (*counted.rows[key][:column], value, *counted.rows[key][column + 1 :]) for key in few
                }
                text = f"UPDATE {table} SET {COLUMNS[column]} = %s WHERE id = ANY (%s)"
                return counted.write(changed), lambda: cursor.execute(text, (value, list(few)))
            case "DELETE":
                for key in few:
                    del counted.rows[key]
                return True, lambda: cursor.execute(f"DELETE FROM {table} WHERE id = ANY (%s)", (list(few),))
            case "UPSERT":
                new |= {key: self._values() for key in few}
                text = f"{into}{_listed(new)} ON CONFLICT (id) DO UPDATE SET w = excluded.w, f = excluded.f, q = excluded.q, r = excluded.r"
                return counted.write(new), lambda: cursor.execute(text)
            case "MERGE":
                new |= {key: self._values() for key in few}
                text = (
                    f"MERGE INTO {table} t USING (VALUES {_listed(new)}) AS s (id, w, f, q, r) ON t.id = s.id"
                    " WHEN MATCHED THEN UPDATE SET w = s.w, f = s.f, q = s.q, r = s.r"
                    " WHEN NOT MATCHED THEN INSERT (id, w, f, q, r) VALUES (s.id, s.w, s.f, s.q, s.r)"
                )
                return counted.write(new), lambda: cursor.execute(text)
            case _:
                new |= {key: self._values() for key in few}
                text = f"{into}{_listed(new)} ON CONFLICT DO NOTHING"
                return counted.write(new, kept=frozenset(few)), lambda: cursor.execute(text)

    def _next(self) -> int:
        self.last += 1
        return self.last

    def _value(self, column: int) -> int:
        return BAD if self.random.random() < (0.25, 0.2, 0.15, 0.02)[column] else GOOD

    def _values(self) -> Values:
        w, f, q, r = (self._value(column) for column in range(4))
        return w, f, q, r


def _listed(rows: dict[int, Values]) -> str:
    return ", ".join(f"({key}, {', '.join(map(str, values))})" for key, values in rows.items())


def _copy(cursor: psycopg.Cursor, table: str, rows: dict[int, Values]) -> None:
    with cursor.copy(f"COPY {table} (id, w, f, q, r) FROM STDIN") as stream:
        for key, values in rows.items():
            stream.write_row((key, *values))


@pytest.mark.slow
def test_nothing_is_lost_or_counted_twice(dsn, connection):
    connection.execute("CREATE SCHEMA features")
    for table, mode in TABLES.items():
        guard(connection, table, mode)
    together = threading.Barrier(WRITERS)
    writers = [Writer(dsn, number, together) for number in range(1, WRITERS + 1)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        connection.execute("SELECT pgslo.tick()")
        next((writer for writer in writers if writer.is_alive()), writers[0]).join(timeout=0.2)

    assert [surprise for writer in writers for surprise in writer.surprises] == [], f"seed {SEED}"
    connection.execute("SELECT pgslo.tick()")
    for table, mode in TABLES.items():
        _compare(connection, table, mode, [writer.oracle[table] for writer in writers])
    assert (
        connection.execute("SELECT error_code, error_message FROM pgslo_catalog.rule_break").fetchall() == []
    )
    assert connection.execute(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    ).fetchone() == (0,)


def _compare(connection, table, mode, parts):
    def first(query):
        return connection.execute(query, {"table": table}).fetchall()

    of = "FROM pgslo_catalog.fragment JOIN pgslo_catalog.definition d USING (definition_id)"
    rows = {key: values for part in parts for key, values in part.rows.items()}
    stored = {key: tuple(values) for key, *values in first(f"SELECT id, w, f, q, r FROM {table}")}
    assert stored == rows, f"{table}, seed {SEED}"

    # What a loaded table's rows come to is what is in it; a streamed table notes each row that fails, and no other.
    there = len(rows) if mode == "bulk" else 0
    assert first(f"SELECT coalesce(sum(rows), 0) {of} WHERE d.name = %(table)s") == [(there,)], (
        f"{table}, seed {SEED}"
    )
    if mode == "bulk":
        odd = sum(key % 2 for key in rows)
        assert first(
            """SELECT b.rows, (b.present ->> 'w')::bigint, (b.present ->> 'odd')::bigint
               FROM pgslo_catalog.batch b JOIN pgslo_catalog.definition d USING (definition_id) WHERE d.name = %(table)s"""
        ) == [(there, there, odd)], f"{table}, seed {SEED}"
        failures = {
            rule: sum(values[column] > 100 for values in rows.values()) for rule, column in NOTED.items()
        }
    else:
        failures = sum((part.failures for part in parts), collections.Counter())
    counted = dict(
        first(
            f"SELECT f.key, sum(f.value::bigint)::int {of}, jsonb_each_text(failures) f WHERE d.name = %(table)s GROUP BY 1"
        )
    )
    assert counted == dict(failures), f"{table}, seed {SEED}"
    assert set(counted) == set(NOTED)

    held = first(
        "SELECT count(*), count(DISTINCT row_key) > 0 FROM pgslo.quarantine WHERE definition = %(table)s"
    )
    assert held == [(sum(part.held for part in parts), True)], f"{table}, seed {SEED}"
    assert first(
        "SELECT rule, count(*), count(resolved_at) FROM pgslo.incident WHERE definition = %(table)s AND kind <> 'learned' GROUP BY 1 ORDER BY 1"
    ) == [("f_rule", 1, 0), ("w_rule", 1, 0)], f"{table}, seed {SEED}"


# Paced


@pytest.fixture(scope="module", params=TABLES.values())
def _guarded(request, make_database):
    with make_database() as dsn, psycopg.connect(dsn, autocommit=True) as session:
        session.execute("CREATE SCHEMA features")
        guard(session, "features.example", request.param)
        yield dsn, session


@pytest.fixture
def watching(_guarded):
    """A session on a table without writes."""
    _, session = _guarded
    yield session
    session.execute("TRUNCATE features.example, pgslo_catalog.incident, pgslo_catalog.fragment CASCADE")


@pytest.fixture
def pair(_guarded, watching):
    """Two writers, of whom the second does not wait."""
    del watching  # asked for only to clean up after them
    dsn, _ = _guarded
    with (
        psycopg.connect(dsn, autocommit=True) as first,
        psycopg.connect(
            dsn, autocommit=True, options="-c lock_timeout=200ms -c statement_timeout=5s"
        ) as second,
    ):
        yield first, second


class Rows:
    """Writes one row after the other."""

    def __init__(self) -> None:
        self.last = 0

    def write(self, connection, day=1, **values):
        self.last += 1
        columns = {"id": self.last, "day": day, **values}
        connection.execute(
            f"INSERT INTO features.example ({', '.join(columns)}) VALUES ({', '.join(map(str, columns.values()))})"
        )


@pytest.fixture
def rows():
    return Rows()


def incidents(connection):
    """Open incidents by rule, with their batches, once everybody is done."""
    connection.execute("SELECT pgslo.tick()")
    return connection.execute(
        "SELECT rule, opened_batch FROM pgslo.incident WHERE over_at IS NULL ORDER BY 1"
    ).fetchall()


@pytest.mark.parametrize("level", LEVELS[:2], ids=lambda level: level.name)
@pytest.mark.parametrize("ends", ["COMMIT", "ROLLBACK"])
@pytest.mark.parametrize("second_ends_first", [True, False])
def test_an_opened_incident_holds_up_nobody_who_breaches_the_same_rule(
    watching, pair, rows, level, ends, second_ends_first
):
    first, second = pair
    for session in pair:
        session.execute(f"BEGIN ISOLATION LEVEL {level.name.replace('_', ' ')}")
    rows.write(first, w=BAD)
    rows.write(second, w=BAD)
    rows.write(second, w=BAD, f=BAD)
    if second_ends_first:
        second.execute("COMMIT")
        first.execute(ends)
    else:
        first.execute(ends)
        second.execute("COMMIT")
    assert incidents(watching) == [("f_rule", "1"), ("w_rule", "1")]


@pytest.mark.parametrize("ends", ["COMMIT", "ROLLBACK"])
def test_a_breach_holds_up_nobody_who_would_resolve(watching, pair, rows, ends):
    first, second = pair
    rows.write(watching, day=1, w=BAD)
    first.execute("BEGIN")
    rows.write(first, day=3, w=BAD)
    rows.write(second, day=2, w=GOOD)
    second.execute("SELECT pgslo.tick()")
    first.execute(ends)
    assert incidents(watching) == ([("w_rule", "3")] if ends == "COMMIT" else [])


@pytest.mark.parametrize("ends", ["COMMIT", "ROLLBACK"])
def test_an_incident_being_opened_holds_up_nobody_who_would_resolve_it(watching, pair, rows, ends):
    first, second = pair
    first.execute("BEGIN")
    rows.write(first, day=1, w=BAD)
    rows.write(second, day=2, w=GOOD)
    second.execute("SELECT pgslo.tick()")
    first.execute(ends)
    rows.write(watching, day=3, w=GOOD)
    assert incidents(watching) == []


@pytest.mark.parametrize("second_day", [2, 3], ids=["same batch", "later batch"])
@pytest.mark.parametrize("value", [GOOD, BAD], ids=["good", "bad"])
@pytest.mark.parametrize("ends", ["COMMIT", "ROLLBACK"])
def test_a_resolution_holds_up_nobody(watching, pair, rows, ends, value, second_day):
    first, second = pair
    rows.write(watching, day=1, w=BAD)
    first.execute("BEGIN")
    rows.write(first, day=2, w=GOOD)
    first.execute("SELECT pgslo.tick()")
    rows.write(second, day=second_day, w=value)
    second.execute("SELECT pgslo.tick()")
    first.execute(ends)
    left = incidents(watching)
    if value == BAD:
        assert [rule for rule, _ in left] == ["w_rule"]
    else:
        assert left == []


@pytest.mark.parametrize("level", LEVELS[:2], ids=lambda level: level.name)
@pytest.mark.parametrize("ends", ["COMMIT", "ROLLBACK"])
def test_two_rules_in_opposite_order_do_not_deadlock(watching, pair, rows, level, ends):
    first, second = pair
    for session in pair:
        session.execute(f"BEGIN ISOLATION LEVEL {level.name.replace('_', ' ')}")
        session.execute("SET LOCAL lock_timeout = '200ms'")
    rows.write(first, w=BAD)
    rows.write(second, f=BAD)
    rows.write(first, f=BAD)
    rows.write(second, w=BAD)
    second.execute("COMMIT")
    first.execute(ends)
    assert incidents(watching) == [("f_rule", "1"), ("w_rule", "1")]
