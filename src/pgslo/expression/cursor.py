"""The tokens of a row condition, read one after the other; and the errors for those that are not allowed."""

from __future__ import annotations

import difflib
from typing import NoReturn

from pgslo.expression import vocabulary
from pgslo.expression.tokens import RefusalError, Token
from pgslo.keywords import RESERVED

QUOTE_HINT = 'Write a column whose name is also an SQL word in double quotes: "{}".'
LIST_HINT = "The allowed {} are listed in docs/reference/expressions.md."
_SUBQUERY_HINT = "Use the kind references for values of another table, and an assertion for other rows."

#: In place of a token after the last one.
NOTHING = Token("end", "", 0)


class Cursor:
    """A place among the tokens of an expression.

    Attributes:
        tokens: All of them.
        at: Index of the next one.
    """

    def __init__(self, tokens: tuple[Token, ...]) -> None:
        self.tokens = tokens
        self.at = 0

    def token_at(self, index: int) -> Token:
        """The token at an index, or ``NOTHING``."""
        return self.tokens[index] if index < len(self.tokens) else NOTHING

    def peek(self, ahead: int = 0) -> Token:
        """The next token, or one after it."""
        return self.token_at(self.at + ahead)

    def next(self) -> Token:
        """Step over the next token."""
        token = self.peek()
        self.at += 1
        return token

    def take(self, *words: str) -> bool:
        """Step over the next token if it is one of these key words."""
        found = self.peek().is_word(*words)
        self.at += found
        return found

    def take_mark(self, mark: str) -> bool:
        """Step over the next token if it is this mark."""
        found = self.peek().is_mark(mark)
        self.at += found
        return found

    def expect(self, word: str) -> None:
        """Step over a key word that has to follow."""
        if not self.take(word):
            self.refuse(f"expected {word.upper()}")

    def expect_mark(self, mark: str) -> None:
        """Step over a mark that has to follow."""
        if not self.take_mark(mark):
            self.refuse(f'expected "{mark}"')

    def end(self) -> None:
        """Nothing may follow."""
        if self.peek().is_mark(","):
            raise RefusalError(
                self.peek().start, "not one expression", hint="Write one condition; join several with AND."
            )
        if self.at < len(self.tokens):
            self.refuse("expected an operator")

    def refuse(self, expected: str) -> NoReturn:
        """Raise the error for the next token, in the place of which something else is expected."""
        token = self.peek()
        if token is NOTHING:
            last = self.tokens[-1]
            raise RefusalError(last.end - 1, f"the expression ends too early: {expected}")
        if token.is_word(*vocabulary.NEVER):
            self.refuse_word(token, is_call=False)
        is_name = token.kind == "word" and token.name not in RESERVED
        raise RefusalError(
            token.start,
            f'syntax error at "{token.text}": {expected}',
            hint=None if is_name or token.kind != "word" else QUOTE_HINT.format(token.name),
        )

    def refuse_word(self, token: Token, *, is_call: bool) -> NoReturn:
        """Raise the error for a word that an expression may not use.

        Args:
            token: The word.
            is_call: Whether a bracket follows it.
        """
        name = token.name
        if name in vocabulary.SUBQUERY_WORDS or (name == "array" and is_call):
            raise RefusalError(
                token.start, "sub-queries are not allowed in an expression", hint=_SUBQUERY_HINT
            )
        if name in vocabulary.WINDOW_WORDS:
            raise RefusalError(
                token.start,
                "window functions and aggregates are not allowed in an expression",
                hint="A condition evaluates one row alone.",
            )
        if name == "collate":
            raise RefusalError(token.start, "COLLATE is not allowed in an expression")
        if not is_call:
            raise RefusalError(
                token.start, f'"{token.text}" is not a value', hint=QUOTE_HINT.format(token.name)
            )
        close = similar(name, vocabulary.FUNCTIONS)
        if name in vocabulary.AGGREGATES:
            hint = "It is about many rows; a condition evaluates one row alone."
        elif name in vocabulary.CHANGING:
            hint = "Its result changes from call to call; now() is allowed."
        elif name in vocabulary.SET_RETURNING:
            hint = "It returns rows; a condition needs one value."
        else:
            hint = f"{close} {LIST_HINT}".format("functions") if close else LIST_HINT.format("functions")
        raise RefusalError(token.start, f'function "{token.text}" is not allowed in an expression', hint=hint)


def similar(name: str, known: frozenset[str]) -> str | None:
    """A hint that names the most similar of the known words."""
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.75)
    return f'did you mean "{close[0]}"?' if close else None
