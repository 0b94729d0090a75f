"""by_segment: rows and missing values within each segment, compared with earlier batches."""

import pytest

KIND = "by_segment"
#: Days of history, before what is judged.
KNOWN = 30
#: Rows of a day by tenant: a large one, a small one, and others.
ROWS = {"big": 600, "small": 12, **{f"t{n}": 40 + 10 * n for n in range(8)}}

DEFINITION = """
table: features.hits
owner: x
batch: {by: day}
key: none
watch: false
by_segment: [tenant]
"""


def values(day, tenant, *, rows, email="'x'", plan="'free'"):
    return f"SELECT DATE '2026-01-01' + {day}, '{tenant}', {email}, {plan} FROM generate_series(1, {rows}) i"


def load(session, day, **changed):
    """Load a day: rows of each tenant, which differ by a few, and the given changes for one of them."""
    tenants = []
    for n, (tenant, rows) in enumerate(ROWS.items()):
        given = {"rows": rows + (day * 7 + n * 3) % 5, "email": "CASE WHEN i % 20 <> 0 THEN 'x' END"}
        tenants.append(values(day, tenant, **given | changed.get(tenant, {})))
    session.run(f"INSERT INTO features.hits {' UNION ALL '.join(tenants)}")


def judged(session, day, rule=KIND):
    session.run("SELECT count(*) FROM pgslo.close_batch('features.hits')")
    ((verdict, value, said),) = session.run(
        f"SELECT verdict, value, said FROM pgslo.verdict WHERE rule = '{rule}' AND batch = (DATE '2026-01-01' + {day})::text"
    ).rows
    return verdict, value, said


def create(session):
    session.run("CREATE TABLE features.hits (day date NOT NULL, tenant text, email text, plan text)")
    session.run("CREATE INDEX ON features.hits (day)")


def a_month(session):
    """A month is there before the definition."""
    create(session)
    for day in range(KNOWN):
        load(session, day)
    session.guard(DEFINITION)
    session.run("SELECT pgslo.learn('features.hits')")


@pytest.fixture
def table(session):
    create(session)
    return session


@pytest.fixture
def guarded(once):
    with once(a_month) as session:
        yield session


def test_a_usual_day_is_met(guarded):
    load(guarded, KNOWN)
    assert judged(guarded, KNOWN) == ("met", 0, "none of 10 segments deviates from its baseline")
    assert guarded.values("SELECT count(*)::int FROM pgslo.incident") == [0]


def test_a_column_that_is_null_for_a_small_tenant_is_found(guarded):
    load(guarded, KNOWN, small={"email": "NULL"})
    verdict, value, said = judged(guarded, KNOWN)
    assert (verdict, value) == ("missed", 1)
    assert said == "1 of 10 segments deviates: tenant small: email: null: 100 %, usually 0 %"


def tier(session, day):
    ((tier, score),) = session.run(
        f"SELECT tier, score FROM pgslo.verdict WHERE rule = '{KIND}' AND batch = (DATE '2026-01-01' + {day})::text"
    ).rows
    return tier, score


def test_a_segment_just_beyond_its_bound_is_suspect(guarded):
    load(guarded, KNOWN, t5={"rows": 44})
    assert judged(guarded, KNOWN)[0] == "missed"
    found, score = tier(guarded, KNOWN)
    assert found == "suspect"
    assert 1 <= score < 2
    assert guarded.values("SELECT tier FROM pgslo.incident") == ["suspect"]
    assert guarded.values("SELECT suspect_incidents::int FROM pgslo.status") == [1]
    # Rows that go on missing raise it, though no other segment deviates.
    guarded.run(f"DELETE FROM features.hits WHERE day = DATE '2026-01-01' + {KNOWN} AND tenant = 't5'")
    assert judged(guarded, KNOWN)[:2] == ("missed", 1)
    found, score = tier(guarded, KNOWN)
    assert found == "missed"
    assert score >= 2
    assert guarded.values("SELECT tier FROM pgslo.incident") == ["missed"]


def test_a_small_tenant_without_any_value_is_missed(guarded):
    load(guarded, KNOWN, small={"email": "NULL"})
    assert judged(guarded, KNOWN)[0] == "missed"
    assert tier(guarded, KNOWN)[0] == "missed"


