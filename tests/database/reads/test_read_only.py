"""A standby and a read-only session: what reads works, and what writes says at once where it can."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from pgslo import database, embedded
from pgslo.cli import main
from pgslo.embedded.account import server_account, temporary_folder
from pgslo.errors import DatabaseError

pytestmark = pytest.mark.slow

TABLE = """
CREATE SCHEMA features;
CREATE TABLE features.stats (id integer, day date, age integer, country text, PRIMARY KEY (id, day));
"""
STATS = """\
table: features.stats
owner: growth
writes: bulk
batch: {by: day}
columns:
  age: [range: {min: 0, max: 120, on_breach: quarantine}]
  country: [accepted_values: {values: [us, de]}]
tasks:
  churn: {contact: "#churn", reads: [country]}
"""
ROWS = """
INSERT INTO features.stats SELECT i, DATE '2026-01-01' + i, 30, 'us' FROM generate_series(1, 30) AS i;
INSERT INTO features.stats VALUES (1, '2026-03-01', 500, 'us'), (2, '2026-03-01', 5, 'xx');
"""
STANDBY = "this is a standby: it can be read and planned, not changed"
READ_ONLY = "this session is read-only: default_transaction_read_only is on"

#: Every command that changes the database.
WRITES = (
    ("apply", "--yes"),
    ("apply", "--dry-run"),
    ("migrate",),
    ("learn", "features.stats"),
    ("backtest", "features.stats"),
    ("tick",),
    ("pause", "features.stats"),
    ("pause", "features.stats", "age_range"),
    ("resume", "--all"),
    ("quarantine", "release", "1", "--set", "age=5"),
    ("quarantine", "drop", "1", "--yes"),
    ("incidents", "ack", "1"),
    ("incidents", "mute", "1", "--for", "1h"),
    ("incidents", "mute", "--rule", "features.stats.age_range", "--for", "1h"),
    ("incidents", "resolve", "1", "--as", "real"),
    ("snapshot", "create", "again", "--view", "guarded.stats"),
    ("snapshot", "verify", "one", "two"),
    ("snapshot", "drop", "one", "--yes"),
    ("watch", "--once", "--tick"),
    ("watch", "--tick"),
    ("watch", "--on", "healthy-batch", "--task", "churn", "--run", "true"),
    ("grants", "operator", "postgres", "--execute"),
    ("uninstall", "--all", "--yes"),
)
#: Every command that only reads, and how it ends here.
READS = (
    (("status",), 4),
    (("plan",), 0),
    (("render", "--to", "rendered"), 0),
    (("drift",), 0),
    (("suggest", "features.stats"), 0),
    (("learn", "--show", "features.stats"), 0),
    (("migrate", "--check"), 0),
    (("migrate", "--sql"), 0),
    (("incidents",), 0),
    (("incidents", "show", "1"), 0),
    (("explain", "1"), 0),
    (("quarantine", "list"), 0),
    (("quarantine", "show", "1"), 0),
    (("snapshot", "list"), 0),
    (("snapshot", "query", "one"), 0),
    (("snapshot", "diff", "one", "two"), 0),
    (("snapshot", "verify", "one"), 0),
    (("gate", "churn"), 4),
    (("report",), 0),
    (("metrics",), 0),
    (("grants", "operator", "postgres"), 0),
)


@dataclass(frozen=True)
class Project:
    """A folder of definitions, its database, and how the command line is run there."""

    folder: Path
    dsn: str

    def run(self, *arguments: str) -> Result:
        """Run the command line in the folder."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            return CliRunner().invoke(main, ["--dsn", self.dsn, *arguments])


