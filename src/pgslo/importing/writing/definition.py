"""The definition of a table as text, read again by the loader: refused checks are left out, and reported."""

from __future__ import annotations

import hashlib
import re
import textwrap
from dataclasses import dataclass, field

from pgslo import definition
from pgslo.definition import names
from pgslo.definition.yaml.scalars import scalar
from pgslo.errors import DefinitionError, DefinitionErrors
from pgslo.importing.ledger import Entry
from pgslo.importing.mapping import words
from pgslo.importing.model import Rule, SourceTable, TableName, not_mapped
from pgslo.importing.options import Options
from pgslo.importing.writing import flow
from pgslo.importing.writing.slots import Slot, fill

_WIDTH = 118
#: A comment is beside its rule where both fit into this number of characters.
_BESIDE = 150
_FILE_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,100}\Z")


@dataclass
class Draft:
    """A table with the checks of all sources.

    Attributes:
        table: The table.
        sources: It, as sources describe it.
        entries: Its checks, in the order of the sources.
        formats: The formats of the sources.
    """

    table: TableName
    sources: list[SourceTable] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    formats: list[str] = field(default_factory=list)


class _Page:
    """Lines of a file, and their rules."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        #: By line: its rule, and the rules below it.
        self.on: dict[int, Slot] = {}
        self.below: dict[int, list[Slot]] = {}

    def add(self, line: str, *, slot: Slot | None = None, heads: list[Slot] | None = None) -> None:
        self.lines.append(line)
        if slot is not None:
            self.on[len(self.lines)] = slot
        if heads is not None:
            self.below[len(self.lines)] = heads

    def at(self, line: int) -> list[Slot]:
        """The rules that an error on a line is about."""
        return [self.on[line]] if line in self.on else self.below.get(line, [])

    def remark(self, text: str, indent: str = "") -> None:
        """A comment, on as many lines as it needs."""
        begin = f"{indent}# "
        for line in textwrap.wrap(
            flow.comment(text),
            _WIDTH,
            initial_indent=begin,
            subsequent_indent=begin,
            break_long_words=False,
            break_on_hyphens=False,
        ):
            self.add(line)

    def rule(self, indent: str, text: str, slot: Slot) -> None:
        """A rule with its comment beside it, or above."""
        beside = f"{indent}{text}  # {flow.comment(_why(slot))}"
        if len(beside) <= _BESIDE:
            self.add(beside, slot=slot)
        else:
            self.remark(_why(slot), indent)
            self.add(f"{indent}{text}", slot=slot)


def file_name(table: TableName) -> str:
    """Return the name of a table's file; of a name that files may not have, a digest keeps it apart."""
    plain = f"{table.schema}.{table.name}"
    if _FILE_NAME.match(plain) and ".." not in plain:
        return f"{plain}.yml"
    safe = re.sub(r"[^a-z0-9_]+", "_", plain.lower()).strip("_")[:80]
    return f"{safe}_{hashlib.sha256(plain.encode(errors='replace')).hexdigest()[:8]}.yml"


def write(draft: Draft, options: Options, path: str) -> str | None:
    """Return the text of a definition, and record in the entries the location of each check; ``None`` if no rule is left."""
    while True:
        live = [entry for entry in draft.entries if entry.outcome.rules]
        slots = fill(draft.table, live, options)
        if not slots and not any(source.settings for source in draft.sources):
            return None
        page = _page(draft, slots, options)
        text = "\n".join(page.lines) + "\n"
        try:
            made = definition.load(text, path=path, kinds=options.kinds)
        except DefinitionErrors as error:
            if not slots:
                return None
            _leave_out(page, error, draft)
            continue
        by_line = {rule.location.line: rule.name for rule in (*made.rules, *made.assertions)}
        for line, slot in page.on.items():
            for entry in slot.entries:
                # Of a check with several rules, the first is named.
                if entry.line is None:
                    entry.path, entry.line = path, line
                    entry.rule = by_line.get(line, "schema")
        return text


def _leave_out(page: _Page, error: DefinitionErrors, draft: Draft) -> None:
    """Settle the checks again that the loader refuses; where it refuses the table itself, all of them."""
    refused: dict[int, DefinitionError] = {}
    for one in error.errors:
        line = one.location.line if one.location else 0
        for slot in page.at(line):
            for entry in slot.entries:
                refused.setdefault(id(entry), one)
    first = error.errors[0]
    for entry in draft.entries:
        reason = refused.get(id(entry)) if refused else first
        if reason is not None and entry.outcome.rules:
            entry.outcome = not_mapped("refused", f"pgslo lint refuses it: {reason.message}")


def _page(draft: Draft, slots: list[Slot], options: Options) -> _Page:
    page = _Page()
    _head(page, draft, slots, options)
    for slot in slots:
        if slot.rule.place == "file":
            if slot.rule.verbatim is not None:
                page.rule("", flow.rule(slot.rule, None), slot)
                continue
            page.rule("", f"{slot.rule.kind}: {flow.value(slot.rule.parameters | slot.rule.options)}", slot)
    _schema(page, [slot for slot in slots if slot.rule.place == "schema"], options)
    _columns(page, draft, slots)
    _rules(page, draft, [slot for slot in slots if slot.rule.place == "rule"])
    _assertions(page, [slot for slot in slots if slot.rule.place == "assertion"])
    return page


