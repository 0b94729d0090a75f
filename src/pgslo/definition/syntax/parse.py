"""A definition file's text to a :class:`Definition`, or all of its errors at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from pgslo import naming
from pgslo.definition.rules import Assertion, Definition
from pgslo.definition.syntax import prediction_checks, predictions
from pgslo.definition.syntax.custom_kinds import CustomKind
from pgslo.definition.syntax.forms import (
    FILE_FORMS,
)
from pgslo.definition.syntax.keys import (
    FILE_KEYS,
    PLAIN_KEYS,
)
from pgslo.definition.syntax.rule_builder import Written
from pgslo.definition.syntax.rule_reader import RuleReader
from pgslo.definition.yaml import nodes, reader
from pgslo.definition.yaml.nodes import Node, Scalar
from pgslo.definition.yaml.values import describe
from pgslo.errors import DefinitionError, DefinitionErrors, Location, Problems

_NO_KINDS: Mapping[str, CustomKind] = {}


def load(text: str, *, path: str, kinds: Mapping[str, CustomKind] = _NO_KINDS) -> Definition:
    """Read one definition.

    Args:
        text: The file's text.
        path: The file as messages name it.
        kinds: The organisation's own kinds, by name.

    Raises:
        DefinitionErrors: Everything that is wrong with it, each with its place.
    """
    node = reader.read(text, path=path)
    problems = Problems()
    definition = _Reader(problems, kinds).definition(node)
    problems.check()
    if definition is None:
        raise AssertionError("a definition without errors has a value")
    return definition


def load_all(
    files: Mapping[str, str],
    *,
    kinds: Mapping[str, CustomKind] = _NO_KINDS,
    holidays: tuple[str, ...] = (),
    history: int | timedelta | None = None,
) -> tuple[Definition, ...]:
    """Read the definitions of a project.

    Args:
        files: Text of each file by its path.
        kinds: The organisation's own kinds, by name.
        holidays: Those of definitions that list none.
        history: That of definitions without one.

    Raises:
        DefinitionErrors: Everything that is wrong with any of them, or a table that has two.
    """
    problems = Problems()
    definitions: dict[tuple[str, str], Definition] = {}
    for path, text in files.items():
        try:
            definition = load(text, path=path, kinds=kinds)
        except DefinitionErrors as error:
            problems.errors.extend(error.errors)
            continue
        if not definition.holidays:
            definition = definition.model_copy(update={"holidays": holidays})
        if definition.history is None:
            definition = definition.model_copy(update={"history": history})
        table = (definition.schema_name, definition.table_name)
        first = definitions.setdefault(table, definition)
        if first is not definition:
            problems.errors.append(
                DefinitionError(
                    f"table {definition.name} has two definitions",
                    detail=f"The other one is {first.location.path}.",
                    hint="Put the rules of a table into one file.",
                    location=definition.place("table"),
                )
            )
    problems.check()
    return tuple(definitions.values())


class _Reader(RuleReader):
    """Reads the parts of one file; errors go to ``problems``, and what has one is left out."""

    def definition(self, node: Node) -> Definition | None:
        """The whole file."""
        if not isinstance(node, nodes.Mapping):
            self._error(
                f"expected keys and values, not {describe(node)}",
                node.location,
                "Start with table: schema.name",
            )
            return None
        start = Location(node.location.path, 1, 1)
        written = Written({}, {})
        self._check_keys(node, FILE_KEYS, "key")
        for key, value in node.entries:
            self._part(written, key, value)
        if node.get("table") is None:
            self._error('the file names no "table"', start, "Start with table: schema.name")
        self._check_schemas(written)
        self._check_sensitivity(written)
        self._check_kind(written, start)
        if self._problems.errors:
            return None
        schema_name, table_name = written.values.pop("table")
        columns = written.values.get("predictions")
        definition = Definition(
            schema_name=schema_name,
            table_name=table_name,
            rules=tuple(
                rule.with_predictions(columns) if columns is not None else rule
                for rule in self._rules.rules
                if not isinstance(rule, Assertion)
            ),
            assertions=tuple(rule for rule in self._rules.rules if isinstance(rule, Assertion)),
            location=start,
            places=written.places,
            **written.values,
        )
        for problem in prediction_checks.check(definition):
            self._problems.add(problem)
        return definition

    def _part(self, written: Written, key: Scalar, node: Node) -> None:
        match key.text:
            case "kind":
                self._put(written, "kind", predictions.KIND, node)
            case "key" if isinstance(node, Scalar) and node.text == "none":
                written.put("keyless", True, node)  # noqa: FBT003 - a value of the definition
                written.places["key"] = node.location
            case part if part in predictions.PARTS:
                self._prediction_part(written, part, node)
            case "batch":
                written.put("batch", self._batch(node), node)
            case "objective":
                self._objective(written, node)
            case "quarantine":
                self._quarantine(written, node)
            case kind if kind in FILE_FORMS:
                self._file_rule(FILE_FORMS[kind], key, node)
            case "columns":
                self._columns(written, node)
            case "rules":
                self._row_rules(node)
            case "assertions":
                self._assertions(node)
            case "tasks":
                written.put("tasks", self._tasks(node), node)
            case plain if plain in PLAIN_KEYS:
                self._put(written, plain, PLAIN_KEYS[plain], node)

    def _check_schemas(self, written: Written) -> None:
        guarded = written.values.get("guarded")
        if guarded and naming.is_reserved(guarded):
            self._error(f'schema "{guarded}" cannot hold guarded views', written.places["guarded"])
        table = written.values.get("table")
        if table and guarded and table[0] == guarded:
            self._error(
                "the guarded view would have the name of the table itself",
                written.places["guarded"],
                "Choose another schema for the guarded views.",
            )

    def _check_sensitivity(self, written: Written) -> None:
        if written.values.get("sensitivity", 1) <= 0:
            self._error(
                "sensitivity has to be above zero",
                written.places["sensitivity"],
                "1 is the default; 2 reports deviations half as large. To report none, write watch: false.",
            )

    def _check_kind(self, written: Written, start: Location) -> None:
        parts = [key for key in predictions.PARTS if key in written.places]
        if parts and "kind" not in written.places:
            self._error(
                f'"{parts[0]}" is about a table of predictions',
                written.places[parts[0]],
                "Write kind: predictions.",
            )
        elif "kind" in written.places and "predictions" not in written.places:
            self._error(
                'a table of predictions needs "predictions"',
                written.places.get("kind", start),
                f"For example predictions: {predictions.COLUMNS.example}",
            )
