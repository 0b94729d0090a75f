"""A task's window: how far back its gate, its snapshots and its view judge missed batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from guarded_stats import STATS, Connection, Run, ready, reasons, take, value

from pgslo.errors import DefinitionErrors

Apply = Callable[[str], Any]
_OLDER = "before the last 90 days"


def task(extra: str) -> str:
    """The definition with a view of the task, which refuses."""
    return STATS.replace(
        "{reads: [age]}", f"{{reads: [age, day], view: serving.churn, on_read: refuse{extra}}}"
    )


def days_ago(connection: Connection, days: int, *, age: str = "20") -> None:
    connection.execute(
        "INSERT INTO features.stats"
        f" SELECT n, (clock_timestamp() AT TIME ZONE 'UTC')::date - {days}, {age}, 'us' FROM generate_series(1, 50) AS n"
    )
    connection.execute("SELECT * FROM pgslo.close_batch('features.stats')")


def view_refuses(connection: Connection) -> bool:
    try:
        connection.execute("SELECT max(age) FROM serving.churn")
    except psycopg.Error as error:
        return error.sqlstate == "SL001"
    return False


def notes(connection: Connection) -> list[str]:
    found = connection.execute(
        "SELECT said FROM pgslo.readiness('churn') WHERE is_ready AND about = 'table'"
    ).fetchall()
    return [said for (said,) in found]


def test_gate_and_view_judge_batches_within_the_window(guarded: Connection, apply: Apply, run: Run) -> None:
    apply(task(", window: 90 days"))
    for days, age in ((100, "NULL"), (99, "NULL"), (80, "NULL"), (1, "20")):
        days_ago(guarded, days, age=age)
    assert (ready(guarded), view_refuses(guarded)) == (False, True)
    (reason,) = reasons(guarded)
    assert "rows of batch " in reason
    assert "more batch" not in reason
    note = f"2 missed batches {_OLDER} are stored and do not count"
    assert notes(guarded) == [note]

    guarded.execute(
        "UPDATE features.stats SET age = 20 WHERE day = (clock_timestamp() AT TIME ZONE 'UTC')::date - 80"
    )
    guarded.execute("SELECT pgslo.tick()")
    assert (ready(guarded), view_refuses(guarded), notes(guarded)) == (True, False, [note])
    answer = run("gate", "churn")
    assert (answer.exit_code, f"yes features.stats: {note}" in answer.output) == (0, True)

    apply(task(""))
    assert (ready(guarded), view_refuses(guarded), notes(guarded)) == (False, True, [])
    assert run("gate", "churn").exit_code == 4
    apply(task(", window: 120 days"))
    assert (ready(guarded), view_refuses(guarded), notes(guarded)) == (False, True, [])
    apply(task(", window: 90 days"))
    assert (ready(guarded), view_refuses(guarded), notes(guarded)) == (True, False, [note])


def test_a_batch_counts_for_the_columns_that_are_read(guarded: Connection, apply: Apply) -> None:
    apply(task(", window: 90 days").replace("{reads: [country]}", "{reads: [country], window: 90 days}"))
    days_ago(guarded, 100, age="NULL")
    days_ago(guarded, 80, age="NULL")
    days_ago(guarded, 1)
    assert not ready(guarded, "churn")
    assert ready(guarded, "spend")
    assert value(guarded, "SELECT count(*) FROM pgslo.readiness('spend') WHERE about = 'table'") == 0


def test_the_newest_batches_count_whatever_their_age(guarded: Connection, apply: Apply) -> None:
    apply(task(", window: 90 days"))
    days_ago(guarded, 100, age="NULL")
    assert not ready(guarded)
    days_ago(guarded, 95)
    assert ready(guarded)
    apply(task(", window: 90 days, gate: {batches: 2}"))
    assert not ready(guarded)


def test_the_table_as_it_is_now_is_judged_in_any_window(guarded: Connection, apply: Apply) -> None:
    guarded.execute("CREATE INDEX ON features.stats (day)")
    text = task(", window: 1 hour")
    apply(text.replace("row_count:", "freshness: {max_age: 2 days, of: day}\nrow_count:"))
    days_ago(guarded, 100)
    assert not ready(guarded)
    assert view_refuses(guarded)
    days_ago(guarded, 0)
    assert ready(guarded)
    assert not view_refuses(guarded)
    guarded.execute("ALTER TABLE features.stats ADD COLUMN more int")
    apply(text.replace("row_count:", "schema: {columns: {age: integer}, extra: forbid}\nrow_count:"))
    assert not ready(guarded)
    assert view_refuses(guarded)


def test_a_snapshot_of_the_view_leaves_out_what_missed_in_the_window(
    guarded: Connection, apply: Apply
) -> None:
    apply(task(", window: 90 days, gate: {training: churn_*}"))
    for days, age in ((100, "NULL"), (80, "NULL"), (1, "20")):
        days_ago(guarded, days, age=age)
    kept = (
        "SELECT array_agg((clock_timestamp() AT TIME ZONE 'UTC')::date - day ORDER BY day)"
        " FROM (SELECT DISTINCT day FROM pgslo_snapshot.{}) AS s"
    )
    guarded.execute("SET pgslo.on_read = 'warn'")
    guarded.execute("SELECT pgslo.create_snapshot('churn_1', 'serving', 'churn', NULL, false, true)")
    assert value(guarded, kept.format("churn_1")) == [100, 1]
    assert ready(guarded)
    # Of a view without a window, all are left out.
    take(guarded, "stats_1", healthy_only=True)
    assert value(guarded, kept.format("stats_1")) == [1]
    # The gate tells of what it holds, as far back as the task looks.
    guarded.execute("SELECT pgslo.create_snapshot('churn_2', 'guarded', 'stats')")
    (reason,) = reasons(guarded)
    assert "holds 1 unhealthy batch, first " in reason


def test_a_task_of_healthy_batches_is_gated_by_the_newest(guarded: Connection, apply: Apply) -> None:
    apply(STATS.replace("{reads: [age]}", "{reads: [age], view: serving.churn, batches: healthy}"))
    days_ago(guarded, 10, age="NULL")
    assert not ready(guarded)
    days_ago(guarded, 1)
    assert ready(guarded)


def test_explain_shows_the_window(guarded: Connection, apply: Apply) -> None:
    apply(task(", window: 90 days, contact: '#churn'"))
    days_ago(guarded, 1, age="NULL")
    said = value(
        guarded,
        "SELECT e.fact FROM pgslo.incident i, pgslo.explain(i.incident_id) e WHERE e.topic = 'tasks that read it'",
    )
    assert said == "churn (#churn, last 90 days)"
    shown = guarded.execute(
        """SELECT name, extract(epoch FROM "window")::int, batches FROM pgslo.reader WHERE kind = 'task' ORDER BY name"""
    ).fetchall()
    assert shown == [("churn", 7_776_000, "all"), ("spend", None, "all")]


def test_a_window_needs_batches_with_a_time(connection: Connection, apply: Apply) -> None:
    connection.execute("CREATE SCHEMA m; CREATE TABLE m.t (id int PRIMARY KEY, a int)")
    with pytest.raises(DefinitionErrors, match="cannot look back 90 days: batches"):
        apply("table: m.t\nbatch: {by: id}\ntasks:\n  churn: {reads: [a], window: 90 days}\n")
