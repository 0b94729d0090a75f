"""What many batch keys in one statement cost, and what tick() does with them: python -m benchmarks.many_batches."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import partial

from benchmarks import harness
from benchmarks.harness import Connection, Goal, Series, Taken

ROWS = 100_000
_COLUMNS = "id bigint, load text, v float8, s text, PRIMARY KEY (id, load)"
_DEFINITION = """
table: keys.{table}
owner: benchmarks
batch: {{by: load}}
columns: {{v: [range: {{min: 0}}, completeness: 0.9]}}
"""
_PROFILED = """
table: keys.profiled
owner: benchmarks
writes: bulk
batch: {by: day}
columns: {a: [range: {min: 0}]}
"""
#: Batches that one tick closes.
_AT_ONCE = 50


@dataclass(frozen=True)
class Effort:
    """How often each is measured."""

    rounds: int
    ticks: int


FULL = Effort(9, 20)
QUICK = Effort(3, 5)


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    effort = QUICK if parser.parse_args().quick else FULL
    goals: list[Goal] = []
    with harness.serve() as server, harness.connect(server, "keys") as conn:
        conn.execute("CREATE SCHEMA keys")
        for table in ("none", "guarded"):
            conn.execute(f"CREATE TABLE keys.{table} ({_COLUMNS})".encode())
        harness.guard(conn, _DEFINITION.format(table="guarded"))
        goals += _write(conn, effort)
        goals += _tick(conn, effort)
        goals += _profile(conn, effort)
    harness.show_goals(goals)


def _write(conn: Connection, effort: Effort) -> list[Goal]:
    goals, rows = [], []
    for keys in (1, 100, 2_000, 10_000, 100_000):
        series = Series(["none", "guarded"])
        series.run(effort.rounds, partial(_insert, conn, keys))
        ratio, cpu = series.ratio("guarded", "none"), series.cpu_ratio("guarded", "none")
        medians = [f"{series.median(table):.2f}" for table in series.variants]
        rows.append([f"{keys:,}", *medians, f"{ratio:.2f}", f"{cpu:.2f}"])
        if keys == ROWS:
            goals.append(Goal(f"INSERT of {keys:,} keys, against no rules", ratio, 5))
    harness.show_table(
        f"INSERT of {ROWS:,} rows; {effort.rounds} rounds",
        ["batch keys", "no rules, s", "pgslo, s", "ratio", "of CPU"],
        rows,
    )
    return goals


def _insert(conn: Connection, keys: int, table: str) -> Taken:
    conn.execute(f"TRUNCATE keys.{table}".encode())
    # As autovacuum would have it.
    conn.execute("VACUUM ANALYZE pgslo_catalog.fragment")
    statement = f"""INSERT INTO keys.{table}
        SELECT g, 'load-' || g %% %s, CASE WHEN g %% 7 > 0 THEN g END, 'x' || g %% 5 FROM generate_series(1, %s) g"""
    return harness.timed(lambda: conn.execute(statement.encode(), (keys, ROWS)), conn)


def _tick(conn: Connection, effort: Effort) -> list[Goal]:
    """Ticks after the statement that wrote the most keys."""
    _insert(conn, ROWS, "guarded")
    taken = [_timed_tick(conn) for _ in range(effort.ticks)]
    return _longest(f"tick() after an INSERT of {ROWS:,} keys", taken)


def _profile(conn: Connection, effort: Effort) -> list[Goal]:
    """Ticks that close batches of 100 rows with four columns, of which 150 are known."""
    conn.execute(
        "CREATE TABLE keys.profiled (id bigint, day date, a int, b float8, s text, PRIMARY KEY (id, day))"
    )
    harness.guard(conn, _PROFILED)
    taken = []
    for turn in range(3 + effort.rounds):
        conn.execute(
            """INSERT INTO keys.profiled
               SELECT g, date '2020-01-01' + d, (g * 7919 + d * 13) %% 1000, sin(g * d + g), 'x' || (g * 31 + d) %% 50
               FROM generate_series(%s::int, %s::int) d, generate_series(1, 100) g""",
            (turn * _AT_ONCE, turn * _AT_ONCE + _AT_ONCE - 1),
        )
        one = _timed_tick(conn)
        if turn >= 3:
            taken.append(one)
        conn.execute("SELECT count(*) FROM pgslo.close_batch('keys.profiled')")
        conn.execute("VACUUM ANALYZE pgslo_catalog.fragment, pgslo_catalog.batch, pgslo_catalog.profile")
    return _longest(f"tick() that closes {_AT_ONCE} batches of 100 rows, 4 columns", taken)


def _timed_tick(conn: Connection) -> Taken:
    return harness.timed(lambda: conn.execute("SELECT pgslo.tick()"), conn)


def _longest(what: str, taken: list[Taken]) -> list[Goal]:
    clock = [one.value * 1000 for one in taken]
    cpu = [one.cpu * 1000 for one in taken if one.cpu is not None] or [float("nan")]
    harness.show_table(
        f"{what}; {len(taken)} calls",
        ["", "least, ms", "longest, ms"],
        [
            ["by the clock", f"{min(clock):,.0f}", f"{max(clock):,.0f}"],
            ["CPU", f"{min(cpu):,.0f}", f"{max(cpu):,.0f}"],
        ],
    )
    return [Goal(f"{what}, the longest", max(clock), 1_000, unit="ms")]


if __name__ == "__main__":
    main()
