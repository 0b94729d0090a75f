"""What monitoring is given: the view, the text, the file and the page to be scraped."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import monitored
import psycopg
import pytest
from click.testing import CliRunner, Result
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from pgslo.cli import main
from pgslo.cli.applying import grants
from pgslo.metrics import DRIFT, FAMILIES, OF_THE_VIEW, UP

Connection = psycopg.Connection[Any]
Key = tuple[str, frozenset[tuple[str, str]]]


@pytest.fixture
def stats(
    dsn: str,
    connection: Connection,
    apply: Callable[[str], Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Connection:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", dsn)
    monitored.prepare(connection, apply)
    return connection


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["metrics", *arguments])


def of_view(connection: Connection) -> dict[Key, float]:
    return {
        (name, frozenset(labels.items())): value
        for name, labels, value in connection.execute(
            "SELECT name, labels, value FROM pgslo.metric"
        ).fetchall()
    }


def parsed(families: Any) -> dict[Key, float]:
    found: dict[Key, float] = {}
    for family in families:
        assert family.type == "gauge", family.name
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, "a series is there once"
            found[key] = sample.value
    return found


def one(found: dict[Key, float], name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def test_the_view_has_each_metric_with_its_labels(stats: Connection) -> None:
    found = of_view(stats)
    labels = {name: {label for label, _ in pairs} for name, pairs in found}
    assert labels == {family.name: set(family.labels) for family in OF_THE_VIEW}
    table = "features.stats"
    assert (
        one(found, "pgslo_incidents_open", table=table, rule="age_range", owner="growth", severity="missed")
        == 1
    )
    assert (
        one(
            found, "pgslo_incidents_open", table=table, rule="age_not_null", owner="intake", severity="missed"
        )
        == 0
    )
    assert one(found, "pgslo_batch_rows", table=table) == 200
    assert one(found, "pgslo_column_not_null_ratio", table=table, column="age") == 0.995
    assert one(found, "pgslo_batches_missed", table=table) == 1
    assert one(found, "pgslo_quarantine_rows", table=table) == 1
    assert one(found, "pgslo_deliveries_failed") == 1
    # 30 batches may miss three times; one did.
    assert one(found, "pgslo_budget_remaining_ratio", table=table, rule="age_range") == pytest.approx(2 / 3)
    assert one(found, "pgslo_burn_rate", table=table, rule="age_range", window="whole") == pytest.approx(
        1 / 3
    )
    assert 0 <= one(found, "pgslo_freshness_seconds", table=table) < 600
    assert one(found, "pgslo_drift_score", table=table, column="age") > 1, "999 is far from what was learned"
    (now,) = stats.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()  # type: ignore[misc]
    assert now - 600 < one(found, "pgslo_last_tick_timestamp_seconds") <= now
    # Without batches there is nothing to say, rather than 0.
    assert ("pgslo_batch_rows", frozenset({("table", "features.plain")})) not in found


def test_a_state_that_changes_changes_its_number(stats: Connection) -> None:
    stats.execute("SELECT pgslo.pause('features.plain')")
    stats.execute("DELETE FROM features.stats WHERE age = 999")
    stats.execute("SELECT pgslo.tick()")
    found = of_view(stats)
    assert one(found, "pgslo_paused", table="features.plain") == 1
    assert one(found, "pgslo_paused", table="features.stats") == 0
    assert one(found, "pgslo_batches_missed", table="features.stats") == 0


def test_no_label_and_no_number_of_labels_comes_from_rows(stats: Connection) -> None:
    before = set(of_view(stats))
    stats.execute("SET application_name = 'an application'")
    for day in range(5):
        stats.execute(
            f"INSERT INTO features.stats SELECT 100000 + {day} * 1000 + n, current_date + {day}, 20 + n, 'secret' || n FROM generate_series(1, 90) AS n"
        )
    stats.execute("SELECT pgslo.close_batch('features.stats')")
    after = of_view(stats)
    assert {key for key in set(after) - before if key[0] != "pgslo_incidents_open"} == set()
    text = repr(set(after))
    assert "secret" not in text
    assert "an application" not in text
    assert not re.search(r"\d{4}-\d\d-\d\d", text), "no batch is a label"


def test_each_role_sees_the_tables_that_it_may_read(
    stats: Connection, connect: Callable[..., Connection], role: Callable[[str], str]
) -> None:
    stranger, reader, half, auditor = (role(one) for one in ("stranger", "reader", "half", "auditor"))
    for name in (stranger, reader, half):
        stats.execute(f"GRANT USAGE ON SCHEMA pgslo, features TO {name}".encode())
    stats.execute(f"GRANT SELECT ON features.plain TO {reader}".encode())
    stats.execute(f"GRANT SELECT (id, day) ON features.stats TO {half}".encode())
    for text in grants.statements("auditor", auditor):
        stats.execute(text.encode())
    assert of_view(connect(stranger)) == {}
    seen = of_view(connect(reader))
    assert {dict(labels).get("table") for _, labels in seen} == {"features.plain", None}
    # How many messages failed is for those who may know of every table.
    assert {name for name, labels in seen if not labels} == {"pgslo_last_tick_timestamp_seconds"}
    # Figures of a column are for those who may read it, as in pgslo.verdict.
    whole = set(of_view(stats))
    scores = {key for key in whole if key[0] in {"pgslo_drift_score", "pgslo_column_not_null_ratio"}}
    assert {key[0] for key in scores if ("column", "age") in key[1]} == {key[0] for key in scores}
    columns = {key for key in scores if ("column", "*") not in key[1]}
    assert columns
    assert set(of_view(connect(auditor))) == whole - columns
    shown = of_view(connect(half))
    readable = ({("column", "id")}, {("column", "day")})
    assert {key for key in columns if key in shown} == {
        key for key in columns if any(one <= key[1] for one in readable)
    }


def test_openmetrics_says_what_the_view_says(stats: Connection) -> None:
    result = run()
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("# EOF\n")
    found = parsed(parse_openmetrics(result.stdout))
    assert {name for name, _ in found} == {one.name for one in FAMILIES} - {UP.name}
    for key, value in of_view(stats).items():
        if key[0] != "pgslo_freshness_seconds":
            assert found[key] == pytest.approx(value, rel=1e-6, abs=1e-6), key
    assert one(found, DRIFT.name, table="features.stats") == 0


def test_drift_is_counted_by_table(stats: Connection) -> None:
    stats.execute("ALTER TABLE features.plain DISABLE TRIGGER USER")
    found = parsed(parse_openmetrics(run().stdout))
    assert one(found, DRIFT.name, table="features.plain") >= 1
    assert one(found, DRIFT.name, table="features.stats") == 0


def test_a_name_with_quotes_is_one_label(
    connection: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch, apply: Callable[[str], Any]
) -> None:
    monkeypatch.setenv("PGSLO_DSN", dsn)
    connection.execute(r"""CREATE SCHEMA features; CREATE TABLE features."a""b\c{}=, " (n int)""")
    apply("""table: 'features."a""b\\c{}=, "'\nkey: none\nowner: x"y\ncolumns: {n: [range: {min: 0}]}\n""")
    found = parsed(parse_openmetrics(run().stdout))
    (labels,) = [dict(labels) for name, labels in found if name == "pgslo_table_info"]
    assert labels == {"table": 'features.a"b\\c{}=, ', "owner": 'x"y'}


