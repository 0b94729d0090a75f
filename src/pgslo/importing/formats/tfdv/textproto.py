"""The text format of protocol buffers, read into fields that know their place; nothing of its schema is needed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from pgslo.errors import Location
from pgslo.importing.source import UnreadableError

MAX_DEPTH = 40
MAX_FIELDS = 100_000
_TOKEN = re.compile(
    r"(?P<blank>[\s;,]+|#[^\n]*)|(?P<open>[{<])|(?P<close>[}>])|(?P<colon>:)|(?P<list>\[)|(?P<end>\])"
    r"|(?P<text>\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')|(?P<number>[-+]?(?:0[xX][0-9a-fA-F]+|[0-9.]+(?:[eE][-+]?\d+)?)[fF]?(?![\w.]))"
    r"|(?P<word>-?[A-Za-z_][\w.]*)",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\([0-7]{1,3}|[xX][0-9a-fA-F]{1,2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_CLOSES = {"{": "}", "<": ">"}
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}

Value = str | int | float | bool
_WORDS: dict[str, Value] = {"true": True, "True": True, "t": True, "false": False, "False": False, "f": False}


@dataclass(eq=False)
class Message:
    """A message: its fields by name, each with all of its values in the order of the file.

    Attributes:
        location: Where it begins.
        fields: Its fields.
        places: Where each field is last named.
        last: The field that was read last.
    """

    location: Location
    fields: dict[str, list[Message | Value]] = field(default_factory=dict)
    places: dict[str, Location] = field(default_factory=dict)
    last: str | None = None

    def messages(self, name: str) -> list[Message]:
        """Return the values of a field that are messages."""
        return [one for one in self.fields.get(name, ()) if isinstance(one, Message)]

    def values(self, name: str) -> list[Value]:
        """Return the values of a field that are not messages."""
        return [one for one in self.fields.get(name, ()) if not isinstance(one, Message)]

    def one(self, name: str) -> Value | None:
        """Return the last value of a field, which is the one that counts."""
        found = self.values(name)
        return found[-1] if found else None

    def number(self, name: str) -> int | float | None:
        """Return the number of a field."""
        value = self.one(name)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def read(text: str, *, path: str) -> Message:
    """Return a file as a message.

    Raises:
        UnreadableError: It is not the text of a message, or exceeds a limit.
    """
    root = Message(Location(path, 1, 1))
    #: Open messages: what closes each, and the field and list that it is in.
    stack: list[tuple[Message, str, str | None, bool]] = [(root, "", None, False)]
    name: str | None = None
    within = False
    for count, (kind, token, place) in enumerate(_tokens(text, path)):
        current, closing, _, _ = stack[-1]
        if count > MAX_FIELDS * 4:
            raise UnreadableError(f"more than {MAX_FIELDS:,} fields", place.line, place.column)
        if kind == "close":
            if len(stack) == 1 or token != closing or name is not None:
                raise UnreadableError(f'"{token}" closes nothing', place.line, place.column)
            _, _, name, within = stack.pop()
        elif kind == "open":
            if name is None:
                raise UnreadableError("a message without a name", place.line, place.column)
            message = Message(current.places[name])
            current.fields.setdefault(name, []).append(message)
            stack.append((message, _CLOSES[token], name if within else None, within))
            current.last = name
            if len(stack) > MAX_DEPTH:
                raise UnreadableError(f"nested deeper than {MAX_DEPTH} levels", place.line, place.column)
            name, within = None, False
        elif kind == "colon":
            if name is None:
                raise UnreadableError("a colon without a name", place.line, place.column)
        elif kind in ("list", "end"):
            within = kind == "list"
            if not within:
                name = None
        elif name is None and kind == "word":
            name = token
            current.places[name] = place
        elif name is None and kind == "text" and isinstance(before := _last(current), str):
            # Neighbouring strings are one.
            current.fields[str(current.last)][-1] = before + _unquoted(token)
        elif name is not None and kind in ("text", "number", "word"):
            current.fields.setdefault(name, []).append(_value(kind, token))
            current.last = name
            if not within:
                name = None
        else:
            raise UnreadableError(f'"{token[:40]}" is not expected here', place.line, place.column)
    if len(stack) > 1 or name is not None:
        raise UnreadableError("the file ends in the middle of a message", text.count("\n") + 1)
    return root


def _last(message: Message) -> Message | Value | None:
    return message.fields[message.last][-1] if message.last is not None else None


def _tokens(text: str, path: str) -> Iterator[tuple[str, str, Location]]:
    at, line, begin = 0, 1, 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise UnreadableError(
                f'"{text[at : at + 20]}" is not the text of a message', line, at - begin + 1
            )
        kind = str(match.lastgroup)
        if kind != "blank":
            yield kind, match[0], Location(path, line, at - begin + 1)
        breaks = match[0].count("\n")
        if breaks:
            line += breaks
            begin = match.start() + match[0].rfind("\n") + 1
        at = match.end()


def _value(kind: str, token: str) -> Value:
    if kind == "text":
        return _unquoted(token)
    if kind == "word":
        low = token.lower().lstrip("-")
        if low in ("inf", "infinity", "nan"):
            return float(token.lower())
        return _WORDS.get(token, token)
    bare = token.rstrip("fF") if not token.lower().lstrip("+-").startswith("0x") else token
    try:
        return (
            int(bare, 0) if re.fullmatch(r"[-+]?(0[xX][0-9a-fA-F]+|[1-9]\d{0,200}|0)", bare) else float(bare)
        )
    except ValueError:
        return token


def _unquoted(token: str) -> str:
    """The text of a string: escapes are bytes of UTF-8."""
    parts: list[bytes] = []
    done = 1
    for match in _ESCAPE.finditer(token, 1, len(token) - 1):
        parts.append(token[done : match.start()].encode("utf-8", "surrogatepass"))
        said = match[1]
        if said[0] in "01234567":
            parts.append(bytes([int(said, 8) & 255]))
        elif said[0] in "xX" and len(said) > 1:
            parts.append(bytes([int(said[1:], 16)]))
        elif said[0] in "uU" and len(said) > 1:
            parts.append(chr(min(int(said[1:], 16), 0x10FFFF)).encode("utf-8", "replace"))
        else:
            parts.append(_LETTERS.get(said, said).encode("utf-8", "surrogatepass"))
        done = match.end()
    parts.append(token[done:-1].encode("utf-8", "surrogatepass"))
    return b"".join(parts).decode("utf-8", "replace")
