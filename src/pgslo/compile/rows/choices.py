"""How each rule over rows is enforced, and the constraint that says it where PostgreSQL can by itself."""

from __future__ import annotations

from dataclasses import replace

from pgslo.compile import told
from pgslo.compile.artifact import Artifact
from pgslo.compile.choice import Choice
from pgslo.compile.part import Part
from pgslo.compile.rows import constraints, mechanisms, probes
from pgslo.compile.rows.fitness import check
from pgslo.compile.rows.schema import check_schema
from pgslo.compile.table.context import TableContext
from pgslo.definition import rules
from pgslo.errors import CatalogError, Problems


def rules_over_rows(table: TableContext, problems: Problems) -> Part:
    """Choose how each rule over rows is enforced."""
    part = Part(probes=probes.of_batches(table))
    for rule in table.definition.rules:
        if rule.enabled and not isinstance(rule, rules.BatchRule):
            with problems.collecting():
                part += _rule(rule, table)
    return part


def _rule(rule: rules.Rule, table: TableContext) -> Part:
    choice = _choose(rule, table)
    if rule.reject_below is not None and table.writes.mode == "stream":
        raise CatalogError(
            '"reject_below" cannot reject statements of a streamed table',
            detail="Its batches are not counted while rows arrive one by one.",
            hint="declare writes: bulk, or use on_breach: reject, which judges each row by itself",
            location=rule.place("reject_below"),
        )
    made: tuple[Artifact, ...] = ()
    if choice.mechanism == "native":
        constraint = constraints.artifact(rule, table.definition, table.subject, choice.reason)
        if constraint is None:
            choice = Choice(rule, "native", "the table has it already; nothing is created")
        else:
            made = (constraint,)
        choice = replace(choice, rests_on=constraints.rests_on(rule, constraint))
    return Part(
        artifacts=made,
        choices=(choice,),
        probes=tuple(probes.of_rule(rule, table)),
        rules=(told.rule(choice),),
    )


def _choose(rule: rules.Rule, table: TableContext) -> Choice:
    subject = table.subject
    if isinstance(rule, rules.Schema):
        check_schema(rule, subject)
        return mechanisms.choose(rule, subject, table.writes)
    if isinstance(rule, rules.Range) and rule.on_breach == "repair":
        check(rule, subject)
        return Choice(rule, "repair trigger", "only a BEFORE ROW trigger can change the row")
    check(rule, subject)
    choice = mechanisms.choose(rule, subject, table.writes)
    if choice.mechanism in ("row trigger", "statement trigger") and isinstance(
        rule, rules.References | rules.Unique
    ):
        constraints.check_lookup(rule, subject)
    return choice
