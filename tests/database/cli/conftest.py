"""The command line in a project with two definitions that are applied."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
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


@pytest.fixture(scope="session")
def _applied(
    make_database: Callable[..., AbstractContextManager[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The name of a database in which both definitions are applied: each test has a copy."""
    folder = tmp_path_factory.mktemp("project")
    _write(folder)
    with make_database() as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(TABLES)
        with contextlib.chdir(folder):
            applied = invoke("apply", "--yes", env={"PGSLO_DSN": dsn})
        assert applied.exit_code == 0, applied.output
        yield str(psycopg.conninfo.conninfo_to_dict(dsn)["dbname"])


def _write(folder: Path) -> None:
    (folder / "slos").mkdir()
    (folder / "slos/stats.yml").write_text(STATS, encoding="utf-8")
    (folder / "slos/events.yml").write_text(EVENTS, encoding="utf-8")


@pytest.fixture
def dsn(
    request: pytest.FixtureRequest, make_database: Callable[..., AbstractContextManager[str]], role: object
) -> Iterator[str]:
    """A connection string for a database of the test's own, with both definitions applied where the ``run`` of
    this file is asked for."""
    del role  # asked for only to be dropped later
    guarded = "run" in request.fixturenames and not hasattr(request.module, "run")
    with make_database(template=request.getfixturevalue("_applied")) if guarded else make_database() as dsn:
        yield dsn


@pytest.fixture
def run(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command line in a project with two definitions that are applied."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", dsn)
    _write(tmp_path)
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
