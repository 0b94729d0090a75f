"""Functions by which the runtime reads and writes a table of another role, with that role's rights."""

from __future__ import annotations

from dataclasses import dataclass

from pgslo import naming, sql
from pgslo.compile.artifact import Artifact
from pgslo.compile.part import Part
from pgslo.compile.snippets.undoing import Undoing
from pgslo.compile.table.context import TableContext
from pgslo.definition import wording
from pgslo.sql import Sql


@dataclass(frozen=True)
class _ForOwner:
    source: Sql
    function: Sql
    names: Sql
    undo: Undoing


def for_owner(table: TableContext, so_far: Part) -> Part:
    """Make what lets the runtime read, or also write, a table of another role with that role's rights."""
    if not table.subject.is_of_another:
        return Part()
    # Whether rows can be released from quarantine.
    writes = any(choice.rule.on_breach == "quarantine" for choice in so_far.choices)
    artifacts = _artifacts(table, writes=writes)
    known = table.known_types(table.relation)
    names = dict(zip(("reader", "writer"), (one.names[0] for one in artifacts), strict=False))
    return Part(artifacts=artifacts, registered={**({} if known is None else {"types": known}), **names})


def _artifacts(table: TableContext, *, writes: bool) -> tuple[Artifact, ...]:
    whats = {"read": "reads the table for the runtime, with the rights of its owner"}
    if writes:
        whats["write"] = "writes a released row with the rights of the table's owner"
    made = []
    for what, reason in whats.items():
        name = table.function_name(f"{what}_as_owner")
        # Named in a comment: the owner is granted EXECUTE on called functions.
        called = f"{table.batching.name}, {table.batching.place}, {table.batching.raw_row}"
        context = _ForOwner(
            table.source(),
            sql.identifier(naming.GENERATED_SCHEMA, name),
            Sql(wording.one_line(called)),
            table.undo(),
        )
        text = sql.render(f"{what}_as_owner", context)
        arguments = Sql("text, text" if what == "write" else "text")
        made.append(table.function(name, text, reason, arguments=arguments, reads_table=True))
    return tuple(made)
