"""``pgslo render``, ``apply --plan-file``, ``--dry-run`` and ``--shadow``, and ``migrate``."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy
import sqlalchemy.exc
from alembic import command
from alembic.config import Config
from click.testing import CliRunner, Result

from pgslo.cli import main, root

Connection = psycopg.Connection[Any]
Run = Callable[..., Result]

TABLE = "CREATE SCHEMA features; CREATE TABLE features.stats (id integer PRIMARY KEY, age integer, country text, score numeric)"
STATS = """\
table: features.stats
owner: growth
writes: stream
columns:
  age:
    - range: {min: 0, max: 120, on_breach: reject}
  country:
    - not_null: {on_breach: reject}
    - accepted_values: {values: [us, de], on_breach: quarantine}
  score:
    - repair: {clip: [0, 1]}
"""


@pytest.fixture
def run(dsn: str, connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    connection.execute(TABLE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", dsn)
    Path("slos").mkdir()
    Path("slos/stats.yml").write_text(STATS, encoding="utf-8")

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(main, arguments)

    return invoke


def state(run: Run) -> str:
    found = re.search(r"^Plan ([0-9a-f]{16}):", run("plan").stdout)
    assert found
    return found[1]


def by_hand(dsn: str, path: str) -> None:
    """Run a file as psql does: outside of transactions, statement by statement."""
    script = Path(path).read_text(encoding="utf-8")
    head, _, tail = script.partition("\nCOMMIT;\n")
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(f"{head}\nCOMMIT;".encode())
        for part in re.split(r"\n\n(?=-- )", tail):
            if re.sub(r"^--.*$", "", part, flags=re.MULTILINE).strip():
                conn.execute(part.encode())


def test_a_reviewed_file_says_what_it_is(run: Run) -> None:
    result = run("render", "--to", "review")
    assert result.exit_code == root.CHANGES
    assert result.stdout == "review/pgslo.up.sql\nreview/pgslo.down.sql\n"
    text = Path("review/pgslo.up.sql").read_text(encoding="utf-8")
    head = text.partition("\n\n")[0].splitlines()
    assert head[:3] == [
        "-- pgslo reviewed plan, format 1",
        "-- source: slos/stats.yml",
        f"-- state: {state(run)}",
    ]
    assert "-- lock: SHARE ROW EXCLUSIVE on features.stats" in head
    assert head[-1] == "-- lock_timeout: 100 ms, set in every transaction"
    run("render", "--to", "again")
    assert Path("again/pgslo.up.sql").read_text(encoding="utf-8") == text
    refused = run("render", "--to", "review")
    assert refused.exit_code == root.ERROR
    assert "exists already" in refused.stderr


def test_exactly_the_reviewed_file_is_applied(run: Run) -> None:
    run("render", "--to", "review")
    result = run("apply", "--yes", "--plan-file", "review/pgslo.up.sql")
    assert result.exit_code == 0, result.output
    assert run("plan").exit_code == 0
    assert run("drift").exit_code == 0
    assert run("apply", "--yes", "--plan-file", "review/pgslo.up.sql").stdout.startswith("nothing to do")


def test_a_reviewed_file_that_does_not_fit_any_more_is_refused(run: Run, connection: Connection) -> None:
    run("render", "--to", "review")
    path = Path("review/pgslo.up.sql")
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("120", "130"), encoding="utf-8")
    assert "was edited after it was rendered" in run("apply", "--yes", "--plan-file", str(path)).stderr
    path.write_text("SELECT 1;\n", encoding="utf-8")
    assert "is not a plan that pgslo render wrote" in run("apply", "--yes", "--plan-file", str(path)).stderr
    path.write_text(text, encoding="utf-8")
    connection.execute("ALTER TABLE features.stats ADD COLUMN more integer")
    moved = run("apply", "--yes", "--plan-file", str(path))
    assert moved.exit_code == root.ERROR
    assert "the plan is not the one that was reviewed" in moved.stderr
    assert connection.execute("SELECT count(*) FROM pgslo.status").fetchone() == (0,)
    assert run("apply", "--yes", "--plan-file", "nowhere.sql").exit_code == root.ERROR
    assert run("apply", "--yes", "--plan-file", str(path), "--expect", "x").exit_code == root.USAGE


def test_the_files_run_by_hand_go_there_and_back(run: Run, dsn: str, connection: Connection) -> None:
    before = state(run)
    for layout, up, down in (
        ("plain", "a/pgslo.up.sql", "a/pgslo.down.sql"),
        ("flyway", "b/V7__pgslo.sql", "b/U7__pgslo.sql"),
        ("sqitch", "c/deploy/pgslo.sql", "c/revert/pgslo.sql"),
    ):
        run("render", "--to", up[0], "--layout", layout, "--number", "7")
        by_hand(dsn, up)
        assert run("plan").exit_code == 0
        assert run("drift").exit_code == 0
        if layout == "sqitch":
            by_hand(dsn, "c/verify/pgslo.sql")
        by_hand(dsn, down)
        assert connection.execute("SELECT count(*) FROM pgslo.status").fetchone() == (0,)
        assert state(run) == before
    with pytest.raises(psycopg.errors.DivisionByZero):
        by_hand(dsn, "c/verify/pgslo.sql")
    assert (
        Path("b/V7__pgslo.sql.conf").read_text(encoding="utf-8")
        == "executeInTransaction=false\nplaceholderReplacement=false\n"
    )


@pytest.mark.parametrize("name", ["deploy", "verify"])
def test_no_file_is_written_behind_a_folder_that_is_a_link(run: Run, name: str) -> None:
    Path("elsewhere").mkdir()
    Path("c").mkdir()
    Path("c", name).symlink_to(Path("elsewhere").absolute())
    result = run("render", "--to", "c", "--layout", "sqitch")
    assert result.exit_code == root.ERROR
    assert "a folder of it is a symbolic link" in result.stderr
    # Nor one of those before it.
    assert [one.name for one in Path("c").iterdir()] == [name]
    assert list(Path("elsewhere").iterdir()) == []


ENVIRONMENT = """
from alembic import context
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

