"""A row for which the expression of a statistic raises an error silences that statistic alone."""

from __future__ import annotations

import pytest

TABLE = """
CREATE TABLE features.ex (id int PRIMARY KEY, day date, t text, n int);
CREATE INDEX ON features.ex (day);
GRANT ALL ON features.ex TO $writer;
"""
DEFINITION = """
table: features.ex
key: [id]
writes: {writes}
batch: {{by: day}}
watch: false
readers: [$reader]
columns:
  n:
    - statistic: {{of: mean, max: 10, name: mean_all}}
    - statistic: {{of: mean, max: 10, where: "t::int > 0", name: mean_some}}
    - statistic: {{of: stddev, max: 1, where: "n > 0", name: spread}}
    - statistic: {{of: median, max: 10, name: middle}}
  t:
    - completeness: {{min: 0.5, where: "n > 0", name: filled}}
    - completeness: {{min: 0.5, where: "t::int <> 0 OR n > 0", name: filled_some}}
rules:
  - counted_some: {{row_count: {{max: 1}}, where: "t::int > 0"}}
  - counted: {{row_count: {{max: 1}}, where: "n > 0"}}
"""
MET = {
    "mean_all": "met",
    "mean_some": "met",
    "spread": "met",
    "middle": "met",
    "filled": "met",
    "filled_some": "met",
    "counted_some": "missed",
    "counted": "missed",
}
#: Of a batch of large numbers with a row whose text is no number.
RAISING = {
    "mean_all": "missed",
    "mean_some": "unknown",
    "spread": "missed",
    "middle": "missed",
    "filled": "met",
    "filled_some": "unknown",
    "counted_some": "unknown",
    "counted": "missed",
}

COUNTED = "SELECT name, rows, tallies FROM pgslo_catalog.batch ORDER BY name"


def verdicts(world, day: str) -> dict[str, str]:
    world.run("operator", f"SELECT pgslo.close_batch('features.ex', '{day}')")
    return dict(world.run("installer", f"SELECT rule, verdict FROM pgslo.verdict WHERE batch = '{day}'"))


def breaks(world) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = world.run(
        "superuser",
        "SELECT r.name, b.batch FROM pgslo_catalog.rule_break b LEFT JOIN pgslo_catalog.rule r USING (rule_id) ORDER BY 1, 2",
    )
    return found


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_a_row_that_raises_silences_one_statistic_until_it_is_corrected(world, writes):
    world.run("installer", TABLE)
    world.apply(DEFINITION.format(writes=writes))
    world.run("writer", "INSERT INTO features.ex VALUES (1, '2026-01-01', '1', 5), (2, '2026-01-01', '2', 5)")
    verdicts(world, "2026-01-01")
    # Of another day in the same statement, one that raises for no row.
    world.run(
        "writer",
        "INSERT INTO features.ex SELECT n, '2026-01-02', '1', 500 * (n - 9) FROM generate_series(10, 15) n;"
        "INSERT INTO features.ex VALUES (16, '2026-01-02', 'x', 500), (17, '2026-01-02', '1', 900), (3, '2026-01-01', '2', 5)",
    )
    assert verdicts(world, "2026-01-02") == RAISING
    assert verdicts(world, "2026-01-01") == MET
    said = world.run(
        "installer", "SELECT said FROM pgslo.verdict WHERE batch = '2026-01-02' AND rule = 'mean_some'"
    )
    assert said == [("the expression of the rule raises an error for 1 row",)]
    # Readers of the column are warned of the batch; tick() does not take them for evaluated.
    unknown = [(rule, "2026-01-02") for rule, verdict in sorted(RAISING.items()) if verdict == "unknown"]
    world.run("operator", "SELECT pgslo.tick()")
    assert breaks(world) == unknown
    assert {code for code, _ in warnings(world, "SELECT n FROM guarded.ex")} == {"01SL1", "01SL2"}
    # A second row that raises, and then neither of them any more.
    world.run("writer", "INSERT INTO features.ex VALUES (18, '2026-01-02', 'y', 500)")
    assert verdicts(world, "2026-01-02") == RAISING
    world.run("writer", "DELETE FROM features.ex WHERE id = 18; DELETE FROM features.ex WHERE id = 11")
    assert verdicts(world, "2026-01-02") == RAISING
    world.run("writer", "UPDATE features.ex SET t = '3' WHERE id = 16")
    world.run("writer", "UPDATE features.ex SET n = 5 WHERE day = '2026-01-02'")
    assert verdicts(world, "2026-01-02") == MET
    assert breaks(world) == []


