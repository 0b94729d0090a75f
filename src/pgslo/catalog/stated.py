"""The installed state of a definition, in its own words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Stated:
    """What an installed definition states.

    Attributes:
        fields: Values of its own keys.
        rules: Of each rule that is in use, but for learned bounds: values by key.
        tasks: Of each task: values by key.
    """

    fields: Mapping[str, Any]
    rules: Mapping[str, Mapping[str, Any]]
    tasks: Mapping[str, Mapping[str, Any]]
