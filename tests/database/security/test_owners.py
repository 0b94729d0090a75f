"""What pgslo does with a table of a less trusted role runs none of that role's code with more rights (case 12)."""

from __future__ import annotations

import contextlib
import re

import psycopg
import pytest

from pgslo import definition
from pgslo.database import installation, planning

#: A sequence tells who ran the spy, whatever is rolled back: of another role than mallory, or of mallory.
SPY = """
CREATE SEQUENCE evil.as_other; CREATE SEQUENCE evil.as_mallory;
GRANT ALL ON ALL SEQUENCES IN SCHEMA evil TO PUBLIC;
CREATE FUNCTION evil.spy(int) RETURNS int IMMUTABLE COST 0.0001 LANGUAGE plpgsql SET search_path = pg_catalog AS $$BEGIN
  IF current_user = '$mallory' THEN PERFORM nextval('evil.as_mallory'); ELSE PERFORM nextval('evil.as_other'); END IF;
  RETURN $1;
END$$;
CREATE FUNCTION evil.bend(int) RETURNS int VOLATILE LANGUAGE plpgsql AS $$BEGIN
  PERFORM evil.spy(1);
  PERFORM set_config('search_path', 'evil, pg_catalog', false);
  RETURN $1;
END$$;
-- What pgslo would call if its search_path were this one.
CREATE FUNCTION evil.trap(bigint, bigint) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN PERFORM evil.spy(1); RETURN $1 OPERATOR(pg_catalog.=) $2; END$$;
CREATE OPERATOR evil.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = evil.trap);
CREATE FUNCTION evil.trap(text, text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN PERFORM evil.spy(1); RETURN $1 OPERATOR(pg_catalog.=) $2; END$$;
CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.trap);
GRANT USAGE ON SCHEMA evil TO PUBLIC;
"""
TABLE = """
CREATE TABLE evil.tab (id int PRIMARY KEY, day date, amount int, grp text, seen timestamptz);
CREATE INDEX ON evil.tab (day);
CREATE INDEX ON evil.tab (seen);
CREATE INDEX ON evil.tab (grp);
CREATE TABLE evil.country (code text PRIMARY KEY);
INSERT INTO evil.country VALUES ('de');
GRANT ALL ON evil.tab TO $writer;
"""
EVERYTHING = """
table: evil.tab
key: [id]
writes: bulk
batch: {by: day}
freshness: {max_age: 30 days, of: seen}
columns:
  amount:
    - range: {min: 0, max: 100, on_breach: quarantine}
    - monotonic: {order: id, name: rising, at_most: 100000}
  grp:
    - references: {table: evil.country, column: code, on_breach: flag, name: known}
    - unique: {on_breach: quarantine, name: alone}
rules:
  - q: {query: "SELECT t.id FROM evil.tab t WHERE t.amount > 50"}
assertions:
  - same: {all_equal: amount, group_by: day, on_breach: reject}
  - watched: {all_equal: amount, group_by: grp, on_breach: flag}
"""


def plan(world, text):
    loaded = [definition.load(world.sql(text), path="slos/example.yml", kinds=definition.load_kinds({}))]
    return planning.plan_definitions(world.session("installer"), loaded)


def ran(world) -> tuple[bool, bool]:
    """Whether the spy ran as mallory, and as anybody else."""
    ((mallory, other),) = world.run(
        "superuser", "SELECT (SELECT is_called FROM evil.as_mallory), (SELECT is_called FROM evil.as_other)"
    )
    return mallory, other


@pytest.fixture
def owned(world):
    """Mallory owns the guarded table; the installer is a member of her role, as of the roles of other owners."""
    world.run("superuser", "GRANT $mallory TO $installer")
    world.run(
        "installer",
        "CREATE TABLE features.secret (v text); INSERT INTO features.secret VALUES ('top secret')",
    )
    world.run("mallory", SPY + TABLE)
    return world


def functions(world):
    return dict(
        world.run(
            "superuser",
            "SELECT p.proname, pg_get_userbyid(p.proowner) FROM pg_proc p WHERE p.pronamespace = 'pgslo_gen'::regnamespace",
        )
    )


