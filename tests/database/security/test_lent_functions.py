"""Functions of another role in expressions of a table whose owner is trusted: they run with no rights that the owner did not lend them."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import psycopg
import pytest
from tests.database.security.test_owners import SPY, ran

from pgslo import definition
from pgslo.database import operations, planning

World = Any

SMALL = "CREATE DOMAIN features.small AS int CHECK (evil.spy(VALUE) < 100000)"
PLACES = {
    "check": "ALTER TABLE features.ex ADD CHECK (evil.spy(a) < 1000000)",
    "domain": "ALTER TABLE features.ex ADD CHECK (a::evil.small < 1000000)",
    "index": "CREATE INDEX ON features.ex ((evil.spy(1) + id))",
    "predicate": "CREATE INDEX ON features.ex (a) WHERE evil.spy(1) = 1",
    "generated": "ALTER TABLE features.ex ADD g int GENERATED ALWAYS AS (evil.spy(a)) STORED",
    "default": "ALTER TABLE features.ex ADD g int DEFAULT evil.spy(5)",
    "statistics": "CREATE STATISTICS features.st ON (evil.spy(3) + a), id FROM features.ex",
}
#: A function of the table's owner reads a partition with an index that calls hers.
BODY = (
    "CREATE TABLE features.lk (x int) PARTITION BY RANGE (x); CREATE TABLE features.lk1 PARTITION OF features.lk DEFAULT;"
    " CREATE INDEX ON features.lk1 ((evil.spy(1) + x));"
    " CREATE FUNCTION features.f(n int) RETURNS int LANGUAGE sql IMMUTABLE"
    " BEGIN ATOMIC SELECT count(*)::int + n FROM features.lk; END"
)
#: Rows are chosen by another table, for the owner as well.
POLICY = (
    "ALTER TABLE features.ex ENABLE ROW LEVEL SECURITY; ALTER TABLE features.ex FORCE ROW LEVEL SECURITY;"
    " CREATE POLICY p ON features.ex USING (EXISTS (SELECT FROM {} w WHERE w.x = ex.id)) WITH CHECK (true)"
)
#: A function of the table's owner calls hers.
CALLS = "CREATE FUNCTION features.f(n int) RETURNS int LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT evil.spy(n); END"
NOTHING = "CREATE FUNCTION features.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
#: The same through objects of the table's owner.
THROUGH = {
    "domain": f"{SMALL}; ALTER TABLE features.ex ADD d features.small DEFAULT 3",
    "composite": f"{SMALL}; CREATE DOMAIN features.other AS features.small; CREATE TYPE features.pair AS (x features.other);"
    " ALTER TABLE features.ex ADD d features.pair DEFAULT ROW(1)::features.pair",
    "check": f"{SMALL}; ALTER TABLE features.ex ADD CHECK ((a::features.small) < 1000000)",
    "index": f"{SMALL}; CREATE INDEX ON features.ex ((a::features.small))",
    "rule": "CREATE TABLE features.log (x int);"
    " CREATE RULE r AS ON INSERT TO features.ex DO ALSO INSERT INTO features.log VALUES (evil.spy(NEW.a))",
    "condition": "CREATE RULE r AS ON INSERT TO features.ex WHERE evil.spy(NEW.id) < 0 DO INSTEAD NOTHING",
    "body": "CREATE FUNCTION features.f(n int) RETURNS int LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT evil.spy(n); END;"
    " CREATE INDEX ON features.ex ((features.f(1) + id))",
    "part that a body reads": f"{BODY}; CREATE INDEX ON features.ex ((features.f(1) + id))",
    "part that a rule writes to": "CREATE TABLE features.log (x int) PARTITION BY RANGE (x);"
    " CREATE TABLE features.log1 PARTITION OF features.log DEFAULT; ALTER TABLE features.log1 ADD CHECK (evil.spy(x) IS NOT NULL);"
    " CREATE RULE r AS ON INSERT TO features.ex DO ALSO INSERT INTO features.log VALUES (NEW.a)",
    "cascade of a rule": "CREATE TABLE features.log (x int PRIMARY KEY); INSERT INTO features.log VALUES (1);"
    " CREATE TABLE features.sub (x int REFERENCES features.log ON UPDATE CASCADE, CHECK (evil.spy(x) IS NOT NULL));"
    " CREATE RULE r AS ON INSERT TO features.ex DO ALSO UPDATE features.log SET x = x + 1",
    "condition of a trigger": f"{CALLS}; {NOTHING};"
    " CREATE TRIGGER z BEFORE INSERT ON features.ex FOR EACH ROW WHEN (features.f(NEW.a) IS NOT NULL) EXECUTE FUNCTION features.nothing()",
    "domain in a condition": f"{SMALL}; {NOTHING};"
    " CREATE TRIGGER z BEFORE INSERT ON features.ex FOR EACH ROW WHEN ((NEW.a)::features.small > -9) EXECUTE FUNCTION features.nothing()",
    "child that a rule writes to": "CREATE TABLE features.log (x int); CREATE TABLE features.log1 () INHERITS (features.log);"
    " CREATE INDEX ON features.log1 ((evil.spy(1) + x));"
    " CREATE RULE r AS ON INSERT TO features.ex DO ALSO UPDATE features.log SET x = 2",
    "policy": f"CREATE TABLE features.w (x int); CREATE INDEX ON features.w ((evil.spy(1) + x)); {POLICY.format('features.w')}",
    "policy on her table": POLICY.format("evil.w"),
}
#: Through a view that a query of the definition reads.
VIEWS = {
    "column": "CREATE VIEW features.vv AS SELECT evil.spy(e.a) AS one FROM features.ex e",
    "constant": "CREATE VIEW features.vv AS SELECT e.a AS one FROM features.ex e WHERE evil.spy(7) = 1",
    "two views": "CREATE VIEW features.v1 AS SELECT evil.spy(e.a) AS one FROM features.ex e; CREATE VIEW features.vv AS SELECT * FROM features.v1",
    "aggregate": "CREATE FUNCTION features.plus(int, int) RETURNS int IMMUTABLE LANGUAGE sql BEGIN ATOMIC SELECT evil.spy($1 + $2); END;"
    " CREATE AGGREGATE features.ag (int) (SFUNC = features.plus, STYPE = int, INITCOND = '0');"
    " CREATE VIEW features.vv AS SELECT features.ag(e.a) AS one FROM features.ex e",
    "body": "CREATE FUNCTION features.f(n int) RETURNS int LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT evil.spy(n); END;"
    " CREATE VIEW features.vv AS SELECT features.f(3) AS one FROM features.ex e",
    "part that a body reads": f"{BODY}; CREATE VIEW features.vv AS SELECT features.f(e.a) AS one FROM features.ex e",
    "body that reads her table": "CREATE FUNCTION features.f(n int) RETURNS int LANGUAGE sql STABLE"
    " BEGIN ATOMIC SELECT count(*)::int + n FROM evil.w; END;"
    " CREATE VIEW features.vv AS SELECT features.f(e.a) AS one FROM features.ex e",
}
#: A table of hers, which gets an index at last.
HERS = "CREATE TABLE evil.w (x int); GRANT SELECT ON evil.w TO PUBLIC"
INDEXED = "CREATE INDEX ON evil.w ((evil.spy(1) + x))"
DEFINITION = """
table: features.ex
key: [id]
writes: bulk
batch: {by: day}
columns: {a: [range: {min: 0, on_breach: quarantine}, not_null: {on_breach: reject}]}
assertions: [same: {all_equal: day, group_by: id, on_breach: reject}]
"""


@pytest.fixture(params=PLACES)
def lent(request: pytest.FixtureRequest, world: World) -> World:
    """A table of pgslo's owner that calls a function of mallory's."""
    world.run("mallory", f"{SPY}; CREATE DOMAIN evil.small AS int CHECK (evil.spy(VALUE) < 100000)")
    world.run("installer", "CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int)")
    world.run("installer", "CREATE INDEX ON features.ex (day); CREATE INDEX ON features.ex (id, a)")
    world.run("installer", PLACES[request.param])
    return world


def forget(world: World) -> None:
    world.run("superuser", "SELECT setval('evil.as_other', 1, false), setval('evil.as_mallory', 1, false)")


def test_none_runs_as_the_superuser_who_plans_or_looks(lent: World) -> None:
    text = lent.sql(DEFINITION)
    forget(lent)
    plan = planning.plan_definitions(lent.admin, [definition.load(text, path="slos/ex.yml")])
    assert not ran(lent)[1]
    mallory = lent.names["mallory"]
    assert any(
        f"calls code of role {mallory}, who can change it" in str(step.hazards) for step in plan.steps
    ) or any(f"calls code of role {mallory}, who can change it" in note for note in plan.notes)
    lent.apply(text)
    lent.run(
        "installer",
        "INSERT INTO features.ex (id, day, a) SELECT n, '2026-01-01', 1 FROM generate_series(1, 9) n",
    )
    forget(lent)
    operations.examine(lent.admin)
    assert not ran(lent)[1]


def test_a_release_runs_none_as_pgslos_owner(lent: World) -> None:
    lent.apply(DEFINITION)
    lent.run("installer", "INSERT INTO features.ex (id, day, a) VALUES (1, '2026-01-01', -1)")
    forget(lent)
    with pytest.raises(
        psycopg.errors.InsufficientPrivilege, match=r"cannot release row|calls code of role"
    ) as refused:
        lent.run("steward", "SELECT pgslo.release(1, '{\"a\": 7}')")
    assert re.search(f'calls code of role "?{lent.names["mallory"]}', str(refused.value))
    assert not ran(lent)[1]


def asleep(world: World) -> str:
    """Make the spy do nothing, and return what wakes it: its author can do so when she likes."""
    world.run("mallory", SPY)
    (awake,) = world.run("mallory", "SELECT pg_get_functiondef('evil.spy(int)'::regprocedure)")[0]
    world.run(
        "mallory",
        "CREATE OR REPLACE FUNCTION evil.spy(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1; END'",
    )
    return str(awake)


@pytest.mark.parametrize("place", THROUGH)
def test_a_release_and_a_tick_run_none_through_objects_of_the_owner(world: World, place: str) -> None:
    if "policy" in place and world.admin.info.server_version < 150000:
        pytest.skip("before PostgreSQL 15, no table with policies can be guarded")
    awake = asleep(world)
    world.run("installer", "CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int)")
    world.run("installer", "CREATE INDEX ON features.ex (day); CREATE INDEX ON features.ex (id, a)")
    world.run("mallory", HERS)
    world.run("installer", THROUGH[place])
    world.apply(DEFINITION)
    world.run(
        "installer", "INSERT INTO features.ex (id, day, a) VALUES (1, '2026-01-01', -1), (2, '2026-01-01', 1)"
    )
    world.run("mallory", f"{awake}; {INDEXED}")
    forget(world)
    for statement in ("SELECT pgslo.tick()", "SELECT pgslo.close_batch('features.ex')"):
        # With forced policies the owner of the table does not see all of its rows.
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
            world.run("operator", statement)
    for statement in ("learn('features.ex')", "backtest('features.ex')"):
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
            world.run("installer", f"SELECT * FROM pgslo.{statement}")
    with pytest.raises(
        psycopg.errors.InsufficientPrivilege, match=r"cannot release row|calls code of role"
    ) as refused:
        world.run("steward", "SELECT pgslo.release(1, '{\"a\": 7}')")
    assert re.search(f'calls code of role "?{world.names["mallory"]}', str(refused.value))
    operations.examine(world.admin)
    assert not ran(world)[1]


@pytest.mark.parametrize("view", VIEWS)
def test_no_operator_runs_one_through_a_view(world: World, view: str) -> None:
    awake = asleep(world)
    world.run("installer", "CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int)")
    world.run("installer", "CREATE INDEX ON features.ex (day)")
    world.run("mallory", HERS)
    world.run("installer", VIEWS[view])
    world.apply(
        """{table: features.ex, key: [id], writes: bulk, batch: {by: day},
            rules: [q: {query: "SELECT 1 FROM features.vv AS v WHERE v.one < 0"}]}"""
    )
    world.run("installer", "INSERT INTO features.ex VALUES (1, '2026-01-01', -1)")
    world.run("mallory", f"{awake}; {INDEXED}")
    forget(world)
    for statement in ("SELECT pgslo.tick()", "SELECT pgslo.close_batch('features.ex')"):
        world.run("operator", statement)
    assert not ran(world)[1]
    said = world.run("installer", "SELECT DISTINCT error_message FROM pgslo_catalog.rule_break")
    assert f"calls code of role {world.names['mallory']}" in str(said)


def test_the_key_of_a_table_above_is_code_that_a_write_runs(world: World) -> None:
    world.run("mallory", SPY)
    world.run("installer", "CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int)")
    world.run("installer", "CREATE INDEX ON features.ex (day); CREATE INDEX ON features.ex (id, a)")
    world.apply(DEFINITION)
    world.run("installer", "INSERT INTO features.ex VALUES (1, '2026-01-01', -1)")
    world.run(
        "installer",
        """CREATE TABLE features.whole (id int NOT NULL, day date, a int) PARTITION BY RANGE (evil.spy(id));
           ALTER TABLE features.whole ATTACH PARTITION features.ex FOR VALUES FROM (0) TO (1000)""",
    )
    forget(world)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match=r"features\.whole calls code of role"):
        world.run("steward", "SELECT pgslo.release(1, '{\"a\": 7}')")
    assert not ran(world)[1]


@pytest.mark.parametrize("condition", ["NULL", "'a > 0'"])
def test_a_trainer_runs_none_as_pgslos_owner(lent: World, condition: str) -> None:
    lent.apply(f"{DEFINITION}readers: [$trainer]\n")
    lent.run("installer", "INSERT INTO features.ex (id, day, a) VALUES (1, '2026-01-01', 1)")
    lent.run(
        "installer", "GRANT SELECT ON features.ex TO $trainer; GRANT USAGE ON SCHEMA features TO $trainer"
    )
    lent.run(
        "mallory",
        """CREATE OR REPLACE FUNCTION evil.spy(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN
             IF current_user = '$installer' THEN PERFORM nextval('evil.as_other'); END IF;
             RETURN $1;
           END$$""",
    )
    forget(lent)
    lent.run("trainer", f"SELECT pgslo.create_snapshot('mine', 'guarded', 'ex', {condition})")
    assert not ran(lent)[1]
    # Its rows are those that the trainer read. Defaults and generated columns are computed by writes alone.
    defaults = "FROM pg_attribute WHERE attrelid = 'features.ex'::regclass AND atthasdef"
    assert lent.run("superuser", "SELECT is_checked FROM pgslo_catalog.snapshot") == lent.run(
        "superuser", f"SELECT EXISTS (SELECT {defaults})"
    )


#: Of a table of a third role, whose rights pgslo's owner has.
THIRD = {
    "generated": "ALTER TABLE tr.ex ADD g int GENERATED ALWAYS AS (evil.spy(a)) STORED",
    "domain": "ALTER TABLE tr.ex ADD g evil.small DEFAULT 3",
    "trigger": "CREATE TRIGGER z BEFORE INSERT ON tr.ex FOR EACH ROW EXECUTE FUNCTION evil.look()",
    "condition": "CREATE FUNCTION tr.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
    " CREATE TRIGGER z BEFORE INSERT ON tr.ex FOR EACH ROW WHEN (evil.spy(NEW.a) > -9) EXECUTE FUNCTION tr.nothing()",
    "rule": "CREATE TABLE tr.log (x int);"
    " CREATE RULE r AS ON INSERT TO tr.ex DO ALSO INSERT INTO tr.log VALUES (evil.spy(NEW.a))",
}


@pytest.mark.parametrize("place", [*THIRD, "none"])
def test_a_release_runs_none_as_the_owner_of_the_table(world: World, place: str) -> None:
    world.run("superuser", "GRANT $trainer TO $installer; GRANT USAGE ON SCHEMA tr TO $installer, $writer")
    awake = asleep(world)
    world.run("mallory", "CREATE DOMAIN evil.small AS int")
    world.run(
        "mallory",
        """CREATE FUNCTION evil.look() RETURNS trigger LANGUAGE plpgsql AS
           'BEGIN PERFORM evil.spy(1); RETURN NEW; END'""",
    )
    world.run(
        "trainer", "CREATE TABLE tr.ex (id int PRIMARY KEY, day date, a int); CREATE INDEX ON tr.ex (day)"
    )
    world.run("trainer", "GRANT INSERT, SELECT ON tr.ex TO $installer, $writer")
    if place in THIRD:
        world.run("trainer", THIRD[place])
    world.apply(
        "{table: tr.ex, key: [id], writes: bulk, batch: {by: day}, columns: {a: [range: {min: 0, on_breach: quarantine}]}}"
    )
    world.run("writer", "INSERT INTO tr.ex (id, day, a) VALUES (1, '2026-01-01', -1)")
    world.run("mallory", f"{awake}; ALTER DOMAIN evil.small ADD CHECK (evil.spy(VALUE) < 100000)")
    forget(world)
    if place in THIRD:
        with pytest.raises(
            psycopg.errors.InsufficientPrivilege, match=r"cannot release row|calls code of role"
        ):
            world.run("steward", "SELECT pgslo.release(1, '{\"a\": 7}')")
    else:
        world.run("steward", "SELECT pgslo.release(1, '{\"a\": 7}')")
    assert not ran(world)[1]


READS = """
table: features.ex
key: [id]
writes: bulk
batch: {by: day}
columns:
  a:
    - range: {min: 0, max: 100, on_breach: flag}
    - unique: {on_breach: flag, name: alone}
    - no_gap: {every: 1000}
rules: [q: {query: "SELECT t.id FROM features.ex t WHERE t.a > 5000"}]
"""
#: What PostgreSQL runs while it plans a read.
PLANNED = ("index", "predicate", "statistics")


def test_no_operator_runs_one_as_the_owner_of_the_table(lent: World) -> None:
    lent.run(
        "installer", "CREATE INDEX ON features.ex (a); GRANT INSERT, DELETE, SELECT ON features.ex TO $writer"
    )
    lent.apply(READS)
    lent.run(
        "installer",
        "INSERT INTO features.ex (id, day, a) SELECT n, '2026-01-01', 5 FROM generate_series(1, 9) n",
    )
    lent.run(
        "installer",
        "INSERT INTO features.ex (id, day, a) SELECT n, '2026-01-02', n FROM generate_series(11, 19) n",
    )
    forget(lent)
    for statement in ("SELECT pgslo.tick()", "SELECT pgslo.close_batch('features.ex')"):
        lent.run("operator", statement)
    for statement in (
        "SELECT pgslo.learn('features.ex')",
        "SELECT * FROM pgslo.audit('features.ex')",
        "SELECT * FROM pgslo.history('features.ex')",
    ):
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
            lent.run("installer", statement)
    assert not ran(lent)[1]


@pytest.mark.parametrize("lent", ["index"], indirect=True)
def test_readers_are_told_until_the_function_belongs_to_another_role(lent: World) -> None:
    lent.run("installer", "CREATE INDEX ON features.ex (a)")
    lent.apply(READS)
    lent.run(
        "installer",
        "INSERT INTO features.ex (id, day, a) SELECT n, '2026-01-01', 5000 * n FROM generate_series(1, 9) n",
    )
    lent.run("operator", "SELECT pgslo.close_batch('features.ex')")
    broken = "SELECT DISTINCT error_message FROM pgslo_catalog.rule_break"
    said = f"index features.ex_expr_idx calls code of role {lent.names['mallory']}"
    assert lent.run("installer", broken) == [(said,)]
    met = "SELECT rule, verdict FROM pgslo.verdict WHERE rule IN ('q', 'a_no_gap') ORDER BY 1"
    assert not [one for one in lent.run("installer", met) if one[1] != "unknown"]
    lent.run(
        "superuser",
        "CREATE OR REPLACE FUNCTION evil.spy(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION evil.spy(int) OWNER TO $installer",
    )
    lent.apply(READS)
    lent.run("operator", "SELECT pgslo.close_batch('features.ex'), pgslo.tick()")
    assert lent.run("installer", broken) == []
    assert ("q", "missed") in lent.run("installer", met)


def test_rows_that_are_written_are_judged(lent: World) -> None:
    """PostgreSQL runs such a function in a write anyway, with the rights of the writer."""
    lent.run("installer", "CREATE INDEX ON features.ex (a)")
    lent.apply(
        DEFINITION.replace(
            "assertions: [", "assertions: [whole: {all_equal: a, group_by: day, on_breach: reject}, "
        )
    )
    lent.run("installer", "INSERT INTO features.ex (id, day, a) VALUES (1, '2026-01-01', 5)")
    with pytest.raises(psycopg.errors.CheckViolation, match="whole"):
        lent.run("installer", "INSERT INTO features.ex (id, day, a) VALUES (2, '2026-01-01', 6)")
    lent.apply(READS)
    lent.run("installer", "INSERT INTO features.ex (id, day, a) VALUES (3, '2026-01-02', 5)")
    assert ("alone",) in lent.run("installer", "SELECT rule FROM pgslo.incident")


def test_nothing_of_a_table_of_another_role_runs_with_more_rights_than_its_author_has(world: World) -> None:
    """A rule reads a table of mallory's, with the rights of the owner of its own table."""
    world.run("mallory", SPY)
    world.run(
        "mallory", "CREATE TABLE evil.other (id int PRIMARY KEY); GRANT SELECT ON evil.other TO $installer"
    )
    world.run("installer", "CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int)")
    world.apply(
        """
table: features.ex
key: [id]
writes: bulk
batch: {by: day}
rules:
  - q: {query: "SELECT t.id FROM features.ex t WHERE t.id IN (SELECT o.id FROM evil.other o)"}
"""
    )
    world.run(
        "installer", "INSERT INTO features.ex (id, day, a) VALUES (1, '2026-01-01', 5), (2, '2026-01-02', 5)"
    )
    world.run("mallory", "CREATE INDEX ON evil.other ((evil.spy(1) + id))")
    forget(world)
    world.run("operator", "SELECT pgslo.tick(), pgslo.close_batch('features.ex')")
    assert not ran(world)[1]
    assert world.run("installer", "SELECT DISTINCT error_message FROM pgslo_catalog.rule_break") == [
        (f"index evil.other_expr_idx calls code of role {world.names['mallory']}",)
    ]


def test_readers_are_warned_that_the_age_cannot_be_determined(world: World) -> None:
    world.run("mallory", SPY)
    world.run("installer", "CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int, seen timestamptz)")
    world.run("installer", "CREATE INDEX ON features.ex (seen)")
    world.run("installer", "INSERT INTO features.ex VALUES (1, now(), 1, now())")
    world.apply(
        "{table: features.ex, key: [id], writes: bulk, batch: {by: day}, readers: [$reader], freshness: {max_age: 1 day, of: seen}}"
    )
    assert noticed(world) == []
    world.run("installer", PLACES["index"])
    forget(world)
    assert noticed(world) == [
        (
            "01SL2",
            "cannot determine the freshness of features.ex",
            "Reading the table would run code of another role.",
        )
    ]
    # The statement of the reader ran it, with the reader's rights.
    forget(world)
    world.run("operator", "SELECT pgslo.tick()")
    assert not ran(world)[1]
    verdicts = "SELECT verdict, said FROM pgslo.verdict WHERE rule = 'freshness'"
    assert set(world.run("superuser", verdicts)) <= {
        ("unknown", "reading the table would run code of another role")
    }


def noticed(world: World) -> list[tuple[str, str, str]]:
    session = world.session("reader")
    found: list[tuple[str, str, str]] = []
    session.add_notice_handler(
        lambda said: found.append((said.sqlstate, said.message_primary, said.message_detail))
    )
    session.execute("SELECT a FROM guarded.ex")
    return found
