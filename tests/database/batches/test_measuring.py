"""The counts of batches equal the table, whatever statements wrote it."""

from __future__ import annotations

import random

import pytest

DEFINITION = """
    table: features.user_stats
    owner: growth-platform
    key: [user_id, feature_date]
    writes: bulk
    batch: {by: feature_date}
    columns:
      age:
        - range: {min: 0, max: 120}
"""


@pytest.fixture
def loaded(session):
    session.run(
        """CREATE TABLE features.user_stats (user_id bigint, feature_date date, age integer, country text, seen_at timestamptz,
               PRIMARY KEY (user_id, feature_date))"""
    )
    session.guard(DEFINITION)
    return session


def in_table(session):
    """Rows, ages that are not NULL, and failing rows, by batch, from the table."""
    return {
        batch: (rows, ages, failing)
        for batch, rows, ages, failing in session.run(
            """SELECT feature_date::text, count(*)::int, count(age)::int, count(*) FILTER (WHERE age NOT BETWEEN 0 AND 120)::int
               FROM features.user_stats GROUP BY 1"""
        ).rows
    }


def in_batches(session):
    """The same as added up from what statements recorded."""
    return {
        batch: (rows, ages, failing)
        for batch, rows, ages, failing in session.run(
            """SELECT name, rows::int, coalesce((present ->> 'age')::int, 0), coalesce((failures ->> 'age_range')::int, 0)
               FROM pgslo_catalog.batch WHERE rows <> 0"""
        ).rows
    }


def sampled(session):
    """Rows of the samples: batch, user and age."""
    return sorted(
        session.run(
            """SELECT f.batch, s.one[1 + array_position(f.sample_columns, 'user_id')], s.one[1 + array_position(f.sample_columns, 'age')]
               FROM pgslo_catalog.fragment f, pgslo_catalog.sample_rows(f.sample) AS s (one)
               WHERE f.operation = 'merged'"""
        ).rows,
        key=str,
    )


def stored(session):
    return sorted(
        session.run("SELECT feature_date::text, user_id::text, age::text FROM features.user_stats").rows,
        key=str,
    )


def insert(session, day, users, age="40"):
    session.run(
        f"INSERT INTO features.user_stats (user_id, feature_date, age) SELECT u, '{day}', {age} FROM generate_series({users[0]}, {users[1]}) u"
    )


def test_inserts_updates_and_deletes_add_up(loaded):
    insert(loaded, "2026-11-20", (1, 50))
    insert(loaded, "2026-11-21", (1, 60), "CASE WHEN u % 3 = 0 THEN NULL ELSE u * 3 END")
    loaded.run("SELECT pgslo.tick()")
    loaded.run("UPDATE features.user_stats SET age = 200 WHERE user_id <= 10")
    loaded.run(
        "UPDATE features.user_stats SET feature_date = '2026-11-22' WHERE user_id = 7 AND feature_date = '2026-11-20'"
    )
    loaded.run("DELETE FROM features.user_stats WHERE user_id BETWEEN 20 AND 30")
    loaded.run("SELECT pgslo.tick()")
    assert in_batches(loaded) == in_table(loaded)
    assert sampled(loaded) == stored(loaded)


def test_delete_and_reload_ends_up_right(loaded):
    insert(loaded, "2026-11-20", (1, 50), "900")
    loaded.run("SELECT pgslo.close_batch('features.user_stats')")
    assert loaded.incidents() >= {"age_range"}
    loaded.run("DELETE FROM features.user_stats WHERE feature_date = '2026-11-20'")
    insert(loaded, "2026-11-20", (1, 50))
    loaded.run("SELECT pgslo.close_batch('features.user_stats')")
    assert in_batches(loaded) == in_table(loaded) == {"2026-11-20": (50, 50, 0)}


def test_truncate_and_reload_ends_up_right(loaded):
    insert(loaded, "2026-11-20", (1, 50))
    loaded.run("SELECT pgslo.tick()")
    insert(loaded, "2026-11-21", (1, 50))
    loaded.run("TRUNCATE features.user_stats")
    insert(loaded, "2026-11-21", (1, 20))
    loaded.run("SELECT pgslo.tick()")
    assert in_batches(loaded) == in_table(loaded) == {"2026-11-21": (20, 20, 0)}
    assert sampled(loaded) == stored(loaded)


