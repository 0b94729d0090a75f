"""Words before a bracket that call nothing: aliases in FROM and queries of WITH, with a list of their columns.

``AS`` and ``SELECT`` are reserved words of PostgreSQL. After ``AS`` a name with a bracket is an alias, except in CAST,
where it is a type. A bracket that ``AS (SELECT`` follows is the list of a query in WITH: no function call is followed by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pgslo.expression.tokens import Token

#: Words after WITH that show that it begins no list of queries.
_OTHER_WITHS = ("ordinality", "ties", "time")


@dataclass
class _Bracket:
    """A bracket that is open: whether it is that of CAST, and whether it is inside of a list of queries now."""

    is_cast: bool = False
    in_with: bool = False


def named(text: str, found: Sequence[Token]) -> frozenset[int]:
    """Return the starts of the tokens that are aliases or queries of WITH, each with a list of columns after it.

    Args:
        text: The query.
        found: Its tokens without dots.
    """
    starts = set()
    opened = [_Bracket()]
    for number, token in enumerate(found):
        if token.is_mark("("):
            opened.append(_Bracket(is_cast=number > 0 and found[number - 1].is_word("cast")))
        elif token.is_mark("["):
            opened.append(_Bracket())
        elif token.is_mark(")", "]") and len(opened) > 1:
            opened.pop()
        elif is_word(text, token, "with"):
            following = found[number + 1 : number + 2]
            opened[-1].in_with = not any(one.is_word(*_OTHER_WITHS) for one in following)
        elif is_word(text, token, "select"):
            opened[-1].in_with = False
        elif is_word(text, token, "as"):
            if opened[-1].in_with and _begins_query(found, number):
                starts |= {one.start for one in found[number + 1 : number + 3] if one.is_word("materialized")}
        elif number > 0 and token.kind in ("word", "quoted"):
            end = _end_of_list(found, number + 1)
            if end is not None and _is_named(text, found, number, end, opened[-1]):
                starts.add(token.start)
    return frozenset(starts)


def _is_named(text: str, found: Sequence[Token], number: int, end: int, bracket: _Bracket) -> bool:
    before = found[number - 1]
    if is_word(text, before, "as"):
        return not bracket.is_cast
    is_next = before.is_mark(",") or before.is_word("with", "recursive")
    return bracket.in_with and is_next and _begins_query(found, end + 1)


def is_word(text: str, token: Token, *words: str) -> bool:
    """Whether a token is one of these reserved words; after a dot it is the name of a column."""
    return token.is_word(*words) and not follows_dot(text, token)


def follows_dot(text: str, token: Token) -> bool:
    """Whether a dot is before a token, with blanks between or without."""
    return text[: token.start].rstrip().endswith(".")


def _end_of_list(found: Sequence[Token], start: int) -> int | None:
    """The number of the bracket that closes a list of names and nothing else; ``None`` if there is no such list."""
    if start >= len(found) or not found[start].is_mark("("):
        return None
    for number in range(start + 1, len(found) - 1, 2):
        if found[number].kind not in ("word", "quoted"):
            return None
        if found[number + 1].is_mark(")"):
            return number + 1
        if not found[number + 1].is_mark(","):
            return None
    return None


def _begins_query(found: Sequence[Token], start: int) -> bool:
    """Whether AS (SELECT …, AS MATERIALIZED (SELECT … or AS NOT MATERIALIZED (SELECT … begins there."""
    words = [token.name if token.kind == "word" else token.text for token in found[start : start + 5]]
    begins = (["as"], ["as", "materialized"], ["as", "not", "materialized"])
    return any(words[: len(one) + 2] == [*one, "(", word] for one in begins for word in ("select", "with"))
