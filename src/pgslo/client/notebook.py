"""``%load_ext pgslo``: a table of warnings above the result of a notebook's cell."""

from __future__ import annotations

import html
from typing import Any

from pgslo.client.messages import SLOWarning
from pgslo.client.watching import Watch, watch_all
from pgslo.display import one_line

_HEADS = ("Column", "Warning", "Detail", "Hint")


class Table:
    """Warnings of one cell, as text and as HTML."""

    def __init__(self) -> None:
        self.rows: list[SLOWarning] = []

    def __repr__(self) -> str:
        return "\n\n".join(str(row) for row in self.rows)

    def _repr_html_(self) -> str:
        heads = "".join(f'<th style="text-align:left">{head}</th>' for head in _HEADS)
        rows = "".join(f"<tr>{''.join(_cell(text) for text in _texts(row))}</tr>" for row in self.rows)
        return (
            '<table style="border-left:4px solid #c00"><caption style="text-align:left">'
            f"pgslo: warnings about the data that this cell read</caption><tr>{heads}</tr>{rows}</table>"
        )


class Notebook:
    """The extension in one IPython shell."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._table = Table()
        self._shown: Any = None
        shell.events.register("pre_run_cell", self._begin)
        self.watch: Watch = watch_all(on_warning=self._show)

    def stop(self) -> None:
        """End the watch and leave the shell."""
        self.watch.stop()
        self._shell.events.unregister("pre_run_cell", self._begin)

    def _begin(self, *_: object) -> None:
        self._table = Table()
        self._shown = None

    def _show(self, warning: SLOWarning) -> None:
        from IPython import display as ipython  # type: ignore[import-not-found, unused-ignore]

        if str(warning) in map(str, self._table.rows):
            return
        self._table.rows.append(warning)
        if self._shown is None:
            display: Any = ipython.display
            self._shown = display(self._table, display_id=True)
        else:
            self._shown.update(self._table)


_loaded: list[Notebook] = []


def load(shell: Any) -> None:
    """Show warnings of all psycopg connections in a shell; does nothing where it was done."""
    if not _loaded:
        _loaded.append(Notebook(shell))


def unload() -> None:
    """End what :func:`load` began."""
    while _loaded:
        _loaded.pop().stop()


def _texts(row: SLOWarning) -> tuple[str, str, str, str]:
    table = ".".join(name for name in (row.schema, row.table) if name)
    return f"{table}.{row.column}" if row.column else table, row.message, row.detail or "", row.hint or ""


def _cell(text: str) -> str:
    return f'<td style="text-align:left;white-space:normal">{html.escape(one_line(text))}</td>'
