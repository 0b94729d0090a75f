"""Row conditions that authors write: parsed, restricted to what a row rule may do, and qualified.

What PostgreSQL will see is the author's own text, never what a parser regenerates: a parser's text can mean
something else. Two readings of that text have to agree before it is accepted. The first cuts it into
PostgreSQL's tokens and gives every word a role (column, function, type, key word), each from a named list. The
second is sqlglot's syntax tree, restricted node by node. The columns of both have to be the same characters.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from pgslo.errors import DefinitionError, Location
from pgslo.expression import tokens as lexer
from pgslo.expression import vocabulary
from pgslo.expression.tokens import QUOTE_HINT, RefusalError, Token
from pgslo.keywords import RESERVED
from pgslo.sql import Sql

MAX_NODES = 2_000
_BEFORE = "SELECT ("

_SUBQUERY_HINT = "Use the kind references for values of another table, and an assertion for other rows."
_LIST_HINT = "The allowed functions are listed in docs/reference/expressions.md."


@dataclass(frozen=True)
class Expression:
    """A condition or value over the columns of one row.

    Attributes:
        text: The author's own text; pgslo never emits what a parser regenerates.
        columns: Names of the columns it reads, as PostgreSQL folds them, in order of first use.
        location: Where it stands.
    """

    text: str
    columns: tuple[str, ...]
    location: Location

    def qualified(self, row: Sql) -> Sql:
        """The author's text, in parentheses, with ``row.`` before every column.

        A string that holds a backslash is written as ``E'…'``: it means the same, whatever
        ``standard_conforming_strings`` is in the session that runs it.
        """
        parts = ["("]
        done = 0
        for edit in _analyse(self.text).edits:
            parts.append(self.text[done : edit.start])
            parts.append(f"{row.text}." if edit.text is None else edit.text)
            done = edit.end
        return Sql("".join([*parts, self.text[done:], ")"]))


def parse(text: str, *, location: Location, locate: Callable[[int], Location] | None = None) -> Expression:
    """Parse and restrict an author's expression.

    Args:
        text: What the author wrote.
        location: Where it starts.
        locate: Where its n-th character stands, if the file does not show it in one piece.

    Raises:
        DefinitionError: It is not an expression over one row, or uses what is not in the lists of
            :mod:`pgslo.vocabulary`.
    """
    text = text.rstrip(" \t\r\n")
    try:
        analysis = _analyse(text)
    except RefusalError as refused:
        place = locate(refused.start) if locate else _on_one_line(text, refused.start, location)
        raise DefinitionError(
            refused.message, detail=refused.detail, hint=refused.hint, location=place
        ) from None
    return Expression(text, analysis.columns, location)


def _on_one_line(text: str, offset: int, location: Location) -> Location:
    if "\n" in text:
        return location
    return Location(location.path, location.line, location.column + offset)


_NOTHING = Token("nothing", "", 0)


@dataclass(frozen=True)
class _Edit:
    """What ``qualified`` puts in place of ``start:end``; ``None`` stands for the row's name and a dot."""

    start: int
    end: int
    text: str | None


@dataclass(frozen=True)
class _Analysis:
    columns: tuple[str, ...]
    edits: tuple[_Edit, ...]


@functools.lru_cache(maxsize=4096)
def _analyse(text: str) -> _Analysis:
    tokens = lexer.read(text)
    tree = _read_tree(text, tokens)
    columns = _Roles(tokens, tree.columns).columns()
    if tree.refusal:
        raise tree.refusal
    edits = [_Edit(column.start, column.start, None) for column in columns]
    edits += [
        _Edit(token.start, token.end, " E" + token.text.replace("\\", "\\\\"))
        for token in tokens
        if token.kind == "string" and "\\" in token.text
    ]
    return _Analysis(
        tuple(dict.fromkeys(column.name for column in columns)),
        tuple(sorted(edits, key=lambda edit: edit.start)),
    )


# sqlglot's reading

_NODES: tuple[type[exp.Expr], ...] = (
    *(exp.And, exp.Or, exp.Not, exp.Paren, exp.Tuple, exp.Case, exp.If, exp.Between, exp.In, exp.Is),
    *(exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ),
    *(
        exp.Null,
        exp.Boolean,
        exp.Literal,
        exp.Column,
        exp.Identifier,
        exp.Var,
        exp.Interval,
        exp.IntervalSpan,
    ),
    *(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Pow, exp.Neg, exp.DPipe),
    *(exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor, exp.BitwiseNot),
    *(exp.BitwiseLeftShift, exp.BitwiseRightShift),
    *(exp.Like, exp.ILike, exp.SimilarTo, exp.Escape, exp.RegexpLike, exp.RegexpILike),
    *(exp.Cast, exp.DataType, exp.DataTypeParam, exp.AtTimeZone, exp.Array, exp.Any, exp.All, exp.Bracket),
    *(exp.JSONExtract, exp.JSONExtractScalar, exp.JSONBExtract, exp.JSONBExtractScalar),
    *(exp.JSONPath, exp.JSONPathRoot, exp.JSONPathKey, exp.JSONPathSubscript),
)


