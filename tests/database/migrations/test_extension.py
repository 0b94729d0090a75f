"""The runtime as an extension is the runtime: made, updated, dumped and restored, and taken out by PostgreSQL's own means."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from psycopg import sql

from pgslo import embedded
from pgslo.cli import main, root
from pgslo.database import extension, runtime
from pgslo.embedded.binaries import Binaries

Connection = psycopg.Connection[Any]

STATS = """\
table: features.stats
writes: bulk
batch: {by: day}
columns:
  age: [range: {min: 0, max: 120}]
  score: [range: {min: 0, on_breach: quarantine}]
"""
TABLE = "CREATE SCHEMA features; CREATE TABLE features.stats (id integer PRIMARY KEY, day date, age integer, score numeric)"
#: A version before the first: its schemas and tables, and nothing that works.
OLD = "0.0.1"
OBJECTS = """
SELECT 'function', p.oid::regprocedure::text, p.prosrc || coalesce(p.proacl::text, '') || p.prosecdef FROM pg_proc p WHERE p.pronamespace IN (SELECT oid FROM own)
UNION ALL SELECT 'relation', c.oid::regclass::text, c.relkind::text || coalesce(c.relacl::text, '') FROM pg_class c WHERE c.relnamespace IN (SELECT oid FROM own)
UNION ALL SELECT 'column', a.attrelid::regclass || '.' || a.attname, format_type(a.atttypid, a.atttypmod) || a.attnotnull
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE c.relnamespace IN (SELECT oid FROM own) AND a.attnum > 0
UNION ALL SELECT 'comment', pg_describe_object(d.classoid, d.objoid, d.objsubid), d.description FROM pg_description d JOIN pg_class c ON c.oid = d.objoid WHERE c.relnamespace IN (SELECT oid FROM own)
"""


def objects(conn: Connection) -> set[tuple[str, str, str]]:
    """What the runtime is made of, whichever way it came."""
    query = f"WITH own AS (SELECT oid FROM pg_namespace WHERE nspname IN ('pgslo', 'pgslo_catalog', 'pgslo_gen')) {OBJECTS}"
    return set(conn.execute(query.encode()).fetchall())


@dataclass(frozen=True)
class Place:
    """A server, and where it finds the files: a folder to be named from PostgreSQL 18 on, else among its own."""

    server: Any
    path: str | None


@pytest.fixture(scope="module")
def place(server: Any) -> Iterator[Place]:
    scripts = extension.files(older=[OLD])
    scripts[f"pgslo--{OLD}.sql"] = extension.install_script(OLD, runtime.migrations()[:1])
    with psycopg.connect(server.dsn()) as conn:
        named = conn.info.server_version >= 180000
    with tempfile.TemporaryDirectory(prefix="pgslo-extension-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        if named:
            target = folder / "extension"
            target.mkdir(mode=0o755)
        else:
            # A copy of the whole, so that nobody else's server meets our files.
            prefix = Binaries.find().folder.parent
            if not (prefix / "share" / "postgresql" / "extension").is_dir():
                pytest.skip(f"the files of {prefix} are elsewhere")
            shutil.copytree(prefix, folder / "pg", symlinks=True)
            target = folder / "pg" / "share" / "postgresql" / "extension"
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("PGSLO_PG_BIN", str(folder / "pg" / "bin"))
                server = stack.enter_context(embedded.serve(settings={"fsync": "off"}))
        for script, text in scripts.items():
            (target / script).write_text(text, encoding="utf-8")
            (target / script).chmod(0o644)
        yield Place(server, str(folder) if named else None)


@pytest.fixture
def fresh(place: Place) -> Iterator[Connection]:
    """A superuser's session on a database without anything, on that server."""
    name = sql.Identifier(f"pgslo_extension_{uuid.uuid4().hex[:8]}")
    with psycopg.connect(place.server.dsn(), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(name))
        try:
            with psycopg.connect(place.server.dsn(name.as_string().strip('"')), autocommit=True) as conn:
                see(conn, place.path)
                yield conn
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def see(conn: Connection, place: str | None) -> None:
    if place is not None:
        conn.execute(sql.SQL("SET extension_control_path = {}").format(sql.Literal(f"{place}:$system")))


def test_it_is_the_same_as_what_migrate_installs(connection: Connection, fresh: Connection) -> None:
    fresh.execute("SET search_path = public")
    fresh.execute("CREATE EXTENSION pgslo")
    assert objects(fresh) == objects(connection)
    assert fresh.execute("SHOW search_path").fetchone() == ("public",)
    assert runtime.wanted(runtime.read(fresh)) == ()
    assert runtime.read(fresh).extension == runtime.library_version()


