"""The retraining gate: nothing is trained on what is unhealthy, unjudged or stale, and each healthy batch is run for once."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from pgslo import definition
from pgslo.cli import main
from pgslo.definition import editors
from pgslo.errors import DefinitionErrors

Connection = psycopg.Connection[Any]
Run = Callable[..., Result]

TABLE = "CREATE SCHEMA features; CREATE TABLE features.stats (id int, day date, age int, country text, PRIMARY KEY (id, day))"
STATS = """\
table: features.stats
writes: bulk
watch: false
batch: {by: day}
row_count: {min: 10}
columns:
  age: [completeness: 0.9]
  country: [accepted_values: {values: [us], at_least: 0.9}]
tasks:
  churn: {reads: [age]}
  spend: {reads: [country]}
"""


def load(
    connection: Connection,
    day: int,
    *,
    age: str = "20",
    country: str = "'us'",
    rows: int = 50,
    close: bool = True,
) -> None:
    connection.execute(f"DELETE FROM features.stats WHERE day = '2026-11-{day:02}'")
    connection.execute(
        f"INSERT INTO features.stats SELECT n, '2026-11-{day:02}', {age}, {country} FROM generate_series(1, {rows}) AS n"
    )
    if close:
        connection.execute("SELECT * FROM pgslo.close_batch('features.stats')")


def value(connection: Connection, query: str, *parameters: Any) -> Any:
    row = connection.execute(query.encode(), parameters or None).fetchone()
    return row[0] if row else None


def ready(connection: Connection, task: str = "churn") -> bool:
    return value(connection, "SELECT pgslo.ready(%s)", task)


def reasons(connection: Connection, task: str = "churn") -> list[str]:
    found = connection.execute(
        "SELECT about, said FROM pgslo.readiness(%s) WHERE NOT is_ready ORDER BY 1, 2", (task,)
    )
    return [f"{about}: {said}" for about, said in found]


def healthy(connection: Connection, columns: list[str] | None = None, as_of: Any = None) -> list[int]:
    found = connection.execute(
        "SELECT right(batch, 2)::int FROM pgslo.healthy_batches('features.stats', %s, coalesce(%s, clock_timestamp())) ORDER BY place",
        (columns, as_of),
    )
    return [day for (day,) in found]


@pytest.fixture
def guarded(connection: Connection, apply: Callable[[str], Any]) -> Connection:
    connection.execute(TABLE)
    apply(STATS)
    return connection


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
    incident = value(guarded, "SELECT incident_id FROM pgslo.incident WHERE resolved_at IS NULL")
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
        'column: column "age" of features.stats misses rule "age_completeness"; Batch 2026-11-03: 0 % of 50 rows are not null'
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


def gate(text: str) -> str:
    return STATS.replace("{reads: [age]}", f"{{reads: [age], gate: {text}}}")


def take(
    connection: Connection, name: str, condition: str | None = None, *, healthy_only: bool = False
) -> None:
    connection.execute(
        "SELECT pgslo.create_snapshot(%s, 'guarded', 'stats', %s, false, %s)", (name, condition, healthy_only)
    )


def test_more_batches_can_be_asked_for(guarded: Connection, apply: Callable[[str], Any]) -> None:
    apply(gate("{batches: 3}"))
    load(guarded, 1, age="NULL")
    load(guarded, 2)
    assert reasons(guarded)[-1] == "table: 3 judged batches are wanted, there are 2"
    load(guarded, 3)
    assert [reason[:50] for reason in reasons(guarded)] == [
        'column: incident 1: rule "age_completeness" was mi'
    ]
    load(guarded, 4)
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
    keys = editors.json_schema()["properties"]["tasks"]["additionalProperties"]["properties"]["gate"][
        "properties"
    ]
    assert set(keys) == {"batches", "training", "evaluation"}
    for wrong, said in {
        "{batch: 2}": 'key "batch" does not exist',
        "{batches: 0}": "expected a number of batches",
        "{training: {max_age: 1 day}}": 'names no "snapshot"',
        "{training: '1x'}": "is no name of a snapshot",
        "{training: {snapshot: a, age: 1 day}}": 'key "age" does not exist',
        "[a]": "expected keys and values",
    }.items():
        with pytest.raises(DefinitionErrors) as caught:
            definition.load(gate(wrong), path="x.yml")
        assert said in str(caught.value), wrong


# The command


@pytest.fixture
def run(guarded: Connection, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    del guarded
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", dsn)
    return lambda *arguments: CliRunner().invoke(main, arguments)


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


def test_everybody_may_ask(
    guarded: Connection, role: Callable[[str], str], connect: Callable[..., Connection]
) -> None:
    load(guarded, 1)
    assert ready(connect(role("anybody")))


# Runs


JOB = """\
import os, sys
with open({log!r}, "a") as log:
    print(os.environ["PGSLO_BATCH"], os.environ["PGSLO_ATTEMPT"], file=log)
