"""``pgslo incidents`` and ``explain``: the records of incidents, and the decisions about them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from typing import Any

import click

from pgslo import database
from pgslo.cli import output
from pgslo.cli.exit_codes import ERROR, OK
from pgslo.cli.session import Session, again, pass_session, session_options
from pgslo.cli.tables import check_sight, matching, moment, plain, read_incidents, rights_on
from pgslo.database import Connection
from pgslo.display import one_line
from pgslo.errors import DatabaseError, PgsloError

_NOT_OPEN = "P0002"
_SPAN = re.compile(r"(\d{1,5}) ?(m|h|d|w|minutes?|hours?|days?|weeks?)\Z")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

_id = click.IntRange(min=1, max=2**63 - 1)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
_note = click.option("--note", help="A word on it, kept with the incident.")


class _Listing(click.Group):
    """A group that lists when no command of it is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put ``list`` before a word that is not a command."""
        if not args or (args[0] not in self.commands and args[0] not in ("-h", "--help")):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Listing)
def incidents() -> None:
    """List and manage incidents.

    Every role may read them. Decisions are for operators: the owner of the schema pgslo, and roles that the owner allows. Without a command, incidents that are not resolved are listed.
    """


@incidents.command("list")
@click.argument("tables", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Also those that are resolved.")
@_json
@session_options
@pass_session
def list_incidents(session: Session, tables: tuple[str, ...], *, everything: bool, as_json: bool) -> None:
    """List incidents.

    The newest comes first. Those that are open or over are listed, of TABLES such as features.user_stats or of all. Those of one page opened with the same batch.
    """
    with session.connect() as conn:
        rights = rights_on(conn)
        shown = matching(database.fetch(conn, "status"), tables)
        check_sight(rights, shown)
        names = [row["definition"] for row in shown]
        rows = [row for row in read_incidents(conn, everything=everything) if row["definition"] in names]
    if as_json:
        output.document(incidents=[plain(row) for row in rows])
    elif not rows:
        output.say("no incidents" if everything else "no open incidents, and none that are over")
    else:
        output.table(
            ("incident", "page", "table", "rule", "columns", "since", "batch", "state", "owner"),
            [
                (
                    str(row["incident_id"]),
                    str(row["page"]),
                    row["definition"],
                    row["rule"],
                    ", ".join(row["columns"]),
                    moment(row["opened_at"]),
                    row["opened_batch"],
                    _state(row),
                    row["owner"] or "",
                )
                for row in rows
            ],
            numbers=frozenset({0, 1}),
        )


def _state(row: dict[str, Any]) -> str:
    if row["state"] == "resolved":
        return f"{row['resolution'].replace('_', ' ')} {moment(row['resolved_at'])}"
    if row["state"] == "over":
        return f"over, {row['stored'] or 'no missed batch is stored'}"
    if row["muted_until"] and row["muted_until"] > dt.datetime.now(dt.UTC):
        return f"muted until {moment(row['muted_until'])}"
    if row["acknowledged_at"]:
        return f"acknowledged by {row['acknowledged_by']}"
    return "suspect" if row["tier"] == "suspect" else "open"


@incidents.command()
@click.argument("incident", type=_id)
@_json
@session_options
@pass_session
def show(session: Session, incident: int, *, as_json: bool) -> None:
    """Show the record of an incident and its resolution.

    Roles that may see rows are shown failing rows and the value that moved most as well.
    """
    with session.connect() as conn:
        rights = rights_on(conn)
        facts = _facts(conn, incident)
        history = database.fetch(conn, "incident_events", {"id": incident})
        evidence = database.fetch(conn, "evidence", {"id": incident}) if rights["may_see_evidence"] else None
    if as_json:
        output.document(
            incident=incident,
            facts={row["topic"]: row["fact"] for row in facts},
            history=history,
            evidence=evidence,
        )
        return
    _print(row for row in facts if row["topic"] != "history")
    output.say()
    output.say("History", bold=True)
    for row in history:
        words = [moment(row["happened_at"]), row["event"]]
        if row["resolution"]:
            words.append(f"as {row['resolution'].replace('_', ' ')}")
        if row["muted_until"]:
            words.append(f"until {moment(row['muted_until'])}")
        words.append(f"by {row['done_by']}")
        output.say(one_line(f"  {' '.join(words)}{': ' + row['note'] if row['note'] else ''}"))
    if evidence:
        output.say()
        output.say("Evidence", bold=True)
        for row in evidence:
            output.say(one_line(f"  {row['topic']}: {row['fact']}"))


def _facts(conn: Connection, incident: int) -> list[dict[str, Any]]:
    """Return the record of an incident.

    Raises:
        PgsloError: No incident has that number.
    """
    facts = database.fetch(conn, "explain", {"id": incident})
    if not facts:
        raise PgsloError(f"incident {incident} does not exist", hint=f"{again('incidents --all')} lists them")
    return facts


def _print(facts: Any) -> None:
    rows = list(facts)
    width = max(len(row["topic"]) for row in rows) + 2
    for row in rows:
        output.say(f"{row['topic'] + ':':{width}}{one_line(row['fact'])}")


@incidents.command()
@click.argument("numbers", nargs=-1, required=True, type=_id, metavar="INCIDENTS…")
@_note
@_json
@session_options
@pass_session
def ack(session: Session, numbers: tuple[int, ...], *, note: str | None, as_json: bool) -> int:
    """Acknowledge incidents: they are being worked on, and no further notification is sent."""
    return _decide(session, numbers, "SELECT pgslo.acknowledge(%s, %s)", (note,), as_json=as_json)


@incidents.command()
@click.argument("numbers", nargs=-1, type=_id, metavar="[INCIDENTS]…")
@click.option("--rule", metavar="TABLE.RULE", help="Mute a rule, for incidents to come as well.")
@click.option(
    "--for", "span", metavar="SPAN", help="How long, for example 30m, 4h, 2d; without it, a mute ends."
)
@_note
@_json
@session_options
@pass_session
def mute(
    session: Session,
    numbers: tuple[int, ...],
    *,
    rule: str | None,
    span: str | None,
    note: str | None,
    as_json: bool,
) -> int:
    """Stop notifications of incidents, or of a rule, for a while. Readers are still warned."""
    if bool(numbers) == bool(rule):
        raise click.UsageError("Name either incidents or a --rule.")
    until = _interval(span) if span else None
    if rule is None:
        return _decide(
            session,
            numbers,
            "SELECT pgslo.mute(%s, pg_catalog.clock_timestamp() + %s::interval, %s)",
            (until, note),
            as_json=as_json,
        )
    table, _, name = rule.rpartition(".")
    if not table:
        raise click.UsageError("--rule takes a table and a rule, for example features.user_stats.age_range.")
    with session.connect(writes=True) as conn:
        rights_on(conn)
        definition = matching(database.fetch(conn, "status"), (table,))[0]["definition"]
        said = conn.execute(
            "SELECT pgslo.mute_rule(%s, %s, pg_catalog.clock_timestamp() + %s::interval)",
            (definition, name, until),
        ).fetchone()
    assert said is not None
    if as_json:
        output.document(rule=name, definition=definition, message=said[0])
    else:
        output.say(said[0])
    return OK


def _interval(span: str) -> str:
    """A span such as ``4h`` as PostgreSQL reads it.

    Raises:
        click.UsageError: It is not a duration.
    """
    match = _SPAN.match(span.strip().lower())
    if match is None or int(match[1]) == 0:
        raise click.UsageError(f'"{span}" is not a span: 30m, 4h, 2d, 1w.')
    return f"{match[1]} {_UNITS[match[2][0]]}"


@incidents.command()
@click.argument("numbers", nargs=-1, required=True, type=_id, metavar="INCIDENTS…")
@click.option(
    "--as",
    "resolution",
    type=click.Choice(["real", "false-alarm"]),
    required=True,
    help="The cause; learned bounds take note of false alarms.",
)
@_note
@_json
@session_options
@pass_session
def resolve(
    session: Session, numbers: tuple[int, ...], *, resolution: str, note: str | None, as_json: bool
) -> int:
    """Resolve incidents.

    After a false alarm, readers are not warned any more. A real incident is over while its missed batches are
    stored. An incident is reopened if the next batch misses the rule, too.
    """
    return _decide(
        session,
        numbers,
        "SELECT pgslo.resolve(%s, %s, %s)",
        (resolution.replace("-", "_"), note),
        as_json=as_json,
    )


@incidents.command()
@click.argument("number", type=_id, metavar="INCIDENT")
@click.option("--reason", required=True, help="Why the rows stay as they are; kept with the incident.")
@click.option("--batches", metavar="BATCH,…", help="Some of its missed batches; without it, all.")
@_json
@session_options
@pass_session
def accept(session: Session, number: int, *, reason: str, batches: str | None, as_json: bool) -> int:
    """Accept missed batches as they are: their readers are not warned any more.

    For stewards. Batches that are missed later, and further bad rows of these batches, are not accepted with them.
    """
    names = None if batches is None else [name.strip() for name in batches.split(",") if name.strip()]
    return _decide(session, (number,), "SELECT pgslo.accept(%s, %s, %s)", (reason, names), as_json=as_json)


def _decide(
    session: Session, numbers: Sequence[int], query: str, rest: tuple[Any, ...], *, as_json: bool
) -> int:
    """Do the same to each incident, in a transaction of its own; what fails does not stop the rest."""
    outcome: list[dict[str, Any]] = []
    with session.connect(writes=True) as conn:
        rights_on(conn)
        for number in dict.fromkeys(numbers):
            try:
                with database.errors():
                    said = conn.execute(query.encode(), (number, *rest)).fetchone()
                assert said is not None
                outcome.append({"incident": number, "done": True, "message": said[0]})
                if not as_json:
                    output.say(said[0])
            except DatabaseError as exc:
                if conn.closed:
                    raise  # the others would fail as well
                if exc.sqlstate == _NOT_OPEN:
                    exc.hint = again("incidents")
                outcome.append({"incident": number, "done": False, "message": exc.message})
                output.error(exc)
    if as_json:
        output.document(incidents=outcome)
    return OK if all(one["done"] for one in outcome) else ERROR


@click.command()
@click.argument("incident", type=_id)
@_json
@session_options
@pass_session
def explain(session: Session, incident: int, *, as_json: bool) -> None:
    """Show the record of an incident.

    That is: the summary of the rule, since when it is missed, the writer of the first rows that miss it, and their readers.
    """
    with session.connect() as conn:
        rights_on(conn)
        facts = _facts(conn, incident)
    if as_json:
        output.document(incident=incident, facts={row["topic"]: row["fact"] for row in facts})
        return
    _print(facts)
