"""``pgslo watch``: checks incidents all the time and sends notifications."""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib.util
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

import click

from pgslo import database, notify
from pgslo.cli import output
from pgslo.cli.operating import metrics, runs
from pgslo.cli.operating.tick import TURN, close_due_once
from pgslo.cli.session import Session, pass_session, session_options
from pgslo.cli.tables import rights_on
from pgslo.database import Connection, installers
from pgslo.errors import DatabaseError, NotifyError, PgsloError
from pgslo.metrics import serving
from pgslo.notify import Delivery, Incident, Route, webhooks

CHANNEL = "pgslo_incident_v1"
_LONGEST_WAIT = 60.0
#: Every role may send a notification: rounds begin no closer together than this, in seconds.
_SHORTEST_ROUND = 1.0


@click.command()
@click.option(
    "--every",
    type=click.IntRange(min=1, max=3600),
    default=30,
    show_default=True,
    metavar="SECONDS",
    help="Look at least so often; a change that the database notifies of is looked at within a second.",
)
@click.option("--tick", is_flag=True, help="Run pgslo.tick() each time, instead of cron or pg_cron.")
@click.option("--once", is_flag=True, help="Check once, send or run due items, and end.")
@click.option(
    "--metrics",
    "address",
    metavar="HOST:PORT",
    help="Also serve what pgslo metrics prints, for Prometheus: 127.0.0.1:9187.",
)
@click.option("--on", type=click.Choice(["healthy-batch"]), help="Run a command instead of sending messages.")
@click.option("--task", metavar="TASK", help="With --on: whose columns have to be healthy.")
@click.option("--run", metavar="COMMAND", help="With --on: what to run, in words as a shell reads them.")
@click.option(
    "--retries",
    type=click.IntRange(min=0, max=10),
    default=3,
    show_default=True,
    metavar="N",
    help="With --on: how often a batch is tried again when the command fails.",
)
@click.option(
    "--retry-after",
    type=click.IntRange(min=1, max=86_400),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="With --on: the first wait before that; each later one is five times as long.",
)
@session_options
@pass_session
def watch(
    session: Session,
    *,
    every: int,
    tick: bool,
    once: bool,
    address: str | None,
    on: str | None,
    task: str | None,
    run: str | None,
    retries: int,
    retry_after: int,
) -> int:
    """Send incident notifications to the routes in pgslo.toml.

    Runs until it is stopped; a broken connection is opened again. Messages are written down in the database before they are sent: nothing is lost while
    this does not run, and nothing is sent again after a restart unless it was stopped in the middle of sending.

    With --on healthy-batch it runs a command instead, once for each new batch of which every column that the task reads is healthy, and never while one is not. What
    was run is written down in the database as well.

    With --metrics it answers Prometheus as well; without a route, --tick and --on that is all it does.
    """
    runs.check(task, run, is_on=on is not None)
    if once and address is not None:
        raise click.UsageError(
            "--metrics serves until it is stopped; --once ends. For cron: pgslo metrics --textfile."
        )
    routes = session.configuration.routes
    job = None
    if task is not None and run is not None:
        job = runs.Job(task, runs.words(run), retries, retry_after, tick)
    elif not routes and not tick and address is None:
        raise PgsloError(
            "no route receives notifications",
            hint='pgslo.toml has no route: [notify.oncall], and below it to = "…"; or watch with --tick or --metrics',
        )
    _check_sender(routes)
    if once and job is None:
        return _once(session, routes, tick=tick)
    stop = threading.Event()
    failed = 0
    with _serving_metrics(session, address), _until_stopped(stop):
        if job is not None:
            failed = runs.follow(session, job, stop, every=every, once=once)
        elif routes or tick:
            _watch(session, routes, stop, every=every, tick=tick)
        else:
            stop.wait()
    output.message("ended" if once else "stopped")
    return 1 if failed and once else 0


def _check_sender(routes: tuple[Route, ...]) -> None:
    """Refuse to begin where messages could not be sent, even if none is due now.

    Raises:
        NotifyError: A route needs apprise, which is not there.
    """
    if any(route.format == "text" for route in routes) and importlib.util.find_spec("apprise") is None:
        raise notify.no_apprise()


