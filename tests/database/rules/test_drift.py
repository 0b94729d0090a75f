"""drift: a batch's values are distributed like those of earlier ones."""

import pytest

KIND = "drift"

SAME = "age = n % 50; country = CASE WHEN n % 4 = 0 THEN 'de' ELSE 'us' END"
MOVED = "age = 60 + n % 50; country = CASE WHEN n % 4 = 0 THEN 'us' ELSE 'de' END"


def history(session, *, days=3):
    for day in range(1, days + 1):
        session.load(f"2026-11-{day:02}", SAME, rows=200)
        session.close(f"2026-11-{day:02}")


def test_the_same_distribution_is_met(golden):
    history(golden)
    golden.load("2026-11-10", SAME, rows=200, first=17)
    verdicts = golden.close("2026-11-10")
    assert [verdicts[rule][0] for rule in ("age_drift", "age_drift_2")] == ["met", "met"]
    assert verdicts["age_drift"][1] < 0.05


def test_another_distribution_is_missed(golden):
    history(golden)
    golden.load("2026-11-10", MOVED, rows=200)
    verdicts = golden.close("2026-11-10")
    assert verdicts["age_drift"][0] == "missed"
    assert verdicts["age_drift_2"][:2] == ("missed", 1)
    assert verdicts["age_drift_2"][2] == "KS to the previous batch is 1; the objective is at most 0.3"
    assert golden.incidents() >= {"age_drift", "age_drift_2"}


def test_from_the_batches_it_was_trained_on(golden):
    for day in (1, 7):
        golden.load(f"2026-11-{day:02}", SAME, rows=200)
    golden.load("2026-11-08", MOVED, rows=200)
    golden.close()
    assert golden.close("2026-11-07")["country_drift"][:2] == ("met", 0)
    verdict, value, said = golden.close("2026-11-08")["country_drift"]
    assert (verdict, value) == ("missed", 0.5)
    assert said == "TV to batches 2026-11-01 to 2026-11-07 is 0.5; the objective is at most 0.2"


def test_nothing_to_compare_with_is_unknown(golden):
    golden.load("2026-11-20", SAME)
    verdicts = golden.close()
    assert {verdict for verdict, *_ in verdicts.values()} == {"unknown"}
    assert verdicts["country_drift"][2] == (
        "no profile of batches 2026-11-01 to 2026-11-07 exists to compare with"
    )
    golden.load("2026-11-21", "plan = 'free'")
    assert golden.close("2026-11-21")["age_drift"][:2] == ("unknown", None)


@pytest.mark.parametrize(
    ("by", "same", "other"),
    [("psi", 0, 8.289), ("js", 0, 0.758), ("tv", 0, 0.9), ("ks", 0, 1)],
)
def test_distances_of_numbers(session, by, same, other):
    # All but ks compare the ten parts between deciles; what is above the last one is one part.
    grids = (
        "ARRAY(SELECT n::float8 FROM generate_series(0, 40) n)",
        "ARRAY(SELECT n::float8 FROM generate_series(100, 140) n)",
    )
    for grid, expected in zip(grids, (same, other), strict=True):
        (value,) = session.values(f"SELECT pgslo_catalog.grid_distance('{by}', {grid}, {grids[0]})")
        assert value == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(("by", "expected"), [("psi", 0.2746), ("js", 0.0487), ("tv", 0.25)])
def test_distances_of_categories(session, by, expected):
    # Shares of 1/2 and 1/2 against 1/4 and 3/4.
    (value,) = session.values(
        f"""SELECT pgslo_catalog.common_distance('{by}', '{{"a": 2, "b": 2}}', '{{"a": 1, "b": 3}}')"""
    )
    assert value == pytest.approx(expected, abs=0.001)


def test_refused(session):
    session.run("CREATE TABLE features.user_stats (user_id bigint PRIMARY KEY, feature_date date, t text)")
    (error,) = session.errors(
        "table: features.user_stats\nbatch: {by: feature_date}\ncolumns: {t: [drift: {by: ks, max: 1}]}"
    )
    assert "ks compares numbers and times; use psi, js or tv" in error
    (error,) = session.errors(
        "table: features.user_stats\nbatch: {by: feature_date}\nunwatched: t\ncolumns: {t: [drift: {max: 1}]}"
    )
    assert "it is listed under unwatched" in error
