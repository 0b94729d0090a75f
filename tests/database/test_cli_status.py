"""``pgslo status``, ``incidents``, ``explain``, ``tick`` and ``quarantine``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from pgslo.cli import main, root
from pgslo.cli.operating.quarantine import _document

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


@pytest.fixture
def run(
    dsn: str, connection: psycopg.Connection[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Run:
    """The command line in a project with two definitions that are applied."""
    connection.execute(TABLES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", dsn)
    Path("slos").mkdir()
    Path("slos/stats.yml").write_text(STATS, encoding="utf-8")
    Path("slos/events.yml").write_text(EVENTS, encoding="utf-8")
    applied = invoke("apply", "--yes")
    assert applied.exit_code == 0, applied.output
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


# Status


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
    assert "  promised:   country one of us, de\n" in result.stdout
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
            "over_incidents",
            "missed_batches",
            "broken_rules",
            "quarantined_rows",
        ),
        *("quarantine_bytes", "quarantine_max_bytes", "quarantine_fraction"),
        *("schema_difference", "last_recorded_at", "waiting_batches"),
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
    assert (
        "features.stats: trigger pgslo_500_measure_insert ON features.stats is switched off\n"
        in result.stdout
    )
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
    assert several.stderr == (
        "error: stats stands for several tables\nhint: one of: features.stats, more.stats\n"
    )


def test_status_without_the_runtime(run: Run, empty_dsn: str) -> None:
    for verb in (["status"], ["incidents"], ["explain", 1], ["tick"], ["quarantine", "list"]):
        result = run(*verb, "--dsn", empty_dsn)
        assert result.exit_code == root.ERROR
        assert result.stderr.startswith("error: pgslo is not installed in database pgslo_test_")


# Who may


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


# Incidents


@pytest.mark.usefixtures("breach")
def test_incidents_open_and_resolved(run: Run, connection: psycopg.Connection[Any]) -> None:
    assert run("incidents", "--json").exit_code == 0
    (incident,) = json.loads(run("incidents", "--json").stdout)["incidents"]
    assert incident["incident_id"] == 1
    assert incident["resolved_at"] is None
    assert run("incidents", "events").stdout == "no open incidents, and none that are over\n"

    connection.execute("INSERT INTO features.stats VALUES (2, 3, 'us', 5, '2026-01-02')")
    assert "over, 1 missed batch (1 row) is still stored" in run("incidents").stdout
    status = run("status")
    assert status.exit_code == root.BREACH
    assert re.search(r"  state: +over, 1 missed batch \(1 row\) is still stored\n", status.stdout)
    assert "pgslo incidents accept 1 --reason" in status.stdout
    assert "esolved" not in status.stdout
    accepted = run("incidents", "accept", 1)
    assert accepted.exit_code == 2, "a reason is required"
    accepted = run("incidents", "accept", 1, "--reason", "xx is a country", "--batches", "nope")
    assert accepted.stderr.startswith('error: batch "nope" is not a missed batch of incident 1\n')
    accepted = run("incidents", "accept", 1, "--reason", "xx is a country")
    assert accepted.stdout == "1 batch of incident 1 accepted\n"
    again = run("incidents", "accept", 1, "--reason", "xx is a country")
    assert again.stderr.startswith("error: incident 1 is resolved already\n")
    assert run("incidents").stdout == "no open incidents, and none that are over\n"
    history = run("incidents", "show", 1).stdout.partition("History\n")[2].splitlines()
    assert [line.split()[3] for line in history[:4]] == ["opened", "over", "accepted", "resolved"]
    assert history[2].endswith(": xx is a country")
    listed = run("incidents", "--all", "stats")
    assert listed.exit_code == 0
    assert "country_accepted_values" in listed.stdout
    assert re.search(r"  accepted \d{4}-\d\d-\d\d ", listed.stdout)
    assert run("status").exit_code == 0


@pytest.mark.usefixtures("breach")
def test_explain(run: Run) -> None:
    result = run("explain", 1)
    assert result.exit_code == 0
    assert "table:               features.stats\n" in result.stdout
    assert "state:               open\n" in result.stdout
    document = json.loads(run("explain", 1, "--json").stdout)
    assert document["version"] == 1
    assert document["facts"]["tasks that read it"] == "churn (#churn)"
    missing = run("explain", 2)
    assert missing.exit_code == root.ERROR
    assert missing.stderr == "error: there is no incident 2\nhint: pgslo incidents --all lists them\n"


def test_tick_resolves_what_is_over(run: Run, connection: psycopg.Connection[Any]) -> None:
    connection.execute("INSERT INTO features.events VALUES (1, '2026-01-01 00:10+00', NULL)")
    result = run("tick")
    assert result.exit_code == 0
    assert result.stderr == "0 incidents over, 0 resolved, 1 open\n"
    connection.execute("INSERT INTO features.events VALUES (2, '2026-01-01 05:10+00', 'a')")
    assert run("tick").stderr == "1 incident over, 0 resolved, 0 open\n"


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


# Quarantine


@pytest.mark.usefixtures("held")
def test_list(run: Run) -> None:
    result = run("quarantine", "list")
    assert result.exit_code == 0
    heading, newest, *_ = (re.split(r"  +", line.strip()) for line in result.stdout.splitlines())
    assert heading == ["row", "table", "key", "breaks", "by", "at", "state"]
    assert newest[:4] == ["3", "features.stats", "(id) = (9)", "age_range, age_compare"]
    assert newest[-1] == "held"
    assert run("quarantine", "list", "--table", "events").stdout == "no rows in quarantine\n"
    limited = run("quarantine", "list", "--table", "stats", "--limit", 2)
    assert len(limited.stdout.splitlines()) == 3
    assert limited.stderr == "there are more than 2; see more with --limit\n"
    document = json.loads(run("quarantine", "list", "--limit", 2, "--json").stdout)
    assert document["more"] is True
    assert [row["quarantine_id"] for row in document["rows"]] == [3, 2]
    assert "image" not in document["rows"][0]


@pytest.mark.usefixtures("held")
def test_show_tells_every_reason_and_exact_values(run: Run) -> None:
    result = run("quarantine", "show", 1)
    assert result.exit_code == 0
    assert "  age_range: age = -3; wanted: age between 0 and 120\n" in result.stdout
    assert re.search(r"  amount: +0\.10000000000000000000000000000001\n", result.stdout)
    assert '"amount": 0.10000000000000000000000000000001' in run("quarantine", "show", 1, "--json").stdout
    assert run("quarantine", "show", 2).stdout.count("; wanted: ") == 2
    document = json.loads(run("quarantine", "show", 2, "--json").stdout)
    assert document["version"] == 1
    assert document["row"]["image"]["age"] == 130
    assert set(document["row"]["failing"]) == {"age", "amount"}
    missing = run("quarantine", "show", 99)
    assert missing.exit_code == root.ERROR
    assert missing.stderr.startswith("error: row 99 is not in quarantine\n")


def test_values_cannot_command_the_terminal(run: Run, connection: psycopg.Connection[Any]) -> None:
    connection.execute(
        "INSERT INTO features.stats VALUES (7, -3, E'\\x1b]0;owned\\x07\\n\\u202e', 5, '2026-01-01')"
    )
    result = run("quarantine", "show", 1)
    assert "\x1b" not in result.output
    assert "  country: \\x1b]0;owned\\x07 \\u202e\n" in result.stdout


@pytest.mark.usefixtures("held")
def test_release_judges_again_and_tells_of_each(run: Run, connection: psycopg.Connection[Any]) -> None:
    result = run("quarantine", "release", 1, 2, 99, 2)
    assert result.exit_code == root.ERROR
    assert result.stdout == ""
    assert result.stderr.count("error: row ") == 3
    assert "error: row 1 still cannot be written to features.stats\n" in result.stderr
    assert (
        "hint: change it on the way: pgslo quarantine release 1 --set column=value, or give it up: pgslo quarantine drop 1\n"
        in result.stderr
    )
    assert "error: row 99 is not held in quarantine\n" in result.stderr

    mended = run("quarantine", "release", 2, 99, 3, "--set", "age=3", "--set", "country=fr")
    assert mended.exit_code == root.ERROR, "99 is not there"
    assert mended.stdout == "row 2 written to features.stats\nrow 3 written to features.stats\n"
    assert "warning: rows written to features.stats violate country_accepted_values" in mended.stderr
    assert connection.execute("SELECT id, age, country FROM features.stats ORDER BY id").fetchall() == [
        (8, 3, "fr"),
        (9, 3, "fr"),
    ]
    again = run("quarantine", "release", 2)
    assert again.exit_code == root.ERROR
    assert "It was released at " in again.stderr
    assert "released" in run("quarantine", "list", "--state", "released").stdout
    assert len(run("quarantine", "list", "--state", "all").stdout.splitlines()) == 4


@pytest.mark.usefixtures("held")
def test_release_for_programs(run: Run) -> None:
    result = run("quarantine", "release", 1, 2, "--set", "age=3", "--json")
    assert result.exit_code == root.ERROR
    document = json.loads(result.stdout)
    assert [(row["row"], row["done"]) for row in document["rows"]] == [(1, False), (2, True)]
    assert run("quarantine", "release", 1, "--set", "nope=3").stderr.startswith(
        'error: column "nope" of features.stats does not exist'
    )


@pytest.mark.parametrize(
    ("change", "document"),
    [
        ("age=3", '{"age": 3}'),
        ("age=null", '{"age": null}'),
        ("country=us", '{"country": "us"}'),
        ('country="null"', '{"country": "null"}'),
        ("country=", '{"country": ""}'),
        ("zip=01234", '{"zip": "01234"}'),
        ("x=0.10000000000000000000000000000001", '{"x": 0.10000000000000000000000000000001}'),
        ("x=NaN", '{"x": "NaN"}'),
        ("x=-Infinity", '{"x": "-Infinity"}'),
        ("x=" + "9" * 5000, '{"x": ' + "9" * 5000 + "}"),
        ("day=2026-01-01", '{"day": "2026-01-01"}'),
        ("a=b=c", '{"a": "b=c"}'),
        ('x={"a": [1, 2]}', '{"x": {"a": [1, 2]}}'),
        ("x=" + "[" * 100_000, '{"x": "' + "[" * 100_000 + '"}'),
        ('na"me=1', '{"na\\"me": 1}'),
    ],
)
def test_a_change_is_json_or_text(change: str, document: str) -> None:
    assert _document([change]) == document


@pytest.mark.usefixtures("held")
def test_drop_asks_and_erases(
    run: Run, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgslo.cli.output.can_ask", lambda: True)
    declined = run("quarantine", "drop", 1, input="n\n")
    assert declined.exit_code == root.ERROR
    assert "Erase 1 row for good? [y/N]" in declined.stderr
    result = run("quarantine", "drop", 1, 99, 2, "--yes")
    assert result.exit_code == root.ERROR
    assert result.stdout == "row 1 discarded\nrow 2 discarded\n"
    assert connection.execute(
        "SELECT count(*) FROM pgslo_catalog.quarantine WHERE image IS NULL"
    ).fetchone() == (2,)
    assert "  erased\n" in run("quarantine", "show", 1).stdout
    assert json.loads(run("quarantine", "show", 1, "--json").stdout)["row"]["image"] is None
    assert json.loads(run("quarantine", "drop", 3, "--yes", "--json").stdout)["rows"][0]["done"] is True


@pytest.mark.usefixtures("held")
def test_the_server_going_away_is_one_error(
    run: Run, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pgslo import database

    fetch = database.fetch

    def end(conn: database.Connection, *args: Any) -> Any:
        rows = fetch(conn, *args)
        connection.execute("SELECT pg_terminate_backend(%s)", (conn.info.backend_pid,))
        return rows

    monkeypatch.setattr("pgslo.database.fetch", end)
    result = run("quarantine", "release", 1, 2)
    assert result.exit_code == root.ERROR
    assert result.stderr.count("error:") == 1
    assert "Traceback" not in result.stderr


# What becomes of incidents


@pytest.mark.usefixtures("breach")
def test_an_incident_is_acknowledged_muted_and_resolved(run: Run) -> None:
    said = run("incidents", "ack", 1, 9, "--note", "looking")
    assert said.exit_code == root.ERROR, "9 is not there"
    assert said.stdout == "incident 1 acknowledged\n"
    assert said.stderr.startswith("error: incident 9 does not exist\n")
    assert "  acknowledged by postgres  " in run("incidents").stdout
    assert run("incidents", "mute", 1, "--for", "2d").stdout == "incident 1 muted\n"
    assert "  muted until 2" in run("incidents", "list").stdout
    status = run("status").stdout
    assert re.search(r"  known to: +\d{4}-.* by postgres\n", status)
    assert re.search(r"  muted: +until \d{4}-", status)
    assert re.search(r"  note: +looking\n", status)
    assert run("incidents", "mute", 1).stdout == "incident 1 is heard again\n"
    done = run("incidents", "resolve", 1, "--as", "false-alarm", "--json")
    assert json.loads(done.stdout)["incidents"] == [
        {"incident": 1, "done": True, "message": "incident 1 resolved as false alarm"}
    ]
    assert run("incidents").stdout == "no open incidents, and none that are over\n"
    shown = run("incidents", "show", 1)
    assert re.match(r"table: +features.stats\n", shown.stdout)
    history = shown.stdout.partition("History\n")[2].splitlines()
    assert [line.split()[3] for line in history[:5]] == [
        *("opened", "acknowledged", "muted", "unmuted", "resolved")
    ]
    assert "acknowledged by postgres: looking" in history[1]
    assert "  failing row: (id) = (1): country = xx\n" in shown.stdout
    document = json.loads(run("incidents", "show", 1, "--json").stdout)
    assert [event["event"] for event in document["history"]][-1] == "resolved"
    assert document["evidence"][0]["topic"] == "failing row"


def test_a_rule_is_muted(run: Run) -> None:
    muted = run("incidents", "mute", "--rule", "stats.country_accepted_values", "--for", "30 minutes")
    assert muted.stdout == "rule country_accepted_values of features.stats muted\n"
    missing = run("incidents", "mute", "--rule", "stats.nope", "--for", "1h")
    assert missing.exit_code == root.ERROR
    assert missing.stderr.startswith('error: features.stats has no rule "nope"\n')
    for wrong in (
        ["1", "--rule", "a.b"],
        [],
        ["--rule", "nope"],
        ["1", "--for", "soon"],
        ["1", "--for", "0h"],
    ):
        assert run("incidents", "mute", *wrong).exit_code == root.USAGE


@pytest.mark.usefixtures("breach")
def test_strangers_may_look_at_incidents_and_decide_nothing(
    run: Run, connection: psycopg.Connection[Any], dsn: str, role: Callable[[str], str]
) -> None:
    name = role("reader")
    connection.execute(f"ALTER ROLE {name} LOGIN PASSWORD 'secret'")
    reader = psycopg.conninfo.make_conninfo(dsn, user=name, password="secret")
    assert run("incidents", "show", 1, "--dsn", reader).exit_code == root.ERROR
    assert run("incidents", "--dsn", reader).exit_code == root.ERROR
    connection.execute(f"GRANT USAGE ON SCHEMA features TO {name}; GRANT SELECT ON features.stats TO {name}")
    shown = run("incidents", "show", 1, "--dsn", reader)
    assert shown.exit_code == 0
    assert "Evidence" not in shown.stdout
    assert "= xx" not in shown.stdout
    for args in (["ack", 1], ["mute", 1, "--for", "1h"], ["resolve", 1, "--as", "real"]):
        refused = run("incidents", *args, "--dsn", reader)
        assert refused.exit_code == root.ERROR
        assert "permission denied" in refused.stderr


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
