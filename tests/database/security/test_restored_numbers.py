"""State that was restored into a cluster that has counted fewer transactions: accepted batches stay so, and nothing later counts as seen.

The numbers of the old cluster are put in by UPDATE, as the COPY of a dump does.
"""

from __future__ import annotations

from typing import Any

import pytest

DEFINITION = """
table: features.ex
owner: sam
key: [id]
writes: {writes}
batch: {{by: day}}
watch: false
readers: [$reader]
columns: {{a: [{{range: {{max: 100, on_breach: warn, name: a_range}}}}]}}
"""
RESTORE = """
    UPDATE pgslo_catalog.fragment SET xid = (xid::text::bigint + 90000000)::text::xid8;
    UPDATE pgslo_catalog.verdict SET xid = (xid::text::bigint + 90000000)::text::xid8;
    UPDATE pgslo_catalog.watermark SET seen = (seen::text::bigint + 90000000)::text::xid8;
    UPDATE pgslo_catalog.missed_batch SET ended_xid = (ended_xid::text::bigint + 90000000)::text::xid8;
    UPDATE pgslo_catalog.missed_batch
        SET seen_snapshot = (SELECT format('%1$s:%1$s:', pg_snapshot_xmax(seen_snapshot)::text::bigint + 90000000)::pg_snapshot)
        WHERE seen_snapshot IS NOT NULL;
    UPDATE pgslo_catalog.incident_event
        SET seen_snapshot = (SELECT format('%1$s:%1$s:', pg_snapshot_xmax(seen_snapshot)::text::bigint + 90000000)::pg_snapshot)
        WHERE seen_snapshot IS NOT NULL;
"""


@pytest.fixture(params=["bulk", "stream"])
def begun(world: Any, request: pytest.FixtureRequest) -> Any:
    """A table with a row that misses its rule, and its incident."""
    world.run(
        "installer",
        "CREATE TABLE features.ex (id integer PRIMARY KEY, day date, a integer); GRANT ALL ON features.ex TO $writer",
    )
    world.apply(DEFINITION.format(writes=request.param))
    write(world, 1)
    world.run("operator", "SELECT pgslo.tick()")
    return world


def write(world: Any, number: int) -> None:
    world.run("writer", f"INSERT INTO features.ex VALUES ({number}, '2026-01-01', 999)")


def accept(world: Any) -> None:
    ((incident,),) = world.run("superuser", "SELECT incident_id FROM pgslo.incident WHERE over_at IS NULL")
    world.run("steward", f"SELECT pgslo.accept({incident}, 'fine')")


def warned(world: Any) -> bool:
    """Whether a reader of the table is warned."""
    notices: list[str | None] = []
    reader = world.session("reader")
    reader.add_notice_handler(lambda notice: notices.append(notice.constraint_name))
    reader.execute("SELECT a FROM guarded.ex")
    reader.close()
    return "a_range" in notices


def tick(world: Any) -> None:
    for _ in range(3):
        world.run("operator", "SELECT pgslo.tick()")


def test_what_is_accepted_after_the_restore_stays_accepted(begun: Any) -> None:
    begun.run("superuser", RESTORE)
    tick(begun)
    assert warned(begun)
    accept(begun)
    tick(begun)
    assert not warned(begun)


def test_what_was_accepted_before_stays_accepted(begun: Any) -> None:
    accept(begun)
    begun.run("superuser", RESTORE)
    tick(begun)
    assert not warned(begun)


def test_what_was_written_after_the_acceptance_is_news(begun: Any) -> None:
    accept(begun)
    write(begun, 2)
    begun.run("superuser", RESTORE)
    tick(begun)
    assert warned(begun)


@pytest.mark.parametrize("is_ticked", [True, False], ids=["after a tick", "at once"])
def test_what_is_written_after_the_restore_is_news(begun: Any, is_ticked: bool) -> None:
    accept(begun)
    begun.run("superuser", RESTORE)
    if is_ticked:
        tick(begun)
    write(begun, 2)
    tick(begun)
    assert warned(begun)


def test_the_numbers_are_those_of_this_cluster_from_then_on(begun: Any) -> None:
    accept(begun)
    begun.run("superuser", RESTORE)
    tick(begun)
    ahead = """
        SELECT (SELECT count(*) FROM pgslo_catalog.fragment WHERE xid > n.number) + (SELECT count(*) FROM pgslo_catalog.verdict WHERE xid > n.number)
             + (SELECT count(*) FROM pgslo_catalog.missed_batch WHERE ended_xid > n.number OR pg_snapshot_xmax(seen_snapshot) > n.number)
             + (SELECT count(*) FROM pgslo_catalog.incident_event WHERE pg_snapshot_xmax(seen_snapshot) > n.number)
        FROM (SELECT pg_snapshot_xmax(pg_current_snapshot()) AS number) AS n
    """
    assert begun.run("superuser", ahead) == [(0,)]
