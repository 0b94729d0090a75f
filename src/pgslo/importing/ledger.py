"""The law of an import: every check that is found has one outcome, and is in the report once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pgslo.importing.model import Found, Outcome


@dataclass
class Entry:
    """A check with its outcome.

    Attributes:
        found: The check.
        outcome: Its outcome.
        format: The format of its source.
        table: The table of its definition, as SQL writes it.
        rule: The rule's name in the definition.
        path: The definition's file.
        line: The rule's line in it.
    """

    found: Found
    outcome: Outcome
    format: str
    table: str | None = None
    rule: str | None = None
    path: str | None = None
    line: int | None = None


class Ledger:
    """Checks, counted when they are found and settled when they are mapped."""

    def __init__(self) -> None:
        self._found: dict[int, Found] = {}
        self._entries: dict[int, Entry] = {}

    def count(self, found: Iterable[Found]) -> None:
        """Note checks before anything is made of them."""
        for each in found:
            if id(each) in self._found:
                raise AssertionError(f"{each.location}: {each.kind} was counted twice")
            self._found[id(each)] = each

    def settle(self, found: Found, outcome: Outcome, *, of: str) -> Entry:
        """Record the outcome of a check."""
        if id(found) not in self._found or id(found) in self._entries:
            raise AssertionError(f"{found.location}: {found.kind} was settled twice, or never counted")
        entry = self._entries[id(found)] = Entry(found, outcome, of)
        return entry

    def close(self) -> tuple[Entry, ...]:
        """Return all checks, in the order in which they were found.

        Raises:
            AssertionError: A check was counted and is not settled, or a rule of a mapped one was not written.
        """
        for number, found in self._found.items():
            if number not in self._entries:
                raise AssertionError(f"{found.location}: {found.kind} was found and then lost")
        entries = tuple(self._entries[number] for number in self._found)
        for entry in entries:
            if entry.outcome.status in ("mapped", "changed") and entry.line is None:
                raise AssertionError(f"{entry.found.location}: {entry.found.kind} is mapped and not written")
        return entries
