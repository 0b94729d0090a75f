"""A write runs no code of a role that owns a part of a table with more rights than that role has."""

from __future__ import annotations

import psycopg
import pytest

from pgslo.errors import DefinitionErrors

TABLES = """
CREATE TABLE features.ex (id int, day date, a int, g int, v float8, raw float8, trail text[], at timestamptz, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE features.ex_1 PARTITION OF features.ex FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE features.ex_2 PARTITION OF features.ex DEFAULT;
CREATE INDEX ON features.ex (a); CREATE INDEX ON features.ex (g); CREATE INDEX ON features.ex (g, at);
CREATE TABLE features.w (id int PRIMARY KEY, day date, a int, g int); CREATE INDEX ON features.w (a);
CREATE VIEW features.seen AS SELECT e.* FROM features.ex e;
GRANT ALL ON features.ex, features.w TO $writer
"""
#: A sequence tells who ran the trap, whatever is rolled back.
TRAP = """
CREATE SEQUENCE evil.trapped; GRANT ALL ON SEQUENCE evil.trapped TO PUBLIC;
CREATE FUNCTION evil.trap(int) RETURNS boolean IMMUTABLE COST 0.0001 LANGUAGE plpgsql SET search_path = pg_catalog AS $$BEGIN
  IF current_user = '$installer' THEN PERFORM nextval('evil.trapped'); END IF;
  RETURN true;
END$$;
GRANT USAGE ON SCHEMA evil TO PUBLIC
"""
HEAD = """
table: features.{table}
key: [id]
writes: {writes}
batch: {{by: day}}
"""
EX = {
    "unique, quarantine": "columns:\n  g: [unique: {on_breach: quarantine}]\n",
    "unique, flag": "columns:\n  g: [unique: {on_breach: flag}]\n",
    "at_most_one": "assertions: [one: {at_most_one: row, group_by: a, on_breach: flag}]\n",
    "exactly_one": "assertions: [one: {exactly_one: row, group_by: a, on_breach: reject}]\n",
    "adds_up_to": "assertions: [one: {adds_up_to: {column: v, total: 1, tolerance: 0.1}, group_by: a, deferred: false, on_breach: reject}]\n",
    "sql": "assertions: [one: {sql: 'SELECT t.a FROM features.ex t WHERE t.v > 5', on_breach: reject}]\n",
    "sql with a query below": "assertions: [one: {sql: 'SELECT (SELECT max(e.g) FROM features.ex e WHERE e.a = t.a) FROM features.ex t WHERE t.v > 5', on_breach: reject}]\n",
}
OTHERS = {
    "references, flag": "columns:\n  a: [references: {table: features.ex, column: g, on_breach: flag}]\n",
    "references, quarantine": "columns:\n  a: [references: {table: features.ex, column: g, on_breach: quarantine}]\n",
    "none_without": "assertions: [one: {none_without: {table: features.ex, on: [a], where: 'id > 0'}, on_breach: reject}]\n",
    "exists_for_each": "assertions: [one: {exists_for_each: {table: features.ex, on: [a]}, on_breach: flag}]\n",
    "same_as": "assertions: [one: {same_as: {table: features.ex, on: [a], columns: [g]}, on_breach: reject}]\n",
    "sql over a view": "assertions: [one: {sql: 'SELECT t.a FROM features.seen t WHERE t.v > 5', check_on: [features.w], on_breach: reject}]\n",
    "query": "rules: [q: {query: 'SELECT t.id FROM features.w t JOIN features.ex e ON e.a = t.a WHERE e.v > 5'}]\n",
}
LAST = """
table: features.ex
kind: predictions
key: [id]
batch: {by: day}
predictions: {score: v, at: at}
post_process: {apply: on_write, raw: raw, trail: trail, steps: [{default: {last: [g], else: 0.2}}]}
"""
WRITES = {
    "ex": (
        "INSERT INTO features.ex (id, day, a, g, v) VALUES (11, '2022-01-01', 1, 5, 1.0)",
        "INSERT INTO features.ex (id, day, a, g, v) VALUES (12, '2022-01-01', 2, 6, NULL)",
        "UPDATE features.ex SET v = 2 WHERE day = '2022-01-01'",
        "DELETE FROM features.ex WHERE day = '2022-01-01'",
    ),
    "w": (
        "INSERT INTO features.w VALUES (1, '2022-01-01', 1, 5)",
        "UPDATE features.w SET a = 3",
        "DELETE FROM features.w",
        "INSERT INTO features.w VALUES (2, '2022-01-01', 1, 5) ON CONFLICT DO NOTHING",
    ),
}
RUNS = (
    ("operator", "SELECT pgslo.tick()"),
    ("operator", "SELECT pgslo.close_batch('features.{table}')"),
    ("steward", "SELECT * FROM pgslo.audit('features.{table}')"),
    ("installer", "SELECT pgslo.learn('features.{table}')"),
)
GIVE = """
GRANT CREATE, USAGE ON SCHEMA features TO $mallory; ALTER TABLE features.ex_1 OWNER TO $mallory;
"""
ARM = "; ".join(
    f"CREATE INDEX ON features.ex_1 ({column}) WHERE evil.trap(1)" for column in ("day", "a", "g")
)
CASES = [
    *(
        ("ex", writes, name)
        for name in EX
        for writes in (("bulk", "stream") if "unique" in name else ("bulk",))
    ),
    *(
        ("w", writes, name)
        for name in OTHERS
        for writes in (("bulk", "stream") if "references" in name else ("bulk",))
    ),
    ("ex", "", "last"),
]


