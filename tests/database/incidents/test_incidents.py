"""An incident is a run of missed batches: it opens once, and only a later batch that meets the rule ends it."""

from __future__ import annotations

import pytest

from pgslo import definition
from pgslo.database import installation, planning


def example(session, batch="", rule="range: {max: 100}", mode="bulk", table="id int, day date, a int"):
    """A guarded table without a key of its own, so that rows may repeat."""
    session.run(f"CREATE TABLE features.example ({table})")
    text = f"table: features.example\nkey: [id]\nowner: sam\nwrites: {mode}\n{batch}\ncolumns:\n  a:\n    - {rule}\n"
    session.guard(text)
    return text


def write(session, rows):
    session.run(f"INSERT INTO features.example VALUES {rows}")


def incidents(session):
    """Batches in which incidents opened and were resolved."""
    return list(
        session.run(
            "SELECT opened_batch, over_batch, resolution FROM pgslo.incident ORDER BY incident_id"
        ).rows
    )


BY_DAY = "batch: {by: day}"
GOOD, BAD = 1, 999


def test_it_opens_once_and_is_resolved_by_a_later_batch_that_meets_the_rule(session):
    example(session, BY_DAY)
    write(session, "(1, '2026-11-20', 1)")
    assert incidents(session) == []
    for key in range(3):
        write(session, f"({key}, '2026-11-21', 999)")
    write(session, "(9, '2026-11-22', 999)")
    assert incidents(session) == [("2026-11-21", None, None)]
    write(session, "(10, '2026-11-23', 1)")
    assert incidents(session) == [("2026-11-21", "2026-11-23", None)]
    write(session, "(11, '2026-11-24', 999)")
    assert incidents(session) == [("2026-11-21", "2026-11-23", None), ("2026-11-24", None, None)]


def test_neither_more_rows_of_its_batch_nor_an_older_batch_resolve_it(session):
    example(session, BY_DAY)
    write(session, "(1, '2026-11-21', 999)")
    write(session, "(2, '2026-11-21', 1)")
    write(session, "(3, '2026-11-20', 1), (4, NULL, 1)")
    session.run("UPDATE features.example SET a = 1")
    assert incidents(session) == [("2026-11-21", None, None)]
    write(session, "(5, '2026-11-22', 999)")
    write(session, "(6, '2026-11-21', 1)")
    write(session, "(6, '2026-11-22', 1)")
    assert incidents(session) == [("2026-11-21", None, None)]


def test_more_good_rows_of_a_missed_batch_do_not_warn_their_writer(session):
    example(session, BY_DAY)
    assert session.run("INSERT INTO features.example VALUES (1, '2026-11-21', 999)").warned == {"a_range"}
    assert session.run("INSERT INTO features.example VALUES (2, '2026-11-21', 1)").warned == set()
    assert session.run("INSERT INTO features.example VALUES (3, '2026-11-21', 999)").warned == {"a_range"}


def test_many_batches_in_one_copy_are_judged_in_their_own_order(session):
    example(session, BY_DAY)
    verdicts = {21: GOOD, 22: BAD, 23: BAD, 24: GOOD, 25: BAD, 26: GOOD, 27: GOOD, 28: BAD}
    lines = [f"{day}\t2026-11-{day}\t{value}" for day, value in sorted(verdicts.items(), reverse=True)]
    outcome = session.copy("features.example", lines)
    assert len(outcome.notices) == 1
    assert incidents(session) == [
        ("2026-11-22", "2026-11-24", None),
        ("2026-11-25", "2026-11-26", None),
        ("2026-11-28", None, None),
    ]
    assert len(
        session.values(
            "SELECT 1 FROM pgslo_catalog.fragment WHERE operation IN ('judged', 'insert', 'update')"
        )
    ) == len(verdicts)


@pytest.mark.parametrize("mode", ["bulk", "stream"])
def test_a_share_is_judged_over_the_whole_batch(session, mode):
    example(session, BY_DAY, "range: {max: 100, at_least: 0.75}", mode)
    write(session, "(1, '2026-11-21', 1), (2, '2026-11-21', 1), (3, '2026-11-21', 999), (4, '2026-11-21', 1)")
    assert incidents(session) == []
    assert session.failures() == {"a_range": 1}
    outcome = session.run("INSERT INTO features.example VALUES (5, '2026-11-21', 999)")
    assert outcome.warned == {"a_range"}
    assert incidents(session) == [("2026-11-21", None, None)]
    write(session, "(6, '2026-11-22', 1), (7, '2026-11-22', 1), (8, '2026-11-22', 1), (9, '2026-11-22', 999)")
    assert incidents(session) == [("2026-11-21", "2026-11-22", None)]


