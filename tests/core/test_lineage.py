"""The columns that a task's SQL reads."""

from __future__ import annotations

import pytest

from pgslo.errors import DefinitionError, Location
from pgslo.expression import columns_read

NAMES = {("features", "stats"), ("guarded", "stats"), ("guarded", "stats_strict"), ("serving", "churn")}
COLUMNS = ("id", "age", "country", "score", "Mixed")
HERE = Location("slos/x.yml", 3, 5)


def read(text):
    return columns_read(text, names=NAMES, columns=COLUMNS, location=HERE)


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("SELECT age FROM guarded.stats", ("age",)),
        (
            "SELECT s.AGE FROM Guarded.Stats AS s WHERE s.country = 'us' ORDER BY score",
            ("age", "country", "score"),
        ),
        ('SELECT "Mixed" FROM features.stats', ("Mixed",)),
        ("SELECT Mixed FROM features.stats", ()),
        ("SELECT * FROM serving.churn", COLUMNS),
        ("SELECT s.* FROM guarded.stats_strict s JOIN dim.country d ON d.code = s.country", COLUMNS),
        ("SELECT d.age FROM guarded.stats s JOIN dim.country d ON d.code = s.country", ("country",)),
        ("SELECT name FROM guarded.stats s JOIN dim.country d USING (country)", ("country",)),
        ("SELECT name FROM guarded.stats NATURAL JOIN dim.country", COLUMNS),
        ("SELECT count(*) FROM guarded.stats", ()),
        (
            "SELECT avg(age) FROM guarded.stats GROUP BY country HAVING max(score) > 1",
            ("age", "country", "score"),
        ),
        ("WITH s AS (SELECT age FROM guarded.stats) SELECT * FROM s", ("age",)),
        ("SELECT * FROM dim.country WHERE code IN (SELECT country FROM guarded.stats)", ("country",)),
        ("SELECT stats FROM guarded.stats", COLUMNS),
        ("SELECT to_jsonb(s) FROM guarded.stats s", COLUMNS),
        ("INSERT INTO out.x SELECT age + 1 FROM guarded.stats; DELETE FROM out.y", ("age",)),
        ("SELECT x.age FROM other.stats x, guarded.stats y WHERE x.id = y.id", ("id",)),
    ],
)
def test_columns(text, columns):
    assert read(text) == columns


@pytest.mark.parametrize("text", ["SELECT age FROM stats", "SELECT 1", "SELECT age FROM other.stats"])
def test_a_query_about_something_else_is_an_error(text):
    with pytest.raises(DefinitionError, match=r"does not read features\.stats") as caught:
        read(text)
    assert caught.value.location == HERE


@pytest.mark.parametrize("text", ["SELECT FROM WHERE", "SELECT ((((", "no sql at all"])
def test_what_cannot_be_read_is_an_error(text):
    with pytest.raises(DefinitionError):
        read(text)


def test_an_alias_with_other_names_for_columns_reads_all_of_them():
    query = "SELECT s.a FROM features.stats AS s (a, b) WHERE s.b > 1"
    read = columns_read(query, names={("features", "stats")}, columns=("id", "age"), location=HERE)
    assert read == ("id", "age")
