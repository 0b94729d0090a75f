"""Assertions beside everything else: states, actions, readers, odd writes."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from weights import REJECT, WHOLE, choice, errors, plan, refused, text

from pgslo import definition
from pgslo.database import installation, planning
from pgslo.errors import DefinitionErrors
from pgslo.plan import order_statements


def test_what_cannot_be_compared_is_told_where_it_stands(conn):
    conn.execute("CREATE TABLE ml.odd (portfolio int, weight text); CREATE INDEX ON ml.odd (portfolio)")
    said = errors(conn, text("it: {same_as: {table: ml.odd, on: portfolio, columns: weight}}"))
    assert said.splitlines()[0] == "x.yml:5:59: error: operator does not exist: numeric = text"
    assert said.count("error:") == 1
    said = errors(conn, text('it: {sql: "SELECT nope FROM ml.weight"}'))
    assert said.startswith('x.yml:5:15: error: column "nope" does not exist')


# States


def test_rows_that_break_it_are_shown_and_it_is_not_applied(conn):
    conn.execute("INSERT INTO ml.weight VALUES (1, 5, 0.5), (2, 6, 1), (3, 7, 2)")
    said = errors(conn, text())
    assert said.startswith('x.yml:5:5: error: rows of ml.weight break assertion "whole" now')
    assert "(portfolio) = (5): column weight adds up to 0.5 and not to 1, in rows (id) = (1)" in said
    assert "(portfolio) = (7)" in said
    assert "hint: correct them, or write validated: false" in said


def test_not_validated_holds_new_writes_alone(conn, apply):
    conn.execute("INSERT INTO ml.weight VALUES (1, 5, 0.5), (2, 6, 1)")
    assert apply(text(options="on_breach: reject, validated: false")) == ()
    assert refused(conn, "INSERT INTO ml.weight VALUES (3, 6, 1)").sqlstate == "23514"
    refused(conn, "UPDATE ml.weight SET weight = 0.7 WHERE id = 1")
    conn.execute("UPDATE ml.weight SET note = 'old' WHERE id = 1")
    conn.execute("UPDATE ml.weight SET weight = 1 WHERE id = 1")
    assert conn.execute("SELECT validated_at FROM pgslo.assertion").fetchone() == (None,)
    # Wanting it validated is a change, and by now it is true.
    assert apply(text()) == ()
    assert conn.execute("SELECT validated_at IS NOT NULL FROM pgslo.assertion").fetchone() == (True,)


def test_rows_written_between_plan_and_trigger_are_found(conn, connect):
    """The validation runs again once the triggers are there, and its findings leave the rest in force."""
    loaded = [definition.load(text(), path="x.yml")]
    made = planning.plan_definitions(conn, loaded)
    for _, statement in order_statements(made):
        if not statement.later:
            conn.execute(statement.script.encode(), prepare=False)
            if "declare_assertion" in statement.script:
                with connect() as other:
                    other.execute("INSERT INTO ml.weight VALUES (1, 5, 0.5)")
                    other.commit()
    with pytest.raises(DefinitionErrors):
        planning.plan_definitions(conn, loaded)
    conn.execute("UPDATE ml.weight SET weight = 1")
    (step,) = planning.plan_definitions(conn, loaded).steps
    assert (step.action, step.kind) == ("finish", "assertion")


def test_rows_that_wait_to_be_committed_while_it_is_added_are_found(conn, connect, apply):
    """The triggers are there already, so nothing but the validation could wait for writers from before it was known."""
    second = "few: {count: {max: 2}, group_by: portfolio, on_breach: reject}"
    apply(text(WHOLE.format(options=REJECT)))
    with connect() as other, ThreadPoolExecutor(1) as background:
        other.autocommit = False
        other.execute("INSERT INTO ml.weight SELECT n, 5, 0.25 FROM generate_series(1, 4) n")
        loaded = [definition.load(text(WHOLE.format(options=REJECT), second), path="x.yml")]
        made = planning.plan_definitions(conn, loaded)
        applied = background.submit(
            installation.apply, conn, made, lambda: planning.plan_definitions(conn, loaded)
        )
        waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'LOCK TABLE'"
        with connect() as watching:
            watching.autocommit = True
            until = time.monotonic() + 20
            while not watching.execute(waiting).fetchall() and time.monotonic() < until:
                time.sleep(0.02)
        other.commit()
        (unfinished,) = applied.result()
    assert 'violates assertion "few"' in str(unfinished.error)
    assert conn.execute(
        "SELECT assertion, validated_at IS NULL FROM pgslo.assertion ORDER BY 1"
    ).fetchall() == [("few", True), ("whole", False)]


def test_disabled_is_left_out(conn, apply):
    apply(text(options="on_breach: reject, enabled: false"))
    conn.execute("INSERT INTO ml.weight VALUES (1, 5, 0.5)")
    assert conn.execute("SELECT count(*) FROM pgslo.assertion").fetchone() == (0,)


# Actions


@pytest.mark.parametrize("deferred", ["true", "false"])
def test_warn_tells_the_writer_and_readers_and_heals(conn, apply, deferred):
    apply(text(options=f"on_breach: warn, deferred: {deferred}"))
    heard = []
    conn.add_notice_handler(
        lambda notice: heard.append((notice.sqlstate, notice.message_primary, notice.message_detail))
    )
    with conn.transaction():
        conn.execute("INSERT INTO ml.weight VALUES (1, 5, 0.5)")
        before = len(heard)
    assert [one[:2] for one in heard] == [("01SL1", "rows written to ml.weight violate whole")]
    assert before == (deferred == "false")
    heard.clear()
    conn.execute("SELECT weight FROM guarded.weight")
    ((code, message, detail),) = heard
    assert (code, message) == (
        "01SL1",
        'column "portfolio" of ml.weight misses rule "whole"',
    ) or "misses rule" in message
    assert detail.startswith("1 group breaks it; expected: weight adding up to 1")
    conn.execute("SELECT pgslo.tick()")
    assert conn.execute("SELECT verdict, said FROM pgslo.verdict").fetchall() == [
        (
            "missed",
            "1 group breaks it",
        )
    ]
    conn.execute("INSERT INTO ml.weight VALUES (2, 5, 0.5)")
    conn.execute("SELECT pgslo.tick()")
    assert conn.execute("SELECT rule, resolution FROM pgslo.incident").fetchall() == [("whole", "healed")]
    assert conn.execute("SELECT * FROM pgslo.broken_group").fetchall() == []
    heard.clear()
    conn.execute("SELECT weight FROM guarded.weight")
    assert heard == []


def test_flag_is_silent_and_tick_finds_what_no_writer_saw(conn, connect, apply):
    """Two transactions that do not see each other break it together; each alone kept it."""
    apply(text("few: {count: {max: 1}, group_by: portfolio, on_breach: flag}"))
    with connect() as one, connect() as other:
        one.autocommit = other.autocommit = False
        one.execute("INSERT INTO ml.weight VALUES (1, 5, 1)")
        other.execute("INSERT INTO ml.weight VALUES (2, 5, 1)")
        one.commit()
        # Committed first, so not seen by the snapshot of the check of neither: none waits for the other.
        other.commit()
    conn.execute("SELECT pgslo.tick()")
    assert conn.execute("SELECT rule, resolved_at FROM pgslo.incident").fetchall() == [("few", None)]
    assert conn.execute("SELECT count(*) FROM pgslo_catalog.touched").fetchone() == (0,)


def test_shadow_counts_and_refuses_nothing(conn):
    from pgslo.definition.shadow import shadowed

    loaded = [shadowed(definition.load(text(), path="x.yml"))]
    installation.apply(
        conn, planning.plan_definitions(conn, loaded), lambda: planning.plan_definitions(conn, loaded)
    )
    conn.execute("INSERT INTO ml.weight VALUES (1, 5, 0.5)")
    assert conn.execute("SELECT rule FROM pgslo.incident").fetchall() == [("whole",)]


def test_immediate_refuses_the_statement(conn, apply):
    apply(text(options="on_breach: reject, deferred: false"))
    with conn.transaction():
        with pytest.raises(psycopg.errors.CheckViolation), conn.transaction():
            conn.execute("INSERT INTO ml.weight VALUES (1, 5, 0.5)")
        conn.execute("INSERT INTO ml.weight VALUES (1, 5, 0.5), (2, 5, 0.5)")


@pytest.mark.parametrize(
    "said", ["", "(0,1)", "(9,9)x", "(", "{{}}", "{{x}}", "{{ml__weight__settle_all}}", "x", "{first}"]
)
def test_what_a_session_says_it_touched_is_not_trusted(conn, apply, said):
    """The setting that notes where its rows are is anybody's to set."""
    apply(text())
    conn.execute("BEGIN")
    conn.execute("INSERT INTO ml.weight VALUES (1, 6, 1)")
    (noted,) = conn.execute("SELECT current_setting('pgslo.touched')").fetchone()
    conn.execute("INSERT INTO ml.weight VALUES (2, 5, 0.5)")
    conn.execute("INSERT INTO ml.weight VALUES (3, 7, 1)")
    conn.execute("SELECT set_config('pgslo.touched', %s, true)", (said.format(first=noted),))
    with pytest.raises((psycopg.errors.CheckViolation, psycopg.errors.InvalidTextRepresentation)):
        conn.execute("COMMIT")
    assert conn.execute("SELECT count(*) FROM ml.weight").fetchone() == (0,)


