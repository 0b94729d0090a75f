import psycopg
import pytest

KIND = "pattern"
MODES = ("bulk", "stream")


def test_values_and_null_pass(golden):
    golden.passes(country="'us'", sku="'AB-123'", campaign="'Spring_1'", phone="'+1'", shop="1")
    golden.passes(phone="'1'")
    golden.passes()


@pytest.mark.parametrize("country", ["", "US", "usa", "us "])
def test_rejects(golden, country):
    error = golden.refused(golden.row(country=f"'{country}'"))
    assert (error.sqlstate, error.column, error.rule) == ("23514", "country", "country_pattern")
    assert f"country = {country}; expected: country matching ^[a-z]{{2}}$." in error.detail


def test_quarantines(golden):
    assert golden.run(golden.row(sku="'AB-12'")).count == 0
    assert golden.held() == [("(user_id, feature_date) = (1, 2026-11-22)", ("sku_pattern",))]


def test_warns_and_flags(golden):
    outcome = golden.run(golden.row(campaign="'summer_1'", phone="'1'", shop="1"))
    assert (outcome.count, outcome.warned) == (1, {"campaign_pattern"})
    assert golden.failures() == {"campaign_pattern": 1, "phone_pattern": 1}


TYPES = {
    "text": (
        r"matches: '^a\d+\\$'",
        [r"'a1\'", "NULL"],
        ["''", "'a1'", r"'A1\'"],
    ),
    "varchar(5)": ("matches: '^[[:alpha:]]+$'", ["'äb'"], ["'a1'", "''"]),
    "char(5)": ("matches: 'b$'", ["'ab'", "'ab   '"], ["'abc'"]),
    "name": ("matches: '^a'", ["'ab'"], ["'b'"]),
    "features.code": ("matches: '^a', ignore_case: true", ["'ab'", "'AB'"], ["'b'"]),
}


@pytest.fixture
def types(session):
    session.run("CREATE DOMAIN features.code AS varchar(9)")


@pytest.mark.usefixtures("types")
@pytest.mark.parametrize("writes", MODES)
@pytest.mark.parametrize("type_", TYPES)
def test_types(hold, type_, writes):
    parameters, passing, failing = TYPES[type_]
    hold(type_, f"pattern: {{{parameters}}}", passing=passing, failing=failing, writes=writes)


#: Type, what the rule says, and the error at its place.
REFUSED = [
    (
        "integer",
        "matches: a",
        'pattern cannot judge column "a" of type integer: a pattern is matched against text',
    ),
    ("json", "matches: a", 'pattern cannot judge column "a" of type json: a pattern is matched against text'),
    (
        "jsonb",
        "matches: a",
        'pattern cannot judge column "a" of type jsonb: a pattern is matched against text',
    ),
    ("xml", "matches: a", 'pattern cannot judge column "a" of type xml: a pattern is matched against text'),
    (
        "text[]",
        "matches: a",
        'pattern cannot judge column "a" of type text[]: a pattern is matched against text',
    ),
    (
        "features.colour",
        "matches: a",
        'pattern cannot judge column "a" of type features.colour: a pattern is matched against text',
    ),
    ("date", "matches: a", 'pattern cannot judge column "a" of type date: a pattern is matched against text'),
    ("text", 'matches: "a("', "invalid regular expression: parentheses () not balanced"),
    ("text", "matches: '(?<year>a)'", "invalid regular expression: quantifier operand invalid"),
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
            - pattern: {{{parameters}}}
        """
    )
    assert [one.partition(": error: ")[2] for one in found] == [error]
    assert found[0].startswith("slos/example.yml:4:")


@pytest.mark.icu
def test_a_collation_that_has_no_patterns_is_refused(session):
    try:
        session.run(
            "CREATE COLLATION features.fuzzy (provider = icu, locale = 'und-u-ks-level1', deterministic = false)"
        )
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("this server was built without ICU")
    session.run("CREATE TABLE features.example (id integer PRIMARY KEY, a text COLLATE features.fuzzy)")
    (error,) = session.errors("{table: features.example, columns: {a: [pattern: x]}}")
    assert "nondeterministic collations are not supported for regular expressions" in error
