"""What rules cost those who write: python -m benchmarks.write_overhead.

Loads with COPY, single-row INSERTs of several clients, and whether either grows dearer with the history kept.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import psycopg
from benchmarks import features, harness
from benchmarks.harness import Connection, Goal, Series, Taken

from pgslo import embedded

CLIENTS = 8


@dataclass(frozen=True)
class Effort:
    """How much is measured, and how often."""

    rows: int
    copy_rounds: int
    insert_rounds: int
    insert_seconds: int
    history_rows: int
    history_batches: int
    history_rounds: int


FULL = Effort(1_000_000, 5, 7, 4, 1_000_000, 10_000, 15)
QUICK = Effort(100_000, 3, 3, 2, 100_000, 1_000, 5)


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows, fewer rounds")
    parser.add_argument(
        "--only", choices=("copy", "insert", "history"), help="one of the measurements; default: all"
    )
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
        if given.only in (None, "history"):
            goals += history(server, effort)
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


# --- history


def history(server: embedded.Server, effort: Effort) -> list[Goal]:
    """The same statements with a short and with a long history behind them."""
    ages = {"young": (10_000, 10, 0), "old": (effort.history_rows, effort.history_batches, 10_000)}
    conns = {name: _lived(server, name, *age) for name, age in ages.items()}
    goals = []
    rows = []
    for what, work in _STATEMENTS.items():
        series = Series(list(ages))
        series.run(1, lambda age, work=work: work(conns[age]))
        series.rounds.clear()
        series.run(effort.history_rounds, lambda age, work=work: work(conns[age]))
        clock, cpu = series.ratio("old", "young"), series.cpu_ratio("old", "young")
        rows.append(
            [
                what,
                f"{series.median('young') * 1e6:,.0f}",
                f"{series.median('old') * 1e6:,.0f}",
                f"{clock:.2f}",
                f"{cpu:.2f}",
            ]
        )
        goals.append(Goal(f"old against young, {what}, CPU of the server process", cpu, 1.05))
    harness.show_table(
        f"A short and a long history: table of 10,000 / {effort.history_rows:,} rows,"
        f" 10 / {effort.history_batches:,} batches, 0 / 10,000 resolved incidents; {effort.history_rounds} rounds",
        ["statement", "young, us", "old, us", "ratio", "of CPU"],
        rows,
    )
    for conn in conns.values():
        conn.close()
    return goals


def _lived(server: embedded.Server, name: str, rows: int, batches: int, incidents: int) -> Connection:
    """A database with tables of that many rows, batches and resolved incidents behind them."""
    conn = harness.connect(server, name)
    for table, mode in (("none", None), ("bulk", "bulk"), ("stream", "stream"), ("ailing", "bulk")):
        features.create(conn, table)
        features.fill(conn, table, 0, rows - 1)
        if mode is None:
            continue
        harness.guard(conn, features.definition(table, mode))
        conn.execute(
            """
            INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows, failures)
            SELECT d.definition_id, day::date, extract(epoch FROM day), 1000, CASE WHEN n %% 10 = 0 THEN '{"device_length": 1}'::jsonb END
            FROM pgslo_catalog.definition d, generate_series(1, %s) AS n,
                 LATERAL (SELECT timestamp '2026-01-01' - n * interval '1 day' AS day)
            WHERE d.name = %s""",
            (batches, f"features.{table}"),
        )
        conn.execute(
            """
            INSERT INTO pgslo_catalog.incident (definition_id, rule_id, opened_batch, opened_place, resolved_at, resolved_batch, resolved_place, resolution)
            SELECT r.definition_id, r.rule_id, 'then', n, now(), 'later', n, 'met'
            FROM pgslo_catalog.rule r JOIN pgslo_catalog.definition d USING (definition_id), generate_series(1, %s) AS n
            WHERE d.name = %s AND r.name = 'device_length'""",
            (incidents, f"features.{table}"),
        )
    conn.execute(
        """
        INSERT INTO pgslo_catalog.incident (definition_id, rule_id, opened_batch, opened_place)
        SELECT r.definition_id, r.rule_id, 'first', (SELECT min(f.place) FROM pgslo_catalog.fragment f)
        FROM pgslo_catalog.rule r JOIN pgslo_catalog.definition d USING (definition_id)
        WHERE d.name = 'features.ailing' AND r.name = 'device_length'"""
    )
    conn.execute("VACUUM ANALYZE")
    conn.execute("CHECKPOINT")
    return conn


_NEXT = {"id": 10_000_000}


def _write(table: str, rows: int, repeats: int, conn: Connection) -> Taken:
    """One INSERT; its rows are made beforehand, and are gone afterwards."""
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


def _read(table: str, column: str, conn: Connection) -> Taken:
    """A look-up of a guarded column by key."""
    query = (
        f"SELECT {column} FROM guarded.{table} WHERE user_id = %s AND feature_date = '2026-01-01'".encode()
    )
    return _middle(
        [
            harness.timed(lambda number=number: conn.execute(query, (number,), prepare=True).fetchone(), conn)
            for number in range(50)
        ]
    )


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
    "look-up of a guarded column": partial(_read, "bulk", "age"),
    "look-up of a column whose incident is open since the first batch": partial(_read, "ailing", "device"),
}


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
