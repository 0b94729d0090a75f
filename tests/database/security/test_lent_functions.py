"""Functions of another role in expressions of a table whose owner is trusted: they run with no rights that the owner did not lend them."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from tests.database.security.test_owners import SPY, ran

from pgslo import definition
from pgslo.database import operations, planning

World = Any

PLACES = {
    "check": "ALTER TABLE features.ex ADD CHECK (evil.spy(a) < 1000000)",
    "domain": "ALTER TABLE features.ex ADD CHECK (a::evil.small < 1000000)",
    "index": "CREATE INDEX ON features.ex ((evil.spy(1) + id))",
    "predicate": "CREATE INDEX ON features.ex (a) WHERE evil.spy(1) = 1",
    "generated": "ALTER TABLE features.ex ADD g int GENERATED ALWAYS AS (evil.spy(a)) STORED",
    "default": "ALTER TABLE features.ex ADD g int DEFAULT evil.spy(5)",
    "statistics": "CREATE STATISTICS features.st ON (evil.spy(3) + a), id FROM features.ex",
}
DEFINITION = """
table: features.ex
key: [id]
writes: bulk
batch: {by: day}
columns: {a: [range: {min: 0, on_breach: quarantine}, not_null: {on_breach: reject}]}
assertions: [same: {all_equal: day, group_by: id, on_breach: reject}]
"""


@pytest.fixture(params=PLACES)
def lent(request: pytest.FixtureRequest, world: World) -> World:
    """A table of pgslo's owner that calls a function of mallory's."""
    world.run("mallory", f"{SPY}; CREATE DOMAIN evil.small AS int CHECK (evil.spy(VALUE) < 100000)")
    world.run("installer", "CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int)")
    world.run("installer", "CREATE INDEX ON features.ex (day); CREATE INDEX ON features.ex (id, a)")
    world.run("installer", PLACES[request.param])
    return world


def forget(world: World) -> None:
    world.run("superuser", "SELECT setval('evil.as_other', 1, false), setval('evil.as_mallory', 1, false)")


def test_none_runs_as_the_superuser_who_plans_or_looks(lent: World) -> None:
    text = lent.sql(DEFINITION)
    forget(lent)
    plan = planning.plan_definitions(lent.admin, [definition.load(text, path="slos/ex.yml")])
    assert not ran(lent)[1]
    mallory = lent.names["mallory"]
    assert any(
        f"calls code of role {mallory}, who can change it" in str(step.hazards) for step in plan.steps
    ) or any(f"calls code of role {mallory}, who can change it" in note for note in plan.notes)
    lent.apply(text)
    lent.run(
        "installer",
        "INSERT INTO features.ex (id, day, a) SELECT n, '2026-01-01', 1 FROM generate_series(1, 9) n",
    )
    forget(lent)
    operations.examine(lent.admin)
    assert not ran(lent)[1]


def test_a_release_runs_none_as_pgslos_owner(lent: World) -> None:
    lent.apply(DEFINITION)
    lent.run("installer", "INSERT INTO features.ex (id, day, a) VALUES (1, '2026-01-01', -1)")
    forget(lent)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="cannot release row") as refused:
        lent.run("steward", "SELECT pgslo.release(1, '{\"a\": 7}')")
    assert f'calls code of role "{lent.names["mallory"]}"' in (refused.value.diag.message_detail or "")
    assert not ran(lent)[1]
