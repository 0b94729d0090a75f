"""A rule cannot be judged, and this cannot be recorded: the writer is warned, and nothing is silent."""

from __future__ import annotations

import pytest

DEFINITION = """
table: features.example
owner: sam
writes: {writes}
batch: {{by: day}}
columns:
  a: [{{range: {{min: 0}}}}]
"""
FULL = "ALTER TABLE pgslo_catalog.rule_break ADD CONSTRAINT is_full CHECK (false) NOT VALID"


def example(session, writes="bulk"):
    session.run("CREATE TABLE features.example (id int PRIMARY KEY, day date, a int)")
    session.guard(DEFINITION.format(writes=writes))


def test_a_note_that_cannot_be_written_is_a_warning(session):
    example(session)
    note = "SELECT pgslo_catalog.record_break('features.example', 'a_range', '42P01', 'boom')"
    assert session.run(note).notices == ()
    assert set(session.broken()) == {"a_range"}
    session.run("DELETE FROM pgslo_catalog.rule_break")
    session.run(FULL)
    (said,) = session.run(note).notices
    assert (said.severity, said.sqlstate) == ("WARNING", "01SL2")
    assert "a_range" in f"{said.message} {said.detail}"
    assert session.broken() == {}


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_a_write_of_which_nothing_can_be_recorded_warns_its_writer(session, writes):
    example(session, writes)
    session.run("ALTER TABLE pgslo_catalog.fragment RENAME TO gone")
    session.run(FULL)
    written = session.run("INSERT INTO features.example VALUES (1, '2026-01-01', -5)")
    assert written.count == 1
    # A row trigger, which counts nothing, tells of the row as well.
    assert {notice.sqlstate for notice in written.notices} - {"01SL1"} == {"01SL2"}
    assert session.values("SELECT a FROM features.example") == [-5]
