"""Sessions on pages: blocks of commands with their output, which tests run again and compare."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from pgslo.cli import main

DOCS = Path(__file__).parents[2] / "docs"


def alike(text: str) -> str:
    """Replace times and hashes, which differ from run to run."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?", lambda found: "T" * len(found[0]), text)
    return re.sub(r"\b(?:[0-9a-f]{64}|[0-9a-f]{16})\b", "H", text)


@dataclass(frozen=True)
class Sessions:
    """The sessions of a page.

    Attributes:
        page: Its path below ``docs``.
        updates: Whether output that differs is written to the page, unless it has ``…``.
    """

    page: str
    updates: bool

    def check(self, first: str, number: int = 0) -> None:
        """Run the commands of the block that begins with a command, the first such block or a later one."""
        path = DOCS / self.page
        text = path.read_text(encoding="utf-8")
        blocks = re.findall(r"^```console\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
        chosen = [one for one in blocks if one.startswith(f"$ {first}\n")]
        assert len(chosen) > number, f"{self.page} has {len(chosen)} blocks of {first}"
        for part in re.split(r"^\$ ", chosen[number], flags=re.MULTILINE)[1:]:
            command, *shown = part.splitlines()
            lines = [line.rstrip() for line in run(command).splitlines()]
            pattern = "".join(
                r"(?:.*\n)*?" if line.strip() == "…" else re.escape(line) + r"\n"
                for line in map(alike, shown)
            )
            if re.fullmatch(pattern, alike("".join(f"{line}\n" for line in lines))):
                continue
            if not self.updates or any(line.strip() == "…" for line in shown):
                pytest.fail("\n".join((f"$ {command}", *lines)))
            was, becomes = (
                "".join(f"{line}\n" for line in (f"$ {command}", *some)) for some in (shown, lines)
            )
            assert text.count(was) == 1
            text = text.replace(was, becomes)
            path.write_text(text, encoding="utf-8")


def run(command: str) -> str:
    """Run a command of pgslo, answered with yes; return its output."""
    words = shlex.split(command)
    assert words.pop(0) == "pgslo", command
    return CliRunner().invoke(main, words, input="y\n").output


def apply() -> None:
    """Apply the definitions of the project."""
    result = CliRunner().invoke(main, ["apply", "--yes"])
    assert result.exit_code == 0, result.output
