"""The model of every export: the statements of a definition, and the outcome of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from pgslo import definition
from pgslo.definition import CustomKind, Definition
from pgslo.definition.rules import Rule
from pgslo.definition.syntax.forms import FILE_FORMS
from pgslo.definition.yaml import nodes, reader, writing
from pgslo.errors import Location
from pgslo.exporting.reasons import REASONS

Status = Literal["exported", "changed", "not_expressible"]
STATUSES: tuple[Status, ...] = ("exported", "changed", "not_expressible")
Place = Literal["column", "rule", "file", "assertion"]


@dataclass(frozen=True)
class Statement:
    """A rule as its author wrote it.

    Attributes:
        rule: The rule.
        place: Where it is written.
        written: The written value, as plain data.
    """

    rule: Rule
    place: Place
    written: Any

    @property
    def is_inside(self) -> bool:
        """Whether it is written under a path; without a database, a name with a dot is taken for one."""
        return self.place == "column" and "." in str(self.rule.column)

    @property
    def fragment(self) -> dict[str, Any]:
        """A definition that holds the rule alone, without its table."""
        if self.place == "column":
            return {"columns": {str(self.rule.column): [self.written]}}
        if self.place == "file":
            return {self.rule.kind: self.written}
        return {"rules" if self.place == "rule" else "assertions": [self.written]}

    @property
    def text(self) -> str:
        """The fragment as a line of YAML."""
        (key, value), *_ = self.fragment.items()
        return f"{key}: {writing.value(value)}"


@dataclass(frozen=True)
class Whole:
    """A definition with its statements.

    Attributes:
        definition: The definition.
        statements: Its rules, in the order of the file.
        settings: All else, as plain data.
    """

    definition: Definition
    statements: tuple[Statement, ...]
    settings: dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """The outcome of a rule.

    Attributes:
        rule: Its name.
        kind: Its kind.
        table: Its table, as SQL writes it.
        column: Its column, if it is about one.
        location: Where it is written.
        status: The outcome.
        reason: Why it is not as it was.
        message: That in words.
        path: The file that has it.
    """

    rule: str
    kind: str
    table: str
    column: str | None
    location: Location
    status: Status
    reason: str | None
    message: str | None
    path: str | None = None


@dataclass
class Exported:
    """The outcome of definitions.

    Attributes:
        format: The format.
        entries: Every rule, once.
        files: Text of each file by its path.
        left_out: Keys of definitions that hold no rules and have no counterpart.
    """

    format: str
    entries: list[Entry] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


class NotExpressibleError(Exception):
    """The format cannot express a rule; raised where that is found."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = known(reason)


def known(reason: str) -> str:
    """Return a reason of the list; another one is a mistake of this program."""
    if reason not in REASONS:
        raise AssertionError(f"{reason} is not a reason")
    return reason


def entry(
    whole: Whole, statement: Statement, status: Status, reason: str | None = None, path: str | None = None
) -> Entry:
    """Return the outcome of a rule."""
    made = statement.rule
    said = None if reason is None else REASONS[known(reason)]
    return Entry(
        made.name, made.word, whole.definition.name, made.column, made.location, status, reason, said, path
    )


def load(text: str, *, path: str, kinds: dict[str, CustomKind] | None = None) -> Whole:
    """Return a definition with the written text of each rule.

    Raises:
        DefinitionErrors: The text is not a definition.
    """
    made = definition.load(text, path=path, kinds=kinds or {})
    root = reader.read(text, path=path)
    assert isinstance(root, nodes.Mapping)
    rules = {(rule.location.line, rule.location.column): rule for rule in (*made.rules, *made.assertions)}
    statements: list[Statement] = []
    settings: dict[str, Any] = {}

    def state(place: Place, at: Location, written: Any, name: str | None = None) -> None:
        # A rule under "rules" has its name; of any other one, the place is known.
        key = next((key for key, rule in rules.items() if rule.name == name), (at.line, at.column))
        statements.append(Statement(rules.pop(key), place, written))

    for key, below in root.entries:
        if key.text in FILE_FORMS:
            state("file", key.location, writing.plain(below))
        elif key.text == "columns" and isinstance(below, nodes.Mapping):
            for name, listed in below.entries:
                for item in listed.items if isinstance(listed, nodes.Sequence) else ():
                    at = item.entries[0][0].location if isinstance(item, nodes.Mapping) else item.location
                    state("column", at, writing.plain(item))
                if isinstance(listed, nodes.Sequence) and not listed.items:
                    settings.setdefault("columns", {})[name.text] = []
        elif key.text in ("rules", "assertions") and isinstance(below, nodes.Sequence):
            for item in below.items:
                if isinstance(item, nodes.Mapping):
                    place: Place = "rule" if key.text == "rules" else "assertion"
                    first = item.entries[0][0]
                    state(place, first.location, writing.plain(item), first.text)
        else:
            settings[key.text] = writing.plain(below)
    if rules:
        raise AssertionError(f"{[rule.name for rule in rules.values()]}: rules that are written nowhere")
    return Whole(made, tuple(statements), settings)
