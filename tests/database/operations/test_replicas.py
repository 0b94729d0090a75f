"""Copies of a guarded database: a hot standby warns its readers, a logical subscriber reports unrecorded rows."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgslo import database, embedded
from pgslo.database import installation, operations, planning
from pgslo.definition import load
from pgslo.embedded.account import server_account, temporary_folder

pytestmark = pytest.mark.slow

Connection = psycopg.Connection[Any]

TABLE = "CREATE SCHEMA features; CREATE TABLE features.stats (id integer NOT NULL, day date NOT NULL, age integer, PRIMARY KEY (day, id))"
STATS = """\
table: features.stats
writes: bulk
batch: {by: day}
columns:
  age:
    - range: {min: 0, max: 120}
"""


def guard(connection: Connection) -> None:
    loaded = [load(STATS, path="slos/stats.yml")]

    def plan() -> Any:
        return planning.plan_definitions(connection, loaded)

    assert installation.apply(connection, plan(), plan) == ()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of this test's own, which a server's account can enter."""
    account = server_account()
    with tempfile.TemporaryDirectory(prefix="pgslo-test-", dir=temporary_folder(account)) as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_standby_warns_its_readers_and_is_never_written_to(folder: Path) -> None:
    program = embedded.program("pg_basebackup")
    if program is None:
        pytest.skip("these PostgreSQL binaries have no pg_basebackup")
    with (
        embedded.serve(settings={"fsync": "off"}) as primary,
        psycopg.connect(primary.dsn(), autocommit=True) as writer,
    ):
        writer.execute(TABLE)
        guard(writer)
        standby = _standby_of(primary, folder / "standby", program)
        # Roles and their passwords are the primary's.
        password = psycopg.conninfo.conninfo_to_dict(primary.dsn())["password"]
        where = psycopg.conninfo.make_conninfo(standby.dsn(), password=password)
        try:
            writer.execute("INSERT INTO features.stats VALUES (1, '2026-02-01', 999)")
            position = writer.execute("SELECT pg_current_wal_lsn()").fetchone()
            with psycopg.connect(where, autocommit=True) as reader:
                until(
                    lambda: (
                        reader.execute("SELECT pg_last_wal_replay_lsn() >= %s", position).fetchone()
                        == (True,)
                    )
                )
                said: list[str | None] = []
                reader.add_notice_handler(lambda notice: said.append(notice.message_primary))
                assert reader.execute("SELECT age FROM guarded.stats").fetchall() == [(999,)]
                assert said == ['column "age" of features.stats misses rule "age_range"']
                with pytest.raises(psycopg.Error) as refused:
                    reader.execute("SELECT age FROM guarded.stats_strict")
                assert refused.value.sqlstate == "SL001"
                status = database.fetch(reader, "status")
                assert [(row["definition"], row["open_incidents"]) for row in status] == [
                    ("features.stats", 1)
                ]
                assert operations.find_drift(reader) == ()
        finally:
            embedded.stop(standby.directory)


def _standby_of(primary: embedded.Server, directory: Path, program: Path) -> embedded.Server:
    """A kept server whose data are a copy of another's, and follow it."""
    embedded.start(directory)
    embedded.stop(directory)
    data = directory / "data"
    owner = data.stat()
    shutil.rmtree(data)
    subprocess.run(
        [program, "-d", primary.dsn(), "-D", data, "-R", "-c", "fast"], check=True, capture_output=True
    )
    for path in (data, *data.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)
    return embedded.start(directory)


def test_a_subscriber_says_what_it_cannot_see(
    connection: Connection, empty_dsn: str, empty_connection: Connection
) -> None:
    """Rows that a subscription applies fire no statement trigger; constraints hold, and drift reports the rest."""
    publisher = empty_connection
    if publisher.execute("SHOW wal_level").fetchone() != ("logical",):
        pytest.skip("the server's wal_level is not logical")
    publisher.execute(TABLE)
    publisher.execute("CREATE PUBLICATION stats FOR TABLE features.stats")
    slot = f"slot_{os.getpid()}_{time.monotonic_ns()}"
    publisher.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (slot,))
    connection.execute(TABLE)
    guard(connection)
    connection.execute("INSERT INTO features.stats VALUES (0, '2026-01-31', 3)")
    where = psycopg.conninfo.make_conninfo(empty_dsn).replace("'", "''")
    connection.execute(
        f"CREATE SUBSCRIPTION {slot} CONNECTION '{where}' PUBLICATION stats WITH (create_slot = false, slot_name = '{slot}', copy_data = false)"
    )
    try:
        publisher.execute("INSERT INTO features.stats VALUES (1, '2026-02-01', 999)")
        until(lambda: connection.execute("SELECT count(*) FROM features.stats").fetchone() == (2,))
        assert connection.execute("SELECT count(*) FROM pgslo.incident").fetchone() == (0,)
        found = {(one.what, one.thing) for one in operations.find_drift(connection)}
        assert ("not observed", "table features.stats") in found
        ids = itertools.count(2)

        def is_told() -> bool:
            # Before PostgreSQL 15 a worker tells what it counted only when more comes.
            publisher.execute("INSERT INTO features.stats VALUES (%s, '2026-02-01', 3)", (next(ids),))
            told = {(one.what, one.thing) for one in operations.find_drift(connection)}
            return ("unseen rows", "table features.stats") in told

        until(is_told)
    finally:
        connection.execute(f"ALTER SUBSCRIPTION {slot} DISABLE")
        connection.execute(f"ALTER SUBSCRIPTION {slot} SET (slot_name = NONE)")
        connection.execute(f"DROP SUBSCRIPTION {slot}")
        until(
            lambda: (
                publisher.execute(
                    "SELECT active FROM pg_replication_slots WHERE slot_name = %s", (slot,)
                ).fetchone()
                == (False,)
            )
        )
        publisher.execute("SELECT pg_drop_replication_slot(%s)", (slot,))
