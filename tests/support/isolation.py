"""Two sessions whose steps are run in a given order: waits, refusals, and their errors."""

from __future__ import annotations

import itertools
import select
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psycopg
import yaml
from psycopg import pq

Who = Literal["a", "b"]
Order = tuple[Who, ...]
LEVELS = {"rc": "READ COMMITTED", "rr": "REPEATABLE READ", "ser": "SERIALIZABLE"}
#: How long a step may run before it is asked whether it waits for the other session, in seconds.
_SOON = 0.004
_NEVER = 20.0


@dataclass(frozen=True)
class Spec:
    """Two sessions and an assertion; see ``tests/isolation/README.md``."""

    name: str
    assertion: str
    setup: str
    steps: dict[Who, tuple[str, ...]]
    broken: str
    native: bool

    @classmethod
    def read(cls, path: Path) -> Spec:
        stated = yaml.safe_load(path.read_text(encoding="utf-8"))
        return cls(
            path.stem,
            stated["assertion"],
            stated.get("setup", ""),
            {"a": tuple(stated["a"]), "b": tuple(stated["b"])},
            stated["broken"],
            stated.get("native", False),
        )

    def orders(self) -> Iterator[Order]:
        """Every order of the steps of both: each session begins, writes and commits."""
        counts = {who: len(steps) + 2 for who, steps in self.steps.items()}
        places = range(sum(counts.values()))
        for chosen in itertools.combinations(places, counts["a"]):
            yield tuple("a" if place in chosen else "b" for place in places)

    def closest(self) -> Iterator[Order]:
        """Those in which both have begun, ``a`` first, and written before either commits."""
        last = {who: len(steps) + 2 for who, steps in self.steps.items()}
        for order in self.orders():
            first_commit = next(n for n, who in enumerate(order) if order[: n + 1].count(who) == last[who])
            rest = order[first_commit:]
            if set(rest[1:]) <= {"a"} or set(rest[1:]) <= {"b"}:
                other: Who = "b" if order[first_commit] == "a" else "a"
                done = order[:first_commit].count(other)
                if done == last[other] - 1 and order[:2] == ("a", "b"):
                    yield order


def shown(order: Order) -> str:
    """An order as it is written down: ``a b a b a b``."""
    return " ".join(order)


class _Session:
    """A connection whose statements are sent without waiting for their outcome."""

    def __init__(self, dsn: str) -> None:
        self.conn = psycopg.connect(dsn, autocommit=True)
        # Who waits in a circle should not wait for long.
        self.conn.execute("SET deadlock_timeout = '30ms'")
        self.conn.execute("SET client_min_messages = error")
        self.pgconn = self.conn.pgconn
        self.error: str | None = None
        self.running = False

    def send(self, text: str) -> None:
        self.pgconn.send_query(text.encode())
        self.running = True

    def wait(self, seconds: float) -> bool:
        """Whether the sent statements finish within a number of seconds."""
        until = time.monotonic() + seconds
        while self.running:
            self.pgconn.consume_input()
            if not self.pgconn.is_busy():
                while (result := self.pgconn.get_result()) is not None:
                    if result.status == pq.ExecStatus.FATAL_ERROR:
                        code = result.error_field(pq.DiagnosticField.SQLSTATE)
                        self.error = self.error or (code or b"").decode()
                self.running = False
                break
            left = until - time.monotonic()
            if left <= 0:
                return False
            select.select([self.pgconn.socket], [], [], left)
        return True


class Stage:
    """A database on which orders of a spec are run, one after the other."""

    def __init__(self, dsn: str, spec: Spec) -> None:
        self._spec = spec
        self._control = psycopg.connect(dsn, autocommit=True)
        self._sessions: dict[Who, _Session] = {"a": _Session(dsn), "b": _Session(dsn)}

    def close(self) -> None:
        for session in self._sessions.values():
            session.conn.close()
        self._control.close()

    def run(self, order: Order, levels: Sequence[str]) -> tuple[str, list[Any]]:
        """Run the steps in that order, as far as no session waits.

        Returns:
            The outcomes of the sessions, and rows that violate the assertion at some time after a commit.
        """
        self._control.execute(
            "SET session_replication_role = replica; TRUNCATE ml.here, ml.there, ml.parent RESTART IDENTITY;"
            + self._spec.setup
            + "; RESET session_replication_role"
        )
        scripts: dict[Who, list[str]] = {
            who: [
                f"BEGIN ISOLATION LEVEL {LEVELS[level]}; SELECT count(*) FROM ml.here",
                *self._spec.steps[who],
                "COMMIT",
            ]
            for who, level in zip(self._sessions, levels, strict=True)
        }
        for session in self._sessions.values():
            session.error = None
        breaches: list[Any] = []
        left = list(order)
        waits = False
        while left:
            # Who waits does nothing; whoever is next and does not wait goes on.
            who = next((one for one in left if not self._sessions[one].running), None)
            if who is None:
                self._finish(left[0])
                continue
            left.remove(who)
            self._sessions[who].send(scripts[who].pop(0))
            waits |= not self._done_or_waiting(who)
            for session in self._sessions.values():
                session.wait(0)
            if not scripts[who]:
                breaches += self._control.execute(self._spec.broken.encode()).fetchall()
        for who in self._sessions:
            self._finish(who)
        breaches += self._control.execute(self._spec.broken.encode()).fetchall()
        told = ", ".join(f"{who} {session.error or 'commits'}" for who, session in self._sessions.items())
        return told + (" (one waits)" if waits else ""), breaches

    def _done_or_waiting(self, who: Who) -> bool:
        """Whether a step is done, or ``False`` as soon as it waits for the other session."""
        session = self._sessions[who]
        until = time.monotonic() + _NEVER
        while time.monotonic() < until:
            if session.wait(_SOON):
                return True
            row = self._control.execute(
                "SELECT cardinality(pg_blocking_pids(%s)) > 0", (session.conn.info.backend_pid,)
            ).fetchone()
            if row == (True,) and not session.wait(0):
                return False
        raise AssertionError(f"{who} neither ends nor waits")

    def _finish(self, who: Who) -> None:
        if not self._sessions[who].wait(_NEVER):
            raise AssertionError(f"{who} waits for ever")
