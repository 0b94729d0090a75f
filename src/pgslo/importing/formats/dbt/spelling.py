"""Names of columns as the database spells them: other databases print in upper case what PostgreSQL keeps in lower case."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from pgslo.importing.formats.dbt.model import Project, Test
from pgslo.importing.model import Found, TableName, UnmappableError

#: Arguments of tests that name columns of the test's own table.
_OWN = frozenset(
    [
        "column_name", "combination_of_columns", "column_list", "column_A", "column_B", "column_a", "column_b", "lower_bound_column",
        "upper_bound_column", "partition_by",
    ]
)  # fmt: skip
#: The table that an argument names, and the argument that names a column of it.
_OTHER = {"to": "field"}


def respelled(found: Sequence[Found], project: Project) -> list[Found]:
    """Return checks with the names of columns that the database has in lower case, and not as the source writes them."""
    return list(found) if project.options.find is None else [_respelled(each, project) for each in found]


def _respelled(found: Found, project: Project) -> Found:
    own = _spelling(project.own(found.table), project)
    for name in [name for name in found.table.column_types if own(name) != name]:
        found.table.column_types[own(name)] = found.table.column_types.pop(name)
    body = found.body
    if isinstance(body, Test):
        arguments = {
            key: _each(value, own) if key in _OWN else value for key, value in body.arguments.items()
        }
        for to, field in _OTHER.items():
            if isinstance(arguments.get(to), str) and isinstance(arguments.get(field), str):
                arguments[field] = _spelling(_named(arguments[to], project), project)(arguments[field])
        body = replace(body, column=None if body.column is None else own(body.column), arguments=arguments)
    column = None if found.column is None else own(found.column)
    return replace(found, column=column, body=body)


def _each(value: Any, spell: Callable[[str], str]) -> Any:
    if isinstance(value, list):
        return [_each(one, spell) for one in value]
    return spell(value) if isinstance(value, str) else value


def _named(text: str, project: Project) -> TableName | None:
    try:
        return project.other(text)
    except UnmappableError:
        return None


def _spelling(table: TableName | None, project: Project) -> Callable[[str], str]:
    relation = project.options.find(table) if table is not None and project.options.find is not None else None
    columns = {column.name for column in relation.columns} if relation is not None else set()

    def spell(name: str) -> str:
        return name.lower() if name not in columns and name.lower() in columns else name

    return spell
