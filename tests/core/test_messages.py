"""The catalogue of messages lists what the sources raise, and the page of errors has each of their codes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "messages.md"
ERRORS = ROOT / "docs" / "reference" / "errors.md"
HEADER = """# Messages

Every message of pgslo. `…` is a value. [Errors and warnings](errors.md) explains the codes. This page is generated from
the sources by `pytest tests/core/test_messages.py --update-goldens`.
"""
#: Names that PL/pgSQL has for codes.
CODES = {
    "check_violation": "23514",
    "configuration_limit_exceeded": "53400",
    "datatype_mismatch": "42804",
    "duplicate_object": "42710",
    "duplicate_schema": "42P06",
    "feature_not_supported": "0A000",
    "insufficient_privilege": "42501",
    "invalid_name": "42602",
    "invalid_parameter_value": "22023",
    "lock_not_available": "55P03",
    "no_data_found": "P0002",
    "object_not_in_prerequisite_state": "55000",
    "program_limit_exceeded": "54000",
    "serialization_failure": "40001",
    "undefined_column": "42703",
    "undefined_object": "42704",
    "undefined_table": "42P01",
    "unique_violation": "23505",
    "wrong_object_type": "42809",
}
#: Errors of the command line, whose first argument is the message, and functions that print one.
_RAISED = re.compile(r"(Error|Errors|Outdated|Mismatch|UsageError|refusal|wrong)$")
_PRINTED = ("warning", "message")

Row = tuple[str, str, str]


def _literal(text: str) -> str:
    """Return the text of an expression in SQL: its literals, with … for all that is not one."""
    whole = re.sub(r"^(?:pg_catalog\.)?format\(", "", text.strip())
    parts = [one.replace("''", "'") for one in re.findall(r"'((?:[^']|'')*)'", whole)]
    if whole != text.strip():
        parts = [one for one in parts if re.search(r"[ %]", one)][:1]
    return re.sub(r"%(?:\d+\$)?[sIL]|%", "…", " / ".join(part for part in parts if part.strip())) or "…"


def _field(statement: str, name: str) -> str | None:
    found = re.search(
        rf"\b{name}\s*=\s*(.*?)(?=,\s*(?:ERRCODE|MESSAGE|DETAIL|HINT|SCHEMA|TABLE|COLUMN|CONSTRAINT|DATATYPE)\s*=|$)",
        statement,
        re.DOTALL,
    )
    return found[1] if found else None


def _of_sql(path: Path) -> Iterator[Row]:
    text = re.sub(r"--.*", "", path.read_text(encoding="utf-8"))
    for found in re.finditer(r"\bRAISE\s+(EXCEPTION|WARNING|NOTICE)?\b((?:'(?:[^']|'')*'|[^';])*);", text):
        level = {"EXCEPTION": "ERROR", None: "ERROR"}.get(found[1], found[1])
        statement = found[2]
        plain = re.match(r"\s*'((?:[^']|'')*)'", statement)
        message = plain[0] if plain else _field(statement, "MESSAGE")
        if message is None:
            continue  # RAISE alone: the error that was caught
        condition = re.match(r"\s*(\w+)\s+USING\b", statement)
        code = (
            _field(statement, "ERRCODE")
            or (f"'{condition[1]}'" if condition else None)
            or {"ERROR": "'P0001'", "WARNING": "'01000'", "NOTICE": "'00000'"}[level]
        )
        named = re.findall(r"'(\w+)'", code)
        yield (
            level,
            " or ".join(CODES.get(one, one) for one in named) or "that of the cause",
            _literal(message),
        )


def _of_string(node: ast.expr) -> str | None:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(part.value if isinstance(part, ast.Constant) else "…" for part in values)  # type: ignore[misc]
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return "".join(_of_string(one) or "…" for one in (left, right))
        case ast.IfExp(body=body, orelse=orelse):
            both = [_of_string(one) for one in (body, orelse)]
            return " / ".join(one for one in both if one) or None
    return None


def _of_python(path: Path) -> Iterator[Row]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        printed = (
            isinstance(node.func, ast.Attribute)
            and name in _PRINTED
            and getattr(node.func.value, "id", "") == "output"
        )
        if not printed and not _RAISED.search(name):
            continue
        for argument in node.args:
            if (text := _of_string(argument)) and " " in text:
                yield (
                    ("warning" if name == "warning" else "note") if printed else "error",
                    "",
                    " ".join(text.split()),
                )
                break


def catalogue() -> str:
    """Return the page that lists every message of the sources."""
    sql = {
        row
        for folder in ("sql/runtime", "sql/templates", "sql/catalog")
        for path in (ROOT / folder).rglob("*.*")
        if path.suffix in (".sql", ".j2")
        for row in _of_sql(path)
    }
    python = {row for path in (ROOT / "src").rglob("*.py") for row in _of_python(path)}
    cell = str.maketrans({"|": "\\|", "\n": " ", "<": "&lt;", "*": "\\*", "_": "\\_", "[": "\\[", "`": "\\`"})
    lines = [HEADER, "## In the database\n", "| level | SQLSTATE | message |", "| --- | --- | --- |"]
    lines += [f"| {level} | {code} | {text.translate(cell)} |" for level, code, text in sorted(sql)]
    lines += ["\n## Of the command line\n", "| level | message |", "| --- | --- |"]
    lines += [f"| {level} | {text.translate(cell)} |" for level, _, text in sorted(python)]
    return "\n".join(lines) + "\n"


def test_the_catalogue_is_that_of_the_sources(pytestconfig: pytest.Config) -> None:
    text = catalogue()
    assert text.count("\n") > 300, "the messages of the sources were not found"
    if pytestconfig.getoption("update_goldens"):
        PAGE.write_text(text, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == text


def test_each_code_is_explained() -> None:
    codes = {
        code
        for path in (ROOT / "sql").rglob("*.*")
        if path.suffix in (".sql", ".j2")
        for level, codes, _ in _of_sql(path)
        for code in re.findall(r"\b[0-9A-Z]{5}\b", codes)
    }
    explained = set(re.findall(r"`([0-9A-Z]{5})`", ERRORS.read_text(encoding="utf-8")))
    # SL000 and SL099 end a block that is rolled back, inside of pgslo; 00000 is a NOTICE.
    assert codes - explained - {"SL000", "SL099", "00000"} == set()


STYLE = [
    (r"\.$", "a full stop"),
    (r"^[A-Z][a-z]", "a capital letter"),
    (
        r"\b(he|him|his|somebody|nobody|we|unable|illegal|bad)\b",
        "a word that PostgreSQL's guide does not want",
    ),
]


def test_primary_messages_follow_the_style_guide() -> None:
    """One line, lower case, no full stop: https://www.postgresql.org/docs/current/error-style-guide.html."""
    wrong = []
    for path in [*(ROOT / "sql").rglob("*.sql"), *(ROOT / "sql").rglob("*.j2")]:
        for level, _, text in _of_sql(path):
            wrong += [
                f"{path.name}: {level}: {text}: {why}" for pattern, why in STYLE if re.search(pattern, text)
            ]
    assert wrong == []
