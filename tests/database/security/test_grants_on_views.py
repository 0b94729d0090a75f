"""Grants made by hand on guarded views outlive their replacement, and none becomes more than its owner granted."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from pgslo import definition
from pgslo.database import catalog_reader, planning

#: As conftest.py has it.
World = Any

DEFINITION = """
table: features.ex
key: [id]
writes: bulk
batch: {by: day}
readers: [$reader]
columns:
  a: [range: {min: 0, max: MOST}]
tasks:
  train: {reads: [a], view: guarded.train}
"""
VIEWS = ("ex", "ex_strict", "ex_status", "ex_healthy", "train")


@pytest.fixture
def scene(world: World) -> World:
    world.run("installer", "CREATE TABLE features.ex (id int PRIMARY KEY, day date, w100 int, a int, b int)")
    apply(world)
    return world


def text(most: int, readers: str = "[$reader]") -> str:
    """The definition with another bound; from the second one on, the task reads another column."""
    read = "reads: [a]" if most == 100 else f"reads: [c{most}, a]"
    made = DEFINITION.replace("MOST", f"{most}").replace("reads: [a]", read)
    return made.replace("readers: [$reader]", f"readers: {readers}" if readers else "")


def apply(world: World, most: int = 100, readers: str = "[$reader]") -> None:
    world.apply(text(most, readers))


def change(world: World, most: int) -> None:
    """Change the table so that no view can be replaced where it is: a column in the middle has another name."""
    ((former,),) = world.run(
        "superuser",
        "SELECT attname FROM pg_attribute WHERE attrelid = 'features.ex'::regclass AND attnum = 3",
    )
    if former != f"w{most}":
        world.run(
            "installer",
            f"ALTER TABLE features.ex RENAME {former} TO w{most}; ALTER TABLE features.ex ADD COLUMN c{most} int",
        )


def hazards(world: World, most: int) -> set[str]:
    """The hazards of the guarded view in the plan of a change."""
    change(world, most)
    wanted = definition.load(textwrap.dedent(world.sql(text(most))), path="slos/ex.yml")
    with world.session("installer") as session:
        made = planning.plan_definitions(session, [wanted])
    return {hazard for step in made.steps if step.identity == "guarded.ex" for hazard in step.hazards}


def replace(world: World, most: int = 200, *, readers: str = "[$reader]") -> None:
    """Apply the definition to a table with other columns: all views are re-created."""
    change(world, most)
    before = oids(world)
    apply(world, most, readers)
    assert not before & oids(world), "all views were replaced"


def oids(world: World) -> set[int]:
    return {
        oid
        for (oid,) in world.run(
            "superuser",
            "SELECT oid::bigint FROM pg_class WHERE relnamespace = 'guarded'::regnamespace",
        )
    }


def acl(world: World, view: str) -> set[tuple[Any, ...]]:
    """The rights on a view: grantee, grantor, privilege, column, and whether with grant option."""
    return set(
        world.run(
            "superuser",
            f"""SELECT CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END, x.grantor::regrole::text, x.privilege_type, x.attname, x.is_grantable
                FROM (SELECT NULL AS attname, e.* FROM pg_class c, aclexplode(c.relacl) e WHERE c.oid = 'guarded.{view}'::regclass
                      UNION ALL SELECT a.attname, e.* FROM pg_attribute a, aclexplode(a.attacl) e WHERE a.attrelid = 'guarded.{view}'::regclass) x""",
        )
    )


def test_grants_made_by_hand_outlive_the_replacement_of_every_view(scene: World):
    world = scene
    for view in VIEWS:
        world.run(
            "installer",
            f"""GRANT SELECT ON guarded.{view} TO $trainer, $steward;
                GRANT SELECT ON guarded.{view} TO $auditor WITH GRANT OPTION;
                GRANT INSERT ON guarded.{view} TO $writer;
                GRANT SELECT (id, a), UPDATE (a) ON guarded.{view} TO $operator;
                GRANT SELECT (id) ON guarded.{view} TO $trainer, PUBLIC""",
        )
    world.run("installer", "GRANT SELECT (_slo_status) ON guarded.ex_status TO $writer")
    world.run("installer", "GRANT USAGE ON SCHEMA guarded TO $steward")
    before = {view: acl(world, view) for view in VIEWS}
    assert len(before["ex"]) > 10
    assert hazards(world, 200) == set(), "no right is lost"
    replace(world)
    assert {view: acl(world, view) for view in VIEWS} == before
    assert world.run("steward", "SELECT * FROM guarded.ex") == []
    replace(world, 300)
    assert {view: acl(world, view) for view in VIEWS} == before, "again"


def test_a_column_that_is_gone_takes_its_grant_along(scene: World):
    world = scene
    world.run(
        "installer",
        "GRANT SELECT (a, b) ON guarded.ex TO $trainer; GRANT SELECT (b) ON guarded.ex TO $steward",
    )
    world.run("installer", "ALTER TABLE features.ex DROP COLUMN b CASCADE")
    apply(world)
    assert {one[3] for one in acl(world, "ex") if one[3]} <= {"a"}


def test_what_another_role_granted_is_not_widened_and_is_named(scene: World):
    world = scene
    world.run("installer", "GRANT USAGE ON SCHEMA guarded TO $trainer")
    world.run("installer", "GRANT SELECT ON guarded.ex TO $trainer WITH GRANT OPTION")
    world.run("trainer", "GRANT SELECT ON guarded.ex TO $mallory")
    (hazard,) = hazards(world, 200)
    assert hazard == world.sql("rights on it that role $trainer granted are lost with it, those of $mallory")
    replace(world)
    assert world.names["mallory"] not in {one[0] for one in acl(world, "ex")}
    # What the grantor could give is gone with his own right.
    world.run("installer", "REVOKE ALL ON guarded.ex FROM $trainer")
    assert {one[0] for one in acl(world, "ex")} == {world.names["installer"], world.names["reader"]}


def test_a_role_that_is_no_reader_any_more_loses_the_view(scene: World):
    world = scene
    world.run("installer", "GRANT SELECT ON guarded.ex TO $trainer")
    replace(world, readers="[$steward]")
    assert {one[0] for one in acl(world, "ex")} == {
        world.names[one] for one in ("installer", "trainer", "steward")
    }
    replace(world, 300, readers="[$trainer]")
    replace(world, 400, readers="")
    assert {one[0] for one in acl(world, "ex")} <= {world.names["installer"]}


def test_grants_of_an_owner_who_is_not_trusted_any_more_are_not_repeated(scene: World):
    world = scene
    world.run("superuser", "GRANT $installer TO $trainer; GRANT CREATE ON SCHEMA guarded TO $trainer")
    world.run("installer", "GRANT SELECT ON features.ex TO $trainer")
    for view in VIEWS:
        world.run("superuser", f"ALTER VIEW guarded.{view} OWNER TO $trainer")
    world.run("trainer", "GRANT SELECT ON guarded.ex TO $mallory")
    world.run("superuser", "REVOKE CREATE ON SCHEMA guarded FROM $trainer")
    # The registry lists views of that role: it applied the definition when it was a member of pgslo's owner.
    world.run(
        "superuser",
        """UPDATE pgslo_catalog.applied SET objects = (
               SELECT jsonb_agg(CASE WHEN o ->> 'kind' = 'view' THEN jsonb_set(o, '{owner}', to_jsonb('$trainer'::text)) ELSE o END)
               FROM jsonb_array_elements(objects) AS o)""",
    )
    world.run("superuser", "REVOKE $installer FROM $trainer")
    assert {grant.is_kept for grant in _view(world, "ex").grants} == {False}


def _view(world: World, name: str) -> Any:
    with world.session("installer") as session:
        return catalog_reader.read_catalog(session, []).views["guarded", name]


def test_a_default_privilege_that_was_revoked_stays_revoked(scene: World):
    world = scene
    world.run(
        "installer",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA guarded GRANT SELECT, INSERT ON TABLES TO PUBLIC, $mallory",
    )
    replace(world)
    # What came after the view was created is none of its grants either.
    assert {one[0] for one in acl(world, "ex")} == {world.names["installer"], world.names["reader"]}
    world.run("installer", "GRANT INSERT ON guarded.ex TO $mallory")
    replace(world, 300)
    assert {(one[0], one[2]) for one in acl(world, "ex") if one[0] != world.names["installer"]} == {
        (world.names["reader"], "SELECT"),
        (world.names["mallory"], "INSERT"),
    }
