"""How a session prints names of types decides nothing: ``quote_all_identifiers`` of a writer, or of a pool's other client."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from pgslo.errors import DefinitionErrors


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_rules_hold_on_a_table_of_another_owner(world: Any, writes: str) -> None:
    world.run("superuser", "GRANT $mallory TO $installer")
    world.run(
        "mallory",
        """
        CREATE TYPE evil.mood AS ENUM ('ok');
        CREATE TABLE evil.ex (id int PRIMARY KEY, day date, a int, b int, mood evil.mood);
        GRANT USAGE ON SCHEMA evil TO $writer;
        GRANT INSERT, SELECT ON evil.ex TO $writer;
        """,
    )
    world.apply(
        f"""
        table: evil.ex
        key: [id]
        writes: {writes}
        batch: {{by: day}}
        columns:
          a: [range: {{min: 0, max: 100, on_breach: reject, name: a_range}}]
          b: [range: {{min: 0, max: 100, on_breach: flag, name: b_range}}]
        """
    )
    session = world.session("writer")
    session.execute("SET quote_all_identifiers = on")
    with pytest.raises(psycopg.errors.CheckViolation):
        session.execute("INSERT INTO evil.ex (id, day, a) VALUES (1, '2026-01-01', 999)")
    session.execute("INSERT INTO evil.ex (id, day, b) VALUES (2, '2026-01-01', 999)")
    assert world.run("superuser", "SELECT count(*) FROM pgslo_catalog.incident") == [(1,)]
    assert world.run("superuser", "SELECT count(*) FROM pgslo_catalog.rule_break") == [(0,)]


def test_columns_that_a_schema_expects_and_those_of_a_snapshot(world: Any) -> None:
    world.run(
        "installer",
        """
        CREATE TABLE features.ex (id int PRIMARY KEY, day date, label text);
        GRANT INSERT, SELECT ON features.ex TO $writer;
        GRANT USAGE ON SCHEMA features TO $trainer;
        """,
    )
    world.apply(
        """
        table: features.ex
        key: [id]
        writes: bulk
        batch: {by: day}
        schema: {columns: {id: integer, day: date, label: text}, extra: forbid, on_breach: reject}
        readers: [$trainer]
        """
    )
    session = world.session("writer")
    session.execute("SET quote_all_identifiers = on")
    session.execute("INSERT INTO features.ex VALUES (1, '2026-01-01', 'a')")
    for taken, verified in (("on", "off"), ("off", "on")):
        trainer = world.session("trainer")
        trainer.execute(f"SET quote_all_identifiers = {taken}".encode())
        trainer.execute(f"SELECT pgslo.create_snapshot('taken_{taken}', 'guarded', 'ex')".encode())
        trainer.execute(f"SET quote_all_identifiers = {verified}".encode())
        assert (
            trainer.execute(f"SELECT * FROM pgslo.verify_snapshot('taken_{taken}')".encode()).fetchall() == []
        )


def test_a_key_that_an_owner_calls_like_an_index_of_pgslo_stops_no_apply(world: Any) -> None:
    world.run("superuser", "GRANT $mallory TO $installer")
    world.run(
        "mallory",
        "GRANT USAGE ON SCHEMA evil TO $installer; CREATE TABLE evil.ex (id int PRIMARY KEY, day date, a int UNIQUE)",
    )
    definition = "{table: evil.ex, key: [id], writes: bulk, batch: {by: day}, columns: {a: [range: {min: 0, on_breach: flag}]}}"
    world.apply(definition)
    world.run(
        "mallory",
        "ALTER TABLE evil.ex RENAME CONSTRAINT ex_pkey TO pgslo__k; ALTER TABLE evil.ex RENAME CONSTRAINT ex_a_key TO pgslo__u",
    )
    world.apply(definition.replace("min: 0", "min: 1"))
    keys = "SELECT conname::text FROM pg_constraint WHERE conrelid = 'evil.ex'::regclass AND contype IN ('p', 'u') ORDER BY 1"
    assert world.run("superuser", keys) == [("pgslo__k",), ("pgslo__u",)]


@pytest.mark.parametrize("by", ["installer", "superuser"])
def test_a_name_that_no_function_may_hold_is_told_with_its_table(world: Any, by: str) -> None:
    world.run("superuser", "GRANT $mallory TO $installer")
    world.run("mallory", 'CREATE TABLE evil.ex (id int PRIMARY KEY, day date, a int, "b$pgslo$" text)')
    with pytest.raises(DefinitionErrors, match=r"evil\.ex cannot be guarded"):
        world.apply(
            "{table: evil.ex, key: [id], writes: bulk, batch: {by: day}, columns: {a: [range: {min: 0, on_breach: flag}]}}",
            by=by,
        )
