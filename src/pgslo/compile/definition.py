"""From a definition and the facts of a database to the objects that enforce it: passes, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pgslo.catalog import Catalog
from pgslo.compile import placement
from pgslo.compile.artifact import Artifact
from pgslo.compile.assertions.triggers import assertions
from pgslo.compile.batches.measures import rules_over_batches
from pgslo.compile.batches.outboxes import outbox_table
from pgslo.compile.batches.triggers import statements
from pgslo.compile.batches.unjudged import unjudged
from pgslo.compile.choice import Choice
from pgslo.compile.notes import notes
from pgslo.compile.owners import for_owner
from pgslo.compile.part import Chooses, Makes, Part, Probe, Validation
from pgslo.compile.predictions.metrics import pair
from pgslo.compile.predictions.post_processing import post_process
from pgslo.compile.registration import registration
from pgslo.compile.rows.choices import rules_over_rows
from pgslo.compile.rows.lookups import lookups
from pgslo.compile.rows.repairs import repairs
from pgslo.compile.rows.triggers import row_triggers
from pgslo.compile.table import keys, reading
from pgslo.compile.table.context import TableContext
from pgslo.compile.views import guarded, shards
from pgslo.definition.rules import Definition
from pgslo.errors import DefinitionError, Problems


@dataclass(frozen=True)
class Compiled:
    """What a definition comes to.

    Attributes:
        artifacts: In the order in which they are to be made, among those of a kind.
        choices: How each rule is enforced, and why.
        probes: What PostgreSQL has to accept.
        notes: Advice for the author that is not an error.
        validations: Checks of existing rows before it is applied.
        told: The registration of the definition, by field.
        reads_others: Whether reading its relations may run code of another role.
    """

    definition: Definition
    artifacts: tuple[Artifact, ...]
    choices: tuple[Choice, ...]
    probes: tuple[Probe, ...]
    notes: tuple[str, ...]
    validations: tuple[Validation, ...] = ()
    told: Mapping[str, Any] = field(default_factory=dict)
    reads_others: bool = False


def _check(table: TableContext, chosen: Part, problems: Problems) -> None:
    """Hold the definition as a whole against the database."""
    definition, catalog = table.definition, table.catalog
    problems.extend(_unknown_columns(table))
    problems.extend(keys.check(definition))
    problems.extend(reading.check(definition, catalog))
    problems.extend(placement.check(definition, catalog, chosen.choices))


def guarded_views(table: TableContext, so_far: Part) -> Part:
    """Make the views that people read."""
    learned, asserted = (
        frozenset(name for told in so_far.rules if told[key] == value for name in told["columns"])
        for key, value in (("kind", "learned"), ("scope", "assertion"))
    )
    made = guarded.artifacts(
        table.definition, table.catalog, table.relation, table.key, table.batching, learned, asserted
    )
    told = {"told": shards.told_name(table.definition)} if table.shards is not None else {}
    return Part(artifacts=made, registered=told)


#: The passes that choose how rules are enforced and, where none of them finds an error, those that make what does it.
CHOOSING: tuple[Chooses, ...] = (rules_over_rows, rules_over_batches, assertions)
MAKING: tuple[Makes, ...] = (
    lookups,
    for_owner,
    post_process,
    repairs,
    row_triggers,
    statements,
    unjudged,
    outbox_table,
    notes,
    pair,
    guarded_views,
    registration,
)


def compile_definition(definition: Definition, catalog: Catalog) -> Compiled:
    """Work out what a definition needs in this database.

    Raises:
        DefinitionErrors: All that does not fit: tables, columns, types, keys, mechanisms.
    """
    problems = Problems()
    with problems.collecting():
        table = TableContext.of(definition, catalog)
        chosen, made = Part(), Part()
        for choose in CHOOSING:
            chosen += choose(table, problems)
        _check(table, chosen, problems)
        problems.check()
        for make in MAKING:
            with problems.collecting():
                made += make(table, chosen + made)
        artifacts = (*made.artifacts, *chosen.artifacts)
        problems.extend(placement.check_triggers(table.definition, catalog, artifacts))
        problems.check()
        return _compiled(table, made, chosen)
    problems.check()
    raise AssertionError("what ends the passes is an error of the definition")


def _compiled(table: TableContext, made: Part, chosen: Part) -> Compiled:
    definition, catalog = table.definition, table.catalog
    artifacts = (*made.artifacts, *chosen.artifacts)
    reads_others = reading.reads_others(definition, table.relation, catalog)
    unchecked: tuple[str, ...] = ()
    if reads_others and chosen.validations:
        # A plan would run the code of others with the rights of the planning role.
        unchecked = ("assertions are checked against existing rows by apply, not by the plan",)
    place = {rule.name: n for n, rule in enumerate((*definition.rules, *definition.assertions))}
    return Compiled(
        definition,
        artifacts,
        tuple(sorted(chosen.choices, key=lambda choice: place[choice.rule.name])),
        (*chosen.probes, *made.probes),
        (
            *made.notes,
            *unchecked,
            *chosen.notes,
            *(one.note for one in artifacts if one.note),
            *reading.hazards(definition, table.relation, catalog),
            *placement.notes(definition, catalog),
        ),
        () if reads_others else chosen.validations,
        made.registered,
        reads_others=reads_others,
    )


def _unknown_columns(table: TableContext) -> Iterator[DefinitionError]:
    """Yield an error for each column that is named where no rule looks it up, and that the table has not."""
    definition = table.definition
    named = (
        *((name, f"columns.{name}") for name in definition.listed),
        *((name, "unwatched") for name in definition.unwatched),
    )
    for name, place in named:
        try:
            table.subject.column(name, definition.place(place))
        except DefinitionError as error:
            yield error
