"""What the reader of dbt knows of a test, whether it comes from a schema file or from a manifest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pgslo.importing.formats.dbt.jinja import Jinja
from pgslo.importing.model import SourceTable, TableName, UnmappableError
from pgslo.importing.options import SCHEMA, Options


@dataclass(frozen=True, eq=False)
class Test:
    """A test with its arguments.

    Attributes:
        name: The last part of its name, without the package.
        package: The package, where one is named.
        table: The table that it is about.
        column: The column, if it is about one.
        arguments: What the test is given, without its configuration.
        config: Its configuration.
        description: What people say of it.
        title: A name of its own.
    """

    name: str
    package: str | None
    table: SourceTable
    column: str | None
    arguments: dict[str, Any]
    config: dict[str, Any]
    description: str = ""
    title: str = ""


@dataclass(frozen=True)
class Singular:
    """A query of the project's own that returns no rows."""

    code: str
    config: dict[str, Any]


@dataclass(frozen=True)
class Freshness:
    """How old the newest data of a source may be."""

    config: dict[str, Any]
    field: str | None


@dataclass(frozen=True)
class Constraint:
    """A constraint that dbt gives to the table that it makes."""

    kind: str
    columns: tuple[str, ...]
    said: dict[str, Any]


@dataclass(frozen=True)
class DataType:
    """The type of a column; without a column, the contract that excludes other columns."""

    text: str | None


@dataclass
class Project:
    """A dbt project, as far as its files show it.

    Attributes:
        tables: Tables by key, such as ``ref:orders`` and ``source:raw.orders``.
        present: Columns that a test keeps free of NULL, by table.
    """

    options: Options
    jinja: Jinja
    tables: dict[str, SourceTable] = field(default_factory=dict)
    present: dict[str, set[str]] = field(default_factory=dict)

    def is_present(self, table: SourceTable, column: str) -> bool:
        """Whether a test, or the database, says that the column has no NULL."""
        return column in table.present or column in self.present.get(table.key, set())

    def own(self, table: SourceTable) -> TableName | None:
        """Return the table in the database, if it is known."""
        try:
            return self.options.resolve(table)
        except UnmappableError:
            return None

    def other(self, text: str) -> TableName:
        """Return the table that an argument such as ``ref('orders')`` names."""
        from pgslo.definition import names

        rendered = self.jinja.value(text).strip()
        try:
            parts = names.split(rendered)
        except names.BadNameError:
            raise UnmappableError("unclear", f"{rendered[:80]} is not a table") from None
        if len(parts) == 1:
            parts = (self.options.schema or SCHEMA, *parts)
        if len(parts) not in (2, 3):
            raise UnmappableError("no_table", f"{rendered[:80]} has no schema")
        return TableName(*parts[-2:])


#: Makes what a test becomes.
Kind = Callable[[Test, Project], Any]
