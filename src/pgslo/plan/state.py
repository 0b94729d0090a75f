"""What a plan was made for, as a hash: another one when the database moves under the plan, or the definitions do."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from pgslo.catalog import Catalog


def hashed(catalog: Catalog, steps: Iterable[str], runtime_scripts: tuple[str, ...]) -> str:
    """The hash.

    Args:
        catalog: The database.
        steps: Each step in words, with its statements.
        runtime_scripts: The required scripts of the runtime.
    """
    seen = [
        str(catalog.server_version),
        str(catalog.runtime_sha256),
        *sorted(
            f"{one.kind} {one.identity} {one.fingerprint} {one.validated} {one.enabled} {one.fires_always} {one.owner} {_hash(one.body or '')}"
            for one in catalog.installed
        ),
        *sorted(repr(_stable(relation)) for relation in catalog.relations.values()),
        *steps,
        *runtime_scripts,
    ]
    return _hash("\0".join(seen))[:16]


def _stable(relation: object) -> dict[str, object]:
    """A table's facts but for the planner's estimate of its rows, which changes without a write."""
    return {name: value for name, value in vars(relation).items() if name != "rows"}


def _hash(text: str) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()
