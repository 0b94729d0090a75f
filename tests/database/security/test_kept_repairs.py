"""What a repair replaced is kept, and kept as it was, whatever the writer's session prints values like."""

from __future__ import annotations

import pytest

TABLE = """
    CREATE TABLE features.t (id int PRIMARY KEY, d date, a real, b float8, seen timestamp, took interval, raw bytea, many float8[]);
    GRANT INSERT, UPDATE, SELECT ON features.t TO $writer
"""
RULES = """
    table: features.t
    key: [id]
    batch: {by: d}
    columns:
      a: [range: {max: 100, on_breach: repair, name: a_max}]
      b: [repair: {round: 0, name: b_round}]
      seen: [repair: {default: "2026-02-01 00:00:00", name: seen_default}]
      raw: [repair: {expression: "CASE WHEN length(raw) > 2 THEN decode('00', 'hex') ELSE raw END", name: raw_short}]
      many: [repair: {expression: "CASE WHEN many[1] > 100 THEN ARRAY[100::float8] ELSE many END", name: many_max}]
"""
ROW = "(1, '2026-01-01', 100.4, 7.04, NULL, NULL, '\\x010203', ARRAY[100.4])"
KEPT = [
    ("a", "100.4", "100"),
    ("b", "7.04", "7"),
    ("many", "{100.4}", "{100}"),
    ("raw", "\\x010203", "\\x00"),
    ("seen", None, "2026-02-01 00:00:00"),
]


@pytest.fixture
def repaired(world):
    world.run("installer", TABLE)
    world.apply(RULES)
    return world


def kept(world) -> list[tuple[str, str | None, str | None]]:
    """Each repaired column with the value that was sent and the one that was stored."""
    return world.run(
        "superuser",
        'SELECT column_name, old_value, new_value FROM pgslo.repair ORDER BY column_name COLLATE "C"',
    )


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"extra_float_digits": "-15"},
        {"extra_float_digits": "3"},
        {"datestyle": "SQL,DMY"},
        {"bytea_output": "escape"},
    ],
)
def test_each_repair_is_kept_as_it_was(repaired, settings):
    session = repaired.session("writer", **settings)
    session.execute(f"INSERT INTO features.t VALUES {ROW}".encode())
    assert kept(repaired) == KEPT


def test_a_value_that_needs_no_repair_leaves_no_note(repaired):
    session = repaired.session("writer", extra_float_digits="-15")
    session.execute(
        "INSERT INTO features.t VALUES (1, '2026-01-01', 99.9, 7, '2026-01-01 12:00', '1 day', '\\x01', ARRAY[1]), (2, '2026-01-01', NULL, NULL, '2026-01-01', NULL, NULL, NULL)"
    )
    session.execute("UPDATE features.t SET b = 'Infinity', took = NULL")
    assert kept(repaired) == []


@pytest.mark.parametrize("digits", ["-15", "-3", "3"])
def test_digits_that_the_session_does_not_print_count(world, digits):
    """No other rule of the table gives the function settings of its own."""
    world.run(
        "installer",
        "CREATE TABLE features.t (id int PRIMARY KEY, d date, a real, b float8); GRANT INSERT ON features.t TO $writer",
    )
    world.apply(
        """
        table: features.t
        key: [id]
        batch: {by: d}
        columns:
          a: [range: {max: 100, on_breach: repair, name: a_max}]
          b: [repair: {round: 0, name: b_round}]
        """
    )
    session = world.session("writer", extra_float_digits=digits)
    session.execute("INSERT INTO features.t VALUES (1, '2026-01-01', 100.4, 7.04)")
    assert kept(world) == [("a", "100.4", "100"), ("b", "7.04", "7")]
