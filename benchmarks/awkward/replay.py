"""Fill a table as its jobs would, have pgslo close each batch, and note its reports."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from benchmarks import harness
from benchmarks.awkward import nature
from benchmarks.awkward.nature import Day, Table

from pgslo import database

#: Batches that are learned in one transaction, as `pgslo learn` does.
_AT_ONCE = 20
#: Days that differ by less are steady: there a third of the rows can be missed.
_STEADY = 0.1


@dataclass(frozen=True)
class Alarm:
    """One rule that one batch missed.

    Attributes:
        batch: The batch.
        rule: The rule.
        columns: Its columns; empty for the table as a whole.
        score: How many times its bound the farthest number was.
        said: The message.
        on: The day with which it was reported, and what happened on that day besides.
    """

    batch: str
    rule: str
    columns: tuple[str, ...]
    score: float
    said: str
    on: str = ""


@dataclass(frozen=True)
class Fault:
    """A plain fault of one load.

    Attributes:
        words: Its description.
        column: The column that it is in; ``None`` for all rows.
        statements: What makes it of the staged rows.
    """

    words: str
    column: str | None
    statements: Callable[[Table, Day], Sequence[str]]


@dataclass
class Result:
    """The reports of one table.

    Attributes:
        table: Its name.
        pages: Pages without a fault.
        alarms: Alarms without a fault.
        later_pages: Pages of the good days between the faults.
        later_alarms: Alarms of these days, and of faulty batches once they were right again.
        found: Faults that were found, with the reports of each.
        lost: Faults that were not, with the reports instead.
        seconds: The duration.
    """

    table: str
    batches: int = 0
    pages: int = 0
    alarms: list[Alarm] = field(default_factory=list)
    later_pages: int = 0
    later_alarms: list[Alarm] = field(default_factory=list)
    found: list[tuple[str, list[Alarm]]] = field(default_factory=list)
    lost: list[tuple[str, list[Alarm]]] = field(default_factory=list)
    seconds: float = 0.0


class Replay:
    """A table in a database of its own."""

    def __init__(self, conn: harness.Connection, table: Table, seed: int) -> None:
        self.conn, self.table = conn, table
        self.rng = random.Random(f"chance of {table.name}/{seed}")
        self.days: Iterator[Day] = table.days()
        self.known: set[tuple[str, str]] = set()
        conn.execute(f"CREATE SCHEMA {nature.SCHEMA}")
        self._settings()
        conn.execute(nature.FUNCTIONS.encode())
        conn.execute("CREATE SEQUENCE number")
        self._chance()
        if table.others:
            conn.execute(table.others.encode())
        conn.execute(f"CREATE TABLE {table.name} ({table.columns})".encode())
        conn.execute(f"CREATE TABLE {nature.STAGED} (LIKE {table.name} INCLUDING DEFAULTS)")
        for name in (nature.BEFORE, "good", "bad"):
            conn.execute(f"CREATE TABLE {name} (LIKE {table.name})")
        self.columns = [
            name
            for (name,) in conn.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum",
                (table.name,),
            )
        ]
        self.key = [
            name
            for (name,) in conn.execute(
                "SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)"
                " WHERE i.indrelid = %s::regclass AND i.indisprimary",
                (table.name,),
            )
        ]

    @property
    def name(self) -> str:
        """The table's name in definitions."""
        return f"{nature.SCHEMA}.{self.table.name}"

    def learn(self, batches: int) -> None:
        """Load a history, then apply a definition without a threshold, and learn as `pgslo learn` does."""
        for _ in range(batches):
            self.load(next(self.days))
        self.conn.execute("ANALYZE")
        harness.guard(self.conn, f"table: {self.name}\nowner: benchmark\nbatch: {self.table.batch}\n")
        found = database.fetch(self.conn, "history", {"definition": self.name, "batches": batches})
        for start in range(0, len(found), _AT_ONCE):
            part = found[start : start + _AT_ONCE]
            with self.conn.transaction():
                database.fetch(
                    self.conn,
                    "learn_batches",
                    {
                        "definition": self.name,
                        "batches": [one["batch"] for one in part],
                        "largest": max(one["rows"] for one in part),
                    },
                )
        # An apply leaves its session with settings of its own.
        self._settings()

    def load(self, day: Day, fault: Fault | None = None, *, then: Callable[[], None] = lambda: None) -> None:
        """Do the job of a day; with a fault, its rows are broken.

        Args:
            day: The day.
            fault: The fault of all rows that it loads.
            then: The action after each transaction.
        """
        for work in day.upkeep:
            self._chance()
            with self.conn.transaction():
                self.conn.execute(work.encode())
            then()
        self.conn.execute("TRUNCATE good; TRUNCATE bad")
        for load in day.loads:
            self._chance()
            self.conn.execute(f"TRUNCATE {nature.STAGED}")
            self.conn.execute(load.encode())
            self.conn.execute(f"INSERT INTO good SELECT * FROM {nature.STAGED}")
            for statement in fault.statements(self.table, day) if fault else ():
                self.conn.execute(statement.encode())
            if fault:
                self.conn.execute(f"INSERT INTO bad SELECT * FROM {nature.STAGED}")
            self.conn.execute(f"INSERT INTO {self.table.name} SELECT * FROM {nature.STAGED}")
            then()
        self.conn.execute(f"TRUNCATE {nature.BEFORE}")
        self.conn.execute(f"INSERT INTO {nature.BEFORE} SELECT * FROM good")

    def correct(self) -> None:
        """Replace the rows of the last load by the correct ones."""
        same = " AND ".join(f"t.{name} = b.{name}" for name in self.key)
        with self.conn.transaction():
            self.conn.execute(f"DELETE FROM {self.table.name} t USING bad b WHERE {same}".encode())
            self.conn.execute(f"INSERT INTO {self.table.name} SELECT * FROM good")

    def tick(self) -> None:
        """What happens each minute."""
        while self.conn.execute("SELECT pgslo.tick()").fetchall() == [(True,)]:
            pass

    def judge(self, day: Day) -> list[Alarm]:
        """Close the batch of a day, and return alarms that were not there before, of this and of earlier batches."""
        self.tick()
        self.conn.execute("SELECT FROM pgslo.close_batch(%s, %s)", (self.name, day.batch))
        missed = self.conn.execute(
            "SELECT batch, rule, columns, score, said FROM pgslo.verdict WHERE definition = %s AND verdict = 'missed' ORDER BY batch, score DESC",
            (self.name,),
        ).fetchall()
        on = day.batch + (f" ({day.rare})" if day.rare else "")
        new = [
            Alarm(batch, rule, tuple(columns or ()), score or 0.0, said, on)
            for batch, rule, columns, score, said in missed
            if (batch, rule) not in self.known
        ]
        self.known |= {(one.batch, one.rule) for one in new}
        return new

    def page_count(self) -> int:
        """Pages so far that people are notified of: incidents that opened with one batch are one page."""
        ((pages,),) = self.conn.execute(
            "SELECT count(DISTINCT page) FROM pgslo.incident WHERE tier = 'missed'"
        ).fetchall()
        return int(pages)

    def spread(self) -> float:
        """How much the numbers of rows of the last 28 days differ: their deviation, as a part of their mean."""
        sizes = [
            rows
            for (rows,) in self.conn.execute(
                "SELECT rows::float8 FROM pgslo.batch WHERE definition = %s ORDER BY batch DESC OFFSET 2 LIMIT 28",
                (self.name,),
            )
        ]
        return statistics.stdev(sizes) / statistics.mean(sizes)

    def _settings(self) -> None:
        self.conn.execute(f"SET search_path = {nature.SCHEMA}, pg_catalog; SET timezone = 'UTC'")
        # Parallel workers would draw from chances of their own.
        self.conn.execute("SET max_parallel_workers_per_gather = 0; SET jit = off")

    def _chance(self) -> None:
        self.conn.execute("SELECT setseed(%s)", (self.rng.uniform(-1, 1),))


