"""No random read of a missed row is silent, and no other one warns, whatever was done to the rows and by people before it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from nightly import NIGHTLY
from random_reads import DAYS, PARALLEL, Read, expected, reads, settings_of

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("PGSLO_READ_EXAMPLES", "300" if NIGHTLY else "25"))

DEFINITION = """
table: features.example
owner: sam
writes: {writes}
batch: {{by: k}}
watch: false
columns:
  a: [{{range: {{max: 100000, name: a_rule}}}}]
  b: [{{range: {{max: 100000, name: b_rule}}}}]
  c: [{{not_null: {{{share}name: c_rule}}}}]
"""
ROWS = 6
#: Of ``c``, a fifth of the rows may fail. A streamed table's shares know nothing of rows that go, so there no row may.
LEAST = {"bulk": 0.8, "stream": 1.0}
#: A value that fails the column's rule.
BAD = {"a": "999999", "b": "999999", "c": "NULL::int"}
GOOD = {"a": "id % 50", "b": "id % 7", "c": "id % 3"}

Cell = tuple[str, int]


@dataclass(frozen=True)
class Change:
    """Something done to rows or by people: what, to which days of which column, and with how many rows."""

    what: str
    column: str
    days: frozenset[int]
    number: int


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """A change, bad rows more often than others."""
    return Change(
        what=draw(
            st.sampled_from(
                [
                    *(
                        "bad rows",
                        "bad rows",
                        "spoil",
                        "spoil",
                        "correct",
                        "remove bad rows",
                        "remove good rows",
                    ),
                    *(
                        "good rows",
                        "touch",
                        "empty",
                        "move",
                        "tick",
                        "tick",
                        "accept",
                        "accept all",
                        "false alarm",
                    ),
                ]
            )
        ),
        column=draw(st.sampled_from("abc")),
        days=frozenset(draw(st.sets(st.integers(0, DAYS - 1), min_size=1, max_size=3))),
        number=draw(st.integers(1, 3)),
    )


WAYS = ("once", "once", "prepared", "kept", "parallel", "cursor", "held cursor", "old snapshot", "healthy")
steps = st.one_of(changes(), st.tuples(reads(), st.sampled_from(WAYS)))


@dataclass
class Model:
    """The missed cells according to the documentation, computed from the table alone.

    Attributes:
        missed: Cells about whose rows a reader must be warned.
        maybe: Those about which a reader may be: corrected, and not read by tick() yet; or their bad rows were written once more.
        accepted: Those accepted by a steward.
        alarms: Those marked as a false alarm; repetitions are not reported.
    """

    missed: set[Cell] = field(default_factory=set)
    maybe: set[Cell] = field(default_factory=set)
    accepted: set[Cell] = field(default_factory=set)
    alarms: set[Cell] = field(default_factory=set)

    @property
    def told(self) -> set[Cell]:
        """All of which a reader may be warned."""
        return self.missed | self.maybe

    def wrote(self, cells: Iterable[Cell], failing: set[Cell]) -> None:
        """Rows of these cells were written, bad ones among them; ``failing`` are those that fail their rule now."""
        for cell in cells:
            if cell in failing and cell not in self.alarms:
                self.missed.add(cell)
                self.accepted.discard(cell)

    def ticked(self, failing: set[Cell], stored: set[int], *, counts_corrections: bool) -> None:
        """tick() has looked at all missed batches."""
        for cell in self.told - failing:
            self.missed.discard(cell)
            if counts_corrections or cell[1] not in stored:
                self.maybe.discard(cell)
            else:
                self.maybe.add(cell)
        self.missed |= {cell for cell in self.maybe & failing if cell not in self.accepted}


class Table:
    """The guarded table, the session that changes and reads it, and the model of both."""

    def __init__(
        self, session: psycopg.Connection[Any], beside: psycopg.Connection[Any], writes: str
    ) -> None:
        self.session = session
        # What the driver prepares by itself would be gone with the rest.
        session.prepare_threshold = None
        self.beside = beside
        self.writes = writes
        self.model = Model()
        self.first = ""
        self.kept: dict[str, tuple[Read, str]] = {}
        self.reads = self.warned = self.over = 0
        self._examples = itertools.count()
        self._ids = itertools.count()
        self._said: list[str] = []
        session.add_notice_handler(self._hear)

    def _hear(self, said: psycopg.errors.Diagnostic) -> None:
        if said.sqlstate and said.sqlstate.startswith("01SL") and said.message_primary:
            planned = "were planned before" if "may be among" in said.message_primary else ""
            self._said.append(planned or f"{said.column_name}")

    @property
    def origin(self) -> str:
        """The day that others are counted from, as SQL."""
        return f"'{self.first}'::date"

    def run(self, text: str) -> None:
        self.session.execute(text.encode(), prepare=False)

    def heard(self, text: str) -> set[str]:
        """What a statement warns of: columns, or the words of an old plan."""
        self._said.clear()
        cursor = self.session.execute(text.encode(), prepare=False)
        if cursor.description:
            cursor.fetchall()
        return set(self._said)

    def values(self, text: str, *, session: psycopg.Connection[Any] | None = None) -> list[Any]:
        return [row[0] for row in (session or self.session).execute(text.encode(), prepare=False).fetchall()]

    def count(self, text: str) -> int:
        return int(self.values(text)[0])

    @contextmanager
    def example(self) -> Iterator[None]:
        """Days of its own for an example, good ones, before which nothing is missed."""
        self.run("TRUNCATE features.example; SELECT pgslo.tick()")
        self.run("SELECT pgslo.tick()")
        if self.writes == "stream":
            # TRUNCATE of a streamed table is not recorded.
            self.run("SELECT pgslo.accept(incident_id, 'gone') FROM pgslo.incident WHERE missed_batches > 0")
        assert self.values("SELECT batch FROM pgslo.incident, unnest(missed) AS batch") == []
        self.model = Model()
        self.first = str(self.values(f"SELECT ('2000-01-01'::date + {next(self._examples) * 20})::text")[0])
        self.write(range(DAYS), ROWS, GOOD)
        self.run("ANALYZE features.example")
        try:
            yield
        finally:
            self.kept.clear()
            self.run("DEALLOCATE ALL")

    # Changes

    def write(self, days: Iterable[int], rows: int, values: dict[str, str]) -> None:
        parts = []
        for day in days:
            ids = [next(self._ids) for _ in range(rows)]
            parts.append(
                f"SELECT id, {self.origin} + {day}, {values['a']}, {values['b']}, {values['c']} FROM unnest(ARRAY{ids}) AS id"
            )
        self.run("INSERT INTO features.example " + " UNION ALL ".join(parts))

    def failing(self, session: psycopg.Connection[Any] | None = None) -> set[Cell]:
        """Columns and days that fail their rule, by the rows that are stored."""
        found = (session or self.session).execute(
            f"""SELECT k - {self.origin}, coalesce(bool_or(a > 100000), false), coalesce(bool_or(b > 100000), false),
                       count(c) < {LEAST[self.writes]} * count(*)
                FROM features.example GROUP BY 1""".encode()
        )
        return {
            (name, day)
            for day, *fails in found.fetchall()
            for name, fail in zip("abc", fails, strict=True)
            if fail
        }

    def change(self, change: Change) -> None:
        """Do it, and record it in the model."""
        event(f"change: {change.what}")
        column, model = change.column, self.model
        where = f"k - {self.origin} = ANY (ARRAY{sorted(change.days)})"
        is_bad = "c IS NULL" if column == "c" else f"{column} > 100000"
        cells = {(column, day) for day in change.days}
        # Of a batch that a steward accepted, a bad row that is written once more is bad once more.
        rewritten = {cell for cell in model.accepted if cell[1] in change.days}
        match change.what:
            case "bad rows":
                self.write(change.days, change.number, GOOD | {column: BAD[column]})
                model.wrote(cells, self.failing())
            case "good rows":
                self.write(change.days, change.number, GOOD)
            case "spoil":
                ids = f"SELECT min(id) FROM features.example WHERE {where} AND NOT ({is_bad}) GROUP BY k"
                spoilt = {
                    (column, day)
                    for day in self.values(
                        f"SELECT k - {self.origin} FROM features.example WHERE id IN ({ids})"
                    )
                }
                self.run(f"UPDATE features.example SET {column} = {BAD[column]} WHERE id IN ({ids})")
                model.wrote(spoilt, self.failing())
                model.maybe |= rewritten & self.failing()
            case "touch":
                self.run(f"UPDATE features.example SET id = id WHERE {where}")
                model.maybe |= rewritten & self.failing()
            case "correct":
                self.run(f"UPDATE features.example SET {column} = {GOOD[column]} WHERE {where} AND {is_bad}")
                model.maybe |= rewritten & self.failing()
            case "remove bad rows":
                self.run(f"DELETE FROM features.example WHERE {where} AND {is_bad}")
            case "remove good rows":
                self.run(
                    f"DELETE FROM features.example WHERE id IN (SELECT id FROM features.example WHERE {where} AND NOT ({is_bad}) ORDER BY id LIMIT {change.number})"
                )
                # By fewer good rows a share is missed, which no statement writes.
                model.maybe |= self.failing() - model.missed - model.accepted - model.alarms
            case "empty":
                self.run(f"DELETE FROM features.example WHERE {where}")
            case "move":
                self._move(where, change)
            case "tick":
                self.tick()
            case decision:
                self._decide(decision, change)
        self._settle()

    def _settle(self) -> None:
        """Cells that no longer fail are reported until tick() has run."""
        good = self.model.missed - self.failing()
        self.model.missed -= good
        self.model.maybe |= good

    def _move(self, where: str, change: Change) -> None:
        """Give rows to a later day."""
        moved = self.values(
            f"""SELECT DISTINCT k - {self.origin} FROM features.example
                WHERE {where} AND k < {self.origin} + {DAYS - change.number} AND ({"c IS NULL" if change.column == "c" else f"{change.column} > 100000"})"""
        )
        self.run(
            f"UPDATE features.example SET k = k + {change.number} WHERE {where} AND k < {self.origin} + {DAYS - change.number}"
        )
        failing = self.failing()
        self.model.wrote({(change.column, day + change.number) for day in moved}, failing)
        # Of other columns, and of shares that good rows leave.
        self.model.maybe |= failing - self.model.missed - self.model.alarms

    def tick(self) -> None:
        self.run("SELECT pgslo.tick()")
        stored = set(self.values(f"SELECT DISTINCT k - {self.origin} FROM features.example"))
        self.model.ticked(self.failing(), stored, counts_corrections=self.writes == "bulk")

    def _decide(self, decision: str, change: Change) -> None:
        """Accept batches of an incident, or call it a false alarm."""
        found = self.session.execute(
            "SELECT incident_id, left(rule, 1), missed FROM pgslo.incident WHERE missed_batches > 0 ORDER BY incident_id"
        ).fetchall()
        for number, column, names in found:
            if column != change.column:
                continue
            cells = {
                (column, day)
                for day in self.values(
                    f"SELECT name::date - {self.origin} FROM unnest(ARRAY{names}::text[]) AS name"
                )
            }
            assert cells <= self.model.told
            if decision == "false alarm":
                self.run(f"SELECT pgslo.resolve({number}, 'false_alarm', 'it was none')")
                self.model.alarms |= cells
            else:
                if decision == "accept":
                    cells = set(sorted(cells)[: change.number])
                days = [day for _, day in cells]
                self.run(
                    f"SELECT pgslo.accept({number}, 'a sale', ARRAY(SELECT ({self.origin} + day)::text FROM unnest(ARRAY{days}) AS day))"
                )
                self.model.accepted |= cells
            self.model.missed -= cells
            self.model.maybe -= cells
            return

    # Reads

    def read(self, read: Read, way: str) -> None:
        """Read in a way, and check the warnings."""
        event(f"way: {way}")
        text = read.text("guarded.example", self.first)
        with ExitStack() as stack:
            match way:
                case "healthy":
                    self._read_healthy()
                case "kept":
                    # Executed after later changes as well.
                    name = f"q{len(self.kept)}"
                    self.run(f"PREPARE {name} AS {text}")
                    self.kept[name] = (read, text)
                    self.told(read, lambda: self.heard(f"EXECUTE {name}"))
                case "prepared":
                    stack.enter_context(settings_of(self.run, {"plan_cache_mode": "force_generic_plan"}))
                    self.run(f"PREPARE q AS {text}")
                    stack.callback(self.run, "DEALLOCATE q")
                    self.told(read, lambda: self.heard("EXECUTE q"))
                    self.told(read, lambda: self.heard("EXECUTE q"))
                case "parallel":
                    stack.enter_context(settings_of(self.run, PARALLEL))
                    self.told(read, lambda: self.heard(text))
                case "cursor" | "held cursor":
                    self.told(read, lambda: self._fetch(text, is_held=way == "held cursor"))
                case "old snapshot":
                    self.told(read, lambda: self._read_back(read, text))
                case _:
                    self.told(read, lambda: self.heard(text))

    def told(self, read: Read, heard: Callable[[], set[str]], *, before: set[Cell] | None = None) -> None:
        """Compare the warnings with the model; ``before`` are those that a kept plan may still give."""
        count = self.count
        needed, _ = expected(count, read, self.model.missed, "features.example", self.first)
        _, computed = expected(
            count, read, self.model.told | (before or set()), "features.example", self.first
        )
        said = heard()
        is_old = before is not None and "were planned before" in said
        told = said - {"were planned before"} if before is not None else said
        assert is_old or needed <= told, f"silent: {needed - told} of {self.model.missed}"
        assert told <= computed, f"told without a row: {told - computed}"
        self.reads += 1
        self.warned += bool(needed)
        self.over += told != needed and not self.model.maybe and before is None

    def _wrote_beside(self, column: str, days: Iterable[int]) -> None:
        """Record another session's bad row in the model, which may be bad in a column that was accepted as well."""
        failing = self.failing()
        self.model.wrote({(column, day) for day in days}, failing)
        self.model.maybe |= {cell for cell in self.model.accepted & failing if cell[1] in days}

    def _fetch(self, text: str, *, is_held: bool) -> set[str]:
        if is_held:
            said = self.heard(f"DECLARE reading CURSOR WITH HOLD FOR {text}")
        else:
            self.run("BEGIN")
            said = self.heard(f"DECLARE reading CURSOR FOR {text}")
        # What another session writes from now on is not among the rows of this one.
        spoilt = self.values(
            f"UPDATE features.example SET a = 999999 WHERE id = (SELECT max(id) FROM features.example WHERE k < {self.origin} + 2) RETURNING k - {self.origin}",
            session=self.beside,
        )
        said |= (
            self.heard("FETCH 3 FROM reading")
            | self.heard("FETCH ALL FROM reading")
            | self.heard("CLOSE reading")
        )
        if not is_held:
            self.run("COMMIT")
        self._wrote_beside("a", spoilt)
        return said

    def _read_back(self, read: Read, text: str) -> set[str]:
        """Read rows stored before another session's write, by a plan that is kept until after it."""
        self.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM features.example LIMIT 1")
        spoilt = self.values(
            f"UPDATE features.example SET b = 999999 WHERE id IN (SELECT max(id) FROM features.example WHERE k > {self.origin} + 8) RETURNING k - {self.origin}",
            session=self.beside,
        )
        before = set(self.model.told)
        self.run(f"PREPARE back AS {text}")
        said = self.heard("EXECUTE back")
        self.run("COMMIT")
        self._wrote_beside("b", spoilt)
        self.told(read, lambda: self.heard("EXECUTE back"), before=before)
        self.run("DEALLOCATE back")
        return said

    def _read_healthy(self) -> None:
        """Rows of missed batches are left out, and no others."""
        shown = set(self.values(f"SELECT DISTINCT k - {self.origin} FROM guarded.example_healthy"))
        stored = set(self.values(f"SELECT DISTINCT k - {self.origin} FROM features.example"))
        assert not shown & {day for _, day in self.model.missed}
        assert stored - shown <= {day for _, day in self.model.told}

    def read_kept(self, before: set[Cell]) -> None:
        """Execute statements prepared before the last changes."""
        for name, (read, _) in self.kept.items():
            self.told(read, lambda name=name: self.heard(f"EXECUTE {name}"), before=before)


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_whatever_was_done_before_it(connection, connect, apply, writes):
    connection.execute(
        """CREATE SCHEMA features; CREATE TABLE features.example (id int PRIMARY KEY, k date, a int, b int, c int);
           CREATE INDEX ON features.example (k);
           CREATE TABLE features.other AS SELECT n AS id FROM generate_series(0, 1000000, 3) AS n; ANALYZE features.other"""
    )
    share = f"at_least: {LEAST[writes]}, " if LEAST[writes] < 1 else ""
    apply(DEFINITION.format(writes=writes, share=share))
    table = Table(connection, connect(), writes)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(st.lists(steps, min_size=3, max_size=12))
    def check(done: list[Change | tuple[Read, str]]) -> None:
        with table.example():
            seen: set[Cell] = set()
            for step in done:
                seen |= table.model.told
                if isinstance(step, Change):
                    table.change(step)
                    table.read_kept(seen)
                else:
                    table.read(*step)

    check()
    # Else there was little to be silent about.
    assert table.warned >= (0.1 * table.reads if table.reads > 300 else 1)
    # A row that was computed, and dropped by a join or a filter after that.
    assert table.over <= 0.05 * table.reads + 1
