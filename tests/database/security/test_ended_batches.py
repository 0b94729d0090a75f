"""A missed batch ends by what its table stores, whatever the sums of the records are, and by the rows that a steward could see."""

from __future__ import annotations

import time

import pytest

RANGE = """
table: features.t
owner: sam
writes: {writes}
key: {key}
batch: {{by: day}}
readers: [$reader]
columns:
  a: [range: {{min: {least}, on_breach: warn, name: a_range{more}}}]
"""
TABLE = """
CREATE TABLE features.t (id int PRIMARY KEY, day date, a int);
GRANT INSERT, UPDATE, DELETE, SELECT ON features.t TO $writer, $mallory;
GRANT USAGE ON SCHEMA features TO $mallory;
"""


def definition(writes="bulk", *, least=0, key="[id]", more=""):
    return RANGE.format(writes=writes, least=least, key=key, more=more)


def tick(world, times=3):
    for _ in range(times):
        world.run("operator", "SELECT pgslo.tick()")


def warned(world, query="SELECT * FROM guarded.t"):
    """Primary messages that a reader of the guarded view gets."""
    session, messages = world.session("reader"), []
    session.add_notice_handler(lambda told: messages.append(told.message_primary))
    session.execute(query)
    session.close()
    return messages


def ends(world):
    return world.run("superuser", "SELECT batch, ended_as FROM pgslo_catalog.missed_batch ORDER BY missed_id")


def failing(world):
    """Failing rows as recorded, by rule."""
    return dict(
        world.run(
            "superuser",
            """SELECT e.key, sum(e.value::bigint)::int
               FROM pgslo_catalog.fragment f, jsonb_each_text(f.failures) AS e GROUP BY e.key""",
        )
    )


def test_rows_from_before_apply_hide_none(world):
    world.run("installer", TABLE)
    world.run("installer", "INSERT INTO features.t SELECT n, '2025-01-01', 1 FROM generate_series(1, 500) n")
    world.apply(definition())
    world.run("writer", "INSERT INTO features.t SELECT n, current_date, 1 FROM generate_series(1001, 1010) n")
    tick(world, 2)
    world.run(
        "writer", "INSERT INTO features.t SELECT n, '2025-01-01', -999 FROM generate_series(2001, 2400) n"
    )
    world.run("writer", "DELETE FROM features.t WHERE id <= 400")
    tick(world)
    assert ends(world) == [("2025-01-01", None)]
    assert warned(world)
    assert world.run("reader", "SELECT count(*) FROM guarded.t_healthy WHERE a < 0") == [(0,)]
    assert world.run("reader", "SELECT missed_rows FROM pgslo.incident") == [(500,)]
    world.run("writer", "DELETE FROM features.t WHERE day = '2025-01-01'")
    tick(world)
    assert ends(world) == [("2025-01-01", "removed")]
    assert not warned(world)


def test_one_old_row_hides_none(world):
    world.run("installer", TABLE)
    world.run("installer", "INSERT INTO features.t SELECT n, '2025-01-01', 1 FROM generate_series(1, 5) n")
    world.apply(definition())
    world.run("writer", "INSERT INTO features.t VALUES (11, '2025-01-01', -5)")
    world.run("writer", "DELETE FROM features.t WHERE id = 1")
    tick(world)
    assert ends(world) == [("2025-01-01", None)]
    world.run("writer", "UPDATE features.t SET a = 5 WHERE id = 11")
    tick(world)
    assert ends(world) == [("2025-01-01", "corrected")]


def test_old_rows_hide_no_batch_from_rules_over_batches(world):
    world.run("installer", TABLE)
    world.run("installer", "INSERT INTO features.t SELECT n, '2025-01-01', 1 FROM generate_series(1, 500) n")
    world.apply(
        definition().replace("range: {min: 0, on_breach: warn, name: a_range}", "completeness: {min: 0.9}")
    )
    world.run(
        "writer",
        "INSERT INTO features.t SELECT n, '2025-01-01', NULL FROM generate_series(2001, 2400) n;"
        "DELETE FROM features.t WHERE id <= 400;"
        "INSERT INTO features.t VALUES (1001, current_date, 1)",
    )
    tick(world)
    world.run("operator", "SELECT count(*) FROM pgslo.close_batch('features.t')")
    assert ends(world) == [("2025-01-01", None)]
    assert warned(world)
    # Sums say that it is empty, after it was missed.
    world.run("writer", "DELETE FROM features.t WHERE day = '2025-01-01'")
    tick(world)
    assert ends(world) == [("2025-01-01", "removed")]


