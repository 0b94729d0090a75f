"""Guarded views keep indexes, parallel plans and updates, and a read costs the same after many incidents."""

import pytest
from guarded_example import DEFINITION, TABLE, heard, simple


def plan_of(session, query):
    return "\n".join(session.values(f"EXPLAIN (COSTS off) {query}"))


def test_keys_batches_and_indexed_columns_keep_their_indexes(reader):
    reader.run("SET LOCAL enable_seqscan = off")
    for condition in ("id = 5", "d = 5", "id BETWEEN 3 AND 7", "d IN (1, 2)"):
        plan = plan_of(reader, f"SELECT a FROM guarded.example WHERE {condition}")
        assert "Index Scan" in plan or "Bitmap Index Scan" in plan, plan
        assert "Index Cond" in plan
    assert "Index" in plan_of(reader, "SELECT max(d) FROM guarded.example")


def test_a_task_s_view_has_its_key_and_its_columns_alone(reader):
    assert reader.values(
        "SELECT attname::text FROM pg_attribute WHERE attrelid = 'guarded.churn'::regclass AND attnum > 0 ORDER BY attnum"
    ) == ["id", "c", "a"]
    assert simple(reader, "SELECT a FROM guarded.churn LIMIT 1") == ["a"]
    assert simple(reader, "SELECT c FROM guarded.churn LIMIT 1") == []
    assert simple(reader, "SELECT * FROM guarded.calm LIMIT 1") == []


def test_columns_keep_indexes_and_statistics_while_they_miss_nothing(reader):
    reader.run("CREATE INDEX ON features.example (a); CREATE INDEX ON features.example (e)")
    reader.run("SET LOCAL enable_seqscan = off")
    for view in ("example", "example_strict", "calm"):
        assert "Index Cond: (e = 5)" in plan_of(reader, f"SELECT c FROM guarded.{view} WHERE e = 5")
    # Behind its CASE, until its batch is mended.
    assert "Index Cond" not in plan_of(reader, "SELECT c FROM guarded.churn WHERE a = 5")
    reader.run("DELETE FROM features.example WHERE id = 0")
    reader.run("SELECT pgslo.tick()")
    assert "Index Cond: (a = 5)" in plan_of(reader, "SELECT c FROM guarded.churn WHERE a = 5")


def test_plans_stay_parallel(reader):
    for name in ("parallel_setup_cost", "parallel_tuple_cost", "min_parallel_table_scan_size"):
        reader.run(f"SET LOCAL {name} = 0")
    for query in (
        "SELECT sum(a) FROM $v",
        "SELECT sum(a) FROM $v WHERE a > 5 AND b > 5",
        "SELECT c, count(*) FROM $v GROUP BY c",
    ):
        assert "Gather" in plan_of(reader, query.replace("$v", "features.example"))
        assert "Gather" in plan_of(reader, query.replace("$v", "guarded.example")), query
    outcome = reader.run("SELECT sum(a) FROM guarded.example WHERE a > 5")
    # Each process says it that reaches such a row.
    assert set(heard(outcome)) == {"a"}


def test_views_can_be_written_through(reader):
    """Without a CASE, a view is still automatically updatable."""
    reader.run("INSERT INTO guarded.example (id, day, c) VALUES (-7, '2026-11-20', 'x')")
    reader.run("UPDATE guarded.churn SET c = 'y' WHERE id = -7")
    assert reader.run("SELECT day::text, c FROM features.example WHERE id = -7").rows == (
        ("2026-11-20", "y"),
    )
    assert reader.refused("UPDATE guarded.churn SET a = 2 WHERE id = -7").sqlstate == "0A000"
    reader.run("DELETE FROM guarded.churn WHERE id = -7")


def test_nothing_is_written_by_a_read(reader):
    reader.run("SET LOCAL transaction_read_only = on")
    for view in ("example", "churn", "example_status"):
        reader.run(f"SELECT * FROM guarded.{view} LIMIT 1")


@pytest.mark.slow
def test_a_read_costs_the_same_after_many_incidents(reader):
    reader.run(
        """INSERT INTO pgslo_catalog.incident (definition_id, rule_id, opened_batch, opened_place, over_at, resolved_at, resolution)
           SELECT r.definition_id, r.rule_id, 'old', n, now(), now(), 'met' FROM pgslo_catalog.rule r, generate_series(1, 5000) AS n"""
    )
    reader.run(
        """INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows)
           SELECT d.definition_id, 'old ' || n, n, 1000 FROM pgslo_catalog.definition d, generate_series(1, 20000) AS n"""
    )
    reader.run("ANALYZE pgslo_catalog.fragment, pgslo_catalog.incident")
    read = "SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::int FROM pg_stat_xact_user_tables WHERE relname IN ('fragment', 'incident')"
    (before,) = reader.values(read)
    for _ in range(5):
        assert simple(reader, "SELECT a FROM guarded.example WHERE id = 1") == ["a"]
    (after,) = reader.values(read)
    assert (after - before) / 5 < 60


def test_many_statements_and_batches_are_told_in_bounded_time(session):
    session.run(f"CREATE TABLE features.example ({TABLE})")
    session.guard(DEFINITION.replace("writes: bulk", "writes: stream"))
    for day in range(1, 4):
        session.run(f"INSERT INTO features.example VALUES ({day}, '2026-11-0{day}', 999999, 0, 'c', 0, 0)")
    (said,) = session.run("SELECT a FROM guarded.example LIMIT 1").notices
    assert said.detail.startswith("Batch 2026-11-03: 1 row fails; expected: a of at most 100000. Since ")
    assert said.detail.endswith(", 3 batches.")
    session.run(
        """INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows, failures)
           SELECT f.definition_id, f.batch, f.place, 0, f.failures FROM pgslo_catalog.fragment f, generate_series(1, 7000) AS n"""
    )
    session.run(
        """INSERT INTO pgslo_catalog.missed_batch (definition_id, rule_id, definition, about, batch, place)
           SELECT m.definition_id, m.rule_id, m.definition, m.about, '2000-01-01'::date + n, n
           FROM (SELECT * FROM pgslo_catalog.missed_batch ORDER BY place DESC LIMIT 1) m, generate_series(1, 997) AS n"""
    )
    session.run("ANALYZE pgslo_catalog.fragment")
    read = "SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::int FROM pg_stat_xact_user_tables WHERE relname = 'fragment'"
    session.run("SET LOCAL enable_seqscan = off")  # the history of this table is short
    (before,) = session.values(read)
    (said,) = session.run("SELECT a FROM guarded.example WHERE id = 3").notices
    (after,) = session.values(read)
    assert said.detail.startswith("Batch 2026-11-03: at least 5001 rows fail;")
    assert said.detail.endswith(", 1,000 batches.")
    assert after - before < 6000
    assert session.run("SELECT a FROM guarded.example WHERE day = '2026-12-01'").notices == ()
    # Beyond a thousand, rows are not told apart: every key would be in every plan.
    session.run(
        """INSERT INTO pgslo_catalog.missed_batch (definition_id, rule_id, definition, about, batch, place)
           SELECT m.definition_id, m.rule_id, m.definition, m.about, '1999-01-01', 1
           FROM (SELECT * FROM pgslo_catalog.missed_batch ORDER BY place DESC LIMIT 1) m"""
    )
    session.run("INSERT INTO features.example VALUES (9, '2026-12-01', 1, 0, 'c', 0, 0)")
    assert heard(session.run("SELECT a FROM guarded.example WHERE day = '2026-12-01'")) == ["a"]
