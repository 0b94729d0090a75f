"""A function that judges rows of a batch again which could not be judged when they were written."""

from __future__ import annotations

from dataclasses import dataclass

from pgslo import naming, sql
from pgslo.compile.artifact import Artifact
from pgslo.compile.batches import raising
from pgslo.compile.batches.kinds.functions import rows_of_batch
from pgslo.compile.choice import Choice
from pgslo.compile.part import Part
from pgslo.compile.rows import kinds
from pgslo.compile.rows.described import Described, described, judge_row, names
from pgslo.compile.rows.passing import lookup
from pgslo.compile.snippets import session_settings
from pgslo.compile.snippets.undoing import Undoing
from pgslo.compile.table.context import TableContext
from pgslo.compile.table.subject import ROW
from pgslo.definition import rules
from pgslo.sql import Sql

#: Those that refuse a row fail its write instead of leaving it unjudged, but for rows of a subscription.
_ON_BREACH = ("warn", "flag")
_BATCH_AND_RULE = Sql("text, text")
_VARIABLES = (Sql("    r record;"), Sql("    passes boolean;"))
_IS_UNKNOWN = Sql("is_unknown")
#: How a row is called where the table is scanned.
_SCANNED = Sql("t")


@dataclass(frozen=True)
class _Unknown:
    """The key that rows are compared with where those of the unknown batch are asked for."""

    batch: Sql


@dataclass(frozen=True)
class _PushedDown:
    """Rules whose conditions the nodes of a cluster evaluate, with their names."""

    names: Sql
    rules: tuple[Described, ...]


@dataclass(frozen=True)
class _Judge:
    source: Sql
    function: Sql
    judges: tuple[Sql, ...]
    declared: tuple[Sql, ...]
    rules: tuple[Described, ...]
    rule_names: Sql
    rows: Sql
    unknown: tuple[_Unknown, ...]
    undoing: tuple[Undoing, ...]
    pushed_down: tuple[_PushedDown, ...]


@dataclass(frozen=True)
class _Function:
    function: Sql


def unjudged(table: TableContext, so_far: Part) -> Part:
    """Make the function that counts failing rows of one batch for one rule, and before it the one that it calls for each.

    None of both where no trigger judges rows without refusing them, or no row says which batch it belongs to.
    """
    if judge := _judge(table, so_far.choices):
        return Part(artifacts=judge, registered={"judge": judge[-1].names[0]})
    return Part(registered={"judge": None})


def _judge(table: TableContext, choices: tuple[Choice, ...]) -> tuple[Artifact, ...]:
    batch = table.definition.batch
    judged = tuple(
        choice.rule
        for choice in choices
        if choice.mechanism in ("row trigger", "statement trigger")
        and choice.rule.on_breach
        in (*_ON_BREACH, *(("reject",) if table.definition.fires == "always" else ()))
        and not _is_out_of_reach(choice.rule, table)
    )
    if batch is None or batch.by is None or not judged:
        return ()
    name = table.function_name("judge")
    # The owner of a table has no USAGE on the schema of generated functions.
    is_of_another = table.subject.is_of_another
    of_rows = described(table, judged, ROW, by_owner=True)
    made, fails = _of_row(table, choices, judged, of_rows)
    context = _Judge(
        source=table.source(judged),
        function=sql.identifier(naming.GENERATED_SCHEMA, name),
        judges=() if is_of_another else (fails,),
        declared=(
            *((Sql("    is_unknown boolean;"),) if raising.may_raise(table) else ()),
            *(_VARIABLES if is_of_another else ()),
        ),
        rules=of_rows,
        rule_names=names(of_rows),
        rows=rows_of_batch(table, is_unknown=_IS_UNKNOWN),
        unknown=_unknown(table),
        undoing=raising.apart(table, at_once=_IS_UNKNOWN),
        pushed_down=_pushed_down(table, judged),
    )
    return (
        *(() if is_of_another else made),
        table.function(
            name,
            sql.render("judge_rows", context),
            "judges rows that could not be judged when they were written, for example while a lock was held",
            arguments=_BATCH_AND_RULE,
            reads_table=True,
            settings=session_settings.ALL | raising.settings(table),
        ),
    )


def _pushed_down(table: TableContext, judged: tuple[rules.Rule, ...]) -> tuple[_PushedDown, ...]:
    """Rules that nodes evaluate for all of their rows in one query.

    An error on a node would end the transaction, and nodes have settings of their own: neither may concern such a rule.
    """
    found = tuple(rule for rule in judged if _is_plain(rule, table)) if table.shards else ()
    if not found:
        return ()
    of_rows = described(table, found, _SCANNED, by_owner=True)
    return (_PushedDown(names(of_rows), of_rows),)


def _is_plain(rule: rules.Rule, table: TableContext) -> bool:
    return (
        not kinds.of(rule, table.subject).may_raise
        and rule.where is None
        and not rule.paths
        and not table.settings((rule,))
    )


def _of_row(
    table: TableContext,
    choices: tuple[Choice, ...],
    judged: tuple[rules.Rule, ...],
    of_rows: tuple[Described, ...],
) -> tuple[tuple[Artifact, ...], Sql]:
    """The expression of whether a row of the table fails a rule: the function of the statement trigger, if it knows all rules.

    That function reads tables of pgslo where a condition raises an error, and no node but the coordinator has them.
    """
    by_statement = {choice.rule.name for choice in choices if choice.mechanism == "statement trigger"}
    if not table.shards and {rule.name for rule in judged} <= by_statement:
        function = sql.identifier(naming.GENERATED_SCHEMA, table.function_name("failing"))
        return (), sql.render("fails", _Function(function))
    name = table.function_name("judge_row")
    function = sql.identifier(naming.GENERATED_SCHEMA, name)
    return (judge_row(table, name, judged, of_rows),), sql.render("fails_judge", _Function(function))


def _unknown(table: TableContext) -> tuple[_Unknown, ...]:
    """The unknown batch, if a row may be of it. Only a key that is a text can equal its name."""
    if not raising.may_raise(table):
        return ()
    return (_Unknown(Sql("batch") if table.batching.names == "batch_shown_name" else sql.literal(None)),)


def _is_out_of_reach(rule: rules.Rule, table: TableContext) -> bool:
    """Whether a third role's function looks rows up, which the owner of the table may not call."""
    if not table.subject.is_of_another:
        return False
    found = lookup(rule, table.subject, ROW)
    return found is not None and found.pinned is not None
