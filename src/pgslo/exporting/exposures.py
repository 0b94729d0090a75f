"""The tasks of definitions as exposures of dbt: the readers of the sources, with their contacts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from pgslo.definition import Definition
from pgslo.definition.rules import Task
from pgslo.exporting import document
from pgslo.exporting.dbt import JINJA

NAME = "tasks.dbt.yml"
_ADDRESS = re.compile(r"[^@\s#]+@[^@\s]+\.[^@\s]+\Z")


def export(definitions: Iterable[Definition]) -> str:
    """Return the file of exposures, or an empty text if no task exists.

    One task may read several tables, and dbt allows one exposure of a name: all go into one file.
    """
    found: dict[str, list[tuple[Definition, Task]]] = {}
    for definition in definitions:
        for task in definition.tasks:
            if not JINJA.search(definition.name):
                found.setdefault(task.name, []).append((definition, task))
    if not found:
        return ""
    said = {"version": 2, "exposures": [_exposure(name, found[name]) for name in sorted(found)]}
    return document.text(said, "Written by pgslo export: the tasks of the definitions.")


def _exposure(name: str, read: list[tuple[Definition, Task]]) -> dict[str, Any]:
    contact = next((task.contact for _, task in read if task.contact), None)
    is_written = contact is not None and not JINJA.search(contact)
    owner = {"name": contact if is_written else name}
    if contact is not None and is_written and _ADDRESS.match(contact):
        owner = {"name": name, "email": contact}
    columns = {
        definition.name: list(task.reads)
        for definition, task in read
        if task.reads and not JINJA.search("".join(task.reads))
    }
    return {
        "name": name,
        "type": "ml",
        "owner": owner,
        "depends_on": [
            # An expression of Jinja, in which JSON's texts are texts.
            f"source({json.dumps(definition.schema_name)}, {json.dumps(definition.table_name)})"
            for definition, _ in read
        ],
        **({"config": {"meta": {"pgslo": {"reads": columns}}}} if columns else {}),
    }
