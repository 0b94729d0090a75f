"""What a contract says of columns and keys, as rules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

from pgslo.definition.rules.kinds.values import FormatName
from pgslo.importing.formats.contracts.model import FAMILIES, Contract, Fact, compared_as
from pgslo.importing.mapping import constants, patterns, rules, types
from pgslo.importing.mapping.conditions import column as quoted
from pgslo.importing.mapping.limits import number
from pgslo.importing.model import Found, Outcome, Remark, UnmappableError, held, mapped

_FORMATS = frozenset(get_args(FormatName))
#: Names of formats there that mean nearly the same as one here.
_NEARLY = {"uri": "url", "ip": "ipv4", "date-time": "timestamp"}


def outcome(found: Found, fact: Fact, contract: Contract) -> Outcome:
    """Return what a fact becomes."""
    on, value, own = found.column, fact.value, contract.own(found.table)
    if on is None:
        return _of_table(found, fact, contract)
    if "." in on:
        raise UnmappableError("nested_column")
    type_name = compared_as(fact.logical, types.known(found.table.column_types.get(on)))
    match fact.key:
        case "required":
            return mapped(rules.not_null(on))
        case "unique":
            return rules.unique(own, [on])
        case "physicalType":
            return rules.of_type(on, str(value))
        case "logicalType" | "type":
            return _family(on, str(value))
        case "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum":
            side = constants.bound(value) if not isinstance(value, str) else constants.moment(value)
            if side is None:
                raise UnmappableError("unclear", f"{str(value)[:40]} is not a bound")
            strict = fact.key.startswith("exclusive")
            ends = (side, None) if fact.key.lower().endswith("minimum") else (None, side)
            return rules.bounds(on, *ends, strict=(strict, strict), type_name=type_name)
        case "minLength" | "maxLength":
            limit = _whole(value)
            return mapped(rules.length(on, *((limit, None) if fact.key == "minLength" else (None, limit))))
        case "pattern":
            return mapped(rules.rule("pattern", on, {"matches": patterns.posix(str(value))}))
        case "format":
            return _format(on, str(value), fact.logical)
        case "multipleOf":
            return rules.expression(f"mod({quoted(on)}, {number(value)}) = 0", on=on)
        case "minItems" | "maxItems":
            operator = ">=" if fact.key == "minItems" else "<="
            return rules.expression(f"cardinality({quoted(on)}) {operator} {_whole(value)}", on=on)
        case "enum":
            values, remarks = constants.listed(value if isinstance(value, list) else [value], type_name)
            return mapped(rules.rule("accepted_values", on, {"values": values}), remarks=remarks)
        case "references" | "relationships":
            return _references([on], value, found, contract)
    raise UnmappableError("unknown_key", f"the standard has no key {fact.key[:60]} here")


def _of_table(found: Found, fact: Fact, contract: Contract) -> Outcome:
    if fact.key == "primaryKey":
        columns = found.table.primary_key
        unique = rules.unique(contract.own(found.table), columns)
        optional = fact.value is False
        made = mapped(*(rules.not_null(one) for one in columns), *unique.rules, needs=unique.needs)
        return replace(made, status="changed", remarks=(Remark("key_has_no_null"),)) if optional else made
    if fact.key == "relationships":
        return _references([], fact.value, found, contract)
    raise UnmappableError("unknown_key", f"the standard has no key {fact.key[:60]} here")


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise UnmappableError("unclear", f"{str(value)[:40]} is not a number of characters or items")
    return value


def _family(on: str, logical: str) -> Outcome:
    family = FAMILIES.get(logical.lower())
    if family is None:
        raise UnmappableError("type_unknown", f"PostgreSQL has no one type for {logical[:40]}")
    return mapped(
        replace(
            rules.exists(on).rules[0], parameters={"type": family[0] if len(family) == 1 else list(family)}
        )
    )


def _format(on: str, name: str, logical: str | None) -> Outcome:
    if (logical or "").startswith(("date", "time")):
        return held("trivial", "a date or time of the database has no format")
    if name in _FORMATS:
        return mapped(rules.rule("format", on, {"format": name}))
    if name in _NEARLY:
        return mapped(
            rules.rule("format", on, {"format": _NEARLY[name]}), remarks=(Remark("format_differs"),)
        )
    raise UnmappableError("no_word", f"format {name[:40]}")


def _references(columns: list[str], value: Any, found: Found, contract: Contract) -> Outcome:
    """A reference: ``table.column``, or a relationship with ``from`` and ``to``."""
    said = value if isinstance(value, dict) else {"to": value}
    if str(said.get("type") or "foreignKey") != "foreignKey":
        raise UnmappableError("unclear", "a relationship that is not a foreign key")
    ours = columns or [str(one).rpartition(".")[2] for one in _listed(said.get("from"))]
    theirs = [str(one) for one in _listed(said.get("to"))]
    parts = [one.split(".") for one in theirs]
    if (
        not theirs
        or len(ours) != len(theirs)
        or any(len(one) != 2 for one in parts)
        or len({one[0] for one in parts}) != 1
    ):
        raise UnmappableError(
            "unclear", "the reference names another contract, a nested column, or not as many columns"
        )
    other = contract.tables.get(parts[0][0])
    own = contract.own(other) if other is not None else None
    if other is None or own is None:
        raise UnmappableError("no_such_element", f"the contract has no table {parts[0][0][:60]}")
    del found
    return rules.references(ours, own, [one[1] for one in parts])


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
