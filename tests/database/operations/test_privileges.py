"""Writers and readers need no right beyond their own table or view, and no role gains one through pgslo's objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg import sql
from rights import apply, grant, said, values

from pgslo.database import installation, planning

Connection = psycopg.Connection[Any]
Connect = Callable[..., Connection]
Role = Callable[[str], str]

DENIED = psycopg.errors.InsufficientPrivilege

#: A column for each action; those of kinds that call functions of the runtime, or read another table, besides.
TABLES = """
CREATE SCHEMA features;
CREATE TABLE features.country (code text PRIMARY KEY);
INSERT INTO features.country VALUES ('de');
CREATE TABLE features.example (
    id int PRIMARY KEY, reject int, quarantine int, repair int, flag int, warn int, email text, country text)
"""
DEFINITION = """
table: features.example
owner: sam
writes: {writes}
batch: statement
columns:
  reject: [range: {{min: 0, max: 100, on_breach: reject, name: r_reject}}]
  quarantine: [range: {{min: 0, max: 100, on_breach: quarantine, name: r_quarantine}}]
  repair: [repair: {{clip: [0, 100], name: r_repair}}]
  flag: [range: {{min: 0, max: 100, on_breach: flag, name: r_flag}}]
  warn: [range: {{min: 0, max: 100, on_breach: warn, name: r_warn}}]
  email: [format: {{format: email, on_breach: flag}}]
  country: [references: {{table: features.country, column: code, on_breach: flag, name: r_country}}]
readers: [{readers}]
"""


@pytest.fixture(params=["bulk", "stream"])
def writes(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def reader(role: Role) -> str:
    return role("reader")


@pytest.fixture
def guarded(connection: Connection, writes: str, reader: str) -> Connection:
    """The superuser's session; ``features.example`` is guarded, and the role ``reader`` may read its view."""
    connection.execute(TABLES)
    apply(connection, DEFINITION.format(writes=writes, readers=reader))
    return connection


@pytest.fixture
def writer(guarded: Connection, role: Role) -> str:
    """A role that may write the table and knows nothing of pgslo."""
    name = role("writer")
    grant(guarded, "GRANT USAGE ON SCHEMA features TO {}", name)
    grant(guarded, "GRANT INSERT, UPDATE ON features.example TO {}", name)
    return name


def test_a_writer_needs_the_right_to_write_and_no_other(
    guarded: Connection, writer: str, connect: Connect
) -> None:
    guarded.execute("REVOKE ALL ON SCHEMA pgslo FROM PUBLIC")
    session = connect(writer)
    notices = said(session)

    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        session.execute("INSERT INTO features.example (id, reject) VALUES (1, 999)")
    assert refused.value.diag.constraint_name == "r_reject"
    assert session.execute("INSERT INTO features.example (id, quarantine) VALUES (2, 999)").rowcount == 0
    assert notices == []
    for row in (
        "(id, repair) VALUES (3, 999)",
        "(id, flag) VALUES (4, 999)",
        "(id, email) VALUES (5, 'nobody')",
        "(id, country) VALUES (6, 'xx')",
        "(id, country, email) VALUES (7, 'de', 'a@example.com')",
    ):
        assert session.execute(f"INSERT INTO features.example {row}".encode()).rowcount == 1
    assert notices == []
    session.execute("INSERT INTO features.example (id, warn) VALUES (8, 999)")
    assert notices == [("01SL1", "r_warn")]
    assert session.execute("UPDATE features.example SET flag = 999").rowcount == 6
    with session.cursor().copy("COPY features.example (id, flag) FROM STDIN") as copy:
        copy.write("9\t999\n")

    assert values(guarded, "SELECT id FROM features.example ORDER BY id") == [3, 4, 5, 6, 7, 8, 9]
    assert values(guarded, "SELECT repair FROM features.example WHERE id = 3") == [100]
    assert values(guarded, "SELECT DISTINCT rule FROM pgslo.incident ORDER BY rule") == [
        "email_format",
        "r_country",
        "r_flag",
        "r_warn",
    ]
    assert values(guarded, "SELECT writer FROM pgslo.quarantine") == [writer]
    assert values(guarded, "SELECT writer FROM pgslo.repair") == [writer]
    assert set(values(guarded, "SELECT writer FROM pgslo_catalog.fragment")) == {writer}
    assert values(guarded, "SELECT rule FROM pgslo.rule WHERE broken IS NOT NULL") == []
    for forbidden in ("SELECT count(*) FROM features.example", "SELECT pgslo.explain(1)"):
        with pytest.raises(DENIED):
            session.execute(forbidden.encode())


