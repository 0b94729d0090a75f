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


#: Mallory holds TRIGGER and REFERENCES on the table, and her schema is open to all.
SPIES = """
CREATE TABLE evil.ran_as (who text);
GRANT ALL ON evil.ran_as TO PUBLIC;
CREATE FUNCTION evil.note() RETURNS void LANGUAGE plpgsql AS $$BEGIN INSERT INTO evil.ran_as VALUES (current_user); END$$;
CREATE FUNCTION evil.look() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM evil.note(); RETURN NEW; END$$;
CREATE FUNCTION evil.is_so(int) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN PERFORM evil.note(); RETURN true; END$$;
GRANT USAGE ON SCHEMA evil TO PUBLIC;
"""
STRANGE = {
    "trigger": (
        "CREATE TRIGGER z BEFORE INSERT OR UPDATE ON features.pay FOR EACH ROW EXECUTE FUNCTION evil.look()",
        "trigger z on table features.pay calls code of role",
    ),
    "trigger of a statement": (
        "CREATE TRIGGER z AFTER INSERT OR UPDATE ON features.pay EXECUTE FUNCTION evil.look()",
        "trigger z on table features.pay calls code of role",
    ),
    "condition of a trigger": (
        """CREATE TRIGGER z BEFORE INSERT OR UPDATE ON features.pay FOR EACH ROW WHEN (evil.is_so(NEW.id))
           EXECUTE FUNCTION suppress_redundant_updates_trigger()""",
        "trigger z on table features.pay calls code of role",
    ),
    "foreign key that cascades": (
        """CREATE TABLE evil.child (id int REFERENCES features.pay ON UPDATE CASCADE);
           INSERT INTO evil.child VALUES (7);
           CREATE TRIGGER z AFTER UPDATE ON evil.child FOR EACH ROW EXECUTE FUNCTION evil.look()""",
        "table evil.child belongs to role",
    ),
}


@pytest.mark.parametrize("way", STRANGE)
def test_a_release_runs_no_code_of_another_role_as_pgslo_s_owner(paid, way):
    paid.run(
        "installer",
        "GRANT ALL ON features.pay TO $mallory; GRANT USAGE ON SCHEMA features TO $mallory",
    )
    paid.run("mallory", SPIES)
    paid.run("writer", "UPDATE features.pay SET id = 70, amount = 9999 WHERE id = 7")
    made, said = STRANGE[way]
    paid.run("mallory", made)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="cannot release row 1") as refused:
        paid.run("steward", """SELECT pgslo.release(1, '{"amount": 5}')""")
    assert said in str(refused.value.diag.message_detail)
    assert paid.run("mallory", "SELECT who FROM evil.ran_as") == []


PARTS = """
CREATE TABLE features.part (id int, day date, amount int) PARTITION BY RANGE (day);
CREATE TABLE features.part_1 PARTITION OF features.part FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
GRANT ALL ON features.part TO $writer;
"""


@pytest.mark.parametrize("way", ["trigger on a partition", "owner of a partition"])
def test_a_release_runs_no_code_on_a_partition_as_pgslo_s_owner(world, way):
    world.run("installer", PARTS)
    world.run("mallory", SPIES)
    world.apply(
        "{table: features.part, key: [id], writes: bulk, batch: {by: day}, columns: {amount: [range: {max: 5, on_breach: quarantine}]}}"
    )
    world.run("writer", "INSERT INTO features.part VALUES (1, '2026-02-01', 99)")
    world.run(
        "installer",
        "GRANT USAGE ON SCHEMA features TO $mallory; GRANT TRIGGER ON features.part_1 TO $mallory",
    )
    if way == "owner of a partition":
        world.run("superuser", "ALTER TABLE features.part_1 OWNER TO $mallory")
        world.run("mallory", "ALTER TABLE features.part_1 ADD CHECK (evil.is_so(id))")
    else:
        world.run(
            "mallory",
            "CREATE TRIGGER z BEFORE INSERT ON features.part_1 FOR EACH ROW EXECUTE FUNCTION evil.look()",
        )
    with pytest.raises(
        psycopg.errors.InsufficientPrivilege,
        match=r"cannot release row 1|features\.part_1, a part of features\.part, belongs to role",
    ):
        world.run("steward", """SELECT pgslo.release(1, '{"amount": 5}')""")
    assert world.run("mallory", "SELECT who FROM evil.ran_as") == []


