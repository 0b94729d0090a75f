"""What a definition comes to, in SQL, is what the golden of its kind says."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pglast
import pytest

from pgslo import plan
from pgslo.compile import Statement

GOLDEN = Path(__file__).parents[2] / "golden"
KINDS = sorted(str(path.relative_to(GOLDEN).with_suffix("")) for path in GOLDEN.rglob("*.yml"))
OWN = {f"kinds/{path.name}": path.read_text() for path in (GOLDEN / "kinds").glob("*.sql")}


@pytest.mark.parametrize("kind", KINDS)
def test_golden_is_what_is_generated(tables, goldens, kind):
    definition = (GOLDEN / f"{kind}.yml").read_text()
    made = tables.plan(definition, kinds=OWN)
    assert made.runtime_scripts == ()
    goldens.check(GOLDEN / f"{kind}.sql", "\n".join(_document(kind, made)) + "\n")
    for step in made.steps:
        for command in (one for each in (*step.statements, *step.undo) for one in each.commands):
            assert len(pglast.split(command.text)) == 1, f"{step.identity}: a message holds one command"


def _document(kind: str, made: plan.Plan) -> Iterator[str]:
    """A plan as a document to review: every statement, under its purpose."""
    yield f"-- What pgslo generates for tests/golden/{kind}.yml on the tables of tests/golden/given."
    yield "-- Written by pytest --update-goldens; do not edit."
    yield "--"
    for _, choices in made.choices:
        yield from (f"-- {one.rule.name}: {one.mechanism}; {one.reason}." for one in choices)
    ordered = plan.order_statements(made)
    together = [pair for pair in ordered if not pair[1].later]
    yield from ("", "BEGIN;", *_steps(together), "", "COMMIT;")
    yield from _steps([pair for pair in ordered if pair[1].later])


def _steps(pairs: list[tuple[plan.Step, Statement]]) -> Iterator[str]:
    for step, own in itertools.groupby(pairs, key=lambda pair: pair[0]):
        statements = [statement for _, statement in own]
        yield ""
        yield f"-- {step.action} {step.kind} {step.identity}: {step.reason}."
        locks = dict.fromkeys(f"{one.lock} on {one.on}" for one in statements if one.lock)
        hazards = dict.fromkeys(hazard for one in statements for hazard in one.hazards)
        if locks:
            yield f"-- Locks: {', '.join(locks)} ({'; '.join(hazards)})."
        yield from (f"{one.script};" for one in statements)


#: Lines that a rule may add to the functions on writes, and to what the runtime is told.
_LINES_A_RULE = 8
_LINES_OF_REGISTRATION = 3


def _definition(rules: int, on_breach: str, writes: str) -> str:
    listed = "\n".join(
        f'  - rule_{number}: {{expression: "clicks > {number}", on_breach: {on_breach}}}'
        for number in range(rules)
    )
    return f"table: features.user_stats\nbatch: {{by: feature_date}}\nwatch: false\nwrites: {writes}\nrules:\n{listed}\n"


def _lines(made: plan.Plan, kind: str) -> int:
    return sum(
        statement.script.count("\n") + 1
        for step in made.steps
        if step.kind == kind
        for statement in step.statements
    )


@pytest.mark.parametrize("writes", ["bulk", "stream"])
@pytest.mark.parametrize("on_breach", ["reject", "quarantine", "warn"])
def test_a_rule_adds_few_lines(tables, on_breach, writes):
    few, many = (tables.plan(_definition(rules, on_breach, writes)) for rules in (2, 12))
    assert _lines(many, "function") - _lines(few, "function") <= 10 * _LINES_A_RULE
    assert _lines(many, "registration") - _lines(few, "registration") <= 10 * _LINES_OF_REGISTRATION
