"""A batch at infinity is reported like any other, and one row of it, or of a date later than any time stamp, stops nothing."""

from __future__ import annotations

import psycopg
import pytest
from nightly import NIGHTLY

TABLE = "CREATE TABLE features.{name} (id int PRIMARY KEY, at {kind}, a int{wide}); GRANT ALL ON features.{name} TO $writer"
DEFINITION = """
table: features.{name}
owner: sam
writes: {writes}
key: [id]
batch: {{by: at{every}}}
readers: [$reader]
columns:
  a: [range: {{min: 0, on_breach: warn}}]
{wide}tasks:
  job: {{reads: [a], view: guarded.{name}_refusing, on_read: refuse}}
"""
#: By day the two that differ most.
KINDS = ("date", "timestamp", "timestamptz") if NIGHTLY else ("date", "timestamptz")
SPANS = ("", "1 hour", "7 days")
#: Later than any time stamp.
FAR = "5874897-12-31"


def make(world, name, kind, writes, span="1 hour", *, is_wide=False):
    columns = [f"w{n}" for n in range(100)] if is_wide else []
    world.run(
        "installer", TABLE.format(name=name, kind=kind, wide="".join(f", {one} int" for one in columns))
    )
    world.apply(
        DEFINITION.format(
            name=name,
            writes=writes,
            every=span and f", every: {span}",
            wide="".join(f"  {one}: [range: {{min: 0}}]\n" for one in columns),
        )
    )


def read(world, query):
    """The rows, and whether the reader was warned; or the SQLSTATE of the refusal."""
    session = world.session("reader")
    heard: list[str] = []
    session.add_notice_handler(lambda said: heard.append(said.sqlstate))
    try:
        rows = session.execute(query.encode()).fetchall()
    except psycopg.Error as error:
        return error.sqlstate
    finally:
        session.close()
    assert set(heard) <= {"01SL1"}
    return sorted(rows), bool(heard)


@pytest.mark.slow
@pytest.mark.parametrize("is_wide", [False, True])
@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_a_missed_batch_at_infinity_is_told(world, subtests, writes, is_wide):
    for kind in KINDS:
        for number, span in enumerate(SPANS if not is_wide else SPANS[1:2]):
            name = f"t_{kind}_{number}"
            make(world, name, kind, writes, span, is_wide=is_wide)
            world.run(
                "writer",
                f"""INSERT INTO features.{name} VALUES (1, 'infinity', -1), (2, 'infinity', 1), (3, '-infinity', -1), (4, '2026-01-01', 1)""",
            )
            for _ in range(2):
                with subtests.test(name):
                    for row, is_missed in ((1, True), (2, True), (3, True), (4, False)):
                        got = read(world, f"SELECT id FROM guarded.{name} WHERE id = {row} AND a IS NOT NULL")
                        assert got == ([(row,)], is_missed)
                        got = read(world, f"SELECT count(a) FROM guarded.{name}_refusing WHERE id = {row}")
                        assert got == ("SL001" if is_missed else ([(1,)], False))
                    assert read(world, f"SELECT a FROM guarded.{name}_strict") == "SL001"
                    assert read(world, f"SELECT id FROM guarded.{name}_healthy") == ([(4,)], False)
                world.run("operator", "SELECT pgslo.tick()")


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_a_batch_at_infinity_is_counted_from_its_rows(world, subtests, writes):
    """An interval after infinity ends at infinity: its rows are found when the batch is counted again."""
    for kind in KINDS:
        make(world, f"c_{kind}", kind, writes)
        world.run(
            "writer",
            f"INSERT INTO features.c_{kind} VALUES (1, 'infinity', -1), (2, 'infinity', -1), (3, '-infinity', -1), (4, '-infinity', 1)",
        )
        world.run("operator", "SELECT pgslo.tick()")
        world.run("writer", f"DELETE FROM features.c_{kind} WHERE id IN (2, 4)")
        world.run("writer", f"UPDATE features.c_{kind} SET id = id")
    # A streamed table knows no batch without a place.
    for batch in ("infinity", "-infinity") if writes == "bulk" else ():
        for kind in KINDS:
            world.run("operator", f"SELECT * FROM pgslo.close_batch('features.c_{kind}', '{batch}')")
    world.run("operator", "SELECT pgslo.tick()")
    for kind in KINDS:
        with subtests.test(kind):
            known = world.run(
                "superuser",
                f"SELECT b.name, b.rows FROM pgslo_catalog.batch b JOIN pgslo_catalog.definition d USING (definition_id) WHERE d.name = 'features.c_{kind}' ORDER BY 1",
            )
            if writes == "bulk":
                assert known == [("-infinity", 1), ("infinity", 1)]
            assert all(rows > 0 for _, rows in known)
            assert read(world, f"SELECT a FROM guarded.c_{kind} WHERE id = 1") == ([(-1,)], True)
            assert read(world, f"SELECT a FROM guarded.c_{kind} WHERE id = 3") == ([(-1,)], True)


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_a_good_row_of_any_date_stops_no_read(world, writes, span):
    make(world, "far", "date", writes, span)
    world.run(
        "writer",
        "INSERT INTO features.far VALUES (1, 'infinity', -1), (2, '2026-01-01', 1), (3, '2026-02-02', -1)",
    )
    world.run(
        "writer",
        f"INSERT INTO features.far VALUES (4, '{FAR}', 1), (5, '294276-12-31', 1), (6, '4714-11-24 BC', 1)",
    )
    for _ in range(2):
        # Where dates are cut into intervals, one later than any time stamp is of the batch at infinity, which is missed.
        shown = [2, 5, 6] if span else [2, 4, 5, 6]
        assert read(world, "SELECT id FROM guarded.far_healthy") == ([(one,) for one in shown], False)
        for view in ("far_healthy", "far"):
            for row in (2, 5, 6):
                assert read(world, f"SELECT a FROM guarded.{view} WHERE id = {row}") == ([(1,)], False)
        assert read(world, "SELECT count(a) FROM guarded.far") == ([(6,)], True)
        assert read(world, "SELECT a FROM guarded.far WHERE id = 4") == ([(1,)], bool(span))
        world.run("operator", "SELECT pgslo.tick()")


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_a_bad_row_of_any_date_is_told(world, writes):
    make(world, "far", "date", writes)
    world.run(
        "writer", f"INSERT INTO features.far VALUES (1, '{FAR}', -1), (2, '{FAR}', -1), (3, '2026-01-01', 1)"
    )
    for _ in range(2):
        assert world.run(
            "superuser", "SELECT batch FROM pgslo_catalog.missed_batch WHERE ended_at IS NULL"
        ) == [("infinity",)]
        assert read(world, "SELECT a FROM guarded.far WHERE id = 1") == ([(-1,)], True)
        assert read(world, "SELECT a FROM guarded.far WHERE id = 3") == ([(1,)], False)
        assert read(world, "SELECT id FROM guarded.far_healthy") == ([(3,)], False)
        world.run("writer", "DELETE FROM features.far WHERE id = 2")
        if writes == "bulk":
            world.run("operator", "SELECT * FROM pgslo.close_batch('features.far', 'infinity')")
        world.run("operator", "SELECT pgslo.tick()")


