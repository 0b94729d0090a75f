"""A plan as text, as a script, and as data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pgslo import naming, sql
from pgslo.cli import output
from pgslo.compile import Statement
from pgslo.database import installation, runtime
from pgslo.database.installation import LOCK_TIMEOUT
from pgslo.definition import bounds
from pgslo.definition.rules import Rule
from pgslo.display import one_line
from pgslo.plan import Plan, Step, groups, order_statements
from pgslo.plan.differences import Difference

#: Text of an author or of a rule finds PostgreSQL's own operators and functions alone, whatever the session has set.
_PATH = "pg_catalog, pg_temp"
_COLOURS = {"+": "green", "-": "red", "~": "yellow"}
_RUNTIME = "install the runtime, schemas pgslo, pgslo_catalog and pgslo_gen"
_RIGHTS = "give the objects of the runtime the rights that they had: others have some that were not granted"
#: Of more definitions than these, a plan says how much changes in each; of the others, in all of them together.
_MANY = 10
_KINDS = {"not_null": "NOT NULL of", "foreign_key": "foreign key", "unique_index": "unique index"}


def _mends_rights(plan: Plan) -> bool:
    return plan.runtime_scripts == (runtime.RIGHTS,)


def runtime_step(plan: Plan) -> str:
    """Return what a plan does with the runtime."""
    return _RIGHTS if _mends_rights(plan) else _RUNTIME


def as_text(plan: Plan, *, details: bool = False) -> None:
    """Print a plan for people: what changes in definitions, then the steps, those that are alike as one.

    Args:
        plan: The plan.
        details: Whether each step is printed with its reason, lock, hazards and undo, and the mechanism of each rule.
    """
    if plan.empty:
        output.say("nothing to do: the database matches the definitions")
        _notes(plan)
        return
    steps = len(plan.steps) + bool(plan.runtime_scripts)
    output.say(f"Plan {plan.state}: {output.counted(steps, 'step')}", bold=True)
    _differences(plan, whole=details)
    if details:
        if plan.runtime_scripts:
            output.say(f"  1. {runtime_step(plan)}", bold=True)
            _fact("runs", ", ".join(plan.runtime_scripts))
            if not _mends_rights(plan):
                _fact("undo", "pgslo uninstall --all")
        for number, step in enumerate(plan.steps, 1 + bool(plan.runtime_scripts)):
            _step(number, step)
        _choices(plan)
    else:
        _groups(plan)
    _notes(plan)


def _differences(plan: Plan, *, whole: bool) -> None:
    """Print differences between definitions and the installed state: of many definitions the numbers alone."""
    changes = definition_changes(plan)
    if whole or len(changes) <= _MANY:
        for definition, is_new, found in changes:
            heading = f"{definition} is new" if is_new else f"What changes in {definition}"
            output.say(f"  {heading}")
            for one in found:
                output.say(f"    {one_line(str(one))}", fg=_COLOURS[one.action])
        return
    output.say(f"  What changes in {len(changes):,} definitions")
    for definition, is_new, found in changes[:_MANY]:
        output.say(f"    {'+' if is_new else '~'} {definition}: {counted_changes(found)}")
    rest = changes[_MANY:]
    together = counted_changes([one for _, _, found in rest for one in found])
    output.say(f"    … and {output.counted(len(rest), 'other definition')}: {together}")


def definition_changes(plan: Plan) -> list[tuple[str, bool, list[Difference]]]:
    """Return each definition that is new or says something differently: its name, whether it is new, what changes."""
    registered = [step for step in plan.steps if step.kind == "registration"]
    new = {step.definition for step in registered if step.action == "create"}
    # Of a renamed table the registration is renamed before it is made again.
    new -= {step.definition for step in registered if step.action == "replace"}
    found: dict[str, list[Difference]] = {
        definition: [] for definition, _ in plan.choices if definition in new
    }
    for one in plan.differences:
        found.setdefault(one.definition, []).append(one)
    return [(definition, definition in new, of_it) for definition, of_it in found.items()]


def counted_changes(found: Sequence[Difference]) -> str:
    """Return how much changes: ``3 added, 1 changed, 2 removed``."""
    words = (("+", "added"), ("~", "changed"), ("-", "removed"))
    numbers = [(sum(one.action == action for one in found), word) for action, word in words]
    return ", ".join(f"{number:,} {word}" for number, word in numbers if number) or "no rules"


def _groups(plan: Plan) -> None:
    found = groups.group(plan)
    width = max(4, *(1 + len(one.numbers) for one in found)) if found else 4
    if plan.runtime_scripts:
        output.say(f"{'1.':>{width}} {runtime_step(plan)}", bold=True)
    for one in found:
        output.say(f"{f'{one.numbers}.':>{width}} {group_name(one)}", bold=True)
        if one.reason and not (plan.differences and one.reason == groups.CHANGED):
            _fact("why", one.reason)
        for lock in one.locks:
            _fact("lock", lock)
        for hazard in one.hazards:
            _fact("hazard", hazard, fg="yellow")


def group_name(one: groups.Group) -> str:
    """What steps that are alike do, in one line."""
    return name(one.steps[0]) if one.is_one else one_line(one.what)


def _lock(statement: Statement) -> None:
    when = " (later, in a transaction of its own)" if statement.later else ""
    when = " (ahead, in a transaction of its own)" if statement.ahead else when
    if statement.lock:
        _fact("lock", f"{statement.lock} on {statement.on}{when}")
    elif statement.alone:
        _fact("lock", "none that stops reads or writes (later, outside any transaction)")


def _step(number: int, step: Step) -> None:
    output.say(f"{number:3}. {name(step)}", bold=True)
    _fact("why", step.reason)
    for statement in step.statements:
        _lock(statement)
        for hazard in statement.hazards:
            _fact("hazard", hazard, fg="yellow")
    for statement in step.undo:
        _fact("undo", one_line(statement.script))


def _fact(word: str, text: str, **style: Any) -> None:
    output.say(f"     {word + ':':8}{one_line(text)}", **style)


def name(step: Step) -> str:
    """What a step does: ``create trigger … ON features.user_stats``."""
    return one_line(f"{step.action} {_KINDS.get(step.kind, step.kind)} {step.identity}")


def _choices(plan: Plan) -> None:
    for definition, choices in plan.choices:
        if not choices:
            continue
        output.say()
        output.say(f"Rules of {definition}", bold=True)
        output.table(
            ("rule", "kind", "on breach", "mechanism", "why"),
            [
                (
                    choice.rule.name,
                    kind(choice.rule),
                    _on_breach(choice.rule),
                    choice.mechanism,
                    choice.reason,
                )
                for choice in choices
            ],
        )


def kind(rule: Rule) -> str:
    """The word that definitions use for a rule's kind."""
    return rule.word


