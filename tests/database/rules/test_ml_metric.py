"""Metrics of predictions whose labels come late: the sums, as rows are added and removed, equal those that scikit-learn computes from the tables."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

KIND = "ml_metric"

TABLES = """
    CREATE TABLE features.prediction (
        id integer, day date NOT NULL DEFAULT '2026-11-01', score double precision, late boolean, model_version text, region text,
        predicted_at timestamptz DEFAULT '2026-11-01 10:00:00+00', PRIMARY KEY (id, model_version));
    CREATE TABLE features.label (flight integer, truth {label}, known_at timestamptz DEFAULT '2026-11-02 10:00:00+00');
    CREATE INDEX ON features.label (flight);
"""
CLASSES = """
    table: features.prediction
    kind: predictions
    owner: risk
    batch: {by: day}
    watch: false
    predictions: {score: score, class: late, model: model_version, at: predicted_at}
    labels:
      {table: features.label, on: {id: flight}, label: truth, at: known_at, positive: true, maturity: 2 days, segments: [region]}
"""
SCORES_ALONE = CLASSES.replace("class: late, ", "")
NUMBERS = CLASSES.replace("class: late, ", "").replace("positive: true, ", "")


def split(script: str) -> list[str]:
    return [part for part in script.split(";\n") if part.strip()]


@pytest.fixture
def make(session):
    def make(definition: str, label: str = "boolean") -> Any:
        for statement in split(TABLES.format(label=label)):
            session.run(statement)
        session.guard(definition)
        return session

    return make


def measured(session) -> dict[tuple[Any, ...], dict[str, float]]:
    """Metrics by batch, model and segment, after a tick."""
    session.run("SELECT pgslo.tick()")
    found: dict[tuple[Any, ...], dict[str, float]] = {}
    for batch, model, segment, metric, value in session.run(
        "SELECT batch, model, segment, metric, value FROM pgslo.ml_metric"
    ).rows:
        found.setdefault((batch, model, tuple(segment)), {})[metric] = value
    return found


def calibration_error(truth, scores) -> float:
    bins = np.minimum((scores * 10).astype(int), 9)
    return sum(
        abs(truth[bins == b].mean() - scores[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins)
    )


def expected_of_classes(rows, threshold=None) -> dict[str, float]:
    """The same by scikit-learn: rows are score, class, label, hours from prediction to label (None: no label)."""
    found = {"label_coverage": sum(row[2] is not None for row in rows) / len(rows)}
    delays = [row[3] for row in rows if row[2] is not None]
    if delays:
        found["label_delay"] = sum(delays) / len(delays)
    used = [row for row in rows if row[2] is not None and row[3] >= 0]
    if threshold is not None:
        used = [(s, s >= threshold if s is not None and 0 <= s <= 1 else None, y, d) for s, _, y, d in used]
    decided = [(c, y) for _, c, y, _ in used if c is not None]
    if decided:
        said, truth = zip(*decided, strict=True)
        found["accuracy"] = metrics.accuracy_score(truth, said)
        if any(said):
            found["precision"] = metrics.precision_score(truth, said)
        if any(truth):
            found["recall"] = metrics.recall_score(truth, said)
        if any(said) or any(truth):
            found["f1"] = metrics.f1_score(truth, said)
    scored = [(s, y) for s, _, y, _ in used if s is not None and 0 <= s <= 1]
    if scored:
        scores, truth = (np.array(one, dtype=float) for one in zip(*scored, strict=True))
        found["log_loss"] = metrics.log_loss(truth, scores, labels=[0, 1])
        found["brier"] = (
            metrics.brier_score_loss(truth, scores) if len(set(truth)) > 1 else ((scores - truth) ** 2).mean()
        )
        found["calibration_error"] = calibration_error(truth, scores)
        if len(set(truth)) > 1:
            found["auc"] = metrics.roc_auc_score(truth, scores)
    return found


def expected_of_numbers(rows) -> dict[str, float]:
    found = {"label_coverage": sum(row[2] is not None for row in rows) / len(rows)}
    delays = [row[3] for row in rows if row[2] is not None]
    if delays:
        found["label_delay"] = sum(delays) / len(delays)
    used = [(s, y) for s, _, y, d in rows if y is not None and d >= 0 and s is not None and math.isfinite(s)]
    if used:
        made, truth = (np.array(one, dtype=float) for one in zip(*used, strict=True))
        found["mae"] = metrics.mean_absolute_error(truth, made)
        found["rmse"] = math.sqrt(metrics.mean_squared_error(truth, made))
        found["mape"] = metrics.mean_absolute_percentage_error(truth, made)
        found["bias"] = (made - truth).mean()
    return found


def in_tables(session) -> dict[tuple[Any, ...], list[tuple[Any, ...]]]:
    """Every prediction with the newest of its labels, by batch, model and segment."""
    found: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
    for batch, model, region, score, late, label, delay in session.run(
        """SELECT p.day::text, p.model_version, p.region, p.score, p.late, l.truth, extract(epoch FROM l.known_at - p.predicted_at)::float8 / 3600
           FROM features.prediction p LEFT JOIN LATERAL (
               SELECT * FROM features.label l WHERE l.flight = p.id ORDER BY l.known_at DESC NULLS LAST, l.truth DESC NULLS LAST LIMIT 1) l ON true"""
    ).rows:
        found.setdefault((batch, model, (region,)), []).append((score, late, label, delay))
    return found


NOT_COMPARED = {"default_share", "abstain_share", "expected_accuracy"}


def compare(session, expected) -> None:
    found = {key: value for key, value in measured(session).items() if key[0]}
    # A cell whose rows are all gone measures nothing.
    assert {key for key, value in found.items() if value} == in_tables(session).keys()
    for key, rows in in_tables(session).items():
        wanted = expected(rows)
        got = {name: value for name, value in found[key].items() if name not in NOT_COMPARED}
        assert got.keys() == wanted.keys(), (key, rows)
        for name, value in wanted.items():
            assert got[name] == pytest.approx(value, abs=1e-9, rel=1e-9), (key, name, rows)
    assert session.broken() == {}


class Play:
    """Random statements on both tables."""

    def __init__(self, session, rng, score, label) -> None:
        self.session = session
        self.rng = rng
        self.score = score
        self.label = label

    def statement(self) -> str:
        rng = self.rng
        ids = f"{rng.randint(1, 30)}"
        some = f"BETWEEN {rng.randint(1, 15)} AND {rng.randint(15, 30)}"
        day = f"'2026-11-0{rng.randint(1, 3)}'"
        moment = f"'2026-11-0{rng.randint(1, 9)} 1{rng.randint(0, 9)}:00:00+00'"
        late = rng.choice(["true", "false", "NULL"])
        prediction = (
            f"({ids}, {day}, {self.score(rng)}, {late}, 'm{rng.randint(1, 2)}', '{rng.choice('ab')}')"
        )
        columns = "(id, day, score, late, model_version, region)"
        return rng.choice(
            [
                f"INSERT INTO features.prediction {columns} VALUES {prediction} ON CONFLICT DO NOTHING",
                f"""INSERT INTO features.prediction {columns} VALUES {prediction}
                    ON CONFLICT (id, model_version) DO UPDATE SET score = excluded.score, late = excluded.late, day = excluded.day""",
                f"""INSERT INTO features.prediction {columns}
                    SELECT n, {day}, {self.score(rng)}, {late}, 'm3', 'a' FROM generate_series(1, {rng.randint(1, 9)}) n ON CONFLICT DO NOTHING""",
                f"INSERT INTO features.label VALUES ({ids}, {self.label(rng)}, {moment})",
                f"INSERT INTO features.label SELECT n, {self.label(rng)}, {moment} FROM generate_series(1, {ids}) n",
                f"UPDATE features.label SET truth = {self.label(rng)} WHERE flight {some}",
                f"UPDATE features.label SET flight = {rng.randint(1, 30)} WHERE flight = {ids}",
                f"UPDATE features.label SET known_at = {moment} WHERE flight = {ids}",
                f"DELETE FROM features.label WHERE flight {some} AND known_at < {moment}",
                f"UPDATE features.prediction SET score = {self.score(rng)} WHERE id {some} AND region = 'a'",
                f"UPDATE features.prediction SET day = {day}, region = 'b' WHERE id = {ids}",
                f"DELETE FROM features.prediction WHERE id = {ids}",
                "SELECT pgslo.tick()",
                *(["TRUNCATE features.label"] if rng.random() < 0.05 else []),
            ]
        )

    def run(self, steps: int) -> None:
        connection = self.session.connection
        for _ in range(steps):
            if self.rng.random() < 0.2:
                with connection.transaction(force_rollback=True):
                    for _ in range(3):
                        connection.execute(self.statement().encode())
            else:
                self.session.run(self.statement())


def a_probability(rng) -> str:
    return rng.choice(["NULL", "'NaN'", "1.5", "0", "1", *[repr(rng.random()) for _ in range(20)]])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("definition", ["classes", "scores"])
def test_random_interleavings_of_classes(make, definition, seed):
    session = make(CLASSES if definition == "classes" else SCORES_ALONE)
    rng = random.Random(f"{definition} {seed}")
    play = Play(
        session, rng, a_probability, lambda rng: rng.choice(["true", "false", "true", "false", "NULL"])
    )
    for _ in range(6):
        play.run(15)
        compare(session, lambda rows: expected_of_classes(rows, None if definition == "classes" else 0.5))
    before = measured(session)
    session.run("SELECT pgslo.recount_pairs('features.prediction')")
    again = measured(session)
    for key, value in again.items():
        assert before[key] == pytest.approx(value, abs=1e-12), key


@pytest.mark.parametrize("seed", range(4))
def test_random_interleavings_of_numbers(make, seed):
    session = make(NUMBERS, "numeric")
    rng = random.Random(f"numbers {seed}")
    number = lambda rng: rng.choice(["NULL", "'NaN'", *[repr(rng.gauss(0, 100)) for _ in range(20)]])  # noqa: E731
    play = Play(
        session, rng, number, lambda rng: rng.choice(["NULL", *[repr(rng.gauss(0, 100)) for _ in range(9)]])
    )
    for _ in range(6):
        play.run(15)
        compare(session, expected_of_numbers)
