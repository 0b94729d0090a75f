"""Addresses of pages: the same for a table or an incident in every report, and a different one for each."""

from __future__ import annotations

import hashlib
import string

# Small letters alone: some file systems do not distinguish capitals.
_PLAIN = frozenset((string.ascii_lowercase + string.digits + "_.-").encode())
_LONGEST = 150


def slug(name: str) -> str:
    """A name as part of an address; other characters are written as ``~`` and two digits for each byte."""
    text = "".join(chr(byte) if byte in _PLAIN else f"~{byte:02x}" for byte in name.encode())
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST]}~~{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def table_file(name: str) -> str:
    """The file of a table's page."""
    return f"tables/{slug(name)}.html"


def incident_file(number: int) -> str:
    """The file of an incident's page."""
    return f"incidents/{number}.html"
