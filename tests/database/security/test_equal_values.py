"""An UPDATE to an equal value that is another one, such as from 1.0 to 1.000, passes no assertion that rejects."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

World = Any

#: The type, what is at most true of one row in a group, a value of which it is not true, and an equal one of which it is.
VALUES = {
    "numeric": ("numeric", "scale(x) > 1", "1.0", "1.000"),
    "interval": ("interval", "extract(day FROM x) > 0", "'24:00:00'", "'1 day'"),
    "jsonb": ("jsonb", "(x ->> 'a') <> '1.0'", """'{"a": 1.0}'""", """'{"a": 1.00}'"""),
    "float8": ("float8", "x::text = '-0'", "0", "'-0'"),
    "real": ("real", "x::text = '-0'", "0", "'-0'"),
    "bpchar": ("bpchar", "octet_length(x) > 3", "'ab'", "'ab   '"),
    "numrange": ("numrange", "scale(lower(x)) > 1", "'[1.0,2)'", "'[1.000,2)'"),
    "array": ("numeric[]", "scale(x[1]) > 1", "'{1.0}'", "'{1.000}'"),
    "integer": ("int", "x > 5", "1", "9"),
}


@pytest.mark.parametrize("kind", VALUES)
def test_none_passes(world: World, kind: str) -> None:
    type_, where, good, bad = VALUES[kind]
    world.run("installer", f"CREATE TABLE features.t (id int PRIMARY KEY, day date, g int, x {type_})")
    world.run(
        "installer",
        "CREATE INDEX ON features.t (day); CREATE INDEX ON features.t (g); GRANT ALL ON features.t TO $writer",
    )
    world.apply(
        f"""{{table: features.t, key: [id], writes: bulk, batch: {{by: day}},
             assertions: [s: {{count: {{max: 1}}, where: "{where}", group_by: g, on_breach: reject}}]}}"""
    )
    world.run(
        "writer", f"INSERT INTO features.t VALUES (1, '2026-01-01', 1, {good}), (2, '2026-01-01', 1, {good})"
    )
    with pytest.raises(psycopg.errors.CheckViolation):
        world.run("writer", f"SET extra_float_digits = -15; UPDATE features.t SET x = {bad}")
    world.run("writer", f"UPDATE features.t SET x = {bad} WHERE id = 1")
