"""Code of a table's owner leaves nothing in the session of a role that lets pgslo read or write the table."""

from __future__ import annotations

import contextlib

import psycopg
import pytest

from pgslo import database

#: An IMMUTABLE function whose volatile part does what a rollback does not undo.
CODE = """
CREATE TABLE evil.what (sql text);
CREATE SEQUENCE evil.ran;
CREATE FUNCTION evil.act() RETURNS int VOLATILE LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE one text;
BEGIN
  IF current_user <> '$mallory' OR session_user = '$mallory' THEN RETURN 1; END IF;
  FOR one IN SELECT w.sql FROM evil.what w LOOP
    PERFORM nextval('evil.ran');
    EXECUTE one;
  END LOOP;
  RETURN 1;
END$$;
CREATE FUNCTION evil.one(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN PERFORM evil.act(); RETURN 1; END$$;
CREATE TABLE evil.tab (id int PRIMARY KEY, day date, amount int, seen timestamptz);
CREATE INDEX ON evil.tab (day);
CREATE INDEX ON evil.tab (seen);
GRANT ALL ON evil.tab TO $writer;
GRANT USAGE ON SCHEMA evil TO PUBLIC;
"""
BULK = """
table: evil.tab
key: [id]
writes: bulk
batch: {by: day}
freshness: {max_age: 30 days, of: seen}
columns:
  amount:
    - range: {min: 0, max: 100, on_breach: quarantine}
    - monotonic: {order: id, name: rising, at_most: 100000}
rules:
  - q: {query: "SELECT t.id FROM evil.tab t WHERE t.amount > 50"}
"""
STREAM = "{table: evil.tab, key: [id], writes: stream, batch: {by: day}, columns: {amount: [range: {min: 0, on_breach: flag}]}}"
#: Where the owner puts code that runs as the table is planned or read.
PLACES = {
    "index predicate": "CREATE INDEX ON evil.tab (amount) WHERE evil.one(1) = 1",
    "index expression": "CREATE INDEX ON evil.tab ((evil.one(1) + amount))",
    "statistics": "CREATE STATISTICS evil.s ON (evil.one(1) + amount), day FROM evil.tab",
    "policy": """CREATE POLICY p ON evil.tab USING (evil.act() = 1);
                 ALTER TABLE evil.tab ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY""",
}
PREPARED = "SELECT name, statement FROM pg_prepared_statements ORDER BY name"
REPLACE = """DEALLOCATE ALL; PREPARE _pg3_0 AS SELECT 'of mallory'; PREPARE "S_1" AS SELECT 'of mallory'; PREPARE "all" AS SELECT 1"""


@pytest.fixture
def owned(world):
    """Mallory owns the guarded table; the installer is a member of her role."""
    world.run("superuser", "GRANT $mallory TO $installer")
    world.run("mallory", CODE)
    return world


def arm(world, sql, place="index predicate"):
    world.run("mallory", PLACES[place])
    world.run("mallory", "INSERT INTO evil.what VALUES ($code$" + sql + "$code$)")


def filled(world, text=BULK):
    world.apply(text)
    world.run(
        "writer",
        "INSERT INTO evil.tab VALUES (1, '2026-01-01', 60, now()), (2, '2026-01-01', 60, now()), (3, '2026-01-02', 60, now())",
    )


def prepared(world, part):
    """A session that has the statements which psycopg and JDBC make, and one that it made from SQL."""
    session = world.session(part)
    session.execute("SET client_min_messages = warning")
    session.execute("PREPARE _pg3_0 AS SELECT 'of the session'")
    session.execute('PREPARE "S_1" AS SELECT 1')
    return session


def statements(session):
    return dict(session.execute(PREPARED, prepare=False).fetchall())


def hostile(session):
    return {name: text for name, text in statements(session).items() if "mallory" in text or name == "all"}


def was_run(world):
    return world.run("superuser", "SELECT is_called FROM evil.ran") == [(True,)]


