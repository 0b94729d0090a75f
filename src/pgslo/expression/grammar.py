"""PostgreSQL's grammar of expressions, as far as a row condition may use it.

A recogniser with PostgreSQL's own precedences. It builds no tree: it tells which tokens are columns, and refuses
every function, type and key word that is not in :mod:`pgslo.expression.vocabulary`.
"""

from __future__ import annotations

import difflib
from typing import NoReturn

from pgslo.expression import vocabulary
from pgslo.expression.tokens import RefusalError, Token
from pgslo.keywords import RESERVED

QUOTE_HINT = 'Write a column whose name is also an SQL word in double quotes: "{}".'
LIST_HINT = "The allowed {} are listed in docs/reference/expressions.md."
_SUBQUERY_HINT = "Use the kind references for values of another table, and an assertion for other rows."

# How tightly operators bind, as in PostgreSQL's gram.y; a larger number binds tighter.
_OR, _AND, _NOT, _IS, _COMPARE, _RANGE, _OTHER, _ADD, _MULTIPLY, _POWER, _ZONE, _SIGN = range(1, 13)
_LEVELS = {
    **dict.fromkeys(("=", "<>", "!=", "<", "<=", ">", ">="), _COMPARE),
    **dict.fromkeys(("+", "-"), _ADD),
    **dict.fromkeys(("*", "/", "%"), _MULTIPLY),
    "^": _POWER,
}
_WORD_LEVELS = {
    "or": _OR,
    "and": _AND,
    "is": _IS,
    "isnull": _IS,
    "notnull": _IS,
    "not": _RANGE,
    "in": _RANGE,
    "between": _RANGE,
    "like": _RANGE,
    "ilike": _RANGE,
    "similar": _RANGE,
    "at": _ZONE,
}
_NOTHING = Token("end", "", 0)


def columns(tokens: tuple[Token, ...]) -> list[Token]:
    """The tokens of an expression that name columns, in order.

    Raises:
        RefusalError: It is no expression of PostgreSQL's, or uses what a row condition may not.
    """
    grammar = _Grammar(tokens)
    grammar.expression()
    grammar.end()
    return grammar.columns


