"""An operator switches rules off in the open: it stays on record, and rows written meanwhile do not count as judged."""

from __future__ import annotations

import concurrent.futures

import psycopg
import pytest

DEFINITION = """
table: features.ex
key: [id]
writes: {writes}
batch: {{by: day}}
objective: {{target: 0.9, window: 1000 days}}
columns:
  a:
    - range: {{min: 0, max: 100, on_breach: flag, name: small}}
  b:
    - range: {{min: 0, max: 100, on_breach: {action}, name: kept_out}}
readers: [$reader]
"""


@pytest.fixture
def ex(world):
    world.run(
        "installer",
        "CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int, b int); GRANT ALL ON features.ex TO $writer",
    )
    world.run("installer", "CREATE INDEX ON features.ex (day)")
    return world


def apply(world, *, writes="bulk", action="flag"):
    world.apply(DEFINITION.format(writes=writes, action=action))
    world.run("writer", "INSERT INTO features.ex VALUES (1, '2026-01-01', 1, 1)")
    world.run("operator", "SELECT pgslo.tick()")


def warned(world, column):
    """The warnings of a reader of the column."""
    session = world.session("reader")
    told = []
    session.add_notice_handler(lambda notice: told.append((notice.constraint_name, notice.message_detail)))
    session.execute(f"SELECT {column} FROM guarded.ex".encode())
    return told


@pytest.mark.parametrize("writes", ["bulk", "stream"])
@pytest.mark.parametrize(
    "written",
    [
        "INSERT INTO features.ex VALUES (2, '2026-01-01', 999, 1), (3, '2026-01-02', 999, 1)",
        "UPDATE features.ex SET a = 999",
        "INSERT INTO features.ex VALUES (2, '2026-01-05', 999, 1)",
    ],
)
def test_rows_written_during_a_pause_are_judged_by_the_next_tick(ex, writes, written):
    apply(ex, writes=writes)
    ex.run("operator", "SELECT pgslo.pause('features.ex')")
    ((rule, detail),) = warned(ex, "a")
    assert rule == "small"
    assert ex.names["operator"] in detail
    ex.run("writer", written)
    ex.run("operator", "SELECT pgslo.resume('features.ex')")
    ((_, detail),) = warned(ex, "a")
    assert "were not judged" in detail
    ex.run("operator", "SELECT pgslo.tick()")
    assert ex.run("reader", "SELECT rule FROM pgslo.incident WHERE over_at IS NULL") == [("small",)]
    ((rule, _),) = warned(ex, "a")
    assert rule == "small"
    assert warned(ex, "b") == []
    assert ex.run("reader", "SELECT rows_written FROM pgslo.pause") == [("judged",)]
    assert ex.run("installer", "SELECT count(*) FROM pgslo_catalog.rule_break") == [(0,)]


def test_a_pause_in_which_nothing_was_written_leaves_no_warning(ex):
    apply(ex, action="quarantine")
    ex.run("operator", "SELECT pgslo.close_batch('features.ex')")
    ex.run("operator", "SELECT pgslo.pause(); SELECT pgslo.resume(); SELECT pgslo.tick()")
    assert warned(ex, "a, b") == []
    assert ex.run("reader", "SELECT state FROM pgslo.budget WHERE rule = 'small'") == [("met",)]


def test_a_pause_counts_as_met_for_no_batch(ex):
    apply(ex)
    ex.run("operator", "SELECT pgslo.close_batch('features.ex')")
    assert ex.run("reader", "SELECT judged FROM pgslo.budget WHERE rule = 'small'") == [(1,)]
    ex.run("operator", "SELECT pgslo.pause('features.ex')")
    ex.run("writer", "INSERT INTO features.ex VALUES (2, '2026-01-02', 1, 1)")
    ex.run("operator", "SELECT pgslo.close_batch('features.ex')")
    assert ex.run("reader", "SELECT judged, state FROM pgslo.budget WHERE rule = 'small'") == [(0, "unknown")]


