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


#: Types that a column may have, and columns of ``example`` that have one of them and that do not.
FAMILIES = {
    "any": ("abcdefghijk", ""),
    "any number": ("bfk", "aceh"),
    "any integer": ("", "bk"),
    "any text": ("ah", "bdeg"),
    "any varchar": ("", "ahd"),
    "'any varchar[]'": ("d", "a"),
    "any array": ("d", "ab"),
    "any numeric": ("bf", "k"),
    "numeric": ("", "b"),
    "any time": ("c", "j"),
    "any timestamp": ("c", "ja"),
    "any timestamptz": ("c", "j"),
    "any timestamp without time zone": ("", "c"),
    "any bit varying": ("i", "a"),
    "any interval": ("j", "c"),
    "any json": ("", "a"),
    "[text, float8]": ("ak", "bd"),
    "['numeric(12,2)', any text]": ("abh", "k"),
    "[features.colour, any interval]": ("gj", "f"),
}


@pytest.mark.parametrize("action", ["reject", "warn"])
@pytest.mark.parametrize("types", FAMILIES)
def test_families_and_lists_of_types(example, types, action):
    having, others = FAMILIES[types]

    def text(columns):
        listed = ", ".join(f"{column}: {types}" for column in columns)
        return f"{{table: features.example, schema: {{columns: {{{listed}}}, on_breach: {action}}}}}"

    if having:
        example.guard(text(having))
        assert example.run("INSERT INTO features.example (id) VALUES (1)").count == 1
        assert example.run("SELECT FROM guarded.example").notices == ()
        assert example.values("SELECT schema_difference FROM pgslo.status") == [None]
    said = {"any timestamptz": "any timestamptz", "[text, float8]": "text or double precision"}.get(types)
    for column in others:
        if action == "reject" and column not in "fg":
            (found,) = example.errors(text(column))
            assert f'column "{column}" of features.example is ' in found
            assert found.splitlines()[0].endswith(f", not {said}") or said is None
        else:
            example.guard(text(column))
            (difference,) = example.values("SELECT schema_difference FROM pgslo.status")
            assert difference.startswith(f'column "{column}" is ')
            assert difference.endswith(f", not {said}") or said is None


def test_a_family_goes_by_the_type_below_the_domain(session):
    session.run("CREATE DOMAIN features.share AS numeric(3,2); CREATE DOMAIN features.part AS features.share")
    session.run("CREATE TABLE features.example (id integer PRIMARY KEY, a features.part)")
    session.guard("{table: features.example, schema: {columns: {a: any number}, on_breach: reject}}")
    assert session.run("INSERT INTO features.example VALUES (1, 0.5)").count == 1
    (found,) = session.errors(
        "{table: features.example, schema: {columns: {a: any text}, on_breach: reject}}"
    )
    assert 'column "a" of features.example is features.part, not any text' in found


def test_a_column_without_type_has_to_be_there(session):
    session.run("CREATE TABLE features.example (id integer PRIMARY KEY, a text)")
    session.guard("{table: features.example, schema: {columns: [id, a], extra: forbid, on_breach: reject}}")
    session.run("DROP SCHEMA guarded CASCADE")
    session.run("ALTER TABLE features.example ALTER a TYPE varchar(3)")
    session.run("INSERT INTO features.example VALUES (1, 'x')")
    session.run("ALTER TABLE features.example DROP a")
    error = session.refused("INSERT INTO features.example VALUES (2)")
    assert error.detail.startswith('Column "a" is missing. No statement')


def test_columns_in_their_order(session):
    session.run("CREATE TABLE features.example (id integer PRIMARY KEY, a text, b text, c text)")
    text = "{table: features.example, schema: {columns: {id: any, b: any text, c: text}, ordered: true}}"
    session.guard(text)
    assert session.run("SELECT FROM guarded.example").notices == ()
    assert session.values("SELECT promise FROM pgslo.rule") == [
        "the columns and types of the definition, in its order"
    ]
    session.run("DROP SCHEMA guarded CASCADE")
    session.run("ALTER TABLE features.example DROP b; ALTER TABLE features.example ADD b varchar(9)")
    assert session.values("SELECT schema_difference FROM pgslo.status") == [
        'column "b" comes after column "c"'
    ]
    # What is not there is missing, and not out of order.
    session.run("ALTER TABLE features.example DROP c")
    assert session.values("SELECT schema_difference FROM pgslo.status") == ['column "c" is missing']


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
            "{columns: [a, id], ordered: true",
            '2:20: error: column "id" of features.example is where the definition has "a"',
        ),
        (
            "{columns: {a: [integer, any number]}",
            '2:20: error: column "a" of features.example is text, not integer or any number',
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
