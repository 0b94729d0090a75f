"""Guarded views are replaced while sessions read them: no read is silent, and none fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import psycopg
import pytest

from pgslo import definition
from pgslo.compile import Statement
from pgslo.database import installation, planning
from pgslo.plan import Step

pytestmark = pytest.mark.slow

Connection = psycopg.Connection[Any]

TABLE = """
CREATE SCHEMA m;
CREATE TABLE m.t (id int, d date, a int, b int, PRIMARY KEY (id, d));
CREATE SCHEMA serving;
"""
#: Two batches, of which the first misses the rule on column a, and is stored.
ROWS = """
INSERT INTO m.t SELECT n, current_date - 10, -5, 1 FROM generate_series(1, 50) AS n;
SELECT * FROM pgslo.close_batch('m.t');
INSERT INTO m.t SELECT n, current_date - 1, 5, 1 FROM generate_series(1, 50) AS n;
SELECT * FROM pgslo.close_batch('m.t');
SELECT pgslo.tick();
CREATE FUNCTION m.read() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT sum(a) FROM guarded.t); END';
"""
WIDE = [f"w{n:03}" for n in range(110)]


def text(*, rules: str = "", window: str = "3650 days") -> str:
    return f"""\
table: m.t
owner: sam
writes: bulk
watch: false
batch: {{by: d}}
columns:
  a: [range: {{min: 0}}]
{rules}tasks:
  churn: {{reads: [a, d], view: serving.churn, window: {window}}}
