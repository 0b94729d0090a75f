"""A definition: the rules of a table, and its readers."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pgslo.definition import names
from pgslo.definition.rules.base import Assertion, OnRead, Rule
from pgslo.definition.rules.predictions import Columns, Labels, PostProcessing
from pgslo.errors import Location
from pgslo.expression import Expression


class Batch(BaseModel):
    """What a batch is: ``by`` an expression over a row, ``every`` interval of ``by`` or of the clock, or a statement.

    ``show_names`` has batches named by values that are neither times nor numbers; else a hash is their name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)
    by: Expression | None = None
    every: timedelta | None = None
    show_names: bool = False
    location: Location


class WantedSnapshot(BaseModel):
    """A snapshot that a task needs: its name, or how names begin of which the newest counts (``delays_*``)."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    snapshot: str
    max_age: timedelta | None = None


class Gate(BaseModel):
    """What has to hold before a task is trained, besides its columns being healthy now.

    Attributes:
        batches: How many of the newest judged batches have to be healthy.
        suspects: Whether a value just beyond a learned bound stops it: ``stop`` or ``pass``.
        training: The snapshot that it is trained on.
        evaluation: The one that it is tried on, which may not end before the training set does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    batches: int = Field(default=1, ge=1)
    suspects: Literal["stop", "pass"] = "stop"
    training: WantedSnapshot | None = None
    evaluation: WantedSnapshot | None = None


class Task(BaseModel):
    """A consumer: the columns that it reads, through which view of its own.

    Attributes:
        window: How far back it looks: batches that are older concern it no more; ``None``: everything stored.
        batches: ``healthy``: its view shows rows of batches that miss nothing in its columns, and no others.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    name: str
    contact: str | None = None
    reads: tuple[str, ...] = ()
    sql: str | None = None
    view: str | None = None
    on_read: OnRead = "warn"
    window: timedelta | None = None
    batches: Literal["all", "healthy"] = "all"
    gate: Gate | None = None
    location: Location
    places: dict[str, Location] = Field(default_factory=dict)

    def place(self, key: str) -> Location:
        """The location of a key, or of the task when it is not written out."""
        return self.places.get(key, self.location)

    @property
    def relation(self) -> tuple[str, str] | None:
        """Schema and name of its own view as the catalogue spells them; ``view`` is how SQL writes it."""
        if self.view is None:
            return None
        schema, name = names.split(self.view)
        return schema, name


class Definition(BaseModel):
    """One file: the rules of one table.

    Attributes:
        schema_name: The table's schema as the catalogue spells it.
        table_name: The table's name likewise.
        key: Columns that name a row in messages; empty: the primary key is taken.
        keyless: Whether no columns identify a row: ``key: none``.
        writes: How rows arrive; ``None``: the compiler chooses and says why.
        fires: ``always``: triggers on its rows also fire for a subscription and where ``session_replication_role`` is replica.
        guarded: Schema of the guarded views.
        readers: Roles that may read the guarded views.
        enforce: False: none of its rules is enforced, and no reader refused.
        watch: Whether bounds are learned for columns that have none.
        unwatched: Columns that are left out of that.
        listed: Columns that are named without a rule.
        settle: How long after its last write a batch is taken as complete; ``None``: ten minutes.
        max_bytes: Bytes of rows that may wait in quarantine; a row beyond is rejected. Also of records of repairs; the oldest go.
        target: Objective of each rule that has none of its own: share of batches, or of the time, that meet it.
        window: Over which the target is to be reached.
        budgeting: Whether batches are counted, or the time that they cover.
        sensitivity: Divides every learned bound's width; 1 is the default.
        holidays: Days that are not like others: ``2026-11-26``, or ``12-25`` of each year.
        history: How many batches keep their profiles and verdicts, or for how long; ``None``: 10,000 batches.
        kind: ``predictions`` for a table of them.
        predictions: Which of its columns hold what.
        post_process: The processing of scores before they are served.
        labels: Where the truth comes from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    schema_name: str
    table_name: str
    description: str | None = None
    owner: str | None = None
    key: tuple[str, ...] = ()
    keyless: bool = False
    writes: Literal["bulk", "stream"] | None = None
    fires: Literal["origin", "always"] = "origin"
    batch: Batch | None = None
    guarded: str = "guarded"
    readers: tuple[str, ...] = ()
    on_read: OnRead = "warn"
    enforce: bool = True
    watch: bool = True
    unwatched: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    settle: timedelta | None = None
    max_bytes: int = Field(default=2**30, gt=0)
    sensitivity: float = Field(default=1.0, gt=0)
    holidays: tuple[str, ...] = ()
    history: int | timedelta | None = None
    target: float | None = Field(default=None, ge=0, le=1)
    window: timedelta | None = None
    budgeting: Literal["occurrences", "time_slices"] = "occurrences"
    rules: tuple[Rule, ...] = ()
    assertions: tuple[Assertion, ...] = ()
    tasks: tuple[Task, ...] = ()
    kind: Literal["predictions"] | None = None
    predictions: Columns | None = None
    post_process: PostProcessing | None = None
    labels: Labels | None = None
    location: Location
    places: dict[str, Location] = Field(default_factory=dict)

    @property
    def name(self) -> str:
        """The table's name with its schema, as messages print it."""
        return f"{self.schema_name}.{self.table_name}"

    def place(self, key: str) -> Location:
        """The location of a key's value, or the file's start when it is not written out."""
        return self.places.get(key, self.location)