def _on_breach(rule: Rule) -> str:
    refuses_statements = bounds.rejects(rule) != (None, None)
    return (
        f"{rule.on_breach}, reject" if refuses_statements and rule.on_breach != "reject" else rule.on_breach
    )


def _notes(plan: Plan) -> None:
    for note in plan.notes:
        output.message(f"note: {note}")


def as_data(plan: Plan) -> dict[str, Any]:
    """A plan for programs."""
    return {
        "state": plan.state,
        "changes": not plan.empty,
        "runtime_scripts": list(plan.runtime_scripts),
        "differences": [
            {
                "definition": one.definition,
                "action": one.action,
                "about": one.about,
                "was": one.was,
                "becomes": one.becomes,
            }
            for one in plan.differences
        ],
        "steps": [
            {
                "action": step.action,
                "kind": step.kind,
                "object": step.identity,
                "definition": step.definition,
                "reason": step.reason,
                "lock": step.lock or None,
                "hazards": list(step.hazards),
                "statements": [_statement(statement) for statement in step.statements],
                "undo": [statement.script for statement in step.undo],
            }
            for step in plan.steps
        ],
        "rules": [
            {
                "definition": definition,
                "rule": choice.rule.name,
                "kind": kind(choice.rule),
                "on_breach": choice.rule.on_breach,
                "reject_below": bounds.rejects(choice.rule)[0],
                "reject_above": bounds.rejects(choice.rule)[1],
                "mechanism": choice.mechanism,
                "reason": choice.reason,
            }
            for definition, choices in plan.choices
            for choice in choices
        ],
        "notes": list(plan.notes),
    }


def _statement(statement: Statement) -> dict[str, Any]:
    return {
        "sql": statement.script,
        "lock": statement.lock or None,
        "on": statement.on or None,
        "in_transaction": not (statement.ahead or statement.later),
        "hazards": list(statement.hazards),
    }


def as_sql(plan: Plan, runtime_texts: Sequence[str]) -> str:
    """A script that does what apply does, in its order.

    Args:
        plan: The plan.
        runtime_texts: What installs the runtime scripts of the plan.
    """
    if plan.empty:
        return f"-- pgslo plan {plan.state}: nothing to do\n"
    alone = scripts_alone(plan)
    parts = [
        f"-- pgslo plan {plan.state}\n-- Run it with: psql -X -v ON_ERROR_STOP=1 -f FILE\n",
        "BEGIN;\n" + script_together(plan, runtime_texts),
        "COMMIT;\n",
    ]
    if alone:
        parts.append(
            "-- Each of the next statements runs alone; it fails where existing rows break a rule.\n"
        )
    return "\n".join((*parts, *alone, *map(in_transaction, script_remembering(plan))))


