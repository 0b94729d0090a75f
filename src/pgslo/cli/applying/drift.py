"""``pgslo drift``: changes of the database since definitions were applied."""

from __future__ import annotations

import dataclasses

import click

from pgslo.cli import output
from pgslo.cli.exit_codes import CHANGES, OK
from pgslo.cli.session import Session, again, pass_session, session_options
from pgslo.cli.tables import resolve, rights_on
from pgslo.database import catalog_reader, operations
from pgslo.display import one_line
from pgslo.errors import PgsloError


@click.command()
@click.argument("tables", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@session_options
@pass_session
def drift(session: Session, tables: tuple[str, ...], *, as_json: bool) -> int:
    """Find changes of the database since the last apply.

    It reports objects that were dropped, edited or disabled, tables and columns that were renamed, retyped or dropped,
    partitions without triggers, and rows that were written with triggers disabled. It reads no definition files and
    changes nothing. Ends with exit code 3 when it finds something; findings that may be harmless are hints.
    """
    with session.connect() as conn:
        rights = rights_on(conn)
        if not rights["may_plan"]:
            raise PgsloError(
                f"role {rights['role']} may not see pgslo's state",
                hint=f"run it as the owner, or: {again('grants auditor ROLE')}",
            )
        known = catalog_reader.definitions_installed(conn)
        wanted = {resolve(table, known) for table in tables} or set(known)
        found = [
            one
            for one in operations.find_drift(conn)
            if one.definition in wanted
            or (one.what in ("snapshot", "forged", "rights", "replicated") and not tables)
        ]
    certain = [one for one in found if not one.is_hint]
    if as_json:
        output.document(drift=[dataclasses.asdict(one) for one in found])
        return CHANGES if certain else OK
    for one in found:
        output.say(
            f"{one.definition}: {one.what}: {one.thing}", bold=True, fg="yellow" if one.is_hint else "red"
        )
        output.say(f"  {one_line(one.said)}")
        if one.not_in_force:
            output.say(f"  not in force: {one_line(', '.join(one.not_in_force))}")
        if one.in_doubt:
            output.say(f"  perhaps not in force: {one_line(', '.join(one.in_doubt))}")
        output.say(f"  to do: {one_line(one.to_do)}")
    if not found:
        output.say(f"no drift in {output.counted(len(wanted), 'table')}")
    return CHANGES if certain else OK
