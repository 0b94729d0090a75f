"""Reads that were tried and gained nothing: checks of PL/pgSQL, operators that are leaky, statistics of the planner."""

from __future__ import annotations

import psycopg
import pytest

DEFINITION = """
table: features.ex
key: [id]
writes: bulk
batch: {by: day}
columns: {a: [range: {min: 0, max: 100, on_breach: flag, name: soft}]}
readers: [$reader, $mallory]
tasks: {t1: {contact: "#x", reads: [a], view: serving.t1, on_read: refuse}}
"""
#: An operator of mallory's that notes each value which it is given.
LEAKY = """
CREATE TABLE evil.seen (a int);
CREATE FUNCTION evil.leak(int, int) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$BEGIN
    INSERT INTO evil.seen VALUES ($1); RETURN true;
END$$;
CREATE OPERATOR evil.<<< (FUNCTION = evil.leak, LEFTARG = int, RIGHTARG = int, RESTRICT = scalarltsel);
"""


@pytest.fixture
def ex(world):
    world.run("installer", "CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int)")
    world.run("superuser", "CREATE SCHEMA serving AUTHORIZATION $installer")
    world.apply(DEFINITION)
    world.run(
        "installer", "INSERT INTO features.ex SELECT n, '2026-01-01', n FROM generate_series(90, 110) n"
    )
    world.run("installer", "ANALYZE features.ex")
    return world


@pytest.mark.parametrize("setting", ["plpgsql.extra_errors", "plpgsql.extra_warnings"])
def test_checks_of_plpgsql_silence_no_reader(ex, setting):
    session = ex.session("reader")
    said: list[str] = []
    session.add_notice_handler(lambda one: said.append(one.message_primary))
    session.execute(f"SET {setting} = 'all'".encode())
    assert session.execute("SELECT count(a) FROM guarded.ex").fetchone() == (21,)
    assert len(said) == 1
    assert "soft" in said[0]
    for refusing in ("guarded.ex_strict", "serving.t1"):
        with pytest.raises(psycopg.errors.DatabaseError) as refused:
            session.execute(f"SELECT count(a) FROM {refusing}".encode())
        assert "soft" in str(refused.value)


def test_a_view_that_refuses_gives_no_row_to_a_leaky_operator(ex):
    """The guard is a one-time filter, which is decided before the first row is read."""
    ex.run("mallory", LEAKY)
    session = ex.session("mallory")
    for refusing in ("guarded.ex_strict", "serving.t1"):
        with pytest.raises(psycopg.errors.DatabaseError, match="soft"):
            session.execute(f"SELECT count(a) FROM {refusing} WHERE a OPERATOR(evil.<<<) 1".encode())
        plan = session.execute(f"EXPLAIN SELECT a FROM {refusing}".encode()).fetchall()
        assert any("One-Time Filter" in line for (line,) in plan), plan
    assert session.execute("SELECT count(*) FROM evil.seen").fetchone() == (0,)
    # Where the view answers, the operator gets the rows that its caller may read.
    session.execute("SELECT count(a) FROM guarded.ex WHERE a OPERATOR(evil.<<<) 1")
    assert session.execute("SELECT count(*) FROM evil.seen").fetchone() == (21,)


def test_statistics_of_the_planner_are_for_roles_that_may_read_the_table(ex):
    shown = "SELECT histogram_bounds IS NOT NULL OR most_common_vals IS NOT NULL FROM pg_stats WHERE tablename = 'ex' AND attname = 'a'"
    assert ex.run("installer", shown) == [(True,)]
    assert ex.run("reader", shown) == []
    assert ex.run("mallory", shown) == []
