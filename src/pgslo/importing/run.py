"""Files of other tools to definitions: recognised, counted, mapped, written, and accounted for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pgslo.importing.formats import registry
from pgslo.importing.formats.base import Document, Failure, Source
from pgslo.importing.formats.recognise import Recognised, recognise
from pgslo.importing.informed import inform, settled
from pgslo.importing.ledger import Entry, Ledger
from pgslo.importing.model import Found, Outcome, SourceTable, TableName, UnmappableError, not_mapped
from pgslo.importing.options import Options
from pgslo.importing.source import UnreadableError, decode
from pgslo.importing.writing.definition import Draft, file_name, write


@dataclass(frozen=True)
class KeptByHand:
    """What stays in a definition as a person wrote it.

    Attributes:
        path: The definition's file.
        line: The rule's line in it; ``None``: the whole file stays.
        wanted: What the source says now of the rule; ``None``: it does not have it any more, or the whole file stays.
        why: Why it stays, and what the source says.
    """

    path: str
    line: int | None
    wanted: str | None
    why: str


@dataclass
class Imported:
    """The outcome of files.

    Attributes:
        entries: Every check that was found, once.
        definitions: Text of each definition by its path.
        tables: Tables of the definitions, as SQL writes them, by path.
        failures: Files that could not be read.
        recognised: The format of each file, with the reason.
        ignored: Entries that do not check data.
        absent: Tables that the database does not have, as SQL writes them.
        assumed: Tables in the schema ``public`` because neither the source nor the options name one, as SQL writes them.
        kept: Parts that stay as a person wrote them; known once the definitions are compared with existing ones.
    """

    entries: tuple[Entry, ...] = ()
    definitions: dict[str, str] = field(default_factory=dict)
    tables: dict[str, str] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    recognised: list[Recognised] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)
    kept: list[KeptByHand] = field(default_factory=list)


def convert(files: Mapping[str, bytes], options: Options, *, given: frozenset[str] = frozenset()) -> Imported:
    """Return the definitions for files of other tools, and the outcome of each check.

    Args:
        files: Content of each file by its path.
        options: What the author decides.
        given: Files that were named one by one: these have to be of a known format.
    """
    done = Imported()
    ledger = Ledger()
    drafts: dict[TableName, Draft] = {}
    for name, documents in _by_format(files, options, given, done).items():
        source = registry.READERS[name](documents, options)
        done.ignored += source.ignored
        done.failures += source.failures
        found = [each for each in source.found if options.selects(each.table)]
        for table in dict.fromkeys(each.table for each in found):
            _inform(table, options, done)
        ledger.count(found)
        for each in found:
            entry = ledger.settle(each, _outcome(source, each, options), of=name)
            _draft(entry, each.table, drafts, options)
        for table in source.tables:
            _settings(table, name, drafts, options)
    _write(drafts, options, done)
    done.entries = ledger.close()
    return done


def _by_format(
    files: Mapping[str, bytes], options: Options, given: frozenset[str], done: Imported
) -> dict[str, list[Document]]:
    found: dict[str, list[Document]] = {}
    for path, data in files.items():
        try:
            document, recognised = recognise(path, decode(data), options.source_format)
        except UnreadableError as error:
            done.failures.append(Failure(path, error.line, error.column, error.message))
            continue
        if recognised.format is not None:
            done.recognised.append(recognised)
            document = replace(document, format=recognised.format)
            found.setdefault(registry.together(recognised.format), []).append(document)
        elif recognised.refused or path in given:
            done.failures.append(Failure(path, 1, 1, recognised.reason or "no format that pgslo imports"))
        elif recognised.reason:
            done.ignored.append(f"{path}: {recognised.reason}")
    return found


def _outcome(source: Source, found: Found, options: Options) -> Outcome:
    if found.table.unfit:
        return not_mapped("not_a_table", found.table.unfit)
    try:
        made = source.map(found)
        if made.rules:
            own = options.resolve(found.table)
            made = made if options.find is None else settled(made, own, options.find)
    except UnmappableError as error:
        return not_mapped(error.remark.reason, error.remark.message)
    return made


def _inform(table: SourceTable, options: Options, done: Imported) -> None:
    """Note whether a table's schema is a guess, and complete the table from the database."""
    try:
        name = options.resolve(table)
    except UnmappableError:
        return
    if table.unfit:
        return
    if options.is_assumed(table):
        done.assumed.append(name.text)
    if options.find is None:
        return
    relation = options.find(name)
    if relation is not None:
        inform(table, relation)
    elif name.text not in done.absent:
        done.absent.append(name.text)


def _draft(entry: Entry, table: SourceTable, drafts: dict[TableName, Draft], options: Options) -> None:
    """Put a check with the others of its table."""
    if table.unfit:
        return
    try:
        name = options.resolve(table)
    except UnmappableError:
        return
    draft = drafts.setdefault(name, Draft(name))
    draft.entries.append(entry)
    entry.table = name.text
    if table not in draft.sources:
        draft.sources.append(table)
        draft.formats.append(entry.format)


def _settings(table: SourceTable, of: str, drafts: dict[TableName, Draft], options: Options) -> None:
    """Draft a definition that was exported and has no rule."""
    if table.settings is None or not options.selects(table):
        return
    try:
        name = options.resolve(table)
    except UnmappableError:
        return
    draft = drafts.setdefault(name, Draft(name))
    if table not in draft.sources:
        draft.sources.append(table)
        draft.formats.append(of)


def _write(drafts: dict[TableName, Draft], options: Options, done: Imported) -> None:
    paths: set[str] = set()
    for name, draft in drafts.items():
        path = f"{options.folder}/{file_name(name)}"
        text = write(draft, options, path)
        if text is None:
            continue
        if path.casefold() in paths:
            raise AssertionError(f"two tables have the file {path}")
        paths.add(path.casefold())
        done.definitions[path] = text
        done.tables[path] = name.text
