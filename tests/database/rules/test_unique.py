import json
import random

import psycopg
import pytest

KIND = "unique"
MODES = ("bulk", "stream")


def test_values_and_null_pass(golden):
    golden.passes(email="'a'", phone="'1'", shop="1", sku="'a'", plan="'pro'")
    golden.passes(email="'b'", phone="'2'", shop="1", sku="'a'")
    golden.passes(phone="'1'", feature_date="'2026-11-23'")
    golden.passes()
    golden.passes()


def test_rejects_as_postgresql_does(golden):
    golden.run(golden.row(phone="'1'"))
    error = golden.refused(golden.row(phone="'1'"))
    assert (error.sqlstate, error.rule) == ("23505", "pgslo__user_stats__one_phone_a_day")


def test_rejects_where_it_is_asked_to(golden):
    golden.run(golden.row(shop="1", sku="'a'", plan="'pro'"))
    golden.passes(shop="1", sku="'a'", plan="'free'")
    error = golden.refused(golden.row(shop="1", sku="'a'", plan="'pro'"))
    assert (error.sqlstate, error.rule) == ("23505", "pgslo__user_stats__one_sku_in_a_shop")


def test_quarantines(golden):
    golden.run(golden.row(campaign="'a'", plan="'pro'"))
    assert golden.run(golden.row(campaign="'a'", plan="'pro'")).count == 0
    assert golden.held() == [("(user_id, feature_date) = (2, 2026-11-22)", ("campaign_unique",))]


def test_warns_and_flags(golden):
    golden.run(golden.row(email="'a'", campaign="'a'", plan="'pro'"))
    outcome = golden.run(golden.row(email="'a'", campaign="'a'"))
    assert (outcome.count, outcome.warned) == (1, {"email_unique"})
    assert golden.failures() == {"email_unique": 1, "campaign_unique_2": 1}


@pytest.fixture
def example(session):
    session.run(
        "CREATE TABLE features.example (id integer PRIMARY KEY, a text, b integer, live boolean, j json)"
    )
    session.run("CREATE INDEX ON features.example (a, b)")
    return session


@pytest.mark.parametrize("writes", MODES)
@pytest.mark.parametrize("action", ["warn", "flag", "quarantine"])
def test_where_is_about_both_rows(example, writes, action):
    example.guard(
        f"""
        table: features.example
        writes: {writes}
        rules: [one: {{unique: [a, b], where: live, on_breach: {action}}}]
        """
    )
    for n, (a, b, live) in enumerate(
        [("'x'", 1, "true"), ("'x'", 1, "false"), ("'x'", 1, "NULL"), ("'x'", 2, "true"), ("NULL", 1, "true")]
    ):
        assert example.run(f"INSERT INTO features.example VALUES ({n}, {a}, {b}, {live})").notices == ()
        assert example.failures() == {}
    assert example.run("INSERT INTO features.example VALUES (9, 'x', 2, true)").count == (
        action != "quarantine"
    )
    assert bool(example.held()) == (action == "quarantine")
    assert bool(example.failures()) == (action != "quarantine")


@pytest.mark.parametrize("writes", MODES)
def test_quarantines_all_but_the_first(example, writes):
    example.guard(
        f"{{table: features.example, writes: {writes}, rules: [one: {{unique: [a, b], on_breach: quarantine}}]}}"
    )
    outcome = example.run(
        "INSERT INTO features.example VALUES (1, 'x', 1), (2, 'x', 1), (3, 'y', 1), (4, 'x', 1), (5, NULL, 1), (6, NULL, 1)"
    )
    assert outcome.count == 4
    assert [key for key, _ in example.held()] == ["(id) = (2)", "(id) = (4)"]