#: The key's type, its batch, a key of day or number ``n``, and keys that have no place among the others.
STREAMS = {
    "date": ("date", "{by: at}", "current_date - 10 + {n}", ("'infinity'", "'-infinity'")),
    "cut date": ("date", "{by: at, every: 1 day}", "current_date - 10 + {n}", ("'infinity'", f"'{FAR}'")),
    "timestamptz": ("timestamptz", "{by: at, every: 1 day}", "current_date - 10 + {n}", ("'infinity'",)),
    "numeric": ("numeric", "{by: at}", "{n}", ("'NaN'",)),
    "real": ("real", "{by: at}", "{n}", ("'Infinity'", "'NaN'")),
    "expression": ("date", "{by: at + 1}", "current_date - 10 + {n}", ("'infinity'",)),
}


@pytest.mark.parametrize("key", STREAMS)
def test_batches_of_a_stream_are_evaluated_however_late_another_row_is(world, key):
    """The newest batch is found by the greatest key: one good row without a place would hide all others for ever."""
    kind, batch, value, late = STREAMS[key]
    world.run(
        "installer",
        f"CREATE TABLE features.s (id serial PRIMARY KEY, at {kind}, a int); GRANT ALL ON features.s TO $writer",
    )
    world.run(
        "installer", "GRANT USAGE ON SEQUENCE features.s_id_seq TO $writer; CREATE INDEX ON features.s (at)"
    )
    world.run(
        "installer",
        f"INSERT INTO features.s (at, a) SELECT {value.format(n=0)}, 1 FROM generate_series(1, 9)",
    )
    world.apply(
        f"""
table: features.s
owner: sam
writes: stream
batch: {batch}
columns:
  a: [completeness: {{min: 0.9, on_breach: warn}}]
"""
    )
    world.run("operator", "SELECT pgslo.tick()")
    for one in late:
        world.run("writer", f"INSERT INTO features.s (at, a) VALUES ({one}, 1)")
    for n in (1, 2, 3):
        world.run(
            "writer",
            f"INSERT INTO features.s (at, a) SELECT {value.format(n=n)}, NULL FROM generate_series(1, 9)",
        )
        world.run("operator", "SELECT pgslo.tick()")
    # The newest goes on.
    assert world.run(
        "superuser", "SELECT count(*) FROM pgslo_catalog.missed_batch WHERE ended_at IS NULL"
    ) == [(2,)]


def test_the_newest_batch_is_found_by_the_index(world):
    world.run("installer", "CREATE TABLE features.s (id serial, at date, a int)")
    world.run(
        "installer",
        "INSERT INTO features.s (at, a) SELECT '2026-01-01'::date + n % 100, 1 FROM generate_series(1, 20000) n",
    )
    world.run(
        "installer",
        "INSERT INTO features.s (at, a) VALUES ('infinity', 1); CREATE INDEX ON features.s (at); ANALYZE features.s",
    )
    plan = world.run(
        "installer",
        """EXPLAIN (ANALYZE, TIMING off, COSTS off) SELECT max(r.at) FROM features.s AS r
           WHERE (SELECT coalesce(nullif(extract(epoch FROM b.raw)::numeric, 'Infinity'), '-Infinity')
                  FROM (SELECT (r.at) AS raw) AS b) > '-Infinity'""",
    )
    text = "\n".join(line for (line,) in plan)
    assert "Index Only Scan Backward" in text
    assert "Rows Removed by Filter: 1" in text
