"""A distributed table without its cluster: with stand-ins for functions of Citus, so its triggers are on one node, with all of its rows.

What Citus does with shards is in ``tests/database/cluster``.
"""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from stand_ins import CITUS

from pgslo.database import installation, planning
from pgslo.definition import load

Connection = psycopg.Connection[Any]
COLUMNS = "(id bigint NOT NULL, day date NOT NULL, a float8, b float8, c float8, e float8, f float8, PRIMARY KEY (id, day))"
RULES = """
owner: sam
writes: bulk
batch: {by: day}
columns:
  a: [range: {min: 0, max: 100, name: r_warn}]
  b: [range: {min: 0, on_breach: quarantine, name: r_q}]
  c: [range: {min: 0, on_breach: reject, name: r_rej}]
  e: [repair: {clip: [0, 10]}]
  f: [not_null: {at_least: 0.9}]
"""
BOTH = ("feat.plain", "feat.t")


def apply(conn: Connection, rules: str = RULES) -> None:
    definitions = [load(f"table: {table}{rules}", path=f"slos/{table}.yml") for table in BOTH]

    def plan() -> Any:
        return planning.plan_definitions(conn, definitions)

    assert installation.apply(conn, plan(), plan) == ()
    assert plan().empty


@pytest.fixture
def conn(connection: Connection) -> Connection:
    connection.execute("CREATE SCHEMA feat")
    for table in (*BOTH, "feat.r", "feat.own", "feat.tenant"):
        connection.execute(f"CREATE TABLE {table} {COLUMNS}".encode())
    connection.execute(CITUS.encode())
    connection.execute("SET citus.enable_unsafe_triggers = on")
    apply(connection)
    return connection


def both(conn: Connection, statement: str) -> None:
    for table in BOTH:
        conn.execute(statement.format(t=table).encode())


def same(conn: Connection) -> list[list[Any]]:
    """The state of the table from its notes equals that of a table that records at writes."""
    queries = (
        "SELECT name, rows, failures FROM pgslo_catalog.batch WHERE definition_id = %s AND rows > 0 ORDER BY 1",
        (
            "SELECT r.name, m.batch FROM pgslo_catalog.missed_batch m JOIN pgslo_catalog.rule r USING (rule_id)"
            " WHERE m.definition_id = %s AND m.ended_at IS NULL ORDER BY 1, 2"
        ),
        (
            "SELECT operation, row_key, image, image_text, old_key, changed, reasons, writer FROM pgslo_catalog.quarantine"
            " WHERE definition_id = %s ORDER BY row_key"
        ),
        (
            "SELECT rule_name, column_name, row_key, old_value, new_value, writer FROM pgslo_catalog.repair"
            " WHERE definition_id = %s ORDER BY row_key"
        ),
    )
    for _ in range(3):
        conn.execute("SELECT pgslo.tick()")
    found = []
    for table in BOTH:
        (number,) = conn.execute(
            "SELECT definition_id FROM pgslo_catalog.definition WHERE name = %s", (table,)
        ).fetchone() or (0,)
        known = [conn.execute(query.encode(), (number,)).fetchall() for query in queries]
        known[0] = [
            (name, rows, {key: n for key, n in failed.items() if n}) for name, rows, failed in known[0]
        ]
        found.append(known)
    assert found[1] == found[0]
    assert conn.execute("SELECT count(*) FROM pgslo_gen.outbox__feat__t").fetchone() == (0,)
    return found[1]


SERIES = (
    "INSERT INTO {t} SELECT i, date '2026-03-01' + i % 3, i % 10 - 1, CASE WHEN i % 50 = 0 THEN -1 ELSE 1 END, 1, i % 13,"
    " CASE WHEN i % 5 = 0 THEN NULL ELSE 1 END FROM generate_series(1, 200) AS i"
)


