"""Text of rules as comments of generated SQL hold it."""

from __future__ import annotations

import textwrap

from pgslo.definition.wording import called, one_line, span_shown

__all__ = ["called", "comment", "one_line", "span_shown"]

#: Comments end before this many characters, where they can.
_WIDTH = 114


def comment(text: str) -> str:
    """Text for a comment that begins with ``--``, on as many lines as it needs."""
    lines = textwrap.wrap(one_line(text), _WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n--   ".join(lines)
