"""The second reading of a row condition: sqlglot's syntax tree, restricted node by node.

Only this module imports sqlglot, and nothing it generates is ever used.
"""

from __future__ import annotations

import re
from collections.abc import Collection

import sqlglot
from sqlglot import exp

from pgslo.expression.tokens import RefusalError, Token

MAX_NODES = 2_000
_BEFORE = "SELECT ("
#: Functions and types of PostgreSQL that sqlglot does not know, or knows otherwise, to others of the same length.
_STAND_INS = {"cidr": "inet", "date_bin": "whatever", "div": "mod", "macaddr": "numeric"}

_NAMES = """
    Add All And Any Array AtTimeZone Between BitwiseAnd BitwiseLeftShift BitwiseNot BitwiseOr BitwiseRightShift
    BitwiseXor Boolean Bracket Case Cast Column DPipe DataType DataTypeParam Div EQ Escape GT GTE ILike Identifier
    If In Interval IntervalSpan Is LT LTE Like Literal Mod Mul NEQ Neg Not Null NullSafeEQ NullSafeNEQ Or Paren
    Pow RegexpILike RegexpLike SimilarTo Sub Tuple Var
"""
_NODES: frozenset[type[exp.Expr]] = frozenset(getattr(exp, name) for name in _NAMES.split())


def check(text: str, tokens: tuple[Token, ...], columns: list[Token]) -> None:
    """Hold the columns that the grammar found against those that sqlglot finds.

    Raises:
        RefusalError: sqlglot reads something else than one expression, sees other columns or the same ones
            elsewhere, or a part of the expression is not allowed.
    """
    names = {
        # sqlglot does not fold names, and both have to mean the same characters.
        column.start: (column.end, column.name if column.kind == "quoted" else column.text)
        for column in columns
    }
    if _columns(_masked(text, tokens, names.keys())) != names:
        raise _unsure()


def _columns(text: str) -> dict[int, tuple[int, str]]:
    """Index of each column's first character to that after its last and to its name."""
    found: dict[int, tuple[int, str]] = {}
    for count, node in enumerate(_parsed(text).walk()):
        if count > MAX_NODES:
            raise RefusalError(0, f"the expression has more than {MAX_NODES:,} parts")
        _check_node(node)
        if isinstance(node, exp.Column):
            start, end = node.this.meta.get("start"), node.this.meta.get("end")
            if not isinstance(start, int) or not isinstance(end, int):
                raise _unsure()
            found[start - len(_BEFORE)] = (end + 1 - len(_BEFORE), node.this.this)
    return found


def _parsed(text: str) -> exp.Expr:
    try:
        statements = sqlglot.parse(f"{_BEFORE}{text})", read="postgres")
    except RecursionError:
        raise RefusalError(0, "the expression is nested too deep") from None
    except Exception as error:
        # Besides its own errors, sqlglot lets ValueError and others escape from texts that it does not know.
        raise _unsure() from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Select):
        raise _unsure()
    select = statements[0]
    others = [name for name, value in select.args.items() if value and name not in ("kind", "expressions")]
    if others or len(select.expressions) != 1 or not isinstance(select.expressions[0], exp.Paren):
        raise _unsure()
    return select.expressions[0]


def _unsure() -> RefusalError:
    return RefusalError(
        0,
        "the expression cannot be analysed with certainty",
        hint="Check the number of arguments, write names in double quotes, and put parentheses around parts.",
    )


def _masked(text: str, tokens: tuple[Token, ...], columns: Collection[int]) -> str:
    """The text as sqlglot gets it, every name at its place.

    What strings hold is made harmless, so that only PostgreSQL's reading of them counts, and ``->`` is written as
    ``#>``, because inside a call sqlglot takes it for a lambda.
    """
    parts = list(text)
    for token in tokens:
        if token.kind == "string":
            parts[token.start + 1 : token.end - 1] = "x" * (len(token.text) - 2)
        elif token.kind == "operator" and token.text.startswith("->"):
            parts[token.start] = "#"
        elif token.kind == "word" and token.start not in columns and token.name in _STAND_INS:
            parts[token.start : token.end] = _STAND_INS[token.name]
    return "".join(parts)


def _check_node(node: exp.Expr) -> None:
    is_function = isinstance(node, exp.Func) and not isinstance(node, exp.AggFunc)
    if type(node) not in _NODES and not is_function:
        spoken = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(node).__name__).lower()
        raise RefusalError(0, f"{spoken} is not allowed in an expression")
    if node.comments:
        raise RefusalError(0, "comments are not allowed in an expression")
    if isinstance(node, exp.Column) and (
        not isinstance(node.this, exp.Identifier)
        or any(node.args[name] for name in node.args if name != "this")
    ):
        raise RefusalError(0, "qualified names are not allowed in an expression")
    if isinstance(node, exp.Identifier) and not isinstance(node.parent, exp.Column):
        raise RefusalError(0, f'the name "{node.name}" is not that of a column')
