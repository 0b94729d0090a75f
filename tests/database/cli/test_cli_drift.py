"""``pgslo drift``: each way in which a database differs from the last apply is found, and nothing else is."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from pgslo.cli import main, root

Connection = psycopg.Connection[Any]
Run = Callable[..., Result]

TABLES = """
CREATE SCHEMA features;
CREATE TABLE features.stats (id integer NOT NULL, day date NOT NULL, age integer, country text, PRIMARY KEY (day, id));
CREATE TABLE features.parts (id integer NOT NULL, day date NOT NULL, age integer, PRIMARY KEY (day, id)) PARTITION BY RANGE (day);
CREATE TABLE features.parts_2026 PARTITION OF features.parts FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
"""
STATS = """\
table: features.stats
owner: growth
batch: {by: day}
columns:
  age:
    - range: {min: 0, max: 120, on_breach: quarantine}
    - range: {name: adult, min: 18}
  country:
    - accepted_values: {values: [us, de]}
"""
PARTS = """\
table: features.parts
batch: {by: day}
columns:
  age:
    - range: {min: 0, max: 120}
"""


@pytest.fixture
def run(dsn: str, connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    connection.execute(TABLES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", dsn)
    Path("slos").mkdir()
    Path("slos/stats.yml").write_text(STATS, encoding="utf-8")
    Path("slos/parts.yml").write_text(PARTS, encoding="utf-8")
    assert invoke("apply", "--yes").exit_code == 0
    return invoke


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def found(run: Run) -> set[tuple[str, str]]:
    """The findings except hints, and their objects."""
    result = run("drift", "--json")
    sure = [one for one in json.loads(result.stdout)["drift"] if not one["is_hint"]]
    assert result.exit_code == (root.CHANGES if sure else root.OK)
    assert all(one["said"] and one["to_do"] for one in sure)
    return {(one["what"], one["thing"]) for one in sure}


def insert(connection: Connection, day: str = "2026-02-01", table: str = "features.stats") -> None:
    columns = "(id, day, age, country)" if "stats" in table else "(id, day, age)"
    values = f"(1, '{day}', 30, 'us')" if "stats" in table else f"(1, '{day}', 30)"
    connection.execute(f"INSERT INTO {table} {columns} VALUES {values}")


def settle(connection: Connection) -> None:
    """Let this session's counters reach the statistics system."""
    if connection.info.server_version >= 150000:
        connection.execute("SELECT pg_stat_force_next_flush()")
    else:
        time.sleep(1.5)
        connection.execute("SELECT 1")
        time.sleep(0.7)


def test_nothing_is_found_where_nothing_moved(run: Run, connection: Connection) -> None:
    result = run("drift")
    assert (result.exit_code, result.stdout) == (0, "no drift in 2 tables\n")
    insert(connection)
    insert(connection, table="features.parts")
    settle(connection)
    assert run("drift").stdout == "no drift in 2 tables\n"
    assert run("drift", "parts").stdout == "no drift in 1 table\n"


STATEMENTS = {
    "dropped trigger": (
        "DROP TRIGGER pgslo_500_measure_insert ON features.stats",
        ("missing", "trigger pgslo_500_measure_insert ON features.stats"),
    ),
    "disabled trigger": (
        "ALTER TABLE features.stats DISABLE TRIGGER pgslo_500_measure_insert",
        ("switched off", "trigger pgslo_500_measure_insert ON features.stats"),
    ),
    "replica trigger": (
        "ALTER TABLE features.stats ENABLE REPLICA TRIGGER pgslo_500_measure_insert",
        ("switched off", "trigger pgslo_500_measure_insert ON features.stats"),
    ),
    "edited function": (
        "CREATE OR REPLACE FUNCTION pgslo_gen.features__stats__measured() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        ("edited", "function features__stats__measured"),
    ),
    "dropped view": ("DROP VIEW guarded.stats_strict", ("missing", "view guarded.stats_strict")),
    "renamed column": ("ALTER TABLE features.stats RENAME country TO land", ("column renamed", "column country")),
    "retyped column": ("DROP SCHEMA guarded CASCADE; ALTER TABLE features.stats ALTER age TYPE bigint", ("column retyped", "column age")),
    "dropped column": ("DROP SCHEMA guarded CASCADE; ALTER TABLE features.stats DROP COLUMN country", ("column gone", "column country")),
    "renamed table": ("ALTER TABLE features.stats RENAME TO people", ("table renamed", "features.people")),
    "moved table": ("CREATE SCHEMA other; ALTER TABLE features.stats SET SCHEMA other", ("table renamed", "other.stats")),
    "dropped table": ("DROP TABLE features.stats CASCADE", ("gone", "features.stats")),
}  # fmt: skip


