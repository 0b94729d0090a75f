"""What a person edited in a definition and what a newer import says, put together rule by rule.

A definition is cut into units: a line with the comments above it and whatever is indented below it, unless that are units of
their own. A unit is known by its path, such as ``columns``, ``x``, ``not_null``, so that its text can change.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

Key = tuple[str, ...]
#: Sections whose lines are units, by the depth of the indent.
_SECTIONS = frozenset({"columns", "rules", "assertions", "schema"})
_STEP = 2
_NAME = re.compile(r"""\s*(?:- )?(?P<name>"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s:#]+)""")
_OWN_NAME = re.compile(r"[{,]\s*name:\s*(\w+)")
_PLACE = re.compile(r"\s+#.*\Z")


@dataclass
class Unit:
    """A line with what belongs to it.

    Attributes:
        key: Its path.
        lines: Its lines, comments first.
        head: The index of its own line among them.
        start: The number of its first line in the file.
    """

    key: Key
    lines: list[str]
    head: int
    start: int

    @property
    def text(self) -> str:
        """Its lines."""
        return "\n".join(self.lines).strip("\n")

    @property
    def core(self) -> str:
        """Its content, without comments on lines of their own and without the place in a source."""
        said = [line for line in self.lines if line.strip() and not line.lstrip().startswith("#")]
        return "\n".join(_PLACE.sub("", line) for line in said)


@dataclass(frozen=True)
class Kept:
    """A rule that stays as a person wrote it, though the source has another one.

    Attributes:
        line: Its line.
        wanted: What the import would write; ``None`` if the source does not have it any more.
    """

    line: int
    wanted: str | None


@dataclass
class Merged:
    """A definition that was put together.

    Attributes:
        text: Its text.
        kept: Rules that stay as a person wrote them.
        lines: Lines of it by those of the newer import; without lines that were deleted by hand.
    """

    text: str = ""
    kept: list[Kept] = field(default_factory=list)
    lines: dict[int, int] = field(default_factory=dict)


def merge(base: str, ours: str, theirs: str) -> Merged:
    """Return a definition with what a person changed and what a source changed.

    Args:
        base: What the last import wrote.
        ours: The file as it is.
        theirs: What this import would write.
    """
    before, wanted = ({unit.key: unit for unit in units(text)} for text in (base, theirs))
    mine = units(ours)
    present = {unit.key for unit in mine}
    result: list[Unit] = []
    edited: list[tuple[Unit, Unit | None]] = []
    for unit in mine:
        old, new = before.get(unit.key), wanted.get(unit.key)
        if old is not None and unit.text == old.text:
            if new is not None:
                result.append(new)
            elif _has_own(unit.key, mine, before, wanted):
                result.append(unit)
            continue
        result.append(unit)
        if new is None:
            is_other = old is not None
        else:
            is_other = new.core not in (unit.core, old.core if old is not None else None)
        if is_other:
            edited.append((unit, new))
    _add(result, wanted, before, present)
    return _joined(result, wanted, edited)


def _has_own(key: Key, mine: list[Unit], before: dict[Key, Unit], wanted: dict[Key, Unit]) -> bool:
    """Whether a person wrote something below a line, which so has to stay."""
    return any(
        unit.key[: len(key)] == key
        and len(unit.key) > len(key)
        and (unit.key in wanted or unit.key not in before or unit.text != before[unit.key].text)
        for unit in mine
    )


def _add(result: list[Unit], wanted: dict[Key, Unit], before: dict[Key, Unit], present: set[Key]) -> None:
    """Put new parts of the source after their predecessors; lines that were deleted by hand stay deleted."""
    there = {unit.key for unit in result}
    new = [key for key in wanted if key not in there and key not in present and key not in before]
    # A new part below a deleted line brings that line along.
    needed = {key[:depth] for key in new for depth in range(1, len(key))}
    last: Key | None = None
    for key, unit in wanted.items():
        if key not in there and (key in new or key in needed):
            at = next((number for number, one in enumerate(result) if one.key == last), -1)
            if last is not None:
                while (
                    at + 1 < len(result) and _is_below(result[at + 1].key, last) and not _is_below(key, last)
                ):
                    at += 1
            result.insert(at + 1, unit)
            there.add(key)
        if key in there:
            last = key


def _is_below(key: Key, other: Key) -> bool:
    return len(key) > len(other) and key[: len(other)] == other


def _joined(result: list[Unit], wanted: dict[Key, Unit], edited: list[tuple[Unit, Unit | None]]) -> Merged:
    merged = Merged()
    lines: list[str] = []
    heads: dict[Key, int] = {}
    for unit in result:
        heads[unit.key] = len(lines) + unit.head + 1
        lines += unit.lines
    merged.text = "\n".join(lines).strip("\n") + "\n"
    cut = next((number for number, line in enumerate(lines) if line), 0)
    for key, unit in wanted.items():
        if key in heads:
            merged.lines[unit.start + unit.head] = heads[key] - cut
    merged.kept = [
        Kept(heads[unit.key] - cut, None if new is None else new.lines[new.head].strip())
        for unit, new in edited
    ]
    return merged


def units(text: str) -> list[Unit]:
    """Return the units of a definition, in the order of the file."""
    found: list[Unit] = []
    waiting: list[str] = []
    path: list[str] = []
    seen: dict[Key, int] = {}
    lines = text.removesuffix("\n").split("\n")
    for number, line in enumerate(lines, start=1):
        bare = line.strip()
        if not bare or bare.startswith("#"):
            waiting.append(line)
            continue
        indent = len(line) - len(line.lstrip())
        if not _is_unit(indent, path) and found:
            found[-1].lines += [*waiting, line]
            waiting = []
            continue
        path = [*path[: indent // _STEP], _name(line)]
        key = tuple(path)
        seen[key] = seen.get(key, 0) + 1
        if seen[key] > 1:
            key = (*key[:-1], f"{key[-1]} {seen[key]}")
        found.append(Unit(key, [*waiting, line], len(waiting), number - len(waiting)))
        waiting = []
    if waiting:
        found.append(Unit(("#",), waiting, 0, len(lines) - len(waiting) + 1))
    return found


def _is_unit(indent: int, path: list[str]) -> bool:
    depth = indent // _STEP
    if indent % _STEP or depth > len(path):
        return False
    if depth == 0:
        return True
    if path[0] not in _SECTIONS:
        return False
    return depth == 1 or (depth == _STEP and (path[0] == "columns" or path[:2] == ["schema", "columns"]))


def _name(line: str) -> str:
    """What a line is called: its key, or the kind of a rule with the name that it has."""
    match = _NAME.match(line)
    name = match["name"] if match else line.strip()
    own = _OWN_NAME.search(line) if line.lstrip().startswith("- ") else None
    return f"{name} {own[1]}" if own and own.start() > 0 else name
