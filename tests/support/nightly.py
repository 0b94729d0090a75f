"""How much is tried at random: a part of it in each run, all of it at night."""

from __future__ import annotations

import os

#: Whether a run may take hours: ``make nightly``.
NIGHTLY = bool(os.environ.get("PGSLO_NIGHTLY"))


def examples(number: int) -> int:
    """Return the number of examples of hypothesis: all at night, a tenth by day."""
    return number if NIGHTLY else max(number // 10, 100)
