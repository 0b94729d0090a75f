"""No prediction and no label hides metrics of the others, or stops the evaluation of a table."""

from __future__ import annotations

from typing import Any

import pytest

#: As conftest.py has it.
World = Any

CLASSES = """
CREATE TABLE features.pred (id int PRIMARY KEY, day date, score float8, late boolean, model text, seg text, at timestamptz);
CREATE TABLE features.label (id int PRIMARY KEY, value boolean, at timestamptz);
GRANT ALL ON features.pred, features.label TO $writer;
"""
NUMBERS = """
CREATE TABLE features.pred (id int PRIMARY KEY, day date, score numeric, model text, seg text, at timestamptz);
CREATE TABLE features.label (id int PRIMARY KEY, value numeric, at timestamptz);
GRANT ALL ON features.pred, features.label TO $writer;
"""
DEFINITION = """
table: features.pred
kind: predictions
key: [id]
batch: {by: day}
watch: false
readers: [$reader]
predictions: {score: score, class: late, model: model, at: at}
labels: {table: features.label, on: [id], label: value, at: at, positive: true, maturity: 1 day, segments: [seg]}
rules:
  - right: {ml_metric: {of: accuracy, min: 0.9}}
  - covered: {ml_metric: {of: label_coverage, min: 0.9}}
  - many: {row_count: {min: 1000}}
"""
REGRESSION = (
    DEFINITION.replace(", class: late", "")
    .replace(", positive: true", "")
    .replace("right: {ml_metric: {of: accuracy, min: 0.9}}", "right: {ml_metric: {of: mae, max: 10}}")
)
#: 59 wrong predictions with their labels, long ago.
WRONG = """
INSERT INTO features.pred SELECT n, '2026-01-02', 0.9, true, 'm', 's', '2026-01-02 00:00+00' FROM generate_series(2, 60) n;
INSERT INTO features.label SELECT n, false, '2026-01-02 01:00+00' FROM generate_series(2, 60) n;
"""
FAR = """
INSERT INTO features.pred SELECT n, '2026-01-02', 100, 'm', 's', '2026-01-02 00:00+00' FROM generate_series(2, 60) n;
INSERT INTO features.label SELECT n, 0, '2026-01-02 01:00+00' FROM generate_series(2, 60) n;
"""
LONG = "(SELECT string_agg(md5(g::text), '') FROM generate_series(1, 300) g)"


def close(world: World) -> None:
    world.run("operator", "SELECT pgslo.tick()")
    world.run("operator", "SELECT pgslo.close_batch('features.pred')")
    world.run("operator", "SELECT pgslo.tick()")


def verdicts(world: World) -> dict[str, str]:
    return dict(world.run("superuser", "SELECT rule, verdict FROM pgslo.verdict WHERE batch = '2026-01-02'"))


def breaks(world: World) -> list[tuple[str]]:
    return world.run("superuser", "SELECT said FROM pgslo_catalog.rule_break")


@pytest.mark.parametrize(
    "at", ["'infinity'", "'9000-01-01'", "'-infinity'", "now()", "now() + interval '1 hour'"]
)
@pytest.mark.parametrize("is_deleted", [False, True])
def test_no_time_of_a_prediction_keeps_metrics_unknown(world, at, is_deleted):
    world.run("installer", CLASSES)
    world.apply(DEFINITION)
    world.run("writer", WRONG)
    close(world)
    assert verdicts(world)["right"] == "missed"
    world.run("writer", f"INSERT INTO features.pred VALUES (1, '2026-01-02', 0.5, true, 'm', 's', {at})")
    if is_deleted:
        world.run("operator", "SELECT pgslo.tick()")
        world.run("writer", "DELETE FROM features.pred WHERE id = 1")
    close(world)
    # Labels are waited for after the batch was closed, and no longer: here, a day.
    world.run("superuser", "UPDATE pgslo_catalog.batch SET closed_at = closed_at - interval '2 days'")
    world.run("writer", "UPDATE features.label SET at = at + interval '1 second' WHERE id = 2")
    close(world)
    assert verdicts(world)["right"] == "missed"
    assert breaks(world) == []


