"""``pgslo suggest``: a first definition from an existing table."""

from __future__ import annotations

import re
from pathlib import Path

import click

from pgslo import definition, sql
from pgslo.catalog import Relation
from pgslo.cli import output
from pgslo.cli.files import put
from pgslo.cli.session import Session, pass_session, session_options
from pgslo.database import Connection, catalog_reader, inspection, planning
from pgslo.errors import DefinitionError, DefinitionErrors, PgsloError
from pgslo.suggest import Facts, as_text, choose_batch, propose, without

#: Where the rules of a column are looked for when a message has no better place.
_TRIES = 50


@click.command()
@click.argument("table")
@click.option(
    "--sample",
    type=click.IntRange(100, 10_000_000),
    default=100_000,
    show_default=True,
    help="How many rows to look at.",
)
@click.option(
    "--output",
    "-o",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write it to this file; without it, to stdout. An existing file is not overwritten.",
)
@click.option(
    "--own-rights",
    is_flag=True,
    help="Read the table with your rights, not its owner's: functions in its indexes and constraints get them.",
)
@session_options
@pass_session
def suggest(session: Session, table: str, *, sample: int, path: Path | None, own_rights: bool) -> int:
    """Write a first definition from an existing table.

    Looks at a sample of TABLE and at its constraints, and proposes few rules, each with its evidence in a comment: key and batch, freshness,
    completeness, closed sets of values, bounds by nature, formats, references. Reads only. Its definition passes pgslo lint and plan.
    """
    if path is not None and path.exists():
        raise PgsloError(
            f"{output.shown_path(path)} is there already",
            hint="give another name, or take it away: what people wrote is not overwritten",
        )
    with session.connect() as conn, output.Counter("looking at") as progress:
        _, text = suggested(conn, table, sample, progress, own_rights=own_rights)
    if path is None:
        output.script(text)
        return 0
    put(path, text)
    (made,) = (definition.load(text, path=str(path)),)
    output.message(f"{output.shown_path(path)} written: {output.counted(len(made.rules), 'rule')}")
    plan, backtest = (session.command(verb, output.shown_path(path)) for verb in ("plan", "backtest"))
    output.message(f"next: read it, then {plan}; {backtest} measures how good its alerts are")
    return 0


def suggested(
    conn: Connection, table: str, sample: int, progress: output.Counter, *, own_rights: bool = False
) -> tuple[Relation, str]:
    """Return a table with the text of a first definition of it.

    Raises:
        PgsloError: As :func:`pgslo.database.inspection.inspect`, or the table cannot be guarded.
    """
    facts = _seen(conn, table, sample, progress, own_rights=own_rights)
    return facts.relation, _fitting(conn, facts.relation, as_text(facts, propose(facts, choose_batch(facts))))


def _seen(conn: Connection, table: str, sample: int, progress: output.Counter, *, own_rights: bool) -> Facts:
    """The observations of the table.

    Raises:
        PgsloError: There is no such table, or a name in it cannot be written into a function.
    """
    try:
        return inspection.inspect(conn, table, sample=sample, own_rights=own_rights, on_step=progress.doing)
    except sql.UnsafeSql as exc:
        raise PgsloError(
            f"{table} cannot be guarded: {exc.message}", detail=exc.detail, hint="Rename the column."
        ) from exc


def _fitting(conn: Connection, relation: Relation, text: str) -> str:
    """The text without the rules that do not fit this database: the written definition has to pass lint and plan.

    Raises:
        DefinitionErrors: The table itself cannot be guarded.
    """
    for _ in range(_TRIES):
        try:
            made = definition.load(text, path="suggested.yml")
            planning.compile_all(conn, [made], catalog_reader.read_catalog(conn, [made], only_tables=True))
        except DefinitionErrors as exc:
            error = exc.errors[0]
            line = _rule_at(text, error)
            if line is None:
                raise _as_of_table(relation, error) from exc
            text = without(text, line, error.message)
        else:
            return text
    raise PgsloError("no rule that was found fits the table")


def _rule_at(text: str, error: DefinitionError) -> int | None:
    """The line of the rule that an error is about, counted from 1; ``None`` if it is about the table.

    An error about the type of a column is at the column: its last rule is removed first, until the error is fixed.
    """
    if error.location is None or error.location.line < 1:
        return None
    lines = text.split("\n")
    line = error.location.line
    if lines[line - 1].startswith(("    - ", "  - ", "freshness:", "row_count:", "batch:", "key:")):
        return line
    if not re.match(r"  [^\s#].*:$", lines[line - 1]):
        return None
    end = next((n for n in range(line, len(lines)) if not lines[n].startswith("    ")), len(lines))
    return next((n + 1 for n in range(end - 1, line - 1, -1) if lines[n].startswith("    - ")), None)


def _as_of_table(relation: Relation, error: DefinitionError) -> PgsloError:
    return PgsloError(
        f"{sql.identifier(relation.schema, relation.name)} cannot be guarded: {error.message}",
        detail=error.detail,
        hint=error.hint,
    )
