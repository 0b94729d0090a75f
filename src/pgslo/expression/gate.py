"""Row conditions that authors write: parsed, restricted to what a row rule may do, and qualified.

What PostgreSQL will see is the author's own text, never what a parser regenerates: a parser's text can mean
something else. Two readings of that text have to agree before it is accepted. The first follows PostgreSQL's own
tokens and grammar and gives every word a role (column, function, type, key word), each from a named list. The
second is sqlglot's syntax tree, restricted node by node. The columns of both have to be the same characters.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

from pgslo.errors import DefinitionError, Location
from pgslo.expression import grammar, tokens, tree
from pgslo.expression.tokens import RefusalError
from pgslo.sql import Sql


@dataclass(frozen=True)
class Expression:
    """A condition or value over the columns of one row.

    Attributes:
        text: The author's own text; pgslo never emits what a parser regenerates.
        columns: Names of the columns it reads, as PostgreSQL folds them, in order of first use.
        location: Its location.
    """

    text: str
    columns: tuple[str, ...]
    location: Location

    def qualified(self, row: Sql) -> Sql:
        """The author's text, in parentheses, with ``row.`` before every column.

        A string that holds a backslash is written as ``E'…'``: it means the same, whatever
        ``standard_conforming_strings`` is in the session that runs it.
        """
        parts = ["("]
        done = 0
        for edit in _analyse(self.text).edits:
            parts.append(self.text[done : edit.start])
            parts.append(f"{row.text}." if edit.text is None else edit.text)
            done = edit.end
        return Sql("".join([*parts, self.text[done:], ")"]))


def parse(text: str, *, location: Location, locate: Callable[[int], Location] | None = None) -> Expression:
    """Parse and restrict an author's expression.

    Args:
        text: What the author wrote.
        location: Where it starts.
        locate: The location of its n-th character, if the file does not show it in one piece.

    Raises:
        DefinitionError: It is not an expression over one row, or uses a name that is not in the lists of
            :mod:`pgslo.expression.vocabulary`.
    """
    text = text.rstrip(" \t\r\n")
    try:
        analysis = _analyse(text)
    except RefusalError as refused:
        place = locate(refused.start) if locate else _on_one_line(text, refused.start, location)
        raise DefinitionError(
            refused.message, detail=refused.detail, hint=refused.hint, location=place
        ) from None
    return Expression(text, analysis.columns, location)


def _on_one_line(text: str, offset: int, location: Location) -> Location:
    if "\n" in text:
        return location
    return Location(location.path, location.line, location.column + offset)


@dataclass(frozen=True)
class _Edit:
    """What ``qualified`` puts in place of ``start:end``; ``None`` means the row's name and a dot."""

    start: int
    end: int
    text: str | None


@dataclass(frozen=True)
class _Analysis:
    columns: tuple[str, ...]
    edits: tuple[_Edit, ...]


@functools.lru_cache(maxsize=4096)
def _analyse(text: str) -> _Analysis:
    found = tokens.read(text)
    try:
        columns = grammar.columns(found)
    except RecursionError:
        raise RefusalError(0, "the expression is nested too deep") from None
    tree.check(text, found, columns)
    edits = [_Edit(column.start, column.start, None) for column in columns]
    edits += [
        _Edit(token.start, token.end, " E" + token.text.replace("\\", "\\\\"))
        for token in found
        if token.kind == "string" and "\\" in token.text
    ]
    return _Analysis(
        tuple(dict.fromkeys(column.name for column in columns)),
        tuple(sorted(edits, key=lambda edit: edit.start)),
    )
