"""Databases for tests.

Each worker has a throwaway server of its own; ``PGSLO_TEST_DSN`` names another to use, as a superuser, for example
one of docker-compose.yml's. Each test that asks for one has a database of its own, dropped at its end.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import re
import signal
import sys
import tempfile
import uuid
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest
from psycopg import sql
from pytest_postgresql import factories
from pytest_postgresql.executors import NoopExecutor
from pytest_postgresql.janitor import DatabaseJanitor
from xdist.scheduler import LoadScopeScheduling

from pgslo import embedded

# The developer's own settings must not decide what a test finds: libpq reads PG*, the command line PGSLO_DSN. What else
# begins with PGSLO_ asks the tests themselves for something.
for _name in [name for name in os.environ if name.startswith("PG")]:
    if _name == "PGSLO_DSN" or not _name.startswith("PGSLO_"):
        del os.environ[_name]

# Each of the processes that tests start would compile every module again.
if sys.dont_write_bytecode:
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A shell starts what runs in the background with Ctrl-C ignored, and what tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parents[1]
#: A file system in memory, on Linux.
_MEMORY = Path("/dev/shm")


def _in_memory(folder: Path, *, least: int = 6 << 30) -> bool:
    """Whether a folder can hold the servers of a run: a disk takes a while to create the files of a cluster, or of a database."""
    if not os.access(folder, os.W_OK | os.X_OK):
        return False
    room = os.statvfs(folder)
    return room.f_bavail * room.f_frsize >= least


if _in_memory(_MEMORY):
    # What pytest keeps of tests stays on the disk.
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)

#: Where the programs of PostgreSQL are, as whoever runs the tests says.
_BINARIES = os.environ.get("PGSLO_PG_BIN")

_FAST = {
    # What is lost in a crash is made again by the next run.
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    # Tests about concurrency want many sessions, tests about two-phase commit and decoding want these.
    "max_connections": "100",
    "max_prepared_transactions": "10",
    "wal_level": "logical",
    "max_wal_size": "256MB",
    # Nothing happens between two statements of a test but what the test does.
    "autovacuum": "off",
    "jit": "off",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-goldens",
        action="store_true",
        help="rewrite tests/golden/*.sql, and the transcripts in the pages of rules, instead of comparing them",
    )


#: ``make test`` runs one of so many variants of a test, ``make check-all`` one more (of attacks none), ``make nightly`` all. There are two ways
#: to write, three states and four actions: where variants are combinations of these, steps of five come to each.
_ONE_VARIANT_OF = 5

#: Attacks need a database with eight roles each, and take half of all the time: ``make test`` runs the first tests of each
#: module, of which each has one promise, ``make check-all`` the others.
_ATTACKS_OF_A_MODULE = 2


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow all other variants of a test with a database, and as nightly those that check-all leaves out, too."""
    seen: Counter[str] = Counter()
    attacks: dict[Path, set[str]] = defaultdict(set)
    for item in items:
        if item.path.parent.name == "security":
            attacks[item.path].add(item.nodeid.partition("[")[0])
            if len(attacks[item.path]) > _ATTACKS_OF_A_MODULE:
                item.add_marker("slow")
        if hasattr(item, "callspec") and Path(__file__).parent / "database" in item.path.parents:
            test = item.nodeid.partition("[")[0]
            place = seen[test] % _ONE_VARIANT_OF
            if place > 0:
                item.add_marker("slow")
            if place > (0 if item.path.parent.name == "security" else 1):
                item.add_marker("nightly")
            seen[test] += 1


_MADE_ONCE = re.compile(r'scope="module"|\bonce\b|^KIND = ', re.MULTILINE)


@functools.cache
def _makes_something_once(path: str) -> bool:
    return _MADE_ONCE.search((ROOT / path).read_text(encoding="utf-8")) is not None


class _Modules(LoadScopeScheduling):
    """Gives a module to one worker if something is made once for all of its tests, often for a minute; else tests by the dozen."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return path if _makes_something_once(path) else str(zlib.crc32(nodeid.encode()) % 400)


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: a test waits for its server, and some for time to pass."""
    return (os.cpu_count() or 1) + 1


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Distribute tests among workers."""
    return _Modules(config, log)


def pytest_collection_finish() -> None:
    """Have the garbage collector leave alone what stays until the end anyway: modules and thousands of tests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


@dataclass(frozen=True)
class Server:
    """A server that tests make databases on, as pytest-postgresql asks for it; the user is a superuser."""

    host: str
    port: int
    user: str
    password: str | None
    options: str = ""
    maintenance_dbname: str = "postgres"
    #: What databases without the runtime are made from.
    template_dbname: str = "template0"
    #: What the server writes about itself, where that is at hand.
    log: Path | None = None

    @classmethod
    def at(cls, conninfo: str, *, log: Path | None = None) -> Server:
        """Return the server that a connection string leads to."""
        info = psycopg.conninfo.conninfo_to_dict(conninfo)
        password = info.get("password")
        return cls(
            host=str(info.get("host") or "127.0.0.1"),
            port=int(info.get("port") or 5432),
            user=str(info.get("user") or "postgres"),
            password=None if password is None else str(password),
            maintenance_dbname=str(info.get("dbname") or "postgres"),
            log=log,
        )

    def dsn(self, database: str = "postgres") -> str:
        """Return a connection string for ``database`` as a superuser."""
        return psycopg.conninfo.make_conninfo(
            host=self.host, port=self.port, user=self.user, password=self.password, dbname=database
        )


