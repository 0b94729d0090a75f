"""What ships for other tools of monitoring asks for nothing that is not there: each query runs, each metric is one of ours."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import monitored
import promql_parser
import psycopg
import pytest
import yaml
from click.testing import CliRunner
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from pgslo.cli import main
from pgslo.cli.applying import grants
from pgslo.metrics import FAMILIES, OF_THE_VIEW, UP, Family

Connection = psycopg.Connection[Any]
OBSERVE = Path(__file__).parents[3] / "examples" / "observe"
COLLECTOR = OBSERVE / "pgslo.collector.yml"
ALERTS = OBSERVE / "pgslo.alerts.yml"
DASHBOARDS = OBSERVE / "grafana" / "dashboards"
COMPOSE = Path(__file__).parents[3] / "docker-compose.yml"
REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "monitoring.md"


@pytest.fixture
def stats(
    dsn: str, connection: Connection, apply: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> Connection:
    monkeypatch.setenv("PGSLO_DSN", dsn)
    monitored.prepare(connection, apply)
    return connection


def printed() -> dict[str, set[str]]:
    """The metrics that the command prints, each with its labels."""
    result = CliRunner().invoke(main, ["metrics"])
    assert result.exit_code == 0, result.output
    return {
        sample.name: set(sample.labels)
        for family in parse_openmetrics(result.stdout)
        for sample in family.samples
    } | {UP.name: set()}


def selectors(expression: Any) -> Iterator[promql_parser.VectorSelector]:
    """The selectors of a PromQL expression."""
    match expression:
        case promql_parser.VectorSelector():
            yield expression
        case promql_parser.MatrixSelector():
            yield expression.vector_selector
        case promql_parser.BinaryExpr():
            yield from selectors(expression.lhs)
            yield from selectors(expression.rhs)
        case promql_parser.Call():
            for one in expression.args:
                yield from selectors(one)
        case promql_parser.NumberLiteral() | promql_parser.StringLiteral():
            return
        case _:
            yield from selectors(expression.expr)


def check(promql: str, metrics: dict[str, set[str]]) -> None:
    """Fail if an expression asks for a metric, or for a label of one, that is not printed."""
    found = list(selectors(promql_parser.parse(promql)))
    assert found, promql
    for one in found:
        assert one.name in metrics, f"{one.name} in {promql}"
        asked = {matcher.name for matcher in one.matchers.matchers}
        assert asked <= metrics[one.name], f"{asked} of {one.name} in {promql}"


def collector() -> str:
    """What sql_exporter reads, made from the list of metrics."""
    head = (
        "# Metrics of pgslo for https://github.com/burningalchemist/sql_exporter: docs/how-to/monitor.md.\n"
        "collector_name: pgslo\n"
        "metrics:\n"
    )
    parts = [head]
    for family in OF_THE_VIEW:
        columns = "".join(f"labels ->> '{label}' AS \"{label}\", " for label in family.labels)
        parts.append(f"  - metric_name: {family.name}\n    type: gauge\n    help: {_quoted(family)}\n")
        if family.labels:
            parts.append(f"    key_labels: [{', '.join(family.labels)}]\n")
        parts.append(
            "    values: [value]\n    query: |\n"
            f"      SELECT {columns}value FROM pgslo.metric WHERE name = '{family.name}'\n"
        )
    return "".join(parts)


def _quoted(family: Family) -> str:
    return "'" + family.meaning.replace("'", "''") + "'"


def test_the_reference_has_each_metric_with_its_labels() -> None:
    rows = [
        [cell.strip() for cell in line.split("|")[1:3]]
        for line in REFERENCE.read_text(encoding="utf-8").splitlines()
        if line.startswith("| `pgslo_")
    ]
    stated = {
        name.strip("`"): tuple(label.strip("`") for label in labels.split(", ") if label)
        for name, labels in rows
    }
    assert stated == {family.name: family.labels for family in FAMILIES}


def test_the_collector_is_made_from_the_list(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-goldens"):
        COLLECTOR.write_text(collector(), encoding="utf-8")
    assert COLLECTOR.read_text(encoding="utf-8") == collector()


def test_the_collector_collects_what_the_view_holds(stats: Connection) -> None:
    found = {}
    for metric in yaml.safe_load(COLLECTOR.read_text(encoding="utf-8"))["metrics"]:
        cursor = stats.execute(metric["query"].encode())
        labels = metric.get("key_labels", [])
        assert cursor.description is not None
        assert [column.name for column in cursor.description] == [*labels, *metric["values"]]
        for *texts, value in cursor.fetchall():
            assert all(isinstance(text, str) for text in texts)
            found[metric["metric_name"], frozenset(zip(labels, texts, strict=True))] = value
    whole = {
        (name, frozenset(labels.items())): value
        for name, labels, value in stats.execute("SELECT name, labels, value FROM pgslo.metric").fetchall()
    }
    assert found.keys() == whole.keys()
    for key, value in found.items():
        if key[0] != "pgslo_freshness_seconds":
            assert value == whole[key], key


def test_alerts_ask_for_metrics_that_are_there(stats: Connection) -> None:
    del stats
    metrics = printed()
    rules = [
        rule
        for group in yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
    ]
    names = [rule["alert"] for rule in rules]
    assert len(set(names)) == len(names) > 5
    for rule in rules:
        check(rule["expr"], metrics)
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"]


def test_a_metric_that_is_not_there_is_found(stats: Connection) -> None:
    del stats
    metrics = printed()
    with pytest.raises(AssertionError, match="pgslo_budget_left"):
        check("pgslo_budget_left < 1 and pgslo_up == 1", metrics)
    with pytest.raises(AssertionError, match="rules"):
        check('sum by (table) (pgslo_incidents_open{rules="a"})', metrics)


def dashboard(name: str) -> dict[str, Any]:
    found = json.loads((DASHBOARDS / f"{name}.json").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def test_panels_of_prometheus_ask_for_metrics_that_are_there(stats: Connection) -> None:
    del stats
    metrics = printed()
    asked = dashboard("pgslo-prometheus")
    panels = asked["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) > 10
    for panel in panels:
        for target in panel["targets"]:
            check(target["expr"].replace("$table", ".*"), metrics)
            for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
                (one, *_) = selectors(promql_parser.parse(target["expr"]))
                assert label in metrics[one.name], panel["title"]
    (name, label) = re.fullmatch(
        r"label_values\((\w+), (\w+)\)", asked["templating"]["list"][1]["definition"]
    ).groups()  # type: ignore[union-attr]
    assert label in metrics[name]


def interpolated(query: str) -> str:
    """A query as Grafana sends it."""
    query = re.sub(
        r"\$__timeFilter\(([\w.]+)\)",
        r"\1 BETWEEN now() - interval '90 days' AND now() + interval '1 day'",
        query,
    )
    values = {"table": "'features.plain','features.stats'", "one": "'features.stats'", "column": "'age'"}
    query = re.sub(r"\$\{(\w+):sqlstring\}", lambda match: values[match[1]], query)
    assert "$" not in query
    return query


def queries() -> Iterator[tuple[str, str, str]]:
    """Each query of the dashboard over the views: of what, in which format, its text."""
    asked = dashboard("pgslo-sql")
    for panel in asked["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["format"], interpolated(target["rawSql"])
    for annotation in asked["annotations"]["list"]:
        yield annotation["name"], "table", interpolated(annotation["target"]["rawSql"])
    for variable in asked["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], "variable", interpolated(variable["query"])


def test_each_query_of_the_views_runs_and_shows_something(
    stats: Connection,
    connect: Callable[..., Connection],
    role: Callable[[str], str],
    subtests: pytest.Subtests,
) -> None:
    auditor = role("auditor")
    for text in grants.statements("auditor", auditor):
        stats.execute(text.encode())
    session = connect(auditor)
    everything = list(queries())
    assert len(everything) > 12
    for title, form, query in everything:
        with subtests.test(title):
            # Figures of a column are not for an auditor.
            shows_figures = title.startswith(("Verdicts", "Drift"))
            assert (session.execute(query.encode()).fetchall() == []) == shows_figures
            cursor = stats.execute(query.encode())
            rows = cursor.fetchall()
            assert rows
            assert cursor.description is not None
            names = [column.name for column in cursor.description]
            if form == "time_series":
                assert names[0] == "time"
                assert all(row[0].tzinfo is not None and isinstance(row[-1], float) for row in rows)


def test_the_annotation_tells_when_an_incident_was_open(stats: Connection) -> None:
    (query,) = [query for title, _, query in queries() if title == "Incidents" and "timeend" in query]
    cursor = stats.execute(query.encode())
    assert cursor.description is not None
    assert [column.name for column in cursor.description] == ["time", "timeend", "text", "tags"]
    assert "features.stats: age_range" in {row[2] for row in cursor.fetchall()}


def test_compose_mounts_what_is_there() -> None:
    services = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    observing = {name: one for name, one in services.items() if one.get("profiles") == ["observe"]}
    assert observing.keys() == {"prometheus", "grafana"}
    for one in observing.values():
        for volume in one["volumes"]:
            assert (COMPOSE.parent / volume.split(":")[0]).exists(), volume
    environment = observing["grafana"]["environment"]
    sources = (OBSERVE / "grafana/provisioning/datasources/pgslo.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"\$(PGSLO_\w+)", sources)) <= environment.keys()
    types = {one["type"] for one in yaml.safe_load(sources)["datasources"]}
    for name in ("pgslo-prometheus", "pgslo-sql"):
        asked = dashboard(name)
        variables = {one["name"]: one for one in asked["templating"]["list"]}
        for panel in asked["panels"]:
            for target in panel["targets"]:
                variable = variables[target["datasource"]["uid"].strip("${}")]
                assert variable["query"] == target["datasource"]["type"] == panel["datasource"]["type"]
                assert variable["query"] in types
    scraped = yaml.safe_load((OBSERVE / "prometheus.yml").read_text(encoding="utf-8"))
    assert [(OBSERVE / name).exists() for name in scraped["rule_files"]] == [True]
