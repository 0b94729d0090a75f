"""Numbers in a profile are recognized without regular expressions: with the same result."""

from __future__ import annotations

import re

import pytest

NUMBERS = [
    *("12", "-12", "+12", "1.5", "-1.5", "+1.5", ".5", "-.5", "+.5", "5.", "-5.", "+5.", "0", "-0", "00.10", "1e5", "-1.5E-7", "1e999"),
    *("3" * 24, "3" * 25, "1." + "2" * 22, "1." + "2" * 23, "7" * 23 + ".", "7" * 24 + ".", "-" + "7" * 22 + ".5", "9" * 101, "-." + "3" * 40),
]  # fmt: skip
OTHERS = ["", ".", "-", "-.", "+", "--", ".-5", "5-", "5-.", "1-2", "1.-2", "1.2.3", "-1.2.3", "1 ", " 1", "1\n", "NaN", "e5", "1e", "1e1234",
          "١٢", "a1", "A-1.5", "1,5"]  # fmt: skip


def shape(value: str) -> str:
    """The pattern of a text, as it is defined."""
    kept = re.sub("[A-Z]+", "A", re.sub("[a-z]+", "a", value[:24]))
    return re.sub("[0-9]+", "9", kept)


def told(value: str) -> dict[str, float | None]:
    """The numbers of a batch that has one value, as they are defined."""
    of = max(len(value), 1)
    decimals = 0 if "e" in value.lower() else len(value.partition(".")[2])
    return {
        "number": float(value in NUMBERS),
        "digit": len(re.findall("[0-9]", value)) / of,
        "upper": len(re.findall("[A-Z]", value)) / of,
        "space": value.count(" ") / of,
        "punctuation": len(re.findall("[^A-Za-z0-9 ]", value)) / of,
        "decimals": decimals if value in NUMBERS else None,
    }


def test_each_way_to_write_a_number(session):
    values = [*NUMBERS, *OTHERS]
    columns = {f"v{n}": value for n, value in enumerate(values)}
    made = ", ".join(f"{name} text" for name in columns)
    session.run(f"CREATE TABLE features.odd (id integer, day date, {made}, PRIMARY KEY (id, day))")
    session.guard(
        "table: features.odd\nowner: sam\nbatch: {by: day}\nwrites: bulk\ncolumns: {v0: [completeness: 0.1]}\n"
    )
    written = ", ".join(f"'{value}'" for value in values)
    session.run(f"INSERT INTO features.odd SELECT n, '2026-11-22', {written} FROM generate_series(1, 3) n")
    session.run("SELECT pgslo.close_batch('features.odd')")
    named = ["number", "digit", "upper", "space", "punctuation", "decimals"]
    places = ", ".join(f"summary[array_position(pgslo_catalog.summary_names(), '{name}')]" for name in named)
    rows = session.run(
        f"SELECT column_name, shapes, {places} FROM pgslo_catalog.profile WHERE column_name LIKE 'v%'"
    ).rows
    found = {columns[name]: (shapes, *summary) for name, shapes, *summary in rows}
    assert found.keys() == set(values)
    for value, (shapes, *summary) in found.items():
        assert shapes == {shape(value): 3}, value
        assert dict(zip(named, summary, strict=True)) == pytest.approx(told(value)), value
