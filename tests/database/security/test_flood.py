"""Very many batches in one statement do not delay those that come after them, and status says how many wait."""

from __future__ import annotations

EX = """
table: features.ex
owner: sam
key: [id]
writes: bulk
batch: {by: name, show_names: true}
row_count: {min: 2}
"""


def test_a_flood_of_batches_does_not_delay_what_is_written_later(world):
    world.run("installer", "CREATE TABLE features.ex (id bigserial PRIMARY KEY, name text, a int)")
    world.run(
        "installer",
        "GRANT INSERT ON features.ex TO $writer; GRANT USAGE ON SEQUENCE features.ex_id_seq TO $writer",
    )
    world.apply(EX)
    world.run(
        "writer", "INSERT INTO features.ex (name) SELECT 'flood ' || n FROM generate_series(1, 600) AS n"
    )
    world.run("writer", "INSERT INTO features.ex (name) VALUES ('real')")
    world.run("writer", "INSERT INTO features.ex (name) VALUES ('later')")
    world.run("operator", "SET statement_timeout = '60s'; SELECT pgslo.tick()")
    assert world.run(
        "installer", "SELECT verdict FROM pgslo.verdict WHERE batch = 'real' AND kind = 'row_count'"
    ) == [("missed",)]
    ((judged,),) = world.run(
        "installer", "SELECT count(*) FROM pgslo.verdict WHERE batch LIKE 'flood%' AND kind = 'row_count'"
    )
    assert judged < 100
    # Those that a tick of every minute would not have left are reported.
    assert world.run("installer", "SELECT waiting_batches FROM pgslo.status") == [(0,)]
    world.run("installer", "UPDATE pgslo_catalog.fragment SET written_at = written_at - interval '1 hour'")
    world.run(
        "installer", "UPDATE pgslo_catalog.batch SET last_written_at = last_written_at - interval '1 hour'"
    )
    ((waiting,),) = world.run("installer", "SELECT waiting_batches FROM pgslo.status")
    assert waiting in (600 - judged, 601 - judged)
