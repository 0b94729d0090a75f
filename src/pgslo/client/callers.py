"""The line of a program that a warning names."""

from __future__ import annotations

import inspect
import warnings
from types import FrameType

from pgslo.client.messages import SLOWarning

#: Frames of these are never the reader's own line: they carry a statement, or run coroutines and threads.
CARRIERS = (
    "pgslo",
    "psycopg",
    "psycopg_pool",
    "asyncpg",
    "sqlalchemy",
    "django.db",
    "pandas",
    "polars",
    "greenlet",
)
RUNNERS = ("asyncio", "concurrent", "contextlib", "threading")


def issue(warning: SLOWarning, caller: FrameType | None) -> None:
    """Hand a warning to :mod:`warnings` without a registry: each read warns, not only the first of a line."""
    file, line = (caller.f_code.co_filename, caller.f_lineno) if caller else ("<unknown>", 1)
    module = caller.f_globals.get("__name__") if caller else None
    warnings.warn_explicit(warning, None, file, line, module=module, registry=None)


def caller_outside(skipped: tuple[str, ...]) -> FrameType | None:
    """The innermost frame outside some modules; else the outermost one."""
    prefixes = tuple(f"{module}." for module in skipped)
    frame = inspect.currentframe()
    while frame and frame.f_back and f"{frame.f_globals.get('__name__', '')}.".startswith(prefixes):
        frame = frame.f_back
    return frame
