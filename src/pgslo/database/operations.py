"""What operators do to a database that is guarded: find what moved, switch rules off for now and on again."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import psycopg

from pgslo import sql
from pgslo.catalog import Installed
from pgslo.database import catalog_queries, catalog_reader, installers, planning, probing, runtime
from pgslo.database import connections as database
from pgslo.definition.rules import Definition, Rule
from pgslo.errors import PgsloError
from pgslo.plan import Plan, drift, standing
from pgslo.plan.drift.findings import Counts, Facts, Finding
from pgslo.sql import Sql

_COUNTED = frozenset(one.name for one in fields(Counts))


def find_drift(conn: database.Connection) -> tuple[Finding, ...]:
    """What moved in the database since the last apply of each definition."""
    return examine(conn)[0]


def examine(conn: database.Connection) -> tuple[tuple[Finding, ...], tuple[standing.Standing, ...]]:
    """Changes since the last apply of each definition, and the state of each rule."""
    with catalog_queries.reading_once(conn):
        return _examine(conn)


def _examine(conn: database.Connection) -> tuple[tuple[Finding, ...], tuple[standing.Standing, ...]]:
    now = catalog_reader.installed(conn)
    found, standings = _of_tables(conn, now, is_thorough=True)
    state = runtime.read(conn)
    found += drift.find_rights(runtime.strange_rights(conn))
    found += drift.find_owners(catalog_queries.fetch(conn, "own_objects"))
    found += drift.find_replicated(catalog_queries.fetch(conn, "replicated"))
    if catalog_reader.SNAPSHOTS in state.migrations:
        found += drift.find_snapshots(catalog_queries.fetch(conn, "snapshot_drift"))
    found += drift.find_schemas(catalog_reader.installed_schemas(conn, now))
    found += drift.find_irregular(catalog_queries.fetch(conn, "irregular"))
    found += drift.find_forgeries(catalog_reader.forgeries(conn))
    return tuple(found), tuple(standings)


def with_standings(conn: database.Connection, plan: Plan) -> Plan:
    """A plan that also says which rules are not in force now, whether or not one of its steps changes that."""
    planned = {definition for definition, _ in plan.choices}
    is_other = bool(set(plan.runtime_scripts) - {runtime.RIGHTS})
    if is_other or not planned.intersection(catalog_reader.definitions_installed(conn)):
        return plan  # nothing is installed that could be in force, or not in a way that this version reads
    _, standings = _of_tables(conn, catalog_reader.installed(conn), is_thorough=False)
    kept = {(definition, choice.rule.name) for definition, choices in plan.choices for choice in choices}
    said = standing.said([one for one in standings if (one.definition, one.rule) in kept])
    return replace(plan, notes=(*said, *plan.notes))


def _of_tables(
    conn: database.Connection, now: Sequence[Installed], *, is_thorough: bool
) -> tuple[list[Finding], list[standing.Standing]]:
    """Changes of the defined tables and their rules.

    Args:
        conn: Where they are.
        now: What pgslo generated, as it is now.
        is_thorough: Whether rows are counted, each table's newest batch is looked up, which shows rows that no trigger saw,
            and code of the columns' types.
    """
    found: list[Finding] = []
    standings: list[standing.Standing] = []
    pauses = catalog_reader.paused(conn)
    replaced = catalog_reader.replaced(conn)
    rules = catalog_queries.fetch(conn, "standing")
    counts = _counts(conn) if is_thorough else {}
    for row in catalog_queries.fetch(conn, "drift", {"made": _made(now), "types": is_thorough}):
        name = row["definition"]
        facts = Facts(**row, is_replaced=name in replaced, counts=counts.get(name))
        its = [rule for rule in rules if rule["definition"] == name]
        moved = standing.named(facts, its, drift.find(facts, now, pauses))
        found += moved
        standings += standing.of_table(facts, its, moved)
    return found, standings


def _made(now: Sequence[Installed]) -> str:
    """Triggers and views as ``sql/catalog/drift.sql`` takes them."""
    return json.dumps(
        [
            {
                "kind": one.kind,
                "schema": one.relation[0] if one.relation else one.names[0],
                "relation": one.relation[1] if one.relation else None,
                "name": one.names[-1],
                "definition": one.definition,
            }
            for one in now
            if one.kind in ("trigger", "view")
        ]
    )


def _counts(conn: database.Connection) -> dict[str, Counts]:
    """The rows of each defined table, and of its records."""
    found = {}
    for row in catalog_queries.fetch(conn, "recorded_rows"):
        newest = _newest_place(conn, row)
        found[row["definition"]] = Counts(
            **{one: row[one] for one in row if one in _COUNTED}, newest_in_table=newest
        )
    return found


def _newest_place(conn: database.Connection, row: dict[str, Any]) -> Any:
    """The order of the newest batch of the table, by index alone.

    ``None`` as well where asking would run code of the table's owner with the rights of the current role.
    """
    if row["batch_by"] is None or not row["batch_has_index"]:
        return None
    definition = {"definition": row["definition"]}
    with catalog_queries.by_own_names(conn):
        names = conn.execute(catalog_queries.query("relation_of"), definition).fetchone()
    assert names is not None, "a table that has a name is there"
    table, reader = names
    newest = _Newest(Sql(row["batch_place"]), Sql(row["batch_by"]), Sql(table))
    question = sql.render("newest_batch", newest)
    try:
        with probing.asking(conn):
            if reader is None:
                conn.execute(sql.render("hold_to_read", newest).text.encode())
                place = _asked(conn, question, {**definition, "table": table})
            else:
                conn.execute(catalog_queries.query("pin_table"), definition)
                place = conn.execute(
                    sql.render(
                        "read_place", _Reader(sql.identifier(reader), sql.literal(question.text))
                    ).text.encode()
                ).fetchone()
    except psycopg.Error:
        return None  # a needed column was dropped: reported as such
    return place[0] if place else None


def _asked(conn: database.Connection, question: Sql, names: dict[str, str]) -> Any:
    """Ask a question about a table, which is locked, with the rights of the current role, if no other role's code can run."""
    allowed = conn.execute(catalog_queries.query("read_directly"), names).fetchone()
    return conn.execute(question.text.encode()).fetchone() if allowed and allowed[0] else None


