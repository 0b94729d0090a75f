"""What the compiler makes: objects, each with the statements that make and unmake it, and why it is the one chosen."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from pgslo import naming, sql
from pgslo.catalog import Kind, Name, identity
from pgslo.sql import Sql

#: Table locks, weakest first, as PostgreSQL names them; the empty one locks nothing on a table.
Lock = Literal["", "ACCESS SHARE", "SHARE UPDATE EXCLUSIVE", "SHARE ROW EXCLUSIVE", "ACCESS EXCLUSIVE"]

#: How the names of tables begin in which triggers of shards note what tick() counts.
OUTBOX = "outbox"
#: Those of tables with the warnings for readers on other nodes.
TOLD = "told"

#: The note about a dropped view.
GRANTS_LOST = "rights that were granted on it by hand are lost with it"

_BODY = re.compile(re.escape(sql.BODY_QUOTE) + r"(.*)" + re.escape(sql.BODY_QUOTE), re.DOTALL)


@dataclass(frozen=True)
class Statement:
    """One SQL command, or several that succeed or fail together, with locks and hazards.

    Attributes:
        text: The first SQL command, without a semicolon at its end.
        then: Commands that run after it, in the same transaction and under the same lock.
        lock: Strongest table lock it takes.
        on: The table, or tables, the lock is on; empty when it locks none.
        early: Whether it runs before the others, because it may take long and locks nothing that they lock.
        alone: Whether it has to run outside a transaction block.
        later: Whether it runs in a transaction of its own after the others were committed.
        apart: Whether that is for no other reason than to hold few locks, and none for long.
        ahead: Whether it runs in a transaction of its own before the others, for the same reason.
        clones: Whether it does the same to each partition, under locks on all of them.
        hazards: What can go wrong or take long.
    """

    text: Sql
    lock: Lock = ""
    on: str = ""
    early: bool = False
    alone: bool = False
    later: bool = False
    apart: bool = False
    ahead: bool = False
    clones: bool = False
    hazards: tuple[str, ...] = ()
    then: tuple[Sql, ...] = ()

    @property
    def commands(self) -> tuple[Sql, ...]:
        """Its commands in order, each a message of its own: engines that forward a message to other nodes expect one."""
        return (self.text, *self.then)

    @property
    def script(self) -> str:
        """All its commands as text, without a semicolon at the end."""
        return ";\n".join(command.text for command in self.commands)


@dataclass(frozen=True)
class Artifact:
    """An object that a definition needs in the database.

    Attributes:
        kind: The kind of object.
        names: Its name, with its schema where it has one of its own.
        relation: Its table, if it has one.
        definition: Name of the definition it is made for.
        create: What makes it, in order; for functions and triggers also what replaces an older one.
        reason: Why this mechanism, in a sentence.
        note: What an author should know of it.
        commented: The object in the words of ``COMMENT ON``; ``None`` for what carries no comment.
        replaceable: Whether ``create`` works while an older one is there.
        known_as: The fingerprint, for what carries its own inside.
        refers_to: The table that a foreign key refers to.
        apart: Whether it may be created after the others are in force.
        cloned: Whether PostgreSQL gives partitions clones of it.
        owner: For a function that reads or writes the definition's table by name, and for a table of pgslo's: the role that has
            to own it.
        fires_always: For a trigger: whether it also fires where ``session_replication_role`` is replica.
        columns: For a view: names of its columns.
        own_columns: For a view: those of its columns whose types are the same whatever the definition says, besides the table's.
            ``None`` where types of the table's columns may not be kept.
        readers: For a view: roles to which ``create`` grants it.
        description: For a view: the lines of its comment before the fingerprint.
        column_comments: For a view: the comments of its columns that have one.
    """

    kind: Kind
    names: tuple[str, ...]
    definition: str
    create: tuple[Statement, ...]
    reason: str
    note: str = ""
    relation: Name | None = None
    commented: Sql | None = None
    replaceable: bool = False
    known_as: str | None = None
    refers_to: Name | None = None
    apart: bool = False
    cloned: bool = False
    owner: str = ""
    fires_always: bool = False
    columns: tuple[str, ...] = ()
    own_columns: tuple[str, ...] | None = None
    readers: tuple[str, ...] = ()
    description: str = ""
    column_comments: tuple[tuple[str, str], ...] = ()

    @property
    def identity(self) -> str:
        """How the catalogue names it: unique among objects of its kind."""
        return identity(self.names, self.relation)

    @property
    def drop(self) -> tuple[Statement, ...]:
        """What takes it away."""
        return drop(self.kind, self.names, self.relation, refers_to=self.refers_to, cloned=self.cloned)

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits of the SHA-256 of the text it is made from."""
        if self.known_as is not None:
            return self.known_as
        text = "\0".join(statement.script for statement in self.create)
        return hashlib.sha256(f"{self.kind}\0{text}".encode()).hexdigest()[:16]

    @property
    def comment(self) -> str | None:
        """The object's comment, whose last line has the fingerprint; ``None`` for what carries none."""
        if self.commented is None:
            return None
        mark = f"pgslo {self.fingerprint} {self.definition}"
        return f"{self.description}\n{mark}" if self.description else mark

    def comments(
        self, comment: str | None = None, column_comments: Mapping[str, str] = MappingProxyType({})
    ) -> tuple[Statement, ...]:
        """The statement that writes the comments where they differ from these; the creation locked more than they do.

        Args:
            comment: The object's comment as it is.
            column_comments: Those of its columns, for a view.
        """
        texts: list[tuple[Sql, str | None]] = []
        if self.commented is not None and self.comment != comment:
            texts.append((self.commented, self.comment))
        wanted = dict(self.column_comments)
        for name in self.columns:
            text = wanted.get(name)
            if text != column_comments.get(name):
                texts.append((Sql(f"COLUMN {sql.identifier(*self.names, name)}"), text))
        commands = [
            sql.render("comment", _Comment(commented, sql.literal(text))) for commented, text in texts
        ]
        return (Statement(commands[0], then=tuple(commands[1:])),) if commands else ()

    @property
    def body(self) -> str | None:
        """A function's body as the server will keep it."""
        if self.kind != "function":
            return None
        match = _BODY.search(self.create[0].text.text)
        return match.group(1) if match else None


