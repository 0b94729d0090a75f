"""Settings of a session change no stored value, no verdict and no refusal."""

from __future__ import annotations

import psycopg
import pytest

PRED = """
CREATE TABLE features.pred (id int PRIMARY KEY, d date, mv text, at timestamptz, score float8, late boolean, raw_score float8,
    trail text[]);
GRANT SELECT, INSERT, UPDATE ON features.pred TO $writer;
"""
PRED_DEFINITION = """
table: features.pred
kind: predictions
batch: {by: d}
key: [id]
predictions: {score: score, class: late, model: mv, at: at}
post_process:
  raw: raw_score
  trail: trail
  steps:
    - default: 0.2
    - clip: [0, 1]
    - threshold: {at: 0.5, above: true, below: false}
readers: [$reader]
"""
GIVEN = "INSERT INTO features.pred (id, d, mv, at, score) VALUES (1, '2026-01-01', 'm1', '2026-01-01 00:00+00', {})"
UPSERT = GIVEN.replace("VALUES", "VALUES") + " ON CONFLICT (id) DO UPDATE SET score = excluded.score"
FORGED = ("x", "{", "{a,b}", "(", "(1)", "(99999999999,1)fn", "()", "{}", "null", "1 2 3 4 5", "'")


def predictions(world):
    world.run("installer", PRED)
    world.apply(PRED_DEFINITION)
    return world.session("writer")


def stored(world):
    return world.run("superuser", "SELECT score, late, raw_score FROM features.pred WHERE id = 1")


def failed(world):
    return world.run("superuser", "SELECT count(*) FROM features.pred WHERE 'failed' = ANY (trail)")


def test_a_setting_that_cannot_be_read_counts_as_not_set(world):
    writer = predictions(world)
    writer.execute(GIVEN.format(0.3))
    for forged in FORGED:
        writer.execute("SELECT set_config('pgslo.sent', %s, false)", (forged,))
        writer.execute("UPDATE features.pred SET score = 7 WHERE id = 1")
        assert stored(world) == [(1.0, True, 7.0)], forged
        writer.execute(UPSERT.format(-3))
        assert stored(world) == [(0.0, False, -3.0)], forged
    assert failed(world) == [(0,)]
    assert world.run("superuser", "SELECT count(*) FROM pgslo_catalog.rule_break") == [(0,)]


def test_on_conflict_keeps_what_the_model_gave_to_the_last_digit(world):
    writer = predictions(world)
    for setting in ("extra_float_digits = -15", "extra_float_digits = 0", "extra_float_digits = 3"):
        writer.execute(f"SET {setting}".encode())
        for score in ("0.1234567890123456", "7.0000000000000009", "NULL", "'NaN'"):
            writer.execute(UPSERT.format(0.9))
            writer.execute(UPSERT.format(score))
            again = world.run(
                "superuser", f"SELECT raw_score IS NOT DISTINCT FROM {score}::float8 FROM features.pred"
            )
            assert again == [(True,)], (setting, score)


def test_a_setting_that_can_be_read_gives_the_writer_nothing_to_write_that_an_update_does_not(world):
    writer = predictions(world)
    writer.execute(GIVEN.format(0.3))
    for given in ("0.9", "7", "null", "abc", "", "1e999"):
        writer.execute(
            """
            UPDATE features.pred SET score = 0.5 FROM (
                SELECT set_config('pgslo.sent', concat_ws(' ', 'features.pred'::regclass::oid,
                    extract(epoch FROM statement_timestamp()), '0.5', %s::text, '(id) = (1)'), false) OFFSET 0
            ) AS s WHERE id = 1 AND s IS NOT NULL
            """,
            (given,),
        )
        ((score, late, raw),) = stored(world)
        writer.execute("UPDATE features.pred SET score = 0.4 WHERE id = 1")
        writer.execute("UPDATE features.pred SET score = %s WHERE id = 1", (raw,))
        assert stored(world) == [(score, late, raw)], given
    assert failed(world) == [(0,)]


