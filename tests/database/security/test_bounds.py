"""What a writer, a reader or an operator can make pgslo keep has a bound, in each column of its state."""

from __future__ import annotations

import re

import psycopg
import pytest
from click.testing import CliRunner

from pgslo.cli import main
from pgslo.definition import json_schema, load
from pgslo.errors import DefinitionErrors

DEFINITION = """
table: features.pay
key: [id]
writes: bulk
batch: {by: day}
quarantine: {max_bytes: 64 kB}
columns:
  amount: [range: {min: 0, max: 100, on_breach: quarantine, name: amount_range}]
readers: [$reader]
"""
BAD = "INSERT INTO features.pay SELECT n, '2026-01-01', 999, repeat('x', 1000) FROM generate_series({}, {}) n"


@pytest.fixture
def pay(world):
    world.run("installer", "CREATE TABLE features.pay (id int, day date, amount int, who text)")
    world.run("installer", "GRANT SELECT, INSERT, UPDATE ON features.pay TO $writer")
    world.apply(DEFINITION)
    return world


def held(world) -> tuple[int, int]:
    """Rows and bytes that wait in quarantine."""
    return world.run(
        "superuser", "SELECT count(*), sum(bytes)::bigint FROM pgslo_catalog.quarantine WHERE state = 'held'"
    )[0]


def fill(world) -> psycopg.errors.Diagnostic:
    """Write rows that are quarantined until one is rejected; return the writer's error."""

    def write() -> None:
        for first in range(1, 1000, 10):
            world.run("writer", BAD.format(first, first + 9))

    with pytest.raises(psycopg.errors.ConfigurationLimitExceeded) as refused:
        write()
    return refused.value.diag


# Quarantine


def test_a_writer_cannot_fill_the_disk_with_rows_in_quarantine(pay):
    world = pay
    refused = fill(world)
    assert refused.message_primary == "quarantine of features.pay is full"
    assert (refused.schema_name, refused.table_name) == ("features", "pay")
    assert refused.constraint_name == "amount_range"
    assert "64 kB" in refused.message_detail
    assert "xxx" not in refused.message_detail
    rows, size = held(world)
    assert rows > 20
    assert size <= 64 * 1024
    # Rows that satisfy the rules are written, and a reader sees them.
    world.run("writer", "INSERT INTO features.pay VALUES (1, '2026-01-01', 50, 'a')")
    assert world.run("reader", "SELECT id FROM guarded.pay") == [(1,)]
    for _ in range(3):
        with pytest.raises(psycopg.errors.ConfigurationLimitExceeded):
            world.run("writer", BAD.format(1, 10))
    world.run("operator", "SELECT pgslo.tick()")
    with pytest.raises(psycopg.errors.ConfigurationLimitExceeded):
        world.run("writer", BAD.format(1, 10))
    assert held(world) == (rows, size)


def test_one_transaction_counts_its_own_rows(pay):
    with pytest.raises(psycopg.errors.ConfigurationLimitExceeded):
        pay.run("writer", BAD.format(1, 1000))
    assert held(pay)[0] == 0
    session = pay.session("writer")

    def many_statements() -> None:
        with session.transaction():
            for first in range(1, 1000, 10):
                session.execute(BAD.format(first, first + 9).encode())

    with pytest.raises(psycopg.errors.ConfigurationLimitExceeded):
        many_statements()
    pay.run("writer", BAD.format(1, 10))
    assert held(pay)[0] == 10, "rows that were rolled back take no room"


def test_two_large_rows(pay):
    """The input that showed it: two rows of 9 MB made 38 MB of quarantine, as often as one liked."""
    with pytest.raises(psycopg.errors.ConfigurationLimitExceeded):
        pay.run("writer", "INSERT INTO features.pay VALUES (1, '2026-01-01', 999, repeat('y', 9000000))")