@dataclass(frozen=True)
class _Reader:
    function: Sql
    question: Sql


@dataclass(frozen=True)
class _Newest:
    place: Sql
    by: Sql
    table: Sql


def pause(conn: database.Connection, definition: str | None) -> tuple[str, ...]:
    """Switch every rule of a table off that a trigger keeps, or those of all tables; returns the tables' names."""
    with database.errors():
        return tuple(row[0] for row in conn.execute("SELECT pgslo.pause(%s)", (definition,)))


def resume(conn: database.Connection, definition: str | None) -> tuple[str, ...]:
    """Switch everything on again that was paused of a table, or of all; returns the tables' names."""
    with database.errors():
        return tuple(row[0] for row in conn.execute("SELECT pgslo.resume(%s)", (definition,)))


def pause_rule(conn: database.Connection, definition: Definition, rule: str) -> None:
    """Take one rule out of the functions that keep it, without a table lock.

    Raises:
        PgsloError: There is no such rule, or no trigger keeps it.
        RuntimeMismatch: The output of this library does not fit the installed runtime.
    """
    runtime.check(
        conn,
        hint=f"bring it up to this one: pgslo migrate; or switch every rule off: pgslo pause {definition.name}",
    )
    catalog = catalog_reader.read_catalog(conn, [definition])
    (whole,) = planning.compile_all(conn, [definition], catalog)
    mechanism = next((choice.mechanism for choice in whole.choices if choice.rule.name == rule), None)
    if mechanism is None:
        known = ", ".join(choice.rule.name for choice in whole.choices)
        raise PgsloError(f"{definition.name} has no rule {rule}", hint=f"its rules are {known}")
    if mechanism in ("native", "on read"):
        raise PgsloError(
            f"no trigger keeps rule {rule}: {mechanism}",
            hint="take it out of the definition and apply that"
            if mechanism == "native"
            else "set on_read: silent in the definition and apply that",
        )
    with database.errors(), catalog_queries.by_own_names(conn):
        kept = [row[0] for row in conn.execute("SELECT pgslo_catalog.keep_functions(%s)", (definition.name,))]
        conn.execute(catalog_queries.query("pause_rule"), {"definition": definition.name, "rule": rule})
        off = {one["rule"] for one in catalog_reader.paused(conn) if one["definition"] == definition.name}
        parts: dict[str, tuple[Rule, ...]] = {"rules": definition.rules, "assertions": definition.assertions}
        rest = definition.model_copy(
            update={
                part: tuple(
                    one.model_copy(update={"enabled": False}) if one.name in off else one for one in stated
                )
                for part, stated in parts.items()
            }
        )
        (part,) = planning.compile_all(conn, [rest], catalog)
        functions = {one.names[0]: one for one in part.artifacts if one.kind == "function"}
        for name in kept:
            if None not in off and name in functions:
                conn.execute(functions[name].create[0].text.text.encode(), prepare=False)
            else:
                conn.execute("SELECT pgslo_catalog.silence(%s)", (name,))


@contextlib.contextmanager
def trying(conn: database.Connection, definition: Definition) -> Iterator[None]:
    """Have a definition registered, with its functions and without triggers or constraints, and roll it back at the end.

    Locks nothing on the table. Installs the runtime if needed.

    Raises:
        DefinitionErrors: The definition does not fit the database.
    """
    with installers.installing(conn), database.errors(), conn.transaction(force_rollback=True):
        runtime.install(conn)
        # Installing the runtime resets it.
        conn.execute("SET LOCAL search_path = pg_catalog, pg_temp")
        catalog = catalog_reader.read_catalog(conn, [definition])
        (compiled,) = planning.compile_all(conn, [definition], catalog)
        for kind in ("function", "registration"):
            for artifact in compiled.artifacts:
                if artifact.kind == kind:
                    for command in (one for statement in artifact.create for one in statement.commands):
                        conn.execute(command.text.encode(), prepare=False)
        yield
