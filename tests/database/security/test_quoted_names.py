"""How a session prints names of types decides nothing: ``quote_all_identifiers`` of a writer, or of a pool's other client."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest


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
