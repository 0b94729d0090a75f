"""Readers in Python hear what guarded views say: in every driver, at their own line, once, before they use it."""

from __future__ import annotations

import gc
import logging
import subprocess
import sys
import warnings
import weakref

import psycopg
import pytest

# What a generated guard does, without the runtime: the contract between server and client is these fields.
from watched_views import AGE, BOTH, SCORE, copy_in, copy_out, hears, pickled

from pgslo import naming
from pgslo.client import SLOBreach, SLOWarning, watch
from pgslo.database import installation, planning

# ── the fields ──


def test_a_warning_carries_the_fields_of_the_notice(session):
    watch(session)
    with hears(17) as heard:
        session.execute(AGE)
    warning = heard[0].message
    assert vars(warning) == {
        "sqlstate": "01SL1",
        "message": 'column "age" of features.user_stats misses "age_range" (range)',
        "detail": "Batch 2026-11-22: 62.1 % of 48,211 rows fail. Since 2026-11-21 02:14 UTC, 3 batches.",
        "hint": "Incident 17, owner growth-platform. SELECT * FROM pgslo.explain(17);",
        "schema": "features",
        "table": "user_stats",
        "column": "age",
        "rule": "age_range",
        "incident": 17,
    }
    assert str(warning).splitlines() == [
        'column "age" of features.user_stats misses "age_range" (range)',
        "DETAIL:  Batch 2026-11-22: 62.1 % of 48,211 rows fail. Since 2026-11-21 02:14 UTC, 3 batches.",
        "HINT:  Incident 17, owner growth-platform. SELECT * FROM pgslo.explain(17);",
    ]


def test_what_cannot_be_judged_is_a_warning_too(session):
    watch(session)
    with hears(None) as heard:
        session.execute("SELECT * FROM guarded.unjudged")
    warning = heard[0].message
    assert (warning.sqlstate, warning.column, warning.rule) == (naming.NOT_JUDGED, None, "freshness")
    assert str(warning) == (
        'features.user_stats cannot be judged by "freshness"\nDETAIL:  It has no closed batch.'
    )


def test_other_notices_are_left_alone(session):
    watch(session)
    with hears():
        session.execute("DO $$ BEGIN RAISE WARNING 'of someone else'; END $$")


def test_warnings_and_breaches_survive_pickling():
    warning = SLOWarning("m", sqlstate="01SL2", detail="d", hint="Incident 4, owner x.", table="t", rule="r")
    warning.add_note("read by the nightly job")
    again = pickled(warning)
    assert (vars(again), again.args, str(again)) == (vars(warning), warning.args, str(warning))
    breach = pickled(SLOBreach([warning, SLOWarning("n")]))
    assert str(breach) == "m (and 1 more)\ndetail: d\nhint: Incident 4, owner x."
    assert [str(each) for each in breach.warnings] == [str(warning), "n"]


