"""A second import keeps what a person wrote, rule by rule."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from pgslo.cli import main
from pgslo.importing.report import json_schema
from pgslo.importing.writing.merge import merge, units

KINDS = ("not_null", "unique", "not_blank", "length: [1, 9]", "range: [0, 9]", "pattern: a", "expression: b")


def definition(columns: dict[str, list[str]], rules: list[str]) -> str:
    lines = ["# Written by pgslo import.", "table: app.t", "key: none", "enforce: false", "", "columns:"]
    for column, kinds in columns.items():
        lines += [f"  {column}:", *(f"    - {kind}  # a.yml:{len(kind)}" for kind in kinds)]
    if rules:
        lines += ["", "rules:", *(f"  - {name}: {{expression: x}}" for name in rules)]
    return "\n".join(lines) + "\n"


LISTS = st.lists(st.sampled_from(KINDS), min_size=1, max_size=4, unique=True).map(sorted)
TEXTS = st.builds(
    definition,
    st.dictionaries(st.sampled_from(["a", "b", "c"]), LISTS, min_size=1).map(
        lambda found: dict(sorted(found.items()))
    ),
    st.lists(st.sampled_from(["one", "two", "three"]), unique=True).map(sorted),
)


@given(TEXTS, TEXTS)
def test_what_nobody_edited_is_what_the_source_says(base: str, theirs: str) -> None:
    assert sorted(unit.key for unit in units(merge(base, base, theirs).text)) == sorted(
        unit.key for unit in units(theirs)
    )
    assert merge(base, base, base).text == base
    assert merge(base, base, theirs).kept == []


@given(TEXTS, TEXTS, st.data())
def test_nothing_written_by_hand_is_lost_and_a_third_run_changes_nothing(
    base: str, theirs: str, data: st.DataObject
) -> None:
    lines = base.split("\n")
    rules = [number for number, line in enumerate(lines) if line.startswith("    - ")]
    edited = data.draw(st.sampled_from(rules))
    deleted = data.draw(
        st.sampled_from(rules).filter(lambda number: number != edited) if len(rules) > 1 else st.none()
    )
    kind = lines[edited].split()[1].removesuffix(":")
    lines[edited] = f"    - {kind}: {{on_breach: reject}}  # by hand"
    lines.insert(edited, "    # a comment by hand")
    if deleted is not None:
        gone = lines[deleted + (deleted >= edited)]
        lines.remove(gone)
    ours = "\n".join(lines)
    merged = merge(base, ours, theirs)
    assert f"    # a comment by hand\n    - {kind}: {{on_breach: reject}}  # by hand" in merged.text
    assert merge(base, ours, base).text == ours
    assert merge(theirs, merged.text, theirs).text == merged.text
    for line, there in merged.lines.items():
        said = merged.text.split("\n")[there - 1]
        assert said == theirs.split("\n")[line - 1] or "by hand" in said
    if deleted is not None:
        keys = {unit.key for unit in units(base)} - {unit.key for unit in units(ours)}
        assert not keys & {unit.key for unit in units(merged.text)}


# The command

BEFORE = """\
models:
  - name: a
    columns:
      - name: x
        tests: [not_null, unique, {accepted_values: {values: [p, q]}}]
      - name: y
        tests: [not_null]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)
    (tmp_path / "a.yml").write_text(BEFORE, encoding="utf-8")
    assert run().exit_code == 0
    return tmp_path


def run(*args: str) -> Any:
    return CliRunner().invoke(main, ["import", "a.yml", "--schema", "app", "--report", "r.json", *args])


def edit(path: Path, *pairs: tuple[str, str]) -> None:
    text = path.read_text(encoding="utf-8")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text, encoding="utf-8")