def trapped(world) -> bool:
    ((called,),) = world.run("superuser", "SELECT is_called FROM evil.trapped")
    return called


def attempt(session, text: str) -> str | None:
    try:
        session.execute(text.encode())
    except psycopg.Error as error:
        return error.sqlstate
    return None


def definition(table: str, writes: str, name: str) -> str:
    if name == "last":
        return LAST
    return HEAD.format(table=table, writes=writes) + (EX if table == "ex" else OTHERS)[name]


@pytest.fixture
def shared(world):
    world.run("installer", TABLES)
    world.run("mallory", TRAP)
    return world


@pytest.mark.parametrize(("table", "writes", "name"), CASES)
def test_no_write_runs_code_of_a_part_s_owner(shared, table, writes, name):
    world = shared
    world.apply(definition(table, writes, name))
    # Its statements were planned before.
    session = world.session("writer")
    for text in WRITES[table]:
        attempt(session, text)
    world.run("superuser", GIVE)
    world.run("mallory", ARM)
    codes = {attempt(who, text) for who in (session, world.session("writer")) for text in WRITES[table]}
    assert not trapped(world)
    # Only assertions that refuse a transaction do it; nobody gets around them meanwhile.
    assert codes <= ({None, "42501", "23514"} if "reject" in definition(table, writes, name) else {None})
    for part, text in RUNS:
        attempt(world.session(part), text.format(table=table))
    assert not trapped(world)
    told = "SELECT count(*) > 0 FROM pgslo_catalog.rule_break WHERE error_message LIKE '%ex_1, a part of features.ex,%'"
    if codes == {None}:
        assert world.run("superuser", told) == [(True,)]


def test_apply_refuses_a_table_that_rules_look_up(shared):
    shared.run("superuser", GIVE)
    for name in ("references, flag", "none_without"):
        with pytest.raises(DefinitionErrors, match=r"features\.ex_1 belongs to role .*, who does not have"):
            shared.apply(definition("w", "stream", name))


CHILD = """
CREATE TABLE features.t (id int PRIMARY KEY, day date, g int); CREATE INDEX ON features.t (g); GRANT ALL ON features.t TO $writer
"""


