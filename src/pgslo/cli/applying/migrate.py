"""``pgslo migrate``: the runtime in the database, without any definition."""

from __future__ import annotations

import click

from pgslo.cli import output, show
from pgslo.cli.exit_codes import CHANGES, OK
from pgslo.cli.session import Session, pass_session, session_options
from pgslo.database import installation, runtime


@click.command()
@click.option("--sql", "as_sql", is_flag=True, help="Print the script that does it, and change nothing.")
@click.option("--check", is_flag=True, help="Change nothing; exit code 3 when there is something to do.")
@session_options
@pass_session
def migrate(session: Session, *, as_sql: bool, check: bool) -> int:
    """Install or upgrade the runtime in the database.

    Creates the schemas and functions of pgslo, or upgrades those of an older version, in one transaction. pgslo
    apply does the same first. None of your tables is touched.
    """
    with session.connect(writes=not (as_sql or check)) as conn:
        scripts = runtime.to_run(conn)
        names = ", ".join(script.name for script in scripts)
        if as_sql:
            output.script(show.migration_as_sql(scripts))
        elif not scripts:
            output.say(f"nothing to do: the runtime is that of pgslo {runtime.library_version()}")
        elif check:
            output.say(f"to run: {names}")
        else:
            installation.migrate(conn)
            output.say(
                f"the runtime is that of pgslo {runtime.library_version()} now; {len(scripts)} scripts ran"
            )
    return CHANGES if check and scripts else OK
