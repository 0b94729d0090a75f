"""Where the rows of a table are: engines, clusters and extensions on which triggers, views or records would not be there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pgslo import sql
from pgslo.catalog import Catalog, Citus, Engine, Name, Placement
from pgslo.compile import shards
from pgslo.compile.artifact import Artifact
from pgslo.compile.choice import Choice
from pgslo.compile.table import reading
from pgslo.definition import bounds, rules
from pgslo.definition.rules import Definition
from pgslo.errors import CatalogError, DatabaseError, PlanError

#: What the text of ``version()`` holds, the engine's name, and why pgslo refuses it.
_REFUSED = (
    ("CockroachDB", "CockroachDB", "It has no statement triggers, transition tables or session locks."),
    ("Greenplum Database", "Greenplum", "It has no triggers that users define."),
    ("Cloudberry", "Cloudberry", "It has no triggers that users define."),
    ("-limitless", "Aurora PostgreSQL Limitless Database", "It has no triggers."),
)
_SUPPORTED = "docs/explanation/where-it-runs.md lists the engines"


def refused_version(version: str) -> DatabaseError | None:
    """Return why pgslo refuses an engine, by the text of its ``version()``; ``None`` if it does not."""
    for mark, name, reason in _REFUSED:
        if mark in version:
            return DatabaseError(f"pgslo does not run on {name}", detail=reason, hint=_SUPPORTED)
    return None


def refused_engine(engine: Engine) -> DatabaseError | None:
    """Return why pgslo refuses an engine, by its catalogue; ``None`` if it does not."""
    if engine.is_limitless:
        return refused_version("-limitless")
    if not engine.has_plpgsql:
        return DatabaseError(
            "the database has no language plpgsql, in which pgslo's functions are written",
            hint=f"CREATE EXTENSION plpgsql; without it, as in Aurora DSQL, pgslo does not run: {_SUPPORTED}",
        )
    return None


def refused_worker(citus: Citus | None) -> DatabaseError | None:
    """Return the error of a command that changes something on a worker of a Citus cluster; ``None`` on its coordinator."""
    if citus is None or not citus.is_worker:
        return None
    where = f", {citus.coordinator}" if citus.coordinator else ""
    return DatabaseError(
        f"this is a worker of a Citus cluster; apply and tick run on its coordinator{where}",
        hint="connect to the coordinator",
    )


def check(definition: Definition, catalog: Catalog, choices: Iterable[Choice]) -> Iterator[CatalogError]:
    """Yield an error for each rule that cannot be kept where the rows of the table are.

    Args:
        definition: The definition.
        catalog: The database as it is.
        choices: How each enabled rule and assertion is enforced.
    """
    own: Name = (definition.schema_name, definition.table_name)
    placed = catalog.placement(own)
    if placed is not None and placed.kind == "managed":
        yield _managed(definition)
        return
    chosen = tuple(choices)
    if placed is not None and placed.on_shards and shards.needed(definition, chosen):
        yield from shards.check_table(definition, catalog, placed)
    for choice in chosen:
        error = _rule_error(choice, definition, placed) if placed else None
        if error is not None:
            yield error
    yield from _read_errors(definition, catalog, placed)


def check_assertions(definition: Definition, catalog: Catalog) -> Iterator[CatalogError]:
    """Yield an error for each assertion that no index or other change of the table would make possible."""
    placed = catalog.placement((definition.schema_name, definition.table_name))
    for asserted in definition.assertions:
        if asserted.by_index:
            continue
        if placed is not None and placed.kind == "distributed":
            yield shards.ungrouped(asserted, definition, placed)
        elif catalog.engine.is_yugabyte:
            yield CatalogError(
                "YugabyteDB has no triggers that wait for the end of a transaction, which assertions need",
                location=asserted.location,
            )


def check_triggers(
    definition: Definition, catalog: Catalog, artifacts: Iterable[Artifact]
) -> Iterator[CatalogError]:
    """Yield an error if a definition needs triggers for something else than its rules on a table that cannot have them."""
    tables = dict.fromkeys(one.relation for one in artifacts if one.kind == "trigger" and one.relation)
    for name in tables:
        placed = catalog.placement(name)
        if placed is not None and not placed.on_shards:
            yield CatalogError(
                _unrecorded(".".join(name), placed),
                detail="Batches and learned bounds need such records.",
                hint="watch: false, and only rules that are PostgreSQL constraints",
                location=definition.place("table"),
            )


def notes(definition: Definition, catalog: Catalog) -> tuple[str, ...]:
    """Return what the author should know of a table that can be guarded in part."""
    name: Name = (definition.schema_name, definition.table_name)
    placed = catalog.placement(name)
    if placed is None:
        return ()
    if placed.on_shards:
        rights = f"USAGE on schema {definition.schema_name} and SELECT on {definition.name}"
        return (
            f"{definition.name} is distributed{placed.by}: rows are counted and judged by tick()",
            f"readers of guarded views need {rights}, because Citus reads shards with the rights of the reader",
        )
    note = (
        f"{definition.name} is on the nodes of a Citus cluster: the guarded view fails where a query is sent to one node, as"
        " pgslo's tables are on the coordinator alone"
    )
    return (note,)


def refuse_triggers(tables: Iterable[Name], catalog: Catalog) -> None:
    """Refuse a plan that creates, replaces or drops triggers which Citus would not let it touch.

    Args:
        tables: Those whose triggers the plan changes.
        catalog: The database as it is.

    Raises:
        PlanError: One of them is distributed, and the setting is off.
    """
    citus = catalog.citus
    if citus is None or citus.has_unsafe_triggers:
        return
    for name in tables:
        if catalog.placement(name) is not None:
            role, database = sql.identifier(catalog.user), sql.identifier(catalog.engine.database)
            raise PlanError(
                f"Citus creates, replaces and drops triggers of {'.'.join(name)} only with citus.enable_unsafe_triggers",
                detail="Writers do not need the setting.",
                hint=f"ALTER ROLE {role} IN DATABASE {database} SET citus.enable_unsafe_triggers = on",
            )


def _managed(definition: Definition) -> CatalogError:
    table = sql.literal(str(sql.identifier(definition.schema_name, definition.table_name)))
    return CatalogError(
        f"{definition.name} is a local table in the metadata of Citus, which keeps its rows in a table of another name",
        hint=f"SELECT undistribute_table({table}), with cascade_via_foreign_keys => true where foreign keys refer to it",
        location=definition.place("table"),
    )


def _rule_error(choice: Choice, definition: Definition, placed: Placement) -> CatalogError | None:
    rule, table = choice.rule, definition.name
    unique = _unique(choice)
    if unique and placed.column and placed.column not in unique:
        return CatalogError(
            f"a unique rule of a distributed table needs its distribution column, {placed.column}",
            location=rule.location,
        )
    if placed.on_shards:
        return None if unique else shards.check_rule(choice, definition, placed)
    if unique or (choice.mechanism in shards.WITHOUT_TRIGGER and not isinstance(rule, rules.Assertion)):
        return None
    if placed.kind == "reference":
        return CatalogError(
            f"each node has a copy of {table} and would evaluate it alone; only rules that are PostgreSQL constraints can be enforced",
            location=rule.location,
        )
    if isinstance(rule, rules.Assertion):
        return shards.ungrouped(rule, definition, placed)
    if any(bound is not None for bound in bounds.rejects(rule)):
        return CatalogError(
            f"{table} is distributed: no node knows the whole batch before the next tick; the rule cannot reject",
            detail="Nor can it warn: what triggers record on the nodes does not reach the coordinator.",
            location=rule.location,
        )
    return CatalogError(
        _unrecorded(table, placed),
        hint="only rules that are PostgreSQL constraints can be kept there: not_null, unique and references that reject",
        location=rule.location,
    )


def _unique(choice: Choice) -> tuple[str, ...]:
    """The columns of the unique index that keeps a rule or an assertion; empty if none does."""
    return choice.rule.distinct if choice.mechanism == "native" else ()


def _unrecorded(table: str, placed: Placement) -> str:
    if placed.kind == "reference":
        return f"each node has a copy of {table}; what its triggers record does not reach the coordinator"
    return (
        f"{table} is distributed{placed.by}: what triggers record on its nodes does not reach the coordinator"
    )


def _read_errors(
    definition: Definition, catalog: Catalog, placed: Placement | None
) -> Iterator[CatalogError]:
    """Yield an error for each rule that reads a table of the cluster in a way that was not tried."""
    for read in reading.reads(definition):
        other = catalog.placement(read.name)
        named = ".".join(read.name)
        if read.by_key:
            if other is not None and placed is None:
                yield CatalogError(
                    f"a foreign key to {named} makes Citus manage {definition.name}, which pgslo cannot guard then",
                    location=read.location,
                )
            elif placed is not None and not _may_refer(placed, other):
                yield CatalogError(
                    f"{definition.name} is on the nodes of a Citus cluster, where a foreign key needs a reference table or a"
                    f" table that is distributed together with it; {named} is neither",
                    location=read.location,
                )
        elif other is not None or placed is not None:
            table = named if other is not None else definition.name
            yield CatalogError(
                f"{table} is on the nodes of a Citus cluster; rules that look rows up in another table, and labels, are not supported there",
                location=read.location,
            )


def _may_refer(placed: Placement, other: Placement | None) -> bool:
    if other is None or other.kind == "managed":
        return False
    if other.kind == "reference":
        return True
    return placed.kind == "distributed" and placed.colocation == other.colocation
