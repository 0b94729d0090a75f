"""How the command line speaks: results on stdout, messages on stderr, colours and tables on a terminal only."""

from __future__ import annotations

import datetime as dt
import difflib
import io
import json
import os
import sys
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click

from pgslo.display import json_text, one_line, printable
from pgslo.errors import DefinitionErrors, PgsloError

if TYPE_CHECKING:
    import psycopg

#: Version of everything printed with ``--json``.
JSON_VERSION = 1


def make_robust() -> None:
    """Let a name that the terminal's encoding does not have be shown escaped instead of ending the program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: str = "", **style: Any) -> None:
    """Print a line of the result; line breaks in names and notes become spaces, so that none passes for a line of pgslo."""
    click.echo(_styled(one_line(text), **style))


def message(text: str, **style: Any) -> None:
    """Print a line about the work, not the result."""
    click.echo(_styled(one_line(text), **style), err=True)


def _styled(text: str, **style: Any) -> str:
    """The text with colours, which click leaves out without a terminal (no-color.org)."""
    return text if os.environ.get("NO_COLOR") else click.style(text, **style)


def error(exc: PgsloError) -> None:
    """Print an error: ``file:line:column: error: …``, then its detail and hint."""
    for one in exc.errors if isinstance(exc, DefinitionErrors) else (exc,):
        place = _styled(f"{one_line(str(one.location))}: ", bold=True) if one.location else ""
        click.echo(f"{place}{_label('error', 'red')} {indented(one.message)}", err=True)
        _facts(one.detail, one.hint)


def indented(text: str) -> str:
    """The text, printable; further lines are indented, so that none passes for another error or hint."""
    return printable(text).replace("\n", "\n    ")


def _facts(detail: str | None, hint: str | None) -> None:
    if detail:
        click.echo(f"{_label('detail')} {indented(detail)}", err=True)
    if hint:
        click.echo(f"{_label('hint', 'cyan')} {indented(hint)}", err=True)


def _label(word: str, colour: str | None = None) -> str:
    return _styled(f"{word}:", fg=colour, bold=True)


def warning(text: str, *, detail: str | None = None, hint: str | None = None) -> None:
    """Print a warning."""
    click.echo(f"{_label('warning', 'yellow')} {indented(text)}", err=True)
    _facts(detail, hint)


def notice(diagnostic: psycopg.errors.Diagnostic) -> None:
    """Show a server's warning; messages of lower levels are not shown."""
    if diagnostic.severity_nonlocalized == "WARNING":
        warning(
            diagnostic.message_primary or "", detail=diagnostic.message_detail, hint=diagnostic.message_hint
        )


@dataclass(frozen=True)
class Json:
    """A value that is JSON already, to be printed in its own digits: Python's floats would cut a long number."""

    text: str


#: Deprecated names of members in JSON, and those that replace them: docs/reference/deprecated.md.
_NEW_NAMES = {
    "promise": "summary",
    "said": "detail",
    "thing": "object",
    "left_over": "remaining",
    "left_fraction": "remaining_fraction",
    "burn_rate_lately": "recent_burn_rate",
}


def _with_new_names(value: object) -> object:
    """Return the rows of a document with both names of their members."""
    if isinstance(value, list | tuple):
        return [_with_new_names(one) for one in value]
    if isinstance(value, Mapping) and "definition" in value:
        return {**value, **{new: value[old] for old, new in _NEW_NAMES.items() if old in value}}
    return value


def document(**content: Any) -> None:
    """Print a result for programs: one JSON document with a version."""
    ready: dict[str, str] = {}

    def plain(value: object) -> str:
        if isinstance(value, dt.datetime):
            return value.astimezone(dt.UTC).isoformat()
        if isinstance(value, Json):
            mark = uuid.uuid4().hex
            ready[f'"{mark}"'] = value.text
            return mark
        raise TypeError(f"{type(value).__name__} has no form in JSON")

    text = json.dumps(
        {"version": JSON_VERSION} | {key: _with_new_names(value) for key, value in content.items()},
        indent=2,
        ensure_ascii=False,
        default=plain,
    )
    for mark, value in ready.items():
        text = text.replace(mark, value)
    click.echo(json_text(text))


def script(text: str) -> None:
    """Print SQL or YAML to be run or kept: exactly, but printable where a person reads it on a terminal."""
    click.echo(printable(text) if is_terminal() else text, nl=False)


