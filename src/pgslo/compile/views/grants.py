"""Readers of guarded views: grants that a replaced view keeps, and readers of a table who cannot read its view."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pgslo import naming, sql
from pgslo.catalog import Grant, GuardedView, TableReader
from pgslo.compile.artifact import Artifact, Statement
from pgslo.definition import names
from pgslo.definition.rules import Definition
from pgslo.definition.yaml.scalars import scalar
from pgslo.sql import Sql

#: How many roles a note names.
_MOST_NAMED = 10

_OPTION = {False: Sql(""), True: Sql(" WITH GRANT OPTION")}


@dataclass(frozen=True)
class _Grant:
    privileges: Sql
    view: Sql
    roles: Sql
    option: Sql


@dataclass(frozen=True)
class _Revoke:
    privileges: Sql
    view: Sql
    roles: Sql


def again(artifact: Artifact, view: GuardedView, user: str) -> tuple[Statement, ...]:
    """The statements that give a re-created view the privileges of the one before it.

    What another role than the owner granted is not repeated: it would outlive that role's own right. A role that the
    definition named as a reader, and names no longer, loses its rights as one.

    Args:
        artifact: The new view.
        view: The one that is replaced.
        user: The role that creates the new one, and owns it.
    """
    name = sql.identifier(*artifact.names)
    former = set(view.readers) - set(artifact.readers)
    kept = [one for one in view.grants if one.is_kept and one.role != user and not _as_reader(one, former)]
    statements = [
        sql.render("revoke_view", _Revoke(privileges, name, roles))
        for privileges, roles, _ in _grouped(
            one for one in view.missing if not _as_reader(one, set(artifact.readers))
        )
    ]
    statements += [
        sql.render("grant_again", _Grant(privileges, name, roles, _OPTION[is_grantable]))
        for privileges, roles, is_grantable in _grouped(
            one
            for one in kept
            if (not one.column or one.column in artifact.columns)
            # Readers of the definition have it already.
            and (one.is_grantable or not _as_reader(one, set(artifact.readers)))
        )
    ]
    return tuple(Statement(one) for one in statements)


def taken(
    names: tuple[str, ...], view: GuardedView, readers: Sequence[str]
) -> tuple[tuple[str, ...], tuple[Statement, ...]]:
    """Roles that the installed definition names as readers and the new one does not, and what takes the view, and copies of its rows, from them.

    Args:
        names: The name of the view.
        view: The view as it is.
        readers: Roles that are readers from now on.
    """
    former = set(view.readers) - set(readers)
    roles = sorted({one.role for one in view.grants if one.is_kept and _as_reader(one, former)})
    statements = []
    if roles:
        # What such a role granted to others goes with its own right.
        listed = Sql(f"{sql.join(', ', (sql.identifier(role) for role in roles))} CASCADE")
        statements.append(_Revoke(Sql("SELECT"), sql.identifier(*names), listed))
    copies = {role: view.copies[role] for role in sorted(former & set(view.copies))}
    statements += [
        _Revoke(Sql("SELECT"), sql.identifier(naming.SNAPSHOT_SCHEMA, name), sql.identifier(role))
        for role, held in copies.items()
        for name in held
    ]
    return (
        tuple(sorted({*roles, *copies})),
        tuple(Statement(sql.render("revoke_view", one), ahead=True) for one in statements),
    )


def lost(view: GuardedView) -> tuple[str, ...]:
    """The privileges lost when the view is replaced, in words."""
    gone: dict[str, list[str]] = {}
    for one in view.grants:
        if not one.is_kept:
            gone.setdefault(one.grantor, []).append(one.role or "PUBLIC")
    return tuple(
        f"rights on it that role {grantor} granted are lost with it, those of {', '.join(dict.fromkeys(roles))}"
        for grantor, roles in gone.items()
    )


def left_out(
    definition: Definition, table_readers: Sequence[TableReader], view: GuardedView | None
) -> str | None:
    """A note that names the roles that may read the table and will not read its guarded view, or ``None``.

    Args:
        definition: The applied definition.
        table_readers: Roles that may read the table.
        view: Its guarded view, where one is installed.
    """
    former = set(view.readers) - set(definition.readers) if view else set()
    readers = {*definition.readers}
    for one in view.grants if view else ():
        if one.is_kept and one.privilege == "SELECT" and not _as_reader(one, former):
            readers.add(one.role)
    if "" in readers:
        return None
    others = [one.role for one in table_readers if not readers & {one.role, *one.acts_as}]
    if not others:
        return None
    table, guarded = definition.name, f"{definition.guarded}.{definition.table_name}"
    shown = [role or "PUBLIC" for role in others[:_MOST_NAMED]]
    if len(others) > _MOST_NAMED:
        shown.append(f"{len(others) - _MOST_NAMED} other roles")
    listed = " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))
    verb = "reads" if len(others) == 1 else "read"
    named = [role for role in others[:_MOST_NAMED] if names.is_name(role)]
    remedies = []
    if named:
        remedies.append(f"readers: [{', '.join(map(scalar, (*definition.readers, *named)))}]")
    if "" in others:
        remedies.append(
            f"GRANT SELECT ON {sql.identifier(definition.guarded, definition.table_name)} TO PUBLIC"
        )
    remedy = f"; to change that: {' and '.join(remedies)}" if remedies else ""
    return f"{listed} {verb} {table} and will not read {guarded}{remedy}"


def _as_reader(grant: Grant, readers: set[str]) -> bool:
    """Whether it is what readers of a definition get."""
    return grant.privilege == "SELECT" and not grant.column and grant.role in readers


def _grouped(grants: Iterable[Grant]) -> list[tuple[Sql, Sql, bool]]:
    """The grants as privileges, roles and whether these may grant them: roles that have the same are named together."""
    held: dict[tuple[str, bool], dict[tuple[str, bool], list[Sql]]] = {}
    for one in grants:
        privileges = held.setdefault((one.role, one.is_grantable), {})
        columns = privileges.setdefault((one.privilege, one.column == ""), [])
        if one.column:
            columns.append(sql.identifier(one.column))
    roles: dict[tuple[str, bool], list[Sql]] = {}
    for (role, is_grantable), privileges in held.items():
        texts = sql.join(", ", (_privilege(name, columns) for (name, _), columns in privileges.items()))
        roles.setdefault((texts.text, is_grantable), []).append(
            sql.identifier(role) if role else Sql("PUBLIC")
        )
    return [
        (Sql(text), sql.join(", ", listed), is_grantable) for (text, is_grantable), listed in roles.items()
    ]


def _privilege(name: str, columns: list[Sql]) -> Sql:
    return Sql(f"{name} ({sql.join(', ', columns)})" if columns else name)
