"""A row that is kept out is kept whole, with every reason, and comes back as it was or as somebody mended it."""

from __future__ import annotations

import psycopg
import pytest

#: Column definitions by name, each with values that some text form, session setting or jsonb would spoil.
TYPES = {
    "t_bool": ("boolean", ["true"]),
    "t_int2": ("smallint", ["-32768"]),
    "t_int8": ("bigint", ["9223372036854775807", "-9223372036854775808"]),
    "t_real": ("real", ["'NaN'", "'-Infinity'", "1.17549435e-38", "3.4028235e38", "0.1"]),
    "t_float": (
        "double precision",
        ["'NaN'", "'Infinity'", "5e-324", "1.7976931348623157e308", "0.1", "'-0'"],
    ),
    "t_numeric": ("numeric", ["'NaN'", "'Infinity'", "1e1000", "0.1000", "-0.000000000000000000000000001"]),
    "t_scaled": ("numeric(10,4)", ["123456.7890"]),
    "t_money": ("money", ["'92233720368547758.07'"]),
    "t_text": (
        "text",
        [
            "''",
            "' NULL '",
            "'NULL'",
            "E'a\\tb\\nc\\\\d\"e\"(f,g)'",
            "'数据 é e\u0301 \u202e 😀'",
            "repeat('x', 100000)",
        ],
    ),
    "t_char": ('"char"', ["'\"'"]),
    "t_bpchar": ("char(5)", ["'ab'"]),
    "t_varchar": ("varchar(5)", ["'ab '"]),
    "t_name": ("name", ["'Nàme'"]),
    "t_bytea": ("bytea", ["'\\x00ff5c27'", "''"]),
    "t_date": ("date", ["'infinity'", "'0044-03-15 BC'", "'5874897-12-31'", "'2026-02-03'"]),
    "t_time": ("time", ["'24:00'", "'00:00:00.000001'"]),
    "t_timetz": ("timetz", ["'23:59:59.999999-15:59'"]),
    "t_timestamp": ("timestamp", ["'-infinity'", "'4713-01-01 BC'", "'2026-02-03 04:05:06.789'"]),
    "t_timestamptz": ("timestamptz", ["'infinity'", "'2026-03-29 02:30:00.123456+01'"]),
    "t_interval": ("interval", ["'-178000000 years'", "'1 mon -1 day 00:00:00.000001'", "'-00:00:01'"]),
    "t_uuid": ("uuid", ["'A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11'"]),
    "t_json": ("json", ['\'{"b": 1,   "a": 2, "b": 1.00}\'', "'null'", "'\"x\"'"]),
    "t_jsonb": ("jsonb", ['\'{"b": 1.00, "a": [null, "\\""]}\'', "'null'"]),
    "t_xml": ("text", ["'<a b=\"c\">&amp;</a>'"]),
    "t_inet": ("inet", ["'::1'", "'10.0.0.1/8'"]),
    "t_cidr": ("cidr", ["'10.0.0.0/8'"]),
    "t_macaddr": ("macaddr", ["'08:00:2b:01:02:03'"]),
    "t_bit": ("bit(3)", ["'101'"]),
    "t_varbit": ("varbit", ["''"]),
    "t_point": ("point", ["'(1.5,NaN)'"]),
    "t_polygon": ("polygon", ["'((0,0),(1,1),(1,0.1))'"]),
    "t_tsvector": ("tsvector", ["'''it''''s'':1A cat:2'"]),
    "t_tsquery": ("tsquery", ["'fat & !cat'"]),
    "t_range": ("int4range", ["'empty'", "'[1,)'"]),
    "t_tsrange": ("tstzrange", ["'[2026-01-02 03:04+05,infinity)'"]),
    "t_multirange": ("nummultirange", ["'{[1.50,2),(3,)}'"]),
    "t_array": ("int[]", ["'{}'", "'{1,NULL,3}'", "'{{1,2},{3,4}}'", "'[-1:0]={7,8}'"]),
    "t_texts": ("text[]", ["ARRAY['', 'NULL', NULL, 'a,b', E'\\\\', '\"', '{}']"]),
    "t_dates": ("date[]", ["'{2026-02-03,infinity}'"]),
    "t_floats": ("float8[]", ["'{NaN,Infinity,0.1}'"]),
    "t_enum": ("features.mood", ["'it''s, \"fine\"'"]),
    "t_composite": ("features.pair", ["ROW('2026-02-03', 0.1, 'a\"b,(c)')"]),
    "t_composites": ("features.pair[]", ["ARRAY[ROW(NULL, 'NaN', ''), NULL]::features.pair[]"]),
    "t_domain": ("features.positive", ["7"]),
    "t_oid": ("oid", ["4294967295"]),
    "t_class": ("regclass", ["'pg_catalog.pg_class'"]),
    "t_lsn": ("pg_lsn", ["'FFFFFFFF/FFFFFFFF'"]),
    "t_path": ("jsonpath", ["'$.a[*] ? (@ > 1)'"]),
    "T select": ("text", ["'quoted name'"]),
}
SETTINGS = {
    "plain": {},
    "odd": {
        "datestyle": "German, DMY",
        "intervalstyle": "sql_standard",
        "timezone": "Asia/Kolkata",
        "bytea_output": "escape",
        "extra_float_digits": "-15",
        "lc_monetary": "C",
        "xmlbinary": "hex",
        "standard_conforming_strings": "on",
    },
}
RULE = "columns: {v: [{range: {max: 100, on_breach: quarantine}}]}"


