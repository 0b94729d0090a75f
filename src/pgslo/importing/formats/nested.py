"""Checks of one tool inside a file of another, such as SodaCL in a data contract: mapped by that tool's reader."""

from __future__ import annotations

from typing import Any

from pgslo.importing.model import Found, Outcome, UnmappableError
from pgslo.importing.options import Options


class Nested:
    """Maps checks of other tools.

    Args:
        options: What the author decides.
    """

    def __init__(self, options: Options) -> None:
        self._options = options

    def outcome(self, found: Found, engine: str, implementation: Any) -> Outcome:
        """Return what a check of another tool becomes.

        Raises:
            UnmappableError: The tool's checks are not read.
        """
        del found, implementation
        raise UnmappableError("unknown_check", f"checks of {engine[:40]} inside of a contract are not read")