@dataclass(frozen=True)
class _Comment:
    object: Sql
    comment: Sql


def read_comment(comment: str | None) -> tuple[str, str] | None:
    """Fingerprint and definition from an object's comment, or ``None`` when it is not one of ours."""
    match = re.match(r"pgslo ([0-9a-f]{16}) (.+)\Z", comment or "", re.DOTALL)
    return (match.group(1), match.group(2)) if match else None


def drop(
    kind: Kind,
    names: tuple[str, ...],
    relation: Name | None,
    *,
    validated: bool = True,
    refers_to: Name | None = None,
    cloned: bool = False,
) -> tuple[Statement, ...]:
    """What takes an object away.

    Args:
        kind: The kind of object.
        names: Its name, with its schema where it has one of its own.
        relation: Its table.
        validated: For ``not_null``: whether the column is NOT NULL by now, or a check still replaces it.
        refers_to: For ``foreign_key``: the other table, whose triggers go with it.
        cloned: For ``trigger``: whether partitions have clones of it, which go with it.
    """
    name = sql.identifier(*names)
    on = ", ".join(dict.fromkeys(".".join(one) for one in (relation, refers_to) if one))
    waits = ("waits for running reads and writes",)
    match kind:
        case "function":
            generated = sql.identifier(naming.GENERATED_SCHEMA, *names)
            return (Statement(sql.render("drop", _Drop(Sql("FUNCTION"), generated))),)
        case "table":
            # Readers get no right on the schema of generated functions: those who own some could change them.
            schema = naming.API_SCHEMA if names[0].startswith(f"{TOLD}__") else naming.GENERATED_SCHEMA
            generated = sql.identifier(schema, *names)
            kept = ("waits for transactions that are noted in it",)
            # Notes are taken over first: an outbox is also dropped to be re-created for other shards.
            noted = names[0].startswith(f"{OUTBOX}__")
            drained = sql.render("shards/outbox_drained", _Drained(sql.literal(str(generated))))
            return (
                *((Statement(drained),) if noted else ()),
                Statement(
                    sql.render("drop", _Drop(Sql("TABLE"), generated)),
                    "ACCESS EXCLUSIVE",
                    ".".join((schema, *names)),
                    hazards=kept,
                ),
            )
        case "view":
            lost = (GRANTS_LOST,)
            return (Statement(sql.render("drop", _Drop(Sql("VIEW"), name)), hazards=lost),)
        case "schema":
            return (Statement(sql.render("drop", _Drop(Sql("SCHEMA"), name))),)
        case "assertion":
            named = _Assertion(sql.literal(names[0]), sql.literal(names[1]))
            return (Statement(sql.render("assertion_forget", named)),)
        case "registration":
            leaving = _Unregister(sql.literal(names[0]))
            return (
                Statement(sql.render("forget", leaving), early=True),
                Statement(sql.render("unregister", leaving)),
            )
        case "unique_index":
            return (
                Statement(
                    sql.render("drop", _Drop(Sql("INDEX"), name)), "ACCESS EXCLUSIVE", on, hazards=waits
                ),
            )
    assert relation is not None, f"{kind} has a table"
    if kind == "trigger":
        stands = Sql(f"{name} ON {qualified(relation)}")
        dropped = Statement(
            sql.render("drop", _Drop(Sql("TRIGGER"), stands)),
            "ACCESS EXCLUSIVE",
            on,
            hazards=waits,
            clones=cloned,
        )
        if not cloned:
            return (dropped,)
        # DROP TRIGGER takes the partitions before the whole table, and every INSERT the other way round: each would wait for the other.
        first = sql.render("lock_whole", _Locked(qualified(relation)))
        return (Statement(first, "ACCESS EXCLUSIVE", on, hazards=waits), dropped)
    if kind == "not_null" and validated:
        context = NotNull.of(relation, names[0])
        forgotten = (sql.render("not_null_forget", context),)
        text = sql.render("not_null_drop", context)
        return (Statement(text, "ACCESS EXCLUSIVE", on, hazards=waits, then=forgotten),)
    constraint = NotNull.of(relation, names[0]).constraint if kind == "not_null" else name
    text = sql.render("drop_constraint", Constraint(qualified(relation), constraint))
    return (Statement(text, "ACCESS EXCLUSIVE", on, hazards=waits),)


