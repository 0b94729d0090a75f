"""Names and expressions that could do harm: refused or harmless, and nothing else in the database changes."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nightly import examples
from psycopg import sql

from pgslo import plan
from pgslo.database import installation, planning
from pgslo.definition import load
from pgslo.definition.rules import Definition
from pgslo.errors import PgsloError

pytestmark = pytest.mark.slow

#: Everything a definition could leave behind, one line an object.
SNAPSHOT = """
SELECT 'class', c.oid::regclass::text || c.relkind::text || c.relacl::text || c.reltuples::text FROM pg_class c WHERE c.relnamespace::regnamespace::text !~ '^pg_(toast|temp)'
UNION ALL SELECT 'attribute', a.attrelid::regclass::text || '.' || a.attname || a.attnotnull FROM pg_attribute a WHERE a.attrelid >= 16384
UNION ALL SELECT 'function', p.oid::regprocedure::text || md5(coalesce(p.prosrc, '')) FROM pg_proc p
UNION ALL SELECT 'trigger', t.tgname || t.tgrelid::regclass::text FROM pg_trigger t
UNION ALL SELECT 'schema', n.nspname::text FROM pg_namespace n WHERE n.nspname !~ '^pg_(toast_)?temp'
UNION ALL SELECT 'constraint', c.conname || c.conrelid::text FROM pg_constraint c
UNION ALL SELECT 'role', r.rolname::text FROM pg_roles r
UNION ALL SELECT 'comment', d.objoid::text || d.description FROM pg_description d WHERE d.objoid >= 16384
ORDER BY 1, 2
"""

HOSTILE_WORDS = st.sampled_from(
    [
        "select", "user", "drop table victim", "'", '"', "''", '""', "$$", "$pgslo$", "$1", "%s", "%I", "{{ x }}", "{% x %}", ";", "--",
        "/*", "*/", "\\", "\n", "\t", "é", "e\u0301", "数据", "😀", "new", "old", "r", "pgslo_new", "pgslo_rows", "batch", "failed", "x" * 63,
        "row_key", "TG_OP", "NULL", "true", "1", "(", ")", " ", ".", ",", "::", "::regclass", "pg_sleep(9)", "pg_read_file('/etc/passwd')",
        "(SELECT count(*) FROM victim)", "OR 1=1", "age", ">= 0", "IS NULL", "nextval('s')", "set_config('a','b',false)", "current_user",
        "E'\\''", "U&'\\0027'", "\u202e", "\x00", "|| 'x'", "= ANY(ARRAY[1])", "CASE WHEN true THEN", "END", "lower(", "random()", "note", "AND",
    ]
)  # fmt: skip
EXPRESSIONS = st.lists(HOSTILE_WORDS, min_size=1, max_size=8).map(" ".join)
NAMES = st.lists(HOSTILE_WORDS, min_size=1, max_size=4).map("".join)


def snapshot(conn: psycopg.Connection[Any]) -> list[tuple[str, str]]:
    return conn.execute(SNAPSHOT).fetchall()


def definition(**parts: object) -> Definition:
    """JSON is YAML: nothing of a hostile text is lost in writing it."""
    return load(json.dumps({"table": "app.t", "owner": "o", **parts}, ensure_ascii=False), path="hostile.yml")


@pytest.fixture(scope="module")
def table(server: Any) -> Any:
    from pgslo.database import runtime

    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("DROP DATABASE IF EXISTS hostile WITH (FORCE)")
        admin.execute("CREATE DATABASE hostile")
    with psycopg.connect(server.dsn("hostile"), autocommit=True) as conn:
        runtime.install(conn)
        conn.execute("CREATE TABLE public.victim (i int)")
        conn.execute("CREATE SEQUENCE public.s")
        conn.execute("CREATE SCHEMA app CREATE TABLE t (id int PRIMARY KEY, age int, note text)")
        conn.execute("ANALYZE")
        yield conn
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("DROP DATABASE hostile WITH (FORCE)")


def test_two_thousand_hostile_inputs_change_nothing(table: psycopg.Connection[Any]) -> None:
    before = snapshot(table)
    refused = {"expression": 0, "name": 0}

    def attempt(kind: str, **parts: object) -> None:
        """Go as far as ``pgslo plan`` goes, PostgreSQL's own judgement included."""
        try:
            planning.plan_definitions(table, [definition(**parts)])
        except PgsloError:
            refused[kind] += 1

    quick = settings(
        max_examples=examples(1000), deadline=None, suppress_health_check=list(HealthCheck), database=None
    )

    @quick
    @given(EXPRESSIONS)
    def expressions(text: str) -> None:
        attempt("expression", rules=[{"hostile": {"expression": text, "on_breach": "reject"}}])

    @quick
    @given(NAMES)
    def names(name: str) -> None:
        attempt("name", columns={name: ["not_null"]}, owner=name, description=name, key=[name])

    expressions()
    names()
    assert snapshot(table) == before
    # Hardly any of these is a column of the table, and hardly any word salad is a condition.
    assert refused["name"] >= 0.9 * examples(1000)
    assert refused["expression"] >= 0.9 * examples(1000)


