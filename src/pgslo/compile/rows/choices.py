"""How each rule over rows is enforced, and its constraint where PostgreSQL has one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pgslo import sql
from pgslo.compile import told
from pgslo.compile.artifact import Artifact
from pgslo.compile.choice import Choice
from pgslo.compile.part import Part, Probe
from pgslo.compile.rows import kinds
from pgslo.compile.table import paths
from pgslo.compile.table.context import TableContext
from pgslo.definition import rules
from pgslo.errors import CatalogError, Problems
from pgslo.sql import Sql

#: Types of batches whose collation may find two texts equal.
_COLLATED = frozenset({"text", "character varying", "character"})


@dataclass(frozen=True)
class _Grouped:
    table: Sql
    raw: Sql


def rules_over_rows(table: TableContext, problems: Problems) -> Part:
    """Choose how each rule over rows is enforced."""
    part = Part(probes=_batches_probed(table))
    for rule in table.definition.rules:
        if rule.enabled and not isinstance(rule, rules.BatchRule):
            with problems.collecting():
                part += _rule(rule, table)
    return part


def _rule(rule: rules.Rule, table: TableContext) -> Part:
    paths.check(rule, table.relation)
    kind = kinds.of(rule, table.subject)
    kind.check()
    choice = kind.choose(table.writes)
    if choice.mechanism in ("row trigger", "statement trigger"):
        kind.check_lookup()
    if rule.reject_below is not None and table.writes.mode == "stream":
        raise CatalogError(
            '"reject_below" cannot reject statements of a streamed table',
            detail="Its batches are not counted while rows arrive one by one.",
            hint="declare writes: bulk, or use on_breach: reject, which evaluates each row alone",
            location=rule.place("reject_below"),
        )
    made: tuple[Artifact, ...] = ()
    if choice.mechanism == "native":
        constraint = kind.constraint(table.definition.name, choice.reason)
        if constraint is None:
            choice = Choice(rule, "native", "the table has it already; nothing is created")
        else:
            made = (constraint,)
        choice = replace(choice, rests_on=kind.rests_on(constraint))
    return Part(
        artifacts=made,
        choices=(choice,),
        probes=tuple(kind.probes(table)),
        rules=(told.rule(choice),),
    )


def _batches_probed(table: TableContext) -> tuple[Probe, ...]:
    """Have PostgreSQL check whether rows can be grouped by the expression of the batch."""
    batch = table.definition.batch
    if batch is None or batch.by is None:
        return ()
    grouped = _Grouped(table.qualified, table.batching.raw_row)
    probe = Probe(sql.render("probe_batch", grouped), batch.by.location)
    if table.batching.names is None or table.batching.type.text not in _COLLATED:
        return (probe,)
    # Texts that are equal and not the same have one group and several names.
    return (probe, Probe(sql.render("probe_collation", grouped), batch.by.location))
