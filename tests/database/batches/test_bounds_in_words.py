"""A bound has the same digits in the summary of its rule, which Python writes, and in verdicts, which SQL writes."""

from __future__ import annotations

import random

import pytest

from pgslo.definition.wording import number

BOUNDS = (
    *(
        0.0,
        1.0,
        -1.0,
        10.0,
        1000.0,
        1234567.891,
        -1234567.891,
        0.00002,
        -0.00002,
        0.1,
        0.95,
        0.999999,
        0.9999999,
    ),
    *(
        1e-14,
        1e-15,
        9.5e-16,
        1e-16,
        1e-300,
        123456789012345.0,
        999999999999999.0,
        1e15,
        1.1e15,
        1.5e20,
        1e300,
    ),
    *(0.1 + 0.2, 1 / 3, 100.5, 99.99, 2.5e-5, -0.5, 5e14 + 0.5),
)


def test_both_write_the_same(session):
    rng = random.Random(7)
    bounds = [*BOUNDS, *(rng.uniform(-1, 1) * 10 ** rng.randint(-20, 20) for _ in range(500))]
    for factor in (1, 100):
        rows = session.connection.execute(
            "SELECT pgslo_catalog.bound_shown(v, %s) FROM unnest(%s::float8[]) WITH ORDINALITY AS u (v, n) ORDER BY n",
            (factor, bounds),
        ).fetchall()
        for bound, (shown,) in zip(bounds, rows, strict=True):
            assert number(bound, factor) == shown, (bound, factor)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1234567.891, "1,234,567.891"),
        (0.00002, "0.00002"),
        (1000, "1,000"),
        (-0.5, "-0.5"),
        (1e15, "1e+15"),
        (0.1 + 0.2, "0.3"),
    ],
)
def test_as_its_author_wrote_it(value, shown):
    assert number(value) == shown


RULES = """\
table: features.example
owner: sam
writes: bulk
batch: {by: day}
watch: false
columns:
  n:
    - statistic: {of: sum, min: 1234567.891, name: total}
    - statistic: {of: mean, min: 0.00002, name: middle}
    - completeness: {min: 0.9999999, name: filled}
    - change: {of: mean, relative_to: previous, min: -0.1234567, name: moved}
row_count: {min: 12345678}
"""


def test_a_verdict_says_what_the_summary_says(session):
    session.run("CREATE TABLE features.example (id integer PRIMARY KEY, day date, n numeric)")
    session.guard(RULES)
    summaries = dict(session.run("SELECT name, promise FROM pgslo_catalog.rule").rows)
    session.run("INSERT INTO features.example VALUES (1, '2026-11-21', 1)")
    session.run("INSERT INTO features.example VALUES (2, '2026-11-22', 0), (3, '2026-11-22', NULL)")
    said: dict[str, list[str]] = {}
    for day in (21, 22):
        for rule, text in session.run(
            f"SELECT rule, said FROM pgslo.close_batch('features.example', '2026-11-{day}')"
        ).rows:
            said.setdefault(rule, []).append(text)
    for rule, bound in (
        ("total", "at least 1,234,567.891"),
        ("middle", "at least 0.00002"),
        ("filled", "at least 99.99999 %"),
        ("row_count", "at least 12,345,678"),
    ):
        assert bound in summaries[rule], summaries[rule]
        assert bound in said[rule][0], said[rule]
    assert "at least -12.34567 %" in summaries["moved"]
    assert "a change of at least -12.34567 %" in said["moved"][1]
    assert said["total"][0].startswith("the sum of 1 row is 1;")
    assert said["filled"][0].startswith("100 % of 1 row ")
