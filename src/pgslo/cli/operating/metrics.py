"""``pgslo metrics``: numbers for monitoring, as Prometheus reads them."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import click

from pgslo import database
from pgslo.cli import output
from pgslo.cli.session import Session, pass_session, session_options
from pgslo.cli.tables import Row, check_sight, rights_on
from pgslo.database import Connection, operations
from pgslo.errors import DatabaseError, PgsloError
from pgslo.metrics import DRIFT, UP, Sample, as_text, from_rows, write

#: Seconds for which a scrape gets the numbers of the one before: many scrapers cost the database no more than one.
_KEPT = 1.0
#: The same of the search for drift, which reads the catalogue.
_DRIFT_KEPT = 60.0


@click.command()
@click.option(
    "--textfile",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="PATH",
    help="Write a file for node_exporter instead, in one step; its name has to end in .prom.",
)
@session_options
@pass_session
def metrics(session: Session, *, textfile: Path | None) -> None:
    """Print numbers for monitoring, as Prometheus reads them.

    OpenMetrics text of the view pgslo.metric, and how much pgslo drift finds if this role may see that. It holds no value of a row. pgslo watch --metrics serves the same. Needs the extra metrics.
    """
    if textfile is not None and textfile.suffix != ".prom":
        raise click.UsageError("node_exporter reads files alone whose names end in .prom.")
    with session.connect() as conn:
        rights = rights_on(conn)
        samples = read(conn)
        check_sight(rights, samples)
        samples += count_drift(conn, rights, samples)
    if textfile is None:
        click.echo(as_text(samples), nl=False)
    else:
        write(textfile, samples)
        output.message(f"{textfile} written: {output.counted(len(samples), 'number')}")


def read(conn: Connection) -> list[Sample]:
    """What the view holds for this role."""
    with database.errors():
        return from_rows(database.fetch(conn, "metrics"))


def count_drift(conn: Connection, rights: Row, samples: list[Sample]) -> list[Sample]:
    """How much moved since the last apply, by table; nothing for a role that may not see that."""
    if not rights["may_plan"]:
        return []
    found = dict.fromkeys([one.labels["table"] for one in samples if one.name == "pgslo_table_info"], 0)
    for one in operations.find_drift(conn):
        if not one.is_hint:
            # A finding without a table, such as a forged object, counts without one.
            table = one.definition if one.definition in found else ""
            found[table] = found.get(table, 0) + 1
    return [Sample(DRIFT.name, {"table": table}, number) for table, number in found.items()]


class Source:
    """What those who scrape a watch are given: each look has a connection of its own, so that none waits for another."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._turn = threading.Lock()
        self._kept: list[Sample] = []
        self._kept_until = 0.0
        self._drift: list[Sample] = []
        self._drift_until = 0.0
        self._is_down = False

    def begin(self) -> None:
        """Look once before anybody asks.

        Raises:
            PgsloError: The runtime is not there, or this role may see no table.
        """
        with self._session.connect() as conn:
            check_sight(rights_on(conn), database.fetch(conn, "metrics"))

    def __call__(self) -> list[Sample]:
        """The numbers now; only that the database is away, while it is."""
        with self._turn:
            if time.monotonic() < self._kept_until:
                return self._kept
            try:
                self._kept = self._look()
                self._is_down = False
            except PgsloError as exc:
                self._kept = [Sample(UP.name, {}, 0)]
                if not self._is_down:
                    output.warning(f"metrics: {exc.message}", detail=exc.detail)
                self._is_down = True
            self._kept_until = time.monotonic() + _KEPT
            return self._kept

    def _look(self) -> list[Sample]:
        with self._session.connect() as conn:
            samples = read(conn)
            if time.monotonic() >= self._drift_until:
                try:
                    with database.errors():
                        self._drift = count_drift(conn, rights_on(conn), samples)
                except DatabaseError:
                    if conn.closed:
                        raise
                    self._drift = []  # without it rather than without all
                self._drift_until = time.monotonic() + _DRIFT_KEPT
        return [*samples, *self._drift, Sample(UP.name, {}, 1)]


def parse_address(text: str) -> tuple[str, int]:
    """``HOST:PORT``, with an IPv6 address in brackets.

    Raises:
        UsageError: It is not that.
    """
    host, colon, port = text.rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not (colon and host and port.isascii() and port.isdigit() and int(port) < 65536):
        raise click.UsageError(f'--metrics requires HOST:PORT, for example 127.0.0.1:9187, not "{text}".')
    return host, int(port)
