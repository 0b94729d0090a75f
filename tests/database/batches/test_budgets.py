"""Error budgets: what an objective allows, what of it is left, and how fast it goes."""

from __future__ import annotations

import pytest


@pytest.fixture
def budgeted(session):
    """A definition with a rule over batches; the test inserts the verdicts."""
    session.run("CREATE TABLE features.stats (id int, day date, age int)")
    session.guard(
        "table: features.stats\nkey: [id]\nwrites: bulk\nbatch: {by: day}\ncolumns: {age: [not_null]}"
    )
    session.run(
        """INSERT INTO pgslo_catalog.rule (definition_id, name, kind, columns, on_breach, samples, mechanism, promise, scope, measure)
           SELECT definition_id, 'age_complete', 'completeness', '{age}', 'warn', 0, 'at close', 'age not null', 'batch', '{}' FROM pgslo_catalog.definition"""
    )
    session.run("UPDATE pgslo_catalog.definition SET target = 0.9, span = '10 days'")
    return session


def judged(session, *verdicts, ago="1 hour", failing=0):
    """Batches, each judged by ``age_complete``; rows of them fail ``age_not_null``."""
    for verdict in verdicts:
        session.run(
            f"""WITH b AS (
                INSERT INTO pgslo_catalog.batch AS b (definition_id, name, place, rows, failures, first_written_at, last_written_at, closed_at)
                SELECT definition_id, n, n, 10, CASE WHEN {failing} > 0 THEN '{{"age_not_null": {failing}}}' ELSE '{{}}' END::jsonb,
                       clock_timestamp() - interval '{ago}', clock_timestamp(), clock_timestamp()
                FROM pgslo_catalog.definition, (SELECT count(*) + 1 AS n FROM pgslo_catalog.batch) c
                RETURNING b.name, b.place
            ) INSERT INTO pgslo_catalog.verdict (definition_id, rule_id, batch, place, verdict, said)
            SELECT definition_id, rule_id, b.name, b.place, '{verdict}', 'so' FROM pgslo_catalog.rule r, b WHERE r.name = 'age_complete'"""
        )


def budget(session, rule="age_complete"):
    wanted = f"= '{rule}'" if rule else "IS NULL"
    ((*found,),) = session.run(
        f"SELECT state, judged::int, missed::int, round(remaining, 2)::float8, round(remaining_fraction, 2)::float8, round(burn_rate, 2)::float8, round(recent_burn_rate, 2)::float8 FROM pgslo.budget WHERE rule {wanted}"
    ).rows
    return tuple(found)


def test_batches_in_the_window_are_counted(budgeted):
    judged(budgeted, *["met"] * 19, "missed", ago="2 days")
    assert budget(budgeted) == ("met", 20, 1, 1.0, 0.5, 0.5, None)
    judged(budgeted, "missed", "missed")
    assert budget(budgeted) == ("missed", 22, 3, -0.8, -0.36, 1.36, 10.0)


def test_what_could_not_be_judged_and_what_is_too_old_does_not_count(budgeted):
    judged(budgeted, "unknown", "unknown")
    judged(budgeted, "missed", ago="11 days")
    assert budget(budgeted) == ("unknown", 0, 0, None, None, None, None)
    judged(budgeted, "met")
    assert budget(budgeted) == ("met", 1, 0, 0.1, 1.0, 0.0, 0.0)


def test_an_old_batch_that_is_judged_again_stays_old(budgeted):
    judged(budgeted, "met", ago="11 days")
    budgeted.run("UPDATE pgslo_catalog.verdict SET verdict = 'missed', judged_at = clock_timestamp()")
    assert budget(budgeted)[0] == "unknown"


def test_a_rule_over_rows_has_a_budget_of_batches_too(budgeted):
    judged(budgeted, *["met"] * 9)
    judged(budgeted, "met", failing=3)
    assert budget(budgeted, "age_not_null") == ("met", 10, 1, 0.0, 0.0, 1.0, 1.0)
    assert budget(budgeted, "age_complete")[2] == 0
    assert budget(budgeted, None) == ("met", 10, 1, 0.0, 0.0, 1.0, 1.0)


def test_a_rule_has_its_own_target_and_window(budgeted):
    budgeted.run("UPDATE pgslo_catalog.rule SET target = 0.5, span = '1 day' WHERE name = 'age_complete'")
    judged(budgeted, "met", "missed", ago="2 days")
    judged(budgeted, "met", "met", "met", "missed")
    assert budget(budgeted) == ("met", 4, 1, 1.0, 0.5, 0.5, 0.5)


def test_a_target_of_all_batches_leaves_nothing_to_miss(budgeted):
    budgeted.run("UPDATE pgslo_catalog.definition SET target = 1")
    judged(budgeted, "met")
    assert budget(budgeted)[:5] == ("met", 1, 0, 0.0, 1.0)
    judged(budgeted, "missed")
    assert budget(budgeted) == ("missed", 2, 1, -1.0, 0.0, None, None)


def test_false_alarms_cost_nothing(budgeted):
    judged(budgeted, "missed", "met")
    budgeted.run(
        """INSERT INTO pgslo_catalog.incident (definition_id, rule_id, opened_batch, opened_place, over_at, resolved_at, over_batch, over_place, resolution)
           SELECT definition_id, rule_id, '1', 1, clock_timestamp(), clock_timestamp(), '1', 1, 'false_alarm' FROM pgslo_catalog.rule WHERE name = 'age_complete'"""
    )
    assert budget(budgeted)[:3] == ("met", 2, 0)


def incident(session, opened, resolved, rule="age_complete", resolution="met"):
    session.run(
        f"""INSERT INTO pgslo_catalog.incident (definition_id, rule_id, opened_batch, opened_place, opened_at, over_at, resolved_at, resolution)
            SELECT definition_id, rule_id, '1', 1, clock_timestamp() - interval '{opened}', clock_timestamp() - interval '{resolved}', clock_timestamp(), '{resolution}'
            FROM pgslo_catalog.rule WHERE name = '{rule}'"""
    )


def test_time_slices_count_the_time_with_an_open_incident(budgeted):
    budgeted.run("UPDATE pgslo_catalog.definition SET budgeting = 'time_slices'")
    assert budget(budgeted)[0] == "unknown", "no data yet"
    judged(budgeted, "met", ago="20 days")
    days = 86_400
    about = pytest.approx  # the clock goes on while the test runs
    assert budget(budgeted)[:3] == ("met", about(10 * days, rel=1e-3), 0)
    incident(budgeted, "15 days", "9 days 12 hours")
    incident(budgeted, "3 days", "2 days", resolution="false_alarm")
    assert budget(budgeted)[1:] == about((10 * days, days / 2, days / 2, 0.5, 0.5, 0), rel=1e-3, abs=0.01)
    incident(budgeted, "12 hours", "-1 hour")
    assert budget(budgeted)[1:3] == about((10 * days, days), rel=1e-3)
    assert budget(budgeted)[6] == about(5.0, rel=1e-2)
    incident(budgeted, "12 hours", "6 hours", rule="age_not_null")
    assert budget(budgeted, None)[1:3] == about((10 * days, days), rel=1e-3), "two at once count once"


def test_without_a_target_there_is_no_budget(budgeted):
    budgeted.run("UPDATE pgslo_catalog.definition SET target = NULL")
    assert budgeted.values("SELECT count(*)::int FROM pgslo.budget") == [0]