def test_importing_the_client_imports_no_data_library():
    program = (
        "import sys, pgslo.client;"
        "print({'sqlalchemy', 'pandas', 'polars', 'psycopg_pool', 'numpy'} & set(sys.modules) or 'none')"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "none\n"


# ── when and where ──


def test_only_the_columns_read_warn(session):
    watch(session)
    with hears():
        session.execute(SCORE)
    with hears(17, 23):
        session.execute(BOTH)


def test_one_incident_warns_once_in_a_statement_and_again_in_the_next(session):
    watch(session)
    with hears(17):
        session.execute("SELECT guarded.age(), guarded.age(), age FROM guarded.user_stats WHERE age > 3")
    for _ in range(2):
        with hears(17):
            session.execute(AGE)


def test_the_default_filter_shows_each_read_of_the_same_line(session):
    watch(session)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("default")
        for _ in range(3):
            session.execute(AGE)
    assert len(heard) == 3


def test_a_once_filter_quietens_repeated_reads(session):
    watch(session)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("once", SLOWarning)
        for _ in range(3):
            session.execute(AGE)
    assert len(heard) == 1


def test_an_error_filter_raises_out_of_the_statement(session):
    watch(session)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", r'column "age" of features\.user_stats', SLOWarning)
        with pytest.raises(SLOWarning) as caught:
            session.execute(AGE)
    assert caught.value.incident == 17
    assert session.execute("SELECT 1").fetchone() == (1,)


def test_statements_through_a_cursor_made_before_are_watched(session):
    with session.cursor() as cursor:
        watch(session)
        with hears(17):
            cursor.execute(AGE)
        with hears(17):
            cursor.executemany(
                "SELECT age FROM guarded.user_stats WHERE user_id = %s", [(n,) for n in range(200)]
            )


def test_the_line_is_that_of_the_caller_of_ones_own_data_access_layer(session):
    layer: dict = {"__name__": "acme.features.read"}
    exec("def read(session, query):\n    return session.execute(query).fetchall()", layer)
    with watch(session), warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        layer["read"](session, AGE)
    assert heard[0].filename == "<string>"
    with watch(session, skip_modules=["acme.features"]), hears(17):
        layer["read"](session, AGE)


def test_a_failed_statement_keeps_its_error_and_names_the_warnings(session):
    failing = "SELECT age / (user_id - user_id) FROM guarded.user_stats"
    with watch(session), hears(17), pytest.raises(psycopg.errors.DivisionByZero):
        session.execute(failing)
    with watch(session, on_warning="raise"), pytest.raises(psycopg.errors.DivisionByZero) as caught:
        session.execute(failing)
    assert "Incident 17" in caught.value.__notes__[0]


def test_a_refused_read_is_the_drivers_own_error(session):
    watch(session)
    with hears(), pytest.raises(psycopg.DatabaseError) as caught:
        session.execute("SELECT age FROM guarded.user_stats_strict")
    assert caught.value.sqlstate == naming.READ_REFUSED


def test_a_writer_is_warned_once_in_a_statement(session):
    watch(session)
    with hears(17):
        session.execute("INSERT INTO features.user_stats SELECT n FROM generate_series(2001, 2100) AS n")


# ── server-side cursors, streams, COPY, pipelines ──


def test_a_server_side_cursor_warns_at_its_first_fetch_only(session):
    watch(session)
    with session.transaction(), session.cursor("reading") as cursor:
        cursor.execute(AGE)
        with hears(17):
            cursor.fetchmany(10)
        with hears():
            cursor.fetchmany(10)


def test_a_stream_warns_at_its_first_row_only(session):
    watch(session)
    with session.cursor() as cursor, hears(17):
        assert len(list(cursor.stream(AGE))) == 1000


def test_a_stream_with_a_notice_for_each_row_warns_once(session):
    watch(session)
    with session.cursor() as cursor, hears(17):
        assert len(list(cursor.stream("SELECT guarded.age() FROM generate_series(1, 1000)"))) == 1000


def test_copy_out_warns_once_at_the_line_that_reads(session):
    watch(session)
    with hears(17), session.cursor() as cursor, cursor.copy(f"COPY ({AGE}) TO STDOUT") as copy:
        assert len(list(copy.rows())) == 1000


def test_copy_in_warns_once(session):
    watch(session)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        copy_in(session, range(5000, 5010))
    assert [warning.message.incident for warning in heard] == [17]
    assert session.execute("SELECT count(*) FROM features.user_stats").fetchone() == (1010,)


def test_a_pipeline_warns_once_at_a_line_within_it(session):
    watch(session)
    with session.pipeline(), hears(17, after=3):
        session.execute(SCORE)
        cursor = session.execute(AGE)
        cursor.fetchall()


# ── raising ──


def test_raise_keeps_the_result_from_the_caller(session):
    with watch(session, on_warning="raise"):
        rows = "not read"
        with pytest.raises(SLOBreach) as caught:
            rows = session.execute(BOTH).fetchall()
        assert rows == "not read"
        assert [warning.incident for warning in caught.value.warnings] == [17, 23]
        assert str(caught.value) == (
            'column "age" of features.user_stats misses "age_range" (range) (and 1 more)\n'
            "detail: Batch 2026-11-22: 62.1 % of 48,211 rows fail. Since 2026-11-21 02:14 UTC, 3 batches.\n"
            "hint: Incident 17, owner growth-platform. SELECT * FROM pgslo.explain(17);"
        )
        assert len(session.execute(SCORE).fetchall()) == 1000


def test_raise_includes_what_cannot_be_judged(session):
    with watch(session, on_warning="raise"), pytest.raises(SLOBreach):
        session.execute("SELECT * FROM guarded.unjudged")


def test_raise_rolls_a_write_back_with_its_transaction(views, session):
    connection = psycopg.connect(views)
    watch(connection, on_warning="raise")
    with pytest.raises(SLOBreach), connection:
        connection.execute("INSERT INTO features.user_stats VALUES (2001)")
    assert session.execute("SELECT FROM features.user_stats WHERE user_id = 2001").fetchone() is None


def test_a_commit_that_has_happened_warns_and_does_not_raise(views, session):
    with psycopg.connect(views) as connection:
        watch(connection, on_warning="raise")
        connection.execute("INSERT INTO features.asserted VALUES (1), (2)")
        with hears(17):
            connection.commit()
    assert session.execute("SELECT count(*) FROM features.asserted").fetchone() == (2,)


def test_raise_ends_a_stream_before_its_first_row(session):
    watch(session, on_warning="raise")
    rows = []
    with session.cursor() as cursor, pytest.raises(SLOBreach):
        rows.extend(cursor.stream(BOTH))
    assert rows == []
    assert session.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize(("on_warning", "error"), [("raise", SLOBreach), ("warn", SLOWarning)])
def test_an_exception_ends_a_stream_that_goes_on_warning(session, on_warning, error):
    watch(session, on_warning=on_warning)  # pytest turns warnings into errors
    query = "SELECT CASE WHEN n < 100 THEN guarded.age() ELSE guarded.country() END FROM generate_series(1, 150) n"
    for _ in range(10):
        with session.cursor() as cursor, pytest.raises(error):
            list(cursor.stream(query))
        assert session.execute("SELECT 1").fetchone() == (1,)


def test_raise_ends_a_server_side_cursor_before_its_first_row(session):
    watch(session, on_warning="raise")
    with session.transaction(), session.cursor("reading") as cursor:
        cursor.execute(AGE)
        with pytest.raises(SLOBreach):
            cursor.fetchone()


@pytest.mark.parametrize(
    "query",
    [
        AGE,
        "SELECT age FROM guarded.user_stats, generate_series(1, 1000) WHERE now() <> now() OR guarded.age()",
    ],
    ids=["with the rows", "before the rows"],
)
def test_raise_ends_a_copy_and_leaves_the_connection_usable(session, query):
    watch(session, on_warning="raise")
    with pytest.raises(SLOBreach):
        copy_out(session, query)
    assert session.execute("SELECT 1").fetchone() == (1,)


def test_raise_ends_copy_in(session):
    watch(session, on_warning="raise")
    with pytest.raises(SLOBreach), session.transaction():
        copy_in(session, [5000])
    assert session.execute("SELECT count(*) FROM features.user_stats").fetchone() == (1000,)


def test_raise_in_a_pipeline(session):
    watch(session, on_warning="raise")
    with session.pipeline():
        for _ in range(2):
            reading = session.execute(AGE)
            with pytest.raises(SLOBreach):
                reading.fetchall()
    with pytest.raises(SLOBreach), session.pipeline():
        session.execute(AGE)
    assert session.execute("SELECT 1").fetchone() == (1,)


# ── calling ──


def test_a_callable_gets_each_warning_and_may_use_the_connection(session):
    heard = []

    def ask(warning):
        heard.append((warning.incident, session.execute("SELECT %s::int", (warning.incident,)).fetchone()))

    watch(session, on_warning=ask)
    with hears():
        session.execute(BOTH)
    assert heard == [(17, (17,)), (23, (23,))]


def test_a_callable_waits_for_the_end_of_a_stream(session):
    heard = []

    def ask(warning):
        heard.append((warning.incident, len(rows), session.execute("SELECT 1").fetchone()))

    watch(session, on_warning=ask)
    rows = []
    with session.cursor() as cursor:
        rows.extend(cursor.stream(AGE))
    assert heard == [(17, 1000, (1,))]


def test_what_a_callable_raises_reaches_the_caller(session):
    def stop(warning):
        raise LookupError(warning.incident)

    watch(session, on_warning=stop)
    with pytest.raises(LookupError, match="17"):
        session.execute(AGE)
    assert session.execute("SELECT 1").fetchone() == (1,)


# ── several watches, and their end ──


def test_stop_leaves_the_connection_as_it_was(session):
    before = dict(vars(session), _notice_handlers=[])
    handle = watch(session)
    handle.stop()
    handle.stop()
    assert dict(vars(session), _notice_handlers=session._notice_handlers) == before
    with hears():
        session.execute(AGE)


def test_two_watches_on_one_connection_warn_once(session):
    first, second = watch(session), watch(session)
    with hears(17):
        session.execute(AGE)
    first.stop()
    with hears(17):
        session.execute(AGE)
    second.stop()
    with hears():
        session.execute(AGE)


def test_a_raising_watch_inside_a_warning_one(session):
    watch(session)
    with watch(session, on_warning="raise"), hears(), pytest.raises(SLOBreach):
        session.execute(AGE)
    with hears(17):
        session.execute(AGE)


def test_a_watch_does_not_keep_a_connection_alive(views):
    connection = psycopg.connect(views)
    gone = weakref.ref(connection)
    gc.disable()
    try:
        watch(connection, on_warning=print)
        connection.close()
        del connection
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("target", "on_warning", "error"),
    [
        ("host=localhost", "warn", "cannot watch a str"),
        (None, "raise", "cannot watch a NoneType"),
        (None, "panic", "on_warning must be"),
    ],
)
def test_what_cannot_be_watched_is_refused(target, on_warning, error):
    with pytest.raises((TypeError, ValueError), match=error):
        watch(target, on_warning=on_warning)


