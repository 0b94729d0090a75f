"""A database that was dumped and restored goes on as it was: same state, nothing counted twice, writes judged."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from lived_in import GOOD, TABLES, Connection, apply, goes_on, live, load, rows, run, triggers, values
from psycopg import sql

from pgslo import definition, embedded
from pgslo.cli import main
from pgslo.database import operations, planning
from pgslo.embedded.binaries import Binaries
from pgslo.errors import PgsloError

pytestmark = pytest.mark.slow

Connect = Callable[..., Connection]


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
    live(connection, definitions)
    return connection


@pytest.fixture(params=["plain", "custom"])
def restored(
    request: pytest.FixtureRequest, lived_in: Connection, dsn: str, empty_dsn: str, tmp_path: Path
) -> Iterator[Connection]:
    """A dump of it, restored into another database without an error."""
    del lived_in
    dump = tmp_path / "dump"
    run(program("pg_dump"), f"--format={request.param}", f"--file={dump}", dsn)
    if request.param == "plain":
        run(program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(dump), empty_dsn)
    else:
        run(program("pg_restore"), "--exit-on-error", f"--dbname={empty_dsn}", str(dump))
    with psycopg.connect(empty_dsn, autocommit=True) as session:
        yield session


def test_a_restored_database_goes_on(
    lived_in: Connection, restored: Connection, definitions: list[definition.Definition]
) -> None:
    goes_on(restored, definitions, was=rows(lived_in), fired=triggers(lived_in))


def test_a_restore_over_the_database_itself(
    lived_in: Connection, dsn: str, definitions: list[definition.Definition], tmp_path: Path
) -> None:
    dump = tmp_path / "dump"
    was, fired = rows(lived_in), triggers(lived_in)
    run(program("pg_dump"), "--format=custom", f"--file={dump}", dsn)
    lived_in.execute(f"INSERT INTO features.example VALUES {GOOD % 77}".encode())
    run(program("pg_restore"), "--clean", "--if-exists", "--jobs=3", f"--dbname={dsn}", str(dump))
    with psycopg.connect(dsn, autocommit=True) as session:
        assert [one for one in operations.find_drift(session) if not one.is_hint] == []
        goes_on(session, definitions, was=was, fired=fired)


@pytest.fixture
def later_cluster() -> Iterator[str]:
    """A connection string for a cluster of its own, which has counted few transactions."""
    with embedded.serve(settings={"fsync": "off", "autovacuum": "off"}) as own:
        yield own.dsn()


def test_what_is_left_over_in_a_restored_database_is_found_by_the_numbers_of_its_new_cluster(
    connection: Connection, dsn: str, later_cluster: str, tmp_path: Path
) -> None:
    """Though the new one has counted past what the old one had seen before anybody looked."""
    connection.execute("CREATE SCHEMA features; CREATE TABLE features.small (id int, day date, a int)")
    text = "table: features.small\nkey: [id]\nwrites: bulk\nbatch: {by: day}\ncolumns: {a: [{range: {max: 100}}]}"
    apply(connection, [definition.load(text, path="slos/small.yml")])
    with psycopg.connect(later_cluster, autocommit=True) as new:
        behind = next_transaction(new) + 5_000
        burn(connection, until=behind)
        connection.execute("INSERT INTO features.small VALUES (1, '2026-11-20', 1)")
        connection.execute("SELECT pgslo.tick()")
        (seen,) = values(connection, "SELECT seen::text::int FROM pgslo_catalog.watermark")
        dump = tmp_path / "dump"
        run(program("pg_dump"), "--format=custom", f"--file={dump}", dsn)
        run(program("pg_restore"), "--exit-on-error", f"--dbname={later_cluster}", str(dump))
        with psycopg.connect(later_cluster) as one:
            # This one has the incident, and the next one leaves it to him.
            one.execute("INSERT INTO features.small VALUES (2, '2026-11-21', 999)")
            new.execute("INSERT INTO features.small VALUES (3, '2026-11-21', 999)")
            one.rollback()
        assert next_transaction(new) < seen
        burn(new, until=seen + 1)
        new.execute("SELECT pgslo.tick()")
        assert values(new, "SELECT opened_batch FROM pgslo.incident WHERE over_at IS NULL") == ["2026-11-21"]
        # From here on it looks only at what is new, however old the row that says so is.
        new.execute("SELECT pgslo.tick()")  # what the tick before merged is as new as that tick
        new.execute("DELETE FROM pgslo_catalog.incident")
        new.execute("VACUUM FREEZE pgslo_catalog.watermark")
        new.execute("SELECT pgslo.tick()")
        assert values(new, "SELECT opened_batch FROM pgslo.incident") == []


def next_transaction(session: Connection) -> int:
    (number,) = values(session, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::int")
    return int(number)


def burn(session: Connection, *, until: int) -> None:
    """Have a cluster count transactions up to a number: each that writes within another counts."""
    session.execute("CREATE TEMPORARY TABLE IF NOT EXISTS burnt (n int)")
    session.execute(
        sql.SQL("""DO $$ BEGIN
            FOR n IN 1 .. {} LOOP
                BEGIN INSERT INTO burnt VALUES (n); EXCEPTION WHEN OTHERS THEN RAISE; END;
            END LOOP;
        END $$""").format(until - next_transaction(session))
    )


def test_held_rows_of_a_restored_table_go_by_the_names_of_its_columns(
    lived_in: Connection, restored: Connection
) -> None:
    """It had a column that was dropped: its columns have other numbers since."""
    del lived_in
    release = "SELECT pgslo.release(1, '{\"score\": 1}')"
    restored.execute("ALTER TABLE features.example RENAME COLUMN age TO years")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="does not fit") as refused:
        restored.execute(release)
    assert 'has no column "age" any more' in str(refused.value.diag.message_detail)
    restored.execute("ALTER TABLE features.example RENAME COLUMN years TO age")
    restored.execute("ALTER TABLE features.example ADD COLUMN more int")
    restored.execute(release)
    assert values(restored, "SELECT r::text FROM features.example r WHERE id = 3") == [
        "(3,1,1,c@example.com,good,de,2026-11-23,)"
    ]


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
        assert planning.plan_definitions(session, definitions).empty
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
        assert planning.plan_definitions(session, definitions).empty
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
    assert planning.plan_definitions(session, definitions).empty


def test_materialized_views_and_their_indexes_stand_on_guarded_views(lived_in: Connection) -> None:
    """From PostgreSQL 17 on these run with a search_path of their own."""
    lived_in.execute("CREATE UNIQUE INDEX ON features.ages (id)")
    lived_in.execute("CREATE INDEX ON features.ages ((age + 1)) WHERE age > 0")
    lived_in.execute(f"INSERT INTO features.example VALUES {GOOD % 7}".encode())
    lived_in.execute("REFRESH MATERIALIZED VIEW features.ages")
    lived_in.execute(f"INSERT INTO features.example VALUES {GOOD % 8}".encode())
    lived_in.execute("REFRESH MATERIALIZED VIEW CONCURRENTLY features.ages")
    assert values(lived_in, "SELECT id FROM features.ages ORDER BY id") == [1, 2, 7, 8]
