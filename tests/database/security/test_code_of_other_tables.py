"""Code of the owner of a table that another one refers to: it runs in sessions of others, and gains nothing there."""

from __future__ import annotations

import psycopg
import pytest

#: Planning a query on the table runs the payload in other sessions than the owner's.
ARM = """
CREATE TABLE evil.log (who text, what text);
GRANT USAGE ON SCHEMA evil TO PUBLIC; GRANT INSERT ON evil.log TO PUBLIC;
CREATE FUNCTION evil.act() RETURNS int VOLATILE LANGUAGE plpgsql AS $f$ BEGIN
    IF session_user = '$mallory' THEN RETURN 1; END IF;
    {payload};
    RETURN 1;
END $f$;
CREATE FUNCTION evil.one(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $f$BEGIN PERFORM evil.act(); RETURN 1; END$f$;
CREATE INDEX ON {table} (n) WHERE evil.one(1) = 1;
"""
EX = """
table: features.ex
owner: sam
key: [id]
writes: {writes}
batch: {{by: day}}
columns:
  code: [references: {{table: evil.country, column: code, on_breach: {action}}}]
  n: [range: {{min: 0, max: 10, on_breach: quarantine}}]
"""


@pytest.fixture
def country(world):
    world.run("installer", "CREATE TABLE features.ex (id int PRIMARY KEY, day date, code text, n int)")
    world.run("installer", "GRANT ALL ON features.ex TO $writer")
    world.run(
        "mallory",
        """CREATE TABLE evil.country (code text PRIMARY KEY, n int); INSERT INTO evil.country VALUES ('de', 1);
           GRANT USAGE ON SCHEMA evil TO PUBLIC; GRANT SELECT, REFERENCES ON evil.country TO $installer""",
    )
    world.run("superuser", "GRANT $mallory TO $installer")
    return world


def attempt(session, text):
    """Run a statement; return the SQLSTATE of its error, or None."""
    try:
        session.execute(text.encode(), prepare=False)
    except psycopg.Error as error:
        return error.sqlstate
    return None


def arm(world, payload, table="evil.country"):
    world.run("mallory", ARM.format(payload=payload, table=table))


def test_a_foreign_key_leaves_no_path_in_a_release(country):
    country.apply(EX.format(writes="stream", action="reject"))
    country.run("writer", "INSERT INTO features.ex VALUES (1, '2026-01-01', 'de', 99)")
    arm(
        country,
        "PERFORM set_config('search_path', 'evil, pg_catalog', false), set_config('work_mem', '123456', false)",
    )
    country.run(
        "mallory",
        """CREATE FUNCTION evil.trap(bigint, int) RETURNS boolean LANGUAGE plpgsql AS
           $f$BEGIN INSERT INTO evil.log VALUES (current_user, 'trap'); RETURN $1 OPERATOR(pg_catalog.<>) $2; END$f$;
           CREATE OPERATOR evil.<> (LEFTARG = bigint, RIGHTARG = int, FUNCTION = evil.trap)""",
    )
    session = country.session("steward")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="cannot release row 1") as refused:
        session.execute("""SELECT pgslo.release(1, '{"n": 5}')""")
    assert "search_path" in str(refused.value.diag.message_detail)
    assert session.execute("SHOW search_path").fetchone() == ('"$user", public',)
    assert country.run("mallory", "SELECT * FROM evil.log") == []
    assert country.run("installer", "SELECT * FROM features.ex") == []


def test_one_that_leaves_nothing_lets_rows_be_released(country):
    country.apply(EX.format(writes="stream", action="reject"))
    country.run("writer", "INSERT INTO features.ex VALUES (1, '2026-01-01', 'de', 99)")
    country.run("steward", """SELECT pgslo.release(1, '{"n": 5}')""")
    assert country.run("installer", "SELECT id, n FROM features.ex") == [(1, 5)]


@pytest.mark.parametrize("action", ["flag", "quarantine"])
@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_a_look_up_replaces_no_prepared_statement_of_the_writer(country, writes, action):
    country.apply(EX.format(writes=writes, action=action))
    arm(country, "EXECUTE 'DEALLOCATE ALL'; EXECUTE 'PREPARE _pg3_0 AS SELECT evil.act()'")
    session = country.session("writer")
    session.prepare_threshold = 0
    session.execute("SELECT count(*) FROM features.ex")
    # Either the write fails, or it goes on without what the stranger prepared.
    assert attempt(session, "INSERT INTO features.ex VALUES (1, '2026-01-01', 'de', 1)") in (None, "SL004")
    found = session.execute("SELECT name, statement FROM pg_prepared_statements", prepare=False).fetchall()
    assert not any("evil" in statement for _, statement in found)


@pytest.mark.parametrize("action", ["flag", "quarantine"])
@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_a_forged_sl000_lets_no_row_pass(country, writes, action):
    country.apply(EX.format(writes=writes, action=action))
    arm(country, "RAISE EXCEPTION 'forged' USING ERRCODE = 'SL000'")
    if attempt(country.session("writer"), "INSERT INTO features.ex VALUES (1, '2026-01-01', 'xx', 1)"):
        assert country.run("installer", "SELECT * FROM features.ex") == []
        return
    told = country.run(
        "installer",
        """SELECT (SELECT count(*) FROM pgslo_catalog.rule_break) + (SELECT count(*) FROM pgslo_catalog.quarantine)
                + (SELECT count(*) FROM pgslo_catalog.incident)""",
    )
    assert told != [(0,)]


