"""Guarded views: what readers query, warned for exactly the columns they read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pgslo import naming, sql
from pgslo.catalog import Catalog, Relation
from pgslo.compile import conditions, post_processing, promises
from pgslo.compile.artifact import Artifact, Statement, table
from pgslo.compile.conditions import Subject
from pgslo.definition import names
from pgslo.definition.rules import Definition, Task
from pgslo.errors import CatalogError
from pgslo.sql import Sql

#: Stands for the table as a whole among the columns that a guard is asked about.
WHOLE_TABLE = "*"


@dataclass(frozen=True)
class _View:
    source: Sql
    view: Sql
    options: Sql
    first: Sql
    others: tuple[Sql, ...]
    table: Sql
    definition: Sql
    guarded: Sql
    on_read: Sql


@dataclass(frozen=True)
class _Column:
    column: Sql
    value: Sql
    definition: Sql
    guarded: Sql
    on_read: Sql


@dataclass(frozen=True)
class _Status:
    definition: Sql


@dataclass(frozen=True)
class _Grant:
    view: Sql
    schema: Sql
    roles: Sql


@dataclass(frozen=True)
class _SchemaOnly:
    schema: Sql


def artifacts(
    definition: Definition,
    catalog: Catalog,
    relation: Relation,
    key: tuple[str, ...],
    watched: frozenset[str] = frozenset(),
    asserted: frozenset[str] = frozenset(),
) -> tuple[Artifact, ...]:
    """The guarded view with its companions, a view for each task that names one, and their schemas.

    Args:
        definition: What is promised.
        catalog: The database.
        relation: The table.
        key: Columns of its key.
        watched: Columns whose bounds are learned.
        asserted: Columns that assertions are about.

    Raises:
        CatalogError: The table has row security and the server cannot keep it in a view, a task reads a column
            that does not exist, or two views would have one name.
    """
    compiler = _ViewCompiler(definition, catalog, relation, key, watched, asserted)
    views = [compiler.guarded(), compiler.strict(), compiler.status(), *compiler.tasks()]
    called = [view.identity for view in views]
    for view in views:
        if called.count(view.identity) > 1:
            raise CatalogError(f"two views would be called {view.identity}", location=definition.location)
    schemas = sorted({view.names[0] for view in views if compiler.makes_schema(view)})
    return (*(compiler.schema(name) for name in schemas), *views)


class _ViewCompiler:
    def __init__(
        self,
        definition: Definition,
        catalog: Catalog,
        relation: Relation,
        key: tuple[str, ...],
        watched: frozenset[str],
        asserted: frozenset[str],
    ) -> None:
        self.definition = definition
        self.catalog = catalog
        self.relation = relation
        self.subject = Subject(relation, catalog)
        self.table = table((relation.schema, relation.name))
        judged = {name for rule in definition.rules if rule.enabled for name in conditions.columns(rule)}
        judged |= asserted
        batch = definition.batch.by.columns if definition.batch and definition.batch.by else ()
        indexed = {index.columns[0] for index in relation.indexes}
        # A CASE would hide these from their indexes, so reading any column warns about them.
        self.at_table_level = {*key, *batch, *indexed}
        # What history says of a key is for the table's owner: it would be told to everybody, whatever they read.
        self.at_column = (judged | watched) - self.at_table_level
        self.whole = (
            WHOLE_TABLE,
            *(name.name for name in relation.columns if name.name in judged & self.at_table_level),
        )
        self.processing = (
            post_processing.Compiler(definition, catalog, relation) if definition.post_process else None
        )
        self.computed = self.processing.computed(key) if self.processing else {}
        self.options = self._options()
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
        # The reader's own rights and policies count; a leaky function in his query must not see more.
        return Sql("security_invoker = true, security_barrier = true")

    def guarded(self) -> Artifact:
        return self._view(
            self._name(""),
            self._columns(self.definition.on_read),
            self.whole,
            self.definition.on_read,
            "warns in the reader's session, for the columns that are read",
        )

    def strict(self) -> Artifact:
        return self._view(
            self._name("_strict"),
            self._columns("refuse"),
            self.whole,
            "refuse",
            "refuses a read instead of warning, for clients that drop warnings",
        )

    def status(self) -> Artifact:
        own = sql.render("status_column", _Status(sql.literal(self.definition.name)))
        on_read = "refuse" if self.definition.on_read == "refuse" else "silent"
        columns = (*self._columns(on_read), own)
        return self._view(
            self._name("_status"),
            columns,
            self.whole,
            on_read,
            "says what is wrong in a column of its own, for clients that drop warnings",
        )

    def tasks(self) -> Iterable[Artifact]:
        for task in self.definition.tasks:
            for name in task.reads:
                if name not in self.computed:
                    self.subject.column(name, task.location)
            if task.view is not None:
                yield self._task(task)

    def _task(self, task: Task) -> Artifact:
        assert task.view is not None
        name = names.split(task.view)
        view: tuple[str, str] = (name[0], name[1])
        read = tuple(dict.fromkeys((*self.key_columns(), *task.reads)))
        columns = tuple(self._plain(one) for one in read)
        return self._view(
            view,
            columns,
            (WHOLE_TABLE, *dict.fromkeys(about for name in read for about in self._about(name))),
            task.on_read,
            f"task {task.name}: its columns alone, guarded whole, indexes usable",
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

    def _columns(self, on_read: str) -> tuple[Sql, ...]:
        names = (*(column.name for column in self.relation.columns), *self.computed)
        return tuple(
            self._guarded(name, on_read) if set(self._about(name)) & self.at_column else self._plain(name)
            for name in names
        )

    def _about(self, name: str) -> tuple[str, ...]:
        """The table's columns that a column of the view tells of."""
        return self.computed[name][1] if name in self.computed else (name,)

    def _value(self, name: str) -> Sql:
        if name in self.computed:
            return self.computed[name][0]
        if self.processing is not None:
            return self.processing.served(conditions.ROW, name)
        return Sql(f"{conditions.ROW}.{sql.identifier(name)}")

    def _plain(self, name: str) -> Sql:
        value = self._value(name)
        if value.text == f"{conditions.ROW}.{sql.identifier(name)}":
            return sql.render("plain_column", _Column(sql.identifier(name), value, Sql(""), Sql(""), Sql("")))
        return sql.render("computed_column", _Column(sql.identifier(name), value, Sql(""), Sql(""), Sql("")))

    def _guarded(self, name: str, on_read: str) -> Sql:
        return sql.render(
            "guarded_column",
            _Column(
                sql.identifier(name),
                self._value(name),
                sql.literal(self.definition.name),
                _array(self._about(name)),
                sql.literal(on_read),
            ),
        )

    def _view(
        self,
        name: tuple[str, str],
        columns: tuple[Sql, ...],
        guarded: tuple[str, ...],
        on_read: str,
        reason: str,
    ) -> Artifact:
        view = sql.identifier(*name)
        context = _View(
            source=Sql(f"the definition of {promises.one_line(self.definition.name)}"),
            view=view,
            options=self.options,
            first=columns[0],
            others=columns[1:],
            table=self.table,
            definition=sql.literal(self.definition.name),
            guarded=_array(guarded),
            on_read=sql.literal(on_read),
        )
        create = [Statement(sql.render("guarded_view", context))]
        if self.definition.readers:
            roles = sql.join(", ", (sql.identifier(role) for role in self.definition.readers))
            grant = _Grant(view, sql.identifier(name[0]), roles)
            create += [
                Statement(sql.render("grant_schema", grant)),
                Statement(sql.render("grant_view", grant)),
            ]
        return Artifact(
            kind="view",
            names=name,
            definition=self.definition.name,
            create=tuple(create),
            reason=reason,
            commented=Sql(f"VIEW {view}"),
        )

    def makes_schema(self, view: Artifact) -> bool:
        schema = view.names[0]
        ours = any(one.kind == "schema" and one.identity == schema for one in self.catalog.installed)
        return ours or schema not in self.catalog.schemas

    def schema(self, name: str) -> Artifact:
        """A schema for views, made only where there is none; shared by all definitions that use it."""
        schema = sql.identifier(name)
        return Artifact(
            kind="schema",
            names=(name,),
            definition="guarded views",
            create=(Statement(sql.render("guarded_schema", _SchemaOnly(schema))),),
            reason="readers' views stand in a schema of their own",
            commented=Sql(f"SCHEMA {schema}"),
            replaceable=False,
        )


def _array(names: tuple[str, ...]) -> Sql:
    return Sql(f"ARRAY[{sql.join(', ', (sql.literal(name) for name in names))}]")
