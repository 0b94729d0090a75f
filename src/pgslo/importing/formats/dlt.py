"""Reader of expectations of Delta Live Tables: in SQL, and in Python by its syntax tree, of constants alone."""

from __future__ import annotations

import ast
import bisect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pgslo.definition import names
from pgslo.errors import Location
from pgslo.importing.formats.base import Document, Failure, Source
from pgslo.importing.mapping import rules
from pgslo.importing.model import Found, Outcome, SourceTable, UnmappableError
from pgslo.importing.options import Options

_TABLE = re.compile(
    r"\bCREATE\b[^;(]*?\b(?:TABLE|VIEW)\s+(?:IF\s+NOT\s+EXISTS\s+)?(?P<name>[\w.`]+)", re.IGNORECASE
)
_CONSTRAINT = re.compile(r"\bCONSTRAINT\s+(?P<name>`[^`]+`|\w+)\s+EXPECT\s*\(", re.IGNORECASE)
_ACTION = re.compile(r"\s*ON\s+VIOLATION\s+(?P<action>DROP\s+ROW|FAIL\s+UPDATE)", re.IGNORECASE)
_DECORATOR = re.compile(r"expect(?P<all>_all)?(?P<action>_or_drop|_or_fail)?\Z")
_MODULES = frozenset({"dlt", "dp"})
#: Levels of dictionaries that are spread into one another.
_DEEPEST = 5
_ACTIONS = {"_or_drop": "quarantine", "_or_fail": "reject", "drop row": "quarantine", "fail update": "reject"}


@dataclass(frozen=True)
class Check:
    """An expectation.

    Attributes:
        condition: The condition of rows; ``None`` if it is not a constant.
        action: What happens to the others.
    """

    name: str
    condition: str | None
    action: str | None


def read(documents: Sequence[Document], options: Options) -> Source:
    """Return the expectations of pipelines."""
    source = Source(lambda found: outcome(found, options))
    for document in documents:
        if not document.path.endswith(".py"):
            source.found += _of_sql(document)
            continue
        try:
            tree = ast.parse(document.text)
            source.found += _of_python(tree, document.path)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = getattr(error, "lineno", None) or 1
            source.failures.append(Failure(document.path, line, 1, f"not Python: {str(error)[:120]}"))
    return source


def outcome(found: Found, options: Options) -> Outcome:
    """Return what an expectation becomes.

    Raises:
        UnmappableError: No rule states it.
    """
    check: Check = found.body
    if check.condition is None:
        raise UnmappableError("parameter", "the expectation is computed, and no constant")
    # NULL fails there.
    made = rules.expression(f"({check.condition}) IS TRUE")
    extra: dict[str, Any] = (
        {"name": check.name} if names.STABLE_NAME.match(check.name) and len(check.name) <= 50 else {}
    )
    if check.action is not None and options.enforce:
        extra["on_breach"] = check.action
    severity: Any = "warn" if check.action is None else "error"
    return replace(
        made,
        rules=tuple(replace(rule, severity=severity, options=rule.options | extra) for rule in made.rules),
    )


def _table(name: str) -> SourceTable:
    parts = [part.strip("`") for part in name.split(".")]
    return SourceTable(f"dlt:{name.replace('`', '')}", parts[-1], parts[-2] if len(parts) > 1 else None)


def _of_sql(document: Document) -> Iterator[Found]:
    text = document.text
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    tables = [(match.start(), _table(match["name"])) for match in _TABLE.finditer(text)]
    for match in _CONSTRAINT.finditer(text):
        before = [table for at, table in tables if at < match.start()]
        table = before[-1] if before else SourceTable("dlt:", "", unfit="the expectation is about no table")
        end = _closing(text, match.end())
        condition = " ".join(text[match.end() : end].split()) if end is not None else None
        action = _ACTION.match(text, end + 1) if end is not None else None
        line = bisect.bisect_right(starts, match.start())
        place = Location(document.path, line, match.start() - starts[line - 1] + 1)
        name = match["name"].strip("`")
        done = _ACTIONS[" ".join(action["action"].lower().split())] if action else None
        yield Found(name, place, table, None, f"EXPECT ({condition})"[:160], Check(name, condition, done))


