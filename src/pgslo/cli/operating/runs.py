"""``pgslo watch --on healthy-batch``: a command for each new healthy batch of a task, once, and never on an unhealthy one."""

from __future__ import annotations

import collections
import os
import shlex
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import IO

import click

from pgslo import database
from pgslo.cli import output
from pgslo.cli.session import Session, again
from pgslo.cli.tables import rights_on
from pgslo.cli.training.gate import described, judge
from pgslo.database import Connection
from pgslo.errors import DatabaseError, PgsloError

#: How often a running command is written down as running, in seconds.
SIGN_OF_LIFE = 30.0
_KEPT_LINES = 100
_LONGEST_WAIT = 60.0


@dataclass(frozen=True)
class Job:
    """The command that is run for each healthy batch.

    Attributes:
        task: Whose columns have to be healthy.
        command: The command's words.
        retries: How often a batch is tried again after a failure.
        wait: Seconds before the first retry; each later wait is five times as long.
        tick: Whether batches are judged each time.
    """

    task: str
    command: tuple[str, ...]
    retries: int
    wait: int
    tick: bool


def words(command: str) -> tuple[str, ...]:
    """A command line in words, as a shell reads it.

    Raises:
        click.UsageError: It cannot be read, or is empty.
    """
    try:
        found = tuple(shlex.split(command))
    except ValueError as exc:
        raise click.UsageError(f"--run cannot be read: {exc}.") from exc
    if not found:
        raise click.UsageError("--run is empty.")
    return found


def follow(session: Session, job: Job, stop: threading.Event, *, every: int, once: bool) -> int:
    """Run the command for due batches, once or until stopped; a broken connection is opened again.

    Returns:
        How many runs failed; one more if another watch runs the task at the end.
    """
    runner = _Runner(job, stop)
    wait = 0.0
    while True:
        try:
            with session.connect(writes=True) as conn:
                runner.begin(conn)
                wait = 0.0
                while True:
                    runner.round(conn)
                    if once or stop.wait(every):
                        return runner.failed + runner.stands_by
        except DatabaseError as exc:
            if once or not runner.has_begun:
                raise
            wait = min(max(wait * 2, 1.0), _LONGEST_WAIT)
            output.warning(f"{exc.message}; trying again in {wait:.0f} s")
            if stop.wait(wait):
                return runner.failed


@dataclass
class _Ended:
    """How a command ended, until that is written down."""

    run: int
    batch: str
    attempt: int
    exit_code: int | None
    output: str


