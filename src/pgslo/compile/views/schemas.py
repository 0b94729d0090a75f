"""Schemas of readers' views: a role that owns one, or may create in it, can replace a guarded view by another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pgslo import sql
from pgslo.catalog import Catalog, ViewSchema
from pgslo.compile.artifact import Artifact, Statement
from pgslo.definition.rules import Definition
from pgslo.errors import CatalogError, Location
from pgslo.sql import Sql


@dataclass(frozen=True)
class Wanted:
    """A schema that a definition puts views in.

    Attributes:
        schema: Its name.
        table_schema: Schema of the guarded table.
    """

    definition: str
    schema: str
    table_schema: str
    table_name: str


@dataclass(frozen=True)
class Fault:
    """Why a schema cannot hold guarded views, and what to do about it."""

    message: str
    detail: str
    hint: str


def wanted(definition: Definition) -> tuple[Wanted, ...]:
    """The schemas of a definition's views."""
    return tuple(
        Wanted(definition.name, schema, definition.schema_name, definition.table_name)
        for schema in _places(definition)
    )


def faults(schema: ViewSchema) -> tuple[Fault, ...]:
    """The faults of a schema."""
    found = []
    # Not as SQL quotes them: a name that other roles chose must not stop the message.
    name = f'"{schema.schema}"'
    if not schema.is_trusted:
        found.append(
            Fault(
                f'schema "{schema.schema}" belongs to role "{schema.owner}"',
                "Its owner can replace guarded views by views without guards.",
                f"ALTER SCHEMA {name} OWNER TO the role that applies, or choose another schema",
            )
        )
    if schema.creators:
        roles = ", ".join(schema.creators)
        revoked = ", ".join(role if role == "PUBLIC" else f'"{role}"' for role in schema.creators)
        found.append(
            Fault(
                f'other roles may create objects in schema "{schema.schema}": {roles}',
                "They can take the names of views to come.",
                f"REVOKE CREATE ON SCHEMA {name} FROM {revoked}, or choose another schema",
            )
        )
    return tuple(found)


def refusals(definitions: Sequence[Definition], schemas: Iterable[ViewSchema]) -> tuple[CatalogError, ...]:
    """One error for each fault of a schema that a definition needs, at its location."""
    places = {one.name: _places(one) for one in definitions}
    return tuple(
        CatalogError(
            fault.message, detail=fault.detail, hint=fault.hint, location=places[one.definition][one.schema]
        )
        for one in schemas
        for fault in faults(one)
    )


def occupied(definition: Definition, *, schema_name: str, name: str, owner: str) -> CatalogError:
    """The error for a view whose name another object has."""
    return CatalogError(
        f"{schema_name}.{name} exists already, and pgslo did not make it",
        detail=f'Its owner is role "{owner}".',
        hint="rename or drop it, or choose another schema",
        location=_places(definition).get(schema_name, definition.location),
    )


def _places(definition: Definition) -> dict[str, Location]:
    """Where a definition names each schema of its views."""
    places = {task.relation[0]: task.place("view") for task in definition.tasks if task.relation is not None}
    return {**places, definition.guarded: definition.place("guarded")}


@dataclass(frozen=True)
class _SchemaOnly:
    schema: Sql


@dataclass(frozen=True)
class _SchemaOwner(_SchemaOnly):
    owner: Sql


def made_schema(name: str, catalog: Catalog) -> Artifact:
    """A schema for views, created if missing; shared by all definitions that use it."""
    schema = sql.identifier(name)
    made = Artifact(
        kind="schema",
        names=(name,),
        definition="guarded views",
        create=(Statement(sql.render("guarded_schema", _SchemaOnly(schema))),),
        reason="readers' views have a schema of their own",
        commented=Sql(f"SCHEMA {schema}"),
        replaceable=False,
    )
    if catalog.keeper in ("", catalog.user):
        return made
    # Its owner applies and reads after another role did; the schema is the same one.
    owned = sql.render("schema_owner", _SchemaOwner(schema, sql.identifier(catalog.keeper)))
    create = (Statement(made.create[0].text, then=(owned,)),)
    return replace(made, create=create, known_as=made.fingerprint)
