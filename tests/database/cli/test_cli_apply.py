"""``pgslo plan`` and ``pgslo apply`` on a real database."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg import sql

from pgslo.cli import main, root
from pgslo.database import installation

Run = Callable[..., Result]

TABLE = """
CREATE SCHEMA features;
CREATE TABLE features.user_stats (
    user_id integer, feature_date date, age integer, country text, email text, score double precision,
    PRIMARY KEY (user_id, feature_date)
);
"""
DEFINITION = """\
table: features.user_stats
owner: growth
batch: {by: feature_date}
columns:
  age:
    - range: {min: 0, max: 120, on_breach: quarantine}
  country:
    - not_null: {on_breach: reject}
    - accepted_values: {values: [us, de, fr]}
  email:
    - unique: {on_breach: reject}
  score:
    - repair: {clip: [0, 1]}
tasks:
  churn: {contact: "#churn", reads: [age, country]}
"""


@pytest.fixture
def run(
    dsn: str, connection: psycopg.Connection[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Run:
    """The command line in a project with one definition, on a database with its table."""
    connection.execute(TABLE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", dsn)
    write(DEFINITION)
    return lambda *args, **extra: CliRunner().invoke(main, [str(arg) for arg in args], **extra)


def write(text: str, name: str = "slos/user_stats.yml") -> None:
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text(text, encoding="utf-8")


def snapshot(connection: psycopg.Connection[Any]) -> set[str]:
    """Every row of the catalogues that say what a database is made of, and of pgslo's own but for whose turn it was."""
    tables = (
        *("class", "attribute", "proc", "trigger", "namespace", "constraint", "type", "rewrite", "index"),
        *("description", "depend", "shdepend", "default_acl", "attrdef"),
    )
    rows = set()
    for table in tables:
        query = sql.SQL("SELECT c.xmin::text || c::text FROM {} c").format(
            sql.Identifier("pg_catalog", f"pg_{table}")
        )
        rows |= {f"{table} {row[0]}" for row in connection.execute(query)}
    for (name,) in connection.execute(
        "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = to_regnamespace('pgslo_catalog') AND relkind = 'r' AND relname <> 'session_lock'"
    ).fetchall():
        rows |= {f"{name} {row[0]}" for row in connection.execute(f"SELECT t::text FROM {name} t")}
    return rows


def ours(connection: psycopg.Connection[Any]) -> list[str]:
    """Names and comments of what pgslo generated."""
    query = """
        SELECT concat(tgrelid::regclass, ' ', tgname, ' ', tgenabled, obj_description(oid, 'pg_trigger')) FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT concat(oid::regprocedure, ' ', prosrc, obj_description(oid, 'pg_proc')) FROM pg_proc WHERE pronamespace = 'pgslo_gen'::regnamespace
        UNION ALL SELECT concat(oid::regclass, ' ', obj_description(oid, 'pg_class')) FROM pg_class WHERE relkind IN ('v', 'i') AND relnamespace::regnamespace::text IN ('features', 'guarded')
        UNION ALL SELECT name || fingerprint FROM pgslo_catalog.definition
        UNION ALL SELECT name || promise || mechanism FROM pgslo_catalog.rule
        UNION ALL SELECT concat(attrelid::regclass, attname, attnotnull) FROM pg_attribute WHERE attrelid = to_regclass('features.user_stats')
        ORDER BY 1"""
    return [row[0] for row in connection.execute(query)]


# Plan


def test_plan_changes_nothing_and_tells_it_by_its_exit_code(
    run: Run, connection: psycopg.Connection[Any]
) -> None:
    before = snapshot(connection)
    for form in ("human", "sql", "json"):
        assert run("plan", "--format", form).exit_code == root.CHANGES
    assert snapshot(connection) == before


