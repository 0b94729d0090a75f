"""Rules that PostgreSQL enforces with its own objects: these exist and are valid, or drift reports it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from pgslo.cli import main

Connection = psycopg.Connection[Any]
Run = Callable[..., Result]

RULES = """\
table: t.f
owner: me
columns:
  p: [references: {table: t.p, column: id, on_breach: reject}]
  n: [not_null: {on_breach: reject}]
  u: [unique: {on_breach: reject}]
"""
ASSERTIONS = """\
table: t.f
owner: me
key: [id]
assertions:
  - parent: {none_without: {table: t.p, on: {p: id}}, on_breach: reject}
  - single: {at_most_one: row, group_by: [u], on_breach: reject}
"""
BARE = "CREATE TABLE t.f (id int PRIMARY KEY, p int, n int, u int)"
COMPLETE = "CREATE TABLE t.f (id int PRIMARY KEY, p int CONSTRAINT fk REFERENCES t.p (id), n int NOT NULL, u int CONSTRAINT f_u_key UNIQUE)"


@pytest.fixture
def run(dsn: str, connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    connection.execute("CREATE SCHEMA t; CREATE TABLE t.p (id int PRIMARY KEY); INSERT INTO t.p VALUES (1)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", dsn)
    Path("slos").mkdir()

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(main, arguments)

    return invoke


def define(text: str) -> None:
    Path("slos/f.yml").write_text(text, encoding="utf-8")


def found(run: Run) -> set[tuple[str, str, str]]:
    """The findings of ``drift``, which ends with exit code 3 where there are any."""
    result = run("drift", "--json")
    findings = json.loads(result.output)["drift"]
    assert result.exit_code == (3 if findings else 0)
    return {(one["what"], one["thing"], one["said"]) for one in findings}


def only_18(connection: Connection) -> None:
    if connection.info.server_version < 180000:
        pytest.skip("keys can be NOT ENFORCED from PostgreSQL 18 on")


NOT_IN_FORCE = {
    ("not in force", "rule p_references", "no foreign key on (p) references t.p"),
    ("not in force", "rule n_not_null", "column n accepts NULL"),
    ("not in force", "rule u_unique", "no valid unique index exists on (u)"),
}


def test_constraints_of_others_that_are_dropped(run, connection):
    connection.execute(COMPLETE)
    define(RULES)
    assert run("apply", "--yes").exit_code == 0
    assert found(run) == set()
    connection.execute(
        "ALTER TABLE t.f DROP CONSTRAINT fk, DROP CONSTRAINT f_u_key, ALTER COLUMN n DROP NOT NULL"
    )
    connection.execute("INSERT INTO t.f VALUES (1, 1, NULL, 1)")
    assert found(run) == NOT_IN_FORCE
    status = run("status")
    assert status.exit_code == 4
    assert "no foreign key on (p) references t.p" in status.output
    connection.execute("DELETE FROM t.f")
    assert run("apply", "--yes").exit_code == 0
    assert found(run) == set()
    for row, error in {
        "(1, 77, 1, 1)": psycopg.errors.ForeignKeyViolation,
        "(1, 1, NULL, 1)": psycopg.errors.NotNullViolation,
        "(1, 1, 1, 1), (2, 1, 1, 1)": psycopg.errors.UniqueViolation,
    }.items():
        with pytest.raises(error):
            connection.execute(f"INSERT INTO t.f VALUES {row}".encode())


def test_constraints_under_other_names_do_as_well(run, connection):
    connection.execute(COMPLETE)
    define(RULES)
    assert run("apply", "--yes").exit_code == 0
    connection.execute(
        """ALTER TABLE t.f DROP CONSTRAINT fk, DROP CONSTRAINT f_u_key;
           CREATE UNIQUE INDEX another ON t.f (u) INCLUDE (n);
           ALTER TABLE t.f ADD CONSTRAINT new FOREIGN KEY (p) REFERENCES t.p (id)"""
    )
    assert found(run) == set()


@pytest.mark.parametrize(
    "index",
    [
        "CREATE UNIQUE INDEX another ON t.f (u) WHERE n > 0",
        "CREATE UNIQUE INDEX another ON t.f (u, n)",
        "CREATE UNIQUE INDEX another ON t.f ((u + 0))",
        "CREATE INDEX another ON t.f (u)",
        "ALTER TABLE t.f ADD UNIQUE (u) DEFERRABLE",
    ],
)
def test_an_index_that_keeps_less_does_not(run, connection, index):
    connection.execute(COMPLETE)
    define(RULES)
    assert run("apply", "--yes").exit_code == 0
    connection.execute("ALTER TABLE t.f DROP CONSTRAINT f_u_key")
    connection.execute(index.encode())
    assert found(run) == {("not in force", "rule u_unique", "no valid unique index exists on (u)")}


def test_an_index_to_which_nulls_are_distinct_keeps_less(run, connection):
    if connection.info.server_version < 150000:
        pytest.skip("indexes are NULLS NOT DISTINCT from PostgreSQL 15 on")
    connection.execute(BARE)
    connection.execute("CREATE UNIQUE INDEX theirs ON t.f (u, n) NULLS NOT DISTINCT")
    define(
        "{table: t.f, owner: me, rules: [one: {unique: {columns: [n, u], nulls: same}, on_breach: reject}]}"
    )
    assert run("apply", "--yes").exit_code == 0
    assert found(run) == set()
    connection.execute("DROP INDEX t.theirs; CREATE UNIQUE INDEX theirs ON t.f (u, n)")
    assert found(run) == {
        ("not in force", "rule one", "no valid unique index NULLS NOT DISTINCT exists on (n, u)")
    }
    assert run("apply", "--yes").exit_code == 0
    assert found(run) == set()
    connection.execute("INSERT INTO t.f VALUES (1, 1, NULL, NULL)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute("INSERT INTO t.f VALUES (2, 1, NULL, NULL)")


def test_constraints_of_pgslo_are_told_once(run, connection):
    connection.execute(BARE)
    define(RULES)
    assert run("apply", "--yes").exit_code == 0
    assert found(run) == set()
    connection.execute("ALTER TABLE t.f DROP CONSTRAINT pgslo__p_references, ALTER COLUMN n DROP NOT NULL")
    connection.execute("DROP INDEX t.pgslo__f__u_unique")
    assert {(what, said) for what, _, said in found(run)} == {("missing", "it was dropped")}
    assert len(found(run)) == 3


def test_a_column_that_is_renamed_keeps_its_constraint(run, connection):
    connection.execute(COMPLETE)
    define(RULES)
    assert run("apply", "--yes").exit_code == 0
    connection.execute("ALTER TABLE t.f RENAME n TO m")
    assert not any(what == "not in force" for what, _, _ in found(run))
    connection.execute("ALTER TABLE t.f ALTER m DROP NOT NULL")
    assert ("not in force", "rule n_not_null", "column m accepts NULL") in found(run)


def test_a_key_that_is_not_enforced_keeps_nothing(run, connection):
    only_18(connection)
    connection.execute(BARE)
    connection.execute("ALTER TABLE t.f ADD CONSTRAINT fk FOREIGN KEY (p) REFERENCES t.p (id) NOT ENFORCED")
    define(RULES)
    assert run("apply", "--yes").exit_code == 0
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        connection.execute("INSERT INTO t.f VALUES (1, 77, 1, 1)")
    assert found(run) == set()


def test_a_key_that_is_switched_later(run, connection):
    only_18(connection)
    connection.execute(COMPLETE)
    define(RULES)
    assert run("apply", "--yes").exit_code == 0
    connection.execute("ALTER TABLE t.f ALTER CONSTRAINT fk NOT ENFORCED")
    assert found(run) == {("not in force", "rule p_references", "foreign key fk is NOT ENFORCED")}
    assert run("status").exit_code == 4
    assert run("apply", "--yes").exit_code == 0
    assert found(run) == set()


def test_a_key_of_pgslo_that_is_switched_later(run, connection):
    only_18(connection)
    connection.execute(BARE)
    define(RULES)
    assert run("apply", "--yes").exit_code == 0
    connection.execute("ALTER TABLE t.f ALTER CONSTRAINT pgslo__p_references NOT ENFORCED")
    connection.execute("INSERT INTO t.f VALUES (1, 77, 1, 1)")
    assert found(run) == {
        ("not in force", "rule p_references", "foreign key pgslo__p_references is NOT ENFORCED")
    }
    assert "it is NOT ENFORCED" in run("plan").output
    # The row that came in meanwhile is in its way.
    assert run("apply", "--yes").exit_code == 4
    connection.execute("DELETE FROM t.f")
    assert run("apply", "--yes").exit_code == 0
    assert found(run) == set()
    assert run("plan").exit_code == 0
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        connection.execute("INSERT INTO t.f VALUES (1, 77, 1, 1)")


@pytest.mark.parametrize("table", ["t.f", "t.p"])
def test_triggers_of_a_key_that_are_disabled(run, connection, table):
    connection.execute(COMPLETE)
    define(RULES)
    assert run("apply", "--yes").exit_code == 0
    connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL".encode())
    said = f"triggers of foreign key fk on {table} are disabled"
    assert ("not in force", "rule p_references", said) in found(run)
    connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER ALL".encode())
    assert found(run) == set()


def test_a_key_of_a_partition_that_is_disabled(run, connection):
    connection.execute(
        """CREATE TABLE t.f (id int, p int CONSTRAINT fk REFERENCES t.p (id), n int NOT NULL, u int, PRIMARY KEY (id)) PARTITION BY RANGE (id);
           CREATE TABLE t.f1 PARTITION OF t.f FOR VALUES FROM (0) TO (100)"""
    )
    define(RULES.replace("  u: [unique: {on_breach: reject}]\n", ""))
    assert run("apply", "--yes").exit_code == 0
    assert found(run) == set()
    connection.execute("ALTER TABLE t.f1 DISABLE TRIGGER ALL")
    said = "triggers of foreign key fk on t.f1 are disabled"
    assert ("not in force", "rule p_references", said) in found(run)


def notes(run: Run) -> list[str]:
    return [note for note in json.loads(run("plan", "--json").stdout)["notes"] if "in force now" in note]


PARTITIONED = """
CREATE TABLE t.f (id int PRIMARY KEY, p int, a int, b int) PARTITION BY RANGE (id);
CREATE TABLE t.f1 PARTITION OF t.f FOR VALUES FROM (0) TO (100) PARTITION BY RANGE (id);
CREATE TABLE t.f11 PARTITION OF t.f1 FOR VALUES FROM (0) TO (50);
"""


def test_what_is_switched_off_on_a_partition_alone_comes_back(run, connection):
    """The clone of a trigger or of a key can be disabled on one partition."""
    connection.execute(PARTITIONED)
    define(
        """\