@pytest.mark.parametrize("case", STATEMENTS)
def test_what_somebody_changed_is_found(run: Run, connection: Connection, case: str) -> None:
    statement, finding = STATEMENTS[case]
    connection.execute(statement)
    assert finding in found(run)
    said = run("drift", "stats")
    assert said.exit_code == root.CHANGES
    assert f"features.stats: {finding[0]}: {finding[1]}\n" in said.stdout
    assert "  to do: " in said.stdout


def test_apply_mends_what_was_dropped_edited_and_switched_off(run: Run, connection: Connection) -> None:
    for case in ("dropped trigger", "replica trigger", "edited function", "dropped view"):
        if case != "replica trigger":
            connection.execute(STATEMENTS[case][0])
    assert run("apply", "--yes").exit_code == 0
    assert found(run) == set()


def test_a_trigger_that_fires_for_replicas_alone_is_mended(run: Run, connection: Connection) -> None:
    connection.execute(STATEMENTS["replica trigger"][0])
    assert run("apply", "--yes").exit_code == 0
    assert found(run) == set()


def test_a_new_partition_is_unarmed_until_the_next_apply(run: Run, connection: Connection) -> None:
    connection.execute(
        "CREATE TABLE features.parts_2027 PARTITION OF features.parts FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')"
    )
    triggers = {thing for what, thing in found(run) if what == "unarmed"}
    assert triggers
    assert all(thing.endswith(" ON features.parts_2027") for thing in triggers)
    assert run("apply", "--yes").exit_code == 0
    assert found(run) == set()
    connection.execute("INSERT INTO features.parts_2027 VALUES (1, '2027-02-01', 999)")
    assert connection.execute("SELECT rule FROM pgslo.incident").fetchall() == [("age_range",)]


def test_an_attached_partition_is_unarmed_as_well(run: Run, connection: Connection) -> None:
    connection.execute("CREATE TABLE features.loose (LIKE features.parts INCLUDING ALL)")
    connection.execute(
        "ALTER TABLE features.parts ATTACH PARTITION features.loose FOR VALUES FROM ('2028-01-01') TO ('2029-01-01')"
    )
    assert {what for what, _ in found(run)} == {"unarmed"}
    connection.execute("ALTER TABLE features.parts DETACH PARTITION features.loose")
    assert found(run) == set()


def test_partitions_that_are_rotated_out_leave_nothing_to_do(run: Run, connection: Connection) -> None:
    connection.execute(
        "CREATE TABLE features.parts_2027 PARTITION OF features.parts FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')"
    )
    assert run("apply", "--yes").exit_code == 0
    connection.execute("DROP TABLE features.parts_2027")
    assert run("drift").stdout == "no drift in 2 tables\n"
    assert run("status").exit_code == 0
    connection.execute("ALTER TABLE features.parts DETACH PARTITION features.parts_2026")
    detached = run("drift")
    assert detached.exit_code == 0
    assert "features.parts: detached: table features.parts_2026\n" in detached.stdout
    assert run("apply", "--yes").exit_code == 0
    assert run("drift").stdout == "no drift in 2 tables\n"
    ours = "SELECT tgname FROM pg_trigger WHERE tgrelid = 'features.parts_2026'::regclass"
    assert connection.execute(ours).fetchall() == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("SET session_replication_role = replica", "SET session_replication_role = origin"),
        ("ALTER TABLE features.stats DISABLE TRIGGER USER", "ALTER TABLE features.stats ENABLE TRIGGER USER"),
    ],
)
def test_rows_that_came_in_unseen(run: Run, connection: Connection, before: str, after: str) -> None:
    insert(connection, "2026-02-01")
    connection.execute(before)
    insert(connection, "2026-02-02")
    connection.execute(after)
    settle(connection)
    assert found(run) == {("unseen rows", "table features.stats")}
    assert "2 rows were written" in run("drift").stdout


