"""The kinds of rule, one class each: what the author may say, and nothing about how it is enforced."""

from __future__ import annotations

import decimal
from datetime import timedelta
from typing import Any, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from pgslo.definition import names
from pgslo.definition.predictions import Columns, Labels, PostProcessing
from pgslo.errors import Location
from pgslo.expression import Expression, Query

OnBreach = Literal["warn", "flag", "quarantine", "repair", "reject"]
OnRead = Literal["warn", "insist", "refuse", "silent"]
Number = int | decimal.Decimal
#: A constant as the author wrote it; text also stands for dates and times, PostgreSQL reads it by the column's type.
Scalar = bool | int | decimal.Decimal | str
Operator = Literal["=", "<>", "<", "<=", ">", ">="]
#: Added up as rows come and go, so exact; a rule over one of them may reject.
TalliedName = Literal["mean", "stddev", "sum", "zero_share", "negative_share"]
#: Read from the batch's profile.
SampledName = Literal["min", "max", "median", "quantile", "distinct", "distinct_share", "top_share"]
StatisticName = TalliedName | SampledName
#: What is measured of predicted classes, of predicted numbers, of labels, and of predictions alone.
ClassMetric = Literal[
    "accuracy", "precision", "recall", "f1", "auc", "log_loss", "brier", "calibration_error"
]
NumberMetric = Literal["mae", "rmse", "mape", "bias"]
LabelMetric = Literal["label_coverage", "label_delay"]
EarlyMetric = Literal["default_share", "abstain_share", "expected_accuracy"]
MetricName = ClassMetric | NumberMetric | LabelMetric | EarlyMetric
OF_CLASSES, OF_NUMBERS = frozenset(get_args(ClassMetric)), frozenset(get_args(NumberMetric))
#: Known without any label.
EARLY = frozenset(get_args(EarlyMetric))
DistanceName = Literal["psi", "js", "tv", "ks"]
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


class NotNull(Rule):
    """The column has a value."""

    kind = "not_null"


class Range(Rule):
    """The value lies between two bounds, which belong to the range; NaN and infinity never do."""

    kind = "range"
    min: Number | str | None = None
    max: Number | str | None = None


class AcceptedValues(Rule):
    """The value is one of a list."""

    kind = "accepted_values"
    values: tuple[Scalar, ...] = Field(min_length=1)


class NotAcceptedValues(Rule):
    """The value is none of a list."""

    kind = "not_accepted_values"
    values: tuple[Scalar, ...] = Field(min_length=1)


class Length(Rule):
    """The text has a length in characters between two bounds."""

    kind = "length"
    min: int | None = Field(default=None, ge=0)
    max: int | None = Field(default=None, ge=0)


class Pattern(Rule):
    """The text matches a POSIX regular expression, as PostgreSQL's ``~`` reads it."""

    kind = "pattern"
    matches: str
    ignore_case: bool = False


class Format(Rule):
    """The text is written in a well-known format."""

    kind = "format"
    format: FormatName


class ExpressionRule(Rule):
    """A condition over the row's own columns holds."""

    kind = "expression"
    expression: Expression

    @property
    def others(self) -> tuple[str, ...]:
        """Columns that it names besides the one that it stands under."""
        return self.expression.columns


class Compare(Rule):
    """Two columns of the row compare as stated; a NULL on either side passes."""

    kind = "compare"
    left: str
    operator: Operator
    right: str

    @property
    def others(self) -> tuple[str, ...]:
        """Columns that it names besides the one that it stands under."""
        return (self.left, self.right)


class References(Rule):
    """The value exists in another table; a NULL in any of the columns passes."""

    kind = "references"
    columns: tuple[str, ...] = Field(min_length=1)
    table: str
    to: tuple[str, ...] = Field(min_length=1)

    @property
    def relation(self) -> tuple[str, str]:
        """Schema and name of the other table as the catalogue spells them; ``table`` is how SQL writes it."""
        schema, name = names.split(self.table)
        return schema, name

    @property
    def others(self) -> tuple[str, ...]:
        """Columns that it names besides the one that it stands under."""
        return self.columns


class Unique(Rule):
    """No two rows have the same values in these columns; a NULL in any of them passes."""

    kind = "unique"
    columns: tuple[str, ...] = Field(min_length=1)

    @property
    def others(self) -> tuple[str, ...]:
        """Columns that it names besides the one that it stands under."""
        return self.columns


class Schema(Rule):
    """The table has these columns with these types."""

    kind = "schema"
    columns: dict[str, str] = Field(min_length=1)
    extra: Literal["allow", "forbid"] = "allow"


class Repair(Rule):
    """Wrong values are mended before the row is judged; the old value is kept.

    The steps run in the order of the attributes; ``default`` last, for NULL and NaN.
    """

    kind = "repair"
    on_breach: OnBreach = "repair"
    trim: bool = False
    lower: bool = False
    map: dict[str, Scalar | None] | None = None
    expression: Expression | None = None
    round: int | None = Field(default=None, ge=-10, le=15)
    clip: tuple[Number | str | None, Number | str | None] | None = None
    default: Scalar | None = None

    @property
    def others(self) -> tuple[str, ...]:
        """Columns that it names besides the one that it stands under."""
        return self.expression.columns if self.expression else ()


