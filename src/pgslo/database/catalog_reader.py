"""The state of a database, as the compiler and the planner need it. Changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import psycopg
from psycopg.rows import dict_row

from pgslo.catalog import (
    Catalog,
    Column,
    Engine,
    Field,
    ForeignKey,
    Forgery,
    Grant,
    GuardedView,
    Index,
    Installed,
    Name,
    Reach,
    Relation,
    Stated,
    TableReader,
    ViewSchema,
)
from pgslo.compile import read_comment
from pgslo.compile.probes import value_probe
from pgslo.compile.table import reading
from pgslo.database import runtime
from pgslo.database.catalog_queries import by_own_names, fetch, once, query
from pgslo.database.connections import Connection, check_node, read_citus
from pgslo.database.probing import analysed, asking, probing
from pgslo.definition.rules import Definition
from pgslo.expression import Expression
from pgslo.sql import Sql

#: The number of expressions in one message, which locks as many tables for a moment.
_TOGETHER = 100
#: The migration that brought what operators need.
_OPERATIONS = "0005_operations"
#: The one that brought assertions.
_ASSERTIONS = "0006_assertions"
#: The one that keeps the readers that a definition names.
_READERS = "0047_readers"
#: The migration that brought the keys of batches.
_BATCH_KEYS = "0052_batch_names"
#: The migration that brought snapshots.
SNAPSHOTS = "0008_snapshots"


def _hypertables(
    conn: Connection, engine: Engine, relations: Mapping[Name, Relation]
) -> dict[Name, Relation]:
    """The relations, with the columns of a hypertable that decide about chunks as its partition key.

    Its chunks are not children that rows are written to.
    """
    found = dict(relations)
    if "timescaledb" in engine.extensions and relations:
        for row in fetch(conn, "hypertables", {"names": json.dumps(sorted(relations))}):
            name = (row["schema_name"], row["name"])
            found[name] = replace(
                found[name], is_hypertable=True, partition_key=tuple(row["columns"]), children=()
            )
    return found


def read_catalog(
    conn: Connection, definitions: Sequence[Definition], *, only_tables: bool = False
) -> Catalog:
    """Read what the compiler and the planner need to know, and change nothing.

    Args:
        conn: A connection of a role that may read the tables.
        definitions: The definitions to compile.
        only_tables: Leave out the installed state, which needs rights on pgslo's own tables.

    Raises:
        DatabaseError: As :func:`check_node`.
    """
    engine = check_node(conn)
    named: set[Name] = set()
    for definition in definitions:
        named.add((definition.schema_name, definition.table_name))
        if definition.labels is not None:
            named.add((definition.labels.schema_name, definition.labels.table_name))
        for rule in (*definition.rules, *definition.assertions):
            named.update(rule.tables)
    with by_own_names(conn), conn.cursor(row_factory=dict_row) as cursor:
        server = cursor.execute(query("server")).fetchone() or {}
        rows = cursor.execute(query("relations"), {"names": json.dumps(sorted(named))}).fetchall()
    relations = _hypertables(
        conn, engine, {(row["schema_name"], row["name"]): _relation(row) for row in rows}
    )
    state = runtime.Installed(None, {}, None) if only_tables else runtime.read(conn)
    return Catalog(
        server_version=server["server_version"],
        relations=relations,
        installed=installed(conn) if state.is_there else (),
        runtime=state.version,
        runtime_sha256=state.functions_sha256,
        expression_types=_expression_types(conn, definitions, relations),
        schemas=frozenset(server["schemas"]),
        renamed=_renamed(conn) if state.version else {},
        replaced=replaced(conn) if state.version else frozenset(),
        batch_keys={row["definition"]: row["batch_key"] for row in fetch(conn, "batch_keys")}
        if _BATCH_KEYS in state.migrations
        else {},
        stated=_stated(conn) if _BATCH_KEYS in state.migrations else {},
        roles=frozenset(server["roles"]),
        user=server["user"],
        keeper=server["keeper"],
        views=_views(conn) if _READERS in state.migrations else {},
        reaches=_reaches(conn, definitions),
        gist_types=frozenset(server["gist_types"]),
        engine=engine,
        citus=read_citus(conn, engine, named),
        encoding=state.encoding,
    )


def _stated(conn: Connection) -> dict[str, Stated]:
    """The installed state of each definition, in its own words."""
    return {
        row["definition"]: Stated(row["fields"], row["rules"], row["tasks"]) for row in fetch(conn, "stated")
    }


def _views(conn: Connection) -> dict[tuple[str, ...], GuardedView]:
    """The guarded views that are installed, as other roles see them."""
    return {
        tuple(row["names"]): GuardedView(
            readers=tuple(row["readers"]),
            columns=tuple(row["columns"]),
            retyped=frozenset(row["retyped"]),
            grants=tuple(Grant(**one) for one in row["grants"]),
            missing=tuple(Grant(**one) for one in row["missing"]),
            copies={role: tuple(names) for role, names in row["copies"].items()},
            comment=row["comment"],
            column_comments=row["column_comments"],
        )
        for row in fetch(conn, "views")
    }


def table_readers(conn: Connection, tables: Sequence[Name]) -> dict[Name, tuple[TableReader, ...]]:
    """Roles that may read each of these tables by a grant, and could not read everything anyway."""
    found: dict[Name, tuple[TableReader, ...]] = {}
    for row in fetch(conn, "table_readers", {"names": json.dumps(tables)}):
        name = (row["schema_name"], row["name"])
        found[name] = (*found.get(name, ()), TableReader(row["role"], frozenset(row["acts_as"])))
    return found


def _reaches(conn: Connection, definitions: Sequence[Definition]) -> dict[tuple[Name, Name], Reach]:
    """What owners of defined tables may do with the other relations that their definitions read."""
    pairs = [
        [definition.schema_name, definition.table_name, *read.name]
        for definition in definitions
        for read in reading.reads(definition)
    ]
    if not pairs:
        return {}
    return {
        ((row["schema_name"], row["name"]), (row["other_schema"], row["other_name"])): Reach(
            row["reader"],
            row["kind"],
            row["owner"],
            row["is_trusted"],
            row["may_read"],
            row["may_refer"],
            row["may_act"],
        )
        for row in fetch(conn, "reaches", {"pairs": json.dumps(pairs)})
    }


def read_relation(conn: Connection, name: Name) -> Relation | None:
    """Read what a table looks like, or ``None`` without one."""
    rows = fetch(conn, "relations", {"names": json.dumps([name])})
    return _hypertables(conn, check_node(conn), {name: _relation(rows[0])})[name] if rows else None


def _renamed(conn: Connection) -> dict[Name, str]:
    with by_own_names(conn):
        return {(schema, name): definition for schema, name, definition in conn.execute(query("renamed"))}


def replaced(conn: Connection) -> frozenset[str]:
    """Definitions whose name another table has by now; the runtime has to be there."""
    with by_own_names(conn):
        return frozenset(definition for (definition,) in conn.execute(query("replaced")))


def _column(facts: dict[str, Any]) -> Column:
    return Column(**facts | {"fields": tuple(Field(**one) for one in facts["fields"])})


def _relation(row: dict[str, Any]) -> Relation:
    return Relation(
        schema=row["schema_name"],
        name=row["name"],
        kind=row["kind"],
        columns=tuple(_column(column) for column in row["columns"]),
        primary_key=tuple(row["primary_key"]),
        partition_key=tuple(row["partition_key"]),
        key_code=tuple((code, role) for code, role in row["key_code"]),
        lent_code=tuple((thing, role) for thing, role in row["lent_code"]),
        indexes=tuple(
            Index(
                tuple(index["columns"]), index["unique"], index["whole"], index["method"], index["nulls_same"]
            )
            for index in row["indexes"]
        ),
        foreign_keys=tuple(
            ForeignKey(tuple(key["columns"]), (key["table"][0], key["table"][1]), tuple(key["to"]))
            for key in row["foreign_keys"]
        ),
        before_row_triggers=tuple(row["before_row_triggers"]),
        partitions=_names(row["partitions"]),
        parents=_names(row["parents"]),
        children=_names(row["children"]),
        is_partition=row["is_partition"],
        row_security=row["row_security"],
        owner=row["owner"],
        schema_owner=row["schema_owner"],
        keeper_reads=row["keeper_reads"],
        foreign_parts=tuple(((schema, name), owner) for schema, name, owner in row["foreign_parts"]),
        foreign_tables=_names(row["foreign_tables"]),
        rows=row["rows"],
        number=row["number"],
        comment=row["comment"],
    )


def _names(pairs: Iterable[Sequence[str]]) -> tuple[Name, ...]:
    return tuple((schema, name) for schema, name in pairs)


def installed(conn: Connection) -> tuple[Installed, ...]:
    """What pgslo generated, as it is now, in the order of its names; the runtime has to be there."""
    return _generated(conn)[0]


def forgeries(conn: Connection) -> tuple[Forgery, ...]:
    """Objects whose comments claim that they are pgslo's; the runtime has to be there."""
    return _generated(conn)[1]


