"""A deprecated column of a view and the one that replaces it have the same values."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "deprecated.md"
#: The columns of the page's table of views: view, old and new column.
NAMES = [
    (view, old, new)
    for views, old, new in re.findall(
        r"^\| (`[a-z_`, ]+) \| `(\w+)` \| `(\w+)` \|$", PAGE.read_text(), flags=re.MULTILINE
    )
    for view in re.findall(r"\w+", views)
    if view not in ("incidents", "status", "drift", "gate", "backtest")
]
DEFINITION = """
table: features.seen
owner: growth
key: [id]
batch: {by: day}
objective: {target: 0.9, window: 28 days}
columns:
  age:
    - range: {min: 0, max: 120, on_breach: flag}
    - statistic: {of: mean, max: 60, name: middle}
assertions:
  - same: {all_equal: age, group_by: day, on_breach: flag}
"""


def test_both_have_the_same_values(world):
    world.run(
        "installer",
        "CREATE TABLE features.seen (id int PRIMARY KEY, day date, age int); CREATE INDEX ON features.seen (day)",
    )
    world.apply(DEFINITION)
    world.run("installer", "INSERT INTO features.seen VALUES (1, '2026-01-01', 999), (2, '2026-01-01', 10)")
    world.run("installer", "SELECT pgslo.close_batch('features.seen'); SELECT pgslo.tick()")
    assert {view for view, _, _ in NAMES} == {
        "incident",
        "rule",
        "assertion",
        "verdict",
        "broken_group",
        "sample",
        "budget",
    }
    for view, old, new in NAMES:
        ((rows, differing),) = world.run(
            "installer",
            f"SELECT count({new}), count(*) FILTER (WHERE {old} IS DISTINCT FROM {new}) FROM pgslo.{view}",
        )
        assert rows > 0, (view, new)
        assert differing == 0, (view, old)
