"""Settings that change how a text is read, or which rows an index returns, change no verdict."""

from __future__ import annotations

import psycopg
import pytest


@pytest.mark.parametrize(
    ("type_of", "condition", "setting", "value"),
    [
        (
            "text",
            "a::timestamptz <= '2026-01-01 00:00:00+00'",
            "timezone_abbreviations = 'Australia'",
            "'2026-01-01 02:00 EST'",
        ),
        ("text[]", "a <> '{NULL,x}'::text[]", "array_nulls = off", "ARRAY[NULL,'x']"),
        ("text[]", "a <> '{NULL,x}'", "array_nulls = off", "ARRAY[NULL,'x']"),
        ("text[]", "a <> CAST('{NULL,x}' AS text[])", "array_nulls = off", "ARRAY[NULL,'x']"),
    ],
)
@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_a_setting_of_the_writer_lets_no_row_pass(world, type_of, condition, setting, value, writes):
    world.run(
        "installer",
        f"CREATE TABLE features.tab (id int PRIMARY KEY, day date, a {type_of}); GRANT ALL ON features.tab TO $writer",
    )
    world.apply(
        f"""
        table: features.tab
        key: [id]
        writes: {writes}
        batch: {{by: day}}
        watch: false
        rules: [fine: {{expression: "{condition}", on_breach: reject}}]
        """
    )
    for given in ("RESET ALL", f"SET {setting}"):
        # Another session each: one that has planned a condition keeps what it read from its texts.
        session = world.session("writer")
        session.execute(given.encode())
        with pytest.raises(psycopg.errors.CheckViolation):
            session.execute(f"INSERT INTO features.tab VALUES (1, '2026-01-01', {value})".encode())


@pytest.mark.parametrize("who", ["trainer", "operator"])
def test_a_setting_of_tick_hides_no_row_from_a_query(world, who):
    world.run(
        "installer",
        """CREATE TABLE features.tab (id int PRIMARY KEY, day date, tags int[]);
           CREATE INDEX ON features.tab USING gin (tags);
           GRANT ALL ON features.tab TO $writer""",
    )
    world.apply(
        """
        table: features.tab
        key: [id]
        writes: bulk
        batch: {by: day}
        watch: false
        rules:
          - none: {query: "SELECT id FROM features.tab WHERE tags @> ARRAY[1]", on_breach: flag}
        """
    )
    world.run(
        "writer",
        "INSERT INTO features.tab SELECT i, '2026-01-01', ARRAY[1] FROM generate_series(1, 20000) AS i;"
        "INSERT INTO features.tab VALUES (0, '2026-01-02', '{}')",
    )
    world.run("superuser", "VACUUM ANALYZE features.tab")
    session = world.session(who)
    session.execute("SET gin_fuzzy_search_limit = 1")
    session.execute("SET enable_seqscan = off")
    if who == "trainer":
        session.execute("SELECT pgslo.tick()")
    else:
        session.execute("SELECT * FROM pgslo.close_batch('features.tab', '*')")
    # As many as are counted: an index that returns some rows returns one at least.
    assert ("missed", 10000.0) in world.run("superuser", "SELECT verdict, value FROM pgslo.verdict")