def test_the_score_is_that_of_the_first_segment_too_many(table):
    for day in range(KNOWN):
        load(table, day)
    table.guard(DEFINITION.replace("[tenant]", "{per: [tenant], at_most: 1}"))
    table.run("SELECT pgslo.learn('features.hits')")
    load(table, KNOWN, big={"rows": 0}, t5={"rows": 44})
    assert judged(table, KNOWN)[:2] == ("missed", 2)
    assert tier(table, KNOWN)[0] == "suspect"
    load(table, KNOWN + 1, big={"rows": 0})
    assert judged(table, KNOWN + 1)[0] == "met"
    assert tier(table, KNOWN + 1)[1] < 1


def test_all_that_deviates_is_one_incident(guarded):
    load(guarded, KNOWN, small={"email": "NULL"}, t5={"rows": 20}, t6={"plan": "NULL"})
    verdict, value, said = judged(guarded, KNOWN)
    assert (verdict, value) == ("missed", 3)
    assert "tenant small: email: null: 100 %, usually 0 %" in said
    assert "tenant t5: 20 rows, usually 90 to 94" in said
    assert "tenant t6: plan: null: 100 %, usually 0 %" in said
    assert guarded.values("SELECT rule FROM pgslo.incident") == [KIND]
    # The next good day ends it, though the batch stays missed until it is corrected.
    load(guarded, KNOWN + 1)
    assert judged(guarded, KNOWN + 1)[0] == "met"
    guarded.run(f"DELETE FROM features.hits WHERE day = DATE '2026-01-01' + {KNOWN}")
    load(guarded, KNOWN)
    assert judged(guarded, KNOWN)[0] == "met"
    assert guarded.values("SELECT resolution FROM pgslo.incident") == ["healed"]


def test_the_worst_five_are_named(guarded):
    load(guarded, KNOWN, **{f"t{n}": {"email": "NULL"} for n in range(8)})
    verdict, value, said = judged(guarded, KNOWN)
    assert (verdict, value) == ("missed", 8)
    assert said.startswith("8 of 10 segments deviate: tenant t7: email: null: 100 %, usually ")
    assert said.endswith("; and 3 more")


def test_a_tenant_that_is_gone_is_named_for_five_batches(guarded):
    def without_t4(day):
        load(guarded, day)
        guarded.run(f"DELETE FROM features.hits WHERE day = DATE '2026-01-01' + {day} AND tenant = 't4'")
        return judged(guarded, day)

    assert without_t4(KNOWN) == (
        "missed",
        1,
        "1 of 9 segments deviates: tenant t4: 0 rows, usually 80 to 84",
    )
    assert [without_t4(KNOWN + n)[0] for n in range(1, 6)] == ["missed"] * 4 + ["met"]


def test_a_new_tenant_is_no_news(guarded):
    load(guarded, KNOWN)
    guarded.run(f"INSERT INTO features.hits {values(KNOWN, 'new', rows=300, email='NULL')}")
    assert judged(guarded, KNOWN)[0] == "met"


def test_a_day_that_is_busy_for_all_is_none_of_its_business(guarded):
    load(guarded, KNOWN, **{tenant: {"rows": 3 * rows} for tenant, rows in ROWS.items()})
    assert judged(guarded, KNOWN)[0] == "met"


def test_a_false_alarm_is_learned(guarded):
    load(guarded, KNOWN, t7={"rows": 500})
    assert judged(guarded, KNOWN)[0] == "missed"
    guarded.run("SELECT pgslo.resolve(incident_id, 'false_alarm') FROM pgslo.incident")
    load(guarded, KNOWN + 1, t7={"rows": 510})
    assert judged(guarded, KNOWN + 1)[0] == "met"


def test_nothing_is_known_of_the_first_batches(table):
    table.guard(DEFINITION)
    load(table, 0)
    assert judged(table, 0) == ("unknown", None, "0 batches known, 21 are needed")
    load(table, 1, small={"email": "NULL"})
    assert judged(table, 1) == ("unknown", None, "1 batch known, 21 are needed")


