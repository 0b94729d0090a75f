"""What moved in a database since a definition was applied, and what to do about it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pgslo import naming
from pgslo.catalog import Forgery, Installed, ViewSchema, identity
from pgslo.compile.views import schemas as view_schemas
from pgslo.plan.drift import observation, rights
from pgslo.plan.drift.findings import Facts, Finding, What


def find(
    facts: Facts, installed: Sequence[Installed], pauses: Sequence[Mapping[str, Any]] = ()
) -> tuple[Finding, ...]:
    """Everything that moved for one definition.

    Args:
        facts: The table then and now.
        installed: What pgslo generated, as it is now.
        pauses: The pauses in force.
    """
    name = facts.definition
    if facts.is_replaced:
        return (_replaced(facts),)
    if facts.table_name is None:
        to_do = (
            f"if it was dropped for good: pgslo uninstall {name}; if it is re-created: pgslo apply after that"
        )
        return (Finding(name, "gone", name, f"the table of {name} was dropped", to_do),)
    if facts.applied_objects is None:
        said = "it was applied by a version that kept no notes, so nothing can be compared"
        return (
            Finding(name, "unknown", name, said, "pgslo apply", is_hint=True),
            *observation.find(facts, pauses),
        )
    paused = any(pause["definition"] == name for pause in pauses)
    return (
        *_table(facts),
        *rights.find(facts),
        *_objects(facts, installed, paused=paused),
        *_aside(facts, installed),
        *_native(facts, installed),
        *_others(facts),
        *_moved(facts),
        *_columns(facts),
        *_conversions(facts),
        *observation.find(facts, pauses),
    )


def find_snapshots(rows: Sequence[Mapping[str, Any]]) -> tuple[Finding, ...]:
    """Snapshots whose rows were deleted, can be changed, or can be read by roles that may not read their view any more.

    Args:
        rows: Of ``sql/catalog/snapshot_drift.sql``.
    """
    return tuple(
        Finding(
            row["definition"],
            "snapshot",
            f"snapshot {row['name']}",
            row["said"],
            row["to_do"]
            or f"pgslo snapshot verify {row['name']} shows whether its rows are unchanged; pgslo snapshot drop {row['name']} forgets it",
        )
        for row in rows
    )


def find_schemas(schemas: Iterable[ViewSchema]) -> tuple[Finding, ...]:
    """Schemas of guarded views in which other roles can replace the views."""
    return tuple(
        Finding(
            one.definition, "schema", f"schema {one.schema}", f"{fault.message}: {fault.detail}", fault.hint
        )
        for one in schemas
        for fault in view_schemas.faults(one)
    )


def find_forgeries(forgeries: Iterable[Forgery]) -> tuple[Finding, ...]:
    """Objects whose comment claims that they are pgslo's; a hint, because every role can write such a comment."""
    return tuple(
        Finding(
            one.definition,
            "forged",
            f"{one.kind} {one.identity}",
            f"its comment says that pgslo generated it, but its owner is {one.owner}; pgslo ignores it",
            f"ask {one.owner} to remove the comment",
            is_hint=True,
        )
        for one in forgeries
    )


def find_irregular(rules: Iterable[Mapping[str, Any]]) -> tuple[Finding, ...]:
    """Rules that expected batches and expect none any more; a hint, because the table's loads may have changed.

    Args:
        rules: Of ``sql/catalog/irregular.sql``.
    """
    return tuple(
        Finding(
            one["definition"],
            "unknown",
            f"rule {one['rule']}",
            f"batches do not come regularly since {one['since']:%Y-%m-%d %H:%M}: one that does not come is not reported",
            "look for batches on odd days; write how often batches come into the definition, if that is known",
            is_hint=True,
        )
        for one in rules
    )


