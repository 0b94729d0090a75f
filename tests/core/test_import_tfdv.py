"""Schemas of TensorFlow Data Validation as definitions, and the text format of protocol buffers."""

from __future__ import annotations

import pytest
from imports import definitions, imported, outcomes, rules

from pgslo.importing.formats.tfdv.textproto import Message, read
from pgslo.importing.source import UnreadableError

MAPPED = ("mapped",)
MAPS = ["tfdv:*=app.users"]


def feature(text: str, rest: str = "") -> str:
    """A schema with a feature."""
    return f'feature {{\n  name: "x"\n  {text}\n}}\n{rest}'


PARTS: list[tuple[str, str, list[tuple[str, ...]]]] = [
    ("type: INT", 'x: "any integer"', [MAPPED]),
    ("type: FLOAT", 'x: [real, "double precision", "any numeric"]', [MAPPED]),
    ("type: BYTES", 'x: "any text"', [MAPPED]),
    ("type: STRUCT", "", [("not_mapped", "nested_column")]),
    ("presence { min_fraction: 1.0 min_count: 1 }", "not_null", [MAPPED]),
    ("presence { min_fraction: 0.9 }", "completeness: 0.9", [MAPPED]),
    ("presence { min_count: 1 }", 'row_count_x: {row_count: {min: 1}, where: "x IS NOT NULL"}', [MAPPED]),
    ("presence { }", "", [("held", "trivial")]),
    ('presence { min_fraction: 1 } not_in_environment: "SERVING"', "", [("not_mapped", "no_word")]),
    ('string_domain { name: "d" value: "a" value: "b" }', "accepted_values: [a, b]", [MAPPED]),
    (
        'string_domain { value: "a" } distribution_constraints { min_domain_mass: 0.9 }',
        'accepted_values: {values: [a], where: "x IS NOT NULL", at_least: 0.9}',
        [MAPPED],
    ),
    ('domain: "shared"', "accepted_values: [c]", [MAPPED]),
    ('domain: "absent"', "", [("not_mapped", "no_such_element")]),
    ("bool_domain { }", "accepted_values: [0, 1]", [MAPPED]),
    (
        'bool_domain { true_value: "ja" false_value: "nein" } type: BYTES',
        "accepted_values: [ja, nein]",
        [MAPPED, MAPPED],
    ),
    ("int_domain { min: 0 max: 9 }", "range: {min: 0, max: 9}", [MAPPED]),
    ("int_domain { min: 0 } type: INT", "range: {min: 0}", [MAPPED, MAPPED]),
    ("int_domain { is_categorical: true }", "", [("held", "trivial")]),
    ("float_domain { min: 0.5 disallow_nan: true }", 'expression: "x >= 0.5"', [MAPPED]),
    ("float_domain { disallow_nan: true }", "expression: \"x <> 'NaN'\"", [MAPPED]),
    (
        "unique_constraints { min: 2 max: 5 }",
        "statistic: {of: distinct, min: 2, max: 5}",
        [("changed", "estimated")],
    ),
    (
        "drift_comparator { jensen_shannon_divergence { threshold: 0.1 } infinity_norm { threshold: 0.2 } }",
        "drift: {by: js, relative_to: previous, max: 0.1}",
        [("changed", "estimated"), ("not_mapped", "no_word")],
    ),
    ("skew_comparator { infinity_norm { threshold: 0.2 } }", "", [("not_mapped", "no_table")]),
    ("value_count { min: 1 max: 1 }", "", [("held", "trivial")]),
    ("value_count { min: 1 max: 9 }", "", [("not_mapped", "no_word")]),
    ("shape { dim { size: 1 } }", "", [("held", "trivial")]),
    ("presence { min_fraction: 1 } lifecycle_stage: DEPRECATED", "not_null: {enabled: false}", [MAPPED]),
    ("url_domain { }", "format: url", [("changed", "format_differs")]),
    ("image_domain { }", "", [("not_mapped", "no_word")]),
    ("struct_domain { feature { name: 'y' type: INT } }", "", [("not_mapped", "nested_column")]),
]