def of_owner(world):
    found = functions(world)
    return {name for name, owner in found.items() if owner == world.names["mallory"]}


def test_functions_that_name_the_table_belong_to_its_owner(owned):
    owned.apply(EVERYTHING)
    assert {name.removeprefix("evil__tab__") for name in of_owner(owned)} >= {
        "recount",
        "newest",
        "rule_rising",
        "rule_q",
        "lookup_known",
        "lookup_alone",
        "read_as_owner",
        "write_as_owner",
    }
    named = owned.run(
        "superuser",
        r"""SELECT p.proname FROM pg_proc p
            WHERE p.pronamespace = 'pgslo_gen'::regnamespace AND pg_get_userbyid(p.proowner) <> '$mallory'
              AND p.prosrc ~ '\m(FROM|JOIN)\s+evil\.'""",
    )
    assert named == []


def test_the_owner_gets_nothing_else(owned):
    owned.apply(EVERYTHING)
    assert owned.run(
        "superuser",
        """SELECT has_schema_privilege('$mallory', 'pgslo_gen', 'CREATE'), has_schema_privilege('$mallory', 'pgslo_gen', 'USAGE'),
                  has_schema_privilege('$mallory', 'pgslo_catalog', 'CREATE')""",
    ) == [(False, False, False)]
    readable = """SELECT c.oid::regclass FROM pg_class c
                  WHERE c.relnamespace = 'pgslo_catalog'::regnamespace AND c.relkind IN ('r', 'v')
                    AND has_any_column_privilege('$mallory', c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')"""
    # The view shows of other roles' tables nothing (test_batch_names.py).
    assert owned.run("superuser", readable) == [("pgslo_catalog.own_salt",)]
    granted = """SELECT p.proname FROM pg_proc p
                 WHERE p.pronamespace = 'pgslo_catalog'::regnamespace AND p.prosecdef
                   AND has_function_privilege('$mallory', p.oid, 'EXECUTE') AND NOT has_function_privilege('$auditor', p.oid, 'EXECUTE')"""
    assert owned.run("superuser", granted) == []
    for statement in (
        "ALTER FUNCTION pgslo_gen.evil__tab__rule_q(text) SECURITY INVOKER",
        "CREATE OR REPLACE FUNCTION pgslo_gen.evil__tab__rule_q(batch text, OUT rows bigint, OUT failed bigint, OUT example text) LANGUAGE sql AS 'SELECT 1, 2, NULL'",
        "SELECT pgslo_gen.evil__tab__write_as_owner('DELETE FROM evil.tab')",
        "SELECT pgslo_catalog.give_function('pgslo.tick()', '$mallory')",
        "SELECT pgslo_catalog.settings()",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            owned.run("mallory", statement)
    for part in ("writer", "reader", "operator", "steward"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            owned.run(part, "SELECT pgslo_gen.evil__tab__write_as_owner('DELETE FROM evil.tab')")


@pytest.mark.parametrize(
    "constant",
    [
        "pgslo_catalog.register( pgslo_catalog.silence( pgslo_catalog.session_objects(",
        "it''s pgslo_catalog.register(",
        "\\ pgslo_catalog.register( \\",
        "-- pgslo_catalog.register( /* pgslo_catalog.register(",
    ],
)
def test_a_constant_of_an_author_gives_the_owner_no_function(owned, constant):
    may_call = """SELECT p.oid::regprocedure::text FROM pg_proc p
                  WHERE p.pronamespace = 'pgslo_catalog'::regnamespace AND has_function_privilege('$mallory', p.oid, 'EXECUTE')"""
    text = """
table: evil.tab
writes: bulk
batch: {by: day}
columns: {grp: [expression: {expression: "grp <> '%s'", on_breach: flag, name: odd}]}
"""
    owned.apply(text % "harmless")
    before = owned.run("superuser", may_call)
    assert ("pgslo_catalog.is_of_value(text)",) in before
    owned.apply(text % constant.replace("\\", "\\\\"))
    assert "pgslo_catalog.register(" in str(
        owned.run("superuser", "SELECT p.prosrc FROM pg_proc p WHERE p.proowner = '$mallory'::regrole AND p.pronamespace = 'pgslo_gen'::regnamespace")
    )  # fmt: skip
    assert owned.run("superuser", may_call) == before


def test_rules_hold_for_a_table_of_another_role(owned):
    owned.apply(EVERYTHING)
    owned.run(
        "writer",
        "INSERT INTO evil.tab VALUES (1, '2026-01-01', 60, 'de', now()), (2, '2026-01-01', 60, 'xx', now())",
    )
    owned.run(
        "writer",
        "INSERT INTO evil.tab VALUES (3, '2026-01-01', 999, 'fr', now()), (4, '2026-01-01', 60, 'xx', now())",
    )
    owned.run("writer", "INSERT INTO evil.tab VALUES (9, '2026-01-02', 1, 'de2', now())")
    held = owned.run(
        "installer", "SELECT image ->> 'id', reasons -> 0 ->> 'rule' FROM pgslo.quarantine ORDER BY 1"
    )
    assert held == [("3", "amount_range"), ("4", "alone")]
    owned.run("operator", "SELECT pgslo.close_batch('evil.tab')")
    verdicts = dict(
        owned.run(
            "installer",
            "SELECT rule, verdict FROM pgslo.verdict WHERE batch = '2026-01-01' AND kind <> 'learned'",
        )
    )
    assert verdicts["rising"] == "met"
    assert verdicts["q"] == "missed"
    assert ("known",) in owned.run("installer", "SELECT rule FROM pgslo.incident WHERE over_at IS NULL")
    assert owned.run("installer", "SELECT error_message FROM pgslo_catalog.rule_break") == []
    with pytest.raises(psycopg.errors.CheckViolation, match="same"):
        owned.run("writer", "INSERT INTO evil.tab VALUES (10, '2026-01-01', 61, 'zz', now())")
    assert owned.run("installer", "SELECT batch, rows FROM pgslo.history('evil.tab')") == [
        ("2026-01-01", 2),
        ("2026-01-02", 1),
    ]
    owned.run("installer", "SELECT pgslo.learn('evil.tab')")
    owned.run("installer", "SELECT * FROM pgslo.audit('evil.tab')")


def test_a_streamed_table_of_another_role_is_followed(owned):
    owned.apply(
        "{table: evil.tab, key: [id], writes: stream, batch: {by: day}, columns: {amount: [range: {min: 0, on_breach: flag}]}}"
    )
    owned.run("writer", "INSERT INTO evil.tab SELECT n, '2026-01-01', n FROM generate_series(1, 9) n")
    owned.run("operator", "SELECT pgslo.close_batch('evil.tab')")
    assert owned.run("installer", "SELECT batch, rows FROM pgslo.batch") == [("2026-01-01", 9)]
    assert owned.run("installer", "SELECT error_message FROM pgslo_catalog.rule_break") == []


#: What the owner of a table can make run when somebody reads it.
READ = {
    "view": """ALTER TABLE evil.tab RENAME TO was;
               CREATE VIEW evil.tab AS SELECT w.id, w.day, evil.bend(w.amount) AS amount, w.grp, w.seen FROM evil.was w""",
    "policy": """CREATE POLICY p ON evil.tab USING (evil.bend(1) = 1);
                 ALTER TABLE evil.tab ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY""",
    "index expression": "CREATE INDEX ON evil.tab ((evil.spy(1) + amount))",
    "index predicate": "CREATE INDEX ON evil.tab (amount) WHERE evil.spy(1) = 1",
    "check": "ALTER TABLE evil.tab ADD CHECK (evil.spy(1) = 1) NOT VALID",
    "child": """CREATE TABLE evil.child (CHECK (evil.spy(1) = 1)) INHERITS (evil.tab);
                CREATE INDEX ON evil.child ((evil.spy(1) + amount))""",
}


@pytest.mark.parametrize("way", READ)
def test_maintenance_runs_no_code_of_the_owner_with_other_rights(owned, way):
    owned.apply(EVERYTHING)
    owned.run(
        "writer",
        "INSERT INTO evil.tab VALUES (1, '2026-01-01', 60, 'de', now()), (2, '2026-01-02', 60, 'xx', now())",
    )
    owned.run("writer", "DELETE FROM evil.tab WHERE id = 1")
    owned.run("mallory", READ[way])
    owned.run("superuser", "SELECT setval('evil.as_other', 1, false)")
    session = owned.session("operator")
    session.execute("SELECT pgslo.tick()")
    session.execute("SELECT pgslo.close_batch('evil.tab')")
    assert session.execute("SELECT current_setting('search_path')").fetchone() == ('"$user", public',)
    for statement in (
        "SELECT pgslo.learn('evil.tab')",
        "SELECT * FROM pgslo.history('evil.tab')",
        "SELECT * FROM pgslo.audit('evil.tab')",
        "SELECT pgslo.recount_pairs('evil.tab')",
    ):
        with contextlib.suppress(psycopg.Error):
            owned.run("installer", statement)
    assert not ran(owned)[1]


def test_also_where_a_function_is_called_before_the_name_is_checked(owned):
    """The functions themselves run as mallory, and leave no setting behind."""
    owned.apply(EVERYTHING)
    owned.run("mallory", READ["view"])
    for call in (
        "SELECT pgslo_gen.evil__tab__recount(NULL, NULL, 0)",
        "SELECT pgslo_gen.evil__tab__rule_rising('2026-01-01')",
        "SELECT pgslo_gen.evil__tab__lookup_alone('x', true, NULL, NULL)",
        "SELECT * FROM pgslo_gen.evil__tab__read_as_owner('SELECT count(evil.bend(1)) FROM evil.tab') AS x (n bigint)",
    ):
        session = owned.session("installer")
        session.execute("INSERT INTO evil.was VALUES (5, '2026-01-01', 3, 'x') ON CONFLICT DO NOTHING")
        signature = re.sub(r"'[^']*'|NULL|true|0", "", call)
        try:
            session.execute(call)
        except psycopg.errors.UndefinedFunction:
            pytest.fail(f"no such function: {signature}")
        assert session.execute("SHOW search_path").fetchone() == ('"$user", public',)
    assert ran(owned) == (True, False)


def test_a_trigger_looks_rows_up_with_the_rights_of_the_owner(owned):
    owned.apply(EVERYTHING)
    owned.run(
        "mallory",
        """ALTER TABLE evil.country RENAME TO was_country;
           CREATE VIEW evil.country AS SELECT w.code FROM evil.was_country w WHERE evil.bend(1) = 1""",
    )
    session = owned.session("writer")
    session.execute("INSERT INTO evil.tab VALUES (1, '2026-01-01', 60, 'de', now())")
    assert session.execute("SHOW search_path").fetchone() == ('"$user", public',)
    assert ran(owned) == (True, False)


def test_the_plan_and_apply_run_nothing_either(owned):
    owned.run("mallory", READ["index expression"] + ";" + READ["check"])
    owned.run("superuser", "SELECT setval('evil.as_other', 1, false)")
    plan(owned, EVERYTHING)
    owned.apply(EVERYTHING)
    assert not ran(owned)[1]


RELEASED = """
CREATE FUNCTION evil.look() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM evil.spy(1);
  BEGIN
    PERFORM v FROM features.secret;
    RAISE EXCEPTION 'read it';
  EXCEPTION WHEN insufficient_privilege THEN NULL;
  END;
  RETURN NEW; END$$;
CREATE TRIGGER a BEFORE INSERT ON evil.tab FOR EACH ROW EXECUTE FUNCTION evil.look();
"""


def test_a_trigger_of_the_owner_runs_as_the_owner_when_a_row_is_released(owned):
    owned.apply(EVERYTHING)
    owned.run("superuser", "GRANT USAGE ON SCHEMA features TO $mallory")
    owned.run("writer", "INSERT INTO evil.tab VALUES (3, '2026-01-01', 999, 'de', now())")
    owned.run("mallory", RELEASED)
    owned.run("steward", "SELECT pgslo.release(1, '{\"amount\": 7}')")
    assert owned.run("mallory", "SELECT id, amount FROM evil.tab") == [(3, 7)]
    assert ran(owned) == (True, False)


@pytest.mark.parametrize("setting", ["search_path", "standard_conforming_strings", "DateStyle"])
def test_a_trigger_cannot_leave_a_setting_to_the_steward(owned, setting):
    owned.apply(EVERYTHING)
    owned.run("writer", "INSERT INTO evil.tab VALUES (3, '2026-01-01', 999, 'de', now())")
    value = {"search_path": "evil, pg_catalog", "DateStyle": "SQL, DMY"}.get(setting, "off")
    owned.run(
        "mallory",
        f"""CREATE FUNCTION evil.leave() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
              PERFORM set_config('{setting}', '{value}', false); RETURN NEW; END$$;
            CREATE TRIGGER a BEFORE INSERT ON evil.tab FOR EACH ROW EXECUTE FUNCTION evil.leave()""",
    )
    session = owned.session("steward")
    before = session.execute(f"SHOW {setting}").fetchone()
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="cannot release"):
        session.execute("SELECT pgslo.release(1, '{\"amount\": 7}')")
    assert session.execute(f"SHOW {setting}").fetchone() == before
    assert not ran(owned)[1]


@pytest.mark.parametrize(
    "made",
    [
        "CREATE DOMAIN evil.small AS int CHECK (evil.spy(VALUE) < 2000); ALTER TABLE evil.tab ADD extra evil.small DEFAULT 1",
        "CREATE RULE r AS ON INSERT TO evil.tab DO ALSO SELECT evil.spy(1)",
        "ALTER TABLE evil.tab ALTER seen SET DEFAULT to_timestamp(evil.spy(1))",
        "CREATE INDEX ON evil.tab (evil.spy(amount))",
    ],
)
def test_release_runs_no_other_code_of_the_owner_with_other_rights(owned, made):
    owned.apply(EVERYTHING)
    owned.run("writer", "INSERT INTO evil.tab VALUES (3, '2026-01-01', 999, 'de', now())")
    owned.run("superuser", "GRANT SELECT ON features.secret TO $mallory")
    owned.run("mallory", made)
    owned.run("superuser", "SELECT setval('evil.as_other', 1, false)")
    if made.startswith("CREATE DOMAIN"):
        with pytest.raises(psycopg.errors.DatatypeMismatch, match="since the last apply"):
            owned.run("steward", "SELECT pgslo.release(1, '{\"amount\": 7}')")
    else:
        owned.run("steward", "SELECT pgslo.release(1, '{\"amount\": 7}')")
    assert not ran(owned)[1]


def test_a_table_that_changed_its_owner_is_not_read_until_it_is_applied_again(world):
    world.run(
        "installer",
        "CREATE TABLE features.t (id int PRIMARY KEY, day date, a int); GRANT ALL ON features.t TO $writer",
    )
    text = "{table: features.t, writes: bulk, batch: {by: day}, columns: {a: [no_gap: {every: 1}]}}"
    world.apply(text)
    world.run("writer", "INSERT INTO features.t VALUES (1, '2026-01-01', 1), (2, '2026-01-02', 1)")
    world.run(
        "superuser",
        "GRANT $mallory TO $installer; GRANT USAGE ON SCHEMA features TO $mallory; ALTER TABLE features.t OWNER TO $mallory",
    )
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="belongs to another role"):
        world.run("installer", "SELECT * FROM pgslo.history('features.t')")
    world.run("operator", "SELECT pgslo.tick()")
    assert any(
        "belongs to another role" in message
        for (message,) in world.run("installer", "SELECT error_message FROM pgslo_catalog.rule_break")
    )
    assert not plan(world, text).empty
    world.apply(text)
    assert world.run("installer", "SELECT batch FROM pgslo.history('features.t')") == [
        ("2026-01-01",),
        ("2026-01-02",),
    ]
    assert "features__t__recount" in of_owner(world)
    # And back.
    world.run("superuser", "ALTER TABLE features.t OWNER TO $installer")
    world.apply(text)
    assert of_owner(world) == set()
    assert world.run("installer", "SELECT batch FROM pgslo.history('features.t')") == [
        ("2026-01-01",),
        ("2026-01-02",),
    ]


