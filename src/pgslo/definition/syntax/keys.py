"""The keys of a file and of its sections, with the shape of each value."""

from __future__ import annotations

from typing import get_args

from pgslo.definition.rules import OnRead
from pgslo.definition.syntax.forms import FILE_FORMS
from pgslo.definition.yaml.durations import Bytes, Day, Duration, History
from pgslo.definition.yaml.lists import Batches, ListOf
from pgslo.definition.yaml.named import Condition, Name, Relation, SnapshotName
from pgslo.definition.yaml.values import Boolean, Fraction, Measure, OneOf, Shape, Text

OBJECTIVE_KEYS: dict[str, Shape] = {
    "target": Fraction(),
    "window": Duration(),
    "budgeting": OneOf("way of budgeting", ("occurrences", "time_slices")),
}
QUARANTINE_KEYS: dict[str, Shape] = {"max_bytes": Bytes()}
BATCH_KEYS: dict[str, Shape] = {"by": Condition(), "every": Duration(), "show_names": Boolean()}
TASK_KEYS: dict[str, Shape] = {
    "contact": Text("a contact", 200),
    "reads": ListOf(Name(), single=True),
    "sql": Text("a query"),
    "view": Relation("view"),
    "on_read": OneOf("choice", get_args(OnRead)),
    "window": Duration(),
    "batches": OneOf("choice", ("all", "healthy")),
}
#: Keys of a task's gate with a plain value, and those of the snapshots that it requires.
GATE_KEYS: dict[str, Shape] = {"batches": Batches(), "suspects": OneOf("choice", ("stop", "pass"))}
GATE_SNAPSHOTS = ("training", "evaluation")
SNAPSHOT_KEYS: dict[str, Shape] = {"snapshot": SnapshotName(), "max_age": Duration()}
#: Keys of a file with a plain value; the others hold more.
PLAIN_KEYS: dict[str, Shape] = {
    "table": Relation(),
    "description": Text("a description"),
    "owner": Text("an owner", 200),
    "key": ListOf(Name(), single=True),
    "writes": OneOf("choice", ("bulk", "stream")),
    "fires": OneOf("choice", ("origin", "always")),
    "guarded": Name("schema"),
    "readers": ListOf(Name("role"), single=True),
    "on_read": OneOf("choice", get_args(OnRead)),
    "settle": Duration(),
    "enforce": Boolean(),
    "watch": Boolean(),
    "unwatched": ListOf(Name(), single=True),
    "sensitivity": Measure(),
    "holidays": ListOf(Day(), single=True),
    "history": History(),
}
#: Keys that say what a table of predictions is.
PREDICTION_KEYS = ("kind", "predictions", "post_process", "labels")
FILE_KEYS = (
    *PLAIN_KEYS,
    "batch",
    "objective",
    "quarantine",
    *FILE_FORMS,
    "columns",
    "rules",
    "assertions",
    "tasks",
    *PREDICTION_KEYS,
)
