"""The condition under which a row passes a rule: its own, those rows that it is about, and look-ups through functions."""

from __future__ import annotations

from dataclasses import dataclass

from pgslo import naming, sql
from pgslo.catalog import Relation
from pgslo.compile.rows import kinds
from pgslo.compile.rows.kinds.base import Given, as_it_is
from pgslo.compile.table.subject import Subject
from pgslo.compile.table.trust import trusted
from pgslo.definition import rules
from pgslo.sql import Sql


@dataclass(frozen=True)
class _Call:
    function: Sql
    arguments: Sql


@dataclass(frozen=True)
class Lookup:
    """A condition about other rows, as a function of the values that it needs.

    Attributes:
        function: Its name, without the schema.
        types: Types of its arguments.
        values: Its arguments, where a row is judged, each with its type.
        condition: The condition over its arguments.
        owner: The role with whose rights it runs.
        pinned: The table that it looks up, if another role could put another relation in its place.
    """

    function: str
    types: Sql
    values: tuple[tuple[Sql, str], ...]
    condition: Sql
    owner: str
    pinned: Relation | None


class _Arguments:
    """Collects values and their types, and gives the parameter of each."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}

    def __call__(self, value: Sql, type_: str) -> Sql:
        self.found.setdefault(value.text, type_)
        return Sql(f"${list(self.found).index(value.text) + 1}")


@dataclass(frozen=True)
class Passes:
    """A condition, and the rows it is about."""

    condition: Sql
    where: Sql


def passes(
    rule: rules.Rule, subject: Subject, row: Sql, *, by_owner: bool = False, given: Given = as_it_is
) -> Sql:
    """The condition under which a row passes; unknown (NULL) passes, as in a check constraint.

    Args:
        rule: The rule.
        subject: Its table.
        row: How the row is called.
        by_owner: Whether it is evaluated with the rights of the table's owner, who may look rows up.
        given: Makes the text for a value of the row, in a condition that looks rows up.
    """
    kind = kinds.of(rule, subject)
    found = lookup(rule, subject, row)
    if by_owner and found is not None and found.pinned is None:
        found = None
    judged = kind.runtime_condition(row, given) if found is None else _called(found, given)
    if rule.where is None:
        return sql.render("passes", Passes(judged, Sql("")))
    return sql.render("passes_where", Passes(judged, rule.where.qualified(row)))


def lookup(rule: rules.Rule, subject: Subject, row: Sql) -> Lookup | None:
    """A condition that looks rows up, as a function, where another role could replace the table; ``None`` otherwise.

    A trigger runs with the rights of the role that applied it. It must not read relations that others can replace.

    Raises:
        CatalogError: The table that is referred to belongs to a role that can be given no function.
    """
    if not rule.looks_up:
        return None
    kind = kinds.of(rule, subject)
    pinned = kind.foreign_target()
    if pinned is None and not subject.is_of_another:
        return None
    given = _Arguments()
    stated = kind.runtime_condition(row, given)
    return Lookup(
        naming.fit(subject.relation.schema, subject.relation.name, f"lookup_{rule.name}"),
        Sql(", ".join(given.found.values())),
        tuple((Sql(value), type_) for value, type_ in given.found.items()),
        stated,
        pinned.owner if pinned and pinned.owner not in trusted(pinned, subject) else subject.relation.owner,
        pinned,
    )


def _called(found: Lookup, given: Given) -> Sql:
    arguments = sql.join(", ", (given(value, type_) for value, type_ in found.values))
    return sql.render(
        "lookup_call", _Call(sql.identifier(naming.GENERATED_SCHEMA, found.function), arguments)
    )
