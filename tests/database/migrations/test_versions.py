"""From one version of PostgreSQL to a later one, by dump and restore and by pg_upgrade: the guarded database goes on as it was."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from installations import UPGRADE, Installation, pairs
from lived_in import Connection, goes_on, live, load, rows, run, triggers, values
from nightly import NIGHTLY
from psycopg import sql

from pgslo import embedded
from pgslo.database import runtime
from pgslo.embedded.account import give, run_as, server_account, temporary_folder

FAST = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}
DUMPS = pairs(newer=("pg_dump", "pg_restore"))
UPGRADES = pairs(older=UPGRADE, newer=UPGRADE)
#: Columns of the types that pg_upgrade refuses: numbers of what it does not number as before, and rows of the system's own tables.
REFUSED = """
SELECT a.attrelid::regclass || '.' || a.attname || ' ' || a.atttypid::regtype
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_type e ON e.oid = t.typelem
WHERE c.relkind IN ('r', 'm', 'i') AND a.attnum > 0 AND NOT a.attisdropped AND c.relnamespace::regnamespace::text ~ '^(pgslo|guarded)'
  AND EXISTS (
      SELECT FROM (VALUES (t.oid, t.typtype, t.typname), (e.oid, e.typtype, e.typname)) AS own (oid, typtype, typname)
      WHERE own.typname ~ '^reg(collation|config|dictionary|namespace|oper|operator|proc|procedure)$' OR own.typname IN ('oid', 'xid', 'cid', 'tid', 'aclitem', 'unknown')
         OR own.typtype = 'c' AND own.oid < 16384)
"""

pytestmark = pytest.mark.slow
FORMS = ("plain", "custom")
Servers = Callable[[Installation], embedded.Server]


def named(way: tuple[Installation, Installation]) -> str:
    return f"{way[0].major}-{way[1].major}"


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """A server of each version, started when it is asked for first."""
    with contextlib.ExitStack() as running:
        started: dict[int, embedded.Server] = {}

        def start(one: Installation) -> embedded.Server:
            if one.major not in started:
                with one.chosen():
                    started[one.major] = running.enter_context(embedded.serve(settings=FAST))
            return started[one.major]

        yield start


@contextlib.contextmanager
def fresh(server: embedded.Server, reader: str) -> Iterator[str]:
    """A connection string for an empty database, on a server where the reader is known."""
    name = f"versions_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
        admin.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(reader)))
        try:
            yield server.dsn(name)
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
            admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(reader)))


def skip_unknown_options(before: Connection, after: embedded.Server) -> None:
    """Skip where the older major version is the newer release, and keeps options of columns that the other one refuses.

    PostgreSQL 15.20 keeps ``pg_attver`` for columns of tables that ALTER TABLE changed, and pg_dump writes it down.
    """
    kept = values(before, "SELECT DISTINCT split_part(unnest(attoptions), '=', 1) FROM pg_attribute")
    with psycopg.connect(after.dsn()) as conn:
        for name in kept:
            try:
                conn.execute("CREATE TEMP TABLE tried (c int) ON COMMIT DROP")
                conn.execute(sql.SQL("ALTER TABLE tried ALTER c SET ({} = 1)").format(sql.Identifier(name)))
            except psycopg.errors.InvalidParameterValue:
                pytest.skip(f"the newer version does not know the option {name}")
            finally:
                conn.rollback()


@pytest.mark.parametrize(
    ("way", "form"),
    [
        pytest.param(way, form, id=f"{named(way)}-{form}")
        for number, way in enumerate(DUMPS)
        # By day each way in one form.
        for form in (FORMS if NIGHTLY else (FORMS[number % 2],))
    ],
)
def test_a_dump_of_an_older_server_goes_on_in_a_newer_one(
    way: tuple[Installation, Installation], form: str, servers: Servers, tmp_path: Path
) -> None:
    old, new = way
    reader = f"reader_{uuid.uuid4().hex[:8]}"
    definitions = load(reader)
    dump = tmp_path / "dump"
    with fresh(servers(old), reader) as before, fresh(servers(new), reader) as after:
        with psycopg.connect(before, autocommit=True) as conn:
            runtime.install(conn)
            live(conn, definitions)
            was, fired = rows(conn), triggers(conn)
            skip_unknown_options(conn, servers(new))
        # PostgreSQL's advice: the programs of the newer version.
        run(new.folder / "pg_dump", f"--format={form}", f"--file={dump}", before)
        if form == "plain":
            run(new.folder / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", dump, after)
        else:
            run(new.folder / "pg_restore", "--exit-on-error", f"--dbname={after}", dump)
        with psycopg.connect(after, autocommit=True) as conn:
            goes_on(conn, definitions, was=was, fired=fired)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that the account which runs servers may enter and write to."""
    account = server_account()
    with tempfile.TemporaryDirectory(prefix="pgslo-up-", dir=temporary_folder(account)) as name:
        path = Path(name)
        path.chmod(0o755)
        (path / "work").mkdir()
        give(path / "work", account)
        yield path


