"""For readers: the warnings of guarded views as Python warnings, exceptions or calls.

SQLAlchemy and psycopg_pool are looked at only when a target of theirs is handed in; pandas and polars never.
"""

from __future__ import annotations

import inspect
import re
import threading
import warnings
import weakref
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any, Literal, Self, TypeAlias

import psycopg
from psycopg.pq import TransactionStatus

from pgslo import naming
from pgslo.display import one_line
from pgslo.errors import PgsloError

#: What a connection does with a warning; a callable gets each one once its statement is over.
Reaction: TypeAlias = "Literal['warn', 'raise'] | Callable[[SLOWarning], object]"

#: Frames of these are never the reader's own line: what carries a statement, and what runs coroutines and threads.
_CARRIERS = ("pgslo", "psycopg", "psycopg_pool", "sqlalchemy", "pandas", "polars", "greenlet")
_RUNNERS = ("asyncio", "concurrent", "contextlib", "threading")

_INCIDENT = re.compile(r"\bIncident (\d+)\b")


class SLOWarning(UserWarning):
    """Data that was read, or written, misses an objective (01SL1) or cannot be judged (01SL2).

    Attributes:
        sqlstate: ``01SL1`` or ``01SL2``.
        message: One line: the column, its table and the rule.
        detail: What was measured, in which batch, since when.
        hint: The incident, its owner, and the query that explains it.
        schema: Schema of the table, as the catalogue spells it.
        table: The table behind the guarded view.
        column: The column, or ``None`` when the rule is about the whole table.
        rule: Name of the rule.
        incident: Number of the incident, read from the hint, or ``None``.
    """

    def __init__(
        self,
        message: str,
        *,
        sqlstate: str = naming.OBJECTIVE_MISSED,
        detail: str | None = None,
        hint: str | None = None,
        schema: str | None = None,
        table: str | None = None,
        column: str | None = None,
        rule: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.sqlstate = sqlstate
        self.detail = detail
        self.hint = hint
        self.schema = schema
        self.table = table
        self.column = column
        self.rule = rule
        found = _INCIDENT.search(hint or "")
        self.incident = int(found[1]) if found else None

    @classmethod
    def from_diagnostic(cls, diagnostic: psycopg.errors.Diagnostic) -> Self:
        """Copy a notice; psycopg's own object is empty once the notice handler has returned."""
        return cls(
            diagnostic.message_primary or "",
            sqlstate=diagnostic.sqlstate or "",
            detail=diagnostic.message_detail,
            hint=diagnostic.message_hint,
            schema=diagnostic.schema_name or None,  # PL/pgSQL cannot leave a field out, only empty
            table=diagnostic.table_name or None,
            column=diagnostic.column_name or None,
            rule=diagnostic.constraint_name or None,
        )

    def __str__(self) -> str:
        # Python prints it on a terminal or into a log, and names and values in it may hold anything.
        lines = [one_line(self.message)]
        if self.detail:
            lines.append(f"DETAIL:  {one_line(self.detail)}")
        if self.hint:
            lines.append(f"HINT:  {one_line(self.hint)}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[Any, ...]:
        fields = ("sqlstate", "detail", "hint", "schema", "table", "column", "rule")
        make = partial(type(self), **{field: getattr(self, field) for field in fields})
        return make, (self.message,), self.__dict__


class SLOBreach(PgsloError):
    """A statement was stopped because of its warnings, as its reader asked with ``on_warning="raise"``.

    Attributes:
        warnings: What the server warned of, in its order; never empty.
    """

    def __init__(self, warnings: Iterable[SLOWarning]) -> None:
        self.warnings = tuple(warnings)
        first, others = self.warnings[0], len(self.warnings) - 1
        message = f"{first.message} (and {others} more)" if others else first.message
        super().__init__(message, detail=first.detail, hint=first.hint)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.warnings,), self.__dict__


def watch(target: object, *, on_warning: Reaction = "warn", skip_modules: Iterable[str] = ()) -> Watch:
    """Watch a connection, an engine or a pool for warnings about the data read or written through it.

    Args:
        target: A psycopg ``Connection`` or ``AsyncConnection``, an SQLAlchemy ``Engine``, ``Connection``,
            ``AsyncEngine`` or ``AsyncConnection`` on psycopg 3, or a pool of psycopg_pool. Connections that an
            engine or a pool made before are watched like those it makes later.
        on_warning: ``"warn"`` issues each :class:`SLOWarning` through :mod:`warnings`, at the caller's line;
            ``"raise"`` raises :class:`SLOBreach` before the result is handed out; a callable is called with each
            warning once the connection is free again, and may use it. On an asynchronous connection the
            callable may be a coroutine function.
        skip_modules: Modules and packages of one's own data access layer, whose lines a warning must not name.

    Returns:
        The watch: call its ``stop``, or use it as a context manager. It need not be kept.

    Raises:
        TypeError: Nothing that pgslo can watch.
        ValueError: An ``on_warning`` that is neither of the two words nor callable.
    """
    if on_warning not in ("warn", "raise") and not callable(on_warning):
        raise ValueError(f'on_warning must be "warn", "raise" or a callable, not {on_warning!r}')
    new = Watch(on_warning, (skip_modules,) if isinstance(skip_modules, str) else tuple(skip_modules))
    if isinstance(target, psycopg.Connection | psycopg.AsyncConnection):
        new.attach(target)
    elif _is_made_by("sqlalchemy", target):
        _hook_sqlalchemy(new, target)
    elif _is_made_by("psycopg_pool", target) and hasattr(target, "getconn"):
        _hook_pool(new, target)
    else:
        raise TypeError(
            f"cannot watch a {type(target).__name__}: neither a psycopg 3 connection or pool"
            " nor an SQLAlchemy engine or connection"
        )
    return new


class Watch:
    """What :func:`watch` returns: ends the watch when stopped or left.

    Attributes:
        on_warning: What happens with a warning.
        skip_modules: Modules whose lines a warning must not name.
    """

    def __init__(self, on_warning: Reaction, skip_modules: tuple[str, ...]) -> None:
        self.on_warning = on_warning
        self.skip_modules = skip_modules
        self._connections: weakref.WeakSet[_Connection] = weakref.WeakSet()
        self._undo: list[Callable[[], None]] = []
        self._stopped = False

    def attach(self, connection: _Connection) -> None:
        """Watch one more connection; nothing happens when it is watched already."""
        if connection in self._connections:
            return
        with _hooking:
            if not self._stopped:
                tap = _taps.get(connection)
                if tap is None:
                    tap = _taps[connection] = _Tap(connection)
                    tap.install(connection)
                tap.watches.append(self)
                self._connections.add(connection)

    def detach(self, connection: _Connection) -> None:
        """Leave one connection alone from now on."""
        with _hooking:
            if connection in self._connections:
                self._connections.discard(connection)
                tap = _taps[connection]
                tap.watches.remove(self)
                if not tap.watches:
                    del _taps[connection]
                    tap.uninstall(connection)

    def before_stop(self, undo: Callable[[], None]) -> None:
        """Have something undone when the watch is stopped."""
        self._undo.append(undo)

    def stop(self) -> None:
        """End the watch; a second call does nothing."""
        self._stopped = True
        while self._undo:
            self._undo.pop()()
        for connection in list(self._connections):
            self.detach(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Tap:
    """What is hooked into one psycopg connection, shared by all watches on it.

    psycopg calls notice handlers in the middle of a statement and logs what they raise instead of raising it.
    So the handler only collects, and ``wait``, through which every exchange with the server goes, reacts
    when it is over: early enough that an exception keeps the rows from the caller. It runs under the
    connection's lock, so what is left for callables waits until that is released.
    """

    def __init__(self, connection: _Connection) -> None:
        self.watches: list[Watch] = []
        self._connection = weakref.ref(connection)
        self._fresh: list[SLOWarning] = []
        self._seen: set[object] = set()
        self._stopped = False  # by an exception of ours: psycopg reads and drops the rest of the statement
        self._calls: list[Callable[[], object]] = []

    def install(self, connection: _Connection) -> None:
        connection.add_notice_handler(self._collect)
        is_async = isinstance(connection, psycopg.AsyncConnection)
        vars(connection)["wait"] = self._wait_async if is_async else self._wait
        vars(connection)["lock"] = _Lock(connection.lock, self)

    def uninstall(self, connection: _Connection) -> None:
        connection.remove_notice_handler(self._collect)
        vars(connection).pop("wait")
        vars(connection)["lock"] = vars(connection)["lock"].inner

    def _collect(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        if diagnostic.sqlstate in (naming.OBJECTIVE_MISSED, naming.NOT_JUDGED) and not self._stopped:
            warning = SLOWarning.from_diagnostic(diagnostic)
            key = warning.incident or str(warning)
            if key not in self._seen:
                self._seen.add(key)
                self._fresh.append(warning)

    def _wait(self, exchange: Any, *args: Any, **kwargs: Any) -> Any:
        connection: Any = self._connection()
        with self._reacting(connection, exchange):
            return type(connection).wait(connection, exchange, *args, **kwargs)

    async def _wait_async(self, exchange: Any, *args: Any, **kwargs: Any) -> Any:
        connection: Any = self._connection()
        with self._reacting(connection, exchange):
            return await type(connection).wait(connection, exchange, *args, **kwargs)

    @contextmanager
    def _reacting(self, connection: _Connection, exchange: object) -> Iterator[None]:
        before = connection.pgconn.transaction_status
        # Else the exchange goes on with the last one's statement: a stream, a COPY or a pipeline. In a pipeline
        # other statements follow one that was stopped.
        if before != TransactionStatus.ACTIVE or (self._stopped and connection.pgconn.pipeline_status):
            self._seen.clear()
            self._stopped = False
        try:
            yield
        except BaseException as error:
            try:
                self._react()
            except (SLOBreach, SLOWarning) as beside:
                error.add_note(str(beside))
            raise
        # An exception at the start of COPY would leave the connection inside it: wait for its first data.
        if getattr(exchange, "__name__", "") != "_start_copy_gen":
            after = connection.pgconn.transaction_status
            committed = before == TransactionStatus.INTRANS and after == TransactionStatus.IDLE
            self._react(may_raise=not committed)  # whoever sees COMMIT fail does his work once more

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
            caller = _caller((*_CARRIERS, *_RUNNERS, *skipped))
            for warning in fresh:
                _issue(warning, caller)  # raises where a filter says "error"
        self._stopped = False

    def take_calls(self) -> list[Callable[[], object]]:
        calls, self._calls = self._calls, []
        return calls


class _Lock:
    """The lock of a connection; calls the callables after it has been released, so that they may query."""

    def __init__(self, inner: Any, tap: _Tap) -> None:
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


_Connection: TypeAlias = "psycopg.Connection[Any] | psycopg.AsyncConnection[Any]"
_taps: weakref.WeakKeyDictionary[_Connection, _Tap] = weakref.WeakKeyDictionary()
_hooking = threading.Lock()


def _issue(warning: SLOWarning, caller: FrameType | None) -> None:
    """Hand a warning to :mod:`warnings` without a registry: each read warns, not only the first of a line."""
    file, line = (caller.f_code.co_filename, caller.f_lineno) if caller else ("<unknown>", 1)
    module = caller.f_globals.get("__name__") if caller else None
    warnings.warn_explicit(warning, None, file, line, module=module, registry=None)


def _caller(skipped: tuple[str, ...]) -> FrameType | None:
    """The innermost frame outside some modules; the outermost one when there is none."""
    prefixes = tuple(f"{module}." for module in skipped)
    frame = inspect.currentframe()
    while frame and frame.f_back and f"{frame.f_globals.get('__name__', '')}.".startswith(prefixes):
        frame = frame.f_back
    return frame


def _is_made_by(package: str, target: object) -> bool:
    return any(kind.__module__.partition(".")[0] == package for kind in type(target).__mro__)


def _hook_sqlalchemy(new: Watch, target: Any) -> None:
    from sqlalchemy import Connection, Engine, event

    target = getattr(target, "sync_connection", None) or getattr(target, "sync_engine", target)
    if not isinstance(target, Connection | Engine):
        raise TypeError(f"cannot watch a {type(target).__name__}: watch its engine or its connection")
    if target.dialect.driver != "psycopg":
        raise TypeError(
            f"cannot watch an engine on {target.dialect.driver}: only psycopg 3 hands on the fields of a warning;"
            " use postgresql+psycopg://"
        )

    def checkout(_: object, record: Any, __: object) -> None:
        new.attach(record.driver_connection)

    def checkin(_: object, record: Any) -> None:
        new.detach(record.driver_connection)

    def execute(connection: Any, *_: object) -> None:
        new.attach(connection.connection.driver_connection)

    hooks: list[tuple[Any, str, Any]] = [(target, "before_cursor_execute", execute)]
    if isinstance(target, Connection):  # its driver connection goes back to the pool, and on to others
        hooks.append((target.engine, "checkin", checkin))
        execute(target)
    else:
        hooks.append((target, "checkout", checkout))
    for hook in hooks:
        event.listen(*hook)
        new.before_stop(partial(event.remove, *hook))


def _hook_pool(new: Watch, pool: Any) -> None:
    getconn = pool.getconn

    async def attach(coming: Awaitable[Any]) -> Any:
        connection = await coming
        new.attach(connection)
        return connection

    def hooked(*args: Any, **kwargs: Any) -> Any:
        connection = getconn(*args, **kwargs)
        if inspect.isawaitable(connection):
            return attach(connection)
        new.attach(connection)
        return connection

    vars(pool)["getconn"] = hooked  # stays after stop, when attaching does nothing
