"""The command line in a project with two definitions that are applied."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from pgslo.cli import main

Run = Callable[..., Result]

TABLES = """
CREATE SCHEMA features;
CREATE TABLE features.stats (id integer PRIMARY KEY, age integer, country text, amount numeric, day date);
CREATE TABLE features.events (id integer PRIMARY KEY, at timestamptz, kind text);
"""
STATS = """\
table: features.stats
owner: growth
batch: {by: day}
columns:
  age:
    - range: {min: 0, max: 120, on_breach: quarantine}
    - compare: {operator: "<=", to: amount, on_breach: quarantine}
  country:
    - accepted_values: {values: [us, de]}
schema: {columns: {country: text}}
tasks:
  churn: {contact: "#churn", reads: [country]}
"""
EVENTS = """\
table: features.events
writes: stream
batch: {by: at, every: 1 hour}
columns:
  kind: [not_null]
"""


@pytest.fixture
def run(
    dsn: str, connection: psycopg.Connection[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Run:
    """The command line in a project with two definitions that are applied."""
    connection.execute(TABLES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", dsn)
    Path("slos").mkdir()
    Path("slos/stats.yml").write_text(STATS, encoding="utf-8")
    Path("slos/events.yml").write_text(EVENTS, encoding="utf-8")
    applied = invoke("apply", "--yes")
    assert applied.exit_code == 0, applied.output
    return invoke


def invoke(*args: object, **extra: Any) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args], **extra)


@pytest.fixture
def breach(connection: psycopg.Connection[Any], run: Run) -> None:
    """An open incident."""
    del run
    connection.execute("INSERT INTO features.stats VALUES (1, 3, 'xx', 5, '2026-01-01')")


@pytest.fixture
def held(connection: psycopg.Connection[Any], run: Run) -> None:
    """Three rows in quarantine."""
    del run
    connection.execute(
        "INSERT INTO features.stats VALUES (7, -3, 'us', 0.10000000000000000000000000000001, '2026-01-01'), (8, 130, 'de', 5, '2026-01-01'), (9, 140, 'de', 5, '2026-01-01')"
    )
