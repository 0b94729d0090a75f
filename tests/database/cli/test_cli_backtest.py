"""``pgslo learn`` and ``pgslo backtest``: what a table's own history teaches, and how good its alerts would be."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from pgslo.cli import main
from pgslo.database import installation

pytestmark = pytest.mark.slow

Run = Callable[..., Result]

#: 44 days; spend is higher at weekends, a quarter has no country, flag is always the same.
TABLE = """
CREATE SCHEMA features;
CREATE TABLE features.stats (user_id bigint, day date, age integer, country text, spend numeric, seen_at timestamptz, flag text, PRIMARY KEY (user_id, day));
CREATE INDEX ON features.stats (day);
INSERT INTO features.stats
SELECT u, d, 18 + (hashint8(u * 31 + (d::date - DATE '2000-01-01')) & 31), (ARRAY['us', 'de', 'fr', NULL])[1 + (hashint8(u * 17 + (d::date - DATE '2000-01-01') * 7) & 3)],
       round(((hashint8(u * 13 + (d::date - DATE '2000-01-01') * 11) & 1023) + CASE WHEN extract(isodow FROM d) < 6 THEN 0 ELSE 2000 END) / 100.0, 2),
       d + (hashint8(u * 7 + (d::date - DATE '2000-01-01') * 5) & 65535) * interval '1 second', 'f'
FROM generate_series(DATE '2026-01-01', '2026-02-13', '1 day') AS d, generate_series(1, 150) AS u;
"""
DEFINITION = """\
table: features.stats
owner: growth
writes: bulk
batch: {by: day}
unwatched: [user_id]
"""
STATE = """
SELECT (SELECT count(*) FROM pgslo_catalog.definition), (SELECT count(*) FROM pgslo_catalog.profile), (SELECT count(*) FROM pgslo_catalog.batch),
       (SELECT count(*) FROM pgslo_catalog.verdict), (SELECT count(*) FROM pgslo_catalog.incident), (SELECT count(*) FROM pgslo_catalog.fragment),
       (SELECT md5(string_agg(s::text, '' ORDER BY s::text)) FROM features.stats s)