def test_the_plan_names_the_owner_of_the_schema(owned):
    owned.run("superuser", "ALTER TABLE evil.tab OWNER TO $installer")
    notes = plan(owned, "{table: evil.tab, key: [id], batch: {by: day}}").notes
    mallory = owned.names["mallory"]
    assert f"evil.tab: schema evil belongs to role {mallory}, who can replace the table" in notes


def test_a_schema_s_owner_cannot_replace_a_table_of_the_installer(owned):
    owned.run(
        "superuser",
        "ALTER TABLE evil.tab OWNER TO $installer; GRANT CREATE, USAGE ON SCHEMA evil TO $installer",
    )
    owned.apply(
        "{table: evil.tab, key: [id], writes: bulk, batch: {by: day}, columns: {amount: [no_gap: {every: 1}]}}"
    )
    owned.run("writer", "INSERT INTO evil.tab VALUES (1, '2026-01-01', 60), (2, '2026-01-02', 60)")
    owned.run(
        "mallory",
        """DROP TABLE evil.tab CASCADE;
           CREATE VIEW evil.tab AS SELECT evil.bend(1) AS id, date '2026-01-01' AS day, 1 AS amount""",
    )
    session = owned.session("operator")
    session.execute("SELECT pgslo.tick()")
    for statement in ("SELECT pgslo.learn('evil.tab')", "SELECT * FROM pgslo.history('evil.tab')"):
        with pytest.raises(psycopg.Error, match="is not the table"):
            owned.run("installer", statement)
    assert ran(owned) == (False, False)