@pytest.mark.parametrize(("text", "rule", "outcome"), PARTS, ids=[one[0][:70] for one in PARTS])
def test_of_a_feature(text: str, rule: str, outcome: list[tuple[str, ...]]) -> None:
    done = imported(
        feature(text, 'string_domain { name: "shared" value: "c" }'), name="users.pbtxt", maps=MAPS
    )
    assert outcomes(done) == outcome
    assert rules(done)[:1] == ([rule] if rule else [])
    assert len(definitions(done)) == bool(rule)


def test_of_the_data_set() -> None:
    rest = "dataset_constraints { min_examples_count: 5 num_examples_drift_comparator { min_fraction_threshold: 0.5 } other: 1 }"
    done = imported(feature("type: INT", rest), name="users.pbtxt", maps=MAPS)
    assert outcomes(done) == [
        ("changed", "batch_not_table"),
        ("changed", "batch_not_table"),
        ("not_mapped", "no_word"),
        MAPPED,
    ]
    assert rules(done)[0] == "row_count: {min: 5}"
    assert rules(done)[1].endswith(": {row_count: {relative_to: previous, min: 0.5}}")


def test_the_table_is_only_named_by_a_map() -> None:
    done = imported(feature("type: INT"), name="users.pbtxt")
    assert "--map 'tfdv:users=schema.table'" in done.entries[0].outcome.remarks[0].message
    assert list(
        definitions(imported(feature("type: INT"), name="users.pbtxt", maps=["tfdv:users=shop.u"]))
    ) == ["shop.u"]


def test_places_are_those_of_the_fields() -> None:
    done = imported(
        "# a schema\n" + feature("type: INT\n  presence <min_fraction: 1>"), name="a.pbtxt", maps=MAPS
    )
    assert [(one.found.location.line, one.found.location.column) for one in done.entries] == [(4, 3), (5, 3)]


def flat(message: Message) -> object:
    return {
        name: [flat(one) if isinstance(one, Message) else one for one in values]
        for name, values in message.fields.items()
    }


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("a: 1; b: -2.5e3, c: true", {"a": [1], "b": [-2500.0], "c": [True]}),
        ("a < b: 0x1F > a: { b: 010 }", {"a": [{"b": [31]}, {"b": [10.0]}]}),
        ("""a: "x" 'y' # z\n "w" b: 'it\\'s'""", {"a": ["xyw"], "b": ["it's"]}),
        ('a: "x" b: 1 a: "y" "z"', {"a": ["x", "yz"], "b": [1]}),
        (r'a: "\303\244\x41\n\u00e4"', {"a": ["\u00e4A\n\u00e4"]}),
        (
            "a: [1, 2] b: [] c: [{d: 1}, {d: 2}] e: X",
            {"a": [1, 2], "c": [{"d": [1]}, {"d": [2]}], "e": ["X"]},
        ),
        ("a: 1.5f b: inf", {"a": [1.5], "b": [float("inf")]}),
        ("", {}),
    ],
)
def test_the_text_format(text: str, fields: object) -> None:
    assert flat(read(text, path="a")) == fields


@pytest.mark.parametrize(
    "text",
    [
        "a {",
        "}",
        "a: }",
        "{ }",
        ": 1",
        "a: 1 2",
        'a: "x',
        "a < }",
        "a: @",
        "a",
        "a {" * 50,
        '"x"',
        'a: 1 "x"',
    ],
)
def test_what_is_no_message_is_refused_with_a_place(text: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        read(text, path="a")
    assert caught.value.line >= 1


def test_a_broken_schema_is_one_entry() -> None:
    done = imported("feature {\n  name: ", name="a.pbtxt")
    assert done.entries == ()
    assert done.failures[0].message == "the file ends in the middle of a message"
