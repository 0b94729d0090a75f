"""Comments of guarded views: those of the table and its columns reach every view, and none of them is more than a text."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from pgslo import definition, plan
from pgslo.database import operations, planning

#: As conftest.py has it.
World = Any

DEFINITION = """
table: features.ex
key: [id]
writes: bulk
batch: {by: day}
readers: [$reader]
columns:
  a: [range: {min: 0, max: 100}]
tasks:
  train: {reads: [a], view: guarded.train}
  sound: {reads: [a], view: guarded.sound, batches: healthy}
  hard: {reads: [a], view: guarded.hard, on_read: refuse}
"""
SCENE = """
CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int, b int);
COMMENT ON TABLE features.ex IS 'One row for each user''s day';
COMMENT ON COLUMN features.ex.id IS 'The user';
COMMENT ON COLUMN features.ex.a IS E'Age in years,\\nas the user gave it';
"""
WHOLE = ("ex", "ex_strict", "ex_status", "ex_healthy")
TASKS = ("train", "sound", "hard")
HEARD = "Python shows the WARNING with pgslo.client.watch(). SET pgslo.on_read = 'refuse' raises an error instead."


@pytest.fixture
def scene(world: World) -> World:
    world.run("installer", SCENE)
    world.apply(DEFINITION)
    return world


def planned(world: World) -> plan.Plan:
    wanted = definition.load(textwrap.dedent(world.sql(DEFINITION)), path="slos/ex.yml")
    return planning.plan_definitions(world.session("installer"), [wanted])


def of_view(world: World, name: str) -> str:
    ((comment,),) = world.run("superuser", f"SELECT obj_description('guarded.{name}'::regclass, 'pg_class')")
    return str(comment)


def of_columns(world: World, name: str) -> dict[str, str]:
    return dict(
        world.run(
            "superuser",
            f"SELECT attname, col_description(attrelid, attnum) FROM pg_attribute WHERE attrelid = 'guarded.{name}'::regclass"
            " AND col_description(attrelid, attnum) IS NOT NULL",
        )
    )


def test_comments_of_columns_reach_every_view(scene: World):
    for name in (*WHOLE, *TASKS):
        assert of_columns(scene, name) == {"id": "The user", "a": "Age in years,\nas the user gave it"}, name


def test_the_comment_of_a_view_is_for_people(scene: World):
    lines = of_view(scene, "ex").splitlines()
    assert lines[:3] == [
        "Rows of features.ex, with a WARNING where rows that are read miss a rule.",
        HEARD,
        "Comment of the table: One row for each user's day",
    ]
    assert lines[3].startswith("pgslo ")
    assert lines[3].endswith(" features.ex")
    first = {name: of_view(scene, name).splitlines()[0] for name in (*WHOLE, *TASKS)}
    assert first == {
        "ex": "Rows of features.ex, with a WARNING where rows that are read miss a rule.",
        "ex_strict": "Rows of features.ex, with an error where rows that are read miss a rule.",
        "ex_status": "Rows of features.ex. Column _slo_status shows which rules are missed.",
        "ex_healthy": "Rows of features.ex, without rows of batches that miss a rule.",
        "train": "Columns of features.ex that task train reads, with a WARNING where rows that are read miss a rule.",
        "sound": "Columns of features.ex that task sound reads, without rows of batches that miss a rule.",
        "hard": "Columns of features.ex that task hard reads, with an error where rows that are read miss a rule.",
    }
    assert planned(scene).empty
    # The readers of the view are known by it.
    assert scene.run("reader", "SELECT definition FROM pgslo.status") == [("features.ex",)]


def test_a_later_comment_is_taken_over_by_the_next_apply(scene: World):
    oid = scene.run("superuser", "SELECT 'guarded.ex'::regclass::oid::bigint")
    scene.run(
        "installer",
        """COMMENT ON TABLE features.ex IS NULL; COMMENT ON COLUMN features.ex.id IS NULL;
           COMMENT ON COLUMN features.ex.a IS 'Age'; COMMENT ON COLUMN features.ex.b IS 'Both'""",
    )
    with scene.session("installer") as session:
        assert operations.find_drift(session) == ()
    made = planned(scene)
    assert {step.reason for step in made.steps} == {"comments of the table changed"}
    assert {step.kind for step in made.steps} == {"view"}
    texts = [command.text for step in made.steps for one in step.statements for command in one.commands]
    assert all(text.startswith("COMMENT ON ") for text in texts)
    assert "COMMENT ON COLUMN guarded.ex.id IS NULL" in texts
    scene.apply(DEFINITION)
    assert planned(scene).empty
    for name in WHOLE:
        assert of_columns(scene, name) == {"a": "Age", "b": "Both"}, name
    for name in TASKS:
        assert of_columns(scene, name) == {"a": "Age"}, name
    assert "Comment of the table" not in of_view(scene, "ex")
    assert scene.run("superuser", "SELECT 'guarded.ex'::regclass::oid::bigint") == oid, (
        "no view was made anew"
    )


HOSTILE = {
    "quote": "'; DROP TABLE features.ex; --",
    "backslash": "\\'; DROP TABLE features.ex; --",
    "body quote": "$pgslo$pgslo$; $pgslo$",
    "mark": "x\npgslo 0123456789abcdef features.other",
    "mark alone": "pgslo 0123456789abcdef features.other",
    "control characters": "\x1b[2J\u202ex\u200b\r\x07",
    "long": "ä" * 5000,
    "variables": ":'x' :x %s {{ x }} {% endif %}",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_comment_of_the_owner_of_the_table_is_a_text(world: World, kind: str):
    text = HOSTILE[kind]
    world.run("installer", "CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int, b int)")
    world.run(
        "superuser",
        "ALTER TABLE features.ex OWNER TO $mallory; GRANT USAGE ON SCHEMA features TO $mallory; GRANT $mallory TO $installer",
    )
    session = world.session("mallory")
    quoted = session.execute("SELECT quote_literal(%s)", [text]).fetchone()[0]
    session.execute(f"COMMENT ON TABLE features.ex IS {quoted}".encode())
    session.execute(f"COMMENT ON COLUMN features.ex.a IS {quoted}".encode())
    world.apply(DEFINITION)
    for name in (*WHOLE, *TASKS):
        shown = of_view(world, name)
        assert len(shown) < 1500
        assert shown.splitlines()[-1].endswith(" features.ex")
        assert [line for line in shown.splitlines() if line.startswith("pgslo ")] == [shown.splitlines()[-1]]
        column = of_columns(world, name)["a"]
        assert len(column) <= 1000
        for one in (shown, column):
            assert not set(one) & set("\x1b\u202e\u200b\r\x07")
            assert "$pgslo$" not in one
    if kind in ("quote", "backslash", "variables", "mark"):
        assert of_columns(world, "ex")["a"] == text
    belongs = world.run(
        "superuser", "SELECT DISTINCT definition FROM pgslo_catalog.generated WHERE kind = 'view' AND is_ours"
    )
    assert belongs == [("features.ex",)]
    assert planned(world).empty
    assert world.run("reader", "SELECT definition FROM pgslo.status") == [("features.ex",)]


def test_a_view_whose_comment_was_written_by_hand_is_still_pgslo_s(scene: World) -> None:
    before = of_view(scene, "ex")
    scene.run("installer", "COMMENT ON VIEW guarded.ex IS 'mine'; COMMENT ON VIEW guarded.ex_healthy IS NULL")
    assert {step.identity for step in planned(scene).steps} == {"guarded.ex", "guarded.ex_healthy"}
    scene.apply(DEFINITION)
    assert of_view(scene, "ex") == before
    assert planned(scene).steps == ()


def test_another_view_in_its_place_is_not_taken_over(scene: World) -> None:
    """Neither a view of its owner without a guard, nor a guarded one of another role."""
    scene.run(
        "installer", "DROP VIEW guarded.ex_status; CREATE VIEW guarded.ex_status AS SELECT * FROM features.ex"
    )
    with pytest.raises(Exception, match="ex_status"):
        planned(scene)
