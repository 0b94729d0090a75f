"""Functions by which triggers look rows up in tables that another role can replace."""

from __future__ import annotations

from dataclasses import dataclass

from pgslo import naming, sql
from pgslo.catalog import Relation
from pgslo.compile.artifact import Artifact, qualified
from pgslo.compile.choice import Choice
from pgslo.compile.part import Part
from pgslo.compile.rows.passing import lookup
from pgslo.compile.snippets.undoing import Undoing
from pgslo.compile.table.context import TableContext
from pgslo.compile.table.subject import NEW, ROW
from pgslo.definition import wording
from pgslo.sql import Sql


@dataclass(frozen=True)
class _Pinned:
    table: Sql
    name: Sql
    number: Sql


@dataclass(frozen=True)
class _Lookup:
    source: Sql
    function: Sql
    arguments: Sql
    summary: Sql
    condition: Sql
    pins: tuple[_Pinned, ...]
    undo: Undoing


def _pins(relation: Relation | None) -> tuple[_Pinned, ...]:
    if relation is None:
        return ()
    name = qualified((relation.schema, relation.name))
    return (_Pinned(name, sql.literal(str(name)), sql.literal(relation.number)),)


def lookups(table: TableContext, so_far: Part) -> Part:
    """Make functions by which triggers look rows up in tables that another role can replace, with the owner's rights."""
    return Part(artifacts=tuple(_lookups(table, so_far.choices)))


def _lookups(table: TableContext, choices: tuple[Choice, ...]) -> list[Artifact]:
    made: list[Artifact] = []
    for choice in choices:
        rule = choice.rule
        if choice.mechanism not in ("row trigger", "statement trigger"):
            continue
        row = NEW if choice.mechanism == "row trigger" else ROW
        found = lookup(rule, table.subject, row)
        if found is None:
            continue
        context = _Lookup(
            table.source(),
            sql.identifier(naming.GENERATED_SCHEMA, found.function),
            found.types,
            Sql(wording.one_line(rule.summary)),
            found.condition,
            _pins(found.pinned),
            table.undo(with_locks=False),
        )
        made.append(
            table.function(
                found.function,
                sql.render("lookup", context),
                f'looks rows up for rule "{rule.name}" with the rights of the table\'s owner',
                arguments=found.types,
                reads_table=True,
                owner=found.owner,
            )
        )
    return made
