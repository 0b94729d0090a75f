"""How each kind of rule is written in each place, and what every rule may say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pgslo.definition import names
from pgslo.definition.rules import BUILT_IN, Custom, OnBreach, Rule
from pgslo.definition.rules.kinds.assertions import ASSERTIONS
from pgslo.definition.rules.syntax import COLUMNS, Syntax, Ways
from pgslo.definition.syntax.custom_kinds import CustomKind
from pgslo.definition.yaml.durations import Duration
from pgslo.definition.yaml.lists import Batches, ListOf
from pgslo.definition.yaml.named import Condition, Relation
from pgslo.definition.yaml.nodes import Node, Scalar
from pgslo.definition.yaml.values import (
    Boolean,
    Fraction,
    Integer,
    Measure,
    OneOf,
    Shape,
    Text,
    describe,
)
from pgslo.errors import DefinitionError, Location

_ANY_INTEGER = 2**63 - 1


@dataclass(frozen=True)
class StableName:
    """What a rule or task is called: it becomes part of SQL names and of commands."""

    what: str

    def read(self, node: Node) -> str:
        """The name."""
        text = node.text if isinstance(node, Scalar) else ""
        if names.STABLE_NAME.match(text) and len(text) <= names.STABLE_NAME_BYTES:
            return text
        raise DefinitionError(
            f"{describe(node)} cannot be the name of a {self.what}",
            hint=f"Use at most {names.STABLE_NAME_BYTES} lower case letters, digits and underscores, "
            "and begin with a letter.",
            location=node.location,
        )

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        return {"type": "string", "pattern": "^[a-z_][a-z0-9_]*$", "maxLength": names.STABLE_NAME_BYTES}


@dataclass(frozen=True, kw_only=True)
class Form(Syntax):
    """A kind of rule as it is written in one place.

    Attributes:
        rule: The class that it becomes.
    """

    rule: type[Rule]

    @property
    def description(self) -> str:
        """The rule in a sentence."""
        return (self.rule.__doc__ or "").strip().partition("\n")[0].replace("``", "")

    def fields(
        self, written: dict[str, Any], column: str | None, *, kind: str, location: Location
    ) -> dict[str, Any]:
        """Return the fields for the author's values.

        Args:
            written: Values by the key under which they are written.
            column: The column that the rule is written under.
            kind: The word that the author used.
            location: Location of the rule.

        Raises:
            DefinitionError: The values make no rule.
        """
        del kind, location
        return self.rule.fields(written, column)


@dataclass(frozen=True, kw_only=True)
class CustomForm(Form):
    """A kind of the organisation's own.

    Attributes:
        custom: The template it comes from.
    """

    custom: CustomKind

    @property
    def description(self) -> str:
        """The rule in a sentence."""
        return self.custom.description

    def fields(
        self, written: dict[str, Any], column: str | None, *, kind: str, location: Location
    ) -> dict[str, Any]:
        """Return the fields for the author's values, with the condition that the template prints."""
        parameters = {each.name: written.get(each.name, each.default) for each in self.custom.parameters}
        return {
            "description": self.custom.description,
            "custom_kind": kind,
            "template": self.custom.template,
            "parameters": parameters,
            "columns": self.custom.columns(parameters),
            "condition": self.custom.condition(column, parameters, location=location),
        }


def _forms(kinds: Iterable[type[Rule]], way: Callable[[Ways], Syntax | None]) -> dict[str, Form]:
    written = ((kind, way(kind.syntax)) for kind in kinds)
    return {kind.kind: Form(rule=kind, **vars(syntax)) for kind, syntax in written if syntax is not None}


#: Kinds under ``columns:``.
COLUMN_FORMS = _forms(BUILT_IN.values(), lambda ways: ways.columns)
#: Kinds under ``rules:``.
ROW_FORMS = _forms(BUILT_IN.values(), lambda ways: ways.rules)
#: Kinds that are keys of the file.
FILE_FORMS = _forms(BUILT_IN.values(), lambda ways: ways.file)
#: Kinds under ``assertions:``.
ASSERTION_FORMS = _forms(ASSERTIONS.values(), lambda ways: ways.assertions)


def column_forms(kinds: Mapping[str, CustomKind]) -> dict[str, Form]:
    """Return the kinds that may be written under a column, with the organisation's own."""
    return COLUMN_FORMS | {name: _custom_form(kind) for name, kind in kinds.items() if kind.about_column}


def row_forms(kinds: Mapping[str, CustomKind]) -> dict[str, Form]:
    """Return the kinds that may be written under ``rules:``, with the organisation's own."""
    return ROW_FORMS | {name: _custom_form(kind) for name, kind in kinds.items() if not kind.about_column}


def _custom_form(kind: CustomKind) -> Form:
    required = tuple(each.name for each in kind.parameters if each.required)
    single = required or tuple(each.name for each in kind.parameters)
    shorthand = next((each.shape for each in kind.parameters if single == (each.name,)), None)
    return CustomForm(
        rule=Custom,
        example=f"{kind.name}: {{{', '.join(f'{name}: …' for name in required)}}}" if required else kind.name,
        parameters={each.name: each.shape for each in kind.parameters},
        required=required,
        shorthand=shorthand,
        stands_for=single if shorthand else (),
        custom=kind,
    )


#: What every rule may say.
OPTIONS: dict[str, Shape] = {
    "name": StableName("rule"),
    "description": Text("a description"),
    "owner": Text("an owner", 200),
    "tags": ListOf(Text("a tag", 100), single=True),
    "enabled": Boolean(),
    "enforce": Boolean(),
    "where": Condition(),
    "on_breach": OneOf("action", get_args(OnBreach)),
    "at_least": Fraction(),
    "at_most": Integer(0, _ANY_INTEGER),
    "samples": Integer(0, 1000),
    "warn_below": Measure(),
    "warn_above": Measure(),
    "reject_below": Measure(),
    "reject_above": Measure(),
    "target": Fraction(),
    "window": Duration(),
    "opens_after": Batches(),
    "resolves_after": Batches(),
}
#: What every assertion may say.
ASSERTION_OPTIONS: dict[str, Shape] = {
    **{
        name: OPTIONS[name]
        for name in ("name", "description", "owner", "tags", "enabled", "enforce", "where", "on_breach")
    },
    "group_by": COLUMNS,
    "deferred": Boolean(),
    "validated": Boolean(),
    "check_on": ListOf(Relation(), single=True),
}
