"""Helpers of tests of imports: a run over texts, and the result of each check in a few words."""

from __future__ import annotations

import textwrap
from typing import Any

from pgslo.definition import Definition, load
from pgslo.importing import Imported, Options, TableMap, convert


def imported(*texts: str, name: str = "source.yml", **options: Any) -> Imported:
    """The result for some files of a project."""
    options = {"schema": "app", **options}
    options["maps"] = tuple(TableMap.parse(one) for one in options.get("maps", ()))
    names = [name] if len(texts) == 1 else [f"{number}_{name}" for number in range(len(texts))]
    files = {one: textwrap.dedent(text).encode() for one, text in zip(names, texts, strict=True)}
    return convert(files, Options(**options), given=frozenset(files))


def definitions(done: Imported) -> dict[str, Definition]:
    """Every definition, read by the loader, by its table."""
    return {done.tables[path]: load(text, path=path) for path, text in done.definitions.items()}


def rules(done: Imported) -> list[str]:
    """The lines of the definitions that hold rules, without comments and places."""
    found = []
    for entry in done.entries:
        if entry.path is not None and entry.line is not None:
            line = done.definitions[entry.path].split("\n")[entry.line - 1]
            found.append(line.partition("  # ")[0].strip().removeprefix("- "))
    return found


def outcomes(done: Imported) -> list[tuple[str, ...]]:
    """The status and the reasons of each check."""
    return [
        (entry.outcome.status, *(remark.reason for remark in entry.outcome.remarks)) for entry in done.entries
    ]
