"""Whether writing, reading and judging grow dearer as time goes by: python -m benchmarks.growth.

The same statements on two databases: a young one, and an old one with more rows in its tables, more batches behind it, and
more incidents that are over.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from benchmarks import features, harness
from benchmarks.harness import Connection, Goal, Series, Taken

from pgslo import embedded


@dataclass(frozen=True)
class Age:
    """What lies behind a database."""

    rows: int
    batches: int
    incidents: int

    def __str__(self) -> str:
        return f"{self.rows:,} rows, {self.batches:,} batches, {self.incidents:,} incidents"


@dataclass(frozen=True)
class Effort:
    """The comparisons, and their number."""

    young: Age
    old: Age
    rounds: int


FULL = Effort(Age(1_000_000, 10, 0), Age(20_000_000, 10_000, 10_000), 15)
QUICK = Effort(Age(10_000, 10, 0), Age(200_000, 2_000, 10_000), 7)

_LOAD = 1_000
#: Days of the made-up history lie before this one; what is written lies after.
_TODAY = "2026-01-01"


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a hundredth of the rows, fewer rounds")
    parser.add_argument("--rows", type=int, help="rows of the old tables; default: 20,000,000")
    given = parser.parse_args()
    effort = QUICK if given.quick else FULL
    if given.rows:
        old = Age(given.rows, effort.old.batches, effort.old.incidents)
        effort = Effort(effort.young, old, effort.rounds)
    with harness.serve() as server:
        goals = _compare(server, effort)
    harness.show_goals(goals)


def _compare(server: embedded.Server, effort: Effort) -> list[Goal]:
    conns = {name: _lived(server, name, age) for name, age in (("young", effort.young), ("old", effort.old))}
    goals = []
    rows = []
    for what, work in _STATEMENTS.items():
        for conn in conns.values():
            # As autovacuum would have: what was rolled back in rounds before is nothing that a life leaves behind.
            conn.execute("VACUUM ANALYZE pgslo_catalog.fragment, pgslo_catalog.batch, pgslo_catalog.incident")
        series = Series(list(conns))
        series.run(1, lambda age, work=work: work(conns[age]))  # plans, and pages in memory
        series.rounds.clear()
        series.run(effort.rounds, lambda age, work=work: work(conns[age]))
        clock, cpu = series.ratio("old", "young"), series.cpu_ratio("old", "young")
        medians = [f"{series.median(age) * 1e6:,.0f}" for age in conns]
        rows.append([what, *medians, f"{clock:.2f}", f"{cpu:.2f}"])
        goals.append(Goal(f"old against young, {what}, CPU of the server process", cpu, 1.05))
    harness.show_table(
        f"Young: {effort.young}. Old: {effort.old}. {effort.rounds} rounds",
        ["statement", "young, us", "old, us", "ratio", "of CPU"],
        rows,
    )
    for conn in conns.values():
        conn.close()
    return goals


def _lived(server: embedded.Server, name: str, age: Age) -> Connection:
    """A database that has seen so much."""
    conn = harness.connect(server, name)
    features.create(conn, "none")
    features.fill(conn, "none", 0, age.rows - 1)
    # Before any trigger is there: what is counted of these rows is made up below.
    for table in ("bulk", "stream", "ailing"):
        features.create(conn, table)
        conn.execute(f"INSERT INTO features.{table} SELECT * FROM features.none".encode())
        if table == "stream":
            conn.execute("CREATE INDEX ON features.stream (feature_date)")  # as the plan says
        harness.guard(conn, features.definition(table, "stream" if table == "stream" else "bulk"))
        if table != "stream":
            _write_days(conn, table, 12)
        past = _PAST_OF_STREAM if table == "stream" else _PAST
        conn.execute(past, {"definition": f"features.{table}", "batches": age.batches, "today": _TODAY})
        conn.execute(_OVER, {"definition": f"features.{table}", "incidents": age.incidents})
    conn.execute(_OPEN)
    conn.execute("SELECT pgslo.tick()")  # tells of the incidents that were made up, once
    conn.execute("VACUUM ANALYZE")
    conn.execute("CHECKPOINT")
    return conn


def _write_days(conn: Connection, table: str, days: int) -> None:
    """Real batches, one a day and closed, of which the past is copied."""
    for day in range(days):
        conn.execute(_load(table, 5_000_000 + day * _LOAD, f"2027-01-{day + 1:02}"))
        conn.execute("SELECT pgslo.close_batch(%s)", (f"features.{table}",))


def _load(table: str, first: int, day: str) -> bytes:
    made = features.ROWS.format(first=0, last=_LOAD - 1)
    columns = [line.split()[0] for line in features.COLUMNS.strip().splitlines()][2:]
    return (
        f"INSERT INTO features.{table} SELECT user_id + {first}, date '{day}', {', '.join(columns)}"
        f" FROM ({made}) AS made"
    ).encode()


#: Every past batch is a copy of a real one with all that is kept of it, except samples, which are kept of the newest alone.
_PAST = """
WITH source AS (
    SELECT b.*, row_number() OVER (ORDER BY b.place) - 1 AS turn, count(*) OVER () AS turns
    FROM pgslo_catalog.batch b JOIN pgslo_catalog.definition d USING (definition_id)
    WHERE d.name = %(definition)s
), past AS (
    SELECT s.definition_id, s.name AS source, day::date::text AS name, extract(epoch FROM day) AS place
    FROM generate_series(1, %(batches)s) AS n, LATERAL (SELECT %(today)s::timestamp - n * interval '1 day' AS day), source s
    WHERE n %% s.turns = s.turn
), batches AS (
    INSERT INTO pgslo_catalog.batch (definition_id, name, place, rows, present, tallies, failures, first_written_at, last_written_at, closed_at, revision)
    SELECT b.definition_id, p.name, p.place, b.rows, b.present, b.tallies, b.failures, b.first_written_at, b.last_written_at, b.closed_at, b.revision
    FROM past p JOIN pgslo_catalog.batch b ON b.definition_id = p.definition_id AND b.name = p.source
), fragments AS (
    INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows, failures, operation, present, level, sample_columns)
    SELECT f.definition_id, p.name, p.place, f.rows, f.failures, f.operation, f.present, f.level, f.sample_columns
    FROM past p JOIN pgslo_catalog.fragment f ON f.definition_id = p.definition_id AND f.batch = p.source
), verdicts AS (
    INSERT INTO pgslo_catalog.verdict (definition_id, rule_id, batch, place, verdict, value, low, high, score, said)
    SELECT v.definition_id, v.rule_id, p.name, p.place, v.verdict, v.value, v.low, v.high, v.score, v.said
    FROM past p JOIN pgslo_catalog.verdict v ON v.definition_id = p.definition_id AND v.batch = p.source
)
INSERT INTO pgslo_catalog.profile
SELECT (jsonb_populate_record(f, jsonb_build_object('batch', p.name, 'place', p.place))).*
FROM past p JOIN pgslo_catalog.profile f ON f.definition_id = p.definition_id AND f.batch = p.source
"""

#: Of a streamed table's rows, those that fail alone leave a fragment.
_PAST_OF_STREAM = """
INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows, failures)
SELECT d.definition_id, day::date, extract(epoch FROM day), 0, '{"device_length": 1}'
FROM pgslo_catalog.definition d, generate_series(1, %(batches)s) AS n,
     LATERAL (SELECT %(today)s::timestamp - n * interval '1 day' AS day)
