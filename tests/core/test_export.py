"""Exports: every rule is accounted for once, and the import of a contract is the definition that was exported."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from click.testing import CliRunner
from jsonschema import validate
from pydantic import BaseModel

from pgslo import definition
from pgslo.cli import main
from pgslo.definition import Definition, load_kinds
from pgslo.errors import DefinitionErrors
from pgslo.exporting import FORMATS, export, json_schema, report
from pgslo.exporting.model import known, load
from pgslo.exporting.reasons import REASONS
from pgslo.importing import Options, convert

ROOT = Path(__file__).parents[2]
FOLDERS = {"tests/golden": "tests/golden/kinds", "examples": "examples/definitions/kinds"}
FILES = [
    (path, ROOT / kinds)
    for folder, kinds in FOLDERS.items()
    for path in sorted((ROOT / folder).rglob("*.yml"))
    if re.search(r"^table:", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
]
assert len(FILES) > 40
EACH = pytest.mark.parametrize(
    ("path", "folder"), FILES, ids=[f"{path.parent.name}-{path.stem}" for path, _ in FILES]
)


def own_kinds(folder: Path) -> dict[str, Any]:
    return load_kinds({path.name: path.read_text(encoding="utf-8") for path in sorted(folder.iterdir())})


def bare(item: Any) -> Any:
    """A definition without the places in its file."""
    if isinstance(item, BaseModel):
        keys = [key for key in type(item).model_fields if key not in ("location", "places")]
        return type(item).__name__, {key: bare(getattr(item, key)) for key in keys}
    if dataclasses.is_dataclass(item) and not isinstance(item, type):
        keys = [one.name for one in dataclasses.fields(item) if one.name != "location"]
        return type(item).__name__, {key: bare(getattr(item, key)) for key in keys}
    if isinstance(item, dict):
        return {key: bare(one) for key, one in item.items()}
    return [bare(one) for one in item] if isinstance(item, list | tuple) else item


def meaning(made: Definition) -> Any:
    """The meaning of a definition, whatever the order of its sections."""
    _, said = bare(made)
    return said | {key: sorted(map(repr, said[key])) for key in ("rules", "assertions")}


@EACH
def test_the_import_of_a_contract_is_the_definition(path: Path, folder: Path) -> None:
    kinds = own_kinds(folder)
    text = path.read_text(encoding="utf-8")
    (contract,) = export({"x.yml": text}, "odcs", "out", kinds=kinds).files.values()
    done = convert({"c.yaml": contract.encode()}, Options(kinds=kinds))
    assert {entry.outcome.status for entry in done.entries} <= {"mapped", "held"}
    ((made, back),) = done.definitions.items()
    assert meaning(definition.load(back, path=made, kinds=kinds)) == meaning(
        definition.load(text, path="x.yml", kinds=kinds)
    )


@pytest.mark.parametrize("form", FORMATS)
@EACH
def test_every_rule_is_in_the_report_once(path: Path, folder: Path, form: str) -> None:
    kinds = own_kinds(folder)
    text = path.read_text(encoding="utf-8")
    done = export({"x.yml": text}, form, "out", kinds=kinds)
    made = definition.load(text, path="x.yml", kinds=kinds)
    assert sorted(one.rule for one in done.entries) == sorted(
        rule.name for rule in (*made.rules, *made.assertions)
    )
    validate(report(done), json_schema())
    for one in done.entries:
        assert (one.reason is None) == (one.status == "exported")
        if one.status != "not_expressible":
            assert one.path in done.files
    for written in done.files.values():
        assert [one for one in yaml.safe_load_all(written) if one is None] == []


def test_reasons_are_a_closed_list_and_documented() -> None:
    page = (ROOT / "docs" / "reference" / "export.md").read_text(encoding="utf-8")
    table = page.partition("## Reasons")[2]
    assert dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", table, flags=re.MULTILINE)) == REASONS
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src/pgslo/exporting").glob("*.py"))
    assert [reason for reason in REASONS if code.count(f'"{reason}"') < 2] == []
    with pytest.raises(AssertionError, match="not a reason"):
        known("whatever")


DEFINITION = """\
table: app.orders
owner: shop
key: id
on_read: refuse
schema: {columns: {id: bigint, amount: "numeric(12,2)", code: text, "on": text}}
row_count: {of: table, min: 1, max: 9}
columns:
  id: [not_null, unique]
  amount:
    - range: {min: 0, below: 100}
    - not_null: {at_least: 0.99}
  code:
    - length: {min: 1, max: 3}
    - accepted_values: [yes, "no", "1"]
    - pattern: {matches: "^[a-z]+$", where: "amount > 1"}
    - references: dim.code.code
  "on": []
