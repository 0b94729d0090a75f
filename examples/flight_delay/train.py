"""The training job: what ``pgslo watch --on healthy-batch`` runs for each new healthy night.

It takes its training and its evaluation set as snapshots, asks the gate, fits, and writes the model down.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import psycopg
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

WORDS = ["carrier", "origin"]
NUMBERS = ["sched_hour", "distance", "wind_speed", "visibility", "precipitation", "carrier_late"]
#: Days to learn from, and the days before the new batch to try it on: their labels are known by now.
LEARNED, TRIED = 14, 2


def take(name: str, first: date, last: date) -> None:
    """Take a snapshot of the healthy batches between two days, in place of an earlier attempt's."""
    if int(os.environ["PGSLO_ATTEMPT"]) > 1:
        pgslo("snapshot", "drop", name, "--yes")
    pgslo(
        *("snapshot", "create", name, "--view", "serving.delay_features", "--healthy"),
        *("--where", f"flight_date BETWEEN '{first}' AND '{last}'"),
    )


def pgslo(*arguments: str) -> int:
    """Run the command line; print the first line of its output, or all of it if it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "pgslo", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        check=False,
    )
    print(done.stdout if done.returncode else done.stdout.partition("\n")[0], flush=True)
    return done.returncode


def read(connection: psycopg.Connection, name: str) -> pd.DataFrame:
    """A snapshot's rows with their labels."""
    cursor = connection.execute(
        f'SELECT s.*, l.late FROM pgslo_snapshot."{name}" AS s JOIN serving.delay_label AS l USING (flight_id) ORDER BY flight_id'
    )
    return pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description or ()])


def model() -> Pipeline:
    """A plain logistic regression: its scores are to be read as probabilities."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    return make_pipeline(
        make_column_transformer((OneHotEncoder(handle_unknown="ignore"), WORDS), (numbers, NUMBERS)),
        LogisticRegression(max_iter=500),
    )


def main() -> int:
    """Train for the batch of PGSLO_BATCH."""
    batch = date.fromisoformat(os.environ["PGSLO_BATCH"])
    training, evaluation = f"train_{batch}", f"test_{batch}"
    tried_from = batch - timedelta(days=TRIED)
    take(training, tried_from - timedelta(days=LEARNED), tried_from - timedelta(days=1))
    take(evaluation, tried_from, batch - timedelta(days=1))
    if code := pgslo("gate", "delay_model"):
        return code
    with psycopg.connect(os.environ["PGSLO_DSN"]) as connection:
        known, unseen = read(connection, training), read(connection, evaluation)
    fitted = model().fit(known[WORDS + NUMBERS], known["late"].astype(bool))
    scores = fitted.predict_proba(unseen[WORDS + NUMBERS])[:, 1]
    late = unseen["late"].astype(bool)
    print(
        f"model {batch}: {len(known):,} flights learned, {len(unseen):,} tried, "
        f"AUC {roc_auc_score(late, scores):.2f}, accuracy {accuracy_score(late, scores > 0.5):.2f}"
    )
    # It can be trusted: no other role writes to this folder.
    Path(os.environ["MODELS"], f"{batch}.pickle").write_bytes(pickle.dumps(fitted))
    return 0


if __name__ == "__main__":
    sys.exit(main())
