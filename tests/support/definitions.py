"""Definitions as tests write them: read, or refused, and how editors judge them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pgslo import definition
from pgslo.definition import Definition
from pgslo.definition.yaml import nodes, reader
from pgslo.errors import DefinitionError, DefinitionErrors

EXAMPLES = Path(__file__).parents[2] / "examples"
KINDS = definition.load_kinds(
    {path.name: path.read_text("utf-8") for path in (EXAMPLES / "definitions" / "kinds").glob("*.sql")}
)
VALIDATOR = jsonschema.Draft202012Validator(definition.json_schema(KINDS))
HEAD = "table: s.t\n"
PREDICTIONS = f"""{HEAD}kind: predictions
batch: {{by: day}}
predictions: {{score: score, at: at, model: model}}
labels: {{table: s.l, on: [id], label: truth, positive: true, maturity: 1 day}}
"""


def load(text: str) -> Definition:
    return definition.load(text, path="slos/t.yml", kinds=KINDS)


def errors(text: str) -> tuple[DefinitionError, ...]:
    with pytest.raises(DefinitionErrors) as caught:
        load(text)
    return caught.value.errors


def attempt(text: str) -> tuple[Definition | None, tuple[DefinitionError, ...]]:
    """The definition or its errors; any other exception fails the test."""
    try:
        return load(text), ()
    except DefinitionErrors as caught:
        return None, caught.errors


def column_rule(item: str) -> Any:
    (rule,) = load(f"{HEAD}columns:\n  a:\n    - {item}\n").rules
    return rule


def row_rule(item: str) -> Any:
    head = PREDICTIONS if "ml_metric" in item else HEAD
    (rule,) = load(f"{head}rules:\n  - r: {item}\n").rules
    return rule


def schema_accepts(text: str) -> bool:
    """Whether an editor that has the JSON Schema would take the file."""

    def plain(node: nodes.Node) -> Any:
        match node:
            case nodes.Scalar():
                return float(node.value) if isinstance(node.value, Decimal) else node.value
            case nodes.Sequence():
                return [plain(item) for item in node.items]
            case nodes.Mapping():
                return {key.text: plain(value) for key, value in node.entries}

    return VALIDATOR.is_valid(plain(reader.read(text, path="f.yml")))
