"""Whether the value of an expression depends on settings of the session that evaluates it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from typing import Literal

from pgslo.expression import tokens, vocabulary
from pgslo.expression.gate import Expression

#: ``times``: TimeZone and its abbreviations, DateStyle, IntervalStyle.
#: ``texts``: extra_float_digits, bytea_output, lc_*, what NULL equals, and NULL in arrays that are read from text.
#: ``digits``: extra_float_digits alone, for functions that print floats and nothing else of ``texts``.
#: ``indexes``: gin_fuzzy_search_limit, for functions that look rows of a table up.
#: ``plans``: plan_cache_mode, for functions whose variables decide what a query reads.
Settings = Literal["times", "texts", "digits", "indexes", "plans"]

_TIMES = re.compile(r"date|time|interval|ts(?:tz)?(?:multi)?range")
_ZONED = re.compile(r"with time zone|tstz")
_PRINTED = re.compile(r"real|double|money|bytea")
_TIME_WORDS = frozenset(
    {
        *(
            "date",
            "time",
            "timestamp",
            "timestamptz",
            "timetz",
            "interval",
            "daterange",
            "tsrange",
            "tstzrange",
        ),
        *vocabulary.FUNCTION_GROUPS["dates and times"],
        *vocabulary.VALUE_FUNCTIONS,
    }
)
_PRINTED_WORDS = frozenset({"float", "float4", "float8", "real", "double", "bytea", "decode", "convert_to"})
#: Functions of dates and times, too, that give the same in every session, or for the same arguments.
_PLAIN = frozenset(
    {
        *vocabulary.FUNCTION_GROUPS["choice"],
        *vocabulary.FUNCTION_GROUPS["numbers"],
        *("isfinite", "make_date", "make_time", "make_timestamp"),
        *("and", "or", "not", "in", "any", "all", "is", "between", "then", "when", "else", "case", "like"),
    }
)
#: The same, where no value has a time zone.
_PLAIN_WITHOUT_ZONE = frozenset({"extract", "date_part"})
_PRINTING = frozenset({"concat", "concat_ws", "array_to_string", "cast", "encode"})
_BY_LOCALE = frozenset({"to_char", "to_number"})


def settings(expressions: Iterable[Expression], types: Mapping[str, str]) -> frozenset[Settings]:
    """Return which settings of a session the value of any of these expressions may depend on.

    Conservative: where it is not plain that a value is the same in every session, it counts as dependent.

    Args:
        expressions: Over columns of one table.
        types: Base types of its columns by name, as ``format_type`` prints them.
    """
    return frozenset(one for expression in expressions for one in _settings(expression, types))


def of_types(types: Iterable[str]) -> frozenset[Settings]:
    """Return which settings the text of values of these types depends on, or a comparison of two of them."""
    found: set[Settings] = set()
    for one in types:
        found |= {"times"} if _TIMES.search(one) else set()
        found |= {"texts"} if _PRINTED.search(one) else set()
    return frozenset(found)


def _settings(expression: Expression, types: Mapping[str, str]) -> Iterable[Settings]:
    found = tokens.read(expression.text)
    words = {token.name for token in found if token.kind == "word"}
    called = {
        token.name
        for token, following in itertools.pairwise(found)
        if token.kind == "word" and following.is_mark("(")
    }
    read = [types.get(name, "") for name in expression.columns]
    casts = "cast" in words or any(token.is_mark("::") for token in found)
    if words & _TIME_WORDS or any(_TIMES.search(one) for one in read):
        zoned = any(_ZONED.search(one) for one in read) or bool(
            words & {"timestamptz", "timetz", "zone", "tstzrange"}
        )
        plain = _PLAIN if zoned else _PLAIN | _PLAIN_WITHOUT_ZONE
        mixed = zoned and len({one for one in read if _TIMES.search(one)}) > 1
        if casts or mixed or called - plain or "zone" in words or _has_string(found):
            yield "times"
    printed = words & _PRINTED_WORDS or any(_PRINTED.search(one) for one in read)
    prints = (
        casts or called & _PRINTING or any(token.kind == "operator" and "||" in token.text for token in found)
    )
    if (
        (printed and prints)
        or called & _BY_LOCALE
        or _equals_null(found)
        or _reads_arrays(found, read, casts=casts)
    ):
        yield "texts"


def _reads_arrays(found: tuple[tokens.Token, ...], read: list[str], *, casts: bool) -> bool:
    """Whether it may read an array from text, in which ``array_nulls`` decides what NULL is."""
    has_arrays = any("[" in one for one in read) or any(
        token.is_mark("[") or token.is_word("array") for token in found
    )
    return has_arrays and (casts or _has_string(found))


def _has_string(found: tuple[tokens.Token, ...]) -> bool:
    return any(token.kind == "string" for token in found)


def _equals_null(found: tuple[tokens.Token, ...]) -> bool:
    """Whether it compares with NULL by ``=``, which ``transform_null_equals`` reads as IS NULL."""
    return any(
        (one.text == "=" and other.is_word("null")) or (one.is_word("null") and other.text == "=")
        for one, other in itertools.pairwise(found)
    )
