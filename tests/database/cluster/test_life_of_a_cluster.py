"""Shards that move and split, a worker that is killed, a table that is taken out of the cluster: tables are what their batches say.

``PGSLO_TEST_CITUS_RESTART`` is a command that kills the worker of a port, its last argument, and starts it again.
"""

from __future__ import annotations

import contextlib
import os
import random
import shlex
import subprocess
import threading
import time
from typing import Self

import psycopg
import pytest
from citus import BOTH, DSN, Connection, apply, cluster, connect, settled, workers

from pgslo.database import operations

__all__ = ["cluster"]  # the fixture, with its parameters

RESTART = os.environ.get("PGSLO_TEST_CITUS_RESTART", "")
SECONDS = float(os.environ.get("PGSLO_TEST_CITUS_SECONDS", "20"))
WRITERS = 16
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DSN, reason="PGSLO_TEST_CITUS_DSN names no cluster"),
    pytest.mark.xdist_group("citus"),
]


class Writers:
    """Sixteen of them, on every node; acknowledged rows are in the list, uncertain ones are not."""

    def __init__(self, nodes: list[tuple[str, int]]) -> None:
        self.until = time.monotonic() + SECONDS
        self.threads = [
            threading.Thread(target=self._write, args=(number, *nodes[number % len(nodes)]))
            for number in range(WRITERS)
        ]
        self.failed = 0

    def __enter__(self) -> Self:
        for one in self.threads:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in self.threads:
            one.join()

    def _write(self, writer: int, host: str, port: int) -> None:
        chosen = random.Random(writer)
        row = writer * 1_000_000
        while time.monotonic() < self.until:
            with contextlib.suppress(psycopg.OperationalError), connect(host=host, port=port) as conn:
                while time.monotonic() < self.until:
                    row += 20
                    day = f"2026-04-0{chosen.randint(1, 5)}"
                    what = chosen.randint(0, 5)
                    try:
                        if what < 3:
                            conn.execute(
                                "INSERT INTO feat.t SELECT i, %s, i %% 7 - 1, i %% 11 - 1, 1, i %% 5 - 1, i %% 13, nullif(i %% 3, 0)"
                                " FROM generate_series(%s::int, %s::int) AS i",
                                (day, row, row + chosen.randint(0, 15)),
                            )
                        elif what == 3:
                            conn.execute("INSERT INTO feat.t VALUES (%s, %s, -1, 1, 1, 1, 1, 1)", (row, day))
                        elif what == 4:
                            conn.execute(
                                "UPDATE feat.t SET a = -a WHERE id BETWEEN %s AND %s", (row - 100, row)
                            )
                        else:
                            conn.execute("DELETE FROM feat.t WHERE id = %s", (row - 20,))
                    except psycopg.OperationalError:
                        self.failed += 1
                        raise
                    except psycopg.Error:
                        self.failed += 1
                        with contextlib.suppress(psycopg.Error):
                            conn.rollback()


def nodes_of(conn: Connection) -> list[tuple[str, int]]:
    return conn.execute(
        "SELECT nodename, nodeport FROM pg_dist_node WHERE isactive ORDER BY nodeport"
    ).fetchall()


def shards_of(conn: Connection) -> list[tuple[int, str, int]]:
    return conn.execute(
        "SELECT shardid, nodename, nodeport FROM citus_shards WHERE table_name = 'feat.t'::regclass ORDER BY shardid"
    ).fetchall()


def again(conn: Connection, statement: str, parameters: tuple[object, ...]) -> None:
    """Citus cancels a move that waits for writers who wait for it, as a deadlock."""
    for _ in range(50):
        with contextlib.suppress(psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable):
            conn.execute(statement.encode(), parameters)
            return
    pytest.fail("no moment came in which a shard could move")


def counted(conn: Connection) -> None:
    """What pgslo knows of each batch is what the table has, as a local copy of its rows is judged."""
    settled(conn)
    conn.execute("TRUNCATE feat.l")
    conn.execute("SELECT pgslo.tick()")
    conn.execute("INSERT INTO feat.l SELECT * FROM feat.t")
    settled(conn)
    known = [
        conn.execute(
            "SELECT b.name, b.rows, (SELECT jsonb_object_agg(e.key, e.value) FROM jsonb_each(b.failures) AS e WHERE e.value <> '0')"
            " FROM pgslo_catalog.batch b JOIN pgslo_catalog.definition d USING (definition_id)"
            " WHERE d.name = %s AND b.rows > 0 ORDER BY b.name",
            (table,),
        ).fetchall()
        for table in BOTH
    ]
    assert known[1] == known[0]
    missed = [
        conn.execute(
            "SELECT r.name, m.batch FROM pgslo_catalog.missed_batch m JOIN pgslo_catalog.rule r USING (rule_id)"
            " JOIN pgslo_catalog.definition d ON d.definition_id = r.definition_id"
            " WHERE d.name = %s AND m.ended_at IS NULL AND r.mechanism <> 'row trigger' ORDER BY 1, 2",
            (table,),
        ).fetchall()
        for table in BOTH
    ]
    assert missed[1] == missed[0]


