"""dlt loads into a guarded table: what each way of writing does with rows that violate a rule, and with the guards."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import own_environments
import psycopg
import pytest

PYTHON = own_environments.python("dlt")

pytestmark = [pytest.mark.slow, own_environments.needs("dlt")]

SCRIPT = """
import json, os, sys
import dlt
destination = dlt.destinations.postgres(os.environ["URI"], **json.loads(os.environ["OPTIONS"]))
pipeline = dlt.pipeline("stats", destination=destination, dataset_name="features", pipelines_dir=os.environ["FOLDER"])
pipeline.run(json.loads(os.environ["ROWS"]), table_name="stats", **json.loads(os.environ["HOW"]))
"""
DEFINITION = """
table: features.stats
owner: sam
key: [id]
batch: {by: day}
columns:
  age:
    - range: {min: 0, max: 120, on_breach: quarantine}
  name:
    - length: {max: 5, on_breach: reject}
    - accepted_values: {values: [a, b, c, d], on_breach: flag}
"""

Load = Callable[..., subprocess.CompletedProcess[str]]


def row(number: int, *, age: int = 30, name: str = "a", day: str = "2026-01-02") -> dict[str, Any]:
    return {"id": number, "day": day, "age": age, "name": name}


@pytest.fixture
def load(dsn: str, apply: Callable[[str], Any], tmp_path: Path) -> Load:
    """Load rows as a pipeline does; the table is guarded after the first load."""
    known = psycopg.conninfo.conninfo_to_dict(dsn)
    uri = f"postgresql://{known['user']}:{known.get('password', '')}@{known['host']}:{known['port']}/{known['dbname']}"

    def run(
        *rows: dict[str, Any], options: dict[str, Any] | None = None, **how: Any
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(PYTHON), "-c", SCRIPT],
            env=os.environ
            | {
                "URI": uri,
                "FOLDER": str(tmp_path),
                "ROWS": json.dumps(rows),
                "HOW": json.dumps(how),
                "OPTIONS": json.dumps(options or {}),
                "RUNTIME__DLTHUB_TELEMETRY": "false",
            },
            capture_output=True,
            text=True,
            check=False,
        )

    first = run(row(1))
    assert first.returncode == 0, first.stderr
    apply(DEFINITION)
    return run


def stored(connection: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    return connection.execute("SELECT id, age FROM features.stats ORDER BY id").fetchall()


def held(connection: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    return connection.execute("SELECT image ->> 'id' FROM pgslo.quarantine ORDER BY 1").fetchall()


def test_append(load: Load, connection: psycopg.Connection[Any]) -> None:
    appended = load(row(2), row(3, age=300), row(4, name="e"), write_disposition="append")
    assert appended.returncode == 0, appended.stderr
    assert (stored(connection), held(connection)) == ([(1, 30), (2, 30), (4, 30)], [("3",)])
    assert ("name_accepted_values",) in connection.execute("SELECT rule FROM pgslo.incident").fetchall()
    # A rule that rejects fails the load, and none of its rows is stored.
    refused = load(row(5), row(6, name="too long"), write_disposition="append")
    assert refused.returncode != 0
    assert "name_length" in refused.stderr
    assert stored(connection) == [(1, 30), (2, 30), (4, 30)]


def test_merge(load: Load, connection: psycopg.Connection[Any]) -> None:
    merged = load(row(1, age=31), row(2), row(3, age=300), write_disposition="merge", primary_key="id")
    assert merged.returncode == 0, merged.stderr
    assert (stored(connection), held(connection)) == ([(1, 31), (2, 30)], [("3",)])


def test_replace_keeps_the_guards_where_rows_are_truncated(
    load: Load, connection: psycopg.Connection[Any]
) -> None:
    replaced = load(
        row(7),
        row(8, age=300),
        write_disposition="replace",
        options={"replace_strategy": "truncate-and-insert"},
    )
    assert replaced.returncode == 0, replaced.stderr
    assert (stored(connection), held(connection)) == ([(7, 30)], [("8",)])


def test_replace_by_another_table_fails(load: Load, connection: psycopg.Connection[Any]) -> None:
    """The guarded views need the table: the load stops before it puts another one there."""
    replaced = load(
        row(7, age=300), write_disposition="replace", options={"replace_strategy": "staging-optimized"}
    )
    assert replaced.returncode != 0
    assert "cannot drop table features.stats because other objects depend on it" in replaced.stderr
    assert (stored(connection), held(connection)) == ([(1, 30)], [])