CALLS = {
    "operator": (
        "SELECT pgslo.tick()",
        "SELECT pgslo.close_batch('evil.tab')",
        "SELECT pgslo.recount_pairs('evil.tab')",
    ),
    "installer": (
        "SELECT pgslo.learn('evil.tab')",
        "SELECT * FROM pgslo.history('evil.tab')",
        "SELECT * FROM pgslo.audit('evil.tab')",
    ),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("definition", [BULK, STREAM], ids=["bulk", "stream"])
def test_no_prepared_statement_is_replaced(owned, place, definition):
    filled(owned, definition)
    arm(owned, REPLACE, place)
    for part, calls in CALLS.items():
        for call in calls:
            session = prepared(owned, part)
            with contextlib.suppress(psycopg.Error):
                session.execute(call)
            assert hostile(session) == {}, call
    assert was_run(owned)


def test_not_if_both_were_prepared_by_the_same_message(owned):
    filled(owned)
    arm(owned, REPLACE)
    session = owned.session("operator")
    session.execute(
        "PREPARE _pg3_0 AS SELECT 1; SELECT pgslo.tick(); SELECT name FROM pg_prepared_statements"
    )
    assert statements(session) == {}
    assert was_run(owned)


@pytest.mark.parametrize("code", ["query_canceled", "assert_failure", "P0001", "SL000", "SL004", "40001"])
def test_not_if_the_code_then_fails(owned, code):
    """Handlers of OTHERS catch neither query_canceled nor assert_failure."""
    filled(owned)
    name = f"SQLSTATE '{code}'" if code.isupper() or code[0].isdigit() else code
    arm(owned, REPLACE)
    owned.run(
        "mallory",
        f"INSERT INTO evil.what VALUES ($$DO 'BEGIN RAISE {name.replace(chr(39), chr(39) * 2)}; END'$$)",
    )
    for call in CALLS["operator"]:
        session = prepared(owned, "operator")
        with contextlib.suppress(psycopg.Error):
            session.execute(call)
        assert hostile(session) == {}, call
    assert was_run(owned)


def test_not_if_the_session_cancels_the_code(owned):
    filled(owned)
    arm(owned, REPLACE + "; SELECT pg_sleep(60)")
    session = prepared(owned, "operator")
    session.execute("SET statement_timeout = '1s'")
    with pytest.raises(psycopg.errors.QueryCanceled):
        session.execute("SELECT pgslo.close_batch('evil.tab')")
    assert statements(session) == {}
    session = prepared(owned, "operator")
    session.execute("SET statement_timeout = '1s'")
    session.execute("SELECT pgslo.tick()")
    assert statements(session) == {}
    assert was_run(owned)


def test_tick_says_what_it_removed_and_goes_on(owned):
    filled(owned)
    owned.run(
        "installer",
        "CREATE TABLE features.t (id int PRIMARY KEY, day date); GRANT ALL ON features.t TO $writer",
    )
    owned.apply("{table: features.t, key: [id], writes: bulk, batch: {by: day}}")
    owned.run("writer", "INSERT INTO features.t VALUES (1, '2026-01-01'), (2, '2026-01-02')")
    arm(owned, REPLACE)
    session = prepared(owned, "operator")
    said = []
    session.add_notice_handler(lambda diag: said.append((diag.sqlstate, diag.message_primary)))
    session.execute("SELECT pgslo.tick()")
    assert (
        "01SL2",
        "pgslo.tick() could not judge batches of evil.tab: code of evil.tab changes the session that reads it",
    ) in said
    assert owned.run(
        "installer", "SELECT error_code, error_message FROM pgslo_catalog.rule_break WHERE rule_id IS NULL"
    ) == [("SL004", "code of evil.tab changes the session that reads it")]
    assert owned.run(
        "installer", "SELECT batch FROM pgslo.batch WHERE definition = 'features.t' AND closed_at IS NOT NULL"
    ) == [("2026-01-01",)]


def test_a_failed_assertion_ends_no_other_table(owned):
    filled(owned)
    owned.run(
        "installer",
        "CREATE TABLE features.t (id int PRIMARY KEY, day date); GRANT ALL ON features.t TO $writer",
    )
    owned.apply("{table: features.t, key: [id], writes: bulk, batch: {by: day}}")
    owned.run("writer", "INSERT INTO features.t VALUES (1, '2026-01-01'), (2, '2026-01-02')")
    arm(owned, "DO 'BEGIN ASSERT false; END'")
    owned.run("operator", "SELECT pgslo.tick()")
    assert owned.run(
        "installer", "SELECT batch FROM pgslo.batch WHERE definition = 'features.t' AND closed_at IS NOT NULL"
    ) == [("2026-01-01",)]
    ((message,),) = owned.run(
        "installer", "SELECT error_message FROM pgslo_catalog.rule_break WHERE rule_id IS NULL"
    )
    assert message == "code of evil.tab raises assert_failure"


def test_close_batch_fails_and_names_what_differs(owned):
    filled(owned)
    arm(owned, REPLACE)
    session = prepared(owned, "operator")
    with pytest.raises(psycopg.Error) as refused:
        session.execute("SELECT pgslo.close_batch('evil.tab')")
    assert refused.value.sqlstate == "SL004"
    detail = str(refused.value.diag.message_detail)
    removed, lost = detail.split(" Lost: ")
    assert removed.startswith("Removed from the session: ")
    for name in ("_pg3_0", "S_1", "all"):
        assert f'prepared statement "{name}"' in removed
    for name in ("_pg3_0", "S_1"):
        assert f'prepared statement "{name}"' in lost
    # Gone, so that its next use is an error.
    with pytest.raises(psycopg.errors.InvalidSqlStatementName):
        session.execute("EXECUTE _pg3_0")


LOCKS = (
    "SELECT pg_advisory_lock(1), pg_advisory_lock(1), pg_advisory_lock_shared(-2), pg_advisory_lock(-3, 4),"
    " pg_advisory_lock(9223372036854775807), pg_advisory_xact_lock(5)"
)
HELD = "SELECT classid, objid, objsubid, mode FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"


def test_no_lock_of_the_session_is_left_or_lost(owned):
    filled(owned)
    arm(owned, LOCKS)
    session = owned.session("operator")
    session.execute("SELECT pgslo.tick()")
    assert session.execute(HELD).fetchall() == []
    owned.run("mallory", "UPDATE evil.what SET sql = 'SELECT pg_advisory_unlock_all()'")
    session.execute("SELECT pg_advisory_lock(7)")
    with pytest.raises(psycopg.Error) as refused:
        session.execute("SELECT pgslo.close_batch('evil.tab')")
    assert refused.value.sqlstate == "SL004"
    assert refused.value.diag.message_detail == "Lost: advisory lock (0, 7)."


def test_what_the_session_has_itself_stays(owned):
    filled(owned)
    session = prepared(owned, "operator")
    session.execute("SELECT pg_advisory_lock(7)")
    session.execute("SELECT pgslo.tick()")
    session.execute("SELECT pgslo.close_batch('evil.tab')")
    assert session.execute("EXECUTE _pg3_0").fetchone() == ("of the session",)
    assert len(session.execute(HELD).fetchall()) == 1
    assert owned.run("installer", "SELECT error_message FROM pgslo_catalog.rule_break") == []


def test_functions_of_tables_of_pgslo_s_owner_pay_nothing(world):
    world.run("installer", "CREATE TABLE features.t (id int PRIMARY KEY, day date, a int)")
    world.apply(
        "{table: features.t, key: [id], writes: bulk, batch: {by: day}, columns: {a: [monotonic: {order: id, name: rising}]}}"
    )
    assert (
        world.run(
            "superuser",
            "SELECT proname FROM pg_proc WHERE pronamespace = 'pgslo_gen'::regnamespace AND prosrc ~ 'session_state'",
        )
        == []
    )


def test_the_command_line_prepares_nothing(empty_dsn):
    with database.connect(empty_dsn) as conn:
        assert conn.prepare_threshold is None
