"""Every conversion of a value in SQL that may meet values of users is listed in conversions.txt, with the reason why it is safe.

A cast, ``||``, ``to_jsonb()`` and the like run casts that the owner of a type defined. Values of users reach generated
code, and of the runtime the functions that take any type or run text as SQL; everything else there handles pgslo's own.
"""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIST = Path(__file__).with_name("conversions.txt")

_OPERAND = r"(?:\{\{ ?[^}]*\}\}|[\w.$%]+(?:\[[\w:]*\])?|[')\]]+)"
_CONVERSION = re.compile(
    rf"{_OPERAND}::(?:\{{\{{ ?[^}}]*\}}\}}(?:\.\w+)?|%s|[a-z_][\w.]*(?: precision)?)(?:\[\])?"
    rf"|{_OPERAND} \|\| {_OPERAND}"
    r"|\b(?:to_jsonb?|row_to_json|jsonb?_build_(?:object|array)|jsonb?_agg|jsonb?_object_agg|array_to_json"
    r"|quote_literal|quote_nullable|string_agg|jsonb?_populate_record|CAST|concat|concat_ws)\((?:\{\{ ?[^}]*\}\}|[^\s,()]*)"
)
_FUNCTION = re.compile(r"CREATE OR REPLACE FUNCTION ([\w.]+)\((.*?)\$pgslo\$;", re.DOTALL)
_ANY_TYPE = re.compile(r"\b(anyelement|anyarray|record|\"any\"|anycompatible)\b")


def found():
    """Every conversion as ``file: conversion``, and of the runtime as ``function: conversion``."""
    for path in sorted((ROOT / "sql" / "templates").rglob("*.j2")):
        name = path.name.removesuffix(".sql.j2")
        if path.parent.name in ("assertions", "post_process", "repairs", "rules"):
            name = f"{path.parent.name}/{name}"
        yield from ((f"{name}", one) for one in _conversions(path.read_text(encoding="utf-8")))
    for path in sorted((ROOT / "sql" / "runtime").glob("*.sql")):
        for function, text in _FUNCTION.findall(path.read_text(encoding="utf-8")):
            arguments, _, body = text.partition("LANGUAGE")
            if "EXECUTE" in body or _ANY_TYPE.search(arguments):
                yield from ((function, one) for one in _conversions(body))


def _conversions(text):
    code = "\n".join(re.sub(r"--.*", "", line) for line in text.splitlines())
    return {re.sub(r"\s+", " ", one) for one in _CONVERSION.findall(code)}


def listed():
    lines = LIST.read_text(encoding="utf-8").splitlines()
    entries = [line.split(" | ") for line in lines if line and not line.startswith("#")]
    assert all(len(entry) == 3 and all(part.strip() for part in entry) for entry in entries), entries
    return {(place, conversion): reason for place, conversion, reason in entries}


def test_every_conversion_is_listed_with_a_reason():
    new = sorted(set(found()) - set(listed()))
    told = "\n".join(
        f"{place} | {conversion} | why no cast of another role runs" for place, conversion in new
    )
    assert not new, f"conversions that tests/core/conversions.txt does not list:\n{told}"


def test_nothing_is_listed_that_is_gone():
    assert sorted(set(listed()) - set(found())) == []
