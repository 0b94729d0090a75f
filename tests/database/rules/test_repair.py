import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

KIND = "repair"


def test_good_values_stay(golden):
    golden.passes(age="0", score="0.5", spend="1.25", country="'us'")


@pytest.mark.parametrize(
    ("column", "value", "repaired", "old", "new"),
    [
        ("age", "-1", 0, "-1", "0"),
        ("age", "121", 120, "121", "120"),
        ("score", "NULL", 0.5, None, "0.5"),
        ("score", "'NaN'", 0.5, "NaN", "0.5"),
        ("score", "'-Infinity'", 0.0, "-Infinity", "0"),
        ("country", "' USA '", "us", " USA ", "us"),
        ("country", "'N/A'", None, "N/A", None),
    ],
)
def test_repairs(golden, column, value, repaired, old, new):
    values = {"score": "0.1", column: value}
    outcome = golden.run(golden.row(**values) + f" RETURNING {column}")
    assert outcome.rows == ((repaired,),)
    assert outcome.notices == ()
    assert golden.repairs() == [(column, old, new)]


def test_judges_after_the_repair(golden):
    error = golden.refused(golden.row(score="0.1", country="' IT '"))
    assert (error.sqlstate, error.rule) == ("23514", "country_accepted_values")
    assert "country = it;" in error.detail


def test_repairs_where_it_is_asked_to(golden):
    assert golden.values(golden.row(score="0.1", spend="1.25", shop="1") + " RETURNING spend::text") == [
        "1.30"
    ]
    assert golden.values(golden.row(score="0.1", spend="1.25", shop="2") + " RETURNING spend::text") == [
        "1.25"
    ]


def test_repairs_from_other_columns(golden):
    golden.run(golden.row(score="0.1", signed_up_at="'2026-01-02'", last_seen_at="'2026-01-01'"))
    assert golden.values("SELECT last_seen_at = signed_up_at FROM features.user_stats") == [True]


STEPS = {
    "trim": (
        "text",
        "trim: true",
        {"'  a b '": "a b", r"E'\ta\r\n'": "a", "''": "", "NULL": None},
    ),
    "trim char": ("char(5)", "trim: true", {"' a'": "a    "}),
    "lower": ("varchar(5)", "lower: true", {"'ÄB'": "äb", "NULL": None}),
    "map": ("text", "map: {usa: us, '': null, \"it's\": x}", {"'usa'": "us", "''": None, "'it''s'": "x", "'USA'": "USA"}),
    "map integer": ("integer", "map: {'-1': null, '999': 0}", {"-1": None, "999": 0, "1": 1}),
    "map real": ("real", "map: {'0.1': 0.2, nan: null}", {"0.1": 0.2, "'NaN'": None, "0.3": 0.3}),
    "map boolean": ("boolean", "map: {'false': null}", {"false": None, "true": True}),
    "map enum": ("features.colour", "map: {red: green}", {"'red'": "green", "'blue'": "blue"}),
    "map date": ("date", "map: {'1970-01-01': null}", {"'1970-01-01'": None, "'2026-11-22'": date(2026, 11, 22)}),
    "map uuid": ("uuid", "map: {'00000000-0000-0000-0000-000000000000': null}", {"'00000000-0000-0000-0000-000000000000'": None}),
    "expression": ("integer", "expression: abs(a)", {"-5": 5, "NULL": None}),
    "expression text": ("text", "expression: \"regexp_replace(a, '[^0-9]', '', 'g')\"", {"'+49 30'": "4930"}),
    "expression jsonb": ("jsonb", "expression: \"a #> '{x}'\"", {"'{\"x\": 1}'": 1}),
    "round": ("numeric", "round: 1", {"1.25": Decimal("1.3"), "-1.25": Decimal("-1.3"), "'NaN'": Decimal("NaN")}),
    "round double": ("double precision", "round: 2", {"0.125": 0.13, "'Infinity'": math.inf, "NULL": None}),
    "round real": ("real", "round: 1", {"0.15": 0.2, "1e10": 1e10}),
    "round integer": ("integer", "round: -2", {"149": 100, "150": 200}),
    "clip": ("integer", "clip: [0, 9]", {"-1": 0, "10": 9, "5": 5, "NULL": None}),
    "clip open": ("numeric", "clip: [null, 0.5]", {"1": Decimal("0.5"), "-1e9": Decimal(-1000000000), "'NaN'": Decimal("NaN")}),
    "clip real": ("real", "clip: [0.1, null]", {"0.05": 0.1, "0.1": 0.1, "'Infinity'": math.inf}),
    "clip date": ("date", "clip: ['2000-01-01', '2026-12-31']", {"'infinity'": date(2026, 12, 31), "'1999-12-31'": date(2000, 1, 1)}),
    "clip interval": ("interval", "clip: ['0 seconds', '1 day']", {"'2 days'": timedelta(days=1)}),
    "default": ("integer", "default: 0", {"NULL": 0, "5": 5}),
    "default text": ("text", "default: unknown", {"NULL": "unknown", "''": ""}),
    "default number as text": ("text", "default: 1.50", {"NULL": "1.50"}),
    "default real": ("real", "default: 0.1", {"NULL": 0.1, "'NaN'": 0.1, "'Infinity'": math.inf}),
    "default boolean": ("boolean", "default: false", {"NULL": False, "true": True}),
    "default timestamptz": ("timestamptz", "default: '1970-01-01 00:00:00+00'", {"NULL": datetime(1970, 1, 1, tzinfo=UTC)}),
    "default json": ("json", "default: '{}'", {"NULL": {}}),
    "default array": ("integer[]", "default: '{}'", {"NULL": []}),
    "default enum": ("features.colour", "default: red", {"NULL": "red"}),
    "default domain": ("features.positive", "default: 1", {"NULL": 1, "5": 5}),
    "all in order": (
        "text",
        "default: none, map: {a: b, b: c}, lower: true, trim: true, expression: \"a || '!'\", clip: [null, 'c']",
        {"' A '": "b!", "'B'": "c", "NULL": "none", "'z'": "c"},
    ),
}  # fmt: skip


