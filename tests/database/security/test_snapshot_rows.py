"""The rows of a snapshot are those of its view, and its condition is one condition."""

from __future__ import annotations

import psycopg
import pytest

DEFINITION = """
table: features.ex
key: [id]
writes: bulk
batch: {by: day}
columns: {a: [range: {min: 0, max: 100, on_breach: flag}]}
readers: [$reader, $trainer]
"""


@pytest.fixture
def scene(world):
    world.run(
        "installer",
        """CREATE TABLE features.secret (id int, day date, a int); INSERT INTO features.secret VALUES (9, '2026-01-01', 9);
           CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int);
           INSERT INTO features.ex VALUES (1, '2026-01-01', 1), (2, '2026-01-02', 2)""",
    )
    world.apply(DEFINITION)
    return world


def begin(scene, condition, *, as_reference=False):
    session = scene.session("trainer")
    session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    (query,) = session.execute(
        "SELECT pgslo.begin_snapshot('s', 'guarded', 'ex', %s, %s, false)", (condition, as_reference)
    ).fetchone()
    return session, query


def test_the_trainer_adds_no_row_to_a_snapshot_of_all(scene):
    session, query = begin(scene, None)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute("INSERT INTO pgslo_snapshot.s VALUES (7, '2026-01-01', 7)")
    session.execute("ROLLBACK")
    session, query = begin(scene, None)
    session.execute(query.encode())
    session.execute("SELECT pgslo.seal_snapshot('s')")
    session.execute("COMMIT")
    assert scene.run("trainer", "SELECT id FROM pgslo_snapshot.s ORDER BY 1") == [(1,), (2,)]
    assert scene.run("reader", "SELECT rows, is_checked FROM pgslo.snapshot") == [(2, True)]
    assert scene.run("trainer", "SELECT * FROM pgslo.verify_snapshot('s')") == []


#: Rows of her own, changed ones, and one of the view twice.
FORGED = (
    "(7, '2026-01-01', 7)",
    "(1, '2026-01-01', 5)",
    "(1, '2026-01-02', 1)",
    "(1, '2026-01-01', 1)",
    "(NULL, NULL, NULL)",
)


@pytest.mark.parametrize("as_reference", [False, True])
@pytest.mark.parametrize("row", FORGED)
def test_rows_that_are_not_in_the_view_are_not_sealed(scene, row, as_reference):
    session, query = begin(scene, "a < 5", as_reference=as_reference)
    session.execute(query.encode())
    session.execute(f"INSERT INTO pgslo_snapshot.s VALUES {row}".encode())
    with pytest.raises(
        psycopg.errors.ObjectNotInPrerequisiteState, match=r"has rows that are not in guarded\.ex"
    ):
        session.execute("SELECT pgslo.seal_snapshot('s')")
    session.execute("ROLLBACK")
    assert scene.run("installer", "SELECT name FROM pgslo.snapshot") == []


def test_snapshots_with_a_condition_are_taken_as_before(scene):
    for number, condition in enumerate(
        ("a < 2", "r.a < 2 AND (r.id IN (1, 2))", "a = 1 OR a::text ~ E'^\\\\('", "NULL")
    ):
        name = f"s{number}"
        session = scene.session("trainer")
        session.execute("SELECT pgslo.create_snapshot(%s, 'guarded', 'ex', %s)", (name, condition))
        session.execute(
            "SELECT pgslo.create_snapshot(%s, 'guarded', 'ex', %s, true)", (f"{name}r", condition)
        )
        assert session.execute("SELECT * FROM pgslo.verify_snapshot(%s)", (f"{name}r",)).fetchall() == []
    assert scene.run("reader", "SELECT DISTINCT is_checked FROM pgslo.snapshot") == [(True,)]


