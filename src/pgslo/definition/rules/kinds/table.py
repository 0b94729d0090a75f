"""The kinds of rule that judge no rows: what the table's columns are, and repairs before rows are judged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from pgslo.definition.rules.base import OnBreach, Rule
from pgslo.definition.rules.kinds.values import bounds_crossed
from pgslo.definition.rules.syntax import OVER_BATCHES, Syntax, Unfit, Ways
from pgslo.definition.rules.types import ColumnTypes
from pgslo.definition.yaml.lists import MapOf, Pair
from pgslo.definition.yaml.named import Condition
from pgslo.definition.yaml.values import AnyConstant, Boolean, Bound, Constant, Integer, Number, OneOf
from pgslo.errors import DefinitionError
from pgslo.expression import Expression


class Schema(Rule):
    """The table has these columns with these types.

    Attributes:
        columns: The types that each may have: PostgreSQL's own, families, and ``any``.
        extra: Whether the table may have other columns.
        ordered: Whether the table has them in this order; others that it may have can be between them.
    """

    kind = "schema"
    syntax = Ways(
        file=Syntax(
            "schema: {columns: {age: integer}}",
            parameters={
                "columns": ColumnTypes(),
                "extra": OneOf("choice", ("allow", "forbid")),
                "ordered": Boolean(),
            },
            required=("columns",),
        )
    )
    unfit = Unfit(
        ("where", "at_least", "at_most", "samples", *OVER_BATCHES), "it is about the table, not about rows"
    )
    actions: ClassVar[tuple[OnBreach, ...]] = ("warn", "reject")
    columns: dict[str, tuple[str, ...]] = Field(min_length=1)
    extra: Literal["allow", "forbid"] = "allow"
    ordered: bool = False

    def expected(self) -> str:
        """Return the expected state in words."""
        return f"the columns and types of the definition{', in its order' if self.ordered else ''}"


class Repair(Rule):
    """Wrong values are replaced before the row is evaluated; the old value is kept.

    The steps run in the order of the attributes; ``default`` last, for NULL and NaN.
    """

    kind = "repair"
    syntax = Ways(
        columns=Syntax(
            "repair: {clip: [0, 1], default: 0.5}",
            parameters={
                "trim": Boolean(),
                "lower": Boolean(),
                "map": MapOf(AnyConstant(), nullable=True),
                "expression": Condition(),
                "round": Integer(-10, 15),
                "clip": Pair(Bound()),
                "default": AnyConstant(),
            },
            one_of=("trim", "lower", "map", "expression", "round", "clip", "default"),
        )
    )
    unfit = Unfit(
        ("at_least", "at_most", "samples", "target", "window", *OVER_BATCHES),
        "it changes rows and evaluates none",
    )
    actions: ClassVar[tuple[OnBreach, ...]] = ("repair",)
    judges = False
    on_breach: OnBreach = "repair"
    trim: bool = False
    lower: bool = False
    map: dict[str, Constant | None] | None = None
    expression: Expression | None = None
    round: int | None = Field(default=None, ge=-10, le=15)
    clip: tuple[Number | str | None, Number | str | None] | None = None
    default: Constant | None = None

    def check(self) -> Iterator[DefinitionError]:
        """Yield an error if the lower bound of ``clip`` is above the upper one."""
        if self.clip is not None:
            yield from bounds_crossed(self, "clip", *self.clip)

    def unfit_action(self) -> DefinitionError:
        """Return the error of an action: a repair has one of its own."""
        return DefinitionError(
            '"repair" changes rows; its action cannot be changed',
            hint='Add a rule of another kind to judge them, and leave "on_breach" out here.',
            location=self.place("on_breach"),
        )

    def expected(self) -> str:
        """Return the steps, in words."""
        return f"{self.column} repaired before it is judged"

    @property
    def others(self) -> tuple[str, ...]:
        """Columns that it names besides the one that it is under."""
        return self.expression.columns if self.expression else ()

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """Every expression over a row that it holds."""
        return (*((self.expression,) if self.expression else ()), *super().expressions)
