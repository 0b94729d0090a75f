"""``on_read: insist`` refuses a session until it states that warnings are shown; the client states it, and takes it back."""

from __future__ import annotations

import asyncio
import contextlib
import warnings

import psycopg
import psycopg_pool
import pytest
import sqlalchemy as sa
from bookings import INSISTING, PRICE
from click.testing import CliRunner

from pgslo import naming
from pgslo.cli import main
from pgslo.client import SLOWarning, watch, watch_all


@contextlib.contextmanager
def refused():
    """A read that is refused because the session does not listen."""
    with pytest.raises((psycopg.DatabaseError, sa.exc.DBAPIError)) as caught:
        yield caught
    error = caught.value.orig if isinstance(caught.value, sa.exc.DBAPIError) else caught.value
    assert error.sqlstate == naming.READ_REFUSED
    assert error.diag.message_primary.startswith('read refused: column "price" of ml.')
    # Both ways: to listen, or to do without.
    assert "pgslo.client.watch" in error.diag.message_hint
    assert "SET pgslo.heard = 'on'" in error.diag.message_hint
    assert "SET pgslo.on_read = 'warn'" in error.diag.message_hint
    assert "Incident" in error.diag.message_hint


@pytest.fixture
def session(bookings):
    with psycopg.connect(bookings.dsn, autocommit=True) as connection:
        yield connection


def heard(connection):
    """The setting of a session, read without the client."""
    return connection.pgconn.exec_(b"SELECT current_setting('pgslo.heard', true)").get_value(0, 0)


def notices(session, query):
    got = []
    note = lambda notice: got.append(notice.constraint_name)  # noqa: E731
    session.add_notice_handler(note)
    session.execute(query)
    session.remove_notice_handler(note)
    return got


# In the database


@pytest.mark.parametrize("heard", [None, "", "off", "true", "ON"])
def test_a_session_that_does_not_listen_is_refused(session, heard):
    if heard is not None:
        session.execute("SELECT set_config('pgslo.heard', %s, false)", (heard,))
    for view in ("guarded.stays", "serving.price_stays", "serving.price_bookings"):
        with refused():
            session.execute(f"SELECT price FROM {view}")
    # Nothing is wrong with these columns.
    session.execute("SELECT country FROM guarded.stays")


@pytest.mark.parametrize(
    "setting", ["pgslo.heard = 'on'", "pgslo.on_read = 'warn'", "application_name = 'psql'"]
)
def test_both_ways_of_the_hint_read_with_warnings(session, setting):
    session.execute(f"SET {setting}")
    assert notices(session, INSISTING) == ["price_range"]
    assert notices(session, "SELECT price FROM serving.price_stays") == ["price_range"]


def test_insisting_for_a_session(session):
    session.execute("SET pgslo.on_read = 'insist'")
    with refused():
        session.execute(PRICE)
    # A status view reports in its column, and a task that is silent stays so.
    for view in ("guarded.bookings_status", "serving.quiet_bookings"):
        assert notices(session, f"SELECT price FROM {view}") == []
    session.execute("SET pgslo.heard = 'on'")
    assert notices(session, PRICE) == ["price_range"]
    with pytest.raises(psycopg.DatabaseError, match="read refused"):
        session.execute("SELECT price FROM guarded.bookings_strict")


def test_refuse_is_stricter_and_silent_no_way_around(session):
    session.execute("SET pgslo.on_read = 'silent'")
    with refused():
        session.execute(INSISTING)
    session.execute("SET pgslo.heard = 'on'; SET pgslo.on_read = 'refuse'")
    with pytest.raises(psycopg.DatabaseError, match="read refused"):
        session.execute(INSISTING)


def test_the_status_view_of_a_definition_that_insists_answers(session):
    row = session.execute(
        "SELECT price, _slo_status ->> 'state' FROM guarded.stays_status LIMIT 1"
    ).fetchone()
    assert row == (100, "missed")


# The client says so


@pytest.mark.parametrize("autocommit", [True, False])
def test_a_watched_connection_reads_until_the_watch_stops(bookings, autocommit):
    with psycopg.connect(bookings.dsn, autocommit=autocommit) as connection:
        handle = watch(connection)
        for _ in range(2):
            with pytest.warns(SLOWarning):
                connection.execute(INSISTING)
            # A rollback does not take it back.
            connection.rollback()
        assert heard(connection) == b"on"
        connection.rollback()
        handle.stop()
        with refused():
            connection.execute(INSISTING)
        connection.rollback()
        assert "wait" not in vars(connection)


@pytest.mark.parametrize("reset", ["DISCARD ALL", "RESET ALL", "reset pgslo.heard", b"discard  all"])
def test_it_is_stated_again_after_a_reset(session, reset):
    watch(session)
    with pytest.warns(SLOWarning):
        session.execute(INSISTING)
    session.execute(reset)
    with pytest.warns(SLOWarning):
        session.execute(INSISTING)


def test_a_loss_that_the_client_does_not_see_is_mended_after_one_refusal(session):
    watch(session)
    session.execute("SELECT 1")
    session.execute("SELECT set_config(name, '', false) FROM (VALUES ('pgslo.heard')) AS s (name)")
    with refused():
        session.execute(INSISTING)
    with pytest.warns(SLOWarning):
        session.execute(INSISTING)


