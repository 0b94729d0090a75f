"""A stranger who fills the server's lock table makes writes fail; none of them stores a row of which nothing is recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import psycopg
import pytest

pytestmark = pytest.mark.slow

#: Locks that are left to the writer: from none to more than the write needs.
LEFT = (*range(0, 40, 2), 60, 100, 200)
DEFINITION = """
    table: features.t
    key: [id]
    writes: {writes}
    batch: {{by: d}}
    columns: {{a: [range: {{max: 100, on_breach: {action}, name: small}}]}}
"""


@pytest.fixture
def table(world):
    world.run(
        "installer",
        "CREATE TABLE features.t (id int PRIMARY KEY, d date, a int); GRANT INSERT, SELECT ON features.t TO $writer",
    )
    return world


def attempts(world) -> Iterator[tuple[int, str]]:
    """Write one bad row for each number of locks that are left; yield its key and the SQLSTATE."""
    greedy, writer = world.session("mallory"), world.session("writer")
    # What a new session reads of the catalogue takes locks of its own, which would hide those of the write.
    writer.execute("INSERT INTO features.t VALUES (-1, '2025-12-31', 1)")
    for key, left in enumerate(LEFT):
        # The locks of the session stay when the statement fails.
        with pytest.raises(psycopg.errors.OutOfMemory):
            greedy.execute("SELECT pg_advisory_lock(generate_series(1, 10000000))")
        greedy.execute("SELECT pg_advisory_unlock(i) FROM generate_series(1, %s) i", (left,))
        try:
            writer.execute("INSERT INTO features.t VALUES (%s, date '2026-01-01' + %s::int, 999)", (key, key))
            state = "stored"
        except psycopg.Error as error:
            state = error.sqlstate
        greedy.execute("SELECT pg_advisory_unlock_all()")
        yield key, state


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_a_row_that_is_stored_is_recorded(table, writes):
    table.apply(DEFINITION.format(writes=writes, action="warn"))
    states = Counter()
    for key, state in attempts(table):
        (rows, failures, breaks) = table.run(
            "superuser",
            f"""SELECT (SELECT count(*) FROM features.t WHERE id = {key}),
                       (SELECT coalesce(sum((f.failures ->> 'small')::int), 0) FROM pgslo_catalog.fragment f
                        WHERE f.batch = (date '2026-01-01' + {key})::text),
                       (SELECT count(*) FROM pgslo_catalog.rule_break b WHERE b.batch = (date '2026-01-01' + {key})::text)""",
        )[0]
        assert rows == (state == "stored"), (key, state)
        assert (failures or breaks) if rows else not (failures or breaks), (key, state, failures, breaks)
        states[state] += 1
    assert set(states) == {"stored", "53200"}
    table.run("installer", "SELECT pgslo.tick()")
    assert table.run("superuser", "SELECT rule FROM pgslo.incident") == [("small",)]
    assert table.run("superuser", "SELECT count(*) FROM pgslo_catalog.rule_break") == [(0,)]


@pytest.mark.parametrize("action", ["reject", "quarantine"])
@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_no_row_passes_a_rule_that_refuses_it(table, writes, action):
    table.apply(DEFINITION.format(writes=writes, action=action))
    states = Counter()
    for key, state in attempts(table):
        held = table.run(
            "superuser",
            f"SELECT count(*) FROM pgslo_catalog.quarantine WHERE (image ->> 'id')::int = {key}",
        )
        assert held == [(int(state == "stored"),)], (key, state)
        states[state] += 1
    assert set(states) == {"53200", "23514" if action == "reject" else "stored"}
    assert table.run("superuser", "SELECT id FROM features.t") == [(-1,)]