def test_columns_and_tables_of_any_name_are_judged_and_left_as_they_were(
    table: psycopg.Connection[Any],
) -> None:
    """What PostgreSQL takes as a name, pgslo takes as well; the rest of a definition may be any text."""
    names: list[str] = []

    @settings(
        max_examples=examples(300), deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(NAMES)
    def collect(name: str) -> None:
        usable = "\0" not in name and "$pgslo$" not in name and len(name.encode()) <= 63
        if usable and name.isprintable() and name not in names and name.strip() and name != "id":
            names.append(name)

    collect()
    assert len(names) > 50
    columns = sql.SQL(", ").join(sql.SQL("{} int").format(sql.Identifier(name)) for name in names)
    relation = 'We"ird $tab;le--'
    table.execute(
        sql.SQL("CREATE TABLE app.{} (id int PRIMARY KEY, {})").format(sql.Identifier(relation), columns)
    )
    before = snapshot(table)
    quoted = relation.replace('"', '""')
    wanted = definition(
        table=f'app."{quoted}"',
        owner="it's; DROP TABLE victim; --",
        description="$$ %s {{ x }}",
        columns={name: [{"range": {"min": 0, "on_breach": ("reject", "quarantine", "warn")[at % 3]}}] for at, name in enumerate(names)},
    )  # fmt: skip
    installation.apply(
        table, planning.plan_definitions(table, [wanted]), lambda: planning.plan_definitions(table, [wanted])
    )
    assert planning.plan_definitions(table, [wanted]).empty

    def insert(number: int, column: str, value: int) -> None:
        statement = sql.SQL("INSERT INTO app.{} (id, {}) VALUES (%s, %s)").format(
            sql.Identifier(relation), sql.Identifier(column)
        )
        # A name may hold a per cent sign, which the driver would read as a placeholder.
        table.execute(
            statement.as_string(table).replace("%", "%%").replace("VALUES (%%s, %%s)", "VALUES (%s, %s)"),
            (number, value),
        )

    for at, name in enumerate(names):
        if at % 3 == 0:
            with pytest.raises(psycopg.errors.CheckViolation) as raised:
                insert(at, name, -1)
            assert raised.value.diag.column_name == name
        else:
            insert(at, name, -1)
        insert(1000 + at, name, 1)
    held = table.execute("SELECT count(*) FROM pgslo.quarantine").fetchone()
    assert held == (len([at for at in range(len(names)) if at % 3 == 1]),)
    assert table.execute("SELECT count(*) FROM pgslo.rule WHERE broken IS NOT NULL").fetchone() == (0,)

    leave(table, wanted.name)
    table.execute("DELETE FROM pgslo_catalog.quarantine")
    table.execute(sql.SQL("TRUNCATE app.{}").format(sql.Identifier(relation)))
    assert [line for line in snapshot(table) if line[0] != "class"] == [
        line for line in before if line[0] != "class"
    ]


def leave(conn: psycopg.Connection[Any], name: str) -> None:
    made: plan.Plan = planning.plan_removal(conn, [name])
    installation.apply(conn, made, lambda: planning.plan_removal(conn, [name]))
