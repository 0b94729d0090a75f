"""Steps of a plan that do the same to objects of one kind, as one: what a reviewer reads first. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pgslo.plan.steps import Plan, Step

#: How several objects of a kind are called; a kind that is missing takes an s.
_PLURALS = {
    "not_null": "NOT NULL constraints",
    "foreign_key": "foreign keys",
    "unique_index": "unique indexes",
    "exclusion": "exclusion constraints",
}
#: More names than these are counted.
_NAMED = 4
#: The reason of steps that what changes in the definition explains.
CHANGED = "the definition changed"


@dataclass(frozen=True)
class Group:
    """Steps that follow each other and differ in their objects alone.

    Attributes:
        number: The number of the first step, from 1, the installation of the runtime included.
        steps: In their order.
    """

    number: int
    steps: tuple[Step, ...]

    @property
    def numbers(self) -> str:
        """The numbers of its steps: ``3`` or ``3-9``."""
        last = self.number + len(self.steps) - 1
        return f"{self.number}" if last == self.number else f"{self.number}-{last}"

    @property
    def is_one(self) -> bool:
        """Whether it is a single step."""
        return len(self.steps) == 1

    @property
    def what(self) -> str:
        """What several steps do: ``create 6 triggers of ml.bookings``."""
        first = self.steps[0]
        noun = _PLURALS.get(first.kind, f"{first.kind}s")
        text = f"{first.action} {len(self.steps):,} {noun}"
        definitions = list(dict.fromkeys(step.definition for step in self.steps if step.definition))
        objects = [step.identity.partition(" ON ")[0] for step in self.steps]
        if objects == definitions:
            return f"{text}: {some(definitions, 'other')}"
        text += f" of {some(definitions, 'other table')}" if definitions else ""
        is_named = first.kind == "view" or len(definitions) == 1
        if first.kind in ("function", "trigger"):
            is_named = self.reason not in ("", CHANGED)
        return f"{text}: {some(objects, 'other')}" if is_named else text

    @property
    def reason(self) -> str:
        """Why it is done, unless an object is new."""
        return "" if self.steps[0].action == "create" else self.steps[0].reason

    @property
    def locks(self) -> tuple[str, ...]:
        """Each lock with its tables, and when it is taken."""
        tables: dict[tuple[str, str], dict[str, None]] = {}
        for step in self.steps:
            for one in step.statements:
                if one.lock:
                    tables.setdefault((one.lock, _when(one.ahead, one.later)), {})[one.on] = None
                elif one.alone:
                    tables.setdefault(
                        ("none that stops reads or writes", " (later, outside any transaction)"), {}
                    )
        return tuple(
            f"{lock}{' on ' if on else ''}{some(on, 'other table')}{when}"
            for (lock, when), on in tables.items()
        )

    @property
    def hazards(self) -> tuple[str, ...]:
        """What can go wrong or take long."""
        return self.steps[0].hazards


def _when(ahead: bool, later: bool) -> str:  # noqa: FBT001 - two properties of one statement
    if ahead:
        return " (ahead, in a transaction of its own)"
    return " (later, in a transaction of its own)" if later else ""


def some(names: Iterable[str], noun: str) -> str:
    """Return the first names, and how many others there are: ``a, b, c and 12 other tables``."""
    listed = list(dict.fromkeys(names))
    if len(listed) <= _NAMED:
        return ", ".join(listed)
    left = len(listed) - _NAMED + 1
    return f"{', '.join(listed[: _NAMED - 1])} and {left:,} {noun}s"


def group(plan: Plan) -> tuple[Group, ...]:
    """Return the steps of a plan in groups, in the plan's order."""
    return tuple(_groups(plan))


def _groups(plan: Plan) -> Iterator[Group]:
    number = 1 + bool(plan.runtime_scripts)
    for _, alike in itertools.groupby(plan.steps, key=_alike):
        steps = tuple(alike)
        yield Group(number, steps)
        number += len(steps)


def _alike(step: Step) -> tuple[object, ...]:
    reason = "" if step.action == "create" else step.reason
    locks = tuple((one.lock, one.ahead, one.later, one.alone, one.hazards) for one in step.statements)
    # Statements that lock nothing, such as comments, make no other group.
    return step.action, step.kind, reason, tuple(dict.fromkeys(one for one in locks if any(one)))
