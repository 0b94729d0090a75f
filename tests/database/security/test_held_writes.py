"""Ways to write past a rule that were tried and do not work: each way is recorded or refused."""

from __future__ import annotations

import psycopg
import pytest

DEFINITION = """
table: features.ex
key: [id]
writes: {writes}
batch: {{by: day}}
columns:
  a:
    - range: {{min: 0, max: 100, on_breach: flag, name: soft}}
    - range: {{min: 0, max: 1000, on_breach: reject, name: hard}}
  num: [expression: {{expression: "num::int > 0", on_breach: flag, name: is_number}}]
"""
PAIRS = """
table: features.pairs
key: [id]
batch: {by: day}
assertions: [same: {all_equal: v, group_by: grp, on_breach: reject}]
"""


@pytest.fixture(params=["bulk", "stream"])
def ex(world, request):
    world.run("installer", "CREATE TABLE features.ex (id int PRIMARY KEY, day text, a numeric, num text)")
    world.run("installer", "GRANT SELECT, INSERT, UPDATE, DELETE ON features.ex TO $writer")
    world.apply(DEFINITION.format(writes=request.param))
    world.run("writer", "INSERT INTO features.ex VALUES (1, 'd', 1, '1'), (2, 'd', 2, '2')")
    return world


def incidents(world) -> set[str]:
    return {rule for (rule,) in world.run("superuser", "SELECT rule FROM pgslo.incident")}


WAYS = {
    "insert": "INSERT INTO features.ex VALUES (3, 'd', {a}, '1')",
    "on conflict": "INSERT INTO features.ex VALUES (1, 'd', {a}, '1') ON CONFLICT (id) DO UPDATE SET a = excluded.a",
    "writable CTE": "WITH w AS (UPDATE features.ex SET a = {a} WHERE id = 1 RETURNING id) SELECT id FROM w",
    "two CTEs": "WITH w AS (INSERT INTO features.ex VALUES (4, 'd', {a}, '1') RETURNING id), x AS (DELETE FROM features.ex WHERE id = 2) SELECT id FROM w",
    "update from": "UPDATE features.ex t SET a = {a} FROM (VALUES (1)) v (id) WHERE v.id = t.id",
    "merge": "MERGE INTO features.ex t USING (VALUES (1)) v (id) ON v.id = t.id WHEN MATCHED THEN UPDATE SET a = {a}",
    "cursor": "DECLARE c CURSOR FOR SELECT id FROM features.ex FOR UPDATE; FETCH c; UPDATE features.ex SET a = {a} WHERE CURRENT OF c",
}


@pytest.mark.parametrize("way", WAYS)
def test_every_statement_is_judged(ex, way):
    if way == "merge" and ex.admin.info.server_version < 150000:
        pytest.skip("PostgreSQL 15")
    with pytest.raises(psycopg.errors.CheckViolation):
        ex.run("writer", WAYS[way].format(a=5000))
    assert incidents(ex) == set()
    ex.run("writer", WAYS[way].format(a=500))
    assert incidents(ex) == {"soft"}


@pytest.mark.parametrize("setting", ["plpgsql.extra_errors", "plpgsql.extra_warnings"])
def test_checks_of_plpgsql_change_nothing(ex, setting):
    session = ex.session("writer")
    session.execute(f"SET {setting} = 'all'".encode())
    session.execute("INSERT INTO features.ex VALUES (3, 'd', 500, '1')")
    assert incidents(ex) == {"soft"}
    with pytest.raises(psycopg.errors.CheckViolation):
        session.execute("INSERT INTO features.ex VALUES (4, 'd', 5000, '1')")


@pytest.mark.parametrize("value", ["1e400", "99999999999999999999", "x", "", "NaN", "0x"])
def test_a_value_that_cannot_be_cast_fails_its_row(ex, value):
    ex.admin.execute("SELECT 1")
    session = ex.session("writer")
    session.execute("INSERT INTO features.ex VALUES (3, 'd', 1, %s), (4, 'd', 1, '7')", (value,))
    assert incidents(ex) == {"is_number"}