def test_a_number_of_failures_is_judged_over_the_whole_batch(session):
    example(session, BY_DAY, "range: {max: 100, at_most: 2}")
    for _ in range(2):
        assert session.run("INSERT INTO features.example VALUES (1, '2026-11-21', 999)").warned == set()
    assert incidents(session) == []
    assert session.run("INSERT INTO features.example VALUES (1, '2026-11-21', 999)").warned == {"a_range"}
    assert incidents(session) == [("2026-11-21", None, None)]
    write(session, "(1, '2026-11-22', 999), (2, '2026-11-22', 999)")
    assert incidents(session) == [("2026-11-21", "2026-11-22", None)]


def test_failures_of_other_rules_do_not_dilute_a_share(session):
    """A streamed table notes failing rows one by one; a share is of the rows written, counted once."""
    session.run("CREATE TABLE features.example (id int, day date, a int, b int)")
    session.guard(
        """
        table: features.example
        key: [id]
        writes: stream
        batch: {by: day}
        columns:
          a: [{range: {max: 100, at_least: 0.5}}]
          b: [not_null]
        """
    )
    session.run(
        "INSERT INTO features.example SELECT n, '2026-11-22', CASE WHEN n <= 6 THEN 999 END, NULL FROM generate_series(1, 10) AS n"
    )
    assert session.values("SELECT sum(rows)::int FROM pgslo_catalog.fragment") == [10]
    assert session.failures() == {"a_range": 6, "b_not_null": 10}
    assert session.incidents() == {"a_range", "b_not_null"}


# What a batch is

KEYS = {
    "date": ("day date", "day", ["'2026-11-21'", "'2026-11-22'"], ["2026-11-21", "2026-11-22"]),
    "timestamp": (
        "day timestamp",
        "day",
        ["'2026-11-21 03:00'", "'2026-11-21 04:00'"],
        ["2026-11-21T03:00:00", "2026-11-21T04:00:00"],
    ),
    "timestamptz": (
        "day timestamptz",
        "day",
        ["'2026-11-21 03:00+02'", "'2026-11-21 03:00+00'"],
        ["2026-11-21T01:00:00+00:00", "2026-11-21T03:00:00+00:00"],
    ),
    "timestamptz every day": (
        "day timestamptz",
        "{by: day, every: 1 day}",
        ["'2026-11-21 23:59:59+00'", "'2026-11-22 00:00:00+00'"],
        ["2026-11-21T00:00:00+00:00", "2026-11-22T00:00:00+00:00"],
    ),
    "timestamp every six hours": (
        "day timestamp",
        "{by: day, every: 6 hours}",
        ["'2026-11-21 05:59:59'", "'2026-11-21 06:00'"],
        ["2026-11-21T00:00:00", "2026-11-21T06:00:00"],
    ),
    "date every week": (
        "day date",
        "{by: day, every: 7 days}",
        ["'2026-11-22'", "'2026-11-23'"],
        ["2026-11-16T00:00:00", "2026-11-23T00:00:00"],
    ),
    "integer": ("day bigint", "day", ["9", "10"], ["9", "10"]),
    "numeric": ("day numeric", "day", ["9.50", "10"], ["9.5", "10"]),
    "double precision": ("day float8", "day", ["9.5", "10"], ["9.5", "10"]),
    "text": ("day text", "day", ["'load b'", "'load a'"], ["load b", "load a"]),
    "uuid": (
        "day uuid",
        "day",
        ["'f0000000-0000-4000-8000-000000000000'", "'00000000-0000-4000-8000-000000000000'"],
        ["f0000000-0000-4000-8000-000000000000", "00000000-0000-4000-8000-000000000000"],
    ),
    "expression": (
        "day text",
        "{by: 'substr(day, 1, 7)::text'}",
        ["'2026-10-31'", "'2026-09-01'"],
        ["2026-10", "2026-09"],
    ),
    "expression of a date": (
        "day timestamptz",
        "{by: \"(day AT TIME ZONE 'UTC')::date\"}",
        ["'2026-11-21 23:00+00'", "'2026-11-22 01:00+00'"],
        ["2026-11-21", "2026-11-22"],
    ),
    "array": ("day int[]", "day", ["'{2}'", "'{1,NULL}'"], ["[2]", "[1, null]"]),
    "interval": ("day interval", "day", ["'1 day'", "'1 mon'"], ["1 day", "1 mon"]),
    "boolean": ("day boolean", "day", ["true", "false"], ["true", "false"]),
}


