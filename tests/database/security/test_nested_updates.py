"""A writer gets no bad row past a quarantine rule by writing from a trigger, as a foreign key does."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

TABLES = """
CREATE TABLE features.parent (code text PRIMARY KEY);
INSERT INTO features.parent VALUES ('a'), ('b');
CREATE TABLE features.ex (id int PRIMARY KEY, day date, n int, code text REFERENCES features.parent ON UPDATE CASCADE ON DELETE SET NULL, payload json, f float8);
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
  - half: {{expression: "f <= 0.5", on_breach: quarantine}}
  - paid: {{expression: "(payload ->> 0) IS NULL OR n < 100", on_breach: quarantine}}
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
    world.run("writer", "INSERT INTO features.ex (id, day, n, code) VALUES (1, '2026-01-01', 60, 'a')")
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


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE features.ex SET code = NULL",
        # The writer may delete the parent as well: nothing tells this update from what the foreign key does.
        "WITH gone AS (DELETE FROM features.parent WHERE code = 'a') UPDATE features.ex SET code = NULL",
    ],
)
def test_an_update_that_imitates_a_foreign_key_is_refused(guarded: Any, statement: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        guarded.run("writer", f"INSERT INTO wr.mine VALUES ($$ {statement} $$)")
    assert refused.value.diag.constraint_name == "coded"
    assert refused.value.diag.column_name == "code"
    assert guarded.run("superuser", "SELECT n, code FROM features.ex") == [(60, "a")]


def test_a_value_without_a_form_in_jsonb_hides_no_change(guarded: Any) -> None:
    guarded.run(
        "writer",
        r"""INSERT INTO wr.mine VALUES ($$ UPDATE features.ex SET code = 'b', n = 999, payload = '"\u0000"' $$)""",
    )
    assert guarded.run("superuser", "SELECT n, code FROM features.ex") == [(60, "a")]
    assert guarded.run("superuser", "SELECT count(*) FROM pgslo_catalog.quarantine") == [(1,)]


def test_a_setting_of_the_writer_hides_no_change(guarded: Any) -> None:
    guarded.run("writer", "INSERT INTO features.ex VALUES (2, '2026-01-01', 1, 'a', NULL, 0.5)")
    guarded.run(
        "writer",
        """SET extra_float_digits = -15;
           INSERT INTO wr.mine VALUES ($$ UPDATE features.ex SET code = 'b', f = 0.5000001 WHERE id = 2 $$)""",
    )
    assert guarded.run("superuser", "SELECT f, code FROM features.ex WHERE id = 2") == [(0.5, "a")]
    assert guarded.run("superuser", "SELECT count(*) FROM pgslo_catalog.quarantine") == [(1,)]


def test_what_a_foreign_key_sets_is_stored(guarded: Any) -> None:
    guarded.run("writer", "UPDATE features.parent SET code = 'c' WHERE code = 'a'")
    assert guarded.run("superuser", "SELECT n, code FROM features.ex") == [(60, "c")]
    guarded.run("writer", "UPDATE features.ex SET n = 1")
    guarded.run("writer", "DELETE FROM features.parent WHERE code = 'c'")
    assert guarded.run("superuser", "SELECT n, code FROM features.ex") == [(1, None)]


def test_a_foreign_key_is_refused_as_by_a_check_constraint(guarded: Any) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match='violates rule "coded"') as refused:
        guarded.run("writer", "DELETE FROM features.parent WHERE code = 'a'")
    assert "60" not in (refused.value.diag.message_detail or "")
    assert guarded.run("superuser", "SELECT n, code FROM features.ex") == [(60, "a")]
    assert guarded.run("superuser", "SELECT count(*) FROM pgslo_catalog.quarantine") == [(0,)]


def test_a_row_that_violated_before_follows_its_parent(guarded: Any) -> None:
    """Rows older than the rule: a foreign key changes no column that the violated rule reads."""
    guarded.run(
        "installer",
        """ALTER TABLE features.ex DISABLE TRIGGER USER;
           UPDATE features.ex SET n = 999; ALTER TABLE features.ex ENABLE TRIGGER USER""",
    )
    guarded.run("writer", "UPDATE features.parent SET code = 'c' WHERE code = 'a'")
    assert guarded.run("superuser", "SELECT n, code FROM features.ex") == [(999, "c")]
