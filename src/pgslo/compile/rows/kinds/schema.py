"""The columns and types a schema rule declares, against those a table has."""

from __future__ import annotations

import re
from typing import Any

from pgslo.compile.choice import Choice
from pgslo.compile.part import Probe
from pgslo.compile.rows.kinds.base import RowKind
from pgslo.compile.table.batching import Writes
from pgslo.compile.table.context import TableContext
from pgslo.definition import rules
from pgslo.errors import CatalogError


class Schema(RowKind[rules.Schema]):
    """The table has some columns with their types."""

    def check(self) -> None:
        """See that a rule that rejects does not reject every write from its first day on.

        Raises:
            CatalogError: A column does not exist, has another type, or is not in the definition.
        """
        if self.rule.on_breach != "reject":
            return
        for name, wanted in self.types().items():
            place = self.rule.place(f"columns.{name}" if f"columns.{name}" in self.rule.places else "columns")
            column = self.subject.column(name, place)
            # How a domain, or a type of another schema, is written depends on the search path.
            named_alike = re.sub(r"\(.*?\)", "", column.type) == column.base_type
            if column.type_schema == "pg_catalog" and named_alike and column.type != wanted:
                raise CatalogError(
                    f'column "{name}" of {self.subject.relation.schema}.{self.subject.relation.name} is {column.type}, not {wanted}',
                    detail="on_breach: reject would stop every write.",
                    location=place,
                )
        for column in self.subject.relation.columns:
            if self.rule.extra == "forbid" and column.name not in self.rule.columns:
                raise CatalogError(
                    f'column "{column.name}" of {self.subject.relation.schema}.{self.subject.relation.name} is not in the definition',
                    detail="on_breach: reject would stop every write.",
                    hint="add it, or leave extra: forbid out",
                    location=self.rule.place("extra"),
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
        return {"columns": self.types(), "extra": self.rule.extra}

    def types(self) -> dict[str, str]:
        """Return the types as ``format_type`` prints them, however the author spelled them."""
        return {name: _spelled(type_) for name, type_ in self.rule.columns.items()}


#: Other spellings of types, by what PostgreSQL calls them.
_SPELLINGS = {
    "bigint": ("int8",),
    "integer": ("int", "int4"),
    "smallint": ("int2",),
    "double precision": ("float8", "float"),
    "real": ("float4",),
    "numeric": ("decimal",),
    "boolean": ("bool",),
    "character varying": ("varchar",),
    "character": ("char",),
    "bit varying": ("varbit",),
    "timestamp with time zone": ("timestamptz",),
    "timestamp without time zone": ("timestamp",),
    "time with time zone": ("timetz",),
    "time without time zone": ("time",),
}
_TYPES = {spelling: type_ for type_, spellings in _SPELLINGS.items() for spelling in spellings}
_TYPE = re.compile(
    r"(?P<name>[a-z][a-z0-9 ]*?) *(?P<modifier>\([0-9, ]*\))?(?P<zone> with(?:out)? time zone)?(?P<array>(?:\[\])*)\Z"
)


def _spelled(type_: str) -> str:
    match = _TYPE.match(type_.strip().lower())
    if match is None:
        return type_
    zone = match["zone"] or ""
    name = f"{match['name']}{zone}"
    name = _TYPES.get(name, name)
    modifier = (match["modifier"] or "").replace(" ", "")
    if name.startswith("time"):
        # timestamp(3) with time zone
        first, _, rest = name.partition(" ")
        return f"{first}{modifier} {rest}{match['array']}"
    if name == "character" and not modifier:
        modifier = "(1)"
    return f"{name}{modifier}{match['array']}"
