"""``pgslo watch`` notifies people once, whatever fails in between."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import re
import shutil
import signal
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from pgslo import embedded
from pgslo.cli import main
from pgslo.database import runtime

pytestmark = pytest.mark.slow

TABLE = "CREATE SCHEMA features; CREATE TABLE features.stats (id int, day date, age int, country text)"
DEFINITION = """
table: features.stats
key: [id]
owner: growth
writes: bulk
batch: {by: day}
columns:
  age: [range: {min: 0, max: 120}]
  country: [accepted_values: [us, de]]
tasks:
  churn: {contact: "#churn", reads: [age]}
  spend: {contact: "#spend", reads: [country]}
"""
BAD_AGE = "INSERT INTO features.stats VALUES (1, '2026-11-{}', 999, 'us')"
GOOD = "INSERT INTO features.stats VALUES (1, '2026-11-{}', 9, 'us')"


@dataclass
class Hook:
    """A web server that takes messages."""

    port: int = 0
    got: list[dict[str, Any]] = field(default_factory=list)
    answer: int = 200
    #: While set, it has a message and does not answer.
    holds: threading.Event = field(default_factory=threading.Event)
    has_one: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str = "") -> str:
        return f"json://127.0.0.1:{self.port}/{path}"

    def titles(self) -> list[str]:
        return [message["title"] for message in self.got]

    def wait_for(self, number: int) -> None:
        until(lambda: len(self.got) >= number)


def until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            hook.got.append(message | {"path": self.path})
            hook.has_one.set()
            while hook.holds.is_set():
                time.sleep(0.05)
            with contextlib.suppress(OSError):
                self.send_response(hook.answer)
                self.end_headers()

        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_):
            pass

    with Server(("127.0.0.1", 0), Handler) as server:
        hook.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield hook
        hook.holds.clear()
        server.shutdown()
        thread.join()


@pytest.fixture
def guarded(apply, connection, dsn, tmp_path, monkeypatch):
    connection.execute(TABLE)
    apply(DEFINITION)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", dsn)
    return connection


def configure(hook: Hook, **routes: str) -> None:
    text = "".join(f'[notify.{name}]\nto = "{hook.url(name)}"\n{rest}\n' for name, rest in routes.items())
    Path("pgslo.toml").write_text(text, encoding="utf-8")


def once(*args: str) -> Any:
    return CliRunner().invoke(main, ["watch", "--once", *args])


@contextlib.contextmanager
def watching(*args: str, dsn: str | None = None) -> Iterator[subprocess.Popen[str]]:
    """The command in a process of its own, watching by the time the block begins."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pgslo", "watch", "--every", "1", *args],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **({"PGSLO_DSN": dsn} if dsn else {})},
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline() == "watching\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_only_tasks_that_read_the_column_are_told(guarded, hook):
    configure(hook, churn='task = "churn"', spend='contact = "#spend"', owner='owner = "growth"')
    guarded.execute(BAD_AGE.format(21))
    result = once("--tick")
    assert result.exit_code == 0, result.output
    assert {message["path"] for message in hook.got} == {"/churn", "/owner"}
    (message,) = [one for one in hook.got if one["path"] == "/churn"]
    assert message["title"] == "features.stats: age: 1 rule missed, batch 2026-11-21"
    assert "Read by churn (#churn)." in message["message"]
    assert "999" not in message["message"]
    assert message["type"] == "failure"
    assert once().exit_code == 0
    assert len(hook.got) == 2, "nobody is told twice"
    guarded.execute(GOOD.format(22))
    once()
    assert len(hook.got) == 4
    assert hook.got[-1]["type"] == "failure"
    assert hook.got[-1]["title"].startswith(
        "over, 1 missed batch with 1 row is still stored: features.stats: age"
    )
    guarded.execute("DELETE FROM features.stats WHERE day = '2026-11-21'")
    guarded.execute("SELECT pgslo.tick()")
    once()
    assert len(hook.got) == 6
    assert hook.got[-1]["type"] == "success"
    assert hook.got[-1]["title"].startswith("resolved: features.stats: age")


def test_what_happened_while_it_was_down_is_told(guarded, hook):
    configure(hook, all="")
    once()
    guarded.execute(BAD_AGE.format(21))
    guarded.execute(GOOD.format(22))
    guarded.execute(BAD_AGE.format(23))
    once()
    assert [title.split(":")[0] for title in hook.titles()] == [
        "missed meanwhile, and over, 1 missed batch with 1 row is still stored",
        "features.stats",
    ]


