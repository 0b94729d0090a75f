"""The registration of a rule."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pgslo.compile.choice import Choice
from pgslo.compile.snippets.literals import seconds

#: What the runtime takes where the document says nothing.
_SAMPLES = 10
_UNMEASURED: Mapping[str, Any] = MappingProxyType({})


def rule(choice: Choice, *, scope: str = "row", measured: Mapping[str, Any] = _UNMEASURED) -> dict[str, Any]:
    """Return the registration of a rule.

    Args:
        choice: How it is enforced.
        scope: Its scope: ``row``, ``batch`` or ``table``.
        measured: How its value is measured, and the bounds that it has to keep.
    """
    stated = choice.rule
    told: dict[str, Any] = {
        "name": stated.name,
        "kind": stated.word,
        "columns": stated.reads,
        "on_breach": stated.on_breach,
        "at_least": stated.at_least,
        "at_most": stated.at_most,
        "samples": None if stated.samples == _SAMPLES else stated.samples,
        "mechanism": choice.mechanism,
        "promise": stated.summary,
        "owner": stated.owner,
        "description": stated.description,
        "tags": stated.tags,
        "scope": None if scope == "row" else scope,
    }
    if stated.on_breach == "reject" and stated.column is not None:
        told["about"] = stated.column
    if choice.rests_on is not None:
        told["rests_on"] = choice.rests_on
    told |= measured
    if not measured and stated.reject_below is not None:
        # The share of rows that pass, for the bound at which statements are refused.
        told |= {"measure": {"form": "passing", "rule": stated.name}, "reject_low": stated.reject_below}
    if stated.target is not None:
        told["target"] = stated.target
    if stated.window is not None:
        told["span"] = seconds(stated.window)
    if (stated.opens_after, stated.resolves_after) != (1, 1):
        told["missed_before_open"] = stated.opens_after
        told.setdefault("met_before_resolve", stated.resolves_after)
    return told
