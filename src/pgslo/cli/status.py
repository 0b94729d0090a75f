"""``pgslo status``, ``incidents``, ``explain`` and ``tick``: how things are, for everybody who may read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import click

from pgslo import database
from pgslo.cli import output, project
from pgslo.cli.session import Session, pass_session, session_options
from pgslo.database import Connection
from pgslo.errors import DatabaseError, PgsloError

OK, BREACH = 0, 4
Row = dict[str, Any]

_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.command()
@click.argument("tables", nargs=-1)
@_json
@session_options
@pass_session
def status(session: Session, tables: tuple[str, ...], *, as_json: bool) -> int:
    """Show how the defined tables are.

    TABLES are names such as features.user_stats; without any, all are shown. Ends with exit code 4 when something is
    broken: an incident is open, a rule can no longer be judged, a table's columns differ from what is promised, or
    somebody switched off a trigger.
    """
    with session.connect() as conn:
        rights = rights_on(conn)
        if rights["may_tick"]:
            _tick(conn)
        shown = _matching(database.fetch(conn, "status"), tables)
        names = [row["definition"] for row in shown]
        incidents = [row for row in _incidents(conn) if row["definition"] in names]
        broken = [row for row in database.fetch(conn, "broken_rules") if row["definition"] in names]
        idle = _idle(conn, names) if rights["may_plan"] else []
        installed = [row["definition"] for row in database.fetch(conn, "status")]
    stray = [] if tables else _without_file(session, installed)
    if as_json:
        output.document(
            tables=shown,
            incidents=[_plain(row) for row in incidents],
            broken_rules=broken,
            switched_off=idle,
            without_file=stray,
        )
    else:
        _show_tables(shown)
        for row in incidents:
            _show_incident(row)
        _show_other(shown, broken, idle, stray)
    differ = any(row["schema_difference"] for row in shown)
    return BREACH if incidents or broken or idle or differ else OK


def rights_on(conn: Connection) -> Row:
    """Whether the runtime is there and what this role may do.

    Raises:
        PgsloError: It is not there, or this role may not use it.
    """
    (rights,) = database.fetch(conn, "rights")
    if not rights["is_installed"]:
        raise PgsloError(
            f"pgslo is not installed in database {rights['database']}",
            hint="pgslo apply installs it with the first definition",
        )
    if not rights["may_use"]:
        raise PgsloError(
            f"role {rights['role']} may not use the schema pgslo",
            hint=f"its owner can allow it: GRANT USAGE ON SCHEMA pgslo TO {rights['role']}",
        )
    return rights


def _tick(conn: Connection) -> None:
    """Resolve what is over; that it fails is no reason not to show the rest."""
    try:
        with database.errors():
            conn.execute("SELECT pgslo.tick()")
    except DatabaseError as exc:
        output.warning(
            f"incidents could not be brought up to date: {exc.message}", detail=exc.detail, hint=exc.hint
        )


def _matching(rows: Sequence[Row], tables: Sequence[str]) -> list[Row]:
    """The rows of these tables.

    Raises:
        PgsloError: One has no definition.
    """
    if not tables:
        return list(rows)
    known = [row["definition"] for row in rows]
    wanted = {resolve(table, known) for table in tables}
    return [row for row in rows if row["definition"] in wanted]


def resolve(table: str, known: Sequence[str]) -> str:
    """The definition that a name stands for: ``features.user_stats``, or ``user_stats`` where only one is called that.

    Raises:
        PgsloError: There is none, or several.
    """
    if table in known:
        return table
    same = [name for name in known if name.partition(".")[2] == table]
    if len(same) > 1:
        raise PgsloError(f"{table} stands for several tables", hint=f"one of: {', '.join(same)}")
    if not same:
        raise PgsloError(
            f"{table} has no definition in this database",
            hint=output.did_you_mean(table, known).strip()
            or (f"defined are: {', '.join(known)}" if known else None),
        )
    return same[0]


def _incidents(conn: Connection, *, everything: bool = False) -> list[Row]:
    return database.fetch(conn, "incidents", {"all": everything})


def _idle(conn: Connection, names: Sequence[str]) -> list[Row]:
    """Triggers that somebody switched off; none for a role that may not see."""
    try:
        with database.errors():
            found = database.installed(conn)
    except DatabaseError:
        return []
    off = [
        {"definition": one["definition"], "object": f"rule {one['rule']}" if one["rule"] else "every rule"}
        for one in database.paused(conn)
        if one["definition"] in names
    ]
    return off + [
        {"definition": one.definition, "object": f"trigger {one.identity}"}
        for one in found
        if not one.enabled and one.kind == "trigger" and one.definition in names
    ]


def _without_file(session: Session, installed: Sequence[str]) -> list[str]:
    """Installed definitions that no file of the project is about; none when there is no project here."""
    if not session.configuration.definitions.is_dir():
        return []
    try:
        found = project.load(session.configuration, ())
    except PgsloError:
        output.message("the definitions here have errors: pgslo lint")
        return []
    held = {definition.name for definition in found.definitions}
    return [name for name in installed if name not in held]


def _show_tables(rows: Sequence[Row]) -> None:
    if not rows:
        output.say("no table has a definition")
        return
    output.table(
        ("table", "owner", "rules", "incidents", "broken", "quarantined", "last record"),
        [
            (
                row["definition"],
                row["owner"] or "",
                f"{row['rules']:,}",
                f"{row['open_incidents']:,}",
                f"{row['broken_rules']:,}",
                f"{row['quarantined_rows']:,}",
                moment(row["last_recorded_at"]),
            )
            for row in rows
        ],
        numbers=frozenset({2, 3, 4, 5}),
    )


def _show_incident(row: Row) -> None:
    """An open incident: what, since when, who reads it, what to do."""
    facts = row["facts"]
    columns = f", column {', '.join(row['columns'])}" if row["columns"] else ""
    output.say()
    output.say(
        f"incident {row['incident_id']}: {row['definition']} misses rule {row['rule']}{columns}",
        fg="red",
        bold=True,
    )
    _fact("promised", row["promise"])
    _fact("since", f"{moment(row['opened_at'])}, batch {row['opened_batch']}")
    _fact("newest", facts.get("newest missed batch"))
    _fact("written by", facts.get("written by"))
    _fact("read by", facts.get("tasks that read it") or "no task that a definition names")
    _fact("owner", row["owner"] or "unknown")
    _fact("to do", "it resolves by itself when a later batch keeps the rule; failing rows: pgslo.sample")


def _fact(word: str, text: str | None) -> None:
    if text:
        output.say(f"  {word + ':':12}{output.one_line(text)}")


def _show_other(
    rows: Sequence[Row], broken: Sequence[Row], idle: Sequence[Row], stray: Sequence[str]
) -> None:
    for row in rows:
        if row["schema_difference"]:
            output.say()
            output.say(f"{row['definition']}: the columns differ from what is promised", fg="red", bold=True)
            _fact("difference", row["schema_difference"])
            _fact("to do", "change the table or the definition, then pgslo apply")
    for row in broken:
        output.say()
        output.say(f"{row['definition']}: rule {row['rule']} can no longer be judged", fg="red", bold=True)
        _fact("error", row["error"])
        _fact("owner", row["owner"])
        _fact("to do", "pgslo plan shows what changed; writes go on unjudged until then")
    for row in idle:
        output.say()
        output.say(f"{row['definition']}: {row['object']} is switched off", fg="red", bold=True)
        _fact(
            "to do",
            "pgslo resume, or pgslo apply, switches it on again; rows written meanwhile were not judged",
        )
    for row in rows:
        if row["quarantined_rows"]:
            count = output.counted(row["quarantined_rows"], "row")
            verb = "waits" if row["quarantined_rows"] == 1 else "wait"
            output.say()
            output.say(
                f"{count} of {row['definition']} {verb} in quarantine: pgslo quarantine list --table {row['definition']}"
            )
    for name in stray:
        output.message(
            f"{name} is installed, but no definition file is about it; to take it out: pgslo uninstall {name}"
        )


def moment(when: dt.datetime | None) -> str:
    """A moment as people read it, in UTC."""
    return "" if when is None else f"{when.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def _plain(row: Row) -> Row:
    """An incident without the facts' words: programs have the columns."""
    facts = row["facts"] or {}
    kept = {key: value for key, value in row.items() if key != "facts"}
    return kept | {
        "newest_missed_batch": facts.get("newest missed batch"),
        "read_by": facts.get("tasks that read it"),
    }


