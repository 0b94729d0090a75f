"""Schema files of a dbt project: its tables and the checks of each, counted before anything is mapped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pgslo.errors import Location
from pgslo.importing.formats.base import Document, Source
from pgslo.importing.formats.dbt.folders import Folders
from pgslo.importing.formats.dbt.model import Constraint, DataType, Freshness, Project, Test
from pgslo.importing.model import Found, SourceTable, UnmappableError
from pgslo.importing.source import Mapping, Node, Scalar, plain

RESOURCES = ("models", "seeds", "snapshots", "sources")
_TESTS = ("data_tests", "tests")
_SHOWN = 160
#: Keys of a test that are its configuration also where they are written beside its arguments.
_CONFIG = frozenset(
    [
        "where",
        "severity",
        "error_if",
        "warn_if",
        "fail_calc",
        "limit",
        "store_failures",
        "enabled",
        "tags",
        "meta",
        "database",
        "schema",
        "alias",
    ]
)


def add_tables(
    document: Document, project: Project, folders: Folders
) -> list[tuple[SourceTable, Mapping, Mapping]]:
    """Note the tables of a file; return each with its node and that of its source."""
    found: list[tuple[SourceTable, Mapping, Mapping]] = []
    for root in (node for node in document.nodes if isinstance(node, Mapping)):
        for resource in ("models", "seeds", "snapshots"):
            for node in root.mappings(resource):
                said = folders.of(document.path, resource, node.text("name") or "")
                found.append((_relation(node, resource, project, said), node, node))
        for source in root.mappings("sources"):
            found.extend(
                (_source_table(node, source, project), node, source) for node in source.mappings("tables")
            )
    for table, _, _ in found:
        project.tables.setdefault(table.key, table)
    # What a manifest says of a table is resolved already.
    return [(project.tables[table.key], node, of) for table, node, of in found]


def _relation(node: Mapping, resource: str, project: Project, said: dict[str, str]) -> SourceTable:
    name, config = node.text("name") or "", node.mapping("config")
    table = _described(SourceTable(f"ref:{name}", ""), node)
    table.name = _text(
        config.text("alias") or node.text("alias") or said.get("alias") or name, table, project
    )
    custom = config.text("schema") or node.text("schema") or said.get("schema")
    exact = config.text("target_schema") or said.get("target_schema") if resource == "snapshots" else None
    if exact is not None:
        table.schema = _text(exact, table, project)
    elif custom is not None:
        # What dbt's own generate_schema_name does; projects may have another.
        target = project.options.schema
        table.schema = _text(custom, table, project)
        if target is not None:
            table.schema = f"{target}_{table.schema}"
            table.notes.append(
                f"The schema is dbt's own name for {table.key}: the target's with that of the configuration."
            )
        else:
            table.notes.append(
                f"The schema is that of the configuration of {table.key}; dbt may write the target's before it: see --schema."
            )
    kind = config.text("materialized") or said.get("materialized")
    if kind in ("view", "ephemeral", "materialized_view"):
        table.unfit = f"{name} is materialized as {kind.replace('_', ' ')}"
    elif kind == "table":
        table.notes.append(
            "dbt re-creates this table at each run: see docs/how-to/jobs-that-recreate-tables.md."
        )
    return table


def _source_table(node: Mapping, source: Mapping, project: Project) -> SourceTable:
    name, of = node.text("name") or "", source.text("name") or ""
    table = _described(SourceTable(f"source:{of}.{name.strip(chr(34))}", ""), node)
    table.name = _text(node.text("identifier") or name, table, project)
    table.schema = _text(source.text("schema") or of, table, project)
    if source.text("database"):
        table.notes.append("The database that the source names is left out.")
    return table


def _text(text: str, table: SourceTable, project: Project) -> str:
    """A name with its Jinja replaced and without its quotes; where that is not possible, the table has no definition."""
    try:
        return project.jinja.render(text).strip().strip('"')
    except UnmappableError as error:
        table.unfit = f"its name is not known: {error.remark.text}"
        return text


def _described(table: SourceTable, node: Mapping) -> SourceTable:
    config, meta = node.mapping("config"), node.mapping("config").mapping("meta")
    table.description = node.text("description") or ""
    table.owner = meta.text("owner") or node.mapping("meta").text("owner") or ""
    tags = (*config.items("tags"), *node.items("tags"))
    table.tags = tuple(dict.fromkeys(tag.text for tag in tags if isinstance(tag, Scalar) and tag.text))
    table.column_types = {_column(column): column.text("data_type") for column in node.mappings("columns")}
    for constraint in node.mappings("constraints"):
        if constraint.text("type") == "primary_key":
            table.primary_key = tuple(
                one.text for one in constraint.items("columns") if isinstance(one, Scalar)
            )
    return table


def _column(node: Mapping) -> str:
    return (node.text("name") or "").strip('"')


def checks(table: SourceTable, node: Mapping, source: Mapping) -> Iterator[Found]:
    """Every check of a table, in the order of the file."""
    versions = node.mappings("versions")
    if versions:
        table.unfit = table.unfit or "the model has versions, each with a relation of its own"
    yield from _freshness(table, node, source)
    yield from _tests(table, None, node)
    yield from _constraints(table, None, node)
    contract = node.mapping("config").get("contract") or node.get("contract")
    if isinstance(contract, Mapping) and (contract.text("enforced") or "").lower() == "true":
        yield Found("contract", contract.location, table, None, "contract: enforced", DataType(None))
    for column in (
        *node.mappings("columns"),
        *(one for each in versions for one in each.mappings("columns")),
    ):
        name = _column(column)
        if column.text("data_type") is not None:
            place = column.keys["data_type"].location
            said = column.text("data_type")
            yield Found("data_type", place, table, name, f"data_type: {said}", DataType(said))
        yield from _constraints(table, name, column)
        yield from _tests(table, name, column)
    for each in versions:
        yield from _tests(table, None, each)


def _tests(table: SourceTable, column: str | None, node: Mapping) -> Iterator[Found]:
    for key in _TESTS:
        for item in node.items(key):
            yield _test(table, column, item)


def _test(table: SourceTable, column: str | None, item: Node) -> Found:
    name, arguments, config, extra = _parts(item)
    package, _, last = name.rpartition(".")
    body = Test(
        last,
        package or None,
        table,
        column,
        arguments,
        config,
        str(extra.get("description") or ""),
        str(extra.get("name") or ""),
    )
    return Found(name or "?", item.location, table, column, shown(name, arguments), body)


def _parts(item: Node) -> tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The name of a test, its arguments, its configuration, and what people say of it."""
    if isinstance(item, Scalar):
        return item.text, {}, {}, {}
    if not isinstance(item, Mapping):
        return "", {}, {}, {}
    said: Any
    if "test_name" in item.entries:
        name, said = item.text("test_name") or "", plain(item)
        said.pop("test_name", None)
    else:
        first = next((key for key in item.entries if key not in ("config", "description", "name")), "")
        name, said = first, plain(item.entries[first]) if first else {}
        said = said if isinstance(said, dict) else {}
        # The configuration may be beside the test as well as below it.
        said = {key: plain(value) for key, value in item.entries.items() if key != first} | said
    config = said.pop("config", None) or {}
    config = config if isinstance(config, dict) else {}
    extra = {key: said.pop(key) for key in ("description", "name") if key in said}
    nested = said.pop("arguments", None)
    config = {key: said.pop(key) for key in list(said) if key in _CONFIG} | config
    return name, said | (nested if isinstance(nested, dict) else {}), config, extra


