"""What a rule wants, in words for people: messages, comments, reports."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal

from pgslo.definition import rules
from pgslo.definition.rules import assertions

#: Comments end before this many characters, where they can.
_WIDTH = 114


def promise(rule: rules.Rule) -> str:
    """What the rule wants, in words for messages; starts lower case, without a full stop."""
    if isinstance(rule, rules.Assertion):
        return _asserted(rule) + _where(rule)
    if isinstance(rule, rules.BatchRule):
        return _over_batches(rule) + _where(rule)
    text = _promise(rule) + _where(rule)
    if rule.at_least is not None:
        text += f", in at least {number(rule.at_least, 100)} % of a batch's rows"
    if rule.at_most is not None:
        text += f", with at most {rule.at_most:,} failing rows in a batch"
    return text


def _where(rule: rules.Rule) -> str:
    return f", where {one_line(rule.where.text)}" if rule.where is not None else ""


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
        case rules.NotBlank():
            return f"{rule.column} not blank"
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


def comment(text: str) -> str:
    """Text for a comment that begins with ``--``, on as many lines as it needs."""
    lines = textwrap.wrap(one_line(text), _WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n--   ".join(lines)


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


# Rules over batches


def called(of: str, quantile: float | None) -> str:
    """A statistic, in words."""
    return f"{quantile:g} quantile" if of == "quantile" and quantile is not None else of.replace("_", " ")


#: Bounds from the first to below the second are written out; others as a power of ten.
_SHORTEST, _LONGEST = Decimal("1e-15"), Decimal("1e15")


def _over_batches(rule: rules.BatchRule) -> str:
    match rule:
        case rules.Completeness():
            return f"{rule.column} not null in {_range(_percent(_low(rule)), _percent(_high(rule)))} of a batch's rows"
        case rules.RowCount(of="table"):
            return f"{_range(_number(_low(rule)), _number(_high(rule)))} rows in the table"
        case rules.RowCount(relative_to=None):
            return f"{_range(_number(_low(rule)), _number(_high(rule)))} rows in a batch"
        case rules.RowCount():
            return f"{_range(_number(_low(rule)), _number(_high(rule)))} times the rows of {_earlier(rule.relative_to)}"
        case rules.Statistic():
            bound = _range(_number(_low(rule)), _number(_high(rule)))
            return f"{called(rule.of, rule.quantile)} of {rule.column} {bound}"
        case rules.Change():
            of = (
                "rows of a batch"
                if rule.of == "row_count"
                else f"{called(rule.of, rule.quantile)} of {rule.column}"
            )
            low, high = _low(rule), _high(rule)
            if rule.absolute:
                bound = _range(_number(low), _number(high))
            else:
                bound = _range(_signed_percent(low), _signed_percent(high))
            return f"{of} changing by {bound} from {_earlier(rule.relative_to)}"
        case rules.Drift():
            against = (
                f"batches {rule.trained_on[0]} to {rule.trained_on[1]}"
                if rule.trained_on
                else _earlier(rule.relative_to)
            )
            return f"{rule.column} within {rule.by} {_number(_high(rule))} of {against}"
        case rules.Skew():
            return f"{rule.column} within {rule.by} {_number(_high(rule))} of {rule.to} of {rule.table}"
        case rules.Freshness(max_age=timedelta()):
            return f"newest data not older than {span_shown(rule.max_age)}"
        case rules.Freshness():
            return f"{rule.column} with the same values in no more than {rule.max_unchanged} batches in a row"
        case rules.MlMetric():
            return _metric(rule)
        case rules.NoGap():
            step = span_shown(rule.every) if isinstance(rule.every, timedelta) else str(rule.every)
            text = f"{rule.column} without a gap of more than {step}{_each(rule.per)}"
        case rules.NoOverlap():
            text = f"spans from {rule.start} to {rule.end} that do not overlap{_each(rule.per)}"
        case rules.Monotonic():
            strictly = "strictly " if rule.strictly else ""
            text = f"{rule.column} {strictly}{rule.direction} by {', '.join(rule.order)}{_each(rule.per)}"
        case rules.SameAs():
            same = f" and the same {', '.join(rule.columns)}" if rule.columns else ""
            text = f"each row with a row of the same {', '.join(rule.on)}{same} in {rule.table}"
        case rules.QueryRule():
            text = f"no rows from {one_line(rule.query.text)[:200]}"
        case _:
            raise AssertionError(rule.kind)
    return f"{text}, with at most {rule.at_most:,} exceptions" if rule.at_most else text


_METRICS = {
    "f1": "F1",
    "auc": "area under the ROC curve",
    "log_loss": "logarithmic loss",
    "brier": "Brier score",
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "mape": "mean absolute percentage error",
    "bias": "mean error",
    "label_coverage": "share of predictions with a label",
    "label_delay": "mean hours from prediction to label",
    "default_share": "share of predictions with a default",
    "abstain_share": "share of predictions that abstain",
    "expected_accuracy": "accuracy expected from the scores",
}


def _metric(rule: rules.MlMetric) -> str:
    called = _METRICS.get(rule.of, rule.of.replace("_", " "))
    over = f" over {rule.over} batches" if rule.over > 1 else ""
    return f"{called} {_range(_number(_low(rule)), _number(_high(rule)))}{over}{_each(rule.per)}"


def _each(per: tuple[str, ...]) -> str:
    return f" for each {', '.join(per)}" if per else ""


def _earlier(words: str | None) -> str:
    match words:
        case None | "previous":
            return "the previous batch"
        case "same weekday":
            return "the batch of a week before"
    return f"the mean of the {words} before"


def _low(rule: rules.BatchRule) -> float | None:
    return rule.low if rule.low is not None else rule.reject_below


def _high(rule: rules.BatchRule) -> float | None:
    return rule.high if rule.high is not None else rule.reject_above


def number(value: float, factor: int = 1) -> str:
    """Return a bound with thousands separators, multiplied by a factor; ``pgslo_catalog.bound_shown()`` says the same."""
    exact = Decimal(f"{value:.15g}") * factor
    if exact and not _SHORTEST <= abs(exact) < _LONGEST:
        return f"{exact.normalize():e}"
    text = f"{exact:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _number(value: float | None) -> str | None:
    return None if value is None else number(value)


def _percent(value: float | None) -> str | None:
    return None if value is None else f"{number(value, 100)} %"


def _signed_percent(value: float | None) -> str | None:
    return None if value is None else f"{'+' if value >= 0 else ''}{number(value, 100)} %"


def _range(low: str | None, high: str | None) -> str:
    if high is None:
        return f"at least {low}"
    if low is None:
        return f"at most {high}"
    return f"exactly {low}" if low == high else f"between {low} and {high}"


def span_shown(span: timedelta | None) -> str:
    """The span in the largest unit that measures it, as messages write it."""
    seconds = int(span.total_seconds()) if span else 0
    units = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
    name, length = next(unit for unit in units if seconds % unit[1] == 0)
    return f"{seconds // length} {name}{'' if seconds == length else 's'}"


# Assertions


def _asserted(rule: rules.Assertion) -> str:
    each = _each(rule.group_by)
    match rule:
        case assertions.AllEqual():
            return f"the same {rule.value} in all rows{each}"
        case assertions.AtMostOne():
            return f"at most one row{each}"
        case assertions.ExactlyOne():
            return f"exactly one row{each}"
        case assertions.Count():
            low = f"{rule.min:,}" if rule.min else None
            return f"{_range(low, None if rule.max is None else f'{rule.max:,}')} rows{each}"
        case assertions.AddsUpTo():
            within = f" within {rule.tolerance}" if rule.tolerance else ""
            return f"{rule.value} adding up to {rule.total}{within}{each}"
        case assertions.NeverOverlap():
            return f"spans from {rule.start} to {rule.end} that do not overlap{each}"
        case assertions.KeepsOrder():
            strictly = "strictly " if rule.strictly else ""
            return f"{rule.value} {strictly}{rule.direction} by {', '.join(rule.order)}{each}"
        case assertions.ExistsForEach():
            return f"a row for each row of {_there(rule)}"
        case assertions.NoneWithout():
            return f"no row without one of {_there(rule)}"
        case assertions.SameAsThere():
            return f"the same {', '.join(one for one, _ in rule.columns)} as in {_there(rule)}"
        case assertions.ReturnsNothing():
            return f"no rows from {one_line(rule.query.text)[:200]}{each}"
        case _:
            raise AssertionError(rule.kind)


def _there(rule: assertions.AcrossTables) -> str:
    """The other table, the rows of it that are meant, and what has to be equal."""
    equal = ", ".join(ours if ours == theirs else f"{ours} = {theirs}" for ours, theirs in rule.on)
    among = f" with {one_line(rule.among.text)}" if rule.among is not None else ""
    return f"{'.'.join(rule.table)}{among} by {equal}"
