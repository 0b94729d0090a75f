"""Every role may LISTEN and NOTIFY: a stranger learns nothing by it, and stops nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import psycopg
import pytest
import rights

from pgslo import embedded
from pgslo.database import runtime

PAY = """
CREATE TABLE features.pay (id int PRIMARY KEY, day date, a int);
"""
OF_PAY = """
table: features.pay
writes: bulk
batch: {by: day}
columns: {a: [range: {min: 0, max: 100, on_breach: flag, name: soft}]}
"""

#: Counts, and keeps the count whatever is rolled back.
COUNTED = """
CREATE SEQUENCE features.ticks;
GRANT USAGE ON SEQUENCE features.ticks TO PUBLIC;
CREATE OR REPLACE FUNCTION pgslo.tick() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$BEGIN
    PERFORM nextval('features.ticks');
    PERFORM pg_sleep(0.2);
END$$;
"""


@pytest.mark.slow
def test_a_flood_of_notifications_ticks_once_a_second(world, world_dsn, tmp_path):
    world.run("superuser", COUNTED)
    mallory = world.session("mallory")
    watch = subprocess.Popen(
        [sys.executable, "-m", "pgslo", "watch", "--tick", "--every", "60"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PGSLO_DSN": world_dsn},
    )
    try:
        assert watch.stderr is not None
        assert watch.stderr.readline() == "watching\n"
        began = time.monotonic()
        while time.monotonic() < began + 5:
            mallory.execute("NOTIFY pgslo_incident_v1, 'x'")
            time.sleep(0.02)
        ((ticks,),) = world.run("superuser", "SELECT last_value FROM features.ticks")
        # It hears of what changes, and at most once a second.
        assert 3 <= ticks <= 7
    finally:
        watch.kill()
        watch.communicate()


def test_a_stranger_who_listens_learns_nothing(world):
    world.run("installer", PAY + "GRANT INSERT ON features.pay TO $writer")
    world.apply(OF_PAY)
    mallory = world.session("mallory")
    mallory.execute("LISTEN pgslo_incident_v1")
    world.run("writer", "INSERT INTO features.pay VALUES (1, '2026-01-01', 500), (2, '2026-01-02', 500)")
    world.run("operator", "SELECT pgslo.tick()")
    world.run("operator", "SELECT pgslo.acknowledge(1)")
    heard = [notice.payload for notice in mallory.notifies(timeout=0.5)]
    assert heard == ['{"version": 1}'] * 2
    assert mallory.execute("SELECT count(*) FROM pgslo.incident_event").fetchone() == (0,)


def test_a_full_queue_stops_neither_tick_nor_operators(server):
    with psycopg.connect(server.dsn()) as there:
        if there.info.server_version < 170000:
            pytest.skip("the size of the queue is a setting since PostgreSQL 17")
    with embedded.serve(settings={"fsync": "off", "max_notify_queue_pages": "64"}) as small:
        sessions = [psycopg.connect(small.dsn(), autocommit=True) for _ in range(4)]
        try:
            _fill_and_act(*sessions)
        finally:
            for session in sessions:
                session.close()


def _fill(session: psycopg.Connection) -> None:
    for number in range(1000):
        session.execute("SELECT pg_notify('x', repeat('a', 7990) || %s)", [number])


def _fill_and_act(
    installer: psycopg.Connection,
    listening: psycopg.Connection,
    sending: psycopg.Connection,
    watching: psycopg.Connection,
) -> None:
    runtime.install(installer)
    installer.execute("CREATE SCHEMA features; CREATE ROLE mallory")
    installer.execute(PAY)
    rights.apply(installer, OF_PAY)
    watching.execute("LISTEN pgslo_incident_v1")
    for session in (listening, sending):
        session.execute("SET SESSION AUTHORIZATION mallory")
    listening.execute("LISTEN x")
    listening.execute("BEGIN; SELECT 1")
    with pytest.raises(psycopg.errors.ProgramLimitExceeded):
        _fill(sending)
    warned = []
    installer.add_notice_handler(lambda notice: warned.append(notice.message_primary))
    installer.execute("INSERT INTO features.pay VALUES (1, '2026-01-01', 500)")
    installer.execute("SELECT pgslo.tick()")
    installer.execute("SELECT pgslo.acknowledge(1)")
    assert warned.count("sessions that listen are not notified of changes of incidents") == 2
    assert installer.execute("SELECT acknowledged_at IS NOT NULL FROM pgslo.incident").fetchone() == (True,)
    assert list(watching.notifies(timeout=0.2)) == []
    # Once there is room again the next tick() notifies.
    listening.execute("ROLLBACK; UNLISTEN *")
    installer.execute("SELECT pgslo.tick()")
    assert [notice.payload for notice in watching.notifies(timeout=2, stop_after=1)] == ['{"version": 1}']
