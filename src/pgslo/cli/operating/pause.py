"""``pgslo pause`` and ``resume``: the kill switch."""

from __future__ import annotations

import click

from pgslo.cli import output, project
from pgslo.cli.session import Session, pass_session, session_options
from pgslo.cli.tables import resolve, rights_on
from pgslo.database import catalog_reader, operations
from pgslo.errors import PgsloError


@click.command()
@click.argument("table", required=False)
@click.argument("rule", required=False)
@click.option("--all", "everything", is_flag=True, help="Every table.")
@session_options
@pass_session
def pause(session: Session, table: str | None, rule: str | None, *, everything: bool) -> None:
    """Disable rules for a while, without locking a table.

    From the next statement of each session on, the rules of TABLE are not enforced, or RULE of TABLE alone, which
    needs the definition file of the table. Constraints (NOT NULL, unique, foreign keys) stay. Readers are warned
    meanwhile. pgslo resume enables the rules again.
    """
    _check_target(table, everything=everything)
    with session.connect(writes=True) as conn:
        rights_on(conn)
        name = resolve(table, catalog_reader.definitions_installed(conn)) if table else None
        if rule is None:
            for paused in operations.pause(conn, name):
                output.message(f"{paused} is paused; to enable it again: {session.command('resume', paused)}")
            return
        found = project.load(session.configuration, ()).definitions
        definition = next((one for one in found if one.name == name), None)
        if definition is None:
            raise PgsloError(
                f"no definition file is about {name}", hint=f"without it: {session.command('pause', name)}"
            )
        operations.pause_rule(conn, definition, rule)
        output.message(
            f"rule {rule} of {name} is paused; to enable it again: {session.command('resume', name)}"
        )


@click.command()
@click.argument("table", required=False)
@click.option("--all", "everything", is_flag=True, help="Every table.")
@session_options
@pass_session
def resume(session: Session, table: str | None, *, everything: bool) -> None:
    """Enable paused rules again.

    Of TABLE, or of all. The next tick evaluates rows that were written meanwhile, by rules that warn or flag, if their
    batch is known.
    """
    _check_target(table, everything=everything)
    with session.connect(writes=True) as conn:
        rights_on(conn)
        name = resolve(table, catalog_reader.definitions_installed(conn)) if table else None
        resumed = operations.resume(conn, name)
    for one in resumed:
        output.message(
            f"rules of {one} are enabled again; the view pgslo.pause shows whether rows written meanwhile are evaluated"
        )
    if not resumed:
        output.message("nothing was paused")


def _check_target(table: str | None, *, everything: bool) -> None:
    if (table is None) != everything:
        raise click.UsageError("name a table, or --all")
