"""Bounds are learned from a table's own history: faults are reported, usual values are not."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from pgslo.errors import DefinitionErrors

DEFINITION = """
    table: features.user_stats
    owner: growth-platform
    key: [user_id, feature_date]
    writes: bulk
    batch: {by: feature_date}
    unwatched: [user_id, feature_date]
"""
#: A day's rows: fewer at weekends, whose spend is higher; half the users have no country.
ROWS = """
    INSERT INTO features.user_stats (user_id, feature_date, age, country, spend, seen_at)
    SELECT u, d, {age}, {country}, {spend}, {seen_at}
    FROM generate_series('{first}'::date, '{last}'::date, '1 day') AS d, generate_series(1, {users}) AS u
    WHERE extract(isodow FROM d) < 6 OR u % 3 <> 0
"""
CLEAN = {
    "age": "18 + hashint8(u * 31 + d::date - DATE '2000-01-01') & 31",
    "country": "(ARRAY['us', 'de', 'fr', NULL])[1 + (hashint8(u * 17 + (d::date - DATE '2000-01-01') * 7) & 3)]",
    "spend": "round(((hashint8(u * 13 + (d::date - DATE '2000-01-01') * 11) & 1023) + CASE WHEN extract(isodow FROM d) < 6 THEN 0 ELSE 2000 END) / 100.0, 2)",
    "seen_at": "d + (hashint8(u * 7 + (d::date - DATE '2000-01-01') * 5) & 65535) * interval '1 second'",
    "users": "120",
}


def two_months(session):
    """The history to learn from: made once for the tests of this file."""
    session.run(
        """CREATE TABLE features.user_stats (user_id bigint, feature_date date, age integer, country text, spend numeric, seen_at timestamptz,
               PRIMARY KEY (user_id, feature_date))"""
    )
    session.guard(DEFINITION)
    write(session, "2026-01-01", "2026-02-28")


@pytest.fixture
def learned(once):
    with once(two_months) as session:
        yield session


def write(session, first, last, **changed):
    day = date.fromisoformat(first)
    while day <= date.fromisoformat(last):
        session.run(ROWS.format(first=day, last=day, **{**CLEAN, **changed}))
        session.run(f"SELECT count(*) FROM pgslo.close_batch('features.user_stats', '{day}')")
        day += timedelta(days=1)


def missed(session, batch):
    """Columns that missed, with their messages."""
    return {
        columns[0] if columns else "*": said
        for columns, said in session.run(
            f"""SELECT r.columns, v.said FROM pgslo_catalog.verdict v JOIN pgslo_catalog.rule r USING (rule_id)
                WHERE r.kind = 'learned' AND v.batch = '{batch}' AND v.verdict = 'missed'"""
        ).rows
    }


@pytest.mark.slow
def test_first_weeks_are_unknown_and_what_is_usual_is_met(learned):
    verdicts = learned.run(
        """SELECT v.batch < '2026-01-22', v.verdict, count(*)::int FROM pgslo_catalog.verdict v JOIN pgslo_catalog.rule r USING (rule_id)
           WHERE r.kind = 'learned' GROUP BY 1, 2 ORDER BY 1, 2"""
    ).rows
    assert [(early, verdict) for early, verdict, _ in verdicts] == [(False, "met"), (True, "unknown")]
    assert learned.run("SELECT count(*)::int FROM pgslo_catalog.incident").rows == ((0,),)


@pytest.mark.parametrize(
    ("column", "fault"),
    [
        ("country", {"country": "CASE WHEN u % 5 < 4 THEN NULL ELSE 'us' END"}),
        ("country", {"country": "upper(" + CLEAN["country"] + ")"}),
        ("age", {"age": "CASE WHEN u % 8 = 0 THEN NULL ELSE " + CLEAN["age"] + " END"}),
        ("age", {"age": "30"}),
        ("age", {"age": "-(" + CLEAN["age"] + ")"}),
        ("spend", {"spend": "100 * (" + CLEAN["spend"] + ")"}),
        ("spend", {"spend": "round(" + CLEAN["spend"] + ", 0)"}),
        ("spend", {"spend": CLEAN["spend"].replace("d::date", "(d::date - 7)")}),
        ("seen_at", {"seen_at": CLEAN["seen_at"] + " + interval '8 hours'"}),
        ("*", {"users": "60"}),
    ],
    ids=[
        "null burst",
        "re-coded",
        "some nulls",
        "frozen",
        "sign",
        "unit",
        "precision",
        "stale",
        "shifted",
        "volume",
    ],
)
def test_fault_is_told_of_its_column_alone(learned, column, fault):
    write(learned, "2026-03-01", "2026-03-01")
    write(learned, "2026-03-02", "2026-03-02", **fault)
    assert set(missed(learned, "2026-03-02")) == {column}
    # The next day is fine, and is told so: what missed is not what it is compared with.
    write(learned, "2026-03-03", "2026-03-03")
    assert missed(learned, "2026-03-03") == {}


def test_times_on_a_grid_that_are_shifted_by_an_hour_are_told_of(session):
    session.run("CREATE TABLE features.load (at timestamptz PRIMARY KEY, day date NOT NULL, demand numeric)")
    session.guard(
        "table: features.load\nowner: o\nwrites: bulk\nbatch: {by: day}\nunwatched: [day, demand]\n"
    )
    for n in range(75):
        session.run(
            f"""INSERT INTO features.load SELECT d + n * interval '30 minutes' + interval '{1 if n == 70 else 0} hours', d, n
                FROM (SELECT date '2026-01-01' + {n} AS d) d, generate_series(0, 45) n"""
        )
        session.run("SELECT count(*) FROM pgslo.close_batch('features.load')")
    told = session.run(
        """SELECT v.batch, r.columns FROM pgslo_catalog.verdict v JOIN pgslo_catalog.rule r USING (rule_id) WHERE v.verdict = 'missed'"""
    ).rows
    assert told == (("2026-03-12", ["at"]),)


def test_it_is_said_in_words_what_was_expected(learned):
    write(learned, "2026-03-02", "2026-03-02", age="CASE WHEN u % 8 = 0 THEN NULL ELSE 30 + u % 10 END")
    assert missed(learned, "2026-03-02")["age"].endswith("expected")
    write(learned, "2026-03-03", "2026-03-03", country="NULL::text")
    assert missed(learned, "2026-03-03")["country"].startswith("null: 100 %; ")


def test_false_alarm_widens_the_bound(learned):
    burst = {"country": "CASE WHEN u % 5 < 3 THEN NULL ELSE 'us' END"}
    write(learned, "2026-03-02", "2026-03-02", **burst)
    assert set(missed(learned, "2026-03-02")) == {"country"}
    learned.run("SELECT pgslo.resolve(incident_id, 'false_alarm') FROM pgslo_catalog.incident")
    write(learned, "2026-03-03", "2026-03-03", country="CASE WHEN u % 7 < 4 THEN NULL ELSE 'us' END")
    assert missed(learned, "2026-03-03") == {}
    assert learned.run(
        "SELECT rule, false_alarms::int, precision::float8 FROM pgslo.measured_precision WHERE rule = 'country_learned'"
    ).rows == (("country_learned", 1, 0.0),)


def test_what_lasts_is_learned_after_five_batches(learned):
    tenfold = {"spend": "10 * (" + CLEAN["spend"] + ")"}
    write(learned, "2026-03-02", "2026-03-06", **tenfold)
    assert "spend" in missed(learned, "2026-03-06")
    write(learned, "2026-03-09", "2026-03-09", **tenfold)
    assert missed(learned, "2026-03-09") == {}


def test_holiday_does_not_spoil_its_weekday(learned):
    # Monday 2 March has the spend of a Sunday; the Monday after it is an ordinary one.
    write(learned, "2026-03-01", "2026-03-01")
    write(
        learned,
        "2026-03-02",
        "2026-03-02",
        spend=CLEAN["spend"].replace("isodow FROM d) < 6", "isodow FROM d) < 0"),
    )
    write(learned, "2026-03-03", "2026-03-09")
    assert missed(learned, "2026-03-09") == {}


@pytest.mark.parametrize("written", ["2026-03-02", "03-02"])
def test_on_a_holiday_half_the_rows_are_no_news(learned, written):
    learned.guard(DEFINITION + f'    holidays: [2025-12-25, "{written}"]\n')
    write(learned, "2026-03-01", "2026-03-01")
    write(learned, "2026-03-02", "2026-03-02", users="60")
    assert missed(learned, "2026-03-02") == {}
    assert learned.run(
        """SELECT DISTINCT p.baseline, v.said LIKE '% expected on a holiday%'
           FROM pgslo_catalog.profile p JOIN pgslo_catalog.verdict v USING (definition_id, batch) JOIN pgslo_catalog.rule r USING (rule_id)
           WHERE p.batch = '2026-03-02' AND r.name <> 'learned_batches'"""
    ).rows == ((False, True),)
    # The Monday after it is like other Mondays again, and as narrowly bounded.
    write(learned, "2026-03-03", "2026-03-08")
    write(learned, "2026-03-09", "2026-03-09", users="60")
    assert set(missed(learned, "2026-03-09")) == {"*"}


@pytest.mark.parametrize(
    ("column", "fault"),
    [
        ("*", {"users": "25"}),
        ("country", {"country": "CASE WHEN u % 5 < 4 THEN NULL ELSE 'us' END"}),
        ("spend", {"spend": "100 * (" + CLEAN["spend"] + ")"}),
    ],
    ids=["a fifth of the rows", "null burst", "unit"],
)
def test_what_is_broken_on_a_holiday_is_told_of(learned, column, fault):
    learned.guard(DEFINITION + "    holidays: 2026-03-02\n")
    write(learned, "2026-03-01", "2026-03-01")
    write(learned, "2026-03-02", "2026-03-02", **fault)
    assert column in missed(learned, "2026-03-02")


def test_holidays_are_left_out_of_what_is_learned_from_rows_that_are_there(session):
    session.run("CREATE TABLE features.t (id bigint, at timestamptz, PRIMARY KEY (id, at))")
    session.run(
        """INSERT INTO features.t SELECT n, d + interval '90 minutes' FROM generate_series(timestamptz '2025-12-20 00:00+00', '2025-12-29 00:00+00', '1 day') d, generate_series(1, 3) n"""
    )
    session.guard(
        "table: features.t\nowner: o\nkey: [id, at]\nwrites: bulk\nbatch: {by: at, every: 1 day}\nholidays: [12-24, 12-25, 2024-12-26]\n"
    )
    session.run("SELECT pgslo.learn('features.t')")
    assert session.run(
        "SELECT DISTINCT batch FROM pgslo_catalog.profile WHERE NOT baseline ORDER BY 1"
    ).rows == (("2025-12-24T00:00:00+00:00",), ("2025-12-25T00:00:00+00:00",))


def test_days_beyond_what_a_time_stamp_holds_are_no_holidays(session):
    session.run("CREATE TABLE features.t (id bigint PRIMARY KEY, day date)")
    session.guard("table: features.t\nowner: o\nwrites: bulk\nbatch: {by: day}\nholidays: [01-01, 02-29]\n")
    session.run("INSERT INTO features.t VALUES (1, '400000-01-01'), (2, 'infinity'), (3, '2028-02-29')")
    session.run("SELECT count(*) FROM pgslo.close_batch('features.t')")
    assert session.run("SELECT DISTINCT batch FROM pgslo_catalog.profile WHERE NOT baseline").rows == (
        ("2028-02-29",),
    )


@pytest.mark.parametrize("type_", ["bigint", "text", "time"])
def test_batches_without_a_date_have_no_holidays(session, type_):
    session.run(f"CREATE TABLE features.t (id bigint PRIMARY KEY, part {type_})")
    with pytest.raises(DefinitionErrors) as caught:
        session.guard("table: features.t\nbatch: {by: part}\nholidays: [12-25]\n")
    assert "batches of features.t have no date, so none is on a holiday" in str(caught.value)
    assert caught.value.errors[0].location.line == 3


def test_what_lasts_on_one_weekday_is_learned_after_three(learned):
    # From 2 March on, more is spent on Mondays than on any other day.
    monday = {
        "spend": CLEAN["spend"].replace("CASE WHEN", "CASE WHEN extract(isodow FROM d) = 1 THEN 5000 WHEN")
    }
    write(learned, "2026-03-01", "2026-03-22", **monday)
    first = [missed(learned, day) for day in ("2026-03-02", "2026-03-09", "2026-03-16")]
    assert all("spend" in columns for columns in first)
    write(learned, "2026-03-23", "2026-03-23", **monday)
    assert missed(learned, "2026-03-23") == {}


def test_numbers_of_a_profile(session):
    session.run("CREATE TABLE features.t (id bigint, day date, v text, PRIMARY KEY (id, day))")
    session.guard("table: features.t\nowner: o\nkey: [id, day]\nwrites: bulk\nbatch: {by: day}\n")
    session.run(
        """INSERT INTO features.t VALUES (1, '2026-01-01', '10'), (2, '2026-01-01', '20.5'), (3, '2026-01-01', NULL), (4, '2026-01-01', '10'),
               (5, '2026-01-01', '-100'), (6, '2026-01-01', 'n/a'), (7, '2026-01-01', '2026-01-01 12:00:00'), (8, '2026-01-01', '')"""
    )
    session.run("SELECT count(*) FROM pgslo.close_batch('features.t')")
    found = dict(
        session.run(
            """SELECT n.name, p.summary[n.i] FROM pgslo_catalog.profile p, unnest(pgslo_catalog.summary_names()) WITH ORDINALITY AS n (name, i)
               WHERE p.column_name = 'v'"""
        ).rows
    )
    assert found["null"] == pytest.approx(1 / 8)
    assert found["empty"] == pytest.approx(1 / 7)
    assert found["distinct_ratio"] == pytest.approx(6 / 7)
    assert found["top"] == pytest.approx(2 / 7)
    assert found["number"] == pytest.approx(4 / 7)
    assert found["time"] == pytest.approx(1 / 7)
    assert found["mean"] == pytest.approx(-59.5 / 4)
    assert (found["minimum"], found["p50"], found["maximum"]) == (-100, 10, 20.5)
    assert found["negative"] == pytest.approx(1 / 4)
    assert found["whole"] == pytest.approx(3 / 4)
    assert found["hundreds"] == pytest.approx(1 / 4)
    assert found["length_max"] == 19


@pytest.mark.parametrize(
    "text", ["2026-02-31", "0000-00-00", "9999-99-99 99:99", "1e999", "NaN", "infinity", "-", "", "١٢٣"]
)
def test_no_text_fails_a_profile(session, text):
    session.run("CREATE TABLE features.t (id bigint, day date, v text, PRIMARY KEY (id, day))")
    session.guard("table: features.t\nowner: o\nkey: [id, day]\nwrites: bulk\nbatch: {by: day}\n")
    session.run(
        f"INSERT INTO features.t SELECT u, d, '{text}' FROM generate_series('2026-01-01'::date, '2026-01-03', '1 day') d, generate_series(1, 9) u"
    )
    session.run("SELECT count(*) FROM pgslo.close_batch('features.t')")
    assert session.run("SELECT count(*)::int FROM pgslo_catalog.profile WHERE column_name = 'v'").rows == (
        (3,),
    )


#: Forty readings a day: a value that grows by a half per cent a day, a note that next to none has, a kind that two in three share.
READINGS = """
    INSERT INTO features.reading (reading_id, day, amount, note, kind)
    SELECT g, d, round((1.005 ^ (d - DATE '2026-01-01') * (100 + (hashint8(g * 31 + (d - DATE '2026-01-01') * 7) & 63)))::numeric, 1),
           CASE WHEN (hashint8(g * 17 + (d - DATE '2026-01-01') * 5) & 63) = 0 THEN 'seen' END,
           CASE WHEN (hashint8(g * 13 + (d - DATE '2026-01-01') * 3) & 3) > 0 THEN 'a' ELSE 'b' END
    FROM generate_series(1, 40) AS g, CAST('{day}' AS date) AS d