class Custom(Rule):
    """A kind of the organisation's own: the condition is what its template prints.

    Attributes:
        custom_kind: The template's stem.
        template: The template's text below its header.
        parameters: The author's values, checked against the header's declarations.
        columns: Other columns the rule is about, from parameters declared as columns.
        condition: What the template prints for these parameters, through the same gate as any expression.
    """

    kind = "custom"
    custom_kind: str
    template: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    columns: tuple[str, ...] = ()
    condition: Expression

    @property
    def others(self) -> tuple[str, ...]:
        """Columns that it names besides the one that it stands under."""
        return self.condition.columns


class BatchRule(Rule):
    """What is judged of a batch or of the table as a whole: one value, and the bounds that it is to keep.

    Attributes:
        min: Smallest value that meets it.
        max: Largest value that meets it.
    """

    min: float | None = None
    max: float | None = None

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
        """Every column that it reads; not those of its ``where``: a batch of these rows misses it whoever reads them."""
        return tuple(dict.fromkeys((*((self.column,) if self.column else ()), *self.others)))


class Completeness(BatchRule):
    """Enough of a batch's rows have a value."""

    kind = "completeness"


class RowCount(BatchRule):
    """A batch has so many rows, or so many for each row of earlier batches; or the whole table has so many.

    Attributes:
        of: What has the rows: ``batch`` or ``table``.
        relative_to: The earlier batches.
    """

    kind = "row_count"
    of: Literal["batch", "table"] = "batch"
    relative_to: str | None = None


class Freshness(BatchRule):
    """The table's newest data is not too old, or a column's values did not stop changing.

    Attributes:
        max_age: How old the newest data may be.
        of: The time column that tells; ``None``: when the table was last written to.
        max_unchanged: How many batches in a row may repeat a column's values.
    """

    kind = "freshness"
    max_age: timedelta | None = None
    of: str | None = None
    max_unchanged: int | None = None


class Statistic(BatchRule):
    """A statistic of a batch's values lies between two bounds."""

    kind = "statistic"
    of: StatisticName
    quantile: float | None = None


class Change(BatchRule):
    """A statistic or the number of rows changes by no more than so much from earlier batches."""

    kind = "change"
    of: str
    quantile: float | None = None
    relative_to: str = "previous"
    absolute: bool = False


class Drift(BatchRule):
    """A batch's values are distributed like those of earlier batches."""

    kind = "drift"
    by: DistanceName = "psi"
    relative_to: str = "previous"
    trained_on: tuple[str, str] | None = None


class Skew(BatchRule):
    """A batch's values are distributed like those of a column in another guarded table."""

    kind = "skew"
    by: DistanceName = "psi"
    table: str
    to: str


class NoGap(BatchRule):
    """Values follow each other without a step larger than so much."""

    kind = "no_gap"
    every: timedelta | int
    per: tuple[str, ...] = ()


class NoOverlap(BatchRule):
    """Spans from one column to another do not overlap; the end does not belong to a span."""

    kind = "no_overlap"
    start: str
    end: str
    per: tuple[str, ...] = ()

    @property
    def others(self) -> tuple[str, ...]:
        """Columns that it names besides the one that it stands under."""
        return (self.start, self.end)


class Monotonic(BatchRule):
    """Values only rise, or only fall, in the order of other columns."""

    kind = "monotonic"
    order: tuple[str, ...] = Field(min_length=1)
    per: tuple[str, ...] = ()
    direction: Literal["rising", "falling"] = "rising"
    strictly: bool = False


class SameAs(BatchRule):
    """Each row has a row with the same key and the same values in another table."""

    kind = "same_as"
    table: str
    on: tuple[str, ...] = Field(min_length=1)
    columns: tuple[str, ...] = ()

    @property
    def others(self) -> tuple[str, ...]:
        """Columns that it names besides the one that it stands under."""
        return self.columns or self.on


class QueryRule(BatchRule):
    """A query of the author's own returns no rows."""

    kind = "query"
    query: Query


class MlMetric(BatchRule):
    """The predictions of a batch are good enough, beyond what chance explains.

    Attributes:
        of: What is measured.
        over: How many batches are taken together, the judged one being the last.
        per: Columns by which it is measured apart: the worst group decides.
        confidence: Of the interval that has to be beyond the bound before the objective is missed.
        columns: Columns of the table that it is about: the score, and the class.
    """

    kind = "ml_metric"
    of: MetricName
    over: int = 1
    per: tuple[str, ...] = ()
    confidence: float = 0.95
    columns: tuple[str, ...] = ()

    @property
    def others(self) -> tuple[str, ...]:
        """Columns that it names besides the one that it stands under."""
        return self.columns


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


#: The kinds that come with pgslo, by the word that definitions use.
BUILT_IN: dict[str, type[Rule]] = {
    kind.kind: kind
    for kind in (
        NotNull,
        Range,
        AcceptedValues,
        NotAcceptedValues,
        Length,
        Pattern,
        Format,
        ExpressionRule,
        Compare,
        References,
        Unique,
        Schema,
        Repair,
        Completeness,
        RowCount,
        Freshness,
        Statistic,
        Change,
        Drift,
        Skew,
        NoGap,
        NoOverlap,
        Monotonic,
        SameAs,
        QueryRule,
        MlMetric,
    )
}


