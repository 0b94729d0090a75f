import json

import pytest

KIND = "expression"

MODES = ("bulk", "stream")
ACTIONS = ("reject", "quarantine", "flag", "warn")


def test_true_and_unknown_pass(golden):
    golden.passes(clicks="2", last_seen_at="now()", signed_up_at="now()", spend="0")
    golden.passes(last_seen_at="now()")
    golden.passes(spend="5", shop="1")
    golden.passes()


def test_rejects(golden):
    error = golden.refused(golden.row(last_seen_at="'2026-01-01'", signed_up_at="'2026-01-02'"))
    assert (error.sqlstate, error.column, error.rule) == ("23514", None, "seen_after_sign_up")
    assert "expected: last_seen_at IS NULL OR last_seen_at >= signed_up_at." in error.detail
    assert "Key (user_id, feature_date) = (1, 2026-11-22)." in error.detail


def test_quarantines(golden):
    assert golden.run(golden.row(spend="5")).count == 0
    assert golden.held() == [("(user_id, feature_date) = (1, 2026-11-22)", ("payers_have_a_shop",))]


def test_warns_and_flags(golden):
    golden.passes(spend="500", clicks="2", shop="1")
    outcome = golden.run(golden.row(spend="500", clicks="1", shop="1", plan="'pro'"))
    assert (outcome.count, outcome.warned) == (1, {"spend_per_click"})
    assert golden.failures() == {"clicks_expression": 1, "spend_per_click": 1}


CONDITIONS = {
    "integer": ("$column BETWEEN 1 AND 3", ["1", "3", "NULL"], ["0", "4"]),
    "bigint": ("$column % 2 = 0", ["2", "0"], ["9223372036854775807"]),
    "numeric": ("$column <> 'NaN' AND scale($column) <= 2", ["1.25"], ["1.255", "'NaN'"]),
    "real": ("$column = 0.1::real", ["0.1"], ["0.2"]),
    "double precision": ("$column > -1e-9", ["0", "'Infinity'"], ["-1"]),
    "text": (r"$column LIKE 'a\_%' OR $column = 'it''s'", ["'a_b'", "'it''s'"], ["'ab'", "''"]),
    "varchar(5)": ("lower($column) = $column", ["'ab'"], ["'aB'"]),
    "char(3)": ("$column <> 'ab'", ["'a'"], ["'ab '"]),
    "date": ("$column <= current_date", ["'2020-01-01'", "'-infinity'"], ["'infinity'"]),
    "timestamp": ("extract(hour FROM $column) < 12", ["'2026-11-22 11:59'"], ["'2026-11-22 12:00'"]),
    "timestamptz": ("$column < now() + interval '1 hour'", ["now()"], ["now() + interval '2 hours'"]),
    "boolean": ("$column", ["true", "NULL"], ["false"]),
    "uuid": (
        "$column::text LIKE '0%'",
        ["'00000000-0000-0000-0000-000000000000'"],
        ["'10000000-0000-0000-0000-000000000000'"],
    ),
    "integer[]": (
        "cardinality($column) < 3 AND 0 <> ALL ($column)",
        ["'{1,2}'", "'{}'"],
        ["'{1,2,3}'", "'{0}'"],
    ),
    "json": ("json_typeof($column) = 'object'", ["'{}'"], ["'[]'", "'1'"]),
    "jsonb": ("$column ? 'a' AND ($column ->> 'a')::int > 0", ["'{\"a\": 1}'"], ["'{\"a\": 0}'", "'{}'"]),
    "point": ("$column IS NOT NULL", ["'(0,0)'"], ["NULL"]),
    "int4range": ("NOT isempty($column)", ["'[1,2)'"], ["'empty'"]),
    "features.colour": ("$column IN ('red', 'green')", ["'red'"], ["'blue'"]),
    "features.share": ("$column * 2 <= 1", ["0.5"], ["0.6"]),
}


# A bulk-loaded table judges in both kinds of function: what quarantines needs a trigger for each row.
@pytest.mark.parametrize(
    ("type_", "writes"),
    [*((one, "bulk") for one in CONDITIONS), *((one, "stream") for one in [*CONDITIONS][::4])],
)
def test_types(session, hold, type_, writes):
    session.run("CREATE TYPE features.colour AS ENUM ('red', 'green', 'blue')")
    session.run("CREATE DOMAIN features.share AS numeric CHECK (value >= 0)")
    condition, passing, failing = CONDITIONS[type_]
    written = json.dumps(condition.replace("$column", '"$column"'))
    hold(type_, f"expression: {{expression: {written}}}", passing=passing, failing=failing, writes=writes)


@pytest.mark.parametrize("writes", MODES)
def test_a_row_that_makes_the_condition_raise_fails(session, writes):
    columns = ", ".join(f"{action} integer" for action in ACTIONS)
    session.run(f"CREATE TABLE features.example (id integer PRIMARY KEY, {columns})")
    rules = "\n".join(f"  - r_{a}: {{expression: '10 / \"{a}\" > 1', on_breach: {a}}}" for a in ACTIONS)
    session.guard(f"table: features.example\nwrites: {writes}\nrules:\n{rules}")
    error = session.refused("INSERT INTO features.example (id, reject) VALUES (1, 0)")
    assert (error.sqlstate, error.rule) == ("23514", "r_reject")
    assert "its condition raises: division by zero; expected: 10 / " in error.detail
    assert session.run("INSERT INTO features.example (id, quarantine) VALUES (1, 0)").count == 0
    assert session.held() == [("(id) = (1)", ("r_quarantine",))]
    outcome = session.run("INSERT INTO features.example (id, flag, warn) VALUES (1, 0, 0), (2, 1, 1)")
    assert (outcome.count, outcome.warned) == (2, {"r_warn"})
    assert session.failures() == {"r_flag": 1, "r_warn": 1}
    assert session.broken() == {}


@pytest.mark.parametrize(
    ("expression", "error"),
    [
        ("a", "argument of WHERE must be type boolean, not type text"),
        ("a > 1", "operator does not exist: text > integer"),
        ("b + 1", "argument of WHERE must be type boolean, not type numeric"),
        ("length(a, b) > 1", "function length(text, numeric) does not exist"),
        ("c > 0", 'column "c" of features.example does not exist'),
        ("b > 'x'", 'invalid input syntax for type numeric: "x"'),
        ("b > (SELECT 1)", "sub-queries are not allowed"),
        ("random() > 0.5", 'function "random" is not allowed'),
        ("b > 0; DROP TABLE x", "several statements are not allowed"),
        ("b > 0 -- positive", "comments are not allowed"),
        ("a <> '$pgslo$'", "text may not contain $pgslo$"),
    ],
)
def test_refused(session, expression, error):
    session.run("CREATE TABLE features.example (id integer PRIMARY KEY, a text, b numeric)")
    (found,) = session.errors(
        f"""\
        table: features.example
        rules:
          - mine: {{expression: "{expression}"}}
        """
    )
    assert found.startswith("slos/example.yml:3:")
    assert error in found
