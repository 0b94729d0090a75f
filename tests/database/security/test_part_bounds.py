"""A bound of a partition is taken from conditions that are true of each of its rows."""

from __future__ import annotations

from decimal import Decimal

EX = """
table: features.ex
owner: sam
key: [id]
writes: bulk
batch: {by: run}
columns:
  a: [range: {min: 0, on_breach: warn}]
"""
#: No bound of ``run``, although a comparison of it is a part of the text.
UNBOUND = (
    "(x > 5 AND run < 5 AND x > 7) IS NOT TRUE",
    "(x > 5 AND run < 5 AND x > 7) = (x > 7)",
    "(run < 5) IS NOT FALSE",
    "coalesce((x > 5 AND run < 5 AND x > 7), true)",
    "x IS NULL OR (x > 1 AND run < 5 AND x < 7)",
    "CASE WHEN x > 5 AND run < 5 AND x > 6 THEN true ELSE true END",
    "NOT (x > 5 AND run < 5 AND x > 7)",
    """ "a) AND (run < 5) AND (b" > 5 AND x > 6 """,
    "t = ') AND (run < 5) AND (' AND x > 6",
)
BOUND = ("run < 5", "run < 5 AND x IN (1, 2, 3)", "x > 3 AND run < 5 AND (x > 4 OR (x + 2) IN (1, 2))")


def test_a_comparison_inside_another_condition_is_no_bound(world):
    conditions = UNBOUND + BOUND
    world.run(
        "installer",
        """CREATE TABLE features.ex (id int, run int, a int, x int, t text, part int, "a) AND (run < 5) AND (b" int)
           PARTITION BY LIST (part)""",
    )
    for number, condition in enumerate(conditions):
        world.run(
            "installer",
            f"""CREATE TABLE features.p{number} PARTITION OF features.ex FOR VALUES IN ({number});
                ALTER TABLE features.p{number} ADD CHECK ({condition})""",
        )
    world.apply(EX)
    found = world.run(
        "installer",
        "SELECT number::oid::regclass::text, upper(places) FROM pgslo_catalog.known_part WHERE number::oid::regclass::text LIKE '%.p%'",
    )
    limits = {conditions[int(name.removeprefix("features.p"))]: limit for name, limit in found}
    assert limits == {**dict.fromkeys(UNBOUND), **dict.fromkeys(BOUND, Decimal(5))}


def test_rows_behind_such_a_condition_are_judged(world):
    """As many rows as are recorded of the batch, all of which are in a part that seems not to have the batch."""
    world.run(
        "installer",
        """CREATE TABLE features.ex (id int, run int, a int, x int, part text) PARTITION BY LIST (part);
           CREATE TABLE features.ex_1 PARTITION OF features.ex FOR VALUES IN ('a');
           ALTER TABLE features.ex_1 ADD CHECK ((x > 5 AND run < 5 AND x > 7) IS NOT TRUE);
           CREATE TABLE features.stage (LIKE features.ex)""",
    )
    world.apply(EX)
    world.run("installer", "INSERT INTO features.ex SELECT i, 7, 1, 0, 'a' FROM generate_series(1, 10) i")
    world.run("operator", "SELECT pgslo.tick()")
    world.run(
        "installer",
        """INSERT INTO features.stage SELECT 100 + i, 7, -5, 0, 'b' FROM generate_series(1, 10) i;
           ALTER TABLE features.ex ATTACH PARTITION features.stage FOR VALUES IN ('b')""",
    )
    world.run("operator", "SELECT pgslo.tick(); SELECT pgslo.tick()")
    assert world.run("installer", "SELECT opened_batch FROM pgslo.incident WHERE resolved_at IS NULL") == [
        ("7",)
    ]
