"""A lock that every role can take does not block installers, and commands without effect report that."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from pgslo import definition, naming
from pgslo.cli import main
from pgslo.cli.operating import tick
from pgslo.database import installation, installers, planning
from pgslo.errors import DatabaseError

TABLE = "CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int); GRANT ALL ON features.ex TO $writer"
EX = """
table: features.ex
key: [id]
writes: bulk
batch: {by: day}
row_count: {min: 1}
"""
HOLD = f"SELECT pg_advisory_lock({naming.INSTALL_LOCK})"


def apply(session: Any) -> None:
    loaded = [definition.load(EX, path="slos/ex.yml")]

    def plan() -> Any:
        return planning.plan_definitions(session, loaded)

    installation.apply(session, plan(), plan)


def invoke(world: Any, dsn: str, *arguments: str) -> Any:
    """Run a command as the operator."""
    options = f"-c role={world.names['operator']}"
    return CliRunner().invoke(
        main,
        [
            "--dsn",
            psycopg.conninfo.make_conninfo(dsn, dbname=world.admin.info.dbname, options=options),
            *arguments,
        ],
    )


def test_a_stranger_who_holds_the_key_of_the_first_installation_stops_no_later_one(world: Any) -> None:
    world.run("installer", TABLE)
    world.session("mallory").execute(HOLD)
    began = time.monotonic()
    apply(world.session("installer"))
    assert time.monotonic() - began < 20
    assert world.run("installer", "SELECT name FROM pgslo_catalog.definition") == [("features.ex",)]


def test_the_first_installation_is_delayed_for_a_short_time_and_names_the_holder(
    empty_connection: Any, empty_dsn: str, role: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installers, "FIRST_PATIENCE", 0.3)
    empty_connection.execute(
        "CREATE SCHEMA features; CREATE TABLE features.ex (id int PRIMARY KEY, day date)"
    )
    mallory = role("mallory")
    with psycopg.connect(empty_dsn, autocommit=True) as holder:
        holder.execute(HOLD)
        with pytest.raises(DatabaseError, match=r"another installer was at work for 0\.3 seconds") as refused:
            apply(empty_connection)
        assert f"process {holder.info.backend_pid}" in (refused.value.detail or "")
    del mallory
    apply(empty_connection)
    # It is nobody's turn any more, and no key is held.
    assert empty_connection.execute("SELECT process_id FROM pgslo_catalog.session_lock").fetchall() == [
        (None,)
    ]
    assert empty_connection.execute(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    ).fetchone() == (0,)


def test_one_installer_at_a_time(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installers, "PATIENCE", 0.3)
    first, second = world.session("installer"), world.session("installer")
    with installers.installing(first):
        with (
            pytest.raises(DatabaseError, match="another installer was at work") as refused,
            installers.installing(second),
        ):
            pass
        assert f"process {first.info.backend_pid}" in (refused.value.detail or "")
    with installers.installing(second):
        pass
    # One that ended in the middle holds nothing.
    dying = world.session("installer")
    with installers.installing(dying):
        dying.close()
        time.sleep(0.2)
        with installers.installing(second):
            pass


def test_no_other_role_takes_the_turn(world: Any) -> None:
    for part in ("mallory", "writer", "reader", "steward", "operator", "trainer", "auditor"):
        for call in ("hold_for_session('install')", "free_for_session('install')"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                world.run(part, f"SELECT pgslo_catalog.{call}")


@pytest.mark.parametrize("command", [("tick",), ("watch", "--once", "--tick")])
def test_a_command_that_finds_another_at_work_ends_with_1(
    world: Any, empty_dsn: str, command: tuple[str, ...]
) -> None:
    world.run("installer", TABLE)
    apply(world.session("installer"))
    busy = world.session("operator")
    busy.execute("BEGIN")
    busy.execute("SELECT pgslo.tick()")
    result = invoke(world, empty_dsn, *command)
    assert result.exit_code == 1, result.output
    assert "another session is running pgslo.tick()" in result.stderr
    assert f"process {busy.info.backend_pid}" in result.stderr
    busy.execute("ROLLBACK")
    result = invoke(world, empty_dsn, *command)
    assert result.exit_code == 0, result.output


@pytest.mark.slow
def test_a_tick_that_runs_out_of_time_leaves_the_rest_to_the_next(
    world: Any, empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of more than 50 batches, after a second a table; here, after none. The command goes on until nothing is due."""
    world.run("installer", TABLE)
    apply(world.session("installer"))
    world.run(
        "writer", "INSERT INTO features.ex SELECT n, date '2026-01-01' + n, 1 FROM generate_series(1, 9) n"
    )
    left = "SELECT pgslo_catalog.follow_until(NULL) - clock_timestamp() BETWEEN interval '0' AND interval '1 second'"
    assert world.run("installer", left) == [(True,)]
    while world.run("operator", "SELECT pgslo.tick()") == [(True,)]:
        pass
    world.run(
        "writer", "INSERT INTO features.ex SELECT n, date '2026-02-01' + n, 1 FROM generate_series(11, 70) n"
    )
    world.run(
        "installer",
        """CREATE OR REPLACE FUNCTION pgslo_catalog.follow_until(at_once text) RETURNS timestamptz LANGUAGE sql VOLATILE
           SET search_path = pg_catalog, pg_temp AS $$SELECT clock_timestamp()$$""",
    )
    closed = "SELECT count(*) FROM pgslo_catalog.batch WHERE closed_at IS NOT NULL"
    assert world.run("installer", closed) == [(8,)]
    assert world.run("operator", "SELECT pgslo.tick()") == [(True,)]
    assert world.run("installer", closed) == [(9,)]
    monkeypatch.setattr(tick, "TURN", 0)
    result = invoke(world, empty_dsn, "tick")
    assert result.exit_code == 0
    assert "more batches are due; the next pgslo tick goes on with them" in result.stderr
    assert world.run("installer", closed) == [(10,)]
    monkeypatch.undo()
    result = invoke(world, empty_dsn, "tick")
    assert result.exit_code == 0
    assert "more batches are due" not in result.stderr
    assert world.run("installer", closed) == [(68,)]
    assert world.run("operator", "SELECT pgslo.tick()") == [(False,)]


@pytest.mark.slow
def test_a_reader_who_leaves_a_transaction_open_does_not_stop_writers_during_an_upgrade(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The upgrade gives way again and again, and says in the end who was in its way."""
    monkeypatch.setattr(installation, "LOCK_PATIENCE", 3.0)
    world.run("installer", TABLE)
    apply(world.session("installer"))
    world.run("installer", "UPDATE pgslo_catalog.runtime SET sha256 = 'older'")
    reader = world.session("mallory")
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM pgslo.snapshot")
    writer, operator = (world.session(part, statement_timeout="1s") for part in ("writer", "operator"))
    installer = world.session("installer")
    with ThreadPoolExecutor(1) as pool:
        upgrade = pool.submit(installation.migrate, installer)
        written = 0
        while not upgrade.done():
            writer.execute("INSERT INTO features.ex VALUES (%s, '2026-01-01', 1)", (written,))
            operator.execute("SELECT pgslo.tick()")
            written += 1
        with pytest.raises(DatabaseError, match="no moment came in 3 seconds") as refused:
            upgrade.result()
    assert f"process {reader.info.backend_pid}" in (refused.value.detail or "")
    assert written > 3
    reader.execute("ROLLBACK")
    assert installation.migrate(installer)
    assert not installation.migrate(installer)