def warnings(world, statement: str) -> list[tuple[str, str]]:
    session = world.session("reader")
    found: list[tuple[str, str]] = []
    session.add_notice_handler(lambda said: found.append((said.sqlstate, said.message_primary)))
    session.execute(statement.encode())
    return found


def test_a_row_rule_that_raises_for_a_removed_row_silences_no_statistic(world):
    world.run("installer", TABLE)
    world.apply(
        """
        table: features.ex
        key: [id]
        writes: bulk
        batch: {by: day}
        watch: false
        columns:
          n:
            - statistic: {of: mean, max: 10, name: mean_all}
        rules:
          - number: {expression: "t::int > 0", on_breach: flag}
        """
    )
    world.run(
        "writer",
        "INSERT INTO features.ex VALUES (1, '2026-01-02', 'x', 500), (2, '2026-01-02', '1', 500);"
        "DELETE FROM features.ex WHERE id = 1",
    )
    assert verdicts(world, "2026-01-02")["mean_all"] == "missed"


def test_the_expression_of_a_statistic_selects_the_same_rows_in_every_session(world):
    world.run("installer", TABLE)
    world.apply(
        """
        table: features.ex
        key: [id]
        writes: bulk
        batch: {by: day}
        watch: false
        columns:
          n:
            - statistic: {of: sum, max: 10, name: total, where: "t::date = day"}
        """
    )
    session = world.session("writer")
    session.execute("SET datestyle = 'DMY'")
    session.execute("INSERT INTO features.ex VALUES (1, '2001-02-03', '01-02-03', 500)")
    session.execute("INSERT INTO features.ex VALUES (2, '2001-02-03', '01-02-03', 5)")
    session.execute("UPDATE features.ex SET n = 6 WHERE id = 2")
    assert verdicts(world, "2001-02-03") == {"total": "missed"}
    session.execute("DELETE FROM features.ex WHERE id = 1")
    assert verdicts(world, "2001-02-03") == {"total": "met"}


def test_a_load_with_such_a_row_is_counted_batch_by_batch(world):
    world.run("installer", TABLE)
    world.apply(DEFINITION.format(writes="bulk"))
    world.run(
        "writer",
        """INSERT INTO features.ex SELECT n, '2026-01-01'::date + n % 3, CASE n WHEN 5000 THEN 'x' ELSE '1' END, 5
           FROM generate_series(1, 9000) n""",
    )
    for day, verdict in (("2026-01-01", "met"), ("2026-01-03", "unknown"), ("2026-01-02", "met")):
        found = verdicts(world, day)
        assert (found["mean_some"], found["mean_all"], found["middle"]) == (verdict, "met", "met"), day
    assert breaks(world) == [(name, "2026-01-03") for name in ("counted_some", "filled_some", "mean_some")]
    # From the table itself.
    before = world.run("superuser", COUNTED)
    assert len(before) == 3
    world.run("superuser", "UPDATE pgslo_catalog.fragment SET tallies = '{}'")
    world.run("superuser", "SELECT pgslo_catalog.recount_batches(d, NULL) FROM pgslo_catalog.definition d")
    assert world.run("superuser", COUNTED) == before


def test_a_column_that_is_gone_is_still_reported_as_a_broken_rule(world):
    world.run("installer", TABLE)
    world.apply(DEFINITION.format(writes="bulk").replace("watch: false\n", ""))
    world.run("installer", "DROP VIEW guarded.ex; ALTER TABLE features.ex RENAME COLUMN t TO u")
    world.run("writer", "INSERT INTO features.ex VALUES (1, '2026-01-01', '1', 5)")
    assert breaks(world) != []
    found = verdicts(world, "2026-01-01")
    assert (found["mean_all"], found["counted"]) == ("unknown", "unknown")
