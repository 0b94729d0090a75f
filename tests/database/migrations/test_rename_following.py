"""A table is changed while others write to it: their writes succeed, evaluable rules are evaluated, and the others are reported."""

from __future__ import annotations

import psycopg
import pytest

from pgslo import definition
from pgslo.database import installation, planning
from pgslo.errors import DefinitionErrors

pytestmark = pytest.mark.slow

TABLE = "id int PRIMARY KEY, day int, a int, b int, c text, gone int"
DEFINITION = """
table: features.example
owner: sam
writes: {mode}
batch: {{by: day}}
columns:
  a:
    - range: {{max: 100, name: a_warn}}
    - range: {{max: 1000, on_breach: reject, name: a_reject}}
    - range: {{min: 0, on_breach: quarantine, name: a_quarantine}}
    - repair: {{default: 7, name: a_repair}}
  b:
    - range: {{max: 100, name: b_warn}}
    - range: {{max: 1000, on_breach: reject, name: b_reject}}
    - range: {{min: 0, on_breach: quarantine, name: b_quarantine}}
    - range: {{max: 150, at_least: 0.9, name: b_share}}
"""
ON_A = {"a_warn", "a_reject", "a_quarantine", "a_repair"}
VIEWS = "DROP VIEW IF EXISTS guarded.example, guarded.example_strict, guarded.example_status, guarded.example_healthy"
#: What is done, the name that the column a has after it, rules that break, and whether batches can still be told.
CHANGES = {
    "rename": (["RENAME a TO z"], "z", ON_A, True),
    "rename twice": (["RENAME a TO z", "RENAME z TO y"], "y", ON_A, True),
    "swap": (["RENAME a TO z", "RENAME c TO a", "RENAME z TO c"], "c", ON_A, True),
    "drop": (["DROP COLUMN a CASCADE"], None, ON_A, True),
    "batch column": (["RENAME day TO feature_day"], "a", set(), False),
    "key": (["RENAME id TO user_id"], "a", set(), True),
    "column of no rule": (["DROP COLUMN gone CASCADE", "ADD COLUMN fresh int DEFAULT 3"], "a", set(), True),
    "table": (["RENAME TO renamed"], "a", set(), True),
}


def load(text):
    return definition.load(text, path="slos/example.yml")