def test_unseen_rows_of_an_older_batch_are_a_hint(run: Run, connection: Connection) -> None:
    insert(connection, "2026-02-03")
    connection.execute("SET session_replication_role = replica")
    insert(connection, "2026-02-02")
    settle(connection)
    result = run("drift")
    assert result.exit_code == 0
    assert "features.stats: unseen rows: table features.stats\n" in result.stdout
    assert "rows that were rolled back count as written too" in result.stdout


@pytest.mark.parametrize("tick", ["", "SELECT pgslo.tick()"])
def test_what_is_deleted_and_loaded_again_is_no_unseen_row(
    run: Run, connection: Connection, tick: str
) -> None:
    insert(connection, "2026-02-01")
    assert run("apply", "--yes").exit_code == 0
    for _ in range(3):
        connection.execute("DELETE FROM features.stats WHERE day = '2026-02-01'")
        insert(connection, "2026-02-01")
        connection.execute("UPDATE features.stats SET age = age + 1")
        connection.execute(tick)
    settle(connection)
    assert run("drift", "stats").stdout == "no drift in 1 table\n"
    connection.execute("SET session_replication_role = replica")
    insert(connection, "2026-02-02")
    settle(connection)
    assert found(run) == {("unseen rows", "table features.stats")}


@pytest.mark.parametrize("tick", ["", "SELECT pgslo.tick()"])
def test_what_truncate_removes_is_no_unseen_row(run: Run, connection: Connection, tick: str) -> None:
    insert(connection, "2026-02-01")
    assert run("apply", "--yes").exit_code == 0
    for _ in range(3):
        with connection.transaction():
            connection.execute("TRUNCATE features.stats")
            insert(connection, "2026-02-01")
        connection.execute(tick)
    settle(connection)
    assert run("drift", "stats").stdout == "no drift in 1 table\n"
    connection.execute("SET session_replication_role = replica")
    insert(connection, "2026-02-02")
    settle(connection)
    assert found(run) == {("unseen rows", "table features.stats")}


@pytest.mark.parametrize(
    "reset",
    [
        "SELECT pg_stat_reset_single_table_counters('features.stats'::regclass)",
        "SELECT pg_stat_reset()",
    ],
)
def test_after_a_reset_of_statistics_nothing_is_said_to_be_well(
    run: Run, connection: Connection, reset: str
) -> None:
    insert(connection, "2026-02-03")
    settle(connection)
    connection.execute(reset)
    connection.execute("INSERT INTO features.stats VALUES (2, '2026-02-03', 30, 'us')")
    settle(connection)
    result = run("drift", "stats")
    assert result.exit_code == 0
    assert "cannot be determined; the server counts only since 2" in result.stdout
    # The newest batch needs no counter.
    connection.execute("SET session_replication_role = replica")
    insert(connection, "2026-02-04")
    settle(connection)
    assert ("unseen rows", "table features.stats") in {
        (one["what"], one["thing"])
        for one in json.loads(run("drift", "--json").stdout)["drift"]
        if not one["is_hint"]
    }


def test_rows_whose_writer_reports_them_after_an_apply_are_not_unseen(
    run: Run, connection: Connection, dsn: str
) -> None:
    """A session's counters come in seconds later, as of one that writes all the time."""
    settle(connection)
    with psycopg.connect(dsn, autocommit=True) as writer:
        insert(writer, "2026-02-01")
        settle(writer)
        for day in range(2, 6):
            insert(writer, f"2026-02-0{day}")
        definition = Path("slos/stats.yml")
        definition.write_text(
            definition.read_text().replace(
                "table: features.stats", "description: as ever\ntable: features.stats"
            )
        )
        assert run("apply", "--yes").exit_code == 0
        assert counted(connection) < 5, "not all are reported yet"
        settle(writer)
        assert counted(connection) == 5
    assert run("drift").stdout == "no drift in 2 tables\n"


