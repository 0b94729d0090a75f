"""The real psql shows warnings above the result, and ends with an error where a read is refused."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

PSQL = shutil.which("psql")
pytestmark = pytest.mark.skipif(PSQL is None, reason="psql is not installed")

DEFINITION = """
table: features.example
owner: sam
batch: {by: day}
columns:
  a: [{range: {min: 0}}]
  b: [{range: {min: 0}}]
"""


@pytest.fixture
def psql(connection, dsn, apply):
    """Run psql on a guarded table with a missed batch."""
    connection.execute(
        "CREATE SCHEMA features; CREATE TABLE features.example (id int PRIMARY KEY, day date, a int, b int)"
    )
    apply(DEFINITION)
    connection.execute(
        "INSERT INTO features.example VALUES (1, '2026-01-01', -5, 1), (2, '2026-01-02', 5, 1)"
    )

    def run(*statements: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(PSQL), dsn, "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]
            + [f"--command={statement}" for statement in statements],
            env=os.environ | settings,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_a_warning_is_on_stderr_and_the_answer_on_stdout(psql):
    done = psql("SELECT min(a) FROM guarded.example")
    assert (done.returncode, done.stdout) == (0, "-5\n")
    first, detail, hint = done.stderr.splitlines()[:3]
    assert first == 'WARNING:  column "a" of features.example misses rule "a_range"'
    assert detail.startswith("DETAIL:  Batch 2026-01-01: 1 of 1 rows fail; expected: a of at least 0. ")
    assert hint == "HINT:  The owner is sam."
    assert "SET pgslo.on_read = 'refuse'" in done.stderr
    for silent in (
        "SELECT min(b) FROM guarded.example",
        "SELECT a FROM guarded.example WHERE day = '2026-01-02'",
    ):
        done = psql(silent)
        assert (done.returncode, done.stderr) == (0, "")


def test_psql_listens(psql):
    """``insist`` refuses clients that drop warnings; psql shows them all."""
    done = psql("SET pgslo.on_read = 'insist'", "SELECT min(a) FROM guarded.example")
    assert (done.returncode, done.stdout) == (0, "-5\n")
    assert done.stderr.startswith("WARNING:  ")
    other = psql("SET pgslo.on_read = 'insist'", "SELECT min(a) FROM guarded.example", PGAPPNAME="etl")
    assert other.returncode == 1
    assert "pgslo.heard" in other.stderr


@pytest.mark.parametrize(
    "statements",
    [
        ("SELECT min(a) FROM guarded.example_strict",),
        ("SET pgslo.on_read = 'refuse'", "SELECT min(a) FROM guarded.example"),
        ("COPY (SELECT a FROM guarded.example_strict) TO STDOUT",),
        ("\\copy (SELECT a FROM guarded.example_strict) TO STDOUT",),
    ],
)
def test_a_read_that_is_refused_ends_a_script(psql, statements):
    done = psql(*statements, "SELECT 'went on'")
    assert (done.returncode, done.stdout) == (1, "")
    assert 'ERROR:  read refused: column "a" of features.example misses rule "a_range"' in done.stderr
