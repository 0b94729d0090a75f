"""Rules over rows as the functions that judge them print them: names, what of a failing row is shown, and to whom."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pgslo import naming, sql
from pgslo.compile.artifact import Artifact
from pgslo.compile.rows.kinds.base import Given, as_it_is
from pgslo.compile.rows.passing import passes
from pgslo.compile.snippets import texts
from pgslo.compile.table.context import TableContext
from pgslo.compile.table.subject import NEW, ROW
from pgslo.definition import rules, wording
from pgslo.sql import Sql

_ROW_AND_RULE = Sql("record, text")
#: Also without rules about rows before an UPDATE: with other arguments it would be another function, beside the one before.
_ARGUMENTS = Sql("record, text, text, boolean, record, oid, tid")
#: What the function that judges a row calls parts of the row before an UPDATE that a record does not have.
_NAMED = {"OLD.tableoid": Sql("old_part"), "OLD.ctid": Sql("old_place")}
#: Where further lines of a list of names begin.
_INDENT = 8
#: What an AFTER trigger function returns.
_NO_ROW = Sql("NULL")
#: What wrote the row: of a trigger on rows, and of a function that one calls.
_TG_OP, _OPERATION = Sql("TG_OP"), Sql("operation")
#: The key of a row of a table that has none.
_NO_KEY = Sql("'(none)'")


@dataclass(frozen=True)
class _Labelled:
    label: Sql
    text: Sql


@dataclass(frozen=True)
class _Shown:
    columns: tuple[_Labelled, ...]


@dataclass(frozen=True)
class _RowKey:
    columns: tuple[_Labelled, ...]


@dataclass(frozen=True)
class _Excerpt:
    definition: Sql
    operation: Sql
    names: Sql
    values: tuple[Sql, ...]
    #: How each is called, where that is not the column's name.
    labels: Sql


@dataclass(frozen=True)
class Described:
    """A rule as templates print it.

    Attributes:
        label: Its name, for a comment.
        name: The same as a constant.
        passes: The condition under which a row passes.
        text: The same as a text that is run.
        shown: Values of the failing row's columns, as text; of a rule that rejects, those that the writer may see.
        summary_text: Its summary, for a comment.
    """

    label: Sql
    name: Sql
    passes: Sql
    text: Sql
    shown: Sql
    summary_text: Sql


@dataclass(frozen=True)
class _JudgeRow:
    source: Sql
    function: Sql
    rules: tuple[Described, ...]


@dataclass(frozen=True)
class _Before:
    """Represents parameters with a row before an UPDATE."""


@dataclass(frozen=True)
class _Failing(_JudgeRow):
    definition: Sql
    row_key: Sql
    before: tuple[_Before, ...]


@dataclass(frozen=True)
class _FailingKey:
    definition: Sql
    for_writer: Sql
    names: Sql
    values: tuple[Sql, ...]


def refuses(rule: rules.Rule) -> bool:
    """Whether a row or statement that the rule does not accept is not stored."""
    return rule.on_breach in ("reject", "quarantine") or rule.reject_below is not None


def with_breach(
    chosen: tuple[rules.Rule, ...], described: tuple[Described, ...], *on_breach: str
) -> tuple[Described, ...]:
    """Those of the rules that do one of these on a breach."""
    return tuple(one for rule, one in zip(chosen, described, strict=True) if rule.on_breach in on_breach)


@dataclass(frozen=True)
class Header:
    """What every function on written rows has."""

    source: Sql
    function: Sql
    definition: Sql
    batch_raw: Sql
    batch_name: Sql
    batch_place: Sql
    guards: tuple[Sql, ...]


def header(
    table: TableContext, function: str, row: Sql, of: tuple[rules.Rule, ...], *, returns: Sql = _NO_ROW
) -> dict[str, Any]:
    """The fields of :class:`Header` for a function on ``row`` that judges these rules."""
    raw = table.batching.raw_new if row == NEW else table.batching.raw_row
    return {
        "source": table.source(of),
        "function": sql.identifier(naming.GENERATED_SCHEMA, function),
        "definition": sql.literal(table.definition.name),
        "batch_raw": raw,
        "batch_name": table.batching.name,
        "batch_place": table.batching.place,
        "guards": table.guards(table.relation, returns=returns),
    }


def row_key(table: TableContext, row: Sql) -> Sql:
    """An expression that prints a row's key as PostgreSQL does: ``(a, b) = (1, 2)``."""
    if not table.key:
        return _NO_KEY
    labels = [", "] * len(table.key)
    labels[0] = f"({', '.join(table.key)}) = ("
    return sql.render(
        "row_key",
        _RowKey(
            tuple(
                _Labelled(sql.literal(label), text(table, name, row))
                for label, name in zip(labels, table.key, strict=True)
            ),
        ),
    )


def text(table: TableContext, name: str, row: Sql) -> Sql:
    """A column's value in a row as text, for people."""
    return texts.text(table.subject.column(name, table.definition.location), row)


