"""The kind of rule that watches the segments of a batch, such as its tenants, one by one."""

from __future__ import annotations

from pydantic import Field

from pgslo.definition.rules.base import CountingRule
from pgslo.definition.rules.syntax import COLUMNS, Syntax, Ways

_BY_SEGMENT = Syntax(
    "by_segment: [tenant]",
    parameters={"per": COLUMNS, "columns": COLUMNS},
    required=("per",),
    shorthand=COLUMNS,
    stands_for=("per",),
)


class BySegment(CountingRule):
    """Within each segment of a batch there are as many rows, and as many of them have values, as history has it.

    Attributes:
        per: Columns whose values make a segment.
        columns: Columns in which values may be missing; none: all that may be NULL.
    """

    kind = "by_segment"
    syntax = Ways(rules=_BY_SEGMENT, file=_BY_SEGMENT)
    per: tuple[str, ...] = Field(min_length=1)
    columns: tuple[str, ...] = ()

    def expected(self) -> str:
        """Return the expected state in words."""
        values = f"values of {', '.join(self.columns)}" if self.columns else "values"
        return f"rows and {values} for each {' and '.join(self.per)} as history has them"

    @property
    def reads(self) -> tuple[str, ...]:
        """No column of its own: rows that are not there are missing in all of them, so each reader is warned."""
        return ()