def test_uninstall_leaves_nothing(owned):
    owned.apply(EVERYTHING)
    session = owned.session("installer")

    def removal():
        return planning.plan_removal(session, ["evil.tab"])

    installation.apply(session, removal(), removal)
    assert functions(owned) == {}


def test_the_ordinary_table_stays_as_it_is(world):
    world.run("installer", "CREATE TABLE features.t (id int PRIMARY KEY, day date, a int)")
    world.apply(
        "{table: features.t, writes: bulk, batch: {by: day}, columns: {a: [range: {min: 0, on_breach: quarantine}]}}"
    )
    assert set(functions(world).values()) == {world.names["installer"]}
    assert not [name for name in functions(world) if name.endswith("_as_owner")]


def test_rows_of_partitions_that_come_and_go_are_counted_with_the_rights_of_the_owner(owned):
    owned.run(
        "mallory",
        """CREATE TABLE evil.pt (id int, day date, amount int) PARTITION BY RANGE (day);
           CREATE TABLE evil.pt_1 PARTITION OF evil.pt FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
           CREATE TABLE evil.pt_2 (LIKE evil.pt, CHECK (evil.spy(1) = 1 AND day >= '2026-02-01' AND day < '2026-03-01'));
           INSERT INTO evil.pt_2 SELECT i, '2026-02-05', -1 FROM generate_series(1, 20) i;
           CREATE INDEX ON evil.pt_2 ((evil.spy(id))) WHERE evil.spy(2) = 2""",
    )
    owned.apply(
        """
table: evil.pt
key: [id]
writes: bulk
batch: {by: day}
columns: {amount: [range: {min: 0, on_breach: flag}]}
"""
    )
    owned.run("mallory", "INSERT INTO evil.pt SELECT i, '2026-01-05', 1 FROM generate_series(1, 20) i")
    owned.run("operator", "SELECT pgslo.tick()")
    owned.run("mallory", "ALTER TABLE evil.pt ATTACH PARTITION evil.pt_2 FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')")  # fmt: skip
    owned.run("superuser", "SELECT setval('evil.as_mallory', 1, false)")
    owned.run("operator", "SELECT pgslo.tick()")
    assert ran(owned) == (True, False)
    counted = "SELECT name, rows FROM pgslo_catalog.batch WHERE rows <> 0 ORDER BY 1"
    assert owned.run("installer", counted) == [("2026-01-05", 20), ("2026-02-05", 20)]
    missed = "SELECT opened_batch FROM pgslo.incident WHERE rule = 'amount_range' AND over_at IS NULL"
    assert owned.run("installer", missed) == [("2026-02-05",)]
    owned.run("mallory", "DROP TABLE evil.pt_1; TRUNCATE evil.pt_2")
    owned.run("operator", "SELECT pgslo.tick()")
    assert ran(owned) == (True, False)
    assert owned.run("installer", counted) == []
    assert owned.run("installer", missed) == []
