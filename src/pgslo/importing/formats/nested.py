"""Checks of one tool inside a file of another, such as Soda's in a data contract: mapped by that tool's reader."""

from __future__ import annotations

from typing import Any

from pgslo.importing.formats import gx
from pgslo.importing.formats.soda import inside as soda
from pgslo.importing.model import Found, Outcome, UnmappableError
from pgslo.importing.options import Options


def outcome(found: Found, engine: str, implementation: Any, options: Options) -> Outcome:
    """Return what a check of another tool becomes.

    Raises:
        UnmappableError: The tool's checks are not read, or this one has no counterpart.
    """
    match engine.lower():
        case "soda" | "sodacl":
            return soda.outcome(found, implementation, options)
        case "greatexpectations" | "great-expectations" | "great_expectations":
            return gx.inside(found, implementation, options)
    raise UnmappableError("unknown_check", f"checks of {engine[:40]} inside of a contract are not read")
