"""The kinds of rule about one value of a batch, or of the table as a whole, one class each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Literal, get_args

from pgslo.definition import wording
from pgslo.definition.rules.base import BatchRule, Late, Table, ValueType
from pgslo.definition.rules.syntax import ANY_BOUND, LIMITS, NOT_BOUNDED, NOT_COUNTING, Syntax, Unfit, Ways
from pgslo.definition.yaml.durations import Duration
from pgslo.definition.yaml.lists import Batches, Earlier
from pgslo.definition.yaml.named import Name, Statement
from pgslo.definition.yaml.values import Boolean, Fraction, Measure, OneOf
from pgslo.errors import DefinitionError, Location
from pgslo.expression import Query, tables_read

#: Added up as rows come and go, so exact; a rule over one of them may reject.
TalliedName = Literal["mean", "stddev", "sum", "zero_share", "negative_share"]
#: Read from the batch's profile.
SampledName = Literal["min", "max", "median", "quantile", "distinct", "distinct_share", "top_share"]
StatisticName = TalliedName | SampledName

_OF_STATISTIC = OneOf("statistic", (*get_args(TalliedName), *get_args(SampledName)))
_BOUNDED = Unfit(NOT_BOUNDED, "it has bounds for one value of a batch")
_OF = OneOf("object", ("batch", "table"))
_NO_DATA = OneOf("verdict", ("unknown", "missed"))
_FUTURE = OneOf("meaning", ("unknown", "ignored", "fresh"))
_ROW_COUNT = Syntax(
    "row_count: {min: 1000}",
    parameters={
        "of": _OF,
        "min": Measure(),
        "max": Measure(),
        "relative_to": Earlier(),
    },
    one_of=ANY_BOUND,
)


class Completeness(BatchRule):
    """Enough of a batch's rows, or of the whole table's, have a value.

    Attributes:
        of: What has the rows: ``batch`` or ``table``.
    """

    kind = "completeness"
    about_values = True
    syntax = Ways(
        columns=Syntax(
            "completeness: {min: 0.95, reject_below: 0.50}",
            parameters={"of": _OF, "min": Fraction(), "max": Fraction()},
            one_of=ANY_BOUND,
            shorthand=Fraction(),
            stands_for=("min",),
        )
    )
    unfit = _BOUNDED
    of: Literal["batch", "table"] = "batch"

    def check(self) -> Iterator[DefinitionError]:
        """Yield an error for each bound that is not a share."""
        for key in ANY_BOUND:
            value = getattr(self, key)
            if value is not None and not 0 <= value <= 1:
                yield DefinitionError(f"{value:g} is not between 0 and 1", location=self.place(key))

    def late(self, low: float | None, high: float | None) -> Late | None:
        """Return the bound that cannot refuse a statement: none of a batch, both of the table."""
        return super().late(low, high) if self.of == "table" else None

    def expected(self) -> str:
        """Return the expected state in words."""
        whose = "the table's" if self.of == "table" else "a batch's"
        return f"{self.column} not null in {self.bounds_shown(wording.percent)} of {whose} rows"


class RowCount(BatchRule):
    """A batch has a number of rows, or a share of those of earlier batches, within bounds; or the whole table has.

    Attributes:
        of: What has the rows: ``batch`` or ``table``.
        relative_to: The earlier batches.
    """

    kind = "row_count"
    syntax = Ways(rules=_ROW_COUNT, file=_ROW_COUNT)
    unfit = _BOUNDED
    of: Literal["batch", "table"] = "batch"
    relative_to: str | None = None

    def check(self) -> Iterator[DefinitionError]:
        """Yield an error for a bound below zero, and for batches that a table cannot be compared with."""
        if self.low is not None and self.low < 0:
            yield DefinitionError(f"a {self.of} cannot have less than no rows", location=self.place("min"))
        if self.of == "table" and self.relative_to is not None:
            yield DefinitionError(
                '"relative_to" compares batches, and "of: table" counts the whole table',
                hint="Keep one.",
                location=self.place("relative_to"),
            )

    def late(self, low: float | None, high: float | None) -> Late | None:
        """Return the bound that cannot refuse a statement: the lower one of a batch, both of everything else."""
        if self.relative_to is not None or self.of == "table":
            return super().late(low, high)
        if low is None:
            return None
        return Late(
            is_low=True, reason="A batch has all of its rows only when it is closed.", instead="reject_above"
        )

    def expected(self) -> str:
        """Return the expected state in words."""
        bounds = self.bounds_shown()
        if self.of == "table":
            return f"{bounds} rows in the table"
        if self.relative_to is None:
            return f"{bounds} rows in a batch"
        return f"{bounds} times the rows of {wording.earlier(self.relative_to)}"


class Freshness(BatchRule):
    """The table's newest data is not too old, or a column's values did not stop changing.

    Attributes:
        max_age: How old the newest data may be.
        of: The time column that is compared; ``None``: when the table was last written to.
        no_data: The verdict on a table without data.
        future: The meaning of a newest time ahead of the clock: no age (``unknown``), nothing, so that the newest time before it
            counts (``ignored``), or that the data is new (``fresh``).
        max_unchanged: How many batches in a row may repeat a column's values.
    """

    kind = "freshness"
    about_values = True
    syntax = Ways(
        columns=Syntax(
            "freshness: {max_unchanged: 3 batches}",
            parameters={"max_unchanged": Batches()},
            required=("max_unchanged",),
        ),
        file=Syntax(
            "freshness: {max_age: 26 hours}",
            parameters={"max_age": Duration(), "of": Name(), "no_data": _NO_DATA, "future": _FUTURE},
            required=("max_age",),
            shorthand=Duration(),
            stands_for=("max_age",),
        ),
    )
    unfit = Unfit((*NOT_COUNTING, "at_most", "where"), "it has a bound of its own and is about all rows")
    max_age: timedelta | None = None
    of: str | None = None
    no_data: Literal["unknown", "missed"] = "unknown"
    future: Literal["unknown", "ignored", "fresh"] = "unknown"
    max_unchanged: int | None = None

    def check(self) -> Iterator[DefinitionError]:
        """Yield an error for options about the times of a column, without a column."""
        for key in ("no_data", "future"):
            if self.of is None and getattr(self, key) != "unknown":
                yield DefinitionError(
                    f'"{key}" is about the times of a column, and no column is named',
                    hint=f"freshness: {{max_age: …, of: …, {key}: {getattr(self, key)}}}",
                    location=self.place(key),
                )

    def expected(self) -> str:
        """Return the expected state in words."""
        if self.max_age is not None:
            return f"newest data not older than {wording.span_shown(self.max_age)}"
        return f"{self.column} with the same values in no more than {self.max_unchanged} batches in a row"


class Statistic(BatchRule):
    """A statistic of a batch's values lies between two bounds."""

    kind = "statistic"
    about_values = True
    syntax = Ways(
        columns=Syntax(
            "statistic: {of: mean, min: 10, max: 20}",
            parameters={"of": _OF_STATISTIC, "quantile": Fraction(), **LIMITS},
            required=("of",),
            one_of=ANY_BOUND,
        )
    )
    unfit = _BOUNDED
    of: StatisticName
    quantile: float | None = None

    def check(self) -> Iterator[DefinitionError]:
        """Yield an error for a quantile that is missing, or that does not belong to the statistic."""
        yield from _check_quantile(self, self.of, self.quantile)

    def late(self, low: float | None, high: float | None) -> Late | None:
        """Return the bound that cannot refuse a statement: of sums only the lower one."""
        if self.of not in get_args(TalliedName):
            late = super().late(low, high)
            return late and Late(is_low=True, reason=f"The {self.of} is computed when the batch is closed.")
        if self.of == "sum" and low is not None:
            return Late(
                is_low=True, reason="A sum is complete only when the batch is closed.", instead="reject_above"
            )
        return None

    def value_type(self, name: str) -> ValueType | None:
        """Return the required type of a key of a document: a number, unless values are only compared for equality."""
        del name
        return None if self.of in ("distinct", "distinct_share", "top_share") else "number"

    def expected(self) -> str:
        """Return the expected state in words."""
        return f"{wording.called(self.of, self.quantile)} of {self.column} {self.bounds_shown()}"