@pytest.mark.parametrize("mode", ["bulk", "stream"])
@pytest.mark.parametrize("change", CHANGES)
def test_writes_live(connection, connect, change, mode):
    statements, a, broken, batches = CHANGES[change]
    connection.execute(f"CREATE SCHEMA features; CREATE TABLE features.example ({TABLE})")
    loaded = load(DEFINITION.format(mode=mode))

    def plan():
        return planning.plan_definitions(connection, [loaded])

    installation.apply(connection, plan(), plan)
    writer = connect()
    for key in range(-8, 0):  # often enough for every plan to be kept
        writer.execute("INSERT INTO features.example VALUES (%s, 1, 999, 999, 'c', 0)", (key,), prepare=True)
        writer.execute("UPDATE features.example SET b = 998 WHERE id = %s", (key,), prepare=True)
    connection.execute("DELETE FROM pgslo_catalog.fragment; DELETE FROM pgslo_catalog.incident")
    table = "features.example"
    for statement in statements:
        connection.execute(f"ALTER TABLE {table} {statement}")
    table = "features.renamed" if change == "table" else table
    key, day = connection.execute(
        "SELECT max(attname::text) FILTER (WHERE attnum = 1), max(attname::text) FILTER (WHERE attnum = 2) FROM pg_attribute WHERE attrelid = %s::regclass",
        (table,),
    ).fetchone()

    def write(number, value_of_a, value_of_b):
        values = {key: number, day: 2, "b": value_of_b} | ({a: value_of_a} if a else {})
        names = ", ".join(values)
        marks = ", ".join(["%s"] * len(values))
        return writer.execute(
            f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(values.values())
        ).rowcount

    # The first statement after the change, on plans made before it.
    assert write(1, 5, 999) == 1
    assert broken_rules(connection) == broken
    assert write(2, 5, 5) == 1
    assert write(3, 5, -5) == 0
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        write(4, 5, 5000)
    assert refused.value.diag.constraint_name == "b_reject"
    writer.execute(f"UPDATE {table} SET b = 999 WHERE {key} = 2")
    if broken >= {"a_reject"}:
        assert write(5, 99999, 5) == 1
    elif change != "drop":
        with pytest.raises(psycopg.errors.CheckViolation):
            write(5, 5000, 5)
    counted = connection.execute(
        "SELECT batch, sum((failures ->> 'b_warn')::int)::int, sum((failures ->> 'b_share')::int)::int FROM pgslo_catalog.fragment GROUP BY 1"
    ).fetchall()
    assert counted == [("2" if batches else "unknown", 2, 2)]
    incidents = {
        row[0] for row in connection.execute("SELECT rule FROM pgslo.incident WHERE over_at IS NULL")
    }
    assert incidents == {"b_warn", "b_share"}
    held = connection.execute("SELECT count(*) FROM pgslo.quarantine").fetchone()
    assert held == (1,)
    assert broken_rules(connection) == broken
    # What is learned of a loaded table cannot be measured either.
    (unlearned,) = connection.execute(
        "SELECT count(*) FROM pgslo.rule WHERE broken IS NOT NULL AND kind = 'learned'"
    ).fetchone()
    assert connection.execute("SELECT broken_rules FROM pgslo.status").fetchone() == (
        len(broken) + (not batches) + unlearned,
    )

    if change in ("rename", "rename twice", "table", "batch column", "key"):
        heard = listen(connection)
        connection.execute("SELECT b FROM guarded.example LIMIT 1")
        ours = {("b_warn", "01SL1"), ("b_share", "01SL1")}
        assert set(heard) - {("learned", "01SL2")} == ours | (set() if batches else {("", "01SL2")})
        heard.clear()
        connection.execute("SELECT a FROM guarded.example LIMIT 1")
        unjudged = {rule for rule, state in heard if state == "01SL2"} - {"learned"}
        assert unjudged == broken | (set() if batches else {""})
    if change in ("swap", "key", "column of no rule"):
        return
    with pytest.raises(DefinitionErrors, match="does not exist"):
        plan()


def broken_rules(connection):
    return {
        row[0]
        for row in connection.execute(
            "SELECT rule FROM pgslo.rule WHERE broken IS NOT NULL AND kind <> 'learned'"
        )
    }


def listen(connection):
    heard = []
    connection.add_notice_handler(lambda said: heard.append((said.constraint_name or "", said.sqlstate)))
    return heard


@pytest.mark.parametrize("type_", ["bigint", "numeric(10,2)", "double precision", "int"])
@pytest.mark.parametrize("mode", ["bulk", "stream"])
def test_a_column_of_another_type_is_judged_again_once_it_was_planned(connection, connect, mode, type_):
    """Open sessions keep plans for the old type; they still write, and the next apply renews them."""
    connection.execute(
        f"CREATE SCHEMA features; CREATE TABLE features.example ({TABLE.replace('a int', 'a smallint')})"
    )
    loaded = load(DEFINITION.format(mode=mode))

    def plan():
        return planning.plan_definitions(connection, [loaded])

    installation.apply(connection, plan(), plan)
    writer = connect()
    for key in range(-8, 0):
        for value in (999, -5, None):
            writer.execute(
                "INSERT INTO features.example VALUES (%s, 1, %s, 1, 'c', 0) ON CONFLICT DO NOTHING",
                (key, value),
            )
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="used by a view"):
        connection.execute(f"ALTER TABLE features.example ALTER a TYPE {type_}")
    connection.execute(VIEWS)
    connection.execute(f"ALTER TABLE features.example ALTER a TYPE {type_}")
    assert writer.execute("INSERT INTO features.example VALUES (1, 1, 999, 1)").rowcount == 1
    assert broken_rules(connection) <= ON_A
    steps = {(step.kind, step.action) for step in plan().steps}
    assert {("view", "create"), ("function", "replace")} <= steps
    installation.apply(connection, plan(), plan)
    assert plan().empty
    connection.execute("DELETE FROM pgslo_catalog.fragment; DELETE FROM pgslo_catalog.quarantine")
    writer.execute("INSERT INTO features.example VALUES (2, 1, 999, 1), (3, 1, -5, 1), (4, 1, NULL, 1)")
    with pytest.raises(psycopg.errors.CheckViolation):
        writer.execute("INSERT INTO features.example VALUES (5, 1, 5000, 1)")
    assert broken_rules(connection) == set()
    assert connection.execute("SELECT id, a FROM features.example WHERE id > 1 ORDER BY id").fetchall() == [
        (2, 999),
        (4, 7),
    ]
    failed = connection.execute(
        "SELECT sum((failures ->> 'a_warn')::int)::int FROM pgslo_catalog.fragment"
    ).fetchone()
    assert failed == (1,)
    assert connection.execute("SELECT count(*) FROM pgslo.quarantine").fetchone() == (1,)


