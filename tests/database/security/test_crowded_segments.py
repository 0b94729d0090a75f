"""Rows with segments of their own, more than are evaluated, do not silence a rule about segments."""

from __future__ import annotations

DEFINITION = """
{table: features.sg, key: [id], writes: bulk, batch: {by: day}, readers: [$reader], watch: false, by_segment: [tenant]}
"""
LOAD = """INSERT INTO features.sg SELECT {day} * 1000 + i, date '2026-01-01' + {day}, 't' || i % 5,
          CASE WHEN i % 5 = 2 AND {day} = {odd} THEN NULL ELSE 'a' END FROM generate_series(0, 499) i"""
FLOOD = "INSERT INTO features.sg SELECT 900000 + g, date '2026-01-01' + 27, 'zz' || g, 'a' FROM generate_series(1, 296) g"


def test_readers_are_warned_of_a_batch_with_a_new_crowd_of_segments(world):
    world.run(
        "installer",
        "CREATE TABLE features.sg (id int PRIMARY KEY, day date, tenant text, email text); CREATE INDEX ON features.sg (day);"
        "GRANT ALL ON features.sg TO $writer",
    )
    world.apply(DEFINITION)
    for day in range(28):
        world.run("writer", LOAD.format(day=day, odd=27))
        if day == 27:
            assert noticed(world) == []
            world.run("writer", FLOOD)
        world.run("operator", f"SELECT pgslo.close_batch('features.sg', (date '2026-01-01' + {day})::text)")
    said = "SELECT verdict, said FROM pgslo.verdict WHERE batch = '2026-01-28' AND rule ~ 'segment'"
    assert world.run("superuser", said) == [
        ("unknown", "more than 300 segments: batches of at most 300 are judged")
    ]
    assert {code for code, _ in noticed(world)} == {"01SL2"}
    # Without these rows the batch is evaluated, and the note is gone.
    world.run("writer", "DELETE FROM features.sg WHERE id > 900000")
    world.run("operator", "SELECT pgslo.close_batch('features.sg', '2026-01-28')")
    assert [verdict for verdict, _ in world.run("superuser", said)] == ["missed"]
    assert "01SL2" not in {code for code, _ in noticed(world)}


def noticed(world) -> list[tuple[str, str]]:
    session = world.session("reader")
    found: list[tuple[str, str]] = []
    session.add_notice_handler(lambda said: found.append((said.sqlstate, said.message_primary)))
    session.execute("SELECT count(email) FROM guarded.sg WHERE day = '2026-01-28'")
    return found
