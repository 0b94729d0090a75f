"""Reader of the Data Contract Specification, versions 0.9.2 to 1.2."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from pgslo.importing.formats import gx, nested
from pgslo.importing.formats.base import Document, Source
from pgslo.importing.formats.contracts import facts, quality
from pgslo.importing.formats.contracts.model import Contract, Fact, Level, Quality
from pgslo.importing.formats.soda import sodacl
from pgslo.importing.model import Found, Outcome, SourceTable, UnmappableError
from pgslo.importing.options import Options
from pgslo.importing.source import Mapping, Node, Scalar, UnreadableError, plain
from pgslo.importing.source import Sequence as List
from pgslo.importing.source import read as read_text

_SHOWN = 160
_DEFINITION = "#/definitions/"
_DEPTH = 10
#: Keys of a field that are checks, and other ones.
_CHECKS = [
    "required",
    "unique",
    "type",
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "enum",
    "references",
]
_OTHERS = frozenset(
    [
        "title",
        "description",
        "primaryKey",
        "primary",
        "classification",
        "pii",
        "tags",
        "links",
        "example",
        "examples",
        "lineage",
        "config",
        "quality",
        "fields",
        "items",
        "keys",
        "values",
        "precision",
        "scale",
        "$ref",
        "domain",
        "businessName",
    ]
)
_LEVELS = frozenset(["freshness", "latency", "retention", "availability", "frequency", "support", "backup"])
_TABLES = frozenset({"", "table"})


def read(documents: Sequence[Document], options: Options) -> Source:
    """Return the checks of contracts."""
    contracts: dict[int, Contract] = {}

    def outcome(found: Found) -> Outcome:
        return _outcome(found, contracts[id(found)], options)

    source = Source(outcome)
    for document in documents:
        for root in (node for node in document.nodes if isinstance(node, Mapping)):
            contract = Contract(options)
            models = root.mapping("models")
            pairs: list[tuple[SourceTable, Mapping]] = []
            for name, node in models.entries.items():
                if isinstance(node, Mapping):
                    pairs.append((_table(name, node, root, options), node))
                    contract.tables[name] = pairs[-1][0]
            found = [each for table, node in pairs for each in _checks(table, node, root, contract)]
            found += _levels(root, contract)
            found += _whole(root, contract, options)
            for each in found:
                contracts[id(each)] = contract
            source.found += found
            source.tables += contract.tables.values()
    return source


def _outcome(found: Found, contract: Contract, options: Options) -> Outcome:
    match found.body:
        case Fact(key="no_such_element"):
            raise UnmappableError(
                "no_such_element", f"the contract has no field {str(found.body.value)[:60]}"
            )
        case sodacl.Check():
            return sodacl.outcome(found, contract.tables, options)
        case gx.Check():
            return gx.outcome(found, options)
        case Fact():
            return facts.outcome(found, found.body, contract)
        case Level():
            return quality.level(found, found.body, contract)
        case Quality(said=said):
            if found.column is not None and "." in found.column:
                raise UnmappableError("nested_column")
            if str(said.get("type")) == "custom":
                return nested.outcome(found, str(said.get("engine")), said.get("implementation"), options)
            return quality.outcome(found, found.body, contract)
        case (str() as engine, said):
            return nested.outcome(found, engine, said, options)
    raise AssertionError("no check of a contract")


def _table(name: str, node: Mapping, root: Mapping, options: Options) -> SourceTable:
    table = SourceTable(f"dcs:{name}", name)
    servers = [one for one in root.mapping("servers").entries.values() if isinstance(one, Mapping)]
    ours = [one.text("schema") for one in servers if (one.text("type") or "") in ("postgres", "postgresql")]
    others = [] if options.schema else [one.text("schema") for one in servers]
    table.schema = next((one for one in (*ours, *others) if one), None)
    table.description = node.text("description") or ""
    table.owner = root.mapping("info").text("owner") or ""
    table.tags = tuple(tag.text for tag in node.items("tags") if isinstance(tag, Scalar) and tag.text)
    kind = (node.text("type") or "").lower()
    if kind not in _TABLES:
        table.unfit = f"{name} is a {kind}"
    fields = _fields(node)
    for field, said in fields:
        table.column_types[field] = _resolved(said, root).mapping("config").text("postgresType")
    of_fields = [field for field, said in fields if _is_key(said)]
    of_model = [one.text for one in node.items("primaryKey") if isinstance(one, Scalar)]
    table.primary_key = tuple(of_model or of_fields)
    return table


def _fields(node: Mapping) -> list[tuple[str, Mapping]]:
    return [(name, one) for name, one in node.mapping("fields").entries.items() if isinstance(one, Mapping)]


def _is_key(node: Mapping) -> bool:
    return plain(node.get("primaryKey", "primary")) is True


def _resolved(node: Mapping, root: Mapping) -> Mapping:
    """A field with what its ``$ref`` to a definition of the same file says; its own keys win."""
    entries, keys = dict(node.entries), dict(node.keys)
    current = node
    for _ in range(_DEPTH):
        target = current.text("$ref") or ""
        if not target.startswith(_DEFINITION):
            break
        below: Any = root.mapping("definitions")
        for part in target.removeprefix(_DEFINITION).split("/"):
            below = below.get(part) if isinstance(below, Mapping) else None
        if not isinstance(below, Mapping):
            break
        for key, value in below.entries.items():
            entries.setdefault(key, value)
            keys.setdefault(key, below.keys[key])
        current = below
    return Mapping(entries, keys, node.location)


def _checks(table: SourceTable, node: Mapping, root: Mapping, contract: Contract) -> Iterator[Found]:
    contract.required[table.key] = set(table.primary_key)
    if table.primary_key:
        fields = dict(_fields(node))
        key = fields.get(table.primary_key[0], node)
        optional = any(
            plain(fields[one].get("required")) is False for one in table.primary_key if one in fields
        )
        said = f"primaryKey: {', '.join(table.primary_key)}"
        yield Found("primaryKey", key.location, table, None, said, Fact("primaryKey", not optional))
    yield from _quality(table, None, node)
    for name, field in _fields(node):
        yield from _field(table, name, field, root, contract)


def _field(
    table: SourceTable, name: str, written: Mapping, root: Mapping, contract: Contract
) -> Iterator[Found]:
    node = _resolved(written, root)
    logical = node.text("type")
    physical = table.column_types.get(name)
    target = written.text("$ref")
    if target is not None and not target.startswith(_DEFINITION):
        place = written.keys["$ref"].location
        yield Found("$ref", place, table, name, f"$ref: {target}"[:_SHOWN], Fact("no_such_element", target))
    for key, value in node.entries.items():
        said = plain(value)
        place = node.keys[key].location
        if key in ("required", "unique"):
            if said is not True:
                continue
            if key == "required":
                contract.required.setdefault(table.key, set()).add(name)
        if key in _CHECKS:
            fact = (
                Fact("physicalType", physical, logical)
                if key == "type" and physical
                else Fact(key, said, logical)
            )
            yield Found(key, place, table, name, f"{key}: {said}"[:_SHOWN], fact)
        elif key not in _OTHERS:
            yield Found(key, place, table, name, f"{key}: {said}"[:_SHOWN], Fact(f"?{key}", said))
    yield from _quality(table, name, node)
    for inner, below in _fields(node):
        yield from _field(table, f"{name}.{inner}", below, root, contract)


def _quality(table: SourceTable, column: str | None, node: Mapping) -> Iterator[Found]:
    for item in node.items("quality"):
        said: Any = plain(item)
        said = said if isinstance(said, dict) else {"type": "text", "description": str(said)}
        kind = str(said.get("metric") or said.get("rule") or said.get("type") or "sql")
        yield Found(
            f"quality {kind}", item.location, table, column, f"{kind}: {said}"[:_SHOWN], Quality(said)
        )


def _levels(root: Mapping, contract: Contract) -> Iterator[Found]:
    for key, node in root.mapping("servicelevels").entries.items():
        if not isinstance(node, Mapping) or key not in _LEVELS:
            continue
        said = plain(node)
        element = str(said.get("timestampField") or said.get("sourceTimestampField") or "")
        name, _, column = element.partition(".")
        table = contract.tables.get(name)
        body: Any = Level(key, said, column or None)
        if table is None and (element or key in ("freshness", "latency")):
            body = Fact("no_such_element", element)
        if table is None:
            table = next(iter(contract.tables.values()), SourceTable("dcs:", ""))
            column = ""
        yield Found(
            f"servicelevel {key}", node.location, table, column or None, f"{key}: {said}"[:_SHOWN], body
        )


def _whole(root: Mapping, contract: Contract, options: Options) -> Iterator[Found]:
    """Checks of another tool for the whole contract."""
    node = root.mapping("quality")
    engine = node.text("type")
    specification = node.get("specification")
    if engine is None or specification is None:
        return
    if engine.lower() == "sodacl":
        inner = _document(specification)
        if inner is not None:
            for each in sodacl.of_file(inner, contract.tables, options, options.variables):
                place = each.location
                shift = specification.location.line if isinstance(specification, Scalar) else 0
                yield replace(each, location=replace(place, line=place.line + shift))
            return
    if engine.lower() == "great-expectations" and isinstance(specification, Mapping):
        for name, below in specification.entries.items():
            table = contract.tables.get(name) or SourceTable(
                f"dcs:{name}", name, unfit=f"the contract has no model {name}"
            )
            items = _items(below)
            shift = below.location.line if isinstance(below, Scalar) else 0
            for found in gx.of_list(items, table):
                place = found.location
                yield replace(found, location=replace(place, line=place.line + shift))
        return
    table = next(iter(contract.tables.values()), SourceTable("dcs:", ""))
    said = f"quality of {engine}"
    yield Found(
        f"quality {engine}", specification.location, table, None, said, (engine, plain(specification))
    )


def _items(node: Node) -> tuple[Node, ...]:
    """The expectations of a model: a list, or the text of one; another value is one unknown expectation."""
    if isinstance(node, Scalar):
        try:
            nodes = read_text(node.text, path=node.location.path)
        except UnreadableError:
            return (node,)
        node = nodes[0] if nodes else node
    return node.items if isinstance(node, List) else (node,)


def _document(specification: Node) -> Mapping | None:
    """A specification that is written out, or that is the text of a file."""
    if isinstance(specification, Scalar):
        try:
            nodes = read_text(specification.text, path=specification.location.path)
        except UnreadableError:
            return None
        specification = nodes[0] if nodes else specification
    return specification if isinstance(specification, Mapping) else None