def test_a_reader_needs_the_right_to_read_the_view_and_no_other(
    guarded: Connection, reader: str, connect: Connect
) -> None:
    guarded.execute("INSERT INTO features.example (id, quarantine, repair) VALUES (1, 998, 998), (2, 0, 998)")
    guarded.execute("INSERT INTO features.example (id, warn) VALUES (3, 987654321)")
    incident = values(guarded, "SELECT incident_id FROM pgslo.incident WHERE rule = 'r_warn'")[0]
    session = connect(reader)
    notices = said(session)

    assert values(session, "SELECT id FROM guarded.example ORDER BY id") == [2, 3]
    assert notices == []
    assert values(session, "SELECT warn FROM guarded.example WHERE id = 3") == [987654321]
    assert notices == [("01SL1", "r_warn")]
    with pytest.raises(psycopg.Error) as refused:
        session.execute("SELECT warn FROM guarded.example_strict")
    assert refused.value.sqlstate == "SL001"
    assert values(session, "SELECT DISTINCT _slo_status ->> 'state' FROM guarded.example_status") == [
        "missed"
    ]

    assert values(session, "SELECT rule FROM pgslo.incident WHERE over_at IS NULL") == ["r_warn"]
    assert values(session, "SELECT definition FROM pgslo.status") == ["features.example"]
    assert "r_warn" in values(session, "SELECT rule FROM pgslo.rule")
    facts = dict(session.execute("SELECT * FROM pgslo.explain(%s)", (incident,)).fetchall())
    assert facts["table"] == "features.example"
    assert not any("987654321" in fact for fact in facts.values()), "explain shows no values"
    assert session.execute("SELECT pgslo.version()").fetchone() is not None

    for forbidden in (
        "SELECT FROM features.example",
        "SELECT FROM pgslo.quarantine",
        "SELECT FROM pgslo.sample",
        "SELECT FROM pgslo.repair",
        "SELECT FROM pgslo_catalog.fragment",
        "SELECT FROM pgslo_catalog.quarantine",
        "INSERT INTO guarded.example (id) VALUES (9)",
        "UPDATE guarded.example SET id = 9",
        "DELETE FROM guarded.example",
    ):
        with pytest.raises(DENIED):
            session.execute(forbidden.encode())


def test_who_is_a_reader_no_more_loses_the_view(
    guarded: Connection, reader: str, role: Role, writes: str, connect: Connect
) -> None:
    other = role("other")
    apply(guarded, DEFINITION.format(writes=writes, readers=other))
    assert values(connect(other), "SELECT id FROM guarded.example") == []
    with pytest.raises(DENIED):
        connect(reader).execute("SELECT id FROM guarded.example")


# What strangers try


