"""The cluster that ``PGSLO_TEST_CITUS_DSN`` names, with a distributed table and a local one that gets the same rows."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from pgslo.database import installation, planning
from pgslo.definition import load

DSN = os.environ.get("PGSLO_TEST_CITUS_DSN", "")

Connection = psycopg.Connection[Any]
TABLE = "(id bigint NOT NULL, day date NOT NULL, a float8, b float8, c float8, d float8, e float8, f float8, PRIMARY KEY (id, day))"
RULES = """
owner: sam
writes: bulk
key: [id, day]
batch: {by: day}
columns:
  a: [range: {min: 0, max: 100, name: r_warn}]
  b: [range: {min: 0, on_breach: quarantine, name: r_q}]
  c: [range: {min: 0, on_breach: reject, name: r_rej}]
  d: [range: {min: 0, on_breach: flag, name: r_flag}]
  e: [repair: {clip: [0, 10]}]
  f: [not_null: {at_least: 0.9}]
"""
BOTH = ("feat.l", "feat.t")


def connect(dsn: str = DSN, **changes: object) -> Connection:
    conn = psycopg.connect(make_conninfo(dsn, **changes), autocommit=True)
    conn.execute("SET client_min_messages = error")
    return conn


def emptied(conn: Connection) -> None:
    # Functions of nodes that were added or removed meanwhile would be left.
    conn.execute("SET citus.multi_shard_modify_mode = 'sequential'")
    for schema in ("guarded", "feat", "pgslo_snapshot", "pgslo_gen", "pgslo", "pgslo_catalog"):
        conn.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE".encode())
    conn.execute("RESET citus.multi_shard_modify_mode")


def apply(conn: Connection, *tables: str) -> None:
    definitions = [load(f"table: {table}{RULES}", path=f"slos/{table}.yml") for table in tables]

    def plan() -> Any:
        return planning.plan_definitions(conn, definitions)

    assert installation.apply(conn, plan(), plan) == ()
    assert plan().empty


@pytest.fixture(scope="module", params=[True, False], ids=["shards on the coordinator", "workers only"])
def cluster(request: pytest.FixtureRequest) -> Iterator[Connection]:
    with connect() as conn:
        emptied(conn)
        conn.execute(
            "SELECT citus_set_node_property(nodename, nodeport, 'shouldhaveshards', %s) FROM pg_dist_node WHERE groupid = 0",
            (request.param,),
        )
        conn.execute("CREATE SCHEMA feat")
        for table in BOTH:
            conn.execute(f"CREATE TABLE {table} {TABLE}".encode())
        conn.execute("SELECT create_distributed_table('feat.t', 'id', shard_count => 8)")
        conn.execute("SET citus.enable_unsafe_triggers = on")
        apply(conn, *BOTH)
        yield conn
        emptied(conn)


def workers(conn: Connection) -> list[tuple[str, int]]:
    return conn.execute(
        "SELECT nodename, nodeport FROM pg_dist_node WHERE groupid <> 0 AND isactive ORDER BY nodeport"
    ).fetchall()


def settled(conn: Connection) -> None:
    """Have everything counted and judged that was written."""
    for _ in range(30):
        conn.execute("SELECT pgslo.tick()")
        if not conn.execute(
            "SELECT FROM pgslo_catalog.due_count UNION ALL SELECT FROM pgslo_catalog.rule_break"
        ).fetchall():
            break
    conn.execute("SELECT pgslo.tick()")


#: What is known of a table: rows and failing rows of batches, missed batches, quarantine, repairs, verdicts.
KNOWN = {
    "batches": "SELECT b.name, b.rows, b.failures FROM pgslo_catalog.batch b WHERE b.definition_id = %(id)s AND b.rows > 0",
    "missed": (
        "SELECT r.name, m.batch FROM pgslo_catalog.missed_batch m JOIN pgslo_catalog.rule r USING (rule_id)"
        " WHERE m.definition_id = %(id)s AND m.ended_at IS NULL"
    ),
    "open": "SELECT r.name FROM pgslo_catalog.incident i JOIN pgslo_catalog.rule r USING (rule_id) WHERE i.definition_id = %(id)s AND i.over_at IS NULL",
    "quarantine": (
        "SELECT operation, row_key, image, image_text, old_key, changed, reasons, state, writer"
        " FROM pgslo_catalog.quarantine WHERE definition_id = %(id)s"
    ),
    "repairs": "SELECT rule_name, column_name, row_key, old_value, new_value, writer FROM pgslo_catalog.repair WHERE definition_id = %(id)s",
    "broken": "SELECT batch, error_code FROM pgslo_catalog.rule_break WHERE definition_id = %(id)s",
}


def known(conn: Connection, table: str) -> dict[str, list[str]]:
    found = conn.execute(
        "SELECT definition_id FROM pgslo_catalog.definition WHERE name = %s", (table,)
    ).fetchone()
    assert found is not None
    told = {name: conn.execute(text, {"id": found[0]}).fetchall() for name, text in KNOWN.items()}
    told["batches"] = [
        (name, rows, {rule: failed for rule, failed in failures.items() if failed})
        for name, rows, failures in told["batches"]
    ]
    told["rows"] = conn.execute(f"SELECT * FROM {table}".encode()).fetchall()
    return {
        name: sorted(json.dumps(row, default=str, sort_keys=True) for row in rows)
        for name, rows in told.items()
    }


def same(conn: Connection) -> dict[str, list[str]]:
    settled(conn)
    local, distributed = (known(conn, table) for table in BOTH)
    assert distributed == local
    assert conn.execute("SELECT count(*) FROM pgslo_gen.outbox__feat__t").fetchone() == (0,)
    return distributed
