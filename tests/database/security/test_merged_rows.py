"""MERGE shows a row that it moves to another partition to no trigger of UPDATE: rules evaluate it all the same."""

from __future__ import annotations

import psycopg
import pytest

TABLES = {
    "lists": """
        CREATE TABLE features.m (id int, d date, region int, code text, size int) PARTITION BY LIST (region);
        CREATE TABLE features.m1 PARTITION OF features.m FOR VALUES IN (1);
        CREATE TABLE features.m2 PARTITION OF features.m FOR VALUES IN (2);
    """,
    "levels": """
        CREATE TABLE features.m (id int, d date, region int, code text, size int) PARTITION BY LIST (id);
        CREATE TABLE features.m0 PARTITION OF features.m DEFAULT PARTITION BY LIST (region);
        CREATE TABLE features.m1 PARTITION OF features.m0 FOR VALUES IN (1);
        CREATE TABLE features.m2 (size int, code text, region int, d date, id int);
        ALTER TABLE features.m0 ATTACH PARTITION features.m2 FOR VALUES IN (2);
    """,
    "expression": """
        CREATE TABLE features.m (id int, d date, region int, code text, size int) PARTITION BY LIST ((region % 10 + length(code)));
        CREATE TABLE features.m1 PARTITION OF features.m FOR VALUES IN (1 + 4);
        CREATE TABLE features.m2 PARTITION OF features.m FOR VALUES IN (2 + 4);
    """,
}
RULE = 'small: {{expression: "region = 1 OR size < 3", on_breach: {}}}'
DEFINITION = """
    table: features.m
    key: [id]
    writes: {writes}
    batch: {{by: d}}
    fires: {fires}
    readers: [$reader]
    rules: [{rule}]
"""
MERGE = "MERGE INTO features.m USING (VALUES (7)) AS s (id) ON m.id = s.id WHEN MATCHED AND m.id < 9 THEN UPDATE SET region = 2"
ACTIONS = {
    "update": "",
    "nothing": "WHEN NOT MATCHED AND false THEN DO NOTHING",
    "insert": "WHEN NOT MATCHED THEN INSERT VALUES (9, '2026-01-01', 1, 'code', 1)",
    "delete": "WHEN MATCHED THEN DELETE",
}
INCIDENTS = "SELECT rule, opened_batch FROM pgslo.incident"
FAILING = "SELECT sum((failures ->> 'small')::int)::text FROM pgslo_catalog.fragment"
BREAKS = "SELECT batch, rule_id FROM pgslo_catalog.rule_break"


@pytest.fixture(autouse=True)
def _merges(world):
    if world.admin.info.server_version < 150000:
        pytest.skip("MERGE came with PostgreSQL 15")


def make(world, shape: str, on_breach: str, writes: str = "bulk", fires: str = "origin") -> None:
    """Guard a table with one good row that is a bad one in the other partition, and two that stay."""
    world.run("installer", TABLES[shape])
    rule = RULE.format(on_breach)
    world.apply(world.sql(DEFINITION.format(writes=writes, rule=rule, fires=fires)))
    world.run(
        "installer",
        "INSERT INTO features.m SELECT n, '2026-01-01', 1, 'code', n FROM generate_series(7, 9) AS n",
    )
    world.run("installer", "GRANT INSERT, UPDATE, DELETE, SELECT ON features.m TO $writer")


def stored(world) -> list[tuple[int, int]]:
    return world.run("superuser", "SELECT id, region FROM features.m ORDER BY id")


@pytest.mark.parametrize("action", sorted(ACTIONS))
@pytest.mark.parametrize("shape", sorted(TABLES))
def test_a_merge_moves_no_row_past_a_rule_that_rejects(world, shape, action):
    make(world, shape, "reject")
    with pytest.raises(psycopg.errors.CheckViolation) as failed:
        world.run("writer", f"{MERGE} {ACTIONS[action]}")
    assert failed.value.diag.constraint_name == "small"
    assert stored(world) == [(7, 1), (8, 1), (9, 1)]
    # A good one is stored.
    world.run("writer", f"{MERGE}, size = 2 {ACTIONS[action]}")
    assert (7, 2) in stored(world)


