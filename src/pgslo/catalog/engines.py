"""The server, as far as it decides where triggers, views and rows are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pgslo.catalog.relations import Name


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
        column: The distribution column, or empty.
        colocation: Number of the group of tables that are distributed together.
    """

    kind: Literal["distributed", "reference", "managed"]
    column: str = ""
    colocation: int = 0

    @property
    def on_shards(self) -> bool:
        """Whether the rows are on shards, and a column of theirs says on which."""
        return self.kind == "distributed" and bool(self.column)

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
