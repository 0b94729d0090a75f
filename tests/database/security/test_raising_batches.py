"""A stored row for which the batch expression raises an error is of batch "unknown"; the others are counted and evaluated."""

from __future__ import annotations

import pytest

PARTITIONED = """
CREATE TABLE {table} (id int, t text, z int, at timestamptz, a int, n int, part text) PARTITION BY LIST (part);
CREATE TABLE {table}_1 PARTITION OF {table} FOR VALUES IN ('a');
CREATE TABLE {table}_2 (LIKE {table});
GRANT ALL ON {table}, {table}_1 TO $writer;
"""
DEFINITION = """
table: {table}
owner: sam
key: [id]
writes: {writes}
batch: {{by: {by}}}
settle: 1 second
columns:
  a:
    - range: {{min: 0, on_breach: warn, name: a_range}}
    - completeness: {{min: 0.9, name: filled}}
  n: [monotonic: {{order: id, name: rising}}]
"""
#: Batch expressions, each with the columns of a row that raises an error, and the error's class.
EXPRESSIONS = {
    "cast": ('"t::date"', "('no day', 1, '2026-01-01')"),
    "division": ('"t::date + 0 / z"', "('2026-01-01', 0, '2026-01-01')"),
    "text": ("\"split_part(t, '-', z) || t\"", "('2026-01-01', 0, '2026-01-01')"),
}


def row(number: int, columns: str, a: int = 1, part: str = "a") -> str:
    return f"({number}, {columns[1:-1]}, {a}, {number}, '{part}')"


def good(table: str, first: int = 1, days: int = 6, per_day: int = 5, part: str = "a") -> str:
    return (
        f"INSERT INTO {table} SELECT i, '2026-01-0' || ((i - {first}) / {per_day} + 1), 1, '2026-01-01', 1, i, '{part}' "
        f"FROM generate_series({first}, {first + days * per_day - 1}) i;"
    )


def prepare(world, kind: str, *, writes: str = "bulk", owner: str = "installer") -> tuple[str, str]:
    """Store rows of six days, and one that raises, before a definition is applied; return the table and that row's values."""
    by, raising = EXPRESSIONS[kind]
    table = "features.ex" if owner == "installer" else "evil.ex"
    if owner != "installer":
        world.run("superuser", f"GRANT ${owner} TO $installer")
        world.run(owner, "GRANT USAGE ON SCHEMA evil TO PUBLIC")
    world.run(
        owner,
        PARTITIONED.format(table=table) + good(table) + f"INSERT INTO {table} VALUES {row(900, raising)}",
    )
    world.apply(DEFINITION.format(table=table, writes=writes, by=by))
    return table, raising


def counted(world) -> dict[str, int]:
    return dict(world.run("superuser", "SELECT name, rows::int FROM pgslo_catalog.batch WHERE rows <> 0"))


def settle(world, table: str) -> None:
    for _ in range(3):
        world.run("operator", "SELECT pgslo.tick()")
    world.run("operator", f"SELECT pgslo.close_batch('{table}')")
    world.run("operator", "SELECT pgslo.tick()")


def noticed(world, part: str, statement: str) -> list[tuple[str, str]]:
    session = world.session(part)
    found: list[tuple[str, str]] = []
    session.add_notice_handler(lambda said: found.append((said.sqlstate, said.message_primary)))
    session.execute(statement.encode())
    return found


def verdicts(world, rule: str) -> dict[str, str]:
    return dict(world.run("superuser", f"SELECT batch, verdict FROM pgslo.verdict WHERE rule = '{rule}'"))


@pytest.mark.parametrize(
    ("kind", "writes", "owner"),
    [
        ("cast", "bulk", "installer"),
        ("cast", "bulk", "mallory"),
        ("cast", "stream", "installer"),
        ("division", "bulk", "installer"),
    ],
)
def test_learn_and_backtest_go_on_with_the_other_batches(world, kind, writes, owner):
    table, _ = prepare(world, kind, writes=writes, owner=owner)
    warned = ("01SL2", f"cannot determine the batch of 1 row in {table}")
    assert warned in noticed(world, "installer", f"SELECT pgslo.learn('{table}')")
    days = {f"2026-01-0{day}": 5 for day in range(1, 7)}
    assert counted(world) == days
    assert warned in noticed(world, "installer", f"SELECT * FROM pgslo.backtest('{table}')")
    assert world.run("installer", f"SELECT * FROM pgslo.history('{table}')") == sorted(days.items())


