"""What a DBA types after the how-to pages runs, page after page on one database, and prints what the page shows."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from pgslo.cli import main

pytestmark = pytest.mark.slow

HOW_TO = Path(__file__).parents[3] / "docs" / "how-to"
Connection = psycopg.Connection[Any]

TABLES = """
CREATE SCHEMA features;
CREATE TABLE features.stats (id int, day date, age int, country text, PRIMARY KEY (id, day));
CREATE TABLE features.parts (id int, day date NOT NULL, amount int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE features.parts_2026 PARTITION OF features.parts FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
"""
STATS = """\
table: features.stats
batch: {by: day}
columns:
  age: [range: {min: 0, max: 120, on_breach: quarantine, name: age_range}]
  country: [accepted_values: {values: [us, de]}]
"""
PARTS = "table: features.parts\nbatch: {by: day}\ncolumns:\n  amount: [range: {min: 0}]\n"

_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
#: With exit code 3 they say that there is something to do.
_MAY_FIND = ("plan", "drift", "render")


@pytest.fixture
def write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dsn: str, connection: Connection
) -> Callable[..., None]:
    """A project with two applied definitions; rewrites a definition, with words replaced."""
    connection.execute(TABLES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", dsn)
    monkeypatch.setattr("pgslo.cli.output.can_ask", lambda: True)
    Path("slos").mkdir()

    def write(text: str = STATS, **words: str) -> None:
        for old, new in words.items():
            text = text.replace(old, new)
        Path("slos/stats.yml").write_text(text)

    Path("slos/parts.yml").write_text(PARTS)
    write()
    return write


def run(command: str, shown: Sequence[str] = ()) -> None:
    words = shlex.split(command, comments=True)
    assert words.pop(0) == "pgslo", command
    result = CliRunner().invoke(main, words, input="y\n")
    assert result.exit_code in ((0, 3) if words[0] in _MAY_FIND else (0,)), f"{command}\n{result.output}"
    pattern = "".join(r"(?:.*\n)*" if line == "…" else re.escape(line) + r"\n" for line in shown)
    pattern = re.sub(r"\b[0-9a-f]{12}(?=_)", "[0-9a-f]{12}", pattern)  # a revision's number
    assert not shown or re.fullmatch(pattern, result.output), f"{command}\n{result.output}"


def follow(
    page: str, connection: Connection, *, between: dict[str, Callable[[], None]] | None = None
) -> None:
    """Run a page's SQL and its commands in order; what the reader does to files is done before a block that holds the word."""
    waiting = dict(between or {})
    for indent, language, text in _BLOCK.findall((HOW_TO / f"{page}.md").read_text(encoding="utf-8")):
        block = re.sub(f"^{indent}", "", text, flags=re.MULTILINE)
        if language == "sql":
            connection.execute(block.encode(), prepare=False)
        if language != "console":
            continue
        commands = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
        for command, *shown in (one.splitlines() for one in commands):
            for word in [word for word in waiting if word in block]:
                waiting.pop(word)()
            if command.startswith("pgslo"):
                run(command, shown)
    assert not waiting, "the page has no such block any more"


def test_review_and_apply(write: Callable[..., None], connection: Connection) -> None:
    follow(
        "review-and-apply", connection, between={"alembic": lambda: write(STATS, **{"max: 120": "max: 130"})}
    )
    assert Path("review/pgslo.down.sql").exists()
    write()
    # A note says what passes the rules of the partitioned table, on servers where something does.
    run("pgslo plan", ["nothing to do: the database matches the definitions", "…"])


def test_rename(write: Callable[..., None], connection: Connection) -> None:
    run("pgslo apply")
    held = "SELECT name FROM pgslo_catalog.definition ORDER BY name"

    def rename_all() -> None:
        # By then the column, its type and the table have all moved.
        write(
            STATS,
            **{
                "features.stats": "features.people",
                "country: [accepted_values: {": "land: [accepted_values: {name: country_accepted_values, ",
            },
        )

    follow("rename", connection, between={"replace registration": rename_all})
    assert connection.execute(held).fetchall() == [("features.parts",), ("features.people",)]
    run("pgslo drift", ["no drift in 2 tables"])


@pytest.mark.usefixtures("write")
def test_add_a_partition(connection: Connection) -> None:
    run("pgslo apply")
    follow("add-a-partition", connection)
    run("pgslo apply")
    run("pgslo drift", ["no drift in 2 tables"])


@pytest.mark.usefixtures("write")
def test_emergencies_and_out(connection: Connection) -> None:
    run("pgslo apply")
    follow("emergencies", connection)
    connection.execute("INSERT INTO features.stats VALUES (1, '2026-11-20', 999, 'xx')")
    run("pgslo resume --all")
    follow("take-it-out", connection)
    assert connection.execute("SELECT to_regnamespace('pgslo'), count(*) FROM features.stats").fetchone() == (
        None,
        1,
    )