rules:
  - pair: {unique: [code, amount]}
  - cheap: {expression: "amount < 50 OR code = 'x'", on_breach: reject}
"""


def test_a_contract() -> None:
    (text,) = export({"a.yml": DEFINITION}, "odcs", "out", kinds={}).files.values()
    said = yaml.safe_load(text)
    table = said["schema"][0]
    columns = {one["name"]: one for one in table["properties"]}
    assert (said["apiVersion"], said["team"]) == ("v3.1.0", {"name": "shop"})
    assert (table["physicalName"], table["physicalType"]) == ("app.orders", "table")
    assert {key: columns["id"][key] for key in ("primaryKey", "required", "unique", "physicalType")} == {
        "primaryKey": True,
        "required": True,
        "unique": True,
        "physicalType": "bigint",
    }
    assert columns["amount"]["logicalTypeOptions"] == {"minimum": 0, "exclusiveMaximum": 100}
    assert columns["amount"]["quality"][0] == {
        "type": "library",
        "metric": "nullValues",
        "mustBeLessOrEqualTo": 1,
        "unit": "percent",
    }
    assert columns["code"]["logicalTypeOptions"] == {"minLength": 1, "maxLength": 3}
    assert columns["code"]["relationships"] == [{"type": "foreignKey", "to": "code.code"}]
    assert columns["code"]["quality"][0]["arguments"] == {"validValues": ["yes", "no", "1"]}
    assert table["quality"][0]["mustBeBetween"] == [1, 9]


def test_what_a_person_changes_in_the_words_of_the_standard_is_a_check_of_its_own() -> None:
    (text,) = export({"a.yml": DEFINITION}, "odcs", "out", kinds={}).files.values()
    assert text.count("exclusiveMaximum: 100") == 1
    done = convert(
        {"c.yaml": text.replace("exclusiveMaximum: 100", "exclusiveMaximum: 70").encode()}, Options()
    )
    changed = [entry for entry in done.entries if entry.found.kind == "exclusiveMaximum"]
    assert [entry.outcome.status for entry in changed] == ["mapped"]
    (back,) = done.definitions.values()
    assert "amount < 70" in back
    assert "range: {min: 0, below: 100}" in back


def test_rules_in_own_words_pass_the_gate_of_lint() -> None:
    (text,) = export({"a.yml": DEFINITION}, "odcs", "out", kinds={}).files.values()
    hostile = text.replace("amount < 50 OR code = ''x''", "pg_sleep(9) IS NULL")
    assert hostile != text
    done = convert({"c.yaml": hostile.encode()}, Options())
    refused = [
        entry.outcome.remarks[0].reason for entry in done.entries if entry.outcome.status == "not_mapped"
    ]
    assert refused == ["refused"]
    (back,) = done.definitions.values()
    assert "\n  - cheap" not in back


@pytest.mark.parametrize(
    ("implementation", "reason"),
    [
        ("columns: {a: [not_null, unique]}", "unclear"),
        ("table: a.b", "unclear"),
        ("rules: [{x: {expression: 'a'}}, {y: {expression: 'b'}}]", "unclear"),
        ("{", "refused"),
        ("&a [*a]", "refused"),
        ("columns: {a: [no_kind]}", "refused"),
    ],
)
def test_own_words_that_are_not_one_rule(implementation: str, reason: str) -> None:
    quality = {"type": "custom", "engine": "pgslo", "implementation": implementation}
    said = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "schema": [{"name": "app.t", "quality": [quality], "properties": [{"name": "a", "required": True}]}],
    }
    done = convert({"c.yaml": yaml.safe_dump(said).encode()}, Options())
    assert [
        (entry.outcome.status, entry.outcome.remarks[0].reason)
        for entry in done.entries
        if entry.found.kind == "quality custom"
    ] == [("not_mapped", reason)]


def test_dbt_tests() -> None:
    (text,) = export({"a.yml": DEFINITION}, "dbt", "out", kinds={}).files.values()
    (source,) = yaml.safe_load(text)["sources"]
    (table,) = source["tables"]
    assert (source["name"], table["name"]) == ("app", "orders")
    tests = {next(iter(one)): next(iter(one.values())) for one in table["data_tests"]}
    assert tests["dbt_utils.unique_combination_of_columns"]["config"] == {
        "severity": "warn",
        "where": "(code IS NOT NULL AND amount IS NOT NULL)",
    }
    assert tests["dbt_utils.expression_is_true"]["config"]["severity"] == "error"
    columns = {one["name"]: one["data_tests"] for one in table["columns"]}
    assert [next(iter(one)) for one in columns["id"]] == ["not_null", "unique"]
    relation = next(one["relationships"] for one in columns["code"] if "relationships" in one)
    assert relation["arguments"] == {"to": "dim.code", "field": "code"}
    kept = table["config"]["meta"]["pgslo"]
    assert kept["rules"][-1] == "columns: {amount: [{not_null: {at_least: 0.99}}]}"
    assert kept["settings"]["on_read"] == "refuse"


def test_the_import_of_tests_of_dbt_has_the_same_rules() -> None:
    (text,) = export({"a.yml": DEFINITION}, "dbt", "out", kinds={}).files.values()
    done = convert({"s.yml": text.encode()}, Options())
    assert {entry.outcome.status for entry in done.entries} == {"mapped"}
    ((path, back),) = done.definitions.items()
    made = definition.load(back, path=path)
    kinds = sorted((rule.kind, rule.column) for rule in made.rules if rule.column)
    assert ("accepted_values", "code") in kinds
    assert ("references", "code") in kinds
    assert sum(kind == "unique" for kind, _ in kinds) == 1


def test_tasks_are_exposures_of_dbt() -> None:
    """Of one task that reads two tables there is one, since dbt allows each name once."""
    files = {
        "a.yml": "table: app.a\ncolumns: {x: [not_null]}\ntasks: {churn: {contact: '#churn', reads: [x]}, fraud: {reads: [x]}}\n",
        "b.yml": "table: 'app.\"b c\"'\ncolumns: {y: [not_null]}\ntasks: {churn: {reads: [y]}, mail: {contact: me@example.org, reads: [y]}}\n",
    }
    done = export(files, "dbt", "out", kinds={})
    assert list(done.files)[-1] == "out/tasks.dbt.yml"
    churn, fraud, mail = yaml.safe_load(done.files["out/tasks.dbt.yml"])["exposures"]
    assert churn == {
        "name": "churn",
        "type": "ml",
        "owner": {"name": "#churn"},
        "depends_on": ['source("app", "a")', 'source("app", "b c")'],
        "config": {"meta": {"pgslo": {"reads": {"app.a": ["x"], "app.b c": ["y"]}}}},
    }
    assert fraud["owner"] == {"name": "fraud"}
    assert mail["owner"] == {"name": "mail", "email": "me@example.org"}
    assert len(export(files, "odcs", "out", kinds={}).files) == 2


def test_nothing_of_a_task_is_run_by_dbt() -> None:
    """The name of a table is inside an expression that dbt runs: always as a text."""
    table = """app.\"x'), env_var('SECRET'), source('a\""""
    text = f"table: '{table.replace(chr(39), chr(39) * 2)}'\ncolumns: {{x: [not_null]}}\ntasks: {{t: {{contact: '{{{{ 1 }}}}', reads: [x]}}}}\n"
    written = export({"a.yml": text}, "dbt", "o", kinds={}).files["o/tasks.dbt.yml"]
    (task,) = yaml.safe_load(written)["exposures"]
    assert task["owner"] == {"name": "t"}
    (read,) = (
        jinja2.Environment(autoescape=False)
        .parse("{{ " + task["depends_on"][0] + " }}")
        .find_all(jinja2.nodes.Call)
    )
    assert [one.as_const() for one in read.args] == ["app", "x'), env_var('SECRET'), source('a"]


