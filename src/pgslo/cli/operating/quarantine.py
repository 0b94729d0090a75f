"""``pgslo quarantine``: rows that were kept out of their tables, and the decisions about them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import click

from pgslo import database
from pgslo.cli import output
from pgslo.cli.exit_codes import ERROR, OK
from pgslo.cli.session import Session, again, pass_session, session_options
from pgslo.cli.tables import moment, resolve, rights_on
from pgslo.database import Connection
from pgslo.display import one_line
from pgslo.errors import DatabaseError, PgsloError

_STILL_BREAKS, _NOT_HELD = "23514", "P0002"
_UNIQUE_VIOLATION = "23505"

_id = click.IntRange(min=1, max=2**63 - 1)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group()
def quarantine() -> None:
    """List quarantined rows, and decide about them.

    Rows in quarantine may hold personal data: only the owner of the schema pgslo, and roles that the owner allows, may see them.
    """


@quarantine.command("list")
@click.option("--table", help="Rows of this table only.")
@click.option(
    "--state",
    type=click.Choice(["held", "released", "dropped", "all"]),
    default="held",
    show_default=True,
    help="Rows in this state only.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="The number of rows to show at most.",
)
@_json
@session_options
@pass_session
def list_rows(session: Session, *, table: str | None, state: str, limit: int, as_json: bool) -> None:
    """List rows, newest first, without their values."""
    with session.connect() as conn:
        _check_rights(conn)
        known = [row["definition"] for row in database.fetch(conn, "status")]
        rows = database.fetch(
            conn,
            "quarantined",
            {
                "definition": resolve(table, known) if table else None,
                "state": None if state == "all" else state,
                "limit": limit + 1,
            },
        )
    more = len(rows) > limit
    rows = rows[:limit]
    if as_json:
        output.document(rows=rows, more=more)
        return
    if not rows:
        output.say("no rows in quarantine" if state in ("held", "all") else f"no rows were {state}")
        return
    output.table(
        ("row", "table", "key", "breaks", "by", "at", "state"),
        [
            (
                str(row["quarantine_id"]),
                row["definition"],
                row["row_key"],
                ", ".join(row["rules"]),
                row["writer"],
                moment(row["written_at"]),
                row["state"],
            )
            for row in rows
        ],
        numbers=frozenset({0}),
    )
    if more:
        output.message(f"there are more than {limit:,}; see more with --limit")


@quarantine.command("show")
@click.argument("row", type=_id)
@_json
@session_options
@pass_session
def show_row(session: Session, row: int, *, as_json: bool) -> None:
    """Show a row with all its values and every reason."""
    with session.connect() as conn:
        _check_rights(conn)
        found = database.fetch(conn, "quarantined_row", {"id": row})
    if not found:
        raise PgsloError(f"row {row} is not in quarantine", hint=again("quarantine list --state all"))
    (held,) = found
    shown = held.pop("shown")
    if as_json:
        image = held["image"]
        output.document(row=held | {"image": None if image is None else output.Json(image)})
        return
    by = f"{held['writer']} with {held['application']}" if held["application"] else held["writer"]
    decided = f" by {held['decided_by']}, {moment(held['decided_at'])}" if held["decided_at"] else ""
    _facts(
        {
            "row": str(held["quarantine_id"]),
            "table": held["definition"],
            "key": held["row_key"],
            "kept from": f"{held['operation']} by {by}, {moment(held['written_at'])}",
            "state": held["state"] + decided,
        }
    )
    output.say()
    output.say("Reasons", bold=True)
    for reason in held["reasons"] or ():
        output.say(
            one_line(f"  {reason['rule']}: {reason.get('shown', 'erased')}; expected: {reason['promise']}")
        )
    output.say()
    output.say("Values", bold=True)
    if shown is None:
        output.say("  erased" if held["state"] == "dropped" else "  of a kind that cannot be shown by column")
        return
    width = max(len(column) for column in shown) + 2
    for column, value in sorted(shown.items(), key=lambda item: (item[0] not in held["failing"], item[0])):
        text = one_line("NULL" if value is None else value)
        output.say(f"  {column + ':':{width}}{text}", fg="red" if column in held["failing"] else None)


def _check_rights(conn: Connection) -> None:
    """Refuse whom the owner has not allowed to see rows.

    Raises:
        PgsloError: The runtime is not installed, or this role may not see rows in quarantine.
    """
    rights = rights_on(conn)
    if not rights["may_see_rows"]:
        raise PgsloError(
            f"role {rights['role']} may not see rows in quarantine",
            detail="They may hold personal data.",
            hint=f"the owner of the schema pgslo can allow it: GRANT SELECT ON pgslo.quarantine TO {rights['role']}",
        )


def _facts(facts: dict[str, str]) -> None:
    width = max(len(word) for word in facts) + 2
    for word, text in facts.items():
        output.say(f"{word + ':':{width}}{one_line(text)}")


@quarantine.command()
@click.argument("rows", nargs=-1, required=True, type=_id)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="COLUMN=VALUE",
    help='Change a column on the way; VALUE is JSON (3, null, "text") or plain text. May be given several times.',
)
@click.option(
    "--update",
    "columns",
    multiple=True,
    metavar="COLUMN",
    help="Set this column in the row that has the key, instead of inserting a row; * for all. May be given several times.",
)
@_json
@session_options
@pass_session
def release(
    session: Session,
    rows: tuple[int, ...],
    *,
    changes: tuple[str, ...],
    columns: tuple[str, ...],
    as_json: bool,
) -> int:
    """Write rows to their tables; every rule is evaluated again.

    A row that still violates a rule stays in quarantine. A row of an upsert, INSERT … ON CONFLICT DO UPDATE, is
    released with --update if its key exists. Ends with exit code 1 if a row could not be released.
    """
    document = _document(changes)
    if "*" in columns and len(columns) > 1:
        raise click.UsageError("--update takes * alone, or columns.")
    as_update = None if not columns else [] if "*" in columns else list(columns)

    def write(conn: Connection, row: int) -> str:
        found = conn.execute(
            "SELECT pgslo.release(%s, %s::jsonb, %s::text[])", (row, document, as_update)
        ).fetchone()
        return str(found[0]) if found else ""

    return _decide(session, rows, write, as_json=as_json)


def _document(changes: Sequence[str]) -> str:
    """Changes as a JSON object, in the author's own digits: Python's floats would cut a long number.

    Raises:
        click.UsageError: A change is not one, or a column is changed twice.
    """
    values: dict[str, str] = {}
    for change in changes:
        column, equals, value = change.partition("=")
        if not equals or not column:
            raise click.UsageError(f'--set takes COLUMN=VALUE, for example --set age=30, not "{change}".')
        if column in values:
            raise click.UsageError(f'--set changes column "{column}" twice.')
        values[column] = value if _is_json(value) else json.dumps(value)
    return "{" + ", ".join(f"{json.dumps(column)}: {value}" for column, value in values.items()) + "}"


def _is_json(text: str) -> bool:
    def refuse(constant: str) -> None:
        raise ValueError(constant)  # NaN is Python's, not JSON's

    try:
        json.loads(text, parse_constant=refuse, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        return False
    return True


@quarantine.command()
@click.argument("rows", nargs=-1, required=True, type=_id)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@_json
@session_options
@pass_session
def drop(session: Session, rows: tuple[int, ...], *, yes: bool, as_json: bool) -> int:
    """Discard rows: erase their values, keep the record and reasons.

    Ends with exit code 1 if a row could not be discarded.
    """
    output.check_answerable("quarantine drop", yes=yes)
    if not output.confirm(f"Erase {output.counted(len(rows), 'row')} for good?", yes=yes):
        return ERROR

    def give_up(conn: Connection, row: int) -> str:
        found = conn.execute("SELECT pgslo.discard(%s)", (row,)).fetchone()
        return str(found[0]) if found else ""

    return _decide(session, rows, give_up, as_json=as_json)


def _decide(
    session: Session, rows: Sequence[int], decide: Callable[[Connection, int], str], *, as_json: bool
) -> int:
    """Do the same to each row, in a transaction of its own; what fails does not stop the rest."""
    outcome: list[dict[str, Any]] = []
    with session.connect(writes=True) as conn:
        rights_on(conn)
        for row in dict.fromkeys(rows):
            try:
                with database.errors():
                    said = decide(conn, row)
                outcome.append({"row": row, "done": True, "message": said, "detail": None, "hint": None})
                if not as_json:
                    output.say(said)
            except DatabaseError as exc:
                if conn.closed:
                    raise  # the others would fail as well
                if exc.sqlstate == _STILL_BREAKS:
                    exc.hint = f"change it on the way: {again(f'quarantine release {row} --set column=value')}, or give it up: {again(f'quarantine drop {row}')}"
                elif exc.sqlstate == _UNIQUE_VIOLATION and exc.hint:
                    exc.hint = f"to update the existing row, as ON CONFLICT DO UPDATE would: {again(f'quarantine release {row} --update column')}"
                elif exc.sqlstate == _NOT_HELD:
                    exc.hint = again("quarantine list")
                outcome.append(
                    {
                        "row": row,
                        "done": False,
                        "message": exc.message,
                        "detail": exc.detail,
                        "hint": exc.hint,
                    }
                )
                output.error(exc)
    if as_json:
        output.document(rows=outcome)
    return OK if all(one["done"] for one in outcome) else ERROR
