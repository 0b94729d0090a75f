"""A distributed table with roles that gain nothing by it: with stand-ins for functions of Citus, so its triggers are on one node, with all of its rows."""

from __future__ import annotations

import contextlib
from typing import Any

import psycopg
import pytest
from stand_ins import CITUS
from tests.database.security.test_owners import SPY

from pgslo.database import installation, operations, planning
from pgslo.definition import load

pytestmark = pytest.mark.slow

RULES = """
table: feat.t
owner: sam
writes: bulk
batch: {by: day}
readers: [$reader]
columns:
  a: [range: {min: 0, max: 100, name: r_warn}]
  b: [range: {min: 0, on_breach: quarantine, name: r_q}]
  c: [repair: {clip: [0, 10]}]
  e: [statistic: {of: mean, max: 100, name: e_mean}]
"""


HERS = """
table: evil.tab
key: [id]
writes: bulk
batch: {by: day}
columns: {a: [range: {min: 0, max: 100, on_breach: flag}]}
rules: [q: {query: "SELECT 1 FROM evil.tab AS t WHERE t.a < -5"}]
"""


def apply(world: Any, by: str, *texts: str) -> None:
    session = world.admin if by == "superuser" else world.session(by)
    session.execute("SET citus.enable_unsafe_triggers = on")
    definitions = [load(world.sql(text), path=f"slos/{n}.yml") for n, text in enumerate(texts or (RULES,))]

    def plan() -> Any:
        return planning.plan_definitions(session, definitions)

    assert installation.apply(session, plan(), plan) == ()
    assert plan().empty


@pytest.fixture
def table(world: Any) -> Any:
    """The table of the installer, without an applied definition."""
    world.admin.execute("CREATE SCHEMA feat")
    for name in ("t", "r", "own", "tenant"):
        world.admin.execute(
            f"CREATE TABLE feat.{name} (id bigint, day date, a float8, b float8, c float8, e float8, v text, PRIMARY KEY (id, day))".encode()
        )
    world.admin.execute(CITUS.encode())
    # As Citus has it.
    world.run(
        "superuser",
        """GRANT SELECT ON pg_dist_partition, pg_dist_local_group, pg_dist_node TO PUBLIC;
           GRANT INSERT ON pg_dist_partition TO PUBLIC;
           ALTER TABLE feat.t OWNER TO $installer; ALTER SCHEMA feat OWNER TO $installer; GRANT USAGE ON SCHEMA feat TO PUBLIC;
           GRANT INSERT, SELECT ON feat.t TO $writer;
           GRANT SELECT (id, day, a) ON feat.t TO $reader""",
    )
    return world


def messages(world: Any, query: str) -> list[str]:
    """The warnings of a reader."""
    session = world.session("reader")
    said: list[str] = []
    session.add_notice_handler(lambda one: said.append(str(one.message_primary)))
    session.execute(query.encode())
    return said


@pytest.mark.parametrize("by", ["superuser", "installer"])
def test_readers_are_told_whoever_applies(table: Any, by: str) -> None:
    apply(table, by)
    table.run("writer", "INSERT INTO feat.t VALUES (1, '2026-03-01', -1, 1, 1, 1)")
    table.run("operator", "SELECT pgslo.tick()")
    assert messages(table, "SELECT count(a) FROM guarded.t") == ['column "a" of feat.t misses rule "r_warn"']
    with pytest.raises(psycopg.Error, match="read refused"):
        table.run("reader", "SELECT count(a) FROM guarded.t_strict")
    state = table.run("reader", "SELECT _slo_status ->> 'state' FROM guarded.t_status")
    assert state == [("missed",)]
    owners = table.run(
        "superuser",
        "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relname IN ('told__feat__t', 'outbox__feat__t')",
    )
    assert owners == [(table.names["installer"],)]


def test_rows_of_hundreds_of_megabytes_for_quarantine_stop_no_count(table: Any) -> None:
    """Compressed they are 4 MB, which any writer sends at once; all in one value they would be larger than PostgreSQL allows."""
    apply(table, "installer")
    table.run("writer", "INSERT INTO feat.t VALUES (1, '2026-03-01', -1, 1, 1, 1)")
    for number in range(10):
        table.run(
            "writer",
            f"""INSERT INTO feat.t (id, day, b, v)
                SELECT {number}00 + i, '2026-03-01', -3, repeat('x', 1000000) FROM generate_series(1, 30) AS i""",
        )
    for _ in range(3):
        table.run("operator", "SELECT pgslo.tick()")
    assert table.run("superuser", "SELECT rule FROM pgslo.incident") == [("r_warn",)]
    assert table.run("superuser", "SELECT count(*) FROM pgslo.quarantine") == [(300,)]
    assert table.run("superuser", "SELECT count(*) FROM pgslo_gen.outbox__feat__t") == [(0,)]
    assert table.run("superuser", "SELECT count(*) FROM pgslo_catalog.rule_break") == [(0,)]