def test_a_setting_that_was_emptied_holds_what_follows(conn, apply):
    apply(text())
    with conn.transaction():
        conn.execute("INSERT INTO ml.weight VALUES (1, 5, 0.5)")
        conn.execute("SET pgslo.touched = ''")
        conn.execute("INSERT INTO ml.weight VALUES (2, 5, 0.5)")
    assert conn.execute("SELECT count(*) FROM pgslo_gen.ml__weight__touched").fetchone() == (0,)


def test_two_definitions_are_settled_in_one_order(conn, connect):
    """Writers in opposite order do not deadlock."""
    conn.execute("CREATE TABLE ml.other (id int PRIMARY KEY, g int, v int); CREATE INDEX ON ml.other (g)")
    loaded = [
        definition.load(text(), path="x.yml"),
        definition.load(
            "table: ml.other\nowner: sam\nwatch: false\nassertions:\n  - none: {adds_up_to: {column: v, total: 0}, group_by: g, on_breach: reject}\n",
            path="y.yml",
        ),
    ]
    installation.apply(
        conn, planning.plan_definitions(conn, loaded), lambda: planning.plan_definitions(conn, loaded)
    )
    writes = ("INSERT INTO ml.weight VALUES ({n}, 5, 0)", "INSERT INTO ml.other VALUES ({n}, 5, 0)")
    conn.execute("INSERT INTO ml.weight VALUES (0, 5, 1)")

    def write(me):
        with connect() as session:
            session.autocommit = False
            for n in range(60):
                for one in writes if me % 2 else reversed(writes):
                    session.execute(one.format(n=1 + n * 4 + me))
                session.commit()

    with ThreadPoolExecutor(4) as writers:
        list(writers.map(write, range(4)))
    assert conn.execute("SELECT count(*) FROM ml.other").fetchone() == (240,)
    conn.execute("BEGIN")
    conn.execute("INSERT INTO ml.weight VALUES (999, 8, 1)")
    conn.execute("INSERT INTO ml.other VALUES (999, 5, 1)")
    with pytest.raises(psycopg.errors.CheckViolation, match=r'"none" of ml\.other'):
        conn.execute("COMMIT")


