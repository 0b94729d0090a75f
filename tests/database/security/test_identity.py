"""Whose an object is: its owner and the registry say so, its comment does not."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from pgslo import definition
from pgslo.database import catalog_reader, installation, operations, planning

#: As conftest.py has it.
World = Any

SCENE = """
CREATE TABLE features.word (code text PRIMARY KEY);
CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int, word text) ;
CREATE TABLE features.other (id int PRIMARY KEY, day date, a int);
"""
DEFINITION = """
table: features.ex
key: [id]
writes: bulk
batch: {by: day}
columns:
  a: [range: {min: 0, max: 100, on_breach: flag}]
  word: [references: {table: features.word, column: code, on_breach: reject, name: known}]
readers: [$reader]
"""
OTHER = """
table: features.other
key: [id]
writes: bulk
batch: {by: day}
columns: {a: [range: {min: 0, max: 100, on_breach: flag}]}
"""
COMMENT = "'pgslo 0123456789abcdef features.ex'"
#: What mallory does, and what is found of it: kind and name.
FORGERIES = f"""
CREATE VIEW evil.block AS SELECT 1 AS a;
COMMENT ON VIEW evil.block IS {COMMENT};
CREATE MATERIALIZED VIEW evil.heap AS SELECT 1 AS a;
COMMENT ON MATERIALIZED VIEW evil.heap IS {COMMENT};
CREATE FUNCTION evil.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
COMMENT ON FUNCTION evil.f() IS {COMMENT};
CREATE TABLE evil.parent (id int PRIMARY KEY);
CREATE TABLE evil.t (id int PRIMARY KEY REFERENCES evil.parent, r int4range, d int CONSTRAINT pgslo__d_not_null CHECK (d IS NOT NULL));
COMMENT ON TABLE evil.t IS {COMMENT};
COMMENT ON CONSTRAINT t_id_fkey ON evil.t IS {COMMENT};
COMMENT ON CONSTRAINT pgslo__d_not_null ON evil.t IS {COMMENT};
ALTER TABLE evil.t ADD CONSTRAINT pgslo__r EXCLUDE USING gist (r WITH &&);
COMMENT ON CONSTRAINT pgslo__r ON evil.t IS {COMMENT};
CREATE UNIQUE INDEX pgslo__u ON evil.t (d);
COMMENT ON INDEX evil.pgslo__u IS {COMMENT};
CREATE UNIQUE INDEX pgslo__v ON evil.t (d);
CREATE TRIGGER pgslo_500_measure_insert AFTER INSERT ON evil.t FOR EACH STATEMENT EXECUTE FUNCTION evil.f();
COMMENT ON TRIGGER pgslo_500_measure_insert ON evil.t IS {COMMENT};
CREATE TABLE evil.parted (id int) PARTITION BY LIST (id);
CREATE TABLE evil.part PARTITION OF evil.parted FOR VALUES IN (1);
CREATE TRIGGER pgslo_100_repair AFTER INSERT ON evil.parted FOR EACH ROW EXECUTE FUNCTION evil.f();
COMMENT ON TRIGGER pgslo_100_repair ON evil.parted IS {COMMENT};
COMMENT ON TRIGGER pgslo_100_repair ON evil.part IS {COMMENT};
COMMENT ON SCHEMA evil IS 'pgslo 0123456789abcdef guarded views';
"""
FOUND = {
    "view evil.block", "materialized view evil.heap", "function evil.f", "table evil.t", "foreign key t_id_fkey ON evil.t",
    "constraint pgslo__d_not_null ON evil.t", "exclusion pgslo__r ON evil.t", "unique index evil.pgslo__u ON evil.t",
    "trigger pgslo_500_measure_insert ON evil.t", "trigger pgslo_100_repair ON evil.parted", "trigger pgslo_100_repair ON evil.part",
}  # fmt: skip


@pytest.fixture
def scene(world: World) -> World:
    world.run("installer", SCENE)
    world.apply(DEFINITION)
    world.run("mallory", FORGERIES)
    return world


def load(text: str) -> Any:
    return definition.load(textwrap.dedent(text), path="slos/ex.yml", kinds=definition.load_kinds({}))


def plan(scene: World, text: str, *, by: str = "installer") -> Any:
    with scene.session(by) if by != "superuser" else scene.admin.transaction():
        session = scene.admin if by == "superuser" else scene.session(by)
        return planning.plan_definitions(session, [load(scene.sql(text))])


def count(scene: World, query: str) -> int:
    return int(scene.run("superuser", query)[0][0])


EVIL = """
SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = 'evil'::regnamespace)
     + (SELECT count(*) FROM pg_constraint WHERE connamespace = 'evil'::regnamespace)
     + (SELECT count(*) FROM pg_proc WHERE pronamespace = 'evil'::regnamespace)
     + (SELECT count(*) FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid WHERE c.relnamespace = 'evil'::regnamespace)
