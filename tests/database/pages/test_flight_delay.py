"""The example of a model behind the gate prints the announced output, and the tutorial shows this output."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from nightly import NIGHTLY

ROOT = Path(__file__).parents[3]
STORY = ROOT / "examples" / "flight_delay" / "story.py"
PAGE = ROOT / "docs" / "tutorials" / "retrain-behind-the-gate.md"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not NIGHTLY, reason="trains for more than a minute: make nightly"),
]


@pytest.fixture(scope="module")
def shown() -> str:
    """The output of the short form, with settings for other servers in the environment."""
    done = subprocess.run(
        [sys.executable, str(STORY), "--quick"],
        env=os.environ | {"PGHOST": "nowhere.invalid", "PGSLO_DSN": "host=nowhere.invalid"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=900,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def scenes(shown: str) -> dict[str, str]:
    """The text of each scene by its title."""
    parts = re.split(r"^\d+\. (.+)$", shown, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_nothing_goes_wrong_that_is_not_meant_to(shown: str):
    assert "Traceback" not in shown
    assert "error:" not in shown
    assert re.findall(r"\(exit code (\d+)\)", shown) == ["4"]  # the gate's


def test_a_model_is_trained_once_a_night_and_never_on_kilometres(scenes: dict[str, str]):
    first = scenes["A night as it should be"]
    assert re.search(r"model 2013-02-05: [\d,]+ flights learned, [\d,]+ tried, AUC 0\.\d\d", first)
    assert first.rpartition("Running it again")[2].count("train.py") == 1  # the command line, and no run
    fault = scenes["A unit that changes, and the gate that stops the training"]
    stopped, _, mended = fault.partition("The night is loaded again")
    assert "not run:" in stopped
    assert "model 2013-02-06" not in stopped
    assert "delay_model may not be trained" in stopped
    assert '901 rows of batch 2013-02-06, which misses rule "distance_range", are stored' in stopped
    assert "yes features.flight: carrier: healthy" in stopped
    assert "model 2013-02-06: " in mended
    assert "901 predictions for 2013-02-06 by model 2013-02-06" in mended


def test_predictions_are_post_processed_by_the_database(scenes: dict[str, str]):
    rows = re.findall(
        r"^ +\d+ \| *([\d.]+) *\| *([\d.]+) *\| *(\w*) *\| (.*)$",
        scenes["A night as it should be"],
        re.MULTILINE,
    )
    assert len(rows) == 4
    for raw, score, late, trail in rows:
        assert float(score) == round(float(score), 3) == pytest.approx(float(raw), abs=6e-4)
        assert "threshold" in trail
        assert (late == "") == (0.45 < float(score) < 0.55)


def test_the_storm_is_seen_in_the_labels_and_not_in_the_features(scenes: dict[str, str]):
    assert "not run" not in scenes["The storm"]
    labels = scenes["The labels arrive, a day later"]
    verdicts = dict(re.findall(r"^ +(2013-02-\d\d) \| right \| (\w+)", labels, re.MULTILINE))
    assert verdicts["2013-02-08"] == "missed"
    assert {verdicts[f"2013-02-0{day}"] for day in (5, 6, 7)} == {"met"}
    assert re.findall(r"(2013-02-\d\d) \| label coverage", labels) == ["2013-02-08", "2013-02-09"]


def test_what_was_trained_on_is_kept_as_it_was(scenes: dict[str, str]):
    kept = scenes["The data of each training"]
    assert kept.count(": as it was taken") == 2
    assert re.findall(r"(2013-02-\d\d) \| +(\w+) +\| +(\d)", kept) == [
        (f"2013-02-0{day}", "done", "1") for day in (5, 6, 7, 8, 9)
    ]


def test_the_tutorial_shows_what_is_printed(shown: str):
    printed = {_comparable(line) for line in shown.splitlines()}
    blocks = re.findall(r"<!-- transcript -->\n```\w*\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 5
    lines = [line for block in blocks for line in block.splitlines() if line.strip() and line.strip() != "…"]
    assert [line for line in lines if _comparable(line) not in printed] == []


def _comparable(line: str) -> str:
    """A line without blanks and what differs from run to run."""
    line = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?( UTC)?", "<time>", line)
    # Which of two incidents opens first is not the story's point.
    line = re.sub(r"\(incident \d+,", "(incident,", line)
    return re.sub(r"\s+", " ", line).strip()
