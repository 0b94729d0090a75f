"""A role that may read some columns of a table sees no figure of the others."""

from __future__ import annotations

import re

import psycopg
import pytest

PREDICTION = """
table: features.prediction
kind: predictions
writes: bulk
batch: {by: day}
predictions: {score: score, at: at}
labels: {table: features.label, on: [id], label: late, at: at, positive: true, maturity: 1 day, segments: [diagnosis]}
rules: [loss: {ml_metric: {of: log_loss, max: 0.1, per: diagnosis}}, brier: {ml_metric: {of: brier, max: 0.01}}, labelled: {ml_metric: {of: label_coverage, min: 0.9, per: diagnosis}}]
readers: [$reader]
"""
PAY = """
table: features.pay
writes: bulk
batch: {by: day}
columns:
  salary:
    - statistic: {of: mean, max: 100, name: mean_pay}
    - statistic: {of: mean, max: 100, name: mean_of_joe, where: "name = 'joe'"}
  bonus: [statistic: {of: sum, max: 100, name: bonuses}]
rules: [enough: {row_count: {min: 2}}]
readers: [$reader]
"""
#: What no role may see without the right to read it: a segment, a mean, a sum, and the loss and the score of one row.
SECRETS = ("HIV", "123,457", "123456", "123457", "98765", "98,765", "0.35667", "0.3567", "0.09")


@pytest.fixture
def clinic(world):
    world.run(
        "installer",
        """CREATE TABLE features.prediction (id int PRIMARY KEY, day date, score float8, diagnosis text, at timestamptz);
           CREATE TABLE features.label (id int PRIMARY KEY, late boolean, at timestamptz);
           GRANT INSERT ON features.prediction, features.label TO $writer;
           GRANT USAGE ON SCHEMA features TO $mallory""",
    )
    world.apply(PREDICTION)
    world.run(
        "writer",
        """INSERT INTO features.prediction VALUES (1, '2026-01-01', 0.7, 'HIV positive', '2026-01-01 00:00Z');
           INSERT INTO features.prediction SELECT n, '2026-01-01', 0.5, 'HIV negative', '2026-01-01 00:00Z' FROM generate_series(11, 30) n;
           INSERT INTO features.label VALUES (1, true, '2026-01-02 00:00Z'), (2, true, '2026-01-02 00:00Z')""",
    )
    world.run("operator", "SELECT pgslo.close_batch('features.prediction')")
    world.run("operator", "SELECT pgslo.tick()")
    return world


@pytest.fixture
def pay(world):
    world.run(
        "installer",
        """CREATE TABLE features.pay (id int PRIMARY KEY, day date, name text, salary numeric, bonus int);
           GRANT INSERT ON features.pay TO $writer; GRANT USAGE ON SCHEMA features TO $mallory""",
    )
    world.apply(PAY)
    world.run("writer", "INSERT INTO features.pay VALUES (1, '2026-01-01', 'joe', 123456.7, 98765)")
    world.run("operator", "SELECT pgslo.close_batch('features.pay')")
    world.run("operator", "SELECT pgslo.tick()")
    return world


def shown(world, part: str) -> str:
    """Everything that the views and functions for everybody, and the warnings of a read, show to a role."""
    session = world.session(part)
    got: list[str] = []
    session.add_notice_handler(lambda one: got.append(f"{one.message_primary} {one.message_detail}"))
    views = session.execute(
        """SELECT relname::text FROM pg_class WHERE relnamespace = 'pgslo'::regnamespace AND relkind = 'v'
           AND has_table_privilege(oid, 'SELECT')"""
    ).fetchall()
    for query in (
        *(f"SELECT to_jsonb(v)::text FROM pgslo.{view} AS v" for (view,) in views),
        "SELECT e.topic || e.fact FROM pgslo.incident i CROSS JOIN pgslo.explain(i.incident_id) AS e",
        "SELECT pgslo.status_of(definition)::text FROM pgslo.status",
        "SELECT pgslo.guard(definition, ARRAY['salary', 'bonus', 'score', '*'])::text FROM pgslo.status",
    ):
        got += [row[0] for row in session.execute(query.encode()).fetchall()]
    return "\n".join(got)


def verdicts(world, part: str) -> dict[str, tuple[object, ...]]:
    return {
        rule: (verdict, value, said)
        for rule, verdict, value, said in world.run(
            part,
            "SELECT rule, verdict, round(value::numeric, 3)::float8, said FROM pgslo.verdict WHERE kind <> 'learned'",
        )
    }


METRICS = "SELECT segment, round(value::numeric, 4)::float8 FROM pgslo.ml_metric WHERE metric = 'log_loss'"


@pytest.mark.parametrize(
    "granted",
    [
        "(id) ON features.prediction",
        "(id, score) ON features.prediction",
        "(id, diagnosis, score) ON features.prediction",
        "(id) ON guarded.prediction",
    ],
)
def test_metrics_need_the_columns_that_they_measure(clinic, granted):
    clinic.run("superuser", f"GRANT USAGE ON SCHEMA guarded TO $mallory; GRANT SELECT {granted} TO $mallory")
    assert clinic.run("mallory", METRICS) == []
    assert clinic.run("mallory", "SELECT DISTINCT segment FROM pgslo.prediction_problem") == [(None,)]
    # Of one pair, chance explains any loss.
    assert verdicts(clinic, "mallory") == {
        "loss": ("met", None, None),
        "brier": ("met", None, None),
        "labelled": ("missed", None, None),
    }
    text = shown(clinic, "mallory")
    assert 'misses rule "labelled"' in text
    # A fraction of a second may look like one.
    timeless = re.sub(r"\d\d:\d\d:\d\d[.]\d+", "", text)
    for secret in SECRETS:
        assert secret not in timeless


