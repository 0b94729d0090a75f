"""Rows that come with a partition are judged, whatever their batch is and however many batches come with them."""

from __future__ import annotations

import pytest

EX = """
table: features.ex
owner: sam
key: [id]
writes: {writes}
batch: {{by: {by}}}
settle: 1 second
columns:
  a:
    - range: {{min: 0, on_breach: warn}}
    - completeness: {{min: 0.9}}
  n: [monotonic: {{order: id}}]
"""
TABLES = """
CREATE TABLE features.ex (id int, {by} {type}, a int, n int, part text) PARTITION BY LIST (part);
CREATE TABLE features.ex_1 PARTITION OF features.ex FOR VALUES IN ('a');
CREATE TABLE features.stage (LIKE features.ex);
INSERT INTO features.stage {stage};
"""
ATTACH = "ALTER TABLE features.ex ATTACH PARTITION features.stage FOR VALUES IN ('b')"


def prepare(world, stage, *, writes="bulk", type_="date", more=""):
    by = "day"
    world.run("installer", TABLES.format(by=by, type=type_, stage=stage))
    world.apply(EX.format(writes=writes, by=by).replace(f"by: {by}", f"by: {by}{more}"))
    for day in ("2026-01-05", "2026-01-06", "2026-01-07"):
        first = "1" if type_ == "float8" else f"'{day}'"
        world.run(
            "installer", f"INSERT INTO features.ex SELECT i, {first}, 1, i, 'a' FROM generate_series(1, 5) i"
        )
        world.run("operator", "SELECT pgslo.tick()")
    world.run("operator", "SELECT pgslo.close_batch('features.ex')")


def missed(world):
    return world.run(
        "installer",
        """SELECT r.kind, m.batch FROM pgslo_catalog.missed_batch m JOIN pgslo_catalog.rule r USING (rule_id)
           WHERE m.ended_at IS NULL ORDER BY 1, 2""",
    )


def broken(world):
    return world.run("installer", "SELECT batch, error_message FROM pgslo_catalog.rule_break")


def settle(world):
    """Tick until nothing is due; each tick has a second for it."""
    for _ in range(20):
        world.run("operator", "SELECT pgslo.tick()")
        if not broken(world) and world.run("installer", "SELECT FROM pgslo_catalog.due_count") == []:
            return
    raise AssertionError(broken(world))


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_rows_whose_batch_is_null_or_infinite(world, writes):
    prepare(
        world,
        "VALUES (91, NULL, -5, 1, 'b'), (92, 'infinity', -5, 1, 'b'), (93, '-infinity', -5, 1, 'b'), (94, '2026-01-06', -5, 7, 'b')",
        writes=writes,
    )
    world.run("installer", ATTACH)
    expected = [("range", batch) for batch in ("-infinity", "2026-01-06", "NULL", "infinity")]
    # Readers are warned at once, though the rows are counted when nothing else has to be.
    world.run("operator", "SELECT pgslo.tick()")
    warned = {batch for _, batch in missed(world)} | {batch for batch, _ in broken(world)}
    assert warned == {batch for _, batch in expected}
    settle(world)
    assert missed(world) == expected
    world.run("operator", "SELECT pgslo.close_batch('features.ex')")
    assert missed(world) == expected
    # Of a streamed table the first is over, by 2026-01-07, when rows without a place are judged.
    incidents = world.run("installer", "SELECT count(*) FROM pgslo.incident WHERE rule = 'a_range'")
    assert incidents == [(1 if writes == "bulk" else 2,)]
    assert broken(world) == []
    counted = "SELECT name, rows FROM pgslo_catalog.batch WHERE place = '-Infinity' AND rows <> 0 ORDER BY 1"
    assert world.run("installer", counted) == [("-infinity", 1), ("NULL", 1), ("infinity", 1)]
    # They leave with the partition, too.
    world.run("installer", "ALTER TABLE features.ex DETACH PARTITION features.stage")
    settle(world)
    assert world.run("installer", counted) == []


@pytest.mark.parametrize(
    ("type_", "more", "batches"),
    [
        ("timestamptz", ", every: 1 day", {"NULL": "NULL", "'infinity'": "infinity"}),
        ("float8", "", {"NULL": "NULL", "'NaN'": "NaN", "'infinity'": "Infinity"}),
    ],
)
def test_keys_of_other_types(world, type_, more, batches):
    rows = ", ".join(f"({90 + i}, {value}, -5, 1, 'b')" for i, value in enumerate(batches))
    prepare(world, f"VALUES {rows}", type_=type_, more=more)
    world.run("installer", ATTACH)
    settle(world)
    assert missed(world) == [("range", batch) for batch in sorted(batches.values())]


def test_rows_whose_batch_is_null_are_judged_after_a_pause(world):
    prepare(world, "VALUES (91, NULL, 5, 1, 'b')")
    world.run("installer", "SELECT pgslo.pause('features.ex')")
    world.run("installer", "INSERT INTO features.ex VALUES (92, NULL, -5, 1, 'a')")
    world.run("installer", "SELECT pgslo.resume('features.ex')")
    settle(world)
    assert missed(world) == [("range", "NULL")]


@pytest.mark.slow
def test_batches_in_the_future_hide_none_of_today(world):
    """More of them than one statement may record."""
    prepare(
        world,
        """SELECT 0, current_date, -5, 1, 'b'
           UNION ALL SELECT i, current_date + i, 5, 1, 'b' FROM generate_series(1, 10200) i""",
    )
    world.run("installer", ATTACH)
    world.run("operator", "SELECT pgslo.tick()")
    # Those in the future may have settled by now, and one row is fewer than is usual.
    assert world.run("installer", "SELECT 'range', current_date::text")[0] in missed(world)
    # None of them is forgotten.
    left = world.run("installer", "SELECT count(*) FROM pgslo_catalog.due_count")[0][0]
    counted = world.run("installer", "SELECT count(*) FROM pgslo_catalog.batch WHERE rows <> 0")[0][0]
    assert left + counted == 10201 + 3
    assert left > 0


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_an_attached_batch_that_is_older_than_others_is_judged_as_a_whole(world, writes):
    prepare(world, "SELECT i, '2026-01-02', NULL, i, 'b' FROM generate_series(1, 5) i", writes=writes)
    world.run("installer", ATTACH)
    world.run("operator", "SELECT pgslo.tick(); SELECT pgslo.tick()")
    assert world.run(
        "installer",
        """SELECT v.verdict FROM pgslo_catalog.verdict v JOIN pgslo_catalog.rule r USING (rule_id)
           WHERE r.kind = 'completeness' AND v.batch = '2026-01-02'""",
    ) == [("missed",)]
