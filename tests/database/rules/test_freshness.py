"""freshness: the newest data is not too old, and a column's values do not repeat themselves for ever."""

import pytest

KIND = "freshness"

LOADED = """
    table: features.user_stats
    batch: {by: feature_date}
    watch: false
    freshness: 26 hours
"""


def warned(session, query="SELECT user_id FROM guarded.user_stats"):
    return [(notice.sqlstate, notice.message) for notice in session.run(query).notices]


def test_age_is_told_as_of_now_without_tick(golden):
    golden.load("2026-11-22", "last_seen_at = now() - interval '25 hours'", rows=1)
    assert warned(golden) == []
    golden.run("UPDATE features.user_stats SET last_seen_at = now() - interval '27 hours'")
    assert warned(golden) == [("01SL1", 'features.user_stats misses rule "freshness"')]
    (notice,) = golden.run("SELECT age FROM guarded.user_stats").notices
    assert "the objective is an age of at most 26 hours." in notice.detail
    golden.run("SET LOCAL pgslo.on_read = 'refuse'")
    assert golden.refused("SELECT age FROM guarded.user_stats").sqlstate == "SL001"


def test_no_data_and_a_clock_that_jumped_are_unknown(golden):
    assert warned(golden) == [("01SL2", "cannot determine the freshness of features.user_stats")]
    # What is infinite is no time at all.
    golden.load("2026-11-22", "last_seen_at = 'infinity'", rows=1)
    assert warned(golden) == [("01SL2", "cannot determine the freshness of features.user_stats")]
    golden.run("UPDATE features.user_stats SET last_seen_at = now() + interval '2 hours'")
    (notice,) = golden.run("SELECT user_id FROM guarded.user_stats").notices
    assert (notice.sqlstate, "which is still to come" in notice.detail) == ("01SL2", True)


def test_the_session_time_zone_changes_nothing(golden):
    golden.load("2026-11-22", "last_seen_at = now() - interval '25 hours'", rows=1)
    for zone in ("Pacific/Apia", "Pacific/Niue", "UTC"):
        golden.run(f"SET LOCAL timezone = '{zone}'")
        assert warned(golden) == [], zone


def test_tick_opens_and_resolves_an_incident(golden):
    golden.load("2026-11-22", "last_seen_at = now() - interval '25 hours'", rows=1)
    assert golden.close()["freshness"][0] == "met"
    golden.run("UPDATE features.user_stats SET last_seen_at = now() - interval '27 hours'")
    golden.run("SELECT pgslo.tick()")
    assert golden.incidents() == {"freshness"}
    (notice,) = golden.run("SELECT user_id FROM guarded.user_stats").notices
    assert notice.hint.startswith("Incident ")


def test_the_last_write_counts_where_no_column_tells(session):
    session.run(
        "CREATE TABLE features.user_stats (user_id bigint, feature_date date, age integer, PRIMARY KEY (user_id, feature_date))"
    )
    session.guard(LOADED)
    assert warned(session) == [("01SL2", "cannot determine the freshness of features.user_stats")]
    session.load("2026-11-22", "age = n")
    assert warned(session) == []
    session.run("UPDATE pgslo_catalog.fragment SET written_at = now() - interval '27 hours'")
    assert warned(session) == [("01SL1", 'features.user_stats misses rule "freshness"')]
    session.close()
    assert warned(session) == [("01SL1", 'features.user_stats misses rule "freshness"')]
    # An older batch that is mended makes the table no fresher; a newer one does.
    session.load("2026-11-21", "age = n")
    assert warned(session) == [("01SL1", 'features.user_stats misses rule "freshness"')]
    session.load("2026-11-23", "age = n")
    assert warned(session) == []


def test_days_and_times_without_zone(session):
    session.run("CREATE TABLE features.user_stats (user_id bigint PRIMARY KEY, seen timestamp, day date)")
    session.run("CREATE INDEX ON features.user_stats (seen)")
    session.run("CREATE INDEX ON features.user_stats (day)")
    for column in ("seen", "day"):
        session.guard(f"table: features.user_stats\nfreshness: {{max_age: 50 hours, of: {column}}}")
        session.run("TRUNCATE features.user_stats")
        session.run(
            "INSERT INTO features.user_stats VALUES (1, now() AT TIME ZONE 'UTC' - interval '1 day', current_date - 1)"
        )
        assert warned(session) == [], column
        session.run("UPDATE features.user_stats SET seen = seen - interval '3 days', day = day - 3")
        assert warned(session) == [("01SL1", 'features.user_stats misses rule "freshness"')], column


