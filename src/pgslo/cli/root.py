"""The command ``pgslo``: its verbs, loaded when they are called, and the one boundary where errors are shown.

Nothing here imports a driver, a parser or a verb: ``pgslo --help`` and shell completion have to be quick.
"""

from __future__ import annotations

import errno
import importlib
import importlib.util
import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

from pgslo.cli import output, rights
from pgslo.cli.exit_codes import BREACH, CHANGES, ERROR, INTERRUPTED, OK, USAGE
from pgslo.cli.session import Session, root_options
from pgslo.display import printable
from pgslo.errors import DatabaseError, PgsloError

__all__ = ["BREACH", "CHANGES", "ERROR", "INTERRUPTED", "OK", "USAGE", "Root", "main"]

#: Verb: its module, and its help in a line. The line is kept here so that help need not load the verb.
_VERBS = {
    "init": ("pgslo.cli.authoring.init:init", "Start a project: folder, configuration, first definitions."),
    "lint": ("pgslo.cli.authoring.lint:lint", "Check definition files; needs no database."),
    "plan": ("pgslo.cli.applying.plan:plan", "Show what apply would change, and change nothing."),
    "apply": ("pgslo.cli.applying.apply:apply", "Apply the definitions to the database."),
    "render": (
        "pgslo.cli.applying.render:render",
        "Write the plan as SQL files, for review or for another tool.",
    ),
    "migrate": ("pgslo.cli.applying.migrate:migrate", "Install or upgrade the runtime in the database."),
    "suggest": (
        "pgslo.cli.authoring.suggest:suggest",
        "Write a first definition from an existing table.",
    ),
    "import": (
        "pgslo.cli.authoring.importing:import_",
        "Write definitions from the checks of dbt and other tools.",
    ),
    "export": (
        "pgslo.cli.authoring.exporting:export",
        "Write definitions as data contracts, tests of dbt or OpenSLO.",
    ),
    "learn": ("pgslo.cli.authoring.learn:learn", "Learn bounds from existing rows."),
    "backtest": ("pgslo.cli.authoring.backtest:backtest", "Measure how good the alerts are on a table."),
    "extension": (
        "pgslo.cli.applying.extension:extension",
        "Write the runtime as an extension of PostgreSQL.",
    ),
    "status": ("pgslo.cli.operating.status:status", "Show the health of guarded tables."),
    "incidents": (
        "pgslo.cli.operating.incidents:incidents",
        "List and manage incidents.",
    ),
    "explain": ("pgslo.cli.operating.incidents:explain", "Show the record of an incident."),
    "drift": ("pgslo.cli.applying.drift:drift", "Find changes of the database since the last apply."),
    "pause": ("pgslo.cli.operating.pause:pause", "Disable rules for a while, without locking a table."),
    "resume": ("pgslo.cli.operating.pause:resume", "Enable paused rules again."),
    "quarantine": (
        "pgslo.cli.operating.quarantine:quarantine",
        "List quarantined rows, and decide about them.",
    ),
    "snapshot": (
        "pgslo.cli.training.snapshot:snapshot",
        "Save training data, and compare it with the current table.",
    ),
    "gate": ("pgslo.cli.training.gate:gate", "Check whether a task may be trained now."),
    "tick": ("pgslo.cli.operating.tick:tick", "Close and evaluate batches that are due."),
    "prune": (
        "pgslo.cli.operating.prune:prune",
        "Compress old state, and remove state older than the history.",
    ),
    "grants": (
        "pgslo.cli.applying.grants:grants",
        "Print the least rights for an auditor, a planner, an operator, a steward or a trainer.",
    ),
    "watch": (
        "pgslo.cli.operating.watch:watch",
        "Send incident notifications to the routes in pgslo.toml.",
    ),
    "metrics": (
        "pgslo.cli.operating.metrics:metrics",
        "Print numbers for monitoring, as Prometheus reads them.",
    ),
    "report": ("pgslo.cli.operating.report:report", "Write an HTML report of the tables and their history."),
    "uninstall": (
        "pgslo.cli.applying.uninstall:uninstall",
        "Remove definitions from the database; data are not touched.",
    ),
    "schema": (
        "pgslo.cli.authoring.schema:schema",
        "Print the JSON Schema of definition files, for editors.",
    ),
    "local": ("pgslo.cli.local:local", "Run a private PostgreSQL server to try things out."),
}


