import pytest

KIND = "schema"


def test_writes_pass_while_the_columns_are_as_defined(golden):
    golden.passes(age="1")


def test_rejects_once_they_are_not(golden):
    golden.run("DROP SCHEMA guarded CASCADE")
    golden.run("ALTER TABLE features.user_stats ALTER spend TYPE numeric(14, 2), DROP age")
    error = golden.refused(golden.row())
    assert (error.sqlstate, error.table, error.rule) == ("23514", "user_stats", "schema")
    assert error.message == 'columns of features.user_stats violate rule "schema"'
    assert error.detail == (
        'Column "age" is missing; column "spend" is numeric(14,2), not numeric(12,2). '
        "No statement writes to the table until they fit again."
    )
    assert error.hint == "Change the table back, or its definition; the owner is growth-platform."


@pytest.fixture
def example(session):
    session.run("CREATE DOMAIN features.share AS numeric")
    session.run("CREATE TYPE features.colour AS ENUM ('red')")
    session.run(
        """CREATE TABLE features.example (
            id integer PRIMARY KEY, a text, b numeric(12,2), c timestamptz(3), d character varying(9)[], e "char",
            f features.share, g features.colour, h bpchar, i bit varying(3), j interval day to second, k double precision)"""
    )
    return session


@pytest.mark.parametrize(
    "columns",
    [
        "id: integer, a: text, b: 'numeric(12,2)', c: timestamp(3) with time zone, d: 'character varying(9)[]'",
        "id: INT, b: 'decimal(12, 2)', c: timestamptz(3), d: 'varchar(9)[]', k: float8",
        "id: int4, f: features.share, g: features.colour, i: varbit(3), j: interval day to second",
    ],
)
def test_types_are_known_by_all_their_names(example, columns):
    example.guard(f"{{table: features.example, schema: {{columns: {{{columns}}}, on_breach: reject}}}}")
    assert example.run("INSERT INTO features.example (id) VALUES (1)").count == 1


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ("ADD extra integer", 'column "extra" is not in the definition'),
        ("RENAME a TO z", 'column "a" is missing; column "z" is not in the definition'),
        ("ALTER a TYPE varchar(3)", 'column "a" is character varying(3), not text'),
        ("DROP a", 'column "a" is missing'),
    ],
)
def test_rejects_every_way_of_writing(session, change, difference):
    session.run("CREATE TABLE features.example (id integer PRIMARY KEY, a text)")
    session.guard(
        "{table: features.example, schema: {columns: {id: integer, a: text}, extra: forbid, on_breach: reject}}"
    )
    session.run("INSERT INTO features.example VALUES (1, 'x')")
    session.run("DROP SCHEMA guarded CASCADE")
    session.run(f"ALTER TABLE features.example {change}")
    for write in (
        "INSERT INTO features.example (id) VALUES (2)",
        "UPDATE features.example SET id = 2",
        "INSERT INTO features.example (id) VALUES (1) ON CONFLICT DO NOTHING",
    ):
        error = session.refused(write)
        assert (error.sqlstate, error.rule) == ("23514", "schema")
        assert error.detail.startswith(difference.capitalize()[:1] + difference[1:])
    assert session.run("DELETE FROM features.example").count == 1
    assert session.values("SELECT schema_difference FROM pgslo.status") == [difference]


def test_warns_readers_and_lets_writers_be(session):
    session.run("CREATE TABLE features.example (id integer PRIMARY KEY, a text)")
    plan = session.guard(
        "{table: features.example, schema: {columns: {id: integer, a: text}, extra: forbid}}"
    )
    assert not [step for step in plan.steps if step.kind == "trigger"]
    assert session.run("SELECT * FROM guarded.example").notices == ()
    session.run("ALTER TABLE features.example ADD extra integer")
    assert session.run("INSERT INTO features.example VALUES (1)").notices == ()
    (notice,) = session.run("SELECT id FROM guarded.example").notices
    assert notice.sqlstate == "01SL1"
    assert notice.message == 'features.example misses rule "schema"'
    assert notice.detail == 'Column "extra" is not in the definition.'
    error = session.refused("SELECT id FROM guarded.example_strict")
    assert (error.sqlstate, error.rule) == ("SL001", "schema")


@pytest.mark.parametrize(
    ("schema", "error"),
    [
        ("{columns: {id: integer, aa: text}", '2:33: error: column "aa" of features.example does not exist'),
        (
            "{columns: {id: integer, a: varchar(3)}",
            '2:33: error: column "a" of features.example is text, not character varying(3)',
        ),
        (
            "{columns: {c: timestamptz}",
            '2:20: error: column "c" of features.example is timestamp(3) with time zone',
        ),
        (
            "{columns: {id: integer}, extra: forbid",
            '2:41: error: column "a" of features.example is not in the definition',
        ),
    ],
)
def test_a_difference_that_is_there_already(example, schema, error):
    (found,) = example.errors(f"table: features.example\nschema: {schema}, on_breach: reject}}")
    assert found.startswith(f"slos/example.yml:{error}")
    # Readers may be told of one.
    example.guard(f"table: features.example\nschema: {schema}}}")
    assert example.run("SELECT FROM guarded.example").notices != ()
