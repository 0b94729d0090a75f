"""From definitions to a plan for this database: compiled, tried and compared with the installed state. Changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pgslo import sql
from pgslo.catalog import (
    Catalog,
    Forgery,
    Name,
)
from pgslo.compile import Compiled, compile_definition, placement
from pgslo.compile.probes import queries
from pgslo.compile.views import grants
from pgslo.compile.views import schemas as view_schemas
from pgslo.database import runtime
from pgslo.database.catalog_queries import fetch, reading_once
from pgslo.database.catalog_reader import (
    forgeries,
    paused,
    read_catalog,
    read_generated,
    read_view_schemas,
    table_readers,
)
from pgslo.database.connections import Connection, read_citus
from pgslo.database.probing import accepts, judge, strangers
from pgslo.definition.rules import Definition
from pgslo.errors import (
    CatalogError,
    DefinitionError,
    DefinitionErrors,
    PgsloError,
)
from pgslo.plan import Plan, make, removal

#: Groups that break a new assertion, in its error.
_SHOWN_GROUPS = 5


def compile_all(
    conn: Connection, definitions: Sequence[Definition], catalog: Catalog
) -> tuple[Compiled, ...]:
    """Compile every definition, and let PostgreSQL judge what the authors wrote.

    Raises:
        DefinitionErrors: All that does not fit, of all definitions.
    """
    compiled: list[Compiled] = []
    found: list[DefinitionError] = []
    for definition in definitions:
        try:
            compiled.append(compile_definition(definition, catalog))
        except DefinitionErrors as exc:
            found += exc.errors
        except sql.UnsafeSql as exc:
            # A name in the database: what a definition says was looked through as it was read.
            found.append(_unsafe(definition, exc))
    # Most plans are of definitions that fit: their queries are asked together, and one by one if any of them is refused.
    alone = [one for one in compiled if one.reads_others or any(queries(one.definition))]
    apart = {one.definition.name for one in alone}
    if not accepts(
        conn, [probe for one in compiled if one.definition.name not in apart for probe in one.probes]
    ):
        alone = compiled
    for one in alone:
        found += _judged(conn, one)
    if found:
        raise DefinitionErrors(tuple(found))
    return tuple(compiled)


def _judged(conn: Connection, compiled: Compiled) -> list[DefinitionError]:
    """What PostgreSQL has against what the author of a definition wrote, query by query."""
    found = strangers(conn, compiled.definition)
    told = [error.location for error in found if error.location is not None]
    for probe in compiled.probes:
        # An assertion is asked after its parts: errors of a part are not reported again for the whole.
        place = probe.location
        if any(one == place or (one.line == place.line and one.column > place.column) for one in told):
            continue
        wrong = judge(conn, probe, only_analyse=compiled.reads_others)
        told += [place] * len(wrong)
        found += wrong
    return found


def _unsafe(definition: Definition, error: sql.UnsafeSql) -> DefinitionError:
    return DefinitionError(
        f"{definition.name} cannot be guarded: a name in the database cannot be written into a function",
        detail=f"{error.message}. {error.detail or ''}".rstrip(),
        hint="Rename the column, type or constraint.",
        location=definition.place("table"),
    )


def _validated(conn: Connection, compiled: Sequence[Compiled]) -> tuple[Compiled, ...]:
    """Check existing rows against new assertions; no session waits for it, and it may take long.

    Returns:
        The same definitions, with a note for each assertion that is broken and does not reject.

    Raises:
        DefinitionErrors: Rows break one that rejects.
    """
    errors: list[DefinitionError] = []
    held = []
    for each in compiled:
        notes = []
        for one in each.validations:
            with conn.transaction(force_rollback=True), conn.cursor() as cursor:
                cursor.execute("SET TRANSACTION READ ONLY")
                cursor.execute("SET LOCAL search_path = pg_catalog, pg_temp")
                broken = cursor.execute(one.text.text.encode(), prepare=False).fetchall()
            if not broken:
                continue
            shown = [f"{group}: {said}" if group else str(said) for group, said in broken[:_SHOWN_GROUPS]]
            more = ", and there are more" if len(broken) > _SHOWN_GROUPS else ""
            if not one.refuses:
                notes.append(f"{one.rule.name}: existing rows violate it: {'; '.join(shown)}{more}")
                continue
            errors.append(
                CatalogError(
                    f'rows of {one.definition} break assertion "{one.rule.name}" now',
                    detail=f"{'; '.join(shown)}{more}.",
                    hint="correct them, or write validated: false to check only new writes",
                    location=one.rule.location,
                )
            )
        held.append(replace(each, notes=(*each.notes, *notes)))
    if errors:
        raise DefinitionErrors(tuple(errors))
    return tuple(held)


def plan_definitions(conn: Connection, definitions: Sequence[Definition]) -> Plan:
    """Plan the steps from the installed state to these definitions.

    Raises:
        DefinitionErrors: A definition does not fit the database.
        PlanError: As :func:`pgslo.plan.make` and :func:`pgslo.compile.placement.refuse_triggers`.
        RuntimeMismatch: Library and installed runtime do not fit.
    """
    with reading_once(conn):
        return _plan(conn, definitions)


def _plan(conn: Connection, definitions: Sequence[Definition]) -> Plan:
    catalog = read_catalog(conn, definitions)
    compiled = compile_all(conn, definitions, catalog)
    _refuse_foreign(conn, compiled, catalog)
    compiled = _validated(conn, compiled)
    _refuse_paused(conn, {definition.name for definition in definitions})
    state = runtime.read(conn)
    scripts = tuple(script.name for script in runtime.to_run(conn))
    made = make(compiled, catalog, runtime_scripts=scripts)
    placement.refuse_triggers(_triggered(made), catalog)
    planned = {definition.name for definition in definitions}
    forged = [one for one in forgeries(conn) if one.definition in planned] if state.is_there else []
    notes = (
        *made.notes,
        *_left_out(conn, definitions, catalog),
        *(_forgery_note(one) for one in forged),
        *_owner_note(conn),
    )
    return replace(made, notes=notes)


def _refuse_foreign(conn: Connection, compiled: Sequence[Compiled], catalog: Catalog) -> None:
    """Refuse schemas of guarded views in which other roles could replace these, and names that other objects have.

    Raises:
        DefinitionErrors: There are some.
    """
    wanted = [place for each in compiled for place in view_schemas.wanted(each.definition)]
    schemas = read_view_schemas(conn, [vars(place) for place in wanted])
    ours = {one.names for one in catalog.installed if one.kind == "view"}
    new = {one.names: each for each in compiled for one in each.artifacts if one.kind == "view"}
    taken = fetch(conn, "occupied", {"names": json.dumps([list(name) for name in new if name not in ours])})
    if taken and runtime.read(conn).is_there:
        # Another session may have applied the same since the catalogue was read.
        made = {one.names for one in read_generated(conn)[0] if one.kind == "view"}
        taken = [row for row in taken if (row["schema_name"], row["name"]) not in made]
    errors = [
        *view_schemas.refusals([each.definition for each in compiled], schemas),
        *(view_schemas.occupied(new[row["schema_name"], row["name"]].definition, **row) for row in taken),
    ]
    if errors:
        raise DefinitionErrors(tuple(errors))


def _left_out(conn: Connection, definitions: Sequence[Definition], catalog: Catalog) -> Iterator[str]:
    """Roles that may read a table and will not read its guarded view."""
    tables = [(one.schema_name, one.table_name) for one in definitions]
    found = table_readers(conn, tables)
    for one, table in zip(definitions, tables, strict=True):
        view = catalog.views.get((one.guarded, one.table_name))
        if (note := grants.left_out(one, found.get(table, ()), view)) is not None:
            yield f"{one.name}: {note}"


def _owner_note(conn: Connection) -> tuple[str, ...]:
    """The owner of pgslo, where the plan runs that role's functions with the rights of another one."""
    return tuple(
        f"pgslo belongs to role {row['owner']}: applying runs functions of that role with the rights of {row['role']}"
        for row in fetch(conn, "keeper")
    )


