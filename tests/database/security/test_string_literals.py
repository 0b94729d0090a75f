"""No verdict depends on the session's ``standard_conforming_strings``: text of functions is read by the session that calls them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import psycopg
import pytest

SQL = Path(__file__).parents[3] / "sql"
LITERAL = re.compile(r"(?<!\w)(\w*&?)'((?:[^']|'')*)'")

#: A value of each format that passes, and one that passes only if a backslash is lost.
FORMATS = {
    "email": ("joe@example.com", "joe@exampleXcom"),
    "url": ("https://example.com/x", "https://example.com/x y"),
    "hostname": ("example.com", "exampleXcom_"),
    "e164": ("+491234567", "++491234567"),
    "date": ("2026-01-01", "2026-1-1"),
    "time": ("12:30:00", "1:30"),
    "timestamp": ("2026-01-01T12:30:00Z", "2026-1-1T12:30:00Z"),
}


@pytest.fixture
def guarded(world: Any) -> Any:
    columns = ", ".join(f'"{one}" text' for one in FORMATS)
    world.run(
        "installer",
        f"CREATE TABLE features.ex (id int PRIMARY KEY, day date, held text, note text, {columns})",
    )
    world.run("installer", "GRANT INSERT, SELECT ON features.ex TO $writer")
    rules = "\n".join(
        f'  "{one}": [format: {{format: {one}, on_breach: reject, name: f_{one}}}]' for one in FORMATS
    )
    world.apply(
        f"""
table: features.ex
key: [id]
writes: bulk
batch: {{by: note}}
columns:
  held: [length: {{max: 3, on_breach: quarantine}}]
{rules}
"""
    )
    return world


@pytest.mark.parametrize("setting", ["on", "off"])
def test_formats_have_one_meaning(guarded: Any, setting: str) -> None:
    session = guarded.session("writer")
    session.execute(f"SET standard_conforming_strings = {setting}".encode())
    for number, (column, (good, bad)) in enumerate(FORMATS.items()):
        session.execute(
            f"""INSERT INTO features.ex (id, day, "{column}") VALUES ({number}, '2026-01-01', '{good}')""".encode()
        )
        with pytest.raises(psycopg.errors.CheckViolation):
            session.execute(
                f"""INSERT INTO features.ex (id, day, "{column}") VALUES (99, '2026-01-01', '{bad}')""".encode()
            )


def test_batches_and_quarantine_do_not_depend_on_it(guarded: Any) -> None:
    for setting in ("on", "off"):
        session = guarded.session("writer")
        session.execute(f"SET standard_conforming_strings = {setting}".encode())
        for number, batch in enumerate(("2026-01-01", "12.5", "joe@example.com")):
            key = number + (100 if setting == "on" else 200)
            session.execute(f"INSERT INTO features.ex (id, note) VALUES ({key}, '{batch}')".encode())
        session.execute(f"INSERT INTO features.ex (id, held) VALUES ({key + 50}, repeat('x', 5000))".encode())
    assert guarded.run(
        "superuser", "SELECT count(DISTINCT batch), count(*) FROM pgslo_catalog.fragment WHERE rows > 0"
    ) == [(3, 6)]
    assert guarded.run("superuser", "SELECT count(*) FROM pgslo_catalog.quarantine") == [(2,)]


def test_no_literal_has_a_backslash_that_is_not_escaped() -> None:
    found = []
    for path in sorted([*SQL.rglob("*.sql"), *SQL.rglob("*.j2")]):
        code = re.sub(r"--.*", "", path.read_text(encoding="utf-8"))
        found += [
            f"{path.name}: {text}"
            for prefix, text in LITERAL.findall(code)
            if "\\" in text and prefix.upper() != "E"
        ]
        found += [
            f"{path.name}: {prefix}'{text}'"
            for prefix, text in LITERAL.findall(code)
            if prefix.upper() == "U&"
        ]
    assert found == []
