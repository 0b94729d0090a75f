"""Counting batches from the table forgets no violation, and no batch stops learning from the others."""

from __future__ import annotations

TABLE = """
CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int);
CREATE INDEX ON features.ex (day);
GRANT ALL ON features.ex TO $writer;
"""
DEFINITION = """
table: features.ex
key: [id]
writes: bulk
batch: {by: day}
columns: {a: [range: {min: 0, max: 9, on_breach: flag, name: a_range}]}
"""


def test_rows_that_leave_a_batch_of_before_hide_no_violation(world):
    world.run("installer", TABLE)
    world.run("writer", "INSERT INTO features.ex SELECT n, '2026-01-01', 5 FROM generate_series(1, 10) n")
    world.apply(DEFINITION)
    world.run("writer", "INSERT INTO features.ex VALUES (100, '2026-01-01', 99)")
    world.run("writer", "DELETE FROM features.ex WHERE id <= 5")
    for _ in range(3):
        world.run("operator", "SELECT pgslo.tick()")
    assert world.run("superuser", "SELECT rule, opened_batch, resolution FROM pgslo.incident") == [
        ("a_range", "2026-01-01", None)
    ]
    assert world.run(
        "superuser",
        "SELECT rows, failures FROM pgslo_catalog.fragment WHERE batch = '2026-01-01' AND rows > 0",
    ) == [(6, {"a_range": 1})]
    # It is over when the row is corrected.
    world.run("writer", "UPDATE features.ex SET a = 1 WHERE id = 100")
    for _ in range(2):
        world.run("operator", "SELECT pgslo.tick()")
    assert world.run("superuser", "SELECT resolution FROM pgslo.incident") == [("healed",)]


def test_a_batch_without_a_profile_stops_neither_learn_nor_backtest(world):
    world.run("installer", TABLE)
    world.apply(DEFINITION)
    world.run(
        "writer",
        "INSERT INTO features.ex SELECT n, '2026-01-01'::date + n / 10, n % 10 FROM generate_series(0, 299) n",
    )
    world.run("operator", "SELECT pgslo.close_batch('features.ex')")
    # One batch whose profile fails.
    world.run(
        "installer",
        """
        ALTER FUNCTION pgslo_catalog.is_holiday(text[], numeric) RENAME TO is_holiday_indeed;
        CREATE FUNCTION pgslo_catalog.is_holiday(holidays text[], place numeric) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN
            IF place = extract(epoch FROM date '2026-01-20') THEN
                RAISE EXCEPTION USING ERRCODE = '22003', MESSAGE = 'value 4711';
            END IF;
            RETURN pgslo_catalog.is_holiday_indeed(holidays, place);
        END$$
        """,
    )
    session = world.session("installer")
    said: list[str] = []
    session.add_notice_handler(
        lambda notice: said.append(f"{notice.message_primary} {notice.message_detail}")
    )
    assert session.execute("SELECT pgslo.learn('features.ex')").fetchone() == (29,)
    replayed = session.execute("SELECT DISTINCT batch FROM pgslo.backtest('features.ex')").fetchall()
    assert ("2026-01-20",) not in replayed
    assert ("2026-01-25",) in replayed
    assert any("batch 2026-01-20 of features.ex could not be replayed" in one for one in said)
    assert "4711" not in str(said)
