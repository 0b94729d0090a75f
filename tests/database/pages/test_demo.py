"""The demo shows the announced output, on the first six weeks of the year."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DEMO = ROOT / "examples" / "flights" / "demo.py"
SCENES = (
    "A table, and its rules",
    "From file to database",
    "42 nights, one COPY each",
    "What the rules found in real data",
    "Columns without a threshold",
    "A write that is rejected",
    "A row in quarantine, and its release",
    "A value that was repaired, and its original",
    "The night the job does not run",
    "The night a source breaks",
    "The morning after: readers are warned",
    "A unit that changes, and no rule for it",
    "Corrected",
)

pytestmark = pytest.mark.slow


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(DEMO), *arguments],
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=300,
    )


@pytest.fixture(scope="module")
def shown() -> str:
    """The output of a run without a terminal, with settings for other servers in the environment."""
    done = run("--quick", PGHOST="nowhere.invalid", PGSLO_DSN="host=nowhere.invalid")
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def scenes(shown: str) -> dict[str, str]:
    """The text of each scene by its title."""
    parts = re.split(r"^\d+\. (.+)$", shown, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_all_scenes_are_there_and_none_fails(shown: str, scenes: dict[str, str]):
    assert tuple(scenes) == SCENES
    for sign in ("Traceback", "internal error", "\x1b", str(DEMO.parent)):
        assert sign not in shown


def test_the_definition_that_is_shown_is_the_file(scenes: dict[str, str]):
    lines = (DEMO.parent / "slos" / "flights.yml").read_text(encoding="utf-8").splitlines()
    shown = [line.removeprefix("    ") for line in scenes[SCENES[0]].splitlines()]
    assert "\n".join(lines) in "\n".join(shown)


def test_a_second_plan_is_empty(scenes: dict[str, str]):
    scene = scenes["From file to database"]
    assert "1 definition with 15 rules: no errors" in scene
    assert "nothing to do" in scene.rpartition("$ pgslo plan")[2]


def test_six_weeks_of_flights_are_loaded(scenes: dict[str, str]):
    assert "36,459 rows in " in scenes["42 nights, one COPY each"]


def test_the_blizzard_and_the_missing_airports_are_found(scenes: dict[str, str]):
    scene = scenes["What the rules found in real data"]
    assert re.search(
        r"dest_references +\| warn +\| +1 \| 2013-01-01 \| 2013-01-01 \| +1 \| +0$", scene, re.MULTILINE
    )
    for column in ("dep_time", "air_time"):
        assert re.search(
            rf"{column}_not_null \| warn +\| +2 \| 2013-01-30 \| 2013-02-08 \| +0 \| +2$", scene, re.MULTILINE
        )
    assert "batch 2013-02-08" in scene
    assert re.findall(r"dest = (\w+)", scene) == ["SJU", "STT", "BQN", "PSE"]
    assert "1 row was quarantined and 4 values were repaired" in scene


def test_a_write_is_rejected_with_all_there_is_to_know(scenes: dict[str, str]):
    scene = scenes["A write that is rejected"]
    assert "ERROR:  23514: " in scene
    assert "origin = ORD" in scene
    assert "(2013-02-12, UA, 1, ORD)" in scene
    assert "HINT:  " in scene
    assert "flight-data" in scene
    assert "CONSTRAINT NAME:  origin_accepted_values" in scene


def test_a_quarantined_row_gets_in_only_mended(scenes: dict[str, str]):
    scene = scenes["A row in quarantine, and its release"]
    refused, _, corrected = scene.partition("--set tailnum=N942DN")
    assert "still cannot be written" in refused
    assert "row 1 written to features.flights" not in refused
    assert "row 1 written to features.flights" in corrected


def test_a_repair_keeps_the_old_value(scenes: dict[str, str]):
    found = re.findall(
        r"dep_delay +\| (\d+) +\| (\d+) +\| loader", scenes["A value that was repaired, and its original"]
    )
    assert found == [("853", "720"), ("1301", "720"), ("1126", "720")]


def test_a_job_that_does_not_run_makes_the_table_stale(scenes: dict[str, str]):
    scene = scenes["The night the job does not run"]
    read, _, explained = scene.partition("SELECT pgslo.tick();")
    assert 'features.flights misses rule "freshness"' in read
    assert "the objective is an age of at most 2 seconds" in read
    assert "the objective is an age of at most 2 seconds" in explained
    assert "delay_model" in explained
    later = scenes["The night a source breaks"]
    assert "freshness" not in later


def test_a_broken_source_opens_an_incident_and_the_load_lives(scenes: dict[str, str]):
    scene = scenes["The night a source breaks"]
    assert "COPY 893" in scene
    assert "misses rule air_time_not_null" in scene
    assert "893 of 893 rows" in scene
    assert "delay_model (#ml-delays)" in scene


def test_readers_are_warned_for_what_they_read_alone(scenes: dict[str, str]):
    scene = scenes["The morning after: readers are warned"]
    assert re.findall(r'SLOWarning: column "(\w+)"', scene) == ["air_time"]
    assert "analyst.py:15: SLOWarning" in scene
    assert scene.count("ERROR:  SL001: ") == 2
    assert re.search(
        r"max\(arr_delay\) FROM guarded\.flights_strict WHERE .*;\n +max\n +-+\n +\d+$", scene, re.MULTILINE
    )


def test_history_finds_the_storm_and_little_else(scenes: dict[str, str]):
    nights = re.findall(
        r"^ +(2013-\d\d-\d\d) \| +(\d+) \|", scenes["Columns without a threshold"], re.MULTILINE
    )
    columns = {night: int(count) for night, count in nights}
    assert columns["2013-02-08"] >= 3
    assert columns["2013-02-09"] >= 3
    assert len(columns) <= 6


def test_a_unit_that_changes_is_found_without_a_rule(scenes: dict[str, str]):
    scene = scenes["A unit that changes, and no rule for it"]
    assert re.search(r"\['arr_delay'\] \| ", scene)
    assert re.findall(r'SLOWarning: column "(\w+)"', scene) == ["arr_delay", "air_time"]


def test_the_night_loaded_again_heals_every_incident(scenes: dict[str, str]):
    scene = scenes["Corrected"]
    assert "DELETE 918" in scene
    assert "COPY 918" in scene
    assert re.search(r"^ +17 \| +0$", scene, re.MULTILINE)
    assert "batches of incident" in scene
    assert "incident" not in scene.partition("$ pgslo status")[2].replace("incidents", "")
    assert "SLOWarning" not in scene
    assert scene.count("minutes on average") == 2


def test_the_readme_shows_what_the_demo_shows(shown: str):
    def timeless(text: str) -> str:
        # Incidents of history and of rules open side by side: which has which number varies.
        numbered = re.sub(r"(Incident |explain\()\d+", r"\1<n>", text)
        return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "<time>", numbered)

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"<!-- transcript -->\n```\n(.*?)```", readme, re.DOTALL)
    assert len(blocks) == 2
    lines = [line.removeprefix("    ") for line in timeless(shown).splitlines() if line.strip()]
    for block in blocks:
        place = 0
        for line in timeless(block).splitlines():
            assert line in lines[place:], f"the demo does not show, or not there: {line}"
            place = lines.index(line, place) + 1
    definition = (DEMO.parent / "slos" / "flights.yml").read_text(encoding="utf-8").splitlines()
    excerpt = readme.partition("```yaml\n")[2].partition("```")[0].splitlines()
    assert [line for line in definition if line in excerpt] == excerpt


def test_too_few_days_are_wrong_usage():
    done = run("--days", "7")
    assert done.returncode == 2
    assert "--days has to be between 44 and 365" in done.stderr
