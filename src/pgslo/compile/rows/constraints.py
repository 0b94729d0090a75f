"""Rules that PostgreSQL enforces by itself: NOT NULL, unique indexes and foreign keys."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pgslo import naming, sql
from pgslo.catalog import ForeignKey, Name, Relation
from pgslo.compile.artifact import Artifact, Constraint, NotNull, Statement, qualified
from pgslo.compile.rows.fitness import check_references
from pgslo.compile.snippets import session_settings
from pgslo.compile.table.column_types import check_casts, check_operators
from pgslo.compile.table.subject import Subject
from pgslo.compile.table.trust import untrusted
from pgslo.definition import rules
from pgslo.definition.rules import Definition
from pgslo.errors import CatalogError
from pgslo.sql import Sql


@dataclass(frozen=True)
class _ForeignKey:
    table: Sql
    constraint: Sql
    columns: Sql
    target: Sql
    to: Sql
    not_valid: Sql


@dataclass(frozen=True)
class _UniqueIndex:
    concurrently: Sql
    index: Sql
    table: Sql
    columns: Sql
    where: Sql


_SCAN = "reads the whole table, while others go on reading and writing"


def artifact(rule: rules.Rule, definition: Definition, subject: Subject, reason: str) -> Artifact | None:
    """The native object for a rule, or ``None`` when the table has what the rule wants already.

    Raises:
        CatalogError: PostgreSQL cannot make such an object on this table.
    """
    match rule:
        case rules.NotNull():
            return _not_null(rule, definition, subject, reason)
        case rules.Unique():
            return _unique(rule, definition, subject, reason)
        case rules.References():
            return _foreign_key(rule, definition, subject, reason)
        case _:
            raise AssertionError(rule.kind)


def rests_on(rule: rules.Rule, made: Artifact | None) -> dict[str, object] | None:
    """What has to be in the database for a native rule, by what it says and not by its name; the runtime looks for it.

    Args:
        rule: The rule.
        made: What pgslo makes for it; ``None`` when the table has it already.

    Returns:
        ``None`` for a unique index of some rows, which only pgslo makes.
    """
    wanted: dict[str, object]
    match rule:
        case rules.NotNull():
            wanted = {"kind": "not_null", "columns": [rule.column]}
        case rules.Unique(where=None):
            wanted = {"kind": "unique", "columns": list(rule.columns)}
        case rules.References():
            wanted = {
                "kind": "foreign_key",
                "columns": list(rule.columns),
                "table": list(rule.relation),
            }
        case _:
            return None
    return wanted | ({"object": {"kind": made.kind, "names": list(made.names)}} if made else {})


def _not_null(rule: rules.NotNull, definition: Definition, subject: Subject, reason: str) -> Artifact | None:
    relation = subject.relation
    assert rule.column is not None
    column = subject.column(rule.column, rule.location)
    own: Name = (relation.schema, relation.name)
    where = f"{relation.schema}.{relation.name}"
    ours = any(
        one.kind == "not_null" and one.names == (column.name,) and one.relation == own
        for one in subject.catalog.installed
    )
    if column.not_null and not ours:
        return None
    context = NotNull.of(own, column.name)
    constraint = Constraint(context.table, context.constraint)
    made = Artifact(
        kind="not_null",
        names=(column.name,),
        relation=own,
        definition=definition.name,
        create=(
            Statement(
                sql.render("not_null_check", context),
                "ACCESS EXCLUSIVE",
                where,
                hazards=("for a moment; new rows are held to it from here on",),
            ),
            Statement(
                sql.render("validate", constraint),
                "SHARE UPDATE EXCLUSIVE",
                where,
                later=True,
                hazards=(_SCAN,),
            ),
            Statement(
                sql.render("not_null_set", context),
                "ACCESS EXCLUSIVE",
                where,
                later=True,
                hazards=("for a moment: the check proves it, nothing is read",),
                then=(sql.render("drop_constraint", constraint), sql.render("not_null_note", context)),
            ),
        ),
        reason=reason,
    )
    stranger = untrusted(relation, subject)
    if stranger is None:
        return made
    # SET NOT NULL looks for a CHECK that proves it, and simplifies every CHECK as the role that applies.
    return replace(made, create=made.create[:1], known_as=made.fingerprint, note=_unchecked(rule, stranger))


def _unique(rule: rules.Unique, definition: Definition, subject: Subject, reason: str) -> Artifact | None:
    relation = subject.relation
    if rule.where is None and relation.has_unique(rule.columns):
        return None
    missing = [name for name in relation.partition_key if name not in rule.columns]
    if missing:
        raise CatalogError(
            f"rows of a {'hypertable' if relation.is_hypertable else 'partitioned table'} cannot be unique without its partition key ({', '.join(relation.partition_key)})",
            hint=f"add {', '.join(missing)} to the columns, or use on_breach: warn with an index to look rows up",
            location=rule.location,
        )
    if rule.where and session_settings.needed((rule.where,), relation):
        raise CatalogError(
            "an index cannot hold a condition that depends on settings of the session",
            hint="say the zone, as in AT TIME ZONE 'UTC', or use on_breach: quarantine, flag or warn",
            location=rule.where.location,
        )
    partitioned = relation.kind == "p" or relation.is_hypertable
    name = naming.fit("pgslo", relation.name, rule.name)
    where = f"{relation.schema}.{relation.name}"
    context = _UniqueIndex(
        # An index of a partitioned table, or of a hypertable, cannot be built concurrently.
        concurrently=Sql("" if partitioned else " CONCURRENTLY"),
        index=sql.identifier(name),
        table=qualified((relation.schema, relation.name)),
        columns=sql.join(", ", (sql.identifier(column) for column in rule.columns)),
        where=Sql(
            f" WHERE {rule.where.qualified(qualified((relation.schema, relation.name)))}"
            if rule.where
            else ""
        ),
    )
    index = sql.identifier(relation.schema, name)
    return Artifact(
        kind="unique_index",
        names=(relation.schema, name),
        relation=(relation.schema, relation.name),
        definition=definition.name,
        create=(
            Statement(
                sql.render("unique_index", context),
                "ACCESS EXCLUSIVE" if partitioned else "SHARE UPDATE EXCLUSIVE",
                where,
                alone=not partitioned,
                later=not partitioned,
                hazards=("blocks writes while it is built",)
                if partitioned
                else (_SCAN, "waits for transactions that are open now"),
            ),
        ),
        reason=reason,
        commented=Sql(f"INDEX {index}"),
    )


def _foreign_key(
    rule: rules.References, definition: Definition, subject: Subject, reason: str
) -> Artifact | None:
    relation = subject.relation
    target_name = rule.relation
    if ForeignKey(rule.columns, target_name, rule.to) in relation.foreign_keys:
        return None
    target = target_relation(rule, subject)
    if not target.has_unique(rule.to):
        raise CatalogError(
            f"{rule.table} ({', '.join(rule.to)}) has no unique constraint, which a foreign key needs",
            hint="make it unique, or use on_breach: quarantine, flag or warn, which only look the value up",
            location=rule.place("table"),
        )
    # An implicit cast keeps PostgreSQL itself from choosing the operator of a foreign key, or is what it chooses.
    check_references(rule, subject)
    name = naming.fit("pgslo", rule.name)
    own: Name = (relation.schema, relation.name)
    where = f"{relation.schema}.{relation.name}"
    # A foreign key of a partitioned table may be NOT VALID from 18 on.
    at_once = relation.kind == "p" and subject.catalog.major < 18
    stranger = untrusted(target, subject)
    if at_once and stranger:
        raise CatalogError(
            f"a foreign key to {rule.table} would run functions of role {stranger} with the rights of the role that applies",
            detail="Before PostgreSQL 18 a foreign key of a partitioned table is validated as it is made.",
            hint="use on_breach: quarantine, flag or warn, which only look the value up",
            location=rule.place("table"),
        )
    constraint = Constraint(qualified(own), sql.identifier(name))
    context = _ForeignKey(
        table=qualified(own),
        constraint=sql.identifier(name),
        columns=sql.join(", ", (sql.identifier(column) for column in rule.columns)),
        target=qualified(target_name),
        to=sql.join(", ", (sql.identifier(column) for column in rule.to)),
        not_valid=Sql("" if at_once else " NOT VALID"),
    )
    both = f"{where}, {rule.table}"
    add = Statement(
        sql.render("foreign_key", context),
        "SHARE ROW EXCLUSIVE",
        both,
        hazards=("reads the whole table while writes wait",)
        if at_once
        else ("for a moment; new rows are held to it from here on",),
    )
    validate = Statement(
        sql.render("validate", constraint), "SHARE UPDATE EXCLUSIVE", where, later=True, hazards=(_SCAN,)
    )
    made = Artifact(
        kind="foreign_key",
        names=(name,),
        relation=own,
        definition=definition.name,
        create=(add,) if at_once else (add, validate),
        reason=reason,
        commented=Sql(f"CONSTRAINT {context.constraint} ON {context.table}"),
        refers_to=target_name,
    )
    if stranger is None:
        return made
    # Validation plans a join of both tables as the role that applies. The key is the same, whoever applies it.
    return replace(
        made,
        create=(add,),
        known_as=made.fingerprint,
        note=_unchecked(rule, stranger),
    )


def _unchecked(rule: rules.Rule, stranger: str) -> str:
    return (
        f"{rule.name}: rows that are there are not checked, as that would run functions of role {stranger}"
        " with the rights of the role that applies; new rows are"
    )


def target_relation(rule: rules.References, subject: Subject) -> Relation:
    """The table a rule refers to.

    Raises:
        CatalogError: It or one of its columns does not exist.
    """
    target_name = rule.relation
    target = subject.catalog.relations.get(target_name)
    if target is None:
        raise CatalogError(f"table {rule.table} does not exist", location=rule.place("table"))
    for n, name in enumerate(rule.to):
        place = rule.place(
            f"to.{n}" if f"to.{n}" in rule.places else "to" if "to" in rule.places else "column"
        )
        Subject(target, subject.catalog).column(name, place)
    return target


def check_lookup(rule: rules.References | rules.Unique, subject: Subject) -> None:
    """Make sure that a trigger finds rows by an index, so that cost follows the write and never the table.

    Raises:
        CatalogError: There is no such index.
    """
    for name in rule.columns:
        column = subject.column(name, rule.location)
        check_operators(column, rule.location)
        check_casts(column, rule.location)
    if isinstance(rule, rules.References):
        searched, columns = target_relation(rule, subject), rule.to
        for name in columns:
            check_operators(Subject(searched, subject.catalog).column(name, rule.location), rule.location)
        check_references(rule, subject)
    else:
        searched, columns = subject.relation, rule.columns
    if not searched.has_lookup(columns):
        listed = ", ".join(str(sql.identifier(column)) for column in columns)
        qualified = sql.identifier(searched.schema, searched.name)
        raise CatalogError(
            f"{searched.schema}.{searched.name} has no index that finds rows by {', '.join(columns)}",
            detail=f"on_breach: {rule.on_breach} looks each written row up; without an index a write would read the whole table.",
            hint=f"CREATE INDEX CONCURRENTLY ON {qualified} ({listed})"
            + (
                "; or use on_breach: reject, which builds a unique index"
                if isinstance(rule, rules.Unique)
                else ""
            ),
            location=rule.location,
        )
