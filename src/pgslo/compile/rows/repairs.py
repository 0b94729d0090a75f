"""Repairs: values mended in a BEFORE ROW trigger, before any rule judges the row."""

from __future__ import annotations

import decimal
from collections.abc import Mapping
from dataclasses import dataclass

from pgslo import naming, sql
from pgslo.catalog import NUMERIC, TEXT, Column
from pgslo.compile import wording
from pgslo.compile.artifact import Artifact
from pgslo.compile.part import Part
from pgslo.compile.rows.conditions import Bound, Stated, Value
from pgslo.compile.rows.described import row_key
from pgslo.compile.snippets import session_settings, texts
from pgslo.compile.snippets.literals import constant, is_float
from pgslo.compile.table.column_types import check_stored
from pgslo.compile.table.context import TableContext
from pgslo.compile.table.subject import NEW
from pgslo.definition import rules
from pgslo.errors import CatalogError
from pgslo.sql import Sql


@dataclass(frozen=True)
class _Repairs:
    source: Sql
    function: Sql
    guards: tuple[Sql, ...]
    repairs: tuple[Sql, ...]


@dataclass(frozen=True)
class _Repair:
    label: Sql
    promise: Sql
    value: Sql
    text: Sql
    sent: Sql
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
class Rounded:
    """A number rounded to so many digits, but for the values that are none."""

    value: Sql
    digits: Sql
    strange: tuple[Sql, ...]


@dataclass(frozen=True)
class Clipped:
    """A number cut to its bounds, and what stands in for a value that is none."""

    value: Sql
    strange: tuple[Sql, ...]
    instead: Sql
    bounds: tuple[Bound, ...]


@dataclass(frozen=True)
class Defaulted:
    """A value, and what stands in where there is none."""

    value: Sql
    strange: tuple[Sql, ...]
    default: Sql


@dataclass(frozen=True)
class Step:
    """One step of a repair: the parameter that asks for it, and the value it makes."""

    parameter: str
    value: Sql


_NAN, _LOWEST, _HIGHEST = Sql("'NaN'"), Sql("'-Infinity'"), Sql("'Infinity'")


def repairs(table: TableContext, so_far: Part) -> Part:
    """Make the repair function and its trigger, which fires before those that judge."""
    repairing = tuple(choice.rule for choice in so_far.choices if choice.mechanism == "repair trigger")
    if repairing:
        return Part(artifacts=_artifacts(table, repairing))
    return Part()