"""


def sixty_days(session):
    session.run(
        """CREATE TABLE features.reading (reading_id bigint, day date, amount numeric, note text, kind text, PRIMARY KEY (reading_id, day))"""
    )
    session.guard(
        "table: features.reading\nowner: o\nkey: [reading_id, day]\nwrites: bulk\nbatch: {by: day}\nunwatched: [reading_id, day]\n"
    )
    for number in range(60):
        read(session, f"{date(2026, 1, 1) + timedelta(days=number)}")


@pytest.fixture
def readings(once):
    with once(sixty_days) as session:
        yield session


def read(session, day, *afterwards):
    session.run(READINGS.format(day=day))
    for statement in afterwards:
        session.run(statement)
    session.run(f"SELECT count(*) FROM pgslo.close_batch('features.reading', '{day}')")
    return missed(session, day)


def test_trend_and_sparse_column_raise_no_alarm(readings):
    assert readings.run("SELECT count(*)::int FROM pgslo_catalog.incident").rows == ((0,),)
    # After an outage of a week, too.
    assert read(readings, "2026-03-09") == {}


def test_what_never_was_is_told_of_three_rows(readings):
    negative = (
        "UPDATE features.reading SET amount = -amount WHERE day = '2026-03-02' AND reading_id IN (7, 19, 31)"
    )
    assert set(read(readings, "2026-03-02", negative)) == {"amount"}
    # Three more of what is usual are no news.
    more = "UPDATE features.reading SET kind = 'b' WHERE day = '2026-03-03' AND reading_id IN (7, 19, 31)"
    assert read(readings, "2026-03-03", more) == {}


def test_shock_does_not_make_a_column_deaf(readings):
    hundredfold = "UPDATE features.reading SET amount = 100 * amount WHERE day = '2026-03-02'"
    assert set(read(readings, "2026-03-02", hundredfold)) == {"amount"}
    assert read(readings, "2026-03-03") == {}
    twofold = "UPDATE features.reading SET amount = 2 * amount WHERE day = '2026-03-04'"
    assert set(read(readings, "2026-03-04", twofold)) == {"amount"}


def test_rows_loaded_twice_are_told_of_the_table(readings):
    twice = "INSERT INTO features.reading SELECT reading_id + 100, day, amount, note, kind FROM features.reading WHERE day = '2026-03-02'"
    assert "*" in read(readings, "2026-03-02", twice)


def test_rows_of_an_earlier_batch_are_told_of_the_table(readings):
    # Friday's rows once more, under other keys: each column looks as on any day.
    again = """INSERT INTO features.reading
        SELECT 1 + (reading_id + 7) % 40, DATE '2026-03-03', amount, note, kind FROM features.reading WHERE day = '2026-02-27'"""
    assert read(readings, "2026-03-02") == {}
    told = read(readings, "2026-03-03", "DELETE FROM features.reading WHERE day = '2026-03-03'", again)
    assert set(told) == {"*"}
    assert told["*"].startswith("rows that an earlier batch has: 100 %; at most ")


COLUMNS = ("a", "b", "c", "d", "e", "f")
USUAL = "CASE WHEN hashint8(g * 31 + {number} * 7) & 15 < 8 THEN 'x' ELSE 'y' END"
MORE = "CASE WHEN hashint8(g * 31 + {number} * 7) & 15 < 8 OR g % 100 < 60 THEN 'x' ELSE 'y' END"
GONE = "CASE WHEN g % 5 = 0 THEN NULL ELSE 'x' END"


@pytest.mark.parametrize(
    ("other", "moved", "told"),
    [(MORE, "a", {"a"}), (MORE, COLUMNS, set()), (GONE, COLUMNS, set(COLUMNS))],
    ids=["one moves", "all move", "all are broken"],
)
def test_many_columns_that_move_a_little_together_are_another_day(session, other, moved, told):
    session.run(
        f"CREATE TABLE features.visit (visit_id bigint, day date, {' text, '.join(COLUMNS)} text, PRIMARY KEY (visit_id, day))"
    )
    session.guard(
        "table: features.visit\nowner: o\nkey: [visit_id, day]\nwrites: bulk\nbatch: {by: day}\nunwatched: [visit_id, day]\n"
    )
    for number in range(61):
        day = date(2026, 1, 1) + timedelta(days=number)
        values = ", ".join(
            (other if number == 60 and column in moved else USUAL).format(number=number) for column in COLUMNS
        )
        session.run(
            f"INSERT INTO features.visit SELECT g, '{day}', {values} FROM generate_series(1, 200) AS g"
        )
        session.run(f"SELECT count(*) FROM pgslo.close_batch('features.visit', '{day}')")
    assert set(missed(session, "2026-03-02")) - {"*"} == told
