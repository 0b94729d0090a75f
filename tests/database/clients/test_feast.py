"""Feast reads a guarded table as its offline store, and writes to a guarded table of its online store."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kept_process
import own_environments
import psycopg
import pytest
from kept_process import KeptProcess

PYTHON = own_environments.python("feast")

pytestmark = [pytest.mark.slow, own_environments.needs("feast")]

SCRIPT = """
import datetime as dt, json, os
import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, RepoConfig
from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import PostgreSQLSource
from feast.types import Int64

def answer(call):
    what, people = call["what"], call["people"]
    database = dict(call["database"], sslmode="disable", db_schema="feast")
    config = RepoConfig(
        project="shop", provider="local", registry=call["folder"] + "/registry.db", entity_key_serialization_version=3,
        offline_store={"type": "postgres", **database}, online_store={"type": "postgres", **database})
    store = FeatureStore(config=config)
    person = Entity(name="person", join_keys=["id"])
    source = PostgreSQLSource(name="stats", query=call["query"], timestamp_field="at")
    view = FeatureView(name="stats", entities=[person], ttl=dt.timedelta(days=30), schema=[Field(name="age", dtype=Int64)], source=source)
    match what:
        case "apply":
            store.apply([person, view])
        case "teardown":
            return store.teardown()
        case "materialize":
            store.materialize(dt.datetime(2026, 1, 1), dt.datetime(2026, 3, 1))
        case "history":
            wanted = pd.DataFrame({"id": people, "event_timestamp": pd.to_datetime(["2026-02-20"] * len(people), utc=True)})
            return store.get_historical_features(wanted, ["stats:age"]).to_df().sort_values("id")["age"].tolist()
        case "online":
            return store.get_online_features(["stats:age"], [{"id": one} for one in people]).to_dict()["age"]
"""
OFFLINE = """
table: features.stats
owner: sam
key: [id]
batch: {by: day}
columns:
  age: [range: {min: 0, max: 120, on_breach: warn}]
"""
ONLINE = """
table: feast.shop_stats
owner: sam
key: [entity_key, feature_name]
batch: {by: "(event_ts AT TIME ZONE 'UTC')::date"}
columns:
  event_ts: [range: {max: '2026-02-02 23:00:00+00', on_breach: quarantine}]
  feature_name: [accepted_values: {values: [age], on_breach: reject}]
"""

Feast = Callable[..., Any]


@pytest.fixture(scope="module")
def process() -> Iterator[KeptProcess]:
    """A process that has imported Feast, which takes seconds."""
    with kept_process.kept(PYTHON, SCRIPT, env=os.environ | {"FEAST_USAGE": "False"}) as one:
        yield one


@pytest.fixture
def feast(dsn: str, connection: psycopg.Connection[Any], process: KeptProcess, tmp_path: Path) -> Feast:
    """A call of Feast, which returns what Feast answered."""
    connection.execute(
        """CREATE SCHEMA feast; CREATE SCHEMA features;
           CREATE TABLE features.stats (id int PRIMARY KEY, day date, at timestamptz, age int);
           INSERT INTO features.stats VALUES (1, '2026-02-01', '2026-02-01 12:00+00', 30), (2, '2026-02-01', '2026-02-01 12:00+00', 40)"""
    )
    known = psycopg.conninfo.conninfo_to_dict(dsn)
    database = {
        "host": known["host"],
        "port": int(str(known["port"])),
        "database": known["dbname"],
        "user": known["user"],
        "password": known.get("password") or "none",
    }

    def call(what: str, *people: int, query: str = "SELECT * FROM features.stats") -> Any:
        told = {"what": what, "people": people, "query": query, "database": database, "folder": str(tmp_path)}
        return process.ask(told)

    return call


def miss(connection: psycopg.Connection[Any]) -> None:
    connection.execute("INSERT INTO features.stats VALUES (3, '2026-02-02', '2026-02-02 12:00+00', 500)")


def test_history_from_guarded_views(feast: Feast, connection: psycopg.Connection[Any], apply) -> None:
    apply(OFFLINE)
    miss(connection)
    # Feast shows no warning of the server.
    query = "SELECT * FROM guarded.stats"
    feast("apply", query=query)
    assert feast("history", 1, 2, 3, query=query) == [30, 40, 500]
    strict = "SELECT * FROM guarded.stats_strict"
    feast("apply", query=strict)
    with pytest.raises(RuntimeError, match='read refused: column "age"'):
        feast("history", 1, 2, 3, query=strict)
    with pytest.raises(RuntimeError, match='read refused: column "age"'):
        feast("materialize", query=strict)
    healthy = "SELECT * FROM guarded.stats_healthy"
    feast("apply", query=healthy)
    ages = feast("history", 1, 2, 3, query=healthy)
    assert (ages[:2], ages[2] is None or ages[2] != ages[2]) == ([30, 40], True)


def test_online_store(feast: Feast, connection: psycopg.Connection[Any], apply) -> None:
    feast("apply")
    apply(ONLINE)
    feast("materialize")
    assert feast("online", 1, 2) == [30, 40]
    connection.execute("UPDATE features.stats SET age = 41, at = '2026-02-02 12:00+00' WHERE id = 2")
    # What the quarantine keeps stays out, and its entity is served as it was.
    connection.execute("UPDATE features.stats SET age = 31, at = '2026-02-03 12:00+00' WHERE id = 1")
    feast("materialize")
    assert feast("online", 1, 2) == [30, 41]
    assert connection.execute("SELECT count(*) FROM pgslo.quarantine").fetchone() == (1,)
    connection.execute("SELECT count(*) FROM pgslo.close_batch('feast.shop_stats')")
    counted = connection.execute(
        "SELECT b.name, b.rows FROM pgslo_catalog.batch b WHERE b.rows > 0 ORDER BY 1"
    ).fetchall()
    assert counted == [("2026-02-01", 1), ("2026-02-02", 1)]
    # The held row is an upsert: released, it updates the stored one.
    connection.execute(
        "SELECT pgslo.release(1, %s::jsonb, as_update => '{value, value_text, event_ts}')",
        [json.dumps({"event_ts": "2026-02-02 12:00:00+00"})],
    )
    assert feast("online", 1, 2) == [31, 41]


def test_a_view_that_is_taken_out(feast: Feast, apply) -> None:
    feast("apply")
    apply(ONLINE)
    with pytest.raises(RuntimeError, match="cannot drop table"):
        feast("teardown")
