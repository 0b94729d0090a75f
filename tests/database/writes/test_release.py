"""A row leaves quarantine only if it satisfies every rule, as it was or with changes, and as what its writer did."""

from __future__ import annotations

import pytest
from quarantining import RULE, guard, release, rows


def test_release_judges_again(session):
    guard(session)
    session.run("INSERT INTO features.example VALUES (1, 999)")
    error = session.refused("SELECT pgslo.release(quarantine_id) FROM pgslo.quarantine")
    assert error.sqlstate == "23514"
    assert error.detail == 'v = 999; rule "v_range" expects: v of at most 100.'
    error = session.refused("""SELECT pgslo.release(quarantine_id, '{"v": 101}') FROM pgslo.quarantine""")
    assert error.detail.startswith("v = 101;")
    assert len(session.held()) == 1
    assert rows(session) == []
    assert "written to features.example" in release(session, changes='{"v": 100}')
    assert rows(session) == [(1, 100)]
    assert session.values("SELECT state FROM pgslo.quarantine") == ["released"]
    error = session.refused("SELECT pgslo.release(quarantine_id) FROM pgslo.quarantine")
    assert "is not held in quarantine" in error.message
    assert "It was released at" in error.detail
    assert "There is no such row" in session.refused("SELECT pgslo.release(0)").detail


@pytest.mark.parametrize("mode", ["bulk", "stream"])
def test_release_judges_by_rules_of_every_action(session, mode):
    session.run("CREATE TABLE features.example (id int PRIMARY KEY, v int, w int)")
    text = f"""
        table: features.example
        writes: {mode}
        columns:
          v: [{{range: {{max: 100, on_breach: quarantine}}}}, {{range: {{min: 0, on_breach: reject, name: low}}}}]
          w: [not_null]
        """
    session.guard(text)
    session.run("INSERT INTO features.example VALUES (1, 999, NULL)")
    assert (
        session.refused("""SELECT pgslo.release(quarantine_id, '{"v": -1}') FROM pgslo.quarantine""").rule
        == "low"
    )
    release(session, changes='{"v": 1}')
    assert session.failures() == {"w_not_null": 1}


def test_release_after_the_rule_was_loosened(session):
    guard(session)
    session.run("INSERT INTO features.example VALUES (1, 999)")
    session.guard(f"table: features.example\n{RULE.replace('100', '1000')}")
    release(session)
    assert rows(session) == [(1, 999)]


def test_release_names_a_column_that_is_not_there(session):
    guard(session, "id int PRIMARY KEY, v int, g int GENERATED ALWAYS AS (v + 1) STORED")
    session.run("INSERT INTO features.example VALUES (1, 999)")
    for column in ("w", "g"):
        error = session.refused(
            f"""SELECT pgslo.release(quarantine_id, '{{"{column}": 1}}') FROM pgslo.quarantine"""
        )
        assert error.message == f'column "{column}" of features.example does not exist or is generated'


def test_release_of_a_row_whose_key_was_taken_meanwhile_leaves_it_held(session):
    guard(session)
    session.run("INSERT INTO features.example VALUES (1, 999)")
    session.run("INSERT INTO features.example VALUES (1, 5)")
    assert (
        session.refused("""SELECT pgslo.release(quarantine_id, '{"v": 1}') FROM pgslo.quarantine""").sqlstate
        == "23505"
    )
    assert len(session.held()) == 1


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("ADD COLUMN w int DEFAULT 7", (1, 1, "x", 7)),
        ("DROP COLUMN a", (1, 1)),
        ("ADD COLUMN w int, DROP COLUMN a", (1, 1, None)),
        ("ALTER COLUMN a TYPE varchar(5)", (1, 1, "x")),
        ("ALTER COLUMN v TYPE bigint", (1, 1, "x")),
        ("RENAME TO renamed", (1, 1, "x")),
    ],
)
def test_release_after_the_table_changed(session, change, expected):
    session.run("CREATE TABLE features.example (id int PRIMARY KEY, v int, a text)")
    session.guard(f"table: features.example\n{RULE}")
    session.run("INSERT INTO features.example VALUES (1, 999, 'x')")
    session.run(
        "DROP VIEW IF EXISTS guarded.example, guarded.example_strict, guarded.example_status, guarded.example_healthy"
    )
    session.run(f"ALTER TABLE features.example {change}")
    release(session, changes='{"v": 1}')
    table = session.values("SELECT relation::text FROM pgslo_catalog.definition")[0]
    assert session.run(f"SELECT * FROM {table}").rows == (expected,)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (["RENAME a TO b"], (1, 1, "x", "y")),
        (["RENAME a TO b", "DROP COLUMN z"], (1, 1, "x")),
        (["RENAME a TO b", "ADD COLUMN a text"], (1, 1, "x", "y", None)),
        (["RENAME a TO b", "RENAME z TO a", "ADD COLUMN c text DEFAULT 'new'"], (1, 1, "x", "y", "new")),
        (["DROP COLUMN z", "ADD COLUMN other text"], (1, 1, "x", None)),
    ],
)
def test_release_finds_columns_by_what_they_are_and_not_by_name_or_place(session, changes, expected):
    session.run("CREATE TABLE features.example (id int PRIMARY KEY, v int, a text, z text)")
    session.guard(f"table: features.example\n{RULE}")
    session.run("INSERT INTO features.example VALUES (1, 999, 'x', 'y')")
    session.run(
        "DROP VIEW IF EXISTS guarded.example, guarded.example_strict, guarded.example_status, guarded.example_healthy"
    )
    for change in changes:
        session.run(f"ALTER TABLE features.example {change}")
    release(session, changes='{"v": 1}')
    assert rows(session, "*") == [expected]


