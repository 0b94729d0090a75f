"""Warnings of guarded views as Python objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Literal, Self, TypeAlias

import psycopg

from pgslo import naming
from pgslo.display import one_line
from pgslo.errors import PgsloError

#: What a connection does with a warning; a callable gets each one once its statement is over.
Reaction: TypeAlias = "Literal['warn', 'raise'] | Callable[[SLOWarning], object]"

_INCIDENT = re.compile(r"\bIncident (\d+)\b")


class SLOWarning(UserWarning):
    """Data that was read, or written, misses an objective (01SL1) or cannot be judged (01SL2).

    Attributes:
        sqlstate: ``01SL1`` or ``01SL2``.
        message: One line: the column, its table and the rule.
        detail: The measured value, its batch, and the start.
        hint: The incident, its owner, and the query that explains it.
        schema: Schema of the table, as the catalogue spells it.
        table: The table behind the guarded view.
        column: The column, or ``None`` when the rule is about the whole table.
        rule: Name of the rule.
        incident: Number of the incident, read from the hint, or ``None``.
    """

    def __init__(
        self,
        message: str,
        *,
        sqlstate: str = naming.OBJECTIVE_MISSED,
        detail: str | None = None,
        hint: str | None = None,
        schema: str | None = None,
        table: str | None = None,
        column: str | None = None,
        rule: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.sqlstate = sqlstate
        self.detail = detail
        self.hint = hint
        self.schema = schema
        self.table = table
        self.column = column
        self.rule = rule
        found = _INCIDENT.search(hint or "")
        self.incident = int(found[1]) if found else None

    @classmethod
    def from_diagnostic(cls, diagnostic: psycopg.errors.Diagnostic) -> Self:
        """Copy a notice; psycopg's own object is empty once the notice handler has returned."""
        return cls(
            diagnostic.message_primary or "",
            sqlstate=diagnostic.sqlstate or "",
            detail=diagnostic.message_detail,
            hint=diagnostic.message_hint,
            schema=diagnostic.schema_name or None,  # PL/pgSQL cannot leave a field out, only empty
            table=diagnostic.table_name or None,
            column=diagnostic.column_name or None,
            rule=diagnostic.constraint_name or None,
        )

    @property
    def cause(self) -> object:
        """What a warning has in common with those that repeat it in one statement."""
        return self.incident or str(self)

    def __str__(self) -> str:
        # Python prints it on a terminal or into a log, and names and values in it may hold anything.
        lines = [one_line(self.message)]
        if self.detail:
            lines.append(f"DETAIL:  {one_line(self.detail)}")
        if self.hint:
            lines.append(f"HINT:  {one_line(self.hint)}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[Any, ...]:
        fields = ("sqlstate", "detail", "hint", "schema", "table", "column", "rule")
        make = partial(type(self), **{field: getattr(self, field) for field in fields})
        return make, (self.message,), self.__dict__


class SLOBreach(PgsloError):
    """A statement was stopped because of its warnings, as its reader asked with ``on_warning="raise"``.

    Attributes:
        warnings: What the server warned of, in its order; never empty.
    """

    def __init__(self, warnings: Iterable[SLOWarning]) -> None:
        self.warnings = tuple(warnings)
        first, others = self.warnings[0], len(self.warnings) - 1
        message = f"{first.message} (and {others} more)" if others else first.message
        super().__init__(message, detail=first.detail, hint=first.hint)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.warnings,), self.__dict__
