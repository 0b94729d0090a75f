"""Keeps ``alembic revision --autogenerate`` from dropping what pgslo put into the database.

Autogenerate compares the whole database with a model. The model knows neither pgslo's schemas nor what rules add to the
model's own tables: unique indexes, foreign keys, exclusion constraints, NOT NULL.

With Alembic 1.18 or newer nothing has to be done where pgslo is installed beside it: `setup` is its entry point. With
an older Alembic, pass `process_revision_directives` to ``context.configure``. `include_name` and `include_object` spare
Alembic the reading of pgslo's tables, and serve other tools that take hooks of these two forms.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Literal

from alembic.operations import ops
from sqlalchemy import Connection, text

from pgslo import assets, naming

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.migration import MigrationContext
    from alembic.runtime.plugins import Plugin
    from alembic.util import PriorityDispatchResult
    from sqlalchemy.schema import SchemaItem

_log = logging.getLogger(__name__)

#: How the names of indexes and constraints begin that rules add to tables.
_PREFIX = "pgslo__"

_OURS = naming.RESERVED_SCHEMAS - {"information_schema"}


def include_name(
    name: str | None,
    type_: Literal[
        "schema",
        "table",
        "column",
        "index",
        "unique_constraint",
        "foreign_key_constraint",
        "check_constraint",
    ],
    parent_names: MutableMapping[str, str | None],
) -> bool:
    """Whether Alembic may read an object: false for pgslo's schemas and tables, and for the indexes and constraints of rules."""
    if type_ == "schema":
        return name not in _OURS
    if parent_names.get("schema_name") in _OURS:
        return False
    return type_ in {"table", "column"} or not (name or "").startswith(_PREFIX)


def include_object(
    object_: SchemaItem,
    name: str | None,
    type_: str,
    reflected: bool,  # noqa: FBT001 - Alembic passes it by place
    compare_to: SchemaItem | None,
) -> bool:
    """Whether Alembic may compare an object: false for pgslo's objects, which only the database has.

    NOT NULL of a column cannot be determined here: `setup` and `process_revision_directives` leave it alone.
    """
    if not reflected or compare_to is not None:
        return True
    table = object_ if type_ == "table" else getattr(object_, "table", None)
    if getattr(table, "schema", None) in _OURS:
        return False
    return type_ in {"table", "column"} or not (name or "").startswith(_PREFIX)


def process_revision_directives(
    context: MigrationContext, _revision: object, directives: list[ops.MigrationScript]
) -> None:
    """Take out of a revision what would drop or undo something of pgslo's; for Alembic before 1.18."""
    for script in directives:
        for upgrade, downgrade in zip(script.upgrade_ops_list, script.downgrade_ops_list, strict=True):
            if _spare(upgrade, context.connection):
                upgrade.reverse_into(downgrade)


def setup(plugin: Plugin) -> None:
    """Register two comparisons: one leaves out pgslo's schemas, one takes back what the others found about pgslo."""
    from alembic.util import DispatchPriority, PriorityDispatchResult  # Alembic before 1.18 has neither

    def before(
        _context: AutogenContext, _upgrade: ops.UpgradeOps, schemas: set[str | None]
    ) -> PriorityDispatchResult:
        schemas -= _OURS
        return PriorityDispatchResult.CONTINUE

    def after(
        context: AutogenContext, upgrade: ops.UpgradeOps, _schemas: set[str | None]
    ) -> PriorityDispatchResult:
        _spare(upgrade, context.connection)
        return PriorityDispatchResult.CONTINUE

    plugin.add_autogenerate_comparator(before, "schema", "pgslo", priority=DispatchPriority.FIRST)
    plugin.add_autogenerate_comparator(after, "schema", "pgslo", priority=DispatchPriority.LAST)


class _Findings:
    """What Alembic found to differ in one database."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def without_ours(self, container: ops.OpContainer) -> bool:
        """Take out what would drop or undo something of pgslo's; whether there was any."""
        before = container.ops
        found = False
        container.ops = []
        for op in before:
            if isinstance(op, ops.OpContainer):
                found = self.without_ours(op) or found
                if not op.is_empty():
                    container.ops.append(op)
            elif isinstance(op, ops.AlterColumnOp) and self._is_held(op):
                found = True
                op.modify_nullable = None
                if op.has_changes():
                    container.ops.append(op)
            elif _is_ours(op):
                found = True
            else:
                container.ops.append(op)
        return found

    def _is_held(self, op: ops.AlterColumnOp) -> bool:
        """Whether a column would lose NOT NULL though a rule rests on it."""
        if not op.modify_nullable:
            return False
        schema = op.schema or self._connection.dialect.default_schema_name
        if (f"{schema}.{op.table_name}", op.column_name) not in self._not_null:
            return False
        _log.info("Column %s.%s stays NOT NULL: a rule of pgslo rests on it", op.table_name, op.column_name)
        return True

    @functools.cached_property
    def _not_null(self) -> set[tuple[str, str]]:
        """Columns that rules hold to NOT NULL: definition and column."""
        keeper = self._connection.execute(text(_query("rules_keeper"))).first()
        if keeper is None:
            return set()
        owner, is_trusted = keeper
        if not is_trusted:
            # A role that may create schemas may have made this one: a view runs functions as the role that reads it.
            _log.warning(
                "pgslo.rule belongs to role %s and is not read: which columns rules hold to NOT NULL is not known. Run Alembic as that role",
                owner,
            )
            return set()
        return {
            (definition, column)
            for definition, column in self._connection.execute(text(_query("held_not_null")))
        }


def _query(name: str) -> str:
    return (assets.tree("sql") / "catalog" / f"{name}.sql").read_text(encoding="utf-8")


def _is_ours(op: ops.MigrateOperation) -> bool:
    match op:
        case ops.DropTableOp():
            return op.schema in _OURS
        case ops.DropIndexOp():
            return op.schema in _OURS or str(op.index_name).startswith(_PREFIX)
        case ops.DropConstraintOp():
            return op.schema in _OURS or str(op.constraint_name).startswith(_PREFIX)
        case _:
            return False


def _spare(upgrade: ops.UpgradeOps, connection: Connection | None) -> bool:
    if connection is None or connection.dialect.name != "postgresql":
        return False
    return _Findings(connection).without_ours(upgrade)
