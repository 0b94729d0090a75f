"""Text of other people made safe to show: names, batch keys, values, notes and errors are written by roles that are not trusted."""

from __future__ import annotations

import re

#: Characters that a terminal, an editor or a browser obeys or hides instead of showing them: control characters (C0 and C1),
#: controls of the writing direction, line separators, characters without width, annotations, tags.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_LINE_BREAK = re.compile(r"\s*[\n\r\t\x0b\x0c\x1c-\x1e\x85\u2028\u2029]\s*")

#: What chat and mail programs act on, and what takes its place. A space behind the first character is enough nearly
#: everywhere: no target takes "< a", "* a" or "] (" for markup, and the text can still be read.
_MARKUP = (
    (re.compile(r"<(?=[^\s\d<=>])"), "< "),  # a tag, a mention, an anchor
    (re.compile(r"&(?=#?\w+;)"), "& "),  # an entity, which some decode before they look for the rest
    (re.compile(r"@(?=everyone|here|(?:channel|all)\b)|(?<!\w)@(?=\w)", re.IGNORECASE), "@ "),  # a mention
    (re.compile(r"\](?=[(\[:])"), "] "),  # a link that shows other words than its address
    (re.compile(r"(?<=\w):(?=//)"), ": "),  # an address, which becomes a link at any place
    (re.compile(r"(?<!\w)(www\.|(?:mailto|tel|sms|callto|skype|xmpp|magnet):)(?=\S)", re.IGNORECASE), r"\1 "),
    (re.compile(r"(\*+|~+)(?=[^\s*~])"), r"\1 "),  # bold, struck out
    (re.compile(r"\|(?=\|)"), "| "),  # hidden until clicked
    (
        re.compile(r"(?<!\w)(_+)(?=[^\s_](?:.*\S)?_(?!\w))"),
        r"\1 ",
    ),  # italic; a name such as _loaded_at is not
    (re.compile("`"), "'"),  # code
)
#: What begins a heading, a quotation or a list at the start of a line.
_BLOCK = re.compile(r"(?m)^[ \t]*(?=[#>+-]+\s|>|[=-]{2,}[ \t]*$|\d+[.)]\s)")


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


def printable(text: str) -> str:
    r"""Return the text with escapes such as ``\x1b`` for unprintable characters; line breaks and tabs stay."""
    return _UNPRINTABLE.sub(_escape, text)


def one_line(text: str) -> str:
    """Return the text on one line, printable, for a cell of a table or a sentence of a message."""
    return printable(_LINE_BREAK.sub(" ", text))


def json_text(text: str) -> str:
    r"""Return a JSON document with ``\u001b`` for unprintable characters: the same value, safe on a terminal."""

    def escape(match: re.Match[str]) -> str:
        units = match[0].encode("utf-16-be")
        return "".join(f"\\u{units[n]:02x}{units[n + 1]:02x}" for n in range(0, len(units), 2))

    return _UNPRINTABLE.sub(escape, text)


def neutral(text: str) -> str:
    """Return printable text that no chat or mail program takes for markup: no person is mentioned, and no address is a link."""
    text = printable(text)
    for pattern, instead in _MARKUP:
        text = pattern.sub(instead, text)
    return _BLOCK.sub("· ", text)
