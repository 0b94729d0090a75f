"""``pgslo tick``: close and judge batches that are due."""

from __future__ import annotations

import datetime as dt

import click

from pgslo.cli import output
from pgslo.cli.exit_codes import ERROR, OK
from pgslo.cli.operating import ticking
from pgslo.cli.session import Session, pass_session, session_options
from pgslo.cli.tables import rights_on
from pgslo.database import Connection


@click.command()
@session_options
@pass_session
def tick(session: Session) -> int:
    """Close and judge batches that are due.

    Rules over batches and learned bounds are judged here, and incidents end. Run it every minute, for example from
    cron, or SELECT pgslo.tick() from pg_cron; pgslo watch --tick does it as well. Ends with exit code 1 if something that was due could not be done, for
    example because another session is at it.
    """
    with session.connect(writes=True) as conn:
        rights_on(conn)
        before = _unresolved(conn)
        warnings = ticking.tick(conn)
        after = _unresolved(conn)
        settling = _settling(conn)
    resolved = sum(number not in after for number in before)
    over = sum(state == "over" and before.get(number) != "over" for number, state in after.items())
    still = sum(state == "open" for state in after.values())
    for definition, batch, until in settling:
        output.message(ticking.settling_said(definition, batch, until))
    output.message(f"{output.counted(over, 'incident')} over, {resolved:,} resolved, {still:,} open")
    return ERROR if warnings else OK


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