class Change(BatchRule):
    """A statistic or the number of rows changes by no more than so much from earlier batches."""

    kind = "change"
    about_values = True
    syntax = Ways(
        columns=Syntax(
            "change: {of: mean, relative_to: previous, max: 0.2}",
            parameters={
                "of": _OF_STATISTIC,
                "quantile": Fraction(),
                "relative_to": Earlier(),
                "absolute": Boolean(),
                **LIMITS,
            },
            required=("of",),
            one_of=ANY_BOUND,
        ),
        rules=Syntax(
            "change: {of: row_count, relative_to: previous, min: -0.5}",
            parameters={
                "of": OneOf("statistic", ("row_count",)),
                "relative_to": Earlier(),
                "absolute": Boolean(),
                **LIMITS,
            },
            required=("of",),
            one_of=ANY_BOUND,
        ),
    )
    unfit = Unfit((*NOT_BOUNDED, "where"), "it compares the values of whole batches")
    of: str
    quantile: float | None = None
    relative_to: str = "previous"
    absolute: bool = False

    def check(self) -> Iterator[DefinitionError]:
        """Yield an error for a quantile that is missing, or that does not belong to the statistic."""
        yield from _check_quantile(self, self.of, self.quantile)

    def value_type(self, name: str) -> ValueType | None:
        """Return the required type of a key of a document: a number, unless values are only compared for equality."""
        del name
        return None if self.of in ("distinct", "distinct_share", "top_share") else "number"

    def expected(self) -> str:
        """Return the expected state in words."""
        of = (
            "rows of a batch"
            if self.of == "row_count"
            else f"{wording.called(self.of, self.quantile)} of {self.column}"
        )
        bounds = self.bounds_shown(wording.number if self.absolute else wording.signed_percent)
        return f"{of} changing by {bounds} from {wording.earlier(self.relative_to)}"


