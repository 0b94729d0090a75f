"""How much of a wide table is described, and the record of values that never recur."""

from __future__ import annotations

import pytest


def within(session, rows, columns, *, entities=None, level=0, definition=0):
    """Rows and level that are left of a sample; the first of each row is the hash of its entity."""
    ((left, at_level, fit),) = session.run(
        f"""SELECT array_length(w.within, 1), w.at_level,
                   (SELECT bool_and(r.one[1]::bigint & ((1::bigint << w.at_level::int) - 1) = 0) FROM pgslo_catalog.sample_rows(w.within) AS r (one))
            FROM pgslo_catalog.sample_within({definition}, (
                SELECT array_agg(ARRAY[(hashint8extended(g % {entities or rows}, 0) >> 8 << {level})::text] || array_fill('x'::text, ARRAY[{columns}]))
                FROM generate_series(1, {rows}) g), {level}::smallint) AS w"""
    ).rows
    return left, at_level, fit


@pytest.mark.parametrize(
    ("rows", "columns", "least", "most"),
    [
        (2000, 30, 2000, 2000),
        (2000, 100, 600, 1200),
        (1250, 300, 200, 400),
        (1250, 900, 200, 400),
        (150, 900, 150, 150),
    ],
)
def test_of_wide_tables_fewer_rows_are_described(session, rows, columns, least, most):
    left, level, fit = within(session, rows, columns)
    assert least <= left <= most
    assert (level > 0) is (left < rows)
    assert fit


def test_a_sample_that_is_one_of_some_rows_already_is_thinned_further(session):
    left, level, fit = within(session, 1500, 600, level=3)
    assert 200 <= left <= 400
    assert level in (5, 6)
    assert fit


def test_a_sample_of_few_entities_is_left_whole(session):
    assert within(session, 1500, 600, entities=1)[0] == 1500


def test_all_rows_are_described_where_a_rule_counts_different_values(session):
    session.run("CREATE TABLE features.t (id int PRIMARY KEY, day date NOT NULL, v int)")
    session.guard(
        "{table: features.t, owner: me, batch: {by: day}, columns: {v: [statistic: {of: distinct, min: 1}]}}"
    )
    (definition,) = session.values("SELECT definition_id FROM pgslo_catalog.definition")
    assert within(session, 1250, 900, definition=definition)[:2] == (1250, 0)
    assert within(session, 1250, 900, level=2, definition=definition)[0] <= 400


def test_of_a_wide_table_only_described_rows_are_kept(session):
    made = ", ".join(f"f{n} float8" for n in range(300))
    session.run(f"CREATE TABLE features.wide (id bigint, day date, {made}, PRIMARY KEY (id, day))")
    session.guard("table: features.wide\nowner: me\nbatch: {by: day}\ncolumns: {f0: [completeness: 0.9]}\n")
    values = ", ".join(["random()"] * 300)
    session.run(f"INSERT INTO features.wide SELECT g, '2026-11-22', {values} FROM generate_series(1, 1000) g")
    session.run("SELECT pgslo.close_batch('features.wide')")
    ((kept, level, described),) = session.run(
        """SELECT array_length(f.sample, 1), f.level, (SELECT max(p.sampled) FROM pgslo_catalog.profile p WHERE p.level = f.level)
           FROM pgslo_catalog.fragment f WHERE f.operation = 'merged'"""
    ).rows
    assert 200 <= kept <= 400
    assert level in (1, 2)
    assert described == kept
    # Late rows are taken at the same level, and the batch is described again.
    session.run(
        f"INSERT INTO features.wide SELECT g, '2026-11-22', {values} FROM generate_series(1001, 1100) g"
    )
    session.run("SELECT pgslo.tick()")
    ((rows, more),) = session.run(
        "SELECT p.rows, p.sampled FROM pgslo_catalog.profile p WHERE p.column_name = 'f7'"
    ).rows
    assert (rows, kept < more <= kept + 100) == (1100, True)


@pytest.mark.parametrize(
    ("document", "whole"),
    [
        ("(SELECT jsonb_object_agg('key_' || i, i / 7.0) FROM generate_series(1, 50) i)", True),
        ("jsonb_build_object('text', repeat('x', 500))", True),
        (
            "jsonb_build_object('text', repeat('x', 100), 'other', repeat('y', 100), 'third', repeat('z', 400))",
            False,
        ),
        ("jsonb_build_object('list', jsonb_build_array(repeat(E'x\\n', 400)))", False),
    ],
)
def test_a_document_is_sampled_whole_if_it_is_short_and_has_short_texts(session, document, whole):
    ((kept, same, longest),) = session.run(
        f"""SELECT d.kept IS NOT NULL, d.kept::jsonb = d.value, (SELECT max(length(e.value)) FROM jsonb_each_text(d.kept::jsonb) AS e)
            FROM (SELECT v.value, pgslo_catalog.json_parts(v.value) AS kept FROM (SELECT {document} AS value) v) d"""
    ).rows
    assert kept
    assert same is whole
    assert longest <= (500 if whole else 100)


DAYS = 26


@pytest.fixture
def unique(session):
    """A table with a text that is new in each row, and one that is another in each row and the same ones every day."""
    session.run("CREATE TABLE features.t (id int, day date, new text, again text, PRIMARY KEY (id, day))")
    session.guard("{table: features.t, owner: me, batch: {by: day}, unwatched: [id, day]}")
    for n in range(DAYS):
        write(session, n)
    return session


def write(session, n, *, new="md5(concat(g, ' ', {n}))", again="md5(g::text)"):
    session.run(
        f"""INSERT INTO features.t SELECT g, date '2026-01-05' + {n}, {new.format(n=n)}, {again.format(n=n)}
            FROM generate_series(1, {60 + n % 5}) g"""
    )
    session.run("SELECT count(*) FROM pgslo.close_batch('features.t', '*')")


def missed(session):
    """What missed in the newest batch, with the reason."""
    return dict(
        session.run(
            """SELECT v.rule, v.said FROM pgslo.verdict v WHERE v.verdict = 'missed' AND v.batch = (SELECT max(b.batch) FROM pgslo.batch b)"""
        ).rows
    )


@pytest.mark.slow
def test_values_that_never_come_again_are_not_kept_as_usual(unique):
    kept = unique.run(
        """SELECT p.column_name, count(k.key)::int FROM pgslo_catalog.profile p LEFT JOIN LATERAL jsonb_object_keys(p.usual) AS k (key) ON true
           WHERE p.column_name IN ('new', 'again') AND p.place = (SELECT max(q.place) FROM pgslo_catalog.profile q) GROUP BY 1 ORDER BY 1"""
    ).rows
    assert kept == (("again", 64), ("new", 0))
    assert missed(unique) == {}
    # As if they had been compared: all are new, and as far from the earlier ones as can be.
    told = unique.run(
        """SELECT DISTINCT p.summary[41], p.summary[43], p.summary[45] FROM pgslo_catalog.profile p WHERE p.column_name = 'new' AND p.learned_from > 2"""
    ).rows
    assert told == ((1, 0, 1),)


@pytest.mark.slow
def test_faults_in_such_values_are_found(unique):
    write(unique, DAYS, new="'x'")
    assert set(missed(unique)) == {"new_learned"}


@pytest.mark.slow
def test_values_of_another_day_are_told_where_the_same_ones_came_each_day(unique):
    write(unique, DAYS, again="md5(concat(g, ' ', {n}))")
    assert set(missed(unique)) == {"again_learned"}
