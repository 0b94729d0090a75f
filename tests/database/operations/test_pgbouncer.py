"""Writers and readers behind PgBouncer, the real program, in transaction mode: many clients on few server sessions."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
import subprocess
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from pgslo import definition
from pgslo.cli import main, root
from pgslo.database import installation, planning
from pgslo.embedded.account import server_account

Connection = psycopg.Connection[Any]

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
#: Server sessions, far fewer than clients.
POOL = 4
CLIENTS = 24
TRANSACTIONS = 15
DEFINITION = """
table: features.{name}
owner: sam
writes: {writes}
batch: {{by: day}}
columns:
  a: [range: {{min: 0, max: 100, on_breach: warn, name: r_a}}]
  b: [range: {{min: 0, on_breach: quarantine, name: r_b}}]
  c: [range: {{min: 0, on_breach: reject, name: r_c}}]
"""
#: What other clients leave in a session that they share with us.
HOSTILE = (
    "SET client_min_messages = 'error'",
    "SET search_path = ''",
    "SET search_path = pg_temp, features",
    "SET pgslo.on_read = 'silent'",
    "SET session_replication_role = 'origin'",
    "SET datestyle = 'German'",
    "SET extra_float_digits = 0",
    "SET enable_seqscan = off",
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="pgbouncer is not installed"),
]


@dataclass(frozen=True)
class Pooled:
    """A pooler in front of the test's database."""

    dsn: str

    def connect(self) -> Connection:
        # Prepared statements by name are the pooler's business from 1.21 on; older ones want none.
        return psycopg.connect(self.dsn, autocommit=True, prepare_threshold=None)


@pytest.fixture
def pooled(dsn: str) -> Iterator[Pooled]:
    given = psycopg.conninfo.conninfo_to_dict(dsn)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    account = server_account()
    with tempfile.TemporaryDirectory(prefix="pgslo-pool-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        target = (
            f"host={given['host']} port={given['port']} user={given['user']} password={given['password']}"
        )
        (folder / "pgbouncer.ini").write_text(
            textwrap.dedent(
                f"""
                [databases]
                * = {target}
                [pgbouncer]
                listen_addr = 127.0.0.1
                listen_port = {port}
                unix_socket_dir =
                auth_type = any
                pool_mode = transaction
                default_pool_size = {POOL}
                max_client_conn = 200
                server_reset_query =
                ignore_startup_parameters = extra_float_digits, options
                """
            ),
            encoding="utf-8",
        )
        assert PROGRAM is not None
        user = ["-u", account.name] if account else []
        with (
            (folder / "log").open("w") as log,
            subprocess.Popen(
                [PROGRAM, *user, str(folder / "pgbouncer.ini")], stdout=log, stderr=log
            ) as process,
        ):
            pool = Pooled(f"host=127.0.0.1 port={port} user=pooled dbname={given['dbname']}")
            try:
                _wait(pool, process, folder / "log")
                yield pool
            finally:
                process.terminate()


