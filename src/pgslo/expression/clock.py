"""Whether a text's value changes with the clock, so that no write shows its change."""

from __future__ import annotations

from pgslo.expression import tokens
from pgslo.expression.queries.query import without_dots

_WORDS = frozenset({"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"})
_FUNCTIONS = frozenset({"now"})
_SPECIAL = frozenset({"'now'", "'today'", "'tomorrow'", "'yesterday'"})


def needs_clock(text: str) -> str | None:
    """The first word of an expression or a query whose value is of the moment, or ``None``."""
    found = tokens.read(without_dots(text))
    for n, token in enumerate(found):
        following = found[n + 1] if n + 1 < len(found) else None
        called = following is not None and following.is_mark("(")
        if token.kind == "word" and (
            token.name in _WORDS
            or (called and token.name in _FUNCTIONS)
            or (called and token.name == "age" and _arguments(found[n + 2 :]) == 1)
        ):
            return token.text
        if token.kind == "string" and token.text.lower() in _SPECIAL:
            return token.text
    return None


def _arguments(rest: tuple[tokens.Token, ...]) -> int:
    depth, arguments = 0, 1
    for token in rest:
        if token.is_mark("(", "["):
            depth += 1
        elif token.is_mark(")", "]"):
            if depth == 0:
                break
            depth -= 1
        elif token.is_mark(",") and depth == 0:
            arguments += 1
    return arguments
