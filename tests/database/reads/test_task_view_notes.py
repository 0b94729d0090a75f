"""A plan names tasks of whose views no snapshot of healthy batches can be taken."""

from __future__ import annotations

import psycopg
import pytest

DEFINITION = """
table: features.example
owner: sam
watch: false
{batch}
columns: {{a: [{{range: {{max: 100}}}}]}}
tasks:
  train: {{reads: [{reads}], view: guarded.train}}
"""
REFUSED = (
    "features.example: task train: snapshots of guarded.train with --healthy or --reference are refused, because the view does "
    "not have the batch (day); to take them, name it in reads, which has the task warned of that column too"
)


def notes(session, batch: str = "batch: {by: day}", reads: str = "a") -> list[str]:
    made = session.plan(DEFINITION.format(batch=batch, reads=reads))
    return [note for note in made.notes if "snapshots of" in note]


def test_a_view_without_the_batch_column_is_noted(session):
    session.run("CREATE TABLE features.example (id int PRIMARY KEY, day date, a int)")
    assert notes(session) == [REFUSED]
    assert notes(session, "batch: {by: day + 1}") == [REFUSED]
    assert notes(session, reads="a, day") == []
    # No column says it: reading more would not help.
    assert notes(session, "batch: {every: 1 hour}") == []
    assert notes(session, "batch: statement") == []


def test_a_key_that_has_the_batch_column_is_enough(session):
    session.run("CREATE TABLE features.example (id int, day date, a int, PRIMARY KEY (id, day))")
    assert notes(session) == []


def test_the_note_is_right(connection, apply):
    connection.execute(
        "CREATE SCHEMA features; CREATE TABLE features.example (id int PRIMARY KEY, day date, a int)"
    )
    take = "SELECT pgslo.create_snapshot('s', 'guarded', 'train', healthy_only => true)"
    apply(DEFINITION.format(batch="batch: {by: day}", reads="a"))
    with pytest.raises(psycopg.Error, match="do not say which batch"):
        connection.execute(take)
    apply(DEFINITION.format(batch="batch: {by: day}", reads="a, day"))
    connection.execute(take)
