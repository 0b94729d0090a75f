"""What an expression may say, and that PostgreSQL's own parser sees in it what pgslo says it sees.

pglast holds PostgreSQL's parser; it is a judge here and no part of the library.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from expressions import (
    HERE,
    HONEST,
    ROW,
    check_accepted,
    parse,
    refusal,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st
from nightly import examples
from pglast import keywords as pg_keywords

from pgslo import expression
from pgslo.errors import DefinitionError, Location
from pgslo.expression import Expression, tokens, vocabulary
from pgslo.keywords import RESERVED
from pgslo.sql import Sql

# Honest expressions


@pytest.mark.parametrize("text", HONEST)
def test_honest_is_accepted_and_means_the_same_qualified(text: str):
    check_accepted(parse(text))


def test_there_are_enough_honest_ones():
    assert len(HONEST) > 200


@pytest.mark.parametrize(
    ("text", "qualified", "columns"),
    [
        ("price >= 0", "(r0w.price >= 0)", ("price",)),
        ("Price > PRICE", "(r0w.Price > r0w.PRICE)", ("price",)),
        ('"Price" > price', '(r0w."Price" > r0w.price)', ("Price", "price")),
        ('"with ""quotes""" = 1', '(r0w."with ""quotes""" = 1)', ('with "quotes"',)),
        ("at at time zone zone > at", "(r0w.at at time zone r0w.zone > r0w.at)", ("at", "zone")),
        ("j->'a' is null", "(r0w.j->'a' is null)", ("j",)),
        ("größe > 0", "(r0w.größe > 0)", ("größe",)),
        (r"note ~ '^\d+$'", r"(r0w.note ~  E'^\\d+$')", ("note",)),
        ("note='a\\'and b", "(r0w.note= E'a\\\\'and r0w.b)", ("note", "b")),
        ("true", "(true)", ()),
        ("a > 0 \n", "(r0w.a > 0)", ("a",)),
    ],
)
def test_qualified(text: str, qualified: str, columns: tuple[str, ...]):
    found = parse(text)
    assert found.qualified(ROW).text == qualified
    assert found.columns == columns


def test_qualified_with_a_quoted_row():
    assert parse("a > b").qualified(Sql('"New Row"')).text == '("New Row".a > "New Row".b)'


@pytest.mark.parametrize("word", sorted(pg_keywords.UNRESERVED_KEYWORDS | vocabulary.COLUMN_KEYWORDS))
def test_unreserved_words_can_be_columns(word: str):
    if word in ("alter", "drop", "if", "insert", "revoke", "rollback"):
        assert "double quotes" in (refusal(f"{word} > 0").hint or "")  # sqlglot takes them for something else
    else:
        assert parse(f"{word} > 0 and {word} is not null and lower({word}) = {word}").columns == (word,)
    assert parse(f'"{word}" > 0').columns == (word,)


@pytest.mark.parametrize("word", sorted(RESERVED - vocabulary.COLUMN_KEYWORDS))
def test_reserved_words_are_columns_only_in_quotes(word: str):
    assert parse(f'"{word}" > 0').columns == (word,)
    try:
        found = parse(f"{word} > 0")
    except DefinitionError:
        return
    assert found.columns == ()


# Errors


