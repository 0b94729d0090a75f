"""The facts that drift is determined from, and its findings, as frozen data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

What = Literal[
    "quarantine full",
    "gone", "table renamed", "table replaced", "missing", "edited", "foreign", "switched off", "not in force", "no rights", "unarmed", "detached", "column renamed", "column retyped",
    "column gone", "type changed", "broken", "unseen rows", "other owner", "not observed", "paused", "unknown", "snapshot", "schema", "forged", "set aside", "rights", "replicated", "trigger renamed", "row security", "not recorded", "waiting",
]  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """Something that is not as the last apply left it.

    Attributes:
        what: The kind of finding, a fixed word for programs.
        thing: Its object: a trigger, a column, a partition.
        said: A sentence about it.
        to_do: What a DBA does about it.
        is_hint: Whether it may also have an innocent reason.
        not_in_force: The rules that are not in force because of it.
        in_doubt: The rules that may not be in force because of it.
    """

    definition: str
    what: What
    thing: str
    said: str
    to_do: str
    is_hint: bool = False
    not_in_force: tuple[str, ...] = ()
    in_doubt: tuple[str, ...] = ()


@dataclass(frozen=True)
class Counts:
    """A row of ``sql/catalog/recorded_rows.sql``, and the newest batch in the table where an index finds it."""

    rows_written_then: int | None
    rows_written_now: int | None
    statistics_reset_at: Any
    rows_recorded: int
    rows_just_before: int
    newest_recorded: Decimal | None
    newest_in_table: Decimal | None
    quarantine_bytes: int
    quarantine_max_bytes: int
    repairs_left_out_at: Any = None


@dataclass(frozen=True)
class Facts:
    """A row of ``sql/catalog/drift.sql``.

    Attributes:
        counts: Its rows; ``None`` where nothing depends on them, because counting takes as long as there are records.
    """

    definition: str
    writes: str
    table_name: str | None
    is_replaced: bool
    applied_name: str | None
    applied_owner: str | None
    table_owner: str | None
    applied_at: Any
    applied_columns: Sequence[Mapping[str, Any]] | None
    applied_objects: Sequence[Mapping[str, Any]] | None
    columns: Sequence[Mapping[str, Any]] | None
    used_columns: Sequence[str]
    broken: Sequence[str]
    blind_views: Sequence[Sequence[str]]
    shut_out: Sequence[Sequence[str]]
    open_views: Sequence[str]
    can_release: bool
    can_lock: bool
    keeper: str
    quoted_name: str | None
    faults: Sequence[Sequence[Any]]
    asserts: bool
    unarmed: Sequence[Sequence[str]]
    lost_tables: Sequence[Sequence[str]]
    applied_partitions: Sequence[Sequence[str]]
    left_partitions: Sequence[Sequence[str]]
    detached: Sequence[str]
    other_tables: Sequence[Sequence[str]]
    lost_columns: Sequence[Sequence[str]]
    moved_relations: Sequence[Sequence[str]]
    switched_off: Sequence[Sequence[str]]
    subscribed: Sequence[str]
    replica_roles: Sequence[str]
    records_rows: bool
    waiting_batches: int | None
    counts: Counts | None = None
