"""``pgslo export``: definitions as files of other tools, with an account of every rule."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from pgslo.cli import output, project
from pgslo.cli.exit_codes import CHANGES, OK
from pgslo.cli.files import put
from pgslo.cli.session import Session, pass_session, session_options
from pgslo.display import json_text, printable
from pgslo.errors import PgsloError
from pgslo.exporting import FORMATS, Exported, json_schema, last_line, lines, report
from pgslo.exporting import export as convert


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--to", "form", type=click.Choice(FORMATS), help="The format.")
@click.option(
    "--output",
    "-o",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    default=Path("exports"),
    help="The folder for the files; exports without it.",
)
@click.option(
    "--report",
    "report_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the report there, as JSON.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document: the report.")
@click.option("--report-schema", is_flag=True, help="Print the JSON Schema of the report, and end.")
@click.option("--check", is_flag=True, help="Write nothing; exit code 3 if files would change.")
@click.option("--strict", is_flag=True, help="Write nothing if a rule is changed or not expressible.")
@session_options
@pass_session
def export(session: Session, /, paths: tuple[Path, ...], **given: Any) -> int:
    """Write definitions as data contracts, tests of dbt or OpenSLO.

    PATHS are definitions, and folders that are searched. Every rule is in the report: as it is, changed or not expressible, with the reason. Needs
    no database.
    """
    if given["report_schema"]:
        output.script(json.dumps(json_schema(), indent=2) + "\n")
        return OK
    if given["form"] is None:
        raise click.UsageError("Name a format with --to.")
    folder: Path = given["folder"]
    done = convert(
        _texts(session, paths),
        given["form"],
        output.shown_path(folder).as_posix(),
        kinds=project.load_own_kinds(session.configuration),
    )
    for line in lines(done):
        output.message(line)
    account = json_text(json.dumps(report(done), indent=2, ensure_ascii=False)) + "\n"
    code = CHANGES if any(one.status != "exported" for one in done.entries) else OK
    changed = False
    if not (given["strict"] and code == CHANGES):
        changed = _write(done, folder, dry=given["check"])
    if given["report_path"] is not None and not given["check"]:
        put(given["report_path"], account)
    if given["as_json"]:
        output.script(account)
    see = given["report_path"] or folder
    output.message(last_line(done, str(output.shown_path(see))))
    if given["check"]:
        return CHANGES if changed else OK
    return code


def _texts(session: Session, paths: tuple[Path, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in project.find_files(session.configuration, paths):
        shown = output.shown_path(path).as_posix()
        try:
            found[shown] = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PgsloError(f"cannot read {printable(shown)}: {error}") from None
    return found


def _write(done: Exported, folder: Path, *, dry: bool) -> bool:
    """Write the files, and return whether one is another than before."""
    changed = False
    for shown, text in done.files.items():
        path = folder / Path(shown).name
        if not path.exists() or path.read_text(encoding="utf-8", errors="replace") != text:
            changed = True
            if not dry:
                put(path, text)
    return changed
