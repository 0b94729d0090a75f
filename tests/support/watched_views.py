"""Views that warn as generated ones do, without the runtime, and what their readers have to hear."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import pickle
import warnings
from collections.abc import Iterator

import psycopg
import pytest

# What a generated guard does, without the runtime: the contract between server and client is these fields.

# What a generated guard does, without the runtime: the contract between server and client is these fields.
VIEWS = """
CREATE SCHEMA features;
CREATE SCHEMA guarded;
CREATE TABLE features.user_stats (user_id int PRIMARY KEY, age int, country text, score float8);
INSERT INTO features.user_stats SELECT n, n % 90, 'de', n / 1000.0 FROM generate_series(1, 1000) AS n;

CREATE FUNCTION guarded.age() RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET client_min_messages = warning AS $$
BEGIN
    RAISE WARNING 'column "age" of features.user_stats misses "age_range" (range)' USING
        ERRCODE = '01SL1',
        DETAIL = 'Batch 2026-11-22: 62.1 % of 48,211 rows fail. Since 2026-11-21 02:14 UTC, 3 batches.',
        HINT = 'Incident 17, owner growth-platform. SELECT * FROM pgslo.explain(17);',
        SCHEMA = 'features', TABLE = 'user_stats', COLUMN = 'age', CONSTRAINT = 'age_range';
    RETURN true;
END $$;

CREATE FUNCTION guarded.country() RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET client_min_messages = warning AS $$
BEGIN
    RAISE WARNING 'column "country" of features.user_stats misses "country_known" (accepted_values)' USING
        ERRCODE = '01SL1', HINT = 'Incident 23, owner growth-platform. SELECT * FROM pgslo.explain(23);',
        SCHEMA = 'features', TABLE = 'user_stats', COLUMN = 'country', CONSTRAINT = 'country_known';
    RETURN true;
END $$;

CREATE FUNCTION guarded.freshness() RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL RESTRICTED AS $$
BEGIN
    RAISE WARNING 'features.user_stats cannot be judged by "freshness"' USING
        ERRCODE = '01SL2', DETAIL = 'It has no closed batch.',
        SCHEMA = 'features', TABLE = 'user_stats', COLUMN = '', CONSTRAINT = 'freshness';
    RETURN true;
END $$;

CREATE FUNCTION guarded.refuse() RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL RESTRICTED AS $$
BEGIN
    RAISE EXCEPTION 'read of column "age" of features.user_stats refused' USING
        ERRCODE = 'SL001', HINT = 'Incident 17, owner growth-platform. SELECT * FROM pgslo.explain(17);';
END $$;

CREATE VIEW guarded.user_stats AS
SELECT user_id,
       CASE WHEN (SELECT guarded.age()) THEN age END AS age,
       CASE WHEN (SELECT guarded.country()) THEN country END AS country,
       score
  FROM features.user_stats;
CREATE VIEW guarded.unjudged AS SELECT * FROM features.user_stats WHERE (SELECT guarded.freshness());
CREATE VIEW guarded.user_stats_strict AS SELECT * FROM features.user_stats WHERE (SELECT guarded.refuse());

CREATE FUNCTION guarded.written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM guarded.age();
    RETURN NULL;
END $$;
CREATE TRIGGER pgslo_500_measure_insert AFTER INSERT ON features.user_stats
    FOR EACH STATEMENT EXECUTE FUNCTION guarded.written();

CREATE TABLE features.asserted (n int);
CREATE CONSTRAINT TRIGGER asserted AFTER INSERT ON features.asserted DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION guarded.written();
"""
AGE = "SELECT age FROM guarded.user_stats"
BOTH = "SELECT age, country FROM guarded.user_stats"
SCORE = "SELECT score FROM guarded.user_stats"


def run_with_async_engine(views, use):
    """Call a coroutine function with an SQLAlchemy AsyncEngine."""
    pytest.importorskip("greenlet")
    from sqlalchemy.ext.asyncio import create_async_engine

    async def run():
        engine = create_async_engine(
            "postgresql+psycopg://", async_creator=lambda: psycopg.AsyncConnection.connect(views)
        )
        try:
            await use(engine)
        finally:
            await engine.dispose()

    asyncio.run(run())


@contextlib.contextmanager
def hears(*incidents: int | None, after: int = 1) -> Iterator[list[warnings.WarningMessage]]:
    """Expect one SLOWarning for each incident, and nothing else, all ``after`` lines below the caller's."""
    caller = inspect.currentframe().f_back.f_back
    place = caller.f_code.co_filename, caller.f_lineno + after
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        yield heard
    assert [getattr(each.message, "incident", each.message) for each in heard] == list(incidents)
    assert {(each.filename, each.lineno) for each in heard} <= {place}


def pickled(thing):
    return pickle.loads(pickle.dumps(thing))


def copy_out(connection, query):
    with connection.cursor() as cursor, cursor.copy(f"COPY ({query}) TO STDOUT") as copy:
        return list(copy)


def copy_in(connection, numbers):
    with connection.cursor() as cursor, cursor.copy("COPY features.user_stats (user_id) FROM STDIN") as copy:
        for number in numbers:
            copy.write_row((number,))
