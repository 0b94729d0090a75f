"""``pgslo extension``: the runtime as files for CREATE EXTENSION."""

from __future__ import annotations

import re
from pathlib import Path

import click

from pgslo.cli import output
from pgslo.cli.files import put
from pgslo.database import extension as files
from pgslo.errors import PgsloError

_VERSION = re.compile(r"[0-9A-Za-z]+(?:[.+][0-9A-Za-z]+)*\Z")


@click.command()
@click.option(
    "--into",
    "folder",
    required=True,
    type=click.Path(path_type=Path),
    help="The folder, such as the one that pg_config --sharedir names, with /extension.",
)
@click.option(
    "--from",
    "older",
    multiple=True,
    metavar="VERSION",
    help="An older version that is installed somewhere and is to be updated; may be given again.",
)
def extension(folder: Path, older: tuple[str, ...]) -> None:
    """Write the runtime as an extension of PostgreSQL.

    A control file, the script of CREATE EXTENSION pgslo, and one of ALTER EXTENSION pgslo UPDATE for each older version that is named. Files of the same names are written over: their content follows from the version of pgslo. Where the server's files cannot be written to, as on managed servers, pgslo migrate does the same without them.
    """
    for version in older:
        if not _VERSION.match(version):
            raise click.UsageError(f"invalid version: {version}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.files(older=older).items():
            put(folder / name, text, below=folder)
            output.say(str(output.shown_path(folder / name)))
    except OSError as exc:
        raise PgsloError(f"cannot write to {output.shown_path(folder)}: {exc.strerror}") from exc