@dataclass(frozen=True)
class Constraint:
    """A constraint of a table."""

    table: Sql
    constraint: Sql


@dataclass(frozen=True)
class NotNull:
    """A column that is to be NOT NULL, and the check that replaces it until every row was checked."""

    table: Sql
    constraint: Sql
    column: Sql
    relation: Sql
    column_name: Sql

    @staticmethod
    def of(relation: Name, column: str) -> NotNull:
        """The context for a column of a table."""
        return NotNull(
            table=qualified(relation),
            constraint=sql.identifier(not_null_constraint(column)),
            column=sql.identifier(column),
            relation=sql.literal(str(qualified(relation))),
            column_name=sql.literal(column),
        )


def not_null_constraint(column: str) -> str:
    """Name of the check that replaces NOT NULL."""
    return naming.fit("pgslo", column, "not_null")


@dataclass(frozen=True)
class _Drop:
    kind: Sql
    identity: Sql


@dataclass(frozen=True)
class _Drained:
    outbox: Sql


@dataclass(frozen=True)
class _Locked:
    table: Sql


@dataclass(frozen=True)
class _Assertion:
    definition: Sql
    assertion: Sql


@dataclass(frozen=True)
class _Unregister:
    definition: Sql


def is_of_shards(kind: Kind, names: tuple[str, ...]) -> bool:
    """Whether it is a table that triggers of shards write to, or guarded views of them read: those are replaced first."""
    return kind == "table" and names[0].startswith((f"{OUTBOX}__", f"{TOLD}__"))


def qualified(name: Name) -> Sql:
    """A table's qualified name."""
    return sql.identifier(*name)


def named(made: Artifact) -> dict[str, object]:
    """Return the kind and the name of an object, as they are registered."""
    return {"kind": made.kind, "names": list(made.names)}


def only_made(made: Artifact | None) -> dict[str, object] | None:
    """Return what has to be in the database for a rule that only an object of pgslo's own can enforce."""
    if made is None:
        return None
    return {"kind": "object", "columns": [], "object": named(made), "fingerprint": made.fingerprint}