# What it depends on


def test_dependencies_are_listed(conn, apply):
    apply(
        text(
            "known: {none_without: {table: ml.portfolio, on: portfolio, where: \"name <> 'x'\"}, on_breach: reject}"
        )
    )
    assert conn.execute(
        "SELECT relation, events, columns FROM pgslo.assertion_dependency ORDER BY 1"
    ).fetchall() == [
        ("ml.portfolio", ["UPDATE", "DELETE", "TRUNCATE"], ["portfolio", "name"]),
        ("ml.weight", ["INSERT", "UPDATE"], ["portfolio"]),
    ]


def test_a_write_that_cannot_break_it_touches_nothing(conn, apply):
    apply(text())
    conn.execute("INSERT INTO ml.weight VALUES (1, 5, 1)")
    with conn.transaction():
        for statement in (
            "UPDATE ml.weight SET note = 'x'",
            "UPDATE ml.weight SET weight = 1.000",
            "DELETE FROM ml.weight WHERE id = 9",
        ):
            conn.execute(statement)
        assert conn.execute("SELECT count(*) FROM pgslo_catalog.touched").fetchone() == (0,)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT v.id FROM ml.seen v", "ml.seen is not a table, and reads others"),
        (
            "SELECT w.id FROM ml.weight w WHERE w.note::date < current_date",
            '"current_date" changes without any write',
        ),
    ],
)
def test_a_query_that_cannot_be_analysed_is_refused_or_checked_on_every_write(conn, apply, query, reason):
    conn.execute("CREATE VIEW ml.seen AS SELECT id FROM ml.weight WHERE weight > 10")
    said = errors(conn, text(f'q: {{sql: "{query}", on_breach: reject}}'))
    assert f"cannot determine the writes that can violate this assertion: {reason}" in said
    assert "check_on: [schema.table]" in said
    stated = text(f'q: {{sql: "{query}", check_on: [ml.weight], on_breach: reject}}')
    note, *hazards = plan(conn, stated).notes
    assert "every write to ml.weight runs the whole query when it commits" in note
    assert [one for one in hazards if "reads view ml.seen" not in one] == []
    apply(stated)
    conn.execute("INSERT INTO ml.weight VALUES (1, 5, 1, '2999-01-01')")
    refused(conn, "INSERT INTO ml.weight VALUES (2, 5, 11, '2000-01-01')")