# ── the runtime itself ──


DEFINITION = """
table: features.user_stats
owner: growth-platform
key: [user_id, feature_date]
batch: {by: feature_date}
columns:
  age:
    - range: {name: age_range, min: 0, max: 120}
  country:
    - accepted_values: {name: country_known, values: [us, de, fr]}
"""


@pytest.fixture
def guarded(connection):
    """A session on a table with a real definition, whose newest batch misses the rule of ``age``."""
    from pgslo.definition import load

    connection.execute(
        "CREATE SCHEMA features; CREATE TABLE features.user_stats"
        " (user_id int, feature_date date, age int, country text, PRIMARY KEY (user_id, feature_date))"
    )

    def plan():
        return planning.plan_definitions(connection, [load(DEFINITION, path="user_stats.yml")])

    installation.apply(connection, plan(), plan)
    connection.execute(
        "INSERT INTO features.user_stats SELECT n, '2026-11-22', -n, 'de' FROM generate_series(1, 100) AS n"
    )
    return connection


def test_a_guarded_view_warns_for_the_column_read_with_every_field(guarded):
    watch(guarded)
    with hears():
        guarded.execute("SELECT country FROM guarded.user_stats")
    (incident,) = guarded.execute("SELECT incident_id FROM pgslo.incident").fetchone()
    with hears(incident) as heard:
        guarded.execute("SELECT age FROM guarded.user_stats WHERE age > 3")
    warning = heard[0].message
    assert (warning.sqlstate, warning.schema, warning.table) == ("01SL1", "features", "user_stats")
    assert (warning.column, warning.rule) == ("age", "age_range")
    assert guarded.execute(warning.hint.splitlines()[0].partition(". ")[2]).fetchall()


def test_a_writer_of_a_defined_table_is_warned(guarded):
    watch(guarded)
    with hears(None):
        guarded.execute("INSERT INTO features.user_stats VALUES (101, '2026-11-22', -1, 'de')")


@pytest.mark.parametrize(
    ("on_read", "view"), [("warn", "guarded.user_stats_strict"), ("refuse", "guarded.user_stats")]
)
def test_a_guarded_view_refuses_with_the_drivers_error(guarded, on_read, view):
    watch(guarded)
    guarded.execute(f"SET pgslo.on_read = {on_read}")
    with hears(), pytest.raises(psycopg.DatabaseError) as caught:
        guarded.execute(f"SELECT age FROM {view}")
    assert caught.value.sqlstate == naming.READ_REFUSED


# ── why it is built this way ──


def test_psycopg_still_swallows_what_a_notice_handler_raises(session, caplog):
    """Otherwise the handler could raise directly, and ``wait`` and ``lock`` would not have to be hooked."""

    def handler(diagnostic):
        raise LookupError(diagnostic.message_primary)

    session.add_notice_handler(handler)
    with caplog.at_level(logging.ERROR, "psycopg"):
        assert len(session.execute(AGE).fetchall()) == 1000
    assert "error processing notice callback" in caplog.text