def test_of_a_table_with_policies_and_of_another_role_it_is_told_that_rows_were_not_checked(scene):
    scene.run("superuser", "GRANT $mallory TO $installer")
    scene.run(
        "mallory",
        "CREATE TABLE evil.tab (id int PRIMARY KEY, day date, a int); INSERT INTO evil.tab VALUES (1)",
    )
    scene.apply(DEFINITION.replace("features.ex", "evil.tab"))
    scene.run("trainer", "SELECT pgslo.create_snapshot('of_other', 'guarded', 'tab')")
    assert scene.run("trainer", "SELECT name, rows, is_checked FROM pgslo.snapshot") == [
        ("of_other", 1, False)
    ]


def test_a_view_of_a_table_with_a_part_of_another_role_is_read_as_the_taker(scene):
    """Code in an index of that part would run with the rights of pgslo's owner."""
    scene.run(
        "superuser",
        """GRANT CREATE ON SCHEMA features TO $mallory;
           CREATE TABLE features.part () INHERITS (features.ex); ALTER TABLE features.part OWNER TO $mallory;
           GRANT USAGE ON SCHEMA features TO $mallory""",
    )
    scene.run(
        "mallory",
        """CREATE SEQUENCE evil.ran; GRANT ALL ON SEQUENCE evil.ran TO PUBLIC; GRANT USAGE ON SCHEMA evil TO PUBLIC;
           CREATE FUNCTION evil.spy(int) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$BEGIN
             IF current_user = '$installer' THEN PERFORM nextval('evil.ran'); END IF; RETURN true; END$$;
           ALTER TABLE features.part ADD CHECK (evil.spy(1)) NOT VALID;
           CREATE INDEX ON features.part (a) WHERE evil.spy(1)""",
    )
    scene.run("trainer", "SELECT pgslo.create_snapshot('s', 'guarded', 'ex')")
    assert scene.run("superuser", "SELECT is_called FROM evil.ran") == [(False,)]


REFUSED = {
    "false) UNION ALL SELECT id, day, a FROM features.secret WHERE (true": "closes a parenthesis",
    "true) OR (true": "closes a parenthesis",
    "(true": "opens a parenthesis",
    "a < 2 -- small": "comment",
    "a < 2 /* small */": "comment",
    "true; SELECT 1": "outside of a string",
    "a::text = $$x$$": "outside of a string",
    "a IN (SELECT 1)": "query",
    "a IN (TABLE features.secret)": "query",
    "a IN (vAlUeS (1))": "query",
    "true UNION TABLE features.secret": "query",
    "a::text = 'x": "does not end",
    'a::text = "x': "does not end",
    "a::text = 'x\\' OR ') UNION SELECT 1 --'": "backslash",
    "a::text = fooE'\\') UNION SELECT 1 --'": "backslash",
    "a::text = éE'\\') UNION SELECT 1 --'": "backslash",
    "a::text = 'it''s' ) OR ( true": "closes a parenthesis",
    "a::text = E'\\'' ) OR ( true": "closes a parenthesis",
}
KEPT = ("a::text = ')'", "a::text <> ';--$/*'", "a::text <> E'\\');--'", "a::text <> 'it''s (' AND (a) = (1)", "a - -1 > 0", "a IS DISTINCT FROM 7",
        "(a)::numeric(9, 2) > 0 AND (ARRAY[a, 2])[1] = a", "EXTRACT(year FROM day) > 0", "NOT a::text = 'select'")  # fmt: skip


@pytest.mark.parametrize("as_reference", ["true", "false"])
def test_a_condition_is_one_condition(scene, as_reference):
    session = scene.session("trainer")
    for condition, why in REFUSED.items():
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="invalid condition") as refused:
            session.execute(
                f"SELECT pgslo.create_snapshot('s', 'guarded', 'ex', %s, {as_reference})".encode(),
                (condition,),
            )
        assert why in (refused.value.diag.message_detail or ""), condition
    for number, condition in enumerate(KEPT):
        session.execute(
            f"SELECT pgslo.create_snapshot('k{number}', 'guarded', 'ex', %s, {as_reference})".encode(),
            (condition,),
        )