def test_upserts_end_up_right(loaded):
    insert(loaded, "2026-11-20", (1, 50))
    loaded.run(
        """INSERT INTO features.user_stats (user_id, feature_date, age) SELECT u, '2026-11-20', 50 FROM generate_series(40, 70) u
           ON CONFLICT (user_id, feature_date) DO UPDATE SET age = NULL"""
    )
    loaded.run("SELECT pgslo.tick()")
    assert in_batches(loaded) == in_table(loaded)
    assert sampled(loaded) == stored(loaded)


def test_what_is_rolled_back_counts_for_nothing(loaded):
    insert(loaded, "2026-11-20", (1, 10))
    connection = loaded.connection
    with connection.transaction(force_rollback=True):
        insert(loaded, "2026-11-20", (11, 20))
        loaded.run("DELETE FROM features.user_stats WHERE user_id < 5")
    loaded.run("SELECT pgslo.tick()")
    assert in_batches(loaded) == in_table(loaded) == {"2026-11-20": (10, 10, 0)}


@pytest.mark.parametrize("seed", range(6))
def test_any_order_of_writes_and_ticks_equals_the_table(loaded, seed):
    rng = random.Random(seed)
    days = ["2026-11-20", "2026-11-21", "2026-11-22"]
    for _ in range(40):
        day, user = rng.choice(days), rng.randint(1, 60)
        age = rng.choice(["NULL", "30", "500", "user_id", "-1"])
        match rng.randint(0, 7):
            case 0 | 1 | 2:
                loaded.run(
                    f"""INSERT INTO features.user_stats (user_id, feature_date, age)
                        SELECT user_id, '{day}', {age} FROM generate_series({user}, {user + rng.randint(0, 30)}) AS user_id
                        ON CONFLICT (user_id, feature_date) DO {rng.choice(["NOTHING", "UPDATE SET age = excluded.age"])}"""
                )
            case 3:
                loaded.run(f"UPDATE features.user_stats SET age = {age} WHERE user_id > {user}")
            case 4:
                loaded.run(
                    f"DELETE FROM features.user_stats WHERE user_id < {user} AND feature_date = '{day}'"
                )
            case 5:
                with loaded.connection.transaction(force_rollback=True):
                    loaded.run(f"UPDATE features.user_stats SET age = {age} WHERE feature_date = '{day}'")
                    if rng.random() < 0.5:
                        loaded.run("SELECT pgslo.tick()")
            case 6:
                loaded.run(
                    rng.choice(["SELECT pgslo.tick()", "SELECT pgslo.close_batch('features.user_stats')"])
                )
            case 7 if rng.random() < 0.2:
                loaded.run("TRUNCATE features.user_stats")
    loaded.run("SELECT pgslo.tick()")
    assert in_batches(loaded) == in_table(loaded)
    assert sampled(loaded) == stored(loaded)


def test_big_statements_are_sampled_and_the_sample_stays_one_of_the_table(loaded):
    insert(loaded, "2026-11-20", (1, 30000), "u % 100")
    insert(loaded, "2026-11-20", (30001, 31000), "u % 100")
    loaded.run("UPDATE features.user_stats SET age = NULL WHERE user_id % 2 = 0")
    loaded.run("DELETE FROM features.user_stats WHERE user_id % 3 = 0")
    loaded.run("SELECT pgslo.tick()")
    assert in_batches(loaded) == in_table(loaded)
    found = sampled(loaded)
    assert 300 < len(found) < 4000
    assert set(found) <= set(stored(loaded))


def test_a_late_row_joins_its_batch_and_it_is_judged_again(loaded):
    insert(loaded, "2026-11-20", (1, 10))
    insert(loaded, "2026-11-21", (1, 10))
    loaded.run("SELECT pgslo.tick()")
    assert loaded.values("SELECT batch FROM pgslo.batch WHERE closed_at IS NOT NULL") == ["2026-11-20"]
    insert(loaded, "2026-11-20", (11, 12))
    loaded.run("SELECT pgslo.tick()")
    assert loaded.run("SELECT rows, revision FROM pgslo.batch WHERE batch = '2026-11-20'").rows == ((12, 2),)


