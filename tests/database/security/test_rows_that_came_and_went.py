"""Rows that are written and removed again make no table fresh."""

from __future__ import annotations

import pytest

TABLE = "CREATE TABLE features.fr (id int PRIMARY KEY, day date, n int); CREATE INDEX ON features.fr (day); GRANT ALL ON features.fr TO $writer"
DEFINITION = """
{table: features.fr, key: [id], writes: bulk, batch: {by: day}, readers: [$reader], freshness: {max_age: 1 hour}, watch: false}
"""
AGED = """UPDATE pgslo_catalog.fragment SET written_at = now() - interval '5 hours';
          UPDATE pgslo_catalog.batch SET last_written_at = now() - interval '5 hours'"""
CAME, WENT = (
    "INSERT INTO features.fr VALUES (2, current_date - {}, 1)",
    "DELETE FROM features.fr WHERE id = 2",
)


@pytest.fixture
def stale(world):
    world.run("installer", TABLE)
    world.apply(DEFINITION)
    world.run("writer", "INSERT INTO features.fr VALUES (1, current_date - 3, 1), (3, current_date - 3, 1)")
    world.run("operator", "SELECT pgslo.tick()")
    world.run("superuser", AGED)
    world.run("operator", "SELECT pgslo.tick()")
    assert is_stale(world)
    return world


def is_stale(world) -> bool:
    session = world.session("reader")
    found: list[str] = []
    session.add_notice_handler(lambda said: found.append(said.message_primary))
    session.execute("SELECT n FROM guarded.fr")
    return found == ['features.fr misses rule "freshness"']


@pytest.mark.parametrize("back", [3, 2, 9])
@pytest.mark.parametrize("between", ["; ", "; COMMIT; BEGIN; "])
def test_they_make_nothing_fresh(stale, back, between):
    stale.run("writer", f"BEGIN; {CAME.format(back)}{between}{WENT}; COMMIT")
    assert is_stale(stale)
    for _ in range(2):
        stale.run("operator", "SELECT pgslo.tick()")
        assert is_stale(stale)
    assert stale.run("superuser", "SELECT state FROM pgslo.incident WHERE rule = 'freshness'") == [("open",)]


@pytest.mark.parametrize(
    "write",
    [
        CAME.format(3),
        CAME.format(2),
        "UPDATE features.fr SET n = 2",
        f"{CAME.format(3)}; {WENT}; {CAME.format(3)}",
    ],
)
def test_rows_that_stay_and_corrected_rows_do(stale, write):
    stale.run("writer", write)
    assert not is_stale(stale)
    stale.run("operator", "SELECT pgslo.tick()")
    assert not is_stale(stale)


def test_removed_rows_of_the_newest_batch_do_not(stale):
    stale.run("writer", "DELETE FROM features.fr WHERE id = 3")
    assert is_stale(stale)
    stale.run("operator", "SELECT pgslo.tick()")
    assert is_stale(stale)