print("training on", os.environ["PGSLO_BATCH"])
if os.path.exists({fail!r}):
    print("it went wrong")
    sys.exit(3)
"""


class Job:
    """A command that writes down for which batch it ran, and fails when it is told to."""

    def __init__(self, folder: Path) -> None:
        self.log, self.fail, self.script = folder / "log", folder / "fail", folder / "job.py"
        self.script.write_text(JOB.format(log=str(self.log), fail=str(self.fail)), encoding="utf-8")
        self.command = f"{sys.executable} {self.script}"

    @property
    def ran(self) -> list[str]:
        return self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


@pytest.fixture
def once(run: Run, job: Job) -> Callable[..., Result]:
    def once(*options: str) -> Result:
        return run(
            "watch", "--once", "--on", "healthy-batch", "--task", "churn", "--run", job.command, *options
        )

    return once


def states(connection: Connection) -> dict[str, tuple[str, int]]:
    return {
        batch: (state, attempts)
        for batch, state, attempts in connection.execute(
            "SELECT right(batch, 2), state, attempts FROM pgslo.task_run ORDER BY batch"
        )
    }


def test_each_new_healthy_batch_is_run_for_once(
    guarded: Connection, once: Callable[..., Result], job: Job
) -> None:
    load(guarded, 1)
    assert once().exit_code == 0
    assert job.ran == []  # it was there before anybody watched
    load(guarded, 2)
    load(guarded, 3)
    result = once()
    assert result.exit_code == 0, result.output
    assert "  | training on 2026-11-02" in result.output
    assert job.ran == ["2026-11-02 1", "2026-11-03 1"]
    once()
    guarded.execute("INSERT INTO features.stats VALUES (999, '2026-11-03', 7, 'us')")  # a late row
    guarded.execute("SELECT * FROM pgslo.close_batch('features.stats')")
    once()
    assert job.ran == ["2026-11-02 1", "2026-11-03 1"]
    assert states(guarded) == {"01": ("skipped", 0), "02": ("done", 1), "03": ("done", 1)}


def test_an_unhealthy_batch_is_never_run_for_and_holds_the_others_up(
    guarded: Connection, once: Callable[..., Result], job: Job
) -> None:
    once()
    load(guarded, 1)
    load(guarded, 2, age="NULL")
    result = once()
    assert job.ran == []
    assert (
        'not run:\n  no  features.stats: age: column "age" of features.stats misses rule "age_completeness"'
        in result.output
    )
    load(guarded, 3, country="'xx'")  # a column that the task does not read
    once()
    assert job.ran == ["2026-11-01 1", "2026-11-03 1"]
    load(guarded, 2)  # mended, and healthy only now; but what ended the incident was batch 3
    once()
    assert "2026-11-02 1" not in job.ran
    assert set(states(guarded)) == {"01", "03"}


def test_a_batch_that_is_mended_while_its_incident_is_open_is_run_for(
    guarded: Connection, once: Callable[..., Result], job: Job
) -> None:
    once()
    load(guarded, 1, age="NULL")
    once()
    load(guarded, 1)
    once()
    assert job.ran == ["2026-11-01 1"]


def test_a_failure_is_shown_and_tried_again_as_stated(
    guarded: Connection, once: Callable[..., Result], job: Job
) -> None:
    once()
    load(guarded, 1)
    job.fail.touch()
    result = once("--retries", "1", "--retry-after", "50")
    assert result.exit_code == 1
    assert "  | it went wrong" in result.output
    assert "batch 2026-11-01: failed with exit code 3; trying again in 50 s" in result.output
    assert states(guarded) == {"01": ("waiting", 1)}
    once("--retries", "1")
    assert len(job.ran) == 1  # not due yet
    assert (
        value(guarded, "SELECT output FROM pgslo_catalog.task_run")
        == "training on 2026-11-01\nit went wrong\n"
    )
    guarded.execute("UPDATE pgslo_catalog.task_run SET next_attempt_at = clock_timestamp()")
    result = once("--retries", "1")
    assert "not tried again after 2 attempts" in result.output
    assert states(guarded) == {"01": ("failed", 2)}
    job.fail.unlink()
    load(guarded, 2)
    assert once().exit_code == 0
    assert job.ran == ["2026-11-01 1", "2026-11-01 2", "2026-11-02 1"]


def test_a_retry_waits_while_something_is_unhealthy(
    guarded: Connection, once: Callable[..., Result], job: Job
) -> None:
    once()
    load(guarded, 1)
    job.fail.touch()
    once()
    job.fail.unlink()
    guarded.execute("UPDATE pgslo_catalog.task_run SET next_attempt_at = clock_timestamp()")
    load(guarded, 2, age="NULL")
    once()
    assert len(job.ran) == 1
    load(guarded, 2)
    once()
    assert job.ran == ["2026-11-01 1", "2026-11-01 2", "2026-11-02 1"]


def test_a_command_that_is_not_there_is_a_failure(run: Run, guarded: Connection) -> None:
    arguments = ("watch", "--once", "--on", "healthy-batch", "--task", "churn", "--run", "/nowhere/at/all")
    run(*arguments)
    load(guarded, 1)
    result = run(*arguments)
    assert result.exit_code == 1
    assert "cannot be started: no such file or directory" in result.output
    assert states(guarded) == {"01": ("waiting", 1)}


def test_of_several_tables_all_have_to_have_the_batch(
    guarded: Connection, apply: Callable[[str], Any], once: Callable[..., Result], job: Job
) -> None:
    guarded.execute("CREATE TABLE features.other (id int, day date, x int, PRIMARY KEY (id, day))")
    apply(
        "table: features.other\nwrites: bulk\nwatch: false\nbatch: {by: day}\ncolumns: {x: [completeness: 0.9]}\ntasks: {churn: {reads: [x]}}\n"
    )
    once()
    load(guarded, 1)
    once()
    assert job.ran == []
    guarded.execute("INSERT INTO features.other SELECT n, '2026-11-01', n FROM generate_series(1, 9) n")
    guarded.execute("SELECT * FROM pgslo.close_batch('features.other')")
    once()
    assert job.ran == ["2026-11-01 1"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--on", "healthy-batch"),
        ("--on", "healthy-batch", "--task", "churn"),
        ("--task", "churn", "--run", "true"),
        ("--on", "healthy-batch", "--task", "churn", "--run", "'"),
    ],
)
def test_options_that_do_not_go_together(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("watch", *arguments).exit_code == 2


def test_who_may_not_is_told(
    guarded: Connection, role: Callable[[str], str], connect: Callable[..., Connection]
) -> None:
    del guarded
    session = connect(role("anybody"))
    for statement in (
        "SELECT pgslo.follow_task('churn')",
        "SELECT pgslo.begin_run('churn', 'x', 1)",
        "SELECT output FROM pgslo_catalog.task_run",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute(statement.encode())


# A watch that stays


def until(condition: Callable[[], Any], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


class Watch:
    """Processes of ``pgslo watch``, ended with the test."""

    def __init__(self, dsn: str, folder: Path) -> None:
        self._dsn, self._folder = dsn, folder
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, command: str) -> subprocess.Popen[bytes]:
        arguments = [
            "watch",
            "--every",
            "1",
            "--on",
            "healthy-batch",
            "--task",
            "churn",
            "--run",
            command,
            "--retry-after",
            "1",
        ]
        with (self._folder / "said").open("ab") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "pgslo", *arguments],
                env=os.environ | {"PGSLO_DSN": self._dsn},
                stdout=said,
                stderr=said,
                cwd=self._folder,
            )
        self.started.append(process)
        return process

    @property
    def said(self) -> str:
        return (self._folder / "said").read_text(encoding="utf-8")


@pytest.fixture
def watch(dsn: str, tmp_path: Path) -> Iterator[Watch]:
    watch = Watch(dsn, tmp_path)
    yield watch
    for process in watch.started:
        if process.poll() is None:
            process.kill()
        process.wait()


SLOW = """\
import os, sys, time
open({log!r}, "a").write(os.environ["PGSLO_BATCH"] + " began " + os.environ["PGSLO_ATTEMPT"] + "\\n")
while not os.path.exists({go!r}):
    time.sleep(0.05)
