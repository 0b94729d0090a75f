import json

import psycopg
import pytest

KIND = "references"
MODES = ("bulk", "stream")


@pytest.fixture
def golden(golden):
    golden.run("INSERT INTO dim.country VALUES ('us', 'United States'), ('de', 'Germany')")
    golden.run("INSERT INTO dim.product VALUES (1, 'a'), (2, 'b')")
    golden.run("INSERT INTO dim.campaign VALUES ('spring'), ('spring')")
    return golden


def test_values_and_null_pass(golden):
    golden.passes(country="'us'", shop="1", sku="'a'", campaign="'spring'", plan="'spring'")
    golden.passes(shop="9")
    golden.passes(sku="'z'")
    golden.passes()


def test_rejects_as_postgresql_does(golden):
    error = golden.refused(golden.row(country="'fr'"))
    assert (error.sqlstate, error.table, error.rule) == ("23503", "user_stats", "pgslo__country_references")
    golden.run(golden.row(country="'de'"))
    assert golden.refused("DELETE FROM dim.country").sqlstate == "23503"


def test_quarantines(golden):
    assert golden.run(golden.row(shop="1", sku="'b'")).count == 0
    assert golden.held() == [("(user_id, feature_date) = (1, 2026-11-22)", ("product_is_known",))]


def test_warns_and_flags(golden):
    golden.passes(plan="'x'")
    outcome = golden.run(golden.row(campaign="'autumn'", plan="'x'", shop="1"))
    assert (outcome.count, outcome.warned) == (1, {"campaign_references"})
    assert golden.failures() == {"campaign_references": 1, "plan_is_a_campaign": 1}


@pytest.fixture
def words(session):
    """Tables to refer to, and one that refers to nothing yet."""
    session.run("CREATE TABLE features.word (word text PRIMARY KEY, number integer, other text)")
    session.run("INSERT INTO features.word VALUES ('good', 1, 'x'), ('fine', 2, 'y')")
    session.run("CREATE INDEX ON features.word (number)")
    session.run("CREATE TABLE features.example (id integer PRIMARY KEY, a text, b integer, j json)")
    return session


@pytest.mark.parametrize("writes", MODES)
def test_looks_up_what_others_wrote_before(words, writes):
    words.guard(
        f"""
        table: features.example
        writes: {writes}
        columns:
          a: [references: {{table: features.word, column: word, on_breach: quarantine}}]
          b: [references: {{table: features.word, column: number, on_breach: warn}}]
        """
    )
    outcome = words.run(
        "INSERT INTO features.example VALUES (1, 'good', 1), (2, 'bad', 1), (3, NULL, 9), (4, 'fine', NULL)"
    )
    assert (outcome.count, outcome.warned) == (3, {"b_references"})
    assert words.held() == [("(id) = (2)", ("a_references",))]
    words.run("INSERT INTO features.word VALUES ('bad', 9)")
    assert words.run("INSERT INTO features.example VALUES (2, 'bad', 9)").notices == ()
    # The promise is about the moment of the write.
    words.run("DELETE FROM features.word")
    assert words.run("UPDATE features.example SET a = 'good' WHERE id = 2").count == 0


@pytest.mark.parametrize("writes", MODES)
def test_rejects_where_it_is_asked_to(words, writes):
    words.guard(
        f"""
        table: features.example
        writes: {writes}
        rules:
          - known: {{references: {{columns: a, table: features.word, to: word}}, where: "b > 0", on_breach: reject}}
        """
    )
    assert (
        words.run("INSERT INTO features.example VALUES (1, 'bad', 0), (2, 'bad', NULL), (3, 'good', 1)").count
        == 3
    )
    error = words.refused("INSERT INTO features.example VALUES (4, 'bad', 1)")
    assert (error.sqlstate, error.rule) == ("23514", "known")
    assert "a = bad, b = 1; expected: a present in features.word (word), where b > 0." in error.detail


def test_a_foreign_key_that_is_there_is_enough(words):
    words.run("ALTER TABLE features.example ADD FOREIGN KEY (a) REFERENCES features.word")
    plan = words.plan(
        "{table: features.example, columns: {a: [references: {table: features.word, column: word, on_breach: reject}]}}"
    )
    assert not [step for step in plan.steps if step.kind in ("foreign_key", "trigger")]
    (choice,) = plan.choices[0][1]
    assert choice.reason == "the table has it already; nothing is created"