def test_values_that_stopped_changing(golden):
    for day in range(1, 4):
        golden.load(f"2026-11-{day:02}", f"score = n + {day}; last_seen_at = now()")
        golden.close(f"2026-11-{day:02}")
    found = []
    for day in range(4, 9):
        # Rows arrive, other columns change, this one does not.
        golden.load(f"2026-11-{day:02}", f"score = n + 3; age = {day}")
        found.append(golden.close(f"2026-11-{day:02}")["score_freshness"])
    assert [verdict for verdict, *_ in found] == ["met", "met", "missed", "missed", "missed"]
    assert found[2][2] == (
        'column "score" has the same values in at least 4 batches in a row; the objective is at most 3'
    )
    golden.load("2026-11-09", "score = n + 4")
    assert golden.close("2026-11-09")["score_freshness"][0] == "met"


def test_refused(session):
    session.run("CREATE TABLE features.user_stats (user_id bigint PRIMARY KEY, day date, t text)")
    for text, error in {
        "freshness: {max_age: 1 hour, of: day}": 'no index begins with column "day"',
        "freshness: {max_age: 1 hour, of: t}": 'column "t" of type text is not a time from which an age can be computed',
        "freshness: {max_age: 1 hour, of: dai}": 'column "dai" of features.user_stats does not exist',
        "freshness: 1 hour": "cannot determine when this table was last written to",
        "freshness: {max_age: 1 hour, of: day, on_breach: reject}": '"freshness" cannot reject',
    }.items():
        (found,) = session.errors(f"table: features.user_stats\n{text}")
        assert error in found


def test_a_table_without_data_misses_a_rule_that_says_so(session):
    session.run("CREATE TABLE features.user_stats (user_id bigint PRIMARY KEY, day date, seen timestamptz)")
    session.run("CREATE INDEX ON features.user_stats (seen)")
    rule = "freshness: {max_age: 26 hours, of: seen, no_data: missed}"
    session.guard(f"table: features.user_stats\nbatch: {{by: day}}\nwatch: false\n{rule}")
    (notice,) = session.run("SELECT user_id FROM guarded.user_stats").notices
    assert (notice.sqlstate, notice.message) == ("01SL1", 'features.user_stats misses rule "freshness"')
    assert notice.detail == "The table has no data; the objective is an age of at most 26 hours."
    session.run("INSERT INTO features.user_stats VALUES (1, '2026-11-22', now())")
    assert warned(session) == []
    assert session.close()["freshness"][0] == "met"
    session.run("DELETE FROM features.user_stats")
    session.run("SELECT pgslo.tick()")
    assert session.incidents() == {"freshness"}


@pytest.mark.parametrize("column", ["timestamptz", "timestamp", "date"])
@pytest.mark.parametrize(
    ("future", "alone", "with_old", "with_new"),
    [
        ("unknown", "01SL2", "01SL2", "01SL2"),
        ("ignored", "01SL2", "01SL1", None),
        ("fresh", None, None, None),
    ],
)
def test_times_to_come_tell_what_the_rule_says(session, column, future, alone, with_old, with_new):
    session.run(f"CREATE TABLE features.user_stats (user_id bigint PRIMARY KEY, day date, seen {column})")
    session.run("CREATE INDEX ON features.user_stats (seen)")
    rule = f"freshness: {{max_age: 3 days, of: seen, future: {future}}}"
    session.guard(f"table: features.user_stats\nbatch: {{by: day}}\nwatch: false\n{rule}")

    def told():
        return next((code for code, _ in warned(session)), None)

    session.run("INSERT INTO features.user_stats VALUES (1, '2026-11-22', now() + interval '4 days')")
    assert told() == alone
    session.run("INSERT INTO features.user_stats VALUES (2, '2026-11-22', now() - interval '5 days')")
    assert told() == with_old
    session.run("INSERT INTO features.user_stats VALUES (3, '2026-11-22', now() - interval '1 day')")
    assert told() == with_new