def test_a_forged_note_of_touched_rows_neither_fails_a_write_nor_lets_one_through(world):
    world.run(
        "installer",
        "CREATE TABLE features.sal (id int PRIMARY KEY, grp text, s int); CREATE INDEX ON features.sal (grp);"
        "GRANT SELECT, INSERT, UPDATE ON features.sal TO $writer",
    )
    world.apply(
        "{table: features.sal, batch: statement, key: [id], assertions: [few: {count: {max: 1}, group_by: grp, on_breach: reject}]}"
    )
    writer = world.session("writer")
    insert = "INSERT INTO features.sal SELECT %s, %s, 1"
    writer.execute(insert, (0, "taken"))
    for n, forged in enumerate(FORGED, start=1):
        writer.execute("SELECT set_config('pgslo.touched', %s, false)", (forged,))
        writer.execute(
            "INSERT INTO features.sal SELECT 100 * %s + g, %s || g, 1 FROM generate_series(1, 2) g",
            (n, f"a{n}"),
        )
        writer.execute(insert, (100 * n + 3, f"b{n}"))
        with writer.transaction():
            writer.execute(insert, (100 * n + 4, f"c{n}"))
            writer.execute(insert, (100 * n + 5, f"d{n}"))
        with pytest.raises(psycopg.errors.CheckViolation):
            writer.execute(insert, (100 * n + 6, "taken"))
        with pytest.raises(psycopg.errors.CheckViolation):
            write_and_forge(writer, n, forged)


def write_and_forge(writer, n: int, forged: str) -> None:
    with writer.transaction():
        writer.execute("INSERT INTO features.sal SELECT %s, %s, 1", (100 * n + 7, f"e{n}"))
        writer.execute("SELECT set_config('pgslo.touched', %s, true)", (forged,))
        writer.execute("INSERT INTO features.sal SELECT %s, 'taken', 1", (100 * n + 8,))


ZONED = """
CREATE TABLE features.z (id int PRIMARY KEY, day date, ts timestamptz, c text, f float8, other timestamptz, seen timestamptz);
GRANT SELECT, INSERT, UPDATE, DELETE ON features.z TO $writer;
"""
SESSIONS = (
    "timezone = 'UTC'",
    "timezone = 'Etc/GMT-12'",
    "datestyle = 'DMY'",
    "datestyle = 'SQL, MDY'",
    "intervalstyle = 'iso_8601'",
    "extra_float_digits = -15",
    "transform_null_equals = on",
)
#: A condition, and values of ``day``, ``ts``, ``c`` and ``f`` that meet it or not in every session.
CONDITIONS = (
    ("ts::date = day", "'2026-01-02', '2026-01-01 20:00+00', NULL, NULL", False),
    ("ts::date = day", "'2026-01-01', '2026-01-01 20:00+00', NULL, NULL", True),
    ("c::date = day", "'2026-01-02', NULL, '01/02/2026', NULL", False),
    ("c::date = day", "'2026-01-02', NULL, '2026-01-02', NULL", True),
    ("date_trunc('day', ts) = ts", "NULL, '2026-01-01 00:00+00', NULL, NULL", True),
    ("date_trunc('day', ts) = ts", "NULL, '2026-01-01 12:00+00', NULL, NULL", False),
    ("extract(hour FROM ts) < 12", "NULL, '2026-01-01 11:00+00', NULL, NULL", True),
    ("ts >= day", "'2026-01-01', '2025-12-31 23:00+00', NULL, NULL", False),
    ("ts > '2026-01-01 00:00:00'", "NULL, '2026-01-01 01:00+00', NULL, NULL", True),
    ("(ts - seen)::text = '1 day'", "NULL, '2026-01-02 00:00+00', NULL, NULL", True),
    ("f::text = '0.1234567890123456'", "NULL, NULL, NULL, 0.1234567890123456", True),
    ("c IS NOT NULL OR (f = NULL) IS NULL", "NULL, NULL, NULL, NULL", True),
)


