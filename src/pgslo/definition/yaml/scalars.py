"""What a value means that is written without quotes, and how text is written so that it stays text.

Only ``true`` and ``false`` are booleans, so ``on`` and ``no`` stay text, and so do ``12:30`` and ``2026-01-01``.
"""

from __future__ import annotations

import decimal
import re

Value = None | bool | int | decimal.Decimal | str

MAX_DIGITS = 200
MAX_EXPONENT = 1_000

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z")
_NUMBER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)?(?:\.[0-9]*)?(?:[eE](?P<exponent>[-+]?[0-9]+))?\Z")
_SPECIAL = re.compile(r"(?P<sign>[-+]?)\.(?P<name>inf|Inf|INF|nan|NaN|NAN)\Z")
_NULLS = frozenset({"", "~", "null"})
_BOOLEANS = {"true": True, "false": False}
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_OTHER = {"true", "false", "null", "nan", "inf", "infinity", "yes", "no", "on", "off", "y", "n"}
_ODD = re.compile("[\x00-\x1f\x7f-\xa0\u2028-\u202e\u2066-\u2069\u200e\u200f\ufeff\ud800-\udfff\ufffe\uffff]")


def resolve(text: str) -> Value:
    """What a scalar without quotes means.

    Raises:
        ValueError: A number has too many digits.
    """
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    special = _SPECIAL.match(text)
    if special:
        return decimal.Decimal(special["sign"] + special["name"])
    number = _NUMBER.match(text)
    if number is None or not any(
        character.isdigit() for character in text.partition("e")[0].partition("E")[0]
    ):
        return text
    if len(text) > MAX_DIGITS or abs(int(number["exponent"] or 0)) > MAX_EXPONENT:
        raise ValueError(f"a number may have at most {MAX_DIGITS} digits and an exponent of {MAX_EXPONENT}")
    return int(text) if _INTEGER.match(text) else decimal.Decimal(text)


def scalar(text: str) -> str:
    """A name or value as YAML: plain where that is safe."""
    if _PLAIN.match(text) and text.lower() not in _OTHER:
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + _ODD.sub(lambda match: f"\\u{ord(match[0]):04x}", escaped) + '"'
