"""The triggers that judge, or divert, rows one by one, and the one that looks at the schema."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pgslo import naming, sql
from pgslo.compile.artifact import Artifact
from pgslo.compile.choice import Choice, Mechanism
from pgslo.compile.part import Part
from pgslo.compile.rows import kinds
from pgslo.compile.rows.described import (
    Described,
    Header,
    described,
    fields,
    header,
    names,
    refuses,
    with_breach,
)
from pgslo.compile.table.context import TableContext
from pgslo.compile.table.subject import NEW
from pgslo.definition import rules
from pgslo.sql import Sql

#: Mechanisms of rules about the table's columns and types.
_BY_SCHEMA = ("schema trigger", "on read")
_ALWAYS, _NOTHING, _REJECTS = Sql("TRUE"), Sql("NULL"), Sql("rule = ANY (rejecting)")


@dataclass(frozen=True)
class _Leaving:
    """Stands for leaving a row unjudged where an error is of the moment."""


@dataclass(frozen=True)
class _Judging(Header):
    """What evaluates rules for row ``NEW``.

    Attributes:
        first: The condition of the first rule; the others follow.
        passed: What the function returns for a row that passes all of them.
        fields: The fields of the row that any of them reads.
        refuses: Whether the rule in question refuses a row that it does not accept.
    """

    first: Sql
    others: tuple[Sql, ...]
    passed: Sql
    fields: Sql
    judged: tuple[Described, ...]
    rule_names: Sql
    refuses: Sql
    leaving: tuple[_Leaving, ...]


@dataclass(frozen=True)
class _RowWritten(_Judging):
    rejecting: Sql
    any_refuses: Sql


@dataclass(frozen=True)
class _Quarantine(_Judging):
    old_key: Sql
    any_refuses: Sql


@dataclass(frozen=True)
class _Value:
    value: Sql


@dataclass(frozen=True)
class _Schema:
    source: Sql
    function: Sql
    definition: Sql
    wanted: Sql
    schema_name: Sql
    table_name: Sql
    rule: Sql
    owner: Sql


def row_triggers(table: TableContext, so_far: Part) -> Part:
    """Make functions and triggers for the rules that are enforced by other triggers than those on whole statements."""
    by_schema = (choice.rule for choice in so_far.choices if choice.mechanism in _BY_SCHEMA)
    rule = next(by_schema, None)
    told = kinds.of(rule, table.subject).declared() if rule is not None else None
    return Part(artifacts=_artifacts(table, so_far.choices), registered={"schema": told})


def _artifacts(table: TableContext, choices: tuple[Choice, ...]) -> tuple[Artifact, ...]:
    def of(mechanism: Mechanism) -> tuple[rules.Rule, ...]:
        return tuple(choice.rule for choice in choices if choice.mechanism == mechanism)

    made: list[Artifact] = []
    by_row, by_schema = of("row trigger"), of("schema trigger")
    diverting = tuple(rule for rule in by_row if rule.on_breach == "quarantine")
    judging = tuple(rule for rule in by_row if rule.on_breach != "quarantine")
    if diverting:
        made += _quarantine(table, diverting)
    if judging:
        made += _row(table, judging)
    if by_schema:
        made += _schema(table, by_schema[0])
    return tuple(made)


def _quarantine(table: TableContext, diverting: tuple[rules.Rule, ...]) -> list[Artifact]:
    function = table.function_name("quarantine")
    context = _Quarantine(
        **header(table, function, NEW, diverting, returns=NEW),
        **_judging(table, diverting),
        passed=NEW,
        refuses=_ALWAYS,
        leaving=(),
        any_refuses=_ALWAYS,
        old_key=sql.join(
            ", ",
            (sql.render("iso_text", _Value(Sql(f"OLD.{sql.identifier(name)}"))) for name in table.key),
        ),
    )
    return [
        table.function(
            function,
            sql.render("quarantine", context),
            "all quarantining rules in one condition; a look at each only when it fails",
            settings=table.settings(diverting),
        ),
        table.trigger(
            "trigger_row",
            naming.trigger(naming.ENFORCE_ORDER, "quarantine", "row"),
            "INSERT OR UPDATE",
            function,
            (table.relation.schema, table.relation.name),
            "a BEFORE ROW trigger; PostgreSQL clones it to every partition",
        ),
    ]


def _row(table: TableContext, judging: tuple[rules.Rule, ...]) -> list[Artifact]:
    function = table.function_name("row_written")
    # An error names the first that fails.
    judging = tuple(sorted(judging, key=lambda rule: rule.on_breach != "reject"))
    of_rows = described(table, judging, NEW)
    context = _RowWritten(
        **header(table, function, NEW, judging),
        **_judging(table, judging),
        passed=_NOTHING,
        refuses=_REJECTS,
        leaving=(_Leaving(),),
        any_refuses=sql.literal(any(refuses(rule) for rule in judging)),
        rejecting=names(with_breach(judging, of_rows, "reject")),
    )
    return [
        table.function(
            function,
            sql.render("row_written", context),
            "all row rules in one condition; a look at each only when it fails",
            settings=table.settings(judging),
        ),
        table.trigger(
            "trigger_after_row",
            naming.trigger(naming.MEASURE_ORDER, "measure", "row"),
            "INSERT OR UPDATE",
            function,
            (table.relation.schema, table.relation.name),
            "an AFTER ROW trigger judges what was stored, once, whatever other triggers and ON CONFLICT do; PostgreSQL clones it to every partition",
        ),
    ]


def _judging(table: TableContext, judged: tuple[rules.Rule, ...]) -> dict[str, Any]:
    of_rows = described(table, judged, NEW)
    return {
        "first": of_rows[0].passes,
        "others": tuple(one.passes for one in of_rows[1:]),
        "fields": fields(NEW, table.read_for(judged)),
        "judged": of_rows,
        "rule_names": names(of_rows),
    }


def _schema(table: TableContext, rule: rules.Rule) -> list[Artifact]:
    wanted = json.dumps(kinds.of(rule, table.subject).declared(), ensure_ascii=False)
    function = table.function_name("schema")
    context = _Schema(
        source=table.source(),
        function=sql.identifier(naming.GENERATED_SCHEMA, function),
        definition=sql.literal(table.definition.name),
        wanted=Sql(f"{sql.literal(wanted)}::jsonb"),
        schema_name=sql.literal(table.relation.schema),
        table_name=sql.literal(table.relation.name),
        rule=sql.literal(rule.name),
        owner=sql.literal(table.owner(rule)),
    )
    trigger = naming.trigger(naming.ENFORCE_ORDER, "schema", "statement")
    own = table.name
    return [
        table.function(
            function,
            sql.render("rules/schema", context),
            "compares the table's columns with the definition",
        ),
        *(
            table.trigger(
                "trigger_schema",
                trigger,
                "INSERT OR UPDATE",
                function,
                name,
                "a BEFORE STATEMENT trigger: one look a statement, not a row",
                apart=name != own,
            )
            for name in (own, *table.relation.partitions)
        ),
    ]
