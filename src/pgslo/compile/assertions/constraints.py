"""Assertions that a constraint of PostgreSQL says as well: unique index, foreign key, exclusion constraint."""

from __future__ import annotations

from dataclasses import dataclass

from pgslo import naming, sql
from pgslo.catalog import Name
from pgslo.compile.artifact import Artifact, Lock, Statement, qualified
from pgslo.compile.rows import kinds
from pgslo.compile.snippets import session_settings
from pgslo.compile.table.context import TableContext
from pgslo.compile.table.subject import Subject
from pgslo.definition.rules import Assertion
from pgslo.definition.rules import assertions as forms
from pgslo.sql import Sql

#: Up to so many rows an exclusion constraint is built at once: it has no NOT VALID, and nobody writes meanwhile.
_EXCLUDABLE = 100_000
_RANGES = {
    "date": "daterange",
    "timestamp without time zone": "tsrange",
    "timestamp with time zone": "tstzrange",
    "integer": "int4range",
    "bigint": "int8range",
    "numeric": "numrange",
}


@dataclass(frozen=True)
class _Exclusion:
    table: Sql
    constraint: Sql
    elements: Sql
    where: Sql


def constraint(rule: Assertion, table: TableContext) -> tuple[Artifact | None, str] | str:
    """The constraint that says the same and why it is chosen, or why there is none; empty where that is plain."""
    if rule.on_breach != "reject" or not isinstance(
        rule, forms.AllEqual | forms.AtMostOne | forms.NoneWithout | forms.NeverOverlap
    ):
        return ""
    if rule.is_deferred:
        return "writers who conflict in a deferred constraint wait for each other until PostgreSQL ends one of them"
    if session_settings.needed((rule,), table.relation):
        return "a constraint evaluates conditions under the settings of each session, which would change them"
    if not rule.validated:
        return "a constraint would hold the rows that are there to it as well"
    match rule:
        case forms.AtMostOne():
            return _unique(rule, table)
        case forms.NoneWithout():
            return _foreign_key(rule, table)
        case forms.NeverOverlap():
            return _spans_exclusion(rule, table)
        case forms.AllEqual():
            return _equal_exclusion(rule, table)
    raise AssertionError(rule.kind)


def rests_on(rule: Assertion, made: Artifact | None, table: TableContext) -> dict[str, object] | None:
    """What has to be in the database for a native assertion; ``None`` where pgslo's own constraint is all."""
    if isinstance(rule, forms.AtMostOne | forms.NoneWithout):
        return kinds.of(rule.as_rule(), table.subject).rests_on(made)
    return None


def _unique(rule: forms.AtMostOne, table: TableContext) -> tuple[Artifact | None, str] | str:
    missing = [name for name in table.relation.partition_key if name not in rule.group_by]
    if not rule.group_by or missing:
        return "a unique index needs columns" + (", the partition key among them" if missing else "")
    reason = "a unique index says the same, at every isolation level, and is what readers use besides"
    made = kinds.of(rule.as_rule(), table.subject).constraint(table.definition.name, reason)
    return made, reason if made else "the table has it already; nothing is created"


def _foreign_key(rule: forms.NoneWithout, table: TableContext) -> tuple[Artifact | None, str] | str:
    if rule.where is not None or rule.among is not None:
        return "a foreign key is about all rows"
    theirs = tuple(one for _, one in rule.on)
    other = table.subject.catalog.relations[rule.table]
    if not other.has_unique(theirs):
        return f"a foreign key needs {', '.join(theirs)} to be unique in {'.'.join(rule.table)}"
    reason = "a foreign key says the same, at every isolation level"
    made = kinds.of(rule.as_rule(), table.subject).constraint(table.definition.name, reason)
    return made, reason if made else "the table has it already; nothing is created"


def _spans_exclusion(rule: forms.NeverOverlap, table: TableContext) -> tuple[Artifact | None, str] | str:
    relation = table.relation
    start, end = relation.column(rule.start), relation.column(rule.end)
    assert start is not None
    assert end is not None
    made_range = _RANGES.get(start.base_type)
    if made_range is None or start.base_type != end.base_type:
        return f"there is no range of {start.type} and {end.type}"
    first, last = sql.identifier(rule.start), sql.identifier(rule.end)
    spans = Sql(f"{made_range}({first}, {last}) WITH &&")
    # A range may not end before it begins; such a row, and one without a beginning, overlaps nothing.
    proper = Sql(f"{first} IS NOT NULL AND ({last} IS NULL OR {first} < {last})")
    return _exclusion(rule, table, spans, (proper,))


def _equal_exclusion(rule: forms.AllEqual, table: TableContext) -> tuple[Artifact | None, str] | str:
    column = table.relation.column(rule.value)
    assert column is not None
    if column.base_type not in table.subject.catalog.gist_types:
        return f"an exclusion constraint needs the extension btree_gist, and a type that it knows; {column.type} is none here"
    return _exclusion(rule, table, Sql(f"{sql.identifier(rule.value)} WITH <>"), ())


def _exclusion(
    rule: Assertion, table: TableContext, element: Sql, conditions: tuple[Sql, ...]
) -> tuple[Artifact | None, str] | str:
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
