"""Virtual generated columns (PostgreSQL 18) are NULL to triggers: no part of a definition that these read may name one."""

from __future__ import annotations

from typing import Any

import pytest

from pgslo.errors import PgsloError

World = Any

TABLE = """
CREATE TABLE features.t (id int PRIMARY KEY, day date, g int, a int, v int GENERATED ALWAYS AS (a * 2) VIRTUAL,
                         vd date GENERATED ALWAYS AS (day + 1) VIRTUAL);
CREATE INDEX ON features.t (day); CREATE INDEX ON features.t (g)
"""
ROWS = "columns: {a: [range: {min: 0, on_breach: warn}]}"
NAMED = {
    "batch": f"batch: {{by: vd}}\n{ROWS}",
    "expression": f'batch: {{by: "vd + 1"}}\n{ROWS}',
    "key": f"key: [v]\nbatch: {{by: day}}\n{ROWS}",
    "values": "batch: {by: day}\nassertions: [s: {all_equal: v, group_by: g, on_breach: reject}]",
    "total": "batch: {by: day}\nassertions: [s: {adds_up_to: {column: v, total: 20}, group_by: g, on_breach: reject}]",
    "rows": 'batch: {by: day}\nassertions: [s: {count: {max: 1}, group_by: g, where: "v > 10", on_breach: reject}]',
    "where": 'batch: {by: day}\ncolumns: {a: [statistic: {of: mean, where: "v < 0", max: 0}]}',
}


@pytest.mark.parametrize("writes", ["bulk", "stream"])
@pytest.mark.parametrize("named", NAMED)
def test_none_is_named_where_triggers_read_it(world: World, named: str, writes: str) -> None:
    if world.admin.info.server_version < 180000:
        pytest.skip("PostgreSQL has no virtual columns before version 18")
    world.run("installer", TABLE)
    with pytest.raises(PgsloError, match="is virtual"):
        world.apply(f"table: features.t\nwrites: {writes}\n{NAMED[named]}")
    assert world.run("superuser", "SELECT count(*) FROM pgslo_catalog.definition") == [(0,)]
