"""Batches that are closed or corrected after newer ones were compared with them."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from rights import apply, values

from pgslo.cli import main

Connection = psycopg.Connection[Any]

DEFINITION = """
    table: f.t
    owner: me
    key: [id]
    batch: {by: day}
    settle: 1 second
    writes: bulk
    row_count: {relative_to: previous, min: 0.5, max: 1.5, name: rows_change}
    columns:
      v:
        - change: {of: mean, relative_to: same weekday, max: 0.5, name: weekly}
        - change: {of: mean, relative_to: 3 batches, max: 0.5, name: of_three}
        - drift: {by: ks, relative_to: previous, max: 0.5, name: shape}
"""


@pytest.fixture
def table(connection: Connection) -> Connection:
    connection.execute("CREATE SCHEMA f; CREATE TABLE f.t (id bigserial PRIMARY KEY, day date, v float8)")
    apply(connection, DEFINITION, again=False)
    return connection


def load(table: Connection, day: str, rows: int, value: float = 10) -> None:
    """Load rows of a day, with values about a number, and close it."""
    table.execute(
        "INSERT INTO f.t (day, v) SELECT %s, %s::float8 + n %% 10 / 10.0 FROM generate_series(1, %s) n",
        (day, value, rows),
    )
    close(table)


def close(table: Connection) -> None:
    table.execute("SELECT pgslo.close_batch('f.t')")


def verdict(table: Connection, rule: str, batch: str) -> str:
    (found,) = table.execute(
        "SELECT verdict FROM pgslo.verdict WHERE rule = %s AND batch = %s", (rule, batch)
    ).fetchone() or ("",)
    return str(found)


def still_open(table: Connection, rule: str) -> list[Any]:
    return values(
        table, f"SELECT opened_batch FROM pgslo.incident WHERE rule = '{rule}' AND resolved_at IS NULL"
    )


def test_a_batch_is_compared_with_a_corrected_one_again(table: Connection) -> None:
    load(table, "2026-01-05", 100)
    load(table, "2026-01-06", 400, value=90)
    load(table, "2026-01-07", 100)
    assert [verdict(table, rule, "2026-01-07") for rule in ("rows_change", "shape")] == ["missed", "missed"]
    table.execute("DELETE FROM f.t WHERE day = '2026-01-06' AND id > 200")
    table.execute("UPDATE f.t SET v = 10 + id % 10 / 10.0 WHERE day = '2026-01-06'")
    close(table)
    assert [verdict(table, rule, "2026-01-07") for rule in ("rows_change", "shape")] == ["met", "met"]
    assert still_open(table, "rows_change") == []


def test_a_batch_is_compared_with_one_that_comes_late(table: Connection) -> None:
    load(table, "2026-01-05", 100)
    load(table, "2026-01-07", 300)
    assert verdict(table, "rows_change", "2026-01-07") == "missed"
    load(table, "2026-01-06", 290)
    assert verdict(table, "rows_change", "2026-01-06") == "missed"
    assert verdict(table, "rows_change", "2026-01-07") == "met"


def test_a_batch_that_was_met_is_missed_once_what_it_was_compared_with_is_corrected(
    table: Connection,
) -> None:
    load(table, "2026-01-05", 100, value=90)
    for day in ("06", "07", "08", "09", "10", "11"):
        load(table, f"2026-01-{day}", 100, value=90)
    load(table, "2026-01-12", 100, value=90)
    load(table, "2026-01-13", 100, value=90)
    assert verdict(table, "weekly", "2026-01-12") == "met"
    table.execute("UPDATE f.t SET v = 10 WHERE day = '2026-01-05'")
    close(table)
    assert verdict(table, "weekly", "2026-01-12") == "missed"
    assert verdict(table, "weekly", "2026-01-13") == "met"
    # A newer batch is met: what is history opens no incident.
    assert still_open(table, "weekly") == []
    # A mean of three batches, of which each of the next three has another.
    assert [verdict(table, "of_three", f"2026-01-{day}") for day in ("06", "07", "08", "09")] == [
        "missed",
        "missed",
        "met",
        "met",
    ]


def test_explain_names_batches_that_changed_since_a_learned_bound_was_compared_with_them(
    connection: Connection, dsn: str
) -> None:
    connection.execute("CREATE SCHEMA f; CREATE TABLE f.t (id bigserial PRIMARY KEY, day date, v float8)")
    apply(
        connection,
        "table: f.t\nowner: me\nkey: [id]\nbatch: {by: day}\nsettle: 1 second\nwrites: bulk\n",
        again=False,
    )
    connection.execute(
        "INSERT INTO f.t (day, v) SELECT date '2026-01-01' + d, n FROM generate_series(0, 39) d, generate_series(1, 100) n"
    )
    close(connection)
    load(connection, "2026-02-10", 2)
    (incident,) = values(
        connection, "SELECT incident_id FROM pgslo.incident WHERE rule = 'learned' AND columns = '{}'"
    )
    said = f"SELECT fact FROM pgslo.explain({incident}) WHERE topic = 'changed since'"
    assert values(connection, said) == []
    connection.execute("DELETE FROM f.t WHERE day = '2026-02-08' AND id % 2 = 0")
    close(connection)
    (fact,) = values(connection, said)
    assert fact.startswith("1 of the 28 batches before it, the newest 2026-02-08, since its verdict of ")
    assert fact.endswith(" UTC, which rests on their earlier contents")
    shown = CliRunner().invoke(main, ["--dsn", dsn, "status"]).stdout
    assert "1 of the 28 batches before it, the newest 2026-02-08" in shown