def test_nothing_in_a_definition_is_run_by_dbt() -> None:
    text = """\
    table: app.t
    description: "{{ env_var('SECRET') }}"
    owner: "{% raw %}"
    columns:
      a:
        - pattern: "{{ run_query('x') }}"
        - accepted_values: {values: ["{# x #}"], description: "{{ y }}"}
        - not_null: {tags: ["{{ z }}"]}
      "{{ c }}": [not_null]
    freshness: {max_age: 1 day, of: "{{ run_query('x') }}"}
    """
    (written,) = export(
        {"a.yml": "\n".join(line[4:] for line in text.split("\n"))}, "dbt", "o", kinds={}
    ).files.values()
    assert "{{" not in written
    assert "{%" not in written
    assert "{#" not in written


def test_objectives() -> None:
    text = "table: app.t\nobjective: {target: 0.99, window: 28 days}\ncolumns:\n  a:\n    - not_null\n    - repair: {default: 0}\n"
    done = export({"a.yml": text}, "openslo", "out", kinds={})
    assert [(one.status, one.reason) for one in done.entries] == [
        ("exported", None),
        ("not_expressible", "no_word"),
    ]
    (said,) = yaml.safe_load_all(next(iter(done.files.values())))
    assert said["spec"]["timeWindow"] == [{"duration": "4w", "isRolling": True}]
    assert said["spec"]["objectives"][0]["target"] == 0.99
    good = said["spec"]["indicator"]["spec"]["ratioMetric"]["good"]["metricSource"]["spec"]["query"]
    assert good == (
        "SELECT judged - missed FROM pgslo.budget WHERE definition = 'app.t' AND rule = 'a_not_null'"
    )
    back = convert({"s.yaml": next(iter(done.files.values())).encode()}, Options())
    assert [entry.outcome.remarks[0].reason for entry in back.entries] == ["no_table"]


