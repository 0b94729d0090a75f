"""Code of a role that owns a part of a table runs with no more rights than that role has."""

from __future__ import annotations

import psycopg
import pytest

from pgslo.errors import DefinitionErrors

EX = """
table: features.ex
owner: sam
key: [id]
writes: {writes}
batch: {{by: day}}
row_count: {{min: 2}}
columns:
  a: [range: {{min: 0, on_breach: warn}}]
"""
TRAP = """
CREATE FUNCTION evil.trap(id int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $f$
BEGIN
    IF current_user <> '$mallory' THEN
        RAISE WARNING 'trapped %', current_user;
    END IF;
    RETURN true;
END $f$
"""


@pytest.fixture(params=["bulk", "stream"])
def definition(request):
    return EX.format(writes=request.param)


@pytest.fixture
def ex(world, definition):
    world.run(
        "installer",
        """CREATE TABLE features.ex (id int, day date, a int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
           CREATE TABLE features.ex_1 PARTITION OF features.ex FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
           CREATE TABLE features.ex_2 PARTITION OF features.ex DEFAULT""",
    )
    world.run("mallory", TRAP)
    world.apply(definition)
    world.run("installer", "INSERT INTO features.ex VALUES (1, '2020-01-01', 1), (2, '2020-01-02', 1)")
    world.run("superuser", "GRANT CREATE, USAGE ON SCHEMA features TO $mallory")
    return world


def heard(world, part, *statements):
    """What the server says to a role."""
    session = world.session(part)
    said: list[str] = []
    session.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
    for text in statements:
        session.execute(text.encode())
    session.close()
    return said


def give_away(world):
    world.run("superuser", "ALTER TABLE features.ex_1 OWNER TO $mallory")
    world.run("mallory", "CREATE INDEX ON features.ex_1 (day) WHERE evil.trap(1)")
    world.run(
        "installer",
        """INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows, operation)
           SELECT definition_id, '2020-01-01', 1577836800, 0, 'recount' FROM pgslo_catalog.definition""",
    )


def test_nothing_is_read_while_a_part_belongs_to_another_role(ex):
    give_away(ex)
    assert not any("trapped" in one for one in heard(ex, "operator", "SELECT pgslo.tick()"))
    with pytest.raises(
        psycopg.errors.InsufficientPrivilege, match=r"features\.ex_1, a part of features\.ex, belongs to role"
    ):
        heard(ex, "operator", "SELECT pgslo.close_batch('features.ex')")
    # It was told, and is judged once the part is given back.
    assert ex.run("installer", "SELECT count(*) FROM pgslo_catalog.rule_break") != [(0,)]
    ex.run("superuser", "ALTER TABLE features.ex_1 OWNER TO $installer; DROP INDEX features.ex_1_day_idx")
    assert heard(ex, "operator", "SELECT pgslo.close_batch('features.ex')") == []


def test_apply_refuses_it(ex, definition):
    give_away(ex)
    with pytest.raises(
        DefinitionErrors, match=r"features\.ex_1 belongs to role .*, who does not have the rights of"
    ):
        ex.apply(definition.replace("min: 2", "min: 3"))


def test_a_member_of_the_owner_s_role_may_own_parts(ex, definition):
    ex.run("superuser", "GRANT $installer TO $mallory; ALTER TABLE features.ex_1 OWNER TO $mallory")
    ex.apply(definition.replace("min: 2", "min: 3"))
    assert heard(ex, "operator", "SELECT pgslo.tick()", "SELECT pgslo.close_batch('features.ex')") == []


def test_a_member_who_cannot_act_as_the_owner_owns_no_parts(ex, definition):
    if ex.admin.info.server_version < 160000:
        pytest.skip("members without the rights of a role, and without SET ROLE, came with PostgreSQL 16")
    grant = "GRANT $installer TO $mallory WITH INHERIT {}, SET {}"
    ex.run("superuser", grant.format(False, False))
    give_away(ex)
    assert not any("trapped" in one for one in heard(ex, "operator", "SELECT pgslo.tick()"))
    with pytest.raises(
        psycopg.errors.InsufficientPrivilege, match=r"a part of features\.ex, belongs to role"
    ):
        heard(ex, "operator", "SELECT pgslo.close_batch('features.ex')")
    with pytest.raises(DefinitionErrors, match=r"who does not have the rights of"):
        ex.apply(definition.replace("min: 2", "min: 3"))
    ex.run("superuser", "DROP INDEX features.ex_1_day_idx")
    for number, rights in enumerate([(True, False), (False, True)]):
        ex.run("superuser", grant.format(*rights))
        ex.apply(definition.replace("min: 2", f"min: {3 + number}"))
        assert heard(ex, "operator", "SELECT pgslo.close_batch('features.ex')") == []


def test_children_by_inheritance_as_well(ex, definition):
    ex.run("installer", "CREATE TABLE features.parent (id int PRIMARY KEY, day date, a int)")
    ex.apply(definition.replace("features.ex", "features.parent"))
    ex.run("installer", "INSERT INTO features.parent VALUES (1, '2020-01-01', 1)")
    ex.run(
        "superuser",
        "CREATE TABLE features.child () INHERITS (features.parent); ALTER TABLE features.child OWNER TO $mallory",
    )
    with pytest.raises(
        psycopg.errors.InsufficientPrivilege, match=r"features\.child, a part of features\.parent"
    ):
        ex.run("installer", "SELECT pgslo.learn('features.parent')")