@pytest.mark.parametrize("at", ["'infinity'", "'9000-01-01'"])
def test_a_prediction_of_a_far_day_is_not_waited_for(world, at):
    world.run("installer", CLASSES)
    world.apply(DEFINITION)
    world.run("writer", WRONG)
    world.run("writer", f"INSERT INTO features.pred VALUES (1, '2026-01-02', 0.5, true, 'm', 's', {at})")
    close(world)
    assert verdicts(world)["right"] == "missed"


def test_labels_that_came_before_their_prediction_cover_nothing(world):
    world.run("installer", CLASSES)
    world.apply(DEFINITION)
    world.run("writer", WRONG)
    close(world)
    assert verdicts(world) == {"right": "missed", "covered": "met", "many": "missed"}
    # After the labels are known, the writer moves all wrong predictions behind them.
    world.run("writer", "UPDATE features.pred SET at = '2026-01-02 02:00+00'")
    close(world)
    assert verdicts(world)["covered"] == "missed"
    assert world.run("superuser", "SELECT problem, rows FROM pgslo.prediction_problem") == [
        ("label_before_prediction", 59)
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO features.pred VALUES (1, '2026-01-02', 1e400, 'm', 's', '2026-01-02')",
        "INSERT INTO features.pred VALUES (1, '2026-01-02', -1e400, 'm', 's', '2026-01-02')",
        "INSERT INTO features.pred VALUES (1, '2026-01-02', 1e-400, 'm', 's', '2026-01-02')",
        "INSERT INTO features.pred VALUES (1, '2026-01-02', 'NaN', 'm', 's', '2026-01-02')",
        "INSERT INTO features.label VALUES (1, 1e400, '2026-01-02')",
        "INSERT INTO features.label VALUES (1, 1, 'infinity')",
        "INSERT INTO features.label VALUES (1, 1, '-infinity')",
        f"INSERT INTO features.pred VALUES (1, '2026-01-02', 1, {LONG}, 's', '2026-01-02')",
        f"INSERT INTO features.pred VALUES (1, '2026-01-02', 1, 'm', {LONG}, '2026-01-02')",
    ],
)
def test_no_value_stops_the_evaluation(world, statement):
    world.run("installer", NUMBERS)
    world.apply(REGRESSION)
    world.run("writer", statement)
    if "features.label" in statement:
        world.run("writer", "INSERT INTO features.pred VALUES (1, '2026-01-02', 1, 'm', 's', '2026-01-02')")
    world.run("writer", FAR)
    close(world)
    # One extreme label widens the interval that mae is compared by.
    assert verdicts(world)["right"] == ("met" if "label VALUES (1, 1e400" in statement else "missed")
    assert verdicts(world)["many"] == "missed"
    assert breaks(world) == []
    # Sums lose it again.
    world.run("writer", "DELETE FROM features.pred WHERE id = 1; DELETE FROM features.label WHERE id = 1")
    close(world)
    assert world.run(
        "superuser",
        "SELECT value FROM pgslo.ml_metric WHERE metric = 'label_delay' AND batch = '2026-01-02' AND pairs > 0",
    ) == [(1.0,)]
    assert breaks(world) == []


def test_metrics_that_fail_stop_no_other_rule(world):
    world.run("installer", NUMBERS)
    world.apply(REGRESSION)
    world.run("writer", FAR)
    world.run(
        "superuser",
        """CREATE FUNCTION evil.fail() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'no'; END$$;
           CREATE TRIGGER fail BEFORE INSERT ON pgslo_catalog.pair_cell FOR EACH ROW EXECUTE FUNCTION evil.fail()""",
    )
    close(world)
    assert verdicts(world) == {"many": "missed"}
    session = world.session("reader")
    said: list[str] = []
    session.add_notice_handler(lambda notice: said.append(notice.message_primary))
    session.execute("SELECT score FROM guarded.pred")
    assert any('rule "right" of features.pred can no longer be judged' in one for one in said)