def test_a_table_may_refer_to_itself(words):
    words.run("ALTER TABLE features.example ADD parent integer")
    words.guard(
        "{table: features.example, columns: {parent: [references: {table: features.example, column: id, on_breach: quarantine}]}}"
    )
    outcome = words.run("INSERT INTO features.example (id, parent) VALUES (1, NULL), (2, 1), (3, 4), (4, 2)")
    assert outcome.count == 3
    assert words.held() == [("(id) = (3)", ("parent_references",))]


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        (
            "a: [references: {table: features.wrod, column: word}]",
            "2:35: error: table features.wrod does not exist",
        ),
        (
            "a: [references: {table: features.word, column: wrod, on_breach: reject}]",
            '2:58: error: column "wrod" of features.word does not exist\nhint: did you mean "word"?',
        ),
        (
            "a: [references: {table: features.word, column: other, on_breach: reject}]",
            "2:35: error: features.word (other) has no unique constraint, which a foreign key needs\nhint: make it unique, or use on_breach: quarantine, flag or warn, which only look the value up",
        ),
        (
            "a: [references: {table: features.word, column: other}]",
            "2:15: error: features.word has no index that finds rows by other\ndetail: on_breach: warn looks each written row up; without an index a write would read the whole table.\nhint: CREATE INDEX CONCURRENTLY ON features.word (other)",
        ),
        (
            "b: [references: {table: features.word, column: word}]",
            "2:15: error: operator does not exist: text = integer\nhint: No operator matches the given name and argument type",
        ),
        (
            "b: [references: {table: features.word, column: word, on_breach: reject}]",
            "2:15: error: operator does not exist: text = integer\nhint: No operator matches the given name and argument type",
        ),
        (
            "j: [references: {table: features.word, column: word}]",
            '2:15: error: references cannot judge column "j" of type json: its values cannot be compared',
        ),
    ],
)
def test_refused(words, rule, error):
    (found,) = words.errors(f"table: features.example\ncolumns: {{{rule}}}")
    assert found.startswith(f"slos/example.yml:{error}")


def test_without_an_index_the_error_names_a_query_that_does(session):
    session.run('CREATE TABLE features.example (id integer PRIMARY KEY, a text, "B" integer)')
    session.run(
        "CREATE TABLE features.word (word text, \"N\" integer); INSERT INTO features.word VALUES ('x', 1)"
    )
    head = "table: features.example\nwrites: bulk\nwatch: false\nbatch: statement\nrules:\n"
    (found,) = session.errors(
        f"{head}  - one: {{references: {{columns: [a, B], table: features.word, to: [word, N]}}, where: id < 9}}"
    )
    query = found.partition("by a rule of the kind query: ")[2]
    session.guard(f"{head}  - one: {{query: {json.dumps(query)}}}")
    session.run("INSERT INTO features.example VALUES (1, 'x', 1), (2, 'x', 2), (3, NULL, 2), (9, 'x', 2)")
    verdict, value, _ = session.close(definition="features.example")["one"]
    assert (verdict, value) == ("missed", 1)


def test_an_index_of_another_kind_finds_no_rows(words):
    words.run("CREATE INDEX ON features.word USING brin (other)")
    (found,) = words.errors(
        "{table: features.example, columns: {a: [references: {table: features.word, column: other}]}}"
    )
    assert "has no index that finds rows by other" in found


TYPES = {
    "integer": ("1", "2"),
    "bigint": ("1", "2"),
    "numeric": ("1.50", "1.51"),
    "real": ("0.1", "0.2"),
    "double precision": ("'NaN'", "0.2"),
    "varchar(9)": ("'a'", "'A'"),
    "char(3)": ("'a'", "'b'"),
    "date": ("'2026-11-22'", "'infinity'"),
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
def test_types(session, hold, type_, writes):
    session.run("CREATE TYPE features.colour AS ENUM ('red', 'green')")
    session.run("CREATE DOMAIN features.positive AS integer")
    session.run(f"CREATE TABLE features.known (v {type_} PRIMARY KEY)")
    known, unknown = TYPES[type_]
    session.run(f"INSERT INTO features.known VALUES ({known})")
    hold(
        type_,
        "references: {table: features.known, column: v}",
        passing=[known, "NULL"],
        failing=[unknown],
        writes=writes,
        actions=("quarantine", "flag", "warn"),
    )


def test_rows_that_are_there_already(connection, apply):
    connection.execute("CREATE SCHEMA features")
    connection.execute("CREATE TABLE features.word (word text PRIMARY KEY)")
    connection.execute("CREATE TABLE features.example (id integer PRIMARY KEY, a text)")
    connection.execute("INSERT INTO features.example VALUES (1, 'x')")
    text = "{table: features.example, columns: {a: [references: {table: features.word, column: word, on_breach: reject}]}}"
    (unfinished,) = apply(text)
    assert unfinished.error.sqlstate == "23503"
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        connection.execute("INSERT INTO features.example VALUES (2, 'x')")
    connection.execute("INSERT INTO features.word VALUES ('x')")
    assert apply(text) == ()
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        connection.execute("DELETE FROM features.word")
