"""No output of pgslo holds a character that a terminal obeys, whichever role wrote the text: writers, owners of tables, operators."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
import warnings
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

import pgslo.client
from pgslo.cli import main

pytestmark = pytest.mark.slow

#: Colours, a title of the window, 8-bit CSI, an override of the writing direction, no width, new lines that look like ours.
EVIL = "\x1b[2J\x1b]0;x\x07\x9b31m\x7f\u202eabc\u2066\u061c\u200b\ufeff\r\nerror: forged\n<script>alert(1)</script>\u2028&'\""
HOSTILE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
#: As an argument: of more than one line it would be its own fault.
TYPED = EVIL.replace("\n", " ")
COLUMN = "e\x1b[31m\u202e<q>"
ROLE = "r\x1b[32m\u202e<i>"
DEFINITION = """
table: features.ex
key: [id]
writes: bulk
batch: {by: day}
columns:
  a:
    - range: {min: 0, max: 100, on_breach: flag, name: a_range, description: "<script>alert(1)</script>"}
    - range: {min: 0, max: 1000, on_breach: quarantine, name: a_limit}
  note: [accepted_values: {values: [x], on_breach: flag, name: note_values}]
tasks: {t1: {contact: "<script>alert(1)</script>", reads: [a, note]}}
readers: [$reader]
"""


@pytest.fixture
def hostile(world, world_dsn, tmp_path, monkeypatch):
    """A table with hostile text in every place that a writer, an owner or an operator fills."""
    quoted = COLUMN.replace('"', '""')
    world.run(
        "installer",
        f'CREATE TABLE features.ex (id int PRIMARY KEY, day text, a int, note text, "{quoted}" text)',
    )
    world.run("installer", "GRANT SELECT, INSERT ON features.ex TO $writer")
    role = ROLE + world.names["writer"]
    world.admin.execute(f'CREATE ROLE "{role}" IN ROLE "{world.names["writer"]}"'.encode())
    world.apply(DEFINITION)
    with world.connect(role) as writer:
        writer.execute("SELECT set_config('application_name', %s, false)", (EVIL.replace("\n", " "),))
        for number in range(3):
            writer.execute(
                "INSERT INTO features.ex SELECT %s + n, %s, CASE n WHEN 0 THEN 500 WHEN 1 THEN 5000 END, %s, %s FROM generate_series(0, 5) n",
                (number * 10, f"{number}{EVIL}", EVIL, EVIL),
            )
    world.run("installer", "SELECT pgslo.tick()")
    world.admin.execute("SELECT pgslo.acknowledge(min(incident_id), %s) FROM pgslo.incident", (EVIL,))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", world_dsn)
    Path("slos").mkdir()
    Path("slos/ex.yml").write_text(world.sql(DEFINITION), encoding="utf-8")
    Path("pgslo.toml").write_text('[notify.all]\nto = "json://127.0.0.1:1/"\n', encoding="utf-8")
    yield world
    world.admin.execute(f'DROP OWNED BY "{role}"; DROP ROLE "{role}"'.encode())


def commands(world) -> list[list[str]]:
    (incident,) = world.run("superuser", "SELECT min(incident_id) FROM pgslo.incident")[0]
    (held,) = world.run("superuser", "SELECT min(quarantine_id) FROM pgslo.quarantine")[0]
    return [
        ["status"],
        ["status", "--json"],
        ["incidents", "list"],
        ["incidents", "list", "--json"],
        ["incidents", "show", str(incident)],
        ["incidents", "show", str(incident), "--json"],
        ["explain", str(incident)],
        ["explain", str(incident), "--json"],
        ["quarantine", "list"],
        ["quarantine", "list", "--json"],
        ["quarantine", "show", str(held)],
        ["quarantine", "show", str(held), "--json"],
        ["quarantine", "release", str(held), "--yes"],
        ["drift"],
        ["drift", "--json"],
        ["plan"],
        ["plan", "--format", "json"],
        ["learn", "features.ex", "--show"],
        ["learn", "features.ex", "--show", "--json"],
        ["gate", "t1"],
        ["gate", "t1", "--json"],
        ["watch", "--once"],
        ["tick"],
        ["metrics"],
        ["report", "-o", "-"],
        ["lint"],
        ["status", TYPED],
        ["explain", TYPED],
        [TYPED],
        ["status", "--dsn", TYPED],
    ]


def test_no_output_holds_a_control_character(hostile):
    shown = 0
    for command in commands(hostile):
        result = CliRunner().invoke(main, command)
        for text in (result.stdout, result.stderr):
            assert not HOSTILE.search(text), (command, HOSTILE.search(text), text)
            forged = [line for line in text.split("\n") if line.startswith(("error: forged", "<script"))]
            assert not forged or command[0] == "report", command
            shown += "\\x1b" in text or "\\u001b" in text
        assert result.exception is None or isinstance(result.exception, SystemExit), command
    assert shown > 10, "hostile text reached the output, as escapes"


@pytest.mark.usefixtures("hostile")
def test_json_keeps_the_value():
    found = json.loads(CliRunner().invoke(main, ["incidents", "list", "--json"]).stdout)
    assert any(EVIL in (one["note"] or "") for one in found["incidents"])


@pytest.mark.usefixtures("hostile")
def test_the_report_holds_no_control_character_and_no_markup_of_others():
    assert CliRunner().invoke(main, ["report"]).exit_code == 0
    page = Path("pgslo-report.html").read_text(encoding="utf-8")
    assert not HOSTILE.search(page)
    assert "\\x1b[2J" in page
    assert "<script" not in page
    assert "<q>" not in page


def test_plan_of_a_table_with_hostile_names(hostile):
    hostile.run("installer", 'CREATE TABLE features.other (id int PRIMARY KEY, day date, "x\x1b[31m" int)')
    text = "table: features.other\nkey: [id]\nwrites: bulk\nbatch: {by: day}\nreaders: [$reader]\n"
    Path("slos/other.yml").write_text(hostile.sql(text), encoding="utf-8")
    for form in ("human", "json"):
        assert "\x1b" not in CliRunner().invoke(main, ["plan", "--format", form]).output
    assert "\x1b[31m" not in on_a_terminal("plan", "--format", "sql")


@pytest.mark.usefixtures("hostile")
def test_suggest_of_a_table_with_hostile_names():
    result = CliRunner().invoke(main, ["suggest", "features.ex"])
    assert "\x1b[31m" not in on_a_terminal("suggest", "features.ex")
    assert not any(HOSTILE.search(line.partition("#")[2]) for line in result.stdout.split("\n"))


@pytest.mark.usefixtures("hostile")
def test_tables_on_a_terminal():
    for command in (
        ["status"],
        ["incidents", "list"],
        ["quarantine", "list"],
        ["incidents", "list", "--json"],
    ):
        seen = re.sub(r"\x1b\[[0-9;]*m", "", on_a_terminal(*command))  # our own colours
        assert not HOSTILE.search(seen.replace("\r\n", "\n")), command
        assert "\x1b]0;" not in seen


def on_a_terminal(*command: str) -> str:
    """What a command writes where a person reads it."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
    child = subprocess.Popen(
        [sys.executable, "-m", "pgslo", *command], stdout=theirs, stderr=theirs, stdin=theirs, env=environment
    )
    os.close(theirs)
    text = b""
    with contextlib.suppress(OSError):  # how Linux reports the other end closed
        while part := os.read(ours, 65536):
            text += part
    os.close(ours)
    child.wait(60)
    return text.decode()


