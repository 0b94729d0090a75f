"""Labels that come late: when batches are judged, what chance explains, what cannot be measured, and who races whom."""

from __future__ import annotations

import math
import random

import pytest
from late_labels import DEFINITION, TABLES, label, predict, problems, verdicts
from scipy import stats

# When


def test_a_batch_is_judged_when_its_labels_are_due(guard):
    session = guard("[right: {ml_metric: {of: accuracy, min: 0.9}}]")
    predict(session, 100, score="0.9", predicted_at="now() - interval '1 day'")
    label(session, 40, "'yes'")
    session.run("UPDATE features.label SET known_at = now()")
    session.close(definition="features.prediction")
    verdict, value, said = verdicts(session)["right"]
    assert (verdict, value) == ("unknown", None)
    assert said.startswith("labels are complete at 20")
    assert said.endswith("40 of 100 predictions have one by now")
    session.run("UPDATE features.prediction SET predicted_at = predicted_at - interval '2 days'")
    # The newest prediction that was ever in it tells: times that are put back do not hurry it.
    session.run("SELECT pgslo.tick()")
    assert verdicts(session)["right"][0] == "unknown"
    session.run("UPDATE pgslo_catalog.pair_batch SET last_at = last_at - interval '2 days'")
    session.run("SELECT pgslo.tick()")
    assert verdicts(session)["right"] == (
        "met",
        1,
        "accuracy is 1, 0.91238 to 1 by chance, of 40 pairs; the objective is at least 0.9",
    )


def test_late_and_corrected_labels_open_and_heal(guard):
    session = guard(
        "[right: {ml_metric: {of: accuracy, min: 0.9}}, labelled: {ml_metric: {of: label_coverage, min: 0.9}}]"
    )
    predict(session, 200, score="0.9")
    session.close(definition="features.prediction")
    assert verdicts(session)["right"][0] == "unknown"
    assert verdicts(session)["labelled"][:2] == ("missed", 0)
    assert session.incidents() == {"labelled"}
    label(session, 200, "CASE WHEN n <= 100 THEN 'yes' ELSE 'no' END")
    session.run("SELECT pgslo.tick()")
    assert verdicts(session)["right"][:2] == ("missed", 0.5)
    assert session.incidents() == {"right"}
    session.run("UPDATE features.label SET truth = 'yes'")
    session.run("SELECT pgslo.tick()")
    assert verdicts(session)["right"][:2] == ("met", 1)
    assert session.incidents() == set()
    assert session.values("SELECT resolution FROM pgslo.incident ORDER BY incident_id") == [
        "healed",
        "healed",
    ]
    session.run("DELETE FROM features.label WHERE id > 100")
    session.run("SELECT pgslo.tick()")
    assert verdicts(session)["labelled"][:2] == ("missed", 0.5)


def test_readers_of_the_score_are_warned(guard):
    session = guard("[right: {ml_metric: {of: accuracy, min: 0.9}}]")
    predict(session, 200, score="0.9")
    label(session, 200, "'no'")
    session.close(definition="features.prediction")
    assert session.run("SELECT score FROM guarded.prediction").warned == {"right"}
    assert session.run("SELECT region FROM guarded.prediction").warned == set()


def test_nothing_is_judged_twice_for_nothing(guard):
    session = guard(
        "[right: {ml_metric: {of: accuracy, min: 0.9}}, d: {ml_metric: {of: expected_accuracy, min: 0.5}}]"
    )
    predict(session, 10, score="0.9")
    label(session, 10, "'yes'")
    session.close(definition="features.prediction")
    before = session.values("SELECT judged_at FROM pgslo.verdict")
    session.run("SELECT pgslo.tick()")
    assert session.values("SELECT judged_at FROM pgslo.verdict") == before


# Chance