"""


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.fixture
def run(
    dsn: str, connection: psycopg.Connection[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Run:
    """The command line in a project with a definition that is not applied."""
    connection.execute(TABLE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", dsn)
    Path("slos").mkdir()
    Path("slos/stats.yml").write_text(DEFINITION, encoding="utf-8")
    return invoke


@pytest.fixture
def applied(run: Run) -> Run:
    """The same with the definition applied."""
    result = run("apply", "--yes")
    assert result.exit_code == 0, result.output
    return run


# learn


def test_learns_from_rows_and_says_what_in_words(applied: Run, connection: psycopg.Connection[Any]):
    before = applied("learn", "features.stats", "--show")
    assert before.exit_code == 0
    assert "unknown: no batch of it was seen yet" in before.stdout
    result = applied("learn", "features.stats", "--from-table", "--batches", "30")
    assert result.exit_code == 0, result.output
    assert "learned from 30 batches" in result.stdout
    first, *steps = result.stderr.splitlines()
    assert re.fullmatch("learning from 30 batches; this takes (a few seconds|about .*)", first)
    assert [re.sub(", .* to go$", "", one) for one in steps] == ["batch 20 of 30", "batch 30 of 30"]
    assert "\r" not in result.stderr
    country = next(line for line in result.stdout.splitlines() if line.startswith("country"))
    assert "known, with wider bounds until there are 300 batches (30 so far)" in country
    assert "different values 3" in country
    assert "day: nothing is learned: it names the batch" in result.stdout
    assert "user_id: nothing is learned: the definition does not have it watched" in result.stdout
    assert connection.execute("SELECT count(*), min(name) FROM pgslo_catalog.batch").fetchone() == (
        30,
        "2026-01-15",
    )
    assert connection.execute("SELECT count(*) FROM pgslo_catalog.incident").fetchone() == (0,)


def test_tells_how_many_batches_are_still_needed(applied: Run):
    result = applied("learn", "slos/stats.yml", "--batches", "8", "--json")
    told = json.loads(result.stdout)
    assert told["taken"] == 8
    assert {(one["batches"], one["needed"]) for one in told["columns"]} == {(8, 13)}
    assert all(one["state"] == "unknown: 8 of 21 batches are known" for one in told["columns"])


@pytest.mark.usefixtures("applied")
def test_newest_batches_are_found_by_index(connection: psycopg.Connection[Any]):
    connection.execute("VACUUM ANALYZE features.stats")
    scans = "SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'stats'"
    with connection.transaction():
        before = connection.execute(scans).fetchone()
        by_index = connection.execute("SELECT * FROM pgslo.history('features.stats', 5)").fetchall()
        assert connection.execute(scans).fetchone() == before, "what is older is not read"
    connection.execute("DROP INDEX features.stats_day_idx")
    assert connection.execute("SELECT * FROM pgslo.history('features.stats', 5)").fetchall() == by_index
    assert by_index == [(f"2026-02-{day:02}", 150) for day in range(9, 14)]


def test_batches_of_the_clock_are_found_by_index_too(run: Run, connection: psycopg.Connection[Any]):
    Path("slos/stats.yml").write_text(
        DEFINITION.replace("{by: day}", "{by: seen_at, every: 1 day}"), encoding="utf-8"
    )
    connection.execute("CREATE INDEX ON features.stats (seen_at)")
    assert run("apply", "--yes").exit_code == 0
    plain = connection.execute("SELECT * FROM pgslo.history('features.stats', 3)").fetchall()
    connection.execute("DROP INDEX features.stats_seen_at_idx")
    assert connection.execute("SELECT * FROM pgslo.history('features.stats', 3)").fetchall() == plain
    assert [rows for _, rows in plain] == [150, 150, 150]


@pytest.mark.usefixtures("applied")
def test_writers_do_not_wait_for_what_is_learned(connection: psycopg.Connection[Any], dsn: str):
    with psycopg.connect(dsn) as other:
        other.execute("SELECT pgslo.learn('features.stats', 3)")
        locks = connection.execute(
            "SELECT DISTINCT mode FROM pg_locks WHERE relation = 'features.stats'::regclass AND pid = %s",
            (other.info.backend_pid,),
        ).fetchall()
        assert locks == [("AccessShareLock",)]


def test_a_table_without_definition_is_told_so(run: Run):
    result = run("learn", "features.stat")
    assert result.exit_code == 1
    assert "features.stat has no definition that was applied" in result.stderr
    assert "pgslo suggest features.stat" in result.stderr


@pytest.mark.usefixtures("applied")
def test_no_batch_is_not_the_whole_table(connection: psycopg.Connection[Any]):
    connection.execute("INSERT INTO features.stats (user_id, day) VALUES (1, '2026-03-01')")
    before = connection.execute(STATE).fetchone()
    assert connection.execute("SELECT pgslo.learn_batches('features.stats', '{}', 1)").fetchone() == (0,)
    assert connection.execute(STATE).fetchone() == before


def test_an_older_runtime_is_told_so(applied: Run, connection: psycopg.Connection[Any]):
    connection.execute("UPDATE pgslo_catalog.runtime SET sha256 = 'older'")
    for verb in ("learn", "backtest"):
        result = applied(verb, "features.stats")
        assert result.exit_code == 1
        assert "pgslo migrate" in result.stderr


# backtest


def test_tells_recall_and_false_alarms_and_leaves_no_trace(applied: Run, connection: psycopg.Connection[Any]):
    before = connection.execute(STATE).fetchone()
    result = applied("backtest", "features.stats", "--batches", "44", "--json", "--plot", "plot.svg")
    assert result.exit_code == 0, result.output
    assert connection.execute(STATE).fetchone() == before
    told = json.loads(result.stdout)
    assert told["batches"] == {"judged": 23, "first": "2026-01-22", "last": "2026-02-13"}
    assert told["recall"] > 0.8
    assert told["false_alarms_per_100_batches"] < 20
    assert 0 < told["precision_least"] <= told["precision"] <= 1
    assert told["precision_at_1_in_50"] <= told["precision"]
    by_column = {one["column"]: one for one in told["by_column"]}
    assert set(by_column) == {"age", "country", "spend", "seen_at", "flag", "*"}
    faults = {one["fault"] for one in told["by_fault"]}
    assert {
        "null_burst",
        "unit_change",
        "stale",
        "frozen",
        "recoded",
        "default_filled",
        "truncated",
        "shifted",
    } <= faults
    assert not any(
        one["column"] == "flag" and one["fault"] in ("frozen", "stale") for one in told["by_column_and_fault"]
    ), "what changes nothing is no fault"
    assert not any(
        one["column"] != "seen_at" and one["fault"] == "shifted" for one in told["by_column_and_fault"]
    )
    drawn = Path("plot.svg").read_text(encoding="utf-8")
    assert drawn.startswith("<svg")
    assert "null burst" in drawn


@pytest.mark.usefixtures("applied")
def test_the_same_seed_gives_the_same_and_another_other_faults(connection: psycopg.Connection[Any]):
    def rows(seed: int) -> list[Any]:
        return connection.execute(
            "SELECT * FROM pgslo.backtest('features.stats', 27, %s)", (seed,)
        ).fetchall()

    first = rows(7)
    assert rows(7) == first
    other = rows(8)
    clean = [row for row in first if row[3] is None]
    assert [row for row in other if row[3] is None] == clean, (
        "batches without faults do not depend on the seed"
    )
    assert other != first


@pytest.mark.usefixtures("applied")
def test_what_missed_is_told_as_the_database_tells_it(connection: psycopg.Connection[Any]):
    rows = connection.execute(
        "SELECT fault, verdict, said FROM pgslo.backtest('features.stats', 30, faults => '{null_burst}') WHERE column_name = 'age' AND fault IS NOT NULL"
    ).fetchall()
    assert rows
    assert {fault for fault, _, _ in rows} == {"null_burst"}
    assert all(verdict == "missed" and said.startswith("null: ") for _, verdict, said in rows)


def test_a_definition_that_is_not_applied_is_tried_and_nothing_of_it_stays(
    run: Run, connection: psycopg.Connection[Any]
):
    installation.drop_runtime(connection)
    result = run("backtest", "features.stats", "--batches", "27")
    assert result.exit_code == 0, result.output
    assert "nothing of it stays" in result.stderr
    assert "recall" in result.stdout
    assert connection.execute(
        "SELECT to_regnamespace('pgslo'), to_regnamespace('pgslo_catalog')"
    ).fetchone() == (None, None)


def test_tuning_finds_the_sensitivity_and_says_what_it_costs(applied: Run):
    result = applied(
        "backtest",
        "features.stats",
        "--batches",
        "32",
        "--sensitivity",
        "0.05",
        "--tune",
        "--recall",
        "0.9",
        "--json",
    )
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["recall"] < 0.9
    assert told["tuned"]["sensitivity"] > 0.05
    assert told["tuned"]["recall"] >= 0.85
    shown = applied(
        "backtest", "features.stats", "--batches", "32", "--sensitivity", "0.05", "--tune", "--recall", "0.9"
    )
    assert f"sensitivity: {told['tuned']['sensitivity']:g}" in shown.stdout


def test_says_how_far_it_is_and_ends_with_what_to_set(applied: Run, connection: psycopg.Connection[Any]):
    connection.execute("UPDATE features.stats SET age = NULL WHERE day IN ('2026-01-27', '2026-02-04')")
    result = applied("backtest", "features.stats", "--batches", "44", "--no-feedback", "--faults", "frozen")
    assert result.exit_code == 0, result.output
    first, *steps = result.stderr.splitlines()
    assert re.fullmatch("replaying 44 batches; this takes (a few seconds|about .*)", first)
    assert [re.sub(", .* to go$", "", one) for one in steps] == [
        f"batch {n} of 44" for n in (5, 9, 14, 18, 22, 27, 31, 36, 40)
    ]
    lines = result.stdout.splitlines()
    place = next(n for n, line in enumerate(lines) if line.startswith("Columns with such alerts: "))
    assert re.search(r"\bage 2\b", lines[place])
    assert any(re.fullmatch(r"  unwatched: \[.*\bage\b.*\]", line) for line in lines[place:])
    told = json.loads(
        applied(
            "backtest", "features.stats", "--batches", "44", "--no-feedback", "--faults", "frozen", "--json"
        ).stdout
    )
    assert f"  {told['advice'][0]['setting']}" in lines[place:]


def test_too_short_a_history_is_told_so(applied: Run, connection: psycopg.Connection[Any]):
    connection.execute("DELETE FROM features.stats WHERE day > '2026-01-10'")
    result = applied("backtest", "features.stats")
    assert result.exit_code == 1
    assert "too few batches" in result.stderr


def test_unknown_faults_are_refused_with_those_there_are(applied: Run):
    result = applied("backtest", "features.stats", "--faults", "null-burst,gremlins")
    assert result.exit_code == 1
    assert 'unrecognized fault "gremlins"' in result.stderr
    assert "unit_change" in result.stderr


def test_values_of_other_entities_are_left_out_of_the_faults(run: Run, connection: psycopg.Connection[Any]):
    """Where each day has users of its own, values of the day before cannot be recognized."""
    connection.execute("UPDATE features.stats SET user_id = user_id + 1000 * (day - DATE '2026-01-01')")
    assert run("apply", "--yes").exit_code == 0
    told = run("backtest", "features.stats", "--batches", "26", "--faults", "stale,null_burst")
    assert told.exit_code == 0, told.output
    assert "faults stale, where entities do not recur: they cannot be detected." in told.stdout
    faults = [
        line.split()[0]
        for line in told.stdout.splitlines()
        if line.split()[1:2] and line.split()[1].isdigit()
    ]
    assert "null_burst" in faults
    assert "stale" not in faults
