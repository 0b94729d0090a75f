"""Text to nodes: what YAML means here, and that nothing of it surprises, hangs or explodes."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from nightly import examples

from pgslo.definition.yaml import nodes, reader
from pgslo.errors import MAX_ERRORS, DefinitionError, DefinitionErrors


@pytest.fixture(autouse=True, params=["CSafeLoader", "SafeLoader"], scope="module")
def loader(request: pytest.FixtureRequest) -> Iterator[str]:
    """Both parsers of PyYAML have to give the same; not every platform has libyaml."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "_LOADER", getattr(yaml, request.param))
        yield request.param


def errors(text: str) -> tuple[DefinitionError, ...]:
    with pytest.raises(DefinitionErrors) as caught:
        reader.read(text, path="f.yml")
    return caught.value.errors


def value(node: nodes.Node) -> Any:
    match node:
        case nodes.Scalar():
            return node.value
        case nodes.Sequence():
            return [value(item) for item in node.items]
        case nodes.Mapping():
            return {key.text: value(item) for key, item in node.entries}


def read(text: str) -> Any:
    return value(reader.read(text, path="f.yml"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(
            (word, word)
            for word in ("on", "off", "yes", "no", "NO", "y", "n", "True", "FALSE", "Null", "NULL")
        ),
        *(
            (word, word)
            for word in ("12:30", "12:30:45", "2026-01-01", "2026-01-01T00:00:00Z", "1_000", "0x1F")
        ),
        *(
            (word, word)
            for word in ("0b1", "0o17", "010", "1.2.3", "e5", "+", ".", "--", "=", "<", "1e", "0.0.0.0")
        ),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-3", -3),
        ("+12", 12),
        ("1.10", Decimal("1.10")),
        (".5", Decimal("0.5")),
        ("1.", Decimal(1)),
        ("1e3", Decimal("1e3")),
        ("-1.5E-3", Decimal("-0.0015")),
        (".inf", Decimal("Infinity")),
        ("-.inf", Decimal("-Infinity")),
        ('"true"', "true"),
        ("'1'", "1"),
        ('"a\\tb"', "a\tb"),
    ],
)
def test_scalars(text: str, expected: Any):
    found = read(f"key: {text}\n")["key"]
    assert found == expected
    assert type(found) is type(expected)


def test_nan_is_a_number_that_rules_can_refuse():
    assert read("key: .nan")["key"].is_nan()


def test_floats_keep_their_digits():
    assert (
        str(read("key: 0.1000000000000000055511151231257827")["key"])
        == "0.1000000000000000055511151231257827"
    )


BOMB = "a0: &a0 [lol,lol,lol,lol,lol,lol,lol,lol,lol,lol]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
)


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("a: &x 1", 1, 4, "anchors are not allowed"),
        ("a: 1\nb: *x", 2, 4, "aliases are not allowed"),
        ("a: &x {b: *x}", 1, 4, "anchors are not allowed"),
        ("a: !!str 1", 1, 4, "tags are not allowed"),
        ("a: !!python/object/apply:os.system [id]", 1, 4, "tags are not allowed"),
        ("!!binary |\n  R0lGOD", 1, 1, "tags are not allowed"),
        ("a: ! b", 1, 4, "tags are not allowed"),
        ("<<: {a: 1}", 1, 1, "merge keys are not allowed"),
        ("slo:\n  target: 0.99\n  target: 0.5", 3, 3, 'key "target" is written twice'),
        ("'a': 1\na: 2", 2, 1, 'key "a" is written twice'),
        ("1: a", 1, 1, "a key has to be text"),
        ("true: a", 1, 1, "a key has to be text"),
        ("~: a", 1, 1, "a key has to be text"),
        ("? [1, 2]\n: x", 1, 3, "a key has to be text"),
        ("? {a: 1}\n: x", 1, 3, "a key has to be text"),
        ("a: 1\n---\nb: 2", 2, 1, "a second document"),
        ("%YAML 1.1\n---\na: 1", 1, 1, "directives"),
        ("%TAG ! tag:x,2000:\n---\na: 1", 1, 1, "directives"),
        ("", 1, 1, "the file is empty"),
        ("# nothing\n", 1, 1, "the file is empty"),
        ("\tx: 1", 1, 1, "'\\t'"),
        ("a:\n\t- b", 2, 1, "'\\t'"),
        ("a: b: c", 1, 5, "mapping values are not allowed"),
        ("a: >= 1", 1, 5, "chomping or indentation"),
        ("a: [1, 2", 1, 9, "expected ',' or ']'"),
        ("a: 'b' = c", 1, 8, "expected <block end>"),
        ("a: @b", 1, 4, "cannot start any token"),
        ("a: \x00b", 1, 4, "U+0000"),
        ("a: b\nc: x\x1by", 2, 5, "U+001B"),
        ("a: \u202eb", 1, 4, "U+202E"),
        ("a: \u2066b", 1, 4, "U+2066"),
        ("a: b\u2028c", 1, 5, "U+2028"),
        ("a: b\x85c", 1, 5, "U+0085"),
        ("a: \ud800", 1, 4, "U+D800"),
        ("a: \ufeffb", 1, 4, "U+FEFF"),
        ('a: "x\\u202e"', 1, 4, "U+202E"),
        ('a: "\\0"', 1, 4, "U+0000"),
        ('a: "\\UFFFFFFFF"', 1, 1, "not YAML"),
        ("a: b $pgslo$ c", 1, 6, "$pgslo$"),
        ('a: "\\x24pgslo$"', 1, 4, "$pgslo$"),
        ("a: 1e99999", 1, 4, "digits"),
        ("a: " + "9" * 300, 1, 4, "digits"),
        ("a: 1e" + "9" * 190, 1, 4, "digits"),
        (BOMB, 1, 5, "anchors are not allowed"),
        ("[" * 20_000 + "]" * 20_000, 1, 41, "nested deeper than 40"),
        ("{a: " * 20_000, 1, 161, "nested deeper than 40"),
        ("- " * 20_000, 1, 81, "nested deeper than 40"),
        ("? " * 20_000, 1, 81, "nested deeper than 40"),
        ("a: " + "x" * 1_000_001, 1, 1, "larger than 1000 kB"),
        ("- a\n" * 200_000, 59_999, 3, "too many entries"),
        ("a: 1\n" * 20_000, 2, 1, "written twice"),
        ("&a " * 100_000, 1, 1, ""),
        ("!" * 500_000, 1, 1, "tags are not allowed"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else None,
)
def test_refused_at_its_place_and_at_once(text: str, line: int, column: int, message: str, loader: str):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    found = errors(text)
    assert time.process_time() - start < (3 if loader == "CSafeLoader" else 8)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # in kB
    assert message in found[0].message
    place = found[0].location
    assert place is not None
    assert (place.line, place.column) == (line, column)


