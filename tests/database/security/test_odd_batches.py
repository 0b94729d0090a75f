"""A writer does not silence the batches that are expected of a table by a few rows of other days or times."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from pgslo.database import operations

pytestmark = pytest.mark.slow

#: As conftest.py has it.
World = Any

DAY = timedelta(days=1)
DEFINITION = (
    "{table: features.t, owner: me, writes: bulk, batch: {by: day}, unwatched: [n], readers: [$reader]}"
)
#: Thirteen weeks.
WORKDAYS = [day for day in (date(2025, 9, 1) + n * DAY for n in range(91)) if day.weekday() < 5]
SATURDAYS = [date(2025, 9, 6) + 7 * n * DAY for n in range(13)]
TIMES = [datetime(2025, 9, 1, tzinfo=UTC) + n * DAY for n in range(60)]


def load(world: World, *days: Any) -> None:
    """Load a batch for each day as a writer, and let an operator close the last one."""
    rows = ", ".join(f"('{day}', 1)" for day in days)
    world.run("writer", f"INSERT INTO features.t VALUES {rows}")
    world.run("operator", "SELECT FROM pgslo.close_batch('features.t')")


def begin(world: World, kind: str, days: list[Any]) -> None:
    world.run(
        "installer",
        f"CREATE TABLE features.t (day {kind} NOT NULL, n int NOT NULL, PRIMARY KEY (day, n)); GRANT INSERT ON features.t TO $writer",
    )
    world.apply(DEFINITION)
    for day in days[:-3]:
        world.run("writer", f"INSERT INTO features.t VALUES ('{day}', 1)")
    for day in days[-3:]:
        load(world, day)


def verdicts(world: World, verdict: str) -> list[str]:
    return [
        batch
        for (batch,) in world.run(
            "superuser",
            f"""SELECT v.batch FROM pgslo_catalog.verdict v JOIN pgslo_catalog.rule r USING (rule_id)
                WHERE r.measure ->> 'form' = 'batches' AND v.verdict = '{verdict}' ORDER BY v.place""",
        )
    ]


def hints(world: World) -> list[str]:
    return [one.thing for one in operations.find_drift(world.session("auditor")) if one.what == "unknown"]


@pytest.mark.parametrize("odd", [0, 2, 5])
def test_rows_of_saturdays_do_not_hide_a_missing_monday(world: World, odd: int) -> None:
    begin(world, "date", WORKDAYS)
    if odd:
        load(world, *SATURDAYS[-odd:])
    # The Monday after the last Friday does not come.
    load(world, date(2025, 12, 2))
    load(world, date(2025, 12, 3))
    assert verdicts(world, "missed") == ["2025-12-01"]
    assert hints(world) == []


@pytest.mark.parametrize("odd", [("12:00", "12:01"), ("07:13", "16:47", "19:01")])
def test_rows_of_odd_times_do_not_hide_a_missing_day(world: World, odd: tuple[str, ...]) -> None:
    begin(world, "timestamptz", TIMES)
    load(world, *(f"2025-10-10 {time}+00" for time in odd))
    load(world, TIMES[-1] + 2 * DAY)
    load(world, TIMES[-1] + 3 * DAY)
    assert [batch[:10] for batch in verdicts(world, "missed")] == ["2025-10-31"]


def test_who_makes_a_table_irregular_is_noticed(world: World) -> None:
    """Enough Saturdays that they are expected, with some of them missing: then no batch is expected."""
    begin(world, "date", WORKDAYS)
    load(world, *SATURDAYS[::2], *SATURDAYS[1:4:2])
    load(world, date(2025, 12, 2))
    assert verdicts(world, "missed") == []
    assert len(verdicts(world, "unknown")) == 1
    assert hints(world) == ["rule learned_batches"]
