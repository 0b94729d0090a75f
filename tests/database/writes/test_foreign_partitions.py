"""A partition that is a foreign table: rules about all rows of a statement would make each write fail, and are refused."""

from __future__ import annotations

import textwrap
from typing import Any

import psycopg
import pytest
from psycopg import sql

from pgslo import definition
from pgslo.database import installation, planning
from pgslo.errors import DefinitionErrors

Connection = psycopg.Connection[Any]

TABLES = """
CREATE SCHEMA feat;
CREATE TABLE feat.t (id bigint NOT NULL, day date NOT NULL, region text NOT NULL, a float8, b float8) PARTITION BY LIST (region);
CREATE TABLE feat.t_us PARTITION OF feat.t FOR VALUES IN ('us');
CREATE INDEX ON feat.t (day);
CREATE TABLE feat.elsewhere (LIKE feat.t);
CREATE EXTENSION postgres_fdw;
"""
HEAD = """
table: feat.t
owner: sam
key: [id, day, region]
batch: {by: day}
"""
ROWS = """
writes: stream
watch: false
columns:
  a: [range: {min: 0, on_breach: reject, name: r_rej}]
  b: [range: {min: 0, on_breach: quarantine, name: r_q}]
"""


def refused(conn: Connection, text: str) -> str:
    with pytest.raises(DefinitionErrors) as caught:
        planning.plan_definitions(conn, [load(text)])
    return str(caught.value)


def load(text: str) -> definition.Definition:
    return definition.load(textwrap.dedent(text), path="slos/t.yml")


def foreign(conn: Connection, statement: str) -> None:
    """Make a foreign table that shows what feat.elsewhere of the same database holds."""
    conn.execute(
        sql.SQL(
            "CREATE SERVER IF NOT EXISTS here FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host {}, port {}, dbname {})"
        ).format(conn.info.host, str(conn.info.port), conn.info.dbname)
    )
    conn.execute(
        sql.SQL(
            "CREATE USER MAPPING IF NOT EXISTS FOR CURRENT_USER SERVER here OPTIONS (user {}, password {})"
        ).format(conn.info.user, conn.info.password)
    )
    conn.execute(f"{statement} SERVER here OPTIONS (schema_name 'feat', table_name 'elsewhere')".encode())


@pytest.fixture
def partitioned(connection: Connection) -> Connection:
    connection.execute(TABLES)
    foreign(connection, "CREATE FOREIGN TABLE feat.t_eu PARTITION OF feat.t FOR VALUES IN ('eu')")
    return connection


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("writes: bulk\ncolumns: {a: [range: {min: 0, on_breach: warn}]}", "declare writes: stream"),
        ("writes: stream\ncolumns: {a: [not_null: {at_least: 0.9}]}", "leave out the rules over batches"),
        (
            "writes: stream\nassertions: [even: {all_equal: a, group_by: day, on_breach: flag}]",
            "leave out the rules over batches",
        ),
    ],
    ids=["bulk", "share", "assertion"],
)
def test_rules_about_all_rows_of_a_statement_are_refused(
    partitioned: Connection, text: str, hint: str
) -> None:
    said = refused(partitioned, HEAD + text)
    assert "feat.t_eu is a foreign table below feat.t" in said
    assert "every write to the table would fail" in said
    assert hint in said
    assert "slos/t.yml:2:8" in said


def test_one_that_is_an_inheritance_child_is_refused_as_well(connection: Connection) -> None:
    connection.execute(TABLES)
    connection.execute("CREATE TABLE feat.whole (LIKE feat.t)")
    foreign(connection, "CREATE FOREIGN TABLE feat.part () INHERITS (feat.whole)")
    said = refused(
        connection,
        HEAD.replace("feat.t", "feat.whole")
        + "writes: bulk\ncolumns: {a: [range: {min: 0, on_breach: warn}]}",
    )
    assert "feat.part is a foreign table below feat.whole" in said


