import pytest

KIND = "compare"
MODES = ("bulk", "stream")


def test_values_and_null_pass(golden):
    golden.passes(last_seen_at="'2026-01-01'", signed_up_at="'2026-01-01'", shop="0", clicks="2", age="1")
    golden.passes(last_seen_at="'2026-01-01'", clicks="1", sku="'a'")
    golden.passes()


def test_rejects(golden):
    error = golden.refused(
        golden.row(last_seen_at="'2026-01-01 00:00+00'", signed_up_at="'2026-01-02 00:00+00'")
    )
    assert (error.sqlstate, error.column, error.rule) == ("23514", "last_seen_at", "last_seen_at_compare")
    assert "expected: last_seen_at at least signed_up_at." in error.detail


def test_quarantines(golden):
    assert golden.run(golden.row(shop="1")).count == 0
    assert golden.held() == [("(user_id, feature_date) = (1, 2026-11-22)", ("shop_compare",))]


def test_warns_and_flags(golden):
    outcome = golden.run(golden.row(clicks="1", age="1", sku="'a'", campaign="'a'", user_id="5", shop="1"))
    assert (outcome.count, outcome.warned) == (1, {"clicks_above_age"})
    assert golden.failures() == {"clicks_above_age": 1, "sku_is_not_campaign": 1}


PAIRS = {
    "integer, bigint": ("1, 2", "2, 2"),
    "smallint, numeric": ("1, 1.5", "1, 1.0"),
    "bigint, double precision": ("1, 2", "1, 0.5"),
    "numeric, numeric": ("0.1, 0.2", "'NaN', 'NaN'"),
    "real, real": ("0.1, 0.2", "0.1, 0.1"),
    "double precision, double precision": ("1, 'NaN'", "'NaN', 1"),
    "text, varchar(9)": ("'a', 'b'", "'b', 'a'"),
    "char(5), text": ("'a', 'b'", "'b', 'a'"),
    "date, date": ("'2026-01-01', 'infinity'", "'2026-01-01', '2026-01-01'"),
    "date, timestamp": ("'2026-01-01', '2026-01-01 00:01'", "'2026-01-01', '2026-01-01 00:00'"),
    "timestamptz, timestamptz": ("'2026-01-01 00:00+01', '2026-01-01 00:00+00'", "now(), now()"),
    "boolean, boolean": ("false, true", "true, true"),
    "uuid, uuid": (
        "'00000000-0000-0000-0000-000000000000', '10000000-0000-0000-0000-000000000000'",
        "'10000000-0000-0000-0000-000000000000', '10000000-0000-0000-0000-000000000000'",
    ),
    "features.colour, features.colour": ("'red', 'green'", "'green', 'red'"),
    "features.share, integer": ("0.5, 1", "1, 1"),
}


# A bulk-loaded table judges in both kinds of function: what quarantines needs a trigger for each row.
@pytest.mark.parametrize(
    ("types", "writes"), [*((one, "bulk") for one in PAIRS), *((one, "stream") for one in [*PAIRS][::4])]
)
def test_types(session, types, writes):
    session.run("CREATE TYPE features.colour AS ENUM ('red', 'green')")
    session.run("CREATE DOMAIN features.share AS numeric")
    left, right = types.split(", ")
    session.run(
        f"CREATE TABLE features.example (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a {left}, b {right})"
    )
    passing, failing = PAIRS[types]
    for action in ("reject", "quarantine", "warn"):
        session.guard(
            f"""
            table: features.example
            writes: {writes}
            rules:
              - r: {{compare: {{left: a, operator: "<", right: b}}, on_breach: {action}}}
            """
        )
        for values in (passing, f"{passing.partition(', ')[0]}, NULL", "NULL, NULL"):
            outcome = session.run(f"INSERT INTO features.example (a, b) VALUES ({values})")
            assert (outcome.count, outcome.notices) == (1, ()), values
        insert = f"INSERT INTO features.example (a, b) VALUES ({failing})"
        match action:
            case "reject":
                assert session.refused(insert).rule == "r"
            case "quarantine":
                assert session.run(insert).count == 0
            case _:
                assert session.run(insert).warned == {"r"}
    assert session.broken() == {}


