"""Roles that may read a table today: suggest writes them down, and a plan names those that will not read its guarded view."""

from __future__ import annotations

import textwrap
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from click.testing import CliRunner
from psycopg import sql

from pgslo.cli import main

DEFINITION = """
table: ml.bookings
owner: sam
watch: false
columns: {{price: [range: {{min: 0}}]}}
{readers}
"""
ROLES = ("analyst", "trainer", "lead", "etl", "mallory")

Run = Callable[..., Any]


@pytest.fixture
def names(role: Callable[[str], str]) -> dict[str, str]:
    return {stem: role(stem) for stem in ROLES}


@pytest.fixture
def run(
    names: dict[str, str],
    dsn: str,
    connection: psycopg.Connection[Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    connection.execute(
        "CREATE SCHEMA ml; CREATE TABLE ml.bookings (id int PRIMARY KEY, day date, price numeric, note text)"
    )
    connection.execute(f"GRANT USAGE ON SCHEMA ml TO {', '.join(names.values())}".encode())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", dsn)

    def invoke(*arguments: str) -> Any:
        return CliRunner().invoke(main, list(arguments))

    return invoke


def left_out(run: Run, readers: str = "") -> list[str]:
    """Notes of a plan about roles, each without its prefix."""
    Path("ml.yml").write_text(textwrap.dedent(DEFINITION.format(readers=readers)))
    planned = run("plan", "ml.yml")
    assert planned.exit_code in (0, 3), planned.output
    notes = [line for line in planned.output.splitlines() if line.startswith("note: ml.bookings: ")]
    return [note.removeprefix("note: ml.bookings: ") for note in notes if "will not read" in note]


def test_a_plan_names_the_roles_that_will_not_read_the_guarded_view(
    run: Run, names: dict[str, str], connection: psycopg.Connection[Any]
):
    analyst, trainer, lead, etl, mallory = names.values()

    def grant(text: str) -> None:
        connection.execute(text.encode())

    assert left_out(run) == [], "the owner is not left out"
    grant(f"GRANT SELECT ON ml.bookings TO {analyst}; GRANT INSERT ON ml.bookings TO {etl}")
    (note,) = left_out(run)
    assert (
        note
        == f"{analyst} reads ml.bookings and will not read guarded.bookings; to change that: readers: [{analyst}]"
    )
    grant(f"GRANT SELECT (price) ON ml.bookings TO {trainer}")
    (note,) = left_out(run)
    assert note == (
        f"{analyst} and {trainer} read ml.bookings and will not read guarded.bookings; to change that: readers: [{analyst}, {trainer}]"
    )
    (note,) = left_out(run, f"readers: [{analyst}]")
    assert note == (
        f"{trainer} reads ml.bookings and will not read guarded.bookings; to change that: readers: [{analyst}, {trainer}]"
    )
    assert left_out(run, f"readers: [{analyst}, {trainer}]") == []
    # It is one note, once apply has been asked as well.
    applied = run("apply", "--yes", "ml.yml")
    assert applied.exit_code == 0, applied.output
    assert "will not read" not in applied.output
    Path("ml.yml").write_text(textwrap.dedent(DEFINITION.format(readers="")))
    applied = run("apply", "--yes", "ml.yml")
    assert applied.output.count("will not read") == 1, applied.output

    # The rights of another role: of one that is a reader, of one that reads everything.
    grant(f"GRANT {lead} TO {analyst}; GRANT pg_read_all_data TO {trainer}")
    assert left_out(run, f"readers: [{lead}]") == []
    grant(f"REVOKE pg_read_all_data FROM {trainer}")
    assert left_out(run, f"readers: [{lead}]") != []
    grant(f"REVOKE SELECT (price) ON ml.bookings FROM {trainer}")
    # A member that does not inherit has no right of the role.
    grant(f"ALTER ROLE {mallory} NOINHERIT; GRANT SELECT ON ml.bookings TO {mallory}")
    grant(f"GRANT {lead} TO {mallory}")
    (note,) = left_out(run, f"readers: [{lead}]")
    assert note.startswith(f"{mallory} reads ")
    grant(f"ALTER ROLE {mallory} SUPERUSER")
    assert left_out(run, f"readers: [{lead}]") == []
    grant(f"ALTER ROLE {mallory} NOSUPERUSER; REVOKE SELECT ON ml.bookings FROM {mallory}")
    # A right on a schema that cannot be used is none.
    grant(f"GRANT SELECT ON ml.bookings TO {trainer}; REVOKE USAGE ON SCHEMA ml FROM {trainer}")
    assert left_out(run, f"readers: [{lead}]") == []
    # A grant on the view, which outlives the apply.
    grant(f"GRANT USAGE ON SCHEMA ml TO {trainer}")
    assert left_out(run, f"readers: [{lead}]") != []
    grant(f"GRANT USAGE ON SCHEMA guarded TO {trainer}; GRANT SELECT ON guarded.bookings TO {trainer}")
    assert left_out(run, f"readers: [{lead}]") == []


def test_public_is_named_where_every_role_may_use_the_schema(
    run: Run, names: dict[str, str], connection: psycopg.Connection[Any]
):
    analyst, *others = names.values()
    connection.execute(f"REVOKE USAGE ON SCHEMA ml FROM {', '.join(others)}".encode())
    connection.execute("GRANT SELECT ON ml.bookings TO PUBLIC")
    (note,) = left_out(run)
    assert note.startswith(f"{analyst} reads ml.bookings"), "the only role that may use the schema"
    assert left_out(run, f"readers: [{analyst}]") == []
    connection.execute("GRANT USAGE ON SCHEMA ml TO PUBLIC")
    (note,) = left_out(run, f"readers: [{analyst}]")
    assert note == (
        "PUBLIC reads ml.bookings and will not read guarded.bookings; to change that: GRANT SELECT ON guarded.bookings TO PUBLIC"
    )


@pytest.fixture
def odd(connection: psycopg.Connection[Any]) -> Iterator[list[str]]:
    """Roles whose names need quotes in YAML, and two that no definition can hold."""
    mark = uuid.uuid4().hex[:8]
    names = [f"{stem}{mark}" for stem in ("A b: [c]", "it's # ", '"quoted" ', "Ünï", "no\nline ", "$pgslo$ ")]
    for name in names:
        connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(name)))
    yield names
    for name in names:
        connection.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(sql.Identifier(name)))


