"""A writer who makes thousands of missed batches takes bounded time of each tick; the other tables go on."""

from __future__ import annotations

DEFINITION = """
table: features.{table}
key: [id]
writes: bulk
batch: {{by: day}}
columns:
  a: [range: {{min: 0, on_breach: flag, name: a_range}}]
"""
#: More than a tick looks at.
MANY = 700
OPEN = """SELECT count(*), count(*) FILTER (WHERE ended_at IS NULL) FROM pgslo_catalog.missed_batch m
          WHERE m.definition = 'features.many'"""


def test_deleted_batches_are_ended_in_portions(world):
    for table in ("many", "other"):
        world.run("installer", f"CREATE TABLE features.{table} (id int PRIMARY KEY, day date, a int)")
        world.run("installer", f"CREATE INDEX ON features.{table} (day)")
        world.run("installer", f"GRANT SELECT, INSERT, DELETE, UPDATE ON features.{table} TO $writer")
        world.apply(DEFINITION.format(table=table))
    world.run(
        "writer",
        f"INSERT INTO features.many SELECT n, '1000-01-01'::date + n, -1 FROM generate_series(1, {MANY}) n",
    )
    world.run("writer", "INSERT INTO features.other VALUES (1, '2026-01-01', -1)")
    assert world.run("superuser", OPEN) == [(MANY, MANY)]
    world.run("writer", "DELETE FROM features.many")
    world.run("writer", "UPDATE features.other SET a = 1")
    ((due, is_behind),) = world.run(
        "superuser",
        """SELECT cardinality(m.due), m.is_behind
           FROM pgslo_catalog.definition d, pgslo_catalog.end_missed(d) m WHERE d.name = 'features.many'""",
    )
    assert due <= 600
    assert is_behind
    left = MANY
    for _ in range(MANY):
        ((more,),) = world.run("operator", "SELECT pgslo.tick()")
        ((_, now_left),) = world.run("superuser", OPEN)
        assert now_left < left
        left = now_left
        # The other table does not wait.
        assert world.run(
            "superuser", "SELECT state FROM pgslo.incident WHERE definition = 'features.other'"
        ) == [("resolved",)]
        assert more == (left > 0)
        if not more:
            break
    assert left == 0
    assert world.run("superuser", "SELECT DISTINCT state FROM pgslo.incident") == [("resolved",)]
