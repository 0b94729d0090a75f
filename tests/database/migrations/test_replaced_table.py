"""A job re-creates a table under its old name, as dbt and many others do: it is reported, and the next apply guards the new one."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from pgslo.cli import main, root

pytestmark = pytest.mark.slow

Connection = psycopg.Connection[Any]
Run = Callable[..., Result]

TABLE = "(id integer PRIMARY KEY, day date NOT NULL, age integer, score numeric)"
STATS = """\
table: features.stats
owner: growth
batch: {by: day}
columns:
  age:
    - range: {min: 0, max: 120}
    - completeness: {min: 0.9}
  score:
    - range: {max: 1, on_breach: quarantine}
    - statistic: {of: mean, max: 0.9}
"""
#: How the new table, features.built, comes to the name.
WAYS = {
    "swapped, as dbt does": "ALTER TABLE features.stats RENAME TO stats__dbt_backup; ALTER TABLE features.built RENAME TO stats; DROP TABLE features.stats__dbt_backup CASCADE",
    "swapped, the former one kept": "ALTER TABLE features.stats RENAME TO former; ALTER TABLE features.built RENAME TO stats",
    "dropped and made anew": "DROP TABLE features.stats CASCADE; ALTER TABLE features.built RENAME TO stats",
    "partitioned by now": """
        CREATE TABLE features.parts (LIKE features.built, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
        CREATE TABLE features.parts_1 PARTITION OF features.parts DEFAULT;
        INSERT INTO features.parts SELECT * FROM features.built; DROP TABLE features.built;
        ALTER TABLE features.stats RENAME TO former; ALTER TABLE features.parts RENAME TO stats""",
}


@pytest.fixture
def run(dsn: str, connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command line in a project with a definition that is applied, and two days that were loaded."""
    connection.execute(f"CREATE SCHEMA features; CREATE TABLE features.stats {TABLE}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", dsn)
    Path("slos").mkdir()
    Path("slos/stats.yml").write_text(STATS, encoding="utf-8")
    assert invoke("apply", "--yes").exit_code == 0
    connection.execute(
        "INSERT INTO features.stats SELECT n, date '2026-02-01' + n % 2, n % 100, 0.5 FROM generate_series(1, 200) n"
    )
    connection.execute("SELECT FROM pgslo.close_batch('features.stats')")
    return invoke


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def build(connection: Connection, way: str) -> None:
    """Re-create the table, with a third day, fewer rows in the first, and a column that had been dropped."""
    connection.execute(f"CREATE TABLE features.built {TABLE}")
    connection.execute(
        "ALTER TABLE features.built DROP COLUMN score; ALTER TABLE features.built ADD COLUMN score numeric"
    )
    connection.execute(
        """INSERT INTO features.built SELECT n, date '2026-02-01' + n % 3, CASE WHEN n % 3 > 0 THEN n % 100 END, 0.5
           FROM generate_series(1, 270) n"""
    )
    connection.execute(WAYS[way])


@pytest.mark.parametrize("way", WAYS)
def test_it_is_told(run: Run, connection: Connection, way: str) -> None:
    assert run("status").exit_code == root.OK
    build(connection, way)
    status = run("status")
    assert status.exit_code == root.BREACH
    assert "features.stats: table replaced: features.stats\n" in status.stdout
    (one,) = json.loads(run("status", "--json").stdout)["unguarded"]
    assert (one["definition"], one["what"]) == ("features.stats", "table replaced")
    drift = run("drift")
    assert drift.exit_code == root.CHANGES
    assert drift.stdout.count("to do: ") == 1
    assert "pgslo apply guards this one" in drift.stdout


@pytest.mark.parametrize("way", WAYS)
def test_the_next_apply_guards_the_new_one(run: Run, connection: Connection, way: str) -> None:
    build(connection, way)
    plan = run("plan")
    assert plan.exit_code == root.CHANGES
    assert "another table has the name now" in plan.stdout
    applied = run("apply", "--yes")
    assert applied.exit_code == root.OK, applied.output
    assert run("plan").exit_code == root.OK
    assert run("drift").stdout == "no drift in 1 table\n"
    # Readers see it, and nothing of ours is left on the former one.
    assert connection.execute("SELECT count(*) FROM guarded.stats").fetchone() == (270,)
    guarded = connection.execute(
        "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE tgname ~ '^pgslo_' AND tgparentid = 0 ORDER BY 1"
    ).fetchall()
    assert guarded[-1:] == [("features.stats",)]
    assert ("features.former",) not in guarded
    # Its batches come to what is in it, and are judged by that: a third of the first has no age.
    connection.execute("SELECT FROM pgslo.close_batch('features.stats')")
    assert connection.execute("SELECT batch, rows FROM pgslo.batch ORDER BY 1").fetchall() == [
        ("2026-02-01", 90),
        ("2026-02-02", 90),
        ("2026-02-03", 90),
    ]
    verdicts = "SELECT batch, verdict FROM pgslo.verdict WHERE rule = 'age_completeness' ORDER BY 1"
    assert connection.execute(verdicts).fetchall() == [
        ("2026-02-01", "missed"),
        ("2026-02-02", "met"),
        ("2026-02-03", "met"),
    ]
    # What is written to it is judged.
    connection.execute(
        "INSERT INTO features.stats VALUES (1001, '2026-02-04', 500, 0.1), (1002, '2026-02-04', 5, 7)"
    )
    assert connection.execute("SELECT batch, rule FROM pgslo.sample").fetchall() == [
        ("2026-02-04", "age_range")
    ]
    assert connection.execute("SELECT count(*) FROM pgslo.quarantine").fetchone() == (1,)
    assert run("learn", "features.stats", "--from-table").exit_code == root.OK


def test_a_row_that_waited_in_quarantine_is_released_into_it(run: Run, connection: Connection) -> None:
    connection.execute("INSERT INTO features.stats VALUES (999, '2026-02-02', 5, 7)")
    build(connection, "swapped, as dbt does")
    assert run("apply", "--yes").exit_code == root.OK
    released = run("quarantine", "release", "1", "--set", "score=0.7")
    assert released.exit_code == root.OK, released.output
    assert connection.execute("SELECT * FROM features.stats WHERE id = 999").fetchall() == [
        (999, dt.date(2026, 2, 2), 5, Decimal("0.7"))
    ]