@pytest.fixture
def types(session):
    session.run("SET LOCAL timezone = 'UTC'")
    session.run("CREATE TYPE features.colour AS ENUM ('red', 'green', 'blue')")
    session.run("CREATE DOMAIN features.positive AS integer CHECK (value > 0)")


@pytest.mark.usefixtures("types")
@pytest.mark.parametrize("step", STEPS)
def test_steps(session, step):
    type_, parameters, repaired = STEPS[step]
    session.run(
        f"CREATE TABLE features.example (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a {type_})"
    )
    session.guard(f"table: features.example\ncolumns:\n  a:\n    - repair: {{{parameters}}}")
    for sent, stored in repaired.items():
        (value,) = session.values(f"INSERT INTO features.example (a) VALUES ({sent}) RETURNING a")
        assert (value == stored) or (value != value and stored != stored), f"{sent} becomes {value!r}"  # noqa: PLR0124
    assert session.broken() == {}


def test_updates_are_repaired_too(golden):
    golden.run(golden.row(score="0.1", age="5"))
    assert golden.run("UPDATE features.user_stats SET age = 500 RETURNING age").rows == ((120,),)
    assert golden.repairs() == [("age", "500", "120")]


def test_repairs_run_in_the_order_of_the_definition(session):
    session.run("CREATE TABLE features.example (id integer PRIMARY KEY, a integer, b integer)")
    session.guard(
        """
        table: features.example
        columns:
          b: [repair: {expression: a + 1}]
          a: [repair: {default: 5}, repair: {clip: [0, 3], where: b > 0}]
        """
    )
    assert session.run("INSERT INTO features.example VALUES (1) RETURNING a, b").rows == ((5, None),)
    assert session.run("INSERT INTO features.example VALUES (2, 9) RETURNING a, b").rows == ((3, 10),)
    assert session.run("INSERT INTO features.example VALUES (3, -9) RETURNING a, b").rows == ((-9, -8),)


@pytest.mark.parametrize(
    "setting", ["extra_float_digits = 0", "datestyle = 'SQL, DMY'", "timezone = 'Asia/Tokyo'"]
)
def test_a_repair_that_fails_leaves_the_value_as_it_was_sent(session, setting):
    session.run(f"SET LOCAL {setting}")
    session.run(
        "CREATE TABLE features.example (id integer PRIMARY KEY, d date, f double precision, t timestamptz, p integer CHECK (p > 0))"
    )
    session.run("CREATE DOMAIN features.positive AS integer CHECK (value > 0)")
    session.run("ALTER TABLE features.example ALTER p TYPE features.positive")
    session.guard(
        """
        table: features.example
        columns:
          d: [repair: {expression: "('x' || d)::date"}]
          f: [repair: {expression: "f / 0"}]
          t: [repair: {expression: "t + interval '1 day' * (1 / (id - 1))"}]
          p: [repair: {expression: "-p"}]
        """
    )
    session.run(
        "INSERT INTO features.example VALUES (1, '2026-02-03', 0.1::float8 + 0.2::float8, '2026-02-03 04:05:06.789012+00', 7)"
    )
    assert session.values(
        """SELECT d = '2026-02-03'::date AND f = 0.1::float8 + 0.2::float8 AND t = '2026-02-03 04:05:06.789012+00' AND p = 7
           FROM features.example"""
    ) == [True]
    assert session.repairs() == []
    assert session.broken() == {
        "d_repair": 'invalid input syntax for type date: "x2026-02-03"',
        "f_repair": "division by zero",
        "t_repair": "division by zero",
        "p_repair": 'value for domain features.positive violates check constraint "positive_check"',
    }


