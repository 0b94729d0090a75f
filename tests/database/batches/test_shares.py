"""Shares of rows that pass: judged by what the batch adds up to, whatever statements wrote it."""

import pytest

DEFINITION = """
    table: features.user_stats
    owner: growth-platform
    writes: bulk
    batch: {by: feature_date}
    watch: false
    objective: {target: 0.99, window: 28 days}
    columns:
      country:
        - accepted_values: {values: [us, de], at_least: 0.9, reject_below: 0.5, on_breach: flag}
      age:
        - completeness: {min: 0.9, opens_after: 2, resolves_after: 2, target: 0.9, window: 7 days}
"""


@pytest.fixture
def guarded(session):
    session.run(
        """CREATE TABLE features.user_stats (user_id bigint, feature_date date, age integer, country text,
               PRIMARY KEY (user_id, feature_date))"""
    )
    session.guard(DEFINITION)
    return session


def test_updates_and_deletes_count(guarded):
    guarded.load("2026-11-22", "country = CASE WHEN n > 20 THEN 'us' ELSE 'xx' END")
    assert guarded.incidents() == {"country_accepted_values"}
    guarded.run("UPDATE features.user_stats SET country = 'de' WHERE user_id <= 15")
    guarded.run("DELETE FROM features.user_stats WHERE user_id BETWEEN 16 AND 18")
    guarded.close()
    assert guarded.run(
        "SELECT failures -> 'country_accepted_values', rows FROM pgslo_catalog.batch"
    ).rows == ((2, 97),)


def test_a_statement_that_leaves_too_few_is_refused(guarded):
    guarded.load("2026-11-22", "country = 'us'")
    # Nothing but failures, yet more than half of the batch passes.
    guarded.load("2026-11-22", "country = 'xx'", first=1001, rows=90)
    error = guarded.refused("UPDATE features.user_stats SET country = 'xx' WHERE user_id <= 10")
    assert (error.sqlstate, error.rule, error.column) == ("23514", "country_accepted_values", "country")
    assert error.detail == "47.4 % of 190 rows pass; expected: at least 50 %."
    assert (
        guarded.refused("DELETE FROM features.user_stats WHERE user_id <= 20").rule
        == "country_accepted_values"
    )
    # Batches are judged one by one, and a new one is one.
    assert guarded.refused(
        "INSERT INTO features.user_stats VALUES (1, '2026-11-23', 1, 'xx'), (2, '2026-11-23', 1, 'xx'), (3, '2026-11-23', 1, 'us')"
    ).message.startswith("batch 2026-11-23 of features.user_stats")


def test_a_truncated_table_begins_anew(guarded):
    guarded.load("2026-11-22", "country = 'us'")
    guarded.run("TRUNCATE features.user_stats")
    error = guarded.refused("INSERT INTO features.user_stats VALUES (1, '2026-11-22', 1, 'xx')")
    assert error.rule == "country_accepted_values"


def test_what_was_added_up_counts_as_well(guarded):
    guarded.load("2026-11-22", "country = 'us'")
    guarded.close()
    guarded.load("2026-11-22", "country = 'xx'", first=1001, rows=100)
    assert guarded.refused("INSERT INTO features.user_stats VALUES (0, '2026-11-22', 1, 'xx')").rule == (
        "country_accepted_values"
    )


def test_a_streamed_table_cannot_refuse(session):
    session.run("CREATE TABLE features.user_stats (user_id bigint PRIMARY KEY, country text)")
    (error,) = session.errors(
        "table: features.user_stats\ncolumns: {country: [accepted_values: {values: [us], reject_below: 0.5}]}"
    )
    assert '"reject_below" cannot reject statements of a streamed table' in error


def test_an_incident_opens_and_resolves_after_so_many_batches(guarded):
    opened = []
    for day, share in enumerate([0, 100, 0, 0, 100, 100], 20):
        guarded.load(f"2026-11-{day}", f"country = 'us'; age = CASE WHEN n <= {share} THEN n END")
        guarded.close(f"2026-11-{day}")
        opened.append("age_completeness" in guarded.incidents())
    assert opened == [False, False, False, True, True, False]


def test_objectives_are_told_to_the_runtime(guarded):
    assert guarded.run("SELECT target::float8, span::text, budgeting FROM pgslo_catalog.definition").rows == (
        (0.99, "672:00:00", "occurrences"),
    )
    assert guarded.run(
        "SELECT target::float8, span::text FROM pgslo_catalog.rule WHERE name = 'age_completeness'"
    ).rows == ((0.9, "168:00:00"),)
