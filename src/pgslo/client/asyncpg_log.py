"""Warnings on asyncpg connections, through their log listeners."""

from __future__ import annotations

import asyncio
import inspect
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any

from pgslo import naming
from pgslo.client.callers import CARRIERS, RUNNERS, issue
from pgslo.client.messages import Reaction, SLOWarning


class Listener:
    """A log listener on one asyncpg connection.

    asyncpg calls it while the statement is awaited, so that a result cannot be kept from its reader.
    """

    def __init__(self, connection: Any, on_warning: Reaction, skip_modules: tuple[str, ...]) -> None:
        self.check(on_warning)
        self._connection = connection
        self._on_warning = on_warning
        self._skipped = (*CARRIERS, *RUNNERS, *skip_modules)
        self._tasks: set[Any] = set()  # the event loop keeps weak references only
        self._statement: Callable[[], object] = lambda: None
        self._seen: set[object] = set()
        connection.add_log_listener(self._listen)

    @staticmethod
    def check(on_warning: Reaction) -> None:
        """Raise ValueError for a reaction that asyncpg does not allow."""
        if on_warning == "raise":
            raise ValueError(
                "on_warning=\"raise\" needs psycopg 3; with asyncpg, SET pgslo.on_read = 'refuse' instead"
            )

    def stop(self) -> None:
        """Remove the listener."""
        if not self._connection.is_closed():
            self._connection.remove_log_listener(self._listen)

    async def hear(self) -> None:
        """State in the session that warnings are shown."""
        await self._connection.execute("SET pgslo.heard = 'on'")

    async def hear_no_more(self) -> None:
        """Take that back; a failed transaction does so anyway."""
        if not self._connection.is_closed():
            await self._connection.execute("RESET pgslo.heard")

    def _listen(self, _: object, notice: Any) -> None:
        if notice.sqlstate not in (naming.OBJECTIVE_MISSED, naming.NOT_JUDGED):
            return
        warning = SLOWarning(
            notice.message or "",
            sqlstate=notice.sqlstate,
            detail=notice.detail,
            hint=notice.hint,
            schema=notice.schema_name or None,
            table=notice.table_name or None,
            column=notice.column_name or None,
            rule=notice.constraint_name or None,
        )
        statement, reader = self._awaited()
        # Each process of a parallel plan warns of its own rows.
        if statement is None or statement is not self._statement():
            self._seen.clear()
            self._statement = (lambda: None) if statement is None else weakref.ref(statement)
        elif warning.cause in self._seen:
            return
        self._seen.add(warning.cause)
        if callable(self._on_warning):
            answer = self._on_warning(warning)
            if inspect.isawaitable(answer):
                task = asyncio.ensure_future(answer)
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        else:
            issue(warning, reader)

    def _awaited(self) -> tuple[Any, FrameType | None]:
        """The innermost coroutine that awaits this connection, one for each statement, and the reader's line."""
        prefixes = tuple(f"{module}." for module in self._skipped)
        connection = getattr(self._connection, "_con", self._connection)
        for task in asyncio.all_tasks():
            statement = reader = None
            awaited: Any = task.get_coro()
            while (
                frame := getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
            ) is not None:
                of = frame.f_locals.get("self")
                # A prepared statement or a cursor knows its connection.
                if of is connection or getattr(of, "_connection", None) is connection:
                    statement = awaited
                elif statement is None and not f"{frame.f_globals.get('__name__', '')}.".startswith(prefixes):
                    reader = frame
                awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
            if statement is not None:
                return statement, reader
        return None, None