def guard(session, table="id int PRIMARY KEY, v int", extra=""):
    session.run(f"CREATE TABLE features.example ({table})")
    session.guard(f"table: features.example\nowner: sam\n{extra}\n{RULE}")


def release(session, number=None, changes=None):
    number = (
        session.values("SELECT max(quarantine_id) FROM pgslo.quarantine")[0] if number is None else number
    )
    arguments = str(number) if changes is None else f"{number}, '{changes}'"
    return session.run(f"SELECT pgslo.release({arguments})").rows[0][0]


def rows(session, columns="id, v"):
    return list(session.run(f"SELECT {columns} FROM features.example ORDER BY 1").rows)


@pytest.fixture
def types(session):
    session.run("CREATE TYPE features.mood AS ENUM ('it''s, \"fine\"', 'bad')")
    session.run("CREATE TYPE features.pair AS (day date, share float8, label text)")
    session.run("CREATE DOMAIN features.positive AS int CHECK (VALUE > 0)")
    columns = ", ".join(f'"{name}" {type_}' for name, (type_, _) in TYPES.items())
    guard(session, f"id int PRIMARY KEY, v int, {columns}")
    session.run("CREATE TABLE features.reference (LIKE features.example)")
    return session


@pytest.mark.parametrize("reader", SETTINGS)
@pytest.mark.parametrize("writer", SETTINGS)
def test_every_type_comes_back_exactly(types, writer, reader):
    session = types
    for turn in range(max(len(values) for _, values in TYPES.values())):
        values = ", ".join(values[turn % len(values)] for _, values in TYPES.values())
        with session.connection.transaction():
            for name, value in SETTINGS[writer].items():
                session.run(f"SET LOCAL {name} = '{value}'")
            for table in ("example", "reference"):
                session.run(f"INSERT INTO features.{table} VALUES ({turn}, 999, {values})")
        for name, value in SETTINGS[reader].items():
            session.run(f"SET LOCAL {name} = '{value}'")
        release(session, changes='{"v": 1}')
    for name in SETTINGS["odd"]:
        session.run(f"SET LOCAL {name} = DEFAULT")
    for name in TYPES:
        send = f'"{name}"::text'
        assert rows(session, f"id, {send}") == list(
            session.run(f"SELECT id, {send} FROM features.reference ORDER BY 1").rows
        ), name
    assert set(rows(session, "v")) == {(1,)}