def test_only_what_chance_does_not_explain_is_missed(guard):
    session = guard(
        "[right: {ml_metric: {of: accuracy, min: 0.8}}, surer: {ml_metric: {of: accuracy, min: 0.8, confidence: 0.9999}}]"
    )
    predict(session, 100, score="0.9")
    label(session, 100, "CASE WHEN n <= 73 THEN 'yes' ELSE 'no' END")
    session.close(definition="features.prediction")
    assert verdicts(session)["right"][:2] == ("met", 0.73)
    session.run("UPDATE features.label SET truth = 'no' WHERE id <= 5")
    session.run("SELECT pgslo.tick()")
    assert verdicts(session)["right"][:2] == ("missed", 0.68)
    assert verdicts(session)["surer"][:2] == ("met", 0.68)


def test_batches_are_taken_together(guard):
    session = guard("[right: {ml_metric: {of: accuracy, min: 0.785, over: 3 batches}}]")
    for day in range(1, 6):
        predict(session, 40, first=day * 100, score="0.9", day=f"date '2026-11-0{day}'")
        label(session, 40, "CASE WHEN n % 10 < 7 THEN 'yes' ELSE 'no' END", first=day * 100)
    session.close(definition="features.prediction")
    assert {batch: verdicts(session, f"2026-11-0{batch}")["right"][0] for batch in range(1, 6)} == {
        1: "met",
        2: "met",
        3: "missed",
        4: "missed",
        5: "missed",
    }
    assert "of 120 pairs in 3 batches" in verdicts(session, "2026-11-03")["right"][2]
    # A correction of the first batch moves the verdicts of those that reach back to it, and of no other.
    session.run("UPDATE features.label SET truth = 'yes' WHERE id < 200")
    session.run("SELECT pgslo.tick()")
    assert [verdicts(session, f"2026-11-0{batch}")["right"][0] for batch in range(1, 6)] == [
        *("met", "met", "met", "missed", "missed")
    ]


def test_the_worst_group_decides(guard):
    session = guard("[right: {ml_metric: {of: accuracy, min: 0.8, per: [model_version, region]}}]")
    predict(session, 300, score="0.9", region="CASE n % 3 WHEN 0 THEN 'a' WHEN 1 THEN 'b' ELSE 'c' END")
    label(session, 300, "CASE WHEN n % 3 = 1 AND n <= 200 THEN 'no' ELSE 'yes' END")
    session.close(definition="features.prediction")
    verdict, value, said = verdicts(session)["right"]
    assert (verdict, value) == ("missed", 0.33)
    assert said.startswith("model_version v1, region b: accuracy is 0.33, ")
    rows = session.run(
        "SELECT segment[1], value FROM pgslo.ml_metric WHERE metric = 'accuracy' ORDER BY 1"
    ).rows
    assert rows == (("a", 1.0), ("b", 0.33), ("c", 1.0))


