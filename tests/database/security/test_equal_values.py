"""An UPDATE to an equal value that is another one, such as from 1.0 to 1.000, passes no assertion that rejects."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from pgslo.compile.assertions import groups

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
    "tsquery": ("tsquery", "x::text LIKE '%:B%'", "'a:A'", "'a:B'"),
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


def test_every_type_of_postgresql_is_exact_or_compared_by_image(world: World) -> None:
    """Two equal values of an exact type have the same image; a type that is on no list is compared by its text."""
    types = world.run(
        "superuser",
        """SELECT format_type(t.oid, NULL), t.typsend::text FROM pg_type t JOIN pg_opclass c ON c.opcintype = t.oid AND c.opcdefault
           JOIN pg_am a ON a.oid = c.opcmethod AND a.amname = 'btree'
           WHERE t.typnamespace = 'pg_catalog'::regnamespace AND t.typtype = 'b'""",
    )
    by_value = {name for name, _ in types} & groups._EXACT
    assert by_value == groups._EXACT - {"xid"}
    # Of which an equal value may be another one: none of them is compared by "=".
    coarse = {"tsquery", "numeric", "interval", "jsonb", "real", "double precision", "character", "text"}
    assert coarse <= {name for name, _ in types}
    assert not coarse & groups._EXACT
    assert {name: send for name, send in types if name in groups._IMAGES}.keys() <= coarse
