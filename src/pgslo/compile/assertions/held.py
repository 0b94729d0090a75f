"""An assertion with how it is held."""

from __future__ import annotations

from dataclasses import dataclass

from pgslo.compile.artifact import Artifact
from pgslo.compile.assertions.groups import Parts
from pgslo.compile.choice import Choice
from pgslo.definition.rules import Assertion


@dataclass(frozen=True)
class Held:
    """One assertion and how it is enforced."""

    rule: Assertion
    parts: Parts
    function: str
    choice: Choice
    native: Artifact | None

    @property
    def is_enforced(self) -> bool:
        """Whether a transaction that breaks it is refused by its check, and not by a constraint."""
        return self.rule.on_breach == "reject" and self.choice.mechanism != "native"
