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


#: A BEFORE trigger, which works while a row is released.
TRIGGER = """
CREATE FUNCTION evil.meanwhile() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM evil.act(); RETURN NEW; END$$;
CREATE TRIGGER a BEFORE INSERT ON evil.tab FOR EACH ROW EXECUTE FUNCTION evil.meanwhile();
"""
REMAINS = {
    "prepared statement": REPLACE,
    "session lock": "SELECT pg_advisory_lock(5)",
    "temporary view": "CREATE TEMP VIEW quarantine AS SELECT 1 AS a",
    "temporary table": "CREATE TEMP TABLE quarantine (a int)",
    "temporary type": "CREATE TYPE pg_temp.jsonb AS ENUM ('x')",
    "dropped temporary table": "DISCARD TEMP",
    "holdable cursor": "DECLARE c CURSOR WITH HOLD FOR SELECT evil.act()",
    "cursor": "DECLARE c CURSOR FOR SELECT evil.act()",
    "on_read": "SELECT set_config('pgslo.on_read', 'silent', false)",
    "local on_read": "SELECT set_config('pgslo.on_read', 'silent', true)",
    "heard": "SELECT set_config('pgslo.heard', 'on', false)",
}
LEFT = """
SELECT ARRAY(SELECT name || statement FROM pg_prepared_statements WHERE statement ~ 'mallory'),
       ARRAY(SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
       ARRAY(SELECT relname FROM pg_class WHERE relnamespace = pg_my_temp_schema() ORDER BY 1),
       ARRAY(SELECT typname FROM pg_type WHERE typnamespace = pg_my_temp_schema() AND typtype = 'e'),
       ARRAY(SELECT name FROM pg_cursors WHERE name = 'c'), nullif(current_setting('pgslo.on_read', true), ''),
       nullif(current_setting('pgslo.heard', true), '')
"""


def quarantined(world):
    world.apply(BULK)
    world.run("writer", "INSERT INTO evil.tab VALUES (3, '2026-01-01', 999, now())")


@pytest.mark.parametrize("remains", REMAINS)
@pytest.mark.parametrize("fails", [False, True])
def test_a_release_leaves_nothing_in_the_steward_s_session(owned, remains, fails):
    quarantined(owned)
    owned.run("mallory", TRIGGER)
    owned.run("mallory", f"INSERT INTO evil.what VALUES ($code${REMAINS[remains]}$code$)")
    if fails:
        owned.run("mallory", "INSERT INTO evil.what VALUES ('DO ''BEGIN RAISE query_canceled; END''')")
    session = prepared(owned, "steward")
    session.execute("CREATE TEMP TABLE mine (a int)")
    before = session.execute(LEFT).fetchone()
    with pytest.raises(psycopg.Error) as refused:
        session.execute("SELECT pgslo.release(1, '{\"amount\": 7}')")
    if not fails:
        assert refused.value.sqlstate == "42501"
        assert refused.value.diag.message_primary == "cannot release row 1"
        assert (
            refused.value.diag.message_hint
            == f"Write the row as role {owned.names['mallory']}, and discard this one."
        )
    assert session.execute(LEFT).fetchone() == before
    assert was_run(owned)
    assert owned.run("mallory", "SELECT id FROM evil.tab") == []


def test_reading_the_row_for_a_release_is_no_way_around(owned):
    owned.run(
        "mallory",
        "CREATE DOMAIN evil.small AS int CHECK (evil.one(VALUE) = 1); ALTER TABLE evil.tab ADD s evil.small",
    )
    owned.apply(BULK)
    owned.run("writer", "INSERT INTO evil.tab VALUES (3, '2026-01-01', 999, now(), 1)")
    owned.run("mallory", f"INSERT INTO evil.what VALUES ($code${REPLACE}$code$)")
    session = prepared(owned, "steward")
    with pytest.raises(psycopg.Error) as refused:
        session.execute("SELECT pgslo.release(1, '{\"amount\": 7}')")
    assert refused.value.sqlstate == "SL004"
    assert hostile(session) == {}
    assert was_run(owned)


def test_a_session_that_has_such_things_itself_releases(owned):
    quarantined(owned)
    owned.run(
        "mallory",
        """CREATE FUNCTION evil.touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.seen := '2026-01-01'; RETURN NEW; END$$;
           CREATE TRIGGER updated_at BEFORE INSERT OR UPDATE ON evil.tab FOR EACH ROW EXECUTE FUNCTION evil.touch()""",
    )
    session = prepared(owned, "steward")
    session.execute(
        "CREATE TEMP VIEW mine AS SELECT 1; SELECT pg_advisory_lock(3); SET pgslo.on_read = 'refuse'"
    )
    session.execute("SELECT pgslo.release(1, '{\"amount\": 7}')")
    assert session.execute("EXECUTE _pg3_0").fetchone() == ("of the session",)
    assert owned.run("mallory", "SELECT amount, extract(year FROM seen)::int FROM evil.tab") == [(7, 2026)]