@dataclass(frozen=True)
class _Tree:
    """What sqlglot read.

    Attributes:
        columns: Start of every column, with its end and its name.
        refusal: Why the tree is refused. It is raised last, because a refusal of words knows its place.
    """

    columns: dict[int, tuple[int, str]]
    refusal: RefusalError | None


def _read_tree(text: str, tokens: tuple[Token, ...]) -> _Tree:
    try:
        statements = sqlglot.parse(f"{_BEFORE}{_masked(text, tokens)})", read="postgres")
    except SqlglotError as error:
        _Roles(tokens, {}).refuse_known()
        raise _not_parsed(error, tokens) from None
    except RecursionError:
        raise RefusalError(0, "the expression is nested too deep") from None
    if len(statements) != 1 or not isinstance(statements[0], exp.Select):
        raise RefusalError(0, "not one expression")
    select = statements[0]
    whole = select.expressions
    others = [name for name, value in select.args.items() if value and name not in ("kind", "expressions")]
    if others or len(whole) != 1 or not isinstance(whole[0], exp.Paren):
        _Roles(tokens, {}).refuse_known()
        raise RefusalError(0, "not one expression", hint="Write one condition; join several with AND.")
    found: dict[int, tuple[int, str]] = {}
    refusal = None
    for count, node in enumerate(whole[0].walk()):
        if count > MAX_NODES:
            raise RefusalError(0, f"the expression has more than {MAX_NODES:,} parts")
        refusal = refusal or _node_refusal(node)
        if isinstance(node, exp.Column) and isinstance(node.this, exp.Identifier):
            identifier = node.this
            start, end = identifier.meta.get("start"), identifier.meta.get("end")
            if not isinstance(start, int) or not isinstance(end, int):
                raise RefusalError(
                    0, f'the place of column "{node.name}" is not known', hint="Write it in double quotes."
                )
            found[start - len(_BEFORE)] = (end + 1 - len(_BEFORE), identifier.this)
    return _Tree(found, refusal)


def _masked(text: str, tokens: tuple[Token, ...]) -> str:
    """The text with the contents of its strings made harmless, so that only PostgreSQL's reading of them counts."""
    parts = list(text)
    for token in tokens:
        if token.kind == "string":
            parts[token.start + 1 : token.end - 1] = "x" * (len(token.text) - 2)
    return "".join(parts)


def _node_refusal(node: exp.Expr) -> RefusalError | None:
    is_function = isinstance(node, exp.Func) and not isinstance(node, exp.AggFunc)
    if type(node) not in _NODES and not is_function:
        return RefusalError(0, f"{_spoken(node)} is not allowed in an expression")
    if node.comments:
        return RefusalError(0, "comments are not allowed in an expression")
    if isinstance(node, exp.Column) and (
        not isinstance(node.this, exp.Identifier)
        or any(node.args[name] for name in node.args if name != "this")
    ):
        return RefusalError(0, "qualified names are not allowed in an expression")
    if isinstance(node, exp.Identifier) and not isinstance(node.parent, exp.Column):
        return RefusalError(0, f'the name "{node.name}" is not that of a column')
    return None