def _once(session: Session, routes: tuple[Route, ...], *, tick: bool) -> int:
    with session.connect(writes=True) as conn:
        _check_rights(conn)
        rounds = _Rounds(routes, tick=tick)
        until = time.monotonic() + TURN / 1000
        undone = rounds.look(conn)
        while rounds.is_behind and time.monotonic() < until:
            undone += rounds.look(conn)
    return 1 if undone else 0


@contextlib.contextmanager
def _serving_metrics(session: Session, address: str | None) -> Iterator[None]:
    if address is None:
        yield
        return
    host, port = metrics.parse_address(address)
    source = metrics.Source(session)
    source.begin()
    with serving((host, port), source) as bound:
        shown = f"[{host}]" if ":" in host else host
        output.message(f"metrics are at http://{shown}:{bound}/metrics")
        yield


def _watch(
    session: Session, routes: tuple[Route, ...], stop: threading.Event, *, every: int, tick: bool
) -> None:
    wait = 0.0
    first = True
    rounds = _Rounds(routes, tick=tick)
    while not stop.is_set():
        try:
            with session.connect(writes=True) as conn:
                if first:
                    _check_rights(conn)
                with database.errors():
                    conn.execute(f"LISTEN {CHANNEL}".encode())
                output.message("watching" if first else "connected again")
                first, wait = False, 0.0
                while not stop.is_set():
                    began = time.monotonic()
                    rounds.look(conn)
                    if rounds.is_behind:
                        continue
                    with database.errors():
                        _wait(conn, stop, every=every, took=time.monotonic() - began)
        except DatabaseError as exc:
            if first:
                raise
            wait = min(max(wait * 2, 1.0), _LONGEST_WAIT)
            output.warning(f"{exc.message}; trying again in {wait:.0f} s")
            stop.wait(wait)


def _wait(conn: Connection, stop: threading.Event, *, every: int, took: float) -> None:
    """Wait for a change, for the clock, or to be stopped.

    Args:
        conn: A session that listens.
        stop: Set to end the watch.
        every: The longest wait, in seconds.
        took: How long the last round took, in seconds. A flood of notifications keeps the database at work for half of
            the time at most, and all that came meanwhile cause one round.
    """
    earliest = time.monotonic() + min(max(_SHORTEST_ROUND - took, took), every)
    for _ in range(every):
        if stop.is_set() or any(conn.notifies(timeout=1, stop_after=1)):
            break
    stop.wait(max(earliest - time.monotonic(), 0))
    for _ in conn.notifies(timeout=0):
        pass


@contextlib.contextmanager
def _until_stopped(stop: threading.Event) -> Iterator[None]:
    """Let SIGTERM and Ctrl-C end the watch between two messages, not in the middle of one."""

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _check_rights(conn: Connection) -> None:
    """Refuse a role that may not deliver, before it begins.

    Raises:
        PgsloError: The runtime is not there, or this role may not do it.
    """
    rights = rights_on(conn)
    installers.check_direct(conn)
    if not rights["may_deliver"]:
        raise PgsloError(
            f"role {rights['role']} may not deliver messages",
            hint="run it as the owner of the schema pgslo, or as a role that may use what docs/how-to/get-notified.md lists",
        )


class _Rounds:
    """Rounds of a watch: tick, record due messages, send unsent ones."""

    def __init__(self, routes: tuple[Route, ...], *, tick: bool) -> None:
        self._routes = routes
        self._tick = tick
        #: Whether more batches were due than the last tick closed: the next one follows at once.
        self.is_behind = False
        self._stands_by = False

    def look(self, conn: Connection) -> int:
        """One round.

        Returns:
            How much could not be done: messages that were not sent, warnings of tick, 1 if another watch delivers.
        """
        undone = 0
        self.is_behind = False
        if self._tick:
            try:
                undone, self.is_behind = close_due_once(conn)
            except DatabaseError as exc:
                if conn.closed:
                    raise
                output.warning(f"tick failed: {exc.message}", detail=exc.detail, hint=exc.hint)
                undone += 1
        if not self._routes:
            return undone
        with database.errors():
            # One session delivers, until it ends; others wait.
            row = conn.execute("SELECT pgslo.watch_deliveries()").fetchone()
            assert row is not None
            if row[0] is not None:
                if not self._stands_by:
                    output.warning(
                        "another watch delivers messages; this one sends none while it does",
                        detail=f"It is {row[0]}.",
                    )
                self._stands_by = True
                return undone + 1
            self._stands_by = False
            write_down(conn, self._routes)
            return undone + deliver(conn, self._routes)


