"""``pgslo status``: how each table is, for whom, and with which exit code."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import Result

from pgslo.cli import root

Run = Callable[..., Result]


def test_all_is_well(run: Run) -> None:
    result = run("status")
    assert result.exit_code == 0
    heading, events, stats = (re.split(r"  +", line) for line in result.stdout.splitlines())
    assert heading == [
        *("table", "owner", "rules", "open", "over", "broken", "quarantined", "budget left", "last record")
    ]
    assert events == ["features.events", "-", "1", "0", "0", "0", "0", "-", "-"]
    assert stats == ["features.stats", "growth", "4", "0", "0", "0", "0", "-", "-"]


@pytest.mark.usefixtures("breach")
def test_an_open_incident_is_told_with_whom_it_hurts(run: Run) -> None:
    result = run("status")
    assert result.exit_code == root.BREACH
    assert "incident 1: features.stats misses rule country_accepted_values, column country\n" in result.stdout
    assert "  summary:    country one of us, de\n" in result.stdout
    assert "  read by:    churn (#churn)\n" in result.stdout
    assert "  owner:      growth\n" in result.stdout
    assert "UTC, batch 2026-01-01\n" in result.stdout
    assert run("status", "events").exit_code == 0
    assert run("status", "stats", "events").exit_code == root.BREACH


@pytest.mark.usefixtures("breach")
def test_status_for_programs(run: Run) -> None:
    result = run("status", "--json")
    assert result.exit_code == root.BREACH
    document = json.loads(result.stdout)
    assert document.keys() == {
        *(
            "version",
            "tables",
            "incidents",
            "budgets",
            "rules",
            "broken_rules",
            "muted_rules",
            "switched_off",
            "unguarded",
            "without_file",
        ),
    }
    assert document["version"] == 1
    assert [table["definition"] for table in document["tables"]] == ["features.events", "features.stats"]
    assert document["tables"][1].keys() == {
        *(
            "definition",
            "owner",
            "writes",
            "rules",
            "open_incidents",
            "suspect_incidents",
            "over_incidents",
            "missed_batches",
            "broken_rules",
            "quarantined_rows",
        ),
        *("quarantine_bytes", "quarantine_max_bytes", "quarantine_fraction", "repairs_left_out_at"),
        *("schema_difference", "last_recorded_at", "waiting_batches"),
        *("settling_batch", "settles_at"),
    }
    (incident,) = document["incidents"]
    assert incident["columns"] == ["country"]
    assert incident["read_by"] == "churn (#churn)"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+\+00:00", incident["opened_at"])


def test_the_command_line_goes_before_the_environment_and_that_before_the_configuration(
    run: Run, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for args in (("--dsn", dsn, "status"), ("status", "--dsn", dsn)):
        assert run(*args, env={"PGSLO_DSN": "host=nowhere.invalid"}).exit_code == 0
    Path("pgslo.toml").write_text('dsn = "host=nowhere.invalid"\n', encoding="utf-8")
    assert run("status").exit_code == 0
    assert run("status", env={"PGSLO_DSN": ""}).exit_code == root.ERROR
    Path("pgslo.toml").write_text(f"dsn = {json.dumps(dsn)}\n", encoding="utf-8")
    monkeypatch.delenv("PGSLO_DSN")
    assert run("status").exit_code == 0
    Path("pgslo.toml").unlink()
    for name, value in psycopg.conninfo.conninfo_to_dict(dsn).items():
        monkeypatch.setenv({"dbname": "PGDATABASE"}.get(name, f"PG{name.upper()}"), str(value))
    assert run("status").exit_code == 0


def test_a_rule_that_broke_is_told(run: Run, connection: psycopg.Connection[Any]) -> None:
    connection.execute("ALTER TABLE features.stats RENAME COLUMN age TO years")
    connection.execute("INSERT INTO features.stats VALUES (1, 3, 'us', 5, '2026-01-01')")
    result = run("status")
    assert result.exit_code == root.BREACH
    assert "features.stats: rule age_range can no longer be judged\n" in result.stdout
    assert '"age"' in result.stdout
    broken = json.loads(run("status", "--json").stdout)["broken_rules"]
    assert {rule["rule"] for rule in broken} >= {"age_range", "age_compare"}


def test_a_batch_that_waits_for_its_last_rows_is_told_with_when_it_is_evaluated(
    run: Run, connection: psycopg.Connection[Any]
) -> None:
    connection.execute("INSERT INTO features.stats VALUES (1, 3, 'us', 5, '2026-01-01')")
    result = run("status")
    assert result.exit_code == 0
    (told,) = (line for line in result.stdout.splitlines() if "not evaluated" in line)
    assert re.fullmatch(
        r"batch 2026-01-01 of features\.stats is not evaluated yet: "
        r"it will be after 20\d\d-\d\d-\d\d \d\d:\d\d UTC, if no more rows come",
        told,
    )
    (waiting,) = connection.execute(
        "SELECT settles_at BETWEEN now() AND now() + interval '10 minutes' FROM pgslo.status"
        " WHERE settling_batch IS NOT NULL"
    ).fetchall()
    assert waiting == (True,)
    connection.execute("SELECT pgslo.close_batch('features.stats')")
    assert "not evaluated" not in run("status").stdout


def test_columns_that_differ_from_what_is_promised_are_told(
    run: Run, connection: psycopg.Connection[Any]
) -> None:
    connection.execute(
        "DROP VIEW IF EXISTS guarded.stats, guarded.stats_strict, guarded.stats_status, guarded.stats_healthy"
    )
    connection.execute("ALTER TABLE features.stats ALTER country TYPE varchar(2)")
    result = run("status")
    assert result.exit_code == root.BREACH
    assert '  difference: column "country" is character varying(2), not text\n' in result.stdout


def test_a_trigger_that_is_switched_off_is_told(run: Run, connection: psycopg.Connection[Any]) -> None:
    connection.execute("ALTER TABLE features.stats DISABLE TRIGGER pgslo_500_measure_insert")
    result = run("status")
    assert result.exit_code == root.BREACH
    assert "features.stats: trigger pgslo_500_measure_insert ON features.stats is disabled\n" in result.stdout
    connection.execute("ALTER TABLE features.stats DISABLE TRIGGER pgslo_500_measure_update")
    shown = run("status").stdout
    assert "features.stats: 2 triggers are disabled\n" in shown
    assert shown.count("enables them; rows written meanwhile were not evaluated\n") == 1
    assert run("status", "events").exit_code == 0
    assert run("plan").exit_code == root.CHANGES
    assert run("apply", "--yes").exit_code == 0
    assert run("status").exit_code == 0


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (
            "DROP TRIGGER pgslo_500_measure_insert ON features.stats",
            "missing: trigger pgslo_500_measure_insert ON features.stats",
        ),
        ("DROP VIEW guarded.stats_strict", "missing: view guarded.stats_strict"),
        ("DROP TABLE features.stats CASCADE", "gone: features.stats"),
    ],
)
def test_what_is_guarded_no_longer_is_told(
    run: Run, connection: psycopg.Connection[Any], statement: str, told: str
) -> None:
    connection.execute(statement)
    result = run("status")
    assert result.exit_code == root.BREACH
    assert f"features.stats: {told}\n" in result.stdout
    document = json.loads(run("status", "--json").stdout)
    assert [f"{one['what']}: {one['thing']}" for one in document["unguarded"]] == [told]


def test_a_definition_without_a_file_is_mentioned(run: Run) -> None:
    Path("slos/events.yml").unlink()
    result = run("status")
    assert result.exit_code == 0
    assert "pgslo uninstall features.events" in result.stderr
    assert json.loads(run("status", "--json").stdout)["without_file"] == ["features.events"]
    Path("slos/stats.yml").write_text("table: [", encoding="utf-8")
    assert "pgslo lint" in run("status").stderr
    Path("slos/stats.yml").unlink()
    Path("slos").rmdir()
    assert run("status").stderr == ""


def test_names_of_tables(run: Run, connection: psycopg.Connection[Any]) -> None:
    assert "features.events" not in run("status", "stats").stdout
    wrong = run("status", "features.stat")
    assert wrong.exit_code == root.ERROR
    assert wrong.stderr == (
        'error: features.stat has no definition in this database\nhint: did you mean "features.stats"?\n'
    )
    connection.execute("CREATE SCHEMA more CREATE TABLE stats (id integer PRIMARY KEY)")
    Path("slos/more.yml").write_text("table: more.stats\n", encoding="utf-8")
    assert run("apply", "--yes").exit_code == 0
    several = run("status", "stats")
    assert several.exit_code == root.ERROR
    assert several.stderr == ("error: stats is ambiguous\nhint: one of: features.stats, more.stats\n")


def test_status_without_the_runtime(run: Run, empty_dsn: str) -> None:
    for verb in (["status"], ["incidents"], ["explain", 1], ["tick"], ["quarantine", "list"]):
        result = run(*verb, "--dsn", empty_dsn)
        assert result.exit_code == root.ERROR
        assert result.stderr.startswith("error: pgslo is not installed in database pgslo_test_")


def test_budgets_in_status(run: Run, connection: psycopg.Connection[Any]) -> None:
    connection.execute(
        "UPDATE pgslo_catalog.definition SET target = 0.5, span = '7 days' WHERE name = 'features.stats'"
    )
    row = next(
        line for line in run("status", "stats").stdout.splitlines() if line.startswith("features.stats")
    )
    assert "unknown" in row
    for day in (1, 2, 3, 4):
        country = "xx" if day == 4 else "us"
        connection.execute(f"INSERT INTO features.stats VALUES ({day}, 3, '{country}', 5, '2026-01-0{day}')")
    connection.execute("SELECT pgslo.close_batch('features.stats')")
    result = run("status", "stats")
    assert re.search(r"features.stats .* 50 %  ", result.stdout)
    assert (
        "  budget:     1 of 4 batches missed, 1 left (50 %), burning 0.5 times as fast as allowed lately;"
        " the objective is 50 % in 7 days\n" in result.stdout
    )
    budgets = json.loads(run("status", "--json").stdout)["budgets"]
    assert budgets[0]["rule"] is None
    assert {row["rule"] for row in budgets} >= {None, "country_accepted_values"}


def test_status_ticks_and_goes_on_when_that_fails(run: Run, connection: psycopg.Connection[Any]) -> None:
    connection.execute("INSERT INTO features.events VALUES (1, '2026-01-01 00:10+00', NULL)")
    assert run("status").exit_code == root.BREACH
    connection.execute("INSERT INTO features.events VALUES (2, '2026-01-01 05:10+00', 'a')")
    assert "over, 1 missed batch" in run("status").stdout
    connection.execute("SELECT pgslo.accept(1, 'known')")
    assert run("status").exit_code == 0
    connection.execute("INSERT INTO features.events VALUES (3, '2026-01-02 00:10+00', NULL)")
    connection.execute(
        "CREATE OR REPLACE FUNCTION pgslo.tick() RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE ''out of order''; END'"
    )
    result = run("status")
    assert result.exit_code == root.BREACH
    assert "warning: incidents could not be brought up to date: out of order" in result.stderr
    assert "incident" in result.stdout


def test_readers_may_see_status_and_nobody_else_rows(
    run: Run, connection: psycopg.Connection[Any], dsn: str, role: Callable[[str], str]
) -> None:
    connection.execute(
        "INSERT INTO features.stats VALUES (1, 3, 'xx', 5, '2026-01-01'), (7, -3, 'us', 5, '2026-01-01')"
    )
    name = role("Reader")
    connection.execute(f"ALTER ROLE \"{name}\" LOGIN PASSWORD 'secret'")
    reader = psycopg.conninfo.make_conninfo(dsn, user=name, password="secret")
    owner = run("status")
    hidden = run("status", "--dsn", reader)
    assert (hidden.exit_code, hidden.stdout) == (root.ERROR, "")
    assert "may not read any table that has a definition" in hidden.stderr
    connection.execute(
        f'GRANT USAGE ON SCHEMA features TO "{name}"; GRANT SELECT ON ALL TABLES IN SCHEMA features TO "{name}"'
    )
    seen = run("status", "--dsn", reader)
    assert seen.exit_code == root.BREACH
    assert seen.stdout == owner.stdout
    assert (
        seen.stderr
        == f'only tables that role "{name}" may read are shown; to see all: pgslo grants auditor "{name}"\n'
    )
    assert run("incidents", "--dsn", reader).exit_code == 0
    assert "churn" in run("explain", 1, "--dsn", reader).stdout
    for args in (["list"], ["show", 1], ["list", "--json"]):
        refused = run("quarantine", *args, "--dsn", reader)
        assert refused.exit_code == root.ERROR
        assert refused.stdout == ""
        assert "may not see rows in quarantine" in refused.stderr
        assert f'GRANT SELECT ON pgslo.quarantine TO "{name}"' in refused.stderr
    for args in (["release", 1], ["drop", 1, "--yes"]):
        refused = run("quarantine", *args, "--dsn", reader)
        assert refused.exit_code == root.ERROR
        assert "permission denied" in refused.stderr
    assert "permission denied" in run("tick", "--dsn", reader).stderr
    connection.execute("REVOKE USAGE ON SCHEMA pgslo FROM PUBLIC")
    refused = run("status", "--dsn", reader)
    assert refused.exit_code == root.ERROR
    assert "GRANT USAGE ON SCHEMA pgslo" in refused.stderr


def test_incidents_of_one_page_are_one_block(run: Run, connection: psycopg.Connection[Any]) -> None:
    path = Path("slos/stats.yml")
    path.write_text(path.read_text(encoding="utf-8").replace("quarantine", "warn"), encoding="utf-8")
    assert run("apply", "--yes").exit_code == 0
    connection.execute(
        "INSERT INTO features.stats VALUES (1, -3, 'xx', 5, '2026-01-01'), (7, 3, 'us', 5, '2026-01-01')"
    )
    pages = connection.execute(
        "SELECT page, array_agg(incident_id ORDER BY incident_id) FROM pgslo.incident WHERE state = 'open' GROUP BY page"
    ).fetchall()
    ((page, incidents),) = pages
    assert len(incidents) == 2
    shown = run("status").stdout
    assert shown.count(f"page {page}: features.stats misses {len(incidents)} rules, columns ") == 1
    for incident in incidents:
        assert shown.count(f"  incident {incident}: rule ") == 1
    for said_once in ("since:", "read by:", "owner:", "to do:"):
        assert len(re.findall(rf"^  {said_once}", shown, re.MULTILINE)) == 1, said_once
    run("incidents", "resolve", incidents[0], "--as", "real")
    shown = run("status").stdout
    assert (
        f"  incident {incidents[0]}: rule age_range\n    state:      over, 1 missed batch with 2 rows is still stored\n"
        in shown
    )
    assert re.findall(r"more: pgslo incidents show (\d+)\n", shown) == [str(incidents[1])], (
        "what is open comes first"
    )
