"""Reader of SQLMesh: the audits that models call, and audits of the project's own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pgslo.definition import names
from pgslo.importing.formats.base import Document, Failure, Source
from pgslo.importing.formats.sqlmesh.audits import AUDITS, Call
from pgslo.importing.formats.sqlmesh.blocks import Block, File, Piece, call, listed
from pgslo.importing.mapping import rules
from pgslo.importing.model import Found, Outcome, SourceTable, UnmappableError
from pgslo.importing.options import Options
from pgslo.importing.source import UnreadableError

_ROWS = re.compile(
    r"SELECT\s+(?:\*|\w+(?:\s*,\s*\w+)*)\s+FROM\s+@this_model\s+WHERE\s+(?P<where>.+)\Z",
    re.IGNORECASE | re.DOTALL,
)
_OTHER_CLAUSE = re.compile(
    r"\b(GROUP\s+BY|ORDER\s+BY|HAVING|LIMIT|UNION|INTERSECT|EXCEPT|JOIN|SELECT)\b", re.IGNORECASE
)
_SHOWN = 160
_VIEWS = ("view", "embedded", "external")


@dataclass(frozen=True)
class Check:
    """A call of an audit, with the audit if it is one of the project's own."""

    name: str
    arguments: dict[str, Piece]
    audit: Block | None


def read(documents: Sequence[Document], options: Options) -> Source:
    """Return the audits that the models of files call; an audit that no model calls is one, too."""
    source = Source(lambda found: outcome(found, options))
    audits: dict[str, tuple[Block, File]] = {}
    models: list[tuple[Block, File]] = []
    for document in documents:
        file = File(document.text, document.path)
        try:
            for block in file.blocks():
                if block.kind == "MODEL":
                    models.append((block, file))
                elif "name" in block.properties:
                    audits[block.properties["name"].text.lower()] = (block, file)
        except UnreadableError as error:
            source.failures.append(Failure(document.path, error.line, error.column, error.message))
    called: set[str] = set()
    for block, file in models:
        table = _table(block)
        source.tables.append(table)
        for piece in listed(block.properties.get("audits", Piece("", 0))):
            said = call(piece)
            name, arguments = said or (piece.text[:40], {})
            bare = name.removesuffix("_non_blocking")
            called.add(bare)
            audit = audits.get(bare)
            body = Check(name, arguments, audit[0] if audit else None)
            source.found.append(
                Found(name, file.place(piece.at), table, None, " ".join(piece.text.split())[:_SHOWN], body)
            )
    for name, (block, file) in audits.items():
        if name not in called:
            table = SourceTable(f"sqlmesh:{name}", name, only_by_map=True)
            body = Check(name, {}, block)
            source.found.append(Found(name, file.place(block.at), table, None, f"audit {name}", body))
    return source


def _table(block: Block) -> SourceTable:
    name = block.properties.get("name", Piece("", 0)).text
    table = SourceTable(f"sqlmesh:{name}", name)
    try:
        parts = names.split(name)
    except names.BadNameError:
        table.unfit = f"{name[:60]} is not a name of a table"
        return table
    table.name = parts[-1]
    table.schema = parts[-2] if len(parts) > 1 else None
    kind = block.properties.get("kind", Piece("", 0)).text.lower()
    if kind.startswith(_VIEWS):
        table.unfit = f"{name} is a model of kind {kind.split()[0]}"
    table.description = block.properties.get("description", Piece("", 0)).text.strip("'\"")
    table.owner = block.properties.get("owner", Piece("", 0)).text.strip("'\"")
    return table


def outcome(found: Found, options: Options) -> Outcome:
    """Return what a call becomes.

    Raises:
        UnmappableError: No rule states it.
    """
    check: Check = found.body
    bare = check.name.removesuffix("_non_blocking")
    properties = check.audit.properties if check.audit else {}
    try:
        own = options.resolve(found.table)
    except UnmappableError:
        own = None
    if check.audit is not None:
        made = _own(check, own)
    elif bare in AUDITS:
        made = AUDITS[bare](Call(bare, check.arguments, own))
    else:
        raise UnmappableError(
            "private_test",
            f"{bare[:60]} is neither an audit of the files, nor one of the tool that pgslo knows",
        )
    blocking = check.arguments.get("blocking", properties.get("blocking", Piece("true", 0))).text.lower()
    skipped = properties.get("skip", Piece("false", 0)).text.lower() == "true"
    warns = check.name.endswith("_non_blocking") or blocking == "false"
    severity: Literal["error", "warn"] = "warn" if warns else "error"
    disabled: dict[str, Any] = {"enabled": False} if skipped else {}
    return replace(
        made,
        rules=tuple(replace(rule, severity=severity, options=rule.options | disabled) for rule in made.rules),
    )


def _own(check: Check, own: Any) -> Outcome:
    """An audit of the project's own: a condition that no row may meet, or a query that returns no row."""
    assert check.audit is not None
    defaults: dict[str, Piece] = {}
    for piece in listed(check.audit.properties.get("defaults", Piece("", 0))):
        said = re.match(r"(\w+)\s*(?::=|=)\s*", piece.text)
        if said:
            defaults[said[1].lower()] = Piece(piece.text[said.end() :], 0)
    text = check.audit.body.rstrip("; \n")
    given = defaults | check.arguments
    text = re.sub(
        r"@(\w+)", lambda match: given[match[1].lower()].text if match[1].lower() in given else match[0], text
    )
    rows = _ROWS.match(text)
    if rows and "@" not in rows["where"] and not _OTHER_CLAUSE.search(rows["where"]):
        return rules.expression(f"NOT ({rows['where'].strip()})")
    if own is None:
        raise UnmappableError("no_table")
    statement = re.sub(r"@this_model\b", lambda _match: own.text, text, flags=re.IGNORECASE)
    if "@" in statement:
        raise UnmappableError("parameter", "a macro or a variable of the audit has no value here")
    return rules.returns_nothing(statement)
