"""Repairs: values mended in a BEFORE ROW trigger, before any rule judges the row."""

from __future__ import annotations

import decimal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pgslo import naming, sql
from pgslo.catalog import NUMERIC, TEXT, Column
from pgslo.compile import conditions
from pgslo.compile.artifact import Artifact
from pgslo.compile.conditions import NEW, Bound, Stated, Value
from pgslo.definition import rules
from pgslo.errors import CatalogError
from pgslo.sql import Sql

if TYPE_CHECKING:
    from pgslo.compile.writes import WriteCompiler


@dataclass(frozen=True)
class _Repairs:
    source: Sql
    function: Sql
    repairs: tuple[Sql, ...]


@dataclass(frozen=True)
class _Repair:
    label: Sql
    promise: Sql
    value: Sql
    applies: Sql
    steps: tuple[Sql, ...]
    definition: Sql
    rule: Sql
    column_name: Sql
    row_key: Sql


@dataclass(frozen=True)
class _Swap:
    old: Sql
    new: Sql


@dataclass(frozen=True)
class _Map:
    value: Sql
    pairs: tuple[_Swap, ...]


@dataclass(frozen=True)
class _Round:
    value: Sql
    digits: Sql
    not_finite: Sql


@dataclass(frozen=True)
class _Clip:
    value: Sql
    not_a_number: Sql
    bounds: tuple[Bound, ...]


@dataclass(frozen=True)
class _Default:
    value: Sql
    not_a_number: Sql
    default: Sql


def artifacts(compiler: WriteCompiler, repairs: tuple[rules.Rule, ...]) -> tuple[Artifact, ...]:
    """The repair function and its trigger, which fires before those that judge.

    Raises:
        CatalogError: A step cannot work on the column's type.
    """
    if not repairs:
        return ()
    relation = compiler.relation
    name = naming.fit(relation.schema, relation.name, "repair")
    context = _Repairs(
        source=Sql(f"the definition of {conditions.one_line(compiler.definition.name)}"),
        function=sql.identifier(naming.GENERATED_SCHEMA, name),
        repairs=tuple(_repair(compiler, rule) for rule in repairs),
    )
    trigger = naming.trigger(naming.REPAIR_ORDER, "repair", "row")
    return (
        compiler.function(
            name,
            sql.render("write_repair", context),
            "mends values before they are judged; keeps what they were",
        ),
        compiler.trigger(
            "trigger_row",
            trigger,
            "INSERT OR UPDATE",
            name,
            (relation.schema, relation.name),
            "only a BEFORE ROW trigger can change the row",
        ),
    )


def _repair(compiler: WriteCompiler, rule: rules.Rule) -> Sql:
    assert rule.column is not None
    column = compiler.subject.column(rule.column, rule.location)
    if column.generated:
        raise CatalogError(
            f'column "{column.name}" is generated and cannot be repaired',
            hint="repair the columns it is generated from",
            location=rule.location,
        )
    value = Sql(f"{NEW}.{sql.identifier(rule.column)}")
    context = _Repair(
        label=Sql(conditions.one_line(rule.name)),
        promise=Sql(conditions.one_line(conditions.promise(rule))),
        value=value,
        applies=Sql(f"({rule.where.qualified(NEW)}) IS TRUE") if rule.where else Sql("TRUE"),
        steps=tuple(_steps(rule, column, value)),
        definition=sql.literal(compiler.definition.name),
        rule=sql.literal(rule.name),
        column_name=sql.literal(rule.column),
        row_key=compiler.row_key(NEW),
    )
    return Sql(f"    {sql.render('rules/repair', context)}")


def _steps(rule: rules.Rule, column: Column, value: Sql) -> list[Sql]:
    not_a_number = Sql(f"{value} = 'NaN'" if conditions.is_float(column) else "FALSE")
    if isinstance(rule, rules.Range):
        # on_breach: repair on a range is a repair that clips to its bounds.
        return [_clip(rule, (rule.min, rule.max), column, value, not_a_number)]
    assert isinstance(rule, rules.Repair)
    steps = []
    if rule.trim:
        _of_type(rule, column, TEXT, "trim")
        steps.append(sql.render("repairs/trim", Value(value)))
    if rule.lower:
        _of_type(rule, column, TEXT, "lower")
        steps.append(sql.render("repairs/lower", Value(value)))
    if rule.map is not None:
        place = rule.place("map")
        pairs = tuple(
            _Swap(
                conditions.constant(_read(old, column), column, place),
                sql.literal(None) if new is None else conditions.constant(new, column, place),
            )
            for old, new in rule.map.items()
        )
        steps.append(sql.render("repairs/map", _Map(value, pairs)))
    if rule.expression is not None:
        steps.append(sql.render("repairs/expression", Stated(rule.expression.qualified(NEW))))
    if rule.round is not None:
        _of_type(rule, column, NUMERIC, "round")
        not_finite = Sql(
            f"{value} IN ('NaN', 'Infinity', '-Infinity')" if conditions.is_float(column) else "FALSE"
        )
        steps.append(sql.render("repairs/round", _Round(value, sql.literal(rule.round), not_finite)))
    if rule.clip is not None:
        steps.append(_clip(rule, rule.clip, column, value, not_a_number))
    if rule.default is not None:
        default = conditions.constant(rule.default, column, rule.place("default"))
        steps.append(sql.render("repairs/default", _Default(value, not_a_number, default)))
    return steps


def _clip(
    rule: rules.Rule,
    limits: tuple[rules.Number | str | None, rules.Number | str | None],
    column: Column,
    value: Sql,
    not_a_number: Sql,
) -> Sql:
    if not column.has_order:
        raise CatalogError(
            f'column "{column.name}" of type {column.type} has no order to clip by', location=rule.location
        )
    low, high = limits
    bounds = tuple(
        Bound(Sql(operator), conditions.constant(limit, column, rule.place("clip")))
        for operator, limit in (("<", low), (">", high))
        if limit is not None
    )
    return sql.render("repairs/clip", _Clip(value, not_a_number, bounds))


def _read(old: str, column: Column) -> rules.Scalar:
    """A key of ``map``, which YAML reads as text, as a value of the column."""
    if column.category == NUMERIC:
        try:
            return decimal.Decimal(old)
        except decimal.InvalidOperation:
            return old
    if column.category == "B" and old in ("true", "false"):
        return old == "true"
    return old


def _of_type(rule: rules.Rule, column: Column, category: str, step: str) -> None:
    if column.category != category:
        raise CatalogError(
            f'{step} cannot repair column "{column.name}" of type {column.type}',
            location=rule.place(step),
        )