def test_decisions_make_room_with_the_next_tick(pay):
    pay.run("writer", BAD.format(1, 20))
    pay.run("steward", "SELECT pgslo.discard(quarantine_id) FROM pgslo.quarantine")
    pay.run("operator", "SELECT pgslo.tick()")
    assert pay.run("operator", "SELECT bytes FROM pgslo.quarantine_size") == [(0,)]
    pay.run("writer", BAD.format(1, 20))
    pay.run("operator", "SELECT pgslo.tick()")
    assert pay.run("operator", "SELECT bytes FROM pgslo.quarantine_size") == [(held(pay)[1],)]


def test_no_setting_of_a_session_moves_the_bound(pay):
    session = pay.session("writer")
    session.execute(
        "SELECT set_config(n, '-1000000000', false) FROM unnest('{pgslo.quarantined,pgslo.bytes,pgslo.total}'::text[]) n"
    )
    with pytest.raises(psycopg.errors.ConfigurationLimitExceeded):
        session.execute(BAD.format(1, 1000).encode())
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        pay.run("writer", "UPDATE pgslo_catalog.quarantine_size SET bytes = -1000000")


def test_operators_are_told_before_and_when_it_is_full(pay, world_dsn, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", world_dsn)
    pay.run("writer", BAD.format(1, 10))
    assert "quarantine is" not in CliRunner().invoke(main, ["status"]).stdout
    while pay.run("superuser", "SELECT fraction < 0.8 FROM pgslo.quarantine_size")[0][0]:
        pay.run("writer", BAD.format(1, 1))
    shown = CliRunner().invoke(main, ["status"]).stdout
    assert "features.pay: quarantine is nearly full" in shown
    assert re.search(r"size: +5\d kB of at most 64 kB \(8\d %\)", shown) or re.search(
        r"of at most 65,536 bytes \(8\d %\)", shown
    )
    drift = CliRunner().invoke(main, ["drift"]).stdout
    assert "quarantine full" in drift
    pay.admin.execute("UPDATE pgslo_catalog.definition SET max_bytes = 1000")
    result = CliRunner().invoke(main, ["status"])
    assert result.exit_code == 4
    assert "features.pay: quarantine is full" in result.stdout
    assert CliRunner().invoke(main, ["drift"]).exit_code == 3


def test_the_bound_of_a_definition():
    plain = "table: f.t\n"
    assert load(plain, path="a.yml").max_bytes == 2**30
    for text, size in (("512 kB", 2**19), ("64 MB", 2**26), ("1GB", 2**30), ("3 TB", 3 * 2**40)):
        assert load(f"{plain}quarantine: {{max_bytes: {text}}}\n", path="a.yml").max_bytes == size
    for text in ("0 MB", "-1 GB", "1 PB", "1024", "1.5 GB", "much", "1 gb", "[1 GB]", "9999999 TB"):
        with pytest.raises(DefinitionErrors):
            load(f"{plain}quarantine: {{max_bytes: {text}}}\n", path="a.yml")
    with pytest.raises(DefinitionErrors, match="max_byte"):
        load(f"{plain}quarantine: {{max_byte: 1 GB}}\n", path="a.yml")
    assert "quarantine" in json_schema()["properties"]


# Texts

#: Columns whose text has no bound of its own, and why it needs none.
UNBOUNDED = {
    "quarantine.image": "the whole row; bounded by max_bytes of its definition",
    "quarantine.image_text": "likewise",
    "touched.keys": "what has to be checked; deleted once it is",
}
#: Bytes of the longest text in any other column that a writer, a reader or an operator fills.
LONGEST = 60_000
HUGE = "repeat('h', 5000000)"
HOSTILE = """
table: features.huge
key: [id]
writes: {writes}
batch: {{by: day}}
columns:
  a:
    - range: {{min: 0, max: 10, on_breach: flag, name: flagged}}
    - range: {{min: 0, max: 100, on_breach: quarantine, name: diverted}}
  note: [length: {{max: 5, on_breach: flag, name: note_length}}]
  fixed:
    - repair: {{default: abc}}
rules:
  - cast: {{expression: "num::int > 0", on_breach: quarantine}}
readers: [$reader]
"""


@pytest.fixture(params=["bulk", "stream"])
def huge(world, request):
    """A table into which a writer wrote texts of five million characters wherever a text goes."""
    world.run(
        "installer",
        "CREATE TABLE features.huge (id text, day text, a int, note text, fixed text, num text DEFAULT '1')",
    )
    world.run("installer", "GRANT SELECT, INSERT, UPDATE ON features.huge TO $writer")
    world.apply(HOSTILE.format(writes=request.param))
    writer = world.session("writer")
    writer.execute("SELECT set_config('application_name', repeat('n', 100000), false)")
    for a in (50, 500):
        writer.execute(
            f"INSERT INTO features.huge (id, day, a, note, fixed) SELECT {HUGE}, {HUGE}, {a}, {HUGE}, {HUGE}".encode()
        )
    writer.execute(f"INSERT INTO features.huge (id, day, a, num) SELECT {HUGE}, 'd', 1, {HUGE}".encode())
    world.run("operator", "SELECT pgslo.tick()")
    world.run("operator", "SELECT pgslo.close_batch('features.huge')")
    return world


def test_every_text_that_a_writer_fills_has_a_bound(huge):
    world = huge
    assert world.run("superuser", "SELECT count(*) > 0 FROM pgslo_catalog.quarantine")[0][0]
    assert world.run("superuser", "SELECT count(*) > 0 FROM pgslo_catalog.incident")[0][0]
    too_long = {
        name: size for name, size in longest(world).items() if size > LONGEST and name not in UNBOUNDED
    }
    assert too_long == {}


def longest(world) -> dict[str, int]:
    """Bytes of the longest text in each column of the state that can hold one."""
    columns = world.run(
        "superuser",
        """
        SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relnamespace = 'pgslo_catalog'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
          AND a.atttypid IN ('text'::regtype, 'text[]'::regtype, 'jsonb'::regtype, 'name'::regtype, 'bytea'::regtype)
        """,
    )
    assert len(columns) > 100
    return {
        f"{table}.{column}": world.run(
            "superuser",
            f'SELECT coalesce(max(octet_length("{column}"::text)), 0) FROM pgslo_catalog."{table}"',
        )[0][0]
        for table, column in columns
        if table not in ("migration", "runtime", "paused_function")
    }


def test_a_value_that_was_repaired_is_kept_up_to_a_length(world):
    world.run("installer", "CREATE TABLE features.r (id int PRIMARY KEY, day date, v text)")
    world.run("installer", "GRANT INSERT ON features.r TO $writer")
    world.apply(
        "table: features.r\nwrites: bulk\nbatch: {by: day}\ncolumns: {v: [length: {max: 3, on_breach: flag}]}\n"
    )
    # What a repair calls, with values that no repair of today makes from a text.
    world.admin.execute(
        f"SELECT pgslo_catalog.record_repair('features.r', 'r', 'v', {HUGE}, {HUGE}, {HUGE})".encode()
    )
    assert world.run(
        "superuser", "SELECT length(row_key), length(old_value), length(new_value) FROM pgslo_catalog.repair"
    ) == [(1000, 8000, 8000)]


@pytest.mark.parametrize(
    ("part", "statement"),
    [
        ("operator", f"SELECT pgslo.acknowledge(1, {HUGE})"),
        ("operator", f"SELECT pgslo.resolve(1, 'real', {HUGE})"),
        ("operator", f"SELECT pgslo.mute(1, 'infinity', {HUGE})"),
        ("operator", f"SELECT pgslo.subscribe({HUGE})"),
        ("operator", f"SELECT pgslo.queue_delivery({HUGE}, 'r', 1, 'opened', '{{1}}', 's', 'b')"),
        ("operator", f"SELECT pgslo.queue_delivery('k', {HUGE}, 1, 'opened', '{{1}}', 's', 'b')"),
        ("operator", f"SELECT pgslo.queue_delivery('k', 'r', 1, {HUGE}, '{{1}}', 's', 'b')"),
        ("operator", f"SELECT pgslo.queue_delivery('k', 'r', 1, 'opened', '{{1}}', {HUGE}, 'b')"),
        ("operator", f"SELECT pgslo.queue_delivery('k', 'r', 1, 'opened', '{{1}}', 's', {HUGE})"),
        (
            "operator",
            "SELECT pgslo.queue_delivery('k', 'r', 1, 'opened', array_fill(1::bigint, '{100000}'), 's', 'b')",
        ),
        ("trainer", f"SELECT pgslo.begin_snapshot('s', 'guarded', 'pay', {HUGE}, true, false)"),
        ("trainer", f"SELECT pgslo.begin_snapshot({HUGE}, 'guarded', 'pay', NULL, true, false)"),
    ],
)
def test_a_text_of_an_operator_is_refused(pay, part, statement):
    pay.run("writer", "INSERT INTO features.pay VALUES (1, '2026-01-01', 50, 'a')")
    pay.admin.execute(
        """
        INSERT INTO pgslo_catalog.incident (definition_id, rule_id, opened_batch, opened_place)
        SELECT r.definition_id, r.rule_id, '2026-01-01', 1 FROM pgslo_catalog.rule r WHERE r.name = 'amount_range'
        """
    )
    with pytest.raises(psycopg.Error):
        pay.run(part, statement)
    assert all(size <= LONGEST for name, size in longest(pay).items() if name not in UNBOUNDED)


def test_a_run_of_a_task_is_recorded_up_to_a_length(pay):
    pay.admin.execute(
        f"INSERT INTO pgslo_catalog.task_run (task, batch, state, host, output) VALUES ('t', 'b', 'skipped', {HUGE}, {HUGE})".encode()
    )
    assert pay.run("superuser", "SELECT length(host), length(output) FROM pgslo_catalog.task_run") == [
        (255, 10000)
    ]


@pytest.mark.parametrize("kind", ["jsonb", "json"])
def test_numbers_of_a_document_are_kept_up_to_a_length(world, kind):
    """A hundred numbers of 131,000 digits take a few kilobytes in the table, and 13 MB as text."""
    world.run("installer", f"CREATE TABLE features.d (id int PRIMARY KEY, day date, bag {kind})")
    world.run("installer", "GRANT INSERT, SELECT ON features.d TO $writer")
    world.apply("{table: features.d, key: [id], writes: bulk, batch: {by: day}}")
    world.run(
        "writer",
        f"""INSERT INTO features.d SELECT g, date '2026-01-01' + g % 3, (
                SELECT jsonb_object_agg('k' || k, repeat('9', 131000)::numeric + g) FROM generate_series(1, 100) AS k)::{kind}
            FROM generate_series(1, 3) AS g""",
    )
    for _ in range(2):
        world.run("operator", "SELECT pgslo.tick()")
    kept = world.run("superuser", "SELECT max(length(f::text)) FROM pgslo_catalog.fragment f")
    assert kept[0][0] < 100_000
    assert world.run("superuser", "SELECT count(*) FROM pgslo_catalog.rule_break") == [(0,)]


def test_a_number_of_many_digits_in_a_sample(world):
    shortened = (
        ("12.50", "12.50"),
        ("1" * 99, "1" * 99),
        ("9" * 1000, "9" + "0" * 307),
        ("-" + "9" * 1000, "-9" + "0" * 307),
        ("0." + "0" * 500 + "3" * 500, "0"),
        ("0." + "3" * 1000, "0.3333333333333333"),
        ("1." + "0" * 5000, "1"),
        ("1e131000", "9" + "0" * 307),
    )
    for given, kept in shortened:
        found = world.run("superuser", f"SELECT pgslo_catalog.short_number('{given}')::text")
        assert found == [(kept,)], given