def unguarded(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Those after which writes are judged no longer, or readers have no guarded view, or one with rows of others."""
    return tuple(
        one
        for one in found
        if one.what in ("gone", "table replaced", "not in force", "no rights", "unarmed", "row security")
        or (
            one.what in ("missing", "foreign")
            and (one.not_in_force or one.thing.startswith(("trigger ", "view ")))
        )
    )


def _replaced(facts: Facts) -> Finding:
    former = "the one that was guarded was dropped"
    if facts.table_name is not None:
        former = f"the one that was guarded is called {facts.table_name} now, and guarded views read that"
    return Finding(
        facts.definition,
        "table replaced",
        facts.definition,
        f"another table has its name by now; {former}",
        "pgslo apply guards this one; its first rows were not evaluated by rules over rows",
    )


def _table(facts: Facts) -> Iterator[Finding]:
    if facts.table_name not in (facts.definition, None):
        kept = "its rules are kept all the same"
        if facts.asserts:
            kept += ", but for assertions: they look rows up by the old name and let every write through"
        yield Finding(
            facts.definition,
            "table renamed",
            str(facts.table_name),
            f"the table is called {facts.table_name} now; {kept}",
            f"write table: {facts.table_name} into its definition, then pgslo apply: history, incidents and quarantine stay",
        )


def _renamed(
    installed: Sequence[Installed], then: Mapping[str, Any], relation: Sequence[str] | None
) -> str | None:
    """The name that a trigger has by now, whose fingerprint is in its comment."""
    place, mark = tuple(relation or ()), (then["kind"], then["fingerprint"])
    its = (one for one in installed if one.kind == "trigger" and not one.names[0].startswith("pgslo_"))
    return next(
        (one.names[0] for one in its if one.relation == place and (one.kind, one.fingerprint) == mark), None
    )


def _objects(facts: Facts, installed: Sequence[Installed], *, paused: bool) -> Iterator[Finding]:
    renamed = {facts.applied_name: facts.table_name}
    now = {(one.kind, one.names, one.relation): one for one in installed}
    again = "pgslo plan shows how it comes back, pgslo apply does it"
    for then in facts.applied_objects or ():
        if then["kind"] == "view" and then["names"][-1].startswith(naming.ASIDE):
            continue  # goes with what depends on it, as it should
        relation = then["relation"]
        if relation and ".".join(relation) in renamed:
            relation = _split(renamed[".".join(relation)], relation)
        names = tuple(then["names"])
        thing = f"{then['kind']} {identity(names, tuple(relation) if relation else None)}"
        one = now.get((then["kind"], names, tuple(relation) if relation else None))
        if relation and list(relation) in facts.lost_tables and ".".join(relation) != facts.applied_name:
            continue  # reported once, for the table; a partition that is dropped takes its triggers along, as it should
        if relation and list(relation) in facts.left_partitions:
            continue  # the table's rules do not rest on it; its remaining triggers are reported as such
        other = _renamed(installed, then, relation) if one is None else None
        if other is not None:
            said = f"it is called {other} now; triggers fire in the order of their names"
            yield Finding(facts.definition, "trigger renamed", thing, said, again)
        elif one is None:
            if then["kind"] != "not_null" or names[0] in {column["name"] for column in facts.columns or ()}:
                yield Finding(
                    facts.definition,
                    "missing",
                    thing,
                    "it was dropped",
                    observation.to_restore(facts, names[0], again),
                )
        elif one.fingerprint != then["fingerprint"]:
            yield Finding(facts.definition, "foreign", thing, "an object of another role has its name", again)
        elif one.owner != (then.get("owner") or one.owner):
            said = f"it belongs to role {one.owner} now, and runs with the rights of that role"
            yield Finding(facts.definition, "other owner", thing, said, again)
        elif then.get("fires_always") and not one.fires_always and one.enabled:
            if names[0] in {trigger for _, trigger in facts.switched_off}:
                continue  # its clone on a partition is reported
            said = "it no longer fires where session_replication_role is replica, as for a subscription"
            yield Finding(facts.definition, "switched off", thing, said, again)
        elif one.body is not None and _digest(one.body) != then["body"] and not paused:
            yield Finding(facts.definition, "edited", thing, "its body was edited by hand", again)


def _aside(facts: Facts, installed: Sequence[Installed]) -> Iterator[Finding]:
    """Views that were replaced, and are kept because other objects depend on them."""
    for one in installed:
        if (
            one.definition == facts.definition
            and one.kind == "view"
            and one.names[-1].startswith(naming.ASIDE)
        ):
            said = "it was replaced, and no role may read it"
            if one.dependants:
                said += f"; it is kept because others depend on it: {', '.join(one.dependants)}"
            to_do = "once these are dropped, or read the view that took its place, pgslo apply drops it"
            yield Finding(facts.definition, "set aside", f"view {one.identity}", said, to_do, is_hint=True)


def _native(facts: Facts, installed: Sequence[Installed]) -> Iterator[Finding]:
    """Rules that PostgreSQL is to enforce alone, and does not; a missing object of pgslo's is reported as such."""
    there = {(one.kind, one.names) for one in installed}
    for rule, said, to_do, made in facts.faults:
        if made is None or (made["kind"], tuple(made["names"])) in there:
            yield Finding(facts.definition, "not in force", f"rule {rule}", said, to_do)


def _lost(facts: Facts) -> list[list[str]]:
    """Tables besides its own and its partitions that triggers stood on and that are not there under their names."""
    return [
        list(one)
        for one in facts.lost_tables
        if ".".join(one) != facts.applied_name and one not in facts.applied_partitions
    ]


def _others(facts: Facts) -> Iterator[Finding]:
    """Tables besides its own, and their columns that assertions depend on."""
    then = [one["relation"] for one in facts.applied_objects or () if one["kind"] == "trigger"]
    new = [".".join(one) for one in facts.other_tables if list(one) not in then]
    for lost in _lost(facts):
        thing = f"table {'.'.join(lost)}"
        if len(new) == 1:
            said = f"it is called {new[0]} now; objects that depend on it are not checked, and writes succeed"
            to_do = f"write {new[0]} into the definition, then pgslo apply"
            yield Finding(facts.definition, "table renamed", thing, said, to_do)
        else:
            said = "it was dropped or renamed, together with its triggers for this definition"
            to_do = "pgslo plan says what no longer fits"
            yield Finding(facts.definition, "gone", thing, said, to_do)
    for table, column in facts.lost_columns:
        said = "it was dropped or renamed; assertions that depend on it are not checked, and writes succeed"
        to_do = "pgslo plan shows its location in the definition; write its new name, then pgslo apply"
        yield Finding(facts.definition, "column gone", f"column {column} of {table}", said, to_do)


def _moved(facts: Facts) -> Iterator[Finding]:
    """Relations that its rules read by name, and that were changed."""
    lost = [".".join(one) for one in _lost(facts)]
    for name, said in facts.moved_relations:
        if name not in lost:
            what: What = "other owner" if said.startswith("belongs") else "foreign"
            told = f"it {said}; rules that read it are not evaluated until the definition is applied again"
            yield Finding(facts.definition, what, f"relation {name}", told, "pgslo plan, then pgslo apply")


def _split(table: str | None, former: Sequence[str]) -> list[str]:
    """The parts of a table's new name: a name may hold dots, and renaming changes one part at a time."""
    text = str(table)
    if text.startswith(f"{former[0]}."):
        return [former[0], text.removeprefix(f"{former[0]}.")]
    return [text.removesuffix(f".{former[1]}"), former[1]]


def _digest(body: str) -> str:
    return hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()


def _columns(facts: Facts) -> Iterator[Finding]:
    was, now = facts.applied_columns or (), facts.columns or ()
    # A dump gives tables and columns new numbers; whatever else is done to a table, a column keeps its number.
    is_restored = {column.get("table") for column in was} != {column["table"] for column in now}
    kept = "name" if is_restored else "number"
    found = {column[kept]: column for column in now}
    for then in was:
        if then["name"] not in facts.used_columns:
            continue
        column = found.get(then[kept])
        thing = f"column {then['name']}"
        if column is None:
            to_do = "take its rules out of the definition, then pgslo apply"
            yield Finding(
                facts.definition,
                "column gone",
                thing,
                "it was dropped; its rules are no longer judged",
                to_do,
            )
            continue
        if column["name"] != then["name"]:
            to_do = f"write {column['name']} into the definition, then pgslo apply"
            said = f"it is called {column['name']} now; writes succeed, and its rules are not evaluated"
            yield Finding(facts.definition, "column renamed", thing, said, to_do)
        if column["type"] != then["type"]:
            said = f"its type was {then['type']} and is {column['type']}"
            to_do = "pgslo plan shows whether its rules still fit, pgslo apply creates them again"
            yield Finding(facts.definition, "column retyped", thing, said, to_do)


def _conversions(facts: Facts) -> Iterator[Finding]:
    """Owners, casts and domain constraints of the columns' types that were not there at the last apply.

    Generated functions convert values by output functions alone, but an owner that is new may define casts that run in
    expressions, and an implicit cast can keep PostgreSQL from choosing an operator.
    """
    then = {column["name"]: column.get("conversions", ()) for column in facts.applied_columns or ()}
    for column in facts.columns or ():
        if "conversions" not in column:
            return  # not looked up
        new = sorted(set(column["conversions"]) - set(then.get(column["name"], column["conversions"])))
        if new:
            yield Finding(
                facts.definition,
                "type changed",
                f"column {column['name']}",
                f"its type has since the last apply: {', '.join(new)}",
                "pgslo plan shows whether its rules still fit; ask that role for its purpose",
                is_hint=not any(one.startswith("type ") for one in new),
            )
