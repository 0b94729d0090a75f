"""Faults inside of arrays, documents, composites, ranges and the like are found by learned bounds, and a clean day raises no alarm."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest
from tests.database.conftest import Session

pytestmark = pytest.mark.slow

COLUMNS = {
    "a": ("real[]", "ARRAY(SELECT (sin(u * i) + random() / 50)::real FROM generate_series(1, 8) i)"),
    "wide": ("float8[]", "ARRAY(SELECT sin(u * i) + random() / 50 FROM generate_series(1, 120) i)"),
    "exact": ("numeric[]", "ARRAY[u, random()]::numeric[]"),
    "tags": ("text[]", "ARRAY['a', 'b', chr(99 + u % 4)]"),
    "bag": (
        "jsonb",
        "jsonb_build_object('clicks_7d', u % 50, 'ctr', random(), 'device', 'ios', 'geo', '{\"country\": \"us\"}'::jsonb)",
    ),
    "note": ("json", "json_build_object('size', u % 50, 'text', repeat('long ', 200))"),
    "span": ("daterange", "daterange(date '2026-01-01' + k, date '2026-02-01' + k + u % 9)"),
    "while": ("tstzrange", "tstzrange(timestamptz '2026-01-01Z' + k * interval '1 day', NULL)"),
    "home": ("features.geo", "ROW(random(), random(), 'x')::features.geo"),
    "blob": ("bytea", "sha224(u::text::bytea)"),
    "bits": ("bit(8)", "(u % 256)::bit(8)"),
    "pt": ("point", "point(random(), random())"),
    "dur": ("interval", "make_interval(hours => 1 + u % 99)"),
    "price": ("money", "(1.5 + u % 99)::numeric::money"),
}
#: Column, what some rows have, the share of these rows, and how the message begins.
FAULTS = {
    "zeros": ("a", "array_fill(0::real, ARRAY[8])", 0.3, "a: norm 0 in "),
    "short": ("a", "'{1,2}'", 0.5, "a"),
    "nan": ("a", "'{1,2,3,4,5,6,7,NaN}'", 0.5, "a: an element is NULL or NaN in "),
    "null": ("a", "'{1,2,3,4,5,6,7,NULL}'", 0.5, "a: an element is NULL or NaN in "),
    "empty": ("a", "'{}'", 0.5, "a."),
    "dimensions": ("a", "'{{1,2},{3,4}}'", 0.5, "a."),
    "half": ("wide", "array_fill(0::float8, ARRAY[60]) || array_fill(0.7::float8, ARRAY[60])", 1, "wide."),
    "loud": ("wide", "array_fill(1e200::float8, ARRAY[120])", 1, "wide"),
    "exact": ("exact", "'{NaN,1e600}'", 1, "exact"),
    "tags": ("tags", "'{}'", 1, "tags.length: median tags.length 0, usually 3"),
    "key": ("bag", "USUAL - 'ctr'", 1, "bag.ctr: missing in 100 % of rows; at most "),
    "json null": ("bag", "USUAL || '{\"ctr\": null}'", 1, "bag.ctr: missing in 100 % of rows; at most "),
    "text": ("bag", "USUAL || jsonb_build_object('ctr', random()::text)", 1, "bag.ctr: no number in 100 % of rows"),
    "unit": ("bag", "USUAL || jsonb_build_object('ctr', 100 * random())", 1, "bag.ctr: "),
    "object": ("bag", "'{}'", 1, "bag.clicks_7d: missing in 100 % of rows"),
    "nothing": ("bag", "'null'", 1, "bag.clicks_7d: missing in 100 % of rows"),
    "list": ("bag", "'[1]'", 1, "bag.clicks_7d: missing in 100 % of rows"),
    "long": ("note", "json_build_object('text', repeat('long ', 200))", 1, "note.size: missing in 100 % of rows"),
    "no jsonb": ("note", "'{\"size\": \"\\u0000\"}'", 1, "note.size: missing in 100 % of rows"),
    "span": ("span", "'empty'", 1, "span."),
    "while": ("while", "'[-infinity,infinity]'", 1, "while."),
    "fields": ("home", "ROW(NULL, NULL, NULL)", 1, "home.lat: missing in 100 % of rows"),
    "far": ("home", "ROW(140.1, 80.2, 'x')", 1, "home."),
    "blob": ("blob", "''", 1, "blob.length: median blob.length 0, usually 28"),
    "bits": ("bits", "B'00000000'", 1, "bits.ones: "),
    "point": ("pt", "point(0, 0)", 1, "pt."),
    "minutes": ("dur", "make_interval(mins => 1 + u % 99)", 1, "dur.seconds: median dur.seconds 2970, usually 178,200"),
    "cents": ("price", "USUAL * 100", 1, "price.amount: median price.amount 5000, usually 50"),
}  # fmt: skip
LEARNED = 25


def day(session, k: int, value: str = "USUAL", share: float = 1) -> list[tuple[str, str]]:
    """Load and close a day, with another value in a share of the rows; returns the rules and messages that miss."""
    ((name, kind),) = session.run(
        "SELECT quote_ident(attname), attname FROM pg_attribute WHERE attrelid = 'features.t'::regclass AND attnum = 3"
    ).rows
    kind, usual = COLUMNS[kind]
    # By the row, not by chance, so that the test is the same each time.
    told = f"CASE WHEN u % 10 < {10 * share} THEN ({value.replace('USUAL', usual)})::{kind} ELSE {usual} END".replace(
        "+ k", f"+ {k}"
    )
    session.run(
        f"INSERT INTO features.t (user_id, ds, {name}) SELECT u, date '2026-01-01' + {k}, {told} FROM generate_series(1, 300) u"
    )
    found = session.run(
        f"SELECT rule, said FROM pgslo.close_batch('features.t', '{k}'::integer + date '2026-01-01' || '')"
        " WHERE verdict = 'missed'"
    )
    return [tuple(one) for one in found.rows]


@functools.cache
def learned(column: str) -> Callable[[Session], None]:
    """What makes a table of one column, with a history: closing all of them in each test would take minutes."""

    def learn(session: Session) -> None:
        session.run("SELECT setseed(0.5)")
        session.run("CREATE TYPE features.geo AS (lat float8, lon float8, word text)")
        kind, _ = COLUMNS[column]
        session.run(
            f'CREATE TABLE features.t (user_id bigint, ds date, "{column}" {kind}, PRIMARY KEY (user_id, ds))'
        )
        session.guard("{table: features.t, owner: me, writes: bulk, batch: {by: ds}}")
        for k in range(LEARNED):
            assert day(session, k) == []

    return learn


@pytest.mark.parametrize("fault", FAULTS)
def test_found(once, fault):
    column, value, share, said = FAULTS[fault]
    with once(learned(column)) as session:
        missed = day(session, LEARNED, value, share)
    assert [rule for rule, _ in missed] == [f"{column}_learned"]
    assert missed[0][1].startswith(said), missed


@pytest.mark.parametrize("fault", FAULTS)
def test_found_at_a_tenth_of_the_rows(once, fault):
    column, value, _, _ = FAULTS[fault]
    with once(learned(column)) as session:
        missed = day(session, LEARNED, value, 0.1)
    assert [rule for rule, _ in missed] == [f"{column}_learned"]


@pytest.mark.parametrize("column", COLUMNS)
def test_a_clean_day_raises_no_alarm(once, column):
    with once(learned(column)) as session:
        assert [day(session, LEARNED + k) for k in range(5)] == [[]] * 5


#: Beside those columns: an embedding, which moves a little each day.
EMBEDDING = "(SELECT array_agg((sin(u * 12.9898 * i + i * i) / 4 + (random() - 0.5) / 50)::real) FROM generate_series(1, 32) i)"


@pytest.mark.nightly
@pytest.mark.parametrize("type_", ["real[]", "features.vector(32)"])
def test_of_120_clean_batches_one_at_most_raises_an_alarm(session, type_):
    if type_ != "real[]":
        if not session.run("SELECT FROM pg_available_extensions WHERE name = 'vector'").count:
            pytest.skip("this server has no pgvector")
        session.run("CREATE EXTENSION vector SCHEMA features")
    columns = {**COLUMNS, "emb": (type_, f"{EMBEDDING}::{type_}")}
    session.run("SELECT setseed(0.5)")
    session.run("CREATE TYPE features.geo AS (lat float8, lon float8, word text)")
    made = ", ".join(f'"{name}" {kind}' for name, (kind, _) in columns.items())
    session.run(f"CREATE TABLE features.t (user_id bigint, ds date, {made}, PRIMARY KEY (user_id, ds))")
    session.guard("{table: features.t, owner: me, writes: bulk, batch: {by: ds}}")
    alarms = []
    for k in range(LEARNED + 120):
        values = ", ".join(usual.replace("+ k", f"+ {k}") for _, usual in columns.values())
        session.run(
            f"INSERT INTO features.t SELECT u, date '2026-01-01' + {k}, {values} FROM generate_series(1, 100) u"
        )
        found = session.run(
            f"SELECT rule, said FROM pgslo.close_batch('features.t', '{k}'::integer + date '2026-01-01' || '')"
            " WHERE verdict = 'missed'"
        )
        if found.rows:
            alarms.append((k, found.rows))
    assert len(alarms) <= 1, alarms


def test_readers_of_the_column_are_warned(once):
    with once(learned("bag")) as session:
        day(session, LEARNED, "USUAL - 'ctr'", 1)
        read = session.run("SELECT bag FROM guarded.t")
        assert [one.message for one in read.notices if one.sqlstate == "01SL1"]
        assert session.run("SELECT user_id FROM guarded.t").notices == ()


def test_a_false_alarm_teaches(once):
    with once(learned("bag")) as session:
        day(session, LEARNED, "USUAL - 'ctr'", 1)
        (one,) = session.run("SELECT incident_id FROM pgslo.incident WHERE rule = 'bag_learned'").rows
        session.run(f"SELECT pgslo.resolve({one[0]}, 'false_alarm')")
        assert day(session, LEARNED + 1, "USUAL - 'ctr'", 1) == []


def test_a_key_that_comes_back_is_no_news(once):
    with once(learned("bag")) as session:
        assert day(session, LEARNED, "USUAL - 'ctr'", 1)
        assert day(session, LEARNED + 1) == []


@pytest.mark.parametrize("column", ["a", "bag", "home", "price"])
def test_rows_that_leave_are_found_in_the_sample(once, column):
    """The parts of a value are the same when its row is inserted and when it is deleted."""
    with once(learned(column)) as session:
        day(session, LEARNED)
        session.run(f"DELETE FROM features.t WHERE ds = date '2026-01-01' + {LEARNED} AND user_id % 2 = 0")
        session.run(f"SELECT pgslo.close_batch('features.t', '{LEARNED}'::integer + date '2026-01-01' || '')")
        rows = session.run(
            f"SELECT DISTINCT p.rows FROM pgslo_catalog.profile p WHERE p.base = '{column}' AND p.column_name <> 'a.turned'"
            f" AND p.batch = ('{LEARNED}'::integer + date '2026-01-01')::text"
        ).rows
        assert rows == ((150,),)


def test_keys_that_need_quotes_and_columns_of_the_same_name(session):
    session.run(
        'CREATE TABLE features.t (id integer, ds date, bag jsonb, "bag.x" integer, PRIMARY KEY (id, ds))'
    )
    session.guard("{table: features.t, owner: me, writes: bulk, batch: {by: ds}}")
    session.run(
        'INSERT INTO features.t SELECT i, \'2026-01-01\', \'{"x": 1, "a b": 2, "c\\"d.e": 3}\', 7 FROM generate_series(1, 20) i'
    )
    session.run("SELECT pgslo.close_batch('features.t')")
    known = session.run(
        "SELECT column_name, base FROM pgslo_catalog.profile WHERE column_name <> '*' ORDER BY 2 NULLS FIRST, 1"
    ).rows
    assert known == (
        ("bag", None), ("bag.x", None), ("id", None), ('bag."a b"', "bag"), ('bag."c""d.e"', "bag"),
    )  # fmt: skip
    assert ("bag.x",) in session.run("SELECT column_name FROM pgslo.column_history").rows
    assert ('bag."a b"',) not in session.run("SELECT column_name FROM pgslo.column_history").rows


def test_of_many_keys_thirty_are_watched(session):
    session.run("CREATE TABLE features.t (id integer, ds date, bag jsonb, PRIMARY KEY (id, ds))")
    session.guard("{table: features.t, owner: me, writes: bulk, batch: {by: ds}}")
    session.run(
        "INSERT INTO features.t SELECT i, '2026-01-01', jsonb_build_object('user ' || i, 1)"
        " || (SELECT jsonb_object_agg('key' || k, k) FROM generate_series(1, 40) k) FROM generate_series(1, 100) i"
    )
    session.run("SELECT pgslo.close_batch('features.t')")
    known = session.run("SELECT column_name FROM pgslo_catalog.profile WHERE base = 'bag'").rows
    assert len(known) == 30
    assert all(name.startswith("bag.key") for (name,) in known)
