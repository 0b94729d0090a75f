"""Sessions on the page of the command line equal the output of the commands: each block runs on a database made for it.

``--update-goldens`` writes the output of blocks without ``…`` to the page.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.support.sessions import Sessions, apply, run

pytestmark = pytest.mark.slow

Connection = psycopg.Connection[Any]

BOOKINGS = "CREATE SCHEMA ml; CREATE TABLE ml.bookings (id int PRIMARY KEY, age int, country text)"
STATS = """
CREATE SCHEMA features;
CREATE TABLE features.user_stats (
    user_id int, feature_date date, age int, country text, plan text, PRIMARY KEY (user_id, feature_date)
)
"""
#: A day's rows; ages that differ a little from day to day, and one country.
DAY = """
INSERT INTO features.user_stats
SELECT i, day, 1 + (i + 20 * extract(day FROM day)::int) % 83, 'us', 'free'
FROM generate_series(1, 500) AS i, (SELECT %s::date) AS d (day)
"""
BROKEN = """
UPDATE features.user_stats SET age = 300, country = 'xx' WHERE feature_date = '2026-11-23' AND user_id <= 3
"""


@pytest.fixture
def page(pytestconfig: pytest.Config) -> Sessions:
    """The sessions of the page."""
    return Sessions("reference/cli.md", pytestconfig.getoption("update_goldens"))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """An empty project; writes a definition."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pgslo.cli.output.can_ask", lambda: True)
    monkeypatch.setenv("COLUMNS", "200")
    Path("slos").mkdir()

    def write(text: str, name: str = "user_stats") -> None:
        Path(f"slos/{name}.yml").write_text(textwrap.dedent(text))

    return write


@pytest.mark.usefixtures("project")
def test_init(
    page: Sessions,
    monkeypatch: pytest.MonkeyPatch,
    empty_dsn: str,
    empty_connection: Connection,
) -> None:
    monkeypatch.setenv("PGSLO_DSN", empty_dsn)
    empty_connection.execute(BOOKINGS)
    empty_connection.execute(
        "INSERT INTO ml.bookings SELECT i, 1 + i % 80, 'us' FROM generate_series(1, 500) AS i"
    )
    page.check("pgslo init bookings --ci github")


def test_plan(
    page: Sessions,
    project: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    empty_dsn: str,
    empty_connection: Connection,
) -> None:
    monkeypatch.setenv("PGSLO_DSN", empty_dsn)
    empty_connection.execute(BOOKINGS)
    definition = """
        table: ml.bookings
        columns:
          age: [range: {min: 0, max: 120, on_breach: quarantine}, not_null: {on_breach: reject}]
          country: [accepted_values: {values: [us, de]}]
    """
    project(definition, "bookings")
    page.check("pgslo plan")
    apply()
    project(definition.replace("120", "110").replace("[us, de]", "[us, de, fr]"), "bookings")
    page.check("pgslo plan", 1)


def test_what_cannot_be_finished(
    page: Sessions,
    project: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    dsn: str,
    connection: Connection,
) -> None:
    monkeypatch.setenv("PGSLO_DSN", dsn)
    connection.execute(STATS)
    connection.execute("INSERT INTO features.user_stats VALUES (1, '2026-11-20', 30, NULL, 'free')")
    project("table: features.user_stats\ncolumns:\n  country: [not_null: {on_breach: reject}]\n")
    page.check("pgslo apply --yes")


@pytest.fixture
def missed(
    project: Callable[..., None], monkeypatch: pytest.MonkeyPatch, dsn: str, connection: Connection
) -> None:
    """Four batches, of which the last misses two rules."""
    monkeypatch.setenv("PGSLO_DSN", dsn)
    connection.execute(STATS)
    project("""
        table: features.user_stats
        owner: growth
        batch: {by: feature_date}
        objective: {target: 0.9, window: 28 days}
        columns:
          age: [range: {min: 0, max: 120}]
          country: [accepted_values: {values: [us, de]}]
        tasks:
          churn: {reads: [age, country], contact: "#churn-oncall"}
    """)
    apply()
    connection.execute("SET application_name = 'nightly'")
    for day in range(20, 24):
        connection.execute(DAY.replace("%s", f"'2026-11-{day}'"))
        if day == 23:
            connection.execute(BROKEN)
        connection.execute("SELECT pgslo.close_batch('features.user_stats', %s)", [f"2026-11-{day}"])


@pytest.mark.usefixtures("missed")
def test_status(page: Sessions) -> None:
    page.check("pgslo status")


@pytest.mark.usefixtures("missed")
def test_incidents(page: Sessions) -> None:
    page.check("pgslo incidents")


def test_rules_in_force(
    page: Sessions,
    project: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    dsn: str,
    connection: Connection,
) -> None:
    monkeypatch.setenv("PGSLO_DSN", dsn)
    connection.execute(STATS)
    project("""
        table: features.user_stats
        batch: {by: feature_date}
        columns:
          age: [range: {min: 0, max: 120, on_breach: reject}]
          plan: [not_null: {on_breach: reject}]
    """)
    apply()
    (name,) = connection.execute(
        "SELECT tgname FROM pg_trigger WHERE tgrelid = 'features.user_stats'::regclass AND tgtype & 4 > 0 AND tgnewtable IS NOT NULL"
    ).fetchone() or ("",)
    connection.execute(f"DROP TRIGGER {name} ON features.user_stats")
    page.check("pgslo status --rules features.user_stats")


def test_drift_and_pause(
    page: Sessions,
    project: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    dsn: str,
    connection: Connection,
) -> None:
    monkeypatch.setenv("PGSLO_DSN", dsn)
    connection.execute("""
        CREATE SCHEMA features;
        CREATE TABLE features.stats (id int PRIMARY KEY, age int);
        CREATE TABLE features.parts (id int, day date, amount int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
        CREATE TABLE features.parts_2026 PARTITION OF features.parts FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    """)
    project("table: features.stats\ncolumns:\n  age: [range: {min: 0}]\n", "stats")
    project("table: features.parts\nbatch: {by: day}\ncolumns:\n  amount: [range: {min: 0}]\n", "parts")
    apply()
    page.check("pgslo pause stats")
    run("pgslo resume features.stats")
    connection.execute("ALTER TABLE features.stats RENAME TO people")
    connection.execute(
        "CREATE TABLE features.parts_2027 PARTITION OF features.parts FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')"
    )
    page.check("pgslo drift")


def test_a_row_in_quarantine(
    page: Sessions,
    project: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    dsn: str,
    connection: Connection,
) -> None:
    monkeypatch.setenv("PGSLO_DSN", dsn)
    connection.execute(STATS)
    project("""
        table: features.user_stats
        columns:
          age: [range: {min: 0, max: 130, on_breach: quarantine}]
    """)
    apply()
    connection.execute("INSERT INTO features.user_stats VALUES (1, '2026-11-20', 300, 'us', 'free')")
    page.check("pgslo quarantine release 1")
