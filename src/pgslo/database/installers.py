"""One installer at a time: the lock that a session holds while it changes installed objects."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import psycopg

from pgslo import naming
from pgslo.database.catalog_queries import fetch, query
from pgslo.database.connections import Connection, errors
from pgslo.errors import DatabaseError

#: How long another installer is waited for, in seconds.
PATIENCE = 300.0
#: The same for the advisory lock of the first installation, which every role can hold.
FIRST_PATIENCE = 30.0


@contextlib.contextmanager
def installing(conn: Connection, *, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """One installer at a time; the lock is taken before any transaction, so that it sees the last committed state.

    Args:
        conn: An autocommit connection.
        on_wait: Called once when another installer is at work.

    Raises:
        DatabaseError: The connection goes through a pooler.
    """
    check_direct(conn)
    # Repeated attempts instead of a wait in the server: a waiting session holds a snapshot, for which the
    # other's CREATE INDEX CONCURRENTLY waits in turn; one of the two would be cancelled as a deadlock.
    tries = 0
    since = time.monotonic()
    while (other := _other_installer(conn)) is not None:
        holder, patience = other
        if tries == 0:
            on_wait()
        if time.monotonic() > since + patience:
            raise DatabaseError(
                f"another installer was at work for {patience:g} seconds",
                detail=f"The lock of installers is held by {holder}.",
                hint="try again when that session has ended; if it is not an installer, end it: SELECT pg_terminate_backend(<process>)",
                sqlstate="55P03",
            )
        tries += 1
        time.sleep(min(0.05 * 2**tries, 1.0))
    try:
        yield
    finally:
        with contextlib.suppress(psycopg.Error):
            fetch(conn, "free_install_lock", {"key": naming.INSTALL_LOCK})
        with contextlib.suppress(psycopg.Error):
            if _has_turns(conn):
                conn.execute(query("free_turn"))


def check_direct(conn: Connection) -> None:
    """Refuse a connection through a pooler, whose server sessions hold locks for the next client.

    A pooler sends its clients a made-up process number when they connect.

    Raises:
        DatabaseError: The connection goes through a pooler.
    """
    with errors():
        behind = conn.execute("SELECT pg_catalog.pg_backend_pid()").fetchone()
    if behind != (conn.info.backend_pid,):
        raise DatabaseError(
            "this connection goes through a pooler",
            detail="What has to be held from statement to statement, such as the lock of installers, is lost or left behind there.",
            hint="connect to the server itself",
        )


def _has_turns(conn: Connection) -> bool:
    return any(row["has_turns"] for row in fetch(conn, "install_turn"))


def _other_installer(conn: Connection) -> tuple[str, float] | None:
    """Take the turn of installers; the session that has it, in words, and how long it is waited for, if another one does."""
    with errors():
        if _has_turns(conn):
            row = conn.execute(query("hold_turn")).fetchone()
            return (row[0], PATIENCE) if row and row[0] is not None else None
        # Every role can hold this key. That delays the first installation, which names the session then and ends.
        taken = conn.execute("SELECT pg_catalog.pg_try_advisory_lock(%s)", (naming.INSTALL_LOCK,)).fetchone()
        if taken and taken[0]:
            if not _has_turns(conn):
                return None
            # Another one installed it meanwhile, and may not have ended.
            conn.execute("SELECT pg_catalog.pg_advisory_unlock(%s)", (naming.INSTALL_LOCK,))
            return "another session", PATIENCE
        held = [row["holder"] for row in fetch(conn, "install_lock", {"key": naming.INSTALL_LOCK})]
    return held[0] if held else "another session", min(FIRST_PATIENCE, PATIENCE)
