"""Code of a table's owner that takes long holds up ``tick()`` for no other table."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from pgslo.cli import main
from pgslo.cli.operating import tick as command

pytestmark = pytest.mark.slow

OWN = """
table: features.own
owner: sam
key: [id]
writes: {writes}
batch: {{by: day}}
columns:
  amount: [range: {{min: 0, max: 4000, on_breach: flag, name: soft}}]
row_count: {{min: 2}}
readers: [$reader]
"""
SLOW = """
table: evil.slow
owner: mallory
key: [id]
writes: {writes}
batch: {{by: day}}
row_count: {{min: 2}}
freshness: {{of: day, max_age: 1 day}}
"""
OPEN = "SELECT definition, rule FROM pgslo.incident WHERE over_at IS NULL ORDER BY 1, 2"
GIVEN_UP = "SELECT d.name FROM pgslo_catalog.given_up g JOIN pgslo_catalog.definition d USING (definition_id) ORDER BY g.given_up_at"


def nap(seconds: float) -> str:
    return f"""CREATE OR REPLACE FUNCTION evil.nap(id int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $f$
               BEGIN PERFORM pg_sleep({seconds}); RETURN true; END $f$"""


def tick(world, timeout="3s"):
    """Run ``tick()`` as the operator; return its warnings."""
    session = world.session("operator", statement_timeout=timeout)
    said: list[tuple[str | None, str | None]] = []
    session.add_notice_handler(lambda notice: said.append((notice.message_primary, notice.message_hint)))
    session.execute("SELECT pgslo.tick()")
    session.close()
    return said


def let_an_hour_pass(world):
    world.run(
        "installer",
        """UPDATE pgslo_catalog.fragment SET written_at = written_at - interval '1 hour';
           UPDATE pgslo_catalog.batch SET last_written_at = last_written_at - interval '1 hour'""",
    )


@pytest.fixture(params=["bulk", "stream"])
def writes(request):
    return request.param


@pytest.fixture
def slow(world, writes):
    world.run("superuser", "GRANT $mallory TO $installer")
    world.run("mallory", nap(0))
    # Planning a query on the table evaluates the function.
    world.run(
        "mallory",
        """CREATE TABLE evil.slow (id int PRIMARY KEY, day date);
           CREATE INDEX ON evil.slow (day);
           CREATE INDEX ON evil.slow (day) WHERE evil.nap(2)""",
    )
    # The stranger's table has the lower number.
    world.apply(SLOW.format(writes=writes))
    world.run("installer", "CREATE TABLE features.own (id int PRIMARY KEY, day date, amount int)")
    world.apply(OWN.format(writes=writes))
    world.run("mallory", "INSERT INTO evil.slow VALUES (1, '2020-01-01'), (2, '2020-01-02')")
    world.run("installer", "INSERT INTO features.own VALUES (1, '2020-01-01', 9999)")
    world.run("installer", "INSERT INTO features.own VALUES (2, '2020-01-02', 1)")
    let_an_hour_pass(world)
    assert is_due(world, writes)
    return world


def is_due(world, writes):
    """Whether the other table still waits for a tick."""
    found = world.run("installer", OPEN)
    if writes == "bulk":
        return ("features.own", "row_count") not in found
    return ("features.own", "soft") in found


def test_other_tables_are_judged_before(slow, writes):
    slow.run("mallory", nap(60))
    ((message, hint),) = tick(slow)
    assert message == "pgslo.tick() could not judge batches of evil.slow"
    assert "statement_timeout" in hint
    # What was found of the other table is kept.
    assert not is_due(slow, writes)
    assert slow.run("installer", GIVEN_UP) == [("evil.slow",)]
    # It is looked after as soon as it is quick again.
    slow.run("mallory", nap(0))
    assert tick(slow, "60s") == []
    assert slow.run("installer", GIVEN_UP) == []


@pytest.mark.parametrize("writes", ["bulk"], indirect=True)
def test_one_that_was_given_up_comes_after_other_strangers(slow):
    slow.run("mallory", nap(60))
    slow.run(
        "mallory", "CREATE TABLE evil.quick (id int PRIMARY KEY, day date); CREATE INDEX ON evil.quick (day)"
    )
    slow.apply(SLOW.format(writes="bulk").replace("evil.slow", "evil.quick"))
    slow.run("mallory", "INSERT INTO evil.quick VALUES (1, '2020-01-01'), (2, '2020-01-02')")
    let_an_hour_pass(slow)
    assert [message for message, _ in tick(slow)] == ["pgslo.tick() could not judge batches of evil.slow"]
    assert ("evil.quick", "row_count") not in slow.run("installer", OPEN)
    assert [message for message, _ in tick(slow)] == ["pgslo.tick() could not judge batches of evil.slow"]
    assert ("evil.quick", "row_count") in slow.run("installer", OPEN)


def test_an_owner_who_forges_the_error_holds_up_nobody(slow, writes):
    slow.run(
        "mallory",
        """CREATE OR REPLACE FUNCTION evil.nap(id int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $f$
           BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '57014'; END $f$""",
    )
    assert [message for message, _ in tick(slow)] == ["pgslo.tick() could not judge batches of evil.slow"]
    assert not is_due(slow, writes)
    assert slow.run("installer", GIVEN_UP) == [("evil.slow",)]


def test_the_command_ends_by_itself(slow, world_dsn, monkeypatch):
    monkeypatch.setattr(command, "LONGEST", 2000)
    slow.run("mallory", nap(60))
    result = CliRunner().invoke(main, ["tick", "--dsn", world_dsn])
    assert result.exit_code == 1, result.output
    assert "could not judge batches of evil.slow" in result.output


def nap_until(seconds: float, first: str = "") -> str:
    """Sleep until so long before ``statement_timeout``, once."""
    return f"""CREATE OR REPLACE FUNCTION evil.nap(id int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $f$
               DECLARE rest interval := statement_timestamp() + current_setting('statement_timeout')::interval
                                        - clock_timestamp() - make_interval(secs => {seconds});
               BEGIN
                   IF rest > '0' THEN {first} PERFORM pg_sleep_for(rest); END IF;
                   RETURN true;
               END $f$"""


@pytest.mark.parametrize("writes", ["bulk"], indirect=True)
def test_code_that_ends_just_before_the_timeout_undoes_nothing(slow):
    """The cancel then strikes in pgslo's own statements: here while it gives thousands of locks of that code back."""
    locks = "PERFORM pg_advisory_lock(42, n) FROM generate_series(1, 4000) n;"
    slow.run("mallory", nap_until(0.1, first=locks))
    session = slow.session("operator", statement_timeout="6s")
    session.execute("SELECT pgslo.tick()")
    assert not is_due(slow, "bulk")
    assert slow.run("installer", GIVEN_UP) == [("evil.slow",)]
    assert session.execute("SELECT count(*) FROM pg_locks WHERE classid = 42").fetchone() == (0,)


@pytest.mark.parametrize("writes", ["bulk"], indirect=True)
def test_who_took_the_time_is_given_up_not_who_was_cancelled(slow):
    """Code of one owner ends in time, and the cancel strikes during the table of another."""
    slow.run("superuser", "GRANT $trainer TO $installer; CREATE SCHEMA fair AUTHORIZATION $trainer")
    slow.run("trainer", nap(1.2).replace("evil.", "fair."))
    slow.run(
        "trainer",
        """CREATE TABLE fair.t (id int PRIMARY KEY, day date);
           CREATE INDEX ON fair.t (day);
           CREATE INDEX ON fair.t (day) WHERE fair.nap(2)""",
    )
    slow.apply(SLOW.format(writes="bulk").replace("evil.slow", "fair.t"))
    slow.run("trainer", "INSERT INTO fair.t VALUES (1, '2020-01-01'), (2, '2020-01-02')")
    let_an_hour_pass(slow)
    # A busy machine needs some time between the two.
    slow.run("mallory", nap_until(1))
    assert [message for message, _ in tick(slow, "4s")] == ["pgslo.tick() could not judge batches of fair.t"]
    assert slow.run("installer", GIVEN_UP) == [("evil.slow",)]
    slow.run("mallory", nap(0))
    tick(slow, "60s")
    assert ("fair.t", "row_count") in slow.run("installer", OPEN)
