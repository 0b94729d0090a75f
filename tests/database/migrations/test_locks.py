"""What a plan says of locks is what PostgreSQL takes, statement by statement, on the way in and on the way out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgslo import definition, plan
from pgslo.database import planning

Connection = psycopg.Connection[Any]

GOLDEN = Path(__file__).parents[2] / "golden"
KINDS = sorted(path.stem for path in GOLDEN.glob("*.yml"))
OWN = {f"kinds/{path.name}": path.read_text() for path in (GOLDEN / "kinds").glob("*.sql")}
#: As pg_locks names them, weakest first; what is weaker stops neither reads nor writes nor VACUUM.
MODES = {
    "ShareUpdateExclusiveLock": "SHARE UPDATE EXCLUSIVE",
    "ShareLock": "SHARE",
    "ShareRowExclusiveLock": "SHARE ROW EXCLUSIVE",
    "ExclusiveLock": "EXCLUSIVE",
    "AccessExclusiveLock": "ACCESS EXCLUSIVE",
}
TAKEN = """
SELECT n.nspname || '.' || c.relname, l.mode FROM pg_locks l
JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.granted AND c.relkind IN ('r', 'p')
  AND n.nspname <> ALL (ARRAY['pg_catalog', 'pg_toast', 'pgslo', 'pgslo_catalog', 'pgslo_gen'])
"""


@pytest.fixture
def given(connection: Connection) -> Connection:
    connection.execute((GOLDEN / "given" / "tables.sql").read_bytes())
    return connection


@pytest.mark.parametrize("kind", KINDS)
def test_a_plan_tells_every_lock_and_no_other(given: Connection, kind: str) -> None:
    loaded = definition.load(
        (GOLDEN / f"{kind}.yml").read_text(), path=f"slos/{kind}.yml", kinds=definition.load_kinds(OWN)
    )
    made = planning.plan_definitions(given, [loaded])
    assert list(differences(given, made)) == []
    assert list(differences(given, planning.plan_removal(given, [loaded.name]))) == []


def test_a_wrong_lock_would_be_seen(given: Connection) -> None:
    loaded = definition.load(
        (GOLDEN / "range.yml").read_text(), path="slos/range.yml", kinds=definition.load_kinds({})
    )
    made = planning.plan_definitions(given, [loaded])
    (step, statement), *_ = [pair for pair in plan.order_statements(made) if pair[1].lock]
    assert told(statement) != {}
    given.execute(b"BEGIN")
    given.execute(f"LOCK TABLE {statement.on} IN ACCESS EXCLUSIVE MODE".encode())
    assert taken(given) != told(statement), step
    given.execute(b"ROLLBACK")


def differences(conn: Connection, made: plan.Plan) -> Iterator[tuple[str, dict[str, str], dict[str, str]]]:
    """Carry a plan out, each statement in a transaction of its own; where the announced locks are not the taken ones."""
    for _, statement in plan.order_statements(made):
        if statement.alone:
            conn.execute(statement.script.encode(), prepare=False)
            continue
        with conn.transaction():
            conn.execute(statement.script.encode(), prepare=False)
            found = taken(conn)
        if found != told(statement):
            yield statement.script, told(statement), found


def told(statement: plan.Statement) -> dict[str, str]:
    return dict.fromkeys(statement.on.split(", "), statement.lock) if statement.lock else {}


def taken(conn: Connection) -> dict[str, str]:
    """The strongest lock on each table of the user's."""
    strongest: dict[str, str] = {}
    for name, mode in conn.execute(TAKEN).fetchall():
        if mode in MODES:
            strongest[name] = max(strongest.get(name, ""), mode, key=["", *MODES].index)
    return {name: MODES[mode] for name, mode in strongest.items()}
