"""The columns by which a table's rows are told apart in messages, and what is not possible without any."""

from __future__ import annotations

from collections.abc import Iterator

from pgslo.catalog import Relation
from pgslo.compile.table.subject import Subject
from pgslo.definition.rules import Definition
from pgslo.errors import CatalogError, DefinitionErrors

_HINT = "name a key: key: [column, …]"


def of(definition: Definition, relation: Relation, subject: Subject) -> tuple[str, ...]:
    """Return the columns of the key; empty where the definition says that there is none.

    Raises:
        DefinitionErrors: There is no key, it contradicts the table, or its columns do not exist.
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
                    detail="A key tells people which row a message is about.",
                    hint="add key: [column, …] to the definition, or key: none where no columns tell its rows apart",
                    location=definition.places.get("table", definition.location),
                ),
            )
        )
    errors = []
    for name in key:
        try:
            subject.column(name, place)
        except CatalogError as error:
            errors.append(error)
    if errors:
        raise DefinitionErrors(tuple(errors))
    return key


def check(definition: Definition) -> Iterator[CatalogError]:
    """Yield an error for each part of a definition that needs a key, where it says that there is none."""
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
                detail="Predictions, their labels and what post-processing stores are told apart by it.",
                hint=_HINT,
                location=definition.place(part),
            )
            return