def _artifacts(table: TableContext, repairs: tuple[rules.Rule, ...]) -> tuple[Artifact, ...]:
    relation = table.relation
    name = naming.fit(relation.schema, relation.name, "repair")
    context = _Repairs(
        source=table.source(repairs),
        function=sql.identifier(naming.GENERATED_SCHEMA, name),
        guards=table.guards(relation, returns=NEW),
        repairs=tuple(_repair(table, rule) for rule in repairs),
    )
    trigger = naming.trigger(naming.REPAIR_ORDER, "repair", "row")
    return (
        table.function(
            name,
            sql.render("write_repair", context),
            "mends values before they are judged; keeps what they were",
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


def _repair(table: TableContext, rule: rules.Rule) -> Sql:
    assert rule.column is not None
    column = table.subject.column(rule.column, rule.location)
    if column.generated:
        raise CatalogError(
            f'column "{column.name}" is generated and cannot be repaired',
            hint="repair the columns it is generated from",
            location=rule.location,
        )
    check_stored(column, rule.location)
    if column.name in table.relation.partition_key:
        raise CatalogError(
            f'column "{column.name}" says which {"chunk" if table.relation.is_hypertable else "partition"} a row belongs to,'
            " and no trigger can change that",
            hint="use on_breach: reject or quarantine",
            location=rule.location,
        )
    value = Sql(f"{NEW}.{sql.identifier(rule.column)}")
    context = _Repair(
        label=Sql(wording.one_line(rule.name)),
        promise=Sql(wording.one_line(rule.summary)),
        value=value,
        text=texts.text(column, NEW),
        sent=Sql(f"sent.{sql.identifier(rule.column)}"),
        applies=Sql(f"({rule.where.qualified(NEW)}) IS TRUE") if rule.where else Sql("TRUE"),
        steps=tuple(step.value for step in steps(rule, column, NEW)),
        definition=sql.literal(table.definition.name),
        rule=sql.literal(rule.name),
        column_name=sql.literal(rule.column),
        row_key=row_key(table, NEW),
    )
    return Sql(f"    {sql.render('rules/repair', context)}")


def steps(rule: rules.Rule, column: Column, row: Sql) -> list[Step]:
    """What a repair does to the column's value in a row, in order.

    Raises:
        CatalogError: A step cannot work on the column's type.
    """
    value = Sql(f"{row}.{sql.identifier(column.name)}")
    nan = (_NAN,) if is_float(column) else ()
    if isinstance(rule, rules.Range):
        # on_breach: repair on a range; what has no nearest bound becomes NULL, which passes.
        endless = tuple(
            end for end, limit in ((_LOWEST, rule.min), (_HIGHEST, rule.max)) if nan and limit is None
        )
        bounds = _bounds(rule, (rule.min, rule.max), ("min", "max"), column)
        return [
            Step(
                "min", sql.render("repairs/clip", Clipped(value, (*nan, *endless), sql.literal(None), bounds))
            )
        ]
    assert isinstance(rule, rules.Repair)
    found = []
    if rule.trim:
        _of_type(rule, column, TEXT, "trim")
        found.append(Step("trim", sql.render("repairs/trim", Value(value))))
    if rule.lower:
        _of_type(rule, column, TEXT, "lower")
        found.append(Step("lower", sql.render("repairs/lower", Value(value))))
    if rule.map is not None:
        if not column.has_equality:
            raise _unfit("map", rule, column)
        found.append(Step("map", sql.render("repairs/map", _Map(value, _swaps(rule, rule.map, column)))))
    if rule.expression is not None:
        found.append(
            Step("expression", sql.render("repairs/expression", Stated(rule.expression.qualified(row))))
        )
    if rule.round is not None:
        _of_type(rule, column, NUMERIC, "round")
        strange = (*nan, _LOWEST, _HIGHEST) if nan else ()
        found.append(
            Step("round", sql.render("repairs/round", Rounded(value, sql.literal(rule.round), strange)))
        )
    if rule.clip is not None:
        bounds = _bounds(rule, rule.clip, ("clip.0", "clip.1"), column)
        found.append(Step("clip", sql.render("repairs/clip", Clipped(value, nan, value, bounds))))
    if rule.default is not None:
        default = constant(rule.default, column, rule.place("default"))
        found.append(Step("default", sql.render("repairs/default", Defaulted(value, nan, default))))
    return found


def constants(rule: rules.Rule, column: Column) -> list[Step]:
    """The numbers that a repair may store, for PostgreSQL to say whether the column can hold them.

    Raises:
        CatalogError: One is not of the column's type.
    """
    if not isinstance(rule, rules.Repair) or column.category != NUMERIC:
        return []
    low, high = rule.clip or (None, None)
    stored = [("clip.0", low), ("clip.1", high), ("default", rule.default)]
    stored += [("map", new) for new in (rule.map or {}).values()]
    return [Step(key, constant(value, column, rule.place(key))) for key, value in stored if value is not None]


def _bounds(
    rule: rules.Rule,
    limits: tuple[rules.Number | str | None, rules.Number | str | None],
    keys: tuple[str, str],
    column: Column,
) -> tuple[Bound, ...]:
    if not column.has_order:
        raise _unfit("clip", rule, column)
    return tuple(
        Bound(Sql(operator), constant(limit, column, rule.place(key)))
        for operator, limit, key in zip("<>", limits, keys, strict=True)
        if limit is not None
    )


def _swaps(rule: rules.Repair, swaps: Mapping[str, rules.Scalar | None], column: Column) -> tuple[_Swap, ...]:
    place = rule.place("map")
    return tuple(
        _Swap(
            constant(_read(old, column), column, place),
            sql.literal(None) if new is None else constant(new, column, place),
        )
        for old, new in swaps.items()
    )


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
        raise _unfit(step, rule, column)


def _unfit(step: str, rule: rules.Rule, column: Column) -> CatalogError:
    return CatalogError(
        f'{step} cannot repair column "{column.name}" of type {column.type}', location=rule.place(step)
    )
