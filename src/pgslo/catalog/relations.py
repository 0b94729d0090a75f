"""Tables and other relations: their columns, types, keys and indexes, and what roles may do with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

#: Schema and name, as the catalogue spells them.
Name = tuple[str, str]

#: Type categories of ``pg_type.typcategory`` that rules ask for.
NUMERIC, TEXT, TEMPORAL, BOOLEAN = "N", "S", "D", "B"


@dataclass(frozen=True)
class Field:
    """A field of a composite type; its attributes are those of a :class:`Column`."""

    name: str
    base_type: str
    category: str
    plain: bool


@dataclass(frozen=True)
class Inside:
    """How a value is found that a definition names by a path, such as the norm of a vector.

    Each is an expression, cut where the value of the column belongs.

    Attributes:
        column: Name of the column that it is inside of.
        value: The value that rules are about.
        text: The same as messages show it.
        sampled: The same as a profile's sample keeps it.
        is_indexable: Whether an index may hold it: nothing of pgslo and no setting of a session is in it.
        reads_elements: Whether it takes time for each element of an array.
        settings: Settings of a session that the value depends on.
        json: For a path of a document, its keys; empty for others.
    """

    column: str
    value: tuple[str, ...]
    text: tuple[str, ...]
    sampled: tuple[str, ...]
    is_indexable: bool = True
    reads_elements: bool = False
    settings: frozenset[Literal["texts"]] = frozenset()
    json: tuple[str, ...] = ()


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
            of pgslo, nor the asking role, or ``None``. The owner of the table may be one.
        type_number: The oid of its type, which another type under its name does not have.
        comment: The beginning of its comment; empty without one.
        fields: Those of a composite type, in their order.
        vector: ``vector`` or ``halfvec`` where it is a type of the extension of that name, whose functions are as it made
            them; else empty.
        inside: How it is found, of a path into another column; ``None`` for a column of the table.
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
    fields: tuple[Field, ...] = ()
    vector: str = ""
    inside: Inside | None = None


@dataclass(frozen=True)
class Index:
    """A valid index over plain columns, in index order.

    Attributes:
        whole: Whether it has no WHERE.
        method: Name of its access method.
        nulls_same: Whether it is unique with NULLS NOT DISTINCT.
    """

    columns: tuple[str, ...]
    unique: bool
    whole: bool
    method: str = "btree"
    nulls_same: bool = False


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
        key_code: What partition keys of it, of its partitions and of tables that it is a partition of call, with the role
            that owns it: neither a superuser nor the owner of pgslo, nor the role that asks.
        lent_code: Its indexes, constraints, defaults and statistics that call code of such a role, who does not own the
            table either; with that role.
        partitions: Every partition below a partitioned table.
        parents: Tables it inherits from or is a partition of.
        children: Inheritance children that are not partitions.
        row_security: Whether policies limit who sees which rows.
        owner: Name of the role that owns it.
        keeper_reads: Whether pgslo's owner may select from it, and so lock it while functions of its owner read it.
        schema_owner: Owner of its schema, who can replace it; empty for a superuser and for the database's owner.
        foreign_parts: Partitions and inheritance children of a role that has not the rights of the owner: their name and
            that role.
        foreign_tables: Partitions and inheritance children, at every level, that are foreign tables.
        number: Its oid, which another relation under its name does not have.
        comment: The beginning of its comment; empty without one.
        is_hypertable: Whether TimescaleDB keeps its rows in chunks; the columns that decide which are its partition key.
        inside: What a definition names by paths into its columns; no fact of the catalogue.
    """

    schema: str
    name: str
    kind: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()
    partition_key: tuple[str, ...] = ()
    key_code: tuple[tuple[str, str], ...] = ()
    lent_code: tuple[tuple[str, str], ...] = ()
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
    keeper_reads: bool = True
    foreign_parts: tuple[tuple[Name, str], ...] = ()
    foreign_tables: tuple[Name, ...] = ()
    rows: int = -1
    number: int = 0
    comment: str = ""
    is_hypertable: bool = False
    inside: tuple[Column, ...] = field(default=(), compare=False)

    def column(self, name: str) -> Column | None:
        """The column of that name, else the path into one, or ``None``."""
        return next((column for column in (*self.columns, *self.inside) if column.name == name), None)

    def has_unique(self, columns: tuple[str, ...], *, nulls_same: bool = False) -> bool:
        """Whether an index already keeps these columns unique over the whole table.

        Args:
            columns: In any order.
            nulls_same: Whether two NULLs must be the same to it.
        """
        return any(
            i.unique and i.whole and set(i.columns) == set(columns) and (i.nulls_same or not nulls_same)
            for i in self.indexes
        )

    def has_lookup(self, columns: tuple[str, ...], *, of_null: bool = False) -> bool:
        """Whether an index finds rows by these columns.

        Args:
            columns: In any order.
            of_null: Whether it has to find rows with NULL as well, which no hash index does.
        """
        wanted = set(columns)
        methods = ("btree",) if of_null else ("btree", "hash")
        return any(
            i.whole and i.method in methods and set(i.columns[: len(wanted)]) == wanted for i in self.indexes
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
