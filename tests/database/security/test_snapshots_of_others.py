"""Effects of one role's snapshots on others, and their visibility: gates, rights on copies, comments."""

from __future__ import annotations

import psycopg
import pytest

from pgslo import assets
from pgslo.database import operations

OPEN = """
table: features.open
key: [id]
batch: {by: d}
readers: [$reader, $trainer]
tasks:
  churn:
    reads: [a]
    gate: {training: {snapshot: "NAME"}}
"""
HIDDEN = """
table: features.hidden
key: [id]
batch: {by: secret_batch}
readers: [$trainer, $steward]
"""


@pytest.fixture
def tables(world):
    world.run(
        "installer",
        """
        CREATE TABLE features.open (id int PRIMARY KEY, d date, a int);
        CREATE TABLE features.hidden (id int PRIMARY KEY, secret_batch int, b int);
        INSERT INTO features.open VALUES (1, '2026-01-01', 1);
        INSERT INTO features.hidden VALUES (1, 4711, 1);
        """,
    )
    world.apply(OPEN.replace("NAME", "churn-*"))
    world.apply(HIDDEN)
    world.run("installer", "SELECT pgslo.close_batch('features.open')")
    world.run("installer", "UPDATE features.open SET a = 2; SELECT pgslo.close_batch('features.open')")
    world.run("superuser", "GRANT $trainer TO $steward")
    return world


def taken(world, part, name, view):
    world.run(part, f"SELECT pgslo.create_snapshot('{name}', 'guarded', '{view}')")


def training(world, part="reader"):
    return [row for row in world.run(part, "SELECT * FROM pgslo.readiness('churn')") if row[0] == "training"]


def test_a_snapshot_of_another_view_stops_no_gate_and_tells_of_none(tables):
    taken(tables, "installer", "churn-1", "open")
    before = training(tables)
    assert before[0][4]
    taken(tables, "trainer", "churn-2", "hidden")
    assert training(tables) == before
    assert tables.run("reader", "SELECT pgslo.ready('churn')") == [(True,)]
    for row in tables.run("reader", "SELECT * FROM pgslo.readiness('churn')"):
        assert "hidden" not in str(row)
        assert "4711" not in str(row)
        assert "churn-2" not in str(row)


def test_an_exact_name_of_another_view_is_not_told_of_either(tables):
    tables.apply(OPEN.replace("NAME", "mine"))
    taken(tables, "trainer", "mine", "hidden")
    ((_, definition, _, batch, is_ready, said),) = training(tables)
    assert (definition, batch, is_ready, said) == (None, None, False, 'no snapshot "mine" was taken')
    ((*_, said),) = training(tables, "trainer")
    assert "not of a table that the task reads" in said


def test_a_snapshot_of_a_role_that_may_not_run_the_task_counts_for_no_gate(tables):
    taken(tables, "installer", "churn-1", "open")
    taken(tables, "trainer", "churn-2", "open")
    assert "churn-2" in training(tables)[0][5]
    tables.apply(OPEN.replace("NAME", "churn-*").replace("[$reader, $trainer]", "[$reader]"))
    assert "churn-1" in training(tables)[0][5]


def test_the_comment_of_a_snapshot_tells_nothing_of_its_rows(tables):
    tables.run(
        "trainer", "SELECT pgslo.create_snapshot('s1', 'guarded', 'hidden', $q$secret_batch = 4711$q$)"
    )
    texts = tables.run(
        "mallory",
        """SELECT d.description FROM pg_description d JOIN pg_class c ON d.classoid = 'pg_class'::regclass AND d.objoid = c.oid
           WHERE c.relnamespace = 'pgslo_snapshot'::regnamespace""",
    )
    assert texts
    for (text,) in texts:
        for told in ("4711", "secret_batch", "features.hidden", "rows", tables.names["trainer"]):
            assert told not in text


def test_the_upgrade_takes_what_comments_of_snapshots_told(tables):
    taken(tables, "trainer", "s1", "open")
    tables.run("installer", "COMMENT ON TABLE pgslo_snapshot.s1 IS 'Snapshot where ssn = 1: 1 rows'")
    script = (assets.tree("migrations") / "0056_snapshot_comments.sql").read_text()

    tables.run("installer", script)
    ((text,),) = tables.run("mallory", "SELECT obj_description(oid) FROM pg_class WHERE relname = 's1'")
    assert "ssn" not in text


@pytest.mark.parametrize("call", ["watch_task({})", "follow_task({})", "begin_run({}, 'h', 1)"])
def test_no_role_watches_a_task_that_does_not_exist(tables, call):
    text = "repeat('x', 2400)"
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied for task"):
        tables.run("trainer", f"SELECT pgslo.{call.format(text)}")
    with pytest.raises(psycopg.errors.UndefinedObject, match="no definition has a task"):
        tables.run("installer", f"SELECT pgslo.{call.format(text)}")
    for table in ("session_lock", "task_watch", "task_run"):
        assert tables.run(
            "superuser",
            f"SELECT count(*) FROM pgslo_catalog.{table} WHERE {'name' if table == 'session_lock' else 'task'} LIKE 'x%' OR {'name' if table == 'session_lock' else 'task'} LIKE 'task x%'",
        ) == [(0,)]


def reads(world, part, relation):
    try:
        return len(world.run(part, f"SELECT * FROM {relation}"))
    except psycopg.errors.InsufficientPrivilege:
        return None


def findings(world):
    return [one for one in operations.find_drift(world.session("installer")) if one.what == "snapshot"]


def test_a_role_that_is_a_reader_no_longer_reads_no_copy_either(tables):
    tables.run("installer", "GRANT SELECT ON guarded.open_strict TO $steward")
    taken(tables, "installer", "s1", "open")
    taken(tables, "installer", "s2", "open_strict")
    assert [reads(tables, "reader", f"pgslo_snapshot.{name}") for name in ("s1", "s2")] == [1, 1]
    tables.apply(OPEN.replace("NAME", "churn-*").replace("[$reader, $trainer]", "[$trainer]"))
    assert [reads(tables, "reader", f"pgslo_snapshot.{name}") for name in ("s1", "s2")] == [None, None]
    assert [reads(tables, "trainer", f"pgslo_snapshot.{name}") for name in ("s1", "s2")] == [1, 1]
    assert reads(tables, "steward", "pgslo_snapshot.s2") == 1, "granted by hand on the view, and still there"
    assert findings(tables) == []


@pytest.mark.parametrize("role", ["$reader", "PUBLIC"])
def test_drift_names_a_role_that_may_read_a_copy_and_not_its_view(tables, role):
    if role == "PUBLIC":
        tables.run(
            "installer", "GRANT SELECT ON guarded.open TO PUBLIC; GRANT USAGE ON SCHEMA guarded TO PUBLIC"
        )
    taken(tables, "trainer", "s1", "open")
    assert findings(tables) == []
    tables.run("installer", f"REVOKE SELECT ON guarded.open FROM {role}, $trainer")
    found = findings(tables)
    # Where all may read the view, its copies are for whoever may use its schema.
    named = [role] if role != "PUBLIC" else [role, "$steward"]
    assert sorted(one.said.split(",")[0] for one in found) == sorted(
        tables.sql(f"role {one} may read this copy") for one in named
    )
    for one in found:
        assert (one.thing, one.is_hint) == ("snapshot s1", False)
        tables.run("installer", one.to_do)
    assert findings(tables) == []
    assert reads(tables, "trainer", "pgslo_snapshot.s1") == 1, "who took it keeps it"
