"""A row with a date in the future ends no incident, and makes no table fresh or stale."""

from __future__ import annotations

import pytest

PAY = """
table: features.pay
owner: sam
key: [id]
writes: {writes}
batch: {{by: day}}
freshness: {{max_age: 1 day}}
row_count: {{min: 2, name: enough}}
columns:
  amount:
    - range: {{min: 0, max: 4000, on_breach: flag, name: soft}}
readers: [$reader, $trainer]
tasks: {{t1: {{contact: "#x", reads: [amount]}}}}
"""
OPEN = "SELECT rule, opened_batch FROM pgslo.incident WHERE over_at IS NULL AND rule <> 'freshness' ORDER BY rule"


@pytest.fixture(params=["bulk", "stream"])
def pay(world, request):
    world.run("installer", "CREATE TABLE features.pay (id int PRIMARY KEY, day date, amount int)")
    world.run("installer", "CREATE INDEX ON features.pay (day)")
    world.run("installer", "GRANT INSERT, UPDATE, DELETE, SELECT ON features.pay TO $writer")
    text = PAY.format(writes=request.param)
    world.apply(text if request.param == "bulk" else text.replace("freshness: {max_age: 1 day}\n", ""))
    return world


def day(offset):
    return f"(current_date + {offset})"


def write(world, *rows):
    world.run(
        "writer",
        "INSERT INTO features.pay VALUES "
        + ", ".join(f"({number}, {when}, {amount})" for number, when, amount in rows),
    )


def tick(world, times=1):
    for _ in range(times):
        world.run("operator", "SELECT pgslo.tick()")


def age(world, days):
    """Let everything recorded so far be older."""
    world.run(
        "installer", f"UPDATE pgslo_catalog.fragment SET written_at = written_at - interval '{days} days'"
    )
    world.run(
        "installer",
        f"UPDATE pgslo_catalog.batch SET last_written_at = last_written_at - interval '{days} days'",
    )


def test_a_good_row_of_the_future_resolves_no_incident_of_a_rule_over_rows(pay):
    write(pay, (1, day(-3), 1), (2, day(-2), 4500))
    write(pay, (602, "'9999-01-01'", 1))
    for _ in range(2):
        assert ("soft",) in pay.run("installer", "SELECT rule FROM pgslo.incident WHERE over_at IS NULL")
        tick(pay)
    # A batch of today does, also while the other is there.
    write(pay, (3, day(0), 1))
    tick(pay)
    assert pay.run(
        "installer",
        "SELECT state, over_batch = current_date::text FROM pgslo.incident WHERE rule = 'soft'",
    ) == [("over", True)]


def test_it_resolves_no_incident_of_a_rule_over_batches(pay):
    tick(pay)
    write(pay, (1, day(-3), 1), (2, day(-3), 1))
    tick(pay)
    write(pay, (3, day(-2), 1))
    tick(pay)
    write(pay, (4, day(-1), 1))
    tick(pay)
    pay.run("operator", "SELECT pgslo.close_batch('features.pay', (current_date - 2)::text)")
    assert [rule for rule, _ in pay.run("installer", OPEN)] == ["enough"]
    write(pay, (5, "'9999-01-01'", 1), (6, "'9999-01-01'", 1))
    verdicts = pay.run(
        "operator", "SELECT rule, verdict, said FROM pgslo.close_batch('features.pay', '9999-01-01')"
    )
    (said,) = (said for rule, verdict, said in verdicts if (rule, verdict) == ("enough", "met"))
    assert said.endswith("; the batch lies in the future")
    tick(pay)
    assert [rule for rule, _ in pay.run("installer", OPEN)] == ["enough"]


def test_a_met_verdict_of_the_future_keeps_no_incident_from_opening(pay):
    tick(pay)
    write(pay, (1, day(-3), 1), (2, day(-3), 1), (5, "'9999-01-01'", 1), (6, "'9999-01-01'", 1))
    tick(pay)
    pay.run("operator", "SELECT pgslo.close_batch('features.pay')")
    write(pay, (3, day(-2), 1))
    pay.run("operator", "SELECT pgslo.close_batch('features.pay', (current_date - 2)::text)")
    assert [rule for rule, _ in pay.run("installer", OPEN)] == ["enough"]


