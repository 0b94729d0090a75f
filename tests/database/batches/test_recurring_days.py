"""Irregular recurring events, such as promotions and releases, and random changes of the rows of a day."""

from __future__ import annotations

import re
from typing import Any

import pytest

pytestmark = pytest.mark.slow


class Stream:
    """A table with a batch a day; rows and columns are SQL over k, the day, and i, the row."""

    def __init__(self, session: Any, rows: str, **columns: tuple[str, str]) -> None:
        self.session, self.rows, self.columns = session, rows, columns
        declared = "".join(f", {name} {kind}" for name, (kind, _) in columns.items())
        session.run(
            f"CREATE TABLE features.t (day date NOT NULL, line integer NOT NULL{declared}, PRIMARY KEY (day, line))"
        )
        session.guard(
            "{table: features.t, owner: me, key: [day, line], writes: bulk, batch: {by: day}, unwatched: [day, line]}"
        )

    def load(
        self, first: int, last: int, *, rows: str | None = None, **other: str
    ) -> dict[int, dict[str, str]]:
        """Load and close days; returns what each missed, by rule."""
        missed = {}
        for k in range(first, last + 1):
            values = ", ".join(
                self.words(other.get(name, value), k) for name, (_, value) in self.columns.items()
            )
            self.session.run(
                f"INSERT INTO features.t SELECT DATE '2025-01-01' + {k}, i, {values} FROM generate_series(1, {self.words(rows or self.rows, k)}) i"
            )
            found = self.session.run(
                f"SELECT rule, said FROM pgslo.close_batch('features.t', (DATE '2025-01-01' + {k})::text) WHERE verdict = 'missed'"
            ).rows
            if found:
                missed[k] = dict(found)
        return missed

    @staticmethod
    def words(text: str, k: int) -> str:
        return re.sub(r"\bk\b", str(k), text)

    def tiers(self) -> list[tuple[str, str]]:
        return [
            tuple(one)
            for one in self.session.run("SELECT opened_batch, tier FROM pgslo.incident ORDER BY 1").rows
        ]


#: Between 270 and 330 rows; three times as many on some days.
ROWS = "CASE WHEN k IN (33, 55, 78) THEN 3 ELSE 1 END * (270 + (hashint4(k) & 1023) % 61)"
SHARE = "CASE WHEN i % 100 < CASE WHEN k IN (33, 55, 78) THEN 70 ELSE 8 END THEN 10 * (1 + i % 3) ELSE 0 END"


def test_a_promotion_is_told_twice_and_then_usual_of_rows_and_columns(session):
    stream = Stream(
        session, ROWS, rebate=("integer", SHARE), channel=("text", "(ARRAY['web', 'app', 'shop'])[1 + i % 3]")
    )
    missed = stream.load(0, 77)
    assert set(missed) == {33, 55}
    assert set(missed[55]) == {"learned", "rebate_learned"}
    assert stream.load(78, 78) == {}
    assert stream.load(79, 89) == {}
    # It excuses neither what is missing on such a day, nor a day without half of its rows.
    broken = stream.load(90, 90, rows="900", rebate=SHARE.replace("78", "90"), channel="NULL")[90]
    assert set(broken) == {"channel_learned"}
    assert stream.load(91, 91, rows="150")[91]["learned"].startswith("rows: 150;")


@pytest.mark.parametrize("rows", [30, 60, 99, 150, 200])
def test_a_promotion_that_was_no_fault_excuses_no_missing_rows(session, rows):
    stream = Stream(session, "270 + (hashint4(k) & 1023) % 61", x=("integer", "(i * 7919 + k * 104729) % 10"))
    assert stream.load(0, 59) == {}
    assert set(stream.load(60, 60, rows="900")[60]) == {"learned"}
    session.run("SELECT pgslo.resolve(incident_id, 'false_alarm') FROM pgslo.incident")
    assert stream.load(61, 69) == {}
    assert stream.load(70, 70, rows=str(rows))[70]["learned"].startswith(f"rows: {rows};")


def test_promotions_in_history_excuse_no_missing_rows(session):
    stream = Stream(
        session,
        "CASE WHEN k IN (15, 33, 48) THEN 3 ELSE 1 END * (270 + (hashint4(k) & 1023) % 61)",
        x=("integer", "i % 10"),
    )
    values = stream.columns["x"][1]
    session.run(
        f"""INSERT INTO features.t SELECT DATE '2025-01-01' + k, i, {values}
            FROM generate_series(0, 59) k CROSS JOIN LATERAL generate_series(1, {stream.rows}) i"""
    )
    session.run(
        "DELETE FROM pgslo_catalog.fragment; DELETE FROM pgslo_catalog.profile; DELETE FROM pgslo_catalog.batch"
    )
    session.run("SELECT pgslo.learn('features.t')")
    assert stream.load(60, 60) == {}
    assert stream.load(61, 61, rows="900") == {}
    for k, rows in ((62, 30), (64, 100), (66, 150)):
        assert stream.load(k, k, rows=str(rows))[k]["learned"].startswith(f"rows: {rows};")
        assert stream.load(k + 1, k + 1) == {}


def test_a_day_of_chance_is_a_suspect_and_half_of_the_rows_a_page(session):
    stream = Stream(
        session,
        "CASE k WHEN 60 THEN 235 WHEN 70 THEN 150 ELSE 290 + (hashint4(k) & 1023) % 21 END",
        x=("integer", "i % 10"),
    )
    assert set(stream.load(0, 80)) == {60, 70}
    assert stream.tiers() == [("2025-03-02", "suspect"), ("2025-03-12", "missed")]


def test_a_release_that_spreads_is_told_once(session):
    """Of the rows of a day 4 %, then 7, 10, … have a version that was not there before."""
    value = "CASE WHEN i <= greatest(0, 8 + 6 * (k - 60)) THEN '4.13.0' ELSE '4.12.' || i % 3 END"
    assert set(Stream(session, "200", version=("text", value)).load(0, 68)) <= {60}


def test_the_time_of_a_load_is_round_now_and_then(session):
    value = "TIMESTAMP '2025-01-01 03:10:00' + interval '1 day' * k + interval '1 second' * CASE WHEN k % 35 = 34 THEN 0 ELSE 1 + k % 59 END"
    again = f"{value} + interval '1 second' * (i % 2 * (k % 9))"
    stream = Stream(session, "100", loaded=("timestamp", value), twice=("timestamp", again))
    assert stream.load(0, 70) == {}
