"""Imports as a whole: every check is accounted for, whatever the files are; the result passes lint."""

from __future__ import annotations

import json
import re
import socket
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from imports import definitions, imported, outcomes, rules

from pgslo.errors import Location, PgsloError
from pgslo.importing import Options, TableMap, convert
from pgslo.importing.formats.registry import FORMATS, READERS
from pgslo.importing.ledger import Ledger
from pgslo.importing.model import Found, Remark, SourceTable, mapped, not_mapped
from pgslo.importing.reasons import REASONS
from pgslo.importing.report import json_schema, last_line, lines, report, sarif
from pgslo.importing.source import MAX_BYTES, UnreadableError, decode, plain, read

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "import.md"


# The law


def a_check() -> Found:
    return Found("not_null", Location("a.yml", 1, 1), SourceTable("ref:a", "a"), None, "not_null")


def test_a_check_that_is_lost_is_an_error() -> None:
    ledger = Ledger()
    ledger.count([a_check()])
    with pytest.raises(AssertionError, match="found and then lost"):
        ledger.close()


def test_a_check_that_is_settled_twice_or_never_counted_is_an_error() -> None:
    ledger, found = Ledger(), a_check()
    with pytest.raises(AssertionError, match="never counted"):
        ledger.settle(found, not_mapped("no_word"), of="dbt")
    ledger.count([found])
    with pytest.raises(AssertionError, match="counted twice"):
        ledger.count([found])
    ledger.settle(found, not_mapped("no_word"), of="dbt")
    with pytest.raises(AssertionError, match="settled twice"):
        ledger.settle(found, not_mapped("no_word"), of="dbt")
    assert len(ledger.close()) == 1


def test_a_check_that_is_mapped_and_not_written_is_an_error() -> None:
    ledger, found = Ledger(), a_check()
    ledger.count([found])
    ledger.settle(found, mapped(), of="dbt")
    with pytest.raises(AssertionError, match="mapped and not written"):
        ledger.close()


def test_a_reason_is_one_of_the_list() -> None:
    with pytest.raises(AssertionError):
        Remark("because")


def test_the_reference_has_every_reason_and_every_format_and_no_other() -> None:
    page = PAGE.read_text(encoding="utf-8")
    documented = dict(
        re.findall(
            r"^\| `([a-z_]+)` \| (.+?) \|$",
            page.partition("## Reasons")[2].partition("\n## ")[0],
            re.MULTILINE,
        )
    )
    assert documented == REASONS
    formats = re.findall(
        r"^\| `([a-z-]+)` \|", page.partition("## Formats")[2].partition("\n## ")[0], re.MULTILINE
    )
    assert sorted(formats) == sorted(FORMATS)


def test_every_reason_is_given_by_some_code() -> None:
    code = "".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "src/pgslo/importing").rglob("*.py")
        if path.stem != "reasons"
    )
    assert [reason for reason in REASONS if f'"{reason}"' not in code] == []


# A large project

_TESTS: list[Any] = [
    "not_null",
    "unique",
    {"accepted_values": {"values": ["a", "b"]}},
    {"dbt_utils.accepted_range": {"min_value": 0, "max_value": 10}},
    {"relationships": {"to": "ref('t0')", "field": "id"}},
    {"my_test": {"x": 1}},
    {"not_null": {"where": "f(x)"}},
    {"dbt_expectations.expect_column_values_to_match_regex": {"regex": "^a$"}},
]


def large_project(files: int, tests: int) -> dict[str, bytes]:
    """A project with a given number of files and tests."""
    made: dict[str, bytes] = {}
    written = 0
    for number in range(files):
        models = []
        for model in range(6):
            columns = []
            while len(columns) < 5 and written < tests and written < tests * (number + 1) / files:
                some = _TESTS[written % 7 : written % 7 + 2]
                some = some[: tests - written]
                columns.append({"name": f"c{len(columns)}", "description": "A column.", "tests": some})
                written += len(some)
            models.append({"name": f"t{number}_{model}", "columns": columns})
        made[f"m{number}.yml"] = yaml.safe_dump(
            json.loads(json.dumps({"version": 2, "models": models}))
        ).encode()
    return made


def dumb_count(data: bytes) -> int:
    """How many tests a file has, by its text alone."""
    inside, count, indent = False, 0, 0
    for line in data.decode().split("\n"):
        bare = line.lstrip()
        at = len(line) - len(bare)
        if bare == "tests:":
            inside, indent = True, at
        elif inside and at <= indent and not bare.startswith("- "):
            inside = False
        elif inside and at == indent and bare.startswith("- "):
            count += 1
    return count


