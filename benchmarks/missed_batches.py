"""What guarded views cost those who read while batches are missed: python -m benchmarks.missed_batches.

A million rows in a hundred batches, of which 0, 2 and 30 are missed in the column that is read; and look-ups in a
table of 900 columns. Ratios are of the bare table, or of a plain view with the table's columns.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks import harness
from benchmarks.harness import Connection, Goal, Series, Taken


@dataclass(frozen=True)
class Effort:
    """How much is measured, and how often."""

    rows: int
    rounds: int
    lookups: int


FULL = Effort(1_000_000, 9, 300)
QUICK = Effort(200_000, 5, 100)

_NARROW = """
table: features.stats
owner: growth
writes: bulk
batch: {by: day}
watch: false
columns:
  age: [{range: {max: 1000}}]
  price: [{range: {max: 100000}}]
"""

_QUERIES: Mapping[str, tuple[str, float | None]] = {
    "avg": ("SELECT avg(age) FROM {}", None),
    "a filter on it, in groups": ("SELECT kind, avg(age) FROM {} WHERE age > 30 GROUP BY kind", 1.3),
    "good batches only": ("SELECT avg(age) FROM {} WHERE day >= '2026-04-01'", 1.3),
    "another column": ("SELECT avg(price) FROM {}", 1.3),
}

#: Columns of the wide table that look-ups read.
_READ = "f004, f005, f007"


def main() -> None:
    """Measure all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fifth of the rows, fewer rounds")
    effort = QUICK if parser.parse_args().quick else FULL
    with harness.serve() as server, harness.connect(server, "missed") as conn:
        conn.execute("CREATE SCHEMA features")
        goals = [*_narrow(conn, effort), *_wide(conn, effort)]
    harness.show_goals(goals)


def _series(effort: Effort, variants: tuple[str, ...], conn: Connection, text: Mapping[str, str]) -> Series:
    def measure(variant: str) -> Taken:
        return harness.timed(lambda: conn.execute(text[variant].encode(), prepare=True).fetchall(), conn)

    series = Series(variants)
    series.run(1, measure)
    series.rounds.clear()
    return series.run(effort.rounds, measure)


def _narrow(conn: Connection, effort: Effort) -> list[Goal]:
    conn.execute(
        "CREATE TABLE features.stats (id int PRIMARY KEY, day date, age int, price numeric(8,2), kind int)"
    )
    harness.guard(conn, _NARROW)
    conn.execute(
        f"""INSERT INTO features.stats
            SELECT n, '2026-01-01'::date + n / {effort.rows // 100}, 18 + n * 7 % 70, n % 1000 * 1.5, n % 10
            FROM generate_series(0, {effort.rows - 1}) AS n"""
    )
    conn.execute("CREATE INDEX ON features.stats (day)")
    conn.execute("VACUUM ANALYZE features.stats")
    conn.execute("SET max_parallel_workers_per_gather = 0")
    rows, goals = [], []
    missed = 0
    for number in (0, 2, 30):
        for day in range(missed, number):
            conn.execute(
                f"INSERT INTO features.stats VALUES (-1 - {day}, '2026-01-01'::date + {2 * day}, 9999, 1, 1)"
            )
        missed = number
        conn.execute("SELECT pgslo.tick()")  # has prepared statements planned again
        for what, (query, goal) in _QUERIES.items():
            text = {"bare": query.format("features.stats"), "guarded": query.format("guarded.stats")}
            series = _series(effort, ("bare", "guarded"), conn, text)
            ratio = series.ratio("guarded", "bare")
            added = series.difference("guarded", "bare") / effort.rows * 1e9
            rows.append(
                [
                    f"{what}, {number} missed",
                    f"{series.median('bare') * 1e3:.1f}",
                    f"{series.median('guarded') * 1e3:.1f}",
                    f"{ratio:.2f}",
                    f"{added:+.0f}",
                ]
            )
            if number <= 2 and goal is not None:
                goals.append(Goal(f"{what}, {number} missed", ratio, goal))
            elif number <= 2:
                goals.append(Goal(f"{what}, {number} missed, added for a row", added, 35, unit="ns"))
        text = {
            "bare": "SELECT avg(age) FROM features.stats",
            "healthy": "SELECT avg(age) FROM guarded.stats_healthy",
        }
        series = _series(effort, ("bare", "healthy"), conn, text)
        ratio = series.ratio("healthy", "bare")
        rows.append(
            [
                f"avg of _healthy, {number} missed",
                f"{series.median('bare') * 1e3:.1f}",
                f"{series.median('healthy') * 1e3:.1f}",
                f"{ratio:.2f}",
                "",
            ]
        )
        if number <= 2:
            goals.append(Goal(f"avg of _healthy, {number} missed", ratio, 1.8))
    harness.show_table(
        f"Aggregates over {effort.rows:,} rows, one process; {effort.rounds} rounds",
        ["query", "bare table, ms", "view, ms", "ratio", "added, ns a row"],
        rows,
    )
    goals += _lookups(conn, effort)
    return goals


