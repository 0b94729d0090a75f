"""A guarded database with a history, for tests that take it somewhere else and see it go on there."""

from __future__ import annotations

import subprocess
import textwrap
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from pgslo import definition
from pgslo.database import installation, operations, planning

Connection = psycopg.Connection[Any]

TABLES = """
CREATE SCHEMA features;
CREATE TYPE public.mood AS ENUM ('good', 'bad');
CREATE TABLE features.country (code text PRIMARY KEY);
INSERT INTO features.country VALUES ('de');
-- A dump numbers columns anew where one was dropped, pg_upgrade does not.
CREATE TABLE features.example (
    former int, id int PRIMARY KEY, age int, score float8, email text, mood public.mood, country text, batch date NOT NULL);
ALTER TABLE features.example DROP COLUMN former;
CREATE TABLE features.stream (id int PRIMARY KEY, age int);
CREATE TABLE features.weights (id int PRIMARY KEY, variant text NOT NULL, weight int NOT NULL);
CREATE INDEX ON features.weights (variant);
"""
DEFINITIONS = (
    """
    table: features.example
    owner: sam
    writes: bulk
    batch: {{by: batch}}
    columns:
      id: [not_null, unique]
      age: [range: {{min: 0, max: 100, on_breach: warn, name: r_age}}]
      score: [range: {{min: 0, on_breach: quarantine, name: r_score}}, repair: {{clip: [-1000, 1000], name: r_clip}}]
      email: [not_null: {{on_breach: reject}}, format: {{format: email, on_breach: reject, name: r_email}}]
      mood: [accepted_values: {{values: [good], on_breach: flag, name: r_mood}}]
      country: [references: {{table: features.country, column: code, on_breach: reject, name: r_country}}]
    readers: [{reader}]
    """,
    """
    table: features.stream
    owner: sam
    writes: stream
    batch: statement
    columns:
      age: [range: {{min: 0, max: 100, on_breach: flag, name: r_age}}]
    """,
    """
    table: features.weights
    owner: sam
    writes: bulk
    batch: statement
    assertions:
      - whole: {{adds_up_to: {{column: weight, total: 100}}, group_by: variant, on_breach: reject}}
    """,
)
GOOD = "(%s, 1, 1, 'a@example.com', 'good', 'de', '2026-11-23')"


def load(reader: str) -> list[definition.Definition]:
    return [
        definition.load(
            textwrap.dedent(text.format(reader=reader)),
            path="slos/example.yml",
            kinds=definition.load_kinds({}),
        )
        for text in DEFINITIONS
    ]


def apply(conn: Connection, loaded: list[definition.Definition]) -> None:
    def plan() -> Any:
        return planning.plan_definitions(conn, loaded)

    assert installation.apply(conn, plan(), plan) == ()
    assert plan().empty


def values(conn: Connection, query: str) -> list[Any]:
    return [row[0] for row in conn.execute(query.encode())]


def rows(conn: Connection) -> dict[str, list[Any]]:
    """All rows of all tables, the runtime's and the user's."""
    tables = values(
        conn,
        """SELECT c.oid::regclass::text FROM pg_class c
           WHERE c.relkind IN ('r', 'm') AND c.relnamespace::regnamespace::text IN ('pgslo_catalog', 'features') ORDER BY 1""",
    )
    return {name: sorted(values(conn, f"SELECT t::text FROM {name} t")) for name in tables}


def live(connection: Connection, definitions: list[definition.Definition]) -> None:
    """Fill a database with the runtime: definitions, rows, incidents, a row in quarantine and a repair."""
    connection.execute(TABLES)
    apply(connection, definitions)
    connection.execute(
        f"INSERT INTO features.example VALUES {GOOD % 1}, (2, 999, 9999, 'b@example.com', 'bad', 'de', '2026-11-23'), (3, 1, -1, 'c@example.com', 'good', 'de', '2026-11-23')".encode()
    )
    connection.execute("INSERT INTO features.stream VALUES (1, 999)")
    connection.execute("INSERT INTO features.weights VALUES (1, 'a', 40), (2, 'a', 60)")
    connection.execute("CREATE MATERIALIZED VIEW features.ages AS SELECT id, age FROM guarded.example")
    connection.execute("SELECT pgslo.tick()")
    assert set(values(connection, "SELECT rule FROM pgslo.incident WHERE over_at IS NULL")) >= {
        "r_age",
        "r_mood",
    }
    assert values(connection, "SELECT row_key FROM pgslo.quarantine WHERE state = 'held'") == ["(id) = (3)"]


