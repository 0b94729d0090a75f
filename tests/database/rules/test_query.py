"""query: a SELECT of the author's own returns no rows."""

import pytest

KIND = "query"


def test_rows_returned_are_failures(golden):
    golden.load("2026-11-22", "plan = 'pro'; spend = CASE WHEN n > 2 THEN n END")
    assert golden.close()["pro_users_spend"] == ("missed", 2, "2 rows returned; the objective is at most 0")
    golden.run("UPDATE features.user_stats SET spend = 0 WHERE spend IS NULL")
    assert golden.close()["pro_users_spend"][:2] == ("met", 0)


def test_it_is_about_the_table_as_a_whole(golden):
    golden.load("2026-11-22", "plan = 'pro'")
    golden.close()
    (notice,) = golden.run("SELECT user_id FROM guarded.user_stats").notices
    assert notice.message == 'features.user_stats misses rule "pro_users_spend"'


def plan(session, query):
    return session.errors(
        f"table: features.user_stats\nbatch: {{by: day}}\nrules:\n  - q: {{query: {query!r}}}"
    )


REFUSED = [
    ("DELETE FROM features.user_stats", "a query has to begin with SELECT or WITH"),
    ("SELECT 1; SELECT 2", "several statements are not allowed"),
    ("SELECT 1 -- why", "comments are not allowed in a query"),
    ("SELECT u.id FROM features.user_stats u FOR UPDATE", "a query may not lock the rows it reads"),
    ("SELECT u.id INTO features.x FROM features.user_stats u", "a query may only read"),
    ("WITH d AS (DELETE FROM features.user_stats RETURNING id) SELECT d.id FROM d", "a query may only read"),
    ("SELECT id FROM user_stats", 'table "user_stats" is named without its schema'),
    ("SELECT pg_sleep(10)", 'function "pg_sleep" is not allowed in a query: its result changes'),
    ("SELECT pg_read_file('/etc/passwd')", 'function "pg_read_file" is not allowed in a query'),
    ("SELECT nextval('features.s')", 'function "nextval" is not allowed in a query'),
    ("SELECT features.f(1)", "functions are named without quotes and without a schema"),
    ("SELECT features. lower('x')", "functions are named without quotes and without a schema"),
    ("SELECT features\n.\nlower('x')", "functions are named without quotes and without a schema"),
    ("SELECT features.numeric(1)", "functions are named without quotes and without a schema"),
    ("SELECT features . all (1)", "functions are named without quotes and without a schema"),
    ("SELECT 1 WHERE features.exists (SELECT 1)", "functions are named without quotes and without a schema"),
    (
        "SELECT 1 FROM ROWS FROM (features.in (1)) AS t (x)",
        "functions are named without quotes and without a",
    ),
    ('SELECT "pg_sleep"(1)', "functions are named without quotes and without a schema"),
    ("SELECT query_to_xml('select 1', true, true, '')", 'function "query_to_xml" is not allowed'),
    ("SELECT 'features.user_stats'::regclass", 'a value may not be cast to "regclass"'),
    ("SELECT CAST('features.user_stats' AS regclass)", 'a value may not be cast to "regclass"'),
    ("SELECT cast ((SELECT 1 AS n) AS features.own)", 'a value may not be cast to "features"'),
    ('SELECT CAST(1 AS "Own")', 'a value may not be cast to "Own"'),
    ("SELECT ('/etc/passwd'::text).pg_read_file", '"pg_read_file" may not be taken from a value in brackets'),
    ("SELECT (ARRAY[12])[1] . pg_terminate_backend", '"pg_terminate_backend" may not be taken from a value'),
    (
        "SELECT v.pg_read_file FROM unnest(ARRAY['/etc/passwd']) AS v",
        '"pg_read_file" may not be taken from "v"',
    ),
    ("SELECT unnest . pg_read_file FROM unnest(ARRAY['/etc/passwd'])", 'may not be taken from "unnest"'),
    (
        "SELECT 1 FROM generate_series(1, 9) v WHERE v.pg_sleep IS NULL",
        '"pg_sleep" may not be taken from "v"',
    ),
    (
        'SELECT "V"."pg_sleep" FROM ROWS FROM (generate_series(1, 9)) "V"',
        '"pg_sleep" may not be taken from "V"',
    ),
    ("SELECT v.pg_sleep FROM (generate_series(1, 9) v CROSS JOIN unnest(ARRAY[1]) w)", 'be taken from "v"'),
    (
        "SELECT v.pg_read_file FROM CAST('/etc/passwd' AS text) AS v (x)",
        '"pg_read_file" may not be taken from "v"',
    ),
    ("SELECT v.pg_read_file FROM coalesce('/etc/passwd', 'a') v", '"pg_read_file" may not be taken from "v"'),
    ("SELECT v.pg_read_file FROM current_user AS v", '"pg_read_file" may not be taken from "v"'),
    ("SELECT v.x FROM (SELECT 1 AS n) s, LATERAL unnest(ARRAY[s.n]) v", '"x" may not be taken from "v"'),
    # A bracket after a name that is an alias elsewhere.
    ("SELECT CAST(1 AS evil (u)) FROM features.user_stats u", 'a value may not be cast to "evil"'),
    ("SELECT CAST(1 AS numeric (pg_sleep(1)))", 'function "pg_sleep" is not allowed'),
    ("SELECT DISTINCT ON (1) pg_read_file(u) FROM features.user_stats u", '"pg_read_file" is not allowed'),
    ("SELECT u.as pg_sleep (id) FROM features.user_stats u", 'function "pg_sleep" is not allowed'),
    ('SELECT 1 "as" pg_sleep (id) FROM features.user_stats u', 'function "pg_sleep" is not allowed'),
    ("SELECT 1 AS a, pg_sleep (id) FROM features.user_stats u", 'function "pg_sleep" is not allowed'),
    ("SELECT evil (u), pg_sleep (id) FROM features.user_stats u", 'function "evil" is not allowed'),
    ("SELECT materialized (SELECT 1)", 'function "materialized" is not allowed'),
    ("SELECT 1 AS materialized (SELECT 1)", 'function "materialized" is not allowed'),
    (
        "WITH q AS (SELECT 1) SELECT CAST(1 AS materialized (SELECT 1)) FROM q",
        'not be cast to "materialized"',
    ),
    ("WITH q AS materialized (1) SELECT 1", 'function "materialized" is not allowed'),
    ("SELECT 1, evil (id) AS (SELECT 1)", 'function "evil" is not allowed'),
    ("SELECT 1, evil (id) AS materialized (SELECT 1)", 'function "evil" is not allowed'),
    ("SELECT 1 FROM features.user_stats u, evil (u) AS (x integer)", 'function "evil" is not allowed'),
    ("SELECT 1 FROM features.user_stats u, evil (u) AS (SELECT 1)", 'function "evil" is not allowed'),
    ("SELECT 1 FROM features.user_stats u, evil (u) AS (WITH x)", 'function "evil" is not allowed'),
    ('SELECT 1 FROM features.user_stats u, evil (u) AS ("select" integer)', '"evil" is not allowed'),
    ("SELECT 1 FROM features.user_stats u TABLESAMPLE evil (u)", 'function "evil" is not allowed'),
    ("SELECT 1 FROM features.user_stats AS u TABLESAMPLE evil (u)", 'function "evil" is not allowed'),
    ("SELECT 1 FROM unnest(ARRAY[1]) WITH ORDINALITY evil (x)", 'function "evil" is not allowed'),
    ("SELECT 1 FROM unnest(ARRAY[1]) WITH ORDINALITY, evil (x) AS (SELECT 1)", '"evil" is not allowed'),
    ("SELECT 1 FROM features.user_stats AS u (id, nextval('s'))", 'function "u" is not allowed'),
    ("SELECT 1 FROM unnest(ARRAY[1]) AS u (x features.own)", 'function "u" is not allowed'),
    ("WITH q AS (SELECT 1), pg_sleep (x) SELECT 1", 'function "pg_sleep" is not allowed'),
    ("WITH q (x) AS (SELECT 1) SELECT 1, evil (x) AS (SELECT 1) FROM q", 'function "evil" is not allowed'),
    ("WITH evil (x) AS (VALUES (1)) SELECT evil (x) FROM evil", 'function "evil" is not allowed'),
    ("WITH evil (x) AS (SELECT 1) SELECT evil (x) FROM evil", 'function "evil" is not allowed'),
    ("WITH q (x) AS (DELETE FROM features.user_stats RETURNING id) SELECT 1", '"q" is not allowed'),
    ("SELECT 1 FROM (VALUES (1)) AS pg_class (x)", 'a query may not read "pg_class"'),
    ("SELECT v.pg_sleep FROM unnest(ARRAY[9]) AS v (x)", '"pg_sleep" may not be taken from "v"'),
    ("SELECT xmlserialize(CONTENT 1 AS evil (u))", 'function "xmlserialize" is not allowed'),
    ("SELECT treat(1 AS evil (u))", 'function "treat" is not allowed'),
    ("SELECT $1", "parameters and dollar quotes are not allowed"),
    ("SELECT u.no FROM features.user_stats u", "column u.no does not exist"),
    ("SELECT u.id FROM features.nothing u", 'relation "features.nothing" does not exist'),
    ("SELECT u.id FROM features.user_stats u WHERE", "this is not a query that can be read"),
    ("EXPLAIN SELECT 1", "a query has to begin with SELECT or WITH"),
]


