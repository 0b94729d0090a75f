"""How far back a task looks, which batches its view shows, and when sessions plan their reads again."""

from __future__ import annotations

import pytest

from pgslo import definition
from pgslo.database import installation, planning

DEFINITION = """
table: features.example
owner: sam
writes: bulk
batch: {by: day}
watch: false
columns:
  a: [{range: {max: 100000}}]
  b: [{range: {max: 100000}}]
tasks:
  recent: {reads: [a], view: guarded.recent, window: 30 days}
  whole: {reads: [a, b], view: guarded.whole}
  sound: {reads: [a], view: guarded.sound, batches: healthy}
"""
TABLE = "CREATE TABLE features.example (id int PRIMARY KEY, day date, a int, b int)"


@pytest.fixture
def example(session):
    """Good rows of today; bad ones 5 days ago in b, and 90 days ago in a."""
    session.run(TABLE)
    session.guard(DEFINITION)
    for n, (age, a, b) in enumerate([(90, 999999, 1), (5, 1, 999999), (0, 1, 1)]):
        session.run(f"INSERT INTO features.example VALUES ({n}, current_date - {age}, {a}, {b})")
    return session


def heard(session, query):
    return sorted(notice.rule for notice in session.run(query).notices)


def test_a_window_ends_the_warning_of_older_batches(example):
    assert heard(example, "SELECT a FROM guarded.recent") == []
    assert heard(example, "SELECT a, b FROM guarded.whole") == ["a_range", "b_range"]
    example.run("INSERT INTO features.example VALUES (7, current_date - 29, 999999, 1)")
    assert heard(example, "SELECT a FROM guarded.recent WHERE id = 0") == []
    assert heard(example, "SELECT a FROM guarded.recent") == ["a_range"]


def test_a_task_of_healthy_batches_sees_those_that_are_healthy_in_its_columns(example):
    assert example.values("SELECT id FROM guarded.sound ORDER BY id") == [1, 2]
    assert example.values("SELECT id FROM guarded.example_healthy ORDER BY id") == [2]
    assert heard(example, "SELECT * FROM guarded.sound") == []


@pytest.mark.parametrize(
    ("batch", "task", "error"),
    [
        ("{every: 1 hour}", "batches: healthy", "task t cannot read healthy batches alone"),
        ("{by: 'day - 1'}", "batches: healthy", "task t cannot read healthy batches alone"),
        ("{by: b}", "window: 3 days", "batches of features.example have no time"),
        ("{by: day}", "batches: some", '"some"'),
        ("{by: day}", "window: soon", '"soon"'),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(session, batch, task, error):
    session.run(TABLE)
    text = f"table: features.example\nowner: sam\nwrites: bulk\nbatch: {batch}\ntasks:\n  t: {{reads: [a], view: guarded.t, {task}}}\n"
    if batch == "{every: 1 hour}":
        text = text.replace("writes: bulk", "writes: stream")
    with pytest.raises(Exception, match=r"slos/example\.yml:\d+:\d+: ") as caught:
        session.plan(text)
    assert error in str(caught.value)


def test_tick_has_other_sessions_plan_their_reads_anew(connection, connect):
    connection.execute("CREATE SCHEMA features")
    connection.execute(TABLE)
    loaded = [definition.load(DEFINITION, path="slos/example.yml")]

    def plan():
        return planning.plan_definitions(connection, loaded)

    installation.apply(connection, plan(), plan)
    connection.execute("INSERT INTO features.example VALUES (1, '2026-11-01', 1, 1), (2, '2026-11-02', 1, 1)")
    reader = connect()
    said = []
    reader.add_notice_handler(lambda notice: said.append(notice.message_primary))

    def read(name):
        said.clear()
        reader.execute(f"EXECUTE {name}")
        return list(said)

    reader.execute("SET plan_cache_mode = force_generic_plan")
    for name, day in (("good", 1), ("bad", 2)):
        reader.execute(f"PREPARE {name} AS SELECT a FROM guarded.example WHERE day = '2026-11-0{day}'")
        assert read(name) == []
    connection.execute("INSERT INTO features.example VALUES (3, '2026-11-02', 999999, 1)")
    may_be = "missed batches of features.example are stored and may be among the rows read"
    assert (read("good"), read("bad")) == ([may_be], [may_be])
    connection.execute("SELECT pgslo.tick()")
    assert (read("good"), read("bad")) == ([], ['column "a" of features.example misses rule "a_range"'])
    assert plan().empty