url = context.config.get_main_option("sqlalchemy.url")
if context.is_offline_mode():
    context.configure(url=url)
    with context.begin_transaction():
        context.run_migrations()
else:
    with create_engine(url, poolclass=NullPool).connect() as connection:
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()
"""


@pytest.fixture
def alembic(dsn: str) -> Config:
    """A project of Alembic's with one revision, which makes a table."""
    versions = Path("migrations/versions")
    versions.mkdir(parents=True)
    Path("migrations/env.py").write_text(ENVIRONMENT, encoding="utf-8")
    versions.joinpath("first.py").write_text(
        "from alembic import op\n\nrevision = 'first'\ndown_revision = None\n\n\n"
        "def upgrade():\n    op.execute('CREATE TABLE features.other (id integer)')\n\n\n"
        "def downgrade():\n    op.execute('DROP TABLE features.other')\n",
        encoding="utf-8",
    )
    config = Config(stdout=io.StringIO(), output_buffer=io.StringIO())
    config.set_main_option("script_location", "migrations")
    url = sqlalchemy.URL.create("postgresql+psycopg", query=psycopg.conninfo.conninfo_to_dict(dsn))
    config.set_main_option("sqlalchemy.url", url.render_as_string(hide_password=False).replace("%", "%%"))
    return config