def test_a_row_that_jsonb_cannot_hold_is_kept_all_the_same(session):
    guard(session, "id int PRIMARY KEY, v int, doc json")
    session.run(r"""INSERT INTO features.example VALUES (1, 999, '{"a":"\u0000",  "b":1}')""")
    assert session.values("SELECT image FROM pgslo.quarantine") == [None]
    release(session, changes='{"v": 1}')
    assert rows(session, "id, v, doc::text") == [(1, 1, '{"a":"\\u0000",  "b":1}')]


def test_nulls_are_nulls_and_empty_texts_are_empty(session):
    guard(session, "id int PRIMARY KEY, v int, a text, b text, c int[], d numeric")
    session.run("INSERT INTO features.example VALUES (1, 999, NULL, '', NULL, NULL)")
    release(session, changes='{"v": null}')
    assert rows(session, "*") == [(1, None, None, "", None, None)]


def test_the_rest_of_the_batch_goes_on_and_all_reasons_are_kept(session):
    session.run("CREATE TABLE features.example (id int PRIMARY KEY, v int, country text)")
    session.guard(
        """
        table: features.example
        columns:
          v: [{range: {max: 100, on_breach: quarantine}}, {not_null: {on_breach: quarantine}}]
          country: [{accepted_values: {values: [us, de], on_breach: quarantine}}]
        """
    )
    outcome = session.run(
        "INSERT INTO features.example VALUES (1, 1, 'us'), (2, 999, 'xx'), (3, NULL, 'de'), (4, 2, 'de')"
    )
    assert (outcome.count, outcome.notices) == (2, ())
    assert [key for key, _ in rows(session)] == [1, 4]
    assert session.held() == [
        ("(id) = (2)", ("v_range", "country_accepted_values")),
        ("(id) = (3)", ("v_not_null",)),
    ]
    ((reasons, image),) = session.run(
        "SELECT reasons, image FROM pgslo.quarantine WHERE row_key = '(id) = (2)'"
    ).rows
    assert reasons == [
        {"rule": "v_range", "promise": "v of at most 100", "shown": "v = 999"},
        {"rule": "country_accepted_values", "promise": "country one of us, de", "shown": "country = xx"},
    ]
    assert image == {"id": 2, "v": 999, "country": "xx"}


def test_it_says_who_wrote_the_row_and_when(connection, connect, role):
    from pgslo import definition
    from pgslo.database import installation, planning

    connection.execute("CREATE SCHEMA features; CREATE TABLE features.example (id int PRIMARY KEY, v int)")
    loaded = definition.load(f"table: features.example\n{RULE}", path="slos/example.yml")

    def plan():
        return planning.plan_definitions(connection, [loaded])

    installation.apply(connection, plan(), plan)
    writer, team = role("writer"), role("team")
    connection.execute(f"GRANT USAGE ON SCHEMA features TO {writer}, {team}; GRANT {team} TO {writer}")
    connection.execute(f"GRANT INSERT ON features.example TO {writer}, {team}")
    session = connect(writer, application_name="nightly job")
    session.execute("INSERT INTO features.example VALUES (1, 999)")
    session.execute(f"SET ROLE {team}")
    session.execute("SET application_name = 'by hand'")
    session.execute("INSERT INTO features.example VALUES (2, 999)")
    found = connection.execute(
        "SELECT writer, application, now() - written_at < '1 min', state FROM pgslo.quarantine ORDER BY 1 DESC"
    ).fetchall()
    assert found == [(writer, "nightly job", True, "held"), (team, "by hand", True, "held")]


# Release


def test_release_judges_again(session):
    guard(session)
    session.run("INSERT INTO features.example VALUES (1, 999)")
    error = session.refused("SELECT pgslo.release(quarantine_id) FROM pgslo.quarantine")
    assert error.sqlstate == "23514"
    assert error.detail == 'v = 999; rule "v_range" wants: v of at most 100.'
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