@pytest.mark.parametrize("form", ["human", "json", "github", "sarif", "junit"])
def test_lint_of_a_hostile_file(tmp_path, monkeypatch, form):
    monkeypatch.chdir(tmp_path)
    name = f"a{EVIL.replace('/', '_')[:60]}.yml"
    Path(name).write_text(f'table: features.x\n? "{chr(0x1B)}[2J\u202e"\n: 1\n', encoding="utf-8")
    Path("b.yml").write_text(
        'table: features.x\n"\\e[2J\\u202E\\nerror: forged": 1\ncolumns: {"\\e[31m": [nope]}\n'
    )
    result = CliRunner().invoke(main, ["lint", "--format", form, name, "b.yml"])
    assert result.exit_code == 1
    assert not HOSTILE.search(result.output)
    assert not any(line.startswith(("error: forged", "::error::")) for line in result.output.split("\n"))
    if form == "sarif":
        (run,) = json.loads(result.stdout)["runs"]
        assert not any(HOSTILE.search(one["message"]["text"]) for one in run["results"])


@pytest.mark.usefixtures("hostile")
def test_warnings_of_the_client_are_printable(world_dsn):

    with warnings.catch_warnings(record=True) as seen, psycopg.connect(world_dsn) as conn:
        warnings.simplefilter("always")
        pgslo.client.watch(conn)
        conn.execute("SELECT count(a), count(note) FROM guarded.ex").fetchall()
    assert seen
    for one in seen:
        assert not HOSTILE.search(str(one.message))
        assert all(line.startswith(("DETAIL:  ", "HINT:  ")) for line in str(one.message).split("\n")[1:])
