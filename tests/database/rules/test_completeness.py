"""completeness: enough of a batch's rows have a value, whatever statements wrote them."""

KIND = "completeness"


def test_met_and_missed(golden):
    golden.load("2026-11-22", "age = CASE WHEN n > 3 THEN n END; plan = 'free'")
    verdicts = golden.close()
    assert verdicts["age_completeness"] == (
        "met",
        0.97,
        "97 % of 100 rows are not null; the objective is at least 95 %",
    )
    assert verdicts["email_completeness"] == ("unknown", None, "the batch has no rows that it is about")
    golden.load("2026-11-23", "age = CASE WHEN n > 38 THEN n END")
    assert golden.close("2026-11-23")["age_completeness"] == (
        "missed",
        0.62,
        "62 % of 100 rows are not null; the objective is at least 95 %",
    )
    assert golden.incidents() == {"age_completeness"}


def test_readers_of_the_column_are_warned(golden):
    golden.load("2026-11-22", "age = CASE WHEN n > 38 THEN n END; clicks = n")
    golden.close()
    assert golden.run("SELECT clicks FROM guarded.user_stats").notices == ()
    (notice,) = golden.run("SELECT age FROM guarded.user_stats").notices
    assert notice.message == 'column "age" of features.user_stats misses rule "age_completeness"'
    assert notice.detail.startswith("Batch 2026-11-22: 62 % of 100 rows are not null;")


def test_a_statement_that_goes_too_far_is_refused(golden):
    error = golden.refused(
        "INSERT INTO features.user_stats (user_id, feature_date, age) SELECT n, '2026-11-22', CASE WHEN n > 60 THEN n END FROM generate_series(1, 100) n"
    )
    assert error.sqlstate == "23514"
    assert error.message == 'batch 2026-11-22 of features.user_stats violates rule "age_completeness"'
    assert error.detail == "40 % of 100 rows are not null; expected: at least 50 %."
    assert "growth-platform" in error.hint
    assert (error.schema, error.table, error.column, error.rule) == (
        "features",
        "user_stats",
        "age",
        "age_completeness",
    )
    assert golden.values("SELECT count(*) FROM features.user_stats") == [0]


def test_the_whole_batch_counts_and_not_the_statement(golden):
    golden.load("2026-11-22", "age = n")
    # Nulls alone, but the batch stays above one half.
    golden.load("2026-11-22", "age = NULL::integer", rows=90, first=1001)
    error = golden.refused("UPDATE features.user_stats SET age = NULL WHERE user_id <= 10")
    assert error.rule == "age_completeness"
    assert golden.refused("DELETE FROM features.user_stats WHERE user_id <= 50").rule == "age_completeness"
    golden.run("DELETE FROM features.user_stats WHERE user_id > 1000")
    golden.run("UPDATE features.user_stats SET age = NULL WHERE user_id <= 40")
    assert golden.close()["age_completeness"][:2] == ("missed", 0.6)


def test_a_batch_that_is_corrected_heals(golden):
    golden.load("2026-11-22", "age = CASE WHEN n > 38 THEN n END")
    golden.close()
    assert golden.incidents() == {"age_completeness"}
    golden.run("UPDATE features.user_stats SET age = 30 WHERE age IS NULL")
    assert golden.close()["age_completeness"][:2] == ("met", 1.0)
    assert golden.incidents() == set()


def test_copy_and_where(golden):
    rows = [f"{n}\t2026-11-22\tpro\t{'a@b.c' if n > 20 else chr(92) + 'N'}\t7" for n in range(1, 101)]
    golden.copy("features.user_stats (user_id, feature_date, plan, email, age)", rows)
    golden.load("2026-11-22", "plan = 'free'; age = 1", first=1001)
    verdict, value, said = golden.close()["email_completeness"]
    assert (verdict, value) == ("missed", 0.8)
    assert said == "80 % of 100 rows are not null; the objective is at least 90 %"


def test_a_batch_that_cannot_be_told_is_unknown(session):
    session.run(
        "CREATE TABLE features.user_stats (user_id bigint PRIMARY KEY, feature_date date, age integer)"
    )
    session.guard(
        """
        table: features.user_stats
        batch: {by: feature_date}
        watch: false
        columns: {age: [completeness: 0.9]}
        """
    )
    session.run("INSERT INTO features.user_stats VALUES (1, NULL, 1), (2, 'infinity', 1)")
    verdicts = session.run("SELECT verdict, said FROM pgslo.close_batch('features.user_stats')").rows
    assert set(verdicts) == {
        ("unknown", "the batch of these rows cannot be determined: its expression has no value")
    }


def test_a_streamed_table_is_counted_when_a_batch_is_closed(session):
    session.run(
        "CREATE TABLE features.user_stats (user_id bigint PRIMARY KEY, feature_date date, age integer, plan text)"
    )
    session.guard(
        """
        table: features.user_stats
        writes: stream
        batch: {by: feature_date}
        watch: false
        columns:
          age:
            - completeness: 0.9
            - completeness: {min: 0.5, where: "plan = 'pro'", name: of_pro}
        """
    )
    session.load("2026-11-22", "age = CASE WHEN n > 20 THEN n END; plan = CASE WHEN n <= 40 THEN 'pro' END")
    verdicts = session.close("2026-11-22")
    assert verdicts["age_completeness"][:2] == ("missed", 0.8)
    assert verdicts["of_pro"][:2] == ("met", 0.5)


def test_refused(session):
    session.run(
        "CREATE TABLE features.user_stats (user_id bigint PRIMARY KEY, feature_date date, age integer)"
    )
    (error,) = session.errors("table: features.user_stats\ncolumns: {age: [completeness: 0.9]}")
    assert 'cannot determine the batches that "completeness" is to evaluate' in error
    (error,) = session.errors(
        "table: features.user_stats\nwrites: stream\nbatch: {by: feature_date}\ncolumns: {age: [completeness: {min: 0.9, reject_below: 0.5}]}"
    )
    assert "cannot reject statements of a streamed table" in error
