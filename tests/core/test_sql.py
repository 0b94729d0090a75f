from __future__ import annotations

import decimal
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgslo import assets, sql
from pgslo.sql import Sql, UnsafeSql


@dataclass(frozen=True)
class Context:
    value: object


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("age", "age"),
        ("user", '"user"'),
        ("Age", '"Age"'),
        ('a"b', '"a""b"'),
        ("7days", '"7days"'),
        ("é", '"é"'),
        ("a b", '"a b"'),
    ],
)
def test_names_are_quoted_only_where_needed(name: str, printed: str) -> None:
    assert sql.identifier(name).text == printed


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (None, "NULL"),
        (True, "TRUE"),
        (3, "3"),
        (decimal.Decimal("0.10"), "0.10"),
        (float("nan"), "'NaN'"),
        ("it's", "'it''s'"),
        ("a\\b", " E'a\\\\b'"),
    ],
)
def test_constants(value: object, printed: str) -> None:
    assert sql.literal(value).text == printed


@pytest.mark.parametrize("text", ["\0", "a\0b", "$pgslo$", "x$pgslo$y"])
def test_what_would_end_a_body_is_refused(text: str) -> None:
    with pytest.raises(UnsafeSql):
        sql.literal(text)
    with pytest.raises(UnsafeSql):
        sql.identifier(text)


@pytest.mark.parametrize("value", ["text", 3, None, ["x"], (Sql("a"), "b")])
def test_a_template_prints_nothing_that_is_not_sql(value: object) -> None:
    with pytest.raises(UnsafeSql):
        sql.render_source("{{ value }}", Context(value))


def test_a_template_takes_no_body_quote_even_inside_sql() -> None:
    with pytest.raises(UnsafeSql):
        sql.render_source("{{ value }}", Context(Sql("$pgslo$")))


@given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=30))
def test_a_text_constant_holds_no_open_quote(text: str) -> None:
    if sql.BODY_QUOTE in text:
        return
    printed = sql.literal(text).text.strip().removeprefix("E")
    inner = printed[1:-1]
    assert printed.startswith("'")
    assert printed.endswith("'")
    assert "'" not in inner.replace("''", "")


def test_templates_are_named_once_whatever_their_folder():
    named = [
        path.name
        for path in (assets.tree("sql") / "templates").glob("*/*.j2")
        if path.parent.name not in ("assertions", "post_process", "repairs", "rules")
    ]
    assert len(named) == len(set(named)) > 200
    assert not list((assets.tree("sql") / "templates").glob("*.j2"))
