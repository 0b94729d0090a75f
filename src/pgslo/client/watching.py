"""Watches of connections, engines, pools, and of all connections of the process."""

from __future__ import annotations

import functools
import gc
import html
import inspect
import weakref
from collections.abc import Awaitable, Callable, Generator, Iterable
from functools import partial
from typing import Any, Self

import psycopg

from pgslo.client.messages import Reaction
from pgslo.client.taps import Connection, Tap, hooking, taps


def watch(target: object, *, on_warning: Reaction = "warn", skip_modules: Iterable[str] = ()) -> Watch:
    """Watch a connection, an engine or a pool for warnings about the data read or written through it.

    The session also learns that warnings are shown (``pgslo.heard``), so that ``on_read: insist`` lets it read.

    Args:
        target: A psycopg ``Connection`` or ``AsyncConnection``, an SQLAlchemy ``Engine``, ``Connection``,
            ``AsyncEngine`` or ``AsyncConnection`` on psycopg 3, an ``AsyncEngine`` on asyncpg, a pool of psycopg_pool,
            or an asyncpg connection.
            Connections that an engine or a pool made before are watched like those it makes later.
        on_warning: ``"warn"`` issues each :class:`SLOWarning` through :mod:`warnings`, at the caller's line;
            ``"raise"`` raises :class:`SLOBreach` before the result is handed out; a callable is called with each
            warning once the connection is free again, and may use it. On an asynchronous connection the
            callable may be a coroutine function.
        skip_modules: Modules and packages of one's own data access layer, whose lines a warning must not name.

    Returns:
        The watch: call its ``stop``, or use it as a context manager. It need not be kept. For an asyncpg
        connection, await it or use ``async with``, else the session does not learn that warnings are shown.

    Raises:
        TypeError: pgslo cannot watch this object.
        ValueError: An ``on_warning`` that is neither of the two words nor callable, or ``"raise"`` for asyncpg.
    """
    new = _make(_name(target), on_warning, skip_modules)
    if isinstance(target, psycopg.Connection | psycopg.AsyncConnection):
        new.attach(target)
    elif _is_made_by("sqlalchemy", target):
        _hook_sqlalchemy(new, target)
    elif _is_made_by("psycopg_pool", target) and hasattr(target, "getconn"):
        _hook_pool(new, target)
    elif _is_made_by("asyncpg", target) and hasattr(target, "add_log_listener"):
        from pgslo.client.asyncpg_log import Listener

        new.listener = Listener(target, new.on_warning, new.skip_modules)
        new.before_stop(new.listener.stop)
    else:
        raise TypeError(
            f"cannot watch a {type(target).__name__}: neither a psycopg 3 connection or pool"
            " nor an SQLAlchemy engine or connection nor an asyncpg connection"
        )
    return new


def watch_all(*, on_warning: Reaction = "warn", skip_modules: Iterable[str] = ()) -> Watch:
    """Watch every psycopg connection of the process, of any origin, now and later.

    Args:
        on_warning: As for :func:`watch`.
        skip_modules: As for :func:`watch`.

    Returns:
        The watch; it need not be kept.

    Raises:
        ValueError: An ``on_warning`` that is neither of the two words nor callable.
    """
    new = _make("all psycopg connections of this process", on_warning, skip_modules)
    _everywhere.add(new)
    new.before_stop(partial(_everywhere.discard, new))
    for kind in (psycopg.Connection, psycopg.AsyncConnection):
        _hook_class(kind)
    for found in gc.get_objects():
        # isinstance() would run code of proxies.
        if issubclass(type(found), psycopg.Connection | psycopg.AsyncConnection) and hasattr(found, "lock"):
            new.attach(found)
    return new


