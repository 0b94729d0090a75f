"""Functions whose conditions depend on settings of a session are given settings of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydantic import BaseModel

from pgslo import sql
from pgslo.catalog import Column, Relation
from pgslo.definition.rules import Rule
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
    parts = tuple(stated)
    types: dict[str, str] = {}
    for relation in relations:
        for column in relation.columns:
            # Columns of the same name in two tables count as both.
            types[column.name] = f"{types.get(column.name, '')} {column.base_type}"
    named = {name for part in parts if isinstance(part, Rule) for name in part.paths}
    inside = (
        one.inside.settings for of in relations for one in of.inside if one.inside and one.name in named
    )
    return session.settings((one for part in parts for one in expressions(part)), types).union(*inside)


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
    found = tuple(columns)
    types = {one.base_type for one in found}
    floats = types & {"real", "double precision"}
    inside = (one.inside.settings for one in found if one.inside is not None)
    printed: frozenset[Settings] = session.of_types(types - floats).union(*inside)
    return printed | frozenset({"digits"}) if floats else printed
