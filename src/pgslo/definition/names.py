"""Names of tables as authors write them, and the names that rules may have."""

from __future__ import annotations

import re
import unicodedata

from pgslo.naming import MAX_BYTES
from pgslo.sql import BODY_QUOTE

#: What rules, tasks and kinds may be called: they become parts of SQL names and of commands.
STABLE_NAME = re.compile(r"[a-z_][a-z0-9_]*\Z")
STABLE_NAME_BYTES = 50
PATH_BYTES = 255
_STEP = re.compile(r"[A-Za-z0-9_-]+\Z")

_PART = re.compile(r'"(?P<quoted>(?:[^"]|"")+)"|(?P<plain>[^\W\d][\w$]*)')


class BadNameError(ValueError):
    """A name is not written as PostgreSQL writes names; the text says why."""


def split(text: str) -> tuple[str, ...]:
    """The parts of a qualified name as the catalogue spells them.

    Args:
        text: For example ``dim.country`` or ``"My Schema"."T"``; without quotes, upper case is folded to lower.

    Raises:
        BadNameError: It is not a name.
    """
    parts: list[str] = []
    at = 0
    while True:
        match = _PART.match(text, at)
        if match is None:
            raise BadNameError("a name with special characters has to be in double quotes")
        quoted, plain = match["quoted"], match["plain"]
        parts.append(check(quoted.replace('""', '"') if quoted else _folded(plain)))
        at = match.end()
        if at == len(text):
            return tuple(parts)
        if text[at] != ".":
            raise BadNameError("a name with special characters has to be in double quotes")
        at += 1


def _folded(name: str) -> str:
    if not name.isascii() and name != name.lower():
        raise BadNameError("a name with upper case letters beyond ASCII has to be in double quotes")
    return name.lower()


def check_path(text: str) -> str:
    """The name of a column, or a path into one such as ``bag.geo.country``, which may be longer.

    Raises:
        BadNameError: It is empty, too long or holds an invisible character.
    """
    if "." not in text:
        return check(text)
    if len(text.encode()) > PATH_BYTES:
        raise BadNameError(f"a path may have at most {PATH_BYTES} bytes")
    for part in filter(None, text.split(".")):
        check(part)
    return text


def path(parts: tuple[str, ...]) -> str:
    """Return the path of these steps as definitions write it: ``bag.geo."a key"``."""
    first, *steps = parts
    quoted = (one if _STEP.match(one) else '"' + one.replace('"', '""') + '"' for one in steps)
    return ".".join((first, *quoted))


def check(name: str) -> str:
    """The name itself, if a column, table, schema or role can have it.

    Raises:
        BadNameError: It is empty, too long or holds an invisible character.
    """
    if not name:
        raise BadNameError("a name may not be empty")
    hidden = next((c for c in name if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")), None)
    if hidden:
        raise BadNameError(f"a name may not hold the invisible character U+{ord(hidden):04X}")
    if len(name.encode()) > MAX_BYTES:
        raise BadNameError(f"a name may have at most {MAX_BYTES} bytes; PostgreSQL would cut it")
    return name


def is_name(text: str) -> bool:
    """Whether a definition can hold this name of a column, table, schema or role."""
    try:
        check(text)
    except BadNameError:
        return False
    return BODY_QUOTE not in text
