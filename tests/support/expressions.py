"""Expressions as tests write them, and the judge of their meaning: PostgreSQL's own parser.

pglast holds that parser; it is a judge here and no part of the library.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pglast.parser import parse_sql_json

from pgslo import expression
from pgslo.errors import DefinitionError, Location
from pgslo.expression import Expression, vocabulary
from pgslo.sql import Sql

HERE = Location("slos/t.yml", 7, 16)
ROW = Sql("r0w")
HONEST = [
    *Path(__file__).with_name("honest_expressions.txt").read_text("utf-8").splitlines(),
    "price >= 0\n  and price <= 100\n  or price is null",
    "\t price\r\n>\n0",
    " or ".join(["price > 0"] * 200),
    "(" * 18 + "price" + ")" * 18 + " > 0",
]


def parse(text: str) -> Expression:
    return expression.parse(text, location=HERE)


def refusal(text: str) -> DefinitionError:
    with pytest.raises(DefinitionError) as caught:
        parse(text)
    return caught.value


# The judge: PostgreSQL's parser

#: Nodes of PostgreSQL's tree that a row condition can be made of.
NODES = {
    *("A_ArrayExpr", "A_Const", "A_Expr", "A_Indices", "A_Indirection", "BoolExpr", "Boolean", "BooleanTest"),
    *(
        "CaseExpr",
        "CaseWhen",
        "CoalesceExpr",
        "ColumnRef",
        "Float",
        "FuncCall",
        "Integer",
        "List",
        "MinMaxExpr",
    ),
    *("NullTest", "RowExpr", "SQLValueFunction", "String", "TypeCast"),
}
#: What PostgreSQL's grammar makes of its own spellings, as in ``AT TIME ZONE``.
GRAMMAR_FUNCTIONS = {"like_escape", "similar_to_escape", "timezone"}
GRAMMAR_TYPES = {"int4", "int2", "int8", "float4", "float8", "bool", "bpchar", "varchar", "numeric"}


class Judged(Exception):
    """PostgreSQL sees something in the expression that may not be there."""


def pg_expression(text: str) -> Any:
    """PostgreSQL's tree of the one expression in a SELECT, without positions."""
    statements = json.loads(parse_sql_json(f"SELECT {text}"))["stmts"]
    select = statements[0]["stmt"]["SelectStmt"]
    (target,) = select["targetList"]
    if len(statements) != 1 or set(select) - {"targetList", "limitOption", "op"}:
        raise Judged(f"more than an expression: {set(select)}")
    if set(target["ResTarget"]) - {"val", "location"}:
        raise Judged("an alias")
    return target["ResTarget"]["val"]


def judge(node: Any, columns: list[str]) -> Any:
    """The tree with ``r0w.`` taken off; raises for everything that no row condition may hold."""
    if isinstance(node, list):
        return [judge(item, columns) for item in node]
    if not isinstance(node, dict):
        return node
    found = {}
    for key, value in node.items():
        if key == "location":
            continue
        if key == "ColumnRef":
            row, *name = value["fields"]
            if row != {"String": {"sval": ROW.text}} or len(name) != 1 or "String" not in name[0]:
                raise Judged(f"a column that is not the row's: {value['fields']}")
            columns.append(name[0]["String"]["sval"])
            found[key] = {"fields": name}
            continue
        if key[0].isupper() and key not in NODES and isinstance(value, dict):
            raise Judged(key)
        if key == "FuncCall":
            _judge_call(value)
        if key == "typeName":
            *schema, name = (part["String"]["sval"] for part in value["names"])
            if schema not in ([], ["pg_catalog"]) or name not in vocabulary.TYPES | GRAMMAR_TYPES:
                raise Judged(f"type {name}")
        if key == "A_Expr" and len(value["name"]) != 1:
            raise Judged("an operator with a schema")
        if key == "SQLValueFunction" and value["op"] not in ("SVFOP_CURRENT_DATE", "SVFOP_CURRENT_TIMESTAMP"):
            raise Judged(value["op"])
        found[key] = judge(value, columns)
    return found


def _judge_call(call: dict[str, Any]) -> None:
    *schema, name = (part["String"]["sval"] for part in call["funcname"])
    known = vocabulary.FUNCTIONS if schema == [] else vocabulary.FUNCTIONS | GRAMMAR_FUNCTIONS
    if schema not in ([], ["pg_catalog"]) or name not in known:
        raise Judged(f"function {schema} {name}")
    if set(call) - {"funcname", "args", "funcformat", "location"}:
        raise Judged(f"a call with {set(call)}")


def plain(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: plain(value) for key, value in node.items() if key != "location"}
    return [plain(item) for item in node] if isinstance(node, list) else node


def check_accepted(found: Expression) -> None:
    """PostgreSQL sees the author's expression, and in it the row's columns and nothing that is not allowed."""
    columns: list[str] = []
    tree = judge(pg_expression(found.qualified(ROW).text), columns)
    assert tree == plain(pg_expression(f"({found.text})"))
    # PostgreSQL reorders operands, for example of position(), so only the set is the same.
    assert set(columns) == set(found.columns)
