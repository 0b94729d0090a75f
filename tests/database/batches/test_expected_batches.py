"""Batches that should be there and did not come: a verdict and an incident of their own, and silence where nothing is regular."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

pytestmark = pytest.mark.slow

DAY = timedelta(days=1)
#: A Monday.
BEGIN = date(2025, 9, 1)
DEFINITION = "{table: features.t, owner: me, writes: bulk, batch: {by: day}, unwatched: [n]}"


class Calendar:
    """A table whose batches come on days that a test chooses."""

    def __init__(self, session: Any, definition: str = DEFINITION, kind: str = "date") -> None:
        self.session = session
        session.run(
            f"CREATE TABLE features.t (day {kind} NOT NULL, n integer NOT NULL, x integer, PRIMARY KEY (day, n))"
        )
        session.guard(definition)

    def load(self, *days: Any) -> None:
        """Load a batch for each day, one after the other, as a program would that then asks for verdicts."""
        for day in days:
            self.session.run(f"INSERT INTO features.t SELECT '{day}', i FROM generate_series(1, 3) AS i")
            self.session.run("SELECT FROM pgslo.close_batch('features.t')")

    def begin(self, *days: Any) -> None:
        """Load batches that are too few for a verdict, then the following ones one by one."""
        for day in days[:21]:
            self.session.run(f"INSERT INTO features.t VALUES ('{day}', 1)")
        self.load(*days[21:])

    def missed(self) -> dict[str, str]:
        """The missed verdicts about batches that did not come, by the name of the batch."""
        return dict(
            self.session.run(
                """SELECT v.batch, v.said FROM pgslo_catalog.verdict v JOIN pgslo_catalog.rule r USING (rule_id)
                   WHERE r.measure ->> 'form' = 'batches' AND v.verdict = 'missed' ORDER BY v.place"""
            ).rows
        )

    def incidents(self) -> list[tuple[Any, ...]]:
        return list(
            self.session.run(
                "SELECT rule, opened_batch, state, resolution, missed_batches FROM pgslo.incident ORDER BY incident_id"
            ).rows
        )

    def lived(self, delay: timedelta = timedelta(hours=26)) -> None:
        """Let each batch have been written so long after its own time."""
        self.session.run(
            f"""UPDATE pgslo_catalog.batch
                SET first_written_at = to_timestamp(place) + interval '{delay.total_seconds()} seconds',
                    last_written_at = to_timestamp(place) + interval '{delay.total_seconds()} seconds'"""
        )
        self.session.run("UPDATE pgslo_catalog.expected_look SET due_at = '-infinity'")


def days(first: date, number: int, fits: Callable[[date], bool] = lambda _: True) -> list[date]:
    """A number of days that fit, from one on."""
    found: list[date] = []
    while len(found) < number:
        if fits(first):
            found.append(first)
        first += DAY
    return found


def is_workday(day: date) -> bool:
    return day.weekday() < 5


def is_month_end(day: date) -> bool:
    return (day + DAY).day == 1


def test_a_workday_without_its_load_is_missed_until_it_comes(session):
    calendar = Calendar(session)
    known = days(BEGIN, 32, is_workday)
    wednesday, thursday, friday = days(known[-1] + DAY, 3, is_workday)
    assert wednesday.weekday() == 2
    calendar.begin(*known)
    assert calendar.missed() == {}
    calendar.load(thursday)
    said = f"expected batches {wednesday}: none came; 6 of the last 6 Wednesdays had one"
    assert calendar.missed() == {str(wednesday): said}
    assert calendar.incidents() == [("learned_batches", str(wednesday), "open", None, 1)]
    (problem,) = session.run(
        "SELECT code, detail, by_row FROM pgslo_catalog.problem('features.t', '{*}')"
    ).rows
    assert problem[0] == "01SL1"
    assert problem[1].startswith(f"Batch {wednesday}: {said}. Since ")
    assert not problem[2]
    calendar.load(friday)
    assert calendar.incidents() == [("learned_batches", str(wednesday), "open", None, 1)]
    calendar.load(wednesday)
    assert calendar.missed() == {}
    assert calendar.incidents() == [("learned_batches", str(wednesday), "resolved", "healed", 0)]


def test_a_hole_that_nobody_fills_stops_warning_readers_and_stays_in_the_records(session):
    calendar = Calendar(session)
    calendar.begin(*days(BEGIN, 30))
    hole, *later = days(BEGIN + 30 * DAY, 6)
    calendar.load(*later[:4])
    assert calendar.incidents() == [("learned_batches", str(hole), "open", None, 1)]
    calendar.load(later[4])
    assert calendar.incidents() == [("learned_batches", str(hole), "over", None, 1)]
    assert session.run("SELECT FROM pgslo_catalog.problem('features.t', '{*}')").count == 0
    session.run("SELECT pgslo.resolve(incident_id, 'false_alarm') FROM pgslo.incident")
    assert calendar.incidents() == [("learned_batches", str(hole), "resolved", "false_alarm", 0)]
    calendar.load(*days(later[4] + DAY, 3))
    assert len(calendar.incidents()) == 1


@pytest.mark.parametrize(
    "fits",
    [
        lambda day: day.weekday() == 0,
        is_workday,
        is_month_end,
        lambda day: day.day in (1, 15),
    ],
    ids=["each Monday", "workdays", "month ends", "twice a month"],
)
def test_regular_tables_are_quiet_and_miss_one_hole(session, fits):
    calendar = Calendar(session)
    *known, hole, after = days(date(2022, 1, 3), 32, fits)
    calendar.begin(*known)
    assert calendar.missed() == {}
    calendar.load(after)
    assert set(calendar.missed()) == {str(hole)}


def test_twenty_batches_are_too_few(session):
    calendar = Calendar(session)
    known = days(BEGIN, 20)
    calendar.load(*known, known[-1] + 2 * DAY)
    assert calendar.missed() == {}
    assert (
        session.run(
            "SELECT FROM pgslo_catalog.verdict v JOIN pgslo_catalog.rule r USING (rule_id) WHERE r.name = 'learned_batches'"
        ).count
        == 0
    )


@pytest.mark.parametrize("seed", range(2))
def test_what_is_missing_now_and_then_is_not_expected(session, seed):
    source = random.Random(seed)
    calendar = Calendar(session)
    calendar.begin(*days(BEGIN, 90, lambda _: source.random() < 0.85))
    assert len(calendar.missed()) <= 2


def test_holidays_are_not_expected(session):
    calendar = Calendar(session, DEFINITION[:-1] + ", holidays: [12-25, 2025-12-26]}")
    calendar.begin(
        *days(
            date(2025, 11, 10),
            45,
            lambda day: is_workday(day) and day not in (date(2025, 12, 25), date(2025, 12, 26)),
        )
    )
    assert calendar.missed() == {}


def test_public_holidays_wake_nobody_where_weekends_are_free(session):
    calendar = Calendar(session)
    free = [date(2025, 12, 25), date(2025, 12, 26)]
    calendar.begin(*days(date(2025, 11, 10), 33, is_workday))
    calendar.load(*days(date(2025, 12, 26), 1, lambda day: is_workday(day) and day not in free))
    said = "expected batches 2025-12-25, 2025-12-26: none came; 6 of the last 6 Fridays had one; it is a public holiday in many countries"
    assert calendar.missed()["2025-12-26"] == said
    assert session.values("SELECT tier FROM pgslo.incident") == ["suspect"]
    # What is missing on any other day is told of, and so is what goes on missing.
    calendar.load(date(2025, 12, 31))
    assert session.values("SELECT tier FROM pgslo.incident") == ["missed"]


def test_public_holidays(session):
    held = session.values(
        """SELECT to_char(day, 'MM-DD') FROM generate_series(timestamp '2027-01-01', '2027-12-31', '1 day') day
           WHERE pgslo_catalog.is_public_holiday(extract(epoch FROM day)) ORDER BY day"""
    )
    for day in (
        "01-01",
        "01-18",
        "03-26",
        "03-29",
        "05-06",
        "05-17",
        "05-31",
        "07-05",
        "09-06",
        "11-25",
        "12-24",
        "12-27",
        "12-28",
    ):
        assert day in held
    assert len(held) <= 40
    easter = (
        "SELECT pgslo_catalog.easter(y)::text FROM unnest(ARRAY[1961, 2000, 2008, 2024, 2025, 2038, 2100]) y"
    )
    assert session.values(easter) == [
        "1961-04-02", "2000-04-23", "2008-03-23", "2024-03-31", "2025-04-20", "2038-04-25", "2100-03-28",
    ]  # fmt: skip
    assert not session.values("SELECT pgslo_catalog.is_public_holiday('1e300')")[0]


@pytest.mark.parametrize("form", ["numbers", "texts", "statements"])
def test_batches_without_dates_are_not_expected(session, form):
    kind, batch = {
        "numbers": ("integer", "{by: day}"),
        "texts": ("text", "{by: day}"),
        "statements": ("date", "statement"),
    }[form]
    calendar = Calendar(
        session, f"{{table: features.t, owner: me, writes: bulk, batch: {batch}, unwatched: [n]}}", kind
    )
    known = [day.isoformat() if form != "numbers" else day.toordinal() for day in days(BEGIN, 40)]
    calendar.begin(*known[:35], *known[37:])
    assert calendar.missed() == {}
    assert session.values("SELECT rule FROM pgslo.rule WHERE rule = 'learned_batches'") == []


@pytest.mark.parametrize("order", ["descending", "at once"])
def test_a_backfill_is_quiet(session, order):
    calendar = Calendar(session)
    old, new = days(BEGIN, 60), days(BEGIN + 90 * DAY, 40)
    calendar.begin(*new)
    known = [day for n, day in enumerate(old) if n % 17 != 5]
    if order == "at once":
        listed = ", ".join(f"('{day}'::date)" for day in known)
        session.run(
            f"INSERT INTO features.t SELECT d, i FROM (VALUES {listed}) AS v (d), generate_series(1, 3) AS i"
        )
        session.run("SELECT pgslo.tick(), pgslo.tick()")
    else:
        calendar.load(*reversed(known[30:]))
    assert calendar.missed() == {}


def test_a_first_load_of_everything_is_quiet(session):
    calendar = Calendar(session)
    listed = ", ".join(f"('{day}'::date)" for n, day in enumerate(days(BEGIN, 120)) if n % 41 != 40)
    session.run(
        f"INSERT INTO features.t SELECT d, i FROM (VALUES {listed}) AS v (d), generate_series(1, 3) AS i"
    )
    for _ in range(4):
        session.run("SELECT pgslo.tick()")
    session.run("SELECT FROM pgslo.close_batch('features.t')")
    assert calendar.missed() == {}


def test_history_that_is_learned_is_quiet_and_known(session):
    calendar = Calendar(session)
    session.run("SET LOCAL session_replication_role = replica")
    for day in days(BEGIN, 80):
        if day != BEGIN + 70 * DAY:
            session.run(f"INSERT INTO features.t SELECT '{day}', i FROM generate_series(1, 3) AS i")
    session.run("SET LOCAL session_replication_role = origin")
    session.run("SELECT pgslo.learn('features.t')")
    assert calendar.missed() == {}
    hole, after = days(BEGIN + 80 * DAY, 2)
    calendar.load(after)
    assert set(calendar.missed()) == {str(hole)}


def test_a_table_that_stopped_has_one_incident(session):
    calendar = Calendar(session)
    today = session.values("SELECT (now() AT TIME ZONE 'UTC')::date")[0]
    calendar.begin(*days(today - 50 * DAY, 41))
    calendar.lived()
    session.run("SELECT pgslo.tick()")
    # The last came ten days ago, and each came 26 hours after its day began.
    first = today - 9 * DAY
    assert list(calendar.missed()) == [str(day) for day in days(first, 5)]
    listed = ", ".join(str(day) for day in days(first, 5))
    assert calendar.missed()[str(first + 4 * DAY)].startswith(f"expected batches {listed}: none came; ")
    session.run("SELECT pgslo.tick()")
    assert calendar.incidents() == [("learned_batches", str(first), "open", None, 5)]
    calendar.load(*days(first, 5))
    session.run("SELECT pgslo.tick()")
    assert calendar.incidents() == [("learned_batches", str(first), "resolved", "healed", 0)]


def test_the_next_batch_is_not_late_before_it_usually_comes(session):
    calendar = Calendar(session)
    today = session.values("SELECT (now() AT TIME ZONE 'UTC')::date")[0]
    calendar.begin(*days(today - 41 * DAY, 41))
    calendar.lived(timedelta(hours=26))
    session.run("SELECT pgslo.tick()")
    assert calendar.missed() == {}
    (due,) = session.values("SELECT due_at AT TIME ZONE 'UTC' FROM pgslo_catalog.expected_look")
    # Six hours to spare.
    assert due == datetime.combine(today, datetime.min.time()) + timedelta(hours=26 + 6)


def test_hours_of_a_day(session):
    definition = (
        "{table: features.t, owner: me, writes: bulk, batch: {by: day, every: 1 hour}, unwatched: [n]}"
    )
    calendar = Calendar(session, definition, "timestamptz")
    open_hours = [datetime(2025, 9, 1 + day, hour, tzinfo=UTC) for day in range(6) for hour in range(8, 18)]
    calendar.begin(*(f"{moment:%Y-%m-%d %H:%M}Z" for moment in open_hours))
    assert calendar.missed() == {}
    calendar.load("2025-09-07 08:20Z", "2025-09-07 10:40Z")
    assert list(calendar.missed()) == ["2025-09-07T09:00:00+00:00"]
    assert "days at 09:00 had one" in calendar.missed()["2025-09-07T09:00:00+00:00"]


def test_batches_named_by_when_they_were_loaded(session):
    definition = "{table: features.t, owner: me, writes: bulk, batch: {by: day}, unwatched: [n]}"
    calendar = Calendar(session, definition, "timestamptz")
    source = random.Random(3)
    loads = [
        datetime(2025, 9, 1, 2, tzinfo=UTC) + n * DAY + timedelta(seconds=source.randrange(5000))
        for n in range(60)
    ]
    # Clocks are put back meanwhile.
    loads = [load + timedelta(hours=1) if load.date() >= date(2025, 10, 26) else load for load in loads]
    calendar.begin(*(f"{load}" for load in loads[:58]), f"{loads[59]}")
    assert list(calendar.missed()) == ["2025-10-29"]
    calendar.load(f"{loads[58]}")
    session.run("SELECT pgslo.tick()")
    assert calendar.missed() == {}
    assert calendar.incidents() == [("learned_batches", "2025-10-29", "resolved", "healed", 0)]


def test_rows_that_no_trigger_saw_are_there(session):
    calendar = Calendar(session)
    known = days(BEGIN, 30)
    calendar.begin(*known)
    unseen, after = days(known[-1] + DAY, 2)
    session.run("SET LOCAL session_replication_role = replica")
    session.run(f"INSERT INTO features.t VALUES ('{unseen}', 1)")
    session.run("SET LOCAL session_replication_role = origin")
    calendar.load(after)
    assert calendar.missed() == {}
    session.run("SELECT pgslo.tick()")
    assert session.values(f"SELECT rows FROM pgslo.batch WHERE batch = '{unseen}'") == [1]