class Metric(BatchRule):
    """The number that a query of the author's own gives lies between two bounds."""

    kind = "metric"
    syntax = Ways(
        rules=Syntax(
            'metric: {query: "SELECT avg(a.price) FROM shop.a", min: 5, max: 20}',
            parameters={"query": Statement(), **LIMITS},
            required=("query",),
            one_of=ANY_BOUND,
        )
    )
    unfit = Unfit((*NOT_BOUNDED, "where"), "the query selects its rows, and has bounds for its value")
    query: Query

    def expected(self) -> str:
        """Return the expected state in words."""
        return f"{self.bounds_shown()} as the value of {wording.one_line(self.query.text)[:200]}"

    @property
    def queries(self) -> tuple[Query, ...]:
        """The query as it is run, with the conversion of its value: of a type of another role it runs code."""
        text = f"SELECT (\n{self.query.text}\n)::double precision AS value"
        return (replace(self.query, text=text),)

    @property
    def tables(self) -> dict[Table, Location]:
        """The tables that the query reads."""
        return dict.fromkeys(tables_read(self.query), self.query.location)


def _check_quantile(rule: BatchRule, of: str, quantile: float | None) -> Iterator[DefinitionError]:
    if of == "quantile" and quantile is None:
        yield DefinitionError(
            'a quantile needs "quantile"', hint="For example quantile: 0.95.", location=rule.place("of")
        )
    elif of != "quantile" and quantile is not None:
        yield DefinitionError(f'"quantile" does not fit "of: {of}"', location=rule.place("quantile"))
