"""A proposed definition, as frozen data."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Line:
    """One line of the file: its text without indentation, and its reason."""

    text: str
    reason: str
    off: bool = False


@dataclass(frozen=True)
class Batching:
    """The column of the batch, and the span it is cut into."""

    column: str
    every: str | None
    reason: str


@dataclass(frozen=True)
class Proposal:
    """What the file will say.

    Attributes:
        head: Lines of the file itself.
        columns: Rules by column, in the table's order.
        rules: Rules about several columns.
        remarks: Checked and omitted proposals.
        is_watched: Whether bounds are learned for the other columns: only from batch to batch.
    """

    head: tuple[Line, ...]
    columns: dict[str, tuple[Line, ...]] = field(default_factory=dict)
    rules: tuple[Line, ...] = ()
    remarks: tuple[str, ...] = ()
    is_watched: bool = True
