"""The output of the demo: scenes, commands and their answers."""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Iterator
from typing import Any

import psycopg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

WIDTH = 92

Connection = psycopg.Connection[Any]


class Screen:
    """The output: scenes, commands and their answers. Colours on a terminal only."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, markup=False, soft_wrap=True, emoji=False)
        self._scenes = 0

    def scene(self, text: str) -> None:
        """Begin a scene."""
        self._scenes += 1
        self.console.print(f"\n\n{self._scenes}. {text}", style="bold cyan")

    def tell(self, text: str) -> None:
        """Print a paragraph of the demo's own text."""
        self.console.print("\n" + textwrap.fill(" ".join(text.split()), WIDTH, break_on_hyphens=False))

    def typed(self, prompt: str, text: str) -> None:
        """Show a command."""
        first, *others = text.splitlines()
        self.console.print(Text(f"\n    {prompt} ", style="dim") + Text(first, style="bold"))
        for line in others:
            self.console.print(f"    {' ' * len(prompt)} {line}", style="bold")

    def came(self, text: str, *, first: int | None = None, last: int = 0) -> None:
        """Show an answer, or its first and last lines and how many are between them."""
        lines = text.rstrip().splitlines()
        left_out = 0 if first is None else len(lines) - first - last
        if first is not None and left_out > 1:
            lines[first : first + left_out] = [f"… {left_out} lines …"]
        for line in lines:
            self.console.print(f"    {line}".rstrip(), style=_style(line))

    @contextlib.contextmanager
    def progress(self, total: int) -> Iterator[Progress]:
        """Show a bar, on a terminal."""
        columns = (
            TextColumn("    {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("nights"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self.console, disable=not self.console.is_terminal) as progress:
            progress.add_task("", total=total)
            yield progress


def _style(line: str) -> str:
    label = line.partition(":")[0].strip().lower()
    return "dim" if line.startswith("… ") else {"error": "red", "warning": "yellow"}.get(label, "")


def _table(names: list[str], rows: list[tuple[Any, ...]]) -> str:
    """Rows as psql prints them."""
    cells = [["" if value is None else str(value) for value in row] for row in rows]
    widths = [max(len(row[n]) for row in (names, *cells)) for n in range(len(names))]
    numbers = [bool(rows) and all(isinstance(row[n], int | None) for row in rows) for n in range(len(names))]
    lines = [" | ".join(name.center(width) for name, width in zip(names, widths, strict=True))]
    lines.append("-+-".join("-" * width for width in widths))
    for row in cells:
        aligned = (
            text.rjust(width) if number else text.ljust(width)
            for text, width, number in zip(row, widths, numbers, strict=True)
        )
        lines.append(" | ".join(aligned))
    return "\n".join(line.rstrip() for line in lines)


def _message(diagnostic: psycopg.errors.Diagnostic) -> str:
    """A message of the server as psql prints it with VERBOSITY verbose, but without the C source's line."""
    lines = [f"{diagnostic.severity}:  {diagnostic.sqlstate}: {diagnostic.message_primary}"]
    lines += [f"DETAIL:  {diagnostic.message_detail}"] if diagnostic.message_detail else []
    lines += [f"HINT:  {diagnostic.message_hint}"] if diagnostic.message_hint else []
    lines += [f"COLUMN NAME:  {diagnostic.column_name}"] if diagnostic.column_name else []
    lines += [f"CONSTRAINT NAME:  {diagnostic.constraint_name}"] if diagnostic.constraint_name else []
    return "\n".join(lines)


class Session:
    """A connection whose statements and answers are shown."""

    def __init__(self, screen: Screen, dsn: str, application: str) -> None:
        self.connection: Connection = psycopg.connect(dsn, autocommit=True, application_name=application)
        self.connection.add_notice_handler(lambda notice: self.notices.append(_message(notice)))
        self.notices: list[str] = []
        self._screen = screen
        self._prompt = f"{self.connection.info.user}=>"

    def run(self, statement: str) -> None:
        """Run a statement and show what psql would."""
        self._screen.typed(self._prompt, statement + ";")
        try:
            cursor = self.connection.execute(statement.encode())
        except psycopg.Error as exc:
            self.show_notices()
            self._screen.came(_message(exc.diag))
            return
        self.show_notices()
        if cursor.description:
            self._screen.came(_table([column.name for column in cursor.description], cursor.fetchall()))
        else:
            self._screen.came(cursor.statusmessage or "")

    def copy(self, text: str) -> None:
        """Load a file."""
        with self.connection.cursor().copy("COPY features.flights FROM STDIN (FORMAT csv)") as copy:
            copy.write(text)

    def show_notices(self) -> None:
        """Show what the server warned of."""
        for notice in self.notices:
            self._screen.came(notice)
        self.notices.clear()
