"""Old state is thinned and removed, and nothing that is evaluated later differs for it."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from tests.database.conftest import MakeDatabase, Session

pytestmark = pytest.mark.slow

TWIN = """
table: features.{name}
owner: me
batch: {{by: at}}
objective: {{target: 0.9, window: 400 days}}
unwatched: [id, at]
columns:
  v:
    - completeness: 0.8
    - drift: {{by: psi, relative_to: 7 batches, max: 5}}
    - drift: {{by: ks, trained_on: ["{first}", "{last}"], max: 0.9}}
    - statistic: {{of: median, max: 400}}
    - freshness: {{max_unchanged: 61 batches}}
  s: [drift: {{by: js, relative_to: previous, max: 0.9}}]
row_count: {{min: 0.5, relative_to: same weekday}}
"""
#: A number with a week in it; a text of a few values; one that is new in each row; one that is often NULL.
WRITE = """
INSERT INTO features.{name}
SELECT g, date '2026-01-05' + {n}, {value},
       (ARRAY['a', 'b', 'c'])[1 + (hashint8(g * 31 + {n}) & 1)], md5(concat(g, ' ', {n})),
       CASE WHEN (hashint8(g * 13 + {n}) & 3) > 0 THEN g % 5 END
FROM generate_series(1, {rows}) g
"""
NUMBER = "((hashint8(g * 7 + {n}) & 1023) / 4.0 + CASE WHEN {n} % 7 < 2 THEN 50 ELSE 0 END)"
#: Days whose rows are not as usual.
FAULTS = {
    40: {"value": "g * 100"},
    66: {"rows": 20},
    75: {"value": "CASE WHEN g % 3 = 0 THEN NULL ELSE 7 END"},
    88: {"value": "-(hashint8(g) & 1023)"},
    95: {"value": "g * 1000"},
}
DAYS = 96


def name_of(n):
    """The name of a day, as SQL."""
    return f"(date '2026-01-05' + {n})::text"


def guard(session, name):
    session.run(
        f"CREATE TABLE features.{name} (id bigint, at date, v numeric, s text, u text, o int, PRIMARY KEY (id, at))"
    )
    first, last = (session.values(f"SELECT {name_of(n)}")[0] for n in (3, 9))
    session.guard(TWIN.format(name=name, first=first, last=last))


def write(session, name, n, *, value=None, rows=60):
    value = value or NUMBER.format(n=n)
    session.run(WRITE.format(name=name, n=n, value=value, rows=rows))
    session.run(f"SELECT count(*) FROM pgslo.close_batch('features.{name}', '*')")


def prune(session, name):
    """All that pruning does, summed."""
    total = [0, 0, 0]
    while any(done := session.run(f"SELECT * FROM pgslo.prune('features.{name}', 40)").rows[0]):
        total = [sum(pair) for pair in zip(total, done, strict=True)]
    return total


def told(session, name):
    """Everything that is reported of a table."""
    verdicts = session.run(
        f"""SELECT v.batch, v.rule, v.verdict, round(v.value::numeric, 9), round(v.low::numeric, 9), round(v.high::numeric, 9), round(v.score::numeric, 9), v.said
            FROM pgslo.verdict v WHERE v.definition = 'features.{name}' ORDER BY 1, 2"""
    ).rows
    incidents = session.run(
        f"""SELECT i.rule, i.opened_batch, i.state, i.resolution, i.tier,
                   (SELECT string_agg(concat(e.topic, e.fact), ';' ORDER BY e.topic COLLATE "C") FROM pgslo.explain(i.incident_id) e
                    WHERE e.topic ~ 'profile|bad batch|columns|missed')
            FROM pgslo.incident i WHERE i.definition = 'features.{name}' ORDER BY 1, 2"""
    ).rows
    budgets = session.run(
        f"""SELECT b.rule, b.judged, b.missed, b.state, b.left_over FROM pgslo.budget b
            WHERE b.definition = 'features.{name}' ORDER BY 1"""
    ).rows
    known = session.run(f"SELECT * FROM pgslo.learned('features.{name}')").rows
    return verdicts, incidents, budgets, known


def whole(session, name):
    return session.values(
        f"""SELECT count(DISTINCT p.batch)::int FROM pgslo_catalog.profile p JOIN pgslo_catalog.definition d USING (definition_id)
            WHERE d.name = 'features.{name}' AND p.noise IS NOT NULL"""
    )[0]


@pytest.fixture(scope="module")
def _lived(make_database: MakeDatabase) -> Iterator[psycopg.Connection]:
    """Two tables with the same days, closed one by one; the second was pruned after each."""
    with make_database() as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA features")
        session = Session(connection)
        for name in ("kept", "pruned"):
            guard(session, name)
        for n in range(DAYS):
            for name in ("kept", "pruned"):
                write(session, name, n, **FAULTS.get(n, {}))
            if n > 58:
                prune(session, "pruned")
            if n % 20 == 0:
                connection.execute(
                    "VACUUM ANALYZE pgslo_catalog.profile, pgslo_catalog.batch, pgslo_catalog.verdict"
                )
        yield connection


@pytest.fixture
def lived(_lived: psycopg.Connection) -> Iterator[Session]:
    with _lived.transaction(force_rollback=True):
        yield Session(_lived)


def test_what_is_reported_is_the_same_with_and_without_pruning(lived):
    # A rule about 61 days that repeat each other needs two more than the usual 60.
    assert (whole(lived, "kept"), whole(lived, "pruned")) == (DAYS, 62)
    kept, pruned = told(lived, "kept"), told(lived, "pruned")
    assert kept == pruned
    verdicts, incidents, budgets, _ = kept
    assert {verdict for _, rule, verdict, *_ in verdicts if rule == "v_learned"} == {
        "unknown",
        "met",
        "missed",
    }
    assert len(incidents) >= 6
    assert [judged for rule, judged, *_ in budgets if rule == "v_completeness"] == [DAYS]


def test_an_old_profile_keeps_its_numbers_and_values_only_where_rules_compare_them(lived):
    rows = lived.run(
        """SELECT p.column_name, bool_and(p.summary IS NOT NULL), bool_or(p.common IS NOT NULL), bool_or(p.grid IS NOT NULL),
                  bool_or(coalesce(p.usual, p.usual_shapes, p.shapes) IS NOT NULL),
                  bool_or(coalesce(p.expected, p.spread, p.surprise, p.tolerated, p.tolerated_below, p.usual_grid) IS NOT NULL),
                  bool_or(coalesce(p.prefix, p.entities) IS NOT NULL), max(pg_column_size(p.*)) < 1000
           FROM pgslo_catalog.profile p WHERE p.noise IS NULL GROUP BY 1 ORDER BY 1"""
    ).rows
    # Rules about distances name v and s.
    assert rows == (
        ("*", True, False, False, False, False, False, True),
        ("o", True, False, False, False, False, False, True),
        ("s", True, True, False, False, False, False, True),
        ("u", True, False, False, False, False, False, True),
        ("v", True, True, True, False, False, False, False),
    )


def verdict(session, rule, n):
    return session.run(
        f"""SELECT v.verdict, v.score < 1 FROM pgslo.verdict v
            WHERE v.definition = 'features.kept' AND v.rule = '{rule}' AND v.batch = {name_of(n)}"""
    ).rows


def test_a_very_late_batch_is_judged_by_what_is_kept_of_the_time_nearest_to_it(lived):
    prune(lived, "kept")
    lived.run(f"DELETE FROM features.kept WHERE at IN ({name_of(30)}::date, {name_of(31)}::date)")
    write(lived, "kept", 30)
    write(lived, "kept", 31, value="g * 100000")
    for rule in ("s_learned", "u_learned", "v_learned"):
        assert verdict(lived, rule, 30) == (("met", True),), rule
    assert verdict(lived, "v_learned", 31) == (("missed", False),)
    assert verdict(lived, "s_learned", 31) == (("met", True),)


def test_a_batch_that_is_judged_again_without_its_rows_keeps_its_learned_verdicts(lived):
    january = "FROM pgslo.verdict WHERE definition = 'features.pruned' AND batch < '2026-02-01' AND rule ~ 'learned$' ORDER BY batch, rule"
    before = lived.run(f"SELECT batch, rule, verdict, score, said {january}").rows
    lived.run(
        """SELECT pgslo_catalog.judge_batch(b.definition_id, b.name)
           FROM pgslo_catalog.batch b JOIN pgslo_catalog.definition d USING (definition_id)
           WHERE d.name = 'features.pruned' AND b.name < '2026-02-01'"""
    )
    assert lived.run(f"SELECT batch, rule, verdict, score, said {january}").rows == before


def test_tick_thins_and_looks_again_after_ten_minutes(lived):
    assert whole(lived, "kept") == DAYS
    lived.run("SELECT pgslo.tick()")
    assert whole(lived, "kept") == 62
    write(lived, "kept", DAYS)
    lived.run("SELECT pgslo.tick()")
    assert whole(lived, "kept") == 63
    lived.run("UPDATE pgslo_catalog.pruned SET pruned_at = pruned_at - interval '11 minutes'")
    lived.run("SELECT pgslo.tick()")
    assert whole(lived, "kept") == 62


def test_of_hours_those_of_the_last_eight_days_stay_whole(session):
    session.run("CREATE TABLE features.h (id int PRIMARY KEY, at timestamp)")
    session.guard("{table: features.h, owner: me, batch: {by: at}}")
    session.run(
        """INSERT INTO pgslo_catalog.batch (definition_id, name, place, rows, first_written_at, last_written_at, closed_at)
           SELECT d.definition_id, n::text, 1700000000 + 3600 * n, 9, now(), now(), now()
           FROM pgslo_catalog.definition d, generate_series(1, 300) n"""
    )
    session.run(
        """INSERT INTO pgslo_catalog.profile (definition_id, batch, place, column_name, rows, present, noise)
           SELECT b.definition_id, b.name, b.place, '*', 9, 9, '{}' FROM pgslo_catalog.batch b"""
    )
    prune(session, "h")
    assert whole(session, "h") == 8 * 24 + 1


def test_where_most_batches_missed_what_is_compared_with_stays_whole(lived):
    lived.run(
        f"""UPDATE pgslo_catalog.profile p SET baseline = false
            FROM pgslo_catalog.definition d
            WHERE d.definition_id = p.definition_id AND d.name = 'features.kept' AND p.column_name = 's'
              AND p.batch > {name_of(50)} AND p.batch < {name_of(90)}"""
    )
    prune(lived, "kept")
    left = lived.run(
        """SELECT p.column_name, count(*)::int FROM pgslo_catalog.profile p JOIN pgslo_catalog.definition d USING (definition_id)
           WHERE d.name = 'features.kept' AND p.noise IS NOT NULL GROUP BY 1 ORDER BY 1"""
    ).rows
    # Of s, 6 of the newest and 22 of before the gap.
    assert dict(left) == {"*": 62, "o": 62, "s": DAYS - 51 + 22, "u": 62, "v": dict(left)["v"]}


def test_a_day_with_far_more_rows_stays_whole_for_others_like_it(lived):
    for table, key in (("profile", "batch"), ("batch", "name")):
        lived.run(
            f"""UPDATE pgslo_catalog.{table} t SET rows = 200 FROM pgslo_catalog.definition d
                WHERE d.definition_id = t.definition_id AND d.name = 'features.kept' AND t.{key} IN ({name_of(2)}, {name_of(20)})"""
        )
    prune(lived, "kept")
    left = lived.values(
        f"""SELECT DISTINCT p.batch FROM pgslo_catalog.profile p JOIN pgslo_catalog.definition d USING (definition_id)
            WHERE d.name = 'features.kept' AND p.noise IS NOT NULL AND p.batch < {name_of(DAYS - 62)}"""
    )
    # Of the last 90 batches.
    assert left == lived.values(f"SELECT {name_of(20)}")
