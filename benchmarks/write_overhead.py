"""What rules cost those who write: python -m benchmarks.write_overhead.

Loads with COPY, and single-row INSERTs of several clients.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import psycopg
from benchmarks import features, harness
from benchmarks.harness import Goal, Series, Taken

from pgslo import embedded

CLIENTS = 8


@dataclass(frozen=True)
class Effort:
    """How much is measured, and how often."""

    rows: int
    copy_rounds: int
    insert_rounds: int
    insert_seconds: int


FULL = Effort(1_000_000, 5, 7, 4)
QUICK = Effort(100_000, 3, 3, 2)


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows, fewer rounds")
    parser.add_argument("--only", choices=("copy", "insert"), help="one of the measurements; default: all")
    parser.add_argument("--variants", help="names of variants, with commas between them; default: all")
    given = parser.parse_args()
    effort = QUICK if given.quick else FULL
    variants = given.variants.split(",") if given.variants else list(features.VARIANTS)
    goals: list[Goal] = []
    with harness.serve() as server:
        if given.only in (None, "copy"):
            goals += copy(server, effort, variants)
        if given.only in (None, "insert"):
            goals += insert(server, effort, variants)
    harness.show_goals(goals)


# --- loads


def copy(server: embedded.Server, effort: Effort, variants: list[str]) -> list[Goal]:
    """COPY the same file into the table of each variant."""
    with harness.connect(server, "copying") as conn:
        for variant in variants:
            features.VARIANTS[variant].make(conn, variant)
        file = conn.execute("SELECT current_setting('data_directory') || '/rows.copy'").fetchone()
        path = file[0] if file else ""
        query = features.ROWS.format(first=0, last=effort.rows - 1)
        conn.execute(f"COPY ({query}) TO '{path}'".encode())

        def measure(variant: str) -> Taken:
            conn.execute(f"TRUNCATE features.{variant}".encode())
            conn.execute("CHECKPOINT")
            command = f"COPY features.{variant} FROM '{path}'".encode()
            return harness.timed(lambda: conn.execute(command, prepare=False), conn)

        series = Series(variants).run(effort.copy_rounds, measure)
    _show(f"COPY of {effort.rows:,} rows x 20 columns, 18 rules", series, "seconds", 2, cpu=True)
    if not {"none", "bulk"} <= {*variants}:
        return []
    return [
        Goal("COPY, writes: bulk, against no rules", series.ratio("bulk", "none"), 1.15),
        Goal("the same, CPU of the server process", series.cpu_ratio("bulk", "none"), 1.15),
    ]


# --- single rows

_INSERT = """\\set id random(1, 4000000000000000000)
\\set n random(0, 1000000)
INSERT INTO features.$table VALUES (
    :id, '2026-01-01', 'de', 'pro', 'someone@mail.example', 'ios', 20 + :n % 50, :n % 40, :n % 500, :n % 30, 12.50,
    0.25, 0.5, 1.25, true, '2024-01-01 00:00+00', '2026-01-01 12:00+00', NULL,
    '0b0c5d9e-4f5a-4c62-9f6e-0123456789ab', '{"source": 1}')
"""


def insert(server: embedded.Server, effort: Effort, variants: list[str]) -> list[Goal]:
    """INSERT single rows from several clients, each row a transaction."""
    pgbench = harness.find_pgbench()
    rate: Callable[[str], float]
    if pgbench:

        def rate(variant: str) -> float:
            script = _INSERT.replace("$table", variant)
            return harness.pgbench(
                pgbench, server, "inserting", script, clients=CLIENTS, seconds=effort.insert_seconds
            )
    else:
        print("pgbench was not found: the clients are threads of this process, which cost more themselves")
        rate = partial(_threads, server, seconds=effort.insert_seconds)
    with harness.connect(server, "inserting") as conn:
        for variant in variants:
            features.VARIANTS[variant].make(conn, variant)

        def measure(variant: str) -> Taken:
            conn.execute(f"TRUNCATE features.{variant}".encode())
            conn.execute("TRUNCATE pgslo_catalog.fragment")
            conn.execute("CHECKPOINT")
            return Taken(rate(variant))

        series = Series(variants).run(effort.insert_rounds, measure)
    _show(f"INSERT of single rows, {CLIENTS} clients, 18 rules", series, "rows/s", 0)
    return [
        Goal(
            f"single rows, writes: stream, rate against {what}",
            series.ratio("stream", base),
            limit,
            at_least=True,
        )
        for base, what, limit in (("none", "no rules", 0.6), ("checks", "18 native CHECKs", 2))
        if {"stream", base} <= {*variants}
    ]


def _threads(server: embedded.Server, variant: str, *, seconds: int) -> float:
    statement = (
        f"INSERT INTO features.{variant} VALUES (%s, '2026-01-01', 'de', 'pro', 'someone@mail.example', 'ios',"
        " 20, 4, 50, 3, 12.50, 0.25, 0.5, 1.25, true, '2024-01-01 00:00+00', '2026-01-01 12:00+00', NULL,"
        " '0b0c5d9e-4f5a-4c62-9f6e-0123456789ab', '{}')"
    ).encode()
    done = [0] * CLIENTS
    until = time.monotonic() + seconds

    def client(number: int) -> None:
        with psycopg.connect(server.dsn("inserting"), autocommit=True) as conn:
            while time.monotonic() < until:
                conn.execute(statement, (number * 10**9 + done[number],), prepare=True)
                done[number] += 1

    clients = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    return sum(done) / seconds


# --- results


def _show(title: str, series: Series, unit: str, digits: int, *, cpu: bool = False) -> None:
    """Print every variant's median and its ratio to the first."""
    base = series.variants[0]
    rows = []
    for variant in series.variants:
        ratios = series.ratios(variant, base)
        row = [
            features.VARIANTS[variant].label,
            f"{series.median(variant):,.{digits}f}",
            f"{statistics.median(ratios):.2f}",
            f"{ratios[0]:.2f}-{ratios[-1]:.2f}",
        ]
        rows.append([*row, f"{series.cpu_ratio(variant, base):.2f}"] if cpu else row)
    head = ["variant", unit, "ratio", "of rounds", *(["of CPU"] if cpu else [])]
    harness.show_table(f"{title}; {len(series.rounds)} rounds", head, rows)


if __name__ == "__main__":
    main()
