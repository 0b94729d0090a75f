"""``pgslo snapshot``: training data, saved or verified, and compared with the current table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import click

from pgslo import database, expression
from pgslo.cli import output
from pgslo.cli.exit_codes import BREACH, ERROR, OK
from pgslo.cli.session import Session, pass_session, session_options
from pgslo.cli.tables import rights_on
from pgslo.database import Connection
from pgslo.definition import names
from pgslo.display import printable
from pgslo.errors import DatabaseError, Location, PgsloError
from pgslo.sql import Sql

_HASH_SHOWN = 12
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
#: Why verify is refused on a standby.
_REREADS = "The rows of a snapshot reference are read into a table."
#: Both ends of what a time of Python can be, in hours.
_HOURS = (-17_259_000.0, 70_389_000.0)

_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group()
def snapshot() -> None:
    """Save training data, and compare it with the current table."""


@snapshot.command()
@click.argument("name")
@click.option(
    "--view", required=True, metavar="VIEW", help="A guarded view or that of a task: guarded.stats."
)
@click.option(
    "--where", metavar="CONDITION", help="Rows to take: a condition over one row, as in a definition."
)
@click.option("--healthy", is_flag=True, help="Leave batches out that are unhealthy for the view's columns.")
@click.option("--reference", is_flag=True, help="Keep no rows, but how to read them again, and their hash.")
@_json
@session_options
@pass_session
def create(
    session: Session,
    name: str,
    *,
    view: str,
    where: str | None,
    healthy: bool,
    reference: bool,
    as_json: bool,
) -> None:
    """Take a snapshot of a view, with your own rights on it.

    A copy takes the room of its rows, does not depend on the table, and cannot be changed. A reference takes none, and can be read again until a session
    changes the batches in it, which verify reports.
    """
    schema, relation = _view(view)
    condition = _condition(where)
    with session.connect(writes=True) as conn:
        rights_on(conn)
        with database.errors(), conn.transaction():
            # Rows, incidents and the definition as of one moment.
            conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            conn.execute(
                "SELECT pgslo.create_snapshot(%s, %s, %s, %s, %s, %s)",
                (name, schema, relation, condition, reference, healthy),
            )
        (taken,) = database.fetch(conn, "snapshots", {"name": name})
    if as_json:
        output.document(snapshot=taken)
        return
    _show(taken)


def _view(text: str) -> tuple[str, str]:
    """Schema and name of a view.

    Raises:
        click.UsageError: It has no schema, or is not a name.
    """
    try:
        parts = names.split(text)
    except names.BadNameError as exc:
        raise click.UsageError(f'"{text}" is not a valid name of a view: {exc}') from exc
    if len(parts) != 2:
        raise click.UsageError(f'"{text}" is not a view with its schema; for example guarded.{parts[-1]}.')
    return parts[0], parts[1]


def _condition(text: str | None) -> str | None:
    """A condition over row ``r``, by what definitions may say: it means the same tomorrow."""
    if text is None:
        return None
    return expression.parse(text, location=Location("--where", 1, 1)).qualified(Sql("r")).text


def _show(taken: dict[str, Any]) -> None:
    batches = (
        f" in {output.counted(taken['batches'], 'batch', 'batches')}, up to {taken['newest_batch']}"
        if taken["batches"]
        else ""
    )
    output.say(
        f"{taken['name']}: {output.counted(taken['rows'], 'row')} of {taken['source']}{batches}", bold=True
    )
    if taken["healthy_only"]:
        left_out = output.counted(taken["batches_left_out"], "batch", "batches")
        output.say(f"  left out are {left_out} of the table, unhealthy or not judged yet")
    output.say(f"  content hash {taken['content_hash']}")
    output.say(f"  definition {taken['definition']}, version {taken['definition_fingerprint']}")
    if taken["form"] == "copy":
        output.say(
            f"  copy: {taken['table_name']} holds the rows, which cannot be changed; it needs space for them"
        )
    else:
        output.say(
            "  reference: no row is kept; it can be read again until a batch in it changes, which verify reports"
        )
    if not taken["is_checked"]:
        output.say(
            f"  not checked: the rows are those that {taken['taken_by']} gave; pgslo cannot read the view for all roles"
        )
    for incident in taken["incidents"]:
        columns = ", ".join(incident["columns"]) or "the table"
        output.warning(
            f'incident {incident["incident"]} was open: {columns} missed rule "{incident["rule"]}"'
            f" since batch {incident['batch']}"
        )


@snapshot.command("list")
@_json
@session_options
@pass_session
def list_(session: Session, *, as_json: bool) -> None:
    """List the snapshots of views that you may read, newest first."""
    with session.connect() as conn:
        rights_on(conn)
        found = _known(conn)
    if as_json:
        output.document(snapshots=found)
        return
    if not found:
        output.say("no snapshot of a view that you may read")
        return
    output.table(
        ("name", "form", "view", "rows", "up to", "hash", "incidents", "taken (UTC)", "by"),
        [
            (
                one["name"],
                one["form"],
                one["source"],
                f"{one['rows']:,}",
                one["newest_batch"] or "",
                one["content_hash"][:_HASH_SHOWN],
                str(len(one["incidents"]) or ""),
                f"{one['taken_at'].astimezone(dt.UTC):%Y-%m-%d %H:%M}",
                one["taken_by"],
            )
            for one in found
        ],
        numbers=frozenset({3, 6}),
    )


@snapshot.command()
@click.argument("one")
@click.argument("other")
@_json
@session_options
@pass_session
def diff(session: Session, one: str, other: str, *, as_json: bool) -> None:
    """Compare two snapshots column by column.

    The distance is the largest gap between two distributions of numbers or times, or the share of rows whose value would have to change; 0 to 1. A column has drifted
    when it is beyond what chance alone does in samples of this size, or when its share of null is.
    """
    with session.connect() as conn:
        rights_on(conn)
        with database.errors():
            columns = database.fetch(conn, "snapshot_diff", {"one": one, "other": other})
    if as_json:
        output.document(one=one, other=other, columns=columns)
        return
    output.table(
        ("column", "null", "commonest", "median", "mean", "distance", "by chance", ""),
        [_compared(column) for column in columns],
        numbers=frozenset({5, 6}),
    )


def _compared(column: dict[str, Any]) -> tuple[str, ...]:
    first, second = column["summary_one"] or {}, column["summary_other"] or {}
    is_time = (column["type_other"] or column["type_one"]).startswith(("date", "timestamp"))

    def share(name: str) -> str:
        return _arrow(_share(first.get(name)), _share(second.get(name)))

    def amount(name: str) -> str:
        return _arrow(_amount(first.get(name), is_time=is_time), _amount(second.get(name), is_time=is_time))

    if column["change"] != "kept":
        change = column["change"]
        word = f"{change}: {column['type_one']} → {column['type_other']}" if change == "retyped" else change
        return (column["column_name"], *[""] * 6, word)
    return (
        column["column_name"],
        _arrow(_share(column["null_share_one"]), _share(column["null_share_other"])),
        share("top"),
        amount("p50"),
        amount("mean"),
        "" if column["distance"] is None else f"{column['distance']:.3f}",
        "" if column["by_chance"] is None else f"{column['by_chance']:.3f}",
        "drifted" if column["has_drifted"] else "",
    )


def _arrow(first: str, second: str) -> str:
    return first if first == second else f"{first or '-'} → {second or '-'}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"


def _amount(value: float | None, *, is_time: bool) -> str:
    if value is None:
        return ""
    if is_time and _HOURS[0] < value < _HOURS[1]:
        return f"{_EPOCH + dt.timedelta(hours=value):%Y-%m-%d %H:%M}"
    return f"{value:.4g}"


@snapshot.command()
@click.argument("name")
@session_options
@pass_session
def query(session: Session, name: str) -> None:
    """Print the query that reads a snapshot's rows again."""
    with session.connect() as conn:
        rights_on(conn)
        with database.errors():
            row = conn.execute("SELECT pgslo.snapshot_query(%s)", (name,)).fetchone()
    assert row is not None
    # With its line breaks: the condition may end in a comment.
    click.echo(printable(row[0]))


