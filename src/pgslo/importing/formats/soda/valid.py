"""What Soda calls valid and missing, as rules: the same words in both versions."""

from __future__ import annotations

from typing import Any

from pgslo.importing.mapping import conditions, constants, patterns, rules
from pgslo.importing.mapping.conditions import both, column
from pgslo.importing.model import Outcome, Remark, Rule, UnmappableError, mapped

#: Soda's formats that are nearly one of ours: each has an expression of its own there.
_FORMATS = {
    "email": "email", "uuid": "uuid", "ip address": "ipv4", "ipv4 address": "ipv4", "ipv6 address": "ipv6", "url": "url",
    "date iso 8601": "date", "timestamp iso 8601": "timestamp",
}  # fmt: skip
_VALID = frozenset(
    [
        "valid_values",
        "valid_regex",
        "valid_format",
        "valid_min",
        "valid_max",
        "valid_length",
        "valid_min_length",
        "valid_max_length",
        "invalid_values",
        "invalid_regex",
        "invalid_format",
        "valid_reference_data",
    ]
)


def words(said: dict[str, Any]) -> dict[str, Any]:
    """Return options with their names as version 4 writes them."""
    return {str(key).strip().replace(" ", "_"): value for key, value in said.items()}


def missing(on: str, said: dict[str, Any], where: str | None) -> list[Rule]:
    """Return the rules by which a value is not missing: NULL, and values that represent it."""
    made = [rules.not_null(on, where=where)]
    values = said.get("missing_values")
    if values is not None:
        listed, _ = constants.listed(values if isinstance(values, list) else [values], None)
        made.append(rules.rule("not_accepted_values", on, {"values": listed}, where=where))
    expression = said.get("missing_regex") or _regex_of(said.get("missing_format"))
    if expression is not None:
        made.append(rules.rule("expression", on, {"expression": _unlike(on, expression)}, where=where))
    return made


def present(on: str, said: dict[str, Any], where: str | None) -> str | None:
    """Return the rows whose value is not one of those that represent a missing one."""
    values = said.get("missing_values")
    if said.get("missing_regex") is not None or said.get("missing_format") is not None:
        raise UnmappableError("no_word", "validity beside an expression for missing values")
    if values is None:
        return where
    listed, _ = constants.listed(values if isinstance(values, list) else [values], None)
    constants_ = ", ".join(conditions.constant(one) for one in listed)
    return both(where, f"{column(on)} NOT IN ({constants_})")


def valid(on: str, said: dict[str, Any], where: str | None) -> Outcome:
    """Return the rules by which a value is valid; NULL is.

    Raises:
        UnmappableError: Valid values are not defined, or a word is not known.
    """
    asked = {key: value for key, value in said.items() if key.startswith(("valid_", "invalid_"))}
    unknown = sorted(asked.keys() - _VALID)
    if unknown or not asked:
        raise UnmappableError(
            "unclear", f"{unknown[0][:40]} is not known" if unknown else "valid values are not defined"
        )
    where = present(on, said, where)
    made: list[Rule] = []
    remarks: list[Remark] = []
    for key in ("valid_values", "invalid_values"):
        if key in asked:
            given = asked[key]
            listed, more = constants.listed(given if isinstance(given, list) else [given], None)
            remarks += more
            kind = "accepted_values" if key == "valid_values" else "not_accepted_values"
            made.append(rules.rule(kind, on, {"values": listed}, where=where))
    expression = asked.get("valid_regex") or _regex_of(asked.get("valid_format"))
    if expression is not None:
        made.append(rules.rule("pattern", on, {"matches": patterns.posix(str(expression))}, where=where))
    elif "valid_format" in asked:
        name = _FORMATS.get(str(asked["valid_format"]).lower())
        if name is None:
            raise UnmappableError("no_word", f"format {str(asked['valid_format'])[:40]}")
        made.append(rules.rule("format", on, {"format": name}, where=where))
        remarks.append(Remark("format_differs"))
    expression = asked.get("invalid_regex") or _regex_of(asked.get("invalid_format"))
    if expression is not None:
        made.append(rules.rule("expression", on, {"expression": _unlike(on, expression)}, where=where))
    low, high = (_number(asked.get(key)) for key in ("valid_min", "valid_max"))
    if low is not None or high is not None:
        bounds = rules.bounds(on, low, high, where=where)
        made += bounds.rules
    exact = asked.get("valid_length")
    least, most = (
        (exact, exact)
        if exact is not None
        else (asked.get("valid_min_length"), asked.get("valid_max_length"))
    )
    if least is not None or most is not None:
        if any(
            one is not None and (isinstance(one, bool) or not isinstance(one, int)) for one in (least, most)
        ):
            raise UnmappableError("unclear", "a length is not a whole number")
        made.append(rules.length(on, least, most, where=where))
    if not made:
        raise UnmappableError("no_word", "values of another dataset")
    return mapped(*made, remarks=tuple(dict.fromkeys(remarks)))


def _regex_of(said: Any) -> str | None:
    return str(said["regex"]) if isinstance(said, dict) and "regex" in said else None


def _unlike(on: str, expression: Any) -> str:
    return conditions.checked(f"{column(on)} !~ {conditions.constant(patterns.posix(str(expression)))}")


def _number(value: Any) -> Any:
    if value is None:
        return None
    found = (
        constants.bound(value)
        if not isinstance(value, str)
        else constants.moment(value) or constants.bound(value)
    )
    if found is None:
        raise UnmappableError("unclear", f"{str(value)[:40]} is not a bound")
    return found