@pytest.mark.parametrize("action", ["reject", "quarantine"])
def test_rules_that_cannot_judge_what_was_written_say_so_until_it_is_accepted(ex, action):
    apply(ex, action=action)
    ex.run("operator", "SELECT pgslo.pause('features.ex')")
    ex.run("writer", "INSERT INTO features.ex VALUES (2, '2026-01-01', 1, 999)")
    ex.run("operator", "SELECT pgslo.resume('features.ex'); SELECT pgslo.tick()")
    ((rule, detail),) = warned(ex, "b")
    assert rule == "kept_out"
    assert "were not judged" in detail
    assert warned(ex, "a") == []
    assert ex.run("reader", "SELECT rows_written FROM pgslo.pause") == [("not judged",)]
    for part in ("reader", "writer", "mallory", "trainer", "auditor", "steward"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ex.run(part, "SELECT pgslo.accept_pause('features.ex')")
    assert ex.run("operator", "SELECT pgslo.accept_pause('features.ex')") == [(1,)]
    assert warned(ex, "a, b") == []
    operator = ex.names["operator"]
    assert ex.run("reader", "SELECT paused_by, resumed_by, rows_written, accepted_by FROM pgslo.pause") == [
        (operator, operator, "accepted", operator)
    ]


def test_rows_of_a_transaction_that_ends_after_the_pause_are_judged(ex):
    apply(ex)
    ex.run("operator", "SELECT pgslo.pause('features.ex')")
    writer = ex.session("writer")
    writer.execute("BEGIN; INSERT INTO features.ex VALUES (2, '2026-01-02', 999, 1)")
    ex.run("operator", "SELECT pgslo.resume('features.ex'); SELECT pgslo.tick()")
    assert ex.run("reader", "SELECT rows_written FROM pgslo.pause") == [("waiting for tick",)]
    assert "were not judged" in warned(ex, "a")[0][1]
    writer.execute("COMMIT")
    ex.run("operator", "SELECT pgslo.tick()")
    assert ex.run("reader", "SELECT rule, opened_batch FROM pgslo.incident") == [("small", "2026-01-02")]


def test_the_record_stays_and_is_shown_to_who_may_know_of_the_table(ex):
    apply(ex)
    session = ex.session("operator")
    session.execute("SELECT pgslo.pause('features.ex')")
    assert ex.run("reader", "SELECT paused_at IS NOT NULL FROM pgslo.status") == [(True,)]
    session.execute("SELECT pgslo.resume('features.ex')")
    assert ex.run("reader", "SELECT paused_at FROM pgslo.status") == [(None,)]
    session.execute("SELECT pgslo.pause('features.ex')")
    assert ex.run("reader", "SELECT count(*), count(resumed_at) FROM pgslo.pause") == [(2, 1)]
    assert ex.run("mallory", "SELECT * FROM pgslo.pause") == []
    for statement in (
        "DELETE FROM pgslo.pause",
        "DELETE FROM pgslo_catalog.pause",
        "UPDATE pgslo_catalog.pause SET paused_by = 'x'",
    ):
        with pytest.raises(psycopg.Error):
            ex.run("operator", statement)


def test_of_a_table_of_another_role(world):
    world.run("superuser", "GRANT $mallory TO $installer")
    world.run(
        "mallory",
        """CREATE TABLE evil.ex (id int PRIMARY KEY, day date, a int, b int); CREATE INDEX ON evil.ex (day);
           GRANT USAGE ON SCHEMA evil TO $writer; GRANT INSERT ON evil.ex TO $writer""",
    )
    world.apply(DEFINITION.format(writes="bulk", action="flag").replace("features.ex", "evil.ex"))
    world.run("operator", "SELECT pgslo.pause('evil.ex')")
    world.run("writer", "INSERT INTO evil.ex VALUES (2, '2026-01-01', 999, 1)")
    world.run("operator", "SELECT pgslo.resume('evil.ex'); SELECT pgslo.tick()")
    assert world.run("installer", "SELECT rule FROM pgslo.incident") == [("small",)]


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_a_statement_that_began_during_a_pause_is_waited_for_though_it_has_stored_nothing_yet(ex, writes):
    """It goes on with the functions of the pause, and has no transaction number until it stores its first row."""
    apply(ex, writes=writes, action="quarantine")
    ex.run("operator", "SELECT pgslo.pause('features.ex')")
    # The first row meets another and is not stored; then the statement waits.
    late = """
        INSERT INTO features.ex
        SELECT g, '2026-01-01', 1, 999
        FROM generate_series(1, 2) g, LATERAL (SELECT CASE g WHEN 2 THEN pg_advisory_xact_lock(42)::text END OFFSET 0) w
        ON CONFLICT DO NOTHING"""
    gate, writer = ex.session("mallory"), ex.session("writer")
    gate.execute("SELECT pg_advisory_lock(42)")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(writer.execute, late)
        while not ex.run("installer", "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
            assert not running.done()
        ex.run("operator", "SELECT pgslo.resume('features.ex')")
        ex.run("operator", "SELECT pgslo.tick()")
        gate.execute("SELECT pg_advisory_unlock(42)")
        assert running.result().rowcount == 1
    ex.run("operator", "SELECT pgslo.tick()")
    assert ex.run("installer", "SELECT id FROM features.ex ORDER BY id") == [(1,), (2,)]
    assert ex.run("installer", "SELECT rows_written FROM pgslo.pause") == [("not judged",)]
    assert [rule for rule, _ in warned(ex, "b")] == ["kept_out"]