@pytest.mark.parametrize("runtime", ["there", "to be installed"])
def test_alembic_goes_there_and_back(run: Run, connection: Connection, alembic: Config, runtime: str) -> None:
    if runtime == "to be installed":
        assert run("uninstall", "--all", "--yes").exit_code == 0
    # What Python, SQLAlchemy or a driver could take for something else has to arrive as it is.
    hard = "[us, de, ':x', '%s', '100%', 'a\\\\b', '{x}', '\"\"\"']"
    text = STATS.replace("[us, de]", hard)
    Path("slos/stats.yml").write_text(text, encoding="utf-8")
    result = run("render", "--to", "migrations/versions", "--layout", "alembic", "--name", "slos", "--number", "a1", "--after", "first")  # fmt: skip
    assert (result.exit_code, result.stdout) == (root.CHANGES, "migrations/versions/a1_slos.py\n")
    written = Path("migrations/versions/a1_slos.py").read_text(encoding="utf-8")
    assert "\nlock: ACCESS EXCLUSIVE on features.stats\n" in written
    command.upgrade(alembic, "head")
    assert run("plan").exit_code == 0
    assert run("drift").exit_code == 0
    command.downgrade(alembic, "first")
    assert connection.execute("SELECT count(*) FROM pgslo.status").fetchone() == (0,)
    assert connection.execute("SELECT to_regclass('features.other')::text").fetchone() == ("features.other",)
    command.upgrade(alembic, "first:head", sql=True)
    assert isinstance(alembic.output_buffer, io.StringIO)
    offline = alembic.output_buffer.getvalue()
    for value in ("':x'", "'%s'", "'100%'", "'{x}'"):
        assert value in offline


def test_alembic_takes_a_plan_back_whole_when_a_statement_fails(
    run: Run, connection: Connection, alembic: Config
) -> None:
    before = state(run)
    run("render", "--to", "migrations/versions", "--layout", "alembic", "--after", "first")
    command.upgrade(alembic, "first")
    connection.execute("CREATE SCHEMA guarded; CREATE TABLE guarded.stats (x int)")
    with pytest.raises(sqlalchemy.exc.ProgrammingError):
        command.upgrade(alembic, "head")
    connection.execute("DROP SCHEMA guarded CASCADE")
    assert state(run) == before


def test_a_revert_says_what_it_does_not_take_back(run: Run) -> None:
    run("apply", "--yes")
    Path("slos/stats.yml").write_text(STATS.replace("120", "130"), encoding="utf-8")
    assert run("render", "--to", "review").exit_code == root.CHANGES
    text = Path("review/pgslo.down.sql").read_text(encoding="utf-8")
    assert "-- not taken back, apply the older definition for it: replace function" in text


def test_where_there_is_nothing_to_do_nothing_is_written(run: Run) -> None:
    run("apply", "--yes")
    result = run("render", "--to", "review")
    assert (result.exit_code, Path("review").exists()) == (0, False)
    assert run("render", "--to", "review", "--name", "../x").exit_code == root.USAGE


def test_a_dry_run_changes_nothing(run: Run, connection: Connection) -> None:
    before = state(run)
    result = run("apply", "--dry-run")
    assert result.exit_code == 0, result.output
    assert (
        "not rehearsed, because a part of it runs outside of the transaction: create NOT NULL of country"
        in result.stderr
    )
    assert result.stderr.endswith("rehearsed and rolled back; nothing was changed\n")
    assert state(run) == before
    assert connection.execute("SELECT count(*) FROM pgslo.status").fetchone() == (0,)


def test_a_dry_run_finds_what_would_fail(run: Run, connection: Connection) -> None:
    connection.execute(
        "CREATE VIEW public.taken AS SELECT 1 AS x; CREATE SCHEMA guarded; CREATE TABLE guarded.stats (x int)"
    )
    result = run("apply", "--dry-run")
    assert result.exit_code == root.ERROR


def test_shadow_mode_measures_and_enforces_nothing(run: Run, connection: Connection) -> None:
    assert "flag" in run("plan", "--shadow").stdout
    assert run("apply", "--yes", "--shadow").exit_code == 0
    connection.execute("INSERT INTO features.stats VALUES (1, 999, 'xx', 7), (2, 9, NULL, 0)")
    assert connection.execute("SELECT * FROM features.stats ORDER BY id").fetchall() == [
        (1, 999, "xx", 7),
        (2, 9, None, 0),
    ]
    assert connection.execute("SELECT rule FROM pgslo.incident ORDER BY rule").fetchall() == [
        ("age_range",),
        ("country_accepted_values",),
        ("country_not_null",),
    ]
    assert run("plan", "--shadow").exit_code == 0
    connection.execute("DELETE FROM features.stats")
    assert run("apply", "--yes").exit_code == 0
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.execute("INSERT INTO features.stats VALUES (1, 999, 'us', 7)")


