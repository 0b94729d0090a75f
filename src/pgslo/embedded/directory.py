"""The files of a server's directory beside its data: its password, its log, its lock, its description."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

_LOG_TAIL_BYTES = 2_000


class PidFile(NamedTuple):
    """What a server says of itself in ``postmaster.pid``."""

    pid: int
    port: int
    ready: bool

    @classmethod
    def read(cls, data: Path) -> PidFile | None:
        """Return ``None`` without one, or if it is half written."""
        try:
            lines = (data / "postmaster.pid").read_text().splitlines()
            return cls(pid=int(lines[0]), port=int(lines[3]), ready=lines[7].strip() == "ready")
        except (FileNotFoundError, IndexError, ValueError):
            return None


def new_password(directory: Path) -> str:
    """Make up a password and write it where initdb reads it."""
    password = secrets.token_urlsafe(24)
    path = directory / "password"
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(password)
    return password


def open_log(directory: Path) -> IO[bytes]:
    """Open the log, which only its owner reads, to add to it."""
    return os.fdopen(os.open(directory / "log", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "a+b")


def log_size(log: IO[bytes]) -> int:
    """Return how many bytes the log has: where the next line will start."""
    return os.fstat(log.fileno()).st_size


def log_tail(log: IO[bytes], start: int = 0) -> str:
    """Return the last lines of the log, none from before byte ``start``."""
    start = max(start, log_size(log) - _LOG_TAIL_BYTES)
    return os.pread(log.fileno(), _LOG_TAIL_BYTES, start).decode(errors="replace").strip()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock: two starts at once make one server."""
    import fcntl  # POSIX only

    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
