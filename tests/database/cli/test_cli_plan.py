"""``pgslo plan`` on installed definitions: what changes in them, and the plan for reviewers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import Result

from pgslo.cli import root

Run = Callable[..., Result]

STATS = Path("slos/stats.yml")


def change(*pairs: tuple[str, str]) -> None:
    """Edit the definition of features.stats."""
    text = STATS.read_text(encoding="utf-8")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    STATS.write_text(text, encoding="utf-8")


def said(result: Result) -> list[str]:
    """What changes in definitions, as people read it."""
    assert result.exit_code == root.CHANGES, result.output
    return [
        line.strip() for line in result.stdout.splitlines() if line.startswith("    ") and line[4] in "+-~"
    ]


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        ("max: 120", "max: 110", "~ age_range: age between 0 and 120 → 110"),
        ("[us, de]", "[us, de, fr]", "~ country_accepted_values: country one of us, de, fr (+ fr)"),
        ("owner: growth", "owner: platform", "~ owner: growth → platform"),
        ("owner: growth\n", "owner: growth\nwrites: stream\n", "~ writes: bulk → stream"),
        ("owner: growth\n", "owner: growth\ndescription: of users\n", "~ description: not set → of users"),
        ("owner: growth\n", "owner: growth\nsensitivity: 0.5\n", "~ sensitivity: 1 → 0.5"),
        ("owner: growth\n", "owner: growth\non_read: refuse\n", "~ on_read: warn → refuse"),
        ("{by: day}", "{by: id}", "~ batch: "),
        ("{values: [us, de]}", "{values: [us, de], opens_after: 3}", "~ country_accepted_values: opens_after: 1 → 3"),
        ("{values: [us, de]}", "{values: [us, de], at_least: 0.9}", "~ country_accepted_values: at_least: not set → 0.9"),
        ("{values: [us, de]}", "{values: [us, de], on_breach: flag}", "~ country_accepted_values: on_breach: warn → flag"),
        ("{values: [us, de]}", "{values: [us, de], name: places}", "+ places: country one of us, de (warn)"),
        ("{values: [us, de]}", "{values: [us, de], name: places}", "- country_accepted_values: country one of us, de (warn)"),
        ("reads: [country]", "reads: [country, age]", "~ task churn: country, age (+ age)"),
        ("  churn:", "  leave:", "+ task leave: country (#churn)"),
        ("  churn:", "  leave:", "- task churn: country (#churn)"),
    ],
)  # fmt: skip
def test_it_says_what_changes_in_the_words_of_the_definition(
    run: Run, old: str, new: str, difference: str
) -> None:
    change((old, new))
    found = said(run("plan"))
    assert [line for line in found if line.startswith(difference)], found


def test_only_what_changes_is_said(run: Run) -> None:
    change(("max: 120", "max: 110"))
    result = run("plan")
    assert said(result) == ["~ age_range: age between 0 and 120 → 110"]
    lines = result.stdout.splitlines()
    assert lines[1:3] == [
        "  What changes in features.stats",
        "    ~ age_range: age between 0 and 120 → 110",
    ]


def test_apply_prints_it_before_it_asks(run: Run) -> None:
    change(("max: 120", "max: 110"))
    result = run("apply", "--yes")
    assert result.exit_code == 0, result.output
    assert "    ~ age_range: age between 0 and 120 → 110\n" in result.output


def test_nothing_changes_and_nothing_is_said(run: Run) -> None:
    result = run("plan")
    assert result.exit_code == 0
    assert "What changes" not in result.output


def test_what_somebody_dropped_is_no_change_of_the_definition(
    run: Run, connection: psycopg.Connection[Any]
) -> None:
    connection.execute("DROP TRIGGER pgslo_300_quarantine_row ON features.stats")
    assert said(run("plan")) == []


def test_every_rule_of_a_new_definition_is_added(run: Run, connection: psycopg.Connection[Any]) -> None:
    connection.execute("CREATE TABLE features.more (id integer PRIMARY KEY, n integer)")
    text = "table: features.more\nowner: x\ncolumns:\n  n: [range: {min: 0, on_breach: reject}]\n"
    Path("slos/more.yml").write_text(text, encoding="utf-8")
    result = run("plan")
    assert said(result) == ["+ n_range: n of at least 0 (reject)"]
    assert result.stdout.splitlines()[1] == "  features.more is new"


def test_a_new_definition_without_rules_is_named(run: Run, connection: psycopg.Connection[Any]) -> None:
    connection.execute("CREATE TABLE features.more (id integer PRIMARY KEY)")
    Path("slos/more.yml").write_text("table: features.more\nowner: x\n", encoding="utf-8")
    result = run("plan")
    assert said(result) == []
    assert result.stdout.splitlines()[1] == "  features.more is new"
    assert "**features.more** is new\n" in run("plan", "--format", "markdown").stdout


def steps(result: Result) -> list[str]:
    """The steps of a plan for people, without their numbers."""
    found = (re.match(r" *([0-9,-]+)\. (.*)", line) for line in result.stdout.splitlines())
    return [one[2] for one in found if one]


def test_steps_that_are_alike_are_one_line(run: Run, connection: psycopg.Connection[Any]) -> None:
    connection.execute("CREATE TABLE features.more (id integer PRIMARY KEY, day date, n integer)")
    text = "table: features.more\nbatch: {by: day}\ncolumns:\n  n: [range: {min: 0, on_breach: quarantine}]\n"
    Path("slos/more.yml").write_text(text, encoding="utf-8")
    result = run("plan")
    assert "create 6 triggers of features.more" in steps(result)
    assert result.stdout.count("lock:   SHARE ROW EXCLUSIVE on features.more\n") == 1
    assert result.stdout.count("hazard: waits for running writes") == 1
    assert "undo:" not in result.stdout
    assert "pgslo plan --details" in result.stderr
    # Every step of the whole plan is in one of these lines: numbers go on from line to line.
    numbers = re.findall(r"^ *([0-9-]+)\. ", result.stdout, re.MULTILINE)
    ends = [tuple(map(int, one.split("-"))) for one in numbers]
    assert [one[0] for one in ends] == [1, *(one[-1] + 1 for one in ends[:-1])]
    whole = run("plan", "--details")
    assert ends[-1][-1] == len(steps(whole)) > 2 * len(ends)
    assert whole.stdout.count("undo:   DROP TRIGGER") == 6
    rows = [line for line in run("plan", "--format", "markdown").stdout.splitlines() if "triggers" in line]
    assert len(rows) == 1
    assert "| SHARE ROW EXCLUSIVE on features.more | waits for running writes" in rows[0]
    applied = run("apply", "--yes")
    assert applied.exit_code == 0, applied.output
    assert f"/{len(ends)}] create 6 triggers of features.more\n" in applied.stderr


def test_a_plan_of_many_definitions_is_a_summary(run: Run, connection: psycopg.Connection[Any]) -> None:
    for n in range(30):
        connection.execute(f"CREATE TABLE features.t{n:02} (id integer PRIMARY KEY, n integer)")
        text = f"table: features.t{n:02}\ncolumns:\n  n: [range: {{min: 0}}, not_null]\n"
        Path(f"slos/t{n:02}.yml").write_text(text, encoding="utf-8")
    change(("max: 120", "max: 110"))
    result = run("plan")
    assert len(result.stdout.splitlines()) < 40, result.stdout
    assert "  What changes in 31 definitions\n" in result.stdout
    assert "    … and 21 other definitions: " in result.stdout
    assert "+ features.t05: 2 added" in [line.strip() for line in result.stdout.splitlines()]
    assert (
        "lock:   SHARE ROW EXCLUSIVE on features.t00, features.t01, features.t02 and 27 other tables"
        in result.stdout
    )
    whole = run("plan", "--details").stdout
    assert all(
        f"features.t{n:02} is new\n    + n_range: n of at least 0 (warn)\n" in whole for n in range(30)
    )
    written = run("plan", "--format", "markdown").stdout
    assert "<details><summary>31 definitions: 60 added, 1 changed</summary>" in written
    assert written.count("<details>") == written.count("</details>") == 2


def test_why_a_step_is_there_is_said_where_no_difference_says_it(
    run: Run, connection: psycopg.Connection[Any]
) -> None:
    connection.execute("ALTER TABLE features.stats DISABLE TRIGGER pgslo_300_quarantine_row")
    result = run("plan")
    assert "why:    the trigger was disabled" in result.stdout
    assert "(the trigger was disabled)" in run("plan", "--format", "markdown").stdout


def test_it_follows_a_renamed_table(run: Run, connection: psycopg.Connection[Any]) -> None:
    connection.execute("ALTER TABLE features.stats RENAME TO figures")
    change(("features.stats", "features.figures"), ("max: 120", "max: 110"))
    assert said(run("plan")) == ["~ age_range: age between 0 and 120 → 110"]
    assert "is new" not in run("plan").stdout


def test_for_programs(run: Run) -> None:
    change(("max: 120", "max: 110"))
    result = run("plan", "--json")
    assert result.stdout == run("plan", "--format", "json").stdout
    assert json.loads(result.stdout)["differences"] == [
        {
            "definition": "features.stats", "action": "~", "about": "age_range", "was": "age between 0 and 120",
            "becomes": "age between 0 and 110",
        }
    ]  # fmt: skip


def test_for_a_merge_request(run: Run) -> None:
    change(("max: 120", "max: 110"), ("[us, de]", "[us, de, fr]"))
    result = run("plan", "--format", "markdown")
    assert result.exit_code == root.CHANGES
    text = result.stdout
    assert "```diff\n! age_range: age between 0 and 120 → 110\n! country_accepted_values: " in text
    assert "| step | lock | what can go wrong or take long |\n| --- | --- | --- |\n" in text
    assert "<details><summary>How each rule is enforced, and why</summary>" in text
    assert text.rstrip().endswith("`")
    run("apply", "--yes")
    assert run("plan", "--format", "markdown").stdout.startswith(
        "Nothing to do: the database matches the definitions.\n"
    )


def test_names_and_texts_of_authors_are_no_markdown(run: Run, connection: psycopg.Connection[Any]) -> None:
    connection.execute('CREATE TABLE features."a|b<i>`x`" (id integer PRIMARY KEY, v text)')
    Path("slos/odd.yml").write_text(
        "table: 'features.\"a|b<i>`x`\"'\nowner: '@all <b>'\ncolumns:\n  v: [{accepted_values: {values: ['```', '|']}}]\n",
        encoding="utf-8",
    )
    applied = run("apply", "--yes")
    assert applied.exit_code == 0, applied.output
    text = Path("slos/odd.yml").read_text(encoding="utf-8")
    Path("slos/odd.yml").write_text(
        text.replace("'|'", "'|', '<img>'").replace("@all", "@none"), encoding="utf-8"
    )
    written = run("plan", "--format", "markdown").stdout
    outside, fences = [], 0
    for line in written.splitlines():
        fences += line.startswith("````")
        if fences != 1:
            outside.append(line)
    assert fences == 2
    text = "\n".join(outside)
    assert "<i>" not in text
    assert "<img>" not in text
    assert all(line.replace("\\|", "").count("|") in {4, 7} for line in outside if line.startswith("|"))
