import pytest

KIND = "range"
MODES = ("bulk", "stream")


def test_values_bounds_and_null_pass(golden):
    golden.passes(age="0", clicks="0", score="0.1", spend="0", signed_up_at="'2015-01-01 00:00+00'")
    golden.passes(age="120", score="0.9", spend="100000", plan="'pro'")
    golden.passes(shop="1")
    golden.passes(shop="999")
    golden.passes()


@pytest.mark.parametrize("age", [-1, 121])
def test_rejects(golden, age):
    error = golden.refused(golden.row(age=f"{age}"))
    assert (error.sqlstate, error.column, error.rule) == ("23514", "age", "age_range")
    assert f"age = {age}; expected: age between 0 and 120." in error.detail


@pytest.mark.parametrize("shop", [0, 1000])
def test_rejects_the_strict_bounds_themselves(golden, shop):
    error = golden.refused(golden.row(shop=f"{shop}"))
    assert (error.sqlstate, error.column, error.rule) == ("23514", "shop", "shop_range")
    assert f"shop = {shop}; expected: shop above 0 and below 1000." in error.detail


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
# A bulk-loaded table judges in both kinds of function: what quarantines needs a trigger for each row.
@pytest.mark.parametrize(
    ("type_", "writes"), [*((one, "bulk") for one in TYPES), *((one, "stream") for one in [*TYPES][::4])]
)
def test_types(hold, type_, writes):
    bounds, passing, failing = TYPES[type_]
    hold(type_, f"range: {{{bounds}}}", passing=passing, failing=failing, writes=writes)


#: The same for bounds that fail themselves.
STRICT = {
    "integer": ("above: 0, below: 1.5", ["1", "NULL"], ["0", "2"]),
    "numeric": ("above: 0", ["0.0000000001", "1e100"], ["0", "'NaN'", "'Infinity'", "'-Infinity'"]),
    "real": ("above: 0.1, max: 0.3", ["0.10000001", "0.3"], ["0.1", "0.30000004", "'NaN'"]),
    "double precision": ("below: 0.3", ["0.29999999999999993"], ["0.3", "'NaN'", "'-Infinity'"]),
    "text": ("above: b, below: c", ["'ba'", "'bz'", "NULL"], ["'b'", "'c'"]),
    "char(3)": ("above: b", ["'c'"], ["'b'", "'b  '"]),
    "date": (
        "min: '2015-01-01', below: '2026-11-22'",
        ["'2015-01-01'", "'2026-11-21'"],
        ["'2014-12-31'", "'2026-11-22'", "'infinity'"],
    ),
    "timestamptz": (
        "above: '2015-01-01 10:00+00'",
        ["'2015-01-01 10:00:00.000001+00'", "'infinity'"],
        ["'2015-01-01 12:00+02'"],
    ),
    "features.colour": ("above: red, max: green", ["'green'"], ["'red'", "'blue'"]),
    "features.positive": ("below: 10", ["9", "NULL"], ["10"]),
}


@pytest.mark.usefixtures("types")
@pytest.mark.parametrize("writes", MODES)
@pytest.mark.parametrize("type_", STRICT)
def test_strict_bounds_of_types(hold, type_, writes):
    bounds, passing, failing = STRICT[type_]
    hold(type_, f"range: {{{bounds}}}", passing=passing, failing=failing, writes=writes)


#: Type, what the rule says, and the error at its place.
REFUSED = [
    ("boolean", "min: 1", 'range cannot judge column "a" of type boolean: it has no useful order'),
    ("json", "min: 1", 'range cannot judge column "a" of type json: it has no useful order'),
    ("jsonb", "min: 1", 'range cannot judge column "a" of type jsonb: it has no useful order'),
    ("xml", "min: 1", 'range cannot judge column "a" of type xml: it has no useful order'),
    ("point", "min: 1", 'range cannot judge column "a" of type point: it has no useful order'),
    ("integer[]", "min: 1", 'range cannot judge column "a" of type integer[]: it has no useful order'),
    ("int4range", "min: 1", 'range cannot judge column "a" of type int4range: it has no useful order'),
    ("box", "min: 1", 'range cannot judge column "a" of type box: it has no useful order'),
    ("integer", "min: low", '"low" is not a value of column "a" of type integer'),
    ("numeric(4,2)", 'max: "2026-01-01"', '"2026-01-01" is not a value of column "a" of type numeric(4,2)'),
    ("date", "min: 2015", '2015 is not a value of column "a" of type date\nhint: write it like "2026-11-22"'),
    (
        "date",
        "min: today",
        '"today" is not a value of column "a" of type date\nhint: write it like "2026-11-22"',
    ),
    (
        "date",
        'min: "01/02/2015"',
        '"01/02/2015" is not a value of column "a" of type date\nhint: write it like "2026-11-22"',
    ),
    (
        "timestamptz",
        'min: "2015-01-01 00:00"',
        '"2015-01-01 00:00" is not a value of column "a" of type timestamp with time zone\nhint: write it like "2026-11-22 10:00:00+00"',
    ),
    (
        "timestamp",
        'max: "2015-01-01 00:00+00"',
        '"2015-01-01 00:00+00" is not a value of column "a" of type timestamp without time zone\nhint: write it like "2026-11-22 10:00:00"',
    ),
    (
        "money",
        "min: 0",
        'column "a" has type money, whose values depend on the server\'s lc_monetary\nhint: use numeric',
    ),
    ("date", 'min: "2015-02-30"', 'date/time field value out of range: "2015-02-30"'),
    (
        "date",
        "below: 2015",
        '2015 is not a value of column "a" of type date\nhint: write it like "2026-11-22"',
    ),
    ("boolean", "above: 1", 'range cannot judge column "a" of type boolean: it has no useful order'),
    ("uuid", "min: 1", 'invalid input syntax for type uuid: "1"'),
    ("real", "max: 1e60", '"1E+60" is out of range for type real'),
    ("features.colour", "min: blue", 'invalid input value for enum features.colour: "blue"'),
]


