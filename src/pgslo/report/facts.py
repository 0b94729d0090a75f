"""What the report is made of: rows of queries, as they come from the database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
#: The name under which the table as a whole is among its columns.
WHOLE = "*"


@dataclass(frozen=True)
class Facts:
    """Rows of the queries of the same name in ``sql/catalog``.

    Attributes:
        database: Its name.
        now: The database's clock.
        verdicts: Those of ``verdict_history``.
        quantiles: Those of ``incident_quantiles``.
        failures: Those of ``incident_failures``.
        days: How far the timeline goes back.
    """

    database: str
    now: dt.datetime
    status: Sequence[Row]
    incidents: Sequence[Row]
    budgets: Sequence[Row]
    readers: Sequence[Row]
    rule_summaries: Sequence[Row]
    column_history: Sequence[Row]
    verdicts: Sequence[Row] = ()
    quantiles: Sequence[Row] = ()
    failures: Sequence[Row] = ()
    days: int = 30
