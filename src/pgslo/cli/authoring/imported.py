"""Definitions that ``pgslo import`` wrote before, and what people changed in them since."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pgslo.cli import output
from pgslo.cli.files import put
from pgslo.definition import CustomKind, load
from pgslo.errors import DefinitionErrors, PgsloError
from pgslo.importing import Imported, KeptByHand
from pgslo.importing.writing.merge import merge

#: The text that this command wrote, by file: hidden, so that it is not read as a definition.
_STATE = ".pgslo-import.json"


@dataclass(frozen=True)
class _Known:
    """A file that an import wrote: its text, or the hash of it, and the files that its checks come from."""

    text: str | None
    digest: str
    sources: tuple[str, ...]


def write(
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