def test_again(folder: Path) -> None:
    made = folder / "slos" / "app.a.yml"
    edit(
        made,
        ("    - unique  # a.yml:5\n", ""),
        ("[p, q]", "[p, q, r]"),
        ("enforce: false", "enforce: false\nowner: me"),
    )
    edit(
        folder / "a.yml",
        ("[p, q]", "[p]"),
        ("      - name: y\n        tests: [not_null]\n", "      - name: z\n        tests: [unique]\n"),
    )
    before = made.read_text(encoding="utf-8")
    assert run("--check").exit_code == 3
    assert made.read_text(encoding="utf-8") == before
    result = run()
    assert result.exit_code == 3
    assert (
        "slos/app.a.yml:10 was edited by hand, so it stays as it is; the source says now - accepted_values: [p]"
        in (result.stderr)
    )
    text = made.read_text(encoding="utf-8")
    said = json.loads((folder / "r.json").read_text(encoding="utf-8"))
    (stays,) = said["kept_by_hand"]
    assert (stays["file"], stays["line"]) == ("slos/app.a.yml", 10)
    assert stays["wanted"].startswith("- accepted_values: [p]")
    assert "[p, q, r]" in text.split("\n")[stays["line"] - 1]
    pytest.importorskip("jsonschema").validate(said, json_schema())
    assert "owner: me" in text
    assert "[p, q, r]" in text
    assert "  x:\n    - not_null" in text
    assert "  z:\n    - unique" in text
    assert "  y:" not in text
    assert text.count("unique") == 1 + text.count("# not_null and unique") + text.count("# unique")
    for check in json.loads((folder / "r.json").read_text(encoding="utf-8"))["checks"]:
        if check["target"] is not None:
            line = text.split("\n")[check["target"]["line"] - 1]
            assert check["source"]["id"].removeprefix("dbt_utils.") in line
    # The source is as it was: there is nothing to tell.
    assert run().exit_code == 0
    assert made.read_text(encoding="utf-8") == text
    assert run("--check").exit_code == 0
    assert CliRunner().invoke(main, ["lint"]).exit_code == 0


def test_an_edited_rule_that_is_gone_in_the_source_stays(folder: Path) -> None:
    made = folder / "slos" / "app.a.yml"
    edit(made, ("[p, q]", "[p, q, r]"))
    edit(folder / "a.yml", (", {accepted_values: {values: [p, q]}}", ""))
    result = run()
    assert "the source has no such check any more" in result.stderr
    assert "[p, q, r]" in made.read_text(encoding="utf-8")
    (stays,) = json.loads((folder / "r.json").read_text(encoding="utf-8"))["kept_by_hand"]
    assert stays["wanted"] is None
    assert "[p, q, r]" in made.read_text(encoding="utf-8").split("\n")[stays["line"] - 1]


def test_what_stays_is_in_sarif_at_its_place_in_the_definition(folder: Path) -> None:
    made = folder / "slos" / "app.a.yml"
    edit(made, ("[p, q]", "[p, q, r]"))
    edit(folder / "a.yml", (", {accepted_values: {values: [p, q]}}", ""))
    run("--report-format", "sarif")
    (results,) = (one["results"] for one in json.loads((folder / "r.json").read_text("utf-8"))["runs"])
    (found,) = (one for one in results if one["ruleId"] == "kept_by_hand")
    place = found["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "slos/app.a.yml"
    assert "[p, q, r]" in made.read_text(encoding="utf-8").split("\n")[place["region"]["startLine"] - 1]
    assert "has no such check any more" in found["message"]["text"]


def test_a_whole_file_that_stays_is_in_the_report(folder: Path) -> None:
    edit(folder / "slos" / "app.a.yml", ("\nenforce: false", "\nenforce: [broken"))
    edit(folder / "a.yml", ("[p, q]", "[p]"))
    result = run()
    assert result.exit_code == 3, (result.output, result.exception)
    (stays,) = json.loads((folder / "r.json").read_text(encoding="utf-8"))["kept_by_hand"]
    assert (stays["file"], stays["line"], stays["wanted"]) == ("slos/app.a.yml", None, None)
    assert "does not go together" in stays["message"]


def test_the_state_of_an_older_version_knows_files_that_nobody_edited(folder: Path) -> None:
    state = folder / "slos" / ".pgslo-import.json"
    said = json.loads(state.read_text(encoding="utf-8"))
    said["version"] = 1
    for one in said["files"].values():
        del one["text"]
    state.write_text(json.dumps(said), encoding="utf-8")
    edit(folder / "a.yml", ("[p, q]", "[p]"))
    assert run().exit_code == 0
    assert "[p]" in (folder / "slos" / "app.a.yml").read_text(encoding="utf-8")