@pytest.mark.parametrize(("query", "message"), REFUSED)
def test_refused(session, query, message):
    session.run("CREATE TABLE features.user_stats (id bigint PRIMARY KEY, day date)")
    found = plan(session, query)
    assert message in found[0]
    assert found[0].startswith("slos/example.yml:4:")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT u.id FROM features.user_stats u GROUP BY u.id HAVING count(*) > 1",
        "WITH d AS (SELECT u.day, count(*) AS n FROM features.user_stats u GROUP BY u.day) SELECT d.day FROM d WHERE d.n > 10 ORDER BY d.day",
        "SELECT a.id FROM features.user_stats a WHERE NOT EXISTS (SELECT 1 FROM features.user_stats b WHERE b.id = a.id + 1) AND a.id * 1.5 > 3",
        "SELECT u.id FROM features.user_stats u UNION ALL SELECT v.id FROM features.user_stats v WHERE v.day IN ('2026-01-01', '2026-01-02')",
        "SELECT v.v, w.ordinality, x.value FROM generate_series(1, 1) AS v, unnest(ARRAY[1]) WITH ORDINALITY w, jsonb_each('{}') x",
        "SELECT max(u.id) AS u, count(*) d FROM features.user_stats u, (SELECT 1 AS n) d WHERE u.id > d.n HAVING count(*) > 9",
        "SELECT v.x FROM (VALUES (4), (5)) AS v (x), features.user_stats u WHERE u.id = v.x",
        "WITH q (v) AS (SELECT count(*) FROM features.user_stats) SELECT q.v FROM q WHERE q.v > 99",
        "WITH RECURSIVE a (n) AS (SELECT 1), b (n, m) AS MATERIALIZED (SELECT 1, 2), c (n) AS NOT MATERIALIZED (WITH d (n) AS (SELECT 9) SELECT d.n FROM d) SELECT c.n FROM a, b, c WHERE a.n = c.n",
        "SELECT u.x, u.n FROM features.user_stats t CROSS JOIN LATERAL unnest(ARRAY[t.id]) WITH ORDINALITY AS u (x, n) WHERE u.x > 9",
        "SELECT s.k FROM features.user_stats AS s (k, d) WHERE s.k > 9 AND CAST(s.k AS numeric(9, 2)) > 0",
        'SELECT "S"."K" FROM features.user_stats AS "S" ("K") WHERE "S"."K" > 9',
        "SELECT u.day FROM features.user_stats u GROUP BY u.day HAVING percentile_disc(0.5) WITHIN GROUP (ORDER BY u.id) > 9",
        "SELECT w.id FROM (SELECT u.id, row_number() OVER (PARTITION BY u.day ORDER BY u.id) AS n FROM features.user_stats u) w WHERE w.n > 3;",
    ],
)
def test_accepted(session, query):
    session.run("CREATE TABLE features.user_stats (id bigint PRIMARY KEY, day date)")
    session.guard(
        f"table: features.user_stats\nbatch: {{by: day}}\nwatch: false\nrules:\n  - q: {{query: {query!r}, at_most: 9}}"
    )
    session.run("INSERT INTO features.user_stats SELECT n, '2026-11-22' FROM generate_series(1, 3) n")
    assert session.close()["q"][0] == "met"