def test_what_a_view_hides_cannot_write(conn, apply):
    conn.execute(
        "CREATE FUNCTION ml.sly() RETURNS int LANGUAGE sql VOLATILE AS 'DELETE FROM ml.weight; SELECT 1';"
        "CREATE VIEW ml.seen AS SELECT ml.sly() AS n"
    )
    apply(
        text(
            'q: {sql: "SELECT v.n FROM ml.seen v", check_on: [ml.weight], validated: false, on_breach: reject}'
        )
    )
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        conn.execute("INSERT INTO ml.weight VALUES (1, 5, 1)")


# Mechanisms


@pytest.mark.slow
def test_constraints_are_used_where_they_say_the_same(conn, apply):
    conn.execute("CREATE EXTENSION IF NOT EXISTS btree_gist; CREATE TABLE ml.dim (portfolio int PRIMARY KEY)")
    stated = {
        "a: {at_most_one: row, where: \"note = 'x'\", group_by: portfolio, on_breach: reject}": "a unique index",
        "a: {none_without: {table: ml.dim, on: portfolio}, on_breach: reject}": "a foreign key",
        "a: {all_equal: note, group_by: portfolio, deferred: false, on_breach: reject}": "an exclusion constraint",
        "a: {no_overlap: {from: id, to: portfolio}, on_breach: reject}": "an exclusion constraint",
    }
    for assertion, reason in stated.items():
        assert choice(conn, assertion)[0] == "native"
        assert choice(conn, assertion)[1].startswith(reason)
        assert choice(conn, assertion.replace("reject}", "reject, validated: false}"))[0] == "at commit"
        assert choice(conn, assertion.replace("reject", "warn"))[0] == "at commit"
        deferred = assertion.replace("deferred: false, ", "").replace("reject}", "reject, deferred: true}")
        assert choice(conn, deferred)[0] == "at commit"
        apply(text(assertion))
    conn.execute("INSERT INTO ml.weight VALUES (1, 10), (20, 30)")
    assert refused(conn, "INSERT INTO ml.weight VALUES (5, 8)").sqlstate == "23P01"
    apply("table: ml.weight\nwatch: false\n")
    assert conn.execute("SELECT conname FROM pg_constraint WHERE conname ~ '^pgslo_'").fetchall() == []
    conn.execute("INSERT INTO ml.weight VALUES (5, 8)")


