"""Guarded views as they are in the database: their schemas, their grants, and the readers of tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


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
        columns: Names of its columns.
        retyped: Those that are not columns of the table, or are of another type than these by now.
        copies: Snapshots with a copy of its rows, by the roles that may read them; those that the role that asks may revoke.
        comment: Its comment.
        column_comments: Those of its columns that have one.
    """

    readers: tuple[str, ...] = ()
    grants: tuple[Grant, ...] = ()
    missing: tuple[Grant, ...] = ()
    columns: tuple[str, ...] = ()
    retyped: frozenset[str] = frozenset()
    copies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
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