def test_a_watch_that_begins_inside_a_transaction(bookings):
    with psycopg.connect(bookings.dsn) as connection:
        connection.execute("SELECT 1")
        watch(connection)
        for _ in range(2):
            with pytest.warns(SLOWarning):
                connection.execute(INSISTING)
            connection.rollback()


def test_it_is_stated_in_blocks_copies_streams_and_pipelines(bookings):
    def within(use):
        with (
            psycopg.connect(bookings.dsn, autocommit=True) as connection,
            watch(connection),
            pytest.warns(SLOWarning),
        ):
            use(connection)

    def copy(connection):
        with connection.cursor() as cursor, cursor.copy(f"COPY ({INSISTING}) TO STDOUT") as rows:
            list(rows)

    def block(connection):
        with connection.transaction():
            connection.execute(INSISTING)

    def pipe(connection):
        with connection.pipeline():
            connection.execute(INSISTING).fetchall()

    within(copy)
    within(block)
    within(pipe)
    within(lambda connection: list(connection.cursor().stream(INSISTING)))


def test_a_server_that_is_older_than_the_setting_is_not_asked(session, monkeypatch):
    monkeypatch.setattr("pgslo.client.taps._OLDEST", 990000)
    watch(session)
    session.execute("SELECT 1")
    assert heard(session) in (b"", None)


def test_a_pool_that_resets_its_connections(bookings):
    def reset(connection):
        connection.execute("DISCARD ALL")

    with (
        psycopg_pool.ConnectionPool(
            bookings.dsn, min_size=1, max_size=1, reset=reset, kwargs={"autocommit": True}
        ) as pool,
        watch(pool),
    ):
        for _ in range(2):
            with pool.connection() as connection, pytest.warns(SLOWarning):
                connection.execute(INSISTING)


def test_an_engine_and_its_end(bookings):
    engine = sa.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(bookings.dsn))
    with watch(engine):
        for _ in range(2):
            with engine.connect() as connection, pytest.warns(SLOWarning):
                connection.exec_driver_sql(INSISTING)
    with engine.connect() as connection, refused():
        connection.exec_driver_sql(INSISTING)
    engine.dispose()


def test_an_async_connection(bookings):
    async def run():
        async with await psycopg.AsyncConnection.connect(bookings.dsn, autocommit=True) as connection:
            async with watch(connection):
                for _ in range(2):
                    with pytest.warns(SLOWarning):
                        await connection.execute(INSISTING)
                    await connection.execute("DISCARD ALL")
            with refused():
                await connection.execute(INSISTING)

    asyncio.run(run())


# All connections of the process


def test_watch_all_finds_connections_made_before_and_later(bookings):
    with psycopg.connect(bookings.dsn, autocommit=True) as earlier:
        handle = watch_all()
        with (
            psycopg.connect(bookings.dsn) as later,
            psycopg_pool.ConnectionPool(bookings.dsn, min_size=1) as pool,
        ):
            for connection in (earlier, later):
                with pytest.warns(SLOWarning) as seen:
                    connection.execute(INSISTING)
                assert seen[0].filename == __file__
            with pool.connection() as connection, pytest.warns(SLOWarning):
                connection.execute(INSISTING)
        handle.stop()
        with refused():
            earlier.execute(INSISTING)
        with psycopg.connect(bookings.dsn) as later, warnings.catch_warnings():
            warnings.simplefilter("error")
            later.execute(PRICE)


def test_watch_all_on_async_connections(bookings):
    async def run():
        with watch_all():
            async with await psycopg.AsyncConnection.connect(bookings.dsn) as connection:
                with pytest.warns(SLOWarning):
                    await connection.execute(INSISTING)

    asyncio.run(run())


def test_watch_all_and_watch_warn_once(session):
    with watch_all(), watch(session), pytest.warns(SLOWarning) as seen:
        session.execute(INSISTING)
    assert len(seen) == 1


# What a watch prints


def test_a_watch_is_a_sentence(session):
    engine = sa.create_engine("postgresql+psycopg://analyst:hush@db.example.com/shop")
    one = watch(engine)
    assert repr(one) == (
        "Watch of SQLAlchemy Engine postgresql+psycopg://analyst:***@db.example.com/shop: "
        "warnings about data that is read appear as SLOWarning, until stop() is called."
    )
    assert one._repr_html_() == f"<p>{one!r}</p>"
    one.stop()
    assert repr(one).endswith("shop, stopped.")
    assert repr(watch(session, on_warning="raise")) == (
        f"Watch of a psycopg connection to database {session.info.dbname}: "
        "each statement with a warning about its data raises SLOBreach, until stop() is called."
    )
    with watch_all(on_warning=print) as every:
        assert repr(every).startswith("Watch of all psycopg connections of this process: ")


def test_the_command_listens(bookings, tmp_path, monkeypatch):
    """It shows the warnings of the server, so that a view that insists can be made into a snapshot."""
    monkeypatch.chdir(tmp_path)
    arguments = ["--dsn", bookings.dsn, "snapshot", "create", "before", "--view", "guarded.stays"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert 'misses rule "price_range"' in done.output
