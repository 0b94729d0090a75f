"""What can be kept of a table that Citus distributes by a column: triggers of its shards note, and tick() counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pgslo.catalog import Catalog, Placement, Relation
from pgslo.compile.choice import Choice
from pgslo.compile.table.outbox import ANY_KEY
from pgslo.definition import bounds, rules
from pgslo.definition.rules import Definition
from pgslo.definition.rules.base import CountingRule
from pgslo.definition.rules.kinds.distances import DistanceRule
from pgslo.errors import CatalogError

#: Mechanisms that put no trigger on the table.
WITHOUT_TRIGGER = ("native", "on read")
#: Kinds of type whose values are ordered, so that their batches are ordered.
_ORDERED = frozenset("DN")
#: Objects of a lower number came with PostgreSQL.
_FIRST_OWN_NUMBER = 16384


def needed(definition: Definition, choices: Iterable[Choice]) -> bool:
    """Whether a definition needs triggers on the shards."""
    return definition.watch or any(choice.mechanism not in WITHOUT_TRIGGER for choice in choices)


def check_rule(choice: Choice, definition: Definition, placed: Placement) -> CatalogError | None:
    """Return why a rule cannot be kept on a table that is distributed by a column; ``None`` if it can."""
    rule, table = choice.rule, definition.name
    if choice.mechanism in WITHOUT_TRIGGER and not isinstance(rule, rules.Assertion):
        return None
    if isinstance(rule, rules.Assertion):
        return ungrouped(rule, definition, placed)
    if any(bound is not None for bound in bounds.rejects(rule)):
        return CatalogError(
            f"{table} is distributed: no node knows the whole batch before the next tick; the rule cannot reject",
            location=rule.location,
        )
    if rule.looks_up:
        return CatalogError(
            f"{table} is distributed{placed.by}: a rule that looks rows up is not supported there, as they may be on other nodes",
            location=rule.location,
        )
    if choice.mechanism == "schema trigger":
        return CatalogError(
            f"{table} is distributed{placed.by}: a schema rule by trigger is not supported there",
            hint="on_breach: warn compares the columns when the guarded view is read",
            location=rule.location,
        )
    if isinstance(rule, CountingRule | DistanceRule) or rule.queries:
        return CatalogError(
            f"{table} is distributed{placed.by}: rules of this kind were not tried there",
            location=rule.location,
        )
    return None


def check_table(definition: Definition, catalog: Catalog, placed: Placement) -> Iterator[CatalogError]:
    """Yield an error for each thing that keeps triggers from noting what happens on the shards of a table."""
    relation = catalog.relations.get((definition.schema_name, definition.table_name))
    if relation is None:
        return
    table, place = definition.name, definition.place("table")
    column = relation.column(placed.column)
    if column is None or column.base_type not in ANY_KEY:
        kinds = ", ".join(sorted(ANY_KEY))
        yield CatalogError(
            f"{table} is distributed by a value of type {column.type if column else 'unknown'}",
            detail=f"Notes can be kept beside rows that are distributed by {kinds}.",
            location=place,
        )
    if relation.owner not in ("", catalog.keeper):
        yield CatalogError(
            f"{table} is distributed and belongs to role {relation.owner}, who does not own pgslo",
            detail="Citus does not let one transaction read its notes with the rights of one role and its rows with those of another.",
            hint=f"ALTER TABLE {table} OWNER TO {catalog.keeper}, the owner of pgslo",
            location=place,
        )
    for thing, role in relation.lent_code:
        yield CatalogError(
            f"{table} is distributed, and {thing} calls code of role {role}",
            detail="Citus runs it with the rights of the role that applies.",
            hint="have the function belong to the table's owner, or to a superuser",
            location=place,
        )
    if relation.kind == "p":
        yield CatalogError(
            f"{table} is distributed and has partitions, which is not supported together", location=place
        )
    yield from _check_types(relation, definition)
    if relation.row_security:
        yield CatalogError(
            f"{table} is distributed and has row security, which is not supported together", location=place
        )
    if definition.writes == "stream":
        yield CatalogError(
            f"{table} is distributed: tick() counts its batches from the table, however rows arrive",
            hint="leave writes out, or declare writes: bulk",
            location=definition.place("writes"),
        )
    if definition.fires == "always":
        yield CatalogError(
            f"{table} is distributed: triggers that always fire would also fire while a shard moves",
            hint="leave fires out",
            location=definition.place("fires"),
        )
    if not _has_ordered_batches(definition, catalog):
        yield CatalogError(
            f"{table} is distributed: its batches are counted from the table, so a column of the rows has to name the batch",
            hint="batch: {by: <a date, a time stamp or a number>}",
            location=definition.place("batch") if definition.batch else place,
        )
    if definition.kind == "predictions" or definition.labels is not None:
        yield CatalogError(
            f"predictions and labels of a distributed table are not supported; {table} is distributed{placed.by}",
            location=definition.place("kind"),
        )
    if "insist" in (definition.on_read, *(task.on_read for task in definition.tasks)):
        yield CatalogError(
            f"{table} is distributed: its nodes do not know whether a reader's client shows warnings",
            hint="on_read: warn or refuse",
            location=definition.place("on_read"),
        )
    for task in definition.tasks:
        if task.window is not None:
            yield CatalogError(
                f"{table} is distributed: the view of a task can have no window there",
                location=task.place("window"),
            )


def ungrouped(rule: rules.Assertion, definition: Definition, placed: Placement) -> CatalogError:
    """The error of an assertion whose groups may be on several nodes."""
    return CatalogError(
        f"rows of a group may be on several nodes; {definition.name} is distributed{placed.by}",
        location=rule.location,
    )


def _check_types(relation: Relation, definition: Definition) -> Iterator[CatalogError]:
    for column in relation.columns:
        if column.type_number >= _FIRST_OWN_NUMBER:
            yield CatalogError(
                f'column "{column.name}" has a type of a user, {column.type}; triggers of shards read PostgreSQL\'s own alone',
                location=definition.place("table"),
            )


def _has_ordered_batches(definition: Definition, catalog: Catalog) -> bool:
    batch = definition.batch
    if batch is None or batch.by is None:
        return False
    name = (definition.schema_name, definition.table_name)
    _, category, plain = catalog.expression_types.get((name, batch.by.text), ("text", "S", True))
    return plain and category in _ORDERED
