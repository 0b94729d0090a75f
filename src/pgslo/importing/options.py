"""What the author of an import decides: which tables are meant, what variables are, and how strict rules are."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pgslo.catalog import Relation
from pgslo.definition import CustomKind, names
from pgslo.errors import PgsloError
from pgslo.importing.model import SourceTable, TableName, UnmappableError

_PARTS = 2
#: The schema of a table if nothing names one: that of PostgreSQL's own search_path.
SCHEMA = "public"


@dataclass(frozen=True)
class TableMap:
    """One ``--map``: the table of a name in a source."""

    pattern: str
    target: str

    @classmethod
    def parse(cls, text: str) -> TableMap:
        """Return the map that a text such as ``ref:orders=shop.orders`` writes.

        Raises:
            PgsloError: It is not written so.
        """
        pattern, equals, target = text.partition("=")
        if not equals or not pattern.strip() or not target.strip():
            raise PgsloError(
                f'"{text}" is not a map', hint="write source=schema.table, for example ref:orders=shop.orders"
            )
        return cls.of(pattern.strip(), target.strip())

    @classmethod
    def of(cls, pattern: str, target: str) -> TableMap:
        """Return the map of a pattern to a table.

        Raises:
            PgsloError: The table has no schema, or is not a name.
        """
        try:
            parts = names.split(f"{target.removesuffix('*')}x" if target.endswith(".*") else target)
        except names.BadNameError as error:
            raise PgsloError(f'"{target}" is not a table: {error}') from None
        if len(parts) != _PARTS:
            raise PgsloError(f'"{target}" is not a table with its schema', hint="write schema.table")
        return cls(pattern, target)

    def find(self, table: SourceTable) -> TableName | None:
        """Return the table of a source's table; ``*`` in the target is the table's own name."""
        pattern = self.pattern if ":" in self.pattern else f"*:{self.pattern}"
        if not fnmatch.fnmatchcase(table.key, pattern):
            return None
        if self.target.endswith(".*"):
            return TableName(names.split(self.target.removesuffix(".*"))[0], table.name)
        schema, name = names.split(self.target)
        return TableName(schema, name)


@dataclass(frozen=True)
class Options:
    """What the author decides.

    Attributes:
        source_format: The format, if it is not to be recognised.
        maps: Tables by their names in sources.
        schema: The schema of tables for which a source names none; ``None``: :data:`SCHEMA`, and the report says so.
        variables: Values of variables in sources.
        select: Patterns of tables; without any, all.
        error_as: The action of checks that are errors in the source.
        enforce: Whether rules may change writes.
        profiled: Whether bounds that a profiler took from one batch are mapped.
        kinds: The organisation's own kinds, by name.
        folder: Where definitions go, for their paths in the report.
        find: Looks a table of the database up; ``None``: no database is given.
    """

    source_format: str | None = None
    maps: tuple[TableMap, ...] = ()
    schema: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    select: tuple[str, ...] = ()
    error_as: Literal["warn", "quarantine", "reject"] = "warn"
    enforce: bool = False
    profiled: bool = False
    kinds: Mapping[str, CustomKind] = field(default_factory=dict)
    folder: str = "slos"
    find: Callable[[TableName], Relation | None] | None = None

    def resolve(self, table: SourceTable) -> TableName:
        """Return the table of the database that a source means.

        Raises:
            UnmappableError: Nothing says it.
        """
        for each in self.maps:
            found = each.find(table)
            if found is not None:
                return found
        if table.only_by_map:
            raise UnmappableError(
                "no_table", f"the source names no table: give --map '{table.key}=schema.table'"
            )
        schema = table.schema or self.schema or SCHEMA
        for name in (schema, table.name):
            if not names.is_name(name):
                raise UnmappableError("no_table", "the source's name is not a name of a table in PostgreSQL")
        return TableName(schema, table.name)

    def is_assumed(self, table: SourceTable) -> bool:
        """Whether nothing says the schema of a table, so that :data:`SCHEMA` is taken."""
        is_named = table.schema or self.schema or table.only_by_map
        return not is_named and all(each.find(table) is None for each in self.maps)

    def selects(self, table: SourceTable) -> bool:
        """Whether a table is to be imported."""
        return not self.select or any(
            fnmatch.fnmatchcase(table.name, one) or fnmatch.fnmatchcase(table.key, one) for one in self.select
        )
