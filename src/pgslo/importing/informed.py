"""Facts of a database about the tables of an import: types, the key, and enforced rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pgslo.catalog import Relation
from pgslo.definition import names
from pgslo.importing.model import Outcome, Rule, SourceTable, TableName, held

#: Looks a table up; ``None``: it does not exist.
Find = Callable[[TableName], Relation | None]


def inform(table: SourceTable, relation: Relation) -> None:
    """Note the types of the columns, whatever the source says of them, and which have no NULL."""
    for column in relation.columns:
        table.column_types[column.name] = column.base_type
    table.present |= {column.name for column in relation.columns if column.not_null}


def settled(outcome: Outcome, own: TableName, find: Find) -> Outcome:
    """Return the outcome of a check of a table: held if the table enforces it, and an existing index is not needed again."""
    relation = find(own)
    if relation is None or not outcome.rules or outcome.status not in ("mapped", "changed"):
        return outcome
    if all(_enforced(rule, relation) for rule in outcome.rules):
        return held("enforced")
    if outcome.needs and all(_indexed(rule, relation, find) for rule in outcome.rules):
        return replace(outcome, needs=())
    return outcome


def _enforced(rule: Rule, relation: Relation) -> bool:
    """Whether a constraint or an index refuses every row that fails; one of all rows is more than a rule about some."""
    if rule.verbatim is not None:
        return False
    columns = _columns(rule)
    match rule.kind:
        case "not_null":
            found = relation.column(columns[0])
            return found is not None and found.not_null
        case "unique":
            return relation.has_unique(columns, nulls_same=rule.parameters.get("nulls") == "same")
        case "references":
            schema, name, to = _other(rule)
            return any(
                key.table == (schema, name)
                and dict(zip(key.columns, key.to, strict=True)) == dict(zip(columns, to, strict=True))
                for key in relation.foreign_keys
            )
    return False


def _indexed(rule: Rule, relation: Relation, find: Find) -> bool:
    """Whether the index that a rule looks rows up with is there."""
    columns: tuple[str, ...] = _columns(rule)
    searched: Relation | None = relation
    match rule.kind:
        case "references":
            schema, name, columns = _other(rule)
            searched = find(TableName(schema, name))
        case "freshness":
            columns = (str(rule.parameters.get("of")),)
        case "unique":
            pass
        case _:
            return True
    return searched is not None and any(
        index.whole and set(index.columns[: len(columns)]) == set(columns) for index in searched.indexes
    )


def _columns(rule: Rule) -> tuple[str, ...]:
    return (rule.column,) if rule.column is not None else tuple(rule.parameters.get("columns", ()))


def _other(rule: Rule) -> tuple[str, str, tuple[str, ...]]:
    schema, name = names.split(rule.parameters["table"])
    to = rule.parameters.get("to", [rule.parameters.get("column")])
    return schema, name, tuple(to)