def _generated(conn: Connection) -> tuple[tuple[Installed, ...], tuple[Forgery, ...]]:
    return once(conn, "generated", lambda: read_generated(conn))


def read_generated(conn: Connection) -> tuple[tuple[Installed, ...], tuple[Forgery, ...]]:
    """What pgslo generated, and what only claims it, whether or not they were read before."""
    found, forged = [], []
    with by_own_names(conn), conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query("installed")).fetchall()
        if _ASSERTIONS in runtime.read(conn).migrations:
            rows += cursor.execute(query("assertions")).fetchall()
        for row in rows:
            relation = tuple(row["relation"]) if row["relation"] else None
            if not row["is_ours"]:
                forged.append(
                    Forgery(row["kind"], tuple(row["names"]), relation, row["owner"], row["comment"])
                )
                continue
            known = read_comment(row["comment"])
            if known is None:
                continue
            fingerprint, definition = known
            found.append(
                Installed(
                    kind=row["kind"],
                    names=tuple(row["names"]),
                    definition=definition,
                    fingerprint=fingerprint,
                    relation=relation,
                    body=row["body"],
                    validated=row["validated"],
                    enabled=row["enabled"],
                    dependants=tuple(row["dependants"]),
                    refers_to=tuple(row["refers_to"]) if row["refers_to"] else None,
                    cloned=row["cloned"],
                    owner=row["owner"],
                    fires_always=row["fires_always"],
                )
            )
    return tuple(sorted(found, key=lambda one: (one.kind, one.relation or (), one.names))), tuple(forged)