def test_batches_that_were_there_before_are_learned_from_the_table(session):
    session.run("CREATE TABLE features.old (id bigint, day date, age integer, PRIMARY KEY (id, day))")
    session.run(
        "INSERT INTO features.old SELECT n, date '2026-01-01' + d, n FROM generate_series(1, 30) n, generate_series(0, 44) d"
    )
    session.guard("{table: features.old, writes: bulk, batch: {by: day}}")
    assert session.values("SELECT pgslo.learn('features.old')") == [45]
    assert session.values("SELECT count(*)::int FROM pgslo_catalog.profile WHERE column_name = 'age'") == [45]
    assert session.values("SELECT count(*)::int FROM pgslo.incident") == [0]
    session.run("DELETE FROM features.old WHERE day = '2026-01-02' AND id <= 10")
    session.run("SELECT pgslo.tick()")
    assert session.run("SELECT rows::int, revision FROM pgslo.batch WHERE batch = '2026-01-02'").rows == (
        (20, 2),
    )


def test_sums_are_kept_when_a_batch_is_counted_from_the_table(session):
    session.run("CREATE TABLE features.old (id bigint, day date, age integer, PRIMARY KEY (id, day))")
    session.run("INSERT INTO features.old SELECT n, '2026-01-01', n FROM generate_series(1, 30) n")
    session.guard(
        "{table: features.old, writes: bulk, batch: {by: day}, columns: {age: [{statistic: {of: mean, max: 100}}]}}"
    )
    session.run("SELECT pgslo.learn('features.old')")
    session.run("DELETE FROM features.old WHERE id > 28")
    session.run("INSERT INTO features.old VALUES (31, '2026-01-01', 290)")
    session.run("SELECT pgslo.tick()")
    mean = "SELECT value FROM pgslo.verdict WHERE rule = 'age_statistic'"
    assert session.values(mean) == session.values("SELECT avg(age)::float8 FROM features.old")


#: What a job does to a day that was loaded before the table was guarded.
RELOADS = {
    "deleted and loaded again": """
        DELETE FROM features.user_stats WHERE feature_date = '2026-11-20';
        INSERT INTO features.user_stats SELECT u, '2026-11-20', CASE WHEN u <= 4 THEN 900 ELSE 40 END FROM generate_series(1, 60) u""",
    "merged": """
        INSERT INTO features.user_stats SELECT u, '2026-11-20', CASE WHEN u <= 4 THEN 900 ELSE 40 END FROM generate_series(1, 60) u
        ON CONFLICT (user_id, feature_date) DO UPDATE SET age = excluded.age""",
    "all of the table updated": "UPDATE features.user_stats SET age = CASE WHEN user_id <= 4 THEN 900 ELSE 40 END",
    "a part of it deleted": "DELETE FROM features.user_stats WHERE user_id > 45",
    "all of it deleted, day by day": """
        DELETE FROM features.user_stats WHERE feature_date = '2026-11-20';
        DELETE FROM features.user_stats WHERE feature_date = '2026-11-21'""",
}


@pytest.mark.parametrize("reload", RELOADS)
def test_a_batch_that_was_there_before_is_counted_when_rows_of_it_go(session, reload):
    session.run(
        """CREATE TABLE features.user_stats (user_id bigint, feature_date date, age integer, PRIMARY KEY (user_id, feature_date));
           INSERT INTO features.user_stats SELECT u, date '2026-11-10' + d, 40 + 400 * (u / 40) FROM generate_series(1, 50) u, generate_series(0, 11) d"""
    )
    session.guard(DEFINITION + "    row_count: {min: 40}\n")
    session.run(RELOADS[reload])
    session.run("SELECT FROM pgslo.close_batch('features.user_stats')")
    there, told = in_table(session), in_batches(session)
    assert "2026-11-20" in told
    for batch, (rows, ages, failing) in told.items():
        if batch not in there:
            assert rows < 0, "what is gone was not known to be there"
            continue
        assert (rows, ages) == there[batch][:2]
        if reload in ("deleted and loaded again", "all of the table updated"):
            # All of its rows were written since, so those that fail are known as well.
            assert failing == there[batch][2]
    assert session.values("SELECT batch FROM pgslo.verdict WHERE verdict = 'missed'") == []
    insert(session, "2026-11-20", (201, 210))
    session.run("SELECT pgslo.tick()")
    assert in_batches(session)["2026-11-20"][:2] == in_table(session)["2026-11-20"][:2]


