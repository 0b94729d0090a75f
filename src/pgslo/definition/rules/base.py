"""The fields of every rule and every assertion, and the methods that kinds override."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from pgslo.definition import wording
from pgslo.definition.rules.predictions import Columns
from pgslo.definition.rules.syntax import Unfit, Ways
from pgslo.errors import DefinitionError, Location
from pgslo.expression import Expression, Query, needs_clock

OnBreach = Literal["warn", "flag", "quarantine", "repair", "reject"]
#: What a key of a document has to be for a rule about it.
ValueType = Literal["number", "text", "boolean"]
OnRead = Literal["warn", "insist", "refuse", "silent"]
_AT_CLOSE = "Only when a batch is closed is it known whether this holds; the statements that wrote it are over by then."
#: A table besides a definition's own: schema and name as the catalogue spells them.
Table = tuple[str, str]


class Rule(BaseModel):
    """A rule, with the fields that every kind has. A kind is a subclass, which overrides class attributes and methods.

    Attributes:
        kind: The word that definitions use.
        syntax: How it is written, in each place where it may be.
        unfit: Options that it cannot have.
        actions: What may happen to a write.
        judges: Whether it judges rows or batches, and does not only change rows.
        looks_up: Whether its condition reads other rows.
        of_predictions: Whether it is about predictions, and needs what their metrics need.
        fails_null: Whether NULL fails it; NULL passes the other kinds.
        about_values: Whether it is about values whatever they are found by, and so may be written under a path.
        name: Stable id, unique in its definition; derived as ``<column>_<kind>`` when the author gives none.
        column: The column it is written under, or ``None`` for a rule of the whole row or table.
        enabled: Whether it is kept at all.
        enforce: False: it is measured and changes no write.
        where: Rows it is about; the others pass.
        on_breach: What happens to the write.
        at_least: Fraction (0-1) of a batch's rows that have to pass before the objective is missed.
        at_most: Number of failing rows in a batch that is still accepted.
        samples: Keys of failing rows kept per batch, at most.
        warn_below: Smallest value of a batch that meets it; ``min`` of a kind over a batch says the same.
        warn_above: Largest one.
        reject_below: Smallest value of a batch at which the statement is let through.
        reject_above: Largest one.
        target: Share of batches that are to meet it; ``None``: the file's.
        window: Over which the target is to be reached; ``None``: the file's.
        opens_after: Batches in a row that have to miss it before an incident opens.
        resolves_after: Batches in a row that have to meet it before the incident resolves.
        location: Location of the rule.
        places: Location of each of its parameters.
        paths: Those of its columns that are paths, each with the column that it leads into; known when it is compiled.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)
    kind: ClassVar[str]
    syntax: ClassVar[Ways] = Ways()
    unfit: ClassVar[Unfit] = Unfit()
    actions: ClassVar[tuple[OnBreach, ...]] = ("warn", "flag", "quarantine", "reject")
    judges: ClassVar[bool] = True
    looks_up: ClassVar[bool] = False
    of_predictions: ClassVar[bool] = False
    fails_null: ClassVar[bool] = False
    about_values: ClassVar[bool] = False

    name: str
    column: str | None = None
    description: str | None = None
    owner: str | None = None
    tags: tuple[str, ...] = ()
    enabled: bool = True
    enforce: bool = True
    where: Expression | None = None
    on_breach: OnBreach = "warn"
    at_least: float | None = Field(default=None, ge=0, le=1)
    at_most: int | None = Field(default=None, ge=0)
    samples: int = Field(default=10, ge=0, le=1000)
    warn_below: float | None = None
    warn_above: float | None = None
    reject_below: float | None = None
    reject_above: float | None = None
    target: float | None = Field(default=None, ge=0, le=1)
    window: timedelta | None = None
    opens_after: int = Field(default=1, ge=1)
    resolves_after: int = Field(default=1, ge=1)
    location: Location
    places: dict[str, Location] = Field(default_factory=dict)
    paths: dict[str, str] = Field(default_factory=dict)

    def place(self, parameter: str) -> Location:
        """Location of a parameter, or of the rule if the parameter is not written."""
        return self.places.get(parameter, self.location)

    @classmethod
    def fields(cls, written: dict[str, Any], column: str | None) -> dict[str, Any]:
        """Return the fields for the author's values.

        Args:
            written: Values by the key under which they are written; the options of all rules are not among them.
            column: The column that the rule is written under.
        """
        del column
        return written

    def check(self) -> Iterator[DefinitionError]:
        """Yield an error for each value that contradicts another one."""
        yield from ()

    def unfit_action(self) -> DefinitionError:
        """Return the error of an action that the kind cannot take."""
        return DefinitionError(
            f'"{self.kind}" cannot {self.on_breach}',
            hint=f"Use on_breach: {' or '.join(self.actions)}.",
            location=self.place("on_breach"),
        )

    def expected(self) -> str:
        """Return the expected state in words: lower case, without a full stop, without the options of all rules."""
        raise NotImplementedError

    def with_predictions(self, columns: Columns) -> Self:
        """Return the rule with the columns of predictions that it is about, which another part of the file names."""
        del columns
        return self

    @property
    def summary(self) -> str:
        """The expected state in words, for messages: lower case, without a full stop."""
        return self.with_where(self.expected())

    def with_where(self, text: str) -> str:
        """Return a text with the rows that the rule is about."""
        return f"{text}, where {wording.one_line(self.where.text)}" if self.where is not None else text

    @property
    def word(self) -> str:
        """The kind as definitions and people call it."""
        return self.kind

    @property
    def others(self) -> tuple[str, ...]:
        """Columns that it names besides the one that it is under."""
        return ()

    @property
    def named(self) -> tuple[str, ...]:
        """Columns and paths into columns that it names outside of expressions, its own first, without repetition."""
        return tuple(dict.fromkeys((*((self.column,) if self.column else ()), *self.others)))

    @property
    def read_as_named(self) -> tuple[str, ...]:
        """Every column that it reads, its own first, without repetition; paths as they are named."""
        where = self.where.columns if self.where else ()
        return tuple(dict.fromkeys((*self.named, *where)))

    @property
    def reads(self) -> tuple[str, ...]:
        """Every column of the table that it reads, its own first, without repetition."""
        return tuple(dict.fromkeys(self.paths.get(name, name) for name in self.read_as_named))

    def value_type(self, name: str) -> ValueType | None:
        """Return what a key of a document has to be that it names; ``None`` if any value will do."""
        del name
        return None

    def like(self, name: str) -> str | None:
        """Return the column whose type decides what a key of a document has to be that it names, if one does."""
        del name
        return None

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """Every expression over a row that it holds."""
        return (self.where,) if self.where else ()

    @property
    def queries(self) -> tuple[Query, ...]:
        """Queries of the author's own that it holds."""
        return ()

    @property
    def tables(self) -> dict[Table, Location]:
        """Other tables that it reads itself, each with the location where it is named."""
        return {}

    @property
    def compared_with(self) -> dict[Table, tuple[tuple[str, str], ...]]:
        """Columns of its own table, each with that of another table in which its condition looks the value up."""
        return {}

    @property
    def distinct(self) -> tuple[str, ...]:
        """Columns in which no two rows may have the same values; empty for other kinds."""
        return ()

    @property
    def is_foreign_key(self) -> bool:
        """Whether a foreign key says the same, so that nothing else reads the other table."""
        return False

    def place_of(self, column: str) -> Location:
        """Where it names a column that it reads."""
        if self.column == column:
            return self.place("column")
        key = self.key_of(column)
        if key is not None:
            return self.place(key)
        stated = (one.location for one in self.expressions if column in one.columns)
        return next(stated, self.location)

    def key_of(self, column: str) -> str | None:
        """Return the parameter whose value is a column; ``None`` if only an expression names it."""
        del column
        return None