def _forgery_note(one: Forgery) -> str:
    return (
        f"{one.definition}: the comment of {one.kind} {one.identity} says that pgslo generated it, but its owner is "
        f"{one.owner}; it is ignored"
    )


def _refuse_paused(conn: Connection, names: set[str]) -> None:
    for pause in paused(conn):
        if pause["definition"] in names:
            raise PgsloError(
                f"{pause['definition']} is paused",
                detail=f"By {pause['paused_by']}, {pause['rule'] or 'every rule'}.",
                hint=f"pgslo resume {pause['definition']}, then plan again",
            )


def plan_removal(conn: Connection, definitions: Sequence[str]) -> Plan:
    """Plan the way out for definitions by name.

    Raises:
        PlanError: As :func:`pgslo.plan.removal` and :func:`pgslo.compile.placement.refuse_triggers`.
    """
    catalog = read_catalog(conn, ())
    made = removal(catalog, definitions)
    if catalog.citus is not None:
        tables = _triggered(made)
        placement.refuse_triggers(tables, replace(catalog, citus=read_citus(conn, catalog.engine, tables)))
    return made


def _triggered(plan: Plan) -> set[Name]:
    """Tables whose triggers a plan creates, replaces or drops."""
    return {step.relation for step in plan.steps if step.kind == "trigger" and step.relation is not None}
