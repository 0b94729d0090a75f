"""Compare the alerts of several methods: `python compare.py ALERTBENCH OUT [--split dev]`, in the harness's Python.

OUT holds a folder a method, each with `<dataset>_<seed>.csv` as detector.py and others.py write them. Precision and recall are of
columns of batches from the 60th on, as the harness counts them; batches of fewer than 80 rows are listed separately.
"""

from __future__ import annotations

import argparse
import csv
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

SMALL = 80


@cache
def truth(split: str, dataset: str, seed: int) -> list[tuple[str, int, str, int, bool, bool]]:
    """One row for each column of each scored batch: its size, and is it faulty."""
    import data_io
    from faults import make_stream

    _, kinds, batches, _ = data_io.load(split, dataset)
    faults = make_stream(batches, kinds, seed, name=dataset)
    rows = []
    for number in range(60, len(batches)):
        fault = faults.get(number)
        columns = fault[1] if fault else []
        # Of a fault of the whole table, no other column's alert is right or wrong.
        scored = ["__table__"] if columns == ["__table__"] else [*kinds, "__table__"]
        rows += [(dataset, number, c, len(batches[number]), c in columns, fault is not None) for c in scored]
    return rows


def figures(rows: pd.DataFrame) -> str:
    """Precision, recall, precision if one batch in 50 were faulty, false alarms in 100 columns of clean batches."""
    batches = rows.drop_duplicates(["dataset", "number"])
    often = batches["fault"].mean()
    weight = np.where(rows["fault"], 0.02 / often, 0.98 / (1 - often))
    right, told = rows["told"] & rows["faulty"], rows["told"]
    return (
        f"{right.sum() / max(told.sum(), 1):.2f} | {right.sum() / rows['faulty'].sum():.2f} | "
        f"{(weight * right).sum() / max((weight * told).sum(), 1e-9):.2f} | {100 * told[~rows['fault']].mean():.2f}"
    )


def main() -> None:
    """Print a table in Markdown, a method a row."""
    parser = argparse.ArgumentParser()
    parser.add_argument("alertbench", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--split", default="dev")
    parser.add_argument("--by-table", action="store_true")
    asked = parser.parse_args()
    sys.path.insert(0, str(asked.alertbench))
    print("| | precision | recall | precision at 1 in 50 | false alarms in 100 |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for method in sorted(place for place in asked.out.iterdir() if place.is_dir()):
        found = []
        for file in sorted(method.glob("*.csv")):
            dataset, seed = file.stem.rsplit("_", 1)
            with file.open(newline="", encoding="utf-8") as lines:
                said = {(int(r["batch"]), r["column"]): r["alert"] == "1" for r in csv.DictReader(lines)}
            found += [(*row, said.get(row[1:3], False)) for row in truth(asked.split, dataset, int(seed))]
        names = ["dataset", "number", "column", "size", "faulty", "fault", "told"]
        rows = pd.DataFrame(found, columns=names).astype({"faulty": bool, "fault": bool, "told": bool})
        print(f"| {method.name} | {figures(rows)} |")
        for name, part in (("small", rows[rows["size"] < SMALL]), ("large", rows[rows["size"] >= SMALL])):
            if len(part) and part["faulty"].any():
                print(f"| {method.name}, {name} batches | {figures(part)} |")
        if asked.by_table:
            for name, part in rows.groupby("dataset"):
                print(f"| {method.name}, {name} | {figures(part)} |")


if __name__ == "__main__":
    main()