@pytest.mark.parametrize("mode", ["bulk", "stream"])
def test_a_column_whose_new_type_no_rule_fits(connection, connect, mode):
    connection.execute(f"CREATE SCHEMA features; CREATE TABLE features.example ({TABLE})")
    loaded = load(DEFINITION.format(mode=mode))

    def plan():
        return planning.plan_definitions(connection, [loaded])

    installation.apply(connection, plan(), plan)
    writer = connect()
    writer.execute("INSERT INTO features.example VALUES (1, 1, 999, 1)")
    connection.execute(VIEWS)
    connection.execute("ALTER TABLE features.example ALTER a TYPE boolean USING a > 5")
    for session in (writer, connect()):
        assert (
            session.execute(
                "INSERT INTO features.example VALUES (%s, 1, true, 999)", (session.info.backend_pid,)
            ).rowcount
            == 1
        )
    assert broken_rules(connection) == ON_A
    failed = connection.execute(
        "SELECT sum((failures ->> 'b_warn')::int)::int FROM pgslo_catalog.fragment"
    ).fetchone()
    assert failed == (2,)
    with pytest.raises(DefinitionErrors, match="of type boolean"):
        plan()


@pytest.mark.parametrize("mode", ["bulk", "stream"])
def test_a_column_that_comes_back_is_judged_again(connection, mode):
    connection.execute(f"CREATE SCHEMA features; CREATE TABLE features.example ({TABLE})")
    loaded = load(DEFINITION.format(mode=mode))

    def plan():
        return planning.plan_definitions(connection, [loaded])

    installation.apply(connection, plan(), plan)
    connection.execute("ALTER TABLE features.example RENAME a TO z")
    connection.execute("INSERT INTO features.example VALUES (1, 1, 999, 1)")
    assert broken_rules(connection) == ON_A
    connection.execute("ALTER TABLE features.example RENAME z TO a")
    (step,) = plan().steps
    assert (step.action, step.kind, step.lock) == ("replace", "registration", "")
    assert step.reason == "a rule could not be judged; it fits the table again"
    installation.apply(connection, plan(), plan)
    assert plan().empty
    assert broken_rules(connection) == set()
    connection.execute("INSERT INTO features.example VALUES (2, 1, 999, 1)")
    assert broken_rules(connection) == set()
    failed = connection.execute(
        "SELECT sum((failures ->> 'a_warn')::int)::int FROM pgslo_catalog.fragment"
    ).fetchone()
    assert failed == (1,)