def test_a_stranger_can_call_nothing_that_writes(guarded: Connection, role: Role, connect: Connect) -> None:
    stranger = role("stranger")
    guarded.execute("INSERT INTO features.example (id, quarantine) VALUES (1, 999)")
    # Being let into the schemas is not what protects them.
    grant(guarded, "GRANT USAGE ON SCHEMA pgslo_catalog, pgslo_gen, features TO {}", stranger)
    callable_ = values(
        connect(stranger),
        """SELECT p.oid::regprocedure::text FROM pg_proc p
           WHERE p.pronamespace::regnamespace::text LIKE 'pgslo%' AND has_function_privilege(p.oid, 'EXECUTE') ORDER BY 1""",
    )
    assert sorted(callable_) == [
        "pgslo.among(bigint,bigint[],boolean[])",
        "pgslo.among(date,date[],boolean[])",
        "pgslo.among(date,interval,timestamp without time zone[],boolean[])",
        "pgslo.among(numeric,numeric[],boolean[])",
        "pgslo.among(text,text[],boolean[])",
        "pgslo.among(timestamp with time zone,interval,timestamp with time zone[],boolean[])",
        "pgslo.among(timestamp with time zone,timestamp with time zone[],boolean[])",
        "pgslo.among(timestamp without time zone,interval,timestamp without time zone[],boolean[])",
        "pgslo.among(timestamp without time zone,timestamp without time zone[],boolean[])",
        "pgslo.announce(text,text[],text,interval)",
        "pgslo.announce_row(text,text[],text,interval)",
        "pgslo.check_own_rights(name)",
        "pgslo.explain(bigint)",
        "pgslo.float_text(double precision)",
        "pgslo.float_text(real)",
        "pgslo.guard(text,text[],text)",
        "pgslo.guard(text,text[],text,text[],interval)",
        "pgslo.guard_healthy(text,text[],text,text[],anyelement)",
        "pgslo.guard_rows(text,text[],text,text[],regtype)",
        "pgslo.healthy_batches(text,text[],timestamp with time zone)",
        "pgslo.hit(bigint,text,text[],interval)",
        "pgslo.hit(date,interval,text,text[],interval)",
        "pgslo.hit(date,text,text[],interval)",
        "pgslo.hit(numeric,text,text[],interval)",
        "pgslo.hit(text,text,text[],interval)",
        "pgslo.hit(timestamp with time zone,interval,text,text[],interval)",
        "pgslo.hit(timestamp with time zone,text,text[],interval)",
        "pgslo.hit(timestamp without time zone,interval,text,text[],interval)",
        "pgslo.hit(timestamp without time zone,text,text[],interval)",
        "pgslo.is_current(text,text[])",
        "pgslo.is_healthy(bigint,bigint[],boolean)",
        "pgslo.is_healthy(date,date[],boolean)",
        "pgslo.is_healthy(integer,integer[],boolean)",
        "pgslo.is_healthy(numeric,numeric[],boolean)",
        "pgslo.is_healthy(smallint,smallint[],boolean)",
        "pgslo.is_healthy(text,text[],boolean)",
        "pgslo.is_healthy(timestamp with time zone,timestamp with time zone[],boolean)",
        "pgslo.is_healthy(timestamp without time zone,timestamp without time zone[],boolean)",
        "pgslo.is_healthy(uuid,uuid[],boolean)",
        "pgslo.planned(text,interval)",
        "pgslo.planned_batches(text,text[],interval,anyelement)",
        "pgslo.planned_fine(text,text[],interval)",
        "pgslo.planned_flags(text,text[],interval,anyelement)",
        "pgslo.planned_null(text,text[],interval,anyelement)",
        "pgslo.read(anyelement,bigint,text,text[],text,interval)",
        "pgslo.read(anyelement,bigint,text[])",
        "pgslo.read(anyelement,date,interval,text,text[],text,interval)",
        "pgslo.read(anyelement,date,interval,text[])",
        "pgslo.read(anyelement,date,text,text[],text,interval)",
        "pgslo.read(anyelement,date,text[])",
        "pgslo.read(anyelement,numeric,text,text[],text,interval)",
        "pgslo.read(anyelement,numeric,text[])",
        "pgslo.read(anyelement,text,text,text[],text,interval)",
        "pgslo.read(anyelement,text,text[])",
        "pgslo.read(anyelement,timestamp with time zone,interval,text,text[],text,interval)",
        "pgslo.read(anyelement,timestamp with time zone,interval,text[])",
        "pgslo.read(anyelement,timestamp with time zone,text,text[],text,interval)",
        "pgslo.read(anyelement,timestamp with time zone,text[])",
        "pgslo.read(anyelement,timestamp without time zone,interval,text,text[],text,interval)",
        "pgslo.read(anyelement,timestamp without time zone,interval,text[])",
        "pgslo.read(anyelement,timestamp without time zone,text,text[],text,interval)",
        "pgslo.read(anyelement,timestamp without time zone,text[])",
        "pgslo.read_any(anyelement,text,text[],text,interval)",
        "pgslo.read_any(anyelement,text[])",
        "pgslo.read_hit(anyelement,bigint,text,text[],text,interval)",
        "pgslo.read_hit(anyelement,date,interval,text,text[],text,interval)",
        "pgslo.read_hit(anyelement,date,text,text[],text,interval)",
        "pgslo.read_hit(anyelement,numeric,text,text[],text,interval)",
        "pgslo.read_hit(anyelement,text,text,text[],text,interval)",
        "pgslo.read_hit(anyelement,timestamp with time zone,interval,text,text[],text,interval)",
        "pgslo.read_hit(anyelement,timestamp with time zone,text,text[],text,interval)",
        "pgslo.read_hit(anyelement,timestamp without time zone,interval,text,text[],text,interval)",
        "pgslo.read_hit(anyelement,timestamp without time zone,text,text[],text,interval)",
        "pgslo.readiness(text)",
        "pgslo.ready(text)",
        "pgslo.say_told(text,text,text,text,text,text,text,text)",
        "pgslo.say_told(text,text,text[],jsonb)",
        "pgslo.snapshot_diff(text,text)",
        "pgslo.snapshot_query(text)",
        "pgslo.status_of(text)",
        "pgslo.told_by_rows(text,text[],interval,regtype)",
        "pgslo.unhealthy(text,text[],anyelement)",
        "pgslo.version()",
        "pgslo_catalog.break_said(pgslo_catalog.rule_break,name)",
        "pgslo_catalog.is_missed(pgslo_catalog.rule,bigint,bigint)",
        "pgslo_catalog.listed_rights()",
        "pgslo_catalog.may_know_all(name)",
        "pgslo_catalog.may_read(oid,name)",
        "pgslo_catalog.may_see(pgslo_catalog.snapshot,name)",
        "pgslo_catalog.may_see_figures(oid,text[],jsonb,name)",
        "pgslo_catalog.may_see_values(name)",
        "pgslo_catalog.metric(pgslo_catalog.pair_cell[],pgslo_catalog.pair_score[],text,double precision)",
        "pgslo_catalog.schema_difference(regclass,jsonb)",
        "pgslo_catalog.strange_rights()",
    ]
    session = connect(stranger)
    before = state(guarded)
    for call in (
        "pgslo.release(1)",
        "pgslo.discard(1)",
        "pgslo.tick()",
        "pgslo_catalog.register('{}')",
        "pgslo_catalog.unregister('features.example')",
        "pgslo_catalog.record_statement('features.example', 'insert', '{r_flag}', '{}', '{}', ARRAY[ROW('b', 1, 1, '{}', '{}', '{1}', NULL)::pgslo_catalog.measured], NULL, 0)",
        "pgslo_catalog.record_row('features.example', 'b', 1, 'k', '{r_flag}', '{x}')",
        "pgslo_catalog.record_sample('features.example', 'r_flag', 'b', 'k', 'x')",
        "pgslo_catalog.record_break('features.example', 'r_flag', '22000', 'x')",
        "pgslo_catalog.record_repair('features.example', 'r', 'c', 'k', 'a', 'b')",
        "pgslo_catalog.record_quarantine('features.example', 'features.example', 'INSERT', 'k', ROW(1), ROW(1), '{r_flag}', '{x}')",
        "pgslo_catalog.reject('features.example', '{r}', 1, 's', 'k')",
        "pgslo_catalog.warn_writer('features.example', '{r}')",
        "pgslo_catalog.problem('features.example', '{warn}')",
        "pgslo_catalog.open_left_over()",
    ):
        with pytest.raises(DENIED, match="permission denied for function"):
            session.execute(f"SELECT {call}".encode())
    assert state(guarded) == before