def judged(world, statement: str, setting: str) -> bool:
    """Whether the row is accepted."""
    session = world.session("writer")
    session.execute(f"SET {setting}".encode())
    try:
        session.execute(statement.encode())
    except psycopg.errors.CheckViolation:
        return False
    finally:
        world.run("superuser", "DELETE FROM features.z")
        session.close()
    return True


def z(world, condition: str, how: str) -> None:
    world.apply(
        f"""
        table: features.z
        key: [id]
        {how}
        watch: false
        rules: [same: {{expression: "{condition}", on_breach: reject}}]
        """
    )


@pytest.mark.parametrize("how", ["writes: stream", "writes: bulk\n        batch: {by: day}"])
def test_a_condition_gives_the_same_verdict_in_every_session(world, how):
    world.run("installer", ZONED)
    for condition, values, passes in CONDITIONS:
        z(world, condition, how)
        insert = (
            f"INSERT INTO features.z (id, day, ts, c, f, seen) VALUES (1, {values}, '2026-01-01 00:00+00')"
        )
        for setting in SESSIONS:
            assert judged(world, insert, setting) is passes, (condition, values, setting)


def settings_of(world) -> list[tuple[str, bool]]:
    """The settings of each generated function beside those that every one has."""
    return world.run(
        "superuser",
        """
        SELECT p.proname, EXISTS (SELECT FROM unnest(p.proconfig) AS c (one) WHERE c.one ILIKE 'timezone=%')
        FROM pg_proc p WHERE p.pronamespace = 'pgslo_gen'::regnamespace AND p.proname ~ '(written|quarantine|repair)'
        ORDER BY 1
        """,
    )


def test_functions_without_such_a_condition_do_not_pay_for_it(world):
    world.run("installer", ZONED)
    z(world, "ts IS NULL OR other IS NULL OR ts >= other", "writes: stream")
    assert settings_of(world) == [("features__z__row_written", False)]
    z(world, "f BETWEEN 0 AND 1 AND c <> 'x' AND length(c) < 100", "writes: stream")
    assert settings_of(world) == [("features__z__row_written", False)]
    z(world, "ts::date = day", "writes: stream")
    assert settings_of(world) == [("features__z__row_written", True)]


def test_rows_are_quarantined_repaired_and_put_into_batches_alike_in_every_session(world):
    world.run("installer", ZONED)
    world.apply(
        """
        table: features.z
        key: [id]
        writes: bulk
        batch: {by: "ts::date"}
        watch: false
        columns:
          c: [repair: {expression: "coalesce(c, ts::text)", name: c_repair}]
        rules:
          - on_day: {expression: "ts::date = day", on_breach: quarantine}
          - noon: {expression: "extract(hour FROM ts) < 12", on_breach: flag}
        """
    )
    for setting in SESSIONS:
        session = world.session("writer")
        session.execute(f"SET {setting}".encode())
        session.execute(
            "INSERT INTO features.z (id, day, ts) VALUES (1, '2026-01-01', '2026-01-01 20:00+00'), (2, '2026-01-02', '2026-01-01 20:00+00')"
        )
        assert world.run("superuser", "SELECT id, c FROM features.z") == [(1, "2026-01-01 20:00:00+00")], (
            setting
        )
        assert world.run("superuser", "SELECT count(*) FROM pgslo.quarantine") == [(1,)], setting
        assert world.run("superuser", "SELECT batch, failures FROM pgslo_catalog.fragment") == [
            ("2026-01-01", {"noon": 1})
        ], setting
        world.run(
            "superuser",
            "TRUNCATE features.z; DELETE FROM pgslo_catalog.quarantine; DELETE FROM pgslo_catalog.fragment",
        )
        session.close()
