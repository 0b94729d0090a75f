"""What the owner of a table may call is read from the text of its functions, without constants: nothing that they run is lost."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CALL = re.compile(r"pgslo_catalog[.](\w+)[(]")
BODY = re.compile(r"AS (\$pgslo\w*\$)\n(.*?)\1", re.DOTALL)


def _without_constants(text: str) -> str:
    source = (ROOT / "sql/runtime/050_owners.sql").read_text(encoding="utf-8")
    (pattern,) = re.findall(r"\$re\$(.*?)\$re\$", source)
    # Python spells PostgreSQL's \m, the beginning of a word, as \b.
    return re.sub(pattern.replace(r"\m", r"\b"), " ", text, flags=re.IGNORECASE | re.DOTALL)


def test_no_call_of_a_generated_function_stands_in_quotes_alone() -> None:
    seen = 0
    for golden in sorted((ROOT / "tests/golden").glob("*.sql")):
        for _, body in BODY.findall(golden.read_text(encoding="utf-8")):
            called = set(CALL.findall(body))
            assert set(CALL.findall(_without_constants(body))) == called, golden.name
            seen += len(called)
    assert seen > 200


@pytest.mark.parametrize(
    "constant",
    [
        "'pgslo_catalog.f('",
        r"E'\'pgslo_catalog.f('",
        "'''pgslo_catalog.f('",
        '"pgslo_catalog.f("',
        "-- 'pgslo_catalog.f('",
    ],
)
def test_a_constant_calls_nothing(constant: str) -> None:
    text = _without_constants(f"SELECT a <> {constant}\n AND pgslo_catalog.g(b)")
    assert CALL.findall(text) == ["g"]
