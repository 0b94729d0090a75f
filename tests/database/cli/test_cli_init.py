"""``pgslo init``: a project from nothing, whose definitions are planned as they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from click.testing import CliRunner, Result

from pgslo.cli import main, root

Run = Callable[..., Result]


@pytest.fixture
def run(
    dsn: str, connection: psycopg.Connection[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", dsn)
    connection.execute("CREATE SCHEMA ml; CREATE SCHEMA other")
    connection.execute("CREATE TABLE ml.bookings (id integer PRIMARY KEY, day date NOT NULL, land text)")
    connection.execute("CREATE TABLE other.seats (id integer PRIMARY KEY)")
    connection.execute("CREATE TABLE other.loose (n integer)")
    connection.execute(
        "INSERT INTO ml.bookings SELECT n, date '2026-01-01' + n / 10, 'de' FROM generate_series(1, 500) n; ANALYZE"
    )

    def invoke(*args: object, **extra: Any) -> Result:
        return CliRunner().invoke(main, [str(arg) for arg in args], **extra)

    return invoke


def test_a_project_from_nothing(run: Run) -> None:
    result = run("init", "bookings", "--ci", "github")
    assert result.exit_code == 0, result.output
    first = Path("slos/bookings.yml").read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=../pgslo.schema.json"
    assert json.loads(Path("pgslo.schema.json").read_text(encoding="utf-8"))["properties"]
    assert run("lint").exit_code == 0
    assert run("plan").exit_code == root.CHANGES
    # All again: nothing is written over.
    Path("slos/bookings.yml").write_text("table: ml.bookings\n", encoding="utf-8")
    again = run("init", "ml.bookings", "--ci", "github")
    assert again.exit_code == 0, again.output
    assert Path("slos/bookings.yml").read_text(encoding="utf-8") == "table: ml.bookings\n"
    assert len(list(Path("slos").iterdir())) == 1
    assert again.stderr.count("is there already, and stays") == 3


def test_tables_are_listed_and_picked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = run("init")
    assert listed.exit_code == 0, listed.output
    assert listed.stdout == "  1. ml.bookings\n  2. other.seats\n"
    assert list(Path("slos").iterdir()) == []
    monkeypatch.setattr("pgslo.cli.output.can_ask", lambda: True)
    assert run("init", input="1, other.seats\n").exit_code == 0
    assert {path.name for path in Path("slos").iterdir()} == {"bookings.yml", "seats.yml"}
    assert "table 3 is not in the list" in run("init", input="3\n").output


def test_without_a_database_the_rest_is_written(run: Run) -> None:
    result = run("init", "--dsn", "host=127.0.0.1 port=1")
    assert result.exit_code == 0, result.output
    assert Path("pgslo.toml").is_file()
    assert "no database to look at" in result.stderr
    assert run("init", "bookings", "--dsn", "host=127.0.0.1 port=1").exit_code == root.ERROR


def test_a_name_without_its_schema(run: Run, connection: psycopg.Connection[Any]) -> None:
    assert "table: ml.bookings\n" in run("suggest", "bookings").stdout
    assert 'did you mean "ml.bookings"?' in run("suggest", "booking").stderr
    connection.execute("CREATE TABLE other.bookings (id integer PRIMARY KEY)")
    several = run("suggest", "bookings")
    assert several.exit_code == root.ERROR
    assert "hint: one of: ml.bookings, other.bookings" in several.stderr
    # In the search path, it is the one that SQL means.
    connection.execute("CREATE TABLE public.bookings (id integer PRIMARY KEY)")
    assert "table: public.bookings\n" in run("suggest", "bookings").stdout


def test_a_table_of_the_same_name_in_another_schema(run: Run, connection: psycopg.Connection[Any]) -> None:
    connection.execute("CREATE TABLE other.bookings (id integer PRIMARY KEY)")
    assert run("init", "ml.bookings", "other.bookings").exit_code == 0
    assert {path.name for path in Path("slos").iterdir()} == {"bookings.yml", "other.bookings.yml"}


def test_the_workflow_does_what_it_says(run: Run, tmp_path: Path, dsn: str) -> None:
    """Its steps, run by a shell as a runner of GitHub does, but for the installation and the comment itself."""
    assert run("init", "bookings", "--ci", "github").exit_code == 0
    workflow = yaml.safe_load(Path(".github/workflows/pgslo.yml").read_text(encoding="utf-8"))
    steps = {step["name"]: step for step in workflow["jobs"]["plan"]["steps"] if "name" in step}
    environment = os.environ | {
        "PGSLO_DSN": dsn,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }

    def step(name: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", steps[name]["run"]],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert step("Lint").returncode == 0
    planned = step("Plan")
    assert planned.returncode == 0, planned.stderr
    assert Path("plan.md").read_text(encoding="utf-8").startswith("### pgslo plan ")
    assert (tmp_path / "summary.md").read_text(encoding="utf-8") == Path("plan.md").read_text(
        encoding="utf-8"
    )
    Path("slos/bookings.yml").write_text("table: ml.gone\n", encoding="utf-8")
    assert step("Plan").returncode == 1
    assert "plan.md" in steps["Comment"]["run"]
