"""The release of a quarantined UPDATE sets the columns that the UPDATE changed, and no others."""

from __future__ import annotations

import psycopg
import pytest

PAY = """
CREATE TABLE features.pay (id int PRIMARY KEY, day date, a int, ssn int, approved boolean, "Odd name" text);
INSERT INTO features.pay VALUES (1, '2026-01-01', 5, 4711, true, 'x'), (2, '2026-01-01', 6, 4712, true, 'y');
GRANT SELECT, UPDATE (a, "Odd name") ON features.pay TO $writer;
"""
OF_PAY = """
table: features.pay
key: [id]
writes: bulk
batch: {by: day}
columns: {a: [range: {min: 0, max: 100, on_breach: quarantine}]}
"""


@pytest.fixture
def held(world):
    """The writer, with UPDATE on two columns, changes one; then the installer changes two others."""
    world.run("installer", PAY)
    world.apply(OF_PAY)
    world.run("writer", "UPDATE features.pay SET a = 500 WHERE id = 1")
    world.run("installer", "UPDATE features.pay SET approved = false, ssn = 9999 WHERE id = 1")
    return world


def row(world):
    return world.run("installer", 'SELECT a, ssn, approved, "Odd name" FROM features.pay WHERE id = 1')


def test_columns_that_the_update_does_not_change_stay(held):
    held.run("steward", """SELECT pgslo.release(1, '{"a": 50}')""")
    assert row(held) == [(50, 9999, False, "x")]
    # What the steward changes is set as well.
    held.run("writer", """UPDATE features.pay SET a = 600, "Odd name" = 'z' WHERE id = 1""")
    held.run("installer", "UPDATE features.pay SET ssn = 1 WHERE id = 1")
    held.run("steward", """SELECT pgslo.release(2, '{"a": 51, "approved": true}')""")
    assert row(held) == [(51, 1, True, "z")]
    # One of all columns is released as before.
    held.run(
        "installer",
        """UPDATE features.pay SET (a, ssn, approved, "Odd name") = (700, 2, NULL, NULL) WHERE id = 1""",
    )
    held.run("steward", """SELECT pgslo.release(3, '{"a": 52}')""")
    assert row(held) == [(52, 2, None, None)]


def test_columns_that_were_renamed_or_added_since(held):
    held.run("writer", """UPDATE features.pay SET a = 500, "Odd name" = 'new' WHERE id = 2""")
    held.run(
        "installer",
        """ALTER TABLE features.pay RENAME "Odd name" TO label;
           ALTER TABLE features.pay RENAME ssn TO "Odd name";
           ALTER TABLE features.pay ADD COLUMN more int DEFAULT 3""",
    )
    held.run("installer", "UPDATE features.pay SET more = 4")
    held.run("steward", """SELECT pgslo.release(1, '{"a": 50}'), pgslo.release(2, '{"a": 51}')""")
    assert held.run(
        "installer", 'SELECT id, a, "Odd name", approved, label, more FROM features.pay ORDER BY id'
    ) == [
        (1, 50, 9999, False, "x", 4),
        (2, 51, 4712, True, "new", 4),
    ]


def test_an_update_of_no_column_is_not_released(world):
    world.run("installer", PAY)
    world.run("installer", "INSERT INTO features.pay VALUES (3, '2026-01-01', 500, 1, true, 'z')")
    world.apply(OF_PAY)
    world.run("writer", "UPDATE features.pay SET a = 501 WHERE id = 3")
    # Kept by an installation that did not note the columns.
    world.run("installer", "UPDATE pgslo_catalog.quarantine SET changed = NULL")
    with pytest.raises(psycopg.errors.UndefinedColumn, match="changes no column"):
        world.run("steward", "SELECT pgslo.release(1)")
    world.run("steward", """SELECT pgslo.release(1, '{"a": 7}')""")
    assert world.run("installer", "SELECT a, ssn FROM features.pay WHERE id = 3") == [(7, 1)]


def test_a_partition_whose_columns_are_in_another_order(world):
    """The writer writes to the partition, whose second column is the key of the whole."""
    world.run(
        "installer",
        """CREATE TABLE features.whole (id int, other int, day date, a int, ssn int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
           CREATE TABLE features.part (ssn int, other int, gone int, a int, id int NOT NULL, day date NOT NULL, PRIMARY KEY (id, day));
           ALTER TABLE features.part DROP COLUMN gone;
           ALTER TABLE features.whole ATTACH PARTITION features.part FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
           INSERT INTO features.whole VALUES (1, 2, '2026-02-01', 5, 4711), (2, 1, '2026-02-01', 5, 4712);
           GRANT SELECT ON features.part, features.whole TO $writer;
           GRANT UPDATE (a) ON features.part, features.whole TO $writer""",
    )
    world.apply(
        "{table: features.whole, key: [id, day], writes: bulk, batch: {by: day}, columns: {a: [range: {max: 100, on_breach: quarantine}]}}"
    )
    for turn, table in enumerate(("whole", "part"), 1):
        world.run("writer", f"UPDATE features.{table} SET a = 500 WHERE id = 1")
        world.run("installer", f"UPDATE features.whole SET ssn = {turn}, other = {turn} WHERE id = 1")
        world.run("steward", f"""SELECT pgslo.release({turn}, '{{"a": 5{turn}}}')""")
        assert world.run("installer", "SELECT id, other, a, ssn FROM features.whole ORDER BY id") == [
            (1, turn, 50 + turn, turn),
            (2, 1, 5, 4712),
        ]
