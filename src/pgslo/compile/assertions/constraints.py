"""Exclusion constraints, which state an assertion natively."""

from __future__ import annotations

from dataclasses import dataclass

from pgslo import naming, sql
from pgslo.catalog import Name
from pgslo.compile.artifact import Artifact, Lock, Statement, qualified
from pgslo.compile.table.context import TableContext
from pgslo.compile.table.subject import Subject
from pgslo.definition.rules import Assertion
from pgslo.sql import Sql

#: Up to this number of rows an exclusion constraint is built at once: it has no NOT VALID, and writes wait meanwhile.
_EXCLUDABLE = 100_000


@dataclass(frozen=True)
class _Exclusion:
    table: Sql
    constraint: Sql
    elements: Sql
    where: Sql


def exclusion(
    rule: Assertion, table: TableContext, element: Sql, conditions: tuple[Sql, ...]
) -> tuple[Artifact | None, str] | str:
    """Return an exclusion constraint by which rows of a group exclude each other, and why it is chosen; or the reason against it.

    Args:
        rule: The assertion.
        table: The definition and its table.
        element: The values that two rows may not have in common, in the syntax of the constraint.
        conditions: Which rows it is about, besides those of the assertion's ``where``.
    """
    relation, catalog = table.relation, table.subject.catalog
    own: Name = (relation.schema, relation.name)
    name = naming.fit("pgslo", rule.name)
    for grouping in rule.group_by:
        column = Subject(relation, catalog).column(grouping, rule.place("group_by"))
        if column.base_type not in catalog.gist_types:
            return f"an exclusion constraint needs the extension btree_gist for {grouping}, of type {column.type}"
    if relation.kind == "p":
        return "a partitioned table has no exclusion constraints over all partitions"
    if relation.is_hypertable:
        return "a hypertable has no exclusion constraints over all chunks"
    if catalog.engine.is_yugabyte:
        return "YugabyteDB has no exclusion constraints"
    is_there = any(
        one.kind == "exclusion" and one.names == (name,) and one.relation == own for one in catalog.installed
    )
    if relation.rows > _EXCLUDABLE and not is_there:
        return f"an exclusion constraint would lock a table of about {relation.rows:,} rows while it is built"
    where = (*((rule.where.qualified(qualified(own)),) if rule.where else ()), *conditions)
    grouped = [Sql(f"{sql.identifier(grouping)} WITH =") for grouping in rule.group_by]
    context = _Exclusion(
        table=qualified(own),
        constraint=sql.identifier(name),
        elements=sql.join(", ", (*grouped, element)),
        where=Sql(f" WHERE ({sql.join(' AND ', where)})") if where else Sql(""),
    )
    lock: Lock = "ACCESS EXCLUSIVE"
    reason = "an exclusion constraint says the same, at every isolation level, and finds what conflicts by its index"
    made = Artifact(
        kind="exclusion",
        names=(name,),
        relation=own,
        definition=table.definition.name,
        create=(
            Statement(
                sql.render("exclusion", context),
                lock,
                f"{own[0]}.{own[1]}",
                hazards=("reads the whole table while reads and writes wait",),
            ),
        ),
        reason=reason,
        commented=Sql(f"CONSTRAINT {context.constraint} ON {context.table}"),
    )
    return made, reason
