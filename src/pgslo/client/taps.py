"""Hooks in a psycopg connection, which collect its warnings and state in the session that they are shown."""

from __future__ import annotations

import inspect
import re
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import psycopg
from psycopg import generators
from psycopg.pq import ConnStatus, TransactionStatus

from pgslo import naming
from pgslo.client.callers import CARRIERS, RUNNERS, caller_outside, issue
from pgslo.client.messages import Reaction, SLOBreach, SLOWarning

if TYPE_CHECKING:
    from pgslo.client.watching import Watch

Connection: TypeAlias = "psycopg.Connection[Any] | psycopg.AsyncConnection[Any]"

#: ``on_read: insist`` refuses sessions without this setting.
_HEAR = b"SET pgslo.heard = 'on'"
_HEAR_NOW = b"SET LOCAL pgslo.heard = 'on'"
_DO_NOT_HEAR = b"RESET pgslo.heard"
#: Statements after which the setting is lost, also when they are sent by a pool.
_RESETTING = re.compile(r"\b(DISCARD\s+ALL|RESET\s+(ALL|pgslo\.heard))\b", re.IGNORECASE)
_LONGEST_RESET = 200
#: Servers that pose as older ones (consoles of poolers, for example) do not know the setting.
_OLDEST = 140000


class Tap:
    """Hooks of pgslo in one psycopg connection, shared by all watches of it.

    psycopg calls notice handlers in the middle of a statement and logs their exceptions instead of raising them.
    So the handler only collects, and ``wait``, through which every exchange with the server goes, reacts
    when it is over: early enough that an exception keeps the rows from the caller. It runs under the
    connection's lock, so the callables wait until that is released.

    The session learns that warnings are shown before the first exchange outside a transaction, and again after it was
    reset: a setting made inside a transaction would be lost by its rollback.
    """

    def __init__(self, connection: Connection) -> None:
        self.watches: list[Watch] = []
        self._connection = weakref.ref(connection)
        self._fresh: list[SLOWarning] = []
        self._seen: set[object] = set()
        self._stopped = False  # by an exception of ours: psycopg reads and drops the rest of the statement
        self._calls: list[Callable[[], object]] = []
        self._heard = False  # the session has the setting
        self._heard_now = False  # the transaction has it

    def install(self, connection: Connection) -> None:
        """Hook into the connection; under :data:`hooking`."""
        connection.add_notice_handler(self._collect)
        is_async = isinstance(connection, psycopg.AsyncConnection)
        vars(connection)["wait"] = self._wait_async if is_async else self._wait
        vars(connection)["lock"] = _Lock(connection.lock, self)

    def uninstall(self, connection: Connection) -> None:
        """Leave the connection; under :data:`hooking`."""
        connection.remove_notice_handler(self._collect)
        vars(connection)["lock"] = vars(connection)["lock"].inner
        if not self._heard:
            # Else it goes with the next exchange, which takes the setting back.
            vars(connection).pop("wait")

    def _collect(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        if diagnostic.sqlstate in (naming.OBJECTIVE_MISSED, naming.NOT_JUDGED) and not self._stopped:
            warning = SLOWarning.from_diagnostic(diagnostic)
            if warning.cause not in self._seen:
                self._seen.add(warning.cause)
                self._fresh.append(warning)

    def _wait(self, exchange: Any, *args: Any, **kwargs: Any) -> Any:
        connection: Any = self._connection()
        wait = type(connection).wait
        if setting := self._setting_due(connection):
            wait(connection, _send(connection.pgconn, setting))
        if not self.watches:
            return wait(connection, exchange, *args, **kwargs)
        with self._reacting(connection, exchange):
            return wait(connection, exchange, *args, **kwargs)

    async def _wait_async(self, exchange: Any, *args: Any, **kwargs: Any) -> Any:
        connection: Any = self._connection()
        wait = type(connection).wait
        if setting := self._setting_due(connection):
            await wait(connection, _send(connection.pgconn, setting))
        if not self.watches:
            return await wait(connection, exchange, *args, **kwargs)
        with self._reacting(connection, exchange):
            return await wait(connection, exchange, *args, **kwargs)

    def _setting_due(self, connection: Connection) -> bytes | None:
        """The statement that brings the session's setting up to date, when one is due and can be sent now."""
        if self._heard and self.watches:
            return None
        pgconn = connection.pgconn
        if pgconn.status != ConnStatus.OK or pgconn.pipeline_status:
            return None
        status = pgconn.transaction_status
        if status == TransactionStatus.IDLE:
            self._heard_now = False
            if not self.watches:
                vars(connection).pop("wait")
                return _DO_NOT_HEAR
            self._heard = True
            return _HEAR if pgconn.server_version >= _OLDEST else None
        if status == TransactionStatus.INTRANS and self.watches and not self._heard_now:
            self._heard_now = True
            return _HEAR_NOW if pgconn.server_version >= _OLDEST else None
        return None

    @contextmanager
    def _reacting(self, connection: Connection, exchange: object) -> Iterator[None]:
        before = connection.pgconn.transaction_status
        # Else the exchange goes on with the last one's statement: a stream, a COPY or a pipeline. In a pipeline
        # other statements follow one that was stopped.
        if before != TransactionStatus.ACTIVE or (self._stopped and connection.pgconn.pipeline_status):
            self._seen.clear()
            self._stopped = False
        resets = _resets(exchange)
        try:
            yield
        except BaseException as error:
            if getattr(error, "sqlstate", None) == naming.READ_REFUSED:
                # Behind a pooler the session may be another one than that which has the setting.
                self._heard = False
            try:
                self._react()
            except (SLOBreach, SLOWarning) as beside:
                error.add_note(str(beside))
            raise
        if resets:
            self._heard = False
        # An exception at the start of COPY would leave the connection inside it: wait for its first data.
        if getattr(exchange, "__name__", "") != "_start_copy_gen":
            after = connection.pgconn.transaction_status
            committed = before == TransactionStatus.INTRANS and after == TransactionStatus.IDLE
            self._react(may_raise=not committed)  # a caller that sees COMMIT fail repeats its work

    def _react(self, *, may_raise: bool = True) -> None:
        fresh, self._fresh = self._fresh, []
        if not fresh:
            return
        reactions: list[Reaction] = []
        for watch in self.watches:
            if watch.on_warning not in reactions:
                reactions.append(watch.on_warning)
        for reaction in reactions:
            if callable(reaction):
                self._calls.extend(partial(reaction, warning) for warning in fresh)
        self._stopped = True
        if "raise" in reactions and may_raise:
            raise SLOBreach(fresh)
        if "raise" in reactions or "warn" in reactions:
            skipped = [module for watch in self.watches for module in watch.skip_modules]
            caller = caller_outside((*CARRIERS, *RUNNERS, *skipped))
            for warning in fresh:
                issue(warning, caller)  # raises where a filter says "error"
        self._stopped = False

    def take_calls(self) -> list[Callable[[], object]]:
        """The calls of callables that are due, once."""
        calls, self._calls = self._calls, []
        return calls


class _Lock:
    """The lock of a connection; calls the callables after it has been released, so that they may query."""

    def __init__(self, inner: Any, tap: Tap) -> None:
        self.inner = inner
        self._tap = tap

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def __enter__(self) -> Any:
        return self.inner.__enter__()

    def __exit__(self, *error: object) -> None:
        self.inner.__exit__(*error)
        for call in self._tap.take_calls():
            call()

    async def __aenter__(self) -> Any:
        return await self.inner.__aenter__()

    async def __aexit__(self, *error: object) -> None:
        await self.inner.__aexit__(*error)
        for call in self._tap.take_calls():
            answer = call()
            if inspect.isawaitable(answer):
                await answer


#: Taps of the connections that are watched now, and the lock under which they change.
taps: weakref.WeakKeyDictionary[Connection, Tap] = weakref.WeakKeyDictionary()
hooking = threading.Lock()


def _send(pgconn: Any, statement: bytes) -> Any:
    """Run a statement whose failure is of no interest: the read itself would be refused."""
    pgconn.send_query(statement)
    yield from generators.execute(pgconn)


def _resets(exchange: object) -> bool:
    """Whether an exchange that has not begun sends a statement that resets the session."""
    frame = getattr(exchange, "gi_frame", None)
    query = frame.f_locals.get("query") if frame else None
    if isinstance(query, bytes):
        query = query.decode(errors="replace")
    return isinstance(query, str) and len(query) <= _LONGEST_RESET and bool(_RESETTING.search(query))