class Watch:
    """A watch that :func:`watch` or :func:`watch_all` began; it ends when it is stopped or left.

    Attributes:
        on_warning: What happens with a warning.
        skip_modules: Modules whose lines a warning must not name.
        listener: What listens on an asyncpg connection, if one is watched.
    """

    def __init__(self, target: str, on_warning: Reaction, skip_modules: tuple[str, ...]) -> None:
        self.on_warning = on_warning
        self.skip_modules = skip_modules
        self.listener: Any = None
        self._target = target
        self._connections: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._undo: list[Callable[[], None]] = []
        self._stopped = False

    def __repr__(self) -> str:
        if self._stopped:
            return f"Watch of {self._target}, stopped."
        if self.on_warning == "raise":
            effect = "each statement with a warning about its data raises SLOBreach"
        elif self.on_warning == "warn":
            effect = "warnings about data that is read appear as SLOWarning"
        else:
            effect = "warnings about data that is read are passed to a function"
        return f"Watch of {self._target}: {effect}, until stop() is called."

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self))}</p>"

    def attach(self, connection: Connection) -> None:
        """Watch one more connection; nothing happens when it is watched already."""
        if connection in self._connections:
            return
        with hooking:
            if not self._stopped:
                tap = taps.get(connection)
                if tap is None:
                    tap = taps[connection] = Tap(connection)
                    tap.install(connection)
                tap.watches.append(self)
                self._connections.add(connection)

    def detach(self, connection: Connection) -> None:
        """Leave one connection alone from now on."""
        with hooking:
            if connection in self._connections:
                self._connections.discard(connection)
                tap = taps[connection]
                tap.watches.remove(self)
                if not tap.watches:
                    del taps[connection]
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

    def __await__(self) -> Generator[Any, None, Self]:
        return self._begun().__await__()

    async def __aenter__(self) -> Self:
        return await self

    async def __aexit__(self, *_: object) -> None:
        if self.listener is not None:
            await self.listener.hear_no_more()
        self.stop()

    async def _begun(self) -> Self:
        """State in an asyncpg session that warnings are shown; other sessions learn it with their next statement."""
        if self.listener is not None:
            await self.listener.hear()
        return self


_everywhere: set[Watch] = set()


def _make(target: str, on_warning: Reaction, skip_modules: Iterable[str]) -> Watch:
    if on_warning not in ("warn", "raise") and not callable(on_warning):
        raise ValueError(f'on_warning must be "warn", "raise" or a callable, not {on_warning!r}')
    return Watch(
        target, on_warning, (skip_modules,) if isinstance(skip_modules, str) else tuple(skip_modules)
    )


def _name(target: Any) -> str:
    """A few words for a watched object, without a password."""
    if isinstance(target, psycopg.Connection | psycopg.AsyncConnection):
        return f"a psycopg connection to database {target.info.dbname}"
    package = type(target).__module__.partition(".")[0]
    url: Any = getattr(target, "url", None) or getattr(getattr(target, "engine", None), "url", None)
    if package == "sqlalchemy" and hasattr(url, "render_as_string"):
        return f"SQLAlchemy {type(target).__name__} {url.render_as_string(hide_password=True)}"
    return f"{package} {type(target).__name__}"


def _is_made_by(package: str, target: object) -> bool:
    return any(kind.__module__.partition(".")[0] == package for kind in type(target).__mro__)


def _hook_class(kind: Any) -> None:
    """Attach the watches of the whole process to each connection of a class once it is made."""
    original = kind.__init__
    if getattr(original, "is_hooked_by_pgslo", False):
        return

    @functools.wraps(original)
    def hooked(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        for watch in tuple(_everywhere):
            watch.attach(self)

    hooked.is_hooked_by_pgslo = True  # type: ignore[attr-defined]
    kind.__init__ = hooked  # stays after stop, when there is nothing to attach


def _hook_sqlalchemy(new: Watch, target: Any) -> None:
    from sqlalchemy import Connection, Engine, event

    target = getattr(target, "sync_connection", None) or getattr(target, "sync_engine", target)
    if not isinstance(target, Connection | Engine):
        raise TypeError(f"cannot watch a {type(target).__name__}: watch its engine or its connection")
    if target.dialect.driver == "asyncpg" and isinstance(target, Engine):
        _hook_asyncpg_engine(new, target)
        return
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


def _hook_asyncpg_engine(new: Watch, engine: Any) -> None:
    from sqlalchemy import event

    from pgslo.client.asyncpg_log import Listener

    listeners: weakref.WeakKeyDictionary[Any, Listener] = weakref.WeakKeyDictionary()
    Listener.check(new.on_warning)

    def checkout(adapted: Any, record: Any, _: object) -> None:
        driver = record.driver_connection
        if driver not in listeners:
            listeners[driver] = Listener(driver, new.on_warning, new.skip_modules)
            adapted.run_async(lambda _: listeners[driver].hear())

    def stop() -> None:
        event.remove(engine, "checkout", checkout)
        for listener in listeners.values():
            listener.stop()

    event.listen(engine, "checkout", checkout)
    new.before_stop(stop)


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
