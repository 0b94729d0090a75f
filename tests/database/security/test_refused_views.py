"""A session that refuses views of users (restrict_nonsystem_relation_kind) hides no row from a rule."""

from __future__ import annotations

import psycopg
import pytest

DEFINITION = """
table: features.tab
key: [id]
writes: {writes}
batch: {{by: day}}
columns:
  amount: [range: {{name: small, min: 0, max: 100, on_breach: flag}}]
"""


@pytest.fixture
def tab(world):
    known = world.run(
        "superuser", "SELECT current_setting('restrict_nonsystem_relation_kind', true) IS NOT NULL"
    )
    if known == [(False,)]:
        pytest.skip("this server has no such setting")
    world.run(
        "installer",
        "CREATE TABLE features.tab (id int PRIMARY KEY, day text, amount int); GRANT ALL ON features.tab TO $writer",
    )
    return world


def incidents(world):
    return world.run("superuser", "SELECT rule FROM pgslo.incident WHERE over_at IS NULL")


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_rows_are_judged_and_named_under_the_setting(tab, writes):
    tab.apply(DEFINITION.format(writes=writes))
    tab.run("writer", "INSERT INTO features.tab VALUES (1, 'first', 1), (2, 'first', 2)")
    session = tab.session("writer")
    session.execute("SET restrict_nonsystem_relation_kind = 'view'")
    session.execute("INSERT INTO features.tab VALUES (3, 'first', 999)")
    session.execute("DELETE FROM features.tab WHERE id = 1")
    for _ in range(3):
        tab.run("operator", "SELECT pgslo.tick()")
    assert incidents(tab) == [("small",)]
    assert tab.run("superuser", "SELECT error_code FROM pgslo_catalog.rule_break") == []
    assert (
        tab.run("superuser", "SELECT DISTINCT batch FROM pgslo_catalog.fragment WHERE batch = 'unknown'")
        == []
    )


def test_a_rule_that_refuses_a_batch_refuses_it_under_the_setting(tab):
    tab.apply(
        DEFINITION.format(writes="bulk").replace(
            "on_breach: flag}]",
            "on_breach: flag}, statistic: {of: mean, max: 50, reject_above: 60, on_breach: warn}]",
        )
    )
    session = tab.session("writer")
    session.execute("SET restrict_nonsystem_relation_kind = 'view'")
    with pytest.raises(psycopg.errors.CheckViolation):
        session.execute("INSERT INTO features.tab VALUES (1, 'first', 999)")


def test_tick_reads_other_relations_under_the_setting(tab):
    tab.run("installer", "CREATE TABLE features.other (id int PRIMARY KEY)")
    tab.apply(
        DEFINITION.format(writes="bulk")
        + "assertions: [listed: {none_without: {table: features.other, on: {id: id}}, on_breach: flag}]"
    )
    session = tab.session("operator")
    session.execute("SET restrict_nonsystem_relation_kind = 'view'")
    tab.run("writer", "INSERT INTO features.tab VALUES (1, 'first', 5)")
    session.execute("SELECT pgslo.tick()")
    assert tab.run("superuser", "SELECT error_code FROM pgslo_catalog.rule_break") == []


def test_rows_of_an_unknown_batch_stay_unjudged_until_all_rows_are_judged(tab):
    """As after an error of the moment that had no batch named: as many rows came as left."""
    tab.apply(DEFINITION.format(writes="bulk"))
    tab.run("writer", "INSERT INTO features.tab VALUES (1, 'first', 1), (2, 'first', 2)")
    tab.run("operator", "SELECT pgslo.tick()")
    tab.run(
        "superuser",
        """ALTER TABLE features.tab DISABLE TRIGGER ALL;
           INSERT INTO features.tab VALUES (3, 'first', 999); DELETE FROM features.tab WHERE id = 1;
           ALTER TABLE features.tab ENABLE TRIGGER ALL;
           SELECT pgslo_catalog.mark_unjudged('features.tab', '{small}', '{unknown}', '{-Infinity}', '55000', 'a view');
           SELECT pgslo_catalog.record_lost('features.tab', '{}', '{}', '{}', '55000', 'a view')""",
    )
    tab.run("operator", "SELECT pgslo.tick()")
    assert incidents(tab) == [("small",)]
    assert tab.run("superuser", "SELECT batch FROM pgslo_catalog.rule_break") == []


def test_a_note_on_an_unknown_batch_is_not_removed_by_a_batch_without_rows(tab):
    tab.apply(DEFINITION.format(writes="bulk"))
    tab.run(
        "superuser",
        "SELECT pgslo_catalog.mark_unjudged('features.tab', '{small}', '{unknown}', '{-Infinity}', '55000', 'a view')",
    )
    judged = tab.run(
        "superuser",
        """SELECT pgslo_catalog.judge_rows(d, r, 'unknown', '-Infinity')
           FROM pgslo_catalog.definition d JOIN pgslo_catalog.rule r USING (definition_id) WHERE r.name = 'small'""",
    )
    assert judged == [(False,)]