class _Runner:
    """Runs commands one after another and records the result of each."""

    def __init__(self, job: Job, stop: threading.Event) -> None:
        self.job = job
        self.failed = 0
        self.has_begun = False
        self.stands_by = False
        self._stop = stop
        self._host = socket.gethostname()
        self._ended: _Ended | None = None
        self._said = ""
        self._is_first = False

    def begin(self, conn: Connection) -> None:
        """Find out whether this role may, and since when the task is followed."""
        check_rights(conn)
        with database.errors():
            since = conn.execute("SELECT pgslo.follow_task(%s)", (self.job.task,)).fetchone()
        assert since is not None
        output.message(
            "connected again"
            if self.has_begun
            else f"following {self.job.task} since {since[0]:%Y-%m-%d %H:%M %Z}"
        )
        self.has_begun = True
        self._is_first = False

    def round(self, conn: Connection) -> None:
        """Write down what ended, then run whatever is due."""
        if self._ended is not None:
            self._write_down(conn)
        if self.job.tick:
            judge(conn)
        if not self._is_first:
            with database.errors():
                # One session runs the task, until it ends; others wait.
                row = conn.execute("SELECT pgslo.watch_task(%s)", (self.job.task,)).fetchone()
            assert row is not None
            self._is_first = row[0] is None
            if not self._is_first:
                self._tell(f"another watch runs this task, {row[0]}; standing by")
                self.stands_by = True
                return
            self.stands_by = False
        self._give_up_lost_runs(conn)
        while not self._stop.is_set():
            with database.errors():
                row = conn.execute(
                    "SELECT task_run_id, batch, attempt FROM pgslo.begin_run(%s, %s, %s)",
                    (self.job.task, self._host, os.getpid()),
                ).fetchone()
            if row is None or row[0] is None:
                self._tell_why(conn)
                return
            self._said = ""
            self._run(conn, *row)

    def _tell(self, *lines: str) -> None:
        """Say something when it is news."""
        text = "\n".join(lines)
        if text != self._said:
            self._said = text
            for line in lines:
                output.message(line)

    def _tell_why(self, conn: Connection) -> None:
        """Say what keeps batches from being run, if there are any."""
        with database.errors():
            points = database.fetch(conn, "readiness", {"task": self.job.task})
        missing = [
            point for point in points if not point["is_ready"] and point["about"] in ("column", "table")
        ]
        if missing:
            self._tell("not run:", *(f"  {described(point)}" for point in missing))

    def _give_up_lost_runs(self, conn: Connection) -> None:
        """Free batches whose watch ended before their command did: they are tried again."""
        for row in database.fetch(conn, "running", {"task": self.job.task}):
            here = row["host"] == self._host
            lost = not _lives(row["process_id"]) if here else row["is_silent"]
            if lost:
                output.warning(
                    f"batch {row['batch']}: the watch that ran it ended before the command did; it is tried again",
                    detail=f"Attempt {row['attempts']}, process {row['process_id']} on {row['host']}.",
                )
                self._end(conn, _Ended(row["task_run_id"], row["batch"], row["attempts"], None, ""))

    def _run(self, conn: Connection, run: int, batch: str, attempt: int) -> None:
        again = f", attempt {attempt}" if attempt > 1 else ""
        output.message(f"batch {batch}{again}: {shlex.join(self.job.command)}")
        environment = os.environ | {
            "PGSLO_TASK": self.job.task,
            "PGSLO_BATCH": batch,
            "PGSLO_RUN": str(run),
            "PGSLO_ATTEMPT": str(attempt),
        }
        kept: collections.deque[str] = collections.deque(maxlen=_KEPT_LINES)
        try:
            # In a session of its own: Ctrl-C ends the watch after the command, and not the command.
            process = subprocess.Popen(
                self.job.command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
        except OSError as exc:
            reason = f"cannot be started: {(exc.strerror or str(exc)).lower()}"
            self._ended = _Ended(run, batch, attempt, 127, reason)
            output.warning(f"batch {batch}: {self.job.command[0]} {reason}")
            self._write_down(conn)
            return
        assert process.stdout is not None
        reader = threading.Thread(target=_echo, args=(process.stdout, kept), daemon=True)
        reader.start()
        self._wait(conn, process, run)
        # Something that it left behind may hold the pipe open.
        reader.join(timeout=5)
        self._ended = _Ended(run, batch, attempt, process.returncode, "".join(kept))
        self._write_down(conn)

    def _wait(self, conn: Connection, process: subprocess.Popen[str], run: int) -> None:
        """Wait for the command, saying now and then that it runs; that must not end when the server goes away."""
        next_sign = time.monotonic() + SIGN_OF_LIFE
        is_told = False
        while True:
            try:
                process.wait(timeout=0.5)
            except subprocess.TimeoutExpired:
                pass
            else:
                return
            if self._stop.is_set() and not is_told:
                output.message("stopping when the command has ended")
                is_told = True
            if time.monotonic() >= next_sign and not conn.closed:
                next_sign += SIGN_OF_LIFE
                try:
                    with database.errors():
                        conn.execute("SELECT pgslo.see_run(%s)", (run,))
                except DatabaseError as exc:
                    output.warning(f"{exc.message}; the command goes on")

    def _write_down(self, conn: Connection) -> None:
        """Write down how a run ended; kept and written later if the connection was lost."""
        assert self._ended is not None
        ended = self._ended
        self._end(conn, ended)
        self._ended = None

    def _end(self, conn: Connection, ended: _Ended) -> None:
        with database.errors():
            row = conn.execute(
                "SELECT pgslo.end_run(%s, %s, %s, %s, %s * interval '1 second')",
                (
                    ended.run,
                    ended.exit_code,
                    ended.output,
                    self.job.retries,
                    self.job.wait if ended.exit_code is not None else 0,
                ),
            ).fetchone()
        state = row[0] if row else None
        if ended.exit_code == 0:
            output.message(f"batch {ended.batch}: done")
            return
        self.failed += ended.exit_code is not None
        if ended.exit_code is not None:
            how = f"exit code {ended.exit_code}" if ended.exit_code >= 0 else f"signal {-ended.exit_code}"
            then = (
                f"trying again in {self.job.wait * 5 ** min(ended.attempt - 1, 6)} s"
                if state == "waiting"
                else f"not tried again after {output.counted(ended.attempt, 'attempt')}"
            )
            output.warning(f"batch {ended.batch}: failed with {how}; {then}")
        elif state == "failed":
            output.warning(
                f"batch {ended.batch}: not tried again after {output.counted(ended.attempt, 'attempt')}"
            )


def _echo(stream: IO[str], kept: collections.deque[str]) -> None:
    """Show what a command prints, and keep its end."""
    with stream:
        for line in stream:
            kept.append(line)
            output.message(f"  | {line.rstrip()}")


def _lives(process_id: int | None) -> bool:
    """Whether another process of this machine has this number; our own never means a run that we know nothing of."""
    if process_id is None or process_id == os.getpid():
        return False
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def check(task: str | None, run: str | None, *, is_on: bool) -> None:
    """Refuse options that do not go together.

    Raises:
        click.UsageError: One is missing, or has no meaning.
    """
    if is_on and (task is None or run is None):
        raise click.UsageError("--on healthy-batch requires --task and --run.")
    if not is_on and (task is not None or run is not None):
        raise click.UsageError("--task and --run go with --on healthy-batch.")


def check_rights(conn: Connection) -> None:
    """Refuse a role that may not follow a task.

    Raises:
        PgsloError: It lacks a right.
    """
    rights = rights_on(conn)
    if not rights["may_run"]:
        raise PgsloError(
            f"role {rights['role']} may not follow tasks", hint=again(f"grants trainer {rights['role']}")
        )