def _looked_up(conn: Connection, effort: Effort, variants: Mapping[str, str], *, prepare: bool) -> Series:
    def measure(variant: str) -> Taken:
        text = variants[variant].encode()
        taken = [
            harness.timed(lambda n=n: conn.execute(text, (n * 7,), prepare=prepare).fetchone(), conn)
            for n in range(effort.lookups)
        ]
        known = [one.cpu for one in taken if one.cpu is not None]
        return Taken(
            statistics.median(one.value for one in taken), statistics.median(known) if known else None
        )

    series = Series(tuple(variants))
    series.run(1, measure)
    series.rounds.clear()
    return series.run(effort.rounds, measure)


def _lookups(conn: Connection, effort: Effort) -> list[Goal]:
    rows, goals = [], []
    for prepare in (True, False):
        text = "SELECT age, price FROM {} WHERE id = %s"
        series = _looked_up(
            conn,
            effort,
            {"bare": text.format("features.stats"), "guarded": text.format("guarded.stats")},
            prepare=prepare,
        )
        added = series.difference("guarded", "bare") * 1e6
        way = "prepared" if prepare else "not prepared"
        rows.append(
            [
                f"{way}, 30 missed",
                f"{series.median('bare') * 1e6:.0f}",
                f"{series.median('guarded') * 1e6:.0f}",
                f"{added:+.0f}",
            ]
        )
        if prepare:
            goals.append(Goal("look-up, prepared, 30 missed, added", added, 50, unit="us"))
    harness.show_table(
        f"Look-ups by key, {effort.lookups} in a round; {effort.rounds} rounds",
        ["look-up", "bare table, us", "guarded view, us", "added, us"],
        rows,
    )
    return goals


def _wide(conn: Connection, effort: Effort) -> list[Goal]:
    columns = [f"f{n:03}" for n in range(898)]
    conn.execute(
        f"CREATE TABLE features.wide (id int PRIMARY KEY, ds date, {', '.join(f'{name} int' for name in columns)})".encode()
    )
    rules = "".join(f"  {name}: [{{range: {{max: 100000}}}}]\n" for name in columns)
    harness.guard(
        conn,
        f"table: features.wide\nowner: growth\nwrites: bulk\nbatch: {{by: ds}}\nwatch: false\ncolumns:\n{rules}",
    )
    conn.execute(
        f"INSERT INTO features.wide (id, ds, f004, f005, f007) SELECT n, '2026-01-01', n, n, n FROM generate_series(0, {effort.lookups * 7}) n".encode()
    )
    conn.execute("CREATE VIEW features.plain AS SELECT * FROM features.wide")
    conn.execute("VACUUM ANALYZE features.wide")
    rows, goals = [], []
    for prepare in (True, False):
        text = f"SELECT {_READ} FROM {{}} WHERE id = %s"
        series = _looked_up(
            conn,
            effort,
            {name: text.format(name) for name in ("features.wide", "features.plain", "guarded.wide")},
            prepare=prepare,
        )
        ratio = series.ratio("guarded.wide", "features.plain")
        way = "prepared" if prepare else "not prepared"
        rows.append(
            [
                way,
                *(
                    f"{series.median(name) * 1e6:.0f}"
                    for name in ("features.wide", "features.plain", "guarded.wide")
                ),
                f"{ratio:.2f}",
            ]
        )
        goals.append(Goal(f"look-up of three of 900 columns, {way}", ratio, 1.3 if prepare else 2.0))
    harness.show_table(
        f"Look-ups of three of 900 columns, {effort.lookups} in a round; {effort.rounds} rounds",
        ["look-up", "bare table, us", "plain view, us", "guarded view, us", "ratio to the plain view"],
        rows,
    )
    return goals


if __name__ == "__main__":
    main()
