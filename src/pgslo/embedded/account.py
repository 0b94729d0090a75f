"""The account of the server, and how a command is run as that account.

PostgreSQL refuses to run as root: root's server runs as an account without privileges that the system has
already.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from pathlib import Path
from typing import IO, Any, NamedTuple

from pgslo.errors import EmbeddedError


class Account(NamedTuple):
    """An account of the operating system without privileges."""

    name: str
    uid: int
    gid: int

    def runs(self, *command: str | Path) -> bool:
        """Let the kernel judge, which knows of access lists and mounts, what this account can do."""
        with Path(os.devnull).open("r+b") as nothing:
            try:
                return subprocess.run(command, check=False, **run_as(self, nothing)).returncode == 0
            except PermissionError:
                return False

    def enters(self, directory: Path) -> bool:
        """Say whether this account may pass through the directory."""
        return self.runs("/bin/sh", "-c", 'cd -- "$0"', directory)


def server_account() -> Account | None:
    """Return who must run the server: ``None`` for the user who runs this, unless that is root."""
    if os.name != "posix":
        raise EmbeddedError(
            "the private PostgreSQL server needs a POSIX system",
            hint="Use docker compose, or give the DSN of a server of your own.",
        )
    if os.geteuid() != 0:
        return None
    import pwd  # POSIX only

    for name in ("postgres", "nobody"):  # the one made for this first
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedError(
        "no account to run PostgreSQL as",
        detail='PostgreSQL does not run as root, and there is neither "postgres" nor "nobody".',
        hint="Run this as a user other than root.",
    )


def give(path: Path, account: Account | None) -> None:
    """Make a file or a whole folder the account's."""
    if account is None:
        return
    os.chown(path, account.uid, account.gid, follow_symlinks=False)
    if path.is_dir() and not path.is_symlink():
        for child in path.iterdir():
            give(child, account)


def temporary_folder(account: Account | None) -> Path:
    """Return the folder for temporary files that the account can enter; root's own may be closed to it."""
    if account is None:
        return Path(tempfile.gettempdir())
    folders = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]  # noqa: S108 - only for mkdtemp
    for folder in folders:
        if account.enters(folder):
            return folder
    raise EmbeddedError(f"account {account.name} can enter none of {', '.join(map(str, folders))}")


def run_as(account: Account | None, log: IO[bytes]) -> dict[str, Any]:
    """Return how every command here is run: its account, its environment, with its output in the log."""
    manner: dict[str, Any] = {
        "cwd": "/",  # the caller's may be closed to the account, or be removed
        "env": _environment(),
        "stdout": log,
        "stderr": log,
        "start_new_session": True,  # the terminal's Ctrl-C is for us, not for the server
        "umask": 0o077,
    }
    if account is not None:
        manner |= {"user": account.uid, "group": account.gid, "extra_groups": []}
    return manner


def _environment() -> dict[str, str]:
    passed_on = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")  # what binaries need to be found and to load
    return {name: os.environ[name] for name in passed_on if name in os.environ} | {"HOME": "/", "LC_ALL": "C"}
