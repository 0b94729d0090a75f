"""asyncpg, which speaks the extended protocol alone and copies rows in binary."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import psycopg
import pytest

DAY = dt.date(2026, 2, 1)
COLUMNS = ["id", "day", "age"]


@pytest.fixture
def run(stats) -> Callable[[Callable[[Any], Awaitable[Any]]], Any]:
    """Run a coroutine with a connection."""
    told = psycopg.conninfo.conninfo_to_dict(stats.dsn)

    async def with_connection(job: Callable[[Any], Awaitable[Any]]) -> Any:
        connection = await asyncpg.connect(
            host=told.get("host"),
            port=int(told.get("port") or 5432),
            user=told.get("user"),
            password=told.get("password"),
            database=told["dbname"],
        )
        try:
            return await job(connection)
        finally:
            await connection.close()

    return lambda job: asyncio.run(with_connection(job))


def rows(*ages: int) -> list[tuple[int, dt.date, int]]:
    return [(number, DAY, age) for number, age in enumerate(ages, 1)]


def test_copy_records_to_table(stats, run):
    async def job(connection: Any) -> Any:
        return await connection.copy_records_to_table(
            "stats", schema_name="features", records=rows(*range(9), 300), columns=COLUMNS
        )

    assert run(job) == "COPY 9"
    assert (stats.ages(), stats.held()) == (list(range(9)), 1)
    assert stats.in_table() == [("2026-02-01", 9)]
    stats.check_counts()


def test_executemany_and_statements_that_are_kept(stats, run):
    async def job(connection: Any) -> Any:
        insert = "INSERT INTO features.stats (id, day, age) VALUES ($1, $2, $3)"
        await connection.executemany(insert, rows(30, 300, 40))
        return [await connection.execute(insert, 10 + number, DAY, age) for number, _, age in rows(30, 300)]

    assert run(job) == ["INSERT 0 1", "INSERT 0 0"]
    assert (stats.stored(), stats.held()) == ([(1, 30), (3, 40), (11, 30)], 2)


def test_what_is_rejected_names_the_rule(stats, run):
    async def job(connection: Any) -> Any:
        with pytest.raises(asyncpg.CheckViolationError) as caught:
            await connection.copy_records_to_table(
                "stats", schema_name="features", records=[(1, DAY, "too long")], columns=["id", "day", "name"]
            )
        return caught.value

    error = run(job)
    assert (error.schema_name, error.table_name, error.column_name) == ("features", "stats", "name")
    assert error.constraint_name == "name_length"
    assert stats.stored() == []


def test_every_read_is_warned_also_by_a_statement_that_is_kept(stats, run):
    stats.connection.execute("INSERT INTO features.stats (id, day, name) VALUES (1, '2026-02-01', 'x')")
    stats.connection.execute("INSERT INTO features.stats (id, day, name) VALUES (2, '2026-02-02', 'x')")
    said: list[Any] = []

    async def job(connection: Any) -> Any:
        connection.add_log_listener(lambda _, message: said.append(message))
        # asyncpg asks for a plan, and has one made, before it runs a statement for the first time.
        await connection.fetch("SELECT name FROM guarded.stats")
        said.clear()
        for _ in range(3):
            await connection.fetch("SELECT name FROM guarded.stats")
        await asyncio.sleep(0)

    run(job)
    assert [(one.sqlstate, one.constraint_name) for one in said] == [("01SL1", "name_accepted_values")] * 3