def test_a_row_that_does_not_fit_any_more_says_so(session):
    guard(session, "id int PRIMARY KEY, v int, doc json")
    session.run(r"""INSERT INTO features.example VALUES (1, 999, '{"a":"\u0000"}')""")
    session.run("ALTER TABLE features.example ADD COLUMN w int")
    error = session.refused("SELECT pgslo.release(quarantine_id) FROM pgslo.quarantine")
    assert error.sqlstate == "55000"
    assert "does not fit features.example any more" in error.message
    assert len(session.held()) == 1


def test_release_of_an_update(session):
    guard(session, "id int PRIMARY KEY, v int, w text")
    session.run("INSERT INTO features.example VALUES (1, 5, 'a'), (2, 6, 'b')")
    outcome = session.run("UPDATE features.example SET v = 999, w = 'c' WHERE id = 1")
    assert outcome.count == 0
    assert rows(session, "id, v, w") == [(1, 5, "a"), (2, 6, "b")]
    release(session, changes='{"v": 7}')
    assert rows(session, "id, v, w") == [(1, 7, "c"), (2, 6, "b")]
    session.run("UPDATE features.example SET v = 999 WHERE id = 2")
    session.run("DELETE FROM features.example WHERE id = 2")
    error = session.refused("""SELECT pgslo.release(max(quarantine_id), '{"v": 7}') FROM pgslo.quarantine""")
    assert error.detail == "The row with key (id) = (2) is not there to be updated."


@pytest.mark.parametrize("identity", ["ALWAYS", "BY DEFAULT"])
def test_release_keeps_identities(session, identity):
    guard(
        session,
        f"id int GENERATED {identity} AS IDENTITY PRIMARY KEY, v int, g int GENERATED ALWAYS AS (v * 2) STORED",
    )
    session.run("INSERT INTO features.example (v) VALUES (1), (999), (3)")
    release(session, changes='{"v": 2}')
    assert rows(session, "id, v, g") == [(1, 1, 2), (2, 2, 4), (3, 3, 6)]
    session.run("UPDATE features.example SET v = 999 WHERE id = 3")
    release(session, changes='{"v": 4}')
    assert rows(session, "id, v, g") == [(1, 1, 2), (2, 2, 4), (3, 4, 8)]


@pytest.mark.parametrize("target", ["features.example", "features.example_2"])
def test_release_into_partitions(session, target):
    session.run(
        "CREATE TABLE features.example (id int, part int, v int, PRIMARY KEY (id, part)) PARTITION BY LIST (part)"
    )
    session.run("CREATE TABLE features.example_1 PARTITION OF features.example FOR VALUES IN (1)")
    session.run("CREATE TABLE features.example_2 (v int, gone int, part int NOT NULL, id int NOT NULL)")
    session.run("ALTER TABLE features.example_2 DROP COLUMN gone")
    session.run("ALTER TABLE features.example ATTACH PARTITION features.example_2 FOR VALUES IN (2)")
    session.guard(f"table: features.example\n{RULE}")
    session.run(f"INSERT INTO {target} (id, part, v) VALUES (1, 2, 999), (2, 2, 998)")
    assert session.values("SELECT relation::text FROM pgslo_catalog.quarantine") == ["features.example_2"] * 2
    first, second = session.values("SELECT quarantine_id FROM pgslo.quarantine ORDER BY 1")
    release(session, first, '{"v": 1}')
    assert session.run("SELECT tableoid::regclass::text, id, part, v FROM features.example").rows == (
        ("features.example_2", 1, 2, 1),
    )
    session.run("ALTER TABLE features.example DETACH PARTITION features.example_2")
    session.run("DROP TABLE features.example_2")
    release(session, second, '{"v": 2, "part": 1}')
    assert rows(session, "id, part, v") == [(2, 1, 2)]


