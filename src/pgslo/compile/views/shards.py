"""Guards of a table on the nodes of a cluster: they read a small table that is on every node, and none of pgslo's own."""

from __future__ import annotations

from dataclasses import dataclass

from pgslo import naming, sql
from pgslo.compile.artifact import TOLD, Artifact, Statement
from pgslo.compile.table import outbox
from pgslo.compile.table.batching import Batching
from pgslo.compile.views.columns import array
from pgslo.definition.rules import Definition
from pgslo.sql import Sql


@dataclass(frozen=True)
class _Table:
    told: Sql
    type: Sql


@dataclass(frozen=True)
class _Told:
    told: Sql


@dataclass(frozen=True)
class _Filled:
    definition: Sql


@dataclass(frozen=True)
class _Granted:
    told: Sql
    roles: Sql


@dataclass(frozen=True)
class _Guard:
    about: Sql
    value: Sql
    definition: Sql
    on_read: Sql


@dataclass(frozen=True)
class _Column:
    guard: Sql
    column: Sql


@dataclass(frozen=True)
class _Read:
    """What the templates of all views share."""

    source: Sql
    view: Sql
    options: Sql
    first: Sql
    others: tuple[Sql, ...]
    table: Sql
    told: Sql


@dataclass(frozen=True)
class _View(_Read):
    batch: Sql
    rows: Sql


@dataclass(frozen=True)
class _Healthy(_Read):
    batch: Sql
    about: Sql
    definition: Sql
    on_read: Sql


def told_name(definition: Definition) -> str:
    """The name of the table with the warnings for readers of a definition's views, without the schema."""
    return naming.fit(TOLD, definition.schema_name, definition.table_name)


def told_table(definition: Definition, batching: Batching, keeper: str) -> Artifact:
    """The table that tick() writes on the coordinator, and that Citus keeps on every node.

    Args:
        definition: The definition.
        batching: How a row's batch is determined.
        keeper: The owner of pgslo, with whose rights tick() runs.
    """
    name = sql.identifier(naming.API_SCHEMA, told_name(definition))
    reference = sql.render("shards/told_reference", _Told(sql.literal(str(name))))
    index = sql.render("shards/told_index", _Told(name))
    filled = sql.render("shards/told_filled", _Filled(sql.literal(definition.name)))
    return Artifact(
        kind="table",
        names=(told_name(definition),),
        definition=definition.name,
        create=(
            Statement(
                sql.render("shards/told_table", _Table(name, batching.type)),
                then=(index, *outbox.owned(name, keeper), reference, filled),
            ),
        ),
        reason="the warnings for readers, on every node; tick() writes it",
        owner=keeper,
        commented=Sql(f"TABLE {name}"),
    )


@dataclass(frozen=True)
class ShardViews:
    """Parts of guarded views of a table whose rows are on shards."""

    definition: Definition
    batching: Batching

    @property
    def told(self) -> Sql:
        """The table with the warnings for readers."""
        return sql.identifier(naming.API_SCHEMA, told_name(self.definition))

    def column(self, name: str, value: Sql, on_read: str) -> Sql:
        """A column with its guard."""
        guard = self._guard((name,), value, on_read)
        return sql.render("shards/shard_column", _Column(guard, sql.identifier(name)))

    def view(
        self,
        source: Sql,
        name: tuple[str, str],
        options: Sql,
        lines: tuple[Sql, ...],
        table: Sql,
        whole: tuple[str, ...],
        on_read: str,
    ) -> Sql:
        """A guarded view, with these lines of columns."""
        # Where rows do not identify their batch, any batch may be concerned.
        batch = self.batching.raw_row if self.batching.by_value else Sql("t.batch")
        shared = (source, sql.identifier(*name), options, lines[0], lines[1:], table, self.told)
        context = _View(*shared, batch=batch, rows=self.rows(whole, on_read))
        return sql.render("shards/shard_view", context)

    def healthy(
        self,
        source: Sql,
        name: tuple[str, str],
        options: Sql,
        lines: tuple[Sql, ...],
        table: Sql,
        about: tuple[str, ...] | None,
        on_read: str,
    ) -> Sql:
        """A view of the rows of healthy batches; of those that are healthy in some columns, unless ``None``."""
        shared = (source, sql.identifier(*name), options, lines[0], lines[1:], table, self.told)
        context = _Healthy(
            *shared,
            batch=self.batching.raw_row,
            about=Sql("<> ''") if about is None else _one_of(about),
            definition=sql.literal(self.definition.name),
            on_read=sql.literal(on_read),
        )
        return sql.render("shards/shard_healthy", context)

    def rows(self, columns: tuple[str, ...], on_read: str) -> Sql:
        """The condition that warns of the table as a whole; true for every row."""
        return self._guard(columns, Sql("true"), on_read)

    def status(self) -> Sql:
        """The column of a status view."""
        return sql.render("shards/shard_status", _Told(self.told))

    def grants(self, roles: Sql) -> tuple[Statement, ...]:
        """What readers need besides the view: its queries run on the nodes with their own rights."""
        return (Statement(sql.render("shards/told_granted", _Granted(self.told, roles))),)

    def _guard(self, columns: tuple[str, ...], value: Sql, on_read: str) -> Sql:
        context = _Guard(
            about=array(columns),
            value=value,
            definition=sql.literal(self.definition.name),
            on_read=sql.literal(on_read),
        )
        return sql.render("shards/shard_guard", context)


def _one_of(columns: tuple[str, ...]) -> Sql:
    return Sql(f"IN ({sql.join(', ', (sql.literal(name) for name in columns))})")