def test_suggest_writes_the_readers_of_the_table(
    run: Run, names: dict[str, str], odd: list[str], connection: psycopg.Connection[Any]
):
    assert "readers" not in yaml.safe_load(run("suggest", "ml.bookings").stdout)
    analyst, trainer, _, etl, _ = names.values()
    connection.execute(f"GRANT SELECT ON ml.bookings TO {analyst}, PUBLIC".encode())
    connection.execute(
        f"GRANT SELECT (price) ON ml.bookings TO {trainer}; GRANT INSERT ON ml.bookings TO {etl}".encode()
    )
    text = run("suggest", "ml.bookings").stdout
    listed = sorted(names.values())
    assert f"readers: [{', '.join(listed)}]" in text, "PUBLIC, and every role that may use the schema"
    connection.execute("REVOKE SELECT ON ml.bookings FROM PUBLIC")
    text = run("suggest", "ml.bookings").stdout
    assert f"readers: [{analyst}, {trainer}]  # may read the table today\n" in text

    for name in odd:
        connection.execute(
            sql.SQL("GRANT USAGE ON SCHEMA ml TO {0}; GRANT SELECT ON ml.bookings TO {0}").format(
                sql.Identifier(name)
            )
        )
    written = run("suggest", "ml.bookings", "-o", "slos/bookings.yml")
    assert written.exit_code == 0, written.output
    assert set(yaml.safe_load(Path("slos/bookings.yml").read_text())["readers"]) == {
        analyst,
        trainer,
        *odd[:4],
    }
    applied = run("apply", "--yes", "slos/bookings.yml")
    assert applied.exit_code == 0, applied.output
    (note,) = (line for line in applied.output.splitlines() if "will not read" in line)
    assert "\\n" in note or "no line" in note, "the roles that no definition can hold are named, on one line"
    connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(odd[0])))
    assert connection.execute("SELECT * FROM guarded.bookings").fetchall() == []
    connection.execute("RESET ROLE")