def test_nor_by_what_the_writer_sets_or_calls(world):
    """The note that a row moves is made after everything that the writer's statement evaluates."""
    make(world, "lists", "reject")
    unset = """
        SET pgslo.moved = 'no';
        CREATE FUNCTION pg_temp.unset(n int) RETURNS int LANGUAGE plpgsql AS
            $$ BEGIN PERFORM set_config('pgslo.moved', '', n % 2 = 0); RETURN n; END $$;
        CREATE FUNCTION pg_temp.merge() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {} ; END $$;
        SELECT pg_temp.merge()
    """
    merge = """
        MERGE INTO features.m USING (SELECT pg_temp.unset(n) AS id FROM generate_series(7, 8) AS n) AS s ON m.id = s.id
        WHEN MATCHED AND pg_temp.unset(m.id) > 0 THEN UPDATE SET region = pg_temp.unset(2)
    """
    with pytest.raises(psycopg.errors.CheckViolation):
        world.run("writer", unset.format(merge))
    assert stored(world) == [(7, 1), (8, 1), (9, 1)]


@pytest.mark.parametrize("shape", sorted(TABLES))
@pytest.mark.parametrize("action", ["update", "insert"])
def test_a_rule_that_warns_tells_of_the_row_after_the_next_tick(world, shape, action):
    make(world, shape, "warn")
    world.run("writer", f"{MERGE} {ACTIONS[action]}")
    assert (7, 2) in stored(world)
    world.run("installer", "SELECT pgslo.tick()")
    assert world.run("installer", INCIDENTS) == [("small", "2026-01-01")]
    assert world.run("superuser", FAILING) == [("1",)]
    assert world.run("superuser", BREAKS) == []


def test_the_batches_are_those_of_the_rows(world):
    make(world, "lists", "warn")
    world.run("writer", f"{MERGE}, size = 1, d = '2026-01-02'")
    world.run("installer", "SELECT pgslo.tick()")
    counted = "SELECT name, rows FROM pgslo_catalog.batch ORDER BY 1"
    assert world.run("superuser", counted) == [("2026-01-01", 2), ("2026-01-02", 1)]
    assert world.run("installer", "SELECT FROM pgslo.incident") == []


def test_rows_that_refer_to_nothing_are_refused_or_told(world):
    world.run("installer", TABLES["lists"])
    world.run(
        "installer",
        "CREATE TABLE features.codes (code text PRIMARY KEY); INSERT INTO features.codes VALUES ('a'), ('b')",
    )
    world.apply(
        """
        table: features.m
        key: [id]
        writes: bulk
        batch: {by: d}
        columns:
          code:
            - references: {table: features.codes, column: code, on_breach: flag, name: known}
            - references: {table: features.codes, column: code, where: size > 5, on_breach: reject, name: known_if_large}
        """
    )
    world.run(
        "installer",
        "INSERT INTO features.m VALUES (7, '2026-01-01', 1, 'a', 1), (8, '2026-01-01', 1, 'b', 1)",
    )
    world.run("installer", "GRANT UPDATE, SELECT ON features.m TO $writer")
    with pytest.raises(psycopg.errors.CheckViolation) as failed:
        world.run("writer", f"{MERGE}, size = 6, code = 'c'")
    assert failed.value.diag.constraint_name == "known_if_large"
    world.run("writer", f"{MERGE.replace('(7)', '(8)')}, code = 'c', d = '2026-01-02'")
    world.run("installer", "SELECT pgslo.tick()")
    found = world.run("installer", INCIDENTS)
    assert found == [("known", "2026-01-02")]
    assert world.run("superuser", BREAKS) == []


def test_two_rows_with_one_value_are_told(world):
    world.run("installer", TABLES["lists"] + "CREATE INDEX ON features.m (code)")
    world.apply(
        """
        table: features.m
        key: [id]
        writes: bulk
        batch: {by: d}
        columns: {code: [unique: {on_breach: warn, name: once}]}
        """
    )
    world.run(
        "installer",
        "INSERT INTO features.m VALUES (7, '2026-01-01', 1, 'a', 1), (8, '2026-01-01', 1, 'b', 1)",
    )
    world.run("installer", "GRANT UPDATE, SELECT ON features.m TO $writer")
    world.run("writer", f"{MERGE}, code = 'b'")
    world.run("installer", "SELECT pgslo.tick()")
    assert world.run("installer", INCIDENTS) == [("once", "2026-01-01")]


