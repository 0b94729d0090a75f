"""How a rule is enforced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pgslo.definition import rules

Mechanism = Literal[
    "native",
    "row trigger",
    "statement trigger",
    "schema trigger",
    "repair trigger",
    "on read",
    "at close",
    "at commit",
]


@dataclass(frozen=True)
class Choice:
    """How a rule is enforced, and why in that way.

    Attributes:
        rests_on: The object of PostgreSQL behind a native rule, of any origin, as it is registered.
    """

    rule: rules.Rule
    mechanism: Mechanism
    reason: str
    rests_on: Mapping[str, object] | None = None
