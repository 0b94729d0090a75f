"""Code of another role reads no cursor of the session that runs it, and takes no rows from a loop of pgslo's."""

from __future__ import annotations

import psycopg
import pytest

#: What mallory's functions do in sessions of other roles: take all rows of every open cursor. A sequence survives the undo.
CODE = r"""
CREATE SEQUENCE evil.ran;
CREATE SEQUENCE evil.found;
CREATE SEQUENCE evil.pin;
CREATE SEQUENCE evil.raises;
CREATE FUNCTION evil.act() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE c record; r record; seen boolean := false;
BEGIN
    PERFORM nextval('evil.ran');
    FOR c IN SELECT name FROM pg_catalog.pg_cursors
             WHERE name <> '' AND statement NOT LIKE 'SELECT name FROM pg_catalog.pg_cursors%' LOOP
        seen := true;
        PERFORM nextval('evil.found');
        BEGIN
            FOR r IN EXECUTE format('FETCH FORWARD ALL FROM %I', c.name) LOOP
                PERFORM setval('evil.pin', (regexp_match(r::text, 'pin ([0-9]+)'))[1]::bigint);
            END LOOP;
        EXCEPTION WHEN OTHERS THEN
            NULL;
        END;
    END LOOP;
    -- So that a statement is judged row by row.
    IF NOT seen AND (SELECT is_called FROM evil.raises) THEN
        RAISE EXCEPTION USING ERRCODE = '22000', MESSAGE = 'x';
    END IF;
END$$;
CREATE FUNCTION evil.f(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$BEGIN
    IF session_user <> '$mallory' THEN PERFORM evil.act(); END IF;
    RETURN true;
END$$;
CREATE TABLE evil.p (code text PRIMARY KEY) PARTITION BY LIST (code);
CREATE TABLE evil.p1 PARTITION OF evil.p DEFAULT;
INSERT INTO evil.p VALUES ('ok');
GRANT USAGE ON SCHEMA evil TO PUBLIC;
GRANT SELECT, REFERENCES ON evil.p TO PUBLIC;
"""
ARM = "ALTER TABLE evil.p1 ADD CHECK (evil.f('x'))"
#: The same through a function of a role that tick() trusts: a table that calls one of mallory's own is not read.
THROUGH = """CREATE FUNCTION features.through(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN evil.f($1); END$$;
GRANT USAGE ON SCHEMA features TO PUBLIC"""
LOOKUP = """
table: features.{name}
owner: sam
key: [id]
writes: {writes}
batch: {{by: day}}
watch: false
columns:
  code: [references: {{table: evil.p, column: code, on_breach: {action}, where: "day > '2000-01-01'"}}]
"""
ROWS = """INSERT INTO features.{name}
SELECT i, '2026-01-01', CASE WHEN i > 12 THEN 'bad' ELSE 'ok' END, 'pin ' || (7000 + i) FROM generate_series(1, 30) AS i"""


def scene(world, *tables):
    """Tables of the installer with a rule that looks rows up in a table of mallory: name, writes, on_breach of each."""
    world.run("superuser", "GRANT $mallory TO $installer")
    world.run("mallory", CODE)
    for name, writes, action in tables:
        world.run(
            "installer",
            f"""CREATE TABLE features.{name} (id int PRIMARY KEY, day date, code text, secret text);
                GRANT INSERT ON features.{name} TO $writer""",
        )
        world.apply(LOOKUP.format(name=name, writes=writes, action=action))
    return world


def taken(world):
    """Whether mallory's code ran as another role, found a cursor, and read a value from it."""
    return tuple(
        world.run("superuser", f"SELECT is_called FROM evil.{name}")[0][0] for name in ("ran", "found", "pin")
    )


NOTHING_TAKEN = (True, False, False)


def test_a_statement_is_judged_without_an_open_cursor(world):
    scene(world, ("w", "bulk", "warn"), ("f", "bulk", "flag"), ("r", "bulk", "reject"))
    world.run("mallory", ARM)
    world.run("mallory", "SELECT nextval('evil.raises')")
    for name in ("w", "f"):
        world.run("writer", ROWS.format(name=name))
    with pytest.raises(psycopg.errors.CheckViolation):
        world.run("writer", ROWS.format(name="r"))
    assert taken(world) == NOTHING_TAKEN
    # All fail: the condition raises an error for each.
    assert world.run(
        "superuser",
        """SELECT d.name, sum((f.failures ->> 'code_references')::integer)
           FROM pgslo_catalog.fragment f JOIN pgslo_catalog.definition d USING (definition_id) GROUP BY d.name ORDER BY 1""",
    ) == [("features.f", 30), ("features.w", 30)]
    assert world.run("superuser", "SELECT count(*) FROM features.r") == [(0,)]


