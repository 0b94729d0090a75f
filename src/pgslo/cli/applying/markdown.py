"""A plan as a comment of a merge request: changes, locks, and how each rule is enforced."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from pgslo.cli import show
from pgslo.cli.output import counted
from pgslo.display import one_line
from pgslo.plan import Plan, groups

#: What Markdown, or the HTML in it, would take for more than text; an underscore only at the edge of a word.
_SPECIAL = re.compile(r"([\\`*{}\[\]<>|~&#]|(?<![^\W_])_|_(?![^\W_]))")
#: What changes in more definitions than these is folded.
_OPEN = 10
#: How a diff marks what changes in place.
_MARKS = {"+": "+", "-": "-", "~": "!"}


def as_markdown(plan: Plan) -> str:
    """Write a plan for reviewers; names and texts of authors stay text."""
    if plan.empty:
        lines = ["Nothing to do: the database matches the definitions."]
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
    changes = show.definition_changes(plan)
    is_long = len(changes) > _OPEN
    if is_long:
        everything = show.counted_changes([one for _, _, found in changes for one in found])
        yield from ("", f"<details><summary>{len(changes):,} definitions: {everything}</summary>")
    for definition, is_new, found in changes:
        yield from ("", f"**{_text(definition)}**{' is new' if is_new else ''}")
        diff = [_MARKS[one.action] + one_line(str(one))[1:] for one in found]
        if diff:
            longest = max((len(run) for line in diff for run in re.findall("`+", line)), default=0)
            fence = "`" * max(3, 1 + longest)
            yield from ("", f"{fence}diff", *diff, fence)
    if is_long:
        yield from ("", "</details>")


def _steps(plan: Plan) -> Iterator[str]:
    """Yield one row for all steps that do the same to objects of one kind."""
    yield from ("", *_head("step", "lock", "what can go wrong or take long"))
    if plan.runtime_scripts:
        yield _row(_text(show.runtime_step(plan)), "", "")
    for one in groups.group(plan):
        what = _text(show.group_name(one)) + (
            f" ({_text(one.reason)})" if one.reason not in ("", groups.CHANGED) else ""
        )
        yield _row(what, "; ".join(map(_text, one.locks)), "; ".join(map(_text, one.hazards)))


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
