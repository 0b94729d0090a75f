"""The report for people: changes, check by check, and one line that counts all."""

from __future__ import annotations

from collections.abc import Iterator

from pgslo.importing.report.document import counts
from pgslo.importing.run import Imported

_WORDS = {
    "mapped": "as they are",
    "changed": "changed",
    "learned": "learned",
    "held": "held",
    "not_mapped": "not mapped",
}


def lines(done: Imported) -> Iterator[str]:
    """Return a line for each file that was not read, and for each check that is not as it was."""
    for failure in done.failures:
        yield f"{failure.path}:{failure.line}:{failure.column}: not read: {failure.message}"
    for entry in done.entries:
        if entry.outcome.status in ("changed", "not_mapped"):
            found = entry.found
            of = f" of {found.column}" if found.column is not None else ""
            why = "; ".join(remark.text for remark in entry.outcome.remarks)
            yield f"{found.location}: {_WORDS[entry.outcome.status]}: {found.kind}{of}: {why}"


def last_line(done: Imported, see: str) -> str:
    """Return the counts in a line, and where to look."""
    total = len(done.entries)
    parts = ", ".join(f"{number} {_WORDS[status]}" for status, number in counts(done.entries).items())
    return f"{total} {'check' if total == 1 else 'checks'}: {parts}; see {see}"
