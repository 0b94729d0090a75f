"""Functions that a query calls without brackets: to PostgreSQL, ``alias.name`` is also ``name(alias)``.

The alias of a table means a row, which no function that could do harm takes. The alias of a function in FROM means
the value that it returns: ``SELECT v.pg_read_file FROM unnest(ARRAY['/etc/passwd']) AS v``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pgslo.expression.queries.lists import is_word
from pgslo.expression.tokens import RefusalError, Token

#: Values that FROM takes as it takes functions.
_VALUES = (
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "localtime",
    "localtimestamp",
    "session_user",
    "system_user",
    "user",
)
#: Columns that functions in FROM have whatever their alias.
_COLUMNS = frozenset({"key", "ordinality", "value"})


@dataclass
class _Bracket:
    """A bracket that is open: the number of its token, and the last of SELECT and FROM that stood in it."""

    start: int = 0
    clause: str = ""


def check_fields(
    text: str, found: Sequence[Token], *, names_no_function: frozenset[str], listed: frozenset[int]
) -> None:
    """Refuse ``alias.name`` where the alias is of a function and has no column of that name.

    Args:
        text: The query.
        found: Its tokens without dots.
        names_no_function: Words that may be before a bracket and call nothing.
        listed: Starts of the aliases and queries of WITH that a list of columns follows.

    Raises:
        RefusalError: Such a field is read.
    """
    columns: dict[str, frozenset[str]] = {}
    for alias, named in _aliases(text, found, names_no_function, listed):
        columns[alias] = columns.get(alias, named) & named
    for qualifier, token in itertools.pairwise(found):
        if text[qualifier.end : token.start].strip() != "." or token.kind not in ("word", "quoted"):
            continue
        if qualifier.name in columns and token.name not in columns[qualifier.name] | _COLUMNS | {
            qualifier.name
        }:
            raise RefusalError(
                token.start,
                f'"{token.name}" may not be taken from "{qualifier.name}", which is not a table',
                detail="PostgreSQL would call a function of that name.",
                hint=f"Name the columns: AS {qualifier.name} ({token.name}). Or give a table of that name another alias.",
            )


def _aliases(
    text: str, found: Sequence[Token], names_no_function: frozenset[str], listed: frozenset[int]
) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the aliases of functions in FROM, each with its list of columns."""
    opened = [_Bracket()]
    for number, token in enumerate(found):
        if is_word(text, token, "select", "from"):
            opened[-1].clause = token.name
        elif token.is_mark("("):
            opened.append(_Bracket(number))
        elif token.is_mark(")") and len(opened) > 1:
            start = opened.pop().start
            is_list = start > 0 and found[start - 1].start in listed
            is_value = opened[-1].clause == "select" or is_list
            if not is_value and _is_call(text, found, start, names_no_function):
                yield found[start - 1].name, frozenset()
                yield from _alias(found, number + 1)
        elif is_word(text, token, *_VALUES) and opened[-1].clause != "select":
            yield token.name, frozenset()
            yield from _alias(found, number + 1)


def _is_call(text: str, found: Sequence[Token], start: int, names_no_function: frozenset[str]) -> bool:
    """Whether the bracket has the arguments of a function, or functions: not rows, and no list of columns."""
    before = found[:start]
    if not before:
        return False
    name = before[-1]
    if len(before) > 1:
        if is_word(text, before[-2], "rows") and name.is_word("from"):
            return True
        if is_word(text, before[-2], "as", "ordinality") or before[-2].is_mark(")"):
            return False  # alias (columns)
    return name.kind in ("word", "quoted") and (name.is_word("cast") or name.name not in names_no_function)


def _alias(found: Sequence[Token], start: int) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the alias that begins there, if one does."""
    rest = list(found[start:])
    if len(rest) > 1 and rest[0].is_word("with") and rest[1].is_word("ordinality"):
        rest = rest[2:]
    if rest and rest[0].is_word("as"):
        rest = rest[1:]
    if not rest or rest[0].kind not in ("word", "quoted"):
        return
    columns = set()
    if len(rest) > 1 and rest[1].is_mark("("):
        for before, token in itertools.pairwise(rest[1:]):
            if token.is_mark(")"):
                break
            if before.is_mark("(", ","):
                columns.add(token.name)
    yield rest[0].name, frozenset(columns)
