"""Records do not depend on the database's language."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from pgslo import definition
from pgslo.database import installation, planning

ROOT = Path(__file__).parents[3]
#: Where a value of the user's is changed, in his language.
THEIRS = (
    *("repairs/lower.sql.j2", "375_faults.sql", "golden/repair.sql"),
    # Bounds of ranges.
    *("part_span.sql.j2", "part_span_days.sql.j2", "part_span_seconds.sql.j2"),
    *(f"paths/inside_{one}.sql.j2" for one in ("days", "lower", "span", "span_seconds", "upper")),
)
#: Case that no locale folds: with a collation of its own; or no text at all.
FOLDED = re.compile(r"\b(?:lower|upper)\((?!(?:[^()]|\([^()]*\))*COLLATE \"C\"\))(?!span\))")
DEFINITION = """
table: features.stats
owner: sam
batch: {by: day}
columns:
  age:
    - range: {min: 0, max: 120}
    - completeness: 0.5
"""


@pytest.fixture
def turkish(server: Any, _admin: psycopg.Connection[Any]) -> Iterator[str]:
    """A database where ``lower('INSERT')`` has no dot on its i."""
    name = f"pgslo_test_{uuid.uuid4().hex[:12]}"
    try:
        _admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR'").format(
                sql.Identifier(name)
            )
        )
    except (psycopg.errors.FeatureNotSupported, psycopg.errors.SyntaxError):
        pytest.skip("this server was built without ICU, or is older than databases of it")
    try:
        yield server.dsn(name)
    finally:
        _admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.mark.icu
@pytest.mark.parametrize("mode", ["bulk", "stream"])
def test_a_turkish_database_is_measured(turkish: str, mode: str) -> None:
    with psycopg.connect(turkish, autocommit=True) as connection:
        assert connection.execute("SELECT lower('INSERT')").fetchone() == ("\u0131nsert",)
        connection.execute(
            "CREATE SCHEMA features; CREATE TABLE features.stats (id integer PRIMARY KEY, day date, age integer)"
        )
        loaded = [definition.load(f"writes: {mode}{DEFINITION}", path="slos/stats.yml")]

        def plan() -> Any:
            return planning.plan_definitions(connection, loaded)

        installation.apply(connection, plan(), plan)
        connection.execute(
            "INSERT INTO features.stats SELECT n, '2026-02-01', n * 10 FROM generate_series(1, 20) n"
        )
        connection.execute("UPDATE features.stats SET age = 0 WHERE id = 20")
        connection.execute("SELECT pgslo.tick()")
        connection.execute(
            "INSERT INTO features.stats SELECT n, '2026-02-02', 10 FROM generate_series(21, 30) n"
        )
        connection.execute("SELECT FROM pgslo.close_batch('features.stats')")
        assert connection.execute("SELECT error_message FROM pgslo_catalog.rule_break").fetchall() == []
        assert connection.execute("SELECT batch, rows FROM pgslo.batch ORDER BY 1").fetchall() == [
            ("2026-02-01", 20),
            ("2026-02-02", 10),
        ]
        assert connection.execute("SELECT rule FROM pgslo.incident").fetchall() == [("age_range",)]


def test_case_is_folded_by_no_locale() -> None:
    """Of servers without ICU as well."""
    pages = [
        page
        for page in (*(ROOT / "sql").rglob("*.sql*"), *(ROOT / "tests" / "golden").glob("*.sql"))
        if not str(page).endswith(THEIRS)
    ]
    assert len(pages) > 200
    found = [
        f"{page.name}: {line.strip()}"
        for page in pages
        for line in page.read_text(encoding="utf-8").splitlines()
        if FOLDED.search(line)
    ]
    assert found == []
