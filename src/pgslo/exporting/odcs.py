"""A definition as a contract of the Open Data Contract Standard, version 3.

Parts that the standard can express use its words, for other tools. Every rule is there once more in pgslo's own words, so that
the import of the contract is the definition that was exported.
"""

from __future__ import annotations

import decimal
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from pgslo.definition import rules
from pgslo.definition.yaml import writing
from pgslo.exporting import document, plainness
from pgslo.exporting.model import Entry, NotExpressibleError, Statement, Whole, entry

#: The engine of rules in pgslo's own words, and the property that holds all else of a definition.
ENGINE = "pgslo"
SUFFIX = ".odcs.yaml"
_NAMESPACE = uuid.UUID("6f7c1f5c-1d2f-5c62-9b63-0c5b1c1c9a51")
_LOGICAL = {
    "smallint": "integer", "integer": "integer", "bigint": "integer", "any integer": "integer",
    "numeric": "number", "real": "number", "double precision": "number", "any number": "number",
    "text": "string", "character varying": "string", "varchar": "string", "character": "string", "char": "string", "any text": "string",
    "date": "date", "timestamp without time zone": "timestamp", "timestamp with time zone": "timestamp",
    "timestamp": "timestamp", "timestamptz": "timestamp", "any timestamp": "timestamp", "boolean": "boolean",
}  # fmt: skip
_REFERENCE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


@dataclass(frozen=True)
class Said:
    """Something that the contract says in the standard's words.

    Attributes:
        column: The property that says it; ``None``: the object.
        key: The key, as the reader of contracts names it.
        value: The value under it.
    """

    column: str | None
    key: str
    value: Any

    @property
    def signature(self) -> tuple[str | None, str, str]:
        """Its content, comparable with that of a file."""
        return signature(self.column, self.key, self.value)


@dataclass
class _Made:
    """What a rule is in the standard's words."""

    said: list[Said] = field(default_factory=list)
    reason: str | None = None


def signature(column: str | None, key: str, value: Any) -> tuple[str | None, str, str]:
    """Return what a contract says in a form in which two of them can be compared."""
    return column, key, repr(_even(value))


def _even(value: Any) -> Any:
    match value:
        case bool() | None:
            return value
        case int() | float() | decimal.Decimal():
            return format(decimal.Decimal(str(value)).normalize(), "f")
        case list() | tuple():
            return [_even(one) for one in value]
        case dict():
            return sorted((key, _even(one)) for key, one in value.items())
    return str(value)


def export(whole: Whole) -> tuple[str, list[Entry]]:
    """Return the contract, and the outcome of each rule."""
    entries: list[Entry] = []
    said: list[Said] = list(_key(whole))
    for statement in whole.statements:
        try:
            made = _made(whole, statement)
        except NotExpressibleError as error:
            entries.append(entry(whole, statement, "not_expressible", error.reason))
            continue
        said += made.said
        entries.append(entry(whole, statement, "changed" if made.reason else "exported", made.reason))
    return _text(whole, said), entries


def stated(whole: Whole) -> set[tuple[str | None, str, str]]:
    """Return everything that the export of a definition says in the standard's words."""
    found = {one.signature for one in _key(whole)}
    for statement in whole.statements:
        try:
            found |= {one.signature for one in _made(whole, statement).said}
        except NotExpressibleError:
            continue
    return found


def _key(whole: Whole) -> list[Said]:
    return [Said(None, "primaryKey", list(whole.definition.key))] if whole.definition.key else []