@pytest.mark.parametrize("mode", ["bulk", "stream"])
def test_the_way_through_a_rename_keeps_history_and_held_rows(connection, mode):
    """Rename the column, then the definition: violated rules are judged again, and nothing is lost."""
    connection.execute(f"CREATE SCHEMA features; CREATE TABLE features.example ({TABLE})")
    text = DEFINITION.format(mode=mode)

    def apply(loaded):
        def plan():
            return planning.plan_definitions(connection, [loaded])

        installation.apply(connection, plan(), plan)
        assert plan().empty

    apply(load(text))
    connection.execute("INSERT INTO features.example VALUES (1, 1, 999, 1), (2, 1, -5, 1)")
    connection.execute("ALTER TABLE features.example RENAME a TO z")
    connection.execute("INSERT INTO features.example VALUES (3, 1, 999, 1)")
    apply(load(text.replace("\n  a:", "\n  z:")))
    # It reads another column now: the batch that missed it is evaluated again.
    assert broken_rules(connection) == {"a_warn"}
    connection.execute("SELECT pgslo.tick()")
    assert broken_rules(connection) == set()
    connection.execute("INSERT INTO features.example VALUES (4, 2, 999, 1)")
    failed = connection.execute(
        "SELECT sum((failures ->> 'a_warn')::int)::int FROM pgslo_catalog.fragment"
    ).fetchone()
    # With the row that was written while the rule was broken.
    assert failed == (3,)
    assert connection.execute("SELECT count(*) FROM pgslo.incident WHERE rule = 'a_warn'").fetchone() == (1,)
    heard = listen(connection)
    connection.execute("SELECT z FROM guarded.example LIMIT 1")
    assert heard == [("a_warn", "01SL1")]
    connection.execute("""SELECT pgslo.release(quarantine_id, '{"z": 5}') FROM pgslo.quarantine""")
    assert connection.execute("SELECT z FROM features.example WHERE id = 2").fetchone() == (5,)


def test_a_rule_that_breaks_under_many_writers_is_noted_and_stays_readable(connection, connect):
    connection.execute(f"CREATE SCHEMA features; CREATE TABLE features.example ({TABLE})")
    loaded = load(DEFINITION.format(mode="bulk"))

    def plan():
        return planning.plan_definitions(connection, [loaded])

    installation.apply(connection, plan(), plan)
    connection.execute("ALTER TABLE features.example RENAME a TO z")
    writers = [connect() for _ in range(4)]
    for number, writer in enumerate(writers):
        writer.autocommit = False
        writer.execute(f"INSERT INTO features.example VALUES ({number}, 1, 1, 1)")
    for writer in writers:
        writer.commit()
    assert broken_rules(connection) == ON_A
    # What is learned of the table cannot be measured either.
    assert connection.execute("SELECT broken_rules FROM pgslo.status").fetchone() == (len(ON_A) + 1,)
    heard = listen(connection)
    connection.execute("SELECT a FROM guarded.example LIMIT 1")
    assert sorted(rule for rule, _ in heard) == sorted({*ON_A, "learned"})


def test_a_new_partition_is_in_the_next_plan(connection):
    connection.execute("CREATE SCHEMA features")
    connection.execute(
        "CREATE TABLE features.example (id int, day int, a int, PRIMARY KEY (id, day)) PARTITION BY LIST (day)"
    )
    connection.execute("CREATE TABLE features.example_1 PARTITION OF features.example FOR VALUES IN (1)")
    loaded = load(
        "table: features.example\nwrites: bulk\nbatch: {by: day}\ncolumns: {a: [not_null, {range: {min: 0, on_breach: quarantine}}]}"
    )

    def plan():
        return planning.plan_definitions(connection, [loaded])

    installation.apply(connection, plan(), plan)
    connection.execute("CREATE TABLE features.example_2 PARTITION OF features.example FOR VALUES IN (2)")
    # Through the table every rule holds at once; written to directly, those of statements do not yet.
    connection.execute("INSERT INTO features.example VALUES (1, 2, NULL), (2, 2, -1)")
    connection.execute("INSERT INTO features.example_2 VALUES (3, 2, NULL), (4, 2, -1)")
    count = "SELECT (SELECT sum((failures ->> 'a_not_null')::int)::int FROM pgslo_catalog.fragment), (SELECT count(*) FROM pgslo.quarantine)"
    assert connection.execute(count).fetchone() == (1, 2)
    steps = plan().steps
    assert [(step.action, step.kind) for step in steps] == [("create", "trigger")] * 5
    assert all("ON features.example_2" in step.identity for step in steps)
    installation.apply(connection, plan(), plan)
    connection.execute("INSERT INTO features.example_2 VALUES (5, 2, NULL), (6, 2, -1)")
    assert connection.execute(count).fetchone() == (2, 3)
