"""What moved in a database since definitions were applied: in their tables, and in pgslo's own objects. Pure."""

from pgslo.plan.drift.definition import (
    find,
    find_forgeries,
    find_irregular,
    find_schemas,
    find_snapshots,
    unguarded,
)
from pgslo.plan.drift.runtime import find_owners, find_replicated, find_rights

__all__ = [
    "find",
    "find_forgeries",
    "find_irregular",
    "find_owners",
    "find_replicated",
    "find_rights",
    "find_schemas",
    "find_snapshots",
    "unguarded",
]