@pytest.mark.parametrize(
    ("operator", "passing", "failing"),
    [
        ("=", ["1, 1"], ["1, 2", "2, 1"]),
        ("<>", ["1, 2"], ["1, 1"]),
        ("<", ["1, 2"], ["1, 1", "2, 1"]),
        ("<=", ["1, 2", "1, 1"], ["2, 1"]),
        (">", ["2, 1"], ["1, 1", "1, 2"]),
        (">=", ["2, 1", "1, 1"], ["1, 2"]),
    ],
)
def test_operators(session, operator, passing, failing):
    session.run(
        "CREATE TABLE features.example (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a integer, b integer)"
    )
    session.guard(
        f"""
        table: features.example
        columns: {{a: [compare: {{operator: "{operator}", to: b, on_breach: reject}}]}}
        """
    )
    for values in passing:
        assert session.run(f"INSERT INTO features.example (a, b) VALUES ({values})").count == 1
    for values in failing:
        error = session.refused(f"INSERT INTO features.example (a, b) VALUES ({values})")
        assert (error.column, error.rule) == ("a", "a_compare")


@pytest.mark.parametrize(
    ("types", "operator", "error"),
    [
        ("real, double precision", "=", "0.1 is not the same number in both"),
        ("numeric, real", "<", "0.1 is not the same number in both"),
        (
            "date, timestamptz",
            "<",
            "which of two is later depends on the time zone of the session that writes",
        ),
        ("timestamptz, timestamp", "=", "which of two is later depends on the time zone of the session"),
        ("json, json", "=", 'compare cannot judge column "a" of type json: its values cannot be compared'),
        ("xml, xml", "=", 'compare cannot judge column "a" of type xml: its values cannot be compared'),
        (
            "point, point",
            "<>",
            'compare cannot judge column "a" of type point: its values cannot be compared',
        ),
        ("xid, xid", "<", 'compare cannot judge column "a" of type xid: it has no useful order'),
        (
            "integer[], integer[]",
            "<",
            'compare cannot judge column "a" of type integer[]: it has no useful order',
        ),
        ('text COLLATE "C", text COLLATE "POSIX"', "<", "could not determine which collation to use"),
        ("text, integer", "=", "operator does not exist: text = integer"),
        ("date, integer", "<", "operator does not exist: date < integer"),
    ],
)
def test_refused(session, types, operator, error):
    left, right = types.split(", ")
    session.run(f"CREATE TABLE features.example (id integer PRIMARY KEY, a {left}, b {right})")
    (found,) = session.errors(
        f"""\
        table: features.example
        columns:
          a:
            - compare: {{operator: "{operator}", to: b}}
        """
    )
    assert found.startswith("slos/example.yml:4:")
    assert error in found


def test_unknown_columns(session):
    session.run("CREATE TABLE features.example (id integer PRIMARY KEY, alpha integer)")
    errors = session.errors(
        """\
        table: features.example
        columns:
          alpha:
            - compare: {operator: "<", to: alhpa}
        rules:
          - one: {compare: {left: beta, operator: "<", right: alpha}}
          - two: {compare: {left: alpha, operator: "<", right: gamma}}
        """
    )
    assert [error.partition(": error: ")[0] for error in errors] == [
        "slos/example.yml:4:36",
        "slos/example.yml:6:27",
        "slos/example.yml:7:56",
    ]
    assert errors[0].endswith('hint: did you mean "alpha"?')
    assert errors[1].endswith("hint: its columns are id, alpha")


def test_a_value_where_a_column_is_named_has_a_hint(session):
    session.run("CREATE TABLE features.example (id integer PRIMARY KEY, a date)")
    (error,) = session.errors(
        "table: features.example\ncolumns: {a: [compare: {operator: '>', to: '2026-01-01'}]}"
    )
    assert 'column "2026-01-01" of features.example does not exist' in error
    assert "a value is compared by range or expression" in error