CLOCK = """
table: features.t
owner: sam
writes: {writes}
key: [id]
batch: {{by: day}}
readers: [$reader]
columns:
  at: [expression: {{expression: "at > now() - interval '30 days'", on_breach: warn, name: recent{more}}}]
"""


@pytest.mark.parametrize("how", ["DELETE FROM features.t", "UPDATE features.t SET at = now()"])
@pytest.mark.parametrize("at_most", [False, True])
def test_rows_that_fail_by_now_hide_none(world, how, at_most):
    world.run("installer", TABLE.replace("a int", "at timestamptz"))
    world.apply(CLOCK.format(writes="bulk", more=", at_most: 1" if at_most else ""))
    for first in (1, 101):
        world.run(
            "writer",
            f"""INSERT INTO features.t
                SELECT n, current_date, now() - interval '30 days' + interval '0.5 s' FROM generate_series({first}, {first + 1}) n""",
        )
        time.sleep(0.6)
        world.run("writer", how + " WHERE id < 200")
        world.run(
            "writer",
            f"INSERT INTO features.t SELECT n, current_date, '2000-01-01' FROM generate_series({first + 1000}, {first + 1001}) n",
        )
        if not at_most:
            break
    tick(world)
    assert [ended for _, ended in ends(world)] == [None]
    assert warned(world)
    stored = world.run(
        "superuser", "SELECT count(*)::int FROM features.t WHERE at < now() - interval '30 days'"
    )
    assert failing(world) == {"recent": stored[0][0]}
    world.run("writer", "UPDATE features.t SET at = now()")
    tick(world)
    assert [ended for _, ended in ends(world)] == ["corrected"]


LOOKUP = """
table: features.t
owner: sam
writes: bulk
key: [id]
batch: {by: day}
readers: [$reader]
columns:
  code: [references: {table: evil.p, column: code, on_breach: warn, name: known}]
"""


@pytest.fixture
def lookup(world):
    world.run("superuser", "GRANT $mallory TO $installer")
    world.run("installer", TABLE.replace("a int", "code text"))
    world.run(
        "mallory",
        "CREATE TABLE evil.p (code text PRIMARY KEY); INSERT INTO evil.p VALUES ('x'), ('y');"
        "GRANT USAGE ON SCHEMA evil TO PUBLIC; GRANT SELECT, REFERENCES ON evil.p TO $installer",
    )
    world.apply(LOOKUP)
    world.run("writer", "INSERT INTO features.t SELECT n, current_date, 'x' FROM generate_series(1, 50) n")
    world.run("mallory", "DELETE FROM evil.p WHERE code = 'x'")
    return world


def test_the_owner_of_a_table_that_is_looked_up_hides_no_rows(lookup):
    lookup.run("writer", "UPDATE features.t SET id = id")
    tick(lookup)
    assert [ended for _, ended in ends(lookup)] == [None]
    assert warned(lookup)
    assert failing(lookup) == {"known": 50}


def test_nor_rows_that_are_written_later(lookup):
    lookup.run("writer", "UPDATE features.t SET code = 'y'")
    lookup.run("writer", "INSERT INTO features.t VALUES (101, current_date, 'nonsense')")
    tick(lookup)
    assert [ended for _, ended in ends(lookup)] == [None]
    assert warned(lookup)
    assert failing(lookup) == {"known": 1}


def test_a_batch_that_cannot_be_asked_stays_missed(lookup):
    lookup.run("mallory", "INSERT INTO evil.p VALUES ('x')")
    lookup.run("writer", "INSERT INTO features.t VALUES (101, current_date, 'nonsense')")
    lookup.run("writer", "DELETE FROM features.t WHERE id = 101")
    holder = lookup.session("mallory")
    holder.execute("BEGIN; LOCK TABLE evil.p")
    tick(lookup, 1)
    assert [ended for _, ended in ends(lookup)] == [None]
    holder.execute("COMMIT")
    tick(lookup, 1)
    assert [ended for _, ended in ends(lookup)] == ["corrected"]


