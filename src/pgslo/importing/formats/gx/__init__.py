"""Reader of suites of Great Expectations, 0.x and 1.x."""

from __future__ import annotations

import json
from collections.abc import Iterator
from collections.abc import Sequence as Several
from dataclasses import dataclass, replace
from typing import Any, Literal

from pgslo.importing.formats.base import Document, Source
from pgslo.importing.formats.gx import conditions
from pgslo.importing.formats.gx.kinds import KINDS, Expectation
from pgslo.importing.model import Found, Outcome, Rule, SourceTable, UnmappableError
from pgslo.importing.options import Options
from pgslo.importing.source import Mapping, Node, Sequence, UnreadableError, plain
from pgslo.importing.source import read as read_text

_SHOWN = 160
_LEFT_OUT = frozenset(
    {"result_format", "include_config", "catch_exceptions", "batch_id", "meta", "auto", "profiler_config"}
)
_SPELLED = {
    "minValue": "min_value",
    "maxValue": "max_value",
    "valueSet": "value_set",
    "columnList": "column_list",
}


@dataclass(frozen=True)
class Check:
    """An expectation as the suite writes it."""

    name: str
    arguments: dict[str, Any]
    notes: str
    severity: str
    profiled: bool


def read(documents: Several[Document], options: Options) -> Source:
    """Return the expectations of suites."""
    source = Source(lambda found: outcome(found, options))
    for document in documents:
        for root in (node for node in document.nodes if isinstance(node, Mapping)):
            name = (
                root.text("expectation_suite_name", "name")
                or document.path.rpartition("/")[2].partition(".")[0]
            )
            table = SourceTable(f"gx:{name}", name, only_by_map=True)
            source.tables.append(table)
            made_by_profiler = "profiler" in json.dumps(plain(root.get("meta")), default=str).lower()
            source.found += of_list(root.items("expectations"), table, profiled=made_by_profiler)
    return source


def of_list(items: Several[Node], table: SourceTable, *, profiled: bool = False) -> Iterator[Found]:
    """Return the expectations of a list."""
    for item in items:
        said = item if isinstance(item, Mapping) else Mapping({}, {}, item.location)
        name = said.text("expectation_type", "type") or "?"
        arguments = {
            _SPELLED.get(key, key): value
            for key, value in plain(said.mapping("kwargs")).items()
            if key not in _LEFT_OUT
        }
        column = arguments.get("column")
        meta = plain(said.get("meta"))
        by_profiler = profiled or "profiler" in json.dumps(meta, default=str).lower()
        notes = _notes(meta.get("notes")) if isinstance(meta, dict) else ""
        body = Check(
            name,
            arguments,
            said.text("description") or notes,
            (said.text("severity") or "").lower(),
            by_profiler,
        )
        shown = f"{name} {json.dumps(arguments, ensure_ascii=False, default=str)}"[:_SHOWN]
        yield Found(name, item.location, table, column if isinstance(column, str) else None, shown, body)


def _notes(said: Any) -> str:
    """What people noted: a text, an object with a text or a list of texts, or a list."""
    if isinstance(said, dict):
        said = said.get("content")
    if isinstance(said, list):
        said = " ".join(str(one) for one in said)
    return str(said) if said else ""


#: Expectations of the tool that no rule states.
_NO_WORD = frozenset(
    [
        "column_bootstrapped_ks_test_p_value_to_be_greater_than",
        "column_chisquare_test_p_value_to_be_greater_than",
        "column_distinct_values_to_contain_set",
        "column_distinct_values_to_equal_set",
        "column_most_common_value_to_be_in_set",
        "column_pair_cramers_phi_value_to_be_less_than",
        "column_pair_values_to_be_in_set",
        "column_parameterized_distribution_ks_test_p_value_to_be_greater_than",
        "column_values_to_be_dateutil_parseable",
        "column_values_to_match_json_schema",
        "multicolumn_values_to_be_unique",
    ]
)


def outcome(found: Found, options: Options) -> Outcome:
    """Return what an expectation becomes.

    Raises:
        UnmappableError: No rule states it.
    """
    check: Check = found.body
    kind = KINDS.get(_snake(check.name).lower())
    if kind is None:
        if _snake(check.name).lower() in _NO_WORD:
            raise UnmappableError("no_word", check.name[:80])
        raise UnmappableError(
            "private_test", f"{check.name[:80]} is not an expectation of the tool that pgslo knows"
        )
    if "$PARAMETER" in json.dumps(check.arguments, default=str):
        raise UnmappableError("parameter")
    condition = check.arguments.get("row_condition")
    where = conditions.sql(str(condition), check.arguments.get("condition_parser")) if condition else None
    try:
        own = options.resolve(found.table)
    except UnmappableError:
        own = None
    profiled = check.profiled and not options.profiled
    made = kind(Expectation(_snake(check.name).lower(), check.arguments, where, own, profiled))
    severity: Literal["error", "warn"] = "warn" if check.severity in ("warning", "info") else "error"
    return replace(made, rules=tuple(replace(_said(rule, check), severity=severity) for rule in made.rules))


def _snake(name: str) -> str:
    """The name of a type: ``expect_x``, or of a class ``ExpectX``."""
    if "_" not in name:
        name = "".join(f"_{one.lower()}" if one.isupper() else one for one in name).strip("_")
    return name.removeprefix("expect_")


def _said(rule: Rule, check: Check) -> Rule:
    notes = " ".join(check.notes.split())[:400]
    return (
        replace(rule, options=rule.options | {"description": notes})
        if notes and rule.place != "schema"
        else rule
    )


def inside(found: Found, implementation: Any, options: Options) -> Outcome:
    """Return what an expectation of a data contract becomes.

    Raises:
        UnmappableError: No rule states it.
    """
    text = implementation if isinstance(implementation, str) else json.dumps(implementation, default=str)
    try:
        nodes = read_text(text, path=found.location.path)
    except UnreadableError as error:
        raise UnmappableError("unclear", f"its text is not YAML: {error.message}") from None
    items = [item for node in nodes for item in (node.items if isinstance(node, Sequence) else (node,))]
    inner = list(of_list(items, found.table))
    if len(inner) != 1:
        raise UnmappableError("unclear", "several expectations in one entry")
    check: Check = inner[0].body
    arguments = ({"column": found.column} if found.column is not None else {}) | check.arguments
    return outcome(replace(found, body=replace(check, arguments=arguments)), options)
