"""Facts about a database, as frozen data: what tables look like and what pgslo has installed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

#: Schema and name, as the catalogue spells them.
Name = tuple[str, str]

#: Type categories of ``pg_type.typcategory`` that rules ask for.
NUMERIC, TEXT, TEMPORAL, BOOLEAN = "N", "S", "D", "B"


@dataclass(frozen=True)
class Column:
    """A column and its type.

    Attributes:
        type: As ``format_type`` prints it, with its modifier.
        base_type: Name of the type below any domain, without its modifier.
        type_schema: Schema of that base type.
        category: ``typcategory`` of that base type.
        has_equality: Whether the base type has a default btree or hash operator class.
        generated: ``''``, ``'s'`` (stored) or ``'v'`` (virtual).
        plain: Whether the base type is PostgreSQL's own, so that only PostgreSQL's casts convert its values.
        stranger: The role that owns the type, or a type that it is made of, and is neither a superuser nor the owner
            of pgslo, nor the role that asks; ``None`` if there is none. The owner of the table may be one.
        type_number: The oid of its type, which another type under its name does not have.
        comment: The beginning of its comment; empty without one.
    """

    name: str
    type: str
    base_type: str
    type_schema: str
    category: str
    has_equality: bool = True
    has_order: bool = True
    not_null: bool = False
    generated: Literal["", "s", "v"] = ""
    plain: bool = True
    stranger: str | None = None
    type_number: int = 0
    comment: str = ""


@dataclass(frozen=True)
class Index:
    """A valid index over plain columns, in index order.

    Attributes:
        whole: Whether it has no WHERE.
        method: Name of its access method.
    """

    columns: tuple[str, ...]
    unique: bool
    whole: bool
    method: str = "btree"


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key that is not pgslo's own."""

    columns: tuple[str, ...]
    table: Name
    to: tuple[str, ...]


