"""pandas writes and reads over SQLAlchemy: the counts that it returns, NaN and infinity."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import psycopg
import psycopg2
import pytest
import sqlalchemy as sa

#: Ways to send rows.
OPTIONS: list[dict[str, Any]] = [
    {},
    {"method": "multi"},
    {"method": "multi", "chunksize": 2},
    {"chunksize": 3},
]


@pytest.fixture(params=["psycopg", "psycopg2"])
def engine(request: pytest.FixtureRequest, stats) -> Iterator[sa.Engine]:
    driver = {"psycopg": psycopg, "psycopg2": psycopg2}[request.param]
    engine = sa.create_engine(f"postgresql+{request.param}://", creator=lambda: driver.connect(stats.dsn))
    yield engine
    engine.dispose()


def test_to_sql(stats, engine):
    frame = pd.DataFrame(
        {
            "id": [1, 2, 3, 4],
            "day": pd.to_datetime("2026-02-01").date(),
            "age": [30, 300, 40, 50],
            "score": [float("nan"), 1.0, float("inf"), 0.25],
        }
    )
    for held, options in enumerate(OPTIONS, 1):
        written = frame.to_sql("stats", engine, schema="features", if_exists="append", index=False, **options)
        # SQLAlchemy knows no count of rows with psycopg.
        assert written == 3 or (engine.driver == "psycopg" and written < 0)
        assert (stats.stored(), stats.held()) == ([(1, 30), (3, 40), (4, 50)], held)
        # NaN is sent as NULL, which is repaired.
        scores = pd.read_sql("SELECT score FROM features.stats ORDER BY id", engine)["score"]
        assert list(scores) == [0.5, float("inf"), 0.25]
        stats.check_counts()
        stats.connection.execute("DELETE FROM features.stats")