def test_every_check_of_a_large_project_is_in_the_report_once() -> None:
    files = large_project(79, 3_865)
    started = time.process_time()
    done = convert(files, Options(schema="app"))
    took = time.process_time() - started
    # Only the one reference that has a table is mapped; the dumb counter knows nothing of that.
    assert len(done.entries) == sum(dumb_count(data) for data in files.values()) > 1_000
    places = [(entry.found.location, entry.found.kind) for entry in done.entries]
    assert len(set(places)) == len(places)
    for entry in done.entries:
        source = files[entry.found.location.path].decode().split("\n")[entry.found.location.line - 1]
        assert entry.found.kind in source
        if entry.outcome.rules:
            assert entry.path is not None
            assert entry.line is not None
            target = done.definitions[entry.path].split("\n")[entry.line - 1]
            assert target.strip().startswith(f"- {entry.outcome.rules[0].kind}")
    assert took < 10


# Files


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", "written twice"),
        ("a:\n\t- b", "cannot start any token"),
        ("a: !!python/object/apply:os.system [id]", "tag"),
        ("[" * 41 + "]" * 41, "nested deeper"),
        ("[" * 100_000, "nest"),
        ("a: *b", "has no anchor"),
        ("a: &a [*a]", "has no anchor"),
        ("? [a]\n: b", "a key that is a list"),
        ("a: \x00", "characters are not allowed"),
        ('a: "\\UFFFFFFFF"', "not YAML"),
        ("<<: 1", "merge key needs mappings"),
        (
            "a: &a [x,x,x,x,x,x,x,x,x]\n"
            + "".join(
                f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(8)
            ),
            "values",
        ),
    ],
)
def test_hostile_files_are_refused_with_a_place(text: str, message: str) -> None:
    with pytest.raises(UnreadableError, match=message) as caught:
        read(text, path="a.yml")
    assert caught.value.line >= 1


def test_files_that_are_no_text_or_too_large() -> None:
    with pytest.raises(UnreadableError, match="not UTF-8"):
        decode(b"a: \xff")
    with pytest.raises(UnreadableError, match="larger than 50 MB"):
        decode(b" " * (MAX_BYTES + 1))
    assert decode(b"\xef\xbb\xbfa: 1\r\nb: 2\r") == "a: 1\nb: 2\n"


def test_values_are_those_of_yaml_1_1_and_dates_stay_text() -> None:
    (node,) = read(
        "a: [yes, 0x1F, 1.5, ~, '1', 2020-01-01, 2020-13-45, 1e5, on]\nb: {<<: {c: 1, d: 2}, d: 3}", path="a"
    )
    assert plain(node) == {
        "a": [True, 31, 1.5, None, "1", "2020-01-01", "2020-13-45", "1e5", True],
        "b": {"c": 1, "d": 3},
    }


def test_one_broken_file_is_one_entry_and_the_others_go_on() -> None:
    done = imported("models: [", "models: [{name: a, columns: [{name: x, tests: [not_null]}]}]")
    assert outcomes(done) == [("mapped",)]
    assert [(one.path, one.line) for one in done.failures] == [("0_source.yml", 2)]


def test_a_file_of_no_format_is_refused_where_it_is_named() -> None:
    assert imported("a: 1").failures[0].message == "no format that pgslo imports"
    done = convert({"a.yml": b"a: 1"}, Options())
    assert (done.failures, done.ignored) == ([], ["a.yml: no format that pgslo imports"])


@pytest.mark.parametrize("name", ["../../etc/x", 'a"b', "a.b", "Ä Ö", ".hidden", "a/b", "CON", "x" * 60])
def test_names_of_files_stay_in_their_folder(name: str) -> None:
    done = imported(
        json.dumps({"models": [{"name": name, "columns": [{"name": "x", "tests": ["not_null"]}]}]})
    )
    assert outcomes(done) == [("mapped",)]
    (path,) = done.definitions
    assert re.fullmatch(r"slos/[a-z0-9_][a-z0-9_.]*\.yml", path)
    assert ".." not in path
    (definition,) = definitions(done).values()
    assert definition.table_name == name


@pytest.mark.parametrize("name", ["", "x" * 64, "a\u202eb", "$pgslo$"])
def test_names_that_no_table_has(name: str) -> None:
    done = imported(
        json.dumps({"models": [{"name": name, "columns": [{"name": "x", "tests": ["not_null"]}]}]})
    )
    assert outcomes(done) == [("not_mapped", "no_table")]