def state(conn: Connection) -> dict[str, list[Any]]:
    """All rows of the runtime's tables."""
    tables = values(conn, "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'pgslo_catalog'::regnamespace")  # fmt: skip
    return {name: sorted(values(conn, f"SELECT t::text FROM {name} t")) for name in tables}


def test_a_stranger_cannot_write_the_state(guarded: Connection, role: Role, connect: Connect) -> None:
    stranger = role("stranger")
    grant(guarded, "GRANT USAGE ON SCHEMA pgslo_catalog, pgslo_gen TO {}", stranger)
    guarded.execute("INSERT INTO features.example (id, flag) VALUES (1, 999)")
    session = connect(stranger)
    before = state(guarded)
    for name in before:
        for statement in (f"DELETE FROM {name}", f"INSERT INTO {name} DEFAULT VALUES", f"TRUNCATE {name}", f"SELECT FROM {name}"):  # fmt: skip
            if statement == "SELECT FROM pgslo_catalog.own_salt":
                # Its policy shows each role the salts of its own tables.
                assert values(session, "SELECT definition FROM pgslo_catalog.own_salt") == []
                continue
            with pytest.raises(DENIED):
                session.execute(statement.encode())
    for statement in (
        "UPDATE pgslo.incident SET resolved_at = now()",
        "DELETE FROM pgslo.status",
        "CREATE TABLE pgslo_catalog.mine ()",
        "CREATE FUNCTION pgslo.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE FUNCTION pgslo_gen.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE VIEW guarded.mine AS SELECT 1",
    ):
        with pytest.raises(psycopg.Error) as refused:
            session.execute(statement.encode())
        # A view that joins cannot be written at all.
        assert refused.value.sqlstate in ("42501", "55000"), statement
    assert state(guarded) == before


