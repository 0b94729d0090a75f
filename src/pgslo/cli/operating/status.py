"""``pgslo status``: how things are, for everybody who may read."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import click

from pgslo import database
from pgslo.cli import output, project
from pgslo.cli.exit_codes import BREACH, OK
from pgslo.cli.operating import pages
from pgslo.cli.operating.tick import close_due, settling_said
from pgslo.cli.session import Session, again, pass_session, session_options
from pgslo.cli.tables import Row, check_sight, matching, moment, plain, read_incidents, rights_on
from pgslo.database import Connection, catalog_reader, operations
from pgslo.display import one_line
from pgslo.errors import DatabaseError, PgsloError
from pgslo.plan import drift, standing

_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")

#: Milliseconds that status waits for batches to be closed.
_LONGEST_TICK = 2_000
#: Share of a quarantine's bound from which operators are notified.
_NEARLY_FULL = 0.8


@click.command()
@click.argument("tables", nargs=-1)
@click.option("--rules", "show_rules", is_flag=True, help="Show each rule, and whether it is in force.")
@_json
@session_options
@pass_session
def status(session: Session, tables: tuple[str, ...], *, show_rules: bool, as_json: bool) -> int:
    """Show the health of guarded tables.

    TABLES are names such as features.user_stats; without any, all are shown. Ends with exit code 4 if an incident
    that is more than suspect is not resolved, a rule cannot be evaluated, the columns of a table differ from its
    schema rule, a trigger was disabled, or a table is not guarded any more, because it was re-created, or its
    triggers or views were dropped.
    """
    with session.connect() as conn:
        rights = rights_on(conn)
        if rights["may_tick"]:
            _tick(conn)
        shown = matching(database.fetch(conn, "status"), tables)
        check_sight(rights, shown)
        names = [row["definition"] for row in shown]
        incidents = [row for row in read_incidents(conn) if row["definition"] in names]
        broken = [row for row in database.fetch(conn, "broken_rules") if row["definition"] in names]
        muted = [row for row in database.fetch(conn, "muted") if row["definition"] in names]
        idle = _idle(conn, names) if rights["may_plan"] else []
        unguarded, standings = _examine(conn, names, rights)
        installed = [row["definition"] for row in database.fetch(conn, "status")]
        budgets = [row for row in database.fetch(conn, "budgets") if row["definition"] in names]
    stray = [] if tables else _without_file(session, installed)
    if as_json:
        output.document(
            tables=shown,
            incidents=[plain(row) for row in incidents],
            budgets=budgets,
            rules=[dataclasses.asdict(one) for one in standings],
            broken_rules=broken,
            muted_rules=muted,
            switched_off=idle,
            unguarded=unguarded,
            without_file=stray,
        )
    else:
        _show_tables(shown, budgets)
        if show_rules:
            _show_rules(standings)
        for page in pages.of(incidents):
            pages.show(page, budgets)
        _show_budgets(budgets, incidents)
        _show_muted(muted)
        _show_other(shown, broken, idle, unguarded, stray)
    differ = any(row["schema_difference"] for row in shown)
    is_full = any(row["quarantine_fraction"] >= 1 for row in shown)
    told = [row for row in incidents if row["tier"] == "missed"]
    return BREACH if told or broken or idle or unguarded or differ or is_full else OK


def _tick(conn: Connection) -> None:
    """Resolve incidents that are over; a failure does not stop the rest."""
    try:
        close_due(conn, longest=_LONGEST_TICK)
    except DatabaseError as exc:
        output.warning(
            f"incidents could not be brought up to date: {exc.message}", detail=exc.detail, hint=exc.hint
        )


def _idle(conn: Connection, names: Sequence[str]) -> list[Row]:
    """Triggers that were disabled; none for a role that may not see."""
    try:
        with database.errors():
            found = catalog_reader.installed(conn)
    except DatabaseError:
        return []
    off = [
        {"definition": one["definition"], "object": f"rule {one['rule']}" if one["rule"] else "every rule"}
        for one in catalog_reader.paused(conn)
        if one["definition"] in names
    ]
    return off + [
        {"definition": one.definition, "object": f"trigger {one.identity}"}
        for one in found
        if not one.enabled and one.kind == "trigger" and one.definition in names
    ]


def _examine(
    conn: Connection, names: Sequence[str], rights: Row
) -> tuple[list[Row], tuple[standing.Standing, ...]]:
    """Dropped or replaced objects, without which nothing is evaluated or reported, and the state of each rule."""
    refusal = f"role {rights['role']} may not see the state: {again('grants auditor ' + rights['role'])}"
    if rights["may_plan"]:
        try:
            with database.errors():
                found, standings = operations.examine(conn)
        except DatabaseError as exc:
            refusal = exc.message
        else:
            moved = [dataclasses.asdict(one) for one in drift.unguarded(found) if one.definition in names]
            return moved, tuple(one for one in standings if one.definition in names)
    stated = [row for row in database.fetch(conn, "stated_rules") if row["definition"] in names]
    return [], tuple(standing.untold(row, refusal) for row in stated)


def _without_file(session: Session, installed: Sequence[str]) -> list[str]:
    """Installed definitions that no file of the project is about; none without a project here."""
    if not session.configuration.definitions.is_dir():
        return []
    try:
        found = project.load(session.configuration, ())
    except PgsloError:
        output.message(f"the definitions here have errors: {again('lint')}")
        return []
    held = {definition.name for definition in found.definitions}
    return [name for name in installed if name not in held]


def _show_idle(idle: Sequence[Row]) -> None:
    """Paused rules, and for each table its disabled triggers."""
    triggers: dict[str, list[str]] = {}
    for row in idle:
        kind, _, name = row["object"].partition(" ")
        if kind == "trigger":
            triggers.setdefault(row["definition"], []).append(name)
            continue
        output.say()
        output.say(f"{row['definition']}: {row['object']} is paused", fg="red", bold=True)
        pages.fact("to do", f"{again('resume ' + row['definition'])}; apply refuses until then")
    for definition, names in triggers.items():
        output.say()
        if len(names) == 1:
            output.say(f"{definition}: trigger {names[0]} is disabled", fg="red", bold=True)
        else:
            output.say(f"{definition}: {len(names)} triggers are disabled", fg="red", bold=True)
            pages.fact("triggers", ", ".join(names))
        pages.fact("to do", f"{again('apply')} enables them; rows written meanwhile were not evaluated")


def _show_budgets(budgets: Sequence[Row], incidents: Sequence[Row]) -> None:
    """Budgets that are used up, of rules that no open incident is shown for."""
    shown = {(row["definition"], row["rule"]) for row in incidents}
    for row in budgets:
        if row["state"] == "missed" and row["rule"] and (row["definition"], row["rule"]) not in shown:
            output.say()
            output.say(
                f"{row['definition']}: the error budget of rule {row['rule']} is used up",
                fg="yellow",
                bold=True,
            )
            pages.fact("budget", pages.budget_said(row))


def suspects_said(number: int) -> str:
    """How many of the incidents before it are suspect."""
    return f" ({number:,} suspect)" if number else ""


def _show_tables(rows: Sequence[Row], budgets: Sequence[Row]) -> None:
    if not rows:
        output.say("no table has a definition")
        return
    output.table(
        ("table", "owner", "rules", "open", "over", "broken", "quarantined", "budget left", "last record"),
        [
            (
                row["definition"],
                row["owner"] or "",
                f"{row['rules']:,}",
                f"{row['open_incidents']:,}{suspects_said(row['suspect_incidents'])}",
                f"{row['over_incidents']:,}",
                f"{row['broken_rules']:,}",
                f"{row['quarantined_rows']:,}",
                pages.budget_left(pages.budget(budgets, row["definition"], None)),
                moment(row["last_recorded_at"]),
            )
            for row in rows
        ],
        numbers=frozenset({2, 3, 4, 5, 6, 7}),
    )


def _show_rules(standings: Sequence[standing.Standing]) -> None:
    """Each rule, whether it is in force, and why not or what passes it."""
    output.say()
    output.table(
        ("table", "rule", "on breach", "mechanism", "in force", "unrecorded rows", "why"),
        [
            (
                one.definition,
                one.rule,
                one.on_breach,
                one.mechanism,
                one.in_force,
                "unknown" if one.rows_unseen is None else f"{one.rows_unseen:,}",
                one_line("; ".join((*one.why, *(f"passed by {write}" for write in one.passed_by)))),
            )
            for one in standings
        ],
        numbers=frozenset({5}),
    )


def _show_muted(rows: Sequence[Row]) -> None:
    """Muted rules: of their incidents no message is sent."""
    for row in rows:
        output.say()
        output.say(f"{row['definition']}: rule {row['rule']} is muted", fg="yellow", bold=True)
        pages.fact("muted", f"until {moment(row['muted_until'])}")
        pages.fact("by", f"{row['muted_by'] or 'unknown'}, {moment(row['muted_at'])}")
        rule = f"{row['definition']}.{row['rule']}"
        pages.fact("to do", f"to be notified again: {again(f'incidents mute --rule {rule}')}")


def _show_room(row: Row) -> None:
    """A quarantine that is full, or nearly."""
    is_full = row["quarantine_fraction"] >= 1
    output.say()
    output.say(
        f"{row['definition']}: quarantine is {'full' if is_full else 'nearly full'}",
        fg="red" if is_full else "yellow",
        bold=True,
    )
    held, bound = (output.size(row[key]) for key in ("quarantine_bytes", "quarantine_max_bytes"))
    pages.fact("size", f"{held} of at most {bound} ({row['quarantine_fraction'] * 100:.0f} %)")
    pages.fact("effect", "once it is full, rows that would be quarantined are rejected")
    pages.fact(
        "to do",
        f"{again('quarantine list --table ' + row['definition'])}, then release or drop; or raise max_bytes",
    )


def _show_left_out(row: Row) -> None:
    """Repairs that were not recorded, because the records had reached their bound."""
    output.say()
    output.say(f"{row['definition']}: repaired values were not recorded", fg="yellow", bold=True)
    pages.fact(
        "since", f"{moment(row['repairs_left_out_at'])}, until the next tick removed the oldest records"
    )
    pages.fact("bound", f"{output.size(row['quarantine_max_bytes'])} of records are kept")
    pages.fact("to do", f"run {again('tick')} every minute; find who writes such values, or raise max_bytes")


def _show_other(
    rows: Sequence[Row],
    broken: Sequence[Row],
    idle: Sequence[Row],
    unguarded: Sequence[Row],
    stray: Sequence[str],
) -> None:
    for row in rows:
        if row["schema_difference"]:
            output.say()
            output.say(f"{row['definition']}: the columns differ from the schema rule", fg="red", bold=True)
            pages.fact("difference", row["schema_difference"])
            pages.fact("to do", f"change the table or the definition, then {again('apply')}")
    for row in broken:
        output.say()
        output.say(f"{row['definition']}: rule {row['rule']} can no longer be judged", fg="red", bold=True)
        pages.fact("error", row["error"])
        pages.fact("owner", row["owner"])
        pages.fact("to do", f"{again('plan')} shows what changed; writes go on unjudged until then")
    _show_idle(idle)
    for row in unguarded:
        output.say()
        output.say(f"{row['definition']}: {row['what']}: {row['thing']}", fg="red", bold=True)
        pages.fact("found", row["said"])
        pages.fact("to do", row["to_do"])
    for row in rows:
        if row["quarantine_fraction"] >= _NEARLY_FULL:
            _show_room(row)
    for row in rows:
        if row["repairs_left_out_at"] is not None:
            _show_left_out(row)
    for row in rows:
        if row["quarantined_rows"]:
            count = output.counted(row["quarantined_rows"], "row")
            verb = "waits" if row["quarantined_rows"] == 1 else "wait"
            output.say()
            output.say(
                f"{count} of {row['definition']} {verb} in quarantine: {again('quarantine list --table ' + row['definition'])}"
            )
    for row in rows:
        if row["waiting_batches"]:
            count = output.counted(row["waiting_batches"], "batch", "batches")
            output.say()
            output.say(f"{count} of {row['definition']} wait to be judged: run {again('tick')}, every minute")
    for row in rows:
        if row["settling_batch"] is not None and not row["waiting_batches"]:
            output.say()
            output.say(settling_said(row["definition"], row["settling_batch"], row["settles_at"]))
    for name in stray:
        output.message(
            f"{name} is installed, but no definition file is about it; to take it out: {again(f'uninstall {name}')}"
        )