def _wait(pool: Pooled, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(200):
        with contextlib.suppress(psycopg.OperationalError), pool.connect() as conn:
            conn.execute("SELECT 1")
            return
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def _run_all(work: Callable[[int], None]) -> None:
    """Do some work as several clients at once; the first error of one is the test's."""
    failed: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as exc:  # noqa: BLE001 - told below
            failed.append(exc)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert failed == []


@pytest.fixture(params=["bulk", "stream"])
def guarded(request: pytest.FixtureRequest, connection: Connection) -> Connection:
    connection.execute(
        "CREATE SCHEMA features; CREATE TABLE features.t (id bigint PRIMARY KEY, day int, a int, b int, c int)"
    )
    loaded = [definition.load(DEFINITION.format(name="t", writes=request.param), path="slos/t.yml")]

    def plan() -> Any:
        return planning.plan_definitions(connection, loaded)

    assert installation.apply(connection, plan(), plan) == ()
    return connection


def test_everything_is_counted_once_whatever_others_left_in_the_session(
    guarded: Connection, pooled: Pooled
) -> None:
    kept = [0] * CLIENTS
    held = [0] * CLIENTS
    wrong = [0] * CLIENTS

    def write(number: int) -> None:
        rng = random.Random(number)
        with pooled.connect() as conn:
            for turn in range(TRANSACTIONS):
                conn.execute(rng.choice(HOSTILE).encode())
                row = number * 1000 + turn
                fate = rng.choice(["good", "warned", "held", "refused", "rolled back"])
                a = 999 if fate == "warned" else 1
                b = -1 if fate == "held" else 1
                c = -1 if fate == "refused" else 1
                with (
                    contextlib.suppress(psycopg.errors.CheckViolation, ZeroDivisionError),
                    conn.transaction(),
                ):
                    conn.execute("INSERT INTO features.t VALUES (%s, 1, %s, %s, %s)", (row, a, b, c))
                    if fate == "rolled back":
                        raise ZeroDivisionError
                kept[number] += fate in ("good", "warned")
                held[number] += fate == "held"
                wrong[number] += fate == "warned"

    _run_all(write)
    guarded.execute("SELECT pgslo.tick()")
    guarded.execute("SELECT pgslo.close_batch(definition, batch) FROM pgslo.batch WHERE closed_at IS NULL")
    assert guarded.execute("SELECT count(*) FROM features.t").fetchone() == (sum(kept),)
    assert guarded.execute("SELECT count(*) FROM pgslo.quarantine").fetchone() == (sum(held),)
    ((rows, failures, writes),) = guarded.execute(
        "SELECT b.rows, (b.failures ->> 'r_a')::int, d.writes FROM pgslo_catalog.batch b JOIN pgslo_catalog.definition d USING (definition_id)"
    ).fetchall()
    # A streamed table is counted from its rows, and failing ones are judged from those.
    assert (rows, failures) == (sum(kept), sum(wrong) if writes == "bulk" else None)
    assert guarded.execute("SELECT rule FROM pgslo.incident WHERE over_at IS NULL").fetchall() == [("r_a",)]
    assert guarded.execute("SELECT rule FROM pgslo.rule WHERE broken IS NOT NULL").fetchall() == []
    sessions = guarded.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name <> 'pgslo' AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    ).fetchone()
    assert sessions is not None
    assert sessions[0] <= POOL
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    assert guarded.execute(locks).fetchone() == (0,)


def test_every_reader_is_warned_once_a_statement_though_others_silenced_the_session(
    guarded: Connection, pooled: Pooled
) -> None:
    guarded.execute("INSERT INTO features.t VALUES (1, 1, 999, 1, 1)")

    def read(number: int) -> None:
        rng = random.Random(number)
        notices: list[str | None] = []
        with pooled.connect() as conn:
            conn.add_notice_handler(lambda said: notices.append(said.constraint_name))
            for turn in range(TRANSACTIONS):
                conn.execute(rng.choice(HOSTILE).encode())
                assert conn.execute("SELECT a FROM guarded.t").fetchall() == [(999,)]
                assert notices == ["r_a"] * (turn + 1)

    _run_all(read)


def test_what_needs_a_session_refuses_a_pooler_and_leaves_nothing_in_it(
    guarded: Connection, pooled: Pooled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", pooled.dsn)
    Path("slos").mkdir()
    text = DEFINITION.format(name="t", writes="bulk").replace("max: 100", "max: 101")
    Path("slos/t.yml").write_text(text, encoding="utf-8")
    Path("pgslo.toml").write_text('[notify.x]\nto = "json://127.0.0.1:1"\n', encoding="utf-8")
    before = guarded.execute("SELECT fingerprint FROM pgslo_catalog.definition").fetchall()
    for command in (
        ("apply", "--yes"),
        ("apply", "--dry-run"),
        ("uninstall", "--all", "--yes"),
        ("watch", "--once"),
    ):
        said = CliRunner().invoke(main, command)
        assert said.exit_code == root.ERROR, command
        assert "this connection goes through a pooler" in said.stderr, command
        assert "connect to the server itself" in said.stderr, command
    # What only looks, or is one statement, goes through it.
    assert CliRunner().invoke(main, ["plan"]).exit_code == root.CHANGES
    for command in (("status",), ("drift",), ("pause", "--all"), ("resume", "--all"), ("tick",)):
        said = CliRunner().invoke(main, command)
        assert said.exit_code in (0, root.CHANGES), (command, said.output)
    assert guarded.execute("SELECT fingerprint FROM pgslo_catalog.definition").fetchall() == before
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    assert guarded.execute(locks).fetchone() == (0,)