def test_what_is_noted_comes_to_what_is_recorded(conn: Connection) -> None:
    both(conn, SERIES)
    assert all(same(conn))
    both(conn, "UPDATE {t} SET a = 500 WHERE id % 2 = 0")
    both(conn, "UPDATE {t} SET b = -5 WHERE id % 3 = 0")
    both(conn, "UPDATE {t} SET b = -7, a = a WHERE id = 4")
    both(conn, "DELETE FROM {t} WHERE id < 20")
    both(
        conn,
        "INSERT INTO {t} VALUES (30, '2026-03-01', 9, 3, 1, 99, 1) ON CONFLICT (id, day) DO UPDATE SET a = excluded.a",
    )
    same(conn)
    for table in BOTH:
        with pytest.raises(psycopg.errors.CheckViolation) as caught:
            conn.execute(f"INSERT INTO {table} VALUES (3000, '2026-03-05', 1, 1, -1, 1, 1)".encode())
        assert (caught.value.diag.constraint_name, caught.value.diag.column_name) == ("r_rej", "c")
        with conn.transaction(force_rollback=True):
            conn.execute(f"INSERT INTO {table} VALUES (3000, '2026-03-05', -1, -1, 1, 1, 1)".encode())
    same(conn)
    both(conn, "TRUNCATE {t}")
    assert same(conn)[0] == []


def test_a_note_outlives_the_definition_that_it_was_written_under(conn: Connection) -> None:
    """An outbox that is re-created, or not needed any more, is read first."""
    conn.execute("INSERT INTO feat.t VALUES (1, '2026-03-01', 1, -3, 1, 1, 1)")
    conn.execute("UPDATE pg_dist_partition SET colocationid = 9 WHERE logicalrelid = 'feat.t'::regclass")
    apply(conn)
    query = "SELECT row_key FROM pgslo.quarantine WHERE definition = 'feat.t'"
    assert conn.execute(query).fetchall() == [("(id, day) = (1, 2026-03-01)",)]
    conn.execute("INSERT INTO feat.t VALUES (2, '2026-03-01', 1, -3, 1, 1, 1)")
    conn.execute("DELETE FROM pg_dist_partition WHERE logicalrelid = 'feat.t'::regclass")
    apply(conn)
    assert len(conn.execute(query).fetchall()) == 2
    assert conn.execute("SELECT to_regclass('pgslo_gen.outbox__feat__t')").fetchone() == (None,)


def test_objects_that_citus_made_anew_without_their_comments_are_replaced(conn: Connection) -> None:
    """As ``alter_distributed_table`` and ``undistribute_table`` leave them."""
    conn.execute("INSERT INTO feat.t VALUES (1, '2026-03-01', 1, -3, 1, 1, 1)")
    objects = conn.execute(
        "SELECT format('VIEW %s', c.oid::regclass) FROM pg_class c WHERE c.relkind = 'v' AND c.oid::regclass::text ~ '^guarded.t(_|$)'"
        " UNION ALL SELECT 'TABLE pgslo_gen.outbox__feat__t'"
        " UNION ALL SELECT format('TRIGGER %I ON feat.t', t.tgname) FROM pg_trigger t"
        " WHERE t.tgrelid = 'feat.t'::regclass AND NOT t.tgisinternal"
    ).fetchall()
    assert len(objects) == 4 + 1 + 7
    for (one,) in objects:
        conn.execute(f"COMMENT ON {one} IS NULL".encode())
    conn.execute("DELETE FROM pg_dist_partition WHERE logicalrelid = 'feat.t'::regclass")
    apply(conn)
    assert conn.execute("SELECT count(*) FROM pgslo.quarantine WHERE definition = 'feat.t'").fetchone() == (
        1,
    )
    assert conn.execute("SELECT to_regclass('pgslo_gen.outbox__feat__t')").fetchone() == (None,)
    conn.execute("INSERT INTO feat.t VALUES (2, '2026-03-01', -1, 1, 1, 1, 1)")
    assert conn.execute("SELECT rule FROM pgslo.incident WHERE definition = 'feat.t'").fetchall() == [
        ("r_warn",)
    ]


def test_a_shard_that_is_emptied_writes_to_no_other_node(conn: Connection) -> None:
    conn.execute("TRUNCATE feat.t")
    query = "SELECT called FROM pgslo_gen.outbox__feat__t"
    assert conn.execute(query).fetchall() == [("emptied",)]
    conn.execute("SELECT pgslo.tick()")
    conn.execute("DELETE FROM pg_dist_partition WHERE logicalrelid = 'feat.t'::regclass")
    conn.execute("TRUNCATE feat.t")
    assert conn.execute(query).fetchall() == []


