"""Snippets of the page on pipelines work as described, as far as they need no other product."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import psycopg
import pytest
import sqlalchemy
import yaml
from click.testing import CliRunner

from pgslo.cli import main
from pgslo.cli.authoring import init

pytestmark = pytest.mark.slow

TOP = Path(__file__).parents[3]
PAGE = (TOP / "docs/how-to/run-in-pipelines.md").read_text(encoding="utf-8")
DEFINITION = """
table: features.stats
key: [id]
batch: {by: day}
watch: false
columns:
  age: [range: {min: 0}]
tasks:
  churn: {reads: [age]}
"""


def section(heading: str, language: str) -> str:
    """The first block of a language below a heading."""
    below = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    (text, *_) = re.findall(rf"```{language}\n(.*?)```", below, re.DOTALL)
    return str(text)


@pytest.fixture
def task(
    apply: Callable[[str], Any],
    connection: psycopg.Connection[Any],
    dsn: str,
    monkeypatch: pytest.MonkeyPatch,
) -> psycopg.Connection[Any]:
    """A task whose newest batch is healthy."""
    connection.execute("CREATE SCHEMA features; CREATE TABLE features.stats (id int, day date, age int)")
    apply(DEFINITION)
    connection.execute(
        "INSERT INTO features.stats VALUES (1, '2026-01-01', 3); SELECT pgslo.close_batch('features.stats', '2026-01-01')"
    )
    monkeypatch.setenv("PGSLO_DSN", dsn)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    return connection


def test_the_workflow_is_the_one_that_is_written() -> None:
    assert section("GitHub Actions", "yaml") == init._WORKFLOW.read_text(encoding="utf-8")


def test_the_hook_checks_what_it_says(tmp_path: Path) -> None:
    (hook,) = yaml.safe_load((TOP / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert yaml.safe_load(section("pre-commit", "yaml"))["repos"][0]["hooks"] == [{"id": hook["id"]}]
    assert re.search(hook["files"], "slos/stats.yml")
    assert not re.search(hook["files"], "docs/stats.yml")
    program, *words = hook["entry"].split()
    assert program == "pgslo"
    good, bad = tmp_path / "good.yml", tmp_path / "bad.yml"
    good.write_text(DEFINITION, encoding="utf-8")
    bad.write_text(DEFINITION.replace("range", "rang"), encoding="utf-8")
    assert CliRunner().invoke(main, [*words, str(good)]).exit_code == 0
    assert CliRunner().invoke(main, [*words, str(good), str(bad)]).exit_code == 1


def test_the_gate_of_a_task(task: psycopg.Connection[Any]) -> None:
    names: dict[str, Any] = {}
    exec(section("A function for Python", "python"), names)
    assert names["gate"]("churn") == (True, [])
    task.execute(
        "INSERT INTO features.stats VALUES (2, '2026-01-02', -3); SELECT pgslo.close_batch('features.stats', '2026-01-02')"
    )
    ready, (reason, *_) = names["gate"]("churn")
    assert not ready
    assert "age_range" in reason
    with pytest.raises(RuntimeError, match="pgslo gate nothing failed"):
        names["gate"]("nothing")


@pytest.mark.parametrize(("ready", "passed"), [(True, True), (False, False)])
def test_the_snippets_of_dagster_and_prefect_go_by_the_gate(
    monkeypatch: pytest.MonkeyPatch,
    ready: bool,
    passed: bool,
) -> None:
    """With names of these products that pass functions on: calls of these were not tried here."""

    def decorator(*given: Any, **_options: Any) -> Any:
        return given[0] if given and callable(given[0]) else lambda function: function

    prefect = types.SimpleNamespace(flow=decorator, task=decorator)
    dagster = types.SimpleNamespace(
        asset_check=decorator,
        AssetCheckResult=lambda **fields: fields,
        MetadataValue=types.SimpleNamespace(json=list),
    )
    monkeypatch.setitem(sys.modules, "prefect", prefect)
    monkeypatch.setitem(sys.modules, "dagster", dagster)
    trained: list[int] = []
    names: dict[str, Any] = {
        "gate": lambda _task: (ready, [] if ready else ["why"]),
        "train": lambda: trained.append(1),
    }
    exec(section("Dagster", "python"), names)
    assert names["healthy"]() == {"passed": passed, "metadata": {"reasons": [] if passed else ["why"]}}
    exec(section("Prefect", "python"), names)
    if passed:
        names["retrain"]()
    else:
        with pytest.raises(RuntimeError, match="why"):
            names["retrain"]()
    assert bool(trained) is passed


def test_a_snapshot_is_logged_with_its_hash(
    task: psycopg.Connection[Any], dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: dict[str, Any] = {}
    mlflow = types.ModuleType("mlflow")
    mlflow.data = types.SimpleNamespace(
        from_pandas=lambda rows, **fields: logged.update(fields, rows=len(rows))
    )  # type: ignore[attr-defined]
    mlflow.log_input = lambda _dataset, context: logged.update(context=context)  # type: ignore[attr-defined]
    mlflow.set_tags = lambda tags: logged.update(tags=tags)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    taken = CliRunner().invoke(main, ["snapshot", "create", "november", "--view", "guarded.stats"])
    assert taken.exit_code == 0, taken.output
    names: dict[str, Any] = {}
    exec(section("MLflow", "python"), names)
    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    engine = sqlalchemy.create_engine(
        sqlalchemy.URL.create(
            "postgresql+psycopg",
            username=str(parts["user"]),
            password=str(parts.get("password", "")),
            host=str(parts["host"]),
            port=int(parts["port"] or 5432),
            database=str(parts["dbname"]),
        )
    )
    rows = names["log_snapshot"]("november", engine)
    engine.dispose()
    assert list(rows["age"]) == [3]
    (whole,) = task.execute("SELECT content_hash FROM pgslo.snapshot").fetchone() or ("",)
    assert logged["tags"] == {"pgslo.snapshot": "november", "pgslo.content_hash": whole}
    assert whole.startswith(logged["digest"])
    assert len(logged["digest"]) <= 36


def test_the_macros_of_dbt_are_those_that_the_page_calls() -> None:
    folder = TOP / "examples/dbt"
    package = yaml.safe_load((folder / "dbt_project.yml").read_text(encoding="utf-8"))
    called = set(re.findall(rf"\b{package['name']}\.(\w+)\(", PAGE)) - {"load_ext"}
    made = {
        name
        for path in (folder / "macros").iterdir()
        for name in re.findall(r"{% macro (\w+)\(", path.read_text(encoding="utf-8"))
    }
    assert called == made == {"guarded", "tick"}
    assert set(package["vars"]) == {"pgslo_guarded_schema"}


class Relations:
    """What dbt gives macros to make relations with."""

    @staticmethod
    def create(**parts: str) -> dict[str, str]:
        return parts


@pytest.mark.parametrize(
    ("more", "schema", "identifier"),
    [({}, "guarded", "bookings"), ({"view": "serving.churn_features"}, "serving", "churn_features")],
)
def test_guarded_is_the_view_of_a_model(more: dict[str, str], schema: str, identifier: str) -> None:
    """The macro in Jinja alone, with stand-ins for the additions of dbt: `return` hands out the relation."""
    text = (TOP / "examples/dbt/macros/guarded.sql").read_text(encoding="utf-8")
    returned: list[dict[str, str]] = []
    module = jinja2.Environment(autoescape=False).from_string(
        text,
        globals={
            "api": types.SimpleNamespace(Relation=Relations),
            "var": lambda _name, default: default,
            "return": lambda value: returned.append(value) or "",
        },
    )
    model = types.SimpleNamespace(database="shop", schema="ml", identifier="bookings")
    module.module.guarded(model, **more)  # type: ignore[attr-defined]
    assert returned[0] == {"database": "shop", "schema": schema, "identifier": identifier}
