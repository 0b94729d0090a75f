"""A database that was dumped and restored goes on as it was: same state, nothing counted twice, writes judged."""

from __future__ import annotations

import shutil
import subprocess
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from psycopg import sql

from pgslo import database, definition, embedded, installation
from pgslo.cli import main
from pgslo.embedded.binaries import Binaries
from pgslo.errors import PgsloError

Connection = psycopg.Connection[Any]
Connect = Callable[..., Connection]

TABLES = """
CREATE SCHEMA features;
CREATE TYPE public.mood AS ENUM ('good', 'bad');
CREATE TABLE features.country (code text PRIMARY KEY);
INSERT INTO features.country VALUES ('de');
CREATE TABLE features.example (
    id int PRIMARY KEY, age int, score float8, email text, mood public.mood, country text, batch date NOT NULL);
CREATE TABLE features.stream (id int PRIMARY KEY, age int);
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
        return database.plan_definitions(conn, loaded)

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


def program(name: str) -> Path:
    found = embedded.program(name)
    if found is None and (other := shutil.which(name)) is not None:
        # One of a later version does as well, while its dumps hold nothing that older servers do not know (17: a setting).
        server = int(Binaries.find().major)
        said = subprocess.run([other, "--version"], capture_output=True, text=True, check=True).stdout
        if server <= int(said.split()[2].split(".")[0]) <= max(server, 16):
            found = Path(other)
    if found is None:
        pytest.skip(f"these PostgreSQL binaries have no {name}, and there is none that fits")
    return found


@pytest.fixture
def definitions(role: Callable[[str], str]) -> list[definition.Definition]:
    return load(role("reader"))


@pytest.fixture
def lived_in(connection: Connection, definitions: list[definition.Definition]) -> Connection:
    """A database with definitions, rows, incidents, a row in quarantine and a repair."""
    connection.execute(TABLES)
    apply(connection, definitions)
    connection.execute(
        f"INSERT INTO features.example VALUES {GOOD % 1}, (2, 999, 9999, 'b@example.com', 'bad', 'de', '2026-11-23'), (3, 1, -1, 'c@example.com', 'good', 'de', '2026-11-23')".encode()
    )
    connection.execute("INSERT INTO features.stream VALUES (1, 999)")
    connection.execute("CREATE MATERIALIZED VIEW features.ages AS SELECT id, age FROM guarded.example")
    connection.execute("SELECT pgslo.tick()")
    assert set(values(connection, "SELECT rule FROM pgslo.incident WHERE resolved_at IS NULL")) >= {
        "r_age",
        "r_mood",
    }
    assert values(connection, "SELECT row_key FROM pgslo.quarantine WHERE state = 'held'") == ["(id) = (3)"]
    return connection


@pytest.fixture(params=["plain", "custom"])
def restored(
    request: pytest.FixtureRequest, lived_in: Connection, dsn: str, empty_dsn: str, tmp_path: Path
) -> Iterator[Connection]:
    """What came out of a dump of it, in another database, restored without an error."""
    del lived_in
    dump = tmp_path / "dump"
    run(program("pg_dump"), f"--format={request.param}", f"--file={dump}", dsn)
    if request.param == "plain":
        run(program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(dump), empty_dsn)
    else:
        run(program("pg_restore"), "--exit-on-error", f"--dbname={empty_dsn}", str(dump))
    with psycopg.connect(empty_dsn, autocommit=True) as session:
        yield session


def run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # A materialized view of a guarded view warns as every reader of it is warned.
    complaints = [line for line in done.stderr.splitlines() if "ERROR" in line or "error:" in line]
    assert (done.returncode, complaints) == (0, []), done.stderr


def test_a_restored_database_goes_on(
    lived_in: Connection, restored: Connection, definitions: list[definition.Definition]
) -> None:
    assert rows(restored) == rows(lived_in)
    plan = database.plan_definitions(restored, definitions)
    assert plan.empty, plan
    triggers = "SELECT tgrelid::regclass || ' ' || tgname || ' ' || tgenabled::text FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1"
    assert values(restored, triggers) == values(lived_in, triggers)
    assert all(name.endswith(" O") for name in values(restored, triggers))

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

    # Operators take up their work.
    held = values(restored, "SELECT quarantine_id FROM pgslo.quarantine WHERE state = 'held'")[0]
    restored.execute("SELECT pgslo.release(%s, '{\"score\": 1}')", (held,))
    assert values(restored, "SELECT id FROM features.example ORDER BY id") == [1, 2, 3, 4]
    restored.execute(
        "INSERT INTO features.example VALUES (5, 1, 1, 'e@example.com', 'good', 'de', '2026-11-25')"
    )
    assert "features.example" not in values(
        restored, "SELECT definition FROM pgslo.incident WHERE resolved_at IS NULL"
    )
    restored.execute("INSERT INTO features.stream VALUES (2, 1)")
    restored.execute("SELECT pgslo.tick()")

    def removal() -> Any:
        return database.plan_removal(restored, ["features.example", "features.stream"])

    restored.execute("DROP MATERIALIZED VIEW features.ages")
    assert installation.apply(restored, removal(), removal) == ()
    installation.drop_runtime(restored)


def test_of_a_schema_alone_writes_live_and_apply_makes_it_whole(
    lived_in: Connection, dsn: str, empty_dsn: str, definitions: list[definition.Definition], tmp_path: Path
) -> None:
    del lived_in
    dump = tmp_path / "dump"
    run(program("pg_dump"), "--schema-only", f"--file={dump}", dsn)
    run(program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(dump), empty_dsn)
    with psycopg.connect(empty_dsn, autocommit=True) as session:
        # What pgslo knew is not there: nothing can be judged, and no write is refused for it.
        session.execute("INSERT INTO features.country VALUES ('de')")
        session.execute(f"INSERT INTO features.example VALUES {GOOD % 1}".encode())
        session.execute("INSERT INTO features.stream VALUES (1, 1)")
        # The runtime does not know which of its scripts ran: out with it, and in again.
        with pytest.raises(PgsloError, match="already exists"):
            apply(session, definitions)
        session.execute("DROP MATERIALIZED VIEW features.ages")
        out = CliRunner().invoke(main, ["--dsn", empty_dsn, "uninstall", "--all", "--yes"])
        assert out.exit_code == 0, out.output
        apply(session, definitions)
        assert database.plan_definitions(session, definitions).empty
        assert values(session, "SELECT id FROM features.example") == [1]
        with pytest.raises(psycopg.errors.CheckViolation):
            session.execute(
                "INSERT INTO features.example VALUES (8, 1, 1, 'nobody', 'good', 'de', '2026-11-23')"
            )


def test_of_data_alone_nothing_is_counted_twice_after_a_pause(
    lived_in: Connection,
    dsn: str,
    server: Any,
    empty_dsn: str,
    definitions: list[definition.Definition],
    tmp_path: Path,
) -> None:
    del server
    dump = tmp_path / "dump"
    run(program("pg_dump"), "--data-only", "--schema=features", "--format=custom", f"--file={dump}", dsn)
    with psycopg.connect(empty_dsn, autocommit=True) as session:
        session.execute(TABLES.encode())
        session.execute("DELETE FROM features.country")
        session.execute("CREATE MATERIALIZED VIEW features.ages AS SELECT id, age FROM features.example")
        apply(session, definitions)
        session.execute("SELECT pgslo.pause()")
        run(program("pg_restore"), "--exit-on-error", "--data-only", f"--dbname={empty_dsn}", str(dump))
        session.execute("SELECT pgslo.resume()")
        assert values(session, "SELECT id FROM features.example ORDER BY id") == [1, 2]
        counted = "SELECT coalesce(sum(rows), 0)::int FROM pgslo_catalog.fragment"
        assert values(session, counted) == [0]
        session.execute(f"INSERT INTO features.example VALUES {GOOD % 4}".encode())
        assert values(session, counted) == [1]
        assert database.plan_definitions(session, definitions).empty
    del lived_in


def test_a_session_without_a_search_path_writes_reads_and_plans(
    lived_in: Connection, connect: Connect, definitions: list[definition.Definition]
) -> None:
    session = connect(search_path="")
    notices: list[str | None] = []
    session.add_notice_handler(lambda notice: notices.append(notice.constraint_name))
    session.execute(f"INSERT INTO features.example VALUES {GOOD % 7}".encode())
    with pytest.raises(psycopg.errors.CheckViolation):
        session.execute("INSERT INTO features.example VALUES (8, 1, 1, 'nobody', 'good', 'de', '2026-11-23')")
    session.execute("INSERT INTO features.example VALUES (8, 1, -1, 'a@example.com', 'good', 'de', '2026-11-23')")  # fmt: skip
    session.execute("INSERT INTO features.stream VALUES (9, 999)")
    session.execute("SELECT age FROM guarded.example")
    assert notices == ["r_age"]
    session.execute("SELECT pgslo.tick()")
    session.execute("SELECT * FROM pgslo.status")
    held = values(session, "SELECT max(quarantine_id) FROM pgslo.quarantine WHERE state = 'held'")[0]
    session.execute("SELECT pgslo.release(%s, '{\"score\": 1}')", (held,))
    assert values(session, "SELECT id FROM features.example ORDER BY id") == [1, 2, 7, 8]
    assert values(lived_in, "SELECT rule FROM pgslo.rule WHERE broken IS NOT NULL") == []
    # Types are printed with or without their schema, as the path has it; that is no change.
    assert database.plan_definitions(session, definitions).empty


def test_materialized_views_and_their_indexes_stand_on_guarded_views(lived_in: Connection) -> None:
    """From PostgreSQL 17 on these run with a search_path of their own."""
    lived_in.execute("CREATE UNIQUE INDEX ON features.ages (id)")
    lived_in.execute("CREATE INDEX ON features.ages ((age + 1)) WHERE age > 0")
    lived_in.execute(f"INSERT INTO features.example VALUES {GOOD % 7}".encode())
    lived_in.execute("REFRESH MATERIALIZED VIEW features.ages")
    lived_in.execute(f"INSERT INTO features.example VALUES {GOOD % 8}".encode())
    lived_in.execute("REFRESH MATERIALIZED VIEW CONCURRENTLY features.ages")
    assert values(lived_in, "SELECT id FROM features.ages ORDER BY id") == [1, 2, 7, 8]
