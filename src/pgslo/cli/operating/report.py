"""``pgslo report``: how the defined tables are and were, as one HTML file or a folder of pages."""

from __future__ import annotations

from pathlib import Path

import click

from pgslo import database
from pgslo.cli import output
from pgslo.cli.files import put
from pgslo.cli.session import Session, pass_session, session_options
from pgslo.cli.tables import check_sight, matching, read_incidents, rights_on

#: In the head of each page, by which its author is known.
_MARK = b'<meta name="generator" content="pgslo report">'
_HEAD = 2000


@click.command()
@click.argument("tables", nargs=-1)
@click.option(
    "--output",
    "-o",
    "path",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    default=Path("pgslo-report.html"),
    show_default=True,
    help="Where it goes; - is stdout.",
)
@click.option(
    "--out",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder for a page of each table and incident, in place of one file.",
)
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=30,
    show_default=True,
    help="How far the timeline goes back.",
)
@click.option(
    "--batches",
    type=click.IntRange(2, 500),
    default=60,
    show_default=True,
    help="Batches in a chart.",
)
@session_options
@pass_session
def report(
    session: Session, tables: tuple[str, ...], path: Path, *, folder: Path | None, days: int, batches: int
) -> None:
    """Write an HTML report of the tables and their history.

    One file without scripts, or a folder of pages with --out, to be read anywhere and sent to anybody. It holds no values of rows: tables, columns from batch to batch, incidents, error budgets and who reads what, of TABLES or of all.
    """
    from pgslo import report as reporting  # its template engine takes a while to load

    with session.connect() as conn:
        rights = rights_on(conn)
        shown = matching(database.fetch(conn, "status"), tables)
        check_sight(rights, shown)
        clock = conn.execute("SELECT pg_catalog.clock_timestamp()").fetchone()
        assert clock is not None
        facts = reporting.Facts(
            database=rights["database"],
            now=clock[0],
            status=shown,
            incidents=read_incidents(conn, everything=True),
            budgets=database.fetch(conn, "budgets"),
            readers=database.fetch(conn, "readers"),
            rule_summaries=database.fetch(conn, "rule_summaries"),
            column_history=database.fetch(conn, "column_history", {"batches": batches}),
            verdicts=database.fetch(conn, "verdict_history", {"batches": batches}),
            quantiles=database.fetch(conn, "incident_quantiles"),
            failures=database.fetch(conn, "incident_failures", {"batches": batches}),
            days=days,
        )
    if folder is not None:
        files = reporting.pages(facts)
        for name, page in files.items():
            put(folder / name, page, below=folder)
        # Of some tables, the other pages are about others.
        gone = _delete_stale(folder, set(files)) if not tables else 0
        more = f", {output.counted(gone, 'page')} of removed tables and incidents deleted" if gone else ""
        output.message(f"{folder / 'index.html'} written: {output.counted(len(files), 'page')}{more}")
        return
    text = reporting.render(facts)
    if str(path) == "-":
        click.echo(text)
        return
    put(path, text)
    output.message(f"{path} written: {output.counted(len(shown), 'table')}, {len(text) // 1024:,} kB")


def _delete_stale(folder: Path, names: set[str]) -> int:
    """Delete pages of an earlier report that this one has not, and nothing that pgslo did not write.

    Returns:
        How many.
    """
    deleted = 0
    for pattern in ("tables/*.html", "incidents/*.html"):
        for page in sorted(folder.glob(pattern)):
            name = page.relative_to(folder).as_posix()
            if name in names or page.parent.is_symlink() or page.is_symlink() or not page.is_file():
                continue
            with page.open("rb") as file:
                if _MARK in file.read(_HEAD):
                    page.unlink()
                    deleted += 1
    return deleted
