"""Guarded views: what readers query, warned for exactly the rows and columns they read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from pgslo import naming, sql
from pgslo.catalog import Catalog, Relation
from pgslo.compile.artifact import Artifact, Statement, qualified
from pgslo.compile.snippets.literals import seconds
from pgslo.compile.table.batching import Batching
from pgslo.compile.table.subject import Subject
from pgslo.compile.views import comments
from pgslo.compile.views.columns import NO_WINDOW, Columns, array, laid_out
from pgslo.compile.views.schemas import made_schema
from pgslo.compile.views.shards import ShardViews, told_table
from pgslo.definition import names, wording
from pgslo.definition.rules import Definition, Task
from pgslo.errors import CatalogError
from pgslo.sql import Sql

#: The column that a status view has besides those of its table.
_STATUS = "_slo_status"

#: From this number of guarded columns on, the text of a view costs more than its reads: each column is one call.
_WIDE = 100


@dataclass(frozen=True)
class _View:
    source: Sql
    view: Sql
    options: Sql
    first: Sql
    others: tuple[Sql, ...]
    table: Sql
    definition: Sql
    columns: Sql
    on_read: Sql
    within: Sql
    rows: Sql


@dataclass(frozen=True)
class _Healthy:
    source: Sql
    view: Sql
    options: Sql
    first: Sql
    others: tuple[Sql, ...]
    table: Sql
    definition: Sql
    columns: Sql
    on_read: Sql
    key: Sql
    type: Sql


@dataclass(frozen=True)
class _Status:
    definition: Sql


@dataclass(frozen=True)
class _Grant:
    view: Sql
    schema: Sql
    roles: Sql


def artifacts(
    definition: Definition,
    catalog: Catalog,
    relation: Relation,
    key: tuple[str, ...],
    batching: Batching,
    watched: frozenset[str] = frozenset(),
    asserted: frozenset[str] = frozenset(),
) -> tuple[Artifact, ...]:
    """The guarded view with its strict and status views, a view for each task that names one, and their schemas.

    Args:
        definition: The definition.
        catalog: The database.
        relation: The table.
        key: Columns of its key.
        batching: How a row's batch is determined.
        watched: Columns whose bounds are learned.
        asserted: Columns that assertions are about.

    Raises:
        CatalogError: The table has row security and the server cannot keep it in a view, a task reads a column
            that does not exist, or two views would have one name.
    """
    compiler = _ViewCompiler(definition, catalog, relation, key, batching, watched, asserted)
    views = [compiler.guarded(), compiler.strict(), compiler.status(), *compiler.healthy(), *compiler.tasks()]
    told = (told_table(definition, batching, catalog.keeper),) if compiler.shards is not None else ()
    called = [view.identity for view in views]
    for view in views:
        if called.count(view.identity) > 1:
            raise CatalogError(f"two views would be called {view.identity}", location=definition.location)
    schemas = sorted({view.names[0] for view in views if compiler.makes_schema(view)})
    return (*(made_schema(name, catalog) for name in schemas), *told, *views)


class _ViewCompiler:
    def __init__(
        self,
        definition: Definition,
        catalog: Catalog,
        relation: Relation,
        key: tuple[str, ...],
        batching: Batching,
        watched: frozenset[str],
        asserted: frozenset[str],
    ) -> None:
        self.definition = definition
        self.catalog = catalog
        self.relation = relation
        self.subject = Subject(relation, catalog)
        self.table = qualified((relation.schema, relation.name))
        self.columns = Columns(
            definition, catalog, relation, key, batching, watched=watched, asserted=asserted
        )
        self.key = batching.raw_row
        self.told_by = batching.by.columns if batching.by is not None and batching.by_value else ()
        self.dated = batching.dated
        self.options = self._options()
        placed = catalog.placement((relation.schema, relation.name))
        on_shards = placed is not None and placed.on_shards
        self.shards = ShardViews(definition, batching) if on_shards else None
        self.source = Sql(f"the definition of {wording.one_line(definition.name)}")
        for role in definition.readers:
            if role not in catalog.roles:
                raise CatalogError(
                    f'role "{role}" does not exist',
                    location=definition.places.get("readers", definition.location),
                )

    def _options(self) -> Sql:
        if not self.relation.row_security:
            return Sql("security_barrier = false")
        if self.catalog.major < 15:
            raise CatalogError(
                f"{self.definition.name} has row security, and on PostgreSQL {self.catalog.major} a view would show its owner's rows to every reader",
                hint="row security needs PostgreSQL 15 or newer",
                location=self.definition.location,
            )
        # The reader's own rights and policies count; a leaky function in the query must not see more.
        return Sql("security_invoker = true, security_barrier = true")

    def guarded(self) -> Artifact:
        return self._view(
            self._name(""),
            self.columns.names,
            self.definition.on_read,
            "warns in the reader's session, for the rows and columns that are read",
        )

    def strict(self) -> Artifact:
        return self._view(
            self._name("_strict"),
            self.columns.names,
            "refuse",
            "refuses a read instead of warning, for clients that drop warnings",
        )

    def status(self) -> Artifact:
        of_table = _Status(sql.literal(self.definition.name))
        own = self.shards.status() if self.shards else sql.render("status_column", of_table)
        on_read = "refuse" if self.definition.on_read == "refuse" else "silent"
        return self._view(
            self._name("_status"),
            self.columns.names,
            on_read,
            "shows misses in a column of its own, for clients that drop warnings",
            own={_STATUS: own},
        )

    def healthy(self) -> Iterable[Artifact]:
        """The view of rows of healthy batches, where rows name their batch."""
        if self.columns.batch is not None:
            yield self._healthy(
                self._name("_healthy"),
                self.columns.names,
                None,
                self.definition.on_read,
                "shows rows of healthy batches only",
            )

    def _healthy(
        self,
        name: tuple[str, str],
        names: tuple[str, ...],
        about: tuple[str, ...] | None,
        on_read: str,
        reason: str,
        task: str = "",
    ) -> Artifact:
        columns = laid_out([self.columns.plain(one) for one in names])
        if self.shards is not None:
            create = self.shards.healthy(self.source, name, self.options, columns, self.table, about, on_read)
            return self._artifact(name, names, create, reason, "healthy", task)
        context = _Healthy(
            source=self.source,
            view=sql.identifier(*name),
            options=self.options,
            first=columns[0],
            others=columns[1:],
            table=self.table,
            definition=sql.literal(self.definition.name),
            columns=Sql("NULL::text[]") if about is None else array(about),
            on_read=sql.literal(on_read),
            key=self.key,
            type=self.columns.batch_type,
        )
        return self._artifact(name, names, sql.render("healthy_view", context), reason, "healthy", task)

    def tasks(self) -> Iterable[Artifact]:
        for task in self.definition.tasks:
            for name in task.reads:
                if name not in self.columns.computed:
                    self.subject.column(name, task.location)
            self._check_window(task)
            if task.view is not None:
                yield replace(self._task(task), note=self._not_in_snapshots(task))

    def _not_in_snapshots(self, task: Task) -> str:
        """A note where rows of a task's view do not have the column of their batch; empty where they do."""
        lacking = [name for name in self.told_by if name not in (*self.key_columns(), *task.reads)]
        if not lacking:
            return ""
        return (
            f"task {task.name}: snapshots of {task.view} with --healthy or --reference are refused, because the view does not have "
            f"the batch ({', '.join(lacking)}); to take them, name it in reads, which has the task warned of that column too"
        )

    def _check_window(self, task: Task) -> None:
        if task.window is not None and not self.dated:
            raise CatalogError(
                f"task {task.name} cannot look back {wording.span_shown(task.window)}: batches of {self.definition.name} have no time",
                hint="a window requires batches by a date or a time",
                location=task.place("window"),
            )

    def _task(self, task: Task) -> Artifact:
        assert task.view is not None
        name = names.split(task.view)
        view: tuple[str, str] = (name[0], name[1])
        read = tuple(dict.fromkeys((*self.key_columns(), *task.reads)))
        if task.batches == "healthy":
            if self.columns.batch is None:
                raise CatalogError(
                    f"task {task.name} cannot read healthy batches alone: no column of {self.definition.name} determines the batch of a row",
                    hint="batch: {by: column} with a column of a date, time, number or text",
                    location=task.place("batches"),
                )
            about = dict.fromkeys(one for name in read for one in self.columns.about(name))
            reason = f"task {task.name}: its columns alone, of batches that are healthy in them"
            return self._healthy(view, read, (*self.columns.whole, *about), task.on_read, reason, task.name)
        within = Sql(f", {sql.literal(seconds(task.window))}") if task.window is not None else NO_WINDOW
        return self._view(
            view,
            read,
            task.on_read,
            f"task {task.name}: its columns alone",
            within,
            task=task.name,
        )

    def key_columns(self) -> tuple[str, ...]:
        return tuple(
            column.name
            for column in self.relation.columns
            if column.name in (self.definition.key or self.relation.primary_key)
        )

    def _name(self, suffix: str) -> tuple[str, str]:
        name = self.relation.name + suffix
        if len(name.encode()) > naming.MAX_BYTES:
            name = naming.fit(self.relation.name, suffix.removeprefix("_"))
        return self.definition.guarded, name

    def _view(
        self,
        name: tuple[str, str],
        columns: tuple[str, ...],
        on_read: str,
        reason: str,
        within: Sql = NO_WINDOW,
        own: Mapping[str, Sql] = MappingProxyType({}),
        task: str = "",
    ) -> Artifact:
        """A guarded view of columns of the table, and of its own."""
        how = "status" if own else on_read
        if self.shards is not None:
            create = self._on_shards(self.shards, name, columns, on_read, own)
            return self._artifact(name, (*columns, *own), create, reason, how, task)
        wide = sum(self.columns.is_guarded(one) for one in columns) >= _WIDE
        whole = self.columns.guard(self.columns.whole, on_read, within, wide=wide)
        guarded = (self.columns.guarded(one, on_read, within, wide=wide) for one in columns)
        first, *others = laid_out([*guarded, *own.values()])
        context = _View(
            source=self.source,
            view=sql.identifier(*name),
            options=self.options,
            first=first,
            others=tuple(others),
            table=self.table,
            definition=whole.definition,
            columns=whole.columns,
            on_read=whole.on_read,
            within=whole.within,
            rows=sql.render("guarded_rows", whole),
        )
        create = sql.render("wide_view" if wide else "guarded_view", context)
        return self._artifact(name, (*columns, *own), create, reason, how, task)

    def _on_shards(
        self,
        shards: ShardViews,
        name: tuple[str, str],
        columns: tuple[str, ...],
        on_read: str,
        own: Mapping[str, Sql],
    ) -> Sql:
        """The same, for a table whose rows are read on other nodes than this."""
        guarded = (
            shards.column(one, Sql(f"r.{sql.identifier(one)}"), on_read)
            if self.columns.is_guarded(one)
            else self.columns.plain(one)
            for one in columns
        )
        lines = laid_out([*guarded, *own.values()])
        return shards.view(self.source, name, self.options, lines, self.table, self.columns.whole, on_read)

    def _artifact(
        self,
        name: tuple[str, str],
        columns: tuple[str, ...],
        create: Sql,
        reason: str,
        how: str,
        task: str,
    ) -> Artifact:
        """The view, readable by the definition's readers."""
        view = sql.identifier(*name)
        statements = [Statement(create)]
        if self.definition.readers:
            roles = sql.join(", ", (sql.identifier(role) for role in self.definition.readers))
            grant = _Grant(view, sql.identifier(name[0]), roles)
            statements += [
                Statement(sql.render("grant_schema", grant)),
                Statement(sql.render("grant_view", grant)),
                *(self.shards.grants(roles) if self.shards else ()),
            ]
        made = Artifact(
            kind="view",
            names=name,
            definition=self.definition.name,
            create=tuple(statements),
            reason=reason,
            commented=Sql(f"VIEW {view}"),
            columns=columns,
            own_columns=None if self.definition.post_process else (_STATUS,),
            readers=self.definition.readers,
            description=comments.describe(self.definition, self.relation, how, task),
            column_comments=comments.of_columns(self.relation, columns),
        )
        keeper = self.catalog.keeper
        if keeper in ("", self.catalog.user):
            return made
        # It copies rows of the view for snapshots. The view is the same one, also if another role applies.
        granted = sql.render("grant_view", _Grant(view, sql.identifier(name[0]), sql.identifier(keeper)))
        return replace(made, create=(*made.create, Statement(granted)), known_as=made.fingerprint)

    def makes_schema(self, view: Artifact) -> bool:
        schema = view.names[0]
        ours = any(one.kind == "schema" and one.identity == schema for one in self.catalog.installed)
        return ours or schema not in self.catalog.schemas
