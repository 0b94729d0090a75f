"""Repairs: values replaced in a BEFORE ROW trigger, before any rule evaluates the row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pgslo import naming, sql
from pgslo.catalog import Column
from pgslo.compile.artifact import Artifact
from pgslo.compile.part import Part
from pgslo.compile.rows import kinds
from pgslo.compile.rows.described import row_key
from pgslo.compile.snippets import session_settings, texts
from pgslo.compile.table import outbox
from pgslo.compile.table.column_types import check_stored
from pgslo.compile.table.context import TableContext
from pgslo.compile.table.subject import NEW
from pgslo.definition import rules
from pgslo.errors import CatalogError
from pgslo.sql import Sql

#: What a value is kept in before a repair.
_AS_TEXT, _AS_STORED = Sql("old_value text"), Sql("was record")


@dataclass(frozen=True)
class _Repairs:
    source: Sql
    function: Sql
    guards: tuple[Sql, ...]
    definition: Sql
    row_key: Sql
    variables: tuple[Sql, ...]
    repairs: tuple[Sql, ...]


@dataclass(frozen=True)
class _ShardRepairs:
    source: Sql
    function: Sql
    guards: tuple[Sql, ...]
    outbox: Sql
    key: Sql
    row_key: Sql
    variables: tuple[Sql, ...]
    repairs: tuple[Sql, ...]


@dataclass(frozen=True)
class _Value:
    value: Sql


@dataclass(frozen=True)
class _Kept:
    """The record of a value: in which variable and how, whether it differs now, and the texts of both."""

    variable: Sql
    before: Sql
    differs: Sql
    old: Sql
    new: Sql


@dataclass(frozen=True)
class _Repair:
    value: Sql
    kept: _Kept
    applies: Sql
    steps: tuple[Sql, ...]
    rule: Sql
    column_name: Sql


def repairs(table: TableContext, so_far: Part) -> Part:
    """Make the repair function and its trigger, which fires before those that judge."""
    repairing = tuple(choice.rule for choice in so_far.choices if choice.mechanism == "repair trigger")
    if repairing:
        return Part(artifacts=_artifacts(table, repairing))
    return Part()


def _artifacts(table: TableContext, repairs: tuple[rules.Rule, ...]) -> tuple[Artifact, ...]:
    relation = table.relation
    name = naming.fit(relation.schema, relation.name, "repair")
    made = tuple(_repair(table, rule) for rule in repairs)
    common: dict[str, Any] = {
        "source": table.source(repairs),
        "function": sql.identifier(naming.GENERATED_SCHEMA, name),
        "row_key": row_key(table, NEW),
        "variables": tuple(dict.fromkeys(one.kept.variable for one in made)),
        "repairs": tuple(Sql(f"            {sql.render('rules/repair', one)}") for one in made),
    }
    if table.shards is not None:
        queued = outbox.qualified(table)
        of_shard = _ShardRepairs(**common, guards=outbox.guards(table), outbox=queued, key=outbox.key(table))
        text = sql.render("shards/shard_repair", of_shard)
    else:
        of_table = _Repairs(
            **common,
            guards=table.guards(relation, returns=NEW),
            definition=sql.literal(table.definition.name),
        )
        text = sql.render("write_repair", of_table)
    trigger = naming.trigger(naming.REPAIR_ORDER, "repair", "row")
    return (
        table.function(
            name,
            text,
            "repairs values before they are evaluated; keeps the originals",
            settings=session_settings.needed(repairs, relation),
        ),
        table.trigger(
            "trigger_row",
            trigger,
            "INSERT OR UPDATE",
            name,
            (relation.schema, relation.name),
            "only a BEFORE ROW trigger can change the row",
        ),
    )


def _repair(table: TableContext, rule: rules.Rule) -> _Repair:
    assert rule.column is not None
    column = table.subject.column(rule.column, rule.location)
    if column.generated:
        raise CatalogError(
            f'column "{column.name}" is generated and cannot be repaired',
            hint="repair the columns it is generated from",
            location=rule.location,
        )
    check_stored(column, rule.location)
    if table.shards is not None and column.name == table.shards.column:
        raise CatalogError(
            f'column "{column.name}" says which shard a row belongs to, and no trigger can change that',
            hint="use on_breach: reject or quarantine",
            location=rule.location,
        )
    if column.name in table.relation.partition_key:
        raise CatalogError(
            f'column "{column.name}" says which {"chunk" if table.relation.is_hypertable else "partition"} a row belongs to,'
            " and no trigger can change that",
            hint="use on_breach: reject or quarantine",
            location=rule.location,
        )
    value = Sql(f"{NEW}.{sql.identifier(rule.column)}")
    return _Repair(
        value=value,
        kept=_kept(column, value),
        applies=Sql(f" AND ({rule.where.qualified(NEW)}) IS TRUE") if rule.where else Sql(""),
        steps=tuple(step.value for step in kinds.of(rule, table.subject).repair_steps(column, NEW)),
        rule=sql.literal(rule.name),
        column_name=sql.literal(rule.column),
    )


def _kept(column: Column, value: Sql) -> _Kept:
    text = texts.text(column, NEW)
    if column.plain and not session_settings.printed((column,)):
        # The quickest, as the text is the same in every session.
        old = Sql("old_value")
        return _Kept(
            _AS_TEXT, Sql(f"{old} := {text}"), Sql(f"{text} IS DISTINCT FROM {old}"), old=old, new=text
        )
    # Texts of two floats may be the same in this session.
    return _Kept(
        _AS_STORED,
        Sql(f"was := ROW({value})"),
        Sql(f"record_image_ne(ROW({value}), was)"),
        old=sql.render("kept_text", _Value(Sql("was.f1"))),
        new=sql.render("kept_text", _Value(value)),
    )
