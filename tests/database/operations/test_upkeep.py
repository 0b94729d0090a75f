"""What people do to a guarded table day by day: rules go on, and neither plan nor drift finds anything."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
import pytest

from pgslo import definition
from pgslo.database import operations, planning

Connection = psycopg.Connection[Any]
Apply = Callable[[str], Sequence[object]]

TABLE = """
CREATE SCHEMA t;
CREATE TABLE t.f (id int PRIMARY KEY, day date, a int, b int, c int, d int);
"""
DEFINITION = """\
table: t.f
owner: me
key: [id]
writes: {writes}
batch: {{by: day}}
settle: 1 second
columns:
  a: [range: {{min: 0, max: 9, on_breach: reject}}]
  b: [range: {{min: 0, max: 9, on_breach: quarantine}}]
  c: [range: {{min: 0, max: 9, on_breach: flag}}]
  d: [repair: {{clip: [0, 9]}}]
"""
#: What is done, and the first major version that can.
DONE = {
    "VACUUM (FULL, ANALYZE) t.f": 14,
    "CLUSTER t.f USING f_pkey": 14,
    "REINDEX TABLE CONCURRENTLY t.f": 14,
    "REINDEX SCHEMA CONCURRENTLY pgslo_catalog": 14,
    "ALTER TABLE t.f SET UNLOGGED; ALTER TABLE t.f SET LOGGED": 14,
    "ALTER TABLE t.f SET ACCESS METHOD heap": 15,
    "ALTER TABLE t.f SET TABLESPACE pg_default": 14,
    "ALTER TABLE t.f REPLICA IDENTITY FULL": 14,
    "ALTER TABLE t.f ADD later int DEFAULT 7; ALTER TABLE t.f DROP later": 14,
    "CREATE PUBLICATION everything FOR ALL TABLES": 14,
    "REVOKE ALL ON LANGUAGE plpgsql FROM PUBLIC": 14,
    """ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
       ALTER DEFAULT PRIVILEGES REVOKE USAGE ON TYPES FROM PUBLIC""": 14,
    "DO $$BEGIN EXECUTE format('REVOKE TEMP ON DATABASE %I FROM PUBLIC', current_database()); END$$": 14,
    """CREATE FUNCTION t.told() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN
           IF tg_tag = 'CREATE VIEW' THEN COMMENT ON VIEW guarded.f IS 'another'; END IF; END$$;
       CREATE EVENT TRIGGER told ON ddl_command_end EXECUTE FUNCTION t.told()""": 14,
}
SETTINGS = {
    "plan_cache_mode = force_generic_plan": 14,
    "jit_above_cost = 0": 14,
    "array_nulls = off": 14,
    "transform_null_equals = on": 14,
    "client_encoding = 'LATIN1'": 14,
    "plpgsql.extra_errors = 'all'": 14,
    "max_stack_depth = '100kB'": 14,
    "debug_parallel_query = regress": 16,
    "transaction_timeout = '1min'": 17,
}


def value(connection: Connection, query: str) -> Any:
    (found,) = connection.execute(query.encode()).fetchone() or (None,)
    return found


def needs(connection: Connection, major: int) -> None:
    if connection.info.server_version < major * 10000:
        pytest.skip(f"PostgreSQL {major} brought it")


def guard(connection: Connection, apply: Apply, writes: str) -> None:
    connection.execute(TABLE.encode())
    apply(DEFINITION.format(writes=writes))
    connection.execute("INSERT INTO t.f VALUES (1, '2026-01-01', 1, 1, 1, 1)")


def judges(connection: Connection) -> None:
    """See that each rule holds."""
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.execute("INSERT INTO t.f (id, day, a) VALUES (2, '2026-01-01', 99)")
    assert connection.execute("INSERT INTO t.f (id, day, b) VALUES (3, '2026-01-01', 99)").rowcount == 0
    connection.execute("INSERT INTO t.f (id, day, c) VALUES (4, '2026-01-01', 99)")
    connection.execute("INSERT INTO t.f (id, day, d) VALUES (5, '2026-01-01', 99)")
    connection.execute("UPDATE t.f SET a = 2, d = -5 WHERE id = 1")
    connection.execute("SELECT pgslo.tick()")
    assert value(connection, "SELECT d FROM t.f WHERE id = 5") == 9
    assert value(connection, "SELECT d FROM t.f WHERE id = 1") == 0
    assert value(connection, "SELECT count(*) FROM pgslo.quarantine") == 1
    assert value(connection, "SELECT count(*) FROM pgslo.incident WHERE rule = 'c_range'") == 1
    stored = value(connection, "SELECT count(*)::int FROM t.f")
    deadline = time.monotonic() + 20
    while value(connection, "SELECT rows::int FROM pgslo_catalog.batch") != stored:
        # Batches of a stream are counted once they settle.
        assert time.monotonic() < deadline
        time.sleep(0.2)
        connection.execute("SELECT pgslo.tick()")
    assert connection.execute("SELECT error_message FROM pgslo_catalog.rule_break").fetchall() == []
    said: list[str | None] = []
    connection.add_notice_handler(lambda notice: said.append(notice.sqlstate))
    connection.execute("SELECT c FROM guarded.f")
    assert said == ["01SL1"]


@pytest.mark.parametrize("writes", ["bulk", "stream"])
@pytest.mark.parametrize("done", DONE)
def test_upkeep_leaves_nothing_to_do(connection, apply, done, writes):
    needs(connection, DONE[done])
    guard(connection, apply, writes)
    connection.execute(done.encode())
    loaded = [definition.load(DEFINITION.format(writes=writes), path="slos/f.yml")]
    assert planning.plan_definitions(connection, loaded).empty
    assert [one for one in operations.find_drift(connection) if not one.is_hint] == []
    judges(connection)


@pytest.mark.parametrize("event", ["ddl_command_end", "sql_drop"])
def test_event_triggers_of_others_fire_while_it_is_applied(connection, apply, event):
    connection.execute(
        f"""CREATE TABLE public.seen (tag text);
            CREATE FUNCTION public.told() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN
                INSERT INTO public.seen VALUES (tg_tag); END$$;
            CREATE EVENT TRIGGER told ON {event} EXECUTE FUNCTION public.told()""".encode()
    )
    text = DEFINITION.format(writes="bulk")
    guard(connection, apply, "bulk")
    # A column less: views and functions are created again, and triggers dropped.
    apply(text.replace("  d: [repair: {clip: [0, 9]}]\n", ""))
    apply(text)
    assert value(connection, "SELECT count(*) FROM public.seen") > 0
    assert planning.plan_definitions(connection, [definition.load(text, path="slos/f.yml")]).empty
    assert [one for one in operations.find_drift(connection) if not one.is_hint] == []
    judges(connection)


def test_a_table_whose_owner_leaves(connection, apply, role):
    """REASSIGN OWNED, then DROP OWNED and DROP ROLE: views and functions go along with the table."""
    before, after = role("before"), role("after")
    connection.execute(TABLE.encode())
    connection.execute(
        f"GRANT USAGE ON SCHEMA t TO {before}, {after}; ALTER TABLE t.f OWNER TO {before}".encode()
    )
    apply(DEFINITION.format(writes="bulk"))
    connection.execute("INSERT INTO t.f VALUES (1, '2026-01-01', 1, 1, 1, 1)")
    connection.execute(
        f"REASSIGN OWNED BY {before} TO {after}; DROP OWNED BY {before}; DROP ROLE {before}".encode()
    )
    loaded = [definition.load(DEFINITION.format(writes="bulk"), path="slos/f.yml")]
    assert planning.plan_definitions(connection, loaded).empty
    assert [
        one for one in operations.find_drift(connection) if not one.is_hint and one.what != "other owner"
    ] == []
    judges(connection)
    connection.execute(f"CREATE ROLE {before}".encode())  # The fixture drops it.


@pytest.mark.parametrize("writes", ["bulk", "stream"])
@pytest.mark.parametrize("setting", SETTINGS)
def test_settings_of_a_session_change_nothing(connection, apply, setting, writes):
    needs(connection, SETTINGS[setting])
    guard(connection, apply, writes)
    connection.execute(f"SET {setting}".encode())
    judges(connection)
