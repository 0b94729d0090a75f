"""The blocks ``MODEL (…)`` and ``AUDIT (…)`` of SQLMesh: their properties, and the calls of audits, with their places."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from dataclasses import dataclass

from pgslo.errors import Location
from pgslo.importing.source import UnreadableError

_BEGIN = re.compile(r"^[ \t]*(MODEL|AUDIT)\s*\(", re.IGNORECASE | re.MULTILINE)
_CLOSES = {"(": ")", "[": "]", "{": "}"}
_CALL = re.compile(r"\s*(?P<name>[\w.@]+)\s*(?:\((?P<arguments>.*)\))?\s*\Z", re.DOTALL)


@dataclass(frozen=True)
class Piece:
    """A piece of a file, and where it begins in it."""

    text: str
    at: int

    def trimmed(self) -> Piece:
        """The piece without blanks around it."""
        return Piece(self.text.strip(), self.at + len(self.text) - len(self.text.lstrip()))


@dataclass(frozen=True)
class Block:
    """A block, with what follows it up to the next one."""

    kind: str
    properties: dict[str, Piece]
    body: str
    at: int


#: Comments, and the strings and names in quotes that may look like them inside.
_COMMENT = re.compile(r"""'(?:[^']|'')*'|"[^"\n]*"|`[^`\n]*`|(?P<comment>--[^\n]*|/[*].*?[*]/)""", re.DOTALL)


class File:
    """A file of SQLMesh."""

    def __init__(self, text: str, path: str) -> None:
        self.text = _COMMENT.sub(_blanked, text)
        self.path = path
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def place(self, at: int) -> Location:
        """Return the location of a character."""
        line = bisect.bisect_right(self._starts, at)
        return Location(self.path, line, at - self._starts[line - 1] + 1)

    def blocks(self) -> Iterator[Block]:
        """Return the blocks of the file.

        Raises:
            UnreadableError: One does not end.
        """
        found = list(_BEGIN.finditer(self.text))
        for number, match in enumerate(found):
            end = self._closing(match.end() - 1)
            following = found[number + 1].start() if number + 1 < len(found) else len(self.text)
            inside = Piece(self.text[match.end() : end], match.end())
            body = self.text[end + 1 : following].strip().removeprefix(";").strip()
            yield Block(match[1].upper(), dict(_properties(inside)), body, match.start())

    def _closing(self, opening: int) -> int:
        for at, depth in _depths(self.text, opening):
            if depth == 0:
                return at
        place = self.place(opening)
        raise UnreadableError("a block that does not end", place.line, place.column)


def _blanked(found: re.Match[str]) -> str:
    """A comment as blanks, so that places stay; a string or a name in quotes as it is."""
    return re.sub(r"[^\n]", " ", found[0]) if found["comment"] else found[0]


def _depths(text: str, start: int) -> Iterator[tuple[int, int]]:
    """Every character outside of strings and comments, with how many brackets are open behind it."""
    depth, at = 0, start
    while at < len(text):
        character = text[at]
        if character in "'\"`":
            end = text.find(character, at + 1)
            at = len(text) if end < 0 else end + 1
            continue
        if text.startswith("--", at):
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
            continue
        if text.startswith("/*", at):
            end = text.find("*/", at)
            at = len(text) if end < 0 else end + 2
            continue
        depth += (character in "([{") - (character in ")]}")
        yield at, depth
        at += 1


def parts(piece: Piece) -> Iterator[Piece]:
    """Return what commas separate that are in no brackets."""
    begin = 0
    for at, depth in _depths(piece.text, 0):
        if piece.text[at] == "," and depth == 0:
            yield Piece(piece.text[begin:at], piece.at + begin).trimmed()
            begin = at + 1
    last = Piece(piece.text[begin:], piece.at + begin).trimmed()
    if last.text:
        yield last


def _properties(inside: Piece) -> Iterator[tuple[str, Piece]]:
    for each in parts(inside):
        match = re.match(r"(\w+)\s*", each.text)
        if match:
            yield match[1].lower(), Piece(each.text[match.end() :], each.at + match.end()).trimmed()


def listed(piece: Piece) -> Iterator[Piece]:
    """Return the items of a list in brackets; anything else is an item itself."""
    text = piece.text
    if text[:1] in _CLOSES and text.endswith(_CLOSES[text[0]]):
        yield from parts(Piece(text[1:-1], piece.at + 1))
    elif text:
        yield piece


def call(piece: Piece) -> tuple[str, dict[str, Piece]] | None:
    """Return the name of a call and its arguments by name, or ``None`` for another text."""
    match = _CALL.match(piece.text)
    if match is None:
        return None
    arguments: dict[str, Piece] = {}
    if match["arguments"]:
        for each in parts(Piece(match["arguments"], piece.at + match.start("arguments"))):
            said = re.match(r"(\w+)\s*(?::=|=>|=)\s*", each.text)
            if said:
                arguments[said[1].lower()] = Piece(each.text[said.end() :], each.at + said.end()).trimmed()
    return match["name"].lower(), arguments
