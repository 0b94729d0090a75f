"""Schemas that pgslo uses and did not make: their owner, or a role that creates in them, could replace guarded views."""

from __future__ import annotations

import textwrap
from typing import Any

import psycopg
import pytest

from pgslo import definition
from pgslo.database import installation, operations, planning, runtime
from pgslo.errors import DefinitionErrors, PgsloError, RuntimeMismatch

#: As conftest.py has it.
World = Any

SCENE = "CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int)"
DEFINITION = """\
table: features.ex
guarded: readable
key: [id]
writes: bulk
batch: {by: day}
readers: [$reader]
tasks:
  t1:
    reads: [a]
    view: serving.t1
"""


@pytest.fixture
def scene(world: World) -> World:
    world.run("installer", SCENE)
    return world


def load(text: str) -> Any:
    return definition.load(textwrap.dedent(text), path="slos/ex.yml", kinds=definition.load_kinds({}))


def refusal(scene: World, *, by: str = "installer", text: str = DEFINITION) -> Any:
    session = scene.admin if by == "superuser" else scene.session(by)
    with pytest.raises(DefinitionErrors) as caught:
        planning.plan_definitions(session, [load(scene.sql(text))])
    (error,) = caught.value.errors
    return error


def strict(scene: World) -> list[Any]:
    return [one for one in operations.find_drift(scene.session("auditor")) if not one.is_hint]


@pytest.mark.parametrize("by", ["installer", "superuser"])
@pytest.mark.parametrize(("schema", "line"), [("readable", 2), ("serving", 10)])
def test_a_schema_of_another_role_holds_no_guarded_views(
    scene: World, by: str, schema: str, line: int
) -> None:
    scene.run(
        "superuser",
        f"CREATE SCHEMA {schema} AUTHORIZATION $mallory; GRANT ALL ON SCHEMA {schema} TO $installer",
    )
    error = refusal(scene, by=by)
    assert error.message == f'schema "{schema}" belongs to role "{scene.names["mallory"]}"'
    assert error.location.line == line
    assert f'ALTER SCHEMA "{schema}" OWNER TO' in error.hint


@pytest.mark.parametrize("by", ["installer", "superuser"])
@pytest.mark.parametrize("grantee", ["mallory", "PUBLIC"])
def test_a_schema_in_which_others_create_holds_no_guarded_views(scene: World, by: str, grantee: str) -> None:
    role = "PUBLIC" if grantee == "PUBLIC" else f"${grantee}"
    scene.run("installer", f"CREATE SCHEMA readable; GRANT CREATE ON SCHEMA readable TO {role}")
    error = refusal(scene, by=by)
    shown = scene.names.get(grantee, grantee)
    assert error.message == f'other roles may create objects in schema "readable": {shown}'
    assert 'REVOKE CREATE ON SCHEMA "readable" FROM' in error.hint


def test_schema_public_holds_none_where_everybody_creates(scene: World) -> None:
    scene.run("superuser", "GRANT CREATE ON SCHEMA public TO PUBLIC")
    assert "PUBLIC" in refusal(scene, by="superuser", text=DEFINITION.replace("readable", "public")).message


@pytest.mark.parametrize(
    ("owner", "by"),
    [
        ("installer", "installer"),
        ("installer", "superuser"),
        ("superuser", "installer"),
        ("team", "installer"),
    ],
)
def test_schemas_of_trusted_roles_hold_guarded_views(scene: World, owner: str, by: str) -> None:
    """Of the applying role, pgslo's owner, a superuser, or a role that the applying one is a member of."""
    scene.run("superuser", "GRANT $steward TO $installer")
    role = {"superuser": "CURRENT_USER", "team": "$steward"}.get(owner, f"${owner}")
    scene.run(
        "superuser",
        f"""
        CREATE SCHEMA readable AUTHORIZATION {role}; CREATE SCHEMA serving AUTHORIZATION {role};
        GRANT ALL ON SCHEMA readable, serving TO $installer; GRANT USAGE ON SCHEMA readable TO $reader;
        """,
    )
    scene.apply(DEFINITION, by=by)
    assert strict(scene) == []
    assert scene.run("reader", "SELECT count(*) FROM readable.ex") == [(0,)]


def test_the_owner_of_the_table_may_own_the_schema_of_its_views(scene: World) -> None:
    scene.run(
        "superuser",
        """
        CREATE SCHEMA readable AUTHORIZATION $trainer; CREATE SCHEMA serving AUTHORIZATION $trainer;
        GRANT USAGE ON SCHEMA features TO $trainer; ALTER TABLE features.ex OWNER TO $trainer;
        GRANT SELECT ON features.ex TO $installer;
        """,
    )
    scene.apply(DEFINITION, by="superuser")
    assert strict(scene) == []


