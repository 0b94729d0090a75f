"""Tables, definitions and incidents as commands find, name and print them."""

from __future__ import annotations

import contextlib
import datetime as dt
import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pgslo import database
from pgslo.cli import output, project
from pgslo.cli.session import Session, again
from pgslo.database import Connection, catalog_reader, operations, runtime
from pgslo.definition import Definition
from pgslo.errors import PgsloError

Row = dict[str, Any]
_SUFFIXES = (".yml", ".yaml")


def rights_on(conn: Connection) -> Row:
    """Whether the runtime is there and what this role may do.

    Raises:
        PgsloError: It is not there, or this role may not use it.
    """
    (rights,) = database.fetch(conn, "rights")
    if not rights["is_installed"]:
        database.check_node(conn)
        raise PgsloError(
            f"pgslo is not installed in database {rights['database']}",
            hint=f"{again('apply')} installs it with the first definition",
        )
    if not rights["may_use"]:
        raise PgsloError(
            f"role {rights['role']} may not use the schema pgslo",
            hint=f"its owner can allow it: GRANT USAGE ON SCHEMA pgslo TO {rights['role']}",
        )
    return rights


def check_sight(rights: Row, shown: Sequence[object]) -> None:
    """Say that a role sees the tables alone that it may read: others may have incidents.

    Raises:
        PgsloError: It sees none.
    """
    if rights["may_know_all"]:
        return
    hint = again(f"grants auditor {rights['role']}")
    if not shown:
        raise PgsloError(f"role {rights['role']} may not read any table that has a definition", hint=hint)
    output.message(f"only tables that role {rights['role']} may read are shown; to see all: {hint}")


def matching(rows: Sequence[Row], tables: Sequence[str]) -> list[Row]:
    """The rows of these tables.

    Raises:
        PgsloError: One has no definition.
    """
    if not tables:
        return list(rows)
    known = [row["definition"] for row in rows]
    wanted = {resolve(table, known) for table in tables}
    return [row for row in rows if row["definition"] in wanted]


def resolve(table: str, known: Sequence[str]) -> str:
    """The definition that a name refers to: ``features.user_stats``, or ``user_stats`` where only one is called that.

    Raises:
        PgsloError: No definition has that name, or several have it.
    """
    if table in known:
        return table
    same = [name for name in known if name.partition(".")[2] == table]
    if len(same) > 1:
        raise PgsloError(f"{table} is ambiguous", hint=f"one of: {', '.join(same)}")
    if not same:
        raise PgsloError(
            f"{table} has no definition in this database",
            hint=output.did_you_mean(table, known).strip()
            or (f"defined are: {', '.join(known)}" if known else None),
        )
    return same[0]


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
    """The name of the definition of a table or a file; one that only a file has is installed until the end, then rolled back.

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


def read_incidents(conn: Connection, *, everything: bool = False) -> list[Row]:
    """Incidents, newest first: those that are not resolved, or all."""
    return database.fetch(conn, "incidents", {"all": everything})


def moment(when: dt.datetime | None) -> str:
    """A moment as people read it, in UTC."""
    return "" if when is None else f"{when.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def plain(row: Row) -> Row:
    """An incident without the facts' words: programs have the columns."""
    facts = row["facts"] or {}
    kept = {key: value for key, value in row.items() if key != "facts"}
    return kept | {
        "newest_missed_batch": facts.get("newest missed batch"),
        "read_by": facts.get("tasks that read it"),
        "views": facts.get("views that read it"),
    }


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