def test_intervals_are_those_of_the_books(guard):
    session = guard()
    rng = random.Random(5)
    pairs = [(rng.random(), rng.random()) for _ in range(500)]
    rows = ", ".join(f"({n}, {s})" for n, (s, _) in enumerate(pairs))
    session.run(f"INSERT INTO features.prediction (id, score) VALUES {rows}")
    rows = ", ".join(f"({n}, '{'yes' if u < s else 'no'}')" for n, (s, u) in enumerate(pairs))
    session.run(f"INSERT INTO features.label (id, truth) VALUES {rows}")
    session.run("SELECT pgslo.tick()")
    found = {
        metric: (value, low, high)
        for metric, value, low, high in session.run(
            "SELECT metric, value, low, high FROM pgslo.ml_metric"
        ).rows
    }
    truth, score = [u < s for s, u in pairs], [s for s, _ in pairs]
    said = [s >= 0.5 for s in score]
    shares = {
        "accuracy": (sum(a == b for a, b in zip(said, truth, strict=True)), 500),
        "precision": (sum(a and b for a, b in zip(said, truth, strict=True)), sum(said)),
        "recall": (sum(a and b for a, b in zip(said, truth, strict=True)), sum(truth)),
    }
    for metric, (good, whole) in shares.items():
        interval = stats.binomtest(good, whole).proportion_ci(0.95, "wilson")
        assert found[metric] == pytest.approx((good / whole, interval.low, interval.high), abs=1e-9)
    tp, other = shares["precision"][0], sum(a or b for a, b in zip(said, truth, strict=True))
    jaccard = stats.binomtest(tp, other).proportion_ci(0.95, "wilson")
    f1 = [2 * j / (1 + j) for j in (tp / other, jaccard.low, jaccard.high)]
    assert found["f1"] == pytest.approx(tuple(f1), abs=1e-9)
    losses = [-math.log(s if y else 1 - s) for s, y in zip(score, truth, strict=True)]
    briers = [(s - y) ** 2 for s, y in zip(score, truth, strict=True)]
    for metric, parts in (("log_loss", losses), ("brier", briers)):
        mean = sum(parts) / 500
        half = stats.norm.ppf(0.975) * stats.sem(parts)
        assert found[metric] == pytest.approx((mean, mean - half, mean + half), abs=1e-9)
    auc = stats.mannwhitneyu(
        [s for s, y in zip(score, truth, strict=True) if y],
        [s for s, y in zip(score, truth, strict=True) if not y],
    ).statistic / (sum(truth) * (500 - sum(truth)))
    q1, q2, n1, n2 = auc / (2 - auc), 2 * auc**2 / (1 + auc), sum(truth), 500 - sum(truth)
    error = math.sqrt((auc * (1 - auc) + (n1 - 1) * (q1 - auc**2) + (n2 - 1) * (q2 - auc**2)) / (n1 * n2))
    assert found["auc"] == pytest.approx(
        (auc, auc - stats.norm.ppf(0.975) * error, auc + stats.norm.ppf(0.975) * error), abs=1e-9
    )
    expected = [max(s, 1 - s) for s in score]
    half = stats.norm.ppf(0.975) * math.sqrt(sum(c * (1 - c) for c in expected)) / 500
    assert found["expected_accuracy"] == pytest.approx(
        (sum(expected) / 500, sum(expected) / 500 - half, sum(expected) / 500 + half), abs=1e-9
    )


@pytest.mark.parametrize("share", [0.5, 0.75, 0.9, 0.975, 0.995, 0.9999, 1 - 1e-9])
def test_normal_quantile(session, share):
    assert session.values(f"SELECT pgslo_catalog.normal_quantile({share})") == [
        pytest.approx(stats.norm.ppf(share), abs=1e-6)
    ]


def test_a_model_at_the_bound_is_rarely_told(guard):
    """Fifty batches of a model that is exactly as good as the objective: at 95 % one in forty is missed by chance."""
    session = guard("[right: {ml_metric: {of: accuracy, min: 0.8}}]")
    rng = random.Random(11)
    rows = [(day, n, rng.random() < 0.8) for day in range(50) for n in range(100)]
    values = ", ".join(f"({day * 100 + n}, date '2026-01-01' + {day}, 0.9)" for day, n, _ in rows)
    session.run(f"INSERT INTO features.prediction (id, day, score) VALUES {values}")
    values = ", ".join(f"({day * 100 + n}, '{'yes' if right else 'no'}')" for day, n, right in rows)
    session.run(f"INSERT INTO features.label (id, truth) VALUES {values}")
    session.close(definition="features.prediction")
    counts = dict(
        session.run("SELECT verdict, count(*)::int FROM pgslo.verdict WHERE rule = 'right' GROUP BY 1").rows
    )
    assert counts["met"] + counts.get("missed", 0) == 50
    assert counts.get("missed", 0) <= 4