@pytest.mark.parametrize(
    ("text", "column", "message", "hint"),
    [
        ("lower(age) = (select 1)", 15, "sub-queries are not allowed", "references"),
        ("a > 0 and lowr(b) = 'x'", 11, 'function "lowr" is not allowed', 'did you mean "lower"?'),
        ("count(*) > 1", 1, 'function "count" is not allowed', "many rows"),
        ("random() < 1", 1, 'function "random" is not allowed', "now()"),
        ("unnest(a) = 1", 1, 'function "unnest" is not allowed', "returns rows"),
        ("a > 0;", 6, "several statements", "semicolon"),
        ("a > 0 -- x", 7, "comments", "description"),
        ("t.a > 0", 2, "qualified names", "columns of the row itself"),
        ("a::regclass = 1", 4, 'type "regclass"', "allowed types"),
        ("a::integr = 1", 4, 'type "integr"', 'did you mean "integer"?'),
        ("a == 1", 3, 'operator "==" is not allowed', "one sign"),
        ("a = order", 5, '"order" is not a value', '"order"'),
        ("a b", 3, 'syntax error at "b": expected an operator', None),
        ("a >", 3, "ends too early: expected a value", None),
        ("a between 1", 11, "ends too early: expected AND", None),
        ("a < b < c", 7, "comparisons cannot be chained", None),
        ("a, b", 2, "not one expression", "AND"),
        ("extract(yeer from a) > 1", 9, 'extract has no field "yeer"', 'did you mean "year"?'),
        ("a !=-1", 3, 'PostgreSQL reads "!=-" as one operator', "space before the -"),
        ("length() > 1", 8, 'syntax error at ")": expected a value', None),
        ("a = 'x", 5, "string is not closed", "twice"),
        ("(a > 0", 1, '"(" is not closed', None),
        ("abs(a, b, c, d) > 0", 1, "cannot be analysed with certainty", "number of arguments"),
    ],
)
def test_errors_name_place_and_way_out(text: str, column: int, message: str, hint: str | None):
    error = refusal(text)
    assert error.location == Location(HERE.path, HERE.line, HERE.column + column - 1)
    assert message in error.message
    assert (hint or "") in (error.hint or "")
    assert error.message[0].islower() or error.message[0] == '"' or "PostgreSQL" in error.message
    assert not error.message.endswith(".")


def test_place_can_be_given():
    with pytest.raises(DefinitionError) as caught:
        expression.parse("a > lowr(b)", location=HERE, locate=lambda offset: Location("x", 1, offset))
    assert caught.value.location == Location("x", 1, 4)


def test_several_lines_without_a_map_point_at_the_start():
    assert refusal("a > 0\n and lowr(b)").location == HERE


def test_an_expression_made_by_hand_passes_the_gate_too():
    with pytest.raises(Exception, match="sub-queries"):
        Expression("(select 1)", (), HERE).qualified(ROW)


