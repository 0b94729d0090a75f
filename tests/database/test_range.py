import pytest

KIND = "range"
MODES = ("bulk", "stream")


def test_values_bounds_and_null_pass(golden):
    golden.passes(age="0", clicks="0", score="0.1", spend="0", signed_up_at="'2015-01-01 00:00+00'")
    golden.passes(age="120", score="0.9", spend="100000", plan="'pro'")
    golden.passes()


@pytest.mark.parametrize("age", [-1, 121])
def test_rejects(golden, age):
    error = golden.refused(golden.row(age=f"{age}"))
    assert (error.sqlstate, error.column, error.rule) == ("23514", "age", "age_range")
    assert f"age = {age}; the rule wants: age between 0 and 120." in error.detail


def test_quarantines(golden):
    assert golden.run(golden.row(clicks="-1")).count == 0
    assert golden.held() == [("(user_id, feature_date) = (1, 2026-11-22)", ("clicks_range",))]


def test_repairs_to_the_nearest_bound(golden):
    assert golden.values(golden.row(spend="-0.01") + " RETURNING spend") == [0]
    assert golden.values(golden.row(spend="100000.01") + " RETURNING spend") == [100000]
    assert golden.repairs() == [("spend", "-0.01", "0.00"), ("spend", "100000.01", "100000.00")]


def test_warns_and_flags_where_it_is_asked_to(golden):
    long_ago = "'2014-12-31 23:59:59+00'"
    golden.passes(signed_up_at=long_ago, plan="'free'")
    golden.passes(signed_up_at=long_ago)
    outcome = golden.run(golden.row(score="0.05", signed_up_at=long_ago, plan="'pro'"))
    assert (outcome.count, outcome.warned) == (1, {"score_range"})
    assert golden.failures() == {"score_range": 1, "signed_up_at_range": 1}


TYPES = {
    "smallint": ("min: -1, max: 1", ["-1", "0", "1", "NULL"], ["-2", "2"]),
    "integer": ("min: 0, max: 0.5", ["0"], ["1", "-1"]),
    "bigint": ("max: 9223372036854775806", ["-9223372036854775808"], ["9223372036854775807"]),
    "numeric": ("min: 0, max: 0.1", ["0", "0.10"], ["0.1000000000000000000000001", "'NaN'", "'Infinity'"]),
    "numeric(4,2)": ("min: 0.1", ["0.1", "0.10"], ["0.09", "'NaN'"]),
    "real": ("min: 0.1, max: 0.3", ["0.1", "0.3"], ["0.09999999", "0.30000004", "'NaN'", "'Infinity'"]),
    "double precision": (
        "min: 0.1, max: 0.3",
        ["0.1", "0.3"],
        ["0.1::float8 + 0.2::float8", "'NaN'", "'-Infinity'"],
    ),
    "text": ("min: b, max: c", ["'b'", "'bz'", "'c'", "NULL"], ["'a'", "'d'", "''"]),
    "varchar(3)": ("min: b", ["'b'"], ["'a'"]),
    "char(3)": ("max: b", ["'b'", "'b  '"], ["'c'"]),
    "date": (
        "min: '2015-01-01', max: '2026-11-22'",
        ["'2015-01-01'", "'2026-11-22'"],
        ["'2014-12-31'", "'infinity'", "'-infinity'"],
    ),
    "timestamp": (
        "min: '2015-01-01 10:00'",
        ["'2015-01-01 10:00'", "'infinity'"],
        ["'2015-01-01 09:59:59.999999'"],
    ),
    "timestamptz": (
        "max: '2015-01-01 10:00+00'",
        ["'2015-01-01 12:00+02'", "'-infinity'"],
        ["'2015-01-01 10:00:00.000001+00'"],
    ),
    "time": ("min: '08:00', max: '17:30'", ["'08:00'", "'17:30:00'"], ["'07:59'", "'24:00'"]),
    "interval": (
        "min: '1 hour', max: '2 days'",
        ["'60 minutes'", "'48 hours'"],
        ["'59 minutes'", "'49 hours'"],
    ),
    "uuid": (
        "min: '10000000-0000-0000-0000-000000000000'",
        ["'10000000-0000-0000-0000-000000000000'"],
        ["'0fffffff-ffff-ffff-ffff-ffffffffffff'"],
    ),
    "inet": ("min: '10.0.0.0', max: '10.255.255.255'", ["'10.1.2.3'"], ["'11.0.0.0'"]),
    "features.colour": ("max: green", ["'red'", "'green'"], ["'blue'"]),
    "features.positive": ("max: 10", ["1", "10", "NULL"], ["11"]),
    "features.share": ("max: 0.1", ["0.1"], ["0.2", "'NaN'", "'-Infinity'"]),
}


@pytest.fixture
def types(session):
    session.run("CREATE TYPE features.colour AS ENUM ('red', 'green', 'blue')")
    session.run("CREATE DOMAIN features.positive AS integer CHECK (value > 0)")
    session.run("CREATE DOMAIN features.share AS real")


@pytest.mark.usefixtures("types")
@pytest.mark.parametrize("writes", MODES)
@pytest.mark.parametrize("type_", TYPES)
def test_types(hold, type_, writes):
    bounds, passing, failing = TYPES[type_]
    hold(type_, f"range: {{{bounds}}}", passing=passing, failing=failing, writes=writes)
