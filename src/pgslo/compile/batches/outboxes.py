"""A table whose rows are on the nodes of a cluster: triggers of its shards note what tick() counts on the coordinator."""

from __future__ import annotations

from dataclasses import dataclass

from pgslo import naming, sql
from pgslo.compile.artifact import Artifact, Statement
from pgslo.compile.part import Part
from pgslo.compile.rows.described import header
from pgslo.compile.rows.passing import passes
from pgslo.compile.table import outbox
from pgslo.compile.table.context import TableContext
from pgslo.compile.table.subject import ROW
from pgslo.definition import rules
from pgslo.sql import Sql

_NEW, _OLD = Sql("pgslo_new"), Sql("pgslo_old")
_TRUE = Sql("TRUE")
_NO_RULES: tuple[rules.Rule, ...] = ()


@dataclass(frozen=True)
class _Outbox:
    outbox: Sql
    type: Sql


@dataclass(frozen=True)
class _Distributed:
    outbox: Sql
    table: Sql
    group: Sql


@dataclass(frozen=True)
class _Rejecting:
    """A rule that rejects, as far as an error on a shard says it."""

    name: Sql
    passes: Sql
    summary: Sql
    owner: Sql
    about: Sql


@dataclass(frozen=True)
class _Judging:
    rules: tuple[_Rejecting, ...]


@dataclass(frozen=True)
class _Statement:
    source: Sql
    function: Sql
    definition: Sql
    outbox: Sql
    key: Sql
    type: Sql
    rows: Sql
    batch_raw: Sql
    batch_name: Sql
    batch_place: Sql
    passes: Sql
    judging: tuple[_Judging, ...]
    guards: tuple[Sql, ...]


@dataclass(frozen=True)
class _Emptied:
    source: Sql
    function: Sql
    outbox: Sql
    any_key: Sql


def outbox_table(table: TableContext, so_far: Part) -> Part:
    """Make the table that the triggers of a distributed table write to; nothing for other tables."""
    if table.shards is None or not any(one.kind == "trigger" for one in so_far.artifacts):
        return Part()
    type_ = Sql(outbox.key_type(table))
    name = outbox.qualified(table)
    text = sql.literal(str(name))
    owned = outbox.owned(name, table.catalog.keeper)
    distributed = _Distributed(text, sql.literal(str(table.qualified)), sql.literal(table.shards.colocation))
    made = Artifact(
        kind="table",
        names=(outbox.name_of(table),),
        definition=table.definition.name,
        create=(
            Statement(
                sql.render("shards/outbox_table", _Outbox(name, type_)),
                then=(*owned, sql.render("shards/outbox_distributed", distributed)),
            ),
        ),
        reason="keeps what triggers note on the nodes, beside the rows that it is about, until tick() has read it",
        owner=table.catalog.keeper,
        commented=Sql(f"TABLE {name}"),
    )
    return Part(artifacts=(made,), registered={"outbox": outbox.name_of(table)})


def statements(table: TableContext, judged: tuple[rules.Rule, ...], *, counts: bool) -> list[Artifact]:
    """Judge what statements write to a shard, and note its batches.

    Args:
        table: The definition and its table.
        judged: Rules that are evaluated for all rows of a statement.
        counts: Whether batches are counted.
    """
    rejecting = tuple(rule for rule in judged if rule.on_breach == "reject")
    if not (rejecting or counts):
        return []
    made = _function(table, "written", _NEW, rejecting)
    for event in ("INSERT", "UPDATE"):
        made.append(_trigger(table, "trigger_statement", "written", naming.MEASURE_ORDER, "measure", event))
    if counts:
        made += _function(table, "removed", _OLD, _NO_RULES)
        for event in ("UPDATE", "DELETE"):
            made.append(_trigger(table, "trigger_taken", "removed", naming.TAKEN_ORDER, "taken", event))
        made += _truncated(table)
    return made


def _function(table: TableContext, what: str, rows: Sql, rejecting: tuple[rules.Rule, ...]) -> list[Artifact]:
    name = table.function_name(what)
    common = header(table, name, ROW, rejecting)
    told = tuple(_rejecting(table, rule) for rule in rejecting)
    context = _Statement(
        source=common["source"],
        function=common["function"],
        definition=common["definition"],
        outbox=outbox.qualified(table),
        key=outbox.key(table),
        type=Sql(outbox.key_type(table)),
        rows=rows,
        batch_raw=common["batch_raw"],
        batch_name=common["batch_name"],
        batch_place=common["batch_place"],
        passes=sql.join(" AND ", (one.passes for one in told)) if told else _TRUE,
        judging=(_Judging(told),) if told else (),
        guards=outbox.guards(table),
    )
    text = sql.render("shards/shard_statement", context)
    reason = "notes the batches that a statement wrote to a shard; tick() counts them"
    return [table.function(name, text, reason, settings=table.settings(rejecting))]


def _rejecting(table: TableContext, rule: rules.Rule) -> _Rejecting:
    return _Rejecting(
        name=sql.literal(rule.name),
        passes=passes(rule, table.subject, ROW),
        summary=sql.literal(rule.summary),
        owner=sql.literal(table.owner(rule)),
        about=sql.literal(rule.column or ""),
    )


def _truncated(table: TableContext) -> list[Artifact]:
    name = table.function_name("truncated")
    context = _Emptied(
        source=table.source(),
        function=sql.identifier(naming.GENERATED_SCHEMA, name),
        outbox=outbox.qualified(table),
        any_key=Sql(outbox.ANY_KEY[outbox.key_type(table)]),
    )
    made = table.function(
        name, sql.render("shards/shard_emptied", context), "a table that is emptied has no batches any more"
    )
    return [
        made,
        _trigger(
            table,
            "trigger_truncate",
            "truncated",
            naming.EMPTIED_ORDER,
            "emptied",
            "TRUNCATE",
            "fires on the node that empties the table",
        ),
    ]


def _trigger(
    table: TableContext,
    template: str,
    what: str,
    order: int,
    word: str,
    event: str,
    reason: str = "Citus gives each shard a trigger like it, which fires on the node of the shard",
) -> Artifact:
    return table.trigger(
        template,
        naming.trigger(order, word, event.lower()),
        event,
        table.function_name(what),
        table.name,
        reason,
    )