def write_down(conn: Connection, routes: tuple[Route, ...]) -> None:
    """Record due messages, once."""
    since: dict[str, dt.datetime] = {}
    for route in routes:
        row = conn.execute("SELECT pgslo.subscribe(%s)", (route.name,)).fetchone()
        assert row is not None
        since[route.name] = row[0]
    incidents = [
        Incident.of(row) for row in database.fetch(conn, "paged_incidents", {"since": min(since.values())})
    ]
    if not incidents:
        return
    known = [
        Delivery(
            row["delivery_key"],
            row["recipient"],
            row["page"],
            row["event"],
            tuple(row["incidents"]),
            row["queued_at"],
        )
        for row in database.fetch(
            conn, "deliveries", {"pages": list({incident.page for incident in incidents})}
        )
    ]
    clock = conn.execute("SELECT pg_catalog.clock_timestamp()").fetchone()
    assert clock is not None
    for message in notify.decide(incidents, routes, known, since=since, now=clock[0]):
        conn.execute(
            "SELECT pgslo.queue_delivery(%s, %s, %s, %s, %s, %s, %s)",
            (
                message.key,
                message.recipient,
                message.page,
                message.event,
                list(message.incidents),
                message.subject,
                message.body,
            ),
        )


def deliver(conn: Connection, routes: tuple[Route, ...]) -> int:
    """Send unsent messages, each recipient's in their order."""
    by_name = {route.name: route for route in routes}
    failed = 0
    while rows := database.fetch(conn, "pending_deliveries", {"recipients": list(by_name)}):
        for row in rows:
            attempt = conn.execute("SELECT pgslo.begin_delivery(%s)", (row["delivery_id"],)).fetchone()
            if not attempt or attempt[0] is None:
                continue
            error = None
            try:
                _send(conn, by_name[row["recipient"]], row, is_again=attempt[0] > 1)
            except NotifyError as exc:
                error = exc.message
                failed += 1
                output.warning(
                    f"{row['recipient']}: not sent: {row['subject']}: {exc.message}", hint=exc.hint
                )
            else:
                output.message(f"{row['recipient']}: {row['subject']}")
            conn.execute("SELECT pgslo.end_delivery(%s, %s)", (row["delivery_id"], error))
    return failed


def _send(conn: Connection, route: Route, row: dict[str, Any], *, is_again: bool) -> None:
    """Send a message in the format of its route.

    Raises:
        NotifyError: It was not accepted, or could not be tried.
    """
    incidents = database.fetch(conn, "sent_incidents", {"incidents": row["incidents"]})
    if route.format == "text":
        notify.send(
            route.to,
            event=row["event"],
            subject=row["subject"],
            body=row["body"],
            key=row["delivery_key"],
            is_again=is_again,
            link=webhooks.link(route.link, incidents[0]) if incidents else None,
        )
        return
    clock = conn.execute("SELECT pg_catalog.clock_timestamp()").fetchone()
    assert clock is not None
    sent = webhooks.Sent(
        key=row["delivery_key"],
        event=row["event"],
        subject=row["subject"],
        text=row["body"],
        page=row["page"],
        incidents=incidents,
        is_again=is_again,
        at=clock[0],
    )
    if route.format == "json":
        content = webhooks.document(sent, route.link)
    else:
        where = webhooks.Database(conn.info.host, conn.info.port, conn.info.dbname)
        content = webhooks.lineage(sent, where, route.link)
    webhooks.post(notify.resolve(route.to), content, key=sent.key)
