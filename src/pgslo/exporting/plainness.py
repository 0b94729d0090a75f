"""Whether a rule is about all rows and every one of them, as checks of other tools are."""

from __future__ import annotations

from pgslo.definition.rules import Rule
from pgslo.exporting.model import NotExpressibleError

#: Bounds of a batch beside its own.
_MORE = ("warn_below", "warn_above", "reject_below", "reject_above")


def check(rule: Rule, *, where: bool = False, shares: bool = False) -> None:
    """Raise if a rule says more than a plain check can.

    Args:
        rule: The rule.
        where: Whether the check can have a condition.
        shares: Whether it can leave rows to fail.

    Raises:
        NotExpressibleError: It does.
    """
    if not rule.enabled:
        raise NotExpressibleError("off")
    if rule.where is not None and not where:
        raise NotExpressibleError("where")
    if not shares and (rule.at_least not in (None, 1.0) or rule.at_most not in (None, 0)):
        raise NotExpressibleError("of_batches")
    if any(getattr(rule, key) is not None for key in _MORE):
        raise NotExpressibleError("of_batches")
