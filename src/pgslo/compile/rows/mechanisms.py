"""The trigger that enforces a rule over rows: the cheapest that can."""

from __future__ import annotations

from pgslo.compile.choice import Choice
from pgslo.compile.table.batching import Writes
from pgslo.compile.table.subject import Subject
from pgslo.definition import rules
from pgslo.errors import CatalogError


def repair_trigger(rule: rules.Rule) -> Choice:
    """The mechanism of a rule that changes the row."""
    return Choice(rule, "repair trigger", "only a BEFORE ROW trigger can change the row")


def choose_trigger(rule: rules.Rule, subject: Subject, writes: Writes) -> Choice:
    """Return the cheapest trigger that can enforce a rule.

    Args:
        rule: The rule.
        subject: Its table.
        writes: How rows arrive.

    Raises:
        CatalogError: No trigger can.
    """
    if rule.on_breach == "quarantine":
        generated = [
            name for name in rule.reads if (column := subject.relation.column(name)) and column.generated
        ]
        if generated:
            raise CatalogError(
                f'column "{generated[0]}" is generated after the point where a row can be diverted',
                hint="put the rule on the columns it is generated from, or use on_breach: reject",
                location=rule.place("on_breach"),
            )
        return Choice(
            rule, "row trigger", "only a BEFORE ROW trigger can divert a row and let the others pass"
        )
    if rule.at_least is not None or rule.at_most is not None or rule.reject_below is not None:
        return Choice(
            rule,
            "statement trigger",
            "a share needs the number of rows written, which a statement knows at no cost",
        )
    if rule.looks_up:
        return Choice(
            rule, "statement trigger", "looking rows up is cheapest for all rows of a statement at once"
        )
    if writes.mode == "bulk":
        return Choice(
            rule,
            "statement trigger",
            f"one pass over the rows of a load is cheaper than a call for each ({writes.reason})",
        )
    return Choice(
        rule, "row trigger", f"all rules in one condition is the cheapest for single rows ({writes.reason})"
    )