def plain_faults(replay: Replay) -> list[Fault]:
    """The plain faults that fit a table."""
    table = replay.table
    faults = [
        Fault(
            f"half of {name} null",
            name,
            lambda _t, _d, c=name: [f"UPDATE staged SET {c} = NULL WHERE random() < 0.5"],
        )  # type: ignore[misc]
        for name in table.nulls
    ]
    faults += [
        Fault(f"{name} x100", name, lambda _t, _d, c=name: [f"UPDATE staged SET {c} = {c} * 100"])  # type: ignore[misc]
        for name in table.numbers
    ]
    faults.append(Fault("yesterday's values again", None, lambda t, d: _stale(replay, t, d)))
    if replay.spread() < _STEADY:
        faults.append(
            Fault(
                "a third of the rows missing",
                None,
                lambda _t, _d: ["DELETE FROM staged WHERE random() < 1 / 3.0"],
            )
        )
    return faults


def _stale(replay: Replay, table: Table, day: Day) -> list[str]:
    """A copy of what the day before brought: numbers from sequences and what the job itself writes are of today."""
    fresh = dict(table.fresh(day))
    copied = [name for name in replay.columns if name not in replay.key and name not in fresh]
    names = [*fresh, *copied]
    values = [*fresh.values(), *(f"b.{name}" for name in copied)]
    part = ""
    if len(day.loads) > 1:
        # Each of the runs of a day brings its own part of it again.
        part = " WHERE extract(hour FROM b.at) IN (SELECT DISTINCT extract(hour FROM s.at) FROM hours s)"
    return [
        "CREATE TEMP TABLE IF NOT EXISTS hours (at timestamptz)",
        "TRUNCATE hours",
        *(["INSERT INTO hours SELECT at FROM staged"] if part else []),
        "DELETE FROM staged",
        f"INSERT INTO staged ({', '.join(names)}) SELECT {', '.join(values)} FROM before b{part}",
    ]