def _excerpt(table: TableContext, rule: rules.Rule, row: Sql) -> Sql:
    """What of a failing row an error shows to the writer, who may see a path where the column may be seen."""
    named = rule.read_as_named
    return sql.render(
        "writer_shown_inside" if rule.paths else "writer_shown",
        _Excerpt(
            sql.literal(table.definition.name),
            _TG_OP if row == NEW else _OPERATION,
            _texts(rule.paths.get(name, name) for name in named),
            tuple(text(table, name, row) for name in named),
            _texts(named),
        ),
    )


def _texts(names: Iterable[str]) -> Sql:
    return Sql(f"ARRAY[{sql.join(', ', (sql.literal(name) for name in names))}]::text[]")


def failing(
    table: TableContext, by_statement: tuple[rules.Rule, ...], by_row: tuple[rules.Rule, ...]
) -> Artifact:
    """The function that says what of a row violates one rule, whatever error its condition raises.

    Args:
        table: The definition and its table.
        by_statement: Rules that are evaluated for the rows of a statement.
        by_row: Rules that are evaluated for each row that is written.
    """
    name = table.function_name("failing")
    stored, written = described(table, by_statement, ROW), described(table, by_row, NEW, given=_given)
    rejecting = (
        *with_breach(by_statement, stored, "reject"),
        *with_breach(by_row, written, "reject"),
    )
    context = _Failing(
        table.source((*by_statement, *by_row)),
        sql.identifier(naming.GENERATED_SCHEMA, name),
        (*stored, *written),
        definition=sql.literal(table.definition.name),
        row_key=_failing_key(table, rejecting),
        before=(_Before(),) if by_row else (),
    )
    return table.function(
        name,
        sql.render("failing", context),
        "evaluates one rule for one row; no cursor is open meanwhile",
        arguments=_ARGUMENTS,
    )


def _given(value: Sql, type_: str) -> Sql:
    del type_
    return _NAMED.get(value.text, value)


def _failing_key(table: TableContext, rejecting: tuple[Described, ...]) -> Sql:
    """An expression that prints a row's key; for the writer, who may not see every value, of rules that reject."""
    if not table.key:
        return _NO_KEY
    for_writer = Sql(f"rule = ANY ({names(rejecting)})") if rejecting else Sql("FALSE")
    listed = sql.join(", ", (sql.literal(name) for name in table.key))
    return sql.render(
        "failing_key",
        _FailingKey(
            sql.literal(table.definition.name),
            for_writer,
            Sql(f"ARRAY[{listed}]::text[]"),
            tuple(text(table, name, ROW) for name in table.key),
        ),
    )


def judge_row(
    table: TableContext, name: str, judged: tuple[rules.Rule, ...], described: tuple[Described, ...]
) -> Artifact:
    """The function by which the owner of the table evaluates one rule for one row, whatever error its condition raises.

    Args:
        table: The definition and its table.
        name: Its name, without the schema.
        judged: The rules.
        described: The same, for the template.
    """
    function = sql.identifier(naming.GENERATED_SCHEMA, name)
    return table.function(
        name,
        sql.render("judge_row", _JudgeRow(table.source(judged), function, described)),
        "evaluates one rule for one row; no cursor is open meanwhile",
        arguments=_ROW_AND_RULE,
        reads_table=True,
    )


def names(described: tuple[Described, ...]) -> Sql:
    """The rules' names as an array."""
    return Sql(f"ARRAY[{sql.listed((one.name for one in described), _INDENT)}]::text[]")


def described(
    table: TableContext,
    judged: tuple[rules.Rule, ...],
    row: Sql,
    *,
    by_owner: bool = False,
    given: Given = as_it_is,
) -> tuple[Described, ...]:
    """Rules over a row, for templates.

    Args:
        table: The definition and its table.
        judged: The rules.
        row: How the row is called.
        by_owner: Whether they are evaluated with the rights of the table's owner, who may look rows up.
        given: Makes the text for a value of the row, in a condition that looks rows up.
    """
    return tuple(_describe(table, rule, row, by_owner=by_owner, given=given) for rule in judged)


def _describe(table: TableContext, rule: rules.Rule, row: Sql, *, by_owner: bool, given: Given) -> Described:
    if rule.on_breach == "reject":
        # An error is for the writer, who may lack the right to read; kept values are for stewards.
        shown = _excerpt(table, rule, row)
    else:
        values = (_Labelled(sql.literal(f"{name} = "), text(table, name, row)) for name in rule.read_as_named)
        shown = sql.render("shown", _Shown(tuple(values)))
    condition = passes(rule, table.subject, row, by_owner=by_owner, given=given)
    return Described(
        label=Sql(wording.one_line(rule.name)),
        name=sql.literal(rule.name),
        passes=condition,
        text=sql.quoted(condition),
        shown=shown,
        summary_text=Sql(wording.one_line(rule.summary)),
    )
