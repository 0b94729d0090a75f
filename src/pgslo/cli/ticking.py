"""``pgslo.tick()`` as commands run it: what it says that it could not do is shown, and counted."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from psycopg.errors import Diagnostic

from pgslo import database, naming
from pgslo.cli import output
from pgslo.database import Connection

#: Milliseconds that one call may take where the session sets no limit: the code of a table's owner may never end.
LONGEST = 600_000
#: A message, its detail and its hint.
_Warning = tuple[str, str | None, str | None]


def tick(conn: Connection, *, longest: int | None = None) -> int:
    """Run ``pgslo.tick()`` and show its warnings.

    Args:
        conn: A connection of :meth:`pgslo.cli.session.Session.connect`, of a role that may.
        longest: Milliseconds that it may take, for a command that reads; ``None``: as long as the session's
            ``statement_timeout`` allows, or ten minutes where there is none.

    Returns:
        How many warnings there were; 0: everything that was due is done.

    Raises:
        DatabaseError: It failed.
    """
    began = time.monotonic()
    with _warnings(conn) as warned, database.errors(), conn.transaction():
        limit = _limit(conn, longest)
        if limit is not None:
            conn.execute(f"SET LOCAL statement_timeout = {limit}".encode())
        conn.execute("SELECT pgslo.tick()")
    if longest is not None and (time.monotonic() - began) * 1000 >= longest:
        output.message(f"batches were closed for {longest / 1000:g} s; pgslo tick closes the rest")
        return len(warned)
    for message, detail, hint in warned:
        output.warning(message, detail=detail, hint=hint)
    return len(warned)


@contextlib.contextmanager
def _warnings(conn: Connection) -> Iterator[list[_Warning]]:
    """Keep the warnings of ``tick()`` instead of showing them as they come."""
    kept: list[_Warning] = []

    def keep(notice: Diagnostic) -> None:
        # Empty once the handler has returned.
        if notice.sqlstate == naming.NOT_JUDGED:
            kept.append((notice.message_primary or "", notice.message_detail, notice.message_hint))
        else:
            output.notice(notice)

    conn.remove_notice_handler(output.notice)
    conn.add_notice_handler(keep)
    try:
        yield kept
    finally:
        conn.remove_notice_handler(keep)
        conn.add_notice_handler(output.notice)


def _limit(conn: Connection, longest: int | None) -> int | None:
    """The ``statement_timeout`` to set, in milliseconds; ``None`` if the session's own is to hold."""
    (row,) = database.fetch(conn, "statement_timeout")
    own: int = row["milliseconds"]
    if own == 0:
        return LONGEST if longest is None else longest
    return longest if longest is not None and longest < own else None
