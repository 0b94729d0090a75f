"""Values as YAML on one line, as the reader of definitions reads them."""

from __future__ import annotations

import decimal
import re
from typing import Any

from pgslo.definition.yaml import nodes
from pgslo.definition.yaml.scalars import scalar

#: A backslash is written as it is between single quotes.
_SINGLE = re.compile(r"[\x20-\x7e]*\Z")
#: A span of time, or a table with its schema: plain text to YAML.
_PLAIN = re.compile(r"\d{1,6} [a-z]{1,10}( \d{1,6} [a-z]{1,10})*\Z|[a-z_]\w*(\.[a-z_]\w*)+\Z", re.ASCII)


def value(item: Any) -> str:
    """Return a value as YAML."""
    match item:
        case None:
            return "null"
        case bool():
            return "true" if item else "false"
        case decimal.Decimal() if not item.is_finite():
            return ".nan" if item.is_nan() else "-.inf" if item < 0 else ".inf"
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


def plain(node: nodes.Node) -> Any:
    """Return what a node of a definition holds, without places."""
    match node:
        case nodes.Scalar():
            return node.value
        case nodes.Sequence():
            return [plain(item) for item in node.items]
        case nodes.Mapping():
            return {key.text: plain(below) for key, below in node.entries}