ODD = st.text(
    st.sampled_from("ab\"'\\#:{}[]$%\n\t\x00\x1b\u202e\u00e4,&*!|> -"), max_size=12
) | st.sampled_from(["$pgslo$", "{{ x }}", "<<", "null", "# a", "- b", "''", "no", "1"])


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "name": ODD,
                "description": ODD,
                "tests": st.lists(
                    st.sampled_from(["not_null", "unique"])
                    | st.fixed_dictionaries(
                        {
                            "accepted_values": st.fixed_dictionaries(
                                {"values": st.lists(ODD, min_size=1, max_size=3)}
                            )
                        }
                    )
                    | st.fixed_dictionaries(
                        {"not_null": st.fixed_dictionaries({"where": ODD, "description": ODD, "name": ODD})}
                    )
                    | st.fixed_dictionaries(
                        {"dbt_utils.expression_is_true": st.fixed_dictionaries({"expression": ODD})}
                    )
                    | ODD,
                    max_size=3,
                ),
            }
        ),
        max_size=3,
    ),
    ODD,
)
def test_whatever_texts_hold_each_check_is_reported_and_each_definition_passes_lint(
    columns: Any, description: str
) -> None:
    source = {"models": [{"name": "orders", "description": description, "columns": columns}]}
    done = convert({"a.yml": json.dumps(source).encode()}, Options(schema="app"), given=frozenset({"a.yml"}))
    if not done.failures:
        assert len(done.entries) == sum(len(column["tests"]) for column in columns)
    definitions(done)
    report(done)
    list(lines(done))


def test_comments_show_no_line_break_and_no_hidden_character() -> None:
    done = imported(
        json.dumps(
            {
                "models": [
                    {
                        "name": "a",
                        "columns": [{"name": "x", "tests": ["not_null", "b\nrules: 1\u202e$pgslo$"]}],
                    }
                ]
            }
        )
    )
    (text,) = done.definitions.values()
    assert "\u202e" not in text
    assert "rules: 1" not in [line.strip() for line in text.split("\n")]


# What is known of tables


@pytest.mark.parametrize(
    "text", ["ref:a", "=b.c", "ref:a=", "ref:a=b", "ref:a=b.c.d", 'ref:a=b."', "ref:a=*.b"]
)
def test_a_map_that_is_none(text: str) -> None:
    with pytest.raises(PgsloError):
        TableMap.parse(text)


def test_select_takes_some_tables() -> None:
    text = "models: [{name: a, columns: [{name: x, tests: [not_null]}]}, {name: b, columns: [{name: x, tests: [unique]}]}]"
    assert rules(imported(text, select=("b",))) == ["unique"]
    assert rules(imported(text, select=("ref:a",))) == ["not_null"]


def test_a_key_is_what_checks_keep_unique() -> None:
    def head(columns: str) -> str:
        return next(iter(imported(f"models: [{{name: a, columns: [{columns}]}}]").definitions.values()))

    assert "\nkey: [x]  # not_null and unique\n" in head("{name: x, tests: [unique, not_null]}")
    assert "\nkey: none  #" in head("{name: x, tests: [unique]}")
    assert "\nkey: none  #" in head("{name: x, tests: [not_null, {unique: {where: y}}]}")


# The report


MIXED = """
models:
  - name: a
    columns:
      - name: x
        tests: [not_null, own, {accepted_values: {values: [a, null]}}]
"""


def test_the_report_fits_its_schema_and_counts_every_check() -> None:
    import jsonschema

    done = imported(MIXED, "a: [")
    found = report(done)
    jsonschema.Draft202012Validator.check_schema(json_schema())
    jsonschema.validate(found, json_schema())
    assert found["counts"] == {"mapped": 1, "changed": 1, "learned": 0, "held": 0, "not_mapped": 1}
    assert sum(found["counts"].values()) == len(found["checks"]) == 3
    first = found["checks"][0]
    assert first["source"] == {"file": "0_source.yml", "line": 6, "column": 17, "id": "not_null"}
    assert first["rule"] == "x_not_null"
    assert first["needs"] == []
    assert found["checks"][2]["reason"] == "null_in_values"
    assert (
        last_line(done, "r.json")
        == "3 checks: 1 as they are, 1 changed, 0 learned, 0 held, 1 not mapped; see r.json"
    )
    assert len(list(lines(done))) == 3


def test_sarif_shows_what_is_not_as_it_was() -> None:
    (run,) = sarif(imported(MIXED, "a: ["))["runs"]
    assert [(one["ruleId"], one["level"]) for one in run["results"]] == [
        ("private_test", "warning"),
        ("null_in_values", "note"),
        ("unreadable", "error"),
    ]
    assert {one["id"] for one in run["tool"]["driver"]["rules"]} == {
        "private_test",
        "null_in_values",
        "unreadable",
    }


def test_no_socket_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_more: object) -> None:
        raise AssertionError("a socket")

    monkeypatch.setattr(socket, "socket", refuse)
    assert len(imported(MIXED).entries) == 3


def test_every_reader_is_documented_in_a_how_to() -> None:
    text = (ROOT / "docs/how-to/import-checks.md").read_text(encoding="utf-8")
    assert [name for name in READERS if f"`{name}`" not in text] == []
