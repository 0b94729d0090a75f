"""Text to nodes that know their place: a strict subset of YAML 1.2, without surprises and without bombs.

Only ``true`` and ``false`` are booleans, so ``on`` and ``no`` stay text, and so do ``12:30`` and ``2026-01-01``.
Anchors, aliases, tags, merge keys, duplicate keys and several documents are refused. The events of PyYAML's
parser are put together without recursion.
"""

from __future__ import annotations

import decimal
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from pgslo.errors import DefinitionError, DefinitionErrors, Location, Problems
from pgslo.sql import BODY_QUOTE

MAX_BYTES = 1_000_000
MAX_EVENTS = 60_000
#: How far the slower parser goes to say more about an error.
MAX_EXPLAINED = 20_000
MAX_DEPTH = 40
MAX_DIGITS = 200
MAX_EXPONENT = 1_000

#: libyaml where PyYAML has it: ten times as fast, the same events.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Value = None | bool | int | decimal.Decimal | str

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z")
_NUMBER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)?(?:\.[0-9]*)?(?:[eE](?P<exponent>[-+]?[0-9]+))?\Z")
_SPECIAL = re.compile(r"(?P<sign>[-+]?)\.(?P<name>inf|Inf|INF|nan|NaN|NAN)\Z")
_NULLS = frozenset({"", "~", "null"})
_BOOLEANS = {"true": True, "false": False}
#: Control characters, overrides of the writing direction, line breaks no editor counts, lone surrogates.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069"
    "\ufeff\ufffe\uffff\ud800-\udfff]"
)
_ESCAPE_LENGTHS = {"x": 2, "u": 4, "U": 8}

_SYNTAX_HINTS = (
    ("'\\t'", "Indent with spaces, not with tabs."),
    ("mapping values are not allowed", 'A text that holds ": " has to be in quotes.'),
    ("chomping or indentation indicators", 'Write an operator such as >= in quotes: ">=".'),
    ("cannot start any token", "Put the text in quotes."),
    ("could not find expected ':'", "A key is followed by a colon and a space."),
    ("expected <block end>", "Look at the indentation, or put the whole text in quotes."),
    ("expected ',' or", "Close the bracket, or put the text in quotes."),
)


@dataclass(frozen=True)
class Scalar:
    """One value.

    Attributes:
        value: What it means; text unless it is written as null, a boolean or a number without quotes.
        text: What is written, without its quotes.
        location: Where it starts; the opening quote counts.
        raw: How the file spells it, with quotes and escapes.
    """

    value: Value
    text: str
    location: Location
    raw: str = field(default="", repr=False)

    def locate(self, offset: int) -> Location:
        """Where the n-th character of the text stands, as far as the file shows it in one piece."""
        step = _offsets(self.raw, self.text).get(offset)
        if step is None:
            return self.location
        before = self.raw[:step]
        lines = before.count("\n")
        column = len(before) - before.rfind("\n") if lines else self.location.column + step
        return Location(self.location.path, self.location.line + lines, column)


@dataclass(frozen=True)
class Sequence:
    """A list of nodes."""

    items: tuple[Node, ...]
    location: Location


@dataclass(frozen=True)
class Mapping:
    """Keys, which are always text, and nodes, in file order."""

    entries: tuple[tuple[Scalar, Node], ...]
    location: Location

    def get(self, key: str) -> Node | None:
        """The node under a key."""
        return next((node for name, node in self.entries if name.text == key), None)

    def place(self, key: str) -> Location:
        """Where a key stands, or the mapping without it."""
        return next((name.location for name, _ in self.entries if name.text == key), self.location)


Node = Scalar | Sequence | Mapping


def _offsets(raw: str, text: str) -> dict[int, int]:
    """Index in a text to index in its spelling, up to where the spelling is folded."""
    if raw[:1] in ("|", ">"):
        return _block_offsets(raw, text)
    at = 1 if raw[:1] in ("'", '"') else 0
    quote = raw[:at]
    found: dict[int, int] = {}
    while len(found) <= len(text) and at < len(raw) and raw[at] != "\n":
        found[len(found)] = at
        if quote == "'" and raw[at] == "'":
            at += 2
        elif quote == '"' and raw[at] == "\\":
            at += 2 + _ESCAPE_LENGTHS.get(raw[at + 1 : at + 2], 0)
        else:
            at += 1
    return found


def _block_offsets(raw: str, text: str) -> dict[int, int]:
    found: dict[int, int] = {}
    if raw.startswith(">"):
        return found
    start = raw.find("\n") + 1
    done = 0
    for line in text.split("\n"):
        end = raw.find("\n", start)
        spelled = raw[start:] if end < 0 else raw[start:end]
        if not spelled.endswith(line):
            return found
        indent = start + len(spelled) - len(line)
        found.update((done + step, indent + step) for step in range(len(line) + 1))
        done += len(line) + 1
        start = end + 1 if end >= 0 else len(raw)
    return found


