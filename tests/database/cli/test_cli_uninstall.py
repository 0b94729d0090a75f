"""``pgslo uninstall``: what goes, what stays, and when it refuses."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from pgslo import embedded
from pgslo.cli import main, root
from pgslo.database import installation

Run = Callable[..., Result]

TABLES = """
CREATE SCHEMA features;
CREATE TABLE features.users (id integer PRIMARY KEY);
CREATE TABLE features.stats (id integer PRIMARY KEY, user_id integer, age integer, email text, country text);
CREATE FUNCTION features.stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER own_stamp BEFORE INSERT ON features.stats FOR EACH ROW EXECUTE FUNCTION features.stamp();
CREATE VIEW features.plain AS SELECT id FROM features.stats;
CREATE INDEX own_index ON features.stats (age);
COMMENT ON TABLE features.stats IS 'kept by hand';
"""
STATS = """\
table: features.stats
columns:
  age:
    - range: {min: 0, on_breach: quarantine}
    - repair: {clip: [null, 200]}
  email:
    - unique: {on_breach: reject}
  country:
    - not_null: {on_breach: reject}
    - accepted_values: {values: [us, de]}
  user_id:
    - references: {table: features.users, column: id, on_breach: reject}
schema: {columns: {age: integer}, on_breach: reject}
tasks:
  churn: {reads: [age], view: features.churn}
"""
USERS = "table: features.users\ncolumns:\n  id: [{range: {min: 0}}]\n"

PARTS = """
CREATE TABLE features.parts (id integer, day integer, variant text NOT NULL, weight integer) PARTITION BY RANGE (day);
CREATE TABLE features.parts_1 PARTITION OF features.parts FOR VALUES FROM (0) TO (2);
CREATE TABLE features.parts_2 PARTITION OF features.parts DEFAULT;
CREATE INDEX ON features.parts (variant);
"""
PARTS_FILE = """\
table: features.parts
key: [id]
writes: bulk
batch: {by: day}
columns:
  day: [not_null: {on_breach: reject}, range: {max: 10, on_breach: flag}]
  weight: [repair: {clip: [0, 100]}]
assertions:
  - whole: {adds_up_to: {column: weight, total: 100}, group_by: variant, on_breach: reject}
"""

ELSEWHERE = "n.nspname !~ '^pg_(toast|temp)' AND n.nspname NOT IN ('pg_catalog', 'information_schema')"


def contents(connection: psycopg.Connection[Any]) -> list[str]:
    """Everything in the database that is not the server's: names, owners, rights, definitions, comments, rows."""
    query = f"""
        SELECT concat_ws(' ', 'schema', n.nspname, n.nspacl, obj_description(n.oid, 'pg_namespace')) FROM pg_namespace n WHERE {ELSEWHERE}
        UNION ALL SELECT concat_ws(' ', c.relkind, c.oid::regclass, c.relacl, obj_description(c.oid, 'pg_class'), CASE WHEN c.relkind = 'v' THEN pg_get_viewdef(c.oid) END)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {ELSEWHERE}
        UNION ALL SELECT concat_ws(' ', a.attrelid::regclass, a.attname, a.attnotnull, format_type(a.atttypid, a.atttypmod))
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {ELSEWHERE} AND a.attnum > 0
        UNION ALL SELECT concat_ws(' ', p.oid::regprocedure, p.prosrc, p.proacl) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE {ELSEWHERE}
        UNION ALL SELECT concat_ws(' ', 'trigger', t.tgname, t.tgrelid::regclass, t.tgenabled) FROM pg_trigger t
        UNION ALL SELECT concat_ws(' ', 'constraint', k.conname, k.conrelid::regclass, pg_get_constraintdef(k.oid)) FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace WHERE {ELSEWHERE}
        UNION ALL SELECT concat_ws(' ', 'type', t.oid::regtype) FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE {ELSEWHERE}
        UNION ALL SELECT s::text FROM features.stats s
        ORDER BY 1"""
    return [row[0] for row in connection.execute(query)]


