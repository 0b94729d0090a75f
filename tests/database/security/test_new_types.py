"""The owner of a guarded table cannot make pgslo run casts of a type that a column got after apply."""

from __future__ import annotations

import psycopg
import pytest
import rights
from lived_in import run
from tests.database.migrations.test_dump_restore import program

#: Every cast that PostgreSQL would look for, with a witness of who runs it.
TYPE = """
CREATE TABLE evil.loot (who text);
GRANT ALL ON evil.loot TO PUBLIC;
GRANT USAGE ON SCHEMA evil TO PUBLIC;
CREATE TYPE evil.mood AS ENUM ('ok', '5');
CREATE FUNCTION evil.as_text(evil.mood) RETURNS text LANGUAGE plpgsql AS $$BEGIN
  INSERT INTO evil.loot VALUES (current_user); RETURN 'ok'; END$$;
CREATE FUNCTION evil.as_number(evil.mood) RETURNS int LANGUAGE plpgsql AS $$BEGIN
  INSERT INTO evil.loot VALUES (current_user); RETURN 5; END$$;
CREATE CAST (evil.mood AS text) WITH FUNCTION evil.as_text(evil.mood) AS IMPLICIT;
CREATE CAST (evil.mood AS int) WITH FUNCTION evil.as_number(evil.mood) AS IMPLICIT;
"""
DEFINITION = """
table: evil.tab
key: [id]
writes: {writes}
batch: {{by: day}}
columns:
  amount:
    - range: {{min: 0, max: 100, on_breach: {action}}}
    - range: {{name: small, min: 0, max: 50, on_breach: flag}}
  grp: [pattern: {{matches: "^[a-z]+$", on_breach: warn}}]
assertions:
  - same: {{all_equal: amount, group_by: grp, on_breach: flag}}
readers: [$reader]
"""


@pytest.fixture
def owned(world):
    """Mallory owns the guarded table; the installer is a member of her role."""
    world.run("superuser", "GRANT $mallory TO $installer")
    world.run(
        "mallory",
        TYPE
        + "CREATE TABLE evil.tab (id int PRIMARY KEY, day date, amount int, grp text); CREATE INDEX ON evil.tab (grp)",
    )
    world.run("mallory", "GRANT ALL ON evil.tab TO $writer")
    return world


@pytest.mark.parametrize("writes", ["bulk", "stream"])
@pytest.mark.parametrize("action", ["reject", "quarantine", "warn"])
def test_a_column_of_a_new_type_is_not_judged_until_the_next_apply(owned, writes, action):
    owned.apply(DEFINITION.format(writes=writes, action=action))
    owned.run("writer", "INSERT INTO evil.tab VALUES (1, '2026-01-01', 5, 'abc')")

    owned.run(
        "mallory",
        "ALTER TABLE evil.tab DROP COLUMN amount CASCADE, DROP COLUMN grp CASCADE;"
        "ALTER TABLE evil.tab ADD COLUMN amount evil.mood, ADD COLUMN grp evil.mood",
    )
    owned.run("writer", "INSERT INTO evil.tab VALUES (2, '2026-01-02', 'ok', '5')")
    owned.run("writer", "UPDATE evil.tab SET amount = '5' WHERE id = 2; DELETE FROM evil.tab WHERE id = 2")
    owned.run("installer", "SELECT pgslo.tick()")

    who = {row[0] for row in owned.run("mallory", "SELECT who FROM evil.loot")}
    assert who <= {owned.names["mallory"]}
    (broken,) = owned.run(
        "installer", "SELECT DISTINCT error_code FROM pgslo_catalog.rule_break WHERE rule_id IS NULL"
    )
    assert broken == ("42804",)


