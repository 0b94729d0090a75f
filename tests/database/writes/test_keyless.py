"""Tables whose rows no columns identify: key: none."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from pgslo.cli import main
from pgslo.database import operations
from pgslo.definition import load

TABLE = "CREATE TABLE features.events (day date, a integer, b integer, c integer, kind text)"
HEAD = "table: features.events\nowner: sam\nkey: none\nbatch: {by: day}\n"
RULES = """\
columns:
  a: [range: {min: 0, on_breach: reject, name: r_reject}, not_null: {at_least: 0.5}]
  b: [range: {min: 0, on_breach: warn, name: r_warn}, repair: {clip: [-100, 10]}]
  c: [range: {min: 0, on_breach: flag, name: r_flag}]
"""


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_rules_are_kept_and_messages_name_no_row(session, writes):
    session.run(TABLE)
    session.guard(f"{HEAD}writes: {writes}\n{RULES}")
    session.run("INSERT INTO features.events VALUES ('2026-11-22', 1, 1, 1, 'x')")
    error = session.refused("INSERT INTO features.events VALUES ('2026-11-22', -1, 1, 1, 'x')")
    assert (error.sqlstate, error.rule) == ("23514", "r_reject")
    assert "Key (none)." in error.detail
    outcome = session.run(
        "INSERT INTO features.events VALUES ('2026-11-22', 1, -1, -1, 'x'), ('2026-11-22', 1, 50, 1, 'x')"
    )
    assert outcome.count == 2
    assert outcome.warned == {"r_warn"}
    assert session.incidents() >= {"r_warn", "r_flag"}
    assert session.values("SELECT max(b) FROM features.events") == [10]
    assert session.run("SELECT row_key, new_value FROM pgslo.repair").rows == (("(none)", "10"),)
    keys = set(session.values("SELECT row_key FROM pgslo.sample"))
    assert keys == {"(none)"}
    session.run("UPDATE features.events SET a = 2")
    session.run("DELETE FROM features.events WHERE b = 10")
    session.run("INSERT INTO features.events VALUES ('2026-11-23', 1, 1, 1, 'x')")
    session.run("SELECT pgslo.close_batch('features.events')")
    session.run("SELECT pgslo.tick()")
    assert session.broken() == {}
    assert len(session.run("SELECT * FROM guarded.events").rows) == 3


def test_learned_bounds_sample_rows_by_their_values(session):
    session.run(TABLE)
    session.guard(f"{HEAD}writes: bulk\n")
    for day in (22, 23):
        session.run(
            f"INSERT INTO features.events SELECT DATE '2026-11-{day}', n, n % 7, n % 3, 'x' FROM generate_series(1, 200) n"
        )
    session.run("SELECT pgslo.close_batch('features.events')")
    sampled = session.run(
        "SELECT column_name, rows, summary IS NOT NULL FROM pgslo_catalog.profile WHERE batch = '2026-11-22' ORDER BY 1"
    ).rows
    assert [row[1:] for row in sampled] == [(200, True)] * len(sampled)
    assert {row[0] for row in sampled} >= {"a", "b", "c", "kind"}
    assert session.broken() == {}


def test_assertions(session):
    session.run(TABLE)
    session.run("CREATE INDEX ON features.events (kind)")
    session.guard(
        f"{HEAD}writes: bulk\nwatch: false\nassertions:\n  - same: {{all_equal: a, group_by: kind, on_breach: reject, deferred: false}}\n"
    )
    session.run("INSERT INTO features.events VALUES ('2026-11-22', 1, 1, 1, 'x')")
    session.run("SET CONSTRAINTS ALL IMMEDIATE")
    error = session.refused("INSERT INTO features.events VALUES ('2026-11-22', 2, 1, 1, 'x')")
    assert error.rule == "same"
    assert session.broken() == {}


def test_an_apply_and_a_snapshot(connection, apply):
    connection.execute("CREATE SCHEMA features")
    connection.execute(TABLE)
    assert apply(f"{HEAD}writes: bulk\n{RULES}") == ()
    connection.execute(
        "INSERT INTO features.events VALUES ('2026-11-22', 1, 1, 1, 'x'), ('2026-11-22', 1, 1, 1, 'x')"
    )
    connection.execute("SELECT pgslo.create_snapshot('s', 'guarded', 'events', NULL, false, false)")
    assert connection.execute("SELECT * FROM pgslo.verify_snapshot('s')").fetchall() == []
    assert operations.find_drift(connection) == ()


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        (
            "columns: {a: [range: {min: 0, on_breach: quarantine}]}",
            "slos/example.yml:5:42: error: quarantine needs a key, and the definition says key: none",
        ),
        (
            "kind: predictions\npredictions: {score: b, model: kind}\n",
            "needs a key, and the definition says key: none",
        ),
    ],
)
def test_what_needs_a_key_is_refused(session, rest, message):
    session.run(TABLE)
    errors = session.errors(HEAD + rest)
    assert any(message in error for error in errors), errors


def test_a_table_with_a_primary_key_has_one(session):
    session.run("CREATE TABLE features.events (id integer PRIMARY KEY, day date)")
    (error,) = session.errors(HEAD)
    assert (
        "slos/example.yml:3:6: error: features.events has a primary key (id), and the definition says key: none"
        in error
    )


def test_a_table_without_a_key_is_told_both_ways(session):
    session.run(TABLE)
    (error,) = session.errors("table: features.events\n")
    assert "features.events has no primary key, and the definition names no key" in error
    assert "or key: none where no columns identify its rows" in error


def test_a_column_may_be_called_none():
    assert load("table: a.b\nkey: [none]", path="x.yml").key == ("none",)
    assert load("table: a.b\nkey: none", path="x.yml").keyless
    assert load("table: a.b\nkey: id", path="x.yml").key == ("id",)


@pytest.mark.parametrize("form", ["human", "json"])
def test_lint_says_that_plan_expects_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str):
    monkeypatch.chdir(tmp_path)
    Path("slos").mkdir()
    for name, key in (("a", ""), ("b", "key: none\n"), ("c", "key: [id]\n")):
        Path(f"slos/{name}.yml").write_text(f"table: features.{name}\n{key}", encoding="utf-8")
    result = CliRunner().invoke(main, ["lint", "--format", form])
    assert result.exit_code == 0
    assert result.stderr.startswith("1 definition names no key, so plan expects a primary key: features.a;")
    Path("slos/a.yml").unlink()
    assert CliRunner().invoke(main, ["lint", "--format", form]).stderr == ""