@pytest.mark.parametrize("mode", ["bulk", "stream"])
@pytest.mark.parametrize("key", KEYS)
def test_batches_by(session, key, mode):
    """Two batches, each written by two statements whose sessions print and read times in other ways."""
    column, by, values, names = KEYS[key]
    batch = f"batch: {by}" if by.startswith("{") else f"batch: {{by: {by}, show_names: true}}"
    example(session, batch, mode=mode, table=f"id int, {column}, a int")
    for value, name in zip(values, names, strict=True):
        for zone, style, intervals in (
            ("Asia/Kolkata", "German", "sql_standard"),
            ("America/Lima", "SQL, DMY", "iso_8601"),
        ):
            type_ = column.removeprefix("day ")
            zoned = f"SELECT 1 AS id, ({value})::{type_} AS day, 999 AS a"
            session.run("SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO, YMD'")
            session.run(f"CREATE TEMP TABLE given ON COMMIT DROP AS {zoned}")
            session.run(f"SET LOCAL timezone = '{zone}'")
            session.run(f"SET LOCAL datestyle = '{style}'")
            session.run(f"SET LOCAL intervalstyle = '{intervals}'")
            session.run("INSERT INTO features.example SELECT * FROM given")
            session.run("DROP TABLE given")
        found = session.run(
            "SELECT batch, count(DISTINCT place)::int, sum((failures ->> 'a_range')::int)::int FROM pgslo_catalog.fragment GROUP BY 1 ORDER BY min(fragment_id)"
        ).rows
        assert found[-1] == (name, 1, 2)
    assert [row[0] for row in found] == names
    assert incidents(session) == [(names[0], None, None)]
    assert session.broken() == {}


@pytest.mark.parametrize("key", KEYS)
def test_a_later_batch_resolves(session, key):
    column, by, values, names = KEYS[key]
    batch = f"batch: {by}" if by.startswith("{") else f"batch: {{by: {by}, show_names: true}}"
    session.run("SET LOCAL timezone = 'Asia/Kolkata'")
    example(session, batch, table=f"id int, {column}, a int")
    write(session, f"(1, {values[0]}, 999)")
    write(session, f"(2, {values[0]}, 1)")
    assert incidents(session) == [(names[0], None, None)]
    write(session, f"(3, {values[1]}, 1)")
    assert incidents(session) == [(names[0], names[1], None)]


@pytest.mark.parametrize("type_", ["date", "text", "int"])
def test_rows_without_a_batch_are_counted_and_never_newer_than_others(session, type_):
    value = {"date": "'2026-11-21'", "text": "'x'", "int": "7"}[type_]
    example(session, BY_DAY, table=f"id int, day {type_}, a int")
    write(session, "(1, NULL, 999), (2, NULL, 1)")
    assert incidents(session) == [("NULL", None, None)]
    write(session, "(3, NULL, 1)")
    assert incidents(session) == [("NULL", None, None)]
    write(session, f"(4, {value}, 1)")
    assert [resolved for _, resolved, _ in incidents(session)] != [None]
    write(session, f"(5, {value}, 999)")
    if type_ != "text":
        write(session, "(6, NULL, 1)")
        assert incidents(session)[-1][1] is None


def test_a_batch_at_the_end_of_time_is_resolved_all_the_same(session):
    example(session, BY_DAY)
    write(session, "(1, 'infinity', 999)")
    write(session, "(2, '2026-11-22', 1)")
    assert incidents(session) == [("infinity", "2026-11-22", None)]


def test_a_batch_with_a_long_name_is_counted(session):
    example(session, "batch: {by: day, show_names: true}", table="id int, day text, a int")
    for end in ("x", "y"):
        write(
            session, f"(1, repeat('long', 10000) || '{end}', 999), (2, repeat('long', 10000) || '{end}', 999)"
        )
    batches = session.run(
        "SELECT length(batch), failures FROM pgslo_catalog.fragment WHERE operation IN ('judged', 'insert', 'update')"
    ).rows
    assert batches == ((195, {"a_range": 2}),) * 2
    assert len(set(session.values("SELECT batch FROM pgslo_catalog.fragment"))) == 2


