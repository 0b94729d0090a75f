"""The model of a check in every format: its location, its outcome, and its rules here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from pgslo.errors import Location
from pgslo.importing.reasons import REASONS
from pgslo.sql import identifier

Status = Literal["mapped", "changed", "learned", "held", "not_mapped"]
STATUSES: tuple[Status, ...] = ("mapped", "changed", "learned", "held", "not_mapped")
#: Where in a definition a rule is written.
Place = Literal["column", "rule", "file", "schema", "assertion"]


@dataclass(frozen=True)
class TableName:
    """A table as the catalogue spells it."""

    schema: str
    name: str

    @property
    def text(self) -> str:
        """The name as SQL writes it."""
        return identifier(self.schema, self.name).text


@dataclass(eq=False)
class SourceTable:
    """A table as a source describes it.

    Attributes:
        key: How ``--map`` names it, for example ``ref:orders``.
        name: The table's name in the source.
        schema: Its schema, where the source says so.
        column_types: What the source says of its columns, in its order; ``None``: no type.
        primary_key: Columns that the source calls its key.
        present: Columns that have no NULL, as the database says.
        unfit: Why it gets no definition, for example because it is a view.
        only_by_map: Whether the source does not name it, so that only ``--map`` does.
        settings: All of a definition but its rules, if the source was exported from one.
        listed: Columns that this definition lists without a rule.
    """

    key: str
    name: str
    schema: str | None = None
    description: str = ""
    owner: str = ""
    tags: tuple[str, ...] = ()
    column_types: dict[str, str | None] = field(default_factory=dict)
    primary_key: tuple[str, ...] = ()
    present: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    unfit: str = ""
    only_by_map: bool = False
    settings: dict[str, Any] | None = None
    listed: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Found:
    """A check as it is in a source.

    Attributes:
        kind: What the source calls it.
        location: Location in the source.
        table: The table that it is about.
        column: The column, if it is about one.
        written: What the source says, on a line.
        body: What its reader needs to map it.
    """

    kind: str
    location: Location
    table: SourceTable
    column: str | None
    written: str
    body: Any = None


@dataclass(frozen=True)
class Remark:
    """Why a check was changed: one of the reasons, and its meaning for this check."""

    reason: str
    message: str = ""

    def __post_init__(self) -> None:
        """Refuse a reason that is not in the list."""
        if self.reason not in REASONS:
            raise AssertionError(f"{self.reason} is not a reason")

    @property
    def text(self) -> str:
        """The message, or what the reason says of every check."""
        return self.message or REASONS[self.reason]


@dataclass(frozen=True)
class Rule:
    """A rule of a definition.

    Attributes:
        kind: Its word.
        place: Where it is written.
        column: The column that it is written under; of a schema, the column whose type it says.
        parameters: Values by key, as the language writes them.
        options: Options of every rule, such as ``where``.
        severity: ``error`` or ``warn`` in the source.
        columns: Columns that it reads, for its name.
        verbatim: The rule as a definition wrote it, which stays as it is; of a file, with its key.
    """

    kind: str
    place: Place
    column: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    severity: Literal["error", "warn"] = "error"
    columns: tuple[str, ...] = ()
    verbatim: Any = None

    @property
    def statement(self) -> str:
        """Its content; two rules of a definition may not have the same."""
        if self.verbatim is not None:
            return repr((self.kind, self.column, self.verbatim))
        return repr((self.kind, self.column, sorted(self.parameters.items()), self.options.get("where")))


class UnmappableError(Exception):
    """A check has no counterpart; raised where that is found, kept as its outcome."""

    def __init__(self, reason: str, message: str = "") -> None:
        super().__init__(reason)
        self.remark = Remark(reason, message)


@dataclass(frozen=True)
class Outcome:
    """The outcome of a check."""

    status: Status
    rules: tuple[Rule, ...] = ()
    remarks: tuple[Remark, ...] = ()
    needs: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Rule]:
        """Its rules."""
        return iter(self.rules)


def mapped(*rules: Rule, remarks: tuple[Remark, ...] = (), needs: tuple[str, ...] = ()) -> Outcome:
    """A check that rules state here; with remarks, it is changed."""
    return Outcome("changed" if remarks else "mapped", rules, remarks, needs)


def not_mapped(reason: str, message: str = "") -> Outcome:
    """A check that nothing states here."""
    return Outcome("not_mapped", remarks=(Remark(reason, message),))


def held(reason: str, message: str = "") -> Outcome:
    """A check that cannot fail here."""
    return Outcome("held", remarks=(Remark(reason, message),))


def learned(message: str = "") -> Outcome:
    """A check in whose place bounds are learned."""
    return Outcome("learned", remarks=(Remark("learned_bounds", message),))
