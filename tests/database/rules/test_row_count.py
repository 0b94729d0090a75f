"""row_count: the number of a batch's rows, absolute or relative to earlier batches."""

KIND = "row_count"


def test_bounds(golden):
    golden.load("2026-11-22", "plan = 'pro'", rows=2)
    verdicts = golden.close()
    assert verdicts["row_count"] == ("missed", 2, "2 rows; the objective is between 3 and 1,000")
    assert verdicts["enough_pro_users"] == ("met", 2, "2 rows; the objective is at least 1")
    assert verdicts["as_many_as_before"] == ("unknown", None, "no earlier batch exists to compare with")
    golden.load("2026-11-23", "plan = 'free'", rows=3)
    verdicts = golden.close("2026-11-23")
    assert verdicts["row_count"][0] == "met"
    assert verdicts["enough_pro_users"] == ("missed", 0, "0 rows; the objective is at least 1")
    assert verdicts["as_many_as_before"] == (
        "met",
        1.5,
        "3 rows after 2 in the mean of the batch before; the objective is between 0.5 times as many and 2 times as many",
    )
    golden.load("2026-11-24", "plan = 'free'", rows=6)
    assert golden.close("2026-11-24")["as_many_as_before"][:2] == ("missed", 2.4)


def test_the_reader_of_any_column_is_warned(golden):
    golden.load("2026-11-22", "plan = 'pro'", rows=1)
    golden.close()
    (notice,) = golden.run("SELECT user_id FROM guarded.user_stats").notices
    assert notice.message == 'features.user_stats misses rule "row_count"'


def test_too_many_rows_are_refused(golden):
    golden.load("2026-11-22", "age = 1", rows=5000)
    error = golden.refused("INSERT INTO features.user_stats (user_id, feature_date) VALUES (0, '2026-11-22')")
    assert (error.sqlstate, error.rule) == ("23514", "row_count")
    assert error.detail == "5,001 rows; expected: at most 5,000."
    golden.run("INSERT INTO features.user_stats (user_id, feature_date) VALUES (0, '2026-11-23')")


def test_rows_that_go_are_taken_away(golden):
    golden.load("2026-11-22", "plan = 'pro'", rows=10)
    assert golden.close()["row_count"][:2] == ("met", 10)
    golden.run("DELETE FROM features.user_stats WHERE user_id > 2")
    assert golden.close()["row_count"][:2] == ("missed", 2)
    golden.load("2026-11-22", "plan = 'pro'", rows=10, first=100)
    assert golden.close()["row_count"][:2] == ("met", 12)
    golden.run("TRUNCATE features.user_stats")
    golden.load("2026-11-22", "plan = 'pro'", rows=5)
    assert golden.close()["row_count"][:2] == ("met", 5)


def test_a_batch_of_a_statement(session):
    session.run("CREATE TABLE features.user_stats (user_id bigint PRIMARY KEY, feature_date date)")
    session.guard(
        """
        table: features.user_stats
        writes: bulk
        batch: statement
        watch: false
        row_count: {min: 2}
        """
    )
    session.run("INSERT INTO features.user_stats VALUES (1, '2026-11-22')")
    ((verdict, value),) = session.run(
        "SELECT verdict, value FROM pgslo.close_batch('features.user_stats')"
    ).rows
    assert (verdict, value) == ("missed", 1)
