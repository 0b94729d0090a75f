"""How each kind of assertion is compiled: one class a kind, found by the assertion's own class."""

from __future__ import annotations

from typing import Any

from pgslo.compile.assertions.kinds.base import AssertionKind
from pgslo.compile.assertions.kinds.one_table import (
    AddsUpTo,
    AllEqual,
    AtMostOne,
    Count,
    ExactlyOne,
    KeepsOrder,
    NeverOverlap,
)
from pgslo.compile.assertions.kinds.queries import ReturnsNothing
from pgslo.compile.assertions.kinds.two_tables import ExistsForEach, NoneWithout, SameAsThere
from pgslo.compile.table.context import TableContext
from pgslo.definition.rules import Assertion
from pgslo.definition.rules.kinds import assertions as rules

#: By the class of the assertion.
KINDS: dict[type[Assertion], type[AssertionKind[Any]]] = {
    rules.AllEqual: AllEqual,
    rules.AtMostOne: AtMostOne,
    rules.ExactlyOne: ExactlyOne,
    rules.Count: Count,
    rules.AddsUpTo: AddsUpTo,
    rules.ExistsForEach: ExistsForEach,
    rules.NoneWithout: NoneWithout,
    rules.NeverOverlap: NeverOverlap,
    rules.KeepsOrder: KeepsOrder,
    rules.SameAsThere: SameAsThere,
    rules.ReturnsNothing: ReturnsNothing,
}


def of(rule: Assertion, table: TableContext) -> AssertionKind[Any]:
    """Return an assertion with its table, as what its kind is compiled to."""
    return KINDS[type(rule)](rule, table)
