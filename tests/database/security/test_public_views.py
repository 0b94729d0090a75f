"""Case 9: a role that may read neither a table nor a guarded view of it learns nothing of it from pgslo."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

EMP = """
table: features.emp
owner: sam
key: [id]
writes: bulk
batch: {by: day}
objective: {target: 0.9, window: 28 days}
columns:
  salary:
    - range: {min: 0, max: 5000, on_breach: flag, name: cap}
    - monotonic: {order: seq, name: mono}
assertions:
  - same: {all_equal: salary, group_by: email, on_breach: warn}
readers: [$reader, $trainer]
tasks: {t1: {contact: "#x", reads: [salary], view: serving.t1}}
"""
#: Views of ``pgslo`` that everybody may select from and that say something of a definition.
VIEWS = {
    "incident": "definition",
    "rule": "definition",
    "status": "definition",
    "quarantine_size": "definition",
    "repair_size": "definition",
    "batch": "definition",
    "verdict": "definition",
    "page": "definition",
    "reader": "definition",
    "incident_event": "definition",
    "budget": "definition",
    "column_history": "definition",
    "incident_failures": "definition",
    "metric": "labels ->> 'table'",
    "assertion": "definition",
    "assertion_dependency": "definition",
    "measured_precision": "definition",
}
UNHEALTHY = "data of features.emp is unhealthy"


@pytest.fixture
def emp(world):
    """A table of people with violated rules of several kinds; ``reader`` and ``trainer`` may read its guarded view."""
    world.run(
        "installer",
        "CREATE TABLE features.emp (id int PRIMARY KEY, day date, email text, salary int, seq int); CREATE INDEX ON features.emp (email)",
    )
    world.run("installer", "GRANT INSERT ON features.emp TO $writer")
    world.apply(EMP)
    world.run(
        "writer",
        "INSERT INTO features.emp VALUES (71, '2026-01-01', 'joe@example.com', 10, 1), (72, '2026-01-01', 'joe@example.com', 5, 2), (73, '2026-01-01', 'ann@example.com', 98765, 3)",
    )
    world.run("operator", "SELECT * FROM pgslo.close_batch('features.emp')")
    world.run("operator", "SELECT pgslo.tick()")
    world.run("operator", "SELECT pgslo.resolve((SELECT min(incident_id) FROM pgslo.incident), 'real')")
    return world


def notices(session: psycopg.Connection[Any], text: str) -> list[psycopg.errors.Diagnostic]:
    """The warnings that a statement raises."""
    got: list[psycopg.errors.Diagnostic] = []
    fields = (
        "sqlstate",
        "message_primary",
        "message_detail",
        "message_hint",
        "column_name",
        "constraint_name",
    )
    session.add_notice_handler(lambda one: got.append({name: getattr(one, name) for name in fields}))  # type: ignore[arg-type]
    session.execute(text.encode())
    return got


def test_a_stranger_sees_no_definition_in_any_view(emp, subtests: pytest.Subtests):
    granted = {
        name
        for (name,) in emp.run(
            "mallory",
            """SELECT relname::text FROM pg_class WHERE relnamespace = 'pgslo'::regnamespace AND relkind = 'v'
               AND has_table_privilege(oid, 'SELECT')""",
        )
    }
    # Those of predictions, snapshots, runs and of many rows have no row here; all are security barriers.
    assert granted == set(VIEWS) | {
        "incident_quantiles",
        "ml_metric",
        "prediction_problem",
        "post_processing",
        "pause",
        "snapshot",
        "task_run",
    }
    for view in VIEWS:
        with subtests.test(view):
            query = f"SELECT count(*) FROM pgslo.{view}"
            assert emp.run("mallory", query) == [(0,)]
            # A writer may write, and read nothing.
            assert emp.run("writer", query) == [(0,)]
            for part in ("reader", "auditor", "operator", "steward", "installer", "superuser"):
                assert emp.run(part, query)[0][0] > 0, part


def test_views_are_security_barriers(emp):
    """A condition of the reader's own with a function of their own must not see rows that are left out."""
    assert (
        emp.run(
            "superuser",
            """SELECT relname::text FROM pg_class WHERE relnamespace = 'pgslo'::regnamespace AND relkind = 'v'
           AND has_table_privilege('public', oid, 'SELECT') AND relname <> 'page'
           AND NOT coalesce(reloptions @> ARRAY['security_barrier=true'], false)""",
        )
        == []
    )
    emp.run(
        "mallory",
        """CREATE TABLE evil.loot (what text);
           CREATE FUNCTION evil.leak(text) RETURNS boolean COST 0.0001 LANGUAGE plpgsql AS $$BEGIN
             INSERT INTO evil.loot VALUES ($1); RETURN true; END$$""",
    )
    for view, column in {
        "verdict": "said",
        "rule": "promise",
        "batch": "batch",
        "incident": "rule",
        "page": "rules::text",
        "status": "definition",
        "quarantine_size": "definition",
        "repair_size": "definition",
        "reader": "name",
    }.items():
        emp.run("mallory", f"SELECT count(*) FROM pgslo.{view} WHERE evil.leak({column})")
    assert emp.run("mallory", "TABLE evil.loot") == []


