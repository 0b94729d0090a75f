"""A foreign key is made without running code of the owner of either table as the role that applies."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from tests.database.security.test_owners import SPY, ran

from pgslo import definition
from pgslo.database import operations, planning
from pgslo.errors import DefinitionErrors

APPLIERS = ("installer", "superuser")
#: What planning a join with a table runs. Its owner makes it; the role that applies sees nothing of it.
SPIES = """
CREATE INDEX ON {table} (n) WHERE evil.spy(1) = 1;
CREATE INDEX ON {table} ((evil.spy(1) + n));
ALTER TABLE {table} ADD CHECK (evil.spy(1) = 1);
CREATE STATISTICS evil.spied ON (evil.spy(1) + n), n FROM {table};
ANALYZE {table};
"""
COUNTRY = """
CREATE TABLE {schema}.country (code text PRIMARY KEY, n int);
INSERT INTO {schema}.country SELECT 'c' || i, i FROM generate_series(1, 100) i;
GRANT SELECT, REFERENCES ON {schema}.country TO $installer, $mallory;
GRANT USAGE ON SCHEMA {schema} TO $installer, $mallory;
"""
TABLE = """
CREATE TABLE {schema}.tab (id int PRIMARY KEY, day date, code text, n int){partitioned};
INSERT INTO {schema}.tab SELECT i, '2026-01-01', 'c' || i, i FROM generate_series(1, 100) i;
"""
RULE = """
table: {of}.tab
key: [id]
writes: bulk
batch: {{by: day}}
watch: false
columns:
  code: [references: {{table: {to}.country, column: code, on_breach: reject, name: known}}]
"""
ASSERTION = """
table: {of}.tab
key: [id]
writes: bulk
batch: {{by: day}}
watch: false
assertions:
  - known: {{none_without: {{table: {to}.country, on: {{code: code}}}}, on_breach: reject}}