@pytest.mark.slow
def test_many_scores_are_kept_to_four_digits_and_the_error_is_told(guard):
    session = guard()
    predict(session, 12000, score="(n * 7919 % 12007) / 12007.0::float8")
    label(
        session, 12000, "CASE WHEN (n * 7919 % 12007) / 12007.0 + sin(n) / 3 > 0.5 THEN 'yes' ELSE 'no' END"
    )
    session.run("SELECT pgslo.tick()")
    assert session.values("SELECT coarse FROM pgslo_catalog.pair_cell") == [True]
    assert session.values("SELECT count(*) <= 10001 FROM pgslo_catalog.pair_score") == [True]
    ((value, low, high),) = session.run(
        "SELECT value, low, high FROM pgslo.ml_metric WHERE metric = 'auc'"
    ).rows
    (exact,) = session.values(
        """SELECT sum(CASE WHEN p.score > n.score THEN 1.0 WHEN p.score = n.score THEN 0.5 ELSE 0 END)::float8 / count(*)
           FROM (SELECT score FROM features.prediction JOIN features.label USING (id) WHERE truth = 'yes' AND id % 4 = 0) p,
                (SELECT score FROM features.prediction JOIN features.label USING (id) WHERE truth = 'no' AND id % 4 = 0) n"""
    )
    assert low < value < high
    assert value == pytest.approx(exact, abs=0.02)
    # What is taken away is taken from where it was put.
    session.run("DELETE FROM features.label")
    session.run("SELECT pgslo.tick()")
    assert session.values("SELECT count(*) FROM pgslo_catalog.pair_score") == [0]


# What cannot be measured


def test_bad_input_is_counted_and_nothing_is_lost(guard):
    session = guard()
    predict(session, 10, score="0.9")
    label(session, 10, "'yes'")
    assert problems(session) == {}
    label(session, 3, "'yes'", first=100)
    assert problems(session) == {"label_without_prediction": 3}
    predict(session, 3, first=100, score="0.9")
    assert problems(session) == {}
    session.run("INSERT INTO features.label VALUES (1, 'no', '2026-11-03 10:00:00+00')")
    assert problems(session) == {"two_labels": 1}
    assert session.values("SELECT value FROM pgslo.ml_metric WHERE metric = 'accuracy'") == [12 / 13]
    session.run(
        "UPDATE features.prediction SET score = CASE id WHEN 2 THEN 1.5 WHEN 3 THEN -0.1 WHEN 4 THEN 'NaN' WHEN 5 THEN NULL END WHERE id BETWEEN 2 AND 5"
    )
    session.run("UPDATE features.label SET truth = 'perhaps' WHERE id = 6")
    session.run("UPDATE features.label SET truth = NULL WHERE id = 7")
    session.run("UPDATE features.label SET known_at = '2026-10-31' WHERE id = 8")
    session.run("UPDATE features.prediction SET model_version = NULL WHERE id = 9")
    assert problems(session) == {
        "two_labels": 1,
        "score_outside": 2,
        "score_missing": 2,
        "unknown_label": 2,
        "label_before_prediction": 1,
        "model_missing": 1,
    }
    assert session.values("SELECT sum(pairs)::int FROM pgslo.ml_metric WHERE metric = 'accuracy'") == [
        13 - 2 - 2 - 2 - 1
    ]
    session.run("DELETE FROM features.label")
    session.run("DELETE FROM features.prediction")
    assert problems(session) == {}
    assert session.values("SELECT count(*) FROM pgslo.ml_metric") == [0]


def test_unknown_classes_are_counted(session):
    for statement in TABLES.split(";"):
        session.run(statement)
    session.run("ALTER TABLE features.prediction ADD kind text")
    session.guard(DEFINITION.replace("score: score,", "score: score, class: kind,"))
    session.run(
        "INSERT INTO features.prediction (id, score, kind) VALUES (1, 0.9, 'yes'), (2, 0.9, 'maybe'), (3, 0.9, NULL)"
    )
    label(session, 3, "'yes'")
    assert problems(session) == {"unknown_class": 1}
    assert session.values("SELECT value FROM pgslo.ml_metric WHERE metric = 'accuracy'") == [1]


STEPS = """
    table: features.prediction
    kind: predictions
    writes: bulk
    batch: {by: day}
    watch: false
    predictions: {score: score, class: late, model: model_version}
    post_process:
      {raw: raw_score, trail: trail, steps: [default: 0.2, threshold: 0.5, abstain: {when: "score BETWEEN 0.4 AND 0.6", name: unsure}]}
    rules: [d: {ml_metric: {of: default_share, max: 0.05}}, a: {ml_metric: {of: abstain_share, max: 0.05}}, e: {ml_metric: {of: expected_accuracy, min: 0.85}}]
"""