@pytest.fixture
def connection(empty_connection: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    empty_connection.execute(TABLES)
    empty_connection.execute("INSERT INTO features.users VALUES (1), (2)")
    empty_connection.execute("INSERT INTO features.stats VALUES (1, 1, 3, 'a', 'us'), (2, 2, 4, 'b', 'de')")
    return empty_connection


@pytest.fixture
def run(
    empty_dsn: str, connection: psycopg.Connection[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Run:
    """The command line in a project with two definitions, on a database without the runtime."""
    del connection
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", empty_dsn)
    Path("slos").mkdir()
    Path("slos/stats.yml").write_text(STATS, encoding="utf-8")
    Path("slos/users.yml").write_text(USERS, encoding="utf-8")
    return lambda *args, **extra: CliRunner().invoke(main, [str(arg) for arg in args], **extra)


@pytest.mark.parametrize("names", [("--all",), ("features.stats", "users")])
def test_what_was_there_before_is_what_is_there_after(
    run: Run, connection: psycopg.Connection[Any], names: tuple[str, ...]
) -> None:
    before = contents(connection)
    applied = run("apply", "--yes")
    assert applied.exit_code == 0, applied.output
    assert contents(connection) != before
    result = run("uninstall", *names, "--yes")
    assert result.exit_code == 0, result.output
    assert "The tables and their rows stay as they are." in result.stdout
    assert "The runtime goes as well" in result.stdout
    assert contents(connection) == before
    again = run("uninstall", "--all", "--yes")
    assert again.exit_code == 0
    assert again.stdout == "nothing to do: pgslo is not installed in this database\n"
    assert run("apply", "--yes").exit_code == 0
    assert run("plan").exit_code == 0


def test_a_dump_afterwards_is_the_dump_of_before(
    run: Run, connection: psycopg.Connection[Any], empty_dsn: str
) -> None:
    """To the letter, after writes of every kind, with a partitioned table and assertions as well."""
    pg_dump = embedded.program("pg_dump")
    if pg_dump is None:
        pytest.skip("these PostgreSQL binaries have no pg_dump")

    def dump() -> list[str]:
        done = subprocess.run([pg_dump, empty_dsn], capture_output=True, text=True, check=True)
        # A key of its own for each dump.
        return [
            line for line in done.stdout.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))
        ]

    connection.execute(PARTS)
    Path("slos/parts.yml").write_text(PARTS_FILE, encoding="utf-8")
    before = dump()
    applied = run("apply", "--yes")
    assert applied.exit_code == 0, applied.output
    connection.execute("INSERT INTO features.stats VALUES (3, 1, 999, 'c', 'us'), (4, 1, 5, 'd', 'xx'), (5, 1, -1, 'e', 'us')")  # fmt: skip
    connection.execute("INSERT INTO features.parts VALUES (1, 1, 'a', 100), (2, 99, 'b', 100)")
    connection.execute("UPDATE features.parts SET day = 3 WHERE id = 1")
    connection.execute("SELECT pgslo.tick()")
    connection.execute("DELETE FROM features.stats WHERE id > 2")
    connection.execute("DELETE FROM features.parts")
    assert run("pause", "features.stats").exit_code == 0
    assert run("status").exit_code in (root.OK, root.BREACH)
    assert len(dump()) > 10 * len(before)
    done = run("uninstall", "--all", "--yes", "--drop-quarantine")
    assert done.exit_code == 0, done.output
    assert dump() == before


#: What stands in the way of what comes after the first triggers of partitions, and what is then said.
BLOCKERS = {
    "a reader": ("BEGIN; SELECT FROM ONLY features.parts", "could be locked"),
    "a writer": ("BEGIN; INSERT INTO features.parts VALUES (9, 5, 'z', 7)", "could be locked"),
    "a view": (
        "CREATE VIEW features.mine AS SELECT * FROM pgslo_gen.features__parts__touched",
        "cannot drop",
    ),
}


@pytest.mark.parametrize("blocker", BLOCKERS)
def test_one_that_ends_half_way_leaves_assertions_held_and_the_next_one_ends_it(
    run: Run,
    connection: psycopg.Connection[Any],
    empty_dsn: str,
    monkeypatch: pytest.MonkeyPatch,
    blocker: str,
) -> None:
    monkeypatch.setattr(installation, "LOCK_PATIENCE", 0.3)
    connection.execute(PARTS)
    before = contents(connection)
    Path("slos/parts.yml").write_text(PARTS_FILE, encoding="utf-8")
    assert run("apply", "--yes").exit_code == 0
    connection.execute("INSERT INTO features.parts VALUES (1, 1, 'a', 40), (2, 9, 'a', 60)")
    with psycopg.connect(empty_dsn, autocommit=True) as other, psycopg.connect(empty_dsn) as writer:
        statement, said = BLOCKERS[blocker]
        armed = triggers_of_partitions(connection)
        other.execute(statement.encode())
        stopped = run("uninstall", "features.parts", "--yes")
        assert stopped.exit_code == root.ERROR, stopped.output
        assert said in stopped.stderr
        assert triggers_of_partitions(connection) < armed, "it ended half-way"

        # Whoever writes is held as before, at COMMIT.
        for broken in ("UPDATE features.parts SET weight = 41 WHERE id = 1", "DELETE FROM features.parts WHERE id = 2", "INSERT INTO features.parts VALUES (3, 1, 'b', 99)"):  # fmt: skip
            writer.execute(broken.encode())
            with pytest.raises(psycopg.errors.CheckViolation) as refused:
                writer.commit()
            assert refused.value.diag.constraint_name == "whole"
        writer.execute("UPDATE features.parts SET weight = 50")
        writer.commit()
        if blocker == "a writer":
            with pytest.raises(psycopg.errors.CheckViolation):
                other.execute("COMMIT")
        other.execute("DROP VIEW features.mine" if blocker == "a view" else "ROLLBACK")
    done = run("uninstall", "--all", "--yes")
    assert done.exit_code == 0, done.output
    connection.execute("DELETE FROM features.parts")
    assert contents(connection) == before


def triggers_of_partitions(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute(
        "SELECT count(*)::int FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid WHERE c.relispartition AND tgname ~ '^pgslo_' AND tgtype & 1 = 0"
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_what_was_left_behind_without_its_registration_goes_as_well(
    run: Run, connection: psycopg.Connection[Any]
) -> None:
    before = contents(connection)
    assert run("apply", "--yes").exit_code == 0
    connection.execute("DELETE FROM pgslo_catalog.definition WHERE name = 'features.stats'")
    result = run("uninstall", "--all", "--yes")
    assert result.exit_code == 0, result.output
    left = set(contents(connection)) - set(before)
    assert all("country" in one for one in left), "only its NOT NULL, which nothing else knows of"


def test_one_goes_and_the_other_stays(run: Run, connection: psycopg.Connection[Any]) -> None:
    run("apply", "--yes")
    result = run("uninstall", "users", "--yes")
    assert result.exit_code == 0, result.output
    assert "runtime" not in result.output
    assert connection.execute("SELECT definition FROM pgslo.status").fetchall() == [("features.stats",)]
    assert run("plan", "slos/stats.yml").exit_code == 0
    assert run("plan").exit_code == root.CHANGES
    missing = run("uninstall", "features.users", "--yes")
    assert missing.exit_code == root.ERROR
    assert missing.stderr.startswith("error: features.users has no definition in this database\nhint: ")


def test_it_asks(run: Run, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    run("apply", "--yes")
    before = contents(connection)
    monkeypatch.setattr("pgslo.cli.output.can_ask", lambda: True)
    result = run("uninstall", "--all", input="n\n")
    assert result.exit_code == root.ERROR
    assert result.stderr.endswith("nothing was changed\n")
    assert contents(connection) == before
    assert run("uninstall", "--all", input="y\n").exit_code == 0


def test_rows_in_quarantine_are_not_lost_unless_asked_for(
    run: Run, connection: psycopg.Connection[Any]
) -> None:
    run("apply", "--yes")
    connection.execute("INSERT INTO features.stats VALUES (3, 1, -3, 'c', 'us'), (4, 1, -4, 'd', 'us')")
    before = contents(connection)
    refused = run("uninstall", "stats", "--yes")
    assert refused.exit_code == root.ERROR
    assert refused.stdout == ""
    assert refused.stderr == (
        "error: rows wait in quarantine, and would be lost\n"
        "detail: Held are 2 rows of features.stats.\n"
        "hint: decide about them with pgslo quarantine, or give them up with --drop-quarantine\n"
    )
    assert contents(connection) == before
    assert run("uninstall", "users", "--yes").exit_code == 0, "its quarantine is empty"
    result = run("uninstall", "stats", "--yes", "--drop-quarantine")
    assert result.exit_code == 0
    assert "2 rows in quarantine will be given up." in result.stdout


def test_a_row_that_comes_into_quarantine_meanwhile_is_not_lost(
    run: Run, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run("apply", "--yes")

    def answer(*_args: object, **_options: object) -> bool:
        connection.execute("INSERT INTO features.stats VALUES (3, 1, -3, 'c', 'us')")
        return True

    monkeypatch.setattr("pgslo.cli.output.can_ask", lambda: True)
    monkeypatch.setattr("click.confirm", answer)
    result = run("uninstall", "--all")
    assert result.exit_code == root.ERROR
    assert "error: rows wait in quarantine" in result.stderr
    assert connection.execute("SELECT count(*) FROM pgslo.quarantine").fetchone() == (1,)


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("CREATE VIEW features.mine AS SELECT * FROM guarded.stats", "features.mine"),
        ("CREATE MATERIALIZED VIEW features.mine AS SELECT id FROM features.churn", "features.mine"),
        ("CREATE VIEW features.mine AS SELECT * FROM pgslo.incident", "view features.mine"),
        ("CREATE TABLE features.mine (v text DEFAULT pgslo.version())", "column v of table features.mine"),
        ("CREATE TABLE features.mine (c pgslo_catalog.measured)", "column c of table features.mine"),
        (
            "CREATE FUNCTION features.mine() RETURNS text BEGIN ATOMIC SELECT pgslo.version(); END",
            "function features.mine()",
        ),
        (
            "CREATE TRIGGER mine AFTER INSERT ON features.users FOR EACH STATEMENT EXECUTE FUNCTION pgslo_gen.features__stats__row_written()",
            "trigger mine on table features.users",
        ),
        ("CREATE TABLE pgslo_gen.mine (id integer)", "table pgslo_gen.mine"),
    ],
)
def test_what_others_stand_on_is_not_taken_away(
    run: Run, connection: psycopg.Connection[Any], statement: str, named: str
) -> None:
    run("apply", "--yes")
    connection.execute(statement)
    before = contents(connection)
    result = run("uninstall", "--all", "--yes")
    assert result.exit_code == root.ERROR, result.output
    assert named in result.stderr
    assert contents(connection) == before


def test_a_schema_that_holds_objects_of_others_stays(run: Run, connection: psycopg.Connection[Any]) -> None:
    run("apply", "--yes")
    connection.execute("CREATE TABLE guarded.mine (id integer)")
    assert run("uninstall", "--all", "--yes").exit_code == root.OK
    assert connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'guarded'::regnamespace"
    ).fetchall() == [("mine",)]


def test_the_runtime_stays_when_a_definition_came_meanwhile(
    run: Run, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run("apply", "--yes", "slos/stats.yml")

    def answer(*_args: object, **_options: object) -> bool:
        assert run("apply", "--yes", "slos/users.yml").exit_code == 0
        return True

    monkeypatch.setattr("pgslo.cli.output.can_ask", lambda: True)
    monkeypatch.setattr("click.confirm", answer)
    result = run("uninstall", "--all")
    assert result.exit_code == root.ERROR
    assert "the database moved" in result.stderr
    assert connection.execute("SELECT count(*) FROM pgslo.status").fetchone() == (2,)


def test_a_table_that_was_renamed_or_dropped_can_be_uninstalled(
    run: Run, connection: psycopg.Connection[Any]
) -> None:
    run("apply", "--yes")
    connection.execute("ALTER TABLE features.stats RENAME TO metrics")
    connection.execute("ALTER TABLE features.metrics RENAME COLUMN age TO years")
    connection.execute("DROP TABLE features.users CASCADE")
    assert run("status").exit_code in (0, root.BREACH)
    result = run("uninstall", "--all", "--yes")
    assert result.exit_code == 0, result.output
    assert connection.execute("SELECT to_regnamespace('pgslo')").fetchone() == (None,)
    assert connection.execute("SELECT count(*) FROM features.metrics").fetchone() == (2,)
    left = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
    assert connection.execute(left).fetchall() == [("own_stamp",)]


def test_who_may_not_may_not(
    run: Run, connection: psycopg.Connection[Any], empty_dsn: str, role: Callable[[str], str]
) -> None:
    run("apply", "--yes")
    name = role("nobody")
    connection.execute(f"ALTER ROLE {name} LOGIN PASSWORD 'secret'")
    dsn = psycopg.conninfo.make_conninfo(empty_dsn, user=name, password="secret")
    hints = {
        ("uninstall", "--all", "--yes"): "run it as the role that applied",
        ("apply", "--yes"): "run it as the table's owner",
        ("plan",): "pgslo grants planner ROLE prints",
        ("pause", "features.users"): "pgslo grants operator ROLE prints",
        ("learn", "features.users", "--from-table"): "run it as the owner of the schema pgslo",
    }
    for args, hint in hints.items():
        result = run(*args, "--dsn", dsn)
        assert result.exit_code == root.ERROR
        assert "permission denied" in result.stderr
        assert f"hint: {hint}" in result.stderr
        assert "secret" not in result.output
