"""The CPU time of closing a batch: in proportion to the columns, whatever statistics the planner has."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

STAT = "/proc/{}/schedstat"

pytestmark = pytest.mark.slow


def cpu(session) -> int:
    """Nanoseconds that the session's server process computed."""
    (number,) = session.values("SELECT pg_backend_pid()")
    return int(Path(STAT.format(number)).read_text().split()[0])


def closing(session, columns):
    """Nanoseconds of closing the 12th batch of a table, without statistics of pgslo's own tables."""
    name = f"features.c{columns}"
    made = ", ".join(f"f{n} float8" for n in range(columns))
    session.run(f"CREATE TABLE {name} (id bigint, day date, {made}, PRIMARY KEY (id, day))")
    session.guard(f"table: {name}\nowner: me\nbatch: {{by: day}}\ncolumns: {{f0: [completeness: 0.9]}}\n")
    values = ", ".join(["random()"] * columns)
    took = 0
    for day in range(12):
        session.run(
            f"INSERT INTO {name} SELECT g, date '2026-11-01' + {day}, {values} FROM generate_series(1, 60) g"
        )
        began = cpu(session)
        session.run(f"SELECT pgslo.close_batch('{name}')")
        took = cpu(session) - began
    (judged,) = session.values(
        f"""SELECT count(*) FROM pgslo_catalog.profile p JOIN pgslo_catalog.definition d USING (definition_id)
            WHERE d.name = '{name}' AND p.surprise IS NOT NULL"""
    )
    assert judged >= columns
    return took


@pytest.mark.skipif(
    not Path(STAT.format("self")).exists(), reason="the system reports no CPU time of a process"
)
def test_closing_is_linear_in_the_columns(session):
    narrow, wide = closing(session, 40), closing(session, 200)
    assert wide < 9 * narrow


grids = st.lists(st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1.0, 2.0]), min_size=41, max_size=41).map(
    sorted
)


def array(numbers) -> str:
    """The numbers as an array of PostgreSQL."""
    return "ARRAY[" + ", ".join(map(repr, numbers)) + "]::float8[]"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(now=grids, reference=grids)
def test_the_distance_of_two_distributions(session, now, reference):
    ((distribution, moved),) = session.run(
        f"SELECT * FROM pgslo_catalog.grids_apart({array(now)}, {array(reference)})"
    ).rows
    apart = [
        sum(x <= v for x in now) - sum(x <= v for x in reference) for v in itertools.chain(now, reference)
    ]
    assert distribution == pytest.approx(max(map(abs, apart)) / 41)
    steps = [abs(x - y) for x, y in zip(now[1:40], reference[1:40], strict=True)]
    assert moved == pytest.approx(sum(steps) / 39)