def test_what_cannot_be_counted_from_the_table_is_added_up_as_recorded(session):
    session.run(
        """CREATE TABLE features.user_stats (user_id bigint, feature_date date, age integer, country text, PRIMARY KEY (user_id, feature_date));
           INSERT INTO features.user_stats SELECT u, '2026-11-20', 40, 'us' FROM generate_series(1, 50) u"""
    )
    session.guard(DEFINITION)
    session.run("ALTER TABLE features.user_stats RENAME country TO land")
    session.run("DELETE FROM features.user_stats WHERE feature_date = '2026-11-20'")
    insert(session, "2026-11-20", (1, 60))
    insert(session, "2026-11-21", (1, 60))
    session.run("SELECT pgslo.tick()")
    assert session.run("SELECT batch, rows::int FROM pgslo.batch ORDER BY 1").rows == (
        ("2026-11-20", 10),
        ("2026-11-21", 60),
    )
    assert session.values("SELECT DISTINCT error_code FROM pgslo_catalog.rule_break") == ["42703"]


def test_batches_of_streamed_tables_are_counted_from_the_table(session):
    session.run("CREATE TABLE features.events (id bigint PRIMARY KEY, at timestamptz, amount numeric)")
    session.guard("{table: features.events, writes: stream, batch: {by: at, every: 1 hour}}")
    for hour in (1, 2, 3):
        session.run(
            f"INSERT INTO features.events SELECT {hour} * 100 + n, timestamptz '2026-11-20 0{hour}:30:00+00', n FROM generate_series(1, 10) n"
        )
        session.run("SELECT pgslo.tick()")
    assert session.run(
        "SELECT batch, rows::int, closed_at IS NOT NULL FROM pgslo.batch ORDER BY batch"
    ).rows == (
        ("2026-11-20T01:00:00+00:00", 10, True),
        ("2026-11-20T02:00:00+00:00", 10, True),
        ("2026-11-20T03:00:00+00:00", 10, False),
    )


def test_where_nothing_is_watched_rows_are_judged_and_nothing_is_measured(session):
    session.run("CREATE TABLE features.user_stats (user_id bigint, feature_date date, age integer)")
    session.guard(DEFINITION + "\n    watch: false\n")
    insert(session, "2026-05-01", (1, 3), age="-1")
    assert session.values("SELECT count(*)::int FROM pgslo_catalog.incident WHERE over_at IS NULL") == [1]
    assert session.values("SELECT DISTINCT sample FROM pgslo_catalog.fragment") == [None]
    session.run("UPDATE features.user_stats SET age = 20 WHERE user_id < 3")
    assert session.values("SELECT count(*)::int FROM pgslo_catalog.incident WHERE over_at IS NULL") == [1]
    session.run("DELETE FROM features.user_stats WHERE user_id = 3")
    session.run("SELECT pgslo.close_batch('features.user_stats')")
    session.run("SELECT pgslo.tick()")
    assert session.values("SELECT resolution FROM pgslo_catalog.incident") == ["healed"]
    assert in_batches(session) == {"2026-05-01": (2, 0, 0)}
    assert session.values("SELECT count(*)::int FROM pgslo_catalog.profile") == [0]
    refused = session.refused("SELECT pgslo.learn('features.user_stats')")
    assert "no column of features.user_stats is watched" in str(refused)


def test_a_streamed_table_without_batches_is_told_so(session):
    session.run("CREATE TABLE features.plain (id integer PRIMARY KEY, name text)")
    session.guard("table: features.plain\nowner: me\n")
    refused = session.refused("SELECT pgslo.learn('features.plain')")
    assert refused.message == "rows of features.plain do not say which batch they belong to"
    assert "its definition has no batch" in refused.detail
    assert "batch: {by:" in refused.hint


def test_a_condition_that_raises_takes_nothing_from_what_is_measured(session):
    session.run(
        "CREATE TABLE features.user_stats (user_id bigint, feature_date date, age integer, country text)"
    )
    session.guard(DEFINITION + '    rules:\n      - share: {expression: "100 / age > 0", on_breach: flag}\n')
    insert(session, "2026-05-01", (1, 10), age="u - 1")
    session.run("SELECT pgslo.tick()")
    assert in_batches(session) == {"2026-05-01": (10, 10, 0)}
    assert session.values("SELECT (failures ->> 'share')::int FROM pgslo_catalog.batch") == [1]
    assert len(sampled(session)) == 10


def test_a_column_that_went_takes_its_own_measure_alone(loaded):
    loaded.run("ALTER TABLE features.user_stats RENAME country TO land")
    insert(loaded, "2026-05-01", (1, 10), age="u * 20")
    loaded.run("SELECT pgslo.tick()")
    assert [(rows, failing) for rows, _, failing in in_batches(loaded).values()] == [(10, 4)]
    assert loaded.values("SELECT error_code FROM pgslo_catalog.rule_break") == ["42703"]