@pytest.mark.parametrize("apply", ["on_write", "on_read"])
def test_shares_of_defaults_and_abstentions(session, apply):
    for statement in TABLES.split(";"):
        session.run(statement)
    session.run("ALTER TABLE features.prediction ADD late boolean")
    if apply == "on_write":
        session.run("ALTER TABLE features.prediction ADD raw_score float8, ADD trail text[]")
    session.guard(STEPS.replace("{raw: raw_score", f"{{apply: {apply}, raw: raw_score"))
    predict(session, 100, score="CASE WHEN n <= 10 THEN NULL WHEN n <= 12 THEN 0.5 ELSE 0.9 END")
    session.close(definition="features.prediction")
    found = verdicts(session)
    assert found["d"][:2] == ("missed", 0.1)
    assert found["a"][:2] == ("met", 0.02)
    assert found["e"][0] == "met"
    assert found["e"][1] == pytest.approx((10 * 0.8 + 88 * 0.9) / 98, abs=1e-6)
    assert session.incidents() == {"d"}


def test_metrics_are_of_what_is_served_though_steps_change(session):
    """Steps that run as rows are read make another history when they change; metrics are of that one."""
    session.run(
        "CREATE TABLE features.prediction (gone int, id int, day date, score float8, late boolean, at timestamptz DEFAULT '2026-11-01', PRIMARY KEY (id, day)) PARTITION BY RANGE (day)"
    )
    session.run("ALTER TABLE features.prediction DROP COLUMN gone")
    session.run(
        "CREATE TABLE features.part (late boolean, at timestamptz DEFAULT '2026-11-01', score float8, day date NOT NULL, id int NOT NULL)"
    )
    session.run("ALTER TABLE features.prediction ATTACH PARTITION features.part DEFAULT")
    session.run("CREATE TABLE features.label (id int PRIMARY KEY, late boolean)")
    session.run("CREATE INDEX ON features.prediction (id)")
    definition = """
        table: features.prediction
        kind: predictions
        owner: risk
        writes: bulk
        batch: {by: day}
        watch: false
        predictions: {score: score, class: late, at: at}
        labels: {table: features.label, on: id, label: late, positive: true, maturity: 2 days}
        post_process: {apply: on_read, raw: raw_score, trail: trail, steps: [calibrate: {platt: [-1, 0]}, threshold: 0.5]}
    """
    session.guard(definition)
    session.run(
        "INSERT INTO features.part (id, day, score) SELECT n, '2026-11-01', n / 10.0 FROM generate_series(1, 5) n"
    )
    session.run(
        "INSERT INTO features.prediction (id, day, score) SELECT n, '2026-11-01', n / 10.0 FROM generate_series(6, 10) n"
    )
    session.run("INSERT INTO features.label SELECT n, n > 5 FROM generate_series(1, 10) n")
    value = "SELECT round(value::numeric, 6)::float8 FROM pgslo.ml_metric WHERE metric = 'accuracy'"

    def served() -> float:
        session.run("SELECT pgslo.tick()")
        (share,) = session.values(
            "SELECT avg((p.late = l.late)::int)::float8 FROM guarded.prediction p JOIN features.label l USING (id)"
        )
        return round(share, 6)

    assert served() == 0.5  # every calibrated score is beyond a half
    assert session.values(value) == [0.5]
    session.guard(definition.replace("calibrate: {platt: [-1, 0]}, threshold: 0.5", "threshold: 0.55"))
    assert served() == 1
    assert session.values(value) == [1]
    session.run("UPDATE features.part SET score = 0.9 WHERE id = 1")
    session.run("DELETE FROM features.prediction WHERE id = 2")
    assert served() == pytest.approx(8 / 9, abs=1e-6)
    assert session.values(value) == [pytest.approx(8 / 9, abs=1e-6)]
