"""Two tiers of learned bounds: a deviation just beyond one warns readers, and people are notified from twice the bound on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pgslo import assets

TABLE = """
table: features.user_stats
owner: growth
writes: bulk
batch: {by: feature_date}
key: [user_id]
unwatched: [user_id]
"""
DAYS = [f"2026-11-{day}" for day in (20, 21, 22, 23)]


@pytest.fixture
def judge(session):
    """Give a batch a deviation, as a multiple of its column's learned bound."""
    session.run(
        "CREATE TABLE features.user_stats (user_id bigint PRIMARY KEY, feature_date date, age integer)"
    )
    session.guard(TABLE)
    for n, day in enumerate(DAYS):
        session.run(f"INSERT INTO features.user_stats VALUES ({n}, '{day}', {n})")
    session.run("SELECT FROM pgslo.close_batch('features.user_stats')")

    def give(day: str, score: float) -> None:
        session.run(
            f"""SELECT pgslo_catalog.give_verdict(r, b, '{"missed" if score >= 1 else "met"}', {score}, 0, 1, {score}, 'null: 60 %; 0 % to 4 % expected')
                FROM pgslo_catalog.rule r, pgslo_catalog.batch b WHERE r.name = 'age_learned' AND b.name = '{day}'"""
        )

    return give


def paged(session) -> list[tuple[Any, ...]]:
    """What a route may have a message about, as ``pgslo watch`` asks."""
    query = (Path(str(assets.tree("sql"))) / "catalog" / "paged_incidents.sql").read_text("utf-8")
    cursor = session.connection.execute(query.encode(), {"since": "2026-01-01"})
    columns = [column.name for column in cursor.description]
    return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


def unannounced(session) -> list[str]:
    return session.values(
        "SELECT e.event FROM pgslo_catalog.unannounced u JOIN pgslo_catalog.incident_event e USING (incident_event_id) ORDER BY 1"
    )


def incidents(session) -> list[tuple[Any, ...]]:
    return list(session.run("SELECT rule, tier, state, resolution FROM pgslo.incident").rows)


def test_a_suspect_warns_readers_and_notifies_nobody(session, judge):
    judge(DAYS[0], 1.5)
    assert incidents(session) == [("age_learned", "suspect", "open", None)]
    (notice,) = session.run("SELECT age FROM guarded.user_stats").notices
    assert (notice.sqlstate, notice.rule) == ("01SL1", "age_learned")
    assert notice.message == 'column "age" of features.user_stats is suspect by rule "age_learned"'
    session.run("SELECT pgslo.tick()")
    assert paged(session) == []
    assert unannounced(session) == []
    assert session.run("SELECT open_incidents, suspect_incidents FROM pgslo.status").rows == ((1, 1),)
    assert session.values("SELECT pgslo.status_of('features.user_stats') ->> 'state'") == ["suspect"]
    assert session.values("SELECT tier FROM pgslo.verdict WHERE verdict = 'missed'") == ["suspect"]
    assert session.values("SELECT tier FROM pgslo.page") == ["suspect"]
    (said,) = session.values(
        "SELECT e.fact FROM pgslo.incident i, pgslo.explain(i.incident_id) e WHERE e.topic = 'tier'"
    )
    assert said.startswith("suspect: ")
    judge(DAYS[1], 0.5)
    judge(DAYS[0], 0.5)
    session.run("SELECT pgslo.tick()")
    assert incidents(session) == [("age_learned", "suspect", "resolved", "healed")]
    assert paged(session) == []
    assert unannounced(session) == []


def test_from_twice_the_bound_on_it_is_missed(session, judge):
    judge(DAYS[0], 2.0)
    assert incidents(session) == [("age_learned", "missed", "open", None)]
    (notice,) = session.run("SELECT age FROM guarded.user_stats").notices
    assert notice.message == 'column "age" of features.user_stats misses rule "age_learned"'
    assert [one["rule"] for one in paged(session)] == ["age_learned"]
    assert unannounced(session) == ["opened"]
    assert session.run("SELECT open_incidents, suspect_incidents FROM pgslo.status").rows == ((1, 0),)
    assert session.values("SELECT pgslo.status_of('features.user_stats') ->> 'state'") == ["missed"]


@pytest.mark.parametrize("second", [DAYS[0], DAYS[1]], ids=["the same batch", "the next batch"])
def test_a_suspect_that_becomes_missed_is_told_of_then_and_stays_missed(session, judge, second):
    judge(DAYS[0], 1.2)
    judge(second, 3.0)
    assert incidents(session) == [("age_learned", "missed", "open", None)]
    assert unannounced(session) == ["raised"]
    (told,) = paged(session)
    raised = session.values("SELECT max(incident_event_id) FROM pgslo.incident_event WHERE event = 'raised'")
    assert [told["opening"]] == raised
    judge(DAYS[2], 1.1)
    assert incidents(session) == [("age_learned", "missed", "open", None)]
    for day in DAYS:
        judge(day, 0.3)
    assert incidents(session) == [("age_learned", "missed", "resolved", "healed")]
    assert unannounced(session) == ["raised", "resolved"]


def test_a_declared_rule_is_missed_whatever_its_distance(session):
    session.run(
        "CREATE TABLE features.user_stats (user_id bigint PRIMARY KEY, feature_date date, age integer)"
    )
    session.guard(TABLE + "columns: {age: [completeness: 0.9]}")
    session.run(
        "INSERT INTO features.user_stats SELECT n, '2026-11-20', CASE WHEN n > 12 THEN n END FROM generate_series(1, 100) n"
    )
    session.close()
    assert incidents(session) == [("age_completeness", "missed", "open", None)]
    assert session.values("SELECT tier FROM pgslo.verdict WHERE verdict = 'missed'") == ["missed"]


@pytest.mark.parametrize(("choice", "is_ready"), [("stop", False), ("pass", True)])
def test_a_gate_stops_at_suspects_or_lets_them_pass(session, judge, choice, is_ready):
    session.guard(TABLE + f"tasks: {{churn: {{reads: [age], gate: {{suspects: {choice}}}}}}}")
    assert session.values("SELECT pgslo.ready('churn')") == [True]
    judge(DAYS[3], 1.5)
    session.run("SELECT pgslo.tick()")
    assert session.values("SELECT pgslo.ready('churn')") == [is_ready]
    said = session.values("SELECT said FROM pgslo.readiness('churn') WHERE NOT is_ready")
    assert said == [] if is_ready else "which is suspect by rule" in said[0]
    judge(DAYS[3], 2.5)
    session.run("SELECT pgslo.tick()")
    assert session.values("SELECT pgslo.ready('churn')") == [False]
