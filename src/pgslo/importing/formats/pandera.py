"""Reader of schemas of Pandera as YAML: columns with types, and the checks that come with the library."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pgslo.importing.formats.base import Document, Source
from pgslo.importing.mapping import constants, patterns, rules
from pgslo.importing.mapping.conditions import column as quoted
from pgslo.importing.mapping.conditions import constant
from pgslo.importing.model import Found, Outcome, Remark, Rule, SourceTable, UnmappableError, mapped
from pgslo.importing.options import Options
from pgslo.importing.source import Mapping, Node, plain

_SHOWN = 160
_FAMILIES = (
    (re.compile(r"u?int\d*\Z"), "any integer"),
    (re.compile(r"(float|decimal|number)\d*\Z"), "any number"),
    (re.compile(r"(str|string|object)\b"), "any text"),
    (re.compile(r"bool(ean)?\Z"), "boolean"),
    (re.compile(r"datetime(64)?\b"), "any timestamp"),
    (re.compile(r"date\Z"), "date"),
)
#: Keys of a check's value in both of its forms.
_SINGLE = ("value", "min_value", "max_value")
_LISTS = ("value", "allowed_values", "forbidden_values")
_FLOAT = "any number"


@dataclass(frozen=True)
class Check:
    """A demand of a column or of the frame.

    Attributes:
        key: The key, or the name of a check.
        value: Its content.
        nullable: Whether values may be missing.
        family: The family of the column's type.
        warns: Whether it is a warning.
    """

    key: str
    value: Any
    nullable: bool = True
    family: str | None = None
    warns: bool = False


def read(documents: Sequence[Document], options: Options) -> Source:
    """Return the checks of schemas."""
    source = Source(lambda found: _outcome(found, options))
    for document in documents:
        for root in (node for node in document.nodes if isinstance(node, Mapping)):
            name = document.path.rpartition("/")[2].partition(".")[0]
            table = SourceTable(f"pandera:{name}", name, only_by_map=True)
            table.description = root.text("description") or ""
            source.tables.append(table)
            for column, node in root.mapping("columns").entries.items():
                if isinstance(node, Mapping):
                    source.found += _of_column(column, node, table)
            source.found += _of_frame(root, table)
            left = [
                key
                for key in ("index", "coerce", "report_duplicates", "add_missing_columns")
                if plain(root.get(key))
            ]
            if left:
                source.ignored.append(f"{document.path}: {', '.join(left)}, which are not checks of a table")
    return source


def _family(text: str | None) -> str | None:
    plain_ = (text or "").lower().strip()
    return next((family for shape, family in _FAMILIES if shape.match(plain_)), None)


def _of_column(column: str, node: Mapping, table: SourceTable) -> Iterator[Found]:
    dtype = node.text("dtype", "pandas_dtype")
    family = _family(dtype)
    nullable = plain(node.get("nullable")) is True
    by_pattern = plain(node.get("regex")) is True

    def found(at: Node, key: str, value: Any, *, warns: bool = False) -> Found:
        body = Check("?regex" if by_pattern else key, value, nullable, family, warns)
        return Found(key, at.location, table, column, f"{key}: {value}"[:_SHOWN], body)

    if plain(node.get("required")) is not False:
        at = node.keys.get("dtype") or node.keys.get("pandas_dtype")
        if dtype is not None and at is not None:
            yield found(at, "dtype", dtype)
        else:
            yield found(node, "required", True)  # noqa: FBT003 - what the schema says
    if not nullable:
        yield found(node.keys.get("nullable", node), "nullable", False)  # noqa: FBT003 - what the schema says
    unique = plain(node.get("unique")) is True or plain(node.get("allow_duplicates")) is False
    if unique:
        yield found(node.keys.get("unique") or node.keys.get("allow_duplicates") or node, "unique", True)  # noqa: FBT003
    yield from (found(at, key, value, warns=warns) for at, key, value, warns in _checks(node))


def _checks(node: Mapping) -> Iterator[tuple[Node, str, Any, bool]]:
    """The checks under ``checks``: by name, or as a list whose items have their name among their options."""
    listed = node.get("checks")
    if isinstance(listed, Mapping):
        for key, value in listed.entries.items():
            said = plain(value)
            options = said.pop("options", None) if isinstance(said, dict) else None
            yield (
                listed.keys[key],
                key,
                said,
                isinstance(options, dict) and options.get("raise_warning") is True,
            )
        return
    for item in node.items("checks"):
        said = plain(item)
        options = said.pop("options", None) if isinstance(said, dict) else None
        options = options if isinstance(options, dict) else {}
        yield item, str(options.get("check_name") or "?"), said, options.get("raise_warning") is True


def _of_frame(root: Mapping, table: SourceTable) -> Iterator[Found]:
    columns = plain(root.get("unique"))
    if columns:
        place = root.keys["unique"].location
        listed = [str(one) for one in (columns if isinstance(columns, list) else [columns])]
        present = all(
            plain(root.mapping("columns").mapping(one).get("nullable")) is not True for one in listed
        )
        yield Found(
            "unique", place, table, None, f"unique: {listed}"[:_SHOWN], Check("columns", listed, not present)
        )
    for key in ("strict", "ordered"):
        if plain(root.get(key)) is True:
            yield Found(key, root.keys[key].location, table, None, f"{key}: true", Check(key, value=True))
    for at, key, value, warns in _checks(root):
        yield Found(
            key, at.location, table, None, f"{key}: {value}"[:_SHOWN], Check(f"?{key}", value, warns=warns)
        )


def _outcome(found: Found, options: Options) -> Outcome:
    check: Check = found.body
    made = _made(found, check, options)
    if check.warns:
        return replace(made, rules=tuple(replace(one, severity="warn") for one in made.rules))
    return made


def _made(found: Found, check: Check, options: Options) -> Outcome:
    try:
        own = options.resolve(found.table)
    except UnmappableError:
        own = None
    match check.key:
        case "?regex":
            raise UnmappableError("no_word", "columns whose names match a pattern")
        case "columns":
            return rules.unique(own, check.value, nulls_equal=check.nullable)
        case "strict":
            return mapped(Rule("schema", "schema", None, {"extra": "forbid"}))
        case "ordered":
            raise UnmappableError("no_word", "the order of columns")
    on = found.column
    if on is None:
        raise UnmappableError("private_test", "a check of the whole frame, in Python")
    if check.key == "unique":
        # To pandas, a missing value is a value like others.
        return rules.unique(own, [on], nulls_equal=check.nullable)
    if check.key == "nullable":
        differs = (
            (Remark("null_differs", "NaN is a missing value to pandas"),) if check.family == _FLOAT else ()
        )
        return mapped(rules.not_null(on), remarks=differs)
    if check.key == "required":
        return rules.exists(on)
    if check.key == "dtype":
        if check.family is None:
            made = rules.exists(on)
            return mapped(
                *made.rules, remarks=(Remark("type_of_engine", f"{check.value} is not a type here"),)
            )
        type_ = {"type": check.family}
        return mapped(Rule("schema", "schema", on, type_), remarks=(Remark("type_of_engine"),))
    return _value(on, check)


def _single(check: Check) -> Any:
    """The one value of a check; a date or a number."""
    said = check.value
    if isinstance(said, dict):
        said = next((said[key] for key in _SINGLE if said.get(key) is not None), None)
    if isinstance(said, list | dict) or said is None:
        raise UnmappableError("unclear", f"{check.key[:40]} has no value")
    if isinstance(said, str):
        moment = constants.moment(said)
        return said if moment is None else moment
    return said


def _items(check: Check) -> list[Any]:
    said = check.value
    if isinstance(said, dict):
        said = next((said[key] for key in _LISTS if isinstance(said.get(key), list)), None)
    if not isinstance(said, list):
        raise UnmappableError("unclear", f"{check.key[:40]} has no list of values")
    return said


def _type(check: Check) -> str | None:
    return {"any integer": "integer", "any timestamp": "timestamp", "date": "date"}.get(check.family or "")


def _bound(check: Check) -> Any:
    value = _single(check)
    found = constants.moment(value) if isinstance(value, str) else constants.bound(value)
    if found is None:
        raise UnmappableError("unclear", f"{str(value)[:40]} is not a bound")
    return found


def _ends(check: Check) -> dict[str, Any]:
    if not isinstance(check.value, dict):
        raise UnmappableError("unclear", f"{check.key[:40]} has no bounds")
    return check.value


def _value(on: str, check: Check) -> Outcome:
    name = quoted(on)
    match check.key:
        case "greater_than" | "gt":
            return rules.bounds(on, _bound(check), None, strict=(True, False), type_name=_type(check))
        case "greater_than_or_equal_to" | "ge":
            return rules.bounds(on, _bound(check), None, type_name=_type(check))
        case "less_than" | "lt":
            return rules.bounds(on, None, _bound(check), strict=(False, True), type_name=_type(check))
        case "less_than_or_equal_to" | "le":
            return rules.bounds(on, None, _bound(check), type_name=_type(check))
        case "in_range" | "between":
            said = _ends(check)
            low, high = (_bound(replace(check, value=said.get(key))) for key in ("min_value", "max_value"))
            strict = (said.get("include_min") is False, said.get("include_max") is False)
            return rules.bounds(on, low, high, strict=strict, type_name=_type(check))
        case "equal_to" | "eq":
            return rules.expression(f"{name} = {constant(_single(check))}", on=on)
        case "not_equal_to" | "ne":
            return rules.expression(f"{name} <> {constant(_single(check))}", on=on)
        case "isin" | "notin":
            values, remarks = constants.listed(_items(check), None)
            kind = "accepted_values" if check.key == "isin" else "not_accepted_values"
            return mapped(rules.rule(kind, on, {"values": values}), remarks=remarks)
        case "str_length":
            said = _ends(check)
            exact = said.get("exact_value")
            low, high = (exact if exact is not None else said.get(key) for key in ("min_value", "max_value"))
            if any(isinstance(end, bool) or not isinstance(end, int | None) for end in (low, high)):
                raise UnmappableError("unclear", "a length that is not a whole number")
            return mapped(rules.length(on, low, high))
        case "str_matches" | "str_contains":
            said = check.value
            pattern = (
                said if isinstance(said, str) else (said or {}).get("pattern", (said or {}).get("value"))
            )
            made = patterns.posix(str(pattern))
            # A match begins at the first character there.
            anchored = made if check.key == "str_contains" or made.startswith("^") else f"^(?:{made})"
            return mapped(rules.rule("pattern", on, {"matches": anchored}))
        case "str_startswith" | "str_endswith":
            said = check.value
            text = said if isinstance(said, str) else (said or {}).get("string", (said or {}).get("value"))
            side = "left" if check.key == "str_startswith" else "right"
            if not isinstance(text, str) or not text:
                raise UnmappableError("unclear", f"{check.key} has no text")
            return rules.expression(f"{side}({name}, {len(text)}) = {constant(text)}", on=on)
    raise UnmappableError("private_test", f"{check.key[:60]} is not a check that comes with the library")
