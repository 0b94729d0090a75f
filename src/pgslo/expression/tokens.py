"""PostgreSQL's tokens, as far as a row condition may use them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from pgslo.expression import vocabulary
from pgslo.sql import BODY_QUOTE

MAX_BYTES = 4_000
MAX_TOKENS = 2_000
MAX_DEPTH = 20
_MAX_PREFIXES = 8
_NAME_BYTES = 63

_TOKENS = re.compile(
    r"""
      (?P<space>   [ \t\r\n]+)
    | (?P<string>  '(?:[^']|'')*')
    | (?P<quoted>  "(?:[^"]|"")+")
    | (?P<number>  (?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    | (?P<word>    [^\W\d]\w*)
    | (?P<mark>    ::|[()\[\],])
    | (?P<operator>[~!@\#^&|`?+\-*/%<>=]+)
    """,
    re.VERBOSE,
)
#: An operator of PostgreSQL may end in + or - only if it holds one of these.
_KEEPS_SIGN = frozenset("~!@#^&|`?%")
#: What looks like a word before a string or name is a part of it.
_PREFIXED = re.compile(r"(?:[bBeEnNxX]|[uU]&)'|[uU]&\"|\w+\"")
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


class RefusalError(Exception):
    """The text is refused; ``start`` is the character to point at."""

    def __init__(
        self, start: int, message: str, *, detail: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.start = start
        self.message = message
        self.detail = detail
        self.hint = hint


@dataclass(frozen=True)
class Token:
    """One token; ``name`` is a word or quoted name as the catalogue spells it."""

    kind: str
    text: str
    start: int
    name: str = ""

    @property
    def end(self) -> int:
        """The index after its last character."""
        return self.start + len(self.text)

    def is_word(self, *words: str) -> bool:
        """Whether it is one of these words, without quotes."""
        return self.kind == "word" and self.name in words

    def is_mark(self, *marks: str) -> bool:
        """Whether it is one of these brackets, a comma or a cast."""
        return self.kind == "mark" and self.text in marks

    def is_count(self) -> bool:
        """Whether it is a whole number."""
        return self.kind == "number" and self.text.isdigit()


def read(text: str) -> tuple[Token, ...]:
    """Cut a text into tokens.

    Raises:
        RefusalError: A character or token is not allowed, brackets do not match, or it is too long or too deep.
    """
    _check_characters(text)
    tokens = tuple(_cut(text))
    if not tokens:
        raise RefusalError(0, "the expression is empty")
    if len(tokens) > MAX_TOKENS:
        raise RefusalError(
            0, f"the expression has {len(tokens):,} tokens; at most {MAX_TOKENS:,} are allowed"
        )
    _check_nesting(tokens)
    return tokens


def _check_characters(text: str) -> None:
    size = len(text.encode(errors="surrogatepass"))
    if size > MAX_BYTES:
        raise RefusalError(0, f"the expression has {size:,} bytes; at most {MAX_BYTES:,} are allowed")
    for offset, character in enumerate(text):
        if character not in "\t\r\n" and unicodedata.category(character) in _INVISIBLE:
            raise RefusalError(
                offset,
                f"invisible or reserved character U+{ord(character):04X} in an expression",
                hint="It would make the text read differently from what PostgreSQL sees; leave it out.",
            )
    at = text.find(BODY_QUOTE)
    if at >= 0:
        raise RefusalError(at, f"text may not contain {BODY_QUOTE}", hint="It quotes generated functions.")


def _cut(text: str) -> Iterator[Token]:
    at = 0
    while at < len(text):
        match = _TOKENS.match(text, at)
        if match is None:
            _refuse_character(text, at)
        kind, found = str(match.lastgroup), match.group()
        if kind == "operator":
            found = _operator(found, at)
        end = at + len(found)
        _check_boundary(kind, found, at, text[end : end + 2])
        if kind == "word":
            yield Token(kind, found, at, _folded(found, at))
        elif kind == "quoted":
            yield Token(kind, found, at, _fitting(found[1:-1].replace('""', '"'), at))
        elif kind != "space":
            yield Token(kind, found, at)
        at = end


def _check_boundary(kind: str, found: str, start: int, following: str) -> None:
    """Refuse what only looks like two tokens: ``1e``, ``E'…'``, ``U&"…"``."""
    if kind == "number" and re.match(r"[\w.$]", following):
        raise RefusalError(start, f'"{found}{following[0]}" is neither a number nor a name')
    if kind == "word" and _PREFIXED.match(found + following):
        raise RefusalError(
            start, f"a string or name may not be prefixed with {found}", hint="Put a space between."
        )
    if kind in ("string", "quoted") and following[:1] in ("'", '"'):
        raise RefusalError(
            start + len(found), "two values or names side by side", hint="Put an operator between."
        )


def _folded(word: str, start: int) -> str:
    """A name without quotes as the catalogue spells it; beyond ASCII that depends on the server's encoding."""
    if not word.isascii() and word != word.lower():
        raise RefusalError(
            start, f"write {word} in double quotes", hint="Its upper case letters would be ambiguous."
        )
    return _fitting(word.lower(), start)


def _fitting(name: str, start: int) -> str:
    if len(name.encode()) > _NAME_BYTES:
        raise RefusalError(
            start, f"name is longer than {_NAME_BYTES} bytes", detail="PostgreSQL would cut it."
        )
    return name


def _operator(found: str, start: int) -> str:
    """The operator PostgreSQL would cut off, which is the longest one, but for trailing signs."""
    for comment in ("--", "/*"):
        at = found.find(comment)
        if at >= 0:
            raise RefusalError(
                start + at,
                "comments are not allowed in an expression",
                hint='Use the rule\'s "description"; two signs need a space between: - -1.',
            )
    while len(found) > 1 and found[-1] in "+-" and not _KEEPS_SIGN.intersection(found):
        found = found[:-1]
    if found in vocabulary.OPERATORS:
        return found
    if found[-1] in "+-" and found[:-1] in vocabulary.OPERATORS:
        raise RefusalError(
            start, f'PostgreSQL reads "{found}" as one operator', hint=f"Put a space before the {found[-1]}."
        )
    hints = {
        "==": "Equality is written with one sign: =.",
        "`": 'Names are quoted with double quotes: "name".',
    }
    hint = hints.get(found, "The allowed operators are listed in docs/reference/expressions.md.")
    raise RefusalError(start, f'operator "{found}" is not allowed in an expression', hint=hint)


def _refuse_character(text: str, at: int) -> NoReturn:
    match text[at]:
        case ";":
            raise RefusalError(at, "several statements are not allowed", hint="Remove the semicolon.")
        case "'":
            raise RefusalError(
                at, "string is not closed", hint="A quote inside a string is written twice: ''."
            )
        case '"':
            raise RefusalError(at, "quoted name is empty or not closed")
        case "$":
            raise RefusalError(
                at, "parameters and dollar quotes are not allowed", hint="Write strings in single quotes."
            )
        case ":":
            raise RefusalError(
                at, "psql variables and array slices are not allowed", hint="A cast is written ::type."
            )
        case ".":
            raise RefusalError(
                at,
                "qualified names are not allowed in an expression",
                hint="Name only columns of the row itself, without a table or schema before them.",
            )
        case character:
            raise RefusalError(
                at,
                f'character "{character}" is not allowed in an expression',
                hint="Names with special characters are written in double quotes.",
            )


def _check_nesting(tokens: tuple[Token, ...]) -> None:
    """Brackets have to match, and neither they nor prefixes may be so deep as to exhaust a parser's stack."""
    opened: list[Token] = []
    prefixes = 0
    for token in tokens:
        is_sign = token.kind == "operator" and token.text in vocabulary.PREFIX_OPERATORS
        prefixes = prefixes + 1 if is_sign or token.is_word("not") else 0
        if token.is_mark("(", "[") or token.is_word("case"):
            opened.append(token)
        elif token.is_mark(")", "]"):
            if not opened or opened.pop().text != {")": "(", "]": "["}[token.text]:
                raise RefusalError(token.start, f'"{token.text}" closes nothing')
        elif token.is_word("end") and opened and opened[-1].is_word("case"):
            opened.pop()
        if len(opened) > MAX_DEPTH or prefixes > _MAX_PREFIXES:
            raise RefusalError(token.start, "the expression is nested too deep")
    if opened:
        raise RefusalError(opened[-1].start, f'"{opened[-1].text}" is not closed')