table: t.f
owner: me
key: [id]
columns:
  p: [references: {table: t.p, column: id, on_breach: reject}]
  a: [range: {min: 0, on_breach: repair}]
  b: [range: {min: 0, on_breach: quarantine}]
"""
    )
    assert run("apply", "--yes").exit_code == 0
    assert notes(run) == []
    connection.execute("ALTER TABLE t.f11 DISABLE TRIGGER ALL")
    drifted = json.loads(run("drift", "--json").stdout)["drift"]
    assert {one["object"]: one["not_in_force"] for one in drifted if one["not_in_force"]} == {
        "rule p_references": ["p_references"],
        "trigger pgslo_100_repair_row ON t.f11": ["a_range"],
        "trigger pgslo_300_quarantine_row ON t.f11": ["b_range"],
    }
    assert "  not in force: b_range\n" in run("drift").stdout
    assert [note.partition(" (")[0] for note in notes(run)] == [
        f"t.f: not in force now: {rule}" for rule in ("p_references", "a_range", "b_range")
    ]
    assert run("apply", "--yes").exit_code == 0
    assert found(run) == set()
    assert (run("plan").exit_code, notes(run)) == (0, [])
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        connection.execute("INSERT INTO t.f11 VALUES (1, 77, 1, 1)")
    connection.execute("INSERT INTO t.f11 VALUES (1, 1, -1, 1), (2, 1, 1, -1)")
    assert connection.execute("SELECT id, a FROM t.f").fetchall() == [(1, 0)]


def test_a_key_of_others_whose_triggers_are_disabled_is_no_key(run, connection):
    connection.execute(COMPLETE)
    define(RULES)
    assert run("apply", "--yes").exit_code == 0
    connection.execute("ALTER TABLE t.f DISABLE TRIGGER ALL")
    assert [note.partition(" (")[0] for note in notes(run)] == ["t.f: not in force now: p_references"]
    assert run("apply", "--yes").exit_code == 0
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        connection.execute("INSERT INTO t.f VALUES (1, 77, 1, 1)")
    assert (found(run), run("plan").exit_code) == (set(), 0)


def test_a_plan_that_changes_nothing_names_what_is_not_in_force(run, connection):
    connection.execute(BARE)
    define("{table: t.f, owner: me, columns: {n: [range: {min: 0, on_breach: warn}]}}")
    assert run("apply", "--yes").exit_code == 0
    connection.execute(
        "DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET session_replication_role = replica', current_database()); END$$"
    )
    planned = run("plan")
    assert planned.exit_code == 0
    assert "t.f: perhaps not in force now: n_range (every role in database" in planned.stderr


def test_assertions_that_rest_on_constraints_of_others(run, connection):
    connection.execute(COMPLETE)
    define(ASSERTIONS)
    assert run("apply", "--yes").exit_code == 0, run("apply", "--yes").output
    assert found(run) == set()
    connection.execute("ALTER TABLE t.f DROP CONSTRAINT fk, DROP CONSTRAINT f_u_key")
    assert found(run) == {
        ("not in force", "rule parent", "no foreign key on (p) references t.p"),
        ("not in force", "rule single", "no valid unique index exists on (u)"),
    }
    connection.execute("INSERT INTO t.f VALUES (1, 77, 1, 1)")
    (broken,) = connection.execute("SELECT assertion, group_shown, said FROM pgslo.audit('t.f')").fetchall()
    assert broken == ("parent", "(p) = (77)", "t.p has no row for (id) = (77), needed by (id) = (1)")
    connection.execute("DELETE FROM t.f")
    assert run("apply", "--yes").exit_code == 0
    assert found(run) == set()


def test_not_null_comes_back_after_it_was_dropped(run, connection):
    connection.execute("CREATE TABLE t.f (id int PRIMARY KEY, n int)")
    define("{table: t.f, owner: me, columns: {n: [not_null: {on_breach: reject}]}}")
    assert run("apply", "--yes").exit_code == 0
    for _ in range(2):
        connection.execute("ALTER TABLE t.f ALTER COLUMN n DROP NOT NULL")
        assert {what for what, *_ in found(run)} == {"missing"}
        applied = run("apply", "--yes")
        assert (applied.exit_code, "not finished" in applied.output) == (0, False)
        assert found(run) == set()
        with pytest.raises(psycopg.errors.NotNullViolation):
            connection.execute("INSERT INTO t.f VALUES (1, NULL)")


def test_rows_are_blamed_only_where_they_are_to_blame(run, connection):
    connection.execute("CREATE TABLE t.f (id int PRIMARY KEY, n int); INSERT INTO t.f VALUES (1, NULL)")
    define("{table: t.f, owner: me, columns: {n: [not_null: {on_breach: reject}]}}")
    applied = run("apply", "--yes")
    assert applied.exit_code == 4
    assert "violated by existing rows" in applied.output
    connection.execute(
        """DELETE FROM t.f;
           CREATE FUNCTION pgslo_catalog.fail() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
               RAISE unique_violation USING SCHEMA = 'pgslo_catalog', TABLE = 'native_not_null'; END$$;
           CREATE TRIGGER fail BEFORE INSERT ON pgslo_catalog.native_not_null FOR EACH ROW EXECUTE FUNCTION pgslo_catalog.fail()"""
    )
    applied = run("apply", "--yes")
    assert applied.exit_code == 1
    assert "violated by existing rows" not in applied.output
    assert "will be tried again by the next pgslo apply" in applied.output


def test_status_reports_what_was_dropped(run, connection):
    """Rows that the rules refuse come in; people look at status before they look at drift."""
    connection.execute(BARE)
    define(RULES)
    assert run("apply", "--yes").exit_code == 0
    assert run("status").exit_code == 0
    connection.execute("ALTER TABLE t.f DROP CONSTRAINT pgslo__p_references, ALTER COLUMN n DROP NOT NULL")
    result = run("status")
    assert result.exit_code == 4
    assert "foreign_key pgslo__p_references ON t.f" in result.output
    assert "not_null n ON t.f" in result.output


LOOKED_UP = """\
table: t.f
owner: me
writes: {writes}
columns:
  p: [references: {{table: t.p, column: id, on_breach: flag}}]
  n: [range: {{min: 0, on_breach: flag}}]
"""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("ALTER TABLE t.p RENAME TO q", "t.p, which it reads, was dropped or renamed"),
        ("ALTER TABLE t.p RENAME id TO other", "column id of t.p, which it reads, was dropped or renamed"),
        ("DROP TABLE t.p", "t.p, which it reads, was dropped or renamed"),
    ],
)
@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_what_a_rule_looks_values_up_in(run, connection, change, said, writes):
    """Before a write meets it: nothing is recorded then."""
    connection.execute(BARE)
    define(LOOKED_UP.format(writes=writes))
    assert run("apply", "--yes").exit_code == 0
    assert found(run) == set()
    connection.execute(change.encode())
    assert ("not in force", "rule p_references", said) in found(run)
    told = {one["rule"]: one["in_force"] for one in json.loads(run("status", "--json").stdout)["rules"]}
    assert told["p_references"] == "no"
    assert told["n_range"] == "yes", "the other rule is evaluated all the same"
    connection.execute("INSERT INTO t.f VALUES (1, 77, -1, 1)")
    failed = connection.execute("SELECT rule FROM pgslo.incident").fetchall()
    assert failed == [("n_range",)]