def test_a_file_of_blanks_and_comments_is_quick():
    start = time.process_time()
    assert errors("\n" * 400_000 + "#" * 400_000)
    assert time.process_time() - start < 5


def test_half_a_character_in_an_escape():
    assert errors('a: "\\ud800"')[0].message in (
        "character U+D800 is not allowed",
        "not YAML: found invalid Unicode character escape code",
    )


def test_all_errors_are_told_in_file_order():
    found = errors("a: &x 1\nb: *x\nb: !t 2\n1: 2\n")
    assert [error.location.line for error in found if error.location] == [1, 2, 3, 3, 4]


def test_no_more_than_a_hundred():
    assert len(errors("".join(f"{n}: 1\n" for n in range(500)))) == MAX_ERRORS


def test_a_byte_order_mark_and_carriage_returns_are_no_matter():
    node = reader.read("\ufeffa: 1\r\nb:\r\n  - c\r\n", path="f.yml")
    assert value(node) == {"a": 1, "b": ["c"]}
    assert isinstance(node, nodes.Mapping)
    assert node.place("b").line == 2
    assert node.place("b").column == 1


@pytest.mark.parametrize(
    ("text", "word", "line", "column"),
    [
        ("a: x > bad", "bad", 1, 8),
        ("a:   x > bad", "bad", 1, 10),
        ("a: 'it''s bad'", "bad", 1, 11),
        ('a: "x bad"', "bad", 1, 7),
        ('a: "\\"x\\" \\u0041 bad"', "bad", 1, 18),
        ("a: |\n  x\n    bad\n", "bad", 3, 5),
        ("a: |2-\n    x\n    bad\n", "bad", 3, 5),
        ("a: |\n  x\n\n  bad", "bad", 4, 3),
        ("a: x\n  y bad", "bad", 1, 4),  # folded: the start is as near as it gets
        ("a: >\n  x\n  bad", "bad", 1, 4),
        ("a: 'x\n  bad'", "bad", 1, 4),
        ("[{a: [x bad]}]", "bad", 1, 9),
    ],
)
def test_the_place_of_a_character(text: str, word: str, line: int, column: int):
    def scalars(node: nodes.Node) -> list[nodes.Scalar]:
        match node:
            case nodes.Scalar():
                return [node]
            case nodes.Sequence():
                return [found for item in node.items for found in scalars(item)]
            case nodes.Mapping():
                return [found for _, item in node.entries for found in scalars(item)]

    (scalar,) = scalars(reader.read(text, path="f.yml"))
    place = scalar.locate(scalar.text.index(word))
    assert (place.line, place.column) == (line, column)


_INK = (
    *(
        "a",
        "b: ",
        "- ",
        "\n",
        "\n  ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        ": ",
        "'",
        '"',
        "|",
        ">",
        "#",
        "&x ",
        "*x",
        "!t ",
    ),
    *(
        "? ",
        "%",
        "@",
        "`",
        "\t",
        "---\n",
        "...\n",
        "<<: ",
        "1",
        "0.5",
        ".nan",
        "true",
        "~",
        "\\u202e",
        "\\",
        "é",
    ),
)
_YAML = st.lists(st.sampled_from(_INK), max_size=30).map("".join)


@settings(max_examples=examples(2000), deadline=None)
@given(_YAML | st.text(st.characters(exclude_categories=()), max_size=60))
def test_any_text_is_read_or_refused(text: str):
    wrong: tuple[DefinitionError, ...] = ()
    try:
        read(text)
    except DefinitionErrors as caught:
        wrong = caught.errors
    assert all(one.location is not None and one.message for one in wrong)


@settings(max_examples=examples(500), deadline=None)
@given(st.text(min_size=1, max_size=30))
def test_what_is_quoted_is_text(text: str):
    forbidden = reader._FORBIDDEN.search(text) or "$pgslo$" in text
    quoted = '"' + "".join(f"\\U{ord(character):08x}" for character in text) + '"'
    try:
        assert read(f"a: {quoted}")["a"] == text
    except DefinitionErrors:
        assert forbidden