def test_a_definition_that_is_wrong() -> None:
    with pytest.raises(DefinitionErrors):
        export({"a.yml": "table: app.t\ncolumns: {a: [nothing]}\n"}, "odcs", "out", kinds={})
    with pytest.raises(DefinitionErrors):
        load("- a\n", path="a.yml")


# The command


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slos").mkdir()
    (tmp_path / "slos" / "a.yml").write_text("table: app.t\ncolumns: {a: [not_null]}\n", encoding="utf-8")
    return tmp_path


def run(*args: str) -> Any:
    return CliRunner().invoke(main, ["export", *args])


def test_the_command(project: Path) -> None:
    result = run("--to", "odcs", "--json", "--report", "r.json")
    assert result.exit_code == 0, result.stderr
    assert result.stderr == "1 rule: 1 as they are, 0 changed, 0 not expressible; see r.json\n"
    assert json.loads(result.stdout) == json.loads((project / "r.json").read_text(encoding="utf-8"))
    assert (project / "exports" / "app.t.odcs.yaml").exists()
    assert run("--to", "odcs", "--check").exit_code == 0
    assert run("--to", "dbt", "--check").exit_code == 3
    assert not (project / "exports" / "app.t.dbt.yml").exists()


def test_the_command_with_a_rule_that_is_not_expressible(project: Path) -> None:
    result = run("--to", "openslo", "-o", "out", "--strict")
    assert result.exit_code == 3
    assert (
        "not expressible: a_not_null (not_null): neither the rule nor the file has an objective"
        in result.stderr
    )
    assert not (project / "out").exists()


def test_wrong_usage(project: Path) -> None:
    assert run().exit_code == 2
    assert run("--to", "soda").exit_code == 2
    assert json.loads(run("--report-schema").stdout)["title"] == "Report of pgslo export"
    (project / "slos" / "b.yml").write_text("table: app.u\nzzz: 1\n", encoding="utf-8")
    assert run("--to", "odcs").exit_code == 1
    assert not (project / "exports").exists()


@pytest.mark.parametrize("form", ["odcs", "dbt"])
def test_a_rule_at_a_path_is_kept_in_own_words(form: str) -> None:
    text = "table: app.t\ncolumns:\n  bag.geo.country:\n    - accepted_values: [us, de]\n    - not_null\n"
    made = export({"a.yml": text}, form, "out", kinds={})
    assert [(one.status, one.reason) for one in made.entries] == [("not_expressible", "inside")] * 2
    (written,) = made.files.values()
    assert "bag.geo.country" in written
    assert not re.search(r"name: \S*bag\.geo", written)
