"""Guarded tables with an open incident on one column, for readers in clients of all kinds."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from pgslo import definition
from pgslo.database import installation, planning

TABLES = """
CREATE SCHEMA ml;
CREATE TABLE ml.bookings (id int PRIMARY KEY, day date, price float8, country text);
CREATE TABLE ml.stays (id int PRIMARY KEY, day date, price float8, country text);
"""
DEFINITION = """\
table: ml.{name}
owner: revenue-ml
writes: bulk
watch: false
batch: {{by: day}}
on_read: {on_read}
columns:
  price: [range: {{min: 0, max: 1000, on_breach: warn}}]
tasks:
  quiet_{name}: {{reads: [price], view: serving.quiet_{name}, on_read: silent}}
  price_{name}: {{reads: [price], view: serving.price_{name}, on_read: insist}}
"""
#: Reads a column that is missed.
PRICE = "SELECT price FROM guarded.bookings"
#: The same of the table whose definition insists on a reader that is warned.
INSISTING = "SELECT price FROM guarded.stays"
#: Reads no such column.
COUNTRY = "SELECT country FROM guarded.bookings"


@dataclass(frozen=True)
class Bookings:
    """A database with ``ml.bookings`` (``on_read: warn``) and ``ml.stays`` (``insist``), each with one bad price of two.

    Attributes:
        dsn: A connection string for a superuser.
        uri: The same as an address.
    """

    dsn: str

    @property
    def uri(self) -> str:
        told = psycopg.conninfo.conninfo_to_dict(self.dsn)
        login = f"{told.get('user', '')}:{told.get('password', '')}".removesuffix(":")
        return f"postgresql://{login}@{told.get('host', '')}:{told.get('port', 5432)}/{told['dbname']}"


def create(connection: psycopg.Connection) -> None:
    """Create the tables, apply their definitions, and load the rows."""
    connection.execute(TABLES.encode())
    loaded = [
        definition.load(DEFINITION.format(name=name, on_read=on_read), path=f"slos/{name}.yml")
        for name, on_read in (("bookings", "warn"), ("stays", "insist"))
    ]
    planned = lambda: planning.plan_definitions(connection, loaded)  # noqa: E731
    installation.apply(connection, planned(), planned)
    for name in ("bookings", "stays"):
        connection.execute(
            f"INSERT INTO ml.{name} VALUES (1, '2026-02-01', 100, 'de'), (2, '2026-02-01', -5, 'de')".encode()
        )