def shown(name: str, arguments: dict[str, Any]) -> str:
    """Return a test on a line."""
    text = name + (f" {json.dumps(arguments, ensure_ascii=False, default=str)}" if arguments else "")
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _constraints(table: SourceTable, column: str | None, node: Mapping) -> Iterator[Found]:
    for item in node.mappings("constraints"):
        kind = item.text("type") or "?"
        named = [one.text for one in item.items("columns") if isinstance(one, Scalar)]
        columns = (column,) if column is not None else tuple(named)
        yield Found(
            f"constraint {kind}",
            item.location,
            table,
            column,
            f"constraint: {kind}",
            Constraint(kind, columns, plain(item)),
        )


def _freshness(table: SourceTable, node: Mapping, source: Mapping) -> Iterator[Found]:
    """How old a source may be, according to the table or to its source, with or without ``config``."""
    if node is source:
        return
    chain = (node.mapping("config"), node, source.mapping("config"), source)
    said: Node | None = None
    for level in chain:
        if "freshness" in level.entries:
            said = level.entries["freshness"]
            break
    if not isinstance(said, Mapping):
        return
    bounds: dict[str, Any] = {}
    for level in reversed(chain):
        below = level.get("freshness")
        if isinstance(below, Mapping):
            bounds |= {key: value for key, value in plain(below).items() if value is not None}
    field = next((text for level in chain if (text := level.text("loaded_at_field"))), None)
    if not any(bounds.get(key) for key in ("warn_after", "error_after")):
        return
    place: Location = node.location
    yield Found(
        "freshness",
        place,
        table,
        None,
        f"freshness {json.dumps(bounds, default=str)}"[:_SHOWN],
        Freshness(bounds, field),
    )


def leftovers(document: Document, source: Source) -> None:
    """Note what a file has that is not a check of data."""
    for root in (node for node in document.nodes if isinstance(node, Mapping)):
        tests = len(root.items("unit_tests"))
        if tests:
            source.ignored.append(f"{document.path}: {tests} unit tests, which check SQL and no data")
        if any(key in document.text for key in ("store_failures", "limit:")):
            source.ignored.append(f"{document.path}: store_failures and limit, since samples are kept here")
