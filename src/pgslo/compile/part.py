"""The result of a pass of the compiler: objects, choices, queries to try, notes, and registrations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pgslo.compile.artifact import Artifact
from pgslo.compile.choice import Choice
from pgslo.compile.table.context import TableContext
from pgslo.definition.rules import Assertion
from pgslo.errors import Location, Problems
from pgslo.expression import Expression
from pgslo.sql import Sql


@dataclass(frozen=True)
class Probe:
    """A query that PostgreSQL itself has to accept before anything is applied; it is run and rolled back.

    Attributes:
        text: The query, with no side effects.
        location: The location of the rule, for the error.
    """

    text: Sql
    location: Location


@dataclass(frozen=True)
class Validation:
    """A query for groups that break an assertion now, to be run before it is applied.

    Attributes:
        text: Returns groups and their violations, at most six.
        rule: The assertion.
        definition: The name of its definition.
        refuses: Whether it cannot be applied while there are any.
    """

    text: Sql
    rule: Assertion
    definition: str
    refuses: bool


@dataclass(frozen=True)
class Tally:
    """A sum that a rule over a batch needs.

    Attributes:
        name: By which the rule asks for it.
        value: The summed expression, over row ``r``; a number, or NULL for a row that does not count.
        reads: The expressions of the definition in ``value``.
    """

    name: str
    value: Sql
    reads: tuple[Expression, ...] = ()


@dataclass(frozen=True)
class Part:
    """A part of what a definition comes to; parts are added up.

    Attributes:
        artifacts: Objects that it needs in the database.
        choices: How rules are enforced, and why.
        probes: What PostgreSQL has to accept.
        notes: Advice for the author that is not an error.
        validations: Checks of existing rows.
        tallies: Sums over the rows of a batch.
        refuses: Whether a statement may be refused because of what its batches come to.
        registered: The registration of the definition, by field.
        rules: The registration of each rule.
    """

    artifacts: tuple[Artifact, ...] = ()
    choices: tuple[Choice, ...] = ()
    probes: tuple[Probe, ...] = ()
    notes: tuple[str, ...] = ()
    validations: tuple[Validation, ...] = ()
    tallies: tuple[Tally, ...] = ()
    refuses: bool = False
    registered: Mapping[str, Any] = field(default_factory=dict)
    rules: tuple[dict[str, Any], ...] = ()

    def __add__(self, other: Part) -> Part:
        """Return both; of two sums of one name the first."""
        names = {tally.name for tally in self.tallies}
        return Part(
            artifacts=(*self.artifacts, *other.artifacts),
            choices=(*self.choices, *other.choices),
            probes=(*self.probes, *other.probes),
            notes=(*self.notes, *other.notes),
            validations=(*self.validations, *other.validations),
            tallies=(*self.tallies, *(one for one in other.tallies if one.name not in names)),
            refuses=self.refuses or other.refuses,
            registered={**self.registered, **other.registered},
            rules=(*self.rules, *other.rules),
        )


#: A pass that decides how a part of a definition is enforced; it goes on after an error.
Chooses = Callable[[TableContext, Problems], Part]
#: A pass that makes SQL of what others chose and made before; it raises the errors of a definition.
Makes = Callable[[TableContext, Part], Part]
