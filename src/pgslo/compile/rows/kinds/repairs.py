"""Repairs: changes of a value before the row is evaluated."""

from __future__ import annotations

import decimal
from collections.abc import Mapping
from dataclasses import dataclass

from pgslo import sql
from pgslo.catalog import NUMERIC, TEXT, Column
from pgslo.compile.choice import Choice
from pgslo.compile.part import Probe
from pgslo.compile.probes import Probed
from pgslo.compile.rows.kinds.base import Bound, RowKind, Stated, Step, Value
from pgslo.compile.rows.mechanisms import repair_trigger
from pgslo.compile.snippets.literals import constant, is_float
from pgslo.compile.snippets.values import value_of
from pgslo.compile.table.batching import Writes
from pgslo.compile.table.context import TableContext
from pgslo.compile.table.subject import ROW
from pgslo.definition import rules
from pgslo.errors import CatalogError
from pgslo.sql import Sql


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
    """A number rounded to a number of digits, except NaN and infinity."""

    value: Sql
    digits: Sql
    strange: tuple[Sql, ...]


@dataclass(frozen=True)
class Clipped:
    """A number cut to its bounds, and a substitute for NaN."""

    value: Sql
    strange: tuple[Sql, ...]
    instead: Sql
    bounds: tuple[Bound, ...]


@dataclass(frozen=True)
class Defaulted:
    """A value, and its substitute for NULL."""

    value: Sql
    strange: tuple[Sql, ...]
    default: Sql


@dataclass(frozen=True)
class _Typed:
    value: Sql
    type: Sql


#: A lower and an upper bound.
_Limits = tuple[rules.Number | str | None, rules.Number | str | None]
_NAN, _LOWEST, _HIGHEST = Sql("'NaN'"), Sql("'-Infinity'"), Sql("'Infinity'")


class Repair(RowKind[rules.Repair]):
    """Wrong values are replaced before the row is evaluated."""

    def choose(self, writes: Writes) -> Choice:
        """Return the only mechanism that can change the row."""
        del writes
        return repair_trigger(self.rule)

    def probes(self, table: TableContext) -> list[Probe]:
        """Let PostgreSQL type-check each step, and check whether the column can hold the numbers that it may store."""
        rule, column = self.rule, self.own()
        found = self.conditions_probed(table, self.stated_where())
        found += [
            Probe(sql.render("probe_value", Probed(table.qualified, step.value)), rule.place(step.parameter))
            for step in self.repair_steps(column, ROW)
        ]
        found += [
            Probe(
                sql.render("probe_constant", _Typed(step.value, Sql(column.base_type))),
                rule.place(step.parameter),
            )
            for step in self._constants(column)
        ]
        return found

    def repair_steps(self, column: Column, row: Sql) -> list[Step]:
        """Return the steps on the column's value in a row, in order."""
        rule, value = self.rule, value_of(column, row)
        nan = (_NAN,) if is_float(column) else ()
        found = []
        if rule.trim:
            self._need_step(column, TEXT, "trim")
            found.append(Step("trim", sql.render("repairs/trim", Value(value))))
        if rule.lower:
            self._need_step(column, TEXT, "lower")
            found.append(Step("lower", sql.render("repairs/lower", Value(value))))
        if rule.map is not None:
            if not column.has_equality:
                raise unfit_step(rule, column, "map")
            found.append(Step("map", sql.render("repairs/map", _Map(value, self._swaps(rule.map, column)))))
        if rule.expression is not None:
            found.append(
                Step("expression", sql.render("repairs/expression", Stated(rule.expression.qualified(row))))
            )
        if rule.round is not None:
            self._need_step(column, NUMERIC, "round")
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

    def _constants(self, column: Column) -> list[Step]:
        """The numbers that the repair may store."""
        rule = self.rule
        if column.category != NUMERIC:
            return []
        low, high = rule.clip or (None, None)
        stored = [("clip.0", low), ("clip.1", high), ("default", rule.default)]
        stored += [("map", new) for new in (rule.map or {}).values()]
        return [
            Step(key, constant(value, column, rule.place(key))) for key, value in stored if value is not None
        ]

    def _swaps(self, swaps: Mapping[str, rules.Scalar | None], column: Column) -> tuple[_Swap, ...]:
        place = self.rule.place("map")
        return tuple(
            _Swap(
                constant(_read(old, column), column, place),
                sql.literal(None) if new is None else constant(new, column, place),
            )
            for old, new in swaps.items()
        )

    def _need_step(self, column: Column, category: str, step: str) -> None:
        if column.category != category:
            raise unfit_step(self.rule, column, step)


def clipped(rule: rules.Rule, limits: _Limits, column: Column, row: Sql) -> Step:
    """Return a number that is cut to its bounds; what has no nearest bound becomes NULL, which passes."""
    nan = (_NAN,) if is_float(column) else ()
    endless = tuple(
        end for end, limit in zip((_LOWEST, _HIGHEST), limits, strict=True) if nan and limit is None
    )
    bounds = _bounds(rule, limits, ("min", "max"), column)
    context = Clipped(value_of(column, row), (*nan, *endless), sql.literal(None), bounds)
    return Step("min", sql.render("repairs/clip", context))


def _bounds(
    rule: rules.Rule,
    limits: _Limits,
    keys: tuple[str, str],
    column: Column,
) -> tuple[Bound, ...]:
    if not column.has_order:
        raise unfit_step(rule, column, "clip")
    return tuple(
        Bound(Sql(operator), constant(limit, column, rule.place(key)))
        for operator, limit, key in zip("<>", limits, keys, strict=True)
        if limit is not None
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


def unfit_step(rule: rules.Rule, column: Column, step: str) -> CatalogError:
    """Return the error of a step that cannot repair values of a column's type."""
    return CatalogError(
        f'{step} cannot repair column "{column.name}" of type {column.type}', location=rule.place(step)
    )
