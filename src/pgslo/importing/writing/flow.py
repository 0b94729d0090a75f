"""Values and rules as YAML on one line, as the loader of definitions reads it."""

from __future__ import annotations

import re

from pgslo.definition.rules import BUILT_IN
from pgslo.definition.yaml.scalars import scalar
from pgslo.definition.yaml.writing import text, value
from pgslo.importing.model import Rule

__all__ = ["comment", "rule", "text", "value"]

#: Characters that are not allowed in a comment: they would end the line, or hide or turn what follows.
_ODD = re.compile(
    "[\x00-\x1f\x7f-\xa0\xad\u061c\u2028-\u202e\u2060-\u206f\u200b-\u200f\ufeff\ud800-\udfff\ufffe\uffff]+"
)
_SHOWN = 600


def rule(made: Rule, name: str | None) -> str:
    """Return a rule as a line of its list, without the dash.

    Args:
        made: The rule.
        name: Its name, if it has to be written; a rule under ``rules:`` is written with it.
    """
    if isinstance(made.verbatim, dict) and len(made.verbatim) == 1:
        ((key, said),) = made.verbatim.items()
        return f"{scalar(key)}: {value(said)}"
    if made.verbatim is not None:
        return value(made.verbatim)
    parameters = made.parameters
    forms = BUILT_IN[made.kind].syntax
    if made.place == "column":
        form = forms.columns
        options = ({"name": name} if name else {}) | made.options
        if not parameters and not options:
            return made.kind
        short = (
            form is not None and form.stands_for == tuple(parameters) and len(parameters) == 1 and not options
        )
        return f"{made.kind}: {value(next(iter(parameters.values())) if short else parameters | options)}"
    form = forms.rules
    short = form is not None and form.stands_for == tuple(parameters) and len(parameters) == 1
    return f"{name}: {value({made.kind: next(iter(parameters.values())) if short else parameters} | made.options)}"


def comment(item: str) -> str:
    """Return a text that may follow a ``#``."""
    line = _ODD.sub(" ", item)
    return (line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…").replace("$pgslo$", "$ pgslo $")
