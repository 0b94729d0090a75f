"""Conditions on several values of a row."""

from __future__ import annotations

from dataclasses import dataclass

from pgslo import sql
from pgslo.catalog import TEMPORAL, TEXT, Column
from pgslo.compile.part import Probe
from pgslo.compile.rows.kinds.base import RowKind, Stated, enum_compared
from pgslo.compile.snippets.values import value_of
from pgslo.compile.table.column_types import is_enum, without_domain
from pgslo.compile.table.context import TableContext
from pgslo.compile.table.subject import ROW
from pgslo.definition import rules
from pgslo.errors import CatalogError, Location
from pgslo.sql import Sql

_ZONED = {"timestamp with time zone", "time with time zone"}


@dataclass(frozen=True)
class _Compared:
    """Two columns and the operator between them."""

    left: Sql
    operator: Sql
    right: Sql


@dataclass(frozen=True)
class _Order:
    left: Sql
    right: Sql
    table: Sql


class ExpressionRule(RowKind[rules.ExpressionRule]):
    """An author's own condition."""

    def condition(self, row: Sql) -> Sql:
        """Return what the rule asks of a row."""
        return self.rendered(Stated(self.rule.expression.qualified(row)))

    @property
    def blamed(self) -> Location:
        """Where an author looks first when PostgreSQL does not accept the rule."""
        return self.rule.expression.location


class Custom(RowKind[rules.Custom]):
    """A condition that a template of the organisation's own prints."""

    def condition(self, row: Sql) -> Sql:
        """Return what the rule asks of a row."""
        return self.rendered(Stated(self.rule.condition.qualified(row)))


class Compare(RowKind[rules.Compare]):
    """Two columns are compared."""

    def condition(self, row: Sql) -> Sql:
        """Return what the rule asks of a row."""
        rule = self.rule
        left, right = self._comparable()
        of_left, of_right = value_of(left, row), value_of(right, row)
        if is_enum(left):
            return enum_compared(left, of_left, rule.operator, without_domain(right, of_right))
        return self.rendered(_Compared(of_left, Sql(rule.operator), of_right))

    def probes(self, table: TableContext) -> list[Probe]:
        """Let PostgreSQL compare empty texts of the columns' collations; only that shows whether it can."""
        found = super().probes(table)
        columns = [self.subject.column(name, self.rule.location) for name in self.rule.others]
        if any(column.category != TEXT for column in columns):
            return found
        left, right = (value_of(column, ROW) for column in columns)
        order = _Order(left, right, table.qualified)
        return [*found, Probe(sql.render("probe_order", order), self.rule.location)]

    def _comparable(self) -> tuple[Column, Column]:
        """Refuse what PostgreSQL would compare, but not as the author means it."""
        rule = self.rule
        left = self.subject.column(rule.left, rule.location)
        right = self.subject.column(rule.right, rule.location)
        for column in (left, right):
            ordered = rule.operator not in ("=", "<>")
            if not (column.has_order if ordered else column.has_equality):
                raise self.unfit(
                    column, "it has no useful order" if ordered else "its values cannot be compared"
                )
        types = {left.base_type, right.base_type}
        if len(types) > 1 and not (left.plain and right.plain):
            raise self.unfit(
                left,
                f'column "{right.name}" has type {right.type}, and a cast would decide about the comparison',
            )
        if types in ({"real", "double precision"}, {"real", "numeric"}):
            why = "0.1 is not the same number in both"
        elif len(types) > 1 and left.category == right.category == TEMPORAL and types & _ZONED:
            why = "which of two is later depends on the time zone of the session that writes"
        else:
            return left, right
        raise CatalogError(
            f'compare cannot compare "{left.name}" of type {left.type} with "{right.name}" of type {right.type}: {why}',
            hint="write an expression that casts one of them",
            location=rule.location,
        )