def test_rows_are_told_apart_where_a_condition_raises_for_some(world):
    """The row-by-row judgement counts rows that fail and rows for which the condition raises an error, by batch."""
    world.run(
        "installer",
        """CREATE TABLE features.t (gone int, id int PRIMARY KEY, day date, a text);
           ALTER TABLE features.t DROP COLUMN gone;
           GRANT INSERT ON features.t TO $writer""",
    )
    world.apply(
        """{table: features.t, owner: sam, key: [id], writes: bulk, batch: {by: day}, watch: false,
            rules: [small: {expression: 'a::integer < 10', on_breach: flag}]}"""
    )
    rows = """INSERT INTO features.t VALUES (1, '2026-01-01', '1'), (2, '2026-01-01', '11'), (3, '2026-01-02', 'x'),
              (4, '2026-01-02', '2'), (5, '2026-01-02', 'y')"""
    world.run("writer", rows)
    assert world.run(
        "superuser",
        "SELECT batch, (failures ->> 'small')::integer FROM pgslo_catalog.fragment ORDER BY batch",
    ) == [("2026-01-01", 1), ("2026-01-02", 2)]
    raised = 'its condition raises: invalid input syntax for type integer: "{}"'
    assert world.run("superuser", "SELECT batch, row_key, shown FROM pgslo_catalog.sample ORDER BY 2") == [
        ("2026-01-01", "(id) = (2)", "a = 11"),
        ("2026-01-02", "(id) = (3)", raised.format("x")),
        ("2026-01-02", "(id) = (5)", raised.format("y")),
    ]


@pytest.mark.parametrize("writes", ["stream", "bulk"])
def test_rows_are_judged_again_without_an_open_cursor(world, writes):
    scene(world, ("w", writes, "warn"))
    world.run("operator", "SELECT pgslo.pause('features.w')")
    world.run("writer", ROWS.format(name="w"))
    world.run("operator", "SELECT pgslo.resume('features.w')")
    world.run("installer", THROUGH)
    world.run("mallory", ARM.replace("evil.f", "features.through"))
    world.run("operator", "SELECT pgslo.tick()")
    world.run("operator", "SELECT pgslo.tick()")
    assert taken(world) == NOTHING_TAKEN
    assert world.run("superuser", "SELECT count(*) FROM pgslo_catalog.rule_break") == [(0,)]
    assert world.run(
        "superuser", "SELECT sum((failures ->> 'code_references')::integer) FROM pgslo_catalog.fragment"
    ) == [(18,)]
    assert world.run(
        "superuser", "SELECT count(*) FROM pgslo_catalog.incident WHERE resolved_at IS NULL"
    ) == [(1,)]


OWN = """
table: evil.t
owner: sam
key: [id]
writes: {writes}
guarded: guarded
batch: {{by: day}}
freshness: {{max_age: 30 days, of: seen}}
columns:
  a:
    - range: {{min: 0, on_breach: quarantine}}
    - monotonic: {{order: id, name: rising, at_most: 100000}}
rules:
  - q: {{query: "SELECT t.id FROM evil.t t WHERE t.a > 50"}}
"""


def own(world, writes="bulk"):
    """A guarded table of mallory's, planning and reading which runs her code."""
    world.run("superuser", "GRANT $mallory TO $installer")
    world.run("mallory", CODE)
    world.run(
        "mallory",
        """CREATE TABLE evil.t (id int PRIMARY KEY, day date, a int, seen timestamptz);
           CREATE INDEX ON evil.t (seen);
           CREATE INDEX ON evil.t (day);
           GRANT ALL ON evil.t TO $writer""",
    )
    world.apply(OWN.format(writes=writes))
    return world


@pytest.mark.parametrize("writes", ["stream", "bulk"])
def test_maintenance_opens_no_cursor(world, writes):
    own(world, writes)
    world.run(
        "writer",
        "INSERT INTO evil.t SELECT i, date '2026-01-01' + i % 15, 60, now() FROM generate_series(1, 40) AS i",
    )
    world.run("mallory", "CREATE INDEX ON evil.t (day) WHERE evil.f('x')")
    for statement in (
        "SELECT pgslo.tick()",
        "SELECT pgslo.close_batch('evil.t', NULL)",
        "SELECT pgslo.pause('evil.t')",
        "SELECT pgslo.resume('evil.t')",
        "SELECT pgslo.tick()",
    ):
        world.run("operator", statement)
    assert taken(world) == NOTHING_TAKEN