def _expression_types(
    conn: Connection, definitions: Sequence[Definition], relations: dict[Name, Relation]
) -> dict[tuple[Name, str], tuple[str, str, bool]]:
    """Ask PostgreSQL for the type of each batch expression."""
    asked: dict[tuple[Name, str], Expression] = {}
    for definition in definitions:
        name: Name = (definition.schema_name, definition.table_name)
        by = definition.batch.by if definition.batch else None
        if (
            by is not None
            and name in relations
            and all(relations[name].column(column) is not None for column in by.columns)
        ):
            asked[name, by.text] = by
    numbers = _numbers_of_types(conn, asked)
    known = {
        row["number"]: (row["type"], row["category"], row["is_plain"])
        for row in fetch(conn, "expression_types", {"numbers": sorted(set(numbers.values()))})
    }
    return {key: known[number] for key, number in numbers.items() if number in known}


def _numbers_of_types(
    conn: Connection, asked: Mapping[tuple[Name, str], Expression]
) -> dict[tuple[Name, str], int]:
    """The oid of the type of each expression over a table: asked in one message, and one by one if one is refused."""
    keys = list(asked)
    found: dict[tuple[Name, str], int] = {}
    try:
        for first in range(0, len(keys), _TOGETHER):
            some = keys[first : first + _TOGETHER]
            values = ((f"({value_probe(name, asked[name, text])}\n)") for name, text in some)
            with asking(conn):
                found.update(zip(some, analysed(conn, Sql(f"SELECT {', '.join(values)}")), strict=True))
    except psycopg.Error:
        found = {}
        for key, expression in asked.items():
            with probing(conn, expression.location):
                (found[key],) = analysed(conn, value_probe(key[0], expression))
    return found


def read_view_schemas(conn: Connection, wanted: Sequence[dict[str, Any]]) -> tuple[ViewSchema, ...]:
    """Return what the schemas of guarded views are, and who may create in them."""
    rows = fetch(conn, "view_schemas", {"wanted": json.dumps(wanted)})
    return tuple(ViewSchema(**{**row, "creators": tuple(row["creators"])}) for row in rows)


def installed_schemas(conn: Connection, found: Sequence[Installed]) -> tuple[ViewSchema, ...]:
    """The schemas of guarded views that are installed."""
    tables = {row["definition"]: row for row in fetch(conn, "defined_tables")}
    return read_view_schemas(
        conn,
        [
            {**tables[one.definition], "schema": one.names[0], "builder": one.owner}
            for one in found
            if one.kind == "view" and one.definition in tables
        ],
    )


def paused(conn: Connection) -> list[dict[str, Any]]:
    """Pauses in force: definition, rule (``None``: every rule), when and by which role."""
    if _OPERATIONS not in runtime.read(conn).migrations:
        return []
    return fetch(conn, "paused")


def definitions_installed(conn: Connection) -> tuple[str, ...]:
    """Names of the definitions that are installed."""
    if runtime.read(conn).version is None:
        return ()
    return tuple(row[0] for row in conn.execute("SELECT name FROM pgslo_catalog.definition ORDER BY name"))


def held_rows(conn: Connection) -> dict[str, int]:
    """Rows that wait in quarantine, by definition."""
    if runtime.read(conn).version is None:
        return {}
    with by_own_names(conn):
        return dict(conn.execute(query("held_rows")).fetchall())


def snapshots_left(conn: Connection) -> dict[str, int]:
    """How many snapshots stay (``copies``) and how many go (``refs``) when the runtime goes."""
    if SNAPSHOTS not in runtime.read(conn).migrations:
        return {"copies": 0, "refs": 0}
    (row,) = fetch(conn, "snapshots_left")
    return row


def runtime_dependants(conn: Connection) -> tuple[str, ...]:
    """Objects of other roles that depend on the runtime, in words."""
    with by_own_names(conn):
        return tuple(row[0] for row in conn.execute(query("runtime_dependants")))
