"""Relations besides its own that a definition reads: their readers, and the roles whose code runs when they are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pgslo import naming, sql
from pgslo.catalog import Catalog, Name, Reach, Relation
from pgslo.compile.table.subject import Subject
from pgslo.compile.table.trust import is_replaceable
from pgslo.definition.rules import Definition
from pgslo.errors import CatalogError, Location

#: What reads the table of labels, besides rules.
LABELS = "labels"
_KINDS = {"v": "view", "m": "materialized view", "f": "foreign table"}


@dataclass(frozen=True)
class Read:
    """A relation that a definition reads besides its own table.

    Attributes:
        by: The rule, or :data:`LABELS`.
        name: Schema and name, as the catalogue spells them.
        location: Of the text that names it.
        by_key: Whether a foreign key alone reads it.
    """

    by: str
    name: Name
    location: Location
    by_key: bool = False


def reads(definition: Definition) -> tuple[Read, ...]:
    """Return every other relation that a definition reads, without repetition."""
    own: Name = (definition.schema_name, definition.table_name)
    return tuple(dict.fromkeys(one for one in _reads(definition) if one.name != own))


def _reads(definition: Definition) -> Iterator[Read]:
    for rule in (*definition.rules, *definition.assertions):
        for table, location in rule.tables.items():
            yield Read(rule.name, table, location, rule.is_foreign_key)
    if definition.labels is not None:
        labels = definition.labels
        yield Read(LABELS, (labels.schema_name, labels.table_name), labels.place("table"))


def check(definition: Definition, catalog: Catalog) -> Iterator[CatalogError]:
    """Yield an error for each relation that the owner of the definition's table may not read, and for partitions of others."""
    own = (definition.schema_name, definition.table_name)
    relation = catalog.relations.get(own)
    if relation is not None:
        yield from _foreign_parts(relation, definition, relation.owner, definition.place("table"))
        yield from _key_code(relation, definition.place("table"))
    for one in reads(definition):
        other = catalog.relations.get(one.name)
        if other is not None:
            yield from _key_code(other, one.location)
        if relation is not None and other is not None and not one.by_key:
            yield from _foreign_parts(other, definition, relation.owner, one.location)
        schema, name = one.name
        if naming.is_reserved(schema):
            yield CatalogError(
                f"{schema}.{name} belongs to PostgreSQL or to pgslo itself and may not be read by a rule",
                location=one.location,
            )
            continue
        reach = _reach(definition, one, catalog)
        if reach is not None and not (reach.may_read or (one.by_key and reach.may_refer)):
            yield CatalogError(
                f"role {reach.reader} may not read {schema}.{name}",
                detail=f"The rules of {definition.name} run with the rights of {reach.reader}, who owns the table.",
                hint=f"grant {reach.reader} SELECT on {schema}.{name}, and USAGE on its schema",
                location=one.location,
            )


def _foreign_parts(
    relation: Relation, definition: Definition, reader: str, location: Location
) -> Iterator[CatalogError]:
    """Yield an error for each part of a relation whose owner has neither the rights of its owner nor those of the reader."""
    for part_name, owner in relation.foreign_parts:
        if owner != reader:
            yield CatalogError(
                f"{'.'.join(part_name)} belongs to role {owner}, who does not have the rights of {relation.owner}",
                detail=f"Functions that its indexes and constraints call would run with the rights of {reader}, who owns {definition.name}.",
                hint=f"ALTER TABLE {sql.identifier(*part_name)} OWNER TO {sql.identifier(relation.owner)}",
                location=location,
            )


def _key_code(relation: Relation, location: Location) -> Iterator[CatalogError]:
    """Yield an error for code of an untrusted role in a partition key: the role that makes a trigger or a foreign key runs it."""
    for code, role in relation.key_code:
        yield CatalogError(
            f"a partition key of {relation.schema}.{relation.name} calls {code}, which belongs to role {role}",
            detail="PostgreSQL runs it with the rights of the role that applies the definition.",
            hint=f"have it belong to pgslo's owner or to a superuser, or apply the definition as {role}",
            location=location,
        )


def reads_others(definition: Definition, relation: Relation, catalog: Catalog) -> bool:
    """Whether another role than the one that asks, or a superuser, decides what reading the relations runs."""
    reached = (_reach(definition, one, catalog) for one in reads(definition))
    named = (relation, *(catalog.relations.get(one.name) for one in reads(definition)))
    return (
        relation.owner not in ("", catalog.user)
        or any(one and not one.is_trusted for one in reached)
        or any(one and one.lent_code for one in named)
    )


def hazards(definition: Definition, relation: Relation, catalog: Catalog) -> Iterator[str]:
    """Yield a sentence for each role that can make the rules of a definition run code of its own."""
    for one in dict.fromkeys((one.by, one.name) for one in reads(definition)):
        by, name = one
        reach = catalog.reaches.get(((relation.schema, relation.name), name))
        kind = _KINDS.get(reach.kind, "table") if reach else "table"
        if reach is not None and not reach.is_trusted:
            yield f"{by} reads {kind} {'.'.join(name)} of role {reach.owner}, which can change the code that it runs"
        elif reach is not None and kind != "table":
            yield f"{by} reads {kind} {'.'.join(name)}: its functions run with the rights of role {reach.reader}"
    for thing, role in relation.lent_code:
        yield (
            f"{thing} calls code of role {role}, who can change it: pgslo.tick() does not read the table, and rows in quarantine are"
            f" not released; look-ups in writes run it with the rights of role {relation.owner}"
        )
    if relation.schema_owner not in ("", catalog.user, catalog.keeper):
        yield f"schema {relation.schema} belongs to role {relation.schema_owner}, who can replace the table"


def others(definition: Definition, subject: Subject) -> list[list[str | bool]]:
    """Return the relations that functions read besides the definition's table, for the runtime.

    Returns:
        Of each its schema, its name, and whether another role could put another relation in its place.
    """
    found: dict[Name, bool] = {}
    for one in reads(definition):
        other = subject.catalog.relations.get(one.name)
        if not one.by_key:
            found[one.name] = other is None or is_replaceable(other, subject)
    return [[*name, replaceable] for name, replaceable in found.items()]


def _reach(definition: Definition, one: Read, catalog: Catalog) -> Reach | None:
    return catalog.reaches.get(((definition.schema_name, definition.table_name), one.name))
