"""The input and the output of a reader."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pgslo.importing.model import Found, Outcome, SourceTable
from pgslo.importing.options import Options
from pgslo.importing.source import Node


@dataclass(frozen=True, eq=False)
class Document:
    """A file of a source.

    Attributes:
        path: The file as messages name it.
        text: Its text.
        nodes: Its documents, where it is YAML or JSON.
        format: Its format.
    """

    path: str
    text: str
    nodes: tuple[Node, ...] = ()
    format: str = ""


@dataclass(frozen=True)
class Failure:
    """A file that was not read, and why."""

    path: str
    line: int
    column: int
    message: str


@dataclass
class Source:
    """What a reader found.

    Attributes:
        map: Makes what a check becomes; it may raise ``UnmappableError``.
        tables: The tables that checks are about.
        found: The checks, in the order of the files.
        ignored: Parts that do not check data and are left out, once for each file.
        failures: Files that were not read after all.
    """

    map: Callable[[Found], Outcome]
    tables: list[SourceTable] = field(default_factory=list)
    found: list[Found] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


#: Reads all files of a format together.
Reader = Callable[[Sequence[Document], Options], Source]
