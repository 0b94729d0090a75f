"""A guarded view warns readers in their own session, once, only about columns they read, and blocks no other session.

Here every row read is of a missed batch; test_rows_read.py reads rows of others.
"""

from __future__ import annotations

import pytest
from guarded_example import DEFINITION, TABLE, heard, listen, make, simple

#: Queries on the guarded view, and the rules their readers hear of.
QUERIES = {
    "aggregate": ("SELECT sum(a) FROM $v", {"a"}),
    "other column": ("SELECT sum(b) FROM $v", {"b"}),
    "column that meets its rule": ("SELECT sum(e), max(c) FROM $v", set()),
    "count": ("SELECT count(*) FROM $v", set()),
    "one row": ("SELECT a FROM $v WHERE id = 5", {"a"}),
    "key only": ("SELECT id, day FROM $v WHERE id = 5", set()),
    "no row": ("SELECT a FROM $v WHERE id = -1", set()),
    "filter": ("SELECT id FROM $v WHERE a = 77", {"a"}),
    "filter and output": ("SELECT a FROM $v WHERE a > 77 ORDER BY a", {"a"}),
    "limit": ("SELECT a, b FROM $v LIMIT 10", {"a", "b"}),
    "limit 0": ("SELECT a FROM $v LIMIT 0", set()),
    "star": ("SELECT * FROM $v LIMIT 1", {"a", "b"}),
    "expression": ("SELECT coalesce(a, 0) + b FROM $v WHERE id < 9", {"a", "b"}),
    "group by": ("SELECT a % 3, count(*) FROM $v GROUP BY 1", {"a"}),
    "window": ("SELECT row_number() OVER (ORDER BY a) FROM $v LIMIT 1", {"a"}),
    "self join": ("SELECT count(x.a), count(y.a) FROM $v x JOIN $v y USING (id) WHERE x.id < 100", {"a"}),
    "sub-query": (
        "SELECT count(*) FROM features.example o WHERE o.id < 9 AND EXISTS (SELECT FROM $v x WHERE x.id = o.id AND x.a > 0)",
        {"a"},
    ),
    "sub-query in the output": (
        "SELECT (SELECT a FROM $v WHERE id = 3), (SELECT b FROM $v WHERE id = 4)",
        {"a", "b"},
    ),
    "common table expression": (
        "WITH x AS MATERIALIZED (SELECT a FROM $v WHERE id < 9) SELECT count(*) FROM x",
        {"a"},
    ),
    "unused column of a sub-query": ("SELECT max(x.id) FROM (SELECT id, a, b FROM $v) x", set()),
    "union": ("SELECT a FROM $v WHERE id = 1 UNION ALL SELECT b FROM $v WHERE id = 2", {"a", "b"}),
    "lateral": (
        "SELECT count(x.a) FROM generate_series(1, 5) n, LATERAL (SELECT a FROM $v WHERE id = n) x",
        {"a"},
    ),
    "indexed column": ("SELECT d FROM $v WHERE d = 5", set()),
}


def explained(session, query):
    assert heard(session.run(f"EXPLAIN {query}")) == []
    return heard(session.run(f"EXPLAIN ANALYZE {query}"))


def prepared(session, query):
    session.run("SET LOCAL plan_cache_mode = force_generic_plan")
    assert simple(session, f"PREPARE q AS {query}") == []
    first, *others = [heard(session.run("EXECUTE q")) for _ in range(3)]
    session.run("DEALLOCATE q")
    assert others == [first, first]
    return first


def in_parallel(session, query):
    for name, value in (
        ("parallel_setup_cost", "0"),
        ("parallel_tuple_cost", "0"),
        ("min_parallel_table_scan_size", "0"),
        ("max_parallel_workers_per_gather", "2"),
        ("enable_indexscan", "off"),
        ("enable_bitmapscan", "off"),
        ("enable_indexonlyscan", "off"),
    ):
        session.run(f"SET LOCAL {name} = '{value}'")
    # Each process that reaches such a row says it.
    return sorted(set(heard(session.run(query))))


def read_only(session, query):
    session.run("SET LOCAL transaction_read_only = on")
    return heard(session.run(query))


def with_cursor(session, query):
    assert simple(session, f"DECLARE reading CURSOR FOR {query}") == []
    first = heard(session.run("FETCH 1 FROM reading"))
    rest = heard(session.run("FETCH ALL FROM reading"))
    session.run("CLOSE reading")
    return sorted({*first, *rest})


