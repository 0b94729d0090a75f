"""A database as the compiler and the planner know it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pgslo.catalog.engines import Citus, Engine, Placement
from pgslo.catalog.generated import Installed
from pgslo.catalog.relations import Name, Reach, Relation
from pgslo.catalog.stated import Stated
from pgslo.catalog.views import GuardedView


@dataclass(frozen=True)
class Catalog:
    """What the compiler and the planner know of a database.

    Attributes:
        server_version: As ``server_version_num``, for example 180004.
        runtime: Version of the installed runtime, or ``None``.
        expression_types: Type of each batch expression, its category, and whether it is PostgreSQL's own, by table and text.
        renamed: Definitions whose table has another name by now, by that name.
        replaced: Definitions whose name another table has by now: it was re-created, or swapped in.
        user: The asking role, which applies the plan.
        keeper: The owner of pgslo, or the role that is about to install it.
        views: Guarded views that are installed, by name.
        reaches: What owners of defined tables may do with other relations, by the table and the other relation.
        batch_keys: What the batches of each definition are by, as it was applied last.
        stated: The installed state of each definition, in its own words.
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
    stated: Mapping[str, Stated] = field(default_factory=dict)
    gist_types: frozenset[str] = frozenset()
    user: str = ""
    keeper: str = ""
    views: Mapping[tuple[str, ...], GuardedView] = field(default_factory=dict)
    reaches: Mapping[tuple[Name, Name], Reach] = field(default_factory=dict)
    engine: Engine = field(default_factory=Engine)
    citus: Citus | None = None
    encoding: str = "UTF8"

    def placement(self, name: Name) -> Placement | None:
        """Where Citus keeps the rows of a table; ``None`` for a table that it does not manage."""
        return self.citus.tables.get(name) if self.citus else None

    @property
    def major(self) -> int:
        """The server's major version."""
        return self.server_version // 10000


@dataclass(frozen=True)
class StrangeRight:
    """A right on an object of the runtime that no list gives, or one of everybody that is missing.

    Attributes:
        role: The role that has it, or ``PUBLIC``.
        kind: Of the object, such as ``function``.
        privilege: As PostgreSQL calls it.
        object: Its name.
        is_missing: Whether it is missing.
        can_mend: Whether pgslo's owner can change it.
    """

    role: str
    kind: str
    privilege: str
    object: str
    is_missing: bool
    can_mend: bool
