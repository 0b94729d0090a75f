"""The prediction job: scores the flights of a night with the newest model, and leaves the rest to the database."""

from __future__ import annotations

import os
import pickle
import sys
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pandas as pd
import psycopg
from train import NUMBERS, WORDS


def main() -> int:
    """Predict for the night that is named."""
    night = date.fromisoformat(sys.argv[1])
    newest = max(Path(os.environ["MODELS"]).glob("*.pickle"))
    fitted = pickle.loads(newest.read_bytes())  # noqa: S301 - our own file
    with psycopg.connect(os.environ["PGSLO_DSN"]) as connection:
        cursor = connection.execute(
            "SELECT * FROM serving.delay_features WHERE flight_date = %s ORDER BY flight_id", (night,)
        )
        rows = pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description or ()])
        scores = fitted.predict_proba(rows[WORDS + NUMBERS])[:, 1]
        evening = datetime.combine(night - timedelta(days=1), time(22), UTC)
        with connection.cursor().copy(
            "COPY serving.delay_prediction (flight_id, flight_date, score, model_version, predicted_at) FROM STDIN"
        ) as copy:
            for flight, score in zip(rows["flight_id"], scores, strict=True):
                copy.write_row((int(flight), night, float(score), newest.stem, evening))
    print(f"{len(rows)} predictions for {night} by model {newest.stem}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
