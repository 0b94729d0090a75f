"""Each process of a parallel plan announces its reads: a client gets one warning a statement."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import asyncpg
import psycopg
import pytest
import sqlalchemy as sa
from bookings import Bookings, create
from sqlalchemy.ext.asyncio import create_async_engine

from pgslo.client import SLOBreach, SLOWarning, watch, watch_all

pytestmark = pytest.mark.slow

#: Two Gather nodes: the rows of each are read by a worker of its own.
PARALLEL = "SELECT (SELECT min(price) FROM guarded.bookings), (SELECT max(price) FROM guarded.bookings)"
SETTINGS = {
    "parallel_setup_cost": "0",
    "parallel_tuple_cost": "0",
    "min_parallel_table_scan_size": "0",
    "max_parallel_workers_per_gather": "2",
    "parallel_leader_participation": "off",
}
OPTIONS = " ".join(f"-c {name}={value}" for name, value in SETTINGS.items())
RULES = ["price_range"]


@pytest.fixture(scope="module")
def bookings(make_database: Callable[..., Any]) -> Iterator[Bookings]:
    """Guarded tables, one that is large enough for a parallel worker."""
    with make_database() as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            create(connection)
            connection.execute(
                "INSERT INTO ml.bookings SELECT n, '2026-02-01', 100, 'de' FROM generate_series(3, 20000) AS n"
            )
            connection.execute("ANALYZE ml.bookings")
        yield Bookings(dsn)


@pytest.fixture
def heard(bookings: Bookings) -> list[SLOWarning]:
    """An empty list, once the server is seen to repeat the warning."""
    said: list[str | None] = []
    with psycopg.connect(bookings.dsn, options=OPTIONS, autocommit=True) as connection:
        connection.add_notice_handler(lambda notice: said.append(notice.constraint_name))
        connection.execute(PARALLEL)
    assert set(said) == set(RULES)
    assert len(said) > 1
    return []


def rules(heard: list[SLOWarning]) -> list[str | None]:
    """The rules that were heard of since the last time."""
    found = [one.rule for one in heard]
    heard.clear()
    return found


def test_psycopg(bookings: Bookings, heard: list[SLOWarning]) -> None:
    with psycopg.connect(bookings.dsn, options=OPTIONS, autocommit=True) as connection:
        with watch(connection, on_warning=heard.append):
            for prepare in (False, True, True):
                connection.execute(PARALLEL, prepare=prepare)
                assert rules(heard) == RULES
            with connection.transaction():
                for _ in range(2):
                    connection.execute(PARALLEL)
                    assert rules(heard) == RULES
            list(connection.cursor().stream(PARALLEL))
            assert rules(heard) == RULES
        with watch(connection, on_warning="raise"):
            with pytest.raises(SLOBreach) as caught:
                connection.execute(PARALLEL)
            assert rules(list(caught.value.warnings)) == RULES
    with (
        watch_all(on_warning=heard.append),
        psycopg.connect(bookings.dsn, options=OPTIONS) as connection,
    ):
        connection.execute(PARALLEL)
    assert rules(heard) == RULES


def test_psycopg_in_coroutines(bookings: Bookings, heard: list[SLOWarning]) -> None:
    async def use() -> None:
        async with await psycopg.AsyncConnection.connect(bookings.dsn, options=OPTIONS) as connection:
            with watch(connection, on_warning=heard.append):
                for _ in range(2):
                    await connection.execute(PARALLEL)
                    assert rules(heard) == RULES

    asyncio.run(use())


def test_sqlalchemy(bookings: Bookings, heard: list[SLOWarning]) -> None:
    engine = sa.create_engine(
        bookings.uri.replace("postgresql:", "postgresql+psycopg:"), connect_args={"options": OPTIONS}
    )
    with watch(engine, on_warning=heard.append), engine.connect() as connection:
        for _ in range(2):
            connection.exec_driver_sql(PARALLEL)
            assert rules(heard) == RULES
    engine.dispose()


async def read_twice(self: Any) -> None:
    """As a method of one's own class of connections is."""
    await self.fetch(PARALLEL)
    await self.fetch(PARALLEL)


def test_asyncpg(bookings: Bookings, heard: list[SLOWarning]) -> None:
    async def use() -> None:
        connection = await asyncpg.connect(bookings.uri, server_settings=SETTINGS)
        async with watch(connection, on_warning=heard.append):
            prepared = await connection.prepare(PARALLEL)
            for read in (connection.fetch, connection.fetchrow, connection.execute):
                for _ in range(2):
                    await read(PARALLEL)
                    assert rules(heard) == RULES
            for _ in range(2):
                await prepared.fetch()
                assert rules(heard) == RULES
            async with connection.transaction():
                [_ async for _ in connection.cursor(PARALLEL)]
                assert set(rules(heard)) == set(RULES)
            # Two statements of one coroutine.
            await read_twice(connection)
            assert rules(heard) == RULES * 2
        # A second watch hears for itself.
        async with watch(connection, on_warning=heard.append), watch(connection, on_warning=heard.append):
            await connection.fetch(PARALLEL)
            assert rules(heard) == RULES * 2
        await connection.close()

    asyncio.run(use())


def test_an_engine_on_asyncpg(bookings: Bookings, heard: list[SLOWarning]) -> None:
    async def use() -> None:
        engine = create_async_engine(
            bookings.uri.replace("postgresql:", "postgresql+asyncpg:"),
            connect_args={"server_settings": SETTINGS},
        )
        with watch(engine, on_warning=heard.append):
            async with engine.connect() as connection:
                for _ in range(2):
                    await connection.exec_driver_sql(PARALLEL)
                    assert rules(heard) == RULES
        await engine.dispose()

    asyncio.run(use())


CELLS = (
    "%load_ext pgslo\nimport psycopg\nconnection = psycopg.connect({dsn!r}, options={options!r})",
    "connection.execute({query!r}).fetchall()",
)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_notebook(bookings: Bookings, heard: list[SLOWarning]) -> None:
    del heard
    nbclient = pytest.importorskip("nbclient")
    from nbformat import v4

    words = {"dsn": bookings.dsn, "options": OPTIONS, "query": PARALLEL}
    notebook = v4.new_notebook(cells=[v4.new_code_cell(cell.format(**words)) for cell in CELLS])
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    table: Any = notebook["cells"][1]["outputs"][0]["data"]["text/html"]
    assert table.count("ml.bookings.price<") == 1, table
