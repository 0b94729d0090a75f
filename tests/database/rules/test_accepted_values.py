import pytest

KIND = "accepted_values"
MODES = ("bulk", "stream")


def test_values_and_null_pass(golden):
    golden.passes(country="'us'", shop="1", plan="'free'", sku="'007'")
    golden.passes(sku="'anything'", shop="2")
    golden.passes()


def test_rejects(golden):
    error = golden.refused(golden.row(country="'US'"))
    assert (error.sqlstate, error.column, error.rule) == ("23514", "country", "country_accepted_values")
    assert "country = US; expected: country one of us, de, fr." in error.detail


def test_quarantines(golden):
    assert golden.run(golden.row(shop="4")).count == 0
    assert golden.held() == [("(user_id, feature_date) = (1, 2026-11-22)", ("shop_accepted_values",))]


def test_warns_and_flags(golden):
    outcome = golden.run(golden.row(shop="1", plan="'gold'", sku="'7'"))
    assert (outcome.count, outcome.warned) == (1, {"plan_accepted_values"})
    assert golden.failures() == {"plan_accepted_values": 1, "sku_accepted_values": 1}


TYPES = {
    "integer": ("[1, 2]", ["1", "2", "NULL"], ["0", "3", "-1"]),
    "bigint": ("[9223372036854775807]", ["9223372036854775807"], ["9223372036854775806"]),
    "numeric": ("[0.1, 1]", ["0.1", "0.10", "1.000"], ["0.11", "'NaN'", "'Infinity'"]),
    "real": ("[0.1, 1]", ["0.1", "1"], ["0.2", "'NaN'"]),
    "double precision": ("[0.1, 1]", ["0.1", "1"], ["0.1::real", "'NaN'", "'-Infinity'"]),
    "text": (
        "[a, '', \"it's\", 'back\\slash']",
        ["'a'", "''", "'it''s'", "'back\\slash'"],
        ["'A'", "'a '", "'b'"],
    ),
    "varchar(2)": ("[a, bc]", ["'a'", "'bc'"], ["'a '", "'b'"]),
    "char(3)": ("[a, bcd]", ["'a'", "'a  '", "'bcd'"], ["'b'", "''"]),
    "date": ("['2026-11-22']", ["'2026-11-22'"], ["'2026-11-23'", "'infinity'"]),
    "timestamp": ("['2026-11-22 10:00']", ["'2026-11-22 10:00:00'"], ["'2026-11-22'", "'infinity'"]),
    "timestamptz": (
        "['2026-11-22 10:00+00']",
        ["'2026-11-22 12:00+02'"],
        ["'2026-11-22 10:00+02'", "'-infinity'"],
    ),
    "boolean": ("[true]", ["true", "NULL"], ["false"]),
    "uuid": (
        "['00000000-0000-0000-0000-00000000000a']",
        ["'{0000000000000000000000000000000A}'"],
        ["'00000000-0000-0000-0000-000000000000'"],
    ),
    "inet": ("['10.0.0.1']", ["'10.0.0.1'"], ["'10.0.0.2'"]),
    "features.colour": ("[red, green]", ["'red'"], ["'blue'"]),
    "features.positive": ("[1, 2]", ["1", "NULL"], ["3"]),
    "features.short": ("[a]", ["'a'"], ["'b'"]),
}


@pytest.fixture
def types(session):
    session.run("CREATE TYPE features.colour AS ENUM ('red', 'green', 'blue')")
    session.run("CREATE DOMAIN features.positive AS integer CHECK (value > 0)")
    session.run("CREATE DOMAIN features.shorter AS varchar(2)")
    session.run("CREATE DOMAIN features.short AS features.shorter")


@pytest.mark.usefixtures("types")
# A bulk-loaded table judges in both kinds of function: what quarantines needs a trigger for each row.
@pytest.mark.parametrize(
    ("type_", "writes"), [*((one, "bulk") for one in TYPES), *((one, "stream") for one in [*TYPES][::4])]
)
def test_types(hold, type_, writes):
    values, passing, failing = TYPES[type_]
    hold(type_, f"accepted_values: {{values: {values}}}", passing=passing, failing=failing, writes=writes)


#: Type, what the rule says, and the error at its place.
REFUSED = [
    (
        "json",
        "values: [1]",
        'accepted_values cannot judge column "a" of type json: its values are not single values to compare with\nhint: judge a part of it with expression',
    ),
    (
        "jsonb",
        "values: [1]",
        'accepted_values cannot judge column "a" of type jsonb: its values are not single values to compare with\nhint: judge a part of it with expression',
    ),
    (
        "xml",
        "values: [1]",
        'accepted_values cannot judge column "a" of type xml: its values are not single values to compare with\nhint: judge a part of it with expression',
    ),
    (
        "point",
        "values: [1]",
        'accepted_values cannot judge column "a" of type point: its values are not single values to compare with\nhint: judge a part of it with expression',
    ),
    (
        "integer[]",
        "values: [1]",
        'accepted_values cannot judge column "a" of type integer[]: its values are not single values to compare with\nhint: judge a part of it with expression',
    ),
    (
        "int4range",
        "values: [1]",
        'accepted_values cannot judge column "a" of type int4range: its values are not single values to compare with\nhint: judge a part of it with expression',
    ),
    (
        "text[]",
        "values: [1]",
        'accepted_values cannot judge column "a" of type text[]: its values are not single values to compare with\nhint: judge a part of it with expression',
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
            - accepted_values: {{{parameters}}}
        """
    )
    assert [one.partition(": error: ")[2] for one in found] == [error]
    assert found[0].startswith("slos/example.yml:4:")