def test_values_that_come_after_the_first_closing_are_no_news(table):
    table.guard(DEFINITION)
    found = []
    for day in range(50):
        table.run(f"UPDATE features.hits SET plan = 'free' WHERE day = DATE '2026-01-01' + {day - 1}")
        load(table, day, **{tenant: {"plan": "NULL"} for tenant in ROWS})
        found.append(judged(table, day)[0])
    assert set(found) == {"unknown", "met"}
    # What is missing in each young batch is not news; what is not, is.
    table.run("UPDATE features.hits SET plan = 'free' WHERE day = DATE '2026-01-01' + 49")
    young = {tenant: {"plan": "NULL"} for tenant in ROWS}
    load(table, 50, **young | {"small": {"plan": "NULL", "email": "NULL"}})
    verdict, _, said = judged(table, 50)
    assert (verdict, said) == (
        "missed",
        "1 of 10 segments deviates: tenant small: email: null: 100 %, usually 0 %",
    )


def test_too_many_segments_are_not_judged(table):
    table.guard(DEFINITION)
    table.run("INSERT INTO features.hits SELECT DATE '2026-01-01', i::text FROM generate_series(1, 301) i")
    assert judged(table, 0) == ("unknown", None, "more than 300 segments: batches of at most 300 are judged")


def test_segments_of_two_columns(table):
    for day in range(KNOWN):
        load(table, day)
    table.guard(DEFINITION.replace("[tenant]", "{per: [tenant, plan], columns: [email]}"))
    table.run("SELECT pgslo.learn('features.hits')")
    load(table, KNOWN, t3={"email": "NULL"})
    assert judged(table, KNOWN)[2].startswith(
        "1 of 10 segments deviates: tenant / plan t3 / free: email: null: 100 %, usually "
    )


def test_state_is_bounded(guarded):
    for day in range(KNOWN, 125):
        guarded.run(f"INSERT INTO features.hits VALUES (DATE '2026-01-01' + {day}, 'big', 'x', 'x')")
    guarded.run("SELECT count(*) FROM pgslo.close_batch('features.hits')")
    assert guarded.values("SELECT count(*)::int FROM pgslo_catalog.segment_profile") == [120]


def test_figures_are_for_who_may_read_every_column(guarded):
    guarded.run(
        "CREATE ROLE clerk; GRANT USAGE ON SCHEMA features TO clerk; GRANT SELECT (day, tenant) ON features.hits TO clerk"
    )
    guarded.run(
        "CREATE ROLE analyst; GRANT USAGE ON SCHEMA features TO analyst; GRANT SELECT ON features.hits TO analyst"
    )
    load(guarded, KNOWN, small={"email": "NULL"})
    assert judged(guarded, KNOWN)[0] == "missed"

    def seen(role):
        guarded.run(f"SET ROLE {role}")
        try:
            told = guarded.run(
                f"SELECT verdict, value, said FROM pgslo.verdict WHERE verdict = 'missed' AND rule = '{KIND}'"
            ).rows
            explained = str(
                guarded.run("SELECT e.* FROM pgslo.incident i, pgslo.explain(i.incident_id) e").rows
            )
        finally:
            guarded.run("RESET ROLE")
        return told, "small" in explained

    said = "1 of 10 segments deviates: tenant small: email: null: 100 %, usually 0 %"
    assert seen("analyst") == ((("missed", 1, said),), True)
    assert seen("clerk") == ((("missed", None, None),), False)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (("[tenant]", "[day]"), 'column "day" names the batch: each batch would be one segment'),
        (("[tenant]", "[score]"), 'by_segment cannot judge column "score" of type double precision'),
        (("[tenant]", "[nothing]"), 'column "nothing" of features.hits does not exist'),
        (("[tenant]", "[id]"), "each row would be a segment of its own: id identifies the rows of a batch"),
        (
            ("[tenant]", "{per: [tenant], columns: [nothing]}"),
            'column "nothing" of features.hits does not exist',
        ),
        (
            ("{by: day}", "statement"),
            "segments are compared from batch to batch, and no row says which batch it belongs to",
        ),
    ],
    ids=["the batch", "a number", "no column", "the key", "no column to count", "no batch"],
)
def test_what_cannot_work_is_refused(table, changed, message):
    table.run(
        "ALTER TABLE features.hits ADD COLUMN score float8, ADD COLUMN id integer, ADD PRIMARY KEY (day, id)"
    )
    (error,) = table.errors(DEFINITION.replace("key: none", "").replace(*changed))
    assert message in error
