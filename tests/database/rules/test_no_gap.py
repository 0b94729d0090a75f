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


def test_weekdays_without_a_batch(golden):
    for day in ("2026-11-16", "2026-11-17", "2026-11-19"):
        golden.load(day, "age = 1", rows=1, first=int(day[-2:]))
        assert golden.close(day)["each_weekday"] == ("met", 0, "it came")
    (missed,) = golden.run(
        "SELECT batch, said FROM pgslo.verdict WHERE rule = 'each_weekday' AND verdict = 'missed'"
    ).rows
    assert missed == ("2026-11-18", "expected batches 2026-11-18: none came")
    (notice,) = golden.run("SELECT user_id FROM guarded.user_stats").notices
    assert notice.message == 'features.user_stats misses rule "each_weekday"'
    golden.load("2026-11-20", "age = 1", rows=1, first=20)
    golden.load("2026-11-23", "age = 1", rows=1, first=23)
    golden.close()
    assert golden.run("SELECT FROM pgslo.incident").count == 1
    golden.load("2026-11-18", "age = 1", rows=1, first=18)
    golden.close()
    assert golden.values("SELECT resolution FROM pgslo.incident") == ["healed"]


def test_a_batch_is_late_by_the_clock(session):
    session.run("CREATE TABLE features.user_stats (user_id bigint PRIMARY KEY, day date)")
    session.guard(
        """
        table: features.user_stats
        writes: bulk
        watch: false
        batch: {by: day}
        no_gap: {of: batches, every: 1 day, max_delay: 30 hours}
        """
    )
    session.run("INSERT INTO features.user_stats VALUES (1, (now() AT TIME ZONE 'UTC')::date - 3)")
    session.close()
    session.run("UPDATE pgslo_catalog.expected_look SET due_at = '-infinity'")
    session.run("SELECT pgslo.tick()")
    # The day before yesterday is late, and yesterday is 30 hours after its beginning at six in the morning.
    found = session.values("SELECT batch FROM pgslo.verdict WHERE verdict = 'missed' ORDER BY batch")
    late = session.values(
        """SELECT d::date::text FROM generate_series(date_trunc('day', now() AT TIME ZONE 'UTC') - interval '2 days', now() AT TIME ZONE 'UTC', interval '1 day') AS d
           WHERE d + interval '30 hours' < now() AT TIME ZONE 'UTC' ORDER BY 1"""
    )
    assert late
    assert found == late
    assert session.values("SELECT state FROM pgslo.incident") == ["open"]


def test_numbers_that_name_batches(session):
    session.run("CREATE TABLE features.user_stats (user_id bigint PRIMARY KEY, load_id integer)")
    session.guard(
        "{table: features.user_stats, writes: bulk, watch: false, batch: {by: load_id}, no_gap: {of: batches, every: 1}}"
    )
    for load in (7, 8, 10, 11):
        session.run(f"INSERT INTO features.user_stats VALUES ({load}, {load})")
        session.close()
    assert session.run("SELECT batch, said FROM pgslo.verdict WHERE verdict = 'missed'").rows == (
        ("9", "expected batches 9: none came"),
    )


def test_calendars_that_do_not_fit(session):
    session.run("CREATE TABLE features.user_stats (user_id bigint PRIMARY KEY, day date, load_id integer)")
    for batch, gap, said in [
        ("{by: load_id}", "{of: batches, every: 1 day}", "do not follow each other by steps of 1 day"),
        ("{by: day}", "{of: batches, every: 1}", "do not follow each other by steps of 1"),
        ("statement", "{of: batches, every: 1 day}", "do not follow each other by steps of 1 day"),
        ("{by: load_id}", "{of: batches, every: 1, max_delay: 1 hour}", '"max_delay" is about times'),
        ("{by: day}", "{of: batches, every: 1 day, at_most: 1}", '"at_most" does not fit "of: batches"'),
    ]:
        (error,) = session.errors(f"table: features.user_stats\nwrites: bulk\nbatch: {batch}\nno_gap: {gap}")
        assert said in error, error
