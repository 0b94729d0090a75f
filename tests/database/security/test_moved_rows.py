"""A row that moves to another partition is inserted there: the error shows none of its values to a writer without SELECT."""

from __future__ import annotations

import psycopg
import pytest

SSN = "078-05-1120"
PARTITIONED = f"""
    CREATE TABLE features.m (id int, d date, region int, ssn text) PARTITION BY LIST (region);
    CREATE TABLE features.m1 PARTITION OF features.m FOR VALUES IN (1);
    CREATE TABLE features.m2 PARTITION OF features.m FOR VALUES IN (2) PARTITION BY LIST (id);
    CREATE TABLE features.m27 PARTITION OF features.m2 FOR VALUES IN (7, 8);
    INSERT INTO features.m VALUES (7, '2026-01-01', 1, '{SSN}');
"""
RULE = """
    table: features.{table}
    key: [id]
    writes: {writes}
    batch: {{by: d}}
    rules: [small: {{expression: "region = 1 OR length(ssn) < 3", on_breach: reject}}]
"""


def guard(world, writes: str, table: str = "m") -> None:
    """Guard a table that refuses a text of three characters or more in region 2."""
    world.apply(RULE.format(writes=writes, table=table))


def detail(world, part: str, text: str) -> str:
    """The DETAIL of a write that the rule refuses; no other field of the error has a value."""
    with pytest.raises(psycopg.errors.CheckViolation) as failed:
        world.run(part, text)
    diag = failed.value.diag
    assert diag.constraint_name == "small"
    for field in ("message_primary", "message_hint", "context"):
        assert SSN not in str(getattr(diag, field))
    return diag.message_detail


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_a_moved_row_shows_no_value(world, writes):
    world.run("installer", PARTITIONED)
    guard(world, writes)
    world.run("installer", "GRANT INSERT, UPDATE ON features.m TO $writer")
    shown = detail(world, "writer", "UPDATE features.m SET region = 2")
    assert shown.startswith("columns region, ssn (not shown);")
    assert shown.endswith("Key (id) (not shown).")
    # Who may read the row is shown it.
    assert SSN in detail(world, "installer", "UPDATE features.m SET region = 2")
    world.run("installer", "GRANT SELECT ON features.m TO $writer")
    assert SSN in detail(world, "writer", "UPDATE features.m SET region = 2")


def test_a_table_that_was_attached_later_shows_no_value_of_a_row_that_comes(world):
    world.run("installer", PARTITIONED + "ALTER TABLE features.m DETACH PARTITION features.m2")
    guard(world, "stream", "m2")
    world.run("installer", "ALTER TABLE features.m ATTACH PARTITION features.m2 FOR VALUES IN (2)")
    world.run("installer", "GRANT INSERT, UPDATE ON features.m, features.m2 TO $writer")
    shown = detail(world, "writer", "UPDATE features.m SET region = 2")
    assert shown.startswith("columns region, ssn (not shown);")
    assert shown.endswith("Key (id) (not shown).")


def test_a_row_that_moves_with_the_rights_of_another_role_shows_no_value(world):
    """Rights of the writer on the table do not matter: views, rules and functions update with those of their owners."""
    world.run("installer", PARTITIONED)
    guard(world, "stream")
    world.run(
        "installer",
        """
        CREATE VIEW features.v AS SELECT region FROM features.m;
        CREATE FUNCTION features.move() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'UPDATE features.m SET region = 2';
        CREATE TABLE features.orders (to_region int);
        CREATE RULE move AS ON INSERT TO features.orders DO ALSO UPDATE features.m SET region = NEW.to_region;
        GRANT INSERT ON features.m TO $writer;
        GRANT UPDATE ON features.v TO $writer;
        GRANT INSERT ON features.orders TO $writer;
        GRANT EXECUTE ON FUNCTION features.move() TO $writer;
        """,
    )
    for text in (
        "UPDATE features.v SET region = 2",
        "SELECT features.move()",
        "INSERT INTO features.orders VALUES (2)",
    ):
        assert detail(world, "writer", text).startswith("columns region, ssn (not shown);"), text


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_an_upsert_shows_no_value_of_the_row_that_is_there(world, writes):
    """It may not move the row, and so is an UPDATE for every trigger."""
    world.run("installer", PARTITIONED + "ALTER TABLE features.m ADD UNIQUE (region, id)")
    guard(world, writes)
    world.run("installer", "INSERT INTO features.m VALUES (8, '2026-01-01', 2, 'ab')")
    world.run("installer", "GRANT INSERT, UPDATE, SELECT (region, id) ON features.m TO $writer")
    shown = detail(
        world,
        "writer",
        """INSERT INTO features.m VALUES (8, '2026-01-01', 2, 'x')
           ON CONFLICT (region, id) DO UPDATE SET ssn = 'y' || repeat('z', 9)""",
    )
    assert shown.startswith("region = 2 and column ssn (not shown);")


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_a_merge_that_moves_a_row_shows_no_value(world, writes):
    if world.admin.info.server_version < 150000:
        pytest.skip("MERGE came with PostgreSQL 15")
    world.run("installer", PARTITIONED)
    guard(world, writes)
    world.run("installer", "GRANT INSERT, UPDATE, SELECT (id) ON features.m TO $writer")
    shown = detail(
        world,
        "writer",
        """MERGE INTO features.m USING (VALUES (7)) AS s (id) ON m.id = s.id
           WHEN MATCHED THEN UPDATE SET region = 2 WHEN NOT MATCHED THEN INSERT VALUES (9, NULL, 2, 'abc')""",
    )
    assert shown.startswith("columns region, ssn (not shown);")


@pytest.mark.parametrize("writes", ["bulk", "stream"])
@pytest.mark.parametrize(
    ("partitions", "shown"),
    [
        ("", True),
        ("PARTITION BY LIST (region); CREATE TABLE features.n1 PARTITION OF features.n DEFAULT", True),
        (
            """PARTITION BY LIST (region); CREATE TABLE features.n1 PARTITION OF features.n DEFAULT;
               CREATE TABLE features.n2 PARTITION OF features.n FOR VALUES IN (1)""",
            False,
        ),
    ],
)
def test_an_insert_shows_what_was_sent_where_no_row_can_be_moved(world, writes, partitions, shown):
    world.run("installer", f"CREATE TABLE features.n (id int, d date, region int, ssn text) {partitions}")
    guard(world, writes, "n")
    world.run("installer", "GRANT INSERT, UPDATE ON features.n TO $writer")
    text = detail(world, "writer", f"INSERT INTO features.n VALUES (8, '2026-01-01', 2, '{SSN}')")
    assert (f"region = 2, ssn = {SSN};" in text) is shown
    assert ("not shown" in text) is not shown


def test_a_default_of_the_whole_is_not_shown_by_a_table_that_was_attached(world):
    """A row that is written by way of the whole has its defaults, not those of the partition."""
    world.run(
        "installer",
        f"""
        CREATE TABLE features.m (id int, d date, region int, ssn text DEFAULT '{SSN}') PARTITION BY LIST (region);
        CREATE TABLE features.m2 (id int, d date, region int, ssn text);
        """,
    )
    guard(world, "stream", "m2")
    world.run("installer", "ALTER TABLE features.m ATTACH PARTITION features.m2 FOR VALUES IN (2)")
    world.run("installer", "GRANT INSERT ON features.m, features.m2 TO $writer")
    shown = detail(world, "writer", "INSERT INTO features.m (id, d, region) VALUES (8, '2026-01-01', 2)")
    assert shown.startswith("region = 2 and column ssn (not shown);")