class Connect(Protocol):
    """Opens a further session on the test's database; see the fixture ``connect``."""

    def __call__(self, user: str | None = None, **settings: str) -> psycopg.Connection[Any]: ...


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server, without pgslo."""
    if given := os.environ.get("PGSLO_TEST_DSN"):
        yield Server.at(given)
        return
    # A fixture that starts another version must not decide which one this is.
    assert os.environ.get("PGSLO_PG_BIN") == _BINARIES, "a test has left its choice of binaries"
    with embedded.serve(settings=_FAST) as own:
        _shorten_logins(own)
        yield Server.at(own.dsn(), log=own.directory / "log")


def _shorten_logins(server: embedded.Server) -> None:
    """Hash the password once instead of 4,096 times, which takes both sides a while at each of many logins."""
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        if connection.info.server_version >= 160000:
            connection.execute("SET scram_iterations = 1")
            role, password = sql.Identifier(connection.info.user), sql.Literal(server.password)
            connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, password))


@pytest.fixture(scope="session")
def _admin(server: Server) -> Iterator[psycopg.Connection[Any]]:
    """A session that makes and drops roles."""
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        yield connection


def _install(**parameters: Any) -> None:
    """Install the runtime in the database that these parameters lead to."""
    from pgslo.database import runtime  # tests without the runtime need not wait for it

    with psycopg.connect(**{**parameters, "autocommit": True}) as connection:
        runtime.install(connection)


# A database with the runtime, which all others are copied from: nobody connects to it.
installed = factories.postgresql_noproc(
    dbname=f"pgslo_{uuid.uuid4().hex[:12]}", load=[_install], depends_on="server"
)


class _Janitor(DatabaseJanitor):
    """Makes and drops databases in one session, as each of a thousand tests asks for it."""

    def __init__(self, admin: psycopg.Connection[Any], **parameters: Any) -> None:
        super().__init__(**parameters)
        self._admin = admin

    @contextlib.contextmanager
    def cursor(self, dbname: str | None = None) -> Iterator[psycopg.Cursor[Any]]:
        del dbname
        with self._admin.cursor() as cursor:
            yield cursor

    def _build_create_database_sql(self) -> sql.Composed:
        """Copy files, as PostgreSQL 14 always does: later versions log every page, which takes more than twice the time."""
        query = super()._build_create_database_sql()
        return query + sql.SQL(" STRATEGY file_copy") if self._admin.info.server_version >= 150000 else query


@contextlib.contextmanager
def _database(server: Server, admin: psycopg.Connection[Any], template: str) -> Iterator[str]:
    """A database of its own as a copy of another; sessions that are left on it are ended."""
    with _Janitor(
        admin,
        user=server.user,
        password=server.password,
        host=server.host,
        port=server.port,
        dbname=f"pgslo_test_{uuid.uuid4().hex[:12]}",
        template_dbname=template,
    ) as janitor:
        yield server.dsn(janitor.dbname)


@pytest.fixture(scope="session")
def make_database(
    server: Server, _admin: psycopg.Connection[Any], installed: NoopExecutor
) -> Callable[..., contextlib.AbstractContextManager[str]]:
    """``with make_database() as dsn``: a database with the runtime for several tests, which clean up after themselves.

    With ``template``, a copy of that database, to which no session is connected; ``template0`` is an empty one.
    """

    def make(*, template: str = installed.template_dbname) -> contextlib.AbstractContextManager[str]:
        return _database(server, _admin, template)

    return make


@pytest.fixture
def role(_admin: psycopg.Connection[Any]) -> Iterator[Callable[[str], str]]:
    """``role("reader")`` makes a role without rights and returns its name, which no other test has.

    It is dropped after the test's database: its objects and rights there do not prevent that.
    """
    made: list[str] = []

    def make(stem: str) -> str:
        name = f"{stem}_{uuid.uuid4().hex[:8]}"
        _admin.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(name)))
        made.append(name)
        return name

    yield make
    for name in made:
        _admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@pytest.fixture
def empty_dsn(server: Server, _admin: psycopg.Connection[Any], role: object) -> Iterator[str]:
    """A connection string for a fresh database, with nothing installed."""
    del role  # asked for only to be dropped later
    with _database(server, _admin, server.template_dbname) as dsn:
        yield dsn


@pytest.fixture
def empty_connection(empty_dsn: str) -> Iterator[psycopg.Connection[Any]]:
    """A superuser's autocommit session on a fresh database, with nothing installed."""
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def dsn(
    server: Server, _admin: psycopg.Connection[Any], installed: NoopExecutor, role: object
) -> Iterator[str]:
    """A connection string for a fresh database with pgslo's runtime."""
    del role  # asked for only to be dropped later
    with _database(server, _admin, installed.template_dbname) as dsn:
        yield dsn


@pytest.fixture
def connection(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    """A superuser's autocommit session on a fresh database with pgslo's runtime."""
    with psycopg.connect(dsn, autocommit=True) as session:
        yield session


@pytest.fixture
def connect(dsn: str) -> Iterator[Connect]:
    """Further autocommit sessions on the database of ``dsn`` and ``connection``, closed at the end.

    ``connect("reader")`` has that role's rights and may be a role without login; ``connect(lock_timeout="1s")`` has
    that setting from its start, and ``connect(**{"pgslo.on_read": "refuse"})`` one whose name has a dot.
    """
    with contextlib.ExitStack() as sessions:

        def open_session(user: str | None = None, **settings: str) -> psycopg.Connection[Any]:
            options = " ".join(f"-c {name}={_escaped(value)}" for name, value in settings.items())
            session = sessions.enter_context(psycopg.connect(dsn, autocommit=True, options=options))
            if user is not None:
                session.execute(sql.SQL("SET SESSION AUTHORIZATION {}").format(sql.Identifier(user)))
            return session

        yield open_session


def _escaped(value: str) -> str:
    """Escape a setting for the startup packet, where blanks part the options."""
    return value.replace("\\", "\\\\").replace(" ", "\\ ")
