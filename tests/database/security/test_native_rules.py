"""NOT NULL that the owner of a table made NOT VALID (PostgreSQL 18) is not the rule that a definition states."""

from __future__ import annotations

from typing import Any

import pytest

from pgslo.database import operations

World = Any

DEFINITION = """
table: features.n
key: [id]
writes: bulk
batch: {by: day}
columns: {b: [not_null: {on_breach: reject}]}
"""


def test_one_that_is_not_valid_is_reported_and_made_again(world: World) -> None:
    if world.admin.info.server_version < 180000:
        pytest.skip("NOT NULL is always valid before PostgreSQL 18")
    world.run(
        "installer",
        "CREATE TABLE features.n (id int PRIMARY KEY, day date, b int); GRANT ALL ON features.n TO $writer",
    )
    world.run("installer", "CREATE INDEX ON features.n (day)")
    world.apply(DEFINITION)
    assert not operations.find_drift(world.admin)
    world.run("installer", "ALTER TABLE features.n ALTER b DROP NOT NULL")
    world.run("writer", "INSERT INTO features.n VALUES (1, '2026-01-01', NULL)")
    world.run("installer", "ALTER TABLE features.n ADD CONSTRAINT mine NOT NULL b NOT VALID")

    found, standings = operations.examine(world.admin)
    assert "missing" in {one.what for one in found}
    assert [(one.rule, one.in_force) for one in standings] == [
        ("b_not_null", "no"),
        ("learned bounds", "yes"),
    ]
    # Not while there is a row that violates it.
    with pytest.raises(AssertionError):
        world.apply(DEFINITION)
    world.run("installer", "UPDATE features.n SET b = 1")
    world.apply(DEFINITION)
    assert not operations.find_drift(world.admin)
    assert world.run(
        "superuser",
        "SELECT convalidated FROM pg_constraint WHERE conrelid = 'features.n'::regclass AND contype = 'n' AND conkey = '{3}'",
    ) == [(True,)]
