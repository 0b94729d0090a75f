"""The same in asyncio, SQLAlchemy, pandas, polars and pools of connections."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

# What a generated guard does, without the runtime: the contract between server and client is these fields.
from watched_views import AGE, BOTH, SCORE, hears, run_with_async_engine

from pgslo.client import SLOBreach, watch

# ── asyncio ──


def test_an_async_connection(views):
    async def run():
        async with await psycopg.AsyncConnection.connect(views) as connection:
            with watch(connection):
                with hears(17):
                    await connection.execute(AGE)
                async with connection.cursor() as cursor:
                    with hears(17):
                        assert len([row async for row in cursor.stream(AGE)]) == 1000
            with hears():
                await connection.execute(AGE)
            with watch(connection, on_warning="raise"), pytest.raises(SLOBreach):
                await connection.execute(AGE)

    asyncio.run(run())


def test_an_async_callable_may_use_the_connection(views):
    heard = []

    async def run():
        async with await psycopg.AsyncConnection.connect(views) as connection:

            async def ask(warning):
                cursor = await connection.execute("SELECT %s::int", (warning.incident,))
                heard.append(await cursor.fetchone())

            watch(connection, on_warning=ask)
            await connection.execute(BOTH)

    asyncio.run(run())
    assert heard == [(17,), (23,)]


def test_concurrent_tasks_name_the_line_that_runs_them(views):
    async def run():
        async with await psycopg.AsyncConnection.connect(views) as connection:
            watch(connection)
            await asyncio.gather(connection.execute(AGE), connection.execute(SCORE))

    with hears(17):
        asyncio.run(run())


# ── SQLAlchemy ──


def test_an_engine_with_connections_made_before_and_after(engine):
    with engine.connect() as earlier, engine.connect():
        with watch(engine):
            with hears(17):
                earlier.exec_driver_sql(AGE).all()
            with engine.connect() as later, hears(17):
                later.exec_driver_sql(AGE).all()
        with hears():
            earlier.exec_driver_sql(AGE).all()
    with engine.connect() as pooled, hears():
        pooled.exec_driver_sql(AGE).all()


def test_an_engine_after_dispose_and_a_raw_connection(engine):
    with watch(engine):
        engine.dispose()
        raw = engine.raw_connection()
        with contextlib.closing(raw), contextlib.closing(raw.cursor()) as cursor, hears(17):
            cursor.execute(AGE)


def test_an_engine_that_raises(engine):
    with watch(engine, on_warning="raise"), engine.connect() as connection:
        with pytest.raises(SLOBreach):
            connection.exec_driver_sql(AGE)
        assert len(connection.exec_driver_sql(SCORE).all()) == 1000


def test_an_engine_that_streams(engine):
    watch(engine)
    with engine.connect().execution_options(stream_results=True) as connection:
        with hears(17):
            result = connection.exec_driver_sql(AGE)
        with hears():
            assert len(result.all()) == 1000


def test_an_orm_session(engine):
    from sqlalchemy import orm, text

    watch(engine)
    with orm.Session(engine) as session, hears(17):
        session.execute(text(AGE)).all()


@pytest.mark.parametrize("pool", ["NullPool", "StaticPool", "SingletonThreadPool", "QueuePool"])
def test_any_pool(views, pool):
    sqlalchemy = pytest.importorskip("sqlalchemy")
    from sqlalchemy import pool as pools

    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(views), poolclass=getattr(pools, pool)
    )
    with watch(engine):
        for _ in range(2):
            with engine.connect() as connection, hears(17):
                connection.exec_driver_sql(AGE).all()
    engine.dispose()


def test_an_sqlalchemy_connection_only_while_it_has_its_driver_connection(engine):
    with engine.connect() as connection:
        handle = watch(connection)
        with hears(17):
            connection.exec_driver_sql(AGE).all()
        with engine.connect() as other, hears():
            other.exec_driver_sql(AGE).all()
        connection.invalidate()
        connection.rollback()
        with hears(17):
            connection.exec_driver_sql(AGE).all()
    with engine.connect() as first, engine.connect() as second, hears():
        first.exec_driver_sql(AGE).all()
        second.exec_driver_sql(AGE).all()
    handle.stop()


def test_threads_with_an_engine_each_hear_their_own(engine):
    heard = []

    def read(query):
        with engine.connect() as connection:
            for _ in range(20):
                connection.exec_driver_sql(query).all()

    def note(warning):
        heard.append((threading.current_thread().name, warning.incident))

    with watch(engine, on_warning=note):
        readers = [
            threading.Thread(target=read, args=(query,), name=query) for query in (AGE, SCORE, AGE + " --")
        ]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
    assert sorted(heard) == [(AGE, 17)] * 20 + [(AGE + " --", 17)] * 20


def test_threads_that_share_one_connection(session):
    heard = []
    watch(session, on_warning=heard.append)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(session.execute, [AGE, SCORE] * 20))
    assert len(heard) == 20


def test_an_async_engine(views):
    text = pytest.importorskip("sqlalchemy").text

    async def use(engine):
        with watch(engine):
            async with engine.connect() as connection:
                with hears(17):
                    await connection.exec_driver_sql(AGE)
                with hears():
                    await connection.exec_driver_sql(SCORE)
                with hears(17):
                    streamed = await connection.stream(text(AGE))
                assert len(await streamed.all()) == 1000
        async with engine.connect() as connection:
            with hears():
                await connection.exec_driver_sql(AGE)
            with watch(connection, on_warning="raise"), pytest.raises(SLOBreach):
                await connection.exec_driver_sql(AGE)

    run_with_async_engine(views, use)


def test_an_engine_on_another_driver_is_refused():
    sqlalchemy = pytest.importorskip("sqlalchemy")
    with pytest.raises(TypeError, match="cannot watch an engine on pysqlite: only psycopg 3"):
        watch(sqlalchemy.create_engine("sqlite://"))
    with pytest.raises(TypeError, match="cannot watch a MetaData: watch its engine"):
        watch(sqlalchemy.MetaData())


# ── data frames ──


def test_pandas_reads_warn_at_the_line_of_read_sql(engine):
    pandas = pytest.importorskip("pandas")
    watch(engine)
    with hears(17):
        frame = pandas.read_sql(AGE, engine)
    assert len(frame) == 1000
    with engine.connect() as connection, hears(17):
        pandas.read_sql(AGE, connection)
    with hears(17, 23):
        pandas.read_sql_table("user_stats", engine, schema="guarded", columns=["age", "country"])
    with hears(17):
        list(pandas.read_sql(AGE, engine, chunksize=100))
    with hears():
        pandas.read_sql(SCORE, engine)


def test_pandas_gets_no_frame_when_raising(engine):
    pandas = pytest.importorskip("pandas")
    with watch(engine, on_warning="raise"), pytest.raises(SLOBreach):
        pandas.read_sql(AGE, engine)


def test_pandas_on_an_async_engine_warns_at_run_sync(views):
    pandas = pytest.importorskip("pandas")

    async def use(engine):
        watch(engine)
        async with engine.connect() as connection:
            with hears(17):
                await connection.run_sync(lambda connection: pandas.read_sql(AGE, connection))

    run_with_async_engine(views, use)


def test_polars_reads_warn_at_the_line_of_read_database(engine, session):
    polars = pytest.importorskip("polars")
    watch(engine)
    with hears(17):
        frame = polars.read_database(AGE, engine)
    assert frame.height == 1000
    with engine.connect() as connection, hears(17):
        list(polars.read_database(AGE, connection, iter_batches=True, batch_size=100))
    watch(session)
    with hears(17):
        polars.read_database(AGE, session)
    with watch(session, on_warning="raise"), pytest.raises(SLOBreach):
        polars.read_database(AGE, session)


# ── psycopg_pool ──


def test_a_pool_with_connections_made_before_and_after(views):
    psycopg_pool = pytest.importorskip("psycopg_pool")
    with psycopg_pool.ConnectionPool(views, min_size=1, max_size=2, open=True) as pool:
        pool.wait()
        with watch(pool), pool.connection() as first, pool.connection() as second:
            for connection in (first, second):
                with hears(17):
                    connection.execute(AGE)
        with pool.connection() as connection, hears():
            connection.execute(AGE)


def test_an_async_pool(views):
    psycopg_pool = pytest.importorskip("psycopg_pool")

    async def run():
        async with psycopg_pool.AsyncConnectionPool(views, min_size=1, max_size=1, open=False) as pool:
            with watch(pool):
                async with pool.connection() as connection:
                    with hears(17):
                        await connection.execute(AGE)
            async with pool.connection() as connection:
                with hears():
                    await connection.execute(AGE)

    asyncio.run(run())
