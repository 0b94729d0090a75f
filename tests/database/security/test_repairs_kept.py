"""Records of repairs have a bound for each definition: the oldest go, and operators see where some are missing."""

from __future__ import annotations

import psycopg
import pytest
from click.testing import CliRunner

from pgslo.cli import main
from pgslo.database import operations

DEFINITION = """
table: features.{table}
key: [id]
writes: bulk
batch: {{by: day}}
quarantine: {{max_bytes: 64 kB}}
columns: {{v: [repair: {{lower: true}}]}}
"""
#: Rows that are repaired, and not stored: row 1 exists.
IGNORED = """INSERT INTO features.{} SELECT 1, '2026-01-01', upper(repeat(md5(n::text), 31))
             FROM generate_series({}, {}) n ON CONFLICT DO NOTHING"""
BOUND = 64 * 1024
#: One record is stored up to the bound, and a note that others are left out.
LARGEST = BOUND + 4096


@pytest.fixture
def tables(world):
    for table in ("t", "other"):
        world.run("installer", f"CREATE TABLE features.{table} (id int PRIMARY KEY, day date, v text)")
        world.run("installer", f"GRANT SELECT, INSERT, UPDATE ON features.{table} TO $writer")
        world.apply(DEFINITION.format(table=table))
        world.run("writer", f"INSERT INTO features.{table} VALUES (1, '2026-01-01', 'a')")
    return world


def kept(world, table: str = "t") -> tuple[int, int, int]:
    """Records of repairs, their bytes, and notes that records were left out."""
    return world.run(
        "superuser",
        f"""SELECT count(*) FILTER (WHERE NOT is_left_out), coalesce(sum(bytes), 0)::bigint, count(*) FILTER (WHERE is_left_out)
            FROM pgslo_catalog.repair r JOIN pgslo_catalog.definition d USING (definition_id) WHERE d.name = 'features.{table}'""",
    )[0]


def test_a_writer_cannot_fill_the_disk_with_records_of_repairs(tables):
    world = tables
    for first in range(1, 1000, 250):
        world.run("writer", IGNORED.format("t", first, first + 249))
        records, size, left_out = kept(world)
        assert 20 < records < 250
        assert BOUND <= size < LARGEST
        assert left_out == 1
    # Its values are repaired all the same, and another table has a bound of its own.
    world.run("writer", "INSERT INTO features.t VALUES (2, '2026-01-01', 'NEW')")
    assert world.run("writer", "SELECT v FROM features.t WHERE id = 2") == [("new",)]
    world.run("writer", IGNORED.format("other", 1, 10))
    assert kept(world, "other")[::2] == (10, 0)
    assert len(world.run("steward", "SELECT 1 FROM pgslo.repair WHERE definition = 'features.t'")) == records


def test_one_transaction_counts_its_own_records(tables):
    session = tables.session("writer")
    with session.transaction():
        for first in range(1, 1000, 50):
            session.execute(IGNORED.format("t", first, first + 49).encode())
    assert BOUND <= kept(tables)[1] < LARGEST


def test_ticks_remove_the_oldest_and_make_room(tables):
    world = tables
    for round_ in range(3):
        world.run("writer", IGNORED.format("t", 1, 250))
        assert world.run("operator", "SELECT pgslo.tick()") == [(False,)]
        records, size, _ = kept(world)
        assert BOUND * 0.7 < size <= BOUND * 0.75
        assert world.run(
            "operator", "SELECT bytes FROM pgslo.repair_size WHERE definition = 'features.t'"
        ) == [(size,)]
        world.run("writer", f"INSERT INTO features.t VALUES ({round_ + 10}, '2026-01-01', 'ROUND')")
        assert world.run(
            "steward", "SELECT new_value, row_key FROM pgslo.repair ORDER BY repair_id DESC LIMIT 1"
        ) == [("round", f"(id) = ({round_ + 10})")]
        assert kept(world)[0] == records + 1
    ((removed_until, left_out_at, is_after),) = world.run(
        "operator",
        """SELECT z.removed_until, z.left_out_at, z.removed_until < z.left_out_at
           FROM pgslo.repair_size z WHERE definition = 'features.t'""",
    )
    assert removed_until is not None
    assert left_out_at is not None
    assert is_after
    assert world.run("steward", "SELECT min(written_at) FROM pgslo.repair") > [(removed_until,)]


def test_an_operator_who_prunes_makes_room(tables):
    tables.run("writer", IGNORED.format("t", 1, 250))
    tables.run("operator", "SELECT pgslo.prune('features.t')")
    assert kept(tables)[1] <= BOUND * 0.75


