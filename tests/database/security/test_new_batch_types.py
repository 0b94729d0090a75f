"""The type of a batch is asked for with the rights of the table's owner, and not at all once it is a new one."""

from __future__ import annotations

import psycopg
import pytest

DEFINITION = """
table: evil.tab
key: [id]
writes: {writes}
batch: {{by: "day::date"}}
{watch}
columns:
  amount: [range: {{min: 0, max: 100, on_breach: flag}}]
readers: [$reader]
"""

#: The column that says the batch gets a type with a cast that reports who runs it, and what that role may read.
CHANGE = """
CREATE TYPE evil.mood AS ENUM ('2026-01-01', '2099-01-01');
CREATE FUNCTION evil.as_date(evil.mood) RETURNS date LANGUAGE plpgsql AS $$BEGIN
  IF current_user <> '$mallory' THEN INSERT INTO evil.loot SELECT current_user FROM features.secret; END IF;
  RETURN CASE WHEN $1 IS NULL THEN NULL ELSE concat($1)::date END;
END$$;
CREATE CAST (evil.mood AS date) WITH FUNCTION evil.as_date(evil.mood);
ALTER TABLE evil.tab DROP COLUMN day CASCADE;
ALTER TABLE evil.tab ADD COLUMN day evil.mood;
ALTER TABLE evil.tab DISABLE TRIGGER ALL;
UPDATE evil.tab SET day = CASE id WHEN 1 THEN '2026-01-01' ELSE '2099-01-01' END::evil.mood;
"""


@pytest.fixture
def owned(world):
    """Mallory owns the guarded table, and the installer, who is a member of her role, has a secret."""
    world.run("superuser", "GRANT $mallory TO $installer")
    world.run(
        "installer", "CREATE TABLE features.secret (v text); INSERT INTO features.secret VALUES ('a secret')"
    )
    world.run(
        "mallory",
        """CREATE TABLE evil.loot (who text); GRANT ALL ON evil.loot TO PUBLIC; GRANT USAGE ON SCHEMA evil TO PUBLIC;
           CREATE TABLE evil.tab (id int PRIMARY KEY, day text, amount int)""",
    )
    return world


@pytest.mark.parametrize("writes", ["stream", "bulk"])
def test_a_batch_column_of_a_new_type_runs_no_cast(owned, writes):
    owned.apply(DEFINITION.format(writes=writes, watch="watch: false"))
    owned.run("mallory", "INSERT INTO evil.tab VALUES (1, '2026-01-01', 500), (2, '2099-01-01', 5)")
    owned.run("operator", "SELECT pgslo.tick()")
    assert owned.run("superuser", "SELECT rule FROM pgslo.incident") == [("amount_range",)]

    owned.run("mallory", owned.sql(CHANGE))
    owned.run(
        "superuser",
        "INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows, operation)"
        " SELECT definition_id, '', '-Infinity', 0, 'recount' FROM pgslo_catalog.definition",
    )
    owned.run("operator", "SELECT pgslo.tick()")

    assert owned.run("superuser", "TABLE evil.loot") == []
    breaks = owned.run("superuser", "SELECT error_code FROM pgslo_catalog.rule_break WHERE rule_id IS NULL")
    # The type is new, or its code is of a role without the owner's rights: whichever is seen first.
    assert {("42804",), ("42501",)} & {*breaks}
    assert owned.run("superuser", "SELECT resolved_at FROM pgslo.incident") == [(None,)]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM pgslo.close_batch('evil.tab', '*')",
        "SELECT pgslo.learn('evil.tab')",
        "SELECT * FROM pgslo.backtest('evil.tab')",
    ],
)
def test_no_verb_reads_a_table_with_a_new_type(owned, statement):
    owned.apply(DEFINITION.format(writes="stream", watch=""))
    owned.run("mallory", "INSERT INTO evil.tab VALUES (1, '2026-01-01', 5), (2, '2099-01-01', 5)")
    owned.run("mallory", owned.sql(CHANGE))
    with pytest.raises(psycopg.errors.DatatypeMismatch, match=r"has type evil\.mood since the last apply"):
        owned.run("installer", statement)
    assert owned.run("superuser", "TABLE evil.loot") == []


def test_the_next_apply_refuses_the_type_or_reads_the_table_again(owned):
    owned.apply(DEFINITION.format(writes="stream", watch=""))
    owned.run(
        "mallory",
        "CREATE TYPE evil.harmless AS ENUM ('a'); ALTER TABLE evil.tab ADD COLUMN extra evil.harmless",
    )
    with pytest.raises(psycopg.errors.DatatypeMismatch):
        owned.run("installer", "SELECT * FROM pgslo.close_batch('evil.tab', '*')")
    with pytest.raises(psycopg.errors.DatatypeMismatch):
        owned.run("installer", "SELECT pgslo.create_snapshot('one', 'guarded', 'tab')")
    owned.apply(DEFINITION.format(writes="stream", watch=""))
    owned.run("mallory", "INSERT INTO evil.tab VALUES (1, '2026-01-01', 5), (2, '2099-01-01', 5)")
    owned.run("installer", "SELECT * FROM pgslo.close_batch('evil.tab', '*')")
    owned.run("installer", "SELECT pgslo.create_snapshot('one', 'guarded', 'tab')")
