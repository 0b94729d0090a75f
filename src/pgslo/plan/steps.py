"""Wanted against installed: the steps between them, each with its lock, hazards and undo. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pgslo import naming, sql
from pgslo.catalog import Catalog, Installed, Name
from pgslo.compile import Artifact, Choice, Compiled, Statement, drop
from pgslo.compile.artifact import GRANTS_LOST, is_of_shards
from pgslo.compile.views import grants
from pgslo.errors import PlanError
from pgslo.plan import state, views
from pgslo.plan.differences import Difference, differences
from pgslo.sql import Sql

Action = Literal["create", "replace", "finish", "drop"]


@dataclass(frozen=True)
class Step:
    """One change of one object.

    Attributes:
        action: The change; ``finish`` completes what an earlier apply could not.
        kind: The kind of object.
        identity: Its name.
        definition: The definition it belongs to.
        statements: In order.
        undo: Statements that take the change back, in order; empty where the older form is not known.
        reason: Why this object, or why it changes.
        relation: The table of the object, if it has one.
    """

    action: Action
    kind: str
    identity: str
    definition: str
    statements: tuple[Statement, ...]
    undo: tuple[Statement, ...]
    reason: str
    relation: Name | None = None

    @property
    def lock(self) -> str:
        """The strongest table lock, or an empty text."""
        return max((statement.lock for statement in self.statements), key=_LOCKS.index, default="")

    @property
    def hazards(self) -> tuple[str, ...]:
        """What can go wrong or take long."""
        return tuple(dict.fromkeys(hazard for statement in self.statements for hazard in statement.hazards))


_LOCKS = ("", "ACCESS SHARE", "SHARE UPDATE EXCLUSIVE", "SHARE ROW EXCLUSIVE", "ACCESS EXCLUSIVE")


@dataclass(frozen=True)
class Plan:
    """The steps from the installed state to the definitions.

    Attributes:
        steps: In the order in which they run.
        state: Hash of what the plan was made for: the database as seen, and the definitions.
        runtime_scripts: Names of the runtime's scripts that have to run first.
        choices: How each rule is enforced and why, by definition.
        notes: What to know besides.
        differences: Differences between definitions and the installed state, in their own words.
    """

    steps: tuple[Step, ...]
    state: str
    runtime_scripts: tuple[str, ...] = ()
    choices: tuple[tuple[str, tuple[Choice, ...]], ...] = ()
    notes: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.steps and not self.runtime_scripts


#: Objects are created and dropped in this order: those that others depend on first.
_ORDER = (
    "schema",
    "function",
    "registration",
    "assertion",
    "table",
    "not_null",
    "unique_index",
    "foreign_key",
    "exclusion",
    "trigger",
    "view",
)

#: Objects that refer to their table by number, whatever its name: the others look their table up by name at each use.
_BY_IDENTITY = ("registration", "assertion", "view")


def make(compiled: Sequence[Compiled], catalog: Catalog, *, runtime_scripts: tuple[str, ...] = ()) -> Plan:
    """Plan the way to a set of definitions; what other definitions have installed is left alone.

    Args:
        compiled: The definitions, compiled for this catalogue.
        catalog: The database as it is.
        runtime_scripts: Runtime scripts that have to run first.

    Raises:
        PlanError: An object to be dropped has dependent objects of other roles.
    """
    wanted = {(one.kind, one.identity): one for each in compiled for one in each.artifacts}
    found = {(one.kind, one.identity): one for one in catalog.installed}
    ours = {each.definition.name for each in compiled}
    renamed = _renamed(compiled, catalog)
    ours |= set(renamed)
    orphans = [
        one
        for key, one in found.items()
        if key not in wanted
        and one.definition in ours
        and one.kind != "schema"
        and not (one.kind == "registration" and one.definition in renamed)
        and not (views.is_aside(one) and one.dependants)
    ]
    # Triggers of a renamed table, and views, are pointed elsewhere before the functions they called go.
    last = [one for one in orphans if one.kind == "function" or is_of_shards(one.kind, one.names)]

    steps = [*_revocations(compiled, catalog), *(_renaming(old, new) for old, new in renamed.items())]
    steps += [_removal(one, catalog) for one in sorted(orphans, key=_leaving) if one not in last]
    for artifact in sorted(wanted.values(), key=_position):
        is_replaced = artifact.definition in catalog.replaced and artifact.kind in _BY_IDENTITY
        installed = found.get((artifact.kind, artifact.identity))
        steps += _change(artifact, installed, catalog, is_replaced=is_replaced)
    steps += [_removal(one, catalog) for one in last]
    return Plan(
        steps=tuple(steps),
        state=state.hashed(catalog, map(_said, steps), runtime_scripts),
        runtime_scripts=runtime_scripts,
        choices=tuple((each.definition.name, each.choices) for each in compiled),
        notes=tuple(f"{each.definition.name}: {note}" for each in compiled for note in each.notes),
        differences=differences(compiled, catalog),
    )


def _revocations(compiled: Sequence[Compiled], catalog: Catalog) -> Iterator[Step]:
    """Steps that take views, and copies of their rows, from roles that are readers no longer: alone, so that a later failure does not keep their right.

    A REVOKE waits for no lock that a reader can hold.
    """
    renamed = _renamed(compiled, catalog)
    readers = {each.definition.name: each.definition.readers for each in compiled}
    for one in catalog.installed:
        definition = renamed.get(one.definition, one.definition)
        view = catalog.views.get(one.names) if one.kind == "view" else None
        if view is None or definition not in readers:
            continue
        roles, statements = grants.taken(one.names, view, readers[definition])
        if statements:
            yield Step(
                action="replace",
                kind="view",
                identity=one.identity,
                definition=definition,
                statements=statements,
                undo=(),
                reason=f"{', '.join(roles)} {'is' if len(roles) == 1 else 'are'} not among the readers any more",
            )


def _renamed(compiled: Sequence[Compiled], catalog: Catalog) -> dict[str, str]:
    """Definitions to be carried on under the names their tables have now."""
    names = {
        (each.definition.schema_name, each.definition.table_name): each.definition.name for each in compiled
    }
    renamed = {old: names[now] for now, old in catalog.renamed.items() if now in names}
    for old, new in renamed.items():
        if old in names.values():
            raise PlanError(
                f"{old} was renamed to {new}, and another table is to be guarded under its old name",
                hint=f"apply the definition of {new} alone first, then the other",
            )
    return renamed


def _renaming(old: str, new: str) -> Step:
    def rename(before: str, after: str) -> tuple[Statement, ...]:
        return (
            Statement(sql.render("rename_definition", _Renaming(sql.literal(before), sql.literal(after)))),
        )

    return Step(
        action="replace",
        kind="registration",
        identity=new,
        definition=new,
        statements=rename(old, new),
        undo=rename(new, old),
        reason=f"{old} was renamed to {new}; its history, incidents and quarantine stay",
    )


@dataclass(frozen=True)
class _Renaming:
    old: Sql
    new: Sql


def removal(catalog: Catalog, definitions: Iterable[str]) -> Plan:
    """Plan the way out for some definitions: everything generated goes, no row of a user's table does.

    Raises:
        PlanError: Objects of other roles depend on a guarded view.
    """
    leaving = set(definitions)
    gone = [one for one in catalog.installed if one.definition in leaving]
    staying = {
        one.names[0] for one in catalog.installed if one.kind == "view" and one.definition not in leaving
    }
    emptied = {one.names[0] for one in gone if one.kind == "view"} - staying
    # A schema that holds objects of others stays with them.
    gone += [
        one
        for one in catalog.installed
        if one.kind == "schema" and one.names[0] in emptied and not one.dependants
    ]
    steps = [_ahead(_removal(one)) for one in sorted(gone, key=_leaving)]
    return Plan(steps=tuple(steps), state=state.hashed(catalog, map(_said, steps), ()))


def _ahead(step: Step) -> Step:
    """The removal of a trigger on another table, such as a partition, before the others.

    Until the rest goes that table is not armed, as a new partition is not. What settles assertions goes with what notes
    for it: without it writes would be noted and never held.
    """
    stays = {step.definition, *(one.on for one in step.statements if _is_generated(one.on))}
    if step.kind != "trigger" or all(one.on in stays for one in step.statements):
        return step
    return replace(step, statements=tuple(replace(one, ahead=True) for one in step.statements))


def _is_generated(table: str) -> bool:
    return table.startswith(f"{naming.GENERATED_SCHEMA}.")


def _position(one: Artifact | Installed) -> int:
    return _ORDER.index(one.kind)


def _leaving(one: Installed) -> tuple[bool, int]:
    """Triggers go first: a reader of a view locks its table as well, so a view is free once the table is locked, and not the other way round."""
    return (one.kind != "trigger", -_position(one))


def _change(
    artifact: Artifact, installed: Installed | None, catalog: Catalog, *, is_replaced: bool
) -> list[Step]:
    if installed is None:
        statements = _commented(artifact)
        if artifact.apart:
            statements = tuple(replace(one, later=True, apart=True) for one in statements)
        return [_step("create", artifact, statements, artifact.reason)]
    is_another = artifact.kind == "assertion" and artifact.fingerprint != installed.fingerprint
    if not installed.validated and not is_another and (left := _unfinished(artifact)):
        return [_step("finish", artifact, left, "an earlier apply could not finish it")]
    reason = _difference(artifact, installed, is_replaced=is_replaced)
    comments = artifact.comments()
    view = catalog.views.get(artifact.names) if artifact.kind == "view" else None
    if reason is None and comments and installed.definition != artifact.definition:
        return [_step("replace", artifact, comments, "it belongs to the definition of the renamed table")]
    if reason is None:
        changed = artifact.comments(view.comment, view.column_comments) if view else ()
        return [_step("replace", artifact, changed, "comments of the table changed")] if changed else []
    if artifact.replaceable and not _is_owned_by_another(artifact, installed):
        return [_step("replace", artifact, (*artifact.create, *comments), reason)]
    if view is None:
        _refuse_dependants(installed)
        return [_step("replace", artifact, (*artifact.drop, *_commented(artifact)), reason)]
    if installed.owner == catalog.user and not is_replaced and views.keeps_columns(artifact, view):
        return [_step("replace", artifact, views.in_place(artifact, view), reason)]
    dropped = replace(views.drop(installed), hazards=(*views.hazards(installed), *grants.lost(view)))
    granted = grants.again(artifact, view, catalog.user)
    return [_step("replace", artifact, (dropped, *_commented(artifact), *granted), reason)]


def _is_owned_by_another(artifact: Artifact, installed: Installed) -> bool:
    """Whether a function has another owner than its table, or a table another one than pgslo: replaced, it would keep it."""
    return bool(artifact.owner and installed.owner and artifact.owner != installed.owner)


def _difference(artifact: Artifact, installed: Installed, *, is_replaced: bool) -> str | None:
    if _is_owned_by_another(artifact, installed):
        return f"it belongs to role {installed.owner}, and has to belong to role {artifact.owner}"
    if is_replaced:
        return "another table has the name now; it refers to the former one"
    if installed.fingerprint != artifact.fingerprint and artifact.kind != "not_null":
        return "the definition changed"
    if artifact.body is not None and installed.body is not None and artifact.body != installed.body:
        return "the function was edited"
    if not installed.enabled and artifact.kind == "foreign_key":
        return "it is NOT ENFORCED, or its triggers were disabled"
    if not installed.enabled and artifact.kind == "registration":
        return "a rule could not be judged; it fits the table again"
    if not installed.enabled:
        return "the trigger was disabled"
    if artifact.fires_always and not installed.fires_always:
        return "the trigger does not fire where session_replication_role is replica"
    return None


def _commented(artifact: Artifact) -> tuple[Statement, ...]:
    """The statements that make an object, its fingerprint written right after it exists."""
    first, *rest = artifact.create
    comments = artifact.comments()
    if first.later:
        comments = tuple(replace(one, later=True) for one in comments)
    return (first, *comments, *rest)


def _unfinished(artifact: Artifact) -> tuple[Statement, ...]:
    """The remaining steps: for a constraint to be validated its later statements, for an invalid index all again."""
    if artifact.kind == "unique_index":
        drop = tuple(Statement(one.text, one.lock, one.on, later=True) for one in artifact.drop)
        return (*drop, *_commented(artifact))
    return tuple(statement for statement in artifact.create if statement.later)


def _removal(installed: Installed, catalog: Catalog | None = None) -> Step:
    """The step that drops an object.

    Args:
        installed: The object.
        catalog: The database, where definitions are applied: then a view never stays for what depends on it.
    """
    if catalog is not None and installed.kind == "view":
        dropped = replace(views.drop(installed), hazards=(*views.hazards(installed), GRANTS_LOST))
        return replace(_dropping(installed), statements=(dropped,))
    _refuse_dependants(installed)
    return _dropping(installed)


def _dropping(installed: Installed) -> Step:
    return Step(
        action="drop",
        kind=installed.kind,
        identity=installed.identity,
        definition=installed.definition,
        statements=drop(
            installed.kind,
            installed.names,
            installed.relation,
            validated=installed.validated,
            refers_to=installed.refers_to,
            cloned=installed.cloned,
        ),
        undo=(),
        reason="no definition needs it any more",
        relation=installed.relation,
    )


def _step(action: Action, artifact: Artifact, statements: tuple[Statement, ...], reason: str) -> Step:
    undo = artifact.drop if action == "create" else ()
    return Step(
        action,
        artifact.kind,
        artifact.identity,
        artifact.definition,
        statements,
        undo,
        reason,
        artifact.relation,
    )


def _refuse_dependants(installed: Installed) -> None:
    if installed.dependants:
        raise PlanError(
            f"{installed.kind} {installed.identity} cannot be dropped because other objects depend on it",
            detail=f"It is used by {', '.join(installed.dependants)}.",
            hint="their owners, or a superuser, drop or repoint those first; objects in pg_temp go with the session that made them",
        )


def _said(step: Step) -> str:
    return f"{step.action} {step.kind} {step.identity} {''.join(statement.script for statement in step.statements)}"


def order_statements(plan: Plan) -> tuple[tuple[Step, Statement], ...]:
    """Every statement in the order in which it runs: those of one transaction are between those of their own."""
    both = [(step, statement) for step in plan.steps for statement in step.statements]
    ahead = [(step, statement) for step, statement in both if statement.ahead]
    early = [(step, statement) for step, statement in both if statement.early]
    later = [(step, statement) for step, statement in both if statement.later]
    return (*ahead, *early, *((s, t) for s, t in both if not (t.ahead or t.early or t.later)), *later)