def test_drift_finds_schemas_that_changed_hands(scene: World) -> None:
    scene.apply(DEFINITION)
    assert strict(scene) == []
    scene.run(
        "superuser", "ALTER SCHEMA serving OWNER TO $mallory; GRANT CREATE ON SCHEMA readable TO $mallory"
    )
    found = strict(scene)
    assert {(one.what, one.thing) for one in found} == {
        ("schema", "schema readable"),
        ("schema", "schema serving"),
    }
    assert all(scene.names["mallory"] in one.said for one in found)
    with pytest.raises(DefinitionErrors):
        planning.plan_definitions(scene.session("installer"), [load(scene.sql(DEFINITION))])


@pytest.mark.parametrize("kind", ["VIEW readable.ex AS SELECT 1 AS id", "TABLE readable.ex (id int)"])
def test_a_name_that_another_object_has_is_refused_with_its_owner(scene: World, kind: str) -> None:
    scene.run("installer", "CREATE SCHEMA readable; GRANT CREATE ON SCHEMA readable TO $mallory")
    scene.run("mallory", f"CREATE {kind}")
    scene.run("installer", "REVOKE CREATE ON SCHEMA readable FROM $mallory")
    error = refusal(scene)
    assert error.message == "readable.ex exists already, and pgslo did not make it"
    assert scene.names["mallory"] in error.detail
    assert error.location.line == 2


def test_a_view_that_is_replaced_between_plan_and_apply_stops_the_apply(scene: World) -> None:
    """By a role that owned the schema at the time; nothing is dropped and nothing is granted on its view."""
    scene.apply(DEFINITION)
    changed = load(scene.sql(DEFINITION.replace("reads: [a]", "reads: [a, day]")))
    session = scene.session("installer")
    made = planning.plan_definitions(session, [changed])
    scene.run("superuser", "ALTER SCHEMA serving OWNER TO $mallory")
    scene.run("mallory", "DROP VIEW serving.t1; CREATE VIEW serving.t1 AS SELECT 1 AS id, 2 AS a")
    scene.run("superuser", "ALTER SCHEMA serving OWNER TO $installer")
    with pytest.raises(PgsloError, match=r"exists already, and pgslo did not make it"):
        installation.apply(session, made, lambda: planning.plan_definitions(session, [changed]))
    assert scene.run(
        "superuser",
        "SELECT pg_get_userbyid(relowner), relacl FROM pg_class WHERE oid = 'serving.t1'::regclass",
    ) == [(scene.names["mallory"], None)]


@pytest.mark.parametrize(
    "view",
    [
        "pg_catalog.zz",
        "information_schema.zz",
        "pgslo.rule2",
        "pgslo_catalog.zz",
        "pgslo_gen.zz",
        "pgslo_snapshot.zz",
        "pg_toast.zz",
        "pg_temp.zz",
    ],
)
def test_reserved_schemas_hold_no_views_of_tasks(view: str) -> None:
    schema = view.partition(".")[0]
    for text in (DEFINITION.replace("serving.t1", view), DEFINITION.replace("readable", schema)):
        with pytest.raises(DefinitionErrors, match=f'schema "{schema}" cannot hold') as caught:
            load(text)
        assert caught.value.errors[0].location.line in (2, 10)


@pytest.mark.parametrize("schema", ["pgslo", "pgslo_catalog", "pgslo_gen"])
def test_a_schema_of_pgslos_name_stops_the_first_apply(empty_connection: Any, role: Any, schema: str) -> None:
    mallory = role("mallory")
    empty_connection.execute(f'CREATE SCHEMA {schema} AUTHORIZATION "{mallory}"'.encode())
    with pytest.raises(RuntimeMismatch, match=f"schema {schema} exists already") as caught:
        runtime.install(empty_connection)
    assert mallory in (caught.value.detail or "")


def test_schemas_of_different_owners_are_no_runtime(world: World) -> None:
    world.run("superuser", "ALTER SCHEMA pgslo_gen OWNER TO $mallory")
    for part in ("installer", "superuser"):
        session = world.admin if part == "superuser" else world.session(part)
        with pytest.raises(RuntimeMismatch, match="different roles"):
            runtime.check(session)


def test_a_plan_names_the_owner_of_a_runtime_whose_functions_it_runs(scene: World) -> None:
    notes = planning.plan_definitions(scene.admin, [load(scene.sql(DEFINITION))]).notes
    assert [note for note in notes if f"pgslo belongs to role {scene.names['installer']}" in note]
    notes = planning.plan_definitions(scene.session("installer"), [load(scene.sql(DEFINITION))]).notes
    assert not [note for note in notes if "belongs to role" in note]


def test_snapshots_are_not_kept_in_a_schema_of_another_role(scene: World) -> None:
    scene.apply(DEFINITION)
    scene.run("superuser", "CREATE SCHEMA pgslo_snapshot AUTHORIZATION $mallory")
    with pytest.raises(psycopg.errors.DuplicateSchema, match="pgslo_snapshot"):
        scene.run("installer", "SELECT pgslo.create_snapshot('s', 'readable', 'ex')")
