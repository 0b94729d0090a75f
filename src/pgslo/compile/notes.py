"""Advice for the author of a definition that is not an error."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pgslo import sql
from pgslo.compile.choice import Choice
from pgslo.compile.part import Part
from pgslo.compile.table.batching import unseen_children
from pgslo.compile.table.context import TableContext
from pgslo.definition import rules

#: Rules that a note names.
_NAMED_RULES = 5
_FALLIBLE = re.compile(r"::|[/%]|\bcast\b|\w\s*\(", re.IGNORECASE)


def _depends_on_the_stored_row(rule: rules.Rule) -> bool:
    """Whether a part of a row, as an upsert may send it, can violate a quarantine rule that the merged row satisfies."""
    if rule.on_breach != "quarantine":
        return False
    return rule.fails_null or len(rule.reads) > 1


def _can_fail(rule: rules.Rule) -> bool:
    """Whether a rule's condition has what can raise an error for a value: a cast, a division, a call."""
    return rule.where is not None and _FALLIBLE.search(rule.where.text) is not None


def _replicated(table: TableContext, choices: tuple[Choice, ...]) -> list[str]:
    """The reaction of rules that refuse rows where an error would stop replication."""

    def named(*mechanisms: str) -> str:
        return ", ".join(
            choice.rule.name
            for choice in choices
            if choice.mechanism in mechanisms
            and (choice.rule.on_breach == "reject" or choice.rule.reject_below is not None)
        )

    notes = []
    if flagged := named("row trigger", "statement trigger", "schema trigger", "at close"):
        notes.append(
            f"rows of a subscription, and of session_replication_role = replica, are not rejected but flagged: {flagged}"
        )
    if held := named("native"):
        notes.append(f"constraints hold for a subscription as well, which stops at a violation: {held}")
    if table.writes.mode == "bulk":
        notes.append(
            "a subscription fires no statement trigger: its rows are evaluated with writes: stream only, and not counted here"
        )
    if table.definition.assertions:
        notes.append("assertions are not evaluated for rows of a subscription; pgslo.audit() does that")
    return notes


def _passed_by_merge(table: TableContext, choices: tuple[Choice, ...]) -> Iterator[str]:
    """What a MERGE passes that moves rows between partitions: it shows them to no trigger on statements."""
    if table.relation.kind != "p" or table.subject.catalog.server_version < 150000:
        return
    passed = [choice.rule.name for choice in choices if choice.mechanism == "at commit"]
    if table.writes.mode == "bulk":
        by_statement = ("statement trigger", "at close")
        passed = [choice.rule.name for choice in choices if choice.mechanism in by_statement] + passed
    if passed:
        named = ", ".join(passed[:_NAMED_RULES])
        if len(passed) > _NAMED_RULES:
            named += f" and {len(passed) - _NAMED_RULES} more"
        yield (
            "a MERGE without INSERT and DELETE actions passes no rows that it moves to another partition to statement triggers:"
            f" {named} cannot see them; writes: stream or on_breach: quarantine makes rules about single rows see them"
        )


def _slow_paths(table: TableContext) -> Iterator[str]:
    """What reads every element of each value that is written."""
    slow = [one.name for one in table.relation.inside if one.inside is not None and one.inside.reads_elements]
    if slow:
        yield (
            f"{', '.join(slow)}: each written value is read element by element, by each rule and to count values;"
            " a generated column, or a type of pgvector, costs less"
        )


def notes(table: TableContext, so_far: Part) -> Part:
    """Note what the choices for a definition mean for its writers."""
    return Part(notes=tuple(_notes(table, so_far.choices, recounts=bool(so_far.registered.get("recount")))))


def _notes(table: TableContext, choices: tuple[Choice, ...], *, recounts: bool) -> list[str]:
    relation, column = table.relation, table.batching.column
    notes = []
    if (
        table.writes.mode == "stream"
        and recounts
        and column is not None
        and not any(index.columns[0] == column for index in relation.indexes)
    ):
        notes.append(
            f"no index begins with {column}: batches of a streamed table are counted by it once the table is larger than 16 MB"
        )
    if table.subject.is_of_another and not relation.keeper_reads:
        keeper = table.catalog.keeper
        notes.append(
            f'role "{keeper}", who owns pgslo, may not read {table.definition.name}, which it locks while the table\'s owner reads it for'
            " pgslo: batches are not counted from the table and rows are not released;"
            f" GRANT SELECT ON {table.qualified} TO {sql.identifier(keeper)}, and USAGE on its schema"
        )
    for role in sorted({one.stranger for one in relation.columns if one.stranger}):
        listed = ", ".join(one.name for one in relation.columns if one.stranger == role)
        notes.append(
            f'types of {listed} belong to role "{role}", in whole or in part: it may define casts and domain constraints at any'
            " time, so their values are converted by output functions alone, and no expression or repair may use them"
        )
    if table.batching.names == "batch_hidden_name":
        notes.append(
            "batches are named by a hash, because their key may be personal; show_names: true under batch names them by it"
        )
    if (
        table.subject.catalog.batch_keys.get(table.definition.name, table.batching.identity)
        != table.batching.identity
    ):
        notes.append(
            "batches have another key than before: "
            + (
                "the next pgslo.tick() reads the whole table and evaluates all rows again; readers are warned until then of missed rows"
                if recounts
                else "rows do not name their batch, so missed rows stay missed until they are accepted"
            )
        )
    if relation.children:
        notes.append(unseen_children(relation))
    notes += _passed_by_merge(table, choices)
    notes += _slow_paths(table)
    if table.definition.fires == "always":
        notes += _replicated(table, choices)
    diverting = [choice.rule.name for choice in choices if choice.rule.on_breach in ("quarantine", "repair")]
    later = [name for name in relation.before_row_triggers if name > "pgslo_"]
    if diverting and later:
        notes.append(
            f"trigger {later[0]} fires after pgslo's BEFORE ROW triggers and may change the rows they let through ({', '.join(diverting)})"
        )
    indexed = [
        choice.rule.name for choice in choices if choice.mechanism == "native" and _can_fail(choice.rule)
    ]
    if indexed:
        notes.append(
            f"the condition of an index is evaluated by PostgreSQL ({', '.join(indexed)}): an error that it raises for a row shows"
            " values to the row's writer, also to one without SELECT"
        )
    partial = [choice.rule.name for choice in choices if _depends_on_the_stored_row(choice.rule)]
    if partial:
        notes.append(
            f"rows of INSERT ... ON CONFLICT DO UPDATE are quarantined as they were sent ({', '.join(partial)}): columns that the"
            " statement does not name have their defaults, not the stored values"
        )
    return notes