def test_functions_tell_a_stranger_no_more_than_for_a_misspelt_name(emp):
    (incident,) = emp.run("installer", "SELECT max(incident_id) FROM pgslo.incident")[0]
    assert emp.run("reader", f"SELECT * FROM pgslo.explain({incident})") != []
    assert emp.run("mallory", f"SELECT * FROM pgslo.explain({incident})") == []
    for call, other in {
        "pgslo.healthy_batches('features.emp')": "pgslo.healthy_batches('features.none')",
        "pgslo.readiness('t1')": "pgslo.readiness('none')",
        "pgslo.ready('t1')": "pgslo.ready('none')",
    }.items():
        emp.run("reader", f"SELECT * FROM {call}")
        said = []
        for one in (call, other):
            with pytest.raises(psycopg.Error) as refused:
                emp.run("mallory", f"SELECT * FROM {one}")
            said.append(
                (refused.value.sqlstate, str(refused.value).replace("none", "t1" if "read" in one else "emp"))
            )
        assert said[0] == said[1]


@pytest.mark.parametrize("columns", ["{salary}", "{id}", "{*}"])
def test_guard_gives_a_stranger_one_bit(emp, columns):
    session = emp.session("mallory")
    said = notices(session, f"SELECT pgslo.guard('features.emp', '{columns}')")
    assert [one["message_primary"] for one in said] == ([UNHEALTHY] if columns == "{salary}" else [])
    for one in said:
        assert not one["column_name"]
        assert not one["constraint_name"]
        assert one["message_hint"].splitlines()[0] == "Ask the owner, sam."
        assert "salary" not in str(one)
    assert session.execute("SELECT pgslo.status_of('features.emp')").fetchone()[0] == {
        "state": "missed",
        "problems": [],
    }
    session.execute("SET pgslo.on_read = 'refuse'")
    if columns == "{salary}":
        with pytest.raises(psycopg.Error) as refused:
            session.execute(f"SELECT pgslo.guard('features.emp', '{columns}')".encode())
        assert refused.value.sqlstate == "SL001"
        assert refused.value.diag.message_primary == f"read refused: {UNHEALTHY}"


def test_a_reader_of_another_roles_view_is_warned_without_details(emp):
    emp.run("superuser", "GRANT SELECT ON guarded.emp, guarded.emp_status TO $trainer WITH GRANT OPTION")
    emp.run(
        "trainer",
        """CREATE VIEW tr.v AS SELECT salary FROM guarded.emp; CREATE VIEW tr.s AS SELECT _slo_status FROM guarded.emp_status;
           GRANT USAGE ON SCHEMA tr TO $mallory; GRANT SELECT ON tr.v, tr.s TO $mallory""",
    )
    session = emp.session("mallory")
    assert [one["message_primary"] for one in notices(session, "SELECT salary FROM tr.v")] == [UNHEALTHY]
    status = session.execute("SELECT _slo_status FROM tr.s LIMIT 1").fetchone()[0]
    assert status == {"state": "missed", "problems": []}
    session = emp.session("reader")
    assert {one["constraint_name"] for one in notices(session, "SELECT salary FROM guarded.emp")} >= {"mono"}