def test_records_from_before_the_bound_count(tables):
    world = tables
    world.run("writer", IGNORED.format("t", 1, 30))
    # As a runtime without the bound left them.
    world.admin.execute("UPDATE pgslo_catalog.repair SET bytes = NULL, total = NULL")
    world.admin.execute(
        """INSERT INTO pgslo_catalog.repair (definition_id, rule_name, column_name, row_key, new_value, bytes)
           SELECT r.definition_id, r.rule_name, r.column_name, r.row_key, r.new_value, NULL
           FROM pgslo_catalog.repair r, generate_series(1, 10) ORDER BY repair_id"""
    )
    world.run("operator", "SELECT pgslo.tick()")
    assert 0 < kept(world)[0] <= 60
    world.run("writer", "INSERT INTO features.t VALUES (2, '2026-01-01', 'NEW')")
    assert world.run("steward", "SELECT new_value FROM pgslo.repair WHERE row_key = '(id) = (2)'") == [
        ("new",)
    ]


def test_records_of_a_transaction_that_was_open_are_counted_within_an_hour(tables):
    world = tables
    session = world.session("writer")
    with session.transaction():
        session.execute(IGNORED.format("t", 1, 250).encode())
        # With a later number.
        world.run("installer", "INSERT INTO features.t VALUES (2, '2026-01-01', 'NEW')")
        world.run("operator", "SELECT pgslo.tick()")
    world.run("operator", "SELECT pgslo.tick()")
    assert kept(world)[1] >= BOUND
    world.admin.execute("UPDATE pgslo_catalog.repair_size SET measured_at = measured_at - interval '2 hours'")
    world.run("operator", "SELECT pgslo.tick()")
    assert kept(world)[1] <= BOUND * 0.75


def test_records_that_the_owner_deleted_make_room(tables):
    world = tables
    world.run("writer", IGNORED.format("t", 1, 250))
    world.run("operator", "SELECT pgslo.tick()")
    world.run("installer", "DELETE FROM pgslo_catalog.repair")
    world.run("operator", "SELECT pgslo.tick()")
    assert world.run("operator", "SELECT bytes FROM pgslo.repair_size WHERE definition = 'features.t'") == [
        (0,)
    ]


def test_a_locked_record_stops_no_tick(tables):
    world = tables
    world.run("writer", IGNORED.format("t", 1, 250))
    with psycopg.connect(world.admin.info.dsn, password=world.admin.info.password) as other:
        other.execute("SELECT FROM pgslo_catalog.repair ORDER BY repair_id LIMIT 1 FOR UPDATE")
        world.run("operator", "SELECT pgslo.tick()")
        assert kept(world)[1] <= BOUND * 0.75


def test_nobody_but_the_owner_moves_the_bound(tables):
    session = tables.session("writer")
    session.execute(
        "SELECT set_config(n, '-1000000000', false) FROM unnest('{pgslo.bytes,pgslo.total}'::text[]) n"
    )
    session.execute(IGNORED.format("t", 1, 250).encode())
    assert kept(tables)[1] < LARGEST
    for role in ("writer", "operator", "steward"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            tables.run(role, "UPDATE pgslo_catalog.repair_size SET bytes = 0")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            tables.run(
                role,
                "SELECT pgslo_catalog.remove_old_repairs(d) FROM pgslo_catalog.definition d",
            )


def test_operators_are_told_that_repairs_were_left_out(tables, world_dsn, tmp_path, monkeypatch):
    world = tables
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", world_dsn)
    assert "not recorded" not in CliRunner().invoke(main, ["status"]).stdout
    metrics = "SELECT name, labels ->> 'table', round(value::numeric, 1)::float8 FROM pgslo.metric WHERE name ~ '^pgslo_repairs' ORDER BY 1, 2"
    assert [value for *_, value in world.run("auditor", metrics)] == [0, 0, 0, 0]
    world.run("writer", IGNORED.format("t", 1, 250))
    exported = {(name, table): value for name, table, value in world.run("auditor", metrics)}
    assert exported["pgslo_repairs_fill_ratio", "features.t"] == 1
    assert exported["pgslo_repairs_left_out_timestamp_seconds", "features.t"] > 1e9
    assert exported["pgslo_repairs_left_out_timestamp_seconds", "features.other"] == 0
    for _ in range(2):
        found = [
            (one.definition, one.is_hint)
            for one in operations.find_drift(world.admin)
            if one.what == "not recorded"
        ]
        assert found == [("features.t", True)]
        shown = CliRunner().invoke(main, ["status"])
        assert "features.t: repaired values were not recorded" in shown.stdout
        assert "64 kB of records are kept" in shown.stdout.replace("65,536 bytes", "64 kB")
        assert "features.other: repaired" not in shown.stdout
        assert shown.exit_code == 0
        world.run("operator", "SELECT pgslo.tick()")
    world.admin.execute("UPDATE pgslo_catalog.repair_size SET left_out_at = left_out_at - interval '8 days'")
    assert "not recorded" not in CliRunner().invoke(main, ["status"]).stdout