def test_a_stranger_cannot_forge_records_with_a_trigger_of_his_own(
    guarded: Connection, role: Role, connect: Connect
) -> None:
    stranger = role("stranger")
    grant(guarded, "GRANT USAGE ON SCHEMA pgslo_catalog, pgslo_gen TO {}", stranger)
    generated = guarded.execute(
        "SELECT p.oid::regproc::text, p.prosrc ~ 'pgslo_(new|rows)' FROM pg_proc p WHERE p.pronamespace = 'pgslo_gen'::regnamespace AND p.prorettype = 'trigger'::regtype"
    ).fetchall()
    assert len(generated) >= 3
    session = connect(stranger)
    session.execute("CREATE TEMPORARY TABLE example (id int, flag int)")
    for function, of_statement in generated:
        each = "REFERENCING NEW TABLE AS pgslo_rows FOR EACH STATEMENT" if of_statement else "FOR EACH ROW"
        with pytest.raises(DENIED, match="permission denied for function"):
            session.execute(
                f"CREATE TRIGGER forged AFTER INSERT ON example {each} EXECUTE FUNCTION {function}()".encode()
            )


RUNTIME_TABLES = ("definition", "rule", "task", "fragment", "incident", "quarantine", "sample", "repair", "rule_break", "runtime", "watermark")  # fmt: skip


def test_temporary_tables_do_not_stand_in_for_the_runtimes(
    guarded: Connection, writer: str, reader: str, connect: Connect
) -> None:
    session = connect(writer)
    for name in (*RUNTIME_TABLES, "pgslo_rows", "example", "country", "pg_class", "pg_attribute"):
        session.execute(f"CREATE TEMPORARY TABLE {name} (LIKE pg_catalog.pg_class)".encode())
    session.execute("SET search_path = pg_temp, pg_catalog")
    with pytest.raises(psycopg.errors.CheckViolation):
        session.execute("INSERT INTO features.example (id, reject) VALUES (1, 999)")
    session.execute("INSERT INTO features.example (id, quarantine) VALUES (2, 999)")
    session.execute("INSERT INTO features.example (id, flag, repair, country) VALUES (3, 999, 999, 'xx')")
    assert values(guarded, "SELECT rule FROM pgslo.incident ORDER BY 1") == ["r_country", "r_flag"]
    assert values(guarded, "SELECT id FROM features.example") == [3]
    assert len(values(guarded, "SELECT quarantine_id FROM pgslo.quarantine")) == 1
    assert values(guarded, "SELECT new_value FROM pgslo.repair") == ["100"]
    assert values(guarded, "SELECT rule FROM pgslo.rule WHERE broken IS NOT NULL") == []

    session = connect(reader)
    for name in RUNTIME_TABLES:
        session.execute(f"CREATE TEMPORARY TABLE {name} (LIKE pg_catalog.pg_class)".encode())
    session.execute("SET search_path = pg_temp, pg_catalog")
    notices = said(session)
    session.execute("SELECT flag FROM guarded.example")
    assert notices == [("01SL1", "r_flag")]


