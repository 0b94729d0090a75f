"""The command ``pgslo import``: its files, its untouched files, and its exit codes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pgslo.cli import main

Run = Callable[..., Result]
GOOD = "models: [{name: a, columns: [{name: x, tests: [not_null]}]}]\n"
MIXED = "models: [{name: a, columns: [{name: x, tests: [not_null, own]}]}]\n"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)
    return lambda *args: CliRunner().invoke(main, ["import", *args])


def write(path: str, text: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, encoding="utf-8")


def test_all_checks_as_they_are(run: Run) -> None:
    write("models/a.yml", GOOD)
    result = run("models", "--schema", "app", "--report", "r.json")
    assert result.exit_code == 0, result.stderr
    assert result.stderr == "1 check: 1 as they are, 0 changed, 0 learned, 0 held, 0 not mapped; see r.json\n"
    assert Path("slos/app.a.yml").read_text(encoding="utf-8") == (
        "# Written by pgslo import from dbt. Rules are in the order of the source and no write is changed (enforce: false).\n"
        "table: app.a\n"
        "key: none  # no check names unique columns; take this line out if the table has a primary key\n"
        "enforce: false\n"
        "\n"
        "columns:\n"
        "  x:\n"
        "    - not_null  # models/a.yml:1\n"
    )
    assert json.loads(Path("r.json").read_text(encoding="utf-8"))["format"] == "dbt"
    assert CliRunner().invoke(main, ["lint"]).exit_code == 0


def test_a_check_that_is_not_mapped(run: Run) -> None:
    write("a.yml", MIXED)
    result = run("a.yml", "--schema", "app", "-o", "out")
    assert result.exit_code == 3
    assert "a.yml:1:58: not mapped: own of x: " in result.stderr
    assert Path("out/app.a.yml").exists()
    assert run("a.yml", "--schema", "app", "-o", "strict", "--strict").exit_code == 3
    assert not Path("strict").exists()


def test_no_definition_and_no_file(run: Run) -> None:
    write("a.yml", GOOD)
    assert run("absent").exit_code == 1
    assert run().exit_code == 2
    write("broken.yml", "a: [")
    assert run("a.yml", "broken.yml", "--schema", "app").exit_code == 1
    assert Path("slos/app.a.yml").exists(), "the other files go on"


def test_a_table_whose_schema_nothing_says_is_taken_to_be_in_public(run: Run) -> None:
    write("a.yml", GOOD)
    result = run("a.yml", "--report", "r.json")
    assert result.exit_code == 0
    assert (
        "WARNING: the source names no schema of 1 table: it is taken to be in public\n"
        "HINT: name another one with --schema, or tables with --map\n"
    ).lower() in result.stderr.lower()
    assert json.loads(Path("r.json").read_text(encoding="utf-8"))["assumed_schema"] == ["public.a"]
    assert Path("slos/public.a.yml").exists()
    assert "names no schema" not in run("a.yml", "--schema", "app").stderr


def test_check_writes_nothing_and_tells_whether_files_would_change(run: Run) -> None:
    write("a.yml", GOOD)
    assert run("a.yml", "--schema", "app", "--check").exit_code == 3
    assert not Path("slos").exists()
    run("a.yml", "--schema", "app")
    assert run("a.yml", "--schema", "app", "--check").exit_code == 0
    write("a.yml", GOOD.replace("not_null", "unique"))
    before = Path("slos/app.a.yml").read_bytes()
    assert run("a.yml", "--schema", "app", "--check").exit_code == 3
    assert Path("slos/app.a.yml").read_bytes() == before


def test_a_file_that_people_edited_stays(run: Run) -> None:
    write("a.yml", GOOD)
    run("a.yml", "--schema", "app")
    write("a.yml", GOOD.replace("not_null", "unique"))
    assert run("a.yml", "--schema", "app").exit_code == 0
    assert "- unique" in Path("slos/app.a.yml").read_text(encoding="utf-8")
    write("slos/app.a.yml", Path("slos/app.a.yml").read_text(encoding="utf-8") + "zzz: not a definition\n")
    write("a.yml", GOOD)
    result = run("a.yml", "--schema", "app")
    assert result.exit_code == 3
    assert (
        "slos/app.a.yml was edited by hand so that it does not go together with the source" in result.stderr
    )
    assert Path("slos/app.a.yml").read_text(encoding="utf-8").endswith("zzz: not a definition\n")


def test_checks_of_another_source_are_not_lost(run: Run) -> None:
    write("a.yml", GOOD)
    write("checks.yml", "checks for app.a:\n  - row_count > 0\n")
    run("a.yml", "--schema", "app")
    result = run("checks.yml")
    assert result.exit_code == 3
    assert "slos/app.a.yml has checks of a.yml as well, so it stays as it is" in result.stderr
    assert "not_null" in Path("slos/app.a.yml").read_text(encoding="utf-8")
    assert run("a.yml", "checks.yml", "--schema", "app").exit_code == 0
    text = Path("slos/app.a.yml").read_text(encoding="utf-8")
    assert "not_null" in text
    assert "row_count" in text
    Path("a.yml").unlink()
    assert run("checks.yml").exit_code == 0, "a source that is gone holds nothing back"
    assert "not_null" not in Path("slos/app.a.yml").read_text(encoding="utf-8")


def test_a_third_run_changes_no_byte(run: Run) -> None:
    write("models/a.yml", MIXED)
    contents = []
    for _ in range(3):
        run("models", "--schema", "app", "-o", "models/slos")
        contents.append(
            {
                path.name: (path.read_bytes(), path.stat().st_mtime_ns)
                for path in Path("models/slos").iterdir()
            }
        )
    assert contents[0] == contents[1] == contents[2]


def test_maps_and_variables_come_from_files_too(run: Run) -> None:
    write(
        "a.yml",
        "models: [{name: a, columns: [{name: x, tests: [{not_null: {where: \"y = '{{ var('k') }}'\"}}]}]}]\n",
    )
    write("maps.toml", '"ref:a" = "shop.orders"\n')
    write("vars.yml", "k: z\n")
    assert run("a.yml", "--map", "maps.toml", "--vars", "vars.yml").exit_code == 0
    assert "where: \"y = 'z'\"" in Path("slos/shop.orders.yml").read_text(encoding="utf-8")
    assert run("a.yml", "--map", "maps.toml", "--vars", "vars.yml", "--var", "k=w").exit_code == 0
    assert "where: \"y = 'w'\"" in Path("slos/shop.orders.yml").read_text(encoding="utf-8")
    write("maps.toml", "a = 1\n")
    assert run("a.yml", "--map", "maps.toml").exit_code == 1
    assert run("a.yml", "--var", "k").exit_code == 2


@pytest.mark.parametrize("form", ["human", "json", "sarif"])
def test_forms_of_the_report(run: Run, form: str) -> None:
    write("a.yml", MIXED)
    run("a.yml", "--schema", "app", "--report", "r", "--report-format", form)
    text = Path("r").read_text(encoding="utf-8")
    if form == "human":
        assert text.split("\n")[0].startswith("a.yml:1:58: not mapped: own of x: ")
        assert text.endswith("1 not mapped; see above\n")
    else:
        assert json.loads(text)["version"] == ("2.1.0" if form == "sarif" else 1)


def test_the_schema_of_the_report_is_printed_alone(run: Run) -> None:
    result = run("--report-schema")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["title"] == "Report of pgslo import"


def test_a_secret_of_the_environment_is_not_read(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "hunter2")
    write(
        "a.yml",
        "models: [{name: a, columns: [{name: x, tests: [{not_null: {where: \"y = '{{ env_var('SECRET') }}'\"}}]}]}]\n",
    )
    result = run("a.yml", "--schema", "app", "--report", "r.json")
    assert result.exit_code == 1
    assert "its Jinja calls env_var, which is not run here" in result.stderr
    assert "hunter2" not in result.stderr + Path("r.json").read_text(encoding="utf-8")


def test_a_link_of_the_repository_is_not_written_through(run: Run, tmp_path: Path) -> None:
    victim = tmp_path / "victim.txt"
    victim.write_text("mine")
    (tmp_path / "models.yml").write_text("models: [{name: t, columns: [{name: a, tests: [not_null]}]}]")
    folder = tmp_path / "slos"
    folder.mkdir()
    for name in (".app.t.yml.new", "app.t.yml", ".pgslo-import.json", "..pgslo-import.json.new"):
        (folder / name).symlink_to(victim)
    result = run("models.yml", "--schema", "app", "-o", "slos")
    assert victim.read_text() == "mine", result.output


def test_the_project_above_the_models_says_which_are_views(run: Run) -> None:
    write(
        "shop/dbt_project.yml",
        "name: shop\nconfig-version: 2\nmodels: {shop: {staging: {+materialized: view}}}\n",
    )
    write("shop/models/staging/a.yml", GOOD)
    write("shop/models/staging/a.sql", "select 1")
    write("shop/models/marts/b.yml", GOOD.replace("name: a", "name: b"))
    result = run("shop/models", "--schema", "app")
    assert result.exit_code == 3
    assert "is materialized as view" in result.stderr
    assert [path.name for path in Path("slos").glob("*.yml")] == ["app.b.yml"]


def test_the_sql_of_a_model_says_more_than_its_folder(run: Run) -> None:
    write(
        "dbt_project.yml",
        "name: shop\nmodel-paths: [src/models]\nmodels: {shop: {+schema: deep, staging: {+materialized: view}}}\n",
    )
    write("src/models/staging/a.yml", GOOD)
    write(
        "src/models/staging/a.sql", "{{ config(materialized='table', schema=\"own\", alias='b') }} select 1"
    )
    write("src/models/c.yml", GOOD.replace("name: a", "name: c"))
    result = run("src", "--schema", "app")
    assert result.exit_code == 0, result.stderr
    assert sorted(path.name for path in Path("slos").glob("*.yml")) == ["app_deep.c.yml", "app_own.b.yml"]
    assert "re-creates this table" in Path("slos/app_own.b.yml").read_text(encoding="utf-8")