def test_a_note_that_cannot_be_taken_over_stays_and_keeps_no_other_waiting(table: Any) -> None:
    apply(table, "installer")
    table.run(
        "writer",
        "INSERT INTO feat.t SELECT i, '2026-03-01', -1, CASE i WHEN 1 THEN -1 END, 99 FROM generate_series(1, 3) i",
    )
    table.run(
        "installer",
        """UPDATE pgslo_gen.outbox__feat__t SET told = '{"key": "k", "values": 5}' WHERE told ->> 'key' = '(id, day) = (2, 2026-03-01)'""",
    )
    for _ in range(2):
        table.run("operator", "SELECT pgslo.tick()")
    assert table.run("superuser", "SELECT row_key FROM pgslo.quarantine") == [
        ("(id, day) = (1, 2026-03-01)",)
    ]
    assert table.run("superuser", "SELECT row_key FROM pgslo.repair ORDER BY 1") == [
        ("(id, day) = (1, 2026-03-01)",),
        ("(id, day) = (3, 2026-03-01)",),
    ]
    assert table.run("superuser", "SELECT rule FROM pgslo.incident") == [("r_warn",)]
    left = table.run("superuser", "SELECT called, told ->> 'key' FROM pgslo_gen.outbox__feat__t")
    assert left == [("failed repairs", "k")]
    # The operator and readers are told.
    assert "cannot determine the batch of rows in feat.t" in messages(table, "SELECT * FROM guarded.t")


@pytest.mark.parametrize("by", ["operator", "installer", "superuser"])
def test_readers_are_told_no_figure_whoever_evaluates(table: Any, by: str) -> None:
    apply(table, "installer")
    for number, value in enumerate((123456, 10)):
        table.run(
            "writer",
            f"""INSERT INTO feat.t
                SELECT {number}000 + i, date '2026-03-01' + {number}, 1, 1, 1, {value} FROM generate_series(1, 300) AS i""",
        )
    table.run("superuser", "SELECT pgslo.close_batch('feat.t', '2026-03-01')")
    for _ in range(2):
        table.run(by, "SELECT pgslo.tick()")
    told = table.run(
        "reader", "SELECT about, t::text FROM pgslo.told__feat__t AS t WHERE after = '-infinity'"
    )
    assert {about for about, _ in told} == {"", "e"}
    assert not [text for _, text in told if "123,456" in text]
    assert messages(table, "SELECT count(a) FROM guarded.t") == []
    status = table.run("reader", "SELECT _slo_status::text FROM guarded.t_status")[0][0]
    assert "e_mean" in status
    assert "123,456" not in status


def test_readers_are_told_no_value_in_the_message_of_an_error(table: Any) -> None:
    apply(table, "installer")
    table.run("writer", "INSERT INTO feat.t VALUES (1, '2026-03-01', 1, 1, 1, 1)")
    table.run(
        "installer",
        "SELECT pgslo_catalog.record_break('feat.t', NULL, '22P02', 'invalid input syntax for type integer: \"top secret\"')",
    )
    table.run("superuser", "SELECT pgslo.tick()")
    told = str(table.run("reader", "SELECT t::text FROM pgslo.told__feat__t AS t"))
    assert "invalid text representation, SQLSTATE 22P02" in told
    assert "top secret" not in told


@pytest.fixture
def hers(table: Any) -> Any:
    """A table of mallory's besides, with a function of hers in an index."""
    table.run(
        "mallory",
        f"""{SPY};
            GRANT USAGE ON SCHEMA evil TO PUBLIC;
            CREATE TABLE evil.tab (id int PRIMARY KEY, day date, a int);
            CREATE INDEX ON evil.tab (day);
            GRANT INSERT, DELETE, SELECT ON evil.tab TO $writer""",
    )
    table.run("superuser", "GRANT $mallory TO $installer")
    return table


