"""How each kind of rule over rows is compiled: one class a kind, found by the rule's own class."""

from __future__ import annotations

from typing import Any

from pgslo.compile.rows.kinds.base import RowKind
from pgslo.compile.rows.kinds.not_null import NotNull
from pgslo.compile.rows.kinds.references import References
from pgslo.compile.rows.kinds.repairs import Repair
from pgslo.compile.rows.kinds.rows import Compare, Custom, ExpressionRule
from pgslo.compile.rows.kinds.schema import Schema
from pgslo.compile.rows.kinds.unique import Unique
from pgslo.compile.rows.kinds.values import (
    AcceptedValues,
    Format,
    Length,
    NotAcceptedValues,
    NotBlank,
    Pattern,
    Range,
)
from pgslo.compile.table.subject import Subject
from pgslo.definition import rules

#: By the class of the rule.
KINDS: dict[type[rules.Rule], type[RowKind[Any]]] = {
    rules.NotNull: NotNull,
    rules.NotBlank: NotBlank,
    rules.Range: Range,
    rules.AcceptedValues: AcceptedValues,
    rules.NotAcceptedValues: NotAcceptedValues,
    rules.Length: Length,
    rules.Pattern: Pattern,
    rules.Format: Format,
    rules.ExpressionRule: ExpressionRule,
    rules.Compare: Compare,
    rules.References: References,
    rules.Unique: Unique,
    rules.Schema: Schema,
    rules.Repair: Repair,
    rules.Custom: Custom,
}


def of(rule: rules.Rule, subject: Subject) -> RowKind[Any]:
    """Return a rule over rows with its table, as what its kind is compiled to."""
    return KINDS[type(rule)](rule, subject)