def run(
    conn: harness.Connection, table: Table, *, seed: int, history: int, batches: int, faults: bool = True
) -> Result:
    """Learn a table's history, load good batches, then faulty ones, each of which is corrected.

    Args:
        conn: A session on an empty database.
        table: The table.
        seed: Of its chance.
        history: Batches that are learned at once.
        batches: Batches without a fault, one after another.
        faults: Whether faulty ones follow.
    """
    began = time.perf_counter()
    result = Result(table.name, batches)
    replay = Replay(conn, table, seed)
    replay.learn(history)
    for number in range(batches):
        day = next(replay.days)
        replay.load(day, then=replay.tick)
        result.alarms += replay.judge(day)
        # As the server's own autovacuum would every minute: a replay does months in a few.
        if number % 40 == 39:
            conn.execute("ANALYZE")
    result.pages = replay.page_count()
    faulty: set[str] = set()
    for fault in plain_faults(replay) if faults else ():
        day = next(replay.days)
        faulty.add(day.batch)
        replay.load(day, fault, then=replay.tick)
        told = replay.judge(day)
        is_found = any(
            one.batch == day.batch and (fault.column is None or fault.column in one.columns) for one in told
        )
        (result.found if is_found else result.lost).append((fault.words, told))
        replay.correct()
        result.later_alarms += [one for one in replay.judge(day) if one.batch != day.batch]
        result.later_alarms += _missed(replay, day)
        day = next(replay.days)
        replay.load(day, then=replay.tick)
        result.later_alarms += replay.judge(day)
    ((pages,),) = conn.execute(
        "SELECT count(DISTINCT page) FROM pgslo.incident WHERE tier = 'missed' AND opened_batch <> ALL (%s)",
        (list(faulty),),
    ).fetchall()
    result.later_pages = int(pages) - result.pages
    result.seconds = time.perf_counter() - began
    return result


def _missed(replay: Replay, day: Day) -> list[Alarm]:
    """What a batch still misses after it was corrected."""
    return [
        Alarm(day.batch, rule, tuple(columns or ()), score or 0.0, said, f"{day.batch}, corrected")
        for rule, columns, score, said in replay.conn.execute(
            "SELECT rule, columns, score, said FROM pgslo.verdict WHERE definition = %s AND batch = %s AND verdict = 'missed'",
            (replay.name, day.batch),
        )
    ]