# Discard


def test_discard_erases_every_value_and_keeps_the_fact(session):
    guard(session, "id int PRIMARY KEY, v int, secret text")
    session.run("INSERT INTO features.example VALUES (1, 987654, 'hunter2')")
    assert "discarded" in session.values("SELECT pgslo.discard(quarantine_id) FROM pgslo.quarantine")[0]
    ((whole,),) = session.run("SELECT q::text FROM pgslo_catalog.quarantine q").rows
    assert "hunter2" not in whole
    assert "987654" not in whole
    ((state, key, reasons),) = session.run("SELECT state, row_key, reasons FROM pgslo.quarantine").rows
    assert (state, key) == ("dropped", "(id) = (1)")
    assert reasons == [{"rule": "v_range", "promise": "v of at most 100"}]
    assert session.refused("SELECT pgslo.discard(quarantine_id) FROM pgslo.quarantine").hint
    assert session.refused("SELECT pgslo.release(quarantine_id) FROM pgslo.quarantine").detail.startswith(
        "It was dropped"
    )


def test_a_rolled_back_write_leaves_nothing_in_quarantine(session):
    guard(session)
    with session.connection.transaction(force_rollback=True):
        session.run("INSERT INTO features.example VALUES (1, 999)")
        assert len(session.held()) == 1
    assert session.held() == []


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


@pytest.mark.parametrize(
    ("action", "change", "expected"),
    [
        ("ON DELETE SET DEFAULT", "DELETE FROM features.parent WHERE id = 1", [(1, 2), (2, 2)]),
        ("ON DELETE CASCADE", "DELETE FROM features.parent WHERE id = 1", [(2, 2)]),
        ("ON UPDATE CASCADE", "UPDATE features.parent SET id = 9 WHERE id = 1", [(1, 9), (2, 2)]),
    ],
)
def test_what_a_foreign_key_does_is_never_diverted(session, action, change, expected):
    """A diverted row would be left behind pointing nowhere, and PostgreSQL would not notice."""
    session.run("CREATE TABLE features.parent (id int PRIMARY KEY)")
    session.run("INSERT INTO features.parent VALUES (1), (2)")
    session.run(
        f"CREATE TABLE features.example (id int PRIMARY KEY, parent int DEFAULT 2 REFERENCES features.parent {action}, v int)"
    )
    session.run("INSERT INTO features.example VALUES (1, 1, 999), (2, 2, 999)")
    session.guard(
        """
        table: features.example
        columns:
          v: [{range: {max: 100, on_breach: quarantine}}]
          parent: [{not_null: {on_breach: quarantine}}]
        """
    )
    session.run(change)
    assert rows(session, "id, parent") == expected
    assert session.run("UPDATE features.example SET parent = NULL WHERE id = 2").count == 0
    assert session.run("UPDATE features.example SET v = 998 WHERE id = 2").count == 0
    assert len(session.held()) == 2


def test_what_a_foreign_key_does_is_refused_if_a_rule_about_its_column_is_violated(session):
    """As by NOT NULL: the row can neither be stored nor held back."""
    session.run("CREATE TABLE features.parent (id int PRIMARY KEY)")
    session.run("INSERT INTO features.parent VALUES (1)")
    session.run(
        "CREATE TABLE features.example (id int PRIMARY KEY, parent int REFERENCES features.parent ON DELETE SET NULL)"
    )
    session.guard(
        """
        table: features.example
        columns:
          parent: [{not_null: {on_breach: quarantine}}]
        """
    )
    session.run("INSERT INTO features.example VALUES (1, 1)")
    with pytest.raises(psycopg.errors.CheckViolation, match="parent_not_null"):
        session.run("DELETE FROM features.parent WHERE id = 1")
    assert rows(session, "id, parent") == [(1, 1)]


