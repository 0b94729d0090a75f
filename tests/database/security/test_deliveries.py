"""No role holds back a message of another one, and one session of a role delivers."""

from __future__ import annotations

import psycopg
import pytest

EX = """
table: features.ex
owner: sam
key: [id]
writes: bulk
batch: {by: day}
columns: {a: [range: {min: 0, max: 100, on_breach: flag, name: a_range}]}
"""
KEY = "r/1/opened/1/1"


def queue(page=1, subject="a message"):
    return f"SELECT pgslo.queue_delivery('{KEY}', 'r', {page}, 'opened', ARRAY[1], '{subject}', 'b')"


@pytest.fixture
def ex(world, role):
    world.run("installer", "CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int)")
    world.run("installer", "GRANT INSERT ON features.ex TO $writer")
    world.apply(EX)
    # Another login with the rights of an operator.
    world.names["second"] = role("second")
    world.run("superuser", "GRANT $operator TO $second")
    return world


def test_a_message_queued_in_advance_holds_nothing_back(ex):
    ex.run("operator", "SELECT pgslo.subscribe('r')")
    with pytest.raises(psycopg.errors.NoDataFound, match="page 1 does not exist"):
        ex.run("second", queue())
    ex.run("writer", "INSERT INTO features.ex VALUES (1, '2026-01-01', 999)")
    ((page, incident),) = ex.run("installer", "SELECT page, incident_id FROM pgslo.incident")
    assert (page, incident) == (1, 1)
    # Faster than the watch, and ended at once.
    assert ex.run("second", queue(subject="nothing to see")) == [(True,)]
    ((forged,),) = ex.run("second", "SELECT delivery_id FROM pgslo.delivery")
    ex.run("second", f"SELECT pgslo.begin_delivery({forged}); SELECT pgslo.end_delivery({forged})")
    assert ex.run("operator", queue()) == [(True,)]
    ((own,),) = ex.run("operator", "SELECT delivery_id FROM pgslo.delivery WHERE sent_at IS NULL")
    # Neither can another role end it, nor begin it, which would put it off.
    ex.run("second", f"SELECT pgslo.begin_delivery({own}); SELECT pgslo.end_delivery({own})")
    assert ex.run("operator", f"SELECT pgslo.begin_delivery({own})") == [(1,)]
    ex.run("operator", f"SELECT pgslo.end_delivery({own})")
    assert ex.run(
        "installer", "SELECT subject FROM pgslo.delivery WHERE sent_at IS NOT NULL ORDER BY delivery_id"
    ) == [
        ("nothing to see",),
        ("a message",),
    ]


def test_one_session_delivers_until_it_ends_however_it_ends(ex):
    ex.session("mallory").execute("SELECT pg_advisory_lock(hashtextextended('pgslo watch', 0))")
    first, second = ex.session("operator"), ex.session("operator")
    take = "SELECT pgslo.watch_deliveries()"
    assert first.execute(take).fetchone() == (None,)
    assert first.execute(take).fetchone() == (None,)
    pid = first.execute("SELECT pg_backend_pid()").fetchone()[0]
    assert f"process {pid}" in second.execute(take).fetchone()[0]
    # The other role delivers its own.
    assert ex.run("second", take) == [(None,)]
    ex.run("superuser", f"SELECT pg_terminate_backend({pid}, 5000)")
    assert second.execute(take).fetchone() == (None,)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        ex.run("mallory", take)


def test_whoever_holds_the_key_of_one_who_has_ended_is_not_taken_for_it(ex):
    first, second = ex.session("operator"), ex.session("operator")
    assert first.execute("SELECT pgslo.watch_deliveries()").fetchone() == (None,)
    ((key, pid),) = ex.run(
        "superuser", "SELECT key, process_id FROM pgslo_catalog.session_lock WHERE name LIKE 'deliveries%'"
    )
    # The key can be read in pg_locks while it is held; here mallory even waits for it.
    shown = ex.run(
        "mallory",
        f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = {pid} AND (classid::bigint << 32 | objid::bigint) = {key}",
    )
    assert shown == [(1,)]
    ex.run("superuser", f"SELECT pg_terminate_backend({pid}, 5000)")
    ex.session("mallory").execute(f"SELECT pg_advisory_lock({key})")
    assert second.execute("SELECT pgslo.watch_deliveries()").fetchone() == (None,)


def test_a_transaction_left_open_names_itself(ex):
    first, second = ex.session("operator"), ex.session("operator")
    first.execute("BEGIN")
    assert first.execute("SELECT pgslo.watch_deliveries()").fetchone() == (None,)
    pid = first.execute("SELECT pg_backend_pid()").fetchone()[0]
    assert f"process {pid}" in second.execute("SELECT pgslo.watch_deliveries()").fetchone()[0]
