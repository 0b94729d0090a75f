"""Clients that show warnings: SQLAlchemy by its plugin, the environment, asyncpg by its log listeners, a notebook."""

from __future__ import annotations

import asyncio
import inspect
import os
import subprocess
import sys

import asyncpg
import pytest
import sqlalchemy as sa
from bookings import COUNTRY, INSISTING, PRICE
from sqlalchemy.ext.asyncio import create_async_engine

from pgslo.client import SLOBreach, SLOWarning, watch

# SQLAlchemy


def test_the_plugin_watches_the_engine(bookings):
    address = bookings.uri.replace("postgresql://", "postgresql+psycopg://")
    engine = sa.create_engine(f"{address}?plugin=pgslo")
    with engine.connect() as connection, pytest.warns(SLOWarning) as seen:
        connection.exec_driver_sql(INSISTING)
    assert [one.filename for one in seen] == [__file__]
    engine.dispose()
    for raising in (
        sa.create_engine(f"{address}?plugin=pgslo&pgslo_on_warning=raise"),
        sa.create_engine(f"{address}?plugin=pgslo", pgslo_on_warning="raise"),
    ):
        with raising.connect() as connection, pytest.raises(SLOBreach):
            connection.exec_driver_sql(PRICE)
        raising.dispose()


def test_the_plugin_on_another_driver_names_the_one_it_needs():
    with pytest.raises(TypeError, match=r"use postgresql\+psycopg://"):
        sa.create_engine("postgresql+psycopg2://db.example.com/shop?plugin=pgslo")


# The environment

READS = """
import psycopg, pgslo.client
with psycopg.connect({dsn!r}) as connection:
    print(connection.execute({query!r}).fetchall())
"""


@pytest.mark.parametrize(
    ("value", "code", "said"),
    [
        ("1", 0, 'SLOWarning: column "price" of ml.stays'),
        ("raise", 1, 'pgslo.client.SLOBreach: column "price" of ml.stays'),
        ("yes", 1, 'ValueError: invalid value for PGSLO_WATCH: "yes"; available values: 1, warn, raise, 0'),
    ],
)
def test_the_environment_watches_all_connections(bookings, value, code, said):
    env = {name: text for name, text in os.environ.items() if name != "PGSLO_WATCH"}
    env |= {"PGSLO_WATCH": value} if value is not None else {}
    program = READS.format(dsn=bookings.dsn, query=INSISTING)
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert said in done.stderr
    assert done.stdout == ("[(100.0,), (-5.0,)]\n" if code == 0 else "")


# asyncpg


def run(bookings, use):
    async def with_connection():
        connection = await asyncpg.connect(bookings.uri)
        try:
            return await use(connection)
        finally:
            await connection.close()

    return asyncio.run(with_connection())


def test_asyncpg_warns_at_the_line_that_awaits(bookings):
    async def read(connection):
        return await connection.fetch(INSISTING)

    async def read_in_other_ways(connection):
        prepared = await connection.prepare(INSISTING)
        await prepared.fetch()
        async with connection.transaction():
            async for _ in connection.cursor(INSISTING):
                pass

    async def use(connection):
        async with watch(connection):
            for _ in range(2):
                with pytest.warns(SLOWarning) as seen:
                    assert len(await read(connection)) == 2
                line = inspect.getsourcelines(read)[1] + 1
                assert {(one.filename, one.lineno) for one in seen} == {(__file__, line)}
                assert {one.message.rule for one in seen} == {"price_range"}
            await connection.fetch(COUNTRY)
            with pytest.warns(SLOWarning) as seen:
                await read_in_other_ways(connection)
            assert {one.filename for one in seen} == {__file__}
        # The session does not listen any more.
        with pytest.raises(asyncpg.PostgresError, match="read refused"):
            await read(connection)

    run(bookings, use)


def test_asyncpg_by_await_and_with_a_callable(bookings):
    heard = []

    async def note(warning):
        heard.append(warning.column)

    async def use(connection):
        first = await watch(connection, on_warning=heard.append)
        assert repr(first).startswith(
            "Watch of asyncpg Connection: warnings about data that is read are passed"
        )
        await connection.fetch(INSISTING)
        first.stop()
        assert {warning.column for warning in heard} == {"price"}
        heard.clear()
        async with watch(connection, on_warning=note):
            await connection.fetch(INSISTING)
            await asyncio.sleep(0)
        assert set(heard) == {"price"}

    run(bookings, use)


def test_asyncpg_in_a_pool(bookings):
    async def use():
        async with asyncpg.create_pool(bookings.uri, min_size=1, max_size=1) as pool:
            for _ in range(2):
                async with pool.acquire() as connection, watch(connection):
                    with pytest.warns(SLOWarning) as seen:
                        await connection.fetch(INSISTING)
                    assert {one.filename for one in seen} == {__file__}

    asyncio.run(use())


def test_an_async_engine_on_asyncpg(bookings):
    async def use():
        engine = create_async_engine(
            bookings.uri.replace("postgresql:", "postgresql+asyncpg:") + "?plugin=pgslo"
        )
        for _ in range(2):
            async with engine.connect() as connection:
                with pytest.warns(SLOWarning) as seen:
                    await connection.exec_driver_sql(INSISTING)
                assert {one.filename for one in seen} == {__file__}
                await connection.rollback()
        with pytest.raises(ValueError, match="needs psycopg 3"):
            watch(engine, on_warning="raise")
        await engine.dispose()

    asyncio.run(use())


def test_asyncpg_does_not_raise(bookings):
    async def use(connection):
        with pytest.raises(ValueError, match=r"SET pgslo\.on_read = 'refuse'"):
            watch(connection, on_warning="raise")

    run(bookings, use)


# A notebook

CELLS = (
    "%load_ext pgslo\nimport psycopg\nconnection = psycopg.connect({dsn!r}, autocommit=True)",
    "connection.execute({price!r}).fetchall()\nconnection.execute({price!r}).fetchall()",
    "connection.execute({country!r}).fetchall()",
    "from pgslo import client\nclient.watch(connection)",
    "%unload_ext pgslo\nconnection.execute({country!r}).fetchall()",
)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_notebook_shows_a_table_above_the_result(bookings):
    nbclient = pytest.importorskip("nbclient")
    from nbformat import v4

    words = {"dsn": bookings.dsn, "price": INSISTING, "country": COUNTRY}
    notebook = v4.new_notebook(cells=[v4.new_code_cell(cell.format(**words)) for cell in CELLS])
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    outputs = [
        [output.get("data", {}) | {"type": output["output_type"]} for output in cell["outputs"]]
        for cell in notebook["cells"]
    ]
    table, result = outputs[1]
    assert (table["type"], result["type"]) == ("display_data", "execute_result")
    assert "<table" in table["text/html"]
    assert table["text/html"].count("<tr>") == 2
    assert "ml.stays.price" in table["text/html"]
    assert 'column "price" of ml.stays misses rule "price_range"' in table["text/plain"]
    assert result["text/plain"] == "[(100.0,), (-5.0,)]"
    # Nothing is wrong with the other column, and a watch is a sentence.
    assert [one["type"] for one in outputs[2]] == ["execute_result"]
    assert outputs[3][0]["text/plain"].startswith("Watch of a psycopg connection to database ")
    assert [one["type"] for one in outputs[4]] == ["execute_result"]
