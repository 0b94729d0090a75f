"""The columns that identify a table's rows in messages, and the parts of a definition that need them."""

from __future__ import annotations

from collections.abc import Iterator

from pgslo.catalog import Relation
from pgslo.compile.table.subject import Subject
from pgslo.definition.rules import Definition
from pgslo.errors import CatalogError, DefinitionErrors

_HINT = "name a key: key: [column, …]"


def of(definition: Definition, relation: Relation, subject: Subject) -> tuple[str, ...]:
    """Return the columns of the key; empty for key: none.

    Raises:
        DefinitionErrors: The key is missing, it contradicts the table, or its columns do not exist.
    """
    place = definition.places.get("key", definition.location)
    if definition.keyless:
        if relation.primary_key:
            raise DefinitionErrors(
                (
                    CatalogError(
                        f"{definition.name} has a primary key ({', '.join(relation.primary_key)}), and the definition says key: none",
                        hint="leave key out",
                        location=place,
                    ),
                )
            )
        return ()
    key = definition.key or relation.primary_key
    if not key:
        raise DefinitionErrors(
            (
                CatalogError(
                    f"{definition.name} has no primary key, and the definition names no key",
                    detail="A key identifies the row of a message.",
                    hint="add key: [column, …] to the definition, or key: none where no columns identify its rows",
                    location=definition.places.get("table", definition.location),
                ),
            )
        )
    errors = []
    for name in key:
        try:
            subject.stored(name, place)
        except CatalogError as error:
            errors.append(error)
    if errors:
        raise DefinitionErrors(tuple(errors))
    return key


def check(definition: Definition) -> Iterator[CatalogError]:
    """Yield an error for each part of a definition that needs a key, where it has key: none."""
    if not definition.keyless:
        return
    for rule in definition.rules:
        if rule.enabled and rule.on_breach == "quarantine":
            yield CatalogError(
                "quarantine needs a key, and the definition says key: none",
                detail="A row is released to the place that its key names.",
                hint=f"{_HINT}, or use on_breach: reject, warn or flag",
                location=rule.place("on_breach"),
            )
    for part in ("kind", "predictions", "labels", "post_process"):
        if part in definition.places:
            yield CatalogError(
                f"{part} needs a key, and the definition says key: none",
                detail="Predictions, their labels and the values of post-processing are identified by it.",
                hint=_HINT,
                location=definition.place(part),
            )
            return