def test_a_file_for_node_exporter_is_whole_or_not_there(
    stats: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path("collected")
    folder.mkdir()
    target = folder / "pgslo.prom"
    result = run("--textfile", str(target))
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert [one.name for one in folder.iterdir()] == ["pgslo.prom"]
    found = parsed(parse(target.read_text()))
    assert one(found, "pgslo_batch_rows", table="features.stats") == 200
    kept = target.read_bytes()
    monkeypatch.setattr("prometheus_client.exposition.os.rename", _no_rename)
    stats.execute("DROP VIEW pgslo.metric")
    assert run("--textfile", str(target)).exit_code == 1
    assert target.read_bytes() == kept
    refused = run("--textfile", "pgslo.txt")
    assert refused.exit_code == 2
    assert ".prom" in refused.output


def _no_rename(*_: object) -> None:
    raise OSError("no room")


def test_without_the_extra_it_says_what_to_install(
    stats: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    del stats
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    for command in (["metrics"], ["metrics", "--textfile", "a.prom"], ["watch", "--metrics", "127.0.0.1:0"]):
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 1
        assert "metrics need prometheus-client" in result.output
        assert "pip install 'pgslo[metrics]'" in result.output


def test_a_port_that_is_taken_is_told(stats: Connection) -> None:
    del stats
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(main, ["watch", "--metrics", f"127.0.0.1:{port}"])
    assert result.exit_code == 1
    assert f"cannot serve metrics on 127.0.0.1:{port}: address already in use" in result.output
    assert "hint: name an address of this machine" in result.output


@pytest.mark.parametrize("address", ["9187", "127.0.0.1:", ":9187", "127.0.0.1:70000", "127.0.0.1:x"])
def test_what_is_no_address_is_wrong_usage(stats: Connection, address: str) -> None:
    del stats
    result = CliRunner().invoke(main, ["watch", "--metrics", address])
    assert result.exit_code == 2
    assert "HOST:PORT" in result.output


def test_once_and_metrics_contradict_each_other(stats: Connection) -> None:
    del stats
    result = CliRunner().invoke(main, ["watch", "--once", "--metrics", "127.0.0.1:0"])
    assert result.exit_code == 2
    assert "pgslo metrics --textfile" in result.output


@contextlib.contextmanager
def watching(*arguments: str, dsn: str | None = None) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A watch in a process of its own, and where it serves metrics."""
    extra = ["--dsn", dsn] if dsn else []
    process = subprocess.Popen(
        [sys.executable, "-m", "pgslo", *extra, "watch", "--metrics", "127.0.0.1:0", *arguments],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        lines = []
        while not (match := re.fullmatch(r"metrics are at (\S+)\n", line := process.stderr.readline())):
            assert line, lines
            lines.append(line)
        yield process, match[1]
    finally:
        process.kill()
        process.communicate()


def scrape(url: str, *, accept: str = "text/plain") -> str:
    request = urllib.request.Request(url, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(answer.read().decode())


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.2)


@pytest.mark.slow
def test_a_watch_serves_what_is_there_now(stats: Connection) -> None:
    with watching() as (process, url):
        found = parsed(parse(scrape(url)))
        assert one(found, UP.name) == 1
        assert one(found, "pgslo_paused", table="features.plain") == 0
        assert {name for name, _ in found} == {one.name for one in FAMILIES}
        stats.execute("SELECT pgslo.pause('features.plain')")

        def is_paused() -> bool:
            text = scrape(url, accept="application/openmetrics-text; version=1.0.0")
            return one(parsed(parse_openmetrics(text)), "pgslo_paused", table="features.plain") == 1

        _until(is_paused)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


@pytest.mark.slow
def test_a_watch_says_that_the_database_is_away_and_that_it_is_back(
    stats: Connection, dsn: str, server: Any
) -> None:
    del stats
    with watching() as (_, url), psycopg.connect(server.dsn(), autocommit=True) as admin:
        assert one(parsed(parse(scrape(url))), UP.name) == 1
        name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        try:
            _until(lambda: parsed(parse(scrape(url))) == {(UP.name, frozenset()): 0.0})
        finally:
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
        _until(lambda: one(parsed(parse(scrape(url))), UP.name) == 1)


@pytest.mark.slow
def test_an_auditor_may_serve_metrics(stats: Connection, dsn: str, role: Callable[[str], str]) -> None:
    name = role("auditor")
    for text in grants.statements("auditor", name):
        stats.execute(text.encode())
    stats.execute(f"ALTER ROLE {name} LOGIN PASSWORD 'audit'".encode())
    with watching(dsn=psycopg.conninfo.make_conninfo(dsn, user=name, password="audit")) as (_, url):
        found = parsed(parse(scrape(url)))
        assert one(found, "pgslo_batch_rows", table="features.stats") == 200


def test_a_watch_with_routes_serves_metrics_as_well(stats: Connection) -> None:
    del stats
    with watching("--tick", "--every", "1") as (process, url):
        assert process.stderr is not None
        assert process.stderr.readline() == "watching\n"
        assert one(parsed(parse(scrape(url))), UP.name) == 1
