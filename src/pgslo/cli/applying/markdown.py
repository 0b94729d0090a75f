"""A plan as a comment of a merge request: what changes, what it locks, how each rule is enforced."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence

from pgslo.cli import show
from pgslo.cli.output import counted
from pgslo.display import one_line
from pgslo.plan import Plan, Step

#: What Markdown, or the HTML in it, would take for more than text; an underscore only at the edge of a word.
_SPECIAL = re.compile(r"([\\`*{}\[\]<>|~&#]|(?<![^\W_])_|_(?![^\W_]))")
#: How a diff marks what changes in place.
_MARKS = {"+": "+", "-": "-", "~": "!"}


def as_markdown(plan: Plan) -> str:
    """Write a plan for reviewers; names and texts of authors stay text."""
    if plan.empty:
        lines = ["Nothing to do: the database is as the definitions say."]
    else:
        steps = len(plan.steps) + bool(plan.runtime_scripts)
        lines = [
            f"### pgslo plan {plan.state}: {counted(steps, 'step')}",
            *_differences(plan),
            *_steps(plan),
            *_rules(plan),
        ]
    if plan.notes:
        lines += ["", "**Notes**", "", *(f"- {_text(note)}" for note in plan.notes)]
    if not plan.empty:
        lines += ["", f"To apply exactly this: `pgslo apply --expect {plan.state}`"]
    return "\n".join(lines) + "\n"


def _differences(plan: Plan) -> Iterator[str]:
    for definition, found in itertools.groupby(plan.differences, key=lambda one: one.definition):
        diff = [_MARKS[one.action] + one_line(str(one))[1:] for one in found]
        fence = "`" * max(
            3, 1 + max((len(run) for line in diff for run in re.findall("`+", line)), default=0)
        )
        yield from ("", f"**{_text(definition)}**", "", f"{fence}diff", *diff, fence)


def _steps(plan: Plan) -> Iterator[str]:
    """Yield one row for all steps that do the same to objects of one kind on one table."""
    yield from ("", *_head("step", "lock", "what can go wrong or take long"))
    if plan.runtime_scripts:
        yield _row("install the runtime, schemas pgslo, pgslo\\_catalog and pgslo\\_gen", "", "")
    for _, group in itertools.groupby(plan.steps, key=_alike):
        steps = list(group)
        first = steps[0]
        locks = dict.fromkeys(
            f"{one.lock} on {one.on}" for step in steps for one in step.statements if one.lock
        )
        yield _row(
            _text(show.name(first) if len(steps) == 1 else _together(steps)),
            "; ".join(map(_text, locks)),
            "; ".join(map(_text, first.hazards)),
        )


def _alike(step: Step) -> tuple[object, ...]:
    return step.definition, step.action, step.kind, step.lock, step.hazards


def _together(steps: Sequence[Step]) -> str:
    first = steps[0]
    names = ", ".join(step.identity.partition(" ON ")[0] for step in steps)
    return f"{first.action} {counted(len(steps), first.kind)} of {first.definition}: {names}"


def _rules(plan: Plan) -> Iterator[str]:
    if not any(choices for _, choices in plan.choices):
        return
    yield from ("", "<details><summary>How each rule is enforced, and why</summary>", "")
    yield from _head("definition", "rule", "kind", "on breach", "mechanism", "why")
    for definition, choices in plan.choices:
        for one in choices:
            yield _row(
                *map(
                    _text,
                    (
                        definition,
                        one.rule.name,
                        show.kind(one.rule),
                        one.rule.on_breach,
                        one.mechanism,
                        one.reason,
                    ),
                )
            )
    yield from ("", "</details>")


def _head(*names: str) -> Iterable[str]:
    return _row(*names), _row(*("---" for _ in names))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _text(text: str) -> str:
    """Return a text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", one_line(text))