def _text(whole: Whole, said: list[Said]) -> str:
    made = whole.definition
    properties: dict[str, dict[str, Any]] = {}
    for column in _columns(whole):
        properties[column] = {"name": column}
    for number, column in enumerate(made.key, start=1):
        properties[column] |= {"primaryKey": True, "primaryKeyPosition": number}
    table: dict[str, Any] = {"name": made.table_name, "physicalName": made.name, "physicalType": "table"}
    if made.description:
        table["description"] = made.description
    levels: list[dict[str, Any]] = []
    for one in said:
        holder = table if one.column is None else properties[one.column]
        match one.key:
            case "primaryKey":
                continue
            case "latency":
                levels.append(one.value)
            case "quality" | "relationships":
                holder.setdefault(one.key, []).append(one.value)
            case "logicalType" | "physicalType" | "required" | "unique":
                holder[one.key] = one.value
            case option:
                holder.setdefault("logicalTypeOptions", {})[option] = one.value
    for column, types in _types(whole).items():
        logical = _logical(types)
        if logical is not None:
            properties[column].setdefault("logicalType", logical)
    for statement in whole.statements:
        holder = table
        if statement.place == "column" and not statement.is_inside:
            holder = properties[str(statement.rule.column)]
        own: dict[str, Any] = {"type": "custom", "engine": ENGINE, "name": statement.rule.name}
        own["description"] = statement.rule.summary[:400]
        holder.setdefault("quality", []).append(own | {"implementation": statement.text})
    table["customProperties"] = [{"property": ENGINE, "value": settings(whole)}]
    table["properties"] = list(properties.values())
    contract: dict[str, Any] = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": str(uuid.uuid5(_NAMESPACE, made.name)),
        "name": made.name,
        "version": "1.0.0",
        "status": "active",
    }
    if made.owner:
        contract["team"] = {"name": made.owner}
    contract["schema"] = [table]
    if levels:
        contract["slaProperties"] = levels
    return document.text(
        contract,
        f"Written by pgslo export. Quality of the engine {ENGINE} has each rule in pgslo's own words;",
        "parts that the standard can express use its words as well.",
    )


def settings(whole: Whole) -> str:
    """Return everything of a definition but its rules, as YAML, a key on a line."""
    return "".join(f"{key}: {writing.value(one)}\n" for key, one in whole.settings.items())


def _columns(whole: Whole) -> list[str]:
    """Every column that a definition names, in the order of its schema and its rules."""
    found = dict.fromkeys(_types(whole))
    found |= dict.fromkeys(whole.definition.key)
    for statement in whole.statements:
        if statement.rule.column is not None and not statement.is_inside:
            found[statement.rule.column] = None
    return list(found)


def _types(whole: Whole) -> dict[str, tuple[str, ...]]:
    schemas = (one.rule for one in whole.statements if isinstance(one.rule, rules.Schema))
    return next((one.columns for one in schemas), {})


def _logical(types: tuple[str, ...]) -> str | None:
    found = {_LOGICAL.get(re.sub(r"\(.*?\)", "", one).strip()) for one in types}
    return found.pop() if len(found) == 1 else None


def _made(whole: Whole, statement: Statement) -> _Made:
    """What a rule is in the standard's words.

    Raises:
        NotExpressibleError: It has none.
    """
    rule = statement.rule
    make = _KINDS.get(type(rule))
    if make is None:
        raise NotExpressibleError("no_word")
    if statement.is_inside:
        raise NotExpressibleError("inside")
    plainness.check(rule, shares=isinstance(rule, rules.NotNull | rules.AcceptedValues | rules.Pattern))
    return make(whole, rule)


def _of(rule: rules.Rule, key: str, value: Any) -> Said:
    return Said(rule.column, key, value)


def _counted(rule: rules.Rule, metric: str, arguments: dict[str, Any] | None = None) -> _Made:
    """A metric of failing rows: none, a number, or a share."""
    entry_: dict[str, Any] = {"type": "library", "metric": metric}
    if arguments:
        entry_["arguments"] = arguments
    if rule.at_most:
        return _Made(
            [_of(rule, "quality", entry_ | {"mustBeLessOrEqualTo": rule.at_most})], "table_not_batch"
        )
    if rule.at_least not in (None, 1.0):
        share = (1 - decimal.Decimal(str(rule.at_least))) * 100
        bound = {"mustBeLessOrEqualTo": share.normalize(), "unit": "percent"}
        return _Made([_of(rule, "quality", entry_ | bound)], "table_not_batch")
    return _Made([_of(rule, "quality", entry_ | {"mustBe": 0})])


def _not_null(whole: Whole, rule: Any) -> _Made:
    del whole
    if rule.at_most or rule.at_least not in (None, 1.0):
        return _counted(rule, "nullValues")
    return _Made([Said(rule.column, "required", value=True)])


def _unique(whole: Whole, rule: Any) -> _Made:
    if rule.column is not None and rule.nulls == "distinct":
        return _Made([Said(rule.column, "unique", value=True)])
    present = {one.rule.column for one in whole.statements if isinstance(one.rule, rules.NotNull)}
    arguments = {"properties": list(rule.columns)}
    entry_ = {"type": "library", "metric": "duplicateValues", "arguments": arguments, "mustBe": 0}
    return _Made(
        [Said(None, "quality", entry_)], None if present.issuperset(rule.columns) else "null_differs"
    )


def _accepted(whole: Whole, rule: Any) -> _Made:
    del whole
    return _counted(rule, "invalidValues", {"validValues": list(rule.values)})