def read(text: str, *, path: str) -> Node:
    """Read a file's text.

    Args:
        text: The text.
        path: The file as messages name it.

    Raises:
        DefinitionErrors: It is not a YAML document of the strict kind.
    """
    problems = Problems()
    text = text.removeprefix("\ufeff")
    if len(text.encode(errors="surrogatepass")) > MAX_BYTES:
        problems.add(
            DefinitionError(
                f"the file is larger than {MAX_BYTES // 1000} kB",
                hint="A definition is one file per table.",
                location=Location(path, 1, 1),
            )
        )
        problems.check()
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    _check_characters(text, path, problems)
    problems.check()
    node = _Builder(text, path, problems).build()
    problems.check()
    if node is None:
        raise DefinitionErrors((_empty(path),))
    return node


def _empty(path: str) -> DefinitionError:
    return DefinitionError(
        "the file is empty", hint='Start with "table: schema.name".', location=Location(path, 1, 1)
    )


def _check_characters(text: str, path: str, problems: Problems) -> None:
    for number, line in enumerate(text.split("\n"), 1):
        match = _FORBIDDEN.search(line)
        if match:
            problems.add(_forbidden(match.group(), Location(path, number, match.start() + 1)))
        at = line.find(BODY_QUOTE)
        if at >= 0:
            problems.add(_body_quote(Location(path, number, at + 1)))


def _forbidden(character: str, location: Location) -> DefinitionError:
    return DefinitionError(
        f"character U+{ord(character):04X} is not allowed",
        hint="It is invisible or changes how the text around it reads; leave it out.",
        location=location,
    )


def _body_quote(location: Location) -> DefinitionError:
    return DefinitionError(
        f"text may not contain {BODY_QUOTE}",
        hint="That sequence of characters quotes generated functions; leave it out.",
        location=location,
    )


@dataclass
class _Open:
    """A list or mapping whose end has not been read."""

    location: Location
    is_mapping: bool
    items: list[Node] = field(default_factory=list)
    entries: list[tuple[Scalar, Node]] = field(default_factory=list)
    keys: dict[str, Location] = field(default_factory=dict)
    key: Node | None = None

    def close(self) -> Node:
        if self.is_mapping:
            return Mapping(tuple(self.entries), self.location)
        return Sequence(tuple(self.items), self.location)