def prepared(folder: Path, dsn: str) -> Project:
    """Guard a table, and give it an incident, a row in quarantine and two snapshots."""
    project = Project(folder, dsn)
    (folder / "slos").mkdir()
    (folder / "slos" / "stats.yml").write_text(STATS, encoding="utf-8")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(TABLE)
        done(project, "apply", "--yes")
        connection.execute(ROWS)
        done(project, "tick")
        done(project, "snapshot", "create", "one", "--view", "guarded.stats")
        done(project, "snapshot", "create", "two", "--view", "guarded.stats", "--reference")
    return project


def done(project: Project, *arguments: str) -> None:
    result = project.run(*arguments)
    assert result.exit_code == 0, result.output


@pytest.fixture(scope="module")
def standby(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A server in recovery that follows no primary, as a standby whose primary is away."""
    account = server_account()
    with tempfile.TemporaryDirectory(prefix="pgslo-test-", dir=temporary_folder(account)) as name:
        directory = Path(name) / "server"
        Path(name).chmod(0o755)
        before = embedded.start(directory, settings={"fsync": "off"})
        try:
            prepared(folder := tmp_path_factory.mktemp("project"), before.dsn())
            embedded.stop(directory)
            (directory / "data" / "standby.signal").touch()
            yield Project(folder, embedded.start(directory).dsn())
        finally:
            embedded.stop(directory)


@pytest.fixture
def read_only(dsn: str, connection: psycopg.Connection[Any], tmp_path: Path) -> Project:
    """A database whose new transactions are read-only."""
    project = prepared(tmp_path, dsn)
    connection.execute(f"ALTER DATABASE {connection.info.dbname} SET default_transaction_read_only = on")
    return project


def test_a_standby_can_be_read_and_planned_and_says_that_it_cannot_be_changed(standby: Project) -> None:
    for arguments, code in READS:
        result = standby.run(*arguments)
        assert result.exit_code == code, f"{arguments}: {result.output}"
        assert "read-only" not in result.output, f"{arguments}: {result.output}"
    for command in WRITES:
        result = standby.run(*command)
        assert (result.exit_code, result.stdout) == (1, ""), f"{command}: {result.output}"
        assert result.stderr.startswith(f"error: {STANDBY}\n"), f"{command}: {result.stderr}"
        assert "hint: connect to the primary" in result.stderr, f"{command}: {result.stderr}"
    assert "stores its profiles" in standby.run("backtest", "features.stats").stderr


def test_a_read_only_session_names_the_setting_and_where_it_comes_from(read_only: Project) -> None:
    for arguments, code in READS:
        result = read_only.run(*arguments)
        assert result.exit_code == code, f"{arguments}: {result.output}"
        assert "read-only" not in result.output, f"{arguments}: {result.output}"
    for command in WRITES:
        result = read_only.run(*command)
        assert (result.exit_code, result.stdout) == (1, ""), f"{command}: {result.output}"
        assert result.stderr.startswith(f"error: {READ_ONLY}\n"), f"{command}: {result.stderr}"
        assert "The setting comes from ALTER DATABASE … SET." in result.stderr
    hint = "PGOPTIONS='-c default_transaction_read_only=off'"
    assert hint in result.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGOPTIONS", "-c default_transaction_read_only=off")
        done(read_only, "tick")


def test_the_options_of_a_connection_are_named_as_the_source(dsn: str) -> None:
    where = psycopg.conninfo.make_conninfo(dsn, options="-c default_transaction_read_only=on")
    with database.connect(where) as conn, pytest.raises(DatabaseError) as refused:
        database.check_writable(conn)
    assert refused.value.sqlstate == "25006"
    assert refused.value.detail is not None
    assert "the options of the connection" in refused.value.detail


def test_an_error_of_a_write_that_was_not_foreseen_has_a_hint(dsn: str) -> None:
    with database.connect(dsn) as conn:
        conn.execute("SET default_transaction_read_only = on")
        with pytest.raises(DatabaseError) as refused, database.errors():
            conn.execute("CREATE SCHEMA x")
    assert refused.value.hint is not None
    assert "connect to the primary" in refused.value.hint
