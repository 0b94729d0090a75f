"""The retraining gate: nothing is trained on unhealthy, unjudged or stale batches, and each healthy batch is run for once."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from guarded_stats import Connection, Run, gate, healthy, load, ready, reasons, take, value

from pgslo import definition
from pgslo.definition import editor_schema
from pgslo.errors import DefinitionErrors

# Health as of a time


def test_a_batch_is_healthy_for_the_columns_that_are(guarded: Connection) -> None:
    load(guarded, 1)
    load(guarded, 2, age="NULL")
    load(guarded, 3, country="'xx'")
    load(guarded, 4)
    assert healthy(guarded) == [1, 4]
    assert healthy(guarded, ["age"]) == [1, 3, 4]
    assert healthy(guarded, ["country"]) == [1, 2, 4]
    assert healthy(guarded, ["id"]) == [1, 2, 3, 4]


def test_what_was_not_judged_is_not_healthy_yet(guarded: Connection) -> None:
    load(guarded, 1)
    load(guarded, 2, close=False)
    assert healthy(guarded) == [1]


def test_a_rule_about_the_table_counts_for_every_column(guarded: Connection) -> None:
    load(guarded, 1)
    load(guarded, 2, rows=3)
    load(guarded, 3)
    assert healthy(guarded, ["age"]) == [1, 3]


def test_as_of_tells_what_was_known_then(guarded: Connection) -> None:
    clock = "SELECT clock_timestamp()"
    load(guarded, 1)
    first = value(guarded, clock)
    load(guarded, 2, age="NULL")
    second = value(guarded, clock)
    load(guarded, 2)  # mended: the incident heals
    third = value(guarded, clock)
    load(guarded, 3, age="NULL")
    load(guarded, 4)
    fourth = value(guarded, clock)
    assert healthy(guarded, ["age"], first) == [1]
    assert healthy(guarded, ["age"], second) == [1]
    assert healthy(guarded, ["age"], third) == [1, 2]
    assert healthy(guarded, ["age"], fourth) == [1, 2, 4]
    assert healthy(guarded, ["age"], first - dt.timedelta(days=1)) == []


@pytest.mark.parametrize(("resolution", "expected"), [("false_alarm", [1, 2, 3]), ("real", [1, 3])])
def test_what_people_say_of_an_incident_counts(
    guarded: Connection, resolution: str, expected: list[int]
) -> None:
    load(guarded, 1)
    load(guarded, 2, age="NULL")
    before = value(guarded, "SELECT clock_timestamp()")
    incident = value(guarded, "SELECT incident_id FROM pgslo.incident WHERE over_at IS NULL")
    guarded.execute("SELECT pgslo.resolve(%s, %s)", (incident, resolution))
    load(guarded, 3)
    assert healthy(guarded, ["age"]) == expected
    assert healthy(guarded, ["age"], before) == [1]


def test_a_misspelt_column_is_no_healthy_one(guarded: Connection) -> None:
    with pytest.raises(psycopg.errors.UndefinedColumn):
        healthy(guarded, ["agee"])
    with pytest.raises(psycopg.Error) as caught:
        guarded.execute("SELECT * FROM pgslo.healthy_batches('features.nothing')")
    assert caught.value.diag.sqlstate == "SL002"


def test_a_training_query_leaves_them_out(guarded: Connection) -> None:
    load(guarded, 1)
    load(guarded, 2, age="NULL")
    load(guarded, 3)
    found = guarded.execute(
        "SELECT DISTINCT day::text FROM guarded.stats WHERE day::text IN (SELECT batch FROM pgslo.healthy_batches('features.stats', ARRAY['age'])) ORDER BY 1"
    ).fetchall()
    assert [day for (day,) in found] == ["2026-11-01", "2026-11-03"]


# Ready


def test_a_task_is_ready_by_its_own_columns(guarded: Connection) -> None:
    load(guarded, 1)
    assert ready(guarded)
    load(guarded, 2, country="'xx'")
    assert ready(guarded)
    assert not ready(guarded, "spend")
    load(guarded, 3, age="NULL")
    (reason,) = reasons(guarded)
    assert reason.startswith(
        'column: 50 rows of batch 2026-11-03, which misses rule "age_completeness", are stored (incident '
    )
    load(guarded, 3)
    assert ready(guarded)


def test_nothing_judged_is_not_ready(guarded: Connection) -> None:
    assert reasons(guarded) == ["table: no batch of features.stats has been judged yet"]
    load(guarded, 1)
    load(guarded, 2, close=False)
    assert reasons(guarded) == [
        "table: batch 2026-11-02 has rows that were not judged yet; SELECT * FROM pgslo.close_batch('features.stats');"
    ]


def test_a_rule_that_is_switched_off_vouches_for_nothing(guarded: Connection) -> None:
    load(guarded, 1)
    guarded.execute("SELECT pgslo.pause('features.stats')")
    (reason,) = reasons(guarded)
    assert reason.startswith("table: every rule is switched off since")


def test_a_rule_that_broke_vouches_for_nothing(guarded: Connection) -> None:
    load(guarded, 1)
    guarded.execute("ALTER TABLE features.stats RENAME age TO years")
    guarded.execute("INSERT INTO features.stats VALUES (99, '2026-11-01', 3, 'us')")
    guarded.execute("SELECT pgslo.tick()")
    assert not ready(guarded)


def test_an_unknown_task_is_an_error(guarded: Connection) -> None:
    with pytest.raises(psycopg.errors.UndefinedObject, match='no definition has a task "nobody"') as caught:
        ready(guarded, "nobody")
    assert "churn, spend" in (caught.value.diag.message_hint or "")


def test_more_batches_can_be_asked_for(guarded: Connection, apply: Callable[[str], Any]) -> None:
    apply(gate("{batches: 3}"))
    load(guarded, 1, age="NULL")
    load(guarded, 2)
    assert reasons(guarded)[-1] == "table: 3 judged batches are wanted, there are 2"
    load(guarded, 3)
    stored = 'column: 50 rows of batch 2026-11-01, which misses rule "age_completeness", are stored (incident 1, over)'
    assert reasons(guarded) == [stored]
    load(guarded, 4)
    assert reasons(guarded) == [stored], "a task reads history"
    load(guarded, 1)  # corrected
    assert ready(guarded)


def test_snapshots_have_to_be_there_fresh_and_sound(guarded: Connection, apply: Callable[[str], Any]) -> None:
    apply(
        gate("{training: {snapshot: train_*, max_age: 1 day}, evaluation: {snapshot: test, max_age: 7 days}}")
    )
    load(guarded, 1)
    load(guarded, 2)
    assert reasons(guarded) == [
        'evaluation: no snapshot "test" was taken',
        'training: no snapshot "train_*" was taken',
    ]
    take(guarded, "train_1")
    take(guarded, "test")
    assert ready(guarded), reasons(guarded)
    # Age.
    guarded.execute("UPDATE pgslo_catalog.snapshot SET taken_at = taken_at - interval '25 hours'")
    (reason,) = reasons(guarded)
    assert reason.startswith('training: snapshot "train_1" was taken')
    assert reason.endswith("it may be at most 1 day old")
    # A newer one of the series counts, and the evaluation set ends before it.
    load(guarded, 3)
    take(guarded, "train_2")
    assert reasons(guarded) == [
        'evaluation: evaluation set "test" ends with batch 2026-11-02, before training set "train_2" with 2026-11-03'
    ]
    guarded.execute("SELECT pgslo.drop_snapshot('test')")
    take(guarded, "test", "r.day = '2026-11-03'")
    assert ready(guarded), reasons(guarded)


def test_a_training_set_with_an_unhealthy_batch_is_none(
    guarded: Connection, apply: Callable[[str], Any]
) -> None:
    apply(gate("{training: train_*}"))
    load(guarded, 1)
    load(guarded, 2, age="NULL")
    load(guarded, 3)
    take(guarded, "train_1")
    assert reasons(guarded) == [
        'training: snapshot "train_1" holds 1 unhealthy batch, first 2026-11-02 (incident 1)'
    ]
    take(guarded, "train_2", healthy_only=True)
    assert ready(guarded)


def test_a_gate_is_read_strictly_and_known_to_editors() -> None:
    read = definition.load(
        gate("{batches: 2, training: {snapshot: t_*, max_age: 2 days}, evaluation: e}"), path="x.yml"
    )
    (task, _) = read.tasks
    assert task.gate is not None
    assert (
        task.gate.batches,
        task.gate.training.snapshot,
        task.gate.training.max_age,
        task.gate.evaluation.snapshot,
    ) == (2, "t_*", dt.timedelta(days=2), "e")  # type: ignore[union-attr]
    keys = editor_schema.json_schema()["properties"]["tasks"]["additionalProperties"]["properties"]["gate"][
        "properties"
    ]
    assert set(keys) == {"batches", "training", "evaluation", "suspects"}
    for wrong, said in {
        "{batch: 2}": 'key "batch" does not exist',
        "{batches: 0}": "expected a number of batches",
        "{training: {max_age: 1 day}}": 'names no "snapshot"',
        "{training: '1x'}": "is not a valid name of a snapshot",
        "{training: {snapshot: a, age: 1 day}}": 'key "age" does not exist',
        "[a]": "expected keys and values",
    }.items():
        with pytest.raises(DefinitionErrors) as caught:
            definition.load(gate(wrong), path="x.yml")
        assert said in str(caught.value), wrong


# The command


def test_the_command_says_yes_or_no_and_why(run: Run, guarded: Connection) -> None:
    load(guarded, 1)
    result = run("gate", "churn")
    assert (result.exit_code, result.output.splitlines()) == (
        0,
        ["churn may be trained", "  yes features.stats: age: healthy in batch 2026-11-01"],
    )
    load(guarded, 2, age="NULL")
    result = run("gate", "churn")
    assert result.exit_code == 4
    assert result.output.splitlines()[0] == "churn may not be trained"
    told = json.loads(run("gate", "churn", "--json").output)
    assert (told["ready"], told["points"][0]["column_name"], told["points"][0]["is_ready"]) == (
        False,
        "age",
        False,
    )
    result = run("gate", "nobody")
    assert (result.exit_code, 'no definition has a task "nobody"' in result.output) == (1, True)


def test_readers_of_what_a_task_reads_may_ask(
    guarded: Connection, role: Callable[[str], str], connect: Callable[..., Connection]
) -> None:
    load(guarded, 1)
    name = role("anybody")
    with pytest.raises(psycopg.errors.UndefinedObject, match='no definition has a task "churn"'):
        ready(connect(name))
    for schema in ("features", "guarded"):
        guarded.execute(
            f"GRANT USAGE ON SCHEMA {schema} TO {name}; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {name}".encode()
        )
    assert ready(connect(name))
