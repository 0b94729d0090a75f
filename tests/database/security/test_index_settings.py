"""No look-up of a write trigger misses rows because its session has an index return only some of them."""

from __future__ import annotations

import psycopg
import pytest

TABLES = """
CREATE TABLE features.ex (id int PRIMARY KEY, day date, tags int[], grp int);
CREATE TABLE features.tag (tags int[]);
CREATE INDEX ex_plain ON features.ex (tags);
CREATE INDEX tag_plain ON features.tag (tags);
GRANT ALL ON features.ex, features.tag TO $writer;
"""
DEFINITION = """
table: features.ex
key: [id]
writes: WRITES
batch: {by: day}
watch: false
rules:
  - once: {unique: [tags], on_breach: quarantine, where: "grp IN (0, 1)"}
  - once_noted: {unique: [tags], on_breach: flag, where: "grp IN (0, 2)"}
  - known: {references: {columns: [tags], table: features.tag, to: [tags]}, on_breach: reject, where: "grp = 3"}
assertions:
  - few: {count: {max: 20100}, where: "tags @> ARRAY[1, 2]", on_breach: reject}
"""


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_a_gin_index_hides_no_row_from_a_trigger(world, writes):
    world.run("installer", TABLES)
    world.apply(DEFINITION.replace("WRITES", writes))
    # Keys long enough that an index has a tree of rows for each: only of these does PostgreSQL return some rows.
    world.run(
        "installer",
        """
        DROP INDEX features.ex_plain, features.tag_plain;
        CREATE INDEX ON features.ex USING gin (tags);
        CREATE INDEX ON features.tag USING gin (tags);
        INSERT INTO features.tag SELECT ARRAY[1, 2] FROM generate_series(1, 20000);
        ALTER TABLE features.ex DISABLE TRIGGER USER;
        INSERT INTO features.ex SELECT n, '2026-01-01', ARRAY[1, 2], 0 FROM generate_series(1, 20000) n;
        ALTER TABLE features.ex ENABLE TRIGGER USER;
        """,
    )
    world.run("superuser", "VACUUM ANALYZE features.ex")
    world.run("superuser", "VACUUM ANALYZE features.tag")
    session = world.session("writer")
    session.execute("SET gin_fuzzy_search_limit = 1")
    session.execute("SET enable_seqscan = off")
    found = session.execute("SELECT count(*) FROM features.ex WHERE tags = ARRAY[1, 2]").fetchone()
    assert found is not None
    assert found[0] < 1000
    session.execute("INSERT INTO features.ex VALUES (100001, '2026-01-02', ARRAY[1, 2], 1)")
    assert world.run("superuser", "SELECT count(*) FROM pgslo.quarantine") == [(1,)]
    session.execute("INSERT INTO features.ex VALUES (100002, '2026-01-02', ARRAY[1, 2], 2)")
    assert world.run(
        "superuser", "SELECT failures FROM pgslo_catalog.fragment WHERE failures IS NOT NULL"
    ) == [({"once_noted": 1},)]
    session.execute("INSERT INTO features.ex VALUES (100003, '2026-01-02', ARRAY[1, 2], 3)")
    with pytest.raises(psycopg.errors.CheckViolation, match="few"):
        session.execute(
            "INSERT INTO features.ex SELECT n, '2026-01-02', ARRAY[1, 2], 9 FROM generate_series(200001, 200101) n"
        )
