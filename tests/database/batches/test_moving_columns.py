"""What learned bounds make of columns that move with the batch: calendar parts, versions, load numbers, growing ids."""

from __future__ import annotations

import re
from typing import Any

import pytest

pytestmark = pytest.mark.slow

FROM = "DATE '2026-01-01' + k"

#: Columns with one value a batch, as SQL over the number of the day.
ONE_A_BATCH = {
    "year": ("integer", f"extract(year FROM {FROM})"),
    "month": ("integer", f"extract(month FROM {FROM})"),
    "iso_week": ("integer", f"extract(week FROM {FROM})"),
    "day_of_month": ("integer", f"extract(day FROM {FROM})"),
    "year_month": ("text", f"to_char({FROM}, 'YYYY-MM')"),
    "quarter": ("integer", f"extract(quarter FROM {FROM})"),
    "model": ("integer", "1 + k / 14"),
    "version": ("text", "'v' || 1 + k / 14"),
    "days_left": (
        "integer",
        f"extract(day FROM date_trunc('month', {FROM}) + interval '1 month - 1 day') - extract(day FROM {FROM})",
    ),
    "epoch_day": ("integer", f"{FROM} - DATE '1970-01-01'"),
    "load_id": ("integer", "5 + k"),
}


class Days:
    """A table with a batch a day; each column is SQL over k, the day, and i, the row."""

    def __init__(self, session: Any, columns: dict[str, tuple[str, str]], rows: int = 40) -> None:
        self.session, self.columns, self.rows, self.start = session, dict(columns), rows, FROM
        declared = "".join(f", {name} {kind}" for name, (kind, _) in columns.items())
        session.run(
            f"CREATE TABLE features.t (day date NOT NULL, line integer NOT NULL{declared}, PRIMARY KEY (day, line))"
        )
        session.guard(
            "{table: features.t, owner: me, key: [day, line], writes: bulk, batch: {by: day}, unwatched: [day, line]}"
        )

    def load(self, first: int, last: int, **other: str) -> list[tuple[int, str, str]]:
        """Load and close days, with other values for some columns; returns the missed ones as day, rule and message."""
        missed = []
        for k in range(first, last + 1):
            values = ", ".join(
                self.words(other.get(name, value), k) for name, (_, value) in self.columns.items()
            )
            self.session.run(
                f"INSERT INTO features.t SELECT {self.words(self.start, k)}, i, {values} FROM generate_series(1, {self.rows}) i"
            )
            missed += [(k, *one) for one in self.close(k)]
        return missed

    def close(self, k: int) -> list[tuple[str, str]]:
        found = self.session.run(
            f"SELECT rule, said FROM pgslo.close_batch('features.t', ({self.words(self.start, k)})::text) WHERE verdict = 'missed'"
        )
        return [tuple(one) for one in found.rows]

    @staticmethod
    def words(text: str, k: int) -> str:
        return re.sub(r"\bk\b", str(k), text)


def test_columns_with_one_value_a_batch_are_judged_by_what_may_follow(session):
    """Turns raise no alarm; a value that cannot follow, half a column NULL and another unit do, and the day after is good."""
    days = Days(session, ONE_A_BATCH)
    assert days.load(0, 139) == []

    ((_, rule, said),) = days.load(140, 140, month="250")
    assert rule == "month_learned"
    assert said.startswith("median month 250, usually 5 (245 steps from what may follow; at most ")
    assert days.load(141, 141) == []

    half = {name: f"CASE WHEN i % 2 = 0 THEN {value} END" for name, (_, value) in ONE_A_BATCH.items()}
    found = days.load(142, 142, **half)
    assert {rule for _, rule, _ in found} == {f"{name}_learned" for name in ONE_A_BATCH}
    assert all(said.startswith("null: 50 %") for _, _, said in found)
    assert days.load(143, 143) == []

    hundred = {name: f"100 * ({value})" for name, (kind, value) in ONE_A_BATCH.items() if kind == "integer"}
    assert {rule for _, rule, _ in days.load(144, 144, **hundred)} == {f"{name}_learned" for name in hundred}
    assert days.load(145, 145) == []

    half = {
        name: f"CASE WHEN i % 2 = 0 THEN {value} ELSE 'unknown' END"
        for name, (kind, value) in ONE_A_BATCH.items()
        if kind == "text"
    }
    assert {rule for _, rule, _ in days.load(146, 146, **half)} == {"version_learned", "year_month_learned"}
    assert days.load(147, 147) == []


