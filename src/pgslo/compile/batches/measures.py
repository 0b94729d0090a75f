"""What is measured of a batch, or of the table, for each rule over one: sums, a profile, or a function of its own."""

from __future__ import annotations

from typing import Any

from pgslo import sql
from pgslo.compile import told, wording
from pgslo.compile.batches import functions, profiled, sums
from pgslo.compile.batches.freshness import freshness
from pgslo.compile.batches.functions import Parts
from pgslo.compile.choice import Choice
from pgslo.compile.part import Part, Probe
from pgslo.compile.probes import Probed
from pgslo.compile.table.column_types import check_casts
from pgslo.compile.table.context import TableContext
from pgslo.compile.table.subject import ROW
from pgslo.definition import bounds, rules
from pgslo.errors import CatalogError, Problems

_AND_REFUSED = "; what its bound rejects is refused at the end of the statement"
_BY_PAIRS = "added up by tick() from the predictions and labels that changed; never from all pairs"


def rules_over_batches(table: TableContext, problems: Problems) -> Part:
    """Work out how the values of rules over batches are measured."""
    part = Part()
    for rule in table.definition.rules:
        if isinstance(rule, rules.BatchRule) and rule.enabled:
            with problems.collecting():
                part += measure(rule, table)
    return part


def measure(rule: rules.BatchRule, table: TableContext) -> Part:
    """Work out how a rule's value is measured, and what the runtime is told of that.

    Raises:
        CatalogError: Its columns do not exist or are of a type that it cannot judge, or nothing counts its batches.
    """
    parts = _parts(rule, table)
    is_of_table = isinstance(rule, rules.Freshness) and rule.max_age is not None
    if not is_of_table and not isinstance(rule, rules.MlMetric):
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
    high = _high(rule, parts)
    # Its form, as pgslo_catalog.measured reads it, with the values that meet the rule and at which a statement is let through.
    measured = {
        "measure": parts.measure | ({"where": list(rule.where.columns)} if rule.where else {}),
        "warn_low": rule.low,
        "warn_high": high,
        "reject_low": reject_low,
        "reject_high": reject_high,
    }
    age: dict[str, Any] = {}
    if is_of_table:
        age = {"max_age": f"{high:.0f} seconds", "age_of": parts.measure.get("function")}
    choice = Choice(rule, "at close", parts.reason + (_AND_REFUSED if rejects else ""))
    return Part(
        artifacts=parts.artifacts,
        choices=(choice,),
        probes=(*_where_probe(rule, table), *(Probe(text, location) for text, location in parts.probes)),
        tallies=parts.tallies,
        refuses=rejects,
        registered=age,
        rules=(told.rule(choice, scope="table" if is_of_table else "batch", measured=measured),),
    )


def _high(rule: rules.BatchRule, parts: Parts) -> float | None:
    """Return the largest value that meets a rule."""
    if isinstance(rule, rules.Freshness):
        if rule.max_age is not None:
            return rule.max_age.total_seconds()
        return float((rule.max_unchanged or 1) - 1)
    if parts.measure["form"] == "failures":
        return float(rule.at_most or 0)
    return rule.high


def _where_probe(rule: rules.Rule, table: TableContext) -> tuple[Probe, ...]:
    if rule.where is None:
        return ()
    probed = Probed(table.qualified, rule.where.qualified(ROW))
    return (Probe(sql.render("probe_condition", probed), rule.where.location),)


def _check_counted(rule: rules.BatchRule, table: TableContext) -> None:
    batch = table.definition.batch
    if table.writes.mode == "stream" and (batch is None or batch.by is None):
        raise CatalogError(
            f'nothing tells the batches that "{rule.kind}" is to judge',
            detail="Rows of a streamed table are not counted one by one; a batch is counted from the table when it is closed.",
            hint="name the column that tells the batch: batch: {by: …}, or declare writes: bulk",
            location=rule.location,
        )


def _parts(rule: rules.BatchRule, table: TableContext) -> Parts:
    if rule.where:
        for name in rule.where.columns:
            check_casts(table.subject.column(name, rule.where.location), rule.where.location)
    match rule:
        case rules.Completeness():
            return sums.completeness(rule, table)
        case rules.RowCount(of="table"):
            return functions.table_rows(rule, table)
        case rules.RowCount():
            counted = sums.rows(rule)
            tallies = sums.tallies_of_rows(rule)
            if rule.relative_to is None:
                return Parts(counted, sums.BY_SUMS, tallies)
            compared = {
                "form": "change",
                "of": counted,
                "ratio": True,
                "relative_to": rule.relative_to,
                "said": "rows",
            }
            return Parts(compared, sums.BY_SUMS, tallies)
        case rules.Statistic():
            counted, tallies = sums.statistic(rule, table, rule.of, rule.quantile)
            return Parts(counted, sums.BY_SUMS if tallies else profiled.BY_PROFILE, tallies)
        case rules.Change():
            if rule.of == "row_count":
                counted, tallies = {"form": "rows"}, ()
            else:
                counted, tallies = sums.statistic(rule, table, rule.of, rule.quantile)
            return Parts(
                {
                    "form": "change",
                    "of": counted,
                    "absolute": rule.absolute,
                    "relative_to": rule.relative_to,
                    "said": "rows" if rule.of == "row_count" else wording.called(rule.of, rule.quantile),
                },
                sums.BY_SUMS if tallies else profiled.BY_PROFILE,
                tallies,
            )
        case rules.Drift() | rules.Skew():
            return profiled.distance(rule, table)
        case rules.Freshness():
            return freshness(rule, table)
        case rules.MlMetric():
            return Parts(_metric(rule, table.definition), _BY_PAIRS)
        case rules.QueryRule():
            return functions.query(rule, table)
    return functions.function(rule, table)


def _metric(rule: rules.MlMetric, definition: rules.Definition) -> dict[str, Any]:
    columns, labels = definition.predictions, definition.labels
    segments = labels.segments if labels else ()
    places = [0 if columns and name == columns.model else segments.index(name) + 1 for name in rule.per]
    return {
        "form": "metric",
        "of": rule.of,
        "over": rule.over,
        "per": list(rule.per),
        "places": places,
        "confidence": rule.confidence,
        "early": rule.of in rules.EARLY,
    }
