"""Guarded views that change: replaced where they are, dropped, or set aside while objects of others depend on them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from pgslo import naming, sql
from pgslo.catalog import GuardedView, Installed
from pgslo.compile import Artifact, Statement
from pgslo.sql import Sql


def is_aside(one: Installed) -> bool:
    """Whether it is a view that was replaced, and is kept because other objects depend on it."""
    return one.kind == "view" and one.names[-1].startswith(naming.ASIDE)


def keeps_columns(artifact: Artifact, view: GuardedView) -> bool:
    """Whether PostgreSQL can replace a view without dropping it: columns come at the end, if at all."""
    return (
        artifact.own_columns is not None
        and bool(view.columns)
        and artifact.columns[: len(view.columns)] == view.columns
        and view.retyped <= set(artifact.own_columns)
    )


def in_place(artifact: Artifact, view: GuardedView) -> tuple[Statement, ...]:
    """The statements that replace a view where it is: rights on it, and what depends on it, stay."""
    first, *rest = artifact.create
    text = Sql(re.sub(r"(?m)^CREATE VIEW ", "CREATE OR REPLACE VIEW ", first.text.text, count=1))
    return (replace(first, text=text), *artifact.comments(None, view.column_comments), *rest)


@dataclass(frozen=True)
class _DropView:
    schema: Sql
    name: Sql
    definition: Sql


def drop(installed: Installed) -> Statement:
    """What drops a view, or takes it out of the way where objects of others depend on it."""
    schema, name = installed.names
    context = _DropView(sql.literal(schema), sql.literal(name), sql.literal(installed.definition))
    return Statement(sql.render("drop_view", context))


def hazards(installed: Installed) -> tuple[str, ...]:
    """The effect on objects that depend on a dropped view, in words."""
    if not installed.dependants:
        return ()
    return (
        f"dependent objects can read it no longer: {', '.join(installed.dependants)}; until they are dropped the view is kept under another name",
    )
