"""The benchmark of awkward tables: its tables are the same each time, and it counts the reports."""

from __future__ import annotations

from itertools import islice
from typing import Any

import psycopg
import pytest
from benchmarks.awkward import TABLES
from benchmarks.awkward.__main__ import grouped
from benchmarks.awkward.replay import Alarm, Replay, run

pytestmark = pytest.mark.slow


def rows(connection: psycopg.Connection[Any], name: str, seed: int) -> list[Any]:
    """The rows of a table after four days."""
    connection.execute("DROP SCHEMA IF EXISTS awkward CASCADE")
    replay = Replay(connection, TABLES[name](seed), seed)
    for day in islice(replay.days, 4):
        replay.load(day)
    return connection.execute(f"SELECT t::text FROM {name} t ORDER BY 1").fetchall()


@pytest.mark.parametrize("name", TABLES)
def test_a_seed_makes_one_table(connection: psycopg.Connection[Any], name: str):
    first = rows(connection, name, 1)
    assert len(first) > 300
    assert rows(connection, name, 1) == first
    assert rows(connection, name, 2) != first


def test_faults_are_found_and_corrected_and_good_days_are_counted(connection: psycopg.Connection[Any]):
    result = run(connection, TABLES["weekdays"](1), seed=1, history=30, batches=3)
    assert result.lost == []
    words = [words for words, _ in result.found]
    assert words == [
        "half of trader null",
        "notional x100",
        "yesterday's values again",
        "a third of the rows missing",
    ]
    assert all(alarms for _, alarms in result.found)
    # What is in the table was corrected each time: no value is missing, multiplied or copied.
    (bad,) = connection.execute(
        "SELECT count(*) FROM awkward.weekdays GROUP BY day HAVING count(trader) < count(*) * 0.8"
        " UNION ALL SELECT count(*) FROM (SELECT day FROM awkward.weekdays GROUP BY day HAVING avg(notional) > 1000000) d"
    ).fetchall()
    assert bad == (0,)


def test_alike_alarms_are_one_line():
    alarms = [
        Alarm("2026-01-01", "month_learned", ("month",), 2.0, "mean: 4; 3 expected", "2026-01-01"),
        Alarm("2026-01-02", "month_learned", ("month",), 1.5, "mean: 5; 3 expected", "2026-01-02"),
        Alarm("2026-01-02", "learned", (), 1.2, "rows: 9; 10 to 20 expected", "2026-01-02"),
    ]
    first, second = grouped(alarms)
    assert first.startswith("2 x month: mean: 4; 3 expected (scores up to 2; 2026-01-01 to 2026-01-02")
    assert second.startswith("1 x (the table): rows: 9;")