class Root(click.Group):
    """A group whose verbs are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every verb, in the order in which one needs them."""
        del ctx
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb."""
        del ctx
        if cmd_name not in _VERBS:
            return None
        module, _, name = _VERBS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, _VERBS[name][1]) for name in self.list_commands(ctx)])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb, or suggest a similar one."""
        if args and args[0] not in _VERBS:
            if "://" in args[0] or "password" in args[0]:
                raise click.UsageError("Give the database with --dsn.", ctx)
            name = printable(args[0])
            hint = output.did_you_mean(name, _VERBS).replace("did", "Did", 1)
            raise click.UsageError(f'No such command "{name}".{hint}', ctx)
        session = ctx.find_object(Session)
        if args and session is not None:
            session.verb = args[0]
        return super().resolve_command(ctx, args)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002 - click's signature
        **extra: Any,
    ) -> Any:
        """Run the command line; every way out ends in an exit code and never in a traceback."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        session = Session()
        output.make_robust()
        try:
            code = super().main(
                args, prog_name, complete_var, standalone_mode=False, obj=session, **_colour(), **extra
            )
            if sys.stdout is not None:
                sys.stdout.flush()
        except Exception as exc:  # noqa: BLE001 - the one boundary
            code = _show(exc, session)
        except KeyboardInterrupt:
            code = _interrupted()
        sys.exit(code if isinstance(code, int) else OK)


def _colour() -> dict[str, Any]:
    """What click itself prints in colours goes without them as well."""
    return {"color": False} if os.environ.get("NO_COLOR") else {}


def _show(exc: Exception, session: Session) -> int:
    """Print an error and choose the exit code."""
    if isinstance(exc, click.Abort):
        return _interrupted()
    if isinstance(exc, click.ClickException):
        shown = io.StringIO()
        exc.show(shown)
        click.echo(printable(shown.getvalue()), err=True, nl=False)
        return exc.exit_code
    if isinstance(exc, OSError) and exc.errno in (errno.EPIPE, errno.ENOSPC):
        _give_stdout_up()
        if exc.errno == errno.EPIPE:
            return ERROR  # the reader of the output has ended, for example head: not an error
    if session.verbose:
        for line in "".join(traceback.format_exception(exc)).rstrip().split("\n"):
            output.message(line)
    if isinstance(exc, PgsloError):
        if isinstance(exc, DatabaseError) and exc.sqlstate == "42501" and exc.hint is None:
            exc.hint = rights.missing(session.verb)
        output.error(exc)
        return ERROR
    if isinstance(exc, OSError):
        name = f"{printable(str(exc.filename))}: " if exc.filename else ""
        output.error(PgsloError(f"{name}{(exc.strerror or str(exc)).lower()}"))
        return ERROR
    hint = "this is a defect of pgslo; please report it with the output of: pgslo --verbose …"
    output.error(PgsloError(f"internal error: {type(exc).__name__}: {exc}", hint=hint))
    return ERROR


def _interrupted() -> int:
    output.message("interrupted")
    return INTERRUPTED


def _give_stdout_up() -> None:
    """Discard the rest of the output, or Python would complain on its way out."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's
    if value and not ctx.resilient_parsing:
        from importlib import metadata  # takes a while, and only this needs it

        click.echo(f"pgslo {metadata.version('pgslo')}")
        ctx.exit()


@click.group(
    cls=Root,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 success, 1 error, 2 wrong usage, 3 there are changes to apply, 4 a rule is violated.",
)
@root_options
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version.",
)
def main() -> None:
    """Service level objectives for ML data, enforced inside PostgreSQL.

    Definitions are YAML files, one per table, in the folder "slos" or the one that pgslo.toml names. The usual
    order is: lint, plan, apply, status.
    """
