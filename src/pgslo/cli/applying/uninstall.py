"""``pgslo uninstall``: definitions go, with all that was generated; tables and their rows stay."""

from __future__ import annotations

import click

from pgslo import database
from pgslo.cli import output, show
from pgslo.cli.applying.apply import carry_out, report
from pgslo.cli.exit_codes import ERROR, OK
from pgslo.cli.session import Session, again, pass_session, session_options
from pgslo.cli.tables import resolve
from pgslo.database import Connection, catalog_reader, installation, planning, runtime
from pgslo.errors import PgsloError
from pgslo.plan import Plan


@click.command()
@click.argument("tables", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every definition, and the runtime.")
@click.option("--drop-quarantine", is_flag=True, help="Discard the rows in quarantine.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@session_options
@pass_session
def uninstall(
    session: Session, tables: tuple[str, ...], *, everything: bool, drop_quarantine: bool, yes: bool
) -> int:
    """Remove definitions from the database; data are not touched.

    TABLES are names such as features.user_stats. Triggers, constraints, guarded views and the history of these
    definitions are dropped; with the last definition the runtime is dropped as well. It refuses if rows are in
    quarantine, or if other objects depend on objects to be dropped.
    """
    if everything == bool(tables):
        raise click.UsageError("Name the tables whose definitions are to go, or give --all.")
    output.check_answerable("uninstall", yes=yes)
    with session.connect(writes=True) as conn:
        (rights,) = database.fetch(conn, "rights")
        if not rights["is_installed"]:
            output.say("nothing to do: pgslo is not installed in this database")
            return OK
        runtime.refuse_newer(runtime.read(conn))
        known = _known(conn)
        leaving = known if everything else tuple(dict.fromkeys(resolve(table, known) for table in tables))
        last = set(leaving) == set(known)
        if last:
            _check_runtime(conn)

        def make() -> Plan:
            if not drop_quarantine:
                _check_quarantine(conn, leaving)
            return planning.plan_removal(conn, leaving)

        plan = make()
        if plan.steps:
            show.as_text(plan)
        held = sum(count for name, count in catalog_reader.held_rows(conn).items() if name in leaving)
        if held:
            output.say(f"{output.counted(held, 'row')} in quarantine will be given up.", bold=True)
        output.say("The tables and their rows stay as they are.")
        if last:
            output.say("The runtime goes as well: the schemas pgslo, pgslo_catalog and pgslo_gen.")
            _tell_of_snapshots(conn)
        if not output.confirm("Take this out?", yes=yes):
            return ERROR
        unfinished = carry_out(conn, plan, make)
        if last and not unfinished and not catalog_reader.definitions_installed(conn):
            installation.drop_runtime(conn)
    return report(unfinished)


def _known(conn: Connection) -> tuple[str, ...]:
    """Definitions that are installed, or that left objects behind, as after a restore without pgslo's own rows."""
    found = set(catalog_reader.definitions_installed(conn))
    found |= {one.definition for one in catalog_reader.installed(conn) if one.kind != "schema"}
    return tuple(sorted(found))


def _tell_of_snapshots(conn: Connection) -> None:
    """Say that snapshots stay: they are their takers' data."""
    left = catalog_reader.snapshots_left(conn)
    if left["copies"]:
        stay = "stays" if left["copies"] == 1 else "stay"
        output.say(
            f"{output.counted(left['copies'], 'snapshot')} {stay}, in the schema pgslo_snapshot; their records go."
            f" Keep them before: {again('snapshot list --json')}"
        )
    if left["refs"]:
        go = "goes" if left["refs"] == 1 else "go"
        output.say(f"{output.counted(left['refs'], 'reference')} {go} as well: no row of it was kept.")


def _check_quarantine(conn: Connection, leaving: tuple[str, ...]) -> None:
    """Refuse while rows wait for a decision.

    Raises:
        PgsloError: There are some.
    """
    held = {name: count for name, count in catalog_reader.held_rows(conn).items() if name in leaving}
    if held:
        counts = ", ".join(
            f"{output.counted(count, 'row')} of {name}" for name, count in sorted(held.items())
        )
        raise PgsloError(
            "rows wait in quarantine, and would be lost",
            detail=f"Held are {counts}.",
            hint=f"decide about them with {again('quarantine')}, or give them up with --drop-quarantine",
        )


def _check_runtime(conn: Connection) -> None:
    """Refuse while objects of others depend on the runtime.

    Raises:
        PgsloError: There are some.
    """
    dependants = catalog_reader.runtime_dependants(conn)
    if dependants:
        raise PgsloError(
            "cannot drop the runtime because other objects depend on it",
            detail=f"It is used by {'; '.join(dependants)}.",
            hint="drop those first",
        )
