"""Sessions on the page of the command line equal the output of the commands: each block runs on a database made for it.

``--update-goldens`` writes the output of blocks without ``…`` to the page.
"""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from pgslo.cli import main

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"
Connection = psycopg.Connection[Any]
Block = list[tuple[str, list[str]]]
Check = Callable[[Block], None]

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


def block(*first: str) -> Block:
    """Return the commands of the blocks that begin with these commands, each with the lines that it prints."""
    text = PAGE.read_text(encoding="utf-8")
    found = [
        re.split(r"^\$ ", one, flags=re.MULTILINE)[1:]
        for one in re.findall(r"^```console\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    ]
    chosen = [one for one in found if any(one[0].startswith(f"{command}\n") for command in first)]
    assert len(chosen) == len(first), f"{PAGE.name} has {len(chosen)} blocks of {first}"
    return [(command, shown) for one in chosen for command, *shown in (part.splitlines() for part in one)]


def alike(text: str) -> str:
    """Replace times, numbers of plans and the name of the role, which differ from run to run."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?", lambda found: "T" * len(found[0]), text)
    return re.sub(r"\b[0-9a-f]{16}\b", "H" * 16, text)


@pytest.fixture
def check(pytestconfig: pytest.Config) -> Check:
    """Run the commands of a block, and compare their output with the page."""
    updates = pytestconfig.getoption("update_goldens")

    def check(block: Block) -> None:
        for command, shown in block:
            words = shlex.split(command)
            assert words.pop(0) == "pgslo", command
            output = CliRunner().invoke(main, words, input="y\n").output
            lines = [line.rstrip() for line in output.splitlines()]
            pattern = "".join(
                r"(?:.*\n)*?" if line.strip() == "…" else re.escape(line) + r"\n"
                for line in map(alike, shown)
            )
            if re.fullmatch(pattern, alike("".join(f"{line}\n" for line in lines))):
                continue
            if not updates or any(line.strip() == "…" for line in shown):
                pytest.fail(f"$ {command}\n{output}")
            was, becomes = (
                "".join(f"{line}\n" for line in (f"$ {command}", *some)) for some in (shown, lines)
            )
            text = PAGE.read_text(encoding="utf-8")
            assert text.count(was) == 1
            PAGE.write_text(text.replace(was, becomes), encoding="utf-8")

    return check


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
    check: Check,
    monkeypatch: pytest.MonkeyPatch,
    empty_dsn: str,
    empty_connection: Connection,
) -> None:
    monkeypatch.setenv("PGSLO_DSN", empty_dsn)
    empty_connection.execute(BOOKINGS)
    empty_connection.execute(
        "INSERT INTO ml.bookings SELECT i, 1 + i % 80, 'us' FROM generate_series(1, 500) AS i"
    )
    check(block("pgslo init bookings --ci github"))


def test_plan(
    check: Check,
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
    (first, second) = block_pair("pgslo plan")
    check([first])
    apply()
    project(definition.replace("120", "110").replace("[us, de]", "[us, de, fr]"), "bookings")
    check([second])


def apply() -> None:
    result = CliRunner().invoke(main, ["apply", "--yes"])
    assert result.exit_code == 0, result.output


def block_pair(command: str) -> Block:
    text = PAGE.read_text(encoding="utf-8")
    found = re.findall(rf"^```console\n\$ ({command})\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert len(found) == 2
    return [(name, shown.splitlines()) for name, shown in found]


def test_what_cannot_be_finished(
    check: Check,
    project: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    dsn: str,
    connection: Connection,
) -> None:
    monkeypatch.setenv("PGSLO_DSN", dsn)
    connection.execute(STATS)
    connection.execute("INSERT INTO features.user_stats VALUES (1, '2026-11-20', 30, NULL, 'free')")
    project("table: features.user_stats\ncolumns:\n  country: [not_null: {on_breach: reject}]\n")
    check(block("pgslo apply --yes"))


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
def test_status(check: Check) -> None:
    check(block("pgslo status"))


@pytest.mark.usefixtures("missed")
def test_incidents(check: Check) -> None:
    check(block("pgslo incidents"))


def test_rules_in_force(
    check: Check,
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
    check(block("pgslo status --rules features.user_stats"))


def test_drift_and_pause(
    check: Check,
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
    check(block("pgslo pause stats"))
    assert CliRunner().invoke(main, ["resume", "features.stats"]).exit_code == 0
    connection.execute("ALTER TABLE features.stats RENAME TO people")
    connection.execute(
        "CREATE TABLE features.parts_2027 PARTITION OF features.parts FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')"
    )
    check(block("pgslo drift"))


def test_a_row_in_quarantine(
    check: Check,
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
    check(block("pgslo quarantine release 1"))
