"""Each form, as its golden makes it: satisfying rows pass, violating ones are refused at COMMIT and reported by group and row."""

from __future__ import annotations

from pathlib import Path

import pglast
import psycopg
import pytest

from pgslo.definition.rules.kinds.assertions import ASSERTIONS

GOLDEN = Path(__file__).parents[2] / "golden"

#: By form: statements that each keep it in turn, and a transaction that breaks it with what its error says.
CASES = {
    "all_equal": (
        [
            "INSERT INTO features.staff VALUES (1, 'Joe', 'a', 100), (2, 'Fred', 'b', 100), (3, 'Ann', 'a', 300), (4, 'Joe', 'c', NULL)",
            "BEGIN; UPDATE features.staff SET salary = 200 WHERE id = 1; UPDATE features.staff SET salary = 200 WHERE id = 2; COMMIT",
            "UPDATE features.staff SET salary = 1 WHERE id = 3",
        ],
        "UPDATE features.staff SET salary = 300 WHERE id = 2",
        "Column salary has 2 different values, among them 200, 300, in rows",
    ),
    "at_most_one": (
        [
            "INSERT INTO features.staff (id, name, team, is_lead) VALUES (1, 'Joe', 'a', true), (2, 'Fred', 'b', true), (3, 'Ann', 'a', false)",
            "DELETE FROM features.staff WHERE id = 1",
            "UPDATE features.staff SET is_lead = true WHERE id = 3",
        ],
        "INSERT INTO features.staff (id, name, team, is_lead) VALUES (4, 'Eve', 'a', true)",
        "Key (team)=(a) already exists.",
    ),
    "exactly_one": (
        [
            "INSERT INTO features.staff (id, name, team, is_lead) VALUES (1, 'Joe', 'a', true), (2, 'Fred', 'a', false)",
            "UPDATE features.staff SET is_lead = NOT is_lead",
            "BEGIN; UPDATE features.staff SET is_lead = false WHERE id = 2; UPDATE features.staff SET is_lead = true WHERE id = 1; COMMIT",
            "DELETE FROM features.staff",
            "INSERT INTO features.staff (id, name, team, is_lead) VALUES (1, 'Joe', 'a', true), (2, 'Fred', 'a', false)",
        ],
        "DELETE FROM features.staff WHERE id = 1",
        "Group (team) = (a): no row where there has to be one",
    ),
    "count": (
        [
            "INSERT INTO features.staff (id, name, team, salary) VALUES (1, 'Joe', 'a', 1), (2, 'Fred', 'a', 1), (3, 'Ann', 'a', 1), (4, 'Eve', 'a', 0)",
            "UPDATE features.staff SET team = 'b' WHERE id = 3",
            "DELETE FROM features.staff WHERE id = 2",
        ],
        "UPDATE features.staff SET salary = 0 WHERE id = 1",
        "Group (team) = (a): 0 rows where there have to be between 1 and 3",
    ),
    "adds_up_to": (
        [
            "INSERT INTO features.staff (id, name, team, share) VALUES (1, 'Joe', 'a', 0.5), (2, 'Fred', 'a', 0.5), (3, 'Ann', 'b', 1), (4, 'Eve', 'b', NULL)",
            "BEGIN; UPDATE features.staff SET share = 0.3 WHERE id = 1; UPDATE features.staff SET share = 0.7005 WHERE id = 2; COMMIT",
            "DELETE FROM features.staff WHERE team = 'b'",
            "BEGIN; SAVEPOINT s; UPDATE features.staff SET share = 9; ROLLBACK TO s; INSERT INTO features.staff (id, name, team, share) VALUES (9, 'Bob', 'c', 1); COMMIT",
        ],
        "UPDATE features.staff SET share = 0.4 WHERE id = 1",
        "Group (team) = (a): column share adds up to 1.101 and not to 1 (within 0.001), in rows",
    ),
    "exists_for_each": (
        [
            "BEGIN; INSERT INTO features.team VALUES ('a', 1), ('b', 1); INSERT INTO features.staff (id, name, team) VALUES (1, 'Joe', 'a'), (2, 'Fred', 'b'); COMMIT",
            "INSERT INTO features.team VALUES ('c', 1, false)",
            "BEGIN; DELETE FROM features.staff WHERE id = 1; INSERT INTO features.staff (id, name, team) VALUES (3, 'Ann', 'a'); COMMIT",
        ],
        "UPDATE features.team SET is_open = true WHERE team = 'c'",
        "Group (team) = (c): features.team has such a row, and features.staff has none for it",
    ),
    "none_without": (
        [
            "INSERT INTO features.team VALUES ('a', 1), ('a', 2), ('b', 1)",
            "INSERT INTO features.staff (id, name, team) VALUES (1, 'Joe', 'a')",
            "DELETE FROM features.team WHERE budget = 2",
            "DELETE FROM features.team WHERE team = 'b'",
        ],
        "DELETE FROM features.team",
        "Group (team) = (a): features.team has no row for (team) = (a), needed by (id) = (1)",
    ),
    "no_overlap": (
        [
            "INSERT INTO features.staff (id, name, team, since, until) VALUES (1, 'Joe', 'a', '2026-01-01', '2026-02-01'), (2, 'Joe', 'a', '2026-02-01', NULL), (3, 'Ann', 'b', '2026-01-15', NULL)",
            "BEGIN; UPDATE features.staff SET until = '2026-03-01' WHERE id = 1; UPDATE features.staff SET since = '2026-03-01' WHERE id = 2; COMMIT",
            "INSERT INTO features.staff (id, name, team, since, until) VALUES (4, 'Joe', 'a', '2026-01-05', '2026-01-05')",
        ],
        "INSERT INTO features.staff (id, name, team, since, until) VALUES (5, 'Joe', 'a', '2026-04-01', '2026-05-01')",
        "Group (team) = (a): 1 spans begin before an earlier one ends, among them row (id) = (5)",
    ),
    "monotonic": (
        [
            "INSERT INTO features.staff (id, name, team, since, version) VALUES (1, 'm', 'a', '2026-01-01', 1), (2, 'm', 'a', '2026-01-03', 3), (3, 'm', 'b', '2026-01-01', 9)",
            "INSERT INTO features.staff (id, name, team, since, version) VALUES (4, 'm', 'a', '2026-01-02', 2), (5, 'm', 'a', '2026-01-04', NULL)",
            "DELETE FROM features.staff WHERE id = 4",
        ],
        "UPDATE features.staff SET version = 3 WHERE id = 1",
        "Group (team) = (a): column version is out of order in 1 rows, among them row (id) = (2)",
    ),
    "same_as": (
        [
            "INSERT INTO features.team VALUES ('a', 1), ('b', NULL)",
            "INSERT INTO features.staff (id, name, team, salary) VALUES (1, 'Joe', 'a', 1), (2, 'Ann', 'b', NULL), (3, 'Eve', 'c', 7)",
            "BEGIN; UPDATE features.team SET budget = 2 WHERE team = 'a'; UPDATE features.staff SET salary = 2 WHERE team = 'a'; COMMIT",
        ],
        "INSERT INTO features.team VALUES ('c', 8)",
        "row (id) = (3) differs from features.team: salary is 7 here and 8 there",
    ),
    "sql": (
        [
            "INSERT INTO features.team VALUES ('a', 100), ('b', 50)",
            "INSERT INTO features.staff (id, name, team, salary) VALUES (1, 'Joe', 'a', 60), (2, 'Ann', 'a', 40)",
            "BEGIN; UPDATE features.staff SET salary = 100 WHERE id = 1; UPDATE features.team SET budget = 150 WHERE team = 'a'; COMMIT",
        ],
        "UPDATE features.team SET budget = 139 WHERE team = 'a'",
        "Group (team) = (a): the query returns (a,140)",
    ),
}


