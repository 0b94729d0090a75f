"""pgslo watch --on healthy-batch: a command is run for each healthy batch, once, whatever happens meanwhile."""

from __future__ import annotations

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
from click.testing import Result
from guarded_stats import Connection, Run, load, value

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
    """A command that records its batch, and fails on request."""

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
        'not run:\n  no  features.stats: age: 50 rows of batch 2026-11-02, which misses rule "age_completeness", are stored'
        in result.output
    )
    load(guarded, 3, country="'xx'")  # a column that the task does not read
    once()
    assert job.ran == ["2026-11-01 1", "2026-11-03 1"]
    load(guarded, 2)  # corrected, and healthy only now
    once()
    assert job.ran[2:] == ["2026-11-02 1"]


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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_two_watches_run_each_batch_once(guarded: Connection, watch: Watch, job: Job) -> None:
    watch.start(job.command)
    watch.start(job.command)
    until(lambda: "standing by" in watch.said)
    for day in (1, 2, 3):
        load(guarded, day)
        until(lambda day=day: states(guarded).get(f"{day:02}") == ("done", 1))
    assert job.ran == ["2026-11-01 1", "2026-11-02 1", "2026-11-03 1"]