def test_names_and_messages_stay_short(ex):
    """Texts of megabytes make neither a long name of a batch nor a long error."""
    ex.run("writer", "INSERT INTO features.ex VALUES (3, repeat('k', 5000000), 500, '1')")
    (longest,) = ex.run("superuser", "SELECT max(octet_length(batch)) FROM pgslo_catalog.fragment")[0]
    assert longest <= 400
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        ex.run("writer", "INSERT INTO features.ex SELECT 5, 'd', 5000, repeat('v', 20000000)")
    diag = refused.value.diag
    assert len(f"{diag.message_primary}{diag.message_detail}{diag.message_hint}") < 2000


@pytest.fixture
def pairs(world):
    world.run("installer", "CREATE TABLE features.pairs (id int PRIMARY KEY, day date, grp text, v int)")
    world.run("installer", "CREATE INDEX ON features.pairs (grp)")
    world.run("installer", "GRANT SELECT, INSERT, UPDATE ON features.pairs TO $writer")
    world.apply(PAIRS)
    world.run("writer", "INSERT INTO features.pairs VALUES (1, '2026-01-01', 'g', 1)")
    return world


VIOLATING = "INSERT INTO features.pairs VALUES (2, '2026-01-01', 'g', 2)"


@pytest.mark.parametrize(
    "statements",
    [
        [VIOLATING],
        ["SAVEPOINT s", VIOLATING, "RELEASE SAVEPOINT s"],
        ["SAVEPOINT s", VIOLATING, "ROLLBACK TO SAVEPOINT s", VIOLATING],
        ["SET CONSTRAINTS ALL DEFERRED", VIOLATING],
        ["SET CONSTRAINTS ALL IMMEDIATE", VIOLATING, "SET CONSTRAINTS ALL DEFERRED"],
        ["SET LOCAL lock_timeout = '1ms'", VIOLATING],
        ["SET LOCAL client_min_messages = error", VIOLATING],
        *(
            [f"SELECT set_config('pgslo.touched', '{value}', false)", VIOLATING]
            for value in ("", "{}", "x", "{g}", "1", "null", "[]", '{"pairs": []}', "{{g}}")
        ),
        [VIOLATING, "SELECT set_config('pgslo.touched', '', true)"],
        [
            "DO $$BEGIN INSERT INTO features.pairs VALUES (2, '2026-01-01', 'g', 2); EXCEPTION WHEN division_by_zero THEN NULL; END$$"
        ],
    ],
    ids=lambda statements: " ".join(statements).replace(VIOLATING, "INSERT")[:80],
)
def test_no_transaction_commits_past_an_assertion_that_rejects(pairs, statements):
    session = pairs.session("writer")

    def run() -> None:
        with session.transaction():
            for statement in statements:
                session.execute(statement.encode())

    with pytest.raises(psycopg.Error):
        run()
    assert pairs.run("superuser", "SELECT id FROM features.pairs") == [(1,)]


def test_no_transaction_is_prepared_past_an_assertion_that_rejects(pairs):
    if pairs.run("superuser", "SHOW max_prepared_transactions") == [("0",)]:
        pytest.skip("the server has no prepared transactions")
    session = pairs.session("writer")
    session.execute("BEGIN")
    with pytest.raises(psycopg.Error):
        session.execute(f"{VIOLATING}; PREPARE TRANSACTION 'held'".encode(), prepare=False)
    session.execute("ROLLBACK")
    assert pairs.run("superuser", "SELECT count(*) FROM features.pairs") == [(1,)]


def test_merging_goes_on_beside_an_open_transaction_of_another_role(ex):
    other = ex.session("mallory")
    other.execute("BEGIN")
    other.execute("SELECT pg_current_xact_id()")
    session = ex.session("writer")
    with session.transaction():
        for number in range(3000):
            session.execute("INSERT INTO features.ex VALUES (%s, '2026-01-01', 1, '1')", (number + 10,))
    ex.run("operator", "SELECT pgslo.tick()")
    session.execute("INSERT INTO features.ex VALUES (3, 'd', 500, '1')")
    ex.run("operator", "SELECT pgslo.tick()")
    assert incidents(ex) == {"soft"}
    other.execute("ROLLBACK")