def test_names_that_need_quotes(session):
    session.run('CREATE TABLE features."Exa""mple" ("I d" int PRIMARY KEY, v int, "select" text)')
    session.guard(f'table: \'features."Exa""mple"\'\n{RULE}')
    session.run("""INSERT INTO features."Exa""mple" VALUES (1, 999, 'x')""")
    release(session, changes='{"v": 1, "select": "y"}')
    assert session.run('SELECT * FROM features."Exa""mple"').rows == ((1, 1, "y"),)
    session.run('UPDATE features."Exa""mple" SET v = 999')
    release(session, changes='{"v": 2}')
    assert session.run('SELECT * FROM features."Exa""mple"').rows == ((1, 2, "y"),)


def test_two_operators_cannot_release_one_row_twice(connection, connect):
    from pgslo import definition
    from pgslo.database import installation, planning

    connection.execute("CREATE SCHEMA features; CREATE TABLE features.example (id int, v int)")
    loaded = definition.load(f"table: features.example\nkey: [id]\n{RULE}", path="slos/example.yml")

    def plan():
        return planning.plan_definitions(connection, [loaded])

    installation.apply(connection, plan(), plan)
    connection.execute("INSERT INTO features.example VALUES (1, 999)")
    other = connect(lock_timeout="100ms")
    with connection.transaction():
        connection.execute("""SELECT pgslo.release(1, '{"v": 1}')""")
        with pytest.raises(Exception, match="lock timeout"):
            other.execute("""SELECT pgslo.release(1, '{"v": 1}')""")
    with pytest.raises(Exception, match="not held"):
        other.execute("""SELECT pgslo.release(1, '{"v": 1}')""")
    assert connection.execute("SELECT count(*) FROM features.example").fetchone() == (1,)


@pytest.fixture
def upserted(session):
    session.run("CREATE TABLE features.example (id int PRIMARY KEY, day date, name text, age int)")
    session.guard(
        """
        table: features.example
        key: [id]
        columns:
          age: [{range: {max: 120, on_breach: quarantine}}]
        """
    )
    session.run("INSERT INTO features.example VALUES (1, '2026-01-01', 'n', 1)")
    session.run(
        """INSERT INTO features.example VALUES (1, '2026-01-02', 'new', 500)
           ON CONFLICT (id) DO UPDATE SET age = excluded.age, name = excluded.name"""
    )
    return session


def releasing(session, rest=""):
    """A statement that releases the one row that is held."""
    (held,) = session.values("SELECT quarantine_id FROM pgslo_catalog.quarantine WHERE state = 'held'")
    return f"SELECT pgslo.release({held}{rest})"


def test_an_upsert_over_a_row_is_released_as_an_update(upserted):
    refused = upserted.refused(releasing(upserted, """, '{"age": 50}'"""))
    assert (refused.sqlstate, refused.rule) == ("23505", "example_pkey")
    assert refused.hint.startswith(
        "To update the existing row, as ON CONFLICT DO UPDATE would: pgslo.release("
    )
    assert upserted.values(releasing(upserted, """, '{"age": 50}', '{age,name}'""")) != []
    assert rows(upserted, "id, day::text, name, age") == [(1, "2026-01-01", "new", 50)]


def test_an_upsert_of_all_columns(upserted):
    upserted.run(releasing(upserted, """, '{"age": 50}', as_update => '{}'"""))
    assert rows(upserted, "id, day::text, name, age") == [(1, "2026-01-02", "new", 50)]


def test_an_upsert_that_still_violates_a_rule_stays(upserted):
    refused = upserted.refused(releasing(upserted, ", '{}', '{age}'"))
    assert refused.sqlstate == "23514"
    assert rows(upserted, "age") == [(1,)]


@pytest.mark.parametrize("column", ["id", "nothing"])
def test_an_upsert_sets_no_key_and_no_column_that_is_not_there(upserted, column):
    refused = upserted.refused(releasing(upserted, f", '{{}}', '{{{column}}}'"))
    assert (refused.sqlstate, refused.message) == (
        "42703",
        f'column "{column}" of features.example cannot be updated',
    )


def test_an_upsert_whose_row_is_gone(upserted):
    upserted.run("DELETE FROM features.example")
    refused = upserted.refused(releasing(upserted, """, '{"age": 5}', '{}'"""))
    assert refused.detail == "The row with key (id) = (1) is not there to be updated."
    upserted.run(releasing(upserted, """, '{"age": 5}'"""))
    assert rows(upserted, "name, age") == [("new", 5)]