def is_terminal() -> bool:
    """Whether a person reads the result."""
    return sys.stdout is not None and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def can_ask() -> bool:
    """Whether a person can answer."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def check_answerable(verb: str, *, yes: bool) -> None:
    """Refuse, before any work is done, a command that has to ask where nothing can answer.

    Raises:
        click.UsageError: A question needs a terminal, and ``--yes`` was not given.
    """
    if not yes and not can_ask():
        raise click.UsageError(
            f"{verb} asks before it changes anything, which needs a terminal. Give --yes to go ahead."
        )


def confirm(question: str, *, yes: bool) -> bool:
    """Whether to go on: ask, unless ``--yes`` was given."""
    if yes or click.confirm(question, err=True):
        return True
    message("nothing was changed")
    return False


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number and its noun: ``1 step``, ``2 steps``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def size(number: int) -> str:
    """An amount of storage in PostgreSQL's units: ``812 MB``."""
    amount, units = float(number), ["bytes", "kB", "MB", "GB", "TB"]
    while amount >= 10_000 and len(units) > 1:
        amount /= 1024
        units.pop(0)
    return f"{amount:,.0f} {units[0]}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`` did you mean "apply"?``, or an empty text."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f' did you mean "{close[0]}"?' if close else ""


def shown_path(path: Path) -> Path:
    """A path as people name it from where they are: relative, unless that is longer."""
    relative = Path(os.path.relpath(path))
    return relative if len(str(relative)) <= len(str(path)) else path


def table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: frozenset[int] = frozenset()
) -> None:
    """Print a table: drawn and fitted to a terminal, else plain columns that tools can cut.

    Args:
        headings: One for each column.
        rows: Cells; an empty one is shown as ``-``.
        numbers: Columns that are set to the right.
    """
    cells = [[one_line(cell) or "-" for cell in row] for row in rows]
    if is_terminal():
        _draw(headings, cells, numbers)
        return
    widths = [max(len(row[n]) for row in (headings, *cells)) for n in range(len(headings))]
    for row in (headings, *cells):
        line = (
            cell.rjust(width) if n in numbers else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        click.echo("  ".join(line).rstrip())


def _draw(headings: Sequence[str], rows: Sequence[Sequence[str]], numbers: frozenset[int]) -> None:
    from rich import box  # takes a while to load, and only a terminal needs it
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for n, heading in enumerate(headings):
        drawn.add_column(heading, justify="right" if n in numbers else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))
    Console(highlight=False).print(drawn)


class Progress:
    """Reports steps as they begin: one line that changes on a terminal, a line each elsewhere."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._seen: dict[str, int] = {}
        self._shown = ""
        self._live: Any = None

    def __enter__(self) -> Self:
        if is_terminal() and sys.stderr.isatty():
            from rich.console import Console  # takes a while to load, and only a terminal needs it
            from rich.status import Status

            self._live = Status("", console=Console(stderr=True, highlight=False))
            self._live.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._live is not None:
            self._live.stop()

    def step(self, name: str) -> None:
        """A step begins, continues, or is tried again; permanent lines report it once."""
        if name == self._shown or (self._live is None and name in self._seen):
            return
        self._shown = name
        number = self._seen.setdefault(name, len(self._seen) + 1)
        text = one_line(f"[{number}/{self._total}] {name}")
        if self._live is None:
            message(text)
            return
        from rich.text import Text

        self._live.update(Text(text))


def about(seconds: float) -> str:
    """How long something takes, no more exactly than it is known."""
    if seconds < 5:
        return "a few seconds"
    if seconds < 90:
        return f"about {max(round(seconds / 10), 1) * 10} seconds"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"about {minutes} minutes"
    return f"about {counted(round(minutes / 60), 'hour')}"


class Counter:
    """Reports the progress of long work: a line that changes on a terminal, a line for each tenth elsewhere."""

    def __init__(self, noun: str) -> None:
        self._noun = noun
        self._live: Any = None
        self._began = 0.0
        self._tenths = 0

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        if sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            from rich.console import Console  # takes a while to load, and only a terminal needs it
            from rich.status import Status

            self._live = Status("", console=Console(stderr=True, highlight=False))
            self._live.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._live is not None:
            self._live.stop()

    def at(self, number: int, total: int) -> None:
        """Report the finished number of the total."""
        text = f"{self._noun} {number:,} of {total:,}"
        if 0 < number < total:
            left = (time.monotonic() - self._began) / number * (total - number)
            text += f", {about(left)} to go"
        if self._live is not None:
            self._live.update(text)
        elif total and number * 10 // total > self._tenths:
            self._tenths = number * 10 // total
            message(text)

    def doing(self, what: str) -> None:
        """The current work, whose amount is not known."""
        if self._live is not None:
            from rich.text import Text

            self._live.update(Text(one_line(f"{self._noun} {what}")))
