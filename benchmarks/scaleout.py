"""What guarding a table costs that Citus distributes: python -m benchmarks.scaleout.

``PGSLO_TEST_CITUS_DSN`` names the coordinator of a cluster, where database objects in the schemas of pgslo, and
``features``, are dropped and made again. The same table is measured beside it on one server, the coordinator alone.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import psycopg
from benchmarks import features, harness
from benchmarks.harness import Connection, Goal, Series, Taken
from psycopg.conninfo import make_conninfo

SHARDS = 32
SCHEMAS = ("guarded", "features", "pgslo_snapshot", "pgslo_gen", "pgslo", "pgslo_catalog")
#: Where the rows are, and whether they are guarded.
TABLES = {
    "local": ("one server, no rules", False, False),
    "local_guarded": ("one server, pgslo", False, True),
    "shards": (f"{SHARDS} shards, no rules", True, False),
    "shards_guarded": (f"{SHARDS} shards, pgslo", True, True),
}


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--reads", type=int, default=2_000, help="reads by key in each measurement")
    given = parser.parse_args()
    dsn = os.environ.get("PGSLO_TEST_CITUS_DSN")
    if not dsn:
        raise SystemExit("Name the coordinator of a Citus cluster: PGSLO_TEST_CITUS_DSN=postgresql://…")
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.add_notice_handler(lambda _: None)
        try:
            make(conn)
            goals = copy(conn, given.rows, given.rounds)
            goals += read(conn, dsn, given.reads, given.rounds)
        finally:
            drop(conn)
    harness.show_goals(goals)


def make(conn: Connection) -> None:
    """Make the four tables, two of them distributed, two of them guarded."""
    drop(conn)
    conn.execute("SET citus.enable_unsafe_triggers = on")
    for table, (_, is_distributed, is_guarded) in TABLES.items():
        features.create(conn, table)
        if is_distributed:
            conn.execute(
                "SELECT create_distributed_table(%s, 'user_id', shard_count => %s)",
                (f"features.{table}", SHARDS),
            )
        if is_guarded:
            harness.guard(conn, features.definition(table, "bulk", share=True))


def drop(conn: Connection) -> None:
    """Drop the schemas on every node."""
    conn.execute("SET citus.multi_shard_modify_mode = 'sequential'")
    for schema in SCHEMAS:
        conn.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE".encode())
    conn.execute("RESET citus.multi_shard_modify_mode")


def copy(conn: Connection, rows: int, rounds: int) -> list[Goal]:
    """COPY the same rows into each table; then run the ticks that count and evaluate them."""
    ticks: dict[str, list[float]] = {table: [] for table in TABLES}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.copy"
        with (
            path.open("wb") as file,
            conn.cursor().copy(
                f"COPY ({features.ROWS.format(first=0, last=rows - 1)}) TO STDOUT".encode()
            ) as out,
        ):
            for data in out:
                file.write(data)

        def measure(table: str) -> Taken:
            conn.execute(f"TRUNCATE features.{table}".encode())
            conn.execute("SELECT pgslo.tick()")
            conn.execute("CHECKPOINT")

            def load() -> None:
                with (
                    path.open("rb") as file,
                    conn.cursor().copy(f"COPY features.{table} FROM STDIN".encode()) as into,
                ):
                    while data := file.read(1 << 20):
                        into.write(data)

            taken = harness.timed(load)
            ticks[table].append(harness.timed(lambda: settle(conn)).value)
            return taken

        series = Series(list(TABLES)).run(rounds, measure)
    body = []
    for table, (label, _, is_guarded) in TABLES.items():
        base = table.removesuffix("_guarded")
        body.append((
            label,
            f"{series.median(table):.2f}",
            f"{series.ratio(table, base):.2f}" if is_guarded else "",
            f"{sorted(ticks[table])[rounds // 2]:.2f}" if is_guarded else "",
        ))  # fmt: skip
    harness.show_table(
        f"COPY of {rows:,} rows x 20 columns, 18 rules",
        ("table", "seconds", "ratio", "ticks afterwards"),
        body,
    )
    _check(conn, rows)
    return [Goal("COPY into shards, against no rules", series.ratio("shards_guarded", "shards"), 1.4)]


def settle(conn: Connection) -> None:
    """Run ticks until every batch is counted, and every rule is evaluated; each tick takes a bounded time."""
    due = "SELECT FROM pgslo_catalog.due_count UNION ALL SELECT FROM pgslo_catalog.rule_break"
    conn.execute("SELECT pgslo.tick()")
    while conn.execute(due).fetchone() is not None:
        conn.execute("SELECT pgslo.tick()")


def _check(conn: Connection, rows: int) -> None:
    counted = conn.execute(
        "SELECT d.name, sum(b.rows) FROM pgslo_catalog.batch b JOIN pgslo_catalog.definition d USING (definition_id) GROUP BY 1"
    ).fetchall()
    wrong = [f"{name}: {number}" for name, number in counted if number != rows]
    if wrong or len(counted) != 2:
        raise SystemExit(f"{rows} rows were copied, but counted were {', '.join(wrong) or counted}")


def read(conn: Connection, dsn: str, reads: int, rounds: int) -> list[Goal]:
    """Read single rows by key, which Citus sends to one node, from the coordinator and from a worker."""
    worker = conn.execute(
        "SELECT nodename, nodeport FROM pg_dist_node WHERE groupid <> 0 AND isactive ORDER BY nodeport LIMIT 1"
    ).fetchone()
    nodes = {"coordinator": dsn}
    if worker:
        nodes["worker"] = make_conninfo(dsn, host=worker[0], port=worker[1])
    goals, body = [], []
    for node, address in nodes.items():
        with psycopg.connect(address, autocommit=True, prepare_threshold=0) as reader:
            reader.add_notice_handler(lambda _: None)

            def measure(relation: str, reader: Connection = reader) -> Taken:
                query = f"SELECT age, country FROM {relation} WHERE user_id = %s".encode()
                begin = time.perf_counter()
                for number in range(reads):
                    reader.execute(query, (number,)).fetchall()
                return Taken((time.perf_counter() - begin) / reads * 1e6)

            series = Series(("features.shards", "guarded.shards_guarded")).run(rounds, measure)
            more = series.difference("guarded.shards_guarded", "features.shards")
            body.append((node, f"{series.median('features.shards'):.0f}", f"{more:+.0f}"))
            goals.append(Goal(f"a read by key through the guarded view, on the {node}", more, 200, unit="us"))
    harness.show_table(
        f"{reads:,} reads by key, prepared", ("node", "us a read of the table", "guarded"), body
    )
    return goals


if __name__ == "__main__":
    main()