def test_an_older_one_is_updated(
    connection: Connection, fresh: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    conn = fresh
    conn.execute(f"CREATE EXTENSION pgslo VERSION '{OLD}'".encode())
    assert objects(conn) < objects(connection) | objects(conn)
    monkeypatch.setenv("PGSLO_DSN", conn.info.dsn)
    for command in (["migrate"], ["migrate", "--check"]):
        refused = CliRunner().invoke(main, ["--dsn", _dsn(conn), *command])
        assert refused.exit_code == root.ERROR
        assert "ALTER EXTENSION pgslo UPDATE" in refused.stderr
    conn.execute("ALTER EXTENSION pgslo UPDATE")
    assert objects(conn) == objects(connection)
    assert runtime.wanted(runtime.read(conn)) == ()
    members = """
        SELECT count(*) FROM pg_proc p WHERE p.pronamespace IN ('pgslo'::regnamespace, 'pgslo_catalog'::regnamespace)
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')"""
    assert conn.execute(members).fetchone() == (0,)


def test_no_other_role_updates_it(fresh: Connection) -> None:
    """Not even a superuser, whose functions the new ones would be: they run with the rights of their owner."""
    conn = fresh
    owner = f"installer_{uuid.uuid4().hex[:8]}"
    name = sql.Identifier(owner)
    conn.execute(sql.SQL("CREATE ROLE {}").format(name))
    conn.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(sql.Identifier(conn.info.dbname), name))
    try:
        conn.execute(sql.SQL("SET ROLE {}").format(name))
        conn.execute(f"CREATE EXTENSION pgslo VERSION '{OLD}'".encode())
        conn.execute("RESET ROLE")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match=f"belongs to role {owner}") as refused:
            conn.execute("ALTER EXTENSION pgslo UPDATE")
        assert refused.value.diag.message_hint == f"SET ROLE {owner} first."
        conn.execute(sql.SQL("SET ROLE {}").format(name))
        conn.execute("ALTER EXTENSION pgslo UPDATE")
        conn.execute("RESET ROLE")
        assert conn.execute(
            "SELECT DISTINCT proowner::regrole::text FROM pg_proc WHERE pronamespace = 'pgslo'::regnamespace"
        ).fetchall() == [(owner,)]
    finally:
        conn.execute("RESET ROLE")
        conn.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(name))
        conn.execute(sql.SQL("DROP ROLE {}").format(name))


def _dsn(conn: Connection) -> str:
    return psycopg.conninfo.make_conninfo(conn.info.dsn, password=conn.info.password)


def test_no_superuser_is_needed_and_it_lives_and_goes_like_the_other(
    fresh: Connection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    conn = fresh
    owner = f"installer_{uuid.uuid4().hex[:8]}"
    name = sql.Identifier(owner)
    conn.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(name))
    conn.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(sql.Identifier(conn.info.dbname), name))
    conn.execute(sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(name))
    conn.execute(sql.SQL("SET SESSION AUTHORIZATION {}").format(name))
    conn.execute("CREATE EXTENSION pgslo")
    conn.execute(TABLE)
    conn.execute("RESET SESSION AUTHORIZATION")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", psycopg.conninfo.make_conninfo(_dsn(conn), user=owner, password="x"))
    Path("slos").mkdir()
    Path("slos/stats.yml").write_text(STATS, encoding="utf-8")

    def run(*arguments: str) -> int:
        return CliRunner().invoke(main, arguments).exit_code

    assert run("apply", "--yes") == 0
    assert (run("plan"), run("drift"), run("migrate", "--check")) == (0, 0, 0)
    conn.execute("INSERT INTO features.stats VALUES (1, '2026-11-25', 999, 1), (2, '2026-11-25', 1, -1)")
    conn.execute("SELECT pgslo.tick()")
    assert conn.execute("SELECT rule FROM pgslo.incident").fetchall() == [("age_range",)]
    with pytest.raises(psycopg.errors.DependentObjectsStillExist):
        conn.execute("DROP EXTENSION pgslo")
    assert run("uninstall", "--all", "--yes", "--drop-quarantine") == 0
    left = "SELECT nspname FROM pg_namespace WHERE nspname ~ '^(pgslo|guarded)' UNION ALL SELECT extname FROM pg_extension WHERE extname = 'pgslo'"
    assert conn.execute(left).fetchall() == []
    assert conn.execute("SELECT id FROM features.stats").fetchall() == [(1,)]
    conn.execute(sql.SQL("DROP OWNED BY {}").format(name))
    conn.execute(sql.SQL("DROP ROLE {}").format(name))


def test_its_state_is_dumped_and_restored(
    fresh: Connection,
    place: Place,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dump, psql = embedded.program("pg_dump"), embedded.program("psql")
    if dump is None or psql is None:
        pytest.skip("these PostgreSQL binaries have no pg_dump")
    conn = fresh
    conn.execute("CREATE EXTENSION pgslo")
    conn.execute(TABLE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", _dsn(conn))
    Path("slos").mkdir()
    Path("slos/stats.yml").write_text(STATS, encoding="utf-8")
    assert CliRunner().invoke(main, ["apply", "--yes"]).exit_code == 0
    conn.execute("INSERT INTO features.stats VALUES (1, '2026-11-25', 999, 1), (2, '2026-11-25', 1, -1)")
    conn.execute("SELECT pgslo.tick()")
    subprocess.run([dump, "--file=dump.sql", _dsn(conn)], check=True)
    other = f"{conn.info.dbname}_restored"
    with psycopg.connect(place.server.dsn(), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(other)))
        try:
            options = f"-c extension_control_path={place.path}:$system" if place.path else ""
            target = psycopg.conninfo.make_conninfo(place.server.dsn(other), options=options)
            command = [psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "dump.sql", target]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            with psycopg.connect(place.server.dsn(other), autocommit=True) as restored:
                assert rows(restored) == rows(conn)
                monkeypatch.setenv("PGSLO_DSN", _dsn(restored))
                assert CliRunner().invoke(main, ["plan"]).exit_code == 0
                restored.execute("INSERT INTO features.stats VALUES (3, '2026-11-26', 999, 1)")
                restored.execute("SELECT pgslo.tick()")
                assert restored.execute("SELECT count(*) FROM pgslo.batch").fetchone() == (2,)
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(other)))


def rows(conn: Connection) -> dict[str, list[str]]:
    """All rows of the runtime's state, but when it was installed."""
    names = conn.execute(
        "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'pgslo_catalog'::regnamespace AND relkind = 'r' AND relname <> 'migration'"
    ).fetchall()
    return {
        name: sorted(row[0] for row in conn.execute(f"SELECT t::text FROM {name} t".encode()).fetchall())
        for (name,) in names
    }
