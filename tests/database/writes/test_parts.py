"""Rows that come and go with partitions and inheritance children, without a trigger."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
import pytest

from pgslo.database import operations

Connection = psycopg.Connection[Any]
Apply = Callable[[str], Sequence[object]]

PARTITIONED = """
CREATE SCHEMA t;
CREATE TABLE t.pt (id bigint, day date NOT NULL, age int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE t.pt_default PARTITION OF t.pt DEFAULT;
"""
DEFINITION = """
table: t.pt
owner: me
key: [id, day]
writes: {writes}
batch: {{by: day}}
settle: 1 second
row_count: {{min: 40}}
columns:
  age:
    - completeness: {{min: 0.5}}
    - range: {{min: 0, on_breach: flag, name: r_flag}}
"""


COUNTED_AT = "SELECT name, counted_at FROM pgslo_catalog.batch WHERE rows > 0 ORDER BY 1"


def rows(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query.encode()).fetchall()


def until(connection: Connection, query: str, number: int) -> None:
    deadline = time.monotonic() + 30
    while rows(connection, query) != [(number,)]:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def tick(connection: Connection) -> None:
    connection.execute("SELECT pgslo.tick()")
    assert rows(connection, "SELECT error_message FROM pgslo_catalog.rule_break WHERE batch IS NULL") == []


def counted(connection: Connection) -> dict[str, int]:
    return dict(rows(connection, "SELECT name, rows::int FROM pgslo_catalog.batch WHERE rows <> 0"))


def in_table(connection: Connection, table: str = "t.pt") -> dict[str, int]:
    return dict(rows(connection, f"SELECT day::text, count(*)::int FROM {table} GROUP BY 1"))


def is_open(connection: Connection, rule: str = "r_flag") -> bool:
    (found,) = rows(
        connection, f"SELECT count(*) FROM pgslo.incident WHERE rule = '{rule}' AND over_at IS NULL"
    )
    return found != (0,)


@pytest.fixture(params=["bulk", "stream"])
def writes(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def add_partition(connection: Connection, month: int) -> None:
    connection.execute(
        f"CREATE TABLE t.pt_{month} PARTITION OF t.pt FOR VALUES FROM ('2026-{month:02}-01') TO ('2026-{month + 1:02}-01')"
    )


def insert(
    connection: Connection, day: str, age: int = 5, first: int = 1, table: str = "t.pt", last: int = 50
) -> None:
    connection.execute(
        f"INSERT INTO {table} SELECT i, '{day}', {age} FROM generate_series({first}, {last}) i"
    )


def test_rows_moved_out_of_the_default_partition_stay_in_their_batch(
    connection: Connection, apply: Apply
) -> None:
    """The statements of pg_partman's partition_data_time."""
    connection.execute(PARTITIONED)
    apply(DEFINITION.format(writes="bulk"))
    insert(connection, "2026-03-05")
    insert(connection, "2026-03-06", age=-1)
    tick(connection)
    assert counted(connection) == {"2026-03-05": 50, "2026-03-06": 50}
    assert is_open(connection)
    with connection.transaction():
        connection.execute("CREATE TEMP TABLE st (LIKE t.pt INCLUDING INDEXES)")
        connection.execute(
            "WITH m AS (DELETE FROM t.pt_default WHERE day >= '2026-03-01' RETURNING *) INSERT INTO st SELECT * FROM m"
        )
        connection.execute("CREATE TABLE t.pt_p3 (LIKE t.pt INCLUDING ALL)")
        connection.execute(
            "ALTER TABLE t.pt ATTACH PARTITION t.pt_p3 FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')"
        )
        connection.execute("WITH m AS (DELETE FROM st RETURNING *) INSERT INTO t.pt_p3 SELECT * FROM m")
    tick(connection)
    assert counted(connection) == {"2026-03-05": 50, "2026-03-06": 50}
    assert is_open(connection)
    # Written straight to it before apply arms it: apply has the rows counted.
    insert(connection, "2026-03-05", first=51, last=60, table="t.pt_p3")
    insert(connection, "2026-03-07", age=-1, table="t.pt_p3")
    tick(connection)
    assert counted(connection) == {"2026-03-05": 50, "2026-03-06": 50}
    apply(DEFINITION.format(writes="bulk"))
    tick(connection)
    assert (
        counted(connection) == in_table(connection) == {"2026-03-05": 60, "2026-03-06": 50, "2026-03-07": 50}
    )
    tick(connection)
    assert rows(connection, "SELECT name, failures ->> 'r_flag' FROM pgslo_catalog.batch ORDER BY 1") == [
        ("2026-03-05", None), ("2026-03-06", "50"), ("2026-03-07", "50")]  # fmt: skip


def test_attached_rows_are_counted_and_judged(connection: Connection, apply: Apply, writes: str) -> None:
    connection.execute(PARTITIONED)
    add_partition(connection, 3)
    apply(DEFINITION.format(writes=writes))
    insert(connection, "2026-03-05")
    tick(connection)
    connection.execute("CREATE TABLE t.filled (LIKE t.pt INCLUDING ALL)")
    insert(connection, "2026-04-05", age=-1, table="t.filled")
    insert(connection, "2026-04-06", table="t.filled")
    connection.execute(
        "ALTER TABLE t.pt ATTACH PARTITION t.filled FOR VALUES FROM ('2026-04-01') TO ('2026-05-01')"
    )
    tick(connection)
    assert counted(connection) == in_table(connection)
    assert rows(connection, "SELECT opened_batch FROM pgslo.incident WHERE rule = 'r_flag'") == [
        ("2026-04-05",)
    ]
    assert rows(connection, "SELECT count(*) FROM pgslo_catalog.rule_break") == [(0,)]
    # A corrected partition is put in its place, with as many rows.
    connection.execute("CREATE TABLE t.corrected (LIKE t.pt INCLUDING ALL)")
    insert(connection, "2026-04-05", table="t.corrected")
    insert(connection, "2026-04-06", table="t.corrected")
    with connection.transaction():
        connection.execute("ALTER TABLE t.pt DETACH PARTITION t.filled")
        connection.execute(
            "ALTER TABLE t.pt ATTACH PARTITION t.corrected FOR VALUES FROM ('2026-04-01') TO ('2026-05-01')"
        )
    tick(connection)
    assert counted(connection) == in_table(connection)
    assert not is_open(connection)
    tick(connection)
    assert not is_open(connection)


@pytest.mark.parametrize("way", ["DETACH", "DETACH CONCURRENTLY", "DROP", "TRUNCATE"])
def test_rows_that_leave_with_a_partition_leave_their_batches(
    connection: Connection, apply: Apply, writes: str, way: str
) -> None:
    connection.execute(
        "CREATE SCHEMA t; CREATE TABLE t.pt (id bigint, day date, age int) PARTITION BY RANGE (day)"
    )
    for month in (3, 4):
        add_partition(connection, month)
    apply(DEFINITION.format(writes=writes))
    insert(connection, "2026-03-05")
    tick(connection)
    insert(connection, "2026-04-01", age=-1)
    connection.execute("SELECT pgslo.close_batch('t.pt')")
    assert counted(connection) == {"2026-03-05": 50, "2026-04-01": 50}
    assert is_open(connection)
    counted_at = rows(connection, COUNTED_AT)
    connection.execute({
        "DETACH": b"ALTER TABLE t.pt DETACH PARTITION t.pt_4",
        "DETACH CONCURRENTLY": b"ALTER TABLE t.pt DETACH PARTITION t.pt_4 CONCURRENTLY",
        "DROP": b"DROP TABLE t.pt_4",
        "TRUNCATE": b"TRUNCATE t.pt_4",
    }[way])  # fmt: skip
    tick(connection)
    assert counted(connection) == {"2026-03-05": 50}
    assert not is_open(connection)
    # Nothing else was read.
    if writes == "bulk":
        assert rows(connection, COUNTED_AT)[:1] == counted_at[:1]
    assert rows(connection, "SELECT count(*) FROM pgslo_catalog.due_count") == [(0,)]


def test_children_by_inheritance_such_as_chunks(connection: Connection, apply: Apply, writes: str) -> None:
    """Their CHECK constraints have the form that TimescaleDB gives its chunks."""
    connection.execute("CREATE SCHEMA t; CREATE TABLE t.pt (id bigint, day date NOT NULL, age int)")
    for day in range(1, 5):
        connection.execute(
            f"""CREATE TABLE t.chunk_{day} (CHECK (day >= date '2026-01-0{day}' AND day < date '2026-01-0{day + 1}'))
                INHERITS (t.pt)"""
        )
    apply(DEFINITION.format(writes=writes))
    for day in range(1, 5):
        # As an extension that routes rows itself: the triggers of the parent see them.
        insert(connection, f"2026-01-0{day}", age=-1 if day == 1 else 5)
        with connection.transaction():
            connection.execute("SET LOCAL session_replication_role = replica")
            connection.execute(
                f"WITH m AS (DELETE FROM ONLY t.pt RETURNING *) INSERT INTO t.chunk_{day} SELECT * FROM m"
            )
        tick(connection)
    connection.execute("SELECT pgslo.close_batch('t.pt')")
    assert counted(connection) == in_table(connection)
    assert len(counted(connection)) == 4
    assert rows(
        connection,
        "SELECT count(*) FROM pgslo_catalog.known_part WHERE upper(places) - lower(places) = 86400",
    ) == [(4,)]
    connection.execute(
        "UPDATE pgslo_catalog.incident SET over_at = NULL, resolved_at = NULL, resolution = NULL"
    )
    connection.execute("DROP TABLE t.chunk_1")
    connection.execute("TRUNCATE t.chunk_2")
    connection.execute("ALTER TABLE t.chunk_3 NO INHERIT t.pt")
    tick(connection)
    assert counted(connection) == in_table(connection) == {"2026-01-04": 50}
    assert not is_open(connection)


def test_a_partition_that_was_made_and_loaded_is_not_read_again(connection: Connection, apply: Apply) -> None:
    connection.execute(
        "CREATE SCHEMA t; CREATE TABLE t.pt (id bigint, day date, age int) PARTITION BY RANGE (day)"
    )
    add_partition(connection, 3)
    apply(DEFINITION.format(writes="bulk"))
    insert(connection, "2026-03-05")
    add_partition(connection, 4)
    insert(connection, "2026-04-01", age=-1)
    tick(connection)
    assert counted(connection) == {"2026-03-05": 50, "2026-04-01": 50}
    assert rows(connection, COUNTED_AT) == [("2026-03-05", None), ("2026-04-01", None)]
    assert is_open(connection)
    # Neither is one that is loaded again after TRUNCATE of the whole table.
    connection.execute(
        "TRUNCATE t.pt; INSERT INTO t.pt SELECT i, '2026-04-01', 5 FROM generate_series(1, 60) i"
    )
    tick(connection)
    assert counted(connection) == {"2026-04-01": 60}
    assert rows(connection, COUNTED_AT) == [("2026-04-01", None)]
    assert not is_open(connection)


def test_bounds_say_which_batches_a_partition_may_have(connection: Connection, apply: Apply) -> None:
    connection.execute(
        """CREATE SCHEMA t;
           CREATE TABLE t.pt (id bigint, day timestamptz, country text, age int) PARTITION BY LIST (country);
           CREATE TABLE t.de PARTITION OF t.pt FOR VALUES IN ('de') PARTITION BY RANGE (day);
           CREATE TABLE t.de_1 PARTITION OF t.de FOR VALUES FROM ('2026-03-01 00:00+00') TO ('2026-03-03 12:00+00');
           CREATE TABLE t.de_2 PARTITION OF t.de FOR VALUES FROM ('2026-03-03 12:00+00') TO (MAXVALUE);
           CREATE TABLE t.de_rest PARTITION OF t.de DEFAULT;
           CREATE TABLE t.fr PARTITION OF t.pt FOR VALUES IN ('fr', '(day >= ''2020-01-01''::date)');
           CREATE TABLE t.rest PARTITION OF t.pt DEFAULT"""
    )
    apply(DEFINITION.format(writes="bulk").replace("{by: day}", "{by: day, every: 1 day}"))
    assert rows(
        connection,
        """SELECT number::regclass::text, to_timestamp(lower(places))::date - '2026-03-01',
                  to_timestamp(upper(places))::date - '2026-03-01', upper_inc(places)
           FROM pgslo_catalog.known_part ORDER BY number::regclass::text COLLATE "C" """,
    ) == [
        ("t.de_1", 0, 2, True),
        ("t.de_2", 2, None, False),
        ("t.de_rest", None, None, False),
        ("t.fr", None, None, False),
        ("t.pt", None, None, False),
        ("t.rest", None, None, False),
    ]
    write = "INSERT INTO t.pt SELECT i, '2026-03-{}', '{}', {} FROM generate_series(1, 50) i"
    for day, country, age in ("02", "de", 1), ("02", "fr", 1), ("04", "fr", -1), ("05", "fr", 1):
        connection.execute(write.format(day, country, age).encode())
    tick(connection)
    two, four, five = (f"2026-03-0{day}T00:00:00+00:00" for day in (2, 4, 5))
    assert counted(connection) == {two: 100, four: 50, five: 50}
    connection.execute("DROP TABLE t.de_1")
    tick(connection)
    assert counted(connection) == {two: 50, four: 50, five: 50}
    connection.execute("ALTER TABLE t.pt DETACH PARTITION t.fr")
    tick(connection)
    assert counted(connection) == {}
    assert not is_open(connection)


def test_rows_that_came_or_left_are_no_unseen_rows(connection: Connection, apply: Apply) -> None:
    connection.execute(
        "CREATE SCHEMA t; CREATE TABLE t.pt (id bigint, day date, age int) PARTITION BY RANGE (day)"
    )
    for month in (3, 4, 5):
        add_partition(connection, month)
    apply(DEFINITION.format(writes="bulk"))
    for month in (3, 4, 5):
        insert(connection, f"2026-0{month}-05")
    connection.execute("CREATE TABLE t.filled (LIKE t.pt)")
    insert(connection, "2026-06-05", table="t.filled")
    tick(connection)
    until(connection, "SELECT sum(n_tup_ins) FROM pg_stat_user_tables WHERE schemaname = 't'", 200)

    def recorded() -> list[tuple[Any, ...]]:
        return rows(
            connection,
            """SELECT a.rows_emptied + (SELECT sum(f.rows) FROM pgslo_catalog.fragment f WHERE f.written_at >= a.applied_at)
               FROM pgslo_catalog.applied a""",
        )

    assert recorded() == [(150,)]
    connection.execute("TRUNCATE t.pt_4")
    tick(connection)
    assert recorded() == [(150,)]
    connection.execute("DROP TABLE t.pt_3")
    tick(connection)
    assert recorded() == [(100,)]
    connection.execute(
        "ALTER TABLE t.pt ATTACH PARTITION t.filled FOR VALUES FROM ('2026-06-01') TO ('2026-07-01')"
    )
    tick(connection)
    assert recorded() == [(150,)]
    assert [one.what for one in operations.find_drift(connection) if one.what != "unarmed"] == []


def test_failing_rows_alone_are_counted(connection: Connection, apply: Apply) -> None:
    connection.execute(
        "CREATE SCHEMA t; CREATE TABLE t.pt (id bigint, day date, age int) PARTITION BY RANGE (day)"
    )
    for month in (3, 4):
        add_partition(connection, month)
    apply(
        "{table: t.pt, owner: me, key: [id], writes: bulk, batch: {by: day}, watch: false,"
        " columns: {age: [range: {min: 0, on_breach: flag, name: r_flag}]}}"
    )
    insert(connection, "2026-03-05")
    insert(connection, "2026-04-05", age=-1)
    tick(connection)
    assert is_open(connection)
    connection.execute("ALTER TABLE t.pt DETACH PARTITION t.pt_4")
    tick(connection)
    assert counted(connection) == {"2026-03-05": 50}
    assert not is_open(connection)
    connection.execute(
        "ALTER TABLE t.pt ATTACH PARTITION t.pt_4 FOR VALUES FROM ('2026-04-01') TO ('2026-05-01')"
    )
    tick(connection)
    assert counted(connection) == in_table(connection)
    assert is_open(connection)


def test_batches_that_are_named_by_a_hash(connection: Connection, apply: Apply) -> None:
    connection.execute(
        """CREATE SCHEMA t;
           CREATE TABLE t.pt (id bigint, day text, age int) PARTITION BY LIST (day);
           CREATE TABLE t.a PARTITION OF t.pt FOR VALUES IN ('a');
           CREATE TABLE t.b PARTITION OF t.pt FOR VALUES IN ('b')"""
    )
    apply(DEFINITION.format(writes="bulk"))
    insert(connection, "a")
    insert(connection, "b", age=-1)
    tick(connection)
    assert sorted(counted(connection).values()) == [50, 50]
    connection.execute("DROP TABLE t.b; CREATE TABLE t.c (LIKE t.pt)")
    insert(connection, "c", age=-1, last=70, table="t.c")
    tick(connection)
    assert list(counted(connection).values()) == [50]
    assert not is_open(connection)
    connection.execute("ALTER TABLE t.pt ATTACH PARTITION t.c FOR VALUES IN ('c')")
    tick(connection)
    assert sorted(counted(connection).values()) == [50, 70]
    assert is_open(connection)


@pytest.mark.slow
def test_the_newest_batches_are_counted_first(connection: Connection, apply: Apply) -> None:
    connection.execute(PARTITIONED)
    apply(DEFINITION.format(writes="bulk"))
    connection.execute("CREATE TABLE t.filled (LIKE t.pt INCLUDING ALL)")
    connection.execute(
        """INSERT INTO t.filled SELECT i, date '2026-03-01' + i % 20, CASE WHEN i % 20 < 2 THEN -1 ELSE 5 END
           FROM generate_series(1, 400000) i"""
    )
    connection.execute(
        "ALTER TABLE t.pt ATTACH PARTITION t.filled FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')"
    )
    # As by a tick whose time is over after the first batch.
    connection.execute(
        "SELECT pgslo_catalog.follow_parts(d, clock_timestamp()) FROM pgslo_catalog.definition d"
    )
    assert counted(connection) == {"2026-03-20": 20000}
    assert rows(connection, "SELECT count(*) FROM pgslo_catalog.due_count") == [(19,)]
    assert rows(connection, "SELECT batch FROM pgslo_catalog.rule_break") == [("2026-03-20",)]
    left = "SELECT batch FROM pgslo_catalog.due_count UNION ALL SELECT batch FROM pgslo_catalog.rule_break"
    for _ in range(30):
        tick(connection)
        if not rows(connection, left):
            break
    assert counted(connection) == in_table(connection)
    assert rows(connection, "SELECT over_at FROM pgslo.incident WHERE rule = 'r_flag'")


def test_a_count_makes_no_batch_newer(connection: Connection, apply: Apply) -> None:
    """Nor does a batch that was emptied resolve the incident of an earlier one."""
    connection.execute(
        """CREATE SCHEMA t;
           CREATE TABLE t.pt (id bigint, day date, age int) PARTITION BY HASH (id);
           CREATE TABLE t.a PARTITION OF t.pt FOR VALUES WITH (MODULUS 2, REMAINDER 0);
           CREATE TABLE t.b PARTITION OF t.pt FOR VALUES WITH (MODULUS 2, REMAINDER 1)"""
    )
    apply(DEFINITION.format(writes="bulk"))
    in_part = "INSERT INTO t.pt SELECT i, '{}', {} FROM generate_series(1, {}) i WHERE satisfies_hash_partition('t.pt'::regclass, 2, {}, i::bigint)"
    connection.execute(in_part.format("2026-03-06", 5, 200, 1).encode())
    connection.execute(in_part.format("2026-03-05", -1, 50, 0).encode())
    tick(connection)
    assert len(counted(connection)) == 2
    assert is_open(connection)
    newest = "SELECT max(written_at) FROM pgslo_catalog.fragment WHERE rows > 0"
    written = rows(connection, newest)
    connection.execute("TRUNCATE t.b")
    tick(connection)
    assert counted(connection) == in_table(connection)
    assert list(counted(connection)) == ["2026-03-05"]
    assert rows(connection, newest) == written
    assert is_open(connection)


def test_a_first_batch_of_many_rows_is_sampled(connection: Connection, apply: Apply, writes: str) -> None:
    """No larger batch is known from which the share of its sample could be taken."""
    connection.execute(PARTITIONED.encode())
    apply(DEFINITION.format(writes=writes))
    connection.execute(
        "CREATE TABLE t.loaded AS SELECT i::bigint AS id, date '2026-01-01' AS day, i % 90 AS age FROM generate_series(1, 20000) AS i"
    )
    connection.execute("ALTER TABLE t.loaded ALTER day SET NOT NULL, ALTER id SET NOT NULL")
    connection.execute(
        "ALTER TABLE t.pt ATTACH PARTITION t.loaded FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')"
    )
    tick(connection)
    tick(connection)
    assert counted(connection) == {"2026-01-01": 20000}
    largest = "SELECT max(level), max(cardinality(sample)) FROM pgslo_catalog.fragment"
    ((level, values),) = rows(connection, largest)
    # Each sampled row has a hash and two values: a sixteenth of the rows, not all of them.
    assert level == 4
    assert values < 20000 / 16 * 3 * 1.5