@pytest.mark.parametrize("writes", MODES)
@pytest.mark.parametrize("key", ["PRIMARY KEY", ""])
def test_a_row_is_not_its_own_double(session, writes, key):
    session.run(f"CREATE TABLE features.example (id integer {key}, a text, n integer DEFAULT 0)")
    session.run("CREATE INDEX ON features.example (a)")
    session.guard(
        f"""
        table: features.example
        key: id
        writes: {writes}
        columns: {{a: [unique: {{on_breach: quarantine}}]}}
        """
    )
    session.run("INSERT INTO features.example VALUES (1, 'x'), (2, 'y'), (3, NULL)")
    assert session.run("UPDATE features.example SET n = 1").count == 3
    assert session.run("UPDATE features.example SET a = upper(a)").count == 3
    assert session.run("UPDATE features.example SET a = 'X' WHERE id = 2").count == 0
    assert session.run("UPDATE features.example SET a = 'X' WHERE id = 3").count == 0
    if key:
        upsert = "ON CONFLICT (id) DO UPDATE SET n = excluded.n, a = excluded.a"
        assert session.run(f"INSERT INTO features.example VALUES (1, 'X', 5) {upsert}").count == 1
        assert session.run(f"INSERT INTO features.example VALUES (1, 'Y', 5) {upsert}").count == 0
        assert session.run("UPDATE features.example SET id = 7 WHERE id = 1").count == 1


def test_doubles_of_the_key_itself_can_be_diverted(session):
    session.run("CREATE TABLE features.example (id integer PRIMARY KEY, a text)")
    session.guard("{table: features.example, columns: {id: [unique: {on_breach: quarantine}]}}")
    assert session.run("INSERT INTO features.example VALUES (1), (2), (1), (3)").count == 3
    assert session.held() == [("(id) = (1)", ("id_unique",))]
    assert session.run("UPDATE features.example SET a = 'x'").count == 3


@pytest.mark.parametrize("writes", MODES)
def test_counts_every_row_that_has_a_double(example, writes):
    example.guard(
        f"{{table: features.example, writes: {writes}, rules: [one: {{unique: [a, b], on_breach: flag}}]}}"
    )
    example.run("INSERT INTO features.example VALUES (1, 'x', 1), (2, 'y', 1), (3, 'x', 1)")
    assert example.failures() == {"one": 2}
    example.run("UPDATE features.example SET a = 'y' WHERE id = 3")
    assert example.failures() == {"one": 3}


@pytest.mark.parametrize("writes", MODES)
def test_nulls_are_the_same_where_it_is_asked_to(session, writes):
    session.run("CREATE TABLE features.example (id integer PRIMARY KEY, a text, b integer, live boolean)")
    session.run("CREATE INDEX ON features.example (a, b)")
    session.guard(
        f"""
        table: features.example
        writes: {writes}
        rules:
          - kept: {{unique: {{columns: [a, b], nulls: same}}, on_breach: quarantine, where: live}}
          - told: {{unique: {{columns: [a, b], nulls: same}}, on_breach: warn, where: NOT live}}
        """
    )
    insert = "INSERT INTO features.example VALUES"
    rows = "(1, NULL, NULL, {0}), (2, 'x', NULL, {0}), (3, NULL, 1, {0}), (4, 'x', 1, {0}), (5, 'x', 2, {0})"
    assert session.run(f"{insert} {rows.format('true')}").notices == ()
    for n, pair in enumerate(["NULL, NULL", "'x', NULL", "NULL, 1", "'x', 1"], 10):
        assert session.run(f"{insert} ({n}, {pair}, true)").count == 0
        assert session.run(f"{insert} ({n}, {pair}, false)").notices == ()
        assert session.run(f"{insert} ({n + 10}, {pair}, false)").warned == {"told"}
    assert session.run("UPDATE features.example SET b = NULL WHERE id = 5").count == 0
    assert session.run("UPDATE features.example SET live = live WHERE live").count == 5
    assert session.broken() == {}


#: As dbt_utils.unique_combination_of_columns prints it.
DBT = "SELECT count(*) FROM (SELECT a, b, c FROM features.example GROUP BY a, b, c HAVING count(*) > 1) AS v"


