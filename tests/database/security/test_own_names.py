"""Names and keys that pgslo uses itself are refused at their place, before anything is applied."""

from __future__ import annotations

import textwrap

import pytest

from pgslo import definition
from pgslo.database import planning
from pgslo.errors import DefinitionErrors


def refused(world, text):
    wanted = definition.load(textwrap.dedent(world.sql(text)), path="slos/t.yml")
    with world.session("installer") as session, pytest.raises(DefinitionErrors) as errors:
        planning.plan_definitions(session, [wanted])
    (error,) = errors.value.errors
    return error


@pytest.mark.parametrize("name", ["*", "_slo_status"])
def test_a_column_that_is_called_like_a_thing_of_pgslo_s(world, name):
    world.run("installer", f'CREATE TABLE features.t (id int PRIMARY KEY, d date, "{name}" int)')
    text = "table: features.t\nkey: [id]\nbatch: {by: d}\n"
    error = refused(world, text)
    assert f'features.t has a column "{name}"' in error.message
    assert (error.location.path, error.location.line, error.location.column) == ("slos/t.yml", 1, 8)
    remedy, _, _ = error.hint.rpartition("another name")
    world.run("installer", f"{remedy} other")
    world.apply(text)


def test_a_batch_by_a_time_with_a_zone(world):
    """Two keys at one time would be two batches at one place: a healthy snapshot would hold rows of the missed one."""
    world.run("installer", "CREATE TABLE features.t (id int PRIMARY KEY, k timetz, l time, a int)")
    text = "table: features.t\nkey: [id]\nwrites: bulk\nbatch: {by: k}\ncolumns: {a: [range: {max: 100}]}\n"
    error = refused(world, text)
    assert "time with time zone" in error.message
    assert (error.location.line, error.location.column) == (4, 13)
    world.apply(text.replace("by: k", "by: l"))


@pytest.mark.parametrize("name", ["learned", "a_learned", "nothing_learned"])
def test_a_rule_that_is_called_like_one_of_pgslo_s(world, name):
    del world
    text = f"table: features.t\nkey: [id]\nbatch: {{by: d}}\ncolumns:\n  a:\n    - range: {{min: 0, name: {name}}}\n"
    with pytest.raises(DefinitionErrors) as errors:
        definition.load(text, path="slos/t.yml")
    (error,) = errors.value.errors
    assert f'name "{name}" is kept for what pgslo learns' in error.message
    assert (error.location.path, error.location.line) == ("slos/t.yml", 6)
    assert error.location.column > 7
    assert "does not end with" in error.hint


def test_other_names_with_that_word_are_free(world):
    world.run("installer", "CREATE TABLE features.t (id int PRIMARY KEY, d date, a int, a_learned int)")
    world.apply(
        """
        table: features.t
        key: [id]
        batch: {by: d}
        columns:
          a: [range: {min: 0, name: learned_a}]
          a_learned: [range: {min: 0}]
        """
    )
