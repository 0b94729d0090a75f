"""How much SQL is generated, for a DBA to review: the goals, and how far each is from being met.

A test of a goal that is met fails, because it is expected to fail: remove its mark then. The constants with ``TODAY``
are the measured values; they may only get smaller.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgslo import definition
from pgslo.cli import show
from pgslo.database import planning

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden"
GOLDENS = sorted(path.with_suffix(".sql") for path in GOLDEN.rglob("*.yml"))
#: The functions that triggers on a table's writes call, and those that these call.
ON_WRITES = re.compile(r"__(quarantine|repair|row_written|measured|failing|sums|judge_row)\(")
WIDEST = 160

LINES_OF_A_TABLE = 130
LINES_OF_A_RULE = 4
LINES_OF_FLIGHTS = 800
#: As measured.
TODAY_TOO_WIDE = {"tests/golden": 212, "sql/templates": 0, "sql/runtime": 0}
TODAY_CATCHING_TWICE = 4


def _functions(text: str) -> Iterator[tuple[str, str]]:
    """Functions of a script: name and text, from its first word to the end of its body."""
    for found in re.finditer(
        r"^CREATE OR REPLACE FUNCTION (\S+\()[^$]*\$pgslo\$.*?^\$pgslo\$",
        text,
        flags=re.MULTILINE | re.DOTALL,
    ):
        yield found.group(1), found.group(0)


def _lines(text: str) -> int:
    return text.count("\n") + 1


def _above(golden: Path) -> int:
    """By how many lines the functions on writes exceed the goal; below zero where they have fewer."""
    text = golden.read_text(encoding="utf-8")
    rules = len(re.findall(r"^-- \S+: .+; .+\.$", text.partition("\nBEGIN;")[0], flags=re.MULTILINE))
    lines = sum(_lines(body) for name, body in _functions(text) if ON_WRITES.search(name))
    return lines - LINES_OF_A_TABLE - LINES_OF_A_RULE * rules


def _catching_twice() -> set[str]:
    """Functions of goldens with more than one handler of all errors."""
    return {
        f"{golden.stem} {name}"
        for golden in GOLDENS
        for name, body in _functions(golden.read_text(encoding="utf-8"))
        if len(re.findall(r"\bWHEN OTHERS\b", body)) > 1
    }


def _too_wide(folder: str) -> int:
    files = [path for path in (ROOT / folder).rglob("*") if path.suffix in (".sql", ".j2")]
    assert files
    return sum(len(line) > WIDEST for path in files for line in path.read_text(encoding="utf-8").splitlines())


def _of_flights(connection: psycopg.Connection[Any]) -> int:
    """Lines of the script that puts the rules of the example in force, where the runtime is installed."""
    example = ROOT / "examples" / "flights"
    connection.execute((example / "ddl.sql").read_bytes())
    stated = (example / "slos" / "flights.yml").read_text(encoding="utf-8")
    # A role that every server has.
    loaded = definition.load(stated.replace("analyst", "pg_monitor"), path="slos/flights.yml")
    made = planning.plan_definitions(connection, [loaded])
    assert made.runtime_scripts == ()
    return _lines(show.as_sql(made, ()))


def test_functions_on_writes_are_short() -> None:
    assert max(map(_above, GOLDENS)) <= 0


def test_a_script_for_the_example_is_short(connection: psycopg.Connection[Any]) -> None:
    assert _of_flights(connection) <= LINES_OF_FLIGHTS


@pytest.mark.parametrize(
    "folder",
    [
        pytest.param(
            "tests/golden",
            marks=pytest.mark.xfail(
                strict=True, reason="conditions and keys of many columns stand on one line"
            ),
        ),
        "sql/templates",
        "sql/runtime",
    ],
)
def test_lines_are_narrow(folder: str) -> None:
    assert _too_wide(folder) == 0


@pytest.mark.xfail(
    strict=True, reason="recounts sum row by row in blocks of their own; so do steps on predictions"
)
def test_a_function_catches_all_errors_once() -> None:
    assert _catching_twice() == set()


def test_nothing_gets_longer() -> None:
    wide = {folder: _too_wide(folder) for folder in TODAY_TOO_WIDE}
    assert {folder: lines for folder, lines in wide.items() if lines > TODAY_TOO_WIDE[folder]} == {}
    assert len(_catching_twice()) <= TODAY_CATCHING_TWICE
