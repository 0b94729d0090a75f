"""Functions of guarded views are for every role: one that may not know a table learns one bit of it, and no key and no number."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

#: As conftest.py has it.
World = Any

DEFINITION = """
table: features.t
key: [id]
writes: bulk
batch: {by: k}
readers: [$reader]
columns:
  a: [range: {min: 0, max: 100, on_breach: warn}]
"""
#: Asked with a moment of the clock: whether a missed batch is as late as that.
ASKED = (
    "pgslo.planned_fine('features.t', '{{a}}', {within})",
    "pgslo.planned('features.t', {within})",
    "pgslo.told_by_rows('features.t', '{{a}}', {within}, 'text')",
    "pgslo.guard('features.t', '{{a}}', 'warn', '{{}}', {within})",
    "pgslo.guard('features.t', '{{a}}', 'warn', NULL, {within})",
    "pgslo.announce('features.t', '{{a}}', 'warn', {within})",
    "pgslo.announce_row('features.t', '{{a}}', 'warn', {within})",
    "pgslo.hit(now(), 'features.t', '{{a}}', {within})",
    "pgslo.read_any(1, 'features.t', '{{a}}', 'warn', {within})",
)


def heard(session: Any, call: str) -> tuple[Any, list[str]]:
    """Call a function; return its answer and the warnings."""
    said: list[str] = []

    def hear(notice: Any) -> None:
        said.append(notice.message_primary)

    session.add_notice_handler(hear)
    (answer,) = session.execute(f"SELECT {call}").fetchone()
    session.remove_notice_handler(hear)
    return answer, said


def missed(world: World, kind: str, *rows: str) -> None:
    world.run(
        "installer",
        f"CREATE TABLE features.t (id int PRIMARY KEY, k {kind}, a int); GRANT INSERT ON features.t TO $writer",
    )
    world.apply(DEFINITION)
    for row in rows:
        world.run("writer", f"INSERT INTO features.t VALUES {row}")


@pytest.mark.parametrize(
    ("kind", "row", "place"),
    [("int", "(1, 740913, -1)", 740913), ("date", "(1, '2026-01-02', -1)", 1767312000)],
)
def test_no_look_back_halves_the_keys_of_missed_batches(world, subtests, kind, row, place):
    missed(world, kind, row)
    mallory = world.session("mallory")
    for call in ASKED:
        early, late = (
            heard(
                mallory,
                call.format(
                    within=f"make_interval(secs => extract(epoch FROM clock_timestamp())::float8 - {place + by})"
                ),
            )
            for by in (-86400, 86400)
        )
        with subtests.test(call=call):
            assert early == late


def test_a_reader_looks_back_as_far_as_a_task_says(world):
    missed(world, "date", "(1, '2026-01-02', -1)")
    reader = world.session("reader")
    assert heard(reader, "pgslo.planned_fine('features.t', '{a}', interval '1 day')") == (True, [])
    assert heard(reader, "pgslo.planned_fine('features.t', '{a}', interval '100 years')") == (False, [])
    assert heard(reader, "pgslo.guard('features.t', '{a}', 'warn', '{}', interval '1 day')") == (True, [])


def test_no_name_tells_how_many_batches_are_missed(world):
    missed(world, "int", "(1, 5, -1)", "(2, 7, -1), (3, 8, -1)")
    mallory, reader = world.session("mallory"), world.session("reader")
    ((names,),) = world.run("reader", "SELECT pgslo.planned('features.t')")
    assert len(names) == 3
    # Names are at random: neither numbers of missed batches, nor their columns, nor a former name help to guess one.
    guesses = [f"missed {number} {{a}}" for number in range(1, 20)] + [
        str(uuid.UUID(int=n)) for n in range(20)
    ]

    def silent(session: Any, known: list[str]) -> bool:
        listed = ", ".join(f"'{name}'" for name in known)
        return not heard(
            session, f"pgslo.guard('features.t', '{{}}', 'warn', ARRAY[{listed}]::text[], NULL)"
        )[1]

    assert silent(reader, names)
    assert not silent(reader, names[1:])
    assert {silent(mallory, known) for known in ([], guesses, names[1:], names[:2])} == {False}
    # What she is given herself is known, and no warning of an older plan.
    ((given,),) = world.run("mallory", "SELECT pgslo.planned('features.t')")
    assert silent(mallory, given)


def test_no_answer_tells_whether_rows_without_a_batch_are_missed(world):
    missed(world, "date", "(1, NULL, -1)")
    without = world.run("mallory", "SELECT * FROM pgslo.told_by_rows('features.t', '{a}', NULL, 'date')")
    assert not world.run("mallory", "SELECT pgslo.planned_null('features.t', '{a}', NULL, NULL::date)")[0][0]
    assert world.run("reader", "SELECT pgslo.planned_null('features.t', '{a}', NULL, NULL::date)")[0][0]
    world.run("writer", "INSERT INTO features.t VALUES (2, '2026-01-02', -1)")
    assert (
        world.run("mallory", "SELECT * FROM pgslo.told_by_rows('features.t', '{a}', NULL, 'date')") == without
    )
