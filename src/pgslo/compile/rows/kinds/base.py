"""The methods of each kind of rule over rows when a definition is compiled, with defaults that fit most kinds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from pgslo import sql
from pgslo.catalog import Column, Relation
from pgslo.compile.artifact import Artifact, named, only_made
from pgslo.compile.choice import Choice
from pgslo.compile.part import Probe
from pgslo.compile.probes import Probed
from pgslo.compile.rows.mechanisms import choose_trigger
from pgslo.compile.snippets.literals import ARRAY, COMPOSITE, GEOMETRIC, RANGE
from pgslo.compile.table.batching import Writes
from pgslo.compile.table.column_types import check_casts, check_operators, without_domain
from pgslo.compile.table.context import TableContext
from pgslo.compile.table.subject import ROW, Subject
from pgslo.definition.rules import Rule
from pgslo.errors import CatalogError, Location
from pgslo.sql import Sql

R = TypeVar("R", bound=Rule)

#: Types of many values in one, which no constant of a definition represents.
_MANIFOLD_CATEGORIES = {ARRAY, COMPOSITE, GEOMETRIC, RANGE}
_MANIFOLD_TYPES = {"json", "jsonb", "xml", "tsvector", "tsquery"}
#: The functions behind the operators of enums. A call of one has no other candidate, so that no implicit cast is applied.
_ENUM_FUNCTIONS = {
    "=": "enum_eq",
    "<>": "enum_ne",
    "<": "enum_lt",
    "<=": "enum_le",
    ">": "enum_gt",
    ">=": "enum_ge",
}


# Contexts of templates that several kinds use.


@dataclass(frozen=True)
class Value:
    """A column alone."""

    value: Sql


@dataclass(frozen=True)
class Bound:
    """A comparison with a constant."""

    operator: Sql
    limit: Sql


@dataclass(frozen=True)
class Stated:
    """An author's own expression."""

    expression: Sql


@dataclass(frozen=True)
class _EnumCompared:
    """A comparison of enums as a call of the function behind the operator."""

    function: Sql
    left: Sql
    right: Sql


@dataclass(frozen=True)
class Step:
    """One step of a repair: the parameter that asks for it, and the value it makes."""

    parameter: str
    value: Sql


def as_it_is(value: Sql, _type: str) -> Sql:
    """Return a value of the row itself."""
    return value


#: Makes the text for a value of the row of a type, in a condition that looks rows up.
Given = Callable[[Sql, str], Sql]


