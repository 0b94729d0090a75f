"""What a session makes the server print of its work: nothing of what pgslo's functions see with their owner's rights."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import psycopg
import pytest

SECRET = "078-05-1120"
DEFINITION = """
table: features.ex
owner: sam
key: [id]
writes: {writes}
batch: {{by: day}}
watch: false
readers: [$reader]
columns:
  s:
    - pattern: {{matches: '^x', where: 'kind = 1', on_breach: {action}, name: r}}
assertions:
  - one: {{count: {{max: 100}}, where: "kind = 1 AND s LIKE 'ssn%'", group_by: s, on_breach: reject}}
"""
TABLE = """
    CREATE TABLE features.ex (id integer PRIMARY KEY, day date, kind integer, s text);
    CREATE INDEX ON features.ex (s);
    GRANT UPDATE (kind) ON features.ex TO $writer
"""
#: Every role may set these.
TALKATIVE = (
    "debug_print_parse",
    "debug_print_rewritten",
    "debug_print_plan",
    "debug_print_raw_parse",
    "trace_sort",
    "trace_notify",
)


def talkative(world: Any, role: str) -> tuple[Any, list[str]]:
    """A session with the most verbose messages of the server, and these messages."""
    got: list[str] = []
    session = world.session(role)
    session.add_notice_handler(
        lambda said: got.append(f"{said.message_primary} {said.message_detail} {said.context}")
    )
    for setting in TALKATIVE:
        if session.execute("SELECT FROM pg_settings WHERE name = %s", (setting,)).fetchone() is not None:
            session.execute(f"SET {setting} = on")
    session.execute("SET client_min_messages = debug5")
    return session, got


def holds(got: list[str], secret: str) -> bool:
    """Whether a text is in the messages, as it is or as the bytes of a constant in a plan."""
    text = " ".join(got)
    constants = b" ".join(
        bytes(int(byte) & 255 for byte in found[1].split())
        for found in re.finditer(r"\[\s*((?:-?\d+\s+)+)\]", text)
    )
    return secret in text or secret.encode() in constants


@pytest.mark.parametrize("writes", ["bulk", "stream"])
@pytest.mark.parametrize("action", ["warn", "flag", "quarantine", "reject"])
def test_a_writer_without_select_is_sent_no_value(world: Any, action: str, writes: str) -> None:
    world.run("installer", TABLE)
    world.apply(DEFINITION.format(writes=writes, action=action))
    world.run(
        "installer",
        f"INSERT INTO features.ex VALUES (1, '2026-01-01', 0, 'ssn {SECRET}'), (2, '2026-01-01', 0, 'x')",
    )
    writer, got = talkative(world, "writer")
    # The server does send plans of the session's own statements.
    writer.execute("SELECT 'mine 4711'")
    assert holds(got, "mine 4711")
    try:
        writer.execute("UPDATE features.ex SET kind = 1")
    except psycopg.errors.CheckViolation:
        assert action == "reject"
    assert not holds(got, SECRET)


def test_a_stranger_is_sent_no_batch_and_no_secret(world: Any) -> None:
    world.run("installer", TABLE)
    world.apply(DEFINITION.format(writes="bulk", action="flag"))
    world.run("installer", "INSERT INTO features.ex VALUES (1, '2026-01-07', 1, 'a')")
    world.run("operator", "SELECT pgslo.tick()")
    ((secret,),) = world.run("superuser", "SELECT value FROM pgslo_catalog.secret")
    ((salt,),) = world.run("superuser", "SELECT salt FROM pgslo_catalog.own_salt")
    session, got = talkative(world, "mallory")
    for question in (
        "planned('features.ex')",
        "told_by_rows('features.ex', '{s}', NULL, 'date')",
        "guard('features.ex', '{s}', 'warn', NULL)",
        "announce('features.ex', '{s}', 'warn')",
        "status_of('features.ex')",
        "is_current('features.ex', '{}')",
    ):
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedFunction):
            session.execute(f"SELECT pgslo.{question}")
    for hidden in ("2026-01-07", str(secret), salt):
        assert not holds(got, hidden), hidden


def test_each_function_with_its_owner_s_rights_keeps_the_server_quiet(world: Any) -> None:
    world.run("installer", TABLE)
    world.apply(DEFINITION.format(writes="stream", action="quarantine"))
    loud = world.run(
        "superuser",
        """
        SELECT p.oid::regprocedure::text FROM pg_proc p
        WHERE p.pronamespace::regnamespace::text IN ('pgslo', 'pgslo_catalog', 'pgslo_gen', 'pgslo_snapshot')
          AND (p.prosecdef OR p.prorettype = 'trigger'::regtype AND p.pronamespace = 'pgslo_gen'::regnamespace)
          AND NOT coalesce(p.proconfig && ARRAY['client_min_messages=warning', 'client_min_messages=notice'], false)
        ORDER BY 1
        """,
    )
    assert loud == []
