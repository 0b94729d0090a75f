"""Rules over rows as the functions that judge them print them: names, what of a failing row is shown, and to whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pgslo import naming, sql
from pgslo.compile import wording
from pgslo.compile.artifact import Artifact
from pgslo.compile.rows.passing import passes
from pgslo.compile.snippets import texts
from pgslo.compile.table.context import TableContext
from pgslo.compile.table.subject import NEW
from pgslo.definition import rules
from pgslo.sql import Sql

_ROW_AND_RULE = Sql("record, text")
#: What an AFTER trigger function returns.
_NO_ROW = Sql("NULL")
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
    names: Sql
    values: tuple[Sql, ...]


@dataclass(frozen=True)
class _Nothing:
    pass


@dataclass(frozen=True)
class Described:
    """A rule as templates print it.

    Attributes:
        shown: Values of the failing row's columns, as text; of a rule that rejects, those that the writer may see.
        row_key: The key of the failing row, in the same way.
        raised: The error that the condition raised, in the same way.
        fields: The fields of the row that the rule and the key read, and then those by which its batch is told.
    """

    label: Sql
    name: Sql
    ordinal: Sql
    passes: Sql
    shown: Sql
    row_key: Sql
    raised: Sql
    column_name: Sql
    promise: Sql
    promise_text: Sql
    owner: Sql
    warns: Sql
    samples: Sql
    refuses: Sql
    fields: tuple[Sql, ...]


@dataclass(frozen=True)
class _JudgeRow:
    source: Sql
    function: Sql
    rules: tuple[Described, ...]


def fields(row: Sql, names: tuple[str, ...]) -> Sql:
    """Return the fields of a row that a function reads."""
    # A table without a key may have a rule that reads no column.
    return sql.join(", ", (Sql(f"{row}.{sql.identifier(name)}") for name in names)) if names else Sql("NULL")


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
    schema_name: Sql
    table_name: Sql
    owner: Sql
    row_key: Sql
    writer_key: Sql
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
        "schema_name": sql.literal(table.relation.schema),
        "table_name": sql.literal(table.relation.name),
        "owner": sql.literal(table.owner()),
        "row_key": row_key(table, row),
        "writer_key": writer_key(table, row),
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


def writer_key(table: TableContext, row: Sql) -> Sql:
    """The same for the writer, who may not see every value."""
    return _excerpt(table, "writer_key", table.key, row) if table.key else _NO_KEY


def text(table: TableContext, name: str, row: Sql) -> Sql:
    """A column's value in a row as text, for people."""
    return texts.text(table.subject.column(name, table.definition.location), row)


def _excerpt(table: TableContext, template: str, columns: tuple[str, ...], row: Sql) -> Sql:
    """What of a failing row an error shows to the writer."""
    names = sql.join(", ", (sql.literal(name) for name in columns))
    return sql.render(
        template,
        _Excerpt(
            sql.literal(table.definition.name),
            Sql(f"ARRAY[{names}]::text[]"),
            tuple(text(table, name, row) for name in columns),
        ),
    )


def judge_row(
    table: TableContext,
    name: str,
    judged: tuple[rules.Rule, ...],
    described: tuple[Described, ...],
    *,
    reads_table: bool = False,
) -> Artifact:
    """The function that evaluates one rule for one row, whatever error its condition raises.

    Args:
        table: The definition and its table.
        name: Its name, without the schema.
        judged: The rules.
        described: The same, for the template.
        reads_table: Whether the owner of the table owns it.
    """
    function = sql.identifier(naming.GENERATED_SCHEMA, name)
    return table.function(
        name,
        sql.render("judge_row", _JudgeRow(table.source(judged), function, described)),
        "evaluates one rule for one row; no cursor is open meanwhile",
        arguments=_ROW_AND_RULE,
        reads_table=reads_table,
    )


def described(
    table: TableContext, judged: tuple[rules.Rule, ...], row: Sql, *, by_owner: bool = False
) -> tuple[Described, ...]:
    """Rules over a row, for templates; numbered from 1.

    Args:
        table: The definition and its table.
        judged: The rules.
        row: How the row is called.
        by_owner: Whether they are evaluated with the rights of the table's owner, who may look rows up.
    """
    return tuple(
        _describe(table, rule, row, ordinal, by_owner=by_owner)
        for ordinal, rule in enumerate(judged, start=1)
    )


def _describe(table: TableContext, rule: rules.Rule, row: Sql, ordinal: int, *, by_owner: bool) -> Described:
    promise = wording.promise(rule)
    columns = rule.reads
    if rule.on_breach == "reject":
        # An error is for the writer, who may lack the right to read; what is kept is for stewards.
        shown = _excerpt(table, "writer_shown", columns, row)
        key = writer_key(table, row)
        raised = _excerpt(table, "writer_raised", columns, row)
    else:
        shown = sql.render(
            "shown",
            _Shown(tuple(_Labelled(sql.literal(f"{name} = "), text(table, name, row)) for name in columns)),
        )
        key = row_key(table, row)
        raised = sql.render("raised", _Nothing())
    return Described(
        label=Sql(wording.one_line(rule.name)),
        name=sql.literal(rule.name),
        ordinal=sql.literal(ordinal),
        passes=passes(rule, table.subject, row, by_owner=by_owner),
        shown=shown,
        row_key=key,
        raised=raised,
        column_name=sql.literal(rule.column or ""),
        promise=sql.literal(promise),
        promise_text=Sql(wording.one_line(promise)),
        owner=sql.literal(table.owner(rule)),
        warns=Sql(f"ARRAY[{sql.literal(rule.name)}]" if rule.on_breach == "warn" else "'{}'::text[]"),
        samples=sql.literal(rule.samples),
        refuses=sql.literal(refuses(rule)),
        fields=tuple(
            fields(row, names)
            for names in (tuple(dict.fromkeys((*columns, *table.key))), table.batch_columns)
            if names
        ),
    )
