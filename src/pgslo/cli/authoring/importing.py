"""``pgslo import``: checks of other tools as definitions, with an account of every one."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from pgslo.cli import output
from pgslo.cli.exit_codes import CHANGES, ERROR, OK
from pgslo.cli.files import put
from pgslo.cli.project import load_own_kinds
from pgslo.cli.session import Session, pass_session, session_options
from pgslo.definition import CustomKind, load
from pgslo.display import json_text, printable
from pgslo.errors import DefinitionErrors, PgsloError
from pgslo.importing import Imported, KeptByHand, Options, TableMap, convert
from pgslo.importing.formats.registry import FORMATS
from pgslo.importing.report import json_schema, last_line, lines, report, sarif
from pgslo.importing.source import MAX_BYTES, UnreadableError, plain, read
from pgslo.importing.source import Mapping as Node
from pgslo.importing.writing.merge import merge

_SUFFIXES = frozenset({".yml", ".yaml", ".json", ".pbtxt", ".textproto", ".sql", ".py"})
#: What this command wrote, by file: hidden, so it is no definition.
_STATE = ".pgslo-import.json"
_MAP_SUFFIX = ".toml"


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
@click.option("--schema", metavar="NAME", help="The schema of tables for which the source names none.")
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
    mapped, with the reason. Reads files alone: no database, no network, no code of the source.
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
    files = dict(_files(paths, folder))
    if not files:
        raise PgsloError(
            "there are no files to import in " + ", ".join(str(output.shown_path(path)) for path in paths)
        )
    done = convert(files, options, given=frozenset(_shown(path) for path in paths if path.is_file()))
    for line in lines(done):
        output.message(line)
    code = _code(done)
    kept: dict[str, str] = {}
    changed = False
    if not (given["strict"] and code == CHANGES):
        changed, kept = _write(done, folder, files, options.kinds, dry=given["check"])
    if given["report_path"] is not None and not given["check"]:
        _write_report(given["report_path"], given["report_format"], done)
    for path, why in kept.items():
        whole = path in done.definitions
        output.warning(f"{path} {why}", hint="move it away to have it written anew" if whole else None)
    see = str(output.shown_path(given["report_path"])) if given["report_path"] else options.folder
    output.message(last_line(done, see))
    if given["check"]:
        return ERROR if code == ERROR else CHANGES if changed else OK
    return CHANGES if kept and code == OK else code


def _code(done: Imported) -> int:
    if done.failures or not done.definitions:
        return ERROR
    statuses = {entry.outcome.status for entry in done.entries}
    return CHANGES if statuses & {"changed", "not_mapped"} else OK


def _shown(path: Path) -> str:
    return output.shown_path(path).as_posix()


def _files(paths: tuple[Path, ...], folder: Path) -> Iterator[tuple[str, bytes]]:
    """The files to read, with their names as messages show them; the folder that is written to is no source."""
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
            with path.open("rb") as file:
                yield _shown(path), file.read(MAX_BYTES + 1)


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
                    f"{printable(text)}: {printable(pattern)} is no table",
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
            raise click.UsageError(f'"{printable(text)}" is no variable; write name=value.')
        found[name] = value
    return found


@dataclass(frozen=True)
class _Known:
    """A file that an import wrote: its text, or the hash of it, and the files that its checks come from."""

    text: str | None
    digest: str
    sources: tuple[str, ...]


def _write(
    done: Imported, folder: Path, files: Mapping[str, bytes], kinds: Mapping[str, CustomKind], *, dry: bool
) -> tuple[bool, dict[str, str]]:
    """Write definitions; what people edited since stays, rule by rule, and so does what other sources are in.

    Returns:
        Whether anything is another than before, and the files and rules that stay, each with the reason.
    """
    state = _state(folder)
    kept: dict[str, str] = {}
    wanted: dict[str, str] = {}
    changed = False
    for shown, text in done.definitions.items():
        path = folder / Path(shown).name
        there = path.read_text(encoding="utf-8", errors="replace") if path.exists() else None
        known = state.get(path.name)
        others = [one for one in known.sources if one not in files and Path(one).exists()] if known else []
        base = None if known is None or there is None else _base(known, there)
        if there is None or there == text:
            wanted[path.name] = text
            changed = changed or there is None
        elif base is None:
            kept[shown] = "was edited by hand, so it stays as it is"
            done.kept.append(KeptByHand(shown, None, None, kept[shown]))
        elif others:
            kept[shown] = (
                f"has checks of {others[0]} as well, so it stays as it is: import all sources of a table together"
            )
        else:
            merged = merge(base, there, text)
            if not _loads(merged.text, shown, kinds):
                kept[shown] = (
                    "was edited by hand so that it does not go together with the source, so it stays as it is"
                )
                done.kept.append(KeptByHand(shown, None, None, kept[shown]))
                continue
            for one in merged.kept:
                now = "has no such check any more" if one.wanted is None else f"says now {one.wanted}"
                why = f"was edited by hand, so it stays as it is; the source {now}"
                kept[f"{shown}:{one.line}"] = why
                done.kept.append(KeptByHand(shown, one.line, one.wanted, why))
            for entry in done.entries:
                if entry.path == shown and entry.line is not None:
                    entry.line = merged.lines.get(entry.line)
            wanted[path.name] = merged.text
            changed = changed or merged.text != there
    if not dry and wanted:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in wanted.items():
            _replace(folder / name, text)
        sources: dict[str, set[str]] = {}
        for entry in done.entries:
            if entry.path is not None:
                sources.setdefault(Path(entry.path).name, set()).add(entry.found.location.path)
        texts = {Path(shown).name: text for shown, text in done.definitions.items()}
        state |= {
            name: _Known(texts[name], _digest(texts[name]), tuple(sorted(sources.get(name, ()))))
            for name in wanted
        }
        said = {name: _stated(one) for name, one in sorted(state.items())}
        _replace(folder / _STATE, json.dumps({"version": 2, "files": said}, indent=2) + "\n")
    return changed, kept


def _base(known: _Known, there: str) -> str | None:
    """What the last import wrote; an older version kept its hash alone."""
    if known.text is not None:
        return known.text
    return there if _digest(there) == known.digest else None


def _loads(text: str, path: str, kinds: Mapping[str, CustomKind]) -> bool:
    try:
        load(text, path=path, kinds=kinds)
    except DefinitionErrors:
        return False
    return True


def _stated(one: _Known) -> dict[str, Any]:
    text = {} if one.text is None else {"text": one.text.split("\n")}
    return {"sha256": one.digest, "sources": list(one.sources), **text}


def _state(folder: Path) -> dict[str, _Known]:
    try:
        found = json.loads((folder / _STATE).read_text(encoding="utf-8"))["files"]
        return {
            str(name): _Known(
                "\n".join(map(str, one["text"])) if "text" in one else None,
                str(one["sha256"]),
                tuple(map(str, one["sources"])),
            )
            for name, one in found.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PgsloError(f"cannot read {output.shown_path(folder / _STATE)}: {error}") from None


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all; one that has the text already is not touched."""
    if path.is_file() and not path.is_symlink() and path.read_text(encoding="utf-8") == text:
        return
    put(path, text)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _write_report(path: Path, form: str, done: Imported) -> None:
    match form:
        case "human":
            text = "\n".join([*(printable(line) for line in lines(done)), last_line(done, "above")]) + "\n"
        case "sarif":
            text = json_text(json.dumps(sarif(done), indent=2, ensure_ascii=False)) + "\n"
        case _:
            text = json_text(json.dumps(report(done), indent=2, ensure_ascii=False)) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    _replace(path, text)
