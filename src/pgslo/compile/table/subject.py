"""A table with the catalogue, to look its columns up; and how its rows are called in SQL."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from pgslo import naming, sql
from pgslo.catalog import Catalog, Column, Name, Relation
from pgslo.compile.table import paths
from pgslo.definition.rules import Definition
from pgslo.errors import CatalogError, Location
from pgslo.sql import Sql

#: The name of a row in a condition: in a row trigger, and in a pass over a statement's rows.
NEW, ROW = Sql("NEW"), Sql("r")

#: The start of a value in the place of a column's name: a number, a date, a text of SQL.
_VALUE = re.compile(r"[-+.0-9']")

_NOT_OURS_TO_GUARD = {
    "pg_catalog",
    "information_schema",
    naming.API_SCHEMA,
    naming.CATALOG_SCHEMA,
    naming.GENERATED_SCHEMA,
}
#: Names of columns that pgslo means something else by.
_NOT_COLUMNS = {
    "*": "a name that means the whole table in records of pgslo",
    "_slo_status": "a name that the status view has for its own column",
}
_KINDS = {
    "v": "a view",
    "m": "a materialized view",
    "f": "a foreign table",
    "S": "a sequence",
    "c": "a type",
    "i": "an index",
}


@dataclass(frozen=True)
class Subject:
    """The table a rule is about, with the facts to look its names up."""

    relation: Relation
    catalog: Catalog

    @classmethod
    def of(cls, definition: Definition, catalog: Catalog) -> Subject:
        """Look a definition's table up.

        Raises:
            CatalogError: It does not exist, or cannot be guarded.
        """
        return cls(_guarded(definition, catalog), catalog)

    @property
    def name(self) -> Name:
        """The table's schema and name."""
        return self.relation.schema, self.relation.name

    @property
    def is_of_another(self) -> bool:
        """Whether the table belongs to another role than pgslo."""
        return self.relation.owner not in ("", self.catalog.keeper)

    def column(self, name: str, location: Location) -> Column:
        """Return the column of that name.

        Raises:
            CatalogError: It does not exist.
        """
        found = self.relation.column(name)
        if found is None:
            unfit = paths.problem(self.relation, name)
            if unfit is not None:
                raise CatalogError(unfit.message, hint=unfit.hint, location=location)
            known = [column.name for column in self.relation.columns]
            close = difflib.get_close_matches(name, known, n=1)
            hint = f'did you mean "{close[0]}"?' if close else f"its columns are {', '.join(known)}"
            if _VALUE.match(name) and not close:
                hint = f"{hint}; a value is compared by range or expression"
            raise CatalogError(
                f'column "{name}" of {self.relation.schema}.{self.relation.name} does not exist',
                hint=hint,
                location=location,
            )
        return found

    def stored(self, name: str, location: Location, hint: str = "name a column that is stored") -> Column:
        """Return the column of that name, whose value triggers see.

        Raises:
            CatalogError: It does not exist, or as :func:`refuse_virtual`.
        """
        found = self.column(name, location)
        refuse_virtual(found, location, hint)
        return found


def refuse_virtual(column: Column, location: Location, hint: str = "name a column that is stored") -> None:
    """Refuse a generated column that is not stored, which is NULL to triggers.

    Raises:
        CatalogError: It is one.
    """
    if column.generated == "v":
        raise CatalogError(
            f'column "{column.name}" is virtual: PostgreSQL has no value for it while a row is written',
            hint=hint,
            location=location,
        )


def _guarded(definition: Definition, catalog: Catalog) -> Relation:
    place = definition.places.get("table", definition.location)
    relation = catalog.relations.get((definition.schema_name, definition.table_name))
    if relation is None:
        raise CatalogError(
            f"table {definition.name} does not exist",
            hint="or this role may not see its schema",
            location=place,
        )
    if definition.schema_name in _NOT_OURS_TO_GUARD:
        raise CatalogError(
            f"{definition.name} belongs to PostgreSQL or to pgslo itself and cannot be guarded",
            location=place,
        )
    if relation.kind not in ("r", "p"):
        raise CatalogError(
            f"{definition.name} is {_KINDS.get(relation.kind, 'not a table')}, which has no triggers for the rows written to it",
            hint="write the definition for the table that is written to",
            location=place,
        )
    if relation.is_partition:
        raise CatalogError(
            f"{definition.name} is a partition",
            detail="Rows that come through the partitioned table do not fire the statement triggers of a partition.",
            hint=f"write the definition for {'.'.join(relation.parents[0])}" if relation.parents else None,
            location=place,
        )
    for name, said in _NOT_COLUMNS.items():
        if relation.column(name) is not None:
            raise CatalogError(
                f'{definition.name} has a column "{name}", {said}',
                hint=f"ALTER TABLE {sql.identifier(relation.schema, relation.name)} RENAME COLUMN {sql.identifier(name)} TO another name",
                location=place,
            )
    return relation