def type_of(values: Iterable[object]) -> ValueType | None:
    """Return what constants are: all numbers, all true or false, or else texts; ``None`` of none."""
    kinds: set[ValueType] = {
        "boolean" if isinstance(one, bool) else "text" if isinstance(one, str) else "number"
        for one in values
        if one is not None
    }
    return kinds.pop() if len(kinds) == 1 else "text" if kinds else None


class RowRule(Rule):
    """A rule that has a condition which each row meets or fails."""

    unfit: ClassVar[Unfit] = Unfit(
        ("warn_below", "warn_above", "reject_above"), "say it with at_least and reject_below"
    )

    def unfit_action(self) -> DefinitionError:
        """Return the error of an action that the kind cannot take: to repair a value."""
        return DefinitionError(
            f'"{self.kind}" does not say how to repair a value',
            hint='Say it with a rule of the kind "repair", for example repair: {default: 0}.',
            location=self.place("on_breach"),
        )

    @property
    def summary(self) -> str:
        """The expected state in words, with the share of rows that may fail."""
        text = super().summary
        if self.at_least is not None:
            text += f", in at least {wording.percent(self.at_least)} of a batch's rows"
        if self.at_most is not None:
            text += f", with at most {self.at_most:,} failing rows in a batch"
        return text


@dataclass(frozen=True, kw_only=True)
class Late:
    """A bound that cannot refuse a statement, because its value is known only when the batch is closed.

    Attributes:
        is_low: Whether it is the lower one.
        reason: Why it is known so late.
        instead: The option that can refuse one.
    """

    is_low: bool
    reason: str
    instead: str | None = None