@pytest.mark.parametrize(
    ("kind", "writes", "owner"),
    [
        ("cast", "bulk", "installer"),
        ("cast", "bulk", "mallory"),
        ("cast", "stream", "installer"),
        ("division", "bulk", "installer"),
        ("text", "bulk", "installer"),
    ],
)
def test_rows_of_an_attached_partition_are_evaluated(world, kind, writes, owner):
    table, raising = prepare(world, kind, writes=writes, owner=owner)
    settle(world, table)
    world.run(
        owner,
        f"INSERT INTO {table}_2 VALUES {row(910, raising, -1, 'b')}, (911, '2026-01-03', 1, '2026-01-01', -1, 5, 'b'),"
        f" (912, '2026-01-04', 1, '2026-01-01', 1, 1000, 'b');"
        f"ALTER TABLE {table} ATTACH PARTITION {table}_2 FOR VALUES IN ('b')",
    )
    warned = ("01SL2", f"cannot determine the batch of 2 rows in {table}")
    assert warned in noticed(world, "operator", "SELECT pgslo.tick()")
    settle(world, table)
    missed = world.run(
        "superuser",
        "SELECT count(*) FILTER (WHERE m.batch = 'unknown'), count(*) FILTER (WHERE m.batch <> 'unknown')"
        " FROM pgslo_catalog.missed_batch m JOIN pgslo_catalog.rule r USING (rule_id) WHERE r.name = 'a_range' AND m.ended_at IS NULL",
    )
    assert missed == [(1, 1)]
    assert counted(world)["unknown"] == 2
    assert sorted(counted(world).values())[:2] in ([2, 5], [2, 6])
    # Rules about batches say that they do not know; readers are warned of that, and status counts it.
    assert verdicts(world, "filled").pop("unknown") == "unknown"
    assert {verdict for batch, verdict in verdicts(world, "filled").items() if batch != "unknown"} <= {"met"}
    broken = world.run("superuser", "SELECT broken_rules FROM pgslo.status")
    assert broken == [(2,)]
    said = world.run(
        "superuser", "SELECT said FROM pgslo.verdict WHERE rule = 'filled' AND batch = 'unknown'"
    )
    assert said == [("the batch of these rows cannot be determined: its expression raises an error",)]
    if writes == "bulk":
        world.run("writer", f"DELETE FROM {table} WHERE id IN (900, 910, 911)")
        settle(world, table)
        assert "unknown" not in counted(world)
        assert world.run("superuser", "SELECT broken_rules, missed_batches FROM pgslo.status") == [(0, 0)]


@pytest.mark.parametrize("owner", ["installer", "mallory"])
def test_a_rule_that_reads_rows_of_a_batch_finds_those_of_the_others(world, owner):
    table, _ = prepare(world, "cast", owner=owner)
    world.run("writer", f"INSERT INTO {table} VALUES (800, '2026-01-06', 1, '2026-01-01', 1, 3, 'a')")
    settle(world, table)
    assert verdicts(world, "rising") == {"2026-01-06": "missed"}


def test_a_row_that_raises_is_judged_again_after_an_error_of_the_moment(world):
    """A rule that looks rows up finds its table locked; tick() judges the rows, those of the unknown batch as well."""
    by, raising = EXPRESSIONS["cast"]
    world.run(
        "installer",
        PARTITIONED.format(table="features.ex")
        + "CREATE TABLE features.parts (part text PRIMARY KEY); GRANT USAGE ON SCHEMA features TO $writer",
    )
    world.apply(
        DEFINITION.format(table="features.ex", writes="bulk", by=by)
        + "  part: [references: {table: features.parts, column: part, on_breach: flag, name: known}]\n"
    )
    blocker = world.session("installer")
    blocker.execute("BEGIN; LOCK TABLE features.parts IN ACCESS EXCLUSIVE MODE")
    writer = world.session("writer")
    writer.execute("SET lock_timeout = '20ms'")
    writer.execute(
        f"INSERT INTO features.ex VALUES {row(1, raising)}, (2, '2026-01-02', 1, '2026-01-01', 1, 2, 'a')".encode()
    )
    blocker.execute("ROLLBACK")
    settle(world, "features.ex")
    missed = "SELECT m.batch FROM pgslo_catalog.missed_batch m JOIN pgslo_catalog.rule r USING (rule_id) WHERE r.name = 'known' ORDER BY 1"
    assert world.run("superuser", missed) == [("2026-01-02",), ("unknown",)]
