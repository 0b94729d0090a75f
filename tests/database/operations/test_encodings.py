"""Databases by their encoding: one in which PostgreSQL counts bytes is refused, others work."""

from __future__ import annotations

import uuid
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from psycopg import sql

from pgslo import definition
from pgslo.cli import main, root
from pgslo.database import installation, planning, runtime

REFUSAL = "a database with encoding SQL_ASCII is not supported"
TABLE = "CREATE SCHEMA ml; CREATE TABLE ml.t (id int PRIMARY KEY, note text)"
DEFINITION = "{table: ml.t, owner: sam, columns: {note: [length: {max: 5, on_breach: reject}]}}"


@pytest.fixture
def encoded(server, _admin):
    """Opens a session on a new database with an encoding."""
    made, names = [], []

    def make(encoding):
        name = sql.Identifier(f"pgslo_test_{uuid.uuid4().hex[:12]}")
        provider = sql.SQL("LOCALE_PROVIDER libc" if _admin.info.server_version >= 150000 else "")
        command = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {} {} LC_COLLATE 'C' LC_CTYPE 'C'")
        _admin.execute(command.format(name, sql.Literal(encoding), provider))
        names.append(name)
        dsn = server.dsn(name.as_string().strip('"'))
        made.append(psycopg.connect(dsn, autocommit=True, client_encoding="UTF8"))
        return made[-1], dsn

    yield make
    for connection in made:
        connection.close()
    for name in names:
        _admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def test_sql_ascii_is_refused_before_anything_is_installed(encoded, tmp_path, monkeypatch):
    connection, dsn = encoded("SQL_ASCII")
    connection.execute(TABLE)
    monkeypatch.chdir(tmp_path)
    Path("slos").mkdir()
    Path("slos/t.yml").write_text(DEFINITION)
    for command in (("plan",), ("apply", "--yes"), ("migrate",), ("migrate", "--sql")):
        result = CliRunner().invoke(main, [*command, "--dsn", dsn])
        assert result.exit_code == root.ERROR, command
        assert result.stderr.startswith(f"error: {REFUSAL}\ndetail: PostgreSQL counts bytes there: "), command
        assert "\nhint: create a database with ENCODING 'UTF8', and restore a dump" in result.stderr
    # The same where the script was made elsewhere.
    script = "\n".join(runtime.statements((*runtime.migrations(), *runtime.functions())))
    with pytest.raises(psycopg.errors.FeatureNotSupported, match=REFUSAL):
        connection.execute(script.encode())
    assert connection.execute("SELECT to_regnamespace('pgslo')").fetchone() == (None,)


@pytest.mark.parametrize("encoding", ["LATIN1", "WIN866", "EUC_JP"])
def test_blank_texts(encoded, encoding):
    connection, _ = encoded(encoding)
    connection.execute(TABLE)
    loaded = [definition.load(DEFINITION.replace("length: {max: 5, ", "not_blank: {"), path="slos/t.yml")]

    def plan():
        return planning.plan_definitions(connection, loaded)

    installation.apply(connection, plan(), plan)
    # The code of U+00A0 is a letter's in WIN866; U+3000 is whitespace where codes are Unicode's alone.
    passing = {"LATIN1": "\u00e9", "WIN866": "\u0430", "EUC_JP": "\u3000"}[encoding]
    connection.execute("INSERT INTO ml.t VALUES (1, %s)", (passing,))
    for blank in (" \t\n", *("\u00a0" for _ in range(encoding == "LATIN1"))):
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute("INSERT INTO ml.t VALUES (2, %s)", (blank,))


@pytest.mark.parametrize("encoding", ["LATIN1", "EUC_JP"])
def test_excerpts_are_cut_by_characters(encoded, encoding):
    connection, _ = encoded(encoding)
    connection.execute(TABLE)
    loaded = [definition.load(DEFINITION, path="slos/t.yml")]

    def plan():
        return planning.plan_definitions(connection, loaded)

    installation.apply(connection, plan(), plan)
    long = "x" + {"LATIN1": "\u00e9", "EUC_JP": "\u3042"}[encoding] * 120
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        connection.execute("INSERT INTO ml.t VALUES (1, %s)", (long,))
    assert long[:90] in refused.value.diag.message_detail
