import pytest

KIND = "length"
MODES = ("bulk", "stream")


def test_values_and_null_pass(golden):
    golden.passes(country="'us'", sku="'123456789012'", email="'123456'", phone="'12345678'", shop="1")
    golden.passes(phone="'1'")
    golden.passes()


@pytest.mark.parametrize("country", ["", "u", "usa"])
def test_rejects(golden, country):
    error = golden.refused(golden.row(country=f"'{country}'"))
    assert (error.sqlstate, error.column, error.rule) == ("23514", "country", "country_length")
    assert f"country = {country}; expected: country with a length of exactly 2." in error.detail


def test_quarantines(golden):
    assert golden.run(golden.row(sku="'1234567890123'")).count == 0
    assert golden.held() == [("(user_id, feature_date) = (1, 2026-11-22)", ("sku_length",))]


def test_warns_and_flags(golden):
    outcome = golden.run(golden.row(email="'12345'", phone="'1234567'", shop="1"))
    assert (outcome.count, outcome.warned) == (1, {"email_length"})
    assert golden.failures() == {"email_length": 1, "phone_length": 1}


TYPES = {
    "text": ("min: 1, max: 3", ["'a'", "'äöü'", "'🙂🙂🙂'", "'   '", "NULL"], ["''", "'abcd'", "'🙂🙂🙂🙂'"]),
    "varchar(5)": ("max: 3", ["''", "'abc'"], ["'abcd'"]),
    # Blanks at the end of char(n) are padding, not characters.
    "char(5)": ("min: 2, max: 3", ["'ab'", "'abc'"], ["''", "'a'", "'abcd'"]),
    "name": ("min: 2", ["'ab'"], ["'a'"]),
    "features.code": ("min: 2, max: 2", ["'ab'", "NULL"], ["'abc'"]),
}


@pytest.fixture
def types(session):
    session.run("CREATE DOMAIN features.code AS varchar(9)")


@pytest.mark.usefixtures("types")
@pytest.mark.parametrize("writes", MODES)
@pytest.mark.parametrize("type_", TYPES)
def test_types(hold, type_, writes):
    bounds, passing, failing = TYPES[type_]
    hold(type_, f"length: {{{bounds}}}", passing=passing, failing=failing, writes=writes)


#: Type, what the rule says, and the error at its place.
REFUSED = [
    ("integer", "min: 1", 'length cannot judge column "a" of type integer: length counts characters of text'),
    ("json", "min: 1", 'length cannot judge column "a" of type json: length counts characters of text'),
    ("bytea", "min: 1", 'length cannot judge column "a" of type bytea: length counts characters of text'),
    ("text[]", "min: 1", 'length cannot judge column "a" of type text[]: length counts characters of text'),
    (
        "features.colour",
        "min: 1",
        'length cannot judge column "a" of type features.colour: length counts characters of text',
    ),
    ("date", "min: 1", 'length cannot judge column "a" of type date: length counts characters of text'),
    ("xml", "min: 1", 'length cannot judge column "a" of type xml: length counts characters of text'),
    ("point", "min: 1", 'length cannot judge column "a" of type point: length counts characters of text'),
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
            - length: {{{parameters}}}
        """
    )
    assert [one.partition(": error: ")[2] for one in found] == [error]
    assert found[0].startswith("slos/example.yml:4:")
