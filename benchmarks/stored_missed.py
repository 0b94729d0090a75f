"""What tick() costs while missed batches are stored and nothing is written: python -m benchmarks.stored_missed.

Ratios are of the same tick() with one missed batch in each table.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from benchmarks import harness
from benchmarks.harness import Connection, Goal, Taken

from pgslo import embedded

_DEFINITION = """
table: stored.t{number}
owner: benchmarks
writes: bulk
watch: false
batch: {{by: day}}
columns: {{a: [range: {{min: 0}}], b: [completeness: 0.9]}}
"""
#: A batch of ten rows, of which each misses both rules, as merged by tick(): a year and a day before the newest.
_STORE = """
WITH day AS (
    SELECT d.definition_id, (date '1000-01-01' + n) AS day
    FROM pgslo_catalog.definition d CROSS JOIN generate_series(%(first)s::int, %(last)s::int) AS n
), batch AS (
    INSERT INTO pgslo_catalog.batch (definition_id, name, place, rows, first_written_at, last_written_at, counted_at, closed_at)
    SELECT y.definition_id, y.day::text, extract(epoch FROM y.day), 10, now(), now(), now(), now() FROM day y
    RETURNING definition_id, name, place
), fragment AS (
    INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows, failures, operation)
    SELECT b.definition_id, b.name, b.place, 10, '{"a_range": 10}', 'merged' FROM batch b
), rule AS (
    SELECT r.rule_id, r.scope, r.columns, b.*, d.name AS definition
    FROM batch b JOIN pgslo_catalog.rule r USING (definition_id) JOIN pgslo_catalog.definition d USING (definition_id)
), verdict AS (
    INSERT INTO pgslo_catalog.verdict (definition_id, rule_id, batch, place, verdict, said)
    SELECT r.definition_id, r.rule_id, r.name, r.place, 'missed', 'null: 100 %%' FROM rule r WHERE r.scope = 'batch'
)
INSERT INTO pgslo_catalog.missed_batch (definition_id, rule_id, incident_id, definition, about, batch, place, planned_at)
SELECT r.definition_id, r.rule_id, (SELECT max(i.incident_id) FROM pgslo_catalog.incident i WHERE i.rule_id = r.rule_id),
       r.definition, r.columns, r.name, r.place, now()
FROM rule r
"""


@dataclass(frozen=True)
class Effort:
    """How many are stored, in how many tables, and how often each is measured."""

    stored: tuple[int, ...]
    tables: tuple[int, ...]
    rounds: int


FULL = Effort((1_000, 10_000, 100_000), (1, 10, 100), 5)
QUICK = Effort((1_000, 10_000), (1, 10), 3)


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer batches, tables and rounds")
    effort = QUICK if parser.parse_args().quick else FULL
    goals: list[Goal] = []
    rows: list[list[str]] = []
    with harness.serve() as server:
        for tables in effort.tables:
            goals += _measure(server, tables, effort, rows)
    harness.show_table(
        f"tick() with nothing new; the median of {effort.rounds}",
        ["tables", "missed batches", "ms", "ratio to one a table"],
        rows,
    )
    harness.show_goals(goals)


def _measure(server: embedded.Server, tables: int, effort: Effort, rows: list[list[str]]) -> list[Goal]:
    goals = []
    with harness.connect(server, f"stored{tables}") as conn:
        conn.execute("CREATE SCHEMA stored")
        for number in range(tables):
            conn.execute(
                f"CREATE TABLE stored.t{number} (id int PRIMARY KEY, day date, a int, b int)".encode()
            )
            harness.guard(conn, _DEFINITION.format(number=number))
            conn.execute(f"INSERT INTO stored.t{number} VALUES (1, '2026-01-01', -1, NULL)".encode())
            conn.execute(f"SELECT pgslo.close_batch('stored.t{number}')".encode())
            conn.execute(f"INSERT INTO stored.t{number} VALUES (2, '2026-01-02', 1, 1)".encode())
            conn.execute(f"SELECT pgslo.close_batch('stored.t{number}')".encode())
        base = _tick(conn, effort)
        rows.append([f"{tables}", f"{2 * tables:,}", f"{base * 1e3:,.1f}", ""])
        first = 0
        for number in effort.stored:
            # Each batch misses two rules.
            last = number // (2 * tables)
            conn.execute(_STORE.encode(), {"first": first + 1, "last": last})
            first = last
            taken = _tick(conn, effort)
            rows.append([f"{tables}", f"{number:,}", f"{taken * 1e3:,.1f}", f"{taken / base:.2f}"])
            goals.append(Goal(f"tick(), {number:,} missed batches in {tables} tables", taken / base, 2))
    return goals


def _tick(conn: Connection, effort: Effort) -> float:
    """Seconds of a tick() that has nothing to do, after those that had."""
    # As autovacuum would have it.
    conn.execute("VACUUM ANALYZE")
    for _ in range(3):
        conn.execute("SELECT pgslo.tick()")
    taken: list[Taken] = [
        harness.timed(lambda: conn.execute("SELECT pgslo.tick()"), conn) for _ in range(effort.rounds)
    ]
    return sorted(one.value for one in taken)[len(taken) // 2]


if __name__ == "__main__":
    main()