def test_a_tick_reads_the_next_definition_when_its_turn_comes(world):
    """Code of one table's owner finds no definition that tick() has still to look after."""
    own(world)
    world.run("installer", "CREATE TABLE features.z (id int PRIMARY KEY, day date, a int)")
    world.apply(
        "{table: features.z, key: [id], batch: {by: day}, columns: {a: [range: {min: 0, on_breach: flag}]}}"
    )
    world.run(
        "writer", "INSERT INTO evil.t VALUES (1, '2026-01-01', 60, now()), (2, '2026-01-02', 60, now())"
    )
    world.run("mallory", "CREATE INDEX ON evil.t (day) WHERE evil.f('x')")
    world.run("operator", "SELECT pgslo.tick()")
    assert taken(world) == NOTHING_TAKEN


LOOP = "DO $$DECLARE q record; BEGIN FOR q IN SELECT * FROM pgslo.quarantine LOOP PERFORM pgslo.release(q.quarantine_id, '{\"a\": 1}'); END LOOP; END$$"
COLLECTED = """DO $$DECLARE id bigint; BEGIN
    FOREACH id IN ARRAY ARRAY(SELECT quarantine_id FROM pgslo.quarantine WHERE state = 'held' ORDER BY 1) LOOP
        PERFORM pgslo.release(id, '{"a": 1}');
    END LOOP;
END$$"""


def test_a_release_runs_no_code_of_others_while_a_cursor_is_open(world):
    own(world)
    world.run(
        "writer", "INSERT INTO evil.t SELECT i, '2026-01-01', -1, now() FROM generate_series(1, 20) AS i"
    )
    world.run(
        "mallory",
        """CREATE FUNCTION evil.before() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM evil.act(); RETURN NEW; END$$;
           CREATE TRIGGER a BEFORE INSERT ON evil.t FOR EACH ROW EXECUTE FUNCTION evil.before()""",
    )
    with pytest.raises(psycopg.Error, match=r"while cursor .* is open") as refused:
        world.run("steward", LOOP)
    assert refused.value.sqlstate == "SL004"
    session = world.session("steward")
    session.execute("BEGIN")
    session.execute("DECLARE mine CURSOR FOR SELECT * FROM pgslo.quarantine")
    with pytest.raises(psycopg.Error, match='while cursor "mine" is open'):
        session.execute("SELECT pgslo.release(1, '{\"a\": 1}')")
    session.execute("ROLLBACK")
    assert taken(world)[1:] == (False, False)
    # Without a cursor, by either protocol, also after a guarded read in the same transaction.
    session.execute("SELECT pgslo.release(%s, '{\"a\": 1}')", (1,))
    session.execute(
        "SELECT pgslo.release(quarantine_id, '{\"a\": 1}') FROM pgslo.quarantine WHERE quarantine_id IN (2, 3)"
    )
    world.run("steward", COLLECTED)
    assert taken(world) == NOTHING_TAKEN
    assert world.run("superuser", "SELECT count(*) FROM evil.t") == [(20,)]


def test_a_loop_releases_rows_of_a_table_without_code_of_others(world):
    world.run(
        "installer",
        "CREATE TABLE features.own (id int PRIMARY KEY, day date, a int); GRANT INSERT ON features.own TO $writer",
    )
    world.apply("{table: features.own, key: [id], columns: {a: [range: {min: 0, on_breach: quarantine}]}}")
    world.run(
        "writer", "INSERT INTO features.own SELECT i, '2026-01-01', -1 FROM generate_series(1, 20) AS i"
    )
    world.run("steward", LOOP)
    assert world.run("superuser", "SELECT count(*) FROM features.own") == [(20,)]


def test_returning_and_currval_tell_the_number_of_a_row_where_lastval_does_not(world):
    world.run(
        "installer",
        """CREATE TABLE features.n (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, day date, a int);
           GRANT INSERT, SELECT ON features.n TO $writer; GRANT USAGE ON SEQUENCE features.n_id_seq TO $writer""",
    )
    world.apply(
        "{table: features.n, key: [id], writes: bulk, batch: {by: day}, columns: {a: [range: {min: 0, on_breach: flag}]}}"
    )
    session = world.session("writer")
    assert session.execute(
        "INSERT INTO features.n (day, a) VALUES ('2026-01-01', 1) RETURNING id"
    ).fetchone() == (1,)
    assert session.execute("SELECT currval('features.n_id_seq')").fetchone() == (1,)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="fragment_fragment_id_seq"):
        session.execute("SELECT lastval()")
