"""Row triggers run before PostgreSQL checks policies and check options: a release does not bypass these."""

from __future__ import annotations

import psycopg
import pytest

PAY = """
CREATE TABLE features.pay (id int PRIMARY KEY, day date, who text, a int);
INSERT INTO features.pay VALUES (1, '2026-01-01', 'fred', 5);
ALTER TABLE features.pay ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON features.pay USING (who = current_user) WITH CHECK (who = current_user);
GRANT SELECT, INSERT, UPDATE ON features.pay TO $writer;
"""
OF_PAY = """
table: features.pay
key: [id]
writes: bulk
batch: {by: day}
columns: {a: [range: {min: 0, max: 100, on_breach: quarantine}]}
"""
DENIED = psycopg.errors.InsufficientPrivilege
FRED = [(1, "fred", 5)]


def rows(world):
    return world.run("superuser", "SELECT id, who, a FROM features.pay ORDER BY id")


def refused(world, change, *, part="steward"):
    with pytest.raises(DENIED, match=r"^cannot release row \d") as caught:
        world.run(part, f"SELECT pgslo.release({change})")
    return caught.value.diag


@pytest.fixture
def paid(world):
    if world.admin.info.server_version < 150000:
        pytest.skip("row security needs PostgreSQL 15 or newer")
    world.run("installer", PAY)
    world.apply(OF_PAY)
    return world


def test_a_row_that_a_policy_may_refuse_is_released_by_who_may_write_any_row(paid):
    with pytest.raises(DENIED, match="row-level security"):
        paid.run("writer", "INSERT INTO features.pay VALUES (2, '2026-01-02', 'fred', 5)")
    paid.run("writer", "INSERT INTO features.pay VALUES (2, '2026-01-02', 'fred', 500)")
    said = refused(paid, """1, '{"a": 50}'""")
    assert said.message_detail == (
        "PostgreSQL did not check row-level security of features.pay: the row was quarantined before."
    )
    assert said.message_hint == (
        "A role with INSERT on features.pay to which no policy applies can release it. Or discard it: pgslo.discard(1)."
    )
    assert (said.schema_name, said.table_name) == ("features", "pay")
    # The privilege alone does not suffice, and BYPASSRLS alone does not either.
    paid.run("installer", "GRANT ALL ON features.pay TO $steward")
    refused(paid, """1, '{"a": 50}'""")
    paid.run("installer", "REVOKE ALL ON features.pay FROM $steward")
    paid.run("superuser", "ALTER ROLE $steward BYPASSRLS")
    try:
        refused(paid, """1, '{"a": 50}'""")
        assert rows(paid) == FRED
        paid.run("installer", "GRANT INSERT ON features.pay TO $steward")
        paid.run("steward", """SELECT pgslo.release(1, '{"a": 50}')""")
    finally:
        paid.run("superuser", "ALTER ROLE $steward NOBYPASSRLS")
    assert rows(paid) == [*FRED, (2, "fred", 50)]


def test_no_key_of_another_tenant_is_shown_or_overwritten(paid):
    paid.run("writer", "INSERT INTO features.pay VALUES (1, '2026-01-02', '$writer', 500)")
    for change in ("""1, '{"a": 50}'""", """1, '{"a": 50}', '{}'""", """1, '{"a": 50}', '{a}'"""):
        assert "duplicate" not in (refused(paid, change).message_hint or "")
    paid.run("writer", "INSERT INTO features.pay VALUES (3, '2026-01-02', '$writer', 5)")
    paid.run("writer", "UPDATE features.pay SET a = 500, who = 'fred' WHERE id = 3")
    refused(paid, """2, '{"a": 50}'""")
    assert rows(paid)[0] == FRED[0]
    # The owner of the table, to whom no policy applies.
    paid.run("installer", """SELECT pgslo.release(2, '{"a": 50}')""")
    assert rows(paid) == [*FRED, (3, "fred", 50)]
    # Under FORCE a policy applies to the owner as well.
    paid.run("installer", "ALTER TABLE features.pay FORCE ROW LEVEL SECURITY")
    refused(paid, """1, '{"a": 50, "id": 7}'""", part="installer")


def test_a_release_without_policies_takes_no_right_on_the_table(paid):
    paid.run("installer", "ALTER TABLE features.pay DISABLE ROW LEVEL SECURITY")
    # A view that nobody can write through, because its owner may not write to the table.
    paid.run("superuser", "GRANT USAGE ON SCHEMA features TO $mallory")
    paid.run(
        "mallory",
        "CREATE VIEW evil.v AS SELECT * FROM features.pay WHERE who = 'x' WITH CASCADED CHECK OPTION",
    )
    paid.run("writer", "INSERT INTO features.pay VALUES (2, '2026-01-02', 'fred', 500)")
    paid.run("steward", """SELECT pgslo.release(1, '{"a": 50}')""")
    assert rows(paid) == [*FRED, (2, "fred", 50)]


