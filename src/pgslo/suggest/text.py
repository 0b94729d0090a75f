"""A proposal as the text of a definition file: each rule with its evidence beside it."""

from __future__ import annotations

import re
import textwrap

from pgslo.definition.yaml.scalars import scalar
from pgslo.sql import identifier
from pgslo.suggest.facts import Facts
from pgslo.suggest.proposal import Line, Proposal

_WIDTH = 110
#: A reason is beside its rule where both fit into this number of characters.
_BESIDE = 130
_ODD = re.compile(
    "[\x00-\x1f\x7f-\xa0\u2028-\u202e\u2066-\u2069\u200e\u200f\ufeff\ud800-\udfff\ufffe\uffff]+"
)


def as_text(facts: Facts, proposal: Proposal) -> str:
    """The text of the file; it ends in a line break."""
    relation = facts.relation
    name = identifier(relation.schema, relation.name).text
    lines = _comment(_about(facts, is_watched=proposal.is_watched), "")
    lines.append("table: " + (_single(name) if '"' in name else name))
    lines.append("owner: your-team  # the team that is notified; messages name it")
    for line in proposal.head:
        lines += _line(line, "", "")
    if proposal.columns:
        lines += ["", "columns:"]
        for column, rules in proposal.columns.items():
            if all(rule.off for rule in rules):
                lines.append(f"  {scalar(column)}: []")
            else:
                lines.append(f"  {scalar(column)}:")
            for rule in rules:
                lines += _line(rule, "    ", "- ")
    if proposal.rules:
        lines += ["", "rules:"]
        for rule in proposal.rules:
            lines += _line(rule, "  ", "- ")
    if proposal.remarks:
        lines.append("")
        for remark in proposal.remarks:
            lines += _comment(remark, "")
    return "\n".join(lines) + "\n"


def _about(facts: Facts, *, is_watched: bool) -> str:
    rows = (
        f"all of its {facts.sampled:,} rows"
        if facts.all_rows
        else f"a sample of {facts.sampled:,} of about {facts.rows:,} rows"
    )
    if not facts.sampled:
        rows = "a table without rows, so by its catalogue alone"
    return (
        f"Written by pgslo suggest from {rows}. Keep what you would defend, delete the rest; everything only warns until you say on_breach. "
        + (
            "Columns without a rule are watched by learned bounds anyway."
            if is_watched
            else "Without a batch no bounds are learned: columns without a rule are not watched."
        )
    )


def _line(line: Line, indent: str, dash: str) -> list[str]:
    text = f"{indent}# {dash}{line.text}" if line.off else f"{indent}{dash}{line.text}"
    beside = f"{text}  # {_ODD.sub(' ', line.reason)}"
    if len(beside) <= _BESIDE:
        return [beside]
    return [*_comment(line.reason, indent), text]


def _comment(text: str, indent: str) -> list[str]:
    clean = _ODD.sub(" ", text)
    return textwrap.wrap(
        clean,
        _WIDTH,
        initial_indent=f"{indent}# ",
        subsequent_indent=f"{indent}# ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _single(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def without(text: str, line: int, why: str) -> str:
    """The text with the rule of a line, counted from 1, made a comment that says why."""
    lines = text.split("\n")
    broken = lines[line - 1]
    indent = broken[: len(broken) - len(broken.lstrip())]
    lines[line - 1 : line] = [*_comment(f"Left out: {why}", indent), f"{indent}# {broken.lstrip()}"]
    if not any(one.startswith("  - ") for one in lines):
        lines = [one for one in lines if one != "rules:"]
    # A column that has no rule left.
    for number, one in enumerate(lines):
        if re.match(r"  \S.*:$", one):
            following = next(
                (other for other in lines[number + 1 :] if not other.lstrip().startswith("#")), ""
            )
            if not following.startswith("    - "):
                lines[number] = f"{one} []"
    return "\n".join(lines)