@pytest.mark.parametrize("on_breach", ["reject", "warn"])
@pytest.mark.parametrize("shape", sorted(TABLES))
def test_a_plain_update_is_recorded_once(world, shape, on_breach):
    make(world, shape, on_breach)
    update = "UPDATE features.m SET region = 2"
    if on_breach == "reject":
        with pytest.raises(psycopg.errors.CheckViolation):
            world.run("writer", update)
        assert stored(world) == [(7, 1), (8, 1), (9, 1)]
        return
    world.run("writer", update)
    assert world.run("installer", INCIDENTS) == [("small", "2026-01-01")]
    world.run("installer", "SELECT pgslo.tick()")
    assert world.run("installer", INCIDENTS) == [("small", "2026-01-01")]
    assert world.run("superuser", FAILING) == [("3",)]
    assert world.run("superuser", "SELECT name, rows FROM pgslo_catalog.batch") == [("2026-01-01", 3)]
    assert world.run("superuser", BREAKS) == []


def test_an_update_that_moves_no_row_calls_no_function(world):
    make(world, "levels", "reject")
    session = world.session("writer")
    called = "SELECT coalesce(nullif(current_setting('pgslo.moved', true), ''), 'no')"
    with session.transaction():
        session.execute("UPDATE features.m SET size = 2, region = 1, id = id")
        session.execute("INSERT INTO features.m VALUES (10, '2026-01-01', 1, 'code', 1)")
        assert session.execute(called.encode()).fetchone() == ("no",)
    notes = "SELECT count(*) FROM pgslo_catalog.fragment WHERE operation = 'recount'"
    assert world.run("superuser", notes) == [(0,)]
    with session.transaction():
        session.execute("UPDATE features.m SET region = 2")
        session.execute("UPDATE features.m SET region = 1")
    assert world.run("superuser", notes) == [(1,)]


def test_many_rows_leave_few_notes(world):
    make(world, "lists", "warn")
    world.run(
        "installer",
        "INSERT INTO features.m SELECT n, '2026-01-01', 1, 'code', n FROM generate_series(10, 99) AS n",
    )
    world.run(
        "writer",
        "MERGE INTO features.m USING (VALUES (1)) AS s (id) ON true WHEN MATCHED THEN UPDATE SET region = 2",
    )
    assert world.run("superuser", "SELECT count(*) FROM pgslo_catalog.rule_break") == [(1,)]
    assert world.run(
        "superuser", "SELECT count(*) FROM pgslo_catalog.fragment WHERE operation = 'recount'"
    ) == [(2,)]
    world.run("installer", "SELECT pgslo.tick()")
    assert world.run("superuser", FAILING) == [("93",)]
    assert world.run("superuser", BREAKS) == []


def test_rules_of_a_streamed_table_hold(world):
    make(world, "levels", "reject", writes="stream")
    with pytest.raises(psycopg.errors.CheckViolation):
        world.run("writer", MERGE)


def test_the_triggers_fire_as_the_others_do(world):
    make(world, "lists", "warn", fires="always")
    modes = "SELECT DISTINCT tgenabled::text FROM pg_trigger WHERE tgname ~ '^pgslo_400'"
    assert world.run("superuser", modes) == [("A",)]
    world.run(
        "superuser", f"SET session_replication_role = replica; {MERGE}; SET session_replication_role = origin"
    )
    world.run("installer", "SELECT pgslo.tick()")
    assert world.run("installer", "SELECT rule FROM pgslo.incident") == [("small",)]


@pytest.mark.parametrize(
    "rule",
    [
        "assertions: [same: {all_equal: size, group_by: d, on_breach: reject}]",
        'rules: [small: {expression: "size < 3", at_least: 0.9, reject_below: 0.9}]',
    ],
)
def test_limits_say_what_a_merge_moves_rows_past(world, rule):
    """No trigger sees the batch or the group with such a row. A plain UPDATE is refused, and so is a MERGE that may insert."""
    world.run("installer", TABLES["lists"] + "CREATE INDEX ON features.m (d)")
    world.apply(f"""
    table: features.m
    key: [id]
    writes: bulk
    batch: {{by: d}}
    {rule}
    """)
    world.run(
        "installer",
        "INSERT INTO features.m SELECT n, '2026-01-01', 1, 'code', 1 FROM generate_series(7, 8) AS n",
    )
    world.run("installer", "GRANT INSERT, UPDATE, SELECT ON features.m TO $writer")
    with pytest.raises(psycopg.errors.CheckViolation):
        world.run("writer", "UPDATE features.m SET region = 2, size = 5 WHERE id = 7")
    with pytest.raises(psycopg.errors.CheckViolation):
        world.run("writer", f"{MERGE}, size = 5 {ACTIONS['insert']}")
    world.run("writer", f"{MERGE}, size = 5")
    assert stored(world) == [(7, 2), (8, 1)]
