"""Text to nodes, without recursion: anchors, aliases and merge keys are followed, within limits of size, depth and number."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from pgslo.errors import Location
from pgslo.importing.source.nodes import Mapping, Node, Scalar, Sequence
from pgslo.importing.source.scalars import resolve

MAX_DEPTH = 40
MAX_NODES = 100_000

#: libyaml where PyYAML has it: ten times as fast, the same events.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAGS = frozenset({None, "!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"})


#: A character that JSON writes as two halves, which YAML does not know.
_PAIR = re.compile(r"(?<!\\)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


def _joined(match: re.Match[str]) -> str:
    return bytes.fromhex(match[1] + match[2]).decode("utf-16-be")


class UnreadableError(Exception):
    """A file cannot be read; the message says why, for people."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


@dataclass
class _Open:
    """A list or mapping whose end has not been read."""

    location: Location
    is_mapping: bool
    anchor: str | None
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, Scalar] = field(default_factory=dict)
    merged: list[Mapping] = field(default_factory=list)
    key: Scalar | None = None
    size: int = 1
    height: int = 1


def read(text: str, *, path: str) -> tuple[Node, ...]:
    """Return the documents of a file.

    Args:
        text: The file's text.
        path: The file as messages name it.

    Raises:
        UnreadableError: It is neither YAML nor JSON, or exceeds a limit.
    """
    return _Builder(text, path).build()


class _Builder:
    def __init__(self, text: str, path: str) -> None:
        # A tab may be between the tokens of JSON, and nowhere in YAML's indentation.
        is_json = text.lstrip()[:1] in ("{", "[")
        self._text = _PAIR.sub(_joined, text.replace("\t", " ")) if is_json else text
        self._path = path
        self._open: list[_Open] = []
        self._documents: list[Node] = []
        self._anchors: dict[str, Node] = {}
        #: Nodes below each list or mapping with aliases written out, and how deep they go.
        self._sizes: dict[int, tuple[int, int]] = {}
        self._count = 0

    def build(self) -> tuple[Node, ...]:
        try:
            for event in yaml.parse(self._text, Loader=_LOADER):
                self._event(event)
        except yaml.YAMLError as error:
            mark: Any = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
            problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            raise UnreadableError(f"not YAML: {problem.partition(chr(10))[0][:200]}", line, column) from None
        except (ValueError, OverflowError) as error:
            raise UnreadableError(f"not YAML: {str(error)[:200]}") from None
        return tuple(self._documents)

    def _event(self, event: yaml.Event) -> None:
        match event:
            case yaml.ScalarEvent():
                self._add(self._scalar(event), event, 1, 0)
            case yaml.AliasEvent():
                name = event.anchor or ""
                node = self._anchors.get(name)
                if node is None:
                    self._stop(f'alias "{name[:40]}" has no anchor', event)
                else:
                    self._add(node, event, *self._sizes.get(id(node), (1, 0)))
            case yaml.CollectionStartEvent():
                self._check_tag(event)
                mapping = isinstance(event, yaml.MappingStartEvent)
                self._open.append(_Open(self._location(event), mapping, event.anchor))
                if len(self._open) > MAX_DEPTH:
                    self._stop(f"nested deeper than {MAX_DEPTH} levels", event)
            case yaml.CollectionEndEvent():
                self._close(event)
            case yaml.DocumentStartEvent():
                self._anchors.clear()

    def _close(self, event: yaml.Event) -> None:
        done = self._open.pop()
        node: Node
        if done.is_mapping:
            # Of a merge, the mapping's own keys win, then those of the first mapping that is merged.
            for other in done.merged:
                for name, value in other.entries.items():
                    done.entries.setdefault(name, value)
                    done.keys.setdefault(name, other.keys[name])
            node = Mapping(done.entries, done.keys, done.location)
        else:
            node = Sequence(tuple(done.items), done.location)
        self._sizes[id(node)] = (done.size, done.height)
        if done.anchor:
            self._anchors[done.anchor] = node
        self._add(node, event, done.size, done.height)

    def _scalar(self, event: yaml.ScalarEvent) -> Scalar:
        self._check_tag(event)
        text: str = event.value
        is_plain = event.style in (None, "") and event.tag is None
        scalar = Scalar(resolve(text) if is_plain else text, text, self._location(event))
        if event.anchor:
            self._anchors[event.anchor] = scalar
        return scalar

    def _check_tag(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        if event.tag not in _TAGS:
            self._stop(f"tag {str(event.tag)[:60]} is not read", event)

    def _add(self, node: Node, event: yaml.Event, size: int, height: int) -> None:
        if not self._open:
            self._documents.append(node)
            return
        parent = self._open[-1]
        parent.size += size
        parent.height = max(parent.height, height + 1)
        if isinstance(event, yaml.AliasEvent):
            self._count += size
        else:
            self._count += 1
        if self._count > MAX_NODES:
            self._stop(f"more than {MAX_NODES:,} values", event)
        if len(self._open) + height > MAX_DEPTH:
            self._stop(f"nested deeper than {MAX_DEPTH} levels", event)
        if not parent.is_mapping:
            parent.items.append(node)
        elif parent.key is None:
            if not isinstance(node, Scalar):
                self._stop("a key that is a list or a mapping is not read", event)
            else:
                parent.key = node
        else:
            self._put(parent, parent.key, node, event)
            parent.key = None

    def _put(self, parent: _Open, key: Scalar, node: Node, event: yaml.Event) -> None:
        if key.text == "<<" and key.value == "<<":
            merged = node.items if isinstance(node, Sequence) else (node,)
            if not all(isinstance(one, Mapping) for one in merged):
                self._stop("a merge key needs mappings", event)
            parent.merged.extend(one for one in merged if isinstance(one, Mapping))
            return
        if key.text in parent.entries:
            first = parent.keys[key.text].location.line
            raise UnreadableError(
                f'key "{key.text[:60]}" is written twice, first on line {first}',
                key.location.line,
                key.location.column,
            )
        parent.entries[key.text] = node
        parent.keys[key.text] = key

    def _location(self, event: yaml.Event) -> Location:
        mark: Any = event.start_mark
        return Location(self._path, mark.line + 1, mark.column + 1)

    def _stop(self, message: str, event: yaml.Event) -> None:
        mark: Any = event.start_mark
        raise UnreadableError(message, mark.line + 1, mark.column + 1)
