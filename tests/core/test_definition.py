"""A definition's text becomes rules."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner
from definitions import (
    EXAMPLES,
    HEAD,
    KINDS,
    attempt,
    column_rule,
    load,
    row_rule,
    schema_accepts,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st
from nightly import examples

from pgslo import definition
from pgslo.cli.authoring.schema import schema
from pgslo.cli.session import Session
from pgslo.definition import Definition, names, rules
from pgslo.definition.syntax.forms import COLUMN_FORMS, FILE_FORMS, OPTIONS, ROW_FORMS
from pgslo.definition.syntax.keys import FILE_KEYS, OBJECTIVE_KEYS, TASK_KEYS
from pgslo.errors import Location

# The whole file


def test_everything_a_file_can_say():
    found = load((EXAMPLES / "definitions" / "user_stats.yml").read_text("utf-8"))
    assert found.name == "features.user_stats"
    assert found.description == "Daily user features, written by the nightly job."
    assert found.owner == "growth-platform"
    assert found.key == ("user_id", "feature_date")
    assert found.writes == "bulk"
    assert found.batch is not None
    assert found.batch.by is not None
    assert found.batch.by.columns == ("feature_date",)
    assert found.guarded == "guarded"
    assert found.readers == ("analyst", "churn_service")
    assert found.on_read == "warn"
    (task,) = found.tasks
    assert (task.name, task.contact, task.reads) == ("churn", "#churn-oncall", ("age", "country"))
    assert (task.view, task.relation) == ("serving.churn_features", ("serving", "churn_features"))
    assert task.on_read == "refuse"
    assert {rule.name: (rule.kind, rule.on_breach) for rule in found.rules} == {
        "user_id_not_null": ("not_null", "reject"),
        "age_range": ("range", "quarantine"),
        "country_accepted_values": ("accepted_values", "warn"),
        "score_repair": ("repair", "repair"),
        "label_at_compare": ("compare", "flag"),
        "one_row_per_day": ("unique", "reject"),
        "label_follows_event": ("expression", "reject"),
    }


def test_what_is_not_said():
    found = load(HEAD)
    assert found == Definition(
        schema_name="s",
        table_name="t",
        location=Location("slos/t.yml", 1, 1),
        places={"table": Location("slos/t.yml", 1, 8)},
    )


@pytest.mark.parametrize(
    "path",
    # What is in observe and dbt is for other tools.
    sorted(
        set(EXAMPLES.rglob("*.yml"))
        - set(EXAMPLES.glob("observe/**/*.yml"))
        - set(EXAMPLES.glob("dbt/**/*.yml"))
    ),
    ids=lambda path: path.stem,
)
def test_examples_are_right_for_the_loader_and_for_editors(path: Path):
    text = path.read_text("utf-8")
    assert definition.load(text, path=str(path), kinds=KINDS).rules
    assert schema_accepts(text)


@pytest.mark.parametrize(
    ("table", "schema_name", "table_name"),
    [
        ("s.t", "s", "t"),
        ("Public.User_Stats", "public", "user_stats"),
        ('\'"My Schema"."T"\'', "My Schema", "T"),
        ('\'"a.b"."c""d"\'', "a.b", 'c"d'),
        ("größe.maß", "größe", "maß"),
        ("s.select", "s", "select"),
    ],
)
def test_tables(table: str, schema_name: str, table_name: str):
    found = load(f"table: {table}\n")
    assert (found.schema_name, found.table_name) == (schema_name, table_name)


@pytest.mark.parametrize(
    ("batch", "by", "every"),
    [
        ("{by: feature_date}", "feature_date", None),
        ("{by: \"date_trunc('hour', at)\"}", "date_trunc('hour', at)", None),
        ("{every: 1 hour}", None, timedelta(hours=1)),
        ("{by: at, every: 15 minutes}", "at", timedelta(minutes=15)),
        ("{every: 1 day 6 hours}", None, timedelta(hours=30)),
        ("{every: 26 HOURS}", None, timedelta(hours=26)),
        ("{every: 2 weeks}", None, timedelta(days=14)),
        ("statement", None, None),
    ],
)
def test_batches(batch: str, by: str | None, every: timedelta | None):
    found = load(f"{HEAD}batch: {batch}\n").batch
    assert found is not None
    assert (found.by and found.by.text, found.every) == (by, every)


def test_one_column_needs_no_brackets():
    found = load(f"{HEAD}key: id\nreaders: analyst\ntasks: {{a: {{reads: x}}}}\n")
    assert (found.key, found.readers, found.tasks[0].reads) == (("id",), ("analyst",), ("x",))


# Kinds


@pytest.mark.parametrize(
    ("item", "kind", "fields"),
    [
        ("not_null", rules.NotNull, {}),
        ("not_null:", rules.NotNull, {}),
        ("not_null: {on_breach: reject}", rules.NotNull, {"on_breach": "reject"}),
        ("not_blank", rules.NotBlank, {}),
        ("not_blank: {on_breach: reject}", rules.NotBlank, {"on_breach": "reject"}),
        ("range: {min: 0, max: 1.5}", rules.Range, {"min": 0, "max": Decimal("1.5")}),
        ("range: {min: 0, on_breach: repair}", rules.Range, {"min": 0, "max": None, "on_breach": "repair"}),
        ("range: [0, null]", rules.Range, {"min": 0, "max": None}),
        ("range: [null, 9]", rules.Range, {"min": None, "max": 9}),
        ("unique: {nulls: same}", rules.Unique, {"columns": ("a",), "nulls": "same"}),
        ("range: {min: 2026-01-01}", rules.Range, {"min": "2026-01-01"}),
        ("range: {above: 0, below: 1.5}", rules.Range, {"above": 0, "below": Decimal("1.5"), "min": None}),
        ("range: {min: 0, below: 0.1}", rules.Range, {"min": 0, "below": Decimal("0.1"), "max": None}),
        ("range: {above: 2026-01-01}", rules.Range, {"above": "2026-01-01", "max": None}),
        (
            "accepted_values: [a, 1, true, 0.5, 12:30]",
            rules.AcceptedValues,
            {"values": ("a", 1, True, Decimal("0.5"), "12:30")},
        ),
        (
            "accepted_values: [1, 1.0, true, '1']",
            rules.AcceptedValues,
            {"values": (1, Decimal("1.0"), True, "1")},
        ),
        (
            "accepted_values: {values: [NO, on], at_least: 0.99}",
            rules.AcceptedValues,
            {"values": ("NO", "on"), "at_least": 0.99},
        ),
        ("not_accepted_values: [x]", rules.NotAcceptedValues, {"values": ("x",)}),
        ("length: {max: 2}", rules.Length, {"min": None, "max": 2}),
        ("length: [1, 40]", rules.Length, {"min": 1, "max": 40}),
        ("pattern: '^a'", rules.Pattern, {"matches": "^a", "ignore_case": False}),
        (
            "pattern: {matches: '^a', ignore_case: true}",
            rules.Pattern,
            {"matches": "^a", "ignore_case": True},
        ),
        ("format: email", rules.Format, {"format": "email"}),
        ("unique", rules.Unique, {"columns": ("a",)}),
        (
            "references: dim.country.code",
            rules.References,
            {"columns": ("a",), "table": "dim.country", "to": ("code",)},
        ),
        (
            "references: {table: dim.country, column: code}",
            rules.References,
            {"table": "dim.country", "to": ("code",)},
        ),
        (
            'references: \'"D"."C t"."x"\'',
            rules.References,
            {"table": '"D"."C t"', "to": ("x",), "relation": ("D", "C t")},
        ),
        ("compare: {operator: '>=', to: b}", rules.Compare, {"left": "a", "operator": ">=", "right": "b"}),
        (
            "repair: {clip: [0, 1], default: 0.5}",
            rules.Repair,
            {"clip": (0, 1), "default": Decimal("0.5"), "on_breach": "repair"},
        ),
        (
            "repair: {trim: true, lower: true, round: 2}",
            rules.Repair,
            {"trim": True, "lower": True, "round": 2},
        ),
        ("repair: {map: {x: y, '1': 2, z: null}}", rules.Repair, {"map": {"x": "y", "1": 2, "z": None}}),
        ("repair: {clip: [null, 5], where: b > 0}", rules.Repair, {"clip": (None, 5)}),
    ],
)
def test_kinds_under_a_column(item: str, kind: type[rules.Rule], fields: dict[str, Any]):
    rule = column_rule(item)
    assert type(rule) is kind
    assert rule.column == "a"
    for name, value in fields.items():
        assert getattr(rule, name) == value
    if "values" in fields:
        assert [type(value) for value in rule.values] == [type(value) for value in fields["values"]]
    assert schema_accepts(f"{HEAD}columns:\n  a:\n    - {item}\n")


@pytest.mark.parametrize(
    ("item", "kind", "fields"),
    [
        ("{unique: [a, b], on_breach: reject}", rules.Unique, {"columns": ("a", "b"), "on_breach": "reject"}),
        ("{unique: a}", rules.Unique, {"columns": ("a",)}),
        ("{unique: {columns: [a]}, where: not deleted}", rules.Unique, {"columns": ("a",)}),
        ("{expression: a > b, samples: 0}", rules.ExpressionRule, {"samples": 0}),
        ("{expression: {expression: a > b}}", rules.ExpressionRule, {}),
        (
            "{compare: {left: a, operator: <, right: b}}",
            rules.Compare,
            {"left": "a", "operator": "<", "right": "b"},
        ),
        (
            "{references: {columns: [a, b], table: s.t, to: [x, y]}}",
            rules.References,
            {"columns": ("a", "b"), "to": ("x", "y")},
        ),
        (
            "{references: {columns: a, table: s.t, to: x}}",
            rules.References,
            {"columns": ("a",), "to": ("x",)},
        ),
    ],
)
def test_kinds_under_rules(item: str, kind: type[rules.Rule], fields: dict[str, Any]):
    rule = row_rule(item)
    assert type(rule) is kind
    assert (rule.name, rule.column) == ("r", None)
    for name, value in fields.items():
        assert getattr(rule, name) == value
    assert schema_accepts(f"{HEAD}rules:\n  - r: {item}\n")


def test_every_built_in_kind_can_be_written():
    assert set(COLUMN_FORMS) | set(ROW_FORMS) | set(FILE_FORMS) == set(rules.BUILT_IN)


def test_every_kind_refuses_options_that_do_not_fit():
    # Each has some: bounds of a batch's value do not fit a rule over rows, and a share of rows does not fit a batch.
    assert [kind for kind, rule in rules.BUILT_IN.items() if not rule.unfit.options] == []


def test_examples_in_hints_are_right():
    for form in COLUMN_FORMS.values():
        assert column_rule(form.example.replace("to: a}", "to: b}"))
    for form in ROW_FORMS.values():
        assert row_rule("{" + form.example + "}")


def test_schema():
    (rule,) = load(
        f"{HEAD}schema: {{columns: {{a: 'numeric(10,2)', b: text}}, extra: forbid, on_breach: reject}}\n"
    ).rules
    assert isinstance(rule, rules.Schema)
    assert (rule.name, rule.columns, rule.extra) == (
        "schema",
        {"a": ("numeric(10,2)",), "b": ("text",)},
        "forbid",
    )


@pytest.mark.parametrize(
    ("columns", "read"),
    [
        ("[a, b]", {"a": ("any",), "b": ("any",)}),
        ("{a: any, b: any  number}", {"a": ("any",), "b": ("any number",)}),
        ("{a: [int, any varchar]}", {"a": ("int", "any varchar")}),
        ("{a: any Timestamp With Time Zone}", {"a": ("any Timestamp With Time Zone",)}),
    ],
)
def test_schema_takes_columns_without_type_families_and_lists(columns, read):
    text = f"{HEAD}schema: {{columns: {columns}, ordered: true}}\n"
    assert schema_accepts(text)
    (rule,) = load(text).rules
    assert (rule.columns, rule.ordered) == (read, True)


def test_options():
    rule = column_rule(
        "not_null: {name: x, description: D., owner: o, tags: [p, q], enabled: false, where: b > 0, "
        "on_breach: flag, at_most: 3, samples: 5}"
    )
    assert (rule.name, rule.description, rule.owner, rule.tags, rule.enabled) == (
        "x",
        "D.",
        "o",
        ("p", "q"),
        False,
    )
    assert (rule.where.text, rule.on_breach, rule.at_most, rule.samples) == ("b > 0", "flag", 3, 5)


def test_places():
    rule = column_rule("range: {min: 0, max: 9, where: b > 0}")
    assert (rule.location.line, rule.location.column) == (4, 7)
    assert (rule.place("max").line, rule.place("max").column) == (4, 28)
    assert (rule.place("column").line, rule.place("column").column) == (3, 3)
    assert rule.place("owner") == rule.location
    assert (rule.where.location.line, rule.where.location.column) == (4, 38)
    found = load("table: s.t\nkey: [a, b]\n")
    assert (found.place("key.1").line, found.place("key.1").column) == (2, 10)
    assert (found.place("table").line, found.place("table").column) == (1, 8)
    assert load("table: s.t\ntasks:\n  x: {reads: [a, b]}\n").tasks[0].place("reads.1").column == 18


# Names


def test_derived_names():
    found = load(
        f"{HEAD}columns:\n  a:\n    - range: [0, 1]\n    - range: [0, 2]\n    - not_null\n    - range: [0, 3]\n"
        '  Größe in cm: [not_null]\n  "1st": [not_null]\n  _: [not_null]\n  A: [not_null]\n'
        f"  {'x' * 63}: [not_accepted_values: [1]]\n"
    )
    found_names = [rule.name for rule in found.rules]
    assert found_names[:4] == ["a_range", "a_range_2", "a_not_null", "a_range_3"]
    assert len(set(found_names)) == len(found_names)
    for name in found_names:
        assert names.STABLE_NAME.match(name)
        assert len(name) <= names.STABLE_NAME_BYTES


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(st.text(min_size=1, max_size=30), min_size=2, max_size=6, unique=True))
@example(["0", "<<"])  # in quotes that is a name, and no merge key
def test_columns_never_share_a_derived_name(columns: list[str]):
    quoted = ["".join(f"\\U{ord(character):08x}" for character in column) for column in columns]
    lines = "".join(f'  "{column}": [not_null]\n' for column in quoted)
    found, wrong = attempt(f"{HEAD}columns:\n{lines}")
    assert all(re.search("name|character|text may", one.message) for one in wrong)
    if found is None:
        return
    assert len({rule.name for rule in found.rules}) == len(columns)
    assert [rule.column for rule in found.rules] == columns


# Editors


def test_the_command_prints_the_schema_with_the_projects_kinds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pgslo.toml").write_text('kinds = "kinds"\n', "utf-8")
    (tmp_path / "kinds").mkdir()
    for path in (EXAMPLES / "definitions" / "kinds").iterdir():
        (tmp_path / "kinds" / path.name).write_text(path.read_text("utf-8"), "utf-8")
    printed = CliRunner().invoke(schema, obj=Session())
    assert printed.exit_code == 0
    assert json.loads(printed.output) == definition.json_schema(KINDS)
    jsonschema.Draft202012Validator.check_schema(json.loads(printed.output))


def test_the_schema_refuses_what_editors_should_underline():
    for text in (
        "columns: {a: [nul_null]}",
        "columns: {a: [range: {}]}",
        "rules: [r: {unique: [a], range: [0, 1]}]",
    ):
        assert not schema_accepts(HEAD + text)
    assert not schema_accepts("owner: me")
    assert not schema_accepts("table: t")


# Fuzz

_WORDS = (
    *(
        "table",
        "s.t",
        "columns",
        "rules",
        "tasks",
        "batch",
        "schema",
        "key",
        "a",
        "b",
        "by",
        "every",
        "1 hour",
    ),
    *COLUMN_FORMS,
    *(
        "min",
        "max",
        "values",
        "matches",
        "where",
        "a > 0",
        "on_breach",
        "reject",
        "repair",
        "at_least",
        "0.5",
    ),
    *(
        "1",
        "-1",
        ".nan",
        "null",
        "true",
        "'x'",
        "operator",
        ">=",
        "to",
        "left",
        "right",
        "clip",
        "iban",
        "countries",
    ),
)


def _yaml(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    word = st.sampled_from(_WORDS)
    return st.one_of(
        st.lists(children, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(word, children, max_size=3).map(
            lambda items: "{" + ", ".join(f"{key}: {value}" for key, value in items.items()) + "}"
        ),
    )


_VALUES = st.recursive(st.sampled_from(_WORDS).map(lambda word: f'"{word}"' if ">" in word else word), _yaml)


@settings(max_examples=examples(500), deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["columns", "rules", "tasks", "batch", "schema", "key", "owner", "readers"]),
            _VALUES,
        ),
        max_size=4,
        unique_by=lambda item: item[0],
    )
)
def test_any_file_is_read_or_refused_with_places(parts: list[tuple[str, str]]):
    text = HEAD + "".join(f"{key}: {value}\n" for key, value in parts)
    found, wrong = attempt(text)
    assert all(one.location is not None for one in wrong)
    if found is not None:
        assert schema_accepts(text)
        assert len({rule.name for rule in found.rules}) == len(found.rules)


@settings(max_examples=examples(800), deadline=None)
@given(st.data())
def test_a_damaged_file_is_read_or_refused(data: st.DataObject):
    path = data.draw(st.sampled_from(sorted((EXAMPLES / "definitions").glob("*.yml"))))
    text = path.read_text("utf-8")
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 12)))
        put = data.draw(
            st.sampled_from(
                ["", "\n", " ", "'", '"', ":", "- ", "{", "}", "[", "]", ",", "#", "0", "x: y", "\t"]
            )
        )
        text = text[:start] + put + text[end:]
    _, wrong = attempt(text)
    assert all(one.location is not None for one in wrong)


# The documentation

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", ["reference/definition.md", "how-to/own-kinds.md"])
def test_what_the_documentation_shows_is_right(page: str):
    kinds = dict(KINDS)
    text = (DOCS / page).read_text("utf-8")
    for template in re.findall(r"```jinja\n(.*?)```", text, re.DOTALL):
        name = re.findall(r"^-- kind: (\w+)$", template, re.MULTILINE)[0]
        kinds |= definition.load_kinds({f"{name}.sql": template})
    shown = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert shown
    for block in shown:
        whole = block if block.startswith(("table:", "# yaml-")) else HEAD + block
        if not block.startswith("# yaml-"):
            definition.load(whole, path=page, kinds=kinds)


def test_the_documentation_shows_every_kind_as_it_may_be_written():
    text = (DOCS / "reference" / "definition.md").read_text("utf-8")
    for kind in rules.BUILT_IN:
        if kind == "schema" or kind not in COLUMN_FORMS | ROW_FORMS:
            continue
        (row,) = re.findall(rf"^\| \[`{kind}`\].*$", text, re.MULTILINE)
        under_column, under_rules = row.split("|")[2:4]
        ways = re.findall(r"`([^`]+)`", under_column)
        assert bool(ways) == (kind in COLUMN_FORMS)
        for way in ways:
            column_rule(way)
        assert bool(under_rules.strip()) == (kind in ROW_FORMS)
        for way in re.findall(r"`([^`]+)`", under_rules):
            row_rule(f"{{{way}}}")


def test_the_documentation_lists_every_key():
    text = (DOCS / "reference" / "definition.md").read_text("utf-8")
    for word in (*FILE_KEYS, *OBJECTIVE_KEYS, *OPTIONS, *TASK_KEYS):
        assert f"`{word}`" in text