def test_deep_callers_do_not_change_the_verdict():
    def at_depth(depth: int) -> Expression:
        return (
            at_depth(depth - 1) if depth else parse("(" * tokens.MAX_DEPTH + "deep" + ")" * tokens.MAX_DEPTH)
        )

    assert at_depth(sys.getrecursionlimit() // 4).columns == ("deep",)
    expression.gate._analyse.cache_clear()
    with pytest.raises(DefinitionError):
        parse("(" * (tokens.MAX_DEPTH + 1) + "deep" + ")" * (tokens.MAX_DEPTH + 1))


# Properties

_WORDS = sorted(
    RESERVED
    | vocabulary.FUNCTIONS
    | vocabulary.TYPES
    | vocabulary.FIELDS
    | {
        "a",
        "b",
        "c",
        "unknown",
        "zone",
        "at",
        "value",
        "of",
        "rows",
        "document",
        "normalized",
        "json",
        "uescape",
    }
    | {
        "pg_read_file",
        "secret",
        "over",
        "filter",
        "within",
        "variadic",
        "setof",
        "operator",
        "without",
        "content",
    }
)
_KEYWORD_LINE = (
    "and or not in between symmetric like ilike to escape when then else case from for zone both any some all is "
    "similar end at isnull notnull as null true false unknown distinct array cast interval time"
)
_KEYWORDS = _KEYWORD_LINE.split()
_PIECES = st.one_of(
    st.sampled_from(["a", "b", "c", "note", "qty"]),
    st.sampled_from(_WORDS),
    st.sampled_from(_KEYWORDS),
    st.sampled_from(
        ["'x'", "'1 day'", "''", "'a''b'", "'a\\'", "'\\'", "1", "0.5", "1e3", ".5", '"Q c"', '"a""b"']
    ),
    st.sampled_from(["(", ")", "[", "]", ",", "::", *sorted(vocabulary.OPERATORS)]),
    st.sampled_from(
        [";", ".", "--", "/*", "*/", "$1", "$$", ":x", "=>", ":=", "E'x'", "U&'x'", "@", "!", "%%", "\\"]
    ),
    st.sampled_from(
        ["é", "\u00a0", "\t", "\n", '"', "'", "(select 1)", "count(*)", "t.x", "now()", "select"]
    ),
)
_SOUP = st.builds(
    lambda pieces, between: between.join(pieces),
    st.lists(_PIECES, min_size=1, max_size=10),
    st.sampled_from([" ", " ", ""]),
)


def _pieces(text: str) -> list[str]:
    """The tokens of an honest expression, with the space between them."""
    pieces = []
    done = 0
    for token in tokens.read(text):
        pieces += [text[done : token.start], token.text]
        done = token.end
    return [piece for piece in pieces if piece]


@st.composite
def _mutants(draw: st.DrawFn) -> str:
    pieces = _pieces(draw(st.sampled_from(HONEST)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(pieces) - 1)) if pieces else 0
        match draw(st.sampled_from(["insert", "replace", "delete", "swap", "splice"])):
            case "insert":
                pieces.insert(at, f" {draw(_PIECES)} ")
            case "replace" if pieces:
                pieces[at] = draw(_PIECES)
            case "delete" if pieces:
                del pieces[at]
            case "swap" if pieces:
                other = draw(st.integers(0, len(pieces) - 1))
                pieces[at], pieces[other] = pieces[other], pieces[at]
            case _:
                pieces[at:at] = _pieces(draw(st.sampled_from(HONEST)))[:4]
    return "".join(pieces)


@settings(max_examples=examples(2500), deadline=None)
@given(_SOUP | _mutants())
@example("a[1].b")
@example("a at b")
@example("a is not unknown")
def test_whatever_is_accepted_is_a_row_condition_to_postgresql(text: str):
    try:
        found = parse(text)
    except DefinitionError:
        return
    check_accepted(found)


@settings(max_examples=examples(2000), deadline=None)
@given(st.text(st.characters(exclude_categories=()), min_size=1, max_size=40))
def test_any_text_is_accepted_or_refused(text: str):
    try:
        found = parse(text)
    except DefinitionError:
        return
    check_accepted(found)


@settings(max_examples=examples(2000), deadline=None)
@given(st.text(min_size=1, max_size=70))
@example('"')
@example("x" * 64)
@example("ä" * 31)
@example("new")
@example("a.b")
@example("$pgslo$")
def test_any_quoted_name_is_taken_to_the_letter(name: str):
    try:
        found = parse('"' + name.replace('"', '""') + '" > 0')
    except DefinitionError:
        hidden = any(not character.isprintable() and character != "\u3000" for character in name)
        odd = hidden or "$pgslo$" in name or name in vocabulary.SYSTEM_COLUMNS
        assert odd or len(name.encode(errors="surrogatepass")) > 63
        return
    assert found.columns == (name,)
    check_accepted(found)


@settings(max_examples=examples(500), deadline=None)
@given(st.data())
def test_space_parentheses_and_company_change_nothing(data: st.DataObject):
    text = data.draw(st.sampled_from([text for text in HONEST if len(text) < 300]))
    space = st.text(st.sampled_from(" \t\n"), min_size=1, max_size=2)
    spread = "".join(f"{piece}{data.draw(space)}" for piece in _pieces(text))
    other = data.draw(st.sampled_from([text for text in HONEST if len(text) < 300]))
    joined = data.draw(
        st.sampled_from(["({0}) and ({1})", "({0}) or ({1})", "not ({0}) is null or ({1}) is null"])
    )
    assert parse(spread).columns == parse(text).columns
    check_accepted(parse(spread))
    found = parse(joined.format(spread, other))
    assert set(found.columns) == {*parse(text).columns, *parse(other).columns}
    check_accepted(found)


# The lists


def _documented(heading: str) -> set[str]:
    """What the reference lists under a heading, in the table's second column."""
    page = Path(__file__).parents[2] / "docs" / "reference" / "expressions.md"
    section = page.read_text("utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| [^|]+ \| (`.+) \|$", section, re.MULTILINE)
    return {word.replace("\\|", "|") for row in rows for word in re.findall(r"`([^`]+)`", row)}


@pytest.mark.parametrize(
    ("heading", "listed"),
    [
        ("Functions", vocabulary.FUNCTIONS),
        ("Types", vocabulary.TYPES | {"double precision"}),
        ("Operators", vocabulary.OPERATORS),
    ],
)
def test_the_reference_lists_what_is_allowed(heading: str, listed: frozenset[str]):
    assert _documented(heading) == listed