def in_a_function(session, query):
    session.run(
        f"CREATE FUNCTION features.reading() RETURNS SETOF text LANGUAGE sql AS $$ SELECT q::text FROM ({query}) AS q $$"
    )
    outcome = session.run("SELECT count(*) FROM features.reading()")
    return heard(outcome)


def in_a_loop(session, query):
    """Ten times in one statement of the reader's: one warning."""
    return heard(
        session.run(
            f"DO $$ DECLARE found record; BEGIN FOR turn IN 1..10 LOOP FOR found IN {query} LOOP NULL; END LOOP; END LOOP; END $$"
        )
    )


def into_a_table(session, query):
    outcome = session.run(f"CREATE TEMP TABLE copied AS SELECT q::text FROM ({query}) AS q")
    session.run("DROP TABLE copied")
    return heard(outcome)


@pytest.mark.parametrize(
    "way",
    [
        simple,
        explained,
        prepared,
        in_parallel,
        read_only,
        with_cursor,
        in_a_function,
        in_a_loop,
        into_a_table,
    ],
    ids=lambda way: way.__name__,
)
def test_warns_once_for_exactly_the_columns_read(reader, subtests, way):
    for name, (query, columns) in QUERIES.items():
        with subtests.test(query=name), reader.connection.transaction(force_rollback=True):
            assert way(reader, query.replace("$v", "guarded.example")) == sorted(columns)


def test_the_warning_says_what_and_whom_to_ask(reader):
    (said,) = reader.run("SELECT a FROM guarded.example LIMIT 1").notices
    incident = reader.values("SELECT incident_id FROM pgslo.incident WHERE rule = 'a_range'")[0]
    assert said.message == 'column "a" of features.example misses rule "a_range"'
    assert said.detail.startswith(
        "Batch 2026-11-21: 1 of 20001 rows fail; expected: a of at most 100000. Since "
    )
    assert said.detail.endswith(" UTC, 1 batch.")
    assert said.hint.splitlines() == [
        f"Incident {incident}, owner sam. SELECT * FROM pgslo.explain({incident});",
        "Python shows this with pgslo.client.watch(); SET pgslo.on_read = 'refuse' refuses such reads.",
    ]
    assert "999999" not in f"{said.message}{said.detail}{said.hint}"
    assert "\n" not in said.message
    facts = dict(reader.run(f"SELECT * FROM pgslo.explain({incident})").rows)
    assert facts["table"] == "features.example"
    assert facts["tasks that read it"] == "churn (#churn)"
    assert "999999" not in str(facts)


def test_a_bad_value_in_an_indexed_column_warns_who_reads_it(session):
    session.run(f"CREATE TABLE features.example ({TABLE})")
    session.run("CREATE INDEX ON features.example (d)")
    session.guard(DEFINITION)
    session.run("INSERT INTO features.example VALUES (0, '2026-11-22', 0, 0, 'c', 999999, 0)")
    for query, columns in (
        ("SELECT id FROM guarded.example", []),
        ("SELECT count(*) FROM guarded.example", []),
        ("SELECT c FROM guarded.example WHERE d > 5", ["d"]),
        ("SELECT d FROM guarded.example WHERE id = 0", ["d"]),
    ):
        assert heard(session.run(query)) == columns, query


def test_two_incidents_of_one_column_are_two_warnings(session):
    session.run(f"CREATE TABLE features.example ({TABLE})")
    text = DEFINITION.replace("a: [{range: {max: 100000}}]", "a: [{range: {max: 100000}}, not_null]")
    session.guard(text + "rules:\n  - differ: {expression: 'a <> b'}\n")
    session.run(
        "INSERT INTO features.example VALUES (0, '2026-11-22', 999999, 999999, 'c', 0, 0), (1, '2026-11-22', NULL, 1, 'c', 0, 0)"
    )
    said = session.run("SELECT a FROM guarded.example").notices
    assert sorted(notice.rule for notice in said) == ["a_not_null", "a_range", "differ"]
    said = session.run("SELECT b FROM guarded.example").notices
    assert sorted(notice.rule for notice in said) == ["b_range", "differ"]
    said = session.run("SELECT a, b FROM guarded.example WHERE a > b").notices
    assert sorted(notice.rule for notice in said) == ["a_not_null", "a_range", "b_range", "differ"]