def _closing(text: str, start: int) -> int | None:
    """Where the bracket closes that was opened before a place."""
    depth, at = 1, start
    while at < len(text):
        if text[at] in "'\"`":
            end = text.find(text[at], at + 1)
            if end < 0:
                return None
            at = end
        depth += (text[at] == "(") - (text[at] == ")")
        if depth == 0:
            return at
        at += 1
    return None


def _of_python(tree: ast.Module, path: str) -> Iterator[Found]:
    constants: dict[str, ast.expr] = {}
    for statement in tree.body:
        if (
            isinstance(statement, ast.Assign)
            and len(statement.targets) == 1
            and isinstance(statement.targets[0], ast.Name)
        ):
            constants[statement.targets[0].id] = statement.value
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            calls = [one for one in node.decorator_list if _called(one) is not None]
            given = [one for one in calls if _called(one) in ("table", "view", "materialized_view")]
            name = next((said for one in given if (said := _keyword(one, "name"))), node.name)
            table = _table(name)
            if any(_called(one) == "view" for one in given):
                table.unfit = f"{name} is a view"
            for one in calls:
                if isinstance(one, ast.Call) and _DECORATOR.match(_called(one) or ""):
                    yield from _expected(one, _called(one) or "", list(one.args), table, constants, path)
        elif isinstance(node, ast.Call) and _called(node) in (
            "create_streaming_table",
            "create_target_table",
        ):
            table = _table(_keyword(node, "name") or "")
            for keyword in node.keywords:
                if _DECORATOR.match(keyword.arg or ""):
                    yield from _expected(node, keyword.arg or "", [keyword.value], table, constants, path)


def _called(node: ast.expr) -> str | None:
    """The name of a function of the module, called or as it is."""
    function = node.func if isinstance(node, ast.Call) else node
    if (
        isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Name)
        and function.value.id in _MODULES
    ):
        return function.attr
    return None


def _keyword(node: ast.expr, name: str) -> str | None:
    if not isinstance(node, ast.Call):
        return None
    for keyword in node.keywords:
        if (
            keyword.arg == name
            and isinstance(keyword.value, ast.Constant)
            and isinstance(keyword.value.value, str)
        ):
            return keyword.value.value
    return None


def _pairs(
    whole: ast.expr, constants: dict[str, ast.expr], depth: int = 0
) -> Iterator[tuple[ast.expr | None, ast.expr | None, ast.expr | None]]:
    """Return the entries of a dictionary, with those of constants that are spread into it, each at its spread."""
    if isinstance(whole, ast.Name):
        whole = constants.get(whole.id, whole)
    if not isinstance(whole, ast.Dict) or depth > _DEEPEST:
        yield None, None, None
        return
    for key, value in zip(whole.keys, whole.values, strict=True):
        if key is not None:
            yield None, key, value
        else:
            for _, inner, condition in _pairs(value, constants, depth + 1):
                yield value, inner, condition


def _expected(
    node: ast.expr,
    decorator: str,
    arguments: list[ast.expr],
    table: SourceTable,
    constants: dict[str, ast.expr],
    path: str,
) -> Iterator[Found]:
    match = _DECORATOR.match(decorator)
    action = _ACTIONS.get(match["action"] or "") if match else None
    values = [constants.get(one.id, one) if isinstance(one, ast.Name) else one for one in arguments]
    pairs: list[tuple[ast.expr, ast.expr | None, ast.expr | None]]
    if match and match["all"]:
        pairs = [
            (node if key is None else at or key, key, value)
            for at, key, value in _pairs(values[0] if values else node, constants)
        ]
    else:
        pairs = [(node, values[0], values[1])] if len(values) > 1 else [(node, None, None)]
    for at, key, value in pairs:
        name, condition = _text(key), _text(value)
        place = Location(path, at.lineno, at.col_offset + 1)
        yield Found(
            name or decorator,
            place,
            table,
            None,
            f"{decorator}: {condition}"[:160],
            Check(name or "", condition, action),
        )


def _text(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
