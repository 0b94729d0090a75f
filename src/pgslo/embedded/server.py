"""A server from its start to its end: the throwaway one of this process, and the one that is kept."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import IO
from urllib.parse import quote

from pgslo.embedded import process
from pgslo.embedded.account import Account, give, run_as, server_account, temporary_folder
from pgslo.embedded.binaries import HOST, SUPERUSER, Binaries
from pgslo.embedded.directory import PidFile, locked, log_tail, new_password, open_log
from pgslo.errors import EmbeddedError

_CLEARED_SECONDS = 5.0
#: Before PostgreSQL 15 a process may wait for statistics, twice ten seconds, before it sees that its server was killed.
_LET_GO_SECONDS = 30.0
#: PostgreSQL's message then; it is English by an option of initdb.
_STILL_THERE = "pre-existing shared memory block"
_NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class Server:
    """A running server.

    Attributes:
        directory: Its own folder: ``data/`` (PGDATA), ``log``, ``password``.
        port: TCP port on 127.0.0.1.
        version: What ``postgres --version`` calls itself, for example ``18.6``.
        pid: Process id of the postmaster.
        password: The superuser's.
    """

    directory: Path
    port: int
    version: str
    pid: int
    password: str = field(repr=False)
    _child: process.Bound | None = field(default=None, repr=False)

    def dsn(self, database: str = "postgres", *, password: bool = True) -> str:
        """Return a connection URI for ``database`` as the superuser; without ``password`` it may be shown."""
        user = f"{SUPERUSER}:{quote(self.password, safe='')}" if password else SUPERUSER
        return f"postgresql://{user}@{HOST}:{self.port}/{quote(database, safe='')}"

    def stop(self) -> None:
        """Stop the server; a throwaway server's directory goes with it. A second call does nothing.

        Raises:
            EmbeddedError: A kept server did not stop in time.
        """
        if self._child is None:
            stop(self.directory)
        elif self._child.is_ours():  # a forked child has this object too, but not the server
            atexit.unregister(self.stop)
            self._child.end()
            shutil.rmtree(self.directory, ignore_errors=True)


@contextlib.contextmanager
def serve(*, settings: Mapping[str, str] = _NO_SETTINGS) -> Iterator[Server]:
    """Run a throwaway server for the length of a ``with`` block.

    Args:
        settings: Server settings as in ``postgresql.conf``, for example ``{"fsync": "off"}``.

    Raises:
        EmbeddedError: No PostgreSQL was found, or it did not start.
    """
    server = start(settings=settings)
    try:
        yield server
    finally:
        server.stop()


def start(directory: Path | None = None, *, settings: Mapping[str, str] = _NO_SETTINGS) -> Server:
    """Start a server and return once it takes connections.

    Args:
        directory: The directory of a kept server; it is made when missing, and a server that already runs there is
            returned as it is. ``None`` starts a throwaway server.
        settings: Server settings as in ``postgresql.conf``. They are given on the command line, so
            ``ALTER SYSTEM`` cannot change them, and a kept server has them until it stops.

    Raises:
        EmbeddedError: No PostgreSQL was found, or it did not start.
    """
    account = server_account()
    try:
        if directory is None:
            return _start_throwaway(account, settings)
        return _start_kept(directory, account, settings)
    except (OSError, subprocess.SubprocessError) as exc:
        raise EmbeddedError("cannot start PostgreSQL", detail=f"{exc}.") from exc


def stop(directory: Path) -> bool:
    """Stop the kept server in ``directory`` and say whether one was running.

    Open sessions are ended and their transactions rolled back; committed data are written out first.

    Raises:
        EmbeddedError: The server is another user's, or did not stop in time.
    """
    server = running(directory)
    if server is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(server.pid, signal.SIGINT)
    data = server.directory / "data"
    if not process.until(lambda: not process.serves(server.pid, data), seconds=process.STOP_SECONDS):
        raise EmbeddedError(
            f"PostgreSQL did not stop within {process.STOP_SECONDS:.0f} seconds",
            detail=f"Process {server.pid} is still there; its log is {server.directory / 'log'}.",
        )
    return True


def running(directory: Path) -> Server | None:
    """Return the kept server that runs in ``directory``, or ``None``.

    Raises:
        EmbeddedError: The directory is another user's.
    """
    directory = directory.resolve()
    try:
        found = PidFile.read(directory / "data")
        if found is None or not process.serves(found.pid, directory / "data"):
            return None
        return Server(
            directory=directory,
            port=found.port,
            version=(directory / "version").read_text(),
            pid=found.pid,
            password=(directory / "password").read_text(),
        )
    except PermissionError as exc:
        raise EmbeddedError(f"{directory} belongs to another user", detail=f"{exc}.") from exc


def kept_directory() -> Path:
    """Return the default directory of this user's kept server.

    That is the XDG data home. Root's is mostly closed to the account that must run root's server, which then
    is under ``/var/lib``.
    """
    account = server_account()
    home = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    if account is not None:
        existing = next(folder for folder in (home, *home.parents) if folder.exists())
        if not account.enters(existing):
            home = Path("/var/lib")
    return home / "pgslo" / "server"


# --- the two kinds of server


def _start_throwaway(account: Account | None, settings: Mapping[str, str]) -> Server:
    directory = Path(tempfile.mkdtemp(prefix="pgslo-", dir=temporary_folder(account))).resolve()
    data = directory / "data"
    try:
        binaries = Binaries.find().readable_by(account, copies=directory)
        password = new_password(directory)
        with open_log(directory) as log:
            # Given away, it may hold links of the account's making: root writes nothing there from now on.
            give(directory, account)
            command = binaries.initdb(directory, data)
            initdb = process.Bound(command, account, log, directory=directory, ends_by="TERM")
            try:
                _check_initdb(initdb.wait(), log)
            finally:
                initdb.end()
            child, found = process.launch(
                partial(process.Bound, account=account, log=log, directory=directory, ends_by="QUIT"),
                partial(binaries.postgres, data, settings=settings),
                ports=process.ports(),
                data=data,
                log=log,
            )
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    server = Server(directory, found.port, binaries.version, found.pid, password, child)
    atexit.register(server.stop)
    return server


def _start_kept(directory: Path, account: Account | None, settings: Mapping[str, str]) -> Server:
    directory = directory.resolve()
    _claim(directory, account)
    data = directory / "data"
    with locked(directory / "lock"), open_log(directory) as log:
        if (already := running(directory)) is not None:
            return already
        if (crashed := PidFile.read(data)) is not None:
            # PostgreSQL will not start beside it; the system takes a moment to clear it away.
            process.until(lambda: not process.exists(crashed.pid), seconds=_CLEARED_SECONDS)
        major = (data / "PG_VERSION").read_text().strip() if data.exists() else None
        binaries = Binaries.find(major=major).readable_by(account, copies=directory)
        if major is None:
            _initialise_kept(directory, binaries, account, log)
        (directory / "version").write_text(binaries.version)
        # People write the port into their settings: it is the same from start to start, unless it was taken.
        port = directory / "port"
        found = _launch_detached(
            partial(process.Detached, account=account, log=log, data=data),
            partial(binaries.postgres, data, settings=settings),
            port=int(port.read_text()) if port.exists() else None,
            data=data,
            log=log,
        )
        port.write_text(str(found.port))
    started = running(directory)
    if started is None:
        raise EmbeddedError("PostgreSQL started and ended again", detail=f"Its log is {directory / 'log'}.")
    return started


def _launch_detached(
    start: Callable[[list[str]], process.Child],
    command: Callable[[int], list[str]],
    *,
    port: int | None,
    data: Path,
    log: IO[bytes],
) -> PidFile:
    """Start it, again while sessions of a server that was killed are still on their way out: they hold its memory."""
    until = time.monotonic() + _LET_GO_SECONDS
    while True:
        try:
            return process.launch(start, command, ports=process.ports(first=port), data=data, log=log)[1]
        except EmbeddedError as exc:
            if _STILL_THERE not in (exc.detail or "") or time.monotonic() > until:
                raise
            time.sleep(0.2)


def _claim(directory: Path, account: Account | None) -> None:
    """Make the directory of a kept server, or make sure that it is one.

    Root keeps it and gives away ``data/`` alone, so that the account cannot trick root into writing
    elsewhere; the account only passes through.
    """
    try:
        directory.mkdir(parents=True)
        directory.chmod(0o700 if account is None else 0o711)
    except FileExistsError:
        pass
    if directory.stat().st_uid != os.geteuid():  # root, too, would follow links that their owner put there
        raise EmbeddedError(f"{directory} belongs to another user")
    names = {path.name for path in directory.iterdir()}
    if names and "lock" not in names:  # the lock is the first file made
        raise EmbeddedError(
            f"{directory} is not the directory of a pgslo server",
            hint="Choose a directory that is empty or does not exist.",
        )
    if account is not None and not account.enters(directory):
        raise EmbeddedError(
            f"PostgreSQL cannot run in {directory}",
            detail=f"It does not run as root, and account {account.name} may not enter that directory.",
            hint="Choose a directory that everyone may pass through, or run this as a user other than root.",
        )


def _initialise_kept(directory: Path, binaries: Binaries, account: Account | None, log: IO[bytes]) -> None:
    """Make ``data/`` whole or not at all, so that an interrupted initdb is done again at the next start."""
    unfinished = directory / "data.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    new_password(directory)
    give(unfinished, account)
    give(directory / "password", account)
    command = binaries.initdb(directory, unfinished)
    done = subprocess.run(command, check=False, timeout=process.START_SECONDS, **run_as(account, log))
    _check_initdb(done.returncode, log)
    unfinished.rename(directory / "data")


def _check_initdb(status: int, log: IO[bytes]) -> None:
    if status != 0:
        raise EmbeddedError("PostgreSQL could not make its data directory", detail=log_tail(log))