def test_what_was_written_while_a_column_was_missing_misses_nothing_and_is_counted_once_it_is_back(session):
    """Not even a bound that rejects: nothing is known of such a batch, which is not the same as nothing being there."""
    session.run(
        "CREATE TABLE features.user_stats (user_id bigint, feature_date date, age integer, country text)"
    )
    bounds = """
        - completeness: {min: 0.95, reject_below: 0.5}
        - statistic: {of: mean, min: 30, max: 50}
      country:
        - length: {max: 3}
"""
    session.guard(DEFINITION.rstrip() + bounds)
    insert(session, "2026-05-01", (1, 10))
    session.run("ALTER TABLE features.user_stats RENAME country TO land")
    insert(session, "2026-05-01", (11, 30))
    insert(session, "2026-05-02", (1, 10), age="CASE WHEN u > 4 THEN 40 END")
    session.run("DELETE FROM features.user_stats WHERE user_id = 30")
    unknown = ("unknown", None, "21 rows came or went while columns could not be measured")
    assert {rule: said for rule, *said in verdicts(session, "2026-05-01")} == {
        "age_completeness": list(unknown),
        "age_statistic": list(unknown),
    }
    assert session.incidents() == set()
    assert session.values("SELECT batch FROM pgslo_catalog.profile") == []

    session.guard(DEFINITION.rstrip() + bounds.replace("country", "land"))
    session.run("SELECT pgslo.tick()")
    assert in_batches(session) == in_table(session)
    first = {rule: said for rule, *said in verdicts(session, "2026-05-01")}
    assert first["age_completeness"][:2] == ["met", 1]
    assert first["age_statistic"][:2] == ["met", 40]
    second = {rule: said for rule, *said in verdicts(session, "2026-05-02")}
    assert second["age_completeness"][:2] == ["missed", 0.6]
    assert session.incidents() == {"age_completeness"}
    # Rows that come later are added to what was counted.
    insert(session, "2026-05-01", (31, 31), age="NULL")
    session.run("SELECT pgslo.tick()")
    assert in_batches(session) == in_table(session)
    assert {rule: said for rule, *said in verdicts(session, "2026-05-01")}["age_statistic"][:2] == ["met", 40]


def verdicts(session, batch):
    """What rules of one's own say of a batch that is closed, now if need be."""
    session.run(f"SELECT pgslo.close_batch('features.user_stats', '{batch}')")
    return session.run(
        f"SELECT rule, verdict, value, said FROM pgslo.verdict WHERE batch = '{batch}' AND rule !~ 'learned' ORDER BY rule"
    ).rows


def test_a_streamed_table_is_never_read_whole(session):
    session.run(
        "CREATE TABLE features.user_stats (user_id bigint, feature_date date, age integer, filler text)"
    )
    plan = session.guard(DEFINITION.replace("bulk", "stream"))
    assert [note for note in plan.notes if "no index begins with feature_date" in note]
    session.run(
        "INSERT INTO features.user_stats SELECT u, date '2026-05-01' + u % 3, 40, repeat('x', 1000) FROM generate_series(1, 20000) u"
    )
    session.run("SELECT pgslo.tick()")
    (said,) = session.values("SELECT error_message FROM pgslo_catalog.rule_break")
    assert "create an index on (feature_date)" in said
    assert in_batches(session) == {}
    session.run("CREATE INDEX ON features.user_stats (feature_date)")
    session.run("SELECT pgslo.close_batch('features.user_stats', '2026-05-03')")
    assert in_batches(session) == {"2026-05-03": (6667, 6667, 0)}


def test_a_streamed_table_is_counted_once_a_settle_while_no_later_batch_begins(session):
    session.run("CREATE TABLE features.user_stats (user_id bigint, feature_date date, age integer)")
    session.guard(DEFINITION.replace("bulk", "stream") + "    settle: 1 hour\n")
    insert(session, "2026-05-01", (1, 10))
    session.run("SELECT pgslo.tick()")
    insert(session, "2026-05-01", (11, 20))
    session.run("SELECT pgslo.tick()")
    assert in_batches(session) == {"2026-05-01": (10, 10, 0)}
    insert(session, "2026-05-02", (1, 10))
    session.run("SELECT pgslo.tick()")
    assert in_batches(session) == {"2026-05-01": (20, 20, 0), "2026-05-02": (10, 10, 0)}
    assert session.values("SELECT name FROM pgslo_catalog.batch WHERE closed_at IS NOT NULL") == [
        "2026-05-01"
    ]


