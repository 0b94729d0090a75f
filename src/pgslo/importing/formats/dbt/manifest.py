"""The manifest of a dbt project: what dbt itself resolved of relations, tests and sources."""

from __future__ import annotations

import bisect
import json
import re
from collections.abc import Iterator
from typing import Any

from pgslo.errors import Location
from pgslo.importing.formats.base import Document, Failure
from pgslo.importing.formats.dbt.model import Constraint, DataType, Freshness, Project, Singular, Test
from pgslo.importing.formats.dbt.schema_files import shown
from pgslo.importing.model import Found, SourceTable

OLDEST = 9
_VERSION = re.compile(r"/manifest/v(\d+)\.json\Z")
_RELATION = re.compile(r'"(?:[^"]|"")*"|`[^`]*`|[^."`]+')
#: Where an object begins whose key is the name of a node.
_OBJECT = re.compile(r'"((?:test|model|seed|snapshot|source)\.[^"]+)"\s*:\s*\{')
_RELATIONS = ("model", "seed", "snapshot", "source")
#: Arguments that dbt adds to those of the author.
_ADDED = ("model", "column_name", "arguments")


class Manifest:
    """A manifest, read whole; its keys are looked up in the text for their places."""

    def __init__(self, document: Document) -> None:
        self.path = document.path
        self.failure: Failure | None = None
        self.tables: dict[str, SourceTable] = {}
        self._starts = [0, *(match.end() for match in re.finditer("\n", document.text))]
        self._begins: dict[str, int] = {}
        for match in _OBJECT.finditer(document.text):
            self._begins.setdefault(match[1], match.start())
        self._content: dict[str, Any] = {}
        try:
            self._content = _dict(json.loads(document.text))
        except (ValueError, RecursionError) as error:
            self._fail(f"not JSON: {str(error)[:120]}")
            return
        said = _dict(self._content.get("metadata")).get("dbt_schema_version")
        version = _VERSION.search(str(said))
        if version is None or int(version[1]) < OLDEST:
            self._fail(f"{str(said)[:80]} is not a manifest of version {OLDEST} or later")
            self._content = {}

    def _fail(self, message: str) -> None:
        self.failure = Failure(self.path, 1, 1, message)

    def add_tables(self, project: Project) -> None:
        """Note the relations of the manifest."""
        for unique_id, node in self._nodes():
            if node.get("resource_type") not in _RELATIONS or node.get("resource_type") == "test":
                continue
            is_source = node["resource_type"] == "source"
            name = str(node.get("name"))
            key = f"source:{node.get('source_name')}.{name.strip(chr(34))}" if is_source else f"ref:{name}"
            table = SourceTable(key, str(node.get("identifier") or node.get("alias") or name))
            table.schema = str(node["schema"]) if node.get("schema") else None
            self._name(table, node)
            kind = str(_dict(node.get("config")).get("materialized") or "")
            if kind in ("view", "ephemeral", "materialized_view"):
                table.unfit = f"{name} is materialized as {kind.replace('_', ' ')}"
            elif kind == "table":
                table.notes.append(
                    "dbt re-creates this table at each run: see docs/how-to/jobs-that-recreate-tables.md."
                )
            self._describe(table, node)
            self.tables[unique_id] = table
            project.tables[key] = table

    def _name(self, table: SourceTable, node: dict[str, Any]) -> None:
        """The relation's own name, without the database; quotes there mean that it is taken to the letter."""
        relation = node.get("relation_name")
        parts = _RELATION.findall(relation) if isinstance(relation, str) else []
        if len(parts) in (2, 3):
            table.schema, table.name = (part.strip('`"').replace('""', '"') for part in parts[-2:])
            if len(parts) == 3:
                table.notes.append("The database that the source names is left out.")

    def _describe(self, table: SourceTable, node: dict[str, Any]) -> None:
        table.description = str(node.get("description") or "")
        meta = _dict(_dict(node.get("config")).get("meta")) or _dict(node.get("meta"))
        table.owner = str(meta.get("owner") or "") if not isinstance(meta.get("owner"), dict | list) else ""
        table.tags = tuple(str(tag) for tag in node.get("tags") or () if isinstance(tag, str))
        for name, column in _dict(node.get("columns")).items():
            said = _dict(column).get("data_type")
            table.column_types[str(_dict(column).get("name") or name)] = None if said is None else str(said)
        for constraint in node.get("constraints") or ():
            if isinstance(constraint, dict) and constraint.get("type") == "primary_key":
                table.primary_key = tuple(str(one) for one in constraint.get("columns") or ())

    def checks(self, project: Project) -> Iterator[Found]:
        """Every check of the manifest."""
        for unique_id, node in self._nodes():
            place = self._place(unique_id)
            if unique_id in self.tables:
                yield from _checks_of(self.tables[unique_id], node, place)
            elif node.get("resource_type") == "test":
                yield self._test(node, place, project)

    def _test(self, node: dict[str, Any], place: Location, project: Project) -> Found:
        metadata = node.get("test_metadata")
        of = node.get("attached_node") or next(iter(_dict(node.get("depends_on")).get("nodes") or ()), None)
        table = self.tables.get(str(of)) or SourceTable(
            f"ref:{of}", str(of), unfit="the test is about no relation"
        )
        config = {key: value for key, value in _dict(node.get("config")).items() if value is not None}
        if not isinstance(metadata, dict):
            code = str(node.get("compiled_code") or node.get("raw_code") or "")
            for unique_id, other in self.tables.items():
                relation = self._content_of(unique_id).get("relation_name")
                named = project.own(other)
                if isinstance(relation, str) and named is not None:
                    code = code.replace(relation, named.text)
            name = str(node.get("name"))
            return Found(name, place, table, None, shown(name, {}), Singular(code, config))
        kwargs = _dict(metadata.get("kwargs"))
        arguments = {key: value for key, value in kwargs.items() if key not in _ADDED} | _dict(
            kwargs.get("arguments")
        )
        column = node.get("column_name") or kwargs.get("column_name")
        column = column.strip('"') if isinstance(column, str) else None
        package = metadata.get("namespace")
        name = str(metadata.get("name"))
        body = Test(
            name,
            str(package) if package else None,
            table,
            column,
            arguments,
            config,
            str(node.get("description") or ""),
        )
        return Found(
            f"{package}.{name}" if package else name, place, table, column, shown(name, arguments), body
        )

    def _nodes(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for part in ("sources", "nodes"):
            for unique_id, node in _dict(self._content.get(part)).items():
                if isinstance(node, dict):
                    yield unique_id, node

    def _content_of(self, unique_id: str) -> dict[str, Any]:
        return _dict(
            _dict(self._content.get("nodes")).get(unique_id)
            or _dict(self._content.get("sources")).get(unique_id)
        )

    def _place(self, unique_id: str) -> Location:
        """Where an object of the manifest begins."""
        at = self._begins.get(unique_id, 0)
        line = bisect.bisect_right(self._starts, at)
        return Location(self.path, line, at - self._starts[line - 1] + 1)


def _checks_of(table: SourceTable, node: dict[str, Any], place: Location) -> Iterator[Found]:
    """The checks of a relation without a test: its maximal age, constraints, types, a contract."""
    freshness = _dict(node.get("freshness"))
    if any(_dict(freshness.get(key)).get("count") for key in ("warn_after", "error_after")):
        stated = {
            key: value
            for key, value in freshness.items()
            if value and (not isinstance(value, dict) or value.get("count"))
        }
        field = node.get("loaded_at_field")
        said = f"freshness {json.dumps(stated, default=str)}"[:160]
        yield Found("freshness", place, table, None, said, Freshness(stated, str(field) if field else None))
    if _dict(_dict(node.get("config")).get("contract")).get("enforced") is True:
        yield Found("contract", place, table, None, "contract: enforced", DataType(None))
    owners: list[tuple[str | None, dict[str, Any]]] = [(None, node)]
    owners += [
        (name, column) for name, column in _dict(node.get("columns")).items() if isinstance(column, dict)
    ]
    for name, said_of in owners:
        if name is not None and said_of.get("data_type"):
            text = str(said_of["data_type"])
            yield Found("data_type", place, table, name, f"data_type: {text}", DataType(text))
        for one in said_of.get("constraints") or ():
            if isinstance(one, dict):
                kind = str(one.get("type"))
                columns = (
                    (name,) if name is not None else tuple(str(each) for each in one.get("columns") or ())
                )
                yield Found(
                    f"constraint {kind}",
                    place,
                    table,
                    name,
                    f"constraint: {kind}",
                    Constraint(kind, columns, one),
                )


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
