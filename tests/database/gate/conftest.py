"""The table, guarded, and the command line on its database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from guarded_stats import STATS, TABLE, Connection, Run

from pgslo.cli import main


@pytest.fixture
def guarded(connection: Connection, apply: Callable[[str], Any]) -> Connection:
    connection.execute(TABLE)
    apply(STATS)
    return connection


@pytest.fixture
def run(guarded: Connection, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    del guarded
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", dsn)
    return lambda *arguments: CliRunner().invoke(main, arguments)
