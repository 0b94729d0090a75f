"""Case 20: no setting or cursor of a session, left by another client or made by another role, silences a warning."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

Connection = psycopg.Connection[Any]

EX = """
table: features.ex
owner: sam
writes: bulk
batch: {by: day}
columns: {a: [range: {min: 0, max: 100, on_breach: warn, name: a_range}]}
readers: [$reader]
tasks:
  quiet: {contact: "#x", reads: [a], view: serving.quiet, on_read: silent}
  loud: {contact: "#x", reads: [a], view: serving.loud, on_read: refuse}
  insisting: {contact: "#x", reads: [a], view: serving.insisting, on_read: insist}
"""


@pytest.fixture
def unhealthy(world):
    """A guarded table with one bad row."""
    world.run("installer", "CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int)")
    world.run("installer", "GRANT INSERT ON features.ex TO $writer")
    world.apply(EX)
    world.run(
        "installer",
        "GRANT USAGE ON SCHEMA serving TO $reader;"
        "GRANT SELECT ON serving.quiet, serving.loud, serving.insisting TO $reader",
    )
    world.run("writer", "INSERT INTO features.ex VALUES (1, '2026-01-01', 999)")
    return world


def warnings(session: Connection, text: str) -> list[str | None]:
    """Constraint names of the warnings that a statement raises."""
    got: list[str | None] = []

    def note(notice: psycopg.errors.Diagnostic) -> None:
        got.append(notice.constraint_name)

    session.add_notice_handler(note)
    try:
        session.execute(text.encode())
    finally:
        session.remove_notice_handler(note)
    return got


@pytest.mark.parametrize(
    "left",
    [
        "SET pgslo.on_read = 'silent'",
        "SET client_min_messages = 'error'",
        "SET plpgsql.extra_warnings = 'none'",
        "SET log_min_messages = 'panic'",
        "SET pgslo.warned_writer = 'x'",
        "SELECT set_config('pgslo.warned_writer', format('%s features.ex', extract(epoch FROM statement_timestamp())), false)",
        "BEGIN; DECLARE pgslo_warned CURSOR WITH HOLD FOR SELECT '1 2 3'; COMMIT",
        "BEGIN; DECLARE pgslo_warned BINARY SCROLL CURSOR WITH HOLD FOR SELECT 1; COMMIT",
    ],
)
def test_what_an_earlier_client_leaves_does_not_silence_the_next(unhealthy, left):
    for part in ("reader", "writer"):
        session = unhealthy.session(part)
        for one in left.split("; "):
            if part == "reader" or "log_min" not in one:
                try:
                    session.execute(one.encode())
                except psycopg.errors.InsufficientPrivilege:
                    continue
        if part == "reader":
            assert warnings(session, "SELECT a FROM guarded.ex") == ["a_range"]
            assert warnings(session, "SELECT count(*) FROM guarded.ex WHERE a > 0") == ["a_range"]
        else:
            assert warnings(session, "INSERT INTO features.ex VALUES (2, '2026-01-01', 999)") == ["a_range"]


def test_silent_has_no_effect_but_where_the_definition_is_silent(unhealthy):
    session = unhealthy.session("reader")
    assert warnings(session, "SELECT a FROM serving.quiet") == []
    session.execute("SET pgslo.on_read = 'warn'")
    assert warnings(session, "SELECT a FROM serving.quiet") == ["a_range"]
    session.execute("SET pgslo.on_read = 'silent'")
    assert warnings(session, "SELECT a FROM serving.quiet") == []
    assert warnings(session, "SELECT a FROM guarded.ex") == ["a_range"]
    for view in ("serving.loud", "guarded.ex_strict"):
        with pytest.raises(psycopg.Error) as refused:
            session.execute(f"SELECT a FROM {view}".encode())
        assert refused.value.sqlstate == "SL001"
    session.execute("SET pgslo.on_read = 'refuse'")
    for view in ("serving.quiet", "guarded.ex"):
        with pytest.raises(psycopg.Error) as refused:
            session.execute(f"SELECT a FROM {view}".encode())
        assert refused.value.sqlstate == "SL001"


@pytest.mark.parametrize("name", ["pgslo_warned", "memory"])
def test_a_cursor_over_a_guarded_view_may_have_any_name(unhealthy, name):
    session = unhealthy.session("reader")
    session.execute("BEGIN")
    session.execute(f"DECLARE {name} CURSOR FOR SELECT a FROM guarded.ex".encode())
    assert warnings(session, f"FETCH ALL FROM {name}") == ["a_range"]
    assert warnings(session, "SELECT a FROM guarded.ex") == ["a_range"]
    session.execute("COMMIT")


def test_a_function_in_the_same_statement_cannot_claim_that_it_was_reported(unhealthy):
    """A view of mallory's over nothing, joined in the reader's query, forges every mark that it can compute."""
    unhealthy.run(
        "mallory",
        """CREATE FUNCTION evil.forge() RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
           DECLARE
               memory refcursor := 'pgslo_warned';
               said text := extract(epoch FROM statement_timestamp());
           BEGIN
               OPEN memory FOR EXECUTE format('SELECT %L', concat_ws(' ', said, md5('features.ex a_range 01SL1')));
               PERFORM set_config('pgslo.warned_writer', format('%s features.ex', said), true);
               RETURN true;
           END$$;
           CREATE VIEW evil.v AS SELECT 1 AS one WHERE evil.forge();
           GRANT USAGE ON SCHEMA evil TO PUBLIC; GRANT SELECT ON evil.v TO PUBLIC""",
    )
    session = unhealthy.session("reader")
    assert warnings(session, "SELECT (SELECT max(a) FROM guarded.ex) FROM evil.v") == ["a_range"]
    session = unhealthy.session("writer")
    assert warnings(session, "INSERT INTO features.ex SELECT 3, '2026-01-01', 999 FROM evil.v") == ["a_range"]


def test_a_statement_still_warns_once(unhealthy):
    session = unhealthy.session("reader")
    session.execute("BEGIN")
    for _ in range(3):
        assert warnings(
            session, "SELECT a, a + 1, (SELECT max(a) FROM guarded.ex) FROM guarded.ex WHERE a > 0"
        ) == ["a_range"]
    assert session.execute("SELECT count(*) FROM pg_cursors").fetchone() == (1,)
    session.execute("COMMIT")


def test_no_other_role_states_for_a_reader_that_warnings_are_shown(unhealthy):
    session = unhealthy.session("reader")
    with pytest.raises(psycopg.Error) as refused:
        session.execute("SELECT a FROM serving.insisting")
    assert refused.value.sqlstate == "SL001"
    assert "pgslo.client.watch" in str(refused.value.diag.message_hint)
    for attempt in (
        "ALTER ROLE $reader SET pgslo.heard = 'on'",
        "ALTER ROLE $reader SET pgslo.on_read = 'warn'",
        "ALTER ROLE $reader SET application_name = 'psql'",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            unhealthy.run("mallory", attempt)
    session.execute("SET pgslo.heard = 'on'")
    assert warnings(session, "SELECT a FROM serving.insisting") == ["a_range"]


def test_insisting_shows_no_detail_to_a_role_that_may_not_know(unhealthy):
    """A view over the guarded one, read by a role without rights to either."""
    unhealthy.run(
        "installer",
        "CREATE VIEW serving.over AS SELECT * FROM serving.insisting; GRANT USAGE ON SCHEMA serving TO $mallory;"
        "GRANT SELECT ON serving.over TO $mallory",
    )
    session = unhealthy.session("mallory")
    with pytest.raises(psycopg.Error) as refused:
        session.execute("SELECT a FROM serving.over")
    diag = refused.value.diag
    assert (diag.sqlstate, diag.message_primary) == (
        "SL001",
        "read refused: data of features.ex is unhealthy",
    )
    assert "pgslo.client.watch" in str(diag.message_hint)
    assert "explain" not in str(diag.message_hint)
    assert (diag.column_name or "", diag.constraint_name or "") == ("", "")