def test_a_built_in_type_is_judged_as_before(owned):
    owned.apply(DEFINITION.format(writes="bulk", action="warn"))
    owned.run(
        "superuser",
        "DROP VIEW IF EXISTS guarded.tab, guarded.tab_strict, guarded.tab_status, guarded.tab_healthy",
    )
    owned.run("mallory", "ALTER TABLE evil.tab ALTER COLUMN amount TYPE bigint")
    owned.run("writer", "INSERT INTO evil.tab VALUES (1, '2026-01-01', 999, 'abc')")
    assert ("small",) in owned.run("installer", "SELECT rule FROM pgslo.incident")


def test_a_type_of_the_owner_of_the_table_is_refused_in_conditions(owned):
    owned.run("mallory", "ALTER TABLE evil.tab ADD COLUMN mood evil.mood")
    with pytest.raises(Exception, match=r"has type evil\.mood, which role"):
        owned.apply(
            """
            table: evil.tab
            key: [id]
            writes: bulk
            batch: {by: day}
            rules: [fine: {expression: "mood = 'ok'", on_breach: flag}]
            """
        )


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_a_type_that_another_column_had_at_apply_is_new_as_well(owned, writes):
    owned.run("mallory", "ALTER TABLE evil.tab ADD COLUMN extra evil.mood")
    owned.apply(DEFINITION.format(writes=writes, action="reject"))
    owned.run(
        "mallory",
        "ALTER TABLE evil.tab DROP COLUMN amount CASCADE; ALTER TABLE evil.tab ADD COLUMN amount evil.mood",
    )
    owned.run("writer", "INSERT INTO evil.tab (id, day, amount) VALUES (2, '2026-01-02', 'ok')")
    assert {row[0] for row in owned.run("mallory", "SELECT who FROM evil.loot")} <= {owned.names["mallory"]}


def test_a_type_made_under_the_name_of_a_dropped_one_is_new(owned):
    owned.run(
        "mallory",
        "CREATE DOMAIN evil.dom AS int;"
        "ALTER TABLE evil.tab DROP COLUMN amount; ALTER TABLE evil.tab ADD COLUMN amount evil.dom",
    )
    owned.apply(DEFINITION.format(writes="bulk", action="reject"))
    owned.run(
        "mallory",
        "ALTER TABLE evil.tab DROP COLUMN amount CASCADE; DROP DOMAIN evil.dom;"
        "ALTER TYPE evil.mood RENAME TO dom; ALTER TABLE evil.tab ADD COLUMN amount evil.dom",
    )
    owned.run("writer", "INSERT INTO evil.tab (id, day, amount) VALUES (2, '2026-01-02', 'ok')")
    assert {row[0] for row in owned.run("mallory", "SELECT who FROM evil.loot")} <= {owned.names["mallory"]}


def test_a_setting_of_the_writer_makes_no_type_new(owned):
    owned.run("mallory", "ALTER TABLE evil.tab ADD COLUMN extra evil.mood")
    owned.apply(DEFINITION.format(writes="bulk", action="reject"))
    session = owned.session("writer", quote_all_identifiers="on")
    with pytest.raises(psycopg.errors.CheckViolation):
        session.execute("INSERT INTO evil.tab VALUES (1, '2026-01-01', 999, 'abc')")


#: A type that mallory makes under the name of the one that the column had at apply.
SAME_NAME = """
ALTER TABLE evil.other DROP COLUMN amount;
DROP DOMAIN evil.dom;
ALTER TYPE evil.mood RENAME TO dom;
ALTER TABLE evil.other ADD COLUMN amount evil.dom
"""


def test_a_type_of_the_same_name_is_new_in_the_other_table_of_an_assertion(owned):
    owned.run(
        "mallory",
        """CREATE DOMAIN evil.dom AS int;
           CREATE TABLE evil.other (id int PRIMARY KEY, grp text, amount evil.dom);
           CREATE INDEX ON evil.other (grp); GRANT ALL ON evil.other TO $writer""",
    )
    owned.apply(
        """
        table: evil.tab
        key: [id]
        writes: bulk
        batch: {by: day}
        assertions:
          - listed: {none_without: {table: evil.other, on: {grp: grp}, where: "amount > 0"}, on_breach: flag}
        """
    )
    owned.run("mallory", SAME_NAME)
    owned.run("writer", "INSERT INTO evil.other VALUES (1, 'abc', 'ok')")
    owned.run("writer", "DELETE FROM evil.other")
    assert {row[0] for row in owned.run("mallory", "SELECT who FROM evil.loot")} <= {owned.names["mallory"]}
    assert ("42804",) in owned.run("installer", "SELECT error_code FROM pgslo_catalog.rule_break")