def test_an_owner_of_a_guarded_table_reads_a_distributed_one(hers: Any) -> None:
    """She has no right on the schema of generated functions, where she could have hers run with the rights of their caller."""
    apply(hers, "installer", HERS, RULES.replace("$reader", "$reader, $mallory"))
    assert hers.run("mallory", "SELECT has_schema_privilege('pgslo_gen', 'USAGE')") == [(False,)]
    hers.run("writer", "INSERT INTO feat.t VALUES (1, '2026-03-01', 1, 1, 1, 1)")
    hers.run("operator", "SELECT pgslo.tick()")
    assert hers.run("mallory", "SELECT _slo_status ->> 'state' FROM guarded.t_status") == [("met",)]
    hers.run("superuser", "GRANT USAGE ON SCHEMA pgslo_gen TO $mallory")
    assert len([one for one in operations.find_drift(hers.admin) if one.what == "rights"]) == 1
    hers.run("superuser", "SELECT pgslo_catalog.mend_rights()")
    assert hers.run("mallory", "SELECT has_schema_privilege('pgslo_gen', 'USAGE')") == [(False,)]


@pytest.mark.parametrize("member", [False, True])
def test_no_code_of_hers_runs_as_the_owner_of_pgslo_by_a_right_that_was_given_by_hand(
    hers: Any, member: bool
) -> None:
    apply(hers, "installer", HERS)
    if member:
        hers.run("superuser", "GRANT $mallory TO $trainer")
    by = "trainer" if member else "mallory"
    hers.run("superuser", f"GRANT USAGE ON SCHEMA pgslo_gen TO ${by}")
    functions = hers.run(
        "superuser",
        "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'pgslo_gen'::regnamespace AND proowner = '$mallory'::regrole",
    )
    assert len(functions) >= 2
    for (one,) in functions:
        hers.run(by, f"ALTER FUNCTION {one} SECURITY INVOKER")
    hers.run("mallory", "CREATE INDEX ON evil.tab ((evil.spy(1) + id))")
    hers.run("writer", "INSERT INTO evil.tab SELECT n, '2026-01-01', n FROM generate_series(1, 200) n")
    hers.run("writer", "DELETE FROM evil.tab WHERE id = 1")
    for undo in ("SELECT 1", f"REVOKE USAGE ON SCHEMA pgslo_gen FROM ${by}"):
        hers.run("superuser", undo)
        hers.run("superuser", "SELECT setval('evil.as_other', 1, false)")
        for statement in ("SELECT pgslo.tick()", "SELECT pgslo.close_batch('evil.tab')"):
            with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
                hers.run("operator", statement)
        assert hers.run("superuser", "SELECT is_called FROM evil.as_other") == [(False,)]
    said = str(hers.run("superuser", "SELECT error_message FROM pgslo_catalog.rule_break"))
    assert "USAGE on schema pgslo_gen" in said or "it would run with the rights of its caller" in said


def test_readers_hear_when_nobody_writes_warnings_any_more(table: Any) -> None:
    apply(table, "superuser")
    table.run("writer", "INSERT INTO feat.t VALUES (1, '2026-03-01', 1, 1, 1, 1)")
    table.run("operator", "SELECT pgslo.tick()")
    query, status = "SELECT count(a) FROM guarded.t", "SELECT _slo_status ->> 'state' FROM guarded.t_status"
    assert messages(table, query) == []
    assert table.run("reader", status) == [("met",)]
    # Each tick writes them again once they are ten minutes old.
    before = table.run("superuser", "SELECT max(after) FROM pgslo.told__feat__t")
    table.run("operator", "SELECT pgslo.tick()")
    assert table.run("superuser", "SELECT max(after) FROM pgslo.told__feat__t") == before
    later = "UPDATE pgslo.told__feat__t SET after = after - interval '{} minutes' WHERE after > '-infinity'"
    table.run("superuser", later.format(11))
    table.run("operator", "SELECT pgslo.tick()")
    assert table.run("superuser", "SELECT max(after) FROM pgslo.told__feat__t") > before
    table.run("superuser", later.format(61))
    assert messages(table, query) == ["cannot determine the state of feat.t"]
    assert table.run("reader", status) == [("unknown",)]
    with pytest.raises(psycopg.Error, match=r"read refused: cannot determine the state of feat\.t"):
        table.run("reader", "SELECT count(a) FROM guarded.t_strict")
    table.run("operator", "SELECT pgslo.tick()")
    assert messages(table, query) == []


def test_a_guarded_view_of_a_distributed_table_gives_no_right_to_figures(table: Any) -> None:
    """Citus reads shards with the rights of the reader, who cannot read column e through the view either."""
    apply(table, "installer")
    seen = "SELECT pgslo_catalog.may_see_figures('feat.t'::regclass, ARRAY['{}'], NULL, '$reader')"
    assert table.run("superuser", seen.format("a")) == [(True,)]
    assert table.run("superuser", seen.format("e")) == [(False,)]