def triggers(conn: Connection) -> list[str]:
    """Every trigger, and when it fires."""
    return values(
        conn,
        "SELECT tgrelid::regclass || ' ' || tgname || ' ' || tgenabled::text FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1",
    )


def run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # A materialized view of a guarded view warns as every reader of it is warned.
    complaints = [line for line in done.stderr.splitlines() if "ERROR" in line or "error:" in line]
    assert (done.returncode, complaints) == (0, []), done.stderr


def goes_on(
    restored: Connection,
    definitions: list[definition.Definition],
    *,
    was: dict[str, list[Any]],
    fired: list[str],
) -> None:
    """See that a database is what another was, that its writes and reads are judged, and that pgslo can be taken out of it.

    Args:
        restored: A superuser's session on it.
        definitions: The definitions applied to the other.
        was: The other's rows.
        fired: The other's triggers.
    """
    assert rows(restored) == was
    plan = planning.plan_definitions(restored, definitions)
    assert plan.empty, plan
    found = [str(one) for one in operations.find_drift(restored)]
    # A new or an upgraded database may count as one whose statistics were reset; which does differs between versions.
    found = [one for one in found if "the server counts only since" not in one]
    assert found == [], found
    assert triggers(restored) == fired
    # Tables of pgslo leave out what a publisher sends, with triggers that always fire.
    assert all(
        name.endswith((" O", " leave_out_replicated A")) or name.startswith("pgslo_catalog.")
        for name in fired
    )

    # Readers and rights are there.
    notices: list[str | None] = []
    restored.add_notice_handler(lambda notice: notices.append(notice.constraint_name))
    (reader,) = definitions[0].readers
    restored.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(reader)))
    assert values(restored, "SELECT age FROM guarded.example ORDER BY id") == [1, 999]
    assert notices == ["r_age"]
    for statement in ("SELECT FROM features.example", "SELECT FROM pgslo.quarantine", "SELECT pgslo.tick()"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            restored.execute(statement.encode())
    restored.execute("RESET ROLE")

    # Writes are judged.
    counted = values(
        restored,
        "SELECT count(*) FROM pgslo_catalog.fragment WHERE operation IN ('judged', 'insert', 'update')",
    )[0]
    for column, value, error in (
        ("email", "'nobody'", psycopg.errors.CheckViolation),
        ("email", "NULL", psycopg.errors.NotNullViolation),
        ("country", "'xx'", psycopg.errors.ForeignKeyViolation),
        ("id", "1", psycopg.errors.UniqueViolation),
    ):
        row = {"id": "9", "email": "'a@example.com'", "country": "'de'", "batch": "'2026-11-24'"}
        row[column] = value
        with pytest.raises(error):
            restored.execute(
                f"INSERT INTO features.example ({', '.join(row)}) VALUES ({', '.join(row.values())})".encode()
            )
    restored.execute(f"INSERT INTO features.example VALUES {GOOD % 4}".encode())
    assert values(
        restored,
        "SELECT count(*) FROM pgslo_catalog.fragment WHERE operation IN ('judged', 'insert', 'update')",
    ) == [counted + 1]

    with pytest.raises(psycopg.errors.CheckViolation):
        restored.execute("INSERT INTO features.weights VALUES (3, 'a', 1)")
    restored.execute("INSERT INTO features.weights VALUES (4, 'b', 100)")

    # Operators take up their work.
    held = values(restored, "SELECT quarantine_id FROM pgslo.quarantine WHERE state = 'held'")[0]
    restored.execute("SELECT pgslo.release(%s, '{\"score\": 1}')", (held,))
    assert values(restored, "SELECT id FROM features.example ORDER BY id") == [1, 2, 3, 4]
    restored.execute(
        "INSERT INTO features.example VALUES (5, 1, 1, 'e@example.com', 'good', 'de', '2026-11-25')"
    )
    assert "features.example" not in values(
        restored, "SELECT definition FROM pgslo.incident WHERE over_at IS NULL"
    )
    restored.execute("INSERT INTO features.stream VALUES (2, 1)")
    restored.execute("SELECT pgslo.tick()")

    def removal() -> Any:
        return planning.plan_removal(restored, [one.name for one in definitions])

    restored.execute("DROP MATERIALIZED VIEW features.ages")
    assert installation.apply(restored, removal(), removal) == ()
    installation.drop_runtime(restored)
