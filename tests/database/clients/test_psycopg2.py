"""psycopg2's helpers for many rows: right counts, with paging, RETURNING, upserts and COPY."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import psycopg2
import psycopg2.extras
import pytest

INSERT = "INSERT INTO features.stats (id, day, age) VALUES %s"


@pytest.fixture
def cursor(stats) -> Iterator[Any]:
    with psycopg2.connect(stats.dsn) as connection, connection.cursor() as cursor:
        yield cursor
    connection.close()


def rows(*ages: int) -> list[tuple[int, str, int]]:
    return [(number, f"2026-02-0{number % 2 + 1}", age) for number, age in enumerate(ages, 1)]


def check(stats, stored: list[tuple[int, int]], held: int) -> None:
    assert (stats.stored(), stats.held()) == (stored, held)
    stats.check_counts()


def test_execute_values(stats, cursor):
    psycopg2.extras.execute_values(cursor, INSERT, rows(30, 300, 40, 50), page_size=2)
    # The last page.
    assert cursor.rowcount == 2
    cursor.connection.commit()
    check(stats, [(1, 30), (3, 40), (4, 50)], 1)


def test_execute_values_that_returns_rows(stats, cursor):
    found = psycopg2.extras.execute_values(
        cursor, f"{INSERT} RETURNING id, age", rows(30, 300, 40, 50), page_size=3, fetch=True
    )
    assert found == [(1, 30), (3, 40), (4, 50)]
    cursor.connection.commit()
    check(stats, [(1, 30), (3, 40), (4, 50)], 1)


def test_an_upsert(stats, cursor):
    upsert = f"{INSERT} ON CONFLICT (id) DO UPDATE SET age = excluded.age RETURNING id"
    psycopg2.extras.execute_values(cursor, INSERT, rows(30, 40, 50))
    found = psycopg2.extras.execute_values(cursor, upsert, rows(31, 400, 51, 60), fetch=True)
    assert found == [(1,), (3,), (4,)]
    cursor.connection.commit()
    check(stats, [(1, 31), (2, 40), (3, 51), (4, 60)], 1)


def test_execute_batch(stats, cursor):
    psycopg2.extras.execute_batch(
        cursor,
        "INSERT INTO features.stats (id, day, age) VALUES (%s, %s, %s)",
        rows(30, 300, 40),
        page_size=2,
    )
    cursor.connection.commit()
    check(stats, [(1, 30), (3, 40)], 1)


def test_executemany(stats, cursor):
    cursor.executemany("INSERT INTO features.stats (id, day, age) VALUES (%s, %s, %s)", rows(30, 300, 40))
    assert cursor.rowcount == 2
    cursor.connection.commit()
    check(stats, [(1, 30), (3, 40)], 1)


def test_copy(stats, cursor):
    text = io.StringIO("".join(f"{number}\t{day}\t{age}\n" for number, day, age in rows(30, 300, 40)))
    cursor.copy_expert("COPY features.stats (id, day, age) FROM STDIN", text)
    assert cursor.rowcount == 2
    cursor.connection.commit()
    check(stats, [(1, 30), (3, 40)], 1)


def test_what_is_rejected_names_the_rule(cursor):
    with pytest.raises(psycopg2.errors.CheckViolation) as caught:
        cursor.execute("INSERT INTO features.stats (id, day, name) VALUES (1, '2026-02-01', 'too long')")
    diag = caught.value.diag
    assert (diag.schema_name, diag.table_name, diag.column_name) == ("features", "stats", "name")
    assert diag.constraint_name == "name_length"


def test_a_warning_of_a_read_is_among_the_notices(stats, cursor):
    stats.connection.execute("INSERT INTO features.stats (id, day, name) VALUES (1, '2026-02-01', 'x')")
    stats.connection.execute("INSERT INTO features.stats (id, day, name) VALUES (2, '2026-02-02', 'x')")
    cursor.execute("SELECT name FROM guarded.stats")
    assert any("name_accepted_values" in notice for notice in cursor.connection.notices)
