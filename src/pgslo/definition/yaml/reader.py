"""Text to nodes: a strict subset of YAML 1.2, without surprises and without bombs.

Anchors, aliases, tags, merge keys, duplicate keys and several documents are refused. The events of PyYAML's
parser are put together without recursion.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from pgslo.definition.yaml.nodes import Mapping, Node, Scalar, Sequence
from pgslo.definition.yaml.scalars import Value, resolve
from pgslo.errors import DefinitionError, DefinitionErrors, Location, Problems
from pgslo.sql import BODY_QUOTE

MAX_BYTES = 1_000_000
MAX_EVENTS = 60_000
#: How far the slower parser goes to say more about an error.
MAX_EXPLAINED = 20_000
MAX_DEPTH = 40

#: libyaml where PyYAML has it: ten times as fast, the same events.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

#: Control characters, overrides of the writing direction, line breaks no editor counts, lone surrogates.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069"
    "\ufeff\ufffe\uffff\ud800-\udfff]"
)

_SYNTAX_HINTS = (
    ("'\\t'", "Indent with spaces, not with tabs."),
    ("mapping values are not allowed", 'A text that holds ": " has to be in quotes.'),
    ("chomping or indentation indicators", 'Write an operator such as >= in quotes: ">=".'),
    ("cannot start any token", "Put the text in quotes."),
    ("could not find expected ':'", "A key is followed by a colon and a space."),
    ("expected <block end>", "Look at the indentation, or put the whole text in quotes."),
    ("expected ',' or", "Close the bracket, or put the text in quotes."),
)


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
