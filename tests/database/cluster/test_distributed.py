"""Tables that Citus distributes, on the cluster that ``PGSLO_TEST_CITUS_DSN`` names: beside each a local one that gets the same rows.

The database is emptied before and after. The role is a superuser of all nodes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import psycopg
import pytest
from citus import BOTH, DSN, Connection, cluster, connect, same, settled, workers

from pgslo.database import connections, installation, operations, planning
from pgslo.definition import load
from pgslo.errors import DatabaseError

__all__ = ["cluster"]  # the fixture, with its parameters

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DSN, reason="PGSLO_TEST_CITUS_DSN names no cluster"),
    # One database, and one table after the other.
    pytest.mark.xdist_group("citus"),
]


@pytest.fixture
def both(cluster: Connection) -> Iterator[Callable[..., None]]:
    """Runs a statement on both tables; on a worker, for the distributed one, on request."""
    for table in BOTH:
        cluster.execute(f"TRUNCATE {table}".encode())
        cluster.execute(
            "DELETE FROM pgslo_catalog.quarantine q USING pgslo_catalog.definition d"
            " WHERE d.definition_id = q.definition_id AND d.name = %s",
            (table,),
        )
        cluster.execute("DELETE FROM pgslo_catalog.repair")
    settled(cluster)
    host, port = workers(cluster)[0]
    with connect(host=host, port=port) as worker:

        def run(statement: str, *, on_worker: bool = False) -> None:
            cluster.execute(statement.format(t="feat.l").encode())
            (worker if on_worker else cluster).execute(statement.format(t="feat.t").encode())

        yield run


SERIES = (
    "INSERT INTO {t} SELECT i, date '2026-03-01' + i %% 3, i %% 10 - 1, CASE WHEN i %% 50 = 0 THEN -1 ELSE 1 END, 1, i %% 7 - 1, i %% 13,"
    " CASE WHEN i %% 5 = 0 THEN NULL ELSE 1 END FROM generate_series(1, 200) AS i"
).replace("%%", "%")


@pytest.mark.parametrize("on_worker", [False, True])
def test_every_action_and_way_to_write(
    cluster: Connection, both: Callable[..., None], on_worker: bool
) -> None:
    both(SERIES, on_worker=on_worker)
    found = same(cluster)
    assert found["missed"]
    assert found["quarantine"]
    assert found["repairs"]
    both("INSERT INTO {t} VALUES (3001, '2026-03-05', 1, -3, 1, 1, 1, 1)", on_worker=on_worker)
    both("INSERT INTO {t} VALUES (3002, '2026-03-05', 1, 3, 1, 1, 99, 1)", on_worker=on_worker)
    both(
        "INSERT INTO {t} SELECT id + 10000, day + 5, a, b, c, d, e, f FROM {t} WHERE a < 5",
        on_worker=on_worker,
    )
    same(cluster)
    both("UPDATE {t} SET a = 500 WHERE id % 2 = 0", on_worker=on_worker)
    both("UPDATE {t} SET b = -5 WHERE id % 3 = 0", on_worker=on_worker)
    both("UPDATE {t} SET a = 5 WHERE id = 4", on_worker=on_worker)
    same(cluster)
    both("DELETE FROM {t} WHERE a > 100 AND id < 100", on_worker=on_worker)
    both(
        "INSERT INTO {t} VALUES (7, '2026-03-02', 1000, 3, 1, 1, 99, 1) ON CONFLICT (id, day) DO UPDATE SET a = excluded.a",
        on_worker=on_worker,
    )
    same(cluster)
    both("TRUNCATE {t}", on_worker=on_worker)
    assert same(cluster)["batches"] == []
    both(SERIES, on_worker=on_worker)
    same(cluster)


def copied(conn: Connection, table: str, rows: list[tuple[object, ...]]) -> None:
    with conn.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN".encode()) as copy:
        for row in rows:
            copy.write_row(row)


@pytest.mark.usefixtures("both")
def test_copy_and_what_is_rolled_back(cluster: Connection) -> None:
    good: list[tuple[object, ...]] = [
        (number, f"2026-03-0{number % 4 + 1}", number - 5, 1 - number % 40 // 39 * 2, 1, 1, 20, None)
        for number in range(300)
    ]
    rejected: list[tuple[object, ...]] = [
        (number, "2026-03-04", 200, 1, -1, 1, 1, 1) for number in range(1000, 1100)
    ]
    rows = "SELECT i, '2026-03-09', -1, 1, 1, 1, 1, 1 FROM generate_series({}, {}) AS i"
    for table in BOTH:
        copied(cluster, table, good)
        with pytest.raises(psycopg.Error, match='violates rule "r_rej"'):
            copied(cluster, table, rejected)
        with pytest.raises(psycopg.errors.CheckViolation, match="r_rej"):
            cluster.execute(f"INSERT INTO {table} VALUES (3000, '2026-03-05', 1, 1, -1, 1, 1, 1)".encode())
        with cluster.transaction(force_rollback=True):
            cluster.execute(f"INSERT INTO {table} {rows.format(1, 10)}".encode())
        with cluster.transaction():
            cluster.execute(f"INSERT INTO {table} {rows.format(1, 10)}".encode())
            with cluster.transaction(force_rollback=True):
                cluster.execute(f"INSERT INTO {table} {rows.format(11, 15)}".encode())
    assert len(same(cluster)["rows"]) == 300 - 7 + 10


def test_quarantined_rows_are_released(cluster: Connection, both: Callable[..., None]) -> None:
    both("INSERT INTO {t} VALUES (1, '2026-03-01', 1, -3, 1, 1, 1, 1)")
    assert len(same(cluster)["quarantine"]) == 1
    for (number,) in cluster.execute(
        "SELECT quarantine_id FROM pgslo.quarantine WHERE state = 'held'"
    ).fetchall():
        cluster.execute("SELECT pgslo.release(%s, %s::jsonb)", (number, json.dumps({"b": 3})))
    assert len(same(cluster)["rows"]) == 1


def warned(conn: Connection, query: str) -> set[str]:
    """The columns of which a read warns, once the second is over in which a node does not repeat a warning."""
    conn.execute("SELECT pg_sleep(1.1)")
    said: set[str] = set()
    conn.execute("SET client_min_messages = warning")

    def add(diag: psycopg.errors.Diagnostic) -> None:
        said.add(str(diag.message_primary).split('"')[1])

    conn.add_notice_handler(add)
    try:
        conn.execute(query.encode())
    finally:
        conn.remove_notice_handler(add)
        conn.execute("SET client_min_messages = error")
    return said


def test_readers_are_warned_of_what_they_read_on_every_node(
    cluster: Connection, both: Callable[..., None]
) -> None:
    both(
        "INSERT INTO {t} SELECT i, date '2026-03-01' + (i - 1) / 20, i - 10, 1, 1, 1, 1, 1 FROM generate_series(1, 40) AS i"
    )
    same(cluster)
    cluster.execute("DROP ROLE IF EXISTS citus_reader")
    cluster.execute("CREATE ROLE citus_reader LOGIN")
    host, port = workers(cluster)[1]
    with connect(host=host, port=port) as worker:
        for conn in (cluster, worker):
            assert warned(conn, "SELECT count(a) FROM guarded.t") == {"a"}
            assert warned(conn, "SELECT count(e) FROM guarded.t") == set()
            assert warned(conn, "SELECT count(a) FROM guarded.t WHERE day = '2026-03-02'") == set()
            assert warned(conn, "SELECT a FROM guarded.t WHERE id = 30") == set()
            assert warned(conn, "SELECT a FROM guarded.t WHERE id = 5") == {"a"}
            assert warned(conn, "SELECT e FROM guarded.t WHERE id = 5") == set()
            with pytest.raises(psycopg.errors.DatabaseError, match="read refused"):
                conn.execute("SELECT count(a) FROM guarded.t_strict")
            conn.execute("SELECT count(e) FROM guarded.t_strict")
            assert conn.execute(
                "SELECT DISTINCT _slo_status ->> 'state' FROM guarded.t_status"
            ).fetchall() == [("missed",)]
            days = "SELECT array_agg(DISTINCT day::text ORDER BY day::text) FROM guarded.t_healthy"
            assert conn.execute(days).fetchone() == (["2026-03-02"],)
            assert warned(conn, "SELECT count(a) FROM guarded.t_healthy") == set()
            assert conn.execute("SELECT count(*) FROM guarded.t_healthy WHERE id = 5").fetchone() == (0,)
            assert conn.execute("SELECT count(*) FROM guarded.t_healthy WHERE id = 30").fetchone() == (1,)
    cluster.execute("GRANT USAGE ON SCHEMA guarded, pgslo_gen TO citus_reader")
    cluster.execute("GRANT SELECT ON guarded.t, pgslo.told__feat__t TO citus_reader")
    try:
        with cluster.transaction():
            cluster.execute("SET LOCAL ROLE citus_reader")
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="schema feat"):
                cluster.execute("SELECT count(a) FROM guarded.t")
            raise psycopg.Rollback
    finally:
        cluster.execute("REVOKE ALL ON SCHEMA guarded, pgslo_gen FROM citus_reader")
        cluster.execute("REVOKE ALL ON guarded.t, pgslo.told__feat__t FROM citus_reader")
        cluster.execute("DROP ROLE citus_reader")
    both("UPDATE {t} SET a = 1")
    same(cluster)
    assert warned(cluster, "SELECT count(a) FROM guarded.t") == set()


def test_a_condition_that_raises_an_error_for_a_row_fails_the_row_and_no_tick(cluster: Connection) -> None:
    cluster.execute("CREATE TABLE feat.r (id bigint, day date, a int, PRIMARY KEY (id, day))")
    cluster.execute("SELECT create_distributed_table('feat.r', 'id', shard_count => 8)")
    text = """
        {table: feat.r, owner: sam, writes: bulk, key: [id, day], batch: {by: day}, columns: {a: [range: {min: 0}]},
         rules: [inverse: {expression: "10 / a > 0"}]}"""
    definitions = [load(text, path="slos/r.yml")]
    installation.apply(
        cluster,
        planning.plan_definitions(cluster, definitions),
        lambda: planning.plan_definitions(cluster, definitions),
    )
    # The first batch that is known has many rows: it is sampled as a later one would be.
    cluster.execute(
        "INSERT INTO feat.r SELECT i, '2026-05-01', i % 5 - 1 FROM generate_series(1, 20000) AS i"
    )
    settled(cluster)
    of_table = "definition_id = (SELECT definition_id FROM pgslo_catalog.definition WHERE name = 'feat.r')"
    batch = cluster.execute(f"SELECT rows, failures FROM pgslo_catalog.batch WHERE {of_table}".encode())
    assert batch.fetchall() == [(20000, {"a_range": 4000, "inverse": 8000})]
    fragment = cluster.execute(f"SELECT max(level) FROM pgslo_catalog.fragment WHERE {of_table}".encode())
    assert fragment.fetchone() == (4,)
    cluster.execute("DROP TABLE feat.r CASCADE")


def test_a_worker_refuses_and_nothing_moved(cluster: Connection) -> None:
    host, port = workers(cluster)[0]
    with (
        connect(host=host, port=port) as worker,
        pytest.raises(DatabaseError, match="this is a worker of a Citus cluster"),
    ):
        connections.check_node(worker)
    assert [one for one in operations.find_drift(cluster) if one.definition in BOTH and not one.is_hint] == []