@pytest.fixture(params=sorted(ASSERTIONS))
def form(request):
    return request.param


@pytest.fixture
def guarded(form, make_database):
    with make_database() as dsn, psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute((GOLDEN / "given" / "tables.sql").read_bytes())
        for statement in pglast.split((GOLDEN / "assertions" / f"{form}.sql").read_text()):
            conn.execute(statement.encode(), prepare=False)
        yield conn


def run(conn, transaction):
    try:
        for statement in transaction.split("; "):
            conn.execute(statement.encode())
    except psycopg.Error:
        conn.execute("ROLLBACK")
        raise


def test_what_keeps_it_passes_and_what_breaks_it_does_not(form, guarded):
    keeping, breaking, said = CASES[form]
    for transaction in keeping:
        run(guarded, transaction)
    assert guarded.execute("SELECT * FROM pgslo.audit()").fetchall() == []
    before = snapshot(guarded)
    if form == "same_as":  # its golden warns: two tables that are loaded one after the other
        notices = []
        guarded.add_notice_handler(lambda notice: notices.append((notice.sqlstate, notice.constraint_name)))
        run(guarded, breaking)
        assert notices == [("01SL1", "salary_is_the_budget")]
        assert [row[3] for row in guarded.execute("SELECT * FROM pgslo.audit()").fetchall()] == [said]
        return
    with pytest.raises(psycopg.IntegrityError) as caught:
        run(guarded, breaking)
    assert said in caught.value.diag.message_detail
    assert snapshot(guarded) == before
    assert guarded.execute("SELECT count(*) FROM pgslo_catalog.touched").fetchone() == (0,)
    if form != "at_most_one":
        name = guarded.execute("SELECT assertion FROM pgslo.assertion").fetchone()[0]
        diag = caught.value.diag
        assert (diag.sqlstate, diag.schema_name, diag.table_name, diag.constraint_name) == (
            "23514",
            "features",
            "staff",
            name,
        )
        assert "people" in diag.message_hint


def test_truncate_is_a_write(form, guarded):
    """It violates the forms that require a row, and no others."""
    for transaction in CASES[form][0]:
        run(guarded, transaction)
    breaks = {"exists_for_each": "features.staff", "none_without": "features.team"}
    for table in ("features.staff", "features.team"):
        if breaks.get(form) == table:
            with pytest.raises(psycopg.errors.CheckViolation):
                guarded.execute(f"TRUNCATE {table}".encode())
        else:
            with guarded.transaction(force_rollback=True):
                guarded.execute(f"TRUNCATE {table}".encode())
                guarded.execute("SET CONSTRAINTS ALL IMMEDIATE")


def snapshot(conn):
    return (
        conn.execute("SELECT * FROM features.staff ORDER BY id").fetchall(),
        conn.execute("SELECT * FROM features.team ORDER BY team, budget").fetchall(),
    )
