"""Answer alertbench's harness with the published and common methods that come with it, all in one run.

Started by `python -m benchmarks.alerts FOLDER --others --alerts OUT`, in the Python and in the folder of the harness, whose own
code the methods are. What each says goes to `OUT/<method>/<dataset>_<seed>.csv`; the harness gets nothing.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from pathlib import Path
from typing import Any

import pandas as pd

sys.path.insert(0, str(Path.cwd()))
import evalrun
import numpy as np
from baselines import METHODS
from stats import TableState, summarize


def read(path: str) -> pd.DataFrame:
    """Read a batch as text; an empty field is NULL, a quoted one an empty text."""
    with Path(path).open(encoding="utf-8") as file:
        header, *lines = parse(file.read())
    return pd.DataFrame(lines, columns=header, dtype=object)


def parse(text: str) -> list[list[str | None]]:
    """Split CSV into rows; unlike csv's reader it distinguishes an empty field from an empty text."""
    rows: list[list[str | None]] = []
    row: list[str | None] = []
    place = 0
    while place < len(text):
        value: str | None = None
        if text[place] == '"':
            end = place + 1
            while not (text[end] == '"' and text[end + 1 : end + 2] != '"'):
                end += 2 if text[end] == '"' else 1
            value = text[place + 1 : end].replace('""', '"')
            place = end + 1
        row.append(value)
        if text[place] == "\n":
            rows.append(row)
            row = []
        place += 1
    return rows


class Methods:
    """Every method, with the history of one stream."""

    def __init__(self, stream: str, kinds: dict[str, str], split: str) -> None:
        dataset, self.seed = stream.split("/")
        self.names = [*kinds, "__table__"]
        self.summaries: list[Any] = []
        self.rows: list[Any] = []
        self.about: dict[str, Any] = {
            "kinds": kinds, "cols": self.names, "split": split, "name": dataset, "clean": self.summaries, "synth": {},
        }  # fmt: skip
        self.table = TableState(kinds)
        self.states: dict[str, dict[str, Any]] = {name: {} for name in METHODS}
        self.said: dict[str, list[list[Any]]] = {name: [] for name in METHODS}

    def batch(self, number: int, day: str, path: str, burn_in: int) -> None:
        """Note what every method says of a batch."""
        if number < burn_in:
            return
        if number == burn_in:
            # One method searches its bounds by what faults do to the batches before.
            self.about["synth"] = evalrun.synth(self.about)
        summary = summarize(read(path), self.about["kinds"], pd.Timestamp(day))
        now, history = self.table.rows(summary), np.stack(self.rows)
        for name, method in METHODS.items():
            scores = method(self.about, history, [now], self.summaries, [summary], self.states[name])[0]
            self.said[name] += [
                [self.about["name"], self.seed, number, column, float(score), int(score >= 1)]
                for column, score in zip(self.names, np.nan_to_num(scores), strict=True)
            ]

    def outcome(self, day: str, path: str) -> None:
        """Take a batch into the history."""
        summary = summarize(read(path), self.about["kinds"], pd.Timestamp(day))
        self.rows.append(self.table.rows(summary))
        self.table.push(summary)
        self.summaries.append(summary)

    def keep(self, folder: Path) -> None:
        """Write the alerts in the format that the harness scores."""
        for name, rows in self.said.items():
            place = folder / name / f"{self.about['name']}_{self.seed}.csv"
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(["dataset", "seed", "batch", "column", "score", "alert"])
                writer.writerows(rows)


def main() -> None:
    """Speak the harness's protocol on standard input and output."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--alerts", type=Path, required=True)
    parser.add_argument("--split", default="dev")
    asked = parser.parse_args()
    Path(evalrun.C).mkdir(exist_ok=True)
    stream: Methods | None = None
    burn_in = 0
    days: dict[int, str] = {}
    # The methods divide by nothing now and then, and print; the protocol has standard output to itself.
    answers = os.fdopen(os.dup(1), "w")
    sys.stdout = sys.stderr
    for line in sys.stdin:
        message = json.loads(line)
        if message["op"] == "start":
            stream = Methods(message["stream"], message["columns"], asked.split)
            burn_in = message["burn_in"]
        elif message["op"] == "batch" and stream is not None:
            days[message["id"]] = message["date"]
            stream.batch(message["id"], message["date"], message["path"], burn_in)
        elif message["op"] == "outcome" and stream is not None:
            stream.outcome(days[message["id"]], message["path"])
        elif message["op"] == "end":
            break
        print(json.dumps({"ok": True}), file=answers, flush=True)
    if stream is not None:
        stream.keep(asked.alerts)


if __name__ == "__main__":
    main()
