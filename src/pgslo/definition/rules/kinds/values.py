"""The kinds of rule about one column's value, one class each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar, Literal, get_args

from pydantic import Field

from pgslo.definition import wording
from pgslo.definition.rules.base import OnBreach, RowRule, Rule, ValueType, type_of
from pgslo.definition.rules.syntax import Syntax, Ways, direct, two_bounds
from pgslo.definition.yaml.lists import ListOf
from pgslo.definition.yaml.values import AnyConstant, Boolean, Bound, Constant, Integer, Number, OneOf, Text
from pgslo.errors import DefinitionError

FormatName = Literal[
    "email",
    "uuid",
    "url",
    "hostname",
    "ipv4",
    "ipv6",
    "date",
    "time",
    "timestamp",
    "json",
    "base64",
    "slug",
    "e164",
]
#: Text bounds that can be compared without knowing the column's type.
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?)?\Z")


class NotNull(RowRule):
    """The column has a value."""

    kind = "not_null"
    about_values = True
    syntax = Ways(columns=Syntax("not_null"))
    fails_null = True

    def expected(self) -> str:
        """Return the expected state in words."""
        return f"{self.column} not null"


class NotBlank(RowRule):
    """The text has a character other than whitespace."""

    kind = "not_blank"
    about_values = True
    syntax = Ways(columns=Syntax("not_blank"))

    def value_type(self, name: str) -> ValueType | None:
        """Return what a key of a document has to be: a text."""
        del name
        return "text"

    def expected(self) -> str:
        """Return the expected state in words."""
        return f"{self.column} not blank"


class Range(RowRule):
    """The value lies between two bounds; NaN and infinity never do.

    Attributes:
        min: Lowest value that passes.
        max: Highest value that passes.
        above: Bound that every value that passes is above.
        below: Bound that every value that passes is below.
    """

    kind = "range"
    about_values = True
    syntax = Ways(columns=two_bounds(Bound(), "range: {min: 0, max: 120}", above=Bound(), below=Bound()))
    actions: ClassVar[tuple[OnBreach, ...]] = ("warn", "flag", "quarantine", "repair", "reject")
    min: Number | str | None = None
    max: Number | str | None = None
    above: Number | str | None = None
    below: Number | str | None = None

    def check(self) -> Iterator[DefinitionError]:
        """Yield an error if a side has two bounds, no value lies between them, or a repair has no bound to put in place."""
        pairs = (("min", self.min, "above", self.above), ("max", self.max, "below", self.below))
        for kept, limit, strict, other in pairs:
            if limit is not None and other is not None:
                yield DefinitionError(
                    f'"{kept}" and "{strict}" bound the same side',
                    hint=f'With "{kept}" the bound itself passes, with "{strict}" it fails. Keep one of the two.',
                    location=self.place(strict),
                )
                return
            if other is not None and self.on_breach == "repair":
                yield DefinitionError(
                    f'"{strict}" names no value that a repair could put in place',
                    detail=f"The bound {other} fails the rule itself, and no value is the nearest to it for every type.",
                    hint=f'Say the nearest value that passes with "{kept}", or repair with repair: {{expression: …}}.',
                    location=self.place(strict),
                )
        yield from bounds_crossed(
            self,
            "min" if self.min is not None else "above",
            self.min if self.min is not None else self.above,
            self.max if self.max is not None else self.below,
            strict=self.above is not None or self.below is not None,
        )

    def value_type(self, name: str) -> ValueType | None:
        """Return what a key of a document has to be: what its bounds are."""
        del name
        return type_of((self.min, self.max, self.above, self.below))

    def expected(self) -> str:
        """Return the expected state in words."""
        if self.above is None and self.below is None:
            return f"{self.column} {_between(self.min, self.max)}"
        stated = (
            ("above", self.above),
            ("of at least", self.min),
            ("below", self.below),
            ("of at most", self.max),
        )
        return f"{self.column} {' and '.join(f'{words} {limit}' for words, limit in stated if limit is not None)}"


class AcceptedValues(RowRule):
    """The value is one of a list."""

    kind = "accepted_values"
    about_values = True
    syntax = Ways(columns=direct("values", ListOf(AnyConstant()), "accepted_values: [us, de, fr]"))
    values: tuple[Constant, ...] = Field(min_length=1)

    def value_type(self, name: str) -> ValueType | None:
        """Return what a key of a document has to be: what the list holds."""
        del name
        return type_of(self.values)

    def expected(self) -> str:
        """Return the expected state in words."""
        return f"{self.column} one of {wording.listed(self.values)}"


class NotAcceptedValues(RowRule):
    """The value is not in a list."""

    kind = "not_accepted_values"
    about_values = True
    syntax = Ways(columns=direct("values", ListOf(AnyConstant()), "not_accepted_values: [unknown]"))
    values: tuple[Constant, ...] = Field(min_length=1)

    def value_type(self, name: str) -> ValueType | None:
        """Return what a key of a document has to be: what the list holds."""
        del name
        return type_of(self.values)

    def expected(self) -> str:
        """Return the expected state in words."""
        return f"{self.column} none of {wording.listed(self.values)}"


class Length(RowRule):
    """The text has a length in characters between two bounds."""

    kind = "length"
    about_values = True
    syntax = Ways(columns=two_bounds(Integer(0, 2**31 - 1), "length: {min: 1, max: 40}"))
    min: int | None = Field(default=None, ge=0)
    max: int | None = Field(default=None, ge=0)

    def check(self) -> Iterator[DefinitionError]:
        """Yield an error if the lower bound is above the upper one."""
        yield from bounds_crossed(self, "min", self.min, self.max)

    def value_type(self, name: str) -> ValueType | None:
        """Return what a key of a document has to be: a text."""
        del name
        return "text"

    def expected(self) -> str:
        """Return the expected state in words."""
        return f"{self.column} with a length {_between(self.min, self.max)}"


class Pattern(RowRule):
    """The text matches a POSIX regular expression, as PostgreSQL's ``~`` reads it."""

    kind = "pattern"
    about_values = True
    syntax = Ways(columns=direct("matches", Text(), 'pattern: "^[A-Z]{2}$"', ignore_case=Boolean()))
    matches: str
    ignore_case: bool = False

    def value_type(self, name: str) -> ValueType | None:
        """Return what a key of a document has to be: a text."""
        del name
        return "text"

    def expected(self) -> str:
        """Return the expected state in words."""
        return f"{self.column} matching {self.matches}"