def test_without_the_extension_the_plan_says_what_it_would_need(conn):
    mechanism, reason = choice(
        conn, "a: {all_equal: note, group_by: portfolio, deferred: false, on_breach: reject}"
    )
    assert mechanism == "at commit"
    assert "an exclusion constraint needs the extension btree_gist" in reason


def test_a_group_without_an_index_is_refused(conn):
    said = errors(conn, text("a: {all_equal: weight, group_by: note, on_breach: reject}"))
    assert "ml.weight has no index that finds rows by note" in said
    assert "hint: CREATE INDEX CONCURRENTLY ON ml.weight (note)" in said


# Odd writes


def test_every_way_to_write_is_seen(conn, apply):
    conn.execute("INSERT INTO ml.weight VALUES (1, 5, 1)")
    apply(text())
    major = conn.info.server_version // 10000
    for statement in (
        "INSERT INTO ml.weight VALUES (1, 5, 2) ON CONFLICT (id) DO UPDATE SET weight = excluded.weight",
        "INSERT INTO ml.weight VALUES (2, 5, 2) ON CONFLICT (id) DO UPDATE SET weight = excluded.weight",
        "UPDATE ml.weight SET portfolio = 6, weight = 2",
        "WITH w AS (INSERT INTO ml.weight VALUES (3, 5, 1) RETURNING id) SELECT id FROM w",
        "DO 'BEGIN INSERT INTO ml.weight VALUES (3, 5, 1); END'",
        *(
            [
                "MERGE INTO ml.weight w USING (VALUES (1), (4)) AS s (id) ON w.id = s.id WHEN MATCHED THEN UPDATE SET weight = 3 WHEN NOT MATCHED THEN INSERT VALUES (s.id, 5, 0)"
            ]
            if major >= 15
            else []
        ),
    ):
        assert refused(conn, statement).constraint_name == "whole", statement

    def load():
        with (
            conn.transaction(),
            conn.cursor() as cursor,
            cursor.copy("COPY ml.weight (id, portfolio, weight) FROM STDIN") as copy,
        ):
            copy.write("7\t5\t1\n")

    with pytest.raises(psycopg.errors.CheckViolation):
        load()
    conn.execute("INSERT INTO ml.weight VALUES (1, 5, 2) ON CONFLICT DO NOTHING")
    assert conn.execute("SELECT id, portfolio, weight FROM ml.weight").fetchall() == [(1, 5, 1)]


def test_partitions_are_armed_each(conn, apply):
    conn.execute(
        "DROP TABLE ml.weight; CREATE TABLE ml.weight (id int, portfolio int, weight numeric, PRIMARY KEY (id)) PARTITION BY RANGE (id);"
        "CREATE TABLE ml.low PARTITION OF ml.weight FOR VALUES FROM (0) TO (10); CREATE TABLE ml.high PARTITION OF ml.weight FOR VALUES FROM (10) TO (20);"
        "CREATE INDEX ON ml.weight (portfolio)"
    )
    apply(text())
    conn.execute("INSERT INTO ml.weight VALUES (1, 5, 0.5), (11, 5, 0.5)")
    for statement in (
        "INSERT INTO ml.low VALUES (2, 5, 1)",
        "DELETE FROM ml.high",
        "UPDATE ml.weight SET id = id + 8, weight = 1 WHERE id = 2 OR id = 1",
    ):
        assert refused(conn, statement).constraint_name == "whole"
    conn.execute("UPDATE ml.weight SET id = 12 WHERE id = 1")


