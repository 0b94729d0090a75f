import psycopg
import pytest

KIND = "not_null"
MODES = ("bulk", "stream")


def test_values_pass(golden):
    golden.passes(age="0", country="''", clicks="0", email="''", phone="''")


def test_rejects_as_postgresql_does(golden):
    error = golden.refused(golden.row(clicks="1", email="''", phone="''"))
    assert (error.sqlstate, error.table, error.column) == ("23502", "user_stats", "age")


def test_reject_with_where_needs_a_trigger(golden):
    golden.passes(age="1", clicks="1", email="''", phone="''")
    error = golden.refused(golden.row(age="1", clicks="1", email="''", phone="''", shop="7"))
    assert (error.sqlstate, error.column, error.rule) == ("23514", "country", "country_not_null")
    assert error.detail == (
        "country = NULL, shop = 7; "
        "expected: country not null, where shop IS NOT NULL. "
        "Key (user_id, feature_date) = (2, 2026-11-22)."
    )
    assert error.hint == "Correct the row, or contact the owner of the rule, growth-platform."


def test_quarantines(golden):
    outcome = golden.run(golden.row(age="1", email="''", phone="''"))
    assert (outcome.count, outcome.notices) == (0, ())
    assert golden.held() == [("(user_id, feature_date) = (1, 2026-11-22)", ("clicks_not_null",))]


def test_warns_and_flags(golden):
    outcome = golden.run(golden.row(age="1", clicks="1"))
    assert (outcome.count, outcome.warned) == (1, {"email_not_null"})
    assert golden.failures() == {"email_not_null": 1, "phone_not_null": 1}
    assert golden.incidents() == {"email_not_null", "phone_not_null"}


def test_a_share_may_fail(golden):
    golden.run(
        """INSERT INTO features.user_stats (user_id, feature_date, age, clicks, email, phone)
           SELECT n, '2026-11-22', 1, 1, '', nullif(n, 10) FROM generate_series(1, 10) n"""
    )
    assert golden.failures() == {"phone_not_null": 1}
    assert golden.incidents() == set()


TYPES = {
    "integer": "0",
    "bigint": "0",
    "numeric": "'NaN'",
    "real": "'NaN'",
    "double precision": "'-Infinity'",
    "text": "''",
    "varchar(3)": "''",
    "char(3)": "''",
    "date": "'infinity'",
    "timestamp": "'-infinity'",
    "timestamptz": "now()",
    "boolean": "false",
    "uuid": "'00000000-0000-0000-0000-000000000000'",
    "bytea": "''",
    "integer[]": "'{NULL}'",
    "json": "'null'",
    "jsonb": "'null'",
    "point": "'(0,0)'",
    "int4range": "'empty'",
    "features.colour": "'red'",
    "features.positive": "1",
}


@pytest.fixture
def types(session):
    session.run("CREATE TYPE features.colour AS ENUM ('red', 'green')")
    session.run("CREATE DOMAIN features.positive AS integer CHECK (value > 0)")


@pytest.mark.usefixtures("types")
# A bulk-loaded table judges in both kinds of function: what quarantines needs a trigger for each row.
@pytest.mark.parametrize(
    ("type_", "writes"), [*((one, "bulk") for one in TYPES), *((one, "stream") for one in [*TYPES][::4])]
)
def test_types(hold, type_, writes):
    hold(
        type_,
        "not_null: {}",
        passing=[TYPES[type_]],
        failing=["NULL"],
        writes=writes,
        actions=("quarantine", "flag", "warn"),
    )


@pytest.mark.parametrize("writes", MODES)
def test_types_of_extensions(session, hold, citext, writes):
    session.run(f"CREATE DOMAIN features.citizen AS {citext}")
    hold(
        "features.citizen",
        "not_null: {}",
        passing=["'x'"],
        failing=["NULL"],
        writes=writes,
        actions=("quarantine", "flag", "warn"),
    )


@pytest.mark.parametrize("writes", MODES)
def test_native_whatever_the_mode(session, writes):
    session.run("CREATE TABLE features.example (id integer PRIMARY KEY, a integer)")
    plan = session.guard(
        f"""
        table: features.example
        writes: {writes}
        watch: false
        columns: {{a: [not_null: {{on_breach: reject}}]}}
        """
    )
    assert [step.kind for step in plan.steps if step.kind in ("not_null", "trigger")] == ["not_null"]
    assert session.refused("INSERT INTO features.example VALUES (1, NULL)").sqlstate == "23502"
    assert session.run("INSERT INTO features.example VALUES (1, 0)").count == 1
    assert session.refused("UPDATE features.example SET a = NULL").sqlstate == "23502"


def test_nothing_is_made_where_the_column_is_not_null_already(session):
    session.run("CREATE TABLE features.example (id integer PRIMARY KEY, a integer NOT NULL)")
    plan = session.guard(
        "{table: features.example, columns: {a: [not_null: {on_breach: reject}], id: [not_null: {on_breach: reject}]}}"
    )
    assert not {step.kind for step in plan.steps} & {"not_null", "trigger"}


@pytest.mark.parametrize("writes", MODES)
def test_a_row_of_nulls_is_a_value(session, writes):
    session.run("CREATE TYPE features.pair AS (a integer, b integer)")
    session.run("CREATE TABLE features.example (id integer PRIMARY KEY, w features.pair, q features.pair)")
    session.guard(
        f"""
        table: features.example
        writes: {writes}
        columns:
          w: [not_null]
          q: [not_null: {{on_breach: quarantine}}]
        """
    )
    for n, value in enumerate(["(1,2)", "(1,)", "(,)"]):
        outcome = session.run(f"INSERT INTO features.example VALUES ({n}, '{value}', '{value}')")
        assert (outcome.count, outcome.notices) == (1, ()), value
    assert session.run("INSERT INTO features.example VALUES (10, NULL, '(1,2)')").warned == {"w_not_null"}
    assert session.run("INSERT INTO features.example VALUES (11, '(1,2)', NULL)").count == 0


@pytest.mark.parametrize("writes", MODES)
def test_updates_are_judged(session, writes):
    session.run("CREATE TABLE features.example (id integer PRIMARY KEY, w text, q text)")
    session.run("INSERT INTO features.example VALUES (1, 'a', 'b'), (2, 'a', 'b')")
    session.guard(
        f"""
        table: features.example
        writes: {writes}
        columns:
          w: [not_null]
          q: [not_null: {{on_breach: quarantine}}]
        """
    )
    assert session.run("UPDATE features.example SET w = NULL").warned == {"w_not_null"}
    assert session.run("UPDATE features.example SET w = '', q = nullif(id, 1)").count == 1
    assert session.held() == [("(id) = (1)", ("q_not_null",))]
    assert session.values("SELECT q FROM features.example ORDER BY id") == ["b", "2"]


def test_rows_that_are_there_already(connection, apply):
    connection.execute("CREATE SCHEMA features")
    connection.execute("CREATE TABLE features.example (id integer PRIMARY KEY, a integer)")
    connection.execute("INSERT INTO features.example VALUES (1, NULL)")
    text = "{table: features.example, columns: {a: [not_null: {on_breach: reject}]}}"
    (unfinished,) = apply(text)
    assert unfinished.error.sqlstate == "23514"
    # New rows are held to it all the same.
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.execute("INSERT INTO features.example VALUES (2, NULL)")
    connection.execute("UPDATE features.example SET a = 0")
    assert apply(text) == ()
    with pytest.raises(psycopg.errors.NotNullViolation):
        connection.execute("INSERT INTO features.example VALUES (2, NULL)")