class Format(RowRule):
    """The text is written in a well-known format."""

    kind = "format"
    about_values = True
    syntax = Ways(columns=direct("format", OneOf("format", get_args(FormatName)), "format: email"))
    format: FormatName

    def value_type(self, name: str) -> ValueType | None:
        """Return what a key of a document has to be: a text."""
        del name
        return "text"

    def expected(self) -> str:
        """Return the expected state in words."""
        return f"{self.column} in {self.format} format"


def bounds_crossed(
    rule: Rule, key: str, low: Any, high: Any, *, strict: bool = False
) -> Iterator[DefinitionError]:
    """Yield an error if two bounds of values cannot be compared, or no value lies between them.

    Args:
        rule: What has the bounds.
        key: The parameter that gives the lower one.
        low: The lower bound, or ``None``.
        high: The upper one.
        strict: Whether a bound is exclusive, so that equal bounds have no value between them.
    """
    if low is None or high is None:
        return
    is_text = isinstance(low, str), isinstance(high, str)
    if is_text[0] != is_text[1]:
        yield DefinitionError("one bound is a number and the other is text", location=rule.place(key))
    elif (not is_text[0] or (_ISO.match(low) and _ISO.match(high) and len(low) == len(high))) and low > high:
        yield DefinitionError(
            f"the lower bound {low} is above the upper bound {high}", location=rule.place(key)
        )
    elif strict and low == high:
        yield DefinitionError(
            f"no value lies between {low} and {high}",
            hint='"above" and "below" leave the bound itself out; "min" and "max" take it in.',
            location=rule.place(key),
        )


def _between(low: object, high: object) -> str:
    if high is None:
        return f"of at least {low}"
    if low is None:
        return f"of at most {high}"
    if low == high:
        return f"of exactly {low}"
    return f"between {low} and {high}"
