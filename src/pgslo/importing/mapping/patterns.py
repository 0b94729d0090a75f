"""Regular expressions of other dialects, as far as PostgreSQL reads them in the same way."""

from __future__ import annotations

import re

from pgslo.importing.model import UnmappableError

#: What PostgreSQL does not have, or takes for something else: named groups, atomic groups, flags in the middle, classes of Unicode,
#: ``\b`` (a backspace there), ``\x`` (takes any number of digits).
_OTHER = re.compile(
    r"\(\?P|\(\?<[A-Za-z]|\(\?>|(?<!\A)\(\?[a-zA-Z-]+[:)]|\\[bBpPhHRXQEGKzxuUNmMyY]|[*+?}]\+|\[\[:word:|&&\["
)
_FLAGS = re.compile(r"\A\(\?([a-z]+)\)")
#: Two backslashes before a letter: one of them may be for the strings of another database.
_TWICE = re.compile(r"\\\\[dwsDWS.\-+*?()\[\]{}|$^/]")


def posix(pattern: str, *, in_sql: bool = False) -> str:
    """Return a regular expression that PostgreSQL reads in the same way.

    Args:
        pattern: The source's expression.
        in_sql: Whether the source puts it between the quotes of a SQL string.

    Raises:
        UnmappableError: PostgreSQL reads it otherwise.
    """
    if in_sql:
        if _TWICE.search(pattern):
            raise UnmappableError(
                "pattern_dialect",
                "two backslashes: with escapes in strings they are one, in PostgreSQL they are two",
            )
        pattern = pattern.replace("''", "'")
    flags = _FLAGS.match(pattern)
    if _OTHER.search(pattern) or (flags and set(flags[1]) - {"i"}):
        raise UnmappableError("pattern_dialect")
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        raise UnmappableError(
            "pattern_dialect", "the regular expression is not closed, or of another dialect"
        ) from None
    return pattern


def alternation(patterns: list[str]) -> str:
    """Return an expression that matches what any of some others matches."""
    return patterns[0] if len(patterns) == 1 else "|".join(f"(?:{one})" for one in patterns)
