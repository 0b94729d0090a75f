"""Every SQL object name and SQLSTATE that pgslo uses, and the 63-byte rule."""

from __future__ import annotations

import hashlib

API_SCHEMA = "pgslo"
CATALOG_SCHEMA = "pgslo_catalog"
GENERATED_SCHEMA = "pgslo_gen"
SNAPSHOT_SCHEMA = "pgslo_snapshot"
GUARDED_SCHEMA = "guarded"

#: How the names of replaced views begin that are kept because other objects depend on them.
ASIDE = "pgslo_aside_"

#: Schemas that no rule reads and no view is made in; neither are those whose names begin with pg_, PostgreSQL's own.
RESERVED_SCHEMAS = frozenset(
    {"information_schema", API_SCHEMA, CATALOG_SCHEMA, GENERATED_SCHEMA, SNAPSHOT_SCHEMA}
)

#: WARNING: an objective is missed.
OBJECTIVE_MISSED = "01SL1"
#: WARNING: an objective cannot be judged.
NOT_JUDGED = "01SL2"
#: ERROR: a guarded read was refused.
READ_REFUSED = "SL001"
#: ERROR: the relation has no definition.
NO_DEFINITION = "SL002"
#: ERROR: library and runtime do not fit.
RUNTIME_MISMATCH = "SL003"

#: PostgreSQL cuts identifiers to NAMEDATALEN - 1 bytes.
MAX_BYTES = 63
_DIGEST = 8

#: PostgreSQL fires triggers of one event in byte order of their names; the number is that order.
REPAIR_ORDER = 100
POST_PROCESS_ORDER = 150
ENFORCE_ORDER = 300
TAKEN_ORDER = 450
MEASURE_ORDER = 500
EMPTIED_ORDER = 600
PAIR_ORDER = 700
ASSERT_ORDER = 800
SETTLE_ORDER = 810

#: Key of the session advisory lock that lets one installer in at a time ("pgslo" in ASCII, as an integer).
INSTALL_LOCK = int.from_bytes(b"pgslo", "big")


def fit(*parts: str) -> str:
    """Join name parts with ``__`` into one identifier of at most 63 bytes.

    A name that has to be cut, and a name whose parts hold ``__`` themselves, ends in eight hexadecimal digits
    of the SHA-256 of its parts, so that different parts never share a name by cutting or by joining.

    Args:
        parts: Schema, table and what the object does, as the catalogue spells them.

    Returns:
        The unquoted identifier.
    """
    plain = "__".join(parts)
    clear = not any("__" in part or part.startswith("_") or part.endswith("_") for part in parts)
    if clear and len(plain.encode()) <= MAX_BYTES and not _looks_cut(plain):
        return plain
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_DIGEST]
    room = MAX_BYTES - _DIGEST - 2
    return f"{plain.encode()[:room].decode(errors='ignore')}__{digest}"


def _looks_cut(name: str) -> bool:
    """Whether a plain name could be taken for a cut one: it ends as ``fit`` ends the names it cuts."""
    tail = name.rpartition("__")[2]
    return len(tail) == _DIGEST and all(character in "0123456789abcdef" for character in tail)


def is_reserved(schema: str) -> bool:
    """Whether a schema is one of PostgreSQL's own or of pgslo."""
    return schema in RESERVED_SCHEMAS or schema.startswith("pg_")


def trigger(order: int, what: str, event: str) -> str:
    """The name of a trigger: ``pgslo_500_measure_insert``."""
    return f"pgslo_{order}_{what}_{event}"


def is_ours(trigger_name: str) -> bool:
    """Whether a trigger's name is one that pgslo gives."""
    return trigger_name.startswith("pgslo_")