def test_a_type_of_the_same_name_is_new_in_a_table_of_labels(owned):
    owned.run(
        "mallory",
        """CREATE DOMAIN evil.dom AS int;
           CREATE TABLE evil.pred (id int PRIMARY KEY, day date, score float8, at timestamptz);
           CREATE TABLE evil.other (id int PRIMARY KEY, known_at timestamptz, amount evil.dom);
           GRANT ALL ON evil.other, evil.pred TO $writer""",
    )
    owned.apply(
        """
        table: evil.pred
        kind: predictions
        writes: bulk
        batch: {by: day}
        predictions: {score: score, at: at}
        labels: {table: evil.other, on: id, label: amount, at: known_at, positive: 1, maturity: 2 days}
        """
    )
    owned.run("writer", "INSERT INTO evil.other VALUES (1, '2026-01-02', 1)")
    assert owned.run("installer", "SELECT count(*) > 0 FROM pgslo_catalog.pair_fragment") == [(True,)]
    owned.run("mallory", SAME_NAME)
    owned.run("writer", "INSERT INTO evil.other VALUES (2, '2026-01-02', 'ok')")
    assert {row[0] for row in owned.run("mallory", "SELECT who FROM evil.loot")} <= {owned.names["mallory"]}
    assert ("42804",) in owned.run("installer", "SELECT error_code FROM pgslo_catalog.rule_break")


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_after_a_restore_no_type_of_a_user_is_known_until_the_next_apply(owned, empty_dsn, tmp_path, writes):
    """The restoring role creates the types, in the order of the dump: their names identify nothing."""
    owned.run("mallory", "ALTER TABLE evil.tab ADD COLUMN extra evil.mood")
    owned.apply(DEFINITION.format(writes=writes, action="reject"))
    dump, name = tmp_path / "dump.sql", f"restored_{owned.names['mallory']}"
    admin = owned.admin
    source = psycopg.conninfo.make_conninfo(empty_dsn, dbname=admin.info.dbname)
    run(program("pg_dump"), f"--file={dump}", source)
    admin.execute(f'CREATE DATABASE "{name}"'.encode())
    dsn = psycopg.conninfo.make_conninfo(empty_dsn, dbname=name)
    try:
        # The types of a new database may get the numbers of the old one by chance.
        with psycopg.connect(dsn, autocommit=True) as restored:
            restored.execute("CREATE SCHEMA spent; CREATE TYPE spent.one AS ENUM ()")
        run(program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(dump), dsn)
        with psycopg.connect(dsn, autocommit=True) as restored:
            restored.execute(f'SET SESSION AUTHORIZATION "{owned.names["writer"]}"'.encode())
            restored.execute(
                "INSERT INTO evil.tab (id, day, amount, grp) VALUES (1, '2026-01-01', 999, 'abc')"
            )
            restored.execute("RESET SESSION AUTHORIZATION")
            breaks = restored.execute("SELECT error_code FROM pgslo_catalog.rule_break").fetchall()
            assert breaks == [("42804",)]
            restored.execute(f'SET SESSION AUTHORIZATION "{owned.names["installer"]}"'.encode())
            rights.apply(restored, owned.sql(DEFINITION.format(writes=writes, action="reject")))
            restored.execute(f'SET SESSION AUTHORIZATION "{owned.names["writer"]}"'.encode())
            with pytest.raises(psycopg.errors.CheckViolation):
                restored.execute(
                    "INSERT INTO evil.tab (id, day, amount, grp) VALUES (2, '2026-01-01', 999, 'abc')"
                )
    finally:
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())
