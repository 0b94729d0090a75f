"""For readers: the warnings of guarded views as Python warnings, exceptions or calls.

SQLAlchemy, psycopg_pool and asyncpg are looked at only when a target of theirs is handed in; pandas and polars never.
With ``PGSLO_WATCH=1`` (or ``raise``) in the environment, importing this module watches all psycopg connections.
"""

from __future__ import annotations

import os

from pgslo.client.messages import Reaction, SLOBreach, SLOWarning
from pgslo.client.watching import Watch, watch, watch_all

__all__ = ["Reaction", "SLOBreach", "SLOWarning", "Watch", "watch", "watch_all"]

for _public in (SLOBreach, SLOWarning, Watch):
    _public.__module__ = __name__  # tracebacks show the name that programs import

match os.environ.get("PGSLO_WATCH", ""):
    case "1" | "warn":
        watch_all()
    case "raise":
        watch_all(on_warning="raise")
    case "" | "0":
        pass
    case other:
        raise ValueError(f'invalid value for PGSLO_WATCH: "{other}"; available values: 1, warn, raise, 0')
