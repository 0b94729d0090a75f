"""Texts of plans and notes about constraints that PostgreSQL enforces."""

from __future__ import annotations

from pgslo.definition.rules import Rule

SCAN = "reads the whole table, while others go on reading and writing"


def unchecked(rule: Rule, stranger: str) -> str:
    """Return the note that a constraint is not validated, because that would run code of another role."""
    return (
        f"{rule.name}: existing rows are not checked, as that would run functions of role {stranger}"
        " with the rights of the role that applies; new rows are"
    )
