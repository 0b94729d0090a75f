"""``pgslo prune``, and the ``history`` of a definition."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from pgslo.cli import main

Run = Callable[..., Result]

FILE = "table: features.t\nowner: me\nbatch: {by: day}\ncolumns: {v: [completeness: 0.9]}\n"
#: As closing leaves them; 120 days, each with 9 rows, and learned verdicts.
PAST = """
WITH days AS (
    INSERT INTO pgslo_catalog.batch (definition_id, name, place, rows, first_written_at, last_written_at, closed_at)
    SELECT d.definition_id, (date '2026-01-01' + n)::text, extract(epoch FROM date '2026-01-01' + n), 9,
           now() - (120 - n) * interval '1 day', now() - (120 - n) * interval '1 day', now()
    FROM pgslo_catalog.definition d, generate_series(0, 119) n RETURNING *
), verdicts AS (
    INSERT INTO pgslo_catalog.verdict (definition_id, rule_id, batch, place, verdict, said)
    SELECT d.definition_id, r.rule_id, d.name, d.place, 'met', '' FROM days d JOIN pgslo_catalog.rule r USING (definition_id)
    WHERE r.name IN ('v_completeness', 'v_learned')
)
INSERT INTO pgslo_catalog.profile (definition_id, batch, place, column_name, rows, present, sampled, noise, summary, common)
SELECT d.definition_id, d.name, d.place, c.name, 9, 9, 9, '{1}', '{1}', '{"a": 9}' FROM days d, (VALUES ('*'), ('v')) AS c (name)
"""


@pytest.fixture
def run(
    dsn: str, connection: psycopg.Connection[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Run:
    connection.execute("CREATE SCHEMA features; CREATE TABLE features.t (day date, v int, PRIMARY KEY (day))")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", dsn)
    (tmp_path / "slos").mkdir()
    Path("slos/t.yml").write_text(FILE)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, [*arguments], catch_exceptions=False)

    assert run("apply", "--yes").exit_code == 0
    connection.execute(PAST.encode())
    return run


def counts(connection: psycopg.Connection[Any]) -> tuple[Any, ...]:
    """Whole profiles, all profiles, verdicts."""
    return (
        connection.execute(
            """SELECT (SELECT count(*) FROM pgslo_catalog.profile WHERE noise IS NOT NULL),
                      (SELECT count(*) FROM pgslo_catalog.profile), (SELECT count(*) FROM pgslo_catalog.verdict)"""
        ).fetchone()
        or ()
    )


def applied(run: Run, history: str) -> None:
    Path("slos/t.yml").write_text(FILE + history)
    result = run("apply", "--yes")
    assert result.exit_code == 0, result.output


def test_a_dry_run_says_what_a_run_then_does(run: Run, connection: psycopg.Connection[Any]) -> None:
    told = run("prune", "--dry-run")
    assert told.stdout == (
        "features.t: 120 profiles would be made small; profiles stay whole from batch 2026-03-02 on\n"
    )
    assert counts(connection) == (240, 240, 240)
    assert run("prune").stdout == "features.t: 120 profiles made small\n"
    assert counts(connection) == (120, 240, 240)
    assert run("prune", "features.t").stdout == "features.t: nothing to prune\n"


def test_a_history_of_batches_removes_what_is_older(run: Run, connection: psycopg.Connection[Any]) -> None:
    applied(run, "history: 80 batches\n")
    told = json.loads(run("prune", "--dry-run", "--json").stdout)["tables"]
    assert told == [
        {
            "definition": "features.t",
            "thinned_profiles": 120,
            "removed_profiles": 80,
            "removed_verdicts": 80,
            "whole_from": "2026-03-02",
            "history_from": "2026-02-10",
        }
    ]
    done = json.loads(run("prune", "--json").stdout)["tables"]
    assert done == [
        {
            "definition": "features.t",
            "thinned_profiles": 120,
            "removed_profiles": 80,
            "removed_verdicts": 80,
        }
    ]
    assert counts(connection) == (120, 160, 160)
    oldest = connection.execute("SELECT min(batch) FROM pgslo.column_history").fetchone()
    assert oldest == ("2026-02-10",)
    # Counts stay: rows of any day may come late.
    assert connection.execute("SELECT count(*) FROM pgslo.batch").fetchone() == (120,)


def test_a_history_of_days_counts_from_the_last_write(run: Run, connection: psycopg.Connection[Any]) -> None:
    Path("pgslo.toml").write_text('history = "100 days 1 hour"\n')
    applied(run, "")
    run("prune")
    assert connection.execute("SELECT min(batch) FROM pgslo.column_history").fetchone() == ("2026-01-21",)


def test_whole_profiles_stay_whatever_the_history_is(run: Run, connection: psycopg.Connection[Any]) -> None:
    applied(run, "history: 1 day\n")
    run("prune")
    # Verdicts of the last 28 days count for budgets, and profiles of 60 batches are compared with.
    assert counts(connection) == (120, 120, 120)


def test_what_budgets_incidents_and_missed_batches_need_stays(
    run: Run, connection: psycopg.Connection[Any]
) -> None:
    applied(run, "history: 60 batches\nobjective: {target: 0.9, window: 90 days}\n")
    connection.execute(
        """INSERT INTO pgslo_catalog.incident (definition_id, rule_id, opened_batch, opened_place, over_at, resolved_at, resolution, over_batch, over_place)
           SELECT r.definition_id, r.rule_id, b.name, b.place, now(), now(), 'met', b.name, b.place
           FROM pgslo_catalog.rule r JOIN pgslo_catalog.batch b USING (definition_id)
           WHERE r.name = 'v_completeness' AND b.name = '2026-01-03';
           INSERT INTO pgslo_catalog.incident (definition_id, rule_id, opened_batch, opened_place)
           SELECT r.definition_id, r.rule_id, b.name, b.place FROM pgslo_catalog.rule r JOIN pgslo_catalog.batch b USING (definition_id)
           WHERE r.name = 'v_learned' AND b.name = '2026-01-29'"""
    )
    run("prune")
    left = connection.execute(
        """SELECT r.name, min(v.batch), count(*) FROM pgslo_catalog.verdict v JOIN pgslo_catalog.rule r USING (rule_id)
           GROUP BY 1 ORDER BY 1"""
    ).fetchall()
    # 90 days by the window; before it the one that opened an incident, and all since the one that is open.
    assert left == [("v_completeness", "2026-01-03", 90), ("v_learned", "2026-01-29", 92)]


def test_an_operator_may_prune_and_another_role_may_not(
    run: Run, connection: psycopg.Connection[Any]
) -> None:
    allowed = connection.execute(
        "SELECT count(*) FROM pg_proc p, aclexplode(p.proacl) a WHERE p.pronamespace = 'pgslo'::regnamespace"
        " AND p.proname IN ('prune', 'prunable') AND a.grantee = 0"
    ).fetchone()
    assert allowed == (0,)
    assert "pgslo.prune(text, integer)" in run("grants", "operator", "someone").stdout


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("59 batches", "a history of 59 batches is too short"),
        ("400", '"400" is not a history'),
        ("two batches", '"two batches" is not a history'),
        ("3 months", '"3 months" is not a duration'),
    ],
)
def test_a_history_that_is_none_is_refused_in_both_files(run: Run, written: str, said: str) -> None:
    Path("slos/t.yml").write_text(FILE + f"history: {written}\n")
    assert f"slos/t.yml:5:10: error: {said}" in run("lint").output
    Path("slos/t.yml").write_text(FILE)
    Path("pgslo.toml").write_text(f'history = "{written}"\n')
    assert f"pgslo.toml:1:1: error: {said}" in run("lint").output
