"""Comments of guarded views: what a view shows, how to see its warnings, and the comments of the table and its columns."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pgslo import sql
from pgslo.catalog import Relation
from pgslo.definition.rules import Definition
from pgslo.display import one_line, printable

#: Most characters of a comment of the table, and of one of its columns, that a view repeats.
_MOST_OF_TABLE, _MOST_OF_COLUMN = 500, 1000

#: The end of the first sentence, and the line with the query for more.
_READS = {
    "warn": (
        ", with a WARNING where rows that are read miss a rule.",
        "Python shows the WARNING with pgslo.client.watch(). SET pgslo.on_read = 'refuse' raises an error instead.",
    ),
    "insist": (
        ", with a WARNING where rows that are read miss a rule, or an error in sessions that do not show warnings.",
        "Python shows the WARNING with pgslo.client.watch(). SET pgslo.on_read = 'refuse' raises an error instead.",
    ),
    "refuse": (", with an error where rows that are read miss a rule.", ""),
    "silent": (
        ", without a WARNING where rows that are read miss a rule.",
        "SET pgslo.on_read = 'warn' raises a WARNING, which Python shows with pgslo.client.watch().",
    ),
    "healthy": (", without rows of batches that miss a rule.", ""),
    "status": (". Column _slo_status shows which rules are missed.", ""),
}


def describe(definition: Definition, relation: Relation, how: str, task: str = "") -> str:
    """The lines of a view's comment before its fingerprint.

    Args:
        definition: What the view belongs to.
        relation: Its table.
        how: A value of ``on_read``, ``healthy`` or ``status``.
        task: The task that the view is for, if it is for one.
    """
    shown = f"Columns of {one_line(definition.name)} that task {task} reads" if task else ""
    end, hearing = _READS[how]
    lines = [(shown or f"Rows of {one_line(definition.name)}") + end, hearing]
    if relation.comment:
        lines.append(f"Comment of the table: {_bounded(one_line(relation.comment), _MOST_OF_TABLE)}")
    return "\n".join(filter(None, lines))


def of_columns(relation: Relation, columns: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """The names and comments of those columns of the table that have one."""
    comments = {column.name: column.comment for column in relation.columns}
    return tuple(
        (name, _bounded(printable(comment), _MOST_OF_COLUMN))
        for name in columns
        if (comment := comments.get(name))
    )


def _bounded(text: str, most: int) -> str:
    """The text without the characters that end a generated function's body, and no longer than a number of characters."""
    text = re.sub(r"\$pgslo(?=\$)", "$ pgslo", text)
    assert sql.BODY_QUOTE not in text
    return text if len(text) <= most else text[: most - 3] + "..."
