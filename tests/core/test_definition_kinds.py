"""Kinds of an organisation's own: a template with declared blanks, held to the same gate as any expression."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nightly import examples

from pgslo import definition
from pgslo.definition import CustomKind, rules
from pgslo.errors import ConfigurationError, DefinitionErrors, Location
from pgslo.sql import Sql

FOLDER = Path(__file__).parents[2] / "examples" / "definitions" / "kinds"
EXAMPLES = {f"kinds/{path.name}": path.read_text("utf-8") for path in sorted(FOLDER.iterdir())}
HEADER = "-- kind: k\n-- description: D.\n"


def load_kind(text: str) -> CustomKind:
    return definition.load_kinds({"kinds/k.sql": text})["k"]


def error(text: str, path: str = "kinds/k.sql") -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        definition.load_kinds({path: text})
    return caught.value


def condition(parameters: str, body: str, item: str, *, under: str = "columns") -> str:
    """What PostgreSQL will see of a rule."""
    kind = load_kind(f"{HEADER}{parameters}{body}\n")
    wheres = {"columns": f"columns:\n  'A b':\n    - {item}\n", "rules": f"rules:\n  - r: {{{item}}}\n"}
    found = definition.load(f"table: s.t\n{wheres[under]}", path="t.yml", kinds={"k": kind}).rules[0]
    assert isinstance(found, rules.Custom)
    return found.condition.qualified(Sql("new")).text


def test_the_examples():
    kinds = definition.load_kinds(EXAMPLES)
    iban = kinds["iban"]
    assert iban.description == "The text is an IBAN of one of the given countries."
    assert [(each.name, each.type, each.required, each.default) for each in iban.parameters] == [
        ("countries", "list of text", True, None),
        ("spaces", "boolean", False, False),
    ]
    assert iban.about_column
    text = "table: s.t\ncolumns:\n  x:\n    - iban: [DE, 'F''R']\n    - soon_after: {other: y, days: -1, on_breach: flag}\n"
    first, second = definition.load(text, path="t.yml", kinds=kinds).rules
    assert isinstance(first, rules.Custom)
    assert isinstance(second, rules.Custom)
    assert (first.name, first.kind, first.custom_kind, first.column) == ("x_iban", "custom", "iban", "x")
    assert first.parameters == {"countries": ("DE", "F'R"), "spaces": False}
    assert first.template.startswith("{{ value }} ~")
    assert first.condition.columns == ("x",)
    assert first.condition.qualified(Sql("new")).text.endswith("AND left(new.\"x\", 2) IN ('DE', 'F''R'))")
    assert (second.columns, second.condition.columns, second.on_breach) == (("y",), ("x", "y"), "flag")
    assert second.condition.qualified(Sql("new")).text == (
        '(new."x" >= new."y" AND new."x" < new."y" + (-1) * interval \'1 day\')'
    )


@pytest.mark.parametrize(
    ("parameter", "body", "item", "expected"),
    [
        ("", "{{ value }} > 0", "k", '(new."A b" > 0)'),
        ("", "{{value}}>0", "k:", '(new."A b">0)'),
        ("p text", "{{ value }} ~ {{ p }}", "k: '^\\d'", "(new.\"A b\" ~  E'^\\\\d')"),
        ("p text", "{{ value }} ~ {{ p }}", 'k: {p: "it\'s"}', "(new.\"A b\" ~ 'it''s')"),
        ("p text default abc", "{{ value }} ~ {{ p }}", "k", "(new.\"A b\" ~ 'abc')"),
        ("p text default 'a: b'", "{{ value }} ~ {{ p }}", "k", "(new.\"A b\" ~ 'a: b')"),
        ("p integer", "{{ value }} -{{ p }} > 0", "k: -1", '(new."A b" -(-1) > 0)'),
        ("p number", "{{ value }} > {{ p }}", "k: 1.50", '(new."A b" > 1.50)'),
        ("p number", "{{ value }} > {{ p }}", "k: 1e3", '(new."A b" > 1E+3)'),
        ("p boolean", "{{ p }} OR {{ value }} > 0", "k: true", '(TRUE OR new."A b" > 0)'),
        ("p column", "{{ value }} > {{ p }}", "k: 'x\"y'", '(new."A b" > new."x""y")'),
        ("p list of number", "{{ value }} IN {{ p }}", "k: [1, -2.5]", '(new."A b" IN (1, (-2.5)))'),
        ("p list of text default [a, 1]", "{{ value }} IN {{ p }}", "k", "(new.\"A b\" IN ('a', '1'))"),
    ],
)
def test_printed(parameter: str, body: str, item: str, expected: str):
    declared = f"-- parameter: {parameter}\n" if parameter else ""
    assert condition(declared, body, item) == expected


def test_a_kind_that_is_about_no_column_is_a_rule_of_the_row():
    declared = "-- parameter: a column\n-- parameter: b column\n"
    body = "num_nonnulls({{ a }}, {{ b }}) >= 1"
    assert condition(declared, body, "k: {a: email, b: phone}", under="rules") == (
        '(num_nonnulls(new."email", new."phone") >= 1)'
    )
    kind = load_kind(f"{HEADER}{declared}{body}")
    with pytest.raises(DefinitionErrors, match='Write it under "rules"'):
        definition.load("table: s.t\ncolumns: {x: [k: {a: b, b: c}]}\n", path="t.yml", kinds={"k": kind})


def test_values_are_numbers_of_their_own_type():
    kind = load_kind(f"{HEADER}-- parameter: p number\n{{{{ value }}}} > {{{{ p }}}}")
    found = definition.load("table: s.t\ncolumns: {x: [k: 1.5]}\n", path="t.yml", kinds={"k": kind}).rules[0]
    assert isinstance(found, rules.Custom)
    assert found.parameters == {"p": Decimal("1.5")}


@settings(max_examples=examples(1000), deadline=None)
@given(st.text(max_size=30))
def test_a_value_stays_a_value(value: str):
    quoted = "".join(f"\\U{ord(character):08x}" for character in value)
    kind = load_kind(f"{HEADER}-- parameter: p text\n{{{{ value }}}} = {{{{ p }}}} AND {{{{ value }}}} > 0")
    try:
        found = definition.load(
            f'table: s.t\ncolumns: {{x: [k: "{quoted}"]}}\n', path="t.yml", kinds={"k": kind}
        )
    except DefinitionErrors:
        return
    (custom,) = found.rules
    assert isinstance(custom, rules.Custom)
    literal = "'" + value.replace("'", "''") + "'"
    printed = " E" + literal.replace("\\", "\\\\") if "\\" in value else literal
    assert custom.condition.qualified(Sql("n")).text == f'(n."x" = {printed} AND n."x" > 0)'


WRONG = [
    ("{{ value }} > 0", 1, 1, 'the header needs "kind"', "-- kind: iban"),
    ("", 1, 1, 'the header needs "kind"', None),
    ("-- kind: k\n{{ value }} > 0", 1, 1, 'the header needs "description"', None),
    (HEADER, 4, 1, "has no condition", "below the header"),
    ("-- kind: K\n-- description: D.\ntrue", 1, 10, "cannot be the name of a kind", "lower case"),
    ("-- kind: other\n-- description: D.\ntrue", 1, 10, 'is in a file called "k"', "other.sql"),
    ("-- a comment\n" + HEADER + "true", 1, 1, "a header line has the form", None),
    ("-- kynd: k\n-- description: D.\ntrue", 1, 4, 'header "kynd" does not exist', 'did you mean "kind"?'),
    (HEADER + "-- kind: k\ntrue", 3, 10, "is written twice", None),
    (HEADER + "-- parameter: p\n{{ p }}", 3, 15, "a parameter is declared as", "The types are"),
    (HEADER + "-- parameter: p txt\n{{ p }}", 3, 15, "a parameter is declared as", 'did you mean "text"?'),
    (HEADER + "-- parameter: P text\n{{ P }}", 3, 15, "cannot be the name of a parameter", None),
    (HEADER + "-- parameter: where text\n{{ where }}", 3, 15, "means something in every rule", None),
    (HEADER + "-- parameter: value text\n{{ value }}", 3, 15, "means something in every rule", None),
    (HEADER + "-- parameter: p text\n-- parameter: p text\n{{ p }}", 4, 15, "is declared twice", None),
    (HEADER + "-- parameter: p integer default x\n{{ p }}", 3, 15, "expected a whole number", None),
    (HEADER + "-- parameter: p text\n{{ value }} > 0", 4, 1, 'parameter "p" is not used', None),
    (HEADER + "{{ valeu }} > 0", 3, 1, '"valeu" is not declared', 'did you mean "value"?'),
    (HEADER + "true\nAND {{ xyz }} > 0", 4, 5, '"xyz" is not declared', "-- parameter: xyz text"),
    (HEADER + "{% if true %} true {% endif %}", 3, 1, "a template only inserts values", "filters"),
    (HEADER + "{{ value|upper }} > 0", 3, 1, "a template only inserts values", None),
    (HEADER + "{{ value.__class__ }} > 0", 3, 1, "a template only inserts values", None),
    (HEADER + "{# x #} {{ value }} > 0", 3, 1, "a template only inserts values", None),
    (HEADER + "{{ ''.__class__.__mro__ }}", 3, 1, "a template only inserts values", None),
    (HEADER + "{{ value }} > 0 -- why", 3, 17, "comments are not allowed", None),
    (HEADER + "{{ value }} > 0; drop table x", 3, 16, "several statements", None),
    (HEADER + "{{ value }} IN (SELECT 1)", 3, 17, "sub-queries", None),
    (
        HEADER + "true\n  AND lowr({{ value }}) = ''",
        4,
        7,
        'function "lowr" is not allowed',
        'did you mean "lower"?',
    ),
    (
        HEADER + "-- parameter: p text\nlower({{ p }}) = '{{ value }}'",
        4,
        19,
        '"value" is inside quotes',
        "Leave the quotes out",
    ),
    (HEADER + "new.{{ value }} > 0", 3, 4, "qualified names", None),
    (HEADER + "{{ value }}.x > 0", 3, 12, "qualified names", None),
    (HEADER + "{{ value }}(1) > 0", 3, 1, "a function's name may not be quoted", None),
    (HEADER + "x" * 20_001, 1, 1, "larger than", None),
]


@pytest.mark.parametrize(
    ("text", "line", "column", "message", "hint"), WRONG, ids=lambda value: str(value)[-40:]
)
def test_wrong(text: str, line: int, column: int, message: str, hint: str | None):
    found = error(text)
    assert message in found.message
    assert (hint or "") in (found.hint or "")
    assert found.location == Location("kinds/k.sql", line, column)


@pytest.mark.parametrize("name", ["range", "not_null", "drift", "custom"])
def test_names_that_belong_to_pgslo(name: str):
    found = error(f"-- kind: {name}\n-- description: D.\ntrue", path=f"{name}.sql")
    assert found.message == f'kind "{name}" belongs to pgslo'


def test_two_templates_of_one_name():
    text = f"{HEADER}{{{{ value }}}} > 0"
    with pytest.raises(ConfigurationError, match="is defined twice"):
        definition.load_kinds({"a/k.sql": text, "b/k.sql.j2": text})


def test_a_condition_that_gets_too_long_is_the_authors_error():
    kind = load_kind(f"{HEADER}-- parameter: p list of text\n{{{{ value }}}} IN {{{{ p }}}}")
    many = ", ".join(f"value_{number}" for number in range(1000))
    with pytest.raises(DefinitionErrors) as caught:
        definition.load(f"table: s.t\ncolumns: {{x: [k: [{many}]]}}\n", path="t.yml", kinds={"k": kind})
    (found,) = caught.value.errors
    assert found.location == Location("t.yml", 2, 15)
    assert found.message.startswith('kind "k": the expression has')
    assert found.detail == "Its condition is printed by kinds/k.sql."


@settings(max_examples=examples(1000), deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                *(
                    "-- kind: k\n",
                    "-- description: D.\n",
                    "-- parameter: p text\n",
                    "-- parameter: p list of number\n",
                ),
                *(
                    "{{ value }}",
                    "{{ p }}",
                    " > ",
                    "0",
                    "'x'",
                    "(",
                    ")",
                    " AND ",
                    "{%",
                    "{#",
                    "{{",
                    "}}",
                    "--",
                    "\n",
                    ";",
                ),
            ]
        ),
        max_size=12,
    ).map("".join)
)
def test_any_template_is_read_or_refused(text: str):
    place = None
    try:
        place = load_kind(text).location
    except ConfigurationError as found:
        place = found.location
    assert place is not None