def _pattern(whole: Whole, rule: Any) -> _Made:
    del whole
    if rule.ignore_case:
        raise NotExpressibleError("no_word")
    made = _counted(rule, "invalidValues", {"pattern": rule.matches})
    return _Made(made.said, made.reason or "dialect")


def _of_type(whole: Whole, rule: Any, *wanted: str) -> None:
    if _logical(_types(whole).get(rule.column, ())) not in wanted:
        raise NotExpressibleError("type_unknown")


def _length(whole: Whole, rule: Any) -> _Made:
    _of_type(whole, rule, "string")
    ends = (("minLength", rule.min), ("maxLength", rule.max))
    return _Made([_of(rule, key, end) for key, end in ends if end is not None])


def _range(whole: Whole, rule: Any) -> _Made:
    ends = [
        (key, end)
        for key, end in (
            ("minimum", rule.min),
            ("exclusiveMinimum", rule.above),
            ("maximum", rule.max),
            ("exclusiveMaximum", rule.below),
        )
        if end is not None
    ]
    if any(isinstance(end, str) for _, end in ends):
        _of_type(whole, rule, "date", "timestamp")
        return _Made([_of(rule, key, end) for key, end in ends])
    _of_type(whole, rule, "integer", "number")
    is_whole = _logical(_types(whole)[rule.column]) == "integer"
    return _Made([_of(rule, key, end) for key, end in ends], None if is_whole else "infinity_passes")


def _format(whole: Whole, rule: Any) -> _Made:
    _of_type(whole, rule, "string")
    return _Made([_of(rule, "format", rule.format)], "dialect")


def _references(whole: Whole, rule: Any) -> _Made:
    del whole
    schema, table = rule.relation
    names = (table, rule.to[0])
    if rule.column is None or not all(_REFERENCE.match(one) for one in (schema, *names)):
        raise NotExpressibleError("no_word")
    return _Made([_of(rule, "relationships", {"type": "foreignKey", "to": ".".join(names)})], "in_part")


def _schema(whole: Whole, rule: Any) -> _Made:
    del whole
    made = _Made()
    for column, types in rule.columns.items():
        logical = _logical(types)
        if len(types) == 1 and not types[0].startswith("any"):
            made.said.append(Said(column, "physicalType", types[0]))
        elif logical is not None:
            made.said.append(Said(column, "logicalType", logical))
        if len(types) > 1:
            made.reason = "in_part"
    if rule.extra == "forbid" or rule.ordered:
        made.reason = "in_part"
    return made


def _row_count(whole: Whole, rule: Any) -> _Made:
    del whole
    if rule.of != "table" or rule.relative_to is not None:
        raise NotExpressibleError("of_batches")
    entry_: dict[str, Any] = {"type": "library", "metric": "rowCount"}
    low, high = (None if end is None else decimal.Decimal(str(end)) for end in (rule.min, rule.max))
    if low is not None and high is not None:
        entry_["mustBeBetween"] = [_whole(low), _whole(high)]
    elif low is not None:
        entry_["mustBeGreaterOrEqualTo"] = _whole(low)
    elif high is not None:
        entry_["mustBeLessOrEqualTo"] = _whole(high)
    return _Made([Said(None, "quality", entry_)])


def _whole(number: decimal.Decimal) -> decimal.Decimal | int:
    return int(number) if number == number.to_integral_value() else number


def _freshness(whole: Whole, rule: Any) -> _Made:
    if rule.max_age is None:
        raise NotExpressibleError("no_word")
    value, unit = _span(rule.max_age)
    element = whole.definition.table_name + (f".{rule.of}" if rule.of else "")
    level = {"property": "latency", "value": value, "unit": unit, "element": element}
    return _Made([Said(None, "latency", level)], "judged_when_run")


def _span(span: timedelta) -> tuple[int, str]:
    seconds = int(span.total_seconds())
    unit, size = next((unit, size) for unit, size in _UNITS if seconds % size == 0)
    return seconds // size, unit


_KINDS: dict[type[rules.Rule], Callable[[Whole, Any], _Made]] = {
    rules.NotNull: _not_null,
    rules.Unique: _unique,
    rules.AcceptedValues: _accepted,
    rules.Pattern: _pattern,
    rules.Length: _length,
    rules.Range: _range,
    rules.Format: _format,
    rules.References: _references,
    rules.Schema: _schema,
    rules.RowCount: _row_count,
    rules.Freshness: _freshness,
}