def test_rows_that_cannot_be_grouped_are_no_batches(session):
    session.run("CREATE TABLE features.example (id int, day json, a int)")
    (error,) = session.errors(
        "table: features.example\nkey: [id]\nbatch: {by: day}\ncolumns: {a: [not_null]}"
    )
    assert error.splitlines()[0].endswith("could not identify an equality operator for type json")
    assert "slos/example.yml:3:" in error


def test_without_a_batch_each_statement_of_a_bulk_load_is_one(session):
    example(session)
    write(session, "(1, NULL, 999), (2, NULL, 1)")
    write(session, "(1, NULL, 999)")
    assert len(incidents(session)) == 1
    write(session, "(1, NULL, 1)")
    ((opened, resolved, resolution),) = incidents(session)
    assert opened < resolved
    assert resolution is None


def test_an_update_of_the_batch_key_writes_into_the_new_batch(session):
    example(session, BY_DAY)
    write(session, "(1, '2026-11-20', 999)")
    session.run("UPDATE features.example SET day = '2026-11-21', a = 1")
    assert incidents(session) == [("2026-11-20", "2026-11-21", None)]


# Streams, and the clock


def test_a_streamed_table_is_looked_after_by_tick(session):
    example(session, BY_DAY, mode="stream")
    write(session, "(1, '2026-11-21', 999)")
    write(session, "(2, '2026-11-21', 1)")
    session.run("SELECT pgslo.tick()")
    assert incidents(session) == [("2026-11-21", None, None)]
    write(session, "(3, '2026-11-22', 1)")
    assert incidents(session) == [("2026-11-21", None, None)]
    session.run("SELECT pgslo.tick()")
    assert incidents(session) == [("2026-11-21", "2026-11-22", None)]
    write(session, "(4, '2026-11-23', 999), (5, '2026-11-24', 1), (6, '2026-11-25', 999)")
    session.run("SELECT pgslo.tick()")
    assert incidents(session)[1:] == [("2026-11-23", None, None)]


def test_a_streamed_table_without_batches_is_judged_by_the_hour(session):
    example(session, mode="stream")
    write(session, "(1, NULL, 999)")
    session.run("SELECT pgslo.tick()")
    assert [resolved for _, resolved, _ in incidents(session)] == [None]
    session.run("UPDATE pgslo_catalog.fragment SET place = place - 7200")
    session.run("UPDATE pgslo_catalog.incident SET opened_place = opened_place - 7200")
    session.run("UPDATE pgslo_catalog.missed_batch SET place = place - 7200")
    session.run("SELECT pgslo.tick()")
    ((_, resolved, resolution),) = incidents(session)
    assert resolved.endswith(":00:00+00:00")
    assert resolution is None


def test_the_clock_cuts_batches_at_the_same_times_in_every_time_zone(session):
    example(session, "batch: {every: 1 day}", mode="stream")
    for zone in ("Asia/Kolkata", "America/Lima", "Pacific/Kiritimati", "Pacific/Niue"):
        session.run(f"SET LOCAL timezone = '{zone}'")
        write(session, "(1, NULL, 999)")
    ((name, place),) = session.run(
        "SELECT DISTINCT batch, place::bigint % 86400 FROM pgslo_catalog.fragment"
    ).rows
    assert name.endswith("T00:00:00+00:00")
    assert place == 0


def test_tick_passes_over_a_table_whose_batch_column_is_gone(session):
    example(session, BY_DAY, mode="stream")
    write(session, "(1, '2026-11-21', 999)")
    session.run("ALTER TABLE features.example RENAME day TO feature_day")
    session.run("SELECT pgslo.tick()")
    assert session.values("SELECT error_message FROM pgslo_catalog.rule_break") == [
        "column r.day does not exist"
    ]
    assert session.values("SELECT broken_rules::int FROM pgslo.status") == [1]


def test_tick_opens_what_a_writer_left_to_one_who_rolls_back_later(connection, connect):
    _guard(connection)
    one, other = connect(), connect()
    with one.transaction(force_rollback=True):
        one.execute("INSERT INTO features.example VALUES (1, '2026-11-21', 999)")
        other.execute("INSERT INTO features.example VALUES (2, '2026-11-21', 999)")
        assert _open(connection) == []
        connection.execute("SELECT pgslo.tick()")
        assert _open(connection) == ["2026-11-21"]
    assert _open(connection) == ["2026-11-21"]
    for _ in range(2):
        connection.execute("SELECT pgslo.tick()")
        assert _open(connection) == ["2026-11-21"]


