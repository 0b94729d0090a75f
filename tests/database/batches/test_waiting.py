"""A command that reads does not wait until all batches that are due are closed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from pgslo.cli import main
from pgslo.cli.operating import status, tick

TABLES = """
CREATE SCHEMA features;
CREATE TABLE features.quick (id integer PRIMARY KEY, day date);
CREATE TABLE features.slow (id integer PRIMARY KEY, day date);
CREATE VIEW features.wait AS SELECT pg_sleep(30)::text AS nothing;
"""
QUICK = "table: features.quick\nowner: sam\nwrites: bulk\nbatch: {by: day}\nrow_count: {min: 2}\n"
SLOW = """\
table: features.slow
owner: sam
writes: bulk
batch: {by: day}
rules:
  - waits: {query: "SELECT w.nothing FROM features.wait w WHERE w.nothing IS NULL"}
"""


@pytest.mark.slow
def test_status_waits_for_two_seconds(
    dsn: str, connection: psycopg.Connection[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.execute(TABLES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", dsn)
    monkeypatch.setattr(status, "_LONGEST_TICK", 1000)
    Path("slos").mkdir()
    Path("slos/quick.yml").write_text(QUICK, encoding="utf-8")
    Path("slos/slow.yml").write_text(SLOW, encoding="utf-8")
    run = CliRunner().invoke
    applied = run(main, ["apply", "--yes"])
    assert applied.exit_code == 0, applied.output
    for table in ("quick", "slow"):
        connection.execute(f"INSERT INTO features.{table} VALUES (1, '2026-01-01')".encode())
        connection.execute(f"INSERT INTO features.{table} VALUES (2, '2026-01-02')".encode())
    began = time.monotonic()
    result = run(main, ["status"])
    assert time.monotonic() - began < 10
    assert result.stderr.count("batches were closed for 1 s; pgslo tick closes the rest") == 1, result.stderr
    assert "could not" not in result.stderr
    assert "features.quick" in result.stdout
    # What was done for other tables is kept.
    verdict = connection.execute(
        "SELECT verdict FROM pgslo.verdict WHERE definition = 'features.quick' AND rule = 'row_count'"
    )
    assert verdict.fetchall() == [("missed",)]
    # A tick that takes its time warns once.
    monkeypatch.setattr(tick, "LONGEST", 1000)
    assert run(main, ["tick"]).stderr.count("could not judge batches of features.slow") == 1
    # A shorter limit of the session is kept.
    began = time.monotonic()
    run(main, ["status", "--dsn", psycopg.conninfo.make_conninfo(dsn, options="-c statement_timeout=500")])
    assert time.monotonic() - began < 5
