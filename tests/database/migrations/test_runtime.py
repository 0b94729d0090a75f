"""The runtime's installation: its objects, once, whichever role installs it and however many do at once."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import re
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest
from nightly import NIGHTLY

from pgslo import database, embedded, naming
from pgslo.database import installation, installers, planning, runtime
from pgslo.definition import load
from pgslo.errors import RuntimeMismatch

SCHEMA = Path(__file__).parents[2] / "schema.sql"


def dumped(dsn: str) -> str:
    """The installed runtime as pg_dump writes it, without what differs from run to run."""
    program = embedded.program("pg_dump")
    if program is None:
        pytest.skip("these PostgreSQL binaries have no pg_dump")
    arguments = [
        "--schema-only",
        "--no-owner",
        *(f"--schema={name}" for name in ("pgslo", "pgslo_catalog", "pgslo_gen")),
    ]
    text = subprocess.run([program, *arguments, dsn], capture_output=True, text=True, check=True).stdout
    text = re.sub(
        r"^(--.*|\\(un)?restrict .*|SET .*|SELECT pg_catalog.set_config.*)\n", "", text, flags=re.MULTILINE
    )
    return re.sub(r"\n{2,}", "\n\n", text).strip() + "\n"


def test_a_fresh_install_is_the_schema_on_file(
    connection: psycopg.Connection[Any], dsn: str, request: pytest.FixtureRequest
) -> None:
    """A change of the runtime shows its effect as a difference of this file."""
    if connection.info.server_version // 10000 != 18:
        pytest.skip("the file was written by pg_dump 18")
    found = dumped(dsn)
    if request.config.getoption("--update-goldens"):
        SCHEMA.write_text(found, encoding="utf-8")
    assert found == SCHEMA.read_text(encoding="utf-8")


def test_installing_twice_changes_nothing(connection: psycopg.Connection[Any]) -> None:
    ran = connection.execute("SELECT * FROM pgslo_catalog.migration").fetchall()
    assert not runtime.install(connection)
    assert connection.execute("SELECT * FROM pgslo_catalog.migration").fetchall() == ran


def test_it_says_its_version(connection: psycopg.Connection[Any]) -> None:
    assert connection.execute("SELECT pgslo.version()").fetchone() == (runtime.library_version(),)


def test_an_older_form_of_the_functions_is_replaced(connection: psycopg.Connection[Any]) -> None:
    connection.execute("UPDATE pgslo_catalog.runtime SET sha256 = 'older'")
    assert runtime.install(connection)
    assert not runtime.wanted(runtime.read(connection))


def test_a_database_of_a_newer_library_is_left_alone(connection: psycopg.Connection[Any]) -> None:
    connection.execute(
        "INSERT INTO pgslo_catalog.migration (name, sha256, library_version) VALUES ('9999_later', 'x', '99.0')"
    )
    with pytest.raises(RuntimeMismatch, match="newer pgslo"):
        runtime.install(connection)


def test_a_migration_that_ran_in_another_form_is_told(connection: psycopg.Connection[Any]) -> None:
    connection.execute("UPDATE pgslo_catalog.migration SET sha256 = 'other'")
    with pytest.raises(RuntimeMismatch, match="another form"):
        runtime.install(connection)


def test_a_failing_script_leaves_nothing(
    empty_connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = dataclasses.replace(runtime.functions()[-1], text="SELECT 1/0;")
    whole = runtime.functions()
    monkeypatch.setattr(runtime, "functions", lambda: (*whole[:-1], broken))
    with pytest.raises(psycopg.errors.DivisionByZero):
        runtime.install(empty_connection)
    assert empty_connection.execute(
        "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'pgslo%'"
    ).fetchone() == (0,)


@pytest.mark.slow
def test_of_eight_installers_at_once_one_installs(empty_dsn: str) -> None:
    def install(_: int) -> bool:
        with database.connect(empty_dsn) as conn, installers.installing(conn):
            return runtime.install(conn)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(install, range(8))) == [False] * 7 + [True]


def test_every_public_object_says_what_it_is(connection: psycopg.Connection[Any]) -> None:
    uncommented = connection.execute(
        """
        SELECT p.oid::regprocedure::text FROM pg_proc p
        WHERE p.pronamespace::regnamespace::text IN ('pgslo', 'pgslo_catalog') AND obj_description(p.oid, 'pg_proc') IS NULL
        UNION ALL
        SELECT c.oid::regclass::text FROM pg_class c
        WHERE c.relkind IN ('r', 'v') AND c.relnamespace::regnamespace::text IN ('pgslo', 'pgslo_catalog') AND obj_description(c.oid, 'pg_class') IS NULL
        """
    ).fetchall()
    assert uncommented == []


def test_every_definer_function_pins_its_path_and_few_are_public(connection: psycopg.Connection[Any]) -> None:
    unpinned = connection.execute(
        """
        SELECT p.oid::regprocedure::text FROM pg_proc p
        WHERE p.pronamespace::regnamespace::text LIKE 'pgslo%' AND p.prosecdef
          AND NOT 'search_path=pg_catalog, pg_temp' = ANY (coalesce(p.proconfig, '{}'))
        """
    ).fetchall()
    assert unpinned == []
    public = connection.execute(
        """
        SELECT p.oid::regprocedure::text FROM pg_proc p CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
        WHERE p.pronamespace::regnamespace::text LIKE 'pgslo%' AND a.grantee = 0 ORDER BY 1
        """
    ).fetchall()
    assert sorted(name for (name,) in public) == sorted(
        [
            "pgslo.among(bigint,bigint[],boolean[])",
            "pgslo.among(date,date[],boolean[])",
            "pgslo.among(date,interval,timestamp without time zone[],boolean[])",
            "pgslo.among(numeric,numeric[],boolean[])",
            "pgslo.among(text,text[],boolean[])",
            "pgslo.among(timestamp with time zone,interval,timestamp with time zone[],boolean[])",
            "pgslo.among(timestamp with time zone,timestamp with time zone[],boolean[])",
            "pgslo.among(timestamp without time zone,interval,timestamp without time zone[],boolean[])",
            "pgslo.among(timestamp without time zone,timestamp without time zone[],boolean[])",
            "pgslo.announce(text,text[],text,interval)",
            "pgslo.announce_row(text,text[],text,interval)",
            "pgslo.check_own_rights(name)",
            "pgslo.explain(bigint)",
            "pgslo.float_text(double precision)",
            "pgslo.float_text(real)",
            "pgslo.guard(text,text[],text)",
            "pgslo.guard(text,text[],text,text[],interval)",
            "pgslo.guard_healthy(text,text[],text,text[],anyelement)",
            "pgslo.guard_rows(text,text[],text,text[],regtype)",
            "pgslo.healthy_batches(text,text[],timestamp with time zone)",
            "pgslo.hit(bigint,text,text[],interval)",
            "pgslo.hit(date,interval,text,text[],interval)",
            "pgslo.hit(date,text,text[],interval)",
            "pgslo.hit(numeric,text,text[],interval)",
            "pgslo.hit(text,text,text[],interval)",
            "pgslo.hit(timestamp with time zone,interval,text,text[],interval)",
            "pgslo.hit(timestamp with time zone,text,text[],interval)",
            "pgslo.hit(timestamp without time zone,interval,text,text[],interval)",
            "pgslo.hit(timestamp without time zone,text,text[],interval)",
            "pgslo.is_current(text,text[])",
            "pgslo.is_healthy(bigint,bigint[],boolean)",
            "pgslo.is_healthy(date,date[],boolean)",
            "pgslo.is_healthy(integer,integer[],boolean)",
            "pgslo.is_healthy(numeric,numeric[],boolean)",
            "pgslo.is_healthy(smallint,smallint[],boolean)",
            "pgslo.is_healthy(text,text[],boolean)",
            "pgslo.is_healthy(timestamp with time zone,timestamp with time zone[],boolean)",
            "pgslo.is_healthy(timestamp without time zone,timestamp without time zone[],boolean)",
            "pgslo.is_healthy(uuid,uuid[],boolean)",
            "pgslo.planned(text,interval)",
            "pgslo.planned_batches(text,text[],interval,anyelement)",
            "pgslo.planned_fine(text,text[],interval)",
            "pgslo.planned_flags(text,text[],interval,anyelement)",
            "pgslo.planned_null(text,text[],interval,anyelement)",
            "pgslo.read(anyelement,bigint,text,text[],text,interval)",
            "pgslo.read(anyelement,bigint,text[])",
            "pgslo.read(anyelement,date,interval,text,text[],text,interval)",
            "pgslo.read(anyelement,date,interval,text[])",
            "pgslo.read(anyelement,date,text,text[],text,interval)",
            "pgslo.read(anyelement,date,text[])",
            "pgslo.read(anyelement,numeric,text,text[],text,interval)",
            "pgslo.read(anyelement,numeric,text[])",
            "pgslo.read(anyelement,text,text,text[],text,interval)",
            "pgslo.read(anyelement,text,text[])",
            "pgslo.read(anyelement,timestamp with time zone,interval,text,text[],text,interval)",
            "pgslo.read(anyelement,timestamp with time zone,interval,text[])",
            "pgslo.read(anyelement,timestamp with time zone,text,text[],text,interval)",
            "pgslo.read(anyelement,timestamp with time zone,text[])",
            "pgslo.read(anyelement,timestamp without time zone,interval,text,text[],text,interval)",
            "pgslo.read(anyelement,timestamp without time zone,interval,text[])",
            "pgslo.read(anyelement,timestamp without time zone,text,text[],text,interval)",
            "pgslo.read(anyelement,timestamp without time zone,text[])",
            "pgslo.read_any(anyelement,text,text[],text,interval)",
            "pgslo.read_any(anyelement,text[])",
            "pgslo.read_hit(anyelement,bigint,text,text[],text,interval)",
            "pgslo.read_hit(anyelement,date,interval,text,text[],text,interval)",
            "pgslo.read_hit(anyelement,date,text,text[],text,interval)",
            "pgslo.read_hit(anyelement,numeric,text,text[],text,interval)",
            "pgslo.read_hit(anyelement,text,text,text[],text,interval)",
            "pgslo.read_hit(anyelement,timestamp with time zone,interval,text,text[],text,interval)",
            "pgslo.read_hit(anyelement,timestamp with time zone,text,text[],text,interval)",
            "pgslo.read_hit(anyelement,timestamp without time zone,interval,text,text[],text,interval)",
            "pgslo.read_hit(anyelement,timestamp without time zone,text,text[],text,interval)",
            "pgslo.readiness(text)",
            "pgslo.ready(text)",
            "pgslo.say_told(text,text,text,text,text,text,text,text)",
            "pgslo.say_told(text,text,text[],jsonb)",
            "pgslo.snapshot_diff(text,text)",
            "pgslo.snapshot_query(text)",
            "pgslo.status_of(text)",
            "pgslo.told_by_rows(text,text[],interval,regtype)",
            "pgslo.unhealthy(text,text[],anyelement)",
            "pgslo.version()",
            "pgslo_catalog.break_said(pgslo_catalog.rule_break,name)",
            "pgslo_catalog.is_missed(pgslo_catalog.rule,bigint,bigint)",
            "pgslo_catalog.listed_rights()",
            "pgslo_catalog.may_know_all(name)",
            "pgslo_catalog.may_read(oid,name)",
            "pgslo_catalog.may_see(pgslo_catalog.snapshot,name)",
            "pgslo_catalog.may_see_figures(oid,text[],jsonb,name)",
            "pgslo_catalog.may_see_values(name)",
            "pgslo_catalog.metric(pgslo_catalog.pair_cell[],pgslo_catalog.pair_score[],text,double precision)",
            "pgslo_catalog.schema_difference(regclass,jsonb)",
            "pgslo_catalog.strange_rights()",
        ]
    )


def test_the_lock_of_installers_is_given_back(dsn: str) -> None:
    with database.connect(dsn) as conn:
        with pytest.raises(ZeroDivisionError), installers.installing(conn):
            raise ZeroDivisionError
        held = conn.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone()
    assert held == (0,)
    assert naming.INSTALL_LOCK < 2**63


@pytest.mark.parametrize(
    ("code", "broken"), [("42703", 1), ("22012", 1), ("40001", 0), ("55P03", 0), ("57014", 0)]
)
def test_a_rule_is_broken_by_what_lasts_and_not_by_what_passes(
    connection: psycopg.Connection[Any], code: str, broken: int
) -> None:
    connection.execute("CREATE TABLE public.t (id int PRIMARY KEY, age int)")
    wanted = load("table: public.t\ncolumns: {age: [not_null]}\n", path="t.yml")
    installation.apply(
        connection,
        planning.plan_definitions(connection, [wanted]),
        lambda: planning.plan_definitions(connection, [wanted]),
    )
    connection.execute("SELECT pgslo_catalog.record_break('public.t', 'age_not_null', %s, 'why')", (code,))
    assert connection.execute("SELECT broken_rules FROM pgslo.status").fetchone() == (broken,)


def test_released_migrations_never_change() -> None:
    """A version in the changelog is released, and with it every migration of its time."""
    root = SCHEMA.parents[1]
    lines = (root / "migrations" / "frozen.sha256").read_text(encoding="utf-8").splitlines()
    frozen = {name: sha256 for sha256, name in (line.split() for line in lines)}
    known = {f"{script.name}.sql": script.sha256 for script in runtime.migrations()}
    assert frozen.items() <= known.items()
    released = re.findall(r"^## \[\d", (root / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert bool(frozen) == bool(released)


MIGRATIONS = len(runtime.migrations())
#: By day some of them, and the newest.
FIRST = (
    range(1, MIGRATIONS)
    if NIGHTLY
    else sorted({*range(1, MIGRATIONS, 7), *range(MIGRATIONS - 3, MIGRATIONS)})
)


@pytest.mark.parametrize("first", FIRST)
def test_an_upgraded_runtime_is_a_fresh_one(empty_dsn: str, dsn: str, first: int) -> None:
    """Whichever migrations ran before: columns that were added later are where a fresh install has them."""
    with psycopg.connect(empty_dsn, autocommit=True) as conn, conn.transaction():
        for text in runtime.statements(runtime.migrations()[:first]):
            conn.execute(text.encode(), prepare=False)
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        assert runtime.install(conn)
        assert not runtime.wanted(runtime.read(conn))
    assert dumped(empty_dsn) == dumped(dsn)