@pytest.mark.parametrize("way", UPGRADES, ids=named)
def test_pg_upgrade_carries_a_guarded_database_over(
    way: tuple[Installation, Installation], servers: Servers, place: Path
) -> None:
    old, new = way
    reader = f"reader_{uuid.uuid4().hex[:8]}"
    definitions = load(reader)
    folders = {old: place / "old", new: place / "new"}
    with old.chosen():
        server = embedded.start(folders[old])
        try:
            with psycopg.connect(server.dsn(), autocommit=True) as conn:
                conn.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(reader)))
                runtime.install(conn)
                live(conn, definitions)
                was, fired, numbers = rows(conn), triggers(conn), registered(conn)
                assert values(conn, REFUSED) == []
                skip_unknown_options(conn, servers(new))
        finally:
            embedded.stop(folders[old])
    with new.chosen():
        embedded.start(folders[new])
        embedded.stop(folders[new])
        upgrade(old, new, folders, place / "work")
        # Roles and their passwords are those of the older server.
        (folders[new] / "password").write_text((folders[old] / "password").read_text())
        server = embedded.start(folders[new])
        try:
            with psycopg.connect(server.dsn(), autocommit=True) as conn:
                assert conn.info.server_version // 10000 == new.major
                assert registered(conn) == numbers
                goes_on(conn, definitions, was=was, fired=fired)
        finally:
            embedded.stop(folders[new])


def registered(conn: Connection) -> list[Any]:
    """Tables as they are registered: by number, which pg_upgrade keeps."""
    return conn.execute(
        "SELECT d.name, d.relation::oid FROM pgslo_catalog.definition d ORDER BY d.name"
    ).fetchall()


def upgrade(old: Installation, new: Installation, folders: dict[Installation, Path], work: Path) -> None:
    """Do what the manual of pg_upgrade says, as the account that runs the servers."""
    account = server_account()
    data = {one: folder / "data" for one, folder in folders.items()}
    programs = {one: readable(one, folder) for one, folder in folders.items()}
    kept = (data[new] / "pg_hba.conf").read_text()
    for one in data.values():
        (one / "pg_hba.conf").write_text("local all all trust\n")
    if new.has("pg_checksums"):
        # New clusters have them from 18 on, and both have to agree.
        command(account, work, programs[new] / "pg_checksums", "--disable", "-D", data[new], may_fail=True)
    command(
        account,
        work,
        *(programs[new] / "pg_upgrade", "--username=postgres", "--jobs=1"),
        *("-b", programs[old], "-B", programs[new], "-d", data[old], "-D", data[new]),
    )
    (data[new] / "pg_hba.conf").write_text(kept)


def readable(one: Installation, folder: Path) -> Path:
    """Where the account can run its programs: where they are, or in the copy that was made to run the server."""
    copies = [path.parent for path in folder.glob("postgresql-*/**/postgres")]
    return copies[0] if copies else one.folder


def command(account: Any, work: Path, *words: str | Path, may_fail: bool = False) -> None:
    with (work.parent / "log").open("w+b") as log:
        manner = run_as(account, log) | {"cwd": work}
        done = subprocess.run([str(word) for word in words], check=False, **manner)
        log.seek(0)
        said = log.read().decode()
    if done.returncode and not may_fail:
        told = [path.read_text() for path in sorted(work.parent.glob("new/data/pg_upgrade_output.d/*/log/*"))]
        raise AssertionError("\n".join([said, *told]))
