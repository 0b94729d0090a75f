"""Whose code rules may run: roles that own, or can replace, the relations that they read."""

from __future__ import annotations

from pgslo.catalog import Name, Relation
from pgslo.compile.table.subject import Subject


def is_replaceable(target: Relation, subject: Subject) -> bool:
    """Whether another role than pgslo's owner and the table's decides what reading another relation runs."""
    roles = trusted(target, subject)
    return target.owner not in roles or target.schema_owner not in roles


def trusted(target: Relation, subject: Subject) -> tuple[str, ...]:
    """Roles whose code the rules of a table may run: pgslo's owner, the table's, and the other's if it is a superuser."""
    own: Name = (subject.relation.schema, subject.relation.name)
    reach = subject.catalog.reaches.get((own, (target.schema, target.name)))
    known = (target.owner,) if reach is None or reach.is_trusted else ()
    return ("", subject.relation.owner, subject.catalog.keeper, *known)


def untrusted(target: Relation, subject: Subject) -> str | None:
    """A role whose code would run as the role that applies, when that looks at the table of a rule and another; or ``None``.

    Planning a query runs immutable functions of the indexes, checks and statistics of every table and part that it reads,
    and SET NOT NULL those of checks.
    """
    relation, catalog = subject.relation, subject.catalog
    reach = catalog.reaches.get(((relation.schema, relation.name), (target.schema, target.name)))
    # A superuser, or the table's owner, who was looked at before.
    known = (target.owner,) if reach is not None and reach.is_trusted else ()
    trusted = ("", catalog.user, catalog.keeper)
    for one, others in ((relation, ()), (target, known)):
        lent = (role for _, role in one.lent_code)
        for role in (one.owner, one.schema_owner, *(owner for _, owner in one.foreign_parts), *lent):
            if role not in (*trusted, *others):
                return role
    return None