def _head(page: _Page, draft: Draft, slots: list[Slot], options: Options) -> None:
    formats = ", ".join(dict.fromkeys(draft.formats))
    own = next((source.settings for source in draft.sources if source.settings is not None), None)
    shadow = "" if options.enforce or own is not None else " and no write is changed (enforce: false)"
    page.remark(f"Written by pgslo import from {formats}. Rules are in the order of the source{shadow}.")
    for note in dict.fromkeys(note for source in draft.sources for note in source.notes):
        page.remark(note)
    name = draft.table.text
    page.add("table: " + ("'" + name.replace("'", "''") + "'" if '"' in name else name))
    if own is not None:
        for key, one in own.items():
            page.add(f"{scalar(key)}: {flow.value(one)}")
        return
    for key in ("description", "owner"):
        said = next((getattr(source, key) for source in draft.sources if getattr(source, key)), "")
        words_ = flow.comment(" ".join(said.split()))
        if words_ and not (key == "owner" and len(words_) > 200):
            page.add(f"{key}: {flow.text(words_)}")
    named = _key(draft, slots, options)
    if named is not None:
        page.add(named)
    if not options.enforce:
        page.add("enforce: false")


def _key(draft: Draft, slots: list[Slot], options: Options) -> str | None:
    """The columns that name a row: those that the source calls the key, else those that a rule keeps unique.

    A table with a primary key needs no word.
    """
    relation = options.find(draft.table) if options.find is not None else None
    if relation is not None:
        if relation.primary_key:
            return None
        present = {column.name for column in relation.columns if column.not_null}
        kept = sorted((one.columns for one in relation.indexes if one.unique and one.whole), key=len)
        for columns in kept:
            if present.issuperset(columns):
                return f"key: {flow.value(list(columns))}  # a unique index"
    rules = [slot.rule for slot in slots if not slot.rule.options and slot.rule.verbatim is None]
    for source in draft.sources:
        if source.primary_key and all(names.is_name(one) for one in source.primary_key):
            return f"key: {flow.value(list(source.primary_key))}  # the key of the source"
    present = {str(rule.column) for rule in rules if rule.kind == "not_null"}
    uniques = [_unique_columns(rule) for rule in rules if rule.kind == "unique"]
    for columns in sorted(uniques, key=len):
        if present.issuperset(columns):
            return f"key: {flow.value(list(columns))}  # not_null and unique"
    for columns in uniques:
        if len(columns) > 1:
            return f"key: {flow.value(list(columns))}  # unique"
    why = "no check names unique columns"
    if relation is None:
        why += "; take this line out if the table has a primary key"
    return f"key: {words.NO_KEY}  # {why}"


def _unique_columns(rule: Rule) -> tuple[str, ...]:
    return (rule.column,) if rule.column is not None else tuple(rule.parameters["columns"])


def _schema(page: _Page, slots: list[Slot], options: Options) -> None:
    if not slots:
        return
    page.add("schema:", heads=slots)
    if options.error_as == "reject":
        page.add("  on_breach: reject")
    whole = [slot for slot in slots if slot.rule.column is None]
    for slot in whole:
        for key, value in slot.rule.parameters.items():
            page.rule("  ", f"{key}: {flow.value(value)}", slot)
    page.add("  columns:")
    for slot in slots:
        if slot in whole:
            continue
        page.rule(
            "    ", f"{scalar(str(slot.rule.column))}: {flow.value(slot.rule.parameters['type'])}", slot
        )


def _columns(page: _Page, draft: Draft, slots: list[Slot]) -> None:
    by_column: dict[str, list[Slot]] = {}
    for slot in slots:
        if slot.rule.place == "column":
            by_column.setdefault(str(slot.rule.column), []).append(slot)
    lost: dict[str, list[Entry]] = {}
    for entry in draft.entries:
        if not entry.outcome.rules and entry.found.column is not None:
            lost.setdefault(entry.found.column, []).append(entry)
    listed = [column for source in draft.sources for column in source.column_types]
    order = dict.fromkeys(one for one in (*listed, *by_column, *lost) if one in by_column or one in lost)
    bare = [one for source in draft.sources for one in source.listed if one not in by_column]
    if by_column or bare:
        page.add("")
        page.add("columns:")
    for column in dict.fromkeys(bare):
        page.add(f"  {scalar(column)}: []")
    for column in order:
        if column in by_column:
            page.add(f"  {scalar(column)}:", heads=by_column[column])
        for slot in by_column.get(column, ()):
            page.rule("    ", f"- {flow.rule(slot.rule, slot.name)}", slot)
        for entry in lost.get(column, ()):
            page.remark(_lost(entry), "    ")


def _rules(page: _Page, draft: Draft, slots: list[Slot]) -> None:
    lost = [entry for entry in draft.entries if not entry.outcome.rules and entry.found.column is None]
    if slots or lost:
        page.add("")
    if slots:
        page.add("rules:")
    for slot in slots:
        page.rule("  ", f"- {flow.rule(slot.rule, slot.name)}", slot)
    for entry in lost:
        page.remark(_lost(entry), "  " if slots else "")


def _assertions(page: _Page, slots: list[Slot]) -> None:
    if slots:
        page.add("")
        page.add("assertions:")
    for slot in slots:
        page.rule("  ", f"- {flow.rule(slot.rule, slot.name)}", slot)


def _why(slot: Slot) -> str:
    """The source of a rule, and the changes in it."""
    places = dict.fromkeys(f"{one.found.location.path}:{one.found.location.line}" for one in slot.entries)
    changed = "; ".join(remark.text for remark in slot.remarks)
    return ", ".join(places) + (f"; changed: {changed}" if changed else "")


def _lost(entry: Entry) -> str:
    found, outcome = entry.found, entry.outcome
    what = f"{found.column}: {found.written}" if found.column is not None else found.written
    status = outcome.status.replace("_", " ")
    why = "; ".join(remark.text for remark in outcome.remarks)
    return f"{found.location.path}:{found.location.line} {status}: {what} ({why})"
