import pytest

KIND = "not_accepted_values"
MODES = ("bulk", "stream")


def test_values_and_null_pass(golden):
    golden.passes(country="'us'", age="30", email="'a@example.org'", score="0.2")
    golden.passes()


@pytest.mark.parametrize("value", ["unknown", "n/a", ""])
def test_rejects(golden, value):
    error = golden.refused(golden.row(country=f"'{value}'"))
    assert (error.sqlstate, error.column, error.rule) == ("23514", "country", "country_not_accepted_values")
    assert 'expected: country none of unknown, n/a, "".' in error.detail


def test_quarantines(golden):
    assert golden.run(golden.row(age="999")).count == 0
    assert golden.held() == [("(user_id, feature_date) = (1, 2026-11-22)", ("age_not_accepted_values",))]


def test_warns_and_flags(golden):
    outcome = golden.run(golden.row(email="'test@example.com'", score="0.1"))
    assert (outcome.count, outcome.warned) == (1, {"email_not_accepted_values"})
    assert golden.failures() == {"email_not_accepted_values": 1, "score_not_accepted_values": 1}


TYPES = {
    "integer": ("[-1, 999]", ["0", "NULL"], ["-1", "999"]),
    "bigint": ("[-9223372036854775808]", ["0"], ["-9223372036854775808"]),
    "numeric": ("[-1, 0.10]", ["0", "'NaN'"], ["-1.00", "0.1"]),
    "real": ("[0.1]", ["0.2", "'NaN'"], ["0.1"]),
    "double precision": ("[0.1]", ["0.1::real", "'Infinity'"], ["0.1"]),
    "text": ("[unknown, '']", ["'Unknown'", "' '", "NULL"], ["'unknown'", "''"]),
    "varchar(9)": ("[unknown]", ["'known'"], ["'unknown'"]),
    "char(9)": ("[unknown, '']", ["'known'"], ["'unknown'", "''", "'   '"]),
    "date": ("['1970-01-01', '9999-12-31']", ["'2026-11-22'", "'infinity'"], ["'1970-01-01'"]),
    "timestamp": ("['1970-01-01']", ["'2026-11-22'"], ["'1970-01-01 00:00'"]),
    "timestamptz": ("['1970-01-01 00:00+00']", ["now()"], ["'1970-01-01 01:00+01'"]),
    "boolean": ("[false]", ["true", "NULL"], ["false"]),
    "uuid": (
        "['00000000-0000-0000-0000-000000000000']",
        ["'00000000-0000-0000-0000-000000000001'"],
        ["'00000000-0000-0000-0000-000000000000'"],
    ),
    "features.colour": ("[blue]", ["'red'"], ["'blue'"]),
    "features.positive": ("[999]", ["1"], ["999"]),
}


@pytest.fixture
def types(session):
    session.run("CREATE TYPE features.colour AS ENUM ('red', 'green', 'blue')")
    session.run("CREATE DOMAIN features.positive AS integer CHECK (value > 0)")


@pytest.mark.usefixtures("types")
# A bulk-loaded table judges in both kinds of function: what quarantines needs a trigger for each row.
@pytest.mark.parametrize(
    ("type_", "writes"), [*((one, "bulk") for one in TYPES), *((one, "stream") for one in [*TYPES][::4])]
)
def test_types(hold, type_, writes):
    values, passing, failing = TYPES[type_]
    hold(type_, f"not_accepted_values: {{values: {values}}}", passing=passing, failing=failing, writes=writes)


#: Type, what the rule says, and the error at its place.
REFUSED = [
    (
        "json",
        "values: [1]",
        'not_accepted_values cannot judge column "a" of type json: its values are not single values to compare with\nhint: judge a part of it with expression',
    ),
    (
        "jsonb",
        "values: [1]",
        'not_accepted_values cannot judge column "a" of type jsonb: its values are not single values to compare with\nhint: judge a part of it with expression',
    ),
    (
        "xml",
        "values: [1]",
        'not_accepted_values cannot judge column "a" of type xml: its values are not single values to compare with\nhint: judge a part of it with expression',
    ),
    (
        "point",
        "values: [1]",
        'not_accepted_values cannot judge column "a" of type point: its values are not single values to compare with\nhint: judge a part of it with expression',
    ),
    (
        "integer[]",
        "values: [1]",
        'not_accepted_values cannot judge column "a" of type integer[]: its values are not single values to compare with\nhint: judge a part of it with expression',
    ),
    (
        "int4range",
        "values: [1]",
        'not_accepted_values cannot judge column "a" of type int4range: its values are not single values to compare with\nhint: judge a part of it with expression',
    ),
    (
        "text[]",
        "values: [1]",
        'not_accepted_values cannot judge column "a" of type text[]: its values are not single values to compare with\nhint: judge a part of it with expression',
    ),
    ("integer", "values: [one]", '"one" is not a value of column "a" of type integer'),
    ("boolean", "values: [1]", '1 is not a value of column "a" of type boolean'),
    ("boolean", 'values: ["true"]', '"true" is not a value of column "a" of type boolean'),
    ("integer", "values: [true]", 'true is not a value of column "a" of type integer'),
    (
        "date",
        "values: [now]",
        '"now" is not a value of column "a" of type date\nhint: write it like "2026-11-22"',
    ),
    ("features.colour", "values: [blue]", 'invalid input value for enum features.colour: "blue"'),
    ("uuid", "values: [a]", 'invalid input syntax for type uuid: "a"'),
]


@pytest.mark.parametrize(("type_", "parameters", "error"), REFUSED)
def test_refused(session, type_, parameters, error):
    session.run("CREATE TYPE features.colour AS ENUM ('red')")
    session.run("CREATE TYPE features.pair AS (a integer, b integer)")
    session.run(f"CREATE TABLE features.example (id integer PRIMARY KEY, a {type_})")
    found = session.errors(
        f"""\
        table: features.example
        columns:
          a:
            - not_accepted_values: {{{parameters}}}
        """
    )
    assert [one.partition(": error: ")[2] for one in found] == [error]
    assert found[0].startswith("slos/example.yml:4:")
