"""Sessions and engines on views that warn."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

# What a generated guard does, without the runtime: the contract between server and client is these fields.
from watched_views import VIEWS


@pytest.fixture
def views(empty_connection, empty_dsn):
    empty_connection.execute(VIEWS)
    return empty_dsn


@pytest.fixture
def session(views) -> Iterator[psycopg.Connection]:
    with psycopg.connect(views, autocommit=True) as connection:
        yield connection


@pytest.fixture
def engine(views):
    sqlalchemy = pytest.importorskip("sqlalchemy")
    engine = sqlalchemy.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(views))
    yield engine
    engine.dispose()