class Batch(BaseModel):
    """What a batch is: ``by`` an expression over a row, ``every`` interval of ``by`` or of the clock, or a statement.

    ``show_names`` has batches named by values that are neither times nor numbers; else a hash is their name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
    by: Expression | None = None
    every: timedelta | None = None
    show_names: bool = False
    location: Location


class WantedSnapshot(BaseModel):
    """A snapshot that a task needs: its name, or how names begin of which the newest counts (``delays_*``)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    snapshot: str
    max_age: timedelta | None = None


class Gate(BaseModel):
    """What has to hold before a task is trained, besides its columns being healthy now.

    Attributes:
        batches: How many of the newest judged batches have to be healthy.
        training: The snapshot that it is trained on.
        evaluation: The one that it is tried on, which may not end before the training set does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    batches: int = Field(default=1, ge=1)
    training: WantedSnapshot | None = None
    evaluation: WantedSnapshot | None = None


class Task(BaseModel):
    """A consumer: who reads which columns, through which view of its own.

    Attributes:
        window: How far back it looks: batches that are older concern it no more; ``None``: everything stored.
        batches: ``healthy``: its view shows rows of batches that miss nothing in its columns, and no others.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    contact: str | None = None
    reads: tuple[str, ...] = ()
    sql: str | None = None
    view: str | None = None
    on_read: OnRead = "warn"
    window: timedelta | None = None
    batches: Literal["all", "healthy"] = "all"
    gate: Gate | None = None
    location: Location
    places: dict[str, Location] = Field(default_factory=dict)

    def place(self, key: str) -> Location:
        """Where a key stands, or the task when it is not written out."""
        return self.places.get(key, self.location)

    @property
    def relation(self) -> tuple[str, str] | None:
        """Schema and name of its own view as the catalogue spells them; ``view`` is how SQL writes it."""
        if self.view is None:
            return None
        schema, name = names.split(self.view)
        return schema, name


class Definition(BaseModel):
    """One file: what is promised about one table.

    Attributes:
        schema_name: The table's schema as the catalogue spells it.
        table_name: The table's name likewise.
        key: Columns that name a row in messages; empty: the primary key is taken.
        keyless: Whether no columns tell rows apart: ``key: none``.
        writes: How rows arrive; ``None``: the compiler chooses and says why.
        fires: ``always``: triggers on its rows also fire for a subscription and where ``session_replication_role`` is replica.
        guarded: Schema of the guarded views.
        readers: Roles that may read the guarded views.
        enforce: False: none of its rules is enforced, and no reader refused.
        watch: Whether bounds are learned for columns that have none.
        unwatched: Columns that are left out of that.
        listed: Columns that are named without a rule.
        settle: How long after its last write a batch is taken as complete; ``None``: ten minutes.
        max_bytes: Bytes of rows that may wait in quarantine; a row beyond is rejected.
        target: Objective of each rule that has none of its own: share of batches, or of the time, that meet it.
        window: Over which the target is to be reached.
        budgeting: Whether batches are counted, or the time that they stand for.
        sensitivity: Divides every learned bound's width; 1 is the default.
        holidays: Days that are not like others: ``2026-11-26``, or ``12-25`` of each year.
        kind: ``predictions`` for a table of them.
        predictions: Which of its columns hold what.
        post_process: What is done to scores before anybody is served them.
        labels: Where the truth comes from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    schema_name: str
    table_name: str
    description: str | None = None
    owner: str | None = None
    key: tuple[str, ...] = ()
    keyless: bool = False
    writes: Literal["bulk", "stream"] | None = None
    fires: Literal["origin", "always"] = "origin"
    batch: Batch | None = None
    guarded: str = "guarded"
    readers: tuple[str, ...] = ()
    on_read: OnRead = "warn"
    enforce: bool = True
    watch: bool = True
    unwatched: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    settle: timedelta | None = None
    max_bytes: int = Field(default=2**30, gt=0)
    sensitivity: float = Field(default=1.0, gt=0)
    holidays: tuple[str, ...] = ()
    target: float | None = Field(default=None, ge=0, le=1)
    window: timedelta | None = None
    budgeting: Literal["occurrences", "time_slices"] = "occurrences"
    rules: tuple[Rule, ...] = ()
    assertions: tuple[Assertion, ...] = ()
    tasks: tuple[Task, ...] = ()
    kind: Literal["predictions"] | None = None
    predictions: Columns | None = None
    post_process: PostProcessing | None = None
    labels: Labels | None = None
    location: Location
    places: dict[str, Location] = Field(default_factory=dict)

    @property
    def name(self) -> str:
        """The table's name with its schema, as messages print it."""
        return f"{self.schema_name}.{self.table_name}"

    def place(self, key: str) -> Location:
        """Where the value of a key stands, or the file's start when it is not written out."""
        return self.places.get(key, self.location)
