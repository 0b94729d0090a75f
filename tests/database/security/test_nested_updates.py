"""A writer gets no bad row past a quarantine rule by writing from a trigger, as a foreign key does."""

from __future__ import annotations

from typing import Any

import pytest

TABLES = """
CREATE TABLE features.parent (code text PRIMARY KEY);
INSERT INTO features.parent VALUES ('a'), ('b');
CREATE TABLE features.ex (id int PRIMARY KEY, day date, n int, code text REFERENCES features.parent ON UPDATE CASCADE ON DELETE SET NULL);
GRANT SELECT, INSERT, UPDATE ON features.ex TO $writer;
GRANT SELECT, UPDATE, DELETE ON features.parent TO $writer;
"""
DEFINITION = """
table: features.ex
key: [id]
writes: {writes}
batch: {{by: day}}
columns:
  n: [range: {{min: 0, max: 100, on_breach: quarantine, name: n_range}}]
rules:
  - coded: {{expression: "n < 50 OR code IS NOT NULL", on_breach: quarantine}}
"""
#: A table of the writer's, whose trigger updates the guarded one.
NESTED = """
CREATE TABLE wr.mine (statement text);
CREATE FUNCTION wr.nested() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN EXECUTE NEW.statement; RETURN NULL; END$$;
CREATE TRIGGER nested AFTER INSERT ON wr.mine FOR EACH ROW EXECUTE FUNCTION wr.nested();
"""


@pytest.fixture(params=["bulk", "stream"])
def guarded(world: Any, request: pytest.FixtureRequest) -> Any:
    world.run("superuser", "CREATE SCHEMA wr AUTHORIZATION $writer")
    world.run("installer", TABLES)
    world.apply(DEFINITION.format(writes=request.param))
    world.run("writer", NESTED)
    world.run("writer", "INSERT INTO features.ex VALUES (1, '2026-01-01', 60, 'a')")
    return world


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE features.ex SET n = 999, code = 'b'",
        "UPDATE features.ex SET n = 999, code = NULL",
        "UPDATE ONLY features.ex SET code = 'b', n = -1",
    ],
)
def test_an_update_from_a_trigger_is_quarantined(guarded: Any, statement: str) -> None:
    guarded.run("writer", f"INSERT INTO wr.mine VALUES ($$ {statement} $$)")
    assert guarded.run("superuser", "SELECT n, code FROM features.ex") == [(60, "a")]
    assert guarded.run("superuser", "SELECT count(*) FROM pgslo_catalog.quarantine") == [(1,)]


def test_what_a_foreign_key_sets_is_stored(guarded: Any) -> None:
    guarded.run("writer", "UPDATE features.parent SET code = 'c' WHERE code = 'a'")
    assert guarded.run("superuser", "SELECT n, code FROM features.ex") == [(60, "c")]
    guarded.run("writer", "DELETE FROM features.parent WHERE code = 'c'")
    assert guarded.run("superuser", "SELECT n, code FROM features.ex") == [(60, None)]