def test_a_word_that_never_changed_is_news_when_it_does(session):
    days = Days(
        session,
        {"currency": ("text", "'EUR'"), "release": ("text", "'1.4-rc2'"), "flag": ("boolean", "false")},
    )
    assert days.load(0, 39) == []
    assert {rule for _, rule, _ in days.load(40, 40, currency="'USD'", flag="true", release="'1.5-rc1'")} == {
        "currency_learned",
        "flag_learned",
    }


def test_a_value_outside_the_few_there_were_is_news(session):
    days = Days(
        session,
        {
            "workday": ("integer", "CASE WHEN k % 7 < 5 THEN 1 ELSE 0 END"),
            "holiday": ("text", "CASE WHEN k % 3 > 0 THEN 'no' ELSE 'yes' END"),
        },
    )
    assert days.load(0, 59) == []
    assert {rule for _, rule, _ in days.load(60, 60, workday="2", holiday="'NO'")} == {
        "workday_learned",
        "holiday_learned",
    }
    # A Wednesday off is none.
    assert days.load(61, 67, workday="CASE WHEN k % 7 < 5 AND k <> 65 THEN 1 ELSE 0 END") == []


def test_the_calendar_begins_again(session):
    """A month, a weekday's name and a week that no batch had before are expected next."""
    days = Days(
        session,
        {
            "month": ("integer", "extract(month FROM DATE '2025-11-20' + k)"),
            "name": ("text", "to_char(DATE '2025-11-20' + k, 'FMMonth')"),
            "week": ("integer", "extract(week FROM DATE '2025-11-20' + k)"),
            "valid_from": ("date", "date_trunc('month', DATE '2025-11-20' + k)::date"),
        },
    )
    days.start = "DATE '2025-11-20' + k"
    assert days.load(0, 60) == []
    assert [rule for _, rule, _ in days.load(61, 61, month="25")] == ["month_learned"]


#: About 200 new ids a day, and a total that grows by some 40 a day for each of the rows.
GROWING = {
    "id": ("bigint", "1000 + 200 * k + 5 * i"),
    "total": ("bigint", "5000 + 40 * k + 13 * i + (k * 7919 + i * 104729) % 9"),
}


def test_ids_that_jump_stay_where_they_are(session):
    days = Days(session, GROWING)
    assert days.load(0, 69) == []
    # A load that was rolled back used up 300 ids.
    days.columns["id"] = ("bigint", "1300 + 200 * k + 5 * i")
    assert days.load(70, 76) == []
    # Somebody set the sequence.
    days.columns["id"] = ("bigint", "1000000 + 200 * k + 5 * i")
    assert [(k, rule) for k, rule, _ in days.load(77, 90)] == [(77, "id_learned")]
    # A backfill of old rows, and the next day.
    assert [rule for _, rule, _ in days.load(91, 91, id="3000 + 5 * i")] == ["id_learned"]
    assert days.load(92, 96) == []


def test_a_batch_that_is_repeated_has_new_ids(session):
    days = Days(session, GROWING)
    assert days.load(0, 60) == []
    session.run("DELETE FROM features.t WHERE day = DATE '2026-01-01' + 60")
    days.columns["id"] = ("bigint", "1200 + 200 * k + 5 * i")
    assert days.load(60, 66) == []


def test_faults_of_growing_numbers_are_found(session):
    days = Days(session, GROWING)
    days.load(0, 69)
    factor = {name: f"100 * ({value})" for name, (_, value) in GROWING.items()}
    assert {rule for _, rule, _ in days.load(70, 71, **factor)} == {"id_learned", "total_learned"}
    assert days.load(72, 74) == []
    assert {
        rule for _, rule, _ in days.load(75, 75, total="CASE WHEN i % 3 > 0 THEN 5000 + 40 * k + 13 * i END")
    } == {"total_learned"}
    # A hole does not make the next one a surprise.
    assert days.load(76, 78) == []


def test_what_the_job_writes_hides_no_copy(session):
    """Yesterday's rows with another load number and load time are reported; other rows are not."""
    days = Days(
        session,
        {
            "amount": ("integer", "(i * 7919 + k * 104729) % 100003"),
            "kind": ("text", "chr(97 + (i * 7 + k * 3) % 20)"),
            "load_id": ("integer", "1000 + k"),
            "loaded_at": (
                "timestamptz",
                f"({FROM} + time '03:10' + k % 7 * interval '1 minute') AT TIME ZONE 'UTC'",
            ),
        },
    )
    assert days.load(0, 49) == []
    missed = days.load(
        50, 50, amount="(i * 7919 + 49 * 104729) % 100003", kind="chr(97 + (i * 7 + 49 * 3) % 20)"
    )
    assert [said for _, _, said in missed if said.startswith("rows that an earlier batch has: 100 %")]
    assert days.load(51, 51) == []
