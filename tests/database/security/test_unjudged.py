"""A rule that could not be judged is not a rule that was met: it fails the write, or its rows are judged later."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

COUNTRY = """
CREATE TABLE features.country (code text PRIMARY KEY);
INSERT INTO features.country VALUES ('de');
CREATE TABLE features.w (id int PRIMARY KEY, d date, country text, n int, grp text);
GRANT SELECT, INSERT, UPDATE, DELETE ON features.w TO $writer;
"""
W = "{{table: features.w, writes: {writes}, batch: {{by: d}}, readers: [$reader], columns: {{country: [references: {{table: features.country, column: code, on_breach: {on_breach}, name: c_ref}}]}}}}"
BAD = "INSERT INTO features.w (id, d, country) VALUES (300, '2026-01-02', 'xx')"
DEEP = "repeat('[', 100000)"


@contextlib.contextmanager
def locked(world, table: str = "features.country") -> Iterator[None]:
    """Another session holds a lock on a table that the rule looks rows up in."""
    other = world.session("installer")
    other.execute("BEGIN")
    other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
    yield
    other.execute("ROLLBACK")


def write(world, statement: str, *settings: str, part: str = "writer") -> set[str]:
    """Run a statement; return the SQLSTATEs of its warnings."""
    session = world.session(part)
    found: set[str] = set()
    session.add_notice_handler(lambda said: found.add(said.sqlstate))
    for setting in settings:
        session.execute(f"SET {setting}".encode())
    session.execute(statement.encode(), prepare=False)
    return found


def warnings(world, statement: str) -> list[tuple[str, str]]:
    session = world.session("reader")
    found: list[tuple[str, str]] = []
    session.add_notice_handler(lambda said: found.append((said.sqlstate, said.message_primary)))
    session.execute(statement.encode())
    return found


def incidents(world) -> list[tuple[str, str]]:
    return world.run("superuser", "SELECT rule, opened_batch FROM pgslo.incident WHERE over_at IS NULL")


def setup(world, on_breach: str, writes: str = "bulk") -> None:
    world.run("installer", COUNTRY)
    world.apply(W.format(on_breach=on_breach, writes=writes))


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_rows_that_could_not_be_judged_are_judged_by_the_next_tick(world, writes):
    setup(world, "flag", writes)
    with locked(world):
        assert write(world, BAD, "lock_timeout = '20ms'") == {"01SL2"}
        assert incidents(world) == []
        said = warnings(world, "SELECT country FROM guarded.w")
        assert ("01SL2", 'rule "c_ref" of features.w has not been evaluated for batch 2026-01-02') in said
        assert world.run("superuser", "SELECT broken_rules FROM pgslo.status") == [(1,)]
        # While the lock is held tick() cannot judge them either, does not wait long, and says so.
        assert "01SL2" in write(world, "SELECT pgslo.tick()", part="installer")
        assert incidents(world) == []
        assert [code for code, _ in warnings(world, "SELECT country FROM guarded.w")] == ["01SL2"]
    world.run("installer", "SELECT pgslo.tick()")
    assert incidents(world) == [("c_ref", "2026-01-02")]
    assert [code for code, _ in warnings(world, "SELECT country FROM guarded.w")] == ["01SL1"]
    assert world.run("superuser", "SELECT broken_rules FROM pgslo.status") == [(0,)]


def test_they_are_counted_once_with_the_rows_that_were_judged(world):
    setup(world, "flag")
    write(world, BAD)
    with locked(world):
        write(
            world,
            "INSERT INTO features.w (id, d, country) VALUES (301, '2026-01-02', 'yy'), (302, '2026-01-02', 'de')",
            "lock_timeout = '20ms'",
        )
    world.run("installer", "SELECT pgslo.tick()")
    world.run("installer", "SELECT pgslo.tick()")
    counted = "SELECT sum(rows), sum((failures ->> 'c_ref')::int) FROM pgslo_catalog.fragment WHERE batch = '2026-01-02'"
    assert world.run("superuser", counted) == [(3, 2)]
    write(world, "UPDATE features.w SET country = 'de'")
    assert world.run("superuser", counted) == [(3, 0)]


def test_rows_that_another_session_writes_meanwhile_stay_to_be_judged(world):
    setup(world, "flag")
    with locked(world):
        write(world, BAD, "lock_timeout = '20ms'")
        late = world.session("writer")
        late.execute("SET lock_timeout = '20ms'")
        late.execute("BEGIN")
        late.execute("INSERT INTO features.w (id, d, country) VALUES (301, '2026-01-02', 'yy')")
    world.run("installer", "SELECT pgslo.tick()")
    late.execute("COMMIT")
    assert world.run("superuser", "SELECT broken_rules FROM pgslo.status") == [(1,)]
    world.run("installer", "SELECT pgslo.tick()")
    counted = "SELECT sum((failures ->> 'c_ref')::int) FROM pgslo_catalog.fragment WHERE batch = '2026-01-02'"
    assert world.run("superuser", counted) == [(2,)]


def test_closing_the_batch_judges_them_as_well(world):
    setup(world, "flag")
    with locked(world):
        write(world, BAD, "lock_timeout = '20ms'")
    world.run("installer", "SELECT pgslo.close_batch('features.w')")
    assert incidents(world) == [("c_ref", "2026-01-02")]


def test_a_row_that_passes_leaves_no_note_once_it_is_judged(world):
    setup(world, "flag")
    with locked(world):
        write(world, BAD.replace("xx", "de"), "lock_timeout = '20ms'")
    world.run("installer", "SELECT pgslo.tick()")
    assert incidents(world) == []
    assert warnings(world, "SELECT country FROM guarded.w") == []


def test_rows_of_a_table_without_batches_by_row_are_reported_until_the_next_apply(world):
    world.run("installer", COUNTRY)
    text = W.format(on_breach="flag", writes="bulk").replace(" batch: {by: d},", " key: [id],")
    world.apply(text)
    with locked(world):
        assert write(world, BAD, "lock_timeout = '20ms'") == {"01SL2"}
    world.run("installer", "SELECT pgslo.tick()")
    assert [code for code, _ in warnings(world, "SELECT country FROM guarded.w")] == ["01SL2"]
    world.apply(text)
    assert warnings(world, "SELECT country FROM guarded.w") == []


@pytest.mark.parametrize("on_breach", ["quarantine", "reject"])
@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_a_rule_that_refuses_rows_fails_the_write_that_it_cannot_judge(world, on_breach, writes):
    world.run("installer", COUNTRY)
    where = ", where: n IS NULL" if on_breach == "reject" else ""
    world.apply(W.format(on_breach=on_breach + where, writes=writes))
    with locked(world), pytest.raises(psycopg.errors.LockNotAvailable):
        write(world, BAD, "lock_timeout = '20ms'")
    assert world.run("superuser", "SELECT count(*) FROM features.w") == [(0,)]


def test_a_deadlock_while_judging_leaves_rows_to_be_judged(world):
    setup(world, "flag")
    world.run("installer", "CREATE TABLE features.held (x int); GRANT ALL ON features.held TO $writer")
    # The writer alone looks for deadlocks in time, and so is the one that is undone.
    other, writer = world.session("installer"), world.session("writer", deadlock_timeout="100ms")
    other.execute("SET lock_timeout = 0")
    other.execute("BEGIN")
    other.execute("LOCK TABLE features.country IN ACCESS EXCLUSIVE MODE")
    writer.execute("BEGIN")
    writer.execute("LOCK TABLE features.held IN ACCESS EXCLUSIVE MODE")
    waits = threading.Thread(
        target=lambda: other.execute("LOCK TABLE features.held IN ACCESS EXCLUSIVE MODE")
    )
    waits.start()
    wait_for_lock(world)
    found: set[str] = set()
    writer.add_notice_handler(lambda said: found.add(said.sqlstate))
    writer.execute(BAD)
    writer.execute("COMMIT")
    waits.join()
    other.execute("ROLLBACK")
    assert found == {"01SL2"}
    world.run("installer", "SELECT pgslo.tick()")
    assert incidents(world) == [("c_ref", "2026-01-02")]


def wait_for_lock(world) -> None:
    for _ in range(100):
        if world.run("superuser", "SELECT count(*) FROM pg_locks WHERE NOT granted") != [(0,)]:
            return
        time.sleep(0.02)


PAYLOAD = """
CREATE TABLE features.p (id int PRIMARY KEY, d date, payload text, q text, x text);
GRANT SELECT, INSERT, UPDATE, DELETE ON features.p TO $writer;
"""
P = """
table: features.p
writes: {writes}
batch: {{by: d}}
columns:
  payload: [expression: {{expression: "payload::jsonb ->> 'ok' = 'yes'", on_breach: flag, name: p_ok}}]
  q: [expression: {{expression: "q::jsonb ->> 'ok' = 'yes'", on_breach: quarantine, name: q_ok}}]
  x: [expression: {{expression: "x::jsonb ->> 'ok' = 'yes'", on_breach: reject, name: x_ok}}]