def test_two_views_in_one_query(session):
    for table in ("example", "other"):
        session.run(f"CREATE TABLE features.{table} ({TABLE})")
        text = DEFINITION.split("tasks:", maxsplit=1)[0].replace("features.example", f"features.{table}")
        session.guard(text)
        session.run(f"INSERT INTO features.{table} VALUES (0, '2026-11-22', 999999, 999999, 'c', 0, 0)")
    said = session.run(
        "SELECT x.a, y.a, y.b FROM guarded.example x JOIN guarded.other y USING (id) WHERE x.a > 0 AND y.a > 0"
    ).notices
    assert sorted(notice.message for notice in said) == [
        'column "a" of features.example misses rule "a_range"',
        'column "a" of features.other misses rule "a_range"',
        'column "b" of features.other misses rule "b_range"',
    ]


def test_names_with_dots_and_quotes_reach_the_reader_whole(session):
    session.run('CREATE TABLE features."a.b ""c""" (id int PRIMARY KEY, "x y" int)')
    session.guard('table: \'features."a.b ""c"""\'\nwrites: bulk\ncolumns: {x y: [{range: {max: 1}}]}')
    session.run('INSERT INTO features."a.b ""c""" VALUES (1, 9)')
    (notice,) = session.run('SELECT "x y" FROM guarded."a.b ""c"""').notices
    assert notice.message.startswith('column "x y" of features.a.b "c" misses rule')
    session.run("SET LOCAL pgslo.on_read = 'refuse'")
    error = session.refused('SELECT "x y" FROM guarded."a.b ""c"""')
    assert (error.schema, error.table, error.column) == ("features", 'a.b "c"', "x y")


def test_each_statement_of_a_transaction_warns(reader):
    for _ in range(3):
        assert simple(reader, "SELECT a FROM guarded.example WHERE a = 3") == ["a"]
        assert simple(reader, "SELECT a, b FROM guarded.example WHERE a = 3") == ["a", "b"]


def test_a_reader_s_own_cursors_and_savepoints_are_left_alone(reader):
    reader.run("DECLARE mine CURSOR FOR SELECT id, a FROM guarded.example ORDER BY id")
    assert heard(reader.run("FETCH 1 FROM mine")) == ["a"]
    with reader.connection.transaction(force_rollback=True):
        assert simple(reader, "SELECT b FROM guarded.example LIMIT 1") == ["b"]
    assert simple(reader, "SELECT b FROM guarded.example LIMIT 1") == ["b"]
    assert reader.run("FETCH 2 FROM mine").rows == ((1, 1), (2, 2))
    reader.run("CLOSE ALL")
    assert simple(reader, "SELECT b FROM guarded.example LIMIT 1") == ["b"]


def test_materialized_views_and_procedures(connection):
    make(connection)
    notices = listen(connection)
    connection.execute("CREATE MATERIALIZED VIEW features.kept AS SELECT id, a FROM guarded.example")
    connection.execute("REFRESH MATERIALIZED VIEW features.kept")
    connection.execute(
        """CREATE PROCEDURE features.walk() LANGUAGE plpgsql AS $$
           DECLARE n int;
           BEGIN
               FOR n IN 1..3 LOOP
                   PERFORM a FROM guarded.example WHERE a > 0;
                   COMMIT;
               END LOOP;
           END $$"""
    )
    connection.execute("CALL features.walk()")
    assert [notice[0] for notice in notices] == ["a_range"] * len(notices)
    assert len(notices) >= 3


def test_incidents_say_whom_they_concern_as_rules_and_names_change(reader):
    told = "SELECT i.definition, i.about FROM pgslo_catalog.incident i WHERE i.over_at IS NULL ORDER BY i.incident_id LIMIT 1"
    of_first = "rule_id = (SELECT i.rule_id FROM pgslo_catalog.incident i WHERE i.over_at IS NULL ORDER BY i.incident_id LIMIT 1)"
    assert reader.run(told).rows == (("features.example", ["a"]),)
    reader.run(f"UPDATE pgslo_catalog.rule SET columns = '{{b,c}}' WHERE {of_first}")
    assert reader.run(told).rows == (("features.example", ["b", "c"]),)
    reader.run(f"UPDATE pgslo_catalog.rule SET columns = '{{}}' WHERE {of_first}")
    reader.run("UPDATE pgslo_catalog.definition SET name = 'features.other'")
    assert reader.run(told).rows == (("features.other", ["*"]),)
