"""A table with the catalogue, to look its columns up; and how its rows are called in SQL."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from pgslo.catalog import Catalog, Column, Name, Relation
from pgslo.errors import CatalogError, Location
from pgslo.sql import Sql

#: How a row is called where a condition stands: in a row trigger, and in a pass over a statement's rows.
NEW, ROW = Sql("NEW"), Sql("r")

#: How a value begins that stands where a column is named: a number, a date, a text of SQL.
_VALUE = re.compile(r"[-+.0-9']")


@dataclass(frozen=True)
class Subject:
    """The table a rule is about, with what is needed to look its names up."""

    relation: Relation
    catalog: Catalog

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
            CatalogError: There is none.
        """
        found = self.relation.column(name)
        if found is None:
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
