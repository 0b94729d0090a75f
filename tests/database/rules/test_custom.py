import pytest
import yaml

KIND = "custom"
MODES = ("bulk", "stream")


def test_values_and_null_pass(golden):
    golden.passes(sku="'DE89370400440532013000'", clicks="5", spend="10")
    golden.passes(clicks="5")
    golden.passes()


def test_rejects(golden):
    error = golden.refused(golden.row(sku="'IT60X0542811101000000123456'"))
    assert (error.sqlstate, error.column, error.rule) == ("23514", "sku", "sku_iban")
    assert "sku = IT60X0542811101000000123456; expected:" in error.detail


def test_quarantines(golden):
    assert golden.run(golden.row(clicks="4", spend="10")).count == 0
    assert golden.held() == [("(user_id, feature_date) = (1, 2026-11-22)", ("click_share",))]


def test_warns(golden):
    outcome = golden.run(golden.row(campaign="'GB82WEST12345698765432X'"))
    assert (outcome.count, outcome.warned) == (1, {"campaign_iban"})


def _kind(header, body, name="mine"):
    return {f"kinds/{name}.sql": f"-- kind: {name}\n-- description: as wanted.\n{header}{body}\n"}


PARAMETERS = {
    "text": ("it's \\ {{ x }}", "it''s \\ {{ x }}", "other"),
    "integer": ("-5", "-5", "5"),
    "number": ("0.1", "0.10", "0.2"),
    "boolean": ("true", "true", "false"),
}


@pytest.mark.parametrize("writes", MODES)
@pytest.mark.parametrize("parameter", PARAMETERS)
def test_parameters(session, parameter, writes):
    value, passing, failing = PARAMETERS[parameter]
    type_ = {"number": "numeric"}.get(parameter, parameter)
    session.run(f"CREATE TABLE features.example (id integer PRIMARY KEY, a {type_})")
    definition = yaml.safe_dump(
        {
            "table": "features.example",
            "writes": writes,
            "columns": {
                "a": [
                    {
                        "mine": {
                            "p": yaml.safe_load(value) if parameter != "text" else value,
                            "on_breach": "reject",
                        }
                    }
                ]
            },
        }
    )
    session.guard(definition, kinds=_kind(f"-- parameter: p {parameter}\n", "{{ value }} = {{ p }}"))
    assert session.run(f"INSERT INTO features.example VALUES (1, '{passing}'), (2, NULL)").count == 2
    error = session.refused(f"INSERT INTO features.example VALUES (3, '{failing}')")
    assert (error.sqlstate, error.column, error.rule) == ("23514", "a", "a_mine")
    assert "expected: " in error.detail


@pytest.mark.parametrize("writes", MODES)
@pytest.mark.parametrize("action", ["warn", "flag", "quarantine", "reject"])
def test_lists_columns_defaults_and_where(session, writes, action):
    session.run('CREATE TABLE features.example (id integer PRIMARY KEY, "A b" text, n numeric, live boolean)')
    kinds = _kind(
        "-- parameter: words list of text\n-- parameter: other column\n-- parameter: limits list of number default [1, 2.5]\n",
        "lower({{ value }}) IN {{ words }}\nAND {{ other }} IN {{ limits }}",
    )
    session.guard(
        f"""
        table: features.example
        writes: {writes}
        columns:
          "A b": [mine: {{words: [x, "it's"], other: n, where: live, on_breach: {action}, name: r}}]
        """,
        kinds=kinds,
    )
    good = "(1, 'X', 1, true), (2, 'it''s', 2.50, true), (3, 'y', 1, false), (4, 'y', 9, NULL), (5, NULL, 1, true)"
    assert session.run(f"INSERT INTO features.example VALUES {good}").count == 5
    assert (session.failures(), session.held()) == ({}, [])
    for n, bad in enumerate(["'y', 1, true", "'x', 3, true", "NULL, 3, true"], 10):
        insert = f"INSERT INTO features.example VALUES ({n}, {bad})"
        match action:
            case "reject":
                assert session.refused(insert).rule == "r"
            case "quarantine":
                assert session.run(insert).count == 0
            case _:
                assert session.run(insert).warned == ({"r"} if action == "warn" else set())
    assert session.values("SELECT kind FROM pgslo.rule WHERE kind <> 'learned'") == ["mine"]
    assert session.values("SELECT columns FROM pgslo.rule WHERE kind <> 'learned'") == [["A b", "n", "live"]]


@pytest.mark.parametrize(
    ("header", "body", "rule", "error"),
    [
        ("", "{{ value }} > 1", "mine", "4:5: error: operator does not exist: text > integer"),
        (
            "",
            "length({{ value }})",
            "mine",
            "4:5: error: argument of WHERE must be type boolean, not type integer",
        ),
        (
            "-- parameter: c column\n",
            "{{ value }} = {{ c }}",
            "mine: {c: bb}",
            '4:15: error: column "bb" of features.example does not exist',
        ),
        (
            "-- parameter: n integer\n",
            "length({{ value }}) = {{ n }}",
            "mine: {n: x}",
            "4:15: error: expected a whole number",
        ),
        (
            "-- parameter: n integer\n",
            "length({{ value }}) = {{ n }}",
            "mine",
            '4:5: error: "mine" needs "n"',
        ),
    ],
)
def test_refused(session, header, body, rule, error):
    session.run("CREATE TABLE features.example (id integer PRIMARY KEY, a text, b text)")
    (found, *_) = session.errors(
        f"table: features.example\ncolumns:\n  a:\n  - {rule}\n", kinds=_kind(header, body)
    )
    assert found.startswith(f"slos/example.yml:{error}")
