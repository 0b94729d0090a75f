"""A query casts to PostgreSQL's own types alone: in ``date.evil``, ``date`` is the name of a schema."""

from __future__ import annotations

import pytest
from expressions import refusal

from pgslo.errors import DefinitionError, Location
from pgslo.expression import parse_query


def read(text: str) -> None:
    parse_query(text, location=Location("x", 1, 1), locate=lambda offset: Location("x", 1, offset + 1))


CASTS = {
    "w.a::date.evil": 6,
    "w.a::DATE.evil": 6,
    "w.a::date .evil": 6,
    "w.a::date\n. evil": 6,
    'w.a::date."evil"': 6,
    "w.a :: int4 . evil": 8,
    "w.a::date.evil[]": 6,
    "w.a::text::date.evil": 12,
    "w.a::int.x%type": 6,
    "w.a::timestamp.evil": 6,
    "w.a::double.evil": 6,
    "w.a::double precision.evil": 13,
    "w.a::time with time zone.evil": 21,
    "CAST(w.a AS date.evil)": 13,
    'CAST(w.a AS date . "evil")': 13,
    "CAST(w.as AS date.evil)": 14,
    "CAST(w.cast AS date.evil)": 16,
    "CAST(w.a AS date.evil[])": 13,
    "CAST(CAST(w.a AS text) AS date.evil)": 27,
    "CAST((SELECT 1 AS one) AS date.evil)": 27,
    'w.a::"date".evil': 6,
    'w.a::"date"': 6,
    "w.a::evil.date": 6,
    "w.a::evil": 6,
    "w.a::double": 6,
}
STRINGS = {
    "date.evil '5'": 6,
    "evil.date '5'": 6,
    "evil . date '5'": 8,
    "evil.\"date\" '5'": 6,
    "\"date\" '5'": 1,
    "evil '5'": 1,
    "tinyint '5'": 1,
    "evil.tinyint '5'": 6,
}


@pytest.mark.parametrize(("value", "column"), (CASTS | STRINGS).items())
@pytest.mark.parametrize("text", ["SELECT {} FROM a.w AS w", "SELECT 1 FROM a.w AS w WHERE {} > 5"])
def test_types_of_a_schema_are_refused(value, column, text):
    with pytest.raises(DefinitionError) as refused:
        read(text.format(value))
    before = text.index("{}")
    assert str(refused.value).startswith(f"x:1:{before + column}: error: "), refused.value
    assert "types are named without a schema" in str(refused.value) or "may not be cast to" in str(
        refused.value
    )
    assert "docs/reference/expressions.md" in str(refused.value)


@pytest.mark.parametrize("value", [*CASTS, *STRINGS])
def test_expressions_refuse_them_too(value):
    """Conditions, ``where``, batch expressions, steps of post-processing and parameters of kinds are expressions."""
    assert refusal(value.replace("w.", "") + " > 5")


@pytest.mark.parametrize(
    "value",
    [
        "w.a::int",
        "w.a::int[]",
        "w.a::varchar(3)",
        "w.a::double precision",
        "w.a::character varying",
        "w.a::timestamp",
        "w.a::timestamp with time zone",
        "w.date",
        "CAST(w.a AS numeric(3, 1))",
        "CAST(w.as AS date)",
        "w.cast",
        "date '2026-01-01'",
        "timestamp with time zone '2026-01-01'",
        "double precision '1'",
        "interval '1 day'",
        "w.t AT TIME ZONE 'UTC'",
        "w.a LIKE 'a' ESCAPE 'b'",
        "w.a NOT ILIKE 'a'",
        "CASE WHEN true THEN 'a' ELSE 'b' END",
        "trim(BOTH 'x' FROM w.a)",
        "'a' || w.a",
    ],
)
def test_types_of_postgresql_are_accepted(value):
    read(f"SELECT {value} FROM a.w AS w")


@pytest.mark.parametrize("column", ["select", "from", "rows", "as", "with", "current_user"])
def test_a_column_named_like_a_reserved_word_hides_no_call(column):
    with pytest.raises(DefinitionError, match="may not be taken from"):
        read(f"SELECT 1 FROM a.t AS t JOIN unnest(ARRAY[t.{column}, 'x']) AS v ON v.pg_read_file > ''")
    with pytest.raises(DefinitionError, match="may not be taken from"):
        read(
            f"SELECT v.pg_read_file FROM a.t AS t JOIN a.u AS u ON t.{column} = u.x, unnest(ARRAY['x']) AS v"
        )
