"""`pgslo suggest` runs functions in indexes and constraints of a table with the rights of the table's owner."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from pgslo.cli import main

World = Any

#: The command line shows the server's warnings. What reads is read-only, so nothing else of it would stay.
SPY = """
GRANT USAGE ON SCHEMA evil TO PUBLIC;
CREATE FUNCTION evil.spy(int) RETURNS int IMMUTABLE COST 0.0001 LANGUAGE plpgsql SET search_path = pg_catalog AS
    $$BEGIN RAISE WARNING 'ran as %', current_user; RETURN $1; END$$;
"""
TABLE = """
CREATE TABLE {table} (day date, id int, country_code text, status text, seq bigint);
INSERT INTO {table} SELECT DATE '2026-01-01' + n / 100, n % 100, 'c' || n % 3, (ARRAY['new', 'paid'])[1 + n % 2], n FROM generate_series(1, 3000) n;
"""
SPIES = """
CREATE INDEX ON {table} ((evil.spy(1) + seq));
CREATE INDEX ON {table} (seq) WHERE evil.spy(1) = 1;
ALTER TABLE {table} ADD CHECK (evil.spy(1) = 1), ADD g int GENERATED ALWAYS AS (evil.spy(seq::int)) STORED, ADD w int DEFAULT evil.spy(5);
CREATE STATISTICS evil.spied ON (evil.spy(1) + seq), id FROM {table};
ANALYZE {table};
"""
POLICY = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_rows ON {table} USING (evil.spy(1) = 1);
"""
#: Found by its name and its key, and looked up in.
COUNTRY = """
CREATE TABLE {schema}.country (code text PRIMARY KEY, n int);
INSERT INTO {schema}.country SELECT 'c' || n, n FROM generate_series(0, 9) n;
GRANT SELECT ON {schema}.country TO PUBLIC;
GRANT USAGE ON SCHEMA {schema} TO PUBLIC;
"""


def spy(world: World) -> None:
    """Have the table of mallory's call a function of hers wherever it can."""
    world.run("mallory", SPIES.format(table="evil.tab"))
    if world.admin.info.server_version >= 150000:  # Before, no table with policies can be guarded.
        world.run("mallory", POLICY.format(table="evil.tab"))


def ran_as(result: Any) -> set[str]:
    return set(re.findall(r"ran as (\w+)", result.stderr))


def suggest(dsn: str, *arguments: str, role: str | None = None) -> Any:
    if role is not None:
        dsn = psycopg.conninfo.make_conninfo(dsn, options=f"-c role={role}")
    return CliRunner().invoke(main, ["--dsn", dsn, "suggest", *arguments])


@pytest.mark.parametrize("by", ["superuser", "installer"])
def test_functions_run_as_the_owner(world: World, world_dsn: str, by: str) -> None:
    world.run("superuser", "GRANT $mallory TO $installer")
    world.run("mallory", SPY + TABLE.format(table="evil.tab") + COUNTRY.format(schema="evil"))
    plain = suggest(world_dsn, "evil.tab").stdout
    spy(world)
    world.run("mallory", "CREATE INDEX ON evil.country (n) WHERE evil.spy(1) = 1")
    result = suggest(world_dsn, "evil.tab", role=None if by == "superuser" else world.names[by])
    assert result.exit_code == 0, result.output
    assert ran_as(result) == {world.names["mallory"]}
    # What is found is the same.
    for words in ("accepted_values", "references: {table: evil.country, column: code}", "by: day"):
        assert words in plain, plain
        assert words in result.stdout


def test_a_table_of_a_third_role_is_not_looked_up_in(world: World, world_dsn: str) -> None:
    world.run("mallory", SPY + COUNTRY.format(schema="evil"))
    world.run("mallory", "CREATE INDEX ON evil.country (n) WHERE evil.spy(1) = 1")
    world.run("installer", TABLE.format(table="features.tab"))
    result = suggest(world_dsn, "features.tab", role=world.names["installer"])
    assert result.exit_code == 0, result.output
    assert ran_as(result) == set()
    assert "references" not in result.stdout
    assert (
        "references: {table: evil.country"
        in suggest(world_dsn, "features.tab", "--own-rights", role=world.names["installer"]).stdout
    )


def test_code_of_a_third_role_is_not_run_as_the_owner(world: World, world_dsn: str) -> None:
    world.run("mallory", SPY)
    world.run("installer", TABLE.format(table="features.tab"))
    world.run("installer", "CREATE INDEX ON features.tab ((evil.spy(1) + seq))")
    result = suggest(world_dsn, "features.tab")
    assert result.exit_code != 0
    assert f"calls code of role {world.names['mallory']}" in result.output + result.stderr
    assert not ran_as(result)
    # With the rights of the role that asks, if that is what it wants.
    assert suggest(world_dsn, "features.tab", "--own-rights").exit_code == 0


def test_a_part_of_a_third_role_is_refused(world: World, world_dsn: str) -> None:
    world.run("mallory", SPY)
    world.run("installer", "CREATE TABLE features.tab (day date, id int) PARTITION BY RANGE (day)")
    world.run("installer", "CREATE TABLE features.part PARTITION OF features.tab DEFAULT")
    world.run(
        "superuser",
        "GRANT USAGE, CREATE ON SCHEMA features TO $mallory; ALTER TABLE features.part OWNER TO $mallory",
    )
    world.run("mallory", "CREATE INDEX ON features.part ((evil.spy(1) + id))")
    for role in (None, world.names["installer"]):
        result = suggest(world_dsn, "features.tab", role=role)
        assert result.exit_code == 1
        assert "features.tab cannot be read with the rights of one owner" in result.stderr
        assert world.names["mallory"] in result.stderr
        assert ran_as(result) == set()


def test_who_cannot_act_as_the_owner_reads_with_rights_of_their_own_only_if_asked_to(
    world: World, world_dsn: str, tmp_path: Path
) -> None:
    world.run("mallory", SPY + TABLE.format(table="evil.tab"))
    spy(world)
    world.run("mallory", "GRANT SELECT ON evil.tab TO $reader")
    # Else more rights would be needed, to see how the rules fit.
    world.run("superuser", "DROP SCHEMA IF EXISTS pgslo_gen, pgslo, pgslo_catalog CASCADE")
    reader = world.names["reader"]
    refused = suggest(world_dsn, "evil.tab", role=reader)
    assert refused.exit_code == 1
    assert f"evil.tab cannot be read with the rights of its owner, {world.names['mallory']}" in refused.stderr
    assert "--own-rights" in refused.stderr
    assert ran_as(refused) == set()
    made = tmp_path / "tab.yml"
    asked = suggest(world_dsn, "evil.tab", "--own-rights", "-o", str(made), role=reader)
    assert asked.exit_code == 0, asked.output
    assert "table: evil.tab" in made.read_text()
    assert reader in ran_as(asked)
