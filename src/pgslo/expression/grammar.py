"""PostgreSQL's grammar of expressions, as far as a row condition may use it.

A recogniser with PostgreSQL's own precedences. It builds no tree: it finds the tokens that are columns, and refuses
every function, type and key word that is not in :mod:`pgslo.expression.vocabulary`.
"""

from __future__ import annotations

from pgslo.expression import vocabulary
from pgslo.expression.cursor import LIST_HINT, NOTHING, Cursor, similar
from pgslo.expression.tokens import RefusalError, Token
from pgslo.keywords import RESERVED

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


def columns(tokens: tuple[Token, ...]) -> list[Token]:
    """The tokens of an expression that name columns, in order.

    Raises:
        RefusalError: It is not an expression of PostgreSQL's, or uses a part that a row condition may not.
    """
    grammar = _Grammar(tokens)
    grammar.expression()
    grammar.end()
    return grammar.columns


class _Grammar(Cursor):
    def __init__(self, tokens: tuple[Token, ...]) -> None:
        super().__init__(tokens)
        self.columns: list[Token] = []

    # Operators

    def expression(self, level: int = 0) -> None:
        """An expression whose operators bind at least as tightly as ``level``."""
        self._prefixed()
        blocked = 0
        while (found := self._level()) >= max(level, 1):
            if found == blocked:
                self.refuse("comparisons cannot be chained; join them with AND")
            blocked = found if self._operation(found) else 0

    def _level(self) -> int:
        """How tightly the operator at this place binds; 0 without one."""
        token = self.peek()
        if token.kind == "operator":
            return _LEVELS.get(token.text, _OTHER)
        if token.is_word("not") and not self.peek(1).is_word("in", "between", "like", "ilike", "similar"):
            return 0
        return _WORD_LEVELS.get(token.name, 0) if token.kind == "word" else 0

    def _operation(self, level: int) -> bool:
        """Read an operator and its right operand; returns whether another of its level may not follow."""
        token = self.next()
        if level in (_OR, _AND):
            self.expression(level + 1)
        elif level == _IS:
            return token.is_word("is") and self._is()
        elif level == _RANGE:
            return self._range(self.next() if token.is_word("not") else token)
        elif level == _ZONE:
            self.expect("time")
            self.expect("zone")
            self.expression(_ZONE + 1)
        elif self.peek().is_word("any", "all", "some"):
            self._array_of_operands()
        else:
            self.expression(level + 1)
            return level == _COMPARE
        return False

    def _array_of_operands(self) -> None:
        self.next()
        self.expect_mark("(")
        self.expression()
        self.expect_mark(")")

    def _is(self) -> bool:
        self.take("not")
        if self.take("distinct"):
            self.expect("from")
            self.expression(_IS + 1)
            return True
        if not self.take("null", "true", "false", "unknown"):
            self.refuse("expected NULL, TRUE, FALSE, UNKNOWN or DISTINCT FROM")
        return False

    def _range(self, token: Token) -> bool:
        match token.name:
            case "in":
                self.expect_mark("(")
                self._list(")")
                return False
            case "between":
                self.take("symmetric")
                self._plain_expression()
                self.expect("and")
            case "similar":
                self.expect("to")
            case _ if self.peek().is_word("any", "all", "some"):
                self._array_of_operands()
                return False
        self.expression(_RANGE + 1)
        if token.name != "between" and self.take("escape"):
            self.expression(_RANGE + 1)
        return True

    def _plain_expression(self) -> None:
        """What BETWEEN and POSITION take without parentheses: nothing with AND, OR or NOT."""
        start = self.at
        self.expression(_RANGE + 1)
        depth = 0
        for token in self.tokens[start : self.at]:
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
        while self.take_mark(","):
            self.expression()
        self.expect_mark(closing)

    # Operands

    def _prefixed(self) -> None:
        token = self.peek()
        if token.is_word("not"):
            self.next()
            self.expression(_NOT)
        elif token.kind == "operator" and token.text in vocabulary.PREFIX_OPERATORS:
            self.next()
            self.expression(_OTHER if token.text == "~" else _SIGN)
        else:
            if self._operand():
                self._subscripts()
            while self.take_mark("::"):
                self._type()

    def _subscripts(self) -> None:
        while self.take_mark("["):
            self.expression()
            self.expect_mark("]")

    def _operand(self) -> bool:
        """One value; returns whether it may have subscripts."""
        token = self.peek()
        if token.kind in ("string", "number"):
            self.next()
            return False
        if self.take_mark("("):
            self.expression()
            is_row = self.peek().is_mark(",")
            while self.take_mark(","):
                self.expression()
            self.expect_mark(")")
            return not is_row
        if token.kind == "quoted":
            self._column()
            return True
        if token.kind != "word":
            self.refuse("expected a value")
        return self._word()

    def _word(self) -> bool:
        token = self.peek()
        if self._typed_string():
            return False
        match token.name:
            case "case":
                self._case()
            case "array" if self.peek(1).is_mark("["):
                self.next()
                self._array()
            case "null" | "true" | "false" | "current_date" | "current_timestamp":
                self.next()
            case _ if self.peek(1).is_mark("("):
                self._call()
            case _:
                self._column()
                return True
        return False

    def _column(self) -> None:
        token = self.next()
        if token.kind == "quoted" and self.peek().is_mark("("):
            raise RefusalError(
                token.start, "a function's name may not be quoted", hint=LIST_HINT.format("functions")
            )
        if token.kind == "word" and token.name in RESERVED - vocabulary.COLUMN_KEYWORDS:
            self.refuse_word(token, is_call=False)
        if token.name in vocabulary.SYSTEM_COLUMNS:
            raise RefusalError(token.start, f'system column "{token.name}" is not allowed in an expression')
        self.columns.append(token)

    def _case(self) -> None:
        self.next()
        if not self.peek().is_word("when"):
            self.expression()
        self.expect("when")
        while True:
            self.expression()
            self.expect("then")
            self.expression()
            if not self.take("when"):
                break
        if self.take("else"):
            self.expression()
        self.expect("end")

    def _array(self) -> None:
        """The brackets of ``ARRAY[…]``: values, or arrays in brackets of their own."""
        self.expect_mark("[")
        if self.take_mark("]"):
            return
        read = self._array if self.peek().is_mark("[") else self.expression
        read()
        while self.take_mark(","):
            read()
        self.expect_mark("]")

    # Calls

    def _call(self) -> None:
        token = self.next()
        if token.name != "cast" and token.name not in vocabulary.FUNCTIONS - vocabulary.VALUE_FUNCTIONS:
            self.refuse_word(token, is_call=True)
        self.expect_mark("(")
        match token.name:
            case "cast":
                self.expression()
                self.expect("as")
                self._type()
            case "extract":
                self._field()
                self.expect("from")
                self.expression()
            case "position":
                self._plain_expression()
                self.expect("in")
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
        self.expect_mark(")")

    def _field(self) -> None:
        token = self.next()
        name = token.text[1:-1].lower() if token.kind == "string" else token.name
        if token.kind not in ("word", "string") or name not in vocabulary.FIELDS:
            raise RefusalError(
                token.start,
                f'extract has no field "{token.text}"',
                hint=similar(name, vocabulary.FIELDS) or "For example extract(year FROM column).",
            )

    def _trimmed(self) -> None:
        self.take("both", "leading", "trailing")
        if not self.take("from"):
            self.expression()
            if not self.take("from"):
                if self.take_mark(","):
                    self._list(")")
                else:
                    self.expect_mark(")")
                return
        self._list(")")

    def _part(self, function: str) -> None:
        self.expression()
        if self.take_mark(","):
            self._list(")")
            return
        if function == "overlay":
            self.expect("placing")
            self.expression()
        elif self.take("for"):
            self.expression()
            self.expect_mark(")")
            return
        self.expect("from")
        self.expression()
        if self.take("for"):
            self.expression()
        self.expect_mark(")")

    # Types

    def _typed_string(self) -> bool:
        """Step over ``date '2026-11-22'`` if that is next."""
        end = self._type_end(self.at)
        if end is None or end >= len(self.tokens) or self.tokens[end].kind != "string":
            return False
        is_interval = self.peek().is_word("interval")
        self.at = end + 1
        units = vocabulary.INTERVAL_UNITS
        if is_interval and self.take(*units) and self.take("to") and not self.take(*units):
            self.refuse("expected a unit such as MINUTE")
        return True

    def _type(self) -> None:
        end = self._type_end(self.at)
        if end is None:
            token = self.peek()
            if token is NOTHING:
                self.refuse("expected a type")
            hint = similar(token.name, vocabulary.TYPES) or LIST_HINT.format("types")
            raise RefusalError(token.start, f'type "{token.text}" is not allowed in an expression', hint=hint)
        self.at = end
        while self.take_mark("["):
            if self.peek().is_count():
                self.next()
            self.expect_mark("]")

    def _type_end(self, at: int) -> int | None:
        """The index after the type that begins at ``at``, without brackets; ``None`` if none does."""
        first = self.token_at(at)
        tails = vocabulary.TYPE_TAILS.get(first.name, ()) if first.kind == "word" else ()
        if first.kind != "word" or not (first.name in vocabulary.TYPES or tails):
            return None
        at = self._parameters_end(at + 1, first)
        for tail in tails:
            if all(self.token_at(at + step).is_word(word) for step, word in enumerate(tail)):
                return self._parameters_end(at + len(tail), first)
        return at if first.name in vocabulary.TYPES else None

    def _parameters_end(self, at: int, type_: Token) -> int:
        """The index after ``(10)`` or ``(10, 2)``, or the same one."""
        shape = [self.token_at(at + step) for step in range(5)]
        if shape[0].is_mark("(") and shape[1].is_count():
            if shape[2].is_mark(")"):
                return at + 3
            exact = type_.is_word("numeric", "decimal", "dec")
            if exact and shape[2].is_mark(",") and shape[3].is_count() and shape[4].is_mark(")"):
                return at + 5
        return at
