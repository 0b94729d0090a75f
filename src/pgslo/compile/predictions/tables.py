"""The table of predictions and that of labels, checked for the needs of metrics."""

from __future__ import annotations

from pgslo import sql
from pgslo.catalog import NUMERIC, Column
from pgslo.compile.snippets import literals
from pgslo.compile.table.column_types import check_operators
from pgslo.compile.table.subject import Subject
from pgslo.definition.rules.predictions import Columns, Labels
from pgslo.errors import CatalogError, Location


class Tables:
    """Predictions, and labels where there are any."""

    def __init__(self, columns: Columns, labels: Labels | None, subject: Subject) -> None:
        self.columns = columns
        self.labels = labels
        self.subject = subject
        self.classified = labels is not None and (labels.positive is not None or columns.decided is not None)
        self.label_subject = self._label_subject()
        self._check()

    def _label_subject(self) -> Subject | None:
        if self.labels is None:
            return None
        catalog = self.subject.catalog
        found = catalog.relations.get((self.labels.schema_name, self.labels.table_name))
        place = self.labels.place("table")
        if found is None:
            raise CatalogError(
                f"table {self.labels.schema_name}.{self.labels.table_name} does not exist", location=place
            )
        if found.kind not in ("r", "p") or found.is_partition:
            raise CatalogError(
                f"{found.schema}.{found.name} is not a table that fires a trigger for each of its rows",
                hint="name the table that labels are written to",
                location=place,
            )
        if found is self.subject.relation:
            raise CatalogError("labels come from a table of their own", location=place)
        return Subject(found, catalog)

    def own(self, name: str, location: Location) -> Column:
        """Return a column of the predictions.

        Raises:
            CatalogError: It does not exist, or triggers see no value of it.
        """
        column = self.subject.stored(name, location)
        check_operators(column, location)
        return column

    def _check(self) -> None:
        columns, labels = self.columns, self.labels
        score = self.own(columns.score, columns.place("score"))
        if score.category != NUMERIC or score.base_type == "money":
            raise CatalogError(
                f'column "{score.name}" of type {score.type} is not a score', location=columns.place("score")
            )
        if columns.at is not None:
            self._check_time(self.own(columns.at, columns.place("at")), columns.place("at"))
        if labels is None or self.label_subject is None:
            return
        other = self.label_subject
        for own, theirs in labels.on:
            one = self.own(own, labels.place("on"))
            two = other.column(theirs, labels.place("on"))
            check_operators(two, labels.place("on"))
            if one.category != two.category:
                raise CatalogError(
                    f'column "{own}" of type {one.type} cannot equal "{theirs}" of type {two.type}',
                    location=labels.place("on"),
                )
        self._check_lookup(self.subject, tuple(own for own, _ in labels.on))
        self._check_lookup(other, tuple(theirs for _, theirs in labels.on))
        label = other.column(labels.label, labels.place("label"))
        if not self.classified and (label.category != NUMERIC or label.base_type == "money"):
            raise CatalogError(
                f'column "{label.name}" of type {label.type} is not a number',
                hint='Name the class that counts as positive: "positive".',
                location=labels.place("label"),
            )
        if columns.decided is not None:
            decided = self.own(columns.decided, columns.place("class"))
            if decided.category != label.category:
                raise CatalogError(
                    f'class "{decided.name}" of type {decided.type} cannot equal label "{label.name}" of type {label.type}',
                    location=labels.place("label"),
                )
        for value in (*labels.classes, *((labels.positive,) if labels.positive is not None else ())):
            literals.constant(value, label, labels.place("positive"))
        if labels.at is not None:
            self._check_time(other.column(labels.at, labels.place("at")), labels.place("at"))
        elif not other.relation.has_unique(tuple(theirs for _, theirs in labels.on)):
            raise CatalogError(
                f"{other.relation.schema}.{other.relation.name} may hold two labels for one prediction",
                detail="No unique index says otherwise, and the newer of two is not known.",
                hint='Name the column that says when a label was known: "at".',
                location=labels.place("on"),
            )
        for name in labels.segments:
            self.own(name, labels.place("segments"))

    def _check_time(self, column: Column, location: Location) -> None:
        if column.base_type not in literals.DAYS:
            raise CatalogError(
                f'column "{column.name}" of type {column.type} is not a time',
                hint="a date or a time stamp is",
                location=location,
            )

    def _check_lookup(self, subject: Subject, columns: tuple[str, ...]) -> None:
        assert self.labels is not None
        if not subject.relation.has_lookup(columns):
            listed = ", ".join(str(sql.identifier(column)) for column in columns)
            name = sql.identifier(subject.relation.schema, subject.relation.name)
            raise CatalogError(
                f"{subject.relation.schema}.{subject.relation.name} has no index that finds rows by {', '.join(columns)}",
                detail="Pairs are completed by looking up the rows that changed; without an index that would read the whole table.",
                hint=f"CREATE INDEX CONCURRENTLY ON {name} ({listed})",
                location=self.labels.place("on"),
            )