@pytest.mark.parametrize(
    ("type_", "value", "digits"), [("numeric(12, 2)", "9999999999.99", 1), ("integer", "2147483647", -1)]
)
def test_what_the_column_cannot_hold_stays_as_it_was_sent(session, type_, value, digits):
    session.run(f"CREATE TABLE features.t (id int PRIMARY KEY, v {type_})")
    session.guard(
        f"table: features.t\nkey: [id]\ncolumns: {{v: [repair: {{clip: [0, {value}], round: {digits}}}]}}\n"
    )
    session.run(f"INSERT INTO features.t VALUES (1, {value}), (2, 14.96)")
    assert session.run("SELECT v::text FROM features.t ORDER BY id").rows[0] == (value,)
    assert session.run("SELECT id FROM features.t WHERE id = 2 AND v IN (15.0, 20)").rows == ((2,),)
    assert session.run("SELECT broken_rules FROM pgslo.status").rows == ((0,),)


def test_a_dropped_column_takes_no_other_repair_with_it(session):
    session.run("CREATE TABLE features.example (id integer PRIMARY KEY, a integer, b integer)")
    session.guard(
        "{table: features.example, columns: {a: [repair: {default: 1}], b: [repair: {default: 2}]}}"
    )
    session.run("DROP SCHEMA guarded CASCADE")
    session.run("ALTER TABLE features.example RENAME a TO z")
    assert session.run("INSERT INTO features.example VALUES (1) RETURNING z, b").rows == ((None, 2),)
    assert list(session.broken()) == ["a_repair"]


@pytest.mark.usefixtures("types")
@pytest.mark.parametrize(
    ("type_", "parameters", "error"),
    [
        ("integer", "trim: true", 'trim cannot repair column "a" of type integer'),
        ("features.colour", "lower: true", 'lower cannot repair column "a" of type features.colour'),
        ("json", "trim: true", 'trim cannot repair column "a" of type json'),
        ("text", "round: 1", 'round cannot repair column "a" of type text'),
        ("json", "clip: [a, b]", 'clip cannot repair column "a" of type json'),
        ("point", "clip: [a, b]", 'clip cannot repair column "a" of type point'),
        ("integer[]", "clip: [a, b]", 'clip cannot repair column "a" of type integer[]'),
        ("json", "map: {a: b}", 'map cannot repair column "a" of type json'),
        ("integer", "map: {one: 1}", '"one" is not a value of column "a" of type integer'),
        ("integer", "map: {'1': one}", '"one" is not a value of column "a" of type integer'),
        ("integer", "default: none", '"none" is not a value of column "a" of type integer'),
        ("smallint", "default: 40000", "smallint out of range"),
        ("integer", "clip: [null, 1e10]", "integer out of range"),
        ("boolean", "default: 1", '1 is not a value of column "a" of type boolean'),
        ("date", "default: yesterday", '"yesterday" is not a value of column "a" of type date'),
        ("uuid", "default: x", 'invalid input syntax for type uuid: "x"'),
        ("json", "default: '{'", "invalid input syntax for type json"),
        ("features.colour", "default: pink", 'invalid input value for enum features.colour: "pink"'),
        ("integer", "expression: a || 1 || true", "operator does not exist: "),
        ("integer", "default: 1, where: a", "argument of WHERE must be type boolean, not type integer"),
    ],
)
def test_refused(session, type_, parameters, error):
    session.run(f"CREATE TABLE features.example (id integer PRIMARY KEY, a {type_})")
    found = session.errors(f"table: features.example\ncolumns:\n  a:\n    - repair: {{{parameters}}}")
    assert error in found[0]
    assert found[0].startswith("slos/example.yml:4:")
    assert not found[0].startswith("slos/example.yml:4:7:")