def test_a_receiver_that_fails_is_tried_again_and_holds_up_nobody_else(guarded, hook):
    configure(hook, all="")
    config = Path("pgslo.toml").read_text(encoding="utf-8")
    Path("pgslo.toml").write_text(config + '[notify.gone]\nto = "json://127.0.0.1:9"\n', encoding="utf-8")
    guarded.execute(BAD_AGE.format(21))
    result = once()
    assert result.exit_code == 1
    assert "gone: not sent: features.stats: age" in result.output
    assert len(hook.got) == 1
    hook.answer = 500
    guarded.execute(GOOD.format(22))
    once()
    assert len(hook.got) == 2, "the resolution was tried"
    hook.answer = 200
    guarded.execute("UPDATE pgslo_catalog.delivery SET next_attempt_at = clock_timestamp()")
    once()
    assert len(hook.got) == 3
    assert "This may be a repetition" in hook.got[-1]["message"]
    keys = {re.search(r"Message (\S+)$", one["message"])[1] for one in hook.got[1:]}
    assert len(keys) == 1, "a receiver can tell a repetition by its key"
    pending = guarded.execute(
        "SELECT recipient, event FROM pgslo.delivery WHERE sent_at IS NULL ORDER BY delivery_id"
    ).fetchall()
    assert pending == [("gone", "opened"), ("gone", "over")], "in order, until it comes back"


def test_it_hears_of_a_change_at_once_and_ends_in_peace(guarded, hook):
    configure(hook, all="")
    with watching("--every", "60") as process:
        guarded.execute(BAD_AGE.format(21))
        guarded.execute("SELECT pgslo.tick()")
        hook.wait_for(1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


def test_it_ticks(guarded, hook):
    configure(hook, all="")
    with watching("--tick"):
        guarded.execute(BAD_AGE.format(21))
        hook.wait_for(1)
        guarded.execute("SELECT pgslo.mute(1, NULL)")
    assert guarded.execute("SELECT count(*) FROM pgslo_catalog.unannounced").fetchone() == (0,)


def test_killed_in_the_middle_of_sending_it_sends_again_and_says_so(guarded, hook):
    configure(hook, all="")
    guarded.execute(BAD_AGE.format(21))
    hook.holds.set()
    with watching() as process:
        assert hook.has_one.wait(30)
        process.kill()
        process.wait()
    hook.holds.clear()
    guarded.execute("UPDATE pgslo_catalog.delivery SET next_attempt_at = clock_timestamp()")
    until(lambda: once().exit_code == 0 and len(hook.got) == 2)
    assert "This may be a repetition" in hook.got[1]["message"]
    for _ in range(3):
        once()
    assert len(hook.got) == 2


def test_killed_between_messages_it_sends_none_twice(guarded, hook):
    configure(hook, all="")
    with watching() as process:
        guarded.execute(BAD_AGE.format(21))
        hook.wait_for(1)
        until(lambda: guarded.execute("SELECT sent_at FROM pgslo.delivery").fetchone() != (None,))
        process.kill()
        process.wait()
    with watching():
        guarded.execute(GOOD.format(22))
        hook.wait_for(2)
    assert [title.split(":")[0] for title in hook.titles()] == [
        "features.stats",
        "over, 1 missed batch with 1 row is still stored",
    ]


def test_two_watches_tell_once(guarded, hook):
    configure(hook, all="")
    with watching(), watching():
        for day in range(10, 20, 2):
            guarded.execute(BAD_AGE.format(day))
            hook.wait_for(day - 9)
            guarded.execute(GOOD.format(day + 1))
            hook.wait_for(day - 8)
    assert len(hook.got) == 10


def test_a_connection_that_breaks_is_made_anew(guarded, hook):
    configure(hook, all="")
    with watching() as process:
        guarded.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgslo' AND datname = current_database()"
        )
        guarded.execute(BAD_AGE.format(21))
        hook.wait_for(1)
        process.terminate()
        said = process.communicate(timeout=20)[1]
    assert "trying again in 1 s" in said
    assert "connected again" in said