def test_a_rule_in_shadow_lets_every_write_live_and_the_others_are_kept(
    run: Run, connection: Connection
) -> None:
    path = Path("slos/stats.yml")
    text = STATS.replace("on_breach: reject}\n  country", "on_breach: reject, enforce: false}\n  country")
    path.write_text(text.replace("clip: [0, 1]", "clip: [0, 1], enforce: false"), encoding="utf-8")
    assert run("apply", "--yes").exit_code == 0
    connection.execute("INSERT INTO features.stats VALUES (1, 999, 'us', 7), (2, 9, 'xx', 0)")
    assert connection.execute("SELECT id, age, score FROM features.stats").fetchall() == [(1, 999, 7)]
    assert connection.execute("SELECT rule FROM pgslo.incident").fetchall() == [("age_range",)]
    assert connection.execute("SELECT row_key FROM pgslo.quarantine").fetchall() == [("(id) = (2)",)]
    with pytest.raises(psycopg.errors.NotNullViolation):
        connection.execute("INSERT INTO features.stats VALUES (3, 9, NULL, 0)")
    path.write_text(STATS, encoding="utf-8")
    assert run("apply", "--yes").exit_code == 0
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.execute("INSERT INTO features.stats VALUES (4, 999, 'us', 0)")


@pytest.mark.parametrize("on_read", ["refuse", "insist"])
def test_a_file_in_shadow_refuses_neither_writes_nor_reads(
    run: Run, connection: Connection, on_read: str
) -> None:
    bounds = "  score:\n    - completeness: {reject_below: 0.5}\n"
    text = STATS.replace(
        "writes: stream\n", f"writes: bulk\nenforce: false\non_read: {on_read}\nbatch: statement\n"
    )
    text = text.partition("  score:")[0] + bounds
    Path("slos/stats.yml").write_text(text, encoding="utf-8")
    assert run("apply", "--yes").exit_code == 0
    connection.execute("INSERT INTO features.stats VALUES (1, 999, 'xx', NULL), (2, 9, NULL, NULL)")
    connection.execute("SELECT pgslo.tick()")
    connection.execute("SELECT pgslo.close_batch(definition, batch) FROM pgslo.batch")
    assert connection.execute("SELECT rule FROM pgslo.incident ORDER BY rule").fetchall() == [
        ("age_range",),
        ("country_accepted_values",),
        ("country_not_null",),
        ("score_completeness",),
    ]
    notices: list[str | None] = []
    connection.add_notice_handler(lambda notice: notices.append(notice.constraint_name))
    assert connection.execute("SELECT age FROM guarded.stats ORDER BY id").fetchall() == [(999,), (9,)]
    assert notices == ["age_range"]
    Path("slos/stats.yml").write_text(text.replace("enforce: false\n", ""), encoding="utf-8")
    assert run("apply", "--yes").exit_code == root.BREACH
    with pytest.raises(psycopg.Error, match="age"):
        connection.execute("SELECT age FROM guarded.stats")


def test_migrate_brings_the_runtime(run: Run, empty_dsn: str) -> None:
    assert run("migrate").stdout.startswith("nothing to do: the runtime is that of pgslo ")
    at = ("--dsn", empty_dsn)
    check = run("migrate", "--check", *at)
    assert check.exit_code == root.CHANGES
    assert check.stdout.startswith("to run: 0001_state, ")
    script = run("migrate", "--sql", *at)
    assert script.exit_code == 0
    assert run("migrate", "--check", *at).exit_code == root.CHANGES
    assert run("migrate", *at).stdout.endswith(" scripts ran\n")
    assert run("migrate", "--check", *at).exit_code == 0
    assert run("migrate", "--sql", *at).stdout == "-- pgslo: the runtime is up to date\n"


def test_the_script_of_migrate_does_the_same(run: Run, empty_dsn: str) -> None:
    script = run("migrate", "--sql", "--dsn", empty_dsn).stdout
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        conn.execute(script.encode())
    assert run("migrate", "--check", "--dsn", empty_dsn).exit_code == 0
