"""``pgslo plan``: what apply would do, for people, for review as SQL, and for programs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from pgslo.cli import output, project, show
from pgslo.cli.applying.markdown import as_markdown
from pgslo.cli.exit_codes import CHANGES
from pgslo.cli.session import Session, again, pass_session, session_options
from pgslo.database import Connection, catalog_reader, operations, planning, runtime
from pgslo.database.catalog_queries import reading_once
from pgslo.definition.shadow import shadowed
from pgslo.plan import Plan


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["human", "sql", "json", "markdown"]),
    default="human",
    show_default=True,
    help="Text, a script that does the same as apply, JSON for programs, or a comment for a merge request.",
)
@click.option("--shadow", is_flag=True, help="Plan what apply --shadow would do.")
@click.option(
    "--details", is_flag=True, help="Print each step with its reason and undo, and each rule's mechanism."
)
@click.option("--json", "form", flag_value="json", help="The same as --format json.")
@session_options
@pass_session
def plan(session: Session, paths: tuple[Path, ...], *, form: str, shadow: bool, details: bool) -> int:
    """Show what apply would change, and change nothing.

    What changes in definitions comes first, then the steps; those that do the same are one. PATHS are definition files and folders; without any, all definitions of the project are planned. Ends with exit
    code 3 when there are changes, 0 otherwise.
    """
    found = project.load(session.configuration, paths)
    with session.connect() as conn, reading_once(conn):
        made = planning.plan_definitions(
            conn, tuple(shadowed(one) for one in found.definitions) if shadow else found.definitions
        )
        made = operations.with_standings(conn, made)
        stray = without_file(conn, found)
        scripts = runtime.to_run(conn)
    details = details or session.verbose
    if form == "human":
        show.as_text(made, details=details)
        mention_stray(stray)
    else:
        _FORMS[form](made, scripts, stray)
    if form == "human" and not made.empty:
        options = ["--shadow"] if shadow else []
        if not details:
            each = session.command("plan", *paths, *options, "--details")
            output.message(f"each step with its reason and undo, and how each rule is enforced: {each}")
        exactly = session.command("apply", *paths, *options, "--expect", made.state)
        output.message(f"to apply exactly this: {exactly}")
    return 0 if made.empty else CHANGES


def without_file(conn: Connection, found: project.Project) -> tuple[str, ...]:
    """Definitions that are installed but that no file of the project holds."""
    if not found.whole:
        return ()
    held = {definition.name for definition in found.definitions}
    return tuple(name for name in catalog_reader.definitions_installed(conn) if name not in held)


def mention_stray(stray: tuple[str, ...]) -> None:
    """Report definitions without a file: they stay in force."""
    for name in stray:
        output.message(
            f"{name} is installed, but no definition file is about it; to take it out: {again(f'uninstall {name}')}"
        )


def _sql(made: Plan, scripts: tuple[runtime.Script, ...], stray: tuple[str, ...]) -> None:
    output.script(show.as_sql(made, runtime.statements(scripts) if scripts else ()))
    mention_stray(stray)


def _json(made: Plan, _scripts: tuple[runtime.Script, ...], stray: tuple[str, ...]) -> None:
    output.document(**show.as_data(made), without_file=list(stray))


def _markdown(made: Plan, _scripts: tuple[runtime.Script, ...], stray: tuple[str, ...]) -> None:
    output.script(as_markdown(made))
    mention_stray(stray)


_FORMS: dict[str, Callable[[Plan, tuple[runtime.Script, ...], tuple[str, ...]], None]] = {
    "sql": _sql,
    "json": _json,
    "markdown": _markdown,
}
