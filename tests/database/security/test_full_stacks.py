"""A writer whose session has nearly no stack left stores no bad row of which nothing is recorded."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

pytestmark = pytest.mark.slow

#: Levels of calls before the stack is full, and blocks in the last one: from where the row is stored and recorded to where
#: it is not even judged.
LEVELS = range(5, 13)
BLOCKS = range(0, 26, 3)
#: A small stack is filled sooner.
STACK = "600kB"
RULE = """
    table: features.t
    key: [id]
    writes: {writes}
    batch: {{by: d}}
    readers: [$reader]
    rules:
      - small:
          expression: "a < 100 AND (CASE WHEN a > 5 THEN length(replace(upper(v), 'A', 'b')) ELSE abs(a) END) < 1000"
          {action}
"""
INSERT = "INSERT INTO features.t VALUES (1, ''2026-01-01'', 999, ''x'')"


def deep(blocks: int) -> str:
    """A function that runs a statement in nested blocks, below as many calls of itself."""
    return f"""
        CREATE FUNCTION evil.deep{blocks}(levels int, statement text) RETURNS void LANGUAGE plpgsql AS $$BEGIN
            IF levels > 0 THEN PERFORM evil.deep{blocks}(levels - 1, statement); RETURN; END IF;
            {"BEGIN " * blocks} EXECUTE statement; {"END; " * blocks}
        END$$;
    """


@pytest.fixture
def full(world):
    """The world with functions that fill the stack, and a table."""
    world.run("mallory", "GRANT USAGE ON SCHEMA evil TO PUBLIC;" + "".join(deep(blocks) for blocks in BLOCKS))
    world.run(
        "installer",
        "CREATE TABLE features.t (id int PRIMARY KEY, d date, a int, v text); GRANT INSERT, SELECT, DELETE ON features.t TO $writer",
    )
    return world


def deepest(world) -> int:
    """How often the function can call itself in a new session."""
    session = world.session("writer", max_stack_depth=STACK)
    low, high = 1, 5000
    while high - low > 1:
        levels = (low + high) // 2
        try:
            session.execute(f"SELECT evil.deep0({levels}, 'SELECT 1')".encode())
            low = levels
        except psycopg.errors.StatementTooComplex:
            high = levels
    session.close()
    return low


def attempts(world, insert: str = INSERT, *, warm: bool = False) -> Iterator[tuple[Any, str]]:
    """Write at every depth, each in a session of its own with an open transaction; yield it, as the superuser, and the SQLSTATE."""
    top = deepest(world)
    for back in LEVELS:
        for blocks in BLOCKS:
            session = world.session("writer", max_stack_depth=STACK)
            session.execute("BEGIN")
            if warm:
                # Plans of this session take no stack any more.
                with contextlib.suppress(psycopg.Error), session.transaction():
                    session.execute(insert.replace("''", "'").encode())
                    raise psycopg.Rollback
            try:
                with session.transaction():
                    session.execute(f"SELECT evil.deep{blocks}({top - back}, '{insert}')".encode())
                state = "stored"
            except psycopg.Error as error:
                state = error.sqlstate
            session.execute("RESET SESSION AUTHORIZATION")
            yield session, state
            session.close()


def recorded(session) -> dict[str, Any]:
    """The records of the rows that this transaction stored."""
    names = ("rows", "failures", "breaks", "lasting", "incidents")
    row = session.execute(
        """SELECT (SELECT count(*) FROM features.t),
                  (SELECT coalesce(sum((f.failures ->> 'small')::int), 0) FROM pgslo_catalog.fragment f),
                  (SELECT count(*) FROM pgslo_catalog.rule_break b WHERE b.batch = '2026-01-01'),
                  (SELECT count(*) FROM pgslo_catalog.rule_break b WHERE b.batch IS DISTINCT FROM '2026-01-01'),
                  (SELECT count(*) FROM pgslo_catalog.incident)"""
    ).fetchone()
    return dict(zip(names, row, strict=True))


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_a_row_that_is_stored_is_recorded(full, writes, warm):
    full.apply(RULE.format(writes=writes, action="on_breach: warn"))
    seen: Counter[str] = Counter()
    for session, state in attempts(full, warm=warm):
        known = recorded(session)
        if state == "stored":
            assert known["rows"] == 1
            assert known["lasting"] == 0
            assert known["failures"] == 1 or known["breaks"] == 1
            seen["recorded" if known["failures"] else "to be judged"] += 1
        else:
            assert (state, known["rows"]) == ("54001", 0)
            seen["refused"] += 1
    # The whole way from a stack that suffices to one that does not.
    assert {"recorded", "refused"} <= set(seen)


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_a_row_that_was_not_recorded_is_judged_by_the_next_tick(full, writes):
    full.apply(RULE.format(writes=writes, action="on_breach: warn"))
    for session, state in attempts(full):
        if state == "stored" and recorded(session)["breaks"]:
            session.execute("COMMIT")
            break
    else:
        pytest.fail("the stack never sufficed for the note alone")
    # Readers are told of that batch, and not that rows have no batch.
    assert messages(full) == ['rule "small" of features.t has not been evaluated for batch 2026-01-01']
    full.run("installer", "SELECT pgslo.tick()")
    assert full.run("superuser", "SELECT rule, opened_batch FROM pgslo.incident") == [("small", "2026-01-01")]
    assert full.run("superuser", "SELECT count(*) FROM pgslo_catalog.rule_break") == [(0,)]
    full.run("writer", "DELETE FROM features.t")
    full.run("installer", "SELECT pgslo.tick()")
    assert messages(full) == []


def messages(world) -> list[str]:
    """The warnings of a reader."""
    session = world.session("reader")
    said: list[str] = []
    session.add_notice_handler(lambda one: said.append(one.message_primary))
    session.execute("SELECT * FROM guarded.t")
    return said


@pytest.mark.parametrize("action", ["on_breach: reject", "on_breach: quarantine"])
@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_no_row_passes_a_rule_that_refuses_it(full, writes, action):
    full.apply(RULE.format(writes=writes, action=action))
    states = Counter()
    for session, state in attempts(full):
        assert recorded(session)["rows"] == 0, state
        assert recorded(session)["lasting"] == 0, state
        if state == "stored":
            held = session.execute("SELECT image ->> 'a' FROM pgslo_catalog.quarantine").fetchall()
            assert held == [("999",)]
        states[state] += 1
    assert set(states) == {"54001", "23514" if "reject" in action else "stored"}


@pytest.mark.parametrize("action", ["reject_below: 0.9", "reject_below: 0.9, on_breach: warn"])
def test_no_batch_passes_a_rule_that_refuses_it(full, action):
    full.apply(RULE.format(writes="bulk", action=action.replace(", ", "\n          ")))
    rows = "INSERT INTO features.t SELECT n, ''2026-01-01'', 999, ''x'' FROM generate_series(1, 100) n"
    states = Counter()
    for session, state in attempts(full, rows):
        assert recorded(session)["rows"] == 0, state
        states[state] += 1
    # PostgreSQL 14 says 2201B of a pattern that has no stack left.
    assert set(states) in ({"54001", "23514"}, {"54001", "2201B"}, {"54001", "23514", "2201B"})


def test_a_value_is_repaired_or_not_stored(full):
    full.apply(
        "{table: features.t, key: [id], batch: {by: d}, columns: {a: [range: {max: 100, on_breach: repair, name: small}]}}"
    )
    states = Counter()
    for session, state in attempts(full):
        if state == "stored":
            assert session.execute("SELECT a FROM features.t").fetchall() == [(100,)]
            assert session.execute("SELECT old_value, new_value FROM pgslo.repair").fetchall() == [
                ("999", "100")
            ]
        assert recorded(session)["lasting"] == 0
        states[state] += 1
    assert set(states) == {"54001", "stored"}


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_the_error_says_that_rows_cannot_be_recorded(world, writes):
    """Whatever keeps pgslo from recording rows and from noting that it could not, here a lock on both tables."""
    world.run(
        "installer",
        "CREATE TABLE features.t (id int PRIMARY KEY, d date, a int, v text); GRANT INSERT ON features.t TO $writer",
    )
    world.apply(RULE.format(writes=writes, action="on_breach: warn"))
    with world.admin.transaction():
        world.admin.execute(
            "LOCK TABLE pgslo_catalog.fragment, pgslo_catalog.rule_break IN ACCESS EXCLUSIVE MODE"
        )
        with pytest.raises(psycopg.errors.LockNotAvailable) as failed:
            world.run("writer", f"SET lock_timeout = '20ms'; {INSERT}".replace("''", "'"))
    assert failed.value.diag.message_primary == "rows written to features.t cannot be recorded"
    assert failed.value.diag.message_hint == "The statement was undone. Try again."
    assert world.run("superuser", "SELECT count(*) FROM features.t") == [(0,)]