def test_a_person_who_resolves_an_incident_of_the_future_has_not_judged_what_is_to_come(pay):
    write(pay, (1, "'9999-01-01'", 4500))
    ((incident,),) = pay.run("installer", "SELECT incident_id FROM pgslo.incident WHERE rule = 'soft'")
    tick(pay)
    pay.run("operator", f"SELECT pgslo.resolve({incident}, 'false_alarm')")
    ((judged_all,),) = pay.run(
        "installer",
        f"SELECT over_place > extract(epoch FROM now() + interval '40 days') FROM pgslo_catalog.incident WHERE incident_id = {incident}",
    )
    assert not judged_all


@pytest.mark.parametrize("then", ["SELECT", "DELETE FROM features.pay WHERE day = '5000-01-01'"])
def test_a_row_of_the_future_makes_a_table_neither_fresh_nor_stale(world, then):
    world.run("installer", "CREATE TABLE features.pay (id int PRIMARY KEY, day date, amount int)")
    world.run("installer", "GRANT INSERT, UPDATE, DELETE, SELECT ON features.pay TO $writer")
    world.apply(PAY.format(writes="bulk"))
    newest = "SELECT newest > now() - interval '1 hour' FROM pgslo_catalog.definition d, pgslo_catalog.newest_data(d) AS newest"
    write(world, (1, day(-1), 1))
    age(world, 3)
    write(world, (2, "'5000-01-01'", 1))
    assert world.run("installer", newest) == [(False,)]
    world.run("writer", then)
    tick(world)
    assert world.run("installer", newest) == [(False,)]
    age(world, 3)
    write(world, (3, day(0), 1))
    for _ in range(2):
        assert world.run("installer", newest) == [(True,)]
        tick(world)
    assert world.run(
        "installer",
        "SELECT count(*) FROM pgslo.incident WHERE kind = 'freshness' AND opened_batch = '5000-01-01'",
    ) == [(0,)]


def test_a_batch_of_the_future_is_nothing_to_train_on(pay):
    tick(pay)
    write(pay, (1, day(-3), 1), (2, day(-3), 1))
    tick(pay)
    write(pay, (5, "'9999-01-01'", 1), (6, "'9999-01-01'", 1))
    tick(pay)
    pay.run("operator", "SELECT pgslo.close_batch('features.pay')")
    assert "9999-01-01" not in {
        batch for batch, *_ in pay.run("trainer", "SELECT batch FROM pgslo.healthy_batches('features.pay')")
    }
    assert "9999-01-01" not in {
        batch for batch, *_ in pay.run("trainer", "SELECT batch FROM pgslo.readiness('t1')")
    }


def test_load_numbers_are_never_in_the_future(world):
    world.run("installer", "CREATE TABLE features.loads (id int PRIMARY KEY, load bigint, amount int)")
    world.run("installer", "GRANT INSERT ON features.loads TO $writer")
    world.apply(
        "{table: features.loads, writes: bulk, batch: {by: load}, columns: {amount: [range: {max: 10, on_breach: flag, name: soft}]}}"
    )
    world.run("writer", "INSERT INTO features.loads VALUES (1, 99990000000000, 11)")
    world.run("writer", "INSERT INTO features.loads VALUES (2, 99990000000001, 1)")
    assert world.run("installer", "SELECT state FROM pgslo.incident") == [("over",)]


def test_a_month_that_is_named_by_its_last_day_is_not_in_the_future(world):
    world.run("installer", "CREATE TABLE features.pay (id int PRIMARY KEY, day date, amount int)")
    world.run("installer", "GRANT INSERT ON features.pay TO $writer")
    world.apply(PAY.format(writes="bulk"))
    write(world, (1, day(-70), 1), (2, day(-40), 1), (3, day(-9), 4500))
    tick(world)
    write(world, (4, day(20), 1))
    tick(world)
    assert world.run("installer", "SELECT state FROM pgslo.incident WHERE rule = 'soft'") == [("over",)]
