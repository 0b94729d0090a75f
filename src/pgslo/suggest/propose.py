"""From observations of a table to rules that a person would keep.

Few and strong: a rule is proposed where there is a reason for it besides "so it was until now". Values that are only usual (null shares,
means, volumes) is left to learned bounds, which need no threshold; and no bound is ever a value that happened to be the largest.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterator

from pgslo.compile.batches.profiles import is_looked_into, is_sampled
from pgslo.definition import names
from pgslo.definition.yaml.scalars import scalar
from pgslo.sql import identifier
from pgslo.suggest import rules
from pgslo.suggest.facts import Facts
from pgslo.suggest.proposal import Batching, Line, Proposal

_DAY = 86_400
#: Columns of which a rule that says the same is written once.
_ALIKE = 5
#: Fewer batches do not show that volume is steady.
_STEADY_BATCHES = 14


def propose(facts: Facts, batch: Batching | None) -> Proposal:
    """Work out what a file for this table says.

    Args:
        facts: The observations.
        batch: The column of the batch.
    """
    head = list(_readers(facts))
    remarks: list[str] = []
    key = facts.relation.primary_key
    if key:
        remarks.append(
            f"key: the primary key ({', '.join(key)}) is taken; PostgreSQL keeps it unique and not null."
        )
    elif facts.unique:
        listed = ", ".join(scalar(name) for name in facts.unique)
        head.append(Line(f"key: [{listed}]", "no primary key; counted: different in each row"))
    else:
        guess = ", ".join(scalar(name) for name in _guessed_key(facts, batch))
        head.append(
            Line(
                f"key: [{guess}]",
                "a guess: no primary key, and no columns were found that identify a row; messages name rows by it",
            )
        )
    if batch is None:
        remarks.append(
            "batch: no column shows which rows were loaded together. batch: {by: <date, time or load number>} lets shares, volume and learned bounds be judged per load."
        )
    else:
        every = f", every: {batch.every}" if batch.every else ""
        head.append(Line(f"batch: {{by: {scalar(identifier(batch.column).text)}{every}}}", batch.reason))
        fresh = _freshness(facts, batch)
        if fresh is not None:
            head.append(fresh)
        volume = _volume(facts)
        if volume is not None:
            head.append(volume)
        elif facts.batches:
            remarks.append(
                f"row_count: {_sizes(facts)}; volume is watched by a learned bound, and differs too much for one that is written."
            )
    columns: dict[str, tuple[Line, ...]] = {}
    enforced: list[str] = []
    usual: list[str] = []
    for place, seen in enumerate(facts.columns):
        if seen.column.generated:
            continue
        lines = rules.of_column(facts, seen, place, batch)
        if lines:
            columns[seen.name] = lines
        if seen.column.not_null and seen.name not in key:
            enforced.append(seen.name)
        elif seen.present < seen.sampled * rules.STEPS[-1]:
            usual.append(f"{seen.name} {100 * seen.present / max(seen.sampled, 1):.0f} %")
    shared = tuple(_together(facts, columns))
    if batch is not None and (
        shared or any(line.text.startswith("completeness") for lines in columns.values() for line in lines)
    ):
        remarks.append(
            "completeness: the bound is the lower end of the interval for the share with a value, less three times what chance does in a batch of the middle size, and no more than the emptiest batch had."
        )
    opaque = [seen for seen in facts.columns if not seen.column.generated and not is_sampled(seen.column)]
    inside = [seen.name for seen in opaque if is_looked_into(seen.column)]
    if inside and batch is not None:
        remarks.append(f"Learned bounds watch the parts of the values: {', '.join(inside)}.")
    if len(inside) < len(opaque) and batch is not None:
        remarks.append(
            "Learned bounds watch only whether there is a value: "
            f"{', '.join(seen.name for seen in opaque if seen.name not in inside)}."
        )
    if enforced:
        remarks.append(f"NOT NULL by the table itself, so no rule: {', '.join(enforced)}.")
    if usual and batch is not None:
        remarks.append(f"Often NULL, left to learned bounds (share with a value): {', '.join(usual)}.")
    elif usual:
        remarks.append(f"Often NULL, so no rule (share with a value): {', '.join(usual)}.")
    foreign = [
        "(" + ", ".join(one.columns) + ") to " + identifier(*one.table).text
        for one in facts.relation.foreign_keys
    ]
    if foreign:
        remarks.append(f"References that foreign keys keep already: {'; '.join(foreign)}.")
    return Proposal(tuple(head), columns, shared, tuple(remarks), is_watched=batch is not None)


def _readers(facts: Facts) -> Iterator[Line]:
    """Roles that read the table today, but for those whose names no definition can hold."""
    named = [role for role in facts.readers if names.is_name(role)]
    if named:
        yield Line(f"readers: [{', '.join(map(scalar, named))}]", "may read the table today")


def _guessed_key(facts: Facts, batch: Batching | None) -> tuple[str, ...]:
    """What people would most likely call a row by, where nothing proves it."""
    fit = [one for one in facts.columns if one.column.has_equality and one.column.generated != "v"] or list(
        facts.columns
    )
    others = [one for one in fit if batch is None or one.name != batch.column]
    named = [one for one in others if one.is_identifier]
    first = (named or sorted(others, key=lambda one: -one.different) or fit)[0].name
    return (first,) if batch is None or batch.column == first else (first, batch.column)


def _freshness(facts: Facts, batch: Batching) -> Line | None:
    # Of hours as many as there are: a weekend is longer than 60 of them.
    most = 400 if batch.every == "1 hour" else 60
    places = [one.place for one in facts.batches if one.place is not None][:most]
    if len(places) < 5:
        return None
    gaps = [newer - older for newer, older in itertools.pairwise(places)]
    usual, largest = statistics.median(gaps), max(gaps)
    # The data of a batch is as old as the batch when the next one is due; a quarter more for a late one.
    seconds = 1.25 * largest + usual
    hours = math.ceil(seconds / 3600)
    span = f"{hours} hours" if hours <= 240 else f"{math.ceil(hours / 24)} days"
    indexed = any(
        i.whole and i.method == "btree" and i.columns[:1] == (batch.column,) for i in facts.relation.indexes
    )
    reason = f"a batch every {_span(usual)}, the longest gap of the last {len(gaps)} was {_span(largest)}"
    if indexed:
        text = f"freshness: {{max_age: {span}, of: {scalar(batch.column)}}}"
    else:
        text = f"freshness: {{max_age: {span}}}"
        reason += f"; of: {scalar(batch.column)} would determine it by the data, and needs an index that begins with that"
    age = facts.now - places[0]
    if age > seconds:
        return Line(
            text,
            f"{reason}; but the newest batch is {_span(age)} old, so it would be missed at once",
            off=True,
        )
    return Line(text, reason)


def _together(facts: Facts, columns: dict[str, tuple[Line, ...]]) -> Iterator[Line]:
    """One rule in place of those that say the same of many columns; it is taken out of these."""
    plain = {one.name for one in facts.relation.columns if one.type_schema == "pg_catalog"}
    alike: dict[tuple[str, str], list[str]] = {}
    for name, lines in columns.items():
        for line in lines:
            if (
                line.text.startswith("completeness: {min: ")
                and "opens_after" not in line.text
                and name in plain
            ):
                alike.setdefault((line.text, line.reason), []).append(name)
    number = 0
    for (text, reason), of in alike.items():
        if len(of) < _ALIKE:
            continue
        number += 1
        for name in of:
            columns[name] = tuple(line for line in columns[name] if line.text != text)
            if not columns[name]:
                del columns[name]
        listed = ", ".join(identifier(name).text for name in of)
        share = text.removeprefix("completeness: {min: ").removesuffix("}")
        condition = scalar(f"num_nulls({listed}) = 0")
        yield Line(
            f"{'complete' if number == 1 else f'complete_{number}'}: {{expression: {condition}, at_least: {share}}}",
            f"of {len(of)} columns each: {reason}",
        )


def _sizes(facts: Facts) -> str:
    sizes = [one.rows for one in facts.batches]
    return f"{len(sizes)} batches of {min(sizes):,} to {max(sizes):,} rows, {statistics.median(sizes):,.0f} in the middle"


def _volume(facts: Facts) -> Line | None:
    """A bound on rows where batches differ by little: a share of the usual number, so that growth needs no other one."""
    # The newest may be unfinished, and a part of the oldest may have been deleted.
    sizes = [one.rows for one in facts.batches][1:-1]
    if len(sizes) < _STEADY_BATCHES:
        return None
    differ = statistics.stdev(sizes) / statistics.mean(sizes)
    # Newest first: each against the mean of those before it, as the rule does.
    apart = [
        size / statistics.mean(sizes[place + 1 : place + 29])
        for place, size in enumerate(sizes)
        if len(sizes) - place > _STEADY_BATCHES // 2
    ]
    for least in (0.7, 0.6, 0.5):
        most = round(1 / least, 1)
        if 5 * differ <= 1 - least and min(apart) >= least * 1.1 and max(apart) <= most / 1.1:
            return Line(
                f"row_count: {{relative_to: 28 batches, min: {least}, max: {most}}}",
                f"{_sizes(facts)}; they differ by {100 * differ:.0f} % (standard deviation), the farthest had {min(apart):.2f} to {max(apart):.2f} times as many as those before",
            )
    return None


def _span(seconds: float) -> str:
    for size, word in ((_DAY, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            number = f"{seconds / size:.1f}".removesuffix(".0")
            return f"{number} {word}" + ("" if number == "1" else "s")
    return f"{seconds:.0f} seconds"
