"""Registrations as JSON that a person can review: a line for each rule, without empty members."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pgslo import sql
from pgslo.sql import Sql

#: Characters of a line, where its parts leave a choice.
_WIDTH = 152
#: The same of the first line, which begins with the function that is called.
_NARROW = 110
#: No part of a rule is longer, unless nothing in it can begin a line.
_WIDEST = 155
#: Objects of fewer characters share lines.
_SHORT = 60


def document(told: Mapping[str, Any]) -> Sql:
    """Return a document as a literal; fields that are null or empty lists are left out, and are so to the runtime.

    But for ``types``: an empty list says that no type of a user is known.
    """
    fields = [
        _field(name, value) for name, value in told.items() if name == "types" or not _says_nothing(value)
    ]
    return sql.literal("{" + ",\n ".join(_lines(fields, _NARROW)) + "}")


def _field(name: str, value: Any) -> str:
    if isinstance(value, list | tuple) and value and all(isinstance(one, dict) for one in value):
        objects = [_object(one) for one in value]
        short = all(len(one) < _SHORT for one in objects)
        return f"{_text(name)}: [\n  " + ",\n  ".join(_lines(objects) if short else objects) + "]"
    return f"{_text(name)}: {_text(value)}"


def _object(told: Mapping[str, Any]) -> str:
    """An object on as few lines as its fields need."""
    fields = (_member(name, value) for name, value in told.items() if not _says_nothing(value))
    return "{" + ",\n   ".join(_lines(fields)) + "}"


def _member(name: str, value: Any) -> str:
    line = f"{_text(name)}: {_text(value)}"
    if len(line) <= _WIDEST or not isinstance(value, dict):
        return line
    parts = (f"{_text(inner)}: {_text(one)}" for inner, one in value.items())
    return f"{_text(name)}: {{" + ",\n    ".join(_lines(parts)) + "}"


def _lines(fields: Iterable[str], width: int = _WIDTH) -> Iterable[str]:
    line = ""
    for field in fields:
        if line and ("\n" in line + field or len(line) + len(field) > width):
            yield line
            line = ""
        line = f"{line}, {field}" if line else field
    yield line


def _says_nothing(value: Any) -> bool:
    return value is None or value in ([], (), {})


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
