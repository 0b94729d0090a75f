"""Drivers that drop warnings: polars by address, connectorx, ADBC and DuckDB. The strict and status views, and insisting, reach them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import connectorx
import duckdb
import duckdb_extension_postgres_scanner
import polars as pl
import pytest
from bookings import COUNTRY, INSISTING, PRICE

STATUS = "SELECT _slo_status ->> 'state' AS state FROM guarded.bookings_status LIMIT 1"
REFUSE = "?options=-c%20pgslo.on_read%3Drefuse"


def read_with_connectorx(uri: str, query: str) -> list[object]:
    return list(connectorx.read_sql(uri, query).iloc[:, 0])


def read_with_adbc(uri: str, query: str) -> list[object]:
    return pl.read_database_uri(query, uri, engine="adbc").to_series().to_list()


@pytest.mark.filterwarnings("ignore:make_block is deprecated")  # connectorx and pandas 3
@pytest.mark.parametrize("read", [read_with_connectorx, read_with_adbc])
def test_a_driver_that_drops_warnings(bookings, read: Callable[[str, str], list[object]]):
    # Nothing but the values: pytest turns warnings into errors.
    assert read(bookings.uri, PRICE) == [100, -5]
    for uri, query, said in (
        (bookings.uri, f"{PRICE}_strict", "read refused"),
        (bookings.uri + REFUSE, PRICE, "read refused"),
        (bookings.uri, INSISTING, r"SET pgslo\.on_read = 'warn'"),
    ):
        with pytest.raises(Exception, match=f'(?s)column "price".*{said}|{said}.*column "price"') as refused:
            read(uri, query)
        # DETAIL and HINT are there, too.
        assert "1 of 2 rows fail" in str(refused.value)
        assert "SELECT * FROM pgslo.explain(" in str(refused.value)
    assert read(bookings.uri, f"{COUNTRY}_strict") == ["de", "de"]
    assert read(bookings.uri, STATUS) == ["missed"]


def test_duckdb(bookings):
    (extension,) = Path(duckdb_extension_postgres_scanner.__file__).parent.rglob("*.duckdb_extension")
    with duckdb.connect() as connection:
        connection.execute(f"LOAD '{extension}'")
        connection.execute(f"ATTACH '{bookings.uri}' AS shop (TYPE postgres, READ_ONLY)")

        def read(query: str) -> object:
            row = connection.execute(query).fetchone()
            assert row is not None
            return row[0]

        assert read("SELECT max(price) FROM shop.guarded.bookings") == 100
        for view in ("bookings_strict", "stays"):
            with pytest.raises(duckdb.IOException, match=r'(?s)column "price".*1 of 2 rows.*pgslo\.explain'):
                read(f"SELECT max(price) FROM shop.guarded.{view}")
            # Columns are pushed down, so that others can be read.
            assert read(f"SELECT max(country) FROM shop.guarded.{view}") == "de"
        status = read("SELECT _slo_status FROM shop.guarded.bookings_status LIMIT 1")
        assert json.loads(str(status))["state"] == "missed"
    with duckdb.connect() as connection:
        connection.execute(f"LOAD '{extension}'")
        connection.execute(f"ATTACH '{bookings.uri}{REFUSE}' AS shop (TYPE postgres, READ_ONLY)")
        with pytest.raises(duckdb.IOException, match="read refused"):
            connection.execute("SELECT max(price) FROM shop.guarded.bookings")
