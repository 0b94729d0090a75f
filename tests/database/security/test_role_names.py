"""Roles whose names need quotes own pgslo, apply, take snapshots and release like others."""

from __future__ import annotations

import psycopg
import pytest
import rights
from psycopg import sql

from pgslo.cli.applying import grants
from pgslo.database import installation, planning, runtime

DEFINITION = """
table: features.ex
key: [id]
writes: bulk
batch: {{by: day}}
freshness: {{max_age: 1 day, of: day}}
columns:
  a: [range: {{min: 0, max: 100, on_breach: quarantine}}]
readers: ['{reader}']
"""


@pytest.mark.parametrize("stem", ["Data Team", 'o"Brien', "O'Brien", "select", "Größe.x", "1st"])
def test_the_life_of_a_table(empty_connection, empty_dsn, role, stem):
    owner, reader = role(stem), role(f"R {stem}")
    database_name = sql.Identifier(empty_connection.info.dbname)
    empty_connection.execute(
        sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(database_name, sql.Identifier(owner))
    )
    sessions = {}
    for name in (owner, reader):
        sessions[name] = psycopg.connect(empty_dsn, autocommit=True)
        sessions[name].execute(sql.SQL("SET SESSION AUTHORIZATION {}").format(sql.Identifier(name)))
    with sessions[owner] as conn, sessions[reader] as trainer:
        conn.execute("CREATE SCHEMA features; CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int)")
        conn.execute("CREATE INDEX ON features.ex (day)")
        runtime.install(conn)
        for part in ("trainer", "steward", "operator", "auditor"):
            for statement in grants.statements(part, reader):
                conn.execute(statement.encode())
        rights.apply(conn, DEFINITION.format(reader=reader.replace("'", "''")))
        conn.execute("INSERT INTO features.ex VALUES (1, '2026-01-01', 1), (2, '2026-01-01', 999)")
        for kind in ("false", "true"):
            trainer.execute(
                f"SELECT pgslo.create_snapshot('s_{kind}', 'guarded', 'ex', 'id > 0', {kind})".encode()
            )
            assert (
                trainer.execute(f"SELECT * FROM pgslo.verify_snapshot('s_{kind}')".encode()).fetchall() == []
            )
        trainer.execute("SELECT pgslo.tick()")
        trainer.execute("""SELECT pgslo.release(1, '{"a": 5}')""")
        trainer.execute("SELECT pgslo.pause(); ")
        trainer.execute("SELECT pgslo.resume()")
        for kind in ("false", "true"):
            trainer.execute(f"SELECT pgslo.drop_snapshot('s_{kind}')".encode())
        assert conn.execute("SELECT to_regnamespace('pgslo_snapshot')").fetchone() == (None,)

        def removal():
            return planning.plan_removal(conn, ["features.ex"])

        assert installation.apply(conn, removal(), removal) == ()
        installation.drop_runtime(conn)
