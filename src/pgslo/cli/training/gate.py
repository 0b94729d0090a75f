"""``pgslo gate``: whether a task may be trained now, with the reasons."""

from __future__ import annotations

from typing import Any

import click

from pgslo import database
from pgslo.cli import output
from pgslo.cli.exit_codes import BREACH, OK
from pgslo.cli.operating.tick import close_due
from pgslo.cli.session import Session, pass_session, session_options
from pgslo.cli.tables import rights_on
from pgslo.database import Connection
from pgslo.errors import DatabaseError


@click.command()
@click.argument("task")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@session_options
@pass_session
def gate(session: Session, task: str, *, as_json: bool) -> int:
    """Check whether a task may be trained now.

    It may when no stored batch misses a rule about a column that it reads, and when the snapshots that its gate requires exist, are fresh and have no
    unhealthy batch. One whose gate names a training snapshot may when the newest batches and that snapshot are healthy; the evaluation set may not end before the training set. Ends with exit code 0 when it may and 4 when it may not.
    """
    with session.connect() as conn:
        if rights_on(conn)["may_tick"]:
            judge(conn)
        with database.errors():
            points = database.fetch(conn, "readiness", {"task": task})
    is_ready = all(point["is_ready"] for point in points)
    if as_json:
        output.document(task=task, ready=is_ready, points=points)
    else:
        output.say(f"{task} {'may be trained' if is_ready else 'may not be trained'}", bold=True)
        for point in points:
            output.say(f"  {described(point)}", fg=None if point["is_ready"] else "red")
    return OK if is_ready else BREACH


def judge(conn: Connection) -> None:
    """Close and evaluate due batches; if that fails, the answer is from the recorded state."""
    try:
        close_due(conn)
    except DatabaseError as exc:
        if conn.closed:
            raise
        output.warning(f"tick failed: {exc.message}", detail=exc.detail, hint=exc.hint)


def described(point: dict[str, Any]) -> str:
    """A point in a line: whether it is met, its subject, and the reason."""
    about = {
        "column": f"{point['definition']}: {point['column_name']}",
        "table": point["definition"],
    }.get(point["about"], f"{point['about']} set")
    batch = (
        f"batch {point['batch']}: "
        if point["batch"]
        and not point["is_ready"]
        and point["about"] in ("column", "table")
        and f"batch {point['batch']}" not in point["said"]
        else ""
    )
    return f"{'yes' if point['is_ready'] else 'no '} {about}: {batch}{point['said']}"