@snapshot.command()
@click.argument("names", nargs=-1, required=True, metavar="NAMES…")
@_json
@session_options
@pass_session
def verify(session: Session, names: tuple[str, ...], *, as_json: bool) -> int:
    """Verify that snapshots are unchanged.

    A copy is read as it is kept, a reference from its view, with your own rights. Ends with exit code 4 when something differs, and says what.
    """
    with session.connect() as conn:
        rights_on(conn)
        if any(row["form"] == "reference" and row["name"] in names for row in _known(conn)):
            database.check_writable(conn, reason=_REREADS)
        told = {name: _differences(conn, name) for name in dict.fromkeys(names)}
    if as_json:
        output.document(snapshots=[{"name": name, "differences": found} for name, found in told.items()])
    else:
        for name, found in told.items():
            if not found:
                output.say(f"{name}: as it was taken")
            for one in found:
                output.say(f"{name}: {one['about']}: was {one['was']}, is {one['is_now']}", fg="red")
    return BREACH if any(told.values()) else OK


def _known(conn: Connection) -> list[dict[str, Any]]:
    return database.fetch(conn, "snapshots", {"name": None})


def _differences(conn: Connection, name: str) -> list[dict[str, Any]]:
    with database.errors():
        return database.fetch(conn, "verify_snapshot", {"name": name})


@snapshot.command()
@click.argument("names", nargs=-1, required=True, metavar="NAMES…")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@session_options
@pass_session
def drop(session: Session, names: Sequence[str], *, yes: bool) -> int:
    """Drop snapshots, with the rows of copies."""
    output.check_answerable("snapshot drop", yes=yes)
    if not output.confirm(f"Drop {', '.join(names)}? Their rows cannot be had back.", yes=yes):
        return ERROR
    failed = False
    with session.connect(writes=True) as conn:
        rights_on(conn)
        for name in dict.fromkeys(names):
            try:
                with database.errors():
                    said = conn.execute("SELECT pgslo.drop_snapshot(%s)", (name,)).fetchone()
                assert said is not None
                output.say(said[0])
            except DatabaseError as exc:
                if conn.closed:
                    raise
                output.error(PgsloError(exc.message, detail=exc.detail, hint=exc.hint))
                failed = True
    return ERROR if failed else OK
