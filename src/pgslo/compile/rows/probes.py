"""Queries by which PostgreSQL says whether it accepts what a rule over rows states."""

from __future__ import annotations

from dataclasses import dataclass

from pgslo import sql
from pgslo.catalog import TEXT
from pgslo.compile.part import Probe
from pgslo.compile.probes import Probed
from pgslo.compile.rows import conditions, repairs
from pgslo.compile.table.context import TableContext
from pgslo.compile.table.subject import ROW
from pgslo.definition import rules
from pgslo.errors import Location
from pgslo.sql import Sql


@dataclass(frozen=True)
class _Regex:
    value: Sql
    table: Sql
    regex: Sql


@dataclass(frozen=True)
class _Order:
    left: Sql
    right: Sql
    table: Sql


@dataclass(frozen=True)
class _Typed:
    value: Sql
    type: Sql


@dataclass(frozen=True)
class _Grouped:
    table: Sql
    raw: Sql


def of_rule(rule: rules.Rule, table: TableContext) -> list[Probe]:
    """Let PostgreSQL type-check what the author wrote, over the table's own columns, reading no row."""
    if isinstance(rule, rules.Schema):
        return []
    stated: list[tuple[Sql, Location]] = []
    if rule.where:
        stated.append((rule.where.qualified(ROW), rule.where.location))
    if not isinstance(rule, rules.Repair):
        # Made in any case: that is where a kind refuses a column's type.
        condition = conditions.condition(rule, table.subject, ROW)
        # What a format calls may not be installed yet, and a pattern is tried by itself below.
        if not isinstance(rule, rules.Format | rules.Pattern):
            stated.append((condition, _blame(rule)))
    found = [
        Probe(sql.render("probe_condition", Probed(table.qualified, condition)), location)
        for condition, location in stated
    ]
    if isinstance(rule, rules.Repair):
        assert rule.column is not None, "repair stands under a column"
        column = table.subject.column(rule.column, rule.location)
        found += [
            Probe(sql.render("probe_value", Probed(table.qualified, step.value)), rule.place(step.parameter))
            for step in repairs.steps(rule, column, ROW)
        ]
        found += [
            Probe(
                sql.render("probe_constant", _Typed(step.value, Sql(column.base_type))),
                rule.place(step.parameter),
            )
            for step in repairs.constants(rule, column)
        ]
    found += _text_probes(rule, table)
    return found


def of_batches(table: TableContext) -> tuple[Probe, ...]:
    """Let PostgreSQL say whether rows can be grouped by what the author calls a batch."""
    batch = table.definition.batch
    if batch is None or batch.by is None:
        return ()
    grouped = _Grouped(table.qualified, table.batching.raw_row)
    return (Probe(sql.render("probe_batch", grouped), batch.by.location),)


def _text_probes(rule: rules.Rule, table: TableContext) -> list[Probe]:
    """Compare empty texts of the columns' collations: whether PostgreSQL can tells only doing it."""

    def value(name: str) -> tuple[Sql, bool]:
        column = table.subject.column(name, rule.location)
        return Sql(f"{ROW}.{sql.identifier(name)}"), column.category == TEXT

    match rule:
        case rules.Pattern(column=str(name)):
            regex = _Regex(value(name)[0], table.qualified, sql.literal(rule.matches))
            return [Probe(sql.render("probe_regex", regex), rule.place("matches"))]
        case rules.Compare():
            (left, left_is_text), (right, right_is_text) = value(rule.left), value(rule.right)
            if left_is_text and right_is_text:
                order = _Order(left, right, table.qualified)
                return [Probe(sql.render("probe_order", order), rule.location)]
    return []


def _blame(rule: rules.Rule) -> Location:
    """Where an author looks first when PostgreSQL does not accept a rule."""
    if isinstance(rule, rules.ExpressionRule):
        return rule.expression.location
    return rule.location