def script_together(plan: Plan, runtime_texts: Sequence[str]) -> str:
    """What of a plan goes into one transaction, without its BEGIN and COMMIT.

    Args:
        plan: The plan.
        runtime_texts: What installs the runtime scripts of the plan.
    """
    parts = [
        "\n".join(
            (
                "-- One installer at a time.",
                "DO $$ BEGIN",
                f"    IF NOT pg_catalog.pg_try_advisory_xact_lock({naming.INSTALL_LOCK}) THEN RAISE 'another installer is at work'; END IF;",
                "END $$;",
                settings(),
            )
        )
    ]
    if runtime_texts:
        parts.append("\n".join(("-- install the runtime", *runtime_texts, settings())))
    shown: Step | None = None
    for step, statement in order_statements(plan):
        if statement.later:
            continue
        if step is shown:
            parts[-1] += _script(step, statement, heading=False)
        else:
            parts.append(_script(step, statement, heading=True))
        shown = step
    return "\n".join(parts)


def scripts_alone(plan: Plan) -> tuple[str, ...]:
    """The steps of a plan that run alone, each with a transaction of its own or outside any."""
    scripts: list[str] = []
    for step, statement in order_statements(plan):
        if statement.alone:
            # Outside of transactions a setting is the session's: it is put back.
            scripts += [
                f"-- for the next statement\n{keep_path(is_local=False)}SET search_path = {_PATH};\n",
                _script(step, statement, heading=True),
                f"-- as it was\n{restore_path(is_local=False)}",
            ]
        elif statement.later:
            scripts.append(_script(step, statement, heading=True))
    return tuple(scripts)


def keep_path(*, is_local: bool) -> str:
    """A statement that keeps the session's search_path for :func:`restore_path`."""
    return (
        "SELECT pg_catalog.set_config('pgslo.search_path', pg_catalog.current_setting('search_path'), "
        f"{str(is_local).lower()});\n"
    )


def restore_path(*, is_local: bool) -> str:
    """A statement that sets the search_path that :func:`keep_path` kept."""
    return (
        "SELECT pg_catalog.set_config('search_path', pg_catalog.current_setting('pgslo.search_path'), "
        f"{str(is_local).lower()});\n"
    )


def script_remembering(plan: Plan) -> tuple[str, ...]:
    """The last statement of a plan, which keeps how it was left; none for a plan that only drops."""
    names = {step.definition for step in plan.steps if step.definition and step.action != "drop"}
    if not names:
        return ()
    return (f"-- keep how it was left, for pgslo drift\n{installation.remembering(names)};\n",)


def in_transaction(script: str) -> str:
    """A script with a transaction of its own, and what apply sets in it."""
    return f"-- a transaction of its own\nBEGIN;\n{settings()}{script}COMMIT;\n"


def migration_as_sql(scripts: Sequence[runtime.Script]) -> str:
    """A script that does what migrate does."""
    if not scripts:
        return "-- pgslo: the runtime is up to date\n"
    return "\n".join(
        (
            f"-- pgslo {runtime.library_version()}: the runtime\n-- Run it with: psql -X -v ON_ERROR_STOP=1 -f FILE",
            f"BEGIN;\nSELECT pg_catalog.pg_advisory_xact_lock({naming.INSTALL_LOCK});",
            settings(),
            *runtime.statements(scripts),
            "COMMIT;\n",
        )
    )


def verification(definition: str) -> str:
    """A query that fails where a definition is not installed."""
    return f"SELECT 1 / count(*) FROM pgslo.status WHERE definition = {sql.literal(definition)};\n"  # noqa: S608 - a literal


def settings() -> str:
    """What apply sets in each transaction, as statements."""
    return f"SET LOCAL search_path = {_PATH};\nSET LOCAL lock_timeout = {LOCK_TIMEOUT};\n"


def _script(step: Step, statement: Statement, *, heading: bool) -> str:
    lines = []
    if heading:
        lines += [f"-- {name(step)}", f"-- why: {one_line(step.reason)}"]
    if statement.lock:
        lines.append(f"-- lock: {statement.lock} on {one_line(statement.on)}")
    lines += [f"-- hazard: {one_line(hazard)}" for hazard in statement.hazards]
    if heading:
        lines += [f"-- undo: {one_line(undo.script)}" for undo in step.undo]
    text = f"{statement.script};"
    if statement.later and not statement.alone:
        text = f"BEGIN;\n{settings()}{text}\nCOMMIT;"
    return "\n".join((*lines, text, ""))
