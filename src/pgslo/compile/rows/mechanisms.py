"""Which mechanism enforces each rule: the cheapest that can do what the rule wants."""

from __future__ import annotations

from pgslo.compile.choice import Choice
from pgslo.compile.table.batching import Writes
from pgslo.compile.table.subject import Subject
from pgslo.definition import rules
from pgslo.errors import CatalogError


def choose(rule: rules.Rule, subject: Subject, writes: Writes) -> Choice:
    """The cheapest mechanism that can do what the rule wants.

    Raises:
        CatalogError: No mechanism can.
    """
    match rule:
        case rules.Repair():
            return Choice(rule, "repair trigger", "only a BEFORE ROW trigger can change the row")
        case rules.Schema():
            if rule.on_breach == "reject":
                return Choice(rule, "schema trigger", "one look at the catalogue before each statement")
            return Choice(
                rule, "on read", "one look at the catalogue at each guarded read; writes pay nothing"
            )
        case rules.NotNull() if rule.on_breach == "reject" and rule.where is None:
            return Choice(
                rule,
                "native",
                "NOT NULL costs a write nothing and no writer gets round it; its error is PostgreSQL's own (23502)",
            )
        case rules.Unique() if rule.on_breach == "reject":
            return Choice(
                rule,
                "native",
                "only a unique index holds between concurrent writers; its error is PostgreSQL's own (23505)",
            )
        case rules.References() if rule.on_breach == "reject" and rule.where is None:
            return Choice(
                rule,
                "native",
                "only a foreign key holds against deletes in the other table; its error is PostgreSQL's own (23503)",
            )
    return _choose_trigger(rule, subject, writes)


def _choose_trigger(rule: rules.Rule, subject: Subject, writes: Writes) -> Choice:
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
    if isinstance(rule, rules.Unique | rules.References):
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
