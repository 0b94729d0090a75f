"""What a rule wants, in words for people: messages, comments, reports."""

from __future__ import annotations

from collections.abc import Mapping

from pgslo.definition import rules


def promise(rule: rules.Rule) -> str:
    """What the rule wants, in words for messages; starts lower case, without a full stop."""
    text = _promise(rule)
    if rule.where is not None:
        text += f", where {one_line(rule.where.text)}"
    if rule.at_least is not None:
        text += f", in at least {rule.at_least * 100:g} % of a batch's rows"
    if rule.at_most is not None:
        text += f", with at most {rule.at_most} failing rows in a batch"
    return text


_COMPARED: Mapping[str, str] = {
    "=": "equal to",
    "<>": "different from",
    "<": "less than",
    "<=": "at most",
    ">": "greater than",
    ">=": "at least",
}


def _promise(rule: rules.Rule) -> str:
    match rule:
        case rules.NotNull():
            return f"{rule.column} not null"
        case rules.Range():
            return f"{rule.column} {_between(rule.min, rule.max)}"
        case rules.Length():
            return f"{rule.column} with a length {_between(rule.min, rule.max)}"
        case rules.AcceptedValues():
            return f"{rule.column} one of {_listed(rule.values)}"
        case rules.NotAcceptedValues():
            return f"{rule.column} none of {_listed(rule.values)}"
        case rules.Pattern():
            return f"{rule.column} matching {rule.matches}"
        case rules.Format():
            return f"{rule.column} in {rule.format} format"
        case rules.ExpressionRule():
            return one_line(rule.expression.text)
        case rules.Compare():
            return f"{rule.left} {_COMPARED[rule.operator]} {rule.right}"
        case rules.References():
            return f"{', '.join(rule.columns)} present in {rule.table} ({', '.join(rule.to)})"
        case rules.Unique():
            return f"no two rows with the same {', '.join(rule.columns)}"
        case rules.Schema():
            return "the columns and types of the definition"
        case rules.Repair():
            return f"{rule.column} repaired before it is judged"
        case rules.Custom():
            wanted = rule.description or f"as kind {rule.custom_kind} wants"
            return f"{rule.column or 'the row'}: {wanted[:1].lower()}{wanted[1:].rstrip('.')}"
        case _:
            raise AssertionError(rule.kind)


def one_line(text: str) -> str:
    """Text for a comment or a sentence: whatever could end the line is a blank."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def _between(low: object, high: object) -> str:
    if high is None:
        return f"of at least {low}"
    if low is None:
        return f"of at most {high}"
    if low == high:
        return f"of exactly {low}"
    return f"between {low} and {high}"


def _listed(values: tuple[rules.Scalar, ...]) -> str:
    shown = ", ".join(str(value) if str(value).strip() else f'"{value}"' for value in values[:10])
    return shown if len(values) <= 10 else f"{shown}, … ({len(values)} values)"
