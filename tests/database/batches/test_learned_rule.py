"""What learned bounds make of ordinary but awkward columns: few values, counts, growth, holes, surprises with a direction."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.slow

DEFINITION = (
    "{table: features.t, owner: me, key: [batch_date, line], writes: bulk, batch: {by: batch_date}, "
    "unwatched: [batch_date, line]}"
)


class Stream:
    """A table with one watched column, a batch a day; what each day's values and rows are is SQL over k and i."""

    def __init__(self, session: Any, kind: str, value: str, rows: str = "60") -> None:
        self.session, self.value, self.rows = session, value, rows
        session.run(
            f"CREATE TABLE features.t (batch_date date NOT NULL, line integer NOT NULL, x {kind}, PRIMARY KEY (batch_date, line))"
        )
        session.guard(DEFINITION)

    def run(self, first: int, last: int) -> dict[int, list[tuple[str, str]]]:
        """Load and close the days from ``first`` to ``last``; returns the missed ones with rule and message."""
        missed = {}
        for k in range(first, last + 1):
            value, rows = (text.replace("k", str(k)) if text else text for text in (self.value, self.rows))
            self.session.run(
                f"INSERT INTO features.t SELECT DATE '2025-01-01' + {k}, i, {value} FROM generate_series(0, ({rows}) - 1) AS i"
            )
            found = self.session.run(
                f"SELECT rule, said FROM pgslo.close_batch('features.t', (DATE '2025-01-01' + {k})::text) WHERE verdict = 'missed'"
            ).rows
            if found:
                missed[k] = [tuple(one) for one in found]
        return missed


def test_fewer_ones_than_there_were_are_no_news(session):
    """The distance that values moved is not divided by an average that has faded to nearly nothing."""
    value = "CASE WHEN k = 12 AND i < 6 OR k IN (70, 75, 80) AND i < 3 THEN 1 ELSE 0 END"
    assert Stream(session, "integer", value).run(0, 82) == {}


def test_one_text_that_looks_like_a_number_makes_no_column_of_numbers(session):
    value = (
        "CASE WHEN i = 0 AND k % 9 = 0 THEN '10' WHEN i = 0 AND k = 80 THEN '1941' "
        "ELSE 'Title ' || chr(97 + (i * 7 + k) % 20) END"
    )
    assert Stream(session, "text", value).run(0, 82) == {}


def test_few_equal_values_have_noise(session):
    value = "CASE WHEN i <= (k * 7919) % 3 THEN CASE WHEN (k * 104729) % 17 = 0 THEN 2 ELSE 1 END ELSE 0 END"
    missed = Stream(session, "integer", value).run(0, 120)
    assert not any("order of magnitude" in said for found in missed.values() for _, said in found)
    assert len(missed) <= 1


def test_growth_goes_on_over_a_hole(session):
    value = "CASE WHEN k = 70 THEN NULL ELSE 100 + 7 * k + i % 7 END"
    assert set(Stream(session, "integer", value, "100").run(0, 76)) == {70}


def test_a_handful_of_rows_is_not_judged_by_its_values(session):
    value = "CASE WHEN k = 69 OR k % 7 < 6 AND i % 5 = 0 THEN 5 ELSE 3 END"
    assert Stream(session, "integer", value, "CASE WHEN k % 7 = 6 THEN 1 ELSE 80 END").run(0, 75) == {}


def test_a_rise_does_not_excuse_a_fall(session):
    stream = Stream(
        session, "integer", "i % 2", "CASE k WHEN 80 THEN 560 WHEN 110 THEN 14 ELSE 125 + k * 37 % 26 END"
    )
    assert set(stream.run(0, 80)) == {80}
    session.run(
        "SELECT pgslo.resolve(i.incident_id, 'false_alarm') FROM pgslo.incident i WHERE i.over_at IS NULL"
    )
    assert stream.run(81, 109) == {}
    ((rule, said),) = stream.run(110, 110)[110]
    assert (rule, said.split(";")[0]) == ("learned", "rows: 14")


def test_missing_rows_are_measured_by_those_that_were_expected(session):
    stream = Stream(
        session,
        "integer",
        "(i * 7919 + k * 104729) % 1000",
        "CASE k WHEN 90 THEN 5 ELSE 26 + (hashint4(k) & 1023) % 21 END",
    )
    missed = stream.run(0, 91)
    assert set(missed) == {90}
    assert missed[90][0][1].startswith("rows: 5; ")