"""


@dataclass(frozen=True)
class Change:
    """What a definition becomes while sessions read.

    Attributes:
        before: Statements on the table before.
        text: The new definition.
        keeps_columns: Whether a prepared ``SELECT *`` has the columns that it had.
    """

    before: str
    text: str
    keeps_columns: bool = True


_B = "  b: [not_null]\n"
_C = "  c: [range: {min: 0}]\n"
_W = "".join(f"  {name}: [range: {{min: 0}}]\n" for name in WIDE)
CHANGES: Mapping[str, Change] = {
    "rule added": Change("", text(rules=_B)),
    "window changed": Change("", text(rules=_B, window="365 days")),
    "column added": Change("ALTER TABLE m.t ADD COLUMN c int", text(rules=_B + _C), keeps_columns=False),
    "narrow to wide": Change(
        f"ALTER TABLE m.t {', '.join(f'ADD COLUMN {name} int' for name in WIDE)}",
        text(rules=_B + _C + _W),
        keeps_columns=False,
    ),
    "wide to narrow": Change("", text(rules=_B + _C)),
}

#: Statements that read rows of the missed batch, and whether they are prepared, with a plan for all parameters.
READS: Mapping[str, tuple[str, bool]] = {
    "simple": ("SELECT max(a) FROM guarded.t", False),
    "prepared": ("SELECT id, a FROM guarded.t WHERE d < %s::date", True),
    "prepared, all columns": ("SELECT * FROM guarded.t WHERE d < %s::date", True),
    "prepared, of the task": ("SELECT a FROM serving.churn WHERE d < %s::date", True),
    "prepared, strict": ("SELECT a FROM guarded.t_strict WHERE d < %s::date", True),
    "prepared, of two views": (
        "SELECT x.a, y.a FROM serving.churn x JOIN guarded.t y USING (d) WHERE d < %s::date",
        True,
    ),
    "in a function": ("SELECT m.read()", False),
}
_ALL = "prepared, all columns"


class Reader:
    """A session that reads in one way."""

    def __init__(self, dsn: str, what: str) -> None:
        self.query, self.prepared = READS[what]
        self.connection: Connection = psycopg.connect(dsn, autocommit=True)
        self.connection.execute("SET plan_cache_mode = force_generic_plan")
        self._states: list[str] = []
        self.connection.add_notice_handler(lambda notice: self._states.append(notice.sqlstate or ""))

    def read(self) -> str:
        """The outcome of a read: ``warned``, ``refused``, ``silent``, or the error."""
        self._states.clear()
        try:
            parameters = ("2099-01-01",) if self.prepared else None
            self.connection.execute(self.query.encode(), parameters, prepare=self.prepared).fetchall()
        except psycopg.Error as error:
            return "refused" if error.sqlstate == "SL001" else f"{error.sqlstate} {error}"
        return "warned" if "01SL1" in self._states else "silent"

    def read_until(self, ended: threading.Event) -> set[str]:
        """The outcomes of reads without a pause, until an event and once after it."""
        found = set()
        while not ended.is_set():
            found.add(self.read())
        return found | {self.read()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()


@pytest.fixture
def upgraded(connection: Connection, dsn: str) -> tuple[str, Connection]:
    connection.execute(TABLE)
    upgrade(connection, text())
    connection.execute(ROWS)
    return dsn, connection


def upgrade(
    connection: Connection,
    wanted: str,
    on_statement: Callable[[Step, Statement], None] = lambda _step, _statement: None,
    on_busy: Callable[[str], None] = lambda _tables: None,
) -> None:
    loaded = [definition.load(wanted, path="slos/t.yml")]
    planned = partial(planning.plan_definitions, connection, loaded)
    installation.apply(connection, planned(), planned, on_statement=on_statement, on_busy=on_busy)


def replaced_view(step: Step, statement: Statement) -> str | None:
    """The view that was dropped in this transaction and is made next, or was replaced where it is."""
    is_locked = "CREATE VIEW" in statement.text.text or statement.text.text.startswith("COMMENT ON VIEW")
    return step.identity if step.kind == "view" and step.action == "replace" and is_locked else None


@contextmanager
def reading(dsn: str, names: list[str]) -> Iterator[tuple[dict[str, Reader], ThreadPoolExecutor]]:
    with ExitStack() as stack:
        readers = {name: stack.enter_context(Reader(dsn, name)) for name in names}
        yield readers, stack.enter_context(ThreadPoolExecutor(2 * len(names)))


def expected(name: str) -> str:
    return "refused" if name.endswith("strict") else "warned"


def test_no_read_is_silent_while_views_are_replaced(upgraded: tuple[str, Connection]) -> None:
    for change in CHANGES.values():
        replace_views_while_sessions_read(*upgraded, change)


def replace_views_while_sessions_read(dsn: str, connection: Connection, given: Change) -> None:
    if given.before:
        connection.execute(given.before.encode())
    names = [name for name in READS if given.keeps_columns or name != _ALL]
    of_view = {name: "serving.churn" if "task" in name else "guarded.t" for name in names}
    of_view["prepared, strict"] = "guarded.t_strict"
    # It has locked the task's view then, so that the installer gives way and asks again.
    of_view["prepared, of two views"] = "guarded.t"
    with reading(dsn, names) as (readers, pool), psycopg.connect(dsn, autocommit=True) as watcher:
        # Each has a plan before.
        assert {name: reader.read() for name, reader in readers.items()} == {
            name: expected(name) for name in names
        }
        waiting: dict[str, Future[str]] = {}
        made: set[str] = set()
        ended = threading.Event()

        def begin_reads(step: Step, statement: Statement) -> None:
            """Have sessions wait for the view that the transaction has dropped."""
            view = replaced_view(step, statement)
            if view is None:
                return
            made.add(view)
            due = [name for name, of in of_view.items() if of == view and name not in waiting]
            waiting.update((name, pool.submit(readers[name].read)) for name in due)
            pids = [readers[name].connection.info.backend_pid for name in due]
            while not all(is_waiting(watcher, pid) for pid in pids):
                pass

        with Reader(dsn, "prepared") as always, Reader(dsn, "simple") as again:
            reads = [pool.submit(one.read_until, ended) for one in (always, again)]
            try:
                upgrade(connection, given.text, begin_reads)
            finally:
                ended.set()
            # Sessions that waited, those that read all the time, and what was prepared before.
            assert made
            assert set(waiting) == {name for name, view in of_view.items() if view in made}
            assert {name: one.result() for name, one in waiting.items()} == {
                name: expected(name) for name in waiting
            }
            assert [one.result() for one in reads] == [{"warned"}, {"warned"}]
        assert {name: reader.read() for name, reader in readers.items()} == {
            name: expected(name) for name in names
        }


def is_waiting(watcher: Connection, pid: int) -> bool:
    found = watcher.execute("SELECT FROM pg_locks WHERE pid = %s AND NOT granted", (pid,))
    return found.rowcount > 0


def test_a_cursor_keeps_its_view_until_it_ends(upgraded: tuple[str, Connection]) -> None:
    dsn, connection = upgraded
    with Reader(dsn, "simple") as reader, Reader(dsn, "simple") as earlier:
        # A transaction that began before, and reads the new view.
        earlier.connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        earlier.connection.execute("SELECT count(*) FROM pg_class")
        reader.connection.execute("BEGIN")
        reader.connection.execute("DECLARE c CURSOR FOR SELECT a FROM guarded.t ORDER BY d")
        fetched: list[str] = []

        def end_reading(_: str) -> None:
            reader.query = "FETCH ALL FROM c"
            fetched.append(reader.read())
            reader.connection.execute("COMMIT")

        # The installer does not wait in the queue, but asks again.
        upgrade(connection, text(rules=_B), on_busy=end_reading)
        assert fetched == ["warned"]
        assert earlier.read() == "warned"
