"""The tutorial works as described: its files are saved, its commands run, and their answers compared with the page's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[3] / "docs" / "tutorials" / "first-guarded-table.md"
#: Installs, or is about the one server of this user: the test has its own.
NOT_HERE = ("mkdir shop", "python3 -m venv", "pip install", "pgslo local", "export PGSLO_DSN")

_BLOCK = re.compile(
    r"(?P<before>[^\n]*)\n\n```(?P<language>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)


def commands(block: str) -> list[tuple[str, list[str]]]:
    """The commands of a console block, each with its output on the page."""
    found: list[tuple[str, list[str]]] = []
    lines = iter(block.splitlines())
    for line in lines:
        if not line.startswith("$ "):
            found[-1][1].append(line)
            continue
        command = line.removeprefix("$ ")
        # A quoted statement, or a text up to END, goes on over lines.
        while command.count('"') % 2 or ("<<'END'" in command and not command.endswith("\nEND")):
            command += "\n" + next(lines)
        found.append((command, []))
    return found


def comparable(text: str) -> list[str]:
    """Lines without what differs from run to run, and without blanks at their ends."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)? UTC", "<time>", text)
    text = re.sub(r"^\S*/(?=read\.py:)", "", text, flags=re.MULTILINE)
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def says(answer: list[str], page: list[str]) -> bool:
    """Whether an answer equals that of the page, where ``…`` matches any number of lines."""
    pattern = "".join(r"(?:.*\n)*" if line == "…" else re.escape(line) + r"\n" for line in page)
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in answer)) is not None


@pytest.mark.skipif(shutil.which("psql") is None, reason="the tutorial uses psql")
def test_the_tutorial_is_true(empty_dsn: str, tmp_path: Path):
    environment = os.environ | {
        "PGSLO_DSN": empty_dsn,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "NO_COLOR": "1",
        "PSQLRC": os.devnull,
        "PSQL_PAGER": "cat",
        "PGOPTIONS": "-c client_min_messages=notice",
    }
    ran = 0
    for block in _BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        saved = re.search(r"[Ss]ave this as `([^`]+)`", block["before"])
        if saved:
            path = tmp_path / saved[1]
            path.parent.mkdir(exist_ok=True)
            path.write_text(block["text"], encoding="utf-8")
        if block["language"] != "console":
            continue
        for command, expected in commands(block["text"]):
            if command.startswith(NOT_HERE):
                continue
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=tmp_path,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                check=False,
                timeout=120,
            )
            answer, page = comparable(done.stdout), comparable("\n".join(expected))
            assert says(answer, page), f"$ {command}\n{done.stdout}\nthe page has:\n" + "\n".join(expected)
            ran += 1
    assert ran > 20


def test_the_script_for_those_without_psql_works(empty_dsn: str, tmp_path: Path):
    script = PAGE.read_text(encoding="utf-8").rpartition("```python\n")[2].partition("```")[0]
    (tmp_path / "sql.py").write_text(script, encoding="utf-8")
    for statement, expected in {
        "SELECT 1, 'x'": "(1, 'x')\n",
        "CREATE TABLE t ()": "CREATE TABLE\n",
        "DO $$ BEGIN RAISE WARNING 'look' USING DETAIL = 'd', HINT = 'h'; END $$": "WARNING: look\n  d\n  h\nDO\n",
        "SELECT": "SELECT 1",
        "SELECT x": "ERROR: column",
    }.items():
        done = subprocess.run(
            [sys.executable, "sql.py", statement],
            cwd=tmp_path,
            env=os.environ | {"PGSLO_DSN": empty_dsn},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stderr == ""
        assert done.stdout.startswith(expected)