@pytest.mark.parametrize(("type_", "parameters", "error"), REFUSED)
def test_refused(session, type_, parameters, error):
    session.run("CREATE TYPE features.colour AS ENUM ('red')")
    session.run(f"CREATE TABLE features.example (id integer PRIMARY KEY, a {type_})")
    found = session.errors(
        f"""\
        table: features.example
        columns:
          a:
            - range: {{{parameters}}}
        """
    )
    assert [one.partition(": error: ")[2] for one in found] == [error]
    assert found[0].startswith("slos/example.yml:4:")


@pytest.mark.parametrize("writes", MODES)
def test_bounds_are_the_same_in_every_session(session, writes):
    session.run("CREATE TABLE features.example (id integer PRIMARY KEY, d date, t timestamptz)")
    session.guard(
        f"""
        table: features.example
        writes: {writes}
        columns:
          d: [range: {{min: "2026-02-03", on_breach: reject}}]
          t: [range: {{min: "2026-02-03 00:00:00Z", on_breach: reject}}]
        """
    )
    for n, (style, zone) in enumerate([("SQL, DMY", "Pacific/Apia"), ("German", "Asia/Tokyo")]):
        session.run(f"SET LOCAL datestyle = '{style}'")
        session.run(f"SET LOCAL timezone = '{zone}'")
        session.run(f"INSERT INTO features.example VALUES ({n}, '2026-02-03', '2026-02-03 00:00:00+00')")
        for column, value in (("d", "2026-02-02"), ("t", "2026-02-02 23:59:59+00")):
            error = session.refused(f"INSERT INTO features.example (id, {column}) VALUES (9, '{value}')")
            assert error.rule == f"{column}_range"


@pytest.mark.parametrize("writes", MODES)
@pytest.mark.parametrize(
    ("type_", "bounds", "repaired"),
    [
        ("integer", "min: 0, max: 9", {"-1": 0, "10": 9, "5": 5, "NULL": None}),
        ("numeric", "min: 0", {"-1": 0, "'NaN'": None, "'Infinity'": None, "'-Infinity'": 0, "1e50": 10**50}),
        ("real", "max: 0.5", {"0.5": 0.5, "1": 0.5, "'NaN'": None, "'-Infinity'": None, "'Infinity'": 0.5}),
        ("double precision", "min: -0.1, max: 0.1", {"1": 0.1, "-1": -0.1, "'NaN'": None, "'Infinity'": 0.1}),
        ("date", "max: '2026-11-22'", {"'infinity'": "2026-11-22", "'2026-11-22'": "2026-11-22"}),
        ("text", "max: m", {"'z'": "m", "'a'": "a"}),
        ("features.colour", "max: green", {"'blue'": "green", "'red'": "red"}),
    ],
)
def test_repairs_of_types(session, type_, bounds, repaired, writes):
    session.run("CREATE TYPE features.colour AS ENUM ('red', 'green', 'blue')")
    session.run(
        f"CREATE TABLE features.example (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a {type_})"
    )
    session.guard(
        f"""
        table: features.example
        writes: {writes}
        columns: {{a: [range: {{{bounds}, on_breach: repair}}]}}
        """
    )
    for sent, stored in repaired.items():
        (value,) = session.values(f"INSERT INTO features.example (a) VALUES ({sent}) RETURNING a")
        assert (str(value) if isinstance(stored, str) else value) == stored, sent
    assert session.broken() == {}