def test_a_stricter_rule_hides_no_rows(world):
    world.run("installer", TABLE)
    world.apply(definition(least=0))
    world.run("writer", "INSERT INTO features.t SELECT n, current_date, 1 FROM generate_series(1, 5) n")
    tick(world, 1)
    world.apply(definition(least=10))
    tick(world, 1)
    world.run("writer", "UPDATE features.t SET a = 20 WHERE id < 4")
    world.run("writer", "INSERT INTO features.t VALUES (11, current_date, -5)")
    tick(world)
    assert [ended for _, ended in ends(world)] == [None]
    assert warned(world)
    assert failing(world) == {"a_range": 3}


PARTS = """
CREATE TABLE features.t (id int, day date, a int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE features.p1 PARTITION OF features.t FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE features.p0 PARTITION OF features.t DEFAULT;
GRANT INSERT, UPDATE, DELETE, SELECT ON features.t TO $writer;
"""


@pytest.mark.parametrize("writes", ["stream", "bulk"])
def test_a_batch_that_was_empty_hides_no_later_rows(world, writes):
    world.run("installer", PARTS)
    world.apply(definition(writes, key="[id, day]"))
    world.run("writer", "INSERT INTO features.t SELECT n, '2026-01-05', -1 FROM generate_series(1, 5) n")
    world.run("writer", "INSERT INTO features.t SELECT n, current_date, 1 FROM generate_series(1, 5) n")
    tick(world, 2)
    world.run("installer", "ALTER TABLE features.t DETACH PARTITION features.p1")
    tick(world, 2)
    assert ends(world) == [("2026-01-05", "removed")]
    world.run("writer", "INSERT INTO features.t VALUES (50, '2026-01-05', -1)")
    tick(world)
    assert ends(world)[1:] == [("2026-01-05", None)]
    assert warned(world)
    # What tick() counted of it is right as well.
    assert world.run("superuser", "SELECT rows FROM pgslo_catalog.batch WHERE name = '2026-01-05'") == [(1,)]
    world.run("writer", "DELETE FROM features.t WHERE id = 50")
    tick(world)
    if writes == "bulk":
        assert ends(world)[1:] == [("2026-01-05", "removed")]


def accepted_batch(world, writes, rows=1):
    world.run("installer", TABLE)
    world.apply(definition(writes))
    world.run(
        "writer", f"INSERT INTO features.t SELECT n, current_date, -1 FROM generate_series(1, {rows}) n"
    )
    tick(world, 1)


@pytest.mark.parametrize("ticks", [0, 1])
@pytest.mark.parametrize("writes", ["stream", "bulk"])
def test_rows_that_are_committed_after_accept_are_news(world, writes, ticks):
    accepted_batch(world, writes)
    other = world.session("mallory")
    other.execute("BEGIN; INSERT INTO features.t VALUES (2, current_date, -2)")
    world.run("steward", "SELECT pgslo.accept(1, 'fine')")
    tick(world, ticks)
    assert not warned(world)
    # Also where the sum of failing rows is added up with good ones.
    world.run("writer", "INSERT INTO features.t VALUES (3, current_date, 3)")
    tick(world, ticks)
    other.execute("COMMIT")
    tick(world)
    assert [ended for _, ended in ends(world)] == ["accepted", None]
    assert warned(world)
    assert world.run("reader", "SELECT state FROM pgslo.incident") == [("open",)]
    ((incident,),) = world.run("reader", "SELECT incident_id FROM pgslo.incident")
    world.run("steward", f"SELECT pgslo.accept({incident}, 'fine as well')")
    tick(world)
    assert not warned(world)


@pytest.mark.parametrize("first", ["before", "after"])
@pytest.mark.parametrize("ticks", [0, 1])
@pytest.mark.parametrize("writes", ["stream", "bulk"])
def test_rows_that_are_committed_while_a_steward_accepts_are_news(world, writes, ticks, first):
    accepted_batch(world, writes)
    writer, steward = world.session("writer"), world.session("steward")
    writer.execute("BEGIN")
    if first == "before":
        writer.execute("INSERT INTO features.t VALUES (2, current_date, -2)")
        # A transaction with a higher number, which the steward sees.
        world.run("writer", "INSERT INTO features.t VALUES (3, current_date, -3)")
    steward.execute("BEGIN; SELECT pgslo.accept(1, 'fine')")
    if first == "after":
        writer.execute("INSERT INTO features.t VALUES (2, current_date, -2)")
    writer.execute("COMMIT")
    tick(world, ticks)
    steward.execute("COMMIT")
    tick(world)
    assert [ended for _, ended in ends(world)] == ["accepted", None]
    assert warned(world)


