"""Connections, and errors of the server in pgslo's words."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections.abc import Iterator

import psycopg
from psycopg.abc import Buffer
from psycopg.rows import TupleRow
from psycopg.types.datetime import TimestamptzLoader

from pgslo import sql
from pgslo.catalog import Citus, Engine, Name, Placement
from pgslo.compile import placement
from pgslo.database import runtime
from pgslo.database.catalog_queries import fetch
from pgslo.errors import (
    DatabaseError,
)

Connection = psycopg.Connection[TupleRow]

#: Sources of a setting, by ``pg_settings.source``.
_SOURCES = {
    "configuration file": "the server's configuration",
    "command line": "the server's command line",
    "database": "ALTER DATABASE … SET",
    "user": "ALTER ROLE … SET",
    "database user": "ALTER ROLE … IN DATABASE … SET",
    "global": "ALTER ROLE ALL SET",
    "client": "the options of the connection: the connection string, PGOPTIONS or a service file",
}
#: What PostgreSQL says where there is no such schema, table, column or function.
_MISSING = frozenset({"3F000", "42P01", "42703", "42883"})
_READ_ONLY = "25006"
_MAKE_WRITABLE = (
    "if that is not on purpose, allow writes for one run: PGOPTIONS='-c default_transaction_read_only=off'"
)


@contextlib.contextmanager
def connect(dsn: str | None, *, runtime_owner: str | None = None) -> Iterator[Connection]:
    """Open a connection, or report in our words why it failed.

    Args:
        dsn: A connection string; ``None`` or empty: libpq's own variables and files decide.
        runtime_owner: A role without the superuser attribute that is trusted as the owner of pgslo.

    Raises:
        DatabaseError: No server answered, it refused, or it is too old; or as :func:`strange_owner`.
        RuntimeMismatch: Something is missing because library and runtime do not fit.
    """
    try:
        conn = psycopg.connect(
            dsn or "",
            autocommit=True,
            application_name="pgslo",
            client_encoding="UTF8",  # as statements are sent, whatever the database's own
            prepare_threshold=None,  # the owner of a table could replace statements by name (docs/explanation/security.md)
        )
    except psycopg.Error as exc:
        raise DatabaseError(
            "cannot connect to the database",
            detail=_without_secrets(str(exc).strip(), dsn),
            hint="give --dsn or set PGSLO_DSN, or PGHOST, PGDATABASE … as for psql; pgslo local start makes a server to try things on",
        ) from None
    with conn:
        _check_version(conn)
        version = conn.info.server_version
        if version < runtime.OLDEST_SERVER:
            raise DatabaseError(
                f"PostgreSQL {version // 10000} is too old",
                detail="Generated code needs features of PostgreSQL 14.",
                hint="pgslo supports PostgreSQL 14 to 18",
            )
        with errors():
            # The driver reads no other, and a role may prefer one.
            conn.execute("SET datestyle = 'ISO'")
            conn.adapters.register_loader("timestamptz", _MomentLoader)
            # Before anything of pgslo's is read: a role that may create schemas may have made these.
            strange_owner(conn, runtime_owner)
            with _telling_versions_apart(conn):
                yield conn


class _MomentLoader(TimestamptzLoader):
    """A time that Python cannot hold, such as infinity or the year 20000, is read as the last or first one that it can."""

    def load(self, data: Buffer) -> dt.datetime:
        try:
            return super().load(data)
        except psycopg.DataError:
            text = bytes(data)
            is_before = text.startswith(b"-") or text.endswith(b"BC")
            return (
                dt.datetime.min.replace(tzinfo=dt.UTC)
                if is_before
                else dt.datetime.max.replace(tzinfo=dt.UTC)
            )


def _check_version(conn: Connection) -> None:
    """Refuse an engine that only speaks PostgreSQL's protocol, before its number of a version is taken for PostgreSQL's.

    Raises:
        DatabaseError: pgslo does not run there.
    """
    with errors():
        (version,) = conn.execute("SELECT pg_catalog.version()").fetchone() or ("",)
    if (refused := placement.refused_version(version)) is not None:
        raise refused


def strange_owner(conn: Connection, trusted: str | None) -> str | None:
    """Return a role whose functions pgslo's commands would run with the rights of the current role, or ``None``.

    Args:
        conn: A connection on which nothing of pgslo's was read yet.
        trusted: A role that may own pgslo without being a superuser.

    Raises:
        DatabaseError: The current role is a superuser, whose rights such a role would have.
    """
    found = [row for row in fetch(conn, "runtime_owners") if row["role"] != trusted]
    for row in found:
        if row["is_superuser"]:
            role = sql.identifier(row["role"]).text
            raise DatabaseError(
                f"pgslo in this database belongs to role {role}, which is not a superuser",
                detail=f"The command would run functions of that role with the rights of superuser {row['user']}.",
                hint=f"connect as {role}; or, if you trust that role: --runtime-owner {role}, or PGSLO_RUNTIME_OWNER={role}",
            )
    return found[0]["role"] if found else None


def check_node(conn: Connection) -> Engine:
    """Refuse an engine, and a node of a cluster, on which nothing can be applied.

    Raises:
        DatabaseError: pgslo does not run there.
    """
    (row,) = fetch(conn, "engine")
    engine = Engine(**{**row, "extensions": frozenset(row["extensions"])})
    refused = placement.refused_engine(engine) or placement.refused_worker(read_citus(conn, engine, set()))
    if refused is not None:
        raise refused
    return engine


def check_writable(conn: Connection, *, reason: str | None = None) -> None:
    """Refuse a server or a session that cannot change the database, before a command begins.

    Args:
        conn: An autocommit connection.
        reason: Why the command writes, where its purpose is to read.

    Raises:
        DatabaseError: The server is a standby, new transactions of the session are read-only, or as :func:`check_node`.
    """
    with errors():
        (session,) = fetch(conn, "writable")
    if session["is_standby"]:
        raise DatabaseError(
            "this is a standby: it can be read and planned, not changed",
            detail=reason,
            hint="connect to the primary",
            sqlstate=_READ_ONLY,
        )
    if session["is_read_only"]:
        raise DatabaseError(
            "this session is read-only: default_transaction_read_only is on",
            detail=f"The setting comes from {_SOURCES.get(session['source'], session['source'])}.",
            hint=_MAKE_WRITABLE,
            sqlstate=_READ_ONLY,
        )
    with errors():
        check_node(conn)


@contextlib.contextmanager
def _telling_versions_apart(conn: Connection) -> Iterator[None]:
    """Say that library and runtime do not fit, where something is missing and that is why."""
    try:
        with errors():
            yield
    except DatabaseError as exc:
        if exc.sqlstate not in _MISSING:
            raise
        try:
            (theirs,) = conn.execute("SELECT pgslo.version()").fetchone() or (None,)
        except psycopg.Error:
            raise exc from None
        ours, said = runtime.library_version(), f" {exc.message[:1].upper()}{exc.message[1:]}."
        if runtime.is_newer(ours, theirs):
            raise runtime.older(theirs, detail=said, hint="bring it up to this one: pgslo migrate") from exc
        if runtime.is_newer(theirs, ours):
            raise runtime.newer(theirs, detail=said) from exc
        raise


def _without_secrets(text: str, dsn: str | None) -> str:
    """An error's text that cannot hold a password: libpq quotes the string it could not read."""
    if dsn is None:
        return text
    try:
        secret = psycopg.conninfo.conninfo_to_dict(dsn).get("password")
    except psycopg.Error:
        return "The connection string is not one that libpq can read."
    return text.replace(str(secret), "********") if secret else text


