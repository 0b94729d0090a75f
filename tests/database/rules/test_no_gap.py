"""no_gap: values follow each other without a step larger than so much."""

KIND = "no_gap"


def test_steps_of_time_for_each_group(golden):
    golden.load(
        "2026-11-22",
        "country = CASE n % 2 WHEN 0 THEN 'us' ELSE 'de' END; signed_up_at = timestamptz '2026-11-22 00:00Z' + n / 2 * interval '1 hour'",
        rows=20,
    )
    assert golden.close()["signed_up_at_no_gap"][:2] == ("met", 0)
    golden.run("DELETE FROM features.user_stats WHERE user_id IN (6, 8)")
    verdict, value, said = golden.close()["signed_up_at_no_gap"]
    assert (verdict, value) == ("missed", 1)
    assert said == "1 gap; the objective is at most 0"
    (example,) = golden.values("SELECT example FROM pgslo_catalog.verdict WHERE example IS NOT NULL")
    assert example == "nothing between 2026-11-22 02:00:00+00 and 2026-11-22 05:00:00+00"
    golden.load(
        "2026-11-22",
        "country = 'us'; signed_up_at = timestamptz '2026-11-22 03:00Z' + n % 2 * interval '1 hour'",
        rows=2,
        first=100,
    )
    assert golden.close()["signed_up_at_no_gap"][:2] == ("met", 0)


def test_steps_of_numbers_with_exceptions(golden):
    golden.load("2026-11-22", "plan = 'pro'; clicks = n * 2", rows=3)
    assert golden.close()["clicks_no_gap"][:2] == ("met", 2)
    golden.load("2026-11-22", "plan = 'pro'; clicks = n", rows=1, first=100)
    assert golden.close()["clicks_no_gap"][:2] == ("missed", 3)
    golden.load("2026-11-22", "plan = 'free'; clicks = n", rows=1, first=200)
    assert golden.close()["clicks_no_gap"][:2] == ("missed", 3)


def test_only_the_rows_of_the_batch_count(golden):
    golden.load("2026-11-22", "plan = 'pro'; clicks = n", rows=3)
    golden.load("2026-11-23", "plan = 'pro'; clicks = n + 100", rows=3)
    assert {verdict for verdict, *_ in golden.close("2026-11-23").values()} == {"met", "unknown"}


def test_no_values_are_unknown(golden):
    golden.load("2026-11-22", "age = 1")
    assert golden.close()["signed_up_at_no_gap"] == (
        "unknown",
        None,
        "the table has no rows of this batch that it is about",
    )


def test_refused(session):
    session.run("CREATE TABLE features.user_stats (user_id bigint PRIMARY KEY, day date, t text, n integer)")
    for column, step in [("t", "1"), ("n", "1 hour"), ("t", "1 hour")]:
        (error,) = session.errors(
            f"table: features.user_stats\nbatch: {{by: day}}\ncolumns: {{{column}: [no_gap: {step}]}}"
        )
        assert f'no_gap cannot judge column "{column}"' in error
    (error,) = session.errors(
        "table: features.user_stats\nbatch: {by: day}\ncolumns: {n: [no_gap: {every: 1, on_breach: reject}]}"
    )
    assert "Only when a batch is closed" in error


def test_batches_of_hours_and_numbers(session):
    session.run(
        "CREATE TABLE features.user_stats (user_id bigint PRIMARY KEY, feature_date timestamptz, load_id numeric, n integer)"
    )
    for batch, names in {
        "{by: feature_date, every: 1 hour}": ["2026-11-22 10:00:00+00", "2026-11-22 11:00:00+00"],
        "{by: load_id}": ["7", "8.5"],
    }.items():
        session.run("TRUNCATE features.user_stats")
        session.guard(
            f"table: features.user_stats\nwrites: bulk\nwatch: false\nbatch: {batch}\ncolumns: {{n: [no_gap: 1]}}"
        )
        session.run(
            """INSERT INTO features.user_stats VALUES (1, '2026-11-22 10:00Z', 7, 1), (2, '2026-11-22 10:59:59.9Z', 7.0, 3),
               (3, '2026-11-22 11:00Z', 8.5, 1), (4, '2026-11-22 11:30Z', 8.5, 2)"""
        )
        found = session.run("SELECT verdict, value FROM pgslo.close_batch('features.user_stats')").rows
        assert found == (("missed", 1), ("met", 0)), names