class _Builder:
    def __init__(self, text: str, path: str, problems: Problems) -> None:
        self._text = text
        self._path = path
        self._problems = problems
        self._open: list[_Open] = []
        self._root: Node | None = None
        self._documents = 0

    def build(self) -> Node | None:
        """The document's node; ``None`` for an empty file."""
        for count, event in enumerate(self._events()):
            if count > MAX_EVENTS:
                self._stop("the file has too many entries", event.start_mark)
            match event:
                case yaml.DocumentStartEvent():
                    self._document(event)
                case yaml.AliasEvent():
                    self._refuse("aliases are not allowed", event.start_mark, hint="Write the value out.")
                    self._add(Scalar(None, "", self._location(event.start_mark)))
                case yaml.ScalarEvent():
                    self._add(self._scalar(event))
                case yaml.CollectionStartEvent():
                    self._start(event)
                case yaml.CollectionEndEvent():
                    self._add(self._open.pop().close())
        return self._root

    def _events(self) -> Iterator[yaml.Event]:
        try:
            yield from yaml.parse(self._text, Loader=_LOADER)
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            if "nesting" in str(error) and (mark := _too_deep(self._text)):
                # Newer versions of libyaml have a limit of their own, which they see before we see ours.
                self._stop(f"nested deeper than {MAX_DEPTH} levels", mark)
            # PyYAML lets the errors of an escape such as "\UFFFFFFFF" through.
            self._syntax(_explained(self._text, error))

    def _syntax(self, error: Exception) -> None:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = str(getattr(error, "problem", None) or getattr(error, "context", None) or error)
        hint = next((hint for words, hint in _SYNTAX_HINTS if words in problem), None)
        place = self._location(mark) if mark else Location(self._path, 1, 1)
        self._problems.add(DefinitionError(f"not YAML: {problem}", hint=hint, location=place))
        self._problems.check()

    def _location(self, mark: Any) -> Location:
        return Location(self._path, mark.line + 1, mark.column + 1)

    def _refuse(self, message: str, mark: Any, *, hint: str | None = None) -> None:
        self._problems.add(DefinitionError(message, hint=hint, location=self._location(mark)))

    def _stop(self, message: str, mark: Any) -> None:
        self._refuse(message, mark)
        self._problems.check()

    def _document(self, event: yaml.DocumentStartEvent) -> None:
        self._documents += 1
        if event.version or event.tags:
            self._refuse("YAML directives are not allowed", event.start_mark, hint="Leave the % line out.")
        if self._documents > 1:
            self._stop("one file holds one definition; a second document starts here", event.start_mark)

    def _start(self, event: yaml.CollectionStartEvent) -> None:
        self._check_decoration(event)
        self._open.append(_Open(self._location(event.start_mark), isinstance(event, yaml.MappingStartEvent)))
        if len(self._open) > MAX_DEPTH:
            self._stop(f"nested deeper than {MAX_DEPTH} levels", event.start_mark)

    def _check_decoration(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        if event.anchor is not None:
            self._refuse("anchors are not allowed", event.start_mark, hint="Put a text with & in quotes.")
        if event.tag is not None:
            self._refuse("tags are not allowed", event.start_mark, hint="Put a text with ! in quotes.")

    def _scalar(self, event: yaml.ScalarEvent) -> Scalar:
        self._check_decoration(event)
        location = self._location(event.start_mark)
        text: str = event.value
        # PyYAML's types call a mark optional; its own parser marks every event.
        start: Any = event.start_mark
        end: Any = event.end_mark
        raw = self._text[start.index : end.index]
        match = _FORBIDDEN.search(text)
        if match:
            self._problems.add(_forbidden(match.group(), location))
        if BODY_QUOTE in text:
            self._problems.add(_body_quote(location))
        value: Value = text
        if event.style in (None, ""):
            try:
                value = resolve(text)
            except ValueError as error:
                self._refuse(str(error), event.start_mark)
        return Scalar(value, text, location, raw)

    def _add(self, node: Node) -> None:
        if not self._open:
            self._root = node
            return
        parent = self._open[-1]
        if not parent.is_mapping:
            parent.items.append(node)
        elif parent.key is None:
            parent.key = node
            self._check_key(node, parent)
        else:
            if isinstance(parent.key, Scalar):
                parent.entries.append((parent.key, node))
            parent.key = None

    def _check_key(self, key: Node, parent: _Open) -> None:
        if not isinstance(key, Scalar):
            self._problems.add(DefinitionError("a key has to be text", location=key.location))
        elif key.raw == "<<":
            self._problems.add(DefinitionError("merge keys are not allowed", location=key.location))
        elif not isinstance(key.value, str):
            self._problems.add(
                DefinitionError(
                    "a key has to be text", hint=f'Put it in quotes: "{key.text}".', location=key.location
                )
            )
        else:
            first = parent.keys.setdefault(key.text, key.location)
            if first is not key.location:
                self._problems.add(
                    DefinitionError(
                        f'key "{key.text}" is written twice',
                        detail=f"The first one is on line {first.line}.",
                        location=key.location,
                    )
                )


def _too_deep(text: str) -> Any:
    """Where a text is first nested too deep, found without reading further."""
    depth = 0
    for event in itertools.islice(yaml.parse(text, Loader=yaml.SafeLoader), MAX_EXPLAINED):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            return event.start_mark
    return None


def _explained(text: str, error: Exception) -> Exception:
    """The same error in the words of PyYAML's own parser, which says more than libyaml."""
    try:
        for _ in itertools.islice(yaml.parse(text, Loader=yaml.SafeLoader), MAX_EXPLAINED):
            pass
    except (yaml.YAMLError, ValueError, OverflowError) as better:
        return better
    return error


def resolve(text: str) -> Value:
    """What a scalar without quotes means.

    Raises:
        ValueError: A number has too many digits.
    """
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    special = _SPECIAL.match(text)
    if special:
        return decimal.Decimal(special["sign"] + special["name"])
    number = _NUMBER.match(text)
    if number is None or not any(
        character.isdigit() for character in text.partition("e")[0].partition("E")[0]
    ):
        return text
    if len(text) > MAX_DIGITS or abs(int(number["exponent"] or 0)) > MAX_EXPONENT:
        raise ValueError(f"a number may have at most {MAX_DIGITS} digits and an exponent of {MAX_EXPONENT}")
    return int(text) if _INTEGER.match(text) else decimal.Decimal(text)


_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_OTHER = {"true", "false", "null", "nan", "inf", "infinity", "yes", "no", "on", "off", "y", "n"}
_ODD = re.compile("[\x00-\x1f\x7f-\xa0\u2028-\u202e\u2066-\u2069\u200e\u200f\ufeff\ud800-\udfff\ufffe\uffff]")


def scalar(text: str) -> str:
    """A name or value as YAML: plain where that is safe."""
    if _PLAIN.match(text) and text.lower() not in _OTHER:
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + _ODD.sub(lambda match: f"\\u{ord(match[0]):04x}", escaped) + '"'
