"""``pgslo.tick()`` as commands run it: what it says that it could not do is shown, and counted."""

from __future__ import annotations

from psycopg.errors import Diagnostic

from pgslo import database, naming
from pgslo.cli import output
from pgslo.database import Connection

#: Milliseconds that one call may take where the session sets no limit: the code of a table's owner may never end.
LONGEST = 600_000


def tick(conn: Connection) -> int:
    """Run ``pgslo.tick()`` and show its warnings. Without a ``statement_timeout`` of the session, it ends after ten minutes.

    Returns:
        How many warnings there were; 0: everything that was due is done.

    Raises:
        DatabaseError: It failed.
    """
    warned: list[tuple[str, str | None, str | None]] = []

    def keep(notice: Diagnostic) -> None:
        # Empty once the handler has returned.
        if notice.sqlstate == naming.NOT_JUDGED:
            warned.append((notice.message_primary or "", notice.message_detail, notice.message_hint))

    conn.add_notice_handler(keep)
    try:
        with database.errors(), conn.transaction():
            if conn.execute("SHOW statement_timeout").fetchone() == ("0",):
                conn.execute(f"SET LOCAL statement_timeout = {LONGEST}".encode())
            conn.execute("SELECT pgslo.tick()")
    finally:
        conn.remove_notice_handler(keep)
    for message, detail, hint in warned:
        output.warning(message, detail=detail, hint=hint)
    return len(warned)