"""


def test_a_value_that_raises_an_error_of_any_class_fails_its_row_alone(world):
    world.run("installer", PAYLOAD)
    world.apply(P.format(writes="bulk"))
    write(
        world,
        f"""INSERT INTO features.p (id, d, payload)
        SELECT n, '2026-01-01', CASE n WHEN 1 THEN {DEEP} WHEN 2 THEN '{{"ok":"no"}}' ELSE '{{"ok":"yes"}}' END
        FROM generate_series(1, 100) n""",
    )
    assert incidents(world) == [("p_ok", "2026-01-01")]
    counted = "SELECT sum(rows), coalesce(sum((failures ->> 'p_ok')::int), 0) FROM pgslo_catalog.fragment"
    assert world.run("superuser", counted) == [(100, 2)]
    assert world.run("superuser", "SELECT count(*) FROM pgslo_catalog.rule_break") == [(0,)]
    # Taken away again, it is not counted any more, though its condition still raises.
    write(world, "DELETE FROM features.p WHERE id <= 2")
    world.run("installer", "SELECT pgslo.tick()")
    world.run("installer", "SELECT pgslo.tick()")
    assert world.run("superuser", counted) == [(98, 0)]


def test_a_streamed_row_that_raises_an_error_of_any_class_fails(world):
    world.run("installer", PAYLOAD)
    world.apply(P.format(writes="stream"))
    write(world, f"INSERT INTO features.p (id, d, payload) VALUES (1, '2026-01-01', {DEEP})")
    assert incidents(world) == [("p_ok", "2026-01-01")]
    assert world.run("superuser", "SELECT count(*) FROM pgslo_catalog.rule_break") == [(0,)]


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_such_a_row_is_kept_out_by_a_rule_that_quarantines_or_rejects(world, writes):
    world.run("installer", PAYLOAD)
    world.apply(P.format(writes=writes))
    write(world, f"INSERT INTO features.p (id, d, q) VALUES (101, '2026-01-01', {DEEP})")
    assert world.run("superuser", "SELECT count(*) FROM features.p") == [(0,)]
    assert world.run("superuser", "SELECT count(*) FROM pgslo.quarantine") == [(1,)]
    with pytest.raises(psycopg.errors.CheckViolation):
        write(world, f"INSERT INTO features.p (id, d, x) VALUES (101, '2026-01-01', {DEEP})")


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_a_table_that_is_not_what_the_rule_was_written_for_leaves_the_write_alone(world, writes):
    world.run("installer", PAYLOAD)
    world.apply(P.format(writes=writes))
    world.run(
        "installer",
        "ALTER TABLE features.p RENAME q TO q2; ALTER TABLE features.p RENAME x TO x2; ALTER TABLE features.p RENAME payload TO payload2",
    )
    write(world, "INSERT INTO features.p (id, d) VALUES (1, '2026-01-01')")
    assert world.run("superuser", "SELECT count(*) FROM features.p") == [(1,)]
    broken = "SELECT DISTINCT r.name FROM pgslo_catalog.rule_break b JOIN pgslo_catalog.rule r USING (rule_id) WHERE b.batch IS NULL AND r.kind <> 'learned'"
    assert sorted(world.run("superuser", broken)) == [("p_ok",), ("q_ok",), ("x_ok",)]


def test_what_could_not_be_recorded_is_told_to_the_writer_and_counted_by_tick(world):
    setup(world, "flag")
    with locked(world, "pgslo_catalog.sample"):
        # Only the sample is lost: that rows failed is recorded.
        assert write(world, BAD, "lock_timeout = '20ms'") == {"01SL2"}
    assert incidents(world) == [("c_ref", "2026-01-02")]
    with locked(world, "pgslo_catalog.incident"):
        assert write(
            world,
            "INSERT INTO features.w (id, d, country) VALUES (301, '2026-01-03', 'yy')",
            "lock_timeout = '20ms'",
        ) == {"01SL2"}
    assert world.run(
        "superuser", "SELECT count(*) FROM pgslo_catalog.fragment WHERE batch = '2026-01-03' AND rows > 0"
    ) == [(0,)]
    world.run("installer", "SELECT pgslo.tick()")
    counted = "SELECT batch, sum(rows), sum((failures ->> 'c_ref')::int) FROM pgslo_catalog.fragment GROUP BY 1 ORDER BY 1"
    assert world.run("superuser", counted) == [("2026-01-02", 1, 1), ("2026-01-03", 1, 1)]


def test_a_note_that_cannot_be_written_is_a_warning_at_least(world):
    setup(world, "flag", "stream")
    with locked(world, "pgslo_catalog.fragment"):
        assert write(world, BAD, "lock_timeout = '20ms'") == {"01SL2"}
    assert world.run("superuser", "SELECT count(*) FROM features.w") == [(1,)]


def test_a_share_that_refuses_fails_the_write_that_it_cannot_judge(world):
    world.run("installer", COUNTRY)
    world.apply(W.format(on_breach="warn, at_least: 0.9, reject_below: 0.5", writes="bulk"))
    with locked(world), pytest.raises(psycopg.errors.LockNotAvailable):
        write(world, BAD, "lock_timeout = '20ms'")


def test_a_batch_rule_that_could_not_be_judged_at_close_is_judged_later(world):
    world.run("installer", COUNTRY)
    world.apply(
        """
        table: features.w
        writes: bulk
        batch: {by: d}
        rules: [unknown: {query: "SELECT 1 FROM features.country AS c WHERE length(c.code) = 2"}]
        """
    )
    write(world, "INSERT INTO features.w (id, d) VALUES (1, '2026-01-01')")
    with locked(world):
        said = write(
            world, "SELECT pgslo.close_batch('features.w')", "lock_timeout = '20ms'", part="installer"
        )
    assert said == {"01SL2"}
    assert incidents(world) == []
    world.run("installer", "SELECT pgslo.tick()")
    assert incidents(world) == [("unknown", "2026-01-01")]


def test_an_assertion_that_tick_could_not_judge_is_judged_by_the_next(world):
    world.run("installer", COUNTRY + "CREATE INDEX ON features.w (grp)")
    world.apply(
        "{table: features.w, batch: statement, assertions: [same: {all_equal: n, group_by: grp, on_breach: warn}]}"
    )
    write(world, "INSERT INTO features.w (id, n, grp) VALUES (1, 1, 'a')")
    world.run("installer", "SELECT pgslo.tick()")
    write(world, "INSERT INTO features.w (id, n, grp) VALUES (2, 2, 'a')")
    world.run("superuser", "DELETE FROM pgslo_catalog.incident; DELETE FROM pgslo_catalog.broken_group")
    with locked(world, "features.w"):
        assert "01SL2" in write(world, "SELECT pgslo.tick()", "lock_timeout = '20ms'", part="installer")
    assert incidents(world) == []
    world.run("installer", "SELECT pgslo.tick()")
    assert [rule for rule, _ in incidents(world)] == ["same"]


def test_more_batches_than_one_statement_may_write_are_recorded_as_one(world):
    world.run(
        "installer",
        "CREATE TABLE features.many (id int PRIMARY KEY, b text, a int); GRANT INSERT ON features.many TO $writer",
    )
    world.apply(
        "{table: features.many, writes: bulk, batch: {by: b}, columns: {a: [range: {min: 0, max: 10, on_breach: flag, name: a_range}]}}"
    )
    said = write(
        world,
        "INSERT INTO features.many SELECT n, 'b' || n, CASE WHEN n = 10010 THEN 99 END FROM generate_series(1, 10010) n",
    )
    assert "01SL2" in said
    counted = "SELECT count(*), sum(rows), sum((failures ->> 'a_range')::int), count(*) FILTER (WHERE batch = 'unknown') FROM pgslo_catalog.fragment"
    assert world.run("superuser", counted) == [(10001, 10010, 1, 1)]
    assert world.run("superuser", "SELECT error_code FROM pgslo_catalog.rule_break") == [("54000",)]
    said = write(
        world, "INSERT INTO features.many SELECT 20000 + n, 'c' || n, 1 FROM generate_series(1, 10000) n"
    )
    assert "01SL2" not in said


def test_a_batch_rule_that_refuses_does_not_let_so_many_batches_through(world):
    world.run(
        "installer",
        "CREATE TABLE features.many (id int PRIMARY KEY, b text, a int); GRANT INSERT ON features.many TO $writer",
    )
    world.apply(
        "{table: features.many, writes: bulk, batch: {by: b}, columns: {a: [completeness: {min: 0.9, reject_below: 0.5}]}}"
    )
    with pytest.raises(psycopg.errors.ProgramLimitExceeded):
        write(world, "INSERT INTO features.many SELECT n, 'b' || n, NULL FROM generate_series(1, 10010) n")


def test_a_statement_timeout_while_judging_cancels_the_statement(world):
    setup(world, "flag")
    with locked(world), pytest.raises(psycopg.errors.QueryCanceled):
        write(world, BAD, "statement_timeout = '100ms'")
    assert world.run("superuser", "SELECT count(*) FROM features.w") == [(0,)]


def test_rows_that_were_deleted_before_they_were_judged_leave_no_note(world):
    setup(world, "flag")
    with locked(world):
        write(world, BAD, "lock_timeout = '20ms'")
        write(world, "DELETE FROM features.w", "lock_timeout = '20ms'")
    world.run("installer", "SELECT pgslo.tick()")
    assert world.run("superuser", "SELECT count(*) FROM pgslo_catalog.rule_break") == [(0,)]
    with locked(world):
        write(world, BAD, "lock_timeout = '20ms'")
    world.run("installer", "TRUNCATE features.w")
    assert world.run("superuser", "SELECT count(*) FROM pgslo_catalog.rule_break") == [(0,)]
    world.run("installer", "SELECT pgslo.tick()")
    assert incidents(world) == []


def test_a_repair_that_cannot_be_recorded_fails_the_write(world):
    world.run("installer", COUNTRY)
    world.apply("{table: features.w, batch: {by: d}, columns: {n: [repair: {clip: [0, 10]}]}}")
    with locked(world, "pgslo_catalog.repair"), pytest.raises(psycopg.errors.LockNotAvailable):
        write(
            world, "INSERT INTO features.w (id, d, n) VALUES (1, '2026-01-01', 99)", "lock_timeout = '20ms'"
        )
    write(world, "INSERT INTO features.w (id, d, n) VALUES (1, '2026-01-01', 99)")
    assert world.run("superuser", "SELECT n FROM features.w") == [(10,)]