"""


def test_apply_ignores_forged_comments_and_names_them(scene: World) -> None:
    before = count(scene, EVIL)
    made = plan(scene, DEFINITION)
    assert made.empty
    assert {note.split("the comment of ")[1].split(" says that")[0] for note in made.notes} == FOUND
    assert all(scene.names["mallory"] in note for note in made.notes)
    for by in ("installer", "superuser"):
        scene.apply(DEFINITION.replace("max: 100", f"max: {50 + len(by)}"), by=by)
    scene.apply(OTHER)
    assert count(scene, EVIL) == before


def test_drift_names_forged_comments_as_hints(scene: World) -> None:
    for part in ("installer", "auditor", "superuser"):
        session = scene.admin if part == "superuser" else scene.session(part)
        found = operations.find_drift(session)
        assert {one.thing for one in found} == FOUND | {"schema evil"}
        assert {(one.what, one.is_hint) for one in found} == {("forged", True)}
        assert all(scene.names["mallory"] in one.said for one in found)


@pytest.mark.parametrize("by", ["installer", "superuser"])
def test_uninstall_drops_no_object_of_another_role(scene: World, by: str) -> None:
    before = count(scene, EVIL)
    session = scene.admin if by == "superuser" else scene.session(by)
    assert {one.definition for one in catalog_reader.installed(session)} == {"features.ex", "guarded views"}
    leaving = catalog_reader.definitions_installed(session)

    def make() -> Any:
        return planning.plan_removal(session, leaving)

    assert installation.apply(session, make(), make) == ()
    installation.drop_runtime(session)
    assert count(scene, EVIL) == before
    assert (
        count(
            scene,
            "SELECT count(*) FROM pg_namespace WHERE nspname IN ('pgslo', 'pgslo_catalog', 'pgslo_gen', 'guarded')",
        )
        == 0
    )


def test_a_comment_hides_no_dependant_from_uninstall(scene: World) -> None:
    scene.run(
        "mallory",
        f"CREATE VIEW evil.verdicts AS SELECT * FROM pgslo.verdict; COMMENT ON VIEW evil.verdicts IS {COMMENT};",
    )
    assert [one for one in catalog_reader.runtime_dependants(scene.admin) if "verdicts" in one]


def test_a_comment_hides_no_view_from_its_readers(scene: World) -> None:
    scene.run(
        "superuser", "GRANT USAGE ON SCHEMA guarded TO $mallory; GRANT SELECT ON guarded.ex TO $mallory"
    )
    scene.run(
        "mallory",
        f"CREATE VIEW evil.mine AS SELECT id, a FROM guarded.ex; COMMENT ON VIEW evil.mine IS {COMMENT};",
    )
    for part in ("installer", "reader", "mallory", "superuser"):
        assert scene.run(part, "SELECT name, contact FROM pgslo.reader") == [
            ("evil.mine", scene.names["mallory"])
        ]


def test_what_is_pgslos_is_found_again(scene: World) -> None:
    """With and without the registry, by the owner, a superuser and the auditor."""
    kinds = {"view", "schema", "trigger", "function", "registration", "foreign_key"}
    for part in ("installer", "auditor", "superuser"):
        session = scene.admin if part == "superuser" else scene.session(part)
        assert {one.kind for one in catalog_reader.installed(session)} == kinds
    scene.run("superuser", "DELETE FROM pgslo_catalog.applied")
    assert {one.kind for one in catalog_reader.installed(scene.session("installer"))} == kinds


def test_what_a_superuser_applied_is_the_installers_as_well(world: World) -> None:
    world.run("installer", SCENE)
    world.apply(DEFINITION, by="superuser")
    found = {
        one.identity: one.owner
        for one in catalog_reader.installed(world.session("installer"))
        if one.kind == "view"
    }
    assert sorted(found) == ["guarded.ex", "guarded.ex_healthy", "guarded.ex_status", "guarded.ex_strict"]
    assert world.names["installer"] not in found.values()
    assert plan(world, DEFINITION).empty
    world.run("mallory", f"CREATE VIEW evil.ex AS SELECT 1 AS a; COMMENT ON VIEW evil.ex IS {COMMENT};")
    assert plan(world, DEFINITION).empty


def test_the_owner_of_a_table_moves_no_trigger_to_another_definition(world: World) -> None:
    """The owner writes the comments of triggers on the table; the registry knows for which definition they were made."""
    world.run("superuser", "GRANT $mallory TO $installer")
    world.run("mallory", "CREATE TABLE evil.own (id int PRIMARY KEY, day date, a int)")
    world.run("installer", SCENE)
    world.apply(DEFINITION)
    world.apply(OTHER.replace("features.other", "evil.own"))
    world.run("superuser", "REVOKE $mallory FROM $installer")
    (trigger,) = world.run(
        "superuser", "SELECT tgname FROM pg_trigger WHERE tgrelid = 'evil.own'::regclass LIMIT 1"
    )
    world.run("mallory", f"COMMENT ON TRIGGER {trigger[0]} ON evil.own IS {COMMENT}")
    made = plan(world, DEFINITION)
    assert [step.identity for step in made.steps] == []
    found = operations.find_drift(world.session("installer"))
    # The role that was revoked is told as well.
    moved = [one for one in found if not one.is_hint and one.what != "no rights"]
    assert [(one.definition, one.what) for one in moved] == [("evil.own", "foreign")]


def test_a_view_that_took_the_place_of_a_guarded_view_is_another(scene: World) -> None:
    scene.run(
        "superuser", "ALTER SCHEMA guarded OWNER TO $mallory; GRANT USAGE ON SCHEMA guarded TO $installer"
    )
    scene.run(
        "mallory",
        f"DROP VIEW guarded.ex; CREATE VIEW guarded.ex AS SELECT 1 AS id; COMMENT ON VIEW guarded.ex IS {COMMENT};",
    )
    found = {(one.what, one.thing) for one in operations.find_drift(scene.admin) if not one.is_hint}
    assert found == {("missing", "view guarded.ex"), ("schema", "schema guarded")}


def test_uninstall_leaves_a_schema_with_objects_of_another_role(scene: World) -> None:
    scene.run("superuser", "GRANT ALL ON SCHEMA guarded TO $mallory")
    scene.run(
        "mallory", f"CREATE VIEW guarded.mine AS SELECT 1 AS a; COMMENT ON VIEW guarded.mine IS {COMMENT};"
    )

    def make() -> Any:
        return planning.plan_removal(scene.admin, ["features.ex"])

    assert installation.apply(scene.admin, make(), make) == ()
    assert scene.run(
        "superuser", "SELECT relname::text FROM pg_class WHERE relnamespace = 'guarded'::regnamespace"
    ) == [("mine",)]


def test_many_and_long_forgeries_do_not_fill_the_screen(scene: World) -> None:
    scene.run(
        "mallory",
        """
        DO $do$ BEGIN
            FOR n IN 1..150 LOOP
                EXECUTE format('CREATE VIEW evil.v%s AS SELECT 1 AS a', n);
                EXECUTE format('COMMENT ON VIEW evil.v%s IS %L', n, 'pgslo 0123456789abcdef ' || repeat('x', 10000));
            END LOOP;
        END $do$
        """,
    )
    found = operations.find_drift(scene.session("auditor"))
    assert len(found) == 100
    assert max(len(f"{one.definition}{one.thing}{one.said}{one.to_do}") for one in found) < 500
