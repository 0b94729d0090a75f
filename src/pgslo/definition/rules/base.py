"""What every rule says, and every assertion."""

from __future__ import annotations

import decimal
from datetime import timedelta
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from pgslo.errors import Location
from pgslo.expression import Expression

OnBreach = Literal["warn", "flag", "quarantine", "repair", "reject"]
OnRead = Literal["warn", "insist", "refuse", "silent"]
Number = int | decimal.Decimal
#: A constant as the author wrote it; text also stands for dates and times, PostgreSQL reads it by the column's type.
Scalar = bool | int | decimal.Decimal | str
Operator = Literal["=", "<>", "<", "<=", ">", ">="]


class Rule(BaseModel):
    """What every rule says.

    Attributes:
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
        location: Where the rule stands.
        places: Where each of its parameters stands.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
    kind: ClassVar[str]

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

    def place(self, parameter: str) -> Location:
        """Where a parameter stands, or the rule when it is not written out."""
        return self.places.get(parameter, self.location)

    @property
    def others(self) -> tuple[str, ...]:
        """Columns that it names besides the one that it stands under."""
        return ()

    @property
    def reads(self) -> tuple[str, ...]:
        """Every column that it reads, its own first, without repetition."""
        first = (self.column,) if self.column else ()
        where = self.where.columns if self.where else ()
        return tuple(dict.fromkeys((*first, *self.others, *where)))


class Assertion(Rule):
    """What every assertion says: a promise about several rows, or about rows of several tables.

    Attributes:
        group_by: Columns whose values make a group; each group keeps the promise by itself, and a row in which one of
            them is NULL belongs to none. Empty: all rows are one group.
        deferred: Whether it is held first when the transaction commits; ``None``: as its form usually is.
        validated: Whether the rows that are there keep it as well, and not only what is written from now on.
    """

    deferred_by_default: ClassVar[bool] = True
    group_by: tuple[str, ...] = ()
    deferred: bool | None = None
    validated: bool = True

    @property
    def is_deferred(self) -> bool:
        """Whether the statements of a transaction may break it for a while."""
        return self.deferred_by_default if self.deferred is None else self.deferred
