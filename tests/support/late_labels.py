"""A table of predictions and one of labels, and how tests write to both."""

from __future__ import annotations

from typing import Any

TABLES = """
CREATE TABLE features.prediction (
    id integer PRIMARY KEY, day date NOT NULL DEFAULT '2026-11-01', score double precision, model_version text DEFAULT 'v1', region text DEFAULT 'a',
    predicted_at timestamptz DEFAULT '2026-11-01 10:00:00+00');
CREATE TABLE features.label (id integer, truth text, known_at timestamptz DEFAULT '2026-11-02 10:00:00+00');
CREATE INDEX ON features.label (id)
"""
DEFINITION = """
    table: features.prediction
    kind: predictions
    owner: risk
    writes: bulk
    batch: {by: day}
    watch: false
    predictions: {score: score, model: model_version, at: predicted_at}
    labels: {table: features.label, on: id, label: truth, at: known_at, positive: "yes", maturity: 2 days, segments: region, classes: ["yes", "no"]}
"""


def predict(session, rows: int, *, first: int = 1, **columns: str) -> None:
    names = "".join(f", {name}" for name in columns)
    values = "".join(f", {value}" for value in columns.values())
    session.run(
        f"INSERT INTO features.prediction (id{names}) SELECT n{values} FROM generate_series({first}, {first + rows - 1}) n"
    )


def label(session, rows: int, truth: str, *, first: int = 1) -> None:
    session.run(
        f"INSERT INTO features.label (id, truth) SELECT n, {truth} FROM generate_series({first}, {first + rows - 1}) n"
    )


def verdicts(session, batch: str | None = None) -> dict[str, tuple[str, Any, str]]:
    return {
        rule: (verdict, None if value is None else round(value, 6), said)
        for rule, verdict, value, said in session.run(
            f"SELECT rule, verdict, value, said FROM pgslo.verdict WHERE batch = '{batch or '2026-11-01'}'"
        ).rows
    }


def problems(session) -> dict[str, int]:
    session.run("SELECT pgslo.tick()")
    return dict(session.run("SELECT problem, sum(rows)::int FROM pgslo.prediction_problem GROUP BY 1").rows)
