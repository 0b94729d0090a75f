"""A steward releases the row that is held, and decides about no other row (case 11)."""

from __future__ import annotations

import psycopg
import pytest

PAY = """
CREATE TABLE features.pay (id int PRIMARY KEY, day date, amount int, who text);
INSERT INTO features.pay VALUES (7, '2026-01-01', 1, 'joe'), (42, '2026-01-01', 2, 'fred');
GRANT ALL ON features.pay TO $writer;
"""
OF_PAY = """
table: features.pay
key: [id]
writes: bulk
batch: {by: day}
columns:
  amount:
    - range: {min: 0, max: 5000, on_breach: quarantine}
    - range: {min: 0, max: 4000, on_breach: flag, name: soft}
readers: [$reader]
"""


@pytest.fixture
def paid(world):
    world.run("installer", PAY)
    world.apply(OF_PAY)
    return world


def rows(world):
    return world.run("installer", "SELECT id, amount, who FROM features.pay ORDER BY id")


def test_a_changed_key_is_refused_for_an_update(paid):
    paid.run("writer", "UPDATE features.pay SET amount = 9999 WHERE id = 7")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="cannot change key column") as refused:
        paid.run("steward", """SELECT pgslo.release(1, '{"id": 42, "who": "steward", "amount": 4999}')""")
    assert (refused.value.diag.column_name, refused.value.diag.table_name) == ("id", "pay")
    assert rows(paid) == [(7, 1, "joe"), (42, 2, "fred")]
    assert paid.run("steward", "SELECT state FROM pgslo.quarantine") == [("held",)]
    # Not by those either who may write the table: the row held is an update of row 7.
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="cannot change key column"):
        paid.run("installer", """SELECT pgslo.release(1, '{"id": 42, "amount": 4999}')""")


def test_an_update_is_released_to_its_row(paid):
    paid.run("writer", "UPDATE features.pay SET amount = 9999 WHERE id = 7")
    paid.run("steward", """SELECT pgslo.release(1, '{"amount": 4999}')""")
    assert rows(paid) == [(7, 4999, "joe"), (42, 2, "fred")]


def test_an_update_of_the_key_goes_to_the_row_that_had_the_old_key(paid):
    """The image has the key of another row, which the writer chose."""
    paid.run("writer", "DELETE FROM features.pay WHERE id = 42")
    paid.run("writer", "UPDATE features.pay SET id = 42, amount = 9999 WHERE id = 7")
    paid.run("writer", "INSERT INTO features.pay VALUES (43, '2026-01-01', 3, 'ann')")
    assert paid.run("steward", "SELECT old_key, image ->> 'id' FROM pgslo.quarantine") == [
        ({"id": "7"}, "42")
    ]
    paid.run("steward", """SELECT pgslo.release(1, '{"amount": 5}')""")
    assert rows(paid) == [(42, 5, "joe"), (43, 3, "ann")]


def test_an_update_of_the_key_to_that_of_another_row_overwrites_no_row(paid):
    paid.run("writer", "UPDATE features.pay SET id = 42, amount = 9999 WHERE id = 7")
    with pytest.raises(psycopg.errors.UniqueViolation):
        paid.run("steward", """SELECT pgslo.release(1, '{"amount": 5}')""")
    assert rows(paid) == [(7, 1, "joe"), (42, 2, "fred")]


def test_a_row_that_is_gone_is_named_by_the_key_that_it_had(paid):
    paid.run("writer", "UPDATE features.pay SET id = 50, amount = 9999 WHERE id = 7")
    paid.run("writer", "DELETE FROM features.pay WHERE id = 7")
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        paid.run("steward", """SELECT pgslo.release(1, '{"amount": 5}')""")
    assert refused.value.diag.message_detail == "The row with key (id) = (7) is not there to be updated."
    assert rows(paid) == [(42, 2, "fred")]


def test_an_inserted_row_keeps_its_key_unless_the_caller_may_insert(paid):
    paid.run("writer", "INSERT INTO features.pay VALUES (8, '2026-01-01', 9999, 'eve')")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="cannot change key column"):
        paid.run("steward", """SELECT pgslo.release(1, '{"id": 100, "amount": 5}')""")
    paid.run("installer", "GRANT INSERT ON features.pay TO $steward")
    paid.run("steward", """SELECT pgslo.release(1, '{"id": 100, "amount": 5}')""")
    assert rows(paid)[-1] == (100, 5, "eve")


def test_who_changed_what_is_kept(paid):
    paid.run(
        "writer",
        "INSERT INTO features.pay VALUES (8, '2026-01-01', 9999, 'eve'), (9, '2026-01-01', 9999, 'eve')",
    )
    paid.run("steward", """SELECT pgslo.release(1, '{"amount": 5, "who": "eva"}')""")
    paid.run("installer", "UPDATE pgslo_catalog.rule SET retired_at = retired_at")
    kept = "SELECT state, decided_by, changes FROM pgslo.quarantine ORDER BY quarantine_id"
    assert paid.run("steward", kept) == [
        ("released", paid.names["steward"], {"amount": 5, "who": "eva"}),
        ("held", None, None),
    ]


@pytest.mark.parametrize("style", ["SQL, DMY", "Postgres, MDY", "German"])
def test_the_key_is_found_whatever_the_writer_s_date_style(world, style):
    world.run(
        "installer",
        """CREATE TABLE features.k (day date, at timestamptz, x float8, "Odd name" text, amount int, PRIMARY KEY (day, at, x, "Odd name"));
           INSERT INTO features.k VALUES ('2026-02-01', '2026-02-01 10:00:00.123456+00', 0.1, 'a "b" {c}', 1);
           GRANT ALL ON features.k TO $writer""",
    )
    world.apply(
        "{table: features.k, writes: bulk, batch: {by: day}, columns: {amount: [range: {max: 5, on_breach: quarantine}]}}"
    )
    session = world.session("writer")
    session.execute(f"SET datestyle = '{style}'; SET timezone = 'Asia/Tokyo'; SET extra_float_digits = 0")
    session.execute("UPDATE features.k SET amount = 99, x = 0.2, day = '2026-03-02'")
    steward = world.session("steward")
    steward.execute("SET datestyle = 'SQL, DMY'")
    steward.execute("""SELECT pgslo.release(1, '{"amount": 3}')""")
    assert world.run("installer", "SELECT x, amount, day::text FROM features.k") == [(0.2, 3, "2026-03-02")]


def test_a_key_that_was_renamed_is_found(paid):
    paid.run("writer", "UPDATE features.pay SET id = 50, amount = 9999 WHERE id = 7")
    paid.run("installer", "ALTER TABLE features.pay RENAME id TO pay_id")
    paid.apply(OF_PAY.replace("key: [id]", "key: [pay_id]"))
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="cannot change key column"):
        paid.run("steward", """SELECT pgslo.release(1, '{"pay_id": 42, "amount": 5}')""")
    paid.run("steward", """SELECT pgslo.release(1, '{"amount": 5}')""")
    assert paid.run("installer", "SELECT pay_id, amount FROM features.pay ORDER BY 1") == [(42, 2), (50, 5)]


def test_row_security_of_the_owner_holds(paid):
    paid.run("writer", "INSERT INTO features.pay VALUES (8, '2026-01-01', 9999, 'eve')")
    paid.run(
        "installer",
        """CREATE POLICY p ON features.pay USING (true) WITH CHECK (who = 'joe');
           ALTER TABLE features.pay ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY""",
    )
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
        paid.run("steward", """SELECT pgslo.release(1, '{"amount": 5}')""")
