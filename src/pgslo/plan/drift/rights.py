"""Whether the owners of a table, its views and pgslo have their rights on it, and its readers theirs. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from pgslo.plan.drift.findings import Facts, Finding


def find(facts: Facts) -> Iterator[Finding]:
    """Owners and rights of one definition that are not as they have to be.

    Args:
        facts: The table then and now.
    """
    yield from _owners(facts)
    yield from _rights(facts)


def _owners(facts: Facts) -> Iterator[Finding]:
    """Whether the table still belongs to the role with whose rights it is read."""
    if facts.applied_owner not in (None, facts.table_owner):
        said = f"it belongs to role {facts.table_owner} now, and belonged to role {facts.applied_owner}"
        said += "; batches are not counted and rows are not released until it is applied again"
        yield Finding(facts.definition, "other owner", f"table {facts.table_name}", said, "pgslo apply")


def _rights(facts: Facts) -> Iterator[Finding]:
    """Whether the owners of guarded views, and pgslo's, have the needed rights on the table."""
    owned = f"or make the role a member of {facts.table_owner} again"
    for view, owner in facts.blind_views:
        yield Finding(
            facts.definition,
            "no rights",
            f"view {view}",
            f"it belongs to role {owner}, who may not read {facts.table_name}: its readers get 42501",
            f"GRANT SELECT ON {facts.quoted_name} TO {owner}, {owned}",
        )
    for role, thing, right in facts.shut_out:
        said = f"the definition names role {role} as a reader, whose right was revoked"
        yield Finding(
            facts.definition, "no rights", thing, said, f"GRANT {right} TO {role}, or remove it from readers"
        )
    for view in facts.open_views:
        yield Finding(
            facts.definition,
            "row security",
            f"view {view}",
            f"it shows all rows of {facts.table_name} to each of its readers, which has row security since the last apply",
            "pgslo apply, on PostgreSQL 15 and newer; until then REVOKE SELECT on the view",
        )
    if not facts.can_lock:
        yield Finding(
            facts.definition,
            "no rights",
            f"table {facts.table_name}",
            f"role {facts.keeper}, who owns pgslo, may not lock it: batches are not counted from it and no row is released",
            f"GRANT SELECT ON {facts.quoted_name} TO {facts.keeper}, and USAGE on its schema, {owned}",
        )
    if not facts.can_release:
        yield Finding(
            facts.definition,
            "no rights",
            f"table {facts.table_name}",
            f"role {facts.keeper}, who owns pgslo, may not write to it: rows in quarantine cannot be released",
            f"GRANT INSERT, UPDATE ON {facts.quoted_name} TO {facts.keeper}, {owned}",
        )
