"""Rows that are written to a part while it is detached are evaluated once it is attached again, also between two looks."""

from __future__ import annotations

import pytest

DEFINITION = """
table: features.t
key: [id]
writes: {writes}
batch: {{by: day}}
readers: [$reader]
columns:
  a: [range: {{min: 0, max: 100, on_breach: {action}}}]
"""
PARTITIONED = """
CREATE TABLE features.t (id int, day date, a int) PARTITION BY RANGE (day);
CREATE TABLE features.p1 PARTITION OF features.t FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE features.p0 PARTITION OF features.t DEFAULT;
CREATE INDEX ON features.t (day); GRANT ALL ON features.t, features.p1 TO $writer
"""
BELOW = """
CREATE TABLE features.t (id int, day date, a int) PARTITION BY RANGE (day);
CREATE TABLE features.p1 PARTITION OF features.t FOR VALUES FROM ('2026-01-01') TO ('2026-02-01') PARTITION BY LIST (id);
CREATE TABLE features.p1_1 PARTITION OF features.p1 DEFAULT;
CREATE TABLE features.p0 PARTITION OF features.t DEFAULT;
CREATE INDEX ON features.t (day); GRANT ALL ON features.t, features.p1 TO $writer
"""
INHERITED = """
CREATE TABLE features.t (id int, day date, a int); CREATE TABLE features.p1 () INHERITS (features.t);
CREATE INDEX ON features.t (day); CREATE INDEX ON features.p1 (day);
INSERT INTO features.p1 VALUES (1, '2026-01-05', 1);
GRANT ALL ON features.t, features.p1 TO $writer
"""
DETACH = "ALTER TABLE features.t DETACH PARTITION features.p1"
ATTACH = (
    "ALTER TABLE features.t ATTACH PARTITION features.p1 FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')"
)
ROWS = "INSERT INTO features.p1 VALUES (7, '2026-01-06', -7), (8, '2026-01-05', -8)"
UPDATED = "UPDATE features.p1 SET a = -7"
LOADS = {
    "in a transaction": (
        PARTITIONED,
        f"BEGIN; {DETACH}; {ROWS}; {ATTACH}; COMMIT",
        {"2026-01-05", "2026-01-06"},
    ),
    "in two": (PARTITIONED, f"{DETACH}; {ROWS}; {ATTACH}", {"2026-01-05", "2026-01-06"}),
    "by an update": (PARTITIONED, f"BEGIN; {DETACH}; {UPDATED}; {ATTACH}; COMMIT", {"2026-01-05"}),
    "in a savepoint": (
        PARTITIONED,
        f"BEGIN; {DETACH}; SAVEPOINT s; {ROWS}; {ATTACH}; RELEASE s; COMMIT",
        {"2026-01-05", "2026-01-06"},
    ),
    "below a part": (BELOW, f"BEGIN; {DETACH}; {ROWS}; {ATTACH}; COMMIT", {"2026-01-05", "2026-01-06"}),
    "of a child": (
        INHERITED,
        f"BEGIN; ALTER TABLE features.p1 NO INHERIT features.t; {ROWS}; ALTER TABLE features.p1 INHERIT features.t; COMMIT",
        {"2026-01-05", "2026-01-06"},
    ),
    "of a child by an update": (
        INHERITED,
        f"BEGIN; ALTER TABLE features.p1 NO INHERIT features.t; {UPDATED}; ALTER TABLE features.p1 INHERIT features.t; COMMIT",
        {"2026-01-05"},
    ),
    "with other bounds": (
        PARTITIONED,
        f"BEGIN; {DETACH}; {ROWS}; {ATTACH.replace('2026-02-01', '2026-01-15')}; COMMIT",
        {"2026-01-05", "2026-01-06"},
    ),
}


def ticks(world):
    for _ in range(3):
        world.run("operator", "SELECT pgslo.tick()")


def prepare(world, tables, writes, action):
    world.run("installer", tables)
    world.apply(DEFINITION.format(writes=writes, action=action))
    world.run("writer", "INSERT INTO features.t VALUES (2, '2026-01-05', 1), (3, '2026-03-05', 1)")
    ticks(world)


def heard(world):
    session = world.session("reader")
    said = []
    session.add_notice_handler(lambda notice: said.append(notice.sqlstate))
    session.execute("SELECT a FROM guarded.t WHERE a < 0")
    session.close()
    return said


@pytest.mark.parametrize(
    ("load", "writes", "action"),
    [
        *((load, "stream", "warn") for load in LOADS),
        *(
            (load, "bulk", "flag")
            for load in ("in a transaction", "below a part", "of a child", "of a child by an update")
        ),
    ],
)
def test_rows_are_evaluated(world, load, writes, action):
    tables, statements, batches = LOADS[load]
    prepare(world, tables, writes, action)
    assert heard(world) == []
    # Statements, not one string: that would be one transaction.
    session = world.session("installer")
    for statement in statements.split("; "):
        session.execute(statement.encode())
    ticks(world)
    missed = world.run("installer", "SELECT batch FROM pgslo_catalog.missed_batch WHERE ended_at IS NULL")
    assert {batch for (batch,) in missed} >= batches
    assert "01SL1" in heard(world)
    assert world.run("installer", "SELECT error_message FROM pgslo_catalog.rule_break") == []
    # Where the rows are put right in the same way, it is seen as well.
    for statement in (
        statements.replace(ROWS, "UPDATE features.p1 SET a = 1")
        .replace("SET a = -7", "SET a = 1")
        .split("; ")
    ):
        session.execute(statement.encode())
    ticks(world)
    world.run("operator", "SELECT pgslo.close_batch('features.t')")
    assert world.run("installer", "SELECT batch FROM pgslo_catalog.missed_batch WHERE ended_at IS NULL") == []
    assert heard(world) == []


@pytest.mark.parametrize(
    "tables", [PARTITIONED, BELOW, INHERITED], ids=["partitions", "below a part", "children"]
)
def test_a_part_that_stays_is_not_read_again(world, tables):
    prepare(world, tables, "stream", "warn")
    known = "SELECT number, file, link FROM pgslo_catalog.known_part ORDER BY 1"
    before = world.run("installer", known)
    assert all(link is not None for *_, link in before)
    world.admin.execute("VACUUM FULL pg_inherits")
    world.admin.execute("VACUUM FREEZE pg_inherits")
    world.run(
        "installer", "ALTER TABLE features.p1 ADD CHECK (a < 1000); GRANT SELECT ON features.p1 TO $reader"
    )
    ticks(world)
    assert world.run("installer", known) == before
    assert world.run("installer", "SELECT FROM pgslo_catalog.due_count") == []