@pytest.mark.parametrize("seed", range(12))
def test_the_verdict_is_that_of_unique_combination_of_columns(session, seed):
    chosen = random.Random(seed)
    session.run("CREATE TABLE features.example (id serial PRIMARY KEY, a text, b float, c date NOT NULL)")
    session.run("CREATE INDEX ON features.example (c, b, a)")
    session.guard(
        "{table: features.example, rules: [one: {unique: {columns: [a, b, c], nulls: same}, on_breach: flag}]}"
    )
    values = (
        ["NULL", "''", "'a'", "'A'", "'a '"],
        ["NULL", "0", "'-0'", "'NaN'", "'Infinity'"],
        ["'2026-11-22'", "'infinity'"],
    )
    rows = [", ".join(chosen.choice(column) for column in values) for _ in range(chosen.choice([2, 3, 5, 8]))]
    session.run(f"INSERT INTO features.example (a, b, c) VALUES ({'), ('.join(rows)})")
    (doubles,) = session.values(DBT)
    assert bool(session.failures()) == (doubles > 0)
    (rows_of_doubles,) = session.values(
        "SELECT count(*) FROM (SELECT count(*) OVER (PARTITION BY a, b, c) AS n FROM features.example) AS v WHERE n > 1"
    )
    assert session.failures().get("one", 0) == rows_of_doubles


def _index(session):
    return session.values(
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'features' AND indexname LIKE 'pgslo%'"
    )


SAME = "{table: features.example, key: [id], rules: [one: {unique: {columns: [a, b], nulls: same}, on_breach: reject}]}"


def test_an_index_holds_nulls_to_be_the_same(session):
    session.run("CREATE TABLE features.example (id integer PRIMARY KEY, a text, b integer NOT NULL)")
    # To this one, NULLs are distinct.
    session.run("CREATE UNIQUE INDEX ON features.example (a, b)")
    if session.connection.info.server_version < 150000:
        (found,) = session.errors(SAME)
        assert found.startswith("slos/example.yml:1:85: error: no index of PostgreSQL 14 takes two NULLs")
        assert "a may be NULL" in found
        assert "on_breach: quarantine, flag or warn" in found
        return
    session.guard(SAME)
    (index,) = _index(session)
    assert "(a, b) NULLS NOT DISTINCT" in index
    session.run("INSERT INTO features.example VALUES (1, NULL, 1), (2, NULL, 2), (3, 'x', 1)")
    error = session.refused("INSERT INTO features.example VALUES (4, NULL, 1)")
    assert (error.sqlstate, error.rule) == ("23505", "pgslo__example__one")


def test_an_index_of_columns_without_null_is_enough(session):
    session.run("CREATE TABLE features.example (id integer PRIMARY KEY, a text NOT NULL, b integer NOT NULL)")
    session.run("CREATE UNIQUE INDEX ON features.example (b, a)")
    session.guard(SAME)
    assert _index(session) == []


def test_a_plan_after_an_apply_is_empty_also_with_columns_made_not_null(connection, apply):
    connection.execute("CREATE SCHEMA features")
    connection.execute("CREATE TABLE features.example (id integer PRIMARY KEY, a integer, b text)")
    connection.execute("CREATE INDEX ON features.example (a, b)")
    text = """\
    table: features.example
    columns: {a: [not_null: {on_breach: reject}]}
    rules: [one: {unique: {columns: [a, b], nulls: same}, on_breach: warn}]
    """
    assert apply(text) == ()
    connection.execute("ALTER TABLE features.example ALTER COLUMN a DROP NOT NULL")
    connection.execute("INSERT INTO features.example VALUES (1, NULL, NULL), (2, NULL, NULL)")
    found = connection.execute("SELECT rule FROM pgslo.incident").fetchall()
    assert found == [("one",)]


def test_a_unique_index_that_is_there_is_enough(example):
    example.run("ALTER TABLE features.example ADD UNIQUE (b, a)")
    plan = example.plan("{table: features.example, rules: [one: {unique: [a, b], on_breach: reject}]}")
    assert not [step for step in plan.steps if step.kind in ("unique_index", "trigger")]


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        (
            "rules: [one: {unique: [live]}]",
            "2:9: error: features.example has no index that finds rows by live\ndetail: on_breach: warn looks each written row up; without an index a write would read the whole table.\nhint: CREATE INDEX CONCURRENTLY ON features.example (live); or use on_breach: reject, which builds a unique index",
        ),
        (
            "rules: [one: {unique: {columns: [a, b], nulls: equal}}]",
            '2:48: error: choice "equal" does not exist\nhint: One of: distinct, same.',
        ),
        (
            "rules: [one: {unique: [a, c], on_breach: reject}]",
            '2:27: error: column "c" of features.example does not exist',
        ),
        (
            "columns: {j: [unique]}",
            '2:15: error: unique cannot judge column "j" of type json: its values cannot be compared',
        ),
        (
            "columns: {j: [unique: {on_breach: reject}]}",
            '2:15: error: unique cannot judge column "j" of type json: its values cannot be compared',
        ),
    ],
)
def test_refused(example, rule, error):
    (found,) = example.errors(f"table: features.example\n{rule}")
    assert found.startswith(f"slos/example.yml:{error}")


