"""A check of Soda inside of a data contract: a type with an operator, or a line of SodaCL."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pgslo.importing.formats.soda import contract, metrics, sodacl
from pgslo.importing.mapping.limits import Limits
from pgslo.importing.model import Found, Outcome, UnmappableError
from pgslo.importing.options import Options
from pgslo.importing.source import Mapping, Node, Sequence, UnreadableError, plain, read


def outcome(found: Found, implementation: Any, options: Options) -> Outcome:
    """Return what a check becomes.

    Raises:
        UnmappableError: No rule states it.
    """
    said = implementation
    if isinstance(said, str):
        try:
            nodes = read(said, path=found.location.path)
        except UnreadableError as error:
            raise UnmappableError("unclear", f"its text is not YAML: {error.message}") from None
        said = plain(nodes[0]) if nodes else None
    if isinstance(said, dict) and isinstance(said.get("type"), str):
        wanted = contract.limits_of(said)
        columns = said.get("columns") or (
            [said["column"]] if said.get("column") else [found.column] if found.column else []
        )
        try:
            own = options.resolve(found.table)
        except UnmappableError:
            own = None
        names = [str(one) for one in columns]
        return metrics.outcome(said["type"], names, wanted or Limits(0, 0), said, table=own, where=None)
    items = (
        next(iter(said.values()), None)
        if isinstance(said, dict) and str(next(iter(said), "")).startswith("checks for")
        else said
    )
    if isinstance(items, list) and len(items) == 1:
        items = items[0]
    if isinstance(items, str) or (isinstance(items, dict) and len(items) == 1):
        node = _node(items, found)
        inner = sodacl.found(node, found.table, None, options.variables)
        return sodacl.outcome(replace(found, body=inner.body), {found.table.name: found.table}, options)
    raise UnmappableError("unclear", "several checks of Soda in one entry")


def _node(item: Any, found: Found) -> Node:
    """A value as a node, at the place of its contract."""
    from pgslo.importing.source import Scalar

    if isinstance(item, dict):
        keys = {str(key): Scalar(str(key), str(key), found.location) for key in item}
        return Mapping({str(key): _node(value, found) for key, value in item.items()}, keys, found.location)
    if isinstance(item, list):
        return Sequence(tuple(_node(one, found) for one in item), found.location)
    return Scalar(item, "" if item is None else str(item), found.location)
