"""``pgslo prune``: old profiles are compressed, and state older than the history is removed."""

from __future__ import annotations

import click

from pgslo import database
from pgslo.cli import output
from pgslo.cli.session import Session, pass_session, session_options
from pgslo.cli.tables import resolve, rights_on
from pgslo.database import Connection, catalog_reader, runtime

#: Rows of each kind that one transaction changes: ticks wait for it.
_AT_ONCE = 5_000
_COUNTS = ("thinned_profiles", "removed_profiles", "removed_verdicts")


@click.command()
@click.argument("tables", nargs=-1)
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@session_options
@pass_session
def prune(session: Session, tables: tuple[str, ...], *, dry_run: bool, as_json: bool) -> None:
    """Compress old state, and remove state older than the history.

    Of TABLES, or of all. A profile that nothing is compared with any more keeps its summary alone; profiles and verdicts
    that are older than the definition's history are removed, unless a budget or an open incident needs them. pgslo tick does
    the same in small portions.
    """
    with session.connect(writes=not dry_run) as conn:
        rights_on(conn)
        runtime.check(conn)
        known = catalog_reader.definitions_installed(conn)
        names = tuple(resolve(table, known) for table in tables) or known
        found = {name: _asked(conn, name) if dry_run else _pruned(conn, name) for name in names}
    if as_json:
        output.document(dry_run=dry_run, tables=[{"definition": name, **one} for name, one in found.items()])
        return
    for name, one in found.items():
        output.say(f"{name}: {_said(one, dry_run=dry_run)}")


def _asked(conn: Connection, name: str) -> dict[str, object]:
    with database.errors():
        (row,) = database.fetch(conn, "prunable", {"definition": name})
    return dict(row)


def _pruned(conn: Connection, name: str) -> dict[str, object]:
    total = dict.fromkeys(_COUNTS, 0)
    with database.errors():
        while True:
            with conn.transaction():
                (row,) = database.fetch(conn, "prune", {"definition": name, "at_most": _AT_ONCE})
            total = {count: total[count] + row[count] for count in _COUNTS}
            if not any(row[count] for count in _COUNTS):
                return {**total}


def _said(one: dict[str, object], *, dry_run: bool) -> str:
    would = "would be " if dry_run else ""
    thinned, profiles, verdicts = (int(str(one[count])) for count in _COUNTS)
    parts = [
        f"{output.counted(number, noun)} {would}{done}"
        for number, noun, done in (
            (thinned, "profile", "made small"),
            (profiles, "profile", "removed"),
            (verdicts, "verdict", "removed"),
        )
        if number
    ]
    kept = [
        f"{what} from batch {one[key]} on"
        for key, what in (
            ("whole_from", "profiles stay whole"),
            ("history_from", "profiles and verdicts stay"),
        )
        if one.get(key) is not None
    ]
    return "; ".join([", ".join(parts) or "nothing to prune", *kept])
