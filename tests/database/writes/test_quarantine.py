"""A quarantined row is kept whole, with every reason, and is released as it was or corrected."""

from __future__ import annotations

import pytest
from quarantining import RULE, guard, release, rows

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


def test_a_rolled_back_write_leaves_nothing_in_quarantine(session):
    guard(session)
    with session.connection.transaction(force_rollback=True):
        session.run("INSERT INTO features.example VALUES (1, 999)")
        assert len(session.held()) == 1
    assert session.held() == []


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