def test_the_server_is_killed_and_comes_back(hook, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    configure(hook, all="")
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)  # as root, the server is another account's
    server = embedded.start(folder / "server")
    try:
        with psycopg.connect(server.dsn(), autocommit=True) as conn:
            runtime.install(conn)
            conn.execute(TABLE)
        Path("slos").mkdir()
        Path("slos/stats.yml").write_text(DEFINITION, encoding="utf-8")
        applied = CliRunner().invoke(main, ["apply", "--yes", "--dsn", server.dsn()])
        assert applied.exit_code == 0, applied.output
        with watching(dsn=server.dsn()) as process:
            with psycopg.connect(server.dsn(), autocommit=True) as conn:
                conn.execute(BAD_AGE.format(21))
                hook.wait_for(1)
                # Killed before it is noted, it would be sent again, as it should.
                while conn.execute("SELECT FROM pgslo.delivery WHERE sent_at IS NULL").rowcount:
                    time.sleep(0.05)
            os.kill(server.pid, signal.SIGKILL)
            time.sleep(2)
            server = embedded.start(folder / "server")
            with psycopg.connect(server.dsn(), autocommit=True) as conn:
                conn.execute(GOOD.format(22))
            hook.wait_for(2)
            process.terminate()
            process.wait()
        assert [title.split(":")[0] for title in hook.titles()] == [
            "features.stats",
            "over, 1 missed batch with 1 row is still stored",
        ]
    finally:
        server.stop()
        shutil.rmtree(folder)


def test_mail(guarded, monkeypatch):
    """apprise speaks SMTP to a sink that understands just enough of it."""
    mails: list[str] = []

    class Sink(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(b"220 sink\r\n")
            while line := self.rfile.readline():
                word = line[:4].upper()
                if word == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    text = b""
                    while (line := self.rfile.readline()) not in (b".\r\n", b""):
                        text += line
                    mails.append(text.decode())
                self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 fine\r\n")
                if word == b"QUIT":
                    return

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Sink) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        port = server.server_address[1]
        monkeypatch.setenv(
            "MAIL_URL",
            f"mailto://127.0.0.1:{port}?from=pgslo@example.com&to=oncall@example.com&mode=insecure",
        )
        Path("pgslo.toml").write_text('[notify.mail]\nto = "env:MAIL_URL"\n', encoding="utf-8")
        guarded.execute(BAD_AGE.format(21))
        result = once()
        server.shutdown()
        thread.join()
    assert result.exit_code == 0, result.output
    (mail,) = mails
    assert "oncall@example.com" in mail


def test_nobody_to_tell_and_no_right_to(guarded, hook, role, dsn):
    nobody = CliRunner().invoke(main, ["watch"])
    assert nobody.exit_code == 1
    assert nobody.stderr.startswith("error: no route receives notifications\n")
    configure(hook, all="")
    name = role("reader")
    guarded.execute(f"ALTER ROLE {name} LOGIN PASSWORD 'secret'")
    reader = psycopg.conninfo.make_conninfo(dsn, user=name, password="secret")
    refused = once("--dsn", reader)
    assert refused.exit_code == 1
    assert "may not deliver messages" in refused.stderr
    guarded.execute(
        f"""GRANT SELECT ON pgslo.delivery TO {name};
        GRANT EXECUTE ON FUNCTION pgslo.subscribe(text), pgslo.watch_deliveries(), pgslo.queue_delivery(text, text, bigint, text, bigint[], text, text),
            pgslo.begin_delivery(bigint), pgslo.end_delivery(bigint, text) TO {name}"""
    )
    guarded.execute(BAD_AGE.format(21))
    assert once("--dsn", reader).exit_code == 0
    assert len(hook.got) == 1


def test_a_tick_that_left_batches_is_followed_by_the_next_at_once(guarded):
    guarded.execute(
        "INSERT INTO features.stats SELECT d, date '2026-01-01' + d, 9, 'us' FROM generate_series(1, 9) d"
    )
    while guarded.execute("SELECT pgslo.tick()").fetchone() == (True,):
        pass
    guarded.execute(
        "INSERT INTO features.stats SELECT d, date '2026-02-01' + d, 9, 'us' FROM generate_series(1, 9) d"
    )
    # Time for a single batch.
    guarded.execute(
        """CREATE OR REPLACE FUNCTION pgslo_catalog.follow_until(at_once text) RETURNS timestamptz LANGUAGE sql VOLATILE
           SET search_path = pg_catalog, pg_temp AS $$SELECT clock_timestamp()$$"""
    )
    closed = "SELECT count(*) FROM pgslo_catalog.batch WHERE closed_at IS NOT NULL"
    assert guarded.execute(closed).fetchone() == (8,)
    with watching("--tick", "--every", "3600"):
        until(lambda: guarded.execute(closed).fetchone() == (17,))
