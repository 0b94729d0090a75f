"""The measured value of a batch, or of the table, for each rule over one: sums, a profile, or a function of its own."""

from __future__ import annotations

from typing import Any

from pgslo import sql
from pgslo.compile import told
from pgslo.compile.batches import kinds
from pgslo.compile.choice import Choice
from pgslo.compile.part import Part, Probe
from pgslo.compile.probes import Probed
from pgslo.compile.table import paths
from pgslo.compile.table.column_types import check_casts
from pgslo.compile.table.context import TableContext
from pgslo.compile.table.subject import ROW
from pgslo.definition import bounds, rules
from pgslo.errors import CatalogError, Problems

_AND_REFUSED = "; what its bound rejects is refused at the end of the statement"


def rules_over_batches(table: TableContext, problems: Problems) -> Part:
    """Work out how the values of rules over batches are measured."""
    part = Part()
    for rule in table.definition.rules:
        if isinstance(rule, rules.BatchRule) and rule.enabled:
            with problems.collecting():
                part += measure(rule, table)
    return part


def measure(rule: rules.BatchRule, table: TableContext) -> Part:
    """Work out how a rule's value is measured, and its registration in the runtime.

    Raises:
        CatalogError: Its columns do not exist or are of a type that it cannot judge, or nothing counts its batches.
    """
    if rule.where:
        for name in rule.where.columns:
            check_casts(table.subject.column(name, rule.where.location), rule.where.location)
    paths.check(rule, table.relation)
    kind = kinds.of(rule, table)
    parts = kind.parts()
    if rule.where is not None and parts.tallies:
        for name in rule.where.columns:
            table.subject.stored(name, rule.where.location)
    if kind.is_counted and kind.max_age is None:
        _check_counted(rule, table)
    reject_low, reject_high = bounds.rejects(rule)
    rejects = reject_low is not None or reject_high is not None
    if rejects and table.writes.mode == "stream":
        raise CatalogError(
            f'"{rule.kind}" cannot reject statements of a streamed table',
            detail="Its batches are not counted while rows arrive one by one.",
            hint="declare writes: bulk, or use on_breach: warn",
            location=rule.place("reject_below" if rule.reject_below is not None else "on_breach"),
        )
    # Its form, as pgslo_catalog.measured reads it, with the values that meet the rule and at which a statement is let through.
    measured = {
        "measure": parts.measure
        | ({"where": [*parts.measure.get("where", ()), *rule.where.columns]} if rule.where else {}),
        "warn_low": rule.low,
        "warn_high": kind.high,
        "reject_low": reject_low,
        "reject_high": reject_high,
    }
    if parts.resolves_after > 1 and "resolves_after" not in rule.places:
        measured["met_before_resolve"] = parts.resolves_after
    age: dict[str, Any] = {}
    if kind.max_age is not None:
        age = {"max_age": f"{kind.max_age:.0f} seconds", "age_of": parts.measure.get("function")}
    choice = Choice(rule, "at close", parts.reason + (_AND_REFUSED if rejects else ""))
    return Part(
        artifacts=parts.artifacts,
        choices=(choice,),
        probes=(*_where_probe(rule, table), *(Probe(text, location) for text, location in parts.probes)),
        tallies=parts.tallies,
        refuses=rejects,
        registered=age,
        rules=(told.rule(choice, scope="batch" if kind.max_age is None else "table", measured=measured),),
    )


def _where_probe(rule: rules.Rule, table: TableContext) -> tuple[Probe, ...]:
    if rule.where is None:
        return ()
    probed = Probed(table.qualified, rule.where.qualified(ROW))
    return (Probe(sql.render("probe_condition", probed), rule.where.location),)


def _check_counted(rule: rules.BatchRule, table: TableContext) -> None:
    batch = table.definition.batch
    if table.writes.mode == "stream" and (batch is None or batch.by is None):
        raise CatalogError(
            f'cannot determine the batches that "{rule.kind}" is to evaluate',
            detail="Rows of a streamed table are not counted one by one; a batch is counted from the table when it is closed.",
            hint="name the column of the batch: batch: {by: …}, or declare writes: bulk",
            location=rule.location,
        )
