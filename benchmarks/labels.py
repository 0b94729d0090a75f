"""What 100,000 late labels cost as history grows: python -m benchmarks.labels [--quick | --size N --unpaired].

Every day has 100,000 predictions. History of some size is there, paired and added up; then a day's labels come in one
statement and tick() completes them. Measured are both, for several days, at each size.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from benchmarks import harness
from benchmarks.harness import Connection, Goal, Taken

A_DAY = 100_000
SIZES = (100_000, 1_000_000, 10_000_000)
QUICK = (100_000, 1_000_000)
ROUNDS = 3

_TABLES = """
CREATE SCHEMA serving;
CREATE TABLE serving.prediction (id bigint PRIMARY KEY, day date NOT NULL, score float8, model text, region text, at timestamptz);
CREATE TABLE serving.label (id bigint PRIMARY KEY, late boolean, known_at timestamptz);
CREATE TABLE serving.bare (id bigint PRIMARY KEY, late boolean, known_at timestamptz)
"""
_DEFINITION = """
table: serving.prediction
kind: predictions
batch: {by: day}
watch: false
predictions: {score: score, model: model, at: at}
labels: {table: serving.label, on: [id], label: late, at: known_at, positive: true, maturity: 1 day, segments: [region]}
rules:
  - ranks: {ml_metric: {of: auc, min: 0.5}}
  - right: {ml_metric: {of: accuracy, min: 0.5, over: 7 batches, per: region}}
  - labelled: {ml_metric: {of: label_coverage, min: 0.9}}
"""
_PREDICTIONS = """
INSERT INTO serving.prediction
SELECT n, date '2000-01-01' + (n / 100000)::integer, random(), 'v1', chr(97 + (n % 5)::integer), timestamptz '2000-01-01 12:00:00+00' + n / 100000 * interval '1 day'
FROM generate_series({first}::bigint, {last}) AS n
"""
_LABELS = """
INSERT INTO serving.{table}
SELECT n, n * 7919 % 1000 < 300, timestamptz '2000-01-02 12:00:00+00' + n / 100000 * interval '1 day'
FROM generate_series({first}::bigint, {last}) AS n
"""


def main() -> None:
    """Measure all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="up to a history of a million predictions")
    parser.add_argument("--size", type=int, action="append", help="only a history of so many predictions")
    parser.add_argument(
        "--unpaired",
        action="store_true",
        help="history lies in both tables, but its pairs are not added up first, which takes minutes for each ten million",
    )
    arguments = parser.parse_args()
    sizes = tuple(arguments.size or (QUICK if arguments.quick else SIZES))
    with harness.serve() as server, harness.connect(server, "labels") as conn:
        for statement in _TABLES.split(";"):
            conn.execute(statement.encode())
        harness.guard(conn, _DEFINITION)
        taken = {}
        there = 0
        for size in sizes:
            _history(conn, there, size, paired=not arguments.unpaired)
            taken[size] = [_a_day(conn, size + n * A_DAY) for n in range(ROUNDS)]
            there = size + ROUNDS * A_DAY
            print(f"history {size:,} done", flush=True)
    _show(taken)


def _history(conn: Connection, first: int, last: int, *, paired: bool) -> None:
    """Predictions and labels up to a number, and their pairs counted: loaded with triggers disabled, because only the result matters."""
    conn.execute("SET session_replication_role = replica")
    for start in range(first, last, 1_000_000):
        end = min(start + 1_000_000, last) - 1
        conn.execute(_PREDICTIONS.format(first=start, last=end).encode())
        conn.execute(_LABELS.format(table="label", first=start, last=end).encode())
        if paired:
            conn.execute(_LABELS.format(table="bare", first=start, last=end).encode())
    conn.execute("RESET session_replication_role")
    conn.execute("VACUUM ANALYZE")
    if paired:
        conn.execute("SELECT pgslo.recount_pairs('serving.prediction')")
        conn.execute("VACUUM ANALYZE")
    else:
        conn.execute("DELETE FROM pgslo_catalog.pair_fragment")
    conn.execute("CHECKPOINT")


def _a_day(conn: Connection, first: int) -> Mapping[str, Taken]:
    last = first + A_DAY - 1
    conn.execute(_PREDICTIONS.format(first=first, last=last).encode())
    conn.execute("SELECT pgslo.tick()")

    def run(text: str) -> Taken:
        return harness.timed(lambda: conn.execute(text.encode()), conn)

    return {
        "bare": run(_LABELS.format(table="bare", first=first, last=last)),
        "insert": run(_LABELS.format(table="label", first=first, last=last)),
        "tick": run("SELECT pgslo.tick()"),
    }


def _least(taken: list[Mapping[str, Taken]], what: str, *, cpu: bool = False) -> float:
    values = [one[what].cpu if cpu else one[what].value for one in taken]
    return min(value for value in values if value is not None)


def _show(taken: Mapping[int, list[Mapping[str, Taken]]]) -> None:
    rows = [
        [
            f"{size:,}",
            *(f"{_least(days, what):.2f}" for what in ("bare", "insert", "tick")),
            *(f"{_least(days, what, cpu=True):.2f}" for what in ("insert", "tick")),
        ]
        for size, days in taken.items()
    ]
    harness.show_table(
        f"100,000 labels in one statement, and their tick(); the least of {ROUNDS} days, seconds",
        ["predictions before", "into a bare table", "inserted", "tick()", "inserted, CPU", "tick(), CPU"],
        rows,
    )
    if len(taken) < 2:
        return
    first, *_, last = taken
    harness.show_goals(
        [
            Goal(
                f"cost at {last:,} by that at {first:,}",
                (_least(taken[last], "insert", cpu=True) + _least(taken[last], "tick", cpu=True))
                / (_least(taken[first], "insert", cpu=True) + _least(taken[first], "tick", cpu=True)),
                1.2,
            )
        ]
    )


if __name__ == "__main__":
    main()