class RowKind(Generic[R]):
    """A rule over rows with its table. Each kind is a subclass, which overrides what differs.

    Attributes:
        calls_operators: Whether it calls operators of the column's type in any case.
        is_probed: Whether PostgreSQL can type-check the condition before the runtime is installed.
        may_raise: Whether a value of a column can make the condition raise an error.
    """

    calls_operators: ClassVar[bool] = True
    is_probed: ClassVar[bool] = True
    may_raise: ClassVar[bool] = True

    def __init__(self, rule: R, subject: Subject) -> None:
        self.rule = rule
        self.subject = subject

    # What each kind has

    def condition(self, row: Sql) -> Sql:
        """Return what the rule asks of a row, whatever its ``where``.

        Args:
            row: How the row is called.

        Raises:
            CatalogError: The rule cannot judge its column's type, or a constant is not of it.
        """
        raise AssertionError(f"{self.rule.kind} is not a condition over {row}")

    def runtime_condition(self, row: Sql, given: Given = as_it_is) -> Sql:
        """Return the same for functions that run where the runtime is installed.

        If the condition looks rows up, it refuses tables with parts of less trusted roles.

        Args:
            row: How the row is called.
            given: Makes the text for a value of the row of a type, in a condition that looks rows up.
        """
        del given
        return self.condition(row)

    # What most kinds have in common

    def check(self) -> None:
        """Check the rule against the table's columns and types.

        Raises:
            CatalogError: A column does not exist, or its type is one the rule cannot judge.
        """
        for name in self.rule.read_as_named:
            place = self.rule.place_of(name)
            column = self.subject.stored(
                name, place, "write the rule as an expression over the columns it is generated from"
            )
            if self.rule.looks_up and not column.has_equality:
                raise self.unfit(column, "its values cannot be compared")
            is_stated = any(name in expression.columns for expression in self.rule.expressions)
            if is_stated or self.calls_operators:
                check_operators(column, place)
            if is_stated:
                check_casts(column, place)

    def choose(self, writes: Writes) -> Choice:
        """Return the cheapest mechanism that can enforce the rule.

        Raises:
            CatalogError: No mechanism can.
        """
        return choose_trigger(self.rule, self.subject, writes)

    def check_lookup(self) -> None:
        """Make sure that a trigger finds rows by an index, so that cost follows the write and never the table.

        Raises:
            CatalogError: There is no such index.
        """

    def foreign_target(self) -> Relation | None:
        """Return the table that is looked up, if another role owns or can replace it than pgslo's owner and its own table's.

        Raises:
            CatalogError: The applying role may not act as its owner.
        """
        return None

    def constraint(self, definition: str, reason: str) -> Artifact | None:
        """Return the constraint or index that enforces the rule, or ``None`` when the table has it already.

        Raises:
            CatalogError: PostgreSQL cannot make such an object on this table.
        """
        raise AssertionError(f"no constraint says what {self.rule.kind} says: {definition}, {reason}")

    def wanted_constraint(self) -> dict[str, object] | None:
        """Return what has to be in the database for a native rule, described without its name.

        Returns:
            ``None`` for what only pgslo makes.
        """
        return None

    def rests_on(self, made: Artifact | None) -> dict[str, object] | None:
        """Return the same for the runtime, which looks for it.

        Args:
            made: What pgslo makes for the rule; ``None`` when the table has it already.
        """
        wanted = self.wanted_constraint()
        if wanted is None:
            return only_made(made)
        return wanted | ({"object": named(made)} if made else {})

    def probes(self, table: TableContext) -> list[Probe]:
        """Let PostgreSQL type-check what the author wrote, over the table's own columns, reading no row."""
        stated = self.stated_where()
        # Made in any case: that is where a kind refuses a column's type.
        condition = self.condition(ROW)
        if self.is_probed:
            stated.append((condition, self.blamed))
        return self.conditions_probed(table, stated)

    @property
    def blamed(self) -> Location:
        """Where an author looks first when PostgreSQL does not accept the rule."""
        return self.rule.location

    def stated_where(self) -> list[tuple[Sql, Location]]:
        """Return the condition for the rows that the rule is about, with its location."""
        where = self.rule.where
        return [(where.qualified(ROW), where.location)] if where else []

    @staticmethod
    def conditions_probed(table: TableContext, stated: list[tuple[Sql, Location]]) -> list[Probe]:
        """Return queries that fail if PostgreSQL does not accept the conditions."""
        return [
            Probe(sql.render("probe_condition", Probed(table.qualified, condition)), location)
            for condition, location in stated
        ]

    def declared(self) -> dict[str, Any]:
        """Return the columns and types that the table has to have, of a rule that is about these."""
        raise AssertionError(f"{self.rule.kind} declares no columns")

    def repair_steps(self, column: Column, row: Sql) -> list[Step]:
        """Return the steps on the column's value in a row, in order, of a rule that repairs.

        Raises:
            CatalogError: A step cannot work on the column's type.
        """
        del column, row
        raise AssertionError(f"{self.rule.kind} does not repair")

    # What kinds are made of

    def own(self) -> Column:
        """Return the column that the rule is under."""
        assert self.rule.column is not None, f"{self.rule.kind} is written under a column"
        return self.subject.column(self.rule.column, self.rule.place("column"))

    def need(self, categories: tuple[str, ...], why: str) -> Column:
        """Return the column that the rule is under, if its type is of one of some categories.

        Raises:
            CatalogError: It is not.
        """
        column = self.own()
        if column.category not in categories:
            raise self.unfit(column, why)
        return column

    def unfit(self, column: Column, why: str, *, hint: str | None = None) -> CatalogError:
        """Return the error of a rule that cannot judge the type of its column."""
        return CatalogError(
            f'{self.rule.kind} cannot judge column "{column.name}" of type {column.type}: {why}',
            hint=hint,
            location=self.rule.location,
        )

    def rendered(self, context: Any) -> Sql:
        """Return the condition that the kind's template prints."""
        return sql.render(f"rules/{self.rule.kind}", context)


def is_manifold(column: Column) -> bool:
    """Whether a value of a column is many values in one."""
    return column.category in _MANIFOLD_CATEGORIES or column.base_type in _MANIFOLD_TYPES


def enum_compared(column: Column, left: Sql, operator: str, right: Sql) -> Sql:
    """Compare a value of an enum without its operators."""
    function = Sql(_ENUM_FUNCTIONS[operator])
    return sql.render("enum_compared", _EnumCompared(function, without_domain(column, left), right))
