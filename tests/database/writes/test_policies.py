"""Row security: guarded views, writes and counts keep to what policies say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from rights import apply, grant, said, values

from pgslo import definition
from pgslo.database import planning

Connection = psycopg.Connection[Any]
Connect = Callable[..., Connection]
Role = Callable[[str], str]

DENIED = psycopg.errors.InsufficientPrivilege

PAYMENTS = """
CREATE SCHEMA app;
CREATE TABLE app.payment (id int PRIMARY KEY, tenant text NOT NULL, amount int, secret text);
INSERT INTO app.payment SELECT n, CASE n % 2 WHEN 0 THEN 'a' ELSE 'b' END, n, 'secret ' || n FROM generate_series(1, 6) n;
CREATE TABLE app.member (name name, tenant text);
ALTER TABLE app.payment ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON app.payment USING (tenant = (SELECT m.tenant FROM app.member m WHERE m.name = current_user));
GRANT SELECT ON app.member TO PUBLIC;
GRANT USAGE ON SCHEMA app TO PUBLIC;
"""
OF_PAYMENTS = """
table: app.payment
owner: sam
writes: bulk
batch: statement
columns:
  amount: [range: {{min: 0, on_breach: warn, name: r_amount}}]
readers: [{readers}]
"""


@pytest.fixture
def tenants(connection: Connection, role: Role) -> dict[str, str]:
    """A reader for each tenant of ``app.payment``."""
    if connection.info.server_version < 150000:
        pytest.skip("row security needs PostgreSQL 15 or newer")
    connection.execute(PAYMENTS)
    made = {tenant: role(f"tenant_{tenant}") for tenant in "ab"}
    for tenant, name in made.items():
        connection.execute("INSERT INTO app.member VALUES (%s, %s)", (name, tenant))
        grant(connection, "GRANT SELECT, INSERT ON app.payment TO {}", name)
    return made


def test_a_guarded_view_shows_each_reader_the_rows_that_the_policies_give_him(
    connection: Connection, tenants: dict[str, str], role: Role, connect: Connect
) -> None:
    outsider = role("outsider")
    apply(connection, OF_PAYMENTS.format(readers=", ".join([*tenants.values(), outsider])))
    connection.execute("INSERT INTO app.payment VALUES (8, 'a', -1, 'secret 8')")
    for view in ("guarded.payment", "guarded.payment_status"):
        for tenant, ids in {"a": [2, 4, 6, 8], "b": [1, 3, 5]}.items():
            session = connect(tenants[tenant])
            assert values(session, f"SELECT id FROM {view} ORDER BY id") == ids
    session = connect(tenants["b"])
    notices = said(session)
    session.execute("SELECT amount FROM guarded.payment")
    assert notices == [("01SL1", "r_amount")]
    with pytest.raises(DENIED):
        connect(outsider).execute("SELECT id FROM guarded.payment")


def test_a_leaky_function_sees_no_row_more(
    connection: Connection, tenants: dict[str, str], connect: Connect
) -> None:
    apply(connection, OF_PAYMENTS.format(readers=", ".join(tenants.values())))
    session = connect(tenants["b"])
    session.execute(
        """CREATE FUNCTION pg_temp.leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001
           AS $$BEGIN RAISE NOTICE '%', $1; RETURN true; END$$"""
    )
    leaked: list[str | None] = []
    session.add_notice_handler(lambda notice: leaked.append(notice.message_primary))
    session.execute("SELECT count(*) FROM guarded.payment WHERE pg_temp.leak(secret)")
    assert sorted(text or "" for text in leaked) == ["secret 1", "secret 3", "secret 5"]


def test_writes_under_row_security_are_judged_and_policies_hold(
    connection: Connection, tenants: dict[str, str], connect: Connect
) -> None:
    apply(connection, OF_PAYMENTS.format(readers=", ".join(tenants.values())))
    session = connect(tenants["a"])
    notices = said(session)
    session.execute("INSERT INTO app.payment VALUES (10, 'a', -1, 's')")
    assert notices == [("01SL1", "r_amount")]
    with pytest.raises(DENIED, match="row-level security"):
        session.execute("INSERT INTO app.payment VALUES (11, 'b', 1, 's')")


def test_row_security_that_came_later_is_part_of_the_plan(
    connection: Connection, tenants: dict[str, str], connect: Connect
) -> None:
    connection.execute("ALTER TABLE app.payment DISABLE ROW LEVEL SECURITY")
    text = OF_PAYMENTS.format(readers=", ".join(tenants.values()))
    apply(connection, text)
    assert len(values(connect(tenants["b"]), "SELECT id FROM guarded.payment")) == 6
    connection.execute("ALTER TABLE app.payment ENABLE ROW LEVEL SECURITY")
    loaded = [definition.load(text, path="slos/example.yml", kinds=definition.load_kinds({}))]
    assert not planning.plan_definitions(connection, loaded).empty
    apply(connection, text)
    assert values(connect(tenants["b"]), "SELECT id FROM guarded.payment ORDER BY id") == [1, 3, 5]


def test_what_policies_hide_from_the_owner_is_not_counted_as_missing(
    empty_connection: Connection, empty_dsn: str, role: Role
) -> None:
    """Under FORCE ROW LEVEL SECURITY: an error, and the records stay, rather than a count of the visible rows."""
    owner, writer = role("owner"), role("writer")
    grant(empty_connection, f'GRANT CREATE ON DATABASE "{empty_connection.info.dbname}" TO {{}}', owner)
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        grant(conn, "SET SESSION AUTHORIZATION {}", owner)
        conn.execute(
            """CREATE SCHEMA app;
               CREATE TABLE app.payment (id integer PRIMARY KEY, day date, tenant text DEFAULT current_user);
               INSERT INTO app.payment SELECT n, '2026-02-01' FROM generate_series(1, 3) n"""
        )
        apply(conn, "{table: app.payment, writes: bulk, batch: {by: day}}")
        grant(conn, "GRANT USAGE ON SCHEMA app TO {}", writer)
        grant(conn, "GRANT ALL ON app.payment TO {}", writer)
        conn.execute(
            """ALTER TABLE app.payment ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
               CREATE POLICY own ON app.payment USING (tenant = current_user)"""
        )
        # More rows go than are known, so the batch would be counted from the table, where he sees two.
        conn.execute("DELETE FROM app.payment WHERE id = 1")
        with psycopg.connect(empty_dsn, autocommit=True) as session:
            grant(session, "SET SESSION AUTHORIZATION {}", writer)
            session.execute("INSERT INTO app.payment SELECT n, '2026-02-01' FROM generate_series(11, 50) n")
        conn.execute("SELECT pgslo.tick()")
        assert values(conn, "SELECT rows FROM pgslo.batch") == [39]
        with pytest.raises(DENIED, match="row-level security"):
            conn.execute("SELECT pgslo.learn('app.payment')")
        assert values(conn, "SELECT rows FROM pgslo.batch") == [39]