"""
#: The schema of the guarded table, and that of the other; evil's tables are mallory's, those of features the installer's.
PLACES = {"the other table": ("features", "evil"), "the guarded table": ("evil", "features")}


def prepare(world: Any, of: str, to: str, spied: str) -> None:
    world.run("superuser", "GRANT $mallory TO $installer")
    world.run("mallory", SPY)
    world.run("mallory" if to == "evil" else "installer", COUNTRY.format(schema=to))
    world.run("mallory" if of == "evil" else "installer", TABLE.format(schema=of, partitioned=""))
    world.run("mallory", SPIES.format(table=spied))
    forget(world)


def forget(world: Any) -> None:
    world.run("superuser", "SELECT setval('evil.as_other', 1, false), setval('evil.as_mallory', 1, false)")


def as_other(world: Any) -> bool:
    return bool(ran(world)[1])


def plan(world: Any, text: str, by: str = "installer") -> Any:
    session = world.admin if by == "superuser" else world.session(by)
    loaded = [definition.load(world.sql(text), path="slos/example.yml", kinds=definition.load_kinds({}))]
    return planning.plan_definitions(session, loaded)


def keys(world: Any) -> list[Any]:
    return world.run(
        "superuser",
        "SELECT conrelid::regclass::text, convalidated FROM pg_constraint WHERE contype = 'f' AND conname LIKE 'pgslo%'",
    )


@pytest.mark.parametrize("by", APPLIERS)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("text", [RULE, ASSERTION], ids=["rule", "assertion"])
def test_apply_runs_no_code_of_an_owner_as_the_role_that_applies(
    world: Any, text: str, place: str, by: str
) -> None:
    of, to = PLACES[place]
    prepare(world, of, to, "evil.country" if to == "evil" else "evil.tab")
    stated = text.format(of=of, to=to)

    made = plan(world, stated, by)
    assert not as_other(world)
    assert any(
        f"known: existing rows are not checked, as that would run functions of role {world.names['mallory']}"
        in note
        for note in made.notes
    )
    world.apply(stated, by=by)
    assert not as_other(world)
    assert keys(world) == [(f"{of}.tab", False)]
    # Nothing is left to do, for whoever looks.
    for other in APPLIERS:
        assert plan(world, stated, other).empty
    assert operations.find_drift(world.admin) == ()
    assert not as_other(world)

    owner = "mallory" if of == "evil" else "installer"
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        world.run(owner, f"INSERT INTO {of}.tab VALUES (1000, '2026-01-01', 'nowhere', 1)")
    world.run(owner, f"INSERT INTO {of}.tab VALUES (1000, '2026-01-01', 'c7', 1)")
    assert not as_other(world) or to == "evil"


@pytest.mark.parametrize("by", APPLIERS)
def test_the_key_of_trusted_tables_is_validated(world: Any, by: str) -> None:
    world.run("superuser", "GRANT $mallory TO $installer")
    world.run(
        "installer", COUNTRY.format(schema="features") + TABLE.format(schema="features", partitioned="")
    )
    stated = RULE.format(of="features", to="features")
    assert not any("not checked" in note for note in plan(world, stated, by).notes)
    world.apply(stated, by=by)
    assert keys(world) == [("features.tab", True)]


def test_the_owner_of_the_other_table_is_trusted_later(world: Any) -> None:
    prepare(world, "features", "evil", "evil.country")
    stated = RULE.format(of="features", to="evil")
    world.apply(stated)
    world.run("mallory", "DROP TABLE evil.country CASCADE")
    world.run("installer", COUNTRY.format(schema="features"))
    world.run("installer", "GRANT ALL ON SCHEMA features TO $mallory")
    world.run("superuser", "ALTER SCHEMA evil OWNER TO $installer")
    world.run("installer", "ALTER TABLE features.country SET SCHEMA evil")
    world.apply(stated)
    assert keys(world) == [("features.tab", True)]


def test_an_owner_who_finishes_the_key_leaves_nothing_to_do(world: Any) -> None:
    prepare(world, "evil", "features", "evil.tab")
    stated = RULE.format(of="evil", to="features")
    world.apply(stated)
    world.run("mallory", "ALTER TABLE evil.tab VALIDATE CONSTRAINT pgslo__known")
    assert keys(world) == [("evil.tab", True)]
    assert plan(world, stated).empty
    assert operations.find_drift(world.admin) == ()
    assert not as_other(world)


@pytest.mark.parametrize("by", APPLIERS)
def test_a_partitioned_table(world: Any, by: str) -> None:
    """Before PostgreSQL 18 its keys are validated as they are made."""
    world.run("mallory", SPY + COUNTRY.format(schema="evil") + SPIES.format(table="evil.country"))
    world.run(
        "installer",
        """CREATE TABLE features.tab (id int PRIMARY KEY, day date, code text, n int) PARTITION BY RANGE (id);
           CREATE TABLE features.part PARTITION OF features.tab FOR VALUES FROM (1) TO (1000);
           INSERT INTO features.tab SELECT i, '2026-01-01', 'c' || i, i FROM generate_series(1, 100) i""",
    )
    forget(world)
    stated = RULE.format(of="features", to="evil")
    if world.admin.info.server_version < 180000:
        with pytest.raises(DefinitionErrors) as refused:
            plan(world, stated, by)
        (error,) = refused.value.errors
        assert f"would run functions of role {world.names['mallory']}" in str(error)
        assert keys(world) == []
    else:
        world.apply(stated, by=by)
        assert {validated for _, validated in keys(world)} == {False}
        assert plan(world, stated, by).empty
        assert operations.find_drift(world.admin) == ()
    assert not as_other(world)


@pytest.mark.parametrize("by", APPLIERS)
@pytest.mark.parametrize(
    "rules",
    [
        "columns: {n: [unique: {on_breach: reject}]}",
        "assertions: [a: {at_most_one: row, group_by: n, on_breach: reject}]",
        "assertions: [a: {no_overlap: {from: n, to: m}, group_by: code, on_breach: reject}]",
    ],
)
def test_other_constraints_run_nothing_either(world: Any, rules: str, by: str) -> None:
    world.run("superuser", "CREATE EXTENSION btree_gist")
    prepare(world, "evil", "features", "evil.tab")
    world.run("mallory", "ALTER TABLE evil.tab ADD m int; CREATE INDEX ON evil.tab (code)")
    forget(world)
    text = f"table: evil.tab\nkey: [id]\nwrites: bulk\nbatch: {{by: day}}\nwatch: false\n{rules}\n"
    world.apply(text, by=by)
    assert not as_other(world)


@pytest.mark.parametrize("by", APPLIERS)
def test_a_column_that_is_not_null(world: Any, by: str) -> None:
    """SET NOT NULL simplifies every CHECK of the table as the role that alters it."""
    prepare(world, "evil", "features", "evil.tab")
    text = "table: evil.tab\nkey: [id]\nwrites: bulk\nbatch: {by: day}\nwatch: false\ncolumns: {n: [not_null: {on_breach: reject}]}\n"
    assert any("n_not_null: existing rows are not checked" in note for note in plan(world, text, by).notes)
    world.apply(text, by=by)
    for other in APPLIERS:
        assert plan(world, text, other).empty
    assert operations.find_drift(world.admin) == ()
    with pytest.raises(psycopg.errors.CheckViolation):
        world.run("mallory", "INSERT INTO evil.tab VALUES (1000, '2026-01-01', 'c7', NULL)")
    assert not as_other(world)
    world.run("mallory", "ALTER TABLE evil.tab DROP CONSTRAINT pgslo__n__not_null")
    assert "it was dropped" in str(operations.find_drift(world.admin))
    world.apply(text, by=by)
    assert operations.find_drift(world.admin) == ()
    assert not as_other(world)
