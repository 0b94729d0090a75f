"""Tasks: the columns that each reads, also where its SQL says so."""

from __future__ import annotations

from pgslo.catalog import Relation
from pgslo.definition.rules import Definition
from pgslo.errors import DefinitionError, DefinitionErrors
from pgslo.expression import columns_read


def with_reads(definition: Definition, relation: Relation) -> Definition:
    """The definition with what its tasks read in their SQL, besides what their author listed."""
    table = relation.name
    tasks, errors = [], []
    for task in definition.tasks:
        if task.sql is None:
            tasks.append(task)
            continue
        names = {(relation.schema, table)}
        names |= {(definition.guarded, table + suffix) for suffix in ("", "_strict", "_status", "_healthy")}
        if task.relation is not None:
            names.add(task.relation)
        try:
            read = columns_read(
                task.sql,
                names=names,
                columns=tuple(column.name for column in relation.columns),
                location=task.place("sql"),
            )
        except DefinitionError as error:
            errors.append(error)
            continue
        tasks.append(task.model_copy(update={"reads": tuple(dict.fromkeys((*task.reads, *read)))}))
    if errors:
        raise DefinitionErrors(tuple(errors))
    return definition.model_copy(update={"tasks": tuple(tasks)})