def test_what_it_calls_cannot_write(session):
    # A view may hide anything.
    session.run("CREATE TABLE features.user_stats (id bigint PRIMARY KEY, day date)")
    session.run(
        "CREATE FUNCTION features.sly() RETURNS integer LANGUAGE sql VOLATILE AS 'DELETE FROM features.user_stats; SELECT 1'"
    )
    session.run("CREATE VIEW features.harmless AS SELECT features.sly() AS n")
    session.guard(
        'table: features.user_stats\nbatch: {by: day}\nwatch: false\nrules:\n  - q: {query: "SELECT h.n FROM features.harmless h WHERE h.n > 0"}'
    )
    session.run("INSERT INTO features.user_stats VALUES (1, '2026-11-22')")
    verdict, _, said = session.close()["q"]
    assert verdict == "unknown"
    assert said == "it can no longer be judged: cannot write in a read-only transaction, SQLSTATE 25006"
    # And everybody may write again.
    session.run("INSERT INTO features.user_stats VALUES (2, '2026-11-22')")
    assert session.values("SELECT count(*) FROM features.user_stats") == [2]


def test_columns_with_the_names_of_its_parameters(session):
    session.run(
        'CREATE TABLE features.user_stats (batch date PRIMARY KEY, "rows" integer, failed integer, example integer)'
    )
    session.guard(
        'table: features.user_stats\nbatch: {by: batch}\nwatch: false\nrules:\n  - q: {query: "SELECT batch, failed, example FROM features.user_stats WHERE failed = example"}'
    )
    session.run("INSERT INTO features.user_stats VALUES ('2026-11-22', 1, 1, 1), ('2026-11-23', 1, 1, 2)")
    assert {
        verdict
        for verdict, *_ in session.run(
            "SELECT verdict, value FROM pgslo.close_batch('features.user_stats')"
        ).rows
    } == {"missed"}
