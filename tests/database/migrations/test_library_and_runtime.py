"""Library and runtime that do not fit (SL003): every command reports it or works, and none leaves a partial result.

Today's library meets a database that a later one migrated, and a later library one that today's did. The later one is a copy of this
checkout with another version, a migration more, and queries that need this migration.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kept_process
import psycopg
import pytest
from click.testing import CliRunner

from pgslo.cli import main, root
from pgslo.database import runtime
from pgslo.errors import RuntimeMismatch

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
Run = Callable[..., tuple[int, str]]

TABLE = "CREATE SCHEMA features; CREATE TABLE features.stats (id int PRIMARY KEY, day date, age int)"
STATS = """\
table: features.stats
batch: {by: day}
columns:
  age: [range: {max: 100, on_breach: quarantine}, range: {min: 0}]
tasks:
  churn: {reads: [age]}
"""
LATER = """\
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE TABLE pgslo_catalog.later (later text);
COMMENT ON TABLE pgslo_catalog.later IS 'What a later version needs.';
"""
LATER_COMMANDS = """
from click.testing import CliRunner
from pgslo.cli import main
def answer(command):
    result = CliRunner().invoke(main, command.split())
    return [int(result.exit_code), result.output]
"""
NEEDS_LATER = ("status", "incidents", "drift", "quarantined", "history")

#: Commands that go on with a newer runtime, and how they end: they call what every version has.
OF_THE_RUNTIME = {
    "status": 0, "incidents": 0, "drift": 0, "tick": 0, "quarantine list": 0, "snapshot list": 0, "gate churn": 4,
    "pause features.stats": 0, "resume --all": 0, "grants operator somebody": 0, "watch --once --tick": 0, "report --output report.html": 0, "metrics": 0,
    "suggest features.stats": 0,
}  # fmt: skip
#: Those that write what they generate, or what they know of the catalogue.
OF_THE_LIBRARY = (
    "plan", "apply --yes", "apply --dry-run", "render --to review", "migrate", "migrate --check", "migrate --sql", "learn features.stats",
    "backtest features.stats", "pause features.stats age_range", "uninstall features.stats --yes", "uninstall --all --yes",
)  # fmt: skip


@pytest.fixture
def later(tmp_path_factory: pytest.TempPathFactory, project: Path, empty_dsn: str) -> Iterator[Run]:
    """The command line of a library of later version."""
    home = tmp_path_factory.mktemp("later")
    shutil.copytree(
        ROOT / "src" / "pgslo", home / "src" / "pgslo", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copytree(ROOT / "sql", home / "sql")
    shutil.copytree(ROOT / "migrations", home / "migrations")
    (home / "migrations" / "9999_later.sql").write_text(LATER)
    for name in NEEDS_LATER:
        query = home / "sql" / "catalog" / f"{name}.sql"
        query.write_text(
            f"SELECT q.* FROM (\n{query.read_text()}\n) q, (SELECT count(*) FROM pgslo_catalog.later) later"
        )
    told = home / "src" / "pgslo-99.1.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: pgslo\nVersion: 99.1\n")

    env = os.environ | {"PYTHONPATH": str(home / "src"), "PGSLO_DSN": empty_dsn}
    with kept_process.kept(sys.executable, LATER_COMMANDS, env=env, cwd=project) as process:

        def run(command: str) -> tuple[int, str]:
            code, said = process.ask(command)
            return code, said

        assert run("--version") == (0, "pgslo 99.1\n")
        yield run


@pytest.fixture
def project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_connection: psycopg.Connection[Any]
) -> Path:
    """A folder with a definition, whose table is there."""
    empty_connection.execute(TABLE)
    monkeypatch.chdir(tmp_path)
    Path("slos").mkdir()
    Path("slos/stats.yml").write_text(STATS)
    return tmp_path


@pytest.fixture
def today(project: Path, empty_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command line of this library."""
    del project
    monkeypatch.setenv("PGSLO_DSN", empty_dsn)

    def run(command: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, command.split())
        return result.exit_code, result.output

    return run


def everything(connection: psycopg.Connection[Any]) -> list[str]:
    """Objects of pgslo's and on the table, and rows of its state that a command may change."""
    found = connection.execute(
        """SELECT concat_ws(' ', p.oid::regprocedure, md5(p.prosrc), obj_description(p.oid, 'pg_proc')) FROM pg_proc p WHERE p.pronamespace::regnamespace::text ~ '^(pgslo|guarded)'
           UNION ALL SELECT concat_ws(' ', c.oid::regclass, c.relkind) FROM pg_class c WHERE c.relnamespace::regnamespace::text ~ '^(pgslo|guarded|features)'
           UNION ALL SELECT concat_ws(' ', g.tgrelid::regclass, g.tgname, g.tgenabled) FROM pg_trigger g WHERE NOT g.tgisinternal
           UNION ALL SELECT m::text FROM pgslo_catalog.migration m
           UNION ALL SELECT r::text FROM pgslo_catalog.runtime r
           UNION ALL SELECT d::text FROM pgslo_catalog.definition d
           UNION ALL SELECT r::text FROM pgslo_catalog.rule r
           UNION ALL SELECT p::text FROM pgslo_catalog.pause p WHERE p.resumed_at IS NULL
           ORDER BY 1"""
    )
    return [row[0] for row in found]


