"""A password is in nothing that pgslo prints, writes or has the server log, whichever way it was given and however it ends."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg import sql

from pgslo.cli import main, root

Connection = psycopg.Connection[Any]
#: Every verb that talks to a database, in an order in which most of them have something to do.
COMMANDS = (
    "plan", "plan --format json", "plan --format sql --verbose", "render --to rendered", "render --to revisions --layout alembic", "apply --dry-run", "apply --yes",
    "migrate", "migrate --check", "suggest features.stats", "learn features.stats", "backtest features.stats", "tick", "status", "status --json",
    "incidents list", "incidents list --json", "incidents show 1", "explain 1", "explain 99 --verbose", "drift", "drift --json", "pause features.stats", "resume features.stats",
    "quarantine list", "quarantine show 1", "quarantine release 1", "snapshot create before --view guarded.stats", "snapshot list", "snapshot query before", "gate churn --json", "gate nobody",
    "grants auditor nobody", "watch --once", "metrics", "report", "uninstall features.nothing --yes", "uninstall --all --yes --drop-quarantine", "status",
)  # fmt: skip
STATS = """
table: features.stats
owner: sam
batch: {by: day}
columns:
  age: [range: {min: 0, max: 120, on_breach: warn}]
  score: [range: {min: 0, on_breach: quarantine}]
tasks:
  churn: {reads: [age]}
"""


@pytest.fixture
def secret() -> str:
    # Signs that have to be escaped in an address, and in a connection string.
    return f"hush'\\ @/{uuid.uuid4().hex}"


@pytest.fixture
def told(
    connection: Connection, secret: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    """Ways to give a password of a superuser, in a project with a definition."""
    connection.execute(
        "CREATE SCHEMA features CREATE TABLE stats (id int PRIMARY KEY, day date, age int, score float8)"
    )
    name = f"installer_{uuid.uuid4().hex[:8]}"
    role = sql.Identifier(name)
    # Else the server's log has it from here.
    connection.execute(
        "SET log_statement = 'none'; SET log_min_duration_statement = -1; SET log_min_error_statement = 'panic'"
    )
    connection.execute(
        sql.SQL("CREATE ROLE {} SUPERUSER LOGIN PASSWORD {}").format(role, sql.Literal(secret))
    )
    connection.execute(sql.SQL("ALTER ROLE {} SET log_statement = 'all'").format(role))
    monkeypatch.chdir(tmp_path)
    Path("slos").mkdir()
    Path("slos/stats.yml").write_text(STATS, encoding="utf-8")
    at = connection.info
    try:
        yield {
            "words": psycopg.conninfo.make_conninfo(
                "", host=at.host, port=at.port, dbname=at.dbname, user=name, password=secret
            ),
            "address": f"postgresql://{name}:{quote(secret, safe='')}@{at.host}:{at.port}/{at.dbname}",
        }
    finally:
        connection.execute(sql.SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(role))
        connection.execute(sql.SQL("DROP OWNED BY {}").format(role))
        connection.execute(sql.SQL("DROP ROLE {}").format(role))


def run(monkeypatch: pytest.MonkeyPatch, command: str, dsn: str, *, by_option: bool) -> Result:
    words = command.split()
    if by_option:
        monkeypatch.delenv("PGSLO_DSN", raising=False)
        words = ["--dsn", dsn, *words]
    else:
        monkeypatch.setenv("PGSLO_DSN", dsn)
    return CliRunner().invoke(main, words)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["words", "address"])
def test_it_is_in_no_output_file_or_log(
    told: dict[str, str],
    form: str,
    secret: str,
    connection: Connection,
    server: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = told[form]
    forms = {secret, quote(secret, safe=""), secret.rpartition("/")[2]}
    ran = 0
    for at, command in enumerate(COMMANDS):
        result = run(monkeypatch, command, given, by_option=at % 2 == 0)
        assert result.exit_code != root.USAGE, (command, result.output)
        ran += result.exit_code == root.OK
        for one in forms:
            assert one not in result.output, command
            assert one not in repr(result.exception), command
        if command == "apply --yes":
            connection.execute(
                "INSERT INTO features.stats VALUES (1, '2026-11-24', 999, 1), (2, '2026-11-24', 1, -1)"
            )
    assert ran > len(COMMANDS) // 2
    for path in Path().rglob("*"):
        if path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            assert not any(one in text for one in forms), path
    kept = connection.execute(
        "SELECT query FROM pg_stat_activity UNION ALL SELECT application_name FROM pg_stat_activity"
    ).fetchall()
    assert not any(one in str(row) for row in kept for one in forms)
    if server.log is not None:
        log = server.log.read_text(encoding="utf-8", errors="replace")
        assert "pg_advisory" in log
        assert not any(one in log for one in forms)


@pytest.mark.parametrize("spoil", ["wrong", "no server", "not a connection string", "no database"])
def test_it_is_in_no_error(
    told: dict[str, str], spoil: str, secret: str, monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    for form, dsn in told.items():
        spoilt = {
            "wrong": dsn.replace("hush", "hushed"),
            "no server": dsn.replace("127.0.0.1", "127.0.0.9"),
            "not a connection string": f"{dsn} {secret}"
            if form == "words"
            else dsn.replace("postgresql:", "postgressql:"),
            "no database": dsn.replace("pgslo_test", "pgslo_gone"),
        }[spoil]
        for by_option in (True, False):
            with subtests.test(form=form, by_option=by_option):
                result = run(monkeypatch, "status", spoilt, by_option=by_option)
                assert result.exit_code == root.ERROR
                assert result.stderr.startswith("error: ")
                for one in (secret, quote(secret, safe=""), secret.rpartition("/")[2]):
                    assert one not in result.output