def test_a_partitioned_table_is_measured_whichever_way_rows_come_in(session):
    session.run(
        """CREATE TABLE features.user_stats (user_id bigint, feature_date date, age integer, country text) PARTITION BY RANGE (feature_date);
           CREATE TABLE features.user_stats_may PARTITION OF features.user_stats FOR VALUES FROM ('2026-05-01') TO ('2026-06-01');
           CREATE TABLE features.user_stats_june PARTITION OF features.user_stats FOR VALUES FROM ('2026-06-01') TO ('2026-07-01')"""
    )
    session.guard(
        DEFINITION + "        - completeness: {min: 0.5, reject_below: 0.2}\n    row_count: {min: 10}\n"
    )
    insert(session, "2026-05-31", (1, 10))
    session.run(
        "INSERT INTO features.user_stats_may (user_id, feature_date, age) SELECT u, '2026-05-31', NULL FROM generate_series(11, 20) u"
    )
    session.run("UPDATE features.user_stats SET feature_date = '2026-06-01' WHERE user_id <= 6")
    session.run("DELETE FROM features.user_stats_june WHERE user_id = 1")
    session.run("SELECT pgslo.close_batch('features.user_stats')")
    assert in_batches(session) == in_table(session) == {"2026-05-31": (14, 4, 0), "2026-06-01": (5, 5, 0)}
    assert session.values(
        "SELECT rule || ' ' || batch FROM pgslo.verdict WHERE verdict = 'missed' ORDER BY 1"
    ) == [
        "age_completeness 2026-05-31",
        "row_count 2026-06-01",
    ]
    refused = session.refused("INSERT INTO features.user_stats_june VALUES (1, '2026-06-02', NULL)")
    assert refused.sqlstate == "23514"
    insert(session, "2026-06-03", (1, 10), age="-1")
    session.run("TRUNCATE features.user_stats_may")
    session.run("SELECT pgslo.tick()")
    assert in_batches(session) == {"2026-06-01": (5, 5, 0), "2026-06-03": (10, 10, 10)}
    session.run("SELECT pgslo.tick()")
    assert session.values("SELECT rule FROM pgslo.incident WHERE over_at IS NULL AND rule LIKE 'age%'") == [
        "age_range"
    ]


def test_rows_whose_key_names_only_the_batch_are_told_apart_by_their_values(session):
    session.run(
        "CREATE TABLE features.user_stats (user_id bigint, feature_date date, age integer, notes json)"
    )
    session.guard(DEFINITION.replace("[user_id, feature_date]", "[feature_date]"))
    insert(session, "2026-05-01", (1, 8000), age="u % 90")
    session.run("SELECT pgslo.tick()")
    assert 1000 < len(sampled(session)) < 4000
    session.run("DELETE FROM features.user_stats WHERE user_id > 10")
    session.run("SELECT pgslo.tick()")
    assert 0 <= len(sampled(session)) <= 10


def test_batches_that_wait_for_a_tick_keep_their_samples(loaded):
    loaded.run(
        "INSERT INTO features.user_stats (user_id, feature_date, age) SELECT u, date '2026-01-01' + d, 40 FROM generate_series(0, 89) d, generate_series(1, 5) u"
    )
    while loaded.values("SELECT pgslo.tick()") == [True]:
        pass
    judged = loaded.values(
        "SELECT sampled FROM pgslo_catalog.profile WHERE column_name = 'age' ORDER BY place"
    )
    assert judged == [5] * 89


def test_truncate_voids_batches_of_the_clock(session):
    session.run(
        "CREATE TABLE features.user_stats (user_id bigint PRIMARY KEY, feature_date date, age integer)"
    )
    session.guard(
        DEFINITION.replace("key: [user_id, feature_date]", "key: [user_id]").replace(
            "{by: feature_date}", "{every: 1 hour}"
        )
    )
    insert(session, "2026-05-01", (1, 10))
    session.run("TRUNCATE features.user_stats")
    insert(session, "2026-05-01", (1, 3))
    session.run("SELECT pgslo.close_batch('features.user_stats')")
    assert [rows for rows, _, _ in in_batches(session).values()] == [3]
