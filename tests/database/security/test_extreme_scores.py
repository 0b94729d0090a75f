"""No score or label of any size stops the evaluation of metrics."""

from __future__ import annotations

import pytest

TABLES = """
CREATE TABLE features.pred (id int PRIMARY KEY, day date, score float8, model text, at timestamptz);
CREATE TABLE features.label (id int PRIMARY KEY, value float8, at timestamptz);
GRANT ALL ON features.pred, features.label TO $writer;
"""
DEFINITION = """
table: features.pred
kind: predictions
key: [id]
batch: {by: day}
watch: false
predictions: {score: score, model: model, at: at}
labels: {table: features.label, on: [id], label: value, at: at, maturity: 1 day}
rules:
  - near: {ml_metric: {of: mae, max: 10}}
  - nearer: {ml_metric: {of: rmse, max: 10}}
  - relative: {ml_metric: {of: mape, max: 10}}
  - unbiased: {ml_metric: {of: bias, min: -10, max: 10}}
"""
VERDICTS = "SELECT rule, verdict, value FROM pgslo.verdict"


@pytest.mark.parametrize(
    ("score", "label"),
    [("1.7e308", "-1.7e308"), ("1e200", "1"), ("-1e200", "0"), ("1e160", "1e-300"), ("4.9e-324", "1e155")],
)
def test_an_extreme_score_is_measured(world, score, label):
    world.run("installer", TABLES)
    world.apply(DEFINITION)
    world.run(
        "writer",
        f"""
        INSERT INTO features.pred SELECT n, '2026-01-02', 5, 'm', '2026-01-02 00:00+00' FROM generate_series(2, 20) n;
        INSERT INTO features.label SELECT n, 5, '2026-01-02 00:00+00' FROM generate_series(2, 20) n;
        INSERT INTO features.pred VALUES (1, '2026-01-02', {score}, 'm', '2026-01-02 00:00+00');
        INSERT INTO features.label VALUES (1, {label}, '2026-01-02 00:00+00')
        """,
    )
    world.run("operator", "SELECT pgslo.tick()")
    world.run("operator", "SELECT pgslo.close_batch('features.pred')")
    world.run("operator", "SELECT pgslo.tick()")
    found = {rule: (verdict, value) for rule, verdict, value in world.run("superuser", VERDICTS)}
    assert set(found) == {"near", "nearer", "relative", "unbiased"}
    # One of twenty is within what chance allows: the value is there, and no rule is unknown.
    assert "unknown" not in {verdict for verdict, _ in found.values()}
    assert found["near"][1] > 1e60
    assert found["nearer"][1] > 1e60
    assert world.run("superuser", "SELECT count(*) FROM pgslo_catalog.rule_break") == [(0,)]
