"""Whether ``status``, ``drift`` and ``plan`` report the true state of each rule: a walk at random through a guarded database,
compared with an oracle that tries to break each rule by writing. ``PGSLO_STANDING_STEPS`` sets the number of steps."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from pgslo.cli import main
from pgslo.database import operations

pytestmark = pytest.mark.slow

Connection = psycopg.Connection[Any]
Run = Callable[..., Result]

STEPS = int(os.environ.get("PGSLO_STANDING_STEPS", "100"))
SEED = int(os.environ.get("PGSLO_STANDING_SEED", "7"))

TABLES = """
CREATE SCHEMA t;
CREATE TABLE t.p (id int PRIMARY KEY);
INSERT INTO t.p VALUES (1);
CREATE TABLE t.f (id int, day date, p int, n int, a int, b int, c int, d int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE t.f1 PARTITION OF t.f FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE t.f2 PARTITION OF t.f FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE t.f3 (LIKE t.f INCLUDING ALL);
"""
DEFINITION = """\
table: t.f
owner: me
key: [id, day]
writes: {writes}
batch: {{by: day}}
watch: false
columns:
  p: [references: {{table: t.p, column: id, on_breach: reject}}]
  n: [not_null: {{on_breach: reject}}]
  a: [range: {{min: 0, max: 9, on_breach: reject}}]
  b: [range: {{min: 0, max: 9, on_breach: quarantine}}]
  c: [range: {{min: 0, max: 9, on_breach: flag}}]
  d: [range: {{min: 0, max: 9, on_breach: repair}}]
"""
GOOD = {"p": 1, "n": 1, "a": 1, "b": 1, "c": 1, "d": 1}
#: The value that breaks the rule of a column.
BAD = {"p": 77, "n": None, "a": 99, "b": 99, "c": 99, "d": 99}
RULES = {
    "p": "p_references",
    "n": "n_not_null",
    "a": "a_range",
    "b": "b_range",
    "c": "c_range",
    "d": "d_range",
}


@dataclass(frozen=True)
class Change:
    """A change of the database, and the statement that undoes it before the next ``apply``."""

    do: str
    undo: str = ""


def changes(connection: Connection) -> list[Change]:
    """What can be done now."""
    triggers = connection.execute(
        """SELECT g.tgrelid::regclass::text, g.tgname FROM pg_trigger g
           WHERE g.tgname ~ '^pgslo_' AND g.tgrelid IN ('t.f'::regclass, 't.f1'::regclass, 't.f2'::regclass)
             AND g.tgparentid = 0 ORDER BY 1, 2"""
    ).fetchall()
    functions = [
        row[0]
        for row in connection.execute(
            "SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = 'pgslo_gen'::regnamespace AND p.prorettype = 'trigger'::regtype ORDER BY 1"
        )
    ]
    made = [
        Change("ALTER TABLE t.f DROP CONSTRAINT pgslo__p_references"),
        Change("ALTER TABLE t.f ALTER n DROP NOT NULL"),
        Change("ALTER TABLE t.f RENAME a TO a2", "ALTER TABLE t.f RENAME a2 TO a"),
        Change("ALTER TABLE t.f RENAME b TO b2", "ALTER TABLE t.f RENAME b2 TO b"),
        Change("ALTER TABLE t.f RENAME TO g", "ALTER TABLE t.g RENAME TO f"),
        Change("ALTER TABLE t.f RENAME CONSTRAINT pgslo__p_references TO other"),
        Change(
            "ALTER TABLE t.f DETACH PARTITION t.f2",
            "ALTER TABLE t.f ATTACH PARTITION t.f2 FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')",
        ),
        Change(
            "ALTER TABLE t.f ATTACH PARTITION t.f3 FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')",
            "ALTER TABLE t.f DETACH PARTITION t.f3; DROP TABLE t.f3; CREATE TABLE t.f3 (LIKE t.f INCLUDING ALL)",
        ),
        Change("TRUNCATE t.f"),
        Change("TRUNCATE t.f1"),
        Change("SELECT pg_stat_reset()"),
        Change("SELECT pgslo.pause('t.f')", "SELECT pgslo.resume('t.f')"),
        Change("ALTER TABLE t.f DISABLE TRIGGER ALL"),
        Change("ALTER TABLE t.f1 DISABLE TRIGGER USER"),
        Change("ALTER TABLE t.f2 DISABLE TRIGGER ALL"),
        Change("DROP VIEW guarded.f CASCADE"),
        Change("ALTER TABLE t.f OWNER TO pg_monitor", "ALTER TABLE t.f OWNER TO CURRENT_USER"),
        Change("VACUUM FULL t.f1"),
        Change(
            "DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET session_replication_role = replica', current_database()); END$$",
            "DO $$BEGIN EXECUTE format('ALTER DATABASE %I RESET session_replication_role', current_database()); END$$",
        ),
        Change("ALTER TABLE t.f ADD x int", "ALTER TABLE t.f DROP x"),
    ]
    if connection.info.server_version >= 180000:
        made.append(Change("ALTER TABLE t.f ALTER CONSTRAINT pgslo__p_references NOT ENFORCED"))
    for table, trigger in triggers:
        made.append(Change(f"DROP TRIGGER {trigger} ON {table}"))
        made.append(Change(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}"))
        made.append(Change(f"ALTER TABLE {table} ENABLE REPLICA TRIGGER {trigger}"))
    for function in functions:
        made.append(Change(f"DROP FUNCTION {function} CASCADE"))
        name = function.removesuffix("()")
        made.append(
            Change(
                f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
            )
        )
    return made


def holds(connection: Connection, table: str, day: str, column: str, *, by: str) -> bool:
    """Whether a row that breaks the rule of a column is rejected, diverted, repaired or counted; nothing is kept."""
    names = connection.execute(
        "SELECT left(attname, 1), attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND attname ~ '^[pnabcd]2?$'",
        (table,),
    )
    found = dict(names.fetchall())
    row = GOOD | ({column: BAD[column]} if by == "INSERT" else {})
    values = ", ".join("NULL" if row[name] is None else str(row[name]) for name in row)
    bad = "NULL" if BAD[column] is None else str(BAD[column])
    with connection.transaction(force_rollback=True):
        try:
            with connection.transaction():
                columns = ", ".join(found[name] for name in row)
                connection.execute(
                    f"INSERT INTO {table} (id, day, {columns}) VALUES (-1, '{day}', {values})".encode()
                )
                if by == "UPDATE":
                    connection.execute(f"UPDATE {table} SET {found[column]} = {bad} WHERE id = -1".encode())
        except psycopg.errors.IntegrityError:
            return True
        if column == "c":
            counted = connection.execute(
                "SELECT EXISTS (SELECT FROM pgslo_catalog.fragment f WHERE f.failures ? 'c_range' AND f.xid = pg_current_xact_id())"
            ).fetchone()
            return counted == (True,)
        kept = connection.execute(f"SELECT {found[column]} FROM {table} WHERE id = -1".encode()).fetchone()
        return kept is None or kept[0] != BAD[column]


def broken_in(connection: Connection, column: str) -> list[str]:
    """The tables that are written to past the rule of a column."""
    (table,) = connection.execute(
        "SELECT c.oid::regclass::text FROM pg_class c WHERE c.relnamespace = 't'::regnamespace AND c.relname IN ('f', 'g')"
    ).fetchone() or ("",)
    parts = connection.execute(
        "SELECT i.inhrelid::regclass::text FROM pg_inherits i WHERE i.inhparent = %s::regclass", (table,)
    )
    days = {"t.f1": "2026-01-15", "t.f2": "2026-02-15", "t.f3": "2026-03-15"}
    present = [str(part[0]) for part in parts]
    tried = [(part, days[part]) for part in present] + [(table, days[part]) for part in present]
    return [
        f"{by} {name}"
        for name, day in tried
        for by in ("INSERT", "UPDATE")
        if not holds(connection, name, day, column, by=by)
    ]


def named_by_drift(drifted: list[dict[str, Any]], rule: str) -> str:
    """What ``drift`` says of a rule: its findings name those that are not in force, and those that may not be."""
    if any(rule in one["not_in_force"] for one in drifted):
        return "no"
    return "unknown" if any(rule in one["in_doubt"] for one in drifted) else "yes"


def named_by_plan(planned: Result, rule: str) -> str | None:
    """What ``plan`` says of a rule; ``None`` where its one answer is what has to be done before there is a plan."""
    if planned.exit_code not in (0, 3):
        assert planned.stderr.count("hint:") == planned.stderr.count("error:") > 0, planned.output
        return None
    for note in json.loads(planned.stdout)["notes"]:
        found = re.fullmatch(r"t\.f: (perhaps )?not in force now: ([\w, ]+) \(.*\)", note, re.DOTALL)
        if found and rule in found[2].split(", "):
            return "unknown" if found[1] else "no"
    return "yes"


@pytest.fixture
def run(dsn: str, connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    connection.execute(TABLES.encode())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", dsn)
    Path("slos").mkdir()

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(main, arguments)

    return invoke


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_no_rule_is_called_in_force_that_lets_a_bad_row_in(run, connection, writes):
    Path("slos/f.yml").write_text(DEFINITION.format(writes=writes), encoding="utf-8")
    rng = random.Random(f"{SEED}{writes}")
    done: list[str] = []
    for _ in range(STEPS // 2):
        applied = run("apply", "--yes")
        assert applied.exit_code == 0, f"{done}\n{applied.output}"
        if done:
            again = run("plan", "--json")
            assert again.exit_code == 0, f"{done}\n{again.output}"
            assert {named_by_plan(again, rule) for rule in RULES.values()} == {"yes"}, (
                f"{done}\n{again.output}"
            )
        undo = []
        done = []
        for _ in range(rng.choice((0, 1, 1, 2))):
            change = rng.choice(changes(connection))
            try:
                connection.execute(change.do.encode())
            except psycopg.Error:
                continue  # What was done before rules it out.
            done.append(change.do)
            undo.append(change.undo)
            if "RENAME TO" in change.do:
                break  # The others know the table by its first name.
        _, standings = operations.examine(connection)
        told = {one.rule: one for one in standings}
        drifted = json.loads(run("drift", "--json").stdout)["drift"]
        planned = run("plan", "--json")
        for column, rule in RULES.items():
            passed = broken_in(connection, column)
            if told[rule].in_force == "yes":
                assert not passed, f"{rule} is called in force after {done}, and {passed} let a bad row in"
            elif told[rule].in_force == "no":
                assert passed, f"{rule} holds after {done}, and is called broken: {told[rule].why}"
            said = named_by_drift(drifted, rule)
            assert said == told[rule].in_force, f"drift says {said} of {rule} after {done}: {drifted}"
            said = named_by_plan(planned, rule)
            assert said in (None, told[rule].in_force), f"plan says {said} of {rule} after {done}"
        for statement in reversed(undo):
            if statement:
                connection.execute(statement.encode())


def stated(run: Run) -> dict[str, dict[str, Any]]:
    return {one["rule"]: one for one in json.loads(run("status", "--json").stdout)["rules"]}


def test_what_status_says_of_each_rule(run, connection):
    Path("slos/f.yml").write_text(DEFINITION.format(writes="bulk"), encoding="utf-8")
    assert run("apply", "--yes").exit_code == 0
    told = stated(run)
    assert {one["in_force"] for one in told.values()} == {"yes"}
    assert told["p_references"] == {
        "definition": "t.f",
        "rule": "p_references",
        "on_breach": "reject",
        "mechanism": "native",
        "in_force": "yes",
        "why": [],
        "rests_on": ["a foreign key on (p) that references t.p"],
        "passed_by": [],
        "rows_unseen": 0,
    }
    assert told["n_not_null"]["rests_on"] == ["NOT NULL of column n"]
    assert told["b_range"]["rests_on"] == ["trigger pgslo_300_quarantine_row"]
    assert told["c_range"]["rests_on"] == [
        "trigger pgslo_500_measure_insert",
        "trigger pgslo_500_measure_update",
    ]
    assert told["d_range"]["rests_on"] == ["trigger pgslo_100_repair_row"]
    connection.execute(
        "ALTER TABLE t.f DROP CONSTRAINT pgslo__p_references; DROP TRIGGER pgslo_100_repair_row ON t.f"
    )
    told = stated(run)
    assert {rule for rule, one in told.items() if one["in_force"] == "no"} == {"p_references", "d_range"}
    assert told["p_references"]["why"] == ["no foreign key on (p) references t.p"]
    assert told["d_range"]["why"] == ["trigger pgslo_100_repair_row ON t.f: it was dropped"]
    shown = run("status", "--rules")
    assert shown.exit_code == 4
    assert "trigger pgslo_100_repair_row ON t.f: it was dropped" in shown.output


def test_rows_that_no_trigger_saw(run, connection):
    Path("slos/f.yml").write_text(DEFINITION.format(writes="bulk"), encoding="utf-8")
    assert run("apply", "--yes").exit_code == 0
    connection.execute(
        "INSERT INTO t.f SELECT n, '2026-01-01', 1, 1, 1, 1, 1, 1 FROM generate_series(1, 10) n"
    )
    connection.execute(
        "SET session_replication_role = replica; INSERT INTO t.f SELECT n, '2026-01-02', 1, 1, 99, 1, 1, 1 FROM generate_series(1, 7) n;"
        "RESET session_replication_role"
    )
    connection.execute(
        "SELECT pg_stat_force_next_flush()"
        if connection.info.server_version >= 150000
        else "SELECT pg_sleep(1)"
    )
    told = stated(run)
    assert told["a_range"]["rows_unseen"] == 7
    assert told["n_not_null"]["rows_unseen"] == 0
    connection.execute("SELECT pg_stat_reset()")
    assert stated(run)["a_range"]["rows_unseen"] is None


def test_a_role_that_may_not_see_the_state_is_told_so(run, connection, role, monkeypatch):
    Path("slos/f.yml").write_text(DEFINITION.format(writes="bulk"), encoding="utf-8")
    assert run("apply", "--yes").exit_code == 0
    reader = role("reader")
    connection.execute(
        f"GRANT USAGE ON SCHEMA pgslo, t TO {reader}; GRANT SELECT ON t.f TO {reader}".encode()
    )
    monkeypatch.setenv("PGOPTIONS", f"-c role={reader}")
    told = stated(run)
    assert {one["in_force"] for one in told.values()} == {"unknown"}
    assert told["a_range"]["why"] == [f"role {reader} may not see the state: pgslo grants auditor {reader}"]


@pytest.mark.parametrize(
    "change",
    [
        "DROP TRIGGER pgslo_500_measure_insert ON t.f2",
        "ALTER TABLE t.f2 DISABLE TRIGGER pgslo_500_measure_insert",
        "ALTER TABLE t.f2 DISABLE TRIGGER ALL",
    ],
)
def test_what_becomes_of_a_detached_partition_breaks_no_rule(run, connection, change):
    Path("slos/f.yml").write_text(DEFINITION.format(writes="bulk"), encoding="utf-8")
    assert run("apply", "--yes").exit_code == 0
    connection.execute(change.encode())
    assert {one["rule"] for one in stated(run).values() if one["in_force"] == "no"} >= {"a_range", "c_range"}
    connection.execute("ALTER TABLE t.f DETACH PARTITION t.f2")
    assert {one["in_force"] for one in stated(run).values()} == {"yes"}