def test_a_partial_index_finds_not_all_rows(example):
    example.run("CREATE INDEX ON features.example (live) WHERE a IS NOT NULL")
    (found,) = example.errors("{table: features.example, columns: {live: [unique]}}")
    assert "has no index that finds rows by live" in found


@pytest.mark.parametrize(("nulls", "doubles"), [("distinct", 1), ("same", 2)])
@pytest.mark.parametrize("where", ["", ", where: live"])
def test_without_an_index_the_error_names_a_query_that_does(session, nulls, doubles, where):
    session.run('CREATE TABLE features.example (id integer PRIMARY KEY, a text, "B" integer, live boolean)')
    head = "table: features.example\nwrites: bulk\nwatch: false\nbatch: statement\nrules:\n"
    (found,) = session.errors(f"{head}  - one: {{unique: {{columns: [a, B], nulls: {nulls}}}{where}}}")
    query = found.partition("by a rule of the kind query: ")[2]
    session.guard(f"{head}  - one: {{query: {json.dumps(query)}}}")
    session.run(
        """INSERT INTO features.example VALUES (1, 'x', 1, true), (2, 'x', 1, true), (3, 'x', NULL, true), (4, 'x', NULL, true),
           (5, 'y', 1, true), (6, 'z', 1, true), (7, 'z', 1, false)"""
    )
    verdict, value, _ = session.close(definition="features.example")["one"]
    assert (verdict, value) == ("missed", doubles + (where == ""))


def test_nulls_are_not_found_by_a_hash_index(example):
    example.run("CREATE INDEX ON features.example USING hash (live)")
    text = "{{table: features.example, columns: {{live: [unique{}]}}}}"
    example.plan(text.format(""))
    (found,) = example.errors(text.format(": {nulls: same}"))
    assert "has no index that finds rows by live" in found


def test_a_look_up_takes_four_columns_that_may_be_null(session):
    columns = ("a", "b", "c", "d", "e")
    session.run(
        f"CREATE TABLE features.example (id integer PRIMARY KEY, {', '.join(f'{one} int' for one in columns)})"
    )
    session.run("CREATE INDEX ON features.example (a, b, c, d, e)")
    text = "{table: features.example, rules: [one: {unique: {columns: [a, b, c, d, e], nulls: same}}]}"
    (found,) = session.errors(text)
    assert found.partition(": error: ")[2].splitlines() == [
        "5 of the columns may be NULL (a, b, c, d, e); a query for duplicates takes at most 4 of them",
        "detail: nulls: same looks rows up by each way in which columns can be NULL; each column doubles them.",
        "hint: make columns that have a value in every row NOT NULL; or use on_breach: reject, which builds a unique index",
    ]
    session.run("ALTER TABLE features.example ALTER COLUMN c SET NOT NULL")
    session.guard(text)
    session.run("INSERT INTO features.example (id, c, e) VALUES (1, 1, 1), (2, 1, 2)")
    assert session.failures() == {}
    session.run("INSERT INTO features.example (id, c, e) VALUES (3, 1, 2)")
    assert session.failures() == {"one": 1}