def test_no_value_of_a_row_is_in_what_readers_see(emp):
    """Keys of rows, groups and values are for stewards."""
    shown = []
    for view in VIEWS:
        shown += emp.run("reader", f"SELECT to_json(v)::text FROM pgslo.{view} AS v")
    shown += emp.run(
        "reader",
        "SELECT e.topic || e.fact FROM pgslo.incident i CROSS JOIN pgslo.explain(i.incident_id) AS e",
    )
    session = emp.session("reader")
    shown += [(json.dumps(one),) for one in notices(session, "SELECT * FROM guarded.emp")]
    shown += session.execute("SELECT pgslo.status_of('features.emp')::text").fetchall()
    shown += session.execute("SELECT said FROM pgslo.readiness('t1')").fetchall()
    text = "\n".join(str(row[0]) for row in shown)
    for value in ("joe@", "ann@", "98765", "(72)", "= (7"):
        assert value not in text
    assert "1 row out of order" in text
    assert "1 group breaks it" in text
    kept = emp.run(
        "steward", "SELECT e.fact FROM pgslo.incident i CROSS JOIN pgslo.evidence(i.incident_id) AS e"
    )
    kept_text = "\n".join(row[0] for row in kept)
    for value in ("(72)", "joe@example.com", "98765"):
        assert value in kept_text


SECRET = """
table: features.m
owner: sam
writes: bulk
batch: {by: day}
rules:
  - qs: {query: "SELECT 1 FROM features.secret AS s WHERE s.v::int > 0"}
readers: [$reader]
"""


def test_an_error_message_is_for_stewards(world):
    """SQLERRM of a query holds a value of a table that the reader may not read."""
    world.run(
        "installer",
        """CREATE TABLE features.m (id int PRIMARY KEY, day date, s int);
           CREATE TABLE features.secret (v text); INSERT INTO features.secret VALUES ('top secret');
           GRANT INSERT ON features.m TO $writer""",
    )
    world.apply(SECRET)
    world.run("writer", "INSERT INTO features.m VALUES (1, '2026-01-01', 1)")
    closed = world.run("operator", "SELECT said FROM pgslo.close_batch('features.m') WHERE rule = 'qs'")
    said = "invalid text representation, SQLSTATE 22P02"
    assert closed == [(f"it can no longer be judged: {said}",)]
    for part in ("reader", "auditor", "operator"):
        assert world.run(part, "SELECT broken FROM pgslo.rule WHERE rule = 'qs'") == [(said,)]
        assert "top secret" not in str(world.run(part, "SELECT to_json(v)::text FROM pgslo.verdict AS v"))
    for part in ("steward", "installer"):
        assert "top secret" in world.run(part, "SELECT broken FROM pgslo.rule WHERE rule = 'qs'")[0][0]
    got = notices(world.session("reader"), "SELECT * FROM guarded.m")
    assert [one["sqlstate"] for one in got] == ["01SL2"]
    assert said in str(got)
    assert "top secret" not in str(got)
    # An auditor reads the state itself, but for the columns that hold values.
    for column in ("error_message", "*"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            world.run("auditor", f"SELECT {column} FROM pgslo_catalog.rule_break")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        world.run("auditor", "SELECT example FROM pgslo_catalog.verdict")


def test_a_renamed_column_is_named_to_readers(world):
    world.run(
        "installer",
        "CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int); GRANT INSERT ON features.ex TO $writer",
    )
    world.apply(
        """
        table: features.ex
        writes: bulk
        batch: {by: day}
        columns: {a: [range: {min: 0, max: 100, on_breach: flag, name: a_range}]}
        readers: [$reader]
        """
    )
    world.run("installer", "ALTER TABLE features.ex RENAME COLUMN a TO b")
    world.run("writer", "INSERT INTO features.ex VALUES (1, '2026-01-01', 999)")
    (broken,) = world.run("reader", "SELECT broken FROM pgslo.rule WHERE rule = 'a_range'")[0]
    assert broken == "column r.a does not exist"
