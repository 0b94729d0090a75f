"""``pgslo apply``: the plan, a question, and the plan carried out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from pgslo import database
from pgslo.cli import output, project, show
from pgslo.cli.applying.plan import mention_stray, without_file
from pgslo.cli.applying.render import read_reviewed, reviewed
from pgslo.cli.exit_codes import BREACH, ERROR, OK
from pgslo.cli.session import Session, pass_session, session_options
from pgslo.compile import Statement
from pgslo.database import Connection, installation, operations, planning
from pgslo.database.catalog_queries import reading_once
from pgslo.database.installation import Unfinished
from pgslo.definition.shadow import shadowed
from pgslo.errors import PlanOutdated
from pgslo.plan import Plan, Step, groups


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option(
    "--expect", metavar="STATE", help="The state that a reviewed plan was made for; refuse if it is another."
)
@click.option(
    "--plan-file",
    type=click.Path(path_type=Path),
    help="Run exactly this file of pgslo render, and refuse if the plan is another by now.",
)
@click.option("--dry-run", is_flag=True, help="Run it and roll it back.")
@click.option("--shadow", is_flag=True, help="Measure every rule and enforce none.")
@session_options
@pass_session
def apply(
    session: Session,
    paths: tuple[Path, ...],
    *,
    yes: bool,
    expect: str | None,
    plan_file: Path | None,
    dry_run: bool,
    shadow: bool,
) -> int:
    """Apply the definitions to the database.

    Prints a short plan and asks first; pgslo plan prints all of it. All steps that lock tables run in one
    transaction. Definitions whose files were deleted stay in force until pgslo uninstall. Ends with exit code 4 if
    existing rows violate a rule, so that a constraint is not valid yet; it is enforced for new rows.
    """
    if not dry_run:
        output.check_answerable("apply", yes=yes)
    if plan_file is not None and expect is not None:
        raise click.UsageError("--plan-file says which state it was made for; leave --expect out")
    body: str | None = None
    if plan_file is not None:
        expect, body = read_reviewed(plan_file)
    shadow_option = ["--shadow"] if shadow else []
    found = project.load(session.configuration, paths)
    definitions = tuple(shadowed(one) for one in found.definitions) if shadow else found.definitions
    with session.connect(writes=True) as conn:

        def make() -> Plan:
            return planning.plan_definitions(conn, definitions)

        with reading_once(conn):
            plan = make()
            if expect is not None and expect != plan.state and not plan.empty:
                raise PlanOutdated(
                    "the plan is not the one that was reviewed",
                    detail=f"The state is {plan.state}, not {expect}: the database or the definitions moved since.",
                    hint=f"look at the new plan: {session.command('plan', *paths, *shadow_option)}",
                )
            if body is not None and not plan.empty and read_body(conn, plan) != body:
                raise PlanOutdated(
                    "the plan is not the one that was reviewed",
                    detail="Another version of pgslo wrote the file.",
                    hint=f"render it again: {session.command('render', *paths)}",
                )
            show.as_text(operations.with_standings(conn, plan))
            mention_stray(without_file(conn, found))
        if plan.empty:
            return OK
        if dry_run:
            return _rehearse(conn, plan, make)
        if not output.confirm("Apply this?", yes=yes):
            return ERROR
        try:
            unfinished = carry_out(conn, plan, make)
        except PlanOutdated:
            if expect is None and make().empty:
                output.message("another session has already applied this plan")
                return OK
            raise
        result = report(unfinished)
        _mention_history(conn, session, plan)
    return result


def read_body(conn: Connection, plan: Plan) -> str:
    """The script of a plan as a reviewed file holds it."""
    return reviewed(conn, plan, ()).partition("\n\n")[2]


def _rehearse(conn: Connection, plan: Plan, replan: Callable[[], Plan]) -> int:
    left_out = installation.rehearse(conn, plan, replan)
    for step in left_out:
        output.message(
            f"not rehearsed, because a part of it runs outside of the transaction: {show.name(step)}"
        )
    output.message("rehearsed and rolled back; nothing was changed", fg="green")
    return OK


def carry_out(conn: Connection, plan: Plan, replan: Callable[[], Plan]) -> tuple[Unfinished, ...]:
    """Apply a plan and report each step as it begins; like steps are one."""
    found = groups.group(plan)
    names = {id(step): show.group_name(one) for one in found for step in one.steps}
    with output.Progress(len(found)) as progress:

        def on_statement(step: Step, _statement: Statement) -> None:
            progress.step(names.get(id(step)) or show.name(step))

        return installation.apply(
            conn, plan, replan, on_statement=on_statement, on_wait=_say_it_waits, on_busy=_say_it_is_busy
        )


def _mention_history(conn: Connection, session: Session, plan: Plan) -> None:
    """Say how rows older than new definitions can be counted."""
    new = [step.definition for step in plan.steps if (step.action, step.kind) == ("create", "registration")]
    for row in database.fetch(conn, "not_learned", {"definitions": new}) if new else []:
        name = row["definition"]
        learn = session.command("learn", name, "--from-table")
        output.message(f"{name} has rows already; to count its batches and learn from them: {learn}")


def _say_it_waits() -> None:
    output.message("another installer is at work; waiting for it to end")


def _say_it_is_busy(tables: str) -> None:
    output.message(
        f"another session holds {tables}; trying again for {installation.LOCK_PATIENCE:g} seconds at most"
    )


def report(unfinished: tuple[Unfinished, ...]) -> int:
    """Say how it ended, and choose the exit code."""
    if not unfinished:
        output.message("done", fg="green")
        return OK
    broken = [one for one in unfinished if one.is_by_rows]
    for one in unfinished:
        output.warning(
            f"not finished: {show.name(one.step)}: {one.error.message}",
            detail=one.error.detail,
            hint=one.error.hint,
        )
    if broken:
        output.message(
            f"{output.counted(len(broken), 'rule')} {'is' if len(broken) == 1 else 'are'} violated by existing rows. Correct these, then run "
            "pgslo apply again. Until then new rows are held to it, except to a unique index: that takes effect as a whole."
        )
    if len(broken) < len(unfinished):
        output.message("Unfinished steps will be tried again by the next pgslo apply.")
        return ERROR
    return BREACH
