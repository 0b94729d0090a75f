"""skew: a batch's values are distributed like those of a column in another guarded table."""

KIND = "skew"

SERVED = """
    table: features.served
    batch: {by: day}
    watch: false
    columns:
      age:
        - skew: {from: features.user_stats.age, by: ks, max: 0.3}
"""


def test_against_another_column(golden):
    golden.load("2026-11-22", "age = n; clicks = n")
    assert golden.close()["age_skew"][:2] == ("met", 0)
    golden.load("2026-11-23", "age = n; clicks = n + 1000")
    assert golden.close("2026-11-23")["age_skew"] == (
        "missed",
        1,
        'KS to column "clicks" of features.user_stats is 1; the objective is at most 0.3',
    )


def test_against_another_table(golden):
    golden.run("CREATE TABLE features.served (id bigint PRIMARY KEY, day date, age integer)")
    golden.guard(SERVED)
    golden.run("INSERT INTO features.served SELECT n, '2026-11-24', n FROM generate_series(1, 100) n")
    assert golden.close(definition="features.served")["age_skew"] == (
        "unknown",
        None,
        'no profile of column "age" of features.user_stats exists to compare with',
    )
    golden.load("2026-11-22", "age = n")
    golden.close()
    golden.run("INSERT INTO features.served SELECT n, '2026-11-25', n FROM generate_series(101, 200) n")
    assert golden.close("2026-11-25", "features.served")["age_skew"][:2] == ("missed", 1)


def test_a_table_without_definition_is_unknown(session):
    session.run("CREATE TABLE features.served (id bigint PRIMARY KEY, day date, age integer)")
    session.guard(SERVED)
    session.run("INSERT INTO features.served VALUES (1, '2026-11-24', 1)")
    assert session.close(definition="features.served")["age_skew"] == (
        "unknown",
        None,
        "features.user_stats has no definition, so nothing is known of its columns",
    )
