"""Rows of INSERT … ON CONFLICT DO UPDATE that name some of the columns: each action evaluates what its page says."""

from __future__ import annotations

import pytest

TABLE = "CREATE TABLE features.example (id int PRIMARY KEY, name text, v int, w int)"
DEFINITION = """
table: features.example
owner: sam
writes: {writes}
columns:
  name: [not_null: {{on_breach: {action}, name: named}}]
  v: [range: {{max: 100, on_breach: {action}, name: v_range}}]
rules:
  - together: {{expression: "v IS NULL OR w IS NOT NULL", on_breach: {action}}}
"""
UPSERT = """INSERT INTO features.example (id, v) VALUES (1, 2)
            ON CONFLICT (id) DO UPDATE SET v = excluded.v"""


@pytest.mark.parametrize("writes", ["bulk", "stream"])
@pytest.mark.parametrize("action", ["quarantine", "reject", "flag"])
def test_an_upsert_of_some_columns(session, writes, action):
    session.run(TABLE)
    if action == "reject":
        # A native NOT NULL evaluates the row as it was sent.
        text = DEFINITION.replace("not_null: {{", "not_null: {{where: 'true', ")
    else:
        text = DEFINITION
    made = session.guard(text.format(writes=writes, action=action))
    notes = [note for note in made.notes if "ON CONFLICT DO UPDATE" in note]
    session.run("INSERT INTO features.example VALUES (1, 'n', 1, 1)")
    diverted = action == "quarantine"
    assert session.run(UPSERT).count == (0 if diverted else 1)
    assert session.values("SELECT v FROM features.example") == [1 if diverted else 2]
    assert session.failures() == {}
    if diverted:
        assert session.held() == [("(id) = (1)", ("named", "together"))]
        (note,) = notes
        assert "are quarantined as they were sent (named, together): columns" in note
    else:
        assert session.held() == notes == []
    # With UPDATE each action evaluates the same row.
    assert session.run("UPDATE features.example SET v = 3 WHERE id = 1").count == 1
    assert session.broken() == {}
