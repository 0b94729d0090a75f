"""``pgslo import``: checks of other tools as definitions, with an account of every one."""

from __future__ import annotations

import functools
import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from pgslo.catalog import Relation
from pgslo.cli import output
from pgslo.cli.authoring import imported
from pgslo.cli.exit_codes import CHANGES, ERROR, OK
from pgslo.cli.files import put
from pgslo.cli.project import load_own_kinds
from pgslo.cli.session import Session, pass_session, session_options
from pgslo.definition import CustomKind, load
from pgslo.display import json_text, printable
from pgslo.errors import DefinitionErrors, PgsloError
from pgslo.importing import Imported, Options, TableMap, convert
from pgslo.importing.formats.registry import FORMATS
from pgslo.importing.model import TableName
from pgslo.importing.options import SCHEMA
from pgslo.importing.report import json_schema, last_line, lines, report, sarif
from pgslo.importing.source import MAX_BYTES, UnreadableError, plain, read
from pgslo.importing.source import Mapping as Node

if TYPE_CHECKING:
    from pgslo.database import Connection

_SUFFIXES = frozenset({".yml", ".yaml", ".json", ".pbtxt", ".textproto", ".sql", ".py"})
_MAP_SUFFIX = ".toml"
_DBT_PROJECT = "dbt_project.yml"


@click.command(name="import")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--from",
    "form",
    type=click.Choice(FORMATS),
    help="The format; without it, each file is recognised by its keys.",
)
@click.option(
    "--output",
    "-o",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="The folder for definitions; without it, that of the project.",
)
@click.option(
    "--map",
    "maps",
    multiple=True,
    metavar="MAP",
    help="Which table a name of the source is, as ref:orders=shop.orders, with *, or a TOML file of such lines.",
)
@click.option(
    "--schema",
    metavar="NAME",
    help=f"The schema of tables for which the source names none; {SCHEMA} without it.",
)
@click.option(
    "--var", "variables", multiple=True, metavar="K=V", help="The value of a variable of the source."
)
@click.option(
    "--vars",
    "vars_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A YAML file of variables.",
)
@click.option("--select", multiple=True, metavar="PATTERN", help="Only tables with such names.")
@click.option(
    "--report",
    "report_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the report there.",
)
@click.option(
    "--report-format",
    type=click.Choice(["human", "json", "sarif"]),
    default="json",
    show_default=True,
    help="How --report writes.",
)
@click.option("--report-schema", is_flag=True, help="Print the JSON Schema of the report, and end.")
@click.option(
    "--error-as",
    type=click.Choice(["warn", "quarantine", "reject"]),
    default="warn",
    show_default=True,
    help="The action of checks that are errors in the source.",
)
@click.option("--enforce", is_flag=True, help="Write definitions that are not in shadow.")
@click.option(
    "--profiled",
    is_flag=True,
    help="Map bounds that a profiler took from one batch, instead of learning them.",
)
@click.option("--check", is_flag=True, help="Write nothing; exit code 3 if files would change.")
@click.option("--strict", is_flag=True, help="Write nothing if a check is changed or not mapped.")
@session_options
@pass_session
def import_(session: Session, /, paths: tuple[Path, ...], **given: Any) -> int:
    """Write definitions from the checks of dbt and other tools.

    PATHS are files, and folders that are searched. Every check that is found is in the report: as it is, changed, learned, held or not
    mapped, with the reason. Reads files alone: no network, no code of the source, and a database only with --dsn. The database gives keys
    and types, checks that it enforces already are held, and the written definitions are planned.
    """
    if given["report_schema"]:
        output.script(json.dumps(json_schema(), indent=2) + "\n")
        return OK
    if not paths:
        raise click.UsageError("Name files or folders to import.")
    folder = given["folder"] or session.configuration.definitions
    options = Options(
        source_format=given["form"],
        maps=tuple(_maps(given["maps"])),
        schema=given["schema"],
        variables=_variables(given["vars_file"], given["variables"]),
        select=given["select"],
        error_as=given["error_as"],
        enforce=given["enforce"],
        profiled=given["profiled"],
        kinds=load_own_kinds(session.configuration),
        folder=output.shown_path(folder).as_posix(),
    )
    if _names_database():
        with session.connect() as conn:
            return _import(conn, paths, options, folder, given)
    return _import(None, paths, options, folder, given)


def _names_database() -> bool:
    """Whether --dsn was typed: what the environment says is not enough to open a connection."""
    context: click.Context | None = click.get_current_context()
    while context is not None:
        if context.get_parameter_source("dsn") is ParameterSource.COMMANDLINE:
            return True
        context = context.parent
    return False


