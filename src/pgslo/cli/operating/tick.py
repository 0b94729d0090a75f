"""``pgslo tick``: close and judge batches that are due; and ``pgslo.tick()`` as other commands run it."""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from collections.abc import Iterator

import click
from psycopg.errors import Diagnostic

from pgslo import database, naming
from pgslo.cli import output
from pgslo.cli.exit_codes import ERROR, OK
from pgslo.cli.session import Session, pass_session, session_options
from pgslo.cli.tables import moment, rights_on
from pgslo.database import Connection
from pgslo.display import one_line

#: Milliseconds that one call may take where the session sets no limit: the code of a table's owner may never end.
LONGEST = 600_000
#: Milliseconds after which ``pgslo tick`` leaves due batches to the next, which cron starts each minute.
TURN = 50_000
#: A message, its detail and its hint.
_Warning = tuple[str, str | None, str | None]


@click.command()
@session_options
@pass_session
def tick(session: Session) -> int:
    """Close and evaluate batches that are due.

    Evaluates rules over batches and learned bounds, and resolves incidents. Run it every minute, for example from
    cron, or run SELECT pgslo.tick() from pg_cron; pgslo watch --tick does it as well. Ends with exit code 1 if due
    work could not be done, for example because another session is doing it.
    """
    with session.connect(writes=True) as conn:
        rights_on(conn)
        before = _unresolved(conn)
        warnings = close_due(conn)
        after = _unresolved(conn)
        settling = _settling(conn)
    resolved = sum(number not in after for number in before)
    over = sum(state == "over" and before.get(number) != "over" for number, state in after.items())
    still = sum(state == "open" for state in after.values())
    for definition, batch, until in settling:
        output.message(settling_said(definition, batch, until))
    output.message(f"{output.counted(over, 'incident')} over, {resolved:,} resolved, {still:,} open")
    return ERROR if warnings else OK


def close_due(conn: Connection, *, longest: int | None = None) -> int:
    """Run ``pgslo.tick()`` until nothing is due any more, and show its warnings.

    Args:
        conn: A connection of :meth:`pgslo.cli.session.Session.connect`, of a role that may.
        longest: Milliseconds that it may take, for a command that reads; ``None``: one call as long as the session's
            ``statement_timeout`` allows, or ten minutes without one; all calls together about 50 seconds.

    Returns:
        How many warnings there were; 0: nothing that was due failed.

    Raises:
        DatabaseError: It failed.
    """
    began = time.monotonic()
    warnings = 0
    while True:
        spent = int((time.monotonic() - began) * 1000)
        warned, is_behind = _call(conn, None if longest is None else max(longest - spent, 1))
        warnings += len(warned)
        is_over = (time.monotonic() - began) * 1000 >= (TURN if longest is None else longest)
        if longest is not None and is_over:
            output.message(f"batches were closed for {longest / 1000:g} s; pgslo tick closes the rest")
            return warnings
        _show(warned)
        if is_over and is_behind:
            output.message("more batches are due; the next pgslo tick goes on with them")
        if is_over or not is_behind:
            return warnings


def close_due_once(conn: Connection) -> tuple[int, bool]:
    """Run ``pgslo.tick()`` once and show its warnings.

    Returns:
        How many warnings there were, and whether more batches are due now.

    Raises:
        DatabaseError: It failed.
    """
    warned, is_behind = _call(conn, None)
    _show(warned)
    return len(warned), is_behind


def settling_said(definition: str, batch: str, until: dt.datetime) -> str:
    """Return that a batch is not evaluated while rows may still come, and until when."""
    return (
        f"batch {one_line(batch)} of {definition} is not evaluated yet: "
        f"it will be after {moment(until)}, if no more rows come"
    )


def _unresolved(conn: Connection) -> dict[int, str]:
    """States of incidents by what the view has in every version: batches are judged whatever the library's age."""
    query = (
        "SELECT i.incident_id, coalesce(pg_catalog.to_jsonb(i) OPERATOR(pg_catalog.->>) 'state', 'open')"
        " FROM pgslo.incident i WHERE i.resolved_at IS NULL"
    )
    return dict(conn.execute(query.encode()).fetchall())


def _settling(conn: Connection) -> list[tuple[str, str, dt.datetime]]:
    """Batches that may still grow, and until when; none where the runtime is of an earlier version."""
    query = (
        "SELECT s.definition, w.settling_batch, w.settles_at FROM pgslo.status s CROSS JOIN LATERAL"
        " pg_catalog.jsonb_to_record(pg_catalog.to_jsonb(s)) AS w (settling_batch text, settles_at timestamptz)"
        " WHERE w.settling_batch IS NOT NULL ORDER BY 1"
    )
    return conn.execute(query.encode()).fetchall()


def _call(conn: Connection, longest: int | None) -> tuple[list[_Warning], bool]:
    with _warnings(conn) as warned, database.errors(), conn.transaction():
        limit = _limit(conn, longest)
        if limit is not None:
            conn.execute(f"SET LOCAL statement_timeout = {limit}".encode())
        row = conn.execute("SELECT pgslo.tick()").fetchone()
    return warned, row is not None and row[0] is True


def _show(warned: list[_Warning]) -> None:
    for message, detail, hint in warned:
        output.warning(message, detail=detail, hint=hint)


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
