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
    assert "the rule wants: country none of unknown, n/a, ." in error.detail


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
@pytest.mark.parametrize("writes", MODES)
@pytest.mark.parametrize("type_", TYPES)
def test_types(hold, type_, writes):
    values, passing, failing = TYPES[type_]
    hold(type_, f"not_accepted_values: {{values: {values}}}", passing=passing, failing=failing, writes=writes)
