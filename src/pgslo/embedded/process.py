"""The server's process: started on a free port, bound to the life of this process or detached from it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, ClassVar, Protocol, TypeVar
from weakref import WeakSet

from pgslo.embedded.account import Account, run_as
from pgslo.embedded.binaries import HOST
from pgslo.embedded.directory import PidFile, log_size, log_tail
from pgslo.errors import EmbeddedError

START_SECONDS = 60.0
STOP_SECONDS = 30.0
_PORT_TRIES = 10


class Child(Protocol):
    """A server process that was started, but may not be ready."""

    @property
    def pid(self) -> int | None:
        """Process id of the postmaster, when it is known before the server says so."""

    def is_alive(self) -> bool:
        """Say whether it has not ended yet."""

    def end(self) -> None:
        """End it, if it is still running."""


class Bound:
    """A command that cannot outlive this process.

    A shell is between us and it, and holds the reading end of a pipe. Only this process holds the other
    end. When it is closed, on purpose or because this process died of whatever cause, the shell ends the
    command and removes its directory: ending well and ending badly take the same way.

    PR_SET_PDEATHSIG would not do: Linux alone has it, and it fires when the *thread* ends that started the
    child.
    """

    # $1 ends the command, $2 is the directory, which stays for us to read if the command ends on its own.
    _SCRIPT = """
    signal=$1 directory=$2; shift 2
    exec 3<&0 </dev/null
    "$@" 3<&- &
    command=$!
    (read -r _ <&3; kill -s "$signal" "$command"; exit 0) &
    watch=$!
    exec 3<&-
    wait "$command"; status=$?
    kill "$watch" 2>/dev/null
    if wait "$watch"; then cd / && rm -rf -- "$directory"; fi
    exit "$status"
    """

    _all: ClassVar[WeakSet[Bound]] = WeakSet()

    def __init__(
        self, command: list[str], account: Account | None, log: IO[bytes], *, directory: Path, ends_by: str
    ) -> None:
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", self._SCRIPT, "pgslo", ends_by, str(directory), *command],
            stdin=subprocess.PIPE,
            **run_as(account, log),
        )
        self._parent = os.getpid()
        self._all.add(self)

    pid = None  # the shell's is known, the postmaster's is not

    def is_ours(self) -> bool:
        """Say whether this process started it: a forked child has this object, but not the command."""
        return self._parent == os.getpid()

    def is_alive(self) -> bool:
        """Say whether the command, or what clears up after it, goes on."""
        return self._shell.poll() is None

    def wait(self) -> int:
        """Wait for the end of the command and return its exit status."""
        return self._shell.wait(START_SECONDS)

    def end(self) -> None:
        """End the command and wait until its directory is removed; if that takes too long, kill it."""
        self.close()
        try:
            self._shell.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(
                    self._shell.pid, signal.SIGKILL
                )  # its backends notice the end of the postmaster, and end
            self._shell.wait()

    def close(self) -> None:
        """Let go of the lifeline, without waiting for what follows."""
        if self._shell.stdin is not None:
            self._shell.stdin.close()

    @classmethod
    def let_go(cls) -> None:
        """In a forked child, drop the copies of the lifelines that would keep a dead parent's servers."""
        for bound in list(cls._all):
            bound.close()


if hasattr(os, "register_at_fork"):  # POSIX
    os.register_at_fork(after_in_child=Bound.let_go)


class Detached:
    """A command that goes on when this process ends."""

    def __init__(self, command: list[str], account: Account | None, log: IO[bytes], *, data: Path) -> None:
        # The shell ends at once, so the server is not a child of this process and never a zombie.
        script = '"$@" </dev/null >&2 & echo $!'
        manner = run_as(account, log) | {"stdout": subprocess.PIPE}
        shell = subprocess.run(["/bin/sh", "-c", script, "pgslo", *command], check=True, **manner)
        self.pid = int(shell.stdout)
        self._data = data

    def is_alive(self) -> bool:
        """Say whether the server goes on."""
        # One look is not enough: in the middle of exec a process has no command line to show.
        return until(lambda: serves(self.pid, self._data), seconds=0.1)

    def end(self) -> None:
        """End the server at once; it recovers at its next start."""
        if self.is_alive():
            os.kill(self.pid, signal.SIGQUIT)


_C = TypeVar("_C", bound="Child")


def launch(
    spawn: Callable[[list[str]], _C],
    command: Callable[[int], list[str]],
    *,
    ports: Iterator[int],
    data: Path,
    log: IO[bytes],
) -> tuple[_C, PidFile]:
    """Start a server, trying the next port whenever another process took one first."""
    for port in ports:
        log_start = log_size(log)
        child = spawn(command(port))
        try:
            found = _wait_until_settled(child, data)
        except BaseException:
            child.end()
            raise
        if found is not None:
            return child, found
        child.end()
        said = log_tail(log, log_start)
        if "could not bind" not in said:
            raise EmbeddedError("PostgreSQL did not start", detail=said)
    raise EmbeddedError(f"PostgreSQL found no free port in {_PORT_TRIES} tries")


def _wait_until_settled(child: Child, data: Path) -> PidFile | None:
    """Wait until the server takes connections, or has ended: then return ``None``."""
    found = None

    def settled() -> bool:
        nonlocal found
        state = PidFile.read(data)
        found = state if state and state.ready and child.pid in {None, state.pid} else None
        return found is not None or not child.is_alive()

    if not until(settled, seconds=START_SECONDS):
        raise EmbeddedError(f"PostgreSQL did not start within {START_SECONDS:.0f} seconds")
    return found


def ports(first: int | None = None) -> Iterator[int]:
    """Yield TCP ports that are free at this moment; another process may still be faster to take one."""
    if first is not None:
        yield first
    for _ in range(_PORT_TRIES):
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port: int = probe.getsockname()[1]
        yield port


def serves(pid: int, data: Path) -> bool:
    """Say whether ``pid`` is the server of ``data``: after a crash another process may have the number."""
    if Path("/proc/self/cmdline").exists():
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return False
    else:
        ps = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
        command = subprocess.run(ps, capture_output=True, check=False).stdout
    return os.fsencode(data) in command


def exists(pid: int) -> bool:
    """Say whether ``pid`` is taken, in PostgreSQL's eyes, by a server of this account; a zombie counts."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def until(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Wait until the condition holds; ``False`` if it did not in that time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