def test_plan_for_people_tells_locks_hazards_undo_and_why(run: Run) -> None:
    result = run("plan", "--details")
    (state,) = re.findall(r"^Plan ([0-9a-f]{16}): \d+ steps$", result.stdout, re.MULTILINE)
    assert f"pgslo apply --expect {state}\n" in result.stderr
    # With the paths of this plan: without them another one would be made.
    named = run("plan", "slos/user_stats.yml").stderr
    assert f"pgslo apply slos/user_stats.yml --expect {state}\n" in named
    for words in (
        "create trigger pgslo_300_quarantine_row ON features.user_stats",
        "why:    only a BEFORE ROW trigger can change the row",
        "lock:   SHARE ROW EXCLUSIVE on features.user_stats",
        "hazard: waits for running writes",
        "undo:   DROP TRIGGER pgslo_300_quarantine_row ON features.user_stats",
        "lock:   SHARE UPDATE EXCLUSIVE on features.user_stats (later, in a transaction of its own)",
        "create unique index",
    ):
        assert words in result.stdout
    (rule,) = re.findall(r"^age_range .*$", result.stdout, re.MULTILINE)
    assert re.split(r"  +", rule) == [
        "age_range",
        "range",
        "quarantine",
        "row trigger",
        "only a BEFORE ROW trigger can divert a row and let the others pass",
    ]


def test_plan_tells_which_bounds_refuse_a_statement(run: Run) -> None:
    clip = "    - repair: {clip: [0, 1]}\n"
    more = "    - completeness: {min: 0.9, reject_below: 0.5}\n    - accepted_values: {values: [1], at_least: 0.9, reject_below: 0.2}\n"
    write(DEFINITION.replace(clip, clip + more))
    result = run("plan", "--details")
    (completeness,) = re.findall(r"^score_completeness .*$", result.stdout, re.MULTILINE)
    assert re.split(r"  +", completeness)[2:4] == ["warn, reject", "at close"]
    assert completeness.endswith("; what its bound rejects is refused at the end of the statement")
    (values,) = re.findall(r"^score_accepted_values .*$", result.stdout, re.MULTILINE)
    assert re.split(r"  +", values)[2:4] == ["warn, reject", "statement trigger"]
    rules = {rule["rule"]: rule for rule in json.loads(run("plan", "--format", "json").stdout)["rules"]}
    assert (rules["score_completeness"]["reject_below"], rules["score_completeness"]["reject_above"]) == (
        0.5,
        None,
    )
    assert rules["age_range"]["reject_below"] is None


def test_plan_for_programs(run: Run) -> None:
    document = json.loads(run("plan", "--format", "json").stdout)
    assert document.keys() == {
        *("version", "state", "changes", "differences", "runtime_scripts", "steps", "rules", "notes"),
        "without_file",
    }
    assert document["version"] == 1
    assert document["changes"] is True
    assert document["runtime_scripts"] == []
    trigger = next(step for step in document["steps"] if step["object"].startswith("pgslo_300"))
    assert trigger.keys() == {
        *("action", "kind", "object", "definition", "reason", "lock", "hazards", "statements", "undo"),
    }
    assert trigger["action"] == "create"
    assert trigger["lock"] == "SHARE ROW EXCLUSIVE"
    assert trigger["statements"][0].keys() == {"sql", "lock", "on", "in_transaction", "hazards"}
    assert {rule["rule"]: rule["mechanism"] for rule in document["rules"]} == {
        "age_range": "row trigger",
        "country_not_null": "native",
        "country_accepted_values": "statement trigger",
        "email_unique": "native",
        "score_repair": "repair trigger",
    }


def by_hand(dsn: str, script: str) -> None:
    """Run a script as psql does: outside of transactions, statement by statement."""
    head, _, tail = script.partition("\nCOMMIT;\n")
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(head + "\nCOMMIT;")
        for part in re.split(r"\n\n(?=-- )", tail):
            if re.sub(r"^--.*$", "", part, flags=re.MULTILINE).strip():
                conn.execute(part.encode())


