"""Values and rules as YAML on one line, as the loader of definitions reads it."""

from __future__ import annotations

import decimal
import re
from typing import Any

from pgslo.definition.rules import BUILT_IN
from pgslo.definition.yaml.scalars import scalar
from pgslo.importing.model import Rule

#: A backslash is written as it is between single quotes.
_SINGLE = re.compile(r"[\x20-\x7e]*\Z")
#: What cannot stand in a comment: it would end the line, or hide or turn what follows.
_ODD = re.compile(
    "[\x00-\x1f\x7f-\xa0\xad\u061c\u2028-\u202e\u2060-\u206f\u200b-\u200f\ufeff\ud800-\udfff\ufffe\uffff]+"
)
_SHOWN = 600
#: A span of time, or a table with its schema: plain text to YAML.
_PLAIN = re.compile(r"\d{1,6} [a-z]{1,10}( \d{1,6} [a-z]{1,10})*\Z|[a-z_]\w*(\.[a-z_]\w*)+\Z", re.ASCII)


def value(item: Any) -> str:
    """Return a value as YAML."""
    match item:
        case None:
            return "null"
        case bool():
            return "true" if item else "false"
        case int() | decimal.Decimal() | float():
            return str(item)
        case list() | tuple():
            return "[" + ", ".join(value(each) for each in item) + "]"
        case dict():
            return "{" + ", ".join(f"{scalar(key)}: {value(each)}" for key, each in item.items()) + "}"
        case str():
            return text(item)
    raise AssertionError(f"{type(item).__name__} has no form in a definition")


def text(item: str) -> str:
    """Return a text as YAML: without quotes where that is safe, between single ones where it has backslashes."""
    if "\\" in item and _SINGLE.match(item):
        return "'" + item.replace("'", "''") + "'"
    return item if _PLAIN.match(item) else scalar(item)


def rule(made: Rule, name: str | None) -> str:
    """Return a rule as a line of its list, without the dash.

    Args:
        made: The rule.
        name: Its name, if it has to be written; a rule under ``rules:`` is written with it.
    """
    parameters = made.parameters
    forms = BUILT_IN[made.kind].syntax
    if made.place == "column":
        form = forms.columns
        options = ({"name": name} if name else {}) | made.options
        if not parameters and not options:
            return made.kind
        short = (
            form is not None and form.stands_for == tuple(parameters) and len(parameters) == 1 and not options
        )
        return f"{made.kind}: {value(next(iter(parameters.values())) if short else parameters | options)}"
    form = forms.rules
    short = form is not None and form.stands_for == tuple(parameters) and len(parameters) == 1
    return f"{name}: {value({made.kind: next(iter(parameters.values())) if short else parameters} | made.options)}"


def comment(item: str) -> str:
    """Return a text that may follow a ``#``."""
    line = _ODD.sub(" ", item)
    return (line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…").replace("$pgslo$", "$ pgslo $")
