"""Reader of SodaCL, the checks of Soda's version 3."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Said
from dataclasses import dataclass, replace
from typing import Any

from pgslo.definition import names
from pgslo.importing.formats.base import Document, Source
from pgslo.importing.formats.soda import grammar, metrics, special, valid
from pgslo.importing.mapping.conditions import all_of
from pgslo.importing.model import Found, Outcome, Remark, SourceTable, UnmappableError
from pgslo.importing.options import Options
from pgslo.importing.source import Mapping, Node, Scalar, plain

_CHECKS = re.compile(r"checks for (?P<table>.+?)(?:\s*\[(?P<partition>[^\]]*)\])?\Z")
_FILTER = re.compile(r"filter (?P<table>.+?)\s*\[(?P<partition>[^\]]*)\]\Z")
_VARIABLE = re.compile(r"\$\{\s*([\w.]+)\s*\}")
_SHOWN = 160
#: Parts of a file that are not checks of data.
_OTHERS = (
    "discover datasets",
    "profile columns",
    "sample datasets",
    "automated monitoring",
    "variables",
    "configurations",
)


@dataclass(frozen=True)
class Check:
    """A check of SodaCL.

    Attributes:
        text: Its line.
        value: The value below it, with the names of version 4.
        partition: The condition of the rows that its section is about.
    """

    text: str
    value: dict[str, Any]
    partition: str | None


def read(documents: Sequence[Document], options: Options) -> Source:
    """Return the checks of files."""
    tables: dict[str, SourceTable] = {}
    source = Source(lambda found: outcome(found, tables, options))
    for document in documents:
        for root in (node for node in document.nodes if isinstance(node, Mapping)):
            variables = plain(root.mapping("variables")) | dict(options.variables)
            source.found += of_file(root, tables, options, variables)
            left = [key for key in root.entries if key.startswith(_OTHERS)]
            if left:
                source.ignored.append(f"{document.path}: {', '.join(left)}, which are not checks")
    source.tables = list(tables.values())
    return source


def table_of(name: str, options: Options) -> SourceTable:
    """Return the table that a name such as ``main.orders`` means."""
    table = SourceTable(f"sodacl:{name}", name)
    try:
        parts = names.split(name)
    except names.BadNameError:
        return table
    table.name = parts[-1]
    table.schema = parts[-2] if len(parts) > 1 else options.schema
    return table


def of_file(
    root: Mapping, tables: dict[str, SourceTable], options: Options, variables: Said[str, Any]
) -> Iterator[Found]:
    """Return the checks of a file, or of a part of another file that is written like one."""
    filters: dict[tuple[str, str], str] = {}
    for key, node in root.entries.items():
        match = _FILTER.match(key)
        if match and isinstance(node, Mapping):
            filters[match["table"].strip(), match["partition"].strip()] = node.text("where") or ""
    for key, node in root.entries.items():
        match = _CHECKS.match(key)
        if match:
            name = match["table"].strip()
            partition = (
                filters.get((name, (match["partition"] or "").strip())) if match["partition"] else None
            )
            missing = bool(match["partition"]) and partition is None
            said = "${filter}" if missing else partition
            yield from _section(name, root.items(key), said, tables, options, variables)
        elif key.startswith("for each") and isinstance(node, Mapping):
            for item in node.items("datasets", "tables"):
                name = item.text if isinstance(item, Scalar) else "?"
                if "%" in name or "*" in name:
                    table = SourceTable(
                        f"sodacl:{name}", name, unfit="a pattern of names, which needs a database"
                    )
                    for check in node.items("checks"):
                        yield found(check, table, None, variables)
                else:
                    yield from _section(
                        name.removeprefix("include "), node.items("checks"), None, tables, options, variables
                    )


def _section(
    name: str,
    items: Sequence[Node],
    partition: str | None,
    tables: dict[str, SourceTable],
    options: Options,
    variables: Said[str, Any],
) -> Iterator[Found]:
    table = tables.setdefault(name, table_of(name, options))
    for item in items:
        yield found(item, table, partition, variables)


def found(item: Node, table: SourceTable, partition: str | None, variables: Said[str, Any]) -> Found:
    """Return an item of a list of checks."""
    if isinstance(item, Mapping) and item.entries:
        text, below = next(iter(item.entries.items()))
        said = plain(below)
        said = said if isinstance(said, dict) else {"value": said}
    else:
        text, said = item.text if isinstance(item, Scalar) else "", {}
    text = _replaced(text, variables)
    line = grammar.parse(text)
    column = line.arguments[0] if line and len(line.arguments) == 1 and line.metric != "row_count" else None
    body = Check(
        text,
        valid.words(replaced(said, variables)),
        _replaced(partition, variables) if partition else None,
    )
    kind = line.metric if line else text.split("(")[0][:40].strip()
    return Found(kind or "?", item.location, table, column, text[:_SHOWN], body)


def _replaced(text: str, variables: Said[str, Any]) -> str:
    return _VARIABLE.sub(lambda match: str(variables[match[1]]) if match[1] in variables else match[0], text)


def replaced(value: Any, variables: Said[str, Any]) -> Any:
    """Return a value with its variables replaced by their known values."""
    if isinstance(value, str):
        return _replaced(value, variables)
    if isinstance(value, list):
        return [replaced(one, variables) for one in value]
    if isinstance(value, dict):
        return {key: replaced(one, variables) for key, one in value.items()}
    return value


def outcome(found: Found, tables: Said[str, SourceTable], options: Options) -> Outcome:
    """Return what a check becomes.

    Raises:
        UnmappableError: A variable has no value, or nothing here says the same.
    """
    check: Check = found.body
    if _VARIABLE.search(f"{check.text} {check.value} {check.partition}"):
        raise UnmappableError("parameter", "a variable of the check has no value: give --var")
    where = all_of(check.partition, check.value.get("filter"))
    try:
        own = options.resolve(found.table)
    except UnmappableError:
        own = None
    alerts = [key for key in ("warn", "fail") if key in check.value]
    made = special.outcome(check.text, check.value, own, where, _named(tables, options))
    if made is None:
        line = grammar.parse(check.text)
        if line is None:
            raise UnmappableError("unknown_check", f'"{check.text[:60]}" is not a check that pgslo knows')
        wanted = _wanted(line, check.value)
        made = special.of_user(line, check.value, wanted, own, where) or metrics.outcome(
            line.metric, line.arguments, wanted, check.value, table=own, where=where
        )
    lost = (Remark("second_bound_lost"),) if len(alerts) > 1 and "schema" not in check.text else ()
    severity: Any = "warn" if alerts == ["warn"] else "error"
    return replace(
        made,
        status="changed" if lost or made.status == "changed" else made.status,
        remarks=(*made.remarks, *lost),
        rules=tuple(
            replace(metrics.said_of(rule, check.value, found.table.tags), severity=severity)
            for rule in made.rules
        ),
    )


def _wanted(line: grammar.Line, said: Said[str, Any]) -> Any:
    """The limits of a check: of its line, or of ``warn`` and ``fail`` below it, which say when it fails."""
    if line.condition:
        return grammar.limits(line.condition)
    for key in ("warn", "fail"):
        alert = said.get(key)
        if alert is not None:
            text = alert.get("when") if isinstance(alert, dict) else alert
            return grammar.limits(re.sub(r"\A\s*when\s+", "", str(text)), fails=True)
    raise UnmappableError("unclear", "the check has no condition")


def _named(tables: Said[str, SourceTable], options: Options) -> Any:
    def named(name: str) -> Any:
        return options.resolve(tables.get(name) or table_of(name, options))

    return named
