"""A table of features with two tasks, loaded day by day, as tests of gates and runs need it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
from click.testing import Result

Connection = psycopg.Connection[Any]
Run = Callable[..., Result]

TABLE = "CREATE SCHEMA features; CREATE TABLE features.stats (id int, day date, age int, country text, PRIMARY KEY (id, day))"
STATS = """\
table: features.stats
writes: bulk
watch: false
batch: {by: day}
row_count: {min: 10}
columns:
  age: [completeness: 0.9]
  country: [accepted_values: {values: [us], at_least: 0.9}]
tasks:
  churn: {reads: [age]}
  spend: {reads: [country]}
"""


def load(
    connection: Connection,
    day: int,
    *,
    age: str = "20",
    country: str = "'us'",
    rows: int = 50,
    close: bool = True,
) -> None:
    connection.execute(f"DELETE FROM features.stats WHERE day = '2026-11-{day:02}'")
    connection.execute(
        f"INSERT INTO features.stats SELECT n, '2026-11-{day:02}', {age}, {country} FROM generate_series(1, {rows}) AS n"
    )
    if close:
        connection.execute("SELECT * FROM pgslo.close_batch('features.stats')")


def value(connection: Connection, query: str, *parameters: Any) -> Any:
    row = connection.execute(query.encode(), parameters or None).fetchone()
    return row[0] if row else None


def ready(connection: Connection, task: str = "churn") -> bool:
    return value(connection, "SELECT pgslo.ready(%s)", task)


def reasons(connection: Connection, task: str = "churn") -> list[str]:
    found = connection.execute(
        "SELECT about, said FROM pgslo.readiness(%s) WHERE NOT is_ready ORDER BY 1, 2", (task,)
    )
    return [f"{about}: {said}" for about, said in found]


def healthy(connection: Connection, columns: list[str] | None = None, as_of: Any = None) -> list[int]:
    found = connection.execute(
        "SELECT right(batch, 2)::int FROM pgslo.healthy_batches('features.stats', %s, coalesce(%s, clock_timestamp())) ORDER BY place",
        (columns, as_of),
    )
    return [day for (day,) in found]


def gate(text: str) -> str:
    return STATS.replace("{reads: [age]}", f"{{reads: [age], gate: {text}}}")


def take(
    connection: Connection, name: str, condition: str | None = None, *, healthy_only: bool = False
) -> None:
    connection.execute(
        "SELECT pgslo.create_snapshot(%s, 'guarded', 'stats', %s, false, %s)", (name, condition, healthy_only)
    )