DEFERRED = {
    "on the table": "CREATE CONSTRAINT TRIGGER z AFTER INSERT ON evil.tab DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION evil.late()",
    "initially immediate": """
        CREATE CONSTRAINT TRIGGER z AFTER INSERT ON evil.tab DEFERRABLE INITIALLY IMMEDIATE FOR EACH ROW EXECUTE FUNCTION evil.late();
        INSERT INTO evil.what VALUES ('SET CONSTRAINTS ALL DEFERRED')""",
    "on another table": """
        CREATE CONSTRAINT TRIGGER z AFTER INSERT ON evil.other DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION evil.late();
        INSERT INTO evil.what VALUES ('INSERT INTO evil.other VALUES (1)')""",
    "after a failed block": """
        CREATE CONSTRAINT TRIGGER z AFTER INSERT ON evil.other DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION evil.late();
        INSERT INTO evil.what VALUES
          ('DO ''BEGIN INSERT INTO evil.other VALUES (2); RAISE EXCEPTION USING ERRCODE = ''''P0001''''; EXCEPTION WHEN OTHERS THEN NULL; END'''),
          ('INSERT INTO evil.other VALUES (1)')""",
    "of a table that is made": """
        INSERT INTO evil.what VALUES ('CREATE TABLE evil.made (id int); CREATE CONSTRAINT TRIGGER z AFTER INSERT ON evil.made
          DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION evil.late(); INSERT INTO evil.made VALUES (1)')""",
    "exclusion": """
        INSERT INTO evil.what VALUES ('INSERT INTO evil.unlike VALUES (1), (1)')""",
    "foreign key": """
        INSERT INTO evil.what VALUES ('INSERT INTO evil.child VALUES (1)')""",
}
LATE = """
CREATE TABLE evil.ran_as (who text);
GRANT ALL ON evil.ran_as TO PUBLIC;
CREATE FUNCTION evil.late() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO evil.ran_as VALUES (current_user); RETURN NULL; END$$;
CREATE FUNCTION evil.seen(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN PERFORM evil.note(); RETURN 1; END$$;
CREATE FUNCTION evil.note() RETURNS void LANGUAGE plpgsql AS $$BEGIN INSERT INTO evil.ran_as VALUES (current_user); END$$;
CREATE TABLE evil.other (id int);
CREATE TABLE evil.unlike (id int, EXCLUDE ((evil.seen(id)) WITH =) DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE evil.child (id int REFERENCES evil.parent DEFERRABLE INITIALLY DEFERRED);
"""


@pytest.mark.parametrize("way", DEFERRED)
def test_a_release_leaves_no_trigger_to_the_end_of_the_transaction(owned, way):
    owned.run("mallory", "CREATE TABLE evil.parent (id int PRIMARY KEY); INSERT INTO evil.parent VALUES (1)")
    owned.run("mallory", LATE)
    quarantined(owned)
    owned.run("mallory", TRIGGER + DEFERRED[way])
    session = owned.session("steward")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="cannot release row 1") as refused:
        session.execute("SELECT pgslo.release(1, '{\"amount\": 7}')")
    assert "deferrable trigger of another role" in str(refused.value.diag.message_detail)
    assert owned.run("mallory", "SELECT who FROM evil.ran_as") == []


def test_constraints_of_the_table_are_checked_by_the_release(owned):
    """Deferred foreign keys and unique constraints of the table itself, as frameworks make them."""
    owned.run("mallory", "CREATE TABLE evil.parent (id int PRIMARY KEY); INSERT INTO evil.parent VALUES (1)")
    owned.run(
        "mallory",
        """ALTER TABLE evil.tab ADD ref int REFERENCES evil.parent DEFERRABLE INITIALLY DEFERRED,
             ADD UNIQUE (id, amount) DEFERRABLE INITIALLY DEFERRED, ADD UNIQUE (id, ref)""",
    )
    owned.apply(BULK)
    for number, ref in enumerate((1, 1, 2), 1):
        owned.run("writer", f"INSERT INTO evil.tab VALUES ({number}, '2026-01-01', 999, now(), {ref})")
    session = owned.session("steward")
    with session.transaction():
        session.execute("SELECT pgslo.release(1, '{\"amount\": 7}')")
        session.execute("SELECT pgslo.release(2, '{\"amount\": 7}')")
    with pytest.raises(psycopg.errors.ForeignKeyViolation), session.transaction():
        session.execute("SELECT pgslo.release(3, '{\"amount\": 7}')")
    assert owned.run("mallory", "SELECT id FROM evil.tab ORDER BY 1") == [(1,), (2,)]