WHERE d.name = %(definition)s
"""

_OVER = """
INSERT INTO pgslo_catalog.incident (definition_id, rule_id, opened_batch, opened_place, over_at, resolved_at, over_batch, over_place, resolution)
SELECT r.definition_id, r.rule_id, 'then', n, now(), now(), 'later', n, 'met'
FROM pgslo_catalog.rule r JOIN pgslo_catalog.definition d USING (definition_id), generate_series(1, %(incidents)s) AS n
WHERE d.name = %(definition)s AND r.name = 'device_length'
"""

_OPEN = """
INSERT INTO pgslo_catalog.incident (definition_id, rule_id, opened_batch, opened_place)
SELECT r.definition_id, r.rule_id, 'first', (SELECT min(f.place) FROM pgslo_catalog.fragment f)
FROM pgslo_catalog.rule r JOIN pgslo_catalog.definition d USING (definition_id)
WHERE d.name = 'features.ailing' AND r.name = 'device_length'
"""

_NEXT = {"id": 10_000_000}


def _write(table: str, rows: int, repeats: int, conn: Connection) -> Taken:
    """One INSERT; its rows are made beforehand, and are deleted afterwards."""
    made = features.ROWS.format(first=0, last=rows - 1)
    statement = f"INSERT INTO features.{table} SELECT * FROM made".encode()
    taken = []
    with conn.transaction(force_rollback=True):
        conn.execute(f"CREATE TEMPORARY TABLE made ON COMMIT DROP AS {made}".encode())
        for _ in range(repeats):
            _NEXT["id"] += 1_000
            conn.execute("UPDATE made SET user_id = user_id %% 1000 + %s", (_NEXT["id"],))
            taken.append(harness.timed(lambda: conn.execute(statement, prepare=True), conn))
    return _middle(taken)


def _read(relation: str, column: str, conn: Connection) -> Taken:
    """A lookup of a column by key."""
    query = f"SELECT {column} FROM {relation} WHERE user_id = %s AND feature_date = '{_TODAY}'".encode()
    return _middle(
        [
            harness.timed(lambda number=number: conn.execute(query, (number,), prepare=True).fetchone(), conn)
            for number in range(50)
        ]
    )


def _close(conn: Connection) -> Taken:
    """Add up, profile and judge one more day; nothing of it stays."""
    with conn.transaction(force_rollback=True):
        conn.execute(_load("bulk", 6_000_000, "2027-02-01"))
        return harness.timed(
            lambda: conn.execute("SELECT pgslo.close_batch('features.bulk')").fetchall(), conn
        )


def _ask(query: str, conn: Connection) -> Taken:
    text = query.encode()
    return harness.timed(lambda: conn.execute(text, prepare=True).fetchall(), conn)


def _middle(taken: list[Taken]) -> Taken:
    known = [one.cpu for one in taken if one.cpu is not None]
    return Taken(statistics.median(one.value for one in taken), statistics.median(known) if known else None)


_STATEMENTS: Mapping[str, Callable[[Connection], Taken]] = {
    "INSERT of 1,000 rows, no rules": partial(_write, "none", 1_000, 10),
    "INSERT of 1,000 rows, writes: bulk": partial(_write, "bulk", 1_000, 10),
    "INSERT of 1,000 rows, writes: stream": partial(_write, "stream", 1_000, 10),
    "INSERT of 1 row, no rules": partial(_write, "none", 1, 200),
    "INSERT of 1 row, writes: bulk": partial(_write, "bulk", 1, 200),
    "INSERT of 1 row, writes: stream": partial(_write, "stream", 1, 200),
    "INSERT of 1 row, writes: bulk, incident open": partial(_write, "ailing", 1, 200),
    "look-up of a column, no rules": partial(_read, "features.none", "age"),
    "look-up of a guarded column": partial(_read, "guarded.bulk", "age"),
    "look-up of a column whose incident is open since the first batch": partial(
        _read, "guarded.ailing", "device"
    ),
    "closing a batch of 1,000 rows": _close,
    "tick() with nothing to do": partial(_ask, "SELECT pgslo.tick()"),
    "pgslo.status": partial(_ask, "SELECT * FROM pgslo.status"),
}


if __name__ == "__main__":
    main()
