"""A server that is killed loses nothing that it acknowledged, and counts nothing twice."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from pgslo import definition, embedded
from pgslo.database import installation, planning

#: Twenty cycles take minutes: PGSLO_CRASHES=20.
CYCLES = int(os.environ.get("PGSLO_CRASHES", "3"))
WRITERS = 4
DEFINITION = """
table: public.loaded
writes: bulk
batch: {by: day}
columns:
  a: [{range: {max: 100, on_breach: flag}}]
"""

pytestmark = pytest.mark.slow


class Writer(threading.Thread):
    """Inserts, updates and deletes rows of its own until the server is down, and remembers the acknowledged ones."""

    def __init__(self, dsn: str, number: int) -> None:
        super().__init__(daemon=True)
        self.dsn = dsn
        self.rng = random.Random(number)
        self.number = number
        self.acknowledged = 0

    def run(self) -> None:
        with contextlib.suppress(psycopg.Error), psycopg.connect(self.dsn, autocommit=True) as connection:
            while True:
                rows = self.rng.randint(1, 50)
                inserted = connection.execute(
                    "INSERT INTO loaded (writer, day, a) SELECT %s, %s, %s + n FROM generate_series(1, %s) n",
                    (self.number, self.rng.randint(1, 3), self.rng.choice([0, 80]), rows),
                )
                self.acknowledged += inserted.rowcount
                connection.execute(
                    "UPDATE loaded SET a = a + 30 WHERE writer = %s AND id %% 7 = 0 AND a < 200",
                    (self.number,),
                )


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the account which runs the server may enter; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory(prefix="pgslo-crash-") as name:
        Path(name).chmod(0o755)
        yield Path(name) / "server"


def test_kill_9_in_the_middle_of_writes_and_ticks(folder):
    server = embedded.start(folder)
    try:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute(
                "CREATE TABLE loaded (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, writer int, day int, a int)"
            )
            loaded = [definition.load(DEFINITION, path="slos/loaded.yml")]

            def plan():
                return planning.plan_definitions(connection, loaded)

            assert installation.apply(connection, plan(), plan) == ()
        acknowledged = 0
        for cycle in range(CYCLES):
            writers = [Writer(server.dsn(), cycle * WRITERS + number) for number in range(WRITERS)]
            for writer in writers:
                writer.start()
            with (
                contextlib.suppress(psycopg.Error),
                psycopg.connect(server.dsn(), autocommit=True) as ticking,
            ):
                until = time.monotonic() + 1.5
                while time.monotonic() < until:
                    ticking.execute("SELECT pgslo.tick()")
                os.kill(server.pid, signal.SIGKILL)
            for writer in writers:
                writer.join(timeout=30)
                acknowledged += writer.acknowledged
            server = embedded.start(folder)
            with psycopg.connect(server.dsn(), autocommit=True) as connection:
                stored = connection.execute("SELECT count(*) FROM loaded").fetchone()
                assert stored is not None
                assert stored[0] >= acknowledged > 0, f"cycle {cycle}: an acknowledged row is gone"
                while connection.execute("SELECT pgslo.tick()").fetchone() == (True,):
                    pass
                counted = connection.execute(
                    """SELECT name, rows, coalesce((present ->> 'a')::bigint, 0), coalesce((failures ->> 'a_range')::bigint, 0)
                       FROM pgslo_catalog.batch ORDER BY name"""
                ).fetchall()
                there = connection.execute(
                    "SELECT day::text, count(*), count(a), count(*) FILTER (WHERE a > 100) FROM loaded GROUP BY day ORDER BY 1"
                ).fetchall()
                assert counted == there, f"cycle {cycle}"
                acknowledged = stored[0]
    finally:
        embedded.stop(folder)