@pytest.mark.parametrize("part", ["reader", "installer", "steward", "mallory"])
def test_metrics_are_shown_to_who_may_read_what_they_measure(clinic, part):
    clinic.run(
        "installer",
        "GRANT SELECT (score, diagnosis) ON features.prediction TO $mallory; GRANT SELECT (late) ON features.label TO $mallory",
    )
    assert clinic.run(part, METRICS) == [(["HIV positive"], 0.3567)]
    told = verdicts(clinic, part)
    assert told["loss"][1] == 0.357
    assert told["loss"][2].startswith("diagnosis HIV positive: log loss is 0.3566")
    assert told["brier"][1] == 0.09
    assert "HIV negative: label coverage is 0" in shown(clinic, part).split("misses rule")[-1]


def test_a_mean_is_no_figure_for_a_reader_of_another_column(pay):
    pay.run("installer", "GRANT SELECT (id) ON features.pay TO $mallory")
    told = verdicts(pay, "mallory")
    assert told["mean_pay"] == told["mean_of_joe"] == told["bonuses"] == ("missed", None, None)
    # How many rows there are is not a secret to readers.
    assert told["enough"][:2] == ("missed", 1)
    text = shown(pay, "mallory")
    assert 'misses rule "mean_pay"' in text
    assert "Batch 2026-01-01: expected: " in text
    # A fraction of a second may look like one.
    timeless = re.sub(r"\d\d:\d\d:\d\d[.]\d+", "", text)
    for secret in SECRETS:
        assert secret not in timeless


def test_each_figure_needs_its_own_columns(pay):
    pay.run("installer", "GRANT SELECT (salary) ON features.pay TO $mallory")
    told = verdicts(pay, "mallory")
    assert told["mean_pay"][:2] == ("missed", 123456.7)
    # The condition chooses rows by a name.
    assert told["mean_of_joe"] == ("missed", None, None)
    assert told["bonuses"] == ("missed", None, None)
    assert "98,765" not in shown(pay, "mallory")


@pytest.mark.parametrize("part", ["reader", "installer", "steward"])
def test_figures_are_shown_to_readers_of_the_guarded_view_and_to_stewards(pay, part):
    told = verdicts(pay, part)
    assert told["mean_pay"][:2] == told["mean_of_joe"][:2] == ("missed", 123456.7)
    assert told["mean_pay"][2].startswith("the mean of 1 row is 123,456.7")
    assert "Batch 2026-01-01: the mean of 1 row is 123,456.7" in shown(pay, part)


def test_a_drift_score_is_no_figure_for_a_reader_of_another_column(pay):
    pay.run("superuser", "UPDATE pgslo_catalog.verdict SET score = 77.25 WHERE score IS NULL")
    pay.run("installer", "GRANT SELECT (id) ON features.pay TO $mallory")
    query = "SELECT column_name FROM pgslo.column_history WHERE score IS NOT NULL"
    assert ("salary",) in pay.run("reader", query)
    assert ("salary",) not in pay.run("mallory", query)
    assert "77.25" in shown(pay, "reader")
    query = "SELECT labels ->> 'column' FROM pgslo.metric WHERE name = 'pgslo_drift_score'"
    assert ("salary",) in pay.run("reader", query)
    assert ("salary",) not in pay.run("mallory", query)


def test_quantiles_are_shown_to_those_who_may_read_the_column(world):
    """The least and the largest value are values of rows: no role sees them, nor anything of a few rows."""
    world.run(
        "installer",
        "CREATE TABLE features.pay (id int PRIMARY KEY, day date, name text, salary int, bonus int); GRANT INSERT ON features.pay TO $writer",
    )
    world.run(
        "installer",
        "GRANT USAGE ON SCHEMA features TO $mallory; GRANT SELECT (id) ON features.pay TO $mallory",
    )
    world.apply(
        "{table: features.pay, writes: bulk, batch: {by: day}, readers: [$reader], columns: {"
        "salary: [range: {max: 2000, on_breach: warn}], bonus: [range: {max: 2000, on_breach: warn}]}}"
    )
    for day, times, rows in ((1, 1, 60), (2, 100, 60), (3, 100, 39)):
        world.run(
            "writer",
            f"INSERT INTO features.pay SELECT n + {100 * day}, date '2026-01-01' + {day}, 'joe', n * {times}, "
            f"CASE WHEN {day} = 3 THEN 5000 ELSE n END FROM generate_series(1, {rows}) n",
        )
        world.run("operator", "SELECT * FROM pgslo.close_batch('features.pay')")
    query = (
        "SELECT column_name, batch_before, batch, cardinality(quantiles), quantiles_before[20], quantiles[20], quantiles[39] < 6000"
        " FROM pgslo.incident_quantiles"
    )
    told = [("salary", "2026-01-02", "2026-01-03", 39, 30.5, 3050, True)]
    for part in ("reader", "installer", "steward", "superuser"):
        assert world.run(part, query) == told, part
    for part in ("mallory", "auditor", "operator", "writer"):
        assert world.run(part, query) == [], part


@pytest.mark.parametrize("part", ["auditor", "operator"])
def test_auditors_read_no_segment_and_no_score_in_the_state(clinic, part):
    for column in ("segment", "model", "loss", "brier", "*"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            clinic.run(part, f"SELECT {column} FROM pgslo_catalog.pair_cell")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        clinic.run(part, "SELECT FROM pgslo_catalog.pair_score")
    assert clinic.run(part, "SELECT sum(predictions)::int FROM pgslo_catalog.pair_cell") == [(21,)]