@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ"])
@pytest.mark.parametrize("writes", ["stream", "bulk"])
def test_rows_that_a_steward_saw_stay_accepted(world, writes, isolation):
    accepted_batch(world, writes, rows=5)
    steward = world.session("steward")
    steward.execute(f"BEGIN ISOLATION LEVEL {isolation}; SELECT pgslo.accept(1, 'fine'); COMMIT".encode())
    tick(world)
    world.run(
        "writer", "INSERT INTO features.t VALUES (11, current_date, 1); DELETE FROM features.t WHERE id = 1"
    )
    tick(world)
    assert [ended for _, ended in ends(world)] == ["accepted"]
    assert not warned(world)


def test_a_steward_with_an_old_snapshot_accepts_what_that_shows(world):
    accepted_batch(world, "bulk")
    steward = world.session("steward")
    steward.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pgslo.incident")
    world.run("writer", "INSERT INTO features.t VALUES (2, current_date, -2)")
    steward.execute("SELECT pgslo.accept(1, 'fine'); COMMIT")
    tick(world)
    assert [ended for _, ended in ends(world)] == ["accepted", None]


def test_a_steward_accepts_no_value_that_came_meanwhile(world):
    world.run("installer", TABLE)
    world.apply(
        definition().replace("range: {min: 0, on_breach: warn, name: a_range}", "completeness: {min: 0.9}")
    )
    world.run("writer", "INSERT INTO features.t VALUES (1, current_date, NULL), (2, current_date, 1)")
    close = "SELECT count(*) FROM pgslo.close_batch('features.t')"
    world.run("operator", close)
    steward = world.session("steward")
    steward.execute("BEGIN; SELECT pgslo.accept(1, 'half is fine')")
    world.run("writer", "INSERT INTO features.t SELECT n, current_date, NULL FROM generate_series(3, 99) n")
    world.run("operator", close)
    steward.execute("COMMIT")
    tick(world)
    assert [ended for _, ended in ends(world)] == ["accepted", None]
    assert warned(world)


@pytest.mark.parametrize("verb", ["accept(1, 'fine')", "resolve(1, 'real')"])
def test_a_person_resolves_no_rows_of_an_unknown_batch_that_came_meanwhile(world, verb):
    world.run("installer", TABLE.replace("day date", "day text"))
    world.apply(
        definition().replace("by: day", 'by: "day::date"').replace("columns:", "watch: false\ncolumns:")
    )
    world.run("writer", "INSERT INTO features.t VALUES (1, 'no day', -1)")
    tick(world, 1)
    writer = world.session("writer")
    writer.execute("BEGIN; INSERT INTO features.t VALUES (2, 'no day', -1)")
    world.run("steward" if "accept" in verb else "operator", f"SELECT pgslo.{verb}")
    writer.execute("COMMIT")
    tick(world)
    world.run("writer", "INSERT INTO features.t VALUES (3, '2026-01-01', -1)")
    for day in (2, 3, 4):
        world.run("writer", f"INSERT INTO features.t VALUES (1{day}, '2026-01-0{day}', 1)")
        tick(world, 1)
    assert world.run("reader", "SELECT count(*) FROM pgslo.incident WHERE state = 'open'") == [(1,)]
    assert warned(world)


def test_old_rows_of_an_unknown_batch_hide_none(world):
    world.run("installer", TABLE.replace("day date", "day text"))
    world.run("installer", "INSERT INTO features.t SELECT n, 'no day', -1 FROM generate_series(1, 5) n")
    world.apply(
        definition().replace("by: day", 'by: "day::date"').replace("columns:", "watch: false\ncolumns:")
    )
    world.run("writer", "INSERT INTO features.t SELECT n, 'no day', -1 FROM generate_series(11, 15) n")
    world.run("writer", "DELETE FROM features.t WHERE id < 6")
    tick(world)
    assert ends(world) == [("unknown", None)]
    assert warned(world)
    world.run("writer", "DELETE FROM features.t")
    tick(world)
