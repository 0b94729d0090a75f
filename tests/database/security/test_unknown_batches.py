"""A violation under an unknown batch stays open: no later batch shows that its rows were deleted."""

from __future__ import annotations

import pytest

TABLE = """
CREATE TABLE features.ex (id int PRIMARY KEY, t text, a int);
GRANT ALL ON features.ex TO $writer;
"""
DEFINITION = """
table: features.ex
key: [id]
writes: WRITES
batch: {by: "t::date"}
watch: false
columns: {a: [range: {min: 0, max: 9, on_breach: flag, name: a_range}]}
"""
GOOD = "INSERT INTO features.ex VALUES ({}, '2026-01-{:02}', 1)"


def bad(writes: str, number: int = 100) -> str:
    """A row of no known batch that fails; in a streamed table it is deleted at once, which no trigger records."""
    statement = f"INSERT INTO features.ex VALUES ({number}, 'no day', 99)"
    return f"{statement}; DELETE FROM features.ex WHERE t = 'no day'" if writes == "stream" else statement


def incidents(world) -> list[tuple[str, str | None]]:
    found: list[tuple[str, str | None]] = world.run(
        "superuser", "SELECT opened_batch, resolution FROM pgslo_catalog.incident ORDER BY incident_id"
    )
    return found


def write(world, *statements: str) -> None:
    for statement in statements:
        world.run("writer", statement)
        world.run("operator", "SELECT pgslo.tick()")
    world.run("operator", "SELECT pgslo.close_batch('features.ex')")
    world.run("operator", "SELECT pgslo.tick()")


@pytest.mark.parametrize("writes", ["stream", "bulk"])
def test_a_later_batch_resolves_no_violation_of_an_unknown_batch(world, writes):
    world.run("installer", TABLE)
    world.apply(DEFINITION.replace("WRITES", writes))
    write(world, bad(writes), GOOD.format(2, 2), GOOD.format(3, 3))
    assert incidents(world) == [("unknown", None)]
    # A person who has resolved it answers for it: it keeps no later incident open, and a new one does.
    ((incident,),) = world.run("superuser", "SELECT incident_id FROM pgslo_catalog.incident")
    world.run("operator", f"SELECT pgslo.resolve({incident}, 'real')")
    write(world, "INSERT INTO features.ex VALUES (4, '2026-01-04', 99)", GOOD.format(5, 5), GOOD.format(6, 6))
    assert incidents(world) == [("unknown", None)]
    assert world.run("superuser", "SELECT state FROM pgslo.incident") == [("over",)]
    write(world, bad(writes, 101), GOOD.format(8, 8), GOOD.format(9, 9))
    assert incidents(world)[-1] == ("unknown", None)
    if writes == "bulk":
        # Without rows there is no violation; nothing notes TRUNCATE of a streamed table.
        write(world, "TRUNCATE features.ex", GOOD.format(10, 10), GOOD.format(11, 11))
        assert incidents(world)[-1] == ("unknown", "removed")


@pytest.mark.parametrize("writes", ["stream", "bulk"])
def test_an_open_incident_stays_while_an_unknown_batch_violates_its_rule(world, writes):
    world.run("installer", TABLE)
    world.apply(DEFINITION.replace("WRITES", writes))
    write(
        world,
        "INSERT INTO features.ex VALUES (1, '2026-01-01', 99)",
        bad(writes),
        GOOD.format(3, 3),
        GOOD.format(4, 4),
    )
    assert incidents(world) == [("2026-01-01", None)]


def test_rows_of_an_unknown_batch_that_are_deleted_are_gone(world):
    """A loaded table counts them: in their batch, of which nothing is left."""
    world.run("installer", TABLE)
    world.apply(DEFINITION.replace("WRITES", "bulk"))
    write(world, bad("bulk"), "INSERT INTO features.ex VALUES (101, 'no day', 1)")
    # Another row of that batch takes no violation away.
    write(world, "DELETE FROM features.ex WHERE id = 101", GOOD.format(3, 3), GOOD.format(4, 4))
    assert incidents(world) == [("unknown", None)]
    write(world, "DELETE FROM features.ex WHERE id = 100", GOOD.format(5, 5), GOOD.format(6, 6))
    assert incidents(world) == [("unknown", "removed")]
