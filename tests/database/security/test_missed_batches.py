"""Only a steward ends the warning of unchanged rows, and it reveals nothing that a role may not see."""

from __future__ import annotations

import psycopg
import pytest

DEFINITION = """
table: features.ex
key: [id]
owner: growth
writes: bulk
batch: {by: day}
columns:
  a:
    - range: {min: 0, name: small}
readers: [$reader]
tasks:
  price: {reads: [a]}
"""
STORED = "1 missed batch with 2 rows is still stored"


@pytest.fixture
def ex(world):
    world.run(
        "installer",
        "CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int); GRANT ALL ON features.ex TO $writer",
    )
    world.apply(DEFINITION)
    world.run("writer", "INSERT INTO features.ex VALUES (1, '2026-01-01', -5), (2, '2026-01-01', 7)")
    return world


def test_a_good_batch_hides_no_earlier_one(ex):
    ex.run("writer", "INSERT INTO features.ex VALUES (3, '2026-01-02', 5)")
    ex.run("operator", "SELECT pgslo.tick()")
    assert ex.run("reader", "SELECT state, resolution, stored FROM pgslo.incident WHERE rule = 'small'") == [
        ("over", None, STORED)
    ]
    assert ex.run("reader", "SELECT pgslo.ready('price')") == [(False,)]
    assert ex.run("reader", "SELECT batch FROM pgslo.healthy_batches('features.ex', ARRAY['a'])") == []


@pytest.mark.parametrize("role", ["mallory", "reader", "writer", "operator", "auditor", "trainer"])
def test_stewards_alone_accept(ex, role):
    for attack in (
        "SELECT pgslo.accept(1, 'mine')",
        "UPDATE pgslo_catalog.missed_batch SET ended_at = now(), ended_as = 'accepted'",
        "DELETE FROM pgslo_catalog.missed_batch",
        "SELECT batch FROM pgslo_catalog.missed_batch FOR UPDATE",
        "SELECT stored FROM pgslo_catalog.stored",
        "SELECT pgslo_catalog.record_missed(NULL, 'x', 1)",
        "SELECT pgslo_catalog.end_incident(1, 'accepted', 'x', 1, NULL)",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ex.run(role, attack)


def test_a_role_that_may_not_read_the_table_learns_nothing(ex):
    assert ex.run("mallory", "SELECT * FROM pgslo.incident") == []
    assert ex.run("mallory", "SELECT * FROM pgslo.explain(1)") == []
    with pytest.raises(psycopg.errors.UndefinedObject):
        ex.run("mallory", "SELECT pgslo.ready('price')")


def test_a_steward_accepts_on_record(ex):
    ex.run("writer", "INSERT INTO features.ex VALUES (3, '2026-01-02', 5)")
    assert ex.run("steward", "SELECT pgslo.accept(1, 'refunds')") == [("1 batch of incident 1 accepted",)]
    assert ex.run(
        "reader", "SELECT event, batch, done_by, note FROM pgslo.incident_event WHERE event = 'accepted'"
    ) == [("accepted", "2026-01-01", ex.names["steward"], "refunds")]
    ex.run("operator", "SELECT count(*) FROM pgslo.close_batch('features.ex')")
    assert ex.run("reader", "SELECT pgslo.ready('price')") == [(True,)]
    ex.run("writer", "INSERT INTO features.ex VALUES (4, '2026-01-01', -6)")
    ex.run("operator", "SELECT count(*) FROM pgslo.close_batch('features.ex')")
    assert ex.run("reader", "SELECT pgslo.ready('price')") == [(False,)]
