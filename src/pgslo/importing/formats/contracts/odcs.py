"""Reader of the Open Data Contract Standard, version 3."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from pgslo.importing.formats import nested
from pgslo.importing.formats.base import Document, Source
from pgslo.importing.formats.contracts import facts, own, quality
from pgslo.importing.formats.contracts.model import Contract, Fact, Level, Quality
from pgslo.importing.model import Found, Outcome, SourceTable, UnmappableError, held
from pgslo.importing.options import Options
from pgslo.importing.source import Mapping, Scalar, plain

_SHOWN = 160
_OBJECT_KEYS = frozenset(
    [
        "id",
        "name",
        "physicalName",
        "physicalType",
        "logicalType",
        "description",
        "businessName",
        "tags",
        "customProperties",
        "properties",
        "quality",
        "relationships",
        "authoritativeDefinitions",
        "dataGranularityDescription",
    ]
)
_PROPERTY_KEYS = frozenset(
    [
        "id",
        "name",
        "physicalName",
        "physicalType",
        "logicalType",
        "logicalTypeOptions",
        "description",
        "businessName",
        "tags",
        "customProperties",
        "properties",
        "items",
        "quality",
        "relationships",
        "authoritativeDefinitions",
        "required",
        "unique",
        "primaryKey",
        "primaryKeyPosition",
        "partitioned",
        "partitionKeyPosition",
        "classification",
        "encryptedName",
        "transformSourceObjects",
        "transformLogic",
        "transformDescription",
        "examples",
        "criticalDataElement",
        "criticalDataElementStatus",
    ]
)
_TABLES = frozenset({"", "table", "base table"})
_POSTGRES = frozenset({"postgres", "postgresql"})


def read(documents: Sequence[Document], options: Options) -> Source:
    """Return the checks of contracts."""
    contracts: dict[int, Contract] = {}

    def outcome(found: Found) -> Outcome:
        return _outcome(found, contracts[id(found)], options)

    source = Source(outcome)
    for document in documents:
        for root in (node for node in document.nodes if isinstance(node, Mapping)):
            contract = Contract(options)
            pairs = [(_table(node, root, options), node) for node in root.mappings("schema")]
            for table, node in pairs:
                contract.tables[node.text("name") or table.name] = table
                said = own.settings(node)
                left = [] if said is None else own.take(table, said)
                if left:
                    source.ignored.append(f"{document.path}: {', '.join(left)}, which are not settings")
            found = [each for table, node in pairs for each in _checks(table, node, contract)]
            found += _levels(root, contract)
            for table, _ in pairs:
                if table.settings is not None:
                    ours = [each for each in found if each.table is table]
                    contract.stated[table.key] = own.stated(table, ours, options)
            for each in found:
                contracts[id(each)] = contract
            source.found += found
            source.tables += contract.tables.values()
            left = [key for key in ("roles", "support", "price", "servers") if key in root.entries]
            if left:
                source.ignored.append(f"{document.path}: {', '.join(left)}, which are not checks")
    return source


def _outcome(found: Found, contract: Contract, options: Options) -> Outcome:
    body = found.body
    if own.signature(found) in contract.stated.get(found.table.key, ()):
        return held("stated_twice")
    match body:
        case Fact(key="no_such_element"):
            raise UnmappableError("no_such_element", f"the contract has no object {str(body.value)[:60]}")
        case Fact():
            return facts.outcome(found, body, contract)
        case Level():
            return quality.level(found, body, contract)
        case (Quality(), logical):
            if found.column is not None and "." in found.column:
                raise UnmappableError("nested_column")
            if own.is_own(body[0].said):
                return own.outcome(found, body[0].said)
            if str(body[0].said.get("type")) == "custom":
                return nested.outcome(
                    found, str(body[0].said.get("engine")), body[0].said.get("implementation"), options
                )
            return quality.outcome(found, body[0], contract, logical)
    raise AssertionError("no check of a contract")


def _table(node: Mapping, root: Mapping, options: Options) -> SourceTable:
    name = _name(node)
    table = SourceTable(f"odcs:{node.text('name') or name}", name)
    schema = _schema(root, options)
    parts = name.split(".")
    if len(parts) in (2, 3) and all(parts):
        schema, table.name = parts[-2:]
    table.schema = schema
    table.description = node.text("description") or root.mapping("description").text("purpose") or ""
    table.owner = _owner(root)
    table.tags = tuple(tag.text for tag in node.items("tags") if isinstance(tag, Scalar) and tag.text)
    kind = (node.text("physicalType") or "").lower()
    if kind not in _TABLES:
        table.unfit = f"{node.text('name')} is a {kind}"
    keys = [one for one in node.mappings("properties") if _true(one, "primaryKey")]
    keys.sort(
        key=lambda one: (
            float(one.text("primaryKeyPosition") or 0)
            if (one.text("primaryKeyPosition") or "0").lstrip("-").isdigit()
            else 0
        )
    )
    table.primary_key = tuple(_name(one) for one in keys)
    for one in node.mappings("properties"):
        table.column_types[_name(one)] = one.text("physicalType")
    return table


def _schema(root: Mapping, options: Options) -> str | None:
    """The schema of a PostgreSQL server of the contract; that of another system only if the command names none."""
    servers = root.mappings("servers")
    ours = [one.text("schema") for one in servers if (one.text("type") or "").lower() in _POSTGRES]
    others = [one.text("schema") for one in servers]
    said = [one for one in ours if one] or ([] if options.schema else [one for one in others if one])
    return said[0] if said else None


def _owner(root: Mapping) -> str:
    team = root.get("team")
    members = root.mapping("team").mappings("members") if isinstance(team, Mapping) else root.mappings("team")
    owner = next(
        (
            one.text("username")
            for one in members
            if (one.text("role") or "").lower() in ("owner", "data owner")
        ),
        None,
    )
    return owner or root.mapping("team").text("name") or ""


def _name(node: Mapping) -> str:
    name = node.text("physicalName") or node.text("name") or ""
    return name[1:-1].replace('""', '"') if re.fullmatch(r'"(?:[^"]|"")+"', name) else name


def _true(node: Mapping, key: str) -> bool:
    return plain(node.get(key)) is True


def _checks(table: SourceTable, node: Mapping, contract: Contract) -> Iterator[Found]:
    """Every check of an object, in the order of the file."""
    contract.required[table.key] = set(table.primary_key)
    yield from _unknown(table, None, node, _OBJECT_KEYS)
    keys = [one for one in node.mappings("properties") if _true(one, "primaryKey")]
    if keys:
        place = keys[0].keys["primaryKey"].location
        optional = any(plain(one.get("required")) is False for one in keys)
        yield Found(
            "primaryKey",
            place,
            table,
            None,
            f"primaryKey: {', '.join(table.primary_key)}",
            Fact("primaryKey", not optional),
        )
    yield from _listed(table, None, node, None)
    for one in node.mappings("properties"):
        yield from _property(table, one, "", contract)


def _property(table: SourceTable, node: Mapping, within: str, contract: Contract) -> Iterator[Found]:
    name = f"{within}{_name(node)}"
    logical = node.text("logicalType")
    yield from _unknown(table, name, node, _PROPERTY_KEYS)

    def fact(holder: Mapping, key: str) -> Found:
        value = plain(holder.entries[key])
        return Found(
            key, holder.keys[key].location, table, name, f"{key}: {value}"[:_SHOWN], Fact(key, value, logical)
        )

    if _true(node, "required"):
        contract.required.setdefault(table.key, set()).add(name)
        yield fact(node, "required")
    if _true(node, "unique"):
        yield fact(node, "unique")
    if node.text("physicalType") is not None:
        yield fact(node, "physicalType")
    elif logical is not None:
        yield fact(node, "logicalType")
    options = node.mapping("logicalTypeOptions")
    for key in options.entries:
        yield fact(options, key)
    yield from _listed(table, name, node, logical)
    inside = [*node.mappings("properties")]
    items = node.get("items")
    inside += [items] if isinstance(items, Mapping) else []
    for one in inside:
        yield from _property(table, one, f"{name}.", contract)


def _listed(table: SourceTable, column: str | None, node: Mapping, logical: str | None) -> Iterator[Found]:
    for key in ("relationships", "quality"):
        for item in node.items(key):
            said: Any = plain(item)
            if key == "relationships":
                yield Found(
                    key,
                    item.location,
                    table,
                    column,
                    f"relationship: {said}"[:_SHOWN],
                    Fact(key, said, logical),
                )
                continue
            said = said if isinstance(said, dict) else {"type": "text", "description": str(said)}
            kind = str(said.get("metric") or said.get("rule") or said.get("type") or "sql")
            shown = " ".join(str(said.get(one)) for one in ("name", "query", "description") if said.get(one))
            body = (Quality(said), logical)
            yield Found(f"quality {kind}", item.location, table, column, f"{kind}: {shown}"[:_SHOWN], body)


def _unknown(table: SourceTable, column: str | None, node: Mapping, known: frozenset[str]) -> Iterator[Found]:
    """Keys that the standard does not have, such as words of its second version: its own library drops them."""
    for key, place in node.keys.items():
        if key not in known:
            said = f"{key}: {plain(node.entries[key])}"[:_SHOWN]
            yield Found(key, place.location, table, column, said, Fact(key, None))


def _levels(root: Mapping, contract: Contract) -> Iterator[Found]:
    for item in root.mappings("slaProperties"):
        said = plain(item)
        key = str(said.get("property") or "?")
        elements = [
            one.strip()
            for one in str(said.get("element") or root.text("slaDefaultElement") or "").split(",")
            if one.strip()
        ]
        for element in elements or [""]:
            name, _, column = element.partition(".")
            table = contract.tables.get(name)
            if table is None and not element and len(contract.tables) == 1:
                table = next(iter(contract.tables.values()))
            body: Any = Level(key, said, column or None)
            if table is None:
                table = SourceTable(f"odcs:{name}", name, unfit="")
                body = Fact("no_such_element", element)
            yield Found(
                f"sla {key}",
                item.location,
                table,
                column or None,
                f"{key}: {said.get('value')} {element}"[:_SHOWN],
                body,
            )
