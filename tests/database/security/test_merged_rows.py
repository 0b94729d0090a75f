"""What MERGE can do to a partitioned table: the limits say it, and name the way that holds."""

from __future__ import annotations

import contextlib
import textwrap

import psycopg
import pytest

from pgslo import definition
from pgslo.database import operations, planning

TABLE = """
    CREATE TABLE features.m (id int, d date, region int, amount int) PARTITION BY LIST (region);
    CREATE TABLE features.m1 PARTITION OF features.m FOR VALUES IN (1);
    CREATE TABLE features.m2 PARTITION OF features.m FOR VALUES IN (2);
    INSERT INTO features.m VALUES (7, '2026-01-01', 1, 500);
    CREATE INDEX ON features.m (id);
    GRANT INSERT, UPDATE, SELECT ON features.m TO $writer
"""
RULE = """
    table: features.m
    key: [id]
    writes: {writes}
    batch: {{by: d}}
    rules: [small: {{expression: "region = 1 OR amount < 100", on_breach: {on_breach}}}]
"""
ASSERTION = """
    table: features.m
    key: [id]
    writes: stream
    batch: {by: d}
    assertions: [same: {all_equal: amount, group_by: id, on_breach: reject}]
"""
MERGE = "MERGE INTO features.m USING (VALUES (7)) AS s (id) ON m.id = s.id WHEN MATCHED THEN UPDATE SET region = 2"
REGIONS = "SELECT region FROM features.m"


@pytest.fixture(autouse=True)
def has_merge(connection):
    if connection.info.server_version < 150000:
        pytest.skip("this server has no MERGE")


@pytest.mark.parametrize(
    ("writes", "on_breach"), [("stream", "reject"), ("stream", "quarantine"), ("bulk", "quarantine")]
)
def test_a_rule_that_looks_at_each_row_holds(world, writes, on_breach):
    world.run("installer", TABLE)
    world.apply(RULE.format(writes=writes, on_breach=on_breach))
    with contextlib.suppress(psycopg.errors.CheckViolation):
        world.run("writer", MERGE)
    assert world.run("superuser", REGIONS) == [(1,)]


def test_a_rule_that_looks_at_statements_does_not_see_a_row_that_moves(world):
    """Stated in limits.md. If this fails, PostgreSQL or pgslo shows the row to a trigger: change the page."""
    world.run("installer", TABLE)
    world.apply(RULE.format(writes="bulk", on_breach="reject"))
    world.run("writer", MERGE)
    assert world.run("superuser", REGIONS) == [(2,)]


def test_an_update_that_moves_a_row_is_refused(world):
    world.run("installer", TABLE)
    world.apply(RULE.format(writes="bulk", on_breach="reject"))
    with pytest.raises(psycopg.errors.CheckViolation):
        world.run("writer", "UPDATE features.m SET region = 2")


def test_an_assertion_does_not_see_a_row_that_moves_either(world):
    world.run("installer", TABLE)
    world.apply(ASSERTION)
    world.run("installer", "INSERT INTO features.m VALUES (7, '2026-01-02', 1, 500)")
    with pytest.raises(psycopg.errors.CheckViolation):
        world.run("installer", "UPDATE features.m SET region = 2, amount = 7 WHERE d = '2026-01-01'")
    world.run(
        "writer",
        MERGE.replace(
            "UPDATE SET region = 2", "UPDATE SET region = 2, amount = m.amount + extract(day FROM d)::int"
        ),
    )
    assert world.run("superuser", "SELECT amount FROM features.m ORDER BY d") == [(501,), (502,)]


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        (RULE.format(writes="bulk", on_breach="reject"), {"small"}),
        (RULE.format(writes="bulk", on_breach="quarantine"), set()),
        (RULE.format(writes="stream", on_breach="reject"), set()),
        (ASSERTION, {"same"}),
    ],
)
def test_plan_and_status_say_which_rules_it_passes(world, text, passed):
    world.run("installer", TABLE)
    world.apply(text)
    plan = planning.plan_definitions(
        world.session("installer"), [definition.load(textwrap.dedent(text), path="slos/m.yml")]
    )
    notes = [note for note in plan.notes if "MERGE" in note]
    assert len(notes) == bool(passed)
    assert all(f" {name} cannot see them;" in notes[0] for name in passed)
    _, standings = operations.examine(world.admin)
    learned = {one.rule for one in standings if one.rule == "learned bounds" and "writes: bulk" in text}
    assert {one.rule for one in standings if one.passed_by} == passed | learned
    assert {one.in_force for one in standings} == {"yes"}
