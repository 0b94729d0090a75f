"""``pgslo local``: a PostgreSQL server of one's own, to try things out."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from pgslo import embedded
from pgslo.errors import EmbeddedError

_directory = click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the server and its data live, instead of the user's data folder.",
)


@click.group()
def local() -> None:
    """Run a private PostgreSQL server to try things out.

    It listens on 127.0.0.1 only, keeps its data from start to start, and needs neither root nor Docker.
    """


@local.command()
@_directory
def start(directory: Path | None) -> None:
    """Start the server, unless it runs, and print its DSN without the password."""
    server = embedded.start(directory or embedded.kept_directory())
    click.echo(server.dsn(password=False))
    click.echo(
        f"PostgreSQL {server.version} runs in {server.directory} until: {_command('stop', directory)}\n"
        f'With the password: export PGSLO_DSN="$({_command("dsn", directory)})"',
        err=True,
    )


@local.command()
@_directory
def stop(directory: Path | None) -> None:
    """Stop the server; its data stay."""
    directory = directory or embedded.kept_directory()
    stopped = embedded.stop(directory)
    click.echo(f"PostgreSQL {'stopped' if stopped else 'was not running'} in {directory}", err=True)


@local.command()
@_directory
@click.option("--database", default="postgres", show_default=True, help="The database to name in it.")
def dsn(directory: Path | None, database: str) -> None:
    """Print the running server's DSN, password included."""
    server = embedded.running(directory or embedded.kept_directory())
    if server is None:
        raise EmbeddedError(
            f"no PostgreSQL runs in {directory or embedded.kept_directory()}",
            hint=f"Start it: {_command('start', directory)}",
        )
    click.echo(server.dsn(database))


def _command(verb: str, directory: Path | None) -> str:
    """A command on the same server, to be typed in a shell."""
    return f"pgslo local {verb}" + (f" --directory {shlex.quote(str(directory))}" if directory else "")
