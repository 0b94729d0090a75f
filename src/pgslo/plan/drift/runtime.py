"""What moved in pgslo's own objects: their owners, the rights on them, and subscriptions to them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pgslo.catalog import StrangeRight
from pgslo.plan.drift.findings import Finding

#: What findings about pgslo itself have in place of a definition.
RUNTIME = "pgslo"


def find_rights(rights: Iterable[StrangeRight]) -> tuple[Finding, ...]:
    """Rights on objects of the runtime that were not granted on purpose, and missing ones of readers: one finding a role."""
    by_role: dict[tuple[str, bool, bool], list[StrangeRight]] = {}
    for one in rights:
        by_role.setdefault((one.role, one.is_missing, one.can_mend), []).append(one)
    found = []
    for (role, is_missing, can_mend), its in by_role.items():
        first = f"{its[0].privilege} on {its[0].kind} {its[0].object}"
        more = f" and {len(its) - 1} more" if len(its) > 1 else ""
        who = "every role" if role == "PUBLIC" else f"role {role}"
        if is_missing:
            said = f"{who} had {first}{more}, without which readers cannot read"
        else:
            said = f"{who} has {first}{more}: a restore without privileges or default privileges gave that, and not pgslo grants"
        to_do = "pgslo migrate" if can_mend else "the owner of the object takes it away (REVOKE)"
        found.append(Finding(RUNTIME, "rights", f"rights of {role}", said, to_do))
    return tuple(found)


def find_owners(others: Iterable[Mapping[str, Any]]) -> tuple[Finding, ...]:
    """Objects of the runtime that belong to another role than pgslo."""
    return tuple(
        Finding(
            RUNTIME,
            "other owner",
            f"objects of role {one['role']}",
            f"{one['number']} of pgslo belong to it, such as {one['object']}, and not to pgslo's owner",
            "pgslo migrate, as a superuser"
            if one["is_trusted"]
            else "drop them, or look at them and change their owner",
        )
        for one in others
    )


def find_replicated(subscriptions: Iterable[Mapping[str, str]]) -> tuple[Finding, ...]:
    """Subscriptions to tables of pgslo's own."""
    return tuple(
        Finding(
            RUNTIME,
            "replicated",
            f"subscription {one['subscription']}",
            f"it is about tables of pgslo, which take no rows of a publisher: {one['tables']}",
            "have the publication name the tables that are wanted",
        )
        for one in subscriptions
    )