def test_sixteen_writers_while_shards_move_and_split_and_a_worker_dies(cluster: Connection) -> None:
    cluster.execute("TRUNCATE feat.t")
    nodes = nodes_of(cluster)
    with Writers(nodes) as writers, connect() as mover, connect() as ticker:
        shard, host, port = shards_of(mover)[0]
        target = next(one for one in workers(mover) if one != (host, port))
        again(
            mover,
            "SELECT citus_move_shard_placement(%s, %s, %s, %s, %s, 'block_writes')",
            (shard, host, port, *target),
        )
        ticker.execute("SELECT pgslo.tick()")
        middle = mover.execute(
            "SELECT ((shardminvalue::bigint + shardmaxvalue::bigint) / 2)::text FROM pg_dist_shard WHERE shardid = %s",
            (shard,),
        ).fetchone()
        assert middle is not None
        numbers = mover.execute(
            "SELECT ARRAY[nodeid, nodeid] FROM pg_dist_node WHERE nodeport = %s AND nodename = %s",
            (target[1], target[0]),
        ).fetchone()
        assert numbers is not None
        split = "SELECT citus_split_shard_by_split_points(%s, ARRAY[%s], %s, 'block_writes')"
        again(mover, split, (shard, middle[0], numbers[0]))
        if RESTART:
            subprocess.run([*shlex.split(RESTART), str(workers(mover)[-1][1])], check=True)
        while time.monotonic() < writers.until:
            with contextlib.suppress(psycopg.Error):
                ticker.execute("SELECT pgslo.tick()")
            time.sleep(0.5)
    counted(cluster)
    (rows, held) = cluster.execute(
        "SELECT (SELECT count(*) FROM feat.t), (SELECT count(*) FROM pgslo_catalog.quarantine q"
        " JOIN pgslo_catalog.definition d USING (definition_id) WHERE d.name = 'feat.t')"
    ).fetchone() or (0, 0)
    assert rows > WRITERS
    assert held > WRITERS
    assert cluster.execute(
        "SELECT count(*) - count(DISTINCT (row_key, image_text)) FROM pgslo_catalog.quarantine"
    ).fetchone() == (0,)


def test_a_logical_move_of_a_shard(cluster: Connection) -> None:
    shard, host, port = shards_of(cluster)[-1]
    target = next(one for one in workers(cluster) if one != (host, port))
    cluster.execute("SELECT replicate_reference_tables('force_logical')")
    cluster.execute(
        "SELECT citus_move_shard_placement(%s, %s, %s, %s, %s, 'force_logical')", (shard, host, port, *target)
    )
    cluster.execute(
        "INSERT INTO feat.t SELECT i, '2026-05-01', -1, 1, 1, 1, 1, 1 FROM generate_series(1, 200) AS i"
    )
    counted(cluster)
    # Its new shard has the trigger of a table that is emptied; other shards do not.
    cluster.execute("TRUNCATE feat.t")
    counted(cluster)


def test_other_shards_and_none_at_all(cluster: Connection) -> None:
    cluster.execute("TRUNCATE feat.t")
    cluster.execute("TRUNCATE feat.l")
    for conn_table in BOTH:
        cluster.execute(
            f"INSERT INTO {conn_table} SELECT i, '2026-06-01', i % 5 - 1, 1, 1, 1, 1, 1 FROM generate_series(1, 100) AS i".encode()
        )
    # Nothing of this was taken over before.
    cluster.execute("INSERT INTO feat.t VALUES (1001, '2026-06-01', 1, -1, 1, 1, 1, 1)")
    cluster.execute(
        "SELECT alter_distributed_table('feat.t', shard_count => 4, cascade_to_colocated => true)"
    )
    cluster.execute(
        "INSERT INTO feat.t SELECT i, '2026-06-02', -1, 1, 1, 1, 1, 1 FROM generate_series(1, 50) AS i"
    )
    apply(cluster, *BOTH)
    cluster.execute(
        "INSERT INTO feat.t SELECT i, '2026-06-03', -1, 1, 1, 1, 1, 1 FROM generate_series(1, 50) AS i"
    )
    counted(cluster)
    cluster.execute("INSERT INTO feat.t VALUES (1002, '2026-06-01', 1, -1, 1, 1, 1, 1)")
    cluster.execute("SELECT undistribute_table('feat.t')")
    apply(cluster, *BOTH)
    cluster.execute(
        "INSERT INTO feat.t SELECT i, '2026-06-04', -1, 1, 1, 1, 1, 1 FROM generate_series(1, 50) AS i"
    )
    counted(cluster)
    assert [one for one in operations.find_drift(cluster) if one.definition in BOTH and not one.is_hint] == []
    held = cluster.execute(
        "SELECT q.row_key FROM pgslo_catalog.quarantine q JOIN pgslo_catalog.definition d USING (definition_id)"
        " WHERE d.name = 'feat.t' AND q.row_key LIKE '%2026-06-01)' ORDER BY 1"
    ).fetchall()
    assert held == [("(id, day) = (1001, 2026-06-01)",), ("(id, day) = (1002, 2026-06-01)",)]