def test_tick_does_not_wait_for_a_transaction_that_is_open_elsewhere(connection, connect):
    _guard(connection)
    elsewhere, one, other = connect(), connect(), connect()
    elsewhere.autocommit = False
    elsewhere.execute("CREATE TABLE features.slow (id int)")
    with one.transaction(force_rollback=True):
        one.execute("INSERT INTO features.example VALUES (1, '2026-11-21', 999)")
        other.execute("INSERT INTO features.example VALUES (2, '2026-11-21', 999)")
    connection.execute("SELECT pgslo.tick()")
    assert _open(connection) == ["2026-11-21"]
    elsewhere.rollback()


def test_tick_leaves_what_a_later_batch_met(connection, connect):
    _guard(connection)
    for day, value in ((21, 999), (22, 1), (23, 1)):
        connection.execute(f"INSERT INTO features.example VALUES (1, '2026-11-{day}', {value})")
    for _ in range(2):
        connect().execute("SELECT pgslo.tick()")
        assert _open(connection) == []
    connection.execute("UPDATE pgslo_catalog.watermark SET seen = '9000000000000'")
    connection.execute("SELECT pgslo.tick()")
    assert _open(connection) == []


def _guard(connection):
    connection.execute("CREATE SCHEMA features; CREATE TABLE features.example (id int, day date, a int)")
    loaded = definition.load(
        "table: features.example\nkey: [id]\nwrites: bulk\nbatch: {by: day}\ncolumns: {a: [{range: {max: 100}}]}",
        path="slos/example.yml",
    )

    def plan():
        return planning.plan_definitions(connection, [loaded])

    assert installation.apply(connection, plan(), plan) == ()


def _open(connection):
    query = "SELECT opened_batch FROM pgslo.incident WHERE over_at IS NULL ORDER BY incident_id"
    return [row[0] for row in connection.execute(query)]


# Definitions that change


def test_a_rule_that_is_gone_is_retired_with_its_incident(session):
    text = example(session, BY_DAY)
    write(session, "(1, '2026-11-21', 999)")
    session.guard(text.replace("range: {max: 100}", "not_null"))
    assert incidents(session) == [("2026-11-21", None, "retired")]
    write(session, "(2, '2026-11-22', 999)")
    assert len(incidents(session)) == 1
    assert session.run(
        "SELECT rule, retired_at IS NOT NULL FROM pgslo.rule WHERE kind <> 'learned' ORDER BY 1"
    ).rows == (
        ("a_not_null", False),
        ("a_range", True),
    )
    session.guard(text)
    write(session, "(3, '2026-11-23', 999)")
    assert incidents(session) == [("2026-11-21", None, "retired"), ("2026-11-23", None, None)]


def test_a_changed_definition_keeps_open_incidents_and_history(session):
    text = example(session, BY_DAY)
    write(session, "(1, '2026-11-21', 999)")
    before = session.run("SELECT * FROM pgslo_catalog.fragment").rows
    session.guard(text.replace("sam", "kim").replace("max: 100", "max: 99"))
    assert session.plan(text.replace("sam", "kim").replace("max: 100", "max: 99")).empty
    assert incidents(session) == [("2026-11-21", None, None)]
    assert session.run("SELECT * FROM pgslo_catalog.fragment").rows == before
    assert session.values("SELECT owner FROM pgslo.incident") == ["kim"]
    write(session, "(2, '2026-11-22', 1)")
    assert incidents(session) == [("2026-11-21", "2026-11-22", None)]


def test_cost_follows_the_write_and_not_the_history(session):
    """However many batches went before, and however many statements the open incident's batch had."""
    example(session, BY_DAY)
    session.run(
        """INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows)
           SELECT d.definition_id, 'old ' || n, n, 1000 FROM pgslo_catalog.definition d, generate_series(1, 20000) AS n"""
    )
    session.run(
        """INSERT INTO pgslo_catalog.incident (definition_id, rule_id, opened_batch, opened_place, over_at, resolved_at, resolution)
           SELECT r.definition_id, r.rule_id, 'old', n, now(), now(), 'met' FROM pgslo_catalog.rule r, generate_series(1, 10000) AS n"""
    )
    session.run("ANALYZE pgslo_catalog.fragment, pgslo_catalog.incident")
    write(session, "(1, '2026-11-21', 999)")
    read = "SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::int FROM pg_stat_xact_user_tables WHERE relname IN ('fragment', 'incident')"
    (before,) = session.values(read)
    for _ in range(10):
        write(session, "(2, '2026-11-21', 999)")
        write(session, "(3, '2026-11-21', 1)")
    (after,) = session.values(read)
    assert (after - before) / 20 < 10
