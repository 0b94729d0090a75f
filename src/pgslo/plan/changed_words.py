"""Two texts as one: the words that both have, and between them removed and added words. Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

#: A word, or what separates two words.
_TOKEN = re.compile(r", |\s+|[^\s,]+|,")
#: A text of more characters is cut to the words beside what changes.
_LONG = 100
#: The number of words that are left on either side of it.
_CONTEXT = 6
#: A text of fewer words is shown whole.
_FEW = 3


def changed(was: str, becomes: str) -> str:
    """Return what changes between two texts: ``age between 0 and 120 → 110``, or all of both if that says less."""
    if not was or not becomes:
        return f"{was or 'not set'} → {becomes or 'not set'}"
    old, new = _TOKEN.findall(was), _TOKEN.findall(becomes)
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    gone, come = old[head : len(old) - tail], new[head : len(new) - tail]
    if _is_member(come) and not gone:
        return f"{_cut(new, head, tail)} (+ {_members(come)})"
    if _is_member(gone) and not come:
        return f"{_cut(new, head, tail)} (- {_members(gone)})"
    if len(gone) != 1 or len(come) != 1 or sum(map(_is_word, old)) < _FEW:
        # Another sentence: the text between its first and its last change would be read as one value.
        return f"{was} → {becomes}"
    before, after = _context(new, head, tail)
    return f"{before}{''.join(gone)} → {''.join(come)}{after}"


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many tokens both begin with."""
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return sum(1 for _ in same)


def _is_word(token: str) -> bool:
    return bool(token.strip(" ,\t\n"))


def _is_member(tokens: Sequence[str]) -> bool:
    """Whether the tokens are members of a list: a comma is before or after them."""
    return bool(tokens) and ", " in (tokens[0], tokens[-1])


def _members(tokens: Sequence[str]) -> str:
    """Return members of a list without the separator before or after them."""
    return "".join(tokens).strip(" ,")


def _context(tokens: Sequence[str], head: int, tail: int) -> tuple[str, str]:
    """Return the text before and after a change, cut if it is long."""
    before, after = list(tokens[:head]), list(tokens[len(tokens) - tail :]) if tail else []
    most = 2 * _CONTEXT
    if len("".join(tokens)) > _LONG:
        if len(before) > most:
            before = ["… ", *before[-most:]]
        if len(after) > most:
            after = [*after[:most], " …"]
    return "".join(before), "".join(after)


def _cut(tokens: Sequence[str], head: int, tail: int) -> str:
    """Return the text with the added words, cut if it is long."""
    before, after = _context(tokens, head, tail)
    return f"{before}{''.join(tokens[head : len(tokens) - tail])}{after}"