def _import(
    conn: Connection | None,
    paths: tuple[Path, ...],
    options: Options,
    folder: Path,
    given: dict[str, Any],
) -> int:
    """Read, map and write; ``conn`` is the database that is asked, if any."""
    if conn is not None:
        options = replace(options, find=_tables(conn))
    files = dict(_files(paths, folder))
    if not files:
        raise PgsloError(
            "found no files to import in " + ", ".join(str(output.shown_path(path)) for path in paths)
        )
    done = convert(files, options, given=frozenset(_shown(path) for path in paths if path.is_file()))
    for line in lines(done):
        output.message(line)
    code = _code(done)
    if conn is not None and not _plans(conn, done, options.kinds) and code == OK:
        code = CHANGES
    kept: dict[str, str] = {}
    changed = False
    if not (given["strict"] and code == CHANGES):
        changed, kept = imported.write(done, folder, files, options.kinds, dry=given["check"])
    if given["report_path"] is not None and not given["check"]:
        _write_report(given["report_path"], given["report_format"], done)
    for path, why in kept.items():
        whole = path in done.definitions
        output.warning(f"{path} {why}", hint="move it away to have it written again" if whole else None)
    if done.assumed:
        is_one = len(done.assumed) == 1
        output.warning(
            f"the source names no schema of {output.counted(len(done.assumed), 'table')}: "
            f"{'it is' if is_one else 'they are'} taken to be in {SCHEMA}",
            hint="name another one with --schema, or tables with --map",
        )
    see = str(output.shown_path(given["report_path"])) if given["report_path"] else options.folder
    output.message(last_line(done, see))
    if given["check"]:
        return ERROR if code == ERROR else CHANGES if changed else OK
    return CHANGES if kept and code == OK else code


def _tables(conn: Connection) -> Callable[[TableName], Relation | None]:
    """What looks tables up, each once."""
    from pgslo.database import catalog_reader

    @functools.cache
    def find(table: TableName) -> Relation | None:
        return catalog_reader.read_relation(conn, (table.schema, table.name))

    return find


def _plans(conn: Connection, done: Imported, kinds: Mapping[str, CustomKind]) -> bool:
    """Whether the database accepts every definition; refusals are reported."""
    from pgslo.database import catalog_reader, planning

    good = not done.absent
    for name in done.absent:
        output.warning(
            f"table {name} does not exist in the database", hint="--map names the table that is meant"
        )
    for path, text in done.definitions.items():
        if done.tables[path] in done.absent:
            continue
        made = load(text, path=path, kinds=kinds)
        try:
            planning.compile_all(conn, [made], catalog_reader.read_catalog(conn, [made]))
        except DefinitionErrors as error:
            good = False
            for one in error.errors:
                output.error(one)
    return good


def _code(done: Imported) -> int:
    if done.failures or not done.definitions:
        return ERROR
    statuses = {entry.outcome.status for entry in done.entries}
    return CHANGES if statuses & {"changed", "not_mapped"} else OK


def _shown(path: Path) -> str:
    return output.shown_path(path).as_posix()


def _files(paths: tuple[Path, ...], folder: Path) -> Iterator[tuple[str, bytes]]:
    """The files to read, with their names as messages show them; the folder that is written to is left out."""
    seen: set[Path] = set()
    own = folder.resolve()
    for place in paths:
        if not place.exists():
            raise PgsloError(f"{output.shown_path(place)} does not exist")
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            hidden = place.is_dir() and any(part.startswith(".") for part in path.relative_to(place).parts)
            inside = place.is_dir() and own in path.resolve().parents
            wanted = path.suffix.lower() in _SUFFIXES or not place.is_dir()
            if not path.is_file() or hidden or inside or not wanted or path.resolve() in seen:
                continue
            seen.add(path.resolve())
            yield _shown(path), _content(path)
    for place in paths:
        above = _project(place)
        if above is not None and above.resolve() not in seen:
            seen.add(above.resolve())
            yield _shown(above), _content(above)


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _project(place: Path) -> Path | None:
    """The configuration of the dbt project that a path is in: it says which models are views."""
    folders = (folder / _DBT_PROJECT for folder in place.resolve().parents)
    return next((path for path in folders if path.is_file()), None)


def _maps(texts: tuple[str, ...]) -> Iterator[TableMap]:
    for text in texts:
        if not text.endswith(_MAP_SUFFIX):
            yield TableMap.parse(text)
            continue
        try:
            said = tomllib.loads(Path(text).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise PgsloError(f"cannot read {printable(text)}: {error}") from None
        for pattern, target in said.items():
            if not isinstance(target, str):
                raise PgsloError(
                    f"{printable(text)}: {printable(pattern)} is not a table",
                    hint='write "ref:orders" = "shop.orders"',
                )
            yield TableMap.of(pattern, target)


def _variables(path: Path | None, texts: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if path is not None:
        try:
            nodes = read(path.read_text(encoding="utf-8"), path=str(path))
        except (OSError, UnicodeDecodeError, UnreadableError) as error:
            raise PgsloError(f"cannot read {output.shown_path(path)}: {error}") from None
        if len(nodes) != 1 or not isinstance(nodes[0], Node):
            raise PgsloError(f"{output.shown_path(path)} holds no variables", hint="write name: value")
        found |= plain(nodes[0])
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.UsageError(f'"{printable(text)}" is not a variable; write name=value.')
        found[name] = value
    return found


def _write_report(path: Path, form: str, done: Imported) -> None:
    match form:
        case "human":
            text = "\n".join([*(printable(line) for line in lines(done)), last_line(done, "above")]) + "\n"
        case "sarif":
            text = json_text(json.dumps(sarif(done), indent=2, ensure_ascii=False)) + "\n"
        case _:
            text = json_text(json.dumps(report(done), indent=2, ensure_ascii=False)) + "\n"
    put(path, text)
