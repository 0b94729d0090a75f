"""What guarded views cost those who read: python -m benchmarks.guarded_read.

Aggregates over the whole table, and look-ups of single rows by key, against the bare table.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks import features, harness
from benchmarks.harness import Connection, Goal, Series, Taken


@dataclass(frozen=True)
class Effort:
    """How much is measured, and how often."""

    rows: int
    rounds: int
    lookups: int


FULL = Effort(1_000_000, 15, 400)
QUICK = Effort(100_000, 7, 200)

#: Columns that look-ups read, all of them guarded one by one.
GUARDED = (
    "age", "score", "country", "plan", "email", "device", "sessions_7d", "clicks_7d", "orders_28d", "spend_28d",
)  # fmt: skip

_AGGREGATES: Mapping[str, str] = {
    "no guarded column": "SELECT count(*), max(user_id) FROM {relation}",
    "a guarded column": "SELECT count(*), avg(score) FROM {relation}",
    "two guarded columns, one as filter": "SELECT avg(score) FROM {relation} WHERE age BETWEEN 30 AND 50",
    "guarded columns in groups": "SELECT country, avg(score) FROM {relation} GROUP BY country",
}

_BREACH = """
INSERT INTO features.stats (user_id, feature_date, device, score, is_active, session_id, attributes)
VALUES (-1, '2026-02-01', repeat('x', 50), 0.5, true, gen_random_uuid(), '{}')
"""


def main() -> None:
    """Measure all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows, fewer rounds")
    effort = QUICK if parser.parse_args().quick else FULL
    with harness.serve() as server, harness.connect(server, "reading") as conn:
        features.create(conn, "stats")
        features.fill(conn, "stats", 0, effort.rows - 1)
        harness.guard(conn, features.definition("stats", "bulk", share=True))
        conn.execute("VACUUM ANALYZE")
        conn.execute("CHECKPOINT")
        goals = [*_aggregates(conn, effort), *_lookups(conn, effort)]
        _plans(conn)
    harness.show_goals(goals)


def _relation(variant: str) -> str:
    return "features.stats" if variant == "bare" else "guarded.stats"


def _aggregates(conn: Connection, effort: Effort) -> list[Goal]:
    rows = []
    goals = []
    for parallel in (0, 2):
        conn.execute(f"SET max_parallel_workers_per_gather = {parallel}".encode())
        for what, query in _AGGREGATES.items():

            def measure(variant: str, query: str = query) -> Taken:
                text = query.format(relation=_relation(variant)).encode()
                return harness.timed(lambda: conn.execute(text, prepare=True).fetchall(), conn)

            series = Series(("bare", "guarded"))
            series.run(1, measure)  # plans, and pages in memory
            series.rounds.clear()
            series.run(effort.rounds, measure)
            ratio = series.ratio("guarded", "bare")
            label = f"{what}, {'parallel' if parallel else 'one process'}"
            rows.append(
                [
                    label,
                    f"{series.median('bare') * 1e3:.1f}",
                    f"{series.median('guarded') * 1e3:.1f}",
                    f"{ratio:.2f}",
                    "-" if parallel else f"{series.cpu_ratio('guarded', 'bare'):.2f}",
                ]
            )
            goals.append(Goal(f"aggregate, {label}", ratio, 1.05))
    conn.execute("RESET max_parallel_workers_per_gather")
    harness.show_table(
        f"Aggregates over {effort.rows:,} rows; {effort.rounds} rounds",
        ["query", "bare table, ms", "guarded view, ms", "ratio", "of CPU"],
        rows,
    )
    return goals


def _lookups(conn: Connection, effort: Effort) -> list[Goal]:
    rows = []
    goals = []
    for breached in (False, True):
        if breached:
            conn.execute(_BREACH)
            conn.execute("SELECT pgslo.tick()")  # has prepared statements planned again
            found = conn.execute("SELECT rule FROM pgslo.incident WHERE over_at IS NULL").fetchall()
            assert found == [("device_length",)], found
        for read in (0, 1, 3, 10):
            columns = ", ".join(("user_id", *GUARDED[:read]))
            series = _lookup_series(conn, effort, columns)
            added = series.difference("guarded", "bare") * 1e6
            touched = breached and "device" in columns
            label = f"{read} guarded columns, " + (
                "one of them with an open incident"
                if touched
                else "an incident of another column open"
                if breached
                else "no incident"
            )
            rows.append(
                [
                    label,
                    f"{series.median('bare') * 1e6:.0f}",
                    f"{series.median('guarded') * 1e6:.0f}",
                    f"{added:+.0f}",
                    f"{series.cpu_difference('guarded', 'bare') * 1e6:+.0f}",
                ]
            )
            goals.append(Goal(f"look-up, {label}, added", added, 50, unit="us"))
    harness.show_table(
        f"Look-ups by key, prepared, {effort.lookups} in a round; {effort.rounds} rounds",
        ["columns read", "bare table, us", "guarded view, us", "added, us", "of CPU"],
        rows,
    )
    return goals


def _lookup_series(conn: Connection, effort: Effort, columns: str) -> Series:
    def measure(variant: str) -> Taken:
        text = f"SELECT {columns} FROM {_relation(variant)} WHERE user_id = %s AND feature_date = '2026-01-01'".encode()
        taken = [
            harness.timed(
                lambda number=number: conn.execute(text, (number * 199,), prepare=True).fetchone(), conn
            )
            for number in range(effort.lookups)
        ]
        known = [one.cpu for one in taken if one.cpu is not None]
        return Taken(
            statistics.median(one.value for one in taken), statistics.median(known) if known else None
        )

    series = Series(("bare", "guarded"))
    series.run(1, measure)
    series.rounds.clear()
    return series.run(effort.rounds, measure)


def _plans(conn: Connection) -> None:
    """Show that the guarded view keeps its indexes and its parallel plans."""
    print("\nPlans through the guarded view\n")
    for query in (
        "SELECT age FROM guarded.stats WHERE user_id = 17 AND feature_date = '2026-01-01'",
        "SELECT avg(score) FROM guarded.stats",
    ):
        print(query)
        for (line,) in conn.execute(f"EXPLAIN (COSTS off) {query}".encode()):
            print(f"  {line}")


if __name__ == "__main__":
    main()
