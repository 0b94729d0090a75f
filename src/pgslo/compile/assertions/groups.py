"""Groups of an assertion: how they are named, looked up, and determined from a written row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from pgslo import sql
from pgslo.catalog import Catalog, Column, Relation
from pgslo.compile.artifact import qualified
from pgslo.compile.snippets import parts, texts
from pgslo.compile.snippets.literals import ARRAY, COMPOSITE, GEOMETRIC
from pgslo.compile.table.column_types import check_casts
from pgslo.compile.table.context import TableContext
from pgslo.compile.table.subject import ROW, Subject, refuse_virtual
from pgslo.definition.rules import Assertion
from pgslo.errors import CatalogError, Location
from pgslo.expression import Expression
from pgslo.expression.queries.derivation import Event
from pgslo.sql import Sql

A = TypeVar("A", bound=Assertion)

#: How rows of the other table, of a group and of a query's result are called in templates.
OTHER, GROUP, RESULT = Sql("o"), Sql("g"), Sql("q")
TRUE, NOTHING = Sql("TRUE"), Sql("NULL::text")
ONE_KEY = Sql("'[]'")
#: Guard rows of an assertion that has groups: enough that groups rarely share one, few enough to be read at a glance.
BUCKETS = 1024
_INTEGERS = ("smallint", "integer", "bigint")
#: Types of which two values can be equal and not the same, such as 1.0 and 1.00, with what returns the image of a value.
_IMAGES = {
    "numeric": "numeric_send",
    "real": "float4send",
    "double precision": "float8send",
    "interval": "interval_send",
    "character": "bpcharsend",
    "jsonb": "jsonb_send",
}
#: Types of which two equal values are the same in every expression. All others are compared by their image or text.
_EXACT = frozenset(
    {
        *(
            *_INTEGERS,
            "oid",
            "boolean",
            "uuid",
            "bytea",
            "money",
            "date",
            "pg_lsn",
            "xid",
            "xid8",
            "macaddr",
            "macaddr8",
        ),
        *("timestamp without time zone", "timestamp with time zone", "time without time zone"),
    }
)
#: Types whose bare name means another type in a cast.
_CASTS = {"character": "bpchar", "bit": "varbit"}


@dataclass(frozen=True)
class Touch:
    """A table whose writes can break an assertion, and which of its groups a row belongs to.

    Attributes:
        relation: The table.
        events: Statements that can break it.
        columns: Columns whose values matter.
        key: The group of a row ``r`` as text, and the guard row it is held by.
        about: Which rows matter.
        compared: What of a row is compared to see whether an UPDATE changed anything that matters.
    """

    relation: Relation
    events: tuple[Event, ...]
    columns: tuple[str, ...]
    key: Sql
    bucket: Sql
    about: Sql
    compared: tuple[Sql, ...]


@dataclass(frozen=True)
class Parts:
    """A form, before it is known how it is enforced.

    Attributes:
        of_all: The query for all groups, and the one for those of ``$1``.
        hidden: Whether the query may reach unknown relations, so that it has to be run read-only.
        buckets: Number of guard rows.
        lookups: Tables with the columns by which a group's rows are looked up, and where that was asked for.
        probes: Queries that PostgreSQL has to accept, and their locations.
        cost: What a check reads, in words for the plan.
        notes: What else an author should know.
    """

    touches: tuple[Touch, ...]
    of_all: Sql
    of_touched: Sql
    buckets: int
    hidden: bool = False
    lookups: tuple[tuple[Relation, tuple[str, ...], Location], ...] = ()
    probes: tuple[tuple[Sql, Location], ...] = ()
    cost: str = "each touched group"
    notes: tuple[str, ...] = ()


# Context classes, one for each template.


@dataclass(frozen=True)
class _Values:
    values: Sql


@dataclass(frozen=True)
class _Bucket:
    values: Sql
    last: Sql


@dataclass(frozen=True)
class _Groups:
    first: Sql
    others: tuple[Sql, ...]


@dataclass(frozen=True)
class _AllGroups(_Groups):
    rows: Sql


@dataclass(frozen=True)
class _None:
    pass


@dataclass(frozen=True)
class _Labelled:
    label: Sql
    text: Sql


@dataclass(frozen=True)
class _RowKey:
    columns: tuple[_Labelled, ...]


@dataclass(frozen=True)
class _Probe:
    table: Sql
    condition: Sql


@dataclass(frozen=True)
class _ProbeAll:
    of_all: Sql


@dataclass(frozen=True)
class Form:
    """What the templates of all kinds of assertion print."""

    groups: Sql
    group_key: Sql
    group_shown: Sql
    rows: Sql
    row_keys: Sql
    row_key: Sql
    is_there: Sql = TRUE
    value: Sql = NOTHING
    text: Sql = NOTHING
    column_name: Sql = NOTHING
    table_name: Sql = NOTHING


class GroupCompiler(Generic[A]):
    """One assertion of one definition: what every form needs."""

    def __init__(self, rule: A, table: TableContext, *, pinned: bool = False) -> None:
        """Take an assertion and its definition.

        Args:
            rule: The assertion.
            table: The definition and its table.
            pinned: Whether queries refuse tables with parts of less trusted roles, which takes the runtime.
        """
        self.rule = rule
        self._table = table
        self._pinned = pinned
        self._subject = table.subject
        self._catalog: Catalog = table.subject.catalog
        self._probes: list[tuple[Sql, Location]] = []

    def _column(self, name: str, parameter: str, *, of: Relation | None = None) -> Column:
        place = self.rule.place(parameter)
        return Subject(of or self._table.relation, self._catalog).column(name, place)

    def _where(self, condition: Expression | None, relation: Relation, row: Sql) -> Sql:
        if condition is None:
            return TRUE
        for name in condition.columns:
            check_casts(Subject(relation, self._catalog).column(name, condition.location), condition.location)
        probe = _Probe(qualified((relation.schema, relation.name)), condition.qualified(ROW))
        self._probes.append((sql.render("probe_condition", probe), condition.location))
        return condition.qualified(row)

    def _type(self, columns: tuple[Column, ...], place: Location) -> Sql:
        """The type in which values of these columns name a group; each has to hold those of the others."""
        for column in columns:
            if (
                column.category in (ARRAY, COMPOSITE, GEOMETRIC)
                or column.base_type in ("json", "jsonb", "xml", "money")
                or not column.has_equality
            ):
                raise CatalogError(
                    f'column "{column.name}" of type {column.type} cannot name a group', location=place
                )
        # Values of other types than PostgreSQL's own name a group by their text, which no cast makes.
        types = {column.base_type if column.plain else "text" for column in columns}
        if len(types) == 1:
            (only,) = types
            return Sql(_CASTS.get(only, only))
        if types <= set(_INTEGERS):
            return Sql("bigint")
        if types <= {"text", "character varying"}:
            return Sql("text")
        described = " and ".join(f'"{column.name}" of type {column.type}' for column in columns)
        raise CatalogError(
            f"columns {described} are not of one type, so equal values of one may differ in the other",
            location=place,
        )

    def _touch(
        self,
        relation: Relation,
        events: tuple[Event, ...],
        columns: tuple[str, ...],
        keys: tuple[str, ...],
        types: tuple[Sql, ...],
        about: Sql,
        buckets: int,
    ) -> Touch:
        casts = [
            Sql(f"{key_value(relation, name, ROW)}::{type_}") for name, type_ in zip(keys, types, strict=True)
        ]
        known = [Sql(f"{ROW}.{sql.identifier(name)} IS NOT NULL") for name in keys]
        listed = sql.join(", ", casts)
        read = tuple(dict.fromkeys((*keys, *columns)))
        for column in relation.columns:
            if column.name in read:
                refuse_virtual(column, self.rule.place_of(column.name))
        return Touch(
            relation=relation,
            events=events,
            columns=read,
            key=sql.render("assertion_key", _Values(listed)) if keys else ONE_KEY,
            bucket=sql.render("assertion_bucket", _Bucket(listed, sql.literal(buckets - 1)))
            if keys
            else sql.literal(0),
            about=sql.join(" AND ", (*known, about)),
            compared=tuple(_comparable(column) for column in relation.columns if column.name in columns),
        )

    def _group(self, names: tuple[str, ...], types: tuple[Sql, ...]) -> tuple[Sql, Sql, Sql]:
        """A group as text, as people read it, and the groups of ``$1``."""
        if not names:
            return ONE_KEY, NOTHING, sql.render("assertion_one_group", _None())
        values = [Sql(f"{GROUP}.g{n}") for n in range(len(names))]
        labels = [", "] * len(names)
        labels[0] = f"({', '.join(names)}) = ("
        shown = sql.render(
            "row_key",
            _RowKey(
                tuple(
                    _Labelled(sql.literal(label), texts.text_of(value, plain=True))
                    for label, value in zip(labels, values, strict=True)
                )
            ),
        )
        decoded = [Sql(f"(k.pgslo_key::jsonb ->> {n})::{type_} AS g{n}") for n, type_ in enumerate(types)]
        touched = sql.render("assertion_touched_groups", _Groups(decoded[0], tuple(decoded[1:])))
        return sql.render("assertion_key", _Values(sql.join(", ", values))), shown, touched

    def _all_groups(self, columns: tuple[Sql, ...], types: tuple[Sql, ...], rows: Sql) -> Sql:
        if not columns:
            return sql.render("assertion_one_group", _None())
        named = [
            Sql(f"{column}::{type_} AS g{n}")
            for n, (column, type_) in enumerate(zip(columns, types, strict=True))
        ]
        known = sql.join("", (Sql(f" AND {column} IS NOT NULL") for column in columns))
        return sql.render(
            "assertion_all_groups", _AllGroups(named[0], tuple(named[1:]), Sql(f"{rows}{known}"))
        )

    def _rows(self, relation: Relation, row: Sql, keys: tuple[str, ...], where: Sql) -> Sql:
        """The rows of a group: the text after FROM, to which conditions may be added."""
        matches = [
            *self._pins(relation),
            *(Sql(f"{key_value(relation, name, row)} = {GROUP}.g{n}") for n, name in enumerate(keys)),
        ]
        return Sql(
            f"{qualified((relation.schema, relation.name))} AS {row} WHERE {sql.join(' AND ', (*matches, where))}"
        )

    def _pins(self, relation: Relation) -> tuple[Sql, ...]:
        return (parts.pinned((relation.schema, relation.name)),) if self._pinned else ()

    def _bucket_probe(self, types: tuple[Sql, ...], place: Location) -> None:
        if types:
            values = sql.join(", ", (Sql(f"NULL::{type_}") for type_ in types))
            self._probes.append((sql.render("assertion_probe_bucket", _Values(values)), place))

    def _finish(self, parts: Parts) -> Parts:
        probe = sql.render("assertion_probe", _ProbeAll(parts.of_all))
        place = next((query.location for query in self.rule.queries), self.rule.location)
        return Parts(**{**vars(parts), "probes": (*self._probes, (probe, place))})


def _comparable(column: Column) -> Sql:
    """A column as EXCEPT compares it: by its image or text where equality is coarser than what an expression can see, or missing."""
    value = Sql(f"{ROW}.{sql.identifier(column.name)}")
    image = _IMAGES.get(column.base_type) if column.plain else None
    if image is not None:
        return Sql(f"{image}({value})")
    if column.plain and column.has_equality and column.base_type in _EXACT:
        return value
    return Sql(f'{texts.text(column, ROW)} COLLATE "C"')


def key_value(relation: Relation, name: str, row: Sql) -> Sql:
    """A column of a group's key in a row: its value, or its text where its type is not PostgreSQL's own."""
    column = relation.column(name)
    assert column is not None, "a column of a group was looked up before"
    return texts.comparable(column, row)
