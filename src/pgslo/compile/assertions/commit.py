"""Enforcement of assertions at COMMIT: a table of touched groups, and functions that check these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pgslo import naming, sql
from pgslo.catalog import Name
from pgslo.compile.artifact import Artifact, Statement, qualified
from pgslo.compile.table.context import TableContext
from pgslo.compile.table.outbox import owned
from pgslo.expression.session import Settings
from pgslo.sql import Sql

_KEYS_AND_ASSERTION = Sql("text[], text")


@dataclass(frozen=True)
class Looked:
    """An assertion, and how groups of it are looked at.

    Attributes:
        label: Its name, as a comment has it.
        summary: Its text, in a line.
        check: The name of the function that finds violations of it, quoted.
        of_touched: The query for groups of ``$1`` that break it.
        read: Names of the relations that an author's own query reads, as constants.
    """

    label: Sql
    summary: Sql
    check: Sql
    of_touched: Sql
    read: tuple[Sql, ...] = ()


# One context class for each template.


@dataclass(frozen=True)
class _Table:
    table: Sql


@dataclass(frozen=True)
class _Trigger:
    trigger: Sql
    table: Sql
    function: Sql


@dataclass(frozen=True)
class _Note:
    touched: Sql
    check: Sql
    settle: Sql


@dataclass(frozen=True)
class _Checked:
    note: Sql
    check: Sql
    is_broken: Sql


@dataclass(frozen=True)
class _Observed:
    touch: Sql
    check: Sql


@dataclass(frozen=True)
class _IsBroken:
    source: Sql
    function: Sql
    broken_by: Sql
    assertions: tuple[Looked, ...]
    otherwise: Sql


@dataclass(frozen=True)
class _Settle:
    source: Sql
    function: Sql
    touched: Sql
    is_broken: Sql
    settle: Sql
    settle_all: Sql


@dataclass(frozen=True)
class _SettleAll:
    source: Sql
    function: Sql
    touched: Sql
    is_broken: Sql


class CommitCompiler:
    """What the assertions of one definition that reject need at COMMIT."""

    def __init__(self, table: TableContext) -> None:
        self._table = table
        self._touched: Name = (naming.GENERATED_SCHEMA, table.function_name("touched"))
        self._is_broken = _generated(table.function_name("is_broken"))
        #: The name of the function that settles what a transaction touched of the definition.
        self.settle_all = table.function_name("settle_all")

    def note(self, check: str, *, enforced: bool, deferred: bool) -> Sql:
        """What a statement trigger does with the groups that it found."""
        checked = sql.literal(check)
        if not enforced:
            touch = sql.identifier(naming.CATALOG_SCHEMA, "touch" if deferred else "touch_and_observe")
            return sql.render("assertion_note_observed", _Observed(touch, checked))
        context = _Note(qualified(self._touched), checked, sql.literal(self.settle_all))
        note = sql.render("assertion_note", context)
        if deferred:
            return note
        return sql.render("assertion_note_checked", _Checked(note, checked, self._is_broken))

    def artifacts(
        self, looked: Sequence[Looked], source: Sql, broken_by: Sql, settings: frozenset[Settings]
    ) -> tuple[Artifact, ...]:
        """The table, its trigger, and the functions."""
        table, touched = self._table, qualified(self._touched)
        settle, is_broken = table.function_name("settle"), table.function_name("is_broken")
        # In the transactions of all writers: where another role could replace the table, its owner's function looks.
        of_another = table.subject.is_of_another or table.reads_replaceable()
        context = _IsBroken(
            source,
            self._is_broken,
            broken_by,
            () if of_another else tuple(looked),
            sql.literal(of_another),
        )
        made = (
            table.function(
                is_broken,
                sql.render("assertion_is_broken", context),
                "looks at touched groups",
                arguments=_KEYS_AND_ASSERTION,
                settings=settings,
            ),
            table.function(
                self.settle_all,
                sql.render(
                    "assertion_settle_all",
                    _SettleAll(source, _generated(self.settle_all), touched, self._is_broken),
                ),
                "holds all that a transaction touched when it commits",
            ),
            table.function(
                settle,
                sql.render(
                    "assertion_settle",
                    _Settle(
                        source,
                        _generated(settle),
                        touched,
                        self._is_broken,
                        sql.literal(self.settle_all),
                        _generated(self.settle_all),
                    ),
                ),
                "holds what a statement touched when its transaction commits",
            ),
        )
        return (*made, self._touched_table(), self._trigger(settle))

    def _touched_table(self) -> Artifact:
        context = _Table(qualified(self._touched))
        keeper = self._table.catalog.keeper
        return Artifact(
            kind="table",
            names=(self._touched[1],),
            definition=self._table.definition.name,
            create=(
                Statement(
                    sql.render("assertion_touched_table", context),
                    then=(
                        # Rows of a publisher would stay in it: no transaction of theirs commits here.
                        sql.render("leave_out_replicated", context),
                        sql.render("leave_out_always", context),
                        *owned(context.table, keeper),
                    ),
                ),
                Statement(sql.render("assertion_touched_index", context)),
            ),
            owner=keeper,
            reason="keeps what a transaction touched until it commits",
            commented=Sql(f"TABLE {context.table}"),
        )

    def _trigger(self, settle: str) -> Artifact:
        name = naming.trigger(naming.SETTLE_ORDER, "settle", "insert")
        context = _Trigger(sql.identifier(name), qualified(self._touched), _generated(settle))
        return Artifact(
            kind="trigger",
            names=(name,),
            relation=self._touched,
            definition=self._table.definition.name,
            create=(
                Statement(
                    sql.render("assertion_settle_trigger", context),
                    "SHARE ROW EXCLUSIVE",
                    ".".join(self._touched),
                    hazards=(
                        "waits for transactions that it is to hold, and lets no new one begin meanwhile",
                    ),
                ),
            ),
            reason="a deferred constraint trigger: it fires when the transaction commits",
            commented=Sql(f"TRIGGER {context.trigger} ON {context.table}"),
        )


def _generated(name: str) -> Sql:
    return sql.identifier(naming.GENERATED_SCHEMA, name)
