"""``pgslo incidents``, ``explain`` and ``tick``: incidents from their opening to their end."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from click.testing import Result

from pgslo.cli import root

Run = Callable[..., Result]


@pytest.mark.usefixtures("breach")
def test_incidents_open_and_resolved(run: Run, connection: psycopg.Connection[Any]) -> None:
    assert run("incidents", "--json").exit_code == 0
    (incident,) = json.loads(run("incidents", "--json").stdout)["incidents"]
    assert incident["incident_id"] == 1
    assert incident["resolved_at"] is None
    assert run("incidents", "events").stdout == "no open incidents, and none that are over\n"

    connection.execute("INSERT INTO features.stats VALUES (2, 3, 'us', 5, '2026-01-02')")
    assert "over, 1 missed batch with 1 row is still stored" in run("incidents").stdout
    status = run("status")
    assert status.exit_code == root.BREACH
    assert re.search(r"  state: +over, 1 missed batch with 1 row is still stored\n", status.stdout)
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
    assert missing.stderr == "error: incident 2 does not exist\nhint: pgslo incidents --all lists them\n"


def test_tick_resolves_what_is_over(run: Run, connection: psycopg.Connection[Any]) -> None:
    connection.execute("INSERT INTO features.events VALUES (1, '2026-01-01 00:10+00', NULL)")
    result = run("tick")
    assert result.exit_code == 0
    waits, counts = result.stderr.splitlines()
    assert waits.startswith(
        "batch 2026-01-01T00:00:00+00:00 of features.events is not evaluated yet: it will be after "
    )
    assert counts == "0 incidents over, 0 resolved, 1 open"
    connection.execute("INSERT INTO features.events VALUES (2, '2026-01-01 05:10+00', 'a')")
    assert run("tick").stderr.splitlines()[-1] == "1 incident over, 0 resolved, 0 open"


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
