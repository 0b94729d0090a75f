"""Shadow mode: a definition that measures what it would enforce."""

from __future__ import annotations

from pgslo.definition.rules import Definition, Repair, Rule

#: Bounds beyond which a rule over a batch refuses the statement.
_REFUSING = ("reject_below", "reject_above")


def shadowed(definition: Definition) -> Definition:
    """The same rules with nothing enforced: what rejects or quarantines is counted in silence, what repairs is left out."""
    kept = tuple(_shadowed(rule) for rule in definition.rules if not isinstance(rule, Repair))
    return definition.model_copy(update={"rules": kept})


def _shadowed(rule: Rule) -> Rule:
    update: dict[str, object] = {name: None for name in _REFUSING if getattr(rule, name, None) is not None}
    if rule.on_breach in ("reject", "quarantine", "repair"):
        update["on_breach"] = "flag"
    return rule.model_copy(update=update) if update else rule
