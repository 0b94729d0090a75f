"""Property: whatever one statement makes a query return, its table, event, columns and groups were derived.

Random small tables, random single statements, and queries of every shape that is analysed. After each statement the
query is run; a group that it did not return before has to be among those the derivation says the statement touched.
"""

from __future__ import annotations

import os
import random

import psycopg
import pytest

from pgslo.errors import Location
from pgslo.expression import Facts, derive, parse_query

CASES = max(60, int(os.environ.get("PGSLO_FUZZ_CASES", "0")))
SEED = int(os.environ.get("PGSLO_FUZZ_SEED", "18"))
A, B = ("m", "a"), ("m", "b")
FACTS = {
    A: Facts(("id", "k", "v"), frozenset({"id", "k"})),
    B: Facts(("id", "k", "w"), frozenset({"id", "k"})),
}

FROM = [
    "m.a a",
    "m.a a JOIN m.b b ON b.k = a.k",
    "m.a a LEFT JOIN m.b b ON b.k = a.k",
    "m.a a JOIN m.a c ON c.k = a.k",
]
CONDITIONS = [
    "a.v > 1",
    "a.v IS NULL",
    "NOT EXISTS (SELECT 1 FROM m.b x WHERE x.k = a.k)",
    "EXISTS (SELECT 1 FROM m.b x WHERE x.k = a.k AND x.w > 1)",
    "NOT (a.v > 2 OR EXISTS (SELECT 1 FROM m.b x WHERE x.k = a.k AND x.w = a.v))",
    "a.k IN (SELECT x.k FROM m.b x WHERE x.w > 0)",
    "a.v > (SELECT sum(x.w) FROM m.b x WHERE x.k = a.k)",
    "(SELECT count(*) FROM m.b x WHERE x.k = a.k) < 2",
]
TAILS = ["", "", "", " GROUP BY a.k HAVING count(*) > 1", " GROUP BY a.k HAVING sum(a.v) < 3"]


def query(rng):
    source = rng.choice(FROM)
    conditions = rng.sample(CONDITIONS, rng.randint(0, 2))
    if "LEFT" in source and rng.random() < 0.7:
        conditions.append("b.k IS NULL")
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT a.k FROM {source}{where}{rng.choice(TAILS)}"


def statement(rng):
    """A statement, its table and event."""
    table, value = rng.choice([(A, "v"), (B, "w")])
    name, id_ = ".".join(table), rng.randint(1, 8)
    number = rng.choice(["NULL", *map(str, range(4))])
    return rng.choice(
        [
            (
                f"INSERT INTO {name} VALUES ({id_}, {rng.randint(1, 3)}, {number}) ON CONFLICT DO NOTHING",
                table,
                "INSERT",
                None,
            ),
            (f"UPDATE {name} SET {value} = {number} WHERE id < {id_}", table, "UPDATE", {value}),
            (f"UPDATE {name} SET k = {rng.randint(1, 3)} WHERE id = {id_}", table, "UPDATE", {"k"}),
            (f"DELETE FROM {name} WHERE id > {id_}", table, "DELETE", None),
            (f"TRUNCATE {name}", table, "TRUNCATE", None),
        ]
    )


@pytest.mark.parametrize("case", range(CASES))
def test_what_a_statement_makes_it_return_was_derived(session, case):
    rng = random.Random(f"{SEED} {case}")
    session.run("CREATE SCHEMA m")
    session.run("CREATE TABLE m.a (id int PRIMARY KEY, k int NOT NULL, v int)")
    session.run("CREATE TABLE m.b (id int PRIMARY KEY, k int NOT NULL, w int)")
    text = query(rng)
    sources = {
        one.table: one
        for one in derive(parse_query(text, location=Location("x", 1, 1)), FACTS, group_by=("k",))
    }
    for _ in range(12):
        before = set(session.values(text))
        changed, table, event, columns = statement(rng)
        old = session.run(f"SELECT * FROM {'.'.join(table)}").rows
        session.run(changed)
        new = session.run(f"SELECT * FROM {'.'.join(table)}").rows
        fresh = set(session.values(text)) - before
        if not fresh:
            continue
        assert table in sources, f"{text}; {changed}"
        source = sources[table]
        assert event in source.events, f"{text}; {changed}; {source}"
        if columns:
            assert columns & set(source.columns), f"{text}; {changed}; {source}"
        if event == "TRUNCATE":
            continue
        names = FACTS[table].columns
        moved = set(old) ^ set(new)
        touched = {row[names.index(key[0])] for row in moved for key in source.keys}
        assert fresh <= touched, f"{text}; {changed}; {source}"


def test_it_can_fail(session):
    """Without the derivation's events the property is false: the cases do break queries by deletes."""
    session.run("CREATE SCHEMA m")
    session.run("CREATE TABLE m.a (id int, k int, v int)")
    session.run("CREATE TABLE m.b (id int, k int, w int)")
    session.run("INSERT INTO m.a VALUES (1, 1, 1)")
    session.run("INSERT INTO m.b VALUES (1, 1, 1)")
    text = f"SELECT a.k FROM m.a a WHERE {CONDITIONS[2]}"
    assert session.values(text) == []
    session.run("DELETE FROM m.b")
    assert session.values(text) == [1]
    assert isinstance(session.connection, psycopg.Connection)
