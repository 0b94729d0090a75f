"""Values of a source as constants of a definition: lists of values, and bounds."""

from __future__ import annotations

import decimal
import math
import re
from collections.abc import Iterable
from typing import Any

from pgslo.importing.mapping.types import is_boolean, is_number, is_text
from pgslo.importing.model import Remark, UnmappableError

#: How dates and times are written here, for any column of that type.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?( ?(Z|[+-]\d\d(:?\d\d)?))?)?\Z")
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)(e[-+]?\d{1,3})?\Z", re.IGNORECASE)


def listed(
    values: Iterable[Any], type_name: str | None, *, printed: bool = False
) -> tuple[list[Any], tuple[Remark, ...]]:
    """Return the constants of a list, and the changes in it.

    Args:
        values: The source's values.
        type_name: The column's type, if the source says it.
        printed: Whether the source prints booleans as words between quotes.

    Raises:
        UnmappableError: A value is not a constant.
    """
    found: list[Any] = []
    remarks: list[Remark] = []
    for value in values:
        if value is None:
            remarks.append(Remark("null_in_values"))
            continue
        constant = _constant(value, type_name)
        if printed and isinstance(constant, bool) and not is_boolean(type_name):
            remarks.append(Remark("boolean_values"))
        if constant not in found or isinstance(constant, bool):
            found.append(constant)
    if not found:
        raise UnmappableError("unclear", "the list has no values")
    return found, tuple(dict.fromkeys(remarks))


def _constant(value: Any, type_name: str | None) -> Any:
    if isinstance(value, list | dict) or (isinstance(value, float) and not math.isfinite(value)):
        raise UnmappableError("unclear", "a value of the list is not a constant")
    if isinstance(value, bool) and is_text(type_name):
        return str(value)
    if isinstance(value, str) and is_number(type_name) and _NUMBER.match(value):
        return _number(value)
    if isinstance(value, str) and is_boolean(type_name) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    return value


def bound(value: Any) -> Any:
    """Return a bound: a number, or the text of a date or time; of anything else, ``None``, since it is SQL."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float | decimal.Decimal):
        return value if math.isfinite(value) else None
    text = str(value).strip()
    if _NUMBER.match(text):
        return _number(text)
    quoted = re.fullmatch(r"(?:date|timestamp)?\s*'([^']*)'", text, re.IGNORECASE)
    return quoted[1] if quoted and _MOMENT.match(quoted[1]) else None


def _number(text: str) -> int | decimal.Decimal:
    """The number that SQL reads; 1e9 is one of those without digits after the point."""
    found = decimal.Decimal(text)
    return int(found) if found == found.to_integral_value() and "." not in text else found


def moment(value: Any) -> str | None:
    """Return the text of a date or time, of a source that writes values and not SQL."""
    text = str(value).strip()
    return text if _MOMENT.match(text) else None