EVIL = """
CREATE SCHEMA evil;
CREATE TABLE evil.marker (ran_as text);
GRANT ALL ON evil.marker TO PUBLIC;
GRANT USAGE ON SCHEMA evil TO PUBLIC;
CREATE FUNCTION evil.mark() RETURNS boolean LANGUAGE plpgsql AS $$BEGIN
    INSERT INTO evil.marker VALUES (current_user); RETURN true; END$$;
CREATE FUNCTION evil.compared(int, int) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RETURN evil.mark(); END$$;
CREATE FUNCTION evil.compared(text, text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RETURN evil.mark(); END$$;
CREATE OPERATOR evil.>= (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.compared);
CREATE OPERATOR evil.<= (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.compared);
CREATE OPERATOR evil.> (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.compared);
CREATE OPERATOR evil.= (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.compared);
CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.compared);
CREATE OPERATOR evil.~ (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.compared);
CREATE FUNCTION evil.lower(text) RETURNS text LANGUAGE plpgsql AS $$BEGIN PERFORM evil.mark(); RETURN $1; END$$;
CREATE FUNCTION evil.length(text) RETURNS int LANGUAGE plpgsql AS $$BEGIN PERFORM evil.mark(); RETURN 1; END$$;
CREATE FUNCTION evil.format(text, text) RETURNS text LANGUAGE plpgsql AS $$BEGIN PERFORM evil.mark(); RETURN $1; END$$;
CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS $$BEGIN PERFORM evil.mark(); RETURN '1999-01-01'; END$$;
CREATE TABLE features.t (id int PRIMARY KEY, age int, code text, plan text, name text, country text, low text, parent text, other int);
"""


def test_a_schema_put_first_neither_bends_a_rule_nor_runs_as_the_definer(
    guarded: Connection, role: Role, writes: str, connect: Connect
) -> None:
    guarded.execute(EVIL)
    writer = role("evil_writer")
    apply(
        guarded,
        f"""
        table: features.t
        owner: sam
        writes: {writes}
        batch: {{by: id}}
        columns:
          age: [range: {{min: 0, max: 100, on_breach: flag, name: r_range}}]
          code: [pattern: {{matches: "^[A-Z]+$", on_breach: flag, name: r_pattern}}]
          plan: [accepted_values: {{values: [free, pro], on_breach: flag, name: r_accepted}}]
          name: [length: {{max: 3, on_breach: flag, name: r_length}}]
          country: [repair: {{lower: true, name: r_lower}}]
          low: [expression: {{expression: "lower(low) = low", on_breach: flag, name: r_expression}}]
          parent: [references: {{table: features.country, column: code, on_breach: flag, name: r_references}}]
          other: [compare: {{operator: "<=", to: age, on_breach: flag, name: r_compare}}]
        readers: [{writer}]
        """,
    )
    grant(guarded, "GRANT USAGE ON SCHEMA features TO {}", writer)
    grant(guarded, "GRANT INSERT, UPDATE ON features.t TO {}", writer)
    session = connect(writer)
    session.execute("SET search_path = evil, pg_catalog, public")
    session.execute("SELECT 1 >= 2, 'a'::text ~ 'b'::text, lower('A'::text)")
    assert set(values(guarded, "SELECT ran_as FROM evil.marker")) == {writer}, "what is put first does run"
    guarded.execute("TRUNCATE evil.marker")

    session.execute(
        "INSERT INTO features.t VALUES (1, 5, 'ABC', 'pro', 'ok', 'us', 'low', 'de', 1), (2, -5, 'abc', 'gratis', 'too long', 'DE', 'Upper', 'xx', 7)"
    )
    session.execute("UPDATE features.t SET age = 999, other = 9999")
    notices = said(session)
    session.execute("SELECT * FROM guarded.t")

    assert values(guarded, "SELECT ran_as FROM evil.marker") == []
    assert values(guarded, "SELECT rule FROM pgslo.incident ORDER BY 1") == [
        "r_accepted", "r_compare", "r_expression", "r_length", "r_pattern", "r_range", "r_references",
    ]  # fmt: skip
    assert {rule for _, rule in notices} == set(values(guarded, "SELECT rule FROM pgslo.incident"))
    assert values(guarded, "SELECT country FROM features.t ORDER BY id") == ["us", "de"]
    assert values(guarded, "SELECT rule FROM pgslo.rule WHERE broken IS NOT NULL") == []