@pytest.mark.parametrize("database", ["dsn", "empty_dsn"])
def test_the_script_run_by_hand_does_what_apply_does(
    run: Run, request: pytest.FixtureRequest, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = request.getfixturevalue(database)
    monkeypatch.setenv("PGSLO_DSN", target)
    with psycopg.connect(target, autocommit=True) as conn:
        if database == "empty_dsn":
            conn.execute(TABLE)
        result = run("plan", "--format", "sql")
        assert result.exit_code == root.CHANGES
        by_hand(target, result.stdout)
        found = ours(conn)
        again = run("plan")
        assert again.exit_code == 0, again.output
        assert run("plan", "--format", "sql").stdout.endswith(": nothing to do\n")
        assert run("uninstall", "--all", "--yes").exit_code == 0
        assert run("apply", "--yes").exit_code == 0
        assert ours(conn) == found


@pytest.mark.skipif(not any(Path(p, "psql").exists() for p in os.get_exec_path()), reason="needs psql")
def test_the_script_runs_in_psql(
    run: Run, empty_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSLO_DSN", empty_dsn)
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        conn.execute(TABLE)
    script = tmp_path / "plan.sql"
    script.write_text(run("plan", "--format", "sql").stdout, encoding="utf-8")
    subprocess.run(
        ["psql", empty_dsn, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", script],
        check=True,
        capture_output=True,
    )
    assert run("plan").exit_code == 0


def test_a_definition_without_a_file_is_mentioned_and_stays(
    run: Run, connection: psycopg.Connection[Any]
) -> None:
    connection.execute("CREATE TABLE features.other (id integer PRIMARY KEY)")
    write("table: features.other\ncolumns: {id: [not_null]}\n", "slos/other.yml")
    assert run("apply", "--yes").exit_code == 0
    Path("slos/other.yml").unlink()
    result = run("plan")
    assert result.exit_code == 0
    assert "pgslo uninstall features.other" in result.stderr
    assert json.loads(run("plan", "--format", "json").stdout)["without_file"] == ["features.other"]
    assert "features.other" not in run("plan", "slos/user_stats.yml").output
    assert "pgslo uninstall features.other" in run("apply", "--yes").stderr
    assert connection.execute("SELECT count(*) FROM pgslo.status").fetchone() == (2,)


# Apply


def test_apply_is_idempotent(run: Run, connection: psycopg.Connection[Any]) -> None:
    first = run("apply", "--yes")
    assert first.exit_code == 0, first.output
    assert first.stderr.endswith("done\n")
    before = snapshot(connection)
    for _ in range(2):
        again = run("apply", "--yes")
        assert again.exit_code == 0
        assert again.stdout == "nothing to do: the database matches the definitions\n"
        assert run("plan").exit_code == 0
    assert snapshot(connection) == before


def test_apply_installs_the_runtime(run: Run, empty_dsn: str) -> None:
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        conn.execute(TABLE)
        result = run("apply", "--dsn", empty_dsn, "--yes")
        assert result.exit_code == 0, result.output
        assert "install the runtime" in result.stdout
        assert conn.execute("SELECT definition, rules FROM pgslo.status").fetchall() == [
            ("features.user_stats", 5)
        ]


def test_a_changed_definition_is_brought_up_and_back(run: Run, connection: psycopg.Connection[Any]) -> None:
    run("apply", "--yes")
    before = ours(connection)
    write(DEFINITION.replace("max: 120", "max: 130"))
    assert run("plan").exit_code == root.CHANGES
    assert run("apply", "--yes").exit_code == 0
    assert ours(connection) != before
    write(DEFINITION)
    assert run("apply", "--yes").exit_code == 0
    assert ours(connection) == before


def test_a_reviewed_plan_is_the_one_that_is_applied(run: Run, connection: psycopg.Connection[Any]) -> None:
    state = json.loads(run("plan", "--format", "json").stdout)["state"]
    connection.execute("ALTER TABLE features.user_stats ADD COLUMN more text")
    before = snapshot(connection)
    refused = run("apply", "--yes", "--expect", state)
    assert refused.exit_code == root.ERROR
    assert refused.stdout == ""
    assert refused.stderr.startswith(
        "error: the plan is not the one that was reviewed\ndetail: The state is "
    )
    assert snapshot(connection) == before

    state = json.loads(run("plan", "--format", "json").stdout)["state"]
    assert run("apply", "--yes", "--expect", state).exit_code == 0
    assert run("apply", "--yes", "--expect", state).exit_code == 0, "there is nothing left to do"

    state = json.loads(run("plan", "--format", "json").stdout)["state"]
    write(DEFINITION.replace("max: 120", "max: 130"))
    assert run("apply", "--yes", "--expect", state).exit_code == root.ERROR


@pytest.mark.parametrize("answer", [True, False])
def test_apply_asks(
    run: Run, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch, answer: bool
) -> None:
    monkeypatch.setattr("pgslo.cli.output.can_ask", lambda: True)
    before = snapshot(connection)
    result = run("apply", input="y\n" if answer else "n\n")
    assert "Apply this? [y/N]" in result.stderr
    assert result.exit_code == (0 if answer else root.ERROR)
    assert (snapshot(connection) == before) is not answer
    assert ("nothing was changed" in result.stderr) is not answer


def test_apply_refuses_when_the_database_moved_while_it_asked(
    run: Run, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    after: list[set[str]] = []

    def answer(*_args: object, **_options: object) -> bool:
        connection.execute("ALTER TABLE features.user_stats ADD COLUMN more text")
        after.append(snapshot(connection))
        return True

    monkeypatch.setattr("pgslo.cli.output.can_ask", lambda: True)
    monkeypatch.setattr("click.confirm", answer)
    result = run("apply")
    assert result.exit_code == root.ERROR
    assert "error: the database moved since the plan was made" in result.stderr
    assert [snapshot(connection)] == after


@pytest.mark.slow
def test_two_at_once_both_end_well_and_install_once(run: Run, connection: psycopg.Connection[Any]) -> None:
    command = [sys.executable, "-m", "pgslo", "apply", "--yes"]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)
    ]
    said = [one.communicate(timeout=60) for one in both]
    assert [one.returncode for one in both] == [0, 0, 0], said
    assert run("plan").exit_code == 0
    assert connection.execute("SELECT count(*) FROM pgslo_catalog.definition").fetchone() == (1,)


def test_rows_that_break_a_rule_already_are_told_and_new_ones_are_held_to_it(
    run: Run, connection: psycopg.Connection[Any]
) -> None:
    connection.execute(
        "INSERT INTO features.user_stats VALUES (1, '2026-01-01', 3, NULL, 'a', 1), (2, '2026-01-01', 3, 'de', 'a', 1)"
    )
    result = run("apply", "--yes")
    assert result.exit_code == root.BREACH
    assert "warning: not finished: create NOT NULL of country ON features.user_stats" in result.stderr
    assert "warning: not finished: create unique index" in result.stderr
    assert "is duplicated" in result.stderr
    assert "2 rules are violated by existing rows." in result.stderr
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.execute("INSERT INTO features.user_stats VALUES (3, '2026-01-01', 3, NULL, 'b', 1)")

    again = run("plan")
    assert again.exit_code == root.CHANGES
    assert "finish NOT NULL of country" in again.stdout
    still = run("apply", "--yes")
    assert still.exit_code == root.BREACH, still.output

    connection.execute("UPDATE features.user_stats SET country = 'us', email = 'b' WHERE user_id = 1")
    assert run("apply", "--yes").exit_code == 0
    assert run("plan").exit_code == 0
    with pytest.raises(psycopg.errors.NotNullViolation):
        connection.execute("INSERT INTO features.user_stats VALUES (3, '2026-01-01', 3, NULL, 'c', 1)")


def test_ctrl_c_while_waiting_changes_nothing(run: Run, connection: psycopg.Connection[Any]) -> None:
    del run  # asked for only for its project
    before = snapshot(connection)
    connection.execute("SELECT pgslo_catalog.hold_for_session('install')")
    process = subprocess.Popen(
        [sys.executable, "-m", "pgslo", "apply", "--yes"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "another installer is at work; waiting for it to end\n"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == root.INTERRUPTED
    assert said.lstrip() == "interrupted\n"
    connection.execute("SELECT pgslo_catalog.free_for_session('install')")
    assert snapshot(connection) == before


def test_ctrl_c_in_the_middle_changes_nothing(
    run: Run, connection: psycopg.Connection[Any], dsn: str
) -> None:
    del run
    before = snapshot(connection)
    with psycopg.connect(dsn) as other:
        other.execute("LOCK TABLE features.user_stats IN ACCESS SHARE MODE")
        process = subprocess.Popen(
            [sys.executable, "-m", "pgslo", "apply", "--yes"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        while "NOT NULL of" not in process.stderr.readline():
            pass  # that step wants ACCESS EXCLUSIVE, in the one transaction
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == root.INTERRUPTED
    assert said.endswith("interrupted\n")
    assert "Traceback" not in said
    assert snapshot(connection) == before


@pytest.mark.slow
def test_a_busy_table_is_waited_for_without_holding_others_up(
    run: Run, connection: psycopg.Connection[Any], dsn: str
) -> None:
    del connection
    with psycopg.connect(dsn) as other:
        other.execute("LOCK TABLE features.user_stats IN ACCESS SHARE MODE")
        process = subprocess.Popen(
            [sys.executable, "-m", "pgslo", "apply", "--yes"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        time.sleep(2.5)  # longer than it waits for a lock
        other.commit()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert run("plan").exit_code == 0


def test_a_table_that_is_never_free_is_given_up_with_the_name_of_who_holds_it(
    run: Run, connection: psycopg.Connection[Any], dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "LOCK_PATIENCE", 2.5)
    before = snapshot(connection)
    with psycopg.connect(dsn, application_name="nightly report") as other:
        other.execute("LOCK TABLE features.user_stats IN ACCESS SHARE MODE")
        result = run("apply", "--yes")
        holder = other.info.backend_pid
    assert result.exit_code == 1
    assert (
        result.stderr.count("another session holds features.user_stats; trying again for 2.5 seconds at most")
        == 1
    )
    assert result.stderr.count("create NOT NULL of country") == 1
    assert "no moment came in 2.5 seconds in which features.user_stats could be locked" in result.stderr
    assert re.search(
        rf"detail: +Transactions hold locks there: process {holder} \(nightly report\), for \d\.\d s\.",
        result.stderr,
    )
    assert "hint: try again when they have ended" in result.stderr
    assert snapshot(connection) == before
    assert run("apply", "--yes").exit_code == 0


def on_terminal(args: list[str], answer: str, **env: str) -> tuple[int, str]:
    """Run the command line on a terminal of its own; return its output and exit code."""
    ours_, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "pgslo", *args],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "120"} | env,
        close_fds=True,
    )
    os.close(theirs)
    os.write(ours_, answer.encode())
    said = b""
    while True:
        try:
            part = os.read(ours_, 65536)
        except OSError:
            break  # the terminal's other side was closed
        if not part:
            break
        said += part
    os.close(ours_)
    return process.wait(timeout=30), said.decode()


@pytest.mark.slow
def test_on_a_terminal_it_asks_and_draws(run: Run) -> None:
    code, said = on_terminal(["apply"], "y\n")
    assert code == 0, said
    assert "Apply this? [y/N]" in said
    assert "\x1b[32mdone" in said
    code, said = on_terminal(["status"], "")
    assert code == 0
    assert "features.user_stats" in said
    assert "───" in said
    for args in (["plan", "--help"], ["explain", "99"], ["aply"]):
        _, said = on_terminal(args, "", NO_COLOR="1")
        assert said
        assert "\x1b[" not in said
    _, said = on_terminal(["explain", "99"], "")
    assert "\x1b[31m\x1b[1merror:\x1b[0m incident 99 does not exist" in said
    code, said = on_terminal(["uninstall", "--all"], "y\n", NO_COLOR="1")
    assert code == 0, said
    assert "\x1b[1m" not in said
    assert "\x1b[32m" not in said
    assert run("plan").exit_code == root.CHANGES


def test_a_database_that_is_not_utf8_is_spoken_to_all_the_same(
    server: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "pgslo_test_latin1"
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        provider = "LOCALE_PROVIDER libc" if admin.info.server_version >= 150000 else ""
        admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C' {provider}")
        admin.execute(f"ALTER DATABASE {name} SET datestyle = 'German'")
        try:
            monkeypatch.setenv("PGSLO_DSN", server.dsn(name))
            with psycopg.connect(server.dsn(name), autocommit=True, client_encoding="utf8") as conn:
                conn.execute('CREATE TABLE public."Maße" (id integer PRIMARY KEY, "größe" integer)')
                write(
                    'table: public."Maße"\ncolumns:\n  größe:\n    - range: {min: 0, on_breach: quarantine}\n'
                )
                applied = run("apply", "--yes")
                assert applied.exit_code == 0, applied.output
                conn.execute('INSERT INTO public."Maße" VALUES (1, -1)')
                assert "public.Maße" in run("status").stdout
                assert "größe" in run("quarantine", "show", "1").stdout
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_holidays_of_the_project_are_those_of_definitions_that_list_none(
    run: Run, connection: psycopg.Connection[Any]
) -> None:
    connection.execute(
        "CREATE TABLE features.own (id integer PRIMARY KEY, day date); CREATE TABLE features.numbered (id integer PRIMARY KEY, load bigint)"
    )
    write("table: features.own\nbatch: {by: day}\nholidays: 11-11\n", "slos/own.yml")
    # Batches without a date have no holidays, and a list that is not their own is no mistake.
    write("table: features.numbered\nbatch: {by: load}\n", "slos/numbered.yml")
    Path("pgslo.toml").write_text('holidays = ["12-25", 2026-11-26]\n', encoding="utf-8")
    assert run("apply", "--yes").exit_code == 0
    told = connection.execute("SELECT name, holidays FROM pgslo_catalog.definition").fetchall()
    assert dict(told) == {
        "features.user_stats": ["12-25", "2026-11-26"],
        "features.own": ["11-11"],
        "features.numbered": [],
    }
    Path("pgslo.toml").unlink()
    assert run("plan").exit_code == root.CHANGES
    assert run("apply", "--yes").exit_code == 0
    told = connection.execute(
        "SELECT holidays FROM pgslo_catalog.definition WHERE name = 'features.user_stats'"
    )
    assert told.fetchone() == ([],)


def test_how_rows_that_are_there_come_to_be_counted_is_said_once(
    run: Run, connection: psycopg.Connection[Any]
) -> None:
    said = "pgslo learn features.user_stats --from-table\n"
    connection.execute("CREATE TABLE features.empty (id integer PRIMARY KEY, day date)")
    write("{table: features.empty, batch: {by: day}}", "slos/empty.yml")
    connection.execute("INSERT INTO features.user_stats VALUES (1, '2026-02-01', 30, 'us', 'a@b.de', 0.5)")
    applied = run("apply", "--yes")
    assert applied.exit_code == 0, applied.output
    assert applied.stderr.endswith(said)
    assert "features.empty has rows" not in applied.stderr
    assert run("learn", "features.user_stats", "--from-table").exit_code == 0
    write(DEFINITION.replace("max: 120", "max: 121"))
    assert "learn" not in run("apply", "--yes").stderr