def counted(connection: Connection) -> int:
    """Written rows, according to the statistics system."""
    row = connection.execute(
        "SELECT n_tup_ins::int FROM pg_stat_user_tables WHERE relname = 'stats'"
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_a_role_in_replica_mode_is_told(run: Run, connection: Connection, role: Callable[[str], str]) -> None:
    loader = role("loader")
    connection.execute(f"ALTER ROLE {loader} SET session_replication_role = replica")
    assert ("not observed", f"role {loader}") in found(run)


def test_a_renamed_table_keeps_its_history(run: Run, connection: Connection) -> None:
    connection.execute(
        "INSERT INTO features.stats VALUES (1, '2026-02-01', 300, 'us'), (2, '2026-02-01', 3, 'xx')"
    )
    before = connection.execute(
        "SELECT incident_id, rule, opened_at FROM pgslo.incident ORDER BY 1"
    ).fetchall()
    assert len(before) == 2
    connection.execute("ALTER TABLE features.stats RENAME TO people")
    Path("slos/stats.yml").write_text(STATS.replace("features.stats", "features.people"), encoding="utf-8")
    plan = run("plan")
    assert plan.exit_code == root.CHANGES
    assert "features.stats was renamed to features.people" in plan.stdout
    applied = run("apply", "--yes")
    assert applied.exit_code == 0, applied.output
    assert run("plan").exit_code == 0
    assert found(run) == set()
    assert (
        connection.execute("SELECT incident_id, rule, opened_at FROM pgslo.incident ORDER BY 1").fetchall()
        == before
    )
    assert connection.execute("SELECT definition, state FROM pgslo.quarantine").fetchall() == [
        ("features.people", "held")
    ]
    assert connection.execute(
        "SELECT to_regclass('guarded.stats'), to_regclass('guarded.people') IS NOT NULL"
    ).fetchall() == [(None, True)]
    assert (
        connection.execute("SELECT proname FROM pg_proc WHERE proname LIKE 'features\\_\\_stats%'").fetchall()
        == []
    )
    connection.execute("INSERT INTO features.people VALUES (5, '2026-02-02', 300, 'us')")
    assert connection.execute("SELECT count(*) FROM pgslo.quarantine").fetchone() == (2,)
    assert run("quarantine", "drop", "--yes", "1", "2").exit_code == 0
    assert run("uninstall", "--yes", "people").exit_code == 0
    assert connection.execute("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'features.people'::regclass AND tgname ~ '^pgslo'").fetchone() == (0,)  # fmt: skip


def test_a_table_that_took_the_old_name_waits_for_the_renamed_one(run: Run, connection: Connection) -> None:
    connection.execute("ALTER TABLE features.stats RENAME TO people")
    connection.execute("CREATE TABLE features.stats (LIKE features.people INCLUDING ALL)")
    Path("slos/people.yml").write_text(STATS.replace("features.stats", "features.people"), encoding="utf-8")
    refused = run("apply", "--yes")
    assert refused.exit_code == root.ERROR
    assert "apply the definition of features.people alone first" in refused.stderr
    assert run("apply", "--yes", "slos/people.yml").exit_code == 0
    assert run("apply", "--yes").exit_code == 0
    assert found(run) == set()


def test_a_database_without_notes_is_told(run: Run, connection: Connection) -> None:
    connection.execute("DELETE FROM pgslo_catalog.applied")
    result = run("drift", "stats")
    assert result.exit_code == 0
    assert "features.stats: unknown: features.stats\n" in result.stdout


def test_whoever_may_not_see_the_state_is_told(
    run: Run, connection: Connection, role: Callable[[str], str], dsn: str
) -> None:
    reader = role("reader")
    connection.execute(f"ALTER ROLE {reader} LOGIN PASSWORD 'x'")
    refused = run("--dsn", psycopg.conninfo.make_conninfo(dsn, user=reader, password="x"), "drift")
    assert refused.exit_code == root.ERROR
    assert f"role {reader} may not see pgslo's state" in refused.stderr