OLD_ROWS = """
table: features.example
key: [id]
writes: {writes}
columns:
  age: [{{range: {{max: 120, on_breach: quarantine}}}}]
  name: [{{not_null: {{on_breach: quarantine, where: active}}}}]
rules:
  - sum: {{expression: "age + extra < 1000", on_breach: quarantine}}
"""


@pytest.fixture(params=["bulk", "stream"])
def old_rows(session, request):
    session.run(
        "CREATE TABLE features.example (id int PRIMARY KEY, age int, name text, active bool DEFAULT true, extra int DEFAULT 0, deleted bool DEFAULT false)"
    )
    session.run("INSERT INTO features.example (id, age) VALUES (1, 500), (2, 5)")
    session.guard(OLD_ROWS.format(writes=request.param))
    return session


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE features.example SET deleted = true WHERE id = 1",
        "UPDATE features.example SET deleted = true, age = 500, name = NULL WHERE id = 1",
        "INSERT INTO features.example (id, age, name) VALUES (1, 7, 'x') ON CONFLICT (id) DO UPDATE SET deleted = true",
    ],
)
def test_an_update_that_changes_no_ruled_column_is_stored(old_rows, change):
    """The row that is there violates the rules as well; a soft delete of it has to be possible."""
    assert old_rows.run(change).count == 1
    assert rows(old_rows, "id, age, name, deleted") == [(1, 500, None, True), (2, 5, None, False)]
    assert old_rows.held() == []


@pytest.mark.parametrize(
    "change",
    [
        "age = 501",
        "age = 499, deleted = true",
        "extra = 900",  # read by an expression
        "active = NOT active, age = 600",
    ],
)
def test_an_update_that_changes_one_is_judged(old_rows, change):
    assert old_rows.run(f"UPDATE features.example SET {change} WHERE id = 1").count == 0
    assert len(old_rows.held()) == 1


def test_a_column_that_only_the_condition_of_a_rule_reads_is_one(old_rows):
    assert old_rows.run("UPDATE features.example SET active = false WHERE id = 2").count == 1
    assert old_rows.run("UPDATE features.example SET active = true WHERE id = 2").count == 0
    assert len(old_rows.held()) == 1


def test_a_row_that_moves_to_another_partition_is_judged(session):
    """It would be taken from the one and kept out of the other."""
    session.run("CREATE TABLE features.example (id int, age int, note text) PARTITION BY RANGE (id)")
    for n in range(3):
        session.run(
            f"CREATE TABLE features.example_{n} PARTITION OF features.example FOR VALUES FROM ({n}0) TO ({n + 1}0)"
        )
    session.run("INSERT INTO features.example VALUES (1, 500)")
    session.guard(
        """
        table: features.example
        key: [id]
        columns:
          age: [{range: {max: 120, on_breach: quarantine}}]
        """
    )
    assert session.run("UPDATE features.example SET id = 11").count == 0
    assert session.values("SELECT id FROM features.example") == [1]
    assert session.run("UPDATE features.example SET note = 'x'").count == 1


def test_dlt_ends_the_old_version_of_a_row_that_violates_a_rule(session):
    """What its merge with the strategy scd2 does: the old version ends, a new one begins."""
    session.run(
        "CREATE TABLE features.example (id int, age int, valid_from int, valid_to int, PRIMARY KEY (id, valid_from))"
    )
    session.run("INSERT INTO features.example VALUES (3, 500, 1, NULL)")
    session.guard(
        """
        table: features.example
        key: [id, valid_from]
        columns:
          age: [{range: {max: 120, on_breach: quarantine}}]
        """
    )
    session.run("UPDATE features.example SET valid_to = 2 WHERE id = 3 AND valid_to IS NULL")
    session.run("INSERT INTO features.example VALUES (3, 5, 2, NULL)")
    assert rows(session, "age, valid_to") == [(5, None), (500, 2)]


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
        "To update the row that is there, as ON CONFLICT DO UPDATE would: pgslo.release("
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