def test_what_a_reader_puts_where_warnings_are_remembered_does_not_run(
    guarded: Connection, reader: str, connect: Connect
) -> None:
    """The memory is an open cursor, and any role may open one by its name with a text of its own."""
    guarded.execute("INSERT INTO features.example (id, flag, warn) VALUES (1, 999, 999)")
    guarded.execute("CREATE SCHEMA evil")
    grant(guarded, "GRANT ALL ON SCHEMA evil TO {}", reader)
    session = connect(reader)
    # Immutable: planning a query is enough to run it.
    session.execute(
        """CREATE FUNCTION evil.run() RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN
             RAISE WARNING 'ran as %', current_user; RETURN 1; END$$"""
    )
    told: list[str | None] = []
    session.add_notice_handler(lambda notice: told.append(notice.message_primary))
    session.execute(
        r"""DO $do$
        DECLARE
            memory refcursor := 'pgslo_warned';
            said text := extract(epoch FROM statement_timestamp());
            forged text;
        BEGIN
            -- A text of lines and one of words, each with something behind what it seems to be.
            FOREACH forged IN ARRAY ARRAY[
                format(E'SELECT $x$\n%s\n*/, evil.run() /*\n$x$', said),
                format(E'SELECT E\'%s \\\', evil.run() --\'', said)]
            LOOP
                OPEN memory FOR EXECUTE forged;
                PERFORM flag, warn FROM guarded.example;
                CLOSE memory;
            END LOOP;
        END $do$"""
    )
    assert set(told) == {
        'column "flag" of features.example misses rule "r_flag"',
        'column "warn" of features.example misses rule "r_warn"',
    }


# Installing without being a superuser


def test_the_tables_owner_applies_and_uninstalls_without_being_a_superuser(
    empty_connection: Connection, empty_dsn: str, role: Role, writes: str
) -> None:
    owner, reader, writer = role("owner"), role("reader"), role("writer")
    database_name = empty_connection.info.dbname
    empty_connection.execute(
        sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(
            sql.Identifier(database_name), sql.Identifier(owner)
        )
    )
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        grant(conn, "SET SESSION AUTHORIZATION {}", owner)
        conn.execute(TABLES)
        apply(conn, DEFINITION.format(writes=writes, readers=reader))
        grant(conn, "GRANT USAGE ON SCHEMA features TO {}", writer)
        grant(conn, "GRANT INSERT ON features.example TO {}", writer)

        with psycopg.connect(empty_dsn, autocommit=True) as session:
            grant(session, "SET SESSION AUTHORIZATION {}", writer)
            session.execute("INSERT INTO features.example (id, flag) VALUES (1, 999)")
            session.execute("INSERT INTO features.example (id, quarantine) VALUES (2, 999)")
        with psycopg.connect(empty_dsn, autocommit=True) as session:
            grant(session, "SET SESSION AUTHORIZATION {}", reader)
            notices = said(session)
            assert values(session, "SELECT flag FROM guarded.example") == [999]
            assert notices == [("01SL1", "r_flag")]

        held = values(conn, "SELECT quarantine_id FROM pgslo.quarantine")[0]
        conn.execute("""SELECT pgslo.release(%s, '{"quarantine": 1}')""", (held,))
        conn.execute("SELECT pgslo.tick()")
        assert values(conn, "SELECT id FROM features.example ORDER BY id") == [1, 2]

        def removal() -> Any:
            return planning.plan_removal(conn, ["features.example"])

        assert installation.apply(conn, removal(), removal) == ()
        installation.drop_runtime(conn)
        assert values(conn, "SELECT nspname FROM pg_namespace WHERE nspname ~ '^(pgslo|guarded)'") == []
        assert values(conn, "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal") == []
        assert values(conn, "SELECT id FROM features.example ORDER BY id") == [1, 2]