@contextlib.contextmanager
def errors() -> Iterator[None]:
    """Turn the driver's errors into ours: the one place where that happens."""
    try:
        yield
    except psycopg.Error as exc:
        raise wrapped(exc) from exc


def wrapped(exc: psycopg.Error) -> DatabaseError:
    """The driver's error as one of ours, with the server's detail and hint."""
    diagnostic = exc.diag
    hint = diagnostic.message_hint
    if exc.sqlstate == _READ_ONLY and hint is None:
        hint = f"connect to the primary; on it, {_MAKE_WRITABLE}"
    return DatabaseError(
        diagnostic.message_primary or str(exc).strip(),
        detail=diagnostic.message_detail,
        hint=hint,
        sqlstate=exc.sqlstate,
        schema=diagnostic.schema_name,
    )


def read_citus(conn: Connection, engine: Engine, named: set[Name]) -> Citus | None:
    """What Citus knows of these tables, where the database has it."""
    if "citus" not in engine.extensions:
        return None
    (node,) = fetch(conn, "citus_node")
    tables = fetch(conn, "citus_tables", {"names": json.dumps(sorted(named))}) if named else []
    return Citus(
        **node,
        tables={
            (row["schema_name"], row["name"]): Placement(row["kind"], row["column"], row["colocation"])
            for row in tables
        },
    )
