"""What the readers of data contracts know of a contract: its tables, and the checks of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pgslo.importing.model import SourceTable, TableName, UnmappableError
from pgslo.importing.options import Options

#: What logical types are here, where they are families, and which type bounds are read by.
FAMILIES: dict[str, tuple[str, ...]] = {
    "string": ("any text",), "text": ("any text",), "varchar": ("any text",),
    "number": ("any number",), "decimal": ("any number",), "numeric": ("any number",), "float": ("any number",), "double": ("any number",),
    "integer": ("any integer",), "int": ("any integer",), "long": ("any integer",), "bigint": ("any integer",),
    "date": ("date", "any timestamp"), "timestamp": ("any timestamp",), "timestamp_tz": ("any timestamptz",),
    "timestamp_ntz": ("timestamp without time zone",), "time": ("time without time zone", "time with time zone"),
    "boolean": ("boolean",), "bytes": ("bytea",), "array": ("any array",), "json": ("any json",), "variant": ("any json",),
}  # fmt: skip
_COMPARED_AS = {
    "any integer": "integer",
    "any text": "text",
    "boolean": "boolean",
    "date": "date",
    "any timestamp": "timestamp",
}


@dataclass(frozen=True)
class Fact:
    """What a contract says of a column or a table with a key of its own.

    Attributes:
        key: The key.
        value: The value under it.
        logical: The column's logical type.
    """

    key: str
    value: Any
    logical: str | None = None


@dataclass(frozen=True)
class Quality:
    """An entry under ``quality``."""

    said: dict[str, Any]


@dataclass(frozen=True)
class Level:
    """A service level: how old data may be, or another one."""

    key: str
    said: dict[str, Any]
    column: str | None


@dataclass
class Contract:
    """A contract.

    Attributes:
        tables: Tables by the names that the contract gives them.
        required: Columns that have a value, by table.
        stated: The parts of a table that are in pgslo's own words as well, by table.
    """

    options: Options
    tables: dict[str, SourceTable] = field(default_factory=dict)
    required: dict[str, set[str]] = field(default_factory=dict)
    stated: dict[str, set[tuple[str | None, str, str]]] = field(default_factory=dict)

    def own(self, table: SourceTable) -> TableName | None:
        """Return the table in the database, if it is known."""
        try:
            return self.options.resolve(table)
        except UnmappableError:
            return None

    def known(self) -> dict[str, TableName]:
        """Return the tables in the database by the names that the contract gives them."""
        found: dict[str, TableName] = {}
        for name, table in self.tables.items():
            own = self.own(table)
            if own is not None:
                found |= {name: own, table.name: own}
        return found


def compared_as(logical: str | None, physical: str | None) -> str | None:
    """Return the type by which bounds and values of a column are read."""
    return physical or _COMPARED_AS.get((FAMILIES.get((logical or "").lower()) or ("",))[0])
