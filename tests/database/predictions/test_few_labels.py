"""Metrics over batches with few labels of a class, or none: the reason that is given, and intervals that hold."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

TABLES = """
CREATE TABLE features.pred (id bigint PRIMARY KEY, day date NOT NULL, score double precision, cls boolean, model text, at timestamptz NOT NULL);
CREATE TABLE features.lab (id bigint, churned boolean, known_at timestamptz NOT NULL);
CREATE INDEX ON features.lab (id);
CREATE INDEX ON features.pred (day)
"""
DEFINITION = """
table: features.pred
kind: predictions
owner: ml
key: [id]
batch: {by: day}
predictions: {score: score, class: cls, model: model, at: at}
labels: {table: features.lab, on: [id], label: churned, at: known_at, positive: true, maturity: 1 day}
rules:
  - auc: {ml_metric: {of: auc, min: 0.7}}
  - prec: {ml_metric: {of: precision, min: 0.5}}
  - rec: {ml_metric: {of: recall, min: 0.5}}
  - f1: {ml_metric: {of: f1, min: 0.5}}
  - cov: {ml_metric: {of: label_coverage, min: 0.9}}
"""


@pytest.fixture
def judged(session: Any) -> Any:
    """Judge one batch: its scores, and which labels are true; a prediction is true above a half."""
    for statement in TABLES.split(";"):
        session.run(statement)
    session.guard(DEFINITION)

    def judged(scores: list[float], labels: list[bool] | None) -> dict[str, tuple[str, str]]:
        rows = ", ".join(
            f"({n}, '2026-01-01', {s}, {s > 0.5}, 'm', '2026-01-01')" for n, s in enumerate(scores)
        )
        session.run(f"INSERT INTO features.pred VALUES {rows}")
        if labels is not None:
            rows = ", ".join(f"({n}, {is_true}, '2026-01-01 05:00')" for n, is_true in enumerate(labels))
            session.run(f"INSERT INTO features.lab VALUES {rows}")
        session.close(definition="features.pred")
        found = session.run(
            "SELECT rule, verdict, said FROM pgslo.verdict WHERE rule <> ALL ('{learned}')"
        ).rows
        return {rule: (verdict, said) for rule, verdict, said in found}

    return judged


def test_a_batch_of_one_class_says_so(judged):
    rng = random.Random(1)
    found = judged([rng.betavariate(1, 9) * 0.5 for _ in range(300)], [False] * 300)
    assert found["auc"] == ("unknown", "all 300 labels are false: AUC needs both classes")
    assert found["rec"] == ("unknown", "all 300 labels are false: recall needs others")
    assert found["prec"] == ("unknown", "no prediction of the class true")
    assert found["f1"] == ("unknown", "all 300 labels are false, and so are all predictions")
    assert found["cov"][0] == "met"


def test_a_class_that_is_never_predicted(judged):
    rng = random.Random(2)
    found = judged([rng.betavariate(1, 9) * 0.5 for _ in range(400)], [n < 22 for n in range(400)])
    assert found["prec"] == ("unknown", "no prediction of the class true")
    assert "recall is 0, 0 to 0.14865 by chance, of 22 pairs" in found["rec"][1]


def test_no_label_at_all(judged):
    found = judged([0.2] * 30, None)
    assert {found[rule] for rule in ("auc", "prec", "rec", "f1")} == {
        ("unknown", "no prediction of the batch has a label")
    }


def test_one_positive_is_too_few_to_miss_by(judged):
    """It ranks below nearly all of the negatives, as one of ten positives of a good model does."""
    found = judged([0.001 * n for n in range(400)], [n == 46 for n in range(400)])
    verdict, said = found["auc"]
    assert verdict == "met"
    assert said.startswith("auc is 0.11529")


def _bound(mean: float, n: int, confidence: float) -> float:
    """The largest mean for which n times the divergence is what chance explains; by a search over a fine grid."""
    most = math.log(2 / (1 - confidence)) / n
    for step in range(100_000, 0, -1):
        p = mean + (1 - mean) * step / 100_001
        divergence = (mean * math.log(mean / p) if mean else 0) + (
            (1 - mean) * math.log((1 - mean) / (1 - p)) if mean < 1 else 0
        )
        if divergence <= most:
            return p
    return mean


@pytest.mark.parametrize(("mean", "n"), [(0.0, 1), (0.11529, 1), (0.5, 3), (0.9, 9), (1.0, 2)])
def test_the_bound_is_the_one_of_the_paper(session, mean, n):
    (found,) = session.values(f"SELECT pgslo_catalog.hoeffding_bound({mean}, {n}, 0.95, true)")
    assert found == pytest.approx(_bound(mean, n, 0.95), abs=1e-4)
    (mirrored,) = session.values(f"SELECT pgslo_catalog.hoeffding_bound({1 - mean}, {n}, 0.95, false)")
    assert mirrored == pytest.approx(1 - found, abs=1e-9)


@pytest.mark.parametrize("positives", [1, 2, 3, 9])
def test_a_model_at_the_bound_is_rarely_told_whatever_the_number_of_positives(session, positives):
    """Models of AUC 0.7, of which two thirds of the positives rank first and the others anywhere: one in forty misses at most."""
    rng = random.Random(positives)
    draws = []
    for _ in range(2_000):
        ranks = [1.0 if rng.random() < 0.4 else rng.random() for _ in range(positives)]
        draws.append(sum(ranks) / positives)
    listed = ", ".join(f"({draw})" for draw in draws)
    (missed,) = session.values(
        f"SELECT count(*) FILTER (WHERE pgslo_catalog.hoeffding_bound(d, {positives}, 0.95, true) < 0.7) FROM (VALUES {listed}) v (d)"
    )
    assert missed <= 2_000 / 40