def test_a_release_runs_no_function_of_a_range_type_as_pgslo_s_owner(world):
    world.run("mallory", SPIES)
    world.run(
        "mallory",
        """CREATE FUNCTION evil.apart(int, int) RETURNS float8 IMMUTABLE LANGUAGE plpgsql AS $$BEGIN
             PERFORM evil.note(); RETURN ($1 - $2)::float8; END$$;
           CREATE TYPE evil.span AS RANGE (subtype = int, subtype_diff = evil.apart)""",
    )
    world.run(
        "installer",
        """CREATE TABLE features.s (id int PRIMARY KEY, day date, amount int, over evil.span);
           CREATE INDEX ON features.s USING gist (over);
           GRANT ALL ON features.s TO $writer""",
    )
    world.apply(
        "{table: features.s, key: [id], writes: bulk, batch: {by: day}, columns: {amount: [range: {max: 5, on_breach: quarantine}]}}"
    )
    world.run("writer", "INSERT INTO features.s VALUES (1, '2026-02-01', 99, '[1,3)')")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="cannot release row 1") as refused:
        world.run("steward", """SELECT pgslo.release(1, '{"amount": 5}')""")
    assert 'column "over" of features.s has range type evil.span' in str(refused.value.diag.message_detail)


def test_triggers_of_trusted_roles_and_cascades_within_them_run(paid):
    paid.run(
        "installer",
        """CREATE FUNCTION features.touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.who := 'touched'; RETURN NEW; END$$;
           CREATE TRIGGER updated BEFORE INSERT OR UPDATE ON features.pay FOR EACH ROW EXECUTE FUNCTION features.touch();
           CREATE TABLE features.child (id int REFERENCES features.pay ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED);
           INSERT INTO features.child VALUES (7)""",
    )
    paid.run("writer", "UPDATE features.pay SET id = 70, amount = 9999 WHERE id = 7")
    paid.run("steward", """SELECT pgslo.release(1, '{"amount": 5}')""")
    assert rows(paid) == [(42, 2, "fred"), (70, 5, "touched")]
    assert paid.run("installer", "SELECT id FROM features.child") == [(70,)]


def test_a_discard_is_recorded_with_the_role_that_acts(paid):
    paid.run("writer", "INSERT INTO features.pay VALUES (8, '2026-01-01', 9999, 'eve')")
    paid.run("superuser", "GRANT $steward TO $operator")
    session = paid.session("operator")
    session.execute(paid.sql("SET ROLE $steward").encode())
    session.execute("SELECT pgslo.discard(1)")
    assert paid.run("steward", "SELECT decided_by FROM pgslo.quarantine") == [(paid.names["steward"],)]


def test_no_insert_is_released_as_an_update_that_neither_may_make(world):
    world.run("installer", "CREATE TABLE features.up (id int PRIMARY KEY, name text, age int)")
    world.run(
        "installer",
        "GRANT INSERT, UPDATE (age) ON features.up TO $writer; INSERT INTO features.up VALUES (1, 'right', 30)",
    )
    world.apply(
        """
        table: features.up
        key: [id]
        columns: {age: [range: {max: 120, on_breach: quarantine}]}
        """
    )
    world.run("writer", "INSERT INTO features.up VALUES (1, 'forged', 500)")
    for columns in ("{}", "{name}", "{name,age}"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="as an update of column name"):
            world.run("steward", f"""SELECT pgslo.release(1, '{{"age": 50}}', '{columns}')""")
    world.run("steward", """SELECT pgslo.release(1, '{"age": 50}', '{age}')""")
    assert world.run("installer", "SELECT * FROM features.up") == [(1, "right", 50)]
