"""Objects that pgslo generated, as they are in the database, and objects that only claim it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pgslo.catalog.relations import Name

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
    """One text for an object's name and its table."""
    name = ".".join(names)
    return f"{name} ON {'.'.join(relation)}" if relation else name


@dataclass(frozen=True)
class Installed:
    """An object in the database that pgslo generated, known by its owner or the registry, and the fingerprint in its comment.

    Attributes:
        kind: The kind of object.
        names: Its name, with its schema where it has one of its own.
        definition: Name of the definition it was made for.
        fingerprint: Of the text it was made from.
        relation: Its table, if it has one.
        body: A function's body as the server keeps it, byte for byte; ``None`` for other kinds.
        validated: False for a constraint or an assertion that old rows were not checked against yet, or an invalid index.
        enabled: False for a disabled trigger, and for a registration with rules that broke.
        dependants: Objects of other roles that depend on it, in words, with their owners.
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
class Forgery:
    """An object whose comment says that pgslo generated it, though its owner is another role.

    Attributes:
        kind: The kind of object, in words.
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
