"""``pgslo pause`` and ``resume``: rules go and come back without a table lock, from the next statement of every session on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from pgslo.cli import main, root

Connection = psycopg.Connection[Any]
Run = Callable[..., Result]

STATS = """\
table: features.stats
writes: {mode}
columns:
  age:
    - range: {{min: 0, max: 120, on_breach: reject}}
  country:
    - accepted_values: {{values: [us, de], on_breach: quarantine}}
    - not_null: {{on_breach: reject}}
  score:
    - repair: {{clip: [0, 1]}}
"""
BAD_AGE, BAD_COUNTRY, BAD_SCORE = "(DEFAULT, 999, 'us', 0)", "(DEFAULT, 9, 'xx', 0)", "(DEFAULT, 9, 'us', 7)"


@pytest.fixture(params=["bulk", "stream"])
def run(
    request: pytest.FixtureRequest,
    dsn: str,
    connection: Connection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    connection.execute(
        "CREATE SCHEMA features; CREATE TABLE features.stats (id serial PRIMARY KEY, age integer, country text, score numeric)"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", dsn)
    Path("slos").mkdir()
    Path("slos/stats.yml").write_text(STATS.format(mode=request.param), encoding="utf-8")
    assert invoke("apply", "--yes").exit_code == 0
    return invoke


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def write(session: Connection, row: str) -> str:
    """Write a row and return the outcome."""
    try:
        # Prepared, so that whatever a session keeps of functions is kept.
        cursor = session.execute(f"INSERT INTO features.stats VALUES {row} RETURNING score", prepare=True)
    except psycopg.errors.CheckViolation:
        return "rejected"
    stored = cursor.fetchone()
    return "kept out" if stored is None else f"stored {stored[0]}"


def test_a_table_is_paused_and_resumed_in_sessions_that_are_open(
    run: Run, connect: Callable[..., Connection]
) -> None:
    writer = connect()
    for _ in range(6):
        assert [write(writer, row) for row in (BAD_AGE, BAD_COUNTRY, BAD_SCORE)] == [
            "rejected",
            "kept out",
            "stored 1",
        ]
    assert run("pause", "stats").exit_code == 0
    assert [write(writer, row) for row in (BAD_AGE, BAD_COUNTRY, BAD_SCORE)] == [
        "stored 0",
        "stored 0",
        "stored 7",
    ]
    with pytest.raises(psycopg.errors.NotNullViolation):
        write(writer, "(DEFAULT, 9, NULL, 0)")
    writer.execute("UPDATE features.stats SET age = 1000 WHERE age = 999")
    writer.execute("DELETE FROM features.stats WHERE age = 1000")
    assert writer.execute("SELECT count(*) FROM features.stats WHERE age = 1000").fetchone() == (0,)
    assert run("resume", "stats").exit_code == 0
    assert [write(writer, row) for row in (BAD_AGE, BAD_COUNTRY, BAD_SCORE)] == [
        "rejected",
        "kept out",
        "stored 1",
    ]
    assert run("plan").exit_code == 0
    assert run("drift").exit_code == 0


def test_one_rule_is_paused(run: Run, connect: Callable[..., Connection]) -> None:
    writer = connect()
    assert write(writer, BAD_AGE) == "rejected"
    assert run("pause", "stats", "age_range").exit_code == 0
    assert [write(writer, row) for row in (BAD_AGE, BAD_COUNTRY, BAD_SCORE)] == [
        "stored 0",
        "kept out",
        "stored 1",
    ]
    assert run("pause", "stats", "country_accepted_values").exit_code == 0
    assert [write(writer, row) for row in (BAD_AGE, BAD_COUNTRY, BAD_SCORE)] == [
        "stored 0",
        "stored 0",
        "stored 1",
    ]
    assert run("resume", "stats").exit_code == 0
    assert [write(writer, row) for row in (BAD_AGE, BAD_COUNTRY, BAD_SCORE)] == [
        "rejected",
        "kept out",
        "stored 1",
    ]
    assert run("plan").exit_code == 0


def test_it_takes_no_lock_on_the_table(run: Run, connect: Callable[..., Connection]) -> None:
    holder = connect()
    with holder.transaction():
        holder.execute("LOCK TABLE features.stats IN ACCESS EXCLUSIVE MODE")
        assert run("pause", "--all").exit_code == 0
        assert run("resume", "--all").exit_code == 0
        assert run("pause", "stats").exit_code == 0


def test_what_is_paused_is_told_and_not_applied_over(run: Run) -> None:
    run("pause", "stats", "age_range")
    status = run("status")
    assert status.exit_code == root.BREACH
    assert "features.stats: rule age_range is paused\n" in status.stdout
    assert "resume features.stats; apply refuses until then\n" in status.stdout
    drift = run("drift")
    assert drift.exit_code == root.CHANGES
    assert "features.stats: paused: rule age_range\n" in drift.stdout
    run("pause", "stats")
    assert "features.stats: paused: every rule\n" in run("drift").stdout
    for verb in (("plan",), ("apply", "--yes")):
        refused = run(*verb)
        assert refused.exit_code == root.ERROR
        assert "features.stats is paused" in refused.stderr
        assert "pgslo resume features.stats" in refused.stderr
    assert run("resume", "stats").exit_code == 0
    assert run("status").exit_code == 0


def test_what_cannot_be_paused_is_told(run: Run) -> None:
    for arguments, said in {
        ("nothing",): "nothing has no definition in this database",
        ("stats", "age_rnage"): "features.stats has no rule age_rnage",
        ("stats", "country_not_null"): "no trigger keeps rule country_not_null: native",
    }.items():
        refused = run("pause", *arguments)
        assert refused.exit_code == root.ERROR
        assert said in refused.stderr
    assert run("pause").exit_code == root.USAGE
    assert run("pause", "--all", "stats").exit_code == root.USAGE
    assert run("drift").exit_code == 0
    assert run("resume", "stats").stderr == "nothing was paused\n"


def test_a_paused_table_can_be_uninstalled(run: Run, connection: Connection) -> None:
    run("pause", "stats")
    assert run("uninstall", "--yes", "--all").exit_code == 0
    assert connection.execute("SELECT to_regnamespace('pgslo_gen')").fetchone() == (None,)


def test_pausing_is_no_right_of_everybody(
    run: Run, connect: Callable[..., Connection], role: Callable[[str], str]
) -> None:
    assert run("status").exit_code == 0
    stranger = connect(role("stranger"))
    for call in (
        "pgslo.pause()",
        "pgslo.resume()",
        "pgslo_catalog.silence('x')",
        "pgslo_catalog.keep_functions('x')",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            stranger.execute(f"SELECT {call}")
