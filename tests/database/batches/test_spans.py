"""A batch that is a span of the clock is not complete before the span is over, however long nothing comes."""

from __future__ import annotations

from typing import Any

import pytest

#: A span that today lies in, whenever this runs, with its end far off.
SPAN = "3650 days"
DEFINITION = """
    table: features.visit
    owner: web
    writes: {writes}
    batch: {{by: at, every: {span}}}
    settle: 1 second
    columns:
      pages: [not_null]
"""
OPEN = "SELECT b.name FROM pgslo_catalog.batch b WHERE b.closed_at IS NULL AND b.rows > 0 ORDER BY b.place"


@pytest.fixture(params=["bulk", "stream"])
def visits(session: Any, request: pytest.FixtureRequest) -> Any:
    session.run(
        "CREATE TABLE features.visit (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz, pages integer)"
    )
    session.run("CREATE INDEX ON features.visit (at)")
    session.guard(DEFINITION.format(writes=request.param, span=SPAN))
    return session


def later(session: Any) -> None:
    """As if the last rows had come an hour ago, and two ticks after that."""
    for _ in range(2):
        session.run("SELECT pgslo.tick()")
        session.run(
            "UPDATE pgslo_catalog.batch SET last_written_at = last_written_at - interval '1 hour', counted_at = counted_at - interval '1 hour'"
        )
        session.run("UPDATE pgslo_catalog.fragment SET written_at = written_at - interval '1 hour'")
    session.run("SELECT pgslo.tick()")


def test_a_span_in_progress_is_not_judged(visits):
    visits.run(
        "INSERT INTO features.visit (at, pages) SELECT clock_timestamp(), 1 FROM generate_series(1, 50)"
    )
    later(visits)
    assert len(visits.values(OPEN)) == 1
    assert visits.values("SELECT verdict FROM pgslo.verdict") == []
    assert visits.values("SELECT waiting_batches FROM pgslo.status") == [0]


def test_a_span_that_is_over_is_judged(visits):
    visits.run("INSERT INTO features.visit (at, pages) VALUES ('2004-01-01', 1)")
    later(visits)
    visits.run("INSERT INTO features.visit (at, pages) VALUES ('2004-01-01', 1)")
    later(visits)
    assert visits.values(OPEN) == []


def test_a_batch_is_closed_by_name_whenever_that_is_asked(visits):
    visits.run("INSERT INTO features.visit (at, pages) VALUES (clock_timestamp(), 1)")
    visits.run("SELECT pgslo.tick()")
    visits.run("SELECT pgslo.close_batch('features.visit')")
    assert visits.values(OPEN) == []
