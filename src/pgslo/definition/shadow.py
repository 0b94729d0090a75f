"""Shadow mode: rules that are measured and not enforced."""

from __future__ import annotations

from pgslo.definition.rules import BatchRule, Definition, OnRead, Rule

#: Bounds beyond which a rule over a batch refuses the statement.
_REFUSING = ("reject_below", "reject_above")


def shadowed(definition: Definition) -> Definition:
    """The same rules with nothing enforced, and no reader refused."""
    return definition.model_copy(
        update={
            "rules": tuple(kept for rule in definition.rules if (kept := _shadow(rule))),
            "assertions": tuple(_shadow(assertion) for assertion in definition.assertions),
            "on_read": _told(definition.on_read),
            "tasks": tuple(
                task.model_copy(update={"on_read": _told(task.on_read)}) for task in definition.tasks
            ),
        }
    )


def as_enforced(definition: Definition) -> Definition:
    """The rules as the database is to keep them: those with ``enforce: false``, or all of a file that says so, in shadow."""
    if not definition.enforce:
        return shadowed(definition)
    kept = (rule if rule.enforce else _shadow(rule) for rule in definition.rules)
    noted = tuple(one if one.enforce else _shadow(one) for one in definition.assertions)
    return definition.model_copy(update={"rules": tuple(rule for rule in kept if rule), "assertions": noted})


def _shadow(rule: Rule) -> Rule | None:
    """What rejects or quarantines is counted in silence, what repairs is left out."""
    if not rule.judges:
        return None
    update: dict[str, object] = {name: None for name in _REFUSING if getattr(rule, name) is not None}
    if isinstance(rule, BatchRule):
        # A bound that only rejects would be none at all.
        update |= {"warn_below": rule.reject_below} if rule.low is None else {}
        update |= {"warn_above": rule.reject_above} if rule.high is None else {}
    if rule.on_breach in ("reject", "quarantine", "repair"):
        update["on_breach"] = "flag"
    return rule.model_copy(update=update) if update else rule


def _told(on_read: OnRead) -> OnRead:
    return "warn" if on_read in ("refuse", "insist") else on_read