@dataclass(frozen=True)
class Relation:
    """A table as the compiler sees it.

    Attributes:
        kind: ``pg_class.relkind``.
        rows: The planner's estimate; negative when the table was never analysed.
        before_row_triggers: Names of other people's BEFORE ROW triggers for INSERT or UPDATE.
        partitions: Every partition below a partitioned table.
        parents: Tables it inherits from or is a partition of.
        children: Inheritance children that are not partitions.
        row_security: Whether policies limit who sees which rows.
        owner: Name of the role that owns it.
        schema_owner: Owner of its schema, who can replace it; empty for a superuser and for the database's owner.
        foreign_parts: Partitions and inheritance children of a role that has not the rights of the owner: their name and
            that role.
        foreign_tables: Partitions and inheritance children, at every level, that are foreign tables.
        number: Its oid, which another relation under its name does not have.
        comment: The beginning of its comment; empty without one.
        is_hypertable: Whether TimescaleDB keeps its rows in chunks; the columns that decide which are its partition key.
    """

    schema: str
    name: str
    kind: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()
    partition_key: tuple[str, ...] = ()
    indexes: tuple[Index, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    before_row_triggers: tuple[str, ...] = ()
    partitions: tuple[Name, ...] = ()
    parents: tuple[Name, ...] = ()
    children: tuple[Name, ...] = ()
    is_partition: bool = False
    row_security: bool = False
    owner: str = ""
    schema_owner: str = ""
    foreign_parts: tuple[tuple[Name, str], ...] = ()
    foreign_tables: tuple[Name, ...] = ()
    rows: int = -1
    number: int = 0
    comment: str = ""
    is_hypertable: bool = False

    def column(self, name: str) -> Column | None:
        """The column of that name, or ``None``."""
        return next((column for column in self.columns if column.name == name), None)

    def has_unique(self, columns: tuple[str, ...]) -> bool:
        """Whether an index already keeps these columns unique over the whole table."""
        return any(i.unique and i.whole and set(i.columns) == set(columns) for i in self.indexes)

    def has_lookup(self, columns: tuple[str, ...]) -> bool:
        """Whether an index finds rows by these columns."""
        wanted = set(columns)
        return any(
            i.whole and i.method in ("btree", "hash") and set(i.columns[: len(wanted)]) == wanted
            for i in self.indexes
        )


@dataclass(frozen=True)
class Reach:
    """What the owner of a definition's table may do with another relation that the definition reads.

    Attributes:
        reader: Owner of the definition's table: its rules run with the rights of that role.
        kind: ``pg_class.relkind`` of the other relation.
        owner: Owner of the other relation.
        is_trusted: Whether that owner is ``reader`` itself or a superuser.
        may_read: Whether ``reader`` has SELECT on it, or on a column of it, and USAGE on its schema.
        may_refer: Whether ``reader`` has REFERENCES on it, or on a column of it, and USAGE on its schema.
        may_act: Whether the role that asks, or pgslo's owner, can set its role to that owner, and so give it functions.
    """

    reader: str
    kind: str
    owner: str
    is_trusted: bool
    may_read: bool
    may_refer: bool
    may_act: bool = True


Kind = Literal[
    "schema",
    "function",
    "registration",
    "assertion",
    "table",
    "not_null",
    "foreign_key",
    "unique_index",
    "exclusion",
    "trigger",
    "view",
]


def identity(names: tuple[str, ...], relation: Name | None) -> str:
    """One text for an object's name and the table it stands on."""
    name = ".".join(names)
    return f"{name} ON {'.'.join(relation)}" if relation else name


@dataclass(frozen=True)
class Installed:
    """An object in the database that pgslo generated, known by its owner or the registry, and the fingerprint in its comment.

    Attributes:
        kind: What it is.
        names: Its name, with its schema where it has one of its own.
        definition: Name of the definition it was made for.
        fingerprint: Of the text it was made from.
        relation: The table it stands on, for what stands on one.
        body: A function's body as the server keeps it, byte for byte; ``None`` for other kinds.
        validated: False for a constraint or an assertion that old rows have not been held against yet, or an invalid index.
        enabled: False for a trigger that somebody switched off, and for a registration with rules that broke.
        dependants: Objects of other people that stand on it.
        refers_to: The table that a foreign key refers to.
        cloned: Whether partitions have clones of it, as of a row trigger.
        owner: Of what has an owner of its own; empty for other kinds.
        fires_always: For a trigger: whether it also fires where ``session_replication_role`` is replica.
    """

    kind: Kind
    names: tuple[str, ...]
    definition: str
    fingerprint: str
    relation: Name | None = None
    body: str | None = None
    validated: bool = True
    enabled: bool = True
    dependants: tuple[str, ...] = ()
    refers_to: Name | None = None
    cloned: bool = False
    owner: str = ""
    fires_always: bool = False

    @property
    def identity(self) -> str:
        """How the catalogue names it: unique among objects of its kind."""
        return identity(self.names, self.relation)


@dataclass(frozen=True)
class Grant:
    """A privilege on a guarded view.

    Attributes:
        role: The grantee; empty for PUBLIC.
        privilege: For example ``SELECT``.
        column: The column it is on; empty for the whole view.
        is_grantable: Whether the role may grant it to others.
        is_kept: Whether the view's owner granted it, and that owner is the role that asks, pgslo's owner or a superuser.
        grantor: The role that granted it.
    """

    role: str
    privilege: str
    column: str = ""
    is_grantable: bool = False
    is_kept: bool = True
    grantor: str = ""


@dataclass(frozen=True)
class GuardedView:
    """An installed guarded view, as other roles see it.

    Attributes:
        readers: Roles that the installed definition names as readers.
        grants: Privileges of roles other than its owner.
        missing: Default privileges of the role that asks that the view does not have: they were revoked on it.
        comment: Its comment.
        column_comments: Those of its columns that have one.
    """

    readers: tuple[str, ...] = ()
    grants: tuple[Grant, ...] = ()
    missing: tuple[Grant, ...] = ()
    comment: str = ""
    column_comments: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TableReader:
    """A role that may read a table by a grant, and could not read everything anyway.

    Attributes:
        role: Its name; empty for PUBLIC.
        acts_as: Roles whose privileges it has, itself included.
    """

    role: str
    acts_as: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ViewSchema:
    """A schema that exists and holds, or is to hold, views for readers.

    Attributes:
        definition: Name of the definition that the views are of.
        is_trusted: Whether the schema's owner is a role that pgslo's owner relies on anyway.
        creators: Other roles that may create there, or ``PUBLIC``.
    """

    definition: str
    schema: str
    owner: str
    is_trusted: bool
    creators: tuple[str, ...] = ()


@dataclass(frozen=True)
class Forgery:
    """An object whose comment says that pgslo generated it, though its owner is another role.

    Attributes:
        kind: What it is, in words.
        definition: The definition that its comment names.
    """

    kind: str
    names: tuple[str, ...]
    relation: Name | None
    owner: str
    definition: str

    @property
    def identity(self) -> str:
        """How the catalogue names it."""
        return identity(self.names, self.relation)


@dataclass(frozen=True)
class Engine:
    """What the server is, as far as it decides where pgslo runs.

    Attributes:
        version: As ``version()`` prints it.
        database: Name of the database.
        has_plpgsql: Whether the database has the language.
        is_limitless: Whether it is a Limitless Database of Aurora, by its settings.
        extensions: Of citus and timescaledb, those that the database has.
    """

    version: str = ""
    database: str = ""
    has_plpgsql: bool = True
    is_limitless: bool = False
    extensions: frozenset[str] = frozenset()

    @property
    def is_yugabyte(self) -> bool:
        """Whether it is YugabyteDB: ``PostgreSQL 15.2-YB-2025.1.0.0-b0 on …``."""
        return "-YB-" in self.version


@dataclass(frozen=True)
class Placement:
    """Where a Citus cluster keeps the rows of a table.

    Attributes:
        kind: ``distributed``: on several nodes, or on one by its schema. ``reference``: a copy on each node.
            ``managed``: on the coordinator, under another name.
        column: The distribution column; empty if there is none.
        colocation: Number of the group of tables that are distributed together.
    """

    kind: Literal["distributed", "reference", "managed"]
    column: str = ""
    colocation: int = 0

    @property
    def by(self) -> str:
        """How the rows are distributed, for a message."""
        return f" by {self.column}" if self.column else " by its schema"


@dataclass(frozen=True)
class Citus:
    """The Citus cluster that the server is a node of.

    Attributes:
        is_worker: Whether this node is not the coordinator.
        coordinator: Host and port of the coordinator; empty if this node does not know it.
        has_unsafe_triggers: Whether ``citus.enable_unsafe_triggers`` is on in this session.
        tables: Those that the definitions name and that Citus manages.
    """

    is_worker: bool
    coordinator: str = ""
    has_unsafe_triggers: bool = False
    tables: Mapping[Name, Placement] = field(default_factory=dict)


@dataclass(frozen=True)
class Catalog:
    """What the compiler and the planner know of a database.

    Attributes:
        server_version: As ``server_version_num``, for example 180004.
        runtime: Version of the installed runtime, or ``None``.
        expression_types: Type of each batch expression, its category, and whether it is PostgreSQL's own, by table and text.
        renamed: Definitions whose table has another name by now, by that name.
        replaced: Definitions whose name another table has by now: it was made anew, or swapped in.
        user: The role that asks, and that applies what is planned.
        keeper: The owner of pgslo, or the role that is about to install it.
        views: Guarded views that are installed, by name.
        reaches: What owners of defined tables may do with other relations, by the table and the other relation.
        batch_keys: What the batches of each definition are by, as it was applied last.
        gist_types: Types whose values an exclusion constraint can hold to be equal, or not, by the extension btree_gist.
        citus: The Citus cluster, where the database has that extension.
        encoding: Of the database, as PostgreSQL calls it.
    """

    server_version: int
    relations: Mapping[Name, Relation]
    installed: tuple[Installed, ...] = ()
    runtime: str | None = None
    runtime_sha256: str | None = None
    expression_types: Mapping[tuple[Name, str], tuple[str, str, bool]] = field(default_factory=dict)
    schemas: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    renamed: Mapping[Name, str] = field(default_factory=dict)
    replaced: frozenset[str] = frozenset()
    batch_keys: Mapping[str, str] = field(default_factory=dict)
    gist_types: frozenset[str] = frozenset()
    user: str = ""
    keeper: str = ""
    views: Mapping[tuple[str, ...], GuardedView] = field(default_factory=dict)
    reaches: Mapping[tuple[Name, Name], Reach] = field(default_factory=dict)
    engine: Engine = Engine()
    citus: Citus | None = None
    encoding: str = "UTF8"

    def placement(self, name: Name) -> Placement | None:
        """Where Citus keeps the rows of a table; ``None`` for a table that it does not manage."""
        return self.citus.tables.get(name) if self.citus else None

    @property
    def major(self) -> int:
        """The server's major version."""
        return self.server_version // 10000
