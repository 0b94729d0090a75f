"""An UPDATE is quarantined only for columns that it changes, and never where a foreign key does it."""

from __future__ import annotations

import psycopg
import pytest
from quarantining import rows


@pytest.mark.parametrize(
    ("action", "change", "expected"),
    [
        ("ON DELETE SET DEFAULT", "DELETE FROM features.parent WHERE id = 1", [(1, 2), (2, 2)]),
        ("ON DELETE CASCADE", "DELETE FROM features.parent WHERE id = 1", [(2, 2)]),
        ("ON UPDATE CASCADE", "UPDATE features.parent SET id = 9 WHERE id = 1", [(1, 9), (2, 2)]),
    ],
)
def test_what_a_foreign_key_does_is_never_diverted(session, action, change, expected):
    """A diverted row would be left behind pointing nowhere, and PostgreSQL would not notice."""
    session.run("CREATE TABLE features.parent (id int PRIMARY KEY)")
    session.run("INSERT INTO features.parent VALUES (1), (2)")
    session.run(
        f"CREATE TABLE features.example (id int PRIMARY KEY, parent int DEFAULT 2 REFERENCES features.parent {action}, v int)"
    )
    session.run("INSERT INTO features.example VALUES (1, 1, 999), (2, 2, 999)")
    session.guard(
        """
        table: features.example
        columns:
          v: [{range: {max: 100, on_breach: quarantine}}]
          parent: [{not_null: {on_breach: quarantine}}]
        """
    )
    session.run(change)
    assert rows(session, "id, parent") == expected
    assert session.run("UPDATE features.example SET parent = NULL WHERE id = 2").count == 0
    assert session.run("UPDATE features.example SET v = 998 WHERE id = 2").count == 0
    assert len(session.held()) == 2


def test_what_a_foreign_key_does_is_refused_if_a_rule_about_its_column_is_violated(session):
    """As by NOT NULL: the row can neither be stored nor held back."""
    session.run("CREATE TABLE features.parent (id int PRIMARY KEY)")
    session.run("INSERT INTO features.parent VALUES (1)")
    session.run(
        "CREATE TABLE features.example (id int PRIMARY KEY, parent int REFERENCES features.parent ON DELETE SET NULL)"
    )
    session.guard(
        """
        table: features.example
        columns:
          parent: [{not_null: {on_breach: quarantine}}]
        """
    )
    session.run("INSERT INTO features.example VALUES (1, 1)")
    with pytest.raises(psycopg.errors.CheckViolation, match="parent_not_null"):
        session.run("DELETE FROM features.parent WHERE id = 1")
    assert rows(session, "id, parent") == [(1, 1)]


OLD_ROWS = """
table: features.example
key: [id]
writes: {writes}
columns:
  age: [{{range: {{max: 120, on_breach: quarantine}}}}]
  name: [{{not_null: {{on_breach: quarantine, where: active}}}}]
rules:
  - sum: {{expression: "age + extra < 1000", on_breach: quarantine}}
"""


@pytest.fixture(params=["bulk", "stream"])
def old_rows(session, request):
    session.run(
        "CREATE TABLE features.example (id int PRIMARY KEY, age int, name text, active bool DEFAULT true, extra int DEFAULT 0, deleted bool DEFAULT false)"
    )
    session.run("INSERT INTO features.example (id, age) VALUES (1, 500), (2, 5)")
    session.guard(OLD_ROWS.format(writes=request.param))
    return session


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE features.example SET deleted = true WHERE id = 1",
        "UPDATE features.example SET deleted = true, age = 500, name = NULL WHERE id = 1",
        "INSERT INTO features.example (id, age, name) VALUES (1, 7, 'x') ON CONFLICT (id) DO UPDATE SET deleted = true",
    ],
)
def test_an_update_that_changes_no_ruled_column_is_stored(old_rows, change):
    """The existing row violates the rules as well; a soft delete of it has to be possible."""
    assert old_rows.run(change).count == 1
    assert rows(old_rows, "id, age, name, deleted") == [(1, 500, None, True), (2, 5, None, False)]
    assert old_rows.held() == []


@pytest.mark.parametrize(
    "change",
    [
        "age = 501",
        "age = 499, deleted = true",
        "extra = 900",  # read by an expression
        "active = NOT active, age = 600",
    ],
)
def test_an_update_that_changes_one_is_judged(old_rows, change):
    assert old_rows.run(f"UPDATE features.example SET {change} WHERE id = 1").count == 0
    assert len(old_rows.held()) == 1


def test_a_column_that_only_the_condition_of_a_rule_reads_is_one(old_rows):
    assert old_rows.run("UPDATE features.example SET active = false WHERE id = 2").count == 1
    assert old_rows.run("UPDATE features.example SET active = true WHERE id = 2").count == 0
    assert len(old_rows.held()) == 1


def test_a_row_that_moves_to_another_partition_is_judged(session):
    """It would be taken from the one and kept out of the other."""
    session.run("CREATE TABLE features.example (id int, age int, note text) PARTITION BY RANGE (id)")
    for n in range(3):
        session.run(
            f"CREATE TABLE features.example_{n} PARTITION OF features.example FOR VALUES FROM ({n}0) TO ({n + 1}0)"
        )
    session.run("INSERT INTO features.example VALUES (1, 500)")
    session.guard(
        """
        table: features.example
        key: [id]
        columns:
          age: [{range: {max: 120, on_breach: quarantine}}]
        """
    )
    assert session.run("UPDATE features.example SET id = 11").count == 0
    assert session.values("SELECT id FROM features.example") == [1]
    assert session.run("UPDATE features.example SET note = 'x'").count == 1


def test_dlt_ends_the_old_version_of_a_row_that_violates_a_rule(session):
    """What its merge with the strategy scd2 does: the old version ends, a new one begins."""
    session.run(
        "CREATE TABLE features.example (id int, age int, valid_from int, valid_to int, PRIMARY KEY (id, valid_from))"
    )
    session.run("INSERT INTO features.example VALUES (3, 500, 1, NULL)")
    session.guard(
        """
        table: features.example
        key: [id, valid_from]
        columns:
          age: [{range: {max: 120, on_breach: quarantine}}]
        """
    )
    session.run("UPDATE features.example SET valid_to = 2 WHERE id = 3 AND valid_to IS NULL")
    session.run("INSERT INTO features.example VALUES (3, 5, 2, NULL)")
    assert rows(session, "age, valid_to") == [(5, None), (500, 2)]
