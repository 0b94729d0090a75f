"""What ``status``, ``drift`` and ``plan`` report of rules after single changes; ``test_random_standing.py`` makes many at random."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from pgslo.cli import main

pytestmark = pytest.mark.slow

Connection = psycopg.Connection[Any]
Run = Callable[..., Result]

TABLES = """
CREATE SCHEMA t;
CREATE TABLE t.p (id int PRIMARY KEY);
INSERT INTO t.p VALUES (1);
CREATE TABLE t.f (id int, day date, p int, n int, a int, b int, c int, d int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE t.f1 PARTITION OF t.f FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE t.f2 PARTITION OF t.f FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE t.f3 (LIKE t.f INCLUDING ALL);
"""
DEFINITION = """\
table: t.f
owner: me
key: [id, day]
writes: {writes}
batch: {{by: day}}
watch: false
columns:
  p: [references: {{table: t.p, column: id, on_breach: reject}}]
  n: [not_null: {{on_breach: reject}}]
  a: [range: {{min: 0, max: 9, on_breach: reject}}]
  b: [range: {{min: 0, max: 9, on_breach: quarantine}}]
  c: [range: {{min: 0, max: 9, on_breach: flag}}]
  d: [range: {{min: 0, max: 9, on_breach: repair}}]
"""


@pytest.fixture
def run(dsn: str, connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    connection.execute(TABLES.encode())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", dsn)
    Path("slos").mkdir()

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(main, arguments)

    return invoke


def stated(run: Run) -> dict[str, dict[str, Any]]:
    return {one["rule"]: one for one in json.loads(run("status", "--json").stdout)["rules"]}


def test_what_status_says_of_each_rule(run, connection):
    Path("slos/f.yml").write_text(DEFINITION.format(writes="bulk"), encoding="utf-8")
    assert run("apply", "--yes").exit_code == 0
    told = stated(run)
    assert {one["in_force"] for one in told.values()} == {"yes"}
    assert told["p_references"] == {
        "definition": "t.f",
        "rule": "p_references",
        "on_breach": "reject",
        "mechanism": "native",
        "in_force": "yes",
        "why": [],
        "rests_on": ["a foreign key on (p) that references t.p"],
        "passed_by": [],
        "rows_unseen": 0,
    }
    assert told["n_not_null"]["rests_on"] == ["NOT NULL of column n"]
    assert told["b_range"]["rests_on"] == ["trigger pgslo_300_quarantine_row"]
    assert told["c_range"]["rests_on"] == [
        "trigger pgslo_500_measure_insert",
        "trigger pgslo_500_measure_update",
    ]
    assert told["d_range"]["rests_on"] == ["trigger pgslo_100_repair_row"]
    connection.execute(
        "ALTER TABLE t.f DROP CONSTRAINT pgslo__p_references; DROP TRIGGER pgslo_100_repair_row ON t.f"
    )
    told = stated(run)
    assert {rule for rule, one in told.items() if one["in_force"] == "no"} == {"p_references", "d_range"}
    assert told["p_references"]["why"] == ["no foreign key on (p) references t.p"]
    assert told["d_range"]["why"] == ["trigger pgslo_100_repair_row ON t.f: it was dropped"]
    shown = run("status", "--rules")
    assert shown.exit_code == 4
    assert "trigger pgslo_100_repair_row ON t.f: it was dropped" in shown.output


def test_a_rule_about_batches_rests_on_tick_and_on_each_trigger_that_counts_rows(run, connection):
    text = DEFINITION.format(writes="bulk").replace("columns:", "row_count: {min: 1}\ncolumns:")
    Path("slos/f.yml").write_text(text, encoding="utf-8")
    assert run("apply", "--yes").exit_code == 0
    assert stated(run)["row_count"]["rests_on"] == [
        "pgslo.tick(), which closes batches",
        "trigger pgslo_450_taken_delete",
        "trigger pgslo_450_taken_update",
        "trigger pgslo_500_measure_insert",
        "trigger pgslo_500_measure_update",
        "trigger pgslo_600_emptied_truncate",
    ]
    connection.execute("DROP TRIGGER pgslo_450_taken_delete ON t.f")
    assert stated(run)["row_count"]["why"] == ["trigger pgslo_450_taken_delete ON t.f: it was dropped"]


def test_rows_that_no_trigger_saw(run, connection):
    Path("slos/f.yml").write_text(DEFINITION.format(writes="bulk"), encoding="utf-8")
    assert run("apply", "--yes").exit_code == 0
    connection.execute(
        "INSERT INTO t.f SELECT n, '2026-01-01', 1, 1, 1, 1, 1, 1 FROM generate_series(1, 10) n"
    )
    connection.execute(
        "SET session_replication_role = replica; INSERT INTO t.f SELECT n, '2026-01-02', 1, 1, 99, 1, 1, 1 FROM generate_series(1, 7) n;"
        "RESET session_replication_role"
    )
    connection.execute(
        "SELECT pg_stat_force_next_flush()"
        if connection.info.server_version >= 150000
        else "SELECT pg_sleep(1)"
    )
    told = stated(run)
    assert told["a_range"]["rows_unseen"] == 7
    assert told["n_not_null"]["rows_unseen"] == 0
    connection.execute("SELECT pg_stat_reset()")
    assert stated(run)["a_range"]["rows_unseen"] is None


def test_a_role_that_may_not_see_the_state_is_told_so(run, connection, role, monkeypatch):
    Path("slos/f.yml").write_text(DEFINITION.format(writes="bulk"), encoding="utf-8")
    assert run("apply", "--yes").exit_code == 0
    reader = role("reader")
    connection.execute(
        f"GRANT USAGE ON SCHEMA pgslo, t TO {reader}; GRANT SELECT ON t.f TO {reader}".encode()
    )
    monkeypatch.setenv("PGOPTIONS", f"-c role={reader}")
    told = stated(run)
    assert {one["in_force"] for one in told.values()} == {"unknown"}
    assert told["a_range"]["why"] == [f"role {reader} may not see the state: pgslo grants auditor {reader}"]


@pytest.mark.parametrize(
    "change",
    [
        "DROP TRIGGER pgslo_500_measure_insert ON t.f2",
        "ALTER TABLE t.f2 DISABLE TRIGGER pgslo_500_measure_insert",
        "ALTER TABLE t.f2 DISABLE TRIGGER ALL",
    ],
)
def test_what_becomes_of_a_detached_partition_breaks_no_rule(run, connection, change):
    Path("slos/f.yml").write_text(DEFINITION.format(writes="bulk"), encoding="utf-8")
    assert run("apply", "--yes").exit_code == 0
    connection.execute(change.encode())
    assert {one["rule"] for one in stated(run).values() if one["in_force"] == "no"} >= {"a_range", "c_range"}
    connection.execute("ALTER TABLE t.f DETACH PARTITION t.f2")
    assert {one["in_force"] for one in stated(run).values()} == {"yes"}


def test_a_trigger_that_was_renamed_still_fires_and_apply_gives_it_its_name_back(run, connection):
    Path("slos/f.yml").write_text(DEFINITION.format(writes="bulk"), encoding="utf-8")
    assert run("apply", "--yes").exit_code == 0
    connection.execute(
        "ALTER TRIGGER pgslo_500_measure_insert ON t.f RENAME TO own;"
        "ALTER TRIGGER pgslo_500_measure_insert ON t.f1 RENAME TO own"
    )
    (one, other) = json.loads(run("drift", "--json").stdout)["drift"]
    assert (one["what"], other["what"]) == ("trigger renamed", "trigger renamed")
    assert one["said"] == "it is called own now; triggers fire in the order of their names"
    assert {rule for rule, told in stated(run).items() if told["in_force"] == "unknown"} == {
        "a_range",
        "c_range",
    }
    assert run("apply", "--yes").exit_code == 0
    connection.execute("INSERT INTO t.f VALUES (1, '2026-01-01', 1, 1, 1, 1, 99, 1)")
    counted = connection.execute("SELECT sum(rows) FROM pgslo_catalog.fragment").fetchone()
    assert counted == (1,), "a second trigger counts the same rows"
    assert {told["in_force"] for told in stated(run).values()} == {"yes"}


def test_a_reader_whose_right_was_revoked_is_named(run, connection, role):
    reader = role("reader")
    text = DEFINITION.format(writes="bulk").replace("columns:", f"readers: [{reader}]\ncolumns:")
    Path("slos/f.yml").write_text(text, encoding="utf-8")
    assert run("apply", "--yes").exit_code == 0
    assert json.loads(run("drift", "--json").stdout)["drift"] == []
    connection.execute(f"REVOKE SELECT ON guarded.f FROM {reader}".encode())
    (one,) = json.loads(run("drift", "--json").stdout)["drift"]
    assert (one["what"], one["thing"]) == ("no rights", "view guarded.f")
    assert one["to_do"] == f"GRANT SELECT ON guarded.f TO {reader}, or remove it from readers"
    connection.execute(one["to_do"].partition(",")[0].encode())
    connection.execute(f"REVOKE USAGE ON SCHEMA guarded FROM {reader}".encode())
    (one,) = json.loads(run("drift", "--json").stdout)["drift"]
    assert one["to_do"] == f"GRANT USAGE ON SCHEMA guarded TO {reader}, or remove it from readers"


def test_a_plan_that_mends_rights_names_the_rules_that_are_not_in_force(run, connection):
    Path("slos/f.yml").write_text(DEFINITION.format(writes="bulk"), encoding="utf-8")
    assert run("apply", "--yes").exit_code == 0
    connection.execute(
        "REVOKE EXECUTE ON FUNCTION pgslo.guard(text, text[], text) FROM PUBLIC;"
        "DROP TRIGGER pgslo_100_repair_row ON t.f"
    )
    notes = json.loads(run("plan", "--json").stdout)["notes"]
    assert any(note.startswith("t.f: not in force now: d_range") for note in notes), notes
