"""Functions whose conditions depend on settings of a session are given settings of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydantic import BaseModel

from pgslo import sql
from pgslo.catalog import Column, Relation
from pgslo.expression import Expression, session
from pgslo.expression.session import Settings
from pgslo.sql import Sql

#: For functions that tick() alone calls, where a setting costs nothing that counts.
ALL: frozenset[Settings] = frozenset({"times", "texts", "indexes"})
#: For functions that look rows up: an index must return all of them.
LOOKUPS: frozenset[Settings] = frozenset({"indexes"})


@dataclass(frozen=True)
class _Function:
    function: Sql


def needed(stated: Iterable[object], *relations: Relation) -> frozenset[Settings]:
    """Return the settings that the expressions in these rules, steps or batches depend on.

    Args:
        stated: Parts of a definition; expressions are found wherever they are in it.
        relations: The tables whose columns they read.
    """
    types: dict[str, str] = {}
    for relation in relations:
        for column in relation.columns:
            # Columns of the same name in two tables count as both.
            types[column.name] = f"{types.get(column.name, '')} {column.base_type}"
    return session.settings((one for part in stated for one in expressions(part)), types)


def expressions(part: object) -> Iterator[Expression]:
    """Yield every expression in a part of a definition."""
    if isinstance(part, Expression):
        yield part
    elif isinstance(part, BaseModel):
        for value in part.__dict__.values():
            yield from expressions(value)
    elif isinstance(part, tuple | list):
        for value in part:
            yield from expressions(value)
    elif isinstance(part, dict):
        for value in part.values():
            yield from expressions(value)


def statements(function: Sql, settings: frozenset[Settings]) -> tuple[Sql, ...]:
    """Return what gives a function these settings, whatever the session has."""
    if "texts" in settings:
        settings -= {"digits"}
    return tuple(sql.render(f"session_{one}", _Function(function)) for one in sorted(settings, reverse=True))


def printed(columns: Iterable[Column]) -> frozenset[Settings]:
    """Return the settings that the text of these columns' values depends on."""
    types = {one.base_type for one in columns}
    floats = types & {"real", "double precision"}
    return session.of_types(types - floats) | (frozenset({"digits"}) if floats else frozenset())