open({log!r}, "a").write(os.environ["PGSLO_BATCH"] + " ended\\n")
"""


@pytest.fixture
def slow(tmp_path: Path) -> Job:
    job = Job(tmp_path)
    job.script.write_text(SLOW.format(log=str(job.log), go=str(tmp_path / "go")), encoding="utf-8")
    return job


def test_a_watch_that_is_asked_to_end_lets_the_command_end(
    guarded: Connection, watch: Watch, slow: Job, tmp_path: Path
) -> None:
    first = watch.start(slow.command)
    until(lambda: "following churn" in watch.said)
    load(guarded, 1)
    until(lambda: slow.ran)
    first.send_signal(signal.SIGTERM)
    until(lambda: "stopping when the command has ended" in watch.said)
    (tmp_path / "go").touch()
    assert first.wait(30) == 0
    assert slow.ran == ["2026-11-01 began 1", "2026-11-01 ended"]
    assert states(guarded) == {"01": ("done", 1)}


def test_a_watch_that_is_killed_is_taken_up_and_nothing_is_lost_or_done_twice(
    guarded: Connection, watch: Watch, slow: Job, tmp_path: Path
) -> None:
    first = watch.start(slow.command)
    until(lambda: "following churn" in watch.said)
    (tmp_path / "go").touch()
    load(guarded, 1)
    until(lambda: states(guarded).get("01") == ("done", 1))
    (tmp_path / "go").unlink()
    load(guarded, 2)
    until(lambda: slow.ran[-1] == "2026-11-02 began 1")
    first.kill()
    first.wait()
    load(guarded, 3)  # while nobody watches
    (tmp_path / "go").touch()
    watch.start(slow.command)
    until(lambda: states(guarded).get("03") == ("done", 1))
    # The run that was interrupted is tried again, and says which attempt it is; what was done is not.
    assert states(guarded) == {"01": ("done", 1), "02": ("done", 2), "03": ("done", 1)}
    assert [line for line in slow.ran if "began" in line] == [
        "2026-11-01 began 1",
        "2026-11-02 began 1",
        "2026-11-02 began 2",
        "2026-11-03 began 1",
    ]
    assert (
        "batch 2026-11-02: the watch that ran it ended before the command did; it is tried again"
        in watch.said
    )


def test_the_server_may_go_away_while_the_command_runs(
    guarded: Connection, watch: Watch, slow: Job, tmp_path: Path
) -> None:
    watch.start(slow.command)
    until(lambda: "following churn" in watch.said)
    load(guarded, 1)
    until(lambda: slow.ran)
    guarded.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgslo' AND datname = current_database()"
    )
    (tmp_path / "go").touch()
    until(lambda: states(guarded).get("01") == ("done", 1))
    assert [line for line in slow.ran if "began" in line] == ["2026-11-01 began 1"]


def test_two_watches_run_each_batch_once(guarded: Connection, watch: Watch, job: Job) -> None:
    watch.start(job.command)
    watch.start(job.command)
    until(lambda: "standing by" in watch.said)
    for day in (1, 2, 3):
        load(guarded, day)
        until(lambda day=day: states(guarded).get(f"{day:02}") == ("done", 1))
    assert job.ran == ["2026-11-01 1", "2026-11-02 1", "2026-11-03 1"]