@pytest.mark.parametrize(("writes", "action"), [("bulk", "flag"), ("stream", "quarantine")])
def test_a_table_that_gets_children_later(shared, writes, action):
    shared.run("installer", CHILD)
    shared.apply(
        HEAD.format(table="t", writes=writes) + f"columns:\n  g: [unique: {{on_breach: {action}}}]\n"
    )
    session = shared.session("writer")
    session.execute("INSERT INTO features.t VALUES (1, '2022-01-01', 1)")
    shared.run(
        "superuser",
        "CREATE TABLE features.child () INHERITS (features.t); ALTER TABLE features.child OWNER TO $mallory; GRANT USAGE ON SCHEMA features TO $mallory",
    )
    shared.run("mallory", "ALTER TABLE features.child ADD CHECK (evil.trap(1))")
    for who in (session, shared.session("writer")):
        assert attempt(who, "INSERT INTO features.t VALUES (2, '2022-01-01', 2)") in (None, "23505")
    assert not trapped(shared)


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("unique, quarantine", "REPEATABLE READ"),
        ("unique, flag", "SERIALIZABLE"),
        ("exactly_one", "REPEATABLE READ"),
        ("sql", "REPEATABLE READ"),
    ],
)
def test_a_transaction_that_began_before_the_part_was_given_away(shared, name, level):
    """Its queries see the owner of that time, the planner the indexes of now."""
    shared.apply(definition("ex", "bulk", name))
    session = shared.session("writer")
    session.execute(f"BEGIN ISOLATION LEVEL {level}".encode())
    session.execute("SELECT count(*) FROM pg_class")
    shared.run("superuser", GIVE)
    shared.run("mallory", ARM)
    assert "40001" in (attempt(session, WRITES["ex"][0]), attempt(session, "COMMIT"))
    assert not trapped(shared)


def test_a_look_that_began_before_the_part_was_given_away(shared):
    shared.apply(definition("ex", "bulk", "unique, flag"))
    shared.run("writer", WRITES["ex"][0])
    session = shared.session("operator")
    session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    session.execute("SELECT count(*) FROM pg_class")
    shared.run("superuser", GIVE)
    shared.run("mallory", ARM)
    attempt(session, "SELECT pgslo.close_batch('features.ex')")
    assert not trapped(shared)


@pytest.mark.parametrize("name", ["unique, quarantine", "last"])
def test_a_copy_that_began_before_the_part_was_given_away(shared, name):
    """It is one statement: its triggers see the state of its begin, except for parts that they check again."""
    shared.apply(definition("ex", "stream", name))
    session = shared.session("writer")
    with session.cursor().copy("COPY features.ex (id, day, a, g, v) FROM STDIN") as copy:
        shared.run("superuser", GIVE)
        shared.run("mallory", ARM)
        copy.write_row((21, "2022-01-01", 1, 21, None))
    assert not trapped(shared)
    assert shared.run("superuser", "SELECT error_code FROM pgslo_catalog.rule_break") == [("42501",)]


def test_nobody_gives_a_part_away_while_it_is_read(shared):
    shared.apply(definition("ex", "bulk", "unique, flag"))
    session = shared.session("writer")
    session.execute("BEGIN")
    session.execute(WRITES["ex"][0].encode())
    with pytest.raises(psycopg.errors.LockNotAvailable):
        shared.run("superuser", "SET lock_timeout = '100ms'; ALTER TABLE features.ex_1 OWNER TO $mallory")


def test_a_member_of_the_owner_s_role_may_own_parts(shared):
    shared.apply(definition("ex", "bulk", "unique, flag"))
    shared.run("superuser", "GRANT $installer TO $mallory; ALTER TABLE features.ex_1 OWNER TO $mallory")
    shared.run(
        "writer",
        "INSERT INTO features.ex (id, day, g) VALUES (1, '2020-01-01', 5), (2, '2022-01-01', 5), (3, '2022-01-01', 6)",
    )
    assert shared.run("installer", "SELECT rule FROM pgslo.incident WHERE over_at IS NULL") == [("g_unique",)]
    assert shared.run("installer", "SELECT error_message FROM pgslo_catalog.rule_break") == []