@click.command()
@click.argument("tables", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Also those that are resolved.")
@_json
@session_options
@pass_session
def incidents(session: Session, tables: tuple[str, ...], *, everything: bool, as_json: bool) -> None:
    """List incidents.

    The newest comes first. Open ones are listed, of TABLES such as features.user_stats or of all.
    """
    with session.connect() as conn:
        rights_on(conn)
        names = [row["definition"] for row in _matching(database.fetch(conn, "status"), tables)]
        rows = [row for row in _incidents(conn, everything=everything) if row["definition"] in names]
    if as_json:
        output.document(incidents=[_plain(row) for row in rows])
    elif not rows:
        output.say("no incidents" if everything else "no open incidents")
    else:
        output.table(
            ("incident", "table", "rule", "columns", "since", "batch", "resolved", "owner"),
            [
                (
                    str(row["incident_id"]),
                    row["definition"],
                    row["rule"],
                    ", ".join(row["columns"]),
                    moment(row["opened_at"]),
                    row["opened_batch"],
                    f"{moment(row['resolved_at'])} ({row['resolution']})" if row["resolved_at"] else "",
                    row["owner"] or "",
                )
                for row in rows
            ],
            numbers=frozenset({0}),
        )


@click.command()
@click.argument("incident", type=click.IntRange(min=1, max=2**63 - 1))
@_json
@session_options
@pass_session
def explain(session: Session, incident: int, *, as_json: bool) -> None:
    """Tell what is known of an incident.

    That is: what was promised, since when it is missed, who wrote the first rows that miss it, and who reads them.
    """
    with session.connect() as conn:
        rights_on(conn)
        facts = database.fetch(conn, "explain", {"id": incident})
    if not facts:
        raise PgsloError(f"there is no incident {incident}", hint="pgslo incidents --all lists them")
    if as_json:
        output.document(incident=incident, facts={row["topic"]: row["fact"] for row in facts})
        return
    width = max(len(row["topic"]) for row in facts) + 2
    for row in facts:
        output.say(f"{row['topic'] + ':':{width}}{output.one_line(row['fact'])}")


@click.command()
@session_options
@pass_session
def tick(session: Session) -> None:
    """Resolve incidents of streamed tables that are over.

    Over is an incident when a later batch kept the rule. Bulk-loaded tables need no tick: their own writes resolve incidents. Run it every minute, for example from
    cron, or SELECT pgslo.tick() from pg_cron.
    """
    with session.connect() as conn:
        rights_on(conn)
        before = {row["incident_id"] for row in _incidents(conn)}
        conn.execute("SELECT pgslo.tick()")
        after = {row["incident_id"] for row in _incidents(conn)}
    output.message(f"{output.counted(len(before - after), 'incident')} resolved, {len(after):,} open")
