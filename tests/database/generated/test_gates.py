"""What the tools of the trade say about the SQL that pgslo installs and generates.

pgspot looks for ways to hijack functions, squawk for statements that block others, plpgsql_check for code that
cannot work. Each sees what ``apply`` sends: the same settings first, the same order.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from pgslo import embedded
from pgslo.database import installation, runtime

HERE = Path(__file__).parents[2]
GOLDENS = sorted((HERE / "golden").glob("*.sql")) + sorted((HERE / "golden" / "assertions").glob("*.sql"))
SETTINGS = (
    f"SET LOCAL lock_timeout = {installation.LOCK_TIMEOUT};\n"
    f"SET LOCAL statement_timeout = {installation.STATEMENT_TIMEOUT};\n"
)
#: Formats that a regular expression judges have no settings, so that the planner can inline them; every name in
#: them is qualified.
INLINED = ("email", "uuid", "url", "hostname", "slug", "e164", "base64")


def installed_sql() -> str:
    return "\n".join(script.text for script in (*runtime.migrations(), *runtime.functions()))


def run_tool(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    tool = Path(sys.executable).with_name(name)
    return subprocess.run(
        [tool, *arguments], capture_output=True, text=True, check=False, env={**os.environ, "NO_COLOR": "1"}
    )


def spotted(path: Path) -> list[str]:
    allowed = [
        part
        for name in INLINED
        for part in ("--proc-without-search-path", f"pgslo_catalog.is_{name}(value text)")
    ]
    report = run_tool("pgspot", *allowed, path).stdout
    assert "Errors:" in report, report
    return re.findall(r"^PS\d+.*$", report, flags=re.MULTILINE)


def test_pgspot_finds_nothing_in_the_runtime(tmp_path: Path) -> None:
    script = tmp_path / "runtime.sql"
    script.write_text(installed_sql(), encoding="utf-8")
    assert spotted(script) == []


def test_pgspot_finds_what_it_should(tmp_path: Path) -> None:
    """The gate can fail: a definer function without a search path is found."""
    script = tmp_path / "bad.sql"
    script.write_text(
        "CREATE FUNCTION pgslo.f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';", encoding="utf-8"
    )
    assert spotted(script)


@pytest.mark.parametrize(
    "golden", GOLDENS, ids=lambda path: str(path.relative_to(HERE / "golden").with_suffix(""))
)
def test_pgspot_finds_nothing_in_generated_sql(golden: Path, tmp_path: Path) -> None:
    script = tmp_path / "generated.sql"
    # pgspot looks for objects that somebody could have prepared: pgslo's own schemas are made by the migration.
    script.write_text(installed_sql() + "\n" + golden.read_text(encoding="utf-8"), encoding="utf-8")
    assert spotted(script) == []


def test_squawk_finds_nothing_in_the_runtime(tmp_path: Path) -> None:
    script = tmp_path / "runtime.sql"
    script.write_text(SETTINGS + installed_sql(), encoding="utf-8")
    # What is counted in them never comes near their limits: a level, a place among columns, batches in a row.
    allowed = ("prefer-bigint-over-int", "prefer-bigint-over-smallint")
    report = run_tool("squawk", "--assume-in-transaction", f"--exclude={','.join(allowed)}", script)
    assert report.returncode == 0, report.stdout


@pytest.mark.parametrize(
    "golden", GOLDENS, ids=lambda path: str(path.relative_to(HERE / "golden").with_suffix(""))
)
def test_squawk_finds_nothing_in_generated_sql(golden: Path, tmp_path: Path) -> None:
    script = tmp_path / "generated.sql"
    script.write_text(
        SETTINGS.replace("SET LOCAL", "SET") + golden.read_text(encoding="utf-8"), encoding="utf-8"
    )
    allowed = (
        # What stands outside the transaction is safe to run again: the next plan sees what is left to do.
        "prefer-robust-stmts",
        # The check that stands in for NOT NULL goes in the transaction that sets it.
        "ban-drop-constraint",
    )
    report = run_tool("squawk", f"--exclude={','.join(allowed)}", script)
    assert report.returncode == 0, report.stdout


CHECK_FUNCTIONS = """
SELECT p.oid::regprocedure::text, c.*
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
CROSS JOIN LATERAL plpgsql_check_function_tb(p.oid, fatal_errors => false, anyelememttype => 'float8') c
WHERE l.lanname = 'plpgsql' AND p.pronamespace::regnamespace::text LIKE 'pgslo%' AND p.prorettype <> 'trigger'::regtype
  AND c.level = 'error'
"""

CHECK_TRIGGERS = """
SELECT p.oid::regprocedure::text, g.tgname, c.lineno, c.message, c.query
FROM pg_trigger g JOIN pg_proc p ON p.oid = g.tgfoid
CROSS JOIN LATERAL plpgsql_check_function_tb(
    p.oid, g.tgrelid, fatal_errors => false,
    -- What notes touched groups asks which event it is for before it looks at one of the two; so does what counts.
    newtable => CASE WHEN g.tgname LIKE 'pgslo_800%' THEN 'pgslo_new'
        WHEN g.tgname LIKE 'pgslo_600%' THEN 'pgslo_rows' ELSE g.tgnewtable END,
    oldtable => CASE WHEN g.tgname LIKE 'pgslo_800%' THEN 'pgslo_old' ELSE g.tgoldtable END) c
WHERE NOT g.tgisinternal AND g.tgname LIKE 'pgslo%' AND c.level = 'error'
"""


def test_plpgsql_check_finds_nothing_in_the_runtime(checker: embedded.Server) -> None:
    with psycopg.connect(checker.dsn(), autocommit=True) as admin:
        admin.execute("CREATE DATABASE checked_runtime")
    with psycopg.connect(checker.dsn("checked_runtime"), autocommit=True) as conn:
        conn.execute("CREATE EXTENSION plpgsql_check")
        runtime.install(conn)
        assert conn.execute(CHECK_FUNCTIONS).fetchall() == []


@pytest.mark.parametrize(
    "golden", GOLDENS, ids=lambda path: str(path.relative_to(HERE / "golden").with_suffix(""))
)
def test_plpgsql_check_finds_nothing_in_generated_sql(golden: Path, checker: embedded.Server) -> None:
    name = f"checked_{golden.parent.name}_{golden.stem}"
    with psycopg.connect(checker.dsn(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    with psycopg.connect(checker.dsn(name), autocommit=True) as conn:
        conn.execute("CREATE EXTENSION plpgsql_check")
        runtime.install(conn)
        for given in sorted((HERE / "golden" / "given").glob("*.sql")):
            conn.execute(given.read_bytes())
        for statement in split(golden.read_text(encoding="utf-8")):
            conn.execute(statement.encode())
        assert conn.execute(CHECK_TRIGGERS).fetchall() == []
        assert (
            conn.execute("SELECT count(*) > 0 FROM pg_trigger WHERE tgname LIKE 'pgslo%'").fetchone()
            is not None
        )


def split(script: str) -> list[str]:
    """The transaction as one text, and each statement after it separately: an index is built concurrently alone."""
    together, _, after = script.partition("\nCOMMIT;")
    return [f"{together}\nCOMMIT;", *(part for part in after.split(";\n") if part.strip())]
