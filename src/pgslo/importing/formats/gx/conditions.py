"""Row conditions of Great Expectations as SQL: those that compare columns with constants."""

from __future__ import annotations

import ast
from typing import Any

from pgslo.importing.mapping.conditions import checked, column, constant
from pgslo.importing.model import UnmappableError

_OPERATORS: dict[type[ast.cmpop], str] = {
    ast.Eq: "=",
    ast.NotEq: "<>",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_EMPTY = {"isnull": True, "isna": True, "isNull": True, "notnull": False, "notna": False, "notNull": False}
_MAX_LENGTH = 1_000


def sql(text: str, parser: str | None) -> str:
    """Return the condition as SQL.

    Args:
        text: A condition such as ``x == "a"`` or ``col("x") > 5``.
        parser: The engine that it is written for.

    Raises:
        UnmappableError: It says more than a comparison does.
    """
    if parser == "spark":
        return checked(text)
    if len(text) > _MAX_LENGTH:
        raise UnmappableError("not_sql", "the condition is too long")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        return checked(_condition(tree, pandas=parser == "pandas"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise UnmappableError("not_sql", f"{text[:80]} is not a comparison that is known") from None


def _condition(node: ast.expr, *, pandas: bool) -> str:
    match node:
        case ast.BoolOp(op=operator, values=values):
            word = " AND " if isinstance(operator, ast.And) else " OR "
            return "(" + word.join(_condition(one, pandas=pandas) for one in values) + ")"
        case ast.BinOp(left=left, op=ast.BitAnd() | ast.BitOr() as operator, right=right) if isinstance(
            left, ast.Compare | ast.BinOp
        ) and isinstance(right, ast.Compare | ast.BinOp):
            word = " AND " if isinstance(operator, ast.BitAnd) else " OR "
            return f"({_condition(left, pandas=pandas)}{word}{_condition(right, pandas=pandas)})"
        case ast.Compare(left=left, ops=[operator], comparators=[right]) if type(operator) in _OPERATORS:
            if pandas and isinstance(operator, ast.NotEq):
                # To pandas, a missing value differs from every value.
                return f"{_column(left)} IS DISTINCT FROM {_constant(right)}"
            return f"{_column(left)} {_OPERATORS[type(operator)]} {_constant(right)}"
        case ast.Call(func=ast.Attribute(value=of, attr=word), args=[], keywords=[]) if word in _EMPTY:
            return f"{_column(of)} IS {'' if _EMPTY[word] else 'NOT '}NULL"
    raise ValueError(ast.dump(node)[:100])


def _column(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return column(name)
        case ast.Call(func=ast.Name(id="col"), args=[ast.Constant(value=str() as name)], keywords=[]):
            return column(name)
    raise ValueError(ast.dump(node)[:100])


def _constant(node: ast.expr) -> str:
    value: Any = ast.literal_eval(node)
    if isinstance(value, bool | int | float | str):
        return constant(value)
    raise ValueError(ast.dump(node)[:100])