TYPES = {
    "integer": ("1", "2"),
    "bigint": ("1", "2"),
    "numeric": ("1.50", "1.51"),
    "real": ("0.1", "0.2"),
    "double precision": ("'NaN'", "'Infinity'"),
    "text": ("'a'", "'A'"),
    "varchar(9)": ("'a'", "'a '"),
    "char(3)": ("'a'", "'b'"),
    "date": ("'2026-11-22'", "'infinity'"),
    "timestamp": ("'2026-11-22 00:00'", "'2026-11-22 01:00'"),
    "timestamptz": ("'2026-11-22 00:00+00'", "'2026-11-22 00:00+01'"),
    "boolean": ("true", "false"),
    "uuid": ("'00000000-0000-0000-0000-000000000000'", "'10000000-0000-0000-0000-000000000000'"),
    "features.colour": ("'red'", "'green'"),
    "features.positive": ("1", "2"),
    "integer[]": ("'{1}'", "'{2}'"),
    "jsonb": ("'1'", "'2'"),
    "int4range": ("'[1,3)'", "'[1,4)'"),
}


# A bulk-loaded table judges in both kinds of function: what quarantines needs a trigger for each row.
@pytest.mark.parametrize(
    ("type_", "writes"), [*((one, "bulk") for one in TYPES), *((one, "stream") for one in [*TYPES][::4])]
)
def test_types(session, type_, writes):
    session.run("CREATE TYPE features.colour AS ENUM ('red', 'green')")
    session.run("CREATE DOMAIN features.positive AS integer")
    session.run(f"CREATE TABLE features.example (id integer PRIMARY KEY, r {type_}, q {type_}, w {type_})")
    for column in "qw":
        session.run(f"CREATE INDEX ON features.example ({column})")
    session.guard(
        f"""
        table: features.example
        writes: {writes}
        columns:
          r: [unique: {{on_breach: reject}}]
          q: [unique: {{on_breach: quarantine}}]
          w: [unique: {{on_breach: warn}}]
        """
    )
    one, two = TYPES[type_]
    for n, value in enumerate([one, two, "NULL", "NULL"]):
        outcome = session.run(f"INSERT INTO features.example VALUES ({n}, {value}, {value}, {value})")
        assert (outcome.count, outcome.notices) == (1, ())
    assert session.refused(f"INSERT INTO features.example (id, r) VALUES (8, {one})").sqlstate == "23505"
    assert session.run(f"INSERT INTO features.example (id, q) VALUES (8, {one})").count == 0
    assert session.run(f"INSERT INTO features.example (id, w) VALUES (8, {one})").warned == {"w_unique"}
    assert session.broken() == {}


def test_rows_that_are_there_already(connection, apply):
    connection.execute("CREATE SCHEMA features")
    connection.execute("CREATE TABLE features.example (id integer PRIMARY KEY, a integer)")
    connection.execute("INSERT INTO features.example VALUES (1, 7), (2, 7)")
    text = "{table: features.example, columns: {a: [unique: {on_breach: reject}]}}"
    (unfinished,) = apply(text)
    assert unfinished.error.sqlstate == "23505"
    assert "Key (a)=(7) is duplicated" in unfinished.error.detail
    connection.execute("DELETE FROM features.example WHERE id = 2")
    assert apply(text) == ()
    with pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute("INSERT INTO features.example VALUES (2, 7)")


@pytest.mark.parametrize("key", ["", ", PRIMARY KEY (id, part)"])
def test_partitions_are_one_table(session, key):
    session.run(
        f"CREATE TABLE features.example (id integer, part integer, a text{key}) PARTITION BY LIST (part)"
    )
    for part in (1, 2):
        session.run(
            f"CREATE TABLE features.example_{part} PARTITION OF features.example FOR VALUES IN ({part})"
        )
    session.run("CREATE INDEX ON features.example (a)")
    session.guard("{table: features.example, key: id, columns: {a: [unique: {on_breach: quarantine}]}}")
    insert = "INSERT INTO features.example"
    assert session.run(f"{insert} VALUES (1, 1, 'x'), (2, 2, 'x'), (3, 2, 'y')").count == 2
    assert session.run(f"{insert}_2 VALUES (4, 2, 'x')").count == 0
    assert session.run("UPDATE features.example SET a = upper(a)").count == 2
    # A row that moves to another partition is not its own double either.
    assert session.run("UPDATE features.example SET part = 2 WHERE id = 1").count == 1
    assert session.run("UPDATE features.example SET a = 'Y' WHERE id = 1").count == 0
    assert session.values("SELECT a FROM features.example ORDER BY id") == ["X", "Y"]