def test_rules_about_single_rows_hold_in_foreign_partitions(partitioned: Connection) -> None:
    plan = planning.plan_definitions(partitioned, [load(HEAD + ROWS)])
    installation.apply(partitioned, plan, lambda: planning.plan_definitions(partitioned, [load(HEAD + ROWS)]))
    for region in ("us", "eu"):
        with pytest.raises(psycopg.errors.CheckViolation):
            partitioned.execute("INSERT INTO feat.t VALUES (1, '2026-11-29', %s, -1, 1)", (region,))
        partitioned.execute(
            "INSERT INTO feat.t VALUES (2, '2026-11-29', %s, 1, -1), (3, '2026-11-29', %s, 1, 1)",
            (region, region),
        )
    assert partitioned.execute("SELECT region, id FROM feat.t ORDER BY region").fetchall() == [
        ("eu", 3),
        ("us", 3),
    ]
    assert partitioned.execute("SELECT count(*) FROM pgslo.quarantine").fetchone() == (2,)
    with pytest.raises(psycopg.errors.CheckViolation):
        partitioned.execute("INSERT INTO feat.t_eu VALUES (4, '2026-11-29', 'eu', -1, 1)")
    # On its own server nothing of pgslo's is there.
    partitioned.execute("INSERT INTO feat.elsewhere VALUES (5, '2026-11-29', 'eu', -1, 1)")


def test_labels_in_a_table_with_a_foreign_partition_are_refused(partitioned: Connection) -> None:
    partitioned.execute(
        """
        CREATE TABLE feat.guess (id bigint PRIMARY KEY, day date NOT NULL, score float8, made timestamptz);
        CREATE INDEX ON feat.guess (day);
        CREATE INDEX ON feat.t (id)
        """
    )
    said = refused(
        partitioned,
        """
        table: feat.guess
        kind: predictions
        owner: sam
        writes: bulk
        watch: false
        batch: {by: day}
        predictions: {score: score, at: made}
        labels: {table: feat.t, on: [id], label: a, at: day, maturity: 1 day}
        rules: [off: {ml_metric: {of: mae, max: 1}}]
        """,
    )
    assert "feat.t_eu is a foreign table below feat.t" in said
    assert "leave out the rules over batches, groups, shares and labels" in said


@pytest.mark.parametrize("size", [1, 3, 100])
def test_rows_that_another_server_sends_in_batches(connection: Connection, size: int) -> None:
    """Of those that are diverted, neither a count nor RETURNING says anything."""
    if size > 1 and connection.info.server_version < 140000:
        pytest.skip("PostgreSQL 14 brought batch_size")
    connection.execute(
        """CREATE SCHEMA feat; CREATE EXTENSION postgres_fdw;
           CREATE TABLE feat.elsewhere (id int PRIMARY KEY, day date, a int)"""
    )
    text = """
        table: feat.elsewhere
        owner: sam
        batch: {by: day}
        watch: false
        columns: {a: [range: {max: 9, on_breach: quarantine}]}
    """
    installation.apply(
        connection,
        made := planning.plan_definitions(connection, [load(text)]),
        lambda: made,
    )
    foreign(connection, "CREATE FOREIGN TABLE feat.sent (id int, day date, a int)")
    connection.execute(f"ALTER SERVER here OPTIONS (ADD batch_size '{size}')".encode())
    insert = "INSERT INTO feat.sent SELECT n, '2026-01-01', CASE WHEN n % 2 = 0 THEN 99 ELSE n % 10 END FROM generate_series({}, {}) n"
    sent = connection.execute(insert.format(1, 10).encode())
    assert sent.rowcount == 5
    returned = connection.execute(f"{insert.format(11, 20)} RETURNING id".encode()).fetchall()
    assert [one for (one,) in returned] == [11, 13, 15, 17, 19]
    counts = "SELECT (SELECT count(*) FROM feat.elsewhere), (SELECT count(*) FROM pgslo.quarantine)"
    assert connection.execute(counts.encode()).fetchone() == (10, 10)
