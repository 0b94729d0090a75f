"""Definitions to files of another format, and the outcome of each rule."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from pgslo.definition import CustomKind, Definition
from pgslo.errors import DefinitionErrors, Problems
from pgslo.exporting import dbt, exposures, model, odcs, openslo
from pgslo.exporting.model import Entry, Exported, Whole

_WRITERS: dict[str, tuple[str, Callable[[Whole], tuple[str, list[Entry]]]]] = {
    "odcs": (odcs.SUFFIX, odcs.export),
    "dbt": (dbt.SUFFIX, dbt.export),
    "openslo": (openslo.SUFFIX, openslo.export),
}
#: As ``--to`` names them.
FORMATS = tuple(_WRITERS)
_FILE_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,100}\Z")


def export(files: Mapping[str, str], form: str, folder: str, *, kinds: Mapping[str, CustomKind]) -> Exported:
    """Return definitions in another format, a file for each of them, and for dbt one of all tasks.

    Args:
        files: Text of each definition by its path.
        form: The format.
        folder: Where the files go, for their paths in the report.
        kinds: The organisation's own kinds, by name.

    Raises:
        DefinitionErrors: Everything that is wrong with any of them.
    """
    suffix, write = _WRITERS[form]
    done = Exported(form)
    problems = Problems()
    read: list[Definition] = []
    for path, text in files.items():
        try:
            whole = model.load(text, path=path, kinds=dict(kinds))
        except DefinitionErrors as error:
            problems.errors.extend(error.errors)
            continue
        read.append(whole.definition)
        written, entries = write(whole)
        if len(entries) != len(whole.statements):
            raise AssertionError(f"{path}: {len(whole.statements)} rules, and {len(entries)} in the report")
        target = f"{folder}/{_file_name(whole.definition.name)}{suffix}"
        if written:
            done.files[target] = written
        has = {"exported": target, "changed": target}
        # A contract and the properties of dbt keep parts that they cannot express in pgslo's own words.
        kept = target if form != "openslo" else None
        done.entries += [replace(one, path=has.get(one.status, kept)) for one in entries]
    problems.check()
    if form == "dbt" and (written := exposures.export(read)):
        done.files[f"{folder}/{exposures.NAME}"] = written
    return done


def _file_name(name: str) -> str:
    if _FILE_NAME.match(name) and ".." not in name:
        return name
    safe = re.sub(r"[^a-z0-9_]+", "_", name.lower()).strip("_")[:80]
    return f"{safe}_{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:8]}"
