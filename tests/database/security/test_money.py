"""Money that a writer prints by a locale of theirs is kept, compared and read back as it was."""

from __future__ import annotations

import psycopg
import pytest

from pgslo.errors import PgsloError

#: Locales with a comma before the cents, as servers on Linux, on macOS and with ICU may have them.
LOCALES = ("es_CL.UTF-8", "de_DE.UTF-8", "es_CL.utf8", "de_DE.utf8", "es_ES.UTF-8", "fr_FR.UTF-8", "de_DE")
TABLE = "CREATE TABLE features.t ({key}, d date, m money, a int, b int); GRANT INSERT, SELECT, UPDATE ON features.t TO $writer"
RULE = "{{table: features.t, key: [{key}], batch: {{by: d}}, columns: {{a: [range: {{max: 100, on_breach: quarantine}}]}}}}"


@pytest.fixture
def writer(world):
    """A session of the writer in which 12.50 is written with a comma."""
    session = world.session("writer")
    for locale in LOCALES:
        try:
            session.execute(f"SET lc_monetary = '{locale}'".encode())
        except psycopg.errors.InvalidParameterValue:
            continue
        if "12,50" in session.execute("SELECT 12.5::numeric::money::text").fetchone()[0]:
            return session
    return pytest.skip("this server has no locale with a comma before the cents")


def test_a_row_is_released_with_the_amount_that_was_written(world, writer):
    world.run("installer", TABLE.format(key="id int PRIMARY KEY"))
    world.apply(RULE.format(key="id"))
    writer.execute("INSERT INTO features.t VALUES (1, '2026-01-01', 12.5::numeric::money, 999)")
    world.run("steward", """SELECT pgslo.release(1, '{"a": 1}')""")
    assert writer.execute("SELECT m = 12.5::numeric::money, a FROM features.t").fetchall() == [(True, 1)]


def test_the_row_that_was_written_is_released(world, writer):
    """An UPDATE is released by the key that its row had."""
    world.run("installer", TABLE.format(key="m2 money PRIMARY KEY"))
    world.apply(RULE.format(key="m2"))
    writer.execute(
        "INSERT INTO features.t (m2, d, a, b) VALUES (12.5::numeric::money, '2026-01-01', 1, 1), (1250::money, '2026-01-01', 1, 2)"
    )
    writer.execute("UPDATE features.t SET a = 999 WHERE b = 1")
    world.run("steward", """SELECT pgslo.release(1, '{"a": 50}')""")
    assert world.run("superuser", "SELECT b, a FROM features.t ORDER BY b") == [(1, 50), (2, 1)]


def test_no_function_prints_by_the_locale_of_the_session(world):
    """On a server without such a locale as well: what sets how floats are printed sets how money is."""
    printing = """
        SELECT p.proname, EXISTS (SELECT FROM unnest(p.proconfig) AS c (said) WHERE c.said LIKE 'lc_monetary=%C%')
        FROM pg_proc p
        WHERE p.pronamespace IN ('pgslo'::regnamespace, 'pgslo_catalog'::regnamespace)
          AND EXISTS (SELECT FROM unnest(p.proconfig) AS c (said) WHERE c.said LIKE 'extra_float_digits=%')
    """
    found = world.run("superuser", printing)
    assert {name for name, is_set in found if not is_set} == {"float_text"}
    assert {"iso_text", "record_quarantine", "release", "profile_rows"} <= {name for name, _ in found}


def test_money_is_no_batch(world):
    """Its cents are the locale's, and so are the number and the order of batches."""
    world.run("installer", TABLE.format(key="id int PRIMARY KEY"))
    with pytest.raises(PgsloError, match="a batch by a value of type money") as failed:
        world.apply("{table: features.t, key: [id], batch: {by: m}, columns: {a: [range: {max: 100}]}}")
    assert "hint: use numeric, or a date" in str(failed.value)


def test_an_array_with_null_is_released_as_it_was_written(world):
    world.run(
        "installer",
        "CREATE TABLE features.t (id int PRIMARY KEY, d date, s text[], a int); GRANT INSERT ON features.t TO $writer",
    )
    world.apply(RULE.format(key="id"))
    world.run("writer", "INSERT INTO features.t VALUES (1, '2026-01-01', ARRAY['x', NULL], 999)")
    world.run("steward", """SET array_nulls = off; SELECT pgslo.release(1, '{"a": 1}')""")
    assert world.run("superuser", "SELECT s, a FROM features.t") == [(["x", None], 1)]