def test_a_forged_sl000_is_a_broken_query(country):
    """Of the table's own owner; code of others is not run at all."""
    country.run(
        "mallory",
        """CREATE TABLE evil.ex (id int PRIMARY KEY, day date, code text, n int);
           GRANT ALL ON evil.ex TO $installer, $writer""",
    )
    country.apply(
        """
        table: evil.ex
        owner: sam
        key: [id]
        writes: bulk
        batch: {by: day}
        rules:
          - known: {query: "SELECT r.id FROM evil.ex r WHERE r.code = 'xx'"}
        """
    )
    country.run("writer", "INSERT INTO evil.ex VALUES (1, '2026-01-01', 'xx', 1)")
    arm(country, "RAISE EXCEPTION 'forged' USING ERRCODE = 'SL000'", "evil.ex")
    with pytest.raises(psycopg.DatabaseError, match=r"code of evil\.ex raises SQLSTATE SL000"):
        country.run("operator", "SELECT * FROM pgslo.close_batch('evil.ex')")
    country.run(
        "installer",
        """UPDATE pgslo_catalog.fragment SET written_at = written_at - interval '1 hour';
           UPDATE pgslo_catalog.batch SET last_written_at = last_written_at - interval '1 hour'""",
    )
    country.run("operator", "SELECT pgslo.tick()")
    assert country.run("installer", "SELECT error_code FROM pgslo_catalog.rule_break") == [("SL004",)]


def test_a_query_runs_no_code_of_the_other_table_s_owner(country):
    country.apply(
        """
        table: features.ex
        owner: sam
        key: [id]
        writes: bulk
        batch: {by: day}
        rules:
          - known: {query: "SELECT r.id FROM features.ex r LEFT JOIN evil.country c ON c.code = r.code WHERE c.code IS NULL"}
        """
    )
    country.run("writer", "INSERT INTO features.ex VALUES (1, '2026-01-01', 'xx', 1)")
    arm(country, "RAISE EXCEPTION 'forged' USING ERRCODE = 'SL000'")
    country.run("operator", "SELECT * FROM pgslo.close_batch('features.ex')")
    assert country.run("installer", "SELECT error_code, error_message FROM pgslo_catalog.rule_break") == [
        ("42501", f"index evil.country_n_idx calls code of role {country.names['mallory']}")
    ]


def test_a_domain_that_has_no_constraint_yet_is_refused(world):
    world.run("mallory", "CREATE DOMAIN evil.d AS int; GRANT USAGE ON SCHEMA evil TO PUBLIC")
    world.run("installer", "CREATE TABLE features.rx (id int PRIMARY KEY, day date, n int, d evil.d)")
    world.run("installer", "GRANT ALL ON features.rx TO $writer")
    world.apply(
        "{table: features.rx, key: [id], batch: {by: day}, columns: {n: [range: {min: 0, max: 10, on_breach: quarantine}]}}"
    )
    world.run("writer", "INSERT INTO features.rx VALUES (1, '2026-01-01', 99, 3)")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="cannot release row 1"):
        world.run("steward", """SELECT pgslo.release(1, '{"n": 5}')""")


def test_a_renamed_key_column_is_still_the_key(world):
    world.run(
        "installer",
        "CREATE TABLE features.pay (id int PRIMARY KEY, amount int); GRANT ALL ON features.pay TO $writer",
    )
    world.apply(
        "{table: features.pay, key: [id], columns: {amount: [range: {max: 100, on_breach: quarantine}]}}"
    )
    world.run("writer", "INSERT INTO features.pay VALUES (7, 1)")
    world.run("writer", "UPDATE features.pay SET amount = 999 WHERE id = 7")
    world.run("writer", "INSERT INTO features.pay VALUES (8, 999)")
    world.run(
        "superuser",
        "DROP VIEW IF EXISTS guarded.pay_strict, guarded.pay_status, guarded.pay, guarded.pay_healthy",
    )
    world.run("installer", "ALTER TABLE features.pay RENAME id TO ident")
    for held in (1, 2):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match='cannot change key column "ident"'):
            world.run("steward", f"""SELECT pgslo.release({held}, '{{"ident": 100, "amount": 5}}')""")


def test_a_snapshot_takes_no_number_that_only_looks_alike(world):
    world.run("installer", "CREATE TABLE features.fx (id int PRIMARY KEY, day date, v float8)")
    world.apply("{table: features.fx, key: [id], batch: {by: day}, readers: [$trainer]}")
    world.run("installer", "INSERT INTO features.fx VALUES (1, '2026-01-01', 1.234), (2, '2026-01-01', 2.4)")
    session = world.session("trainer")
    session.execute("BEGIN")
    session.execute("SELECT pgslo.begin_snapshot('snap', 'guarded', 'fx', 'true', false, false)")
    session.execute("SET extra_float_digits = -15")
    session.execute("INSERT INTO pgslo_snapshot.snap VALUES (1, '2026-01-01', 1.49), (2, '2026-01-01', 2.4)")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="rows that are not in"):
        session.execute("SELECT pgslo.seal_snapshot('snap')")