def _spoken(node: exp.Expr) -> str:
    """A node's class in words: ``JSONExtract`` is no help to an author, but better than nothing."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(node).__name__).lower()


def _not_parsed(error: SqlglotError, tokens: tuple[Token, ...]) -> RefusalError:
    details = getattr(error, "errors", None) or [{}]
    highlight = str(details[0].get("highlight") or "")
    column = details[0].get("col")
    start = tokens[0].start
    if isinstance(column, int) and details[0].get("line") == 1:
        start = max(0, column - max(len(highlight), 1) - len(_BEFORE))
    near = min(tokens, key=lambda token: abs(token.start - start))
    hint = QUOTE_HINT.format(near.text) if near.kind == "word" else None
    return RefusalError(near.start, f'syntax error near "{near.text}"', hint=hint)


# PostgreSQL's words


class _Roles:
    """Gives every word the role PostgreSQL will give it, or refuses."""

    def __init__(self, tokens: tuple[Token, ...], tree: dict[int, tuple[int, str]]) -> None:
        self._tokens = tokens
        self._tree = tree

    def columns(self) -> list[Token]:
        """The tokens that are columns, in order."""
        found = []
        at = 0
        while at < len(self._tokens):
            token = self._tokens[at]
            if token.start in self._tree:
                found.append(self._column(at))
            elif token.kind == "quoted":
                self._refuse_quoted(at)
            elif token.kind == "word":
                at = self._word(at)
                continue
            elif token.is_mark("::"):
                at = self._type(at + 1)
                continue
            elif token.kind == "string" and self._at(at - 1).kind in ("string", "number"):
                raise RefusalError(token.start, "two values side by side", hint="Put an operator between.")
            at += 1
        if len(found) != len(self._tree):
            raise RefusalError(
                0, "the places of the columns are not certain", hint="Write names in double quotes."
            )
        return found

    def refuse_known(self) -> None:
        """Refuse words that are never allowed, to say why a text was not understood."""
        for at, token in enumerate(self._tokens):
            is_call = self._at(at + 1).is_mark("(") and token.kind == "word"
            known = vocabulary.FUNCTIONS | vocabulary.BEFORE_PARENTHESIS | vocabulary.TYPES | {"cast"}
            if token.is_word(*vocabulary.NEVER) or (is_call and token.name not in known):
                self._refuse_word(at)

    def _at(self, index: int) -> Token:
        return self._tokens[index] if 0 <= index < len(self._tokens) else _NOTHING

    def _column(self, at: int) -> Token:
        token, after = self._tokens[at], self._at(at + 1)
        end, name = self._tree[token.start]
        # sqlglot does not fold names, and the two have to mean the same characters.
        expected = token.name if token.kind == "quoted" else token.text
        if token.kind not in ("word", "quoted") or end != token.end or name != expected:
            raise RefusalError(token.start, "the places of the columns are not certain")
        if token.kind == "word" and token.name in RESERVED - vocabulary.COLUMN_KEYWORDS:
            self._refuse_word(at)
        if after.is_mark("("):
            self._refuse_word(at)
        if token.name in vocabulary.SYSTEM_COLUMNS:
            raise RefusalError(token.start, f'system column "{token.name}" is not allowed in an expression')
        if not self._begins(at) or not self._ends(at):
            if after.is_word(*vocabulary.NEVER):
                self._refuse_word(at + 1)
            raise RefusalError(
                token.start, f'syntax error near "{token.text}"', hint=QUOTE_HINT.format(token.text)
            )
        return token

    def _begins(self, at: int) -> bool:
        """Whether an operand can stand after the token before this one."""
        before, earlier = self._at(at - 1), self._at(at - 2)
        if before.is_word("from") and earlier.is_word("distinct"):
            return True
        if before.is_word("not") and earlier.is_word("is"):
            return False
        return (
            before is _NOTHING
            or before.kind == "operator"
            or before.is_mark("(", "[", ",")
            or (before.is_word(*vocabulary.BEFORE_OPERAND) and before.start not in self._tree)
        )

    def _ends(self, at: int) -> bool:
        """Whether the token after this one can follow an operand."""
        after = self._at(at + 1)
        return (
            after is _NOTHING
            or after.kind == "operator"
            or after.is_mark(")", "]", "[", ",", "::")
            or (after.is_word(*vocabulary.AFTER_OPERAND) and after.start not in self._tree)
        )

    def _refuse_quoted(self, at: int) -> NoReturn:
        token = self._tokens[at]
        if self._at(at + 1).is_mark("("):
            raise RefusalError(token.start, "a function's name may not be quoted", hint=_LIST_HINT)
        raise RefusalError(token.start, f"{token.text} is not the name of a column here")

    def _word(self, at: int) -> int:
        """Check a word that is no column; returns the index after what it begins."""
        token, after = self._tokens[at], self._at(at + 1)
        if token.is_word("as"):
            return self._type(at + 1)
        typed = self._typed_string(at)
        if typed is not None:
            return typed
        if after.is_mark("(") and token.name not in vocabulary.BEFORE_PARENTHESIS:
            return self._call(at)
        if token.name not in vocabulary.VALUE_FUNCTIONS and not self._is_syntax(at):
            self._refuse_word(at)
        return at + 1

    def _typed_string(self, at: int) -> int | None:
        """The index after ``date '2026-11-22'``, if that begins here."""
        end = self._type_end(at)
        if end is None or self._at(end).kind != "string":
            return None
        return self._interval_unit(end + 1) if self._tokens[at].is_word("interval") else end + 1

    def _call(self, at: int) -> int:
        token = self._tokens[at]
        if token.name != "cast" and token.name not in vocabulary.FUNCTIONS - vocabulary.VALUE_FUNCTIONS:
            self._refuse_word(at)
        return self._extract_field(at + 2) if token.name == "extract" else at + 1

    def _is_syntax(self, at: int) -> bool:
        token, before, after = self._tokens[at], self._at(at - 1), self._at(at + 1)
        match token.name:
            case "zone":
                return before.is_word("time") and self._at(at - 2).is_word("at")
            case "time":
                return before.is_word("at") and after.is_word("zone")
            case "array":
                return after.is_mark("[")
            case "unknown":
                return before.is_word("is") or (before.is_word("not") and self._at(at - 2).is_word("is"))
            case name:
                return name in vocabulary.SYNTAX

    def _extract_field(self, at: int) -> int:
        token = self._at(at)
        if token.kind == "word" and token.name in vocabulary.FIELDS and self._at(at + 1).is_word("from"):
            return at + 1
        raise RefusalError(
            token.start, "extract needs a field such as year or epoch", hint="extract(year FROM column)"
        )

    def _interval_unit(self, at: int) -> int:
        if self._at(at).is_word(*vocabulary.INTERVAL_UNITS):
            at += 1
            if self._at(at).is_word("to") and self._at(at + 1).is_word(*vocabulary.INTERVAL_UNITS):
                at += 2
        return at

    def _type(self, at: int) -> int:
        end = self._type_end(at)
        if end is not None:
            return end
        token = self._at(at)
        raise RefusalError(
            token.start,
            f'type "{token.text}" is not allowed in an expression',
            hint=_similar(token.name, vocabulary.TYPES)
            or "The allowed types are listed in docs/reference/expressions.md.",
        )

    def _type_end(self, at: int) -> int | None:
        """The index after a type that begins here, or ``None``."""
        first = self._at(at)
        tails = vocabulary.TYPE_TAILS.get(first.name, ()) if first.kind == "word" else ()
        if first.kind != "word" or not (first.name in vocabulary.TYPES or tails):
            return None
        at = self._parameters(at + 1)
        for tail in tails:
            if all(self._at(at + step).is_word(word) for step, word in enumerate(tail)):
                at = self._parameters(at + len(tail))
                break
        else:
            if first.name not in vocabulary.TYPES:
                return None
        while self._at(at).is_mark("[") and self._at(at + 1).is_mark("]"):
            at += 2
        return at

    def _parameters(self, at: int) -> int:
        """The index after ``(10)`` or ``(10, 2)``, or the same one."""
        shape = [self._at(at + step) for step in range(5)]
        if shape[0].is_mark("(") and shape[1].kind == "number":
            if shape[2].is_mark(")"):
                return at + 3
            if shape[2].is_mark(",") and shape[3].kind == "number" and shape[4].is_mark(")"):
                return at + 5
        return at

    def _refuse_word(self, at: int) -> NoReturn:
        token = self._tokens[at]
        is_call = self._at(at + 1).is_mark("(")
        name = token.name
        if name in vocabulary.SUBQUERY_WORDS or (name == "array" and is_call):
            raise RefusalError(
                token.start, "sub-queries are not allowed in an expression", hint=_SUBQUERY_HINT
            )
        if name in vocabulary.WINDOW_WORDS:
            raise RefusalError(
                token.start, "window functions and aggregates are not allowed in an expression"
            )
        if name == "collate":
            raise RefusalError(token.start, "COLLATE is not allowed in an expression")
        if not is_call:
            raise RefusalError(
                token.start,
                f'"{token.text}" is not allowed here in an expression',
                hint=QUOTE_HINT.format(name),
            )
        message = f'function "{token.text}" is not allowed in an expression'
        if name in vocabulary.AGGREGATES:
            raise RefusalError(
                token.start, message, hint="It is about many rows; a condition judges one row by itself."
            )
        if name in vocabulary.CHANGING:
            raise RefusalError(
                token.start, message, hint="Its result changes from call to call; now() is allowed."
            )
        if name in vocabulary.SET_RETURNING:
            raise RefusalError(token.start, message, hint="It returns rows; a condition needs one value.")
        similar = _similar(name, vocabulary.FUNCTIONS)
        raise RefusalError(token.start, message, hint=f"{similar} {_LIST_HINT}" if similar else _LIST_HINT)


def _similar(name: str, known: frozenset[str]) -> str | None:
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.75)
    return f'Did you mean "{close[0]}"?' if close else None