def test_a_shock_that_was_no_fault_does_not_excuse_the_next_one(session):
    """A column that was NULL once, which was marked as a false alarm, is reported when it is NULL again."""
    stream = Stream(
        session, "integer", "CASE WHEN k IN (30, 60) THEN NULL ELSE (i * 7919 + k * 104729) % 1000 END", "24"
    )
    assert set(stream.run(0, 30)) == {30}
    session.run("SELECT pgslo.resolve(i.incident_id, 'false_alarm') FROM pgslo.incident i")
    assert stream.run(31, 59) == {}
    said = dict(stream.run(60, 60)[60])["x_learned"]
    assert said.startswith("null: 100 %; 0 % to ")
    assert not said.startswith("null: 100 %; 0 % to 100 %")


def test_a_shock_among_the_first_batches_does_not_excuse_the_next_one(session):
    stream = Stream(
        session, "integer", "CASE WHEN k IN (15, 45) THEN NULL ELSE (i * 7919 + k * 104729) % 1000 END", "24"
    )
    assert set(stream.run(0, 45)) == {45}


def test_a_shock_fades_by_half_in_a_month(session):
    (faded,) = session.values("""
        WITH RECURSIVE day AS (
            SELECT 0 AS k, ARRAY[40, 5]::float8[] AS tolerated
            UNION ALL
            SELECT k + 1, pgslo_catalog.widened(tolerated, ARRAY[0, 0]::float8[], 1, false) FROM day WHERE k < 30
        )
        SELECT tolerated FROM day WHERE k = 30""")
    assert 18 < faded[0] < 21
    assert faded[1] > 4.5


def test_what_comes_again_and_again_is_tolerated_to_the_end_of_the_scale(session):
    """No values on every ninth day or so: after three times that is usual."""
    value = "CASE WHEN k IN (40, 49, 60, 68, 79) THEN NULL ELSE (i * 7919 + k * 104729) % 1000 END"
    assert set(Stream(session, "integer", value, "24").run(0, 80)) == {40, 49, 60}


def judged(session: Any, number: str, value: float, expected: float, *, distinct: int) -> str:
    """The verdict on a column of whole numbers of which one number alone is a surprise, a large one."""
    Stream(session, "integer", "10 + i % 9").run(0, 23)
    (ordinal,) = session.values(f"SELECT ordinal FROM pgslo_catalog.summary_kinds() WHERE name = '{number}'")
    session.run(
        f"""UPDATE pgslo_catalog.profile SET surprise = ARRAY(SELECT 0 * x FROM unnest(surprise) WITH ORDINALITY AS u (x, i) ORDER BY i), summary[3] = ln({distinct}), expected[3] = ln({distinct})
            WHERE column_name = 'x' AND batch = '2025-01-24';
            UPDATE pgslo_catalog.profile SET summary[{ordinal}] = {value}, expected[{ordinal}] = {expected}, spread[{ordinal}] = 1e-9,
                surprise[{ordinal}] = ({value} - {expected}) / 1e-9
            WHERE column_name = 'x' AND batch = '2025-01-24'"""
    )
    (verdict,) = session.values(
        """SELECT j.verdict FROM pgslo_catalog.profile p
           CROSS JOIN LATERAL pgslo_catalog.judge_columns(p.definition_id, p.batch, p.place, false) j
           WHERE p.column_name = 'x' AND p.batch = '2025-01-24' AND j.column_name = 'x'"""
    )
    return verdict


@pytest.mark.parametrize(("distinct", "verdict"), [(2, "met"), (9, "met"), (50, "missed")])
def test_one_of_a_few_values_may_be_round(session, distinct, verdict):
    """Release 20 is a multiple of ten, and soon most rows have it; round amounts are reported."""
    assert judged(session, "tens", 0.6, 0, distinct=distinct) == verdict


@pytest.mark.parametrize(("now", "verdict"), [(18, "met"), (19, "missed"), (16, "met"), (15, "missed")])
def test_a_step_is_within_the_bounds_of_a_quantile(session, now, verdict):
    assert judged(session, "p95", now, 17, distinct=9) == verdict
