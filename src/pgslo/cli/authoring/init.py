"""``pgslo init``: the files of a new project, with a definition to begin with for each table."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import click

from pgslo import sql
from pgslo.catalog import Name
from pgslo.cli import output, project
from pgslo.cli.authoring.suggest import suggested
from pgslo.cli.configuration import DEFAULT_DEFINITIONS, FILE_NAME
from pgslo.cli.files import put
from pgslo.cli.session import Session, pass_session, session_options
from pgslo.database import Connection, inspection
from pgslo.definition import json_schema
from pgslo.display import json_text
from pgslo.errors import DatabaseError, PgsloError

SCHEMA_NAME = "pgslo.schema.json"
_WORKFLOW = Path(__file__).with_name("github.yml")
#: Tables that are listed, at most.
_LISTED = 20
_SAMPLE = 100_000
_CONFIGURATION = """\
# The folder of definition files, one for each table.
definitions = "slos"

# The database, unless --dsn or PGSLO_DSN names one. Do not write a password into a file under version control: use ~/.pgpass
# and PGPASSWORD are.
# dsn = "postgresql://me@localhost/shop"

# The recipients of incident notifications by pgslo watch.
# [notify.oncall]
# to = "env:ONCALL_URL"         # slack://…, mailto://…, json://…
# owner = "growth"
"""


@click.command()
@click.argument("tables", nargs=-1)
@click.option(
    "--ci",
    type=click.Choice(["github", "none"]),
    default="none",
    show_default=True,
    help="Write a workflow that comments on a merge request with the plan.",
)
@session_options
@pass_session
def init(session: Session, tables: tuple[str, ...], *, ci: str) -> int:
    """Start a project: folder, configuration, first definitions.

    Writes pgslo.toml, the folder of definitions, the JSON Schema for editors, and for each of TABLES what pgslo suggest proposes. Without TABLES it lists those
    that could be guarded, and asks on a terminal. Existing files are not changed.
    """
    path = session.configuration.path
    root = path.parent if path else Path()
    folder = session.configuration.definitions
    if path is None:
        _write(Path(FILE_NAME), _CONFIGURATION)
        folder = Path(DEFAULT_DEFINITIONS)
    folder.mkdir(parents=True, exist_ok=True)
    schema = json_schema(project.load_own_kinds(session.configuration))
    _write(root / SCHEMA_NAME, json_text(json.dumps(schema, indent=2, ensure_ascii=False)) + "\n")
    if ci == "github":
        _write(root / ".github/workflows/pgslo.yml", _WORKFLOW.read_text(encoding="utf-8"), below=root)
    try:
        with session.connect() as conn:
            made = [_define(conn, table, folder, root) for table in tables or _chosen(conn)]
    except DatabaseError as exc:
        if tables or exc.sqlstate is not None:
            raise
        output.message(
            f"no database to look at: {exc.message}; then: {session.command('init', 'TABLE', '--dsn', 'DSN')}"
        )
        return 0
    if made:
        output.message(f"next: read {', '.join(map(str, made))}, then {session.command('plan')}")
    else:
        output.message(f"next: {session.command('init', 'TABLE')}")
    return 0


def _write(path: Path, text: str, *, below: Path | None = None) -> bool:
    """Write a file unless it is there."""
    shown = output.shown_path(path)
    if path.exists() or path.is_symlink():
        output.message(f"{shown} is there already, and stays")
        return False
    put(path, text, below=below)
    output.message(f"{shown} written")
    return True


def _define(conn: Connection, table: str, folder: Path, root: Path) -> Path:
    """Write a first definition of a table, unless its file is there."""
    with output.Counter("looking at") as progress:
        relation, text = suggested(conn, table, _SAMPLE, progress)
    name, schema = (re.sub(r"[^\w.-]", "_", one) for one in (relation.name, relation.schema))
    path = folder / f"{name}.yml"
    begins = next(line for line in text.splitlines() if line.startswith("table: "))
    if path.exists() and begins not in path.read_text(encoding="utf-8").splitlines():
        path = folder / f"{schema}.{name}.yml"  # a table of that name in another schema
    _write(path, modeline(path, root) + text)
    return output.shown_path(path)


def modeline(path: Path, root: Path) -> str:
    """Return the line by which editors find the schema of definitions; empty where the project has none."""
    schema = root / SCHEMA_NAME
    if not schema.is_file():
        return ""
    relative = Path(os.path.relpath(schema, path.parent)).as_posix()
    return f"# yaml-language-server: $schema={relative}\n"


def _chosen(conn: Connection) -> tuple[str, ...]:
    """Return the tables that a person picks of those that could be guarded; none without a terminal."""
    found = inspection.candidates(conn)
    if not found:
        output.message("this role may read no table with a key or a time")
        return ()
    for number, one in enumerate(found[:_LISTED], 1):
        output.say(f"{number:3}. {_name(one)}")
    if len(found) > _LISTED:
        output.say(f"     and {output.counted(len(found) - _LISTED, 'other')}")
    if not output.can_ask():
        return ()
    answer = click.prompt(
        "Which of them? Numbers or names; nothing for none", default="", show_default=False, err=True
    )
    return tuple(_picked(word, found) for word in answer.replace(",", " ").split())


def _picked(word: str, found: tuple[Name, ...]) -> str:
    """Return the table of a number, or the name as it was written.

    Raises:
        PgsloError: No table has that number.
    """
    if not word.isdecimal():
        return word
    if not 1 <= int(word) <= len(found):
        raise PgsloError(f"table {word} is not in the list")
    return _name(found[int(word) - 1])


def _name(table: Name) -> str:
    return sql.identifier(*table).text