def test_prepared_transactions_hold_what_they_touched(conn, connect, apply):
    apply(text())
    conn.execute("INSERT INTO ml.weight VALUES (1, 5, 1)")
    with connect() as other:
        other.autocommit = True
        other.execute("BEGIN")
        other.execute("INSERT INTO ml.weight VALUES (2, 6, 2)")
        with pytest.raises(psycopg.errors.CheckViolation):
            other.execute("PREPARE TRANSACTION 'bad'")
        other.execute("BEGIN")
        other.execute("UPDATE ml.weight SET weight = 1.0, portfolio = 7")
        other.execute("PREPARE TRANSACTION 'good'")
        conn.execute("SET lock_timeout = '200ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            conn.execute("INSERT INTO ml.weight VALUES (3, 7, 1)")
        conn.execute("RESET lock_timeout")
        other.execute("COMMIT PREPARED 'good'")
    refused(conn, "INSERT INTO ml.weight VALUES (3, 7, 1)")


def test_many_groups_in_one_statement_are_held_at_once(conn, apply):
    apply(text())
    conn.execute("INSERT INTO ml.weight SELECT n, n % 5000, 0.5 FROM generate_series(1, 10000) n")
    refused(conn, "UPDATE ml.weight SET weight = 0.4 WHERE id = 4711")
    assert (
        conn.execute("SELECT count(*) FROM pgslo_catalog.assertion_guard WHERE turns > 0").fetchone()[0] > 900
    )


def test_values_that_are_equal_but_written_differently_are_one_group(conn, apply):
    """Guard rows are found by the hash of the value, not by its text."""
    conn.execute(
        "DROP TABLE ml.weight; CREATE TABLE ml.weight (id int PRIMARY KEY, portfolio numeric, weight numeric); CREATE INDEX ON ml.weight (portfolio)"
    )
    apply(text())
    conn.execute("BEGIN")
    conn.execute("INSERT INTO ml.weight VALUES (1, 1.0, 0.5)")
    conn.execute("INSERT INTO ml.weight VALUES (2, 1.00, 0.6)")
    assert conn.execute(
        "SELECT count(DISTINCT keys), count(DISTINCT buckets) FROM pgslo_gen.ml__weight__touched"
    ).fetchone() == (2, 1)
    with pytest.raises(psycopg.errors.CheckViolation):
        conn.execute("COMMIT")
    conn.execute("INSERT INTO ml.weight VALUES (1, 1.0, 0.5), (2, 1.00, 0.5)")


@pytest.mark.usefixtures("conn")
def test_groups_that_do_not_touch_do_not_wait(connect, apply):
    apply(text())
    with connect() as one, connect() as other:
        one.autocommit = other.autocommit = False
        one.execute("INSERT INTO ml.weight VALUES (1, 5, 1)")
        one.execute("SET CONSTRAINTS ALL IMMEDIATE")
        other.execute("SET lock_timeout = '300ms'")
        other.execute("INSERT INTO ml.weight VALUES (2, 6, 1)")
        other.commit()
        other.execute("INSERT INTO ml.weight VALUES (3, 5, 0)")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            other.commit()
        one.commit()


@pytest.mark.usefixtures("conn")
def test_a_snapshot_older_than_the_assertion_does_not_get_around_it(connect, apply):
    with connect() as old:
        old.autocommit = False
        old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        old.execute("SELECT 1 FROM ml.weight")
        apply(text())
        old.execute("INSERT INTO ml.weight VALUES (1, 5, 0.5)")
        with pytest.raises(psycopg.errors.SerializationFailure):
            old.commit()
