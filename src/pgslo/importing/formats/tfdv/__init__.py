"""Reader of schemas of TensorFlow Data Validation, in the text format of protocol buffers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pgslo.importing.formats.base import Document, Failure, Source
from pgslo.importing.formats.tfdv.textproto import Message, Value
from pgslo.importing.formats.tfdv.textproto import read as parse
from pgslo.importing.mapping import constants, rules
from pgslo.importing.mapping.conditions import column as quoted
from pgslo.importing.model import Found, Outcome, Remark, Rule, SourceTable, UnmappableError, held, mapped
from pgslo.importing.options import Options
from pgslo.importing.source import UnreadableError

_TYPES: dict[str, Any] = {
    "INT": "any integer",
    "FLOAT": ["real", "double precision", "any numeric"],
    "BYTES": "any text",
}
_BOUNDED_AS = {"INT": "integer"}
#: Parts of a feature that are not checks.
_OTHERS = frozenset(
    [
        "name",
        "annotation",
        "deprecated",
        "lifecycle_stage",
        "in_environment",
        "not_in_environment",
        "distribution_constraints",
        "validation_derived_source",
        "domain_info",
    ]
)
_OFF = frozenset({"PLANNED", "ALPHA", "DEPRECATED", "DISABLED", "DEBUG_ONLY"})


@dataclass(frozen=True)
class Check:
    """A part of a feature, or of the whole data set.

    Attributes:
        part: Its name.
        value: Its content.
        feature: The feature.
        domains: Domains of the schema by name.
    """

    part: str
    value: Message | Value
    feature: Message
    domains: dict[str, Message]


def read(documents: Sequence[Document], options: Options) -> Source:
    """Return the checks of schemas."""
    del options
    source = Source(outcome)
    for document in documents:
        try:
            root = parse(document.text, path=document.path)
        except UnreadableError as error:
            source.failures.append(Failure(document.path, error.line, error.column, error.message))
            continue
        name = document.path.rpartition("/")[2].partition(".")[0]
        table = SourceTable(f"tfdv:{name}", name, only_by_map=True)
        source.tables.append(table)
        source.found += _checks(table, root)
    return source


def _checks(table: SourceTable, root: Message) -> Iterator[Found]:
    domains = {
        str(one.one("name")): one
        for key in ("string_domain", "int_domain", "float_domain")
        for one in root.messages(key)
    }
    for constraints in root.messages("dataset_constraints"):
        for part in constraints.fields:
            value = constraints.fields[part][-1]
            place = constraints.places[part]
            yield Found(part, place, table, None, f"{part}", Check(part, value, constraints, domains))
    for feature in root.messages("feature"):
        yield from _of_feature(table, feature, str(feature.one("name") or ""), domains)
    for kind in ("sparse_feature", "weighted_feature"):
        for one in root.messages(kind):
            said = f"{kind} {one.one('name')}"
            yield Found(kind, one.location, table, None, said, Check(kind, one, one, domains))


def _of_feature(
    table: SourceTable, feature: Message, name: str, domains: dict[str, Message]
) -> Iterator[Found]:
    table.column_types.setdefault(name, None)
    for part, values in feature.fields.items():
        if part in _OTHERS:
            continue
        if part == "struct_domain":
            for struct in feature.messages(part):
                for inner in struct.messages("feature"):
                    yield from _of_feature(table, inner, f"{name}.{inner.one('name')}", domains)
            continue
        if part in ("drift_comparator", "skew_comparator"):
            for comparator in feature.messages(part):
                for norm in comparator.fields:
                    body = Check(f"{part}.{norm}", comparator.fields[norm][-1], feature, domains)
                    yield Found(part, comparator.places[norm], table, name, f"{part}: {norm}", body)
            continue
        value = values[-1]
        shown = part if isinstance(value, Message) else f"{part}: {value}"
        yield Found(
            part, feature.places[part], table, name, shown[:160], Check(part, value, feature, domains)
        )


def outcome(found: Found) -> Outcome:
    """Return what a part becomes.

    Raises:
        UnmappableError: No rule states it.
    """
    check: Check = found.body
    if found.column is not None and "." in found.column:
        raise UnmappableError("nested_column")
    made = _of_data_set(check) if found.column is None else _mapped(check, found.column)
    if str(check.feature.one("lifecycle_stage")) in _OFF or check.feature.one("deprecated") is True:
        if any(rule.place == "schema" for rule in made.rules):
            raise UnmappableError("no_word", "the type of a column that is not in use")
        return replace(
            made, rules=tuple(replace(rule, options=rule.options | {"enabled": False}) for rule in made.rules)
        )
    return made


def _of_data_set(check: Check) -> Outcome:
    match check.part:
        case "min_examples_count" | "max_examples_count":
            limit = (
                check.value if isinstance(check.value, int) and not isinstance(check.value, bool) else None
            )
            if limit is None:
                raise UnmappableError("unclear", "a number of examples is not a number")
            key = "min" if check.part.startswith("min") else "max"
            return mapped(Rule("row_count", "file", None, {key: limit}), remarks=(Remark("batch_not_table"),))
        case "num_examples_drift_comparator" if isinstance(check.value, Message):
            low, high = (check.value.number(f"{side}_fraction_threshold") for side in ("min", "max"))
            if low is None and high is None:
                raise UnmappableError("unclear", "the threshold is missing")
            limits = {key: end for key, end in (("min", low), ("max", high)) if end is not None}
            made = Rule("row_count", "file", None, {"relative_to": "previous", **limits})
            return mapped(made, remarks=(Remark("batch_not_table"),))
    raise UnmappableError("no_word", f"{check.part[:40]}")


def _mapped(check: Check, on: str) -> Outcome:
    feature, value = check.feature, check.value
    part, _, norm = check.part.partition(".")
    match part:
        case "type":
            family = _TYPES.get(str(value))
            if family is None:
                raise UnmappableError(
                    "nested_column" if value == "STRUCT" else "type_unknown", f"type {str(value)[:40]}"
                )
            return mapped(replace(rules.exists(on).rules[0], parameters={"type": family}))
        case "presence" if isinstance(value, Message):
            return _presence(value, feature, on)
        case "group_presence":
            raise UnmappableError("no_word", "the presence of a group of features")
        case "domain":
            domain = check.domains.get(str(value))
            if domain is None:
                raise UnmappableError("no_such_element", f"the schema has no domain {str(value)[:60]}")
            return _domain(domain, feature, on)
        case "string_domain" | "int_domain" | "float_domain" if isinstance(value, Message):
            return _domain(value, feature, on)
        case "bool_domain" if isinstance(value, Message):
            return _boolean(value, feature, on)
        case "unique_constraints" if isinstance(value, Message):
            limits = {key: end for key in ("min", "max") if (end := value.number(key)) is not None}
            if not limits:
                raise UnmappableError("unclear", "the bound is missing")
            return mapped(
                rules.rule("statistic", on, {"of": "distinct", **limits}), remarks=(Remark("estimated"),)
            )
        case "drift_comparator" if norm == "jensen_shannon_divergence" and isinstance(value, Message):
            threshold = value.number("threshold")
            if threshold is None:
                raise UnmappableError("unclear", "the threshold is missing")
            made = rules.rule("drift", on, {"by": "js", "relative_to": "previous", "max": threshold})
            return mapped(made, remarks=(Remark("estimated"),))
        case "drift_comparator":
            raise UnmappableError("no_word", f"the distance {norm[:40]}")
        case "skew_comparator":
            raise UnmappableError(
                "no_table", "the table of the other side of the comparison is not in the schema"
            )
        case "value_count" | "shape" if isinstance(value, Message) and _is_single(part, value):
            return held("trivial", "a column has one value in each row")
        case "url_domain":
            return mapped(rules.rule("format", on, {"format": "url"}), remarks=(Remark("format_differs"),))
    raise UnmappableError("no_word", f"{part[:40]} of a feature")


def _is_single(part: str, value: Message) -> bool:
    if part == "shape":
        return all(one.one("size") in (None, 1) for one in value.messages("dim"))
    return value.one("min") in (None, 0, 1) and value.one("max") in (None, 1)


def _presence(value: Message, feature: Message, on: str) -> Outcome:
    if "in_environment" in feature.fields or "not_in_environment" in feature.fields:
        raise UnmappableError("no_word", "a feature that is absent in some environments")
    share, count = value.number("min_fraction"), value.number("min_count")
    if share is not None and share >= 1:
        return mapped(rules.not_null(on))
    if share:
        return mapped(rules.rule("completeness", on, {"min": share}))
    if count and count >= 1:
        made = rules.rule("row_count", None, {"min": int(count)}, where=f"{quoted(on)} IS NOT NULL")
        return mapped(rules.named(made, on))
    return held("trivial", "an optional feature")


def _domain(domain: Message, feature: Message, on: str) -> Outcome:
    if "value" in domain.fields:
        values, _ = constants.listed(domain.values("value"), None)
        made = mapped(rules.rule("accepted_values", on, {"values": values}))
        mass = next(
            (one.number("min_domain_mass") for one in feature.messages("distribution_constraints")), None
        )
        return (
            made
            if mass is None or mass >= 1
            else rules.tolerant(rules.of_values(made), share=float(mass), of_batch=True)
        )
    low, high = (domain.number(key) for key in ("min", "max"))
    made_rules: tuple[Rule, ...] = ()
    if low is not None or high is not None:
        type_name = _BOUNDED_AS.get(str(feature.one("type")))
        made_rules = rules.bounds(on, constants.bound(low), constants.bound(high), type_name=type_name).rules
    if domain.one("disallow_nan") is True:
        made_rules += rules.expression(f"{quoted(on)} <> 'NaN'", on=on).rules
    if domain.one("disallow_inf") is True:
        made_rules += rules.expression(f"{quoted(on)} NOT IN ('Infinity', '-Infinity')", on=on).rules
    return mapped(*made_rules) if made_rules else held("trivial", "the domain has no bound")


def _boolean(domain: Message, feature: Message, on: str) -> Outcome:
    words = [str(domain.one(key)) for key in ("true_value", "false_value") if domain.one(key) is not None]
    values: list[Any] = words if str(feature.one("type")) == "BYTES" else [0, 1]
    if not values:
        raise UnmappableError("unclear", "the words of the two values are not in the schema")
    return mapped(rules.rule("accepted_values", on, {"values": values}))