class _Grammar:
    def __init__(self, tokens: tuple[Token, ...]) -> None:
        self._tokens = tokens
        self._at = 0
        self.columns: list[Token] = []

    # Reading tokens

    def _peek(self, ahead: int = 0) -> Token:
        index = self._at + ahead
        return self._tokens[index] if index < len(self._tokens) else _NOTHING

    def _next(self) -> Token:
        token = self._peek()
        self._at += 1
        return token

    def _take(self, *words: str) -> bool:
        """Step over a key word if it stands here."""
        found = self._peek().is_word(*words)
        self._at += found
        return found

    def _take_mark(self, mark: str) -> bool:
        found = self._peek().is_mark(mark)
        self._at += found
        return found

    def _expect(self, word: str) -> None:
        if not self._take(word):
            self._refuse(f"expected {word.upper()}")

    def _expect_mark(self, mark: str) -> None:
        if not self._take_mark(mark):
            self._refuse(f'expected "{mark}"')

    def end(self) -> None:
        """Nothing may follow."""
        if self._peek().is_mark(","):
            raise RefusalError(
                self._peek().start, "not one expression", hint="Write one condition; join several with AND."
            )
        if self._at < len(self._tokens):
            self._refuse("expected an operator")

    def _refuse(self, expected: str) -> NoReturn:
        token = self._peek()
        if token is _NOTHING:
            last = self._tokens[-1]
            raise RefusalError(last.end - 1, f"the expression ends too early: {expected}")
        if token.is_word(*vocabulary.NEVER):
            self._refuse_word(token, is_call=False)
        is_name = token.kind == "word" and token.name not in RESERVED
        raise RefusalError(
            token.start,
            f'syntax error at "{token.text}": {expected}',
            hint=None if is_name or token.kind != "word" else QUOTE_HINT.format(token.name),
        )

    # Operators

    def expression(self, level: int = 0) -> None:
        """An expression whose operators bind at least as tightly as ``level``."""
        self._prefixed()
        blocked = 0
        while (found := self._level()) >= max(level, 1):
            if found == blocked:
                self._refuse("comparisons cannot be chained; join them with AND")
            blocked = found if self._operation(found) else 0

    def _level(self) -> int:
        """How tightly the operator that stands here binds; 0 if there is none."""
        token = self._peek()
        if token.kind == "operator":
            return _LEVELS.get(token.text, _OTHER)
        if token.is_word("not") and not self._peek(1).is_word("in", "between", "like", "ilike", "similar"):
            return 0
        return _WORD_LEVELS.get(token.name, 0) if token.kind == "word" else 0

    def _operation(self, level: int) -> bool:
        """Read an operator and what is right of it; returns whether another of its level may not follow."""
        token = self._next()
        if level in (_OR, _AND):
            self.expression(level + 1)
        elif level == _IS:
            return token.is_word("is") and self._is()
        elif level == _RANGE:
            return self._range(self._next() if token.is_word("not") else token)
        elif level == _ZONE:
            self._expect("time")
            self._expect("zone")
            self.expression(_ZONE + 1)
        elif self._peek().is_word("any", "all", "some"):
            self._array_of_operands()
        else:
            self.expression(level + 1)
            return level == _COMPARE
        return False

    def _array_of_operands(self) -> None:
        self._next()
        self._expect_mark("(")
        self.expression()
        self._expect_mark(")")

    def _is(self) -> bool:
        self._take("not")
        if self._take("distinct"):
            self._expect("from")
            self.expression(_IS + 1)
            return True
        if not self._take("null", "true", "false", "unknown"):
            self._refuse("expected NULL, TRUE, FALSE, UNKNOWN or DISTINCT FROM")
        return False

    def _range(self, token: Token) -> bool:
        match token.name:
            case "in":
                self._expect_mark("(")
                self._list(")")
                return False
            case "between":
                self._take("symmetric")
                self._plain_expression()
                self._expect("and")
            case "similar":
                self._expect("to")
            case _ if self._peek().is_word("any", "all", "some"):
                self._array_of_operands()
                return False
        self.expression(_RANGE + 1)
        if token.name != "between" and self._take("escape"):
            self.expression(_RANGE + 1)
        return True

    def _plain_expression(self) -> None:
        """What BETWEEN and POSITION take without parentheses: nothing with AND, OR or NOT."""
        start = self._at
        self.expression(_RANGE + 1)
        depth = 0
        for token in self._tokens[start : self._at]:
            if token.is_mark("(", "[") or token.is_word("case"):
                depth += 1
            elif token.is_mark(")", "]") or token.is_word("end"):
                depth -= 1
            elif token.is_word("not") and depth == 0:
                raise RefusalError(
                    token.start, 'syntax error at "not": expected a value', hint="Put it in parentheses."
                )

    def _list(self, closing: str) -> None:
        """At least one expression, and the bracket that ends the list."""
        self.expression()
        while self._take_mark(","):
            self.expression()
        self._expect_mark(closing)

    # Operands

    def _prefixed(self) -> None:
        token = self._peek()
        if token.is_word("not"):
            self._next()
            self.expression(_NOT)
        elif token.kind == "operator" and token.text in vocabulary.PREFIX_OPERATORS:
            self._next()
            self.expression(_OTHER if token.text == "~" else _SIGN)
        else:
            if self._operand():
                self._subscripts()
            while self._take_mark("::"):
                self._type()

    def _subscripts(self) -> None:
        while self._take_mark("["):
            self.expression()
            self._expect_mark("]")

    def _operand(self) -> bool:
        """One value; returns whether it may have subscripts."""
        token = self._peek()
        if token.kind in ("string", "number"):
            self._next()
            return False
        if self._take_mark("("):
            self.expression()
            is_row = self._peek().is_mark(",")
            while self._take_mark(","):
                self.expression()
            self._expect_mark(")")
            return not is_row
        if token.kind == "quoted":
            self._column()
            return True
        if token.kind != "word":
            self._refuse("expected a value")
        return self._word()

    def _word(self) -> bool:
        token = self._peek()
        if self._typed_string():
            return False
        match token.name:
            case "case":
                self._case()
            case "array" if self._peek(1).is_mark("["):
                self._next()
                self._array()
            case "null" | "true" | "false" | "current_date" | "current_timestamp":
                self._next()
            case _ if self._peek(1).is_mark("("):
                self._call()
            case _:
                self._column()
                return True
        return False

    def _column(self) -> None:
        token = self._next()
        if token.kind == "quoted" and self._peek().is_mark("("):
            raise RefusalError(
                token.start, "a function's name may not be quoted", hint=LIST_HINT.format("functions")
            )
        if token.kind == "word" and token.name in RESERVED - vocabulary.COLUMN_KEYWORDS:
            self._refuse_word(token, is_call=False)
        if token.name in vocabulary.SYSTEM_COLUMNS:
            raise RefusalError(token.start, f'system column "{token.name}" is not allowed in an expression')
        self.columns.append(token)

    def _case(self) -> None:
        self._next()
        if not self._peek().is_word("when"):
            self.expression()
        self._expect("when")
        while True:
            self.expression()
            self._expect("then")
            self.expression()
            if not self._take("when"):
                break
        if self._take("else"):
            self.expression()
        self._expect("end")

    def _array(self) -> None:
        """The brackets of ``ARRAY[…]``: values, or arrays in brackets of their own."""
        self._expect_mark("[")
        if self._take_mark("]"):
            return
        read = self._array if self._peek().is_mark("[") else self.expression
        read()
        while self._take_mark(","):
            read()
        self._expect_mark("]")

    # Calls

    def _call(self) -> None:
        token = self._next()
        if token.name != "cast" and token.name not in vocabulary.FUNCTIONS - vocabulary.VALUE_FUNCTIONS:
            self._refuse_word(token, is_call=True)
        self._expect_mark("(")
        match token.name:
            case "cast":
                self.expression()
                self._expect("as")
                self._type()
            case "extract":
                self._field()
                self._expect("from")
                self.expression()
            case "position":
                self._plain_expression()
                self._expect("in")
                self._plain_expression()
            case "trim":
                self._trimmed()
                return
            case "overlay" | "substring":
                self._part(token.name)
                return
            case _:
                if token.name not in vocabulary.WITHOUT_ARGUMENTS:
                    self._list(")")
                    return
        self._expect_mark(")")

    def _field(self) -> None:
        token = self._next()
        name = token.text[1:-1].lower() if token.kind == "string" else token.name
        if token.kind not in ("word", "string") or name not in vocabulary.FIELDS:
            raise RefusalError(
                token.start,
                f'extract has no field "{token.text}"',
                hint=similar(name, vocabulary.FIELDS) or "For example extract(year FROM column).",
            )

    def _trimmed(self) -> None:
        self._take("both", "leading", "trailing")
        if not self._take("from"):
            self.expression()
            if not self._take("from"):
                if self._take_mark(","):
                    self._list(")")
                else:
                    self._expect_mark(")")
                return
        self._list(")")

    def _part(self, function: str) -> None:
        self.expression()
        if self._take_mark(","):
            self._list(")")
            return
        if function == "overlay":
            self._expect("placing")
            self.expression()
        elif self._take("for"):
            self.expression()
            self._expect_mark(")")
            return
        self._expect("from")
        self.expression()
        if self._take("for"):
            self.expression()
        self._expect_mark(")")

    # Types

    def _typed_string(self) -> bool:
        """Step over ``date '2026-11-22'`` if that stands here."""
        end = self._type_end(self._at)
        if end is None or end >= len(self._tokens) or self._tokens[end].kind != "string":
            return False
        is_interval = self._peek().is_word("interval")
        self._at = end + 1
        units = vocabulary.INTERVAL_UNITS
        if is_interval and self._take(*units) and self._take("to") and not self._take(*units):
            self._refuse("expected a unit such as MINUTE")
        return True

    def _type(self) -> None:
        end = self._type_end(self._at)
        if end is None:
            token = self._peek()
            if token is _NOTHING:
                self._refuse("expected a type")
            hint = similar(token.name, vocabulary.TYPES) or LIST_HINT.format("types")
            raise RefusalError(token.start, f'type "{token.text}" is not allowed in an expression', hint=hint)
        self._at = end
        while self._take_mark("["):
            if self._peek().is_count():
                self._next()
            self._expect_mark("]")

    def _type_end(self, at: int) -> int | None:
        """The index after the type that begins at ``at``, without brackets; ``None`` if none does."""
        first = self._token(at)
        tails = vocabulary.TYPE_TAILS.get(first.name, ()) if first.kind == "word" else ()
        if first.kind != "word" or not (first.name in vocabulary.TYPES or tails):
            return None
        at = self._parameters_end(at + 1, first)
        for tail in tails:
            if all(self._token(at + step).is_word(word) for step, word in enumerate(tail)):
                return self._parameters_end(at + len(tail), first)
        return at if first.name in vocabulary.TYPES else None

    def _parameters_end(self, at: int, type_: Token) -> int:
        """The index after ``(10)`` or ``(10, 2)``, or the same one."""
        shape = [self._token(at + step) for step in range(5)]
        if shape[0].is_mark("(") and shape[1].is_count():
            if shape[2].is_mark(")"):
                return at + 3
            exact = type_.is_word("numeric", "decimal", "dec")
            if exact and shape[2].is_mark(",") and shape[3].is_count() and shape[4].is_mark(")"):
                return at + 5
        return at

    def _token(self, index: int) -> Token:
        return self._tokens[index] if index < len(self._tokens) else _NOTHING

    # Why a word is refused

    def _refuse_word(self, token: Token, *, is_call: bool) -> NoReturn:
        name = token.name
        if name in vocabulary.SUBQUERY_WORDS or (name == "array" and is_call):
            raise RefusalError(
                token.start, "sub-queries are not allowed in an expression", hint=_SUBQUERY_HINT
            )
        if name in vocabulary.WINDOW_WORDS:
            raise RefusalError(
                token.start,
                "window functions and aggregates are not allowed in an expression",
                hint="A condition judges one row by itself.",
            )
        if name == "collate":
            raise RefusalError(token.start, "COLLATE is not allowed in an expression")
        if not is_call:
            raise RefusalError(
                token.start, f'"{token.text}" is not a value', hint=QUOTE_HINT.format(token.name)
            )
        close = similar(name, vocabulary.FUNCTIONS)
        if name in vocabulary.AGGREGATES:
            hint = "It is about many rows; a condition judges one row by itself."
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
