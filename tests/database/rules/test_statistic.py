"""statistic: a number made of a batch's values lies between two bounds."""

import pytest

KIND = "statistic"


def test_sums(golden):
    golden.load(
        "2026-11-22",
        "age = CASE WHEN n % 2 = 0 THEN 30 ELSE 50 END; spend = n % 4; plan = CASE WHEN n <= 3 THEN 'pro' END",
    )
    verdicts = golden.close()
    assert verdicts["age_statistic"] == (
        "met",
        40,
        "the mean of 100 rows is 40; the objective is between 20 and 60",
    )
    assert verdicts["spend_statistic"][:2] == ("met", 0.25)
    assert verdicts["spend_statistic_2"][:2] == ("met", 1)


def test_what_comes_and_goes_is_added_up_exactly(golden):
    golden.load("2026-11-22", "age = n; spend = 0.1")
    golden.run("UPDATE features.user_stats SET age = 100 WHERE user_id <= 50")
    golden.run("DELETE FROM features.user_stats WHERE user_id > 50")
    verdicts = golden.close()
    assert verdicts["age_statistic"][:2] == ("missed", 100)
    assert golden.incidents() >= {"age_statistic"}
    golden.run("UPDATE features.user_stats SET age = 41")
    assert golden.close()["age_statistic"][:2] == ("met", 41)


def test_a_statement_beyond_the_bound_is_refused(golden):
    golden.load("2026-11-22", "age = 150")
    error = golden.refused("UPDATE features.user_stats SET age = 250")
    assert (error.sqlstate, error.rule, error.column) == ("23514", "age_statistic", "age")
    assert error.detail == "The mean of 100 rows is 250; expected: at most 200."


def test_no_values_are_unknown(golden):
    golden.load("2026-11-22", "plan = 'free'")
    verdicts = golden.close()
    assert {verdict for verdict, *_ in verdicts.values()} == {"unknown"}
    assert "cannot be determined" in verdicts["age_statistic"][2]


def test_from_the_profile(golden):
    golden.load("2026-11-22", "age = n; spend = n; country = CASE WHEN n <= 90 THEN 'us' ELSE 'de' END")
    verdicts = golden.close()
    assert verdicts["age_statistic_2"][:2] == ("met", 50.5)
    assert verdicts["spend_statistic_3"][:2] == ("met", pytest.approx(95.05))
    assert verdicts["country_statistic"][:2] == ("missed", 0.9)
    assert verdicts["country_statistic_2"][:2] == ("met", 2)


@pytest.mark.parametrize("type_", ["double precision", "real", "numeric"])
def test_nan_and_infinity_do_not_count(session, type_):
    session.run(
        f"CREATE TABLE features.user_stats (user_id bigint PRIMARY KEY, feature_date date, x {type_})"
    )
    session.guard(
        """
        table: features.user_stats
        batch: {by: feature_date}
        watch: false
        columns:
          x:
            - statistic: {of: sum, max: 10}
            - statistic: {of: mean, max: 10}
            - statistic: {of: stddev, max: 10}
            - statistic: {of: negative_share, max: 0}
        """
    )
    session.run(
        f"INSERT INTO features.user_stats SELECT n, '2026-11-22', v FROM unnest(ARRAY['1', '3', 'NaN', '5', '-Infinity', NULL]::{type_}[]) WITH ORDINALITY AS u (v, n)"
    )
    assert [value for _, value, _ in session.close().values()] == [9, 3, 2, 0]
    session.run("DELETE FROM features.user_stats WHERE x IN ('NaN', 5)")
    assert [value for _, value, _ in session.close().values()] == [4, 2, pytest.approx(1.414214), 0]


def test_refused(session):
    session.run(
        "CREATE TABLE features.user_stats (user_id bigint PRIMARY KEY, feature_date date, t text, n integer)"
    )
    for column, rule, error in [
        ("t", "{of: mean, max: 1}", 'statistic cannot judge column "t" of type text: the mean is of numbers'),
        ("n", "{of: median, max: 1, where: n > 1}", '"where" does not fit "of: median"'),
        ("feature_date", "{of: distinct, max: 1}", "it names the batch"),
        ("m", "{of: mean, max: 1}", 'column "m" of features.user_stats does not exist'),
    ]:
        (found,) = session.errors(
            f"table: features.user_stats\nbatch: {{by: feature_date}}\ncolumns: {{{column}: [statistic: {rule}]}}"
        )
        assert error in found
