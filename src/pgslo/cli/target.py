"""Which definition a command is about: the name of a table, or the file that defines it."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterator
from pathlib import Path

from pgslo.cli import output, project
from pgslo.cli.session import Session
from pgslo.database import Connection, catalog_reader, operations, runtime
from pgslo.definition import Definition
from pgslo.errors import PgsloError

_SUFFIXES = (".yml", ".yaml")


def definition_of(conn: Connection, session: Session, target: str) -> str:
    """The name of the definition that is installed for a table or a file.

    Raises:
        PgsloError: None is.
    """
    definition = _in_file(session, target)
    name = definition.name if definition else target
    known = catalog_reader.definitions_installed(conn)
    if name in known:
        runtime.check(conn)
        return name
    raise PgsloError(
        f"{name} has no definition that was applied",
        hint=session.command("apply", target) if definition else _hint(session, name, known),
    )


@contextlib.contextmanager
def definition_to_try(conn: Connection, session: Session, target: str) -> Iterator[str]:
    """The same, or one that only a file has: that is installed in a transaction that is rolled back at the end.

    Raises:
        PgsloError: Neither is there.
    """
    definition = _in_file(session, target) or _of_project(session, target)
    name = definition.name if definition else target
    known = catalog_reader.definitions_installed(conn)
    if name in known:
        runtime.check(conn)
        yield name
    elif definition is not None:
        output.message(f"{name} is not applied; its file is tried, and nothing of it stays")
        with operations.trying(conn, definition):
            yield name
    else:
        raise PgsloError(f"{name} has no definition", hint=_hint(session, name, known))


def _hint(session: Session, name: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return (
        f'did you mean "{close[0]}"?'
        if close
        else f"{session.command('suggest', name)} writes one to begin with"
    )


def _in_file(session: Session, target: str) -> Definition | None:
    if not target.endswith(_SUFFIXES):
        return None
    (definition,) = project.load(session.configuration, (Path(target),)).definitions
    return definition


def _of_project(session: Session, name: str) -> Definition | None:
    try:
        found = project.load(session.configuration, ())
    except PgsloError:
        return None  # No project here, or one that lint has to look at first: the table alone was asked for.
    return next((one for one in found.definitions if one.name == name), None)