@pytest.mark.parametrize("is_nested", [False, True])
def test_the_check_option_of_a_view(world, is_nested):
    world.run("installer", PAY)
    world.run(
        "installer",
        """ALTER TABLE features.pay DISABLE ROW LEVEL SECURITY;
           REVOKE ALL ON features.pay FROM $writer;
           CREATE VIEW features.all_pay AS SELECT * FROM features.pay;
           GRANT SELECT, INSERT ON features.all_pay TO $trainer;
           GRANT USAGE ON SCHEMA features TO $trainer""",
    )
    world.run("trainer", "GRANT USAGE ON SCHEMA tr TO $writer")
    owner, name, below = (
        ("trainer", "tr.own_pay", "features.all_pay")
        if is_nested
        else ("installer", "features.own_pay", "features.pay")
    )
    world.run(
        owner,
        f"""CREATE VIEW {name} AS SELECT * FROM {below} WHERE who = 'joe' WITH CHECK OPTION;
            GRANT INSERT ON {name} TO $writer""",
    )
    world.apply(OF_PAY)
    with pytest.raises(psycopg.errors.WithCheckOptionViolation):
        world.run("writer", f"INSERT INTO {name} VALUES (2, '2026-01-02', 'fred', 5)")
    world.run("writer", f"INSERT INTO {name} VALUES (2, '2026-01-02', 'fred', 500)")
    assert f"the check option of view {name}" in refused(world, """1, '{"a": 50}'""").message_detail
    assert rows(world) == FRED
    world.run("installer", """SELECT pgslo.release(1, '{"a": 50}')""")
    assert rows(world) == [*FRED, (2, "fred", 50)]


PARTS = """
CREATE TABLE features.pay (id int, day date, who text, a int, PRIMARY KEY (id, who)) PARTITION BY LIST (who);
CREATE TABLE features.joe PARTITION OF features.pay FOR VALUES IN ('joe');
CREATE TABLE features.fred PARTITION OF features.pay FOR VALUES IN ('fred');
INSERT INTO features.pay VALUES (1, '2026-01-01', 'fred', 5), (2, '2026-01-01', 'joe', 6);
GRANT SELECT, INSERT, UPDATE ON features.joe TO $writer;
"""
BOTH = [(1, "fred", 5), (2, "joe", 6)]


def test_a_row_that_was_written_to_a_partition_goes_to_no_other_one(world):
    world.run("installer", PARTS)
    world.apply(OF_PAY.replace("key: [id]", "key: [id, who]"))
    with pytest.raises(psycopg.errors.CheckViolation):
        world.run("writer", "INSERT INTO features.joe VALUES (3, '2026-01-02', 'fred', 5)")
    world.run("writer", "INSERT INTO features.joe VALUES (3, '2026-01-02', 'fred', 500)")
    world.run("writer", "UPDATE features.joe SET who = 'fred', a = 500 WHERE id = 2")
    for number, right in ((1, "INSERT"), (2, "UPDATE")):
        detail = refused(world, f"""{number}, '{{"a": 50}}'""").message_detail
        assert "did not check whether the row belongs to features.joe, because role writer_" in detail
        assert f" has no {right} on features.pay: " in detail
    assert rows(world) == BOTH
    # A writer who may write to the whole, and one whose partition has policies.
    world.run("installer", "GRANT INSERT, UPDATE ON features.pay TO $writer")
    world.run("steward", """SELECT pgslo.release(1, '{"a": 50}')""")
    assert rows(world) == [*BOTH, (3, "fred", 50)]
    world.run("installer", "ALTER TABLE features.joe ENABLE ROW LEVEL SECURITY")
    assert "row-level security of features.joe" in refused(world, """2, '{"a": 50}'""").message_detail


@pytest.mark.parametrize(
    ("granted", "missing"),
    [
        ("INSERT (id), UPDATE (who)", ("column a of features.pay", "column a of features.pay")),
        (
            "INSERT (id, day, who), UPDATE (id, day, who)",
            ("column a of features.pay", "column a of features.pay"),
        ),
    ],
)
def test_a_right_on_some_columns_of_the_whole_is_none_to_write_the_row(world, granted, missing):
    world.run("installer", PARTS + f"GRANT {granted} ON features.pay TO $writer")
    world.apply(OF_PAY.replace("key: [id]", "key: [id, who]"))
    world.run("writer", "INSERT INTO features.joe VALUES (3, '2026-01-02', 'fred', 500)")
    world.run("writer", "UPDATE features.joe SET who = 'fred', a = 500 WHERE id = 2")
    for number, right in ((1, "INSERT"), (2, "UPDATE")):
        detail = refused(world, f"""{number}, '{{"a": 50}}'""").message_detail
        assert f" has no {right} on {missing[number - 1]}: " in detail
    assert rows(world) == BOTH
    # Rights on each column that is written suffice, and a steward who has them can release the row.
    world.run("installer", "GRANT INSERT (id, day, who, a) ON features.pay TO $steward")
    world.run("steward", """SELECT pgslo.release(1, '{"a": 50}')""")
    world.run("installer", "GRANT UPDATE (who, a) ON features.pay TO $writer; DELETE FROM features.fred")
    world.run("steward", """SELECT pgslo.release(2, '{"a": 50}')""")
    assert rows(world) == [(2, "fred", 50)]


def test_a_right_on_the_whole_in_a_closed_schema_is_none(world):
    world.run(
        "installer",
        PARTS
        + """GRANT INSERT, UPDATE ON features.pay TO $writer;
             CREATE SCHEMA joes;
             GRANT USAGE ON SCHEMA joes TO $writer;
             ALTER TABLE features.joe SET SCHEMA joes""",
    )
    world.apply(OF_PAY.replace("key: [id]", "key: [id, who]"))
    world.run("installer", "REVOKE USAGE ON SCHEMA features FROM $writer")
    world.run("writer", "INSERT INTO joes.joe VALUES (3, '2026-01-02', 'fred', 500)")
    detail = refused(world, """1, '{"a": 50}'""").message_detail
    assert " has no USAGE on schema features: " in detail
    world.run("installer", "GRANT USAGE ON SCHEMA features TO $writer")
    world.run("steward", """SELECT pgslo.release(1, '{"a": 50}')""")
    assert rows(world) == [*BOTH, (3, "fred", 50)]
