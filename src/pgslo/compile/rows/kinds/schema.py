"""The columns and types a schema rule declares, against those a table has."""

from __future__ import annotations

import re
from typing import Any

from pgslo.catalog import Column
from pgslo.compile.choice import Choice
from pgslo.compile.part import Probe
from pgslo.compile.rows.kinds.base import RowKind
from pgslo.compile.snippets.literals import ARRAY
from pgslo.compile.table.batching import Writes
from pgslo.compile.table.context import TableContext
from pgslo.definition import rules
from pgslo.definition.rules.types import bases, spelled
from pgslo.errors import CatalogError, Location


class Schema(RowKind[rules.Schema]):
    """The table has some columns with their types."""

    def check(self) -> None:
        """See that a rule that rejects does not reject every write from its first day on.

        Raises:
            CatalogError: A column does not exist, has another type, or is not in the definition.
        """
        if self.rule.on_breach != "reject":
            return
        relation = self.subject.relation
        own = f"{relation.schema}.{relation.name}"
        for name, wanted in self.rule.columns.items():
            column = self.subject.column(name, self._place_of(name))
            if _is_other(column, wanted):
                raise CatalogError(
                    f'column "{name}" of {own} is {column.type}, not {_said(wanted)}',
                    detail=_STOPS,
                    location=self._place_of(name),
                )
        for column in relation.columns:
            if self.rule.extra == "forbid" and column.name not in self.rule.columns:
                raise CatalogError(
                    f'column "{column.name}" of {own} is not in the definition',
                    detail=_STOPS,
                    hint="add it, or leave extra: forbid out",
                    location=self.rule.place("extra"),
                )
        listed = [column.name for column in relation.columns if column.name in self.rule.columns]
        for here, wanted_here in zip(listed, self.rule.columns, strict=True):
            if self.rule.ordered and here != wanted_here:
                raise CatalogError(
                    f'column "{here}" of {own} is where the definition has "{wanted_here}"',
                    detail=_STOPS,
                    hint="list the columns in the order of the table, or leave ordered out",
                    location=self._place_of(wanted_here),
                )

    def choose(self, writes: Writes) -> Choice:
        """Return the mechanism that looks at the catalogue as rarely as can be."""
        del writes
        if self.rule.on_breach == "reject":
            return Choice(self.rule, "schema trigger", "one look at the catalogue before each statement")
        return Choice(
            self.rule, "on read", "one look at the catalogue at each guarded read; writes pay nothing"
        )

    def probes(self, table: TableContext) -> list[Probe]:
        """Return nothing: it states nothing that PostgreSQL evaluates."""
        del table
        return []

    def declared(self) -> dict[str, Any]:
        """Return the columns and types that the table has to have, in the order of the definition."""
        wanted = {name: _told(types) for name, types in self.rule.columns.items()}
        ordered = {"ordered": list(self.rule.columns)} if self.rule.ordered else {}
        return {"columns": wanted, "extra": self.rule.extra, **ordered}

    def _place_of(self, name: str) -> Location:
        keys = (f"columns.{name}", f"columns.{list(self.rule.columns).index(name)}")
        return self.rule.place(next((key for key in keys if key in self.rule.places), "columns"))


_STOPS = "on_breach: reject would stop every write."


def _is_other(column: Column, wanted: tuple[str, ...]) -> bool:
    """Whether a column has certainly another type than those wanted."""
    found = [bases(one) for one in wanted]
    if () in found:
        return False
    by_base = {base for one in found for base in one or ()}
    if column.category == ARRAY and "array" in by_base:
        return False
    # How a domain, or a type of another schema, is written depends on the search path.
    named_alike = re.sub(r"\(.*?\)", "", column.type) == column.base_type
    if column.type_schema != "pg_catalog" or (None in found and not named_alike):
        return False
    exact = {spelled(type_) for type_, one in zip(wanted, found, strict=True) if one is None}
    return column.type not in exact and column.base_type not in by_base


def _said(wanted: tuple[str, ...]) -> str:
    return " or ".join(spelled(one) if bases(one) is None else one for one in wanted)


def _told(wanted: tuple[str, ...]) -> str | dict[str, Any] | None:
    """Return the types that a column may have, for the runtime: a type, or what to compare; nothing for every type."""
    found = [bases(one) for one in wanted]
    if () in found:
        return None
    if found == [None]:
        return spelled(wanted[0])
    return {
        "said": _said(wanted),
        "exact": [spelled(type_) for type_, one in zip(wanted, found, strict=True) if one is None],
        "any": sorted({base for one in found for base in one or ()}),
    }
