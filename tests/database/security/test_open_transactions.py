"""A transaction that opened or resolved an incident and does not end does not mute the rule."""

from __future__ import annotations

import pytest

PAY = """
table: features.pay
owner: sam
key: [id]
writes: {writes}
batch: {{by: day}}
columns:
  amount: [range: {{min: 0, max: 4000, on_breach: flag, name: soft}}]
readers: [$reader]
"""
OPEN = "SELECT rule, opened_batch FROM pgslo.incident WHERE over_at IS NULL"


@pytest.fixture(params=["bulk", "stream"])
def pay(world, request):
    world.run("installer", "CREATE TABLE features.pay (id int PRIMARY KEY, day date, amount int, who text)")
    world.run("installer", "GRANT INSERT, UPDATE, DELETE, SELECT ON features.pay TO $writer")
    world.apply(PAY.format(writes=request.param))
    yield world
    for (gid,) in world.run(
        "superuser", "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"
    ):
        world.run("superuser", f"ROLLBACK PREPARED '{gid}'")


@pytest.fixture(params=["open", "prepared"])
def held(pay, request):
    """Run statements in a transaction that does not end; returns what ends it."""

    def hold(*statements):
        session = pay.session("writer")
        session.execute("BEGIN")
        for statement in statements:
            session.execute(statement.encode())
        if request.param == "open":
            return lambda end: session.execute(end.encode())
        gid = pay.admin.info.dbname
        session.execute(f"PREPARE TRANSACTION '{gid}'".encode())
        return lambda end: pay.run("superuser", f"{end} PREPARED '{gid}'")

    return hold


def tick(world):
    world.run("operator", "SET statement_timeout = '60s'; SELECT pgslo.tick()")


def warnings(world, query="SELECT amount FROM guarded.pay"):
    session = world.session("reader")
    notices = []
    session.add_notice_handler(lambda notice: notices.append((notice.sqlstate, notice.constraint_name)))
    session.execute(query.encode())
    session.close()
    return notices


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_committed_rows_open_an_incident_beside_one_that_is_not_committed(pay, held, end):
    finish = held("INSERT INTO features.pay VALUES (1, '2026-01-20', 4500, 'a')")
    pay.run("writer", "INSERT INTO features.pay VALUES (2, '2026-01-21', 4600, 'b')")
    tick(pay)
    assert pay.run("installer", OPEN) == [("soft", "2026-01-21")]
    assert warnings(pay) == [("01SL1", "soft")]
    ((incident, page),) = pay.run("installer", "SELECT incident_id, page FROM pgslo.incident")
    finish(end)

    # Whatever comes of it, people see one incident: the one that they know.
    for _ in range(2):
        assert pay.run("installer", "SELECT incident_id, page FROM pgslo.incident") == [(incident, page)]
        assert pay.run("installer", "SELECT open_incidents FROM pgslo.status") == [(1,)]
        assert warnings(pay) == [("01SL1", "soft")]
        tick(pay)
    opened = "2026-01-20" if end == "COMMIT" else "2026-01-21"
    assert pay.run("installer", OPEN) == [("soft", opened)]
    assert pay.run("installer", "SELECT event FROM pgslo.incident_event") == [("opened",)]
    assert pay.run("installer", "SELECT count(*) FROM pgslo_catalog.unannounced") == [(0,)]
    # A later batch resolves it, and a writer opens the next one itself again.
    pay.run("writer", "INSERT INTO features.pay VALUES (3, '2026-01-22', 1, 'c')")
    tick(pay)
    assert pay.run("installer", OPEN) == []
    pay.run("writer", "INSERT INTO features.pay VALUES (4, '2026-01-23', 4700, 'c')")
    assert pay.run("installer", OPEN) == [("soft", "2026-01-23")]


def test_a_resolve_that_is_not_committed_does_not_hide_what_comes_later(pay, held):
    pay.run("writer", "INSERT INTO features.pay VALUES (1, '2026-01-20', 4500, 'a')")
    finish = held("INSERT INTO features.pay VALUES (2, '2026-01-21', 1, 'b')")
    pay.run("writer", "INSERT INTO features.pay VALUES (3, '2026-01-22', 4600, 'b')")
    tick(pay)
    assert warnings(pay) == [("01SL1", "soft")]
    finish("COMMIT")
    tick(pay)
    assert warnings(pay) == [("01SL1", "soft")]


def test_reopening_that_is_not_committed_does_not_hide_committed_rows(pay, held):
    pay.run("writer", "INSERT INTO features.pay VALUES (1, '2026-01-20', 4500, 'a')")
    ((first,),) = pay.run("installer", "SELECT incident_id FROM pgslo.incident")
    tick(pay)
    pay.run("operator", f"SELECT pgslo.resolve({first}, 'real')")
    finish = held("INSERT INTO features.pay VALUES (2, '2026-01-21', 4500, 'a')")
    pay.run("writer", "INSERT INTO features.pay VALUES (3, '2026-01-21', 4600, 'b')")
    tick(pay)
    ((second,),) = pay.run("installer", "SELECT incident_id FROM pgslo.incident WHERE over_at IS NULL")
    assert second != first
    finish("COMMIT")
    assert warnings(pay) == [("01SL1", "soft")]
    tick(pay)
    assert pay.run(
        "installer", "SELECT incident_id, resolution FROM pgslo.incident ORDER BY incident_id"
    ) == [
        (first, "real"),
        (second, None),
    ]
    assert pay.run("installer", f"SELECT event FROM pgslo.incident_event WHERE incident_id = {first}") == [
        ("opened",),
        ("over",),
    ]


def test_writers_never_wait_for_it_and_leave_it_to_tick(pay, held):
    held("INSERT INTO features.pay VALUES (1, '2026-01-20', 4500, 'a')")
    for number in range(2, 6):
        pay.run(
            "writer",
            f"SET lock_timeout = '1s'; INSERT INTO features.pay VALUES ({number}, '2026-01-21', 4500, 'a')",
        )
    pay.run(
        "operator",
        "SET lock_timeout = '1s'; SELECT pgslo.mute_rule('features.pay', 'soft', now() + interval '1 hour')",
    )
    assert pay.run("installer", OPEN) == []
    tick(pay)
    assert pay.run("installer", OPEN) == [("soft", "2026-01-21")]


@pytest.mark.parametrize(
    "what", ["acknowledge({0}, 'mine')", "resolve({0}, 'real')", "mute({0}, now() + interval '1 day')"]
)
def test_an_operator_who_leaves_a_transaction_open_does_not_stop_tick(pay, what):
    pay.run("writer", "INSERT INTO features.pay VALUES (1, '2026-01-20', 4500, 'a')")
    ((first,),) = pay.run("installer", "SELECT incident_id FROM pgslo.incident")
    session = pay.session("operator")
    session.execute("BEGIN")
    session.execute(f"SELECT pgslo.{what.format(first)}".encode())
    pay.run("writer", "INSERT INTO features.pay VALUES (2, '2026-01-21', 1, 'a')")
    tick(pay)
    session.execute("ROLLBACK")
    tick(pay)
    assert pay.run("installer", OPEN) == []
