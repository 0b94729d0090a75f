"""The sections of a file that hold no rules: batches, tasks, objective, quarantine and predictions."""

from __future__ import annotations

from pgslo import naming
from pgslo.definition.rules import (
    Batch,
    Gate,
    Task,
    WantedSnapshot,
)
from pgslo.definition.syntax import predictions
from pgslo.definition.syntax.forms import (
    StableName,
)
from pgslo.definition.syntax.keys import (
    BATCH_KEYS,
    GATE_KEYS,
    GATE_SNAPSHOTS,
    OBJECTIVE_KEYS,
    QUARANTINE_KEYS,
    SNAPSHOT_KEYS,
    TASK_KEYS,
)
from pgslo.definition.syntax.rule_builder import Written
from pgslo.definition.yaml import nodes
from pgslo.definition.yaml.named import canonical
from pgslo.definition.yaml.nodes import Node, Scalar
from pgslo.definition.yaml.values import Shape, close_match, describe
from pgslo.errors import DefinitionError, Location, Problems


class Sections:
    """Reads them; errors go to ``problems``, and what has one is left out."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems

    def _error(
        self, message: str, location: Location, hint: str | None = None, *, detail: str | None = None
    ) -> None:
        self._problems.add(DefinitionError(message, detail=detail, hint=hint, location=location))

    def _put(self, written: Written, key: str, shape: Shape, node: Node) -> None:
        try:
            written.put(key, shape.read(node), node)
        except DefinitionError as error:
            self._problems.add(error)

    def _check_keys(self, node: nodes.Mapping, known: tuple[str, ...], what: str) -> None:
        for key, _ in node.entries:
            if key.text not in known:
                hint = close_match(key.text, known) or f"One of: {', '.join(known)}."
                self._error(f'{what} "{key.text}" does not exist', key.location, hint)

    def _mapping(self, node: Node, hint: str) -> nodes.Mapping | None:
        if isinstance(node, nodes.Mapping):
            return node
        self._error(f"expected keys and values, not {describe(node)}", node.location, hint)
        return None

    def _prediction_part(self, written: Written, key: str, node: Node) -> None:
        written.places[key] = node.location
        try:
            written.values[key] = predictions.read_part(key, node)
        except DefinitionError as error:
            self._problems.add(error)

    def _batch(self, node: Node) -> Batch | None:
        if isinstance(node, Scalar) and node.text == "statement":
            return Batch(location=node.location)
        mapping = self._mapping(node, "For example {by: feature_date}, {every: 1 hour}, or statement.")
        if mapping is None:
            return None
        self._check_keys(mapping, tuple(BATCH_KEYS), "key")
        written = Written({}, {})
        for key, value in mapping.entries:
            if key.text in BATCH_KEYS:
                self._put(written, key.text, BATCH_KEYS[key.text], value)
        if {key.text for key, _ in mapping.entries} <= {"show_names"}:
            self._error('a batch needs "by", "every" or both', node.location)
        elif "show_names" in written.values and "by" not in written.values:
            self._error(
                '"show_names" needs "by"', node.location, "Batches of the clock are named by their time."
            )
        return Batch(location=node.location, **written.values)

    def _tasks(self, node: Node) -> tuple[Task, ...]:
        mapping = self._mapping(node, "For example churn: {reads: [age, country]}")
        tasks = []
        for key, value in mapping.entries if mapping else ():
            written = Written({}, {})
            self._put(written, "name", StableName("task"), key)
            keys = self._mapping(value, "For example {reads: [age, country]}")
            if keys is None:
                continue
            self._check_keys(keys, (*TASK_KEYS, "gate"), "key")
            for name, item in keys.entries:
                if name.text == "gate":
                    written.put("gate", self._gate(item), item)
                elif name.text in TASK_KEYS:
                    self._put(written, name.text, TASK_KEYS[name.text], item)
            if keys.get("reads") is None and keys.get("sql") is None:
                self._error(
                    f'task "{key.text}" needs "reads"',
                    key.location,
                    "List the columns that it reads, or give its query as sql.",
                )
            if "view" in written.values:
                schema = written.values["view"][0]
                if naming.is_reserved(schema):
                    self._error(f'schema "{schema}" cannot hold the view of a task', written.places["view"])
                written.values["view"] = canonical(written.values["view"])
            if "name" in written.values and written.values.keys() & {"reads", "sql"}:
                tasks.append(Task(location=key.location, places=written.places, **written.values))
        return tuple(tasks)

    def _gate(self, node: Node) -> Gate | None:
        """What a task needs before it is trained."""
        mapping = self._mapping(node, "For example {batches: 3, training: delays_*}")
        if mapping is None:
            return None
        self._check_keys(mapping, (*GATE_KEYS, *GATE_SNAPSHOTS), "key")
        written = Written({}, {})
        for key, value in mapping.entries:
            if key.text in GATE_KEYS:
                self._put(written, key.text, GATE_KEYS[key.text], value)
            elif key.text in GATE_SNAPSHOTS:
                wanted = self._wanted_snapshot(value)
                if wanted is not None:
                    written.put(key.text, wanted, value)
        return Gate(**written.values)

    def _wanted_snapshot(self, node: Node) -> WantedSnapshot | None:
        written = Written({}, {})
        if isinstance(node, Scalar):
            self._put(written, "snapshot", SNAPSHOT_KEYS["snapshot"], node)
        elif (mapping := self._mapping(node, "For example {snapshot: delays_*, max_age: 1 day}")) is not None:
            self._check_keys(mapping, tuple(SNAPSHOT_KEYS), "key")
            for key, value in mapping.entries:
                if key.text in SNAPSHOT_KEYS:
                    self._put(written, key.text, SNAPSHOT_KEYS[key.text], value)
            if mapping.get("snapshot") is None:
                self._error(
                    'it names no "snapshot"',
                    node.location,
                    "For example {snapshot: delays_*, max_age: 1 day}",
                )
        return WantedSnapshot(**written.values) if "snapshot" in written.values else None

    def _quarantine(self, written: Written, node: Node) -> None:
        """How many bytes of rows may wait in quarantine."""
        mapping = self._mapping(node, "For example {max_bytes: 1 GB}")
        if mapping is None:
            return
        self._check_keys(mapping, tuple(QUARANTINE_KEYS), "key")
        for key, value in mapping.entries:
            if key.text in QUARANTINE_KEYS:
                self._put(written, key.text, QUARANTINE_KEYS[key.text], value)

    def _objective(self, written: Written, node: Node) -> None:
        mapping = self._mapping(node, "For example {target: 0.99, window: 28 days}")
        if mapping is None:
            return
        self._check_keys(mapping, tuple(OBJECTIVE_KEYS), "key")
        for name, item in mapping.entries:
            if name.text in OBJECTIVE_KEYS:
                self._put(written, name.text, OBJECTIVE_KEYS[name.text], item)
        for needed in ("target", "window"):
            if mapping.get(needed) is None:
                self._error(
                    f'"objective" needs "{needed}"',
                    node.location,
                    "For example {target: 0.99, window: 28 days}",
                )
