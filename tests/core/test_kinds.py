"""One class a kind on each side: the rule, and its compilation. Nothing else names it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgslo.compile.assertions.kinds import KINDS as OVER_GROUPS
from pgslo.compile.batches.kinds import KINDS as OVER_BATCHES
from pgslo.compile.rows.kinds import KINDS as OVER_ROWS
from pgslo.definition import rules
from pgslo.definition.rules.kinds.assertions import ASSERTIONS

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "pgslo"
STATED = (*rules.BUILT_IN.values(), rules.Custom, *ASSERTIONS.values())
COMPILED = OVER_ROWS | OVER_BATCHES | OVER_GROUPS
#: Where kinds are listed, so that others find them.
REGISTRIES = {
    "definition/rules/__init__.py",
    "compile/rows/kinds/__init__.py",
    "compile/batches/kinds/__init__.py",
    "compile/assertions/kinds/__init__.py",
    # Which words another tool has for a kind.
    "exporting/dbt.py",
    "exporting/odcs.py",
}
#: Other modules that name a kind, and why they have to.
EXCEPTIONS = {
    ("definition/syntax/forms.py", "Custom"): "its syntax is that of the organisation's template",
    ("definition/syntax/prediction_checks.py", "MlMetric"): "other sections say what a metric may be of",
    ("definition/rules/kinds/assertions.py", "Unique"): "an assertion may state the same as a rule over rows",
    (
        "definition/rules/kinds/assertions.py",
        "References",
    ): "an assertion may state the same as a rule over rows",
}


@pytest.mark.parametrize("stated", STATED, ids=lambda one: one.__name__)
def test_nothing_but_its_two_modules_and_the_registries_names_a_kind(stated):
    own = {_path(stated), _path(COMPILED[stated])}
    named = {
        path
        for path, names in NAMED.items()
        if stated.__name__ in names and (path, stated.__name__) not in EXCEPTIONS
    }
    assert named - own - REGISTRIES == set()


def test_every_exception_is_needed():
    assert [(path, name) for path, name in EXCEPTIONS if name not in NAMED[path]] == []


def test_both_sides_have_the_same_kinds():
    assert set(COMPILED) == set(STATED)
    assert [one for one in STATED if COMPILED[one].__name__ != one.__name__] == []


def test_rules_over_rows_batches_and_groups_are_compiled_apart():
    assert not any(issubclass(one, rules.BatchRule | rules.Assertion) for one in OVER_ROWS)
    assert all(issubclass(one, rules.BatchRule) for one in OVER_BATCHES)
    assert all(issubclass(one, rules.Assertion) for one in OVER_GROUPS)


def test_every_assertion_has_a_template():
    templates = {one.name.removesuffix(".sql.j2") for one in (ROOT / "sql/templates/assertions").iterdir()}
    assert templates == set(ASSERTIONS)


def test_no_module_asks_for_the_word_of_a_kind():
    words = {one.kind for one in STATED}
    # The importer writes rules as text: there, a rule is a word with parameters and has no class.
    compiled = (path for path in NAMED if not path.startswith("importing/"))
    asked = {path: words & set(_compared(SOURCE / path)) for path in compiled}
    assert {path: found for path, found in asked.items() if found} == {}


def _path(kind: type) -> str:
    return f"{kind.__module__.removeprefix('pgslo.').replace('.', '/')}.py"


def _names(module: Path) -> Iterator[str]:
    """Names that a module imports from the modules of rules and kinds, or reads from these."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for one in node.names:
                if _is_of_kinds(node.module or ""):
                    yield one.name
                if _is_of_kinds(f"{node.module}.{one.name}"):
                    modules.add(one.asname or one.name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            yield node.attr


def _compared(module: Path) -> Iterator[str]:
    """Text that a module compares with the attribute ``kind`` or ``word`` of something called rule."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Compare) and ast.unparse(node.left).endswith(("rule.kind", "rule.word")):
            for constant in ast.walk(node):
                if isinstance(constant, ast.Constant) and isinstance(constant.value, str):
                    yield constant.value


def _is_of_kinds(module: str) -> bool:
    return module.startswith("pgslo.definition.rules") or ".kinds" in module


NAMED = {str(one.relative_to(SOURCE)): set(_names(one)) for one in SOURCE.rglob("*.py")}