def test_a_row_whose_columns_changed_before_it_was_taken_over(conn: Connection) -> None:
    conn.execute("INSERT INTO feat.t VALUES (1, '2026-03-01', 1, -3, 1, 1, 1)")
    conn.execute("ALTER TABLE feat.t ADD COLUMN g integer")
    conn.execute("SELECT pgslo.tick()")
    found = conn.execute("SELECT image, image_text FROM pgslo_catalog.quarantine").fetchall()
    assert found == [(None, "(1,2026-03-01,1,-3,1,1,1)")]


def test_no_function_of_a_column_that_came_later_runs_when_a_row_is_taken_over(
    role: Any, conn: Connection
) -> None:
    """The owner of the table owns the outbox, too, and may write a row into it as it would have to be."""
    mallory = role("mallory")
    conn.execute("INSERT INTO feat.t VALUES (1, '2026-03-01', 1, -3, 1, 1, 1)")
    for statement in (
        "CREATE TABLE feat.ran (by text)",
        """CREATE FUNCTION feat.spy(integer) RETURNS boolean LANGUAGE plpgsql
               AS 'BEGIN INSERT INTO feat.ran VALUES (current_user); RETURN true; END'""",
        f"ALTER FUNCTION feat.spy OWNER TO {mallory}",
        "CREATE DOMAIN feat.spied AS integer CHECK (feat.spy(VALUE))",
        f"ALTER DOMAIN feat.spied OWNER TO {mallory}",
        "ALTER TABLE feat.t ADD COLUMN g feat.spied",
        """UPDATE pgslo_gen.outbox__feat__t SET told = jsonb_set(told, '{new}', to_jsonb(rtrim(told ->> 'new', ')') || ',5)'))
               WHERE called = 'quarantine'""",
    ):
        conn.execute(statement.encode())
    conn.execute("SELECT pgslo.tick()")
    assert conn.execute("SELECT * FROM feat.ran").fetchall() == []
    found = conn.execute("SELECT image, image_text FROM pgslo_catalog.quarantine").fetchall()
    assert found == [(None, "(1,2026-03-01,1,-3,1,1,1,5)")]


def test_a_full_quarantine_takes_what_was_diverted(conn: Connection) -> None:
    apply(conn, f"{RULES}quarantine: {{max_bytes: 1 kB}}\n")
    conn.execute("INSERT INTO feat.t SELECT i, '2026-03-01', 1, -3, 1, 1, 1 FROM generate_series(1, 30) AS i")
    conn.execute("SELECT pgslo.tick()")
    assert conn.execute("SELECT count(*) FROM pgslo.quarantine WHERE definition = 'feat.t'").fetchone() == (
        30,
    )
    with pytest.raises(psycopg.errors.ConfigurationLimitExceeded):
        conn.execute(
            "INSERT INTO feat.plain SELECT i, '2026-03-01', 1, -3, 1, 1, 1 FROM generate_series(1, 30) AS i"
        )


def test_readers_are_told_of_the_rows_and_columns_that_they_read(conn: Connection) -> None:
    said: list[str] = []
    conn.add_notice_handler(lambda diag: said.append(str(diag.message_primary)))
    conn.execute(
        "INSERT INTO feat.t SELECT i, date '2026-03-01' + (i - 1) / 20, i - 10, 1, 1, 1, 1 FROM generate_series(1, 40) AS i"
    )
    for _ in range(3):
        conn.execute("SELECT pgslo.tick()")
    assert said == []
    for silent in (
        "count(e) FROM guarded.t",
        "count(a) FROM guarded.t WHERE day = '2026-03-02'",
        "a FROM guarded.t WHERE id = 30",
    ):
        conn.execute(f"SELECT {silent}".encode())
    conn.execute("SELECT count(e) FROM guarded.t_strict")
    assert said == []
    conn.execute("SELECT count(a) FROM guarded.t")
    assert said == ['column "a" of feat.t misses rule "r_warn"']
    with pytest.raises(psycopg.Error, match="read refused"):
        conn.execute("SELECT count(a) FROM guarded.t_strict")
    assert conn.execute("SELECT DISTINCT _slo_status ->> 'state' FROM guarded.t_status").fetchall() == [
        ("missed",)
    ]
    conn.execute("UPDATE feat.t SET a = 1")
    for _ in range(3):
        conn.execute("SELECT pgslo.tick()")
    said.clear()
    conn.execute("SELECT count(a) FROM guarded.t")
    assert said == []
    assert conn.execute("SELECT DISTINCT _slo_status ->> 'state' FROM guarded.t_status").fetchall() == [
        ("met",)
    ]
