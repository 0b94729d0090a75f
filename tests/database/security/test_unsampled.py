"""Rows that could not be sampled leave their batch without a profile, and it says so; many batches cost no more each."""

from __future__ import annotations

import time
from typing import Any

import pytest

TABLE = """
CREATE TABLE features.ex (id int PRIMARY KEY, day int, a int);
GRANT ALL ON features.ex TO $writer;
"""
DEFINITION = """
table: features.ex
key: [id]
writes: bulk
batch: {by: day}
columns:
  a:
    - range: {min: 0, max: 100, on_breach: flag}
    - completeness: {min: 0.5, name: filled}
    - statistic: {of: median, min: 0, name: middle}
    - statistic: {of: mean, min: 0, name: average}
"""
#: What an error in sampling comes to: a value that its conversion does not take.
FAILING = """
CREATE OR REPLACE FUNCTION pgslo_catalog.sample_mask(rows bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS
$$BEGIN RAISE EXCEPTION USING ERRCODE = '22003'; END$$
"""
SAMPLING = """
CREATE OR REPLACE FUNCTION pgslo_catalog.sample_mask(rows bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS
$$SELECT 0::bigint$$
"""


@pytest.fixture
def guarded(world: Any) -> Any:
    world.run("installer", TABLE)
    world.apply(DEFINITION)
    return world


def test_a_batch_with_rows_that_were_not_sampled_has_no_profile(guarded: Any) -> None:
    guarded.run("writer", "INSERT INTO features.ex SELECT n, 1, 5 FROM generate_series(1, 10) n")
    guarded.run("installer", FAILING)
    guarded.run("writer", "INSERT INTO features.ex SELECT n, 1, 99 FROM generate_series(11, 40) n")
    guarded.run("installer", SAMPLING)
    guarded.run("operator", "SELECT pgslo.close_batch('features.ex')")
    assert guarded.run("superuser", "SELECT count(*) FROM pgslo_catalog.profile") == [(0,)]
    verdicts = {
        rule: (verdict, said)
        for rule, verdict, said in guarded.run(
            "installer", "SELECT rule, verdict, said FROM pgslo.verdict WHERE kind <> 'learned'"
        )
    }
    assert verdicts["middle"] == ("unknown", "30 rows came or went while columns could not be measured")
    # What is summed does not depend on the sample.
    assert verdicts["filled"][0] == verdicts["average"][0] == "met"


def test_rows_that_leave_unsampled_leave_a_batch_without_a_profile(guarded: Any) -> None:
    guarded.run("writer", "INSERT INTO features.ex SELECT n, 1, n * 10 FROM generate_series(1, 20) n")
    guarded.run("installer", FAILING)
    guarded.run("writer", "DELETE FROM features.ex WHERE id > 15")
    guarded.run("installer", SAMPLING)
    guarded.run("operator", "SELECT pgslo.close_batch('features.ex')")
    assert guarded.run("superuser", "SELECT count(*) FROM pgslo_catalog.profile") == [(0,)]
    assert guarded.run("installer", "SELECT verdict FROM pgslo.verdict WHERE rule = 'middle'") == [
        ("unknown",)
    ]
    # Their number is known, and which of them failed.
    counted = "SELECT sum(rows)::int, sum((failures ->> 'a_range')::int)::int FROM pgslo_catalog.fragment"
    assert guarded.run("superuser", counted) in ([(15, 5)], [(None, None)])


def test_a_batch_that_was_sampled_whole_has_a_profile(guarded: Any) -> None:
    guarded.run("writer", "INSERT INTO features.ex SELECT n, 1, 5 FROM generate_series(1, 10) n")
    guarded.run("operator", "SELECT pgslo.close_batch('features.ex')")
    assert guarded.run(
        "superuser", "SELECT count(*) > 0 FROM pgslo_catalog.profile WHERE column_name = 'a'"
    ) == [(True,)]
    assert guarded.run("installer", "SELECT verdict FROM pgslo.verdict WHERE rule = 'middle'") == [("met",)]


def alternate(world: Any, first: int, batches: int) -> float:
    began = time.monotonic()
    world.run(
        "writer",
        f"INSERT INTO features.ex SELECT {first} + n, {first} + n, CASE n % 2 WHEN 0 THEN 999 ELSE 1 END"
        f" FROM generate_series(1, {batches}) n",
    )
    return time.monotonic() - began


@pytest.mark.slow
def test_batches_that_alternate_cost_no_more_each(guarded: Any) -> None:
    alternate(guarded, 0, 500)
    few, many = alternate(guarded, 1000, 500), alternate(guarded, 2000, 4000)
    assert many < 8 * few * 3, (few, many)
    # The last batch decides what is open; of each batch it is recorded whether rows failed.
    open_ones = "SELECT opened_batch FROM pgslo.incident WHERE rule = 'a_range' AND over_at IS NULL"
    assert len(guarded.run("installer", open_ones)) == 1
    guarded.run("writer", "INSERT INTO features.ex VALUES (100000, 100000, 1)")
    assert guarded.run("installer", open_ones) == []
    assert guarded.run(
        "superuser", "SELECT count(DISTINCT batch) FROM pgslo_catalog.fragment WHERE failures ? 'a_range'"
    ) == [(2500,)]


def test_the_last_batch_of_a_statement_resolves(guarded: Any) -> None:
    alternate(guarded, 0, 1001)
    assert guarded.run("installer", "SELECT count(*) FROM pgslo.incident WHERE over_at IS NULL") == [(0,)]