def test_today_s_library_and_a_database_of_a_later_one(
    later: Run, today: Run, empty_connection: psycopg.Connection[Any]
) -> None:
    assert later("apply --yes")[0] == 0
    empty_connection.execute("INSERT INTO features.stats VALUES (1, '2026-11-20', 20)")
    before = everything(empty_connection)
    refused = (
        "error: the database was migrated by a newer pgslo (99.1)\n"
        f"detail: This library, {runtime.library_version()}, does not know migration 9999_later.\n"
        "hint: upgrade the library\n"
    )
    for command in OF_THE_LIBRARY:
        code, said = today(command)
        assert (code, said) == (1, refused), command
        assert everything(empty_connection) == before, command
    for command, code in OF_THE_RUNTIME.items():
        assert today(command)[0] == code, (command, today(command))
    assert everything(empty_connection) == before
    told = {command.split()[0] for command in (*OF_THE_LIBRARY, *OF_THE_RUNTIME)}
    assert set(root._VERBS) - told == {
        "lint",
        "schema",
        "local",
        "extension",
        "explain",
        "import",
        "export",
        "init",
        "prune",
    }, "a command is not tried here"


def test_a_runtime_whose_functions_alone_are_of_a_later_library_is_left_to_it(
    connection: psycopg.Connection[Any],
) -> None:
    """A version that brings no migration: its functions are not replaced by older ones."""
    connection.execute("UPDATE pgslo_catalog.runtime SET version = '99.1', sha256 = 'later'")
    with pytest.raises(RuntimeMismatch, match=r"the runtime in the database is of a newer pgslo \(99.1\)"):
        runtime.install(connection)
    assert connection.execute("SELECT version FROM pgslo_catalog.runtime").fetchone() == ("99.1",)


def test_what_a_later_library_took_away_is_told_as_that(
    today: Run, empty_connection: psycopg.Connection[Any]
) -> None:
    assert today("apply --yes")[0] == 0
    empty_connection.execute("DROP VIEW pgslo.status CASCADE")
    assert today("status") == (1, 'error: relation "pgslo.status" does not exist\n')
    empty_connection.execute(
        "CREATE OR REPLACE FUNCTION pgslo.version() RETURNS text LANGUAGE sql AS $$ SELECT '99.1' $$"
    )
    said = (
        "error: the runtime in the database is of a newer pgslo (99.1)\n"
        f'detail: This library is {runtime.library_version()}. Relation "pgslo.status" does not exist.\n'
        "hint: upgrade the library\n"
    )
    assert today("status") == (1, said)


def test_a_later_library_and_a_database_of_today_s(
    later: Run, today: Run, empty_connection: psycopg.Connection[Any]
) -> None:
    assert today("apply --yes")[0] == 0
    empty_connection.execute("INSERT INTO features.stats VALUES (1, '2026-11-20', 20)")
    before = everything(empty_connection)
    ours = runtime.library_version()
    migrate = "hint: bring it up to this one: pgslo migrate"
    older = f"error: the runtime in the database is of an older pgslo ({ours})\ndetail: This library is 99.1."
    missing = ' Relation "pgslo_catalog.later" does not exist.'
    for command, said in {
        "status": f"{older}{missing}\n{migrate}\n",
        "drift": f"{older}{missing}\n{migrate}\n",
        "incidents": f"{older}{missing}\n{migrate}\n",
        "quarantine list": f"{older}{missing}\n{migrate}\n",
        "learn features.stats": f"{older}\n{migrate}\n",
        "backtest features.stats": f"{older}\n{migrate}\n",
        "pause features.stats age_range": f"{older}\n{migrate}; or switch every rule off: pgslo pause features.stats\n",
    }.items():
        assert later(command) == (1, said), command
        assert everything(empty_connection) == before, command
    # The runtime goes on as it is until it is migrated, and so do those who look after it.
    for command in ("tick", "watch --once --tick", "pause features.stats", "resume --all", "apply --dry-run"):
        assert later(command)[0] == 0, command
    assert everything(empty_connection) == before
    for command in ("plan --details", "migrate --check", "render --to review"):
        code, said = later(command)
        assert code == 3, command
        assert "9999_later" in said or command.startswith("render"), command
    assert everything(empty_connection) == before
    assert "9999_later" in Path("review/pgslo.up.sql").read_text()

    assert later("migrate")[0] == 0
    assert later("status")[0] == 0
    assert empty_connection.execute("SELECT pgslo.version()").fetchone() == ("99.1",)
    assert later("uninstall --all --yes")[0] == 0


def test_a_later_library_takes_out_what_today_s_put_in(
    later: Run, today: Run, empty_connection: psycopg.Connection[Any]
) -> None:
    assert today("apply --yes")[0] == 0
    assert later("uninstall --all --yes")[0] == 0
    assert empty_connection.execute("SELECT to_regnamespace('pgslo')").fetchone() == (None,)