class BatchRule(Rule):
    """The evaluation of a batch or of the table as a whole: one value, and its bounds.

    Attributes:
        min: Smallest value that meets it.
        max: Largest value that meets it.
    """

    actions: ClassVar[tuple[OnBreach, ...]] = ("warn", "flag", "reject")
    min: float | None = None
    max: float | None = None

    def late(self, low: float | None, high: float | None) -> Late | None:
        """Return the bound that cannot refuse a statement; ``None`` if all that are given can.

        Args:
            low: The value below which a statement would be refused.
            high: The value above which it would be.
        """
        if low is None and high is None and self.on_breach != "reject":
            return None
        return Late(is_low=low is not None, reason=_AT_CLOSE)

    def unfit_action(self) -> DefinitionError:
        """Return the error of an action that is about single rows."""
        return DefinitionError(
            f'"{self.kind}" judges whole batches and cannot {self.on_breach}',
            hint="Use on_breach: warn, flag or reject.",
            location=self.place("on_breach"),
        )

    def bounds_shown(self, show: Callable[[float], str] = wording.number) -> str:
        """Return the bounds in words: those that meet it, else those that refuse a statement."""
        low = self.low if self.low is not None else self.reject_below
        high = self.high if self.high is not None else self.reject_above
        return wording.bounds(
            None if low is None else show(low),
            None if high is None else show(high),
        )

    @property
    def low(self) -> float | None:
        """Smallest value that meets it."""
        return self.min if self.min is not None else self.warn_below

    @property
    def high(self) -> float | None:
        """Largest value that meets it."""
        return self.max if self.max is not None else self.warn_above

    @property
    def reads(self) -> tuple[str, ...]:
        """Every column that it reads; not those of its ``where``: a batch of these rows misses it for every reader."""
        return tuple(dict.fromkeys(self.paths.get(name, name) for name in self.named))


class CountingRule(BatchRule):
    """A rule whose value is a number of failures in a batch, with a maximum."""

    unfit: ClassVar[Unfit] = Unfit(
        ("at_least", "samples", "warn_below", "warn_above", "reject_below", "reject_above"),
        "it counts failures; say how many are fine with at_most",
    )

    @property
    def summary(self) -> str:
        """The expected state in words, with the number of failures that are fine."""
        exceptions = f", with at most {self.at_most:,} exceptions" if self.at_most else ""
        return self.with_where(f"{self.expected()}{exceptions}")


class Assertion(Rule):
    """The parts of every assertion: a rule about several rows, or about rows of several tables.

    Attributes:
        by_index: Whether a unique index may state it.
        group_by: Columns whose values make a group; each group has to satisfy the rule, and a row in which one of
            them is NULL belongs to none. Empty: all rows are one group.
        deferred: Whether it is held first when the transaction commits; ``None``: as its form usually is.
        validated: Whether existing rows satisfy it as well, and not only later writes.
    """

    deferred_by_default: ClassVar[bool] = True
    by_index: ClassVar[bool] = False
    unfit: ClassVar[Unfit] = Unfit(("check_on",), "what can break it is known")
    actions: ClassVar[tuple[OnBreach, ...]] = ("warn", "flag", "reject")
    group_by: tuple[str, ...] = ()
    deferred: bool | None = None
    validated: bool = True

    def as_rule(self) -> Rule | None:
        """Return the rule over rows that states the same; ``None`` if there is no such kind."""
        return None

    @property
    def is_deferred(self) -> bool:
        """Whether the statements of a transaction may break it for a while."""
        return self.deferred_by_default if self.deferred is None else self.deferred

    @classmethod
    def fields(cls, written: dict[str, Any], column: str | None) -> dict[str, Any]:
        """Return the fields for the author's values."""
        # That check_on does not fit is reported by the place that it has.
        without = () if "check_on" in cls.model_fields else ("check_on",)
        return {key: value for key, value in super().fields(written, column).items() if key not in without}

    def check(self) -> Iterator[DefinitionError]:
        """Yield an error for each expression that changes without a write."""
        for condition in self.expressions:
            word = needs_clock(condition.text)
            if word is not None:
                yield DefinitionError(
                    f'"{word}" is not allowed in an assertion',
                    detail="What the clock says changes without any write that could be checked.",
                    hint="Compare with a column, or use a rule over batches.",
                    location=condition.location,
                )

    def unfit_action(self) -> DefinitionError:
        """Return the error of an action that is about one row."""
        return DefinitionError(
            f"an assertion is about several rows and cannot {self.on_breach} one of them",
            hint="Use on_breach: warn, flag or reject.",
            location=self.place("on_breach"),
        )
